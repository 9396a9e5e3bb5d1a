"""Measure what it matters that the folds inside a fold share its dictionary of textures.

To choose thresholds and calibration, `cross_validate` makes folds inside the training sites of each
fold. A `TextureDetector` learns its dictionary, without labels, from all of those training sites
once, so that pixels of the sites that thresholds are chosen on have part in it. Here it stands
beside the same detector that learns a dictionary in each inner fold too. Scores of test sites are
the same; thresholds, and what rests on them, may differ.

200 places (60 with mines) of a made-up valley, 12 bands, five folds of blocks of 8 km, three inside
each.

    python benchmarks/texture_views.py 0 1    # seeds; two to five minutes of processor time each
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import BaseEstimator

from minewatch.model._evaluate import cross_validate
from minewatch.model._evaluation import EvaluationSettings
from minewatch.model._textures import TextureDetector
from minewatch.types import FloatArray
from toy_fusion import HONEST, make

if TYPE_CHECKING:
    from minewatch.model._detector import Detector

SHARED, OWN = "one dictionary for a fold", "one for each inner fold"
FIGURES = ("f1", "sensitivity", "specificity")


class OwnDictionaries(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Textures that are learned anew wherever they are fitted."""

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(
        self, pixels: xr.DataArray, labels: pd.Series, context: pd.DataFrame | None = None
    ) -> Self:
        """Learn a dictionary and a rule."""
        self.textures_ = TextureDetector(random_state=self.random_state)
        self.textures_.fit(pixels, labels, context)
        return self

    def predict_proba(
        self, pixels: xr.DataArray, context: pd.DataFrame | None = None
    ) -> FloatArray:
        """Give P(no mining) and P(mining)."""
        return self.textures_.predict_proba(pixels, context)


def main() -> None:
    """Print thresholds, and figures at them."""
    seeds = [int(word) for word in sys.argv[1:]] or [0]
    with tempfile.TemporaryDirectory() as folder:
        dataset, _ = make(Path(folder), "l2a-12")
        for seed in seeds:
            detectors: dict[str, Detector] = {
                SHARED: TextureDetector(random_state=seed),
                OWN: OwnDictionaries(seed),
            }
            start = time.process_time()
            found = cross_validate(
                detectors,
                dataset,
                splitter=HONEST,
                nulls=False,
                settings=EvaluationSettings(n_resamples=200),
            )
            print(f"seed {seed}: {time.process_time() - start:.0f} s of processor")
            scores = [one["score"] for _, one in found.predictions.groupby("model", sort=False)]
            difference = np.abs(scores[0].to_numpy() - scores[1].to_numpy()).max()
            print(f"  scores of test sites differ by at most {difference:.0e}")
            for name in detectors:
                chosen = found.thresholds[found.thresholds["model"] == name]
                values = chosen[chosen["threshold"] == "f1"]["value"]
                told = [f"{one} {found.value(name, one, 'f1')[0]:.3f}" for one in FIGURES]
                told += [f"Brier {found.value(name, 'brier')[0]:.4f}"]
                told += [f"thresholds {' '.join(f'{value:.3f}' for value in values)}"]
                print(f"  {name:<26} {', '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
