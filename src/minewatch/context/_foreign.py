"""Features that other programs wrote: osmnx's GeoJSON, Geofabrik's shapefiles."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyogrio
import shapely
from shapely.geometry.base import BaseGeometry

from minewatch.context._gather import Clip, Found
from minewatch.context._geojson import Collection
from minewatch.context._layers import Kind, Layer
from minewatch.context._table import FEATURES_CRS, Match, matcher
from minewatch.errors import InputError

_TYPES: Final[Mapping[str, str]] = {
    word: name
    for name in ("node", "way", "relation")
    for word in (name, name[0], name.upper(), name[0].upper())
}
_TYPE_KEYS: Final = ("element", "element_type", "osm_type")
_NUMBER_KEYS: Final = ("id", "osmid", "osm_id")
_WHOLE_KEYS: Final = ("unique_id", "@id", "full_id", "feature_id", "id")
_WHOLE_ID: Final = re.compile(r"(node|way|relation|[nwrNWR])/?(-?\d+)")
_NO_TAGS: Final = frozenset(
    {
        *_TYPE_KEYS,
        *_NUMBER_KEYS,
        *_WHOLE_KEYS,
        "nodes",
        "ways",
        "members",
        "geometry",
        "timestamp",
        "version",
        "changeset",
        "user",
        "uid",
        "visible",
    }
)
"""What osmnx and others write beside the tags."""
_KIND_OF: Final[Mapping[str, Kind]] = {
    "Point": "point",
    "LineString": "line",
    "MultiLineString": "line",
    "Polygon": "area",
    "MultiPolygon": "area",
}
_GEOFABRIK_KEYS: Final[Mapping[int, str]] = {51: "highway", 81: "waterway"}
"""The key of the tag by the first two digits of the code in Geofabrik's shapefiles of lines
(https://download.geofabrik.de/osm-data-in-gis-formats-free.pdf)."""


@dataclass
class _Rows:
    """Features of another program, column by column, and what was wrong with others."""

    ids: list[tuple[str, int]] = field(default_factory=list)
    tags: list[Mapping[str, str]] = field(default_factory=list)
    shapes: list[BaseGeometry] = field(default_factory=list)
    drops: list[tuple[str, str, bool]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def gather_geojson(
    collection: Collection, path: Path, layers: Sequence[Layer]
) -> tuple[Found, dict[str, int]]:
    """Gather the GeoJSON that osmnx's features become, or another one that keeps OSM's ids.

    Gives the features found, and counts of rows that were left out.
    """
    return _gather(_take_rows(collection, path), layers)


def _take_rows(collection: Collection, path: Path) -> _Rows:
    rows = _Rows()
    seen: dict[tuple[str, int], tuple[BaseGeometry, Mapping[str, str]]] = {}
    for own_id, given, shape in zip(
        collection.ids, collection.properties, collection.shapes, strict=True
    ):
        osm_id = _find_id(own_id, given)
        if osm_id is None:
            raise InputError(
                f"{path}: feature {len(seen) + 1} does not say which object of OpenStreetMap it "
                f"is; it has {', '.join([*given][:8])}. Expected the columns element and id "
                "(osmnx 2), element_type and osmid (osmnx 1), or an id such as way/123"
            )
        tags = {key: text for key, value in given.items() if (text := _tag(key, value))}
        earlier = seen.get(osm_id)
        if earlier is not None:
            is_same = earlier[1] == tags and bool(shapely.equals_identical(earlier[0], shape))
            rows.counts["twice_in_the_file" if is_same else "twice_and_different"] += 1
            continue
        seen[osm_id] = shape, tags
        if shape is None or shape.is_empty:
            rows.drops.append((f"{osm_id[0]}/{osm_id[1]}", "it has no geometry", False))
            continue
        rows.ids.append(osm_id)
        rows.tags.append(tags)
        rows.shapes.append(shape)
    return rows


def _find_id(own_id: Any, given: Mapping[str, Any]) -> tuple[str, int] | None:
    """Find out which object of OpenStreetMap a feature is: its type and its number."""
    word = next((_TYPES.get(str(given[key])) for key in _TYPE_KEYS if key in given), None)
    number = next((given[key] for key in _NUMBER_KEYS if key in given), None)
    if word is not None and (whole := re.fullmatch(r"(-?\d+)(?:\.0)?", str(number))):
        return word, int(whole[1])
    for text in (*(given.get(key) for key in _WHOLE_KEYS), own_id):
        found = _WHOLE_ID.fullmatch(str(text))
        if found is not None:
            return _TYPES[found[1]], int(found[2])
    return None


def _tag(key: str, value: Any) -> str | None:
    """Give the text of a tag's value; None if it is none."""
    if key in _NO_TAGS or key.startswith("@"):
        return None
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, list):
        return ";".join(str(one) for one in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _gather(rows: _Rows, layers: Sequence[Layer]) -> tuple[Found, dict[str, int]]:
    """Sort rows into layers; repair what is not valid."""
    known = _known_layers(rows, layers)
    found = Found(known, Clip(None))
    found.rows += rows.drops
    match = matcher(known)
    kept: list[tuple[int, Kind, Match, BaseGeometry]] = []
    for place, shape in enumerate(rows.shapes):
        whole = _joined(_polygons(shape))
        kind = _KIND_OF.get(whole.geom_type)
        feature_id = "{}/{}".format(*rows.ids[place])
        if kind is None:
            reason = f"it is a {shape.geom_type}, which no node, way or area is"
            found.rows.append((feature_id, reason, False))
            continue
        if whole is not shape:
            stays = {"line": "its lines stay", "area": "its areas stay"}[kind]
            found.rows.append((feature_id, f"it was a {shape.geom_type}; {stays}", True))
        matched = match(rows.tags[place], kind)
        if matched is None:
            rows.counts["in_no_layer"] += 1
        else:
            kept.append((place, kind, matched, whole))
    found.draw(
        [rows.ids[place][0] for place, *_ in kept],
        [rows.ids[place][1] for place, *_ in kept],
        [kind for _, kind, _, _ in kept],
        [matched for _, _, matched, _ in kept],
        [rows.tags[place] for place, *_ in kept],
        np.array([shape for *_, shape in kept], dtype=np.object_),
        are_drawn=True,
    )
    names = ("twice_in_the_file", "twice_and_different", "in_no_layer")
    return found, {name: rows.counts[name] for name in names}


def _known_layers(rows: _Rows, layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Give the layers that the rows can tell of: a file of roads does not say "no house here".

    A layer is known if any row has a tag of its key; if none is, all are.
    """
    keys = {key for tags in rows.tags for key in tags}
    return tuple(layer for layer in layers if layer.key in keys) or tuple(layers)


def _polygons(shape: BaseGeometry) -> BaseGeometry:
    """Give the areas of a collection of several geometries, as `make_valid` leaves them."""
    if shape.geom_type != "GeometryCollection":
        return shape
    polygons = [part for part in shapely.get_parts(shape) if _KIND_OF.get(part.geom_type) == "area"]
    return shapely.union_all(polygons) if polygons else shape


def _joined(shape: BaseGeometry) -> BaseGeometry:
    """Join the lines of a way that meet end to end; where there are gaps, several lines stay."""
    if shape.geom_type != "MultiLineString":
        return shape
    return shapely.line_merge(shape)


def read_geofabrik_lines(path: Path, layers: Sequence[Layer]) -> tuple[Found, dict[str, int]]:
    """Read the roads or waterways of Geofabrik's shapefiles: columns osm_id, code, fclass.

    Their class is what the value of the tag was, but for ``track_grade1`` … ``track_grade5``, which
    were ``highway=track`` with a ``tracktype``, and ``unknown``, which was ``highway=road``.
    Shapefiles of areas are refused: they do not say whether an id is a way's or a relation's.
    """
    try:
        table = pyogrio.read_dataframe(path)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    missing = [name for name in ("osm_id", "code", "fclass") if name not in table.columns]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}; expected a file of write_features, "
            "GeoJSON of osmnx, or Geofabrik's roads or waterways; or take the .osm.pbf"
        )
    keys = [_GEOFABRIK_KEYS.get(int(code) // 100) for code in table["code"]]
    if None in keys or table.crs is None:
        raise InputError(
            f"{path} holds other things than roads and waterways (code "
            f"{table['code'].iloc[keys.index(None)] if None in keys else 'without a CRS'}), whose "
            "ids do not say whether they are ways or relations; take the .osm.pbf"
        )
    rows = _Rows()
    shapes = table.geometry.to_crs(FEATURES_CRS).to_numpy()
    for row, key, shape in zip(table.itertuples(), keys, shapes, strict=True):
        rows.ids.append(("way", int(row.osm_id)))
        rows.tags.append(_geofabrik_tags(str(key), row))
        rows.shapes.append(shape)
    return _gather(rows, layers)


def _geofabrik_tags(key: str, row: Any) -> dict[str, str]:
    fclass = str(row.fclass)
    tags = {key: fclass}
    if grade := re.fullmatch(r"track_(grade\d)", fclass):
        tags = {key: "track", "tracktype": grade[1]}
    elif fclass == "unknown":
        tags = {key: "road"}
    for name in ("name", "ref"):
        text = getattr(row, name, None)
        if isinstance(text, str) and text:
            tags[name] = text
    for name in ("bridge", "tunnel"):
        if getattr(row, name, None) == "T":
            tags[name] = "yes"
    if int(getattr(row, "maxspeed", 0) or 0) > 0:
        tags["maxspeed"] = str(row.maxspeed)
    return tags
