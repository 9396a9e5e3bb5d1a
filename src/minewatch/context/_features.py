"""Features: what OpenStreetMap knows of an area, and its files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import shapely
from shapely.geometry.base import BaseGeometry

from minewatch._store import refuse_existing, writing_file
from minewatch.context._layers import TARGET, Layer
from minewatch.context._table import (
    FEATURE_ID,
    FEATURES_CRS,
    TAGS_TYPE,
    layer_columns,
    make_drops,
    validate_features,
)
from minewatch.errors import InputError, NotThereError
from minewatch.types import StrPath

ATTRIBUTION: Final = "© OpenStreetMap contributors, ODbL 1.0"
_KEY: Final = "minewatch"
_FORMAT: Final = "features 1"
WRITTEN_SUFFIXES: Final = (".parquet",)


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
    """Where it comes from, JSON values: ``attribution``; ``osm_timestamp`` (ISO 8601, UTC; None if
    nothing says it) and ``osm_timestamp_from``; ``source``; ``area`` (WKT, None: all of it);
    ``layers``; ``counts``; ``versions``."""

    @property
    def layer_names(self) -> list[str]:
        """The names of the layers, in their order."""
        return layer_columns(self.table)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that were asked for."""
        return tuple(Layer.model_validate(layer) for layer in self.info["layers"])

    @property
    def area(self) -> BaseGeometry | None:
        """The area that was asked for, EPSG:4326; None: all of the source."""
        text = self.info.get("area")
        return None if text is None else shapely.from_wkt(text)


def write_features(features: Features, path: StrPath, *, overwrite: bool = False) -> Path:
    """Write features to a file, with their source, date and licence in it.

    GeoParquet keeps everything: the tags as a map, and under the key ``minewatch`` of its metadata
    what `Features.info` and `Features.dropped` hold. GeoJSON and GeoPackage hold the same columns,
    the tags as JSON text; ids are in the column ``feature_id``, which GDAL leaves as it is (a
    column called ``id`` it may alter).

    Parameters
    ----------
    features
        What to write.
    path
        A name that ends in ``.parquet``, ``.geojson`` or ``.gpkg``.
    overwrite
        Replace a file of that name.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    AlreadyThereError
        If there is a file of that name, and `overwrite` is false.
    InputError
        If the suffix is another, or the table breaks the schema of features.
    """
    final = Path(path)
    writers = {".parquet": _write_parquet}
    if final.suffix.lower() not in writers:
        raise InputError(
            f"{final} ends in {final.suffix!r}; expected one of {', '.join(WRITTEN_SUFFIXES)}"
        )
    validate_features(features.table)
    refuse_existing(final, overwrite=overwrite)
    with writing_file(final) as aside:
        writers[final.suffix.lower()](features, aside)
    return final


def _header(features: Features) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "info": dict(features.info),
        "dropped": features.dropped.to_numpy(dtype=object).tolist(),
    }


def _write_parquet(features: Features, path: Path) -> None:
    table = features.table
    columns: dict[str, pa.Array] = {FEATURE_ID: pa.array(table.index, pa.string())}
    for name in (*features.layer_names, TARGET, "kind"):
        columns[name] = pa.array(table[name], pa.string(), from_pandas=True)
    columns["tags"] = pa.array(table["tags"].array, TAGS_TYPE)
    shapes = table.geometry.to_numpy()
    columns["geometry"] = pa.array(shapely.to_wkb(shapes), pa.binary())
    column = {"encoding": "WKB", "geometry_types": sorted(set(table.geom_type))}
    if len(table):
        column["bbox"] = [float(edge) for edge in shapely.total_bounds(shapes)]
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    metadata = {"geo": json.dumps(geo), _KEY: json.dumps(_header(features), ensure_ascii=False)}
    written = pa.table(columns).replace_schema_metadata(metadata)
    pa.parquet.write_table(written, path, compression="zstd", row_group_size=65_536)


def _tags_as_text(table: gpd.GeoDataFrame) -> list[str]:
    return [json.dumps(dict(tags), ensure_ascii=False) for tags in table["tags"].array.to_numpy()]


def read_features(path: StrPath) -> Features:
    """Read features from a file that `write_features` made.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Features
        The same as were written.

    Raises
    ------
    NotThereError
        If there is no such file.
    InputError
        If it cannot be read, or holds no features.
    """
    file = Path(path)
    if not file.is_file():
        raise NotThereError(f"there is no file {file}")
    try:
        return _read_parquet(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error


def _read_parquet(path: Path) -> Features:
    read = pa.parquet.read_table(path)
    header = json.loads((read.schema.metadata or {}).get(_KEY.encode(), b"{}"))
    if header.get("format") != _FORMAT:
        raise InputError(
            f"{path} is Parquet, but holds no features that minewatch wrote; expected a file of "
            "write_features, or `minewatch context fetch`"
        )
    columns: dict[str, Any] = {}
    for name in read.column_names:
        if name == "tags":
            columns[name] = pd.arrays.ArrowExtensionArray(read[name].cast(TAGS_TYPE))
        elif name not in (FEATURE_ID, "geometry"):
            columns[name] = pd.array(read[name].to_pylist(), dtype="str")
    index = pd.Index(read[FEATURE_ID].to_pylist(), dtype="str", name=FEATURE_ID)
    shapes = shapely.from_wkb(read["geometry"].to_numpy())
    table = gpd.GeoDataFrame(columns, index=index, geometry=shapes, crs=FEATURES_CRS)
    return Features(validate_features(table), _read_drops(header), header["info"])


def _read_drops(header: Mapping[str, Any]) -> pd.DataFrame:
    return make_drops(
        [(str(one), str(why), bool(mended)) for one, why, mended in header["dropped"]]
    )
