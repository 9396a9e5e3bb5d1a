"""What measurements on real chips share: scores out of folds, intervals over blocks."""

import sys
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from sklearn.metrics import average_precision_score, roc_auc_score

from minewatch.model._cnn import CnnDetector
from minewatch.model._textures import TextureDetector
from minewatch.model._trees import TreeDetector

NETWORK = "--network"
N_RESAMPLES = 200
SPECIFICITY = 0.98

Scores = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Folds = list[tuple[Rows, Rows]]


def detectors(seed: int) -> dict[str, TreeDetector | TextureDetector | CnnDetector]:
    """Give the detectors that are measured, each with its defaults; a network if asked for."""
    chosen: dict[str, TreeDetector | TextureDetector | CnnDetector] = {
        "trees": TreeDetector(random_state=seed),
        "textures": TextureDetector(random_state=seed),
    }
    if NETWORK in sys.argv:
        chosen["network"] = CnnDetector(random_state=seed)
    return chosen


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
    detector: TreeDetector | TextureDetector | CnnDetector,
    pixels: xr.DataArray,
    labels: pd.Series,
    folds: Folds,
) -> Scores:
    """Score each test chip by a copy trained without its fold; 0 where there is no score."""
    from sklearn.base import clone

    scores = np.full(len(labels), np.nan)
    summary = detector.summarise(pixels) if isinstance(detector, TreeDetector) else None
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

    In square brackets 95 % intervals from resampled blocks, in round ones the range over deals.
    """
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(blocks == one) for one in np.unique(blocks)]
    found: dict[str, list[float]] = {name: [] for name in FIGURES}
    for _ in range(N_RESAMPLES):
        drawn = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        if len(np.unique(labels[drawn])) == 2:
            for name, measure in FIGURES.items():
                found[name].append(_mean(measure, labels, deals, drawn))
    parts = []
    for name, measure in FIGURES.items():
        low, high = np.quantile(found[name], [0.025, 0.975])
        each = [measure(labels, scores) for scores in deals]
        text = f"{name} {np.mean(each):.3f} [{low:.3f}, {high:.3f}]"
        parts.append(f"{text} ({min(each):.3f}–{max(each):.3f})" if len(deals) > 1 else text)
    return "  ".join(parts)


def _mean(
    measure: Callable[[Rows, Scores], float], labels: Rows, deals: Sequence[Scores], rows: Rows
) -> float:
    return float(np.mean([measure(labels[rows], scores[rows]) for scores in deals]))
