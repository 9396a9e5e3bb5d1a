"""The ground of an archive through its year: dry and wet season, and the mines that open."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from minewatch.bands import band as band_named
from minewatch.toy._camera import PIECE_CELLS, inside
from minewatch.toy._landscape import Landscape
from minewatch.toy._mines import FIRST_DAY
from minewatch.toy._render import reflectance_of
from minewatch.toy._shapes import CELL_M, Cells
from minewatch.types import BoolArray

Float32Array = npt.NDArray[np.float32]
BLUR_CELLS: Final = 2
"""How far a mine shows beyond its outline: the sensor's blur, and a cell to spare."""

Bands = dict[str, Float32Array]
Part = tuple[slice, slice]


@dataclass(frozen=True)
class Seasons:
    """Reflectance of some cells by band, on each band's own pixels, in either season."""

    cells: Cells
    dry: Bands
    wet: Bands


@dataclass(frozen=True)
class Ground:
    """A tile's ground through the year."""

    start: Seasons
    """As it is before the first acquisition."""
    changes: tuple[tuple[int, Seasons], ...]
    """Days (after `FIRST_DAY`) on which mines opened, and their surroundings from then on."""
    outside: BoolArray
    """Cells outside the valley."""

    def on(self, day: date, band: str, wet: float) -> Float32Array:
        """Give the reflectance of a band on a day, float32 on its own pixels."""
        share = np.float32(wet)
        factor = factor_of(band)
        seen = _mix(self.start, band, share)
        for opened, change in self.changes:
            if opened <= days_after_first(day):
                seen[_place(change.cells, self.start.cells, factor)] = _mix(change, band, share)
        return seen


def factor_of(band: str) -> int:
    """Give the number of 10 m cells along a band's own pixel: 1, 2 or 6."""
    return band_named(band).resolution_m // int(CELL_M)


def days_after_first(day: date) -> int:
    """Count the days after the first on which mines may open."""
    return (day - date.fromisoformat(FIRST_DAY)).days


def see_year(
    land: Landscape, cells: Cells, days: tuple[date, date], bands: tuple[str, ...]
) -> Ground:
    """Look at the ground from one day to another.

    Parameters
    ----------
    land
        The landscape.
    cells
        The tile: whole 60 m blocks.
    days
        First and last day that will be asked for.
    bands
        ESA's names.
    """
    first, last = (days_after_first(day) for day in days)
    opened = land.mine_opened_day
    start = _see_seasons(land, cells, opened <= first, bands)
    changes = []
    new = np.flatnonzero((opened > first) & (opened <= last))
    for mine in sorted(new, key=lambda one: (int(opened[one]), int(one))):
        around = _around(land, cells, int(mine))
        if around is not None:
            seasons = _see_seasons(land, around, opened <= opened[mine], bands)
            changes.append((int(opened[mine]), seasons))
    return Ground(start, tuple(changes), ~inside(land.extent, cells))


def _mix(seasons: Seasons, band: str, share: np.float32) -> Float32Array:
    mixed: Float32Array = seasons.wet[band] - seasons.dry[band]
    mixed *= share
    mixed += seasons.dry[band]
    return mixed


def _place(part: Cells, whole: Cells, factor: int) -> Part:
    row, column = part.first_row - whole.first_row, part.first_column - whole.first_column
    return (
        slice(row // factor, (row + part.n_rows) // factor),
        slice(column // factor, (column + part.n_columns) // factor),
    )


def _around(land: Landscape, cells: Cells, mine: int) -> Cells | None:
    """Find the whole blocks of a tile in which a mine shows; None if it lies elsewhere."""
    block, reach = 6, BLUR_CELLS
    west, south, east, north = (float(value) / CELL_M for value in land.mines.bounds[mine])
    left = max((int(west) - reach) // block * block, cells.first_column)
    right = min(-(-(int(east) + 1 + reach) // block) * block, cells.first_column + cells.n_columns)
    top = max((int(-north) - 1 - reach) // block * block, cells.first_row)
    bottom = min(-(-(int(-south) + 1 + reach) // block) * block, cells.first_row + cells.n_rows)
    if left >= right or top >= bottom:
        return None
    return Cells(left, top, right - left, bottom - top)


def _see_seasons(
    land: Landscape, cells: Cells, opened: BoolArray, bands: tuple[str, ...]
) -> Seasons:
    empty = [
        {
            name: np.empty(
                (cells.n_rows // factor_of(name), cells.n_columns // factor_of(name)),
                dtype=np.float32,
            )
            for name in bands
        }
        for _ in range(2)
    ]
    seasons = Seasons(cells, *empty)
    for row in range(0, cells.n_rows, PIECE_CELLS):
        for column in range(0, cells.n_columns, PIECE_CELLS):
            piece = Cells(
                cells.first_column + column,
                cells.first_row + row,
                min(PIECE_CELLS, cells.n_columns - column),
                min(PIECE_CELLS, cells.n_rows - row),
            )
            for wet, kept in ((False, seasons.dry), (True, seasons.wet)):
                for name, values in reflectance_of(land, piece, opened, bands, wet=wet).items():
                    kept[name][_place(piece, cells, factor_of(name))] = values
    return seasons
