"""Splitters: what is held out is far away, whole, and the same whatever the order of the rows."""

import warnings

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from sklearn.model_selection import cross_val_score, cross_validate
from sklearn.neighbors import KNeighborsClassifier

from minewatch import toy
from minewatch._figures import render_figure
from minewatch.errors import InputError
from minewatch.model._blocks import (
    BlockKFold,
    ClusterKFold,
    LeakingSplitWarning,
    RandomKFold,
    RegionHoldout,
)
from minewatch.model._blocks_draw import draw_folds
from minewatch.model._blocks_groups import deal
from minewatch.model._blocks_nndm import NearestNeighbourDistanceKFold, _test_to_train
from minewatch.model._blocks_table import fold_table, is_headline
from minewatch.sites import nearest_distance_m
from minewatch.sites._distance import earth_centred

GEOD = Geod(ellps="WGS84")
HALF = shapely.box(-64.0, 4.0, -62.5, 8.0)


def make_sites(seed: int, n_sites: int = 80, span: float = 1.0) -> gpd.GeoDataFrame:
    """Draw sites in heaps near 63° W, 6° N, some at the very same place."""
    random = np.random.default_rng(seed)
    heaps = random.uniform(0, span, (12, 2))[random.integers(0, 12, n_sites)]
    places = heaps + random.normal(0, 0.02 * span, (n_sites, 2)) + [-63.0, 5.5]
    places[1] = places[0]
    return gpd.GeoDataFrame(
        {"label": pd.array(random.integers(0, 2, n_sites), dtype="Int8")},
        geometry=gpd.points_from_xy(*places.T),
        index=pd.Index([f"s{i:03d}" for i in range(n_sites)], name="site_id"),
        crs="EPSG:4326",
    )


def splitters(buffer_m: float):
    return [
        BlockKFold(3, block_m=8_000, buffer_m=buffer_m),
        ClusterKFold(3, distance_m=3_000, buffer_m=buffer_m),
        RegionHoldout(HALF, buffer_m=buffer_m),
        NearestNeighbourDistanceKFold(3, buffer_m=buffer_m, n_samples=100),
    ]


def least_distance_m(sites: gpd.GeoDataFrame, train, test) -> float:
    """Measure every pair, one by one."""
    some, others = sites.geometry.iloc[train], sites.geometry.iloc[test]
    return min(GEOD.inv(a.x, a.y, b.x, b.y)[2] for a in some for b in others)


@given(st.integers(0, 2**31), st.sampled_from([0.0, 700.0, 2_500.0]))
@settings(max_examples=8, deadline=None)
def test_no_training_site_lies_in_the_dead_zone_of_a_test_site(seed, buffer_m):
    sites = make_sites(seed)
    for splitter in splitters(buffer_m):
        for train, test in splitter.split(sites):
            assert least_distance_m(sites, train, test) > buffer_m, splitter


@given(st.integers(0, 2**31))
@settings(max_examples=8, deadline=None)
def test_every_site_is_tested_once_and_never_while_it_trains(seed):
    sites = make_sites(seed)
    for splitter in [s for s in splitters(700.0) if not isinstance(s, RegionHoldout)]:
        folds = list(splitter.split(sites))
        assert len(folds) == splitter.get_n_splits()
        assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(sites)))
        assert all(not set(train) & set(test) for train, test in folds)


@given(st.integers(0, 2**31), st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None)
def test_folds_do_not_depend_on_the_order_of_the_rows(seed, random):
    sites = make_sites(seed)
    order = list(range(len(sites)))
    random.shuffle(order)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeakingSplitWarning)
        for splitter in [*splitters(700.0), RandomKFold(3)]:
            key = ["site_id", "fold"]
            one = fold_table(splitter, sites).sort_values(key, ignore_index=True)
            other = fold_table(splitter, sites.iloc[order]).sort_values(key, ignore_index=True)
            pd.testing.assert_frame_equal(one, other)


def test_sites_of_one_block_are_held_out_together():
    sites = make_sites(3)
    for splitter in (BlockKFold(3, 8_000), ClusterKFold(3, 3_000)):
        table = fold_table(splitter, sites)
        tested = table[table["role"] == "test"]
        assert not tested[["block", "fold"]].drop_duplicates()["block"].duplicated().any()


def test_classes_are_spread_evenly_as_far_as_whole_groups_allow():
    random = np.random.default_rng(0)
    names = np.repeat([f"b{i:02d}" for i in range(40)], 5).astype(object)
    labels = (random.uniform(size=200) < 0.25).astype(float)
    folds = deal(names, labels, n_splits=5, random_state=0)
    shares = [labels[folds == fold].sum() / labels.sum() for fold in range(5)]
    assert max(shares) - min(shares) < 0.1
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= 15


def test_another_seed_deals_otherwise():
    sites = make_sites(1)
    first, second = (
        [test.tolist() for _, test in BlockKFold(3, 8_000, random_state=seed).split(sites)]
        for seed in (0, 1)
    )
    assert first != second


def test_sites_that_share_a_group_are_never_parted_wherever_they_lie():
    sites = make_sites(5)
    sites["file"] = None
    sites.loc[sites.index[[0, 40, 79]], "file"] = "one.geojson"
    table = fold_table(BlockKFold(3, 8_000, group_column="file"), sites)
    tested = table[(table["role"] == "test") & table["site_id"].isin(sites.index[[0, 40, 79]])]
    assert len(set(tested["fold"])) == 1
    assert len(set(tested["block"])) == 1


