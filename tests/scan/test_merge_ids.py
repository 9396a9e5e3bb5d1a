import importlib.util
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from minewatch.scan._merge import merge_detections
from minewatch.scan._merge_ids import CELL_M, keep_ids, place_ids
from minewatch.sites._space import from_equal_area

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_windows_maker", Path(__file__).with_name("windows_maker.py")
)
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)

seeds = st.integers(0, 2**32 - 1)
NAME = re.compile(r"[NS]\d{2}\.\d{4}[EW]\d{3}\.\d{4}(-\d+)?")


def nameless(table):
    """Give detections as a merge makes them, before they have names."""
    return table.reset_index(drop=True)


def test_a_name_is_a_place_on_the_ground_of_the_detection():
    mines = maker.detections(a=(0, 0, 900, 700), b=(-5_000, 40, -4_500, 520))
    for name, shape in zip(place_ids(mines.geometry.to_numpy()), mines.geometry, strict=True):
        assert NAME.fullmatch(name)
        latitude, longitude = float(name[1:8]), -float(name[9:])
        assert shape.distance(shapely.Point(longitude, latitude)) < 1e-4


def test_names_do_not_depend_on_the_order_or_on_each_other():
    rng = np.random.default_rng(5)
    corners = rng.permutation(400)[:60]
    places = zip(corners % 20, corners // 20, strict=True)
    shapes = np.array([shapely.box(x, y, x + 0.01, y + 0.01) for x, y in places])
    names = place_ids(shapes)
    assert len(set(names)) == len(names)
    order = rng.permutation(len(shapes))
    assert place_ids(shapes[order]) == [names[row] for row in order]
    assert place_ids(shapes[:7]) == names[:7]


def test_detections_smaller_than_a_cell_still_have_names_of_their_own():
    steps = np.arange(12) * 8.0
    small = maker.detections(**{f"d{i}": (x, 0, x + 5, 5) for i, x in enumerate(steps)})
    names = place_ids(small.geometry.to_numpy())
    assert len(set(names)) == len(names)
    assert all(map(NAME.fullmatch, names))


def test_a_detection_cut_at_180_degrees_is_named_on_its_ground_without_looking_around_the_globe():
    sides = [shapely.box(179.95, -17.1, 180, -17), shapely.box(-180, -17.1, -179.96, -17)]
    whole = shapely.MultiPolygon(sides)
    tracemalloc.start()
    name = place_ids(np.array([whole], dtype=object))[0]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6
    latitude, longitude = -float(name[1:8]), float(name[9:]) * (1 if name[8] == "E" else -1)
    assert whole.distance(shapely.Point(longitude, latitude)) < 1e-4
    assert name in place_ids(np.array(sides, dtype=object))


def test_a_detection_smaller_than_a_cell_beside_180_degrees_has_a_longitude():
    corner = shapely.box(179.9999, 1.0, 180.0, 1.0001)
    name = place_ids(np.array([corner], dtype=object))[0]
    assert NAME.fullmatch(name)
    assert float(name[9:]) <= 180.0


@pytest.mark.parametrize("growth", [1.1, 1.5, 3.0])
def test_without_knowing_of_each_other_periods_agree_by_the_ground_they_share(growth):
    # A mine that grows to g times its ground keeps its name with probability 1 / g.
    rng = np.random.default_rng(11)
    count, side = 1_000, 10
    cells = rng.integers([-15_000, -5_000], [15_000, 5_000], (count, 2)) * 10
    ground = [shapely.box(x, y, x + side, y + side) for x, y in cells]
    grown = [shapely.box(x, y, x + side * growth, y + side) for x, y in cells]
    in_degrees = [
        shapely.transform(np.array(shapes), lambda at: from_equal_area(at * CELL_M))
        for shapes in (ground, grown)
    ]
    one, two = map(place_ids, in_degrees)
    kept = np.mean([a.split("-")[0] == b.split("-")[0] for a, b in zip(one, two, strict=True)])
    assert kept == pytest.approx(1.0 / growth, abs=0.05)


def test_a_mine_that_grows_keeps_its_name():
    before = maker.detections(m=(0, 0, 480, 480))
    after = nameless(maker.detections(m=(-2_000, -500, 3_000, 1_500)))
    kept = keep_ids(after, [before])
    assert kept.index.tolist() == ["m"]
    assert kept[["joined", "split_from"]].isna().all(axis=None)


def test_of_a_mine_that_splits_the_part_with_most_old_ground_keeps_the_name():
    before = maker.detections(m=(0, 0, 1_000, 480))
    after = nameless(maker.detections(small=(0, 0, 300, 480), large=(400, 0, 1_000, 480)))
    kept = keep_ids(after, [before])
    assert kept.loc["m"].geometry.equals(after.geometry.iloc[1])
    other = kept.drop(index="m").iloc[0]
    assert other["split_from"] == "m"
    assert NAME.fullmatch(other.name)


def test_mines_that_join_take_the_name_of_the_one_that_gave_most():
    before = maker.detections(a=(0, 0, 300, 480), b=(400, 0, 1_000, 480), far=(9e3, 0, 9.5e3, 500))
    after = nameless(maker.detections(x=(0, 0, 1_000, 480)))
    kept = keep_ids(after, [before])
    assert kept.index.tolist() == ["b"]
    assert kept["joined"].tolist() == ["a"]


def test_a_mine_that_was_away_for_a_period_gets_its_name_back():
    first = maker.detections(m=(0, 0, 480, 480))
    second = maker.detections(n=(5_000, 0, 5_480, 480))
    third = nameless(maker.detections(x=(0, 0, 480, 480), y=(5_000, 0, 5_480, 480)))
    assert sorted(keep_ids(third, [first, second]).index) == ["m", "n"]


def test_parts_that_joined_and_split_again_get_their_own_names_back():
    first = maker.detections(a=(0, 0, 300, 480), b=(400, 0, 1_000, 480))
    second = maker.detections(b=(0, 0, 1_000, 480))
    third = nameless(maker.detections(x=(0, 0, 300, 480), y=(400, 0, 1_000, 480)))
    kept = keep_ids(third, [first, second])
    assert kept.loc["a"].geometry.equals(third.geometry.iloc[0])
    assert kept.loc["b"].geometry.equals(third.geometry.iloc[1])


def test_a_new_mine_never_gets_a_name_that_an_earlier_one_had():
    here = maker.detections(x=(0, 0, 480, 480))
    name = place_ids(here.geometry.to_numpy())[0]
    elsewhere = maker.detections(**{name: (9_000, 0, 9_480, 480)})
    assert keep_ids(nameless(here), [elsewhere]).index.tolist() == [f"{name}-2"]


def test_touching_without_common_ground_hands_no_name_on():
    before = maker.detections(m=(0, 0, 480, 480))
    after = nameless(maker.detections(x=(480, 0, 960, 480)))
    assert keep_ids(after, [before]).index.tolist() != ["m"]


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_each_name_is_given_once_whatever_splits_and_joins(seed):
    rng = np.random.default_rng(seed)
    periods = []
    for _ in range(4):
        grid = np.meshgrid(np.arange(9), np.arange(9) + 9_000)
        scores = np.where(rng.random(81) < 0.3, 0.9, 0.1)
        windows = maker.make_windows(32620, grid[0].ravel(), grid[1].ravel(), scores)
        periods.append(merge_detections(windows, threshold=0.5, earlier=periods))
    for number, table in enumerate(periods):
        assert table.index.is_unique
        for name in set(table.index) & {name for one in periods[:number] for name in one.index}:
            grounds = [one.geometry[name] for one in periods[:number] if name in one.index]
            own = table.geometry[name]
            assert any(shapely.intersection(ground, own).area > 0 for ground in grounds)


def test_the_same_windows_keep_all_names_through_a_merge():
    rng = np.random.default_rng(2)
    grid = np.meshgrid(np.arange(20), np.arange(20) + 9_000)
    scores = np.where(rng.random(400) < 0.2, 0.9, 0.1)
    windows = maker.make_windows(32620, grid[0].ravel(), grid[1].ravel(), scores)
    first = merge_detections(windows, threshold=0.5)
    again = merge_detections(windows, threshold=0.5, earlier=[first])
    assert first.index.tolist() == again.index.tolist()
    pd.testing.assert_series_equal(first["area_ha"], again["area_ha"])
