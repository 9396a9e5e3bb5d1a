"""The table of features: put together column by column, and checked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely

from minewatch.context._layers import KINDS, OWN_COLUMNS, TARGET, Kind, Layer
from minewatch.context._target import TARGET_LAYERS, target_tags
from minewatch.errors import InputError
from minewatch.types import AnyArray, IntArray

FEATURES_CRS: Final = "EPSG:4326"
FEATURE_ID: Final = "feature_id"
OSM_TYPES: Final = ("node", "way", "relation")
TAGS_TYPE: Final = pa.map_(pa.string(), pa.string())
DROP_COLUMNS: Final = (FEATURE_ID, "reason", "repaired")
_SHAPES_OF: Final[Mapping[str, frozenset[str]]] = {
    "point": frozenset({"Point"}),
    "line": frozenset({"LineString", "MultiLineString"}),
    "area": frozenset({"Polygon", "MultiPolygon"}),
}


@dataclass(frozen=True)
class Match:
    """The layers that a feature lies in."""

    layers: Mapping[str, str]
    """The value of its tag, by the name of the layer."""
    target: str | None
    """What names the target."""


Matcher = Callable[[Mapping[str, str], Kind], Match | None]


def matcher(layers: Sequence[Layer]) -> Matcher:
    """Give what says in which layers a feature lies; None if in none, and no tag names the target.

    A word in a name alone does not make a feature of something that no layer asks for.
    """
    asked: dict[tuple[str, str], list[tuple[str | None, Layer]]] = {}
    for layer in (*layers, *TARGET_LAYERS):
        name = layer.name if layer in layers else None
        for kind in layer.kinds:
            asked.setdefault((kind, layer.key), []).append((name, layer))
    keys = {kind: frozenset(key for of, key in asked if of == kind) for kind in KINDS}

    def match(tags: Mapping[str, str], kind: Kind) -> Match | None:
        found: dict[str, str] = {}
        target = None
        for key in keys[kind].intersection(tags):
            value = tags[key]
            for name, layer in asked[kind, key]:
                if not layer.lets_through(value):
                    continue
                if layer.names_the_target:
                    target = f"{key}={value}"
                if name is not None:
                    found[name] = value
        if not found and target is None:
            return None
        return Match(found, target_tags(tags) or target)

    return match


@dataclass(frozen=True)
class Part:
    """Some features, column by column."""

    words: AnyArray
    """``node``, ``way`` or ``relation``, dtype object."""
    numbers: IntArray
    kinds: AnyArray
    """Dtype object."""
    layers: Mapping[str, AnyArray]
    """Per layer the values, dtype object, None where a feature is not in it."""
    target: AnyArray
    tags: pa.Array
    """The tags that are in no layer's column."""
    shapes: AnyArray


def make_part(
    words: Sequence[str],
    numbers: Sequence[int],
    kinds: Sequence[str],
    matches: Sequence[Match],
    tags: Sequence[Mapping[str, str]],
    shapes: AnyArray,
    layers: Sequence[Layer],
) -> Part:
    """Put features together that lie in some layer."""
    keys = {layer.name: layer.key for layer in layers}
    rest = []
    for of, match in zip(tags, matches, strict=True):
        in_columns = {keys[name] for name in match.layers}
        rest.append([pair for pair in of.items() if pair[0] not in in_columns])
    return Part(
        np.array(words, dtype=np.object_),
        np.array(numbers, dtype=np.int64),
        np.array(kinds, dtype=np.object_),
        {
            name: np.array([match.layers.get(name) for match in matches], dtype=np.object_)
            for name in keys
        },
        np.array([match.target for match in matches], dtype=np.object_),
        pa.array(rest, TAGS_TYPE),
        shapes,
    )


def join_parts(parts: Sequence[Part], layers: Sequence[Layer]) -> tuple[gpd.GeoDataFrame, int]:
    """Join parts to one table, in the order of ids; give it, and how many rows were there twice.

    Of several rows with one id the first is kept.
    """
    if not parts:
        parts = [make_part([], [], [], [], [], np.array([], dtype=np.object_), layers)]
    words = np.concatenate([part.words for part in parts])
    numbers = np.concatenate([part.numbers for part in parts])
    order = np.lexsort((numbers, np.array([OSM_TYPES.index(word) for word in words], dtype=int)))
    words, numbers = words[order], numbers[order]
    is_first = np.ones(len(order), dtype=np.bool_)
    is_first[1:] = (numbers[1:] != numbers[:-1]) | (words[1:] != words[:-1])
    order = order[is_first]
    ids = [f"{word}/{n}" for word, n in zip(words[is_first], numbers[is_first], strict=True)]
    index = pd.Index(ids, dtype="str", name=FEATURE_ID)
    columns: dict[str, Any] = {
        layer.name: _text([part.layers[layer.name] for part in parts], order) for layer in layers
    }
    columns[TARGET] = _text([part.target for part in parts], order)
    columns["kind"] = _text([part.kinds for part in parts], order)
    tags = pa.chunked_array([part.tags for part in parts], TAGS_TYPE).take(pa.array(order))
    columns["tags"] = pd.arrays.ArrowExtensionArray(tags.combine_chunks())
    shapes = np.concatenate([part.shapes for part in parts])[order]
    table = gpd.GeoDataFrame(columns, index=index, geometry=shapes, crs=FEATURES_CRS)
    return table, int(np.count_nonzero(~is_first))


