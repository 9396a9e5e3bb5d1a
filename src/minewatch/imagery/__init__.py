"""Imagery: from a place and a period to a composite without clouds, whatever the source.

A `SceneQuery` says what is asked, an `ImagerySource` gives it as an `xarray.Dataset`:
``reflectance`` (band, y, x), ``clear_count`` (y, x) and, in its attributes, the scenes that it was
made from. `open_source` opens a source by name, address or folder; `list_scenes` says which scenes
a place has and why some are not used; `write_preview` draws the composite.
"""

from minewatch.imagery._catalogues import attribution, credit_of, makers_of
from minewatch.imagery._earthengine import EarthEngineSource
from minewatch.imagery._folder import FolderSource
from minewatch.imagery._list import list_scenes
from minewatch.imagery._open import open_source
from minewatch.imagery._preview import write_preview
from minewatch.imagery._query import SceneQuery
from minewatch.imagery._source import BatchSource, ImagerySource, check_composite
from minewatch.imagery._stac import StacSource

__all__ = [
    "BatchSource",
    "EarthEngineSource",
    "FolderSource",
    "ImagerySource",
    "SceneQuery",
    "StacSource",
    "attribution",
    "check_composite",
    "credit_of",
    "list_scenes",
    "makers_of",
    "open_source",
    "write_preview",
]
