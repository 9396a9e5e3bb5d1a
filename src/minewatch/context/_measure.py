"""What is mapped around every place, as one row of numbers per place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from odc.geo.geobox import GeoBox

from minewatch._progress import Progress, silent
from minewatch.context._around import Around, look_around
from minewatch.context._columns import (
    area_of,
    check_features,
    check_radii,
    choose_layers,
    drawn_layers,
    is_target,
    naming_layers,
    target_values,
)
from minewatch.context._features import Features
from minewatch.context._ground import Ground, join_area, to_crs, to_metres, to_plane, zone_of
from minewatch.context._layers import TARGET, Layer
from minewatch.context._outline import outline
from minewatch.context._plane import Membership, Places, Plane
from minewatch.context._runs import Runs
from minewatch.context._sheet import Sheet
from minewatch.context._table import layer_columns
from minewatch.errors import InputError
from minewatch.grid import MAX_LATITUDE, MIN_LATITUDE, PatchGrid
from minewatch.sites._distance import lonlat
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

DEFAULT_RADII_M = (500.0, 2_000.0, 10_000.0)
"""Radii within which amounts are measured, metres; the largest is how far is searched."""
_STEP = "measure context"


def measure_context(
    sites: gpd.GeoDataFrame,
    features: Features | gpd.GeoDataFrame,
    *,
    layers: Sequence[Layer | str] | None = None,
    radii_m: Sequence[float] = DEFAULT_RADII_M,
    grid: PatchGrid = PatchGrid(),  # noqa: B008 - frozen
    geoboxes: Mapping[str, GeoBox] | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Measure what is mapped around every place.

    Nothing is measured in degrees: each place is measured in the plane of its own UTM zone, with
    the scale of its own point, across the borders of zones and 180°. Circles are circles: what is
    within a radius is cut in closed form, not by a polygon. What names the target is left out of
    all layers and measured as ``target``; `target_columns` gives those columns.

    Parameters
    ----------
    sites
        Table of sites, or of windows to be scanned: index ``site_id``, points in EPSG:4326.
    features
        What is mapped, as `read_features` gives it.
    layers
        The layers to measure, by name or as they are defined. None: all that the features have.
        What names the target is measured in any case, as ``target``.
    radii_m
        Radii, whole metres. The largest is also how far the nearest is looked for.
    grid
        How patches are cut around the sites.
    geoboxes
        Grids of patches that are cut otherwise, by site_id; others follow `grid`.
    progress
        Told the sites measured.

    Returns
    -------
    DataFrame
        One row per site, index ``site_id`` in the order of `sites`. For each layer, for ``target``
        and for ``osm`` (what people draw by hand: all features of all layers that the features
        have but those of the keys boundary, natural and waterway, for these are imported whole or
        are there without people; of all layers where there are no others; never what names the
        target):

        - ``{layer}_nearest_m`` (float64): metres to the nearest feature; 0 on or inside one; NaN
          where nothing lies within the largest radius;
        - ``{layer}_is_within`` (boolean): whether something does;
        - ``{layer}_is_bound`` (boolean): whether the nearest may lie nearer than that, beyond the
          border of the extract; <NA> where the extract's area is not known;
        - ``{layer}_in_patch`` (boolean): whether anything meets the patch.

        For each layer and ``target``: ``{layer}_nearest_class`` (str), the tag's value of the
        nearest feature, the first in the table's order of those equally near; and within each
        radius ``{layer}_500m_count`` (Int32) of features that reach into it,
        ``{layer}_500m_length_m`` (float64) of lines and ``{layer}_500m_area_ha`` (float64) of
        areas, as the layer's kinds have it. Where features overlap, each counts.

        Completeness: ``osm_features_500m``, ``osm_layers_500m`` (Int32), how many features and how
        many different layers of ``osm`` there are within each radius.

        ``edge_m`` (float64): metres to the border of the extract's area; 0 outside of it, NaN where
        the border is farther than the largest radius, or not known. ``is_edge_limited`` (boolean):
        whether it is nearer than the largest radius; <NA> where it is not known.

        All is missing for sites without coordinates.

    Raises
    ------
    InputError
        If features, layers or radii cannot be used, or a site_id comes twice.

    Examples
    --------
    >>> from shapely import LineString, Point
    >>> features = gpd.GeoDataFrame(
    ...     {"highway": ["track"], "target": pd.array([None], dtype="str"), "kind": ["line"]},
    ...     geometry=[LineString([(-62.61, 5.44), (-62.61, 5.46)])],
    ...     index=pd.Index(["way/1"], name="feature_id"),
    ...     crs="EPSG:4326",
    ... )
    >>> sites = gpd.GeoDataFrame(
    ...     index=pd.Index(["near", "far"], name="site_id"),
    ...     geometry=[Point(-62.60, 5.45), Point(-61.60, 5.45)],
    ...     crs="EPSG:4326",
    ... )
    >>> table = measure_context(sites, features, radii_m=(2000,))
    >>> table["highway_nearest_m"].round(1).to_dict()
    {'near': 1108.2, 'far': nan}
    >>> table["highway_is_within"].to_dict(), table["highway_2000m_length_m"].round().to_dict()
    ({'near': True, 'far': False}, {'near': 2212.0, 'far': 0.0})
    """
    radii = check_radii(radii_m)
    table, info = check_features(features)
    chosen = choose_layers(layers, table, info)
    naming = naming_layers(layers, info)
    named = [name for name in layer_columns(table) if name not in naming]
    area = area_of(info)
    places = check_places(sites)
    drawn = [named.index(name) for name in drawn_layers(named, info)]
    sheet = Sheet.empty(sites.index, chosen, named, drawn, radii, knows_area=area is not None)
    mapped = _Mapped.of(table, named, drawn, is_target(table, naming), area)
    cut = _Cut.of(sites.index, grid, geoboxes or {})
    done = 0
    progress(_STEP, 0, len(sites))
    for rows, around in _look(places, mapped, radii, cut):
        sheet.write(rows, around)
        done += len(rows)
        progress(_STEP, done, len(sites))
    placed = np.flatnonzero(np.isfinite(places[:, 0]))
    if area is not None:
        sheet.mark_outside(placed[~_inside(area, places[placed])])
    if done < len(sites):
        progress(_STEP, len(sites), len(sites))
    values = {name: table[name] for name in named} | {TARGET: target_values(table, naming)}
    return sheet.table(values, placed)


