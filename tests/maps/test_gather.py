"""What a map is made from, and what it refuses to be made from."""

import importlib.util
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from minewatch import scan, toy
from minewatch.errors import EarlierWarning, InputError, NotThereError
from minewatch.maps import (
    Composite,
    Layers,
    MapContents,
    Period,
    describe_contents,
    gather_contents,
)
from minewatch.maps._coordinates import format_dms
from minewatch.maps._earlier import count_if_few, tell_if_few
from minewatch.model import Card
from minewatch.scan._merge_polygons import area_ha

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_maps_maker", Path(__file__).with_name("maps_maker.py")
)
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """Give a folder with a scan and its detections."""
    folder = tmp_path_factory.mktemp("study")
    maker.make_scan(folder / "scan")
    maker.make_detections(folder, folder / "scan")
    return folder


def mines(**columns):
    shapes = [shapely.box(west, 5.0, west + 0.01, 5.01) for west in (-62.0, -61.0)]
    index = pd.Index(["a", "b"], name="detection_id")
    return gpd.GeoDataFrame(columns, index=index, geometry=shapes, crs="EPSG:4326")


def test_what_a_scan_says_of_itself_need_not_be_said_again(scanned):
    contents = gather_contents(scanned / "detections.parquet", Layers(scores=scanned / "scan"))
    assert contents.periods == (Period("2024", "2024-01-01", "2024-12-31"),)
    assert contents.threshold == 0.5
    assert contents.detector == "trees"
    assert contents.attribution == (maker.CREDIT,)
    assert "480 × 480 m" in contents.area_means
    assert contents.not_seen["area_ha"].sum() > 100
    assert contents.region.geometry.iloc[0].area > contents.not_seen.geometry.iloc[0].area
    beside = gather_contents(scanned / "detections.parquet")
    assert beside.scores is None  # they do not lie beside
    (scanned / "scan" / "found.parquet").write_bytes((scanned / "detections.parquet").read_bytes())
    own = gather_contents(scanned / "scan" / "found.parquet")
    assert own.not_seen["area_ha"].sum() == contents.not_seen["area_ha"].sum()
    pd.testing.assert_frame_equal(own.scores, contents.scores)
    truth = scan.read_detections(scanned / "detections.parquet")
    pd.testing.assert_series_equal(contents.detections["score_max"], truth["score_max"])


def test_not_seen_of_another_scan_is_not_taken_for_that_of_this_one(scanned, tmp_path):
    found = tmp_path / "detections.parquet"
    found.write_bytes((scanned / "detections.parquet").read_bytes())
    other = maker.make_scan(tmp_path / "other")
    table = pq.read_table(other / "not_seen.parquet")
    pq.write_table(table, tmp_path / "not_seen.parquet")
    assert gather_contents(found).not_seen is not None  # it is of the same scan
    metadata = dict(table.schema.metadata)
    metadata[b"minewatch"] = metadata[b"minewatch"].replace(b"2024-12-31", b"2023-12-31")
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "not_seen.parquet")
    contents = gather_contents(found)
    assert contents.not_seen is None
    assert "nothing says which ground was not seen" in contents.seen_means


def test_polygons_that_anyone_drew_can_say_what_was_not_seen(tmp_path):
    drawn = gpd.GeoDataFrame(geometry=[shapely.box(-61.8, 5.0, -61.7, 5.1)], crs="EPSG:4326")
    drawn.to_crs("EPSG:32620").to_file(tmp_path / "clouds.gpkg")
    layers = Layers(not_seen=tmp_path / "clouds.gpkg")
    contents = gather_contents(mines(), layers, period="2024", attribution=["me"])
    assert contents.not_seen["reason"].tolist() == ["not seen"]
    assert contents.not_seen["area_ha"].sum() == pytest.approx(12_260, rel=0.01)
    assert describe_contents(contents)["not_seen"].startswith("12,2")
    assert contents.region is None


