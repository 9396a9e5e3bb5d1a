"""Figures rest on the sites they name, and intervals doubt what a few sites cannot show."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, norm

from minewatch.model import _metrics
from minewatch.model._evaluate_tables import Resampling, differences_table, metrics_table
from minewatch.model._evaluation import EvaluationSettings
from minewatch.model._metrics import Scored
from minewatch.model._metrics_rare import rank_least

SETTINGS = EvaluationSettings(n_resamples=200)


def predictions(score, label, *, model="one", per_block=5, **columns) -> pd.DataFrame:
    n = len(score)
    return pd.DataFrame(
        {
            "model": model,
            "site_id": [f"s{i}" for i in range(n)],
            "fold": np.zeros(n, dtype=int),
            "block": [f"b{i // per_block:04d}" for i in range(n)],
            "label": label,
            "score": score,
            "probability": 1 / (1 + np.exp(-np.asarray(score))),
            **columns,
        }
    )


def tables(*models: pd.DataFrame, settings: EvaluationSettings = SETTINGS):
    rows = pd.concat(models, ignore_index=True)
    resampling = Resampling.of(rows, settings, 0)
    metrics, measured = metrics_table(rows, resampling)
    return metrics, differences_table(rows, measured, resampling, len(models))


def one_row(table: pd.DataFrame, **wanted) -> pd.Series:
    for name, value in wanted.items():
        column = table[name]
        table = table[column.isna() if value is None else column == value]
    assert len(table) == 1
    return table.iloc[0]


def true_average_precision(shift: float, share: float) -> float:
    score = np.linspace(shift - 6, shift + 6, 20_001)
    weight = norm.pdf(score - shift)
    found, wrong = norm.sf(score - shift) * share, norm.sf(score) * (1 - share)
    return float((weight * found / (found + wrong)).sum() / weight.sum())


@pytest.mark.parametrize("per_block", [1, 5])
def test_intervals_of_average_precision_hold_where_mining_is_rare(per_block):
    shares = (0.001, 0.01, 0.1)
    missed = dict.fromkeys(shares, 0)
    for seed in range(40):
        random = np.random.default_rng(seed)
        label = random.permutation(np.arange(160) < 40).astype(int)
        score = random.normal(size=160) + 2 * label
        table, _ = tables(predictions(score, label, per_block=per_block))
        for share in shares:
            row = one_row(table, metric="average_precision", prevalence=share)
            missed[share] += not row["low"] <= true_average_precision(2, share) <= row["high"]
    assert max(missed.values()) <= 4, missed


def test_a_perfect_ranking_of_few_sites_does_not_show_that_nothing_rare_is_mistaken():
    label = np.arange(60) < 20
    table, _ = tables(predictions(10.0 * label, label.astype(int), per_block=1))
    row = one_row(table, metric="average_precision", prevalence=0.001)
    false_alarms = beta.ppf(0.975, 1, 40)
    assert row["value"] == 1.0
    assert row["high"] == 1.0
    assert row["low"] <= 0.001 / (0.001 + 0.999 * false_alarms) + 1e-9
    plain = one_row(table, metric="average_precision", prevalence=None)
    assert plain["low"] > 0.5


def test_more_blocks_without_a_false_alarm_leave_more():
    lows = []
    for n in (40, 400, 4_000):
        label = np.arange(2 * n) < n
        scored = Scored(label, 1.0 * label, np.zeros(2 * n, int), np.arange(2 * n))
        lows.append(rank_least(scored, np.ones((1, 2 * n)), (0.001,), 0.95)[0, 0])
    assert lows[0] < 0.02
    assert lows[0] < lows[1] < lows[2] < 1


def test_no_least_is_given_where_a_class_is_missing():
    scored = Scored(np.ones(4, bool), np.arange(4.0), np.zeros(4, int), np.arange(4))
    assert np.isnan(rank_least(scored, np.ones((2, 4)), (0.1,), 0.95)).all()


def test_two_perfect_models_are_not_shown_to_be_the_same():
    label = np.arange(60) % 2
    pair = [predictions(1.0 * label, label, model=name) for name in ("one", "two")]
    _, differences = tables(*pair)
    auc = one_row(differences, metric="roc_auc")
    bound = 1 - 0.025 ** (1 / 12)
    assert auc["value"] == 0.0
    assert (auc["low"], auc["high"]) == pytest.approx((-bound, bound))
    rare = one_row(differences, metric="average_precision", prevalence=0.001)
    assert rare["low"] < -0.9
    assert rare["high"] > 0.9


def test_a_difference_that_no_resample_doubts_stays_between_minus_1_and_1():
    ends = _metrics.difference_interval(
        0.95, np.full(99, 0.95), n_scarce=4, widen=1.0, confidence=0.95
    )
    assert ends[1] == 1.0
    assert ends[0] == pytest.approx(0.95 - (1 - 0.025**0.25))


def decided_in(folds, score, label, model):
    fold = np.repeat([0, 1], 15)
    taken = pd.Series(score > 0, dtype="boolean").where(np.isin(fold, folds))
    return predictions(score, label, model=model, at_f1=taken).assign(fold=fold)


def test_figures_of_decisions_count_the_sites_that_were_decided():
    random = np.random.default_rng(1)
    label = np.arange(30) % 2
    score = random.normal(size=30) + label - 0.5
    table, _ = tables(decided_in([0], score, label, "one"))
    f1 = one_row(table, metric="f1")
    assert (f1["n_sites"], f1["n_mining"], f1["n_blocks"]) == (15, int(label[:15].sum()), 3)
    auc = one_row(table, metric="roc_auc")
    assert (auc["n_sites"], auc["n_blocks"]) == (30, 6)


def test_decisions_are_compared_on_what_both_models_decided():
    random = np.random.default_rng(2)
    label = np.arange(30) % 2
    score = random.normal(size=30) + label - 0.5
    _, differences = tables(
        decided_in([0], score, label, "one"), decided_in([0, 1], score, label, "two")
    )
    f1 = one_row(differences, metric="f1")
    assert f1["value"] == 0.0
    assert f1["n_sites"] == 15
    assert one_row(differences, metric="roc_auc")["n_sites"] == 30


def test_no_difference_of_shares_is_said_to_be_more_than_one():
    draws = np.linspace(-0.4, 0.9, 200)
    ends = _metrics.difference_interval(0.2, draws, n_scarce=3, widen=1.5, confidence=0.95)
    assert ends == (-1.0, 1.0)
