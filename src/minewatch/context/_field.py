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
import numpy.typing as npt

from minewatch.context._circle import Segments
from minewatch.context._near import Candidates
from minewatch.context._pairs import ROOM_M, Pairs, circle_distances, least_by, seen_from
from minewatch.context._pieces import Borders
from minewatch.context._plane import Entries, Membership, Places
from minewatch.context._runs import spans
from minewatch.types import BoolArray, FloatArray, IntArray

_STEP_PX: Final = 4
"""A square is divided into this many squares along each side."""
_WITHIN: Final = _STEP_PX**2
_MOST_ROWS: Final = 3_000
"""Pairs of a square and a segment that are looked at at a time, about: the processor's own memory
holds what is made of them."""
_MOST_STARTS: Final = 50_000
"""Pairs of a patch and a segment that are divided at a time, about."""


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
        square = self.east * self.east
        square += self.north * self.north
        return float(np.sqrt(square.max(initial=0.0)))

    @cached_property
    def levels(self) -> list["_Squares"]:
        """Put pixels into squares, and these into larger ones, until one is left; it is first."""
        west = east = self.east
        south = north = self.north
        half = np.zeros((len(east), 1, 1))
        levels = []
        while True:
            middle_x, middle_y = (west + east) / 2.0, (south + north) / 2.0
            levels.append(_Squares.of(middle_x, middle_y, half))
            if levels[-1].height == levels[-1].width == 1:
                return levels[::-1]
            west, south = (_in_squares(sides).min(axis=-1) for sides in (west, south))
            east, north = (_in_squares(sides).max(axis=-1) for sides in (east, north))
            half = np.hypot(east - west, north - south) / 2.0


@dataclass(frozen=True)
class _Squares:
    """Squares of pixels, and the smaller ones, or the pixels, that each of them holds.

    Attributes
    ----------
    height, width
        Squares of a patch.
    east, north, half_m
        Middles of the smaller ones and how far their pixels are from there, dims (square, 16):
        squares patch by patch, row by row.
    there
        Whether the smaller one is on the patch, dims (square of a patch, 16).
    inner
        Its position among the smaller ones, were they squares: dims (square of a patch, 16).
    """

    height: int
    width: int
    east: FloatArray
    north: FloatArray
    half_m: FloatArray
    there: BoolArray
    inner: IntArray

    @classmethod
    def of(cls, east: FloatArray, north: FloatArray, half_m: FloatArray) -> "_Squares":
        """Put things with dims (patch, y, x) into squares."""
        rows, columns = east.shape[1:]
        held = _in_squares(np.broadcast_to(half_m, east.shape)) if half_m.any() else None
        position = np.arange(rows * columns).reshape(1, rows, columns)
        there = _in_squares(np.ones_like(position), beyond=0)[0] == 1
        blocks = _in_squares(east)
        return cls(
            height=blocks.shape[1],
            width=blocks.shape[2],
            east=blocks.reshape(-1, _WITHIN),
            north=_in_squares(north).reshape(-1, _WITHIN),
            half_m=np.zeros((1, _WITHIN)) if held is None else held.reshape(-1, _WITHIN),
            there=there.reshape(-1, _WITHIN),
            inner=_in_squares(position)[0].reshape(-1, _WITHIN),
        )


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

    def square_distance(self, chosen: IntArray, east: FloatArray, north: FloatArray) -> FloatArray:
        """Measure from places to chosen segments, m²; a row of places for each segment."""
        dx, dy = self.dx[chosen, None], self.dy[chosen, None]
        aside, up = east - self.x[chosen, None], north - self.y[chosen, None]
        along = aside * dx
        along += up * dy
        along *= self.inverse[chosen, None]
        np.maximum(along, 0.0, out=along)
        np.minimum(along, 1.0, out=along)
        aside -= along * dx
        along *= dy
        up -= along
        aside *= aside
        up *= up
        aside += up
        return aside


