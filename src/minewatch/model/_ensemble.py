"""`EnsembleDetector`: the mean of what several detectors say."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from minewatch import _store
from minewatch.errors import InputError
from minewatch.model._card import Card, Output
from minewatch.model._estimator import DetectorBase
from minewatch.model._fusion_onnx import join_members
from minewatch.model._training import CLASSES, both
from minewatch.types import FloatArray


class EnsembleDetector(DetectorBase):
    """Score patches by the mean score of detectors that see different things.

    Nothing is learned of how good each is. Trees on statistics and a rule on textures err in
    different places, so that their mean is better than either.

    Parameters
    ----------
    members
        Detectors, not fitted; copies of them are.

    Attributes
    ----------
    members_
        The fitted copies.
    classes_
        0 and 1.

    Examples
    --------
    >>> from minewatch.model._nulls import NullDetector
    >>> pixels = xr.DataArray(
    ...     np.linspace(0, 1, 16, dtype="float32").reshape(4, 1, 2, 2),
    ...     dims=("site", "band", "y", "x"), coords={"site": list("abcd"), "band": ["B04"]},
    ...     attrs={"level": "L2A", "resolution_m": 10.0},
    ... )
    >>> labels = pd.Series([0, 0, 1, 1], index=list("abcd"))
    >>> both = EnsembleDetector([NullDetector("majority"), NullDetector("mean colour")])
    >>> both.fit(pixels, labels).predict(pixels).tolist()
    [0, 0, 1, 1]
    """

    def __init__(self, members: Sequence[Any]) -> None:
        self.members = members

    def fit(
        self, pixels: xr.DataArray, labels: pd.Series, context: pd.DataFrame | None = None
    ) -> Self:
        """Let each member learn from the same labelled patches."""
        if not len(self.members):
            raise InputError("an ensemble of no detectors cannot learn; name at least one")
        self.classes_ = CLASSES.copy()
        self.members_ = [clone(one).fit(pixels, labels, context) for one in self.members]
        return self

    def predict_proba(
        self, pixels: xr.DataArray, context: pd.DataFrame | None = None
    ) -> FloatArray:
        """Give P(no mining) and P(mining): (site, 2), NaN where a member gives no score."""
        check_is_fitted(self, "members_")
        scores = [one.predict_proba(pixels, context)[:, 1] for one in self.members_]
        return both(np.mean(scores, axis=0))

    def to_onnx(self) -> tuple[Card, bytes]:
        """Give the card, and one network that holds all members.

        Raises
        ------
        InputError
            If members want their pixels or context prepared differently.
        """
        check_is_fitted(self, "members_")
        cards, networks = zip(*(one.to_onnx() for one in self.members_), strict=True)
        _check_alike(cards)
        network = join_members(networks, cards)
        statistics = next((c.preparation.statistics for c in cards if c.preparation.statistics), ())
        takes_pixels = any(card.preparation.takes_pixels for card in cards)
        preparation = cards[0].preparation.model_copy(
            update={"statistics": statistics, "takes_pixels": takes_pixels}
        )
        takes_context = next((card for card in cards if card.context_columns), cards[0])
        made = {
            "name": " and ".join(card.name for card in cards),
            "kind": "fusion",
            "description": "The mean of what several detectors say.",
            "preparation": preparation,
            "output": Output(kind="members"),
            "context_columns": takes_context.context_columns,
            "context_classes": takes_context.context_classes,
            "settings": {"members": [{"kind": c.kind, **c.settings} for c in cards]},
            "digest": _store.digest_bytes(network),
        }
        return cards[0].model_copy(update=made), network


def _check_alike(cards: Sequence[Card]) -> None:
    """Check that one preparation serves all members."""
    entries: dict[str, list[Any]] = {
        "bands": [card.bands for card in cards],
        "what is done with missing pixels": [card.preparation.missing for card in cards],
        "steps of preparation": [card.preparation.steps for card in cards],
        "statistics": [c.preparation.statistics for c in cards if c.preparation.statistics],
        "context columns": [c.context_columns for c in cards if c.context_columns],
    }
    for what, values in entries.items():
        if any(value != values[0] for value in values):
            raise InputError(
                f"the members differ in their {what}, so that one network cannot hold them; save "
                "them one by one"
            )
