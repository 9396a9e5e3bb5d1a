"""Distances, blocks and clusters are those of the ellipsoid, whatever the order of the rows."""

import itertools

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from minewatch.errors import InputError
from minewatch.grid import PatchGrid
from minewatch.sites import cluster_sites, nearest_distance_m, spatial_blocks
from minewatch.sites._distance import chord_m
from minewatch.sites._squares import Squares

from .conftest import MakeSites

GEOD = Geod(ellps="WGS84")
ANYWHERE = st.tuples(st.floats(-180, 180), st.floats(-80, 84))
NEARBY = st.tuples(st.floats(-60.02, -59.98), st.floats(-0.02, 0.02))  # two zones, two hemispheres
PLACES = st.lists(ANYWHERE | NEARBY, min_size=2, max_size=14)


def brute_force_m(one: tuple[float, float], two: tuple[float, float]) -> float:
    return float(GEOD.inv(*one, *two)[2])


def table(places: list[tuple[float, float]]) -> gpd.GeoDataFrame:
    index = pd.Index([f"s{row:02d}" for row in range(len(places))], name="site_id")
    points = gpd.points_from_xy(*np.array(places).reshape(-1, 2).T)
    return gpd.GeoDataFrame(index=index, geometry=points, crs="EPSG:4326")


