import importlib.util
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from minewatch.context import measure_context
from minewatch.grid import PatchGrid

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_map_tables", Path(__file__).with_name("map_tables.py")
)
tables = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tables)

seeds = st.integers(0, 2**32 - 1)


def test_the_patch_that_is_asked_about_is_the_one_that_is_cut():
    features = tables.feature_table([shapely.Point(-62.598, 5.4)], ["building"])
    sites = tables.site_table([(-62.6, 5.4)])
    assert measure_context(sites, features)["building_in_patch"].iloc[0]
    small = measure_context(sites, features, grid=PatchGrid(size_px=18))
    assert not small["building_in_patch"].iloc[0]
    degrees = GeoBox((20, 40), Affine(1e-4, 0, -62.601, 0, -1e-4, 5.401), "EPSG:4326")
    own = measure_context(sites, features, grid=PatchGrid(size_px=18), geoboxes={"s0": degrees})
    assert own["building_in_patch"].iloc[0]


@pytest.mark.parametrize("corners", [0, 500])
def test_an_area_that_holds_the_patch_and_not_its_site_is_in_the_patch(corners):
    site = tables.site_table([(-62.6, 5.4)])
    utm = site.to_crs(32620).geometry.iloc[0]
    x, y = round(utm.x, -1), round(utm.y, -1)
    aside = GeoBox((48, 48), Affine(10, 0, x + 1_000, 0, -10, y + 240), "EPSG:32620")
    areas = {"over": (500, 4_000), "beyond": (1_600, 4_000), "before": (100, 900)}
    shapes = gpd.GeoSeries(
        [shapely.box(x + west, y - 900, x + east, y + 900) for west, east in areas.values()],
        crs=32620,
    )
    if corners:
        shapes = shapes.segmentize(6_000.0 / corners)
    table = tables.feature_table(list(shapes.to_crs(4326)), list(areas), names=list(areas))
    patch = shapely.box(*aside.boundingbox)
    row = measure_context(site, table, geoboxes={"s0": aside}, radii_m=(50,)).iloc[0]
    assert [bool(row[f"{name}_in_patch"]) for name in areas] == list(shapes.intersects(patch))
    assert list(shapes.intersects(patch)) == [True, False, False]


@settings(deadline=None, max_examples=8)
@given(seed=seeds)
def test_patches_beside_their_sites_hold_what_meets_them(seed):
    random = np.random.default_rng(seed)
    features = tables.scatter(random, 30, (-62.6, 5.4), spread=0.03)
    sites = tables.site_table([tuple(random.uniform((-62.62, 5.38), (-62.58, 5.42)))] * 6)
    utm = sites.to_crs(32620).geometry
    moved = random.uniform(-2_500.0, 2_500.0, (6, 2))
    geoboxes = {
        key: GeoBox((30, 30), Affine(10, 0, p.x + east, 0, -10, p.y + north), "EPSG:32620")
        for key, p, (east, north) in zip(sites.index, utm, moved, strict=True)
    }
    table = measure_context(sites, features, geoboxes=geoboxes, radii_m=(100,))
    plane = features.to_crs(32620)
    for key, geobox in geoboxes.items():
        meets = plane.intersects(shapely.box(*geobox.boundingbox))
        for layer in tables.LAYERS:
            assert table.loc[key, f"{layer}_in_patch"] == meets[plane[layer].notna()].any()
