"""Average precision where mining is rare, with the most false alarms that a sample allows for."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import beta

from minewatch.model._metrics import Scored, average_precision, chunks, sum_by_score
from minewatch.types import FloatArray


def rank_least(
    scored: Scored, weights: FloatArray, prevalences: Sequence[float], confidence: float
) -> FloatArray:
    """Measure the average precision that is left if false alarms are as many as they may well be.

    Average precision at a small share *p* of mining rests on rates of false alarms of about *p*. A
    sample of *n* sites without mining shows no rate between 0 and 1/*n*: resampling takes the
    highest mining sites, above which nothing stood, for places where nothing ever will. Here the
    rate at each score is the upper end of the exact binomial interval [1]_, with as many trials as
    blocks hold sites without mining, and the resamples draw the mining sites alone.

    The low end of an interval is the lower of the one made so and that of plain resamples. In
    simulated studies (normal scores of 30 to 300 mining and thrice as many other sites, one or five
    to a block, shifted by 1, 2 or 3; a hundred of each kind) low ends of plain resamples lay above
    the truth in up to nine of ten where one place in a thousand is mining; these in none.

    Parameters
    ----------
    scored
        The sites.
    weights
        ``(resample, block)``: how often each block counts; ones give the estimate.
    prevalences
        Shares of mining among all places, 0 to 1.
    confidence
        Share of intervals that should hold the truth; half of the rest is left below the low end.

    Returns
    -------
    ndarray of float64
        ``(resample, prevalence)``; NaN where a class is missing.

    References
    ----------
    .. [1] Clopper, C. J., Pearson, E. S. (1934). The use of confidence or fiducial limits
       illustrated in the case of the binomial. Biometrika 26, 404–413.

    Examples
    --------
    >>> scored = Scored(np.arange(60) >= 40, np.arange(60.0), np.zeros(60, dtype=int),
    ...                 np.arange(60))
    >>> rank_least(scored, np.ones((1, 60)), (0.001, 0.1), 0.95).round(3).tolist()
    [[0.006, 0.367]]
    """
    if scored.is_mining.all() or not scored.is_mining.any():
        return np.full((len(weights), len(prevalences)), np.nan)
    most = _most_wrong(scored, weights.shape[1], (1.0 - confidence) / 2.0)
    rarer = np.array([1.0 / share - 1.0 for share in prevalences])
    parts = []
    for some in chunks(weights, len(scored.score)):
        mining, _ = sum_by_score(scored, some)
        found = np.cumsum(mining[:, ::-1], axis=1)[:, ::-1]
        n_mining = mining.sum(axis=1)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            columns = [average_precision(mining, found, most * n_mining * r) for r in rarer]
        parts.append(np.column_stack(columns) if columns else np.empty((len(some), 0)))
    return np.concatenate(parts)


def _most_wrong(scored: Scored, n_blocks: int, tail: float) -> FloatArray:
    """Give the highest share of false alarms that each distinct score allows for, the lowest first.

    Returns
    -------
    ndarray of float64
        ``(score,)``, 0 to 1.
    """
    _, other = sum_by_score(scored, np.ones((1, n_blocks)))
    n_trials = np.unique(scored.block[~scored.is_mining]).size
    n_right = n_trials * (np.cumsum(other[0]) - other[0]) / other[0].sum()
    some_right = n_right > 0
    most = np.ones(len(n_right))
    right = n_right[some_right]
    most[some_right] = beta.ppf(1.0 - tail, n_trials - right + 1.0, right)
    return most
