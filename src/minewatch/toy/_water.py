"""Draw the waters of the valley: a meandering river, its sandbars, the streams that feed it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from minewatch.toy._noise import Chance
from minewatch.toy._shapes import Point, tangent

RIVER_STEP_M: Final = 60.0
STREAM_STEP_M: Final = 40.0
KEEP_APART_M: Final = 500.0
"""No stream comes nearer than this to another that it does not feed, metres."""


@dataclass(frozen=True)
class Extent:
    """The valley's rectangle in metres of its UTM zone."""

    west: float
    south: float
    width_m: float
    height_m: float

    def holds(self, point: Point, margin_m: float = 0.0) -> bool:
        """Say whether a point lies inside, at least `margin_m` from the edge."""
        east, north = point[0] - self.west, point[1] - self.south
        inside_across = margin_m <= east <= self.width_m - margin_m
        return inside_across and margin_m <= north <= self.height_m - margin_m


@dataclass(frozen=True)
class Course:
    """The middle line of something that winds, and its bends."""

    line: tuple[Point, ...]
    bends: tuple[tuple[int, int], ...]
    """Vertex of each bend's apex, and the side of its inner bank: 1 left, −1 right."""


@dataclass(frozen=True)
class Winding:
    """How something winds: ranges that each half wave is drawn from."""

    step_m: float
    half_wave_m: Point
    swing: Point
    """Tangent of half the largest angle to the axis."""
    drift_m: float
    """How far the axis itself strays to each side, metres."""


def wander(
    chance: Chance, start: Point, axis: Point, winding: Winding, go_on: Callable[[Point, int], bool]
) -> Course:
    """Walk a meandering course from `start` along `axis` (a unit vector), while `go_on` says so.

    The angle to the axis rises and falls in parabolic half waves, which is close to the
    sine-generated curve by which rivers meander (Langbein and Leopold, 1966), without a sine.
    """
    line: list[Point] = [start]
    bends: list[tuple[int, int]] = []
    side, steer = chance.choice((-1, 1)), 0.0
    while True:
        length_m = chance.uniform(*winding.half_wave_m)
        swing = side * chance.uniform(*winding.swing)
        goal_m = chance.uniform(-winding.drift_m, winding.drift_m)
        steps = max(4, int(length_m / winding.step_m))
        for i in range(steps):
            part = (i + 0.5) / steps
            here = line[-1]
            off_m = axis[0] * (here[1] - start[1]) - axis[1] * (here[0] - start[0])
            back = max(-0.3, min(0.3, (goal_m - off_m) / (8.0 * length_m)))
            steer += 0.15 * (back - steer)
            turn = swing * 4.0 * part * (1.0 - part) + steer
            line.append(_step(here, axis, turn, winding.step_m))
            if not go_on(line[-1], len(line)):
                return Course(tuple(line), tuple(bends))
        side = -side
        bends.append((len(line) - 1, side))


def _step(here: Point, axis: Point, half_tangent: float, step_m: float) -> Point:
    square = half_tangent * half_tangent
    along, across = (1.0 - square) / (1.0 + square), 2.0 * half_tangent / (1.0 + square)
    return (
        here[0] + step_m * (axis[0] * along - axis[1] * across),
        here[1] + step_m * (axis[1] * along + axis[0] * across),
    )


def draw_river(seed: int, extent: Extent) -> tuple[Course, list[float]]:
    """Draw the river's course from west to east, and its half-width at each vertex (metres)."""
    chance = Chance(seed, "river")
    scale = min(1.0, extent.height_m / 16_000.0)
    winding = Winding(RIVER_STEP_M, (900.0, 2400.0), (0.35, 0.8), 0.16 * extent.height_m)
    start = (
        extent.west - 1500.0,
        extent.south + extent.height_m * chance.uniform(0.42, 0.58),
    )
    end = extent.west + extent.width_m + 1500.0
    course = wander(chance, start, (1.0, 0.0), winding, lambda point, _n: point[0] < end)
    joints = {vertex for vertex, _ in course.bends}
    half_width, goal, widths = 70.0 * scale, 70.0 * scale, []
    for i in range(len(course.line)):
        if i in joints:
            goal = chance.uniform(45.0, 115.0) * scale
        half_width += (goal - half_width) * 0.08
        widths.append(half_width)
    return course, widths


def draw_sandbars(seed: int, river: Course, half_widths_m: list[float]) -> list[list[Point]]:
    """Lay sandbars on the inner banks of the river's bends, and some in its middle."""
    chance = Chance(seed, "sandbars")
    rings = []
    for vertex, side in river.bends:
        half_width = half_widths_m[vertex]
        if chance.happens(0.75):
            reach = 2 + chance.integer(5)
            inner = 1.0 - chance.uniform(0.3, 1.0)
            outer = 1.0 + chance.uniform(0.0, 0.25)
            edges = (side * half_width * inner, side * half_width * outer)
            rings.append(_bar(chance, river, vertex + chance.integer(3) - 1, reach, edges))
        if chance.happens(0.35):
            middle_m = half_width * chance.uniform(-0.4, 0.4)
            thick_m = half_width * chance.uniform(0.1, 0.3)
            edges = (middle_m - thick_m, middle_m + thick_m)
            start = max(4, vertex - 5 - chance.integer(8))
            rings.append(_bar(chance, river, start, 1 + chance.integer(3), edges))
    return [ring for ring in rings if ring]


