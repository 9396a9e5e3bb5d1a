"""GeoPackage: every layer in one file, each with the style that QGIS opens it with."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import pyogrio

from minewatch._store import writing_file
from minewatch.maps._attribution import as_text, describe_contents, header_text
from minewatch.maps._contents import MapContents
from minewatch.maps._style import qgis_style
from minewatch.maps._vector import lay_layers
from minewatch.maps._xml import escape_text

GEOMETRY: Final = "geom"
_VERSION: Final = "1.2"
"""Later ones add nothing that is used here, and programs of a few years ago warn of them."""
_QGIS: Final = "http://mrcc.com/qgis.dtd"
"""What QGIS calls the standard of its own metadata."""
_STYLES: Final = """
CREATE TABLE layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256),
  f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
  useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME
)"""
"""The table in which QGIS looks for styles, as QGIS itself makes it."""


def write_gpkg(contents: MapContents, path: Path) -> None:
    """Write all layers as a GeoPackage.

    What the map says of itself is in the file's metadata, in those of each layer, and in the
    description of the contents. All its dates are the last day of the map's period, so that equal
    contents give equal files.

    References
    ----------
    Open Geospatial Consortium (2024), GeoPackage Encoding Standard 1.4, OGC 12-128r19,
    https://www.geopackage.org/spec140/. What is written is of version 1.2.1 of it.
    """
    about = describe_contents(contents)
    layers = lay_layers(contents)
    day = f"{contents.periods[-1].end}T00:00:00.000Z" if contents.periods else None
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    with writing_file(path) as aside:
        aside.unlink(missing_ok=True)
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": day})
        try:
            for name, table in layers.items():
                pyogrio.write_dataframe(
                    table,
                    aside,
                    driver="GPKG",
                    layer=name,
                    geometry_type=_kind(name),
                    promote_to_multi=_kind(name) == "MultiPolygon",
                    dataset_options={"VERSION": _VERSION},
                    dataset_metadata={**about, "header": header_text(contents)},
                    layer_metadata=about,
                    layer_options={
                        "IDENTIFIER": name,
                        "DESCRIPTION": as_text(about),
                        "GEOMETRY_NAME": GEOMETRY,
                    },
                )
        finally:
            pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})
        styles = {name: qgis_style(name, table) for name, table in layers.items()}
        _add_styles(aside, {name: style for name, style in styles.items() if style}, day)
        _add_metadata(aside, {name: _qgis_metadata(name, about) for name in layers}, day)


def _kind(layer: str) -> str:
    return "Point" if layer in ("points", "sites") else "MultiPolygon"


def _add_styles(path: Path, styles: dict[str, str], day: str | None) -> None:
    """Add the table that QGIS looks for styles in."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(_STYLES)
        database.execute(
            "INSERT INTO gpkg_contents"
            " (table_name, data_type, identifier, description, last_change)"
            " VALUES ('layer_styles', 'attributes', 'layer_styles', 'Styles of QGIS',"
            " coalesce(?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))",
            (day,),
        )
        database.executemany(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name,"
            " f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner,"
            " ui, update_time) VALUES ('', '', ?, ?, ?, ?, '', 1, ?, '', '', ?)",
            [
                (name, GEOMETRY, name, style, f"Style of {name}", day)
                for name, style in styles.items()
            ],
        )


def _qgis_metadata(layer: str, about: Mapping[str, str]) -> str:
    """Write what a map says of itself as QGIS shows it among the properties of a layer."""
    words = {
        "identifier": layer,
        "title": f"{about['title']}: {layer.replace('_', ' ')}",
        "abstract": as_text(about, without=("title", "attribution")),
        "rights": about.get("attribution", ""),
    }
    inner = "".join(f"<{name}>{escape_text(text)}</{name}>" for name, text in words.items() if text)
    return f"<!DOCTYPE qgis PUBLIC '{_QGIS}' 'SYSTEM'>\n<qgis version=\"3.22.0\">{inner}</qgis>"


def _add_metadata(path: Path, words: Mapping[str, str], day: str | None) -> None:
    """Add metadata where QGIS looks for them, beside those that GDAL wrote."""
    with closing(sqlite3.connect(path)) as database, database:
        for layer, text in words.items():
            row = database.execute(
                "INSERT INTO gpkg_metadata (md_scope, md_standard_uri, mime_type, metadata)"
                " VALUES ('dataset', ?, 'text/xml', ?)",
                (_QGIS, text),
            ).lastrowid
            database.execute(
                "INSERT INTO gpkg_metadata_reference"
                " (reference_scope, table_name, timestamp, md_file_id)"
                " VALUES ('table', ?, coalesce(?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), ?)",
                (layer, day, row),
            )
