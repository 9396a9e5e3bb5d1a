"""What a model may and may not get away with in the valley."""

import geopandas as gpd
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from minewatch import toy
from minewatch.bands import PRESETS, spectral_indices
from minewatch.types import FloatArray

BLOCK_M = 10_000


@pytest.fixture(scope="module")
def sites() -> gpd.GeoDataFrame:
    return toy.Valley(seed=1).sites(110, 220)


@pytest.fixture(scope="module")
def reflectance(sites: gpd.GeoDataFrame) -> FloatArray:
    return toy.Valley(seed=1).pixels(sites).to_numpy() * 1e-4


@pytest.fixture(scope="module")
def labels(sites: gpd.GeoDataFrame) -> FloatArray:
    return sites["label"].to_numpy(dtype=np.float64)


@pytest.fixture(scope="module")
def places(sites: gpd.GeoDataFrame) -> FloatArray:
    return sites.to_crs(32620).get_coordinates().to_numpy()


@pytest.fixture(scope="module")
def blocks(places: FloatArray) -> FloatArray:
    corner = places // BLOCK_M
    return corner[:, 0] * 10_000 + corner[:, 1]


def either_way(labels: FloatArray, scores: FloatArray) -> float:
    area = roc_auc_score(labels, scores)
    return max(area, 1.0 - area)


def test_no_threshold_on_one_band_or_index_solves_it(
    reflectance: FloatArray, labels: FloatArray
) -> None:
    bands = PRESETS["l2a-12"]
    summaries = [reflectance.mean(axis=(2, 3)), reflectance.std(axis=(2, 3))]
    summaries += list(np.quantile(reflectance, (0.1, 0.9), axis=(2, 3)))
    indices = spectral_indices(reflectance, bands, band_axis=1)
    summaries.append(np.stack([np.median(v, axis=(1, 2)) for v in indices.values()], axis=1))
    best = max(either_way(labels, column) for table in summaries for column in table.T)
    assert best < 0.92


def test_coordinates_look_good_at_random_and_fail_far_away(
    places: FloatArray, labels: FloatArray, blocks: FloatArray
) -> None:
    model = KNeighborsClassifier(5)
    near = cross_val_predict(
        model,
        places,
        labels,
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
        method="predict_proba",
    )
    far = cross_val_predict(
        model, places, labels, cv=GroupKFold(5), groups=blocks, method="predict_proba"
    )
    near_area = roc_auc_score(labels, near[:, 1])
    far_area = roc_auc_score(labels, far[:, 1])
    assert near_area > 0.8
    assert far_area < near_area - 0.1
    assert far_area < 0.75


def test_a_modest_spectral_model_succeeds_but_not_wholly(
    reflectance: FloatArray, labels: FloatArray, blocks: FloatArray
) -> None:
    quantiles = np.quantile(reflectance, (0.1, 0.5, 0.9), axis=(2, 3))
    features = np.concatenate([reflectance.std(axis=(2, 3)), *quantiles], axis=1)
    model = RandomForestClassifier(60, min_samples_leaf=2, random_state=0)
    scores = cross_val_predict(
        model, features, labels, cv=GroupKFold(5), groups=blocks, method="predict_proba"
    )
    assert 0.88 < roc_auc_score(labels, scores[:, 1]) < 0.985
