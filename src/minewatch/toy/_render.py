"""Look at the landscape through a rectangle of cells: what covers them, what they reflect.

Every number depends on the landscape and the cell alone, never on the rectangle, so that the same
ground looks the same through any of them.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from minewatch.bands import band as band_named
from minewatch.toy._landscape import Landscape
from minewatch.toy._noise import key_of, smooth_noise
from minewatch.toy._shapes import CELL_M, Cells
from minewatch.toy._spectra import MATERIALS, POND_WATERS, spectra
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

COVERS: Final[dict[int, str]] = {
    0: "outside",
    1: "forest",
    2: "pasture",
    3: "village",
    4: "pond",
    5: "road",
    6: "stream",
    7: "river",
    8: "sandbar",
    9: "mine",
}
"""What the numbers of `Valley.land_cover` stand for."""

CODES: Final = {name: code for code, name in COVERS.items()}
Numbers = TypeVar("Numbers", FloatArray, npt.NDArray[np.float32])

LINE_SHARE: Final = 0.3
"""A road or stream names a cell from this share of it on: most are narrower than a cell."""


@dataclass
class View:
    """The landscape seen through some cells, while layer is painted over layer."""

    land: Landscape
    cells: Cells
    opened: BoolArray
    """Which mines are open on the day that is shown."""
    cover_only: bool = False
    """Say what covers the cells and leave out what they are made of, which takes longer."""
    wet: bool = False
    """Show the wet season, when the river stands high, rather than the dry."""

    def __post_init__(self) -> None:
        self.cover = np.full(self.cells.shape, CODES["forest"], dtype=np.uint8)
        self.shares: dict[str, FloatArray] = {}

    def noise(self, word: str, scale_m: float) -> FloatArray:
        """Evaluate the landscape's noise of this name: 0 to 1."""
        key = key_of(self.land.seed, "noise", word)
        return smooth_noise(key, self.cells.eastings, self.cells.northings, scale_m)

    def rough(self, word: str, scale_m: float) -> FloatArray:
        """Evaluate noise of three sizes on one another, which hides the lattice: 0 to 1."""
        total = self.noise(word, scale_m) * 0.5
        total += self.noise(word + " finer", scale_m * 0.47) * 0.3
        total += self.noise(word + " finest", scale_m * 0.21) * 0.2
        return total

    def slope(self, word: str, scale_m: float, shift_m: float) -> FloatArray:
        """Say how much this noise rises towards the north-west, where the light comes from."""
        key = key_of(self.land.seed, "noise", word)
        here = smooth_noise(key, self.cells.eastings, self.cells.northings, scale_m)
        east, north = self.cells.eastings - shift_m, self.cells.northings + shift_m
        rise: FloatArray = smooth_noise(key, east, north, scale_m) - here
        return rise

    def paint(self, share: AnyArray, mixture: dict[str, FloatArray | float]) -> None:
        """Cover a share of each cell with a mixture of materials, whose parts add up to one."""
        rest = 1.0 - share
        for material in self.shares:
            self.shares[material] = self.shares[material] * rest
        for material, part in mixture.items():
            added = share * part
            known = self.shares.get(material)
            self.shares[material] = added if known is None else known + added

    def name(self, where: BoolArray, cover: str) -> None:
        """Say what covers these cells."""
        self.cover[where] = CODES[cover]


def look(
    land: Landscape,
    cells: Cells,
    opened: BoolArray,
    *,
    cover_only: bool = False,
    wet: bool = False,
) -> View:
    """Paint the whole landscape, layer over layer, over some cells."""
    view = View(land, cells, opened, cover_only, wet)
    _paint_forest(view)
    _paint_pastures(view)
    _paint_villages(view)
    _paint_ponds(view)
    _paint_roads(view)
    _paint_streams(view)
    _paint_river(view)
    _paint_mines(view)
    return view


def step(values: FloatArray, low: float | FloatArray, high: float | FloatArray) -> FloatArray:
    """Rise from 0 at `low` to 1 at `high`, straight."""
    risen: FloatArray = np.minimum(np.maximum((values - low) / (high - low), 0.0), 1.0)
    return risen


def _paint_forest(view: View) -> None:
    if view.cover_only:
        return
    young = 0.9 * step(view.rough("forest age", 1300.0), 0.45, 0.85)
    crowns = view.noise("crowns", 24.0)
    dark = 0.04 + 0.26 * step(crowns, 0.5, 1.0)
    lit = 1.0 - dark
    view.shares = {"forest": lit * (1.0 - young), "young forest": lit * young, "shade": dark}


def _paint_pastures(view: View) -> None:
    land = view.land
    number = land.pastures.burn(view.cells)
    inside = number >= 0
    if not inside.any():
        return
    view.name(inside, "pasture")
    if view.cover_only:
        return
    bare = np.where(inside, land.bareness[number], 0.0)
    dry = np.where(inside, land.dryness[number], 0.0)
    patchy = 0.6 * view.noise("pasture soil", 60.0) + 0.4 * view.noise("pasture spots", 18.0)
    soil = step(patchy, 0.85 - 0.8 * bare, 1.05 - 0.8 * bare)
    red = view.noise("soil colour", 1500.0)
    trees = step(view.noise("pasture trees", 22.0), 0.78, 0.95)
    grass = 1.0 - soil
    open_ground: dict[str, FloatArray | float] = {
        "green grass": grass * (1.0 - dry),
        "dry grass": grass * dry,
        "laterite": soil * red,
        "pale soil": soil * (1.0 - red),
    }
    view.paint(inside * (1.0 - trees * 0.9), open_ground)


