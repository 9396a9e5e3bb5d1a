"""Read a Keras ``.h5`` model without Keras: its layers as JSON, its weights as arrays.

Nothing in such a file is ever run. Links to other files, datasets that lie in other files and
declared sizes beyond all reason are refused before anything is read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from minewatch import _store
from minewatch.errors import InputError, MissingExtraError, NotThereError, UnsafeError
from minewatch.types import StrPath

Weight = npt.NDArray[np.float32]

MAX_FILE_BYTES: Final = 1 << 30
MAX_NUMBERS: Final = 1 << 27
"""Most numbers in all weights of a file: half a gigabyte of them."""
_MAX_LAYERS: Final = 2_000
_MAX_DIMS: Final = 4
_GARBLED: Final = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError)
"""What h5py raises where a file is damaged."""


@dataclass(frozen=True)
class KerasFile:
    """A Keras model as its file describes it."""

    path: Path
    """The file."""
    sha256: str
    """SHA-256 of its bytes, in hexadecimal."""
    config: Mapping[str, Any]
    """The model's description: `class_name` and `config`."""
    keras_version: str
    """The Keras that wrote it; empty if it does not say."""
    weights: Mapping[str, Mapping[tuple[str, ...], Weight]]
    """By layer of the outermost model: its weights by the parts of their names."""

    def weight(self, layer: tuple[str, ...], name: str) -> Weight:
        """Find one weight of one layer.

        Parameters
        ----------
        layer
            Names from the outermost layer to the one that owns the weight.
        name
            ``kernel``, ``bias``, ``gamma``, …

        Raises
        ------
        InputError
            If the file holds no such weight, or several that could be meant.
        """
        stored = self.weights.get(layer[0], {})
        fitting = [parts for parts in stored if parts[-1].partition(":")[0] == name]
        if len(layer) > 1:
            fitting = [parts for parts in fitting if layer[-1] in parts[:-1]]
        if len(fitting) > 1:
            fitting = [parts for parts in fitting if set(layer[1:]) <= set(parts[:-1])]
        if len(fitting) != 1:
            what = "no" if not fitting else f"{len(fitting)} weights that may be the"
            raise InputError(
                f"{self.path} holds {what} {name} of layer {'/'.join(layer)}; it cannot be "
                "converted"
            )
        return stored[fitting[0]]


def read_keras(path: StrPath) -> KerasFile:
    """Read a Keras model from an HDF5 file.

    Raises
    ------
    NotThereError
        If there is no such file.
    InputError
        If it is not HDF5, holds no model, is garbled or too large.
    UnsafeError
        If it refers to other files.
    MissingExtraError
        If h5py is not installed.
    """
    file = Path(path)
    if not file.is_file():
        raise NotThereError(f"{file} does not exist; expected a Keras model saved as .h5")
    if file.stat().st_size > MAX_FILE_BYTES:
        raise InputError(f"{file} has {file.stat().st_size:,} bytes; that is no patch detector")
    h5py = _import_h5py()
    sha256 = _store.digest_file(file).removeprefix("sha256:")
    try:
        with h5py.File(file, "r") as opened:
            config = _read_config(opened, file)
            version = _text(opened.attrs.get("keras_version", ""))
            weights = _read_weights(opened, file, h5py)
    except _GARBLED as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file} is not a readable Keras .h5 model: {error}") from error
    return KerasFile(file, sha256, config, version, weights)


def _import_h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(
            "reading Keras models needs h5py: pip install 'minewatch[convert]'"
        ) from error
    return h5py


def _read_config(opened: Any, file: Path) -> Mapping[str, Any]:
    if "model_config" not in opened.attrs:
        raise InputError(
            f"{file} holds no model_config: it is not a whole Keras model, but perhaps its weights "
            "alone; save it with model.save"
        )
    try:
        config = json.loads(_text(opened.attrs["model_config"]))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: its model_config is not readable JSON ({error})") from error
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise InputError(f"{file}: its model_config describes no model")
    return config


def _read_weights(opened: Any, file: Path, h5py: Any) -> dict[str, dict[tuple[str, ...], Weight]]:
    root = _child(opened, "model_weights", file, h5py)
    names = _names(root, "layer_names")
    if len(names) > _MAX_LAYERS:
        raise InputError(f"{file} lists {len(names):,} layers; that is no patch detector")
    weights: dict[str, dict[tuple[str, ...], Weight]] = {}
    left = MAX_NUMBERS
    for layer in names:
        group = _child(root, layer, file, h5py)
        stored = {}
        for name in _names(group, "weight_names"):
            parts = tuple(name.split("/"))
            stored[parts] = _read_weight(group, parts, file, h5py, left)
            left -= stored[parts].size
        weights[layer] = stored
    return weights


def _read_weight(group: Any, parts: tuple[str, ...], file: Path, h5py: Any, left: int) -> Weight:
    node = group
    for part in parts:
        node = _child(node, part, file, h5py)
    where = "/".join(parts)
    if not isinstance(node, h5py.Dataset):
        raise InputError(f"{file}: weight {where} is not an array")
    if node.is_virtual or node.external:
        raise UnsafeError(f"{file}: weight {where} lies in another file; it was not opened")
    if node.dtype.kind not in "fiu" or node.ndim > _MAX_DIMS or node.size > left:
        raise InputError(
            f"{file}: weight {where} is {node.dtype} of shape {node.shape}; that is no weight of a "
            "patch detector"
        )
    values = np.asarray(node[()], dtype=np.float32)
    if not np.isfinite(values).all():
        raise InputError(f"{file}: weight {where} holds NaN or infinite numbers")
    return values


def _child(group: Any, name: str, file: Path, h5py: Any) -> Any:
    """Open what a group holds, unless it is a link: one may lead to another file."""
    link = group.get(name, getlink=True)
    if link is None:
        raise InputError(f"{file} holds no {name} in {group.name}; it is not a whole Keras model")
    if not isinstance(link, h5py.HardLink):
        raise UnsafeError(
            f"{file}: {name} is a link to {getattr(link, 'filename', link.path)}; it was not opened"
        )
    return group[name]


def _names(group: Any, attribute: str) -> list[str]:
    """Read a list of names; Keras cuts long ones into ``…0``, ``…1``, and so on."""
    if attribute in group.attrs:
        return [_text(name) for name in group.attrs[attribute]]
    names: list[str] = []
    part = 0
    while f"{attribute}{part}" in group.attrs:
        names += [_text(name) for name in group.attrs[f"{attribute}{part}"]]
        part += 1
    return names


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