@settings(max_examples=60, deadline=None)
@given(places=PLACES)
def test_the_nearest_distance_is_the_least_geodesic(places: list[tuple[float, float]]) -> None:
    measured = nearest_distance_m(table(places)).to_numpy()
    for row, place in enumerate(places):
        others = [brute_force_m(place, other) for other in places[:row] + places[row + 1 :]]
        assert measured[row] == pytest.approx(min(others), rel=1e-9, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(places=PLACES, others=PLACES)
def test_the_nearest_of_others_is_the_least_geodesic(
    places: list[tuple[float, float]], others: list[tuple[float, float]]
) -> None:
    measured = nearest_distance_m(table(places), others=table(others)).to_numpy()
    for row, place in enumerate(places):
        least = min(brute_force_m(place, other) for other in others)
        assert measured[row] == pytest.approx(least, rel=1e-9, abs=1e-6)


def test_ties_among_many_far_places_are_settled_by_the_geodesic() -> None:
    # Points on a circle of equal chord: which is nearest, only the ellipsoid says.
    angles = np.linspace(0, 360, 60, endpoint=False)
    longitude, latitude, _ = GEOD.fwd(
        np.full(60, -62.6), np.full(60, 5.4), angles, np.full(60, 4_000_000.0) + np.arange(60) % 7
    )
    others = table(list(zip(longitude, latitude, strict=True)))
    measured = nearest_distance_m(table([(-62.6, 5.4)]), others=others)
    assert measured.iloc[0] == pytest.approx(4_000_000.0, abs=1e-3)


def test_the_date_line_is_no_border() -> None:
    sites = table([(179.999, 5.0), (-179.999, 5.0)])
    assert nearest_distance_m(sites).iloc[0] == pytest.approx(221.8, abs=0.1)
    assert cluster_sites(sites, distance_m=300).max() == 0


def test_a_site_without_neighbour_or_point_has_no_distance() -> None:
    assert nearest_distance_m(table([(1, 2)])).isna().all()
    sites = table([(1, 2), (1, 3), (1, 3)])
    sites.geometry = [None, *sites.geometry.iloc[1:]]
    assert nearest_distance_m(sites).fillna(-1).tolist() == [-1, 0, 0]
    assert nearest_distance_m(sites, others=sites.head(1)).isna().all()
    assert cluster_sites(sites, distance_m=10).tolist() == [-1, 0, 0]
    assert spatial_blocks(sites, block_m=10).isna().tolist() == [True, False, False]


def linked_by_force(places: list[tuple[float, float]], distance_m: float) -> list[set[int]]:
    groups = [{row} for row in range(len(places))]
    for one, two in itertools.combinations(range(len(places)), 2):
        if brute_force_m(places[one], places[two]) <= distance_m:
            first = next(group for group in groups if one in group)
            second = next(group for group in groups if two in group)
            if first is not second:
                first |= second
                groups.remove(second)
    return sorted(groups, key=min)


@settings(max_examples=80, deadline=None)
@given(
    places=st.lists(NEARBY, min_size=1, max_size=25),
    distance_m=st.sampled_from([1.0, 50.0, 300.0, 1000.0, 5000.0]),
)
def test_clusters_are_those_of_single_linkage(
    places: list[tuple[float, float]], distance_m: float
) -> None:
    clusters = cluster_sites(table(places), distance_m=distance_m).to_numpy()
    found = [set(np.flatnonzero(clusters == number)) for number in range(clusters.max() + 1)]
    assert found == linked_by_force(places, distance_m)


def test_dense_clusters_are_told_apart_by_their_gap() -> None:
    # Two lines of sites, 5 m from one to the next, with a gap of 1000 m between their ends.
    _, steps, _ = GEOD.fwd([-62.6] * 400, [5.4] * 400, [0.0] * 400, list(np.arange(400) * 5.0))
    _, more, _ = GEOD.fwd(
        [-62.6] * 400, [steps[-1]] * 400, [0.0] * 400, list(1000 + np.arange(400) * 5.0)
    )
    sites = table([(-62.6, latitude) for latitude in [*steps, *more]])
    assert cluster_sites(sites, distance_m=999.9).nunique() == 2
    assert cluster_sites(sites, distance_m=1000.1).max() == 0
    assert cluster_sites(sites, distance_m=4.9).nunique() == 800


@settings(max_examples=40, deadline=None)
@given(places=st.lists(NEARBY, min_size=2, max_size=12), seed=st.integers(0, 99))
def test_the_order_of_the_rows_changes_nothing(
    places: list[tuple[float, float]], seed: int
) -> None:
    sites = table(places)
    shuffled = sites.sample(frac=1, random_state=seed)
    for measure in (
        nearest_distance_m,
        lambda sites: cluster_sites(sites, distance_m=700),
        lambda sites: spatial_blocks(sites, block_m=700),
    ):
        pd.testing.assert_series_equal(measure(shuffled).loc[sites.index], measure(sites))


def test_blocks_have_equal_areas_on_the_ellipsoid() -> None:
    rng = np.random.default_rng(0)
    for latitude in (0.0, 5.4, -17.0, 40.0):
        box = shapely.box(-62.0, latitude, -61.6, latitude + 0.4)
        # The share of a known area that one block takes is the block's area.
        west, south, east, north = box.bounds
        sines = rng.uniform(*np.sin(np.radians([south, north])), 60_000)
        places = np.column_stack([rng.uniform(west, east, 60_000), np.degrees(np.arcsin(sines))])
        area = abs(GEOD.geometry_area_perimeter(shapely.segmentize(box, 0.01))[0])
        blocks = spatial_blocks(table([tuple(place) for place in places]), block_m=8000)
        largest = blocks.value_counts().iloc[:8].mean()
        assert largest / 60_000 * area == pytest.approx(8000**2, rel=0.04)


def test_a_block_does_not_depend_on_the_other_sites() -> None:
    many = table([(-62.6 + 0.01 * row, 5.4) for row in range(30)])
    alone = pd.concat([spatial_blocks(many.iloc[[row]], block_m=3000) for row in range(30)])
    pd.testing.assert_series_equal(alone, spatial_blocks(many, block_m=3000))


@pytest.mark.parametrize("length", [0.0, -1.0, float("nan")])
def test_a_length_that_is_none_is_refused(length: float) -> None:
    with pytest.raises(InputError, match="expected a length above 0"):
        spatial_blocks(table([(1, 2)]), block_m=length)
    with pytest.raises(InputError, match="expected a length above 0"):
        cluster_sites(table([(1, 2)]), distance_m=length)


@pytest.mark.parametrize(("distance_m", "error_m"), [(20_000.0, 1e-4), (1_000_000.0, 15.0)])
def test_the_chord_errs_as_little_as_promised(distance_m: float, error_m: float) -> None:
    from minewatch.sites._distance import earth_centred

    latitudes, azimuths = np.meshgrid(np.linspace(-75, 75, 31), np.linspace(0, 180, 19))
    start = np.column_stack([np.zeros(latitudes.size), latitudes.ravel()])
    end = np.column_stack(
        GEOD.fwd(*start.T, azimuths.ravel(), np.full(latitudes.size, distance_m))[:2]
    )
    chords = np.linalg.norm(earth_centred(start) - earth_centred(end), axis=1)
    assert np.abs(chords - chord_m(distance_m)).max() < error_m


@settings(max_examples=60, deadline=None)
@given(
    place=ANYWHERE | NEARBY,
    east_m=st.floats(-900, 900),
    north_m=st.floats(-900, 900),
    size_px=st.sampled_from([1, 24, 48]),
)
def test_patches_overlap_when_their_geoboxes_do(
    place: tuple[float, float], east_m: float, north_m: float, size_px: int
) -> None:
    grid = PatchGrid(size_px=size_px)
    longitude, latitude, _ = GEOD.fwd(*place, 90.0, east_m)
    longitude, latitude, _ = GEOD.fwd(longitude, latitude, 0.0, north_m)
    pair = np.array([place, (longitude, min(max(latitude, -80), 84))])
    squares = Squares(pair, grid)
    boxes = [grid.geobox(*row) for row in pair]
    for row, box in enumerate(boxes):
        anchor = 10_000_000 if box.crs.epsg >= 32700 else 0
        assert squares.left[row] == pytest.approx(box.boundingbox.left, abs=1e-6)
        assert squares.top[row] == pytest.approx(box.boundingbox.top - anchor, abs=1e-6)
    if boxes[0].crs == boxes[1].crs:
        expected = shapely.intersection(*(box.extent.geom for box in boxes)).area > 0
        assert squares.overlap(np.array([[0, 1]])).tolist() == [expected]


def test_patches_across_the_border_of_two_zones_overlap_as_their_ground_does() -> None:
    rng = np.random.default_rng(3)
    places = np.column_stack([-60 + rng.normal(0, 0.006, 40), 7 + rng.normal(0, 0.006, 40)])
    squares = Squares(places, PatchGrid())
    pairs = squares.near_pairs()
    across = pairs[squares.zone[pairs[:, 0]] != squares.zone[pairs[:, 1]]]
    ground = gpd.GeoSeries(
        pd.concat(
            gpd.GeoSeries([box.extent.geom], crs=box.crs.to_wkt()).to_crs("EPSG:6933")
            for box in (PatchGrid().geobox(*place) for place in places)
        ).to_numpy()
    ).to_numpy()
    shared = shapely.area(shapely.intersection(ground[across[:, 0]], ground[across[:, 1]]))
    expected = shared > 1.0
    assert expected.any()
    assert not expected.all()
    assert squares.overlap(across).tolist() == expected.tolist()


def test_no_pair_that_overlaps_is_missed(make_sites: MakeSites) -> None:
    rng = np.random.default_rng(5)
    places = np.column_stack([rng.uniform(-62.6, -62.57, 60), rng.uniform(5.4, 5.43, 60)])
    squares = Squares(places, PatchGrid())
    near = squares.near_pairs()
    every = np.array(list(itertools.combinations(range(60), 2)))
    overlapping = {tuple(pair) for pair in every[squares.overlap(every)]}
    assert {tuple(pair) for pair in near[squares.overlap(near)]} == overlapping
    assert 0 < len(overlapping) < len(near) < len(every)
