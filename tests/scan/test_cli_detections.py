import importlib.util
import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from minewatch.cli._app import run
from minewatch.cli._scan_words import describe_outlines
from minewatch.scan._merge_file import describe_making, read_detections, write_detections
from minewatch.scan._merge_windows import read_windows
from minewatch.sites import read_sites, write_sites

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_windows_maker", Path(__file__).with_name("windows_maker.py")
)
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)


@pytest.fixture
def scan(tmp_path):
    """Write the folder of a scan: two mines, one of a single strong window."""
    columns, rows = (steps.ravel() for steps in np.meshgrid(np.arange(30), np.arange(30) + 9_000))
    windows = maker.make_windows(32620, columns, rows, 0.05)
    windows.loc[windows.index[[0, 1, 2, 30, 31, 32]], "score"] = 0.65
    windows.loc[windows.index[-1], "score"] = 0.95
    windows.loc[windows.index[450], "status"] = "few clear views"
    (tmp_path / "scan").mkdir()
    maker.write_scores(windows, tmp_path / "scan" / "scores.parquet", attribution="made up")
    return tmp_path / "scan"


def ask(capsys, *words, code=0):
    """Run a command and give what it prints."""
    assert run(["scan", *map(str, words)]) == code
    return capsys.readouterr().out


def test_merge_takes_the_threshold_of_the_detectors_card(scan, capsys):
    told = json.loads(ask(capsys, "merge", scan, "--json"))
    assert told["rule"]["threshold"] == 0.6
    assert told["threshold_from"] == "for the best F1"
    assert (told["detections"], told["windows"]) == (2, 7)
    assert told["windows_read"]["not_seen"] == 1
    table = read_detections(scan / "detections.parquet")
    assert table.attrs["minewatch"]["attribution"] == "made up"
    assert table.attrs["minewatch"]["settings"]["rule"]["gap_m"] == 30.0
    assert set(table.attrs["minewatch"]["inputs"]) == {"scores.parquet"}


def test_merge_says_that_hectares_are_of_windows_and_what_was_not_seen(scan, capsys):
    text = ask(capsys, "merge", scan, "--preset", "single", "--neighbours", 3)
    assert "1 of them not seen" in text
    assert "preset single" in text
    assert "whole windows: that is not mined ground" in text
    assert text.splitlines()[-1] == f"Saved: {scan / 'detections.parquet'}"


def test_a_scan_that_saw_nothing_is_not_merged_into_no_mining(tmp_path, capsys):
    windows = maker.make_windows(32620, [0, 1], [9_000, 9_000], np.nan)
    windows["status"] = "failed"
    (tmp_path / "scan").mkdir()
    maker.write_scores(windows, tmp_path / "scan" / "scores.parquet")
    assert run(["scan", "merge", str(tmp_path / "scan")]) == 3
    said = capsys.readouterr().err
    assert "not one of the 2 windows" in said
    assert "(2 failed)" in said
    assert "--retry-failed" in said
    assert not (tmp_path / "scan" / "detections.parquet").exists()


def test_a_scan_without_imagery_is_not_told_to_be_tried_again(tmp_path, capsys):
    windows = maker.make_windows(32620, [0, 1], [9_000, 9_000], np.nan)
    windows["status"] = "no data"
    (tmp_path / "scan").mkdir()
    maker.write_scores(windows, tmp_path / "scan" / "scores.parquet")
    assert run(["scan", "merge", str(tmp_path / "scan")]) == 3
    said = capsys.readouterr().err
    assert "retry" not in said
    assert "another region, period or source" in said


def test_merge_says_how_many_windows_failed(scan, capsys):
    windows = read_windows(scan / "scores.parquet")
    windows.loc[windows.index[450], ["status", "score"]] = ["failed", np.nan]
    maker.write_scores(windows, scan / "scores.parquet")
    assert "(1 failed: scan run --retry-failed)" in ask(capsys, "merge", scan)


