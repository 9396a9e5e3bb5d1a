import numpy as np
import pandas as pd
import pytest

from minewatch.bands import spectral_indices
from minewatch.explore._histograms import count_moments, count_quantiles, largest_gap
from minewatch.explore._settings import ExploreSettings
from minewatch.explore._statistics import summarise_patches

BANDS = ("B02", "B03", "B04", "B08", "B11")


@pytest.fixture
def numbers(make_textured):
    numbers = make_textured(9, len(BANDS))
    numbers[0] = 0
    numbers[1, 2] = 0
    numbers[2, :, :4, :4] = 0
    numbers[3, 1] = 777
    numbers[4, 0, 5, 5] = 0
    numbers[5, 3, :2] = 12_000
    numbers[6, 4, 0, :3] = 1
    return numbers


@pytest.fixture
def statistics(make_dataset, numbers):
    return summarise_patches(make_dataset(numbers, [1, 1, 1, 0, 0, 0, 0, None, None], bands=BANDS))


def test_moments_and_quantiles_are_those_of_known_pixels(statistics, numbers):
    known = np.where(numbers == 0, np.nan, numbers / 10_000).reshape(9, len(BANDS), -1)
    for row in range(2, 9):
        for column, band in enumerate(BANDS):
            values = known[row, column][~np.isnan(known[row, column])]
            site = statistics.mean.index[row]
            assert statistics.mean.loc[site, band] == pytest.approx(values.mean())
            assert statistics.std.loc[site, band] == pytest.approx(values.std(), abs=1e-9)
            expected = np.quantile(values, [0.1, 0.9], method="inverted_cdf")
            assert statistics.p10.loc[site, band] == pytest.approx(expected[0])
            assert statistics.p90.loc[site, band] == pytest.approx(expected[1])


def test_what_is_not_known_stays_unknown(statistics):
    for table in (statistics.mean, statistics.std, statistics.p10, statistics.p90):
        assert table.loc["site-000"].isna().all()
        assert np.isnan(table.loc["site-001", "B04"])
        assert not table.loc["site-001", ["B02", "B08"]].isna().any()
    assert np.isnan(statistics.small[0]).all()
    assert np.isnan(statistics.indices.loc["site-001", "NDVI"])
    assert not np.isnan(statistics.indices.loc["site-001", "NDWI"])


def test_index_medians_are_medians_of_pixels_not_indices_of_means(statistics, numbers):
    reflectance = np.where(numbers == 0, np.nan, numbers / 10_000).astype(np.float32)
    expected = spectral_indices(reflectance, BANDS, band_axis=1)
    assert set(expected) == set(statistics.indices.columns)
    for name, values in expected.items():
        medians = np.array([np.nanmedian(patch) for patch in values[2:]])
        np.testing.assert_allclose(statistics.indices[name].to_numpy()[2:], medians, rtol=1e-5)


def test_every_pixel_is_counted_once_in_its_class(statistics, numbers):
    counts = statistics.counts
    assert int(counts.sum()) == numbers.size
    of_mining = np.bincount(numbers[:3, 2].ravel(), minlength=65_536)
    assert (counts.sel(label="mining", band="B04").to_numpy() == of_mining).all()
    assert int(counts.sel(label="unlabelled").sum()) == numbers[7:].size


def test_quality_counts_what_is_wrong(statistics):
    quality = statistics.quality
    n_px = 256
    assert quality["n_px"].eq(n_px).all()
    assert quality["n_no_data_px"].tolist()[:5] == [n_px, 0, 16, 0, 0]
    assert quality["n_any_zero_px"].tolist()[:5] == [n_px, n_px, 16, 0, 1]
    assert quality["zero_bands"].tolist()[:3] == ["B02,B03,B04,B08,B11", "B04", ""]
    assert quality["constant_bands"].tolist()[2:5] == ["", "B03", ""]
    assert quality.loc["site-005", "too_bright_share"] == pytest.approx(32 / n_px)
    assert quality.loc["site-006", "too_dark_share"] == pytest.approx(3 / n_px)
    assert quality["saturated_share"].eq(0).all()
    assert quality["too_dark_share"].iloc[0] == 0


