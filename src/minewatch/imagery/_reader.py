"""What reads the files of scenes: rectangles of raw numbers, nothing more."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np

from minewatch.imagery._items import BandAsset
from minewatch.imagery._sampling import RasterGrid, Window
from minewatch.types import AnyArray


class ReadError(Exception):
    """A file could not be read; the message names it and says why, in one line."""


class UnreadableError(ReadError):
    """A file is laid out in a way that this reader does not know."""


class OpenRaster(Protocol):
    """A file that is open."""

    @property
    def grid(self) -> RasterGrid:
        """Where its pixels lie."""
        ...

    def read(self, windows: Sequence[Window]) -> list[AnyArray]:
        """Read rectangles of its pixels.

        Parameters
        ----------
        windows
            Any rectangles; parts beyond the file come as 0.

        Returns
        -------
        list of ndarray
            For each window its numbers (row, column) as in the file, uint8 or uint16, 0 = no data.

        Raises
        ------
        ReadError
            If it cannot be read, after every retry.
        """
        ...

    def read_smallest(self) -> AnyArray:
        """Read its coarsest overview, or the whole file if it has none."""
        ...


class Reader(Protocol):
    """Whatever opens files of scenes. It is used by several threads at once."""

    def open(self, asset: BandAsset) -> AbstractContextManager[OpenRaster]:
        """Open a file.

        Raises
        ------
        ReadError
            If it cannot be opened, after every retry.
        """
        ...

    def close(self) -> None:
        """End what is under way and give connections back."""
        ...


@dataclass(frozen=True)
class Blocks:
    """How a file's pixels are cut into blocks, each read as a whole."""

    shape: tuple[int, int]
    """Rows and columns of the file."""
    block: tuple[int, int]
    """Rows and columns of a block; the last ones may reach beyond the file."""

    @property
    def across(self) -> int:
        """Blocks beside each other."""
        return -(-self.shape[1] // self.block[1])

    def needed(self, windows: Iterable[Window]) -> list[int]:
        """Give the numbers, row by row, of the blocks that windows touch, each once, in order."""
        found: set[int] = set()
        for window in windows:
            rows, columns = self._range(window, 0), self._range(window, 1)
            found.update(row * self.across + column for row in rows for column in columns)
        return sorted(found)

    def _range(self, window: Window, axis: int) -> range:
        start = (window.row, window.column)[axis]
        stop = min(start + (window.height, window.width)[axis], self.shape[axis])
        start = max(start, 0)
        if stop <= start:
            return range(0)
        size = self.block[axis]
        return range(start // size, (stop - 1) // size + 1)

    def cut(
        self, windows: Sequence[Window], found: Mapping[int, AnyArray], dtype: np.dtype
    ) -> list[AnyArray]:
        """Cut windows out of blocks; what lies beyond the file is 0."""
        return [self._cut(window, found, dtype) for window in windows]

    def _cut(self, window: Window, found: Mapping[int, AnyArray], dtype: np.dtype) -> AnyArray:
        rows, columns = self._range(window, 0), self._range(window, 1)
        height, width = self.block
        if len(rows) == len(columns) == 1:
            up, left = window.row - rows[0] * height, window.column - columns[0] * width
            block = found[rows[0] * self.across + columns[0]]
            part = block[max(up, 0) : up + window.height, max(left, 0) : left + window.width]
            if part.shape == (window.height, window.width):
                return part
        result = np.zeros((window.height, window.width), dtype=dtype)
        for row in rows:
            for column in columns:
                block = found[row * self.across + column]
                _paste(block, row * height - window.row, column * width - window.column, result)
        return result


def _paste(block: AnyArray, row: int, column: int, onto: AnyArray) -> None:
    """Put a block whose upper left pixel belongs at (row, column) where it overlaps an array."""
    top, left = max(row, 0), max(column, 0)
    bottom = min(row + block.shape[0], onto.shape[0])
    right = min(column + block.shape[1], onto.shape[1])
    onto[top:bottom, left:right] = block[top - row : bottom - row, left - column : right - column]


def local_path(href: str) -> Path | None:
    """Give the path of a file on this machine; None if it is on a server."""
    scheme, _, rest = href.partition("://")
    if not rest:
        return Path(href)
    return Path(url2pathname(urlsplit(href).path)) if scheme == "file" else None
