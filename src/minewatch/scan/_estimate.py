"""What a scan would take, from its plan and from one tile that is measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from minewatch.imagery import ImagerySource, SceneQuery
from minewatch.scan._folder import ScanFolder, SoFar
from minewatch.scan._judge import NOT_COVERED
from minewatch.scan._plan import Plan
from minewatch.scan._prepare import prepare_scan
from minewatch.scan._settings import ScanSettings
from minewatch.scan._windows import Tile
from minewatch.scan._work import Opener, do_tile
from minewatch.types import StrPath

if TYPE_CHECKING:
    from minewatch.context import Features
    from minewatch.model._applicability import Applicability
    from minewatch.model._onnx import OnnxDetector
    from minewatch.sites._regions import Region

_MOST_TILES: Final = 5
"""Tiles that are looked at before it is said that no scene covers any."""


@dataclass(frozen=True)
class ScanEstimate:
    """What a scan would take."""

    n_tiles: int
    """Tiles of the region."""
    n_windows: int
    """Windows of the region."""
    region_ha: float
    """Area of the region, hectares."""
    zones: tuple[int, ...]
    """UTM zones that windows lie in, EPSG codes."""
    tile: str
    """The tile that was measured: the first of those with the most windows."""
    tile_windows: int
    """Its windows."""
    tile_seconds: float
    """Time that it took alone, with nothing beside it."""
    tile_received_bytes: int | None
    """Bytes that the network gave for it; None if the source does not count, or reads a disk."""
    tile_number_bytes: int
    """Bytes of all numbers of all scenes behind it, not packed."""
    tiles_looked_at: int = 1
    """Tiles that were read: another one where no scene covers the one before."""
    is_covered: bool = True
    """Whether any scene of the period covers the tile that was measured. If not, nothing is known
    of time and bytes."""
    folder: str | None = None
    """The scan's folder, if it was named."""
    tiles_done: int = 0
    """Tiles that were scored there before."""
    windows_done: int = 0
    """Their windows."""
    tiles_failed: int = 0
    """Tiles that failed there, in a scan that went to its end."""
    is_other: bool = False
    """Whether the folder holds a scan with other settings."""

    @property
    def times(self) -> float:
        """How many such tiles all windows would fill."""
        return self.n_windows / self.tile_windows

    @property
    def seconds(self) -> float:
        """Time for all tiles one after another, at the pace of that one."""
        return self.tile_seconds * self.times

    @property
    def read_bytes(self) -> int:
        """What all tiles would read: off the network where that is known, else as numbers."""
        own = self.tile_number_bytes
        if self.tile_received_bytes is not None:
            own = self.tile_received_bytes
        return round(own * self.times)

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {
            **vars(self),
            "seconds": round(self.seconds, 3) if self.is_covered else None,
            "read_bytes": self.read_bytes if self.is_covered else None,
        }

    def describe(self) -> str:
        """Write it in a few lines."""
        from_network = self.tile_received_bytes is not None
        what = "over the network" if from_network else "of numbers, less as they are packed"
        every = "All anew" if self.tiles_done else "All"
        zones = ", ".join(f"EPSG:{zone}" for zone in self.zones)
        counts = (
            f"{self.n_windows:,} windows in {self.n_tiles:,} tiles, {self.region_ha / 100:,.1f} "
            f"km², UTM zones {zones}\n"
        )
        counts += self._so_far()
        if not self.is_covered:
            return (
                f"{counts}No scene of the period covers the ground that was looked at "
                f"({self.tiles_looked_at} of {self.n_tiles:,} tiles), so nothing could be "
                "measured: are region, period and source those that you meant?"
            )
        return (
            f"{counts}Tile {self.tile} was measured: {self.tile_windows:,} windows in "
            f"{self.tile_seconds:.1f} s\n"
            f"{every} would take about {_in_words(self.seconds)} one after another (less side by "
            f"side) and read about {_size(self.read_bytes)} {what}"
        )

    def _so_far(self) -> str:
        """Say what the folder holds already."""
        if self.is_other:
            return (
                f"{self.folder} holds a scan with other settings: scan into another folder, or "
                "give that one up with --overwrite\n"
            )
        if not self.tiles_done and not self.tiles_failed:
            return ""
        if self.tiles_done == self.n_tiles:
            return f"Done already: all tiles, in {self.folder}; nothing is left to scan\n"
        left = f"{self.tiles_failed:,} failed: --retry-failed scans those again"
        if not self.tiles_failed:
            left = f"{self.n_windows - self.windows_done:,} windows are left"
        done = f"{self.tiles_done:,} of {self.n_tiles:,} tiles"
        return f"Done already: {done}, in {self.folder}; {left}\n"


