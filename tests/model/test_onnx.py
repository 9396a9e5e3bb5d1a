import json
import pickle
import subprocess
import sys

import numpy as np
import onnx
import onnx.helper
import onnx.parser
import pandas as pd
import pytest

from minewatch import _store
from minewatch.errors import (
    AlreadyThereError,
    BandError,
    DetectorError,
    InputError,
    LevelError,
    UnsafeError,
    UnsafePathError,
)
from minewatch.model import Detector, load_detector, save_detector
from minewatch.model._card import (
    CARD_NAME,
    NETWORK_NAME,
    Clip,
    MissingPixels,
    Output,
    Preparation,
    Scale,
    Standardise,
)
from minewatch.model._onnx import RunOptions
from minewatch.model._prepare import prepare

BANDS = ("B08", "B04")


def _values(n=3, bands=2, size=4, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (n, bands, size, size)).astype(np.float32)


def test_a_saved_detector_keeps_the_protocol_of_detectors(weigh):
    assert isinstance(weigh(), Detector)


def test_probabilities_are_of_no_mining_and_of_mining(weigh, pixels):
    values = _values()
    answer = weigh().predict_proba(pixels(values, BANDS))
    expected = 0.5 * values[:, 0].mean((1, 2)) + 0.25 * values[:, 1].mean((1, 2))
    np.testing.assert_allclose(answer[:, 1], expected, atol=1e-6)
    np.testing.assert_allclose(answer.sum(axis=1), 1.0)
    assert answer.dtype == np.float64


def test_bands_are_found_by_name_whatever_their_order_and_company(weigh, pixels):
    values = _values(bands=4)
    here = pixels(values, ("B02", "B04", "B11", "B08"))
    expected = weigh().predict_proba(pixels(values[:, [3, 1]], BANDS))
    np.testing.assert_array_equal(weigh().predict_proba(here), expected)


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"level": "L2A"}, LevelError, "takes L1C and the patches are L2A"),
        ({"level": None}, LevelError, "the processing level is None"),
        ({"bands": ("B04", "B02")}, BandError, "the patches lack B08"),
        ({"resolution_m": 20.0}, InputError, "10 m and the patches have 20 m"),
        ({"size": 3}, InputError, "too small"),
        ({"size": 6}, InputError, "--centre-crop"),
    ],
)
def test_patches_of_another_kind_are_refused(weigh, pixels, change, error, word):
    values = _values(size=change.pop("size", 4))
    here = pixels(values, change.pop("bands", BANDS), **change)
    with pytest.raises(error, match=word):
        weigh().predict_proba(here)


def test_digital_numbers_are_not_taken_for_reflectance(weigh, pixels):
    with pytest.raises(InputError, match="expected reflectance"):
        weigh().predict_proba(pixels(_values(), BANDS).astype("uint16"))


def test_pixels_that_do_not_say_their_resolution_are_refused(weigh, pixels):
    here = pixels(_values(), BANDS)
    del here.attrs["resolution_m"]
    with pytest.raises(InputError, match="resolution"):
        weigh().predict_proba(here)


def test_a_centre_crop_looks_at_the_middle_alone(weigh, pixels):
    values = _values(size=8)
    detector = weigh(options=RunOptions(centre_crop=True))
    expected = weigh().predict_proba(pixels(values[..., 2:6, 2:6], BANDS))
    np.testing.assert_array_equal(detector.predict_proba(pixels(values, BANDS)), expected)


def test_gaps_outside_the_middle_do_not_count(weigh, pixels):
    values = _values(size=8)
    values[..., 0, 0] = np.nan
    table = weigh(options=RunOptions(centre_crop=True)).score(pixels(values, BANDS))
    assert (table["missing_share"] == 0).all()
    assert table["score"].notna().all()


def test_a_patch_with_a_gap_gets_no_score_but_a_reason(weigh, pixels):
    values = _values()
    values[1, 0, 2, 2] = np.nan
    table = weigh().score(pixels(values, BANDS, sites=["a", "b", "c"]))
    assert table["score"].isna().to_list() == [False, True, False]
    assert table["reason"].to_list() == ["", "some of its pixels are missing", ""]
    assert table.loc["b", "missing_share"] == 1 / 16
    assert table.index.name == "site_id"
    assert np.isnan(weigh().predict_proba(pixels(values, BANDS))[1]).all()


def test_gaps_are_filled_as_the_card_says_until_they_are_too_large(weigh, pixels):
    rule = MissingPixels(method="fill", fill=0.25, most_share=0.5)
    detector = weigh(preparation=Preparation(missing=rule))
    values = _values()
    values[0, :, :2], values[1, :, :3], values[2] = np.nan, np.nan, np.nan
    table = detector.score(pixels(values, BANDS))
    filled = np.where(np.isnan(values), np.float32(0.25), values)
    expected = weigh().score(pixels(filled, BANDS))["score"]
    assert table["score"].iloc[0] == expected.iloc[0]
    assert table["reason"].to_list() == [
        "",
        "more than 50 % of its pixels are missing",
        "every pixel is missing",
    ]


