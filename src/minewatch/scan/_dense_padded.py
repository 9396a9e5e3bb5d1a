"""Networks that pad patches with zeros: overlapping windows share the first block but its edges.

Zeros outside a window change what a block of m convolutions of 3 × 3 gives within m pixels of its
edge. Everything further in is the same for all windows that see it and is computed once for the
tile. Along the upper edge, zeros stand above, and what lies m pixels from the left and right edge
is the same for all windows that begin in that row: it is computed once for a row of windows, and so
along the other three edges. The four corners alone are computed for each window. The parts are put
together behind the block's pooling, and each window goes through the rest by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np

from minewatch.model._card import Card
from minewatch.model._onnx import PIXELS_INPUT, OnnxDetector
from minewatch.model._probability import read_scores
from minewatch.scan._dense import open_session
from minewatch.scan._dense_graph import FirstBlock, find_first_block
from minewatch.scan._tile import PixelWindows, Values, cut_windows
from minewatch.types import IntArray

_WINDOWS_AT_ONCE: Final = 32
_BAND_PX: Final = 96
"""Rows of a tile whose inner part is computed at once."""
_BLOCK_PX: Final = 1_200
"""Pixels along a side of a tile's blocks: windows share within a block."""
_PAYS: Final = 0.8
"""Sharing is worth its copying if it needs less than this of the block's work."""
_SIDES: Final[dict[str, tuple[tuple[int, int, int, int], bool]]] = {
    "inner": ((0, 0, 0, 0), False),
    "top": ((1, 0, 0, 0), False),
    "bottom": ((0, 0, 1, 0), False),
    "left": ((1, 0, 0, 0), True),
    "right": ((0, 0, 1, 0), True),
    "top left": ((1, 1, 0, 0), False),
    "top right": ((1, 0, 0, 1), False),
    "bottom left": ((0, 1, 1, 0), False),
    "bottom right": ((0, 0, 1, 1), False),
}
"""Where zeros stand (top, left, bottom, right), and whether rows and columns change places: long
narrow strips are faster lying than standing."""


