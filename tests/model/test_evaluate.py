"""Evaluations of the toy valley: nothing leaks, nothing is chosen on test sites, all is told."""

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import shapely
from sklearn import metrics as sk
from sklearn.base import BaseEstimator, ClassifierMixin

from minewatch import patches, toy
from minewatch.cli._app import run
from minewatch.errors import AlreadyThereError, InputError, NotThereError
from minewatch.model._blocks import BlockKFold, LeakingSplitWarning, RandomKFold, RegionHoldout
from minewatch.model._compare import compare_splitters, learning_curve
from minewatch.model._evaluate import (
    DeadZoneWarning,
    cross_validate,
    score_by,
    score_by_confuser,
    score_on,
)
from minewatch.model._evaluate_folds import UnseenContext
from minewatch.model._evaluation import EvaluationSettings, read_evaluation, write_evaluation
from minewatch.model._evaluation_words import describe_evaluation
from minewatch.model._nulls import NullDetector
from minewatch.model._report_parts import headline_section
from minewatch.model._trees import TreeDetector

pytestmark = pytest.mark.usefixtures("few_windows")

FAST = EvaluationSettings(n_resamples=200, n_inner=2)
BLOCKS = BlockKFold(4, block_m=6_000)


class Brightness(ClassifierMixin, BaseEstimator):
    """Score by the mean of a band, scaled on the training sites; remember who trained it."""

    trained_on: ClassVar[list[tuple[str, ...]]] = []
    asked_of: ClassVar[list[tuple[str, ...]]] = []

    def __init__(self, band: str = "B04", lost: str = "") -> None:
        self.band = band
        self.lost = lost

    def fit(self, pixels, labels, context=None):
        assert list(labels.index) == list(pixels["site"].to_numpy())
        Brightness.trained_on.append(tuple(labels.index))
        values = self._mean(pixels)
        self.low_, self.high_ = values.min(), values.max()
        return self

    def predict_proba(self, pixels, context=None):
        sites = pixels["site"].to_numpy()
        Brightness.asked_of.append(tuple(sites))
        score = np.clip((self._mean(pixels) - self.low_) / (self.high_ - self.low_), 0, 1)
        score[sites == self.lost] = np.nan
        return np.column_stack([1 - score, score])

    def _mean(self, pixels):
        return pixels.sel(band=self.band).mean(("y", "x")).to_numpy().astype(float)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> patches.PatchDataset:
    valley = toy.Valley(seed=1)
    sites = valley.sites(30, 60)
    sites["cover"] = np.where(sites["label"] == 1, None, np.arange(len(sites)) % 2)
    sites["cover"] = sites["cover"].map({0: "forest", 1: "town"})
    folder = tmp_path_factory.mktemp("evaluate") / "patches"
    pixels = valley.pixels(sites, bands="rgb")
    return patches.write_patches(folder, sites, pixels, bands="rgb", level="L2A")


@pytest.fixture(scope="module")
def context(dataset) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({"road_m": random.uniform(0, 9e3, len(dataset))}, dataset.sites.index)


@pytest.fixture(scope="module")
def evaluation(dataset, context):
    Brightness.trained_on.clear()
    Brightness.asked_of.clear()
    return cross_validate(
        {"red": Brightness(), "green": Brightness("B03")},
        dataset, splitter=BLOCKS, context=context, settings=FAST,
    )  # fmt: skip


def test_every_site_is_scored_once_by_each_model_beside_all_null_models(evaluation, dataset):
    assert evaluation.models == (
        "red", "green", "null: majority", "null: coordinates", "null: context", "null: mean colour",
    )  # fmt: skip
    for _, rows in evaluation.predictions.groupby("model"):
        assert sorted(rows["site_id"]) == sorted(dataset.sites.index)
        labels = dataset.sites.loc[rows["site_id"], "label"]
        assert rows["label"].tolist() == labels.tolist()


def test_no_model_is_asked_of_a_site_that_trained_it(evaluation):
    pairs = list(zip(Brightness.trained_on, Brightness.asked_of, strict=True))
    assert len(pairs) == 2 * 4 * (1 + FAST.n_inner)
    assert not any(set(trained) & set(asked) for trained, asked in pairs)


