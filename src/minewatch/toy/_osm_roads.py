"""Map the roads: pieces of them, bridges, a roundabout, streets that close on themselves, paths."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from minewatch.toy._noise import Chance
from minewatch.toy._osm_sheet import Sheet, Tags
from minewatch.toy._osm_survey import Survey, ring_area
from minewatch.toy._people import PAVED, TRACK, UNPAVED
from minewatch.toy._shapes import Point, circle_point, middle, scaled, tangent
from minewatch.toy._water import Extent, Winding, wander

PIECE: Final = 40
"""Roads are mapped in pieces of this many vertices: 2.4 km."""
ROUNDABOUT_M: Final = 12.0
"""Radius of the roundabout, metres."""
CLASSES: Final[dict[int, tuple[str, ...]]] = {
    PAVED: ("primary",),
    UNPAVED: ("unclassified",) * 5 + ("tertiary",) * 2 + ("track",) * 3,
    TRACK: ("track",) * 6 + ("unclassified",) * 2 + ("path", "service"),
}
"""How mappers class each kind of road, all entries alike."""
KINDS: Final = {PAVED: "paved road", UNPAVED: "dirt road", TRACK: "track"}
N_PATHS_PER_KM2: Final = 0.06


def map_roads(sheet: Sheet, survey: Survey) -> None:
    """Draw what is mapped of the roads, tracks, streets and footpaths."""
    roundabout = _place_roundabout(survey)
    _draw_roundabout(sheet, roundabout)
    for number in range(len(survey.land.roads.lines)):
        _map_road(sheet, survey, number, roundabout)
    _map_streets(sheet, survey)
    _map_paths(sheet, survey)


def runs_inside(line: Sequence[Point], extent: Extent) -> Iterator[tuple[int, int]]:
    """Give the first and last vertex of each stretch of a line inside the valley."""
    first = None
    for i, point in enumerate([*line, None]):
        if point is not None and extent.holds(point):
            first = i if first is None else first
        elif first is not None:
            if i - 1 > first:
                yield first, i - 1
            first = None


@dataclass(frozen=True)
class Roundabout:
    """A ring of road around a vertex of the main road."""

    centre: Point
    along: Point

    @cached_property
    def ring(self) -> list[Point]:
        """Its vertices, anticlockwise, the first ahead along the main road."""
        (east, north), (cosine, sine) = self.centre, self.along
        turns = [circle_point(i / 16) for i in range(16)]
        return [
            (
                east + ROUNDABOUT_M * (x * cosine - y * sine),
                north + ROUNDABOUT_M * (x * sine + y * cosine),
            )
            for x, y in turns
        ]

    def lead(self, line: list[Point]) -> list[Point]:
        """End a road that meets the centre on the ring instead."""
        if line[0] == self.centre:
            line = [self._nearest(line[1]), *line[1:]]
        if line[-1] == self.centre:
            line = [*line[:-1], self._nearest(line[-2])]
        return line

    def _nearest(self, point: Point) -> Point:
        return min(self.ring, key=lambda one: _square_m(one, point))


def _square_m(first: Point, second: Point) -> float:
    run, rise = first[0] - second[0], first[1] - second[1]
    return run * run + rise * rise


def _place_roundabout(survey: Survey) -> Roundabout:
    """Choose the junction of the main road that lies nearest to a village."""
    land, main = survey.land, survey.land.roads.lines[0]
    junctions = [
        line[0]
        for line, kind in zip(land.roads.lines, land.road_kinds, strict=True)
        if kind == UNPAVED and land.extent.holds(line[0], 100.0)
    ] or [main[len(main) // 2]]
    nearest = min(
        junctions, key=lambda one: min(_square_m(one, place) for place in survey.villages)
    )
    return Roundabout(nearest, tangent(main, main.index(nearest)))


def _draw_roundabout(sheet: Sheet, roundabout: Roundabout) -> None:
    tags = {"highway": "primary", "junction": "roundabout", "oneway": "yes", "surface": "asphalt"}
    sheet.draw_ring(roundabout.ring, tags)


def _map_road(sheet: Sheet, survey: Survey, number: int, roundabout: Roundabout) -> None:
    """Draw the mapped pieces of a road; a track only as far as someone followed it."""
    line, kind = survey.land.roads.lines[number], int(survey.land.road_kinds[number])
    luck = survey.luck("road", number)
    tags = {"highway": luck.choice(CLASSES[kind]), **_surface(kind, luck)}
    if kind == PAVED:
        tags |= {"name": "Troncal del Valle", "ref": "T-1"}
    for first, last in runs_inside(line, survey.land.extent):
        for start, end, over in _pieces(survey, line, (first, last), roundabout.centre):
            if not survey.maps(KINDS[kind], f"{number}/{start}", line[(start + end) // 2]):
                if kind == TRACK:
                    return
                continue
            crossing = _crossing(kind) if over else {}
            piece = roundabout.lead(list(line[start : end + 1]))
            sheet.draw_way(piece, {**tags, **crossing})


def _surface(kind: int, luck: Chance) -> dict[str, str]:
    if kind == PAVED:
        return {"surface": "asphalt"}
    return {"surface": "unpaved"} if luck.happens(0.4) else {}


def _crossing(kind: int) -> dict[str, str]:
    return {"ford": "yes"} if kind == TRACK else {"bridge": "yes", "layer": "1"}


def _pieces(
    survey: Survey, line: Sequence[Point], run: tuple[int, int], stop: Point
) -> Iterator[tuple[int, int, bool]]:
    """Cut a run of vertices at bridges, at the roundabout and where it grows long."""
    first, last = run
    wet = [survey.crosses_river(line[i]) for i in range(first, last + 1)]
    over = [wet[i] or wet[i + 1] for i in range(len(wet) - 1)]
    start = first
    for i in range(first + 1, last + 1):
        ends = i == last or line[i] == stop or i - start == PIECE
        if ends or over[i - first] != over[i - 1 - first]:
            yield start, i, over[i - 1 - first]
            start = i


def _map_streets(sheet: Sheet, survey: Survey) -> None:
    """Draw a street that closes on itself in the larger villages, and one square."""
    villages = [[(float(x), float(y)) for x, y in ring] for ring in survey.land.villages.rings]
    areas = [ring_area(ring) for ring in survey.land.villages.rings]
    largest = max(range(len(villages)), key=lambda number: areas[number])
    for number, ring in enumerate(villages):
        seen = survey.maps("buildings", number, middle(ring))
        if number == largest or (areas[number] > 60_000.0 and seen):
            sheet.draw_ring(scaled(ring, 0.55), {"highway": "residential"})
    east, north = middle(villages[largest])
    square = [
        (east + x, north + y) for x, y in ((20.0, 20.0), (55.0, 20.0), (55.0, 55.0), (20.0, 55.0))
    ]
    sheet.draw_ring(square, {"highway": "pedestrian", "area": "yes", "name": "Plaza"})


def _map_paths(sheet: Sheet, survey: Survey) -> None:
    """Draw footpaths from roads into the forest: too narrow for any pixel to show."""
    land = survey.land
    n_paths = int(land.extent.width_m * land.extent.height_m / 1e6 * N_PATHS_PER_KM2)
    roads = [i for i, kind in enumerate(land.road_kinds) if kind != TRACK]
    for number in range(n_paths):
        luck = survey.luck("path", number)
        road = land.roads.lines[luck.choice(roads)]
        vertex = luck.integer(len(road))
        length, winding = luck.integer(30) + 8, Winding(40.0, (200.0, 700.0), (0.1, 0.5), 200.0)
        if not land.extent.holds(road[vertex]) or not survey.maps("path", number, road[vertex]):
            continue
        line = wander(
            luck, road[vertex], luck.direction(), winding, _for_steps(survey, length)
        ).line
        tags: Tags = {"highway": luck.choice(("path", "path", "footway", "track"))}
        runs = [run for run in runs_inside(line, land.extent) if run[0] == 0]
        for first, last in runs:
            sheet.draw_way(line[first : last + 1], tags)


def _for_steps(survey: Survey, length: int) -> Callable[[Point, int], bool]:
    return lambda point, n: n < length and survey.land.extent.holds(point)
