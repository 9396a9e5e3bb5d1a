"""What detections touch and lie near: layers with names, and what OpenStreetMap knows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from minewatch.context import Features, read_features
from minewatch.context._columns import area_of, check_features, is_target, naming_layers
from minewatch.context._ground import Ground, join_area, to_plane, zone_of
from minewatch.context._ground import to_crs as project
from minewatch.context._table import layer_columns
from minewatch.errors import InputError
from minewatch.sites._distance import lonlat
from minewatch.sites._regions import Region, read_polygons
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray, StrPath

NEAR: Final[Mapping[str, str]] = {
    "river_m": "waterway",
    "road_m": "highway",
    "airstrip_m": "aeroway",
    "settlement_m": "place",
}
"""Columns of distances, and the layers of map features that they are measured to."""
MAP_EDGE_M: Final = "map_edge_m"
_BETWEEN: Final = "; "


def touched_names(
    detections: gpd.GeoDataFrame, overlay: Region, *, name_column: str
) -> "pd.Series[str]":
    """Name what of a layer every detection touches: protected areas, territories, concessions.

    Parameters
    ----------
    detections
        Polygons, EPSG:4326.
    overlay
        Any file or table of polygons.
    name_column
        Its column of names; a polygon without one is called ``(no name)``.

    Returns
    -------
    Series of str
        Index of `detections`; names in alphabetical order, each once, ``"; "`` between them;
        missing where nothing is touched. A common border is a touch.

    Raises
    ------
    InputError
        If the layer has no such column, or holds no polygons.

    Examples
    --------
    >>> mines = gpd.GeoDataFrame(geometry=[shapely.box(-62.6, 5.4, -62.5, 5.5)], crs="EPSG:4326")
    >>> parks = gpd.GeoDataFrame(
    ...     {"NAME": ["Canaima", "Caura"]}, crs="EPSG:4326",
    ...     geometry=[shapely.box(-62.55, 5.0, -60.7, 6.4), shapely.box(-66.0, 4.0, -64.0, 6.0)],
    ... )
    >>> touched_names(mines, parks, name_column="NAME").tolist()
    ['Canaima']
    """
    layer = read_polygons(overlay)
    if name_column not in layer.columns:
        columns = ", ".join(str(name) for name in layer.columns if name != layer.geometry.name)
        raise InputError(f"the layer has no column {name_column!r}; it has {columns}")
    names = layer[name_column].astype("str").fillna("(no name)").to_numpy()
    tree = shapely.STRtree(layer.geometry.to_numpy())
    row, other = tree.query(detections.geometry.to_numpy(), predicate="intersects")
    found = pd.Series(names[other], dtype="str").groupby(row)
    joined = found.agg(lambda some: _BETWEEN.join(sorted(set(some)))).reindex(
        range(len(detections))
    )
    return pd.Series(joined.astype("str").array, index=detections.index, dtype="str")


def context_distances(
    detections: gpd.GeoDataFrame, features: Features | StrPath, *, radius_m: float = 10_000.0
) -> pd.DataFrame:
    """Measure how far rivers, roads, airstrips and settlements are from every detection.

    From the nearest point of the polygon, in the plane of the UTM zone of its own point, to 1 part
    in 2,500 where the polygon is no longer than 100 km. What names a mine is left out of all
    layers. What nobody has mapped is not there: no distance is not a great distance.

    Parameters
    ----------
    detections
        Polygons, EPSG:4326.
    features
        What is mapped, as `minewatch.context.read_features` gives it, or its file.
    radius_m
        How far is looked, metres.

    Returns
    -------
    DataFrame
        Index of `detections`, float64 metres. ``river_m`` (waterways), ``road_m``, ``airstrip_m``
        (aeroways), ``settlement_m`` (places): to the nearest; 0 if it is met; NaN if there is none
        within the radius, or the features lack the layer. ``map_edge_m``: to where the map data
        end, 0 beyond; what is farther than this may lie nearer on a fuller map; NaN where it is
        farther than the radius, or not known.

    Examples
    --------
    >>> mines = gpd.GeoDataFrame(geometry=[shapely.box(-62.6, 5.4, -62.59, 5.41)], crs="EPSG:4326")
    >>> roads = gpd.GeoDataFrame(
    ...     {"highway": ["track"], "target": pd.array([None], dtype="str"), "kind": ["line"]},
    ...     geometry=[shapely.LineString([(-62.61, 5.3), (-62.61, 5.5)])], crs="EPSG:4326",
    ... )
    >>> context_distances(mines, roads)["road_m"].round().tolist()
    [1108.0]
    """
    told = read_features(features) if isinstance(features, str | Path) else features
    table, info = check_features(told)
    area = area_of(info)
    there = set(layer_columns(table))
    ordinary = ~is_target(table, naming_layers(None, info))
    layers = {
        column: ordinary & table[layer].notna().to_numpy()
        for column, layer in NEAR.items()
        if layer in there
    }
    distances = pd.DataFrame(np.nan, index=detections.index, columns=[*NEAR, MAP_EDGE_M])
    shapes = detections.geometry.to_numpy()
    points = _points(detections)
    for column, member in layers.items():
        ground = Ground.of(table.geometry.to_numpy()[member])
        distances[column] = _distances(shapes, points, ground, radius_m)
    if area is not None:
        border = Ground.of(np.array([shapely.boundary(join_area(area))], dtype=object))
        edge = _distances(shapes, points, border, radius_m)
        distances[MAP_EDGE_M] = np.where(_beyond(shapes, area), 0.0, edge)
    return distances


@dataclass(frozen=True)
class Nearest:
    """Detections, each with the feature that is nearest; one that has several comes several times.

    Dims of all three: (pair). What has none within the radius is not there.
    """

    row: IntArray
    """Positions of detections."""
    feature: IntArray
    """Positions of features."""
    metres: FloatArray
    """How far they are from each other; 0 where they meet."""


def nearest_features(
    detections: gpd.GeoDataFrame, geometry: AnyArray, *, radius_m: float
) -> Nearest:
    """Find the features that are nearest to every detection, all of those that are as near."""
    ground = Ground.of(geometry)
    shapes = detections.geometry.to_numpy()
    return _nearest(shapes, _points(detections), ground, radius_m, all_matches=True)


def _points(detections: gpd.GeoDataFrame) -> FloatArray:
    if {"longitude", "latitude"} <= set(detections.columns):
        return np.asarray(detections[["longitude", "latitude"]], dtype=np.float64)
    shapes = shapely.point_on_surface(detections.geometry.to_numpy())
    return lonlat(gpd.GeoDataFrame(geometry=shapes, crs="EPSG:4326"))


def _distances(shapes: AnyArray, points: FloatArray, ground: Ground, radius_m: float) -> FloatArray:
    """Measure from every polygon to the nearest feature; NaN beyond the radius."""
    found = np.full(len(shapes), np.nan)
    nearest = _nearest(shapes, points, ground, radius_m, all_matches=False)
    found[nearest.row] = nearest.metres
    return found


def _nearest(
    shapes: AnyArray, points: FloatArray, ground: Ground, radius_m: float, *, all_matches: bool
) -> Nearest:
    """Find the features that are nearest to every polygon, zone by zone."""
    pairs: list[tuple[IntArray, IntArray, FloatArray]] = []
    zones = zone_of(*points.T)
    for zone in np.unique(zones):
        rows = np.flatnonzero(zones == zone)
        crs = f"EPSG:{zone}"
        margin_m = 1.01 * radius_m
        longitude, latitude = shapely.get_coordinates(shapes[rows]).T
        chosen = ground.near(longitude, latitude, margin_m)
        if len(chosen) == 0:
            continue
        there = project(ground.nearby(chosen, longitude, latitude, margin_m), crs)
        scale = to_plane(crs, *points[rows].T)[2]
        (own, other), far = shapely.STRtree(there).query_nearest(
            project(shapes[rows], crs),
            max_distance=margin_m,
            return_distance=True,
            all_matches=all_matches,
        )
        pairs.append((rows[own], chosen[other], far / scale[own]))
    if not pairs:
        nothing = np.empty(0, dtype=np.int64)
        return Nearest(nothing, nothing, np.empty(0))
    row, feature, metres = (np.concatenate(one) for one in zip(*pairs, strict=True))
    near = metres <= radius_m
    return Nearest(row[near], feature[near], metres[near])


def _beyond(shapes: AnyArray, area: shapely.Geometry) -> BoolArray:
    joined = join_area(area)
    within = np.zeros(len(shapes), dtype=np.bool_)
    for turn in (-360.0, 0.0, 360.0):
        within |= shapely.contains(shapely.transform(joined, _turned(turn)), shapes)
    return ~within


def _turned(degrees: float) -> Callable[[FloatArray], FloatArray]:
    return lambda at: at + np.array([degrees, 0.0])
