import importlib.util
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from minewatch.errors import AlreadyThereError, InputError
from minewatch.scan._compare import compare_detections, compare_ground, count_changes
from minewatch.scan._compare_ground import near_pairs
from minewatch.scan._compare_periods import accumulate_detections, unite_periods
from minewatch.scan._compare_run import compare_files
from minewatch.scan._compare_unseen import find_not_seen
from minewatch.scan._merge_file import read_detections, write_detections
from minewatch.scan._merge_polygons import area_ha
from minewatch.scan._merge_run import merge_files
from minewatch.scan._not_seen import REGION, _schema

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_windows_maker", Path(__file__).with_name("windows_maker.py")
)
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)

seeds = st.integers(0, 2**32 - 1)
SQUARE_HA = 480 * 480 / 1e4
SPAN = 12


def strew(seed, count=14):
    """Make detections of rectangles on a common grid, so that some overlap, meet or lie apart."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, SPAN, (count, 2)) * 300
    sides = rng.integers(1, 4, (count, 2)) * 100
    boxes = {
        f"{seed}-{i}": (x, y, x + width, y + height)
        for i, ((x, y), (width, height)) in enumerate(zip(corners, sides, strict=True))
    }
    return maker.detections(**boxes)


def hectares(table):
    """Measure the ground of a table, what overlaps once."""
    return area_ha(np.array([table.geometry.union_all()]))[0]


@settings(deadline=None, max_examples=10)
@given(seeds, seeds, st.sampled_from([0.0, 1.0, 3.0]))
def test_all_hectares_of_both_periods_are_accounted_for(one, two, min_area_ha):
    before, after = strew(one), strew(two)
    places, ground = compare_ground(before, after, min_area_ha=min_area_ha)
    of_before = places["common_ha"] + places["lost_ha"] + places["sliver_lost_ha"]
    of_after = places["common_ha"] + places["gained_ha"] + places["sliver_gained_ha"]
    assert np.allclose(of_before, places["before_ha"], atol=1e-6)
    assert np.allclose(of_after, places["after_ha"], atol=1e-6)
    left_out = places.attrs["minewatch"]["left_out_as_slivers"]
    assert places["before_ha"].sum() + left_out["before_ha"] == pytest.approx(hectares(before))
    assert places["after_ha"].sum() + left_out["after_ha"] == pytest.approx(hectares(after))
    assert ground["area_ha"].sum() == pytest.approx(hectares(places), rel=1e-6)
    assert set(ground["place_id"]) == set(places.index)


@settings(deadline=None, max_examples=10)
@given(seeds, seeds)
def test_what_is_new_one_way_is_gone_the_other(one, two):
    before, after = strew(one), strew(two)
    there = count_changes(compare_detections(before, after, min_area_ha=0.0))
    back = count_changes(compare_detections(after, before, min_area_ha=0.0))
    assert there.loc["new", "places"] == back.loc["gone", "places"]
    assert there.loc["unchanged", "places"] == back.loc["unchanged", "places"]
    assert there["gained_ha"].sum() == pytest.approx(back["lost_ha"].sum(), abs=1e-6)


@settings(deadline=None, max_examples=10)
@given(seeds, seeds)
def test_the_order_of_the_rows_changes_nothing(one, two):
    before, after = strew(one), strew(two)
    places = compare_detections(before, after)
    turned = compare_detections(before.iloc[::-1], after.iloc[::-1])
    columns = ["change", "before_ids", "after_ids"]
    pd.testing.assert_frame_equal(places[columns], turned[columns])
    assert np.allclose(places["gained_ha"], turned["gained_ha"], atol=1e-9)


@settings(deadline=None, max_examples=10)
@given(seeds, seeds)
def test_the_ground_is_that_of_a_plain_geopandas_overlay(one, two):
    before, after = strew(one), strew(two)
    _, ground = compare_ground(before, after, min_area_ha=0.0, gap_m=0.0)
    sums = ground.groupby("ground")["area_ha"].sum()
    own, later = (
        gpd.GeoDataFrame(geometry=[t.geometry.union_all()], crs=4326) for t in (before, after)
    )
    for name, how in (("common", "intersection"), ("lost", "difference")):
        plain = gpd.overlay(own, later, how=how, keep_geom_type=True)
        assert sums.get(name, 0.0) == pytest.approx(
            area_ha(plain.geometry.to_numpy()).sum(), abs=1e-6
        )


@settings(deadline=None, max_examples=10)
@given(seeds, seeds, seeds, seeds)
def test_ground_that_was_not_seen_is_never_gained_or_lost(one, two, three, four):
    before, after, unseen_before, unseen_after = map(strew, (one, two, three, four))
    places, ground = compare_ground(
        before, after, min_area_ha=0.0, before_not_seen=unseen_before, after_not_seen=unseen_after
    )
    gained = ground[ground["ground"] == "gained"].geometry.union_all()
    lost = ground[ground["ground"] == "lost"].geometry.union_all()
    assert area_ha(np.array([gained.intersection(unseen_before.geometry.union_all())]))[0] < 1e-6
    assert area_ha(np.array([lost.intersection(unseen_after.geometry.union_all())]))[0] < 1e-6
    for change, unseen in (("new", unseen_before), ("gone", unseen_after)):
        called = places[places["change"] == change].geometry.union_all()
        assert area_ha(np.array([called.intersection(unseen.geometry.union_all())]))[0] < 1e-6


def test_every_change_is_called_by_its_name():
    before = maker.detections(
        grown=(0, 0, 480, 480), same=(2_000, 0, 2_480, 480), shrunk=(4_000, 0, 4_960, 480),
        gone=(6_000, 0, 6_480, 480), hidden_after=(8_000, 0, 8_480, 480),
    )  # fmt: skip
    after = maker.detections(
        grown=(0, 0, 960, 480), same=(2_000, 0, 2_480, 480), shrunk=(4_000, 0, 4_480, 480),
        new=(10_000, 0, 10_480, 480), hidden_before=(12_000, 0, 12_480, 480),
    )  # fmt: skip
    unseen_before = maker.detections(cloud=(12_300, 0, 14_000, 480))
    unseen_after = maker.detections(cloud=(7_000, 0, 8_100, 480))
    found = compare_detections(
        before, after, before_not_seen=unseen_before, after_not_seen=unseen_after
    )
    assert found["change"].to_dict() == {
        "gone": "gone",
        "grown": "grown",
        "hidden_after": "not seen after",
        "hidden_before": "not seen before",
        "new": "new",
        "same": "unchanged",
        "shrunk": "shrunk",
    }
    assert found.loc["grown", "gained_ha"] == pytest.approx(SQUARE_HA, rel=0.01)
    assert found.loc["hidden_before", "not_seen_before_ha"] == pytest.approx(180 * 0.048, rel=0.01)


def test_a_rim_thinner_than_a_sliver_changes_nothing():
    before = maker.detections(m=(0, 0, 480, 480))
    after = maker.detections(m=(0, 0, 490, 480))  # 0.48 ha more
    found = compare_detections(before, after, min_area_ha=1.0).iloc[0]
    assert (found["change"], round(found["sliver_gained_ha"], 2)) == ("unchanged", 0.48)
    assert compare_detections(before, after, min_area_ha=0.1)["change"].tolist() == ["grown"]


def test_what_is_a_sliver_altogether_is_left_out_and_counted():
    before = maker.detections(m=(0, 0, 480, 480))
    after = maker.detections(m=(0, 0, 480, 480), speck=(5_000, 0, 5_050, 50))
    found = compare_detections(before, after, min_area_ha=1.0)
    assert found.index.tolist() == ["m"]
    assert found.attrs["minewatch"]["left_out_as_slivers"]["places"] == 1
    assert found.attrs["minewatch"]["left_out_as_slivers"]["after_ha"] == pytest.approx(
        0.25, rel=0.01
    )


@pytest.mark.parametrize(("gap_m", "change"), [(0.0, {"gone", "new"}), (25.0, {"grown"})])
def test_detections_within_the_gap_are_of_one_place(gap_m, change):
    before = maker.detections(m=(0, 0, 480, 480))
    after = maker.detections(m=(500, 0, 980, 480))
    found = compare_detections(before, after, gap_m=gap_m)
    assert set(found["change"]) == change


@pytest.mark.parametrize("latitude", [-60.0, 0.0, 5.0, 45.0])
@pytest.mark.parametrize("direction", [(1, 0), (0, 1)])
def test_a_gap_is_measured_in_metres_in_all_directions(latitude, direction):
    from pyproj import Geod

    geod = Geod(ellps="WGS84")
    east, north = direction
    corner = np.array([10.0, latitude])
    far = geod.fwd(*corner, 90.0 if east else 0.0, 130.0)[:2]
    one = shapely.box(*(corner - 0.001), *corner)
    two = shapely.box(far[0], far[1], far[0] + 0.001, far[1] + 0.001)
    shapes = np.array([one, two])
    assert len(near_pairs(shapes, 128.0)) == 0
    assert len(near_pairs(shapes, 132.0)) == 2
    assert north or east


def test_a_mine_that_grows_across_180_degrees_is_one_place():
    west, east = shapely.box(179.99, -17, 180, -16.99), shapely.box(-180, -17, -179.99, -16.99)
    apart = shapely.box(-179.9, -17, -179.89, -16.99)

    def period(**shapes):
        index = pd.Index(list(shapes), name="detection_id")
        return gpd.GeoDataFrame(index=index, geometry=list(shapes.values()), crs="EPSG:4326")

    before = period(a=west, b=apart)
    both = compare_detections(before, period(c=shapely.MultiPolygon([west, east]), d=apart))
    assert both["change"].to_dict() == {"c": "grown", "d": "unchanged"}
    moved = compare_detections(before, period(c=east, d=apart))
    assert len(moved) == 2
    assert moved.loc["c", ["before_ids", "after_ids"]].tolist() == ["a", "c"]
    near = shapely.transform(east, lambda at: at + np.array([0.0002, 0.0]))  # 21 m
    assert len(compare_detections(before, period(c=near, d=apart))) == 2
    assert len(compare_detections(before, period(c=near, d=apart), gap_m=10.0)) == 3


def test_periods_that_hold_only_what_is_new_are_united_first():
    years = {
        "2021": maker.detections(a=(0, 0, 480, 480)),
        "2022": maker.detections(b=(481, 0, 960, 480)),
        "2023": maker.detections(c=(5_000, 0, 5_480, 480)),
    }
    alone = compare_detections(years["2021"], years["2022"], gap_m=0.0)
    assert set(alone["change"]) == {"gone", "new"}
    known = unite_periods(years)
    found = compare_detections(known["2021"], known["2022"])
    assert found["change"].to_dict() == {"a": "grown"}
    assert found["lost_ha"].sum() == 0.0
    assert known["2023"]["area_ha"].sum() == pytest.approx(3 * SQUARE_HA, rel=0.01)


def test_all_periods_together_say_since_when_a_place_is_known():
    years = {
        "2021": maker.detections(a=(0, 0, 480, 480)),
        "2022": maker.detections(b=(5_000, 0, 5_480, 480)),
        "2023": maker.detections(a=(0, 0, 960, 480)),
    }
    clouds = {"2021": maker.detections(cloud=(4_900, 0, 5_600, 480))}
    known = accumulate_detections(years, not_seen=clouds).sort_values("area_ha")
    assert known["first"].tolist() == ["2022", "2021"]
    assert known["last"].tolist() == ["2022", "2023"]
    assert known["periods"].tolist() == ["2022", "2021; 2023"]
    assert known["not_seen"].fillna("").tolist() == ["2021", ""]
    sums = known[["until_2021_ha", "until_2022_ha", "until_2023_ha"]].sum() / SQUARE_HA
    assert np.allclose(sums, [1, 2, 3], rtol=0.01)
    assert known["until_2023_ha"].sum() == pytest.approx(known["area_ha"].sum())


@settings(deadline=None, max_examples=6)
@given(st.lists(seeds, min_size=1, max_size=4))
def test_the_cumulative_ground_is_the_union_of_all_periods(several):
    years = {str(2020 + number): strew(seed, 8) for number, seed in enumerate(several)}
    known = accumulate_detections(years)
    every = gpd.GeoDataFrame(geometry=pd.concat([one.geometry for one in years.values()]), crs=4326)
    assert known["area_ha"].sum() == pytest.approx(hectares(every), rel=1e-6)
    assert known.index.is_unique


def test_comparing_files_writes_a_folder_that_says_how_it_was_made(tmp_path):
    years = {
        "2021": maker.detections(a=(0, 0, 480, 480)),
        "2022": maker.detections(a=(0, 0, 960, 480)),
    }
    made = {"attribution": "made up"}
    files = {}
    for name, table in years.items():
        files[name] = write_detections(table, tmp_path / f"{name}.parquet", made=made)[0]
    compared = compare_files(files, tmp_path / "out", geojson=True)
    assert compared.changes["2021", "2022"].loc["grown", "places"] == 1
    places = read_detections(tmp_path / "out" / "2021_2022_places.parquet")
    header = places.attrs["minewatch"]
    assert header["attribution"] == "made up"
    assert header["settings"]["min_area_ha"] == 1.0
    assert set(header["inputs"]) == {"2021.parquet", "2022.parquet"}
    assert (tmp_path / "out" / "2021_2022_ground.geojson").is_file()
    assert "Nothing says what was not seen in 2021, 2022" in compared.notes[0]
    with pytest.raises(AlreadyThereError):
        compare_files(files, tmp_path / "out")
    compare_files(files, tmp_path / "out", overwrite=True)


def test_files_that_share_no_ground_are_doubted(tmp_path):
    years = {"a": maker.detections(a=(0, 0, 480, 480)), "b": maker.detections(b=(481, 0, 960, 480))}
    files = {
        name: write_detections(table, tmp_path / f"{name}.parquet", made={})[0]
        for name, table in years.items()
    }
    assert any("--increments" in note for note in compare_files(files, tmp_path / "one").notes)
    united = compare_files(files, tmp_path / "two", increments=True)
    assert not any("--increments" in note for note in united.notes)


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (gpd.GeoDataFrame(geometry=[shapely.Point(0, 0)], crs=4326), "hold Point"),
        (gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], crs=32620), "expected EPSG:4326"),
        (
            gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)] * 2, crs=4326, index=["a", "a"]),
            "two",
        ),
    ],
)
def test_what_is_no_table_of_detections_is_refused(before, message):
    with pytest.raises(InputError, match=message):
        compare_detections(before, maker.detections(a=(0, 0, 480, 480)))


@pytest.mark.real
def test_published_years_compare_as_a_plain_overlay_does(shared_data):
    folder = shared_data / "amw" / "outputs"
    west, south, east, north = -57.5, -7.5, -56.5, -6.5
    own, later = (
        read_detections(folder / f"mining_{year}00_simplified.geojson").cx[west:east, south:north]
        for year in (2021, 2022)
    )
    known = unite_periods({"2021": own, "2022": later})
    _, ground = compare_ground(known["2021"], known["2022"], min_area_ha=0.0)
    sums = ground.groupby("ground")["area_ha"].sum()
    plain = gpd.overlay(later[["geometry"]], own[["geometry"]], how="difference")
    assert sums["gained"] == pytest.approx(area_ha(plain.geometry.to_numpy()).sum(), rel=1e-6)
    assert sums["common"] == pytest.approx(hectares(own), rel=1e-6)
    assert "lost" not in sums


@pytest.mark.parametrize("which", [0, 1])
def test_a_period_that_found_nothing_is_compared_like_any_other(which):
    periods = [maker.detections(a=(0, 0, 480, 480)), maker.detections(a=(0, 0, 480, 480))]
    periods[which] = periods[which].iloc[:0]
    expected = "new" if which == 0 else "gone"
    assert compare_detections(*periods)["change"].tolist() == [expected]
    named = dict(zip(("2021", "2022"), periods, strict=True))
    known = accumulate_detections(named)
    assert known["periods"].tolist() == ["2022" if which == 0 else "2021"]
    assert len(unite_periods(named)["2022"]) == 1


def test_as_much_gained_as_lost_is_grown_whatever_the_last_digits():
    before = maker.detections(a=(0, 0, 480, 480))
    after = maker.detections(a=(480, 0, 960, 480))
    assert compare_detections(before, after)["change"].tolist() == ["grown"]


def test_periods_whose_columns_would_be_others_are_refused():
    mine = maker.detections(a=(0, 0, 480, 480))
    with pytest.raises(InputError, match="write over others"):
        accumulate_detections({"area": mine})


def test_what_lies_outside_of_a_scans_region_is_neither_new_nor_gone(tmp_path):
    mines = maker.detections(a=(0, 0, 480, 480), b=(2_000, 0, 2_480, 480))
    region = shapely.buffer(mines.geometry.iloc[0], 0.0005)
    for name, table in (("before", mines.iloc[:1]), ("after", mines)):
        scores = {"region": {"digest": name}, "detector_digest": "d"}
        (tmp_path / name).mkdir()
        made = {"settings": {"scores": scores}, "attribution": ""}
        write_detections(table, tmp_path / name / "detections.parquet", made=made)
    header = {"region": {"digest": "before"}, "detector_digest": "d", REGION: region.wkb_hex}
    beside = tmp_path / "before" / "not_seen.parquet"
    write_unseen(beside, header)
    files = {name: tmp_path / name / "detections.parquet" for name in ("before", "after")}
    compared = compare_files(files, tmp_path / "out")
    changes = compared.changes["before", "after"]["places"]
    assert changes[changes > 0].to_dict() == {"unchanged": 1, "not seen before": 1}
    assert compared.periods.loc["before", "not_seen_ha"] == 0.0
    assert any("not seen in after:" in note for note in compared.notes)


def test_the_map_of_another_scan_beside_detections_is_not_taken(tmp_path):
    mine = maker.detections(a=(0, 0, 480, 480))
    scores = {"region": {"digest": "mine"}, "detector_digest": "d"}
    made = {"settings": {"scores": scores}, "attribution": ""}
    write_detections(mine, tmp_path / "detections.parquet", made=made)
    write_unseen(tmp_path / "not_seen.parquet", {"region": {"digest": "other"}})
    table = read_detections(tmp_path / "detections.parquet")
    assert find_not_seen({"2021": tmp_path / "detections.parquet"}, {"2021": table}) == {}


def test_no_input_is_written_over(tmp_path):
    mine = maker.detections(a=(0, 0, 480, 480))
    made = {"settings": {}, "attribution": ""}
    for name in ("one", "two"):
        write_detections(mine, tmp_path / f"{name}.parquet", made=made)
    files = {name: tmp_path / f"{name}.parquet" for name in ("one", "two")}
    with pytest.raises(InputError, match="would write over"):
        compare_files(files, tmp_path, overwrite=True)
    with pytest.raises(InputError, match="would write over one"):
        merge_files(files["one"], files["one"], overwrite=True)


def write_unseen(path, header):
    """Write the map of a scan that saw everything."""
    pq.write_table(_schema(header).empty_table(), path)
