"""How like the training patches windows are: measured as patches are, window by window."""

from typing import Final

import numpy as np
import pandas as pd

from minewatch.model._applicability import Applicability
from minewatch.model._applicability_patches import describe_patches
from minewatch.scan._tile import PixelWindows, Values, cut_windows
from minewatch.types import AnyArray, FloatArray

_WINDOWS_AT_ONCE: Final = 64


def measure_likeness(
    area: Applicability, reflectance: Values, bands: tuple[str, ...], windows: PixelWindows
) -> tuple[FloatArray, AnyArray]:
    """Measure how unlike the training patches windows of a tile are.

    Parameters
    ----------
    area
        The detector's area of applicability.
    reflectance
        (band, y, x), float32, NaN where nothing is known; bands as the detector takes them.
    bands
        Their names.
    windows
        The windows.

    Returns
    -------
    dissimilarity
        (window,), NaN where no feature is known.
    is_applicable
        (window,) bool: whether it is within what the evaluation looked at.
    """
    parts = [
        describe_patches(
            cut_windows(reflectance, windows[np.arange(len(windows))[start:][:_WINDOWS_AT_ONCE]]),
            bands,
        )
        for start in range(0, len(windows), _WINDOWS_AT_ONCE)
    ]
    features = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=area.names)
    unlike = np.asarray(area.dissimilarity(features), dtype=np.float64)
    return unlike, unlike <= area.threshold
