"""The shapes that a landscape is drawn with: lines that have a width, polygons, rectangles.

They are vectors in metres of the valley's UTM zone, and the primary truth: `Cells` is the part of
the 10 m grid that is looked at, and the functions here say, exactly and for each cell alone, how
shapes lie on it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from minewatch.toy._noise import Chance
from minewatch.types import BoolArray, FloatArray, IntArray

CELL_M: Final = 10.0
"""Side of the cells that the landscape is made of: the pixel of the finest bands, metres."""

RUN: Final = 32
"""Segments are looked through in runs of this many."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Cells:
    """A rectangle of the valley's 10 m grid, north up.

    Column ``c`` covers eastings ``10 c`` to ``10 c + 10``; row ``r`` covers northings
    ``-10 r - 10`` to ``-10 r`` (rows count southwards).
    """

    first_column: int
    first_row: int
    n_columns: int
    n_rows: int

    @cached_property
    def columns(self) -> IntArray:
        """Numbers of the columns."""
        return np.arange(self.first_column, self.first_column + self.n_columns, dtype=np.int64)

    @cached_property
    def rows(self) -> IntArray:
        """Numbers of the rows, southwards."""
        return np.arange(self.first_row, self.first_row + self.n_rows, dtype=np.int64)

    @cached_property
    def eastings(self) -> FloatArray:
        """Eastings of the columns' centres, metres."""
        return self.columns.astype(np.float64) * CELL_M + CELL_M / 2.0

    @cached_property
    def northings(self) -> FloatArray:
        """Northings of the rows' centres, metres."""
        return -(self.rows.astype(np.float64) * CELL_M) - CELL_M / 2.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.n_rows, self.n_columns

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the cells' edges, metres."""
        west, north = self.first_column * CELL_M, -self.first_row * CELL_M
        return west, north - self.n_rows * CELL_M, west + self.n_columns * CELL_M, north

    def grown(self, n: int) -> "Cells":
        """Add `n` cells on each side."""
        return Cells(
            self.first_column - n, self.first_row - n, self.n_columns + 2 * n, self.n_rows + 2 * n
        )

    def within(self, west: float, south: float, east: float, north: float) -> tuple[slice, slice]:
        """Find the rows and columns whose centres may lie within these bounds (metres)."""
        first = max(0, math.floor(west / CELL_M) - self.first_column)
        last = min(self.n_columns, math.floor(east / CELL_M) + 1 - self.first_column)
        top = max(0, math.floor(-north / CELL_M) - self.first_row)
        bottom = min(self.n_rows, math.floor(-south / CELL_M) + 1 - self.first_row)
        return slice(top, max(top, bottom)), slice(first, max(first, last))


class Lines:
    """Polylines whose half-width changes from vertex to vertex, as one table of segments.

    Each segment carries the number of the line it belongs to.
    """

    def __init__(self, lines: Sequence[Sequence[Point]], half_widths_m: Sequence[Sequence[float]]):
        self.lines = tuple(tuple(line) for line in lines)
        self.half_widths_m = tuple(tuple(widths) for widths in half_widths_m)
        table = [
            (*line[i], *line[i + 1], widths[i], widths[i + 1], number, i)
            for number, (line, widths) in enumerate(zip(lines, half_widths_m, strict=True))
            for i in range(len(line) - 1)
        ]
        self.segments = np.array(table, dtype=np.float64).reshape(-1, 8)

    def near(self, cells: Cells, reach_m: float) -> tuple[FloatArray, IntArray]:
        """Measure how far each cell's centre is from the nearest line's edge.

        Parameters
        ----------
        cells
            Where to look.
        reach_m
            Beyond this distance from an edge nothing is measured.

        Returns
        -------
        distance, segment
            Distance to the nearest edge, metres, negative inside a line and never above `reach_m`;
            and the row of `segments` that is nearest, −1 where none is within reach.
        """
        distance = np.full(cells.shape, reach_m)
        nearest = np.full(cells.shape, -1, dtype=np.int64)
        for row in self._in_reach(cells, reach_m):
            x0, y0, x1, y1, w0, w1 = (float(value) for value in self.segments[row, :6])
            reach = reach_m + max(w0, w1) + CELL_M
            part = cells.within(
                min(x0, x1) - reach, min(y0, y1) - reach, max(x0, x1) + reach, max(y0, y1) + reach
            )
            found = _edge_distance(
                cells.eastings[part[1]], cells.northings[part[0]], (x0, y0, x1, y1, w0, w1)
            )
            closer = found < distance[part]
            distance[part][closer] = found[closer]
            nearest[part][closer] = row
        return distance, nearest

    def _in_reach(self, cells: Cells, reach_m: float) -> IntArray:
        """Find the segments that may matter, in order: by runs of them first, then one by one."""
        starts = np.flatnonzero(_touch(self._run_boxes, cells.bounds, reach_m)) * RUN
        rows = (starts[:, None] + np.arange(RUN)[None, :]).ravel()
        rows = rows[rows < len(self.segments)]
        found: IntArray = rows[_touch(self._boxes[rows], cells.bounds, reach_m)]
        return found

    @cached_property
    def _boxes(self) -> FloatArray:
        """Bounds of each segment with its width: west, south, east, north, metres."""
        x0, y0, x1, y1, w0, w1 = self.segments[:, :6].T
        wide = np.maximum(w0, w1)
        sides = (np.minimum(x0, x1) - wide, np.minimum(y0, y1) - wide)
        return np.stack((*sides, np.maximum(x0, x1) + wide, np.maximum(y0, y1) + wide), axis=1)

    @cached_property
    def _run_boxes(self) -> FloatArray:
        """Bounds of each run of `RUN` segments."""
        starts = np.arange(0, len(self.segments), RUN)
        if not len(starts):
            return np.zeros((0, 4))
        low = np.minimum.reduceat(self._boxes[:, :2], starts, axis=0)
        high = np.maximum.reduceat(self._boxes[:, 2:], starts, axis=0)
        return np.concatenate((low, high), axis=1)


