"""Exact statistics of all pixels, from how often each digital number (DN) occurs."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from minewatch.bands import NO_DATA, SCALE_FACTOR
from minewatch.types import FloatArray, IntArray

QUANTILES: Final = {
    "min": 0.0, "p01": 0.01, "p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95,
    "p99": 0.99, "max": 1.0,
}  # fmt: skip
"""Quantiles that tables give, by column."""


def known_counts(counts: xr.DataArray) -> IntArray:
    """Give histograms ``(label, band, dn)`` without the pixels that have no data."""
    known = counts.transpose("label", "band", "dn").to_numpy().copy()
    known[..., NO_DATA] = 0
    return known


def count_quantiles(counts: IntArray, shares: Sequence[float]) -> FloatArray:
    """Give exact quantiles: the smallest DN that a share of the pixels does not exceed.

    Parameters
    ----------
    counts
        ``(…, dn)``: pixels by DN.
    shares
        Shares of the pixels, 0 to 1; 0 gives the smallest DN that occurs.

    Returns
    -------
    ndarray of float64
        ``(…, share)`` DN; NaN where there is no pixel.

    Examples
    --------
    >>> count_quantiles(np.array([0, 1, 2, 1]), [0.0, 0.5, 1.0])
    array([1., 2., 3.])
    """
    flat = counts.reshape(-1, counts.shape[-1])
    found = np.full((len(flat), len(shares)), np.nan)
    for row, summed in enumerate(np.cumsum(flat, axis=1)):
        if summed[-1] > 0:
            ranks = np.maximum(np.ceil(np.asarray(shares) * summed[-1]), 1)
            found[row] = np.searchsorted(summed, ranks)
    return found.reshape(*counts.shape[:-1], len(shares))


def count_moments(counts: IntArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Give number, mean and standard deviation (divisor n − 1) of the pixels, in reflectance.

    Mean and deviation are NaN where there are too few pixels (none; fewer than two).
    """
    dn = np.arange(counts.shape[-1], dtype=np.float64)
    total = counts.sum(axis=-1)
    n = np.where(total > 0, total, np.nan)
    mean = (counts * dn).sum(axis=-1) / n
    square = (counts * dn**2).sum(axis=-1) / n
    variance = np.maximum(square - mean**2, 0.0) * n / np.where(n > 1, n - 1, np.nan)
    return total, mean * SCALE_FACTOR, np.sqrt(variance) * SCALE_FACTOR


def largest_gap(first: IntArray, second: IntArray) -> float:
    """Give the largest distance between two cumulative distributions (Kolmogorov–Smirnov).

    Parameters
    ----------
    first, second
        ``(dn,)``: pixels by DN.

    Returns
    -------
    float
        0 (alike) to 1 (apart); NaN if either is empty.
    """
    if not (first.any() and second.any()):
        return float("nan")
    gaps = np.cumsum(first) / first.sum() - np.cumsum(second) / second.sum()
    return float(np.abs(gaps).max())
