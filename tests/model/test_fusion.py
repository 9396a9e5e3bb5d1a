"""FusionDetector weighs pixels against context, and is the same when saved."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.base import clone

from minewatch.errors import InputError
from minewatch.model import load_detector, save_detector
from minewatch.model._fusion import FusionDetector
from minewatch.model._onnx import RunOptions
from minewatch.model._trees import TreeDetector


def make(n_sites=80, *, seed=4, telling=True):
    """Make patches whose brightness and sites whose distance to a river hint at mining."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n_sites) % 2
    values = rng.normal(0.1, 0.01, (n_sites, 2, 16, 16))
    values += (rng.normal(0, 0.02, n_sites) + 0.02 * labels)[:, None, None, None]
    sites = [f"s{i:03d}" for i in range(n_sites)]
    pixels = xr.DataArray(
        values.astype("float32"),
        dims=("site", "band", "y", "x"),
        coords={
            "site": sites,
            "band": ["B04", "B03"],
            "longitude": ("site", rng.uniform(-60, -55, n_sites)),
            "latitude": ("site", rng.uniform(-8, -3, n_sites)),
        },
        attrs={"level": "L2A", "resolution_m": 10.0},
    )
    river_m = rng.exponential(1000, n_sites)
    if telling:
        river_m *= np.where(labels == 1, 0.3, 1.0)
    context = pd.DataFrame({"river_m": river_m, "cover": rng.choice(["a", "b"], n_sites)}, sites)
    return pixels, pd.Series(labels, sites), context


def fusion(**settings):
    base = TreeDetector(n_trees=30, min_leaf_sites=3)
    return FusionDetector(base, **{"n_trees": 40, "n_splits": 3, **settings})


@pytest.fixture(scope="module")
def fitted():
    pixels, labels, context = make()
    return fusion().fit(pixels, labels, context), pixels, labels, context


def test_context_that_tells_makes_scores_better(fitted):
    from sklearn.metrics import roc_auc_score

    detector, *_ = fitted
    pixels, labels, context = make(seed=9)
    alone = detector.base_.predict_proba(pixels)[:, 1]
    with_context = detector.predict_proba(pixels, context)[:, 1]
    assert roc_auc_score(labels, with_context) > roc_auc_score(labels, alone) + 0.02


def test_context_that_tells_nothing_weighs_less_than_pixels():
    pixels, labels, context = make(telling=False)
    weights = fusion().fit(pixels, labels, context).weights_
    assert weights[1] < weights[0]
    assert (weights >= 0).all()


def test_the_score_never_falls_as_the_base_s_rises(fitted):
    detector, pixels, _, context = fitted
    same = pd.DataFrame([context.iloc[0]] * len(context), index=context.index)
    by_base = detector.base_.predict_proba(pixels)[:, 1]
    fused = detector.predict_proba(pixels, same)[:, 1]
    assert (np.diff(fused[np.argsort(by_base)]) >= -1e-12).all()


def test_a_saved_fusion_gives_the_same_scores(fitted, tmp_path):
    detector, pixels, _, context = fitted
    saved = load_detector(save_detector(detector, tmp_path / "d"), options=RunOptions(threads=1))
    assert saved.card.kind == "fusion"
    expected = detector.predict_proba(pixels, context)
    np.testing.assert_allclose(saved.predict_proba(pixels, context), expected, rtol=0, atol=1e-5)


def test_the_order_of_rows_plays_no_part(fitted):
    detector, pixels, labels, context = fitted
    rows = np.random.default_rng(1).permutation(len(labels))
    again = clone(detector).fit(pixels.isel(site=rows), labels[::-1], context.iloc[rows])
    np.testing.assert_array_equal(
        again.predict_proba(pixels, context), detector.predict_proba(pixels, context)
    )


def test_it_says_that_it_needs_context(fitted):
    detector, pixels, labels, _ = fitted
    with pytest.raises(InputError, match="context"):
        clone(detector).fit(pixels, labels)
    with pytest.raises(InputError, match="context"):
        detector.predict_proba(pixels)
