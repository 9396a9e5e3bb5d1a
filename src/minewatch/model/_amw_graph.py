"""Whole Keras models as ONNX: rows of layers, graphs of layers, and models within models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from minewatch.errors import InputError
from minewatch.model._amw_layers import convert_layer
from minewatch.model._amw_parts import IR_VERSION, OPSET, Graph, Layer, Tensor
from minewatch.model._amw_read import KerasFile
from minewatch.model._card import Output
from minewatch.model._onnx import PIXELS_INPUT

SCORE_OUTPUT: Final = "score"
_SEQUENTIAL: Final = "Sequential"
_FUNCTIONAL: Final = ("Functional", "Model")
_MAX_DEPTH: Final = 8
_MAX_LAYERS: Final = 2_000
_MAX_SIDE: Final = 1_024


@dataclass(frozen=True)
class Network:
    """A Keras model as ONNX."""

    content: bytes
    """The bytes of ``model.onnx``."""
    n_bands: int
    """Bands it takes."""
    size_px: int
    """Pixels along a side of the patches it takes."""
    output: Output
    """What its numbers mean."""


def convert_network(file: KerasFile) -> Network:
    """Turn a Keras model into ONNX, input ``(site, band, y, x)``, output ``(site, number)``.

    Raises
    ------
    InputError
        If a layer, a setting or the way layers are joined is not known.
    """
    shape = _input_shape(file)
    walk = _Walk(file)
    tensor = walk.model(file.config, Tensor(PIXELS_INPUT, shape), ())
    output = _meaning(tensor, file)
    return Network(_write(walk.graph, shape, tensor), shape[0], shape[1], output)


class _Walk:
    """One way through a model, adding each layer that is met."""

    def __init__(self, file: KerasFile) -> None:
        self.file = file
        self.graph = Graph()
        self.n_layers = 0

    def model(self, model: Mapping[str, Any], tensor: Tensor, path: tuple[str, ...]) -> Tensor:
        kind, config = model.get("class_name"), model.get("config")
        where = "/".join(path) or "the model"
        if len(path) > _MAX_DEPTH:
            raise InputError(f"{self.file.path}: {where} lies too deep, in {len(path)} models")
        if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
            raise InputError(f"{self.file.path}: {where} has no list of layers")
        if kind == _SEQUENTIAL:
            for layer in config["layers"]:
                tensor = self._layer(layer, [tensor], path)
            return tensor
        if kind in _FUNCTIONAL:
            return self._functional(config, tensor, path)
        raise InputError(
            f"{self.file.path}: {where} is a {kind!r} and cannot be converted; expected "
            f"{_SEQUENTIAL} or {_FUNCTIONAL[0]}"
        )

    def _layer(self, layer: Any, inputs: list[Tensor], path: tuple[str, ...]) -> Tensor:
        if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict):
            raise InputError(f"{self.file.path}: {'/'.join(path) or 'the model'} has no layers")
        self.n_layers += 1
        if self.n_layers > _MAX_LAYERS:
            raise InputError(f"{self.file.path} has more than {_MAX_LAYERS:,} layers")
        kind, config = str(layer.get("class_name")), layer["config"]
        name = str(layer.get("name") or config.get("name"))
        here = Layer((*path, name), kind, config, self.file)
        if len(inputs) == 1 and kind == "InputLayer":
            return inputs[0]
        if kind == _SEQUENTIAL or kind in _FUNCTIONAL:
            if len(inputs) != 1:
                raise here.refuse(f"it has {len(inputs)} inputs; expected 1")
            return self.model(layer, inputs[0], here.path)
        _check_type(here)
        return convert_layer(self.graph, here, inputs)

    def _functional(
        self, config: Mapping[str, Any], tensor: Tensor, path: tuple[str, ...]
    ) -> Tensor:
        """Convert a graph of layers, whatever the order in which they are listed."""
        layers = {str(layer.get("name")): layer for layer in config["layers"]}
        first = self._only(config, "input_layers", path)
        last = self._only(config, "output_layers", path)
        made = {first: tensor}
        under_way: set[str] = set()
        waiting = [last]
        while waiting:
            name = waiting[-1]
            if name in made:
                waiting.pop()
                continue
            if name not in layers:
                raise InputError(f"{self.file.path}: there is no layer {name!r}, which others take")
            sources = self._sources(layers[name], path)
            missing = [source for source in sources if source not in made]
            if missing and name in under_way:
                raise InputError(f"{self.file.path}: layer {name!r} takes what comes out of itself")
            under_way.add(name)
            waiting += missing
            if not missing:
                made[name] = self._layer(layers[name], [made[one] for one in sources], path)
        return made[last]

    def _only(self, config: Mapping[str, Any], key: str, path: tuple[str, ...]) -> str:
        """Read the one input or output of a model; Keras 3 leaves out the outer list."""
        ends = config.get(key)
        if isinstance(ends, list) and len(ends) == 3 and isinstance(ends[0], str):
            ends = [ends]
        if not isinstance(ends, list) or len(ends) != 1 or not isinstance(ends[0], list):
            found = len(ends) if isinstance(ends, list) else 0
            raise InputError(
                f"{self.file.path}: {'/'.join(path) or 'the model'} has {found} {key}; expected one"
            )
        return str(ends[0][0])

    def _sources(self, layer: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
        """List the layers that a layer takes from, as Keras 2 and Keras 3 write it."""
        calls = layer.get("inbound_nodes")
        where = "/".join((*path, str(layer.get("name"))))
        if not isinstance(calls, list) or len(calls) != 1:
            found = len(calls) if isinstance(calls, list) else 0
            raise InputError(
                f"{self.file.path}: layer {where} is used {found} times; expected once"
            )
        if isinstance(calls[0], dict):
            histories = _histories(calls[0].get("args"))
        else:
            histories = [entry[:3] for entry in calls[0] if isinstance(entry, list)]
        if not histories or any(len(one) != 3 or one[2] != 0 for one in histories):
            raise InputError(f"{self.file.path}: it is not clear what layer {where} takes")
        return [str(one[0]) for one in histories]


def _histories(arguments: Any) -> list[list[Any]]:
    """Find the tensors in the arguments of a call, as Keras 3 writes them."""
    found: list[list[Any]] = []
    if isinstance(arguments, dict):
        config = arguments.get("config")
        history = config.get("keras_history") if isinstance(config, dict) else None
        if isinstance(history, list):
            found.append(history)
    elif isinstance(arguments, list):
        for argument in arguments:
            found += _histories(argument)
    return found


def _check_type(layer: Layer) -> None:
    said = layer.config.get("dtype", "float32")
    if isinstance(said, dict):
        policy = said.get("config")
        said = policy.get("name") if isinstance(policy, dict) else None
    if said not in (None, "float32"):
        raise layer.refuse(f"it computes in {said!r}; expected float32")


def _input_shape(file: KerasFile) -> tuple[int, int, int]:
    config = file.config["config"]
    layers = config.get("layers")
    first = layers[0] if isinstance(layers, list) and layers else None
    inner = first.get("config") if isinstance(first, dict) else None
    said = None
    if isinstance(inner, dict):
        said = inner.get("batch_input_shape") or inner.get("batch_shape")
    said = said or config.get("build_input_shape")
    if not isinstance(said, list) or not all(type(n) is int for n in said[1:]):
        raise InputError(f"{file.path} does not say what it takes ({said!r}); expected a patch")
    if len(said) != 4:
        raise InputError(
            f"{file.path} takes {said[1:]} and not a patch (y, x, band): it is no patch detector, "
            "but perhaps one of embeddings"
        )
    height, width, n_bands = said[1:]
    if height != width or not 1 <= height <= _MAX_SIDE or not 1 <= n_bands <= _MAX_SIDE:
        raise InputError(f"{file.path} takes {said[1:]} (y, x, band); expected a square patch")
    return n_bands, height, width


def _meaning(tensor: Tensor, file: KerasFile) -> Output:
    """Say what the last numbers mean, by the rules of the makers' own code.

    One number is the probability of mining; of two classes the second is mining; several single
    probabilities side by side are an ensemble's, and their mean counts.
    """
    if tensor.ends == "sigmoid" and tensor.shape == (1,):
        return Output(kind="probability")
    if tensor.ends in ("softmax", "sigmoid") and tensor.shape == (2,):
        return Output(kind="classes", index=1)
    if tensor.ends == "members":
        return Output(kind="members")
    raise InputError(
        f"{file.path} ends in {tensor.shape} numbers of the kind {tensor.ends or 'unbounded'!r}; "
        "expected one sigmoid, a softmax of two classes, or several single sigmoids side by side"
    )


def _write(graph: Graph, shape: tuple[int, int, int], tensor: Tensor) -> bytes:
    onnx = graph.onnx
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    graph.nodes.append(helper.make_node("Identity", [tensor.name], [SCORE_OUTPUT], name="end"))
    made = helper.make_graph(
        graph.nodes,
        "detector",
        [helper.make_tensor_value_info(PIXELS_INPUT, floats, ["site", *shape])],
        [helper.make_tensor_value_info(SCORE_OUTPUT, floats, ["site", *tensor.shape])],
        graph.constants,
    )
    model = helper.make_model(
        made, producer_name="minewatch", opset_imports=[helper.make_opsetid("", OPSET)]
    )
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content
