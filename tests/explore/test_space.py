from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from minewatch.explore._autocorrelation import fit_range, measure_moran, measure_variogram
from minewatch.explore._folds import draw_folds, why_not_folds
from minewatch.explore._held_out import score_by_spectra, score_held_out
from minewatch.explore._leakage import audit_leakage
from minewatch.explore._places import as_codes, earth_centred_m
from minewatch.explore._roc import measure_auc
from minewatch.explore._settings import ExploreSettings
from minewatch.explore._space import _overlaps, describe_space
from minewatch.explore._squares import patch_squares
from minewatch.explore._statistics import summarise_patches
from minewatch.grid import PatchGrid
from minewatch.patches import write_patches
from minewatch.sites import check_sites, cluster_sites, nearest_distance_m, read_sites
from minewatch.toy import Valley

QUICK = ExploreSettings(n_repeats=1, block_sizes_m=(3_000.0, 20_000.0))


def scores(leakage, folds, distance_m=None, model="coordinates only"):
    rows = leakage[(leakage["model"] == model) & (leakage["folds"] == folds)]
    rows = rows if distance_m is None else rows[rows["distance_m"] == distance_m]
    return rows.iloc[0]


def grid_m(side=12, step_m=1000.0):
    easting, northing = np.meshgrid(np.arange(side), np.arange(side))
    return np.column_stack([easting.ravel(), northing.ravel(), np.zeros(side**2)]) * step_m


# folds


@given(
    groups=st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=5, max_size=80),
    seed=st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_no_group_is_divided_between_folds(groups, seed):
    codes = np.unique([group for group, _ in groups], return_inverse=True)[1].astype(np.int64)
    is_mining = np.array([label for _, label in groups])
    folds = draw_folds(is_mining, codes, n_folds=3, random_state=seed)
    assert all(len(np.unique(folds[codes == group])) == 1 for group in np.unique(codes))
    assert set(folds) <= {0, 1, 2}


def test_folds_of_single_sites_are_stratified():
    is_mining = np.arange(503) % 3 == 0
    folds = draw_folds(is_mining, np.arange(503), n_folds=5, random_state=0)
    for members in (is_mining, ~is_mining):
        counts = np.bincount(folds[members])
        assert counts.max() - counts.min() <= 1


def test_another_seed_draws_other_folds():
    is_mining = np.arange(100) % 2 == 0
    first, second = (
        draw_folds(is_mining, np.arange(100), n_folds=5, random_state=seed) for seed in (0, 1)
    )
    assert (first != second).any()


