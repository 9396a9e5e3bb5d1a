"""Distances between places on the WGS 84 ellipsoid.

Neighbours are searched by straight lines through the Earth (earth-centred coordinates in a KD-tree,
where no projection distorts and no meridian is a border); the distances given are geodesics.
"""

from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Geod
from scipy.spatial import KDTree

from minewatch.types import AnyArray, FloatArray, IntArray

GEOD: Final = Geod(ellps="WGS84")
EARTH_RADIUS_M: Final = 6_371_008.8
"""Mean radius of the Earth (IUGG), metres."""

_LARGEST_RADIUS_M: Final = 6_410_000.0
"""More than any radius of curvature of the ellipsoid (6,399,594 m at the poles)."""
_NEIGHBOURS: Final = 5


def nearest_distance_m(
    sites: gpd.GeoDataFrame, *, others: gpd.GeoDataFrame | None = None
) -> "pd.Series[float]":
    """Measure how far each site is from the nearest other one.

    Parameters
    ----------
    sites
        A table of sites, points in EPSG:4326.
    others
        The table of sites to measure to. None: the other rows of `sites`. A site that stands in
        both tables is at distance 0 from itself.

    Returns
    -------
    pandas.Series
        Index site_id, float64 metres along the geodesic on the WGS 84 ellipsoid; NaN for a site
        without a point, or if there is no other.

    Examples
    --------
    >>> sites = gpd.GeoDataFrame(
    ...     index=pd.Index(["a", "b", "c"], name="site_id"),
    ...     geometry=gpd.points_from_xy([-62.60, -62.60, -62.50], [5.40, 5.41, 5.40]),
    ...     crs="EPSG:4326",
    ... )
    >>> nearest_distance_m(sites).round(1).to_dict()
    {'a': 1105.8, 'b': 1105.8, 'c': 11082.9}
    """
    places = lonlat(sites)
    placed = np.isfinite(places).all(axis=1)
    distance = np.full(len(places), np.nan)
    if others is None:
        distance[placed] = nearest_other(places[placed])
    else:
        distance[placed] = nearest_of(places[placed], lonlat(others))
    return pd.Series(distance, index=sites.index, name="nearest_m")


def lonlat(sites: gpd.GeoDataFrame) -> FloatArray:
    """Give longitude and latitude of every row (n, 2), degrees; NaN where there is no point."""
    points = single_points(sites.geometry.to_numpy())
    is_point = (shapely.get_type_id(points) == shapely.GeometryType.POINT) & ~shapely.is_empty(
        points
    )
    places = np.full((len(points), 2), np.nan)
    places[is_point, 0] = shapely.get_x(points[is_point])
    places[is_point, 1] = shapely.get_y(points[is_point])
    places[~np.isfinite(places).all(axis=1)] = np.nan
    return places


def single_points(geometry: AnyArray) -> AnyArray:
    """Turn multipoints that hold exactly one point into that point; leave the rest alone."""
    single = (shapely.get_type_id(geometry) == shapely.GeometryType.MULTIPOINT) & (
        shapely.get_num_geometries(geometry) == 1
    )
    points = geometry.copy()
    points[single] = shapely.get_geometry(geometry[single], 0)
    return points


def earth_centred(places: FloatArray) -> FloatArray:
    """Give the earth-centred coordinates (n, 3), metres, of longitudes and latitudes (n, 2)."""
    longitude, latitude = np.radians(places.T)
    normal = GEOD.a / np.sqrt(1.0 - GEOD.es * np.sin(latitude) ** 2)
    return np.column_stack(
        [
            normal * np.cos(latitude) * np.cos(longitude),
            normal * np.cos(latitude) * np.sin(longitude),
            normal * (1.0 - GEOD.es) * np.sin(latitude),
        ]
    )


def chord_m(distance_m: float) -> float:
    """Give the straight line through the Earth that spans a distance along its surface.

    On a sphere of mean radius: against the ellipsoid it errs by less than 0.1 mm at 20 km and
    15 m at 1,000 km.
    """
    angle = min(distance_m / EARTH_RADIUS_M, np.pi)
    return float(2.0 * EARTH_RADIUS_M * np.sin(angle / 2.0))


def geodesic_m(start: FloatArray, end: FloatArray) -> FloatArray:
    """Measure the geodesics between places (n, 2) and places (n, 2), metres."""
    _, _, distance = GEOD.inv(start[:, 0], start[:, 1], end[:, 0], end[:, 1])
    return np.asarray(distance, dtype=np.float64)


def nearest_of(places: FloatArray, others: FloatArray) -> FloatArray:
    """Measure from every place (n, 2) to the nearest of `others` (m, 2); NaN if there is none."""
    targets = np.unique(others[np.isfinite(others).all(axis=1)], axis=0)
    if len(targets) == 0 or len(places) == 0:
        return np.full(len(places), np.nan)
    count = min(_NEIGHBOURS, len(targets))
    chords, found = _query(earth_centred(targets), earth_centred(places), count)
    return _shortest(places, targets, chords, found)


def nearest_other(places: FloatArray) -> FloatArray:
    """Measure from every place (n, 2) to the nearest other row; NaN if there is none."""
    targets, place_of, copies = np.unique(places, axis=0, return_inverse=True, return_counts=True)
    if len(targets) < 2:
        return np.full(len(places), 0.0 if len(places) > 1 else np.nan)
    count = min(_NEIGHBOURS + 1, len(targets))
    earth = earth_centred(targets)
    chords, found = _query(earth, earth, count)
    distance = _shortest(targets, targets, chords[:, 1:], found[:, 1:], without_self=True)
    distance[copies > 1] = 0.0
    return np.asarray(distance[place_of.ravel()], dtype=np.float64)


def _query(targets: FloatArray, places: FloatArray, count: int) -> tuple[FloatArray, IntArray]:
    chords, found = KDTree(targets).query(places, k=range(1, count + 1))
    return np.asarray(chords, dtype=np.float64), np.asarray(found, dtype=np.int64)


def _shortest(
    places: FloatArray,
    targets: FloatArray,
    chords: FloatArray,
    found: IntArray,
    *,
    without_self: bool = False,
) -> FloatArray:
    # The nearest by chord is not always the nearest by geodesic, for the Earth is not a sphere. No
    # target beyond the last one found can be nearer than the least geodesic its chord allows; the
    # few rows where that does not settle it are measured against every target.
    count = found.shape[1]
    lengths = geodesic_m(np.repeat(places, count, axis=0), targets[found.ravel()])
    best: FloatArray = lengths.reshape(-1, count).min(axis=1)
    if count >= len(targets) - without_self:
        return best
    least = np.arcsin(np.minimum(chords[:, -1] / (2.0 * _LARGEST_RADIUS_M), 1.0))
    for row in np.flatnonzero(2.0 * _LARGEST_RADIUS_M * least < best):
        every = geodesic_m(np.broadcast_to(places[row], targets.shape), targets)
        if without_self:
            every[row] = np.inf
        best[row] = every.min()
    return best
