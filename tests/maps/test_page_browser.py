"""The page in a real browser: it loads, asks nothing of the network, and does what it says."""

import importlib.util
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from minewatch.maps import write_map, write_sheets
from minewatch.maps._known import words_of_area
from minewatch.maps._page import PageSettings

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install it")

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_page_maker", Path(__file__).with_name("page_maker.py")
)
page_maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(page_maker)

N = 300
DRAWN_BY_SOFTWARE = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
WITHOUT_WEBGL = ("--no-sandbox", "--disable-gpu", "--disable-3d-apis")


def find_chromium():
    named = os.environ.get("MINEWATCH_CHROMIUM")
    found = named or shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("needs Chromium: install it, or set MINEWATCH_CHROMIUM to where it lies")
    return found


@pytest.fixture(scope="module")
def contents():
    return page_maker.make_contents(N)


@pytest.fixture(scope="module")
def address(contents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return write_map(contents, folder / "map.html", settings=PageSettings(thumbnails=2)).as_uri()


@pytest.fixture(scope="module")
def driver():
    with playwright.sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def drawing(driver):
    """Give a browser that draws maps, in software, which is slow."""
    started = driver.chromium.launch(executable_path=find_chromium(), args=DRAWN_BY_SOFTWARE)
    yield started
    started.close()


@pytest.fixture(scope="module")
def browser(driver):
    """Give a browser that draws no maps, for all that needs none."""
    started = driver.chromium.launch(executable_path=find_chromium(), args=WITHOUT_WEBGL)
    yield started
    started.close()


class Watched:
    """A page, with all that it said and asked for."""

    def __init__(self, browser, address, **options):
        options = {"locale": "en-GB", "viewport": {"width": 1000, "height": 640}, **options}
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.faults, self.asked = [], []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)
        self.page.wait_for_selector("body[data-ready]", timeout=60_000)

    def _heard(self, message):
        if message.type in {"error", "warning"} and "GPU stall" not in message.text:
            self.faults.append(message.text)

    def outside(self):
        return [url for url in self.asked if not re.match(r"(file|blob|data):", url)]

    def number(self, selector):
        return float(re.sub(r"[^\d.]", "", self.page.inner_text(selector)))


@pytest.fixture
def opened(browser, address):
    watched = []

    def opening(where=address, **options):
        watched.append(Watched(browser, where, **options))
        return watched[-1]

    yield opening
    for one in watched:
        one.context.close()


@pytest.fixture(scope="module")
def atlas(drawing, address):
    """Give one page whose map is drawn."""
    watched = Watched(drawing, address)
    yield watched
    watched.context.close()


@pytest.fixture(scope="module")
def desk(browser, address):
    """Give one page for tests that leave it as it was."""
    watched = Watched(browser, address)
    yield watched
    watched.context.close()


def test_page_opens_without_a_fault_and_asks_nothing_of_the_network(atlas):
    page = atlas.page
    page.check("#compare")
    page.click("#list .row >> nth=0")
    page.select_option("#language", "pt")
    assert page.get_attribute(".maplibregl-ctrl-zoom-in", "title") == "Aproximar"
    page.select_option("#language", "en")
    page.uncheck("#compare")
    page.keyboard.press("Escape")
    assert page.get_attribute("body", "data-ready") == "yes"
    assert page.locator(".maplibregl-canvas").count() == 2
    assert atlas.faults == []
    assert atlas.outside() == []


def test_bar_between_periods_moves_by_keyboard_and_by_hand(atlas):
    page = atlas.page
    page.check("#compare")
    bar = page.locator("#swipe")
    bar.focus()
    page.keyboard.press("ArrowLeft")
    assert bar.get_attribute("aria-valuenow") == "45"
    box = bar.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 200, box["y"] + 300)
    page.mouse.up()
    assert int(bar.get_attribute("aria-valuenow")) > 60
    assert page.inner_text("#swipe .before") == "2023"
    clip = page.evaluate("document.getElementById('map-after').style.clipPath")
    assert re.search(r"\d+(\.\d+)?px\)", clip)
    page.uncheck("#compare")


