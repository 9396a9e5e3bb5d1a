"""How alike near places are: Moran's I, and the variogram with its range."""

from typing import Final

import numpy as np
import pandas as pd
from scipy.optimize import nnls
from scipy.sparse import csr_array
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist
from scipy.stats import norm

from minewatch.types import FloatArray, IntArray

N_NEIGHBOURS: Final = 8
MAX_VARIOGRAM_SITES: Final = 2_000
_N_LAGS: Final = 12
_N_RANGES: Final = 100
_LEAST_PAIRS: Final = 30
_LEAST_LAG_M: Final = 250.0
_MOST_UNEXPLAINED: Final = 0.5
"""Greatest share of the variance between lags that a fitted variogram may leave unexplained."""


def measure_moran(values: FloatArray, coordinates_m: FloatArray) -> dict[str, float]:
    """Measure Moran's I with eight nearest neighbours of equal weight.

    The p-value is two-sided and analytic, under the hypothesis that the values were dealt to the
    places at random [1]_: no seed, and no permutations of 50,000 sites.

    Parameters
    ----------
    values
        ``(site,)`` without NaN.
    coordinates_m
        ``(site, 3)`` earth-centred, metres.

    Returns
    -------
    dict
        ``morans_i`` (about −1 to 1), ``expected`` without autocorrelation, ``z``, ``p_value``,
        ``n_sites``, ``n_neighbours``; NaN where values do not vary or sites are fewer than five.

    References
    ----------
    .. [1] Cliff, A. D., Ord, J. K. (1981). Spatial Processes: Models and Applications. Pion.
    """
    n = len(values)
    n_neighbours = min(N_NEIGHBOURS, n - 1)
    said = {"n_sites": n, "n_neighbours": n_neighbours}
    deviation = values - values.mean() if n else values
    if n < 5 or not (np.abs(deviation) > 1e-12).any():
        empty = dict.fromkeys(("morans_i", "expected", "z", "p_value"), float("nan"))
        return {**empty, **said}
    neighbours = _neighbours(coordinates_m, n_neighbours)
    lagged = deviation[neighbours].mean(axis=1)
    moran = float(deviation @ lagged / (deviation @ deviation))
    expected = -1.0 / (n - 1)
    variance = _moran_variance(deviation, neighbours)
    z = (moran - expected) / np.sqrt(variance) if variance > 0 else float("nan")
    return {
        "morans_i": moran,
        "expected": expected,
        "z": float(z),
        "p_value": float(2.0 * norm.sf(abs(z))),
        **said,
    }


