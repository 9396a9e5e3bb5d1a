"""Converted Keras files against a forward pass in NumPy, written from Keras' definitions."""

import json
import math
import sys
from contextlib import suppress

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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

ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "elu": lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1),
    "selu": lambda x: 1.05070098 * np.where(x > 0, x, 1.67326324 * (np.exp(np.minimum(x, 0)) - 1)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "exponential": np.exp,
    "swish": lambda x: x / (1 + np.exp(-x)),
    "relu6": lambda x: np.clip(x, 0, 6),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
}


def _padding(side, window, stride, padding):
    """Give the pixels before and after one side, as TensorFlow pads it."""
    if padding == "valid":
        return 0, 0
    total = max((math.ceil(side / stride) - 1) * stride + window - side, 0)
    return total // 2, total - total // 2


def _windows(x, window, strides, padding, fill, dilation=(1, 1)):
    """Yield each output place and the pixels (site, y, x, channel) that it sees."""
    reach = [(size - 1) * step + 1 for size, step in zip(window, dilation, strict=True)]
    pads = [_padding(x.shape[1 + i], reach[i], strides[i], padding) for i in (0, 1)]
    wide = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    rows = (wide.shape[1] - reach[0]) // strides[0] + 1
    columns = (wide.shape[2] - reach[1]) // strides[1] + 1
    for i in range(rows):
        for j in range(columns):
            top, left = i * strides[0], j * strides[1]
            seen = wide[:, top : top + reach[0] : dilation[0], left : left + reach[1] : dilation[1]]
            yield (i, j), (rows, columns), seen


def convolve(x, kernel, bias, *, strides=(1, 1), padding="valid", dilation=(1, 1), groups=1):
    out = None
    per_group = kernel.shape[3] // groups
    for (i, j), sides, seen in _windows(x, kernel.shape[:2], strides, padding, 0.0, dilation):
        out = np.zeros((len(x), *sides, kernel.shape[3])) if out is None else out
        for g in range(groups):
            taken = seen[..., g * kernel.shape[2] : (g + 1) * kernel.shape[2]]
            part = slice(g * per_group, (g + 1) * per_group)
            out[:, i, j, part] = np.einsum("nabc,abcf->nf", taken, kernel[..., part])
    return out + bias


def pool(x, window, strides, padding, how):
    out = None
    for (i, j), sides, seen in _windows(x, window, strides, padding, np.nan):
        out = np.zeros((len(x), *sides, x.shape[3])) if out is None else out
        out[:, i, j] = how(seen, axis=(1, 2))
    return out


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def _random(rng, *shape, scale=0.5):
    return (scale * rng.normal(size=shape)).astype(np.float32)


def _run(path, images):
    """Run a converted file on images with channels last; give its numbers."""
    import onnxruntime

    network = convert_network(read_keras(path))
    session = onnxruntime.InferenceSession(network.content, providers=["CPUExecutionProvider"])
    return session.run(None, {"pixels": np.ascontiguousarray(images.transpose(0, 3, 1, 2))})[0]


def _ending(keras, rng, n_numbers):
    """Give the layers after which any network ends in one probability, and their weights."""
    kernel, bias = _random(rng, n_numbers, 1, scale=0.3), _random(rng, 1)
    layers = [
        keras.layer("Flatten", "flatten", data_format="channels_last"),
        keras.layer("Dense", "end", units=1, activation="sigmoid", use_bias=True),
    ]
    weights = {"end": {"end/kernel:0": kernel, "end/bias:0": bias}}

    def finish(x):
        return ACTIVATIONS["sigmoid"](x.reshape(len(x), -1) @ kernel + bias)

    return layers, weights, finish


def _check_one(keras, tmp_path, rng, layer, weights, forward, *, shape=(7, 7, 3), atol=1e-5):
    """Compare a network of one layer and an end with the same in NumPy."""
    images = _random(rng, 4, *shape, scale=1.0)
    middle = forward(images.astype(float))
    layers, ending, finish = _ending(keras, rng, int(np.prod(middle.shape[1:])))
    name = layer["config"]["name"]
    path = keras.write(
        tmp_path / "m.h5", keras.sequential(shape, [layer, *layers]), {name: weights, **ending}
    )
    np.testing.assert_allclose(_run(path, images), finish(middle), rtol=0, atol=atol)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("window", [(3, 3), (2, 4), (1, 1)])
