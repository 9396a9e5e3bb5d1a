"""Ground that changed: polygons of two periods gathered into places, and cut against each other."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from minewatch.errors import InputError
from minewatch.scan._merge_ids import DETECTION_ID
from minewatch.scan._merge_polygons import area_ha, linked, near_boxes
from minewatch.sites._regions import read_polygons
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

Ground: TypeAlias = Literal[
    "common", "gained", "lost", "not seen before", "not seen after", "sliver gained", "sliver lost"
]
GROUNDS: Final[tuple[Ground, ...]] = get_args(Ground)
"""What a piece of ground is: every square metre detected in either period is exactly one."""
_NOTHING: Final = shapely.Polygon()
_LEAST_HA: Final = 1e-8
"""A square centimetre: less is what rounding leaves along a common edge."""
_METRES_PER_DEGREE: Final = 111_000.0


@dataclass(frozen=True)
class Places:
    """Detections of several periods, gathered into places."""

    group: tuple[IntArray, ...]
    """For each period the place of every detection, dims (detection)."""
    ground: tuple[AnyArray, ...]
    """For each period its ground in every place, polygons, EPSG:4326, dims (place); empty polygons
    where there is none."""
    count: int

    def ids(self, period: int, names: pd.Index) -> "pd.Series[str]":
        """Join the names of a period's detections in every place; missing where there are none."""
        found = pd.Series(names.astype("str").to_numpy(), dtype="str").groupby(self.group[period])
        joined = found.agg(lambda some: "; ".join(sorted(some)))
        return pd.Series(joined.reindex(range(self.count)).astype("str").array, dtype="str")


def gather_places(periods: list[gpd.GeoDataFrame], *, gap_m: float) -> Places:
    """Gather detections into places: those within a gap of each other, of whatever period."""
    shapes = [check_detections(period).geometry.to_numpy() for period in periods]
    every = np.concatenate([*shapes, np.empty(0, dtype=object)])
    group = linked(len(every), near_pairs(every, gap_m))
    count = int(group.max()) + 1 if len(group) else 0
    groups = tuple(np.split(group, np.cumsum([len(some) for some in shapes])[:-1]))
    ground = tuple(_unite(own, of, count) for own, of in zip(shapes, groups, strict=True))
    return Places(groups, ground, count)


def near_pairs(shapes: AnyArray, gap_m: float) -> IntArray:
    """List the pairs (n, 2) of polygons that touch, or come within a gap of each other.

    Also across 180°, where what one polygon begins another may go on with. Metres are to 1 %:
    degrees are scaled by the middle latitude of the first of two.
    """
    parts, of = shapely.get_parts(shapes, return_index=True)
    _, south, _, north = shapely.bounds(parts).reshape(-1, 4).T
    up = gap_m / _METRES_PER_DEGREE
    aside = up / np.cos(np.radians(np.minimum(np.maximum(abs(south), abs(north)), 89.0)))
    scale = np.cos(np.radians((south + north) / 2.0))
    found = [np.empty((0, 2), dtype=np.int64)]
    for one, two, turn in near_boxes(parts, aside, up):
        other = of[one] != of[two]
        one, two = one[other], two[other]
        own = scale[one]
        first, second = _scaled(parts[one], own), _scaled(parts[two], own, turn)
        near = shapely.dwithin(first, second, gap_m)
        found.append(np.column_stack([of[one], of[two]])[near])
    return np.unique(np.concatenate(found), axis=0)


def _scaled(shapes: AnyArray, scale: FloatArray, turn: float = 0.0) -> AnyArray:
    """Turn degrees, brought east by a turn, into metres about a parallel, whose scale each has."""
    places, of = shapely.get_coordinates(shapes, return_index=True)
    metres = (places + np.array([turn, 0.0])) * _METRES_PER_DEGREE
    metres[:, 0] *= scale[of]
    return np.asarray(shapely.set_coordinates(shapes.copy(), metres))