def test_thresholds_do_not_depend_on_the_labels_of_test_sites(evaluation, dataset, tmp_path):
    first = next(iter(BLOCKS.split(dataset.sites.sort_index())))
    flipped = dataset.sites.sort_index().iloc[first[1]].index[:5]
    sites = dataset.sites.copy()
    sites.loc[flipped, "label"] = 1 - sites.loc[flipped, "label"]
    other = patches.write_patches(
        tmp_path / "d", sites, dataset.digital_numbers(), bands=dataset.bands, level="L2A"
    )
    same_folds = [(train, test) for train, test in BLOCKS.split(dataset.sites.sort_index())]

    class Same(BlockKFold):
        def split(self, sites, y=None, groups=None):
            return iter(same_folds)

        def inner(self, n_splits):
            return BLOCKS.inner(n_splits)

    found = cross_validate(
        {"red": Brightness()}, other, splitter=Same(4, 6_000), nulls=False, settings=FAST
    )
    one, two = (
        table[(table["model"] == "red") & (table["fold"] == 0)].reset_index(drop=True)
        for table in (evaluation.thresholds, found.thresholds)
    )
    pd.testing.assert_frame_equal(one, two)


def test_figures_are_those_of_the_predictions(evaluation):
    rows = evaluation.predictions[evaluation.predictions["model"] == "red"]
    assert evaluation.value("red", "roc_auc")[0] == pytest.approx(
        sk.roc_auc_score(rows["label"], rows["score"])
    )
    assert evaluation.value("red", "brier")[0] == pytest.approx(
        sk.brier_score_loss(rows["label"], rows["probability"])
    )
    assert evaluation.value("red", "f0.5", "f0.5")[0] == pytest.approx(
        sk.fbeta_score(rows["label"], rows["at_f0.5"].astype(int), beta=0.5)
    )
    decided = rows["at_sensitivity"].astype(bool)
    cut = evaluation.thresholds.query("model == 'red' and threshold == 'sensitivity'")
    expected = rows["probability"] >= rows["fold"].map(cut.set_index("fold")["value"])
    assert (decided == expected).all()


def test_differences_are_paired(evaluation):
    table = evaluation.differences
    row = table[(table["other"] == "green") & (table["metric"] == "roc_auc")].iloc[0]
    red, green = (evaluation.value(name, "roc_auc") for name in ("red", "green"))
    assert row["value"] == pytest.approx(red[0] - green[0])
    assert row["low"] <= row["value"] <= row["high"]
    assert row["high"] - row["low"] < (red[2] - red[1]) + (green[2] - green[1])


def test_the_same_call_gives_the_same_evaluation(evaluation, dataset):
    again = cross_validate(
        {"red": Brightness()}, dataset, splitter=BLOCKS, nulls=False, settings=FAST
    )
    for name in ("metrics", "predictions"):
        one, two = (getattr(e, name).query("model == 'red'") for e in (evaluation, again))
        pd.testing.assert_frame_equal(one.reset_index(drop=True), two.reset_index(drop=True))


def test_a_site_without_a_score_is_counted_and_left_out_of_both_sides(dataset):
    lost = dataset.sites.index[3]
    found = cross_validate(
        {"all": Brightness(), "most": Brightness(lost=lost)},
        dataset, splitter=BLOCKS, nulls=False, settings=FAST,
    )  # fmt: skip
    counts = found.metrics.groupby("model")[["n_sites", "n_unscored"]].first()
    assert counts.loc["most"].tolist() == [89, 1]
    assert counts.loc["all"].tolist() == [90, 0]
    auc = found.differences[found.differences["metric"] == "roc_auc"].iloc[0]
    assert auc["n_sites"] == 89
    assert auc["value"] == 0.0


def test_folds_that_leak_make_coordinates_look_as_if_they_knew(dataset):
    table = compare_splitters(
        NullDetector("coordinates"), dataset, settings=FAST,
        splitters={"random": RandomKFold(4), "blocks": BlockKFold(4, 8_000, 3_000)},
    ).set_index(["folds", "model"])  # fmt: skip
    auc = table["roc_auc"]
    assert auc["random", "NullDetector"] > auc["blocks", "NullDetector"] + 0.05
    assert auc["random", "NullDetector"] == auc["random", "null: coordinates"]
    assert table["median_to_train_m"]["random"].max() < table["median_to_train_m"]["blocks"].min()
    assert not table["headline"].any()


def test_folds_that_cannot_be_made_are_a_row_with_the_reason(dataset):
    table = compare_splitters(
        Brightness(), dataset, splitters={"wide": BlockKFold(5, 500_000)}, settings=FAST
    )
    assert "5 folds are wanted" in table["note"].iloc[0]
    assert np.isnan(table["roc_auc"].iloc[0])


