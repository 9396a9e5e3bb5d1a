"""Statistics of patches: what trees learn from.

They come in two kinds. Those of `_summed` are made of sums over pixels (means, spreads, products
of neighbours, correlations), which a dense scan could take from running sums; those of `_ordered`
(quantiles, of pixels and of local spreads) need the pixels of each window in order. A missing pixel
(NaN) is counted in none of them.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from minewatch.bands import available_indices, band_names, spectral_indices
from minewatch.errors import InputError

QUANTILES: Final = (2, 10, 25, 50, 75, 90, 98)
CENTRE_QUANTILES: Final = (10, 50, 90)
LAGS_PX: Final = (1, 2, 4, 8)
GRAIN_PX: Final = (3, 9)
INDEX_BOUND: Final = 10.0
"""Indices divide, and one dark pixel could drown all others: they are cut to ± this."""
MIN_SIZE_PX: Final = 16
_SITES_STACKED: Final = 128
"""Patches whose indices are computed at once: each call of spyndex reads its catalogue anew."""
_VALUES_AT_ONCE: Final = 1 << 19
"""Values of all layers that are measured at once: few enough to stay near the processor."""
_TINY: Final = np.float32(1e-9)

Values = npt.NDArray[np.float32]
Counts = npt.NDArray[np.float32]
Statistics = Iterator[tuple[str, Values]]


def patch_statistics(
    reflectance: npt.NDArray[np.floating], bands: Sequence[str]
) -> tuple[Values, tuple[str, ...]]:
    """Measure patches: statistics of each band, of each spectral index, and of bands together.

    Each patch is measured by itself, so that the same patch gives the same numbers among others.

    Parameters
    ----------
    reflectance
        Reflectance (site, band, y, x), NaN where nothing is known; at least 16 px a side.
    bands
        The bands' names, in order.

    Returns
    -------
    values : ndarray of float32
        (site, statistic); NaN where a statistic cannot be had, because pixels are missing.
    names : tuple of str
        What each column is: ``"B04 p90"``, ``"NDVI centre"``, ``"B03~B11"`` (a correlation).

    Raises
    ------
    InputError
        If patches are too small.
    BandError
        If a band is not known.

    Examples
    --------
    >>> patches = np.full((1, 3, 16, 16), 0.1, dtype="float32")
    >>> values, names = patch_statistics(patches, ("B04", "B03", "B02"))
    >>> round(float(values[0, names.index("B04 p90")]), 6), values.shape
    (0.1, (1, 206))
    """
    names = band_names(bands)
    height, width = reflectance.shape[2:]
    if min(height, width) < MIN_SIZE_PX:
        raise InputError(
            f"patches have {height} × {width} px; statistics need at least {MIN_SIZE_PX} a side"
        )
    n_layers = len(names) + len(available_indices(names))
    step = max(1, _VALUES_AT_ONCE // (n_layers * height * width))
    columns = statistic_names(names)
    values = np.empty((len(reflectance), len(columns)), dtype=np.float32)
    for block in range(0, len(reflectance), _SITES_STACKED):
        part = np.asarray(reflectance[block : block + _SITES_STACKED], dtype=np.float32)
        layers, _ = _stack_layers(part, names)
        for start in range(0, len(part), step):
            measured = _measure(layers[start : start + step], len(names))
            rows = slice(block + start, block + min(start + step, len(part)))
            values[rows] = np.concatenate([one for _, one in measured], axis=1)
    return values, columns


def statistic_names(bands: Sequence[str]) -> tuple[str, ...]:
    """Name the columns that `patch_statistics` gives for these bands.

    Examples
    --------
    >>> statistic_names(["B04"])[:3]
    ('B04 mean', 'B04 std', 'B04 centre')
    """
    names = band_names(bands)
    empty = np.zeros((1, len(names), MIN_SIZE_PX, MIN_SIZE_PX), dtype=np.float32)
    layers, of_layers = _stack_layers(empty, names)
    columns: list[str] = []
    for statistic, part in _measure(layers, len(names)):
        if statistic == "correlation":
            columns += [f"{a}~{b}" for a, b in combinations(names, 2)]
        else:
            columns += [f"{layer} {statistic}" for layer in of_layers[: part.shape[1]]]
    return tuple(columns)


def _stack_layers(reflectance: Values, names: tuple[str, ...]) -> tuple[Values, tuple[str, ...]]:
    """Put the indices behind the bands: (site, layer, y, x), and the layers' names."""
    indices = spectral_indices(reflectance, names, band_axis=1)
    cut = [np.clip(index, -INDEX_BOUND, INDEX_BOUND) for index in indices.values()]
    layers = np.concatenate([reflectance, *(index[:, None] for index in cut)], axis=1)
    return layers.astype(np.float32, copy=False), (*names, *indices)