def _bar(chance: Chance, river: Course, i: int, reach: int, edges_m: Point) -> list[Point]:
    """Draw a bar that follows the river for `reach` vertices each way, between two offsets."""
    if i - reach < 0 or i + reach >= len(river.line):
        return []
    near: list[Point] = []
    far: list[Point] = []
    for j in range(i - reach, i + reach + 1):
        part = (j - i) / (reach + 0.3)
        fullness = (1.0 - part * part) * chance.uniform(0.75, 1.0)
        middle_m, half_m = (edges_m[0] + edges_m[1]) / 2.0, (edges_m[1] - edges_m[0]) / 2.0
        if edges_m[0] * edges_m[1] > 0.0:  # a point bar stays on its bank, and thins towards it
            middle_m, half_m = edges_m[1] - half_m * fullness, half_m
        east, north = river.line[j]
        along = tangent(river.line, j)
        for side, offset in (
            (near, middle_m - half_m * fullness),
            (far, middle_m + half_m * fullness),
        ):
            side.append((east - along[1] * offset, north + along[0] * offset))
    return near + far[::-1]


@dataclass
class Streams:
    """The streams while they are drawn: middle lines from the mouth upwards."""

    lines: list[tuple[Point, ...]]
    half_widths_m: list[list[float]]
    mouths: list[tuple[int, int]]
    """The stream that each one feeds and the vertex where, or (−1, vertex of the river)."""


def draw_streams(seed: int, extent: Extent, river: Course) -> Streams:
    """Draw the streams and their branches, from their mouths up to their springs."""
    streams = Streams([], [], [])
    chance = Chance(seed, "streams")
    n_streams = max(3, round(extent.width_m / 3400.0))
    for i in range(n_streams):
        side = 1 if i % 2 else -1
        vertex = int((i + chance.uniform(0.25, 0.75)) / n_streams * len(river.line))
        tilt = chance.uniform(-0.45, 0.45)
        axis = (tilt, side * math.sqrt(1.0 - tilt * tilt))
        reach_m = chance.uniform(0.55, 1.1) * extent.height_m / 2.0
        mouth = chance.uniform(9.0, 15.0)
        _grow(streams, chance, extent, (river.line[vertex], axis, reach_m, mouth), (-1, vertex))
    for parent in range(len(streams.lines)):
        _branch(streams, chance, extent, parent)
    return streams


def _branch(streams: Streams, chance: Chance, extent: Extent, parent: int) -> None:
    line = streams.lines[parent]
    n_branches = len(line) * int(STREAM_STEP_M) // 3500
    for i in range(n_branches):
        vertex = int(len(line) * (0.12 + 0.76 * (i + chance.uniform()) / n_branches))
        along, side = tangent(line, vertex), chance.choice((-1, 1))
        cosine, sine = 0.64, 0.76837490849194188 * side
        axis = (along[0] * cosine - along[1] * sine, along[1] * cosine + along[0] * sine)
        mouth = streams.half_widths_m[parent][vertex] * 0.7
        reach_m = chance.uniform(1800.0, 6500.0)
        _grow(streams, chance, extent, (line[vertex], axis, reach_m, mouth), (parent, vertex))


def _grow(
    streams: Streams,
    chance: Chance,
    extent: Extent,
    start: tuple[Point, Point, float, float],
    mouth: tuple[int, int],
) -> None:
    """Add one stream, unless others leave it no room."""
    point, axis, reach_m, half_width_m = start
    others = [
        vertex
        for number, line in enumerate(streams.lines)
        if number != mouth[0]
        for vertex in line[::5]
    ]
    last = int(reach_m * 1.25 / STREAM_STEP_M)

    def go_on(here: Point, n: int) -> bool:
        if n > last or not extent.holds(here, -800.0):
            return False
        return n % 10 > 0 or not _near_any(here, others)

    winding = Winding(STREAM_STEP_M, (160.0, 520.0), (0.15, 0.6), 500.0)
    line = wander(chance, point, axis, winding, go_on).line
    if len(line) < 25:
        return
    widths = [3.0 + (half_width_m - 3.0) * (1.0 - i / last) for i in range(len(line))]
    streams.lines.append(line)
    streams.half_widths_m.append(widths)
    streams.mouths.append(mouth)


def _near_any(here: Point, others: list[Point]) -> bool:
    return any(
        abs(here[0] - east) < KEEP_APART_M and abs(here[1] - north) < KEEP_APART_M
        for east, north in others
    )
