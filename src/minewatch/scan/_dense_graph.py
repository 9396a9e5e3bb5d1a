"""The first block of a network that pads its patches with zeros, taken out of its graph.

All that stands between the pixels and the first pooling is the block: convolutions that pad, and
what treats every pixel alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
import onnx.compose
import onnx.helper
import onnx.numpy_helper

from minewatch.model._onnx import PIXELS_INPUT

PIXELWISE: Final = frozenset(
    {
        "Add", "BatchNormalization", "Cast", "Clip", "Div", "Elu", "Identity", "IsNaN", "LeakyRelu",
        "Max", "Min", "Mul", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Sub", "Tanh",
        "Where",
    }
)  # fmt: skip
"""Operators that treat every pixel alike, if their constants are one number for a channel."""
_POOLS: Final = frozenset({"MaxPool", "AveragePool"})


@dataclass(frozen=True, eq=False)
class FirstBlock:
    """The first block of a graph, perhaps of several members side by side."""

    model: Any
    """The whole graph, as onnx reads it."""
    n_nodes: int
    """How many of its nodes belong to the block: they come first in `order`."""
    order: tuple[Any, ...]
    """The nodes, those of the block first."""
    ends: tuple[str, ...]
    """Names of what the block gives: one tensor (site, channel, row, column) for each member."""
    margin_px: int
    """Pixels from the edge of a patch within which zeros outside it have an effect."""
    pool_px: int
    """Pixels along a side of the squares that are pooled at its end."""

    def part(self, pads: tuple[int, int, int, int], *, turned: bool = False) -> bytes:
        """Give the block as a graph of its own that pads only where it is told to.

        Parameters
        ----------
        pads
            1 or 0 for top, left, bottom and right: whether each convolution pads there.
        turned
            Whether rows and columns change places, in what goes in and in what comes out.
        """
        constants = {tensor.name: tensor for tensor in self.model.graph.initializer}
        nodes, turned_names = [], set()
        for node in self.order[: self.n_nodes]:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            if node.op_type == "Conv":
                reach = _pads(node)
                _set(copy, "pads", [reach * side for side in pads])
                turned_names |= {node.input[1]} if turned else set()
            nodes.append(copy)
        kept = {
            name: _turn(tensor) if name in turned_names else tensor
            for name, tensor in constants.items()
        }
        source = next(entry for entry in self.model.graph.input if entry.name == PIXELS_INPUT)
        n_bands = source.type.tensor_type.shape.dim[1].dim_value
        inputs = {PIXELS_INPUT: ["site", n_bands, "y", "x"]}
        return write_part(self.model, nodes, inputs, self.ends, kept)

    def rest(self) -> bytes:
        """Give what comes after the block as a graph of its own; it takes the block's ends."""
        outputs = [self.model.graph.output[0].name]
        shapes = dict.fromkeys(self.ends, ("site", None, "y", "x"))
        return write_part(self.model, self.order[self.n_nodes :], shapes, outputs)


def write_part(
    model: Any,
    nodes: Sequence[Any],
    inputs: Mapping[str, Any],
    outputs: Iterable[str],
    constants: Mapping[str, Any] | None = None,
) -> bytes:
    """Write some nodes of a graph as a graph of its own.

    Parameters
    ----------
    model
        The graph, as onnx reads it.
    nodes
        The nodes, in the order in which they run.
    inputs
        What they take, with its shape; None if that is left open.
    outputs
        Names of what they give.
    constants
        Tensors by name, where others than the graph's own.
    """
    make, kind = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    known = {one.name: one for one in model.graph.initializer} if constants is None else constants
    used = {name for node in nodes for name in node.input}
    graph = onnx.helper.make_graph(
        nodes,
        "part",
        [make(name, kind, shape) for name, shape in inputs.items()],
        [make(name, kind, None) for name in outputs],
        [tensor for name, tensor in known.items() if name in used],
    )
    made = onnx.helper.make_model(
        graph, opset_imports=model.opset_import, ir_version=model.ir_version
    )
    content: bytes = made.SerializeToString(deterministic=True)
    return content


