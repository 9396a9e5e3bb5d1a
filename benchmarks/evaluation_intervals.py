"""How often the intervals of an evaluation miss, before and after they are widened.

Places of five sites, labelled as a whole; features are noise that a place shares in half, the first
three shifted by class. A logistic regression is cross-validated (five folds of whole places). An
interval of 95 % should miss the truth in 5 % of runs; the truth is the mean over all runs.

    python benchmarks/evaluation_intervals.py            # about a minute on an idle machine
    python benchmarks/evaluation_intervals.py --runs 50
"""

import argparse

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from minewatch.model import _metrics
from minewatch.model._blocks_groups import deal
from minewatch.model._metrics import Scored
from minewatch.types import FloatArray

N_FOLDS, N_EACH, N_FEATURES, N_RESAMPLES = 5, 5, 20, 300
CASES = ((80, 0.0), (80, 0.5), (80, 1.5), (25, 0.5))
SHOWN = ("roc_auc", "average_precision")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    n_runs = parser.parse_args().runs
    print("places  shift  figure             mean   misses  misses widened")
    for n_places, shift in CASES:
        with threadpool_limits(limits=1):
            runs = [run(n_places, shift, seed) for seed in range(n_runs)]
        for name in SHOWN:
            column = _metrics.RANKING.index(name)
            truth = float(np.mean([values[0, column] for values, _ in runs]))
            missed = [
                np.mean([misses(values[:, column], n, truth, widen) for values, n in runs])
                for widen in (1.0, _metrics.widening(N_FOLDS))
            ]
            print(
                f"{n_places:6}  {shift:5}  {name:17}  {truth:.3f}  {missed[0]:6.1%}"
                f"  {missed[1]:14.1%}"
            )


def run(n_places: int, shift: float, seed: int) -> tuple[FloatArray, int]:
    random = np.random.default_rng(seed)
    places = np.repeat(np.arange(n_places), N_EACH)
    is_mining = (random.permutation(n_places) % 3 == 0)[places]
    shared = random.normal(size=(n_places, N_FEATURES))[places]
    features = np.sqrt(0.5) * (shared + random.normal(size=shared.shape))
    features[:, :3] += shift * is_mining[:, None]
    names = np.array([f"{place:04d}" for place in places], dtype=np.object_)
    folds = deal(names, is_mining.astype(np.float64), n_splits=N_FOLDS, random_state=seed)
    score = np.empty(len(places))
    for fold in range(N_FOLDS):
        test = folds == fold
        model = LogisticRegression().fit(features[~test], is_mining[~test])
        score[test] = model.predict_proba(features[test])[:, 1]
    scored = Scored(is_mining, score, folds, places.astype(np.int64))
    drawn = _metrics.draw_resamples(n_places, N_RESAMPLES, seed)
    weights = np.concatenate([np.ones((1, n_places)), drawn])
    return _metrics.rank_scores(scored, weights), scored.n_scarce


def misses(values: FloatArray, n_scarce: int, truth: float, widen: float) -> bool:
    low, high = _metrics.share_interval(
        float(values[0]), values[1:], n_scarce=n_scarce, widen=widen, confidence=0.95
    )
    return not low <= truth <= high


if __name__ == "__main__":
    main()