def test_clicking_the_map_chooses_the_detection_there(atlas):
    page = atlas.page
    page.fill("#go-text", "5.503, -62.897")
    page.press("#go-text", "Enter")
    box = page.locator("#map").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(50):  # until the map has drawn what is there
        page.mouse.click(*middle)
        if page.is_visible("#card"):
            break
        page.wait_for_timeout(200)
    assert page.inner_text("#card h2") == "N05.00000W062.00000"


def test_only_a_chosen_basemap_is_asked_for_and_is_named(atlas):
    page = atlas.page
    page.route("https://**", lambda route: route.abort())
    page.click("#layers-box summary")
    with page.expect_event("requestfailed"):
        page.select_option("#basemap", label="OpenTopoMap")
    hosts = {re.match(r"https://[^/]+", url)[0] for url in atlas.outside()}
    assert hosts == {"https://a.tile.opentopomap.org"}
    assert "OpenTopoMap" in page.inner_text("#map-credit")
    page.select_option("#basemap", "-1")
    page.click("#layers-box summary")


def test_legend_names_all_that_is_drawn(atlas):
    page = atlas.page
    page.click("#layers-box summary")
    page.check("[data-group=sites]")
    legend = page.inner_text("#legend-body")
    drawn = ("outlined ground", "not seen", "border", "park", "river", "settlement",
             "labelled place: mining", "labelled place: no mining")  # fmt: skip
    assert [name for name in drawn if name not in legend] == []
    page.uncheck("[data-group=map_features]")
    page.uncheck("[data-group=sites]")
    legend = page.inner_text("#legend-body")
    assert [name for name in ("river", "labelled place") if name in legend] == []
    page.check("[data-group=map_features]")
    page.fill("#period", "0")
    assert "not seen" not in page.inner_text("#legend-body")
    page.fill("#period", "1")
    page.click("#layers-box summary")


def test_layers_never_lie_over_the_legend(atlas):
    page = atlas.page
    page.click("#layers-box summary")
    page.fill("#go-text", "here")
    page.press("#go-text", "Enter")
    said, layers, legend = (
        page.locator(name).bounding_box() for name in ("#go-said", "#layers-box", "#legend")
    )
    assert said["y"] + said["height"] <= layers["y"]
    assert layers["y"] + layers["height"] <= legend["y"]
    assert legend["height"] > 30
    page.click("#layers-box summary")


def test_legend_of_a_phone_is_closed_at_first_and_leaves_the_map_to_see(drawing, address):
    phone = Watched(drawing, address, viewport={"width": 390, "height": 844})
    page = phone.page
    assert page.is_hidden("#legend-body")
    page.click("#legend summary")
    legend, whole = (page.locator(name).bounding_box() for name in ("#legend", "#maps"))
    assert legend["height"] <= whole["height"] / 4
    phone.context.close()


def test_without_webgl_all_but_the_map_is_there(opened):
    shown = opened()
    assert "cannot draw maps" in shown.page.inner_text("#no-map")
    assert shown.number("#total-n") == N
    shown.page.click("#list .row >> nth=0")
    assert shown.page.locator("#card dt").count() > 5
    shown.page.fill("#go-text", "5.600, -62.670")
    shown.page.press("#go-text", "Enter")
    assert "not seen" in shown.page.inner_text("#go-said")
    assert shown.faults == []


def test_totals_are_those_of_the_table(desk, contents):
    assert desk.number("#total-n") == N
    assert desk.number("#total-ha") == round(contents.detections["area_ha"].sum())
    assert desk.number("#total-ground") == 10 * N


