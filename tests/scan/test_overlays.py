import importlib.util
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from minewatch.context import Features
from minewatch.errors import InputError
from minewatch.grid import utm_epsg
from minewatch.scan._overlays import context_distances, touched_names

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_windows_maker", Path(__file__).with_name("windows_maker.py")
)
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)

LAYERS = {
    "highway": "road_m",
    "waterway": "river_m",
    "aeroway": "airstrip_m",
    "place": "settlement_m",
}


def strew_features(seed, centre, count=60):
    """Strew lines and points of all layers about a place, some of which name a mine."""
    rng = np.random.default_rng(seed)
    places = rng.normal(centre, 0.06, (count, 2))
    lines = [shapely.LineString([at, at + rng.normal(0, 0.01, 2)]) for at in places]
    shapes = [shapely.Point(line.coords[0]) if i % 4 == 3 else line for i, line in enumerate(lines)]
    layer = np.array(list(LAYERS))[np.arange(count) % 4]
    columns = {name: pd.array(np.where(layer == name, "yes", None), dtype="str") for name in LAYERS}
    target = np.where(rng.random(count) < 0.2, "landuse=quarry", None)
    columns["target"] = pd.array(target, dtype="str")
    columns["kind"] = pd.array(["line"] * count, dtype="str")
    index = pd.Index([f"way/{i}" for i in range(count)], name="feature_id")
    return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326", index=index)


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(-62.6, 5.4), (-60.0, 0.0), (-66.0, -11.0)]))
def test_distances_are_those_of_a_plain_search_in_the_zone(seed, centre):
    features = strew_features(seed, centre)
    rng = np.random.default_rng(seed)
    corners = rng.normal(centre, 0.04, (6, 2))
    boxes = [shapely.box(x, y, x + 0.01, y + 0.005) for x, y in corners]
    mines = gpd.GeoDataFrame(geometry=boxes, crs="EPSG:4326")
    found = context_distances(mines, features, radius_m=4_000.0)
    for row, box in enumerate(boxes):
        point = box.centroid
        epsg = utm_epsg(point.x, point.y)
        own = gpd.GeoSeries([box], crs=4326).to_crs(epsg).iloc[0]
        for layer, column in LAYERS.items():
            there = features[features[layer].notna() & features["target"].isna()]
            nearest = there.to_crs(epsg).distance(own).min()
            if nearest > 4_008:
                assert np.isnan(found[column].iloc[row])
            elif nearest < 3_992:
                assert found[column].iloc[row] == pytest.approx(nearest, rel=1.2e-3, abs=0.1)


def test_what_names_a_mine_and_layers_that_are_not_there_give_no_distance():
    features = strew_features(1, (-62.6, 5.4)).assign(target="landuse=quarry")
    mines = maker.detections(a=(0, 0, 480, 480))
    assert context_distances(mines, features)[list(LAYERS.values())].isna().all(axis=None)
    roads = features[["highway", "target", "kind", "geometry"]].assign(target=pd.NA)
    found = context_distances(mines, roads).iloc[0]
    assert np.isnan(found["river_m"])
    assert not np.isnan(found["road_m"])


def test_the_border_of_the_map_is_told_and_is_zero_beyond_it():
    area = shapely.box(-62.7, 5.3, -62.55, 5.5)
    info = {"area": area.wkt, "layers": []}
    features = Features(strew_features(2, (-62.6, 5.4)), pd.DataFrame(), info)
    mines = maker.detections(inside=(0, 0, 480, 480), out=(20_000, 0, 20_480, 480))
    found = context_distances(mines, features)["map_edge_m"]
    assert found["inside"] == pytest.approx(0.05 * maker.METRES[0] - 480, rel=0.01)
    assert found["out"] == 0.0


def test_names_of_what_is_touched_come_once_and_in_order():
    mines = maker.detections(a=(0, 0, 480, 480), b=(5_000, 0, 5_480, 480))
    layer = maker.detections(
        one=(400, 0, 900, 480),
        two=(-500, -500, 100, 100),
        again=(0, 0, 50, 50),
        no=(480, 0, 600, 9),
    )
    layer["NAME"] = ["Yuruari", "Canaima", "Canaima", None]
    found = touched_names(mines, layer, name_column="NAME")
    assert found["a"] == "(no name); Canaima; Yuruari"  # a common border is a touch
    assert pd.isna(found["b"])


def test_a_layer_without_the_column_names_those_that_it_has():
    mines = maker.detections(a=(0, 0, 480, 480))
    with pytest.raises(InputError, match="no column 'NAME'; it has kind"):
        touched_names(mines, mines.assign(kind="park"), name_column="NAME")