def test_a_map_that_would_not_say_when_or_whose_is_refused():
    with pytest.raises(InputError, match=r"--period 2024\) nor whom to name .*--attribution"):
        gather_contents(mines())
    with pytest.raises(InputError, match="whom to name") as refused:
        gather_contents(mines(), period="2024")
    assert "period" not in str(refused.value)


def test_polygons_of_others_are_described_as_theirs():
    contents = gather_contents(
        mines(**{"Mined area (ha)": [1.0, 2.0]}), period="2024", attribution=["them"],
        found_by="their network",
    )  # fmt: skip
    about = describe_contents(contents)
    assert about["threshold"] == "not known"
    assert about["detector"] == "their network"
    assert "is for their makers to say" in about["hectares"]
    assert contents.detections["Mined area (ha)"].tolist() == [1.0, 2.0]
    np.testing.assert_allclose(
        contents.detections["area_ha"], area_ha(contents.detections.geometry.to_numpy())
    )
    assert contents.detections["start"].isna().all()


def test_whom_to_name_is_listed_once_each_in_order():
    contents = gather_contents(mines(), period="2024", attribution=["b; a", "a", " ", "c"])
    assert contents.attribution == ("b", "a", "c")


def test_outlines_join_by_name_and_not_by_row(scanned, tmp_path):
    found = scanned / "detections.parquet"
    outlines = gpd.read_parquet(maker.make_outlines(tmp_path, found))
    outlines.iloc[::-1].to_parquet(tmp_path / "outlines.parquet")
    contents = gather_contents(found, Layers(outlines=tmp_path / "outlines.parquet"))
    pd.testing.assert_series_equal(contents.detections["ground_ha"], outlines["ground_ha"])
    assert "ground_ha is what by its colour" in contents.area_means


def test_changes_say_of_each_detection_what_became_of_its_place(tmp_path):
    before = mines().iloc[:1].set_geometry([shapely.box(-62.0, 5.0, -61.995, 5.01)])
    before = before.set_crs("EPSG:4326")
    changes = scan.compare_detections(before, mines())
    scan.write_detections(changes, tmp_path / "places.parquet", made={})
    scan.write_detections(before, tmp_path / "2023.parquet", made={"attribution": "of before"})
    contents = gather_contents(
        mines(),
        Layers(changes=tmp_path / "places.parquet", earlier={"2023": tmp_path / "2023.parquet"}),
        period="2024",
        attribution=["me"],
    )
    assert contents.detections["change"].to_dict() == {"a": "grown", "b": "new"}
    assert contents.detections["before_ha"]["a"] == pytest.approx(
        area_ha(before.geometry.to_numpy())[0]
    )
    assert [one.name for one in contents.periods] == ["2023", "2024"]
    assert contents.earlier["2023"].index.tolist() == ["a"]
    assert contents.attribution == ("of before", "me")


def test_overlays_name_what_is_touched(tmp_path):
    parks = gpd.GeoDataFrame(
        {"NAME": ["Canaima"]}, geometry=[shapely.box(-62.005, 4, -61.5, 6)], crs="EPSG:4326"
    )
    parks.to_file(tmp_path / "parks.geojson")
    said = {"period": "2024", "attribution": ["me"]}
    contents = gather_contents(
        mines(), Layers(overlays={tmp_path / "parks.geojson": "NAME"}), **said
    )
    assert contents.overlay_columns == ("parks",)
    assert contents.detections["parks"].fillna("").tolist() == ["Canaima", ""]
    assert contents.overlays["parks"]["name"].tolist() == ["Canaima"]
    with pytest.raises(InputError, match="has no column 'name'; it has NAME"):
        gather_contents(mines(), Layers(overlays={tmp_path / "parks.geojson": "name"}), **said)


