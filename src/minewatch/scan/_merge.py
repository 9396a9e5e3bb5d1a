"""From scored windows to detections: polygons with a name, an area and what was seen in them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from minewatch.errors import InputError
from minewatch.scan._isolate import is_detected
from minewatch.scan._merge_ids import DETECTION_ID, keep_ids
from minewatch.scan._merge_polygons import area_ha, points_within, unite_squares
from minewatch.scan._merge_windows import HEADER, LaidWindows, lay_windows
from minewatch.types import AnyArray, FloatArray, IntArray


@dataclass(frozen=True)
class MergeRule:
    """Which windows count as detected."""

    threshold: float
    """Least score of a window, 0 to 1."""
    isolated_threshold: float | None = None
    """Least score of a window whose k-th nearest detected neighbour is far; None: no other."""
    neighbours: int = 5
    """k."""
    isolation_m: float = 3_000.0
    """How far is far, metres."""


PRESETS: Final[Mapping[str, MergeRule]] = {
    "single": MergeRule(0.43, 0.75),
    "cumulative": MergeRule(0.55, 0.8),
}
"""Rules that have a name: for one period, and for many whose false alarms add up. They were chosen
for published detectors; a detector's own threshold is on its card."""


def merge_detections(
    scores: pd.DataFrame,
    *,
    threshold: float,
    isolated_threshold: float | None = None,
    neighbours: int = 5,
    isolation_m: float = 3_000.0,
    gap_m: float = 30.0,
    earlier: Sequence[gpd.GeoDataFrame] = (),
) -> gpd.GeoDataFrame:
    """Merge scored windows into detections.

    A window is detected if its score reaches `threshold`, and `isolated_threshold` where its k-th
    nearest other window that reaches `threshold` is farther than `isolation_m`. Detected windows
    that overlap, or have an edge in common, are one detection; windows of different UTM zones also
    if they come within `gap_m`.

    The hectares are of whole windows, not of mined ground: see `outline_detections`. A window
    without a score is not seen; that it is in no detection says nothing.

    Parameters
    ----------
    scores
        Windows, as `read_windows` gives them.
    threshold, isolated_threshold, neighbours, isolation_m
        The rule; `PRESETS` have some. None for `isolated_threshold`: one threshold for all.
    gap_m
        Slits and holes narrower than this are filled where squares stand askew to each other: of
        two UTM zones, or not on a common grid. Metres.
    earlier
        Detections of earlier periods, the oldest first: a mine keeps its name; see `keep_ids`.

    Returns
    -------
    GeoDataFrame
        One row per detection, sorted by the index ``detection_id``; polygons, EPSG:4326.

        - ``windows`` (int64): detected windows in it;
        - ``score_mean``, ``score_max``, ``score_q90`` (float64): of their scores;
        - ``isolated`` (boolean): whether all of them stand alone, and are there for a high score;
          <NA> without `isolated_threshold`;
        - ``area_ha`` (float64): hectares of the polygon on the ellipsoid, to 1 part in 100,000;
        - ``longitude``, ``latitude`` (float64): its centroid, or a point on its ground where the
          centroid is not;
        - ``start``, ``end`` (str): first and last date of the imagery of its windows; missing where
          the table has none;
        - ``joined``, ``split_from`` (str): see `keep_ids`; only with `earlier`.

        ``.attrs["minewatch"]`` holds the rule, counts, and the header of the table of windows.

    Raises
    ------
    InputError
        If the rule or the table cannot be used.

    Notes
    -----
    Distances between centres are geodesics on the WGS 84 ellipsoid, exact to a millimetre,
    whatever the number of zones. The order of rows changes nothing.

    Examples
    --------
    >>> windows = gpd.GeoDataFrame(
    ...     {"score": [0.6, 0.9, 0.5]}, index=pd.Index(["a", "b", "c"], name="window_id"),
    ...     geometry=[shapely.box(west, 702000, west + 480, 702480)
    ...               for west in (420000, 420240, 424800)],
    ...     crs="EPSG:32620",
    ... )
    >>> found = merge_detections(windows, threshold=0.43)
    >>> found[["windows", "score_max", "area_ha"]].round(2).to_numpy().tolist()
    [[2.0, 0.9, 34.58], [1.0, 0.5, 23.06]]
    >>> len(merge_detections(windows, threshold=0.43, isolated_threshold=0.75))
    1
    """
    rule = MergeRule(threshold, isolated_threshold, neighbours, isolation_m)
    check_rule(rule, gap_m)
    windows = lay_windows(scores)
    places = windows.table[["longitude", "latitude"]].to_numpy(np.float64)
    values = windows.table["score"].to_numpy(np.float64)
    kept, distance = is_detected(values, places, **asdict(rule))
    rows = np.flatnonzero(kept)
    polygons = unite_squares(
        windows.square[rows], windows.zone[rows], gap_m=gap_m, is_exact=windows.is_exact
    )
    of = _polygon_of(places[rows], polygons)
    alone = None if isolated_threshold is None else distance[rows] > isolation_m
    table = _describe(windows, rows, of, polygons, alone)
    named = keep_ids(table, earlier)
    if not earlier:
        named = named.drop(columns=["joined", "split_from"])
    named.attrs[HEADER] = {
        "rule": {**asdict(rule), "gap_m": gap_m},
        "windows": _counts(values, threshold, kept),
        "scores": scores.attrs.get(HEADER),
    }
    return named


