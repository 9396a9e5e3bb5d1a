import importlib.util
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from minewatch.errors import InputError
from minewatch.scan._merge import PRESETS, merge_detections
from minewatch.scan._merge_polygons import area_ha
from minewatch.scan._merge_windows import read_windows

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_windows_maker", Path(__file__).with_name("windows_maker.py")
)
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)

seeds = st.integers(0, 2**32 - 1)


def patchwork(seed, epsg=32620, side=14, share=0.35):
    """Make windows of a square of ground, of which a share scores high."""
    rng = np.random.default_rng(seed)
    columns, rows = (
        steps.ravel() for steps in np.meshgrid(np.arange(side), np.arange(side) + 9_000)
    )
    scores = np.where(rng.random(side**2) < share, rng.uniform(0.5, 1.0, side**2), 0.1)
    return maker.make_windows(epsg, columns, rows, scores)


def group_plainly(windows):
    """Group windows of one zone that overlap or have an edge in common, by a plain search."""
    left, top = windows["left_m"].to_numpy(), windows["top_m"].to_numpy()
    size = maker.SIZE_M
    open_, groups = set(range(len(windows))), []
    while open_:
        group, queue = set(), [open_.pop()]
        while queue:
            one = queue.pop()
            group.add(one)
            touching = {
                two
                for two in open_
                if (across := abs(left[one] - left[two])) <= size
                and (down := abs(top[one] - top[two])) <= size
                and not (across == size and down == size)
            }
            open_ -= touching
            queue += touching
        groups.append(group)
    return groups


@settings(deadline=None, max_examples=12)
@given(seeds)
def test_detections_are_those_of_a_plain_search(seed):
    windows = patchwork(seed)
    found = merge_detections(windows, threshold=0.5)
    detected = windows[windows["score"] >= 0.5]
    groups = group_plainly(detected)
    assert sorted(found["windows"]) == sorted(map(len, groups))
    best = [detected["score"].iloc[sorted(group)].max() for group in groups]
    assert np.allclose(sorted(found["score_max"]), sorted(best))


@settings(deadline=None, max_examples=12)
@given(seeds)
def test_detections_cover_the_detected_windows_and_nothing_else(seed):
    windows = patchwork(seed)
    found = merge_detections(windows, threshold=0.5)
    own = maker.squares(windows[windows["score"] >= 0.5])
    ground = shapely.union_all(own.to_numpy())
    assert found["area_ha"].sum() == pytest.approx(area_ha(np.array([ground]))[0], rel=1e-6)
    assert found.geometry.is_valid.all()
    assert (found.geom_type == "Polygon").all()


@settings(deadline=None, max_examples=8)
@given(seeds)
def test_the_order_of_the_rows_changes_nothing(seed):
    windows = patchwork(seed)
    shuffled = windows.sample(frac=1.0, random_state=seed % 1_000)
    rule = {"threshold": 0.5, "isolated_threshold": 0.9, "neighbours": 3, "isolation_m": 600.0}
    one, two = (merge_detections(table, **rule) for table in (windows, shuffled))
    assert one.index.tolist() == two.index.tolist()
    assert one["windows"].tolist() == two["windows"].tolist()
    assert np.allclose(one["score_mean"], two["score_mean"])
    assert shapely.equals(one.geometry.to_numpy(), two.geometry.to_numpy()).all()


@pytest.mark.parametrize("longitude", [-60.0, -66.0, 12.0])
@pytest.mark.parametrize("latitude", [-33.0, -6.2, 0.0, 5.4, 61.0])
def test_ground_across_the_borders_of_zones_is_one_detection_without_slivers(longitude, latitude):
    box = (longitude - 0.02, latitude - 0.02, longitude + 0.02, latitude + 0.02)
    windows = maker.cover_box(*box)
    assert windows["epsg"].nunique() == (4 if latitude == 0.0 else 2)
    found = merge_detections(windows, threshold=0.5)
    assert found["windows"].tolist() == [len(windows)]
    polygon = found.geometry.iloc[0]
    assert len(polygon.interiors) == 0
    ground = area_ha(np.array([shapely.union_all(maker.squares(windows).to_numpy())]))[0]
    assert found["area_ha"].iloc[0] == pytest.approx(ground, rel=2e-3)
    assert found["area_ha"].iloc[0] >= ground * (1 - 1e-6)  # gaps are filled, nothing is taken away


