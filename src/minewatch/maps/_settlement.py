"""The names of settlements: how people who know the ground say where a place is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd

from minewatch.context._columns import check_features, is_target, naming_layers
from minewatch.context._table import layer_columns
from minewatch.scan._overlays import NEAR, nearest_features

if TYPE_CHECKING:
    from minewatch.context import Features

SETTLEMENT: Final = "settlement"
SETTLEMENT_M: Final = "settlement_m"
_SAME_M: Final = 1.0
"""Distances that differ by less are one, written to whole metres."""
_LEAST_RADIUS_M: Final = 10_000.0
"""Features are looked up around corners, and what a large polygon holds lies far from them."""


def with_settlements(detections: gpd.GeoDataFrame, features: "Features") -> gpd.GeoDataFrame:
    """Add the column ``settlement`` beside ``settlement_m``: see `name_settlements`."""
    names = name_settlements(detections, features)
    table = detections.drop(columns=SETTLEMENT, errors="ignore")
    table.insert(int(table.columns.get_loc(SETTLEMENT_M)), SETTLEMENT, names)
    return table


def name_settlements(detections: gpd.GeoDataFrame, features: "Features") -> "pd.Series[str]":
    """Name the settlement that ``settlement_m`` of every detection was measured to.

    Names nothing farther away instead: where the nearest settlement has no name on the map, or the
    distance is not one to a settlement of these features, there is none.

    Parameters
    ----------
    detections
        Polygons, EPSG:4326, with ``settlement_m``, as `minewatch.scan.context_distances` gives it.
    features
        What is mapped, as `minewatch.context.read_features` gives it.

    Returns
    -------
    Series of str
        Index of `detections`. Of several that are as near, the first that has a name, by the
        alphabet; missing where there is none.
    """
    table, info = check_features(features)
    metres = detections[SETTLEMENT_M].to_numpy(np.float64, na_value=np.nan)
    names = pd.Series(None, index=detections.index, dtype="str")
    layer = NEAR[SETTLEMENT_M]
    if layer not in layer_columns(table) or not np.isfinite(metres).any():
        return names
    ordinary = ~is_target(table, naming_layers(None, info))
    places = table[ordinary & table[layer].notna().to_numpy()]
    found = nearest_features(
        detections,
        places.geometry.to_numpy(),
        radius_m=max(float(np.nanmax(metres)) + _SAME_M, _LEAST_RADIUS_M),
    )
    called = pd.Series([name_of_feature(tags) for tags in places["tags"]], dtype="str")
    pairs = pd.DataFrame({"row": found.row, "name": called.to_numpy()[found.feature]})
    is_that = np.abs(found.metres - metres[found.row]) <= _SAME_M
    chosen = pairs[is_that & (pairs["name"] != "").to_numpy()].groupby("row")["name"].min()
    names.iloc[chosen.index.to_numpy()] = chosen.to_numpy()
    return names


def name_of_feature(tags: Any) -> str:
    """Give the name that the tags of a feature hold, whatever it is made of.

    Examples
    --------
    >>> name_of_feature({"name": "Yagrumo"}), name_of_feature([("name", "Yagrumo")])
    ('Yagrumo', 'Yagrumo')
    """
    pairs = tags.items() if isinstance(tags, Mapping) else tags if tags is not None else ()
    return str(dict(pairs).get("name") or "").strip()
