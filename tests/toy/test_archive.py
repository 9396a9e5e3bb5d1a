"""The toy archive: laid out as the open one is, hard in its ways, and true to the valley."""

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pystac
import pytest
import rasterio
import shapely
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from minewatch import toy
from minewatch.bands import BANDS, PRESETS, add_offset
from minewatch.errors import AlreadyThereError, InputError
from minewatch.grid import PatchGrid
from minewatch.imagery import FolderSource, SceneQuery
from minewatch.imagery._clouds import clear_pixels
from minewatch.imagery._cog_layout import read_layout
from minewatch.imagery._items import Scene, read_scene
from minewatch.imagery._offsets import settle_offset
from minewatch.imagery._reader_rasterio import RasterioReader
from minewatch.toy._archive import _write_cog
from minewatch.toy._archive_ground import see_year
from minewatch.toy._archive_plan import Tile, plan_products
from minewatch.toy._camera import cells_of
from minewatch.toy._shapes import Cells
from minewatch.toy._weather import draw_sky, see_air, wetness
from minewatch.types import AnyArray

DIGEST = "466b3e3078b9a64a582cea6a98315fe943ab5156e59b3c33aba0471153ee1ce3"
SPREAD_VALLEY = toy.Valley(seed=10, width_m=18_000, height_m=12_000)
L2A = PRESETS["l2a-12"]
COMMON = {band.name: band.common for band in BANDS}
YEAR = (date(2023, 1, 1), date(2023, 12, 31))


@pytest.fixture(scope="module")
def scenes(toy_archive: Path) -> dict[str, Scene]:
    found = {}
    for path in sorted(toy_archive.rglob("S2*.json")):
        scene = read_scene(json.loads(path.read_text()), base_href=str(path))
        found[scene.id] = scene
    return found


def read(href: str) -> AnyArray:
    with rasterio.open(href) as file:
        numbers: AnyArray = file.read(1)
    return numbers


def harmonised(scene: Scene, band: str) -> npt.NDArray[np.uint16]:
    """Give a band's numbers with its offset taken out, as the pixels prove it."""
    settled = settle_offset(scene, read(scene.bands["B04"].href))
    return add_offset(read(scene.bands[band].href), settled.offset_dn)


def pick(scenes: dict[str, Scene], **wanted: Any) -> list[Scene]:
    return [
        scene
        for scene in scenes.values()
        if all(getattr(scene, name) == value for name, value in wanted.items())
    ]


def mask_of(scene: Scene) -> npt.NDArray[np.uint8]:
    assert scene.mask is not None
    return read(scene.mask.href)


def test_pixels_and_items_have_the_committed_digest(toy_archive: Path) -> None:
    digest = hashlib.sha256()
    for path in sorted(toy_archive.rglob("S2*.json")):
        item = json.loads(path.read_text())
        for name in ("geometry", "bbox"):  # their last digits are PROJ's
            del item[name]
        del item["properties"]["proj:centroid"]
        digest.update(json.dumps(item, sort_keys=True).encode())
        for file in sorted(path.parent.glob("*.tif")):
            digest.update(read(str(file)).astype("<u2").tobytes())
    assert digest.hexdigest() == DIGEST


def test_the_number_of_workers_changes_nothing(toy_valley: toy.Valley, tmp_path: Path) -> None:
    area = toy.archive_area(toy_valley, side_m=1_200)
    one, three = (
        toy.write_archive(toy_valley, tmp_path / str(n), area=area, n_acquisitions=6, workers=n)
        for n in (1, 3)
    )
    paths = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert paths == sorted(path.relative_to(three) for path in three.rglob("*") if path.is_file())
    assert all((one / path).read_bytes() == (three / path).read_bytes() for path in paths)


def test_every_item_lists_the_files_of_the_open_archive(toy_archive: Path) -> None:
    for path in toy_archive.rglob("S2*.json"):
        item = json.loads(path.read_text())
        assert set(item["assets"]) == {COMMON[name] for name in L2A} | {"scl"}
        for key, asset in item["assets"].items():
            with rasterio.open(path.parent / asset["href"]) as file:
                assert list(file.shape) == asset["proj:shape"]
                assert list(file.transform)[:6] == asset["proj:transform"]
                assert file.res == (asset["gsd"], asset["gsd"])
                assert file.dtypes == ("uint8" if key == "scl" else "uint16",)
                assert (file.nodata, file.crs.to_epsg()) == (0, 32620)
                assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                assert file.block_shapes == [(512, 512)]


