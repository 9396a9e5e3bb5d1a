import importlib.util
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Proj

from minewatch.context import Layer, _measure, _near, measure_context, site_neighbourhoods
from minewatch.context._columns import target_columns
from minewatch.context._pieces import _subdivide
from minewatch.errors import InputError
from minewatch.grid import utm_epsg

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_map_tables", Path(__file__).with_name("map_tables.py")
)
tables = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tables)

GEOD = Geod(ellps="WGS84")
RADII = (300, 1_000, 4_000)
seeds = st.integers(0, 2**32 - 1)


def in_plane(features, sites):
    """Give features and points in the first site's zone, and the scale at every site."""
    first = sites.geometry.iloc[0]
    epsg = utm_epsg(first.x, first.y)
    factors = Proj(f"EPSG:{epsg}").get_factors(sites.geometry.x, sites.geometry.y)
    return features.to_crs(epsg), sites.to_crs(epsg).geometry, np.sqrt(factors.areal_scale)


@settings(deadline=None, max_examples=8)
@given(seed=seeds)
def test_distances_and_amounts_equal_brute_force(seed):
    random = np.random.default_rng(seed)
    features = tables.scatter(random, 60, (-62.6, 5.4))
    sites = tables.site_table([tuple(random.uniform((-62.7, 5.3), (-62.5, 5.5))) for _ in range(4)])
    table = measure_context(sites, features, radii_m=RADII)
    plane, points, scales = in_plane(features, sites)
    for key, point, scale in zip(sites.index, points, scales, strict=True):
        row = table.loc[key]
        discs = {radius: point.buffer(radius * scale, quad_segs=1500) for radius in RADII}
        for layer in tables.LAYERS:
            own = plane[plane[layer].notna()]
            away = own.distance(point).to_numpy() / scale
            least = away.min(initial=np.inf)
            if least <= RADII[-1]:
                assert row[f"{layer}_nearest_m"] == pytest.approx(least, abs=1e-3)
            else:
                assert np.isnan(row[f"{layer}_nearest_m"])
            for radius, disc in discs.items():
                assert row[f"{layer}_{radius}m_count"] == (away <= radius).sum()
                within = own.intersection(disc)
                if f"{layer}_{radius}m_length_m" in row:
                    length = within[own["kind"] == "line"].length.sum() / scale
                    assert row[f"{layer}_{radius}m_length_m"] == pytest.approx(length, abs=0.1)
                if f"{layer}_{radius}m_area_ha" in row:
                    area = within.area.sum() / scale**2 / 10_000
                    assert row[f"{layer}_{radius}m_area_ha"] == pytest.approx(area, abs=0.02)


@settings(deadline=None, max_examples=8)
@given(seed=seeds)
def test_the_order_of_sites_changes_nothing(seed):
    random = np.random.default_rng(seed)
    features = tables.scatter(random, 40, (-62.6, 5.4))
    sites = tables.site_table([tuple(random.uniform((-62.8, 5.2), (-62.4, 5.6))) for _ in range(9)])
    table = measure_context(sites, features)
    order = random.permutation(len(sites))
    shuffled = measure_context(sites.iloc[order], features)
    pd.testing.assert_frame_equal(shuffled, table.iloc[order], check_exact=True)
    pd.testing.assert_frame_equal(measure_context(sites.iloc[:2], features), table.iloc[:2])


