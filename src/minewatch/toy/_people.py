"""Draw what people make of the valley: roads, villages, pastures, farm ponds."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from minewatch.toy._noise import Chance
from minewatch.toy._shapes import Point, blob, middle, scaled, tangent
from minewatch.toy._water import Extent, Winding, wander

PAVED, UNPAVED, TRACK = 0, 1, 2
HALF_WIDTHS_M = (5.0, 3.6, 2.2)
N_WATER_COLOURS = 5


@dataclass
class Settlement:
    """What people made, while it is drawn; lists of the same kind run side by side."""

    roads: list[tuple[Point, ...]] = field(default_factory=list)
    road_kinds: list[int] = field(default_factory=list)
    villages: list[list[Point]] = field(default_factory=list)
    houses: list[tuple[float, float, float, float]] = field(default_factory=list)
    roofs: list[int] = field(default_factory=list)
    pastures: list[list[Point]] = field(default_factory=list)
    bareness: list[float] = field(default_factory=list)
    dryness: list[float] = field(default_factory=list)
    ponds: list[list[Point]] = field(default_factory=list)
    pond_banks: list[list[Point]] = field(default_factory=list)
    pond_colours: list[int] = field(default_factory=list)


def settle(seed: int, extent: Extent, waters: list[tuple[Point, ...]]) -> Settlement:
    """Draw roads, then villages and pastures along them, fields by the waters, and ponds."""
    made = Settlement()
    _draw_roads(made, Chance(seed, "roads"), extent)
    _draw_villages(made, Chance(seed, "villages"), extent)
    _draw_pastures(made, Chance(seed, "pastures"), extent)
    _draw_fields(made, Chance(seed, "fields"), extent, waters)
    return made


def _draw_roads(made: Settlement, chance: Chance, extent: Extent) -> None:
    side = chance.choice((-1, 1))
    start = (
        extent.west - 800.0,
        extent.south + extent.height_m * (0.5 + side * chance.uniform(0.2, 0.28)),
    )
    end = extent.west + extent.width_m + 800.0
    calm = Winding(60.0, (2500.0, 6000.0), (0.05, 0.2), 0.06 * extent.height_m)
    main = wander(chance, start, (1.0, 0.0), calm, lambda point, _n: point[0] < end).line
    made.roads.append(main)
    made.road_kinds.append(PAVED)
    n_side_roads = max(2, round(extent.width_m / 4000.0))
    for i in range(n_side_roads):
        vertex = int((i + chance.uniform(0.2, 0.8)) / n_side_roads * len(main))
        tilt = chance.uniform(-0.4, 0.4)
        away = side if chance.happens(0.35) else -side  # mostly towards and across the river
        axis = (tilt, away * math.sqrt(1.0 - tilt * tilt))
        last = int(chance.uniform(0.15, 0.75) * extent.height_m / 60.0)
        winding = Winding(60.0, (900.0, 2400.0), (0.05, 0.28), 400.0)
        line = wander(chance, main[vertex], axis, winding, _until(extent, last)).line
        made.roads.append(line)
        made.road_kinds.append(UNPAVED)


def _until(extent: Extent, last: int) -> Callable[[Point, int], bool]:
    return lambda point, n: n < last and extent.holds(point, -800.0)


def _for_length(length_m: float) -> Callable[[Point, int], bool]:
    last = int(length_m / 60.0)
    return lambda _point, n: n < last


def draw_tracks(made: Settlement, seed: int, places: list[Point]) -> None:
    """Lead a track from the nearest road to each of these places."""
    roads = [vertex for line in made.roads for vertex in line[::4]]
    for number, place in enumerate(places):
        start = min(roads, key=lambda vertex: _square(vertex, place))
        length = math.sqrt(_square(start, place))
        if length < 200.0:
            continue
        axis = ((place[0] - start[0]) / length, (place[1] - start[1]) / length)
        winding = Winding(60.0, (400.0, 1200.0), (0.05, 0.3), 60.0)
        chance = Chance(seed, "track", number)
        line = wander(chance, start, axis, winding, _for_length(length * 1.04)).line
        made.roads.append(line)
        made.road_kinds.append(TRACK)
        roads += line[::4]


def _square(first: Point, second: Point) -> float:
    run, rise = first[0] - second[0], first[1] - second[1]
    return run * run + rise * rise


def _draw_villages(made: Settlement, chance: Chance, extent: Extent) -> None:
    area_km2 = extent.width_m * extent.height_m / 1e6
    n_villages, n_hamlets = max(2, round(area_km2 / 110.0)), max(2, round(area_km2 / 50.0))
    for i in range(n_villages + n_hamlets):
        line = made.roads[0] if i % 3 == 0 else chance.choice(made.roads)
        vertex = chance.integer(len(line))
        if not extent.holds(line[vertex], 300.0):
            continue
        size = (150.0, 430.0) if i < n_villages else (50.0, 120.0)
        long, broad = chance.uniform(*size), chance.uniform(0.5, 0.9)
        ring = blob(chance, line[vertex], tangent(line, vertex), (long, long * broad))
        made.villages.append(ring)
        _build_houses(made, chance, ring, tangent(line, vertex), long)
        if chance.happens(0.6):
            _dig_ponds(
                made, chance, _beside(chance, line[vertex], long * 1.5), 1 + chance.integer(5)
            )


def _build_houses(
    made: Settlement, chance: Chance, ring: list[Point], along: Point, half_length_m: float
) -> None:
    east, north = middle(ring)
    plot_m, n = 34.0, int(half_length_m / 34.0)
    for i in range(-n, n + 1):
        for j in range(-n, n + 1):
            first, second = i * plot_m, j * plot_m
            far = (first * first + second * second * 2.2) / (half_length_m * half_length_m)
            if far > 0.8 or not chance.happens(0.85 - 0.5 * far):
                continue
            x = east + first * along[0] - second * along[1] + chance.uniform(-7.0, 7.0)
            y = north + first * along[1] + second * along[0] + chance.uniform(-7.0, 7.0)
            wide, deep = chance.uniform(7.0, 18.0), chance.uniform(6.0, 14.0)
            made.houses.append((x - wide / 2.0, y - deep / 2.0, x + wide / 2.0, y + deep / 2.0))
            made.roofs.append(chance.choice((0, 0, 1, 1, 1, 2)))


def _draw_pastures(made: Settlement, chance: Chance, extent: Extent) -> None:
    area_km2 = extent.width_m * extent.height_m / 1e6
    for _ in range(max(12, round(area_km2 / 6.0))):
        line = chance.choice(made.roads)
        vertex = chance.integer(len(line))
        if not extent.holds(line[vertex]):
            continue
        along, side = tangent(line, vertex), chance.choice((-1, 1))
        long, deep = chance.uniform(120.0, 480.0), chance.uniform(150.0, 700.0)
        base = chance.uniform(10.0, 120.0)
        corners = ((-long, base), (long, base), (long, base + deep), (-long, base + deep))
        ring = []
        for first, second in corners:
            first += chance.uniform(-0.25, 0.25) * long
            second = side * (second + chance.uniform(0.0, 0.35) * deep)
            ring.append(_place(line[vertex], along, first, second))
        made.pastures.append(ring)
        bare = chance.uniform()
        made.bareness.append(bare * bare)
        dry = chance.uniform()
        made.dryness.append(dry * dry)
        if chance.happens(0.5):
            _dig_ponds(made, chance, middle(ring), 1 + chance.integer(3))


def _draw_fields(
    made: Settlement, chance: Chance, extent: Extent, waters: list[tuple[Point, ...]]
) -> None:
    """Clear small fields beside streams and tracks, many of them bare: what mines look like."""
    area_km2 = extent.width_m * extent.height_m / 1e6
    for _ in range(max(10, round(area_km2 / 9.0))):
        line = chance.choice(waters)
        vertex = chance.integer(len(line))
        if not extent.holds(line[vertex], 200.0):
            continue
        along = tangent(line, vertex)
        offset = chance.choice((-1, 1)) * chance.uniform(10.0, 140.0)
        long = chance.uniform(25.0, 110.0)
        semi_axes = (long, long * chance.uniform(0.5, 0.95))
        centre = _place(line[vertex], along, 0.0, offset)
        made.pastures.append(blob(chance, centre, along, semi_axes, roughness=0.4))
        made.bareness.append(chance.uniform(0.0, 0.9))
        made.dryness.append(chance.uniform())
        if chance.happens(0.3):
            _dig_ponds(made, chance, centre, 1 + chance.integer(3))


def _place(origin: Point, along: Point, first: float, second: float) -> Point:
    return (
        origin[0] + first * along[0] - second * along[1],
        origin[1] + first * along[1] + second * along[0],
    )


def _beside(chance: Chance, centre: Point, distance_m: float) -> Point:
    east, north = chance.direction()
    return centre[0] + east * distance_m, centre[1] + north * distance_m


def _dig_ponds(made: Settlement, chance: Chance, centre: Point, n_ponds: int) -> None:
    for _ in range(n_ponds):
        east, north = chance.direction()
        away = chance.uniform(20.0, 60.0 + 50.0 * n_ponds)
        long = chance.uniform(16.0, 58.0)
        semi_axes = (long, long * chance.uniform(0.5, 0.95))
        place = (centre[0] + east * away, centre[1] + north * away)
        ring = blob(chance, place, chance.direction(), semi_axes, roughness=0.2)
        made.ponds.append(ring)
        made.pond_banks.append(scaled(ring, chance.uniform(1.0, 1.5)))
        made.pond_colours.append(chance.integer(N_WATER_COLOURS))
