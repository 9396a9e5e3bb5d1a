"""Features: what OpenStreetMap knows of an area, and its files."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pyogrio
import shapely
from pydantic import BaseModel, ConfigDict, ValidationError
from pyogrio.errors import DataSourceError
from shapely.geometry.base import BaseGeometry

from minewatch._store import digest_file, refuse_existing, writing_file
from minewatch.context._foreign import gather_geojson, read_geofabrik_lines
from minewatch.context._gather import Found
from minewatch.context._geojson import as_text, read_collection, write_collection
from minewatch.context._layers import DEFAULT_LAYERS, TARGET, Layer, check_layers
from minewatch.context._table import (
    FEATURE_ID,
    FEATURES_CRS,
    TAGS_TYPE,
    layer_columns,
    make_drops,
    validate_features,
)
from minewatch.errors import InputError, NotThereError
from minewatch.types import AnyArray, StrPath

ATTRIBUTION: Final = "© OpenStreetMap contributors, ODbL 1.0"
MADE_UP: Final = "made-up"
"""A file whose header's generator says this word is nobody's map, and is credited to its maker."""
_KEY: Final = "minewatch"
_FORMAT: Final = "features 1"
_LAYER: Final = "features"
_COLUMNS: Final = (FEATURE_ID, TARGET, "kind", "tags", "geometry")
_UNREADABLE: Final = (
    pa.ArrowException,
    DataSourceError,
    shapely.GEOSException,
    UnicodeDecodeError,
    json.JSONDecodeError,
    OSError,
)
_SUFFIXES: Final = (".parquet", ".geojson", ".json", ".gpkg")


class _Header(BaseModel):
    """What `write_features` says of a file, in the file."""

    model_config = ConfigDict(strict=True)

    format: Literal["features 1"]
    info: dict[str, Any]
    dropped: list[tuple[str, str, bool]]


@dataclass(frozen=True, repr=False)
class Features:
    """What OpenStreetMap knows of an area, and where it was taken from."""

    table: gpd.GeoDataFrame
    """One row per feature, EPSG:4326. Index ``feature_id``: ``node/1``, ``way/2``, ``relation/3``,
    unique, in the order of type, then number. One `str` column per layer: the value of its tag, NA
    where the feature is not in that layer. ``target``, `str`: the tag or word that names the
    target, else NA. ``kind``: point, line or area. ``tags``: the remaining tags, an Arrow map
    (``dict(table.loc[feature_id, "tags"])``). ``geometry``: Point, LineString, Polygon or
    MultiPolygon, or a MultiLineString that another program made of a way; longitude first; never
    empty."""
    dropped: pd.DataFrame
    """What could not be taken as it is, one row each: ``feature_id``, ``reason``, and ``repaired``:
    true if it is in the table with a mended geometry, false if it is not in the table."""
    info: Mapping[str, Any]
    """Where it comes from, JSON values: ``attribution``; ``osm_timestamp`` (ISO 8601, UTC; None if
    nothing says it) and ``osm_timestamp_from``; ``source``; ``area`` (WKT of what the source
    is known to hold of what was asked for, None where nothing says it), ``asked`` (WKT, None: all
    of the source), ``covered_share``; ``layers``; ``counts``; ``versions``."""

    def __repr__(self) -> str:
        n_target, date = int(self.table[TARGET].notna().sum()), self.info.get("osm_timestamp")
        return (
            f"Features({len(self.table):,} of {', '.join(self.layer_names)}; {n_target:,} name the "
            f"target; {len(self.dropped):,} dropped or repaired; data of {date or 'unknown date'})"
        )

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
        """What the source is known to hold of what was asked for, EPSG:4326; None: not known."""
        text = self.info.get("area")
        return None if text is None else shapely.from_wkt(text)


def write_features(features: Features, path: StrPath, *, overwrite: bool = False) -> Path:
    """Write features to a file, with their source, date and licence in it.

    GeoParquet keeps the tags as a map, and under the key ``minewatch`` of its metadata what
    `Features.info` and `Features.dropped` hold. GeoJSON holds it as a member of the collection,
    and the tags as an object; GeoPackage holds it as metadata of the layer, and the tags as JSON
    text. Ids are in the column ``feature_id`` everywhere: GDAL leaves it as it is, while it may
    alter one called ``id``. `read_features` gives back the same features from each of them.

    Parameters
    ----------
    features
        What to write.
    path
        A name that ends in ``.parquet``, ``.geojson`` (``.json``) or ``.gpkg``.
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
    suffix = final.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(f"{final} ends in {suffix!r}; expected one of {', '.join(_SUFFIXES)}")
    validate_features(features.table)
    refuse_existing(final, overwrite=overwrite)
    with writing_file(final) as aside:
        if suffix == ".parquet":
            _write_parquet(features, aside)
        elif suffix == ".gpkg":
            _write_gpkg(features, aside)
        else:
            says = {name: features.info.get(name) for name in ("attribution", "osm_timestamp")}
            write_collection(features.table, {**says, _KEY: _header(features)}, aside)
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
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted(set(table.geom_type)),
        "crs": table.crs.to_json_dict(),
    }
    if len(table):
        column["bbox"] = [float(edge) for edge in shapely.total_bounds(shapes)]
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    metadata = {"geo": json.dumps(geo), _KEY: json.dumps(_header(features), ensure_ascii=False)}
    # Without what pandas would add: it could not read back the type of the map.
    written = pa.table(columns).replace_schema_metadata(metadata)
    pa.parquet.write_table(written, path, compression="zstd", row_group_size=65_536)