def find_first_block(network: bytes, size_px: int) -> FirstBlock | None:
    """Find the first block of a graph; None if windows cannot share it.

    They can if everything that comes from the pixels goes through convolutions of stride 1 that pad
    so that the size stays, and through operators that treat all pixels alike, and then through a
    pooling of squares side by side that divide the patch; all members alike.
    """
    model = onnx.load_from_string(network)
    if [entry.name for entry in model.graph.input] != [PIXELS_INPUT]:
        return None
    walk = _Walk({tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer})
    rest = [node for node in model.graph.node if not walk.takes(node)]
    reads = {name for node in rest for name in node.input}
    reads |= {output.name for output in model.graph.output}
    shapes = set(walk.ends.values())
    if len(shapes) != 1 or reads & walk.margins.keys():
        return None
    margin, pool = shapes.pop()
    if margin < 1 or size_px % pool or size_px <= 2 * _ring(margin, pool):
        return None
    order = (*walk.nodes, *rest)
    return FirstBlock(model, len(walk.nodes), order, tuple(walk.ends), margin, pool)


def _ring(margin: int, pool: int) -> int:
    return -(-margin // pool) * pool


class _Walk:
    """One way through a graph, from the pixels to the first poolings."""

    def __init__(self, constants: dict[str, tuple[int, ...]]) -> None:
        self.constants = constants
        self.margins: dict[str, int] = {PIXELS_INPUT: 0}
        """Of each tensor of the block: how far zeros outside the patch have come in."""
        self.ends: dict[str, tuple[int, int]] = {}
        """Of each pooled tensor: margin and side of the squares."""
        self.nodes: list[Any] = []

    def takes(self, node: Any) -> bool:
        """Take a node into the block, if it belongs there."""
        tensors = [name for name in node.input if name and name not in self.constants]
        if not tensors or not all(name in self.margins for name in tensors):
            return False
        margin = max(self.margins[name] for name in tensors)
        if node.op_type == "Conv" and (reach := _pads(node)):
            self.margins[node.output[0]] = margin + reach
        elif node.op_type in PIXELWISE and self._is_pixelwise(node, margin):
            self.margins[node.output[0]] = margin
        elif node.op_type in _POOLS and (side := _squares(node)):
            self.ends[node.output[0]] = (margin, side)
        else:
            return False
        self.nodes.append(node)
        return True

    def _is_pixelwise(self, node: Any, margin: int) -> bool:
        if any(self.margins.get(name, margin) != margin for name in node.input):
            return False
        if node.op_type == "BatchNormalization":
            return len(node.output) == 1
        shapes = [self.constants[name] for name in node.input if name in self.constants]
        return all(np.prod(s) == 1 or (len(s) in (3, 4) and s[-2:] == (1, 1)) for s in shapes)


def attributes(node: Any) -> dict[str, Any]:
    """Give a node's attributes by name."""
    return {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}


def _pads(node: Any) -> int:
    """Give by how much a convolution pads on every side if the size stays; else 0."""
    said = attributes(node)
    kernel = list(said.get("kernel_shape", []))
    pads = list(said.get("pads", []))
    plain = all(step == 1 for key in ("strides", "dilations") for step in said.get(key, [1]))
    named = said.get("auto_pad", b"NOTSET") == b"NOTSET"
    if len(kernel) != 2 or len(pads) != 4 or not plain or not named or len(set(pads)) != 1:
        return 0
    reach = int(pads[0])
    return reach if all(side == 2 * reach + 1 for side in kernel) else 0


def _squares(node: Any) -> int:
    """Give the side of the squares that a pooling pools, if they lie side by side; else 0."""
    said = attributes(node)
    kernel, strides = list(said.get("kernel_shape", [])), list(said.get("strides", []))
    plain = not any(said.get("pads", [0])) and not said.get("ceil_mode", 0)
    plain &= all(step == 1 for step in said.get("dilations", [1]))
    plain &= said.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    return int(kernel[0]) if plain and len(set(kernel)) == 1 and kernel == strides else 0


def _set(node: Any, name: str, values: Sequence[int]) -> None:
    for attribute in list(node.attribute):
        if attribute.name == name:
            node.attribute.remove(attribute)
    node.attribute.append(onnx.helper.make_attribute(name, values))


def _turn(tensor: Any) -> Any:
    """Let rows and columns of a kernel change places."""
    values = onnx.numpy_helper.to_array(tensor).swapaxes(2, 3)
    return onnx.numpy_helper.from_array(np.ascontiguousarray(values), tensor.name)
