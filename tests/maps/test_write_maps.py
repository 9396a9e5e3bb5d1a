"""The folder of a map: what is in it, when it is replaced, and that it appears whole."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from minewatch._store import digest_file
from minewatch.cli._app import run
from minewatch.errors import AlreadyThereError, InputError
from minewatch.maps import gather_contents, write_files
from minewatch.maps._write import PMTILES_FROM, choose_formats

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_maps_maker", Path(__file__).with_name("maps_maker.py")
)
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)

PLAIN = ["parquet", "geojson", "gpkg", "kml", "gpx", "csv"]


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Gather a made-up scan."""
    return maker.make_contents(tmp_path_factory.mktemp("scan"))


def published(tmp_path):
    """Write polygons as somebody publishes them."""
    shapes = [shapely.box(west, 5.0, west + 0.01, 5.01) for west in (-62.0, -61.0)]
    table = gpd.GeoDataFrame({"year": [202400, 202400]}, geometry=shapes, crs="EPSG:4326")
    path = tmp_path / "published.geojson"
    table.to_file(path)
    return path


def test_equal_contents_give_equal_bytes_in_every_format(contents, tmp_path):
    for name in ("one", "two"):
        write_files(contents, tmp_path / name, formats=[*PLAIN, "cog", "pmtiles", "html"])
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert files == sorted(file.name for file in (tmp_path / "two").iterdir())
    different = [
        name
        for name in files
        if digest_file(tmp_path / "one" / name) != digest_file(tmp_path / "two" / name)
    ]
    assert different == []


def test_every_file_is_listed_with_its_digest_and_explained(contents, tmp_path):
    files = write_files(contents, tmp_path / "maps", formats=PLAIN)
    marker = json.loads((tmp_path / "maps" / "maps.json").read_text(encoding="utf-8"))
    readme = (tmp_path / "maps" / "README.txt").read_text(encoding="utf-8")
    for file in files:
        if file.name not in ("maps.json", "README.txt"):
            assert marker["files"][file.name] == digest_file(file)
            assert f"  {file.name}: " in readme
    assert marker["inputs"]
    assert marker["about"]["attribution"] == maker.CREDIT


def test_an_own_folder_is_replaced_when_allowed_and_another_never(contents, tmp_path):
    out = tmp_path / "maps"
    write_files(contents, out, formats=["csv", "gpx"])
    with pytest.raises(AlreadyThereError, match="exists already"):
        write_files(contents, out, formats=["csv"])
    write_files(contents, out, formats=["csv"], overwrite=True)
    assert not (out / "detections.gpx").exists()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(AlreadyThereError, match=r"notes\.txt"):
        write_files(contents, out, formats=["csv"], overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "detections.csv").is_file()


def test_what_programs_leave_beside_a_map_does_not_stop_it_from_being_replaced(contents, tmp_path):
    out = tmp_path / "maps"
    write_files(contents, out, formats=["gpkg", "cog"])
    for name in ("scores.tif.aux.xml", "detections.gpkg-wal", "detections.gpkg-shm"):
        (out / name).write_text("left by a program")
    write_files(contents, out, formats=["gpkg"], overwrite=True)
    assert not list(out.glob("*.aux.xml"))
    (out / "own.aux.xml").write_text("of no file here")
    with pytest.raises(AlreadyThereError, match=r"own\.aux\.xml"):
        write_files(contents, out, formats=["gpkg"], overwrite=True)


def test_a_map_that_fails_on_the_way_leaves_nothing(contents, tmp_path):
    broken = replace(contents, scores=contents.scores.drop(columns="epsg"))
    with pytest.raises(InputError, match="lack epsg"):
        write_files(broken, tmp_path / "maps", formats=["csv", "cog"])
    assert list(tmp_path.iterdir()) == []


