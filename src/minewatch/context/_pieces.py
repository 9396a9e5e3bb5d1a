"""Geometry taken apart into short pieces that arrays can hold.

Lines, and the borders of areas, become pieces of a few segments, and a few consecutive pieces are a
body; areas that are not simple become small polygons. Each piece and each body knows the circle
that holds it, so that most questions (is it near? is it within?) need no look at its segments.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely

from minewatch.context._circle import Segments
from minewatch.context._runs import LINE, RING, Runs, simple_parts
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

_PIECE_SEGMENTS: Final = 8
_BODY_PIECES: Final = 4
_PART_VERTICES: Final = 64
_MOST_HALVINGS: Final = 40
_LEAST_TURN_M2: Final = 1e-3
"""An area that turns by less than this at a corner, seen from its middle, is judged by GEOS."""


@dataclass(frozen=True)
class Pieces:
    """Runs of segments, or of smaller pieces, in the plane; sorted by feature.

    Attributes
    ----------
    first, count
        Which segments, or which smaller pieces, each has.
    feature
        Position of the feature of each.
    amount
        What it contributes where it is whole: length (m) of a line, area (m²) of an area's part; 0
        for what has none.
    center_x, center_y, radius
        The circle around it, metres of the plane.
    """

    first: IntArray
    count: IntArray
    feature: IntArray
    amount: FloatArray
    center_x: FloatArray
    center_y: FloatArray
    radius: FloatArray

    def __len__(self) -> int:
        return len(self.feature)

    def take(self, chosen: IntArray) -> "Pieces":
        """Give some of them."""
        return Pieces(
            self.first[chosen],
            self.count[chosen],
            self.feature[chosen],
            self.amount[chosen],
            self.center_x[chosen],
            self.center_y[chosen],
            self.radius[chosen],
        )


@dataclass(frozen=True)
class Borders:
    """Lines, borders of areas and points, taken apart.

    Attributes
    ----------
    segments
        Ends of every segment, metres of the plane; a point is a segment of no length. Between two
        runs lies one that belongs to no piece.
    pieces
        Of a few segments each; `amount` is the length of lines.
    bodies
        Of a few pieces each.
    simple
        Bodies that are the whole border of an area that is surely valid.
    ground
        Signed area of those, m², positive where the border runs counter-clockwise; 0 for others.
    """

    segments: Segments
    pieces: Pieces
    bodies: Pieces
    simple: BoolArray
    ground: FloatArray

    @classmethod
    def of(cls, runs: Runs) -> "Borders":
        """Take runs apart."""
        # One corner more, so that a slice may end behind the last.
        x, y = (np.append(values, values[-1:]) for values in (runs.x, runs.y))
        segments = Segments(x[:-1], y[:-1], x[1:], y[1:])
        run, first, count = _chopped(runs.first[:-1], np.diff(runs.first) - 1, _PIECE_SEGMENTS)
        boxes = _boxes(x, y, first, count + 1)
        length = _sums(_lengths(segments, runs), first, count)
        pieces = Pieces(first, count, runs.feature[run], length, *_circles(boxes))
        per_run = np.bincount(run, minlength=len(runs))
        run, first, count = _chopped(np.cumsum(per_run) - per_run, per_run, _BODY_PIECES)
        boxes = _joined(boxes, first)
        whole = np.add.reduceat(length, first) if len(first) else length
        bodies = Pieces(first, count, runs.feature[run], whole, *_circles(boxes))
        simple, ground = _simple_areas(runs, per_run <= _BODY_PIECES)
        return cls(segments, pieces, bodies, simple[run], ground[run])


def _chopped(first: IntArray, count: IntArray, most: int) -> tuple[IntArray, IntArray, IntArray]:
    """Cut spans into spans of at most so many; tell which each was cut from."""
    per_span = -(-count // most)
    owner = np.repeat(np.arange(len(first)), per_span)
    before = (np.arange(len(owner)) - (np.cumsum(per_span) - per_span)[owner]) * most
    return owner, first[owner] + before, np.minimum(count[owner] - before, most)


def _boxes(x: FloatArray, y: FloatArray, first: IntArray, count: IntArray) -> FloatArray:
    """Give west, south, east and north of spans of corners."""
    if len(first) == 0:
        return np.empty((4, 0))
    ends = np.column_stack([first, first + count]).ravel()
    return np.stack(
        [
            operation.reduceat(values, ends)[::2]
            for operation, values in (
                (np.minimum, x), (np.minimum, y), (np.maximum, x), (np.maximum, y),
            )
        ]
    )  # fmt: skip


def _joined(boxes: FloatArray, first: IntArray) -> FloatArray:
    if len(first) == 0:
        return boxes
    least = np.minimum.reduceat(boxes[:2], first, axis=1)
    return np.concatenate([least, np.maximum.reduceat(boxes[2:], first, axis=1)])


def _circles(boxes: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    west, south, east, north = boxes
    radius = np.hypot(east - west, north - south) / 2.0
    return (west + east) / 2.0, (south + north) / 2.0, radius


def _sums(values: FloatArray, first: IntArray, count: IntArray) -> FloatArray:
    if len(first) == 0:
        return np.empty(0)
    return np.asarray(np.add.reduceat(values, np.column_stack([first, first + count]).ravel()))[::2]


def _lengths(segments: Segments, runs: Runs) -> FloatArray:
    """Give the lengths of segments of lines, and one 0 behind them."""
    areas = np.zeros(int(runs.feature[-1]) + 1 if len(runs) else 0, dtype=np.bool_)
    areas[runs.feature[runs.kind == RING]] = True
    is_line = (runs.kind == LINE) & ~areas[runs.feature]
    length = np.zeros(len(segments.x1) + 1)
    corners = np.repeat(is_line, np.diff(runs.first))
    dx, dy = segments.x2 - segments.x1, segments.y2 - segments.y1
    np.hypot(dx, dy, out=length[:-1], where=corners)
    return length


def _simple_areas(runs: Runs, small: BoolArray) -> tuple[BoolArray, FloatArray]:
    """Find areas of one ring that turns once, and one way, about its middle: they are valid.

    Returns
    -------
    Which runs they are, and their signed area in m²; 0 for other runs.
    """
    alone = np.bincount(runs.feature)[runs.feature] == 1 if len(runs) else small
    rows = np.flatnonzero((runs.kind == RING) & small & alone)
    simple, ground = np.zeros(len(runs), dtype=np.bool_), np.zeros(len(runs))
    if len(rows) == 0:
        return simple, ground
    counts = np.diff(runs.first)[rows]
    starts = np.cumsum(counts) - counts
    corner = np.arange(counts.sum()) + np.repeat(runs.first[rows] - starts, counts)
    x, y = runs.x[corner], runs.y[corner]
    # The middle is that of the corners, the last of which is the first again.
    x -= np.repeat((np.add.reduceat(x, starts) - x[starts]) / (counts - 1), counts)
    y -= np.repeat((np.add.reduceat(y, starts) - y[starts]) / (counts - 1), counts)
    turn = x[:-1] * y[1:] - x[1:] * y[:-1]
    up = (y[:-1] < 0.0) & (y[1:] >= 0.0)
    last = starts + counts - 1
    ends = np.column_stack([starts, last]).ravel()
    turn, crossed = np.append(turn, 0.0), np.append(up, 0).astype(np.int64)
    least = np.minimum.reduceat(turn, ends)[::2]
    most = np.maximum.reduceat(turn, ends)[::2]
    once = np.add.reduceat(crossed, ends)[::2] == 1
    one_way = (least > _LEAST_TURN_M2) | (most < -_LEAST_TURN_M2)
    simple[rows] = one_way & once
    ground[rows] = np.where(one_way & once, np.add.reduceat(turn, ends)[::2] / 2.0, 0.0)
    return simple, ground


@dataclass(frozen=True)
class Parts:
    """Areas cut into polygons of few corners; `amount` is their area.

    Edges run so that the ground lies to their left.
    """

    segments: Segments
    pieces: Pieces

    @classmethod
    def of(cls, geometry: AnyArray, feature: IntArray) -> "Parts":
        """Cut areas; what is no area has no part."""
        parts, owner = simple_parts(geometry)
        polygons = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
        parts, owner = _subdivide(sound(parts[polygons]), owner[polygons])
        rings, of_part = shapely.get_rings(parts, return_index=True)
        is_outer = np.diff(of_part, prepend=-1) != 0
        turned = shapely.is_ccw(rings) != is_outer
        rings[turned] = shapely.reverse(rings[turned])
        coordinates, ring = shapely.get_coordinates(rings, return_index=True)
        joined = ring[1:] == ring[:-1]
        edges = np.column_stack([coordinates[:-1][joined], coordinates[1:][joined]])
        part = of_part[ring[:-1][joined]]
        return _gather(edges, part, feature[owner])


def _gather(edges: FloatArray, part: IntArray, feature: IntArray) -> Parts:
    """Put the edges of parts together; edges are sorted by part."""
    x1, y1, x2, y2 = np.ascontiguousarray(edges.T)
    segments = Segments(x1, y1, x2, y2)
    first = np.flatnonzero(np.diff(part, prepend=-1))
    if len(first) == 0:
        none, empty = np.empty(0, dtype=np.int64), np.empty(0)
        return Parts(segments, Pieces(none, none, none, empty, empty, empty, empty))
    count = np.diff(first, append=len(edges))
    origin_x, origin_y = np.repeat(x1[first], count), np.repeat(y1[first], count)
    cross = (x1 - origin_x) * (y2 - origin_y) - (x2 - origin_x) * (y1 - origin_y)
    boxes = np.stack(
        [
            operation.reduceat(operation(one, other), first)
            for operation, one, other in (
                (np.minimum, x1, x2), (np.minimum, y1, y2),
                (np.maximum, x1, x2), (np.maximum, y1, y2),
            )
        ]
    )  # fmt: skip
    ground = np.add.reduceat(cross / 2.0, first)
    return Parts(segments, Pieces(first, count, feature, ground, *_circles(boxes)))


def sound(polygons: AnyArray) -> AnyArray:
    """Mend areas that are not valid, such as a border that crosses itself."""
    broken = ~shapely.is_valid(polygons)
    if not broken.any():
        return polygons
    mended = polygons.copy()
    mended[broken] = shapely.make_valid(polygons[broken], method="structure", keep_collapsed=False)
    return mended


def _subdivide(polygons: AnyArray, owner: IntArray) -> tuple[AnyArray, IntArray]:
    """Halve polygons of many vertices across their longer side until none is left.

    What still has many after the last halving is kept as it is.
    """
    done: list[AnyArray] = []
    owners: list[IntArray] = []
    for halving in range(_MOST_HALVINGS + 1):
        polygons, position = simple_parts(polygons)
        owner = owner[position]
        kept = shapely.get_dimensions(polygons) == 2
        polygons, owner = polygons[kept], owner[kept]
        is_last = halving == _MOST_HALVINGS
        small = (shapely.get_num_coordinates(polygons) <= _PART_VERTICES) | is_last
        done.append(polygons[small])
        owners.append(owner[small])
        polygons, owner = _halves(polygons[~small]), np.repeat(owner[~small], 2)
        if len(polygons) == 0:
            break
    every, of_feature = np.concatenate(done), np.concatenate(owners)
    order = np.argsort(of_feature, kind="stable")
    return every[order], of_feature[order]


def _halves(polygons: AnyArray) -> AnyArray:
    west, south, east, north = shapely.bounds(polygons).reshape(-1, 4).T
    wide = (east - west) >= (north - south)
    middle_x, middle_y = (west + east) / 2.0, (south + north) / 2.0
    first = shapely.box(
        west, south, np.where(wide, middle_x, east), np.where(wide, north, middle_y)
    )
    second = shapely.box(
        np.where(wide, middle_x, west), np.where(wide, south, middle_y), east, north
    )
    pair = np.stack(
        [shapely.intersection(polygons, first), shapely.intersection(polygons, second)], axis=-1
    )
    return np.asarray(pair.reshape(-1))
