"""What folds share changes no score, and nothing of it comes from test sites or their labels."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.base import clone

from minewatch.model._ensemble import EnsembleDetector
from minewatch.model._evaluate_folds import Sample
from minewatch.model._runner import make_runner
from minewatch.model._textures import TextureDetector
from minewatch.model._trees import TreeDetector

pytestmark = pytest.mark.usefixtures("few_windows")

TREES = TreeDetector(n_trees=120)
TEXTURES = TextureDetector(n_textures=8)
DETECTORS = [TREES, TEXTURES, EnsembleDetector([TREES, TEXTURES])]
NAMES = ["trees", "textures", "ensemble"]
TRAIN, TEST = np.arange(30), np.arange(30, 40)
SOME, OTHERS = np.arange(20), np.arange(20, 30)


def make_sample(**changes):
    rng = np.random.default_rng(3)
    values = rng.normal(0.1, 0.02, (40, 2, 24, 24)).astype("float32")
    values[::2] = np.repeat(np.repeat(values[::2, :, :8, :8], 3, axis=2), 3, axis=3)
    values[:4, :, 5] = np.nan
    labels = np.arange(40) % 2
    rows = changes.get("rows", [])
    values[rows] *= 3
    labels[rows] = 1 - labels[rows]
    names = [f"s{i:02d}" for i in range(40)]
    pixels = xr.DataArray(
        values,
        dims=("site", "band", "y", "x"),
        coords={"site": names, "band": ["B04", "B03"]},
        attrs={"level": "L1C", "resolution_m": 10.0},
    )
    return Sample(
        gpd.GeoDataFrame(index=names), pd.Series(labels, names), pixels, None,
        sampling=changes.get("sampling", "all"),
    )  # fmt: skip


@pytest.mark.parametrize("detector", DETECTORS, ids=NAMES)
@pytest.mark.parametrize("sampling", ["all", "equal"])
def test_scores_of_a_fold_are_those_of_a_detector_fitted_to_it(detector, sampling):
    sample = make_sample(sampling=sampling)
    found = make_runner(detector, sample)(TRAIN).score(TEST)
    learned = sample.part(sample.learned(TRAIN))
    fitted = clone(detector).fit(learned.pixels, learned.labels)
    expected = fitted.predict_proba(sample.pixels.isel(site=TEST))[:, 1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("detector", DETECTORS, ids=NAMES)
def test_what_thresholds_are_chosen_on_knows_nothing_of_test_sites(detector):
    plain, changed = make_sample(), make_sample(rows=TEST)
    scores = [
        make_runner(detector, one)(TRAIN).score_inside(SOME, OTHERS) for one in (plain, changed)
    ]
    np.testing.assert_allclose(scores[0], scores[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("detector", DETECTORS, ids=NAMES)
def test_what_thresholds_are_chosen_on_knows_no_label_of_what_it_scores(detector):
    plain, changed = make_sample(), make_sample()
    changed.labels.iloc[OTHERS] = 1 - changed.labels.iloc[OTHERS]
    scores = [
        make_runner(detector, one)(TRAIN).score_inside(SOME, OTHERS) for one in (plain, changed)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])


def test_fewer_trees_serve_choices_alone_and_score_on_the_same_scale():
    sample, many = make_sample(), TreeDetector(n_trees=400)
    assert many.for_choices().n_trees == 100
    assert TreeDetector(n_trees=20).for_choices().n_trees == 20
    fold = make_runner(many, sample)(SOME)
    difference = fold.score_inside(SOME, OTHERS) - fold.score(OTHERS)
    assert 0.0 < np.abs(difference).max() < 0.15