def test_totals_follow_the_filter(opened, contents):
    shown = opened()
    shown.page.click("#filters-box summary >> nth=0")
    shown.page.fill("#filter-score", "0.8")
    kept = contents.detections[contents.detections["score_mean"] >= 0.8]
    assert shown.number("#total-n") == len(kept)
    assert shown.number("#total-ha") == pytest.approx(kept["area_ha"].sum(), abs=0.5)
    shown.page.fill("#filter-text", kept.index[3])
    assert shown.number("#total-n") == 1
    shown.page.click(".clear")
    assert shown.number("#total-n") == N


def test_detections_are_found_by_the_settlement_beside_them(opened, contents):
    shown = opened()
    page = shown.page
    page.click("#filters-box summary >> nth=0")
    page.fill("#filter-text", "yagrumo")
    assert shown.number("#total-n") == N // 5
    assert "1.3\u202fkm from El Yagrumo" in page.locator("#list .row .about").first.inner_text()
    page.click("#list .row >> nth=0")
    assert "settlement: El Yagrumo, 1.3\u202fkm" in page.inner_text("#card")


def test_estimate_is_of_all_ground_whatever_the_filter(opened, contents, tmp_path):
    known = replace(contents, area=page_maker.make_area())
    shown = opened(write_map(known, tmp_path / "map.html").as_uri())
    page = shown.page
    said = page.inner_text("#estimate")
    assert "190\u202fha of mined ground 95% interval: 150\u202fha to 230\u202fha" in said
    assert "whatever the filter" in said
    assert "77 squares of 480 m, each judged by people" in said
    assert "of the 9,004\u202fha that were seen" in said
    assert "80% is (70% to 90%)" in said
    assert "up to 35\u202fha all the same" in said
    assert "the map shows" not in said.replace("the map shows as mining", "")
    page.click("#filters-box summary >> nth=0")
    page.fill("#filter-score", "0.9")
    assert page.inner_text("#estimate") == said
    page.fill("#period", "0")
    assert page.is_hidden("#estimate")


def test_figures_of_another_threshold_than_the_maps_are_said_to_be(opened, contents, tmp_path):
    card = contents.card
    metrics = tuple(one.model_copy(update={"on": f"{one.on}, at 0.8"}) for one in card.metrics)
    other = replace(contents, card=card.model_copy(update={"metrics": metrics}))
    page = opened(write_map(other, tmp_path / "map.html").as_uri()).page
    words = "measured at a threshold of 0.8; that of this map is 0.5, which is lower: it finds more"
    assert f"Sensitivity, Specificity: {words}" in page.inner_text("#sure-body")
    same = replace(other, threshold=0.8)
    page = opened(write_map(same, tmp_path / "same.html").as_uri()).page
    assert "measured at a threshold of" not in page.inner_text("#sure-body")


def test_without_a_reviewed_sample_there_is_no_estimate(desk):
    assert desk.page.is_hidden("#estimate")


def test_where_hardly_anything_meets_earlier_periods_new_is_called_in_doubt(
    opened, contents, tmp_path
):
    assert opened().page.locator("#hardly-met").count() == 0
    apart = contents.earlier["2023"].copy()
    apart.geometry = apart.geometry.translate(5.0, 0.0)
    other = replace(contents, earlier={"2023": apart})
    page = opened(write_map(other, tmp_path / "map.html").as_uri()).page
    assert "says how they were cut, not what is new" in page.inner_text("#hardly-met")


def test_a_period_without_imagery_says_so_where_others_have_some(opened, contents, tmp_path):
    newest = replace(contents, composites=contents.composites[-1:])
    page = opened(write_map(newest, tmp_path / "map.html").as_uri()).page
    assert page.inner_text("#period-name") == "2024"
    page.fill("#period", "0")
    assert page.inner_text("#period-name") == "2023 (no imagery)"


def test_only_new_ones_can_be_shown(opened):
    shown = opened()
    shown.page.click("#filters-box summary >> nth=0")
    shown.page.check("#filter-new")
    assert shown.number("#total-n") == N - N // 2