def _paint_villages(view: View) -> None:
    land = view.land
    inside = land.villages.burn(view.cells) >= 0
    if not inside.any():
        return
    view.name(inside, "village")
    if view.cover_only:
        return
    trodden = 0.25 + 0.6 * view.noise("trodden", 35.0)
    red = view.noise("soil colour", 1500.0)
    garden = 1.0 - trodden
    ground: dict[str, FloatArray | float] = {
        "laterite": trodden * red,
        "pale soil": trodden * (1.0 - red),
        "young forest": garden * 0.5,
        "green grass": garden * 0.5,
    }
    view.paint(inside * 0.92, ground)
    roofs = land.houses.cover(view.cells, land.roofs, 3)
    for roof, share in zip(("metal roof", "rusty roof", "thatch"), roofs, strict=True):
        if share.any():
            view.paint(np.minimum(share, 1.0), {roof: 1.0})


def _paint_ponds(view: View) -> None:
    land = view.land
    bank = land.pond_banks.burn(view.cells) >= 0
    if not bank.any():
        return
    number = land.ponds.burn(view.cells)
    view.name(number >= 0, "pond")
    if view.cover_only:
        return
    red = view.noise("soil colour", 1500.0)
    view.paint(bank * 0.75, {"laterite": red * 0.6, "pale soil": 1.0 - red * 0.6})
    _paint_water(view, number >= 0, land.pond_colours[number])


def _paint_water(view: View, inside: BoolArray, colours: IntArray) -> None:
    """Fill ponds with water of their colours, a little uneven."""
    uneven = 0.75 + 0.25 * view.noise("pond water", 50.0)
    for colour, water in enumerate(POND_WATERS):
        here = inside & (colours == colour)
        if here.any():
            view.paint(here * 1.0, {water: uneven, "black water": 1.0 - uneven})


def _paint_roads(view: View) -> None:
    land = view.land
    distance, segment = land.roads.near(view.cells, 30.0)
    if not (segment >= 0).any():
        return
    share = step(-distance, -5.0, 5.0)
    view.name(share >= LINE_SHARE, "road")
    if view.cover_only:
        return
    line = land.roads.segments[segment, 6].astype(np.int64)
    kind = np.where(segment >= 0, land.road_kinds[line], -1)
    verge = step(-distance, -16.0, 0.0) * np.where(kind == 2, 0.25, 0.7)
    view.paint(verge, {"green grass": 0.6, "laterite": 0.4})
    paved = (kind == 0) * 1.0
    red = view.noise("soil colour", 1500.0)
    surface: dict[str, FloatArray | float] = {
        "asphalt": paved,
        "laterite": (1.0 - paved) * (0.3 + 0.7 * red),
        "pale soil": (1.0 - paved) * (0.7 - 0.7 * red),
    }
    view.paint(share, surface)


def _paint_streams(view: View) -> None:
    land = view.land
    distance, segment = land.streams.near(view.cells, 45.0)
    near = segment >= 0
    if not near.any():
        return
    share = step(-distance, -5.0, 5.0)
    view.name(share >= LINE_SHARE, "stream")
    if view.cover_only:
        return
    reeds = step(-distance, -40.0, -5.0) * 0.45
    view.paint(reeds, {"young forest": 1.0})
    bars = step(view.noise("stream bars", 170.0), 0.78, 0.92) * step(-distance, -22.0, -8.0)
    view.paint(bars * 0.8, {"wet sand": 0.4, "pale soil": 0.3, "dry sand": 0.3})
    half_width_m = np.where(near, land.streams.segments[segment, 4], 0.0)
    canopy = (1.0 - step(half_width_m, 5.0, 12.0)) * step(view.noise("canopy", 70.0), 0.2, 0.6)
    share = share * (1.0 - 0.8 * canopy)
    turbid = np.where(near, land.stream_turbidity[segment], 0.0)
    view.paint(share, {"brown water": turbid, "black water": 1.0 - turbid})


def _paint_river(view: View) -> None:
    land = view.land
    distance, segment = land.river.near(view.cells, 160.0)
    if not (segment >= 0).any():
        return
    share = step(-distance, -5.0, 5.0)
    view.name(share >= 0.5, "river")
    bar = land.sandbars.burn(view.cells) >= 0
    view.name(bar, "sandbar")
    if view.cover_only:
        return
    bank = step(-distance, -90.0, 0.0) * step(view.noise("river bank", 300.0), 0.45, 0.7)
    view.paint(bank * 0.5, {"young forest": 0.6, "green grass": 0.4})
    turbid = 0.35 + 0.65 * view.noise("river water", 3000.0)
    view.paint(share, {"river water": turbid, "black water": 1.0 - turbid})
    if bar.any():
        dry = step(view.noise("sandbar", 90.0), 0.2, 0.6) * step(-distance, -60.0, 90.0)
        plants = step(view.noise("sandbar plants", 70.0), 0.7, 0.9) * 0.7
        ground = 1.0 - plants
        wet = 1.0 - dry
        sand: dict[str, FloatArray | float] = {
            "dry sand": ground * dry,
            "wet sand": ground * wet,
            "young forest": plants,
        }
        view.paint(bar * 1.0, sand)
        if view.wet:
            flooded = bar * (1.0 - 0.8 * plants) * (0.9 - 0.5 * dry)
            view.paint(flooded, {"river water": 1.0})