@settings(deadline=None, max_examples=8)
@given(seed=seeds, far=st.sampled_from([(-62.6, 5.9), (-66.1, 5.4), (117.0, -5.0), (-62.9, 5.4)]))
def test_a_far_feature_changes_nothing(seed, far):
    random = np.random.default_rng(seed)
    features = tables.scatter(random, 40, (-62.6, 5.4), spread=0.05)
    sites = tables.site_table([(-62.6, 5.4), (-62.61, 5.43)])
    more = tables.scatter(random, 5, far, spread=0.01)
    more.index = [f"relation/{number}" for number in range(5)]
    both = gpd.GeoDataFrame(pd.concat([features, more]))
    one, two = (measure_context(sites, t, radii_m=(500, 5_000)) for t in (features, both))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.mark.parametrize(
    ("longitude", "latitude"),
    [(-62.6, 5.45), (-60.0001, 3.0), (-59.9999, -3.0), (179.9999, -16.5), (-179.9999, 52.0),
     (28.0, -0.00001), (18.0001, 69.0)],
)  # fmt: skip
@pytest.mark.parametrize("azimuth", [0.0, 77.0, 90.0, 180.0, 263.0, 270.0])
def test_metres_are_true_in_both_hemispheres_across_zones_and_at_180_degrees(
    longitude, latitude, azimuth
):
    east, north, _ = GEOD.fwd(longitude, latitude, azimuth, 9_000.0)
    features = tables.feature_table([shapely.Point(east, north)], ["building"])
    table = measure_context(tables.site_table([(longitude, latitude)]), features)
    assert table["building_nearest_m"].iloc[0] == pytest.approx(9_000.0, abs=0.9)


def test_a_road_over_180_degrees_is_one_road():
    whole = shapely.LineString([(179.98, -16.5), (-179.98, -16.5)])
    parts = shapely.MultiLineString(
        [[(179.98, -16.5), (180.0, -16.5)], [(-180.0, -16.5), (-179.98, -16.5)]]
    )
    length = GEOD.line_length([179.98, 180.0, 180.02], [-16.5] * 3)
    for shape in (whole, parts):
        features = tables.feature_table([shape], ["highway"])
        table = measure_context(tables.site_table([(179.999, -16.5), (-179.999, -16.5)]), features)
        assert table["highway_10000m_length_m"].to_numpy() == pytest.approx(length, rel=1e-4)
        assert (table["highway_nearest_m"] < 1.0).all()


def test_nothing_within_reach_is_missing_and_flagged_and_never_zero():
    features = tables.feature_table([shapely.Point(-62.0, 5.4)], ["building"])
    row = measure_context(tables.site_table([(-62.6, 5.4)]), features).iloc[0]
    for name in (*tables.LAYERS, "osm", "target"):
        assert np.isnan(row[f"{name}_nearest_m"])
        assert not row[f"{name}_is_within"]
    assert pd.isna(row["building_nearest_class"])
    assert row["osm_features_10000m"] == 0


def test_within_an_area_the_distance_is_zero_and_the_circle_is_full():
    lake = shapely.Point(-62.6, 5.4).buffer(1.5)
    features = tables.feature_table([lake], ["natural"])
    row = measure_context(tables.site_table([(-62.61, 5.41)]), features).iloc[0]
    assert row["natural_nearest_m"] == 0.0
    assert row["natural_nearest_class"] == "a natural"
    assert row["natural_2000m_area_ha"] == pytest.approx(np.pi * 4e6 / 1e4, rel=1e-9)
    assert row["natural_10000m_count"] == 1
    assert row["natural_in_patch"]


@pytest.mark.parametrize("degrees", [0.01, 0.1, 3.0])
def test_both_halves_of_an_area_that_crosses_itself_are_there(degrees):
    corners = np.array([(-1, -1), (1, 1), (1, -1), (-1, 1)]) * np.array([1.0, 0.5]) * degrees
    bow = shapely.Polygon(corners + np.array([-62.6, 5.4]))
    sites = tables.site_table([(-62.6 + degrees * side, 5.4) for side in (-0.5, 0.5)])
    table = measure_context(sites, tables.feature_table([bow], ["natural"]), radii_m=(100,))
    assert table["natural_nearest_m"].tolist() == [0.0, 0.0]
    assert table["natural_100m_area_ha"].tolist() == pytest.approx([np.pi] * 2, rel=1e-9)


def test_an_island_is_not_in_its_lake():
    lake = shapely.Point(-62.6, 5.4).buffer(0.05) - shapely.Point(-62.6, 5.4).buffer(0.01)
    features = tables.feature_table([lake], ["natural"])
    row = measure_context(tables.site_table([(-62.6, 5.4)]), features).iloc[0]
    assert row["natural_nearest_m"] == pytest.approx(1_100.0, rel=0.02)
    assert row["natural_500m_area_ha"] == 0.0


