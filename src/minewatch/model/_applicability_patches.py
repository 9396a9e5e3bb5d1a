"""What the area of applicability looks at in a patch, and how much each of it counts."""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier

from minewatch.bands import available_indices, spectral_indices
from minewatch.model._applicability import Applicability, fit_applicability
from minewatch.model._channels import BEFORE, bands_of, positions_of
from minewatch.model._evaluate_folds import Sample
from minewatch.model._evaluation import Evaluation
from minewatch.model._features import INDEX_BOUND
from minewatch.types import IntArray

_SITES_AT_ONCE: Final = 128
_N_TREES: Final = 300
_LEAST_LEAF: Final = 5
_TINY: Final = np.float32(1e-9)

Values = npt.NDArray[np.float32]


def describe_patches(pixels: npt.NDArray[np.floating], names: Sequence[str]) -> pd.DataFrame:
    """Describe patches by a few numbers of each band and index: how bright, how varied, how rough.

    Channels of context are left aside: how much people map is no trait of the ground.

    Parameters
    ----------
    pixels
        (site, channel, y, x): reflectance, NaN where nothing is known.
    names
        The channels' names, in order.

    Returns
    -------
    DataFrame of float32
        A row for each patch, in order. ``B04 mean``, ``B04 std``, ``B04 likeness`` (the correlation
        of a pixel with its neighbours, 1 where ground is smooth), the same of every index, and of
        an earlier date ``B04@before mean``; NaN where no pixel is known.

    Examples
    --------
    >>> patch = np.full((1, 1, 16, 16), 0.25)
    >>> describe_patches(patch, ["B04"]).round(2).to_dict(orient="records")
    [{'B04 mean': 0.25, 'B04 std': 0.0, 'B04 likeness': 0.0}]
    """
    tables = []
    kinds: tuple[tuple[Literal["band", "before"], str], ...] = (
        ("band", ""), ("before", f"@{BEFORE}"),
    )  # fmt: skip
    for kind, ending in kinds:
        bands = bands_of(names, kind)
        if bands:
            reflectance = np.take(pixels, positions_of(names, kind), axis=1)
            tables.append(_describe_date(reflectance, bands, ending))
    return pd.concat(tables, axis=1)


def fit_area(evaluation: Evaluation, sample: Sample) -> Applicability:
    """Learn where the figures of an evaluation hold, from the patches that it was made on.

    Features are weighted by their importance to trees that tell the classes apart [1]_ by them:
    what says nothing of mining does not make a place unlike.

    Parameters
    ----------
    evaluation
        It says which sites each fold tested, and which it trained on.
    sample
        The patches that were learned from.

    References
    ----------
    .. [1] Meyer, H., Pebesma, E. (2021). Predicting into unknown space? Estimating the area of
       applicability of spatial prediction models. Methods in Ecology and Evolution 12, 1620–1633.
    """
    names = [str(name) for name in sample.pixels["band"].to_numpy()]
    features = describe_patches(sample.pixels.to_numpy(), names).set_index(sample.labels.index)
    weights = weigh_features(features, sample.labels.to_numpy(dtype=np.int64))
    return fit_applicability(features, evaluation.folds, weights=weights)


def weigh_features(features: pd.DataFrame, labels: IntArray) -> "pd.Series[float]":
    """Say how much each feature tells of the class: importances of trees, which add up to 1."""
    trees = ExtraTreesClassifier(
        _N_TREES, min_samples_leaf=_LEAST_LEAF, class_weight="balanced", random_state=0
    )
    fitted = trees.fit(features.to_numpy(dtype=np.float32), labels)
    importance = np.asarray(fitted.feature_importances_, dtype=np.float64)
    if not importance.sum() > 0:
        importance = np.full(len(importance), 1.0 / len(importance))
    return pd.Series(importance, index=features.columns)


def _describe_date(
    reflectance: npt.NDArray[np.floating], bands: Sequence[str], ending: str
) -> pd.DataFrame:
    layers = (*bands, *available_indices(bands))
    columns = [
        f"{layer}{ending} {kind}" for kind in ("mean", "std", "likeness") for layer in layers
    ]
    parts = [np.empty((0, len(columns)), dtype=np.float32)]
    for start in range(0, len(reflectance), _SITES_AT_ONCE):
        some = np.asarray(reflectance[start : start + _SITES_AT_ONCE], dtype=np.float32)
        indices = spectral_indices(some, bands, band_axis=1).values()
        cut = [np.clip(index, -INDEX_BOUND, INDEX_BOUND)[:, None] for index in indices]
        parts.append(_describe_layers(np.concatenate([some, *cut], axis=1)))
    return pd.DataFrame(np.concatenate(parts), columns=columns)


def _describe_layers(layers: Values) -> Values:
    """Give mean, deviation and likeness of neighbours of layers: (site, 3 × layer)."""
    known = np.isfinite(layers)
    count = known.sum(axis=(2, 3), dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(known, layers, np.float32(0)).sum(axis=(2, 3)) / count
    offset = np.where(known, layers - mean[..., None, None], np.float32(0))
    variance = np.square(offset).sum(axis=(2, 3)) / np.maximum(count, 1)
    together, pairs = np.zeros_like(variance), np.zeros_like(variance)
    for ahead, behind in (
        ((..., slice(1, None), slice(None)), (..., slice(None, -1), slice(None))),
        ((..., slice(1, None)), (..., slice(None, -1))),
    ):
        together += (offset[ahead] * offset[behind]).sum(axis=(2, 3))
        pairs += (known[ahead] & known[behind]).sum(axis=(2, 3))
    likeness = together / np.maximum(pairs, 1) / (variance + _TINY)
    none = count == 0
    parts = [mean, np.where(none, np.nan, np.sqrt(variance)), np.where(none, np.nan, likeness)]
    return np.concatenate(parts, axis=1).astype(np.float32)
