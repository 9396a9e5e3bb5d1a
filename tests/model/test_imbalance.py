"""Rare mining: what is learned from, and what is measured at other shares of it."""

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from minewatch import toy
from minewatch.model import BlockKFold, TreeDetector, _metrics, cross_validate, train_detector
from minewatch.model._evaluate_folds import plan_splits, read_sample
from minewatch.model._evaluate_tables import Resampling, metrics_table
from minewatch.model._evaluation import EvaluationSettings
from minewatch.model._train import TrainSettings
from minewatch.model._training import draw_equal
from minewatch.patches import write_patches

FOLDS = BlockKFold(2, block_m=8_000)
FAST = EvaluationSettings(n_resamples=100, n_inner=2)
EQUAL = FAST.model_copy(update={"sampling": "equal"})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Write 12 patches with mining and 48 without."""
    folder = tmp_path_factory.mktemp("imbalance") / "patches"
    valley = toy.Valley(seed=1)
    sites = valley.sites(12, 48)
    pixels = valley.pixels(sites, bands="rgb")
    return write_patches(folder, sites, pixels, bands="rgb", level="L2A")


class Counting(TreeDetector):
    """Trees that keep the labels they were given."""

    seen: ClassVar[list] = []

    def fit_summary(self, summary, labels, context=None):
        Counting.seen.append(labels.value_counts().to_dict())
        return super().fit_summary(summary, labels, context)


def test_all_of_the_rarer_class_are_drawn_and_as_many_of_the_other():
    labels = np.array([1] * 3 + [0] * 9)
    rows = draw_equal(labels, random_state=4)
    assert labels[rows].tolist() == [1, 1, 1, 0, 0, 0]
    np.testing.assert_array_equal(rows, draw_equal(labels, random_state=4))
    assert any((draw_equal(labels, seed) != rows).any() for seed in range(5))


def test_equal_sampling_teaches_as_many_of_each_class_in_every_fold(dataset):
    Counting.seen.clear()
    cross_validate(Counting(n_trees=10), dataset, splitter=FOLDS, settings=EQUAL, nulls=False)
    assert len(Counting.seen) == 2 * 3  # each fold, and two inner folds of each
    assert all(counts[0] == counts[1] for counts in Counting.seen)


def test_what_is_scored_and_what_thresholds_rest_on_is_never_sampled(dataset):
    found = {
        settings.sampling: cross_validate(
            TreeDetector(n_trees=10), dataset, splitter=FOLDS, settings=settings, nulls=False
        )
        for settings in (FAST, EQUAL)
    }
    tested = [one.predictions[["site_id", "fold", "label"]] for one in found.values()]
    pd.testing.assert_frame_equal(*tested)
    # Calibrated on whole inner folds, probabilities keep the share of mining that there is.
    share = float(tested[0]["label"].mean())
    assert found["equal"].predictions["probability"].mean() == pytest.approx(share, abs=0.12)


def test_the_card_says_what_was_left_out(dataset, tmp_path):
    made = train_detector(
        TreeDetector(n_trees=10), dataset, tmp_path / "t", splitter=FOLDS,
        settings=TrainSettings(evaluation=EQUAL),
    )  # fmt: skip
    assert made.card.training.classes == {"mining": 12, "no mining": 12}
    assert "36 patches of the more frequent class were left out" in made.card.training.notes


def test_sampling_draws_among_training_sites_alone(dataset):
    sample = read_sample(dataset, None, None, splitter=FOLDS, sampling="equal")
    for split in plan_splits(sample, FOLDS, 0)[0]:
        learned = sample.learned(split.train)
        assert set(learned) <= set(split.train)
        assert sample.labels.iloc[learned].mean() == 0.5


@pytest.mark.parametrize("prevalence", [0.001, 0.05, 0.3])
def test_average_precision_at_a_share_of_mining_is_that_of_weighed_sites(prevalence):
    random = np.random.default_rng(3)
    is_mining = random.random(200) < 0.4
    score = np.round(random.random(200) + 0.4 * is_mining, 1)
    scored = _metrics.Scored(is_mining, score, np.zeros(200, dtype=int), np.arange(200))
    found = _metrics.rank_scores(scored, np.ones((1, 200)), prevalences=(prevalence,))[0, -1]
    others = (1 / prevalence - 1) * is_mining.sum() / (~is_mining).sum()
    weights = np.where(is_mining, 1.0, others)
    assert found == pytest.approx(average_precision_score(is_mining, score, sample_weight=weights))


def test_no_false_alarm_among_few_sites_promises_little_where_mining_is_rare():
    label = np.array([1, 0] * 10)
    predictions = pd.DataFrame(
        {
            "model": "perfect", "site_id": [str(i) for i in range(20)], "fold": 0,
            "block": [str(i // 2) for i in range(20)], "label": label, "score": label * 1.0,
            "probability": label * 1.0, "at_f1": pd.array(label == 1, dtype="boolean"),
        }
    )  # fmt: skip
    table = metrics_table(predictions, Resampling.of(predictions, FAST, 0))[0]
    specificity = table.query("metric == 'specificity'")["low"].iloc[0]
    rows = table.query("metric == 'precision' and prevalence.notna()").set_index("prevalence")
    assert rows["value"].tolist() == [1.0, 1.0, 1.0]
    for share, low in rows["low"].items():
        assert low == pytest.approx(share / (share + (1 - specificity) * (1 - share)))


def test_where_mining_is_rarer_average_precision_is_lower(dataset):
    found = cross_validate(TreeDetector(n_trees=20), dataset, splitter=FOLDS, settings=FAST)
    for _, rows in found.metrics.query("metric == 'average_precision'").groupby("model"):
        rare = rows[rows["prevalence"].notna()].sort_values("prevalence")["value"]
        assert rare.is_monotonic_increasing
        assert rare.iloc[-1] <= found.value(rows["model"].iloc[0], "average_precision")[0]
