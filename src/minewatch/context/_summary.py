"""What a table of measures says of all its sites together."""

import math
import re
from typing import Any, Final

import pandas as pd

from minewatch.context._columns import ANYTHING, EDGE_M, IS_EDGE_LIMITED
from minewatch.context._layers import TARGET

_COUNT: Final = re.compile(r"(?P<layer>.+)_(?P<radius>\d+)m_count")
_FEATURES: Final = re.compile(rf"{ANYTHING}_features_(?P<radius>\d+)m")


def summarise_measures(table: pd.DataFrame) -> dict[str, Any]:
    """Say what share of sites has each layer within each radius, and what limits the measures.

    Parameters
    ----------
    table
        As `measure_context` gives it.

    Returns
    -------
    JSON values: ``sites``; ``unplaced``, sites without coordinates; ``layers``, for each layer, the
    target and anything the percentages of placed sites that have it (``in_patch_percent``,
    ``within_percent`` by radius in metres) and the ``median_nearest_m`` of those that have it
    within the largest radius; ``outside``, placed sites outside of the extract's area, of which
    nothing is known: the percentages count them as having nothing, None where the area is not
    known; ``nothing_mapped``, placed sites within it with no feature within each radius;
    ``edge_limited``, sites nearer than the largest radius to the border of the extract, None where
    its area is not known.
    """
    within = table[f"{ANYTHING}_is_within"]
    placed = table[within.notna()]
    anything = {
        match["radius"]: name for name in table.columns if (match := _FEATURES.fullmatch(name))
    }
    counts: dict[str, dict[str, str]] = {}
    for name in table.columns:
        if match := _COUNT.fullmatch(name):
            counts.setdefault(match["layer"], {})[match["radius"]] = name
    counts = {layer: counts[layer] for layer in sorted(counts, key=lambda one: one == TARGET)}
    limited = placed[IS_EDGE_LIMITED]
    outside = (placed[EDGE_M] == 0.0).to_numpy(dtype=bool)
    return {
        "sites": len(table),
        "unplaced": len(table) - len(placed),
        "layers": {
            layer: _describe_layer(placed, layer, columns)
            for layer, columns in (*counts.items(), (ANYTHING, anything))
        },
        "nothing_mapped": {
            radius: int((placed.loc[~outside, name] == 0).sum())
            for radius, name in anything.items()
        },
        "outside": None if limited.isna().all() else int(outside.sum()),
        "edge_limited": None if limited.isna().all() else int(limited.sum()),
    }


def _describe_layer(placed: pd.DataFrame, layer: str, columns: dict[str, str]) -> dict[str, Any]:
    nearest = float(placed[f"{layer}_nearest_m"].median())
    return {
        "in_patch_percent": _percent(placed[f"{layer}_in_patch"]),
        "within_percent": {radius: _percent(placed[name] > 0) for radius, name in columns.items()},
        "median_nearest_m": None if math.isnan(nearest) else round(nearest, 1),
    }


def _percent(values: "pd.Series[bool]") -> float | None:
    return None if values.empty else round(100.0 * float(values.mean()), 1)
