"""The commands of imagery, on the toy archive."""

import json
import re
from pathlib import Path

import pytest
from odc.geo.geobox import GeoBox
from PIL import Image

from minewatch.cli._app import run
from minewatch.imagery._footprints import place_polygon

YEAR = ["--start", "2023-01-01", "--end", "2023-12-31"]


@pytest.fixture
def place(toy_area: GeoBox, toy_archive: Path) -> list[str]:
    """Name the middle of the small archive, and the archive."""
    longitude, latitude = place_polygon(toy_area).centroid.coords[0]
    where = ["--longitude", str(longitude), "--latitude", str(latitude)]
    return [*where, *YEAR, "--catalog", str(toy_archive)]


def test_search_lists_every_scene_as_used_or_with_its_reason(
    place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["imagery", "search", *place, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    used = [scene for scene in found["scenes"] if scene["used"]]
    assert found["n_views"] == len({scene["view"] for scene in used}) == 8
    assert all(scene["reason"] for scene in found["scenes"] if not scene["used"])
    assert {scene["offset_dn"] for scene in used} == {0, -1000}
    assert all(scene["decisions"].startswith("offset") for scene in used)


def test_search_prints_a_line_per_scene(
    place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["imagery", "search", *place, "--max-cloud-percent", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["date", "tile", "sat"]
    assert any("exceeds 0 %" in line for line in lines)
    assert any("views from" in line for line in lines[-3:])
    assert (
        lines[-1] == "The place: 48 × 48 pixels of 10 m, 0.48 × 0.48 km, 2023-01-01 to 2023-12-31"
    )


def test_a_search_that_finds_nothing_says_what_the_folder_holds(
    place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["imagery", "search", *place, "--start", "2019-01-01", "--end", "2019-12-31"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.search(r"No scene .* the source holds \d+ scenes, 202\d-.* longitude −6", last)


def test_a_preview_without_a_pixel_is_refused_and_leaves_no_file(
    place: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "preview.png"
    period = ["--start", "2019-01-01", "--end", "2019-12-31"]
    assert run(["imagery", "preview", str(file), *place, *period]) == 3
    assert "no scene of 2019-01-01 to 2019-12-31 covers the place" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_preview_is_a_png_by_its_name_too(
    place: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["imagery", "preview", str(tmp_path / "place.jpg"), *place]) == 3
    assert "ends .png" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_preview_says_how_many_views_show_something(
    place: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "preview.png"
    assert run(["imagery", "preview", str(file), *place, "--size-px", "60"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"\d of 8 views show something clear; \d to \d clear views a pixel", printed)
    assert "0.6 × 0.6 km" in printed


def test_preview_draws_the_composite_with_its_credit(
    place: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "preview.png"
    assert run(["imagery", "preview", str(file), *place, "--size-px", "60", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["n_scenes"] > 0
    assert result["without_data_share"] == 0
    with Image.open(file) as image:
        assert image.info["Description"].startswith("Imagery: made up, the toy valley")
        assert "Copernicus" not in image.info["Description"]
        assert image.info["Title"].endswith("2023-01-01 to 2023-12-31")


def test_preview_keeps_a_file_that_is_there(
    place: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "preview.png"
    file.write_text("mine")
    assert run(["imagery", "preview", str(file), *place]) == 6
    assert file.read_text() == "mine"
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        (["--start", "2023-02-30"], 3, "start"),
        (["--end", "2022-01-01"], 3, "before it starts"),
        (["--catalog", "nowhere"], 4, "known catalogue"),
        (["--catalog", "earth-engine"], 3, "or run imagery search --catalog earth-search for"),
        (["--bands", "B10"], 3, "B10"),
    ],
)
def test_a_mistake_is_one_clear_line(
    place: list[str],
    changes: list[str],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["imagery", "search", *place, *changes]) == code
    printed = capsys.readouterr().err
    assert words in printed
    assert printed.count("\n") == 1


def test_a_year_and_a_source_are_named_as_for_a_build(
    place: list[str], toy_archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["imagery", "search", *place, "--json"]) == 0
    by_days = capsys.readouterr().out
    where = [*place[:4], "--source", str(toy_archive)]
    assert run(["imagery", "search", *where, "--year", "2023", "--json"]) == 0
    assert capsys.readouterr().out == by_days
    for period in ([], ["--start", "2023-01-01"], [*YEAR, "--year", "2023"]):
        assert run(["imagery", "search", *where, *period]) == 3
        assert "either --year, or --start and --end" in capsys.readouterr().err
