"""What measurements on real chips share: scores out of folds, intervals over blocks."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from sklearn.metrics import average_precision_score, roc_auc_score

from minewatch.model import _metrics
from minewatch.model._cnn import CnnDetector
from minewatch.model._textures import TextureDetector
from minewatch.model._trees import TreeDetector

NETWORK = "--network"
N_RESAMPLES = 300
N_FOLDS = 5
SPECIFICITY = 0.98

Scores = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Folds = list[tuple[Rows, Rows]]


def detectors(seed: int) -> dict[str, Any]:
    """Give the detectors that are measured, each with its defaults; a network if asked for."""
    chosen: dict[str, Any] = {
        "trees": TreeDetector(random_state=seed),
        "textures": TextureDetector(random_state=seed),
    }
    if NETWORK in sys.argv:
        chosen["network"] = CnnDetector(random_state=seed)
    return chosen


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


def sensitivity(labels: Rows, scores: Scores) -> float:
    """Give the share of mining above the score that 98 % of the rest stays below."""
    threshold = np.quantile(scores[labels == 0], SPECIFICITY)
    return float(np.mean(scores[labels == 1] > threshold))


FIGURES: dict[str, Callable[[Rows, Scores], float]] = {
    "AUC": roc_auc_score,
    "AP": average_precision_score,
    "sensitivity": sensitivity,
}


def figures(labels: Rows, deals: Sequence[Scores], blocks: Rows) -> str:
    """Say AUC, AP and sensitivity at specificity 0.98: mean over deals of the folds.

    In square brackets 95 % intervals from resampled blocks, widened as those of `cross_validate`,
    because models of different folds share training places; in round ones the range over deals.
    """
    draws = _draw(labels, blocks)
    parts = []
    for name, measure in FIGURES.items():
        value = _mean(measure, labels, deals, slice(None))
        found = np.array([_mean(measure, labels, deals, rows) for rows in draws])
        low, high = _metrics.share_interval(value, found, **_stretch(labels, blocks))
        each = [measure(labels, scores) for scores in deals]
        text = f"{name} {value:.3f} [{low:.3f}, {high:.3f}]"
        parts.append(f"{text} ({min(each):.3f}–{max(each):.3f})" if len(deals) > 1 else text)
    return "  ".join(parts)


def differences(
    labels: Rows, deals: Sequence[Scores], others: Sequence[Scores], blocks: Rows
) -> str:
    """Say by how much one detector is better than another, deal by deal of the same folds.

    Intervals are made as those of `figures`, both detectors on the same draws; in round brackets
    the intervals before they are widened.
    """
    draws = _draw(labels, blocks)
    parts = []
    for name, measure in FIGURES.items():
        gains = [
            _mean(measure, labels, deals, rows) - _mean(measure, labels, others, rows)
            for rows in (slice(None), *draws)
        ]
        found, stretch = np.array(gains[1:]), _stretch(labels, blocks)
        low, high = _metrics.difference_interval(gains[0], found, **stretch)
        plain = np.quantile(found, [0.025, 0.975])
        parts.append(
            f"{name} {gains[0]:+.3f} [{low:+.3f}, {high:+.3f}] ({plain[0]:+.3f}, {plain[1]:+.3f})"
        )
    return "  ".join(parts)


def _draw(labels: Rows, blocks: Rows) -> list[Rows]:
    """Draw whole blocks, as many as there are, again and again; both classes in each draw."""
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(blocks == one) for one in np.unique(blocks)]
    draws = [
        np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        for _ in range(N_RESAMPLES)
    ]
    return [rows for rows in draws if len(np.unique(labels[rows])) == 2]


def _stretch(labels: Rows, blocks: Rows) -> dict[str, Any]:
    scarce = min(len(np.unique(blocks[labels == kind])) for kind in (0, 1))
    return {"n_scarce": scarce, "widen": _metrics.widening(N_FOLDS), "confidence": 0.95}


def _mean(
    measure: Callable[[Rows, Scores], float],
    labels: Rows,
    deals: Sequence[Scores],
    rows: Rows | slice,
) -> float:
    return float(np.mean([measure(labels[rows], scores[rows]) for scores in deals]))
