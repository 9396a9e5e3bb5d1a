"""Write a year of acquisitions of the valley: STAC items and COGs, as open archives hold them."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from affine import Affine
from odc.geo.geobox import GeoBox

from minewatch import _store
from minewatch._progress import Progress, silent
from minewatch.bands import NO_DATA
from minewatch.errors import InputError
from minewatch.toy._archive_ground import Ground, factor_of, see_year
from minewatch.toy._archive_items import (
    COLLECTION,
    describe_catalog,
    describe_collection,
    describe_product,
    folder_of,
)
from minewatch.toy._archive_plan import Product, plan_products, tile_cells
from minewatch.toy._archive_scene import BANDS, MASK, swath_of, take_pictures
from minewatch.toy._camera import EPSG, cells_of, inside
from minewatch.toy._landscape import Landscape
from minewatch.toy._shapes import CELL_M, Cells, Polygons
from minewatch.types import AnyArray, StrPath

if TYPE_CHECKING:
    from minewatch.toy._valley import Valley

SIDE_M: Final = 8_640.0
BLOCK_M: Final = 60.0
STEP_M: Final = 600.0
MIN_SIDE_M: Final = 1_200.0
BLOCK_PX: Final = 512
"""Side of the files' tiles, pixels."""


def archive_area(valley: "Valley", *, side_m: float = SIDE_M) -> GeoBox:
    """Choose the stretch of a valley that an archive shows: the square with the most in it.

    Mines, the river, pastures, ponds, villages and sandbars count, up to what is enough of each.

    Parameters
    ----------
    valley
        The valley.
    side_m
        Side of the square, metres: a multiple of 60, at least 1,200. A valley that is smaller is
        shown whole in that direction.

    Returns
    -------
    GeoBox
        On the valley's 10 m grid, its corners on multiples of 60 m.

    Raises
    ------
    InputError
        If the side is too short or not a multiple of 60 m.

    Examples
    --------
    >>> from minewatch import toy
    >>> archive_area(toy.Valley(seed=1), side_m=3_000).shape.yx
    (300, 300)
    """
    if not (side_m >= MIN_SIDE_M and side_m % BLOCK_M == 0):
        raise InputError(
            f"side_m is {side_m:g}; expected a multiple of {BLOCK_M:g} m from {MIN_SIDE_M:g} m on"
        )
    box = valley.geobox.boundingbox
    width_m, height_m = min(side_m, box.right - box.left), min(side_m, box.top - box.bottom)
    west, north = _best_corner(valley._land, (width_m, height_m))  # noqa: SLF001  # of one room
    shape = (int(height_m / CELL_M), int(width_m / CELL_M))
    return GeoBox(shape, Affine(CELL_M, 0.0, west, 0.0, -CELL_M, north), valley.geobox.crs)


def _best_corner(land: Landscape, size_m: tuple[float, float]) -> tuple[float, float]:
    """Find the upper left corner of the window with the most mines and the most of all else."""
    extent = land.extent
    best = (-1, extent.west, extent.south + extent.height_m)
    south = extent.south
    while south + size_m[1] <= extent.south + extent.height_m:
        west = extent.west
        while west + size_m[0] <= extent.west + extent.width_m:
            worth = _worth(land, (west, south, west + size_m[0], south + size_m[1]))
            if worth > best[0]:
                best = (worth, west, south + size_m[1])
            west += STEP_M
        south += STEP_M
    return best[1], best[2]