def test_what_names_the_target_is_measured_apart():
    shapes = [shapely.Point(-62.6, 5.4), shapely.Point(-62.6, 5.41)]
    features = tables.feature_table(shapes, ["building"] * 2, target=["landuse=quarry", None])
    table = measure_context(tables.site_table([(-62.6, 5.4)]), features)
    row = table.iloc[0]
    assert row["target_nearest_m"] == 0.0
    assert row["target_nearest_class"] == "landuse=quarry"
    assert row["building_nearest_m"] == row["osm_nearest_m"] == pytest.approx(1_105.8, abs=0.1)
    assert row["osm_features_10000m"] == row["building_10000m_count"] == 1
    naming = target_columns(table.columns)
    without = measure_context(tables.site_table([(-62.6, 5.4)]), features.iloc[1:])
    pd.testing.assert_frame_equal(
        table.drop(columns=naming), without.drop(columns=target_columns(without.columns))
    )


def test_waters_and_boundaries_do_not_say_that_somebody_drew_here():
    names = ("highway", "waterway", "boundary", "natural")
    reserve, river = shapely.Point(-62.6, 5.4).buffer(1.0), shapely.Point(-62.6, 5.401)
    shapes = [reserve, river, reserve, shapely.Point(-62.6, 5.41)]
    layers = ["boundary", "waterway", "natural", "highway"]
    features = tables.feature_table(shapes, layers, names=names)
    row = measure_context(tables.site_table([(-62.6, 5.4)]), features).iloc[0]
    assert row["boundary_in_patch"]
    assert not row["osm_in_patch"]
    assert row["osm_nearest_m"] == row["highway_nearest_m"] > 1_000
    assert (row["osm_features_500m"], row["osm_features_2000m"]) == (0, 1)
    assert (row["osm_layers_500m"], row["osm_layers_2000m"]) == (0, 1)


def test_where_only_waters_were_asked_for_they_say_how_much_is_mapped():
    features = tables.feature_table([shapely.Point(-62.6, 5.4)], ["waterway"], names=("waterway",))
    row = measure_context(tables.site_table([(-62.6, 5.4)]), features).iloc[0]
    assert row["osm_features_500m"] == row["osm_layers_500m"] == 1


def test_a_layer_that_names_the_target_is_no_layer_of_its_own():
    features = tables.feature_table([shapely.Point(-62.6, 5.4)], ["natural"])
    pit = Layer(name="natural", key="natural", names_the_target=True)
    table = measure_context(tables.site_table([(-62.6, 5.4)]), features, layers=[pit, "highway"])
    assert table["target_nearest_m"].iloc[0] == 0.0
    assert table["target_nearest_class"].iloc[0] == "natural=a natural"
    assert not any(name.startswith("natural") for name in table.columns)
    assert table["osm_features_10000m"].iloc[0] == 0


def test_the_border_of_the_extract_bounds_what_is_known():
    area = shapely.box(-62.65, 5.3, -62.55, 5.5)
    features = tables.as_features(
        tables.feature_table([shapely.Point(-62.60, 5.4)], ["building"]), area=area.wkt
    )
    sites = tables.site_table([(-62.60, 5.401), (-62.551, 5.4), (-62.50, 5.4)])
    table = measure_context(sites, features, radii_m=(1_000, 6_000))
    assert table["building_is_bound"].tolist() == [False, True, True]
    assert table["highway_is_bound"].tolist() == [True, True, True]
    assert table["edge_m"].tolist() == pytest.approx([5_541.4, 110.8, 0.0], abs=0.5)
    assert table["is_edge_limited"].tolist() == [True, True, True]
    near = measure_context(sites, features, radii_m=(1_000,))
    assert near["is_edge_limited"].tolist() == [False, True, True]
    assert np.isnan(near["edge_m"].iloc[0])
    unknown = measure_context(sites, features.table)
    assert unknown["is_edge_limited"].isna().all()