def test_without_a_word_all_that_fits_is_written(contents):
    assert choose_formats(contents, None) == ("parquet", "geojson", "gpkg", "kml", "gpx", "csv",
                                              "cog", "html")  # fmt: skip
    assert "cog" not in choose_formats(replace(contents, scores=None), None)
    many = pd.concat([contents.detections] * (PMTILES_FROM // len(contents.detections) + 1))
    assert "pmtiles" in choose_formats(replace(contents, detections=many), None)


def test_a_format_that_cannot_be_is_refused_with_what_can(contents):
    with pytest.raises(
        InputError, match="shp cannot be written; expected some of parquet, geojson"
    ):
        choose_formats(contents, ["shp"])
    with pytest.raises(InputError, match="nothing to write as COG: give the scores"):
        choose_formats(replace(contents, scores=None), ["cog"])
    with pytest.raises(InputError, match="no format cannot be written"):
        choose_formats(contents, [])


def test_published_polygons_become_a_map_on_the_command_line(tmp_path, capsys):
    source, out = published(tmp_path), tmp_path / "out"
    words = ["maps", "write", str(source), "--out", str(out), "--period", "2024", "--json"]
    words += ["--attribution", "Somebody, CC BY 4.0", "--title", "Theirs", "--found-by", "a net"]
    words += [part for name in PLAIN for part in ("--format", name)]
    assert run(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["about"]["title"] == "Theirs"
    assert said["about"]["detector"] == "a net"
    assert {Path(file).name for file in said["files"]} == {
        "README.txt", "maps.json", *(f"detections.{name}" for name in PLAIN)
    }  # fmt: skip
    assert run(words) == 6  # it is there already
    assert run([*words, "--overwrite"]) == 0


def test_the_command_line_says_what_is_missing(tmp_path, capsys):
    source = published(tmp_path)
    assert run(["maps", "write", str(source), "--out", str(tmp_path / "out")]) == 3
    assert "--period 2024" in capsys.readouterr().err
    assert run(["maps", "write", str(tmp_path / "none.gpkg"), "--period", "2024"]) == 4
    assert run(["maps", "write", "--study", str(tmp_path)]) == 4
    assert "study.toml" in capsys.readouterr().err
    assert run(["maps", "write", "--study", str(tmp_path), "--period", "2024"]) == 2
    assert run(["maps", "write", str(source), "--overlay", "x.gpkg"]) == 2
    assert run(["maps", "write", str(source), "--earlier", "x.gpkg"]) == 2
    assert not (tmp_path / "out").exists()


def test_a_written_map_can_be_written_again_from_its_own_file(contents, tmp_path):
    write_files(contents, tmp_path / "one", formats=["parquet", "geojson"])
    again = gather_contents(tmp_path / "one" / "detections.parquet")
    write_files(again, tmp_path / "two", formats=["geojson"])
    one, two = (
        json.loads((tmp_path / name / "detections.geojson").read_text()) for name in ("one", "two")
    )
    assert one["features"] == two["features"]


def test_sheets_are_written_for_every_detection_when_asked_for_and_replaced(contents, tmp_path):
    out = tmp_path / "maps"
    write_files(contents, out, formats=["sheets"])
    sheets = sorted(file.name for file in (out / "sheets").iterdir())
    assert len(sheets) == len(contents.detections)
    marker = json.loads((out / "maps.json").read_text(encoding="utf-8"))
    assert {f"sheets/{name}" for name in sheets} <= set(marker["files"])
    write_files(contents, out, formats=["csv"], overwrite=True)
    assert not (out / "sheets").exists()


@pytest.mark.parametrize("language", ["en", "es", "pt"])
def test_page_and_sheets_are_in_the_language_that_is_asked_for(tmp_path, capsys, language):
    source, out = published(tmp_path), tmp_path / "maps"
    words = ["maps", "write", str(source), "--out", str(out), "--period", "2024"]
    words += ["--found-by", "Somebody", "--attribution", "Somebody", "--language", language]
    assert run([*words, "--format", "html", "--format", "sheets"]) == 0
    told = {"en": "Mining in 2024", "es": "Minería en 2024", "pt": "Mineração em 2024"}
    page, sheet = (out / "map.html").read_text(), next((out / "sheets").iterdir()).read_text()
    for text in (page, sheet):
        assert f'<html lang="{language}"' in text
        assert told[language] in text
    assert "Title: Mining in 2024" in (out / "README.txt").read_text()
    assert run([*words, "--overwrite", "--language", "de"]) == 2
    assert "'de' is not one of" in capsys.readouterr().err
