"""Who mapped what: how much effort went into each place, and what was mapped by chance."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Final

import numpy as np

from minewatch.toy._landscape import Landscape
from minewatch.toy._mines import FIRST_DAY
from minewatch.toy._noise import Chance, key_of, smooth_noise
from minewatch.toy._osm_sheet import MAP_DATE
from minewatch.toy._people import TRACK
from minewatch.toy._shapes import Point, middle
from minewatch.types import FloatArray

QUARTER_M: Final = 9_000.0
"""Size of the quarters of the valley that are mapped well or hardly, metres."""
QUARTER_EFFORT: Final = (0.08, 0.75)
"""Effort in the worst and in the best mapped quarter."""
BONUSES: Final = {"village": (0.4, 4_000.0), "road": (0.15, 1_500.0), "known mine": (0.15, 2_500.0)}
"""What is added beside such a thing, and the distance (metres) at which nothing is left of it."""
MOST_EFFORT: Final = 0.95
KNOWN: Final = (0.2, 0.5)
"""Chance that a mine is known to the mappers: any, and one of 3 ha and more."""
KNOWN_LARGE_M2: Final = 30_000.0

BANK_M: Final = 20.0
"""Bridges begin and end this far from the water, metres."""

CHANCES: Final[dict[str, tuple[float, float]]] = {
    "paved road": (1.0, 0.0),
    "dirt road": (0.45, 0.5),
    "track": (0.05, 0.7),
    "path": (0.0, 0.6),
    "river": (1.0, 0.0),
    "river area": (0.3, 0.65),
    "island": (0.2, 0.75),
    "sandbar": (0.05, 0.4),
    "stream": (0.15, 0.65),
    "village": (0.9, 0.1),
    "hamlet": (0.3, 0.6),
    "residential area": (0.15, 0.75),
    "buildings": (0.0, 0.85),
    "pasture": (0.03, 0.45),
    "field": (0.02, 0.25),
    "pond": (0.03, 0.55),
    "mine pond": (0.01, 0.2),
    "airstrip": (0.4, 0.5),
}
"""Chance that one of a kind is mapped: where no effort was made, and what full effort adds."""


@dataclass(frozen=True)
class Survey:
    """The mappers' knowledge of a landscape."""

    land: Landscape

    @cached_property
    def villages(self) -> list[Point]:
        """Middles of the villages and hamlets, metres."""
        return [
            middle([(float(x), float(y)) for x, y in ring]) for ring in self.land.villages.rings
        ]

    @cached_property
    def known_mines(self) -> dict[int, date]:
        """The mines that mappers know of, with the day on which each opened."""
        known = {}
        for number, ring in enumerate(self.land.mines.rings):
            opened = self.opened(number)
            chance = KNOWN[1] if ring_area(ring) >= KNOWN_LARGE_M2 else KNOWN[0]
            if opened is not None and self._chance("known mine", number).happens(chance):
                known[number] = opened
        return known

    def opened(self, mine: int) -> date | None:
        """Say when a mine opened; None if the map is older."""
        days = int(self.land.mine_opened_day[mine])
        day = date.fromisoformat(FIRST_DAY) + timedelta(days=days)
        return day if day < MAP_DATE else None

    def effort(self, point: Point) -> float:
        """Say how much effort went into mapping a place, 0 to 1."""
        key = key_of(self.land.seed, "osm quarters")
        east, north = np.array([float(point[0])]), np.array([float(point[1])])
        noise = float(smooth_noise(key, east, north, QUARTER_M)[0, 0])
        share = min(1.0, max(0.0, (noise - 0.3) / 0.4))
        total = QUARTER_EFFORT[0] + (QUARTER_EFFORT[1] - QUARTER_EFFORT[0]) * share
        for name, (most, reach_m) in BONUSES.items():
            total += most * max(0.0, 1.0 - _nearest_m(self._attractors[name], point) / reach_m)
        return min(MOST_EFFORT, total)

    def chance_of(self, kind: str, point: Point) -> float:
        """Give the chance that one of a kind in `CHANCES` is mapped at a place."""
        base, gain = CHANCES[kind]
        return base + gain * self.effort(point)

    def maps(self, kind: str, number: int | str, point: Point) -> bool:
        """Say whether one of a kind, told apart by its number, is mapped."""
        return self._chance(kind, number).happens(self.chance_of(kind, point))

    def crosses_river(self, point: Point) -> bool:
        """Say whether a vertex of a road lies in the river or on its banks."""
        places, reach_m = self._river
        east, north = places[:, 0] - point[0], places[:, 1] - point[1]
        return bool((east * east + north * north < reach_m * reach_m).any())

    def luck(self, word: str, number: int | str = 0) -> Chance:
        """Give the chances that decide how a thing is mapped, once it is."""
        return self._chance(f"how {word}", number)

    def _chance(self, word: str, number: int | str) -> Chance:
        return Chance(self.land.seed, "osm", word, number)

    @cached_property
    def _river(self) -> tuple[FloatArray, FloatArray]:
        """Vertices of the river, and how far it and its banks reach from each, metres."""
        river = self.land.river
        half_widths_m = np.array(river.half_widths_m[0], dtype=np.float64)
        return np.array(river.lines[0], dtype=np.float64), half_widths_m + BANK_M

    @cached_property
    def _attractors(self) -> dict[str, FloatArray]:
        land = self.land
        roads = [
            vertex
            for line, kind in zip(land.roads.lines, land.road_kinds, strict=True)
            if kind != TRACK
            for vertex in line[::3]
        ]
        mines = [land.mines.rings[number][0] for number in self.known_mines]
        places = {"village": self.villages, "road": roads, "known mine": mines}
        return {
            name: np.array(found, dtype=np.float64).reshape(-1, 2) for name, found in places.items()
        }


def ring_area(ring: FloatArray) -> float:
    """Measure a ring's area, square metres, added up in order."""
    total = 0.0
    for i in range(len(ring)):
        (x0, y0), (x1, y1) = ring[i - 1], ring[i]
        total += float(x0) * float(y1) - float(x1) * float(y0)
    return abs(total) / 2.0


def _nearest_m(places: FloatArray, point: Point) -> float:
    """Measure the distance to the nearest of some places, metres; infinite if there are none."""
    if not len(places):
        return float("inf")
    east, north = places[:, 0] - point[0], places[:, 1] - point[1]
    return float(np.sqrt((east * east + north * north).min()))