def test_what_lies_beside_detections_is_replaced_with_them_or_named(scan, capsys):
    ask(capsys, "merge", scan, "--geojson")
    detections, text = scan / "detections.parquet", scan / "detections.geojson"
    table = read_detections(detections)
    outlines = scan / "outlines.parquet"
    made = describe_making("outline", [detections], {}, [])
    write_detections(table, outlines, made=made, geojson=True)
    told = json.loads(ask(capsys, "merge", scan, "--overwrite", "--json"))
    assert told["stale"] == []  # the same detections
    words = ask(capsys, "merge", scan, "--threshold", 0.9, "--overwrite")
    assert set(read_detections(text).index) == set(read_detections(detections).index)
    assert len(read_detections(text)) == 1
    assert f"Saved: {text}" in words
    for file in (outlines, outlines.with_suffix(".geojson")):
        assert f"Of other detections, now: {file}; see scan outline" in words


def test_a_geojson_that_is_none_of_ours_is_left_alone(scan, capsys):
    ask(capsys, "merge", scan)
    foreign = '{"type": "FeatureCollection", "features": []}'
    (scan / "detections.geojson").write_text(foreign, encoding="utf-8")
    ask(capsys, "merge", scan, "--overwrite")
    assert (scan / "detections.geojson").read_text(encoding="utf-8") == foreign


def test_a_merge_without_a_find_names_no_largest_one(scan, capsys):
    words = ask(capsys, "merge", scan, "--threshold", 0.99)
    assert "No detection: the file has no row, which is not the same as no mining" in words
    assert "largest" not in words


@pytest.mark.parametrize(
    ("bare", "pond", "words"),
    [(13.54, 3.34, "(each rounded by itself)"), (13.5, 3.4, "ponds 3.4 ha\n")],
)
def test_parts_of_outlines_add_up_or_say_why_not(bare, pond, words):
    told = {
        "detections": 1, "area_ha": 161.4, "ground_ha": bare + pond, "bare_ha": bare,
        "pond_ha": pond, "not_seen_ha": 0.0, "files": [],
    }  # fmt: skip
    assert words in describe_outlines(told)


def test_merge_keeps_names_and_tells_what_is_near_and_touched(scan, tmp_path, capsys):
    ask(capsys, "merge", scan, "--geojson")
    first = read_detections(scan / "detections.parquet")
    osm = """{"type": "FeatureCollection", "features": [{"type": "Feature",
      "properties": {"element": "way", "id": 7, "highway": "track"}, "geometry":
      {"type": "LineString", "coordinates": [[-63.3, 19.4], [-63.1, 19.6]]}}]}"""
    (tmp_path / "osm.geojson").write_text(osm, encoding="utf-8")
    parks = gpd.GeoDataFrame({"NAME": ["Park"]}, geometry=[first.geometry.iloc[0]], crs=4326)
    parks.to_file(tmp_path / "parks.geojson")
    told = json.loads(
        ask(
            capsys, "merge", scan, "--json", "--out", tmp_path / "again.parquet",
            "--earlier", scan / "detections.parquet",
            "--features", tmp_path / "osm.geojson",
            "--overlay", tmp_path / "parks.geojson", "--name-column", "NAME",
        )
    )  # fmt: skip
    again = read_detections(told["files"][0])
    assert again.index.tolist() == first.index.tolist()
    assert again["road_m"].notna().all()
    assert again["parks"].fillna("").tolist() == ["Park", ""]
    assert json.loads((scan / "detections.geojson").read_text())["minewatch"]["step"] == "merge"


