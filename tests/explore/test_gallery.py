import numpy as np
import pytest

from minewatch.explore._gallery import class_distances, pick_gallery
from minewatch.explore._settings import ExploreSettings
from minewatch.explore._statistics import summarise_patches
from minewatch.explore._thumbnails import common_stretch, thumbnails

SETTINGS = ExploreSettings(n_thumbnails=3)


def gallery(dataset, settings=SETTINGS):
    return pick_gallery(summarise_patches(dataset), settings, dataset)


@pytest.fixture
def dataset(make_dataset, make_textured):
    numbers = make_textured(30, 3)
    numbers[4] += 9000
    return make_dataset(numbers, [1] * 15 + [0] * 15)


def test_no_patch_is_shown_twice_and_each_is_of_its_class(dataset):
    chosen = gallery(dataset).tables["chosen"]
    assert chosen.index.is_unique
    assert chosen.groupby(["class", "kind"]).size().eq(3).all()
    of_mining = chosen.index[chosen["class"] == "mining"]
    assert dataset.sites.loc[of_mining, "label"].eq(1).all()


def test_typical_patches_are_nearer_than_random_than_extreme_ones(dataset):
    chosen = gallery(dataset).tables["chosen"]
    for _, part in chosen.groupby("class"):
        by_kind = part.groupby("kind")["distance"]
        assert by_kind.max()["typical"] <= by_kind.min()["random"]
        assert by_kind.max()["random"] <= by_kind.min()["extreme"]


def test_the_odd_patch_is_the_first_of_the_extreme_ones(dataset):
    section = gallery(dataset)
    chosen = section.tables["chosen"]
    assert chosen.index[chosen["kind"] == "extreme"][0] == "site-004"
    assert "site-004 (mining)" in section.seen
    assert "1 of 30 patches lies more than 10" in section.advice


def test_random_patches_follow_the_seed(dataset):
    first, second = (
        gallery(dataset, ExploreSettings(n_thumbnails=3, random_state=seed)) for seed in (1, 2)
    )
    again = gallery(dataset, ExploreSettings(n_thumbnails=3, random_state=1))
    assert first.tables["chosen"].equals(again.tables["chosen"])
    assert not first.tables["chosen"].equals(second.tables["chosen"])


def test_three_bands_give_true_colour_only(dataset):
    assert {name.split("_no_")[0] for name in gallery(dataset).images} == {
        "true_colour_mining_typical",
        "true_colour_mining_extreme",
        "true_colour_mining_random",
        "true_colour",
    }


def test_infrared_bands_give_false_colour_too(make_dataset, make_textured):
    bands = ["B12", "B8A", "B04", "B03", "B02"]
    section = gallery(make_dataset(make_textured(6, 5), [1] * 6, bands=bands))
    stretch = section.tables["stretch"]
    assert stretch.loc[stretch["composite"] == "false_colour", "band"].tolist() == bands[:3]
    assert "false_colour_mining_typical" in section.images


def test_without_red_green_blue_pictures_are_grey(make_dataset, make_textured):
    section = gallery(make_dataset(make_textured(3, 2), [1] * 3, bands=["B08", "B05"]))
    image = section.images["grey_mining_typical"]
    assert (image.isel(rgb=0) == image.isel(rgb=2)).all()


def test_images_show_the_chosen_patches_in_order(dataset):
    section = gallery(dataset)
    chosen = section.tables["chosen"]
    part = chosen[(chosen["class"] == "no mining") & (chosen["kind"] == "extreme")]
    image = section.images["true_colour_no_mining_extreme"]
    assert list(image["site"].to_numpy()) == list(part.index)
    assert image.dims == ("site", "y", "x", "rgb")


def test_the_stretch_is_the_same_for_all_and_robust(make_dataset):
    numbers = np.full((2, 3, 10, 10), 1000, dtype=np.uint16)
    numbers[0] = np.arange(1, 301).reshape(3, 10, 10) * 10
    numbers[1] = numbers[0]
    numbers[1, 2, 9, 9] = 50_000
    dataset = make_dataset(numbers, [1, 0])
    stretch = common_stretch(summarise_patches(dataset), ExploreSettings(stretch_percent=2.0))
    assert stretch.loc["B02"].tolist() == [20.0, 980.0]
    assert stretch.loc["B04", "high"] == 2980.0
    image = thumbnails(dataset, ["site-001", "site-000"], ["B04", "B03", "B02"], stretch)
    red = image.sel(site="site-000").isel(rgb=0).to_numpy()
    assert red.ravel()[0] == 0
    assert red.ravel()[-1] == 255
    assert red.ravel()[50] == round((2510 - 2020) / (2980 - 2020) * 255)
    assert "B04 0.202 to 0.298" in image.attrs["stretch"]


def test_pixels_without_data_are_black(make_dataset, make_textured):
    numbers = make_textured(2, 3)
    numbers[0, 1, :4] = 0
    dataset = make_dataset(numbers, [1, 0])
    stretch = common_stretch(summarise_patches(dataset), SETTINGS)
    image = thumbnails(dataset, ["site-000"], ["B04", "B03", "B02"], stretch)
    assert (image.isel(y=slice(0, 4)) == 0).all()


def test_distance_is_not_moved_by_one_odd_patch(make_dataset, make_textured):
    numbers = make_textured(21, 3)
    before = class_distances(summarise_patches(make_dataset(numbers, [1] * 21)))
    numbers[0] += 30_000
    after = class_distances(summarise_patches(make_dataset(numbers, [1] * 21)))
    assert after["site-000"] > 20
    assert after.drop("site-000").max() < 2 * before.max()


def test_patches_with_an_unknown_band_are_left_out_and_told(make_dataset, make_textured):
    numbers = make_textured(5, 3)
    numbers[2, 0] = 0
    section = gallery(make_dataset(numbers, [1] * 5))
    assert "site-002" not in section.tables["chosen"].index
    assert "(1 with unknown bands cannot be placed among them)" in section.advice


def test_nothing_known_leaves_the_gallery_out(make_dataset):
    assert gallery(make_dataset(np.zeros((2, 3, 8, 8), dtype=np.uint16), [1, 0])).missing


@pytest.mark.parametrize("n", [1, 2, 4])
def test_few_patches_are_shown_once_each(make_dataset, make_textured, n):
    chosen = gallery(make_dataset(make_textured(n, 3), [1] * n)).tables["chosen"]
    assert sorted(chosen.index) == [f"site-{i:03d}" for i in range(n)]
