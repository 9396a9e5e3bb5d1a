"""What trees in a graph ask, and whether an answer hangs on the last digits of a number."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper

from minewatch.model._onnx import STATISTICS_INPUT
from minewatch.scan._tile import Values
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Forest:
    """The trees of one ONNX node (ai.onnx.ml TreeEnsemble); all of them ask "at most?"."""

    roots: IntArray
    """(tree,) the node that asks first."""
    column: IntArray
    """(node,) the column that is asked about."""
    split: FloatArray
    """(node,) the threshold."""
    when_missing: BoolArray
    """(node,) the answer if nothing is known."""
    after_yes: IntArray
    """(node,) the node that asks next; negative where a leaf answers."""
    after_no: IntArray
    """(node,) the same, where the number is above the threshold."""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self | None:
        """Read the attributes of a node; None if its trees ask something else."""
        modes = onnx.numpy_helper.to_array(said["nodes_modes"])
        if modes.any() or said.get("membership_values") is not None:
            return None
        split = onnx.numpy_helper.to_array(said["nodes_splits"]).astype(np.float64)
        missing = said.get("nodes_missing_value_tracks_true", [0] * len(split))
        follow = [
            np.where(said[f"nodes_{answer}leafs"], -1, said[f"nodes_{answer}nodeids"])
            for answer in ("true", "false")
        ]
        return cls(
            np.asarray(said["tree_roots"]),
            np.asarray(said["nodes_featureids"]),
            split,
            np.asarray(missing, dtype=np.bool_),
            *follow,
        )

    def is_settled(self, numbers: Values, errors: AnyArray) -> BoolArray:
        """Tell of each site whether every question on its way has the same answer for sure.

        Parameters
        ----------
        numbers
            (site, column), NaN where nothing is known.
        errors
            (site, column) by how much a number may be wrong. NaN: by any amount. A number that is
            not known is so for sure where its error is nought.
        """
        sites, trees = len(numbers), len(self.roots)
        settled = np.ones(sites, dtype=np.bool_)
        site = np.repeat(np.arange(sites), trees)
        node = np.tile(self.roots, sites)
        while len(site):
            column, split = self.column[node], self.split[node]
            number = numbers[site, column].astype(np.float64)
            unknown, error = np.isnan(number), errors[site, column]
            is_sure = np.where(unknown, error == 0, np.abs(number - split) > error)
            settled[site[~is_sure]] = False
            answer = np.where(unknown, self.when_missing[node], number <= split)
            node = np.where(answer, self.after_yes[node], self.after_no[node])
            goes_on = (node >= 0) & settled[site]
            site, node = site[goes_on], node[goes_on]
        return settled


def find_forests(network: bytes) -> list[Forest] | None:
    """Find the trees of a graph that ask about statistics, and about what is put behind them.

    None if there are none, or if something else than trees takes statistics.
    """
    model = onnx.load_from_string(network)
    holds = {STATISTICS_INPUT}  # tensors whose first columns are the statistics
    forests: list[Forest] = []
    for node in model.graph.node:
        if not holds.intersection(node.input):
            continue
        said = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type == "Identity" or _begins_with_them(node, said):
            holds.add(node.output[0])
        elif node.op_type == "TreeEnsemble" and (forest := Forest.of(said)) is not None:
            forests.append(forest)
        else:
            return None
    return forests or None


def _begins_with_them(node: Any, said: Mapping[str, Any]) -> bool:
    """Tell whether a node puts the context behind the statistics of each site."""
    expected = [STATISTICS_INPUT, "context"]
    return node.op_type == "Concat" and said.get("axis") in (1, -1) and node.input == expected
