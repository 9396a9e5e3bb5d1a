"""Networks that add up over the whole window what small fields in it give: textures.

Such a network looks at small fields, without padding, treats all of them alike, and adds up what
they give, over the window or its middle. What a field gives is the same for all windows that hold
it: it is computed once for the tile, some rows at a time, and added up for every window.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper

from minewatch.model._card import Card
from minewatch.model._onnx import PIXELS_INPUT, OnnxDetector
from minewatch.model._probability import read_scores
from minewatch.scan._dense import open_session
from minewatch.scan._dense_graph import PIXELWISE, attributes, write_part
from minewatch.scan._tile import PixelWindows, Values

_FIELDWISE: Final = PIXELWISE | {"Sqrt", "Neg", "Less", "Abs", "Square"}
_BLOCK_PX: Final = 700
_ROWS_AT_ONCE: Final = 24
"""Rows of fields that are computed at once: there are hundreds of channels."""


@dataclass(frozen=True)
class _Sum:
    """A sum over fields of the window: its name, of what, and from where to where."""

    name: str
    source: str
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class FieldSums:
    """The part of a graph that is shared, and what comes after its sums."""

    shared: Any
    """Runs the graph from the pixels of some rows to what fields give."""
    rest: Any
    """Runs what comes after the sums."""
    sums: tuple[_Sum, ...]
    """What is added up."""
    field_px: int
    """Pixels along a side of a field."""
    stride_px: int
    """Pixels from one field to the next."""

    @classmethod
    def of(cls, detector: OnnxDetector) -> Self | None:
        """Find the sums of a detector's graph; None if it does anything else with pixels."""
        model = onnx.load_from_string(detector.network)
        walk = _Walk(model, detector.card.size_px)
        rest = [node for node in model.graph.node if not walk.takes(node)]
        read = {name for node in rest for name in node.input}
        if not walk.sums or walk.reach[1] < 1 or read & walk.cells.keys():
            return None
        sources = list(dict.fromkeys(one.source for one in walk.sums))
        names = [one.name for one in walk.sums]
        others = [entry.name for entry in model.graph.input if entry.name != PIXELS_INPUT]
        n_bands = len(detector.card.bands)
        threads = detector.options.threads
        shared = write_part(model, walk.nodes, {PIXELS_INPUT: ["site", n_bands, "y", "x"]}, sources)
        inputs = dict.fromkeys(names) | {name: ["site", None] for name in others}
        after = write_part(model, rest, inputs, [model.graph.output[0].name])
        sessions = open_session(shared, threads), open_session(after, threads)
        return cls(*sessions, tuple(walk.sums), *walk.reach)

    def add_up(self, prepared: Values, windows: PixelWindows) -> dict[str, Values]:
        """Give the sums of windows whose rows and columns differ by multiples of the stride."""
        extent_rows, extent_columns = windows.extent
        tile = prepared[:, extent_rows, extent_columns]
        rows = (windows.rows - extent_rows.start) // self.stride_px
        columns = (windows.columns - extent_columns.start) // self.stride_px
        unique, row = np.unique(rows, return_inverse=True)
        summed = self._down(tile, [int(first) for first in unique])
        found = {}
        for one in self.sums:
            total = np.empty((len(windows), summed[one.name].shape[1]), dtype=np.float32)
            for column in np.unique(columns):
                part = summed[one.name][:, :, column + one.start : column + one.end].sum(axis=2)
                here = columns == column
                total[here] = part[row[here]]
            found[one.name] = total
        return found

    def _down(self, tile: Values, first_rows: list[int]) -> dict[str, Values]:
        """Add up over the rows of every row of windows: by sum, (row of windows, channel, x)."""
        n_rows = (tile.shape[1] - self.field_px) // self.stride_px + 1
        sources = list(dict.fromkeys(one.source for one in self.sums))
        summed: dict[str, Values] = {}
        for start in range(0, n_rows, _ROWS_AT_ONCE):
            end = min(start + _ROWS_AT_ONCE, n_rows)
            pixels = slice(start * self.stride_px, (end - 1) * self.stride_px + self.field_px)
            part = np.ascontiguousarray(tile[None, :, pixels])
            given = dict(zip(sources, self.shared.run(sources, {PIXELS_INPUT: part}), strict=True))
            for one in self.sums:
                values = given[one.source][0]
                if one.name not in summed:
                    shape = (len(first_rows), len(values), values.shape[2])
                    summed[one.name] = np.zeros(shape, dtype=np.float32)
                for i, first in enumerate(first_rows):
                    low, high = max(first + one.start, start), min(first + one.end, end)
                    if low < high:
                        summed[one.name][i] += values[:, low - start : high - start].sum(axis=1)
        return summed


