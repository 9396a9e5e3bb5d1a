"""Keras files are converted whole, or refused by the name of what is wrong; nothing is run."""

import json
import sys
from contextlib import suppress

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax

from minewatch.errors import (
    InputError,
    MissingExtraError,
    NotThereError,
    SettingsError,
    UnsafeError,
)
from minewatch.model import _amw_read as reading
from minewatch.model import convert_keras, load_detector, save_detector
from minewatch.model._amw import GENERATIONS, Generation, own_generation
from minewatch.model._amw_graph import convert_network
from minewatch.model._amw_read import read_keras
from minewatch.model._card import Preparation


def _two_classes(keras, tmp_path, rng, name="m.h5", **weights_layout):
    kernel, bias = keras.draw(rng, 16 * 3, 2, scale=0.2), keras.draw(rng, 2)
    layers = [
        keras.layer("Flatten", "f"),
        keras.layer("Dense", "d", units=2, activation="softmax"),
    ]
    path = keras.write(
        tmp_path / name,
        keras.sequential((4, 4, 3), layers),
        {"d": {"d/kernel:0": kernel, "d/bias:0": bias}},
    )
    return path, lambda x: softmax(x.reshape(len(x), -1) @ kernel + bias, axis=-1)


OWN = Generation(bands=("B04", "B03", "B02"), level="L1C", preparation=Preparation())


def test_of_two_classes_the_second_is_mining(keras, pixels, tmp_path, rng):
    path, forward = _two_classes(keras, tmp_path, rng)
    images = keras.draw(rng, 5, 4, 4, 3)
    here = pixels(images.transpose(0, 3, 1, 2), OWN.bands)
    score = convert_keras(path, generation=OWN).score(here)["score"]
    np.testing.assert_allclose(score, forward(images)[:, 1], atol=1e-6)


def _nested(keras, rng, names, join, *, keras_3=False):
    """Describe networks side by side that are joined, with their weights and forward passes."""
    layers, weights, forwards = [], {}, []
    shape = [None, 4, 4, 3]
    layers.append({**keras.layer("InputLayer", "in", batch_input_shape=shape), "name": "in"})
    layers[0]["inbound_nodes"] = []

    def call(sources):
        if not keras_3:
            return [[[source, 1, 0, {}] for source in sources]]
        tensors = [
            {"class_name": "__keras_tensor__", "config": {"keras_history": [source, 0, 0]}}
            for source in sources
        ]
        return [{"args": tensors if len(tensors) == 1 else [tensors], "kwargs": {}}]

    for name in names:
        kernel, bias = keras.draw(rng, 48, 1, scale=0.3), keras.draw(rng, 1)
        dense = keras.layer("Dense", "d", units=1, activation="sigmoid")
        model = keras.sequential((4, 4, 3), [keras.layer("Flatten", "f"), dense], name=name)
        layers.append({**model, "name": name, "inbound_nodes": call(["in"])})
        weights[name] = {"d/kernel:0": kernel, "d/bias:0": bias}
        forwards.append(
            lambda x, kernel=kernel, bias=bias: expit(x.reshape(len(x), -1) @ kernel + bias)
        )
    last = keras.layer(join, "join", **({"axis": -1} if join == "Concatenate" else {}))
    layers.insert(1, {**last, "name": "join", "inbound_nodes": call(names)})
    ends = {"input_layers": [["in", 0, 0]], "output_layers": [["join", 0, 0]]}
    if keras_3:
        ends = {"input_layers": ["in", 0, 0], "output_layers": ["join", 0, 0]}
    return {"class_name": "Functional", "config": {"layers": layers, **ends}}, weights, forwards


@pytest.mark.parametrize("join", ["Concatenate", "Average"])
@pytest.mark.parametrize("keras_3", [False, True])
def test_members_of_an_ensemble_are_averaged(keras, pixels, tmp_path, rng, join, keras_3):
    model, weights, forwards = _nested(keras, rng, ["one", "two", "three"], join, keras_3=keras_3)
    path = keras.write(tmp_path / "m.h5", model, weights)
    images = keras.draw(rng, 5, 4, 4, 3)
    detector = convert_keras(path, generation=OWN)
    score = detector.score(pixels(images.transpose(0, 3, 1, 2), OWN.bands))["score"]
    expected = np.mean([forward(images)[:, 0] for forward in forwards], axis=0)
    np.testing.assert_allclose(score, expected, atol=1e-6)
    kind = {"Concatenate": "members", "Average": "probability"}[join]
    assert detector.card.output.kind == kind