def test_random_folds_warn_but_once(dataset):
    with pytest.warns(LeakingSplitWarning) as said:
        cross_validate(Brightness(), dataset, splitter=RandomKFold(3), nulls=False, settings=FAST)
    assert len(said) == 1


def test_a_dead_zone_narrower_than_a_patch_warns(dataset):
    with pytest.warns(DeadZoneWarning, match="diagonal of a patch 679 m"):
        cross_validate(
            Brightness(), dataset, splitter=BlockKFold(3, 6_000, 100), nulls=False, settings=FAST
        )


def test_a_region_is_tested_by_one_model_and_its_interval_is_not_widened(dataset):
    west, south, east, north = dataset.sites.total_bounds
    half = shapely.box(west - 1, south - 1, (west + east) / 2, north + 1)
    found = cross_validate(
        Brightness(), dataset, splitter=RegionHoldout(half, block_m=4_000), settings=FAST
    )
    assert found.header["headline"]
    assert set(found.predictions["fold"]) == {0}
    inside = dataset.sites.geometry.intersects(half)
    assert set(found.predictions["site_id"]) == set(dataset.sites.index[inside])


def around_places(sites):
    """Draw a region that holds these places and no other."""
    return shapely.union_all(shapely.buffer(sites.geometry.to_numpy(), 1e-6))


@pytest.mark.parametrize(
    ("n_mining", "n_others", "inside", "words"),
    [
        (0, 30, True, "tested on no sites with mining"),
        (12, 1, True, "tested on 1 site with no mining"),
        (9, 30, True, "tested on 9 sites with mining"),
        (9, 30, False, "trained on 9 sites with mining"),
    ],
)
def test_a_region_with_too_few_sites_of_a_class_gives_no_headline(
    dataset, n_mining, n_others, inside, words
):
    table = dataset.sites.sort_index()
    mining, others = (table[table["label"] == label] for label in (1, 0))
    chosen = around_places(pd.concat([mining[:n_mining], others[:n_others]]))
    region = chosen if inside else shapely.box(-70, 0, -60, 10).difference(chosen)
    splitter = RegionHoldout(region, buffer_m=0.1, block_m=4_000)
    with pytest.warns(DeadZoneWarning):
        found = cross_validate(Brightness(), dataset, splitter=splitter, settings=FAST)
    with pytest.warns(DeadZoneWarning):
        table = compare_splitters(Brightness(), dataset, splitters={"r": splitter}, settings=FAST)
    assert not found.header["headline"]
    assert not table["headline"].any()
    assert f"mind: {words}: a figure to show needs 10 or more" in describe_evaluation(found)
    assert words in headline_section(found).advice


def test_a_region_with_no_mining_outside_cannot_be_learned_from(dataset):
    region = around_places(dataset.sites[dataset.sites["label"] == 1])
    with pytest.raises(InputError, match="one class to train on; take another region"):
        cross_validate(Brightness(), dataset, splitter=RegionHoldout(region, 1e4), settings=FAST)


def test_the_null_model_of_context_stands_beside_detectors_that_do_not_see_it(
    evaluation, dataset, context
):
    detectors = {"trees": TreeDetector(n_trees=5)}
    asked = {"settings": FAST.model_copy(update={"n_inner": 0}), "context": UnseenContext(context)}
    found = cross_validate(detectors, dataset, splitter=BLOCKS, **asked)
    table = compare_splitters(detectors, dataset, splitters={"blocks": BLOCKS}, **asked)
    assert found.header["context_columns"] == []
    assert found.header["notes"] == []
    assert "null: context" in set(table["model"])
    plain = cross_validate(detectors, dataset, splitter=BLOCKS, settings=asked["settings"])
    for model, other in (("null: context", evaluation), ("trees", plain)):
        scores = [
            one.predictions[one.predictions["model"] == model].set_index("site_id")["score"]
            for one in (found, other)
        ]
        pd.testing.assert_series_equal(*scores)


def test_context_unseen_by_detectors_that_lacks_sites_is_left_out_with_a_word(dataset, context):
    found = cross_validate(
        Brightness(), dataset, splitter=BLOCKS, context=UnseenContext(context[10:]), settings=FAST
    )
    assert "null: context" not in found.models
    (note,) = found.header["notes"]
    assert "no null model of context, for the context table lacks 10 of 90 sites" in note


