"""Draw labelled sites from the landscape, in clusters as real studies have them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from minewatch.errors import InputError
from minewatch.toy._landscape import Landscape
from minewatch.toy._noise import Chance
from minewatch.toy._render import COVERS, cover_of
from minewatch.toy._shapes import CELL_M, Cells, Point, Polygons
from minewatch.types import BoolArray, IntArray

Bounds = tuple[float, float, float, float]
"""West, south, east, north, metres."""
Vertices = tuple[tuple[Point, ...], ...]

PATCH_CELLS = 48
MIN_MINE_CELLS = 24
"""A site is mining if at least this many of its patch's 2,304 cells are mine: 1 %."""
NEAR_CELLS = 10
"""… and one of them lies within this many cells of the patch's centre in each direction."""
MARGIN_M = 330.0
"""Sites keep this far from the valley's edge, so that their patches lie inside."""
SNAP_CELLS = 6
NEAR_M = 300.0
"""Sites further from each other, eastwards or northwards, are in no patch together."""
NEIGHBOURS = 0.6
"""How often a background site is looked for beside another, whatever is there."""
KEEP_APART = 0.9
"""How often a site is passed over because another is near."""
MAX_MISSES = 5_000
"""After so many tries without a site, there is no room for another."""
BACKGROUND_MIX = (
    ("forest", 20), ("pasture", 24), ("stream", 14), ("village", 11), ("pond", 13),
    ("sandbar", 9), ("river", 5), ("road", 4),
)  # fmt: skip
"""What background sites are looked for, and how often in a hundred."""


