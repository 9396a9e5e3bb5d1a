"""GeoJSON as RFC 7946 has it: degrees of WGS 84, outer rings against the clock, no more digits."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely

from minewatch._store import writing_file
from minewatch.maps._vector import DECIMALS, on_grid, plain_table, records


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
            file.write(
                f'"bbox": {_text([round(float(v), DECIMALS) for v in plain.total_bounds])},\n'
            )
        file.write(f'"minewatch": {_text(header)},\n"features": [')
        for number, (row, shape) in enumerate(zip(records(plain), shapes, strict=True)):
            named = f'"id": {_text(str(row[ids]))}, ' if ids is not None else ""
            start = ",\n" if number else "\n"
            file.write(
                f'{start}{{"type": "Feature", {named}"properties": {_text(row)}, '
                f'"geometry": {shape}}}'
            )
        file.write("\n]}\n")


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
