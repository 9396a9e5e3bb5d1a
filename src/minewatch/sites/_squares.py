"""Which patches overlap, and which hold a site of the other class."""

from functools import lru_cache

import numpy as np
import shapely
from pyproj import Transformer
from scipy.spatial import KDTree

from minewatch.grid import SOUTHERN_FALSE_NORTHING_M, PatchGrid
from minewatch.sites._distance import earth_centred
from minewatch.types import BoolArray, FloatArray, IntArray

_UTM_STRETCH = 1.002
_LEAST_AREA_M2 = 0.01


class Squares:
    """The patches of many places, each a square in its UTM zone, counted from the equator."""

    def __init__(
        self,
        places: FloatArray,
        grid: PatchGrid,
        corners: tuple[IntArray, FloatArray, FloatArray] | None = None,
    ) -> None:
        """Lay a patch around each place, longitude and latitude in degrees, EPSG:4326.

        `corners`, zone (EPSG code), left and top (metres), are those of patches that were cut
        already, within `snap_m` of their place; None cuts them on the grid.
        """
        epsg, left, top = grid.corners(*places.T) if corners is None else corners
        self.places = places
        self.grid = grid
        self.zone = epsg % 100
        self.left = left
        self.top = np.where(epsg >= 32700, top - SOUTHERN_FALSE_NORTHING_M, top)

    def near_pairs(self) -> IntArray:
        """List the pairs (n, 2) of places so near that their patches may meet, lower row first."""
        reach = (self.grid.side_m + self.grid.snap_m) * np.sqrt(2.0) * _UTM_STRETCH
        if len(self.places) < 2:
            return np.empty((0, 2), dtype=np.int64)
        tree = KDTree(earth_centred(self.places))
        pairs = tree.query_pairs(reach, output_type="ndarray")
        return np.asarray(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))], dtype=np.int64)

    def overlap(self, pairs: IntArray) -> BoolArray:
        """Say for each pair whether the two patches share ground; a common edge is none."""
        one, two = pairs.T
        side = self.grid.side_m
        overlapping = (np.abs(self.left[one] - self.left[two]) < side) & (
            np.abs(self.top[one] - self.top[two]) < side
        )
        across = np.flatnonzero(self.zone[one] != self.zone[two])
        overlapping[across] = self._overlap_across_zones(one[across], two[across])
        return np.asarray(overlapping, dtype=np.bool_)

    def holds(self, patch: IntArray, site: IntArray) -> BoolArray:
        """Say for each pair whether the patch of the one holds the point of the other."""
        inside = np.zeros(len(patch), dtype=np.bool_)
        for zone in np.unique(self.zone[patch]):
            own = np.flatnonzero(self.zone[patch] == zone)
            east, north = _to_zone(int(zone)).transform(*self.places[site[own]].T)
            right = east - self.left[patch[own]]
            down = self.top[patch[own]] - north
            side = self.grid.side_m
            inside[own] = (right >= 0) & (right <= side) & (down >= 0) & (down <= side)
        return inside

    def _overlap_across_zones(self, one: IntArray, two: IntArray) -> BoolArray:
        shared = np.zeros(len(one), dtype=np.bool_)
        zones = np.column_stack([self.zone[one], self.zone[two]])
        for zone, other_zone in np.unique(zones, axis=0):
            own = np.flatnonzero((zones == (zone, other_zone)).all(axis=1))
            corners = self._corners(two[own]).reshape(-1, 2)
            east, north = corners.T
            degrees = _to_zone(int(other_zone)).transform(east, north, direction="INVERSE")
            moved = np.column_stack(_to_zone(int(zone)).transform(*degrees)).reshape(-1, 4, 2)
            ground = shapely.intersection(
                shapely.polygons(self._corners(one[own])), shapely.polygons(moved)
            )
            shared[own] = shapely.area(ground) > _LEAST_AREA_M2
        return shared

    def _corners(self, rows: IntArray) -> FloatArray:
        side = self.grid.side_m
        left, top = self.left[rows], self.top[rows]
        east = np.column_stack([left, left + side, left + side, left])
        north = np.column_stack([top, top, top - side, top - side])
        return np.stack([east, north], axis=2)


def conflicting_pairs(squares: Squares, labels: FloatArray, pairs: IntArray) -> IntArray:
    """Pick the pairs with different labels of which one lies in the other's patch.

    `labels` are 1, 0 or NaN; a site without a label contradicts nothing.
    """
    one, two = labels[pairs].T
    apart = pairs[np.isfinite(one) & np.isfinite(two) & (one != two)]
    held = squares.holds(apart[:, 0], apart[:, 1]) | squares.holds(apart[:, 1], apart[:, 0])
    return np.asarray(apart[held], dtype=np.int64)


@lru_cache(maxsize=64)
def _to_zone(zone: int) -> Transformer:
    # The northern half's definition for both halves: northings then run on across the equator.
    return Transformer.from_crs("EPSG:4326", f"EPSG:{32600 + zone}", always_xy=True)