@dataclass
class Drawn:
    """Sites while they are drawn: centres of cells, and what covers them."""

    points: list[Point] = field(default_factory=list)
    covers: list[str] = field(default_factory=list)
    taken: set[tuple[int, int]] = field(default_factory=set)
    """Corners of their patches: no two sites have the very same."""
    squares: set[tuple[int, int]] = field(default_factory=set)
    avoided: tuple[Point, ...] = ()
    """Sites of the other class."""

    def contradicts(self, cell: tuple[int, int]) -> bool:
        """Say whether a site there would be in one patch with one of the other class."""
        point = centre_of(cell)
        near = (
            other
            for other in self.avoided
            if abs(other[0] - point[0]) < NEAR_M and abs(other[1] - point[1]) < NEAR_M
        )
        return any(
            _is_in(other, (patch_of(cell).bounds,))
            or _is_in(point, (patch_of(cell_at(other)).bounds,))
            for other in near
        )

    def crowds(self, cell: tuple[int, int]) -> bool:
        """Say whether a patch there would likely overlap that of a site drawn before."""
        column, row = cell[0] // PATCH_CELLS, cell[1] // PATCH_CELLS
        around = ((column + i, row + j) for i in (-1, 0, 1) for j in (-1, 0, 1))
        return any(square in self.squares for square in around)

    def add(self, cell: tuple[int, int], cover: str) -> None:
        """Keep a site in a cell (column, row)."""
        self.taken.add(corner_of(cell))
        self.squares.add((cell[0] // PATCH_CELLS, cell[1] // PATCH_CELLS))
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


def corner_of(cell: tuple[int, int]) -> tuple[int, int]:
    """Give the upper left cell of the default patch around a cell."""
    patch = patch_of(cell)
    return patch.first_column, patch.first_row


@dataclass(frozen=True)
class Field:
    """Where sites are looked for, and on which day."""

    land: Landscape
    opened: BoolArray
    """Which mines are open."""
    within: tuple[Bounds, ...] | None = None
    """Each patch must lie in one of these, metres; None: anywhere in the valley."""

    def holds(self, point: Point) -> bool:
        """Say whether a site there would have its patch inside."""
        if not self.land.extent.holds(point, MARGIN_M):
            return False
        if self.within is None:
            return True
        patch = patch_of(cell_at(point)).bounds
        return any(_lies_in(patch, area) for area in self.within)

    def touching(self, polygons: Polygons) -> IntArray:
        """Find the polygons that sites may lie in."""
        if self.within is None:
            return np.arange(len(polygons), dtype=np.int64)
        return np.unique(np.concatenate([polygons.touching(area) for area in self.within]))

    def vertices(self, lines: Vertices) -> Vertices:
        """Keep the lines' vertices that sites may lie at."""
        if self.within is None:
            return lines
        areas = self.within
        kept = (tuple(point for point in line if _is_in(point, areas)) for line in lines)
        return tuple(line for line in kept if line)

    def anywhere(self, chance: Chance) -> Point:
        """Propose a place."""
        extent = self.land.extent
        areas = self.within or (
            (
                extent.west,
                extent.south,
                extent.west + extent.width_m,
                extent.south + extent.height_m,
            ),
        )
        west, south, east, north = areas[0] if len(areas) == 1 else chance.choice(areas)
        return west + chance.uniform() * (east - west), south + chance.uniform() * (north - south)


def _is_in(point: Point, areas: tuple[Bounds, ...]) -> bool:
    east, north = point
    return any(left < east < right and low < north < high for left, low, right, high in areas)


def _lies_in(inner: Bounds, outer: Bounds) -> bool:
    return (
        inner[0] >= outer[0]
        and inner[1] >= outer[1]
        and inner[2] <= outer[2]
        and inner[3] <= outer[3]
    )


def draw_mining(field: Field, n_sites: int) -> Drawn:
    """Draw sites on mines, several on the larger ones."""
    land, opened = field.land, field.opened
    drawn, chance = Drawn(), Chance(land.seed, "mining sites")
    candidates = field.touching(land.mines)
    misses = 0
    while len(candidates) and len(drawn.points) < n_sites and misses < MAX_MISSES:
        misses += 1
        west, south, east, north = land.mines.bounds[candidates[chance.integer(len(candidates))]]
        point = (
            chance.uniform(float(west), float(east)),
            chance.uniform(float(south), float(north)),
        )
        cell = cell_at(point)
        if corner_of(cell) in drawn.taken or not field.holds(point):
            continue
        if drawn.crowds(cell) and chance.happens(KEEP_APART):
            continue
        if _is_mining(land.mines, cell, opened):
            drawn.add(cell, _cover_at(field, cell))
            misses = 0
    return _full(drawn, n_sites, "mining")


def _is_mining(mines: Polygons, cell: tuple[int, int], opened: BoolArray) -> bool:
    inside = mines.burn(patch_of(cell), opened) >= 0
    middle = slice(PATCH_CELLS // 2 - NEAR_CELLS, PATCH_CELLS // 2 + NEAR_CELLS)
    return int(inside.sum()) >= MIN_MINE_CELLS and bool(inside[middle, middle].any())


def draw_background(field: Field, n_sites: int, mining: Drawn) -> Drawn:
    """Draw sites whose patches never hold a mine, of every cover, often near one another.

    None lies in one patch with a mining site.
    """
    drawn = Drawn(avoided=tuple(mining.points))
    chance = Chance(field.land.seed, "background sites")
    makers = _makers(field, chance)
    wanted = [cover for cover, share in BACKGROUND_MIX if cover in makers for _ in range(share)]
    misses = 0
    while len(drawn.points) < n_sites and misses < MAX_MISSES // 10:
        misses += 1
        if drawn.points and chance.happens(NEIGHBOURS):
            origin = chance.choice(drawn.points)
            cover = chance.choice(wanted)
            tries = (_beside(chance, origin) for _ in range(8))
            if any(_try_background(field, drawn, point, cover) for point in tries):
                misses = 0
            continue
        cover = chance.choice(wanted)
        apart = chance.happens(KEEP_APART)
        for _ in range(30):
            point = makers[cover]()
            if apart and drawn.crowds(cell_at(point)):
                continue
            if _try_background(field, drawn, point, cover):
                misses = 0
                break
    return _full(drawn, n_sites, "background")


def _full(drawn: Drawn, n_sites: int, kind: str) -> Drawn:
    if len(drawn.points) < n_sites:
        raise InputError(
            f"there is no room for {n_sites} {kind} sites: found {len(drawn.points)}; ask for "
            "fewer, or for a larger valley or area"
        )
    return drawn


def _try_background(field: Field, drawn: Drawn, point: Point, cover: str) -> bool:
    """Keep a background site if no mine is near and the wanted cover is there."""
    if not field.holds(point):
        return False
    cell = cell_at(point)
    if (
        corner_of(cell) in drawn.taken
        or drawn.contradicts(cell)
        or len(field.land.mines.touching(patch_of(cell).bounds))
    ):
        return False
    found = _cover_at(field, cell)
    if found != cover:
        return False
    drawn.add(cell, found)
    return True


def _cover_at(field: Field, cell: tuple[int, int]) -> str:
    return COVERS[int(cover_of(field.land, Cells(*cell, 1, 1), field.opened)[0, 0])]


def _beside(chance: Chance, point: Point) -> Point:
    east, north = chance.direction()
    away = chance.uniform(150.0, 500.0) if chance.happens(0.3) else chance.uniform(500.0, 1500.0)
    return point[0] + east * away, point[1] + north * away


def _makers(field: Field, chance: Chance) -> dict[str, Callable[[], Point]]:
    """Give, for each cover that is to be found, what proposes places for it."""
    land = field.land
    makers: dict[str, Callable[[], Point]] = {}

    def anywhere() -> Point:
        return field.anywhere(chance)

    def in_one_of(cover: str, polygons: Polygons) -> None:
        candidates = field.touching(polygons)

        def propose() -> Point:
            left, bottom, right, top = polygons.bounds[candidates[chance.integer(len(candidates))]]
            return (
                chance.uniform(float(left), float(right)),
                chance.uniform(float(bottom), float(top)),
            )

        if len(candidates):
            makers[cover] = propose

    def along(cover: str, lines: Vertices, aside_m: float) -> None:
        reachable = field.vertices(lines)

        def propose() -> Point:
            east, north = chance.choice(chance.choice(reachable))
            east += chance.uniform(-aside_m, aside_m)
            return east, north + chance.uniform(-aside_m, aside_m)

        if reachable:
            makers[cover] = propose

    makers["forest"] = anywhere
    in_one_of("pasture", land.pastures)
    along("stream", land.streams.lines, 8.0)
    in_one_of("village", land.villages)
    in_one_of("pond", land.ponds)
    in_one_of("sandbar", land.sandbars)
    along("river", land.river.lines, 90.0)
    along("road", land.roads.lines, 5.0)
    return makers


def flip_labels(seed: int, labels: list[int], share: float) -> Iterator[int]:
    """Give the labels with a share of them (to the nearest whole number) turned round."""
    n_flips = int(share * len(labels) + 0.5)
    chance = Chance(seed, "label noise")
    order = sorted(range(len(labels)), key=lambda _i: chance.bits())
    flipped = set(order[:n_flips])
    return (1 - label if i in flipped else label for i, label in enumerate(labels))
