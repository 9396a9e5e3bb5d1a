"""Names of settlements are those of the very places that distances were measured to."""

import geopandas as gpd
import gpxpy
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from minewatch.context import Features, write_features
from minewatch.context._table import TAGS_TYPE
from minewatch.grid import utm_epsg
from minewatch.maps import Layers, gather_contents, write_files
from minewatch.maps._settlement import name_settlements
from minewatch.scan import context_distances

CREDIT = "drawn by hand"


def make_places(points, names, *, target=None):
    table = gpd.GeoDataFrame(
        {
            "place": pd.array(["village"] * len(points), dtype="str"),
            "target": pd.array(target or [None] * len(points), dtype="str"),
            "kind": pd.array(["point"] * len(points), dtype="str"),
            "tags": pd.arrays.ArrowExtensionArray(
                pa.array([[("name", name)] if name else [] for name in names], TAGS_TYPE)
            ),
        },
        geometry=gpd.points_from_xy(*np.array(points).T),
        crs="EPSG:4326",
    )
    table.index = pd.Index([f"node/{number}" for number in range(len(points))], name="feature_id")
    dropped = pd.DataFrame({"feature_id": [], "reason": [], "repaired": []})
    return Features(table, dropped, {"attribution": CREDIT})


def mine(west, south=5.0, **columns):
    return gpd.GeoDataFrame(
        {name: [value] for name, value in columns.items()},
        index=pd.Index(["a"], name="detection_id"),
        geometry=[shapely.box(west, south, west + 0.01, south + 0.01)],
        crs="EPSG:4326",
    )


def with_distance(detections, places, **options):
    return detections.assign(**context_distances(detections, places, **options)[["settlement_m"]])


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(-62.6, 5.4), (-60.0, 0.0), (179.99, -17.0)]))
def test_the_name_is_that_of_the_place_that_the_distance_was_measured_to(seed, centre):
    rng = np.random.default_rng(seed)
    points = rng.normal(centre, 0.05, (40, 2))
    points[:, 0] = (points[:, 0] + 180.0) % 360.0 - 180.0
    names = [f"place {number}" if number % 4 else "" for number in range(40)]
    places = make_places(points, names)
    found = pd.concat(
        [mine(min(west, 179.98), centre[1]) for west in rng.normal(centre[0], 0.03, 5)]
    )
    found.index = pd.Index([f"m{number}" for number in range(len(found))], name="detection_id")
    table = with_distance(found, places, radius_m=6_000.0)
    named = name_settlements(table, places)
    for one, metres in table["settlement_m"].items():
        shape = found.geometry[one]
        crs = utm_epsg(shape.centroid.x, shape.centroid.y)
        own = gpd.GeoSeries([shape], crs=4326).to_crs(crs).iloc[0]
        far = places.table.geometry.to_crs(crs).distance(own)
        met = far.to_numpy() <= far.min() + 1e-6
        nearest = sorted(name for name, is_met in zip(names, met, strict=True) if name and is_met)
        expected = nearest[0] if nearest and np.isfinite(metres) else None
        assert (named[one] if pd.notna(named[one]) else None) == expected


def test_where_the_nearest_has_no_name_a_farther_name_is_not_taken_for_it():
    places = make_places([(-62.0, 5.02), (-62.0, 5.06)], ["", "Yagrumo"])
    assert name_settlements(with_distance(mine(-62.0), places), places).isna().all()


def test_of_two_places_that_are_met_the_one_with_a_name_is_named():
    places = make_places([(-61.995, 5.005), (-61.994, 5.006)], ["", "Yagrumo"])
    table = with_distance(mine(-62.0), places)
    assert table["settlement_m"].tolist() == [0.0]
    assert name_settlements(table, places).tolist() == ["Yagrumo"]


@pytest.mark.parametrize("metres", [np.nan, 900.0])
def test_a_distance_to_something_else_gets_no_name(metres):
    places = make_places([(-62.0, 5.03)], ["Yagrumo"])
    assert name_settlements(mine(-62.0, settlement_m=metres), places).isna().all()


def test_a_place_that_names_a_mine_is_no_settlement():
    places = make_places(
        [(-62.0, 5.02), (-62.0, 5.04)], ["Mina Sur", "Yagrumo"], target=["name=mina", None]
    )
    table = with_distance(mine(-62.0), places)
    assert name_settlements(table, places).tolist() == ["Yagrumo"]


def test_the_name_stands_beside_the_distance_in_files_for_people(tmp_path):
    places = make_places([(-62.0, 5.03)], ["Yagrumo <&>"])
    write_features(places, tmp_path / "features.parquet")
    contents = gather_contents(
        with_distance(mine(-62.0), places),
        Layers(features=tmp_path / "features.parquet"),
        period="2024",
    )
    columns = list(contents.detections.columns)
    assert columns.index("settlement") + 1 == columns.index("settlement_m")
    write_files(contents, tmp_path / "maps", formats=["csv", "gpx", "kml", "geojson"])
    row = pd.read_csv(tmp_path / "maps" / "detections.csv").iloc[0]
    assert row["settlement"] == "Yagrumo <&>"
    gpx = gpxpy.parse((tmp_path / "maps" / "detections.gpx").read_text(encoding="utf-8"))
    told = gpx.waypoints[0].description
    assert told == "123 ha of the polygon as given, 2.2 km from Yagrumo <&>"
    shown = gpd.read_file(tmp_path / "maps" / "detections.geojson")
    assert shown["settlement"].tolist() == ["Yagrumo <&>"]
    kml = (tmp_path / "maps" / "detections.kml").read_text(encoding="utf-8")
    assert "2.2 km from Yagrumo &lt;&amp;&gt;" in kml
