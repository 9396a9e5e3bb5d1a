import numpy as np
import pytest

from minewatch.explore._labels import doubt_labels, find_doubts
from minewatch.explore._settings import ExploreSettings
from minewatch.explore._statistics import summarise_patches
from minewatch.patches import write_patches
from minewatch.toy import Valley

CHOICES = ExploreSettings(label_block_m=3_000.0)


def flipped(sites, n_wrong, seed=0):
    """Turn some labels; give the table and the ids of those turned."""
    rows = np.random.default_rng(seed).choice(sites.index, n_wrong, replace=False)
    turned = sites.copy()
    turned.loc[rows, "label"] = 1 - turned.loc[rows, "label"]
    return turned, set(rows)


def test_confident_learning_follows_its_definition():
    is_mining = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0], dtype=bool)
    probability = np.array([0.9, 0.8, 0.7, 0.2, 0.1, 0.1, 0.2, 0.7, 0.4])
    doubts = find_doubts(is_mining, probability)
    noise = doubts.noise.set_index("label")
    # Mean probability of the own label: 0.65 for mining, 0.7 for no mining.
    assert noise.loc["mining", "threshold"] == pytest.approx(0.65)
    assert noise.loc["no mining", "threshold"] == pytest.approx(0.70)
    assert np.flatnonzero(doubts.is_flagged).tolist() == [3, 7]
    # Of four sites that are confidently something and labelled mining one is not; of four
    # labelled no mining (the fifth is in between) one is.
    assert noise["expected_wrong"].to_dict() == {
        "mining": pytest.approx(1.0), "no mining": pytest.approx(5 / 4)
    }  # fmt: skip


def test_a_label_that_is_the_more_probable_one_is_never_flagged():
    rng = np.random.default_rng(0)
    is_mining, probability = rng.random(300) < 0.2, rng.random(300)
    doubts = find_doubts(is_mining, probability)
    assert (doubts.margin[doubts.is_flagged] < 0).all()
    assert doubts.is_flagged.any()


def test_turned_labels_are_found_far_better_than_by_chance(towns, statistics_of):
    true = towns(by_town=False)
    statistics = statistics_of(true, signal=6.0)
    sites, wrong = flipped(true, 20)
    statistics.sites["label"] = sites["label"]
    section = doubt_labels(statistics, CHOICES)
    doubts = section.tables["doubts"]
    flagged = set(doubts.loc[doubts["is_flagged"], "site_id"])
    assert len(flagged & wrong) / len(flagged) > 0.7
    assert len(flagged & wrong) / len(wrong) > 0.7
    assert set(doubts["site_id"][:10]) <= wrong


@pytest.mark.integration
def test_labels_turned_in_the_toy_valley_are_found_several_times_better_than_by_chance(tmp_path):
    valley = Valley(seed=1)
    sites = valley.sites(n_mining=40, n_background=80, label_noise=0.1)
    pixels = valley.pixels(sites)
    dataset = write_patches(tmp_path / "toy", sites, pixels, bands="l2a-12", level="L2A")
    section = doubt_labels(summarise_patches(dataset), ExploreSettings(), dataset)
    doubts = section.tables["doubts"].set_index("site_id")
    is_wrong = (sites["label"] != sites["true_label"])[doubts.index].to_numpy(dtype=bool)
    is_flagged = doubts["is_flagged"].to_numpy()
    assert is_wrong[is_flagged].mean() > 3 * is_wrong.mean()
    assert is_flagged[is_wrong].mean() > 0.5
    shown = section.images["doubts"]["site"].to_numpy().tolist()
    assert shown == doubts.index[is_flagged][: len(shown)].tolist()


def test_the_table_lists_every_labelled_site_flagged_ones_first(towns, statistics_of):
    section = doubt_labels(statistics_of(towns(by_town=False), signal=1.0), CHOICES)
    doubts = section.tables["doubts"]
    assert len(doubts) == 240
    assert doubts["doubt_rank"].tolist() == list(range(1, 241))
    assert doubts["is_flagged"].is_monotonic_decreasing
    assert doubts.loc[doubts["is_flagged"], "margin"].is_monotonic_increasing
    assert doubts[["longitude", "latitude"]].notna().all(axis=None)


