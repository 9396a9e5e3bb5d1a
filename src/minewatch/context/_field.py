"""Exact distances from the centres of many pixels to pieces of geometry.

Branch and bound: a square of pixels whose centre is d from the nearest segment, and whose own
pixels are at most h from its centre, can have no other nearest than a segment within d + 2 h of
that centre. Squares are halved twice at each step, and few segments are left when they are single
pixels. Nothing is drawn, so nothing is rounded to pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from minewatch.context._around import Places, near_pieces
from minewatch.context._circle import Segments
from minewatch.context._pieces import Pieces
from minewatch.types import FloatArray, IntArray

_STEP_PX: Final = 4
"""A square is divided into this many squares along each side."""
_MOST_ROWS: Final = 150_000
"""Pairs of a square and a segment that are held at a time, about."""


@dataclass(frozen=True)
class Pixels:
    """Centres of the pixels of patches, as seen from each patch's middle.

    Attributes
    ----------
    places
        The middles of the patches, in the plane that pieces are in.
    east, north
        Metres on the ground from there, dims (patch, y, x).
    """

    places: Places
    east: FloatArray
    north: FloatArray

    @cached_property
    def reach_m(self) -> float:
        """Give how far any pixel is from the middle of its patch, metres."""
        return float(np.hypot(self.east, self.north).max(initial=0.0))

    @cached_property
    def levels(self) -> list["_Squares"]:
        """Summarise pixels in ever larger squares, the largest first, single pixels last."""
        west = east = self.east
        south = north = self.north
        levels = []
        while True:
            half = np.hypot(east - west, north - south) / 2.0
            levels.append(_Squares((west + east) / 2.0, (south + north) / 2.0, half))
            if west.shape[1] == west.shape[2] == 1:
                return levels[::-1]
            west, south = _merge(west, np.minimum), _merge(south, np.minimum)
            east, north = _merge(east, np.maximum), _merge(north, np.maximum)


@dataclass(frozen=True)
class _Squares:
    """Squares of pixels of one size; each has a middle and holds its pixels within `half_m`."""

    east: FloatArray
    north: FloatArray
    half_m: FloatArray


@dataclass(frozen=True)
class _Seen:
    """Segments as seen from the middle of a patch, metres: a start, a way from there."""

    x: FloatArray
    y: FloatArray
    dx: FloatArray
    dy: FloatArray
    inverse: FloatArray
    """1 / length², 0 for a point."""

    @classmethod
    def of(cls, segments: Segments) -> "_Seen":
        """Prepare segments."""
        dx, dy = segments.x2 - segments.x1, segments.y2 - segments.y1
        square = dx * dx + dy * dy
        inverse = np.divide(1.0, square, out=np.zeros_like(square), where=square > 0)
        return cls(segments.x1, segments.y1, dx, dy, inverse)

    def distance(self, chosen: IntArray, east: FloatArray, north: FloatArray) -> FloatArray:
        """Measure from places to chosen segments, one to one."""
        aside, up = east - self.x[chosen], north - self.y[chosen]
        dx, dy = self.dx[chosen], self.dy[chosen]
        along = (aside * dx + up * dy) * self.inverse[chosen]
        np.clip(along, 0.0, 1.0, out=along)
        aside -= along * dx
        up -= along * dy
        return np.asarray(np.sqrt(aside * aside + up * up))


@dataclass(frozen=True)
class _Rows:
    """Squares, by patch, row and column, and a segment that may be nearest to a pixel in each."""

    patch: IntArray
    row: IntArray
    column: IntArray
    segment: IntArray
    """Position among the segments seen."""


def distance_field(pixels: Pixels, pieces: Pieces, max_distance_m: float) -> FloatArray:
    """Measure from every pixel's centre to the nearest segment.

    Returns
    -------
    Metres on the ground, dims (patch, y, x); NaN where nothing is within `max_distance_m`.
    """
    field = np.full(pixels.east.shape, np.inf)
    for start, seen in _start(pixels, pieces, max_distance_m):
        _descend(start, pixels.levels, seen, field, max_distance_m)
    field[field > max_distance_m] = np.nan
    return field


def _merge(values: FloatArray, operation: np.ufunc) -> FloatArray:
    height, width = values.shape[1:]
    down = operation.reduceat(values, np.arange(0, height, _STEP_PX), axis=1)
    return np.asarray(operation.reduceat(down, np.arange(0, width, _STEP_PX), axis=2))


def _start(pixels: Pixels, pieces: Pieces, max_distance_m: float) -> Iterator[tuple[_Rows, _Seen]]:
    """Pair whole patches with segments that may be nearest to one of their pixels."""
    half = pixels.reach_m
    patch, piece, least, most = near_pieces(pixels.places, pieces, max_distance_m + half)
    nearest = np.full(len(pixels.places), np.inf)
    np.minimum.at(nearest, patch, most)
    kept = np.flatnonzero(least <= nearest[patch] + 2.0 * half)
    patch, piece = patch[kept], piece[kept]
    for lot in _lots(patch, pieces.count[piece]):
        owner, segment, _ = pieces.expand(piece[lot])
        of_row, first = patch[lot][owner], np.zeros(len(segment), dtype=np.int64)
        places = pixels.places
        seen = pieces.relative(segment, places.x[of_row], places.y[of_row], places.scale[of_row])
        yield _Rows(of_row, first, first, np.arange(len(segment))), _Seen.of(seen)


def _lots(group: IntArray, weight: IntArray) -> Iterator[slice]:
    """Divide sorted groups into lots of bounded weight; no group is torn apart."""
    if len(group) == 0:
        return
    lot = (np.cumsum(weight) - weight) // _MOST_ROWS
    first = np.flatnonzero(np.diff(group, prepend=-1))
    of_group = lot[first]
    cuts = first[np.flatnonzero(np.diff(of_group, prepend=-1))]
    for start, stop in zip(cuts, [*cuts[1:], len(group)], strict=True):
        yield slice(int(start), int(stop))


def _descend(
    rows: _Rows, levels: list[_Squares], seen: _Seen, field: FloatArray, max_distance_m: float
) -> None:
    """Keep what may be nearest in each square, divide the squares, and go on until pixels."""
    squares = levels[0]
    width = squares.east.shape[2]
    at = (rows.patch, rows.row, rows.column)
    square = (rows.patch * squares.east.shape[1] + rows.row) * width + rows.column
    away = seen.distance(rows.segment, squares.east[at], squares.north[at])
    first = np.flatnonzero(np.diff(square, prepend=-1))
    nearest = np.minimum.reduceat(away, first)
    if len(levels) == 1:
        field[rows.patch[first], rows.row[first], rows.column[first]] = nearest
        return
    counts = np.diff(first, append=len(square))
    half = squares.half_m[at]
    bound = np.minimum(np.repeat(nearest, counts) + 2.0 * half, max_distance_m + half)
    kept = away <= bound + 1e-6
    held = _Rows(rows.patch[kept], rows.row[kept], rows.column[kept], rows.segment[kept])
    for lot in _lots(square[kept], np.full(int(kept.sum()), _STEP_PX**2)):
        part = _Rows(held.patch[lot], held.row[lot], held.column[lot], held.segment[lot])
        finer = _divide(part, square[kept][lot], levels[1])
        if len(finer.patch):
            _descend(finer, levels[1:], seen, field, max_distance_m)


def _divide(rows: _Rows, square: IntArray, finer: _Squares) -> _Rows:
    """Pair the squares within each square with the segments of the whole, square by square."""
    first = np.flatnonzero(np.diff(square, prepend=-1))
    counts = np.diff(first, append=len(square))
    n_within = _STEP_PX**2
    times = np.repeat(counts, n_within)
    within = np.tile(np.arange(n_within), len(first))
    start = np.repeat(first, n_within)
    begins = np.cumsum(times) - times
    owner = np.repeat(np.arange(len(times)), times)
    source = np.arange(len(owner)) - begins[owner] + start[owner]
    row = rows.row[source] * _STEP_PX + within[owner] // _STEP_PX
    column = rows.column[source] * _STEP_PX + within[owner] % _STEP_PX
    there = (row < finer.east.shape[1]) & (column < finer.east.shape[2])
    source = source[there]
    return _Rows(rows.patch[source], row[there], column[there], rows.segment[source])
