"""Two simple models, and the scores they give to sites that they have not seen."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from threadpoolctl import threadpool_limits

from minewatch.explore._rows import by_wavelength
from minewatch.explore._statistics import PatchStatistics
from minewatch.types import BoolArray, FloatArray, IntArray

N_NEIGHBOURS: Final = 5
"""Neighbours that the model of coordinates asks."""
MAX_TRAINING_SITES: Final = 10_000
"""Sites that the spectral model learns from at most; more hardly change a model so simple."""
_CLIP: Final = 5.0

ScoreHeldOut = Callable[[FloatArray, BoolArray, FloatArray], FloatArray]
"""From training features, training labels and test features to test scores, 0 to 1."""


def one_thread() -> AbstractContextManager[object]:
    """Keep linear algebra on one thread: with matrices so small, more of them only wait."""
    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limits


def score_by_neighbours(
    train_m: FloatArray, is_mining: BoolArray, test_m: FloatArray
) -> FloatArray:
    """Score sites by the share of mining among the five nearest training sites.

    Parameters
    ----------
    train_m, test_m
        ``(site, 3)`` earth-centred coordinates, metres.
    """
    n_neighbours = min(N_NEIGHBOURS, len(train_m))
    _, nearest = cKDTree(train_m).query(test_m, k=np.arange(1, n_neighbours + 1))
    share: FloatArray = is_mining[nearest].mean(axis=1)
    return share


def score_by_spectra(
    train: FloatArray, is_mining: BoolArray, test: FloatArray, *, random_state: int = 0
) -> FloatArray:
    """Score sites by a logistic regression on spectral summaries.

    Features are centred on the training sites' median, divided by their interquartile range (as
    standard deviations) and clipped at ±5, for ratios of bands have long tails; what is not known
    becomes the median. The regression is penalised as scikit-learn does by default (L2, C = 1), for
    nothing is tuned here. From more than 10,000 training sites, that many are drawn.

    Parameters
    ----------
    train, test
        ``(site, feature)``, NaN where not known.
    random_state
        Seed of that drawing.
    """
    from sklearn.linear_model import LogisticRegression

    if len(train) > MAX_TRAINING_SITES:
        kept = np.random.default_rng(random_state).choice(
            len(train), MAX_TRAINING_SITES, replace=False
        )
        train, is_mining = train[kept], is_mining[kept]
    low, centre, high = _quartiles(train)
    scale = (high - low) / 1.349
    scale[~(scale > 0)] = np.inf
    model = LogisticRegression(max_iter=1000)
    model.fit(_standardise(train, centre, scale), is_mining)
    probability: FloatArray = model.predict_proba(_standardise(test, centre, scale))[:, 1]
    return probability


def _quartiles(values: FloatArray) -> FloatArray:
    """Give lower quartile, median and upper quartile by column; 0 for a column without numbers."""
    known = ~np.isnan(values)
    if known.all():
        return np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    filled = np.where(known.any(axis=0), values, 0.0)
    return np.asarray(np.nanquantile(filled, [0.25, 0.5, 0.75], axis=0))


def _standardise(values: FloatArray, centre: FloatArray, scale: FloatArray) -> FloatArray:
    standard = np.clip((values - centre) / scale, -_CLIP, _CLIP)
    return np.nan_to_num(standard, nan=0.0)


def score_held_out(
    score: ScoreHeldOut, features: FloatArray, is_mining: BoolArray, folds: IntArray
) -> FloatArray:
    """Score every site by a model that learnt from the other folds.

    A fold whose training sites lack a class is scored by the share of the class that is there.
    """
    scores = np.empty(len(is_mining))
    for fold in np.unique(folds):
        test = folds == fold
        known = is_mining[~test]
        if known.all() or not known.any():
            scores[test] = float(known.mean()) if known.size else 0.5
        else:
            scores[test] = score(features[~test], known, features[test])
    return scores


def has_data(statistics: PatchStatistics) -> "pd.Series[bool]":
    """Say by site_id which patches have a known pixel in some band."""
    known: pd.Series[bool] = statistics.mean.notna().any(axis=1)
    return known


def spectral_features(statistics: PatchStatistics) -> pd.DataFrame:
    """Put side by side what the simple spectral model sees of each patch.

    Returns
    -------
    DataFrame
        Index site_id: mean, standard deviation, 10th and 90th percentile of reflectance by band,
        and the medians of spectral indices, in order of wavelength and of name; NaN where nothing
        is known.
    """
    bands = by_wavelength(statistics.bands)
    tables = {
        "mean": statistics.mean[bands],
        "std": statistics.std[bands],
        "p10": statistics.p10[bands],
        "p90": statistics.p90[bands],
        "index": statistics.indices[sorted(statistics.indices.columns)],
    }
    return pd.concat([table.add_prefix(f"{name} ") for name, table in tables.items()], axis=1)
