"""The offset of baseline 04.00: by what the item says, by baseline, held against dark pixels."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from minewatch.bands import add_offset, baseline_offset_dn
from minewatch.errors import BandError, SceneError
from minewatch.imagery._items import Scene, read_scene
from minewatch.imagery._offsets import check_dark_pixels, settle_offset

MakeItem = Callable[..., dict[str, Any]]
MakeScene = Callable[..., Scene]

SILENT = {"earthsearch__boa_offset_applied": None, "collection": "sentinel-2-c1-l2a"}


def no_offset_listed(item: dict[str, Any]) -> dict[str, Any]:
    for asset in item["assets"].values():
        asset.pop("raster:bands", None)
    return item


@pytest.mark.parametrize(
    ("baseline", "offset"),
    [("02.12", 0), ("03.01", 0), ("04.00", -1000), ("05.11", -1000), ("N0510", -1000)],
)
def test_the_offset_began_with_baseline_4(baseline: str, offset: int) -> None:
    assert baseline_offset_dn(baseline) == offset


@pytest.mark.parametrize("wrong", ["", "5", "05.1", "abcd", "5.10.1"])
def test_what_is_no_baseline_is_refused(wrong: str) -> None:
    with pytest.raises(BandError, match="processing baseline"):
        baseline_offset_dn(wrong)


def test_a_measured_pixel_stays_at_least_1_and_no_data_stays_0() -> None:
    raw = np.array([0, 1, 1000, 1001, 65_535], dtype=np.uint16)
    assert add_offset(raw, -1000).tolist() == [0, 1, 1, 1, 64_535]
    assert add_offset(raw, 0).tolist() == raw.tolist()


def test_an_offset_that_was_applied_is_not_applied_again(make_item: MakeItem) -> None:
    scene = read_scene(make_item())
    assert scene.offset_dn == 0
    assert "not believed" in scene.decisions[0]


def test_an_offset_that_was_not_applied_is(make_item: MakeItem) -> None:
    assert read_scene(make_item(earthsearch__boa_offset_applied=False)).offset_dn == -1000


def test_before_baseline_4_there_is_no_offset_whatever_is_listed(make_item: MakeItem) -> None:
    for changes in ({}, {"earthsearch__boa_offset_applied": False}, SILENT):
        item = make_item(s2__processing_baseline="02.14", **changes)
        assert read_scene(item).offset_dn == 0


def test_collection_1_is_believed_when_it_lists_the_offset(make_item: MakeItem) -> None:
    scene = read_scene(make_item(**SILENT))
    assert (scene.offset_dn, scene.doubtful_offset) == (-1000, False)


def test_a_catalogue_that_says_nothing_left_esas_offset_in(make_item: MakeItem) -> None:
    assert read_scene(no_offset_listed(make_item(**SILENT))).offset_dn == -1000
    old = make_item(**SILENT, s2__processing_baseline="03.00")
    assert read_scene(no_offset_listed(old)).offset_dn == 0


def test_the_baseline_decides_and_not_the_date(make_item: MakeItem) -> None:
    """An acquisition of 2018 that was processed again in 2023 has the offset."""
    again = read_scene(make_item(day="2018-03-04", **SILENT))
    assert again.date.year == 2018
    assert again.offset_dn == -1000


def test_bands_that_list_different_offsets_are_refused(make_item: MakeItem) -> None:
    item = make_item(**SILENT)
    item["assets"]["nir"]["raster:bands"][0]["offset"] = 0
    with pytest.raises(SceneError, match="-1000, 0"):
        read_scene(item)


def test_an_offset_that_sentinel_2_never_had_is_refused(make_item: MakeItem) -> None:
    item = make_item(**SILENT)
    for asset in item["assets"].values():
        if "raster:bands" in asset:
            asset["raster:bands"][0]["offset"] = -0.2
    with pytest.raises(SceneError, match="-2000"):
        read_scene(item)


def forest(*, offset: int, n_px: int = 10_000) -> np.ndarray:
    """Numbers of the red band over forest and a river, raw, with a tenth without data."""
    numbers = np.random.default_rng(0).normal(280, 60, n_px).clip(30) + offset
    numbers[: n_px // 10] = 0
    return numbers.astype(np.uint16)


def test_pixels_that_hold_the_offset_agree(make_scene: MakeScene) -> None:
    scene = make_scene(earthsearch__boa_offset_applied=False)
    check = check_dark_pixels(forest(offset=1000), scene)
    assert (check.offset_dn, check.agrees, check.decision) == (-1000, True, "")


def test_earth_searchs_wrong_word_is_found_out_by_dark_pixels(
    make_scene: MakeScene, caplog: pytest.LogCaptureFixture
) -> None:
    scene = make_scene(earthsearch__boa_offset_applied=False)
    with caplog.at_level(logging.INFO, logger="minewatch"):
        settled = settle_offset(scene, forest(offset=0))
    assert {asset.offset_dn for asset in settled.bands.values()} == {0}
    assert "though the item says" in settled.decisions[-1]
    assert scene.id in caplog.text


def test_where_the_rule_is_certain_pixels_are_heard_but_do_not_decide(
    make_scene: MakeScene, caplog: pytest.LogCaptureFixture
) -> None:
    scene = make_scene(**SILENT)
    with caplog.at_level(logging.WARNING, logger="minewatch"):
        settled = settle_offset(scene, forest(offset=0))
    assert settled.offset_dn == -1000
    assert "kept by rule" in settled.decisions[-1]
    assert "kept by rule" in caplog.text


def test_clouds_and_slivers_prove_nothing(make_scene: MakeScene) -> None:
    scene = make_scene(earthsearch__boa_offset_applied=False)
    clouds = np.full(10_000, 6000, dtype=np.uint16)
    sliver = np.concatenate([forest(offset=0, n_px=900), np.zeros(9000, dtype=np.uint16)])
    for numbers in (clouds, sliver, np.zeros(100, dtype=np.uint16)):
        assert settle_offset(scene, numbers) is scene


def test_two_years_on_both_sides_of_baseline_4_are_comparable(make_item: MakeItem) -> None:
    """The same ground, in 2021 and in 2023, comes out with the same numbers."""
    ground = forest(offset=0)
    before = read_scene(make_item(day="2021-03-04", s2__processing_baseline="03.00", **SILENT))
    after = read_scene(make_item(day="2023-03-04", **SILENT))
    raw_after = np.where(ground == 0, 0, ground + 1000).astype(np.uint16)
    np.testing.assert_array_equal(
        add_offset(ground, before.offset_dn), add_offset(raw_after, after.offset_dn)
    )


@pytest.mark.real
def test_real_scenes_are_told_apart_with_their_offset_and_without(
    shared_data: Path, make_scene: MakeScene
) -> None:
    scene = make_scene(earthsearch__boa_offset_applied=False)
    files = [*(shared_data / "scenes/exeter_series").glob("*.tif")]
    files += (shared_data / "scenes/trombetas").glob("*.tif")
    assert len(files) == 6
    for file in files:
        with rasterio.open(file) as opened:
            names = [name.replace("B4", "B04") for name in opened.descriptions]
            red = opened.read(names.index("B04") + 1)
        assert check_dark_pixels(red, scene).agrees
        assert check_dark_pixels(add_offset(red, -1000), scene).offset_dn == 0
