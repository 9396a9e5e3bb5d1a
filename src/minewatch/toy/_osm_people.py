"""Map villages, houses, pastures, ponds, airstrips, protected land and a power line."""

from typing import TYPE_CHECKING, Final

import numpy as np
import shapely

from minewatch.toy._noise import Chance
from minewatch.toy._osm_sheet import Member, Sheet, Tags
from minewatch.toy._osm_survey import Survey, ring_area
from minewatch.toy._osm_water import points_of
from minewatch.toy._shapes import Point, blob, middle, tangent

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

VILLAGE_M2: Final = 40_000.0
"""From this area on it is a village, below a hamlet."""
TRACED, UNTRACED = 0.9, 0.04
"""Chance of a house where someone traced the village's houses, and where nobody did."""
AIRSTRIP_M: Final = 450.0
"""A pasture this long may hold an airstrip."""
AIRSTRIPS: Final = (0.08, 0.01)
"""Chance that it does: with a mine within `AIRSTRIP_REACH_M`, and without."""
AIRSTRIP_REACH_M: Final = 3_000.0
NAMES: Final = (
    "San Telmo", "La Ceiba", "Las Garzas", "El Samán", "Puerto Lirio", "Santa Brígida", "Tres Ríos",
    "El Araguaney", "Buena Sombra", "La Danta", "San Fermín", "Boca Clara", "El Merey", "Palo Seco",
    "La Guacamaya", "Vuelta Larga", "San Ciro", "El Yagrumo", "Morichal", "La Tortuga",
)  # fmt: skip
"""Names of villages, all made up here."""


def map_people(sheet: Sheet, survey: Survey) -> None:
    """Draw what is mapped of all that people made, but for roads and mines."""
    _map_villages(sheet, survey)
    _map_houses(sheet, survey)
    ponds = _map_pastures(sheet, survey)
    for number, pond in enumerate(survey.land.ponds.rings):
        ring = points_of(pond)
        if number in ponds or not _within(survey, ring):
            continue
        if survey.maps("pond", number, middle(ring)):
            sheet.draw_ring(ring, {"natural": "water", "water": "pond"})
    _map_airstrips(sheet, survey)
    _draw_boundaries(sheet, survey)
    _draw_power_line(sheet, survey)


def _within(survey: Survey, ring: list[Point]) -> bool:
    return all(survey.land.extent.holds(point) for point in ring)


def _map_villages(sheet: Sheet, survey: Survey) -> None:
    for number, place in enumerate(survey.villages):
        outline = survey.land.villages.rings[number]
        kind = "village" if ring_area(outline) >= VILLAGE_M2 else "hamlet"
        if survey.maps(kind, number, place):
            name = f"{NAMES[number % len(NAMES)]}{' Nuevo' if number >= len(NAMES) else ''}"
            sheet.draw_node(place, {"place": kind, "name": name})
        ring = points_of(outline)
        if _within(survey, ring) and survey.maps("residential area", number, place):
            sheet.draw_ring(ring, {"landuse": "residential"})


def _map_houses(sheet: Sheet, survey: Survey) -> None:
    """Draw houses: nearly all of a village where someone traced them, else hardly any."""
    villages = np.array(survey.villages, dtype=np.float64)
    for number, (west, south, east, north) in enumerate(survey.land.houses.boxes.tolist()):
        across = villages[:, 0] - (west + east) / 2.0
        down = villages[:, 1] - (south + north) / 2.0
        village = int((across * across + down * down).argmin())
        traced = survey.maps("buildings", village, survey.villages[village])
        luck = survey.luck("house", number)
        if not luck.happens(TRACED if traced else UNTRACED):
            continue
        ring = [(west, south), (east, south), (east, north), (west, north)]
        if _within(survey, ring):
            sheet.draw_ring(ring, {"building": _building(luck)})


def _building(luck: Chance) -> str:
    if luck.happens(0.03):
        return luck.choice(("school", "church", "shed"))
    return "house" if luck.happens(0.3) else "yes"


def _map_pastures(sheet: Sheet, survey: Survey) -> set[int]:
    """Draw pastures and fields; give the ponds that were drawn as holes in them."""
    drawn: set[int] = set()
    for number, outline in enumerate(survey.land.pastures.rings):
        ring, pasture = points_of(outline), len(outline) == 4
        kind = "pasture" if pasture else "field"
        if not _within(survey, ring) or not survey.maps(kind, number, middle(ring)):
            continue
        tags = {"landuse": "meadow" if pasture else "farmland"}
        holes = [hole for hole in _ponds_in(survey, number) if hole not in drawn]
        if not holes:
            sheet.draw_ring(ring, tags)
            continue
        members: list[Member] = [("w", sheet.draw_ring(ring, {"barrier": "fence"}), "outer")]
        for hole in holes:
            pond = points_of(survey.land.ponds.rings[hole])
            water = sheet.draw_ring(pond, {"natural": "water", "water": "pond"})
            members.append(("w", water, "inner"))
        sheet.draw_relation(members, {"type": "multipolygon", **tags})
        drawn |= set(holes)
    return drawn


