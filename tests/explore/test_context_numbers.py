"""Cells of maps, shares and odds over blocks, and paired differences of areas."""

import numpy as np
import pytest
import shapely
from scipy.ndimage import label
from scipy.stats import norm

from minewatch.explore._context_cells import Frame, count_by_cell, frame_sites
from minewatch.explore._context_rates import odds_ratio, ratio_words, share_interval
from minewatch.explore._roc import measure_auc, measure_difference

FRAME = Frame(west=0.0, south=0.0, east=4.0, north=3.0, n_columns=40, n_rows=30)


def filled(geometries) -> np.ndarray:
    counts = np.zeros((FRAME.n_rows, FRAME.n_columns), dtype=int)
    table = count_by_cell(np.array(geometries, dtype=object), FRAME)
    counts[table["row"], table["column"]] = table["n_features"]
    return counts


def centres() -> np.ndarray:
    longitude = 0.05 + 0.1 * np.arange(40)
    latitude = 2.95 - 0.1 * np.arange(30)
    return shapely.points(*np.meshgrid(longitude, latitude))


def test_a_point_fills_its_own_cell_and_no_other():
    counts = filled([shapely.Point(0.05, 2.95), shapely.Point(3.95, 0.05)])
    assert counts[0, 0] == counts[29, 39] == 1
    assert counts.sum() == 2


def test_a_line_leaves_no_gap_between_its_cells():
    counts = filled([shapely.LineString([(0.02, 0.02), (3.97, 2.91)])])
    assert (counts.sum(axis=0) > 0).all()
    assert label(counts, structure=np.ones((3, 3)))[1] == 1


def test_an_area_is_filled_but_for_its_holes():
    ring = shapely.Point(2.0, 1.5).buffer(1.2).difference(shapely.Point(2.0, 1.5).buffer(0.5))
    counts = filled([ring])
    assert (counts[shapely.contains(ring, centres())] == 1).all()
    far_outside = shapely.distance(ring, centres()) > 0.08
    assert (counts[far_outside] == 0).all()


def test_a_feature_counts_once_in_a_cell_however_often_it_passes():
    knot = shapely.LineString([(1.01, 1.01), (1.09, 1.09), (1.01, 1.09), (1.09, 1.01)])
    assert filled([knot, knot]).max() == 2


def test_what_lies_outside_the_frame_changes_nothing_inside():
    inside = [shapely.LineString([(1.0, 1.0), (3.0, 2.0)]), shapely.box(0.5, 0.5, 1.5, 1.5)]
    outside = [shapely.Point(9, 9), shapely.box(-3, -3, -1, -1), shapely.Point()]
    assert np.array_equal(filled(inside), filled(inside + outside))


def test_a_line_that_leaves_the_frame_is_cut_at_its_edge():
    counts = filled([shapely.LineString([(-500.0, 1.55), (500.0, 1.55)])])
    assert (counts[14] == 1).all()
    assert counts.sum() == 40


def test_nothing_mapped_fills_nothing():
    assert filled([]).sum() == 0


def test_a_frame_holds_all_sites_with_square_cells(sites_of):
    sites = sites_of([-63.0, -62.0], [60.0, 60.5], [1, 0])
    frame = frame_sites(sites)
    assert frame.west < -63.0 < -62.0 < frame.east
    assert frame.south < 60.0 < 60.5 < frame.north
    width, height = frame.cell
    assert width * np.cos(np.radians(60.25)) == pytest.approx(height, rel=0.02)


def test_a_frame_across_180_degrees_is_narrow_and_holds_what_lies_on_both_sides(sites_of):
    sites = sites_of([179.5, -179.5], [-17.0, -16.5], [1, 0])
    frame = frame_sites(sites)
    assert 179.0 < frame.west < 179.5
    assert 180.5 < frame.east < 181.0
    assert frame.turned(sites.geometry.x.to_numpy()).tolist() == [179.5, 180.5]
    road = shapely.MultiLineString(
        [[(179.6, -16.8), (180.0, -16.8)], [(-180, -16.8), (-179.6, -16.8)]]
    )
    counts = count_by_cell(np.array([road, shapely.Point(-179.5, -16.5)], dtype=object), frame)
    longitude = frame.west + (counts["column"] + 0.5) * frame.cell[0]
    assert counts["n_features"].max() == 1
    assert longitude.min() == pytest.approx(179.6, abs=0.01)
    assert longitude.max() == pytest.approx(180.5, abs=0.01)
    on_road = np.sort(longitude[counts["row"] == counts["row"].max()])
    assert np.diff(on_road).max() == pytest.approx(frame.cell[0])


def test_sites_all_over_the_world_are_not_turned(sites_of):
    frame = frame_sites(sites_of([-120.0, 0.0, 120.0], [0.0, 1.0, 2.0], [1, 0, 1]))
    assert frame.west < -120.0 < 120.0 < frame.east < 180.0


