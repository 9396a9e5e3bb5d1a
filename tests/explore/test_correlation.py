from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minewatch.explore._correlation import (
    find_components,
    group_redundant,
    measure_correlation,
)
from minewatch.explore._settings import ExploreSettings

CHOICES = ExploreSettings()


@pytest.fixture
def statistics(towns, statistics_of):
    return statistics_of(towns(by_town=True), signal=2.0)


def square(section, name):
    return section.tables[name].set_index("band")


def test_correlation_is_pearsons_over_all_patches(statistics):
    got = square(measure_correlation(statistics), "correlation")
    pd.testing.assert_frame_equal(got, statistics.mean.corr(), check_names=False)


def test_within_class_correlation_forgets_the_difference_between_classes(statistics):
    moved = statistics.mean + 5.0 * np.outer(statistics.labels.to_numpy(float), np.ones(12))
    section = measure_correlation(replace(statistics, mean=moved))
    plain = measure_correlation(statistics)
    assert square(section, "correlation").to_numpy().min() > 0.99
    np.testing.assert_allclose(
        square(section, "within_class"), square(plain, "within_class"), atol=1e-9
    )


def test_partial_correlation_is_that_of_residuals(statistics):
    values = statistics.mean.to_numpy()
    others = np.column_stack([np.ones(len(values)), values[:, 2:]])
    fit = others @ np.linalg.lstsq(others, values[:, :2], rcond=None)[0]
    expected = np.corrcoef((values[:, :2] - fit).T)[0, 1]
    got = square(measure_correlation(statistics), "partial")
    assert got.iloc[0, 1] == pytest.approx(expected)


def test_components_rebuild_the_correlation_matrix_and_explain_all(statistics):
    components = find_components(statistics.mean)
    loadings = components.loadings.to_numpy()
    variances = components.explained * 12
    np.testing.assert_allclose(
        loadings @ np.diag(variances) @ loadings.T, statistics.mean.corr(), atol=1e-9
    )
    np.testing.assert_allclose(components.scores.var(ddof=0), variances, atol=1e-9)
    assert components.explained.sum() == pytest.approx(1.0)


def test_each_components_largest_loading_is_positive(statistics):
    loadings = find_components(statistics.mean).loadings
    assert (loadings.max() >= -loadings.min() - 1e-6).all()


@given(random=st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None)
def test_neither_the_order_of_sites_nor_of_bands_changes_components(towns, statistics_of, random):
    mean = statistics_of(towns(n_towns=10, by_town=True)).mean
    rows = random.sample(list(mean.index), len(mean))
    bands = random.sample(list(mean.columns), 12)
    first, second = find_components(mean), find_components(mean.loc[rows, bands])
    pd.testing.assert_frame_equal(first.scores, second.scores, atol=1e-8)
    pd.testing.assert_frame_equal(first.loadings, second.loadings, atol=1e-8)


def test_bands_of_one_group_all_correlate_at_the_threshold_or_more():
    r = pd.DataFrame(
        [[1.0, 0.97, 0.90, 0.0], [0.97, 1.0, 0.96, 0.0], [0.90, 0.96, 1.0, 0.0], [0, 0, 0, 1.0]],
        index=list("abcd"),
        columns=list("abcd"),
    )
    groups = group_redundant(r, 0.95).set_index("band")
    # b is near a and c, which are not near each other: it joins the nearer of them.
    assert groups["group"].to_dict() == {"a": 1, "b": 1, "c": 2, "d": 3}
    assert groups.loc["a", "least_r"] == 0.97
    assert np.isnan(groups.loc["d", "least_r"])


def test_opposite_bands_are_redundant_too():
    r = pd.DataFrame([[1.0, -0.99], [-0.99, 1.0]], index=list("ab"), columns=list("ab"))
    assert group_redundant(r, 0.95)["group"].tolist() == [1, 1]


def test_the_advice_names_redundant_bands_or_says_that_there_are_none(statistics):
    copied = statistics.mean.assign(B03=statistics.mean["B02"] * 1.1)
    with_copy = measure_correlation(replace(statistics, mean=copied))
    assert "B02 and B03" in with_copy.advice
    assert square(with_copy, "partial").isna().to_numpy().all()
    strict = measure_correlation(statistics, ExploreSettings(redundancy_threshold=0.9999))
    assert "none is redundant" in strict.advice


def test_patches_with_an_unknown_band_are_left_out_and_counted(statistics):
    holed = statistics.mean.copy()
    holed.iloc[:7, 3] = np.nan
    section = measure_correlation(replace(statistics, mean=holed))
    assert len(section.tables["scores"]) == len(holed) - 7
    assert "7 with an unknown band left out" in section.seen


def test_extremes_are_the_outermost_scores(statistics):
    section = measure_correlation(statistics)
    scores = section.tables["scores"].set_index("site_id")["PC1"]
    extremes = section.tables["extremes"].query("component == 'PC1'")
    low = extremes.query("end == 'low'")["site_id"]
    assert low.tolist() == scores.sort_values().index[:3].tolist()
    assert scores.idxmax() == extremes.query("end == 'high'")["site_id"].iloc[0]


def test_without_labels_there_is_no_within_class_table(sites_of, statistics_of):
    sites = sites_of(np.linspace(-60, -59, 20), np.full(20, 5.0), [None] * 20)
    section = measure_correlation(statistics_of(sites))
    assert section.missing is None
    assert "within_class" not in section.tables
    assert "within classes" not in section.seen


@pytest.mark.parametrize("n_sites", [1, 2])
def test_too_few_patches_leave_the_section_out(n_sites, sites_of, statistics_of):
    sites = sites_of(np.arange(n_sites) - 60.0, np.full(n_sites, 5.0), [1] * n_sites)
    assert measure_correlation(statistics_of(sites)).missing is not None


def test_three_bands_are_enough(towns, statistics_of):
    section = measure_correlation(statistics_of(towns(by_town=True), bands="rgb"))
    assert section.tables["explained"]["component"].tolist() == ["PC1", "PC2", "PC3"]
    assert section.tables["loadings"]["band"].tolist() == ["B02", "B03", "B04"]
