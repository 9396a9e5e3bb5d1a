"""Shares and odds with intervals that count blocks of sites, not single sites."""

import numpy as np
from scipy.stats import t

from minewatch._figures import MISSING, format_count, format_number
from minewatch.types import AnyArray, BoolArray


def share_interval(
    is_with: BoolArray, blocks: AnyArray, *, confidence: float
) -> tuple[float, float, float]:
    """Give the share of sites that have something, with Wilson's interval.

    Wilson's interval [1]_ takes sites as independent. Sites of one block are not, so it is given
    the number of independent sites that would be as sure: that of sites over the design effect
    of whole blocks (at least 1), with Student's t for as many blocks [2]_. Where all sites or none
    have it, no spread can be seen, and every block counts as one site.

    Parameters
    ----------
    is_with
        ``(site,)``.
    blocks
        ``(site,)`` labels of the blocks that were sampled as a whole.

    Returns
    -------
    share, low, high
        0 to 1; NaN for no sites; no interval (NaN) for fewer than two blocks.

    References
    ----------
    .. [1] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical
       inference. Journal of the American Statistical Association 22, 209–212.
    .. [2] Korn, E. L., Graubard, B. I. (1998). Confidence intervals for proportions with small
       expected number of positive counts estimated from survey data. Survey Methodology 24,
       193–201.

    Examples
    --------
    >>> [round(x, 2) for x in share_interval(np.arange(100) < 30, np.arange(100), confidence=0.95)]
    [0.3, 0.22, 0.4]
    """
    n_sites = len(is_with)
    if n_sites == 0:
        return float("nan"), float("nan"), float("nan")
    share = float(is_with.mean())
    codes = np.unique(blocks, return_inverse=True)[1].ravel()
    n_blocks = int(codes.max()) + 1
    if n_blocks < 2:
        return share, float("nan"), float("nan")
    if share in (0.0, 1.0):
        n_free = float(n_blocks)
    else:
        sums = np.bincount(codes, is_with - share)
        variance = n_blocks / (n_blocks - 1.0) * float(sums @ sums) / n_sites**2
        n_free = min(float(n_sites), share * (1.0 - share) / variance)
    z = float(t.ppf(0.5 + confidence / 2.0, n_blocks - 1))
    middle = (share + z**2 / (2.0 * n_free)) / (1.0 + z**2 / n_free)
    half = z * np.sqrt(share * (1.0 - share) / n_free + z**2 / (4.0 * n_free**2))
    half /= 1.0 + z**2 / n_free
    return share, max(0.0, float(middle - half)), min(1.0, float(middle + half))


def odds_ratio(
    is_with: BoolArray, is_mining: BoolArray, blocks: AnyArray, *, confidence: float
) -> tuple[float, float, float]:
    """Give the odds of mining with something over the odds of mining without it.

    The logarithm's variance is that of Woolf [1]_, summed over whole blocks instead of sites; the
    bounds use Student's t with one degree of freedom less than the class in fewer blocks has
    blocks. Where a class has it everywhere or nowhere, the ratio is 0 or infinite and that
    variance says nothing; then the bounds come from those of both shares (`share_interval`), which
    errs on the wide side.

    Parameters
    ----------
    is_with, is_mining
        ``(site,)``; both classes must occur.
    blocks
        ``(site,)`` labels of the blocks that were sampled as a whole.

    Returns
    -------
    ratio, low, high
        From 0 to infinity; NaN where all sites or none have it; no interval (NaN) where a class
        lies in fewer than two blocks.

    References
    ----------
    .. [1] Woolf, B. (1955). On estimating the relation between blood group and disease. Annals of
       Human Genetics 19, 251–253.

    Examples
    --------
    >>> with_it = np.array([True, True, True, False, True, False, False, False])
    >>> mining = np.array([True, True, True, True, False, False, False, False])
    >>> round(odds_ratio(with_it, mining, np.arange(8), confidence=0.95)[0], 6)
    9.0
    """
    shares = [float(is_with[own].mean()) for own in (is_mining, ~is_mining)]
    if not 0.0 < is_with.mean() < 1.0:
        return float("nan"), float("nan"), float("nan")
    if not all(0.0 < share < 1.0 for share in shares):
        return _extreme_ratio(is_with, is_mining, blocks, confidence=confidence)
    codes = np.unique(blocks, return_inverse=True)[1].ravel()
    n_blocks = int(codes.max()) + 1
    pull = np.zeros(n_blocks)
    for own, share, sign in zip((is_mining, ~is_mining), shares, (1.0, -1.0), strict=True):
        excess = (is_with[own] - share) / (own.sum() * share * (1.0 - share))
        pull += sign * np.bincount(codes[own], excess, minlength=n_blocks)
    ratio = _odds(shares[0]) / _odds(shares[1])
    scarce = min(len(np.unique(codes[own])) for own in (is_mining, ~is_mining))
    if scarce < 2:
        return ratio, float("nan"), float("nan")
    error = float(np.sqrt(n_blocks / (n_blocks - 1.0) * float(pull @ pull)))
    factor = float(np.exp(t.ppf(0.5 + confidence / 2.0, scarce - 1) * error))
    return ratio, ratio / factor, ratio * factor


def _extreme_ratio(
    is_with: BoolArray, is_mining: BoolArray, blocks: AnyArray, *, confidence: float
) -> tuple[float, float, float]:
    """Give the odds ratio where a class has something everywhere or nowhere."""
    mining, other = (
        [_odds(x) for x in share_interval(is_with[own], blocks[own], confidence=confidence)]
        for own in (is_mining, ~is_mining)
    )
    ratio = float("inf") if mining[0] > other[0] else 0.0
    if np.isnan([*mining, *other]).any():
        return ratio, float("nan"), float("nan")
    low = mining[1] / other[2] if ratio else 0.0
    high = float("inf") if ratio else mining[2] / other[1]
    return ratio, low, high


def ratio_words(ratio: float, low: float, high: float) -> str:
    """Write an odds ratio with its interval, as far as its digits mean anything.

    Examples
    --------
    >>> ratio_words(3.31, 1.4, 8.22), ratio_words(float("inf"), 26.4, float("inf"))
    ('3.3 (1.4–8.2)', '∞ (26–∞)')
    >>> ratio_words(0.0, 0.0, 0.03), ratio_words(1.2, float("nan"), float("nan"))
    ('0 (0–0.03)', '1.2')
    """
    if np.isnan(ratio):
        return MISSING
    ends = "" if np.isnan(low) else f" ({_ratio_text(low)}–{_ratio_text(high)})"
    return f"{_ratio_text(ratio)}{ends}"


def _ratio_text(ratio: float) -> str:
    if ratio in (0.0, float("inf")):
        return "0" if ratio == 0.0 else "∞"
    if ratio >= 10.0:
        return format_count(ratio)
    return format_number(ratio, decimals=1 if ratio >= 1.0 else 2)


def _odds(share: float) -> float:
    if np.isnan(share):
        return share
    return share / (1.0 - share) if share < 1.0 else float("inf")
