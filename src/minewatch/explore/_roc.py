"""Area under the ROC curve, with an interval that counts places and not patches."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata, t

from minewatch._figures import format_interval, format_number
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Auc:
    """An area under the ROC curve and how sure it is."""

    value: float
    """Chance that a mining site scores above one without mining, ties counted half; 0 to 1."""
    standard_error: float
    """Standard error over independent places; NaN if a class lies in one place only."""
    n_mining: int
    """Mining sites."""
    n_no_mining: int
    """Sites without mining."""
    n_places: int
    """Independent places in all; a place may hold both classes."""
    n_places_scarce: int
    """Independent places that hold the class that is found in fewer of them."""

    def interval(self, confidence: float) -> tuple[float, float]:
        """Give the bounds between which the area lies, with a coverage of `confidence`.

        The interval is symmetric in the logit, so that it stays within 0 and 1, and uses
        Student's t with one degree of freedom less than the scarcer class has places. For an area
        of exactly 1 (0), whose estimated variance is zero, the bound is the exact binomial one
        for as many successes (failures) as the scarcer class has places.
        """
        if self.n_places_scarce < 2:
            return float("nan"), float("nan")
        tail = (1.0 - confidence) / 2.0
        if self.value in (0.0, 1.0):
            bound = tail ** (1.0 / self.n_places_scarce)
            return (bound, 1.0) if self.value == 1.0 else (0.0, 1.0 - bound)
        odds = self.value * (1.0 - self.value)
        half = t.ppf(1.0 - tail, self.n_places_scarce - 1) * self.standard_error / odds
        centre = np.log(self.value / (1.0 - self.value))
        low, high = 1.0 / (1.0 + np.exp(-(centre + np.array([-half, half]))))
        return float(low), float(high)

    def differs_from_chance(self, confidence: float) -> bool:
        """Say whether 0.5 lies outside the interval; never if there is no interval."""
        low, high = self.interval(confidence)
        return low > 0.5 or high < 0.5

    def flipped(self) -> "Auc":
        """Give the area of the scores with their sign turned."""
        return replace(self, value=1.0 - self.value)

    def cross_validated(self, n_folds: int) -> "Auc":
        """Widen the standard error for out-of-fold scores.

        DeLong's variance takes scores as given, as if no model had been fitted. Out-of-fold scores
        come from models that share most of their training sites, so they err together. Nadeau and
        Bengio [1]_ take the correlation of two folds' scores for the share of sites in a test fold,
        which multiplies the variance by 1 + K / (K − 1), and the standard error by 1.5 for five
        folds.

        References
        ----------
        .. [1] Nadeau, C., Bengio, Y. (2003). Inference for the generalization error. Machine
           Learning 52, 239–281.
        """
        factor = 1.0 + n_folds / (n_folds - 1.0)
        return replace(self, standard_error=self.standard_error * float(np.sqrt(factor)))

    def in_words(self, confidence: float) -> str:
        """Write the area with its interval."""
        return auc_words(self.value, *self.interval(confidence))


def auc_words(value: float, low: float, high: float) -> str:
    """Write an area with its interval, or say that there is none.

    Examples
    --------
    >>> auc_words(0.654, 0.301, 0.892), auc_words(0.654, float("nan"), float("nan"))
    ('0.65 (0.30–0.89)', '0.65 (no interval: a class lies in one place)')
    """
    if np.isnan(low):
        return f"{format_number(value, decimals=2)} (no interval: a class lies in one place)"
    return format_interval(value, low, high)


def measure_auc(scores: FloatArray, is_mining: BoolArray, places: AnyArray) -> Auc:
    """Measure the area under the ROC curve, taking whole places as what was sampled.

    Sites of one place are not independent, so the variance is DeLong's for clustered data [1]_:
    it lets a place enter as a whole, as resampling whole places would, but has no seed, takes one
    sort, and agrees with DeLong's [2]_ where every site is its own place.

    Parameters
    ----------
    scores
        ``(site,)``, or ``(site, repeat)`` for the same sites scored several times: then the area is
        the mean over repeats, and so is what each place adds to its variance. No NaN.
    is_mining
        ``(site,)``; both classes must occur.
    places
        ``(site,)`` labels of independent places.

    References
    ----------
    .. [1] Obuchowski, N. A. (1997). Nonparametric analysis of clustered ROC curve data.
       Biometrics 53, 567–578.
    .. [2] DeLong, E. R., DeLong, D. M., Clarke-Pearson, D. L. (1988). Comparing the areas under
       two or more correlated receiver operating characteristic curves. Biometrics 44, 837–845.

    Examples
    --------
    >>> auc = measure_auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]),
    ...                   np.arange(4))
    >>> auc.value
    0.75
    """
    value, error, n_places, n_scarce = _over_places(
        _mean_placements(scores, is_mining), is_mining, places
    )
    return Auc(
        value=value,
        standard_error=error,
        n_mining=int(is_mining.sum()),
        n_no_mining=int((~is_mining).sum()),
        n_places=n_places,
        n_places_scarce=n_scarce,
    )


@dataclass(frozen=True)
class AucDifference:
    """By how much one area under the ROC curve is larger than another of the same sites."""

    value: float
    """Difference, −1 to 1."""
    standard_error: float
    """Standard error over independent places; NaN if a class lies in one place only."""
    n_places_scarce: int
    """Independent places that hold the class that is found in fewer of them."""

    def interval(self, confidence: float) -> tuple[float, float]:
        """Give the bounds of the difference, by Student's t as for `Auc.interval`."""
        if self.n_places_scarce < 2:
            return float("nan"), float("nan")
        half = t.ppf(0.5 + confidence / 2.0, self.n_places_scarce - 1) * self.standard_error
        return float(max(self.value - half, -1.0)), float(min(self.value + half, 1.0))

    def cross_validated(self, n_folds: int) -> "AucDifference":
        """Widen the standard error for out-of-fold scores, as `Auc.cross_validated` does."""
        factor = 1.0 + n_folds / (n_folds - 1.0)
        return replace(self, standard_error=self.standard_error * float(np.sqrt(factor)))


