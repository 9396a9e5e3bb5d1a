"""Sites as places: which have coordinates, where they lie in metres, which are independent."""

from functools import lru_cache

import geopandas as gpd
import numpy as np
import pandas as pd
from pyproj import Transformer

from minewatch.sites import CLASS_NAMES, cluster_sites
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray


def in_order(sites: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Sort sites by site_id, so that no result depends on the order in which they came."""
    return sites.sort_index()


def is_placed(sites: gpd.GeoDataFrame) -> BoolArray:
    """Say which sites have coordinates."""
    geometry = sites.geometry
    return np.asarray(geometry.notna() & ~geometry.is_empty, dtype=np.bool_)


def labels_as_float(labels: pd.Series) -> FloatArray:
    """Give labels as 1.0 (mining), 0.0 (no mining) and NaN (unlabelled)."""
    return labels.to_numpy(dtype=np.float64, na_value=np.nan)


def class_words(labels: FloatArray) -> list[str]:
    """Give the name of each site's class."""
    return [CLASS_NAMES.get(int(x), "unlabelled") if x == x else "unlabelled" for x in labels]


def earth_centred_m(sites: gpd.GeoDataFrame) -> FloatArray:
    """Give earth-centred coordinates (EPSG:4978, WGS 84), in metres.

    Straight lines between them are distances on the ground to within 1 part in 100,000 up to
    100 km, wherever the sites lie and however many UTM zones they span.

    Returns
    -------
    ndarray of float64
        ``(site, 3)``. Every site must have a geometry.
    """
    geometry = sites.geometry
    longitude, latitude = geometry.x.to_numpy(), geometry.y.to_numpy()
    return np.column_stack(_to_earth_centred().transform(longitude, latitude, np.zeros(len(sites))))


@lru_cache(maxsize=1)
def _to_earth_centred() -> Transformer:
    return Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)


def independent_places(sites: gpd.GeoDataFrame, *, distance_m: float) -> IntArray:
    """Give each site the number of the independent place that it belongs to.

    Sites nearer than `distance_m`, directly or through others, are one place. A site without
    coordinates is a place of its own, for want of knowing better.

    Returns
    -------
    ndarray of int64
        ``(site,)``, in the order of `sites`.
    """
    placed = is_placed(sites)
    places = np.arange(len(sites), dtype=np.int64) + len(sites)
    if placed.any():
        places[placed] = cluster_sites(sites[placed], distance_m=distance_m).to_numpy()
    return as_codes(places)


def as_codes(groups: AnyArray | pd.Series) -> IntArray:
    """Give groups numbers from zero, in the order in which they first occur."""
    return np.asarray(pd.factorize(np.asarray(groups))[0], dtype=np.int64)
