"""The year above the valley: season, sun, clouds and their shadows, cirrus, haze.

Like the ground, the sky of a day is a function of the place alone, so that overlapping tiles of one
acquisition show the same clouds.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from minewatch.toy._noise import Chance, key_of, smooth_noise, turned_noise
from minewatch.toy._render import block_mean
from minewatch.toy._shapes import CELL_M, Cells

Float32Array = npt.NDArray[np.float32]
Weather = Literal["clear", "cumulus", "broken", "overcast"]

WETNESS: Final = (0.2, 0.08, 0.0, 0.12, 0.55, 0.88, 1.0, 0.95, 0.75, 0.6, 0.45, 0.3)
"""How far each month's middle stands between the dry season (0) and the wet (1)."""
SUN: Final = (
    (134.0, 50.0, -0.60, 0.58),
    (124.0, 54.0, -0.60, 0.41),
    (106.0, 59.0, -0.58, 0.17),
    (81.0, 62.0, -0.53, -0.08),
    (61.0, 62.0, -0.47, -0.26),
    (53.0, 60.0, -0.46, -0.35),
    (56.0, 59.0, -0.50, -0.34),
    (69.0, 61.0, -0.52, -0.20),
    (94.0, 62.0, -0.53, 0.04),
    (119.0, 60.0, -0.50, 0.28),
    (133.0, 56.0, -0.49, 0.46),
    (138.0, 51.0, -0.54, 0.60),
)
"""By month, at half past ten and 6.5° N: azimuth and elevation of the sun, degrees, and how far
east and north the shadow of something 1 m high falls, metres."""
WEATHERS: Final[tuple[Weather, ...]] = ("clear", "cumulus", "broken", "overcast")
_ODDS: Final = ((0.55, 0.30, 0.10, 0.05), (0.10, 0.35, 0.30, 0.25))
"""Odds of the weathers in the dry and in the wet season."""
_COVER: Final[dict[Weather, tuple[float, float]]] = {
    "clear": (0.90, 0.95),
    "cumulus": (0.55, 0.66),
    "broken": (0.45, 0.53),
    "overcast": (0.22, 0.33),
}
"""Clouds stand where their noise exceeds a number drawn from this range."""
Layer = tuple[float, float, float]
_PUFFS: Final[tuple[Layer, ...]] = (
    (0.34, 2600.0, 2600.0), (0.26, 950.0, 950.0), (0.18, 410.0, 410.0), (0.12, 190.0, 190.0),
    (0.07, 90.0, 90.0), (0.03, 45.0, 45.0),
)  # fmt: skip
"""Noise that clouds are made of: weight, and the sizes of blotches along and across, metres."""
_VEILS: Final[tuple[Layer, ...]] = (
    (0.44, 7000.0, 2400.0), (0.28, 3500.0, 900.0), (0.17, 1800.0, 350.0), (0.11, 800.0, 160.0),
)  # fmt: skip
_TURNS: Final = ((0.8, 0.6), (0.96, 0.28), (0.6, 0.8), (0.352, 0.936), (0.28, 0.96), (0.936, 0.352))
"""Unit vectors along which the lattices lie: aligned ones would show."""
_SOFTNESS: Final[dict[Weather, float]] = {
    "clear": 0.05, "cumulus": 0.05, "broken": 0.07, "overcast": 0.16,
}  # fmt: skip


@dataclass(frozen=True)
class Sky:
    """What the sky is like on a day."""

    seed: int
    day: str
    """ISO date; it names the chances of the day."""
    weather: Weather
    threshold: float
    """Clouds stand where their noise exceeds this."""
    shadow: tuple[int, int]
    """Columns and rows by which shadows lie from their clouds."""
    cirrus: float
    """Opacity of the densest cirrus, 0 to 1."""
    haze: float
    """Reflectance that haze adds in the blue, about."""
    light: float
    """What the day's light multiplies the ground by."""


@dataclass(frozen=True)
class Air:
    """What stands between the sensor and some cells: fields of 0 to 1 on one resolution."""

    cloud: Float32Array
    """Opacity of clouds."""
    bright: Float32Array
    """Brightness of the clouds' tops."""
    shadow: Float32Array
    """Depth of shadow."""
    cirrus: Float32Array
    """Opacity of cirrus."""
    haze: Float32Array
    """Haze as a share of the day's."""

    def coarser(self, factor: int) -> "Air":
        """Average over blocks of `factor` × `factor` pixels."""
        if factor == 1:
            return self
        fields = (self.cloud, self.bright, self.shadow, self.cirrus, self.haze)
        return Air(*(block_mean(field, factor) for field in fields))


def wetness(day: date) -> float:
    """Say how far a day stands between the dry season (0) and the wet (1)."""
    month, part = day.month - 1, (day.day - 15.5) / 31.0
    other = (month + (1 if part > 0.0 else -1)) % 12
    return WETNESS[month] + (WETNESS[other] - WETNESS[month]) * abs(part)