def test_long_lists_hold_few_rows_and_reach_the_last(opened, contents):
    shown = opened()
    page = shown.page
    assert page.locator("#list .row").count() < 60
    page.focus("#list")
    page.keyboard.press("End")
    last = page.locator("#list .row.active .id")
    areas = contents.detections["area_ha"].round(4)
    order = sorted(areas.index, key=lambda name: (-areas[name], name))
    assert last.inner_text() == order[-1]
    assert page.get_attribute("#list", "aria-activedescendant") == f"row-{N - 1}"


def test_list_is_sorted_as_asked(opened, contents):
    page = opened().page
    page.select_option("#sort", "score")
    first = page.locator("#list .row .id").first.inner_text()
    assert first == contents.detections["score_mean"].idxmax()
    page.select_option("#sort", "new")
    newest = page.locator("#list .row .about").first.inner_text()
    assert newest.endswith("new")


def test_card_opens_by_keyboard_and_escape_goes_back(opened, contents):
    page = opened().page
    page.focus("#list")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    name = page.locator("#list .row.active .id").inner_text()
    assert page.inner_text("#card h2") == name
    assert page.evaluate("document.activeElement.id") == "card"
    page.keyboard.press("Escape")
    assert page.is_hidden("#card")
    assert page.evaluate("document.activeElement.id") == "list"


def test_card_says_what_the_table_says(opened, contents):
    page = opened().page
    page.click("#list .row >> nth=0")
    name = page.inner_text("#card h2")
    row = contents.detections.loc[name]
    said = page.inner_text("#card")
    assert f"{row.longitude:.5f}" in said
    assert f"mean {row.score_mean:.2f}" in said
    assert "4 Jan – 14 Dec 2024" in said
    assert "from 10\u202fha to 11.5\u202fha" in said
    assert "of whole squares" in said
    assert ("none mapped near" in said) == bool(row.isna()["road_m"])


def test_card_leads_to_the_same_place_and_days_elsewhere(opened, contents):
    page = opened().page
    page.click("#list .row >> nth=0")
    row = contents.detections.loc[page.inner_text("#card h2")]
    links = page.eval_on_selector_all("#card a", "all => all.map(one => one.href)")
    assert len(links) == 2
    for link in links:
        assert f"{row.latitude:.5f}" in link
        assert f"{row.longitude:.5f}" in link
    assert "fromTime=2024-01-04" in links[0]


def test_coordinates_are_copied(opened, contents):
    shown = opened(permissions=["clipboard-read", "clipboard-write"])
    page = shown.page
    page.click("#list .row >> nth=0")
    row = contents.detections.loc[page.inner_text("#card h2")]
    page.click("#card .copy >> nth=0")
    playwright.expect(page.locator("#card .copy").first).to_have_text("Copied")
    got = page.evaluate("navigator.clipboard.readText()")
    assert got == f"{row.latitude:.5f}, {row.longitude:.5f}"


def test_card_shows_the_place_in_both_periods(opened):
    page = opened().page
    page.click("#list .row >> nth=0")
    captions = page.locator("#card figcaption b").all_inner_texts()
    assert captions == ["2023", "2024"]
    page.click("#card .switch button >> nth=1")
    assert page.get_attribute("#card .switch button >> nth=1", "aria-pressed") == "true"


@pytest.mark.parametrize(
    ("language", "totals", "number"),
    [("es", "En total", "13.2"), ("pt", "No total", "13.2"), ("en", "In total", "13,2")],
)
def test_words_and_numbers_are_those_of_the_language(opened, language, totals, number):
    page = opened().page
    page.select_option("#language", language)
    assert page.inner_text("#totals-title") == totals
    assert page.get_attribute("html", "lang") == language
    assert number in page.inner_text("#total-ha")


