"""Distributions: densities of all pixels by class and band, quantiles, spectral signatures."""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from KDEpy import FFTKDE

from minewatch._figures import format_number, format_percent, format_reflectance
from minewatch._report._section import Section
from minewatch.bands import SCALE_FACTOR, band
from minewatch.explore._histograms import (
    QUANTILES,
    count_moments,
    count_quantiles,
    known_counts,
    largest_gap,
)
from minewatch.explore._settings import ExploreSettings
from minewatch.explore._statistics import CLASSES, PatchStatistics
from minewatch.types import FloatArray, IntArray

KEY: Final = "distributions"
TITLE: Final = "Distributions"

_REACH: Final = 6.0
"""Bandwidths beyond the axis from which pixels still count: a Gaussian's tail is 1e-9 there."""
_FINENESS: Final = 10.0
"""Least number of inner grid steps in a bandwidth."""
_UNIT: Final = 0.05
"""Bandwidth after scaling: KDEpy cuts a kernel where it falls below 1e-4, which for a bandwidth of
0.05 is 4.7 bandwidths out, but for one of 100 digital numbers would be only 2.6."""
_MAX_REFINEMENT: Final = 64

_SAME_MEDIAN: Final = 0.005
"""Medians, in reflectance, nearer than this are called about the same."""
_WEAK_GAP: Final = 0.2
_STRONG_GAP: Final = 0.5

_VEGETATED_NDVI: Final = 0.1
_LEAST_VEGETATED: Final = 0.1
"""Share of patches with so much NDVI below which the order of bands is doubted."""
_LEAST_PATCHES: Final = 10


class _Curve(NamedTuple):
    """One band of one class."""

    band: str
    name: str
    counts: IntArray
    low: float
    high: float
    """Ends of the band's axis, DN."""


def describe_distributions(statistics: PatchStatistics, settings: ExploreSettings) -> Section:
    """Describe how reflectance is distributed over all pixels of each class.

    Pixels of one patch resemble one another, so these are descriptions of what was sampled and no
    ground for tests.

    Returns
    -------
    Section
        ``densities``: ``band``, ``class``, ``reflectance``, ``density`` (per unit of reflectance;
        the area under the whole curve is 1 for each class). ``axes``: by band and class the pixels,
        ``bandwidth`` (standard deviation of the Gaussian kernel: Scott's rule [1]_, standard
        deviation × n^(-1/5), × ``settings.density_bandwidth_adjust``), the ends of the axis, which
        both classes share, and ``outside_share``, the share of pixels beyond them.
        ``quantiles``: exact, by band and class. ``signatures``: mean and quantiles over wavelength.
        ``gaps``, where there are both classes: by band the largest distance between the two
        cumulative distributions (Kolmogorov–Smirnov, 0 to 1), the largest first.

    Notes
    -----
    Each density is the convolution of the exact histogram of digital numbers with the kernel, by
    fast Fourier transform on a grid at least eight times as fine as the bandwidth. It equals
    `scipy.stats.gaussian_kde` on every single pixel within a thousandth of its peak.

    References
    ----------
    .. [1] Scott, D. W. (1992). Multivariate Density Estimation. Wiley.
    """
    counts = known_counts(statistics.counts)
    curves = class_curves(counts, statistics.bands, settings)
    if not curves:
        return Section.left_out(
            KEY,
            TITLE,
            why="No pixel of any patch is known.",
            advice="Look at the section on integrity; import the patches again.",
        )
    quantiles = _quantile_table(curves)
    gaps = _gap_table(counts, statistics.bands, quantiles)
    tables = {
        "quantiles": quantiles,
        "signatures": _signature_table(quantiles),
        "gaps": gaps,
        "axes": _axis_table(curves, settings),
        "densities": density_table(curves, settings),
    }
    doubt = _doubt_band_order(statistics)
    first = "Check the order and the names of the bands before anything else. " if doubt else ""
    return Section(
        key=KEY,
        title=TITLE,
        seen=_seen(quantiles, gaps) + doubt,
        advice=first + _advice(gaps),
        tables={name: table for name, table in tables.items() if name != "gaps" or len(gaps)},
    )


def _doubt_band_order(statistics: PatchStatistics) -> str:
    """Ask whether the band order is right if hardly a patch shows vegetation; empty if many do."""
    infrared = next((name for name in ("B08", "B8A") if name in statistics.bands), None)
    if infrared is None or "B04" not in statistics.bands:
        return ""
    near, red = statistics.mean[infrared], statistics.mean["B04"]
    ndvi = ((near - red) / (near + red)).dropna()
    if len(ndvi) < _LEAST_PATCHES or (ndvi > _VEGETATED_NDVI).mean() >= _LEAST_VEGETATED:
        return ""
    return (
        f" In {format_percent(float((ndvi <= _VEGETATED_NDVI).mean()))} of patches near infrared "
        f"is darker than red or hardly brighter (NDVI at most {_VEGETATED_NDVI}), as in no "
        "vegetated land: is the band order right?"
    )


