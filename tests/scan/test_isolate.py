import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from minewatch.errors import InputError
from minewatch.scan._isolate import is_detected, neighbour_distance_m

GEOD = Geod(ellps="WGS84")
seeds = st.integers(0, 2**32 - 1)
CENTRES = [(-60.0, 5.0), (-66.0, 0.0), (180.0, -17.0), (-54.0, -12.0), (21.0, 70.0)]
"""Borders of zones, of both halves, and of the day; and where meridians run together."""


def scatter(seed, count=40, spread_degrees=0.05):
    """Strew places around a border, some of them at one point."""
    rng = np.random.default_rng(seed)
    longitude, latitude = CENTRES[seed % len(CENTRES)]
    places = rng.normal([longitude, latitude], spread_degrees, (count, 2))
    places[:, 0] = (places[:, 0] + 180.0) % 360.0 - 180.0
    places[-1] = places[0]
    return places, rng.random(count)


def geodesics(places):
    """Measure every pair, metres."""
    one, two = np.meshgrid(np.arange(len(places)), np.arange(len(places)), indexing="ij")
    ends = [places[rows.ravel()] for rows in (one, two)]
    return GEOD.inv(*ends[0].T, *ends[1].T)[2].reshape(len(places), -1)


def detect_plainly(scores, places, threshold, isolated_threshold, neighbours, isolation_m):
    """Say which windows are detected, one after another, as the rule is written."""
    apart = geodesics(places)
    found = []
    for window, score in enumerate(scores):
        others = [
            apart[window, other]
            for other in range(len(scores))
            if other != window and scores[other] >= threshold
        ]
        near = sorted(others)[neighbours - 1] if len(others) >= neighbours else np.inf
        enough = threshold if near <= isolation_m else isolated_threshold
        found.append(score >= enough)
    return np.array(found)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 6))
def test_the_kth_neighbour_is_as_far_as_all_geodesics_say(seed, neighbours):
    places, _ = scatter(seed)
    apart = np.sort(geodesics(places), axis=1)[:, neighbours]  # the first is the place itself
    assert np.allclose(neighbour_distance_m(places, neighbours), apart, rtol=0, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 6), st.floats(500.0, 8_000.0))
def test_the_rule_is_that_of_a_plain_loop(seed, neighbours, isolation_m):
    places, scores = scatter(seed)
    rule = {"neighbours": neighbours, "isolation_m": isolation_m}
    found, _ = is_detected(scores, places, threshold=0.4, isolated_threshold=0.8, **rule)
    assert found.tolist() == detect_plainly(scores, places, 0.4, 0.8, **rule).tolist()


def test_with_fewer_windows_than_neighbours_all_stand_alone():
    places = np.array([[-60.0, 5.0], [-60.0, 5.001]])
    assert np.isinf(neighbour_distance_m(places, 5)).all()
    found, _ = is_detected(
        np.array([0.5, 0.8]), places,
        threshold=0.4, isolated_threshold=0.75, neighbours=5, isolation_m=3_000.0,
    )  # fmt: skip
    assert found.tolist() == [False, True]


def test_a_window_that_falls_out_was_still_a_neighbour():
    # b is the one neighbour of a; b itself has none within 3 km but a: with k = 2 both stand alone.
    places = np.array([[-60.0, 5.0], [-60.0, 5.01], [-60.0, 5.02]])
    scores = np.array([0.9, 0.5, 0.5])
    rule = {"threshold": 0.4, "isolated_threshold": 0.75, "neighbours": 2}
    found, distance = is_detected(scores, places, isolation_m=1_500.0, **rule)
    assert (distance > 1_500).tolist() == [True, False, True]
    assert found.tolist() == [True, True, False]  # b keeps the place that c helped it to


def test_a_window_that_was_not_seen_is_neither_detected_nor_a_neighbour():
    places = np.array([[-60.0, 5.0], [-60.0, 5.001], [-60.0, 5.002]])
    scores = np.array([0.5, np.nan, 0.5])
    rule = {"threshold": 0.4, "isolated_threshold": 0.75, "neighbours": 2, "isolation_m": 3e3}
    found, distance = is_detected(scores, places, **rule)
    assert not found.any()
    assert np.isnan(distance[1])


def test_one_threshold_for_all_asks_for_no_neighbour():
    places = np.array([[-60.0, 5.0], [60.0, -5.0]])
    rule = {"isolated_threshold": None, "neighbours": 5, "isolation_m": 3_000.0}
    assert is_detected(np.array([0.5, 0.3]), places, threshold=0.4, **rule)[0].tolist() == [
        True,
        False,
    ]


def test_no_neighbour_at_all_is_refused():
    with pytest.raises(InputError, match="neighbours is 0"):
        neighbour_distance_m(np.zeros((3, 2)), 0)