@dataclass(frozen=True, eq=False)
class SumsNetwork:
    """A detector that takes nothing but sums over fields."""

    sums: FieldSums
    """The sums."""
    card: Card
    """Says what its numbers mean."""
    way: ClassVar[str] = "shared fields"
    """How `way_of_scoring` calls it."""

    @classmethod
    def of(cls, detector: OnnxDetector) -> Self | None:
        """Take a detector apart; None if it takes anything else."""
        if detector.card.context_columns or detector.card.preparation.statistics:
            return None
        sums = FieldSums.of(detector)
        return None if sums is None else cls(sums, detector.card)

    def score(self, prepared: Values, windows: PixelWindows, context: object = None) -> Values:  # noqa: ARG002
        """Score windows of a prepared tile (band, y, x): (window,)."""
        scores = np.empty(len(windows), dtype=np.float32)
        for chosen in windows.by_block(self.sums.stride_px, _BLOCK_PX):
            inputs = self.sums.add_up(prepared, windows[chosen])
            numbers = self.sums.rest.run(None, inputs)[0]
            scores[chosen] = read_scores(numbers, self.card, len(chosen))
        return scores


class _Walk:
    """One way through a graph, from the pixels to sums over fields."""

    def __init__(self, model: Any, size_px: int) -> None:
        self.size_px = size_px
        self.constants = {
            one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer
        }
        self.cells: dict[str, tuple[int, int, int, int]] = {PIXELS_INPUT: (1, 1, 0, size_px)}
        """Of each shared tensor: field, stride, first and end of the cells that are left."""
        self.cut_from: dict[str, str] = {}
        self.sums: list[_Sum] = []
        self.nodes: list[Any] = []
        self.reach = (0, 0)

    def takes(self, node: Any) -> bool:
        """Take a node into the shared part, if it belongs there."""
        tensors = [name for name in node.input if name and name not in self.constants]
        if not tensors or not all(name in self.cells for name in tensors):
            return False
        kinds = {self.cells[name] for name in tensors}
        is_cut = any(name in self.cut_from for name in tensors)
        if len(kinds) != 1:
            return False
        (cells,) = kinds
        if node.op_type == "Slice" and len(tensors) == 1 and not is_cut:
            return self._slice(node, cells)
        if node.op_type == "ReduceSum":
            return self._sum(node, cells)
        if is_cut:
            return False
        if node.op_type == "Conv":
            made = _slide(node, self.constants, cells)
        else:
            made = cells if node.op_type in _FIELDWISE and self._is_fieldwise(node) else None
        if made is None:
            return False
        self.cells[node.output[0]] = made
        self.nodes.append(node)
        return True

    def _is_fieldwise(self, node: Any) -> bool:
        shapes = [self.constants[name].shape for name in node.input if name in self.constants]
        return all(np.prod(s) == 1 or (len(s) in (3, 4) and s[-2:] == (1, 1)) for s in shapes)

    def _slice(self, node: Any, cells: tuple[int, int, int, int]) -> bool:
        given = [self.constants.get(name) for name in node.input[1:]]
        if len(given) != 3 or any(one is None for one in given):
            return False
        starts, ends, axes = (one.tolist() for one in given if one is not None)
        alike = len(set(starts)) == 1 and len(set(ends)) == 1 and sorted(axes) == [2, 3]
        if not alike or not 0 <= starts[0] < ends[0] <= cells[3]:
            return False
        self.cells[node.output[0]] = (*cells[:2], starts[0], ends[0])
        self.cut_from[node.output[0]] = node.input[0]
        return True

    def _sum(self, node: Any, cells: tuple[int, int, int, int]) -> bool:
        axes = self.constants.get(node.input[1]) if len(node.input) > 1 else None
        if axes is None or sorted(axes.tolist()) != [2, 3] or attributes(node).get("keepdims", 1):
            return False
        if self.sums and self.reach != cells[:2]:
            return False
        self.reach = cells[:2]
        source = self.cut_from.get(node.input[0], node.input[0])
        self.sums.append(_Sum(node.output[0], source, cells[2], cells[3]))
        return True


def _slide(
    node: Any, constants: Mapping[str, Any], cells: tuple[int, int, int, int]
) -> tuple[int, int, int, int] | None:
    """Give field, stride and cells after a convolution that pads nothing; None if it pads."""
    said, kernel = attributes(node), constants.get(node.input[1])
    strides = list(said.get("strides", [1, 1]))
    plain = not any(said.get("pads", [0])) and all(one == 1 for one in said.get("dilations", [1]))
    plain &= said.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    if kernel is None or not plain or len(set(strides)) != 1 or len(set(kernel.shape[2:])) != 1:
        return None
    field, stride, _, end = cells
    side, step = kernel.shape[2], int(strides[0])
    return field + (side - 1) * stride, stride * step, 0, (end - side) // step + 1
