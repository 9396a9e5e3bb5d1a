"""Squares become polygons: united zone by zone, and across the borders of zones."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from minewatch.scan._merge_windows import to_degrees, to_plane
from minewatch.sites._space import from_equal_area, to_equal_area
from minewatch.types import AnyArray, FloatArray, IntArray

_STRAIGHT_DEGREES: Final = 0.01
_SNAP_M: Final = 0.01
_REACH_DEGREES: Final = 0.02
"""Polygons of neighbouring zones that may come within a gap are looked for so far apart."""
M2_PER_HA: Final = 10_000.0


def unite_squares(square: AnyArray, zone: IntArray, *, gap_m: float, is_exact: bool) -> AnyArray:
    """Unite squares to polygons in EPSG:4326, one per connected piece of ground.

    Squares of one zone are of one piece if they overlap or have an edge in common; a common corner
    alone joins nothing. Squares of different zones stand askew to each other: pieces that touch, or
    come within `gap_m`, are joined in the plane of the zone that has more of the ground, and slits
    and holes narrower than `gap_m` are filled there. So they are within a zone, unless `is_exact`:
    then there are none.

    Parameters
    ----------
    square, zone
        Polygons in metres of the plane of their zone, and its number, dims (window).
    gap_m
        Metres; 0 fills nothing.
    is_exact
        Whether corners lie on a common grid.

    Returns
    -------
    ndarray of Polygon or MultiPolygon
        In no particular order. MultiPolygon only where 180° cuts one.
    """
    parts, zones = [], []
    for number in np.unique(zone):
        ground = shapely.union_all(square[zone == number])
        pieces = _pieces(ground if is_exact else _close(ground, gap_m))
        parts.append(pieces)
        zones.append(np.full(len(pieces), number))
    if not parts:
        return np.empty(0, dtype=object)
    return _join_zones(np.concatenate(parts), np.concatenate(zones), gap_m)


def _join_zones(part: AnyArray, zone: IntArray, gap_m: float) -> AnyArray:
    degrees = np.empty(len(part), dtype=object)
    for number in np.unique(zone):
        own = zone == number
        degrees[own] = to_degrees(part[own], int(number))
    group = linked(len(part), _neighbours(part, zone, degrees, gap_m))
    sizes = np.bincount(group)
    alone = sizes[group] == 1
    joined = [
        _join(part[group == number], zone[group == number], gap_m)
        for number in np.flatnonzero(sizes > 1)
    ]
    return np.concatenate([degrees[alone], *joined])


def _neighbours(part: AnyArray, zone: IntArray, degrees: AnyArray, gap_m: float) -> IntArray:
    """List pairs of pieces of different zones that come within the gap of each other."""
    pieces, of = shapely.get_parts(degrees, return_index=True)
    reach = np.full(len(pieces), _REACH_DEGREES)
    found = [
        np.column_stack([of[one], of[two]]) for one, two, _ in near_boxes(pieces, reach, reach)
    ]
    pairs = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
    pairs = pairs[zone[pairs[:, 0]] != zone[pairs[:, 1]]]
    near = [
        shapely.dwithin(part[a], _moved(part[b], int(zone[b]), int(zone[a])), gap_m)
        for a, b in pairs
    ]
    return np.asarray(pairs[np.array(near, dtype=np.bool_)], dtype=np.int64)


def near_boxes(
    parts: AnyArray, aside: FloatArray, up: FloatArray | float
) -> Iterator[tuple[IntArray, IntArray, float]]:
    """List pairs of polygons whose boxes come near each other, here and across 180°.

    Parameters
    ----------
    parts
        Polygons of one part each, EPSG:4326; none crosses 180°.
    aside, up
        How near, east or west and north or south, degrees, dims (part).

    Yields
    ------
    one, two
        Positions of both, each pair in both orders, and each with itself.
    turn
        What brings the second to the first: 0, or 360 or −360 degrees east across 180°.
    """
    west, south, east, north = shapely.bounds(parts).reshape(-1, 4).T
    tree = shapely.STRtree(parts)
    beyond = {
        0.0: np.arange(len(parts)),
        360.0: np.flatnonzero(east + aside >= 180.0),
        -360.0: np.flatnonzero(west - aside <= -180.0),
    }
    for turn, rows in beyond.items():
        asked = shapely.box(
            (west - aside - turn)[rows],
            (south - up)[rows],
            (east + aside - turn)[rows],
            (north + up)[rows],
        )
        row, two = tree.query(asked)
        yield rows[row], np.asarray(two, dtype=np.int64), turn


def _join(part: AnyArray, zone: IntArray, gap_m: float) -> AnyArray:
    area = np.array([shapely.area(part[zone == one]).sum() for one in np.unique(zone)])
    main = int(np.unique(zone)[int(np.argmax(area))])
    moved = np.array([_moved(p, int(z), main) for p, z in zip(part, zone, strict=True)])
    ground = _close(shapely.union_all(moved), gap_m)
    return to_degrees(_pieces(ground), main)


def _moved(polygon: shapely.Geometry, zone: int, to_zone: int) -> shapely.Geometry:
    """Bring a polygon to the plane of another zone; over a window an edge bends 5 mm at most."""
    if zone == to_zone:
        return polygon
    one = np.array([polygon], dtype=object)
    moved: shapely.Geometry = to_plane(to_degrees(one, zone), to_zone)[0]
    return moved


def _close(ground: shapely.Geometry, gap_m: float) -> shapely.Geometry:
    """Fill slits and holes narrower than a gap; corners stay corners, nothing is taken away."""
    if gap_m <= 0:
        return ground
    half = gap_m / 2.0
    wide = shapely.buffer(ground, half, join_style="mitre", mitre_limit=2.0)
    filled = shapely.buffer(wide, -half, join_style="mitre", mitre_limit=2.0)
    return shapely.set_precision(shapely.union(ground, filled), _SNAP_M)


def _pieces(ground: shapely.Geometry) -> AnyArray:
    parts = shapely.get_parts(ground)
    return np.asarray(parts[shapely.area(parts) > 0])


def linked(count: int, pairs: IntArray) -> IntArray:
    """Give the number of the group that each thing is in, of those that pairs (n, 2) link."""
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def area_ha(polygons: AnyArray) -> FloatArray:
    """Measure polygons in EPSG:4326 on the ellipsoid, hectares; edges straight in degrees.

    In a cylindrical equal-area projection of the ellipsoid, sides longer than 0.01° given vertices.
    """
    fine = shapely.segmentize(np.asarray(polygons, dtype=object), _STRAIGHT_DEGREES)
    return np.asarray(shapely.area(shapely.transform(fine, to_equal_area)) / M2_PER_HA)


def points_within(polygons: AnyArray) -> FloatArray:
    """Give a point in every polygon, degrees (n, 2): its centroid, if that lies on its ground."""
    equal = shapely.transform(np.asarray(polygons, dtype=object), to_equal_area)
    centre = shapely.centroid(equal)
    outside = ~shapely.contains(equal, centre)
    centre[outside] = shapely.point_on_surface(equal[outside])
    return from_equal_area(shapely.get_coordinates(centre).reshape(-1, 2))
