"""The map of what was not seen: the region less all that windows with a score show."""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from minewatch import _store
from minewatch.imagery._footprints import cut_at_date_line
from minewatch.scan._plan import Plan
from minewatch.scan._scores import KEY, ROWS_TOGETHER
from minewatch.scan._status import FAILED, FEW, NO_DATA, NO_NUMBER, SCORED, Status
from minewatch.scan._windows import (
    METRES_PER_DEGREE,
    Tile,
    draw_boxes,
    own_ground,
    squares,
    to_degrees,
    to_zone,
    zones_of,
)
from minewatch.sites._regions import equal_area_m2
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

BETWEEN: Final = "no window"
"""The reason of ground that no window covers: slivers between the grids of two zones."""
REGION: Final = "region_geometry"
"""Key in the file's header: the region itself, WKB in hexadecimal, EPSG:4326. What lies outside of
it was not seen either."""
_SLIVER_M: Final = 0.5
"""Polygons that are nowhere twice as wide are left out: edges are straight in degrees, or not."""
_PRECISION_M: Final = 1e-3
"""Corners are put on a grid of this, so that no overlay hangs on the last digits."""
_WHY: Final = (FAILED, NO_DATA, FEW, NO_NUMBER)


def write_not_seen(
    plan: Plan, parts: Mapping[Tile, Path], path: Path, header: Mapping[str, Any]
) -> float:
    """Write the ground of a region that no window with a score shows, with the reason.

    Every point of the region belongs to one square of one zone's tiles; each square is looked at
    with the windows of the tiles that reach it. What lies on one side of a zone's border may be
    seen by windows of the other.

    Parameters
    ----------
    plan
        The tiles of the region.
    parts
        Where the rows of each tile are kept; those that failed have none.
    path
        GeoParquet to write: ``geometry`` (EPSG:4326), ``reason`` (``failed``, ``no data``, ``few
        clear views``, or ``no window`` where the grids of two zones leave a sliver), ``tile``,
        ``area_ha``.
    header
        What the scan was made from, and its region (`REGION`).

    Returns
    -------
    float
        Area that was not seen, hectares.
    """
    total = 0.0
    with (
        _store.writing_file(path) as aside,
        pq.ParquetWriter(aside, _schema(header), compression="zstd") as writer,
    ):
        for rows in _gathered(_Look(plan, parts).rows()):
            writer.write_table(pa.Table.from_pylist(rows, schema=writer.schema))
            total += sum(row["area_ha"] for row in rows)
    return round(total, 2)


