"""Names of the columns of what is measured around places, and which of them name the target."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import shapely.geometry

from minewatch.context._features import Features
from minewatch.context._layers import DEFAULT_LAYERS, GIVEN_KEYS, TARGET, Layer
from minewatch.context._table import layer_columns
from minewatch.errors import InputError
from minewatch.types import BoolArray

ANYTHING: Final = "osm"
"""Pseudo-layer of what people draw by hand: every feature of `drawn_layers` that does not name the
target."""
EDGE_M: Final = "edge_m"
IS_EDGE_LIMITED: Final = "is_edge_limited"
MAX_RADIUS_M: Final = 100_000.0
"""Largest radius, metres: metres are true to 1 part in 2,500 up to it, and to 1 in 10,000 within
10 km."""


def target_columns(columns: Iterable[str]) -> list[str]:
    """Give the columns that tell of what names the target; leave them out of what a model sees.

    Every other column of `measure_context` is ordinary.

    Parameters
    ----------
    columns
        Names of columns: ``table.columns``.

    Examples
    --------
    >>> target_columns(["highway_nearest_m", "target_nearest_m", "target_500m_count"])
    ['target_nearest_m', 'target_500m_count']
    """
    return [name for name in columns if name.startswith(f"{TARGET}_")]


def radius_name(radius_m: float) -> str:
    """Write a radius as columns have it: ``500m``."""
    return f"{radius_m:.0f}m"


def amount_column(layer: str, radius_m: float, amount: str) -> str:
    """Name the column of a layer's ``length_m``, ``count`` or ``area_ha`` within a radius."""
    return f"{layer}_{radius_name(radius_m)}_{amount}"


def amounts_of(layer: Layer) -> list[str]:
    """Say which amounts are measured of a layer, by the kinds that it may be drawn as."""
    return [
        "count",
        *(["length_m"] if "line" in layer.kinds else []),
        *(["area_ha"] if "area" in layer.kinds else []),
    ]


def check_radii(radii_m: Sequence[float]) -> tuple[float, ...]:
    """Give the radii in ascending order.

    Raises
    ------
    InputError
        If there is none, or one is not a whole number of metres above 0, or comes twice, or is
        larger than `MAX_RADIUS_M`.
    """
    radii = tuple(sorted(float(radius) for radius in radii_m))
    sound = all(1.0 <= radius <= MAX_RADIUS_M and radius.is_integer() for radius in radii)
    if not radii or not sound or len(set(radii)) < len(radii):
        raise InputError(
            f"radii_m is {tuple(radii_m)}; expected different whole numbers of metres up to "
            f"{MAX_RADIUS_M:.0f}, each once, such as (500, 2000, 10000)"
        )
    return radii


def check_features(
    features: Features | gpd.GeoDataFrame,
) -> tuple[gpd.GeoDataFrame, dict[str, Any]]:
    """Give the table of features, and what is known of it.

    Raises
    ------
    InputError
        If the table lacks a column or is not in longitude and latitude, or a corner is not finite.
    """
    table = features.table if isinstance(features, Features) else features
    missing = [name for name in (TARGET, "kind") if name not in table.columns]
    if missing or table.crs is None or table.crs.to_epsg() != 4326:
        raise InputError(
            f"the features have the CRS {table.crs} and lack {', '.join(missing) or 'no column'}; "
            "expected a table as read_features gives it, EPSG:4326, with target and kind"
        )
    _check_finite(table)
    return table, dict(features.info) if isinstance(features, Features) else {}


def _check_finite(table: gpd.GeoDataFrame) -> None:
    corners, owner = shapely.get_coordinates(table.geometry.to_numpy(), return_index=True)
    broken = ~np.isfinite(corners).all(axis=1)
    if broken.any():
        rows = np.unique(owner[broken])
        raise InputError(
            f"{', '.join(map(str, table.index[rows[:5]]))}: {len(rows)} features have a corner "
            "that is NaN or infinite; expected degrees; leave them out, or mend them"
        )


def choose_layers(
    layers: Sequence[Layer | str] | None, table: gpd.GeoDataFrame, info: Mapping[str, Any]
) -> tuple[Layer, ...]:
    """Give the ordinary layers that are wanted; those that name the target are left out.

    ``"target"`` among them is passed over: it is measured whatever the layers.

    A layer that is known by its name alone is taken from the features' own account, then from the
    default layers; of one that nobody describes everything is measured.

    Raises
    ------
    InputError
        If a layer that was named is not among the features.
    """
    there = layer_columns(table)
    wanted = list(there) if layers is None else [layer for layer in layers if layer != TARGET]
    described = {layer.name: layer for layer in (*DEFAULT_LAYERS, *_told(info))}
    found = [
        given if isinstance(given, Layer) else described.get(given, Layer(name=given, key=given))
        for given in wanted
    ]
    missing = [layer.name for layer in found if layer.name not in there]
    if missing:
        raise InputError(
            f"{', '.join(missing)}: no such layer among the features, which have "
            f"{', '.join(there) or 'none'}"
        )
    return tuple(layer for layer in found if not layer.names_the_target)


def drawn_layers(named: Sequence[str], info: Mapping[str, Any]) -> list[str]:
    """Give the layers that tell how much people have drawn by hand, of those that are named.

    They are all but waters and boundaries (`GIVEN_KEYS`); all where there are no others.

    Examples
    --------
    >>> drawn_layers(["highway", "waterway", "boundary"], {}), drawn_layers(["waterway"], {})
    (['highway'], ['waterway'])
    """
    keys = {layer.name: layer.key for layer in (*DEFAULT_LAYERS, *_told(info))}
    return [name for name in named if keys.get(name, name) not in GIVEN_KEYS] or list(named)


def naming_layers(layers: Sequence[Layer | str] | None, info: Mapping[str, Any]) -> frozenset[str]:
    """Give the names of layers whose features name the target."""
    given = [layer for layer in layers or () if isinstance(layer, Layer)]
    return frozenset(layer.name for layer in (*_told(info), *given) if layer.names_the_target)


def is_target(table: gpd.GeoDataFrame, naming: frozenset[str]) -> BoolArray:
    """Say which features name the target."""
    found = np.array(table[TARGET].notna(), dtype=np.bool_)
    for name in sorted(naming.intersection(table.columns)):
        found |= np.asarray(table[name].notna(), dtype=np.bool_)
    return found


def target_values(table: gpd.GeoDataFrame, naming: frozenset[str]) -> "pd.Series[str]":
    """Say what about each feature names the target, as `is_target` finds it: ``landuse=quarry``.

    The column ``target`` goes first, then layers that name the target; missing where nothing does.
    """
    found = pd.Series(table[TARGET].astype("str"))
    for name in sorted(naming.intersection(table.columns)):
        value = table[name].astype("str")
        found = found.fillna((name + "=" + value).where(value.notna()))
    return found


def area_of(info: Mapping[str, Any]) -> shapely.Geometry | None:
    """Give the area that the features were taken from, EPSG:4326; None if it is not known.

    It may be told as a geometry, as GeoJSON or as WKT.
    """
    area = info.get("area")
    if isinstance(area, Mapping):
        area = shapely.geometry.shape(dict(area))
    elif isinstance(area, str):
        area = shapely.from_wkt(area)
    known = isinstance(area, shapely.Geometry) and not shapely.is_empty(area)
    return area if known else None


def _told(info: Mapping[str, Any]) -> list[Layer]:
    told = info.get("layers") or ()
    return [
        layer if isinstance(layer, Layer) else Layer.model_validate(layer)
        for layer in told
        if isinstance(layer, Layer | Mapping)
    ]
