import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from shapely import Point
from typer.testing import CliRunner

from minewatch import toy
from minewatch.cli import _app
from minewatch.errors import InputError
from minewatch.model import convert_keras, load_detector, predict, save_detector
from minewatch.model._amw import own_generation
from minewatch.model._card import Output, Training
from minewatch.patches import PatchDataset, write_patches


@pytest.fixture
def dataset(tmp_path) -> PatchDataset:
    """Write 5 patches of 6 px, 2 labelled, one of them unplaced, one without data."""
    values = np.random.default_rng(5).integers(1, 9_000, (5, 4, 6, 6)).astype(np.uint16)
    values[4] = 0
    points = [Point(-62 + 0.01 * i, 6) if i else None for i in range(5)]
    sites = gpd.GeoDataFrame(
        {"label": pd.array([1, 0, None, None, None], dtype="Int8"), "source": "made"},
        geometry=points,
        crs="EPSG:4326",
        index=pd.Index(list("edcba"), name="site_id"),
    )
    return write_patches(
        tmp_path / "patches", sites, values, bands="B02,B03,B04,B08", level="L1C", cut="point"
    )


@pytest.fixture
def keras_file(keras, tmp_path):
    rng = np.random.default_rng(2)
    layers = [
        keras.layer("Conv2D", "c", filters=2, kernel_size=[3, 3], activation="relu"),
        keras.layer("GlobalAveragePooling2D", "g"),
        keras.layer("Dense", "d", units=1, activation="sigmoid"),
    ]
    weights = {
        "c": {"c/kernel:0": rng.normal(size=(3, 3, 3, 2)), "c/bias:0": rng.normal(size=2)},
        "d": {"d/kernel:0": rng.normal(size=(2, 1)), "d/bias:0": rng.normal(size=1)},
    }
    return keras.write(tmp_path / "mine.h5", keras.sequential((4, 4, 3), layers), weights)


OWN = ["--bands", "rgb", "--level", "L1C", "--preparation", "unit"]


@pytest.fixture
def detector(keras_file, tmp_path):
    _run("model", "convert", keras_file, "--out", tmp_path / "det", *OWN)
    return tmp_path / "det"


def _run(*words, code=0):
    answer = CliRunner().invoke(_app.app, [str(word) for word in words])
    assert answer.exit_code == code, answer.output
    return answer.output


def test_converting_says_what_the_detector_takes(keras_file, tmp_path):
    said = json.loads(
        _run("model", "convert", keras_file, "--study", tmp_path / "study", *OWN, "--json")
    )
    assert said["card"]["bands"] == ["B04", "B03", "B02"]
    assert said["card"]["licence"] == "not known"
    assert load_detector(tmp_path / "study/models/mine").card.name == "mine"


def test_what_is_not_said_is_asked_for(keras_file, tmp_path, capsys):
    words = ["model", "convert", str(keras_file), "--out", str(tmp_path / "d")]
    assert _app.run(words) == 3
    assert "name its generation" in capsys.readouterr().err
    assert _app.run([*words, "--bands", "rgb"]) == 3
    assert "--bands, --level and --preparation together" in capsys.readouterr().err


def test_scores_stand_beside_the_sites_they_belong_to(dataset, detector, tmp_path):
    out = tmp_path / "scores.parquet"
    _run("model", "predict", dataset.path, detector, "--out", out, "--centre-crop")
    table = pd.read_parquet(out).set_index("site_id")
    assert table.index.to_list() == list("edcba")
    pixels = dataset.pixels(["b", "e"], bands="rgb")[..., 1:5, 1:5]
    pixels.attrs["resolution_m"] = 10.0
    expected = load_detector(detector).predict_proba(pixels)[:, 1]
    np.testing.assert_allclose(table.loc[["b", "e"], "score"], expected, atol=1e-6)
    assert table["label"].isna().to_list() == [False, False, True, True, True]
    assert np.isnan(table.loc["e", "longitude"])
    assert table.loc["b", "longitude"] == pytest.approx(-61.97)
    assert table.loc["a", "reason"] == "every pixel is missing"
    assert np.isnan(table.loc["a", "score"])


def test_scores_say_what_made_them(dataset, detector, tmp_path):
    out = tmp_path / "scores.parquet"
    _run("model", "predict", dataset.path, detector, "--out", out, "--centre-crop")
    made = json.loads(pq.read_metadata(out).metadata[b"minewatch"])
    assert made["detector_digest"] == load_detector(detector).card.digest
    assert made["dataset_digest"] == dataset.header.digest
    assert (made["centre_crop"], made["patches"], made["scored"]) == (True, 5, 4)
    assert made["not_scored"] == {"every pixel is missing": 1}


def test_scores_as_csv_have_what_made_them_beside_them(dataset, detector, tmp_path):
    out = tmp_path / "scores.csv"
    text = _run("model", "predict", dataset.path, detector, "--out", out, "--centre-crop")
    assert "4 of 5 patches scored by mine on the middle 4 × 4 px of patches of 6 × 6 px" in text
    table = pd.read_csv(out, index_col="site_id", dtype={"score": "float32"})
    expected = predict(dataset, load_detector(detector, options=_cropping()))
    np.testing.assert_array_equal(table["score"], expected["score"])
    assert json.loads((tmp_path / "scores.csv.json").read_text())["detector"] == "mine"


