"""Every choice of the command line, and all that a report is made of, from one place."""

import importlib.util
import inspect
import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from minewatch import toy
from minewatch.cli import _model_train
from minewatch.cli._app import run
from minewatch.cli._model_options import (
    DEFAULT_DETECTOR,
    ClassWeightName,
    SamplingName,
    SplitterName,
)
from minewatch.errors import AlreadyThereError, InputError, SettingsError
from minewatch.model import load_detector, read_evaluation
from minewatch.model._ablations import AblationSettings
from minewatch.model._beside import BesideSettings
from minewatch.model._ensemble import EnsembleDetector
from minewatch.model._evaluation import EvaluationSettings
from minewatch.model._explain import ExplainSettings
from minewatch.model._folds import FoldSettings, compared_splitters, make_splitter
from minewatch.model._kinds import DETECTOR_KINDS, make_detector
from minewatch.model._report_make import ReportSettings, report_detector
from minewatch.model._textures import TextureDetector
from minewatch.model._train import TrainSettings
from minewatch.model._trees import TreeDetector
from minewatch.patches import PatchDataset, write_patches
from minewatch.study._model_section import ModelSection

pytestmark = pytest.mark.usefixtures("few_windows")

HERE = ["--folds", "2", "--block-m", "8000"]
FOLDS = FoldSettings(n_splits=2, block_m=8_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write 45 patches of 24 px, the context of their sites, and vectors of them."""
    folder = tmp_path_factory.mktemp("choices")
    valley = toy.Valley(seed=1)
    sites = valley.sites(15, 30)
    pixels = valley.pixels(sites, bands="rgb")[:, :, 12:36, 12:36]
    dataset = write_patches(
        folder / "patches", sites, pixels, bands="rgb", level="L2A", size_px=24, cut="point"
    )
    random, index = np.random.default_rng(0), dataset.sites.index
    is_mining = dataset.sites["label"].to_numpy(dtype=np.float64)
    road_m = {"road_m": random.uniform(0, 9_000, len(index)), "target_quarry_m": is_mining}
    pd.DataFrame(road_m, index).to_parquet(folder / "context.parquet")
    values = random.normal(size=(len(index), 3)) + 2 * is_mining[:, None]
    pd.DataFrame(values, index, ["a", "b", "c"]).to_parquet(folder / "vectors.parquet")
    return folder


@pytest.fixture(scope="module")
def region(folder):
    """Draw a region that holds the western half of the sites."""
    sites = PatchDataset.open(folder / "patches").sites
    west, south, _, north = sites.total_bounds
    half = shapely.box(west - 0.1, south - 0.1, sites.geometry.x.median(), north + 0.1)
    gpd.GeoSeries([half], crs="EPSG:4326").to_file(folder / "region.geojson")
    return folder / "region.geojson"


@pytest.fixture(scope="module")
def dataset(folder):
    return PatchDataset.open(folder / "patches")


def _line(*words):
    return run(["model", *(str(word) for word in words)])


HAS_TORCH = importlib.util.find_spec("torch") is not None
KINDS = [kind for kind in DETECTOR_KINDS if kind != "cnn" or HAS_TORCH]


def test_every_detector_that_is_offered_is_evaluated(folder, dataset, region, tmp_path, capsys):
    out = tmp_path / "evaluation"
    chosen = [word for kind in KINDS for word in ("--detector", kind)]
    code = _line(
        "evaluate", dataset.path, *chosen, "--out", out, "--context", folder / "context.parquet",
        "--vectors", folder / "vectors.parquet", "--splitter", "region", "--region", region,
        "--inner-folds", "0", "--resamples", "100", "--trees", "10", "--epochs", "1",
    )  # fmt: skip
    assert code == 0
    capsys.readouterr()
    scores = read_evaluation(out).predictions.groupby("model")["score"]
    assert [kind for kind in KINDS if scores.get_group(kind).notna().all()] == KINDS


def test_fusion_is_trained_and_scores_patches_with_the_context_it_takes(
    folder, dataset, region, tmp_path, capsys
):
    out, scores = tmp_path / "fusion", tmp_path / "scores.csv"
    context = ["--context", folder / "context.parquet"]
    code = _line(
        "train", dataset.path, "--detector", "fusion", *context, "--trees", "10", "--out", out,
        "--splitter", "region", "--region", region, "--json",
    )  # fmt: skip
    printed = capsys.readouterr()
    assert code == 0
    card = json.loads(printed.out)["card"]
    assert (card["name"], card["context_columns"]) == ("fusion", ["road_m"])
    assert card["licence"] == "not stated"  # nobody said one
    assert "name the target itself: 1 (target_quarry_m)" in printed.err
    assert _line("predict", dataset.path, out, "--out", scores, *context) == 0
    assert pd.read_csv(scores)["score"].notna().all()


@pytest.mark.parametrize("command", ["evaluate", "train", "explain", "report"])
@pytest.mark.parametrize(
    ("kind", "named"), [("fusion", "--context"), ("embeddings", "--vectors"), ("oracle", "trees")]
)
def test_what_a_detector_lacks_is_named_before_any_work(
    command, kind, named, dataset, folder, tmp_path, capsys
):
    out = tmp_path / "out"
    assert _line(command, dataset.path, "--detector", kind, "--out", out, *HERE) == 3
    assert named in capsys.readouterr().err
    assert not out.exists()


def test_options_offer_what_settings_take():
    for kind in SplitterName:
        assert FoldSettings(kind=kind.value).kind == kind.value
    for sampling in SamplingName:
        assert EvaluationSettings(sampling=sampling.value).sampling == sampling.value
    weights = [make_detector("trees", class_weight=one.value).balanced for one in ClassWeightName]
    assert weights == [True, False]


def test_commands_and_studies_train_the_same_detector_if_none_is_named():
    named = {
        str(inspect.signature(command).parameters["detector"].default)
        for command in (_model_train.train, _model_train.explain, _model_train.report)
    }
    assert named == {DEFAULT_DETECTOR, ModelSection().detector}
    made = make_detector(DEFAULT_DETECTOR)
    assert isinstance(made, EnsembleDetector)
    assert [type(one) for one in made.members] == [TreeDetector, TextureDetector]


def test_settings_make_the_folds_they_name(dataset):
    made = {
        kind: make_splitter(FoldSettings(kind=kind, region="r.geojson"), dataset).describe()
        for kind in ("blocks", "region", "clusters", "nearest", "random")
    }
    assert "blocks of 50 km" in made["blocks"]
    assert "outside a region" in made["region"]
    assert "3 km" in made["clusters"]
    assert len(set(made.values())) == 5
    with pytest.raises(SettingsError, match="--region"):
        make_splitter(FoldSettings(kind="region"), dataset)


def test_a_dead_zone_that_is_said_is_kept_under_every_kind_of_folds(dataset):
    folds = FoldSettings(buffer_m=1_234.0)
    row = compared_splitters(folds, dataset)
    assert make_splitter(folds, dataset).buffer_m == 1_234.0
    assert {one.buffer_m for name, one in row.items() if name != "random"} == {1_234.0}


FAST = EvaluationSettings(n_resamples=100, n_inner=0)
BRIEF = ReportSettings(
    training=TrainSettings(name="trees", licence="CC0-1.0", evaluation=FAST),
    beside=BesideSettings(splitters="random", confusers="source"),
    explanation=ExplainSettings(
        n_patches=1, n_repeats=1, single_bands=False, stride_px=8, n_resamples=100
    ),
    ablations=AblationSettings(flip_shares=(), bands=False),
)


@pytest.fixture(scope="module")
def reported(dataset, folder):
    return report_detector(
        make_detector("trees", n_trees=20), dataset, folder / "models", folds=FOLDS, settings=BRIEF
    )


def test_a_report_leaves_detector_evaluation_and_page_beside_each_other(reported, folder):
    there = sorted(path.name for path in (folder / "models").iterdir())
    assert there == ["evaluation", "report", "trees"]
    assert load_detector(folder / "models/trees").card.licence == "CC0-1.0"
    assert (folder / "models/evaluation/splitters.csv").is_file()
    assert reported.page == folder / "models/report/report.html"


def test_the_page_shows_what_was_asked_for_and_says_what_was_not(reported):
    text = reported.page.read_text(encoding="utf-8")
    assert "The same models under other folds" in text
    assert "No learning curve was measured." in text
    assert "The detector was not explained." not in text


def test_a_report_replaces_nothing_unasked_and_says_so_before_any_work(reported, dataset, folder):
    told = []
    with pytest.raises(AlreadyThereError):
        report_detector(
            make_detector("trees"), dataset, folder / "models", folds=FOLDS, settings=BRIEF,
            progress=lambda *step: told.append(step),
        )  # fmt: skip
    assert told == []


def test_a_column_that_is_not_there_is_named_before_any_work(dataset, tmp_path):
    asked = BRIEF.model_copy(update={"beside": BesideSettings(confusers="colour")})
    with pytest.raises(InputError, match="no column colour; they have"):
        report_detector(make_detector("trees"), dataset, tmp_path, folds=FOLDS, settings=asked)
    assert not list(tmp_path.iterdir())
