"""What was not seen in a period: the scan's own map of it, and all that lies outside its region."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from minewatch.scan._merge_windows import HEADER
from minewatch.scan._not_seen import REGION
from minewatch.types import StrPath

NOT_SEEN: Final = "not_seen.parquet"
_EARTH: Final = shapely.box(-180.0, -90.0, 180.0, 90.0)
_OF_ONE_SCAN: Final = ("region", "query", "source", "detector_digest", "stride_px", "tile_px")


def find_not_seen(
    files: Mapping[str, StrPath], detections: Mapping[str, gpd.GeoDataFrame]
) -> dict[str, Path]:
    """Find the map of what was not seen beside detections, where both are of one scan.

    Parameters
    ----------
    files
        Files of detections by the name of their period.
    detections
        The same, read.
    """
    found = {}
    for name, path in files.items():
        header = _scan_of(detections[name].attrs.get(HEADER))
        beside = Path(path).parent / NOT_SEEN
        if header and beside.is_file() and _is_of_one_scan(header, _header(beside)):
            found[name] = beside
    return found


def not_seen_in_region_ha(scores: StrPath, header: Mapping[str, Any] | None) -> float:
    """Sum what a scan's map says was not seen of its region, as ``scan run`` does.

    Parameters
    ----------
    scores
        ``scores.parquet`` of a scan; the map lies beside it.
    header
        What that table says of itself.

    Returns
    -------
    float
        Hectares; NaN where no map of the same scan lies there.
    """
    beside = Path(scores).parent / NOT_SEEN
    if not header or not beside.is_file() or not _is_of_one_scan(header, _header(beside)):
        return float("nan")
    areas = pq.read_table(beside, columns=["area_ha"])["area_ha"].to_numpy()
    return float(np.sum(areas))


def with_outside(not_seen: gpd.GeoDataFrame, path: StrPath) -> gpd.GeoDataFrame:
    """Add to what was not seen all ground outside of the scan's region, if the file tells it.

    Parameters
    ----------
    not_seen
        Polygons, EPSG:4326.
    path
        The file they came from. Only one that a scan wrote knows the region.
    """
    region = _header(Path(path)).get(REGION)
    if region is None:
        return not_seen
    outside = shapely.difference(_EARTH, shapely.make_valid(shapely.from_wkb(region)))
    more = gpd.GeoDataFrame({"reason": ["outside the region"]}, geometry=[outside], crs="EPSG:4326")
    return gpd.GeoDataFrame(pd.concat([not_seen, more], ignore_index=True), crs="EPSG:4326")


def _scan_of(made: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Give the header of the scan that detections were merged from; nothing if there is none."""
    scores = (made or {}).get("settings", {}).get("scores")
    return scores if isinstance(scores, Mapping) and "region" in scores else {}


def _is_of_one_scan(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(name) == other.get(name) for name in _OF_ONE_SCAN)


def _header(file: Path) -> dict[str, Any]:
    """Read the header that a scan writes into its files; nothing of any other file."""
    if file.suffix != ".parquet":
        return {}
    try:
        found = json.loads((pq.read_schema(file).metadata or {})[HEADER.encode()])
    except (pa.ArrowException, OSError, KeyError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
