"""Makers of small detectors: ONNX from text, Keras files by h5py, pixels with names."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx.parser
import onnxruntime
import pytest
import xarray as xr
from scipy.special import expit

from minewatch import _store
from minewatch.model._amw_graph import convert_network
from minewatch.model._amw_read import read_keras
from minewatch.model._card import Card
from minewatch.model._onnx import OnnxDetector, RunOptions


def make_pixels(values, bands, *, level="L1C", resolution_m=10.0, sites=None) -> xr.DataArray:
    """Give reflectance names: dims (site, band, y, x)."""
    values = np.asarray(values, dtype=np.float32)
    return xr.DataArray(
        values,
        dims=("site", "band", "y", "x"),
        coords={
            "site": list(sites or (f"s{i}" for i in range(len(values)))),
            "band": list(bands),
        },
        attrs={"level": level, "resolution_m": resolution_m},
    )


def make_detector(*, options: RunOptions | None = None, network: bytes | None = None, **card: Any):
    """Make a detector whose score is a weighted mean: 0.5 × first band + 0.25 × second band."""
    size = card.get("size_px", 4)
    text = f"""<ir_version: 8, opset_import: ["" : 17]>
    weigh (float[site,2,{size},{size}] pixels) => (float[site,1] score)
    <float[2,1] weights = {{0.5, 0.25}}> {{
      means = ReduceMean<axes=[2,3], keepdims=0>(pixels)
      score = MatMul(means, weights)
    }}"""
    content = onnx.parser.parse_model(text).SerializeToString() if network is None else network
    facts = {
        "name": "weigh",
        "kind": "linear",
        "bands": ("B08", "B04"),
        "level": "L1C",
        "size_px": 4,
        "licence": "MIT",
        "digest": _store.digest_bytes(content),
    }
    return OnnxDetector(Card(**{**facts, **card}), content, options)


@pytest.fixture
def pixels() -> Callable[..., xr.DataArray]:
    return make_pixels


@pytest.fixture
def weigh() -> Callable[..., OnnxDetector]:
    return make_detector


def make_layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    """Describe a layer as Keras 2 does."""
    return {"class_name": kind, "config": {"name": name, "dtype": "float32", **config}}


def make_sequential(shape: Sequence[int], layers: Sequence[dict[str, Any]], name="made"):
    """Describe a row of layers."""
    first = make_layer("InputLayer", "input", batch_input_shape=[None, *shape])
    return {"class_name": "Sequential", "config": {"name": name, "layers": [first, *layers]}}


def write_keras(
    path: Path, model: Mapping[str, Any], weights: Mapping[str, Mapping[str, np.ndarray]]
) -> Path:
    """Write a Keras model in the layout of its ``.h5`` files: weights by layer of the outer one."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(model)
        file.attrs["keras_version"] = "2.12.0"
        root = file.create_group("model_weights")
        names = [layer["config"]["name"] for layer in model["config"]["layers"]]
        root.attrs["layer_names"] = [name.encode() for name in names]
        for layer in names:
            stored = weights.get(layer, {})
            group = root.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in stored]
            for name, values in stored.items():
                group[name] = values
    return path


def draw_weights(rng, *shape: int, scale=0.5) -> np.ndarray:
    """Draw numbers of a normal distribution."""
    return (scale * rng.normal(size=shape)).astype(np.float32)


def make_ending(rng, n_numbers: int):
    """Give the layers after which any network ends in one probability, weights, and the same."""
    kernel, bias = draw_weights(rng, n_numbers, 1, scale=0.3), draw_weights(rng, 1)
    layers = [
        make_layer("Flatten", "flatten", data_format="channels_last"),
        make_layer("Dense", "end", units=1, activation="sigmoid", use_bias=True),
    ]
    weights = {"end": {"end/kernel:0": kernel, "end/bias:0": bias}}
    return layers, weights, lambda x: expit(x.reshape(len(x), -1) @ kernel + bias)


def run_keras(path: Path, images: np.ndarray) -> np.ndarray:
    """Run a converted file on images with channels last; give its numbers."""
    network = convert_network(read_keras(path))
    session = onnxruntime.InferenceSession(network.content, providers=["CPUExecutionProvider"])
    return session.run(None, {"pixels": np.ascontiguousarray(images.transpose(0, 3, 1, 2))})[0]


class KerasMaker:
    """What makes Keras files, and runs what they are converted to."""

    layer = staticmethod(make_layer)
    sequential = staticmethod(make_sequential)
    write = staticmethod(write_keras)
    draw = staticmethod(draw_weights)
    ending = staticmethod(make_ending)
    run = staticmethod(run_keras)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def keras() -> type[KerasMaker]:
    return KerasMaker