def test_convolutions(keras, tmp_path, rng, padding, strides, window):
    kernel, bias = _random(rng, *window, 3, 4), _random(rng, 4)
    layer = keras.layer(
        "Conv2D", "c", filters=4, kernel_size=list(window), strides=list(strides), padding=padding,
        activation="relu", dilation_rate=[1, 1], groups=1, use_bias=True,
    )  # fmt: skip
    weights = {"c/kernel:0": kernel, "c/bias:0": bias}

    def forward(x):
        return ACTIVATIONS["relu"](convolve(x, kernel, bias, strides=strides, padding=padding))

    _check_one(keras, tmp_path, rng, layer, weights, forward)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_dilated_convolutions_in_groups_without_bias(keras, tmp_path, rng, padding):
    kernel = _random(rng, 3, 2, 2, 6)
    layer = keras.layer(
        "Conv2D", "c", filters=6, kernel_size=[3, 2], padding=padding, dilation_rate=[2, 3],
        groups=2, use_bias=False,
    )  # fmt: skip

    def forward(x):
        return convolve(x, kernel, 0.0, padding=padding, dilation=(2, 3), groups=2)

    _check_one(keras, tmp_path, rng, layer, {"c/kernel:0": kernel}, forward, shape=(9, 9, 4))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("window", "strides"), [((2, 2), None), ((3, 3), (2, 2)), ((3, 2), (1, 2))]
)
@pytest.mark.parametrize("kind", ["MaxPooling2D", "AveragePooling2D"])
def test_pooling(keras, tmp_path, rng, kind, window, strides, padding):
    how = np.nanmax if kind == "MaxPooling2D" else np.nanmean
    given = None if strides is None else list(strides)
    layer = keras.layer(kind, "p", pool_size=list(window), strides=given, padding=padding)
    _check_one(
        keras, tmp_path, rng, layer, {}, lambda x: pool(x, window, strides or window, padding, how)
    )


@pytest.mark.parametrize(
    ("kind", "how"), [("GlobalMaxPooling2D", np.max), ("GlobalAveragePooling2D", np.mean)]
)
@pytest.mark.parametrize("keepdims", [True, False])
def test_global_pooling(keras, tmp_path, rng, kind, how, keepdims):
    layer = keras.layer(kind, "g", keepdims=keepdims)
    _check_one(keras, tmp_path, rng, layer, {}, lambda x: how(x, axis=(1, 2), keepdims=keepdims))


@pytest.mark.parametrize(("center", "scale"), [(True, True), (False, True), (True, False)])
def test_batch_normalisation(keras, tmp_path, rng, center, scale):
    gamma, beta, mean = (_random(rng, 3) for _ in range(3))
    variance = rng.uniform(0.2, 2, 3).astype(np.float32)
    layer = keras.layer(
        "BatchNormalization", "b", axis=[3], momentum=0.99, epsilon=1e-3, center=center, scale=scale
    )
    stored = {"moving_mean": mean, "moving_variance": variance}
    stored |= ({"gamma": gamma} if scale else {}) | ({"beta": beta} if center else {})
    weights = {f"b/{name}:0": values for name, values in stored.items()}

    def forward(x):
        normal = (x - mean) / np.sqrt(variance + 1e-3)
        return normal * (gamma if scale else 1) + (beta if center else 0)

    _check_one(keras, tmp_path, rng, layer, weights, forward)


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"softmax"}))
def test_activations(keras, tmp_path, rng, name):
    layer = keras.layer("Activation", "a", activation=name)
    _check_one(keras, tmp_path, rng, layer, {}, ACTIVATIONS[name])


def test_softmax_runs_over_channels(keras, tmp_path, rng):
    layer = keras.layer("Softmax", "s", axis=-1)
    _check_one(keras, tmp_path, rng, layer, {}, ACTIVATIONS["softmax"])


@pytest.mark.parametrize(
    ("kind", "config", "forward"),
    [
        ("ReLU", {}, lambda x: np.maximum(x, 0)),
        ("ReLU", {"max_value": 0.5, "negative_slope": 0.1, "threshold": 0.0},
         lambda x: np.minimum(np.where(x > 0, x, 0.1 * x), 0.5)),
        ("LeakyReLU", {"alpha": 0.2}, lambda x: np.where(x > 0, x, 0.2 * x)),
        ("LeakyReLU", {"negative_slope": 0.1}, lambda x: np.where(x > 0, x, 0.1 * x)),
        ("ELU", {"alpha": 0.7}, lambda x: np.where(x > 0, x, 0.7 * (np.exp(np.minimum(x, 0)) - 1))),
        ("Rescaling", {"scale": 2.0, "offset": -0.5}, lambda x: 2 * x - 0.5),
        ("Rescaling", {"scale": [1.0, 2.0, 3.0], "offset": 0.0},
         lambda x: x * np.array([1, 2, 3])),
        ("Normalization", {"axis": [-1], "mean": [0.1, 0.2, 0.3], "variance": [1.0, 4.0, 9.0]},
         lambda x: (x - np.array([0.1, 0.2, 0.3])) / np.array([1, 2, 3])),
        ("Dropout", {"rate": 0.5, "noise_shape": None, "seed": 3}, lambda x: x),
        ("SpatialDropout2D", {"rate": 0.5}, lambda x: x),
        ("GaussianNoise", {"stddev": 1.0}, lambda x: x),
    ],
)  # fmt: skip
def test_other_layers(keras, tmp_path, rng, kind, config, forward):
    _check_one(keras, tmp_path, rng, keras.layer(kind, "o", **config), {}, forward)


