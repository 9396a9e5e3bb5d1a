"""Context: what OpenStreetMap knows around every place.

`fetch_features` brings what is mapped, `measure_context` and `draw_channels` bring it to the
places, `write_context` keeps it, and `open_context` opens what was kept. Sources, layers and tables
of features that are used less have their names here too.
"""

from typing import TYPE_CHECKING, Any

from minewatch._lazy import import_name

if TYPE_CHECKING:
    from minewatch.context._area import site_neighbourhoods as site_neighbourhoods
    from minewatch.context._channels import draw_channels
    from minewatch.context._columns import target_columns as target_columns
    from minewatch.context._extract import extract_features
    from minewatch.context._features import Features, read_features
    from minewatch.context._features import write_features as write_features
    from minewatch.context._fetch import fetch_features
    from minewatch.context._folder import Context, open_context, write_context
    from minewatch.context._geofabrik import RegionSource as RegionSource
    from minewatch.context._layers import DEFAULT_LAYERS as DEFAULT_LAYERS
    from minewatch.context._layers import Layer
    from minewatch.context._measure import measure_context
    from minewatch.context._overpass import OverpassSource as OverpassSource
    from minewatch.context._stack import stack_channels as stack_channels

__all__ = [
    "Context",
    "Features",
    "Layer",
    "draw_channels",
    "extract_features",
    "fetch_features",
    "measure_context",
    "open_context",
    "read_features",
    "write_context",
]

_MODULES = {
    "DEFAULT_LAYERS": "_layers",
    "Context": "_folder",
    "Features": "_features",
    "Layer": "_layers",
    "OverpassSource": "_overpass",
    "RegionSource": "_geofabrik",
    "draw_channels": "_channels",
    "extract_features": "_extract",
    "fetch_features": "_fetch",
    "measure_context": "_measure",
    "open_context": "_folder",
    "read_features": "_features",
    "site_neighbourhoods": "_area",
    "stack_channels": "_stack",
    "target_columns": "_columns",
    "write_context": "_folder",
    "write_features": "_features",
}


def __getattr__(name: str) -> Any:
    """Import a name on first use: who opens a folder needs no reader of OpenStreetMap."""
    return import_name(__name__, _MODULES, name)


def __dir__() -> list[str]:
    """List what can be imported, so that completion finds it."""
    return sorted(_MODULES)
