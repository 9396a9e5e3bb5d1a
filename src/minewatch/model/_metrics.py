"""Figures of merit of scores, each with an interval that resamples whole blocks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import pandas as pd
from scipy.stats import norm
from scipy.stats import t as student

from minewatch.types import BoolArray, FloatArray, IntArray

RANKING: Final = (
    "roc_auc",
    "roc_auc_within_folds",
    "average_precision",
    "sensitivity_at_specificity",
)
"""Figures that need no threshold, in the order in which `rank_scores` gives them."""
_CELLS_AT_ONCE: Final = 4_000_000
_MIN_REPLICATES: Final = 20
_TINY: Final = 1e-12
"""Resamples that differ by less are the same but for rounding."""

Counts: TypeAlias = FloatArray
"""``(…, 4)``: true positives, false positives, false negatives, true negatives."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of sites, with what is needed to judge them."""

    is_mining: BoolArray
    """``(site,)``."""
    score: FloatArray
    """``(site,)``: what ranks the sites; no NaN."""
    fold: IntArray
    """``(site,)``: the fold in which each was scored."""
    block: IntArray
    """``(site,)``: number of the block, from 0 without gaps among all that are resampled."""

    def part(self, rows: BoolArray) -> "Scored":
        """Give some of the sites; blocks keep their numbers."""
        return Scored(self.is_mining[rows], self.score[rows], self.fold[rows], self.block[rows])

    @property
    def n_scarce(self) -> int:
        """Blocks that hold the class that is found in fewer of them."""
        held = [np.unique(self.block[self.is_mining == kind]).size for kind in (True, False)]
        return min(held)


def draw_resamples(n_blocks: int, n_resamples: int, random_state: int) -> FloatArray:
    """Draw blocks with replacement.

    Returns
    -------
    ndarray of float64
        ``(resample, block)``: how often each block was drawn; the same for all models, so that
        differences between them are paired.
    """
    random = np.random.default_rng(random_state)
    return random.multinomial(n_blocks, np.full(n_blocks, 1.0 / n_blocks), n_resamples).astype(
        np.float64
    )


def rank_scores(
    scored: Scored,
    weights: FloatArray,
    *,
    specificity: float = 0.98,
    prevalences: Sequence[float] = (),
) -> FloatArray:
    """Measure how well scores rank sites, under many weightings of the blocks at once.

    Parameters
    ----------
    scored
        The sites.
    weights
        ``(resample, block)``: how often each block counts; ones give the estimates.
    specificity
        For ``sensitivity_at_specificity``: the sensitivity of the lowest threshold that lets
        through at most the remaining share of these sites without mining: off their own ROC curve.
    prevalences
        Shares of mining among all places, 0 to 1, at which average precision is given too: each
        site without mining then counts for as many as there would be.

    Returns
    -------
    ndarray of float64
        ``(resample, figure)`` in the order of `RANKING`, then of `prevalences`: area under the ROC
        curve (ties counted half), the same where only sites of one fold are compared, average
        precision (as scikit-learn defines it), and sensitivity. NaN where a class is missing.

    Examples
    --------
    >>> scored = Scored(np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8]),
    ...                 np.zeros(4, dtype=int), np.arange(4))
    >>> rank_scores(scored, np.ones((1, 4)))[0].round(3).tolist()
    [0.75, 0.75, 0.833, 0.5]
    """
    parts = []
    for some in chunks(weights, len(scored.score)):
        ranked = _rank(scored, some, specificity, prevalences)
        parts.append(np.insert(ranked, 1, _auc_within(scored, some), axis=1))
    return np.concatenate(parts)