def test_larger_files_have_overviews(tmp_path: Path) -> None:
    cells = Cells(42000, -71400, 600, 600)
    tile = Tile("20NMN", cells, (cells,))
    _write_cog(tmp_path / "B04.tif", [np.full((600, 600), 7, dtype=np.uint16)], tile, 1)
    with rasterio.open(tmp_path / "B04.tif") as file:
        assert file.overviews(1) == [2]


def test_the_catalogue_links_every_item(toy_archive: Path, scenes: dict[str, Scene]) -> None:
    catalog = pystac.Catalog.from_file(str(toy_archive / "catalog.json"))
    items = list(catalog.get_items(recursive=True))
    assert sorted(item.id for item in items) == sorted(scenes)
    assert all(Path(item.assets["red"].get_absolute_href() or "").is_file() for item in items)
    collection = next(iter(catalog.get_children()))
    assert isinstance(collection, pystac.Collection)
    west, south, east, north = collection.extent.spatial.bboxes[0]
    outline = shapely.box(west, south, east, north)
    assert all(outline.covers(shapely.box(*item.bbox)) for item in items if item.bbox)


@pytest.mark.real
def test_items_say_what_earth_search_says(toy_archive: Path, shared_data: Path) -> None:
    name = "es-v1-sentinel-2-l2a__S2B_24MUV_20250731_0_L2A.json"
    real = json.loads((shared_data / "stac" / "items" / name).read_text())
    ours = [json.loads(path.read_text()) for path in toy_archive.rglob("S2*.json")]
    left_out = {"earthsearch:s3_path", "earthsearch:payload_id", "processing:software"}
    for item in ours:
        said = set(item["properties"]) - {"proj:code"} | {"proj:epsg"}
        assert set(real["properties"]) - said - left_out <= {"s2:dark_features_percentage"}
        for key, asset in item["assets"].items():
            assert set(real["assets"][key]) <= set(asset), key


def test_baselines_before_and_after_the_offset_are_there(scenes: dict[str, Scene]) -> None:
    said = {(scene.baseline, scene.offset_dn, scene.doubtful_offset) for scene in scenes.values()}
    assert said == {
        ("03.01", 0, False),
        ("04.00", -1000, True),
        ("05.00", 0, False),
        ("05.09", 0, False),
    }


def test_one_item_denies_that_its_offset_was_taken_out(scenes: dict[str, Scene]) -> None:
    wrong = [
        scene
        for scene in pick(scenes, tile="20NMN")
        if settle_offset(scene, read(scene.bands["B04"].href)).offset_dn != scene.offset_dn
    ]
    assert len(wrong) == 1
    assert wrong[0].baseline == "04.00"


def test_dark_pixels_agree_once_the_offset_is_out(scenes: dict[str, Scene]) -> None:
    darkest = {}
    for scene in pick(scenes, tile="20NMN"):
        clear = clear_pixels(mask_of(scene), clear_threshold=1.0)
        numbers = harmonised(scene, "B05")[clear]
        if numbers.size > 2_000:
            darkest[scene.id] = float(np.percentile(numbers, 2))
    assert len(darkest) >= 5
    assert max(darkest.values()) - min(darkest.values()) < 250


def test_the_tiles_of_one_pass_show_the_same_ground(scenes: dict[str, Scene]) -> None:
    for south in pick(scenes, tile="20NMM"):
        name = south.id.replace("20NMM", "20NMN")
        north = scenes.get(name, south)
        if north.datastrip != south.datastrip or north.baseline != south.baseline:
            continue
        for band in ("B02", "B11", "B01"):
            upper, lower = read(north.bands[band].href), read(south.bands[band].href)
            transforms = north.bands[band].transform, south.bands[band].transform
            assert transforms[0] is not None
            assert transforms[1] is not None
            start = round((transforms[0][5] - transforms[1][5]) / transforms[0][0])
            height = upper.shape[0] - start
            assert height > 0
            np.testing.assert_array_equal(upper[start:], lower[:height])


def test_the_halves_of_a_split_acquisition_make_a_whole(scenes: dict[str, Scene]) -> None:
    by_datatake: dict[str | None, list[Scene]] = {}
    for scene in pick(scenes, tile="20NMN"):
        by_datatake.setdefault(scene.datatake, []).append(scene)
    halves = [group for group in by_datatake.values() if len({one.datastrip for one in group}) == 2]
    assert len(halves) == 1
    first, second = (read(scene.bands["B03"].href) for scene in halves[0])
    assert ((first > 0) | (second > 0)).all()
    both = (first > 0) & (second > 0)
    assert 0 < both.mean() < 0.1
    np.testing.assert_array_equal(first[both], second[both])


