"""Where the pixels of a place lie in a file, and how they are taken from it.

Nothing here reads. In a place's own UTM zone, rows and columns are found by arithmetic alone, and
on the patch grid every pixel of a 20 m or 60 m band is an exact repeat, and a pixel that is made of
whole finer ones is their mean. In another zone the centre of every pixel is projected, without
approximation, and the pixel of the file that it falls into is taken.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from minewatch.bands import NO_DATA
from minewatch.errors import InputError
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

_EDGE: Final = 1e-6
"""Share of a pixel by which a centre may miss an edge because of rounding."""


class RasterGrid(NamedTuple):  # hashed for every window that is read: tuples are quick at it
    """The grid of a file: north up, square pixels."""

    epsg: int
    """CRS."""
    left: float
    """Easting of the outer edge of the first column, metres."""
    top: float
    """Northing of the outer edge of the first row, metres."""
    pixel_m: float
    """Ground size of a pixel, metres."""
    shape: tuple[int, int]
    """Rows, columns."""


class Window(NamedTuple):
    """A rectangle of a file's pixels; it may reach beyond the file."""

    row: int
    column: int
    height: int
    width: int

    def touches(self, shape: tuple[int, int]) -> bool:
        """Whether any of it lies in a file of that many rows and columns."""
        rows, columns = shape
        return (
            self.row < rows
            and self.column < columns
            and self.row + self.height > 0
            and self.column + self.width > 0
        )

    def grown(self, margin_px: int) -> "Window":
        """Give it with so many more pixels on every side."""
        return Window(
            self.row - margin_px,
            self.column - margin_px,
            self.height + 2 * margin_px,
            self.width + 2 * margin_px,
        )


@dataclass(frozen=True)
class Sampling:
    """How a place's pixels are taken from one window of a file."""

    window: Window
    """What has to be read."""
    repeat: int
    """How often each pixel is repeated along both axes, where that is all; else 0."""
    rows: AnyArray
    """Row of each pixel in the window, (y,) or (y, x): a whole number, or, to interpolate, where
    its centre lies, in pixels from the window's outer edge."""
    columns: AnyArray
    """Column likewise: (x,) or (y, x)."""
    bilinear: bool
    """Whether pixels are interpolated."""
    mean: int = 1
    """How many of the window's pixels, along both axes, each pixel is the mean of."""

    def put(self, native: AnyArray, onto: AnyArray, mask: BoolArray | None) -> None:
        """Write the place's pixels where a mask allows, from those of the window.

        Parameters
        ----------
        native
            Of the window, as in `take`.
        onto
            Of the place, (y, x), C order: written to.
        mask
            (y, x), C order: where; None for everywhere.
        """
        if mask is not None:
            np.copyto(onto, self.take(native), where=mask)
        elif self.repeat > 1:
            height, width = native.shape
            rows = native.repeat(self.repeat, axis=1)[:, None]
            onto.reshape(height, self.repeat, width * self.repeat)[...] = rows
        else:
            onto[...] = self.take(native)

    def take(self, native: AnyArray) -> AnyArray:
        """Give the place's pixels (y, x) from those of the window.

        Parameters
        ----------
        native
            Of the window, whole. To interpolate, or for a mean: uint16 with 0 = no data, which
            counts for nothing; or bool, which is true where all that lie in a pixel are.
        """
        if self.mean > 1:
            return _average(native, self.mean)
        if self.repeat == 1:
            return native
        if self.repeat:
            return native.repeat(self.repeat, axis=0).repeat(self.repeat, axis=1)
        if self.bilinear:
            return _interpolate(native, self.rows, self.columns)
        if self.rows.ndim == 2:
            return native[self.rows, self.columns]
        return native[self.rows[:, None], self.columns[None, :]]


def plan_sampling(geobox: GeoBox, grid: RasterGrid, *, bilinear: bool = False) -> Sampling:
    """Find the window of a file that a place needs, and where in it each pixel's centre lies.

    Parameters
    ----------
    geobox
        The place.
    grid
        The file's.
    bilinear
        Interpolate where the file's pixels are coarser than the place's; else the pixel that a
        centre falls into is taken. Where a pixel of the place is made of whole finer ones, it is
        their mean in any case: their centres lie around its own, and none of them on it.
    """
    rows, columns = _positions(geobox, grid)
    step_m = abs(geobox.transform.a)
    mean = _whole_times(rows, columns, step_m / grid.pixel_m)
    if mean > 1:
        row, column = (round(float(at[0]) - mean / 2) for at in (rows, columns))
        window = Window(row, column, len(rows) * mean, len(columns) * mean)
        return Sampling(window, 0, rows, columns, bilinear=False, mean=mean)
    interpolated = bilinear and grid.pixel_m > step_m * (1 + _EDGE)
    reach = 1 if interpolated else 0
    row, height = _span(rows, reach)
    column, width = _span(columns, reach)
    window = Window(row, column, height, width)
    if interpolated:
        return Sampling(window, 0, rows - row, columns - column, bilinear=True)
    whole_rows, whole_columns = _floor(rows) - row, _floor(columns) - column
    repeat = _repeat(whole_rows, whole_columns, window)
    return Sampling(window, repeat, whole_rows, whole_columns, bilinear=False)


