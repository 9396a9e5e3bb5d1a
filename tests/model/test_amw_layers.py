"""Converted layers against a forward pass in NumPy, written from Keras' definitions."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


def _check_one(keras, tmp_path, rng, layer, weights, forward, *, shape=(7, 7, 3), atol=1e-5):
    """Compare a network of one layer and an end with the same in NumPy."""
    images = keras.draw(rng, 4, *shape, scale=1.0)
    middle = forward(images.astype(float))
    layers, ending, finish = keras.ending(rng, int(np.prod(middle.shape[1:])))
    name = layer["config"]["name"]
    path = keras.write(
        tmp_path / "m.h5", keras.sequential(shape, [layer, *layers]), {name: weights, **ending}
    )
    np.testing.assert_allclose(keras.run(path, images), finish(middle), rtol=0, atol=atol)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("window", [(3, 3), (2, 4), (1, 1)])
def test_convolutions(keras, tmp_path, rng, padding, strides, window):
    kernel, bias = keras.draw(rng, *window, 3, 4), keras.draw(rng, 4)
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
    kernel = keras.draw(rng, 3, 2, 2, 6)
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
    gamma, beta, mean = (keras.draw(rng, 3) for _ in range(3))
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
    mean, variance = keras.draw(rng, 3), rng.uniform(0.5, 2, 3).astype(np.float32)
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
    kernel, bias = keras.draw(rng, *window, 2, 3), keras.draw(rng, 3)
    layer = keras.layer(
        "Conv2D", "c", filters=3, kernel_size=window, strides=strides, padding=padding
    )
    weights = {"c/kernel:0": kernel, "c/bias:0": bias}

    def forward(x):
        return convolve(x, kernel, bias, strides=strides, padding=padding)

    _check_one(keras, tmp_path, rng, layer, weights, forward, shape=(side, side, 2))
