"""Curves of held-out scores, with bands that resample whole blocks."""

from typing import Final

import numpy as np
import pandas as pd

from minewatch.model._evaluate_tables import Resampling
from minewatch.model._metrics import Scored
from minewatch.types import FloatArray

GRID: Final = np.linspace(0.0, 1.0, 51)
_MOST_RESAMPLES: Final = 300


def curve_tables(
    predictions: pd.DataFrame, resampling: Resampling
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tabulate the ROC curve and the precision-recall curve of every model.

    Parameters
    ----------
    predictions
        As in an `Evaluation`.
    resampling
        The draws of blocks.

    Returns
    -------
    roc
        `model`, `false_positive_share` (0 to 1 in steps of 0.02), `sensitivity` with ``_low`` and
        ``_high``: bands of single points, which hold the curve there, not all of it at once.
    precision_recall
        `model`, `sensitivity`, `precision` with ``_low`` and ``_high``, at the sample's own share
        of mining.
    """
    share = resampling.settings.confidence
    weights = resampling.weights[: 1 + _MOST_RESAMPLES]
    roc: list[pd.DataFrame] = []
    precision: list[pd.DataFrame] = []
    for name, rows in predictions.groupby("model", sort=False):
        known = rows[rows["score"].notna()]
        scored = resampling.scored(known)
        found = [_curves(scored, one) for one in weights]
        for tables, axis, title, which in (
            (roc, "false_positive_share", "sensitivity", 0),
            (precision, "sensitivity", "precision", 1),
        ):
            values = np.array([one[which] for one in found])
            low, high = _band(values, share)
            table = pd.DataFrame({axis: GRID, title: values[0]})
            table[f"{title}_low"], table[f"{title}_high"] = low, high
            table.insert(0, "model", name)
            tables.append(table)
    return pd.concat(roc, ignore_index=True), pd.concat(precision, ignore_index=True)


def _band(values: FloatArray, share: float) -> tuple[FloatArray, FloatArray]:
    usable = values[1:][np.isfinite(values[1:]).all(axis=1)]
    if len(usable) < 20:
        nothing = np.full(values.shape[1], np.nan)
        return nothing, nothing
    low, high = np.quantile(usable, [(1 - share) / 2, (1 + share) / 2], axis=0)
    return low, high


def _curves(scored: Scored, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give sensitivity by share of false alarms, and precision by sensitivity, on `GRID`."""
    order = np.argsort(-scored.score, kind="stable")
    weight, mining = weights[scored.block[order]], scored.is_mining[order]
    ends = np.flatnonzero(np.diff(scored.score[order], append=-np.inf) != 0)
    found = np.cumsum(np.where(mining, weight, 0.0))[ends]
    wrong = np.cumsum(np.where(mining, 0.0, weight))[ends]
    if found[-1] == 0 or wrong[-1] == 0:
        nothing = np.full(len(GRID), np.nan)
        return nothing, nothing
    sensitivity, alarms = found / found[-1], wrong / wrong[-1]
    roc = np.interp(GRID, np.append(0.0, alarms), np.append(0.0, sensitivity))
    taken = found + wrong
    precision = np.divide(found, taken, out=np.ones_like(found), where=taken > 0)
    # What a threshold that finds at least so much can have at best (interpolated precision).
    best = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.minimum(np.searchsorted(sensitivity, GRID - 1e-9), len(best) - 1)
    return roc, best[place]
