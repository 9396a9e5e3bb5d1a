"""Windows lie where patches would, the same in every scan, and cover the whole region."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from minewatch.errors import InputError, NotThereError, SettingsError
from minewatch.grid import PatchGrid, utm_epsg
from minewatch.model import Card
from minewatch.scan import ScanSettings, read_bbox
from minewatch.scan._plan import make_plan
from minewatch.scan._region import describe_region, open_region
from minewatch.scan._settings import choose_steps

places = st.one_of(
    st.tuples(st.floats(-180, 179.99), st.floats(-79, 83)),
    st.tuples(st.sampled_from([-180.0, -66.0, 0.0, 174.0, 179.99]), st.floats(-60, 60)),
    st.tuples(st.floats(-180, 179.99), st.floats(-0.02, 0.02)),
)
settings.register_profile("plans", max_examples=12, deadline=None)
plans = settings.get_profile("plans")


def card(size_px=48):
    facts = {"name": "x", "kind": "cnn", "bands": ("B04",), "level": "L2A", "licence": "MIT"}
    return Card(**facts, size_px=size_px, digest="sha256:0")


def around(longitude, latitude, degrees):
    """A rectangle around a place, across 180° and the equator where they are near."""
    across = degrees / np.cos(np.radians(latitude))
    west, east = ((longitude + d + 180) % 360 - 180 for d in (-across, across))
    return read_bbox((west, max(latitude - degrees, -79.9), east, min(latitude + degrees, 83.9)))


def plan_of(region, size_px=48, **changes):
    return make_plan(open_region(region), card(size_px), ScanSettings(**changes))


@plans
@given(place=places, size_px=st.sampled_from([28, 44, 48]), degrees=st.floats(1e-5, 0.01))
def test_a_window_is_the_patch_that_would_be_built_at_its_centre(place, size_px, degrees):
    plan = plan_of(around(*place, degrees), size_px)
    for tile, count in plan.tiles:
        windows = plan.windows(tile)
        assert len(windows) == count
        for position, (longitude, latitude) in enumerate(zip(*windows.centres(), strict=True)):
            assert PatchGrid(size_px=size_px).geobox(longitude, latitude) == windows.geobox(
                position
            )


@plans
@given(place=places, degrees=st.floats(1e-4, 0.03), data=st.data())
def test_every_place_of_a_region_lies_in_a_window(place, degrees, data):
    region = around(*place, degrees)
    plan = plan_of(region)
    part = data.draw(st.sampled_from(list(shapely.get_parts(region))))
    west, south, east, north = part.bounds
    longitude = west + data.draw(st.floats(0.001, 0.999)) * (east - west)
    latitude = south + data.draw(st.floats(0.001, 0.999)) * (north - south)
    epsg = utm_epsg(longitude, latitude)
    point = gpd.GeoSeries([shapely.Point(longitude, latitude)], crs=4326).to_crs(epsg).iloc[0]
    boxes = [plan.windows(tile).boxes() for tile, _ in plan.tiles if tile.epsg == epsg]
    assert boxes
    assert shapely.intersects(np.concatenate(boxes), point).any()


@plans
@given(place=places, degrees=st.floats(1e-3, 0.03))
def test_windows_are_named_once_and_have_the_same_names_in_a_larger_region(place, degrees):
    small, large = (plan_of(around(*place, by)) for by in (degrees, 1.5 * degrees))
    own, others = (
        [one for tile, _ in plan.tiles for one in plan.windows(tile).ids] for plan in (small, large)
    )
    assert len(own) == len(set(own))
    assert set(own) <= set(others)
    assert {tile.key for tile, _ in small.tiles} <= {tile.key for tile, _ in large.tiles}


@plans
@given(place=places, tile_px=st.sampled_from([48, 120, 600]))
def test_the_size_of_tiles_changes_no_window(place, tile_px):
    region = around(*place, 0.02)
    plain, cut = plan_of(region), plan_of(region, tile_px=tile_px)
    assert plain.n_windows == cut.n_windows
    ids = [{one for tile, _ in p.tiles for one in p.windows(tile).ids} for p in (plain, cut)]
    assert ids[0] == ids[1]


def test_no_window_lies_beyond_the_region():
    region = shapely.Point(-60.0, 2.0).buffer(0.03)
    plan = plan_of(region)
    for tile, _ in plan.tiles:
        windows = plan.windows(tile)
        boxes = gpd.GeoSeries(windows.boxes(), crs=tile.epsg).to_crs(4326)
        assert boxes.intersects(region).all()


@pytest.mark.parametrize("suffix", ["geojson", "gpkg", "shp", "fgb", "gml", "parquet"])
def test_a_region_is_read_from_any_vector_file(tmp_path, suffix):
    region = shapely.box(-60.1, 2.0, -60.0, 2.1)
    table = gpd.GeoDataFrame(geometry=[region], crs=4326)
    file = tmp_path / f"region.{suffix}"
    if suffix == "parquet":
        table.to_parquet(file)
    else:
        table.to_file(file)
    assert open_region(file).symmetric_difference(region).area < 1e-9


def test_a_region_in_metres_is_the_same_ground():
    table = gpd.GeoSeries([shapely.box(500_000, 220_000, 510_000, 230_000)], crs=32620)
    assert describe_region(open_region(table))["area_ha"] == pytest.approx(10_000, rel=2e-3)


def test_the_digest_of_a_region_does_not_hang_on_the_order_of_its_parts():
    parts = [shapely.box(-60, 2, -59.9, 2.1), shapely.box(-59, 2, -58.9, 2.1)]
    both = [
        describe_region(open_region(gpd.GeoSeries(own, crs=4326))) for own in (parts, parts[::-1])
    ]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("bbox", "words"),
    [
        ("1,2,3", "expected four numbers"),
        ("a,b,c,d", "expected four numbers"),
        ("-60,2,-59,nan", "expected numbers of degrees"),
        ("-60,2,-59,1", "south is not below north"),
        ("-60,2,-60,3", "no width"),
        ("-190,2,-170,3", "longitudes from -180 to 180"),
        ("-60,2,-59,95", "latitudes from -80 to 84"),
        ("-59,2,-60,3", "west and east are swapped"),
        ("500000,220000,510000,230000", "longitudes from -180 to 180"),
    ],
)
def test_a_rectangle_that_makes_no_sense_is_refused_in_plain_words(bbox, words):
    with pytest.raises(InputError, match=words):
        read_bbox(bbox)


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (shapely.Polygon([(179, 0), (-179, 0), (-179, 1), (179, 1)]), "cut it there in two"),
        (shapely.LineString([(0, 0), (1, 1)]), "expected polygons only"),
        (shapely.box(0, 83, 1, 86), "where UTM zones are defined"),
        (shapely.Polygon(), "no area"),
        (gpd.GeoSeries([shapely.box(0, 0, 1, 1)]), "no coordinate reference system"),
    ],
)
def test_a_region_that_makes_no_sense_is_refused_in_plain_words(region, words):
    with pytest.raises(InputError, match=words):
        open_region(region)


def test_a_region_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(NotThereError):
        open_region(tmp_path / "nowhere.geojson")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stride_px": 10}, "take 12"),
        ({"stride_px": 54}, "never be looked at"),
        ({"tile_px": 100}, "multiple of the stride"),
    ],
)
def test_steps_that_do_not_fit_are_refused_with_those_that_do(changes, words):
    with pytest.raises(SettingsError, match=words):
        choose_steps(ScanSettings(**changes), PatchGrid())
