"""The toy valley: the same everywhere, consistent through every window, and honestly hard."""

import hashlib
from datetime import date

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from minewatch import toy
from minewatch.bands import PRESETS
from minewatch.errors import BandError, InputError, SettingsError
from minewatch.grid import PatchGrid
from minewatch.sites import check_sites

SMALL = toy.Valley(seed=5, width_m=12_000, height_m=9_000)
WEST, NORTH = SMALL.geobox.transform.c, SMALL.geobox.transform.f
MINE = next(code for code, name in toy.COVERS.items() if name == "mine")
DIGEST = "bc83515c3c3f4fcf2e5dd6dbfddcbfa250f5dce62a242cbb356dc4e2b03dcdb9"


def window(column: int, row: int, n_columns: int, n_rows: int, resolution_m: int = 10) -> GeoBox:
    """Cut a window out of the small valley: offsets in cells of 10 m from its corner."""
    left, top = WEST + 10.0 * column, NORTH - 10.0 * row
    transform = Affine(resolution_m, 0.0, left, 0.0, -resolution_m, top)
    return GeoBox((n_rows, n_columns), transform, "EPSG:32620")


@pytest.fixture(scope="module")
def small_sites() -> gpd.GeoDataFrame:
    return SMALL.sites(12, 24)


def test_sites_and_pixels_have_the_committed_digest() -> None:
    valley = toy.Valley(seed=1)
    sites = valley.sites(12, 24)
    places = np.round(sites.get_coordinates().to_numpy() * 1e7).astype("<i8")
    words = ",".join(sites["cover"]) + ",".join(map(str, sites["label"]))
    digest = hashlib.sha256(places.tobytes() + words.encode())
    digest.update(valley.pixels(sites).to_numpy().astype("<u2").tobytes())
    assert digest.hexdigest() == DIGEST


def test_another_seed_is_another_valley(small_sites: gpd.GeoDataFrame) -> None:
    other = toy.Valley(seed=6, width_m=12_000, height_m=9_000).sites(12, 24)
    assert not other.geometry.geom_equals(small_sites.geometry).any()


def test_sites_follow_the_schema(small_sites: gpd.GeoDataFrame) -> None:
    assert small_sites.index.name == "site_id"
    assert small_sites.index.is_unique
    assert small_sites.crs.to_epsg() == 4326
    assert small_sites["label"].dtype == pd.Int8Dtype()
    assert small_sites["label"].tolist() == [1] * 12 + [0] * 24
    assert set(small_sites["cover"]) <= set(toy.COVERS.values())
    assert not small_sites.geometry.duplicated().any()


def test_labels_are_never_ambiguous(small_sites: gpd.GeoDataFrame) -> None:
    for site in small_sites.itertuples():
        geobox = PatchGrid().geobox(site.geometry.x, site.geometry.y)
        mine = SMALL.land_cover(geobox).to_numpy() == MINE
        if site.label == 1:
            assert mine.mean() >= 0.01
            assert mine[14:34, 14:34].any()
        else:
            assert not mine.any()


def test_the_cover_of_a_site_is_that_of_its_cell(small_sites: gpd.GeoDataFrame) -> None:
    cell = PatchGrid(size_px=1, snap_m=10)
    for site in small_sites.itertuples():
        code = int(SMALL.land_cover(cell.geobox(site.geometry.x, site.geometry.y))[0, 0])
        assert toy.COVERS[code] == site.cover


@settings(max_examples=40, deadline=None)
@given(
    column=st.integers(0, 1_100),
    row=st.integers(0, 800),
    shift=st.tuples(st.integers(0, 25), st.integers(0, 25)),
)
def test_overlapping_windows_show_the_same_ground(
    column: int, row: int, shift: tuple[int, int]
) -> None:
    first = window(column, row, 40, 36)
    second = window(column + shift[0], row + shift[1], 44, 30)
    names = ("B02", "B09", "B11")
    one = SMALL.reflectance(first, bands=names)
    two = SMALL.reflectance(second, bands=names)
    both = np.intersect1d(one.x, two.x), np.intersect1d(one.y, two.y)
    at = {"x": both[0], "y": both[1]}
    np.testing.assert_array_equal(one.sel(at).to_numpy(), two.sel(at).to_numpy())
    cover, other = SMALL.land_cover(first), SMALL.land_cover(second)
    np.testing.assert_array_equal(cover.sel(at).to_numpy(), other.sel(at).to_numpy())


def test_a_window_of_many_pieces_shows_what_its_parts_show() -> None:
    whole = SMALL.land_cover(window(0, 100, 1_000, 20)).to_numpy()
    part = SMALL.land_cover(window(470, 105, 30, 10)).to_numpy()
    np.testing.assert_array_equal(whole[5:15, 470:500], part)


