"""Features: the table of what is mapped; its schema, its files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import pandas as pd


@dataclass(frozen=True)
class Features:
    """What OpenStreetMap knows of an area, and where it was taken from."""

    table: gpd.GeoDataFrame
    """One row per feature, EPSG:4326. Index ``feature_id``: ``node/1``, ``way/2``, ``relation/3``,
    unique, in the order of type, then number. One `str` column per layer: the value of its tag, NA
    where the feature is not in that layer. ``target``, `str`: the tag or word that names the
    target, else NA. ``kind``: point, line or area. ``tags``: the remaining tags, an Arrow map
    (``dict(table.loc[feature_id, "tags"])``). ``geometry``: Point, LineString, Polygon or
    MultiPolygon; longitude first; never empty."""
    dropped: pd.DataFrame
    """What could not be taken as it is, one row each: ``feature_id``, ``reason``, and ``repaired``:
    true if it is in the table with a mended geometry, false if it is not in the table."""
    info: Mapping[str, Any]
    """Where it comes from: ``attribution``, ``osm_timestamp`` (ISO 8601, UTC; None if the file does
    not say), ``source``, ``area``, ``layers``, ``counts``, ``versions``."""
