"""Look at the landscape through a GeoBox: piece by piece, band by band, with or without noise."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from minewatch.bands import MAX_DN
from minewatch.bands import band as band_named
from minewatch.errors import InputError
from minewatch.toy._landscape import Landscape
from minewatch.toy._noise import Chance, bell_cells, key_of
from minewatch.toy._render import block_mean, cover_of, reflectance_of
from minewatch.toy._shapes import CELL_M, Cells
from minewatch.toy._spectra import SPECTRUM_BANDS
from minewatch.toy._water import Extent
from minewatch.types import BoolArray, FloatArray

EPSG: Final = 32620
BLOCK_CELLS: Final = 6
"""The coarsest bands see blocks of 6 × 6 cells, 60 m, that begin on multiples of 60 m."""
PIECE_CELLS: Final = 480
"""Larger windows are looked at in pieces of about this side, so that memory stays bounded."""

Piece = tuple[Cells, tuple[slice, slice]]


def cells_of(geobox: GeoBox) -> tuple[Cells, int]:
    """Find the cells that a geobox covers, and how many of them a pixel has along its side.

    Raises
    ------
    InputError
        If the geobox is not north up in the valley's CRS on its 10 m grid.
    """
    transform: Any = geobox.transform
    if geobox.crs is None or geobox.crs.epsg != EPSG:
        raise InputError(f"the geobox is in {geobox.crs}; the valley lies in EPSG:{EPSG}")
    numbers = (transform.a, transform.e, transform.c, transform.f)
    on_grid = all(float(number) % CELL_M == 0.0 for number in numbers)
    north_up = transform.b == 0 and transform.d == 0 and transform.a == -transform.e > 0
    if not (on_grid and north_up):
        raise InputError(
            f"the geobox has transform {tuple(transform)[:6]}; expected north up, square pixels of "
            f"a multiple of {CELL_M:g} m, and corners on multiples of {CELL_M:g} m"
        )
    factor = int(transform.a / CELL_M)
    rows, columns = geobox.shape.yx
    left, top = int(transform.c / CELL_M), int(-transform.f / CELL_M)
    return Cells(left, top, columns * factor, rows * factor), factor


def see_cover(land: Landscape, geobox: GeoBox, opened: BoolArray) -> npt.NDArray[np.uint8]:
    """Say what covers the cell at each pixel's centre; 0 outside the valley."""
    cells, factor = cells_of(geobox)
    cover = np.zeros(geobox.shape.yx, dtype=np.uint8)
    for piece, place in _pieces(cells, factor):
        found = np.where(inside(land.extent, piece), cover_of(land, piece, opened), 0)
        cover[place] = found[factor // 2 :: factor, factor // 2 :: factor]
    return cover


def see_reflectance(
    land: Landscape, geobox: GeoBox, opened: BoolArray, bands: tuple[str, ...]
) -> FloatArray:
    """Give the noise-free reflectance (band, y, x), each band as sharp as it is; NaN outside."""
    cells, factor = cells_of(geobox)
    values = np.empty((len(bands), *geobox.shape.yx))
    for piece, place in _pieces(cells, factor):
        values[:, *place] = _reflectance(land, piece, opened, bands, factor)
    return values


def photograph(
    land: Landscape, geobox: GeoBox, opened: BoolArray, bands: tuple[str, ...]
) -> npt.NDArray[np.uint16]:
    """Take a picture of a patch (band, y, x): reflectance under its own light, haze and noise."""
    values = see_reflectance(land, geobox, opened, bands)
    cells, factor = cells_of(geobox)
    air = Chance(land.seed, "air", cells.first_column, cells.first_row)
    light, haze, blueness = air.uniform(0.92, 1.08), air.uniform(0.0, 0.012), air.uniform(0.8, 2.2)
    for i, name in enumerate(bands):
        number = SPECTRUM_BANDS.index(name)
        veil = haze * (blueness if number < 3 else 1.0) / (1.0 + 0.5 * number)
        grain = _grain(key_of(land.seed, "grain", name), cells, factor, name)
        values[i] = values[i] * light * (1.0 + 0.012 * grain) + veil + 0.0008 * grain
    numbers = np.floor(values * 10_000.0 + 0.5)
    known = np.isfinite(numbers)
    return np.where(known, np.minimum(np.maximum(numbers, 1.0), MAX_DN), 0.0).astype(np.uint16)


def _grain(key: int, cells: Cells, factor: int, band: str) -> FloatArray:
    """Give a band's noise: one chance for each of its own pixels, be they 10, 20 or 60 m."""
    native = max(1, band_named(band).resolution_m // int(CELL_M))
    columns, rows = cells.columns[::factor] // native, cells.rows[::factor] // native
    if native == 1:
        return bell_cells(key, columns, rows)
    left, top = columns[0], rows[0]
    grain = bell_cells(key, np.arange(left, columns[-1] + 1), np.arange(top, rows[-1] + 1))
    repeated: FloatArray = grain[rows - top][:, columns - left]
    return repeated


def inside(extent: Extent, cells: Cells) -> BoolArray:
    """Say which cells lie in the valley."""
    east, north = cells.eastings - extent.west, cells.northings - extent.south
    across = (east > 0.0) & (east < extent.width_m)
    down = (north > 0.0) & (north < extent.height_m)
    within: BoolArray = down[:, None] & across[None, :]
    return within


def _pieces(cells: Cells, factor: int) -> Iterator[Piece]:
    """Cut cells into pieces of whole pixels; give each with its place among the pixels."""
    step = max(1, PIECE_CELLS // factor)
    n_rows, n_columns = cells.n_rows // factor, cells.n_columns // factor
    for row in range(0, n_rows, step):
        for column in range(0, n_columns, step):
            height, width = min(step, n_rows - row), min(step, n_columns - column)
            piece = Cells(
                cells.first_column + column * factor,
                cells.first_row + row * factor,
                width * factor,
                height * factor,
            )
            yield piece, (slice(row, row + height), slice(column, column + width))


def _reflectance(
    land: Landscape, cells: Cells, opened: BoolArray, bands: tuple[str, ...], factor: int
) -> FloatArray:
    whole, part = _whole_blocks(cells)
    seen = reflectance_of(land, whole, opened, bands)
    outside = ~inside(land.extent, cells)
    layers = []
    for name in bands:
        coarse = seen[name]
        times = whole.n_rows // coarse.shape[0]
        sharp = np.repeat(np.repeat(coarse, times, axis=0), times, axis=1) if times > 1 else coarse
        layer = sharp[part]
        layer[outside] = np.nan
        layers.append(block_mean(layer, factor))
    return np.stack(layers)


def _whole_blocks(cells: Cells) -> Piece:
    """Enlarge to whole 60 m blocks; give the part of the larger that is the smaller."""
    block = BLOCK_CELLS
    left, top = cells.first_column // block * block, cells.first_row // block * block
    right = -(-(cells.first_column + cells.n_columns) // block) * block
    bottom = -(-(cells.first_row + cells.n_rows) // block) * block
    row, column = cells.first_row - top, cells.first_column - left
    part = (slice(row, row + cells.n_rows), slice(column, column + cells.n_columns))
    return Cells(left, top, right - left, bottom - top), part