def draw_sky(seed: int, day: date, luck: float, weather: Weather | None = None) -> Sky:
    """Draw the sky of a day.

    Parameters
    ----------
    seed
        The valley's.
    day
        The day, UTC.
    luck
        0 to 1: the higher, the cloudier.
    weather
        What the weather is; None draws it by the season and the luck.
    """
    wet, chance = wetness(day), Chance(seed, "sky", day.isoformat())
    found = weather or _weather(wet, luck)
    low, high = _COVER[found]
    height_m = chance.uniform(600.0, 1500.0)
    east, north = SUN[day.month - 1][2:]
    shift = (round(east * height_m / CELL_M), round(-north * height_m / CELL_M))
    thin = chance.uniform(0.08, 0.35) if chance.happens(0.15 + 0.25 * wet) else 0.0
    haze = chance.uniform(0.002, 0.012) + (0.012 if chance.happens(0.2) else 0.0)
    light = chance.uniform(0.97, 1.03)
    return Sky(seed, day.isoformat(), found, chance.uniform(low, high), shift, thin, haze, light)


def _weather(wet: float, luck: float) -> Weather:
    reached = 0.0
    for number, name in enumerate(WEATHERS):
        reached += _ODDS[0][number] + (_ODDS[1][number] - _ODDS[0][number]) * wet
        if luck < reached:
            return name
    return "overcast"


def see_air(sky: Sky, cells: Cells) -> Air:
    """Give what stands above some cells, at 10 m."""
    haze = _smooth(sky, "haze", cells)
    cirrus = np.zeros(cells.shape, dtype=np.float32)
    if sky.cirrus > 0.0:
        veil = _layers(sky, "cirrus", cells, _VEILS)
        cirrus = _rise(veil, 0.48, 0.75) * np.float32(sky.cirrus)
    if sky.weather == "clear":
        none = np.zeros(cells.shape, dtype=np.float32)
        return Air(none, none, none, cirrus, haze)
    right, down = sky.shadow
    margin = (max(abs(right), abs(down), 4) + 1) // 2 * 2
    puffs = _layers(sky, "clouds", cells.grown(margin), _PUFFS)
    opaque = _rise(puffs, sky.threshold, sky.threshold + _SOFTNESS[sky.weather])
    here = _shifted(opaque, margin, 0, 0)
    above = _shifted(puffs, margin, 0, 0)
    towards = (-4 if right > 0 else 4, -4 if down > 0 else 4)
    lit = above - _shifted(puffs, margin, *towards)
    bright = np.float32(0.62) + np.float32(0.33) * _rise(above, sky.threshold, sky.threshold + 0.25)
    bright += np.float32(2.2) * lit
    bright = np.minimum(np.maximum(bright, np.float32(0.35)), np.float32(1.1))
    shadow = _shifted(opaque, margin, -right, -down) * (np.float32(1.0) - here)
    return Air(here, bright, shadow, cirrus, haze)


def _shifted(field: Float32Array, margin: int, right: int, down: int) -> Float32Array:
    """Cut the margin off, looking `right` columns and `down` rows further."""
    rows, columns = field.shape[0] - 2 * margin, field.shape[1] - 2 * margin
    top, left = margin + down, margin + right
    return field[top : top + rows, left : left + columns]


def _smooth(sky: Sky, word: str, cells: Cells) -> Float32Array:
    key = key_of(sky.seed, "sky", word, sky.day)
    return smooth_noise(key, cells.eastings, cells.northings, 5_000.0).astype(np.float32)


def _layers(sky: Sky, word: str, cells: Cells, layers: tuple[Layer, ...]) -> Float32Array:
    """Add up turned noise of several sizes, seen at 20 m and made finer, straight in between."""
    left, top = cells.first_column // 2 - 1, cells.first_row // 2 - 1
    columns = np.arange(left, left + cells.n_columns // 2 + 2)
    rows = np.arange(top, top + cells.n_rows // 2 + 2)
    eastings = columns.astype(np.float64) * (2.0 * CELL_M) + CELL_M
    northings = -(rows.astype(np.float64) * (2.0 * CELL_M)) - CELL_M
    total = np.zeros((len(rows), len(columns)))
    for number, (weight, along_m, across_m) in enumerate(layers):
        key = key_of(sky.seed, "sky", word, sky.day, number)
        turn = _TURNS[number % len(_TURNS)]
        total += turned_noise(key, eastings, northings, (along_m, across_m), turn) * weight
    return _twice_as_fine(total.astype(np.float32))


def _twice_as_fine(field: Float32Array) -> Float32Array:
    """Interpolate straight between pixels' centres to pixels half the size; one pixel less around.

    The field is cut to whole pixels inside its outermost ring.
    """
    near, far = np.float32(0.75), np.float32(0.25)
    inner = field[1:-1] * near
    down = np.empty((2 * inner.shape[0], field.shape[1]), dtype=np.float32)
    down[0::2] = inner + field[:-2] * far
    down[1::2] = inner + field[2:] * far
    inner = down[:, 1:-1] * near
    fine = np.empty((down.shape[0], 2 * inner.shape[1]), dtype=np.float32)
    fine[:, 0::2] = inner + down[:, :-2] * far
    fine[:, 1::2] = inner + down[:, 2:] * far
    return fine


def _rise(field: Float32Array, low: float, high: float) -> Float32Array:
    """Rise from 0 at `low` to 1 at `high`, straight."""
    risen = (field - np.float32(low)) * np.float32(1.0 / (high - low))
    np.maximum(risen, np.float32(0.0), out=risen)
    np.minimum(risen, np.float32(1.0), out=risen)
    return risen
