"""The stage ``scan`` of a study: scores, detections and outlines, and where they lie."""

import json
import shutil

import pandas as pd
import pytest
import shapely

from minewatch.cli._app import run
from minewatch.errors import InputError, NotThereError, SettingsError
from minewatch.model import save_detector
from minewatch.scan import read_detections, read_scores
from minewatch.sites import read_sites
from minewatch.study import run_study
from minewatch.study._scan import around_sites
from minewatch.study._scan_files import find_detections, find_scan, find_scans

SCAN = "scans/2023"


@pytest.fixture
def own(study, tmp_path):
    """Give a copy of the study, to change."""
    shutil.copytree(study, tmp_path / "study")
    return tmp_path / "study"


def tell(study, old, new):
    """Change a line of the study's settings."""
    file = study / "study.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def scan_again(study):
    """Run the stage again, and give its result."""
    return {one.stage: one for one in run_study(study, only=["scan"])}["scan"]


def test_a_study_scans_the_ground_around_its_sites_once(study):
    scores = read_scores(study / SCAN)
    ground = around_sites(read_sites(study / "sites.parquet"), 300.0)
    points = shapely.points(scores["longitude"], scores["latitude"])
    assert shapely.intersects(ground.buffer(0.0035), points).all()
    assert scores.attrs["minewatch"]["region"]["area_ha"] == pytest.approx(108, rel=0.35)
    assert scan_again(study).action == "skipped"


def test_a_study_has_detections_of_all_windows_that_reach_its_threshold(study):
    scores = read_scores(study / SCAN)
    found = read_detections(study / SCAN / "detections.parquet")
    assert found["windows"].sum() == (scores["score"] >= 0.175).sum() > 0
    told = json.loads((study / SCAN / "detections.geojson").read_text())
    ids = [one["properties"]["detection_id"] for one in told["features"]]
    assert ids == found.index.tolist()
    assert told["minewatch"]["settings"]["threshold_from"] == "as said"


def test_a_study_outlines_the_ground_in_its_detections(study):
    found = read_detections(study / SCAN / "detections.parquet")
    ground = read_detections(study / SCAN / "outlines.parquet")
    assert ground.index.tolist() == found.index.tolist()
    assert ground["reason"].isna().all()
    assert 0 < ground["ground_ha"].sum() < found["area_ha"].sum()
    assert (study / SCAN / "outlines.geojson").is_file()


def test_another_threshold_merges_anew_and_scans_nothing(own):
    before = (own / SCAN / "scores.parquet").stat().st_mtime_ns
    tell(own, "threshold = 0.175", "threshold = 1.0")
    result = scan_again(own)
    assert result.reason == "setting merge.threshold changed from 0.175 to 1.0"
    assert "0 detections, 0.0 ha of whole windows" in result.summary
    assert (own / SCAN / "scores.parquet").stat().st_mtime_ns == before
    assert len(read_detections(own / SCAN / "detections.parquet")) == 0
    assert len(read_detections(own / SCAN / "outlines.parquet")) == 0


def test_outlines_that_are_no_longer_wanted_do_not_lie_there_still(own):
    tell(own, "around_m = 300", "around_m = 300\noutlines = false")
    assert "bare ground" not in scan_again(own).summary
    assert not list((own / SCAN).glob("outlines.*"))
    assert scan_again(own).action == "skipped"


def test_a_study_without_a_threshold_is_refused_before_anything_is_scanned(own):
    shutil.rmtree(own / "scans")
    tell(own, "merge = { threshold = 0.175 }", "")
    with pytest.raises(SettingsError, match="the card of mean has no threshold f1"):
        scan_again(own)
    assert not (own / "scans").exists()


def test_thresholds_that_cannot_be_are_refused_before_anything_is_scanned(own):
    shutil.rmtree(own / "scans")
    tell(own, "threshold = 0.175", "threshold = 0.5, isolated_threshold = 0.4")
    with pytest.raises(InputError, match=r"isolated_threshold 0\.4"):
        scan_again(own)
    assert not (own / "scans").exists()


def test_a_mine_keeps_its_name_where_earlier_detections_are_named(own):
    first = own / SCAN / "detections.parquet"
    table = read_detections(first).rename(lambda name: f"old {name}")
    table.to_parquet(own / "before.parquet")
    earlier = 'merge = { threshold = 0.175, earlier = ["before.parquet"] }'
    tell(own, "merge = { threshold = 0.175 }", earlier)
    assert scan_again(own).action == "ran"
    assert read_detections(first).index.tolist() == table.index.tolist()
    (own / "before.parquet").unlink()
    with pytest.raises(NotThereError, match=r"scan.merge.earlier"):
        scan_again(own)


