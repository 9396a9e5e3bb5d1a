"""Footprints and places as polygons in degrees, whole on both sides of the date line."""

from functools import lru_cache
from typing import Any, Final

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from minewatch.errors import InputError

EDGE_POINTS: Final = 9
"""Points along each edge of a place when it is projected to degrees."""
MOST_LONGITUDE: Final = 540.0
"""Footprints across the date line may run on beyond 180°, but never twice around."""


def cut_at_date_line(geometry: BaseGeometry) -> BaseGeometry:
    """Cut a small geometry that crosses 180° in two, each part within -180 to 180.

    Catalogues write such geometries in three ways: jumping from 179 to -179, running on past 180,
    or cut already. All three come out cut.

    Parameters
    ----------
    geometry
        Polygon or multipolygon, degrees; no part is wider than 180° on the ground.

    Examples
    --------
    >>> jumping = shapely.box(-179.5, 0, 179.5, 1)
    >>> [part.bounds for part in cut_at_date_line(jumping).geoms]
    [(179.5, 0.0, 180.0, 1.0), (-180.0, 0.0, -179.5, 1.0)]
    """
    parts = [_unwrap(part) for part in shapely.get_parts(geometry)]
    pieces = [piece for part in parts for piece in _cut(part)]
    return shapely.union_all(pieces) if len(pieces) > 2 else _gather(pieces)


def read_footprint(geometry: Any) -> BaseGeometry:
    """Read a GeoJSON geometry as a valid one, cut at the date line.

    Raises
    ------
    ValueError
        If it is not a geometry in degrees.
    """
    try:
        found = shapely.geometry.shape(geometry)
        if found.is_empty:
            raise ValueError("an empty geometry")
        west, south, east, north = found.bounds
        if not (-MOST_LONGITUDE <= west <= east <= MOST_LONGITUDE and -90 <= south <= north <= 90):
            raise ValueError(f"{found.bounds} are no degrees")
        return shapely.make_valid(cut_at_date_line(found))
    except (AttributeError, KeyError, TypeError, IndexError, shapely.errors.ShapelyError) as error:
        raise ValueError(f"not a GeoJSON geometry: {error}") from error


def place_polygon(geobox: GeoBox, *, margin_m: float = 0.0) -> BaseGeometry:
    """Give the outline of a place in degrees (EPSG:4326), cut at the date line.

    Parameters
    ----------
    geobox
        The place, in metres.
    margin_m
        How far the outline is moved outwards, metres of the place's CRS.

    Raises
    ------
    InputError
        If the place has no CRS.
    """
    box = geobox.boundingbox
    outline = shapely.box(box.left, box.bottom, box.right, box.top).buffer(
        margin_m, join_style="mitre"
    )
    longest = max(box.right - box.left, box.top - box.bottom) + 2 * margin_m
    outline = shapely.segmentize(outline, longest / EDGE_POINTS)
    if geobox.crs is None:
        raise InputError("the place has no CRS; give a GeoBox that has one")
    to_degrees = _to_degrees(geobox.crs.to_wkt())
    degrees = shapely.transform(
        outline, lambda points: np.column_stack(to_degrees.transform(points[:, 0], points[:, 1]))
    )
    return cut_at_date_line(degrees)


@lru_cache(maxsize=128)
def _to_degrees(crs: str) -> Transformer:
    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


def _unwrap(part: BaseGeometry) -> BaseGeometry:
    """Let a part that jumps from 179 to -179 run on past 180 instead."""
    west, _, east, _ = part.bounds
    if east - west <= 180.0:
        return part
    return shapely.transform(
        part,
        lambda points: np.column_stack(
            [np.where(points[:, 0] < 0, points[:, 0] + 360.0, points[:, 0]), points[:, 1]]
        ),
    )


def _cut(part: BaseGeometry) -> list[BaseGeometry]:
    west, south, east, north = part.bounds
    if east <= 180.0 and west >= -180.0:
        return [part]
    if west < -180.0:
        part = translate(part, xoff=360.0)
        west, east = west + 360.0, east + 360.0
    if west >= 180.0:
        return [translate(part, xoff=-360.0)]
    part = shapely.make_valid(part)
    inside = part.intersection(shapely.box(west, south, 180.0, north))
    beyond = part.intersection(shapely.box(180.0, south, east, north))
    return [inside, translate(beyond, xoff=-360.0)]


def _gather(pieces: list[BaseGeometry]) -> BaseGeometry:
    polygons = [polygon for piece in pieces for polygon in shapely.get_parts(piece)]
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)
