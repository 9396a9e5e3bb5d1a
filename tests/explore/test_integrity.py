import numpy as np
import pandas as pd
import pytest

from minewatch.explore._duplicates import exact_duplicates, near_duplicates
from minewatch.explore._integrity import check_integrity
from minewatch.explore._settings import ExploreSettings
from minewatch.explore._statistics import summarise_patches
from minewatch.patches import write_patches

SETTINGS = ExploreSettings()


@pytest.fixture
def spoilt(make_dataset, make_textured):
    """Give a dataset with one fault of each kind."""
    numbers = make_textured(12, 3)
    numbers[1] = 0
    numbers[2, :, 0, :3] = 0
    numbers[3, 1] = 0
    numbers[4, 2] = 900
    numbers[5, 0, 0, 0] = 65_535
    numbers[7] = numbers[6]
    numbers[9] = numbers[8] + 3
    return make_dataset(numbers, [1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, None])


def integrity(dataset, settings=SETTINGS):
    return check_integrity(summarise_patches(dataset, settings=settings), settings, dataset)


def counts(section):
    return section.tables["checks"].set_index("check")["n_patches"]


def test_each_fault_is_found_where_it_is(spoilt):
    tables = integrity(spoilt).tables
    listed = {name: list(table.index) for name, table in tables.items() if name not in NUMBERS}
    assert listed == {
        "no_data": ["site-001", "site-002"],
        "zero_bands": ["site-003"],
        "constant_bands": ["site-004"],
        "saturated": ["site-005"],
        "implausible": ["site-005"],
        "exact_duplicates": ["site-006", "site-007"],
        "near_duplicates": ["site-008", "site-009"],
    }


NUMBERS = ("checks", "values")


def test_checks_count_by_class(spoilt):
    checks = integrity(spoilt).tables["checks"].set_index("check")
    assert checks.loc["no_data", ["n_patches", "n_mining", "n_no_mining"]].tolist() == [2, 1, 1]
    assert checks.loc["empty", "n_patches"] == 1
    assert checks.loc["missing_in_some_bands", "n_patches"] == 1
    assert checks.loc["exact_duplicates_across_classes", "n_patches"] == 2
    assert checks.loc["near_duplicates_across_classes", "n_patches"] == 0
    assert checks.loc["no_data", "share"] == pytest.approx(2 / 12)


def test_sentences_name_what_was_found(spoilt):
    section = integrity(spoilt)
    assert "2 lack data in some pixel (1 in every pixel)" in section.seen
    assert "1 has saturated pixels" in section.seen
    assert "2 are equal to another in every pixel (1 group)" in section.seen
    assert section.advice.startswith("Decide the label of the 2 patches that stand in both classes")
    assert "the 1 empty patch;" in section.advice


def test_a_clean_dataset_needs_no_repair(make_dataset, make_textured):
    section = integrity(make_dataset(make_textured(6, 3), [1, 0] * 3))
    assert section.seen.startswith("None of 6 patches has missing")
    assert section.advice.startswith("Nothing needs repair")
    assert counts(section).sum() == 0
    assert section.images == {}


def test_thumbnails_show_the_patches_found_and_no_more_than_asked(spoilt):
    section = integrity(spoilt, ExploreSettings(n_thumbnails=1))
    assert list(section.images["exact_duplicates"]["site"].to_numpy()) == ["site-006"]
    # The one saturated patch is the one implausible patch too, and is shown once.
    assert set(section.images) == set(section.tables) - {*NUMBERS, "implausible"}
    shown = [site for image in section.images.values() for site in image["site"].to_numpy()]
    assert len(shown) == len(set(shown))
    assert all(image.dtype == np.uint8 for image in section.images.values())


def test_value_shares_are_of_all_pixels(spoilt):
    values = integrity(spoilt).tables["values"].set_index("band")
    n_px = 12 * 256
    assert values["n_px"].eq(n_px).all()
    assert values.loc["B03", "no_data_share"] == pytest.approx((256 + 3 + 256) / n_px)
    assert values.loc["B02", "saturated_share"] == pytest.approx(1 / n_px)
    assert values.loc["B02", "max"] == pytest.approx(6.5535)


def test_copies_of_nothing_are_told_from_copies_of_something(make_dataset, make_textured):
    numbers = make_textured(5, 3)
    numbers[:2] = 0
    numbers[3] = numbers[2]
    section = integrity(make_dataset(numbers, [1] * 5))
    assert section.tables["exact_duplicates"]["no_data"].tolist() == [True, True, False, False]
    assert "(2 groups; 2 of these patches hold no data)" in section.seen


def test_few_clear_views_are_found_where_views_were_counted(make_dataset, make_textured):
    views = np.full((3, 16, 16), 9, dtype=np.uint16)
    views[1, 0, 0] = 2
    section = integrity(make_dataset(make_textured(3, 3), [1, 0, 1], clear_count=views))
    assert list(section.tables["seldom_seen"].index) == ["site-001"]
    assert counts(section)["seldom_seen"] == 1


def test_unplaced_patches_are_checked_too(make_dataset, make_textured):
    numbers = make_textured(3, 3)
    numbers[0] = 0
    table = integrity(make_dataset(numbers, [1, 0, 1], placed=False)).tables["no_data"]
    assert list(table.index) == ["site-000"]
    assert table["longitude"].isna().all()


