"""TextureDetector learns patterns, not brightness, and is the same when saved."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.base import clone

from minewatch.errors import InputError
from minewatch.model import load_detector, save_detector
from minewatch.model._onnx import RunOptions
from minewatch.model._textures import TextureDetector, describe, learn_dictionary


def make(n_sites=60, *, seed=1, gaps=True):
    """Make patches of equal brightness and contrast: fine grain, or grain of 3 px."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n_sites) % 2
    fine = rng.normal(0.1, 0.02, (n_sites, 2, 24, 24))
    coarse = np.repeat(np.repeat(fine[:, :, :8, :8], 3, axis=2), 3, axis=3)
    values = np.where(labels[:, None, None, None] == 1, coarse, fine)
    if gaps:
        values[::5, :, :6, :] = np.nan
        values[1::5, 0, 9, 9] = np.nan
    sites = [f"s{i}" for i in rng.permutation(n_sites)]
    pixels = xr.DataArray(
        values.astype("float32"),
        dims=("site", "band", "y", "x"),
        coords={"site": sites, "band": ["B04", "B03"]},
        attrs={"level": "L1C", "resolution_m": 10.0},
    )
    return pixels, pd.Series(labels, sites)


@pytest.fixture(scope="module")
def fitted():
    return TextureDetector(n_textures=12).fit(*make())


def test_it_tells_coarse_grain_from_fine(fitted):
    pixels, labels = make(seed=2)
    assert (fitted.predict(pixels) == labels.to_numpy()).mean() > 0.95


def test_a_saved_detector_gives_the_same_scores(fitted, tmp_path):
    pixels, _ = make(seed=2)
    pixels[3] = np.nan
    saved = load_detector(save_detector(fitted, tmp_path / "d"), options=RunOptions(threads=1))
    expected = fitted.predict_proba(pixels)
    assert np.isnan(expected).all(axis=1).sum() == 1
    np.testing.assert_allclose(saved.predict_proba(pixels), expected, rtol=0, atol=1e-5)


def test_order_of_patches_plays_no_part_and_a_seed_is_kept(fitted):
    pixels, labels = make()
    rows = np.random.default_rng(1).permutation(len(labels))
    again = clone(fitted).fit(pixels.isel(site=rows), labels[::-1])
    np.testing.assert_array_equal(again.predict_proba(pixels), fitted.predict_proba(pixels))
    other = clone(fitted).set_params(random_state=5).fit(pixels, labels)
    assert not np.array_equal(other.predict_proba(pixels), fitted.predict_proba(pixels))


def test_a_missing_pixel_takes_out_its_windows_and_no_other():
    pixels, _ = make(gaps=False)
    values = pixels.to_numpy()
    dictionary = learn_dictionary(values, 8, 6, np.random.default_rng(0))
    whole = describe(values, dictionary)
    cut = values.copy()
    cut[0, 1, 12, 12] = np.nan
    changed = describe(cut, dictionary)
    assert np.isfinite(changed[0]).sum() >= 16  # over the whole patch some windows are left
    assert not np.array_equal(changed[0, :8], whole[0, :8])
    np.testing.assert_array_equal(changed[1:], whole[1:])


def test_brightness_alone_changes_nothing():
    pixels, _ = make(gaps=False)
    values = pixels.to_numpy()
    dictionary = learn_dictionary(values, 8, 6, np.random.default_rng(0))
    brighter = describe(values + np.float32(0.3), dictionary)
    np.testing.assert_allclose(brighter, describe(values, dictionary), atol=1e-3)


def test_patches_too_small_are_refused():
    pixels, labels = make()
    with pytest.raises(InputError, match="10 × 10"):
        TextureDetector().fit(pixels[:, :, :10, :10], labels)