def check_detections(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Give a table of detections back if it is one: polygons in EPSG:4326 with unique names.

    Raises
    ------
    InputError
        If it is not.
    """
    if table.crs is None or table.crs.to_epsg() != 4326:
        raise InputError(f"detections are in {table.crs}; expected EPSG:4326, as read_detections")
    kinds = set(table.geom_type) - {"Polygon", "MultiPolygon"}
    if kinds or not table.geometry.is_valid.all():
        raise InputError(
            f"detections hold {', '.join(sorted(map(str, kinds))) or 'rings that cross themselves'}"
            "; expected valid polygons, as read_detections gives them"
        )
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][0]
        raise InputError(f"{DETECTION_ID} {twice} stands for two detections; name each once")
    return table


def _unite(shapes: AnyArray, group: IntArray, count: int) -> AnyArray:
    """Unite the polygons of every group; what is alone stays as it is."""
    united = np.full(count, _NOTHING, dtype=object)
    if len(group) == 0:
        return united
    order = np.argsort(group, kind="stable")
    numbers, starts = np.unique(group[order], return_index=True)
    for number, members in zip(numbers, np.split(order, starts[1:]), strict=True):
        united[number] = (
            shapes[members[0]] if len(members) == 1 else shapely.union_all(shapes[members])
        )
    return united


def join_grounds(one: AnyArray, two: AnyArray) -> AnyArray:
    """Unite the ground of two periods, place by place; what only one has stays as it is."""
    joined = np.where(is_there(one), one, two)
    both = np.flatnonzero(is_there(one) & is_there(two))
    joined[both] = shapely.union(one[both], two[both])
    return np.asarray(joined)


def cut_ground(
    before: AnyArray,
    after: AnyArray,
    *,
    min_area_ha: float,
    before_not_seen: gpd.GeoDataFrame | None,
    after_not_seen: gpd.GeoDataFrame | None,
) -> gpd.GeoDataFrame:
    """Cut the ground of two periods into what is common, gained, lost, not seen, and slivers.

    Parameters
    ----------
    before, after
        Polygons of the same places, EPSG:4326, dims (place); empty where there is nothing.
    min_area_ha
        A connected piece of anything but common ground that is smaller is a sliver.
    before_not_seen, after_not_seen
        Polygons that were not seen in a period.

    Returns
    -------
    GeoDataFrame
        One row per piece of ground: ``place`` (int64, its position), ``ground`` (one of
        `GROUNDS`), ``area_ha``, polygon in EPSG:4326.
    """
    common, gained, lost = _cut(before, after)
    unseen_before = _within(gained, before_not_seen)
    unseen_after = _within(lost, after_not_seen)
    pieces = [
        _pieces(common, "common"),
        _pieces(_without(gained, unseen_before), "gained"),
        _pieces(_without(lost, unseen_after), "lost"),
        _pieces(unseen_before, "not seen before"),
        _pieces(unseen_after, "not seen after"),
    ]
    table = pd.concat(pieces, ignore_index=True)
    small = (table["area_ha"] < min_area_ha) & (table["ground"] != "common")
    came = table["ground"].isin(["gained", "not seen before"])
    table.loc[small & came, "ground"] = "sliver gained"
    table.loc[small & ~came, "ground"] = "sliver lost"
    sorted_ = table.sort_values(["place", "ground"], kind="stable", ignore_index=True)
    return gpd.GeoDataFrame(sorted_, geometry="geometry", crs="EPSG:4326")


def _cut(before: AnyArray, after: AnyArray) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Give what is common, gained and lost; only what both have is worth an overlay."""
    same = np.asarray(shapely.equals_exact(before, after, tolerance=0.0))
    both = np.flatnonzero(is_there(before) & is_there(after) & ~same)
    common, gained, lost = after.copy(), after.copy(), before.copy()
    common[~same] = _NOTHING
    gained[same] = lost[same] = _NOTHING
    own, later = before[both], after[both]
    common[both] = shapely.intersection(own, later)
    gained[both] = shapely.difference(later, own)
    lost[both] = shapely.difference(own, later)
    return common, gained, lost


def _without(ground: AnyArray, taken: AnyArray) -> AnyArray:
    """Take ground away where there is any to take."""
    left = ground.copy()
    rows = np.flatnonzero(is_there(taken))
    left[rows] = shapely.difference(ground[rows], taken[rows])
    return left


def _pieces(ground: AnyArray, name: Ground) -> pd.DataFrame:
    parts, place = shapely.get_parts(ground, return_index=True)
    areas = area_ha(parts)
    real = areas > _LEAST_HA
    return pd.DataFrame(
        {
            "place": np.asarray(place, dtype=np.int64)[real],
            "ground": pd.array([name] * int(real.sum()), dtype="str"),
            "area_ha": areas[real],
            "geometry": parts[real],
        }
    )


def _within(ground: AnyArray, not_seen: gpd.GeoDataFrame | None) -> AnyArray:
    """Give the part of every piece of ground that was not seen."""
    found = np.full(len(ground), _NOTHING, dtype=object)
    if not_seen is None:
        return found
    unseen = shapely.get_parts(read_polygons(not_seen).geometry.to_numpy())
    row, other = shapely.STRtree(unseen).query(ground, predicate="intersects")
    for number in np.unique(row):
        cover = shapely.union_all(unseen[other[row == number]])
        found[number] = shapely.intersection(ground[number], cover)
    return found


def hectares(pieces: pd.DataFrame, count: int) -> pd.DataFrame:
    """Sum the hectares of every place, one column per kind of ground, 0 where there is none."""
    table = pieces.pivot_table(
        index="place", columns="ground", values="area_ha", aggfunc="sum", observed=False
    )
    return table.reindex(index=range(count), columns=list(GROUNDS)).fillna(0.0)


def is_there(ground: AnyArray) -> BoolArray:
    """Say where there is any ground."""
    return np.asarray(~shapely.is_empty(ground))


def not_seen_ha(ground: AnyArray, not_seen: gpd.GeoDataFrame | None) -> FloatArray:
    """Measure how much of every piece of ground was not seen, hectares."""
    return area_ha(_within(ground, not_seen))