def test_a_change_of_the_detector_scans_again(own, maker):
    save_detector(maker.make_detector(48, name="other"), own / "mean", overwrite=True)
    result = scan_again(own)
    assert result.action == "ran"
    assert "card.json changed" in result.reason
    assert read_scores(own / SCAN).attrs["minewatch"]["detector"] == "other"


def test_a_scan_of_another_period_lies_beside_the_first(own):
    before = (own / SCAN / "scores.parquet").read_bytes()
    tell(own, "year = 2023", "start = 2023-01-01\nend = 2023-06-30")
    words = 'setting imagery.end changed from "2023-12-31" to "2023-06-30"'
    assert scan_again(own).reason == words
    assert list(find_scans(own)) == ["2023", "2023-01-01_2023-06-30"]
    assert list(find_detections(own)) == ["2023-01-01_2023-06-30", "2023"]
    assert (own / SCAN / "scores.parquet").read_bytes() == before
    assert find_scan(own).name == "2023-01-01_2023-06-30"


def test_a_scan_where_earlier_versions_put_it_is_taken_up_and_not_made_again(own):
    (own / SCAN).rename(own / "scan")
    assert find_scan(own) == own / "scan"
    before = (own / "scan" / "scores.parquet").stat()
    assert scan_again(own).action == "ran"
    after = (own / SCAN / "scores.parquet").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not (own / "scan").exists()


def test_a_scan_of_other_days_where_earlier_versions_put_it_stays_there(own):
    (own / SCAN).rename(own / "scan")
    tell(own, "year = 2023", "start = 2023-01-01\nend = 2023-06-30")
    scan_again(own)
    assert (own / "scan" / "scores.parquet").is_file()


def test_without_a_study_the_only_scan_is_meant_and_of_several_none(own):
    (own / "study.toml").unlink()
    assert find_scan(own) == own / SCAN
    with pytest.raises(InputError, match="takes two or more"):
        find_detections(own)
    shutil.copytree(own / SCAN, own / "scans" / "copy")
    with pytest.raises(InputError, match="holds 2 scans: 2023, copy"):
        find_scan(own)
    with pytest.raises(InputError, match="are of the same days"):
        find_detections(own)
    shutil.rmtree(own / "scans")
    with pytest.raises(NotThereError, match="holds no scan"):
        find_scan(own)


def test_the_words_of_detections_take_the_studys_scan(own, tmp_path, capsys):
    def ask(word, *words):
        assert run(["scan", word, "--study", str(own), *map(str, words), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    files = [str(own / SCAN / name) for name in ("detections.parquet", "detections.geojson")]
    made = [(own / SCAN / name).read_bytes() for name in ("detections.parquet", "outlines.parquet")]
    assert ask("merge", "--geojson", "--overwrite")["files"] == files
    ask("outline", "--overwrite")
    again = [
        (own / SCAN / name).read_bytes() for name in ("detections.parquet", "outlines.parquet")
    ]
    assert again == made
    assert ask("merge", "--overwrite", "--threshold", 0.18)["rule"]["threshold"] == 0.18
    assert ask("merge", "--overwrite", "--preset", "single")["rule"]["threshold"] == 0.43
    ask("merge", "--overwrite")
    total = read_detections(files[0])["area_ha"].sum()
    assert ask("area")["mapped_ha"] == pytest.approx(total, rel=1e-6)
    sample = tmp_path / "review.geojson"
    drawn = ask("area", "--sample", sample, "--standard-error-ha", 20, "--at-least", 2)
    assert drawn["files"][0] == str(sample)


def test_compare_takes_all_scans_of_the_study_the_oldest_first(own, capsys):
    tell(own, "year = 2023", "start = 2023-01-01\nend = 2023-06-30")
    scan_again(own)
    assert run(["scan", "compare", "--study", str(own), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["changes"]) == ["2023-01-01_2023-06-30 to 2023"]
    assert all(one["not_seen_ha"] is not None for one in told["periods"].values())
    assert told["folder"] == str(own / "comparison")
    assert pd.read_parquet(own / "comparison" / "cumulative.parquet").shape[0] > 0