def _cropping():
    from minewatch.model._onnx import RunOptions

    return RunOptions(centre_crop=True)


def test_a_crop_is_never_made_in_silence(dataset, detector, tmp_path, capsys):
    words = ["model", "predict", dataset.path, detector, "--out", tmp_path / "s.parquet"]
    assert _app.run([str(word) for word in words]) == 3
    assert "--centre-crop" in capsys.readouterr().err
    assert not (tmp_path / "s.parquet").exists()


@pytest.mark.parametrize("command", ["evaluate", "explain"])
def test_a_published_detector_is_judged_on_larger_patches_by_the_option_it_names(
    command, detector, tmp_path, capsys
):
    valley = toy.Valley(seed=1)
    sites = valley.sites(8, 12)
    pixels = valley.pixels(sites, bands="rgb")[:, :, 16:22, 16:22]
    folder = tmp_path / "larger"
    write_patches(folder, sites, pixels, bands="rgb", level="L1C", cut="point", size_px=6)
    words = ["model", command, folder, "--detector", detector, "--out", tmp_path / "out"]
    words += ["--folds", "2", "--block-m", "6000"]
    if command == "explain":
        words += ["--patches", "1", "--repeats", "1"]
    assert _app.run([str(word) for word in words]) == 3
    assert "--centre-crop" in capsys.readouterr().err
    assert _app.run([str(word) for word in [*words, "--centre-crop"]]) == 0


def test_scores_are_checked_before_any_work(dataset, detector, tmp_path, capsys):
    words = ["model", "predict", str(dataset.path), str(detector), "--centre-crop", "--out"]
    assert _app.run([*words, str(tmp_path / "s.xlsx")]) == 3
    assert ".parquet or .csv" in capsys.readouterr().err
    (tmp_path / "s.csv").write_text("mine")
    assert _app.run([*words, str(tmp_path / "s.csv")]) == 6
    assert (tmp_path / "s.csv").read_text() == "mine"


def test_missing_bands_are_named(dataset, keras_file, tmp_path, capsys):
    folder = tmp_path / "d"
    other = own_generation(("B11", "B12", "B02"), "L1C", "unit")
    save_detector(convert_keras(keras_file, generation=other), folder)
    words = ["model", "predict", str(dataset.path), str(folder), "--out", str(tmp_path / "s.csv")]
    assert _app.run(words) == 3
    assert "lack B11, B12" in capsys.readouterr().err


def test_chosen_sites_come_in_the_order_asked_for(dataset, detector):
    loaded = load_detector(detector, options=_cropping())
    table = predict(dataset, loaded, site_ids=["b", "e", "b"])
    everything = predict(dataset, loaded)
    assert table.index.to_list() == ["b", "e", "b"]
    np.testing.assert_array_equal(table["score"], everything.loc[["b", "e", "b"], "score"])
    with pytest.raises(InputError, match="no site was named"):
        predict(dataset, loaded, site_ids=[])


def test_a_card_is_printed_for_people_and_for_programs(detector):
    said = _run("model", "info", detector)
    assert "B04 B03 B02, L1C, 4 × 4 px of 10 m" in said
    assert "reflectance is cut to 0–1" in said
    card = json.loads(_run("model", "info", detector, "--json"))["card"]
    assert card["digest"] == load_detector(detector).card.digest


def test_a_card_names_the_training_files_the_first_few_of_many(weigh, tmp_path):
    for count, words in ((2, "f0, f1\n"), (5, "f0, f1, f2 and 2 more\n")):
        files = tuple(f"f{number}" for number in range(count))
        folder = save_detector(weigh(training=Training(files=files)), tmp_path / str(count))
        assert f"training files  {words}" in _run("model", "info", folder)


def test_a_mean_of_members_is_not_said_to_be_of_networks(weigh, tmp_path):
    folder = save_detector(weigh(output=Output(kind="members")), tmp_path / "members")
    said = _run("model", "info", folder)
    assert "the mean of its members' probabilities" in said
    assert "networks" not in said


def test_a_damaged_detector_has_an_exit_code_of_its_own(detector, capsys):
    (detector / "model.onnx").write_bytes(b"")
    assert _app.run(["model", "info", str(detector)]) == 16
    assert "not the one its card was written for" in capsys.readouterr().err


def test_published_detectors_are_listed():
    listed = json.loads(_run("model", "fetch", "--json"))["published"]
    assert "48px_v3.2-3.7ensemble" in [one["name"] for one in listed]
    assert "needs --sha256" in _run("model", "fetch")


def test_a_context_table_needs_site_ids(dataset, detector, tmp_path, capsys):
    pd.DataFrame({"road_m": [1.0]}).to_parquet(tmp_path / "c.parquet")
    words = [
        *["model", "predict", str(dataset.path), str(detector), "--out", str(tmp_path / "s.csv")],
        *["--context", str(tmp_path / "c.parquet")],
    ]
    assert _app.run(words) == 3
    assert "has no site_id" in capsys.readouterr().err