def test_sites_without_a_place_are_held_out_by_their_group():
    sites = make_sites(5)
    sites["file"] = [f"file {i % 9}" if i >= 60 else None for i in range(80)]
    sites.loc[sites.index[60:], "geometry"] = None
    folds = list(BlockKFold(3, 8_000, group_column="file").split(sites))
    for train, test in folds:
        files = [set(sites["file"].iloc[rows].dropna()) for rows in (train, test)]
        assert not files[0] & files[1]
    with pytest.raises(InputError, match=r"20 sites have no place and no group.*--group"):
        list(BlockKFold(3, 8_000).split(sites))


def test_a_held_out_region_is_tested_whole_and_trained_on_nowhere():
    sites = make_sites(2)
    ((train, test),) = RegionHoldout(HALF).split(sites)
    inside = sites.geometry.intersects(HALF).to_numpy()
    assert inside[test].all()
    assert test.size == inside.sum()
    assert not inside[train].any()


def test_a_region_with_no_site_or_all_sites_is_refused():
    sites = make_sites(2)
    for region in (shapely.box(0, 0, 1, 1), shapely.box(-90, -10, 0, 20)):
        with pytest.raises(InputError, match=r"of 80 sites lie inside"):
            list(RegionHoldout(region).split(sites))


def test_matched_folds_are_nearer_to_the_region_than_random_and_block_folds():
    sites = make_sites(4, 120)
    region = shapely.box(-63.1, 5.4, -61.9, 6.6)
    splitter = NearestNeighbourDistanceKFold(4, region, n_samples=400, random_state=3)
    places = np.column_stack([sites.geometry.x, sites.geometry.y])
    wanted = nearest_distance_m(
        gpd.GeoDataFrame(geometry=gpd.points_from_xy(*splitter._drawn(places).T), crs=4326),
        others=sites,
    )

    def distance(folds) -> float:
        had = _test_to_train(earth_centred(places), folds, splitter.buffer_m)
        return abs(np.median(had) - wanted.median())

    matched = np.empty(len(sites), dtype=np.int64)
    for fold, (_, test) in enumerate(splitter.split(sites)):
        matched[test] = fold
    scattered = np.arange(len(sites)) % 4
    assert distance(matched) < distance(scattered)


def test_random_folds_warn_that_they_leak():
    with pytest.warns(LeakingSplitWarning, match="beside training sites"):
        list(RandomKFold(2).split(make_sites(0)))


def test_scikit_learn_takes_a_splitter_with_plain_longitudes_and_latitudes():
    sites = make_sites(0)
    places = np.column_stack([sites.geometry.x, sites.geometry.y])
    labels = sites["label"].to_numpy(dtype=int)
    scores = cross_val_score(KNeighborsClassifier(3), places, labels, cv=BlockKFold(3, 8_000))
    assert scores.shape == (3,)
    groups = np.arange(80) // 10
    found = cross_validate(
        KNeighborsClassifier(3), places, labels, groups=groups, cv=ClusterKFold(2, 500),
        return_indices=True,
    )  # fmt: skip
    for train, test in zip(*found["indices"].values(), strict=True):
        assert not set(groups[train]) & set(groups[test])


def test_labels_are_joined_by_site_id():
    sites = make_sites(0)
    labels = sites["label"].astype("int64")
    one = [test.tolist() for _, test in BlockKFold(3, 8_000).split(sites, labels)]
    other = [test.tolist() for _, test in BlockKFold(3, 8_000).split(sites, labels[::-1])]
    assert one == other


@pytest.mark.parametrize(
    ("splitter", "words"),
    [
        (BlockKFold(1), "n_splits is 1"),
        (BlockKFold(3, block_m=-5), "block_m is -5"),
        (BlockKFold(3, buffer_m=-1), "buffer_m is -1"),
        (BlockKFold(50, block_m=500_000), "50 folds are wanted"),
        (BlockKFold(2, block_m=20_000, buffer_m=1e6), "take a narrower dead zone"),
        (NearestNeighbourDistanceKFold(3, max_share=0.1), "max_share is 0.1"),
    ],
)
def test_folds_that_cannot_be_made_are_refused_with_the_reason(splitter, words):
    with pytest.raises(InputError, match=words):
        list(splitter.split(make_sites(0)))


def test_arrays_that_are_no_places_are_refused():
    with pytest.raises(InputError, match=r"shape \(4, 3\)"):
        list(BlockKFold(2).split(np.zeros((4, 3))))


def test_only_regions_and_wide_blocks_may_stand_at_the_head():
    assert is_headline(RegionHoldout(HALF))
    assert is_headline(BlockKFold(5, 50_000))
    assert not is_headline(BlockKFold(5, 49_999))
    assert not is_headline(ClusterKFold(5, 100_000))
    assert not is_headline(RandomKFold(5))


def test_the_fold_table_gives_the_distance_to_what_trained():
    sites = make_sites(6)
    table = fold_table(BlockKFold(3, 8_000), sites)
    for fold, (train, test) in enumerate(BlockKFold(3, 8_000).split(sites)):
        rows = table[(table["fold"] == fold) & (table["role"] == "test")]
        expected = nearest_distance_m(sites.iloc[test], others=sites.iloc[train])
        assert rows["site_id"].tolist() == sites.index[test].tolist()
        np.testing.assert_allclose(rows["nearest_train_m"], expected)
        assert (rows["nearest_train_m"] > 700.0).all()


def test_folds_draw_themselves_the_same_each_time():
    sites = toy.Valley(seed=1).sites(20, 40)
    folds = fold_table(BlockKFold(3, 8_000, 2_000), sites)
    words = {"title": "Folds", "description": "…", "provenance": {}}
    first, second = (render_figure(draw_folds(folds, patch_m=480.0), **words) for _ in range(2))
    assert first == second
    assert "dead zone" in set(folds["role"])
