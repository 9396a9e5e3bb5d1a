"""What a report says is what its tables show: counts, scales, and what is not known."""

import numpy as np
import pandas as pd
import pytest

from minewatch import patches, toy
from minewatch.model import RandomKFold, cross_validate, score_by_confuser, train_detector
from minewatch.model._ablations import Ablations
from minewatch.model._blocks import BlockKFold, ClusterKFold, LeakingSplitWarning
from minewatch.model._blocks_table import block_word
from minewatch.model._evaluation import EvaluationSettings
from minewatch.model._evaluation_words import describe_evaluation
from minewatch.model._nulls import NullDetector
from minewatch.model._report_others import ablations_section, card_section
from minewatch.model._report_parts import confusers_section, on_what, operating_section
from minewatch.model._report_plates import plates_of
from minewatch.model._train import TrainSettings
from minewatch.model._trees import TreeDetector

FAST = EvaluationSettings(n_resamples=100, n_inner=2)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Give 60 patches: 20 mines, 38 of forest and 2 of road."""
    valley = toy.Valley(seed=1)
    sites = valley.sites(20, 40)
    pixels = valley.pixels(sites, bands="rgb")[:, :, 16:32, 16:32]
    others = sites.index[sites["label"] == 0]
    sites["cover"] = sites["label"].map({1: None, 0: "forest"})
    sites.loc[others[:2], "cover"] = "road"
    folder = tmp_path_factory.mktemp("words") / "d"
    return patches.write_patches(
        folder, sites, pixels, bands="rgb", level="L2A", size_px=16, cut="point"
    )


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    return train_detector(
        TreeDetector(n_trees=10),
        dataset,
        tmp_path_factory.mktemp("trained") / "trees",
        splitter=BlockKFold(3, block_m=6_000),
        settings=TrainSettings(name="trees", evaluation=FAST),
    )


@pytest.fixture(scope="module")
def by_confuser(trained, dataset):
    return score_by_confuser(trained.evaluation, dataset.sites["cover"])


def test_a_kind_of_two_sites_is_counted_and_is_no_finding(trained, by_confuser):
    counts = by_confuser.query("model == 'trees'").set_index("group")["n_of_kind"]
    assert counts.to_dict() == {"forest": 38, "road": 2}
    lowest = by_confuser.assign(roc_auc=np.where(by_confuser["group"] == "road", 0.0, 0.9))
    section = confusers_section(trained.evaluation, lowest)
    assert "hardest to tell from forest (38 sites of that kind)" in section.seen
    assert "kinds with fewer than 10 sites show nothing yet" in section.seen
    assert "forest" in section.advice
    assert section.tables["by_confuser"]["group"].tolist() == ["forest", "road"]


def test_where_all_kinds_are_rare_none_is_said_to_be_hardest(trained, by_confuser):
    section = confusers_section(trained.evaluation, by_confuser[by_confuser["group"] == "road"])
    assert section.seen.startswith("No kind is shown to be hard to tell from mining")
    assert "road" not in section.advice


def test_the_report_gives_the_scores_to_decide_by_that_the_card_holds(trained):
    section = operating_section(trained.evaluation)
    scores = section.tables["points"].set_index("threshold")["score"]
    on_card = {name: one.value for name, one in trained.card.thresholds.items()}
    assert scores.to_dict() == on_card
    assert "Decide by scores" in section.advice
    facts = card_section(trained.card).tables["card"].set_index("fact")["says"]
    assert facts["threshold f1"].startswith(f"a score of {on_card['f1']:.3g}, ")


def ablations(**changes):
    table = pd.DataFrame(
        {
            "group": ["full", "bands", "labels"],
            "variant": ["full", "RGB", "20 % of labels turned"],
            "roc_auc_change": [0.0, -0.01, -0.09],
            "roc_auc_change_low": [0.0, -0.02, -0.25],
            "roc_auc_change_high": [0.0, 0.01, 0.02],
        }
    )
    return Ablations(table.assign(**changes), table, {"left_out": [], "splitter": "5 folds"})


def test_what_is_not_shown_to_be_worse_is_not_said_to_be_as_good():
    section = ablations_section(ablations())
    assert "None of 2 variants is shown to be worse than the full detector, nor" in section.seen
    assert "20 % of labels turned changes the area by −0.09 (−0.25–0.02)" in section.seen
    assert "no difference" not in section.advice


def test_blocks_of_random_folds_are_said_to_be_places(dataset):
    with pytest.warns(LeakingSplitWarning):
        found = cross_validate(
            NullDetector(), dataset, splitter=RandomKFold(3), nulls=False, settings=FAST
        )
    words = "places (sites within 3 km of each other are one)"
    assert words in describe_evaluation(found)
    assert words in on_what(found)
    assert "from whole places drawn again" in describe_evaluation(found)


def test_what_is_drawn_again_is_named_by_its_folds():
    for splitter, word in ((BlockKFold(3), "blocks"), (ClusterKFold(3), "clusters")):
        assert block_word({"splitter_settings": {"class": type(splitter).__name__}}) == word
    assert block_word({}) == "blocks"


def test_maps_say_where_their_colours_end_and_how_many_show_nothing():
    drops = np.concatenate([np.linspace(-0.06, 0.06, 99), [0.25], np.zeros(100)])
    table = pd.DataFrame(
        {
            "site_id": np.repeat(["a", "b"], 100), "square_px": 4, "drop": drops,
            "method": "differences",
        }
    )  # fmt: skip
    for plate in plates_of("40 patches")["where"]:
        said = plate.caption(table)
        assert "to 0.059 either way" in said
        assert "up to 0.25" in said
        assert "1 of 2 maps are pale" in said
        assert "pixel" not in plate.title