def test_one_acquisition_was_processed_twice(scenes: dict[str, Scene]) -> None:
    again = pick(scenes, baseline="05.00", tile="20NMN")
    assert len(again) == 1
    before = next(
        scene
        for scene in pick(scenes, datastrip=again[0].datastrip, tile="20NMN")
        if scene is not again[0]
    )
    assert before.generated is not None
    assert again[0].generated is not None
    assert before.generated < again[0].generated
    old, new = (harmonised(scene, "B04").astype(float) for scene in (before, again[0]))
    assert 0.97 < np.median(new / old) < 0.999


def test_footprints_outline_the_valid_pixels(scenes: dict[str, Scene], toy_area: GeoBox) -> None:
    partial = 0
    for scene in pick(scenes, tile="20NMN"):
        valid = read(scene.bands["B02"].href) > 0
        partial += not valid.all()
        outline = shapely.force_2d(scene.footprint)
        geometry = pystac_to_utm(outline)
        rows, columns = np.indices(valid.shape)
        transform = toy_area.transform
        eastings = transform.c + 10.0 * (columns + 0.5)
        northings = transform.f - 10.0 * (rows + 0.5)
        shapely.prepare(geometry)
        inside = shapely.contains_xy(geometry, eastings, northings)
        assert (inside != valid).mean() < 0.002, scene.id
    assert partial >= 3


def pystac_to_utm(geometry: shapely.Geometry) -> shapely.Geometry:
    from pyproj import Transformer

    to_utm = Transformer.from_crs(4326, 32620, always_xy=True)
    return shapely.transform(
        geometry, lambda points: np.column_stack(to_utm.transform(points[:, 0], points[:, 1]))
    )


def test_no_band_is_black_where_the_mask_knows_something(scenes: dict[str, Scene]) -> None:
    for scene in scenes.values():
        known = mask_of(scene) > 0
        assert (read(scene.bands["B8A"].href)[known] > 0).all()
        assert (read(scene.bands["B8A"].href)[~known] == 0).all()


def test_clouds_are_bright_and_shadows_dark(scenes: dict[str, Scene]) -> None:
    seen = 0
    for scene in pick(scenes, tile="20NMN"):
        classes, infrared = mask_of(scene), harmonised(scene, "B8A").astype(float)
        if min((classes == name).sum() for name in (3, 4, 9)) < 200:
            continue
        seen += 1
        shade, plants, cloud = (np.median(infrared[classes == name]) for name in (3, 4, 9))
        assert shade < 0.75 * plants < plants < 0.8 * cloud
    assert seen >= 2


def test_the_sky_is_the_same_through_every_window() -> None:
    sky = draw_sky(3, date(2023, 7, 4), 0.4, "cumulus")
    whole = see_air(sky, Cells(42000, -71400, 240, 180))
    part = see_air(sky, Cells(42060, -71340, 120, 60))
    for name in ("cloud", "bright", "shadow", "cirrus", "haze"):
        np.testing.assert_array_equal(
            getattr(whole, name)[60:120, 60:180], getattr(part, name), err_msg=name
        )


def test_shadows_lie_away_from_the_sun() -> None:
    sky = draw_sky(3, date(2023, 1, 4), 0.4, "cumulus")  # the sun stands in the south-east
    right, down = sky.shadow
    assert right < 0
    assert down < 0
    air = see_air(sky, Cells(42000, -71400, 480, 480))
    moved = np.roll(air.cloud, (down, right), axis=(0, 1))
    inner = slice(200, -200)
    there = (moved[inner, inner] > 0.9) & (air.cloud[inner, inner] == 0)
    assert (air.shadow[inner, inner][there] > 0.9).all()


def test_the_wet_season_is_cloudier_than_the_dry() -> None:
    assert wetness(date(2023, 3, 15)) < 0.1 < 0.9 < wetness(date(2023, 7, 15))

    def cloudy(months: tuple[int, ...]) -> float:
        skies = [
            product.acquisition.sky.weather
            for product in plan_products(5, 2023, 73)
            if product.acquisition.day.month in months
        ]
        return sum(weather in ("broken", "overcast") for weather in skies) / len(skies)

    assert cloudy((1, 2, 3, 12)) < 0.35 < cloudy((6, 7, 8, 9))