def _touch(boxes: FloatArray, bounds: tuple[float, ...], margin_m: float) -> BoolArray:
    west, south, east, north = bounds
    touches = (boxes[:, 0] <= east + margin_m) & (boxes[:, 2] >= west - margin_m)
    touches &= (boxes[:, 1] <= north + margin_m) & (boxes[:, 3] >= south - margin_m)
    return touches


def _edge_distance(
    eastings: FloatArray, northings: FloatArray, segment: tuple[float, ...]
) -> FloatArray:
    x0, y0, x1, y1, w0, w1 = segment
    run, rise = x1 - x0, y1 - y0
    length = run * run + rise * rise
    along = ((eastings - x0) * (run / length))[None, :] + ((northings - y0) * (rise / length))[
        :, None
    ]
    np.maximum(along, 0.0, out=along)
    np.minimum(along, 1.0, out=along)
    across = (eastings - x0)[None, :] - along * run
    up = (northings - y0)[:, None] - along * rise
    distance: FloatArray = np.sqrt(across * across + up * up) - (w0 + along * (w1 - w0))
    return distance


class Polygons:
    """Simple polygons, each a ring of vertices (not closed), with their bounds at hand."""

    def __init__(self, rings: Sequence[Sequence[Point]]) -> None:
        self.rings = tuple(np.array(ring, dtype=np.float64) for ring in rings)
        bounds = [
            (ring[:, 0].min(), ring[:, 1].min(), ring[:, 0].max(), ring[:, 1].max())
            for ring in self.rings
        ]
        self.bounds = np.array(bounds, dtype=np.float64).reshape(-1, 4)

    def __len__(self) -> int:
        return len(self.rings)

    def touching(
        self, bounds: tuple[float, float, float, float], margin_m: float = 0.0
    ) -> IntArray:
        """Find the polygons whose bounds touch these (west, south, east, north, metres)."""
        return np.flatnonzero(_touch(self.bounds, bounds, margin_m))

    def burn(self, cells: Cells, only: BoolArray | None = None) -> IntArray:
        """Say for each cell which polygon its centre lies in (the last that does), or −1.

        Parameters
        ----------
        cells
            Where to look.
        only
            Which polygons count, one truth value each; None for all.
        """
        number = np.full(cells.shape, -1, dtype=np.int64)
        for index in self.touching(cells.bounds):
            if only is not None and not only[index]:
                continue
            west, south, east, north = (float(value) for value in self.bounds[index])
            part = cells.within(west, south, east, north)
            inside = _inside(cells.eastings[part[1]], cells.northings[part[0]], self.rings[index])
            number[part][inside] = index
        return number


