"""Earth Engine's bad days: quotas, limits, faults of the network, no access."""

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from minewatch.errors import CredentialsError, ImageryError
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery, check_composite
from minewatch.patches import BuildSummary, build_patches
from minewatch.types import Failure

QUERY = SceneQuery(start="2023-01-01", end="2023-12-31", bands="B04,B03,B02")
MEMORY = "User memory limit exceeded."


def in_turn(*replies: Any, method: str = "computePixels") -> Any:
    """Answer the requests of a method with these, and then honestly."""
    left = list(replies)
    return lambda asked, _body: left.pop(0) if asked == method and left else None


def same(one: Any, other: Any) -> None:
    np.testing.assert_array_equal(one["reflectance"], other["reflectance"])
    np.testing.assert_array_equal(one["clear_count"], other["clear_count"])


def bands_of(body: dict[str, Any]) -> set[str]:
    return set(json.dumps(body["expression"]).split('"')) & {"B4", "B3", "B2"}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (429, "Too Many Requests"),
        (429, "Quota exceeded for quota metric 'Number of read requests'."),
        (500, "An internal error has occurred"),
        (502, "Bad Gateway"),
        (503, "The service is currently unavailable."),
        (400, "Too many concurrent aggregations."),
        (403, "Rate Limit Exceeded"),
    ],
)
def test_what_passes_is_asked_again_and_gives_the_same(
    earth_engine: Any, open_source: Any, status: int, message: str
) -> None:
    expected = open_source().load(earth_engine.place, QUERY)
    reply = earth_engine.reply(status, message)
    earth_engine.fault = in_turn(reply, reply)
    source = open_source()
    same(source.load(earth_engine.place, QUERY), expected)
    assert len(source.waits) == 2
    assert 0.5 <= source.waits[0] <= 1.5
    assert 1 <= source.waits[1] <= 3


def test_bytes_that_are_no_array_are_asked_for_again(earth_engine: Any, open_source: Any) -> None:
    expected = open_source().load(earth_engine.place, QUERY)
    reply = earth_engine.reply
    earth_engine.fault = in_turn(
        reply(200, body=b"not an array"),
        reply(200, body=b""),
        reply(200, body=b"half", headers={"Content-Length": "8", "Connection": "close"}),
    )
    source = open_source()
    same(source.load(earth_engine.place, QUERY), expected)
    assert len(source.waits) == 3


def test_pixels_of_another_grid_are_never_taken(earth_engine: Any, open_source: Any) -> None:
    import io

    file = io.BytesIO()
    np.save(file, np.zeros((50, 50), [(name, "<u2") for name in ("B4", "B3", "B2", "clear_count")]))
    earth_engine.fault = in_turn(*[earth_engine.reply(200, body=file.getvalue())] * 9)
    with pytest.raises(ImageryError, match=r"\(50, 50\) pixels came back, \(24, 24\)"):
        open_source().load(earth_engine.place, QUERY)


def test_the_server_says_how_long_to_wait(earth_engine: Any, open_source: Any) -> None:
    reply = earth_engine.reply
    earth_engine.fault = in_turn(
        reply(429, "Too Many Requests", {"Retry-After": "17"}),
        reply(429, "Too Many Requests", {"Retry-After": "9999"}),
    )
    source = open_source()
    source.load(earth_engine.place, QUERY)
    assert source.waits == [17, 60]


def test_waits_are_the_same_in_every_run_and_differ_between_places() -> None:
    from minewatch.imagery._earthengine_client import Patience

    assert Patience().waits("one") == Patience().waits("one") != Patience().waits("two")
    assert Patience(seed=1).waits("one") != Patience().waits("one")
    assert max(Patience(retries=20).waits("one")) <= Patience().longest_wait_s


def test_retries_end_and_the_error_says_so(earth_engine: Any, open_source: Any) -> None:
    earth_engine.fault = in_turn(*[earth_engine.reply(503, "Service unavailable")] * 99)
    source = open_source(retries=3)
    with pytest.raises(ImageryError, match="asked 4 times; the last answer: Service unavailable"):
        source.load(earth_engine.place, QUERY)
    assert len(source.waits) == 3
    assert len(earth_engine.bodies("computePixels")) == 4


