"""The area that map features are taken from: a polygon, a box, or the surroundings of sites."""

from typing import Final, TypeAlias, cast

import geopandas as gpd
import numpy as np
import shapely
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from minewatch.errors import InputError
from minewatch.sites._distance import GEOD, lonlat
from minewatch.sites._regions import Region, read_region
from minewatch.types import FloatArray

Area: TypeAlias = Region | tuple[float, float, float, float]
"""A file of polygons, a table or series of them, a geometry (EPSG:4326), or bounds in degrees."""

_CORNERS: Final = 64
"""Corners of the polygon that stands for a circle."""
_ROOM: Final = 1.002
"""How much wider than the circle the polygon is; its sides, straight in degrees, bend inwards."""
_WORLD: Final = shapely.box(-180.0, -90.0, 180.0, 90.0)


def read_area(area: Area) -> BaseGeometry:
    """Give an area as one valid polygon or multipolygon within -180 to 180°.

    Parameters
    ----------
    area
        A file of polygons in any coordinate reference system that it names (GeoJSON, GeoPackage,
        Shapefile, GeoParquet, …), a GeoDataFrame or GeoSeries, a geometry in EPSG:4326, or west,
        south, east and north in degrees. Bounds whose west is greater than their east cross 180°,
        and may be 180° wide at most.

    Returns
    -------
    BaseGeometry
        EPSG:4326, longitude first.

    Raises
    ------
    InputError
        If it has no area, holds other than polygons, or reaches beyond the Earth.
    NotThereError
        If there is no such file.

    Examples
    --------
    >>> read_area((-63.0, 5.0, -62.5, 5.5)).bounds
    (-63.0, 5.0, -62.5, 5.5)
    >>> sorted(part.bounds for part in read_area((179.5, -17.0, -179.5, -16.0)).geoms)
    [(-180.0, -17.0, -179.5, -16.0), (179.5, -17.0, 180.0, -16.0)]
    """
    return cast("BaseGeometry", read_region(_box(area) if isinstance(area, tuple) else area))


def parse_bounds(text: str) -> tuple[float, float, float, float]:
    """Read ``W,S,E,N`` as four numbers, degrees.

    Raises
    ------
    InputError
        If it is not four numbers.

    Examples
    --------
    >>> parse_bounds("-63,5,-62.5,5.5")
    (-63.0, 5.0, -62.5, 5.5)
    """
    try:
        west, south, east, north = (float(word) for word in text.split(","))
    except ValueError as error:
        raise InputError(
            f"the box is {text!r}; expected west,south,east,north in degrees: -63,5,-62.5,5.5"
        ) from error
    return west, south, east, north


def site_neighbourhoods(sites: gpd.GeoDataFrame, *, radius_m: float) -> BaseGeometry:
    """Give all ground within a distance of any site, as one geometry.

    Each neighbourhood is a circle of true metres on the WGS 84 ellipsoid, drawn as a polygon of 64
    corners that lies around the circle (0.2 to 0.4 % wider), so that nothing within the distance is
    left out. Across 180° the geometry is cut in two.

    Parameters
    ----------
    sites
        A table of sites, points in EPSG:4326. Rows without a point are passed over.
    radius_m
        The distance, metres; more than 0 and at most 300 km.

    Returns
    -------
    BaseGeometry
        Polygon or multipolygon, EPSG:4326, within -180 to 180°.

    Raises
    ------
    InputError
        If no row has a point, or the distance is out of range.

    Examples
    --------
    >>> import pandas as pd
    >>> sites = gpd.GeoDataFrame(
    ...     index=pd.Index(["a", "b"], name="site_id"),
    ...     geometry=gpd.points_from_xy([-62.6, 179.99], [5.4, -16.5]),
    ...     crs="EPSG:4326",
    ... )
    >>> around = site_neighbourhoods(sites, radius_m=5_000)
    >>> sorted(tuple(round(edge, 2) for edge in part.bounds[:2]) for part in around.geoms)
    [(-180.0, -16.54), (-62.65, 5.35), (179.94, -16.55)]
    """
    if not 0.0 < radius_m <= 300_000.0:
        raise InputError(f"radius_m is {radius_m:g}; expected more than 0 and at most 300,000 m")
    places = lonlat(sites)
    places = np.unique(places[np.isfinite(places).all(axis=1)], axis=0)
    if len(places) == 0:
        raise InputError("no site has a point; expected points in EPSG:4326")
    return shapely.normalize(within_the_world(shapely.union_all(_circles(places, radius_m))))


