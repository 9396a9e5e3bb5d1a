"""The whole landscape as vectors: the one truth that every picture of the valley is made from."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from minewatch.toy._mines import Mines, dig_mines
from minewatch.toy._noise import Chance
from minewatch.toy._people import HALF_WIDTHS_M, Settlement, draw_tracks, settle
from minewatch.toy._shapes import Lines, Point, Polygons, Rectangles
from minewatch.toy._water import Course, Extent, Streams, draw_river, draw_sandbars, draw_streams
from minewatch.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Landscape:
    """Everything in the valley, as lines and polygons in metres of its UTM zone.

    An array beside a layer holds one value per shape of it, or per segment for `stream_turbidity`.
    """

    seed: int
    extent: Extent
    river: Lines
    sandbars: Polygons
    streams: Lines
    stream_turbidity: FloatArray
    roads: Lines
    road_kinds: IntArray
    villages: Polygons
    houses: Rectangles
    roofs: IntArray
    pastures: Polygons
    bareness: FloatArray
    dryness: FloatArray
    ponds: Polygons
    pond_banks: Polygons
    pond_colours: IntArray
    mines: Polygons
    mine_opened_day: IntArray
    mine_ground: FloatArray
    mine_regrowth: FloatArray
    mine_ponds: Polygons
    mine_pond_colours: IntArray
    mine_pond_mine: IntArray


@lru_cache(maxsize=8)
def draw_landscape(seed: int, extent: Extent) -> Landscape:
    """Draw the landscape of a seed within an extent."""
    course, half_widths_m = draw_river(seed, extent)
    streams = draw_streams(seed, extent, course)
    mines = dig_mines(seed, extent, streams)
    made = settle(seed, extent, streams.lines)
    draw_tracks(made, seed, mines.places)
    sandbars = draw_sandbars(seed, course, half_widths_m)
    return _assemble(seed, extent, (course, half_widths_m), sandbars, streams, mines, made)


def _assemble(
    seed: int,
    extent: Extent,
    river: tuple[Course, list[float]],
    sandbars: list[list[Point]],
    streams: Streams,
    mines: Mines,
    made: Settlement,
) -> Landscape:
    road_widths = [
        [HALF_WIDTHS_M[kind]] * len(line)
        for line, kind in zip(made.roads, made.road_kinds, strict=True)
    ]
    return Landscape(
        seed=seed,
        extent=extent,
        river=Lines([river[0].line], [river[1]]),
        sandbars=Polygons(sandbars),
        streams=Lines(streams.lines, streams.half_widths_m),
        stream_turbidity=_stream_turbidity(seed, streams, mines.reaches),
        roads=Lines(made.roads, road_widths),
        road_kinds=_whole(made.road_kinds),
        villages=Polygons(made.villages),
        houses=Rectangles(made.houses),
        roofs=_whole(made.roofs),
        pastures=Polygons(made.pastures),
        bareness=np.array(made.bareness),
        dryness=np.array(made.dryness),
        ponds=Polygons(made.ponds),
        pond_banks=Polygons(made.pond_banks),
        pond_colours=_whole(made.pond_colours),
        mines=Polygons(mines.rings),
        mine_opened_day=_whole(mines.opened_day),
        mine_ground=np.array(mines.ground),
        mine_regrowth=np.array(mines.regrowth),
        mine_ponds=Polygons(mines.ponds),
        mine_pond_colours=_whole(mines.pond_colours),
        mine_pond_mine=_whole(mines.pond_mine),
    )


def _whole(numbers: list[int]) -> npt.NDArray[np.int64]:
    return np.array(numbers, dtype=np.int64)


def _stream_turbidity(seed: int, streams: Streams, reaches: list[tuple[int, int]]) -> FloatArray:
    """Say how turbid each segment is: high below mines, else what its stream carries by nature."""
    muddy_below = [-1] * len(streams.lines)
    for number, vertex in reaches:
        while number >= 0:
            muddy_below[number] = max(muddy_below[number], vertex)
            number, vertex = streams.mouths[number]
    turbidity = []
    for number, line in enumerate(streams.lines):
        chance = Chance(seed, "turbidity", number)
        natural = chance.uniform(0.0, 0.25) if chance.happens(0.6) else chance.uniform(0.4, 0.9)
        muddy = chance.uniform(0.5, 0.95)
        turbidity += [muddy if i < muddy_below[number] else natural for i in range(len(line) - 1)]
    return np.array(turbidity)