def test_coarse_bands_are_averages_of_fine_ones() -> None:
    geobox = window(300, 402, 48, 48)
    fine = SMALL.reflectance(geobox, bands=["B04", "B8A", "B01"]).to_numpy()
    twenty = fine[1].reshape(24, 2, 24, 2)
    sixty = fine[2].reshape(8, 6, 8, 6)
    assert (twenty == twenty[:, :1, :, :1]).all()
    assert (sixty == sixty[:, :1, :, :1]).all()
    assert np.ptp(fine[0].reshape(24, 2, 24, 2), axis=(1, 3)).max() > 0


def test_coarse_pixels_are_averages_of_cells() -> None:
    fine = SMALL.reflectance(window(300, 402, 48, 48), bands=["B04"]).to_numpy()[0]
    coarse = SMALL.reflectance(window(300, 402, 8, 8, 60), bands=["B04"]).to_numpy()[0]
    np.testing.assert_allclose(coarse, fine.reshape(8, 6, 8, 6).mean(axis=(1, 3)), rtol=1e-12)


def test_mines_are_what_the_cover_calls_mine() -> None:
    mines = SMALL.mines
    bounds = mines.to_crs(32620).total_bounds
    left, top = int((bounds[0] - WEST) // 10) - 2, int((NORTH - bounds[3]) // 10) - 2
    n_columns = int((bounds[2] - bounds[0]) // 10) + 6
    n_rows = int((bounds[3] - bounds[1]) // 10) + 6
    cover = SMALL.land_cover(window(left, top, n_columns, n_rows))
    shapes = shapely.union_all(mines.to_crs(32620).geometry.to_numpy())
    shapely.prepare(shapes)
    eastings, northings = np.meshgrid(cover.x, cover.y)
    np.testing.assert_array_equal(
        cover.to_numpy() == MINE, shapely.contains_xy(shapes, eastings, northings)
    )


def test_mines_carry_their_area_and_day() -> None:
    mines = SMALL.mines
    assert mines.geometry.is_valid.all()
    assert mines["opened"].between("2017-01-01", "2024-12-31").all()
    utm_ha = mines.to_crs(32620).area / 1e4
    np.testing.assert_allclose(mines["area_ha"], utm_ha, rtol=0.005)


def test_mines_are_not_there_before_they_open() -> None:
    first = SMALL.mines.sort_values("opened").iloc[[0]]
    place = first.geometry.iloc[0].representative_point()
    geobox = PatchGrid(size_px=1, snap_m=10).geobox(place.x, place.y)
    opened = first["opened"].iloc[0].date()
    before = SMALL.land_cover(geobox, on=date(2016, 12, 31))
    assert int(before[0, 0]) != MINE
    assert int(SMALL.land_cover(geobox, on=opened)[0, 0]) == MINE


def test_mined_ground_grows_with_the_years() -> None:
    geobox = window(0, 0, 200, 150, 60)
    shares = [
        float((SMALL.land_cover(geobox, on=date(year, 12, 31)) == MINE).mean())
        for year in (2017, 2020, 2024)
    ]
    assert shares[0] < shares[2]
    assert shares == sorted(shares)


def test_the_order_of_the_sites_changes_no_pixel(small_sites: gpd.GeoDataFrame) -> None:
    few = small_sites.iloc[[3, 20, 8]]
    forth = SMALL.pixels(few, bands="rgb")
    back = SMALL.pixels(few.iloc[::-1], bands="rgb").sel(site=forth.site)
    np.testing.assert_array_equal(forth.to_numpy(), back.to_numpy())


def test_the_order_of_the_bands_changes_no_pixel(small_sites: gpd.GeoDataFrame) -> None:
    few = small_sites.iloc[:2]
    every = SMALL.pixels(few)
    some = SMALL.pixels(few, bands=["swir22", "B8A", "blue"])
    assert every.band.to_numpy().tolist() == list(PRESETS["l2a-12"])
    np.testing.assert_array_equal(some.to_numpy(), every.sel(band=some.band).to_numpy())


def test_no_ground_is_black_and_no_pixel_is_missing(small_sites: gpd.GeoDataFrame) -> None:
    pixels = SMALL.pixels(small_sites).to_numpy()
    assert pixels.min() > 0
    assert pixels.max() < 7_000


def test_beyond_the_edge_there_is_no_data() -> None:
    corner = Transformer.from_crs(32620, 4326, always_xy=True).transform(WEST + 30, NORTH - 30)
    site = gpd.GeoDataFrame(
        {"label": [0]},
        geometry=[shapely.Point(*corner)],
        crs="EPSG:4326",
        index=pd.Index(["corner"], name="site_id"),
    )
    pixels = SMALL.pixels(site, bands="rgb").to_numpy()
    assert (pixels == 0).any()
    assert (pixels > 0).any()


def test_label_noise_turns_the_share_asked_for() -> None:
    sites = SMALL.sites(10, 30, label_noise=0.15)
    assert int((sites["label"] != sites["true_label"]).sum()) == 6
    assert sites["true_label"].tolist() == [1] * 10 + [0] * 30


def test_forest_and_water_reflect_as_they_should() -> None:
    coarse = SMALL.land_cover(window(0, 0, 200, 150, 60)).to_numpy()
    names = {name: code for code, name in toy.COVERS.items()}
    row, column = np.argwhere(coarse == names["river"])[100]
    geobox = window(int(column) * 6, int(row) * 6 - 60, 120, 120)
    cover = SMALL.land_cover(geobox).to_numpy()
    seen = SMALL.reflectance(geobox, bands=["B03", "B04", "B08", "B11"]).to_numpy()
    forest = np.median(seen[:, cover == names["forest"]], axis=1)
    river = np.median(seen[:, cover == names["river"]], axis=1)
    assert 0.015 < forest[1] < 0.04 < 0.25 < forest[2] < 0.35
    assert 0.05 < river[0] < 0.2
    assert river[3] < river[2] < river[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"width_m": 5_940}, "width_m"), ({"height_m": 9_001}, "multiple of 60")],
)
def test_sides_off_the_grid_are_refused(arguments: dict[str, float], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        toy.Valley(seed=1, **arguments)


@pytest.mark.parametrize(
    "geobox",
    [
        GeoBox((4, 4), Affine(10.0, 0, WEST + 5, 0, -10.0, NORTH), "EPSG:32620"),
        GeoBox((4, 4), Affine(15.0, 0, WEST, 0, -15.0, NORTH), "EPSG:32620"),
        GeoBox((4, 4), Affine(10.0, 0, WEST, 0, -10.0, NORTH), "EPSG:32619"),
        GeoBox((4, 4), Affine(10.0, 0, WEST, 0, 10.0, NORTH), "EPSG:32620"),
    ],
)
def test_geoboxes_off_the_grid_are_refused(geobox: GeoBox) -> None:
    with pytest.raises(InputError, match="geobox"):
        SMALL.land_cover(geobox)


def test_the_cirrus_band_is_refused(small_sites: gpd.GeoDataFrame) -> None:
    with pytest.raises(BandError, match="B10"):
        SMALL.pixels(small_sites, bands="l1c-13")


def test_sites_elsewhere_are_refused_by_name(small_sites: gpd.GeoDataFrame) -> None:
    moved = small_sites.iloc[:2].copy()
    moved.loc["toy-00001", "geometry"] = shapely.Point(-62.0, 6.5)
    with pytest.raises(InputError, match="toy-00001"):
        SMALL.pixels(moved)


def test_sites_without_a_point_are_refused_by_name(small_sites: gpd.GeoDataFrame) -> None:
    bare = small_sites.iloc[:2].copy()
    bare.loc["toy-00000", "geometry"] = None
    with pytest.raises(InputError, match="toy-00000"):
        SMALL.pixels(bare)


@pytest.mark.parametrize("seed", range(6))
def test_the_smallest_valleys_have_mines_and_pictures(seed: int) -> None:
    valley = toy.Valley(seed=seed, width_m=6_000, height_m=6_000)
    pixels = valley.pixels(valley.sites(2, 4), bands="rgb").to_numpy()
    assert len(valley.mines) > 0
    assert pixels.min() > 0


def test_more_sites_than_there_is_room_for_are_refused() -> None:
    valley = toy.Valley(seed=3, width_m=6_000, height_m=6_000)
    with pytest.raises(InputError, match="no room"):
        valley.sites(100_000, 0)


@pytest.mark.parametrize("arguments", [{"n_mining": -1}, {"label_noise": 1.5}])
def test_sites_out_of_range_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected"):
        SMALL.sites(**arguments)


def test_no_two_sites_have_the_same_patch_and_none_contradicts_another() -> None:
    valley = toy.Valley(seed=2)
    areas = toy.archive_areas(valley, on=date(2024, 1, 1))
    for sites in (valley.sites(170, 332), valley.sites(100, 200, within=areas)):
        corners = {
            PatchGrid().geobox(point.x, point.y).boundingbox.bbox for point in sites.geometry
        }
        assert len(corners) == len(sites)
        assert check_sites(sites).faults.empty