@dataclass(frozen=True)
class _Rows:
    """Squares, and a segment that may be nearest to a pixel in each.

    The rows of one square of one group follow each other.
    """

    group: IntArray
    """Which layer and patch."""
    patch: IntArray
    square: IntArray
    """Position among the squares of the patch."""
    segment: IntArray
    """Position among the segments seen."""

    def take(self, chosen: IntArray | slice) -> "_Rows":
        """Give some of them."""
        return _Rows(
            self.group[chosen], self.patch[chosen], self.square[chosen], self.segment[chosen]
        )


def distance_fields(
    pixels: Pixels,
    borders: Borders,
    layers: Membership,
    max_distance_m: float,
    dtype: npt.DTypeLike = np.float32,
) -> npt.NDArray[np.floating]:
    """Measure from every pixel's centre to the nearest segment of each layer.

    Parameters
    ----------
    pixels
        Where is measured from.
    borders, layers
        Features in the plane of the pixels, and what they belong to.
    max_distance_m
        How far the nearest is looked for, metres on the ground.
    dtype
        What distances are rounded to.

    Returns
    -------
    Metres on the ground, dims (layer, patch, y, x); NaN where nothing is within `max_distance_m`.
    """
    n_patches, height, width = pixels.east.shape
    finest = pixels.levels[-1]
    n_squares = finest.height * finest.width
    shape = (layers.n_layers * n_patches, n_squares, _WITHIN)
    field = np.full(shape, np.nan, dtype=dtype)
    for rows, seen in _starts(pixels, borders, layers, max_distance_m):
        _descend(rows, pixels.levels, seen, field, max_distance_m)
    blocks = field.reshape(-1, finest.height, finest.width, _STEP_PX, _STEP_PX)
    sides = (-1, finest.height * _STEP_PX, finest.width * _STEP_PX)
    whole = blocks.swapaxes(2, 3).reshape(sides)[:, :height, :width]
    return whole.reshape(layers.n_layers, n_patches, height, width)


def _in_squares(values: FloatArray, beyond: float | None = None) -> FloatArray:
    """Divide what has the dims (patch, y, x) into squares, dims (patch, row, column, 16).

    What is beyond the patch repeats its rim, or is `beyond`.
    """
    height, width = values.shape[1:]
    pad = ((0, 0), (0, -height % _STEP_PX), (0, -width % _STEP_PX))
    if pad != ((0, 0),) * 3:
        if beyond is None:
            values = np.pad(values, pad, mode="edge")
        else:
            values = np.pad(values, pad, constant_values=beyond)
    down, across = values.shape[1] // _STEP_PX, values.shape[2] // _STEP_PX
    blocks = values.reshape(-1, down, _STEP_PX, across, _STEP_PX).swapaxes(2, 3)
    return blocks.reshape(-1, down, across, _WITHIN)


def _starts(
    pixels: Pixels, borders: Borders, layers: Membership, max_distance_m: float
) -> Iterator[tuple[_Rows, _Seen]]:
    """Pair whole patches with segments that may be nearest to one of their pixels."""
    half, places = pixels.reach_m, pixels.places
    entries, _ = Entries.of(borders.bodies, layers, max_distance_m)
    reach = (max_distance_m + half) * places.scale
    for found in entries.near.search(places.x, places.y, reach):
        before = found.places.start
        found = Candidates(found.places, found.place + before, found.circle)
        place, piece, key = _nearest_pieces(pixels, found, borders, entries, layers, max_distance_m)
        counts = borders.pieces.count[piece]
        owner, segment = spans(borders.pieces.first[piece], counts)
        seen = _Seen.of(seen_from(places, place[owner], borders.segments, segment))
        layer = (key - place * layers.n_layers)[owner]
        group = layer * len(places) + place[owner]
        first = np.zeros(len(group), dtype=np.int64)
        rows = _Rows(group, place[owner], first, np.arange(len(group)))
        for lot in _lots(group, _MOST_STARTS):
            yield rows.take(lot), seen