def _measure(layers: Values, n_bands: int) -> Statistics:
    """Measure layers (site, layer, y, x); each statistic is (site, layer)."""
    known = np.isfinite(layers)
    weights = known.astype(np.float32)
    values = np.where(known, layers, np.float32(0.0))
    count = weights.sum(axis=(2, 3))
    mean = _divide(values.sum(axis=(2, 3)), count)
    offset = np.nan_to_num(mean)[..., None, None]
    from_mean = (values - offset) * weights
    yield from _summed(from_mean, weights, mean, n_bands)
    yield from _ordered(layers, from_mean, weights)


def _summed(from_mean: Values, weights: Counts, mean: Values, n_bands: int) -> Statistics:
    """Give what is made of sums over pixels alone."""
    count = weights.sum(axis=(2, 3))
    variance = _divide(np.square(from_mean).sum(axis=(2, 3)), count)
    yield "mean", mean
    yield "std", np.sqrt(variance)
    for name, share in (("centre", 4), ("core", 8)):
        inner, inner_count = _inner(from_mean, share), _inner(weights, share).sum(axis=(2, 3))
        difference = _divide(inner.sum(axis=(2, 3)), inner_count)
        yield name, mean + difference
        yield f"{name} - whole", difference
        spread = _divide(np.square(inner).sum(axis=(2, 3)), inner_count) - np.square(difference)
        yield f"{name} std", np.sqrt(np.maximum(spread, 0))
    for lag in LAGS_PX:
        across = _neighbours(from_mean, weights, lag, axis=3)
        down = _neighbours(from_mean, weights, lag, axis=2)
        yield f"neighbours {lag} px", (across + down) / (2 * variance + _TINY)
        if lag == LAGS_PX[0]:
            yield "direction", np.abs(across - down) / (variance + _TINY)
    yield "gradient", _gradient(from_mean, weights)
    yield "correlation", _correlations(from_mean[:, :n_bands], weights[:, :n_bands])


def _ordered(layers: Values, from_mean: Values, weights: Counts) -> Statistics:
    """Give what needs the pixels in order."""
    n_sites, n_layers = layers.shape[:2]
    whole = _quantiles(layers.reshape(n_sites, n_layers, -1), QUANTILES)
    for percent, values in zip(QUANTILES, whole, strict=True):
        yield f"p{percent}", values
    yield "p90 - p10", whole[5] - whole[1]
    yield "p98 - p50", whole[6] - whole[3]
    yield "p50 - p2", whole[3] - whole[0]
    middle = np.ascontiguousarray(_inner(layers, 4)).reshape(n_sites, n_layers, -1)
    centre = _quantiles(middle, CENTRE_QUANTILES)
    for percent, values in zip(CENTRE_QUANTILES, centre, strict=True):
        yield f"centre p{percent}", values
    for size, grain in _grains(from_mean, weights):
        flat = grain.reshape(n_sites, n_layers, -1)
        known = np.isfinite(flat)
        yield (
            f"grain {size} px",
            _divide(
                np.where(known, flat, np.float32(0)).sum(axis=-1),
                known.sum(axis=-1, dtype=np.float32),
            ),
        )


