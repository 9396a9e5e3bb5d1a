"""Which of very many boxes meet any of very many others: asked of a coarse grid, all at once."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from minewatch.types import BoolArray, FloatArray, IntArray

_CELLS_ALONG: Final = 512


@dataclass(frozen=True)
class Cells:
    """A grid laid over boxes, with how many of its cells they cover up to each corner.

    A box meets none of them where it covers no cell that they cover: no tree is built and none is
    asked, however many boxes there are on either side.
    """

    west: float
    south: float
    width: float
    height: float
    covered: IntArray
    """Cells covered by any box, summed from the south-western corner, dims (row, column)."""

    @classmethod
    def of(
        cls,
        west: FloatArray,
        south: FloatArray,
        east: FloatArray,
        north: FloatArray,
    ) -> "Cells":
        """Lay the grid over boxes and mark what they cover.

        Examples
        --------
        >>> cells = Cells.of(*np.array([[0.0, 9.0], [0.0, 9.0], [1.0, 10.0], [1.0, 10.0]]))
        >>> cells.met_by(*np.array([[0.5, 4.0], [0.5, 4.0], [2.0, 6.0], [2.0, 6.0]])).tolist()
        [True, False]
        """
        left, low = float(west.min()), float(south.min())
        width = max(float(east.max()) - left, 1e-9) / _CELLS_ALONG
        height = max(float(north.max()) - low, 1e-9) / _CELLS_ALONG
        empty = np.zeros((_CELLS_ALONG + 1,) * 2, dtype=np.int64)
        grid = cls(left, low, width, height, empty)
        first, last = grid._columns(west), grid._columns(east) + 1
        bottom, top = grid._rows(south), grid._rows(north) + 1
        # Each box adds 1 where it begins and takes it away where it ends; sums say what is covered.
        steps = np.zeros((_CELLS_ALONG + 1,) * 2, dtype=np.int64)
        for row, column, step in (
            (bottom, first, 1), (bottom, last, -1), (top, first, -1), (top, last, 1),
        ):  # fmt: skip
            np.add.at(steps, (row, column), step)
        covered = steps.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0
        empty[1:, 1:] = covered.cumsum(axis=0).cumsum(axis=1)
        return grid

    def met_by(
        self,
        west: FloatArray,
        south: FloatArray,
        east: FloatArray,
        north: FloatArray,
        *,
        moved: float = 0.0,
    ) -> BoolArray:
        """Say which boxes, moved eastwards, may meet one of those that the grid was laid over.

        Boxes of NaN meet nothing.
        """
        last_east = self.west + self.width * _CELLS_ALONG - moved
        last_north = self.south + self.height * _CELLS_ALONG
        # Room for what is lost in rounding: a touch is a meeting.
        aside, up = self.width * 1e-3, self.height * 1e-3
        over = (east >= self.west - moved - aside) & (west <= last_east + aside)
        over &= (north >= self.south - up) & (south <= last_north + up)
        found = np.zeros(len(west), dtype=np.bool_)
        rows = np.flatnonzero(over)
        first = self._columns(west[rows] + moved - aside)
        last = self._columns(east[rows] + moved + aside) + 1
        bottom, top = self._rows(south[rows] - up), self._rows(north[rows] + up) + 1
        total = self.covered
        within = total[top, last] - total[bottom, last] - total[top, first] + total[bottom, first]
        found[rows] = within > 0
        return found

    def finer_than(self, width: float, height: float) -> bool:
        """Say whether cells are smaller than that."""
        return self.width < width and self.height < height

    def _columns(self, longitude: FloatArray) -> IntArray:
        column = np.floor((longitude - self.west) / self.width)
        return np.clip(column, 0, _CELLS_ALONG - 1).astype(np.int64)

    def _rows(self, latitude: FloatArray) -> IntArray:
        row = np.floor((latitude - self.south) / self.height)
        return np.clip(row, 0, _CELLS_ALONG - 1).astype(np.int64)