def check_rule(rule: MergeRule, gap_m: float) -> None:
    """Refuse a rule whose numbers cannot be.

    Raises
    ------
    InputError
        If thresholds are not in order from 0 to 1, or a distance is out of range.
    """
    isolated = rule.threshold if rule.isolated_threshold is None else rule.isolated_threshold
    if not 0.0 <= rule.threshold <= isolated <= 1.0:
        raise InputError(
            f"threshold is {rule.threshold} and isolated_threshold {rule.isolated_threshold}; "
            "expected 0 ≤ threshold ≤ isolated_threshold ≤ 1"
        )
    if rule.neighbours < 1 or not rule.isolation_m >= 0 or not 0 <= gap_m <= 1_000:
        raise InputError(
            f"neighbours is {rule.neighbours}, isolation_m {rule.isolation_m}, gap_m {gap_m}; "
            "expected at least 1, metres of 0 or more, and metres from 0 to 1,000"
        )


def _counts(values: FloatArray, threshold: float, kept: AnyArray) -> dict[str, int]:
    reached = int((np.nan_to_num(values, nan=-1.0) >= threshold).sum())
    return {
        "all": len(values),
        "not_seen": int(np.isnan(values).sum()),
        "detected": int(kept.sum()),
        "dropped_as_isolated": reached - int(kept.sum()),
    }


def _polygon_of(places: FloatArray, polygons: AnyArray) -> IntArray:
    """Find the polygon that every centre lies in."""
    points = shapely.points(places) if len(places) else np.empty(0, dtype=object)
    window, polygon = shapely.STRtree(polygons).query(points, predicate="intersects")
    found = np.full(len(places), -1, dtype=np.int64)
    found[window] = polygon
    if (found < 0).any():
        missing = np.flatnonzero(found < 0)
        raise InputError(
            f"{len(missing)} windows lie in no polygon, such as that at {places[missing[0]]}: its "
            "square does not hold its centre; give squares, or centres, that belong together"
        )
    return found


def _describe(
    windows: LaidWindows, rows: IntArray, of: IntArray, polygons: AnyArray, alone: AnyArray | None
) -> gpd.GeoDataFrame:
    """Say of every polygon what its windows say."""
    own = windows.table.iloc[rows].assign(alone=True if alone is None else alone)
    groups = own.groupby(of)
    score = groups["score"]
    points = points_within(polygons)
    columns: dict[str, Any] = {
        "windows": groups.size(),
        "score_mean": score.mean(),
        "score_max": score.max(),
        "score_q90": score.quantile(0.9),
        "isolated": groups["alone"].all().astype("boolean"),
        "start": groups["start"].min(),
        "end": groups["end"].max(),
    }
    table = pd.DataFrame(columns).reindex(range(len(polygons))).astype({"windows": "int64"})
    if alone is None:
        table["isolated"] = pd.array([None] * len(table), dtype="boolean")
    table.insert(5, "area_ha", area_ha(polygons))
    table.insert(6, "longitude", points[:, 0])
    table.insert(7, "latitude", points[:, 1])
    dates = table[["start", "end"]].astype("str")
    index = pd.RangeIndex(len(table), name=DETECTION_ID)
    return gpd.GeoDataFrame(
        table.assign(**dates).set_index(index), geometry=polygons, crs="EPSG:4326"
    )
