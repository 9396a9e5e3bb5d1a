import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from minewatch.explore._roc import measure_auc
from minewatch.explore._separability import (
    jeffries_matusita,
    kolmogorov_smirnov,
    mutual_information_bits,
    rank_separability,
)
from minewatch.explore._settings import ExploreSettings

CHOICES = ExploreSettings()


def _scored(n_places, n_each, seed=0):
    """Scores that sites of a place share, in part."""
    rng = np.random.default_rng(seed)
    places = np.repeat(np.arange(n_places), n_each)
    is_mining = (places % 2).astype(bool)
    scores = is_mining + rng.normal(size=n_places)[places] + 0.3 * rng.normal(size=len(places))
    return scores, is_mining, places


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=4, max_size=60))
@settings(max_examples=40, deadline=None)
def test_the_area_is_scikit_learns_ties_included(pairs):
    scores = np.array([score for score, _ in pairs], dtype=float)
    is_mining = np.array([label for _, label in pairs])
    if is_mining.all() or not is_mining.any():
        return
    auc = measure_auc(scores, is_mining, np.arange(len(scores)))
    assert auc.value == pytest.approx(roc_auc_score(is_mining, scores))


def test_single_sites_give_delongs_variance():
    rng = np.random.default_rng(3)
    mining, other = rng.normal(1, 1, 30), rng.normal(0, 1, 50)
    wins = (mining[:, None] > other) + 0.5 * (mining[:, None] == other)
    expected = wins.mean(axis=1).var(ddof=1) / 30 + wins.mean(axis=0).var(ddof=1) / 50
    is_mining = np.arange(80) < 30
    # A site holds one class, so over single sites no place adds to both sums.
    auc = measure_auc(np.concatenate([mining, other]), is_mining, np.arange(80))
    assert auc.standard_error**2 == pytest.approx(expected, rel=1e-9)


def test_the_standard_error_is_that_of_resampling_whole_places():
    scores, is_mining, places = _scored(80, 5)
    auc = measure_auc(scores, is_mining, places)
    rng = np.random.default_rng(1)
    members = [np.flatnonzero(places == place) for place in range(80)]
    resampled = []
    for _ in range(400):
        rows = np.concatenate([members[i] for i in rng.integers(0, 80, 80)])
        resampled.append(roc_auc_score(is_mining[rows], scores[rows]))
    assert auc.standard_error == pytest.approx(np.std(resampled), rel=0.15)


def test_copies_of_a_site_do_not_narrow_the_interval():
    scores, is_mining, places = _scored(60, 1)
    once = measure_auc(scores, is_mining, places)
    copies = [np.repeat(x, 7) for x in (scores, is_mining, places)]
    assert measure_auc(*copies).standard_error == pytest.approx(once.standard_error)
    assert measure_auc(*copies).interval(0.95) == pytest.approx(once.interval(0.95))


def test_a_perfect_area_still_has_a_bound_that_knows_how_few_places_there_were():
    few = measure_auc(np.arange(10.0), np.arange(10) > 4, np.arange(10))
    many = measure_auc(np.arange(100.0), np.arange(100) > 49, np.arange(100))
    assert few.interval(0.95) == (pytest.approx(0.025 ** (1 / 5)), 1.0)
    assert many.interval(0.95)[0] > few.interval(0.95)[0]


def test_a_class_in_one_place_has_no_interval():
    auc = measure_auc(np.arange(6.0), np.arange(6) > 3, np.array([0, 1, 2, 3, 4, 4]))
    assert np.isnan(auc.interval(0.95)).all()
    assert not auc.differs_from_chance(0.95)


def test_the_kolmogorov_smirnov_distance_is_scipys():
    rng = np.random.default_rng(0)
    some, others = rng.integers(0, 9, 40).astype(float), rng.integers(2, 12, 70).astype(float)
    assert kolmogorov_smirnov(some, others) == pytest.approx(ks_2samp(some, others).statistic)


def test_jeffries_matusita_is_0_for_one_sample_and_2_for_samples_worlds_apart():
    sample = np.random.default_rng(0).normal(size=200)
    assert jeffries_matusita(sample, sample) == pytest.approx(0.0, abs=1e-12)
    assert jeffries_matusita(sample, sample + 100.0) == pytest.approx(2.0)
    assert np.isnan(jeffries_matusita(sample, np.zeros(5)))


def test_jeffries_matusita_of_a_shift_is_the_textbooks():
    sample = np.random.default_rng(0).normal(size=500)
    distance = 2.0 * (1.0 - np.exp(-(1.5**2) / (8.0 * sample.var(ddof=1))))
    assert jeffries_matusita(sample, sample + 1.5) == pytest.approx(distance)


def test_mutual_information_is_the_classes_entropy_if_the_feature_decides_and_0_if_not():
    is_mining = np.arange(400) % 4 == 0
    entropy = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
    noise = np.random.default_rng(0).normal(size=400)
    assert mutual_information_bits(is_mining + 0.0, is_mining) == pytest.approx(entropy, abs=0.01)
    assert mutual_information_bits(noise, is_mining) < 0.03
    assert mutual_information_bits(np.ones(400), is_mining) == 0.0


def test_the_band_that_carries_the_class_comes_first(towns, statistics_of):
    statistics = statistics_of(towns(by_town=True), signal=3.0)
    section = rank_separability(statistics, CHOICES)
    first = section.tables["ranking"].iloc[0]
    assert (first["feature"], first["kind"]) == ("B11", "band")
    assert first["direction"] == "higher in mining"
    assert first["auc_low"] < first["auc"] < first["auc_high"]
    assert "baseline" in section.advice


