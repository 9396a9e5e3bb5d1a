"""Sources of scenes: the same pixels from a folder, a server and plain rasterio."""

import json
import os
import shutil
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from minewatch._http import RetryPolicy
from minewatch.bands import add_offset
from minewatch.errors import (
    BandError,
    ImageryError,
    InputError,
    LevelError,
    NotThereError,
    SceneError,
)
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery, check_composite
from minewatch.imagery._choose import choose_scenes
from minewatch.imagery._clouds import clear_pixels
from minewatch.imagery._documents import SceneShelf, folder_items
from minewatch.imagery._folder import FolderSource
from minewatch.imagery._items import BandAsset
from minewatch.imagery._offsets import settle_offset
from minewatch.imagery._reader import ReadError
from minewatch.imagery._reader_rasterio import RasterioReader
from minewatch.imagery._source import SearchResult
from minewatch.imagery._stac import StacSource
from minewatch.types import Failure

COLLECTION = "sentinel-2-l2a"
YEAR = {"start": "2023-01-01", "end": "2023-12-31"}
QUERY = SceneQuery(**YEAR)
RGB = SceneQuery(**YEAR, bands="rgb")
HASTY = RetryPolicy(first_wait_s=0.001, longest_wait_s=0.01, read_timeout_s=2.0)


@pytest.fixture(scope="module")
def places(toy_area: GeoBox) -> dict[str, GeoBox]:
    """Put 20 patches over the archive; some reach over the edge of its main tile."""
    rng = np.random.default_rng(4)
    box = toy_area.boundingbox
    found = {}
    for i in range(20):
        left = 60 * round(rng.uniform(box.left - 240, box.right - 240) / 60)
        top = 60 * round(rng.uniform(box.bottom + 240, box.top + 240) / 60)
        transform = Affine(10, 0, left, 0, -10, top)
        found[f"place-{i:02d}"] = GeoBox((48, 48), transform, "EPSG:32620")
    return found


@pytest.fixture(scope="module")
def from_folder(toy_archive: Path, places: Mapping[str, GeoBox]) -> dict[str, xr.Dataset]:
    return loaded(FolderSource(toy_archive), places)


def loaded(
    source: FolderSource | StacSource,
    places: Mapping[str, GeoBox],
    query: SceneQuery = QUERY,
) -> dict[str, xr.Dataset]:
    found: dict[str, xr.Dataset] = {}
    for key, composite in source.load_many(places, query):
        assert isinstance(composite, xr.Dataset), composite
        found[key] = check_composite(composite, bands=query.bands)
    return found


def one_place(toy_area: GeoBox, *, size_px: int = 48, right_m: float = 960.0) -> GeoBox:
    box = toy_area.boundingbox
    transform = Affine(10, 0, box.left + right_m, 0, -10, box.top - 420)
    return GeoBox((size_px, size_px), transform, "EPSG:32620")


# The reference: whole files by rasterio, NumPy's own median, one place at a time.


@lru_cache(maxsize=512)
def whole(href: str) -> tuple[npt.NDArray[Any], Affine]:
    with rasterio.open(href) as file:
        return file.read(1), file.transform


def plain_window(asset: BandAsset, geobox: GeoBox) -> npt.NDArray[Any]:
    numbers, transform = whole(asset.href)
    times = round(transform.a / 10)
    margin = 100
    row = round((transform.f - geobox.transform.f) / transform.a) + margin
    column = round((geobox.transform.c - transform.c) / transform.a) + margin
    size = 48 // times
    part = np.pad(numbers, margin)[row : row + size, column : column + size]
    return part.repeat(times, 0).repeat(times, 1)


