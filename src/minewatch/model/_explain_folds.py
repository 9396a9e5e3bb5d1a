"""Detectors of each fold, kept after training, to be asked again about the sites held out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import clone

from minewatch.model._detector import Detector
from minewatch.model._evaluate_folds import Sample, Split
from minewatch.model._onnx import OnnxDetector
from minewatch.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class FittedFold:
    """A detector and the sites that it did not learn from."""

    detector: Detector
    fold: int
    train: IntArray
    """Rows of the sample that it learned from; for a saved detector those it might have."""
    test: IntArray
    """Rows of the sample that it is asked about."""


def fit_folds(
    detector: Detector, sample: Sample, splits: Sequence[Split], told: Callable[[], None]
) -> list[FittedFold]:
    """Train a fresh copy on the training sites of each fold; a saved detector is taken as it is.

    Parameters
    ----------
    told
        Called after each fold.
    """
    fitted = []
    for split in splits:
        fold = detector
        if not isinstance(detector, OnnxDetector):
            learned = sample.part(sample.learned(split.train))
            fold = clone(detector).fit(learned.pixels, learned.labels, learned.context)
        fitted.append(FittedFold(fold, split.fold, split.train, split.test))
        told()
    return fitted


def score_mining(
    detector: Detector, pixels: xr.DataArray, context: pd.DataFrame | None
) -> FloatArray:
    """Give P(mining) of patches, in the order of the pixels; NaN where there is none."""
    probabilities = detector.predict_proba(pixels, context)
    return np.asarray(probabilities, dtype=np.float64)[:, 1]


def held_out_scores(folds: Sequence[FittedFold], sample: Sample, blocks: pd.Series) -> pd.DataFrame:
    """Score every site by the detector that did not learn from it.

    Returns
    -------
    DataFrame
        `row` (of the sample), `site_id`, `fold`, `block`, `label`, `score`; fold after fold.
    """
    parts = []
    for fold in folds:
        sites = sample.labels.index[fold.test]
        parts.append(
            pd.DataFrame(
                {
                    "row": fold.test,
                    "site_id": sites.astype("str"),
                    "fold": fold.fold,
                    "block": blocks.loc[sites].to_numpy(),
                    "label": sample.labels.iloc[fold.test].to_numpy(),
                    "score": score_mining(
                        fold.detector, sample.pixels.isel(site=fold.test), sample.context
                    ),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
