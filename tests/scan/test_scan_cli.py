"""The command ``scan run``."""

import json

import geopandas as gpd
import pytest
import shapely

from minewatch.cli._app import run
from minewatch.scan import read_scores


@pytest.fixture
def asked(toy_archive, study, toy_area):
    box = gpd.GeoSeries([shapely.box(*toy_area.boundingbox)], crs=toy_area.crs.epsg).to_crs(4326)
    west, south, east, north = box.total_bounds
    bounds = f"{west + 0.006},{south + 0.006},{east - 0.006},{north - 0.006}"
    return [
        *("scan", "run", f"--bbox={bounds}", "--detector", str(study / "mean")),
        *("--source", str(toy_archive), "--year", "2023"),
    ]


def test_a_region_is_scanned_without_a_study_and_a_finished_scan_says_the_same(
    tmp_path, asked, capsys
):
    out = tmp_path / "scan"
    assert run([*asked, "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    scores = read_scores(out)
    assert told["windows"] == scores["status"].value_counts().to_dict()
    assert run([*asked, "--out", str(out)]) == 0
    words = capsys.readouterr().out
    assert f"{len(scores):,} windows in {told['tiles']:,} tiles" in words
    assert f"Saved: {out / 'scores.parquet'}" in words


def test_a_dry_run_measures_a_tile_and_writes_nothing(tmp_path, asked, capsys):
    out = tmp_path / "scan"
    assert run([*asked, "--out", str(out), "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["n_windows"] >= told["tile_windows"] > 0
    assert told["read_bytes"] > 0
    assert told["seconds"] >= told["tile_seconds"] > 0
    assert list(tmp_path.iterdir()) == []
    assert run([*asked, "--dry-run"]) == 0
    assert "less as they are packed" in capsys.readouterr().out


def test_a_dry_run_of_ground_that_no_scene_covers_says_so(asked, capsys):
    asked[2] = "--bbox=10.0,10.0,10.15,10.15"
    assert run([*asked, "--dry-run"]) == 0
    words = capsys.readouterr().out
    assert "No scene of the period covers the ground that was looked at (4 of 16 tiles)" in words
    assert "those that you meant?" in words
    assert "would take" not in words
    assert run([*asked, "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["is_covered"], told["seconds"], told["read_bytes"]) == (False, None, None)


def test_a_scan_with_other_settings_ends_with_the_code_of_what_is_there(tmp_path, asked, capsys):
    out = ["--out", str(tmp_path / "scan")]
    assert run([*asked, *out]) == 0
    assert run([*asked, *out, "--stride-px", "48"]) == 6
    assert "stride_px 24, asked 48" in capsys.readouterr().err


def test_failed_tiles_end_with_a_code_of_their_own_and_are_scanned_again_on_request(
    tmp_path, asked, toy_archive, capsys
):
    import shutil

    archive = tmp_path / "archive"
    shutil.copytree(toy_archive, archive)
    away = {file: file.rename(file.with_suffix(".away")) for file in archive.rglob("B04.tif")}
    asked[asked.index("--source") + 1] = str(archive)
    whole = [*asked, "--out", str(tmp_path / "scan"), "--tile-px", "48"]
    assert run([*whole, "--attempts", "1"]) == 9
    said = capsys.readouterr().err
    assert "B04.tif" in said
    assert "the same command tries them again" in said
    for file, moved in away.items():
        moved.rename(file)
    assert run([*whole, "--retry-failed"]) == 0
    assert "No tile had failed" not in capsys.readouterr().out
    assert run([*whole, "--retry-failed"]) == 0
    assert "No tile had failed, so none was scanned again" in capsys.readouterr().out


def test_a_dry_run_says_what_is_done_already(tmp_path, asked, capsys):
    out = tmp_path / "scan"
    whole = [*asked, "--out", str(out), "--tile-px", "96"]
    assert run([*whole, "--dry-run"]) == 0
    assert "Done already" not in capsys.readouterr().out
    assert run(whole) == 0
    capsys.readouterr()
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    assert run([*whole, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"Done already: all tiles, in {out}; nothing is left" in said
    assert "All anew would take about" in said
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before
    assert run([*whole, "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["tiles_done"], told["windows_done"]) == (told["n_tiles"], told["n_windows"])
    state = json.loads((out / "scan.json").read_text(encoding="utf-8"))
    failed = {"key": told["tile"], "stage": "scan", "reason": "made up"}
    state["finished"]["failures"] = [failed]
    (out / "scan.json").write_text(json.dumps(state), encoding="utf-8")
    assert run([*whole, "--dry-run"]) == 0
    n = told["n_tiles"]
    words = f"{n - 1} of {n} tiles, in {out}; 1 failed: --retry-failed"
    assert words in capsys.readouterr().out
    assert run([*asked, "--out", str(out), "--tile-px", "48", "--dry-run"]) == 0
    assert f"{out} holds a scan with other settings" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("left_out", "words"),
    [("--source", "--source"), ("--year", "of which days"), ("--bbox", "which region")],
)
def test_what_is_not_said_is_asked_for(tmp_path, asked, left_out, words, capsys):
    place = next(n for n, one in enumerate(asked) if one.startswith(left_out))
    kept = asked[:place] + asked[place + (1 if left_out == "--bbox" else 2) :]
    assert run([*kept, "--study", str(tmp_path)]) == 3
    assert words in capsys.readouterr().err


def test_what_the_command_line_says_goes_before_the_study(study, tmp_path, capsys):
    out = tmp_path / "scan"
    said = ["--study", str(study), "--stride-px", "48", "--out", str(out), "--json"]
    assert run(["scan", "run", *said]) == 0
    header = read_scores(out).attrs["minewatch"]
    assert header["stride_px"] == 48
    assert header["query"]["start"] == "2023-01-01"
