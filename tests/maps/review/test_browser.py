"""The page in a real browser: twenty detections by keyboard, whatever is killed meanwhile."""

import os
import re
import signal
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from pyproj import Transformer

from minewatch.cli._app import run
from minewatch.maps.review import Item, Queue, ReviewStore
from minewatch.sites import read_sites

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
KEYS = "yn1u2sy3y4n5y6y7y8y9"
VERDICTS = {"y": "mine", "n": "not_mine", "u": "unsure", "s": "skip"}
REASONS = (
    *("river", "sandbar", "aquaculture", "pasture", "road", "village"),
    *("cloud", "landslide", "industrial"),
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def playwright():
    """Start what drives the browser, or say why not."""
    api = pytest.importorskip("playwright.sync_api", reason="needs Playwright to drive a browser")
    if not Path(CHROMIUM).is_file():
        pytest.skip(f"needs a browser: there is no {CHROMIUM}")
    with api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def found(toy_area, tmp_path_factory):
    """Write 20 detections on the ground that the small archive shows."""
    to_degrees = Transformer.from_crs(str(toy_area.crs), "EPSG:4326", always_xy=True)
    left, bottom = toy_area.boundingbox.left, toy_area.boundingbox.bottom
    shapes = []
    for number in range(20):
        east, north = left + 300 + 420 * (number % 5), bottom + 300 + 420 * (number // 5)
        corners = shapely.box(east, north, east + 200, north + 200)
        shapes.append(shapely.transform(corners, to_degrees.transform, interleaved=False))
    path = tmp_path_factory.mktemp("found") / "found.geojson"
    gpd.GeoDataFrame(
        {"score_max": [0.95 - number / 50 for number in range(20)]},
        geometry=shapes,
        index=pd.Index([f"d{number:02d}" for number in range(20)], name="detection_id"),
        crs="EPSG:4326",
    ).reset_index().to_file(path)
    return path


@pytest.fixture(scope="module")
def browser(playwright):
    """Start a browser that tests share; each has windows of its own in it."""
    started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield started
    started.close()


@contextmanager
def windows(browser, **more):
    """Give a window whose storage nobody else sees."""
    context = browser.new_context(locale="en", viewport={"width": 1280, "height": 860}, **more)
    context.set_default_timeout(60_000)
    try:
        yield context
    finally:
        context.close()


class Window:
    """A page, and all that it asked for and complained of."""

    def __init__(self, context, page=None):
        self.page = page or (context.pages[0] if context.pages else context.new_page())
        self.requests, self.complaints = [], []
        self.page.on("request", lambda one: self.requests.append(one.url))
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda one: self.complaints.append(str(one)))

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def begin(self, address, name="Ana"):
        self.page.goto(address)
        self.page.wait_for_selector("#who[open], #desk:not([hidden])")
        if self.page.locator("#who[open]").count():
            self.page.fill("#who-name", name)
            self.page.keyboard.press("Enter")
        self.seen()

    def seen(self):
        """Wait until pictures are there."""
        self.page.wait_for_selector(".panel .wait[hidden]", state="attached")

    def decide(self, key, done):
        """Press a key at the next detection, and wait until the page says that it is saved."""
        self.shows(f"d{done - 1:02d}")
        self.page.keyboard.press(key)
        self.counts(done)

    def shows(self, item):
        """Wait until a detection and its pictures are there."""
        self.page.locator(f'#desk[data-item="{item}"]').wait_for()
        self.seen()

    def counts(self, done):
        """Wait until so many are done."""
        self.page.locator("#count").filter(has_text=re.compile(f"^{done} of 20$")).wait_for()

    def clean(self, url):
        """Check that it asked nobody else, and complained of nothing."""
        assert not [one for one in self.requests if not one.startswith((url, "blob:"))]
        assert not self.complaints


@contextmanager
def browsing(playwright, profile, **more):
    context = playwright.chromium.launch_persistent_context(
        profile, executable_path=CHROMIUM, args=FLAGS, headless=True, locale="en",
        viewport={"width": 1280, "height": 860}, **more,
    )  # fmt: skip
    context.set_default_timeout(60_000)
    try:
        yield context
    finally:
        context.close()


def kill_browser(profile):
    """Kill the browser of a profile, and its children, as no program can catch."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"--user-data-dir={profile}".encode() in words:
            os.kill(int(entry.name), signal.SIGKILL)


def expected(key):
    if key in VERDICTS:
        return VERDICTS[key], None
    return "not_mine", REASONS[int(key) - 1]


def test_twenty_detections_by_keyboard_whatever_is_killed_meanwhile(
    maker, forge, playwright, found, toy_archive, tmp_path
):
    store, profile = tmp_path / "review.gpkg", tmp_path / "profile"
    common = [str(found), "--store", str(store)]
    shown = ["--imagery", str(toy_archive), "--period", "2023", "--side-m", "960"]
    server = maker.Server(forge, *common, *shown, "--port", "0")
    try:
        with browsing(playwright, profile) as context:
            window = Window(context)
            window.begin(server.told["address"])
            for done, key in enumerate(KEYS[:8], start=1):
                window.decide(key, done)
            window.clean(server.url)

            server.kill()
            window.page.keyboard.press(KEYS[8])
            window.page.wait_for_selector("#alarm:not([hidden])")
            assert "8 of 20" in window.page.text_content("#count")  # it did not go on
            server = maker.Server(forge, *common, *shown, "--port", str(server.port))
            window.page.wait_for_selector("#alarm", state="hidden")
            window.counts(9)
            for done, key in enumerate(KEYS[9:14], start=10):
                window.decide(key, done)
            with pytest.raises(Exception, match=r"closed|crash"):
                kill_browser(profile)
                window.page.wait_for_timeout(60_000)

        with browsing(playwright, profile) as context:
            window = Window(context)
            window.begin(server.told["address"])
            assert window.page.text_content("#count") == "14 of 20"
            window.page.keyboard.press("z")
            window.counts(13)
            for done, key in enumerate(KEYS[13:], start=14):
                window.decide(key, done)
            window.clean(server.url)
    finally:
        server.kill()

    with ReviewStore(store, create=False) as opened:
        held = {item: (verdict, reason) for item, _, verdict, reason in opened.current()}
    assert held == {f"d{at:02d}": expected(key) for at, key in enumerate(KEYS)}
    out = tmp_path / "sites.geojson"
    assert run(["maps", "review", *common, "--export", str(out)]) == 0
    labels = {"mine": 1, "not_mine": 0}
    wanted = {name: labels[said] for name, (said, _) in held.items() if said in labels}
    assert read_sites(out)["label"].to_dict() == wanted


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1366, 850)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_desk_fits_and_speaks_in_every_width_and_theme(
    maker, browser, tmp_path, width, height, scheme
):
    desk = maker.make_desk(tmp_path / "review.gpkg")
    with (
        maker.serving(desk) as client,
        windows(browser, color_scheme=scheme) as context,
    ):
        window = Window(context)
        page = window.page
        page.set_viewport_size({"width": width, "height": height})
        url = str(client.base_url)
        window.begin(f"{url}/#token={maker.TOKEN}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert "#" not in page.url  # the token stands in no history
        mine = page.locator('[data-verdict="mine"]').bounding_box()
        assert mine["y"] + mine["height"] <= height
        for language, word in {"es": "No es mina", "pt": "Não é mina", "en": "Not a mine"}.items():
            page.select_option("#language", language)
            assert page.inner_text('[data-verdict="not_mine"] span') == word
            assert page.evaluate("document.documentElement.lang") == language
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        window.seen()
        window.clean(url)
    desk.store.close()


def test_two_tabs_that_wait_for_the_server_lose_no_decision(maker, browser, tmp_path):
    desk = maker.make_desk(tmp_path / "review.gpkg")
    with maker.serving(desk) as client, windows(browser) as context:
        pages = [context.new_page() for _ in range(2)]
        for page in pages:
            page.bring_to_front()
            Window(context, page).begin(f"{client.base_url}/#token={maker.TOKEN}")
        context.route("**/api/decisions", lambda route: route.abort())
        for page, key in zip(pages, "yn", strict=True):
            page.bring_to_front()
            page.keyboard.press(key)
            page.wait_for_selector("#alarm:not([hidden])")
        context.unroute("**/api/decisions")
        for page in pages:
            page.wait_for_selector("#alarm", state="hidden")
        assert pages[0].evaluate("Object.keys(localStorage).join()").count("pending") == 0
    assert sorted(desk.store.decisions()["verdict"]) == ["mine", "not_mine"]
    desk.store.close()


def test_a_mine_is_drawn_with_keys_alone_where_the_cross_is(maker, browser, tmp_path):
    desk = maker.make_desk(tmp_path / "review.gpkg")
    with maker.serving(desk) as client, windows(browser) as context:
        window = Window(context)
        page = window.page
        window.begin(f"{client.base_url}/#token={maker.TOKEN}")
        page.keyboard.press("p")
        for key in ["ArrowRight"] * 3 + ["Shift+ArrowUp", "Enter"]:
            page.keyboard.press(key)
        page.get_by_text("Saved: a missed mine").wait_for()
        window.clean(str(client.base_url))
    point = desk.store.points().geometry.iloc[0]
    item = desk.items[0].item
    to_utm = Transformer.from_crs("EPSG:4326", "EPSG:32620", always_xy=True)
    east, north = to_utm.transform(item.longitude, item.latitude)
    assert to_utm.transform(point.x, point.y) == pytest.approx((east + 30, north + 100), abs=1.0)
    desk.store.close()


def test_keys_work_in_capitals_and_change_nothing_once_all_is_reviewed(maker, browser, tmp_path):
    desk = maker.make_desk(tmp_path / "review.gpkg", maker.make_queue(2))
    with maker.serving(desk) as client, windows(browser) as context:
        window = Window(context)
        page = window.page
        window.begin(f"{client.base_url}/#token={maker.TOKEN}")
        for done, key in enumerate("YN", start=1):
            page.locator(f'#desk[data-item="place-{done - 1:02d}"]').wait_for()
            page.keyboard.press(key)
            page.locator("#count").filter(has_text=re.compile(f"^{done} of 2$")).wait_for()
        page.get_by_text("All of this list is reviewed").wait_for()
        for key in "y1u":
            page.keyboard.press(key)
        page.reload()  # as of who comes back
        page.get_by_text("2 of 2").wait_for()
        window.seen()
        page.keyboard.press("u")
        page.get_by_text("All of this list is reviewed").wait_for()
        window.clean(str(client.base_url))
    assert desk.store.decisions()["verdict"].tolist() == ["mine", "not_mine"]
    desk.store.close()


def test_a_verdict_ends_drawing_and_no_click_draws_at_the_next_place(maker, browser, tmp_path):
    desk = maker.make_desk(tmp_path / "review.gpkg")
    with maker.serving(desk) as client, windows(browser) as context:
        window = Window(context)
        page = window.page
        window.begin(f"{client.base_url}/#token={maker.TOKEN}")
        page.keyboard.press("p")
        page.locator('#draw[aria-pressed="true"]').wait_for()
        page.keyboard.press("n")
        page.locator('#desk[data-item="place-01"]').wait_for()
        window.seen()
        page.locator('#draw[aria-pressed="false"]').wait_for()
        page.locator(".panel canvas").first.click()
        page.keyboard.press("ArrowRight")
        page.locator('#desk[data-item="place-02"]').wait_for()
        window.clean(str(client.base_url))
    assert desk.store.points().empty
    desk.store.close()


def test_a_picture_opens_as_wide_as_the_outline_that_is_asked_about(maker, browser, tmp_path):
    wide = shapely.box(-62.604, 5.396, -62.596, 5.404)  # 890 m, more than the 480 m of a patch
    items = [Item(name, -62.6, 5.4, {}, wide) for name in "ab"]
    queue = Queue("detections", "demo", tuple(items))
    desk = maker.make_desk(tmp_path / "review.gpkg", queue)
    with maker.serving(desk) as client, windows(browser) as context:
        window = Window(context)
        page = window.page
        window.begin(f"{client.base_url}/#token={maker.TOKEN}")
        chosen = page.locator('#chips button[aria-pressed="true"]:not(.room)')
        chosen.filter(has_text="960 m").wait_for()
        page.keyboard.press("+")  # nearer: of this place alone, for it cuts the outline
        chosen.filter(has_text="480 m").wait_for()
        page.keyboard.press("y")
        page.locator('#desk[data-item="b"]').wait_for()
        chosen.filter(has_text="960 m").wait_for()
        window.clean(str(client.base_url))
    desk.store.close()


def test_without_the_token_the_page_shows_nothing_and_says_what_to_do(maker, browser, tmp_path):
    desk = maker.make_desk(tmp_path / "review.gpkg")
    with maker.serving(desk) as client, windows(browser) as context:
        page = Window(context).page
        page.goto(str(client.base_url))
        page.wait_for_selector("#locked[open]")
        assert "printed" in page.inner_text("#locked")
        assert page.locator("#desk").is_hidden()
    desk.store.close()