def test_normalised_members_find_their_own_numbers(keras, tmp_path, rng):
    """Keras keeps a nested model's trained weights first, then its moving means and variances."""
    numbers = {
        (name, layer, weight): rng.uniform(0.3, 2, 3).astype(np.float32)
        for name in ("one", "two")
        for layer in ("b1", "b2")
        for weight in ("gamma", "beta", "moving_mean", "moving_variance")
    }
    model, weights, _ = _nested(keras, rng, ["one", "two"], "Concatenate")
    for member in (entry for entry in model["config"]["layers"] if entry["name"] in weights):
        norms = [keras.layer("BatchNormalization", n, axis=[3], epsilon=0.01) for n in ("b1", "b2")]
        member["config"]["layers"][1:1] = norms
        order = [("gamma", "beta"), ("moving_mean", "moving_variance")]
        for group in order:
            for layer in ("b1", "b2"):
                for weight in group:
                    key = f"{layer}/{weight}:0"
                    weights[member["name"]][key] = numbers[member["name"], layer, weight]
    images = keras.draw(rng, 5, 4, 4, 3)
    expected = []
    for name in ("one", "two"):
        x = images.astype(float)
        for layer in ("b1", "b2"):
            gamma, beta, mean, variance = (
                numbers[name, layer, weight]
                for weight in ("gamma", "beta", "moving_mean", "moving_variance")
            )
            x = (x - mean) / np.sqrt(variance + 0.01) * gamma + beta
        kernel, bias = weights[name]["d/kernel:0"], weights[name]["d/bias:0"]
        expected.append(expit(x.reshape(5, -1) @ kernel + bias))
    path = keras.write(tmp_path / "m.h5", model, weights)
    np.testing.assert_allclose(keras.run(path, images), np.hstack(expected), rtol=0, atol=1e-5)


def test_a_model_that_takes_from_itself_is_refused(keras, tmp_path, rng):
    model, weights, _ = _nested(keras, rng, ["one", "two"], "Average")
    model["config"]["layers"][2]["inbound_nodes"] = [[["join", 0, 0, {}]]]
    path = keras.write(tmp_path / "m.h5", model, weights)
    with pytest.raises(InputError, match="takes what comes out of itself"):
        convert_network(read_keras(path))


def test_a_layer_that_is_used_twice_is_refused(keras, tmp_path, rng):
    model, weights, _ = _nested(keras, rng, ["one", "two"], "Average")
    model["config"]["layers"][2]["inbound_nodes"] *= 2
    path = keras.write(tmp_path / "m.h5", model, weights)
    with pytest.raises(InputError, match="layer one is used 2 times"):
        convert_network(read_keras(path))


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        (("Lambda", {"function": ["4wEAAAA="]}), r"layer bad \(Lambda\).*no rule for Lambda"),
        (("LSTM", {"units": 3}), "no rule for LSTM"),
        (("Activation", {"activation": "mish"}), "activation 'mish'"),
        (("Activation", {"activation": ["relu"]}), "no rule for the activation"),
        (("MaxPooling2D", {"pool_size": [9, 9], "padding": "valid"}), "does not fit"),
        (("MaxPooling2D", {"pool_size": [2, 2], "padding": "causal"}), "expected same or valid"),
        (("MaxPooling2D", {"pool_size": [0, 2]}), "pool_size is"),
        (
            ("MaxPooling2D", {"pool_size": [2, 2], "data_format": "channels_first"}),
            "channels_first",
        ),
        (("MaxPooling2D", {"pool_size": [2, 2], "dtype": "mixed_float16"}), "mixed_float16"),
        (("Rescaling", {"scale": "much"}), "expected numbers"),
        (("Rescaling", {"scale": [1, 2]}), "2 numbers for 3 channels"),
        (("BatchNormalization", {"axis": [1]}), "expected the last one"),
        (("Conv2D", {"filters": 2, "kernel_size": [3, 3]}), "holds no kernel"),
        (("Conv2D", {"filters": 1e9, "kernel_size": [3, 3]}), "filters is"),
        (("Conv2D", {"filters": 2, "kernel_size": [3, 3], "swirl": 2}), "setting swirl = 2"),
        (("Dense", {"units": 2}), "takes a row of numbers"),
    ],
)
def test_what_is_not_known_is_refused_by_name(keras, tmp_path, rng, layer, word):
    bad = keras.layer(layer[0], "bad", **layer[1])
    ending, weights, _ = keras.ending(rng, 48)
    path = keras.write(tmp_path / "m.h5", keras.sequential((4, 4, 3), [bad, *ending]), weights)
    with pytest.raises(InputError, match=word):
        convert_network(read_keras(path))


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_a_network_that_ends_without_probabilities_is_refused(keras, tmp_path, rng, activation):
    layers = [
        keras.layer("Flatten", "f"),
        keras.layer("Dense", "d", units=1, activation=activation),
    ]
    weights = {"d": {"d/kernel:0": keras.draw(rng, 48, 1), "d/bias:0": keras.draw(rng, 1)}}
    path = keras.write(tmp_path / "m.h5", keras.sequential((4, 4, 3), layers), weights)
    with pytest.raises(InputError, match="expected one sigmoid"):
        convert_network(read_keras(path))


