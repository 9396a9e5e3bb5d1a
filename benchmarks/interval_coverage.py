"""How often the intervals of cross-validated AUCs miss, before and after they are widened.

Places of several sites each, labelled as a whole; features are noise that a place shares in part,
the first three shifted by class. Both models of the leakage audit are cross-validated as there
(five folds of whole places, three drawings). An interval of 95 % should miss the truth in 5 % of
runs: 0.5 where nothing tells the classes apart, elsewhere the mean over all runs.

    python benchmarks/interval_coverage.py            # about five minutes
    python benchmarks/interval_coverage.py --runs 50
"""

import argparse
from dataclasses import dataclass

import numpy as np

from minewatch.explore._held_out import (
    ScoreHeldOut,
    one_thread,
    score_by_neighbours,
    score_by_spectra,
    score_held_out,
)
from minewatch.explore._leakage import draw_repeats
from minewatch.explore._roc import Auc, measure_auc
from minewatch.explore._settings import ExploreSettings
from minewatch.types import FloatArray, IntArray

SETTINGS = ExploreSettings()


@dataclass(frozen=True)
class Case:
    """What is simulated."""

    model: str
    n_places: int
    n_each: int
    n_features: int
    shift: float
    """Of three features, between the classes, in standard deviations."""


CASES = (
    Case("spectra", 80, 5, 20, 0.0),
    Case("spectra", 190, 3, 67, 0.0),
    Case("spectra", 80, 5, 20, 0.3),
    Case("spectra", 80, 5, 20, 0.8),
    Case("spectra", 80, 5, 20, 1.5),
    Case("coordinates", 80, 5, 2, 0.0),
    Case("coordinates", 190, 3, 2, 0.0),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    n_runs = parser.parse_args().runs
    print("model        places × sites  features  shift  mean AUC  DeLong misses  widened misses")
    for case in CASES:
        with one_thread():
            areas = [run(case, seed) for seed in range(n_runs)]
        mean = float(np.mean([area.value for area in areas]))
        truth = mean if case.shift else 0.5
        before = misses(areas, truth)
        after = misses([area.cross_validated(SETTINGS.n_folds) for area in areas], truth)
        print(
            f"{case.model:11}  {case.n_places:6} × {case.n_each:<5}  {case.n_features:8}"
            f"  {case.shift:5}  {mean:8.3f}  {before:13.1%}  {after:14.1%}"
        )


def run(case: Case, seed: int) -> Auc:
    random = np.random.default_rng(seed)
    places = np.repeat(np.arange(case.n_places), case.n_each)
    is_mining = (random.permutation(case.n_places) % 2 == 0)[places]
    features, score = make(case, places, random)
    if case.shift:
        features[:, :3] += case.shift * is_mining[:, None]
    drawings = draw_repeats(is_mining, places, SETTINGS)
    scores = [score_held_out(score, features, is_mining, folds) for folds in drawings]
    return measure_auc(np.stack(scores, axis=1), is_mining, places)


def make(
    case: Case, places: IntArray, random: np.random.Generator
) -> tuple[FloatArray, ScoreHeldOut]:
    if case.model == "coordinates":
        middles = random.uniform(0.0, 100_000.0, (case.n_places, 2))[places]
        return middles + random.uniform(-200.0, 200.0, middles.shape), score_by_neighbours
    shared = random.normal(size=(case.n_places, case.n_features))[places]
    return np.sqrt(0.5) * (shared + random.normal(size=shared.shape)), score_by_spectra


def misses(areas: list[Auc], truth: float) -> float:
    intervals = [area.interval(SETTINGS.confidence) for area in areas]
    return float(np.mean([not low <= truth <= high for low, high in intervals]))


if __name__ == "__main__":
    main()