def test_where_an_area_is_cut_at_180_degrees_is_no_border():
    sites = tables.site_table([(179.999, -16.5), (-179.99, -16.5), (179.75, -16.5)])
    area = site_neighbourhoods(sites.iloc[:2], radius_m=20_000)
    assert len(area.geoms) == 2
    table = tables.feature_table([shapely.Point(179.9, -16.5)], ["building"])
    features = tables.as_features(table, area=area.wkt)
    found = measure_context(sites, features, radii_m=(15_000,))
    assert found["is_edge_limited"].tolist() == [False, False, True]
    assert found["highway_is_bound"].tolist() == [False, False, True]
    wide = measure_context(sites, features, radii_m=(25_000,))
    assert wide["edge_m"].iloc[0] == pytest.approx(20_000, rel=0.01)
    assert wide["edge_m"].iloc[2] == 0.0


@settings(deadline=None, max_examples=10)
@given(seed=seeds)
def test_of_what_is_equally_near_the_first_in_the_table_is_named(seed):
    random = np.random.default_rng(seed)
    places = random.uniform((-62.9, 5.1), (-62.3, 5.7), (60, 2))
    sites = tables.site_table([tuple(place) for place in places])
    utm = np.column_stack([sites.to_crs(32620).geometry.x, sites.to_crs(32620).geometry.y])
    way = random.normal(size=(60, 2))
    start, end = utm + way * 50.0, utm + way * random.uniform(60.0, 400.0, (60, 1))
    lines = gpd.GeoSeries(shapely.linestrings(np.stack([start, end], axis=1)), crs=32620)
    points = gpd.GeoSeries(shapely.points(start), crs=32620)
    first = tables.feature_table(list(lines.to_crs(4326)), ["natural"] * 60, names=["natural"])
    second = tables.feature_table(list(points.to_crs(4326)), ["natural"] * 60, names=["natural"])
    first["natural"], second["natural"] = "line", "point"
    both = gpd.GeoDataFrame(pd.concat([first, second]))
    both.index = [f"way/{number}" for number in range(120)]
    table = measure_context(sites, both, radii_m=(1_000,))
    alone = [measure_context(sites, one, radii_m=(1_000,)) for one in (first, second)]
    line_m, point_m = (one["natural_nearest_m"] for one in alone)
    named = np.where(line_m <= point_m, "line", "point")
    assert table["natural_nearest_class"].tolist() == named.tolist()


def test_an_area_wider_than_half_the_world_is_there():
    turned = [(9.0, 1.0), (-62.6, 5.4), (100.0, -40.0), (-179.0, 60.0), (179.9999, 0.1)]
    for world in (shapely.box(-180, -90, 180, 90), shapely.box(-150, -70, 150, 70).segmentize(9.0)):
        features = tables.feature_table([world], ["natural"])
        table = measure_context(tables.site_table(turned), features, radii_m=(2_000,))
        held = shapely.intersects_xy(world, *np.array(turned).T)
        assert (table["natural_nearest_m"] == 0.0).tolist() == held.tolist()
        area = np.where(held, np.pi * 4e6 / 1e4, 0.0)
        assert table["natural_2000m_area_ha"].tolist() == pytest.approx(area.tolist(), rel=1e-9)
    over = tables.feature_table([shapely.box(-179.9, -17, 179.9, -16)], ["natural"])
    table = measure_context(tables.site_table([(179.95, -16.5), (0.0, -16.5)]), over)
    assert table["natural_is_within"].tolist() == [True, False]


def test_sites_without_coordinates_have_no_measures():
    sites = tables.site_table([(-62.6, 5.4), (np.nan, np.nan)])
    sites.loc["s1", "geometry"] = None
    features = tables.feature_table([shapely.Point(-62.6, 5.4)], ["building"])
    assert measure_context(sites, features).loc["s1"].isna().all()


