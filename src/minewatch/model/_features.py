"""Statistics of patches: what trees learn from.

A missing pixel (NaN) is counted in none of them. Patches are laid out in rows one behind the other,
with a margin of noughts behind each row, so that a neighbour or a window is a shift along one axis,
whichever way it lies: what comes from beyond the edge is nought.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from minewatch.bands import available_indices, band_names, spectral_indices
from minewatch.errors import InputError
from minewatch.types import BoolArray

QUANTILES: Final = (2, 10, 25, 50, 75, 90, 98)
CENTRE_QUANTILES: Final = (10, 50, 90)
LAGS_PX: Final = (1, 2, 4, 8)
GRAIN_PX: Final = (3, 9)
INDEX_BOUND: Final = 10.0
"""Indices divide, and one dark pixel could drown all others: they are cut to ± this."""
MIN_SIZE_PX: Final = 16
_SITES_STACKED: Final = 64
"""Patches whose indices are computed at once: each call of spyndex reads its catalogue anew."""
_VALUES_AT_ONCE: Final = 1 << 18
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
            rows = slice(block + start, block + min(start + step, len(part)))
            values[rows] = _measure(layers[start : start + step], len(names))
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
    for statistic, part in _Patches.of(layers, np.isfinite(layers)).measure(len(names)):
        if statistic == "correlation":
            columns += [f"{a}~{b}" for a, b in combinations(names, 2)]
        else:
            columns += [f"{layer} {statistic}" for layer in of_layers[: part.shape[1]]]
    return tuple(columns)


def _stack_layers(reflectance: Values, names: tuple[str, ...]) -> tuple[Values, tuple[str, ...]]:
    """Put the indices behind the bands: (site, layer, y, x), and the layers' names."""
    indices = spectral_indices(reflectance, names, band_axis=1)
    n_sites, n_bands, height, width = reflectance.shape
    layers = np.empty((n_sites, n_bands + len(indices), height, width), dtype=np.float32)
    layers[:, :n_bands] = reflectance
    for place, index in enumerate(indices.values(), n_bands):
        np.clip(index, -INDEX_BOUND, INDEX_BOUND, out=layers[:, place])
    return layers, (*names, *indices)


def _measure(layers: Values, n_bands: int) -> Values:
    """Measure layers (site, layer, y, x): (site, statistic), in the order of `statistic_names`.

    Where the same pixels are missing from all layers (mostly none), pixels are counted once for all
    of them. That is asked of each patch by itself, so that its numbers do not depend on others.
    """
    known = np.isfinite(layers)
    alike = (known == known[:, :1]).all(axis=(1, 2, 3))
    if alike.all():
        return _join(_Patches.of(layers, known[:, :1]).measure(n_bands))
    apart = _join(_Patches.of(layers[~alike], known[~alike]).measure(n_bands))
    values = np.empty((len(layers), apart.shape[1]), dtype=np.float32)
    values[~alike] = apart
    if alike.any():
        values[alike] = _measure(layers[alike], n_bands)
    return values


def _join(statistics: Statistics) -> Values:
    return np.concatenate([values for _, values in statistics], axis=1)


