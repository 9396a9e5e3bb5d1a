"""The fixed grid of tiles and windows of every UTM zone, whatever the region and the run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Final

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from minewatch.errors import SettingsError
from minewatch.grid import MAX_LATITUDE, MIN_LATITUDE, SOUTHERN_FALSE_NORTHING_M, PatchGrid
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

_STRAIGHT_DEGREES: Final = 0.01
METRES_PER_DEGREE: Final = 110_000.0


@dataclass(frozen=True)
class Lattice:
    """Where windows lie: on every zone's grid, at a stride, gathered in tiles.

    The upper left corners of windows lie on whole multiples of the stride from the zone's false
    easting and from the equator. So do those of tiles, of theirs. A tile holds the windows whose
    upper left corner lies in it; the windows at its lower and right edges reach beyond.
    """

    grid: PatchGrid
    """How windows are cut: as patches are."""
    stride_px: int
    """From a window to the next, pixels."""
    tile_px: int
    """Side of a tile, pixels."""

    @property
    def size_m(self) -> int:
        """Side of a window, metres."""
        return self._metres(self.grid.size_px)

    @property
    def stride_m(self) -> int:
        """From a window to the next, metres."""
        return self._metres(self.stride_px)

    @property
    def tile_m(self) -> int:
        """Side of a tile, metres."""
        return self._metres(self.tile_px)

    @property
    def reach_m(self) -> int:
        """Side of the ground that all windows of a tile cover, metres."""
        return self.tile_m - self.stride_m + self.size_m

    @property
    def windows_along(self) -> int:
        """Windows along a side of a tile."""
        return self.tile_px // self.stride_px

    def _metres(self, pixels: int) -> int:
        metres = pixels * self.grid.resolution_m
        if metres != round(metres):
            raise SettingsError(
                f"{pixels} px of {self.grid.resolution_m:g} m are {metres:g} m; windows are named "
                "by whole metres"
            )
        return round(metres)


@dataclass(frozen=True, order=True)
class Tile:
    """One tile of one zone."""

    epsg: int
    top_m: int
    left_m: int
    side_m: int

    @property
    def key(self) -> str:
        """Its name: zone, left, top and side, metres."""
        return f"{self.epsg}_{self.left_m}_{self.top_m}_{self.side_m}"


@dataclass(frozen=True, eq=False)
class Windows:
    """Some windows of one zone."""

    epsg: int
    left_m: IntArray
    top_m: IntArray
    grid: PatchGrid

    def __len__(self) -> int:
        return len(self.left_m)

    @property
    def size_m(self) -> int:
        """Side of each, metres."""
        return round(self.grid.side_m)

    @property
    def ids(self) -> list[str]:
        """Their names: zone, left, top and size, metres."""
        places = zip(self.left_m.tolist(), self.top_m.tolist(), strict=True)
        return [f"{self.epsg}_{left}_{top}_{self.size_m}" for left, top in places]

    def take(self, positions: IntArray | BoolArray) -> "Windows":
        """Give some of them."""
        return Windows(self.epsg, self.left_m[positions], self.top_m[positions], self.grid)

    def centres(self) -> tuple[FloatArray, FloatArray]:
        """Give their centres, degrees, EPSG:4326: longitudes and latitudes."""
        half = self.size_m / 2.0
        left, top = self.left_m.astype(np.float64), self.top_m.astype(np.float64)
        return to_degrees(self.epsg, left + half, top - half)

    def boxes(self) -> AnyArray:
        """Draw them as polygons, metres of their zone."""
        return draw_boxes(self.left_m, self.top_m, self.size_m)

    def geobox(self, position: int) -> GeoBox:
        """Give the grid of one of them, that of a patch at its centre."""
        return self.box_around(np.array([position]))

    def box_around(self, positions: IntArray) -> GeoBox:
        """Give the smallest grid of pixels that holds some of them."""
        step = self.grid.resolution_m
        left, top = int(self.left_m[positions].min()), int(self.top_m[positions].max())
        width = int(self.left_m[positions].max()) - left + self.size_m
        height = top - int(self.top_m[positions].min()) + self.size_m
        transform = Affine(step, 0.0, float(left), 0.0, -step, float(top))
        return GeoBox((round(height / step), round(width / step)), transform, f"EPSG:{self.epsg}")


class Ground:
    """A region as it lies in one UTM zone, with what is needed to find its windows."""

    def __init__(self, region: BaseGeometry, epsg: int, lattice: Lattice) -> None:
        self.epsg = epsg
        self.lattice = lattice
        self.polygon = _project(_around_zone(region, epsg, lattice), epsg)
        shapely.prepare(self.polygon)

    def tiles(self) -> Iterator[tuple[Tile, int]]:
        """Give the tiles that hold windows of the region, with how many.

        They come from north to south, then from west to east.
        """
        if self.polygon.is_empty:
            return
        side, reach = self.lattice.tile_m, self.lattice.reach_m
        west, south, east, north = self.polygon.bounds
        for lefts, top in squares((west - reach, south, east, north + reach), self.epsg, side):
            reaches = draw_boxes(lefts, top, reach)
            whole = shapely.covers(self.polygon, reaches) & self.inside_zone(lefts, top)
            for place in np.flatnonzero(shapely.intersects(self.polygon, reaches)):
                tile = Tile(self.epsg, top, int(lefts[place]), side)
                n_windows = (
                    self.lattice.windows_along**2 if whole[place] else len(self.windows(tile))
                )
                if n_windows:
                    yield tile, n_windows

    def windows(self, tile: Tile) -> Windows:
        """Give the windows of a tile that meet the region and whose centre lies in the zone.

        They come from north to south, then from west to east.
        """
        steps = np.arange(self.lattice.windows_along, dtype=np.int64) * self.lattice.stride_m
        top, left = np.meshgrid(tile.top_m - steps, tile.left_m + steps, indexing="ij")
        every = Windows(tile.epsg, left.ravel(), top.ravel(), self.lattice.grid)
        own = every.take(zone_of(*every.centres()) == tile.epsg)
        boxes = own.boxes()
        met = shapely.intersects(self.polygon, boxes) & ~shapely.touches(self.polygon, boxes)
        return own.take(np.asarray(met))

    def inside_zone(self, lefts: IntArray, top: int) -> BoolArray:
        """Tell of which tiles of a row all window centres are sure to lie in the zone."""
        reach = self.lattice.reach_m
        inside = np.ones(len(lefts), dtype=np.bool_)
        for across, down in product((0, reach), (0, reach // 2, reach)):
            y = np.full(len(lefts), top - down, dtype=np.float64)
            places = to_degrees(self.epsg, (lefts + across).astype(np.float64), y)
            inside &= zone_of(*places) == self.epsg
        return inside


def zones_of(region: BaseGeometry, lattice: Lattice) -> list[int]:
    """Name the UTM zones that windows of a region may lie in, by EPSG code, in order."""
    every = (half + zone for half in (32600, 32700) for zone in range(1, 61))
    return [epsg for epsg in every if not _around_zone(region, epsg, lattice).is_empty]


def draw_boxes(left_m: IntArray, top_m: IntArray | int, side_m: int) -> AnyArray:
    """Draw squares by their upper left corners: an array of polygons, metres."""
    top = np.broadcast_to(np.asarray(top_m, np.int64), left_m.shape)
    return np.asarray(shapely.box(left_m, top - side_m, left_m + side_m, top))


def squares(
    bounds: tuple[float, float, float, float], epsg: int, side_m: int
) -> Iterator[tuple[IntArray, int]]:
    """Give the squares of tiles in a rectangle of a zone, row by row from the north.

    Of each row the left edges, and the top edge that they share, metres.
    """
    west, south, east, north = bounds
    anchor = SOUTHERN_FALSE_NORTHING_M if epsg >= 32700 else 0
    columns = np.arange(west // side_m, east // side_m + 1).astype(np.int64)
    rows = np.arange((south - anchor) // side_m, (north - anchor) // side_m + 1).astype(np.int64)
    for row in rows[::-1].tolist():
        yield columns * side_m, anchor + (row + 1) * side_m


def zone_of(longitude: FloatArray, latitude: FloatArray) -> IntArray:
    """Name the zone of each place by its EPSG code, as `minewatch.grid.utm_epsg` does.

    It is 0 for places beyond the UTM system.
    """
    zone = (np.floor((longitude + 180.0) % 360.0 / 6.0) + 1).astype(np.int64)
    epsg: IntArray = zone + np.where(latitude >= 0, 32600, 32700)
    epsg[(latitude < MIN_LATITUDE) | (latitude > MAX_LATITUDE)] = 0
    return epsg


def to_degrees(epsg: int, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Turn metres of a zone into longitudes and latitudes, EPSG:4326."""
    longitude, latitude = _transformer(epsg, 4326).transform(x, y)
    return np.asarray(longitude, np.float64), np.asarray(latitude, np.float64)