def test_what_cannot_be_used_is_named():
    sites = tables.site_table([(-62.6, 5.4)])
    features = tables.feature_table([shapely.Point(-62.6, 5.4)], ["building"])
    with pytest.raises(InputError, match="canal: no such layer"):
        measure_context(sites, features, layers=["canal"])
    for radii_m in ((0, 500), (500, 100_001)):
        with pytest.raises(InputError, match="radii_m"):
            measure_context(sites, features, radii_m=radii_m)
    with pytest.raises(InputError, match="target"):
        measure_context(sites, features.drop(columns="target"))
    for corner in ((np.nan, 5.41), (-62.6, np.inf)):
        with np.errstate(invalid="ignore"):
            bent = shapely.LineString([(-62.61, 5.4), corner, (-62.59, 5.4)])
        broken = tables.feature_table([shapely.Point(-62.6, 5.4), bent], ["building", "highway"])
        with pytest.raises(InputError, match=r"way/2: 1 features have a corner"):
            measure_context(sites, broken)
    with pytest.raises(InputError, match="come twice"):
        measure_context(pd.concat([sites, sites]), features)
    with pytest.raises(InputError, match="UTM"):
        measure_context(tables.site_table([(-62.6, 88.0)]), features)


@pytest.mark.real
def test_measures_of_a_real_country_equal_brute_force(shared_data):
    from minewatch.context import extract_features

    features = extract_features(shared_data / "osm" / "liechtenstein.osm.pbf")
    random = np.random.default_rng(0)
    sites = tables.site_table([(9.5 + x, 47.1 + y) for x, y in random.uniform(0, 0.1, (3, 2))])
    table = measure_context(sites, features, radii_m=(2_000,))
    plane, points, scales = in_plane(features.table, sites)
    ordinary = plane[plane["target"].isna()]
    for key, point, scale in zip(sites.index, points, scales, strict=True):
        disc = point.buffer(2_000 * scale, quad_segs=1500)
        for layer in ("highway", "waterway", "landuse", "building"):
            own = ordinary[ordinary[layer].notna()]
            own = own[own.distance(point) <= 2_000 * scale]
            assert table.loc[key, f"{layer}_2000m_count"] == len(own)
            if layer in ("highway", "waterway"):
                length = own[own["kind"] == "line"].intersection(disc).length.sum() / scale
                assert table.loc[key, f"{layer}_2000m_length_m"] == pytest.approx(length, rel=1e-5)
            else:
                area = own.intersection(disc).area.sum() / scale**2 / 10_000
                assert table.loc[key, f"{layer}_2000m_area_ha"] == pytest.approx(area, rel=1e-5)


def test_a_large_area_is_projected_once_however_many_lots_of_sites_ask_for_it(monkeypatch):
    random = np.random.default_rng(5)
    lake = shapely.Point(-62.6, 5.4).buffer(0.05, quad_segs=500)
    features = tables.feature_table([lake, shapely.Point(-62.6, 5.4)], ["natural", "building"])
    places = random.uniform((-62.65, 5.35), (-62.55, 5.45), (40, 2))
    sites = tables.site_table([tuple(place) for place in places])
    wanted = measure_context(sites, features)
    project, n_corners = _measure.to_crs, []

    def counted(geometry, crs):
        n_corners.append(int(shapely.get_num_coordinates(geometry).sum()))
        return project(geometry, crs)

    monkeypatch.setattr(_measure, "to_crs", counted)
    monkeypatch.setattr(_near, "_MOST_PLACES", 5)
    found = measure_context(sites, features)
    assert sum(n_corners) < 1.5 * shapely.get_num_coordinates(lake)
    pd.testing.assert_frame_equal(found, wanted, check_exact=True)


def test_no_ground_is_lost_where_halving_ends(monkeypatch):
    monkeypatch.setattr("minewatch.context._pieces._MOST_HALVINGS", 1)
    shapes = np.array(
        [shapely.Point(0, 0).buffer(100.0, quad_segs=500), shapely.box(300, 0, 301, 1)]
    )
    parts, owner = _subdivide(shapes, np.array([0, 1]))
    ground = np.bincount(owner, shapely.area(parts))
    assert ground == pytest.approx(shapely.area(shapes), rel=1e-9)
