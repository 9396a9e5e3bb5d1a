"""What a scan has to do: the tiles of a region, and how many windows each holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from shapely.geometry.base import BaseGeometry

from minewatch.errors import InputError
from minewatch.grid import PatchGrid
from minewatch.model._card import Card
from minewatch.scan._region import describe_region
from minewatch.scan._settings import ScanSettings, choose_steps
from minewatch.scan._windows import Ground, Lattice, Tile, Windows, zones_of


@dataclass(frozen=True, eq=False)
class Plan:
    """The tiles of a region."""

    region: BaseGeometry
    """EPSG:4326."""
    lattice: Lattice
    tiles: tuple[tuple[Tile, int], ...]
    """Tiles with the number of their windows: zone by zone, north to south, then west to east."""

    @property
    def n_windows(self) -> int:
        """Windows of all tiles."""
        return sum(count for _, count in self.tiles)

    @cached_property
    def _grounds(self) -> dict[int, Ground]:
        zones = sorted({tile.epsg for tile, _ in self.tiles})
        return {epsg: Ground(self.region, epsg, self.lattice) for epsg in zones}

    @cached_property
    def region_facts(self) -> dict[str, float | str]:
        """Digest and area (ha) of the region."""
        return describe_region(self.region)

    def ground(self, epsg: int) -> Ground:
        """Give the region as it lies in a zone."""
        return self._grounds[epsg]

    def windows(self, tile: Tile) -> Windows:
        """Give the windows of a tile."""
        return self._grounds[tile.epsg].windows(tile)

    def rows_of_tiles(self) -> Iterator[list[Tile]]:
        """Give the tiles in rows: those of one zone that begin at the same northing."""
        row: list[Tile] = []
        for tile, _ in self.tiles:
            if row and (tile.epsg, tile.top_m) != (row[0].epsg, row[0].top_m):
                yield row
                row = []
            row.append(tile)
        if row:
            yield row


def make_plan(region: BaseGeometry, card: Card, settings: ScanSettings) -> Plan:
    """Cover a region by tiles and windows.

    Raises
    ------
    SettingsError
        If stride and tile do not fit the detector's patches.
    InputError
        If the region holds no window.
    """
    grid = PatchGrid(size_px=card.size_px, resolution_m=card.resolution_m)
    lattice = Lattice(grid, *choose_steps(settings, grid))
    grounds = (Ground(region, epsg, lattice) for epsg in zones_of(region, lattice))
    tiles = tuple(found for ground in grounds for found in ground.tiles())
    if not tiles:
        raise InputError("no window meets the region; expected polygons with some area")
    return Plan(region, lattice, tiles)