@dataclass(frozen=True, eq=False)
class _Patches:
    """Layers of patches, and where they are known; `n` pixels, row by row, with a margin."""

    layers: Values
    """(site, layer, y, x), NaN where nothing is known."""
    mean: Values
    """(site, layer)."""
    from_mean: Values
    """(site, layer, n), nought where nothing is known."""
    weights: Counts
    """(site, layer or 1, n): 1 where a pixel is known."""

    @classmethod
    def of(cls, layers: Values, known: BoolArray) -> Self:
        """Lay patches out; `known` has one layer if all are known at the same pixels."""
        n_sites, n_layers, height, width = layers.shape
        weights = np.zeros((n_sites, known.shape[1], height, width + LAGS_PX[-1]), np.float32)
        weights[..., :width] = known
        values = layers if known.all() else np.where(known, layers, np.float32(0.0))
        flat = values.reshape(n_sites, n_layers, -1)
        mean = _divide(flat.sum(axis=-1), weights.sum(axis=(2, 3)))
        from_mean = np.zeros((n_sites, n_layers, height, width + LAGS_PX[-1]), np.float32)
        inside = from_mean[..., :width]
        np.subtract(values, np.nan_to_num(mean)[..., None, None], out=inside)
        if values is not layers:
            inside *= weights[..., :width]
        rows = (n_sites, -1, height * (width + LAGS_PX[-1]))
        return cls(layers, mean, from_mean.reshape(rows), weights.reshape(rows))

    @property
    def row(self) -> int:
        """How far the pixel below lies."""
        return int(self.layers.shape[3]) + LAGS_PX[-1]

    def measure(self, n_bands: int) -> Statistics:
        """Give each statistic: (site, layer), and correlations (site, pair of bands)."""
        squares = np.square(self.from_mean)
        masks = _masks(*self.layers.shape[2:])
        counts = self.weights @ masks
        yield from self._moments(_divide(squares @ masks, counts), counts)
        yield "gradient", self._gradient()
        yield "correlation", self._correlations(n_bands)
        yield from self._quantiles(counts)
        for size, grain in self._grains(squares):
            yield f"grain {size} px", grain

    def _moments(self, square: Values, counts: Counts) -> Statistics:
        """Give what is made of means, of squares and of neighbours' products."""
        variance = square[..., 0]
        yield "mean", self.mean
        yield "std", np.sqrt(variance)
        difference = _divide(self.from_mean @ _masks(*self.layers.shape[2:]), counts)
        for name, place in (("centre", 1), ("core", 2)):
            yield name, self.mean + difference[..., place]
            yield f"{name} - whole", difference[..., place]
            spread = square[..., place] - np.square(difference[..., place])
            yield f"{name} std", np.sqrt(np.maximum(spread, 0))
        for lag in LAGS_PX:
            across, down = self._neighbours(lag), self._neighbours(lag * self.row)
            yield f"neighbours {lag} px", (across + down) / (2 * variance + _TINY)
            if lag == LAGS_PX[0]:
                yield "direction", np.abs(across - down) / (variance + _TINY)

    def _neighbours(self, shift: int) -> Values:
        """Give the mean product of pixels that lie so far apart."""
        ahead, behind = (..., slice(shift, None)), (..., slice(None, -shift))
        total = np.vecdot(self.from_mean[ahead], self.from_mean[behind])
        return _divide(total, np.vecdot(self.weights[ahead], self.weights[behind]))

    def _gradient(self) -> Values:
        """Give the mean step between neighbours, whichever its sign."""
        totals, counts = [], []
        for shift in (self.row, 1):
            ahead, behind = (..., slice(shift, None)), (..., slice(None, -shift))
            both = self.weights[ahead] * self.weights[behind]
            step = self.from_mean[ahead] - self.from_mean[behind]
            np.abs(step, out=step)
            totals.append(np.vecdot(step, both))
            counts.append(both.sum(axis=-1))
        return _divide(totals[0] + totals[1], counts[0] + counts[1])

    def _correlations(self, n_bands: int) -> Values:
        """Give the correlation of each pair of bands over the pixels: (site, pair)."""
        flat, there = self.from_mean[:, :n_bands], self.weights[:, :n_bands]
        # Squares of one band over the pixels that the other knows too.
        squares = np.square(flat) @ there.swapaxes(1, 2)
        scale = np.sqrt(squares * squares.swapaxes(1, 2))
        first, second = np.triu_indices(n_bands, 1)
        counted = np.broadcast_to(there @ there.swapaxes(1, 2), scale.shape)[:, first, second] > 1
        products = (flat @ flat.swapaxes(1, 2))[:, first, second]
        ratio = products / (scale[:, first, second] + _TINY)
        return np.where(counted, ratio, np.float32(np.nan)).astype(np.float32)

    def _quantiles(self, counts: Counts) -> Statistics:
        """Give what needs the pixels in order, of all of the patch and of its middle."""
        n_sites, n_layers, height, width = self.layers.shape
        whole = _quantiles(self.layers.reshape(n_sites, n_layers, -1), counts[..., 0], QUANTILES)
        for percent, values in zip(QUANTILES, whole, strict=True):
            yield f"p{percent}", values
        yield "p90 - p10", whole[5] - whole[1]
        yield "p98 - p50", whole[6] - whole[3]
        yield "p50 - p2", whole[3] - whole[0]
        rows, columns = _inner(height, 4), _inner(width, 4)
        middle = np.ascontiguousarray(self.layers[..., rows, columns])
        flat = middle.reshape(n_sites, n_layers, -1)
        centre = _quantiles(flat, counts[..., 1], CENTRE_QUANTILES)
        for percent, values in zip(CENTRE_QUANTILES, centre, strict=True):
            yield f"centre p{percent}", values

    def _grains(self, squares: Values) -> Iterator[tuple[int, Values]]:
        """Give the mean standard deviation within the windows of 3 and of 9 px in the patch.

        Windows of which fewer than half of the pixels are known are left out.
        """
        width, step = self.layers.shape[3], 1
        total, square, count = self.from_mean, squares, self.weights
        kept, spread = (
            [np.empty_like(part) for part in (total, square, count)],
            np.empty_like(total),
        )
        for size in GRAIN_PX:
            total, square, count = (
                _sum_three(_sum_three(part, step, scratch), step * self.row, out)
                for part, scratch, out in zip(
                    (total, square, count),
                    (spread, spread, np.empty_like(count)),
                    kept,
                    strict=True,
                )
            )
            share = np.divide(1, count, out=np.zeros_like(count), where=count > 0)
            deviation = spread[..., : count.shape[-1]]
            np.multiply(total, share, out=deviation)
            np.square(deviation, out=deviation)
            np.subtract(square * share, deviation, out=deviation)
            np.sqrt(np.maximum(deviation, 0, out=deviation), out=deviation)
            inside = np.arange(count.shape[-1]) % self.row <= width - size
            counted = ((count * 2 >= size * size) & inside).astype(np.float32)
            yield size, _divide(np.vecdot(deviation, counted), counted.sum(axis=-1))
            step *= 3