@pytest.mark.parametrize("name", ["none.geojson", "none.parquet"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(NotThereError, match=name):
        gather_contents(tmp_path / name, period="2024", attribution=["me"])


def test_bad_files_are_named_with_what_is_expected(tmp_path):
    (tmp_path / "bad.geojson").write_text("{")
    with pytest.raises(InputError, match=r"bad\.geojson cannot be read as polygons"):
        gather_contents(tmp_path / "bad.geojson", period="2024", attribution=["me"])
    points = toy.Valley(seed=1).sites(2, 2)
    points.to_file(tmp_path / "points.geojson")
    with pytest.raises(InputError, match="holds Point; expected polygons only"):
        gather_contents(tmp_path / "points.geojson", period="2024", attribution=["me"])
    mines().to_parquet(tmp_path / "mines.parquet")
    with pytest.raises(InputError, match=r"lacks change, after_ids; expected …_places\.parquet"):
        gather_contents(
            mines(), Layers(changes=tmp_path / "mines.parquet"), period="2024", attribution=["me"]
        )


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2023", "2023-01-01", "2023-12-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2024-12", "2024-12-01", "2024-12-31"),
        ("2024-05-06", "2024-05-06", "2024-05-06"),
        ("2023-10/2024-03", "2023-10-01", "2024-03-31"),
    ],
)
def test_periods_are_read_to_their_last_day(text, start, end):
    period = Period.parse(text)
    assert (period.start, period.end) == (start, end)
    again = Period.of_days(start, end)
    assert (again.start, again.end) == (start, end)


@pytest.mark.parametrize("text", ["", "soon", "2024-13", "2024-02-30", "2024/2023", "2024-1-1-1"])
def test_what_is_no_period_is_refused(text):
    with pytest.raises(InputError, match=r"period '.*'"):
        Period.parse(text)


def test_why_a_period_is_none_is_said_in_words_for_people():
    with pytest.raises(InputError, match=r"'soon' cannot be read; expected 2024, 2024-02"):
        Period.parse("soon")
    with pytest.raises(InputError, match=r"'2024-13' cannot be read \(month must be in 1"):
        Period.parse("2024-13")


@given(st.floats(-180, 180))
def test_degrees_minutes_and_seconds_are_within_a_twentieth_of_a_second(degrees):
    text = format_dms(degrees, "longitude")
    whole, rest = text[:-1].split("°")
    minutes, seconds = rest.rstrip('"').split("'")
    assert 0 <= int(minutes) < 60
    assert 0 <= float(seconds) < 60
    back = int(whole) + int(minutes) / 60 + float(seconds) / 3600
    sign = -1 if text.endswith("W") else 1
    assert sign * back == pytest.approx(degrees, abs=0.0500001 / 3600)


@pytest.mark.parametrize(
    "period", ["2024", "2024-01/2024-12", "2025", "2024-06/2024-08", "2020/2025"]
)
def test_a_period_that_is_not_earlier_is_refused_as_an_earlier_one(tmp_path, period):
    mines().to_parquet(tmp_path / "mines.parquet")
    layers = Layers(
        earlier={"2023": tmp_path / "mines.parquet", period: tmp_path / "mines.parquet"}
    )
    with pytest.raises(
        InputError, match=f"the earlier period '{period}' .* begins and ends before"
    ):
        gather_contents(mines(), layers, period="2024", attribution=["me"])


def test_two_earlier_files_of_the_same_days_are_refused(tmp_path):
    mines().to_parquet(tmp_path / "mines.parquet")
    files = {"2023": tmp_path / "mines.parquet", "2023-01/2023-12": tmp_path / "mines.parquet"}
    with pytest.raises(InputError, match=r"'2023' .* and '2023-01/2023-12' .* of the same days"):
        gather_contents(mines(), Layers(earlier=files), period="2024", attribution=["me"])


def test_contents_hold_the_detections_of_a_period_once():
    with pytest.raises(InputError, match="detections of '2024' are given twice"):
        MapContents(mines(), "Mines", periods=(Period.parse("2024"),), earlier={"2024": mines()})


def test_a_period_that_the_scan_does_not_name_is_refused(scanned):
    found = scanned / "detections.parquet"
    for period in ("2019", "2024-02"):
        with pytest.raises(
            InputError, match=r"imagery of 2024-01-01 to 2024-12-31, and the period"
        ):
            gather_contents(found, period=period)
    with pytest.raises(InputError, match=r"detections\.parquet say that .* of 2024-01-01"):
        gather_contents(mines(), Layers(earlier={"2020": found}), period="2025", attribution=["me"])
    longer = gather_contents(found, period="2023-12/2024")
    assert longer.periods[-1].name == "2023-12/2024"


