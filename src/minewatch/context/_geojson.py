"""GeoJSON, one feature a line: written, and read without GDAL, which may alter ids."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from minewatch.context._table import FEATURE_ID
from minewatch.errors import InputError
from minewatch.types import AnyArray

_CRS_WORDS: Final = ("CRS84", "4326")


@dataclass(frozen=True)
class Collection:
    """What a GeoJSON file holds."""

    members: Mapping[str, Any]
    """All members of the collection but its features."""
    ids: list[Any]
    """The ``id`` of each feature itself, None where it has none."""
    properties: list[dict[str, Any]]
    """The properties of each feature that are not null."""
    shapes: AnyArray
    """Geometries, EPSG:4326; None where there is none or it cannot be drawn."""


def write_collection(table: gpd.GeoDataFrame, members: Mapping[str, Any], path: Path) -> None:
    """Write a table as GeoJSON (RFC 7946), after members of the collection that say what it is."""
    with path.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection",\n')
        for name, value in members.items():
            file.write(f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)},\n")
        file.write('"features": [')
        for place, line in enumerate(_feature_lines(table)):
            file.write(f"{',' if place else ''}\n{line}")
        file.write("\n]}\n")


def _feature_lines(table: gpd.GeoDataFrame) -> Iterator[str]:
    columns = [str(name) for name in table.columns if name not in ("tags", "geometry")]
    values = [table[name].astype(object).where(table[name].notna(), None) for name in columns]
    tags = [dict(pairs) for pairs in table["tags"].array.to_numpy()]
    shapes = shapely.to_geojson(table.geometry.to_numpy())
    rows = zip(table.index, zip(*values, strict=True), tags, shapes, strict=True)
    for feature_id, row, of, shape in rows:
        properties = {FEATURE_ID: feature_id, **dict(zip(columns, row, strict=True)), "tags": of}
        text = json.dumps(properties, ensure_ascii=False)
        yield f'{{"type": "Feature", "properties": {text}, "geometry": {shape}}}'


def read_collection(path: Path) -> Collection:
    """Read a GeoJSON file, line by line where each feature has a line of its own.

    Raises
    ------
    InputError
        If it is no collection of features, cut short, or not in degrees.
    """
    try:
        members, ids, properties, geometries = _read_lines(path)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} cannot be read as GeoJSON: {error}. It may be cut short; write it again"
        ) from error
    if members.get("type") != "FeatureCollection":
        raise InputError(
            f"{path} is JSON of type {members.get('type')!r}; expected a FeatureCollection"
        )
    crs = json.dumps(members.get("crs") or "CRS84")
    if not any(word in crs for word in _CRS_WORDS):
        raise InputError(f"{path} says its CRS is {crs}; expected degrees (CRS84)")
    shapes = shapely.from_geojson(np.array(geometries, dtype=np.object_), on_invalid="ignore")
    return Collection(members, ids, properties, shapely.force_2d(shapes))


def _read_lines(
    path: Path,
) -> tuple[dict[str, Any], list[Any], list[dict[str, Any]], list[str | None]]:
    ids: list[Any] = []
    properties: list[dict[str, Any]] = []
    geometries: list[str | None] = []
    rest: list[str] = []

    def take(feature: Mapping[str, Any]) -> None:
        given = feature.get("properties") or {}
        ids.append(feature.get("id"))
        properties.append({name: value for name, value in given.items() if value is not None})
        shape = feature.get("geometry")
        geometries.append(None if shape is None else json.dumps(shape))

    with path.open(encoding="utf-8-sig") as lines:
        for line in lines:
            feature = _as_feature(line)
            if feature is None:
                rest.append(line)
            else:
                take(feature)
    members = _join(rest)
    for feature in members.pop("features", None) or ():
        take(feature)
    return members, ids, properties, geometries


def _as_feature(line: str) -> dict[str, Any] | None:
    text = line.strip().removesuffix(",")
    if not (text.startswith("{") and text.endswith("}") and '"Feature"' in text):
        return None
    try:
        feature = json.loads(text)
    except ValueError:
        return None
    is_feature = isinstance(feature, dict) and feature.get("type") == "Feature"
    return feature if is_feature else None


def _join(rest: Sequence[str]) -> dict[str, Any]:
    """Read what is left of a file without the lines of its features."""
    members = json.loads("".join(rest))
    return members if isinstance(members, dict) else {}


def as_text(values: Sequence[Any]) -> Any:
    """Make a column of text, NA where there is None."""
    return pd.array(np.array(values, dtype=np.object_), dtype="str")
