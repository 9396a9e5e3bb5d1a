"""Statistics of windows from sums over the tile: what trees ask about, for all windows at once.

Means, spreads, products of neighbours, steps between neighbours, correlations and grain are sums
over a window of something that each pixel, or each pair of neighbours, gives by itself. It is
computed once for the tile, and summed over all windows: first down the rows of every row of
windows, then across the columns of every column. Numbers are float64, counted from the
layer's own mean, so that nothing is lost when windows are brought to their own mean afterwards.

Quantiles cannot be shared so: the pixels of each window are sorted, of all layers, which are
themselves made once. A window of which a pixel is missing, or an index has no value, is none of
ours: it is measured by itself, as a patch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from minewatch.bands import spectral_indices
from minewatch.model._features import (
    CENTRE_QUANTILES,
    GRAIN_PX,
    INDEX_BOUND,
    LAGS_PX,
    QUANTILES,
)
from minewatch.scan._tile import PixelWindows, Values, cut_windows
from minewatch.scan._tree_statistics_spread import local_spread
from minewatch.types import FloatArray, IntArray

ROUNDING: Final = 2.0**-24
"""Half of the step from 1 to the next float32."""
_TINY: Final = 1e-9
_LEAST: Final = 1e-12
"""Spread that is none, whatever it is measured with; a layer of noughts has no other."""
_SORTED_AT_ONCE: Final = 64
_OF_ALL: Final = 8 * ROUNDING * 10
"""Share of a sum of squares by which it may be wrong in float32: some ten times what is seen."""


@dataclass(frozen=True, eq=False)
class Measured:
    """One statistic of one layer in all windows."""

    numbers: FloatArray
    """(window,)."""
    error: FloatArray
    """(window,) by how much the detector's own number, in float32, may differ from it."""


Found = Iterator[tuple[str, Measured]]


@dataclass(frozen=True, eq=False)
class _Boxes:
    """Sums over boxes that lie alike in all windows."""

    windows: PixelWindows
    height: int
    width: int
    rows: IntArray
    columns: IntArray
    at: tuple[IntArray, IntArray]

    @classmethod
    def of(cls, windows: PixelWindows, height: int, width: int) -> "_Boxes":
        rows, row = np.unique(windows.rows, return_inverse=True)
        columns, column = np.unique(windows.columns, return_inverse=True)
        return cls(windows, height, width, rows, columns, (row, column))

    def mean(self, values: FloatArray, top: tuple[int, int], left: tuple[int, int]) -> FloatArray:
        """Give the mean over a box of every window: (window,).

        Parameters
        ----------
        values
            (y, x), as large as the tile, or less at its end.
        top, left
            First row and number of rows of the box within a window; column and columns.
        """
        return self.mean_across(self.sum_rows(values, top), top, left)

    def sum_rows(self, values: FloatArray, top: tuple[int, int]) -> FloatArray:
        """Sum over the rows of a box alone: (row of windows, x)."""
        return _sum_rows(values, self.rows + top[0], top[1])

    def mean_across(
        self, summed: FloatArray, top: tuple[int, int], left: tuple[int, int]
    ) -> FloatArray:
        """Give the mean over a box whose rows were summed: (window,)."""
        whole = _sum_rows(summed.T, self.columns + left[0], left[1]).T
        box: FloatArray = whole[self.at] / (top[1] * left[1])
        return box


def _sum_rows(values: FloatArray, starts: IntArray, length: int) -> FloatArray:
    """Sum `length` rows from each start on: (start, x)."""
    return np.stack([values[start : start + length].sum(axis=0) for start in starts])


def make_layers(prepared: Values, bands: Sequence[str]) -> tuple[Values, tuple[str, ...]]:
    """Put the indices behind the bands of a tile: (layer, y, x), and the layers' names."""
    indices = spectral_indices(prepared, bands, band_axis=0)
    layers = np.empty((len(bands) + len(indices), *prepared.shape[1:]), dtype=np.float32)
    layers[: len(bands)] = prepared
    for place, index in enumerate(indices.values(), len(bands)):
        np.clip(index, -INDEX_BOUND, INDEX_BOUND, out=layers[place])
    return layers, (*bands, *indices)


