"""TreeDetector keeps scikit-learn's promises and is the same when saved."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from minewatch.errors import InputError, LevelError
from minewatch.model import load_detector, save_detector
from minewatch.model._onnx import RunOptions
from minewatch.model._trees import TreeDetector


@pytest.fixture(scope="module")
def made():
    """Give 60 patches, half of them with a bright, rough middle, and their labels."""
    import xarray as xr

    rng = np.random.default_rng(5)
    values = rng.normal(0.1, 0.01, (60, 4, 24, 24)) * rng.uniform(0.7, 1.3, (60, 4, 1, 1))
    values[30:, :3, 6:18, 6:18] += rng.uniform(0, 0.15, (30, 1, 12, 12))
    values[::7, :, :5, :] = np.nan
    sites = [f"s{i}" for i in rng.permutation(60)]
    pixels = xr.DataArray(
        values.astype("float32"),
        dims=("site", "band", "y", "x"),
        coords={"site": sites, "band": ["B04", "B03", "B02", "B08"]},
        attrs={"level": "L2A", "resolution_m": 10.0},
    )
    return pixels, pd.Series([0] * 30 + [1] * 30, index=sites)


@pytest.fixture(scope="module")
def context(made):
    _, labels = made
    rng = np.random.default_rng(2)
    road_m = rng.uniform(0, 5000, len(labels))
    road_m[:5] = np.nan
    cover = pd.Categorical(rng.choice(["wood", "sand", "town"], len(labels)))
    return pd.DataFrame({"road_m": road_m, "cover": cover}, index=labels.index)


SMALL = {"n_trees": 30, "random_state": 3}


def test_it_tells_rough_bright_patches_from_smooth_ones(made):
    pixels, labels = made
    detector = TreeDetector(**SMALL).fit(pixels[::2], labels)
    assert (detector.predict(pixels[1::2]) == labels.to_numpy()[1::2]).mean() > 0.95


def test_a_saved_detector_gives_the_same_scores(made, tmp_path):
    pixels, labels = made
    detector = TreeDetector(**SMALL).fit(pixels, labels)
    saved = load_detector(save_detector(detector, tmp_path / "d"), options=RunOptions(threads=1))
    expected = detector.predict_proba(pixels)
    np.testing.assert_allclose(saved.predict_proba(pixels), expected, rtol=0, atol=1e-5)


def test_a_saved_detector_with_context_gives_the_same_scores(made, context, tmp_path):
    pixels, labels = made
    detector = TreeDetector(**SMALL).fit(pixels, labels, context)
    saved = load_detector(save_detector(detector, tmp_path / "d"), options=RunOptions(threads=1))
    expected = detector.predict_proba(pixels, context)
    shuffled = context.sample(frac=1, random_state=1)
    np.testing.assert_allclose(saved.predict_proba(pixels, shuffled), expected, atol=1e-5, rtol=0)


def test_a_copy_has_the_same_parameters_and_is_not_fitted(made):
    detector = TreeDetector(n_trees=7, balanced=False).fit(*made)
    copy = clone(detector)
    assert copy.get_params() == detector.get_params()
    assert not hasattr(copy, "forest_")
    assert clone(detector).set_params(n_trees=9).n_trees == 9


def test_the_order_of_patches_and_labels_plays_no_part(made):
    pixels, labels = made
    rows = np.random.default_rng(1).permutation(len(labels))
    first = TreeDetector(**SMALL).fit(pixels, labels).predict_proba(pixels)
    again = TreeDetector(**SMALL).fit(pixels[rows], labels[::-1]).predict_proba(pixels)
    np.testing.assert_array_equal(first, again)


def test_columns_that_name_the_target_are_refused_unless_asked(made, context):
    pixels, labels = made
    telling = context.assign(target_quarry_m=labels * 1.0)
    with pytest.raises(InputError, match="target_quarry_m"):
        TreeDetector(**SMALL).fit(pixels, labels, telling)
    asked = TreeDetector(allow_target=True, **SMALL).fit(pixels, labels, telling)
    assert "target_quarry_m" in asked.columns_


def test_a_detector_that_learned_from_context_asks_for_it(made, context):
    pixels, labels = made
    detector = TreeDetector(**SMALL).fit(pixels, labels, context)
    with pytest.raises(InputError, match="road_m"):
        detector.predict_proba(pixels)


def test_a_patch_with_too_many_pixels_missing_gets_no_score(made):
    pixels, labels = made
    gone = pixels.copy()
    gone[0, :, :13] = np.nan
    scores = TreeDetector(**SMALL).fit(pixels, labels).predict_proba(gone)
    assert np.isnan(scores[0]).all()
    assert np.isfinite(scores[1:]).all()


def test_bands_are_taken_by_name(made):
    pixels, labels = made
    detector = TreeDetector(**SMALL).fit(pixels, labels)
    swapped = pixels.isel(band=[3, 1, 0, 2])
    np.testing.assert_array_equal(detector.predict_proba(swapped), detector.predict_proba(pixels))


def test_another_level_is_refused(made):
    pixels, labels = made
    detector = TreeDetector(**SMALL).fit(pixels, labels)
    with pytest.raises(LevelError):
        detector.predict_proba(pixels.assign_attrs(level="L1C"))


def test_a_summary_scores_as_its_pixels_do(made):
    pixels, labels = made
    detector = TreeDetector(**SMALL)
    summary = detector.summarise(pixels)
    fitted = clone(detector).fit_summary(summary, labels)
    expected = clone(detector).fit(pixels, labels).predict_proba(pixels)
    np.testing.assert_array_equal(fitted.predict_summary(summary), expected)


def test_a_site_without_a_label_or_with_two_is_refused(made):
    pixels, labels = made
    with pytest.raises(InputError, match="no label"):
        TreeDetector(**SMALL).fit(pixels, labels[1:])
    with pytest.raises(InputError, match="several labels"):
        TreeDetector(**SMALL).fit(pixels, pd.concat([labels, labels[:1]]))


def test_of_many_patches_a_tree_learns_from_some_and_threads_change_nothing(made, tmp_path):
    pixels, labels = made
    detector = TreeDetector(most_sites=20, **SMALL).fit(pixels, labels)
    drawn = [tree.tree_.n_node_samples[0] for tree in detector.forest_.estimators_]
    assert max(drawn) <= 20
    scores = detector.predict_proba(pixels)
    alone = TreeDetector(most_sites=20, n_jobs=1, **SMALL).fit(pixels, labels)
    np.testing.assert_array_equal(alone.predict_proba(pixels), scores)
    assert not np.array_equal(
        TreeDetector(**SMALL).fit(pixels, labels).predict_proba(pixels), scores
    )
    loaded = load_detector(save_detector(detector, tmp_path / "d"))
    np.testing.assert_allclose(loaded.predict_proba(pixels), scores, atol=1e-5)
