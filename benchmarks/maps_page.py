"""How large a page of 1,000, 10,000 and 100,000 detections is, and how fast it answers.

Each page is written, then opened in a headless Chromium. Measured is the time from the event (a
key, a choice, a click) to the second frame after it, when the list, the totals or the card show
what was asked for; the map may still be drawing. "answer" is that time, "work" the processor time
that the page's thread took for it, which a busy machine does not blur. Without --map the browser is
one that draws no maps: what draws them elsewhere is a graphics card, and here there is none. With
it, maps are drawn in software by the same processor, which is the slowest case there is.

    python benchmarks/maps_page.py --chromium /usr/bin/chromium
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from playwright.sync_api import CDPSession, Page, sync_playwright

from _measure import machine
from minewatch.maps import MapContents, Period, write_map
from minewatch.scan._merge_polygons import area_ha

DRAWN_BY_SOFTWARE = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
NOT_DRAWN = ("--no-sandbox", "--disable-gpu", "--disable-3d-apis")
TIMES = 7
"""Each act is done so often; the median is told."""

# From the event to the second frame after it.
ACTS = {
    "filter by score": """(k) => {
        const field = document.getElementById('filter-score');
        field.value = 0.6 + 0.02 * k;
        field.dispatchEvent(new Event('input'));
    }""",
    "filter by a word": """(k) => {
        const field = document.getElementById('filter-text');
        field.value = 'N0' + k;
        field.dispatchEvent(new Event('input'));
    }""",
    "sort": """(k) => {
        const field = document.getElementById('sort');
        field.value = k % 2 ? 'score' : 'hectares';
        field.dispatchEvent(new Event('change'));
    }""",
    "scroll the list": """(k) => {
        const list = document.getElementById('list');
        list.scrollTop = (k + 1) * list.scrollHeight / 9;
    }""",
    "open a card": """(k) => {
        document.querySelectorAll('#list .row')[k].click();
    }""",
    "colour by": """(k) => {
        const field = document.getElementById('colour-by');
        field.value = k % 2 ? 'score' : 'change';
        field.dispatchEvent(new Event('change'));
    }""",
    "change the language": """(k) => {
        const field = document.getElementById('language');
        field.value = k % 2 ? 'es' : 'pt';
        field.dispatchEvent(new Event('change'));
    }""",
}
TO_SECOND_FRAME = """async ([act, k]) => {
    const start = performance.now();
    eval('(' + act + ')')(k);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    return performance.now() - start;
}"""


def make_contents(n: int) -> MapContents:
    """Scatter n detections of one to twelve windows over a country of 1,000 × 1,000 km."""
    rng = np.random.default_rng(0)
    west = rng.uniform(-66.0, -57.0, n)
    south = rng.uniform(0.0, 9.0, n)
    shapes = [
        shapely.union_all(
            [
                shapely.box(x + i, y + j, x + i + 0.0043, y + j + 0.0043)
                for i, j in 0.0022 * rng.integers(0, 4, (k, 2))
            ]
        )
        for x, y, k in zip(west, south, rng.integers(1, 13, n), strict=True)
    ]
    polygons = np.array(shapes, dtype=object)
    points = shapely.get_coordinates(shapely.point_on_surface(polygons))
    score = rng.uniform(0.45, 1.0, n)
    table = gpd.GeoDataFrame(
        {
            "windows": rng.integers(1, 13, n),
            "score_mean": score,
            "score_max": np.minimum(score * 1.1, 1.0),
            "area_ha": area_ha(polygons),
            "longitude": points[:, 0],
            "latitude": points[:, 1],
            "start": "2024-01-04",
            "end": "2024-12-14",
            "river_m": rng.uniform(0, 9_000, n),
            "road_m": rng.uniform(0, 9_000, n),
            "change": rng.choice(["new", "grown", "unchanged"], n),
        },
        index=pd.Index([f"N{i:06d}" for i in range(n)], name="detection_id"),
        geometry=polygons,
        crs="EPSG:4326",
    )
    return MapContents(
        detections=table,
        title=f"{n} made-up detections",
        attribution=("made up",),
        periods=(Period.parse("2024"),),
        threshold=0.45,
    )


def measure(page: Page, session: CDPSession) -> dict[str, tuple[float, float]]:
    """Do every act some times; give the medians of answer and work, milliseconds."""
    page.evaluate("document.getElementById('filters-box').open = true")
    page.evaluate("document.getElementById('layers-box').open = true")
    told = {}
    for name, act in ACTS.items():
        answers, works = [], []
        for k in range(TIMES):
            before = worked_s(session)
            answers.append(page.evaluate(TO_SECOND_FRAME, [act, k]))
            works.append(1_000.0 * (worked_s(session) - before))
            page.wait_for_timeout(500)
        told[name] = statistics.median(answers), statistics.median(works)
        page.evaluate("document.querySelector('.clear').click()")
        page.wait_for_timeout(500)
    return told


def worked_s(session: CDPSession) -> float:
    """Give the processor time that the page's thread has taken, seconds."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")


def open_page(file: Path, chromium: str, *, with_map: bool) -> tuple[float, dict[str, Any]]:
    """Open a page and measure it: seconds until the list is there, and what `measure` gives."""
    arguments = DRAWN_BY_SOFTWARE if with_map else NOT_DRAWN
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=list(arguments))
        # The acts are written as text; the page's own policy would refuse to run it.
        context = browser.new_context(
            viewport={"width": 1400, "height": 900}, locale="en", bypass_csp=True
        )
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        start = time.perf_counter()
        page.goto(file.as_uri())
        page.wait_for_selector("#list .row", timeout=120_000)
        list_s = time.perf_counter() - start
        page.wait_for_selector("body[data-ready]", timeout=120_000)
        if with_map:
            page.wait_for_timeout(20_000)  # the map's first drawing is not what is measured
        told = measure(page, session)
        browser.close()
    return list_s, told


def main() -> None:
    """Write pages, open them, and print a table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--chromium", default="/usr/bin/chromium")
    asked.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    asked.add_argument("--map", action="store_true", help="draw the map, in software")
    given = asked.parse_args()
    print(machine())
    for n in given.sizes:
        contents = make_contents(n)
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            file = write_map(contents, Path(folder) / "map.html")
            written_s = time.perf_counter() - start
            size_mb = file.stat().st_size / 1e6
            list_s, told = open_page(file, given.chromium, with_map=given.map)
        print(f"{n:,} detections: {size_mb:.2f} MB, written in {written_s:.1f} s, ", end="")
        print(f"list shown after {list_s:.1f} s")
        for name, (answer, work) in told.items():
            print(f"    {name:<20} answer {answer:7.0f} ms   work {work:7.0f} ms")


if __name__ == "__main__":
    main()
