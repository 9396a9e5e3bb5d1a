"""Figures of merit equal scikit-learn's; intervals hold the truth about as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression

from minewatch.errors import InputError
from minewatch.model import _metrics
from minewatch.model._metrics import Scored
from minewatch.model._operating import choose_thresholds, fit_calibration


def make_scored(seed: int, n_sites: int = 60, *, ties: bool = True) -> Scored:
    random = np.random.default_rng(seed)
    is_mining = random.uniform(size=n_sites) < 0.4
    is_mining[:2] = True, False
    score = random.normal(size=n_sites) + is_mining
    score = np.round(score, 1) if ties else score
    block = np.arange(n_sites) % 10
    return Scored(is_mining, score, random.integers(0, 3, n_sites), block)


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_rank_figures_equal_scikit_learns_under_any_weights(seed):
    scored = make_scored(seed)
    weights = np.vstack([np.ones(10), np.random.default_rng(seed).integers(1, 4, (4, 10))])
    found = _metrics.rank_scores(scored, weights)
    for row, weight in zip(found, weights, strict=True):
        sites = weight[scored.block]
        assert row[0] == pytest.approx(
            sk.roc_auc_score(scored.is_mining, scored.score, sample_weight=sites)
        )
        assert row[2] == pytest.approx(
            sk.average_precision_score(scored.is_mining, scored.score, sample_weight=sites)
        )


def test_a_weight_counts_a_block_as_often_as_it_says():
    scored = make_scored(1)
    weights = np.array([[0.0, 3.0, 1.0, 2.0, 0.0, 1.0, 1.0, 1.0, 2.0, 0.0]])
    rows = np.repeat(np.arange(60), weights[0, scored.block].astype(int))
    repeated = Scored(
        scored.is_mining[rows], scored.score[rows], scored.fold[rows], scored.block[rows]
    )
    np.testing.assert_allclose(
        _metrics.rank_scores(scored, weights), _metrics.rank_scores(repeated, np.ones((1, 10)))
    )


def test_scores_of_different_folds_are_not_compared_within_folds():
    is_mining = np.array([True, False, True, False])
    scored = Scored(is_mining, np.array([0.2, 0.1, 0.9, 0.8]), np.array([0, 0, 1, 1]), np.arange(4))
    auc, within, _, _ = _metrics.rank_scores(scored, np.ones((1, 4)))[0]
    assert within == 1.0
    assert auc == 0.75


def test_sensitivity_at_a_specificity_is_read_from_the_roc_curve():
    scored = make_scored(2, 400)
    false, true, _ = sk.roc_curve(scored.is_mining, scored.score, drop_intermediate=False)
    for specificity in (0.5, 0.9, 0.98):
        found = _metrics.rank_scores(scored, np.ones((1, 10)), specificity=specificity)[0, 3]
        assert found == pytest.approx(true[false <= 1 - specificity + 1e-9].max())


def test_a_resample_without_a_class_has_no_figure():
    scored = Scored(np.array([True, False]), np.array([0.9, 0.1]), np.zeros(2, int), np.arange(2))
    found = _metrics.rank_scores(scored, np.array([[1.0, 0.0], [1.0, 1.0]]))
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_decision_figures_equal_scikit_learns(seed):
    scored = make_scored(seed)
    decided = scored.score > 0.5
    counts = _metrics.count_decisions(scored, decided, 10).sum(axis=0)
    found = _metrics.measure_decisions(counts)
    truth = scored.is_mining
    assert found["f1"] == pytest.approx(sk.f1_score(truth, decided))
    assert found["f0.5"] == pytest.approx(sk.fbeta_score(truth, decided, beta=0.5))
    assert found["sensitivity"] == pytest.approx(sk.recall_score(truth, decided))
    assert found["specificity"] == pytest.approx(sk.recall_score(~truth, ~decided))
    if decided.any():
        assert found["precision"] == pytest.approx(sk.precision_score(truth, decided))


def test_precision_at_a_prevalence_is_that_of_a_sample_of_that_prevalence():
    counts = np.array([80.0, 30.0, 20.0, 270.0])
    as_sampled = _metrics.measure_decisions(counts, prevalences=(0.25,))
    assert as_sampled["precision@0.25"] == pytest.approx(as_sampled["precision"])
    rare = np.array([80.0, 30.0 * 99 * 100 / 300, 20.0, 270.0 * 99 * 100 / 300])
    found = _metrics.measure_decisions(counts, prevalences=(0.01,))["precision@0.01"]
    assert found == pytest.approx(_metrics.measure_decisions(rare)["precision"])


def test_an_interval_holds_its_figure_and_stays_between_0_and_1():
    random = np.random.default_rng(0)
    for value in (0.01, 0.5, 0.99):
        replicates = np.clip(random.normal(value, 0.1, 500), 0, 1)
        low, high = _metrics.share_interval(
            value, replicates, n_scarce=8, widen=1.5, confidence=0.95
        )
        assert 0 <= low <= value <= high <= 1


def test_intervals_of_independent_scores_miss_about_as_often_as_they_say():
    truth, missed = 0.760, 0  # of normal scores shifted by 1: Φ(1/√2)
    for seed in range(120):
        scored = make_scored(seed, 100, ties=False)
        scored = Scored(scored.is_mining, scored.score, scored.fold, np.arange(100))
        weights = np.vstack([np.ones(100), _metrics.draw_resamples(100, 200, seed)])
        values = _metrics.rank_scores(scored, weights)[:, 0]
        low, high = _metrics.share_interval(
            values[0], values[1:], n_scarce=scored.n_scarce, widen=1.0, confidence=0.95
        )
        missed += not low <= truth <= high
    assert 1 <= missed <= 14


def test_a_class_in_one_block_leaves_no_interval():
    ends = _metrics.share_interval(0.7, np.full(99, 0.7), n_scarce=1, widen=1.0, confidence=0.95)
    assert np.isnan(ends).all()


def test_calibration_tenths_hold_every_site_once():
    scored = make_scored(3, 200)
    probability = 1 / (1 + np.exp(-scored.score))
    table = _metrics.calibration_table(
        probability, scored, np.ones((50, 10)), lambda value, *_: (value, value)
    )
    assert table["n_sites"].sum() == 200
    mean = np.average(table["mining_share"], weights=table["n_sites"])
    assert mean == pytest.approx(scored.is_mining.mean())


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_thresholds_do_what_they_were_chosen_for(seed):
    scored = make_scored(seed)
    probability = 1 / (1 + np.exp(-scored.score))
    chosen = choose_thresholds(probability, scored.is_mining, sensitivity=0.8, specificity=0.9)
    truth = scored.is_mining
    precision, recall, _ = sk.precision_recall_curve(truth, probability)
    best = np.nanmax(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    assert sk.f1_score(truth, probability >= chosen["f1"]) == pytest.approx(best)
    taken = probability[probability >= chosen["sensitivity"]]
    assert np.mean(probability[truth] >= chosen["sensitivity"]) >= 0.8 - 1e-9
    assert np.mean(probability[truth] > taken.min()) < 0.8
    assert np.mean(probability[~truth] < chosen["specificity"]) >= 0.9 - 1e-9


def test_no_threshold_is_chosen_where_a_class_is_missing():
    assert choose_thresholds(np.array([0.1, 0.9]), np.array([True, True])) == {}


def test_platt_recovers_the_curve_that_made_the_labels():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, 20_000)
    is_mining = random.uniform(size=20_000) < 1 / (1 + np.exp(-(0.5 * logits - 1.0)))
    fitted = fit_calibration(1 / (1 + np.exp(-logits)), is_mining, "platt")
    assert fitted.slope == pytest.approx(0.5, abs=0.05)
    assert fitted.intercept == pytest.approx(-1.0, abs=0.05)


def test_isotonic_calibration_is_scikit_learns():
    scored = make_scored(4, 200)
    score = 1 / (1 + np.exp(-scored.score))
    fitted = fit_calibration(score, scored.is_mining, "isotonic")
    model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    model.fit(score, scored.is_mining.astype(float))
    asked = np.linspace(0, 1, 101)
    np.testing.assert_allclose(fitted.apply(asked), model.predict(asked), atol=1e-12)
    assert np.isnan(fitted.apply(np.array([np.nan]))).all()


def test_an_unknown_calibration_is_refused():
    scored = make_scored(0)
    with pytest.raises(InputError, match="calibration is 'beta'"):
        fit_calibration(scored.score, scored.is_mining, "beta")
