"""Windows: a table of scores, of a scan of ours or of published polygons, and their squares."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import Transformer

from minewatch.errors import InputError, NotThereError
from minewatch.grid import SOUTHERN_FALSE_NORTHING_M
from minewatch.imagery._footprints import cut_at_date_line
from minewatch.scan._scores import FORMAT, read_scores
from minewatch.sites._regions import read_polygons
from minewatch.types import AnyArray, FloatArray, IntArray, StrPath

HEADER: Final = "minewatch"
SCORED: Final = "scored"
_OURS: Final = ("epsg", "left_m", "top_m", "size_m", "longitude", "latitude", "score", "status")
_STRAIGHT_M: Final = 1_000.0
"""Longer sides get vertices before they leave the plane; what is left bends 2 cm at most."""
_SNAP_M: Final = 0.01
"""Corners of squares that come in degrees are rounded to it, so that common edges are common."""


@dataclass(frozen=True)
class LaidWindows:
    """Windows on the ground, one row each, whatever they were read from."""

    table: pd.DataFrame
    """Index ``window_id`` (unique text); ``longitude``, ``latitude`` of the centre, degrees;
    ``score``, NaN where it is not seen; ``start``, ``end``, ISO dates of imagery, or missing."""
    zone: IntArray
    """UTM zone of each, 1 to 60."""
    square: AnyArray
    """Polygons, metres in the plane of the zone. The northern definition serves both halves."""
    is_exact: bool
    """Whether all corners are whole metres of a common grid, so that unions have no slivers."""


def read_windows(path: StrPath, *, score_field: str | None = None) -> pd.DataFrame:
    """Read windows with their scores: a scan's, or any file of polygons with a score each.

    Parameters
    ----------
    path
        ``scores.parquet`` of a scan, or its folder; or polygons (GeoJSON, GeoPackage, GeoParquet,
        …): published raw detections, one polygon per window.
    score_field
        Name of the column of polygons that holds the score. None: ``score``.

    Returns
    -------
    DataFrame
        Of a scan, its table by ``window_id``, with its header in ``.attrs["minewatch"]``. Of
        polygons a GeoDataFrame, EPSG:4326, index ``window_id``, with ``score`` (float64, from 0 to
        1; NaN = not seen) beside all other columns.

    Raises
    ------
    NotThereError, InputError
        If there is no such file, it cannot be read, or has no such column.

    Examples
    --------
    >>> import tempfile
    >>> text = '''{"type": "FeatureCollection", "features": [{"type": "Feature",
    ...   "properties": {"pred": 0.62}, "geometry": {"type": "Polygon", "coordinates":
    ...   [[[-62.0, 5.0], [-61.995, 5.0], [-61.995, 5.005], [-62.0, 5.005], [-62.0, 5.0]]]}}]}'''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "raw.geojson")
    ...     size = file.write_text(text)
    ...     read_windows(file, score_field="pred")["score"].tolist()
    [0.62]
    """
    file = Path(path)
    if not file.exists():
        raise NotThereError(f"there is no file {file}")
    if file.is_dir() or (file.suffix.lower() == ".parquet" and _is_scan(file)):
        if score_field not in (None, "score"):
            raise InputError(f"{file} is a scan's: its scores are in 'score', not {score_field!r}")
        return read_scores(file).set_index("window_id")
    polygons = read_polygons(file)
    name = score_field or "score"
    if name not in polygons.columns:
        raise InputError(
            f"{file} has no column {name!r}; it has {', '.join(map(str, polygons.columns))}: name "
            "the one that holds the score (score_field=, --score-field)"
        )
    scores = pd.to_numeric(polygons[name], errors="coerce").astype("float64")
    windows = polygons.drop(columns=[name]).assign(score=scores)
    ids = windows.get("window_id", pd.Series(range(len(windows)), index=windows.index))
    windows.index = pd.Index(ids.astype("str").to_numpy(), name="window_id", dtype="str")
    table: pd.DataFrame = windows.drop(columns="window_id", errors="ignore")
    return table


def _is_scan(file: Path) -> bool:
    """Say whether a file is a table of scores of a scan."""
    try:
        header = json.loads((pq.read_schema(file).metadata or {})[HEADER.encode()])
    except (pa.ArrowException, OSError, KeyError, ValueError):
        return False
    return isinstance(header, dict) and header.get("format") == FORMAT


def lay_windows(scores: pd.DataFrame) -> LaidWindows:
    """Lay the squares of windows in the planes of their zones.

    Raises
    ------
    InputError
        If the table is neither a scan's nor polygons with scores; if a window_id comes twice, or
        scores are not from 0 to 1.
    """
    table = _checked(scores)
    if isinstance(scores, gpd.GeoDataFrame):
        return _lay_polygons(scores, table)
    epsg = scores["epsg"].to_numpy(np.int64)
    left, top, size = (scores[name].to_numpy(np.float64) for name in _OURS[1:4])
    top = np.where(epsg >= 32700, top - SOUTHERN_FALSE_NORTHING_M, top)
    square = np.asarray(shapely.box(left, top - size, left + size, top))
    return LaidWindows(table, epsg % 100, square, is_exact=True)


def _checked(scores: pd.DataFrame) -> pd.DataFrame:
    """Give the columns that all windows have."""
    is_polygons = isinstance(scores, gpd.GeoDataFrame)
    missing = [name for name in (("score",) if is_polygons else _OURS) if name not in scores]
    if missing:
        raise InputError(
            f"the windows lack {', '.join(missing)}; expected a table as read_windows gives it"
        )
    if scores.index.has_duplicates:
        twice = scores.index[scores.index.duplicated()].unique()
        raise InputError(f"{len(twice)} windows come twice, such as {twice[0]}; each counts once")
    values = scores["score"].to_numpy(np.float64, na_value=np.nan)
    if "status" in scores:
        values = np.where(scores["status"].to_numpy() == SCORED, values, np.nan)
    known = values[~np.isnan(values)]
    if len(known) and not (known.min() >= 0.0 and known.max() <= 1.0):
        raise InputError(
            f"scores reach from {known.min():g} to {known.max():g}; expected probabilities, 0 to 1"
        )
    table = pd.DataFrame({"score": values}, index=scores.index)
    for name in ("longitude", "latitude"):
        table[name] = np.nan if is_polygons else scores[name].to_numpy(np.float64)
    for name in ("start", "end"):
        dates = scores[name] if name in scores else pd.Series(None, index=scores.index)
        text = dates.astype("str")
        table[name] = text.where(dates.notna() & (text != ""))
    return table.rename_axis("window_id")


def _lay_polygons(polygons: gpd.GeoDataFrame, table: pd.DataFrame) -> LaidWindows:
    if polygons.crs is None:
        raise InputError("the windows have no coordinate reference system; use windows.set_crs")
    degrees = _joined_at_180(polygons.to_crs("EPSG:4326").geometry.to_numpy())
    centre = shapely.centroid(degrees)
    longitude, latitude = (shapely.get_x(centre) + 180.0) % 360.0 - 180.0, shapely.get_y(centre)
    zone = zone_number(longitude)
    square = np.empty(len(degrees), dtype=object)
    for number in np.unique(zone):
        own = zone == number
        square[own] = shapely.set_precision(to_plane(degrees[own], int(number)), _SNAP_M)
    placed = table.assign(longitude=longitude, latitude=latitude)
    return LaidWindows(placed, zone, square, is_exact=False)


def _joined_at_180(degrees: AnyArray) -> AnyArray:
    """Let squares that 180° cuts in two run on beyond it."""
    west, _, east, _ = shapely.bounds(degrees).reshape(-1, 4).T
    joined = degrees.copy()
    for row in np.flatnonzero(east - west > 180.0):
        moved = shapely.transform(
            degrees[row], lambda at: np.where(at < 0, at + np.array([360.0, 0.0]), at)
        )
        joined[row] = shapely.union_all(shapely.get_parts(moved))
    return joined


def zone_number(longitude: FloatArray) -> IntArray:
    """Give the number of the UTM zone, 1 to 60, of longitudes in degrees."""
    return np.asarray((longitude + 180.0) % 360.0 // 6.0, dtype=np.int64) + 1


def to_plane(degrees: AnyArray, zone: int) -> AnyArray:
    """Project geometry from EPSG:4326 to metres in the plane of a zone."""
    to_utm = _transformer(zone)
    return np.asarray(
        shapely.transform(degrees, lambda at: np.column_stack(to_utm.transform(at[:, 0], at[:, 1])))
    )


def to_degrees(metres: AnyArray, zone: int) -> AnyArray:
    """Bring geometry from the plane of a zone to EPSG:4326; what crosses 180° is cut there."""
    middle = zone * 6.0 - 183.0
    to_utm = _transformer(zone)

    def unproject(at: FloatArray) -> FloatArray:
        longitude, latitude = to_utm.transform(at[:, 0], at[:, 1], direction="INVERSE")
        near = middle + (np.asarray(longitude) - middle + 180.0) % 360.0 - 180.0
        return np.column_stack([near, latitude])

    degrees = np.asarray(shapely.transform(shapely.segmentize(metres, _STRAIGHT_M), unproject))
    bounds = shapely.bounds(degrees).reshape(-1, 4)
    for row in np.flatnonzero((bounds[:, 0] < -180.0) | (bounds[:, 2] > 180.0)):
        degrees[row] = cut_at_date_line(degrees[row])
    return degrees


@lru_cache(maxsize=64)
def _transformer(zone: int) -> Transformer:
    return Transformer.from_crs("EPSG:4326", f"EPSG:{32600 + zone}", always_xy=True)