def _inside(eastings: FloatArray, northings: FloatArray, ring: FloatArray) -> BoolArray:
    """Count, for each cell's centre, the edges crossed on the way east: odd is inside."""
    following = np.concatenate((ring[1:], ring[:1]))
    x0, y0 = ring[:, 0, None], ring[:, 1, None]
    x1, y1 = following[:, 0, None], following[:, 1, None]
    crosses = (y0 > northings) != (y1 > northings)
    rise = np.where(y1 == y0, 1.0, y1 - y0)
    where = x0 + (northings - y0) / rise * (x1 - x0)
    hits = crosses[:, :, None] & (eastings[None, None, :] < where[:, :, None])
    inside: BoolArray = np.bitwise_xor.reduce(hits, axis=0)
    return inside


class Rectangles:
    """Upright rectangles (west, south, east, north), for things smaller than a cell: houses."""

    def __init__(self, boxes: Sequence[tuple[float, float, float, float]]) -> None:
        self.boxes = np.array(boxes, dtype=np.float64).reshape(-1, 4)

    def cover(self, cells: Cells, kinds: npt.NDArray[np.int64], n_kinds: int) -> FloatArray:
        """Sum up how much of each cell the rectangles of each kind cover.

        Returns
        -------
        ndarray of float64
            Shape ``(n_kinds, rows, columns)``, shares of the cell's area.
        """
        share = np.zeros((n_kinds, *cells.shape))
        for index in np.flatnonzero(_touch(self.boxes, cells.bounds, 0.0)):
            left, bottom, right, top = (float(value) for value in self.boxes[index])
            part = cells.within(left, bottom, right, top)
            across = _overlap(cells.eastings[part[1]], left, right)
            down = _overlap(cells.northings[part[0]], bottom, top)
            share[int(kinds[index])][part] += down[:, None] * across[None, :]
        return share


def _overlap(centres: FloatArray, low: float, high: float) -> FloatArray:
    half = CELL_M / 2.0
    length = np.minimum(centres + half, high) - np.maximum(centres - half, low)
    share: FloatArray = np.maximum(length, 0.0) / CELL_M
    return share


def blob(
    chance: Chance, centre: Point, along: Point, semi_axes_m: Point, *, roughness: float = 0.3
) -> list[Point]:
    """Draw a rough ellipse of 20 vertices.

    Parameters
    ----------
    chance
        Where the roughness comes from.
    centre
        Easting and northing, metres.
    along
        Unit vector of the first semi-axis.
    semi_axes_m
        Half length and half breadth, metres.
    roughness
        How far the radius strays, as a share of itself.
    """
    n = 20
    raw = [chance.uniform(1.0 - roughness, 1.0 + roughness) for _ in range(n)]
    ring = []
    for i in range(n):
        radius = (raw[i - 1] + 2.0 * raw[i] + raw[(i + 1) % n]) / 4.0
        unit_east, unit_north = circle_point(i / n)
        first, second = semi_axes_m[0] * radius * unit_east, semi_axes_m[1] * radius * unit_north
        ring.append(
            (
                centre[0] + first * along[0] - second * along[1],
                centre[1] + first * along[1] + second * along[0],
            )
        )
    return ring


def circle_point(turn: float) -> Point:
    """Give the point of the unit circle at a share of a full turn (nearly), without a sine.

    Each quarter is the rational curve ``((1 − t²) / (1 + t²), 2 t / (1 + t²))``.
    """
    quarter = math.floor(turn * 4.0)
    t = turn * 4.0 - quarter
    t = t * (0.83 + 0.17 * t)  # evens out the speed along the quarter
    east, north = (1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)
    for _ in range(quarter % 4):
        east, north = -north, east
    return east, north


def scaled(ring: Sequence[Point], factor: float) -> list[Point]:
    """Enlarge or shrink a ring about the mean of its vertices."""
    east, north = middle(ring)
    return [(east + (x - east) * factor, north + (y - north) * factor) for x, y in ring]


def middle(ring: Sequence[Point]) -> Point:
    """Give the mean of a ring's vertices, added up in order."""
    east = north = 0.0
    for x, y in ring:
        east, north = east + x, north + y
    return east / len(ring), north / len(ring)


def tangent(line: Sequence[Point], i: int) -> Point:
    """Give the unit vector along a line at its vertex `i`."""
    before, after = line[max(0, i - 1)], line[min(len(line) - 1, i + 1)]
    run, rise = after[0] - before[0], after[1] - before[1]
    length = math.sqrt(run * run + rise * rise)
    return run / length, rise / length
