"""Context: what OpenStreetMap knows around every place."""

from minewatch.context._area import site_neighbourhoods
from minewatch.context._extract import extract_features
from minewatch.context._features import Features, read_features, write_features
from minewatch.context._fetch import fetch_features
from minewatch.context._geofabrik import RegionSource
from minewatch.context._layers import DEFAULT_LAYERS, Layer
from minewatch.context._overpass import OverpassSource

__all__ = [
    "DEFAULT_LAYERS",
    "Features",
    "Layer",
    "OverpassSource",
    "RegionSource",
    "extract_features",
    "fetch_features",
    "read_features",
    "site_neighbourhoods",
    "write_features",
]