def measure_windows(
    layers: Values,
    names: Sequence[str],
    n_bands: int,
    windows: PixelWindows,
    wanted: frozenset[str],
) -> dict[str, Measured]:
    """Measure windows in which nothing is missing.

    Parameters
    ----------
    layers
        (layer, y, x), as `make_layers` gives them; what windows see of them is finite.
    names
        The layers' names.
    n_bands
        How many of them are bands: they come first.
    windows
        The windows.
    wanted
        Names of statistics, as `patch_statistics` gives them: ``"B04 p90"``. Others are not
        measured.

    Returns
    -------
    dict
        For each statistic wanted that is known here. The others are left out.
    """
    boxes = _Boxes.of(windows, *layers.shape[1:])
    found: dict[str, Measured] = {}
    for layer, name in zip(layers, names, strict=True):
        asked = {one.removeprefix(f"{name} ") for one in wanted if one.startswith(f"{name} ")}
        if asked:
            for statistic, measured in _Layer.of(layer, boxes).measure(asked):
                found[f"{name} {statistic}"] = measured
    found |= dict(_correlations(layers[:n_bands], names[:n_bands], boxes, wanted))
    return {name: measured for name, measured in found.items() if name in wanted}


@dataclass(frozen=True, eq=False)
class _Layer:
    """One layer, counted from its own mean, and the first two moments of its windows."""

    layer: Values
    offset: float
    values: FloatArray
    """(y, x) float64, nought where nothing is known."""
    squares: FloatArray
    own_error: float
    """By how much a mean of squares may be wrong here, counted from an offset as it is."""
    boxes: _Boxes
    row_sums: FloatArray
    """(row of windows, x): sums of `values` over the rows of windows."""
    mean: FloatArray
    """(window,) from the offset."""
    variance: FloatArray

    @classmethod
    def of(cls, layer: Values, boxes: _Boxes) -> "_Layer":
        offset, values = centred(layer)
        squares = np.square(values)
        side = (0, boxes.windows.size_px)
        row_sums = boxes.sum_rows(values, side)
        mean = boxes.mean_across(row_sums, side, side)
        variance = np.maximum(boxes.mean(squares, side, side) - np.square(mean), 0.0)
        own_error = 1e-14 * float(squares.max())
        return cls(layer, offset, values, squares, own_error, boxes, row_sums, mean, variance)

    def measure(self, asked: set[str]) -> Found:
        """Give the statistics asked for, and some that come with them."""
        deviation, error = np.sqrt(self.variance), self.mean_error
        wrong = _OF_ALL * self.variance + np.square(error) + self.own_error
        yield "mean", Measured(self.mean + self.offset, error)
        yield "std", Measured(deviation, _root_error(wrong, deviation))
        for name, share in (("centre", 4), ("core", 8)):
            if any(one.startswith(name) for one in asked):
                yield from self._middle(name, share, error)
        if any(one.startswith(("neighbours", "direction")) for one in asked):
            yield from self._neighbours()
        if "gradient" in asked:
            yield from self._gradient()
        if any(one.startswith("grain") for one in asked):
            yield from self._grains()
        if any(one[0] == "p" or one.startswith("centre p") for one in asked):
            yield from self._quantiles()

    @property
    def mean_error(self) -> FloatArray:
        """(window,) by how much a mean in float32 may be wrong."""
        absolute = np.abs(self.mean + self.offset)
        return np.asarray(20 * ROUNDING * (absolute + np.sqrt(self.variance)))

    @property
    def ratio_error(self) -> FloatArray:
        """(window,) by how much a mean product may be wrong, as a share of the variance."""
        wrong = self.variance_error + self.mean_error * np.sqrt(self.variance) / 2
        return np.asarray(wrong / (self.variance + _TINY))

    @property
    def variance_error(self) -> FloatArray:
        """(window,) by how much a variance may be wrong."""
        return np.asarray(
            2 * _OF_ALL * self.variance + 8 * np.square(self.mean_error) + self.own_error
        )

    def _middle(self, name: str, share: int, error: FloatArray) -> Found:
        box = _inner(self.boxes.windows.size_px, share)
        mean = self.boxes.mean(self.values, box, box)
        square = self.boxes.mean(self.squares, box, box)
        difference = mean - self.mean
        about_mean = np.maximum(square - 2 * self.mean * mean + np.square(self.mean), 0.0)
        spread = np.sqrt(np.maximum(square - np.square(mean), 0.0))
        wrong = _OF_ALL * about_mean + np.square(error) + self.own_error
        yield name, Measured(mean + self.offset, error)
        yield f"{name} - whole", Measured(difference, error)
        yield f"{name} std", Measured(spread, _root_error(wrong, spread))

    def _neighbours(self) -> Found:
        for lag in LAGS_PX:
            across, down = (self._product(lag, axis) for axis in (1, 0))
            both = (across + down) / (2 * self.variance + _TINY)
            yield f"neighbours {lag} px", Measured(both, self.ratio_error)
            if lag == LAGS_PX[0]:
                difference = np.abs(across - down) / (self.variance + _TINY)
                yield "direction", Measured(difference, 2 * self.ratio_error)

    def _product(self, lag: int, axis: int) -> FloatArray:
        """Give the mean product, about the mean, of pixels that lie `lag` apart."""
        size = self.boxes.windows.size_px
        ahead, behind = _shifted(self.values, lag, axis)
        box = [(0, size - lag) if along == axis else (0, size) for along in (0, 1)]
        product = self.boxes.mean(ahead * behind, box[0], box[1])
        # The sum of both pixels of all pairs is that of all pixels twice, but for the two edges.
        lost = np.zeros(len(self.mean))
        for edge in ((0, lag), (size - lag, lag)):
            if axis:
                lost += self.boxes.mean_across(self.row_sums, (0, size), edge)
            else:
                lost += self.boxes.mean(self.values, edge, (0, size))
        both = (2 * size * self.mean - lag * lost) / (size - lag)
        return np.asarray(product - self.mean * both + np.square(self.mean))

    def _gradient(self) -> Found:
        size = self.boxes.windows.size_px
        total = np.zeros(len(self.mean))
        for axis in (0, 1):
            ahead, behind = _shifted(self.values, 1, axis)
            boxes = [(0, size - 1) if along == axis else (0, size) for along in (0, 1)]
            total += self.boxes.mean(np.abs(ahead - behind), boxes[0], boxes[1]) / 2
        # Each step is the difference of two numbers rounded to their own size.
        error = _OF_ALL * total + 2 * ROUNDING * np.sqrt(self.variance)
        yield "gradient", Measured(total, error)

    def _grains(self) -> Found:
        """Give the mean local spread; where ground is flat, that of float32 is its rounding alone.

        A variance wrong by e makes a spread s wrong by less than e / 2s, and by less than √e.
        """
        for size, share in zip(GRAIN_PX, (12 * ROUNDING, 20 * ROUNDING), strict=True):
            wrong = share * self.variance + np.square(self.mean_error) * ROUNDING + self.own_error
            least = max(float(np.sqrt(np.median(wrong))) / 2, _LEAST)
            spread, steepness, flat = local_spread(self.values, size, least)
            box = (0, self.boxes.windows.size_px - size + 1)
            mean = self.boxes.mean(spread, box, box)
            error = np.sqrt(self.boxes.mean(flat, box, box) * wrong)
            error += wrong * self.boxes.mean(steepness, box, box)
            yield f"grain {size} px", Measured(mean, error + 20 * ROUNDING * mean)

    def _quantiles(self) -> Found:
        windows = self.boxes.windows
        start, side = _inner(windows.size_px, 4)
        middle = PixelWindows(windows.rows + start, windows.columns + start, side)
        whole = dict(_ordered(self.layer, windows, QUANTILES))
        for percent, measured in whole.items():
            yield f"p{percent}", measured
        for high, low in ((90, 10), (98, 50), (50, 2)):
            difference = whole[high].numbers - whole[low].numbers
            error = whole[high].error + whole[low].error
            yield f"p{high} - p{low}", Measured(difference, error)
        for percent, measured in _ordered(self.layer, middle, CENTRE_QUANTILES):
            yield f"centre p{percent}", measured


