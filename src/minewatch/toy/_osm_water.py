"""Map the waters: the river as lines and as areas with islands, streams, ponds, sandbars."""

from typing import TYPE_CHECKING, Final

import shapely

from minewatch.toy._osm_roads import runs_inside
from minewatch.toy._osm_sheet import Member, Sheet
from minewatch.toy._osm_survey import Survey
from minewatch.toy._shapes import Point, middle, tangent
from minewatch.types import FloatArray

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

RIVER_PIECE: Final = 80
"""The river's line is mapped in pieces of this many vertices: 4.8 km."""
STRETCH: Final = 160
"""Its area in stretches of this many vertices: 9.6 km."""
STREAM_PIECE: Final = 50
"""Streams in pieces of this many vertices: 2 km."""
RIVER: Final = "Río Quimera"
OLD_STYLE: Final = 4
"""One stretch in so many is tagged as rivers were before 2011: ``waterway=riverbank``."""
ISLAND_APART_M: Final = 3.0
"""Islands keep at least this far from the banks and from one another, metres."""


def map_water(sheet: Sheet, survey: Survey) -> None:
    """Draw what is mapped of the river, its islands and sandbars, and of the streams."""
    line = survey.land.river.lines[0]
    for first, last in runs_inside(line, survey.land.extent):
        for start in range(first, last, RIVER_PIECE):
            part = line[start : min(start + RIVER_PIECE, last) + 1]
            sheet.draw_way(part, {"waterway": "river", "name": RIVER})
    islands = _map_river_area(sheet, survey)
    for number, bar in enumerate(survey.land.sandbars.rings):
        ring, extent = points_of(bar), survey.land.extent
        if number in islands or not all(extent.holds(point) for point in ring):
            continue
        if survey.maps("sandbar", number, middle(ring)):
            sheet.draw_ring(ring, {"natural": "sand"})
    _map_streams(sheet, survey)


def points_of(ring: FloatArray) -> list[Point]:
    """Give the vertices of a ring as pairs of plain numbers."""
    return [(float(east), float(north)) for east, north in ring]


def _map_streams(sheet: Sheet, survey: Survey) -> None:
    for number, line in enumerate(survey.land.streams.lines):
        name = {"name": f"Caño {number + 1}"} if survey.luck("stream", number).happens(0.2) else {}
        for first, last in runs_inside(line, survey.land.extent):
            for start in range(first, last, STREAM_PIECE):
                part = line[start : min(start + STREAM_PIECE, last) + 1]
                if survey.maps("stream", f"{number}/{start}", part[len(part) // 2]):
                    sheet.draw_way(part[::-1], {"waterway": "stream", **name})


def _banks(survey: Survey) -> tuple[list[Point], list[Point]]:
    """Give the left and the right bank, a point of each for each vertex of the river."""
    line, widths = survey.land.river.lines[0], survey.land.river.half_widths_m[0]
    left, right = [], []
    for i, ((east, north), half_width) in enumerate(zip(line, widths, strict=True)):
        along = tangent(line, i)
        left.append((east - along[1] * half_width, north + along[0] * half_width))
        right.append((east + along[1] * half_width, north - along[0] * half_width))
    return left, right


def _map_river_area(sheet: Sheet, survey: Survey) -> set[int]:
    """Draw the mapped stretches as relations; give the sandbars that are drawn as islands."""
    left, right = _banks(survey)
    both = [all(map(survey.land.extent.holds, pair)) for pair in zip(left, right, strict=True)]
    first, last = both.index(True), len(both) - 1 - both[::-1].index(True)
    drawn: set[int] = set()
    for number, start in enumerate(range(first, last, STRETCH)):
        end = min(start + STRETCH, last)
        if end == start or not all(both[start : end + 1]):
            continue
        if survey.maps("river area", number, survey.land.river.lines[0][(start + end) // 2]):
            banks = (left[start : end + 1], right[start : end + 1])
            drawn |= _draw_stretch(sheet, survey, number, banks)
    return drawn


def _draw_stretch(
    sheet: Sheet, survey: Survey, number: int, banks: tuple[list[Point], list[Point]]
) -> set[int]:
    left, right = banks
    islands = _islands(survey, shapely.Polygon([*left, *right[::-1]]))
    outer = (left, [left[-1], *right[::-1], left[0]])
    members: list[Member] = [("w", sheet.draw_way(line, {}), "outer") for line in outer]
    for bar in islands:
        tags = {"natural": "sand"} if survey.luck("island", bar).happens(0.7) else {}
        way = sheet.draw_ring(points_of(survey.land.sandbars.rings[bar]), tags)
        members.append(("w", way, "inner"))
    old = number % OLD_STYLE == OLD_STYLE - 1
    kind = {"waterway": "riverbank"} if old else {"natural": "water", "water": "river"}
    sheet.draw_relation(members, {"type": "multipolygon", **kind, "name": RIVER})
    return set(islands)


def _islands(survey: Survey, water: shapely.Polygon) -> list[int]:
    """Choose the sandbars that are mapped as islands: wholly in the water, apart from others."""
    room: BaseGeometry = water.buffer(-ISLAND_APART_M)
    chosen: list[int] = []
    for number, ring in enumerate(survey.land.sandbars.rings):
        bar = shapely.Polygon(ring)
        if not room.contains(bar) or not survey.maps("island", number, middle(points_of(ring))):
            continue
        chosen.append(number)
        room = room.difference(bar.buffer(ISLAND_APART_M))
    return chosen
