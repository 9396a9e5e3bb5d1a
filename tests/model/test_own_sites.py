"""What learned from a site is not judged by it, and what was held out had no part in learning."""

import numpy as np
import pandas as pd
import pytest

from minewatch import patches, toy
from minewatch.errors import SettingsError
from minewatch.model import BlockKFold, cross_validate, load_detector, train_detector
from minewatch.model._cnn_folds import inner_folds
from minewatch.model._context_table import ContextColumns
from minewatch.model._evaluate_folds import read_sample
from minewatch.model._folds import FoldSettings, make_splitter
from minewatch.model._own_sites import LeakingEvaluationWarning, own_sites
from minewatch.model._textures import TextureDetector
from minewatch.model._trees import TreeDetector

pytestmark = pytest.mark.usefixtures("few_windows")

FOLDS = BlockKFold(3, block_m=8_000)


@pytest.fixture(scope="module")
def valley():
    return toy.Valley(seed=1)


@pytest.fixture(scope="module")
def dataset(valley, tmp_path_factory):
    return written(valley, valley.sites(20, 40), tmp_path_factory.mktemp("own") / "d")


def written(valley, sites, path):
    return patches.write_patches(
        path, sites, valley.pixels(sites, bands="rgb"), bands="rgb", level="L2A"
    )


@pytest.fixture(scope="module")
def saved(dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("saved") / "trees"
    train_detector(TreeDetector(n_trees=10), dataset, out, splitter=FOLDS)
    return load_detector(out)


def test_a_saved_detector_is_not_judged_in_silence_by_the_sites_it_learned_from(dataset, saved):
    with pytest.warns(LeakingEvaluationWarning, match="60 of 60 patches"):
        found = cross_validate(saved, dataset, splitter=BlockKFold(3, block_m=60_000))
    assert not found.header["headline"]
    assert any("how it remembers them" in note for note in found.header["notes"])


def test_a_part_of_the_training_sites_is_found_out_too(valley, dataset, saved, tmp_path):
    some = dataset.sites.index[::3]
    table = valley.sites(20, 40).loc[some]
    part = written(valley, table, tmp_path / "part")
    assert own_sites(saved, part) == tuple(some)


def test_sites_that_nothing_was_learned_from_are_judged_without_a_word(valley, saved, tmp_path):
    table = valley.sites(5, 10)
    table.index = pd.Index([f"new {number}" for number in range(15)], name="site_id")
    other = written(valley, table, tmp_path / "other")
    assert own_sites(saved, other) == ()
    assert cross_validate(saved, other, splitter=FOLDS, nulls=False).header["notes"] == []


def test_an_evaluation_leaves_the_detector_as_it_was(dataset):
    detector = TextureDetector()
    before = dict(vars(detector))
    cross_validate(detector, dataset, splitter=FOLDS, nulls=False)
    assert vars(detector) == before


def test_a_class_of_context_that_test_sites_alone_have_is_not_learned():
    table = pd.DataFrame({"cover": ["wood", "sand", "ice"]}, index=["a", "b", "c"])
    assert ContextColumns.choose(table, pd.Index(["a", "b"])).classes == {"cover": ("sand", "wood")}


def test_the_context_of_a_test_site_moves_no_score_of_another(dataset):
    cover = np.where(np.arange(60) % 2, "wood", "sand").astype(object)
    context = pd.DataFrame({"cover": cover}, index=dataset.sites.index)
    plain = cross_validate(
        TreeDetector(n_trees=10), dataset, splitter=FOLDS, context=context, nulls=False
    ).predictions.set_index("site_id")
    odd = str(plain.index[0])
    changed = context.copy()
    changed.loc[odd, "cover"] = "ice"
    found = cross_validate(
        TreeDetector(n_trees=10), dataset, splitter=FOLDS, context=changed, nulls=False
    ).predictions.set_index("site_id")
    others = plain.index[(plain["fold"] == plain.loc[odd, "fold"]) & (plain.index != odd)]
    assert len(others) > 0
    assert found.loc[others, "score"].equals(plain.loc[others, "score"])


def test_groups_that_a_splitter_keeps_together_reach_the_folds_of_a_detector(valley, tmp_path):
    table = valley.sites(4, 8)
    table["file"] = [f"file {number % 3}" for number in range(12)]
    dataset = written(valley, table, tmp_path / "grouped")
    folds = BlockKFold(3, block_m=8_000, group_column="file")
    sample = read_sample(dataset, None, None, splitter=folds)
    expected = table["file"].loc[sample.labels.index].tolist()
    assert sample.pixels["group"].to_numpy().tolist() == expected
    inner = inner_folds(sample.pixels, sample.labels, n_splits=2, block_m=8_000)
    for train, test in inner:
        sides = [set(sample.pixels["group"].to_numpy()[rows]) for rows in (train, test)]
        assert not sides[0] & sides[1]


def test_folds_that_would_part_groups_are_refused(dataset):
    with pytest.raises(SettingsError, match="part the groups of origin"):
        make_splitter(FoldSettings(kind="nearest", group_column="origin"), dataset)