def _text(parts: Sequence[AnyArray], order: IntArray) -> pd.api.extensions.ExtensionArray:
    return pd.array(np.concatenate(parts)[order], dtype="str")


def make_drops(rows: Sequence[tuple[str, str, bool]]) -> pd.DataFrame:
    """Make the table of what was dropped or repaired, in the order of ids."""
    ordered = sorted(set(rows), key=lambda row: (*_id_order(row[0]), row[1]))
    ids, reasons, repaired = zip(*ordered, strict=True) if ordered else ((), (), ())
    columns = (
        pd.array(ids, dtype="str"),
        pd.array(reasons, dtype="str"),
        np.array(repaired, dtype=np.bool_),
    )
    return pd.DataFrame(dict(zip(DROP_COLUMNS, columns, strict=True)))


def _id_order(feature_id: str) -> tuple[int, int]:
    word, _, number = feature_id.partition("/")
    return OSM_TYPES.index(word), int(number)


def layer_columns(table: pd.DataFrame) -> list[str]:
    """Name the columns of a table of features that are layers, in their order."""
    return [str(name) for name in table.columns if name not in OWN_COLUMNS]


def validate_features(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Check that a table keeps the schema of features, and give it back.

    Raises
    ------
    InputError
        If it breaks the schema; the message names every fault.

    Examples
    --------
    >>> validate_features(gpd.GeoDataFrame({"highway": ["track"]}))
    Traceback (most recent call last):
    ...
    minewatch.errors.InputError: this is no table of features:
      it has no column target, kind, tags, geometry; extract_features and read_features make one
    """
    missing = [name for name in (TARGET, "kind", "tags", "geometry") if name not in table.columns]
    if missing:
        faults = [
            f"it has no column {', '.join(missing)}; extract_features and read_features make one"
        ]
    else:
        faults = [*_index_faults(table), *_column_faults(table), *_shape_faults(table)]
    if faults:
        raise InputError("\n  ".join(["this is no table of features:", *faults]))
    return table


def _index_faults(table: gpd.GeoDataFrame) -> list[str]:
    ids = pd.Series(table.index.astype("str"))
    faults = []
    if table.index.name != FEATURE_ID:
        faults.append(f"its index is called {table.index.name!r}; expected {FEATURE_ID!r}")
    strange = ids[~ids.str.fullmatch(r"(node|way|relation)/-?\d+")]
    if len(strange):
        faults.append(
            f"{len(strange)} ids are not like node/1, way/2 or relation/3: {strange.iloc[0]!r}"
        )
    twice = ids[ids.duplicated()]
    if len(twice):
        faults.append(f"{len(twice)} ids are there more than once: {twice.iloc[0]}")
    return faults


def _column_faults(table: gpd.GeoDataFrame) -> list[str]:
    faults = [
        f"column {name} is {table[name].dtype}; expected str"
        for name in (*layer_columns(table), TARGET, "kind")
        if not pd.api.types.is_string_dtype(table[name]) and len(table)
    ]
    if table["tags"].dtype != pd.ArrowDtype(TAGS_TYPE):
        faults.append(f"column tags is {table['tags'].dtype}; expected an Arrow map of strings")
    strange = sorted({str(kind) for kind in table["kind"]} - set(KINDS))
    if strange:
        faults.append(f"kind is {', '.join(strange)}; expected {', '.join(KINDS)}")
    return faults


def _shape_faults(table: gpd.GeoDataFrame) -> list[str]:
    faults = []
    if table.crs is None or not table.crs.equals(FEATURES_CRS):
        faults.append(f"its CRS is {table.crs}; expected {FEATURES_CRS}")
    shapes = table.geometry
    empty = shapes.isna() | shapes.is_empty
    if empty.any():
        faults.append(f"{int(empty.sum())} features have no geometry: {table.index[empty][0]}")
    for kind, allowed in _SHAPES_OF.items():
        wrong = (table["kind"] == kind) & ~empty & ~shapes.geom_type.isin(list(allowed))
        if wrong.any():
            faults.append(
                f"{int(wrong.sum())} of kind {kind} are no {' or '.join(sorted(allowed))}: "
                f"{table.index[wrong][0]}"
            )
    if empty.all():
        return faults
    west, south, east, north = shapely.total_bounds(shapes.to_numpy())
    if west < -180.0 or east > 180.0 or south < -90.0 or north > 90.0:
        faults.append(f"it reaches from {west}, {south} to {east}, {north}; those are no degrees")
    return faults