def _nearest_pieces(
    pixels: Pixels,
    found: Candidates,
    borders: Borders,
    entries: Entries,
    layers: Membership,
    max_distance_m: float,
) -> tuple[IntArray, IntArray, IntArray]:
    """Choose the pieces that may be nearest to a pixel: place, piece, and key of both, sorted."""
    room, places = 2.0 * pixels.reach_m, pixels.places
    reach_m = np.full(len(places), max_distance_m + pixels.reach_m)
    pairs = Pairs.of(places, found, entries, layers.n_layers, reach_m)
    n_keys = len(places) * layers.n_layers
    rows = np.flatnonzero(pairs.least <= pairs.nearest(n_keys)[pairs.key] + room)
    entry = pairs.entry[rows]
    owner, piece = spans(entries.bodies.first[entry], entries.bodies.count[entry])
    place, key = pairs.place[rows][owner], pairs.key[rows][owner]
    least, most = circle_distances(places, place, borders.pieces, piece)
    bound = np.minimum(least_by(key, most, n_keys)[key] + room, reach_m[0])
    kept = np.flatnonzero(least <= bound)
    kept = kept[np.argsort(key[kept], kind="stable")]
    return place[kept], piece[kept], key[kept]


def _lots(key: IntArray, most: int) -> Iterator[slice]:
    """Divide what lies together by key into lots of a bounded number; no key is torn apart."""
    if len(key) == 0:
        return
    first = np.flatnonzero(np.diff(key, prepend=-1))
    cuts = first[np.flatnonzero(np.diff(first // most, prepend=-1))].tolist()
    for start, stop in zip(cuts, [*cuts[1:], len(key)], strict=True):
        yield slice(start, stop)


def _descend(
    rows: _Rows,
    levels: list[_Squares],
    seen: _Seen,
    field: npt.NDArray[np.floating],
    max_distance_m: float,
) -> None:
    """Keep what may be nearest in each square, divide the squares, and go on until pixels."""
    for squares in levels[:-1]:
        key = rows.group * (squares.height * squares.width) + rows.square
        lots = [rows.take(lot) for lot in _lots(key, _MOST_ROWS)]
        finer = [_divide(lot, squares, seen, max_distance_m) for lot in lots]
        if not finer:
            return
        rows = _Rows(
            *(
                np.concatenate([getattr(one, name) for one in finer])
                for name in ("group", "patch", "square", "segment")
            )
        )
    key = rows.group * field.shape[1] + rows.square
    for lot in _lots(key, _MOST_ROWS):
        nearest, first, _ = _nearest(rows.take(lot), levels[-1], seen)
        nearest[nearest > max_distance_m] = np.nan
        at = first + lot.start
        field[rows.group[at], rows.square[at]] = nearest


def _nearest(
    rows: _Rows, squares: _Squares, seen: _Seen
) -> tuple[FloatArray, IntArray, FloatArray]:
    """Measure to what squares hold.

    Returns
    -------
    nearest
        Metres to the nearest segment, dims (group of rows of a square, 16).
    first
        Where each of these groups begins.
    away
        Square metres, dims (row, 16).
    """
    n_squares = squares.height * squares.width
    at = rows.patch * n_squares + rows.square
    first = np.flatnonzero(np.diff(rows.group * n_squares + rows.square, prepend=-1))
    away = seen.square_distance(rows.segment, squares.east[at], squares.north[at])
    nearest = away if len(first) == len(away) else np.minimum.reduceat(away, first, axis=0)
    return np.sqrt(nearest), first, away


def _divide(rows: _Rows, squares: _Squares, seen: _Seen, max_distance_m: float) -> _Rows:
    """Pair what squares hold with the segments that may be nearest to a pixel there."""
    nearest, first, away = _nearest(rows, squares, seen)
    at = rows.patch[first] * (squares.height * squares.width) + rows.square[first]
    half = squares.half_m[at]
    bound = np.minimum(nearest + 2.0 * half, max_distance_m + half) + ROOM_M
    bound *= bound
    kept = away <= np.repeat(bound, np.diff(first, append=len(away)), axis=0)
    if not squares.there.all():
        kept &= squares.there[rows.square]
    inner, chosen = np.nonzero(kept.T)
    finer = rows.take(chosen)
    return _Rows(finer.group, finer.patch, squares.inner[finer.square, inner], finer.segment)
