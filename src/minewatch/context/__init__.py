"""Context: what OpenStreetMap knows around every place."""

from minewatch.context._area import site_neighbourhoods
from minewatch.context._channels import draw_channels, stack_channels
from minewatch.context._extract import extract_features
from minewatch.context._features import Features, read_features, write_features
from minewatch.context._fetch import fetch_features
from minewatch.context._folder import Context, open_context, write_context
from minewatch.context._geofabrik import RegionSource
from minewatch.context._layers import DEFAULT_LAYERS, Layer
from minewatch.context._measure import measure_context
from minewatch.context._overpass import OverpassSource

__all__ = [
    "DEFAULT_LAYERS",
    "Context",
    "Features",
    "Layer",
    "OverpassSource",
    "RegionSource",
    "draw_channels",
    "extract_features",
    "fetch_features",
    "measure_context",
    "open_context",
    "read_features",
    "site_neighbourhoods",
    "stack_channels",
    "write_context",
    "write_features",
]
