"""Take one product's pictures: ground, light, air and noise become digital numbers and classes."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from minewatch.bands import MAX_DN, PRESETS
from minewatch.toy._archive_ground import Float32Array, Ground, factor_of
from minewatch.toy._archive_plan import EDGE_ORBIT, Product, span
from minewatch.toy._noise import Chance, bell_cells, key_of
from minewatch.toy._render import block_mean
from minewatch.toy._shapes import CELL_M, Cells
from minewatch.toy._spectra import SPECTRUM_BANDS
from minewatch.toy._weather import Air, see_air, wetness
from minewatch.types import BoolArray

BANDS: Final = PRESETS["l2a-12"]
MASK: Final = "SCL"
CLOUD: Final = (.86, .84, .82, .82, .83, .83, .83, .83, .83, .60, .52, .40)  # fmt: skip
"""Reflectance of bright clouds, by band in the order of `SPECTRUM_BANDS`."""
CIRRUS: Final = (.55, .54, .52, .52, .52, .52, .52, .52, .52, .40, .24, .18)  # fmt: skip
"""Reflectance of cirrus, likewise."""
SHADE: Final = (.45, .48, .55, .60, .62, .64, .65, .66, .67, .68, .72, .74)  # fmt: skip
"""Share of the light that full shadow takes: least in the blue, which the sky scatters."""
TRACK_SLOPE: Final = 0.23
"""How far east the satellite's track lies for each metre further north."""
NOT_VALID, DARK, SHADOW, PLANTS, BARE, WATER, UNSURE, MEDIUM, HIGH, THIN = (
    0,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
)


@dataclass(frozen=True)
class Swath:
    """Where an acquisition has data: one or two half planes, in metres of the zone."""

    edge: tuple[float, float] | None
    """Easting and northing of a point of the swath's western edge; None if it lies elsewhere."""
    cut: tuple[float, float] | None
    """A point of the line along which the acquisition was split."""
    part: str

    def holds(self, eastings: Any, northings: Any) -> BoolArray:
        """Say which places have data; arrays that broadcast against one another."""
        held = np.ones(np.broadcast_shapes(eastings.shape, northings.shape), dtype=np.bool_)
        if self.edge is not None:
            held &= eastings - self.edge[0] > (northings - self.edge[1]) * TRACK_SLOPE
        if self.cut is not None:
            ahead = (northings - self.cut[1]) + (eastings - self.cut[0]) * TRACK_SLOPE
            held &= ahead > -60.0 if self.part == "north" else ahead < 60.0
        return held


def swath_of(product: Product, stretches: tuple[Cells, ...]) -> Swath:
    """Find where a product has data; its edges run through one stretch near the middle of all."""
    west, south, east, north = span(stretches).bounds
    middle = (south + north) / 2.0
    nearest = _nearest(stretches, (west + (east - west) * 0.4, middle))
    edge = cut = None
    if product.acquisition.orbit == EDGE_ORBIT:
        chance = Chance(product.acquisition.seed, "swath", product.acquisition.number)
        left, low, right, high = nearest.bounds
        edge = (left + (right - left) * 0.4 + chance.uniform(-200.0, 200.0), (low + high) / 2.0)
    if product.part != "whole":
        cut = _centre(nearest)
    return Swath(edge, cut, product.part)


def sees(swath: Swath, cells: Cells) -> bool:
    """Say whether any of some cells has data."""
    return bool(swath.holds(cells.eastings[None, :], cells.northings[:, None]).any())


def _nearest(stretches: tuple[Cells, ...], point: tuple[float, float]) -> Cells:
    def away(stretch: Cells) -> float:
        east, north = _centre(stretch)
        return (east - point[0]) * (east - point[0]) + (north - point[1]) * (north - point[1])

    return min(stretches, key=away)


def _centre(cells: Cells) -> tuple[float, float]:
    west, south, east, north = cells.bounds
    return (west + east) / 2.0, (south + north) / 2.0


