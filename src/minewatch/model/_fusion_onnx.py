"""A detector's network and trees on context, joined into one ONNX graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minewatch.model._card import Card
from minewatch.model._forest_onnx import finish_model, import_onnx, read_forest, trees_node


def fuse_networks(
    base_network: bytes,
    base_card: Card,
    context_model: Any,
    *,
    n_context: int,
    weights: Sequence[float],
    least_score: float,
) -> bytes:
    """Join a base and trees on context; `score` is the logistic of their weighed logits.

    Parameters
    ----------
    base_network, base_card
        The base, as it is saved.
    context_model
        A forest of scikit-learn on the numbers of the context table.
    n_context
        How many numbers a site has.
    weights
        Of the base's evidence, of the context's, and what is added.
    least_score
        Scores are cut to this and 1 - this before the logit is taken.
    """
    onnx = import_onnx()
    helper = onnx.helper
    base = onnx.compose.add_prefix(
        onnx.load_from_string(base_network), "base_", rename_inputs=False
    )
    constants: dict[str, Any] = {
        "least": np.float32(least_score),
        "most": np.float32(1.0 - least_score),
        "one": np.float32(1.0),
        "base_weight": np.float32(weights[0]),
        "context_weight": np.float32(weights[1]),
        "bias": np.float32(weights[2]),
    }
    nodes = [*base.graph.node, *_score_nodes(base.graph.output[0].name, base_card)]
    constants["mining"] = np.array([base_card.output.index], dtype=np.int64)
    nodes.append(trees_node(read_forest(context_model), "context", "by_context"))
    for witness in ("by_base", "by_context"):
        nodes += [
            helper.make_node("Clip", [witness, "least", "most"], [f"{witness}_cut"]),
            helper.make_node("Sub", ["one", f"{witness}_cut"], [f"{witness}_against"]),
            helper.make_node("Div", [f"{witness}_cut", f"{witness}_against"], [f"{witness}_odds"]),
            helper.make_node("Log", [f"{witness}_odds"], [f"{witness}_logit"]),
        ]
    nodes += [
        helper.make_node("Mul", ["by_base_logit", "base_weight"], ["by_base_weighed"]),
        helper.make_node("Mul", ["by_context_logit", "context_weight"], ["by_context_weighed"]),
        helper.make_node("Add", ["by_base_weighed", "by_context_weighed"], ["weighed"]),
        helper.make_node("Add", ["weighed", "bias"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["score"]),
    ]
    tensors = [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    context = helper.make_tensor_value_info("context", onnx.TensorProto.FLOAT, ["site", n_context])
    return finish_model(
        nodes,
        [*base.graph.input, context],
        [*base.graph.initializer, *tensors],
        opsets={entry.domain: entry.version for entry in base.opset_import},
    )


def join_members(networks: Sequence[bytes], cards: Sequence[Card]) -> bytes:
    """Join networks into one whose `score` is (site, member)."""
    onnx = import_onnx()
    nodes: list[Any] = []
    constants: list[Any] = []
    inputs: dict[str, Any] = {}
    opsets: dict[str, int] = {}
    for i, (network, card) in enumerate(zip(networks, cards, strict=True)):
        member = onnx.compose.add_prefix(
            onnx.load_from_string(network), f"member{i}_", rename_inputs=False
        )
        nodes += [*member.graph.node]
        nodes += _score_nodes(member.graph.output[0].name, card, f"member{i}_")
        mining = np.array([card.output.index], dtype=np.int64)
        constants += [
            *member.graph.initializer,
            onnx.numpy_helper.from_array(mining, f"member{i}_mining"),
        ]
        inputs |= {entry.name: entry for entry in member.graph.input}
        opsets |= {entry.domain: entry.version for entry in member.opset_import}
    by_member = [f"member{i}_by_base" for i in range(len(networks))]
    nodes.append(onnx.helper.make_node("Concat", by_member, ["score"], axis=1))
    return finish_model(
        nodes, list(inputs.values()), constants, opsets=opsets, n_scores=len(networks)
    )


def _score_nodes(output: str, card: Card, prefix: str = "") -> list[Any]:
    """Make one score of what a network gives: (site, 1), `by_base`; needs the constant `mining`."""
    make, result = import_onnx().helper.make_node, [f"{prefix}by_base"]
    if card.output.kind == "members":
        return [make("ReduceMean", [output], result, axes=[1], keepdims=1)]
    return [make("Gather", [output, f"{prefix}mining"], result, axis=1)]
