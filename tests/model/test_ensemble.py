"""An ensemble is the mean of its members, saved or not."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.base import clone

from minewatch.errors import InputError
from minewatch.model import load_detector, save_detector
from minewatch.model._ensemble import EnsembleDetector
from minewatch.model._onnx import RunOptions
from minewatch.model._textures import TextureDetector
from minewatch.model._trees import TreeDetector

MEMBERS = [TreeDetector(n_trees=10), TextureDetector(n_textures=5)]


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    values = rng.normal(0.1, 0.02, (24, 2, 20, 20)).astype("float32")
    values[12:] *= 2
    sites = [f"s{i}" for i in range(24)]
    pixels = xr.DataArray(
        values,
        dims=("site", "band", "y", "x"),
        coords={"site": sites, "band": ["B04", "B03"]},
        attrs={"level": "L1C", "resolution_m": 10.0},
    )
    return pixels, pd.Series([0] * 12 + [1] * 12, sites)


def test_its_score_is_the_mean_of_its_members(made):
    pixels, labels = made
    scores = [clone(one).fit(pixels, labels).predict_proba(pixels) for one in MEMBERS]
    both = EnsembleDetector(MEMBERS).fit(pixels, labels)
    np.testing.assert_allclose(both.predict_proba(pixels), np.mean(scores, axis=0), rtol=1e-12)


def test_a_saved_ensemble_gives_the_same_scores(made, tmp_path):
    pixels, labels = made
    both = EnsembleDetector(MEMBERS).fit(pixels, labels)
    saved = load_detector(save_detector(both, tmp_path / "d"), options=RunOptions(threads=1))
    np.testing.assert_allclose(
        saved.predict_proba(pixels), both.predict_proba(pixels), rtol=0, atol=1e-5
    )


def test_members_that_treat_gaps_differently_cannot_be_one_network(made):
    members = [TreeDetector(n_trees=3), TextureDetector(n_textures=3, most_missing=0.1)]
    with pytest.raises(InputError, match="missing pixels"):
        EnsembleDetector(members).fit(*made).to_onnx()
