"""Layers of Keras as nodes of ONNX, each checked setting by setting.

Keras keeps channels last, ONNX first. Images are ``(site, channel, y, x)`` throughout; only where
Keras flattens them are they turned, so that dense weights meet the numbers they were trained on.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from minewatch.model._amw_parts import Graph, Layer, Tensor
from minewatch.model._amw_read import Weight

_BATCH_NORM_EPSILON: Final = 1e-3
_KERAS_EPSILON: Final = 1e-7
_COMMON: Final = frozenset(
    {"name", "trainable", "dtype", "batch_input_shape", "batch_shape", "data_format", "seed"}
)
_OF_TRAINING: Final = ("_initializer", "_regularizer", "_constraint")
_ACTIVATIONS: Final = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "elu": "Elu",
    "selu": "Selu",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "exponential": "Exp",
}


Convert = Callable[[Graph, Layer, list[Tensor]], Tensor]


def convert_layer(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
    """Add one layer to a graph.

    Raises
    ------
    InputError
        If the layer or a setting of it is not known; the message names it.
    """
    if layer.kind not in _LAYERS:
        raise layer.refuse(
            f"there is no rule for {layer.kind}; there are rules for {', '.join(sorted(_LAYERS))}"
        )
    convert, known, n_inputs = _LAYERS[layer.kind]
    for key, value in layer.config.items():
        ignored = key in _COMMON or key in known or key.endswith(_OF_TRAINING)
        if not ignored and value not in (None, False):
            raise layer.refuse(f"its setting {key} = {value!r} is not known")
    if layer.config.get("data_format") not in (None, "channels_last"):
        raise layer.refuse(f"data_format is {layer.config['data_format']!r}, not channels_last")
    if n_inputs is not None and len(inputs) != n_inputs:
        raise layer.refuse(f"it has {len(inputs)} inputs; expected {n_inputs}")
    if not inputs:
        raise layer.refuse("it has no input")
    return convert(graph, layer, inputs)


def _activate(graph: Graph, layer: Layer, tensor: Tensor, name: object) -> Tensor:
    if isinstance(name, dict):  # Keras 3 may write it as an object
        name = name.get("config")
    if name in (None, "linear"):
        return tensor
    if name in ("swish", "silu"):
        gate = graph.add("Sigmoid", [tensor.name])
        return Tensor(graph.add("Mul", [tensor.name, gate]), tensor.shape)
    if name == "relu6":
        return Tensor(_clip(graph, tensor.name, 0.0, 6.0), tensor.shape)
    if name == "softmax":
        # The last axis of Keras is the channel's, which is ONNX's first after the site's.
        return Tensor(graph.add("Softmax", [tensor.name], axis=1), tensor.shape, "softmax")
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        known = ", ".join(sorted({*_ACTIVATIONS, "linear", "relu6", "softmax", "swish"}))
        raise layer.refuse(f"there is no rule for the activation {name!r}; there are {known}")
    ends = "sigmoid" if name == "sigmoid" else ""
    return Tensor(graph.add(_ACTIVATIONS[name], [tensor.name]), tensor.shape, ends)


def _clip(graph: Graph, name: str, low: float, high: float) -> str:
    ends = [graph.constant(np.array(end, dtype=np.float32)) for end in (low, high)]
    return graph.add("Clip", [name, *ends])


def _image(layer: Layer, tensor: Tensor) -> tuple[int, int, int]:
    if len(tensor.shape) != 3:
        raise layer.refuse(f"it takes an image and gets numbers of shape {tensor.shape}")
    return tensor.shape[0], tensor.shape[1], tensor.shape[2]


def _pads(
    layer: Layer, sides: tuple[int, int], window: tuple[int, int], strides: tuple[int, int]
) -> tuple[list[int], tuple[int, int]]:
    """Give ONNX's pads (top, left, bottom, right) and the sides of what comes out.

    ``same`` is TensorFlow's: as many pixels as sides divided by strides, rounded up, with the odd
    pixel of padding at the bottom and right.
    """
    padding = layer.config.get("padding", "valid")
    if padding not in ("same", "valid"):
        raise layer.refuse(f"padding is {padding!r}; expected same or valid")
    before, after, out = [], [], []
    for side, reach, stride in zip(sides, window, strides, strict=True):
        n_out = -(-side // stride) if padding == "same" else (side - reach) // stride + 1
        total = max((n_out - 1) * stride + reach - side, 0) if padding == "same" else 0
        if n_out < 1:
            raise layer.refuse(f"its window of {reach} px does not fit into {side} px")
        before.append(total // 2)
        after.append(total - total // 2)
        out.append(n_out)
    return [*before, *after], (out[0], out[1])


def _convolution(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
    channels, *sides = _image(layer, inputs[0])
    kernel, strides = layer.pair("kernel_size"), layer.pair("strides", 1)
    dilation = layer.pair("dilation_rate", 1)
    filters = layer.count("filters")
    groups = 1 if layer.config.get("groups") is None else layer.count("groups")
    if channels % groups or filters % groups:
        raise layer.refuse(f"{groups} groups do not divide {channels} and {filters} channels")
    reach = tuple((size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True))
    pads, out = _pads(layer, (sides[0], sides[1]), (reach[0], reach[1]), strides)
    weights = layer.weight("kernel", (*kernel, channels // groups, filters))
    names = [inputs[0].name, graph.constant(weights.transpose(3, 2, 0, 1))]
    if layer.config.get("use_bias", True):
        names.append(graph.constant(layer.weight("bias", (filters,))))
    name = graph.add(
        "Conv", names, kernel_shape=kernel, strides=strides, dilations=dilation, pads=pads,
        group=groups,
    )  # fmt: skip
    return _activate(graph, layer, Tensor(name, (filters, *out)), layer.config.get("activation"))


def _pooling(operator: str) -> Convert:
    def convert(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
        channels, *sides = _image(layer, inputs[0])
        window = layer.pair("pool_size")
        strides = layer.pair("strides", window)
        pads, out = _pads(layer, (sides[0], sides[1]), window, strides)
        name = graph.add(
            operator, [inputs[0].name], kernel_shape=window, strides=strides, pads=pads
        )
        return Tensor(name, (channels, *out))

    return convert


def _global_pooling(operator: str) -> Convert:
    def convert(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
        channels, *_ = _image(layer, inputs[0])
        name = graph.add(operator, [inputs[0].name])
        if layer.config.get("keepdims"):
            return Tensor(name, (channels, 1, 1))
        return Tensor(graph.add("Flatten", [name], axis=1), (channels,))

    return convert


def _dense(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
    tensor = inputs[0]
    if len(tensor.shape) != 1:
        raise layer.refuse(f"it takes a row of numbers and gets shape {tensor.shape}")
    units = layer.count("units")
    names = [tensor.name, graph.constant(layer.weight("kernel", (tensor.shape[0], units)))]
    if layer.config.get("use_bias", True):
        names.append(graph.constant(layer.weight("bias", (units,))))
    name = graph.add("Gemm", names)
    return _activate(graph, layer, Tensor(name, (units,)), layer.config.get("activation"))


def _flatten(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
    tensor = inputs[0]
    if len(tensor.shape) == 1:
        return tensor
    channels, height, width = _image(layer, tensor)
    turned = graph.add("Transpose", [tensor.name], perm=[0, 2, 3, 1])
    return Tensor(graph.add("Flatten", [turned], axis=1), (channels * height * width,))


def _batch_normalization(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
    tensor = inputs[0]
    _check_last_axis(layer, tensor)
    shape = (tensor.shape[0],)
    ones, zeros = np.ones(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    gamma = layer.weight("gamma", shape) if layer.config.get("scale", True) else ones
    beta = layer.weight("beta", shape) if layer.config.get("center", True) else zeros
    mean = layer.weight("moving_mean", shape)
    variance = layer.weight("moving_variance", shape)
    if (variance < 0).any():
        raise layer.refuse("its moving_variance is negative")
    names = [graph.constant(values) for values in (gamma, beta, mean, variance)]
    epsilon = layer.number("epsilon", _BATCH_NORM_EPSILON)
    name = graph.add("BatchNormalization", [tensor.name, *names], epsilon=epsilon)
    return Tensor(name, tensor.shape)


def _check_last_axis(layer: Layer, tensor: Tensor) -> None:
    axis = layer.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if axis not in (-1, len(tensor.shape)):
        raise layer.refuse(f"axis is {axis!r}; expected the last one, of the channels")


def _rescaling(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
    factor = _per_channel(layer, inputs[0], layer.config.get("scale", 1.0), "scale")
    offset = _per_channel(layer, inputs[0], layer.config.get("offset", 0.0), "offset")
    scaled = graph.add("Mul", [inputs[0].name, graph.constant(factor)])
    return Tensor(graph.add("Add", [scaled, graph.constant(offset)]), inputs[0].shape)


def _normalization(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
    tensor = inputs[0]
    _check_last_axis(layer, tensor)
    given = {key: layer.config.get(key) for key in ("mean", "variance")}
    mean, variance = (
        _per_channel(
            layer, tensor, layer.weight(key, (tensor.shape[0],)) if said is None else said, key
        )
        for key, said in given.items()
    )
    deviation = np.maximum(np.sqrt(variance), np.float32(_KERAS_EPSILON))
    moved = graph.add("Sub", [tensor.name, graph.constant(mean)])
    return Tensor(graph.add("Div", [moved, graph.constant(deviation)]), tensor.shape)


def _per_channel(layer: Layer, tensor: Tensor, said: object, key: str) -> Weight:
    """Bring one number, or one for each channel, into a shape that meets the channels."""
    try:
        numbers = np.asarray(said, dtype=np.float32).ravel()
    except (TypeError, ValueError) as error:
        raise layer.refuse(f"{key} is {said!r}; expected numbers") from error
    if numbers.size not in (1, tensor.shape[0]) or not np.isfinite(numbers).all():
        raise layer.refuse(f"{key} holds {numbers.size} numbers for {tensor.shape[0]} channels")
    return numbers.reshape(-1, *[1] * (len(tensor.shape) - 1))


def _activation(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
    return _activate(graph, layer, inputs[0], layer.config.get("activation"))


def _softmax(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
    _check_last_axis(layer, inputs[0])
    return _activate(graph, layer, inputs[0], "softmax")


def _relu(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
    if layer.number("threshold", 0.0) != 0.0:
        raise layer.refuse(f"threshold is {layer.config['threshold']!r}; expected 0")
    slope = layer.number("negative_slope", 0.0)
    name = graph.add("LeakyRelu", [inputs[0].name], alpha=slope)
    if layer.config.get("max_value") is not None:
        most = graph.constant(np.array(layer.number("max_value", 0.0), dtype=np.float32))
        name = graph.add("Min", [name, most])
    return Tensor(name, inputs[0].shape)


def _leaky_relu(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
    slope = layer.number("negative_slope", layer.number("alpha", 0.3))
    return Tensor(graph.add("LeakyRelu", [inputs[0].name], alpha=slope), inputs[0].shape)


def _elu(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
    alpha = layer.number("alpha", 1.0)
    return Tensor(graph.add("Elu", [inputs[0].name], alpha=alpha), inputs[0].shape)


def _unchanged(_graph: Graph, _layer: Layer, inputs: list[Tensor]) -> Tensor:
    """Pass on: what the layer does, it does in training alone."""
    return inputs[0]


def _merge(operator: str) -> Convert:
    def convert(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
        if len({tensor.shape for tensor in inputs}) > 1:
            raise layer.refuse(f"its inputs differ in shape: {[t.shape for t in inputs]}")
        name = graph.add(operator, [tensor.name for tensor in inputs])
        kinds = {tensor.ends for tensor in inputs}
        # The mean of probabilities is one; their sum is not.
        ends = kinds.pop() if operator == "Mean" and len(kinds) == 1 else ""
        return Tensor(name, inputs[0].shape, ends)

    return convert


def _concatenate(graph: Graph, layer: Layer, inputs: list[Tensor]) -> Tensor:
    _check_last_axis(layer, inputs[0])
    if len({tensor.shape[1:] for tensor in inputs}) > 1:
        raise layer.refuse(f"its inputs differ in shape: {[t.shape for t in inputs]}")
    name = graph.add("Concat", [tensor.name for tensor in inputs], axis=1)
    shape = (sum(tensor.shape[0] for tensor in inputs), *inputs[0].shape[1:])
    each_is_one = all(t.ends == "sigmoid" and t.shape == (1,) for t in inputs)
    return Tensor(name, shape, "members" if each_is_one else "")


_POOL = frozenset({"pool_size", "strides", "padding"})
_AXIS = frozenset({"axis"})
_NONE: frozenset[str] = frozenset()

_LAYERS: Final[dict[str, tuple[Convert, frozenset[str], int | None]]] = {
    "Conv2D": (
        _convolution,
        frozenset(
            {"filters", "kernel_size", "strides", "padding", "dilation_rate", "groups"}
            | {"activation", "use_bias"}
        ),
        1,
    ),
    "MaxPooling2D": (_pooling("MaxPool"), _POOL, 1),
    "AveragePooling2D": (_pooling("AveragePool"), _POOL, 1),
    "GlobalMaxPooling2D": (_global_pooling("GlobalMaxPool"), frozenset({"keepdims"}), 1),
    "GlobalAveragePooling2D": (_global_pooling("GlobalAveragePool"), frozenset({"keepdims"}), 1),
    "Dense": (_dense, frozenset({"units", "activation", "use_bias"}), 1),
    "Flatten": (_flatten, _NONE, 1),
    "BatchNormalization": (
        _batch_normalization,
        _AXIS | {"momentum", "epsilon", "center", "scale"},
        1,
    ),
    "Rescaling": (_rescaling, frozenset({"scale", "offset"}), 1),
    "Normalization": (_normalization, _AXIS | {"mean", "variance"}, 1),
    "Activation": (_activation, frozenset({"activation"}), 1),
    "Softmax": (_softmax, _AXIS, 1),
    "ReLU": (_relu, frozenset({"max_value", "negative_slope", "threshold"}), 1),
    "LeakyReLU": (_leaky_relu, frozenset({"alpha", "negative_slope"}), 1),
    "ELU": (_elu, frozenset({"alpha"}), 1),
    "Dropout": (_unchanged, frozenset({"rate", "noise_shape"}), 1),
    "SpatialDropout2D": (_unchanged, frozenset({"rate", "noise_shape"}), 1),
    "GaussianNoise": (_unchanged, frozenset({"stddev"}), 1),
    "GaussianDropout": (_unchanged, frozenset({"rate"}), 1),
    "Average": (_merge("Mean"), _NONE, None),
    "Add": (_merge("Sum"), _NONE, None),
    "Maximum": (_merge("Max"), _NONE, None),
    "Concatenate": (_concatenate, _AXIS, None),
}