def _write_gpkg(features: Features, path: Path) -> None:
    table = features.table.reset_index()
    table["tags"] = [json.dumps(dict(tags), ensure_ascii=False) for tags in table["tags"].tolist()]
    says = {name: str(features.info.get(name)) for name in ("attribution", "osm_timestamp")}
    pyogrio.write_dataframe(
        table,
        path,
        layer=_LAYER,
        driver="GPKG",
        geometry_type="Unknown",
        layer_metadata={**says, _KEY: json.dumps(_header(features), ensure_ascii=False)},
    )


def attribution_of(generator: str | None) -> str:
    """Say whom to name beside a map that was made from a file with this generator in its header.

    Examples
    --------
    >>> attribution_of("osmium/1.16")
    '© OpenStreetMap contributors, ODbL 1.0'
    >>> attribution_of("minewatch toy: a made-up valley, no real place")
    'minewatch toy: a made-up valley, no real place'
    """
    return generator if generator and MADE_UP in generator.lower() else ATTRIBUTION


def read_features(path: StrPath, *, layers: Sequence[Layer] = DEFAULT_LAYERS) -> Features:
    """Read features from a file: one of `write_features`, or of some other programs.

    Of others it takes

    - the GeoJSON that ``osmnx.features_from_polygon(…).to_file(…, driver="GeoJSON")`` writes, of
      osmnx 0.x, 1.x and 2.x, and GeoJSON whose features have ids such as ``way/123``: an object
      that is there several times is taken once, and the rest counted; ids are read from the text,
      not through GDAL, which alters those that nodes and ways share;
    - Geofabrik's shapefiles of roads and waterways (columns osm_id, code, fclass).

    Such files do not say the date of their data, nor keep what was not asked for: prefer
    `extract_features`. They are credited to OpenStreetMap, whose objects they say they are. Their
    features are sorted into `layers` by their tags; what is in none is
    counted and left out. A layer of whose key the file has no tag is left out: a file of roads does
    not say that there is no building.

    Parameters
    ----------
    path
        A file that ends in ``.parquet``, ``.geojson``, ``.json``, ``.gpkg`` or ``.shp``.
    layers
        The layers to look for in another program's file. A file of `write_features` has its own.

    Returns
    -------
    Features
        Of a file of `write_features`, the same as were written.

    Raises
    ------
    NotThereError
        If there is no such file.
    InputError
        If it is a folder, cannot be read, or does not say which objects of OpenStreetMap its
        features are.

    Examples
    --------
    >>> import tempfile
    >>> text = '''{"type": "FeatureCollection", "features": [{"type": "Feature",
    ...   "properties": {"element": "way", "id": 7, "highway": "track", "nodes": [1, 2]},
    ...   "geometry": {"type": "LineString", "coordinates": [[-62.61, 5.41], [-62.60, 5.40]]}}]}'''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "osmnx.geojson")
    ...     size = file.write_text(text)
    ...     features = read_features(file)
    ...     again = read_features(write_features(features, file.with_suffix(".parquet")))
    >>> print(again.table[["highway", "kind"]])
               highway  kind
    feature_id
    way/7        track  line
    """
    file = Path(path)
    if file.is_dir():
        raise InputError(f"{file} is a folder; name one of its files, such as its .shp")
    if not file.is_file():
        raise NotThereError(f"there is no file {file}")
    wanted = check_layers(layers)
    suffix = file.suffix.lower()
    try:
        if suffix == ".parquet":
            return _read_parquet(file)
        if suffix == ".gpkg":
            return _read_gpkg(file)
        if suffix in (".geojson", ".json"):
            return _read_geojson(file, wanted)
    except _UNREADABLE as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    if suffix == ".shp":
        return _foreign(file, *read_geofabrik_lines(file, wanted))
    known = ", ".join((*_SUFFIXES, ".shp"))
    raise InputError(
        f"{file} ends in {suffix!r}; expected one of {known}; of an .osm.pbf features are "
        "extracted first (minewatch context fetch --extract FILE, extract_features)"
    )


