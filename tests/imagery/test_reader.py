"""Reading files: every layout alike, on the pixel, and never a damaged number."""

import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from numcodecs.zstd import Zstd
from odc.geo.geobox import GeoBox
from rasterio.vrt import WarpedVRT
from rasterio.warp import Resampling, reproject

from minewatch._http import HttpSession, RetryPolicy
from minewatch.grid import PatchGrid
from minewatch.imagery._cog_layout import (
    GarbledError,
    OtherLayoutError,
    decode_block,
    read_layout,
)
from minewatch.imagery._items import BandAsset
from minewatch.imagery._reader import Reader, ReadError
from minewatch.imagery._reader_cog import CogReader
from minewatch.imagery._reader_rasterio import RasterioReader
from minewatch.imagery._sampling import RasterGrid, Window, plan_sampling

LEFT, TOP = 600_000.0, 600_000.0
LAYOUTS: dict[str, dict[str, Any]] = {
    "COG": {"driver": "COG", "compress": "deflate", "predictor": 2, "blocksize": 128},
    "COG without overviews": {
        "driver": "COG", "compress": "deflate", "blocksize": 128, "overviews": "none"
    },
    "COG in ZSTD": {"driver": "COG", "compress": "zstd", "predictor": 2, "blocksize": 128},
    "COG in LZW": {"driver": "COG", "compress": "lzw", "blocksize": 128},
    "COG as BigTIFF": {"driver": "COG", "compress": "deflate", "blocksize": 128, "bigtiff": "yes"},
    "uncompressed COG": {"driver": "COG", "compress": "none", "blocksize": 128},
    "tiles": {"driver": "GTiff", "compress": "deflate", "tiled": True, "blockxsize": 64,
              "blockysize": 64},
    "strips": {"driver": "GTiff", "compress": "deflate", "blockysize": 48},
    "one strip": {"driver": "GTiff", "compress": "deflate", "blockysize": 300},
    "big-endian": {"driver": "GTiff", "compress": "deflate", "tiled": True, "blockxsize": 64,
                   "blockysize": 64, "predictor": 2, "endianness": "big"},
}  # fmt: skip
BY_BLOCK = {"COG", "COG without overviews", "COG in ZSTD", "COG as BigTIFF", "uncompressed COG"}


def made_numbers(rows: int = 300, columns: int = 330) -> npt.NDArray[np.uint16]:
    rng = np.random.default_rng(5)
    ramp = np.add.outer(np.arange(rows) * 3, np.arange(columns) * 5)
    return (1000 + ramp + rng.integers(0, 50, ramp.shape)).astype(np.uint16)


def write(
    path: Path,
    numbers: npt.NDArray[Any],
    *,
    pixel_m: float = 20.0,
    epsg: int = 32620,
    left: float = LEFT,
    top: float = TOP,
    **layout: Any,
) -> BandAsset:
    options = {"driver": "COG", "compress": "deflate", "predictor": 2, "blocksize": 128, **layout}
    if options["driver"] != "COG":
        options = layout
    with rasterio.open(
        path,
        "w",
        height=numbers.shape[0],
        width=numbers.shape[1],
        count=1,
        dtype=numbers.dtype,
        crs=f"EPSG:{epsg}",
        transform=Affine(pixel_m, 0, left, 0, -pixel_m, top),
        nodata=0,
        **options,
    ) as file:
        file.write(numbers, 1)
    return asset(str(path), pixel_m=pixel_m)


def asset(href: str, *, pixel_m: float = 20.0, **said: Any) -> BandAsset:
    facts = {"transform": None, "shape": None, "scale": 1e-4, "offset_dn": 0, "nodata": 0}
    return BandAsset(href=href, resolution_m=pixel_m, **{**facts, **said})


def cog_reader(fallback: Reader | None = None) -> CogReader:
    return CogReader(HttpSession(RetryPolicy(attempts=3, first_wait_s=0.0)), fallback=fallback)