def test_bands_that_a_detector_does_not_take_may_have_gaps(weigh, pixels):
    values = _values(bands=3)
    values[:, 2] = np.nan
    assert weigh().score(pixels(values, (*BANDS, "B11")))["score"].notna().all()


def test_preparation_is_done_step_by_step():
    steps = (
        Scale(factor=2.0, offset=0.5),
        Clip(low=0.0, high=2.0),
        Standardise(mean=(1.0, 0.5), deviation=(0.5, 0.25)),
    )
    values = _values()
    before = values.copy()
    made = prepare(values, Preparation(steps=steps))
    expected = np.clip(before.astype(float) * 2 + 0.5, 0, 2)
    expected = (expected - np.array([1, 0.5])[:, None, None]) / np.array([0.5, 0.25])[:, None, None]
    np.testing.assert_allclose(made, expected, atol=1e-6)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize(("when", "expected"), [("before", (0.2 - 0.1) / 0.5), ("after", 0.2)])
def test_gaps_are_filled_before_or_after_the_steps(when, expected):
    rule = MissingPixels(method="fill", fill=0.2, when=when)
    step = Standardise(mean=(0.1,), deviation=(0.5,))
    gap = np.full((1, 1, 1, 1), np.nan, dtype=np.float32)
    made = prepare(gap, Preparation(missing=rule, steps=(step,)))
    assert made.item() == pytest.approx(expected)


def test_gaps_may_be_left_to_the_network(weigh, pixels):
    rule = Preparation(missing=MissingPixels(method="keep"))
    values = _values()
    values[0, 0, 0, 0] = np.nan
    table = weigh(preparation=rule).score(pixels(values, BANDS))
    assert table["reason"].to_list() == ["the network gave no number for it", "", ""]


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_scores_do_not_depend_on_the_batches(weigh, pixels, batch_size):
    here = pixels(_values(n=23), BANDS)
    detector = weigh(options=RunOptions(batch_size=batch_size, threads=1))
    np.testing.assert_allclose(
        detector.predict_proba(here), weigh().predict_proba(here), rtol=0, atol=1e-6
    )


def test_no_patches_give_no_scores(weigh, pixels):
    assert weigh().predict_proba(pixels(_values(n=0), BANDS)).shape == (0, 2)


