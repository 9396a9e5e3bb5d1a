"""Areas: which closed ways enclose ground, rings from the pieces of a relation, safe repair."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np
import shapely
from shapely.geometry import LineString, MultiLineString, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from minewatch.types import AnyArray, BoolArray

Rule: TypeAlias = tuple[Literal["all", "only", "but"], frozenset[str]]

SAFE_CHANGE: Final = 0.01
"""Two ways to repair an area may differ by this share of it; if they differ by more, nobody can
tell what was meant."""
SAFE_GAP: Final = 0.1
"""This share of a relation's boundary may fail to close before the relation is dropped, if what it
may have enclosed, a hole or an island, is less than `SAFE_CHANGE` of its area."""


def _only(*values: str) -> Rule:
    return "only", frozenset(values)


def _but(*values: str) -> Rule:
    return "but", frozenset(values)


_ALL: Final[Rule] = ("all", frozenset())
POLYGON_FEATURES: Final[Mapping[str, Rule]] = {
    "aeroway": _but("taxiway"),
    "barrier": _only("city_wall", "ditch", "hedge", "retaining_wall", "spikes"),
    "highway": _only("elevator", "escape", "rest_area", "services"),
    "man_made": _but("cutline", "embankment", "pipeline"),
    "natural": _but("arete", "cliff", "coastline", "ridge", "tree_row"),
    "power": _only("generator", "plant", "substation", "transformer"),
    "railway": _only("platform", "roundhouse", "station", "turntable"),
    "waterway": _only("boatyard", "dam", "dock", "riverbank"),
    **dict.fromkeys(
        (
            "amenity",
            "area",
            "area:highway",
            "boundary",
            "building",
            "building:part",
            "craft",
            "golf",
            "historic",
            "indoor",
            "landuse",
            "leisure",
            "military",
            "office",
            "place",
            "public_transport",
            "ruins",
            "shop",
            "tourism",
        ),
        _ALL,
    ),
}
"""Which tags make a closed way an area: OpenStreetMap's published list of polygon features
(https://wiki.openstreetmap.org/wiki/Overpass_turbo/Polygon_Features), which osmnx follows too."""


def encloses_ground(tags: Mapping[str, str]) -> bool:
    """Say whether a closed way with these tags is an area rather than a line.

    ``area=no`` makes it a line, whatever else it says. A roundabout, or any other closed road,
    stays a line unless it says ``area=yes``.

    References
    ----------
    https://wiki.openstreetmap.org/wiki/Overpass_turbo/Polygon_Features

    Examples
    --------
    >>> encloses_ground({"building": "yes"}), encloses_ground({"highway": "primary"})
    (True, False)
    >>> encloses_ground({"highway": "pedestrian", "area": "yes"})
    True
    """
    if tags.get("area") == "no":
        return False
    for key, value in tags.items():
        rule = POLYGON_FEATURES.get(key)
        if rule is not None and (
            rule[0] == "all" or (value in rule[1] if rule[0] == "only" else value not in rule[1])
        ):
            return True
    return False


def close_rings(lines: AnyArray) -> AnyArray:
    """Make a polygon of each closed line; None where it has fewer than four points."""
    polygons = np.full(len(lines), None, dtype=np.object_)
    enough = np.flatnonzero(shapely.get_num_coordinates(lines) >= 4)
    if len(enough) > 0:
        coordinates, owners = shapely.get_coordinates(lines[enough], return_index=True)
        rings = shapely.linearrings(coordinates, indices=owners)
        polygons[enough] = shapely.polygons(rings)
    return polygons


def repair_areas(areas: AnyArray) -> tuple[AnyArray, BoolArray]:
    """Repair invalid areas where that is safe.

    An area is repaired by two methods: one keeps every line and takes the ground that they enclose
    an odd number of times, the other merges what any ring encloses. If the two agree but for 1 %
    of the larger, the first is taken, without points and lines that enclose nothing.

    Parameters
    ----------
    areas
        Polygons and MultiPolygons, dtype object, any CRS.

    Returns
    -------
    tuple of numpy.ndarray
        The areas, None where they cannot be repaired safely; and which were not valid.

    References
    ----------
    https://libgeos.org/doxygen/classgeos_1_1operation_1_1valid_1_1MakeValid.html

    Examples
    --------
    >>> bow_tie = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    >>> areas, were_invalid = repair_areas(np.array([bow_tie], dtype=object))
    >>> areas[0].is_valid, areas[0].area, were_invalid.tolist()
    (True, 0.5, [True])
    """
    were_invalid = ~shapely.is_valid(areas)
    repaired = areas.copy()
    for place in np.flatnonzero(were_invalid):
        repaired[place] = _repair(areas[place])
    return repaired, were_invalid


def _repair(area: BaseGeometry) -> BaseGeometry | None:
    by_parity = _polygons_in(shapely.make_valid(area, method="linework"))
    by_merging = _polygons_in(shapely.make_valid(area, method="structure", keep_collapsed=False))
    larger = max(by_parity.area, by_merging.area)
    if by_parity.area <= 0.0 or abs(by_parity.area - by_merging.area) > SAFE_CHANGE * larger:
        return None
    return by_parity


def _polygons_in(geometry: BaseGeometry) -> BaseGeometry:
    """Give the polygonal part of a geometry: Polygon or MultiPolygon, empty if there is none."""
    if isinstance(geometry, Polygon | MultiPolygon):
        return geometry
    parts = shapely.get_parts(shapely.get_parts(np.array([geometry], dtype=np.object_)))
    polygons = [part for part in parts if isinstance(part, Polygon)]
    return shapely.union_all(polygons) if polygons else Polygon()


def relation_area(
    roles: Sequence[str], lines: Iterable[LineString]
) -> tuple[BaseGeometry, float, float]:
    """Put the area of a multipolygon or boundary together from the lines of its members.

    Lines with the role ``outer`` are joined to rings, lines with the role ``inner`` too; from each
    outer ring the inner ones that lie in it are cut out, so that an island in a lake's island
    stays. Lines without a role count by parity: a ring within a ring is a hole. Lines of other
    roles count for nothing.

    Parameters
    ----------
    roles, lines
        The role and the line of each member, no member twice.

    Returns
    -------
    tuple
        A Polygon or MultiPolygon, empty where no ring closes, perhaps invalid; the share of the
        boundary's length that closes no ring; and the most ground that it may have enclosed (the
        convex hulls of those lines), as a share of the area.

    References
    ----------
    https://wiki.openstreetmap.org/wiki/Relation:multipolygon

    Examples
    --------
    >>> lake = [LineString([(0, 0), (4, 0), (4, 4)]), LineString([(4, 4), (0, 4), (0, 0)])]
    >>> island = LineString([(1, 1), (2, 1), (2, 2), (1, 2), (1, 1)])
    >>> area, *open_shares = relation_area(["outer", "outer", "inner"], [*lake, island])
    >>> area.area, open_shares
    (15.0, [0.0, 0.0])
    """
    by_role: dict[str, list[LineString]] = {"outer": [], "inner": [], "": []}
    for role, line in zip(roles, lines, strict=True):
        if role in by_role:
            by_role[role].append(line)
    rings, lost, total, unsure = {}, 0.0, 0.0, 0.0
    for role, members in by_role.items():
        rings[role], unclosed = _rings(members)
        lost += unclosed.length
        unsure += sum(line.convex_hull.area for line in _joined(unclosed))
        total += sum(line.length for line in members)
    area = _cut_out(rings["outer"], rings["inner"])
    for ring in rings[""]:
        area = shapely.symmetric_difference(area, ring)
    drawn = _polygons_in(area)
    share = lost / total if total > 0.0 else 1.0
    return drawn, share, unsure / drawn.area if drawn.area > 0.0 else 1.0


def _joined(lines: BaseGeometry) -> list[BaseGeometry]:
    """Join lines that touch."""
    return list(shapely.get_parts(shapely.line_merge(shapely.union_all(lines))))


def _rings(lines: Sequence[LineString]) -> tuple[list[BaseGeometry], BaseGeometry]:
    """Join lines to areas, one per ring; give them and the lines that close no ring."""
    closed = [line for line in lines if line.is_closed]
    pieces = [line for line in lines if not line.is_closed]
    whole = close_rings(np.array(closed, dtype=np.object_))
    rings = [_valid(ring) for ring in whole if ring is not None]
    if not pieces:
        return rings, MultiLineString()
    faces, cuts, dangles, invalid = shapely.polygonize_full(pieces)
    unclosed = shapely.union_all([cuts, dangles, invalid])
    lost = float(cuts.length + dangles.length + invalid.length)
    found = list(shapely.get_parts(faces))
    used = sum(line.length for line in pieces) - lost
    if sum(face.length for face in found) > used * (1.0 + 1e-9):
        found = _odd_faces(found, pieces)
    return rings + found, unclosed


def _valid(ring: BaseGeometry) -> BaseGeometry:
    return ring if ring.is_valid else _polygons_in(shapely.make_valid(ring))


def _odd_faces(faces: Sequence[Polygon], lines: Sequence[LineString]) -> list[BaseGeometry]:
    """Keep the faces that a ray from within leaves through an odd number of lines.

    Rings that touch in two places enclose a gap that belongs to neither.
    """
    ends = [shapely.get_coordinates(line) for line in lines]
    start = np.concatenate([line[:-1] for line in ends])
    end = np.concatenate([line[1:] for line in ends])
    kept: list[BaseGeometry] = []
    for face in faces:
        inside = shapely.get_coordinates(shapely.point_on_surface(face))[0]
        spans = (start[:, 1] > inside[1]) != (end[:, 1] > inside[1])
        first, last = start[spans], end[spans]
        along = (inside[1] - first[:, 1]) / (last[:, 1] - first[:, 1])
        crossings = first[:, 0] + along * (last[:, 0] - first[:, 0])
        if np.count_nonzero(crossings > inside[0]) % 2 == 1:
            kept.append(face)
    return kept


def _cut_out(outer: Sequence[BaseGeometry], inner: Sequence[BaseGeometry]) -> BaseGeometry:
    """Cut from each outer area the inner ones that lie in it, then join what is left."""
    if not outer:
        return Polygon()
    holes = np.array(inner, dtype=np.object_)
    areas = []
    for area in outer:
        shapely.prepare(area)
        lies_in = shapely.contains(area, holes)
        overlaps = shapely.intersects(area, holes) & ~shapely.contains(holes, area)
        cut = holes[lies_in | overlaps]
        areas.append(shapely.difference(area, shapely.union_all(cut)) if len(cut) else area)
    return areas[0] if len(areas) == 1 else shapely.union_all(areas)