def read(reader: Reader, one: BandAsset, *windows: Window) -> list[npt.NDArray[Any]]:
    with reader.open(one) as file:
        return file.read(windows)


def padded(numbers: npt.NDArray[Any], window: Window) -> npt.NDArray[Any]:
    """Cut a window out of an array, 0 beyond it."""
    margin = 500
    wide = np.pad(numbers, margin)
    row, column = window.row + margin, window.column + margin
    return wide[row : row + window.height, column : column + window.width]


WINDOWS = (
    Window(0, 0, 24, 24),
    Window(100, 120, 24, 24),  # over four blocks
    Window(290, 320, 24, 24),  # over the lower right corner
    Window(-10, -5, 24, 24),  # over the upper left corner
    Window(-100, 10, 24, 24),  # beyond the file
    Window(0, 0, 300, 330),
)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_is_read_to_the_number(layout: str, tmp_path: Path) -> None:
    numbers = made_numbers()
    one = write(tmp_path / "band.tif", numbers, **LAYOUTS[layout])
    for reader in (cog_reader(fallback=RasterioReader()), RasterioReader()):
        for window, found in zip(WINDOWS, read(reader, one, *WINDOWS), strict=True):
            assert found.dtype == np.uint16
            np.testing.assert_array_equal(found, padded(numbers, window))


@pytest.mark.parametrize("layout", sorted(BY_BLOCK))
def test_cogs_are_read_by_block_and_not_by_the_fallback(layout: str, tmp_path: Path) -> None:
    numbers = made_numbers()
    one = write(tmp_path / "band.tif", numbers, **LAYOUTS[layout])
    np.testing.assert_array_equal(read(cog_reader(), one, WINDOWS[1])[0], numbers[100:124, 120:144])


def test_mask_of_bytes_is_read_to_the_number(tmp_path: Path) -> None:
    classes = (made_numbers() % 12).astype(np.uint8)
    one = write(tmp_path / "SCL.tif", classes, predictor=1)
    found = read(cog_reader(), one, WINDOWS[1])[0]
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, classes[100:124, 120:144])


def test_blocks_without_data_are_zero(tmp_path: Path) -> None:
    numbers = made_numbers()
    numbers[:128] = 0
    one = write(tmp_path / "band.tif", numbers, sparse_ok=True)
    np.testing.assert_array_equal(read(cog_reader(), one, Window(0, 0, 300, 330))[0], numbers)


def test_sample_is_the_smallest_overview_whole(tmp_path: Path) -> None:
    numbers = made_numbers(1100, 1000)
    one = write(tmp_path / "band.tif", numbers)
    for reader in (cog_reader(), RasterioReader()):
        with reader.open(one) as file:
            small = file.read_sample()
        assert 30 * 30 < small.size <= 128 * 128
        assert abs(float(small.mean()) - float(numbers.mean())) < 30


def test_sample_of_a_large_file_without_overviews_is_a_few_blocks_from_all_over(
    tmp_path: Path,
) -> None:
    numbers = made_numbers(1100, 1000)
    path = tmp_path / "plain.tif"
    layout = {"driver": "GTiff", "tiled": True, "blockxsize": 64, "blockysize": 64}
    size = {"height": 1100, "width": 1000, "count": 1, "dtype": "uint16"}
    place = {"crs": "EPSG:32620", "transform": Affine(20.0, 0, LEFT, 0, -20.0, TOP)}
    with rasterio.open(path, "w", compress="deflate", **layout, **size, **place) as file:
        file.write(numbers, 1)
    one = asset(str(path), shape=numbers.shape)
    samples = []
    for reader in (cog_reader(RasterioReader()), RasterioReader()):
        with reader.open(one) as opened:
            samples.append(opened.read_sample())
    np.testing.assert_array_equal(*samples)
    assert samples[0].size <= 16 * 64 * 64
    assert abs(float(samples[0].mean()) - float(numbers.mean())) < 300