def _neighbours(coordinates_m: FloatArray, n_neighbours: int) -> IntArray:
    """Find each site's nearest others; of several sites at one point each leaves out itself."""
    n = len(coordinates_m)
    found = np.asarray(cKDTree(coordinates_m).query(coordinates_m, k=n_neighbours + 1)[1])
    is_self = found == np.arange(n)[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    neighbours: IntArray = found[~is_self].reshape(n, n_neighbours)
    return neighbours


def _moran_variance(deviation: FloatArray, neighbours: IntArray) -> float:
    """Give the variance of Moran's I under randomisation, for weights that sum to 1 by row."""
    n, k = neighbours.shape
    weights = csr_array(
        (np.full(n * k, 1.0 / k), neighbours.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n)
    )
    s1 = float(((weights + weights.T).power(2)).sum()) / 2.0
    s2 = float(((1.0 + np.asarray(weights.sum(axis=0)).ravel()) ** 2).sum())
    squares = deviation**2
    kurtosis = float((squares**2).mean() / squares.mean() ** 2)
    first = n * ((n**2 - 3 * n + 3) * s1 - n * s2 + 3 * n**2)
    second = kurtosis * ((n**2 - n) * s1 - 2 * n * s2 + 6 * n**2)
    of_square = (first - second) / ((n - 1) * (n - 2) * (n - 3) * n**2)
    return float(of_square - 1.0 / (n - 1) ** 2)


def measure_variogram(
    values: FloatArray, coordinates_m: FloatArray, *, random_state: int
) -> pd.DataFrame:
    """Measure how much values differ with the distance between their places.

    Values are first divided by their standard deviation, so that a semivariance of 1 is what two
    unrelated sites show. Lags grow geometrically from 250 m to half of the largest distance. Of
    more than 2,000 sites, that many are drawn.

    Returns
    -------
    DataFrame
        ``distance_m`` (mean of the pairs), ``semivariance``, ``n_pairs``; empty lags left out.
    """
    columns = ["distance_m", "semivariance", "n_pairs"]
    n = len(values)
    if n > MAX_VARIOGRAM_SITES:
        rng = np.random.default_rng(random_state)
        kept = np.sort(rng.choice(n, MAX_VARIOGRAM_SITES, replace=False))
        values, coordinates_m = values[kept], coordinates_m[kept]
    spread = values.std() if n else 0.0
    if n < 5 or not spread > 1e-12:
        return pd.DataFrame(columns=columns)
    distance_m = pdist(coordinates_m)
    half_squares = pdist((values / spread)[:, None], "sqeuclidean") / 2.0
    longest = distance_m.max() / 2.0
    if longest <= _LEAST_LAG_M:
        return pd.DataFrame(columns=columns)
    edges = np.concatenate([[0.0], np.geomspace(_LEAST_LAG_M, longest, _N_LAGS)])
    within = distance_m <= longest
    lag = np.searchsorted(edges[1:], distance_m[within], side="left")
    lag = np.minimum(lag, _N_LAGS - 1)
    n_pairs = np.bincount(lag, minlength=_N_LAGS)
    filled = n_pairs > 0
    sums = [np.bincount(lag, x[within], _N_LAGS) for x in (distance_m, half_squares)]
    return pd.DataFrame(
        {
            "distance_m": sums[0][filled] / n_pairs[filled],
            "semivariance": sums[1][filled] / n_pairs[filled],
            "n_pairs": n_pairs[filled],
        }
    )


def fit_range(variogram: pd.DataFrame) -> dict[str, float]:
    """Fit an exponential variogram and give the distance up to which places are alike.

    The model is ``nugget + sill · (1 − exp(−3 h / range))``, so that at the range 95 % of the
    rise is over. Lags of at least 30 pairs [1]_ count alike, for they grow geometrically, and a
    weight by pairs would leave the short ones unheard. Ranges are tried on a grid, and nugget and
    sill found by non-negative least squares, so the fit always ends and depends on no start.

    Returns
    -------
    dict
        ``range_m``: NaN if fewer than four such lags are there, if semivariance does not rise with
        distance, if it still rises beyond half of the longest lag, or if the model explains less
        than half of the variance between lags. ``nugget`` and ``sill``.

    References
    ----------
    .. [1] Journel, A. G., Huijbregts, C. J. (1978). Mining Geostatistics. Academic Press.
    """
    nothing = {"range_m": float("nan"), "nugget": float("nan"), "sill": float("nan")}
    well_known = variogram[variogram["n_pairs"] >= _LEAST_PAIRS]
    if len(well_known) < 4:
        return nothing
    lags = np.maximum(well_known["distance_m"].to_numpy(dtype=np.float64), 1.0)
    semivariance = well_known["semivariance"].to_numpy(dtype=np.float64)
    ranges = np.geomspace(lags[0] / 2.0, lags[-1] * 4.0, _N_RANGES)
    fits = [_fit_at(range_m, lags, semivariance) for range_m in ranges]
    best = int(np.argmin([misfit for _, misfit in fits]))
    (nugget, sill), misfit = fits[best]
    fits_well = misfit**2 <= _MOST_UNEXPLAINED * float(
        ((semivariance - semivariance.mean()) ** 2).sum()
    )
    rises = sill > 0.05 * (nugget + sill)
    reached = rises and fits_well and ranges[best] <= lags[-1] / 2.0
    return {
        "range_m": float(ranges[best]) if reached else float("nan"),
        "nugget": float(nugget),
        "sill": float(sill),
    }


def _fit_at(range_m: float, lags: FloatArray, semivariance: FloatArray) -> tuple[FloatArray, float]:
    rise = 1.0 - np.exp(-3.0 * lags / range_m)
    solution, misfit = nnls(np.column_stack([np.ones_like(lags), rise]), semivariance)
    return solution, float(misfit)
