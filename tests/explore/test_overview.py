import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
)

from minewatch.explore._overview import baseline_scores, describe_overview
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
