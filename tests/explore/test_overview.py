import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
)

from minewatch._figures import THIN_SPACE
from minewatch.explore._overview import baseline_scores, describe_overview
from minewatch.explore._periods import describe_period
from minewatch.explore._statistics import summarise_patches


def overview(make_dataset, make_textured, labels, **settings):
    dataset = make_dataset(make_textured(len(labels), 3), labels, **settings)
    return describe_overview(summarise_patches(dataset))


@pytest.mark.parametrize(("n_mining", "n_no_mining"), [(170, 332), (40, 10), (5, 5)])
def test_baseline_scores_are_scikit_learns(n_mining, n_no_mining):
    truth = [1] * n_mining + [0] * n_no_mining
    for row in baseline_scores(n_mining, n_no_mining).to_dict("records"):
        said = [int(row["always_says"] == "mining")] * len(truth)
        assert row["accuracy"] == pytest.approx(accuracy_score(truth, said))
        assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, said))
        assert row["f1"] == pytest.approx(f1_score(truth, said, zero_division=0.0))
        assert row["average_precision"] == pytest.approx(average_precision_score(truth, said))


def test_the_majority_answer_comes_first():
    assert baseline_scores(170, 332)["always_says"].iloc[0] == "no mining"
    assert baseline_scores(332, 170)["always_says"].iloc[0] == "mining"


def test_classes_are_counted_with_shares_and_pixels(make_dataset, make_textured):
    section = overview(make_dataset, make_textured, [1, 0, 0, None])
    classes = section.tables["classes"].set_index("class")
    assert classes["n_patches"].to_dict() == {"mining": 1, "no mining": 2, "unlabelled": 1}
    assert classes["share"].to_dict() == {"mining": 0.25, "no mining": 0.5, "unlabelled": 0.25}
    assert classes["n_known_px"].to_dict() == {"mining": 256, "no mining": 512, "unlabelled": 256}


def test_baseline_rests_on_labelled_patches_only(make_dataset, make_textured):
    section = overview(make_dataset, make_textured, [1, 0, 0, None, None, None])
    assert section.tables["baseline"]["n_patches"].eq(3).all()
    assert section.tables["baseline"]["accuracy"].iloc[0] == pytest.approx(2 / 3)


def test_unbalanced_classes_warn_of_accuracy(make_dataset, make_textured):
    section = overview(make_dataset, make_textured, [1] + [0] * 4)
    assert "1 mining (20" in section.seen
    assert section.advice.startswith("Do not judge a detector by accuracy: always answering “no")
    assert "F1 0.00" in section.advice


def test_balanced_classes_are_called_so(make_dataset, make_textured):
    assert "nearly balanced" in overview(make_dataset, make_textured, [1, 0, 1, 0]).advice


def test_a_single_class_asks_for_the_other(make_dataset, make_textured):
    section = overview(make_dataset, make_textured, [1, 1])
    assert "Every labelled patch is mining" in section.advice
    assert section.tables["baseline"]["balanced_accuracy"].isna().all()


def test_no_label_means_no_baseline(make_dataset, make_textured):
    section = overview(make_dataset, make_textured, [None, None])
    assert "baseline" not in section.tables
    assert section.advice.startswith("No patch has a label")


def test_one_patch_of_one_band_is_told_in_the_singular(make_dataset, make_textured):
    dataset = make_dataset(make_textured(1, 1), [1], bands=["B04"])
    seen = describe_overview(summarise_patches(dataset)).seen
    assert seen.startswith("1 patch of 16 × 16 px")
    assert "in 1 band, level L2A" in seen


def test_the_period_is_told_where_it_is_known(make_dataset, make_textured):
    section = overview(make_dataset, make_textured, [1, 0], period=("2021-01-01", "2021-12-31"))
    facts = section.tables["dataset"].set_index("property")["value"]
    assert facts["period"] == "2021-01-01 to 2021-12-31"


# periods


def with_periods(sites_of, labels, periods):
    sites = sites_of(np.linspace(-62, -61, len(labels)), np.full(len(labels), 5.0), labels)
    start, end = zip(*periods, strict=True)
    return sites.assign(start=pd.array(start, dtype="str"), end=pd.array(end, dtype="str"))