def centred(layer: Values) -> tuple[float, FloatArray]:
    """Give the mean of a layer, and the layer counted from it: nought where nothing is known."""
    known = np.isfinite(layer)
    values = layer.astype(np.float64)
    if known.all():
        offset = float(values.mean())
        return offset, values - offset
    offset = float(values[known].mean()) if known.any() else 0.0
    return offset, np.where(known, values - offset, 0.0)


def _root_error(error: FloatArray, root: FloatArray) -> FloatArray:
    """Give by how much a root may be wrong if what it is taken of is."""
    by_root = np.minimum(np.sqrt(error), error / (2 * np.maximum(root, 1e-12)))
    return np.asarray(by_root + 4 * ROUNDING * root)


def _inner(size_px: int, share: int) -> tuple[int, int]:
    """Give start and length of a window's middle: a half of the side for 4, a quarter for 8."""
    start = size_px // 4 if share == 4 else size_px * 3 // 8
    return start, size_px - 2 * start


def _shifted(values: FloatArray, lag: int, axis: int) -> tuple[FloatArray, FloatArray]:
    if axis:
        return values[:, lag:], values[:, :-lag]
    return values[lag:], values[:-lag]


def _ordered(
    layer: Values, windows: PixelWindows, percents: Sequence[int]
) -> Iterator[tuple[int, Measured]]:
    """Give quantiles of each window, linear between pixels."""
    last = windows.size_px**2 - 1
    place = last * (np.array(percents, dtype=np.float32) / np.float32(100)).astype(np.float64)
    low = np.floor(place).astype(np.int64)
    below, above = (np.empty((len(windows), len(percents)), np.float32) for _ in range(2))
    start = 0
    for part in windows.parts(_SORTED_AT_ONCE):
        flat = cut_windows(layer[None], part).reshape(len(part), -1)
        flat.sort(axis=1)
        rows = slice(start, start + len(part))
        below[rows], above[rows] = flat[:, low], flat[:, np.minimum(low + 1, last)]
        start += len(part)
    step = (above - below).astype(np.float64)
    values = below + step * (place - low)
    error = 3 * ROUNDING * (last * step + np.abs(values))
    for i, percent in enumerate(percents):
        yield percent, Measured(values[:, i], error[:, i])


