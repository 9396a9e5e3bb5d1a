"""GeoJSON as RFC 7946 has it: degrees of WGS 84, outer rings against the clock, no more digits."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely

from minewatch._store import writing_file
from minewatch.maps._vector import DECIMALS, on_grid, plain_table, records
from minewatch.types import AnyArray

_HALF_TURN: Final = 180.0


def write_geojson(
    table: gpd.GeoDataFrame, path: Path, header: Mapping[str, Any], *, key: str | None = None
) -> None:
    """Write a layer as a FeatureCollection; the header is its member ``minewatch``.

    Parameters
    ----------
    table
        EPSG:4326; polygons, or points.
    path
        The file.
    header
        JSON values.
    key
        Column that holds the features' ids. None: the index, if it has a name.

    References
    ----------
    Butler, H. et al. (2016), The GeoJSON Format, RFC 7946, https://doi.org/10.17487/RFC7946. Its
    section 6.1 allows members of one's own.
    """
    plain = plain_table(table)
    ids = key or table.index.name
    shapes = shapely.to_geojson(on_grid(plain.geometry.to_numpy())).tolist()
    with writing_file(path) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"type": "FeatureCollection",\n')
        if len(plain):
            file.write(f'"bbox": {_text(_bbox(plain.geometry.to_numpy()))},\n')
        file.write(f'"minewatch": {_text(header)},\n"features": [')
        for number, (row, shape) in enumerate(zip(records(plain), shapes, strict=True)):
            named = f'"id": {_text(str(row[ids]))}, ' if ids is not None else ""
            start = ",\n" if number else "\n"
            file.write(
                f'{start}{{"type": "Feature", {named}"properties": {_text(row)}, '
                f'"geometry": {shape}}}'
            )
        file.write("\n]}\n")


def _bbox(shapes: AnyArray) -> list[float]:
    """Give west, south, east, north; west is greater than east where the layer crosses 180°.

    That is what RFC 7946, section 5.2, asks for: else a layer on both sides of 180° would be said
    to go round the world.
    """
    bounds = shapely.bounds(shapely.get_parts(shapes))
    west, south, east, north = bounds[~np.isnan(bounds).any(axis=1)].T
    ends = [west.min(), south.min(), east.max(), north.max()]
    if ends[2] - ends[0] > _HALF_TURN:
        order = np.argsort(west)
        gaps = west[order][1:] - np.maximum.accumulate(east[order])[:-1]
        widest = int(gaps.argmax()) if len(gaps) else 0
        if len(gaps) and gaps[widest] > _HALF_TURN:
            ends[0] = west[order][widest + 1]
            ends[2] = east[order][: widest + 1].max()
    return [round(float(end), DECIMALS) for end in ends]


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
