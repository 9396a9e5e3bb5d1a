"""Sites without a place: what is said of them, and what is not said for want of places."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from minewatch import patches, toy
from minewatch.model import BlockKFold, RandomKFold, RegionHoldout, cross_validate, train_detector
from minewatch.model._blocks_table import describe_folds, describe_unplaced, why_unplaced
from minewatch.model._evaluate_tables import Resampling, metrics_table
from minewatch.model._evaluation import EvaluationSettings
from minewatch.model._evaluation_words import describe_evaluation
from minewatch.model._report_others import card_section
from minewatch.model._report_parts import distance_section, headline_section
from minewatch.model._train import TrainSettings
from minewatch.model._trees import TreeDetector

FAST = EvaluationSettings(n_resamples=100, n_inner=2)
FOLDS = BlockKFold(3, block_m=6_000, group_column="source")
WORDS = "36 sites without a place held out by column source"


def write(folder, *, placed) -> patches.PatchDataset:
    """Write 60 patches, 20 mining; those that `placed` does not name are of nine files."""
    valley = toy.Valley(seed=1)
    sites = valley.sites(20, 40)
    pixels = valley.pixels(sites, bands="rgb")[:, :, 16:32, 16:32]
    sites["source"] = [f"file {number % 9}" for number in range(60)]
    is_placed = placed(sites)
    sites.loc[is_placed, "source"] = None
    sites.loc[~is_placed, "geometry"] = None
    sites["start"], sites["end"] = "2019-01-01", "2020-12-31"
    sites.loc[sites.index[0], "end"] = "2021-03-31"
    return patches.write_patches(
        folder, sites, pixels, bands="rgb", level="L2A", size_px=16, cut="point"
    )


@pytest.fixture(scope="module")
def some_placed(tmp_path_factory):
    """Give patches of which 8 mines and 16 other sites have a place."""

    def placed(sites):
        rank = sites.groupby("label").cumcount()
        return rank < sites["label"].map({1: 8, 0: 16}).astype(int)

    return write(tmp_path_factory.mktemp("some") / "d", placed=placed)


@pytest.fixture(scope="module")
def trained(some_placed, tmp_path_factory):
    return train_detector(
        TreeDetector(n_trees=10),
        some_placed,
        tmp_path_factory.mktemp("trained") / "trees",
        splitter=FOLDS,
        settings=TrainSettings(name="trees", evaluation=FAST),
    )


def test_folds_say_how_many_sites_without_a_place_were_held_out_by_which_column(trained):
    header = trained.evaluation.header
    assert header["splitter"].endswith(WORDS)
    assert all(WORDS in metric.splitter for metric in trained.card.metrics)
    assert WORDS in describe_evaluation(trained.evaluation)
    assert WORDS in headline_section(trained.evaluation).seen


def test_nobody_is_left_to_think_that_distances_are_known_of_all(trained):
    note = (
        "36 of 60 sites have no place and are held out by column source; how far that is from what "
        "trained is not known, and distances rest on the other 24"
    )
    said = describe_evaluation(trained.evaluation)
    assert f"mind: {note}" in said
    assert "the 24 with a place lie" in said
    assert "The 24 of 60 with a place lie" in distance_section(trained.evaluation).seen
    assert f"Mind: {note}." in headline_section(trained.evaluation).seen
    assert f"Evaluation: {note}." in trained.card.limits
    where = "Trained and evaluated, by the 24 of 60 sites that have a place, between"
    assert any(limit.startswith(where) for limit in trained.card.limits)


def test_a_place_that_is_not_known_is_no_place_of_training(trained, some_placed):
    training = trained.card.training
    placed = some_placed.sites.geometry.notna()
    assert training.n_sites == 60
    assert 1 <= training.n_places <= placed.sum()
    assert "36 sites without a place not counted" in training.notes


def test_the_period_is_that_of_the_patches_where_the_dataset_has_none(trained, some_placed):
    assert some_placed.header.period_start is None
    training = trained.card.training
    assert (training.period_start, training.period_end) == ("2019-01-01", "2021-03-31")


def test_no_null_model_of_coordinates_where_placed_sites_are_of_one_class(tmp_path):
    dataset = write(tmp_path / "d", placed=lambda sites: sites["label"] == 0)
    found = cross_validate(TreeDetector(n_trees=5), dataset, splitter=FOLDS, settings=FAST)
    assert "null: coordinates" not in found.models
    why = "there is no null model of coordinates, for all 40 sites with a place show no mining"
    assert why in found.header["notes"]


def test_where_no_site_has_a_place_none_is_counted_and_the_card_names_none(tmp_path):
    dataset = write(tmp_path / "d", placed=lambda sites: sites["label"] > 1)
    made = train_detector(
        TreeDetector(n_trees=5), dataset, tmp_path / "t", splitter=FOLDS,
        settings=TrainSettings(evaluation=FAST),
    )  # fmt: skip
    assert made.card.training.n_places is None
    assert "distances rest on no site" in " ".join(made.card.limits)
    facts = card_section(made.card).tables["card"].set_index("fact")["says"]
    assert facts["trained on"] == "60 patches: 20 mining, 40 no mining"


def test_where_most_sites_have_no_place_no_figure_is_to_be_shown(some_placed):
    sites = some_placed.sites.sort_index()
    wide = BlockKFold(3, block_m=50_000, group_column="source")
    assert "36 of 60 sites have no place" in why_unplaced(wide, sites)
    assert why_unplaced(RegionHoldout(None), sites) is None
    placed = sites[sites.geometry.notna()]
    assert why_unplaced(wide, pd.concat([placed, sites[sites.geometry.isna()].iloc[:24]])) is None
    found = cross_validate(
        TreeDetector(n_trees=5), some_placed, splitter=wide, nulls=False, settings=FAST
    )
    assert not found.header["headline"]
    said = describe_evaluation(found)
    assert "nobody knows how far most of those tested lie" in said
    assert "Do not show this figure" in headline_section(found).advice


def test_one_class_alone_has_no_brier_score():
    rows = pd.DataFrame(
        {
            "model": "one", "site_id": list("abcd"), "fold": 0, "block": list("wxyz"),
            "label": 0, "score": 0.0, "probability": 0.0,
        }
    )  # fmt: skip
    table, _ = metrics_table(rows, Resampling.of(rows, FAST, 0))
    brier = table[table["metric"] == "brier"]
    assert len(brier) == 1
    assert brier[["value", "low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("splitter", "words"),
    [
        (RandomKFold(2), "2 of 4 sites have no place and are held out like all others"),
        (RegionHoldout(None), "2 of 4 sites have no place and are never tested"),
        (BlockKFold(2, group_column="file"), "are held out by column file"),
    ],
)
def test_each_kind_of_folds_says_what_it_does_with_them(splitter, words):
    places = gpd.points_from_xy([0.0, 1.0, np.nan, np.nan], [0.0, 0.0, np.nan, np.nan])
    sites = gpd.GeoDataFrame({"file": list("aabb")}, geometry=places, crs="EPSG:4326")
    assert words in describe_unplaced(splitter, sites)
    placed = sites.iloc[:2]
    assert describe_unplaced(splitter, placed) == ""
    assert describe_folds(splitter, placed) == splitter.describe()