def to_zone(source: int, target: int) -> Callable[[FloatArray], FloatArray]:
    """Give what turns points (point, 2) of one CRS into those of another, for shapely.transform."""
    transformer = _transformer(source, target)
    return lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))


@lru_cache(maxsize=256)
def _transformer(source: int, target: int) -> Transformer:
    return Transformer.from_crs(f"EPSG:{source}", f"EPSG:{target}", always_xy=True)


def own_ground(region: BaseGeometry, epsg: int) -> BaseGeometry:
    """Give the part of a region that lies in a zone itself, metres of the zone."""
    return _project(region.intersection(_strip(epsg)), epsg)


def _strip(epsg: int, margin_degrees: float = 0.0, across_degrees: float = 0.0) -> BaseGeometry:
    """Draw a zone in degrees; with a margin it may run beyond 180°."""
    west = (epsg % 100 - 1) * 6.0 - 180.0
    south, north = (MIN_LATITUDE, 0.0) if epsg >= 32700 else (0.0, MAX_LATITUDE)
    return shapely.box(
        west - across_degrees,
        south - margin_degrees,
        west + 6.0 + across_degrees,
        north + margin_degrees,
    )


def _around_zone(region: BaseGeometry, epsg: int, lattice: Lattice) -> BaseGeometry:
    """Cut out of a region what windows of a zone may meet, degrees; whole across 180°."""
    margin = 2.0 * lattice.size_m / METRES_PER_DEGREE
    _, low, _, high = region.bounds
    farthest = min(max(abs(low), abs(high)), MAX_LATITUDE)
    strip = _strip(epsg, margin, margin / float(np.cos(np.radians(farthest))))
    turns = (-360.0, 0.0, 360.0) if epsg % 100 in (1, 60) else (0.0,)
    turned = [translate(region, xoff=turn) for turn in turns]
    parts = [part.intersection(strip) for part in turned if part.intersects(strip)]
    return shapely.union_all(parts) if parts else shapely.Polygon()


def _project(ground: BaseGeometry, epsg: int) -> BaseGeometry:
    """Turn polygons from degrees into metres of a zone; edges are straight in degrees."""
    fine = shapely.segmentize(ground, _STRAIGHT_DEGREES)
    projected = shapely.transform(fine, to_zone(4326, epsg))
    parts = shapely.get_parts(shapely.make_valid(projected))
    polygons = [part for part in parts if part.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.union_all(polygons) if polygons else shapely.Polygon()