def _worth(land: Landscape, window: tuple[float, float, float, float]) -> int:
    """Count what is wholly in a window, up to what is enough of each kind."""
    west, south, east, north = window
    total = 0
    for number, (polygons, enough, points) in enumerate(_worths(land)):
        bounds = polygons.bounds
        within = (bounds[:, 0] >= west) & (bounds[:, 2] <= east)
        within &= (bounds[:, 1] >= south) & (bounds[:, 3] <= north)
        total += min(int(within.sum()), enough) * points
        if number == 0:
            sizes = (bounds[:, 2] - bounds[:, 0]) * (bounds[:, 3] - bounds[:, 1])
            total += min(int((sizes * within).max(initial=0.0) * 1e-4), 15)
    course = land.river.segments
    flows = (course[:, 0] > west) & (course[:, 0] < east)
    flows &= (course[:, 1] > south) & (course[:, 1] < north)
    return total + min(int(flows.sum()) // 5, 25)


def _worths(land: Landscape) -> tuple[tuple[Polygons, int, int], ...]:
    return (
        (land.mines, 35, 1),
        (land.pastures, 15, 1),
        (land.villages, 3, 3),
        (land.ponds, 10, 1),
        (land.sandbars, 4, 1),
    )


def write_archive(
    valley: "Valley",
    folder: StrPath,
    *,
    year: int = 2023,
    area: GeoBox | None = None,
    n_acquisitions: int = 20,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Write a year of Sentinel-2 L2A acquisitions of a stretch of the valley.

    The folder is a static STAC catalogue whose items are those of Earth Search v1's
    ``sentinel-2-l2a``: the same assets, files, properties, links. What makes real archives hard is
    in it: clouds, their shadows, cirrus and haze; seasons and mines that open; a swath that ends in
    the area; two overlapping tiles; an acquisition in two halves and one that was processed twice;
    baselines before and after 04.00, whose offset is still in the files, was taken out, or was
    taken out though the item denies it. Equal arguments give equal pixels and items on every
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
        What the main tile shows: north up in EPSG:32620, pixels of 10 m, corners on multiples of
        60 m, inside the valley. None: `archive_area`. A second tile crosses its southern edge.
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
        If the area is off the grid, too small or leaves the valley; if the number of acquisitions
        is out of range.
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
    cells = _checked(valley, archive_area(valley) if area is None else area)
    products = plan_products(valley.seed, year, n_acquisitions)
    tiles = tile_cells(cells)
    land = valley._land  # noqa: SLF001  # of one room
    with _store.writing_folder(final, overwrite=overwrite) as aside:
        done, items = 0, {}
        progress("archive", 0, len(products))
        for tile, own in tiles.items():
            wanted = [product for product in products if product.tile == tile]
            ground = see_year(land, own, (date(year, 1, 1), date(year, 12, 31)), BANDS)
            for product, item in _write_products(aside, wanted, ground, cells, workers):
                items[f"{folder_of(product)}/{product.id}.json"] = item
                done += 1
                progress("archive", done, len(products))
        items = {path: items[path] for path in sorted(items)}
        _store.write_json(aside / COLLECTION / "collection.json", describe_collection(items))
        title = f"The toy valley of seed {valley.seed} in {year}"
        _store.write_json(aside / "catalog.json", describe_catalog(title))
    return final


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
    folder: Path, products: list[Product], ground: Ground, area: Cells, workers: int | None
) -> Iterator[tuple[Product, dict[str, Any]]]:
    def write(product: Product) -> dict[str, Any]:
        return _write_product(folder, product, ground, area)

    with ThreadPoolExecutor(workers or min(4, os.cpu_count() or 1)) as pool:
        yield from zip(products, pool.map(write, products), strict=True)


def _write_product(folder: Path, product: Product, ground: Ground, area: Cells) -> dict[str, Any]:
    cells = ground.start.cells
    place = folder / COLLECTION / folder_of(product)
    place.mkdir(parents=True)
    pictures, classes = take_pictures(product, ground, area)
    for name, numbers in pictures.items():
        _write_cog(place / f"{name}.tif", numbers, cells, factor_of(name))
    _write_cog(place / f"{MASK}.tif", classes, cells, 2)
    item = describe_product(product, cells, swath_of(product, area), classes)
    _store.write_json(place / f"{product.id}.json", item)
    return item


def _write_cog(path: Path, numbers: AnyArray, cells: Cells, factor: int) -> None:
    """Write a cloud-optimised GeoTIFF with the settings of the open archive's."""
    import rasterio.shutil
    from rasterio.io import MemoryFile

    west, _, _, north = cells.bounds
    size_m = CELL_M * factor
    profile = {
        "driver": "GTiff",
        "height": numbers.shape[0],
        "width": numbers.shape[1],
        "count": 1,
        "dtype": numbers.dtype,
        "nodata": NO_DATA,
        "crs": f"EPSG:{EPSG}",
        "transform": Affine(size_m, 0.0, west, 0.0, -size_m, north),
    }
    with MemoryFile() as plain:
        with plain.open(**profile) as writer:
            writer.write(numbers, 1)
        rasterio.shutil.copy(
            plain.name,
            path,
            driver="COG",
            compress="DEFLATE",
            predictor="YES",
            blocksize=BLOCK_PX,
            overview_resampling="NEAREST" if path.stem == MASK else "AVERAGE",
        )
