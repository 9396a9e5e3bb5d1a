"""What reads the files of scenes: rectangles of raw numbers, nothing more."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from minewatch.imagery._items import BandAsset
from minewatch.imagery._sampling import RasterGrid, Window
from minewatch.types import AnyArray

Damage: TypeAlias = Literal["none", "part", "file"]
"""What is known to be gone for good: nothing (asking later may help), what was read, the file."""


SAMPLE_SIDE: Final = 4
"""So many blocks along each axis are a sample of a file."""


class ReadError(Exception):
    """A file could not be read; the message names it and says why, in one line."""

    def __init__(self, message: str, *, damage: Damage = "none") -> None:
        super().__init__(message)
        self.damage = damage


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

    def read_sample(self) -> AnyArray:
        """Read numbers from all over it, (number,), in no order.

        They are those of its coarsest overview, or else of at most 16 of its own blocks.
        """
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


class Blocks(NamedTuple):
    """How a file's pixels are cut into blocks, each read as a whole."""

    shape: tuple[int, int]
    """Rows and columns of the file."""
    block: tuple[int, int]
    """Rows and columns of a block; the last ones may reach beyond the file."""

    @property
    def across(self) -> int:
        """Blocks beside each other."""
        return -(-self.shape[1] // self.block[1])

    def spread(self) -> list[Window]:
        """Give 4 × 4 blocks, evenly spread, or all if there are fewer; cut at the file's end."""
        down = -(-self.shape[0] // self.block[0])
        return [
            Window(
                row * self.block[0],
                column * self.block[1],
                min(self.block[0], self.shape[0] - row * self.block[0]),
                min(self.block[1], self.shape[1] - column * self.block[1]),
            )
            for row in _spread(down)
            for column in _spread(self.across)
        ]

    def needed(self, windows: Iterable[Window]) -> list[int]:
        """Give the numbers, row by row, of the blocks that windows touch, each once, in order."""
        return sorted({piece.block for window in windows for piece in _pieces(self, window)})

    def cut(
        self, windows: Sequence[Window], found: Mapping[int, AnyArray], dtype: np.dtype[Any]
    ) -> list[AnyArray]:
        """Cut windows out of blocks; what lies beyond the file is 0."""
        return [self._cut(window, found, dtype) for window in windows]

    def _cut(self, window: Window, found: Mapping[int, AnyArray], dtype: np.dtype[Any]) -> AnyArray:
        pieces = _pieces(self, window)
        if len(pieces) == 1 and pieces[0].is_whole:
            return found[pieces[0].block][pieces[0].source]
        result = np.zeros((window.height, window.width), dtype=dtype)
        for piece in pieces:
            result[piece.target] = found[piece.block][piece.source]
        return result


def _spread(count: int) -> list[int]:
    least = min(count, SAMPLE_SIDE)
    return [(2 * step + 1) * count // (2 * least) for step in range(least)]


@dataclass(frozen=True)
class _Piece:
    """The part of a window that lies in one block."""

    block: int
    source: tuple[slice, slice]
    """Where in the block."""
    target: tuple[slice, slice]
    """Where in the window."""
    is_whole: bool
    """Whether it is all of the window."""


@lru_cache(maxsize=65_536)  # the same windows are cut out of a place's files of every date
def _pieces(blocks: Blocks, window: Window) -> tuple[_Piece, ...]:
    rows = _overlaps(window.row, window.height, blocks.shape[0], blocks.block[0])
    columns = _overlaps(window.column, window.width, blocks.shape[1], blocks.block[1])
    return tuple(
        _Piece(
            block=row * blocks.across + column,
            source=(in_block_y, in_block_x),
            target=(in_window_y, in_window_x),
            is_whole=in_window_y == slice(0, window.height)
            and in_window_x == slice(0, window.width),
        )
        for row, in_block_y, in_window_y in rows
        for column, in_block_x, in_window_x in columns
    )


def _overlaps(start: int, length: int, size: int, step: int) -> list[tuple[int, slice, slice]]:
    """Cut a span along one axis of a file into blocks: number, where in the block, where in it."""
    first, last = max(start, 0), min(start + length, size)
    found = []
    for number in range(first // step, -(-last // step) if last > first else 0):
        low, high = max(first, number * step), min(last, (number + 1) * step)
        in_block = slice(low - number * step, high - number * step)
        found.append((number, in_block, slice(low - start, high - start)))
    return found
