"""What of segments and polygons lies within a circle: in closed form, nothing approximated.

Everything is given relative to the circle's centre, in metres.
"""

from typing import NamedTuple

import numpy as np

from minewatch.types import FloatArray


class Segments(NamedTuple):
    """Straight segments from (x1, y1) to (x2, y2), metres east and north of a centre."""

    x1: FloatArray
    y1: FloatArray
    x2: FloatArray
    y2: FloatArray


def distance(segments: Segments) -> FloatArray:
    """Measure from the centre to the nearest point of each segment, metres.

    Examples
    --------
    >>> distance(Segments(*np.array([[3.0, -1.0], [4.0, 2.0], [3.0, 1.0], [4.0, 2.0]])))
    array([5., 2.])
    """
    x1, y1, x2, y2 = segments
    dx, dy = x2 - x1, y2 - y1
    square = dx * dx + dy * dy
    along = np.divide(-(x1 * dx + y1 * dy), square, out=np.zeros_like(x1), where=square > 0)
    np.clip(along, 0.0, 1.0, out=along)
    # From the nearer end, so that a point at an end has exactly its own distance.
    from_end = along > 0.5
    start_x, start_y = np.where(from_end, x2, x1), np.where(from_end, y2, y1)
    step = np.where(from_end, along - 1.0, along)
    return np.hypot(start_x + step * dx, start_y + step * dy)


def length_within(segments: Segments, radius_m: float) -> FloatArray:
    """Measure how much of each segment lies within the circle, metres.

    Examples
    --------
    >>> length_within(Segments(*np.array([[-9.0], [3.0], [9.0], [3.0]])), 5.0)
    array([8.])
    """
    x1, y1, x2, y2 = segments
    length = np.hypot(x2 - x1, y2 - y1)
    # What has both its ends within is within.
    square = radius_m**2
    rows = np.flatnonzero((x1 * x1 + y1 * y1 >= square) | (x2 * x2 + y2 * y2 >= square))
    enters, leaves = _crossings(Segments(x1[rows], y1[rows], x2[rows], y2[rows]), radius_m)
    length[rows] *= leaves - enters
    return length


def area_within(edges: Segments, radius_m: float) -> FloatArray:
    """Measure the part of the circle between the centre and each edge, square metres, signed.

    The sum over all edges of a polygon, outer rings counter-clockwise and holes clockwise, is the
    area that the polygon and the circle share (Green's theorem).

    Examples
    --------
    >>> corners = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> square = Segments(*corners[:-1].T, *corners[1:].T)
    >>> float(area_within(square, 2.0).sum()), float(area_within(square, 1.0).sum().round(6))
    (4.0, 3.141593)
    """
    x1, y1, x2, y2 = edges
    enters, leaves = _crossings(edges, radius_m)
    dx, dy = x2 - x1, y2 - y1
    in_x, in_y = x1 + enters * dx, y1 + enters * dy
    out_x, out_y = x1 + leaves * dx, y1 + leaves * dy
    inside = (in_x * out_y - in_y * out_x) / 2.0
    before = np.where(enters > 0.0, _angle(x1, y1, in_x, in_y), 0.0)
    after = np.where(leaves < 1.0, _angle(out_x, out_y, x2, y2), 0.0)
    misses = leaves <= enters
    arc = np.where(misses, _angle(x1, y1, x2, y2), before + after)
    return np.where(misses, 0.0, inside) + arc * radius_m**2 / 2.0


def _crossings(segments: Segments, radius_m: float) -> tuple[FloatArray, FloatArray]:
    """Say from which to which fraction each segment is within the circle; equal if nowhere."""
    x1, y1, x2, y2 = segments
    dx, dy = x2 - x1, y2 - y1
    square = dx * dx + dy * dy
    half = x1 * dx + y1 * dy
    rest = x1 * x1 + y1 * y1 - radius_m**2
    discriminant = half * half - square * rest
    crosses = (square > 0) & (discriminant > 0)
    root = np.sqrt(np.where(crosses, discriminant, 0.0))
    safe = np.where(crosses, square, 1.0)
    enters = np.where(crosses, np.clip((-half - root) / safe, 0.0, 1.0), 0.0)
    leaves = np.where(crosses, np.clip((-half + root) / safe, 0.0, 1.0), 0.0)
    return enters, leaves


def _angle(x1: FloatArray, y1: FloatArray, x2: FloatArray, y2: FloatArray) -> FloatArray:
    return np.arctan2(x1 * y2 - y1 * x2, x1 * x2 + y1 * y2)
