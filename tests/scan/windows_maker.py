"""What the tests of detections share: windows of a scan, made without one."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
from pyproj import Transformer

from minewatch.scan._scores import FORMAT, SCHEMA, write_table

SIZE_M, STRIDE_M = 480, 240


def make_windows(epsg, columns, rows, scores, *, size_m=SIZE_M, stride_m=STRIDE_M):
    """Make the table of a scan: windows of one zone by their steps from 500 km east, 0 north."""
    columns, rows = np.asarray(columns), np.asarray(rows)
    anchor = 10_000_000 if epsg >= 32700 else 0
    east = 480_000 // stride_m * stride_m
    left, top = east + columns * stride_m, anchor + rows * stride_m
    to_degrees = Transformer.from_crs(f"EPSG:{epsg}", "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(left + size_m / 2, top - size_m / 2)
    ids = [f"{epsg}_{x}_{y}_{size_m}" for x, y in zip(left, top, strict=True)]
    scores = np.broadcast_to(np.asarray(scores, dtype=np.float32), columns.shape)
    return pd.DataFrame(
        {
            "epsg": np.int32(epsg),
            "left_m": left.astype(np.int32),
            "top_m": top.astype(np.int32),
            "size_m": np.int32(size_m),
            "longitude": longitude,
            "latitude": latitude,
            "score": scores,
            "status": np.where(np.isnan(scores), "no data", "scored"),
            "start": "2023-02-01",
            "end": "2023-11-30",
        },
        index=pd.Index(ids, name="window_id", dtype="str"),
    )


def cover_box(west, south, east, north, *, score=0.9, step=1):
    """Make all windows whose centre lies in a box, each in the zone of its centre."""
    parts = []
    for zone in range(int((west + 180) // 6) + 1, int((east + 180) // 6) + 2):
        for epsg in (32600 + zone, 32700 + zone):
            to_zone = Transformer.from_crs("EPSG:4326", f"EPSG:{epsg}", always_xy=True)
            corners = to_zone.transform([west, east, west, east], [south, south, north, north])
            x, y = np.array(corners)
            anchor = 10_000_000 if epsg >= 32700 else 0
            columns = np.arange((x.min() - 481_000) // STRIDE_M, (x.max() - 479_000) // STRIDE_M)
            rows = np.arange((y.min() - anchor) // STRIDE_M, (y.max() - anchor) // STRIDE_M + 3)
            grid = np.meshgrid(columns[::step].astype(int), rows[::step].astype(int))
            table = make_windows(epsg, grid[0].ravel(), grid[1].ravel(), score)
            own_zone = ((table["longitude"] + 180) // 6 + 1 == zone) & (
                (table["latitude"] >= 0) == (epsg < 32700)
            )
            inside = table["longitude"].between(west, east) & table["latitude"].between(
                south, north
            )
            parts.append(table[own_zone & inside])
    return pd.concat(parts)


def squares(windows):
    """Draw windows as polygons in EPSG:4326, each by itself."""
    parts = []
    for epsg, own in windows.groupby("epsg"):
        boxes = shapely.box(
            own["left_m"], own["top_m"] - own["size_m"], own["left_m"] + own["size_m"], own["top_m"]
        )
        parts.append(gpd.GeoSeries(boxes, index=own.index, crs=f"EPSG:{epsg}").to_crs("EPSG:4326"))
    return pd.concat(parts).loc[windows.index]


def detections(**boxes):
    """Make a table of detections: boxes in metres east and north of 62.6° W, 5.4° N."""
    shapes = [
        box if isinstance(box, shapely.Geometry) else shapely.box(*box) for box in boxes.values()
    ]
    moved = shapely.transform(
        np.array(shapes, dtype=object), lambda at: np.array([-62.6, 5.4]) + at / METRES
    )
    index = pd.Index(list(boxes), name="detection_id", dtype="str")
    return gpd.GeoDataFrame(index=index, geometry=moved, crs="EPSG:4326")


METRES = np.array([110_826.0, 110_588.0])
"""About so many metres there are to a degree there, east and north."""


def write_scores(windows, path, **header):
    """Write windows as a scan writes its scores."""
    rows = windows.reset_index().assign(
        tile="t", reason="", clear_views=np.float32(9), missing_share=np.float32(0),
        dissimilarity=np.float32(np.nan), is_applicable=None,
    )  # fmt: skip
    table = pa.Table.from_pandas(rows[SCHEMA.names], schema=SCHEMA, preserve_index=False)
    head = {"format": FORMAT, "thresholds": {"f1": {"value": 0.6, "chosen": "for the best F1"}}}
    write_table(path, [table.replace_schema_metadata(None)], head | header)
    return path
