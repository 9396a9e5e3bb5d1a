"""Context: what OpenStreetMap knows around every place."""

from minewatch.context._features import Features
from minewatch.context._layers import DEFAULT_LAYERS, Layer

__all__ = ["DEFAULT_LAYERS", "Features", "Layer"]