def measure_difference(
    scores: FloatArray, others: FloatArray, is_mining: BoolArray, places: AnyArray
) -> AucDifference:
    """Measure how much larger the area of some scores is than that of others, paired by site.

    DeLong's variance of the difference of correlated curves, over whole places (`measure_auc`).

    Parameters
    ----------
    scores, others
        ``(site,)`` or ``(site, repeat)``. No NaN.

    Examples
    --------
    >>> mining = np.array([False, False, True, True])
    >>> good, poor = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.1, 0.9, 0.8, 0.2])
    >>> measure_difference(good, poor, mining, np.arange(4)).value
    0.5
    """
    above = _mean_placements(scores, is_mining) - _mean_placements(others, is_mining)
    value, error, _, n_scarce = _over_places(above, is_mining, places)
    return AucDifference(value, error, n_scarce)


def _mean_placements(scores: FloatArray, is_mining: BoolArray) -> FloatArray:
    """Give placements, averaged over repeats."""
    columns = np.atleast_2d(scores.T)
    mean: FloatArray = np.mean([_placements(column, is_mining) for column in columns], axis=0)
    return mean


def _over_places(
    above: FloatArray, is_mining: BoolArray, places: AnyArray
) -> tuple[float, float, int, int]:
    """Give the mean of placements, its error, and places: all, and of the scarcer class."""
    value = float(above[is_mining].mean())
    codes = np.unique(places, return_inverse=True)[1].ravel()
    excess = above - value
    mining, in_mining = _by_place(excess, codes, is_mining)
    other, in_other = _by_place(excess, codes, ~is_mining)
    variance = (
        _spread(mining, in_mining.sum())
        + _spread(other, in_other.sum())
        + 2.0 * _factor(codes.max() + 1) * float(mining @ other)
    )
    n_scarce = int(min(in_mining.sum(), in_other.sum()))
    return value, float(np.sqrt(max(variance, 0.0))), int(codes.max() + 1), n_scarce


def _placements(scores: FloatArray, is_mining: BoolArray) -> FloatArray:
    """Give each site the share of the other class that it is on the right side of."""
    ranks = rankdata(scores)
    n_mining = np.count_nonzero(is_mining)
    n_other = len(scores) - n_mining
    placements = np.empty(len(scores))
    placements[is_mining] = (ranks[is_mining] - rankdata(scores[is_mining])) / n_other
    placements[~is_mining] = 1.0 - (ranks[~is_mining] - rankdata(scores[~is_mining])) / n_mining
    return placements


def _by_place(
    excess: FloatArray, codes: IntArray, members: BoolArray
) -> tuple[FloatArray, BoolArray]:
    """Sum what each place adds to the area by one of its classes; say which places hold it."""
    n_places = int(codes.max()) + 1
    sums = np.bincount(codes[members], excess[members], minlength=n_places) / members.sum()
    return sums, np.bincount(codes[members], minlength=n_places) > 0


def _spread(sums: FloatArray, n_places: int) -> float:
    return _factor(n_places) * float(sums @ sums)


def _factor(n_places: int) -> float:
    return n_places / (n_places - 1) if n_places > 1 else float("nan")