def test_ground_across_the_equator_is_joined_to_the_metre():
    windows = maker.cover_box(-63.02, -0.02, -62.98, 0.02)
    assert sorted(windows["epsg"].unique()) == [32620, 32720]
    found = merge_detections(windows, threshold=0.5, gap_m=0.0)
    assert len(found) == 1
    assert len(found.geometry.iloc[0].interiors) == 0


def test_windows_that_meet_at_a_corner_stay_two_detections():
    windows = maker.make_windows(32620, [0, 2], [9_000, 9_002], 0.9)
    assert merge_detections(windows, threshold=0.5)["windows"].tolist() == [1, 1]
    beside = maker.make_windows(32620, [0, 2], [9_000, 9_000], 0.9)
    assert merge_detections(beside, threshold=0.5)["windows"].tolist() == [2]


def test_a_window_has_the_hectares_of_its_own_ground():
    windows = maker.make_windows(32620, [80], [9_000], 0.9)
    area = merge_detections(windows, threshold=0.5)["area_ha"].iloc[0]
    assert area == pytest.approx(0.48**2 * 100 / 0.9996**2, rel=1e-4)


def test_a_detection_says_what_its_windows_say():
    windows = maker.make_windows(32620, [0, 1, 2, 3], [9_000] * 4, [0.5, 0.6, 0.7, 0.9])
    windows["start"] = ["2023-03-01", "2023-02-01", "", None]
    windows["end"] = ["2023-03-05", "2023-12-01", "2023-04-01", "2023-05-01"]
    found = merge_detections(windows, threshold=0.5).iloc[0]
    assert found["windows"] == 4
    assert found["score_mean"] == pytest.approx(0.675)
    assert found["score_max"] == pytest.approx(0.9)
    assert found["score_q90"] == pytest.approx(0.84)
    assert (found["start"], found["end"]) == ("2023-02-01", "2023-12-01")
    assert shapely.Point(found["longitude"], found["latitude"]).within(found["geometry"])


def test_windows_that_were_not_seen_are_in_no_detection_and_counted():
    windows = maker.make_windows(32620, [0, 1, 9], [9_000] * 3, [0.9, np.nan, 0.9])
    windows.loc[windows.index[2], "status"] = "few clear views"
    found = merge_detections(windows, threshold=0.5)
    assert found["windows"].tolist() == [1]
    counts = found.attrs["minewatch"]["windows"]
    assert counts == {"all": 3, "not_seen": 2, "detected": 1, "dropped_as_isolated": 0}


def test_the_presets_are_those_of_one_and_of_many_periods():
    rules = {name: (rule.threshold, rule.isolated_threshold) for name, rule in PRESETS.items()}
    assert rules == {"single": (0.43, 0.75), "cumulative": (0.55, 0.8)}
    assert {(rule.neighbours, rule.isolation_m) for rule in PRESETS.values()} == {(5, 3_000.0)}


def test_nothing_detected_is_an_empty_table_with_all_columns():
    windows = maker.make_windows(32620, [0], [9_000], 0.1)
    found = merge_detections(windows, threshold=0.5, isolated_threshold=0.8)
    assert len(found) == 0
    assert {"windows", "score_q90", "area_ha", "longitude", "start"} <= set(found.columns)
    assert found.crs.to_epsg() == 4326