def _rank(
    scored: Scored, weights: FloatArray, specificity: float, prevalences: Sequence[float]
) -> FloatArray:
    """Give AUC, average precision, sensitivity at a specificity, average precision if rare."""
    mining, other = sum_by_score(scored, weights)
    n_mining, n_other = mining.sum(axis=1), other.sum(axis=1)
    below = np.cumsum(other, axis=1) - other
    found = np.cumsum(mining[:, ::-1], axis=1)[:, ::-1]
    wrong = n_other[:, None] - below
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = (mining * (below + 0.5 * other)).sum(axis=1) / (n_mining * n_other)
        average = average_precision(mining, found, wrong)
        rarer = [
            average_precision(
                mining, found, wrong * ((1.0 / p - 1.0) * n_mining / n_other)[:, None]
            )
            for p in prevalences
        ]
        enough = below >= specificity * n_other[:, None] - 1e-9
        first = np.argmax(enough, axis=1)
        sensitivity = found[np.arange(len(found)), first] / n_mining
    sensitivity = np.where(enough.any(axis=1), sensitivity, 0.0)
    lacking = (n_mining == 0) | (n_other == 0)
    figures: FloatArray = np.column_stack([auc, average, sensitivity, *rarer])
    figures[lacking] = np.nan
    return figures


def average_precision(mining: FloatArray, found: FloatArray, wrong: FloatArray) -> FloatArray:
    """Give the mean precision over mining sites: (resample,); all arrays (resample, score)."""
    taken = found + wrong
    precision = np.where(taken > 0, found / taken, 0.0)
    average: FloatArray = (mining * precision).sum(axis=1) / mining.sum(axis=1)
    return average


