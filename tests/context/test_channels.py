import importlib.util
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Proj, Transformer
from rasterio.features import rasterize

from minewatch.context import draw_channels, stack_channels
from minewatch.errors import InputError
from minewatch.grid import PatchGrid

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_map_tables", Path(__file__).with_name("map_tables.py")
)
tables = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tables)


def pixel_corners(geobox, rows, columns):
    """Give longitude and latitude of places in a grid, rows and columns in pixels."""
    columns, rows = np.asarray(columns, dtype=float), np.asarray(rows, dtype=float)
    a, b, c, d, e, f = tuple(geobox.affine)[:6]
    to_degrees = Transformer.from_crs(str(geobox.crs), "EPSG:4326", always_xy=True)
    return np.column_stack(
        to_degrees.transform(a * columns + b * rows + c, d * columns + e * rows + f)
    )


GEOBOXES = {
    "north": PatchGrid(size_px=24).geobox(-62.6, 5.4),
    "south": PatchGrid(size_px=24).geobox(-56.4, -6.5),
    "zone's edge, west": PatchGrid(size_px=24).geobox(-60.00001, 4.0),
    "zone's edge, east": PatchGrid(size_px=24).geobox(-59.99999, -4.0),
    "180°, east": PatchGrid(size_px=24).geobox(179.9999, -16.5),
    "180°, west": PatchGrid(size_px=24).geobox(-179.9999, 51.9),
    "the zone beside": GeoBox((24, 24), Affine(10, 0, 160_000, 0, -10, 442_000), "EPSG:32621"),
    "degrees": GeoBox((24, 24), Affine(1e-4, 0, 20.0, 0, -1e-4, -3.0), "EPSG:4326"),
    "turned": GeoBox((24, 24), Affine(8, 6, 500_000, 6, -8, 600_000), "EPSG:32620"),
    "Sirgas, metres": GeoBox((24, 24), Affine(10, 0, 400_000, 0, -10, 9_400_000), "EPSG:31980"),
}


@pytest.mark.parametrize("name", GEOBOXES)
def test_a_cross_is_drawn_on_the_very_pixels(name):
    geobox = GEOBOXES[name]
    across = shapely.LineString(pixel_corners(geobox, np.full(41, 7.5), np.linspace(-8, 32, 41)))
    down = shapely.LineString(pixel_corners(geobox, np.linspace(-8, 32, 41), np.full(41, 15.5)))
    features = tables.feature_table([across, down], ["highway", "highway"])
    channels = draw_channels({"a": geobox}, features, layers=["highway"])
    expected = np.zeros((24, 24))
    expected[7, :] = expected[:, 15] = 1
    assert np.array_equal(channels["presence"].values[0, 0], expected)
    away = channels["distance_m"].values[0, 0]
    assert away[expected == 1].max() < 0.5
    metres = np.abs(np.arange(24) - 7)[:, None], np.abs(np.arange(24) - 15)[None, :]
    step = 11.1 if name == "degrees" else 10.0
    assert away == pytest.approx(step * np.minimum(*metres), rel=0.01, abs=0.5)


def test_overlapping_patches_of_two_zones_see_one_road():
    road = shapely.LineString([(-60.02, 4.001), (-59.98, 4.001)])
    features = tables.feature_table([road], ["highway"])
    west, east = PatchGrid().geobox(-60.0001, 4.0), PatchGrid().geobox(-59.9999, 4.0)
    assert west.crs != east.crs
    channels = draw_channels({"west": west, "east": east}, features, layers=["highway"])
    assert (channels["presence"].values.max(axis=2) == 1).all()


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), all_touched=st.booleans())
def test_presence_equals_drawing_each_patch_by_itself(seed, all_touched):
    random = np.random.default_rng(seed)
    features = tables.scatter(random, 80, (-62.6, 5.4), spread=0.02)
    if not all_touched:  # where a thin line runs depends on where it was cut
        features = features[features["kind"] != "line"]
    grid = PatchGrid(size_px=20)
    geoboxes = {
        f"p{i}": grid.geobox(*(random.uniform((-62.62, 5.38), (-62.58, 5.42)))) for i in range(7)
    }
    channels = draw_channels(geoboxes, features, all_touched=all_touched, max_distance_m=None)
    plane = features.to_crs(32620)
    for site, geobox in geoboxes.items():
        for layer in tables.LAYERS:
            shapes = list(plane.geometry[plane[layer].notna()])
            alone = np.zeros((20, 20), dtype=np.uint8)
            if shapes:
                rasterize(shapes, out=alone, transform=geobox.affine, all_touched=all_touched)
            assert np.array_equal(channels["presence"].sel(site=site, layer=layer), alone)