def test_a_head_for_embeddings_is_no_patch_detector(keras, tmp_path):
    path = keras.write(tmp_path / "m.h5", keras.sequential((384,), []), {})
    with pytest.raises(InputError, match="perhaps one of embeddings"):
        convert_network(read_keras(path))


def test_weights_of_another_shape_are_refused(keras, tmp_path, rng):
    ending, weights, _ = keras.ending(rng, 47)
    path = keras.write(tmp_path / "m.h5", keras.sequential((4, 4, 3), ending), weights)
    with pytest.raises(InputError, match=r"its kernel has shape \(47, 1\); expected \(48, 1\)"):
        convert_network(read_keras(path))


@pytest.mark.parametrize("content", [b"", b"not hdf5", b"\x89HDF\r\n\x1a\n" + bytes(500)])
def test_what_is_no_keras_file_is_refused(tmp_path, content):
    path = tmp_path / "m.h5"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"not a readable Keras \.h5 model"):
        read_keras(path)


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(NotThereError):
        read_keras(tmp_path / "m.h5")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.floats(0, 1), value=st.integers(1, 255), n_bytes=st.integers(1, 64))
def test_a_garbled_file_is_refused_or_read_but_never_crashes(
    keras, tmp_path, place, value, n_bytes
):
    path, _ = _two_classes(keras, tmp_path, np.random.default_rng(1))
    content = bytearray(path.read_bytes())
    start = int(place * (len(content) - 1))
    for i in range(start, min(start + n_bytes, len(content))):
        content[i] ^= value
    path.write_bytes(bytes(content))
    with suppress(InputError, UnsafeError):  # anything else is a crash
        convert_network(read_keras(path))


def test_a_file_cut_short_is_refused(keras, tmp_path, rng):
    path, _ = _two_classes(keras, tmp_path, rng)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="not a readable Keras"):
        read_keras(path)


def test_weights_alone_are_no_model(tmp_path):
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.create_group("model_weights")
    with pytest.raises(InputError, match="save it with"):
        read_keras(path)


@pytest.mark.parametrize("config", ["{", "[]", '{"class_name": "Sequential"}', "[" * 50_000])
def test_a_model_that_is_described_badly_is_refused(tmp_path, config):
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = config
    with pytest.raises(InputError, match="model_config"):
        read_keras(path)


def _replace_kernel(path, make):
    with h5py.File(path, "a") as file:
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        make(group)


@pytest.mark.parametrize(
    "make",
    [
        lambda group: group.__setitem__("kernel:0", h5py.ExternalLink("/etc/passwd", "/x")),
        lambda group: group.__setitem__("kernel:0", h5py.SoftLink("/model_weights/d/d/bias:0")),
        lambda group: group.create_dataset(
            "kernel:0", (48, 2), "f4", external=[("/etc/passwd", 0, 384)]
        ),
        lambda group: group.create_virtual_dataset("kernel:0", _virtual()),
    ],
    ids=["external link", "soft link", "external data", "virtual data"],
)
def test_weights_that_lie_elsewhere_are_refused_unopened(keras, tmp_path, rng, make):
    path, _ = _two_classes(keras, tmp_path, rng)
    _replace_kernel(path, make)
    with pytest.raises(UnsafeError, match="not opened"):
        read_keras(path)