def take_pictures(
    product: Product, ground: Ground, swath: Swath
) -> tuple[dict[str, npt.NDArray[np.uint16]], npt.NDArray[np.uint8]]:
    """Take a product's pictures of some ground: each band and the mask, on their own pixels.

    Returns
    -------
    pictures
        By ESA's band names: uint16 as the files hold them, 0 = no data.
    classes
        The scene classification, uint8, 20 m.
    """
    cells = ground.start.cells
    sky = product.acquisition.sky
    wet = wetness(product.acquisition.day)
    air = {1: see_air(sky, cells)}
    held = {}
    for factor in (1, 2, 6):
        air[factor] = air[1].coarser(factor)
        held[factor] = _held(swath, cells, ground.outside, factor)
    pictures: dict[str, npt.NDArray[np.uint16]] = {}
    plain: dict[str, Float32Array] = {}
    for name in BANDS:
        factor = factor_of(name)
        seen = ground.on(product.acquisition.day, name, wet)
        if name in ("B03", "B04", "B8A"):
            plain[name] = block_mean(seen, 2 // factor)
        values = _through_air(seen, air[factor], product, name)
        pictures[name] = _digitise(values, held[factor], product, name, cells)
    classes = _classify(plain, air[2])
    classes[~held[2]] = NOT_VALID
    return pictures, classes


def _held(swath: Swath, cells: Cells, outside: BoolArray, factor: int) -> BoolArray:
    half = CELL_M * factor / 2.0
    eastings = cells.eastings[::factor] - CELL_M / 2.0 + half
    northings = cells.northings[::factor] + CELL_M / 2.0 - half
    held = swath.holds(eastings[None, :], northings[:, None])
    if outside.any():
        held &= ~outside[::factor, ::factor]
    return held


def _through_air(ground: Float32Array, air: Air, product: Product, band: str) -> Float32Array:
    """Light the ground and look at it through the air; the ground's array is reused."""
    number, sky = SPECTRUM_BANDS.index(band), product.acquisition.sky
    seen = ground
    seen *= np.float32(sky.light * product.gain)
    if sky.weather != "clear":
        seen *= np.float32(1.0) - air.shadow * np.float32(SHADE[number])
    blueness = 1.6 if number < 3 else 1.0
    seen += air.haze * np.float32(sky.haze * blueness / (1.0 + 0.5 * number))
    if sky.cirrus > 0.0:
        seen += air.cirrus * (np.float32(CIRRUS[number]) - seen)
    if sky.weather != "clear":
        seen += air.cloud * (air.bright * np.float32(CLOUD[number]) - seen)
    return seen


def _digitise(
    values: Float32Array, held: BoolArray, product: Product, band: str, cells: Cells
) -> npt.NDArray[np.uint16]:
    """Add the sensor's noise and give the numbers that the file holds."""
    acquisition, factor = product.acquisition, factor_of(band)
    key = key_of(acquisition.seed, "sensor", acquisition.day.isoformat(), band)
    columns, rows = cells.columns[::factor] // factor, cells.rows[::factor] // factor
    grain = bell_cells(key, columns, rows).astype(np.float32)
    grain *= values * np.float32(0.006) + np.float32(0.0005)
    grain += values
    grain *= np.float32(10_000.0)
    numbers = np.floor(grain + np.float32(0.5))
    np.maximum(numbers, np.float32(1.0), out=numbers)
    numbers += np.float32(product.added_dn)
    np.minimum(numbers, np.float32(MAX_DN), out=numbers)
    numbers[~held] = 0.0
    digital: npt.NDArray[np.uint16] = numbers.astype(np.uint16)
    return digital


def _classify(ground: dict[str, Float32Array], air: Air) -> npt.NDArray[np.uint8]:
    """Give the scene classification: good on thick clouds, late on thin ones, as the real one."""
    green, red, infrared = ground["B03"], ground["B04"], ground["B8A"]
    greenness = (infrared - red) / (infrared + red)
    classes = np.full(red.shape, BARE, dtype=np.uint8)
    classes[greenness > np.float32(0.4)] = PLANTS
    classes[(infrared < green) & (infrared < np.float32(0.16))] = WATER
    classes[air.shadow > np.float32(0.2)] = DARK
    classes[air.shadow > np.float32(0.4)] = SHADOW
    classes[air.cirrus > np.float32(0.06)] = THIN
    for limit, name in ((0.08, UNSURE), (0.18, MEDIUM), (0.6, HIGH)):
        classes[air.cloud > np.float32(limit)] = name
    return classes