def test_the_card_of_another_detector_than_found_the_mines_is_refused(scanned, tmp_path):
    cards = {}
    for digest in ("sha256:1", "sha256:2"):
        folder = cards[digest] = tmp_path / digest[-1]
        folder.mkdir()
        card = Card(
            name="mean", kind="trees", bands=("B04",), level="L2A", size_px=48, licence="MIT",
            digest=digest,
        )  # fmt: skip
        (folder / "card.json").write_text(card.model_dump_json())
    own = gather_contents(scanned / "detections.parquet", detector=cards["sha256:1"])
    assert own.card.name == "mean"
    with pytest.raises(InputError, match=r"found by trees \(sha256:1…\), and .*holds mean"):
        gather_contents(scanned / "detections.parquet", detector=cards["sha256:2"])
    others = gather_contents(mines(), period="2024", attribution=["me"], detector=cards["sha256:2"])
    assert others.card is not None  # nobody says what found them
    with pytest.raises(InputError, match="'their network' is said to have found"):
        gather_contents(
            mines(), period="2024", attribution=["me"], detector=cards["sha256:2"],
            found_by="their network",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("shown", "is_refused"),
    [
        ("2025", True),
        ("2024-07/2025-06", True),
        ("2024", False),
        ("2023", False),
        ("2024-06", False),
    ],
)
def test_imagery_of_later_days_than_the_detections_is_refused(shown, is_refused):
    image = Composite(shown, None, None, "L2A", maker.CREDIT)
    said = {"period": "2024", "composites": [image], "attribution": ["drawn by hand"]}
    if is_refused:
        with pytest.raises(InputError, match="expected none of later days"):
            gather_contents(mines(), **said)
    else:
        periods = gather_contents(mines(), **said).periods
        assert periods[-1].name == "2024"
        assert {one.name for one in periods} == {shown, "2024"}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"threshold": 0.9}, "found with a threshold of 0.5, not 0.9"),
        ({"threshold": 1.7}, "expected a score from 0 to 1"),
        ({"found_by": "someone else"}, "'trees' found them, not 'someone else'"),
        ({"period": "24"}, "the year 24"),
    ],
)
def test_what_the_detections_deny_is_refused(scanned, said, words):
    with pytest.raises(InputError, match=words):
        gather_contents(scanned / "detections.parquet", **said)


def test_what_the_detections_say_may_be_said_again(scanned):
    again = gather_contents(scanned / "detections.parquet", threshold=0.5, found_by="trees")
    assert (again.threshold, again.detector) == (0.5, "trees")


def test_a_file_of_points_is_refused_by_its_name(tmp_path):
    points = gpd.GeoDataFrame(geometry=[shapely.Point(-62.0, 5.0)], crs="EPSG:4326")
    points.to_file(tmp_path / "points.geojson")
    with pytest.raises(InputError, match=r"points\.geojson holds Point; expected polygons only"):
        gather_contents(tmp_path / "points.geojson", period="2024", attribution=["by hand"])


def test_earlier_files_that_hold_only_what_was_added_call_nothing_new_without_a_warning():
    west = -62.0 + 0.02 * np.arange(40)
    shapes = shapely.box(west, 5.0, west + 0.01, 5.01)
    before = gpd.GeoDataFrame(geometry=shapes, crs="EPSG:4326").rename_axis("detection_id")
    beside = before.set_geometry(before.translate(0.0, 0.1))
    contents = MapContents(before, "Mines", earlier={"2023": before})
    assert count_if_few(contents) is None
    with pytest.warns(EarlierWarning, match="0 of 40 detections meet one of an earlier period"):
        tell_if_few(MapContents(before, "Mines", earlier={"2023": beside}))
    few = MapContents(before.iloc[:5], "Mines", earlier={"2023": beside})
    assert count_if_few(few) is None  # of a handful it says nothing