def test_members_of_an_ensemble_are_averaged_and_classes_picked(weigh, pixels):
    text = """<ir_version: 8, opset_import: ["" : 17]>
    both (float[site,2,4,4] pixels) => (float[site,2] score) {
      score = ReduceMean<axes=[2,3], keepdims=0>(pixels)
    }"""
    network = onnx.parser.parse_model(text).SerializeToString()
    means = _values().mean((2, 3))
    here = pixels(_values(), BANDS)
    members = weigh(network=network, output=Output(kind="members")).score(here)["score"]
    second = weigh(network=network, output=Output(kind="classes", index=1)).score(here)["score"]
    np.testing.assert_allclose(members, means.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(second, means[:, 1], atol=1e-6)
    with pytest.raises(DetectorError, match="its card promises classes"):
        weigh(network=network, output=Output(kind="classes", index=2)).score(here)


def test_what_is_no_probability_is_refused(weigh, pixels):
    with pytest.raises(DetectorError, match="expected probabilities"):
        weigh().score(pixels(10 + _values(), BANDS))


def _with_context(weigh):
    text = """<ir_version: 8, opset_import: ["" : 17]>
    late (float[site,2,4,4] pixels, float[site,2] context) => (float[site,1] score)
    <float[2,1] weights = {0.5, 0.25}> {
      score = MatMul(context, weights)
    }"""
    network = onnx.parser.parse_model(text).SerializeToString()
    return weigh(network=network, context_columns=("road_m", "river_m"))


def test_context_is_joined_by_site_and_by_name(weigh, pixels):
    detector = _with_context(weigh)
    context = pd.DataFrame(
        {"river_m": [0.4, 0.0], "other": 1, "road_m": [0.0, 0.6]}, index=["b", "a"]
    )
    here = pixels(_values(n=2), BANDS, sites=["a", "b"])
    answer = detector.predict_proba(here, context)[:, 1]
    np.testing.assert_allclose(answer, [0.3, 0.1], atol=1e-6)


def test_context_that_is_missing_is_named(weigh, pixels):
    detector = _with_context(weigh)
    here = pixels(_values(n=2), BANDS, sites=["a", "b"])
    with pytest.raises(InputError, match="takes context"):
        detector.predict_proba(here)
    with pytest.raises(InputError, match="lacks river_m"):
        detector.predict_proba(here, pd.DataFrame({"road_m": [1.0]}, index=["a"]))
    table = pd.DataFrame({"road_m": [0.1], "river_m": [0.1]}, index=["a"])
    with pytest.raises(InputError, match="lacks 1 of 2 sites, b"):
        detector.predict_proba(here, table)


def test_a_saved_detector_cannot_be_trained(weigh, pixels):
    with pytest.raises(InputError, match="cannot be trained"):
        weigh().fit(pixels(_values(), BANDS), pd.Series([0, 1, 1]))


def test_what_is_saved_and_loaded_scores_the_same(weigh, pixels, tmp_path):
    detector, here = weigh(), pixels(_values(), BANDS)
    folder = save_detector(detector, tmp_path / "d")
    loaded = load_detector(folder)
    np.testing.assert_array_equal(loaded.predict_proba(here), detector.predict_proba(here))
    assert loaded.card == detector.card
    assert sorted(file.name for file in folder.iterdir()) == [CARD_NAME, NETWORK_NAME]


def test_a_detector_travels_to_other_processes(weigh, pixels):
    here = pixels(_values(), BANDS)
    detector = weigh(options=RunOptions(threads=1))
    again = pickle.loads(pickle.dumps(detector))
    assert again.options == detector.options
    np.testing.assert_array_equal(again.predict_proba(here), detector.predict_proba(here))


def test_a_saved_detector_is_replaced_only_on_request_and_nothing_else_ever(weigh, tmp_path):
    folder = save_detector(weigh(), tmp_path / "d")
    with pytest.raises(AlreadyThereError):
        save_detector(weigh(), folder)
    save_detector(weigh(name="other"), folder, overwrite=True)
    assert load_detector(folder).card.name == "other"
    (folder / "mine.txt").write_text("notes")
    with pytest.raises(AlreadyThereError, match=r"mine\.txt"):
        save_detector(weigh(), folder, overwrite=True)


def test_a_network_that_was_changed_is_refused(weigh, tmp_path):
    folder = save_detector(weigh(), tmp_path / "d")
    network = bytearray((folder / NETWORK_NAME).read_bytes())
    network[-1] ^= 1
    (folder / NETWORK_NAME).write_bytes(bytes(network))
    with pytest.raises(DetectorError, match="not the one its card was written for"):
        load_detector(folder)


def test_a_detector_without_its_network_is_refused(weigh, tmp_path):
    folder = save_detector(weigh(), tmp_path / "d")
    (folder / NETWORK_NAME).unlink()
    with pytest.raises(DetectorError, match=r"has no model\.onnx"):
        load_detector(folder)


def test_a_network_that_lies_outside_its_folder_is_refused(weigh, tmp_path):
    folder = save_detector(weigh(), tmp_path / "d")
    (folder / NETWORK_NAME).replace(tmp_path / "elsewhere.onnx")
    (folder / NETWORK_NAME).symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(UnsafePathError, match="would leave the folder"):
        load_detector(folder)


def test_a_card_cannot_name_another_network(weigh, tmp_path):
    folder = save_detector(weigh(), tmp_path / "d")
    card = json.loads((folder / CARD_NAME).read_text())
    (folder / CARD_NAME).write_text(json.dumps({**card, "network": "../other.onnx"}))
    with pytest.raises(DetectorError, match="network is not a setting"):
        load_detector(folder)


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/passwd"])
def test_a_network_that_reads_other_files_is_refused(weigh, location):
    weights = onnx.TensorProto(
        name="w", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL
    )
    weights.external_data.add(key="location", value=location)
    values = [
        onnx.helper.make_tensor_value_info(name, 1, ["n", 2, 4, 4]) for name in ("pixels", "score")
    ]
    node = onnx.helper.make_node("Add", ["pixels", "w"], ["score"])
    graph = onnx.helper.make_graph([node], "g", values[:1], values[1:], [weights])
    with pytest.raises(UnsafeError, match="names other files"):
        weigh(network=onnx.helper.make_model(graph).SerializeToString())


def test_a_network_that_is_no_onnx_is_refused(weigh):
    with pytest.raises(DetectorError, match="cannot be run"):
        weigh(network=b"\x08\x08garbage that is no model")


def test_a_network_that_takes_something_else_than_its_card_says_is_refused(weigh):
    with pytest.raises(DetectorError, match=r"takes .* and its card says"):
        weigh(bands=("B08", "B04", "B03"))


def test_a_detector_that_does_not_fit_its_card_is_not_saved(weigh, tmp_path):
    class Liar:
        def to_onnx(self):
            card, network = weigh().to_onnx()
            return card.model_copy(update={"digest": _store.digest_bytes(b"")}), network

    with pytest.raises(DetectorError):
        save_detector(Liar(), tmp_path / "d")
    assert list(tmp_path.iterdir()) == []


def test_batches_have_at_least_one_patch(weigh):
    with pytest.raises(InputError, match="batch_size"):
        weigh(options=RunOptions(batch_size=0))


def test_a_detector_is_used_without_what_made_it(weigh, tmp_path):
    folder = save_detector(weigh(), tmp_path / "d")
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['onnx', 'h5py', 'torch', 'skl2onnx']))\n"
        "import numpy as np, xarray as xr\n"
        "from minewatch.model import load_detector\n"
        "values = np.full((1, 2, 4, 4), 0.4, dtype='float32')\n"
        "pixels = xr.DataArray(values, dims=('site', 'band', 'y', 'x'),\n"
        "    coords={'site': ['a'], 'band': ['B08', 'B04']},\n"
        "    attrs={'level': 'L1C', 'resolution_m': 10.0})\n"
        "print(round(load_detector(sys.argv[1]).predict_proba(pixels)[0, 1], 6))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0.3\n"