def _ponds_in(survey: Survey, number: int) -> list[int]:
    """Find the ponds that lie wholly in a pasture, without those that overlap one before."""
    land = survey.land
    room: BaseGeometry = shapely.Polygon(land.pastures.rings[number]).buffer(-1.0)
    found = []
    west, south, east, north = (float(bound) for bound in land.pastures.bounds[number])
    for index in land.ponds.touching((west, south, east, north)):
        pond = shapely.Polygon(land.ponds.rings[index])
        if room.contains(pond):
            found.append(int(index))
            room = room.difference(pond.buffer(1.0))
    return found


def _map_airstrips(sheet: Sheet, survey: Survey) -> None:
    """Draw grass airstrips along pastures, most of them where mines are near."""
    mines = np.array([ring[0] for ring in survey.land.mines.rings]).reshape(-1, 2)
    for number, outline in enumerate(survey.land.pastures.rings):
        ring = points_of(outline)
        if len(ring) != 4 or not _within(survey, ring):
            continue
        ends = _between(ring[0], ring[3]), _between(ring[1], ring[2])
        run, rise = ends[1][0] - ends[0][0], ends[1][1] - ends[0][1]
        if run * run + rise * rise < AIRSTRIP_M * AIRSTRIP_M:
            continue
        east, north = mines[:, 0] - ends[0][0], mines[:, 1] - ends[0][1]
        near = bool((east * east + north * north < AIRSTRIP_REACH_M * AIRSTRIP_REACH_M).any())
        luck = survey.luck("airstrip", number)
        if luck.happens(AIRSTRIPS[0 if near else 1]) and survey.maps("airstrip", number, ends[0]):
            strip = [(ends[0][0] + run * part, ends[0][1] + rise * part) for part in (0.08, 0.92)]
            sheet.draw_way(strip, {"aeroway": "runway", "surface": "grass"})


def _between(first: Point, second: Point) -> Point:
    return (first[0] + second[0]) / 2.0, (first[1] + second[1]) / 2.0


def _draw_boundaries(sheet: Sheet, survey: Survey) -> None:
    """Draw a protected area, a relation of three ways, and indigenous land, one closed way."""
    extent, luck = survey.land.extent, survey.luck("boundary")
    near, far = luck.choice(((0.3, 0.72), (0.72, 0.3)))
    upper = luck.choice((0.3, 0.7))
    centre = (extent.west + extent.width_m * near, extent.south + extent.height_m * upper)
    size = (0.2 * extent.width_m, 0.2 * extent.height_m)
    ring = blob(luck, centre, (1.0, 0.0), size)
    sides = (ring[:7], ring[6:14], [*ring[13:], ring[0]])
    members: list[Member] = [("w", sheet.draw_way(side, {}), "outer") for side in sides]
    name: Tags = {"name": "Reserva del Valle", "protect_class": "4"}
    sheet.draw_relation(members, {"type": "boundary", "boundary": "protected_area", **name})
    centre = (extent.west + extent.width_m * far, extent.south + extent.height_m * (1.0 - upper))
    size = (0.11 * extent.width_m, 0.13 * extent.height_m)
    land = blob(luck, centre, (1.0, 0.0), size)
    sheet.draw_ring(land, {"boundary": "aboriginal_lands", "name": "Tierra de la Ceiba"})


def _draw_power_line(sheet: Sheet, survey: Survey) -> None:
    """Draw a line beside the paved road to the largest village, and its towers."""
    road, areas = survey.land.roads.lines[0], map(ring_area, survey.land.villages.rings)
    largest = max(enumerate(areas), key=lambda pair: pair[1])[0]
    goal = survey.villages[largest][0]
    line: list[Point] = []
    for i in range(0, len(road), 4):
        along, (east, north) = tangent(road, i), road[i]
        tower = (east - along[1] * 35.0, north + along[0] * 35.0)
        if survey.land.extent.holds(tower) and (east <= goal or len(line) < 2):
            line.append(tower)
    sheet.draw_way(line, {"power": "line", "voltage": "34500"})
    for tower in line:
        sheet.draw_node(tower, {"power": "tower"})