def test_a_refusal_is_not_asked_again(earth_engine: Any, open_source: Any) -> None:
    message = "Image.select: Pattern 'B99' did not match any bands."
    earth_engine.fault = in_turn(earth_engine.reply(400, message))
    source = open_source()
    with pytest.raises(ImageryError, match=r"refused .*B99"):
        source.load(earth_engine.place, QUERY)
    assert source.waits == []
    assert len(earth_engine.bodies("computePixels")) == 1


@pytest.mark.parametrize(
    "message",
    [
        MEMORY,
        "Computation timed out.",
        "Execution failed; out of memory.",
        "Total request size (56623104 bytes) must be less than or equal to 50331648 bytes.",
    ],
)
def test_what_is_too_much_is_asked_for_by_fewer_bands_with_the_same_result(
    earth_engine: Any, open_source: Any, message: str
) -> None:
    expected = open_source().load(earth_engine.place, QUERY)
    earth_engine.asked.clear()

    def one_band_at_a_time(method: str, body: dict[str, Any]) -> Any:
        if method == "computePixels" and len(bands_of(body)) > 1:
            return earth_engine.reply(400, message)
        return None

    earth_engine.fault = one_band_at_a_time
    source = open_source()
    same(source.load(earth_engine.place, QUERY), expected)
    asked = [bands_of(body) for body in earth_engine.bodies("computePixels")]
    assert asked == [{"B4", "B3", "B2"}, {"B4"}, {"B3", "B2"}, {"B3"}, {"B2"}]
    assert source.waits == []


def test_one_band_that_is_too_much_is_asked_for_by_its_halves(
    earth_engine: Any, open_source: Any
) -> None:
    expected = open_source().load(earth_engine.place, QUERY)

    def quarters_only(method: str, body: dict[str, Any]) -> Any:
        if method != "computePixels":
            return None
        size = body["grid"]["dimensions"]
        whole = size["width"] > 12 or size["height"] > 12 or len(bands_of(body)) > 1
        return earth_engine.reply(400, MEMORY) if whole else None

    earth_engine.fault = quarters_only
    same(open_source().load(earth_engine.place, QUERY), expected)


def test_what_cannot_be_split_further_ends(earth_engine: Any, open_source: Any) -> None:
    earth_engine.fault = in_turn(*[earth_engine.reply(400, MEMORY)] * 999)
    source = open_source(retries=2)
    with pytest.raises(ImageryError, match=f"asked 3 times; the last answer: {MEMORY}"):
        source.load(earth_engine.place, QUERY)
    assert len(source.waits) == 2
    smallest = earth_engine.bodies("computePixels")[-1]["grid"]["dimensions"]
    assert max(smallest.values()) < 16


def test_a_large_place_is_split_before_it_is_asked_for(earth_engine: Any, open_source: Any) -> None:
    from minewatch.imagery._earthengine_pieces import Composite

    query = SceneQuery(start="2023-01-01", end="2023-12-31", bands="l1c-13")
    geobox = PatchGrid(size_px=1998).geobox(-62.6281, 5.4516)
    pieces = list(Composite.empty(geobox, query).pieces())
    assert len(pieces) == 4
    covered = Counter(band for piece in pieces for band in piece.bands)
    assert covered == Counter(query.bands)
    for piece in pieces:
        assert 2 * (len(piece.bands) + 1) * np.prod(piece.shape) <= 48 * 1024 * 1024


def test_many_places_come_with_the_values_of_each(earth_engine: Any, open_source: Any) -> None:
    places = {
        f"site-{step}": PatchGrid(size_px=12).geobox(-62.6281 + 0.01 * step, 5.4516)
        for step in range(7)
    }
    told: list[tuple[str, int, int]] = []
    source = open_source(max_concurrency=3)
    found = dict(source.load_many(places, QUERY, progress=lambda *step: told.append(step)))
    assert set(found) == set(places)
    for key, geobox in places.items():
        same(check_composite(found[key], bands=QUERY.bands), source.load(geobox, QUERY))
    assert told == [("imagery", done, 7) for done in range(8)]


