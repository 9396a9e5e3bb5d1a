"""Decision trees as an ONNX node, without a converter: the arrays are scikit-learn's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

_OPSET: Final = 17
_ML_OPSET: Final = 5
_IR_VERSION: Final = 10
_SUM: Final = 1
_LESS_OR_EQUAL: Final = 0


@dataclass(frozen=True)
class Tree:
    """One tree: a node that asks has two followers, a leaf has a value."""

    feature: IntArray
    """The column that a node asks about."""
    threshold: FloatArray
    """It goes left if the column is at most this."""
    missing_left: BoolArray
    """Whether it goes left if the column is NaN."""
    left: IntArray
    """The node on the left; negative for a leaf."""
    right: IntArray
    """The node on the right."""
    value: FloatArray
    """What a leaf adds."""


def read_forest(forest: Any) -> list[Tree]:
    """Take the trees out of a forest of scikit-learn; the values of their leaves are P(mining)."""
    n_trees = len(forest.estimators_)
    trees = []
    for estimator in forest.estimators_:
        tree = estimator.tree_
        trees.append(
            Tree(
                feature=tree.feature,
                threshold=tree.threshold,
                missing_left=tree.missing_go_to_left.astype(np.bool_),
                left=tree.children_left,
                right=tree.children_right,
                value=tree.value[:, 0, 1] / n_trees,
            )
        )
    return trees


def floor_to_float32(values: FloatArray) -> npt.NDArray[np.float32]:
    """Give the largest float32 that is not above: float32 numbers fall on the same side of it.

    Examples
    --------
    >>> float(floor_to_float32(np.array([0.1]))[0]) <= 0.1
    True
    """
    rounded = values.astype(np.float32)
    above = rounded.astype(np.float64) > values
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded


def import_onnx() -> Any:
    """Import onnx on first use: who only loads a detector need not wait for it."""
    import onnx
    import onnx.checker
    import onnx.helper
    import onnx.numpy_helper

    return onnx


def trees_node(trees: Sequence[Tree], source: str, result: str) -> Any:
    """Make the ONNX node (ai.onnx.ml TreeEnsemble) that adds up what trees say: (site, 1)."""
    onnx = import_onnx()
    parts = _collect(trees)
    tensors = {
        "nodes_splits": floor_to_float32(parts["threshold"]),
        "nodes_modes": np.full(len(parts["threshold"]), _LESS_OR_EQUAL, dtype=np.uint8),
        "leaf_weights": parts["weight"].astype(np.float32),
    }
    integers = {
        "nodes_featureids": parts["feature"],
        "nodes_truenodeids": parts["left"],
        "nodes_trueleafs": parts["left_is_leaf"],
        "nodes_falsenodeids": parts["right"],
        "nodes_falseleafs": parts["right_is_leaf"],
        "nodes_missing_value_tracks_true": parts["missing_left"],
        "leaf_targetids": np.zeros(len(parts["weight"]), dtype=np.int64),
        "tree_roots": parts["root"],
    }
    return onnx.helper.make_node(
        "TreeEnsemble",
        [source],
        [result],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function=_SUM,
        post_transform=0,
        **{name: values.astype(np.int64).tolist() for name, values in integers.items()},
        **{name: onnx.numpy_helper.from_array(values) for name, values in tensors.items()},
    )


def _collect(trees: Sequence[Tree]) -> dict[str, AnyArray]:
    """Put the trees behind one another, leaves apart from the nodes that ask."""
    gathered: dict[str, list[AnyArray]] = {}
    n_nodes = n_leaves = 0
    for tree in trees:
        part = _split(tree, n_nodes, n_leaves)
        part["root"] = np.array([n_nodes])
        n_nodes += len(part["feature"])
        n_leaves += len(part["weight"])
        for name, values in part.items():
            gathered.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in gathered.items()}


def _split(tree: Tree, first_node: int, first_leaf: int) -> dict[str, AnyArray]:
    is_leaf = tree.left < 0
    if is_leaf[0]:  # a tree without a question: ask one, and give the same answer
        return {
            "feature": np.zeros(1, np.int64),
            "threshold": np.zeros(1),
            "missing_left": np.zeros(1, np.bool_),
            "left": np.array([first_leaf]),
            "left_is_leaf": np.ones(1, np.int64),
            "right": np.array([first_leaf]),
            "right_is_leaf": np.ones(1, np.int64),
            "weight": tree.value[:1],
        }
    place = np.where(is_leaf, first_leaf + np.cumsum(is_leaf), first_node + np.cumsum(~is_leaf)) - 1
    asks = np.flatnonzero(~is_leaf)
    left, right = tree.left[asks], tree.right[asks]
    return {
        "feature": tree.feature[asks],
        "threshold": tree.threshold[asks],
        "missing_left": tree.missing_left[asks],
        "left": place[left],
        "left_is_leaf": is_leaf[left],
        "right": place[right],
        "right_is_leaf": is_leaf[right],
        "weight": tree.value[is_leaf],
    }


def make_model(nodes: Sequence[Any], inputs: Sequence[tuple[str, int]]) -> bytes:
    """Make an ONNX model of nodes that end in `score` (site, 1).

    Parameters
    ----------
    nodes
        In the order in which they are run.
    inputs
        Name and width of each table of numbers that goes in: (site, width).
    """
    helper, kind = import_onnx().helper, import_onnx().TensorProto.FLOAT
    values = [helper.make_tensor_value_info(name, kind, ["site", width]) for name, width in inputs]
    return finish_model(nodes, values)


def finish_model(
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    constants: Sequence[Any] = (),
    *,
    opsets: Mapping[str, int] | None = None,
    n_scores: int = 1,
) -> bytes:
    """Make an ONNX model of nodes that end in `score` (site, n_scores), and check it.

    Parameters
    ----------
    nodes
        In the order in which they are run.
    inputs
        What goes in, as ONNX describes it.
    constants
        Tensors that nodes refer to by name.
    opsets
        Versions of the operators' sets, by domain; None for those that trees need.
    n_scores
        How many scores a site has.
    """
    onnx = import_onnx()
    helper = onnx.helper
    score = helper.make_tensor_value_info("score", onnx.TensorProto.FLOAT, ["site", n_scores])
    graph = helper.make_graph(list(nodes), "detector", inputs, [score], initializer=constants)
    versions = {"": _OPSET} | dict(opsets or {}) | {"ai.onnx.ml": _ML_OPSET}
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, n) for domain, n in versions.items()],
        ir_version=_IR_VERSION,
        producer_name="minewatch",
    )
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content