def class_curves(
    counts: IntArray, bands: tuple[str, ...], settings: ExploreSettings
) -> list[_Curve]:
    """Give each band and class that has pixels, with the axis that the band's classes share.

    Parameters
    ----------
    counts
        ``(label, band, dn)``: known pixels by class, band and DN.
    """
    tail = settings.robust_percent / 100.0
    ends = count_quantiles(counts, [tail, 1.0 - tail])
    curves = []
    for position, name in enumerate(bands):
        if np.isfinite(ends[:, position]).any():
            low = float(np.nanmin(ends[:, position, 0]))
            high = max(float(np.nanmax(ends[:, position, 1])), low + 1.0)
            curves += [
                _Curve(name, class_name, counts[label, position], low, high)
                for label, class_name in enumerate(CLASSES)
                if counts[label, position].any()
            ]
    return curves


def density_table(curves: list[_Curve], settings: ExploreSettings) -> pd.DataFrame:
    """Tabulate the density of every curve on its axis."""
    parts = []
    for curve in curves:
        grid = np.linspace(curve.low, curve.high, settings.density_points)
        density = count_density(curve.counts, grid, adjust=settings.density_bandwidth_adjust)
        parts.append((grid * SCALE_FACTOR, density / SCALE_FACTOR))
    n = settings.density_points
    return pd.DataFrame(
        {
            "band": np.repeat([curve.band for curve in curves], n),
            "class": np.repeat([curve.name for curve in curves], n),
            "reflectance": np.concatenate([grid for grid, _ in parts]),
            "density": np.concatenate([density for _, density in parts]),
        }
    )


def count_density(counts: IntArray, grid: FloatArray, *, adjust: float = 1.0) -> FloatArray:
    """Estimate the density of the pixels at some digital numbers.

    Parameters
    ----------
    counts
        ``(dn,)``: pixels by DN.
    grid
        Equidistant DN at which the density is wanted.
    adjust
        Factor on Scott's bandwidth.

    Returns
    -------
    ndarray of float64
        Density per DN; NaN where the pixels do not vary, so that no bandwidth can be told.

    Examples
    --------
    >>> counts = np.zeros(100, dtype=int)
    >>> counts[[40, 50, 60]] = 10, 30, 10
    >>> count_density(counts, np.linspace(30, 70, 5)).round(3)
    array([0.   , 0.028, 0.082, 0.028, 0.   ])
    """
    width = scott_bandwidth_dn(counts) * adjust
    if not width > 0:
        return np.full(len(grid), np.nan)
    step = grid[1] - grid[0]
    refinement = int(np.clip(np.ceil(_FINENESS * step / width), 1, _MAX_REFINEMENT))
    fine = step / refinement
    margin = int(np.ceil(_REACH * width / fine)) + 1
    n_inner = (len(grid) - 1) * refinement + 1
    points = grid[0] + fine * np.arange(-margin, n_inner + margin)
    first = max(int(np.ceil(points[0])), 0)
    near = counts[first : int(np.floor(points[-1])) + 1]
    dn = np.flatnonzero(near)
    if not len(dn):
        return np.zeros(len(grid))
    weights = near[dn].astype(np.float64)
    scale = _UNIT / width
    estimate = FFTKDE(kernel="gaussian", bw=_UNIT).fit((dn + first) * scale, weights)
    density = np.asarray(estimate.evaluate(points * scale), dtype=np.float64) * scale
    inner = density[margin : margin + n_inner : refinement]
    inside: float = weights.sum() / counts.sum()
    return np.asarray(np.maximum(inner, 0.0) * inside)


def scott_bandwidth_dn(counts: IntArray) -> float:
    """Give Scott's bandwidth of a histogram, in DN: standard deviation × n^(-1/5)."""
    total, _, deviation = count_moments(counts)
    return float(deviation / SCALE_FACTOR * float(total) ** -0.2) if total > 1 else float("nan")


