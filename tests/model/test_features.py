"""Statistics of patches: true where the truth is known, blind to missing pixels."""

import numpy as np
import pytest

from minewatch.bands import spectral_indices
from minewatch.errors import InputError
from minewatch.model._features import patch_statistics, statistic_names, statistics_by_name

BANDS = ("B04", "B03", "B02", "B08")


def make(n_sites=6, size=24, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.02, 0.4, (n_sites, len(BANDS), size, size)).astype("float32")


def of(values, bands=BANDS):
    numbers, names = patch_statistics(values, bands)
    return {name: numbers[:, i] for i, name in enumerate(names)}


def pairs(layer, lag):
    """Pixels that lie `lag` apart, across and down."""
    return (layer[:, lag:], layer[:, :-lag]), (layer[lag:], layer[:-lag])


def plainly(layer):
    """The statistics of one layer (y, x), as slowly as they are defined."""
    layer = layer.astype(float)
    height, width = layer.shape
    middle = layer[height // 4 : height - height // 4, width // 4 : width - width // 4]
    inmost = layer[height * 3 // 8 : height - height * 3 // 8]
    inmost = inmost[:, width * 3 // 8 : width - width * 3 // 8]
    mean, variance = np.nanmean(layer), np.nanvar(layer)
    found = {"mean": mean, "std": np.sqrt(variance)}
    for name, part in (("centre", middle), ("core", inmost)):
        found[name] = np.nanmean(part)
        found[f"{name} - whole"] = np.nanmean(part) - mean
        found[f"{name} std"] = np.nanstd(part)
    for lag in (1, 2, 4, 8):
        across, down = (np.nanmean((a - mean) * (b - mean)) for a, b in pairs(layer, lag))
        found[f"neighbours {lag} px"] = (across + down) / (2 * variance)
        if lag == 1:
            found["direction"] = abs(across - down) / variance
    steps = [np.abs(ahead - behind).ravel() for ahead, behind in pairs(layer, 1)]
    found["gradient"] = np.nanmean(np.concatenate(steps))
    for percent in (2, 10, 25, 50, 75, 90, 98):
        found[f"p{percent}"] = np.nanpercentile(layer, percent)
    for one, other in ((90, 10), (98, 50), (50, 2)):
        found[f"p{one} - p{other}"] = found[f"p{one}"] - found[f"p{other}"]
    for percent in (10, 50, 90):
        found[f"centre p{percent}"] = np.nanpercentile(middle, percent)
    for size in (3, 9):
        windows = np.lib.stride_tricks.sliding_window_view(layer, (size, size))
        windows = windows.reshape(-1, size * size)
        enough = np.isfinite(windows).sum(axis=1) * 2 >= size * size
        found[f"grain {size} px"] = np.nanstd(windows[enough], axis=1).mean()
    return found


def plain_correlation(one, other):
    both = np.isfinite(one) & np.isfinite(other)
    one = np.where(both, one - np.nanmean(one.astype(float)), 0.0)
    other = np.where(both, other - np.nanmean(other.astype(float)), 0.0)
    return (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())


@pytest.mark.parametrize("gaps", ["none", "of all bands", "of one band", "of one quotient"])
def test_all_statistics_are_those_of_a_slow_plain_reference(gaps):
    values = make(3, size=26)
    values[1] = values[1].mean(axis=0) * [[[1.0]], [[0.9]], [[1.2]], [[0.5]]] + values[1] / 9
    if gaps == "of all bands":
        values[:2, :, 3:9, 5:20] = np.nan
    elif gaps == "of one band":
        values[1, 2, :5] = np.nan
    elif gaps == "of one quotient":
        values[1, :, 4:6, 20:] = 0.0
    found = of(values)
    indices = spectral_indices(values, BANDS, band_axis=1)
    layers = {name: values[:, i] for i, name in enumerate(BANDS)}
    layers |= {name: np.clip(index, -10, 10) for name, index in indices.items()}
    for site in range(3):
        expected = {
            f"{name} {statistic}": number
            for name, layer in layers.items()
            for statistic, number in plainly(layer[site]).items()
        }
        for i, one in enumerate(BANDS):
            for other in BANDS[i + 1 :]:
                expected[f"{one}~{other}"] = plain_correlation(
                    layers[one][site], layers[other][site]
                )
        assert expected.keys() == found.keys()
        names = list(expected)
        np.testing.assert_allclose(
            [found[name][site] for name in names],
            [expected[name] for name in names],
            rtol=2e-5,
            atol=2e-6,
        )


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
    values[4, 1, 20:] = np.nan
    among, _ = patch_statistics(values, BANDS)
    for site in (2, 3, 4):
        alone, _ = patch_statistics(values[site : site + 1], BANDS)
        np.testing.assert_array_equal(among[site : site + 1], alone)


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