@lru_cache(maxsize=8)
def _masks(height: int, width: int) -> Values:
    """Mark all of the patch, its middle of half the side, and that of a quarter: (n, 3)."""
    masks = np.zeros((height, width + LAGS_PX[-1], 3), dtype=np.float32)
    masks[:, :width, 0] = 1
    for place, share in ((1, 4), (2, 8)):
        masks[_inner(height, share), _inner(width, share), place] = 1
    flat = masks.reshape(-1, 3)
    flat.flags.writeable = False
    return flat


def _inner(side: int, share: int) -> slice:
    """Cut the middle out: a half of the side for a share of 4, a quarter for 8."""
    start = side // 4 if share == 4 else side * 3 // 8
    return slice(start, side - start)


def _divide(total: Values, count: Counts) -> Values:
    """Divide; NaN where nothing was counted."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient: Values = total / count
    return quotient


def _quantiles(flat: Values, count: Counts, percents: Sequence[int]) -> list[Values]:
    """Give quantiles along the last axis, linear between pixels, of the `count` that are known."""
    ordered = np.sort(flat, axis=-1)  # NaN comes last
    last = np.maximum(count.astype(np.int64) - 1, 0)[..., None]
    place = last * (np.array(percents, dtype=np.float32) / np.float32(100))
    low = np.floor(place).astype(np.int64)
    below = np.take_along_axis(ordered, low, axis=-1)
    above = np.take_along_axis(ordered, np.minimum(low + 1, last), axis=-1)
    found = (below + (above - below) * (place - low)).astype(np.float32)
    return list(np.moveaxis(found, -1, 0))


def _sum_three(values: Values, shift: int, out: Values) -> Values:
    """Add three neighbours that lie `shift` apart, into the front of `out`."""
    summed = out[..., : values.shape[-1] - 2 * shift]
    np.add(values[..., : -2 * shift], values[..., shift:-shift], out=summed)
    summed += values[..., 2 * shift :]
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