def test_a_place_that_fails_is_a_failure_and_the_others_come(
    earth_engine: Any, open_source: Any
) -> None:
    places = {f"site-{step}": PatchGrid(size_px=12).geobox(-62.6 - step, 5.4) for step in range(3)}
    bad = places["site-1"].transform.c

    def refuse_one(method: str, body: dict[str, Any]) -> Any:
        if method == "computePixels" and body["grid"]["affineTransform"]["translateX"] == bad:
            return earth_engine.reply(503, "unavailable")
        return None

    earth_engine.fault = refuse_one
    found = dict(open_source(retries=1).load_many(places, QUERY))
    assert isinstance(found["site-1"], Failure)
    assert found["site-1"].key == "site-1"
    assert found["site-1"].stage == "imagery"
    assert "asked 2 times" in found["site-1"].reason
    assert {key for key in found if not isinstance(found[key], Failure)} == {"site-0", "site-2"}


def test_access_that_is_taken_away_stops_a_build_that_goes_on_once_it_is_back(
    earth_engine: Any, open_source: Any, tmp_path: Path
) -> None:
    sites = gpd.GeoDataFrame(
        {"label": 0, "source": "made up"},
        geometry=gpd.points_from_xy([-62.6 + step / 50 for step in range(9)], [5.4] * 9),
        index=pd.Index([f"site-{step}" for step in range(9)], name="site_id"),
        crs="EPSG:4326",
    )

    def build() -> BuildSummary:
        source, grid = open_source(max_concurrency=2), PatchGrid(size_px=6)
        return build_patches(sites, source, QUERY, tmp_path / "patches", grid=grid)

    def refuse(method: str, _body: dict[str, Any]) -> Any:
        late = method == "computePixels" and len(earth_engine.bodies(method)) > 4
        return earth_engine.reply(403, "Permission denied on project a-project.") if late else None

    earth_engine.fault = refuse
    with pytest.raises(CredentialsError, match="Permission denied on project"):
        build()
    assert len(earth_engine.bodies("computePixels")) < 9
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["patches.building"]
    earth_engine.fault = lambda _method, _body: None
    summary = build()
    assert (summary.n_sites, summary.n_failed) == (9, 0)
    assert summary.n_loaded in (5, 6), "one may have been under way when another was refused"


def test_no_more_requests_are_under_way_than_allowed(earth_engine: Any, open_source: Any) -> None:
    places = {f"{step}": PatchGrid(size_px=6).geobox(-62.6, 5.4 + step / 100) for step in range(12)}
    three = threading.Barrier(3)
    lock, under_way, most = threading.Lock(), 0, 0

    def meet(method: str, _body: dict[str, Any]) -> Any:
        """Hold every request until three are there: fewer would hang, more would be seen."""
        nonlocal under_way, most
        if method != "computePixels":
            return None
        with lock:
            under_way += 1
            most = max(most, under_way)
        three.wait(timeout=30)
        with lock:
            under_way -= 1
        return None

    earth_engine.fault = meet
    found = dict(open_source(max_concurrency=3).load_many(places, QUERY))
    assert not any(isinstance(item, Failure) for item in found.values())
    assert most == 3


def test_every_request_takes_one_of_the_slots_whoever_asks(
    earth_engine: Any, open_source: Any
) -> None:
    class Slots:
        def __init__(self) -> None:
            self.honest, self.taken = threading.BoundedSemaphore(2), []

        def __enter__(self) -> None:
            self.honest.acquire()
            self.taken.append(threading.get_ident())

        def __exit__(self, *_: object) -> None:
            self.honest.release()

    source = open_source(max_concurrency=2)
    source.load(earth_engine.place, QUERY)
    earth_engine.asked.clear()
    source._client._slots = slots = Slots()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: source.load(earth_engine.place, QUERY), range(4)))
    assert len(earth_engine.asked) == len(slots.taken) == 8


def test_places_are_not_asked_for_long_before_they_are_taken(
    earth_engine: Any, open_source: Any
) -> None:
    places = {f"{step}": PatchGrid(size_px=6).geobox(-62.6, 5.4 + step / 100) for step in range(20)}
    results = open_source(max_concurrency=2).load_many(places, QUERY)
    next(results)
    results.close()
    assert len(earth_engine.bodies("computePixels")) <= 4
