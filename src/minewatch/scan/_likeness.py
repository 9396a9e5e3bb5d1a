"""How like the training patches windows are, by statistics that overlapping windows share."""

from typing import Final

import numpy as np
import pandas as pd

from minewatch.model._applicability import Applicability
from minewatch.model._features import statistics_by_name
from minewatch.scan._tile import Values, Windows, cut_windows
from minewatch.scan._tree_statistics import make_layers, measure_windows
from minewatch.scan._tree_statistics_score import known_everywhere
from minewatch.types import AnyArray, FloatArray

_GRID_PX: Final = 6
_BLOCK_PX: Final = 240
"""Windows of so much ground are measured together."""
_WINDOWS_AT_ONCE: Final = 64


def measure_likeness(
    area: Applicability, reflectance: Values, bands: tuple[str, ...], windows: Windows
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
    features = pd.DataFrame(_summarise(area, reflectance, bands, windows), columns=area.names)
    unlike = np.asarray(area.dissimilarity(features), dtype=np.float64)
    return unlike, unlike <= area.threshold


def _summarise(
    area: Applicability, reflectance: Values, bands: tuple[str, ...], windows: Windows
) -> Values:
    """Give the statistics that the area is told by: (window, statistic)."""
    layers, names = make_layers(reflectance, bands)
    whole = windows.count(~known_everywhere(layers)) == 0
    values = np.full((len(windows), len(area.names)), np.nan, dtype=np.float32)
    places = np.flatnonzero(whole)
    for chosen in windows[places].by_block(_GRID_PX, _BLOCK_PX):
        own = windows[places[chosen]]
        rows, columns = own.extent
        moved = Windows(own.rows - rows.start, own.columns - columns.start, own.size_px)
        found = measure_windows(
            layers[:, rows, columns], names, len(bands), moved, frozenset(area.names)
        )
        if found.keys() >= set(area.names):
            values[places[chosen]] = np.stack([found[name].numbers for name in area.names], axis=1)
        else:
            whole[places[chosen]] = False
    alone = np.flatnonzero(~whole)
    for start in range(0, len(alone), _WINDOWS_AT_ONCE):
        some = alone[start : start + _WINDOWS_AT_ONCE]
        cut = cut_windows(reflectance, windows[some])
        values[some] = statistics_by_name(cut, bands, area.names)
    return values