def _paint_mines(view: View) -> None:
    land = view.land
    number = land.mines.burn(view.cells, view.opened)
    inside = number >= 0
    if not inside.any():
        return
    view.name(inside, "mine")
    if view.cover_only:
        return
    pale = np.where(inside, land.mine_ground[number], 0.0)
    pale = step(pale + 0.8 * view.noise("tailings", 45.0) - 0.4, 0.0, 1.0)
    stony = 0.5 * step(view.noise("stones", 30.0), 0.55, 0.9)
    damp = 0.8 * step(view.noise("damp", 55.0), 0.5, 0.8)
    growth = np.where(inside, land.mine_regrowth[number], 0.0)
    plants = step(growth + 0.9 * (view.noise("regrowth", 40.0) - 0.75), 0.0, 0.4)
    ground = 1.0 - plants
    fine = ground * (1.0 - stony)
    soil: dict[str, FloatArray | float] = {
        "young forest": plants,
        "gravel": ground * stony,
        "wet sand": fine * damp,
        "laterite": fine * (1.0 - damp) * (1.0 - pale) * 0.6,
        "pale soil": fine * (1.0 - damp) * (1.0 - 0.6 * (1.0 - pale) - 0.4 * pale),
        "dry sand": fine * (1.0 - damp) * pale * 0.4,
    }
    view.paint(inside * 1.0, soil)
    if not len(land.mine_ponds):
        return
    flooded = view.opened[land.mine_pond_mine]
    pond = land.mine_ponds.burn(view.cells, flooded)
    _paint_water(view, (pond >= 0) & inside, land.mine_pond_colours[pond])


def cover_of(land: Landscape, cells: Cells, opened: BoolArray) -> AnyArray:
    """Say what covers each cell: numbers of `COVERS`, uint8."""
    return look(land, cells, opened, cover_only=True).cover


def reflectance_of(
    land: Landscape,
    cells: Cells,
    opened: BoolArray,
    bands: tuple[str, ...],
    *,
    wet: bool = False,
) -> dict[str, FloatArray]:
    """Give what each band sees of some cells, each at its own resolution.

    Parameters
    ----------
    land
        The landscape.
    cells
        Where to look; whole 60 m blocks.
    opened
        Which mines are open.
    bands
        ESA's names.
    wet
        Show the height of the wet season: greener, moister, the river high.

    Returns
    -------
    dict of str to ndarray
        For each band its surface reflectance, noise-free, float64, on pixels of its native 10, 20
        or 60 m that fill the same rectangle.
    """
    view = look(land, cells.grown(1), opened, wet=wet)
    light = 0.76 + 0.2 * view.noise("light", 38.0) + 0.28 * view.noise("grain", 13.0)
    light += 1.5 * view.slope("hills", 700.0, 40.0) + 0.5 * view.slope("gullies", 260.0, 20.0)
    table = spectra(bands, wet=wet)
    seen: dict[str, FloatArray] = {}
    sharp = {name: _spread(share * light) for name, share in view.shares.items()}
    for factor in (1, 2, 6):
        wanted = [
            i for i, name in enumerate(bands) if band_named(name).resolution_m == factor * CELL_M
        ]
        if not wanted:
            continue
        coarse = {name: block_mean(share, factor) for name, share in sharp.items()}
        for i in wanted:
            total = np.zeros((cells.n_rows // factor, cells.n_columns // factor))
            for number, name in enumerate(MATERIALS):  # always in this order: rounding follows it
                if name in coarse:
                    total += coarse[name] * float(table[number, i])
            seen[bands[i]] = total
    return seen


def _spread(shares: FloatArray) -> FloatArray:
    """Blur by the sensor's optics, a quarter – half – quarter each way; one cell less each side."""
    across = (shares[:, :-2] + shares[:, 2:]) * 0.25 + shares[:, 1:-1] * 0.5
    blurred: FloatArray = (across[:-2] + across[2:]) * 0.25 + across[1:-1] * 0.5
    return blurred


def block_mean(values: Numbers, factor: int) -> Numbers:
    """Average square blocks of `factor` × `factor` pixels, added up in a fixed order."""
    if factor == 1:
        return values
    across: Numbers = values[:, 0::factor].copy()
    for i in range(1, factor):
        across += values[:, i::factor]
    total: Numbers = across[0::factor].copy()
    for i in range(1, factor):
        total += across[i::factor]
    total *= 1.0 / (factor * factor)
    return total