def _axis_table(curves: list[_Curve], settings: ExploreSettings) -> pd.DataFrame:
    rows = []
    for curve in curves:
        dn = np.arange(len(curve.counts))
        outside = curve.counts[(dn < curve.low) | (dn > curve.high)].sum()
        width = scott_bandwidth_dn(curve.counts) * settings.density_bandwidth_adjust
        rows.append(
            {
                "band": curve.band,
                "class": curve.name,
                "n_px": int(curve.counts.sum()),
                "bandwidth": width * SCALE_FACTOR,
                "axis_low": curve.low * SCALE_FACTOR,
                "axis_high": curve.high * SCALE_FACTOR,
                "outside_share": float(outside / curve.counts.sum()),
            }
        )
    return pd.DataFrame(rows)


def _quantile_table(curves: list[_Curve]) -> pd.DataFrame:
    rows = []
    for curve in curves:
        total, mean, deviation = count_moments(curve.counts)
        values = count_quantiles(curve.counts, list(QUANTILES.values())) * SCALE_FACTOR
        rows.append(
            {
                "band": curve.band,
                "class": curve.name,
                "n_px": int(total),
                "mean": float(mean),
                "std": float(deviation),
                **dict(zip(QUANTILES, values.tolist(), strict=True)),
            }
        )
    return pd.DataFrame(rows)


def _signature_table(quantiles: pd.DataFrame) -> pd.DataFrame:
    columns = ["class", "band", "n_px", "mean", "p05", "p25", "median", "p75", "p95"]
    table = quantiles[columns].copy()
    table.insert(2, "wavelength_nm", [band(name).wavelength_nm for name in table["band"]])
    order = table["class"].map({name: i for i, name in enumerate(CLASSES)})
    table = table.assign(order=order).sort_values(["order", "wavelength_nm"], kind="stable")
    return table.drop(columns="order").reset_index(drop=True)


def _gap_table(counts: IntArray, bands: tuple[str, ...], quantiles: pd.DataFrame) -> pd.DataFrame:
    medians = quantiles.pivot_table(index="band", columns="class", values="median")
    rows = []
    for position, name in enumerate(bands):
        gap = largest_gap(counts[0, position], counts[1, position])
        if gap == gap:
            rows.append(
                {
                    "band": name,
                    "ks": gap,
                    "mining_median": medians.loc[name, "mining"],
                    "no_mining_median": medians.loc[name, "no mining"],
                }
            )
    table = pd.DataFrame(rows, columns=["band", "ks", "mining_median", "no_mining_median"])
    return table.sort_values("ks", ascending=False, kind="stable").reset_index(drop=True)


def _seen(quantiles: pd.DataFrame, gaps: pd.DataFrame) -> str:
    if gaps.empty:
        return _seen_alone(quantiles)
    best = gaps.iloc[0]
    first, second = best["mining_median"], best["no_mining_median"]
    side = "brighter than" if first > second else "darker than"
    side = "about as bright as" if abs(first - second) < _SAME_MEDIAN else side
    known = f"{best['band']} ({band(best['band']).description})"
    among = f"In {known}"
    if len(gaps) > 1:
        among = f"Of {len(gaps)} bands, the classes’ pixels differ most in {known}"
    return (
        f"{among}: pixels of mining patches are {side} the others (median reflectance "
        f"{format_reflectance(first)} against {format_reflectance(second)}), and the two "
        f"cumulative distributions lie at most {format_number(best['ks'], decimals=2)} apart, "
        "where 0 is alike and 1 fully apart."
    )


def _seen_alone(quantiles: pd.DataFrame) -> str:
    ordered = quantiles.sort_values("median", kind="stable")
    lowest, highest = ordered.iloc[0], ordered.iloc[-1]
    classes = list(quantiles["class"].unique())
    return (
        f"There are no pixels of both classes to compare, only of {' and '.join(classes)}; median "
        f"reflectance runs from {format_reflectance(lowest['median'])} in {lowest['band']} to "
        f"{format_reflectance(highest['median'])} in {highest['band']}."
    )


def _advice(gaps: pd.DataFrame) -> str:
    if gaps.empty:
        return (
            "Check the signatures against what the ground should look like; to compare, add "
            "patches of the other class."
        )
    best = gaps.iloc[0]
    if best["ks"] < _WEAK_GAP:
        return (
            "No single band tells the pixels of the classes apart: expect little of thresholds, "
            "and look at indices, texture and neighbourhood."
        )
    if best["ks"] < _STRONG_GAP:
        return (
            f"The distributions overlap widely even in {best['band']}: expect a threshold on one "
            "band to fail, and combine bands; the pixels of one patch are alike, so test on "
            "patches."
        )
    share = format_percent((1.0 - best["ks"]) / 2.0)
    return (
        f"A threshold on {best['band']} alone would err on {share} of the pixels, both classes "
        "weighed alike: make every detector beat that, and find out first whether haze, season or "
        "place explain the difference."
    )