YEAR, OTHER = ("2021-01-01", "2021-12-31"), ("2020-12-31", "2023-12-31")


def test_differing_periods_are_told_by_their_first_and_last_day(sites_of, statistics_of):
    sites = with_periods(sites_of, [1, 1, 0, 0], [YEAR, OTHER, YEAR, (None, None)])
    section = describe_overview(statistics_of(sites))
    facts = section.tables["dataset"].set_index("property")["value"]
    assert facts["period"] == (
        "2020-12-31 to 2023-12-31, 2 different periods, not known for 1 site"
    )
    table = section.tables["periods"]
    assert table["start"].tolist() == ["2020-12-31", "2021-01-01"]
    assert table["n_mining"].tolist() == [1, 1]
    assert table["n_no_mining"].tolist() == [0, 1]
    assert table["mining_share"].tolist() == [1.0, 0.5]


def test_a_period_that_gives_the_class_away_is_warned_of(sites_of, statistics_of):
    sites = with_periods(sites_of, [1] * 20 + [0] * 20, [OTHER] * 15 + [YEAR] * 25)
    section = describe_overview(statistics_of(sites))
    seen = section.seen.replace(THIN_SPACE, " ")
    assert "the period goes with the class (Cramér’s V 0.7" in seen
    assert "75 % of the mining patches and 0 % of the others" in seen
    assert "2020-12-31 to 2023-12-31" in seen
    assert "may learn the period instead of mining" in section.advice


def test_a_day_of_its_own_for_every_site_can_give_the_class_away(sites_of, statistics_of):
    days = pd.date_range("2020-01-01", periods=40).strftime("%Y-%m-%d")
    sites = with_periods(sites_of, [1] * 20 + [0] * 20, [(day, day) for day in days])
    seen = describe_overview(statistics_of(sites)).seen
    assert "the period’s first day alone tells the classes apart (AUC of first day 1.00)" in seen


@pytest.mark.parametrize("seed", range(5))
def test_periods_that_do_not_go_with_the_class_are_not_accused(seed, sites_of, statistics_of):
    dealt = np.random.default_rng(seed).permutation([0, 1] * 50)
    sites = with_periods(sites_of, [1, 0] * 50, [(YEAR, OTHER)[i] for i in dealt])
    section = describe_overview(statistics_of(sites))
    assert "period" not in section.seen
    assert "period" not in section.advice
    assert not section.tables["period_association"]["is_telling"].any()


def test_one_period_of_all_sites_is_told_plainly(sites_of, statistics_of):
    section = describe_overview(statistics_of(with_periods(sites_of, [1, 0], [YEAR] * 2)))
    facts = section.tables["dataset"].set_index("property")["value"]
    assert facts["period"] == "2021-01-01 to 2021-12-31"
    assert "period_association" not in section.tables


def test_without_dates_the_period_is_not_known(sites_of, statistics_of):
    sites = sites_of(np.array([-62.0, -61.0]), np.full(2, 5.0), [1, 0])
    assert describe_period(statistics_of(sites).header, sites) == "not known"


@pytest.mark.real
def test_the_period_of_pairs6_gives_the_class_away(shared_data, sites_of, statistics_of):
    table = pd.read_csv(shared_data / "pairs6" / "sites.csv")
    sites = sites_of(table["longitude"], table["latitude"], table["label"])
    sites = sites.assign(start=table["t1_start"].to_numpy(), end=table["t1_end"].to_numpy())
    section = describe_overview(statistics_of(sites))
    seen = section.seen.replace(THIN_SPACE, " ")
    assert "the period goes with the class" in seen
    assert "73 % of the mining patches and 0 % of the others" in seen
    periods = section.tables["periods"].set_index("end")
    assert periods.loc["2023-12-31", "n_mining"].sum() == 227
    assert periods.loc["2023-12-31", "n_no_mining"].sum() == 0
    assert "may learn the period instead of mining" in section.advice
