"""The page's file: what is in it, what is not, and what it may load."""

import base64
import gzip
import hashlib
import importlib.util
import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from minewatch.errors import AlreadyThereError, InputError, SettingsError
from minewatch.maps import write_map
from minewatch.maps._page import PageSettings
from minewatch.maps._page_basemaps import BASEMAPS, Basemap
from minewatch.maps._page_columns import encode_columns
from minewatch.maps._page_html import SCRIPTS, page_file, strings
from minewatch.maps._page_payload import all_periods
from minewatch.maps._page_shapes import encode_areas, encode_lines

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_page_maker", Path(__file__).with_name("page_maker.py")
)
page_maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(page_maker)


@pytest.fixture(scope="module")
def contents():
    return page_maker.make_contents()


@pytest.fixture(scope="module")
def page(contents, tmp_path_factory):
    return write_map(contents, tmp_path_factory.mktemp("page") / "map.html")


@pytest.fixture(scope="module")
def text(page):
    return page.read_text(encoding="utf-8")


def unpacked(text, name="payload"):
    """Read what a page holds packed."""
    found = re.search(rf'id="packed-{name}">([^<]*)<', text)
    return gzip.decompress(base64.b64decode(found[1])).decode("utf-8")


def payload_of(contents, folder):
    page = write_map(contents, folder / "page.html", overwrite=True)
    return json.loads(unpacked(page.read_text(encoding="utf-8")))


def decoded(packed):
    """Undo `encode_areas`, by another way than the page does."""
    points = np.cumsum(np.column_stack([packed["x"], packed["y"]]), axis=0) / 1e5
    rings = np.split(points, np.cumsum(packed["rings"])[:-1])
    polygons, at = [], 0
    for n in packed["polygons"]:
        polygons.append(shapely.Polygon(rings[at], rings[at + 1 : at + n]))
        at += n
    ends = np.cumsum([0, *packed["shapes"]])
    return [shapely.MultiPolygon(polygons[a:b]) for a, b in itertools.pairwise(ends)]


def test_same_contents_give_the_same_bytes(contents, page, tmp_path):
    again = write_map(contents, tmp_path / "again.html")
    assert again.read_bytes() == page.read_bytes()