def test_with_sites_of_their_own_blocks_the_interval_is_wilsons():
    n, k, z = 4000, 900, norm.ppf(0.975)
    share, low, high = share_interval(np.arange(n) < k, np.arange(n), confidence=0.95)
    p = k / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert (share, low, high) == pytest.approx((p, middle - half, middle + half), abs=2e-4)


def test_copies_of_sites_do_not_narrow_the_interval_of_their_share():
    random = np.random.default_rng(0)
    is_with, blocks = random.random(60) < 0.3, np.arange(60)
    once = share_interval(is_with, blocks, confidence=0.95)
    copied = share_interval(np.repeat(is_with, 5), np.repeat(blocks, 5), confidence=0.95)
    assert copied == pytest.approx(once, abs=0.01)


def test_a_share_of_nothing_rests_on_blocks_and_not_on_sites():
    few = share_interval(np.zeros(500, dtype=bool), np.arange(500) % 10, confidence=0.95)
    many = share_interval(np.zeros(500, dtype=bool), np.arange(500), confidence=0.95)
    assert few[0] == few[1] == 0.0
    assert few[2] > 0.25 > 0.02 > many[2]


def test_one_block_gives_a_share_and_no_interval():
    share, low, high = share_interval(np.array([True, False]), np.zeros(2), confidence=0.95)
    assert share == 0.5
    assert np.isnan([low, high]).all()


def test_odds_ratio_and_woolfs_interval_of_a_table_of_four():
    is_mining = np.repeat([True, True, False, False], [300, 200, 400, 600])
    is_with = np.repeat([True, False, True, False], [300, 200, 400, 600])
    ratio, low, high = odds_ratio(is_with, is_mining, np.arange(1500), confidence=0.95)
    assert ratio == pytest.approx(300 * 600 / (200 * 400))
    error = np.sqrt(1 / 300 + 1 / 200 + 1 / 400 + 1 / 600)
    half = norm.ppf(0.975) * error
    assert np.log([low, high]) == pytest.approx(
        [np.log(ratio) - half, np.log(ratio) + half], abs=0.005
    )


def test_odds_turn_over_with_the_classes():
    random = np.random.default_rng(1)
    is_with, is_mining = random.random(400) < 0.4, random.random(400) < 0.5
    blocks = np.arange(400) // 8
    ratio, low, high = odds_ratio(is_with, is_mining, blocks, confidence=0.9)
    turned = odds_ratio(is_with, ~is_mining, blocks, confidence=0.9)
    assert turned == pytest.approx((1 / ratio, 1 / high, 1 / low))


def test_what_only_mining_has_gives_infinite_odds_with_a_bound_below():
    is_mining = np.arange(200) < 100
    ratio, low, high = odds_ratio(
        is_mining & (np.arange(200) % 2 == 0), is_mining, np.arange(200), confidence=0.95
    )
    assert ratio == high == np.inf
    assert 5.0 < low < 100.0


def test_odds_of_a_class_in_one_block_have_no_interval():
    is_mining = np.arange(20) < 10
    blocks = np.where(is_mining, 0, np.arange(20))
    ratio, low, high = odds_ratio(
        is_mining | (np.arange(20) == 15), is_mining, blocks, confidence=0.95
    )
    assert ratio == np.inf
    assert np.isnan(low)
    assert np.isnan(high)


def test_odds_of_what_all_have_are_not_known():
    everything = np.ones(10, dtype=bool)
    found = odds_ratio(everything, np.arange(10) < 5, np.arange(10), confidence=0.95)
    assert np.isnan(found).all()
    assert ratio_words(*found) == "–"


def test_a_difference_of_areas_is_the_difference_of_their_values():
    random = np.random.default_rng(2)
    is_mining, places = random.random(300) < 0.4, np.arange(300) // 5
    scores, others = random.random((300, 2)) + 0.3 * is_mining[:, None], random.random((300, 2))
    found = measure_difference(scores, others, is_mining, places)
    first, second = (measure_auc(x, is_mining, places) for x in (scores, others))
    assert found.value == pytest.approx(first.value - second.value)
    low, high = found.interval(0.95)
    assert low < found.value < high


def test_a_score_differs_from_itself_by_nothing():
    random = np.random.default_rng(3)
    scores, is_mining = random.random(100), np.arange(100) % 2 == 0
    found = measure_difference(scores, 3.0 * scores, is_mining, np.arange(100))
    assert found.value == 0.0
    assert found.interval(0.95) == (0.0, 0.0)


def test_pairing_narrows_the_interval_of_two_scores_that_err_together():
    random = np.random.default_rng(4)
    is_mining = np.arange(400) % 2 == 0
    shared = random.normal(size=400) + is_mining
    one, two = (shared + 0.1 * random.normal(size=400) for _ in range(2))
    apart = measure_difference(one, random.permutation(two), is_mining, np.arange(400))
    paired = measure_difference(one, two, is_mining, np.arange(400))
    assert paired.standard_error < 0.3 * apart.standard_error
