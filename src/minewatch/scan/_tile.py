"""A tile's pixels and the windows in it, as values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from minewatch.types import AnyArray, FloatArray, IntArray

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Windows:
    """Square windows in a tile."""

    rows: IntArray
    """(window,) first row of pixels."""
    columns: IntArray
    """(window,) first column of pixels."""
    size_px: int
    """Pixels along a side."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: slice | AnyArray) -> "Windows":
        return Windows(self.rows[chosen], self.columns[chosen], self.size_px)

    @property
    def extent(self) -> tuple[slice, slice]:
        """Rows and columns of pixels that the windows cover together."""
        return tuple(
            slice(int(starts.min()), int(starts.max()) + self.size_px)
            for starts in (self.rows, self.columns)
        )  # type: ignore[return-value]  # two

    def by_grid(self, step_px: int) -> Iterator[IntArray]:
        """Group windows whose rows and columns differ by multiples of a step: places of each."""
        offset = self.rows % step_px * step_px + self.columns % step_px
        for value in np.unique(offset):
            yield np.flatnonzero(offset == value)


@dataclass(frozen=True, eq=False)
class Tile:
    """A tile in the band order of a detector."""

    reflectance: Values
    """Dims (band, y, x), float32, NaN where nothing is known."""
    attributes: Mapping[str, Any]
    """`level` and `resolution_m`."""

    def cut(self, windows: Windows) -> Values:
        """Cut windows out: (window, band, y, x)."""
        size = windows.size_px
        views = np.lib.stride_tricks.sliding_window_view(
            self.reflectance, (size, size), axis=(1, 2)
        )
        return np.ascontiguousarray(np.moveaxis(views[:, windows.rows, windows.columns], 0, 1))

    def missing_shares(self, windows: Windows) -> FloatArray:
        """Give the share of each window's pixels about which something is not known in any band."""
        unknown = np.isnan(self.reflectance[0])
        for band in self.reflectance[1:]:
            unknown |= np.isnan(band)
        if not unknown.any():
            return np.zeros(len(windows))
        size = windows.size_px
        running = np.zeros((unknown.shape[0] + 1, unknown.shape[1] + 1), dtype=np.int64)
        running[1:, 1:] = unknown.cumsum(axis=0).cumsum(axis=1)
        top, left = windows.rows, windows.columns
        counts = (
            running[top + size, left + size]
            - running[top, left + size]
            - running[top + size, left]
            + running[top, left]
        )
        return np.asarray(counts / np.float64(size * size), dtype=np.float64)
