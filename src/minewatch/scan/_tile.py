"""A tile's pixels and the windows in it, as values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PixelWindows:
    """Square windows in a tile."""

    rows: IntArray
    """(window,) first row of pixels."""
    columns: IntArray
    """(window,) first column of pixels."""
    size_px: int
    """Pixels along a side."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: slice | AnyArray) -> "PixelWindows":
        return PixelWindows(self.rows[chosen], self.columns[chosen], self.size_px)

    @property
    def extent(self) -> tuple[slice, slice]:
        """Rows and columns of pixels that the windows cover together."""
        return tuple(
            slice(int(starts.min()), int(starts.max()) + self.size_px)
            for starts in (self.rows, self.columns)
        )  # type: ignore[return-value]  # two

    def count(self, marked: BoolArray) -> IntArray:
        """Count the marked pixels (y, x) of the tile in each window."""
        if not marked.any():
            return np.zeros(len(self), dtype=np.int64)
        running = np.zeros((marked.shape[0] + 1, marked.shape[1] + 1), dtype=np.int64)
        running[1:, 1:] = marked.cumsum(axis=0).cumsum(axis=1)
        top, left, size = self.rows, self.columns, self.size_px
        return np.asarray(
            running[top + size, left + size]
            - running[top, left + size]
            - running[top + size, left]
            + running[top, left]
        )

    def parts(self, n_windows: int) -> Iterator["PixelWindows"]:
        """Give some windows at a time, in order."""
        for start in range(0, len(self), n_windows):
            yield self[start : start + n_windows]

    def by_block(self, step_px: int, block_px: int) -> Iterator[IntArray]:
        """Group windows that lie near one another and on one grid: places of each group.

        Parameters
        ----------
        step_px
            Rows and columns of a group differ by multiples of this.
        block_px
            About how many pixels the windows of a group cover along a side.
        """
        if not len(self):
            return
        block = max(step_px, (block_px - self.size_px) // step_px * step_px)
        keys = []
        for starts in (self.rows, self.columns):
            offset = starts % step_px
            keys += [offset, (starts - offset) // block]
        _, group = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)
        order = np.argsort(group.ravel(), kind="stable")
        yield from np.split(order, np.cumsum(np.bincount(group.ravel()))[:-1])


@dataclass(frozen=True, eq=False)
class PixelTile:
    """A tile in the band order of a detector."""

    reflectance: Values
    """Dims (band, y, x), float32, NaN where nothing is known."""
    attributes: Mapping[str, Any]
    """`level` and `resolution_m`."""

    def cut(self, windows: PixelWindows) -> Values:
        """Cut windows out: (window, band, y, x)."""
        size = windows.size_px
        views = np.lib.stride_tricks.sliding_window_view(
            self.reflectance, (size, size), axis=(1, 2)
        )
        return np.ascontiguousarray(np.moveaxis(views[:, windows.rows, windows.columns], 0, 1))

    def missing_shares(self, windows: PixelWindows) -> FloatArray:
        """Give the share of each window's pixels about which something is not known in any band."""
        unknown = np.isnan(self.reflectance[0])
        for band in self.reflectance[1:]:
            unknown |= np.isnan(band)
        return np.asarray(windows.count(unknown) / np.float64(windows.size_px**2), np.float64)


def cut_windows(pixels: Values, windows: PixelWindows) -> Values:
    """Cut windows out of pixels (band, y, x): (window, band, y, x)."""
    size = windows.size_px
    cut = np.empty((len(windows), len(pixels), size, size), dtype=np.float32)
    for i, (row, column) in enumerate(zip(windows.rows, windows.columns, strict=True)):
        cut[i] = pixels[:, row : row + size, column : column + size]
    return cut