def _divide(total: Values, count: Counts) -> Values:
    """Divide; NaN where nothing was counted."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient: Values = total / count
    return quotient


def _inner(values: Values, share: int) -> Values:
    """Cut the middle out: a half of the side for a share of 4, a quarter for 8."""
    height, width = values.shape[2:]
    top, left = (side // 4 if share == 4 else side * 3 // 8 for side in (height, width))
    return values[:, :, top : height - top, left : width - left]


def _neighbours(from_mean: Values, weights: Counts, lag: int, *, axis: int) -> Values:
    """Give the mean product of pixels that lie `lag` apart."""
    ahead = (slice(None),) * axis + (slice(lag, None),)
    behind = (slice(None),) * axis + (slice(None, -lag),)
    total = np.einsum("slyx,slyx->sl", from_mean[ahead], from_mean[behind])
    return _divide(total, np.einsum("slyx,slyx->sl", weights[ahead], weights[behind]))


def _gradient(from_mean: Values, weights: Counts) -> Values:
    """Give the mean step between neighbours, whichever its sign."""
    totals, counts = np.float32(0), np.float32(0)
    for axis in (2, 3):
        ahead = (slice(None),) * axis + (slice(1, None),)
        behind = (slice(None),) * axis + (slice(None, -1),)
        both = weights[ahead] * weights[behind]
        totals = totals + (np.abs(from_mean[ahead] - from_mean[behind]) * both).sum(axis=(2, 3))
        counts = counts + both.sum(axis=(2, 3))
    return _divide(np.asarray(totals), np.asarray(counts))


def _correlations(from_mean: Values, weights: Counts) -> Values:
    """Give the correlation of each pair of bands over the pixels: (site, pair)."""
    n_sites, n_bands = from_mean.shape[:2]
    flat = from_mean.reshape(n_sites, n_bands, -1)
    there = weights.reshape(n_sites, n_bands, -1)
    products = flat @ flat.swapaxes(1, 2)
    # Squares of one band over the pixels that the other knows too.
    squares = np.square(flat) @ there.swapaxes(1, 2)
    scale = np.sqrt(squares * squares.swapaxes(1, 2))
    first, second = np.triu_indices(n_bands, 1)
    counted = (there @ there.swapaxes(1, 2))[:, first, second] > 1
    ratio = products[:, first, second] / (scale[:, first, second] + _TINY)
    return np.where(counted, ratio, np.float32(np.nan)).astype(np.float32)


def _quantiles(flat: Values, percents: Sequence[int]) -> list[Values]:
    """Give quantiles along the last axis, linear between pixels, of those that are not NaN."""
    ordered = np.sort(flat, axis=-1)  # NaN comes last
    count = np.isfinite(flat).sum(axis=-1)
    found = []
    for percent in percents:
        place = np.maximum(count - 1, 0) * np.float32(percent / 100)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, np.maximum(count - 1, 0))
        below = np.take_along_axis(ordered, low[..., None], axis=-1)[..., 0]
        above = np.take_along_axis(ordered, high[..., None], axis=-1)[..., 0]
        found.append((below + (above - below) * (place - low)).astype(np.float32))
    return found


def _grains(from_mean: Values, weights: Counts) -> Iterator[tuple[int, Values]]:
    """Give the standard deviation within every window of 3 and of 9 px that lies in the patch.

    NaN where fewer than half of a window's pixels are known.
    """
    sums = [from_mean, np.square(from_mean), weights]
    step = 1
    for size in GRAIN_PX:
        sums = [_sum_three(_sum_three(part, step, axis=2), step, axis=3) for part in sums]
        total, squares, count = sums
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = squares / count - np.square(total / count)
        spread = np.sqrt(np.maximum(variance, 0))
        yield size, np.where(count * 2 >= size * size, spread, np.float32(np.nan))
        step *= 3


def _sum_three(values: Values, step: int, *, axis: int) -> Values:
    """Add three neighbours that lie `step` apart; windows that leave the patch are left out."""
    size = values.shape[axis]
    parts = [
        values[(slice(None),) * axis + (slice(k * step, size - (2 - k) * step),)] for k in range(3)
    ]
    summed: Values = parts[0] + parts[1]
    summed += parts[2]
    return summed


def statistics_by_name(
    reflectance: npt.NDArray[np.floating], bands: Sequence[str], wanted: Sequence[str]
) -> Values:
    """Give some statistics of patches, in the order wanted: (site, statistic).

    Raises
    ------
    InputError
        If one of them cannot be had from these bands.
    """
    values, names = patch_statistics(reflectance, bands)
    place = {name: i for i, name in enumerate(names)}
    missing = [name for name in wanted if name not in place]
    if missing:
        raise InputError(f"no statistic {', '.join(missing[:5])} of {', '.join(bands)}")
    return values[:, [place[name] for name in wanted]]