def _virtual():
    layout = h5py.VirtualLayout((48, 2), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (48, 2))
    return layout


def test_weights_that_claim_to_be_huge_are_not_read(keras, tmp_path, rng):
    path, _ = _two_classes(keras, tmp_path, rng)
    _replace_kernel(path, lambda g: g.create_dataset("kernel:0", (1 << 20, 1 << 14), "f4"))
    with pytest.raises(InputError, match="no weight of a patch detector"):
        read_keras(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_numbers_are_refused(keras, tmp_path, rng, value):
    path, _ = _two_classes(keras, tmp_path, rng)
    _replace_kernel(path, lambda g: g.create_dataset("kernel:0", data=np.full((48, 2), value)))
    with pytest.raises(InputError, match="holds NaN or infinite"):
        read_keras(path)


def test_a_file_that_is_too_large_is_not_opened(keras, tmp_path, rng, monkeypatch):
    path, _ = _two_classes(keras, tmp_path, rng)
    monkeypatch.setattr(reading, "MAX_FILE_BYTES", 1_000)
    with pytest.raises(InputError, match="no patch detector"):
        read_keras(path)


def test_models_within_models_have_an_end(keras, tmp_path):
    model = keras.sequential((4, 4, 3), [])
    for _ in range(12):
        model = keras.sequential((4, 4, 3), [model])
    path = keras.write(tmp_path / "m.h5", model, {})
    with pytest.raises(InputError, match="lies too deep"):
        convert_network(read_keras(path))


def test_what_the_file_does_not_say_is_never_guessed(keras, tmp_path, rng):
    path, _ = _two_classes(keras, tmp_path, rng)
    with pytest.raises(InputError, match="does not say its bands, level and preparation"):
        convert_keras(path)


def test_a_file_of_another_shape_than_its_name_says_is_refused(keras, tmp_path, rng):
    path, _ = _two_classes(keras, tmp_path, rng, name="44px_v2.6_rgb_2021-11-11.h5")
    with pytest.raises(InputError, match="takes 3 bands of 4 px, and the generation 44px-rgb"):
        convert_keras(path)


def test_a_generation_that_does_not_exist_is_named(keras, tmp_path, rng):
    path, _ = _two_classes(keras, tmp_path, rng)
    with pytest.raises(InputError, match="'60px' is no generation"):
        convert_keras(path, generation="60px")


def test_own_detectors_are_described_in_three_words():
    own = own_generation(("B04", "B02"), "L2A", "standardised")
    assert own.preparation.steps[0].mean == pytest.approx((0.10919574, 0.11759235))
    with pytest.raises(InputError, match="no preparation"):
        own_generation(("B04",), "L2A", "magic")
    with pytest.raises(InputError, match="alone; the bands are B10"):
        own_generation(("B10",), "L1C", "standardised")
    with pytest.raises(SettingsError, match="level"):
        own_generation(("B04",), "L3", "unit")


def test_generations_take_the_narrow_infrared_where_their_makers_put_it():
    assert [GENERATIONS[name].bands[7:9] for name in ("48px-12", "48px-13", "44px-12")] == [
        ("B8A", "B08"),
        ("B8A", "B08"),
        ("B08", "B8A"),
    ]
    assert GENERATIONS["48px-13"].bands[9:11] == ("B09", "B10")


def test_a_converted_detector_is_the_same_after_saving(keras, pixels, tmp_path, rng):
    path, _ = _two_classes(keras, tmp_path, rng)
    detector = convert_keras(path, generation=OWN, name="mine", licence="CC0-1.0")
    loaded = load_detector(save_detector(detector, tmp_path / "d"))
    assert json.loads((tmp_path / "d/card.json").read_text())["licence"] == "CC0-1.0"
    here = pixels(keras.draw(rng, 3, 3, 4, 4), OWN.bands)
    np.testing.assert_array_equal(loaded.predict_proba(here), detector.predict_proba(here))


def test_the_same_file_gives_the_same_bytes(keras, tmp_path, rng):
    path, _ = _two_classes(keras, tmp_path, rng)
    assert (
        convert_keras(path, generation=OWN).network == convert_keras(path, generation=OWN).network
    )


def test_the_extra_that_is_missing_is_named(keras, tmp_path, rng, monkeypatch):
    path, _ = _two_classes(keras, tmp_path, rng)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"minewatch\[convert\]"):
        convert_keras(path, generation=OWN)