@dataclass(frozen=True)
class _Mapped:
    """What is measured: features in degrees, and the layers that each belongs to."""

    ground: Ground
    layers: Membership
    """The features' layers, then target and edge."""

    @classmethod
    def of(
        cls,
        table: gpd.GeoDataFrame,
        named: Sequence[str],
        drawn: Sequence[int],
        target: BoolArray,
        area: shapely.Geometry | None,
    ) -> "_Mapped":
        """Put features in layers; the border of the area becomes a feature of its own."""
        layers = [table[name].notna().to_numpy() & ~target for name in named]
        nothing = np.zeros(len(table), dtype=np.bool_)
        by_hand = np.any([nothing, *(layers[place] for place in drawn)], axis=0)
        member = np.column_stack([*layers, target, nothing])
        border = np.zeros((0 if area is None else 1, member.shape[1]), dtype=np.bool_)
        border[:, -1] = True
        geometry = np.empty(len(table) + len(border), dtype=object)
        geometry[: len(table)] = table.geometry.to_numpy()
        geometry[len(table) :] = None if area is None else shapely.boundary(join_area(area))
        by_hand = np.append(by_hand, border[:, 0])
        return cls(Ground.of(geometry), Membership(np.concatenate([member, border]), by_hand))


def _look(
    places: FloatArray, mapped: _Mapped, radii: tuple[float, ...], cut: "_Cut"
) -> Iterator[tuple[IntArray, Around]]:
    """Look around all places, zone by zone and lot by lot; features are told by their rows."""
    placed = np.flatnonzero(np.isfinite(places[:, 0]))
    zones = zone_of(*places[placed].T)
    for zone in np.unique(zones):
        rows = placed[zones == zone]
        longitude, latitude = places[rows].T
        crs = f"EPSG:{zone}"
        own = Places(*to_plane(crs, longitude, latitude), cut.outlines(rows, crs, places[rows]))
        margin_m = max(radii[-1], float(own.corner_m.max()))
        chosen, plane = _plane(mapped, crs, longitude, latitude, margin_m)
        for lot, around in look_around(own, plane, np.array(radii)):
            found = around.feature >= 0
            around.feature[found] = chosen[around.feature[found]]
            yield rows[lot], around


