"""Trained networks as one ONNX graph: normalisation, every member, and the mean of their scores."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from minewatch.model._amw_parts import IR_VERSION, OPSET, Graph
from minewatch.model._cnn_layers import Network, Normalisation, Pool
from minewatch.model._onnx import PIXELS_INPUT
from minewatch.types import AnyArray

SCORE_OUTPUT: Final = "score"
MAP_OUTPUT: Final = "score_map"
DENSE_KEY: Final = "minewatch.dense"
"""Key in the metadata of a graph that may be run over tiles; its value is JSON."""

Weights = Mapping[str, AnyArray]


def write_network(
    network: Network, normalisation: Normalisation, members: Sequence[Weights]
) -> bytes:
    """Write an ensemble as ONNX; `pixels` is reflectance, NaN where nothing is known.

    Parameters
    ----------
    network
        The layout that all members share.
    normalisation
        What comes before the first convolution.
    members
        The weights of each member, as torch names them.

    Returns
    -------
    bytes
        A graph with the input ``pixels`` (site, band, y, x). Of a dense network y and x are free,
        and it has two outputs: ``score`` (site, window) and ``score_map`` (site, row, column), the
        same numbers. A patch has one window. A tile has one at every `Network.stride_px` pixels,
        from its upper left corner, row by row: window (i, j) is the patch whose upper left pixel
        is (i, j) × stride_px, and its score is that patch's.
    """
    graph = Graph()
    prepared = _normalise(graph, normalisation)
    scores = [_member(graph, network, prepared, weights, i) for i, weights in enumerate(members)]
    mean = scores[0] if len(scores) == 1 else graph.add("Mean", scores)
    _finish(graph, SCORE_OUTPUT, "Flatten", [mean], axis=1)
    if network.is_dense:
        channel = graph.constant(np.array([1], dtype=np.int64))
        _finish(graph, MAP_OUTPUT, "Squeeze", [mean, channel])
    return _serialise(graph, network, len(normalisation.mean), len(members))


def _normalise(graph: Graph, normalisation: Normalisation) -> str:
    low, high, mean, deviation = (
        graph.constant(values.astype(np.float32).reshape(1, -1, 1, 1))
        for values in (
            normalisation.low,
            normalisation.high,
            normalisation.mean,
            normalisation.deviation,
        )
    )
    known = graph.add("Where", [graph.add("IsNaN", [PIXELS_INPUT]), mean, PIXELS_INPUT])
    cut = graph.add("Max", [graph.add("Min", [known, high]), low])
    return graph.add("Div", [graph.add("Sub", [cut, mean]), deviation])


def _member(graph: Graph, network: Network, tensor: str, weights: Weights, number: int) -> str:
    position = 0
    for layer in network.layers:
        if isinstance(layer, Pool):
            side = [layer.size, layer.size]
            tensor = graph.add("MaxPool", [tensor], kernel_shape=side, strides=side)
            position += 1
            continue
        kernel, bias = _convolution(weights, position, has_norm=network.is_dense)
        pads = [1, 1, 1, 1] if layer.padding == "same" else [0, 0, 0, 0]
        names = [tensor, graph.constant(kernel), graph.constant(bias)]
        tensor = graph.add("Relu", [graph.add("Conv", names, kernel_shape=[3, 3], pads=pads)])
        position += 3 if network.is_dense else 2
    tensor = _named(graph, f"features_{number}", tensor)
    logit = (_window_head if network.is_dense else _flat_head)(graph, network, tensor, weights)
    return graph.add("Sigmoid", [logit])


def _convolution(weights: Weights, position: int, *, has_norm: bool) -> tuple[AnyArray, AnyArray]:
    """Give kernel and bias of a convolution, its batch normalisation folded in."""
    kernel = weights[f"features.{position}.weight"].astype(np.float64)
    if not has_norm:
        return kernel.astype(np.float32), weights[f"features.{position}.bias"]
    norm = f"features.{position + 1}"
    gain = weights[f"{norm}.weight"] / np.sqrt(
        weights[f"{norm}.running_var"].astype(np.float64) + 1e-5
    )
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain
    return (kernel * gain[:, None, None, None]).astype(np.float32), bias.astype(np.float32)


def _window_head(graph: Graph, network: Network, features: str, weights: Weights) -> str:
    """Pool the features of every window and weigh them: (site, 1, row, column).

    Weighing and taking a mean may change places, so means are taken of two channels only.
    """
    cells, margin = network.cells, network.margin_cells
    n_features = weights["head.1.weight"].shape[1] // 3
    by_kind = weights["head.1.weight"].reshape(3, 1, n_features, 1, 1).astype(np.float32)
    of_mean, of_largest, of_middle = (graph.constant(kind) for kind in by_kind)
    mean = _pool(graph, graph.add("Conv", [features, of_mean]), cells)
    middle = _pool(graph, graph.add("Conv", [features, of_middle]), cells - 2 * margin)
    if margin:
        start, end, axes = (
            graph.constant(np.array(numbers, dtype=np.int64))
            for numbers in ([margin, margin], [-margin, -margin], [2, 3])
        )
        middle = graph.add("Slice", [middle, start, end, axes])
    rows = graph.add("MaxPool", [features], kernel_shape=[cells, 1])
    largest = graph.add("MaxPool", [rows], kernel_shape=[1, cells])
    bias = graph.constant(weights["head.1.bias"].astype(np.float32))
    weighed = graph.add("Conv", [largest, of_largest, bias])
    return graph.add("Sum", [mean, middle, weighed])


def _pool(graph: Graph, tensor: str, cells: int) -> str:
    return graph.add("AveragePool", [tensor], kernel_shape=[cells, cells])


def _flat_head(graph: Graph, network: Network, features: str, weights: Weights) -> str:
    tensor = graph.add("Flatten", [features], axis=1)
    for layer in range(len(network.hidden) + 1):
        at = f"head.{3 * layer}"
        names = [graph.constant(weights[f"{at}.{part}"]) for part in ("weight", "bias")]
        tensor = graph.add("Gemm", [tensor, *names], transB=1)
        tensor = graph.add("Relu", [tensor]) if layer < len(network.hidden) else tensor
    return tensor


def _named(graph: Graph, name: str, tensor: str) -> str:
    _finish(graph, name, "Identity", [tensor])
    return name


def _finish(graph: Graph, name: str, operator: str, inputs: list[str], **attributes: Any) -> None:
    graph.nodes.append(
        graph.onnx.helper.make_node(operator, inputs, [name], name=name, **attributes)
    )


def _serialise(graph: Graph, network: Network, n_bands: int, n_members: int) -> bytes:
    onnx = graph.onnx
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    size = network.size_px
    sides: list[str | int] = ["y", "x"] if network.is_dense else [size, size]
    outputs = (
        [(SCORE_OUTPUT, ["site", "window"])] if network.is_dense else [(SCORE_OUTPUT, ["site", 1])]
    )
    outputs += [(MAP_OUTPUT, ["site", "row", "column"])] if network.is_dense else []
    made = helper.make_graph(
        graph.nodes,
        "detector",
        [helper.make_tensor_value_info(PIXELS_INPUT, floats, ["site", n_bands, *sides])],
        [helper.make_tensor_value_info(name, floats, shape) for name, shape in outputs],
        graph.constants,
    )
    model = helper.make_model(
        made, producer_name="minewatch", opset_imports=[helper.make_opsetid("", OPSET)]
    )
    model.ir_version = IR_VERSION
    if network.is_dense:
        facts = dense_facts(network, n_members)
        helper.set_model_props(model, {DENSE_KEY: json.dumps(facts, sort_keys=True)})
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def dense_facts(network: Network, n_members: int) -> dict[str, object]:
    """Say how windows share a dense network's work: what stands in the graph's metadata."""
    return {
        "window_px": network.size_px,
        "stride_px": network.stride_px,
        "field_px": network.field_px,
        "cells": network.cells,
        "features": [f"features_{number}" for number in range(n_members)],
        "scores": MAP_OUTPUT,
    }
