"""Evidence sheets: one page of paper for one detection, with all that it rests on."""

import html
import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest

from minewatch.errors import AlreadyThereError, InputError
from minewatch.maps._page_html import strings
from minewatch.maps._sheet import write_sheets
from minewatch.maps._sheet_words import Words

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_page_maker", Path(__file__).with_name("page_maker.py")
)
page_maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(page_maker)


@pytest.fixture(scope="module")
def contents():
    return page_maker.make_contents(12)


@pytest.fixture(scope="module")
def sheet(contents, tmp_path_factory):
    name = contents.detections.index[0]
    return write_sheets(contents, tmp_path_factory.mktemp("sheets"), detection_ids=[name])[0]


def words_in(sheet):
    return html.unescape(re.sub(r"<[^>]+>", " ", sheet.read_text(encoding="utf-8")))


def test_sheet_says_what_is_known_and_how_sure(sheet, contents):
    said = words_in(sheet)
    row = contents.detections.iloc[0]
    assert row.name in said
    assert f"{row.latitude:.5f}, {row.longitude:.5f}" in said
    assert "from 10.0\u202fha to 11.5\u202fha" in said
    assert "Sensitivity: 81\u202f% (90\u202f% interval: 70\u202f% to 90\u202f%)" in said
    assert "none mapped near" in said
    assert "settlement: El Yagrumo, 1.3\u202fkm" in said
    assert page_maker.CREDIT in said
    assert "© OpenStreetMap contributors" in said
    assert "that is never “no mining”" in said


def test_sheet_gives_the_estimate_of_all_ground_and_not_of_its_detection(contents, tmp_path):
    area = page_maker.make_area(unit_m=float("nan"), is_ground=False)
    known = replace(contents, area=area)
    said = words_in(write_sheets(known, tmp_path, n_most=1, language="pt")[0])
    assert "190\u202fha de quadrados em que há mineração (intervalo de 95\u202f%: 150" in said
    assert "77 quadrados, cada um julgado por pessoas e não pelo detector" in said
    assert "nada diz de uma só detecção" in said


def test_sheet_shows_both_periods_in_both_kinds(sheet):
    text = sheet.read_text(encoding="utf-8")
    assert text.count("data:image/webp") == 4
    assert re.findall(r"<figcaption>(\d{4})", text) == ["2023", "2023", "2024", "2024"]


def test_ground_is_drawn_only_over_the_period_that_it_was_outlined_in(sheet):
    assert sheet.read_text(encoding="utf-8").count('class="ground"') == 2


def test_sheet_holds_no_script_and_loads_nothing(sheet):
    text = sheet.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "://" not in re.sub(r"data:[^\"]*", "", text)
    assert "default-src &#39;none&#39;" in text


def test_words_from_outside_are_escaped(contents, tmp_path):
    evil = replace(contents, title=page_maker.EVIL, detector=page_maker.EVIL)
    sheet = write_sheets(evil, tmp_path, n_most=1)[0]
    assert "<img src=x" not in sheet.read_text(encoding="utf-8")
    assert page_maker.EVIL in words_in(sheet)


def test_largest_are_written_where_nobody_says_whose(contents, tmp_path):
    sheets = write_sheets(contents, tmp_path, n_most=3)
    largest = contents.detections["area_ha"].sort_values(ascending=False, kind="stable").index[:3]
    assert [sheet.stem for sheet in sheets] == list(largest)


def test_names_that_would_leave_the_folder_stay_in_it(contents, tmp_path):
    table = contents.detections.iloc[:1].copy()
    table.index = table.index.map(lambda _: "../../out")
    sheets = write_sheets(replace(contents, detections=table, outlines=None), tmp_path / "sheets")
    assert [sheet.parent for sheet in sheets] == [tmp_path / "sheets"]


def test_no_sheet_is_written_where_one_is_there(contents, tmp_path):
    names = list(contents.detections.index[:2])
    write_sheets(contents, tmp_path, detection_ids=names[1:])
    with pytest.raises(AlreadyThereError, match="exists already"):
        write_sheets(contents, tmp_path, detection_ids=names)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_detection_that_is_not_there_is_named(contents, tmp_path):
    with pytest.raises(InputError, match="no detection 'nowhere'"):
        write_sheets(contents, tmp_path, detection_ids=["nowhere"])


def test_a_map_without_images_or_card_says_so(contents, tmp_path):
    bare = replace(contents, composites=(), card=None, not_seen=None, region=None)
    said = words_in(write_sheets(bare, tmp_path, n_most=1)[0])
    assert "No images came" in said
    assert "no card came" in said
    assert "Nobody said what ground was not seen" in said


@pytest.mark.parametrize(
    ("language", "number", "day"),
    [("en", "12,345.7", "4 Jan 2024"), ("es", "12\u202f345,7", "4 ene 2024"),
     ("pt", "12.345,7", "4 jan. 2024")],
)  # fmt: skip
def test_numbers_and_dates_are_those_of_the_language(language, number, day):
    words = Words(strings()[language], language)
    assert words.number(12_345.67, 1) == number
    assert words.day("2024-01-04") == day


def test_half_a_percent_is_rounded_as_on_the_page():
    assert Words({}, "en").percent(0.925) == "93\u202f%"


@pytest.mark.parametrize(
    ("share", "said"),
    [(1.0, "100"), (0.9999, "99.9"), (0.996, "99.6"), (0.99, "99"), (0.98, "98"),
     (0.01, "1"), (0.004, "0.4"), (0.00001, "0.1"), (0.0, "0")],
)  # fmt: skip
def test_what_is_not_all_is_never_written_as_all(share, said):
    assert Words({}, "en").percent(share) == f"{said}\u202f%"


def test_figures_of_different_samples_each_name_their_own(contents, tmp_path):
    first, second = contents.card.metrics
    metrics = (first, second.model_copy(update={"on": "80 other patches"}))
    card = contents.card.model_copy(update={"metrics": metrics})
    said = words_in(write_sheets(replace(contents, card=card), tmp_path, n_most=1)[0])
    assert re.search(r"Sensitivity: [^.]*300 held-out patches;", said)
    assert re.search(r"Specificity: [^.]*80 other patches;", said)
