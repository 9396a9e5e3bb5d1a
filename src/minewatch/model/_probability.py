"""From the numbers of a network to probabilities: the same check wherever a network is run."""

from typing import Final

import numpy as np

from minewatch.errors import DetectorError
from minewatch.model._card import Card
from minewatch.model._prepare import Values
from minewatch.types import AnyArray

_TOLERANCE: Final = 1e-5


def read_scores(numbers: AnyArray, card: Card, n_sites: int) -> Values:
    """Give the scores, (site,) float32, among the numbers of a network.

    Parameters
    ----------
    numbers
        What the network gave: (site, number).
    card
        Says what the numbers mean.
    n_sites
        How many sites were given.

    Raises
    ------
    DetectorError
        If the numbers are not as the card promises, or no probabilities.
    """
    values, output = np.asarray(numbers, dtype=np.float32), card.output
    if values.ndim != 2 or len(values) != n_sites or output.index >= values.shape[1]:
        raise DetectorError(
            f"detector {card.name} gave numbers of shape {values.shape} for {n_sites} patches; "
            f"its card promises {output.kind}"
        )
    scores = values.mean(axis=1) if output.kind == "members" else values[:, output.index]
    return clip_scores(scores, card.name)


def clip_scores(scores: Values, name: str) -> Values:
    """Give scores within 0 and 1; NaN, where there is none, stays.

    Raises
    ------
    DetectorError
        If one lies further outside than rounding takes it.
    """
    low, high = np.nanmin(scores, initial=0.0), np.nanmax(scores, initial=0.0)
    if low < -_TOLERANCE or high > 1.0 + _TOLERANCE:
        raise DetectorError(
            f"detector {name} gave scores from {low:g} to {high:g}; expected probabilities: its "
            "network ends without a sigmoid or softmax"
        )
    clipped: Values = np.clip(scores, 0.0, 1.0)
    return clipped
