"""Geometry taken apart into short pieces that arrays can hold and a tree can find.

Lines, and the borders of areas, become pieces of a few segments; areas become small polygons. Each
piece knows the circle that holds it, so that most questions (is it near? is it within?) need no
look at its segments.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely

from minewatch.context._circle import Segments
from minewatch.context._ground import diagonals
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

_PIECE_SEGMENTS: Final = 8
_PART_VERTICES: Final = 64
_MOST_HALVINGS: Final = 40
_MOST_NESTED: Final = 4


@dataclass(frozen=True)
class Pieces:
    """Runs of segments in the plane, sorted by feature.

    Attributes
    ----------
    segments
        Ends of every segment, metres of the plane; a point is a segment of no length.
    first, count
        Which segments each piece has.
    feature
        Position of the feature of each piece.
    amount
        What the piece contributes where it is whole: length (m) of a line, area (m²) of an area's
        part; 0 for what has none.
    center_x, center_y, radius
        The circle around the piece, metres of the plane.
    tree
        Index of the bounds of the pieces.
    """

    segments: Segments
    first: IntArray
    count: IntArray
    feature: IntArray
    amount: FloatArray
    center_x: FloatArray
    center_y: FloatArray
    radius: FloatArray
    tree: shapely.STRtree

    def __len__(self) -> int:
        return len(self.feature)

    def expand(self, chosen: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """List the segments of chosen pieces.

        Returns
        -------
        owner
            Which of `chosen` each segment belongs to.
        segment
            Its position among all segments.
        starts
            Where the segments of each of `chosen` begin in the list.
        """
        counts = self.count[chosen]
        starts = np.cumsum(counts) - counts
        owner = np.repeat(np.arange(len(chosen)), counts)
        segment = np.arange(len(owner)) - starts[owner] + self.first[chosen][owner]
        return owner, segment, starts

    def relative(
        self, segment: IntArray, x: FloatArray, y: FloatArray, scale: FloatArray
    ) -> Segments:
        """Give segments as seen from places, in metres on the ground."""
        return Segments(
            *(
                (ends[segment] - origin) / scale
                for ends, origin in zip(self.segments, (x, y, x, y), strict=True)
            )
        )


def border_pieces(geometry: AnyArray) -> Pieces:
    """Take lines, borders of areas and points apart; `amount` is the length of lines.

    Features without geometry have no pieces.
    """
    parts, part_owner = simple_parts(geometry)
    lines, owner = _linework(parts, part_owner)
    points, point_owner = _points(parts, part_owner)
    coordinates, line = shapely.get_coordinates(lines, return_index=True)
    joined = line[1:] == line[:-1]
    start, end = coordinates[:-1][joined], coordinates[1:][joined]
    of_line = line[:-1][joined]
    run = np.arange(len(of_line)) - np.searchsorted(of_line, of_line)
    feature = np.concatenate([owner[of_line], point_owner])
    order = np.argsort(feature, kind="stable")
    ends = np.column_stack([start, end])
    segments = np.concatenate([ends, np.column_stack([points, points])])[order]
    run = np.concatenate([run, np.zeros(len(points), dtype=np.int64)])[order]
    feature = feature[order]
    first = np.flatnonzero(run % _PIECE_SEGMENTS == 0)
    length = np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])
    length[shapely.get_dimensions(geometry)[feature] != 1] = 0.0
    return _gather(segments, first, feature, length)


def area_pieces(geometry: AnyArray) -> Pieces:
    """Cut areas into polygons of few vertices; `amount` is their area.

    Edges run so that the ground lies to their left.
    """
    parts, owner = simple_parts(geometry)
    polygons = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    parts, owner = _subdivide(_sound(parts[polygons]), owner[polygons])
    rings, of_part = shapely.get_rings(parts, return_index=True)
    is_outer = np.diff(of_part, prepend=-1) != 0
    turned = shapely.is_ccw(rings) != is_outer
    rings[turned] = shapely.reverse(rings[turned])
    coordinates, ring = shapely.get_coordinates(rings, return_index=True)
    joined = ring[1:] == ring[:-1]
    edges = np.column_stack([coordinates[:-1][joined], coordinates[1:][joined]])
    part = of_part[ring[:-1][joined]]
    first = np.flatnonzero(np.diff(part, prepend=-1))
    origin = edges[first][np.searchsorted(part[first], part)]
    cross = (edges[:, 0] - origin[:, 0]) * (edges[:, 3] - origin[:, 1]) - (
        edges[:, 2] - origin[:, 0]
    ) * (edges[:, 1] - origin[:, 1])
    return _gather(edges, first, owner[part], cross / 2.0)


def chosen_areas(geometry: AnyArray) -> BoolArray:
    """Say which features are areas."""
    return np.asarray(shapely.get_dimensions(geometry) == 2)


def _gather(segments: FloatArray, first: IntArray, feature: IntArray, amount: FloatArray) -> Pieces:
    if len(segments) == 0:
        empty, none = np.empty(0), np.empty(0, dtype=np.int64)
        tree = shapely.STRtree([])
        return Pieces(
            Segments(*(empty,) * 4), none, none, none, empty, empty, empty, empty, tree
        )  # fmt: skip
    x1, y1, x2, y2 = np.ascontiguousarray(segments.T)
    west = np.minimum.reduceat(np.minimum(x1, x2), first)
    south = np.minimum.reduceat(np.minimum(y1, y2), first)
    east = np.maximum.reduceat(np.maximum(x1, x2), first)
    north = np.maximum.reduceat(np.maximum(y1, y2), first)
    return Pieces(
        segments=Segments(x1, y1, x2, y2),
        first=first,
        count=np.diff(first, append=len(segments)),
        feature=feature[first],
        amount=np.add.reduceat(amount, first),
        center_x=(west + east) / 2.0,
        center_y=(south + north) / 2.0,
        radius=np.hypot(east - west, north - south) / 2.0,
        tree=shapely.STRtree(diagonals(west, south, east, north)),
    )


def _linework(parts: AnyArray, owner: IntArray) -> tuple[AnyArray, IntArray]:
    """Give the lines, and the rings of areas, with the feature that each belongs to."""
    kinds = shapely.get_type_id(parts)
    areas = kinds == shapely.GeometryType.POLYGON
    lines = np.isin(kinds, (shapely.GeometryType.LINESTRING, shapely.GeometryType.LINEARRING))
    rings, of_area = shapely.get_rings(parts[areas], return_index=True)
    every = np.concatenate([parts[lines], rings])
    owners = np.concatenate([owner[lines], owner[areas][of_area]])
    order = np.argsort(owners, kind="stable")
    return every[order], owners[order]


def _points(parts: AnyArray, owner: IntArray) -> tuple[FloatArray, IntArray]:
    points = shapely.get_type_id(parts) == shapely.GeometryType.POINT
    return shapely.get_coordinates(parts[points]), owner[points]


def simple_parts(geometry: AnyArray) -> tuple[AnyArray, IntArray]:
    """Take collections apart, and collections within them; what is empty is left out."""
    parts, owner = geometry, np.arange(len(geometry))
    for _ in range(_MOST_NESTED):
        several = shapely.get_type_id(parts) >= shapely.GeometryType.MULTIPOINT
        if not several.any():
            break
        inner, of_part = shapely.get_parts(parts[several], return_index=True)
        owners = np.concatenate([owner[~several], owner[several][of_part]])
        order = np.argsort(owners, kind="stable")
        parts, owner = np.concatenate([parts[~several], inner])[order], owners[order]
    held = ~(shapely.is_missing(parts) | shapely.is_empty(parts))
    return parts[held], owner[held]


def _sound(polygons: AnyArray) -> AnyArray:
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
