"""Draw the mines: bare ground and ponds, one beside another along worked reaches of streams."""

from dataclasses import dataclass, field
from typing import Final

from minewatch.toy._noise import Chance
from minewatch.toy._people import N_WATER_COLOURS
from minewatch.toy._shapes import Point, blob, tangent
from minewatch.toy._water import STREAM_STEP_M, Extent, Streams

FIRST_DAY: Final = "2017-01-01"
"""Day 0 of the days on which mines open."""
N_DAYS: Final = 8 * 365 + 2
"""Mines open on one of this many days: the last is 2024-12-31."""


@dataclass
class Mines:
    """The mines while they are drawn; lists of the same kind run side by side."""

    rings: list[list[Point]] = field(default_factory=list)
    opened_day: list[int] = field(default_factory=list)
    ground: list[float] = field(default_factory=list)
    """Where the bare ground stands between ochre (0) and pale sand (1)."""
    regrowth: list[float] = field(default_factory=list)
    """Share of the ground that plants have taken back."""
    ponds: list[list[Point]] = field(default_factory=list)
    pond_colours: list[int] = field(default_factory=list)
    pond_mine: list[int] = field(default_factory=list)
    reaches: list[tuple[int, int]] = field(default_factory=list)
    """Stream and uppermost vertex of each worked reach."""
    places: list[Point] = field(default_factory=list)
    """A point of each worked reach, for the track that leads there."""


def dig_mines(seed: int, extent: Extent, streams: Streams) -> Mines:
    """Choose reaches of streams all over the valley and lay mines along them."""
    mines = Mines()
    chance = Chance(seed, "mines")
    area_km2 = extent.width_m * extent.height_m / 1e6
    n_reaches = max(4, round(area_km2 / 38.0))
    taken: list[Point] = []
    for _ in range(max(600, n_reaches * 12)):
        if len(mines.reaches) == n_reaches:
            break
        number = chance.integer(len(streams.lines))
        line = streams.lines[number]
        vertex = 8 + chance.integer(max(1, len(line) - 16))
        if not extent.holds(line[vertex], 900.0) or _crowded(line[vertex], taken):
            continue
        taken.append(line[vertex])
        _work_reach(mines, chance, extent, line, (number, vertex))
    return mines


def _crowded(place: Point, taken: list[Point], apart_m: float = 1800.0) -> bool:
    return any(abs(place[0] - x) < apart_m and abs(place[1] - y) < apart_m for x, y in taken)


def _work_reach(
    mines: Mines, chance: Chance, extent: Extent, line: tuple[Point, ...], start: tuple[int, int]
) -> None:
    number, vertex = start
    stretch = chance.uniform()
    end_m = 200.0 + 3000.0 * stretch * stretch
    gap_m = chance.choice((30.0, 90.0, 240.0))
    first_day = chance.integer(N_DAYS - 500)
    ground, size = chance.uniform(), chance.uniform(0.55, 1.7)
    walked_m, last_long, last_vertex = 0.0, 0.0, vertex
    while walked_m < end_m:
        share = chance.uniform()
        long = size * (28.0 + 150.0 * share * share)
        walked_m += 0.9 * (last_long + long) + chance.uniform(0.0, gap_m)
        here = vertex + int(walked_m / STREAM_STEP_M)
        if here >= len(line) - 1 or not extent.holds(line[here], 500.0):
            break
        last_long, last_vertex = long, here
        broad = long * chance.uniform(0.4, 0.9)
        along = tangent(line, here)
        offset = broad * chance.uniform(-0.9, 0.9)
        centre = (line[here][0] - along[1] * offset, line[here][1] + along[0] * offset)
        mines.rings.append(blob(chance, centre, along, (long, broad), roughness=0.55))
        mines.opened_day.append(min(N_DAYS - 1, first_day + chance.integer(N_DAYS - first_day)))
        mines.ground.append(min(1.0, max(0.0, ground + chance.uniform(-0.3, 0.3))))
        growth = chance.uniform()
        mines.regrowth.append(0.55 * growth * growth)
        _flood(mines, chance, centre, along, (long, broad))
    if last_long > 0.0:
        mines.reaches.append((number, last_vertex))
        mines.places.append(line[vertex])


def _flood(mines: Mines, chance: Chance, centre: Point, along: Point, semi_axes: Point) -> None:
    """Dig the ponds of the last mine."""
    long, broad = semi_axes
    n_ponds = min(24, int(chance.uniform(0.3, 2.5) + long * broad / chance.uniform(500.0, 2500.0)))
    favourite = chance.integer(N_WATER_COLOURS)
    for _ in range(n_ponds):
        first, second = chance.uniform(-0.75, 0.75) * long, chance.uniform(-0.7, 0.7) * broad
        place = (
            centre[0] + first * along[0] - second * along[1],
            centre[1] + first * along[1] + second * along[0],
        )
        size = chance.uniform(8.0, 16.0 + 0.16 * broad)
        shape = (size, size * chance.uniform(0.45, 0.95))
        pond = blob(chance, place, chance.direction(), shape)
        mines.ponds.append(pond)
        colour = favourite if chance.happens(0.55) else chance.integer(N_WATER_COLOURS)
        mines.pond_colours.append(colour)
        mines.pond_mine.append(len(mines.rings) - 1)
