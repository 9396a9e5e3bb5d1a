"""The stage `model` of a study: detectors with and without context, evaluated and reported."""

import json
from pathlib import Path

import numpy as np
import pytest

from minewatch import sites, toy
from minewatch.errors import SettingsError
from minewatch.model import load_detector, read_evaluation, read_pixels
from minewatch.patches import PatchDataset
from minewatch.study import model_report_path, run_study

pytestmark = [
    pytest.mark.integration,
    # The valley ends within the radius of some sites.
    pytest.mark.filterwarnings("ignore::minewatch.errors.CoverageWarning"),
]

VALLEY = toy.Valley(seed=4, width_m=12_000, height_m=9_000)
SETTINGS = """
[sites]
files = ["places.geojson"]

[patches]
kind = "arrays"
files = ["patches.npz"]
bands = ["B04", "B03", "B02"]
level = "L2A"
row_column = "row"
cut = "grid"

[context]
source = "valley.osm.pbf"
layers = ["highway", "waterway"]
radii_m = [500]
"""
MODEL = """
[model]
n_splits = 2
block_m = 3000
n_trees = 4
channels = true
"""
STAGES = ["sites", "patches", "context", "model"]


@pytest.fixture(scope="module")
def study(few_windows: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a small study with a map and a model."""
    folder = tmp_path_factory.mktemp("study")
    table = VALLEY.sites(n_mining=10, n_background=12)
    pixels = VALLEY.pixels(table, bands="rgb").transpose("site", "y", "x", "band")
    sites.write_sites(table.assign(row=np.arange(len(table))), folder / "places.geojson")
    np.savez(folder / "patches.npz", patches=pixels.to_numpy())
    toy.write_osm(VALLEY, folder / "valley.osm.pbf")
    (folder / "study.toml").write_text(SETTINGS + MODEL)
    run_study(folder, only=STAGES)
    return folder


def test_detectors_with_and_without_context_are_saved_and_score_patches(study):
    dataset = PatchDataset.open(study / "patches")
    plain = load_detector(study / "models" / "ensemble")
    assert plain.card.context_columns == ()
    scores = plain.predict_proba(read_pixels(dataset))[:, 1]
    assert scores.shape == (22,)
    assert ((scores >= 0.0) & (scores <= 1.0)).all()
    wider = load_detector(study / "models" / "ensemble-context")
    assert "highway_nearest_m" in wider.card.context_columns
    assert not any(name.startswith("target") for name in wider.card.context_columns)
    assert not {"longitude", "latitude"} & set(wider.card.context_columns)


def test_a_detector_sees_context_as_channels_where_that_is_asked_for(study):
    drawn = load_detector(study / "models" / "ensemble-channels").card
    assert drawn.bands == ("B04", "B03", "B02", "osm:highway", "osm:waterway")
    assert drawn.context_columns == ()
    assert "roc_auc" in {metric.name for metric in drawn.metrics}


def test_null_models_stand_beside_the_detector(study):
    evaluation = read_evaluation(study / "models" / "evaluation")
    models = set(evaluation.metrics["model"])
    assert {"ensemble-context", "null: majority", "null: coordinates", "null: context"} <= models


def test_the_null_model_of_context_stands_beside_detectors_that_do_not_learn_from_it(study):
    for name in ("ensemble", "ensemble-channels", "ensemble-context"):
        nulls = load_detector(study / "models" / name).card.null_models
        assert set(nulls) == {"majority", "coordinates", "context", "mean colour"}


def test_the_report_says_on_what_folds_it_rests(study):
    page = model_report_path(study).read_text(encoding="utf-8")
    assert "2 folds of blocks of 3 km" in page
    assert "Do not show this figure as the detector" in page


def test_nothing_is_trained_twice_and_a_change_of_trees_trains_anew(study):
    again = run_study(study, only=STAGES)
    assert [result.action for result in again] == ["skipped"] * 4
    text = (study / "study.toml").read_text()
    (study / "study.toml").write_text(text.replace("n_trees = 4", "n_trees = 5"))
    results = {result.stage: result for result in run_study(study, only=STAGES)}
    assert results["model"].action == "ran"
    assert "n_trees changed from 4 to 5" in results["model"].reason
    assert results["context"].action == "skipped"
    made = json.loads((study / "models" / "ensemble" / "card.json").read_text())
    assert made["name"] == "ensemble"


def test_without_the_section_there_is_no_such_stage(tmp_path):
    (tmp_path / "study.toml").write_text(SETTINGS)
    with pytest.raises(SettingsError, match=r"add a section \[model\]"):
        run_study(tmp_path, only=["model"])
