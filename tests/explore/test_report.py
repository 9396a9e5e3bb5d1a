"""The report: one page that needs nothing else, and every number and figure beside it."""

import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xarray as xr
from PIL import Image
from typer.main import get_command

from minewatch import toy
from minewatch._figures import _settle_layout
from minewatch._report._plates import draw_plates
from minewatch._report._tables import (
    TableView,
    join_intervals,
    page_images,
    page_table,
    set_aside_constants,
)
from minewatch.cli import explore as cli_explore
from minewatch.cli._app import run
from minewatch.errors import AlreadyThereError
from minewatch.explore import ExploreSettings, Findings, Section, explore, write_report
from minewatch.explore._captions import nearest, site_map, site_map_alt
from minewatch.explore._figures import PLATES
from minewatch.patches import PatchDataset, write_patches

BANDS = ["B02", "B03", "B04", "B08", "B11", "B12"]


class Page(HTMLParser):
    """What the tests ask of a page: its tags with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def attributes(self, name):
        return [attributes[name] for _, attributes in self.tags if name in attributes]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> PatchDataset:
    valley = toy.Valley(seed=1)
    sites = valley.sites(n_mining=24, n_background=36)
    pixels = valley.pixels(sites, bands=BANDS).to_numpy()
    pixels[2] = 0
    pixels[5] = pixels[6]
    out = tmp_path_factory.mktemp("data") / "valley"
    return write_patches(out, sites, pixels, bands=BANDS, level="L2A", source="toy.Valley(seed=1)")


@pytest.fixture(scope="module")
def findings(dataset) -> Findings:
    return explore(dataset, settings=ExploreSettings(n_thumbnails=4, n_repeats=1))


@pytest.fixture(scope="module")
def folder(findings, tmp_path_factory) -> Path:
    return write_report(findings, tmp_path_factory.mktemp("out") / "report").parent


@pytest.fixture(scope="module")
def page(folder) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def small_findings(**changes) -> Findings:
    """Make findings of two small sections, one of them left out."""
    classes = pd.DataFrame(
        {"class": ["mining", "no mining"], "n_patches": [3, 5], "share": [0.375, 0.625]}
    )
    strange = pd.DataFrame(
        {"auc": [np.nan, np.inf], "count": pd.array([1, pd.NA], dtype="Int64")},
        index=pd.Index(["a/../b", "<script>alert(1)</script>"], name="site_id"),
    )
    tables = {"classes": classes, "strange": strange}
    picture = xr.DataArray(
        np.full((1, 4, 4, 3), 7, np.uint8),
        dims=("site", "y", "x", "rgb"),
        coords={"site": ["<script>alert(1)</script>"]},
    )
    words = {"seen": "Eight patches & <b>no</b> more.", "advice": "Add some."} | changes
    overview = Section("overview", "Overview", tables=tables, images={"odd": picture}, **words)
    space = Section.left_out("space", "Space", why="No coordinates.", advice="Import again.")
    return Findings((overview, space), {"dataset": "a & b", "settings": {"confidence": 0.95}})


def test_the_page_reaches_for_nothing_outside_itself(page):
    for attributes in (*page.all("img"), *page.all("source")):
        assert attributes["src"].startswith("data:image/")
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("iframe")
    assert all(not href.startswith(("http", "//")) for href in page.attributes("href"))
    policy = next(tag for tag in page.all("meta") if "http-equiv" in tag)
    assert policy["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    styles = "".join(page.words)
    assert "url(" not in styles
    assert "@import" not in styles


def test_every_link_leads_somewhere(page, folder):
    ids = page.attributes("id")
    assert len(set(ids)) == len(ids)
    for href in page.attributes("href"):
        if href.startswith("#"):
            assert href[1:] in ids
        else:
            assert (folder / href).is_file()


def test_the_page_can_be_read_without_seeing_it(page):
    assert page.all("html") == [{"lang": "en"}]
    assert all(attributes["alt"].strip() for attributes in page.all("img"))
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.all(landmark)) == 1
    levels = [int(name[1]) for name, _ in page.tags if re.fullmatch("h[1-6]", name)]
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    for scrolling in (tag for tag in page.all("div") if "tabindex" in tag):
        assert "aria-label" in scrolling or scrolling["aria-labelledby"] in page.attributes("id")


def test_every_section_says_what_is_seen_and_what_to_do(page, findings):
    text = "".join(page.words)
    for section in findings.sections:
        assert section.seen in text
        assert section.advice in text


def test_every_table_is_saved_twice_with_what_made_it(findings, folder):
    for section in findings.sections:
        for name, table in section.tables.items():
            stem = folder / "tables" / f"{section.key}-{name}"
            parquet = pq.read_table(f"{stem}.parquet")
            made = json.loads(parquet.schema.metadata[b"minewatch"])
            assert made["header"]["dataset_digest"] == findings.header["dataset_digest"]
            assert made["header"]["settings"]["n_thumbnails"] == 4
            assert parquet.num_rows == len(table)
            if parquet.num_columns:
                columns = pd.read_csv(f"{stem}.csv", nrows=0).columns
                assert list(columns) == parquet.column_names


def test_numbers_come_back_from_csv_as_they_were(findings, folder):
    read = pd.read_csv(folder / "tables" / "separability-ranking.csv")
    pd.testing.assert_frame_equal(
        read, findings["separability"].tables["ranking"], check_dtype=False
    )


def test_every_figure_is_saved_as_png_and_svg_with_what_made_it(findings, folder):
    stems = {path.stem for path in (folder / "figures").iterdir()}
    assert "space-leakage-audit" in stems
    assert "gallery-true-colour" in stems
    assert "gallery-false-colour" in stems
    assert len(stems) >= 16
    digest = findings.header["dataset_digest"]
    for stem in stems:
        with Image.open(folder / "figures" / f"{stem}.png") as image:
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
            assert json.loads(image.info["Source"])["header"]["dataset_digest"] == digest
        assert digest in (folder / "figures" / f"{stem}.svg").read_text(encoding="utf-8")


def test_every_figure_of_the_page_has_a_number_a_caption_and_links_to_its_files(page, folder):
    captions = page.all("figcaption")
    assert len(captions) == len(page.all("figure")) >= 13
    linked = {href for href in page.attributes("href") if href.startswith("figures/")}
    saved = {f"figures/{path.name}" for path in (folder / "figures").iterdir()}
    assert linked == saved


def test_no_figure_is_cut_at_its_edge(findings):
    for section in findings.sections:
        for drawn in draw_plates(section, PLATES.get(section.key, ()), confidence=0.95):
            width_in, height_in = drawn.figure.get_size_inches()
            _settle_layout(drawn.figure)
            box = drawn.figure.get_tightbbox()
            assert box.x0 > -0.02, drawn.plate.name
            assert box.y0 > -0.02, drawn.plate.name
            assert box.x1 < width_in + 0.02, drawn.plate.name
            assert box.y1 < height_in + 0.02, drawn.plate.name


def test_findings_json_holds_every_section_and_no_nan(findings, folder):
    def refuse(word):
        raise AssertionError(word)

    text = (folder / "findings.json").read_text(encoding="utf-8")
    saved = json.loads(text, parse_constant=refuse)
    assert [section["key"] for section in saved["sections"]] == list(findings.keys())
    assert saved["header"]["bands"] == BANDS
    for section in saved["sections"]:
        for table in section["tables"].values():
            assert (folder / table["csv"]).is_file()
            assert ("rows" in table) == (table["n_rows"] <= 60)
        assert all((folder / f"{stem}.png").is_file() for stem in section["figures"])


def test_the_manifest_gives_the_digest_of_every_other_file(folder):
    files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(files) == there - {"manifest.json"}
    for name, said in files.items():
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert said["digest"] == f"sha256:{digest}"


def test_the_same_findings_give_the_same_bytes(tmp_path):
    first, second = (write_report(small_findings(), tmp_path / name).parent for name in "ab")
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(names) >= 10
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_words_from_outside_stay_words(tmp_path):
    page = write_report(small_findings(), tmp_path / "report")
    text = page.read_text(encoding="utf-8")
    assert "Eight patches &amp; &lt;b&gt;no&lt;/b&gt; more." in text
    assert not Page(text).all("script")


def test_a_section_left_out_says_why(tmp_path):
    text = write_report(small_findings(), tmp_path / "report").read_text(encoding="utf-8")
    assert "<b>Left out.</b> No coordinates." in text
    assert "<b>What to do.</b> Import again." in text


def test_what_is_not_a_number_becomes_null_in_json(tmp_path):
    folder = write_report(small_findings(), tmp_path / "report").parent
    saved = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    rows = saved["sections"][0]["tables"]["strange"]["rows"]
    assert [row["auc"] for row in rows] == [None, None]
    assert [row["count"] for row in rows] == [1, None]


def test_a_report_is_not_overwritten_unasked(tmp_path):
    out = tmp_path / "report"
    write_report(small_findings(), out)
    with pytest.raises(AlreadyThereError):
        write_report(small_findings(seen="Other."), out)
    assert "Eight patches" in (out / "report.html").read_text(encoding="utf-8")
    write_report(small_findings(seen="Other."), out, overwrite=True)
    assert "Other." in (out / "report.html").read_text(encoding="utf-8")


def test_a_report_that_was_stopped_leaves_nothing_behind(tmp_path):
    def stop(_step, done, _total, /):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(small_findings(), tmp_path / "report", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_progress_runs_from_nothing_to_all(tmp_path):
    told = []
    write_report(
        small_findings(),
        tmp_path / "report",
        progress=lambda _, done, total: told.append((done, total)),
    )
    assert told[0] == (0, 3)
    assert told[-1] == (3, 3)
    assert told == sorted(told)


def test_an_interval_that_is_not_known_leaves_the_number_alone():
    table = pd.DataFrame({"auc": [0.7, np.nan], "auc_low": np.nan, "auc_high": np.nan})
    assert join_intervals(table)["auc"].tolist() == ["0.70", "–"]


def test_counts_that_differ_are_not_set_aside():
    table = pd.DataFrame({"n_sites": [3, 3, 4], "n_folds": [5, 5, 5]})
    rest, alike = set_aside_constants(table)
    assert list(rest.columns) == ["n_sites"]
    assert alike == {"n_folds": 5}


def test_the_command_writes_a_report_and_prints_what_is_seen(tmp_path, capsys):
    valley = toy.Valley(seed=1)
    sites, bands = valley.sites(n_mining=1, n_background=1), ["B02", "B03", "B04"]
    pixels = valley.pixels(sites, bands=bands)
    write_patches(tmp_path / "patches", sites, pixels, bands=bands, level="L2A", source="toy")
    arguments = ["explore", "report", "--study", str(tmp_path), "--out", str(tmp_path / "report")]
    assert run([*arguments, "--thumbnails", "2", "--folds", "3"]) == 0
    printed = capsys.readouterr().out
    assert "Overview: 2 patches" in printed
    assert str(tmp_path / "report" / "report.html") in printed
    header = json.loads((tmp_path / "report" / "findings.json").read_text())["header"]
    assert header["settings"]["n_folds"] == 3
    assert header["settings"]["n_thumbnails"] == 2


def test_the_command_refuses_before_it_works(dataset, tmp_path, capsys):
    out = tmp_path / "report"
    out.mkdir()
    (out / "mine.txt").write_text("keep me")
    assert run(["explore", "report", str(dataset.path), "--out", str(out)]) == 6
    assert run(["explore", "report", str(tmp_path / "nothing"), "--out", str(tmp_path / "o")]) == 4
    wrong = ["explore", "report", str(dataset.path), "--out", str(tmp_path / "o"), "--folds", "1"]
    assert run(wrong) == 3
    assert "n_folds is 1" in capsys.readouterr().err
    assert (out / "mine.txt").read_text() == "keep me"


def test_the_documented_options_exist():
    text = (Path(__file__).parents[2] / "docs" / "explore.md").read_text(encoding="utf-8")
    report = get_command(cli_explore.app).commands["report"]
    known = {name for parameter in report.params for name in parameter.opts}
    named = set(re.findall(r"--[a-z][a-z-]+", text))
    assert "--block-km" in named
    assert named <= known


def test_coordinates_are_longitude_then_latitude_with_their_letters():
    table = pd.DataFrame(
        {"class": ["mining"], "longitude": [-63.52312], "latitude": [6.57161]},
        index=pd.Index(["a"], name="site_id"),
    )
    pixels = xr.DataArray(
        np.zeros((1, 4, 4, 3), dtype=np.uint8),
        dims=("site", "y", "x", "rgb"),
        coords={"site": ["a"]},
    )
    section = Section("integrity", "Integrity", seen="", advice="", tables={"saturated": table})
    shown = page_images("saturated", pixels, section)["thumbs"][0]["lines"]
    assert shown == ["mining", "63.5231° W, 6.5716° N"]
    cells = page_table(section, "saturated", TableView())["rows"][0]
    assert [cell["text"] for cell in cells] == ["a", "mining", "63.5231° W", "6.5716° N"]
    sites = table.assign(place=1)
    assert "63.5231° W to 63.5231° W, 6.5716° N to 6.5716° N" in site_map_alt(sites)


def test_a_doubted_label_stands_beside_the_models_probability():
    table = pd.DataFrame({"site_id": ["a"], "label": ["mining"], "probability": [0.064]})
    pixels = xr.DataArray(
        np.zeros((1, 4, 4, 3), dtype=np.uint8),
        dims=("site", "y", "x", "rgb"),
        coords={"site": ["a"]},
    )
    section = Section("labels", "Labels", seen="", advice="", tables={"doubts": table})
    shown = page_images("doubts", pixels, section)["thumbs"][0]["lines"]
    assert shown == ["label mining, model 0.06"]


def test_an_unplaced_patch_is_shown_without_coordinates():
    table = pd.DataFrame({"longitude": [np.nan], "latitude": [np.nan]}, index=["a"])
    section = Section("integrity", "Integrity", seen="", advice="", tables={"saturated": table})
    cells = page_table(section, "saturated", TableView())["rows"][0]
    assert [cell["text"] for cell in cells] == ["–", "–"]


@pytest.mark.parametrize(
    ("title", "heading"),
    [
        ("Mines of Bolívar", "Mines of Bolívar"),
        ("", "Exploration of a &amp; b"),
        (" ", "Exploration"),
    ],
)
def test_the_heading_is_the_title_that_was_asked_for(title, heading, tmp_path):
    settings = ExploreSettings(title=title).model_dump(mode="json")
    findings = small_findings()
    findings = Findings(findings.sections, {**findings.header, "settings": settings})
    page = write_report(findings, tmp_path / "report").read_text(encoding="utf-8")
    assert f"<h1>{heading}" in page
    assert f"<title>{heading}" in page


def test_one_site_in_one_place_is_told_in_the_singular():
    assert site_map(pd.DataFrame({"place": [1]})).startswith("1 site, longitude")
    assert "It lies in 1 independent place." in site_map(pd.DataFrame({"place": [1]}))
    near = pd.DataFrame({"n_sites": [1], "share": [0.5], "distance_m": [480.0]})
    assert ") has another within the side of a patch" in nearest(pd.DataFrame(), near)


def test_no_prose_has_straight_apostrophes(page):
    prose = [text for text in page.words if re.search(r"[a-z]'[a-z ]", text)]
    assert [text for text in prose if "{" not in text] == []
