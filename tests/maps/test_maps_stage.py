"""The stage `maps`: what a study's scan found, written without being told anything twice."""

import importlib.util
import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import rasterio
import shapely

from minewatch.cli._app import run
from minewatch.errors import SettingsError
from minewatch.model import save_detector
from minewatch.scan import read_scores
from minewatch.scan._merge_polygons import area_ha
from minewatch.sites import write_sites
from minewatch.study import map_path, read_study, run_study
from minewatch.study._maps import _compare, _earlier

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_scan_maker", Path(__file__).parents[1] / "scan" / "scan_maker.py"
)
scan_maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(scan_maker)
_spec = importlib.util.spec_from_file_location(
    "minewatch_test_maps_maker", Path(__file__).with_name("maps_maker.py")
)
maps_maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maps_maker)

pytestmark = pytest.mark.integration
STUDY = """
[study]
name = "A valley"

[sites]
files = ["places.geojson"]

[imagery]
source = "{archive}"
year = 2023

[patches]
kind = "build"

[scan]
around_m = 300
detector = "mean"
merge = {{ threshold = {threshold} }}

[maps]
formats = ["parquet", "gpkg", "gpx", "cog", "html"]
attribution = ["Somebody"]
"""
STAGES = ["sites", "scan", "maps"]


def write_study(folder, archive, **said):
    text = STUDY.format(archive=archive, **said)
    (folder / "study.toml").write_text(text)


@pytest.fixture(scope="module")
def study(tmp_path_factory, toy_archive, toy_sites):
    """Scan around three sites, and write the map."""
    folder = tmp_path_factory.mktemp("study")
    write_sites(toy_sites.iloc[:3], folder / "places.geojson")
    save_detector(scan_maker.make_detector(48), folder / "mean")
    write_study(folder, toy_archive, threshold=0.0)
    run_study(folder, only=["sites", "scan"])
    scores = read_scores(folder / "scans" / "2023")["score"]
    threshold = float(scores.quantile(0.7))
    write_study(folder, toy_archive, threshold=round(threshold, 4))
    run_study(folder, only=STAGES)
    return folder


def test_the_map_shows_what_the_scan_found_above_the_threshold(study):
    scores = read_scores(study / "scans" / "2023")
    threshold = read_study(study).scan.merge.threshold
    found = gpd.read_parquet(study / "maps" / "detections.parquet")
    assert found["windows"].sum() == (scores["score"] >= threshold).sum() > 0
    assert map_path(study).is_file()
    marker = json.loads((study / "maps" / "maps.json").read_text())
    assert marker["about"]["title"] == "A valley"
    assert marker["about"]["detector"] == "mean"
    assert marker["about"]["threshold"].startswith(f"{threshold:g}")
    assert "toy valley" in marker["about"]["attribution"]
    assert "Somebody" in marker["about"]["attribution"]


def test_ground_within_windows_and_what_was_not_seen_come_with_it(study):
    path = study / "maps" / "detections.gpkg"
    table = pyogrio.read_dataframe(path, layer="detections")
    assert (table["ground_ha"] <= table["area_ha"] + 1e-6).all()
    assert table["ground_ha"].sum() > 0
    unseen = pyogrio.read_dataframe(path, layer="not_seen")
    own = gpd.read_parquet(study / "scans" / "2023" / "not_seen.parquet")
    assert area_ha(unseen.geometry.to_numpy()).sum() == pytest.approx(
        own["area_ha"].sum(), rel=1e-4
    )
    assert len(pyogrio.read_dataframe(path, layer="sites")) == 3


def test_the_imagery_lies_under_the_sites(study):
    sites = gpd.read_parquet(study / "sites.parquet")
    with rasterio.open(study / "maps" / "composite_2023.tif") as raster:
        places = sites.to_crs(raster.crs).geometry
        values = np.array(list(raster.sample([(one.x, one.y) for one in places])))
    assert (values > 0).all()


def test_a_map_is_written_again_only_when_something_changed(study, toy_archive):
    results = {one.stage: one for one in run_study(study, only=STAGES)}
    assert results["maps"].action == "skipped"
    text = (study / "study.toml").read_text()
    (study / "study.toml").write_text(text.replace('name = "A valley"', 'name = "Another"'))
    [again] = [one for one in run_study(study, only=STAGES, dry_run=True) if one.stage == "maps"]
    assert again.reason == 'setting study.name changed from "A valley" to "Another"'
    (study / "study.toml").write_text(text)
    (study / "maps" / "map.html").unlink()
    [again] = [one for one in run_study(study, only=STAGES, dry_run=True) if one.stage == "maps"]
    assert again.reason == "maps/map.html is missing"
    run_study(study, only=STAGES)
    assert map_path(study).is_file()