def _read_parquet(path: Path) -> Features:
    read = pa.parquet.read_table(path)
    header = _check_header((read.schema.metadata or {}).get(_KEY.encode()), path)
    _check_columns(read.column_names, path)
    names = [name for name in read.column_names if name not in (FEATURE_ID, "tags", "geometry")]
    columns = {name: as_text(read[name].to_pylist()) for name in names}
    tags = read["tags"].cast(TAGS_TYPE).combine_chunks()
    shapes = shapely.from_wkb(read["geometry"].to_numpy())
    return _assemble(read[FEATURE_ID].to_pylist(), columns, tags, shapes, header)


def _read_gpkg(path: Path) -> Features:
    metadata = pyogrio.read_info(path).get("layer_metadata") or {}
    header = _check_header(metadata.get(_KEY), path)
    read = pyogrio.read_dataframe(path, layer=_LAYER)
    _check_columns(read.columns, path)
    names = [name for name in read.columns if name not in (FEATURE_ID, "tags", "geometry")]
    columns = {name: as_text(read[name].where(read[name].notna(), None)) for name in names}
    tags = pa.array([list(json.loads(text).items()) for text in read["tags"]], TAGS_TYPE)
    shapes = read.geometry.to_numpy()
    return _assemble(list(read[FEATURE_ID]), columns, tags, shapes, header)


def _read_geojson(path: Path, layers: Sequence[Layer]) -> Features:
    collection = read_collection(path)
    if not isinstance(collection.members.get(_KEY), dict):
        return _foreign(path, *gather_geojson(collection, path, layers))
    header = _check_header(json.dumps(collection.members[_KEY]), path)
    rows = collection.properties
    for row in rows:
        # GeoJSON leaves out what is missing: a feature that names no target has no such member.
        _check_columns([*row, TARGET, "geometry"], path)
    layer_names = [str(layer["name"]) for layer in header.info.get("layers", [])]
    names = [*layer_names, TARGET, "kind"]
    columns = {name: as_text([row.get(name) for row in rows]) for name in names}
    tags = pa.array([list(row["tags"].items()) for row in rows], TAGS_TYPE)
    ids = [row[FEATURE_ID] for row in rows]
    return _assemble(ids, columns, tags, collection.shapes, header)


def _check_header(text: str | bytes | None, path: Path) -> _Header:
    """Read what `write_features` says of a file, or refuse the file."""
    try:
        return _Header.model_validate_json(text or "{}")
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "it"
        raise InputError(
            f"{path} holds no features that minewatch wrote ({where}: {fault['msg']}); expected a "
            "file of write_features or `minewatch context fetch`, or GeoJSON of osmnx"
        ) from error


def _check_columns(there: Iterable[str], path: Path) -> None:
    missing = [name for name in _COLUMNS if name not in set(there)]
    if missing:
        raise InputError(
            f"{path} lacks {', '.join(missing)} of the columns that write_features writes; "
            "it was changed since: fetch the features again"
        )


def _assemble(
    ids: list[str],
    columns: Mapping[str, Any],
    tags: pa.Array,
    shapes: AnyArray,
    header: _Header,
) -> Features:
    index = pd.Index(ids, dtype="str", name=FEATURE_ID)
    table = gpd.GeoDataFrame(
        {**columns, "tags": pd.arrays.ArrowExtensionArray(tags)},
        index=index,
        geometry=shapes,
        crs=FEATURES_CRS,
    )
    return Features(validate_features(table), make_drops(header.dropped), header.info)


def _foreign(path: Path, found: Found, left_out: Mapping[str, int]) -> Features:
    """Make features of another program's file, and say what is not known of them."""
    table, dropped, counts = found.result()
    info = {
        "attribution": ATTRIBUTION,
        "osm_timestamp": None,
        "osm_timestamp_from": None,
        "source": {"name": path.name, "digest": digest_file(path), "generator": None},
        "area": None,
        "layers": [layer.model_dump(mode="json") for layer in found.layers],
        "versions": used_versions(),
        "counts": {**counts, **left_out},
    }
    return Features(validate_features(table), dropped, info)


def used_versions() -> dict[str, str]:
    """Name the versions of what features are made with."""
    names = ("minewatch", "osmium", "shapely")
    return {**{name: version(name) for name in names}, "geos": shapely.geos_version_string}