@pytest.mark.parametrize(
    ("locale", "parts"),
    [
        ("es-VE", ["Minería en 2024", "300 recortes apartados (100 con minería) de «patches»",
                   "entre 6,37° y 6,63° de latitud", "Las hectáreas son las de ventanas enteras",
                   "licencia no indicada", "elegido por sus autores", "1.251 recortes de prueba"]),
        ("pt-BR", ["Mineração em 2024", "300 recortes separados (100 com mineração) de “patches”",
                   "entre 6,37° e 6,63° de latitude", "Os hectares são os de janelas inteiras",
                   "licença não informada", "escolhido por seus autores", "1.251 recortes"]),
    ],
)  # fmt: skip
def test_sentences_of_cards_and_files_are_in_the_language_of_the_reader(
    opened, contents, tmp_path, locale, parts
):
    folds = "3 folds of blocks of 10 km, dead zone 700 m"
    on = "300 held-out patches (100 mining) of patches, L2A, 12 bands"
    limit = (
        "Trained and evaluated between 6.37 and 6.63° of latitude and -63.72 and -63.29° of "
        "longitude; elsewhere it is untested."
    )
    card = contents.card.model_copy(
        update={
            "metrics": tuple(
                one.model_copy(update={"on": on, "splitter": folds})
                for one in contents.card.metrics
            ),
            "limits": (limit, "My own words."),
            "licence": "not stated",
        }
    )
    shown = replace(
        contents,
        card=card,
        title="Mining in 2024",
        area_means=words_of_area(480.0, outlined=True),
        threshold_from="by the makers, for their report on 1,251 test patches",
    )
    page = opened(write_map(shown, tmp_path / "map.html").as_uri(), locale=locale).page
    for box in ("#sure .more", "#credits"):
        page.evaluate(f"document.querySelector('{box}').open = true")
    said = page.inner_text("body")
    assert [part for part in parts if part not in said] == []
    assert page.title() == parts[0]
    assert page.locator("#sure li >> text=My own words.").get_attribute("lang") == ""
    page.select_option("#language", "en")
    assert limit in page.inner_text("#sure")


def test_page_opens_in_the_language_of_the_reader(opened):
    assert opened(locale="pt-BR").page.inner_text("#list-title") == "Detecções"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5.503, -62.897", "in detection N05.00000W062.00000"),
        ("5°30′10.8″N 62°53′49.2″W", "in detection N05.00000W062.00000"),
        ("W62.897 N5.503", "in detection N05.00000W062.00000"),
        ("5,503; -62,897", "in detection N05.00000W062.00000"),
        ("5.510, -62.891", "nothing was detected here. That is not proof"),
        ("5.600, -62.670", "not seen (too few views without cloud)"),
        ("12.5.3, 4", "is no place"),
        ("5.900, -62.700", "outside the ground that was looked at"),
        ("0, 0", "far from all that this map shows. The nearest detection, "),
        ("5.503/-62.897", "in detection N05.00000W062.00000"),
        ("", "Write latitude, longitude, such as"),
        ("95, 10", "is no place"),
        ("here", "is no place"),
    ],
)
def test_search_says_what_is_known_of_a_place(desk, text, said):
    desk.page.fill("#go-text", text)
    desk.page.press("#go-text", "Enter")
    assert said in desk.page.inner_text("#go-said")


def test_an_answer_is_said_again_in_another_language(opened):
    page = opened().page
    page.fill("#go-text", "0, 0")
    page.press("#go-text", "Enter")
    assert not re.search(r"\d[.,]\d\s?km", page.inner_text("#go-said"))
    page.select_option("#language", "pt")
    assert "longe de tudo o que este mapa mostra" in page.inner_text("#go-said")
    page.fill("#period", "0")
    assert "longe de tudo" in page.inner_text("#go-said")


def test_an_answer_goes_where_the_question_is_taken_away(opened):
    page = opened().page
    page.fill("#go-text", "0, 0")
    page.press("#go-text", "Enter")
    assert page.is_visible("#go-said")
    page.fill("#go-text", "")
    assert page.is_hidden("#go-said")