def test_small_patches_are_block_means_of_known_pixels(statistics, numbers):
    block = numbers[8, 3, 2:4, 6:8] / 10_000
    assert statistics.small[8, 3, 1, 3] == pytest.approx(block.mean(), rel=1e-6)
    assert np.isnan(statistics.small[2, 0, :2, :2]).all()
    assert not np.isnan(statistics.small[2, 0, 2:, 2:]).any()


@pytest.mark.parametrize("size_px", [5, 8, 28, 44])
def test_any_patch_size_is_reduced_to_eight_by_eight(make_dataset, size_px):
    numbers = np.full((2, 3, size_px, size_px), 1500, dtype=np.uint16)
    small = summarise_patches(make_dataset(numbers, [1, 0])).small
    assert small.shape == (2, 3, 8, 8)
    np.testing.assert_allclose(small, 0.15, rtol=1e-6)


def test_saturation_is_what_the_dataset_says(make_dataset, make_textured):
    numbers = make_textured(2, 3)
    numbers[1, 0, :8] = 3000
    quality = summarise_patches(make_dataset(numbers, [1, 0], saturation_dn=3000)).quality
    assert quality["saturated_share"].tolist() == [0.0, 0.5]


def test_clear_views_are_summarised_where_they_are_known(make_dataset, make_textured):
    views = np.full((2, 16, 16), 9, dtype=np.uint16)
    views[1, 0, 0] = 1
    dataset = make_dataset(make_textured(2, 3), [1, 0], clear_count=views)
    quality = summarise_patches(dataset).quality
    assert quality["min_clear_views"].tolist() == [9.0, 1.0]
    unknown = summarise_patches(make_dataset(make_textured(2, 3), [1, 0])).quality
    assert unknown["min_clear_views"].isna().all()


def test_equal_pixels_have_equal_digests_whatever_the_band_order(make_dataset, make_textured):
    numbers = make_textured(3, 3)
    numbers[2] = numbers[0]
    digest = summarise_patches(make_dataset(numbers, [1, 0, 0])).quality["digest"]
    turned = make_dataset(numbers[:, [2, 0, 1]], [1, 0, 0], bands=["B04", "B02", "B03"])
    assert digest["site-000"] == digest["site-002"] != digest["site-001"]
    pd.testing.assert_series_equal(summarise_patches(turned).quality["digest"], digest)


def test_more_threads_give_the_same_numbers(make_dataset, make_textured, monkeypatch):
    monkeypatch.setattr("minewatch.explore._statistics._CHUNK_SITES", 2)
    dataset = make_dataset(make_textured(11, 5), [1, 0] * 5 + [None], bands=BANDS)
    one = summarise_patches(dataset, settings=ExploreSettings(n_workers=1))
    four = summarise_patches(dataset, settings=ExploreSettings(n_workers=4))
    for name in ("mean", "std", "p10", "p90", "indices", "quality"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(four, name))
    assert one.counts.identical(four.counts)
    assert (one.small == four.small).all()


def test_progress_runs_from_nothing_to_all(make_dataset, make_textured):
    told = []
    dataset = make_dataset(make_textured(5, 3), [1] * 5)
    summarise_patches(dataset, progress=lambda *call: told.append(call))
    assert told == [("reading patches", 0, 5), ("reading patches", 5, 5)]


def test_histogram_quantiles_are_those_of_the_pixels():
    random = np.random.default_rng(3)
    values = random.integers(10, 500, 1001)
    shares = [0.0, 0.01, 0.25, 0.5, 0.9, 1.0]
    expected = np.quantile(values, shares, method="inverted_cdf")
    assert count_quantiles(np.bincount(values), shares).tolist() == expected.tolist()
    total, mean, deviation = count_moments(np.bincount(values))
    assert total == 1001
    assert mean == pytest.approx(values.mean() / 10_000)
    assert deviation == pytest.approx(values.std(ddof=1) / 10_000)


def test_largest_gap_is_the_kolmogorov_smirnov_distance():
    from scipy.stats import ks_2samp

    random = np.random.default_rng(4)
    first, second = random.integers(0, 60, 300), random.integers(20, 90, 200)
    counts = [np.bincount(values, minlength=100) for values in (first, second)]
    assert largest_gap(*counts) == pytest.approx(ks_2samp(first, second).statistic)
    assert np.isnan(largest_gap(counts[0], np.zeros(100, dtype=np.int64)))
