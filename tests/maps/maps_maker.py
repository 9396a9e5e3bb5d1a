"""What the tests of maps share: a scan of a mine country that was never scanned."""

import importlib.util
import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import shapely

from minewatch.maps import Layers, gather_contents
from minewatch.scan._merge_polygons import area_ha
from minewatch.scan._merge_run import merge_files

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_windows_maker", Path(__file__).parents[1] / "scan" / "windows_maker.py"
)
windows_maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(windows_maker)

CREDIT = "Contains modified Copernicus Sentinel data 2024"
QUERY = {"start": "2024-01-01", "end": "2024-12-31", "method": "median"}
SIDE = 24
"""Windows along a side of the region."""


def make_scan(folder, *, epsg=32620, seed=3):
    """Write a scan of one zone, a corner of which was not seen, and give its folder."""
    rng = np.random.default_rng(seed)
    columns, rows = (
        steps.ravel() for steps in np.meshgrid(np.arange(SIDE), np.arange(SIDE) + 2_400)
    )
    values = np.where(rng.random(SIDE**2) < 0.06, rng.uniform(0.5, 1.0, SIDE**2), 0.1)
    unseen = (columns < 5) & (rows < 2_404)
    windows = windows_maker.make_windows(epsg, columns, rows, np.where(unseen, np.nan, values))
    header = {
        "detector": "trees", "detector_digest": "sha256:1", "level": "L2A", "size_px": 48,
        "resolution_m": 10.0, "stride_px": 24, "tile_px": 600, "query": QUERY,
        "source": "made up", "region": {"area_ha": 1.0}, "attribution": CREDIT,
    }  # fmt: skip
    folder.mkdir(parents=True)
    windows_maker.write_scores(windows, folder / "scores.parquet", **header)
    region, hidden = (_ground(windows[mask]) for mask in (columns >= 0, unseen))
    not_seen = gpd.GeoDataFrame(
        {"reason": ["no data"], "tile": ["t"], "area_ha": area_ha(np.array([hidden]))},
        geometry=[hidden],
        crs="EPSG:4326",
    )
    not_seen.to_parquet(folder / "not_seen.parquet")
    table = pq.read_table(folder / "not_seen.parquet")
    said = json.dumps({**header, "region_geometry": region.wkb_hex})
    metadata = {**table.schema.metadata, b"minewatch": said.encode()}
    pq.write_table(table.replace_schema_metadata(metadata), folder / "not_seen.parquet")
    return folder


def _ground(windows):
    return shapely.union_all(windows_maker.squares(windows).to_numpy())


def make_detections(folder, scan, **options):
    """Merge a scan, and give the file of its detections."""
    out = folder / "detections.parquet"
    merge_files(scan, out, rule={"threshold": 0.5}, overwrite=True, **options)
    return out


def make_contents(folder, **said):
    """Gather a scan with all that can lie beside detections but imagery."""
    scan = make_scan(folder / "scan")
    found = make_detections(folder, scan)
    parks = gpd.GeoDataFrame(
        {"NAME": ["Serranía <&> Peña", None]},
        geometry=[shapely.box(-63.5, 4.0, -62.98, 6.0), shapely.box(-62.98, 4.0, -60.0, 6.0)],
        crs="EPSG:4326",
    )
    parks.to_file(folder / "parks.gpkg")
    outlines = make_outlines(folder, found)
    return gather_contents(
        found,
        Layers(scores=scan, outlines=outlines, overlays={folder / "parks.gpkg": "NAME"}),
        **said,
    )


def make_outlines(folder, found):
    """Write the middle of every detection as its bare ground; one could not be read."""
    table = gpd.read_parquet(found)
    shapes = shapely.buffer(table.geometry.to_numpy(), -0.001)
    ground = area_ha(shapes)
    ground[0] = np.nan
    outlines = gpd.GeoDataFrame(
        {
            "area_ha": table["area_ha"],
            "ground_ha": ground,
            "bare_ha": ground,
            "pond_ha": ground * 0.0,
            "reason": pd.array(["no imagery", *[None] * (len(table) - 1)], dtype="str"),
        },
        geometry=shapes,
        index=table.index,
        crs="EPSG:4326",
    )
    path = folder / "outlines.parquet"
    outlines.to_parquet(path)
    return path