def test_longitude_before_latitude_is_noticed_and_mended(opened):
    page = opened().page
    page.fill("#go-text", "-62.897, 5.503")
    page.press("#go-text", "Enter")
    assert "Did you mean 5.50300, -62.89700" in page.inner_text("#go-said")
    page.click("#go-swapped")
    assert "in detection N05.00000W062.00000" in page.inner_text("#go-said")
    assert page.input_value("#go-text") == "5.50300, -62.89700"
    assert page.locator("#go-swapped").count() == 0


@pytest.mark.parametrize("box", ["#go-text", "#filter-text"])
def test_an_id_leads_to_its_detection(opened, contents, box):
    page = opened().page
    page.click("#filters-box summary >> nth=0")
    name = contents.detections.index[200]
    page.fill(box, name.lower())
    if box == "#go-text":
        page.press(box, "Enter")
    assert page.inner_text("#card h2") == name
    assert page.is_hidden("#go-said")


def test_an_id_of_an_earlier_period_leads_to_that_period(opened, contents, tmp_path):
    gone = contents.earlier["2023"].rename(index={contents.detections.index[0]: "long gone"})
    older = replace(contents, earlier={"2023": gone})
    page = opened(write_map(older, tmp_path / "map.html").as_uri()).page
    page.fill("#go-text", "Long gone")
    page.press("#go-text", "Enter")
    assert page.inner_text("#card h2") == "long gone"
    assert page.inner_text("#period-name") == "2023"
    assert page.input_value("#period") == "0"


@pytest.mark.parametrize("name", [page_maker.EVIL.upper(), "<img SRC=x"])
def test_a_settlement_is_found_by_its_name(opened, name):
    page = opened().page
    page.fill("#go-text", name)
    page.press("#go-text", "Enter")
    assert "5.51000, -62.89000" in page.inner_text("#go-said")


def test_of_several_settlements_of_a_name_none_is_chosen_for_the_reader(opened, contents, tmp_path):
    table = contents.features.table
    twin = table.iloc[:1].set_index(pd.Index(["node/9"], name="feature_id"))
    twin.geometry = twin.geometry.translate(0.03, 0.02)
    both = replace(contents.features, table=pd.concat([table, twin]))
    named = replace(contents, features=both)
    page = opened(write_map(named, tmp_path / "map.html").as_uri()).page
    page.fill("#go-text", page_maker.EVIL.upper())
    page.press("#go-text", "Enter")
    said = page.inner_text("#go-said")
    assert "2 settlements of this map are called" in said
    offered = page.locator("#go-said .choice").all_inner_texts()
    assert len(offered) == len(set(offered)) == 2
    page.click("#go-said .choice >> nth=1")
    assert page.inner_text("#go-said").startswith(offered[1].replace(" · ", ", "))


@pytest.mark.parametrize("text", ["12,5 15", "5,9 45", "5 57 43,62 30 45"])
def test_a_comma_that_may_mean_either_leads_nowhere(opened, text):
    page = opened().page
    page.fill("#go-text", text)
    page.press("#go-text", "Enter")
    assert "is no place" in page.inner_text("#go-said")


def test_other_periods_have_detections_and_totals_of_their_own(opened, contents):
    shown = opened()
    shown.page.fill("#period", "0")
    earlier = contents.earlier["2023"]
    assert shown.number("#total-n") == len(earlier)
    assert shown.number("#total-ha") == pytest.approx(earlier["area_ha"].sum(), abs=0.5)
    assert "nobody said" in shown.page.inner_text("#facts")


def test_a_first_time_is_told_with_what_the_page_does_not_know(opened):
    page = opened().page
    assert "not seen in the periods before is not known" in page.inner_text("#totals-body")
    page.fill("#period", "0")
    assert "not seen in the periods before" not in page.inner_text("#totals-body")


