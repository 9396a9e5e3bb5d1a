"""Choose what an archive shows of a valley: one large stretch, or small ones all over it."""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from minewatch.errors import InputError
from minewatch.toy._camera import EPSG
from minewatch.toy._shapes import CELL_M

if TYPE_CHECKING:
    from minewatch.toy._landscape import Landscape
    from minewatch.toy._valley import Valley

SIDE_M: Final = 8_640.0
STRETCH_SIDE_M: Final = 1_500.0
N_STRETCHES: Final = 24
APART_M: Final = 3_000.0
"""Small stretches lie at least this far from one another, metres."""
BLOCK_M: Final = 60.0
STEP_M: Final = 600.0
MIN_SIDE_M: Final = 1_200.0

Window = tuple[float, float, float, float]
"""West, south, east, north, metres."""
Wanted = tuple[tuple[int, int], ...]
"""Of mines, pastures, villages, ponds and sandbars: how many are enough, what each is worth."""
OF_LARGE: Final[Wanted] = ((35, 1), (15, 1), (3, 3), (10, 1), (4, 1))
OF_SMALL: Final[Wanted] = ((8, 2), (4, 1), (1, 3), (3, 1), (2, 1))


def archive_area(valley: "Valley", *, side_m: float = SIDE_M) -> GeoBox:
    """Choose one stretch of a valley for an archive: the square with the most in it.

    Mines, the river, pastures, ponds, villages and sandbars count, up to what is enough of each.

    Parameters
    ----------
    valley
        The valley.
    side_m
        Side of the square, metres: a multiple of 60, at least 1,200. A valley that is smaller is
        shown whole in that direction.

    Returns
    -------
    GeoBox
        On the valley's 10 m grid, its corners on multiples of 60 m.

    Raises
    ------
    InputError
        If the side is too short or not a multiple of 60 m.

    Examples
    --------
    >>> from minewatch import toy
    >>> archive_area(toy.Valley(seed=1), side_m=3_000).shape.yx
    (300, 300)
    """
    _check_side(side_m)
    search = _Search(valley, side_m, OF_LARGE, None)
    return _geobox(search.best(1)[0])


def archive_areas(
    valley: "Valley",
    n_areas: int = N_STRETCHES,
    *,
    side_m: float = STRETCH_SIDE_M,
    on: date | None = None,
) -> list[GeoBox]:
    """Choose small stretches all over a valley for an archive, 3 km or more from one another.

    The first is the square with the most in it, as of `archive_area`; each further one that with
    the most of those that lie far enough from all before.

    Parameters
    ----------
    valley
        The valley.
    n_areas
        How many. Where the valley has no room for so many, there are fewer.
    side_m
        Side of the squares, metres: a multiple of 60, at least 1,200. Where the valley is smaller,
        they are smaller too.
    on
        The day on which a mine has to be there to count. None: all count.

    Returns
    -------
    list of GeoBox
        On the valley's 10 m grid, their corners on multiples of 60 m; from north to south, those of
        one height from west to east.

    Raises
    ------
    InputError
        If the side is too short or not a multiple of 60 m, or fewer than one are asked for.

    Examples
    --------
    >>> from minewatch import toy
    >>> areas = archive_areas(toy.Valley(seed=1))
    >>> len(areas), areas[0].shape.yx
    (24, (150, 150))
    """
    _check_side(side_m)
    if n_areas < 1:
        raise InputError(f"n_areas is {n_areas}; expected at least 1")
    windows = _Search(valley, side_m, OF_SMALL, on).best(n_areas)
    return [_geobox(window) for window in sorted(windows, key=lambda own: (-own[3], own[0]))]


def _check_side(side_m: float) -> None:
    if not (side_m >= MIN_SIDE_M and side_m % BLOCK_M == 0):
        raise InputError(
            f"side_m is {side_m:g}; expected a multiple of {BLOCK_M:g} m from {MIN_SIDE_M:g} m on"
        )


def _geobox(window: Window) -> GeoBox:
    west, south, east, north = window
    shape = (int((north - south) / CELL_M), int((east - west) / CELL_M))
    return GeoBox(shape, Affine(CELL_M, 0.0, west, 0.0, -CELL_M, north), f"EPSG:{EPSG}")


class _Search:
    """Looks for the squares with the most in them."""

    def __init__(self, valley: "Valley", side_m: float, wanted: Wanted, on: date | None) -> None:
        land: Landscape = valley._land  # noqa: SLF001  # of one room
        mines = land.mines.bounds[valley._opened(on)]  # noqa: SLF001
        others = (land.pastures, land.villages, land.ponds, land.sandbars)
        self._kinds = [mines, *(polygons.bounds for polygons in others)]
        self._course = land.river.segments
        self._wanted = wanted
        self._windows = list(_windows(valley.geobox.boundingbox, side_m))

    def best(self, n: int) -> list[Window]:
        """Find some squares far enough from each other; of equals the first from the south-west."""
        worths = [self._worth(window) for window in self._windows]
        found: list[Window] = []
        for number in sorted(range(len(worths)), key=lambda number: -worths[number]):
            if len(found) == n:
                break
            window = self._windows[number]
            if all(_apart_m(window, other) >= APART_M for other in found):
                found.append(window)
        return found

    def _worth(self, window: Window) -> int:
        """Count what is wholly in a window, up to what is enough of each kind."""
        west, south, east, north = window
        total = 0
        for number, (bounds, (enough, points)) in enumerate(
            zip(self._kinds, self._wanted, strict=True)
        ):
            within = (bounds[:, 0] >= west) & (bounds[:, 2] <= east)
            within &= (bounds[:, 1] >= south) & (bounds[:, 3] <= north)
            total += min(int(within.sum()), enough) * points
            if number == 0:
                sizes = (bounds[:, 2] - bounds[:, 0]) * (bounds[:, 3] - bounds[:, 1])
                total += min(int(np.max(sizes * within, initial=0.0) * 1e-4), 15)
        course = self._course
        flows = (course[:, 0] > west) & (course[:, 0] < east)
        flows &= (course[:, 1] > south) & (course[:, 1] < north)
        return total + min(int(flows.sum()) // 5, 25)


def _windows(box: Any, side_m: float) -> Iterator[Window]:
    """Lay squares over a valley, one every 600 m, from the south-west."""
    width_m, height_m = min(side_m, box.right - box.left), min(side_m, box.top - box.bottom)
    south = box.bottom
    while south + height_m <= box.top:
        west = box.left
        while west + width_m <= box.right:
            yield west, south, west + width_m, south + height_m
            west += STEP_M
        south += STEP_M


def _apart_m(one: Window, other: Window) -> float:
    """Say how far two squares lie apart eastwards or northwards, whichever is more."""
    across = max(one[0] - other[2], other[0] - one[2])
    return max(across, one[1] - other[3], other[1] - one[3])