@settings(deadline=None, max_examples=6)
@given(seed=st.integers(0, 2**32 - 1))
def test_distances_equal_brute_force(seed):
    random = np.random.default_rng(seed)
    features = tables.scatter(random, 25, (-62.6, 5.4), spread=0.04)
    geobox = PatchGrid(size_px=21).geobox(*(random.uniform((-62.63, 5.37), (-62.57, 5.43))))
    channels = draw_channels({"a": geobox}, features, max_distance_m=2_000.0)
    plane = features.to_crs(32620)
    box = geobox.boundingbox
    points = shapely.points(
        *np.meshgrid(box.left + 10 * np.arange(21) + 5, box.top - 10 * np.arange(21) - 5)
    )
    middle = gpd.GeoSeries([shapely.box(*box).centroid], crs=32620).to_crs(4326).iloc[0]
    scale = np.sqrt(Proj("EPSG:32620").get_factors(middle.x, middle.y).areal_scale)
    for layer in tables.LAYERS:
        shapes = plane.geometry[plane[layer].notna()].to_numpy()
        away = shapely.distance(points[..., None], shapes).min(axis=-1, initial=np.inf) / scale
        expected = np.where(away <= 2_000.0, away, np.nan)
        found = channels["distance_m"].sel(layer=layer).values[0]
        assert found == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_a_distance_is_told_only_where_nothing_nearer_can_lie_beyond_the_border():
    grid = PatchGrid(size_px=32)
    everything = tables.scatter(np.random.default_rng(8), 120, (-62.6, 5.4), spread=0.03)
    area = shapely.box(-62.612, 5.388, -62.5995, 5.412)
    near = tables.as_features(everything[everything.intersects(area)], area=area.wkt)
    geoboxes = {"cut": grid.geobox(-62.6, 5.4), "outside": grid.geobox(-62.58, 5.4)}
    whole = draw_channels(geoboxes, everything, max_distance_m=2_000.0)["distance_m"].values
    known = draw_channels(geoboxes, near, max_distance_m=2_000.0)["distance_m"].values
    told = np.isfinite(known)
    assert np.array_equal(known[told], whole[told])
    assert 0.1 < told[0].mean() < 0.9
    assert not (known[1] > 0.0).any()
    unbounded = draw_channels(geoboxes, near.table, max_distance_m=2_000.0)["distance_m"].values
    assert (unbounded > whole).any()


def test_an_area_across_180_degrees_has_no_border_there():
    halves = [shapely.box(179.8, -16.7, 180.0, -16.3), shapely.box(-180.0, -16.7, -179.8, -16.3)]
    place = shapely.Point(179.999, -16.52)
    table = tables.feature_table([place], ["building"])
    features = tables.as_features(table, area=shapely.MultiPolygon(halves).wkt)
    channels = draw_channels({"a": PatchGrid().geobox(179.999, -16.5)}, features)
    assert np.isfinite(channels["distance_m"].sel(layer="building")).all()


def test_small_things_vanish_only_where_centres_are_asked_for():
    geobox = PatchGrid().geobox(-62.6, 5.4)
    corner = pixel_corners(geobox, [10.1], [10.1])[0]
    hut = shapely.box(*corner, *(corner + 3e-6))
    features = tables.feature_table([hut], ["building"], names=["building"])
    assert draw_channels({"a": geobox}, features)["presence"].sum() == 1
    assert draw_channels({"a": geobox}, features, all_touched=False)["presence"].sum() == 0


def test_what_names_the_target_is_drawn_only_when_asked_for():
    geobox = PatchGrid().geobox(-62.6, 5.4)
    pit = shapely.Point(-62.6, 5.4).buffer(0.001)
    features = tables.feature_table([pit], ["natural"], target=["landuse=quarry"])
    channels = draw_channels({"a": geobox}, features)
    assert list(channels["layer"].values) == list(tables.LAYERS)
    assert channels["presence"].sum() == 0
    asked = draw_channels({"a": geobox}, features, layers=["natural", "target"])["presence"]
    assert asked.sel(layer="target").sum() > 100
    assert asked.sel(layer="natural").sum() == 0


