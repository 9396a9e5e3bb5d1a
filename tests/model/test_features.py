"""Statistics of patches: true where the truth is known, blind to missing pixels."""

import numpy as np
import pytest

from minewatch.errors import InputError
from minewatch.model._features import patch_statistics, statistic_names, statistics_by_name

BANDS = ("B04", "B03", "B02", "B08")


def make(n_sites=6, size=24, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.02, 0.4, (n_sites, len(BANDS), size, size)).astype("float32")


def of(values, bands=BANDS):
    numbers, names = patch_statistics(values, bands)
    return {name: numbers[:, i] for i, name in enumerate(names)}


def test_each_column_has_a_name_of_its_own():
    numbers, names = patch_statistics(make(), BANDS)
    assert names == statistic_names(BANDS)
    assert len(set(names)) == len(names) == numbers.shape[1]


def test_statistics_of_a_band_are_those_of_numpy():
    values = make()
    found = of(values)
    flat = values[:, 0].reshape(6, -1).astype(float)
    np.testing.assert_allclose(found["B04 mean"], flat.mean(1), rtol=1e-5)
    np.testing.assert_allclose(found["B04 std"], flat.std(1), rtol=1e-4)
    np.testing.assert_allclose(found["B04 p90"], np.percentile(flat, 90, axis=1), rtol=1e-4)
    middle = values[:, 0, 6:18, 6:18].reshape(6, -1)
    np.testing.assert_allclose(found["B04 centre"], middle.mean(1), rtol=1e-4)
    correlation = [np.corrcoef(v[0].ravel(), v[1].ravel())[0, 1] for v in values.astype(float)]
    np.testing.assert_allclose(found["B04~B03"], correlation, atol=1e-4)


def test_grain_is_the_spread_within_windows():
    values = make(2)
    windows = np.lib.stride_tricks.sliding_window_view(values[:, 0], (3, 3), axis=(1, 2))
    expected = windows.astype(float).std(axis=(3, 4)).mean(axis=(1, 2))
    np.testing.assert_allclose(of(values)["B04 grain 3 px"], expected, rtol=1e-3)


def test_missing_pixels_are_counted_nowhere():
    """A patch whose lower half is missing has the quantiles and moments of its upper half."""
    values = make()
    gone = values.copy()
    gone[:, :, 12:, :] = np.nan
    found = of(gone)
    upper = values[:, 1, :12].reshape(6, -1)
    np.testing.assert_allclose(found["B03 p50"], np.median(upper, axis=1), rtol=1e-4)
    np.testing.assert_allclose(found["B03 std"], upper.astype(float).std(1), rtol=1e-4)
    steps = np.abs(np.diff(values[:, 1, :12], axis=2)), np.abs(np.diff(values[:, 1, :12], axis=1))
    both = np.concatenate([part.reshape(6, -1) for part in steps], axis=1)
    np.testing.assert_allclose(found["B03 gradient"], both.mean(1), rtol=1e-4)


def test_a_patch_has_the_same_numbers_among_any_others():
    values = make(40, size=48)
    values[3, :, :5] = np.nan
    among, _ = patch_statistics(values, BANDS)
    alone, _ = patch_statistics(values[3:4], BANDS)
    np.testing.assert_array_equal(among[3:4], alone)


def test_turning_and_mirroring_a_patch_changes_nothing():
    values = make(2)
    numbers, _ = patch_statistics(values, BANDS)
    turned, _ = patch_statistics(np.rot90(values, axes=(2, 3))[..., ::-1].copy(), BANDS)
    np.testing.assert_allclose(turned, numbers, rtol=2e-3, atol=2e-4)


def test_a_patch_without_pixels_has_no_statistics():
    numbers, _ = patch_statistics(np.full((1, 4, 24, 24), np.nan, "float32"), BANDS)
    names = np.array(statistic_names(BANDS))
    assert np.isnan(numbers[0]).all(), names[~np.isnan(numbers[0])]


def test_small_patches_are_refused():
    with pytest.raises(InputError, match="10 × 24"):
        patch_statistics(make()[:, :, :10], BANDS)


def test_statistics_are_picked_by_name():
    values = make()
    picked = statistics_by_name(values, BANDS, ["NDVI p50", "B04 mean"])
    np.testing.assert_array_equal(picked[:, 1], of(values)["B04 mean"])
    with pytest.raises(InputError, match="B12 mean"):
        statistics_by_name(values, BANDS, ["B12 mean"])
