"""Which circles come near places: asked of a grid of cells, for very many at once.

Cells stand where the plane has them, whatever lies in them, and what is near a place comes in the
order of its cells, then of the circles: neither what lies far away nor other places change it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from minewatch.context._runs import spans
from minewatch.types import FloatArray, IntArray

_CELLS_ALONG: Final = 8
"""Cells that the distance which is searched is divided into."""
_ROW: Final = 1 << 32
"""What a row of cells counts; more than any row has columns."""
_MOST_PAIRS: Final = 100_000
"""Pairs of a place and a circle that are held at a time, about."""
_MOST_PLACES: Final = 2_048
_ROOM_M: Final = 1e-3
"""So that nothing is lost in rounding, metres."""


@dataclass(frozen=True)
class _Level:
    """Circles of about one size, sorted by cell."""

    cell_m: float
    widest_m: float
    key: IntArray
    """The cell of each: its row times `_ROW`, and its column."""
    before: int
    """Circles in the levels before this."""


@dataclass(frozen=True)
class _Ranges:
    """Circles that follow each other and are near a place."""

    place: IntArray
    first: IntArray
    count: IntArray


class Candidates(NamedTuple):
    """Pairs of a place and a circle that may be near it, sorted by place."""

    places: slice
    """Which places were asked about."""
    place: IntArray
    """Position among those."""
    circle: IntArray


@dataclass(frozen=True)
class Near:
    """Circles in the plane, ready to be searched.

    Attributes
    ----------
    levels
        From small circles in small cells to large ones in large cells.
    circle
        All circles, level by level.
    """

    levels: tuple[_Level, ...]
    circle: IntArray

    @classmethod
    def of(cls, x: FloatArray, y: FloatArray, radius: FloatArray, reach_m: float) -> "Near":
        """Sort circles into cells whose size suits a search to about `reach_m`."""
        smallest = reach_m / _CELLS_ALONG
        size = np.maximum(np.frexp(radius / smallest)[1], 0)
        levels, circles, before = [], [np.empty(0, dtype=np.int64)], 0
        for number in np.unique(size):
            circle = np.flatnonzero(size == number)
            cell_m = smallest * 2.0 ** int(number)
            key = _cell(y[circle], cell_m) * _ROW + _cell(x[circle], cell_m)
            order = np.argsort(key, kind="stable")
            widest_m = float(radius[circle].max())
            levels.append(_Level(cell_m, widest_m, key[order], before))
            circles.append(circle[order])
            before += len(circle)
        return cls(tuple(levels), np.concatenate(circles))

    def search(self, x: FloatArray, y: FloatArray, reach: FloatArray) -> Iterator[Candidates]:
        """Find the circles that may come within reach of places, lot by lot.

        Parameters
        ----------
        x, y
            Places; neighbours had better follow each other.
        reach
            How far circles are looked for, metres of the plane, one per place.
        """
        for start in range(0, len(x), _MOST_PLACES):
            stop = min(start + _MOST_PLACES, len(x))
            some = slice(start, stop)
            ranges = self._ranges(x[some], y[some], reach[some])
            held = np.bincount(ranges.place, ranges.count, minlength=stop - start)
            lot = np.cumsum(held) // _MOST_PAIRS
            cuts = [0, *(np.flatnonzero(np.diff(lot)) + 1).tolist(), stop - start]
            ends = np.searchsorted(ranges.place, cuts)
            for number, (low, high) in enumerate(pairwise(cuts)):
                own = slice(int(ends[number]), int(ends[number + 1]))
                owner, member = spans(ranges.first[own], ranges.count[own])
                place = (ranges.place[own] - low)[owner]
                yield Candidates(slice(start + low, start + high), place, self.circle[member])

    def _ranges(self, x: FloatArray, y: FloatArray, reach: FloatArray) -> _Ranges:
        nothing = _Ranges(*(np.empty(0, dtype=np.int64) for _ in range(3)))
        found = [nothing, *(_in_rows(level, x, y, reach) for level in self.levels)]
        place, first, count = (
            np.concatenate([getattr(one, name) for one in found])
            for name in ("place", "first", "count")
        )
        order = np.argsort(place, kind="stable")
        return _Ranges(place[order], first[order], count[order])


def _in_rows(level: _Level, x: FloatArray, y: FloatArray, reach: FloatArray) -> _Ranges:
    """Find, row by row of the cells about places, the circles of the columns within reach."""
    cell, away = level.cell_m, (reach + level.widest_m + _ROOM_M)[:, None]
    bottom, top = _cell(y - away[:, 0], cell), _cell(y + away[:, 0], cell)
    row = bottom[:, None] + np.arange(int((top - bottom).max(initial=0)) + 1)
    south = row * cell - y[:, None]
    up = np.maximum(np.maximum(south, -south - cell), 0.0)
    within = (row <= top[:, None]) & (up <= away)
    aside = np.sqrt(np.where(within, away * away - up * up, 0.0)) + _ROOM_M
    place, at = np.nonzero(within)
    row, aside = row[place, at] * _ROW, aside[place, at]
    low = np.searchsorted(level.key, row + _cell(x[place] - aside, cell), side="left")
    high = np.searchsorted(level.key, row + _cell(x[place] + aside, cell), side="right")
    held = high > low
    return _Ranges(place[held], low[held] + level.before, (high - low)[held])


def _cell(values: FloatArray, cell_m: float) -> IntArray:
    return np.floor(values / cell_m).astype(np.int64)
