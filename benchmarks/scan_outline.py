"""Outline bare ground and ponds in the mining patches of a demo, and hold it to the true mines.

minewatch demo demo
python benchmarks/scan_outline.py demo
"""

import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery, open_source
from minewatch.scan import outline_detections
from minewatch.scan._merge_polygons import area_ha, unite_squares
from minewatch.sites import read_sites
from minewatch.toy import Valley

YEAR = 2024
MIDDLE = f"{YEAR}-07-01"
"""Mines that opened later are in less than half of the year's views."""


def main() -> None:
    demo = Path(sys.argv[1])
    sites = read_sites(demo / "sites.parquet")
    detections = merge_patches(sites[sites["label"] == 1])
    query = SceneQuery(start=f"{YEAR}-01-01", end=f"{YEAR}-12-31")
    outlines = outline_detections(detections, open_source(demo / "archive"), query)
    mines = Valley(seed=1).mines
    mined = mines[mines["opened"] <= MIDDLE].geometry.union_all()
    truth = shapely.intersection(detections.geometry.to_numpy(), mined)
    hit = area_ha(shapely.intersection(outlines.geometry.to_numpy(), truth)).sum()
    ground, true = outlines["ground_ha"].sum(), area_ha(truth).sum()
    print(f"{len(sites[sites['label'] == 1])} patches, {len(detections)} detections")
    print(f"windows {outlines['area_ha'].sum():,.1f} ha, {outlines['area_ha'].sum() / true:.2f} ×")
    print(f"outlines {ground:,.1f} ha, {ground / true:.2f} ×; true mines {true:,.1f} ha")
    print(f"mine of what is outlined {hit / ground:.1%}; outlined of what is mine {hit / true:.1%}")


def merge_patches(sites: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Unite the patches of sites, as a detector without a fault would have them."""
    epsg, left, top = PatchGrid().corners(sites.geometry.x.to_numpy(), sites.geometry.y.to_numpy())
    side = PatchGrid().side_m
    squares = np.asarray(shapely.box(left, top - side, left + side, top))
    shapes = unite_squares(squares, epsg % 100, gap_m=0.0, is_exact=True)
    index = pd.Index([f"d{i}" for i in range(len(shapes))], name="detection_id", dtype="str")
    return gpd.GeoDataFrame(index=index, geometry=shapes, crs="EPSG:4326")


if __name__ == "__main__":
    main()
