"""Background is drawn inside, evenly over the ground, far enough from everything, and again."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from scipy.stats import chisquare

from minewatch.errors import InputError, NotThereError, ShapeWarning
from minewatch.sites import nearest_distance_m, sample_background, validate_sites
from minewatch.sites._regions import equal_area_m2

from .conftest import MakeSites

BOX = shapely.box(-62.8, 5.2, -62.4, 5.6)
HOLED = shapely.difference(BOX, shapely.Point(-62.6, 5.4).buffer(0.12))
ISLANDS = shapely.union_all(
    [HOLED, shapely.box(-60, -0.2, -59.9, 0.2), shapely.Point(-61, 3).buffer(0.05)]
)
SLIVER = shapely.Polygon([(-62, 5), (-61, 6), (-61, 6.01), (-62, 5.01)])


@pytest.mark.parametrize("region", [BOX, HOLED, ISLANDS, SLIVER])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_site_is_ever_outside_the_region(region: shapely.Geometry, seed: int) -> None:
    sites = sample_background(region, 40, min_distance_m=0, random_state=seed)
    assert len(sites) == 40
    assert sites.within(region).all()


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    min_distance_m=st.floats(0, 4000),
    apart_m=st.floats(0, 2000),
)
def test_distances_are_kept_on_the_ellipsoid(
    make_sites: MakeSites, seed: int, min_distance_m: float, apart_m: float
) -> None:
    known = make_sites([(-62.7, 5.3), (-62.5, 5.5), (-62.5, 5.5)])
    sites = sample_background(
        BOX,
        60,
        away_from=known,
        min_distance_m=min_distance_m,
        apart_m=apart_m,
        random_state=seed,
    )
    assert nearest_distance_m(sites).min() >= apart_m
    assert nearest_distance_m(sites, others=known).min() >= min_distance_m


def test_without_apart_m_sites_keep_the_distance_they_keep_from_known_ones() -> None:
    sites = sample_background(BOX, 60, min_distance_m=2500, random_state=1)
    assert nearest_distance_m(sites).min() >= 2500


def test_what_is_drawn_is_a_sound_table_of_sites() -> None:
    sites = sample_background(BOX, 5, min_distance_m=1000, random_state=1)
    assert validate_sites(sites).index.tolist() == [f"background-000{n}" for n in range(1, 6)]
    assert sites["label"].tolist() == [0] * 5
    assert sites["label"].dtype == "Int8"


def test_the_same_seed_gives_the_same_sites_whatever_the_order_of_the_rows(
    make_sites: MakeSites,
) -> None:
    rng = np.random.default_rng(2)
    known = make_sites(
        list(zip(rng.uniform(-62.8, -62.4, 30), rng.uniform(5.2, 5.6, 30), strict=True))
    )
    parts = gpd.GeoSeries([BOX, shapely.box(-62.4, 5.2, -62.3, 5.6)], crs=4326)
    one = sample_background(parts, 50, away_from=known, min_distance_m=800, random_state=7)
    two = sample_background(
        parts[::-1],
        50,
        away_from=known.sample(frac=1, random_state=0),
        min_distance_m=800,
        random_state=7,
    )
    assert_geodataframe_equal(one, two)
    other = sample_background(parts, 50, away_from=known, min_distance_m=800, random_state=8)
    assert not other.geometry.equals(one.geometry)


def test_asking_for_fewer_gives_the_first_of_the_same() -> None:
    many = sample_background(BOX, 50, min_distance_m=500, random_state=7)
    few = sample_background(BOX, 20, min_distance_m=500, random_state=7)
    assert_geodataframe_equal(few, many.head(20))


def test_places_are_uniform_over_the_ground_not_over_degrees() -> None:
    region = shapely.box(-80, 0, -40, 60)
    sites = sample_background(region, 6000, min_distance_m=0, random_state=3)
    bands = [shapely.box(-80, south, -40, south + 10) for south in range(0, 60, 10)]
    geod = Geod(ellps="WGS84")
    areas = np.array(
        [abs(geod.geometry_area_perimeter(shapely.segmentize(b, 0.1))[0]) for b in bands]
    )
    drawn = np.histogram(sites.geometry.y, bins=range(0, 61, 10))[0]
    assert chisquare(drawn, 6000 * areas / areas.sum()).pvalue > 0.01
    assert chisquare(drawn).pvalue < 1e-9  # as it would not be if degrees were drawn
    east = np.histogram(sites.geometry.x, bins=range(-80, -39, 5))[0]
    assert chisquare(east).pvalue > 0.01


def test_the_parts_of_a_region_get_their_share() -> None:
    parts = shapely.get_parts(ISLANDS)
    sites = sample_background(ISLANDS, 3000, min_distance_m=0, random_state=4)
    drawn = [int(sites.within(part).sum()) for part in parts]
    areas = np.array([equal_area_m2(part) for part in parts])
    assert chisquare(drawn, 3000 * areas / areas.sum()).pvalue > 0.01


def test_areas_are_those_of_the_ellipsoid() -> None:
    geod = Geod(ellps="WGS84")
    for polygon in (BOX, HOLED, shapely.box(-62, 50, -61, 51)):
        exact = abs(geod.geometry_area_perimeter(shapely.segmentize(polygon, 0.002))[0])
        assert equal_area_m2(polygon) == pytest.approx(exact, rel=1e-5)


def test_a_number_that_does_not_fit_says_how_many_do(make_sites: MakeSites) -> None:
    with pytest.raises(
        InputError, match=r"500 sites do not fit into the region: only (\d+) do"
    ) as no:
        sample_background(BOX, 500, min_distance_m=5000, random_state=1)
    fit = int(str(no.value).split("only ")[1].split(" do")[0])
    assert 40 < fit < 90
    assert len(sample_background(BOX, fit, min_distance_m=5000, random_state=1)) == fit
    known = make_sites([(-62.6, 5.4)])
    with pytest.raises(
        InputError, match="only 0 do, 0 m from each other and 90000 m from the 1 known"
    ):
        sample_background(BOX, 1, away_from=known, min_distance_m=90_000, apart_m=0)


@pytest.fixture
def strata() -> gpd.GeoDataFrame:
    """Give a layer of a large savanna, a small forest in two parts, and ground outside the box."""
    return gpd.GeoDataFrame(
        {"cover": ["savanna", "forest", "forest", "sea"]},
        geometry=[
            shapely.box(-62.8, 5.2, -62.5, 5.6),
            shapely.box(-62.5, 5.2, -62.4, 5.3),
            shapely.box(-62.5, 5.5, -62.4, 5.9),
            shapely.box(-50, 5, -49, 6),
        ],
        crs="EPSG:4326",
    ).to_crs("EPSG:32620")


@pytest.mark.parametrize(("allocation", "counts"), [("area", [6, 35]), ("equal", [21, 20])])
def test_strata_get_their_numbers(
    strata: gpd.GeoDataFrame, allocation: str, counts: list[int]
) -> None:
    sites = sample_background(
        BOX,
        41,
        min_distance_m=1000,
        stratify=(strata, "cover"),
        allocation=allocation,
        random_state=1,
    )
    assert [(sites["cover"] == name).sum() for name in ("forest", "savanna")] == counts
    assert sites.within(BOX).all()
    for name, own in sites.groupby("cover"):
        assert own.within(strata[strata["cover"] == name].to_crs(4326).union_all()).all()
    assert nearest_distance_m(sites).min() >= 1000
    assert sites.index.is_unique


def test_a_stratum_that_is_too_small_is_named(strata: gpd.GeoDataFrame) -> None:
    with pytest.raises(InputError, match="do not fit into cover = 'forest'"):
        sample_background(
            BOX, 400, min_distance_m=1000, stratify=(strata, "cover"), allocation="equal"
        )


def test_strata_that_cannot_be_used_say_why(strata: gpd.GeoDataFrame) -> None:
    def draw(layer: gpd.GeoDataFrame, column: str, **more: str) -> None:
        sample_background(BOX, 4, min_distance_m=0, stratify=(layer, column), **more)

    with pytest.raises(InputError, match="no column 'kind'; it has cover"):
        draw(strata, "kind")
    with pytest.raises(InputError, match="no polygon of the strata"):
        draw(strata.tail(1), "cover")
    wide = strata.assign(geometry=strata.buffer(500))
    with pytest.raises(InputError, match=r"the strata of 'cover' overlap by \d+\.\d km²"):
        draw(wide, "cover")
    with pytest.raises(InputError, match="allocation is 'size'"):
        draw(strata, "cover", allocation="size")


def test_regions_are_read_from_files_in_any_crs(tmp_path: Path) -> None:
    layer = gpd.GeoDataFrame(geometry=[HOLED], crs=4326)
    layer.to_crs(32620).to_file(tmp_path / "region.gpkg")
    layer.to_parquet(tmp_path / "region.parquet")
    for name in ("region.gpkg", "region.parquet"):
        sites = sample_background(tmp_path / name, 20, min_distance_m=0, random_state=1)
        assert sites.within(HOLED.buffer(1e-9)).all()


def test_rings_that_cross_themselves_are_made_valid() -> None:
    bowtie = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    with pytest.warns(ShapeWarning, match="cross themselves, which were mended: 1 of 1"):
        sites = sample_background(bowtie, 50, min_distance_m=0, random_state=1)
    assert sites.within(shapely.make_valid(bowtie)).all()


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (shapely.Point(1, 2), "holds Point; expected polygons only"),
        (shapely.Polygon(), "no area"),
        (shapely.box(500_000, 600_000, 510_000, 610_000), "reaches from 500000"),
        (gpd.GeoSeries([BOX]), "no coordinate reference system"),
    ],
)
def test_regions_that_are_none_say_why(region: shapely.Geometry, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sample_background(region, 1, min_distance_m=0)


def test_region_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    with pytest.raises(NotThereError):
        sample_background(tmp_path / "none.gpkg", 1, min_distance_m=0)
    for name in ("bad.geojson", "bad.parquet"):
        (tmp_path / name).write_text("no")
        with pytest.raises(InputError, match="cannot be read as"):
            sample_background(tmp_path / name, 1, min_distance_m=0)


@pytest.mark.parametrize(
    ("n_sites", "min_distance_m", "apart_m"), [(0, 0, 0), (1, -1, 0), (1, 0, float("nan"))]
)
def test_settings_out_of_range_are_refused(
    n_sites: int, min_distance_m: float, apart_m: float
) -> None:
    with pytest.raises(InputError, match="expected at least one site"):
        sample_background(BOX, n_sites, min_distance_m=min_distance_m, apart_m=apart_m)


def test_polygons_are_not_taken_for_known_sites() -> None:
    known = gpd.GeoDataFrame(geometry=[BOX], crs=4326)
    with pytest.raises(InputError, match=r"no finite points \(Polygon\)"):
        sample_background(BOX, 1, away_from=known, min_distance_m=0)
