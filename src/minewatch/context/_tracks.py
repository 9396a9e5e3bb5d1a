"""Lines on the pixels of many patches: every pixel that a line touches, side by side of the lines.

For each column of pixels that a side crosses it is known between which rows it runs there. Sides
that run through the very corner of a pixel, or all but along its edge, are left to the rasterizer,
which has rules of its own for them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from minewatch.context._near import Near
from minewatch.context._pieces import Borders
from minewatch.context._runs import Runs, spans
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

_CORNER_PX: Final = 1e-3
"""What ends so near to an edge, or passes so near to a corner, is for the rasterizer."""
_FLAT_PX: Final = 0.02
"""What runs less far across is taken for vertical or horizontal by the rasterizer, or nearly so."""


@dataclass(frozen=True)
class Tracks:
    """Sides of lines on patches, in pixels of each patch: columns east, rows south.

    Attributes
    ----------
    shape
        Rows and columns of every patch.
    patch, feature
        Of each side.
    ends
        Column and row of its first end, and of its second, dims (4, side).
    doubtful
        Whether it is left to the rasterizer.
    pixel_owner, pixel
        Which side touches which pixel of its patch, row by row; none of those that are doubtful.
    """

    shape: tuple[int, int]
    patch: IntArray
    feature: IntArray
    ends: FloatArray
    doubtful: BoolArray
    pixel_owner: IntArray
    pixel: IntArray

    @classmethod
    def of(cls, runs: Runs, inverse: FloatArray, shape: tuple[int, int]) -> "Tracks":
        """Find the sides that lie on patches, and the pixels that they touch.

        Parameters
        ----------
        runs
            Lines in the CRS of the patches.
        inverse
            Six numbers that bring a place in the CRS to the pixels of each patch, dims (patch, 6).
        shape
            Rows and columns of every patch.
        """
        borders = Borders.of(runs)
        patch, piece = _near(borders, inverse, shape)
        owner, segment = spans(borders.pieces.first[piece], borders.pieces.count[piece])
        of_side = patch[owner]
        a, b, c, d, e, f = (values[of_side] for values in np.ascontiguousarray(inverse.T))
        x1, y1, x2, y2 = (ends[segment] for ends in borders.segments)
        ends = np.stack(
            [a * x1 + b * y1 + c, d * x1 + e * y1 + f, a * x2 + b * y2 + c, d * x2 + e * y2 + f]
        )
        height, width = shape
        on = (np.maximum(ends[0], ends[2]) >= 0.0) & (np.minimum(ends[0], ends[2]) <= width)
        on &= (np.maximum(ends[1], ends[3]) >= 0.0) & (np.minimum(ends[1], ends[3]) <= height)
        rows = np.flatnonzero(on)
        turned = rows[ends[0, rows] > ends[2, rows]]
        ends[:, turned] = ends[:, turned][[2, 3, 0, 1]]
        ends = np.ascontiguousarray(ends[:, rows])
        feature = borders.pieces.feature[piece[owner[rows]]]
        doubtful, pixel_owner, pixel = _touched(ends, shape)
        return cls(shape, of_side[rows], feature, ends, doubtful, pixel_owner, pixel)

    def mark(self, chosen: BoolArray, burnt: AnyArray) -> None:
        """Mark what chosen features touch.

        Parameters
        ----------
        chosen
            Which features, one per feature.
        burnt
            Is marked with 1, dims (patch, y, x).
        """
        drawn = chosen[self.feature[self.pixel_owner]]
        n_pixels = self.shape[0] * self.shape[1]
        place = self.patch[self.pixel_owner[drawn]] * n_pixels + self.pixel[drawn]
        burnt.reshape(-1)[place] = 1


def _near(
    borders: Borders, inverse: FloatArray, shape: tuple[int, int]
) -> tuple[IntArray, IntArray]:
    """Pair patches with pieces whose circle may meet them."""
    height, width = shape
    a, b, c, d, e, f = inverse.T
    whole = a * e - b * d
    column, row = width / 2.0 - c, height / 2.0 - f
    x, y = (e * column - b * row) / whole, (a * row - d * column) / whole
    # A pixel's diagonal at most, for pixels that are turned or not square.
    reach = np.sqrt(a * a + b * b + d * d + e * e) / abs(whole) * np.hypot(height, width) / 2.0
    pieces = borders.pieces
    near = Near.of(pieces.center_x, pieces.center_y, pieces.radius, 2.0 * float(reach.max()))
    empty = np.empty(0, dtype=np.int64)
    patches, found = [empty], [empty]
    for one in near.search(x, y, reach):
        patch, piece = one.place + one.places.start, one.circle
        aside, up = pieces.center_x[piece] - x[patch], pieces.center_y[piece] - y[patch]
        kept = np.hypot(aside, up) <= (reach[patch] + pieces.radius[piece]) * (1.0 + 1e-9)
        patches.append(patch[kept])
        found.append(piece[kept])
    return np.concatenate(patches), np.concatenate(found)


def _touched(ends: FloatArray, shape: tuple[int, int]) -> tuple[BoolArray, IntArray, IntArray]:
    """Say which sides, from left to right, are doubtful, and what pixels the others touch."""
    height, width = shape
    x1, y1, x2, y2 = ends
    level = np.minimum(x2 - x1, abs(y2 - y1)) < _FLAT_PX
    doubtful = level | (_to_whole(ends) < _CORNER_PX).any(axis=0)
    first = np.maximum(np.floor(x1), 0.0).astype(np.int64)
    last = np.minimum(np.floor(x2), width - 1.0).astype(np.int64)
    sides = np.flatnonzero(~doubtful & (last >= first))
    owner, column = spans(first[sides], (last - first + 1)[sides])
    side = sides[owner]
    begin, slope = x1[side], ((y2 - y1) / np.where(level, 1.0, x2 - x1))[side]
    left, right = np.maximum(column, begin), np.minimum(column + 1.0, x2[side])
    enters = y1[side] + (left - begin) * slope
    leaves = y1[side] + (right - begin) * slope
    corner = (_to_whole(enters) < _CORNER_PX) | (_to_whole(leaves) < _CORNER_PX)
    doubtful[side[corner]] = True
    top = np.maximum(np.floor(np.minimum(enters, leaves)), 0.0).astype(np.int64)
    bottom = np.minimum(np.floor(np.maximum(enters, leaves)), height - 1.0).astype(np.int64)
    held = np.flatnonzero((bottom >= top) & ~doubtful[side])
    strip, row = spans(top[held], (bottom - top + 1)[held])
    return doubtful, side[held][strip], row * width + column[held][strip]


def _to_whole(values: FloatArray) -> FloatArray:
    return abs(values - np.rint(values))