class _Look:
    """Looks at every square of a region."""

    def __init__(self, plan: Plan, parts: Mapping[Tile, Path]) -> None:
        self._plan = plan
        self._parts = parts
        self._tiles = dict(plan.tiles)
        self._read = lru_cache(maxsize=1024)(self._read_statuses)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give what was not seen, square by square and reason by reason."""
        side = self._plan.lattice.tile_m
        for epsg in zones_of(self._plan.region, self._plan.lattice):
            own = own_ground(self._plan.region, epsg)
            if own.is_empty:
                continue
            shapely.prepare(own)
            for lefts, top in squares(own.bounds, epsg, side):
                boxes = draw_boxes(lefts, top, side)
                whole = shapely.covers(own, boxes)
                for place in np.flatnonzero(shapely.intersects(own, boxes)):
                    tile = Tile(epsg, top, int(lefts[place]), side)
                    if not (whole[place] and self._is_all_seen(tile)):
                        ground = boxes[place] if whole[place] else own.intersection(boxes[place])
                        yield from self._rows_of(tile, ground)

    def _rows_of(self, tile: Tile, ground: BaseGeometry) -> Iterator[dict[str, Any]]:
        """Give what was not seen of a square's ground; of several reasons the first."""
        near = [*self._reaching(tile), *self._across(tile)]
        left = _less(ground, self._ground_of(near, SCORED, tile.epsg))
        for why in (*_WHY, BETWEEN):
            rest = left if why == BETWEEN else _less(left, self._ground_of(near, why, tile.epsg))
            part = left if why == BETWEEN else _less(left, rest)
            left = rest
            wide = [one for one in shapely.get_parts(part) if not one.buffer(-_SLIVER_M).is_empty]
            if wide:
                geometry = cut_at_date_line(
                    shapely.transform(shapely.MultiPolygon(wide), to_zone(tile.epsg, 4326))
                )
                yield {
                    "reason": why,
                    "tile": tile.key,
                    "area_ha": round(equal_area_m2(geometry) / 10_000.0, 4),
                    "geometry": shapely.to_wkb(geometry, byte_order=1),
                }

    def _is_all_seen(self, tile: Tile) -> bool:
        """Tell whether every window that there can be around a square has a score."""
        full = self._plan.lattice.windows_along**2
        return all(
            self._tiles.get(one) == full and (self._read(one)[2] == SCORED).all()
            for one in self._reaching(tile)
        )

    def _ground_of(self, tiles: list[Tile], status: Status, epsg: int) -> BaseGeometry:
        """Give the ground of the windows of tiles that have a status, metres of a zone."""
        parts = []
        for tile in tiles:
            if tile not in self._tiles:
                continue
            left, top, statuses = self._read(tile)
            own = statuses == status
            size = self._plan.lattice.size_m
            boxes = in_runs(left[own], top[own], size)
            if tile.epsg != epsg:
                boxes = shapely.transform(shapely.segmentize(boxes, size), to_zone(tile.epsg, epsg))
            parts.append(boxes)
        return shapely.union_all(np.concatenate(parts)) if parts else shapely.Polygon()

    def _reaching(self, tile: Tile) -> list[Tile]:
        """Name the tiles of a zone whose windows may reach a square: those before it, too."""
        lattice, side = self._plan.lattice, tile.side_m
        back = -(-(lattice.size_m - lattice.stride_m) // side)
        return [
            Tile(tile.epsg, tile.top_m + up * side, tile.left_m - across * side, side)
            for up in range(back + 1)
            for across in range(back + 1)
        ]

    def _across(self, tile: Tile) -> list[Tile]:
        """Name the tiles of other zones whose windows may reach a square."""
        tiles, longitude, latitude = self._border
        half = tile.side_m / 2.0
        x, y = to_degrees(tile.epsg, np.array([tile.left_m + half]), np.array([tile.top_m - half]))
        near = 2.0 * self._plan.lattice.reach_m / METRES_PER_DEGREE
        apart = np.abs((longitude - x + 180.0) % 360.0 - 180.0) * np.cos(np.radians(y))
        found = np.flatnonzero((apart < near) & (np.abs(latitude - y) < near))
        return [tiles[place] for place in found if tiles[place].epsg != tile.epsg]

    @cached_property
    def _border(self) -> tuple[list[Tile], FloatArray, FloatArray]:
        """List the tiles at the borders of zones, with their middles in degrees."""
        tiles = [
            tile
            for row in self._plan.rows_of_tiles()
            for tile, inside in zip(row, self._inside(row), strict=True)
            if not inside
        ]
        half = self._plan.lattice.reach_m / 2.0
        middles = [
            to_degrees(tile.epsg, np.array([tile.left_m + half]), np.array([tile.top_m - half]))
            for tile in tiles
        ]
        longitude, latitude = (
            np.array([float(one[axis][0]) for one in middles]) for axis in (0, 1)
        )
        return tiles, longitude, latitude

    def _inside(self, row: list[Tile]) -> BoolArray:
        lefts = np.array([tile.left_m for tile in row], dtype=np.int64)
        return self._plan.ground(row[0].epsg).inside_zone(lefts, row[0].top_m)

    def _read_statuses(self, tile: Tile) -> tuple[IntArray, IntArray, AnyArray]:
        """Give the windows of a tile: left, top, status."""
        if tile in self._parts:
            table = pq.read_table(self._parts[tile], columns=["left_m", "top_m", "status"])
            left, top = (table[name].to_numpy().astype(np.int64) for name in ("left_m", "top_m"))
            statuses = np.array(table["status"].to_pylist(), dtype=object)
        else:
            windows = self._plan.windows(tile)
            left, top = windows.left_m, windows.top_m
            statuses = np.full(len(windows), FAILED, dtype=object)
        return left, top, statuses


def in_runs(left_m: IntArray, top_m: IntArray, size_m: int) -> AnyArray:
    """Draw windows as boxes, those of one row that touch or overlap as one: to unite them is fast.

    Examples
    --------
    >>> left, top = np.array([0, 60, 240, 0]), np.array([120, 120, 120, 60])
    >>> [box.bounds for box in in_runs(left, top, 120)]
    [(0.0, -60.0, 120.0, 60.0), (0.0, 0.0, 180.0, 120.0), (240.0, 0.0, 360.0, 120.0)]
    """
    order = np.lexsort((left_m, top_m))
    left, top = left_m[order], top_m[order]
    first = np.ones(len(left), dtype=np.bool_)
    first[1:] = (np.diff(top) != 0) | (np.diff(left) > size_m)
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(left))[: len(starts)] - 1
    bottom = top[starts] - size_m
    return np.asarray(shapely.box(left[starts], bottom, left[ends] + size_m, top[starts]))


def _less(ground: BaseGeometry, other: BaseGeometry) -> BaseGeometry:
    """Take one ground from another; only areas stay, in an order of their own."""
    found = shapely.difference(areas_of(ground), areas_of(other), grid_size=_PRECISION_M)
    return areas_of(shapely.normalize(found))


def areas_of(geometry: BaseGeometry) -> BaseGeometry:
    """Give the polygons of a geometry; lines and points, where grounds touch, are left out."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    polygons = [one for one in parts if one.geom_type == "Polygon" and not one.is_empty]
    return shapely.MultiPolygon(polygons)


def _gathered(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Gather rows that are written together."""
    while together := list(islice(rows, ROWS_TOGETHER)):
        yield together


def _schema(header: Mapping[str, Any]) -> pa.Schema:
    column = {
        "encoding": "WKB",
        "geometry_types": ["Polygon", "MultiPolygon"],
        "crs": CRS.from_epsg(4326).to_json_dict(),
    }
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    fields = [
        ("reason", pa.string()),
        ("tile", pa.string()),
        ("area_ha", pa.float64()),
        ("geometry", pa.binary()),
    ]
    text = json.dumps(header, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return pa.schema(fields).with_metadata({b"geo": json.dumps(geo).encode(), KEY: text.encode()})
