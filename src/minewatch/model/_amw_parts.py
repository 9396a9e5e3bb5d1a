"""What a conversion is made of: a layer as its file describes it, and a graph in the making."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from minewatch.errors import InputError
from minewatch.model._amw_read import KerasFile, Weight
from minewatch.model._forest_onnx import import_onnx
from minewatch.types import AnyArray

OPSET: Final = 17
IR_VERSION: Final = 8
_MAX_SIDE: Final = 4096


@dataclass(frozen=True)
class Tensor:
    """What a layer gives."""

    name: str
    """Its name in the graph."""
    shape: tuple[int, ...]
    """Its shape without sites: (channel, y, x), or (number,)."""
    ends: str = ""
    """``sigmoid``, ``softmax`` or ``members`` if it consists of probabilities; else empty."""


@dataclass(frozen=True)
class Layer:
    """One layer as the file describes it."""

    path: tuple[str, ...]
    """Names from the outermost layer to this one."""
    kind: str
    """Keras' class name."""
    config: Mapping[str, Any]
    """Its settings."""
    file: KerasFile = field(repr=False)

    def weight(self, name: str, shape: tuple[int, ...]) -> Weight:
        """Find a weight and check its shape."""
        values = self.file.weight(self.path, name)
        if values.shape != shape:
            raise self.refuse(f"its {name} has shape {values.shape}; expected {shape}")
        return values

    def number(self, key: str, default: float) -> float:
        """Read a number of the settings."""
        value = self.config.get(key, default)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(f"{key} is {value!r}; expected a number")
        return float(value)

    def count(self, key: str) -> int:
        """Read a whole number, 1 or more, of the settings."""
        value = self.config.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.refuse(f"{key} is {value!r}; expected a whole number")
        return value

    def pair(self, key: str, default: object = None) -> tuple[int, int]:
        """Read a height and a width of the settings."""
        value = self.config.get(key)
        value = default if value is None else value
        both = (value, value) if isinstance(value, int) else value
        if (
            not isinstance(both, list | tuple)
            or len(both) != 2
            or not all(type(side) is int and 1 <= side <= _MAX_SIDE for side in both)
        ):
            raise self.refuse(f"{key} is {value!r}; expected two whole numbers")
        return both[0], both[1]

    def refuse(self, reason: str) -> InputError:
        """Make the error that names this layer."""
        return InputError(
            f"{self.file.path}: layer {'/'.join(self.path)} ({self.kind}) cannot be converted: "
            f"{reason}"
        )


class Graph:
    """An ONNX graph in the making."""

    def __init__(self) -> None:
        self.onnx = import_onnx()
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node and give the name of what it makes."""
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(
            self.onnx.helper.make_node(operator, list(inputs), [name], name=name, **attributes)
        )
        return name

    def constant(self, values: AnyArray) -> str:
        """Add an array and give its name."""
        name = f"constant_{len(self.constants)}"
        whole = np.ascontiguousarray(values)
        self.constants.append(self.onnx.numpy_helper.from_array(whole, name))
        return name