def _correlations(
    bands: Values, names: Sequence[str], boxes: _Boxes, wanted: frozenset[str]
) -> Found:
    """Give the correlations of pairs of bands that are wanted."""
    pairs = [pair for pair in combinations(range(len(names)), 2) if _pair(names, pair) in wanted]
    if not pairs:
        return
    used = sorted({band for pair in pairs for band in pair})
    layers = {band: _Layer.of(bands[band], boxes) for band in used}
    side = (0, boxes.windows.size_px)
    for pair in pairs:
        a, b = (layers[band] for band in pair)
        product = boxes.mean(a.values * b.values, side, side) - a.mean * b.mean
        yield _pair(names, pair), _correlation(a, b, product)


def _correlation(a: _Layer, b: _Layer, product: FloatArray) -> Measured:
    """Give the correlation of two layers from their mean product about the means.

    It lies between the least and the largest product over the largest and the least scale: of a
    layer that is flat, nothing but rounding may be left, and then the ratio may be any.
    """
    tiny = _TINY / a.boxes.windows.size_px**2
    scale = np.sqrt(a.variance * b.variance)
    least, most = (
        np.sqrt(np.maximum(a.variance + sign * a.variance_error, 0.0))
        * np.sqrt(np.maximum(b.variance + sign * b.variance_error, 0.0))
        for sign in (-1, 1)
    )
    wrong = 2 * _OF_ALL * most + np.sqrt(a.own_error * b.own_error)
    wrong += 4 * a.mean_error * b.mean_error
    wrong += (a.mean_error * np.sqrt(b.variance) + b.mean_error * np.sqrt(a.variance)) / 2
    farthest = (np.abs(product) + wrong) / (least + tiny)
    nearest = (np.abs(product) - wrong) / (most + tiny)
    return Measured(product / (scale + tiny), farthest - nearest)


def _pair(names: Sequence[str], pair: tuple[int, int]) -> str:
    return f"{names[pair[0]]}~{names[pair[1]]}"