def test_published_polygons_merge_as_the_windows_that_they_were():
    windows = patchwork(7)
    polygons = gpd.GeoDataFrame(
        {"score": windows["score"].astype(float)}, geometry=maker.squares(windows), crs="EPSG:4326"
    )
    one = merge_detections(windows, threshold=0.5)
    two = merge_detections(polygons.rename_axis("window_id"), threshold=0.5)
    assert one.index.tolist() == two.index.tolist()
    assert np.allclose(one["area_ha"], two["area_ha"], rtol=1e-6)


def test_polygons_that_180_degrees_cuts_are_windows_like_others():
    shapes = [
        shapely.union(
            shapely.box(179.998, -17, 180, -16.995), shapely.box(-180, -17, -179.997, -16.995)
        ),
        shapely.box(-179.999, -17, -179.994, -16.995),
    ]
    polygons = gpd.GeoDataFrame({"score": 0.9}, geometry=shapes, crs="EPSG:4326", index=["a", "b"])
    found = merge_detections(polygons, threshold=0.5)
    whole = area_ha(np.array([shapely.box(0, -17, 0.008, -16.995)]))[0]
    assert found["area_ha"].sum() == pytest.approx(whole, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": 7.0}, "scores reach from"),
        ({"score": None}, "lack score"),
    ],
)
def test_windows_that_cannot_be_used_are_refused(change, message):
    windows = maker.make_windows(32620, [0, 1], [9_000] * 2, 0.9)
    for name, value in change.items():
        windows = windows.drop(columns=name) if value is None else windows.assign(**{name: value})
    with pytest.raises(InputError, match=message):
        merge_detections(windows, threshold=0.5)


def test_a_window_that_comes_twice_is_refused():
    windows = maker.make_windows(32620, [0, 0], [9_000] * 2, 0.9)
    with pytest.raises(InputError, match="come twice"):
        merge_detections(windows, threshold=0.5)


@pytest.mark.parametrize(
    "rule",
    [
        {"threshold": 0.8, "isolated_threshold": 0.5},
        {"threshold": 1.2},
        {"threshold": 0.5, "neighbours": 0},
        {"threshold": 0.5, "isolation_m": -1.0},
        {"threshold": 0.5, "gap_m": -1.0},
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule):
    with pytest.raises(InputError, match="expected"):
        merge_detections(maker.make_windows(32620, [0], [9_000], 0.9), **rule)


def test_a_file_of_polygons_without_the_field_names_those_that_it_has(tmp_path):
    file = tmp_path / "raw.geojson"
    gpd.GeoDataFrame({"pred": [0.5]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4326).to_file(file)
    with pytest.raises(InputError, match="no column 'score'; it has pred"):
        read_windows(file)


@pytest.mark.real
def test_the_published_raw_detections_merge_as_a_plain_reference_does(shared_data):
    file = shared_data / "amw" / "outputs" / "amazon_1_48px_v3.7_0.50_2023.geojson"
    windows = read_windows(file, score_field="pred")
    found = merge_detections(windows, threshold=0.5, isolated_threshold=0.75)
    places = shapely.get_coordinates(shapely.centroid(windows.geometry.to_numpy()))
    kept = _detect_plainly(windows["score"].to_numpy(), places)
    ground = windows.geometry[kept].union_all()
    assert int(found["windows"].sum()) == int(kept.sum())
    assert found["area_ha"].sum() == pytest.approx(area_ha(np.array([ground]))[0], rel=1e-6)
    astray = shapely.symmetric_difference(found.geometry.union_all(), ground)
    assert area_ha(np.array([astray]))[0] < 1e-6 * found["area_ha"].sum()


def _detect_plainly(scores, places):
    """Detect with threshold 0.5 / 0.75, k = 5, 3 km, by all geodesics between all windows."""
    from pyproj import Geod

    geod, found = Geod(ellps="WGS84"), []
    for place, score in zip(places, scores, strict=True):
        if score >= 0.75:
            found.append(True)
            continue
        start = np.broadcast_to(place, places.shape)
        near = np.sort(geod.inv(*start.T, *places.T)[2])[5]  # the first is the window itself
        found.append(score >= (0.5 if near <= 3_000 else 0.75))
    return np.array(found)