def reference(folder: Path, geobox: GeoBox, query: SceneQuery) -> tuple[Any, Any]:
    scenes = SceneShelf(folder_items(folder)).scenes
    views = []
    for view in choose_scenes(scenes, geobox, query):
        numbers = np.zeros((len(query.bands), 48, 48), dtype=np.uint16)
        known = np.zeros((48, 48), dtype=bool)
        for listed in view:
            scene = settle_offset(listed, whole(listed.bands["B04"].href)[0])
            assert scene.mask is not None
            classes = plain_window(scene.mask, geobox)
            clear = clear_pixels(classes, clear_threshold=query.clear_threshold) & ~known
            known |= classes != 0
            for i, band in enumerate(query.bands):
                asset = scene.bands[band]
                raw = add_offset(plain_window(asset, geobox), asset.offset_dn)
                numbers[i][clear] = raw[clear]
        views.append(numbers)
    stack = np.array(views, dtype=np.float64)
    stack[stack == 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        median = np.floor(np.nanmedian(stack, axis=0) + 0.5)
    return median, np.isfinite(stack).sum(axis=0).max(axis=0)


def test_folder_agrees_with_plain_rasterio_to_the_number(
    toy_archive: Path, places: Mapping[str, GeoBox], from_folder: Mapping[str, xr.Dataset]
) -> None:
    known = 0
    for key, geobox in places.items():
        median, count = reference(toy_archive, geobox, QUERY)
        found = from_folder[key]
        expected = (median / 10_000).astype(np.float32)
        np.testing.assert_array_equal(found["reflectance"], expected)
        np.testing.assert_array_equal(found["clear_count"], count)
        known += int(np.isfinite(median).sum())
    assert known > 0.8 * 20 * 12 * 48 * 48, "most pixels are compared as numbers"


def test_server_agrees_with_folder_to_the_bit(
    archive_server: Any, places: Mapping[str, GeoBox], from_folder: Mapping[str, xr.Dataset]
) -> None:
    source = StacSource(archive_server.stac_url, COLLECTION)
    for key, found in loaded(source, places).items():
        xr.testing.assert_equal(found, from_folder[key])
        assert found.attrs["scenes"] == from_folder[key].attrs["scenes"]
    source.close()


def test_static_catalogue_on_a_server_agrees_with_folder(
    archive_server: Any, places: Mapping[str, GeoBox], from_folder: Mapping[str, xr.Dataset]
) -> None:
    source = StacSource(f"{archive_server.url}/data/catalog.json", COLLECTION)
    key = "place-03"
    xr.testing.assert_equal(source.load(places[key], QUERY), from_folder[key])
    source.close()


def test_one_place_alone_is_what_it_is_among_many(
    toy_archive: Path, places: Mapping[str, GeoBox], from_folder: Mapping[str, xr.Dataset]
) -> None:
    source = FolderSource(toy_archive)
    for key in list(places)[:6]:
        xr.testing.assert_identical(source.load(places[key], QUERY), from_folder[key])


@pytest.mark.parametrize(("workers", "memory_mb"), [(1, 512), (5, 1)])
def test_workers_groups_and_order_change_nothing(
    workers: int,
    memory_mb: int,
    toy_archive: Path,
    places: Mapping[str, GeoBox],
    from_folder: Mapping[str, xr.Dataset],
) -> None:
    source = FolderSource(toy_archive, workers=workers, memory_mb=memory_mb)
    turned = dict(reversed(places.items()))
    for key, found in loaded(source, turned).items():
        xr.testing.assert_identical(found, from_folder[key])


def test_large_place_is_its_parts_put_together(toy_archive: Path, toy_area: GeoBox) -> None:
    source = FolderSource(toy_archive)
    large = source.load(one_place(toy_area, size_px=96), RGB)
    part = source.load(one_place(toy_area, right_m=960 + 480), RGB)
    inside = large.sel(x=part["x"], y=part["y"])
    xr.testing.assert_equal(inside, part)


def test_attributes_say_what_the_composite_is_made_of(
    from_folder: Mapping[str, xr.Dataset],
) -> None:
    attrs = from_folder["place-03"].attrs
    assert (attrs["level"], attrs["method"], attrs["resampling"]) == ("L2A", "median", "nearest")
    assert len(attrs["scenes"]) >= attrs["views"] > 2
    assert {scene["offset_dn"] for scene in attrs["scenes"]} == {0, -1000}
    assert any("item says that it was not applied" in words for words in attrs["decisions"])
    json.dumps(attrs)


def test_dark_pixels_settle_a_doubtful_offset(from_folder: Mapping[str, xr.Dataset]) -> None:
    words = {words for found in from_folder.values() for words in found.attrs["decisions"]}
    assert any("so it was applied, though the item says it was not" in one for one in words)


def test_doubtful_scene_without_the_dark_band_is_used_and_says_so(
    toy_archive: Path, toy_area: GeoBox, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(toy_archive, folder, copy_function=_link)
    for path in folder.rglob("S2*.json"):
        item = json.loads(path.read_text())
        del item["assets"]["red"]
        path.unlink()
        path.write_text(json.dumps(item))
    query = SceneQuery(**YEAR, bands=("B02", "B08"))
    found = FolderSource(folder).load(one_place(toy_area), query)
    whole_scenes = FolderSource(toy_archive).load(one_place(toy_area), query)
    unchecked = [words for words in found.attrs["decisions"] if "there is no B04" in words]
    assert unchecked == ["offset -1000 not checked by dark pixels: there is no B04"]
    assert len(found.attrs["scenes"]) == len(whole_scenes.attrs["scenes"])


def test_cloudy_views_are_not_read_beyond_their_mask(
    serve_archive: Callable[..., Any], toy_area: GeoBox
) -> None:
    server = serve_archive()
    source = StacSource(server.stac_url, COLLECTION)
    found = source.load(one_place(toy_area), RGB)
    used = {scene["id"] for scene in found.attrs["scenes"]}
    masks = {path.split("/")[-2] for path in server.counts.paths if path.endswith("SCL.tif")}
    bands = {path.split("/")[-2] for path in server.counts.paths if path.endswith("B02.tif")}
    assert bands == used
    assert used < masks, "some views are all cloud"
    source.close()


def test_each_file_is_opened_once_for_all_places(
    serve_archive: Callable[..., Any], places: Mapping[str, GeoBox]
) -> None:
    server = serve_archive()
    source = StacSource(server.stac_url, COLLECTION)
    loaded(source, places, RGB)
    most = {path: n for path, n in server.counts.paths.items() if not path.endswith("B04.tif")}
    assert max(most.values()) <= 2, "a directory, and blocks"
    source.close()


def test_least_cloudy_takes_one_view_and_leaves_its_clouds_out(
    toy_archive: Path, toy_area: GeoBox
) -> None:
    geobox = one_place(toy_area)
    query = RGB.model_copy(update={"method": "least_cloudy"})
    source = FolderSource(toy_archive)
    found, median = source.load(geobox, query), source.load(geobox, RGB)
    assert found.attrs["views"] == 1
    assert int(found["clear_count"].max()) == 1
    np.testing.assert_array_equal(
        found["reflectance"].isnull().any("band"), found["clear_count"] == 0
    )
    shares: dict[str, float] = {}
    for scene in median.attrs["scenes"]:
        day = scene["date"][:10]
        shares[day] = shares.get(day, 0.0) + scene["clear_share"]
    best = {scene["date"][:10] for scene in found.attrs["scenes"]}
    assert best == {max(shares, key=lambda day: shares[day])}


def test_dilation_takes_more_for_unclear(toy_archive: Path, toy_area: GeoBox) -> None:
    source = FolderSource(toy_archive)
    geobox = one_place(toy_area)
    grown = RGB.model_copy(update={"clear_dilation_px": 5})
    counts = source.load(geobox, RGB)["clear_count"], source.load(geobox, grown)["clear_count"]
    assert (counts[1] <= counts[0]).all()
    assert int(counts[1].sum()) < int(counts[0].sum())


def test_dilation_grows_in_from_outside_the_place(toy_archive: Path, toy_area: GeoBox) -> None:
    source = FolderSource(toy_archive)
    grown = RGB.model_copy(update={"clear_dilation_px": 5})
    large = source.load(one_place(toy_area, size_px=96), grown)
    part = source.load(one_place(toy_area, right_m=960 + 480), grown)
    inside = large.sel(x=part["x"], y=part["y"])
    np.testing.assert_array_equal(inside["clear_count"], part["clear_count"])


def test_bilinear_changes_coarse_bands_only(toy_archive: Path, toy_area: GeoBox) -> None:
    source = FolderSource(toy_archive)
    query = SceneQuery(**YEAR, bands=("B04", "B11"))
    smooth = query.model_copy(update={"resampling": "bilinear"})
    plain, other = (source.load(one_place(toy_area), one) for one in (query, smooth))
    xr.testing.assert_equal(plain.sel(band="B04"), other.sel(band="B04"))
    difference = (plain - other)["reflectance"].sel(band="B11")
    assert float(np.abs(difference).max()) > 0
    assert float(np.abs(difference.mean())) < 0.002


def test_coarse_place_is_the_mean_of_the_fine_one_under_it(
    toy_archive: Path, toy_area: GeoBox
) -> None:
    source = FolderSource(toy_archive)
    query = SceneQuery(**YEAR, bands="B04", method="least_cloudy")
    fine = one_place(toy_area)
    coarse = GeoBox((24, 24), fine.transform @ Affine.scale(2), fine.crs)
    of_fine, of_coarse = (source.load(geobox, query) for geobox in (fine, coarse))
    assert of_fine.attrs["scenes"][0]["id"] == of_coarse.attrs["scenes"][0]["id"]
    numbers = np.rint(of_fine["reflectance"].to_numpy() * 1e4)[0]
    expected = np.floor(numbers.reshape(24, 2, 24, 2).mean(axis=(1, 3)) + 0.5)
    found = np.rint(of_coarse["reflectance"].to_numpy() * 1e4)[0]
    assert np.isfinite(expected).mean() > 0.9
    np.testing.assert_array_equal(found, expected)


def test_place_that_no_scene_covers_is_empty_and_no_error(toy_archive: Path) -> None:
    geobox = PatchGrid().geobox(-56.4, -1.5)
    found = check_composite(FolderSource(toy_archive).load(geobox, RGB))
    assert found["reflectance"].isnull().all()
    assert not found["clear_count"].any()
    assert found.attrs["scenes"] == []


def test_place_in_another_zone_is_warped_and_says_so(toy_archive: Path, toy_area: GeoBox) -> None:
    own = one_place(toy_area)
    to_west = Transformer.from_crs("EPSG:32620", "EPSG:32619", always_xy=True)
    left, top = to_west.transform(own.transform.c, own.transform.f)
    other = GeoBox((48, 48), Affine(10, 0, left, 0, -10, top), "EPSG:32619")
    source = FolderSource(toy_archive)
    found = source.load(other, RGB)
    assert found.attrs["warped_from"] == ["EPSG:32620"]
    assert "warped_from" not in source.load(own, RGB).attrs
    straight = source.load(own, RGB)["reflectance"].median(["x", "y"])
    warped = found["reflectance"].median(["x", "y"])
    np.testing.assert_allclose(warped, straight, atol=0.01)


def test_period_decides(toy_archive: Path, toy_area: GeoBox) -> None:
    query = SceneQuery(start="2023-06-01", end="2023-09-30", bands="rgb")
    found = FolderSource(toy_archive).load(one_place(toy_area), query)
    assert all("2023-06" <= scene["date"][:7] <= "2023-09" for scene in found.attrs["scenes"])


def test_search_lists_scenes_of_the_place(
    archive_server: Any, toy_archive: Path, toy_area: GeoBox
) -> None:
    geobox = one_place(toy_area)
    stac = StacSource(archive_server.stac_url, COLLECTION)
    listed = [one.search(geobox, QUERY) for one in (stac, FolderSource(toy_archive))]
    ids = [[scene.id for scene in found.scenes] for found in listed]
    assert ids[0] == ids[1]
    assert len(ids[0]) > 6
    stac.close()


def test_a_source_all_of_whose_scenes_are_of_another_level_is_refused(
    toy_archive: Path, toy_area: GeoBox
) -> None:
    source, place = FolderSource(toy_archive, level="L1C"), one_place(toy_area)
    says = r"all \d+ scenes found of folder .* are L2A, and L1C is asked for"
    with pytest.raises(LevelError, match=says):
        source.search(place, QUERY)
    with pytest.raises(LevelError, match=says):
        source.load(place, QUERY)
    ((_, outcome),) = source.load_many({"a": place}, QUERY)
    assert isinstance(outcome, Failure)
    assert "are L2A, and L1C is asked for" in outcome.reason


def test_single_scenes_of_another_level_are_left_out_and_named(
    toy_archive: Path, toy_area: GeoBox
) -> None:
    whole = FolderSource(toy_archive).search(one_place(toy_area), QUERY).scenes
    mixed = (replace(whole[0], level="L1C"), *whole[1:])
    source = FolderSource(toy_archive)
    loader = replace(source._loader, search=lambda bounds, query: SearchResult(mixed))
    found = loader.find(one_place(toy_area), QUERY)
    assert {scene.id for scene in found.scenes} == {scene.id for scene in whole[1:]}
    assert [one.key for one in found.unusable] == [whole[0].id]
    assert found.unusable[0].reason == "it is L1C, the source gives L2A"


def test_item_that_lacks_something_is_named_and_the_others_are_used(
    toy_archive: Path, toy_area: GeoBox, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(toy_archive, folder, copy_function=_link)
    path = min(folder.rglob("S2*.json"))
    item = json.loads(path.read_text())
    del item["properties"]["datetime"]
    path.unlink()
    path.write_text(json.dumps(item))
    (folder / "broken.json").write_text("{")
    found = FolderSource(folder).search(one_place(toy_area), QUERY)
    assert {failure.key for failure in found.unusable} == {str(folder / "broken.json"), item["id"]}
    assert len(found.scenes) > 4


@pytest.mark.parametrize("write", [str, Path.as_uri], ids=["path", "file"])
@pytest.mark.parametrize("root", ["stac", "data/catalog.json"], ids=["api", "static"])
@pytest.mark.parametrize("sign", [None, str], ids=["open", "signed"])
def test_items_of_a_server_never_lead_to_files_of_this_machine(
    root: str,
    write: Callable[[Path], str],
    sign: Callable[[str], str] | None,
    toy_archive: Path,
    toy_area: GeoBox,
    tmp_path: Path,
    serve_archive: Callable[..., Any],
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(toy_archive, folder, copy_function=_link)
    assets = {}
    for path in folder.rglob("S2*.json"):
        item = json.loads(path.read_text())
        assets[item["id"]] = item["assets"]
        for asset in item["assets"].values():
            asset["href"] = write(path.parent.resolve() / asset["href"])
        path.unlink()
        path.write_text(json.dumps(item))
    server = serve_archive(folder)
    for name, own in assets.items():  # by itself it says that they lie on the server
        server.api.items[name]["assets"] = own
    source = StacSource(f"{server.url}/{root}", COLLECTION, sign=sign, policy=HASTY)
    outcome = dict(source.load_many({"a": one_place(toy_area)}, RGB))["a"]
    if isinstance(outcome, xr.Dataset):
        assert outcome.attrs["scenes"] == []
        unusable = source.search(one_place(toy_area), RGB).unusable
        assert unusable
        assert {one.key for one in unusable} <= set(assets)
        assert all("expected http:// or https://" in one.reason for one in unusable)
    else:
        assert "http://127.0.0.1" in outcome.reason, "a path on the server"
    source.close()


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def test_missing_band_is_an_error_alone_and_a_failure_among_many(
    toy_archive: Path, toy_area: GeoBox
) -> None:
    source = FolderSource(toy_archive)
    query = SceneQuery(**YEAR, bands=("B04", "B10"))
    with pytest.raises(BandError, match="B10"):
        source.load(one_place(toy_area), query)
    outcomes = dict(source.load_many({"a": one_place(toy_area)}, query))
    assert isinstance(outcomes["a"], Failure)


def test_file_that_is_gone_fails_the_places_that_need_it_and_no_other(
    toy_archive: Path, toy_area: GeoBox, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(toy_archive, folder, copy_function=_link)
    box = toy_area.boundingbox
    inside = one_place(toy_area)
    outside = GeoBox((48, 48), Affine(10, 0, box.left, 0, -10, box.bottom - 60), "EPSG:32620")
    source = FolderSource(folder)
    used = source.load(inside, RGB).attrs["scenes"][0]["id"]
    gone = next(folder.rglob(f"{used}/B03.tif"))
    gone.unlink()
    outcomes = dict(FolderSource(folder).load_many({"in": inside, "out": outside}, RGB))
    failure = outcomes["in"]
    assert isinstance(failure, Failure)
    assert (failure.key, failure.stage) == ("in", "imagery")
    assert used in failure.reason
    assert "No such file" in failure.reason
    assert isinstance(outcomes["out"], xr.Dataset)
    with pytest.raises(ImageryError, match=r"B03\.tif"):
        FolderSource(folder).load(inside, RGB)


class FailingReader:
    """Fails for some files, the last of them first."""

    def __init__(self, *hrefs: str, at_once: bool) -> None:
        self.reader = RasterioReader()
        self.hrefs = hrefs
        self.at_once = at_once
        self.failed = threading.Event()

    def open(self, asset: BandAsset) -> Any:
        if asset.href not in self.hrefs:
            return self.reader.open(asset)
        if asset.href == self.hrefs[-1]:
            self.failed.set()
        elif self.at_once:
            self.failed.wait(10.0)
        raise ReadError(f"{asset.href} is gone")

    def close(self) -> None:
        self.reader.close()


@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("file", ["SCL", "B02"])
def test_of_several_reasons_the_same_is_reported_whichever_came_first(
    file: str, workers: int, toy_archive: Path, toy_area: GeoBox
) -> None:
    place = one_place(toy_area)
    views = choose_scenes(SceneShelf(folder_items(toy_archive)).scenes, place, RGB)
    used = {one["id"] for one in FolderSource(toy_archive).load(place, RGB).attrs["scenes"]}
    scenes = [view[0] for view in views if view[0].id in used]
    scenes = scenes[[scene.platform for scene in scenes].index("S2B") :]
    first = min(scenes, key=lambda scene: scene.id)
    assert first is not scenes[0], "else its order in time would do"
    files = [scene.mask if file == "SCL" else scene.bands[file] for scene in (first, *scenes)]
    hrefs = [asset.href for asset in files if asset is not None]
    reader = FailingReader(*dict.fromkeys(hrefs), at_once=workers > 1)
    source = FolderSource(toy_archive, reader=reader, workers=workers)
    with pytest.raises(ImageryError, match=f"{first.id}.*{file}.tif is gone"):
        source.load(place, RGB)


def test_who_stops_asking_ends_the_retries_under_way(
    toy_archive: Path, toy_area: GeoBox, places: Mapping[str, GeoBox]
) -> None:
    class Watched(RasterioReader):
        n_closed = 0

        def close(self) -> None:
            Watched.n_closed += 1
            super().close()

    source = FolderSource(toy_archive, reader=Watched())
    outcomes = source.load_many(places, RGB)
    next(outcomes)
    assert Watched.n_closed == 0
    outcomes.close()  # as the interpreter does where a loop over it is left by KeyboardInterrupt
    assert Watched.n_closed == 1


def test_nothing_to_load_loads_nothing(toy_archive: Path) -> None:
    assert list(FolderSource(toy_archive).load_many({}, QUERY)) == []


def test_progress_counts_places(toy_archive: Path, places: Mapping[str, GeoBox]) -> None:
    told: list[tuple[str, int, int]] = []
    some = dict(list(places.items())[:3])
    list(FolderSource(toy_archive).load_many(some, RGB, progress=lambda *call: told.append(call)))
    assert told == [("imagery", done, 3) for done in range(4)]


def test_wrong_settings_are_named(tmp_path: Path, archive_server: Any, toy_area: GeoBox) -> None:
    with pytest.raises(NotThereError, match="nowhere"):
        FolderSource(tmp_path / "nowhere")
    with pytest.raises(NotThereError, match="no STAC items"):
        FolderSource(tmp_path).load(one_place(toy_area), QUERY)
    with pytest.raises(LevelError):
        FolderSource(tmp_path, level="L3")  # type: ignore[arg-type]  # the mistake
    with pytest.raises(InputError, match="planetary-computer"):
        StacSource("https://stac.test", COLLECTION, sign="magic")  # type: ignore[arg-type]
    source = StacSource(f"{archive_server.url}/token", COLLECTION)
    with pytest.raises(InputError, match="neither a STAC API nor a catalogue"):
        source.load(one_place(toy_area), QUERY)
    source.close()


def test_scenes_without_a_mask_are_refused_with_what_to_do(
    toy_archive: Path, toy_area: GeoBox, tmp_path: Path
) -> None:
    archive = tmp_path / "toy"
    shutil.copytree(toy_archive, archive, copy_function=os.link)
    for path in archive.rglob("S2*.json"):
        item = json.loads(path.read_text())
        del item["assets"]["scl"]
        path.unlink()  # a hard link, shared with others
        path.write_text(json.dumps(item))
    with pytest.raises(SceneError, match=r"no scene classification .* take L2A, or L1C from"):
        FolderSource(archive).load(one_place(toy_area), QUERY)
