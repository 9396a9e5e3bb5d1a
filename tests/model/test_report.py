"""What a model report holds, and what training and the command line leave behind."""

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from minewatch.cli._app import run
from minewatch.errors import AlreadyThereError, InputError
from minewatch.model import _train, load_detector
from minewatch.model._applicability import load_applicability
from minewatch.model._blocks import BlockKFold
from minewatch.model._detector import read_pixels
from minewatch.model._evaluate import cross_validate
from minewatch.model._nulls import NullDetector
from minewatch.model._report import write_model_report
from minewatch.model._report_curves import GRID
from minewatch.model._report_parts import curves_section, headline_section
from minewatch.model._train import TrainSettings, train_detector
from minewatch.model._trees import TreeDetector
from minewatch.patches import write_patches

pytestmark = pytest.mark.usefixtures("few_windows")

FOLDS = BlockKFold(3, block_m=8_000)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Patches of 16 px in three bands, mines brighter in B04."""
    from minewatch.toy import Valley

    sites = Valley(seed=1).sites(20, 40)
    random = np.random.default_rng(0)
    values = random.uniform(0.1, 0.2, (60, 3, 16, 16))
    values[(sites["label"] == 1).to_numpy(), 0] += random.uniform(0.0, 0.2, (20, 1, 1))
    pixels = xr.DataArray(
        np.round(values * 10_000).astype(np.uint16),
        dims=("site", "band", "y", "x"),
        coords={"site": list(sites.index), "band": ["B04", "B03", "B02"]},
    )
    folder = tmp_path_factory.mktemp("reported") / "d"
    return write_patches(folder, sites, pixels, bands="rgb", level="L2A")


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    return train_detector(
        TreeDetector(n_trees=20),
        dataset,
        tmp_path_factory.mktemp("trained") / "trees",
        splitter=FOLDS,
        settings=TrainSettings(name="small trees", licence="CC0-1.0", limits=("It is a toy.",)),
    )


def test_the_saved_detector_scores_as_one_that_learned_from_all_sites(dataset, trained):
    pixels, labels = read_pixels(dataset), dataset.sites["label"].astype("int64")
    own = TreeDetector(n_trees=20).fit(pixels, labels).predict_proba(pixels)
    saved = load_detector(trained.path).predict_proba(pixels)
    np.testing.assert_allclose(saved, own, atol=1e-5)


def test_the_card_says_what_it_learned_from_and_how_good_it_is(dataset, trained):
    card = load_detector(trained.path).card
    assert card.training.dataset_digest == dataset.header.digest
    assert card.training.classes == {"mining": 20, "no mining": 40}
    auc = next(metric for metric in card.metrics if metric.name == "roc_auc")
    assert (auc.value, auc.low, auc.high) == trained.evaluation.value("small trees", "roc_auc")
    assert "blocks of 8 km" in auc.splitter
    assert {"majority", "coordinates", "mean colour"} <= set(card.null_models)
    assert card.licence == "CC0-1.0"
    assert "It is a toy." in card.limits
    assert card.training.files == ()
    assert any("may flatter it" in limit for limit in card.limits)


def test_thresholds_reach_what_they_were_chosen_for_on_held_out_scores(trained):
    rows = trained.evaluation.predictions.query("model == 'small trees'")
    mining = rows[rows["label"] == 1]["score"]
    other = rows[rows["label"] == 0]["score"]
    thresholds = trained.card.thresholds
    assert (mining >= thresholds["sensitivity"].value).mean() >= 0.9
    assert (other < thresholds["specificity"].value).mean() >= 0.98


def test_training_patches_lie_in_the_area_of_applicability(dataset, trained):
    from minewatch.model._applicability_patches import describe_patches

    area = load_applicability(trained.path / "applicability.npz")
    features = describe_patches(read_pixels(dataset).to_numpy(), dataset.bands)
    assert area.is_inside(features).all()
    assert not area.is_inside(features * 50).any()


def test_a_trained_detector_may_be_replaced_and_no_other_folder(dataset, trained):
    with pytest.raises(AlreadyThereError):
        train_detector(TreeDetector(n_trees=5), dataset, trained.path, splitter=FOLDS)


def test_what_cannot_be_saved_is_refused_before_any_work(dataset, tmp_path):
    with pytest.raises(InputError, match="cannot be trained and saved"):
        train_detector(NullDetector(), dataset, tmp_path / "x", splitter=FOLDS)


def test_a_saved_detector_is_named_where_it_is_to_learn_again(dataset, trained, tmp_path):
    with pytest.raises(InputError, match=r"small trees is a saved detector.*: trees, textures, "):
        train_detector(load_detector(trained.path), dataset, tmp_path / "x", splitter=FOLDS)


@pytest.fixture(scope="module")
def page(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "report"
    return write_model_report(trained.evaluation, out, detector=trained.path)


def test_the_page_needs_nothing_from_elsewhere(page):
    text = page.read_text(encoding="utf-8")
    assert re.findall(r'(?:src|href)="(https?:[^"]*)"', text) == []


def test_every_link_of_the_page_is_a_file(page):
    text = page.read_text(encoding="utf-8")
    links = set(re.findall(r'href="([^"#:]+)"', text))
    assert links
    assert [link for link in links if not (page.parent / link).is_file()] == []


def test_what_was_not_done_is_said(page):
    text = page.read_text(encoding="utf-8")
    assert "The detector was not explained." in text
    assert "No learning curve was measured." in text


def test_null_models_stand_beside_the_detector(page):
    table = pd.read_csv(page.parent / "tables" / "headline-headline.csv")
    assert list(table["model"]) == [
        "small trees", "null: majority", "null: coordinates", "null: mean colour",
    ]  # fmt: skip


def test_folds_that_flatter_are_named(trained):
    assert "Do not show this figure" in headline_section(trained.evaluation).advice


def test_the_manifest_lists_every_other_file(page):
    listed = set(json.loads((page.parent / "manifest.json").read_text())["files"])
    there = {
        path.relative_to(page.parent).as_posix()
        for path in page.parent.rglob("*")
        if path.is_file()
    }
    assert there - listed == {"manifest.json"}


def test_curves_rise_from_nothing_to_all_and_hold_the_area(trained):
    roc = curves_section(trained.evaluation).tables["roc"]
    own = roc[roc["model"] == "small trees"]["sensitivity"].to_numpy()
    assert own[-1] == 1.0
    assert (np.diff(own) >= 0).all()
    area = np.trapezoid(own, GRID)
    assert area == pytest.approx(trained.evaluation.value("small trees", "roc_auc")[0], abs=0.03)


def test_precision_where_mining_is_rare_is_less_than_in_the_sample(dataset):
    found = cross_validate(NullDetector("mean colour"), dataset, splitter=FOLDS, nulls=False)
    table = found.metrics.query("metric == 'precision' and threshold == 'f1'")
    rare = table[table["prevalence"] == 0.001]["value"].iloc[0]
    assert rare < table[table["prevalence"].isna()]["value"].iloc[0]


def test_train_writes_a_detector_that_the_next_command_reads(dataset, tmp_path, capsys):
    out = tmp_path / "detector"
    common = ["--folds", "3", "--block-m", "8000", "--json"]
    code = run(["model", "train", str(dataset.path), "--trees", "20", "--out", str(out), *common])
    assert code == 0
    card = json.loads(capsys.readouterr().out)["card"]
    assert card["name"] == "ensemble"
    assert load_detector(out).card.digest == card["digest"]
    explained = tmp_path / "explained"
    code = run(
        ["model", "explain", str(dataset.path), "--detector", str(out), "--out", str(explained),
         "--patches", "1", "--repeats", "1", *common]
    )  # fmt: skip
    assert code == 0
    parts = [row["part"] for row in json.loads(capsys.readouterr().out)["importance"]]
    assert parts == ["RGB", "B04", "B03", "B02"]
    assert (explained / "figures" / "where-occlusion.png").is_file()


def test_explaining_into_a_folder_of_others_is_refused(dataset, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    code = run(["model", "explain", str(dataset.path), "--out", str(tmp_path), "--overwrite"])
    assert code == 6
    assert (tmp_path / "mine.txt").read_text() == "kept"


def test_what_is_read_off_the_held_out_curve_says_so_with_its_level(trained):
    card = load_detector(trained.path).card
    metrics = {metric.name: metric for metric in card.metrics}
    at = "read off their ROC curve at a specificity of 0.98"
    assert metrics["sensitivity_at_specificity"].on.endswith(at)
    assert "threshold f1" in metrics["f1"].on
    assert {metric.confidence for metric in card.metrics if metric.low is not None} == {0.95}


def test_level_and_confidence_of_a_report_are_those_of_its_settings(trained):
    settings = trained.evaluation.settings.model_copy(
        update={"specificity": 0.9, "confidence": 0.8}
    )
    header = {**trained.evaluation.header, "settings": settings.model_dump(mode="json")}
    section = headline_section(dataclasses.replace(trained.evaluation, header=header))
    assert "specificity of 0.9, read off the ROC curve of these held-out patches" in section.seen
    assert "intervals of 80 %" in section.seen
    assert not any("98" in column for column in section.tables["headline"].columns)


def test_a_card_counts_what_was_not_decided(trained):
    metrics = trained.evaluation.metrics.copy()
    metrics.loc[metrics["threshold"] == "f1", "n_sites"] -= 7
    facts = _train._Facts(
        dataclasses.replace(trained.evaluation, metrics=metrics),
        trained.evaluation.models[0], None, None, 60, _train.DEFAULT_TRAINING,
    )  # fmt: skip
    found = {one.name: one for one in facts._metrics(facts.model, ("f1", "roc_auc"))}
    assert found["f1"].on.endswith("; 7 patches were not decided")
    assert "not decided" not in found["roc_auc"].on