def _auc_within(scored: Scored, weights: FloatArray) -> FloatArray:
    wins = np.zeros(len(weights))
    pairs = np.zeros(len(weights))
    for fold in np.unique(scored.fold):
        mining, other = sum_by_score(scored.part(scored.fold == fold), weights)
        below = np.cumsum(other, axis=1) - other
        wins += (mining * (below + 0.5 * other)).sum(axis=1)
        pairs += mining.sum(axis=1) * other.sum(axis=1)
    auc: FloatArray = np.divide(wins, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
    return auc


def sum_by_score(scored: Scored, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum the weights of mining and other sites by distinct score, from the lowest."""
    order = np.argsort(scored.score, kind="stable")
    sites = weights[:, scored.block[order]]
    is_mining = scored.is_mining[order]
    distinct = np.flatnonzero(np.diff(scored.score[order], prepend=-np.inf) != 0)
    mining = np.add.reduceat(np.where(is_mining, sites, 0.0), distinct, axis=1)
    other = np.add.reduceat(np.where(is_mining, 0.0, sites), distinct, axis=1)
    return mining, other


def count_decisions(scored: Scored, decided: BoolArray, n_blocks: int) -> Counts:
    """Count right and wrong decisions by block.

    Returns
    -------
    ndarray of float64
        ``(block, 4)``: true positives, false positives, false negatives, true negatives.
    """
    kind = np.where(scored.is_mining, np.where(decided, 0, 2), np.where(decided, 1, 3))
    counts = np.zeros((n_blocks, 4))
    np.add.at(counts, (scored.block, kind), 1.0)
    return counts


def measure_decisions(counts: Counts, prevalences: Sequence[float] = ()) -> dict[str, FloatArray]:
    """Turn counts of decisions into figures of merit.

    Parameters
    ----------
    counts
        ``(…, 4)`` as from `count_decisions`.
    prevalences
        Shares of mining among all places, 0 to 1, at which precision is given: it follows from
        sensitivity and specificity alone, ``s p / (s p + (1 − c)(1 − p))``.

    Returns
    -------
    dict
        ``f1``, ``f0.5``, ``sensitivity``, ``specificity``, ``precision`` and
        ``precision@<prevalence>``; NaN where a figure is not defined (no site of a class, nothing
        taken for mining).

    Examples
    --------
    >>> figures = measure_decisions(np.array([8.0, 2.0, 2.0, 88.0]), prevalences=(0.01,))
    >>> {name: round(float(value), 3) for name, value in figures.items()}
    {'f1': 0.8, 'f0.5': 0.8, 'sensitivity': 0.8, 'specificity': 0.978, 'precision': 0.8, 'precision@0.01': 0.267}
    """  # noqa: E501 - one line of output
    tp, fp, fn, tn = np.moveaxis(np.asarray(counts, dtype=np.float64), -1, 0)
    sensitivity, specificity = _share(tp, tp + fn), _share(tn, tn + fp)
    figures = {
        "f1": _f_score(tp, fp, fn, 1.0),
        "f0.5": _f_score(tp, fp, fn, 0.5),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "precision": _share(tp, tp + fp),
    }
    for prevalence in prevalences:
        hits = sensitivity * prevalence
        figures[f"precision@{prevalence:g}"] = _share(
            hits, hits + (1.0 - specificity) * (1.0 - prevalence)
        )
    return figures


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    share: FloatArray = np.divide(
        part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0
    )
    return share


def _f_score(tp: FloatArray, fp: FloatArray, fn: FloatArray, beta: float) -> FloatArray:
    square = beta * beta
    f_score = _share((1.0 + square) * tp, (1.0 + square) * tp + square * fn + fp)
    return np.asarray(np.where(tp + fn > 0, f_score, np.nan))


def mean_by_block(values: FloatArray, scored: Scored, weights: FloatArray) -> FloatArray:
    """Average a value of each site under weightings of the blocks: (resample,)."""
    n_blocks = weights.shape[1]
    total = np.bincount(scored.block, values, minlength=n_blocks)
    count = np.bincount(scored.block, minlength=n_blocks).astype(np.float64)
    return _share(weights @ total, weights @ count)


def widening(n_folds: int) -> float:
    """Give the factor by which intervals of cross-validated figures are widened.

    Resampling blocks takes the scores as given, as if no model had been fitted. Scores of several
    folds come from models that share most of their training sites, so they err together. Nadeau and
    Bengio [1]_ take the correlation for the share of sites in a test fold, which multiplies the
    variance by 1 + K / (K − 1). One held-out region asks about one fitted model: 1.

    References
    ----------
    .. [1] Nadeau, C., Bengio, Y. (2003). Inference for the generalization error. Machine Learning
       52, 239–281.

    Examples
    --------
    >>> widening(1), widening(5)
    (1.0, 1.5)
    """
    return 1.0 if n_folds < 2 else float(np.sqrt(1.0 + n_folds / (n_folds - 1.0)))


def share_interval(
    value: float, replicates: FloatArray, *, n_scarce: int, widen: float, confidence: float
) -> tuple[float, float]:
    """Give an interval of a figure between 0 and 1.

    On each side it reaches from the estimate to the quantile of the resamples, stretched in the
    logit (so that it stays within 0 and 1) by `widen` and by the ratio of Student's t, with one
    degree of freedom less than the scarcer class has blocks, to the normal quantile [1]_. For a
    figure of exactly 0 or 1, which resampling cannot doubt, the bound is the exact binomial one for
    as many blocks.

    Parameters
    ----------
    value
        The estimate.
    replicates
        ``(resample,)``: the figure of each resample; NaN ones are left out.
    n_scarce
        Blocks that hold the scarcer class.
    widen
        As from `widening`.
    confidence
        Share of intervals that should hold the truth.

    Returns
    -------
    low, high
        NaN if fewer than 2 blocks hold the scarcer class, or hardly any resample has the figure.

    References
    ----------
    .. [1] Hesterberg, T. C. (2015). What teachers should know about the bootstrap. The American
       Statistician 69, 371–386.

    Examples
    --------
    >>> share_interval(1.0, np.ones(100), n_scarce=10, widen=1.0, confidence=0.95)
    (0.6915..., 1.0)
    """
    known = replicates[np.isfinite(replicates)]
    if n_scarce < 2 or len(known) < _MIN_REPLICATES or not np.isfinite(value):
        return float("nan"), float("nan")
    tail = (1.0 - confidence) / 2.0
    if value in (0.0, 1.0):
        bound = float(tail ** (1.0 / n_scarce))
        return (bound, 1.0) if value == 1.0 else (0.0, 1.0 - bound)
    centre = _logit(np.array(value))
    ends = _logit(np.quantile(known, [tail, 1.0 - tail]))
    reach = np.maximum((ends - centre) * [-1.0, 1.0], 0.0) * _stretch(n_scarce, widen, tail)
    low, high = 1.0 / (1.0 + np.exp(-(centre + reach * [-1.0, 1.0])))
    return float(low), float(high)


def difference_interval(
    value: float, replicates: FloatArray, *, n_scarce: int, widen: float, confidence: float
) -> tuple[float, float]:
    """Give an interval of a difference of two figures between 0 and 1.

    It is stretched as in `share_interval`, but not in the logit. A difference that is the same in
    all resamples, which then cannot doubt it, reaches as far to both sides as the exact binomial
    bound for as many blocks, none of which showed another one. It never reaches beyond -1 and 1.

    Examples
    --------
    >>> ends = difference_interval(0.0, np.zeros(100), n_scarce=12, widen=1.0, confidence=0.95)
    >>> [round(end, 3) for end in ends]
    [-0.265, 0.265]
    """
    known = replicates[np.isfinite(replicates)]
    if n_scarce < 2 or len(known) < _MIN_REPLICATES or not np.isfinite(value):
        return float("nan"), float("nan")
    tail = (1.0 - confidence) / 2.0
    if np.ptp(known) < _TINY:
        bound = 1.0 - float(tail ** (1.0 / n_scarce))
        return max(value - bound, -1.0), min(value + bound, 1.0)
    ends = np.quantile(known, [tail, 1.0 - tail])
    reach = np.maximum((ends - value) * [-1.0, 1.0], 0.0) * _stretch(n_scarce, widen, tail)
    return max(value - float(reach[0]), -1.0), min(value + float(reach[1]), 1.0)


def _stretch(n_scarce: int, widen: float, tail: float) -> float:
    return widen * float(student.ppf(1.0 - tail, n_scarce - 1) / norm.ppf(1.0 - tail))


def _logit(share: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(share) - np.log1p(-share))


def chunks(weights: FloatArray, n_sites: int) -> Iterator[FloatArray]:
    rows = max(1, _CELLS_AT_ONCE // max(n_sites, 1))
    for start in range(0, len(weights), rows):
        yield weights[start : start + rows]


def calibration_table(
    probability: FloatArray,
    scored: Scored,
    weights: FloatArray,
    interval: Callable[[float, FloatArray, int], tuple[float, float]],
    *,
    n_bins: int = 10,
) -> pd.DataFrame:
    """Compare probabilities with what was there, by tenths of probability.

    Returns
    -------
    DataFrame
        `from_probability`, `to_probability`, `n_sites`, `n_blocks`, `mean_probability`,
        `mining_share` with `low` and `high`. Empty bins are left out.
    """
    bins = np.minimum((probability * n_bins).astype(np.int64), n_bins - 1)
    rows = []
    for number in np.unique(bins):
        inside = bins == number
        part = scored.part(inside)
        value = float(part.is_mining.mean())
        replicates = mean_by_block(part.is_mining.astype(np.float64), part, weights)
        n_blocks = int(np.unique(part.block).size)
        low, high = interval(value, replicates, n_blocks)
        rows.append(
            {
                "from_probability": number / n_bins,
                "to_probability": (number + 1) / n_bins,
                "n_sites": int(inside.sum()),
                "n_blocks": n_blocks,
                "mean_probability": float(probability[inside].mean()),
                "mining_share": value,
                "low": low,
                "high": high,
            }
        )
    return pd.DataFrame(rows)