def _circles(places: FloatArray, radius_m: float) -> list[BaseGeometry]:
    """Draw a polygon around the circle of every place (n, 2); longitudes run on past 180°."""
    azimuth = np.arange(_CORNERS) * (360.0 / _CORNERS)
    corner_m = radius_m * _ROOM / np.cos(np.pi / _CORNERS)
    longitude, latitude = (np.repeat(column, _CORNERS) for column in places.T)
    east, north, _ = GEOD.fwd(
        longitude, latitude, np.tile(azimuth, len(places)), np.full(len(longitude), corner_m)
    )
    east = longitude + (np.asarray(east) - longitude + 180.0) % 360.0 - 180.0
    rings = np.stack([east, np.asarray(north)], axis=-1).reshape(len(places), _CORNERS, 2)
    return [
        _polar_cap(ring, pole) if (pole := _pole_within(place, corner_m)) else shapely.Polygon(ring)
        for place, ring in zip(places, rings, strict=True)
    ]


def _pole_within(place: FloatArray, radius_m: float) -> float:
    """Give the latitude of the pole that a circle holds; 0 if it holds none."""
    pole = 90.0 if place[1] > 0 else -90.0
    _, _, distance_m = GEOD.inv(place[0], place[1], place[0], pole)
    return pole if distance_m <= radius_m else 0.0


def _polar_cap(ring: FloatArray, pole: float) -> BaseGeometry:
    """Give all ground nearer to a pole than a ring around it ever is away from it."""
    edge = ring[:, 1].min() if pole > 0 else ring[:, 1].max()
    return shapely.box(-180.0, min(edge, pole), 180.0, max(edge, pole))


def within_the_world(ground: BaseGeometry) -> BaseGeometry:
    """Bring what runs on past 180° on either side back to the other one."""
    west, _, east, _ = shapely.bounds(ground)
    if west >= -180.0 and east <= 180.0:
        return ground
    shifted = [translate(ground, xoff=turn) for turn in (-360.0, 0.0, 360.0)]
    return shapely.union_all([shapely.intersection(part, _WORLD) for part in shifted])


def crosses_180(area: BaseGeometry) -> bool:
    """Say whether an area, -180 to 180°, lies on both sides of 180°.

    Examples
    --------
    >>> crosses_180(read_area((179.5, -17.0, -179.5, -16.0)))
    True
    """
    west, _, east, _ = area.bounds
    is_in_parts = shapely.get_num_geometries(area) > 1
    return bool(is_in_parts and west <= -180.0 and east >= 180.0)


def _box(bounds: tuple[float, float, float, float]) -> BaseGeometry:
    west, south, east, north = bounds
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90):
        raise InputError(
            f"the box is {west:g},{south:g},{east:g},{north:g}; expected west,south,east,north in "
            "degrees, south below north"
        )
    if west < east:
        return shapely.box(west, south, east, north)
    if west == east:
        raise InputError(f"the box has no width: west and east are both {west:g}")
    width = east - west + 360.0
    if width > 180.0:
        raise InputError(
            f"the box is {west:g},{south:g},{east:g},{north:g}: from {west:g} east across 180° to "
            f"{east:g} it is {width:g}° wide; expected at most 180° where west is greater than "
            "east; were they swapped?"
        )
    halves = [
        shapely.box(*half)
        for half in ((west, south, 180.0, north), (-180.0, south, east, north))
        if half[0] < half[2]
    ]
    return shapely.union_all(halves)
