"""All periods together: what they have found, and since when each place is known."""

from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from minewatch.errors import InputError
from minewatch.scan._compare import PLACE_ID
from minewatch.scan._compare_ground import (
    Places,
    gather_places,
    is_there,
    join_grounds,
    not_seen_ha,
)
from minewatch.scan._merge_ids import keep_ids, place_ids
from minewatch.scan._merge_polygons import area_ha
from minewatch.types import AnyArray


def unite_periods(
    periods: Mapping[str, gpd.GeoDataFrame], *, gap_m: float = 30.0
) -> dict[str, gpd.GeoDataFrame]:
    """Unite each period with all before it, for periods that hold only what is new in them.

    Some published yearly polygons are such increments: ground that an earlier year has is cut out
    of a later one. Compared as they are, everything old looks gone.

    Parameters
    ----------
    periods
        Detections by the name of their period, the oldest first.
    gap_m
        Detections that touch, or come within this, are of one place; metres.

    Returns
    -------
    dict of str to GeoDataFrame
        For each period all ground known by then, one row per place, ``area_ha``, index
        ``detection_id``: the names of the first period live on.

    Examples
    --------
    >>> def mine(west, east):
    ...     shape = shapely.box(west, 5.40, east, 5.41)
    ...     return gpd.GeoDataFrame(index=["a"], geometry=[shape], crs="EPSG:4326")
    >>> known = unite_periods({"2021": mine(-62.60, -62.59), "2022": mine(-62.59, -62.58)})
    >>> known["2022"]["area_ha"].round().to_dict()
    {'a': 245.0}
    """
    united: dict[str, gpd.GeoDataFrame] = {}
    for name, period in periods.items():
        before = list(united.values())[-1:]
        if not before:
            united[name] = period.assign(area_ha=area_ha(period.geometry.to_numpy()))
            continue
        places = gather_places([*before, period], gap_m=gap_m)
        ground = join_grounds(places.ground[0], places.ground[1])
        table = gpd.GeoDataFrame({"area_ha": area_ha(ground)}, geometry=ground, crs="EPSG:4326")
        united[name] = keep_ids(table, before).drop(columns=["joined", "split_from"])
    return united


def accumulate_detections(
    periods: Mapping[str, gpd.GeoDataFrame],
    *,
    not_seen: Mapping[str, gpd.GeoDataFrame] | None = None,
    min_area_ha: float = 1.0,
    gap_m: float = 30.0,
) -> gpd.GeoDataFrame:
    """Unite the detections of many periods, and say since when each place is known.

    Parameters
    ----------
    periods
        Detections by the name of their period, the oldest first.
    not_seen
        Polygons that were not seen, by the name of the period.
    min_area_ha
        A place of which less than this was not seen in a period counts as seen, hectares.
    gap_m
        Detections that touch, or come within this, are of one place; metres.

    Returns
    -------
    GeoDataFrame
        One row per place, index ``place_id`` (str, after the place); ``first``, ``last`` (str),
        the first and the last period in which anything of it was detected; ``periods`` (str), all
        of them; ``not_seen`` (str), periods in which some of it was not seen, missing if none;
        ``area_ha`` of all ground together; for each period ``{period}_ha``, detected in it, and
        ``until_{period}_ha``, in it or any before; geometry: all ground, EPSG:4326.

    Raises
    ------
    InputError
        If there is no period, or a table is not one of detections.

    Examples
    --------
    >>> def mine(west, east):
    ...     shape = shapely.box(west, 5.40, east, 5.41)
    ...     return gpd.GeoDataFrame(index=["a"], geometry=[shape], crs="EPSG:4326")
    >>> years = {"2021": mine(-62.60, -62.59), "2022": mine(-62.595, -62.58)}
    >>> known = accumulate_detections(years).iloc[0]
    >>> known["first"], known["last"], round(known["until_2021_ha"]), round(known["area_ha"])
    ('2021', '2022', 123, 245)
    """
    if not periods:
        raise InputError("there is no period; give at least one table of detections")
    names = list(periods)
    _check_names(names)
    places = gather_places(list(periods.values()), gap_m=gap_m)
    there = np.column_stack([is_there(ground) for ground in places.ground])
    known = places.ground[0]
    columns: dict[str, Any] = {}
    for name, ground in zip(names, places.ground, strict=True):
        known = join_grounds(known, ground)
        columns |= {f"{name}_ha": area_ha(ground), f"until_{name}_ha": area_ha(known)}
    unseen = np.column_stack(_not_seen(places, names, known, not_seen or {}, min_area_ha))
    labels = np.array(names, dtype=object)
    table = pd.DataFrame(
        {
            "first": pd.array(labels[there.argmax(axis=1)], dtype="str"),
            "last": pd.array(labels[::-1][there[:, ::-1].argmax(axis=1)], dtype="str"),
            "periods": _listed(labels, there),
            "not_seen": _listed(labels, unseen),
            "area_ha": area_ha(known),
            **columns,
        },
        index=pd.Index(place_ids(known), name=PLACE_ID, dtype="str"),
    )
    return gpd.GeoDataFrame(table, geometry=known, crs="EPSG:4326").sort_index()


def _check_names(names: Sequence[str]) -> None:
    """Refuse names of periods whose columns would be those of another, or of all together."""
    columns = [column for name in names for column in (f"{name}_ha", f"until_{name}_ha")]
    if "area_ha" in columns or len(set(columns)) < len(columns):
        raise InputError(
            f"the periods are called {', '.join(names)}: their columns would write over others; "
            "call them by their years"
        )


def _not_seen(
    places: Places,
    names: Sequence[str],
    every: AnyArray,
    not_seen: Mapping[str, gpd.GeoDataFrame],
    min_area_ha: float,
) -> list[AnyArray]:
    marked = []
    for name, own in zip(names, places.ground, strict=True):
        if name in not_seen:
            astray = not_seen_ha(shapely.difference(every, own), not_seen[name])
            marked.append(astray > max(min_area_ha, 0.0))
        else:
            marked.append(np.zeros(places.count, dtype=np.bool_))
    return marked


def _listed(labels: AnyArray, marked: AnyArray) -> Any:
    texts = ["; ".join(labels[row].tolist()) or None for row in marked]
    return pd.array(texts, dtype="str")