def estimate_scan(
    region: "Region",
    detector: "OnnxDetector",
    source: ImagerySource | Opener,
    query: SceneQuery,
    *,
    settings: ScanSettings = ScanSettings(),  # noqa: B008 - frozen
    context: "Features | None" = None,
    applicability: "Applicability | None" = None,
    out: StrPath | None = None,
) -> ScanEstimate:
    """Say what `scan_region` would take: one tile is read and scored, and nothing is written.

    Where no scene covers that tile, up to four others are looked at.

    Parameters are those of `scan_region`; of the folder `out` it is said what is done already.

    Returns
    -------
    ScanEstimate
        Counts of the whole, and the time and bytes of one tile.

    Raises
    ------
    InputError, LevelError
        As `scan_region`.
    ImageryError
        If the tile cannot be read.
    """
    scan = prepare_scan(
        region, detector, source, query, settings, context=context, applicability=applicability
    )
    tiles = dict(scan.plan.tiles)
    so_far = SoFar(frozenset(), frozenset())
    if out is not None:
        so_far = ScanFolder(Path(out)).so_far(scan.request, tiles)
    looked = 0
    for tile in _spread(scan.plan):
        received = _received(scan.job.opened)
        rows = do_tile(scan.job, tile.key, scan.plan.windows(tile))
        gained = None if received is None else (_received(scan.job.opened) or 0) - received
        looked += 1
        is_covered = not (rows.table["reason"] == NOT_COVERED).all()
        if is_covered:
            break
    return ScanEstimate(
        n_tiles=len(scan.plan.tiles),
        n_windows=scan.plan.n_windows,
        region_ha=float(scan.plan.region_facts["area_ha"]),
        zones=tuple(sorted({one.epsg for one, _ in scan.plan.tiles})),
        tile=tile.key,
        tile_windows=len(rows.table),
        tile_seconds=round(rows.seconds, 3),
        tile_received_bytes=gained,
        tile_number_bytes=rows.numbers_bytes,
        tiles_looked_at=looked,
        is_covered=is_covered,
        folder=None if out is None else str(out),
        tiles_done=len(so_far.done),
        windows_done=sum(tiles[tile] for tile in so_far.done),
        tiles_failed=len(so_far.failed),
        is_other=so_far.is_other,
    )


def _spread(plan: Plan) -> list[Tile]:
    """List tiles to measure: the first of those with the most windows, then some far apart."""
    tiles = [tile for tile, _ in plan.tiles]
    fullest = max(plan.tiles, key=lambda one: one[1])[0]
    places = np.linspace(0, len(tiles) - 1, _MOST_TILES - 1).round().astype(int)
    return list(dict.fromkeys([fullest, *(tiles[place] for place in places)]))


def _received(source: ImagerySource) -> int | None:
    traffic = getattr(source, "traffic", None)
    return None if traffic is None else int(traffic.received_bytes)


def _in_words(seconds: float) -> str:
    """Write a time for people.

    Examples
    --------
    >>> _in_words(42.3), _in_words(600), _in_words(40_000), _in_words(400_000)
    ('42 s', '10 min', '11.1 h', '4.6 days')
    """
    for most, divisor, form in ((120, 1, "{:.0f} s"), (7_200, 60, "{:.0f} min")):
        if seconds < most:
            return form.format(seconds / divisor)
    return f"{seconds / 3_600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def _size(n_bytes: int) -> str:
    """Write a number of bytes for people.

    Examples
    --------
    >>> _size(12_000), _size(3_400_000_000)
    ('0.01 MB', '3.40 GB')
    """
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.2f} MB"