def _plane(
    mapped: _Mapped, crs: str, longitude: FloatArray, latitude: FloatArray, margin_m: float
) -> tuple[IntArray, Plane]:
    """Choose the features near places, and bring them to the plane of a zone."""
    chosen = mapped.ground.near(longitude, latitude, margin_m)
    degrees = mapped.ground.nearby(chosen, longitude, latitude, margin_m)
    runs = Runs.of(degrees).moved(partial(to_metres, crs))
    layers = mapped.layers.take(chosen)
    return chosen, Plane.of(runs, layers, lambda rows: to_crs(degrees[rows], crs), margin_m)


@dataclass(frozen=True)
class _Cut:
    """How patches are cut around sites."""

    grid: PatchGrid
    own: Mapping[int, GeoBox]
    """Grids of patches that are cut otherwise, by the position of their site."""

    @classmethod
    def of(cls, index: pd.Index, grid: PatchGrid, geoboxes: Mapping[str, GeoBox]) -> "_Cut":
        """Find the sites of grids."""
        positions = index.get_indexer(pd.Index(list(geoboxes), dtype=object))
        found = zip(positions, geoboxes.values(), strict=True)
        return cls(grid, {int(row): geobox for row, geobox in found if row >= 0})

    def outlines(self, rows: IntArray, crs: str, places: FloatArray) -> AnyArray:
        """Draw the patches of sites of one zone, polygons in its plane."""
        _, left, top = self.grid.corners(*places.T)
        drawn = shapely.box(left, top - self.grid.side_m, left + self.grid.side_m, top)
        for place in np.flatnonzero(np.isin(rows, list(self.own))):
            drawn[place] = outline(self.own[int(rows[place])], crs)
        return np.asarray(drawn)


def check_places(sites: gpd.GeoDataFrame) -> FloatArray:
    """Give the longitude and latitude of every site, degrees, NaN where it has none.

    Raises
    ------
    InputError
        If a site_id comes twice, or a site lies where no UTM zone is defined.
    """
    if sites.index.has_duplicates:
        twice = sites.index[sites.index.duplicated()].unique()
        raise InputError(f"{', '.join(map(repr, twice[:5]))} come twice among the sites")
    places = lonlat(sites)
    beyond = ~((places[:, 1] >= MIN_LATITUDE) & (places[:, 1] <= MAX_LATITUDE))
    beyond |= abs(places[:, 0]) > 180.0
    beyond &= np.isfinite(places[:, 0])
    if beyond.any():
        names = ", ".join(map(repr, sites.index[beyond][:5]))
        raise InputError(
            f"{names}: expected longitudes from -180 to 180 and latitudes from {MIN_LATITUDE:g} "
            f"to {MAX_LATITUDE:g} degrees, where UTM zones are defined"
        )
    return places


def _inside(area: shapely.Geometry, places: FloatArray) -> BoolArray:
    joined = join_area(area)
    shapely.prepare(joined)
    inside = np.zeros(len(places), dtype=np.bool_)
    for turn in (-360.0, 0.0, 360.0):
        inside |= shapely.intersects_xy(joined, places[:, 0] + turn, places[:, 1])
    return inside
