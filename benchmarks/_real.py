"""What measurements on real chips share: scores out of folds, intervals over blocks."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from minewatch.model import _metrics
from minewatch.model._cnn import CnnDetector
from minewatch.model._textures import TextureDetector
from minewatch.model._trees import TreeDetector

NETWORK = "--network"
N_RESAMPLES = 1000
N_FOLDS = 5
FIGURES = {0: "AUC", 2: "AP", 3: "sensitivity"}
"""Columns of `_metrics.rank_scores`; sensitivity at a specificity of 0.98."""

Scores = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Folds = list[tuple[Rows, Rows]]


def detectors(seed: int) -> dict[str, Any]:
    """Give the detectors that are measured, each with its defaults; a network if asked for."""
    trees, textures = ensemble(seed)
    chosen: dict[str, Any] = {"trees": trees, "textures": textures}
    if NETWORK in sys.argv:
        chosen["network"] = CnnDetector(random_state=seed)
    return chosen


def ensemble(seed: int) -> tuple[TreeDetector, TextureDetector]:
    """Give the members of the detector that is trained where nothing else is named."""
    return TreeDetector(random_state=seed), TextureDetector(random_state=seed)


def with_ensemble(scores: Mapping[str, Scores]) -> dict[str, Scores]:
    """Add what `EnsembleDetector` of trees and textures gives, the mean of both."""
    return {**scores, "ensemble": (scores["trees"] + scores["textures"]) / 2}


def name_pixels(
    reflectance: npt.NDArray[np.float32], bands: Iterable[str], level: str
) -> xr.DataArray:
    """Give chips names: dims (site, band, y, x); a band that is 0 is not known."""
    return xr.DataArray(
        np.where(reflectance == 0, np.float32(np.nan), reflectance),
        dims=("site", "band", "y", "x"),
        coords={"site": [f"{i:05d}" for i in range(len(reflectance))], "band": list(bands)},
        attrs={"level": level, "resolution_m": 10.0},
    )


def score_out_of_fold(
    detector: Any,
    pixels: xr.DataArray,
    labels: pd.Series,
    folds: Folds,
) -> Scores:
    """Score each test chip by a copy trained without its fold; 0 where there is no score."""
    from sklearn.base import clone

    scores = np.full(len(labels), np.nan)
    summary = detector.summarise(pixels) if hasattr(detector, "summarise") else None
    for train, test in folds:
        one = clone(detector)
        if summary is not None:
            one.fit_summary(summary.iloc[train], labels.iloc[train])
            scores[test] = one.predict_summary(summary.iloc[test])[:, 1]
        else:
            one.fit(pixels.isel(site=train), labels.iloc[train])
            scores[test] = one.predict_proba(pixels.isel(site=test))[:, 1]
    scores[np.isnan(scores)] = 0.0
    return scores


def figures(labels: Rows, deals: Sequence[Scores], blocks: Rows) -> str:
    """Say AUC, AP and sensitivity at specificity 0.98: mean over deals of the folds.

    In square brackets 95 % intervals from resampled blocks, widened as those of `cross_validate`,
    because models of different folds share training places; in round ones the range over deals.
    """
    each = _measure(labels, deals, blocks)
    parts = []
    for place, name in FIGURES.items():
        found, single = each[:, :, place].mean(axis=0), each[:, 0, place]
        value = float(found[0])
        low, high = _metrics.share_interval(value, found[1:], **_stretch(labels, blocks))
        text = f"{name} {value:.3f} [{low:.3f}, {high:.3f}]"
        several = f" ({single.min():.3f}–{single.max():.3f})" if len(deals) > 1 else ""
        parts.append(text + several)
    return "  ".join(parts)


def differences(
    labels: Rows, deals: Sequence[Scores], others: Sequence[Scores], blocks: Rows
) -> str:
    """Say by how much one detector is better than another, deal by deal of the same folds.

    Intervals are made as those of `figures`, both detectors on the same draws; in round brackets
    they stand before they are widened.
    """
    gains = _measure(labels, deals, blocks) - _measure(labels, others, blocks)
    parts = []
    for place, name in FIGURES.items():
        found = gains[:, :, place].mean(axis=0)
        value, plain = float(found[0]), np.nanquantile(found[1:], [0.025, 0.975])
        low, high = _metrics.difference_interval(value, found[1:], **_stretch(labels, blocks))
        parts.append(
            f"{name} {value:+.3f} [{low:+.3f}, {high:+.3f}] ({plain[0]:+.3f}, {plain[1]:+.3f})"
        )
    return "  ".join(parts)


def _measure(labels: Rows, deals: Sequence[Scores], blocks: Rows) -> Scores:
    """Measure (deal, 1 + resample, figure): of all blocks, then of blocks drawn again."""
    numbers = np.unique(blocks, return_inverse=True)[1]
    n_blocks = int(numbers.max()) + 1
    drawn = _metrics.draw_resamples(n_blocks, N_RESAMPLES, 0)
    weights = np.concatenate([np.ones((1, n_blocks)), drawn])
    fold = np.zeros(len(labels), dtype=np.int64)
    parts = [
        _metrics.rank_scores(_metrics.Scored(labels == 1, scores, fold, numbers), weights)
        for scores in deals
    ]
    return np.stack(parts)


def _stretch(labels: Rows, blocks: Rows) -> dict[str, Any]:
    scarce = min(len(np.unique(blocks[labels == kind])) for kind in (0, 1))
    return {"n_scarce": scarce, "widen": _metrics.widening(N_FOLDS), "confidence": 0.95}
