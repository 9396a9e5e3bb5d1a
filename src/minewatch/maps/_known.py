"""What detections say of how they were made: rule, detector, period, whom to name."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from minewatch.errors import InputError
from minewatch.maps._contents import Period
from minewatch.scan._merge_file import attribution_in
from minewatch.scan._merge_windows import HEADER
from minewatch.scan._not_seen import REGION


@dataclass(frozen=True)
class Known:
    """What detections say of themselves."""

    threshold: float | None = None
    """Score from which on a window counts as detected."""
    threshold_from: str = ""
    """Where it comes from, in words."""
    detector: str = ""
    """The detector's name."""
    digest: str = ""
    """The digest on the detector's card."""
    level: str = ""
    """Of the imagery."""
    period: Period | None = None
    """Of the imagery."""
    scanned: bool = False
    """Whether it is a scan that says the period, not columns of days."""
    attribution: str = ""
    """Whom to name."""
    window_m: float | None = None
    """Side of the windows that they were merged from, metres; None if they were not."""


def read_known(header: Mapping[str, Any] | None, dates: pd.DataFrame) -> Known:
    """Read what detections say of themselves.

    Parameters
    ----------
    header
        ``.attrs["minewatch"]`` of detections, as `read_detections` or `merge_detections` give it;
        None of polygons that others made.
    dates
        Columns ``start`` and ``end``, ISO dates, missing where not known; looked at where the
        header says no period.

    Examples
    --------
    >>> header = {"rule": {"threshold": 0.43}, "scores": {
    ...     "detector": "trees", "size_px": 48, "resolution_m": 10.0,
    ...     "query": {"start": "2024-01-01", "end": "2024-12-31"}}}
    >>> known = read_known(header, pd.DataFrame({"start": [], "end": []}))
    >>> known.threshold, known.detector, known.period.name, known.window_m
    (0.43, 'trees', '2024', 480.0)
    """
    head = dict(header or {})
    made = head.get("settings", head)
    scan = made.get("scores") or {}
    rule = made.get("rule") or {}
    threshold = rule.get("threshold")
    return Known(
        threshold=None if threshold is None else float(threshold),
        threshold_from=str(made.get("threshold_from", "")),
        detector=str(scan.get("detector", "")),
        digest=str(scan.get("detector_digest") or ""),
        level=str(scan.get("level", "")),
        period=_period(scan.get("query") or {}, dates),
        scanned={"start", "end"} <= (scan.get("query") or {}).keys(),
        attribution=attribution_in(head),
        window_m=_window_m(scan),
    )


def _window_m(scan: Mapping[str, Any]) -> float | None:
    if not {"size_px", "resolution_m"} <= scan.keys():
        return None
    return float(scan["size_px"]) * float(scan["resolution_m"])


def _period(query: Mapping[str, Any], dates: pd.DataFrame) -> Period | None:
    if {"start", "end"} <= query.keys():
        return Period.of_days(str(query["start"])[:10], str(query["end"])[:10])
    if not {"start", "end"} <= set(dates.columns):
        return None
    known = dates[["start", "end"]].dropna()
    if known.empty:
        return None
    try:
        return Period.of_days(str(known["start"].min())[:10], str(known["end"].max())[:10])
    except InputError:
        return None  # the columns are of somebody else's making, and hold no dates


def words_of_area(window_m: float | None, *, outlined: bool) -> str:
    """Say what the hectares of detections are, and are not.

    Examples
    --------
    >>> words_of_area(480.0, outlined=False)
    'area_ha is the ground of whole windows of 480 × 480 m in which the detector saw mining: not
    mined ground, which is less'
    """
    if window_m is None:
        words = (
            "area_ha is that of the polygons as they were given; whether they follow mined ground "
            "or the squares of a grid is for their makers to say"
        )
    else:
        words = (
            f"area_ha is the ground of whole windows of {window_m:g} × {window_m:g} m in which the "
            "detector saw mining: not mined ground, which is less"
        )
    if outlined:
        words += "; ground_ha is what by its colour is bare ground or a pond inside of them"
    return words


def region_of(not_seen: Path) -> gpd.GeoDataFrame | None:
    """Read which region was looked at from a scan's map of what was not seen; None of others."""
    if not_seen.suffix != ".parquet":
        return None
    try:
        header = json.loads((pq.read_schema(not_seen).metadata or {})[HEADER.encode()])
        ground = shapely.make_valid(shapely.from_wkb(header[REGION]))
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return None
    return gpd.GeoDataFrame(geometry=[ground], crs="EPSG:4326")
