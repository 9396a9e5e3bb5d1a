"""How hard is the toy valley? What a threshold, the coordinates and a modest model reach.

For five seeds, each 170 mining and 332 background sites: the best ROC-AUC of one number per patch
(mean, standard deviation, 10th or 90th percentile of a band, or median of an index), and the AUC of
a 5-nearest-neighbour model on the coordinates and of a random forest on all those numbers, under
five random folds and under five folds of square blocks.

    python benchmarks/toy_hardness.py
"""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from minewatch import toy
from minewatch.bands import PRESETS, spectral_indices
from minewatch.types import FloatArray

SEEDS = (1, 2, 3, 4, 5)
BLOCKS_M = (3_000, 10_000, 20_000)


def summaries(reflectance: FloatArray) -> dict[str, FloatArray]:
    """Give one number per patch for every band and statistic, and for every index."""
    low, high = np.quantile(reflectance, (0.1, 0.9), axis=(2, 3))
    statistics = {
        "mean": reflectance.mean(axis=(2, 3)),
        "std": reflectance.std(axis=(2, 3)),
        "p10": low,
        "p90": high,
    }
    columns = {
        f"{band} {name}": table[:, i]
        for name, table in statistics.items()
        for i, band in enumerate(PRESETS["l2a-12"])
    }
    indices = spectral_indices(reflectance, PRESETS["l2a-12"], band_axis=1)
    return columns | {
        f"{name} median": np.median(values, axis=(1, 2)) for name, values in indices.items()
    }


def areas_by_split(
    model: BaseEstimator, features: FloatArray, labels: FloatArray, places: FloatArray
) -> dict[str, float]:
    """Give the out-of-fold AUC under random folds and under blocks of each size."""
    random = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(model, features, labels, cv=random, method="predict_proba")
    areas = {"random": float(roc_auc_score(labels, scores[:, 1]))}
    for block_m in BLOCKS_M:
        corner = places // block_m
        blocks = corner[:, 0] * 10_000 + corner[:, 1]
        folds = GroupKFold(5, shuffle=True, random_state=0)
        scores = cross_val_predict(
            model, features, labels, cv=folds, groups=blocks, method="predict_proba"
        )
        areas[f"{block_m // 1000} km"] = float(roc_auc_score(labels, scores[:, 1]))
    return areas


def measure_seed(seed: int) -> None:
    """Print what is reached in one valley."""
    valley = toy.Valley(seed=seed)
    sites = valley.sites(170, 332)
    reflectance = valley.pixels(sites).to_numpy() * 1e-4
    labels = sites["label"].to_numpy(dtype=np.float64)
    places = sites.to_crs(valley.geobox.crs).get_coordinates().to_numpy()
    columns = summaries(reflectance)
    single = {name: float(roc_auc_score(labels, column)) for name, column in columns.items()}
    best = max(single, key=lambda name: abs(single[name] - 0.5))
    print(f"seed {seed}: best threshold {max(single[best], 1 - single[best]):.3f} ({best})")
    features = np.stack(list(columns.values()), axis=1)
    forest = RandomForestClassifier(200, min_samples_leaf=2, random_state=0)
    for name, model, table in (
        ("coordinates", KNeighborsClassifier(5), places),
        ("random forest", forest, features),
    ):
        areas = areas_by_split(model, table, labels, places)
        print(f"  {name:<14}" + "  ".join(f"{split} {area:.3f}" for split, area in areas.items()))


if __name__ == "__main__":
    for seed in SEEDS:
        measure_seed(seed)