def is_own_zone(geobox: GeoBox, epsg: int) -> bool:
    """Whether a place lies in the CRS of a file, so that it is read without being warped."""
    return geobox.crs is not None and geobox.crs.epsg == epsg


def _positions(geobox: GeoBox, grid: RasterGrid) -> tuple[FloatArray, FloatArray]:
    """Give row and column of the pixels' centres in the file, in pixels from its outer edge."""
    transform = geobox.transform
    height, width = geobox.shape.yx
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    if is_own_zone(geobox, grid.epsg) and transform.b == 0 and transform.d == 0:
        eastings, northings = transform.c + transform.a * x, transform.f + transform.e * y
    else:
        along_x, along_y = np.meshgrid(x, y)
        eastings, northings = _to_file(geobox, grid.epsg).transform(
            transform.a * along_x + transform.b * along_y + transform.c,
            transform.d * along_x + transform.e * along_y + transform.f,
        )
        if not (np.isfinite(eastings).all() and np.isfinite(northings).all()):
            raise InputError(f"a place reaches beyond where EPSG:{grid.epsg} is defined")
    rows = (grid.top - np.asarray(northings, np.float64)) / grid.pixel_m
    columns = (np.asarray(eastings, np.float64) - grid.left) / grid.pixel_m
    return rows, columns


def _to_file(geobox: GeoBox, epsg: int) -> Transformer:
    if geobox.crs is None:
        raise InputError("the place has no CRS; give a GeoBox that has one")
    return _transformer(geobox.crs.to_wkt(), epsg)


@lru_cache(maxsize=64)
def _transformer(wkt: str, epsg: int) -> Transformer:
    return Transformer.from_crs(wkt, f"EPSG:{epsg}", always_xy=True)


def _span(positions: FloatArray, reach: int) -> tuple[int, int]:
    first, last = _floor(positions.min()), _floor(positions.max())
    return int(first) - reach, int(last - first) + 1 + 2 * reach


def _floor(positions: npt.ArrayLike) -> IntArray:
    return np.floor(np.asarray(positions) + _EDGE).astype(np.int64)


def _whole_times(rows: FloatArray, columns: FloatArray, times: float) -> int:
    """Tell how many of a file's pixels make up one of the place along an axis; 1 if none do."""
    whole = round(times)
    if rows.ndim == 2 or whole < 2 or abs(times - whole) > _EDGE:
        return 1
    edges = np.array([rows[0], columns[0]]) - whole / 2
    return whole if np.all(np.abs(edges - np.rint(edges)) <= _EDGE) else 1


def _average(native: AnyArray, times: int) -> AnyArray:
    """Take the mean of squares of pixels, of those with data, rounded half up; of truths, all."""
    height, width = native.shape
    squares = native.reshape(height // times, times, width // times, times)
    if native.dtype == np.bool_:
        return np.asarray(squares.all(axis=(1, 3)))
    known = np.count_nonzero(squares != NO_DATA, axis=(1, 3))
    total = squares.sum(axis=(1, 3), dtype=np.int64)
    half = np.maximum(known, 1) // 2
    return np.asarray((total + half) // np.maximum(known, 1), dtype=native.dtype)


def _repeat(rows: IntArray, columns: IntArray, window: Window) -> int:
    """Tell how often each pixel is repeated, if the place is nothing but repeats; else 0."""
    if rows.ndim == 2 or len(rows) % window.height or len(columns) % window.width:
        return 0
    times = len(rows) // window.height
    for positions, count in ((rows, window.height), (columns, window.width)):
        if not np.array_equal(positions, np.arange(count).repeat(times)):
            return 0
    return times


def _interpolate(
    numbers: npt.NDArray[np.uint16], rows: FloatArray, columns: FloatArray
) -> npt.NDArray[np.uint16]:
    """Interpolate between the four nearest pixels, leaving out those without data.

    The weights of those that have data are scaled to sum to one; where the pixel that a centre
    falls into has none, the result has none. Rounded half up.
    """
    if rows.ndim == 1:
        rows, columns = np.meshgrid(rows, columns, indexing="ij")
    up, left = np.floor(rows - 0.5).astype(np.int64), np.floor(columns - 0.5).astype(np.int64)
    down_share, right_share = rows - 0.5 - up, columns - 0.5 - left
    total, weights = np.zeros(rows.shape), np.zeros(rows.shape)
    for down in (0, 1):
        for right in (0, 1):
            found = numbers[up + down, left + right]
            weight = (down_share if down else 1 - down_share) * (
                right_share if right else 1 - right_share
            )
            weight = np.where(found == NO_DATA, 0.0, weight)
            total += weight * found
            weights += weight
    nearest = numbers[_floor(rows), _floor(columns)]
    known = nearest != NO_DATA
    result = np.zeros(rows.shape, dtype=np.uint16)
    result[known] = np.floor(total[known] / weights[known] + 0.5)
    return result