def test_a_feature_lower_in_mining_says_so_with_an_area_above_a_half(towns, statistics_of):
    section = rank_separability(statistics_of(towns(by_town=True), signal=-3.0), CHOICES)
    first = section.tables["ranking"].iloc[0]
    assert (first["feature"], first["direction"]) == ("B11", "lower in mining")
    assert (section.tables["ranking"]["auc"] >= 0.5).all()


def test_pure_noise_is_called_chance_though_the_best_of_many_looks_better(towns, statistics_of):
    advices = [
        rank_separability(statistics_of(towns(by_town=True, seed=i), seed=i), CHOICES).advice
        for i in range(5)
    ]
    assert all("chance" in advice for advice in advices)
    assert all("rows and sites were joined rightly" in advice for advice in advices)


def test_a_feature_that_decides_the_class_is_to_be_distrusted(towns, statistics_of):
    section = rank_separability(statistics_of(towns(by_town=True), signal=40.0), CHOICES)
    assert "before believing it" in section.advice


def test_the_sample_is_counted_in_places_and_not_in_pixels(towns, statistics_of):
    section = rank_separability(statistics_of(towns(by_town=True)), CHOICES)
    sample = section.tables["sample"].set_index("class")
    assert sample.loc["both", "n_patches"] == 240
    assert sample.loc["both", "n_pixels"] == 240 * 48 * 48
    assert 30 <= sample.loc["both", "n_places"] <= 40
    assert f"{sample.loc['both', 'n_places']} places" in section.seen


def test_patches_without_coordinates_count_singly_and_the_sentence_says_so(towns, statistics_of):
    sites = towns(by_town=True)
    sites.loc[sites.index[:100], "geometry"] = None
    some = rank_separability(statistics_of(sites), CHOICES)
    assert "100 patches without coordinates" in some.seen
    sites["geometry"] = None
    none = rank_separability(statistics_of(sites), CHOICES)
    assert none.tables["ranking"]["n_places"].eq(240).all()
    assert "240 patches without coordinates" in none.seen


@pytest.mark.parametrize("labels", [[1] * 8, [None] * 8, [1, 0, 0, 0, 0, 0, 0, 0]])
def test_without_two_patches_of_each_class_the_section_is_left_out(labels, sites_of, statistics_of):
    section = rank_separability(statistics_of(sites_of(np.arange(8.0), np.zeros(8), labels)))
    assert section.missing is not None
    assert not section.tables


def test_features_unknown_in_some_patches_are_measured_on_the_others(towns, statistics_of):
    statistics = statistics_of(towns(by_town=True), signal=3.0)
    statistics.mean.iloc[:50, 0] = np.nan
    ranking = rank_separability(statistics, CHOICES).tables["ranking"].set_index("feature")
    n_known = ranking[["n_mining", "n_no_mining"]].sum(axis=1)
    assert n_known["B01"] == 190
    assert n_known["B11"] == 240


@given(st.randoms(use_true_random=False))
@settings(max_examples=5, deadline=None)
def test_neither_the_order_of_sites_nor_of_bands_matters(towns, statistics_of, random):
    statistics = statistics_of(towns(n_towns=12, by_town=True), signal=1.0)
    shuffled = _shuffled(statistics, random)
    expected = rank_separability(statistics, CHOICES).tables["ranking"].set_index("feature")
    got = rank_separability(shuffled, CHOICES).tables["ranking"].set_index("feature")
    for column in ("auc", "auc_low", "ks", "jeffries_matusita", "mutual_information_bits"):
        np.testing.assert_allclose(got.loc[expected.index, column], expected[column], atol=1e-9)


def _shuffled(statistics, random):
    from dataclasses import replace

    rows = random.sample(list(statistics.sites.index), len(statistics.sites))
    bands = tuple(random.sample(statistics.bands, len(statistics.bands)))
    tables = {
        name: getattr(statistics, name).loc[rows, list(bands)]
        for name in ("mean", "std", "p10", "p90")
    }
    return replace(
        statistics,
        sites=statistics.sites.loc[rows],
        bands=bands,
        indices=statistics.indices.loc[rows],
        **tables,
    )


def test_one_place_is_not_called_chance(sites_of, statistics_of):
    sites = sites_of(np.full(20, -62.6), np.full(20, 5.4), [1, 0] * 10)
    section = rank_separability(statistics_of(sites, signal=2.0), CHOICES)
    assert "interval rests on" not in section.seen
    assert "A class lies in one place, so nothing tells whether" in section.advice
    assert "differs from chance" not in section.advice


def test_patches_without_data_are_left_out_and_counted(towns, statistics_of):
    statistics = statistics_of(towns(by_town=False), signal=4.0)
    empty = statistics.mean.index[:40]
    for table in (statistics.mean, statistics.indices):
        table.loc[empty] = np.nan
    section = rank_separability(statistics)
    assert "40 patches without data left out." in section.seen
    assert section.tables["sample"].set_index("class").loc["both", "n_patches"] == 200


def test_a_dataset_without_any_data_has_no_separability(towns, statistics_of):
    statistics = statistics_of(towns(by_town=False))
    for table in (statistics.mean, statistics.indices):
        table.loc[:] = np.nan
    section = rank_separability(statistics)
    assert section.missing is not None
    assert "240 patches without data" in section.missing
    assert "Label more" not in section.advice
