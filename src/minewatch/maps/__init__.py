"""Maps: what was found, in files and pages for the people who were waiting for it.

`gather_contents` puts together what a map is made from, `write_files` writes it in the formats that
maps, phones and spreadsheets read, `write_map` as one page that opens anywhere.
"""

from typing import TYPE_CHECKING, Any

from minewatch._lazy import import_name

if TYPE_CHECKING:
    from minewatch.maps._attribution import describe_contents as describe_contents
    from minewatch.maps._contents import Composite as Composite
    from minewatch.maps._contents import MapContents, Period
    from minewatch.maps._gather import Layers, gather_contents
    from minewatch.maps._page import PageSettings as PageSettings
    from minewatch.maps._page import write_map
    from minewatch.maps._page_basemaps import Basemap as Basemap
    from minewatch.maps._raster_load import load_imagery as load_imagery
    from minewatch.maps._sheet import write_sheets as write_sheets
    from minewatch.maps._write import write_files

__all__ = ["Layers", "MapContents", "Period", "gather_contents", "write_files", "write_map"]

_MODULES = {
    "Basemap": "_page_basemaps",
    "Composite": "_contents",
    "Layers": "_gather",
    "MapContents": "_contents",
    "PageSettings": "_page",
    "Period": "_contents",
    "describe_contents": "_attribution",
    "gather_contents": "_gather",
    "load_imagery": "_raster_load",
    "write_files": "_write",
    "write_map": "_page",
    "write_sheets": "_sheet",
}


def __getattr__(name: str) -> Any:
    """Import a name on first use."""
    return import_name(__name__, _MODULES, name)


def __dir__() -> list[str]:
    """List every name that is here."""
    return sorted(_MODULES)
