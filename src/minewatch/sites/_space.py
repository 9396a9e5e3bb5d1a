"""Groups of sites in space: equal-area blocks, and clusters by distance."""

from functools import lru_cache
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
from pyproj import Transformer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from minewatch.errors import InputError
from minewatch.sites._distance import chord_m, earth_centred, lonlat
from minewatch.types import FloatArray, IntArray

EQUAL_AREA: Final = "+proj=cea +lat_ts=0 +ellps=WGS84 +units=m"
"""Cylindrical equal-area on the ellipsoid (as EPSG:6933, but true to shape on the equator)."""

_BRUTE_FORCE: Final = 40_000


def spatial_blocks(sites: gpd.GeoDataFrame, *, block_m: float) -> "pd.Series[str]":
    """Label each site with the block it lies in.

    Blocks tile the whole Earth from longitude 0°, latitude 0°: a site's block depends neither on
    the order of the rows nor on the other sites.

    Parameters
    ----------
    sites
        A table of sites, points in EPSG:4326.
    block_m
        Side of a block, metres. Every block has the area of ``block_m`` × ``block_m`` on the
        ellipsoid; on the equator it is a square, at latitude φ it is cos φ times as wide and
        1 / cos φ times as high (3 % at 14°).

    Returns
    -------
    pandas.Series
        Index site_id, text ``column_row`` counted from 0°, 0°; missing for a site without a point.

    Raises
    ------
    InputError
        If `block_m` is not positive.

    Examples
    --------
    >>> sites = gpd.GeoDataFrame(
    ...     index=pd.Index(["a", "b", "c"], name="site_id"),
    ...     geometry=gpd.points_from_xy([-62.60, -62.60, -62.50], [5.40, 5.41, 5.40]),
    ...     crs="EPSG:4326",
    ... )
    >>> spatial_blocks(sites, block_m=3000).to_dict()
    {'a': '-2323_198', 'b': '-2323_199', 'c': '-2320_198'}
    """
    if not block_m > 0:
        raise InputError(f"block_m is {block_m}; expected a length above 0, in metres")
    places = lonlat(sites)
    placed = np.isfinite(places).all(axis=1)
    blocks = np.full(len(places), None, dtype=np.object_)
    cells = np.floor(to_equal_area(places[placed]) / block_m).astype(np.int64)
    blocks[placed] = [f"{column}_{row}" for column, row in cells]
    return pd.Series(blocks, index=sites.index, dtype="str", name="block")


def cluster_sites(sites: gpd.GeoDataFrame, *, distance_m: float) -> "pd.Series[int]":
    """Group sites that hang together by steps of at most a given distance.

    This is single linkage (DBSCAN with one point as a core): two sites of one cluster may be far
    apart, two sites of different clusters never lie within `distance_m` of each other.

    Parameters
    ----------
    sites
        A table of sites, points in EPSG:4326.
    distance_m
        Longest step, metres on the ellipsoid, exact to 0.1 mm at 20 km and 15 m at 1,000 km.

    Returns
    -------
    pandas.Series
        Index site_id, int64: clusters counted from 0 in the order of their first site_id, whatever
        the order of the rows; -1 for a site without a point.

    Raises
    ------
    InputError
        If `distance_m` is not positive.

    Examples
    --------
    >>> sites = gpd.GeoDataFrame(
    ...     index=pd.Index(["a", "b", "c"], name="site_id"),
    ...     geometry=gpd.points_from_xy([-62.60, -62.60, -62.50], [5.40, 5.41, 5.40]),
    ...     crs="EPSG:4326",
    ... )
    >>> cluster_sites(sites, distance_m=3000).to_dict()
    {'a': 0, 'b': 0, 'c': 1}
    """
    if not distance_m > 0:
        raise InputError(f"distance_m is {distance_m}; expected a length above 0, in metres")
    places = lonlat(sites)
    placed = np.isfinite(places).all(axis=1)
    clusters = np.full(len(places), -1, dtype=np.int64)
    if placed.any():
        groups = _linked(earth_centred(places[placed]), chord_m(distance_m))
        names = pd.Series(sites.index[placed].astype("str"))
        first = names.groupby(groups).min()
        clusters[placed] = (first.rank(method="first").astype("int64") - 1).to_numpy()[groups]
    return pd.Series(clusters, index=sites.index, name="cluster")


def to_equal_area(places: FloatArray) -> FloatArray:
    """Project longitudes and latitudes (n, 2) to equal-area eastings and northings, metres."""
    return np.column_stack(_equal_area().transform(places[:, 0], places[:, 1]))


def from_equal_area(easting_northing: FloatArray) -> FloatArray:
    """Bring equal-area eastings and northings (n, 2) back to longitudes and latitudes."""
    easting, northing = easting_northing.T
    return np.column_stack(_equal_area().transform(easting, northing, direction="INVERSE"))


@lru_cache(maxsize=1)
def _equal_area() -> Transformer:
    return Transformer.from_crs("EPSG:4326", EQUAL_AREA, always_xy=True)


def _linked(earth: FloatArray, chord: float) -> IntArray:
    # Listing every pair within 20 km would not fit into memory for dense sites. So: cells so small
    # that all in one cell are linked, then links between cells, most of them found by one
    # representative each.
    cells, cell_of = np.unique(
        np.floor(earth / (chord / np.sqrt(3.0))).astype(np.int64), axis=0, return_inverse=True
    )
    cell_of = cell_of.ravel()
    pairs = KDTree(cells).query_pairs(2.5, p=np.inf, output_type="ndarray")
    order = np.argsort(cell_of, kind="stable")
    starts = np.searchsorted(cell_of[order], np.arange(len(cells)))
    members = np.split(order, starts[1:])
    representative = earth[order[starts]]
    gap = np.linalg.norm(representative[pairs[:, 0]] - representative[pairs[:, 1]], axis=1)
    links = pairs[gap <= chord]
    groups = _components(links, len(cells))
    sizes = np.bincount(cell_of, minlength=len(cells))
    open_pairs = pairs[(gap > chord) & (sizes[pairs] > 1).any(axis=1)]
    open_pairs = open_pairs[groups[open_pairs[:, 0]] != groups[open_pairs[:, 1]]]
    more = [(a, b) for a, b in open_pairs if _touch(earth[members[a]], earth[members[b]], chord)]
    if more:
        groups = _components(np.vstack([links, more]), len(cells))
    return groups[cell_of]


def _components(links: IntArray, count: int) -> IntArray:
    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _touch(some: FloatArray, others: FloatArray, chord: float) -> bool:
    if len(some) * len(others) <= _BRUTE_FORCE:
        return bool((cdist(some, others) <= chord).any())
    few, many = sorted((some, others), key=len)
    return bool(np.min(KDTree(many).query(few)[0]) <= chord)