def test_a_weak_model_is_not_allowed_to_judge(towns, statistics_of):
    section = doubt_labels(statistics_of(towns(by_town=False), signal=0.0), CHOICES)
    assert "too weak" in section.advice


def test_a_strong_model_is(towns, statistics_of):
    sites, _ = flipped(towns(by_town=False), 6)
    statistics = statistics_of(towns(by_town=False), signal=8.0)
    statistics.sites["label"] = sites["label"]
    section = doubt_labels(statistics, CHOICES)
    assert "before training" in section.advice
    assert section.tables["model"]["auc"].iloc[0] > 0.9


def test_labels_without_a_doubt_are_not_called_proven(towns, statistics_of):
    section = doubt_labels(statistics_of(towns(by_town=False), signal=60.0), CHOICES)
    assert section.advice == "No label is doubted by this model; that does not prove them right."


def test_the_model_has_seen_no_site_near_and_says_how_far(towns, statistics_of):
    model = doubt_labels(statistics_of(towns(by_town=True)), CHOICES).tables["model"].iloc[0]
    assert (model["folds"], model["distance_m"]) == ("clusters", 3_000.0)
    near = ExploreSettings(label_block_m=2_000_000.0)
    model = doubt_labels(statistics_of(towns(by_town=True)), near).tables["model"].iloc[0]
    assert model["distance_m"] < 2_000_000.0


def test_without_any_coordinates_folds_are_random_and_said_to_flatter(towns, statistics_of):
    sites = towns(by_town=True)
    sites["geometry"] = None
    section = doubt_labels(statistics_of(sites, signal=2.0), CHOICES)
    assert section.tables["model"]["folds"].iloc[0] == "random"
    assert "random folds, which near sites may flatter" in section.seen
    assert section.tables["doubts"]["longitude"].isna().all()


def test_sites_without_coordinates_are_left_out_if_the_others_are_enough(towns, statistics_of):
    sites = towns(by_town=False)
    sites.loc[sites.index[:30], "geometry"] = None
    section = doubt_labels(statistics_of(sites, signal=2.0), CHOICES)
    assert len(section.tables["doubts"]) == 210
    assert "30 without coordinates left out" in section.seen


def test_a_class_that_is_nowhere_placed_brings_the_unplaced_in(towns, statistics_of):
    sites = towns(by_town=False)
    sites.loc[sites["label"] == 0, "geometry"] = None
    section = doubt_labels(statistics_of(sites, signal=2.0), CHOICES)
    assert len(section.tables["doubts"]) == 240
    assert "120 sites without coordinates each by itself" in section.seen


@pytest.mark.parametrize("labels", [[1] * 30, [None] * 30, [1] * 9 + [0] * 21])
def test_too_few_sites_of_a_class_leave_the_section_out(labels, sites_of, statistics_of):
    sites = sites_of(np.linspace(-65, -60, 30), np.full(30, 5.0), labels)
    section = doubt_labels(statistics_of(sites), CHOICES)
    assert section.missing is not None
    assert not section.tables


def test_the_same_seed_gives_the_same_doubts(towns, statistics_of):
    first, second = (
        doubt_labels(statistics_of(towns(by_town=False), signal=1.0), CHOICES) for _ in range(2)
    )
    assert first.tables["doubts"].equals(second.tables["doubts"])
    assert first.seen == second.seen


def emptied(statistics, site_ids):
    """Take all that is known of some patches."""
    tables = (statistics.mean, statistics.std, statistics.p10, statistics.p90, statistics.indices)
    for table in tables:
        table.loc[site_ids] = np.nan
    return statistics


def test_labels_of_patches_without_data_are_not_judged_but_counted(towns, statistics_of):
    sites = towns(by_town=False)
    section = doubt_labels(emptied(statistics_of(sites, signal=2.0), sites.index[:40]), CHOICES)
    assert set(section.tables["doubts"]["site_id"]) == set(sites.index[40:])
    assert "of 200 labels (40 without data left out)" in section.seen


def test_a_dataset_without_any_data_contradicts_no_label(towns, statistics_of):
    sites = towns(by_town=False)
    section = doubt_labels(emptied(statistics_of(sites), sites.index), CHOICES)
    assert section.missing is not None
    assert "240 patches without data" in section.missing
    assert "Label more" not in section.advice