def test_nothing_in_the_page_is_loaded_from_elsewhere(text):
    shown = re.sub(r'<script type="(application/octet-stream|text/plain)".*?</script>', "", text)
    loaded = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]+)""", shown.split("<script")[0])
    assert [one for one in loaded if not one.startswith("#")] == []
    assert "@import" not in text


def test_policy_names_the_script_and_the_style_and_only_the_basemaps(text):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    policy = policy.replace("&#39;", "'")
    script = re.search(r'<script type="module">(.*?)</script>', text, re.DOTALL)[1]
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    for words in (script, style):
        digest = base64.b64encode(hashlib.sha256(words.encode("utf-8")).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    hosts = set(re.findall(r"https?://[^\s;]+", policy))
    assert hosts == {one.origin for one in BASEMAPS}


def test_without_basemaps_the_page_may_reach_no_host(contents, tmp_path):
    page = write_map(contents, tmp_path / "map.html", settings=PageSettings(basemaps=()))
    policy = re.search(r'Policy" content="([^"]*)"', page.read_text(encoding="utf-8"))[1]
    assert "http" not in policy


def test_words_from_outside_are_nowhere_in_the_markup(contents, tmp_path):
    evil = replace(contents, title=page_maker.EVIL, attribution=(page_maker.EVIL,))
    text = write_map(evil, tmp_path / "map.html").read_text(encoding="utf-8")
    assert "<img" not in text
    assert text.count("</script>") == text.count("<script ")
    assert page_maker.EVIL in json.loads(unpacked(text))["title"]


def test_page_names_attribution_period_threshold_and_detector(contents, tmp_path):
    held = payload_of(contents, tmp_path)
    assert page_maker.CREDIT in held["attribution"]
    assert [one["name"] for one in held["periods"]] == ["2023", "2024"]
    assert (held["threshold"], held["detector"]) == (0.5, "trees")
    assert held["layers"]["features"]["attribution"].startswith("© OpenStreetMap")


def test_page_holds_the_library_with_its_licence(text):
    assert "MapLibre GL JS" in unpacked(text, "library")[:100]
    assert "Redistribution and use in source and binary forms" in text


def test_shapes_come_back_to_half_a_metre(contents, tmp_path):
    held = payload_of(contents, tmp_path)
    found = decoded(held["shapes"])
    given = contents.detections.geometry.to_numpy()
    n = len(given)
    assert len(found) == n + n // 2
    apart = shapely.hausdorff_distance(np.array(found[:n]), given)
    assert apart.max() < 0.8e-5


def test_holes_and_parts_come_back():
    ring = shapely.Point(0, 0).buffer(0.01).difference(shapely.Point(0, 0).buffer(0.004))
    parts = shapely.MultiPolygon([ring, shapely.box(1, 1, 1.1, 1.1)])
    found = decoded(encode_areas(np.array([parts, shapely.MultiPolygon(), ring])))
    assert [len(one.geoms) for one in found] == [2, 0, 1]
    assert found[0].area == pytest.approx(parts.area, rel=1e-2)


def test_an_empty_map_is_a_page_too(contents, tmp_path):
    none = replace(
        contents, detections=contents.detections.iloc[:0], earlier={}, outlines=None, region=None
    )
    held = payload_of(none, tmp_path)
    assert (held["ids"], held["bounds"]) == ([], None)


def test_first_period_is_that_of_the_earliest_detection_met(contents):
    table = all_periods(contents, contents.periods)
    n = len(contents.detections)
    newest = table[table["period"] == 1]
    assert newest["first"].tolist() == [0] * (n // 2) + [1] * (n - n // 2)
    assert (table[table["period"] == 0]["first"] == 0).all()


def test_what_nobody_said_of_not_seen_ground_is_not_none_of_it(contents, tmp_path):
    unsaid = payload_of(replace(contents, not_seen=None), tmp_path)
    seen = payload_of(replace(contents, not_seen=contents.not_seen.iloc[:0]), tmp_path)
    assert unsaid["layers"]["not_seen"] is None
    assert seen["layers"]["not_seen"]["names"] == []


def test_distances_that_are_not_known_stay_unknown(contents, tmp_path):
    road = payload_of(contents, tmp_path)["columns"]["numbers"]["road_m"]
    assert road[0] is None
    assert road[1] == 120


def test_columns_that_nobody_knows_are_shown_too():
    table = page_maker.make_table(2).assign(source=["a", None], weight=[1.25, np.nan])
    columns = encode_columns(table.drop(columns="geometry"), ())
    assert columns["others"] == ["source", "weight"]
    assert columns["words"]["source"] == {"values": ["a"], "codes": [0, -1]}
    assert columns["numbers"]["weight"] == [1.25, None]


def test_map_features_far_away_are_left_out(contents, tmp_path):
    features = payload_of(contents, tmp_path)["layers"]["features"]
    assert features["points"]["names"] == [page_maker.EVIL]
    assert features["lines"]["names"] == ["Río Claro"]


def test_lines_are_told_from_the_one_before():
    lines = np.array([shapely.MultiLineString([[(1, 1), (1, 2)], [(3, 3), (3, 3.5)]])])
    packed = encode_lines(lines)
    assert (packed["lines"], packed["shapes"]) == ([2, 2], [2])
    assert np.cumsum(packed["y"]).tolist() == [100_000, 200_000, 300_000, 350_000]


def test_thumbnails_are_those_of_the_largest(contents, tmp_path):
    page = write_map(
        replace(contents, earlier={}, outlines=None),
        tmp_path / "map.html",
        settings=PageSettings(thumbnails=2),
    )
    held = json.loads(unpacked(page.read_text(encoding="utf-8")))
    areas = contents.detections["area_ha"].to_numpy()
    largest = set(np.argsort(-areas, kind="stable")[:2].tolist())
    assert {int(row) for row in held["thumbnails"]} == largest


def test_every_word_is_there_in_every_language_with_the_same_gaps():
    by_language = strings()
    for key, english in by_language["en"].items():
        gaps = set(re.findall(r"\{(\w+)\}", english))
        for language in ("es", "pt"):
            assert by_language[language][key].strip(), (language, key)
            assert set(re.findall(r"\{(\w+)\}", by_language[language][key])) == gaps, key


def test_every_word_that_the_script_asks_for_is_there():
    script = "".join(page_file(f"js/{name}.js") for name in SCRIPTS)
    template = page_file("page.html.j2")
    asked = set(re.findall(r'\bsay\(\s*"([^"]+)"', script))
    asked |= set(re.findall(r'data-t="([^"]+)"', template))
    asked |= set(re.findall(r'\? "([a-z_.]+)" : "([a-z_.]+)"\)', script)[0])
    assert asked - set(strings()["en"]) == set()


NAMED = r"(?:async )?(?:function|const|let) (\w+)"
TAKEN = r'^import \{([^}]*)\} from "\./(\w+)\.js";$'
NO_CODE = r"(?ms)^import [^;]*;$|^\s*//[^\n]*$|/\*.*?\*/"


def names_in(pattern, text):
    return re.findall(pattern, text, re.MULTILINE)


def test_modules_name_all_that_they_take_from_others_and_no_more():
    texts = {name: page_file(f"js/{name}.js") for name in SCRIPTS}
    own = {name: names_in(rf"^(?:export )?{NAMED}", text) for name, text in texts.items()}
    given = {one: name for name in texts for one in names_in(rf"^export {NAMED}", texts[name])}
    every = [one for names in own.values() for one in names]
    assert len(every) == len(set(every))  # they share one scope on the page
    for number, (name, text) in enumerate(texts.items()):
        taken = {
            one: source
            for names, source in names_in(TAKEN, text)
            for one in re.findall(r"\w+", names)
        }
        code = re.sub(NO_CODE, "", text)
        called = {one for one in given if re.search(rf"(?<![.\w-]){one}\(", code)}
        assert taken == {one: given[one] for one in taken}, name
        assert [one for one in taken if not re.search(rf"\b{one}\b", code)] == [], name
        assert called <= {*taken, *own[name]}, name
        assert set(taken.values()) <= set(SCRIPTS[:number]), name


def test_scripts_never_write_markup():
    for name in SCRIPTS:
        script = page_file(f"js/{name}.js")
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in script, (name, way)


def test_page_is_refused_where_one_is_already(contents, page):
    with pytest.raises(AlreadyThereError, match="exists already"):
        write_map(contents, page)


def test_page_needs_the_name_of_a_page(contents, tmp_path):
    with pytest.raises(InputError, match=r"\.html"):
        write_map(contents, tmp_path / "map.txt")


def test_detections_alone_have_to_say_period_and_attribution(tmp_path):
    table = page_maker.make_table(3).drop(columns=["start", "end"])
    with pytest.raises(InputError, match="period"):
        write_map(table, tmp_path / "map.html")
    page = write_map(table, tmp_path / "map.html", period="2024", attribution=["made up"])
    held = json.loads(unpacked(page.read_text(encoding="utf-8")))
    assert held["attribution"] == ["made up"]


@pytest.mark.parametrize(
    "url",
    [
        "http://tiles.example.org/{z}/{x}/{y}.png",
        "https://a.org; script-src *//{z}/{x}/{y}",
        "https://tiles.example.org/{z}/{x}.png",
        "https:///{z}/{x}/{y}",
    ],
)
def test_basemaps_that_could_widen_the_policy_are_refused(url):
    with pytest.raises(SettingsError, match="url"):
        Basemap(name="x", url=url, attribution="x")


@pytest.mark.real
def test_published_polygons_become_a_page(shared_data, tmp_path):
    file = shared_data / "amw" / "outputs" / "mining_202400_simplified.geojson"
    given = gpd.read_file(file)
    page = write_map(
        given, tmp_path / "map.html", period="2024", attribution=["Amazon Mining Watch"]
    )
    held = json.loads(unpacked(page.read_text(encoding="utf-8")))
    assert len(held["ids"]) == len(given)
    assert sum(held["columns"]["numbers"]["area_ha"]) > 100_000
    assert page.stat().st_size < 3_000_000