def test_grid_is_that_of_the_file(tmp_path: Path) -> None:
    one = write(tmp_path / "band.tif", made_numbers())
    for reader in (cog_reader(), RasterioReader()):
        with reader.open(one) as file:
            assert file.grid == RasterGrid(32620, LEFT, TOP, 20.0, (300, 330))


def test_file_is_believed_where_its_item_contradicts_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = made_numbers()
    path = str(write(tmp_path / "band.tif", numbers).href)
    wrong = asset(path, transform=(20.0, 0.0, LEFT + 60, 0.0, -20.0, TOP))
    with cog_reader().open(wrong) as file:
        assert file.grid.left == LEFT
    assert "the file is believed" in caplog.text


def test_missing_file_is_named(tmp_path: Path) -> None:
    nowhere = asset(str(tmp_path / "none.tif"))
    for reader in (cog_reader(), RasterioReader()):
        with pytest.raises(ReadError, match=r"none\.tif"):
            read(reader, nowhere, WINDOWS[0])


def test_file_of_other_numbers_is_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "band.tif", made_numbers().astype(np.float32), predictor=1)
    with pytest.raises(ReadError, match="expected one of uint8 or uint16"):
        read(cog_reader(fallback=RasterioReader()), one, WINDOWS[0])


@pytest.mark.parametrize("layout", ["COG", "COG without overviews"])
def test_damage_is_never_read_as_numbers(layout: str, tmp_path: Path) -> None:
    numbers = made_numbers()
    path = tmp_path / "band.tif"
    one = write(path, numbers, **LAYOUTS[layout])
    sound = path.read_bytes()
    rng = np.random.default_rng(2)
    whole = Window(0, 0, *numbers.shape)
    errors = 0
    for position in rng.integers(len(sound) // 4, len(sound), 60):
        damaged = bytearray(sound)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            found = read(cog_reader(), one, whole)[0]
        except ReadError:
            errors += 1
        else:
            np.testing.assert_array_equal(found, numbers)
    assert errors > 20


@pytest.mark.parametrize("compression", ["deflate", "zstd"])
def test_block_is_never_unpacked_beyond_what_it_may_hold(compression: str, tmp_path: Path) -> None:
    write(tmp_path / "a.tif", made_numbers(), compress=compression)
    layout = read_layout((tmp_path / "a.tif").read_bytes(), None)
    plain = bytes(60_000_000)
    bomb = zlib.compress(plain) if compression == "deflate" else Zstd().encode(plain)
    armed = replace(layout, framed=False, offsets=(0,), counts=(len(bomb),))
    tracemalloc.start()
    with pytest.raises(GarbledError, match="block 0 cannot be unpacked"):
        decode_block(armed, 0, bomb)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1_000_000


def test_block_that_ends_early_is_garbled(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", made_numbers())
    layout = read_layout((tmp_path / "a.tif").read_bytes(), None)
    body = zlib.compress(bytes(layout.block_bytes))[:-4]  # without its checksum
    with pytest.raises(GarbledError):
        decode_block(replace(layout, framed=False, offsets=(0,), counts=(len(body),)), 0, body)


def test_huge_blocks_are_refused_and_take_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "huge.tif"
    form = {"driver": "GTiff", "tiled": True, "blockxsize": 32768, "blockysize": 32768}
    place = {"crs": "EPSG:32620", "transform": Affine(20, 0, LEFT, 0, -20, TOP)}
    options = {"width": 300, "height": 300, "count": 1, "dtype": "uint16", "sparse_ok": True}
    with rasterio.open(file, "w", **form, **place, **options):
        pass
    assert file.stat().st_size < 10_000
    with pytest.raises(OtherLayoutError, match="of more than 67108864 bytes"):
        read_layout(file.read_bytes(), None)
    with pytest.raises(ReadError, match="32768 × 32768 pixels"):
        read(cog_reader(fallback=RasterioReader()), asset(str(file)), Window(0, 0, 10, 10))


@pytest.mark.parametrize("served", [False, True], ids=["disk", "http"])
def test_file_that_leads_on_to_another_is_refused(
    served: bool, tmp_path: Path, serve_archive: Callable[..., Any]
) -> None:
    secret = write(tmp_path / "secret.tif", made_numbers())
    (tmp_path / "served").mkdir()
    trick = tmp_path / "served" / "B04.tif"
    with rasterio.open(secret.href) as file, WarpedVRT(file) as view:
        rasterio.shutil.copy(view, trick, driver="VRT")
    href = str(trick)
    if served:
        href = f"{serve_archive(tmp_path / 'served').url}/data/B04.tif"
    with rasterio.open(trick) as file:
        assert file.driver == "VRT"
    with pytest.raises(ReadError, match=r"B04\.tif"):
        read(RasterioReader(RetryPolicy(attempts=1)), asset(href), Window(0, 0, 10, 10))


def test_jpeg_2000_is_read_to_the_number(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", made_numbers())
    rasterio.shutil.copy(
        tmp_path / "a.tif", tmp_path / "a.jp2", driver="JP2OpenJPEG", QUALITY=100, REVERSIBLE="YES"
    )
    window = Window(10, 20, 30, 40)
    (found,) = read(cog_reader(RasterioReader()), asset(str(tmp_path / "a.jp2")), window)
    np.testing.assert_array_equal(found, padded(made_numbers(), window))


def test_cut_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "band.tif"
    one = write(path, made_numbers())
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ReadError):
        read(cog_reader(), one, Window(0, 0, 300, 330))


def test_file_on_a_server_is_asked_for_twice_and_remembered(
    tmp_path: Path, serve_archive: Callable[..., Any]
) -> None:
    numbers = made_numbers()
    write(tmp_path / "band.tif", numbers)
    server = serve_archive(tmp_path)
    reader = cog_reader()
    one = asset(f"{server.url}/data/band.tif")
    first = read(reader, one, *WINDOWS)
    assert server.counts.requests == 2, "the directory, then all blocks together"
    again = read(reader, one, WINDOWS[1])
    assert server.counts.requests == 3, "only the blocks"
    np.testing.assert_array_equal(first[1], again[0])
    np.testing.assert_array_equal(first[5], numbers)
    reader.close()


def test_only_the_blocks_that_are_needed_travel(
    tmp_path: Path, serve_archive: Callable[..., Any]
) -> None:
    numbers = np.random.default_rng(0).integers(1, 9000, (2048, 2048)).astype(np.uint16)
    write(tmp_path / "band.tif", numbers, blocksize=256)
    server = serve_archive(tmp_path)
    reader = cog_reader()
    one = asset(f"{server.url}/data/band.tif")
    found = read(reader, one, Window(300, 300, 48, 48))[0]
    np.testing.assert_array_equal(found, numbers[300:348, 300:348])
    assert server.counts.bytes_sent < 16_384 + 256 * 256 * 2 * 1.1
    reader.close()


def test_server_that_gives_whole_files_is_understood(
    tmp_path: Path, serve_archive: Callable[..., Any]
) -> None:
    numbers = made_numbers()
    write(tmp_path / "band.tif", numbers, **LAYOUTS["strips"])
    server = serve_archive(tmp_path)
    reader = cog_reader(fallback=RasterioReader(RetryPolicy(attempts=2)))
    found = read(reader, asset(f"{server.url}/data/band.tif"), WINDOWS[1])[0]
    np.testing.assert_array_equal(found, numbers[100:124, 120:144])
    reader.close()


# Where a place's pixels lie.


def place(easting: float = LEFT + 1200.0, northing: float = TOP - 900.0, **grid: Any) -> GeoBox:
    settings = PatchGrid(size_px=12, **grid)
    step = settings.resolution_m
    return GeoBox((12, 12), Affine(step, 0, easting, 0, -step, northing), "EPSG:32620")


def checkerboard(rows: int, columns: int) -> npt.NDArray[np.uint16]:
    return ((np.add.outer(np.arange(rows), np.arange(columns)) % 2) * 1000 + 500).astype(np.uint16)


def sampled(
    numbers: npt.NDArray[np.uint16], geobox: GeoBox, *, pixel_m: float, bilinear: bool = False
) -> npt.NDArray[np.uint16]:
    grid = RasterGrid(32620, LEFT, TOP, pixel_m, numbers.shape)
    plan = plan_sampling(geobox, grid, bilinear=bilinear)
    return plan.take(padded(numbers, plan.window))


@pytest.mark.parametrize("pixel_m", [10.0, 20.0, 60.0])
def test_checkerboard_comes_back_as_exact_repeats(pixel_m: float) -> None:
    board = checkerboard(200, 200)
    found = sampled(board, place(), pixel_m=pixel_m)
    times = int(pixel_m // 10)
    row, column = int(900 // pixel_m), int(1200 // pixel_m)
    part = board[row : row + 12 // times, column : column + 12 // times]
    np.testing.assert_array_equal(found, part.repeat(times, 0).repeat(times, 1))


@pytest.mark.parametrize("pixel_m", [20.0, 60.0])
@pytest.mark.parametrize("shift_m", [-10.0, 10.0, 20.0, 30.0])
def test_unaligned_place_takes_the_pixel_under_each_centre(pixel_m: float, shift_m: float) -> None:
    numbers = made_numbers(200, 200)
    geobox = place(LEFT + 1200 + shift_m, TOP - 900 - shift_m)
    found = sampled(numbers, geobox, pixel_m=pixel_m)
    for y in range(12):
        for x in range(12):
            row = int((900 + shift_m + 10 * y + 5) // pixel_m)
            column = int((1200 + shift_m + 10 * x + 5) // pixel_m)
            assert found[y, x] == numbers[row, column]


def test_southern_patches_are_exact_repeats_too() -> None:
    geobox = PatchGrid().geobox(-56.4, -1.5)
    tile_top = 9_900_040.0  # as all tiles of the south: 40 m past a multiple of 60
    grid = RasterGrid(geobox.crs.epsg, 600_000.0, tile_top, 60.0, (1830, 1830))
    assert plan_sampling(geobox, grid).repeat == 6


def test_place_in_another_zone_is_what_gdal_warps_it_to() -> None:
    numbers = made_numbers(600, 600)
    transform = Affine(20.0, 0, 200_000.0, 0, -20.0, 600_000.0)
    geobox = GeoBox((48, 48), Affine(10, 0, 866_700.0, 0, -10, 596_160.0), "EPSG:32620")
    grid = RasterGrid(32621, 200_000.0, 600_000.0, 20.0, numbers.shape)
    plan = plan_sampling(geobox, grid)
    found = plan.take(padded(numbers, plan.window))
    warped = np.zeros((48, 48), dtype=np.uint16)
    reproject(
        numbers,
        warped,
        src_transform=transform,
        src_crs="EPSG:32621",
        dst_transform=geobox.transform,
        dst_crs="EPSG:32620",
        resampling=Resampling.nearest,
        tolerance=0.0,
    )
    assert warped.all(), "the place lies in the file"
    np.testing.assert_array_equal(found, warped)


@pytest.mark.real
def test_real_scene_in_another_crs_is_what_gdal_warps_it_to(shared_data: Path) -> None:
    path = shared_data / "scenes" / "exeter_series" / "exe_2024-06-02_12-21-19_EPSG27700.tif"
    geobox = GeoBox((560, 580), Affine(10, 0, 461_200, 0, -10, 5_621_700), "EPSG:32630")
    with rasterio.open(path) as file:
        numbers, transform, crs = file.read(3), file.transform, file.crs
    grid = RasterGrid(27700, transform.c, transform.f, transform.a, numbers.shape)
    plan = plan_sampling(geobox, grid)
    found = plan.take(padded(numbers, plan.window))
    warped = np.zeros(geobox.shape.yx, dtype=np.uint16)
    reproject(
        numbers,
        warped,
        src_transform=transform,
        src_crs=crs,
        dst_transform=geobox.transform,
        dst_crs="EPSG:32630",
        resampling=Resampling.nearest,
        tolerance=0.0,
    )
    assert warped.any()
    assert (found != warped).mean() < 0.001, "but for centres that fall between two pixels"


def test_bilinear_is_exact_on_a_slope_and_never_shifts_it() -> None:
    rows, columns = np.mgrid[0:200, 0:200]
    slope = (1000 + 40 * rows + 20 * columns).astype(np.uint16)
    found = sampled(slope, place(), pixel_m=20.0, bilinear=True).astype(float)
    y, x = np.mgrid[0:12, 0:12]
    row, column = (900 + 10 * y + 5) / 20 - 0.5, (1200 + 10 * x + 5) / 20 - 0.5
    np.testing.assert_array_equal(found, 1000 + 40 * row + 20 * column)


def test_bilinear_leaves_out_what_has_no_data() -> None:
    numbers = np.full((200, 200), 700, dtype=np.uint16)
    numbers[:46] = 0
    found = sampled(numbers, place(), pixel_m=20.0, bilinear=True)
    assert set(np.unique(found)) == {0, 700}
    np.testing.assert_array_equal(
        found == 0, np.arange(12)[:, None] < [[2]] * 1 + np.zeros((12, 12))
    )


@pytest.mark.parametrize("bilinear", [False, True])
@pytest.mark.parametrize(("resolution_m", "pixel_m"), [(20.0, 10.0), (60.0, 10.0), (60.0, 20.0)])
def test_coarse_place_is_the_mean_of_whole_pixels_and_never_shifts(
    resolution_m: float, pixel_m: float, *, bilinear: bool
) -> None:
    rows, columns = np.mgrid[0:200, 0:200]
    slope = (1000 + 36 * rows + 12 * columns).astype(np.uint16)
    found = sampled(slope, place(resolution_m=resolution_m), pixel_m=pixel_m, bilinear=bilinear)
    y, x = np.mgrid[0:12, 0:12]
    row = (900 + resolution_m * (y + 0.5)) / pixel_m - 0.5
    column = (1200 + resolution_m * (x + 0.5)) / pixel_m - 0.5
    np.testing.assert_array_equal(found, np.floor(1000 + 36 * row + 12 * column + 0.5))


def test_mean_leaves_out_what_has_no_data_and_rounds_half_up() -> None:
    numbers = np.zeros((200, 200), dtype=np.uint16)
    numbers[90:92, 120:122] = [[10, 0], [0, 11]]
    numbers[90:92, 122:124] = [[10, 11], [0, 13]]
    numbers[92:94, 120:122] = 65535
    found = sampled(numbers, place(resolution_m=20.0), pixel_m=10.0)
    assert found[:2, :3].tolist() == [[11, 11, 0], [65535, 0, 0]]


def test_coarse_mask_is_true_only_where_all_its_pixels_are() -> None:
    mask = np.ones((200, 200), dtype=bool)
    mask[91, 121] = False
    found = sampled(mask, place(resolution_m=20.0), pixel_m=10.0)  # type: ignore[arg-type]  # a mask
    assert not found[0, 0]
    assert found.sum() == 143


def test_bilinear_leaves_finer_bands_as_they_are() -> None:
    board = checkerboard(200, 200)
    np.testing.assert_array_equal(
        sampled(board, place(), pixel_m=10.0, bilinear=True), board[90:102, 120:132]
    )