def test_channels_are_stacked_upon_bands_by_site_and_not_by_row():
    geoboxes = {"b": PatchGrid().geobox(-62.6, 5.4), "a": PatchGrid().geobox(-62.7, 5.4)}
    features = tables.feature_table([shapely.Point(-62.7, 5.4)], ["building"])
    channels = draw_channels(geoboxes, features)
    pixels = xr.DataArray(
        np.full((2, 12, 48, 48), 0.5, dtype=np.float32),
        dims=("site", "band", "y", "x"),
        coords={"site": ["a", "b"], "band": [f"B{number:02d}" for number in range(12)]},
    )
    stacked = stack_channels(pixels, channels)
    assert stacked.shape == (2, 15, 48, 48)
    assert stacked.dtype == np.float32
    assert stacked.sel(band="building").sum(("y", "x")).values.tolist() == [1.0, 0.0]
    assert (stacked.isel(band=slice(12)) == 0.5).all()
    with pytest.raises(InputError, match="c have no channels"):
        stack_channels(pixels.assign_coords(site=["a", "c"]), channels)


def stacked_bands(channels, **named):
    shape = (channels.sizes["site"], 1, channels.sizes["y"], channels.sizes["x"])
    pixels = xr.DataArray(
        np.zeros(shape, dtype=np.float32),
        dims=("site", "band", "y", "x"),
        coords={"site": channels["site"].values, "band": ["B04"]},
    )
    return stack_channels(pixels, channels, **named)["band"].values.tolist()


def test_what_names_the_target_is_stacked_only_when_named():
    features = tables.feature_table([shapely.Point(-62.7, 5.4)], ["building"])
    grid = PatchGrid(size_px=8).geobox(-62.7, 5.4)
    channels = draw_channels({"a": grid}, features, layers=["target", "building", "natural"])
    assert stacked_bands(channels) == ["B04", "building", "natural"]
    assert stacked_bands(channels, layers=["target", "natural"]) == ["B04", "target", "natural"]
    with pytest.raises(InputError, match="no layer to be stacked"):
        stacked_bands(channels.sel(layer=["target"]))
    with pytest.raises(InputError, match="canal to be stacked"):
        stacked_bands(channels, layers=["building", "canal"])


@pytest.mark.parametrize("size", [0.5, 40.0, 400.0])
@pytest.mark.parametrize("all_touched", [True, False])
def test_an_area_that_crosses_itself_is_drawn_as_its_two_halves(size, all_touched):
    geobox = PatchGrid(size_px=50).geobox(-62.6, 5.4)
    rows, columns = np.array([-1, 1, -1, 1]) * size, np.array([-1, 1, 1, -1]) * size
    bow = pixel_corners(geobox, 25.3 + rows, 25.37 + 1.13 * columns)
    cross = pixel_corners(geobox, [25.3], [25.37])[0]
    halves = shapely.multipolygons(
        [shapely.Polygon([*bow[1:3], cross]), shapely.Polygon([*bow[[3, 0]], cross])]
    )
    found, wanted = (
        draw_channels({"a": geobox}, tables.feature_table([shape], ["natural"]), layers=["natural"],
                      all_touched=all_touched)
        for shape in (shapely.Polygon(bow), halves)
    )  # fmt: skip
    # Long sides of the plane are not quite straight in degrees: a pixel or two beside them differ.
    assert (found["presence"] != wanted["presence"]).sum() <= 4
    assert ((found["distance_m"] == 0.0) != (wanted["distance_m"] == 0.0)).sum() <= 4
    assert wanted["presence"].sum() < 0.6 * wanted["presence"].size


def test_an_area_without_ground_is_touched_and_holds_nothing():
    geobox = PatchGrid(size_px=20).geobox(-62.6, 5.4)
    flat = shapely.Polygon(pixel_corners(geobox, [7.5] * 3, [-40.0, 60.0, -40.0]))
    features = tables.feature_table([flat], ["natural"], names=["natural"])
    presence = draw_channels({"a": geobox}, features)["presence"].values[0, 0]
    assert np.array_equal(np.flatnonzero(presence.any(axis=1)), [7])
    assert presence[7].all()
    assert draw_channels({"a": geobox}, features, all_touched=False)["presence"].sum() == 0


def test_what_cannot_be_drawn_is_named():
    features = tables.feature_table([shapely.Point(-62.7, 5.4)], ["building"])
    small, large = PatchGrid(size_px=8).geobox(0.5, 0.5), PatchGrid().geobox(0.5, 0.5)
    with pytest.raises(InputError, match="one shape"):
        draw_channels({"a": small, "b": large}, features)
    with pytest.raises(InputError, match="max_distance_m"):
        draw_channels({"a": small}, features, max_distance_m=-1.0)
    with pytest.raises(InputError, match="no such layer"):
        draw_channels({"a": small}, features, layers=["canal"])