def test_merge_of_published_polygons_asks_for_the_field_and_a_threshold(tmp_path, capsys):
    raw = gpd.GeoDataFrame({"pred": [0.9]}, geometry=[shapely.box(0, 0, 0.005, 0.005)], crs=4326)
    raw.to_file(tmp_path / "raw.geojson")
    assert run(["scan", "merge", str(tmp_path / "raw.geojson")]) == 3
    assert "name the one that holds the score" in capsys.readouterr().err
    words = ["scan", "merge", str(tmp_path / "raw.geojson"), "--score-field", "pred"]
    assert run(words) == 3
    assert "say threshold, or preset" in capsys.readouterr().err
    assert run([*words, "--threshold", "0.5", "--credit", "A. Nyone, CC BY 4.0"]) == 0
    said = capsys.readouterr().out
    assert "A. Nyone" in said
    assert "1 window, and nothing says what was not seen" in said
    assert run([*words, "--threshold", "0.5"]) == 6  # it is there


def test_compare_says_changes_periods_and_what_is_not_known(tmp_path, capsys):
    before, after = (maker.detections(a=(0, 0, width, 480)) for width in (480, 960))
    for name, table in (("2021", before), ("2022", after)):
        table.to_parquet(tmp_path / f"{name}.parquet")
    files = [tmp_path / "2021.parquet", tmp_path / "2022.parquet"]
    text = ask(capsys, "compare", *files, "--out", tmp_path / "changes")
    assert "2021 to 2022" in text
    assert "grown" in text
    assert "Nothing says what was not seen" in text
    told = json.loads(ask(capsys, "compare", *files, "--out", tmp_path / "more", "--json"))
    assert told["changes"]["2021 to 2022"]["grown"]["places"] == 1
    assert told["periods"]["2021"]["not_seen_ha"] is None
    maker.detections(cloud=(0, 0, 2_000, 2_000)).to_file(tmp_path / "cloud.geojson")
    told = json.loads(
        ask(
            capsys, "compare", *files, "--out", tmp_path / "seen", "--json",
            "--not-seen", f"2021={tmp_path / 'cloud.geojson'}",
        )
    )  # fmt: skip
    assert told["changes"]["2021 to 2022"]["unchanged"]["places"] == 1
    assert told["periods"]["2021"]["not_seen_ha"] == pytest.approx(400.0, rel=0.01)


def test_compare_refuses_names_that_do_not_fit(tmp_path, capsys):
    maker.detections(a=(0, 0, 480, 480)).to_parquet(tmp_path / "a.parquet")
    file = str(tmp_path / "a.parquet")
    assert run(["scan", "compare", file, file]) == 2
    assert run(["scan", "compare", file]) == 3
    assert "two periods or more" in capsys.readouterr().err


def test_area_measures_draws_and_estimates(scan, tmp_path, capsys):
    ask(capsys, "merge", scan)
    detections = scan / "detections.parquet"
    assert "whole windows or polygons" in ask(capsys, "area", detections)
    out = tmp_path / "review.geojson"
    text = ask(
        capsys, "area", detections, "--scores", scan, "--sample", out,
        "--standard-error-ha", 60, "--at-least", 3,
    )  # fmt: skip
    assert "windows to review" in text
    assert "Not in it: nothing; every square was seen" in text
    sites = read_sites(out)
    mined = (sites["stratum"] == "detected").astype(int)
    write_sites(sites.assign(label=pd.array(mined, dtype="Int8")), out, overwrite=True)
    text = ask(capsys, "area", "--reviewed", out)
    assert "Intervals: 95%" in text
    told = json.loads(ask(capsys, "area", "--reviewed", out, "--json"))
    assert {row["class"] for row in told["areas"]} == {"mining", "no mining"}


