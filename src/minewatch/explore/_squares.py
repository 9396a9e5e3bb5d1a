"""The ground that patches cover, as the dataset cut them."""

import geopandas as gpd
import numpy as np
import shapely
from pyproj import Transformer

from minewatch.grid import MAX_LATITUDE, MIN_LATITUDE, PatchGrid, utm_epsg
from minewatch.sites._squares import Squares
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray


def patch_squares(sites: gpd.GeoDataFrame, grid: PatchGrid) -> Squares:
    """Give the squares that patches cover, each in its UTM zone.

    A patch lies where the columns `crs` and `transform` put it, to the last bit, so that patches
    side by side only touch. One that has none, or lies in another CRS than UTM (WGS 84), turned or
    in another size, is taken for a square around the middle of its footprint or, without one,
    around its point.

    Parameters
    ----------
    sites
        Every one with a point, EPSG:4326.
    grid
        Size of the patches.
    """
    middles = _middles(sites)
    epsg, left, top = _around(middles, grid.side_m)
    stored = _stored_corners(sites, grid)
    known = ~np.isnan(stored[:, 0])
    epsg[known] = stored[known, 0].astype(np.int64)
    left[known], top[known] = stored[known, 1], stored[known, 2]
    return Squares(middles, grid, (epsg, left, top))


def _stored_corners(sites: gpd.GeoDataFrame, grid: PatchGrid) -> FloatArray:
    """Read ``(site, 3)`` EPSG code, left and top; NaN where none are stored or they do not fit."""
    corners = np.full((len(sites), 3), np.nan)
    if "crs" not in sites or "transform" not in sites:
        return corners
    has_both = (sites["crs"].notna() & sites["transform"].notna()).to_numpy(dtype=np.bool_)
    rows = np.flatnonzero(has_both)
    if len(rows) == 0:
        return corners
    six = np.array([text.split(",") for text in sites["transform"].iloc[rows]], dtype=np.float64)
    zones = sites["crs"].iloc[rows].str.extract(r"^EPSG:(32[67]\d\d)$")[0].astype("float64")
    fits = _is_upright(six, grid) & zones.notna().to_numpy(dtype=np.bool_)
    placed = np.column_stack([zones.to_numpy(dtype=np.float64), six[:, 2], six[:, 5]])
    corners[rows[fits]] = placed[fits]
    return corners


def _is_upright(six: FloatArray, grid: PatchGrid) -> BoolArray:
    """Say which transforms are north up and have the grid's pixels."""
    expected = np.array([grid.resolution_m, 0.0, 0.0, -grid.resolution_m])
    off = np.abs(six[:, [0, 1, 3, 4]] - expected).max(axis=1)
    return np.asarray(off < 1e-6 * grid.resolution_m)


def _middles(sites: gpd.GeoDataFrame) -> FloatArray:
    """Give longitude and latitude of the middle of each patch."""
    points = sites.geometry.to_numpy()
    if "footprint" in sites:
        centroids: AnyArray = shapely.centroid(np.asarray(sites["footprint"], dtype=object))
        known = ~(shapely.is_missing(centroids) | shapely.is_empty(centroids))
        points = np.where(known, centroids, points)
    return np.column_stack([shapely.get_x(points), shapely.get_y(points)])


def _around(middles: FloatArray, side_m: float) -> tuple[IntArray, FloatArray, FloatArray]:
    """Lay squares around places: UTM zone (EPSG code), left and top, metres."""
    longitude = middles[:, 0]
    latitude = np.clip(middles[:, 1], MIN_LATITUDE, MAX_LATITUDE)
    epsg = np.array([utm_epsg(*place) for place in zip(longitude, latitude, strict=True)])
    left, top = np.empty(len(epsg)), np.empty(len(epsg))
    for code in np.unique(epsg):
        own = epsg == code
        to_zone = Transformer.from_crs("EPSG:4326", f"EPSG:{code}", always_xy=True)
        easting, northing = to_zone.transform(longitude[own], latitude[own])
        left[own], top[own] = easting - side_m / 2.0, northing + side_m / 2.0
    return epsg, left, top
