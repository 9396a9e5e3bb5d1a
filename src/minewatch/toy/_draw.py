"""Draw labelled sites from the landscape, in clusters as real studies have them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from minewatch.errors import InputError
from minewatch.toy._landscape import Landscape
from minewatch.toy._noise import Chance
from minewatch.toy._render import CODES, COVERS, look
from minewatch.toy._shapes import CELL_M, Cells, Point, Polygons
from minewatch.types import BoolArray

PATCH_CELLS = 48
MIN_MINE_CELLS = 24
"""A site is mining if at least this many of its patch's 2,304 cells are mine: 1 %."""
NEAR_CELLS = 10
"""… and one of them lies within this many cells of the patch's centre in each direction."""
MARGIN_M = 330.0
"""Sites keep this far from the valley's edge, so that their patches lie inside."""
SNAP_CELLS = 6
BACKGROUND_MIX = (
    ("forest", 26), ("pasture", 20), ("stream", 14), ("village", 11), ("pond", 10),
    ("sandbar", 8), ("river", 6), ("road", 5),
)  # fmt: skip
"""What background sites are looked for, and how often in a hundred."""


@dataclass
class Drawn:
    """Sites while they are drawn: centres of cells, and what covers them."""

    points: list[Point] = field(default_factory=list)
    covers: list[str] = field(default_factory=list)
    taken: set[tuple[int, int]] = field(default_factory=set)

    def add(self, cell: tuple[int, int], cover: str) -> None:
        """Keep a site in a cell (column, row)."""
        self.taken.add(cell)
        self.points.append(centre_of(cell))
        self.covers.append(cover)


def centre_of(cell: tuple[int, int]) -> Point:
    """Give the easting and northing of a cell's centre."""
    return cell[0] * CELL_M + CELL_M / 2.0, -(cell[1] * CELL_M) - CELL_M / 2.0


def cell_at(point: Point) -> tuple[int, int]:
    """Give the column and row of the cell that a point lies in."""
    return int(point[0] // CELL_M), int(-point[1] // CELL_M)


def patch_of(cell: tuple[int, int]) -> Cells:
    """Give the cells of the default patch around a cell, snapped to 60 m."""
    east, north = centre_of(cell)
    snap_m, half = SNAP_CELLS * CELL_M, PATCH_CELLS * CELL_M / 2.0
    left = int((east - half) / snap_m + 0.5) * SNAP_CELLS
    top = -int((north + half) / snap_m + 0.5) * SNAP_CELLS
    return Cells(left, top, PATCH_CELLS, PATCH_CELLS)


def draw_mining(land: Landscape, n_sites: int) -> Drawn:
    """Draw sites on mines, several on the larger ones."""
    drawn, chance = Drawn(), Chance(land.seed, "mining sites")
    opened = np.ones(len(land.mines), dtype=np.bool_)
    for _ in range(200 + 60 * n_sites):
        if len(drawn.points) == n_sites:
            return drawn
        west, south, east, north = land.mines.bounds[chance.integer(len(land.mines))]
        point = (
            chance.uniform(float(west), float(east)),
            chance.uniform(float(south), float(north)),
        )
        cell = cell_at(point)
        if cell in drawn.taken or not land.extent.holds(point, MARGIN_M):
            continue
        if _is_mining(land.mines, cell, opened):
            cells = Cells(*cell, 1, 1)
            drawn.add(cell, COVERS[int(look(land, cells, opened).cover[0, 0])])
    raise InputError(
        f"this valley has no room for {n_sites} mining sites: found {len(drawn.points)}; "
        "ask for fewer or for a larger valley"
    )


def _is_mining(mines: Polygons, cell: tuple[int, int], opened: BoolArray) -> bool:
    inside = mines.burn(patch_of(cell), opened) >= 0
    middle = slice(PATCH_CELLS // 2 - NEAR_CELLS, PATCH_CELLS // 2 + NEAR_CELLS)
    return int(inside.sum()) >= MIN_MINE_CELLS and bool(inside[middle, middle].any())


def draw_background(land: Landscape, n_sites: int) -> Drawn:
    """Draw sites whose patches hold no mine, of every cover, often near one another."""
    drawn, chance = Drawn(), Chance(land.seed, "background sites")
    opened = np.ones(len(land.mines), dtype=np.bool_)
    wanted = [cover for cover, share in BACKGROUND_MIX for _ in range(share)]
    makers = _makers(land, chance)
    for _ in range(400 + 80 * n_sites):
        if len(drawn.points) == n_sites:
            return drawn
        neighbour = bool(drawn.points) and chance.happens(0.4)
        cover = chance.choice(wanted)
        point = _beside(chance, chance.choice(drawn.points)) if neighbour else makers[cover]()
        if point is None or not land.extent.holds(point, MARGIN_M):
            continue
        cell = cell_at(point)
        if cell in drawn.taken or len(land.mines.touching(patch_of(cell).bounds)):
            continue
        found = COVERS[int(look(land, Cells(*cell, 1, 1), opened).cover[0, 0])]
        if found == cover or (neighbour and found in CODES):
            drawn.add(cell, found)
    raise InputError(
        f"this valley has no room for {n_sites} background sites: found {len(drawn.points)}; "
        "ask for fewer or for a larger valley"
    )


def _beside(chance: Chance, point: Point) -> Point:
    east, north = chance.direction()
    away = chance.uniform(180.0, 900.0)
    return point[0] + east * away, point[1] + north * away


def _makers(land: Landscape, chance: Chance) -> dict[str, Callable[[], Point | None]]:
    extent = land.extent

    def anywhere() -> Point:
        return (
            extent.west + chance.uniform() * extent.width_m,
            extent.south + chance.uniform() * extent.height_m,
        )

    def in_one_of(polygons: Polygons) -> Point | None:
        if not len(polygons):
            return None
        west, south, east, north = polygons.bounds[chance.integer(len(polygons))]
        return chance.uniform(float(west), float(east)), chance.uniform(float(south), float(north))

    def along(lines: tuple[tuple[Point, ...], ...], aside_m: float) -> Point:
        east, north = chance.choice(chance.choice(lines))
        return east + chance.uniform(-aside_m, aside_m), north + chance.uniform(-aside_m, aside_m)

    return {
        "forest": anywhere,
        "pasture": lambda: in_one_of(land.pastures),
        "stream": lambda: along(land.streams.lines, 8.0),
        "village": lambda: in_one_of(land.villages),
        "pond": lambda: in_one_of(land.ponds),
        "sandbar": lambda: in_one_of(land.sandbars),
        "river": lambda: along(land.river.lines, 90.0),
        "road": lambda: along(land.roads.lines, 5.0),
    }


def flip_labels(seed: int, labels: list[int], share: float) -> Iterator[int]:
    """Give the labels with a share of them (to the nearest whole number) turned round."""
    n_flips = int(share * len(labels) + 0.5)
    chance = Chance(seed, "label noise")
    order = sorted(range(len(labels)), key=lambda _i: chance.bits())
    flipped = set(order[:n_flips])
    return (1 - label if i in flipped else label for i, label in enumerate(labels))