def test_area_says_how_many_squares_were_not_seen_and_what_the_scan_says_of_the_region(
    toy_archive, study, tmp_path, capsys, toy_area
):
    west, south, east, north = (
        gpd.GeoSeries([shapely.box(*toy_area.boundingbox)], crs=toy_area.crs.epsg)
        .to_crs(4326)
        .total_bounds
    )
    told = json.loads(
        ask(
            capsys, "run", f"--bbox={west - 0.01},{south},{east},{north}", "--detector",
            study / "mean", "--source", toy_archive, "--year", 2023, "--out", tmp_path / "s",
            "--json",
        )
    )  # fmt: skip
    assert told["not_seen_ha"] > 0
    middle = read_windows(tmp_path / "s")["score"].median()
    ask(capsys, "merge", tmp_path / "s", "--threshold", middle)
    words = [
        "area", tmp_path / "s" / "detections.parquet", "--sample", tmp_path / "review.geojson",
        "--standard-error-ha", 500, "--at-least", 2,
    ]  # fmt: skip
    text = ask(capsys, *words)
    drawn = json.loads(ask(capsys, *words, "--overwrite", "--json"))
    assert drawn["region_not_seen_ha"] == pytest.approx(told["not_seen_ha"], abs=0.01)
    assert f"Of the region itself {told['not_seen_ha']:,.1f} ha were not seen" in text
    assert drawn["not_seen_windows"] > 0
    assert f"Not in it: {drawn['not_seen_windows']} squares that were not seen" in text
    measured = json.loads(ask(capsys, "area", tmp_path / "s" / "detections.parquet", "--json"))[
        "mapped_ha"
    ]
    assert drawn["mapped_ha"] == measured
    detected = drawn["plan"]["detected"]["area_ha"]
    assert f"have {measured:,.1f} ha, the stratum detected {detected:,.1f}" in text
    (tmp_path / "s" / "not_seen.parquet").unlink()
    assert "Of the region itself" not in ask(capsys, *words, "--overwrite")


def test_area_takes_the_reviewers_own_words(scan, tmp_path, capsys):
    ask(capsys, "merge", scan)
    out = tmp_path / "review.geojson"
    ask(
        capsys, "area", scan / "detections.parquet", "--sample", out, "--standard-error-ha", 60,
        "--at-least", 3,
    )  # fmt: skip
    told = json.loads(out.read_text(encoding="utf-8"))
    for one in told["features"]:
        one["properties"]["label"] = "pit" if one["properties"]["stratum"] == "detected" else "wood"
    out.write_text(json.dumps(told), encoding="utf-8")
    assert run(["scan", "area", "--reviewed", str(out)]) == 3
    assert "--mining-label" in capsys.readouterr().err
    words = ["--mining-label", "pit", "--no-mining-label", "wood"]
    found = json.loads(ask(capsys, "area", "--reviewed", out, *words, "--json"))
    shares = {row["stratum"]: row["mining_share"] for row in found["strata"]}
    assert shares.pop("detected") == 1.0
    assert set(shares.values()) == {0.0}
    twice = ["--mining-label", "pit", "--no-mining-label", "pit"]
    assert run(["scan", "area", "--reviewed", str(out), *twice]) == 2


@pytest.mark.parametrize(
    "words",
    [["area"], ["area", "x.parquet", "--sample", "y.geojson"], ["area", "x", "--expect", "a"]],
)
def test_area_refuses_half_a_question(words, capsys):
    assert run(["scan", *words]) in (2, 4)


def test_outline_writes_both_areas(toy_archive, toy_sites, tmp_path, capsys):
    place = toy_sites[toy_sites["label"] == 1].geometry.iloc[0]
    mine = gpd.GeoDataFrame(geometry=[place.buffer(0.002)], crs=4326, index=["m"])
    mine.rename_axis("detection_id").to_parquet(tmp_path / "d.parquet")
    text = ask(
        capsys, "outline", tmp_path / "d.parquet", "--source", toy_archive,
        "--start", "2022-01-01", "--end", "2023-12-31",
    )  # fmt: skip
    assert "of windows" in text
    assert "bare ground and ponds" in text
    table = read_detections(tmp_path / "outlines.parquet")
    assert 0 < table["ground_ha"].iloc[0] < table["area_ha"].iloc[0]
