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
from minewatch.scan._score import score_tile


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


def almost_flat(n_sites, size_px, *, seed, reflectance=0.5):
    """Make bright patches, every band alike, whose grain is some digital numbers: fine or of 3 px.

    Such are salt, snow, cloud and roofs.
    """
    rng = np.random.default_rng(seed)
    side = size_px // 3
    fine = rng.integers(-9, 10, (n_sites, 3, size_px, size_px))
    coarse = np.repeat(np.repeat(fine[:, :, :side, :side], 3, axis=2), 3, axis=3)
    labels = np.arange(n_sites) % 2
    grain = np.where(labels[:, None, None, None] == 1, coarse, fine)
    return (reflectance + 1e-4 * grain).astype("float32"), labels


def name_bands(values):
    return xr.DataArray(
        values,
        dims=("site", "band", "y", "x"),
        coords={"site": [f"s{i:02d}" for i in range(len(values))], "band": ["B04", "B03", "B02"]},
        attrs={"level": "L1C", "resolution_m": 10.0},
    )


@pytest.mark.parametrize("reflectance", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("window_px", [5, 6])
def test_a_saved_detector_gives_the_same_scores_of_bright_ground_that_is_almost_flat(
    reflectance, window_px, tmp_path
):
    values, labels = almost_flat(40, 24, seed=3, reflectance=reflectance)
    learned = name_bands(values)
    detector = TextureDetector(n_textures=40, window_px=window_px, strength=1.0)
    detector.fit(learned, pd.Series(labels, learned["site"].to_numpy()))
    pixels = name_bands(almost_flat(20, 24, seed=4, reflectance=reflectance)[0])
    expected = detector.predict_proba(pixels)
    assert expected[:, 1].std() > 0.1
    saved = load_detector(save_detector(detector, tmp_path / "d"), options=RunOptions(threads=1))
    np.testing.assert_allclose(saved.predict_proba(pixels), expected, rtol=0, atol=1e-5)
    rows, columns = (grid.ravel() for grid in np.mgrid[0:37:6, 0:25:4])
    tile = almost_flat(1, 60, seed=5, reflectance=reflectance)[0][0]
    cut = np.stack([tile[:, y : y + 24, x : x + 24] for y, x in zip(rows, columns, strict=True)])
    scored = score_tile(
        saved, name_bands(tile[None])[0], rows, columns, level="L1C", resolution_m=10.0
    )
    truth = detector.predict_proba(name_bands(cut))[:, 1]
    np.testing.assert_allclose(scored["score"], truth, rtol=0, atol=1e-5)


def test_descriptions_are_as_in_double_precision_on_bright_ground_that_is_almost_flat():
    values, _ = almost_flat(10, 24, seed=6)
    dictionary = learn_dictionary(values, 30, 6, np.random.default_rng(0))
    exact = describe(values.astype(np.float64), dictionary)
    np.testing.assert_allclose(describe(values, dictionary), exact, rtol=0, atol=1e-5)
