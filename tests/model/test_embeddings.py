"""Probes on vectors: joined by site_id, the same when saved."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.base import clone

from minewatch.errors import InputError, NotThereError
from minewatch.model import load_detector, save_detector
from minewatch.model._embeddings import EmbeddingDetector, read_vectors
from minewatch.model._onnx import RunOptions


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(3)
    sites = [f"s{i:02d}" for i in rng.permutation(60)]
    labels = pd.Series(np.arange(60) % 2, sites)
    values = rng.normal(size=(60, 8)) + 1.6 * labels.to_numpy()[:, None] - 0.8
    vectors = pd.DataFrame(values, sites, [f"v{i}" for i in range(8)])
    vectors.index.name = "site_id"
    pixels = xr.DataArray(
        np.full((60, 1, 16, 16), 0.1, "float32"),
        dims=("site", "band", "y", "x"),
        coords={"site": sites, "band": ["B04"]},
        attrs={"level": "L2A", "resolution_m": 10.0},
    )
    return pixels, labels, vectors


@pytest.mark.parametrize("probe", ["linear", "neighbours"])
def test_a_probe_tells_vectors_apart_that_lie_apart(made, probe):
    pixels, labels, vectors = made
    detector = EmbeddingDetector(probe, n_neighbours=5).fit(pixels[:40], labels, vectors)
    hits = detector.predict(pixels[40:], vectors) == labels.to_numpy()[40:]
    assert hits.mean() > 0.85


@pytest.mark.parametrize("probe", ["linear", "neighbours"])
def test_a_saved_probe_gives_the_same_scores(made, probe, tmp_path):
    pixels, labels, vectors = made
    detector = EmbeddingDetector(probe, n_neighbours=5).fit(pixels, labels, vectors)
    saved = load_detector(save_detector(detector, tmp_path / "d"), options=RunOptions(threads=1))
    gaps = vectors.copy()
    gaps.iloc[2, 1] = np.nan
    expected = detector.predict_proba(pixels, gaps)
    assert np.isnan(expected).any(axis=1).sum() == 1
    np.testing.assert_allclose(
        saved.predict_proba(pixels, gaps.sample(frac=1, random_state=0)),
        expected,
        rtol=0,
        atol=1e-5,
    )


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_vectors_of_a_file_are_those_of_the_table(made, suffix, tmp_path):
    pixels, labels, vectors = made
    file = tmp_path / f"vectors{suffix}"
    flat = vectors.reset_index()
    flat.to_csv(file, index=False) if suffix == ".csv" else flat.to_parquet(file)
    pd.testing.assert_frame_equal(read_vectors(file), vectors, check_index_type=False)
    by_file = clone(EmbeddingDetector(vectors=file)).fit(pixels, labels)
    by_table = EmbeddingDetector().fit(pixels, labels, vectors)
    np.testing.assert_allclose(
        by_file.predict_proba(pixels), by_table.predict_proba(pixels, vectors), rtol=1e-9
    )


def test_a_table_that_holds_no_vectors_is_refused(made, tmp_path):
    pixels, labels, vectors = made
    with pytest.raises(NotThereError, match=r"nowhere\.csv"):
        read_vectors("nowhere.csv")
    with pytest.raises(InputError, match="hold no numbers"):
        EmbeddingDetector().fit(pixels, labels, vectors.assign(place="x"))
    with pytest.raises(InputError, match="site_id"):
        file = tmp_path / "v.csv"
        vectors.reset_index(drop=True).to_csv(file, index=False)
        read_vectors(file)


def test_sites_without_a_vector_are_named(made):
    pixels, labels, vectors = made
    with pytest.raises(InputError, match=vectors.index[5]):
        EmbeddingDetector().fit(pixels, labels, vectors.drop(vectors.index[5]))
