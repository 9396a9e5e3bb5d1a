"""Context: what OpenStreetMap knows around every place."""

from minewatch.context._extract import extract_features
from minewatch.context._features import Features, read_features, write_features
from minewatch.context._layers import DEFAULT_LAYERS, Layer

__all__ = [
    "DEFAULT_LAYERS",
    "Features",
    "Layer",
    "extract_features",
    "read_features",
    "write_features",
]