@dataclass(frozen=True, eq=False)
class PaddedNetwork:
    """A detector that pads its patches, taken apart so that windows can share its first block."""

    block: FirstBlock
    """The first block."""
    parts: Mapping[str, Any]
    """Runs the block for each part of a window, by the names of `_SIDES`."""
    rest: Any
    """Runs what comes after it."""
    card: Card
    """Says what its numbers mean."""

    way: ClassVar[str] = "shared first block"
    """How `way_of_scoring` calls it."""

    @classmethod
    def of(cls, detector: OnnxDetector) -> Self | None:
        """Take a detector apart; None if its windows cannot share a first block."""
        if detector.card.context_columns or detector.card.preparation.statistics:
            return None
        block = find_first_block(detector.network, detector.card.size_px)
        if block is None:
            return None
        threads = detector.options.threads
        parts = {
            name: open_session(block.part(pads, turned=turned), threads)
            for name, (pads, turned) in _SIDES.items()
        }
        return cls(block, parts, open_session(block.rest(), threads), detector.card)

    @property
    def ring(self) -> int:
        """Cells along each edge of a window's pooled map that zeros outside have an effect on."""
        return -(-self.block.margin_px // self.block.pool_px)

    def score(self, prepared: Values, windows: PixelWindows, context: object = None) -> Values:  # noqa: ARG002
        """Score windows of a prepared tile (band, y, x): (window,), NaN where that costs more."""
        scores = np.full(len(windows), np.nan, dtype=np.float32)
        for chosen in windows.by_block(self.block.pool_px, _BLOCK_PX):
            if self._pays(windows[chosen]):
                scores[chosen] = self.together(prepared, windows[chosen])
        return scores

    def _pays(self, windows: PixelWindows) -> bool:
        """Compare the pixels that the block's convolutions go through."""
        rows, columns = windows.extent
        height, width = rows.stop - rows.start, columns.stop - columns.start
        edge = self.ring * self.block.pool_px + self.block.margin_px / 2
        n_rows, n_columns = len(np.unique(windows.rows)), len(np.unique(windows.columns))
        shared = height * width + 2 * edge * (n_rows * width + n_columns * height)
        corners = len(windows) * (2 * edge) ** 2
        return bool(shared + corners < _PAYS * len(windows) * windows.size_px**2)

    def together(self, prepared: Values, windows: PixelWindows) -> Values:
        """Score windows that share their first block, whether that pays or not."""
        rows, columns = windows.extent
        tile = prepared[:, rows, columns]
        moved = PixelWindows(
            windows.rows - rows.start, windows.columns - columns.start, windows.size_px
        )
        shared = _Shared.of(self, tile, moved)
        numbers = []
        side = windows.size_px // self.block.pool_px
        shapes = [(_WINDOWS_AT_ONCE, len(one), side, side) for one in shared.inner]
        room = [np.empty(shape, dtype=np.float32) for shape in shapes]  # new pages take time
        for part in moved.parts(_WINDOWS_AT_ONCE):
            maps = [one[: len(part)] for one in room]
            shared.put_together(self._corners(tile, part), part, maps)
            numbers.append(self.rest.run(None, dict(zip(self.block.ends, maps, strict=True)))[0])
        return read_scores(np.concatenate(numbers), self.card, len(windows))

    def _corners(self, tile: Values, windows: PixelWindows) -> dict[str, list[Values]]:
        """Compute the corners of windows: by name, for each member (window, channel, y, x)."""
        side = self.ring * self.block.pool_px + self.block.margin_px
        far = windows.size_px - side
        corners = {}
        for name in ("top left", "top right", "bottom left", "bottom right"):
            down, right = ("bottom" in name) * far, ("right" in name) * far
            pixels = cut_windows(
                tile, PixelWindows(windows.rows + down, windows.columns + right, side)
            )
            corners[name] = self.run(name, pixels)
        return corners

    def run(self, name: str, pixels: Values) -> list[Values]:
        """Run the block for one part of windows: one array for each member."""
        found: list[Values] = self.parts[name].run(self.block.ends, {PIXELS_INPUT: pixels})
        return found


@dataclass(frozen=True, eq=False)
class _Shared:
    """What windows share of the pooled maps of the first block, for each member.

    Cells are counted from the tile's upper left pixel.
    """

    ring: int
    pool_px: int
    inner: list[Values]
    """(channel, y, x): without zeros anywhere; its first cell is cell (ring, ring) of the tile."""
    across: dict[str, list[Values]]
    """``top``, ``bottom``: (row of windows, channel, ring, x), beginning at cell `ring`."""
    down: dict[str, list[Values]]
    """``left``, ``right``: (column of windows, channel, ring, y), beginning at cell `ring`."""
    rows: IntArray
    """First pixel of each row of windows, sorted."""
    columns: IntArray
    """First pixel of each column of windows, sorted."""

    @classmethod
    def of(cls, network: PaddedNetwork, tile: Values, windows: PixelWindows) -> Self:
        """Compute what the windows of a tile share; the tile is what they cover together."""
        rows, columns = np.unique(windows.rows), np.unique(windows.columns)
        size = windows.size_px
        across = {name: _strips(network, name, tile, rows, size) for name in ("top", "bottom")}
        turned = tile.swapaxes(1, 2)
        down = {name: _strips(network, name, turned, columns, size) for name in ("left", "right")}
        inner = _inner(network, tile)
        return cls(network.ring, network.block.pool_px, inner, across, down, rows, columns)

    def put_together(
        self, corners: Mapping[str, list[Values]], windows: PixelWindows, maps: list[Values]
    ) -> None:
        """Put the pooled maps of windows together: for each member (window, channel, y, x)."""
        for member, into in enumerate(maps):
            own = {name: corner[member] for name, corner in corners.items()}
            self._one(own, member, windows, into)

    def _one(
        self, corners: Mapping[str, Values], member: int, windows: PixelWindows, maps: Values
    ) -> None:
        ring, side = self.ring, windows.size_px // self.pool_px
        inside = side - 2 * ring
        before, middle, after = slice(ring), slice(ring, side - ring), slice(side - ring, side)
        top, left = windows.rows // self.pool_px, windows.columns // self.pool_px
        row = np.searchsorted(self.rows, windows.rows)
        column = np.searchsorted(self.columns, windows.columns)
        inner = self.inner[member]
        for i in range(len(windows)):
            maps[i, :, middle, middle] = inner[:, top[i] :, left[i] :][:, :inside, :inside]
            across = slice(left[i], left[i] + inside)
            maps[i, :, before, middle] = self.across["top"][member][row[i], :, :, across]
            maps[i, :, after, middle] = self.across["bottom"][member][row[i], :, :, across]
            down = slice(top[i], top[i] + inside)
            left_, right_ = (self.down[name][member] for name in ("left", "right"))
            maps[i, :, middle, before] = left_[column[i], :, :, down].swapaxes(1, 2)
            maps[i, :, middle, after] = right_[column[i], :, :, down].swapaxes(1, 2)
        for name, corner in corners.items():
            y = after if "bottom" in name else before
            x = after if "right" in name else before
            maps[:, :, y, x] = corner


def _strips(
    network: PaddedNetwork, name: str, tile: Values, starts: IntArray, size_px: int
) -> list[Values]:
    """Compute one edge of all rows of windows that begin at `starts`."""
    margin, ring_px = network.block.margin_px, network.ring * network.block.pool_px
    thick = ring_px + margin
    first = starts if name in ("top", "left") else starts + size_px - thick
    narrow = tile[:, :, ring_px - margin : tile.shape[2] - ring_px + margin]
    pixels = np.stack([narrow[:, start : start + thick] for start in first])
    return network.run(name, pixels)


def _inner(network: PaddedNetwork, tile: Values) -> list[Values]:
    """Compute what no window's edge has an effect on, band by band."""
    margin, pool = network.block.margin_px, network.block.pool_px
    ring_px = network.ring * pool
    start, width = ring_px - margin, tile.shape[2]
    n_rows = (tile.shape[1] - 2 * ring_px) // pool
    step = max(1, _BAND_PX // pool)
    maps: list[Values] = []
    for row in range(0, n_rows, step):
        end = min(row + step, n_rows)
        rows = slice(start + row * pool, start + end * pool + 2 * margin)
        part = np.ascontiguousarray(tile[None, :, rows, start : width - start])
        found = network.run("inner", part)
        if not maps:
            shapes = [(one.shape[1], n_rows, one.shape[3]) for one in found]
            maps = [np.empty(shape, dtype=np.float32) for shape in shapes]
        for whole, one in zip(maps, found, strict=True):
            whole[:, row:end] = one[0]
    return maps
