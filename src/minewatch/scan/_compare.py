"""What changed between two periods: places that are new, grown, unchanged, shrunk or gone."""

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

import geopandas as gpd
import numpy as np
import pandas as pd

from minewatch.errors import InputError
from minewatch.scan._compare_ground import (
    Places,
    cut_ground,
    gather_places,
    hectares,
    is_there,
    join_grounds,
)
from minewatch.scan._merge_polygons import area_ha
from minewatch.scan._merge_windows import HEADER
from minewatch.types import BoolArray

Change: TypeAlias = Literal[
    "new", "grown", "unchanged", "shrunk", "gone", "not seen before", "not seen after"
]
CHANGES: Final[tuple[Change, ...]] = get_args(Change)
PLACE_ID: Final = "place_id"
MOST_GAP_M: Final = 10_000.0
_COLUMNS: Final = {
    "common": "common_ha",
    "gained": "gained_ha",
    "lost": "lost_ha",
    "not seen before": "not_seen_before_ha",
    "not seen after": "not_seen_after_ha",
    "sliver gained": "sliver_gained_ha",
    "sliver lost": "sliver_lost_ha",
}


def compare_detections(
    before: gpd.GeoDataFrame,
    after: gpd.GeoDataFrame,
    *,
    min_area_ha: float = 1.0,
    gap_m: float = 30.0,
    before_not_seen: gpd.GeoDataFrame | None = None,
    after_not_seen: gpd.GeoDataFrame | None = None,
) -> gpd.GeoDataFrame:
    """Say of every place what changed between two periods, with hectares.

    A place is all detections of either period that hang together: that share ground, touch, or come
    within `gap_m`, each with the next. Its ground is cut into what is common, gained and lost.
    Gained ground that was not seen before is not called gained, lost ground that was not seen after
    is not called lost: they are columns of their own. A connected piece smaller than `min_area_ha`
    of ground gained, lost or not seen is a sliver: its hectares are listed, and it changes nothing.

    ================  ==================================================================
    new               detected after and not before, and all of it was seen before
    grown             detected in both; gained ground, at least as much as it lost
    unchanged         detected in both; neither gained nor lost any
    shrunk            detected in both; lost more ground than it gained
    gone              detected before and not after, and all of it was seen after
    not seen before   detected after and not before, but some of it was not seen before
    not seen after    detected before and not after, but some of it was not seen after
    ================  ==================================================================

    Places that would be new or gone, but are slivers altogether, are left out and counted. What a
    detector does not find is not thereby gone: a mine under a year of cloud, or a score that fell
    from 0.44 to 0.42, is gone all the same by this rule.

    Parameters
    ----------
    before, after
        Detections of two periods, as `merge_detections` or `read_detections` give them.
    min_area_ha
        Hectares.
    gap_m
        Metres, to 1 %; 0: they have to touch.
    before_not_seen, after_not_seen
        Polygons that were not seen in a period, ``not_seen.parquet`` of its scan. None: all was
        seen. Nothing in published polygons says where nobody looked.

    Returns
    -------
    GeoDataFrame
        One row per place, index ``place_id`` (str): the first of its names after, else before.
        ``change``; ``before_ids``, ``after_ids`` (str, ``"; "`` between, missing if none);
        ``before_ha``, ``after_ha``, ``common_ha``, ``gained_ha``, ``lost_ha``,
        ``not_seen_before_ha``, ``not_seen_after_ha``, ``sliver_gained_ha``, ``sliver_lost_ha``
        (float64); geometry: the ground of both periods, EPSG:4326.

        ``before = common + lost + not seen after + sliver lost``, and ``after = common + gained +
        not seen before + sliver gained``, in every row. ``.attrs["minewatch"]`` holds the setting,
        and how many places, of how many hectares, were left out.

    Raises
    ------
    InputError
        If a table is not one of detections, or a setting is out of range.

    Examples
    --------
    >>> import shapely
    >>> def mines(**boxes):
    ...     index = pd.Index(list(boxes), name="detection_id")
    ...     shapes = [shapely.box(*box) for box in boxes.values()]
    ...     return gpd.GeoDataFrame(index=index, geometry=shapes, crs="EPSG:4326")
    >>> before = mines(a=(-62.60, 5.40, -62.59, 5.41), b=(-62.50, 5.40, -62.49, 5.41))
    >>> after = mines(a=(-62.60, 5.40, -62.58, 5.41), c=(-62.40, 5.40, -62.39, 5.41))
    >>> compare_detections(before, after)[["change", "gained_ha", "lost_ha"]].round(1)
             change  gained_ha  lost_ha
    place_id
    a         grown      122.6      0.0
    b          gone        0.0    122.6
    c           new      122.6      0.0
    """
    table, _ = compare_ground(
        before,
        after,
        min_area_ha=min_area_ha,
        gap_m=gap_m,
        before_not_seen=before_not_seen,
        after_not_seen=after_not_seen,
    )
    return table