@pytest.mark.parametrize("n", [6, 8, 20, 37, 73])
def test_every_kind_is_there_however_many_there_are(n: int) -> None:
    products = plan_products(1, 2023, n)
    acquisitions = {product.acquisition.start for product in products}
    assert len(acquisitions) == n
    assert len({product.id for product in products}) == len(products)
    assert max(acquisitions).year == min(acquisitions).year == 2023
    assert {product.offset for product in products} == {
        "none yet", "still in", "taken out", "taken out, said to be in",
    }  # fmt: skip
    assert {product.part for product in products} == {"whole", "north", "south"}
    assert {product.baseline for product in products} == {"03.01", "04.00", "05.00", "05.09"}
    assert len({product.acquisition.orbit for product in products}) == 2
    assert len({product.tile for product in products}) == 2


def test_the_dry_ground_of_a_day_is_the_valley_on_that_day(toy_valley: toy.Valley) -> None:
    mines = toy_valley.mines.to_crs(32620)
    late = mines[(mines["opened"] >= "2023-02-01") & (mines["opened"] < "2023-12-01")]
    west, south, east, north = (v // 60 * 60 for v in late.geometry.iloc[0].bounds)
    shape = (int((north - south) // 10 + 60), int((east - west) // 10 + 60))
    geobox = GeoBox(shape, Affine(10.0, 0, west - 240, 0, -10.0, north + 300), "EPSG:32620")
    ground = see_year(toy_valley._land, cells_of(geobox)[0], YEAR, ("B04", "B11"))
    assert len(ground.changes) >= 1
    opened = late["opened"].iloc[0].date()
    for day in (YEAR[0], opened, YEAR[1]):
        expected = toy_valley.reflectance(geobox, bands=["B04", "B11"], on=day).to_numpy()
        seen = ground.on(day, "B04", 0.0), ground.on(day, "B11", 0.0)
        np.testing.assert_array_equal(seen[0], expected[0].astype(np.float32))
        np.testing.assert_array_equal(seen[1], expected[1][::2, ::2].astype(np.float32))
    before, after = (ground.on(day, "B04", 0.0) for day in YEAR)
    assert np.abs(after - before).max() > 0.05


def test_the_wet_season_is_another_ground(toy_valley: toy.Valley, toy_area: GeoBox) -> None:
    ground = see_year(toy_valley._land, cells_of(toy_area)[0], YEAR, ("B04", "B08"))
    dry, wet = (ground.on(YEAR[0], "B08", share) for share in (0.0, 1.0))
    half = ground.on(YEAR[0], "B08", 0.5)
    assert 0.001 < np.abs(wet - dry).mean() < 0.03
    np.testing.assert_allclose(half, (dry + wet) / 2, rtol=1e-5)


def test_the_median_of_clear_views_is_the_valley(
    scenes: dict[str, Scene], toy_valley: toy.Valley, toy_area: GeoBox
) -> None:
    stacks: dict[str, list[AnyArray]] = {"B02": [], "B04": [], "B08": []}
    for scene in pick(scenes, tile="20NMN"):
        clear = np.kron(clear_pixels(mask_of(scene), clear_threshold=1.0), np.ones((2, 2), bool))
        for name, stack in stacks.items():
            stack.append(np.where(clear, harmonised(scene, name), np.nan))
    truth = toy_valley.reflectance(toy_area, bands=list(stacks), on=date(2023, 6, 30)).to_numpy()
    for layer, stack in zip(truth, stacks.values(), strict=True):
        numbers = np.stack(stack)
        enough = np.isfinite(numbers).sum(axis=0) >= 3
        assert enough.mean() > 0.5
        composite = np.nanmedian(numbers[:, enough], axis=0) * 1e-4
        error = np.abs(composite - layer[enough])
        assert np.median(error) < 0.008
        assert np.corrcoef(composite, layer[enough])[0, 1] > 0.97


def test_sites_lie_within_the_area_they_are_asked_for(
    toy_valley: toy.Valley, toy_area: GeoBox, toy_sites: gpd.GeoDataFrame
) -> None:
    box = toy_area.boundingbox
    cover = {name: code for code, name in toy.COVERS.items()}
    for site in toy_sites.itertuples():
        patch = PatchGrid().geobox(site.geometry.x, site.geometry.y)
        bounds = patch.boundingbox
        assert bounds.left >= box.left
        assert bounds.right <= box.right
        assert bounds.bottom >= box.bottom
        assert bounds.top <= box.top
        mine = toy_valley.land_cover(patch, on=date(2022, 12, 31)) == cover["mine"]
        assert bool(mine.any()) == (site.label == 1)


def test_an_area_without_room_is_refused(toy_valley: toy.Valley, toy_area: GeoBox) -> None:
    with pytest.raises(InputError, match="no room for 20000"):
        toy_valley.sites(20_000, 0, within=toy_area)


def test_the_default_area_has_mines_and_lies_in_the_valley() -> None:
    valley = toy.Valley(seed=1)
    area = toy.archive_area(valley).boundingbox
    inside = valley.mines.to_crs(32620).within(shapely.box(*area))
    assert inside.sum() >= 20
    whole = valley.geobox.boundingbox
    assert whole.left <= area.left < area.right <= whole.right
    assert whole.bottom <= area.bottom < area.top <= whole.top


def test_a_folder_that_holds_something_is_left_alone(
    toy_valley: toy.Valley, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(AlreadyThereError):
        toy.write_archive(toy_valley, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("shift", "size", "words"),
    [((10, 0), 240, "multiples of 60"), ((0, 0), 60, "smaller"), ((-60, 0), 240, "leaves")],
)
def test_areas_off_the_grid_or_beyond_it_are_refused(
    toy_valley: toy.Valley, tmp_path: Path, shift: tuple[int, int], size: int, words: str
) -> None:
    corner = toy_valley.geobox.transform
    transform = Affine(10.0, 0, corner.c + shift[0], 0, -10.0, corner.f + shift[1])
    area = GeoBox((size, size), transform, "EPSG:32620")
    with pytest.raises(InputError, match=words):
        toy.write_archive(toy_valley, tmp_path / "archive", area=area)
    assert not (tmp_path / "archive").exists()


@pytest.mark.parametrize("n", [5, 74])
def test_years_of_too_few_or_too_many_are_refused(
    toy_valley: toy.Valley, tmp_path: Path, n: int
) -> None:
    with pytest.raises(InputError, match="n_acquisitions"):
        toy.write_archive(toy_valley, tmp_path / "archive", n_acquisitions=n)


@pytest.mark.parametrize("side_m", [600, 2_410])
def test_sides_that_fit_no_grid_are_refused(toy_valley: toy.Valley, side_m: float) -> None:
    with pytest.raises(InputError, match="side_m"):
        toy.archive_area(toy_valley, side_m=side_m)


@pytest.fixture(scope="module")
def areas() -> list[GeoBox]:
    """Give three stretches of 1.2 km, 3 km or more apart."""
    return toy.archive_areas(SPREAD_VALLEY, 3, side_m=1_200, on=date(2023, 1, 1))


@pytest.fixture(scope="module")
def spread_archive(areas: list[GeoBox], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an archive of those three, in one pair of tiles."""
    folder = tmp_path_factory.mktemp("spread") / "toy"
    return toy.write_archive(SPREAD_VALLEY, folder, area=areas, n_acquisitions=6)


def whole_item(archive: Path) -> dict[str, Any]:
    """Give the item of the main tile with the fewest pixels without data."""
    items = [json.loads(path.read_text()) for path in archive.rglob("*20NMN*.json")]
    return min(items, key=lambda item: float(item["properties"]["s2:nodata_pixel_percentage"]))


def test_stretches_lie_apart_and_in_the_valley() -> None:
    found = toy.archive_areas(toy.Valley(seed=1))
    outlines = [shapely.box(*area.boundingbox) for area in found]
    whole = shapely.box(*toy.Valley(seed=1).geobox.boundingbox)
    assert len(found) == 24
    assert all(whole.covers(outline) for outline in outlines)
    distances = [one.distance(other) for i, one in enumerate(outlines) for other in outlines[:i]]
    assert min(distances) >= 3_000
    assert shapely.union_all(outlines).envelope.area > 0.6 * whole.area


def test_mines_count_only_where_they_are_open() -> None:
    valley = toy.Valley(seed=1)
    mines = valley.mines.to_crs(32620)
    early = mines[mines["opened"] < "2020-01-01"]

    def count_early(found: list[GeoBox]) -> int:
        return sum(int(early.within(shapely.box(*area.boundingbox)).sum()) for area in found)

    by_then = toy.archive_areas(valley, 8, on=date(2020, 1, 1))
    assert count_early(by_then) > count_early(toy.archive_areas(valley, 8))


def test_nothing_is_stored_between_stretches(spread_archive: Path) -> None:
    item = whole_item(spread_archive)
    path = next(spread_archive.rglob(f"{item['id']}.json")).parent / "B04.tif"
    layout = read_layout(path.read_bytes(), path.stat().st_size)
    assert 0 < sum(count > 0 for count in layout.counts) <= 0.8 * len(layout.counts)


def test_a_spread_archive_reads_the_same_by_block_and_by_gdal(
    spread_archive: Path, areas: list[GeoBox]
) -> None:
    query = SceneQuery(start="2023-01-01", end="2023-12-31", bands=["B02", "B05", "B01"])
    for area in areas:
        by_block = FolderSource(spread_archive).load(area, query)
        by_gdal = FolderSource(spread_archive, reader=RasterioReader()).load(area, query)
        xr.testing.assert_equal(by_block, by_gdal)
        assert (by_block["clear_count"] > 0).mean() > 0.9


def test_a_stretch_shows_the_same_ground_alone_and_among_others(
    spread_archive: Path, areas: list[GeoBox], tmp_path: Path
) -> None:
    alone = toy.write_archive(SPREAD_VALLEY, tmp_path / "alone", area=areas[0], n_acquisitions=6)
    item = whole_item(spread_archive)
    west, south, east, north = areas[0].boundingbox
    for band in ("B04", "B11", "B09"):
        seen = []
        for archive in (spread_archive, alone):
            path = next(archive.rglob(f"{item['id']}.json")).parent / f"{band}.tif"
            with rasterio.open(path) as file:
                window = file.window(west, south, east, north)
                seen.append(file.read(1, window=window.round()))
        np.testing.assert_array_equal(*seen)
        assert seen[0].any()


def test_footprints_leave_out_what_lies_between_stretches(
    spread_archive: Path, areas: list[GeoBox]
) -> None:
    footprint = shapely.geometry.shape(whole_item(spread_archive)["geometry"])
    stretches = shapely.union_all([shapely.box(*area.boundingbox) for area in areas])
    assert footprint.geom_type == "MultiPolygon"
    assert pystac_to_utm(footprint).symmetric_difference(stretches).area < 0.01 * stretches.area


def test_a_place_between_stretches_has_no_scene(spread_archive: Path) -> None:
    west, south, east, north = pystac_to_utm(
        shapely.geometry.shape(whole_item(spread_archive)["geometry"])
    ).bounds
    corner = Affine(10.0, 0, (west + east) // 120 * 60, 0, -10.0, (south + north) // 120 * 60)
    query = SceneQuery(start="2023-01-01", end="2023-12-31", bands="rgb")
    found = FolderSource(spread_archive).load(GeoBox((12, 12), corner, "EPSG:32620"), query)
    assert found.attrs["scenes"] == []
    assert (found["clear_count"] == 0).all()


def test_items_say_that_they_are_made_up_and_composites_repeat_it(spread_archive: Path) -> None:
    items = [json.loads(path.read_text()) for path in spread_archive.rglob("S2*.json")]
    for item in items:
        assert read_scene(item, base_href="x/item.json").maker == (
            "made up, the toy valley of minewatch, no real place (CC0-1.0)"
        )
    collection = json.loads(next(spread_archive.rglob("collection.json")).read_text())
    assert collection["providers"] == items[0]["properties"]["providers"]


def test_sites_lie_within_one_of_several_areas(areas: list[GeoBox]) -> None:
    sites = SPREAD_VALLEY.sites(4, 12, within=areas, on=date(2023, 1, 1))
    outlines = [shapely.box(*area.boundingbox) for area in areas]
    patches = [
        shapely.box(*PatchGrid().geobox(point.x, point.y).boundingbox) for point in sites.geometry
    ]
    where = [[outline.covers(patch) for outline in outlines] for patch in patches]
    assert all(sum(inside) == 1 for inside in where)
    assert len({inside.index(True) for inside in where}) > 1


def test_areas_that_overlap_or_are_none_are_refused(areas: list[GeoBox], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="overlap"):
        toy.write_archive(SPREAD_VALLEY, tmp_path / "archive", area=[areas[0]] * 2)
    with pytest.raises(InputError, match="no stretch"):
        toy.write_archive(SPREAD_VALLEY, tmp_path / "archive", area=[])
    with pytest.raises(InputError, match="no area"):
        SPREAD_VALLEY.sites(1, 1, within=[])
    with pytest.raises(InputError, match="n_areas is 0"):
        toy.archive_areas(SPREAD_VALLEY, 0)