def test_a_period_with_imagery_alone_is_not_one_without_mines(opened, contents, tmp_path):
    alone = replace(contents, earlier={}, changes=None)
    shown = opened(write_map(alone, tmp_path / "map.html").as_uri())
    page = shown.page
    assert shown.number("#total-n") == N
    assert "first time" not in page.inner_text("#totals-body")
    assert page.locator("#filter-new").count() == 0
    page.fill("#period", "0")
    assert "no detections of this period, only its imagery" in page.inner_text("#totals-body")
    assert page.locator("#total-n").count() == 0
    assert shown.faults == []


def test_figures_of_different_samples_each_name_their_own(opened, contents, tmp_path):
    first, second = contents.card.metrics
    metrics = (first, second.model_copy(update={"on": "80 other patches"}))
    card = contents.card.model_copy(update={"metrics": metrics})
    address = write_map(replace(contents, card=card), tmp_path / "map.html").as_uri()
    said = opened(address).page.inner_text("#sure-body")
    assert re.search(r"Sensitivity: .*300 held-out patches;", said)
    assert re.search(r"Specificity: .*80 other patches;", said)


def test_words_from_outside_are_shown_as_words(opened):
    shown = opened()
    page = shown.page
    page.on("dialog", lambda dialog: shown.faults.append("a dialog"))
    page.click("#filters-box summary >> nth=0")
    page.select_option("#filter-overlay", "park")
    page.click("#list .row >> nth=0")
    assert page_maker.EVIL in page.inner_text("#card")
    assert page.locator("img[src=x]").count() == 0
    assert shown.faults == []


def test_nothing_runs_over_the_edge_of_a_phone(opened):
    page = opened(viewport={"width": 360, "height": 740}).page
    page.click("#list .row >> nth=0")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360
    card = page.locator("#card").bounding_box()
    assert card["width"] == pytest.approx(360, abs=1)


def test_a_detector_without_a_card_is_said_to_have_none(opened, contents, tmp_path):
    bare = replace(contents, card=None, not_seen=None, composites=())
    page = opened(write_map(bare, tmp_path / "map.html").as_uri()).page
    assert "no card came" in page.inner_text("#sure-body")
    assert "nobody said" in page.inner_text("#facts")
    page.click("#list .row >> nth=0")
    assert "No images came" in page.inner_text("#card")


def test_how_sure_says_the_interval_and_on_what(desk):
    said = desk.page.inner_text("#sure-body")
    assert "81%" in said
    assert "90% interval: 70% to 90%" in said
    assert "300 held-out patches; 5 folds of blocks of 50 km" in said


def test_what_is_not_all_is_never_shown_as_all(opened, contents, tmp_path):
    first, second = contents.card.metrics
    metrics = (
        first.model_copy(update={"value": 0.996, "low": 0.9899, "high": 0.9999}),
        second.model_copy(update={"value": 1.0, "low": 0.97, "high": 1.0}),
    )
    sure = replace(contents, card=contents.card.model_copy(update={"metrics": metrics}))
    page = opened(write_map(sure, tmp_path / "map.html").as_uri()).page
    said = page.inner_text("#sure-body")
    assert "99.6%" in said
    assert "interval: 99% to 99.9%" in said
    assert "interval: 97% to 100%" in said


def test_dark_and_light_follow_the_reader_and_can_be_chosen(opened):
    page = opened(color_scheme="dark").page
    assert page.get_attribute("html", "data-theme") == "dark"
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


@pytest.mark.parametrize("n_periods", [1, 2])
@pytest.mark.parametrize("language", ["en", "es"])
def test_a_sheet_is_one_page_of_paper(browser, contents, tmp_path, language, n_periods):
    shown = replace(contents, composites=contents.composites[-n_periods:])
    [sheet, *_] = write_sheets(shown, tmp_path, language=language, n_most=1)
    page = browser.new_page()
    page.goto(sheet.as_uri())
    pages = re.findall(rb"/Type\s*/Page[^s]", page.pdf(prefer_css_page_size=True))
    page.close()
    assert len(pages) == 1