def test_a_normalisation_with_learned_numbers(keras, tmp_path, rng):
    mean, variance = _random(rng, 3), rng.uniform(0.5, 2, 3).astype(np.float32)
    weights = {"n/mean:0": mean, "n/variance:0": variance, "n/count:0": np.array(9.0)}
    layer = keras.layer("Normalization", "n", axis=[-1])
    _check_one(
        keras, tmp_path, rng, layer, weights, lambda x: (x - mean) / np.sqrt(variance), atol=2e-5
    )


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    side=st.integers(5, 12),
    window=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    strides=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.sampled_from(["same", "valid"]),
)
def test_any_convolution_that_fits(keras, tmp_path, rng, side, window, strides, padding):
    kernel, bias = _random(rng, *window, 2, 3), _random(rng, 3)
    layer = keras.layer(
        "Conv2D", "c", filters=3, kernel_size=window, strides=strides, padding=padding
    )
    weights = {"c/kernel:0": kernel, "c/bias:0": bias}

    def forward(x):
        return convolve(x, kernel, bias, strides=strides, padding=padding)

    _check_one(keras, tmp_path, rng, layer, weights, forward, shape=(side, side, 2))


def _two_classes(keras, tmp_path, rng, name="m.h5", **weights_layout):
    kernel, bias = _random(rng, 16 * 3, 2, scale=0.2), _random(rng, 2)
    layers = [
        keras.layer("Flatten", "f"),
        keras.layer("Dense", "d", units=2, activation="softmax"),
    ]
    path = keras.write(
        tmp_path / name,
        keras.sequential((4, 4, 3), layers),
        {"d": {"d/kernel:0": kernel, "d/bias:0": bias}},
    )
    return path, lambda x: ACTIVATIONS["softmax"](x.reshape(len(x), -1) @ kernel + bias)


OWN = Generation(bands=("B04", "B03", "B02"), level="L1C", preparation=Preparation())


def test_of_two_classes_the_second_is_mining(keras, pixels, tmp_path, rng):
    path, forward = _two_classes(keras, tmp_path, rng)
    images = _random(rng, 5, 4, 4, 3)
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
        kernel, bias = _random(rng, 48, 1, scale=0.3), _random(rng, 1)
        dense = keras.layer("Dense", "d", units=1, activation="sigmoid")
        model = keras.sequential((4, 4, 3), [keras.layer("Flatten", "f"), dense], name=name)
        layers.append({**model, "name": name, "inbound_nodes": call(["in"])})
        weights[name] = {"d/kernel:0": kernel, "d/bias:0": bias}
        forwards.append(
            lambda x, kernel=kernel, bias=bias: ACTIVATIONS["sigmoid"](
                x.reshape(len(x), -1) @ kernel + bias
            )
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
    images = _random(rng, 5, 4, 4, 3)
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
    images = _random(rng, 5, 4, 4, 3)
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
        expected.append(ACTIVATIONS["sigmoid"](x.reshape(5, -1) @ kernel + bias))
    path = keras.write(tmp_path / "m.h5", model, weights)
    np.testing.assert_allclose(_run(path, images), np.hstack(expected), rtol=0, atol=1e-5)


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
    ending, weights, _ = _ending(keras, rng, 48)
    path = keras.write(tmp_path / "m.h5", keras.sequential((4, 4, 3), [bad, *ending]), weights)
    with pytest.raises(InputError, match=word):
        convert_network(read_keras(path))


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_a_network_that_ends_without_probabilities_is_refused(keras, tmp_path, rng, activation):
    layers = [
        keras.layer("Flatten", "f"),
        keras.layer("Dense", "d", units=1, activation=activation),
    ]
    weights = {"d": {"d/kernel:0": _random(rng, 48, 1), "d/bias:0": _random(rng, 1)}}
    path = keras.write(tmp_path / "m.h5", keras.sequential((4, 4, 3), layers), weights)
    with pytest.raises(InputError, match="expected one sigmoid"):
        convert_network(read_keras(path))


def test_a_head_for_embeddings_is_no_patch_detector(keras, tmp_path):
    path = keras.write(tmp_path / "m.h5", keras.sequential((384,), []), {})
    with pytest.raises(InputError, match="perhaps one of embeddings"):
        convert_network(read_keras(path))


def test_weights_of_another_shape_are_refused(keras, tmp_path, rng):
    ending, weights, _ = _ending(keras, rng, 47)
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
    here = pixels(_random(rng, 3, 3, 4, 4), OWN.bands)
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