def test_too_few_groups_of_a_class_or_one_that_holds_most_cannot_be_folded():
    is_mining = np.arange(40) % 4 == 0
    assert why_not_folds(is_mining, np.arange(40), n_folds=5) is None
    one = why_not_folds(is_mining, np.where(is_mining, 0, np.arange(40)), n_folds=5)
    assert one.startswith("1 group holds mining and ")
    assert "2 groups" in why_not_folds(is_mining, np.arange(40) // 20, n_folds=5)
    most = np.where(np.arange(100) < 60, 0, np.arange(100))
    assert "60%" in why_not_folds(np.arange(100) % 2 == 0, most, n_folds=5)


# the audit


def test_towns_of_one_class_leak_under_random_folds_and_not_when_held_out(towns):
    leakage = audit_leakage(towns(by_town=True), settings=QUICK)
    assert scores(leakage, "random")["auc_low"] > 0.9
    far = scores(leakage, "clusters", 3_000.0)
    assert far["auc_low"] < 0.5 < far["auc_high"] or far["auc_high"] < 0.5
    assert far["least_to_training_m"] >= 3_000.0
    assert scores(leakage, "random")["median_to_training_m"] < 500.0


def test_labels_dealt_to_single_sites_do_not_leak(towns):
    random = scores(audit_leakage(towns(by_town=False), settings=QUICK), "random")
    assert random["auc_low"] < 0.55
    assert random["auc"] < 0.6


def test_no_test_site_has_a_training_site_nearer_than_the_clusters_distance(towns):
    leakage = audit_leakage(towns(by_town=False, n_each=3), settings=QUICK)
    clusters = leakage[(leakage["folds"] == "clusters") & leakage["auc"].notna()]
    assert (clusters["least_to_training_m"] >= clusters["distance_m"] * 0.9999).all()


def test_one_signal_is_seen_by_spectra_wherever_the_sites_are(towns, statistics_of):
    sites = towns(by_town=True)
    features = statistics_of(sites, signal=4.0).mean
    leakage = audit_leakage(sites, features, settings=QUICK)
    far = scores(leakage, "clusters", 3_000.0, model="spectra")
    assert far["auc"] > 0.9
    assert far["auc_low"] > 0.8


def test_what_cannot_be_held_out_is_a_row_with_the_reason(towns):
    far = ExploreSettings(n_repeats=1, block_sizes_m=(2_000_000.0,))
    row = scores(audit_leakage(towns(by_town=True), settings=far), "clusters", 2_000_000.0)
    assert np.isnan(row["auc"])
    assert "folds need 5 of each" in row["note"]


@given(random=st.randoms(use_true_random=False))
@settings(max_examples=4, deadline=None)
def test_the_order_of_sites_does_not_change_the_audit(towns, random):
    sites = towns(n_towns=15, by_town=False)
    shuffled = sites.loc[random.sample(list(sites.index), len(sites))]
    pd.testing.assert_frame_equal(
        audit_leakage(sites, settings=QUICK), audit_leakage(shuffled, settings=QUICK)
    )


def test_unlabelled_and_unplaced_sites_are_no_part_of_the_audit(towns):
    sites = towns(by_town=True)
    expected = audit_leakage(sites.iloc[20:], settings=QUICK)
    sites.loc[sites.index[:10], "label"] = pd.NA
    sites.loc[sites.index[10:20], "geometry"] = None
    pd.testing.assert_frame_equal(audit_leakage(sites, settings=QUICK), expected)


def test_spectra_with_unknown_and_constant_features_can_still_be_scored():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 4))
    is_mining = features[:, 0] > 0
    features[::7, 1] = np.nan
    features[:, 2], features[:, 3] = 1.0, np.nan
    probability = score_by_spectra(features, is_mining, features)
    assert np.isfinite(probability).all()
    assert probability[is_mining].mean() > probability[~is_mining].mean() + 0.3


def test_intervals_of_out_of_fold_scores_of_noise_hold_chance():
    misses = {"as if given": 0, "cross-validated": 0}
    places = np.repeat(np.arange(40), 4)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        is_mining = (rng.permutation(40) % 2 == 0)[places]
        noise = rng.normal(size=(40, 12))[places] + rng.normal(size=(160, 12))
        folds = draw_folds(is_mining, places, n_folds=5, random_state=seed)
        auc = measure_auc(
            score_held_out(score_by_spectra, noise, is_mining, folds), is_mining, places
        )
        misses["as if given"] += auc.differs_from_chance(0.95)
        misses["cross-validated"] += auc.cross_validated(5).differs_from_chance(0.95)
    assert misses["as if given"] >= 10
    assert misses["cross-validated"] <= 5


def test_the_audits_intervals_are_those_of_cross_validated_scores(towns, statistics_of):
    sites = towns(by_town=True)
    features = statistics_of(sites, signal=0.5).mean
    row = scores(audit_leakage(sites, features, settings=QUICK), "clusters", 3_000.0, "spectra")
    half = [np.log(row[end] / (1 - row[end])) - np.log(row["auc"] / (1 - row["auc"]))
            for end in ("auc_low", "auc_high")]  # fmt: skip
    is_mining = sites["label"].to_numpy() == 1
    groups = as_codes(cluster_sites(sites, distance_m=3_000.0))
    folds = draw_folds(is_mining, groups, n_folds=5, random_state=0)
    given_scores = score_held_out(score_by_spectra, features.to_numpy(), is_mining, folds)
    low, high = measure_auc(given_scores, is_mining, groups).interval(0.95)
    given_half = (np.log(high / (1 - high)) - np.log(low / (1 - low))) / 2
    assert half[1] == pytest.approx(-half[0])
    assert half[1] == pytest.approx(1.5 * given_half)


