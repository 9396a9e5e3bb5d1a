"""Layers of a page besides detections: what was not seen, places, map features, overlays."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from minewatch.maps._contents import MapContents
from minewatch.maps._page_shapes import encode_areas, encode_lines, simplify

if TYPE_CHECKING:
    from minewatch.context import Features

FEATURE_LAYERS: Final[Mapping[str, str]] = {
    "waterway": "river",
    "highway": "road",
    "aeroway": "airstrip",
    "place": "settlement",
}
"""Layers of map features that a page draws, and what it calls them."""
MOST_POINTS: Final = 150_000
"""Corners of all map features that a page draws; beyond, roads and rivers are simplified more."""
_TOLERANCES_M: Final = (10.0, 30.0, 100.0, 300.0, 1_000.0)
_MARGIN: Final = 0.1
"""What is drawn around the ground of the map, as a share of its longer side."""


def page_layers(contents: MapContents) -> dict[str, Any]:
    """Encode the layers that there are, as JSON values; None for one that nobody gave."""
    return {
        "not_seen": _named_areas(contents.not_seen, "reason", tolerance_m=5.0),
        "region": _region(contents),
        "sites": _sites(contents.sites),
        "ground": _ground(contents),
        "gone": _gone(contents.changes),
        "overlays": {
            name: _named_areas(table, "name", tolerance_m=30.0)
            for name, table in contents.overlays.items()
        },
        "features": None if contents.features is None else _features(contents.features, contents),
    }


def _named_areas(
    table: gpd.GeoDataFrame | None, column: str, *, tolerance_m: float
) -> dict[str, Any] | None:
    if table is None:
        return None
    shapes = simplify(table.geometry.to_numpy(), tolerance_m)
    names = table[column].astype("str").fillna("") if column in table else [""] * len(table)
    areas = table["area_ha"] if "area_ha" in table else pd.Series(np.nan, index=table.index)
    return {
        "names": list(names),
        "area_ha": [None if pd.isna(one) else round(float(one), 2) for one in areas],
        "shapes": encode_areas(shapes),
    }


def _region(contents: MapContents) -> dict[str, Any] | None:
    if contents.region is None or contents.region.empty:
        return None
    return encode_areas(simplify(contents.region.geometry.to_numpy(), 10.0))


def _ground(contents: MapContents) -> dict[str, Any] | None:
    """Give outlined ground with the detections it lies in."""
    outlines = contents.outlines
    if outlines is None:
        return None
    own = outlines[outlines.index.isin(contents.detections.index)]
    own = own[~own.geometry.is_empty]
    return {"ids": own.index.astype(str).tolist(), "shapes": encode_areas(own.geometry.to_numpy())}


def _gone(changes: gpd.GeoDataFrame | None) -> dict[str, Any] | None:
    """Give the places that were found before and not after: they are in no detection."""
    if changes is None:
        return None
    lost = changes[changes["change"].isin(["gone", "not seen after"])]
    return {
        "names": lost.index.astype(str).tolist(),
        "change": lost["change"].astype("str").tolist(),
        "area_ha": [round(float(one), 2) for one in lost["before_ha"]],
        "shapes": encode_areas(lost.geometry.to_numpy()),
    }


def _sites(sites: gpd.GeoDataFrame | None) -> dict[str, Any] | None:
    if sites is None:
        return None
    points = shapely.get_coordinates(shapely.point_on_surface(sites.geometry.to_numpy()))
    labels = sites["label"] if "label" in sites else pd.Series(pd.NA, index=sites.index)
    return {
        "ids": sites.index.astype(str).tolist(),
        "labels": [None if pd.isna(label) else int(label) for label in labels],
        "points": np.round(points, 5).tolist(),
    }


def _features(features: "Features", contents: MapContents) -> dict[str, Any]:
    """Give the map features that a reader finds the way by; those that name mines are marked."""
    table = features.table
    there = [name for name in FEATURE_LAYERS if name in table]
    kept = table[table[there].notna().any(axis=1)] if there else table.iloc[:0]
    kept = kept[kept.intersects(_around(contents))]
    number = {name: place for place, name in enumerate(there)}
    # A feature of several layers is drawn as the first of them.
    layer = kept[there].notna().to_numpy().argmax(axis=1) if there else np.empty(0, dtype=np.int64)
    shapes = kept.geometry.to_numpy()
    names = np.array([_name(tags) for tags in kept["tags"]], dtype=object)
    is_point = (layer == number.get("place", -1)) | (shapely.get_type_id(shapes) == 0)
    lines = shapely.get_type_id(shapes) == 3
    shapes = np.where(lines & ~is_point, shapely.boundary(shapes), shapes)
    drawn, tolerance = _thinned(shapes[~is_point])
    return {
        "layers": [FEATURE_LAYERS[name] for name in there],
        "points": {
            "layer": layer[is_point].tolist(),
            "names": names[is_point].tolist(),
            "points": np.round(
                shapely.get_coordinates(shapely.centroid(shapes[is_point])), 5
            ).tolist(),
        },
        "lines": {
            "layer": layer[~is_point].tolist(),
            "names": names[~is_point].tolist(),
            "shapes": encode_lines(drawn),
        },
        "tolerance_m": tolerance,
        "attribution": str(features.info.get("attribution") or ""),
        "date": str(features.info.get("osm_timestamp") or "")[:10],
    }


def _thinned(shapes: Any) -> tuple[Any, float]:
    """Simplify lines until there are few enough corners."""
    drawn = shapes
    for tolerance in _TOLERANCES_M:
        drawn = simplify(shapes, tolerance)
        if shapely.get_num_coordinates(drawn).sum() <= MOST_POINTS:
            return drawn, tolerance
    return drawn, _TOLERANCES_M[-1]


def _around(contents: MapContents) -> shapely.Polygon:
    """Give the ground of the map with a margin; the whole world if there is none."""
    tables = [contents.detections, contents.region]
    bounds = [table.total_bounds for table in tables if table is not None and len(table)]
    if not bounds:
        return shapely.box(-180.0, -90.0, 180.0, 90.0)
    west, south = np.min([one[:2] for one in bounds], axis=0)
    east, north = np.max([one[2:] for one in bounds], axis=0)
    margin = max(_MARGIN * max(east - west, north - south), 0.02)
    around: shapely.Polygon = shapely.box(
        west - margin, south - margin, east + margin, north + margin
    )
    return around


def _name(tags: Any) -> str:
    """Give the name that the tags of a feature hold, whatever it is made of."""
    pairs = tags.items() if isinstance(tags, Mapping) else tags if tags is not None else ()
    return str(dict(pairs).get("name") or "")
