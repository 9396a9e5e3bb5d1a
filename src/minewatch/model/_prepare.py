"""From reflectance to what a network sees, as a card says, and why a patch gets no score."""

import numpy as np
import numpy.typing as npt

from minewatch.model._card import Clip, MissingPixels, Preparation, Scale, Step
from minewatch.types import AnyArray, BoolArray

Values = npt.NDArray[np.float32]


def prepare(reflectance: Values, preparation: Preparation) -> Values:
    """Prepare patches for a network.

    Parameters
    ----------
    reflectance
        float32 (site, band, y, x), NaN where nothing is known; not changed.
    preparation
        What to do.

    Returns
    -------
    ndarray of float32
        The same shape. NaN is left only where missing pixels are neither filled nor refused.

    Examples
    --------
    >>> patch = np.array([0.1, 1.4, np.nan], dtype="float32").reshape(1, 1, 1, 3)
    >>> rule = MissingPixels(method="fill", fill=0.0)
    >>> prepare(patch, Preparation(missing=rule, steps=(Clip(low=0, high=1),))).ravel().tolist()
    [0.10000000149011612, 1.0, 0.0]
    """
    missing = preparation.missing
    values = np.array(reflectance, dtype=np.float32)
    unknown = np.isnan(values) if missing.method == "fill" else None
    if unknown is not None and missing.when == "before":
        values[unknown] = missing.fill
    for step in preparation.steps:
        _apply(step, values)
    if unknown is not None and missing.when == "after":
        values[unknown] = missing.fill
    return values


def _apply(step: Step, values: Values) -> None:
    if isinstance(step, Clip):
        np.clip(values, np.float32(step.low), np.float32(step.high), out=values)
    elif isinstance(step, Scale):
        values *= np.float32(step.factor)
        values += np.float32(step.offset)
    else:
        values -= _by_band(step.mean)
        values /= _by_band(step.deviation)


def _by_band(numbers: tuple[float, ...]) -> Values:
    return np.array(numbers, dtype=np.float32).reshape(-1, 1, 1)


def missing_share(reflectance: Values) -> npt.NDArray[np.float64]:
    """Give the share of each patch's pixels about which something is not known, in any band."""
    unknown: BoolArray = np.logical_or.reduce(np.isnan(reflectance), axis=1)
    share: npt.NDArray[np.float64] = unknown.mean(axis=(1, 2), dtype=np.float64)
    return share


def why_not(shares: npt.NDArray[np.float64], rule: MissingPixels) -> AnyArray:
    """Say for each patch why it gets no score; an empty text where it gets one.

    Parameters
    ----------
    shares
        Share of missing pixels, as `missing_share` gives it.
    rule
        What is done with them.

    Examples
    --------
    >>> why_not(np.array([0.0, 0.1, 1.0]), MissingPixels()).tolist()
    ['', 'some of its pixels are missing', 'every pixel is missing']
    """
    return np.array([_reason(float(share), rule) for share in shares], dtype=object)


def _reason(share: float, rule: MissingPixels) -> str:
    if share == 0.0:
        return ""
    if share == 1.0:
        return "every pixel is missing"
    if rule.method == "refuse":
        return "some of its pixels are missing"
    if share > rule.most_share:
        return f"more than {100 * rule.most_share:.3g} % of its pixels are missing"
    return ""
