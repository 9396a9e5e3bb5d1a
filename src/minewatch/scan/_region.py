"""The region of a scan: polygons, a file of them, or a rectangle in degrees."""

import math
from collections.abc import Sequence
from typing import cast

import shapely
from shapely.geometry.base import BaseGeometry

from minewatch import _store
from minewatch.errors import InputError
from minewatch.grid import MAX_LATITUDE, MIN_LATITUDE
from minewatch.sites._regions import Region, equal_area_m2, read_region

_SOME_DEGREES = 180.0


def open_region(region: Region) -> BaseGeometry:
    """Read a region and check that it can be scanned.

    Parameters
    ----------
    region
        Polygons in any CRS: a file (GeoJSON, GeoPackage, Shapefile, FlatGeobuf, KML, GeoParquet …),
        a table, or a geometry in EPSG:4326. Edges are straight in degrees.

    Returns
    -------
    shapely.Geometry
        One valid polygon or multipolygon, EPSG:4326, the same in whatever order its parts came.

    Raises
    ------
    NotThereError
        If there is no such file.
    InputError
        If there is no polygon, or it has no area, or leaves the latitudes where UTM zones are
        defined, or seems to have been drawn the wrong way around the globe.
    """
    ground = cast("BaseGeometry", read_region(region))
    for part in shapely.get_parts(ground):
        west, south, east, north = part.bounds
        if east - west > _SOME_DEGREES:
            raise InputError(
                f"a polygon of the region reaches from {west:g}° to {east:g}°, more than half "
                "around the globe; if it crosses 180°, cut it there in two, or give --bbox with a "
                "west that is greater than its east"
            )
        if south < MIN_LATITUDE or north > MAX_LATITUDE:
            raise InputError(
                f"the region reaches from latitude {south:g} to {north:g}; expected degrees from "
                f"{MIN_LATITUDE:g} to {MAX_LATITUDE:g}, where UTM zones are defined"
            )
    return ground


def read_bbox(bounds: str | Sequence[float]) -> BaseGeometry:
    """Make a region of a rectangle in degrees.

    Parameters
    ----------
    bounds
        West, south, east, north, EPSG:4326, as numbers or as text with commas. West is greater
        than east where the rectangle crosses 180°.

    Raises
    ------
    InputError
        If they are not four such numbers.

    Examples
    --------
    >>> read_bbox("-62.7,5.4,-62.6,5.5").bounds
    (-62.7, 5.4, -62.6, 5.5)
    >>> [part.bounds for part in read_bbox((179.5, -17, -179.5, -16)).geoms]
    [(179.5, -17.0, 180.0, -16.0), (-180.0, -17.0, -179.5, -16.0)]
    """
    given = bounds if isinstance(bounds, str) else ",".join(str(one) for one in bounds)
    try:
        west, south, east, north = (float(one) for one in given.split(","))
    except ValueError as error:
        raise InputError(
            f"bbox is {given!r}; expected four numbers, west,south,east,north in degrees"
        ) from error
    _check_bounds(west, south, east, north)
    if west < east:
        return shapely.box(west, south, east, north)
    sides = [(west, 180.0), (-180.0, east)]
    boxes = [shapely.box(low, south, high, north) for low, high in sides if low < high]
    return boxes[0] if len(boxes) == 1 else shapely.MultiPolygon(boxes)


def _check_bounds(west: float, south: float, east: float, north: float) -> None:
    said = f"bbox is {west:g},{south:g},{east:g},{north:g}"
    if not all(math.isfinite(one) for one in (west, south, east, north)):
        raise InputError(f"{said}; expected numbers of degrees")
    if not (-180 <= west <= 180 and -180 <= east <= 180):
        raise InputError(f"{said}; expected longitudes from -180 to 180, west first")
    if not (MIN_LATITUDE <= south <= MAX_LATITUDE and MIN_LATITUDE <= north <= MAX_LATITUDE):
        raise InputError(
            f"{said}; expected latitudes from {MIN_LATITUDE:g} to {MAX_LATITUDE:g}, south second "
            "and north last"
        )
    if south >= north:
        raise InputError(f"{said}; south is not below north: the order is west,south,east,north")
    width = (east - west) % 360.0
    if width == 0 or west == 180.0 == -east:
        raise InputError(f"{said}; it has no width, or goes once around the globe")
    if width > _SOME_DEGREES:
        raise InputError(
            f"{said}; it reaches {width:g}° around the globe: west and east are swapped, or cut it "
            "in parts of at most 180°"
        )


def describe_region(region: BaseGeometry) -> dict[str, float | str]:
    """Give a region's digest, the same for the same ground, and its area in hectares."""
    outline = shapely.to_wkb(shapely.normalize(region), byte_order=1, output_dimension=2)
    return {
        "digest": _store.digest_bytes(outline),
        "area_ha": round(equal_area_m2(region) / 10_000.0, 2),
    }
