"""The area of applicability goes with its detector: into predictions and into the report."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from typer.testing import CliRunner

from minewatch.cli import _app
from minewatch.errors import DetectorError
from minewatch.model import _train, load_detector, predict, save_detector
from minewatch.model._applicability import FILE_NAME, load_applicability, save_applicability
from minewatch.model._applicability_patches import describe_patches, weigh_features
from minewatch.model._blocks import BlockKFold, RegionHoldout
from minewatch.model._predict import describe_run
from minewatch.model._report_applicability import (
    applicability_section,
    by_dissimilarity,
    draw_applicability,
    site_table,
)
from minewatch.model._train import train_detector
from minewatch.model._trees import TreeDetector
from minewatch.patches import write_patches
from minewatch.toy import Valley

N = 48


def write(folder, values, sites):
    pixels = xr.DataArray(
        np.round(values * 10_000).astype(np.uint16),
        dims=("site", "band", "y", "x"),
        coords={"site": list(sites.index), "band": ["B04", "B03", "B02"]},
    )
    return write_patches(folder, sites, pixels, bands="rgb", level="L2A")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Patches, a detector trained on them, and patches of which the first six are unlike."""
    folder = tmp_path_factory.mktemp("area")
    sites = Valley(seed=1).sites(N // 2, N // 2)
    random = np.random.default_rng(0)
    values = random.uniform(0.1, 0.2, (N, 3, 16, 16)) + random.uniform(0, 0.05, (N, 1, 1, 1))
    values[(sites["label"] == 1).to_numpy(), 0] += random.uniform(0.02, 0.1, (N // 2, 1, 1))
    dataset = write(folder / "d", values, sites)
    values[:6] = 0.9
    values[6] = 0.0
    elsewhere = write(folder / "elsewhere", values, sites.assign(label=pd.NA))
    trained = train_detector(
        TreeDetector(n_trees=20), dataset, folder / "trees", splitter=BlockKFold(3, block_m=8_000)
    )
    return dataset, elsewhere, trained


def test_predictions_say_which_patches_are_unlike_the_training_patches(made):
    _, elsewhere, trained = made
    detector = load_detector(trained.path)
    table = predict(elsewhere, detector)
    assert not table["is_applicable"].iloc[:6].any()
    assert (table["dissimilarity"].iloc[:6] > 5 * detector.area.threshold).all()
    assert np.isnan(table["dissimilarity"].iloc[6])
    assert table["is_applicable"].isna().to_list() == [number == 6 for number in range(N)]
    np.testing.assert_allclose(table["dissimilarity"].iloc[7:], 0.0, atol=1e-5)
    assert table["is_applicable"].iloc[7:].all()
    told = describe_run(elsewhere, detector, table)
    assert (told["applicable"], told["patches"]) == (N - 7, N)
    assert told["dissimilarity_threshold"] == detector.area.threshold


def test_the_command_counts_as_unlike_what_has_a_score(made, tmp_path):
    _, elsewhere, trained = made
    words = ["model", "predict", elsewhere.path, trained.path, "--out", tmp_path / "s.csv"]
    answer = CliRunner().invoke(_app.app, [str(word) for word in words])
    assert answer.exit_code == 0, answer.output
    assert "mind: 6 of those scored are unlike" in answer.output
    assert "no score for 1" in answer.output


def test_a_detector_without_an_area_predicts_without_one(made, tmp_path):
    dataset, _, trained = made
    detector = load_detector(trained.path)
    detector.area = None
    bare = load_detector(save_detector(detector, tmp_path / "bare"))
    table = predict(dataset, bare)
    assert bare.area is None
    assert "is_applicable" not in table
    assert describe_run(dataset, bare, table)["applicable"] is None


def test_the_area_stays_with_a_detector_that_is_saved_again(made, tmp_path):
    detector = load_detector(made[2].path)
    again = save_detector(detector, tmp_path / "again")
    assert (again / FILE_NAME).read_bytes() == (made[2].path / FILE_NAME).read_bytes()


def test_patches_are_described_by_what_numpy_says():
    random = np.random.default_rng(3)
    patch = random.uniform(0.1, 0.4, (1, 1, 20, 20)).astype("f4")
    patch[0, 0, 2:5, 7] = np.nan
    found = describe_patches(patch, ["B04"]).iloc[0]
    assert found["B04 mean"] == pytest.approx(np.nanmean(patch), rel=1e-5)
    assert found["B04 std"] == pytest.approx(np.nanstd(patch), rel=1e-5)
    smooth = np.add.outer(np.arange(20), np.arange(20))[None, None] / 100
    assert describe_patches(smooth, ["B04"]).iloc[0]["B04 likeness"] > 0.8
    assert abs(found["B04 likeness"]) < 0.2


def test_channels_of_context_and_order_of_bands_do_not_change_what_is_described():
    random = np.random.default_rng(4)
    planes = random.uniform(0.1, 0.4, (3, 4, 20, 20)).astype("f4")
    names = ["osm:highway", "B08", "B04@before", "B04"]
    whole = describe_patches(planes, names)
    assert {name.split()[0] for name in whole.columns} >= {"B08", "B04", "NDVI", "B04@before"}
    assert not any("osm" in name for name in whole.columns)
    plain = describe_patches(planes[:, [1, 3]], ["B08", "B04"])
    pd.testing.assert_frame_equal(whole[list(plain.columns)], plain)


def test_what_tells_of_the_class_counts_and_noise_hardly_does():
    random = np.random.default_rng(5)
    labels = random.integers(0, 2, 200)
    noise = {f"n{i}": random.normal(size=200) for i in range(5)}
    table = pd.DataFrame({"telling": labels + random.normal(0, 0.3, 200), **noise})
    weights = weigh_features(table, labels)
    assert weights.sum() == pytest.approx(1.0)
    assert weights["telling"] > 0.5


def test_the_section_counts_what_lies_beyond(made):
    _, _, trained = made
    area = load_applicability(trained.path / FILE_NAME)
    section = applicability_section(area, trained.evaluation)
    sites = section.tables["sites"]
    assert sorted(sites["site_id"]) == sorted(area.site_ids)
    beyond = int((area.held_out > area.threshold).sum())
    assert int((~sites["is_applicable"]).sum()) == beyond
    assert f"Of {N} patches" in section.seen
    own = trained.evaluation.predictions
    own = own[own["model"] == trained.evaluation.models[0]].set_index("site_id")
    joined = sites.set_index("site_id")
    for column in ("score", "longitude", "label"):
        np.testing.assert_allclose(
            joined[column].astype(float), own.loc[joined.index, column].astype(float)
        )
    bins = section.tables["by_dissimilarity"]
    assert bins["n_sites"].sum() == sites["score"].notna().sum()
    assert (bins["from_dissimilarity"].iloc[1:].to_numpy()
            >= bins["to_dissimilarity"].iloc[:-1].to_numpy()).all()  # fmt: skip


def test_bins_measure_what_lies_in_them():
    sites = pd.DataFrame(
        {
            "dissimilarity": [0.1, 0.1, 0.2, 0.2, 0.9, 0.9],
            "is_applicable": [True] * 4 + [False] * 2,
            "label": [0, 1, 0, 1, 0, 1],
            "score": [0.1, 0.9, 0.2, 0.8, 0.9, 0.3],
        }
    )
    table = by_dissimilarity(sites, 0.5)
    assert table["n_sites"].tolist() == [1, 1, 1, 1, 2]
    assert table["roc_auc"].iloc[-1] == 0.0
    assert table["mean_error"].iloc[-1] == pytest.approx(0.8)


def test_the_figure_rings_as_many_patches_as_lie_beyond(made):
    _, _, trained = made
    area = load_applicability(trained.path / FILE_NAME)
    section = applicability_section(area, trained.evaluation)
    figure = draw_applicability(section.tables["sites"], section.tables["applicability"])
    points, ringed = figure.axes[0].collections[:2]
    assert len(points.get_offsets()) == N
    assert len(ringed.get_offsets()) == int((area.held_out > area.threshold).sum())
    assert not site_table(area, trained.evaluation).empty


def test_without_an_area_the_section_says_how_to_get_one(made):
    assert "model train" in applicability_section(None, made[2].evaluation).advice


def test_under_a_region_held_out_only_what_lies_in_it_is_held_out(made, tmp_path):
    dataset = made[0]
    west, south, _, north = dataset.sites.total_bounds
    half = shapely.box(west - 1, south - 1, dataset.sites.geometry.x.median(), north + 1)
    splitter = RegionHoldout(half, buffer_m=8_000, block_m=5_000)
    trained = train_detector(
        TreeDetector(n_trees=20), dataset, tmp_path / "half", splitter=splitter
    )
    area = load_detector(trained.path).area
    roles = trained.evaluation.folds.set_index("site_id")["role"].loc[list(area.site_ids)]
    assert set(roles) == {"train", "test", "dead zone"}
    np.testing.assert_array_equal(np.isfinite(area.held_out), roles == "test")
    section = applicability_section(area, trained.evaluation)
    assert f"Of {(roles == 'test').sum()} patches" in section.seen
    assert section.tables["sites"]["score"].notna().all()


def test_an_area_that_is_changed_or_lost_is_not_believed(made, tmp_path):
    again = save_detector(load_detector(made[2].path), tmp_path / "again")
    other = load_applicability(again / FILE_NAME)
    save_applicability(dataclasses.replace(other, threshold=1e6), again / FILE_NAME)
    with pytest.raises(DetectorError, match="is not the area"):
        load_detector(again)
    (again / FILE_NAME).unlink()
    with pytest.raises(DetectorError, match="of which its card speaks"):
        load_detector(again)


def test_a_detector_whose_area_cannot_be_made_is_not_left_half_saved(made, tmp_path, monkeypatch):
    def fail(*_):
        raise ArithmeticError

    monkeypatch.setattr(_train, "fit_area", fail)
    with pytest.raises(ArithmeticError):
        train_detector(
            TreeDetector(n_trees=5),
            made[0],
            tmp_path / "half",
            splitter=BlockKFold(3, block_m=8_000),
        )
    assert not (tmp_path / "half").exists()
