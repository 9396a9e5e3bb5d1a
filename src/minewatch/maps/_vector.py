"""Layers of a map as plain tables, the same for every format of file."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from minewatch.maps._contents import MapContents
from minewatch.maps._numbers import AREA_DECIMALS
from minewatch.scan._merge_ids import DETECTION_ID
from minewatch.types import AnyArray

POINTS: Final = "points"
DECIMALS: Final = 7
"""Of degrees, where numbers are text: about a centimetre."""
_RESERVED: Final = ("fid", "geom", "geometry", "ogc_fid")
"""Names that databases need for themselves."""
_ROUNDED: Final[Mapping[str, int]] = {"_ha": AREA_DECIMALS, "_m": 0, "itude": DECIMALS}
"""Decimals of columns by the end of their name; text has no more than people need."""


def lay_layers(contents: MapContents) -> dict[str, gpd.GeoDataFrame]:
    """Give the layers that formats with layers hold, the most important first.

    Returns
    -------
    dict of GeoDataFrame
        EPSG:4326, numbered rows, names in columns. ``detections``; ``points``, one inside each of
        them, with the same columns; and, where they are known, ``outlines``, ``changes``,
        ``sites``, ``not_seen``, ``region``.
    """
    detections = plain_table(contents.detections)
    layers = {"detections": detections, POINTS: as_points(detections)}
    others = {
        "outlines": contents.outlines,
        "changes": contents.changes,
        "sites": contents.sites,
        "not_seen": contents.not_seen,
        "region": contents.region,
    }
    return layers | {
        name: plain_table(table) for name, table in others.items() if table is not None
    }


def plain_table(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Make the index a column, and of every column numbers, text or truth values that GDAL knows.

    What is missing stays missing. Columns of lists and the like become text. Of names that differ
    by capitals alone, and those that databases need for themselves, the later get a number.
    """
    named = table.reset_index() if table.index.name else table.reset_index(drop=True)
    geometry = named.geometry.name
    own = [name for name in named.columns if name != geometry]
    columns: dict[str, Any] = {
        name: _plain(named[before]) for name, before in zip(_names(map(str, own)), own, strict=True)
    }
    plain = gpd.GeoDataFrame(columns, geometry=named.geometry.to_numpy(), crs=named.crs)
    plain.attrs = {}
    return plain


def _names(names: Iterable[str]) -> Iterator[str]:
    taken = set(_RESERVED)
    for name in names:
        number, free = 2, name
        while free.lower() in taken:
            number, free = number + 1, f"{name}_{number}"
        taken.add(free.lower())
        yield free


def _plain(values: "pd.Series[Any]") -> "pd.Series[Any]":
    if pd.api.types.is_bool_dtype(values.dtype):
        if values.isna().any() or not len(values):
            return values.map({True: "true", False: "false"}).astype("str")
        return values.astype(np.bool_)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.astype(np.float64) if values.isna().any() else values
    return values.map(str, na_action="ignore").astype("str")


def as_points(detections: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Give a point inside every detection, with its columns."""
    inside = shapely.points(
        detections["longitude"].to_numpy(np.float64), detections["latitude"].to_numpy(np.float64)
    )
    points: gpd.GeoDataFrame = detections.set_geometry(gpd.GeoSeries(inside, crs="EPSG:4326"))
    return points


_Table = TypeVar("_Table", bound=pd.DataFrame)


def rounded(table: _Table) -> _Table:
    """Round numbers for formats that are text: hectares to 0.0001, metres to 1, scores to 0.0001.

    What is not finite is missing: text has no numbers for it.

    Examples
    --------
    >>> table = pd.DataFrame({"area_ha": [23.06251], "road_m": [480.4], "score_max": [0.98766]})
    >>> rounded(table).iloc[0].tolist()
    [23.0625, 480.0, 0.9877]
    """
    numbers = [name for name in table.columns if pd.api.types.is_float_dtype(table[name].dtype)]
    plain = table.copy(deep=False)
    for name in numbers:
        finite = table[name].where(np.isfinite(table[name].to_numpy(np.float64, na_value=np.nan)))
        digits = _decimals(str(name))
        plain[name] = finite if digits is None else finite.round(digits)
    return plain


def _decimals(name: str) -> int | None:
    if name.startswith("score"):
        return 4
    return next((digits for end, digits in _ROUNDED.items() if name.endswith(end)), None)


def on_grid(shapes: AnyArray) -> AnyArray:
    """Put corners on a grid of `DECIMALS`, outer rings against the clock, holes with it.

    Rings stay valid on the grid. A polygon smaller than a cell of it keeps its own corners.
    """
    snapped = shapely.set_precision(shapes, 10.0**-DECIMALS)
    kept = np.where(shapely.is_empty(snapped) & ~shapely.is_empty(shapes), shapes, snapped)
    return np.asarray(shapely.orient_polygons(kept, exterior_cw=False))


def records(table: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    """Give the rows of a plain table as JSON values, without geometry; missing ones are None."""
    plain = rounded(pd.DataFrame(table.drop(columns=table.geometry.name)))
    names = [str(name) for name in plain.columns]
    columns = [_values(plain[name]) for name in plain.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(values: "pd.Series[Any]") -> list[Any]:
    plain = values.astype(object)
    return [None if missing else one for one, missing in zip(plain, values.isna(), strict=True)]


def name_of(row: Mapping[str, Any]) -> str:
    """Give the name of a detection, of its row."""
    return str(row[DETECTION_ID])