def compare_ground(
    before: gpd.GeoDataFrame,
    after: gpd.GeoDataFrame,
    *,
    min_area_ha: float = 1.0,
    gap_m: float = 30.0,
    before_not_seen: gpd.GeoDataFrame | None = None,
    after_not_seen: gpd.GeoDataFrame | None = None,
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Compare two periods, and give the pieces of ground besides.

    Parameters, and what is raised, are those of `compare_detections`.

    Returns
    -------
    places
        As `compare_detections` gives it.
    pieces
        One row per connected piece of ground of these places: ``place_id``, ``change`` (of the
        place), ``ground`` (common, gained, lost, not seen before, not seen after, sliver gained,
        sliver lost), ``area_ha``, polygon in EPSG:4326. No two overlap.
    """
    if not (min_area_ha >= 0 and 0 <= gap_m <= MOST_GAP_M):
        raise InputError(
            f"min_area_ha is {min_area_ha}, gap_m {gap_m}; expected hectares, 0 or more, and "
            f"metres, 0 to {MOST_GAP_M:,.0f}"
        )
    places = gather_places([before, after], gap_m=gap_m)
    own, later = places.ground
    pieces = cut_ground(
        own,
        later,
        min_area_ha=min_area_ha,
        before_not_seen=before_not_seen,
        after_not_seen=after_not_seen,
    )
    table = _describe(places, hectares(pieces, places.count), before, after)
    kept = table["change"].notna().to_numpy()
    pieces = pieces[kept[pieces["place"].to_numpy()]]
    named = table.index.to_numpy()[pieces["place"].to_numpy()]
    change = table["change"].to_numpy()[pieces["place"].to_numpy()]
    pieces = pieces.drop(columns="place").assign(change=pd.array(change, dtype="str"))
    pieces.insert(0, PLACE_ID, pd.array(named, dtype="str"))
    left_out = {"places": int((~kept).sum()), **_sums(table[~kept])}
    result = table[kept].sort_index()
    result.attrs[HEADER] = {
        "min_area_ha": min_area_ha,
        "gap_m": gap_m,
        "left_out_as_slivers": left_out,
    }
    return result, pieces.sort_values([PLACE_ID, "ground"], ignore_index=True, kind="stable")


def _sums(table: pd.DataFrame) -> dict[str, float]:
    return {name: float(table[name].sum()) for name in ("before_ha", "after_ha")}


def _describe(
    places: Places, by_ground: pd.DataFrame, before: gpd.GeoDataFrame, after: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    """Say of every place what changed; missing where all of it is slivers."""
    table = by_ground.rename(columns=_COLUMNS)
    table.columns.name = None
    own, later = places.ground
    ids = {"before_ids": places.ids(0, before.index), "after_ids": places.ids(1, after.index)}
    table.insert(0, "change", _change(by_ground, is_there(own), is_there(later)))
    for at, (name, values) in enumerate(ids.items(), start=1):
        table.insert(at, name, values)
    table.insert(3, "before_ha", area_ha(own))
    table.insert(4, "after_ha", area_ha(later))
    first = [names.str.replace("; .*", "", regex=True) for names in ids.values()]
    names = first[1].fillna(first[0]).astype("str")
    table.index = pd.Index(_told_apart(names.tolist()), name=PLACE_ID, dtype="str")
    return gpd.GeoDataFrame(table, geometry=join_grounds(own, later), crs="EPSG:4326")


def _told_apart(names: Sequence[str]) -> list[str]:
    """Add ``(2)`` to a name that two places have: one of each period, apart from each other."""
    seen: set[str] = set()
    told = []
    for name in names:
        told.append(f"{name} (2)" if name in seen else name)
        seen.add(told[-1])
    return told


def _change(ground: pd.DataFrame, was: BoolArray, is_now: BoolArray) -> Any:
    gained, lost = ground["gained"].to_numpy(), ground["lost"].to_numpy()
    unseen_before = ground["not seen before"].to_numpy() > 0
    unseen_after = ground["not seen after"].to_numpy() > 0
    both = was & is_now
    rules: dict[Change, BoolArray] = {
        "not seen before": ~was & unseen_before,
        "new": ~was & (gained > 0),
        "not seen after": ~is_now & unseen_after,
        "gone": ~is_now & (lost > 0),
        "grown": both & (gained > 0) & ((gained >= lost) | np.isclose(gained, lost, rtol=1e-6)),
        "shrunk": both & (lost > 0),
        "unchanged": both,
    }
    values = np.select(list(rules.values()), list(rules), default="")
    return pd.array([value or None for value in values.tolist()], dtype="str")


def count_changes(places: gpd.GeoDataFrame) -> pd.DataFrame:
    """Count places and sum hectares by change.

    Parameters
    ----------
    places
        As `compare_detections` gives it.

    Returns
    -------
    DataFrame
        Index ``change``, all of them in the order of their definition; ``places`` (int64), and the
        sums of all columns of hectares.
    """
    columns = [name for name in places.columns if str(name).endswith("_ha")]
    table = pd.DataFrame(places[columns]).groupby(places["change"].astype("str")).sum()
    table.insert(0, "places", places["change"].value_counts())
    return (
        table.reindex(list(CHANGES)).fillna(0.0).astype({"places": "int64"}).rename_axis("change")
    )