def test_maps_write_takes_a_study_at_its_word(study, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["maps", "write", "--study", str(study), "--out", str(out), "--format", "geojson"]
    assert run([*words, "--title", "Only today", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["about"]["title"] == "Only today"
    table = gpd.read_file(out / "detections.geojson")
    own = gpd.read_parquet(study / "maps" / "detections.parquet")
    assert table["detection_id"].tolist() == own.index.tolist()
    assert run(words) == 6
    assert run(["maps", "write", "--study", str(study), "--out", str(out), "--sites", "x"]) == 2


def test_a_study_that_was_not_scanned_says_what_to_do(study, tmp_path, toy_archive, capsys):
    write_study(tmp_path, toy_archive, threshold=0.5)
    assert run(["maps", "write", "--study", str(tmp_path)]) == 4
    assert "holds no scan that is finished; `minewatch run`" in capsys.readouterr().err
    assert not (tmp_path / "maps").exists()


def test_a_map_without_a_scan_is_refused_in_the_settings(tmp_path):
    (tmp_path / "study.toml").write_text(
        '[sites]\nfiles = ["a.geojson"]\n[imagery]\nyear = 2023\n'
        '[patches]\nkind = "build"\n[maps]\n'
    )
    with pytest.raises(SettingsError, match=r"\[maps\], and no \[scan\] whose detections it shows"):
        read_study(tmp_path)
    text = STUDY.format(archive="x", threshold=1.5)
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"scan.merge.threshold is 1.5"):
        read_study(tmp_path)


@pytest.fixture
def scans(tmp_path):
    """Give the detections of two scans of one region, each beside what it did not see."""
    made = {
        name: maps_maker.make_scan(tmp_path / name, seed=int(name)) for name in ("2023", "2024")
    }
    return {name: maps_maker.make_detections(scan, scan) for name, scan in made.items()}


def test_earlier_detections_of_the_merge_are_called_by_the_days_that_their_scan_names(scans):
    study = scans["2023"].parent
    write_study(study, "archive", threshold='0.5, earlier = ["detections.parquet"]')
    assert _earlier(study, read_study(study)) == {"2024": scans["2023"]}


def test_changes_are_those_since_the_latest_period_whatever_the_order(scans, tmp_path):
    (tmp_path / "same").mkdir()
    same = tmp_path / "same" / "detections.parquet"
    same.write_bytes(scans["2024"].read_bytes())
    for earlier in ({"2023": same, "2022": scans["2023"]}, {"2022": scans["2023"], "2023": same}):
        changes = gpd.read_parquet(_compare(tmp_path, earlier, scans["2024"]))
        assert set(changes["change"]) == {"unchanged"}


def test_ground_that_was_not_seen_in_either_period_is_neither_new_nor_gone(scans, tmp_path):
    assert "new" in _changes(tmp_path, scans)
    path = scans["2023"].with_name("not_seen.parquet")
    table = gpd.read_parquet(path)
    region = maps_maker.gather_contents(scans["2023"]).region.geometry.iloc[0]
    metadata = pq.read_schema(path).metadata
    table.assign(geometry=[region]).to_parquet(path)
    plain = pq.read_table(path)
    metadata = {**plain.schema.metadata, b"minewatch": metadata[b"minewatch"]}
    pq.write_table(plain.replace_schema_metadata(metadata), path)
    changes = _changes(tmp_path, scans)
    assert "new" not in changes
    assert "not seen before" in changes


def test_what_lies_outside_of_the_newest_region_is_not_gone(scans, tmp_path):
    found = gpd.read_parquet(scans["2024"])
    west, south, *_ = found.total_bounds
    far = found.iloc[:1].set_geometry([shapely.box(west - 2, south, west - 1.9, south + 0.1)])
    far.set_crs("EPSG:4326").to_parquet(tmp_path / "far.parquet")
    changes = _changes(tmp_path, {"2023": tmp_path / "far.parquet", "2024": scans["2024"]})
    assert "gone" not in changes
    assert "not seen after" in changes


def _changes(study, files):
    path = _compare(study, {"2023": files["2023"]}, files["2024"])
    return set(gpd.read_parquet(path)["change"])
