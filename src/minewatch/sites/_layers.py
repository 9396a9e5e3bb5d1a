"""Open vector files as what their suffix says, and as nothing else.

GDAL goes by the content of a file. Some of its formats are not data but orders to read other files
or to ask a server, and a file that holds such an order may bear any name. GDAL cannot be told here
which formats to try, so a file is looked at first: its beginning must be that of its format, and it
must not hold the name of any format that gives orders. What GDAL then takes it for is checked
before a row is read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import geopandas as gpd
import pandas as pd
import pyogrio

from minewatch.errors import InputError, UnsafeError
from minewatch.sites._schema import list_some

_BLOCK_BYTES: Final = 1 << 20
_BEGINNING_BYTES: Final = 512
_JSON: Final = re.compile(rb"\s*(?:\x1e\s*)?\{")
_XML: Final = re.compile(rb"\s*<")
_ORDERS: Final = re.compile(
    rb"<\s*OGR\w*DataSource|<\s*VRT\w+|<\s*GDAL_\w+|<!\s*DOCTYPE|<!\s*ENTITY|gdal_streamed_alg",
    re.IGNORECASE,
)
"""What a file would have to hold to make GDAL, or its reader of XML, open something else."""
_LONGEST_ORDER: Final = 64


@dataclass(frozen=True)
class _Format:
    """How a format begins, and what GDAL calls it."""

    name: str
    begins: re.Pattern[bytes]
    drivers: tuple[str, ...]
    is_text: bool = True
    """Text is searched for orders. In binary files a zero byte, which `begins` asks for, ends the
    part in which GDAL looks for the signs of other formats."""
    options: Mapping[str, str] | None = None


_GEOJSON: Final = _Format(
    "GeoJSON", _JSON, ("GeoJSON", "GeoJSONSeq", "JSONFG", "TopoJSON", "ESRIJSON")
)
_GEOPACKAGE: Final = _Format(
    "GeoPackage", re.compile(rb"SQLite format 3\0"), ("GPKG",), is_text=False
)
_SHAPEFILE: Final = _Format(
    "Shapefile", re.compile(rb"\0\0\x27\x0a"), ("ESRI Shapefile",), is_text=False
)
_FLATGEOBUF: Final = _Format(
    "FlatGeobuf",
    re.compile(rb"fgb\x03fgb[\0\x01]...\0", re.DOTALL),
    ("FlatGeobuf",),
    is_text=False,
)
_FORMATS: Final[Mapping[str, _Format]] = {
    ".geojson": _GEOJSON,
    ".json": _GEOJSON,
    ".geojsonl": _GEOJSON,
    ".gpkg": _GEOPACKAGE,
    ".shp": _SHAPEFILE,
    ".fgb": _FLATGEOBUF,
    ".kml": _Format("KML", _XML, ("KML", "LIBKML")),
    ".gml": _Format("GML", _XML, ("GML",), options={"DOWNLOAD_SCHEMA": "NO"}),
}
LAYER_SUFFIXES: Final = tuple(_FORMATS)
PARQUET_SUFFIXES: Final = (".parquet", ".geoparquet", ".pq")


def read_layer(file: Path, layer: str | None = None) -> gpd.GeoDataFrame | pd.DataFrame:
    """Read one layer of a vector file.

    Raises
    ------
    UnsafeError
        If it could make GDAL open something else.
    InputError
        If it is of another format than its suffix says; if there are several layers and none is
        named, or the named one is not there.
    pyogrio.errors.DataSourceError, OSError
        If it cannot be read.
    """
    # A name such as CSW:a.geojson would be an address to GDAL; a whole path never is.
    path = file.absolute()
    known = _FORMATS[path.suffix.lower()]
    _look_at(path, known)
    layers = [str(name) for name, _ in pyogrio.list_layers(path)]
    if layer is None and len(layers) > 1:
        raise InputError(
            f"{file} has the layers {list_some(layers)}; name one (layer=, --layer), or give a "
            "file of one layer"
        )
    if layer is not None and layer not in layers:
        raise InputError(f"{file} has no layer {layer!r}; it has {list_some(layers)}")
    chosen = layer or layers[0]
    driver = pyogrio.read_info(path, layer=chosen)["driver"]
    if driver not in known.drivers:
        raise UnsafeError(_refusal(file, known, f"it is read as {driver}"))
    return gpd.read_file(path, layer=chosen, engine="pyogrio", **(known.options or {}))


def _look_at(path: Path, known: _Format) -> None:
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING_BYTES).removeprefix(b"\xef\xbb\xbf")
        if not known.begins.match(beginning):
            raise InputError(f"{path} cannot be read as {known.name}: it does not begin like that")
        if not known.is_text:
            return
        file.seek(0)
        kept = b""
        while block := file.read(_BLOCK_BYTES):
            found = _ORDERS.search(kept + block)
            if found is not None:
                order = found[0].decode("ascii", "replace")
                raise UnsafeError(_refusal(path, known, f"it holds {order}"))
            kept = block[-_LONGEST_ORDER:]


def _refusal(file: Path, known: _Format, why: str) -> str:
    return (
        f"{file} is not opened: {why}, so it could make GDAL open other files; save it as plain "
        f"{known.name}"
    )