def test_groups_of_copies_do_not_depend_on_order(make_dataset, make_textured):
    numbers = make_textured(8, 3)
    numbers[5], numbers[7], numbers[3] = numbers[1], numbers[1], numbers[2]
    ids = list("hgfedcba")
    turn = np.random.default_rng(1).permutation(8)
    tables = [
        exact_duplicates(
            summarise_patches(make_dataset(numbers[rows], [1] * 8, ids=[ids[i] for i in rows]))
        )
        for rows in (np.arange(8), turn)
    ]
    pd.testing.assert_frame_equal(*tables)
    assert tables[0].groupby("group").apply(lambda part: "".join(part.index)).tolist() == [
        "acg",
        "ef",
    ]


def test_two_forests_are_no_near_duplicates(make_dataset):
    random = np.random.default_rng(5)
    forest = random.normal(400, 12, (40, 3, 48, 48)).astype(np.uint16)
    statistics = summarise_patches(make_dataset(forest, [0] * 40))
    assert near_duplicates(statistics, SETTINGS).empty


def test_near_duplicates_are_found_among_many(make_dataset, make_textured):
    numbers = make_textured(400, 3, size_px=8, seed=2)
    random = np.random.default_rng(0)
    copies = random.permutation(200)[:20]
    noise = random.integers(-8, 9, (20, 3, 8, 8))
    numbers[200 + copies] = (numbers[copies].astype(int) + noise).astype(np.uint16)
    table = near_duplicates(summarise_patches(make_dataset(numbers, [0] * 400)), SETTINGS)
    expected = {f"site-{i:03d}" for i in (*copies, *(200 + copies))}
    assert set(table.index) == expected
    assert table["n_in_group"].eq(2).all()
    assert table["difference"].lt(SETTINGS.near_duplicate_tolerance).all()


def test_one_patch_has_no_neighbour(make_dataset, make_textured):
    assert counts(integrity(make_dataset(make_textured(1, 3), [1]))).sum() == 0


@pytest.mark.real
def test_empty_and_repeated_chips_of_pairs6_are_found(shared_data, tmp_path):
    # Of the 481 chips before mining three are empty, one is partly so, and two pairs are the same
    # place listed twice: seven arrays in all that equal another, in three groups.
    sites = pd.read_csv(shared_data / "pairs6" / "sites.csv").set_index("sample_id")
    sites.index.name = "site_id"
    with np.load(shared_data / "pairs6" / "chips.npz") as chips:
        numbers = np.moveaxis(chips["t0"], -1, 1).astype(np.uint16)
    import geopandas as gpd

    points = gpd.points_from_xy(sites["longitude"], sites["latitude"], crs="EPSG:4326")
    table = gpd.GeoDataFrame(
        {"label": sites["label"].astype("Int8"), "source": "pairs6"}, geometry=points
    )
    dataset = write_patches(
        tmp_path / "pairs6", table, numbers, bands="rgbn-swir", level="L2A", source="pairs6"
    )
    section = integrity(dataset)
    assert counts(section)[["no_data", "empty", "exact_duplicates"]].tolist() == [4, 3, 7]
    assert counts(section)["near_duplicates"] == 0
    groups = section.tables["exact_duplicates"].groupby("group")
    members = sorted(sorted(part.index) for _, part in groups)
    assert members == [
        ["mining_1910", "mining_208", "mining_606"],
        ["natural_209", "natural_71"],
        ["natural_237", "natural_99"],
    ]


def test_values_that_were_not_numbers_are_told(make_dataset, make_textured):
    statistics = summarise_patches(make_dataset(make_textured(4, 3), [1, 0, 0, None]))
    statistics.sites["n_nan_values"] = pd.array([0, 7, 900, pd.NA], dtype="Int64")
    section = check_integrity(statistics, ExploreSettings())
    checks = section.tables["checks"].set_index("check")
    assert checks.loc["not_numbers", "n_patches"] == 2
    assert checks.loc["not_numbers", "n_no_mining"] == 2
    assert section.tables["not_numbers"]["n_nan_values"].to_dict() == {
        "site-002": 900,
        "site-001": 7,
    }
    assert "2 have values that were not numbers in the source" in section.seen
    assert "find out why the source holds values that are not numbers" in section.advice.lower()


def test_where_such_values_were_not_counted_nothing_is_said_of_them(make_dataset, make_textured):
    section = check_integrity(
        summarise_patches(make_dataset(make_textured(4, 3), [1, 0, 0, None])), ExploreSettings()
    )
    assert "not_numbers" not in section.tables["checks"]["check"].tolist()


def test_a_fault_that_goes_with_a_class_is_told_as_a_leak(make_dataset, make_textured):
    numbers = make_textured(60, 3)
    numbers[:12, 1] = 900
    section = integrity(make_dataset(numbers, [0] * 30 + [1] * 30))
    assert "12 of 12 patches with a constant band are no mining" in section.seen
    assert "a detector may learn the fault instead of the ground" in section.seen
    assert "faults that go with a class" in section.advice
    checks = section.tables["checks"].set_index("check")
    assert checks.loc["constant_bands", "n_no_mining"] == 12
    assert checks.loc["constant_bands", "p_value"] < 0.01


@pytest.mark.parametrize("faulty", [slice(24, 36), slice(0, 4)])
def test_a_fault_that_both_classes_share_or_that_is_rare_is_no_leak(
    make_dataset, make_textured, faulty
):
    numbers = make_textured(60, 3)
    numbers[faulty, 1] = 900
    section = integrity(make_dataset(numbers, [0] * 30 + [1] * 30))
    assert "a constant band" in section.seen
    assert "detector" not in section.seen
