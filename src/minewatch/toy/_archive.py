"""Write a year of acquisitions of the valley: STAC items and COGs, as open archives hold them."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from minewatch import _store
from minewatch._progress import Progress, silent
from minewatch.bands import NO_DATA
from minewatch.errors import InputError
from minewatch.toy._archive_areas import BLOCK_M, MIN_SIDE_M, archive_areas
from minewatch.toy._archive_ground import Ground, factor_of, see_year
from minewatch.toy._archive_items import (
    COLLECTION,
    describe_catalog,
    describe_collection,
    describe_product,
    folder_of,
)
from minewatch.toy._archive_plan import Product, Tile, lay_tiles, plan_products
from minewatch.toy._archive_scene import BANDS, MASK, Swath, sees, swath_of, take_pictures
from minewatch.toy._camera import EPSG, cells_of, inside
from minewatch.toy._shapes import CELL_M, Cells
from minewatch.types import AnyArray, StrPath

if TYPE_CHECKING:
    from rasterio.windows import Window

    from minewatch.toy._valley import Valley

BLOCK_PX: Final = 512
"""Side of the files' tiles, pixels."""


def write_archive(
    valley: "Valley",
    folder: StrPath,
    *,
    year: int = 2023,
    area: GeoBox | Iterable[GeoBox] | None = None,
    n_acquisitions: int = 20,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Write a year of Sentinel-2 L2A acquisitions of stretches of the valley.

    The folder is a static STAC catalogue whose items are those of Earth Search v1's
    ``sentinel-2-l2a``: the same assets, files, properties, links. What makes real archives hard is
    in it: clouds, their shadows, cirrus and haze; seasons and mines that open; a swath that ends in
    a stretch; two overlapping tiles; an acquisition in two halves and one that was processed twice;
    baselines before and after 04.00, whose offset is still in the files, was taken out, or was
    taken out though the item denies it. The files span all
    stretches, and store nothing between them. Every item says that it is made up, and by whom
    (``providers``). Equal arguments give equal pixels and items on every
    machine; the bytes of the files depend on the version of GDAL too.

    Parameters
    ----------
    valley
        The valley.
    folder
        Where to write; it appears whole, at the end.
    year
        The year; mines open as they do in the valley, up to the end of 2024.
    area
        What the main tile shows, one stretch or several that do not overlap: north up in
        EPSG:32620, pixels of 10 m, corners on multiples of 60 m, inside the valley. None: those of
        `archive_areas` on the first day of the year. A second tile crosses the southern edge.
    n_acquisitions
        How many passes, 6 to 73, evenly over the year.
    workers
        Threads; None takes one per core, at most four. They change nothing but the time.
    overwrite
        Replace what `folder` holds.
    progress
        Told after each product.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If an area is off the grid, too small, leaves the valley or overlaps another; if the number
        of acquisitions is out of range.
    AlreadyThereError
        If the folder exists, is not empty, and `overwrite` is false.

    Examples
    --------
    >>> import tempfile
    >>> from minewatch import toy
    >>> valley = toy.Valley(seed=1, width_m=12_000, height_m=9_000)
    >>> area = toy.archive_area(valley, side_m=1_200)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = toy.write_archive(valley, folder, area=area, n_acquisitions=6)
    ...     len(list(written.rglob("B04.tif")))
    10
    """
    final = Path(folder)
    _store.refuse_existing(final, overwrite=overwrite)
    stretches = _stretches(valley, area, year)
    products = plan_products(valley.seed, year, n_acquisitions)
    shots = _shots(products, stretches)
    land = valley._land  # noqa: SLF001  # of one room
    days = (date(year, 1, 1), date(year, 12, 31))
    with _store.writing_folder(final, overwrite=overwrite) as aside:
        done, items = 0, {}
        progress("archive", 0, len(shots))
        for tile in lay_tiles(stretches):
            wanted = [shot for shot in shots if shot.tile == tile]
            grounds = [see_year(land, part, days, BANDS) for part in tile.parts]
            for shot, item in _write_products(aside, wanted, grounds, workers):
                items[f"{folder_of(shot.product)}/{shot.product.id}.json"] = item
                done += 1
                progress("archive", done, len(shots))
        items = {path: items[path] for path in sorted(items)}
        _store.write_json(aside / COLLECTION / "collection.json", describe_collection(items))
        title = f"The toy valley of seed {valley.seed} in {year}: made up, no real place"
        _store.write_json(aside / "catalog.json", describe_catalog(title))
    return final


@dataclass(frozen=True)
class Shot:
    """A product, its tile, and where it has data."""

    product: Product
    tile: Tile
    swath: Swath


def _shots(products: list[Product], stretches: tuple[Cells, ...]) -> list[Shot]:
    """Tie products to their tiles; those that would hold no pixel are in no archive."""
    tiles = {tile.name: tile for tile in lay_tiles(stretches)}
    shots = [
        Shot(product, tiles[product.tile], swath_of(product, stretches)) for product in products
    ]
    return [shot for shot in shots if any(sees(shot.swath, part) for part in shot.tile.parts)]


def _stretches(
    valley: "Valley", area: GeoBox | Iterable[GeoBox] | None, year: int
) -> tuple[Cells, ...]:
    if area is None:
        area = archive_areas(valley, on=date(year, 1, 1))
    areas = (area,) if isinstance(area, GeoBox) else tuple(area)
    if not areas:
        raise InputError("area lists no stretch; name one, or leave it out")
    stretches = tuple(_checked(valley, one) for one in areas)
    outlines = [shapely.box(*one.bounds) for one in stretches]
    for one, other in combinations(outlines, 2):
        if one.intersection(other).area > 0.0:
            raise InputError(f"the areas {one.bounds} m and {other.bounds} m overlap")
    return stretches


def _checked(valley: "Valley", area: GeoBox) -> Cells:
    cells, factor = cells_of(area)
    block = int(BLOCK_M / CELL_M)
    numbers = (cells.first_column, cells.first_row, cells.n_columns, cells.n_rows)
    if factor != 1 or any(number % block for number in numbers):
        raise InputError(
            f"the area has pixels of {factor * CELL_M:g} m and bounds {cells.bounds} m; expected "
            f"pixels of {CELL_M:g} m and bounds on multiples of {BLOCK_M:g} m"
        )
    if min(cells.shape) * CELL_M < MIN_SIDE_M:
        raise InputError(f"the area is smaller than {MIN_SIDE_M:g} m on a side")
    if not inside(valley._land.extent, cells).all():  # noqa: SLF001  # of one room
        raise InputError(f"the area, {cells.bounds} m, leaves the valley")
    return cells


def _write_products(
    folder: Path, shots: list[Shot], grounds: list[Ground], workers: int | None
) -> Iterator[tuple[Shot, dict[str, Any]]]:
    def write(shot: Shot) -> dict[str, Any]:
        return _write_product(folder, shot, grounds)

    with ThreadPoolExecutor(workers or min(4, os.cpu_count() or 1)) as pool:
        yield from zip(shots, pool.map(write, shots), strict=True)


def _write_product(folder: Path, shot: Shot, grounds: list[Ground]) -> dict[str, Any]:
    product, tile = shot.product, shot.tile
    place = folder / COLLECTION / folder_of(product)
    place.mkdir(parents=True)
    taken = [take_pictures(product, ground, shot.swath) for ground in grounds]
    for name in BANDS:
        own = [pictures[name] for pictures, _ in taken]
        _write_cog(place / f"{name}.tif", own, tile, factor_of(name))
    _write_cog(place / f"{MASK}.tif", [classes for _, classes in taken], tile, 2)
    counts = np.bincount(np.concatenate([seen.ravel() for _, seen in taken]), minlength=12)
    counts[0] += tile.cells.n_rows * tile.cells.n_columns // 4 - counts.sum()
    item = describe_product(product, tile, shot.swath, counts)
    _store.write_json(place / f"{product.id}.json", item)
    return item


def _write_cog(path: Path, numbers: Sequence[AnyArray], tile: Tile, factor: int) -> None:
    """Write a cloud-optimised GeoTIFF with the settings of the open archive's.

    Blocks without data are left out.
    """
    import rasterio.shutil
    from rasterio.io import MemoryFile

    with MemoryFile() as plain:
        with plain.open(**_profile(tile.cells, factor, numbers[0].dtype)) as writer:
            for part, own in zip(tile.parts, numbers, strict=True):
                if own.any():
                    writer.write(own, 1, window=_window(part, tile.cells, factor))
        rasterio.shutil.copy(
            plain.name,
            path,
            driver="COG",
            compress="DEFLATE",
            predictor="YES",
            blocksize=BLOCK_PX,
            overview_resampling="NEAREST" if path.stem == MASK else "AVERAGE",
            sparse_ok="YES",
        )


def _profile(cells: Cells, factor: int, dtype: np.dtype[Any]) -> dict[str, Any]:
    west, _, _, north = cells.bounds
    size_m = CELL_M * factor
    return {
        "driver": "GTiff",
        "height": cells.n_rows // factor,
        "width": cells.n_columns // factor,
        "count": 1,
        "dtype": dtype,
        "nodata": NO_DATA,
        "crs": f"EPSG:{EPSG}",
        "transform": Affine(size_m, 0.0, west, 0.0, -size_m, north),
        "tiled": True,
        "blockxsize": BLOCK_PX,
        "blockysize": BLOCK_PX,
        "sparse_ok": True,
    }


def _window(part: Cells, whole: Cells, factor: int) -> "Window":
    from rasterio.windows import Window

    column, row = part.first_column - whole.first_column, part.first_row - whole.first_row
    place = (column, row, part.n_columns, part.n_rows)
    return Window(*(number // factor for number in place))
