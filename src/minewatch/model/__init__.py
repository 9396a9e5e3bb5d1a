"""Model: detectors that turn patches into probabilities of mining, and what is known of them.

A detector is anything with `fit` and `predict_proba` (`Detector`). A saved one is a folder of
``card.json`` and ``model.onnx``, which onnxruntime runs alone: `load_detector`, `save_detector`.
The published Keras detectors of Amazon Mining Watch are turned into such folders by
`convert_keras`, and fetched by `fetch_detector`. `predict` scores a dataset.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minewatch.model._amw import convert_keras
    from minewatch.model._card import Card
    from minewatch.model._detector import Detector
    from minewatch.model._onnx import OnnxDetector, load_detector, save_detector
    from minewatch.model._predict import predict
    from minewatch.model._published import fetch_detector

__all__ = [
    "Card",
    "Detector",
    "OnnxDetector",
    "convert_keras",
    "fetch_detector",
    "load_detector",
    "predict",
    "save_detector",
]

_MODULES = {
    "Card": "_card",
    "Detector": "_detector",
    "OnnxDetector": "_onnx",
    "convert_keras": "_amw",
    "fetch_detector": "_published",
    "load_detector": "_onnx",
    "predict": "_predict",
    "save_detector": "_onnx",
}


def __getattr__(name: str) -> Any:
    """Import a name on first use: who looks at a card needs neither onnx nor scikit-learn."""
    if name not in _MODULES:
        raise AttributeError(f"minewatch.model has no {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
