"""Areas hold what they promise, in true metres, on both sides of 180°."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from minewatch.context import site_neighbourhoods
from minewatch.context._area import parse_bounds, read_area
from minewatch.errors import InputError, NotThereError

GEOD = Geod(ellps="WGS84")


def sites_at(*places: tuple[float, float]) -> gpd.GeoDataFrame:
    index = pd.Index([f"s{number}" for number in range(len(places))], name="site_id")
    points = gpd.points_from_xy(*np.array(places).reshape(-1, 2).T)
    return gpd.GeoDataFrame(index=index, geometry=points, crs="EPSG:4326")


def ring_around(longitude: float, latitude: float, distance_m: float) -> np.ndarray:
    azimuth = np.linspace(0.0, 360.0, 360, endpoint=False)
    east, north, _ = GEOD.fwd(
        np.full(360, longitude), np.full(360, latitude), azimuth, np.full(360, distance_m)
    )
    return shapely.points(east, north)


@settings(max_examples=60, deadline=None)
@given(
    longitude=st.floats(-180.0, 180.0),
    latitude=st.floats(-84.0, 84.0),
    radius_m=st.sampled_from([500.0, 10_000.0, 300_000.0]),
)
def test_all_within_the_radius_is_inside_and_little_more(longitude, latitude, radius_m):
    ground = site_neighbourhoods(sites_at((longitude, latitude)), radius_m=radius_m)
    assert shapely.is_valid(ground)
    west, south, east, north = ground.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90
    assert shapely.intersects(ground, ring_around(longitude, latitude, 0.9999 * radius_m)).all()
    if abs(latitude) < 80:
        assert not shapely.intersects(
            ground, ring_around(longitude, latitude, 1.01 * radius_m)
        ).any()


def test_what_crosses_180_is_cut_in_two_of_the_same_whole():
    over = site_neighbourhoods(sites_at((179.95, -16.5)), radius_m=10_000)
    usual = site_neighbourhoods(sites_at((100.0, -16.5)), radius_m=10_000)
    assert len(over.geoms) == 2
    assert over.area == pytest.approx(usual.area, rel=1e-9)


def test_a_circle_around_a_pole_holds_it():
    ground = site_neighbourhoods(sites_at((10.0, 89.95)), radius_m=20_000)
    assert ground.bounds[3] == 90.0
    assert shapely.intersects_xy(ground, [-170.0, 10.0], [89.95, 89.9]).all()


def test_order_and_repetition_of_sites_change_nothing():
    places = [(-62.5, 5.4), (-62.45, 5.4), (179.99, 0.0)]
    one = site_neighbourhoods(sites_at(*places), radius_m=5_000)
    other = site_neighbourhoods(sites_at(*places[::-1], *places), radius_m=5_000)
    assert shapely.equals_exact(one, other, tolerance=0.0)


@pytest.mark.parametrize(
    ("places", "radius_m", "says"),
    [([], 500, "no site"), ([(np.nan, np.nan)], 500, "no site"), ([(0, 0)], 0, "radius_m is 0")],
)
def test_what_has_no_ground_is_refused(places, radius_m, says):
    with pytest.raises(InputError, match=says):
        site_neighbourhoods(sites_at(*places), radius_m=radius_m)


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".shp", ".parquet"])
def test_a_file_of_polygons_in_any_projection_is_an_area(tmp_path, suffix):
    box = shapely.box(-62.6, 5.3, -62.5, 5.4)
    table = gpd.GeoDataFrame(geometry=[box], crs="EPSG:4326")
    if suffix != ".geojson":
        table = table.to_crs("EPSG:32620")
    file = tmp_path / f"area{suffix}"
    table.to_parquet(file) if suffix == ".parquet" else table.to_file(file)
    assert shapely.hausdorff_distance(read_area(file), box) < 1e-6


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotThereError, match=r"none\.geojson"):
        read_area(tmp_path / "none.geojson")


@pytest.mark.parametrize(
    "bounds", [(1, 5, 1, 6), (1, 6, 2, 5), (-181, 5, 0, 6), (0, 5, 1, 91), (0, np.nan, 1, 2)]
)
def test_a_box_that_is_none_is_refused(bounds):
    with pytest.raises(InputError, match="the box"):
        read_area(bounds)


def test_a_box_whose_west_lies_beyond_its_east_may_cross_180_but_not_go_round_the_world():
    assert read_area((100.0, 5.0, -80.0, 6.0)).area == pytest.approx(180.0)
    with pytest.raises(InputError, match=r"359\.94° wide.*swapped"):
        read_area((9.56, 47.1, 9.5, 47.2))


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d"])
def test_text_that_is_no_box_is_refused_with_an_example(text):
    with pytest.raises(InputError, match=r"-63,5,-62.5,5.5"):
        parse_bounds(text)
