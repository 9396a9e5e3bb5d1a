"""Features counted by cell of a frame: what the maps of layers are drawn from."""

from dataclasses import dataclass
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from minewatch.types import AnyArray, FloatArray, IntArray

N_CELLS: Final = 300
"""Cells along the longer side of a frame."""
_STEPS_PER_CELL: Final = 2.0
_POLYGON: Final = 3
_MULTI_POLYGON: Final = 6


@dataclass(frozen=True)
class Frame:
    """A rectangle in degrees (EPSG:4326), cut into cells that are about square on the ground.

    Across 180° its longitudes run on: from 178 to 182.
    """

    west: float
    south: float
    east: float
    north: float
    n_columns: int
    n_rows: int

    @property
    def cell(self) -> FloatArray:
        """Width and height of a cell, degrees."""
        width, height = self.east - self.west, self.north - self.south
        return np.array([width / self.n_columns, height / self.n_rows])

    def turned(self, longitude: FloatArray) -> FloatArray:
        """Give longitudes as they run on in the frame."""
        turned: FloatArray = np.where(longitude < self.west, longitude + 360.0, longitude)
        return turned


def frame_sites(sites: gpd.GeoDataFrame, *, margin: float = 0.06, least_m: float = 2_000) -> Frame:
    """Lay a frame around sites, with a margin as a share of their extent but at least so wide.

    Around sites on both sides of 180° it reaches across it, and not around the world.

    Parameters
    ----------
    sites
        Points, EPSG:4326; at least one.
    least_m
        Least width of the margin, metres.
    """
    west, south, east, north = _bounds(sites)
    cosine = max(float(np.cos(np.radians((south + north) / 2.0))), 0.01)
    aside_m = max(margin * max((east - west) * cosine, north - south) * 111_320.0, least_m)
    high = aside_m / 111_320.0
    wide = high / cosine
    west, south, east, north = (
        west - wide,
        max(south - high, -90),
        east + wide,
        min(north + high, 90),
    )
    sides = np.array([(east - west) * cosine, north - south])
    counts = np.maximum(np.round(N_CELLS * sides / sides.max()), 1).astype(int)
    return Frame(
        float(west), float(south), float(east), float(north), int(counts[0]), int(counts[1])
    )


def _bounds(sites: gpd.GeoDataFrame) -> FloatArray:
    """Give the bounds of sites, west less than 180° and east beyond it where that is narrower."""
    west, south, east, north = sites.total_bounds
    if east - west <= 180.0:
        return np.array([west, south, east, north])
    turned = sites.geometry.x % 360.0
    if turned.max() - turned.min() >= east - west:
        return np.array([west, south, east, north])
    return np.array([turned.min(), south, turned.max(), north])


def count_by_cell(geometries: AnyArray, frame: Frame) -> pd.DataFrame:
    """Count the features that each cell of a frame holds a part of.

    Lines and outlines are followed in steps of half a cell, areas are crossed along the middle of
    each row of cells. So a cell that a feature only clips at a corner may be missed; for maps.

    Parameters
    ----------
    geometries
        Points, lines and areas, EPSG:4326.

    Returns
    -------
    DataFrame
        ``row`` (from the north), ``column`` (from the west), both from 0, and ``n_features``; only
        cells that hold any, row by row.

    Examples
    --------
    >>> frame = Frame(0.0, 0.0, 3.0, 2.0, n_columns=3, n_rows=2)
    >>> count_by_cell(np.array([shapely.LineString([(0.5, 0.5), (2.5, 0.5)])]), frame)
       row  column  n_features
    0    1       0           1
    1    1       1           1
    2    1       2           1
    """
    given = np.asarray(geometries, dtype=object)
    numbers = np.arange(len(given))
    for turn, crosses in ((360.0, frame.east > 180.0), (-360.0, frame.west < -180.0)):
        if crosses:
            given, numbers = np.append(given, _turn(given, turn)), np.tile(numbers, 2)
    within = _clip(given, frame)
    areas = np.isin(shapely.get_type_id(within), (_POLYGON, _MULTI_POLYGON))
    crossed, of_area = _cross_areas(within[areas], numbers[areas], frame)
    points, features = _follow(np.concatenate([within, crossed]), frame)
    features = np.concatenate([numbers, of_area])[features]
    columns, rows = _cells(points, frame)
    inside = (columns >= 0) & (columns < frame.n_columns) & (rows >= 0) & (rows < frame.n_rows)
    n_cells = frame.n_columns * frame.n_rows
    cells = (rows * frame.n_columns + columns)[inside]
    once = _unique(features[inside] * n_cells + cells) % n_cells
    counts = np.bincount(once, minlength=n_cells)
    held = np.flatnonzero(counts)
    return pd.DataFrame(
        {
            "row": held // frame.n_columns,
            "column": held % frame.n_columns,
            "n_features": counts[held],
        }
    )