def test_the_seed_decides_which_of_too_many_sites_are_learnt_from(monkeypatch):
    monkeypatch.setattr("minewatch.explore._held_out.MAX_TRAINING_SITES", 30)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(90, 3))
    is_mining = features[:, 0] + rng.normal(size=90) > 0
    first, again, other = (
        score_by_spectra(features, is_mining, features, random_state=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_the_settings_seed_reaches_the_spectral_model(monkeypatch, towns, statistics_of):
    monkeypatch.setattr("minewatch.explore._held_out.MAX_TRAINING_SITES", 40)
    monkeypatch.setattr(
        "minewatch.explore._leakage.draw_folds",
        lambda is_mining, groups, *, n_folds, **_: draw_folds(
            is_mining, groups, n_folds=n_folds, random_state=0
        ),
    )
    sites = towns(by_town=True, n_towns=20)
    features = statistics_of(sites, signal=0.5).mean
    areas = [
        audit_leakage(sites, features, settings=QUICK.model_copy(update={"random_state": seed}))
        for seed in (0, 1)
    ]
    assert scores(areas[0], "random")["auc"] == scores(areas[1], "random")["auc"]
    first, other = (scores(x, "random", model="spectra")["auc"] for x in areas)
    assert first != other


@pytest.mark.real
def test_location_alone_scores_0_97_on_the_seed_studys_points_and_0_65_20_km_away(shared_data):
    places = shared_data / "places"
    sites = pd.concat(
        [
            read_sites(places / "v2.0_bolivar_negatives.geojson", label=0),
            read_sites(places / "v2.1_bolivar_positives.geojson", label=1),
        ]
    )
    assert (nearest_distance_m(sites) <= 480.0).sum() == 200
    leakage = audit_leakage(sites)
    assert scores(leakage, "random")["auc"] == pytest.approx(0.97, abs=0.015)
    assert scores(leakage, "clusters", 20_000.0)["auc"] == pytest.approx(0.65, abs=0.05)
    # Square blocks of that side leave neighbours across their edges.
    assert scores(leakage, "square blocks", 20_000.0)["auc"] > 0.85


# autocorrelation


def test_morans_i_of_a_gradient_is_high_and_of_noise_is_none():
    coordinates = grid_m()
    gradient = measure_moran(coordinates[:, 0], coordinates)
    noise = measure_moran(np.random.default_rng(1).normal(size=144), coordinates)
    assert gradient["morans_i"] > 0.8
    assert gradient["p_value"] < 1e-10
    assert noise["p_value"] > 0.05


def test_the_analytic_spread_of_morans_i_is_that_of_permutations():
    coordinates = grid_m() + np.random.default_rng(0).normal(0, 100, (144, 3))
    values = np.random.default_rng(2).exponential(size=144)
    moran = measure_moran(values, coordinates)
    rng = np.random.default_rng(3)
    dealt = [measure_moran(rng.permutation(values), coordinates)["morans_i"] for _ in range(150)]
    spread = (moran["morans_i"] - moran["expected"]) / moran["z"]
    assert spread == pytest.approx(np.std(dealt), rel=0.2)
    assert moran["expected"] == pytest.approx(np.mean(dealt), abs=0.01)


def test_morans_i_bears_sites_at_one_point_and_values_that_do_not_vary():
    coordinates = np.zeros((20, 3))
    assert np.isfinite(measure_moran(np.arange(20.0), coordinates)["morans_i"])
    assert np.isnan(measure_moran(np.ones(20), coordinates)["morans_i"])


def test_the_range_of_a_made_variogram_is_found_again():
    distance_m = np.geomspace(300.0, 90_000.0, 12)
    semivariance = 0.2 + 0.8 * (1.0 - np.exp(-3.0 * distance_m / 15_000.0))
    made = pd.DataFrame({"distance_m": distance_m, "semivariance": semivariance, "n_pairs": 100})
    fit = fit_range(made)
    assert fit["range_m"] == pytest.approx(15_000.0, rel=0.1)
    assert fit["nugget"] == pytest.approx(0.2, abs=0.03)


def test_a_variogram_that_the_model_does_not_fit_or_that_rises_to_its_end_has_no_range():
    # As measured between real patches: no plateau, and hollows that no model of one range has.
    distance_m = np.array([4e2, 9e2, 2e3, 5e3, 1e4, 2.3e4, 5e4, 1.2e5, 2.9e5, 6.3e5, 1.4e6])
    uneven = [0.1, 0.14, 0.54, 0.23, 0.37, 0.74, 0.57, 0.44, 0.6, 0.88, 0.97]
    jagged = np.where(np.arange(11) % 2, 1.0, 0.2) + 0.01 * np.arange(11)
    for semivariance in (np.array(uneven), jagged):
        made = pd.DataFrame(
            {"distance_m": distance_m, "semivariance": semivariance, "n_pairs": 100}
        )
        assert np.isnan(fit_range(made)["range_m"])


def test_a_variogram_that_is_flat_or_still_rises_has_no_range():
    distance_m = np.geomspace(300.0, 90_000.0, 12)
    for semivariance in (np.ones(12), distance_m / 90_000.0):
        made = pd.DataFrame(
            {"distance_m": distance_m, "semivariance": semivariance, "n_pairs": 100}
        )
        assert np.isnan(fit_range(made)["range_m"])


def test_the_variogram_of_noise_is_one_at_every_distance():
    noise = np.random.default_rng(0).normal(size=900)
    variogram = measure_variogram(noise, grid_m(30), random_state=0)
    known = variogram[variogram["n_pairs"] > 500]
    np.testing.assert_allclose(known["semivariance"], 1.0, atol=0.15)
    assert (variogram["distance_m"].diff().dropna() > 0).all()


# the section


def test_patches_that_share_ground_are_counted(sites_of, statistics_of):
    # Two 300 m apart, of two classes; two 600 m apart (424 m in each direction); one far away.
    metre = 1.0 / 110_600.0
    longitude = np.array([0.0, 300 * metre, 0.1, 0.1 + 424 * metre, 0.3]) - 62.0
    latitude = np.array([5.0, 5.0, 5.0, 5.0 + 424 * metre, 5.0])
    section = describe_space(statistics_of(sites_of(longitude, latitude, [1, 0, 1, 1, 0])), QUICK)
    counts = section.tables["overlaps"].set_index("what")["n_sites"]
    assert counts.to_dict() == {
        "another site within a patch side": 2,
        "another site within a patch diagonal": 4,
        "patch overlaps another": 4,
        "patch overlaps one of the other class": 2,
    }


def test_patches_side_by_side_only_touch(tmp_path, sites_of, statistics_of):
    # Ten on the grid of 480 m, edge to edge, and one that shares 60 m with the last.
    to_degrees = Transformer.from_crs("EPSG:32620", "EPSG:4326", always_xy=True)
    easting = 600_240.0 + 480.0 * np.append(np.arange(10), 10 - 0.125)
    sites = sites_of(*to_degrees.transform(easting, np.full(11, 720_240.0)), [1, 0] * 5 + [1])
    numbers = np.ones((11, 1, 48, 48), dtype=np.uint16)
    dataset = write_patches(tmp_path / "made", sites, numbers, bands=["B02"], level="L2A")
    section = describe_space(statistics_of(dataset.sites), QUICK)
    counts = section.tables["overlaps"].set_index("what")["n_sites"]
    assert counts["patch overlaps another"] == 2
    assert counts["patch overlaps one of the other class"] == 2


def test_overlaps_are_those_of_the_check_of_sites(tmp_path):
    valley = Valley(seed=1)
    sites = valley.sites(n_mining=60, n_background=140)
    numbers = np.ones((200, 1, 48, 48), dtype=np.uint16)
    dataset = write_patches(tmp_path / "made", sites, numbers, bands=["B02"], level="L2A")
    grid = summarise_patches(dataset).grid
    squares = patch_squares(dataset.sites, grid)
    pairs = squares.near_pairs()
    n_overlapping = len(np.unique(pairs[squares.overlap(pairs)]))
    assert n_overlapping == check_sites(sites).overlaps.loc["all", "n_overlapping"]
    assert 0 < n_overlapping < 200


def test_patches_on_two_sides_of_a_zones_border_are_compared(sites_of, statistics_of):
    sites = sites_of(np.array([-60.001, -59.999, -59.9]), np.full(3, 5.0), [1, 0, 0])
    overlaps = describe_space(statistics_of(sites), QUICK).tables["overlaps"].set_index("what")
    assert overlaps.loc["patch overlaps one of the other class", "n_sites"] == 2


def test_a_site_exactly_a_side_away_is_within_it(sites_of, statistics_of):
    sites = sites_of(np.array([-62.0, -61.99]), np.full(2, 5.0), [1, 0])
    side_m = float(nearest_distance_m(sites).iloc[0])
    grid = PatchGrid(size_px=1, resolution_m=side_m, snap_m=side_m)
    counts = _overlaps(sites, grid).set_index("what")["n_sites"]
    assert counts["another site within a patch side"] == 2


def test_distances_to_the_nearest_other_site_are_told_by_class(sites_of, statistics_of):
    longitude = np.array([0.00, 0.01, 0.05, 0.06]) - 62.0
    section = describe_space(statistics_of(sites_of(longitude, np.full(4, 5.0), [1, 1, 0, 0])))
    table = section.tables["nearest"].set_index(["class", "nearest"])["median_m"]
    assert table["mining", "same class"] == pytest.approx(1109, abs=2)
    assert table["mining", "other class"] == pytest.approx(4.5 * 1109, rel=0.01)
    assert table["no mining", "any"] == table["no mining", "same class"]


def test_leaking_folds_are_told_and_a_distance_that_is_enough_is_advised(towns, statistics_of):
    section = describe_space(statistics_of(towns(by_town=True), signal=2.0), QUICK)
    assert "under random folds a model of coordinates alone scores AUC 1.00" in section.seen
    assert "do not report random folds: hold out whole clusters" in section.advice


def test_folds_that_do_not_leak_are_not_accused(towns, statistics_of):
    section = describe_space(statistics_of(towns(by_town=False), signal=2.0), QUICK)
    assert section.advice.startswith("Location alone cannot be told from chance here")


def test_spectra_that_tell_less_than_location_are_told_and_the_joins_doubted(towns, statistics_of):
    section = describe_space(statistics_of(towns(by_town=True), signal=0.0), QUICK)
    assert ", less than coordinates alone, against" in section.seen
    assert section.advice.startswith(
        "The spectral model cannot be told from chance under any folds"
    )
    assert "rows and sites were joined rightly" in section.advice


def test_spectra_that_tell_more_than_location_are_not_accused(towns, statistics_of):
    section = describe_space(statistics_of(towns(by_town=False), signal=4.0), QUICK)
    assert "less than coordinates alone" not in section.seen
    assert "joined" not in section.advice


def test_the_only_class_of_placed_patches_is_named(sites_of, statistics_of):
    longitude = np.linspace(-62, -61, 12)
    for labels, told in [
        ([1] * 12, "all 12 placed patches are mining"),
        ([1] * 11 + [0], "of 12 placed patches 11 are mining and 1 is no mining"),
    ]:
        sites = sites_of(longitude, np.full(12, 5.0), labels)
        assert told in describe_space(statistics_of(sites), QUICK).seen


def test_sites_that_cannot_be_held_out_call_for_more_places(sites_of, statistics_of):
    rng = np.random.default_rng(0)
    longitude = np.concatenate([rng.uniform(0, 0.004, 30), rng.uniform(0.02, 0.024, 30)]) - 62.0
    sites = sites_of(longitude, rng.uniform(5.0, 5.004, 60), [1] * 30 + [0] * 30)
    section = describe_space(statistics_of(sites), QUICK)
    assert "no distance of the audit leaves enough clusters" in section.seen
    assert "gather sites from more places" in section.advice


@pytest.mark.parametrize("labels", [[1] * 12, [None] * 12, [1] + [0] * 11])
def test_without_two_classes_the_map_stays_and_the_audit_is_empty(labels, sites_of, statistics_of):
    sites = sites_of(np.linspace(-62, -61, 12), np.full(12, 5.0), labels)
    section = describe_space(statistics_of(sites), QUICK)
    assert section.missing is None
    assert len(section.tables["sites"]) == 12
    assert section.tables["leakage"].empty
    assert "Label places of both classes" in section.advice


def test_unplaced_sites_are_left_out_and_counted(towns, statistics_of):
    sites = towns(n_towns=12, by_town=False)
    sites.loc[sites.index[:9], "geometry"] = None
    section = describe_space(statistics_of(sites), QUICK)
    assert len(section.tables["sites"]) == len(sites) - 9
    assert "9 without coordinates left out" in section.seen
    sites["geometry"] = gpd.GeoSeries([None] * len(sites), index=sites.index, crs="EPSG:4326")
    assert describe_space(statistics_of(sites), QUICK).missing is not None


def test_straight_lines_through_the_earth_are_geodesics_in_the_small(sites_of):
    sites = sites_of(np.array([-62.0, -61.7]), np.array([5.0, 5.2]), [1, 0])
    chord = np.linalg.norm(np.subtract(*earth_centred_m(sites)))
    assert chord == pytest.approx(nearest_distance_m(sites).iloc[0], rel=1e-5)


def test_site_order_does_not_change_the_section(towns, statistics_of):
    statistics = statistics_of(towns(n_towns=15, by_town=True), signal=1.0)
    rows = np.random.default_rng(0).permutation(statistics.sites.index)
    names = ("sites", "mean", "std", "p10", "p90", "indices")
    turned = replace(statistics, **{name: getattr(statistics, name).loc[rows] for name in names})
    first, second = describe_space(statistics, QUICK), describe_space(turned, QUICK)
    assert (first.seen, first.advice) == (second.seen, second.advice)
    for name, table in first.tables.items():
        pd.testing.assert_frame_equal(table, second.tables[name])


def _emptied(statistics, site_ids):
    """Take all that is known of some patches."""
    tables = (statistics.mean, statistics.std, statistics.p10, statistics.p90, statistics.indices)
    for table in tables:
        table.loc[site_ids] = np.nan
    return statistics


def test_patches_without_data_are_in_neither_model_and_counted(towns, statistics_of):
    sites = towns(by_town=False)
    section = describe_space(_emptied(statistics_of(sites, signal=2.0), sites.index[:40]))
    assert set(section.tables["leakage"]["n_sites"]) == {200}
    assert "40 labelled patches without data are in neither model" in section.seen


def test_a_dataset_without_any_data_scores_no_spectral_model(towns, statistics_of):
    sites = towns(by_town=False)
    section = describe_space(_emptied(statistics_of(sites), sites.index))
    assert set(section.tables["leakage"]["model"]) == {"coordinates only"}
    assert "for 240 labelled patches without data no spectral model was scored" in section.seen
    assert "spectral model cannot be told" not in section.advice
