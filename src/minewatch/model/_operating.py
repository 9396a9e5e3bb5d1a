"""Choices made inside training folds: from score to probability, and where to decide."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from minewatch.errors import InputError
from minewatch.types import BoolArray, FloatArray

CalibrationName = Literal["platt", "isotonic", "none"]
THRESHOLD_NAMES: Final = ("f1", "f0.5", "sensitivity", "specificity")
"""What thresholds are chosen for."""
_EDGE: Final = 1e-6
_MIN_OF_CLASS: Final = 2


@dataclass(frozen=True, eq=False)
class Calibration:
    """From score to probability, by rising points joined by lines, in logits or plainly."""

    method: CalibrationName
    """How it was fitted."""
    score: FloatArray
    """Scores, rising; empty for none."""
    probability: FloatArray
    """Probability at each, not falling."""
    slope: float = 1.0
    """For ``platt``: what the logit of a score is multiplied by."""
    intercept: float = 0.0
    """For ``platt``: what is added."""

    def apply(self, score: FloatArray) -> FloatArray:
        """Give probabilities; NaN stays NaN."""
        if self.method == "platt":
            return np.asarray(1.0 / (1.0 + np.exp(-(self.slope * logit(score) + self.intercept))))
        if self.method == "isotonic":
            return np.where(np.isnan(score), np.nan, np.interp(score, self.score, self.probability))
        return score


def threshold_words(name: str) -> str:
    """Give what a threshold was chosen for as people write it: F1, F0.5, sensitivity."""
    return name.capitalize() if name in ("f1", "f0.5") else name


def fit_calibration(
    score: FloatArray, is_mining: BoolArray, method: CalibrationName
) -> Calibration:
    """Fit how scores become probabilities, on sites that did not train what scored them.

    Parameters
    ----------
    score
        ``(site,)``, 0 to 1; sites without a score (NaN) are left out.
    is_mining
        ``(site,)``.
    method
        ``platt``: a logistic curve over the logit of the score [1]_, with the targets that Platt
        takes so that perfect scores do not become certainty; ``isotonic``: a rising step curve
        [2]_, which needs some hundreds of sites; ``none``: scores are left as they are. Where a
        class has fewer than 2 scored sites nothing can be fitted, and scores are left.

    References
    ----------
    .. [1] Platt, J. (1999). Probabilistic outputs for support vector machines. Advances in Large
       Margin Classifiers, 61–74.
    .. [2] Zadrozny, B., Elkan, C. (2002). Transforming classifier scores into accurate multiclass
       probability estimates. KDD 2002, 694–699.

    Examples
    --------
    >>> score = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7])
    >>> fitted = fit_calibration(score, score > 0.35, "isotonic")
    >>> fitted.apply(np.array([0.15, 0.65])).tolist()
    [0.0, 1.0]
    """
    known = np.isfinite(score)
    score, is_mining = score[known], is_mining[known]
    counts = (int(is_mining.sum()), int((~is_mining).sum()))
    empty = np.empty(0)
    if method == "none" or min(counts) < _MIN_OF_CLASS:
        return Calibration("none", empty, empty)
    if method == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        model.fit(score, is_mining.astype(np.float64))
        return Calibration(
            "isotonic",
            np.asarray(model.X_thresholds_, dtype=np.float64),
            np.asarray(model.y_thresholds_, dtype=np.float64),
        )
    if method != "platt":
        raise InputError(f"calibration is {method!r}; expected platt, isotonic or none")
    slope, intercept = _platt(logit(score), is_mining, counts)
    return Calibration("platt", empty, empty, slope, intercept)


def _platt(
    values: FloatArray, is_mining: BoolArray, counts: tuple[int, int]
) -> tuple[float, float]:
    from scipy.optimize import minimize

    high, low = (counts[0] + 1.0) / (counts[0] + 2.0), 1.0 / (counts[1] + 2.0)
    target = np.where(is_mining, high, low)

    def loss(line: FloatArray) -> tuple[float, FloatArray]:
        line_at = line[0] * values + line[1]
        error = 1.0 / (1.0 + np.exp(-np.clip(line_at, -50.0, 50.0))) - target
        total = float(np.sum(np.logaddexp(0.0, line_at) - target * line_at))
        return total / len(values), np.array([error @ values, error.sum()]) / len(values)

    start = np.array([1.0, 0.0])
    bounds = [(0.0, None), (None, None)]
    with threadpool_limits(limits=1, user_api="blas"):  # for two numbers, more threads only wait
        fitted = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return float(fitted.x[0]), float(fitted.x[1])


def logit(score: FloatArray) -> FloatArray:
    """Give the logit of scores, those within a millionth of 0 or 1 cut off there."""
    inside = np.clip(score, _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def choose_thresholds(
    probability: FloatArray,
    is_mining: BoolArray,
    *,
    sensitivity: float = 0.9,
    specificity: float = 0.98,
) -> dict[str, float]:
    """Choose where to decide, on sites that did not train what scored them.

    A site is taken for mining if its probability is the threshold or more.

    Parameters
    ----------
    probability
        ``(site,)``; sites without (NaN) are left out.
    is_mining
        ``(site,)``.
    sensitivity
        The highest threshold that finds at least this share of mining sites.
    specificity
        The lowest threshold that lets pass at least this share of other sites.

    Returns
    -------
    dict
        ``f1`` and ``f0.5`` (where that figure is highest), ``sensitivity``, ``specificity``. Empty
        if a class is missing. A threshold lies midway between two neighbouring probabilities.

    Examples
    --------
    >>> chosen = choose_thresholds(np.array([0.1, 0.4, 0.6, 0.9]), np.array([0, 0, 1, 1]) == 1)
    >>> {name: round(value, 2) for name, value in chosen.items()}
    {'f1': 0.5, 'f0.5': 0.5, 'sensitivity': 0.5, 'specificity': 0.5}
    """
    known = np.isfinite(probability)
    probability, is_mining = probability[known], is_mining[known]
    n_mining, n_other = int(is_mining.sum()), int((~is_mining).sum())
    if min(n_mining, n_other) == 0:
        return {}
    order = np.argsort(-probability, kind="stable")
    ends = np.flatnonzero(np.diff(probability[order], append=-np.inf) != 0)
    found = np.cumsum(is_mining[order])[ends].astype(np.float64)
    wrong = ends + 1.0 - found
    levels = probability[order][ends]
    cuts = (levels + np.append(levels[1:], 0.0)) / 2.0
    cuts[-1] = levels[-1]

    def f_score(beta: float) -> FloatArray:
        square = beta * beta
        return np.asarray((1.0 + square) * found / (square * n_mining + found + wrong))

    enough = np.argmax(found >= sensitivity * n_mining - 1e-9)
    passing = np.flatnonzero(wrong <= (1.0 - specificity) * n_other + 1e-9)
    above_all = float(np.nextafter(levels[0], 2.0))
    return {
        "f1": float(cuts[np.argmax(f_score(1.0))]),
        "f0.5": float(cuts[np.argmax(f_score(0.5))]),
        "sensitivity": float(cuts[enough]),
        "specificity": float(cuts[passing[-1]]) if len(passing) else above_all,
    }


def describe_calibration(calibration: Calibration) -> dict[str, Any]:
    """Give a calibration as JSON values."""
    return {
        "method": calibration.method,
        "slope": calibration.slope,
        "intercept": calibration.intercept,
        "score": calibration.score.tolist(),
        "probability": calibration.probability.tolist(),
    }