def _turn(geometries: AnyArray, degrees: float) -> AnyArray:
    """Move geometries east by some degrees."""
    by = np.array([degrees, 0.0])
    return np.asarray(shapely.transform(geometries, lambda places: places + by), dtype=object)


def _clip(geometries: AnyArray, frame: Frame) -> AnyArray:
    """Cut off what lies outside the frame; keep what lies inside as it is."""
    bounds = shapely.bounds(geometries)
    low, high = bounds[:, :2], bounds[:, 2:]
    inside = (low >= [frame.west, frame.south]) & (high <= [frame.east, frame.north])
    apart = (high < [frame.west, frame.south]) | (low > [frame.east, frame.north])
    clipped = geometries.copy()
    clipped[apart.any(axis=1) | np.isnan(low[:, 0])] = shapely.Point()
    cut = ~inside.all(axis=1) & ~apart.any(axis=1) & ~np.isnan(low[:, 0])
    clipped[cut] = shapely.clip_by_rect(
        geometries[cut], frame.west, frame.south, frame.east, frame.north
    )
    return clipped


def _cross_areas(areas: AnyArray, numbers: IntArray, frame: Frame) -> tuple[AnyArray, IntArray]:
    """Give the parts of areas along the middle of each row of cells, and whose they are.

    Areas no wider or no higher than two cells are left to their outlines, which fill them.
    """
    bounds = shapely.bounds(areas)
    wide = (bounds[:, 2:] - bounds[:, :2] > 2.0 * frame.cell).all(axis=1)
    areas, numbers, bounds = areas[wide], numbers[wide], bounds[wide]
    height = frame.cell[1]
    first = np.ceil((frame.north - bounds[:, 3]) / height - 0.5).astype(np.int64)
    last = np.floor((frame.north - bounds[:, 1]) / height - 0.5).astype(np.int64)
    n_rows = np.maximum(last - first + 1, 0)
    whose = np.repeat(np.arange(len(areas)), n_rows)
    rows = np.arange(len(whose)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows) + first[whose]
    latitude = frame.north - (rows + 0.5) * height
    ends = np.empty((len(whose), 2, 2))
    ends[:, 0, 0], ends[:, 1, 0] = bounds[whose, 0] - height, bounds[whose, 2] + height
    ends[:, :, 1] = latitude[:, None]
    shapely.prepare(areas)
    crossed = shapely.intersection(areas[whose], shapely.linestrings(ends))
    return np.asarray(crossed, dtype=object), numbers[whose]


def _follow(geometries: AnyArray, frame: Frame) -> tuple[FloatArray, IntArray]:
    """Give places along all lines and outlines, half a cell apart at most, and whose they are."""
    parts, of_geometry = shapely.get_parts(geometries, return_index=True)
    rings, of_part = shapely.get_rings(parts, return_index=True)
    simple = shapely.get_dimensions(parts) < 2
    lines = np.concatenate([parts[simple], rings])
    whose = np.concatenate([of_geometry[simple], of_geometry[of_part]])
    places, of_line = shapely.get_coordinates(lines, return_index=True)
    starts = np.flatnonzero(of_line[1:] == of_line[:-1])
    step = places[starts + 1] - places[starts]
    n_steps = np.ceil(_STEPS_PER_CELL * np.abs(step / frame.cell).max(axis=1, initial=0))
    n_steps = np.maximum(n_steps.astype(np.int64) - 1, 0)
    between = np.repeat(np.arange(len(starts)), n_steps)
    order = np.arange(len(between)) - np.repeat(np.cumsum(n_steps) - n_steps, n_steps) + 1.0
    share = order / (n_steps[between] + 1.0)
    inner = places[starts[between]] + share[:, None] * step[between]
    points = np.concatenate([places, inner])
    return points, np.concatenate([whose[of_line], whose[of_line[starts[between]]]])


def _cells(points: FloatArray, frame: Frame) -> tuple[IntArray, IntArray]:
    columns = np.floor((points[:, 0] - frame.west) / frame.cell[0]).astype(np.int64)
    rows = np.floor((frame.north - points[:, 1]) / frame.cell[1]).astype(np.int64)
    return columns, rows


def _unique(values: IntArray) -> IntArray:
    """Give each value once; faster than numpy's way on what is nearly in order."""
    ordered = np.sort(values)
    is_new = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]
    once: IntArray = ordered[is_new]
    return once
