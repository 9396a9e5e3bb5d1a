"""A GeoPackage that is written row by row, as SQLite does it: at once, or not at all.

References
----------
OGC GeoPackage Encoding Standard 1.3.1, https://www.geopackage.org/spec131/.
"""

import sqlite3
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import shapely
from shapely.geometry.base import BaseGeometry

APPLICATION_ID: Final = 0x47504B47
"""``GPKG``, in the header of the file."""
_USER_VERSION: Final = 10_301
_SRS: Final = 4326
_WGS84: Final = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]'
)
_HEADER: Final = b"GP\x00\x01" + struct.pack("<i", _SRS)
_TABLES: Final = """
CREATE TABLE gpkg_spatial_ref_sys (
  srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (
  table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
  description TEXT DEFAULT '',
  last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
  CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
  CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
  CONSTRAINT uk_gc_table_name UNIQUE (table_name),
  CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
"""


@dataclass(frozen=True)
class Layer:
    """A table of a GeoPackage."""

    name: str
    columns: str
    """Its columns in SQL; the first is an integer key, ``geom`` the geometry, if it has one. Of a
    view: what it selects."""
    geometry: str | None
    """POINT, GEOMETRY, …; None: a table without places."""
    description: str
    is_view: bool = False


def create_package(connection: sqlite3.Connection, layers: Iterable[Layer]) -> None:
    """Make an empty database a GeoPackage with these layers, in one transaction."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {_USER_VERSION}")
    statements = [one for one in _TABLES.split(";\n") if one.strip()]
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements:
            connection.execute(statement)
        connection.executemany(
            "INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)",
            [
                ("Undefined Cartesian", -1, "NONE", -1, "undefined", None),
                ("Undefined geographic", 0, "NONE", 0, "undefined", None),
                ("WGS 84", _SRS, "EPSG", _SRS, _WGS84, "longitude/latitude, degrees"),
            ],
        )
        for layer in layers:
            _create_layer(connection, layer)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _create_layer(connection: sqlite3.Connection, layer: Layer) -> None:
    kind, body = (
        ("VIEW", f"AS {layer.columns}") if layer.is_view else ("TABLE", f"({layer.columns})")
    )
    connection.execute(f"CREATE {kind} {layer.name} {body}")
    is_spatial = layer.geometry is not None
    connection.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) "
        "VALUES (?, ?, ?, ?, ?)",
        (
            layer.name,
            "features" if is_spatial else "attributes",
            layer.name,
            layer.description,
            _SRS if is_spatial else None,
        ),
    )
    if is_spatial:
        connection.execute(
            "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', ?, ?, 0, 0)",
            (layer.name, layer.geometry, _SRS),
        )


def is_package(connection: sqlite3.Connection) -> bool:
    """Say whether a database is a GeoPackage, by its header."""
    return bool(connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID)


def encode_geometry(shape: BaseGeometry) -> bytes:
    r"""Give a geometry, EPSG:4326, as GeoPackages keep it: a header, then well-known binary.

    Examples
    --------
    >>> encode_geometry(shapely.Point(-62.6, 5.4))[:8]
    b'GP\x00\x01\xe6\x10\x00\x00'
    """
    return _HEADER + shapely.to_wkb(shape, byte_order=1, include_srid=False)


def decode_geometry(blob: bytes) -> BaseGeometry:
    """Read what `encode_geometry` wrote."""
    shape: BaseGeometry = shapely.from_wkb(blob[len(_HEADER) :])
    return shape