def test_parts_are_measured_alone(evaluation, dataset):
    table = score_by(evaluation, dataset.sites["source"])
    assert set(table["group"]) == set(dataset.sites["source"])
    confusers = score_by_confuser(evaluation, dataset.sites["cover"]).query("model == 'red'")
    assert confusers["group"].tolist() == ["forest", "town"]
    assert confusers["n_mining"].tolist() == [30, 30]
    assert confusers["n_sites"].sum() == 60 + 2 * 30
    weights = confusers["n_sites"] - 30
    mean = np.average(confusers["roc_auc"], weights=weights)
    assert mean == pytest.approx(evaluation.value("red", "roc_auc")[0])
    assert evaluation.by_distance.groupby("model")["n_sites"].sum().eq(90).all()


def test_some_sites_can_be_judged_alone(evaluation, dataset):
    kept = dataset.sites.index[:60]
    part = score_on(evaluation, kept)
    rows = evaluation.predictions.query("model == 'red'").set_index("site_id").loc[kept]
    expected = sk.roc_auc_score(rows["label"], rows["score"])
    assert part.value("red", "roc_auc")[0] == pytest.approx(expected)
    with pytest.raises(InputError, match="lack a class"):
        score_on(evaluation, dataset.sites.index[:5])


def test_a_learning_curve_ends_where_the_evaluation_is(evaluation, dataset):
    curve = learning_curve(Brightness(), dataset, splitter=BLOCKS, shares=(0.5, 1.0), settings=FAST)
    assert curve["roc_auc"].iloc[-1] == pytest.approx(evaluation.value("red", "roc_auc")[0])
    assert curve["n_train_sites"].is_monotonic_increasing


def test_what_is_written_is_read_again(evaluation, tmp_path):
    folder = write_evaluation(evaluation, tmp_path / "e", more={"by_x": pd.DataFrame({"a": [1]})})
    again = read_evaluation(folder)
    assert again.header == json.loads(json.dumps(evaluation.header))
    assert again.settings == FAST
    pd.testing.assert_frame_equal(again.predictions, evaluation.predictions)
    pd.testing.assert_frame_equal(again.metrics, evaluation.metrics, check_dtype=False)
    with pytest.raises(AlreadyThereError):
        write_evaluation(evaluation, folder)
    write_evaluation(evaluation, folder, overwrite=True)
    assert not (folder / "by_x.csv").exists()
    assert (folder / "folds.png").read_bytes()[:4] == b"\x89PNG"


def test_a_table_that_was_changed_is_not_read(evaluation, tmp_path):
    folder = write_evaluation(evaluation, tmp_path / "e")
    (folder / "metrics.csv").write_text("model\nbest\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"metrics\.csv is missing or was changed"):
        read_evaluation(folder)
    with pytest.raises(NotThereError):
        read_evaluation(tmp_path)


def test_words_say_who_is_better_and_that_small_blocks_are_no_ground(evaluation):
    words = describe_evaluation(evaluation)
    assert "mind: these folds are no ground for a figure to show" in words
    assert "red − null: coordinates: AUC" in words
    assert "90 patches tested (30 mining)" in words


def test_a_context_table_that_lacks_sites_is_refused(dataset, context):
    with pytest.raises(InputError, match="lacks 10 of 90 labelled sites"):
        cross_validate(Brightness(), dataset, splitter=BLOCKS, context=context[10:])


def test_names_of_null_models_are_reserved(dataset):
    with pytest.raises(InputError, match="no name that begins with 'null: '"):
        cross_validate({"null: mine": Brightness()}, dataset, splitter=BLOCKS)


def test_the_command_writes_the_evaluation_and_prints_it(dataset, tmp_path, capsys):
    out = tmp_path / "e"
    code = run(
            ["model", "evaluate", str(dataset.path), "--block-m", "8000", "--folds", "2",
             "--inner-folds", "0", "--resamples", "100", "--out", str(out), "--by", "source"]
        )  # fmt: skip
    assert code == 0
    printed = capsys.readouterr().out
    assert "ensemble − null: majority: AUC" in printed
    assert read_evaluation(out).models[0] == "ensemble"
    assert (out / "by_source.csv").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--splitter", "region"],
        ["--detector", "nobody"],
        ["--block-m", "900000"],
        ["--confusers", "colour"],
        ["--context", "nowhere.parquet"],
    ],
)
def test_the_command_refuses_what_cannot_be(dataset, tmp_path, capsys, arguments):
    out = tmp_path / "e"
    line = ["model", "evaluate", str(dataset.path), "--out", str(out), "--folds", "2",
            "--block-m", "8000", "--inner-folds", "0", *arguments]  # fmt: skip
    assert run(line) in {3, 4}
    assert "error:" in capsys.readouterr().err
    assert not Path(out).exists()
