"""Servers that fail: the same bytes in the end, or an end that says why."""

import contextlib
import datetime as dt
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from minewatch._http import Answer, BadAnswerError, HttpError, HttpSession, RetryPolicy
from minewatch.errors import ImageryError, MinewatchError
from minewatch.imagery import SceneQuery
from minewatch.imagery._documents import linked_items
from minewatch.imagery._folder import FolderSource
from minewatch.imagery._signing import PlanetaryComputerSigner
from minewatch.imagery._stac import StacSource
from minewatch.types import Failure

COLLECTION = "sentinel-2-l2a"
QUERY = SceneQuery(start="2023-01-01", end="2023-12-31", bands=("B02", "B04", "B8A", "B09"))
HASTY = RetryPolicy(first_wait_s=0.001, longest_wait_s=0.01, read_timeout_s=0.15)
EVERY_FAULT = ("reset", "429", "500", "503", "truncated", "stalled", "garbage", "expired")


@pytest.fixture(scope="module")
def places(toy_area: GeoBox) -> dict[str, GeoBox]:
    box = toy_area.boundingbox
    return {
        f"place-{i}": GeoBox(
            (48, 48), Affine(10, 0, box.left + 420 * i, 0, -10, box.top - 300 * i), "EPSG:32620"
        )
        for i in range(5)
    }


@pytest.fixture(scope="module")
def expected(toy_archive: Path, places: Mapping[str, GeoBox]) -> dict[str, Any]:
    return dict(FolderSource(toy_archive).load_many(places, QUERY))


def assert_same(found: Mapping[str, Any], expected: Mapping[str, xr.Dataset]) -> None:
    assert set(found) == set(expected)
    for key, one in found.items():
        assert isinstance(one, xr.Dataset), one
        assert one["reflectance"].values.tobytes() == expected[key]["reflectance"].values.tobytes()
        assert one["clear_count"].values.tobytes() == expected[key]["clear_count"].values.tobytes()
        assert one.attrs["scenes"] == expected[key].attrs["scenes"]


@pytest.mark.parametrize("seed", [0, 1])
def test_every_third_request_failing_changes_no_byte(
    seed: int,
    serve_archive: Callable[..., Any],
    places: Mapping[str, GeoBox],
    expected: Mapping[str, Any],
) -> None:
    server = serve_archive(
        fault_rate=0.3, faults=EVERY_FAULT[:-1], api_faults=True, seed=seed, stall_s=0.3
    )
    source = StacSource(server.stac_url, COLLECTION, policy=HASTY)
    assert_same(dict(source.load_many(places, QUERY)), expected)
    assert set(server.counts.faults) == set(EVERY_FAULT[:-1])
    source.close()


def test_signatures_that_expire_are_renewed(
    serve_archive: Callable[..., Any],
    places: Mapping[str, GeoBox],
    expected: Mapping[str, Any],
) -> None:
    server = serve_archive(fault_rate=0.2, faults=("expired", "503"), signed=True, token_uses=20)
    with session(HASTY) as asking:
        signer = PlanetaryComputerSigner(
            asking, token_url=f"{server.url}/token", storage=server.url.removeprefix("http://")
        )
        source = StacSource(server.stac_url, COLLECTION, policy=HASTY, sign=signer)
        assert_same(dict(source.load_many(places, QUERY)), expected)
        source.close()
    assert server.counts.faults["expired"] > 0
    assert server.counts.tokens > server.counts.requests / 40


@pytest.mark.parametrize(("minutes_left", "tokens"), [(60, 1), (1, 5)])
def test_token_is_kept_until_shortly_before_its_end(minutes_left: int, tokens: int) -> None:
    expiry = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes_left)
    body = json.dumps({"msft:expiry": expiry.isoformat(), "token": "sig=1"}).encode()
    with served((200, {}, body)) as (url, script), session(HASTY) as asking:
        signer = PlanetaryComputerSigner(asking, token_url=url)
        href = "https://account.blob.core.windows.net/container/a/B02.tif"
        assert {signer.sign(href) for _ in range(5)} == {f"{href}?sig=1"}
        assert len(script.asked) == tokens
        assert script.paths[0].endswith("/account/container")


def test_only_links_to_the_storage_are_signed() -> None:
    with session(HASTY) as asking:
        signer = PlanetaryComputerSigner(asking, token_url="http://127.0.0.1:9")  # noqa: S106  # an address
        for href in (
            "https://elsewhere.test/c/a.tif",
            "https://notblob.core.windows.net/c/a.tif",
            "https://a.blob.core.windows.net/c/a?sig=2",
        ):
            assert signer.sign(href) == href
            assert not signer.renew(href, href)


def test_link_with_a_query_is_signed_by_one_more_part_of_it() -> None:
    expiry = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    body = json.dumps({"msft:expiry": expiry.isoformat(), "token": "sig=1"}).encode()
    href = "https://account.blob.core.windows.net/container/a.tif?versionid=3"
    with served((200, {}, body)) as (url, _), session(HASTY) as asking:
        signer = PlanetaryComputerSigner(asking, token_url=url)
        assert signer.sign(href) == f"{href}&sig=1"


def test_token_that_is_denied_is_given_up_if_there_is_no_other() -> None:
    expiry = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    answers = [
        (200, {}, json.dumps({"msft:expiry": expiry.isoformat(), "token": token}).encode())
        for token in ("sig=1", "sig=2")
    ]
    href = "https://account.blob.core.windows.net/container/a.tif"
    with served(*answers) as (url, _), session(HASTY) as asking:
        signer = PlanetaryComputerSigner(asking, token_url=url)
        assert signer.renew(href, signer.sign(href)), "another token came"
        assert not signer.renew(href, signer.sign(href)), "the same came again"


def test_link_that_stays_denied_is_a_failure(
    serve_archive: Callable[..., Any], places: Mapping[str, GeoBox]
) -> None:
    server = serve_archive(signed=True)
    source = StacSource(server.stac_url, COLLECTION, policy=HASTY)
    outcomes = dict(source.load_many(places, QUERY))
    assert all(isinstance(one, Failure) and "HTTP 403" in one.reason for one in outcomes.values())
    assert server.counts.requests < 40, "what is denied for good is not asked for again"
    source.close()


def test_files_that_stay_away_end_in_failures_soon(
    serve_archive: Callable[..., Any], places: Mapping[str, GeoBox]
) -> None:
    server = serve_archive(fault_rate=1.0, faults=("503", "reset", "garbage"), in_a_row=None)
    source = StacSource(server.stac_url, COLLECTION, policy=HASTY)
    outcomes = dict(source.load_many(places, QUERY))
    assert {one.key for one in outcomes.values() if isinstance(one, Failure)} == set(places)
    assert all(".tif" in one.reason for one in outcomes.values())
    assert server.counts.requests < 60 + HASTY.patience + 12, "then each file is tried once"
    source.close()


def test_catalogue_that_stays_away_ends_in_failures(
    serve_archive: Callable[..., Any], places: Mapping[str, GeoBox]
) -> None:
    server = serve_archive(fault_rate=1.0, in_a_row=None, api_faults=True)
    source = StacSource(server.stac_url, COLLECTION, policy=HASTY)
    outcomes = dict(source.load_many(places, QUERY))
    assert all("cannot be searched" in one.reason for one in outcomes.values())
    with pytest.raises(ImageryError, match="cannot be searched"):
        source.load(places["place-0"], QUERY)
    source.close()


def test_nobody_listening_ends_in_failures(places: Mapping[str, GeoBox]) -> None:
    source = StacSource("http://127.0.0.1:9/stac", COLLECTION, policy=HASTY)
    outcomes = dict(source.load_many(places, QUERY))
    assert all(isinstance(one, Failure) for one in outcomes.values())
    source.close()


def test_source_that_recovers_is_used_again(
    serve_archive: Callable[..., Any],
    places: Mapping[str, GeoBox],
    expected: Mapping[str, Any],
) -> None:
    server = serve_archive(fault_rate=1.0, faults=("503",), in_a_row=None)
    source = StacSource(server.stac_url, COLLECTION, policy=HASTY)
    assert all(isinstance(one, Failure) for _, one in source.load_many(places, QUERY))
    server.settings = type(server.settings)()
    assert_same(dict(source.load_many(places, QUERY)), expected)
    source.close()


CATALOG = {
    "type": "Catalog",
    "id": "c",
    "stac_version": "1.0.0",
    "description": "d",
    "conformsTo": [
        "https://api.stacspec.org/v1.0.0/core",
        "https://api.stacspec.org/v1.0.0/item-search",
    ],
}
SEARCH = {"rel": "search", "type": "application/geo+json", "href": "/search", "method": "GET"}
ROOT = {**CATALOG, "links": [SEARCH]}
PAGE = {"type": "FeatureCollection", "features": [{"type": "Feature", "id": "a"}], "links": []}


@pytest.mark.parametrize(
    ("root", "page", "words"),
    [
        ([ROOT], PAGE, "not a STAC catalogue"),
        ({**ROOT, "conformsTo": []}, PAGE, "DoesNotConformTo"),
        ({**ROOT, "type": "Feature"}, PAGE, "not a STAC API that can be searched"),
        ({**CATALOG, "links": [SEARCH, None]}, PAGE, "not a STAC API that can be searched"),
        ({**CATALOG, "links": [{**SEARCH, "href": "file:///etc/passwd"}]}, PAGE, "searched"),
        (ROOT, [PAGE], "a JSON list, expected an object"),
        (ROOT, {"code": 500, "description": "sorry"}, "not a list of items"),
        (ROOT, {**PAGE, "features": [None]}, "not a list of items"),
        (ROOT, {**PAGE, "links": [None]}, "not a STAC API that can be searched"),
        (ROOT, {**PAGE, "links": [{"rel": "next"}]}, "not a STAC API that can be searched"),
        (ROOT, {**PAGE, "links": [{"rel": "next", "href": "/search"}]}, "more than 20 items"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_catalogue_that_breaks_its_standard_is_one_clear_error(
    root: object,
    page: object,
    words: str,
    places: Mapping[str, GeoBox],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("minewatch.imagery._stac_client.MOST_ITEMS", 20)
    documents = [json.dumps(one).encode() for one in (root, root, page)]
    with served(*((200, {}, body) for body in documents)) as (url, _):
        source = StacSource(url.removesuffix("/file"), COLLECTION, policy=HASTY)
        with pytest.raises(MinewatchError, match="http://127") as raised:
            source.load(places["place-0"], QUERY)
        assert words in str(raised.value)
        source.close()


def documents_of(tree: Mapping[str, object]) -> Callable[[str], object]:
    def read(href: str) -> object:
        if href not in tree:
            raise HttpError(f"{href}: HTTP 404", status=404, permanent=True)
        return tree[href]

    return read


def links(**by_rel: str) -> list[object]:
    return [None, {"rel": "child"}, *({"rel": rel, "href": href} for rel, href in by_rel.items())]


def page(name: str, **by_rel: str) -> dict[str, object]:
    item = {"type": "Feature", "id": name, "assets": {}}
    return {"type": "FeatureCollection", "features": [item, None], "links": links(**by_rel)}


def test_static_catalogue_is_read_page_by_page_and_past_what_is_broken() -> None:
    tree = {
        "http://a.test/c.json": {"links": links(items="p1.json", child="/gone.json", next="x")},
        "http://a.test/p1.json": page("one", next="p2.json"),
        "http://a.test/p2.json": page("two", next="p1.json", child="http://b.test/c.json"),
        "http://b.test/c.json": page("elsewhere"),
    }
    found = list(linked_items("http://a.test/c.json", documents_of(tree)))
    assert [one[1]["id"] for one in found if not isinstance(one, Failure)] == ["one", "two"]
    assert [one.key for one in found if isinstance(one, Failure)] == ["http://a.test/gone.json"]


def test_static_catalogue_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minewatch.imagery._documents.MOST_DOCUMENTS", 50)
    with pytest.raises(ImageryError, match="more than 50 documents"):
        for found in linked_items(
            "http://a.test/0", lambda href: page(href, next=f"{int(href[14:]) + 1}")
        ):
            assert not isinstance(found, Failure)
    with pytest.raises(HttpError):
        list(linked_items("http://a.test/c.json", documents_of({})))


def test_static_catalogue_is_never_read_in_part_because_a_server_is_down() -> None:
    def read(href: str) -> object:
        if href.endswith("c.json"):
            return {"links": links(item="i.json")}
        raise HttpError(f"{href}: HTTP 503", status=503)

    with pytest.raises(HttpError, match="503"):
        list(linked_items("http://a.test/c.json", read))


def test_api_that_only_answers_get_is_asked_by_get(
    serve_archive: Callable[..., Any], places: Mapping[str, GeoBox], expected: Mapping[str, Any]
) -> None:
    server = serve_archive()
    landing, answer = server.api.answer("", "", None)[1], server.api.answer
    landing["links"] = [link for link in landing["links"] if link.get("method") != "POST"]

    def answer_get(path: str, query: str, content: bytes | None) -> tuple[int, Any]:
        if content is not None:
            return 405, {}
        return answer(path, query, content) if path else (200, landing)

    server.api.answer = answer_get
    source = StacSource(server.stac_url, COLLECTION, policy=HASTY)
    assert_same(dict(source.load_many(places, QUERY)), expected)
    source.close()


# One request at a time.


class Script:
    """A server that answers by a list: status, headers, body; the last answer stays."""

    def __init__(self, *answers: tuple[int, Mapping[str, str], bytes]) -> None:
        self.answers = list(answers)
        self.asked: list[Mapping[str, str]] = []
        self.paths: list[str] = []


@contextmanager
def served(*answers: tuple[int, Mapping[str, str], bytes]) -> Iterator[tuple[str, Script]]:
    script = Script(*answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            script.asked.append(dict(self.headers))
            script.paths.append(self.path)
            status, headers, body = script.answers[0]
            if len(script.answers) > 1:
                script.answers.pop(0)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with listening(Handler) as url:
        yield url, script


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/file"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def session(policy: RetryPolicy, **how: Any) -> Iterator[HttpSession]:
    asking = HttpSession(policy, **how)
    try:
        yield asking
    finally:
        asking.close()


def body_of(answer: Answer) -> bytes:
    return answer.body


GOOD = (200, {}, b"good")


def test_retry_after_is_honoured() -> None:
    waits: list[float] = []
    with (
        served((429, {"Retry-After": "60"}, b""), (503, {}, b""), GOOD) as (url, _),
        session(RetryPolicy(), pause=waits.append) as asking,
    ):
        assert asking.fetch(url, body_of) == b"good"
    assert waits[0] == 60.0
    assert 0.0 <= waits[1] <= 0.5


def test_retry_after_is_bounded() -> None:
    waits: list[float] = []
    with (
        served((429, {"Retry-After": "86400"}, b""), GOOD) as (url, _),
        session(RetryPolicy(longest_asked_wait_s=9.0), pause=waits.append) as asking,
    ):
        assert asking.fetch(url, body_of) == b"good"
    assert waits == [9.0]


def test_a_server_that_asks_for_no_wait_is_not_asked_without_one() -> None:
    waits: list[float] = []
    past = "Sun, 06 Nov 1994 08:49:37 GMT"
    said = [(429, {"Retry-After": after}, b"") for after in ("0", "0", past, past)]
    with (
        served(*said, GOOD) as (url, _),
        session(RetryPolicy(), pause=waits.append) as asking,
    ):
        assert asking.fetch(url, body_of) == b"good"
    assert len(waits) == 4
    assert all(0.0 < wait <= 0.25 * 2.0**tried for tried, wait in enumerate(waits))


def test_waits_grow_are_spread_and_repeat_with_the_seed() -> None:
    policy = RetryPolicy(attempts=9, first_wait_s=1.0, longest_wait_s=16.0, patience=99)

    def waits_of(seed: int, url: str) -> list[float]:
        waits: list[float] = []
        with (
            session(policy, pause=waits.append, seed=seed) as asking,
            pytest.raises(HttpError, match="9 attempts"),
        ):
            asking.fetch(url, body_of)
        return waits

    with served((500, {}, b"")) as (url, script):
        first, again, other = waits_of(0, url), waits_of(0, url), waits_of(1, url)
    assert first == again != other
    assert len(script.asked) == 27
    limits = np.minimum(2.0 ** np.arange(8), 16.0)
    assert (np.array(first) <= limits).all()


@pytest.mark.parametrize("status", [404, 410, 400, 403])
def test_final_answers_are_not_asked_for_again(status: int) -> None:
    with served((status, {}, b"")) as (url, script), session(HASTY) as asking:
        with pytest.raises(HttpError, match=f"HTTP {status}") as error:
            asking.fetch(f"{url}?sig=secret", body_of)
        assert len(script.asked) == 1
    assert error.value.permanent
    assert "secret" not in str(error.value)


def test_denied_link_is_renewed_once_more_each_time() -> None:
    with served((403, {}, b""), GOOD) as (url, script), session(HASTY) as asking:
        assert asking.fetch(url, body_of, renew=lambda: True) == b"good"
        assert len(script.asked) == 2


def test_answer_that_fails_its_check_is_asked_for_again() -> None:
    def check(answer: Answer) -> str:
        if answer.body != b"good":
            raise BadAnswerError("not good")
        return "checked"

    with served((200, {}, b"bad"), (200, {}, b"worse"), GOOD) as (url, _), session(HASTY) as asking:
        assert asking.fetch(url, check) == "checked"
        assert asking.traffic.retries == 2


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Range": "bytes 0-3/100"}, b"0123"),  # another part
        ({"Content-Range": "bytes 10-13/100"}, b"01"),  # too short
        ({"Content-Range": "nonsense"}, b"0123"),
        ({}, b"0123"),
    ],
)
def test_part_that_was_not_asked_for_is_not_taken(headers: dict[str, str], body: bytes) -> None:
    good = (206, {"Content-Range": "bytes 10-13/100"}, b"abcd")
    with served((206, headers, body), good) as (url, _), session(HASTY) as asking:
        answer = asking.fetch(url, lambda found: found, byte_range=(10, 4))
    assert (answer.body, answer.total_bytes) == (b"abcd", 100)


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize("asked", [(0, 10), None], ids=["part", "whole"])
def test_answer_that_is_too_large_is_not_read_to_its_end(
    asked: tuple[int, int] | None, chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minewatch._http._MAX_WHOLE_BYTES", 1 << 20)
    sent = 0
    body = bytes(1 << 16)
    n_pieces = 800  # 52 MB, more than any buffer between

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            nonlocal sent
            self.send_response(200 if asked is None else 206)
            if asked is not None:
                self.send_header("Content-Range", "bytes 0-9/99999999")
            if chunked:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(body) * n_pieces))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                for _ in range(n_pieces):
                    self.wfile.write(b"10000\r\n" + body + b"\r\n" if chunked else body)
                    sent += len(body)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    policy = RetryPolicy(attempts=1)
    with listening(Handler) as url, session(policy) as asking:
        with pytest.raises(HttpError, match="expected at most"):
            asking.fetch(url, body_of, byte_range=asked)
        assert asking.traffic.received_bytes == 0
    assert sent < len(body) * n_pieces


def test_server_that_knows_no_parts_is_cut_to_size() -> None:
    with served((200, {}, b"0123456789")) as (url, _), session(HASTY) as asking:
        answer = asking.fetch(url, lambda found: found, byte_range=(2, 3))
    assert (answer.body, answer.total_bytes) == (b"234", 10)


def test_json_that_is_cut_off_is_asked_for_again() -> None:
    answers = (200, {}, b'{"a": '), (200, {}, json.dumps({"a": 1}).encode())
    with served(*answers) as (url, script), session(HASTY) as asking:
        assert asking.fetch_json(url) == {"a": 1}
        assert script.asked[0]["User-Agent"].startswith("minewatch/")


def test_server_that_is_down_is_tried_once_until_it_answers() -> None:
    policy = RetryPolicy(attempts=4, patience=6, first_wait_s=0.0)
    with served((503, {}, b"")) as (url, script), session(policy) as asking:
        counts = []
        for _ in range(4):
            with pytest.raises(HttpError):
                asking.fetch(url, body_of)
            counts.append(len(script.asked))
        assert counts == [4, 6, 7, 8]
        script.answers[:] = [GOOD, (503, {}, b""), GOOD]
        assert asking.fetch(url, body_of) == b"good"
        assert asking.fetch(url, body_of) == b"good", "retried again"


def test_closed_session_ends_its_waits() -> None:
    with served((503, {"Retry-After": "3600"}, b"")) as (url, script):
        asking = HttpSession(RetryPolicy(longest_wait_s=3600.0))
        errors: list[Exception] = []

        def ask() -> None:
            try:
                asking.fetch(url, body_of)
            except HttpError as error:
                errors.append(error)

        waiting = threading.Thread(target=ask)
        waiting.start()
        while not script.asked:
            waiting.join(0.01)
        asking.close()
        waiting.join(10)
        assert not waiting.is_alive()
        assert "closed" in str(errors[0])
        script.answers[:] = [GOOD]
        assert asking.fetch(url, body_of) == b"good", "it may be used again"
        asking.close()


def test_a_name_that_nobody_knows_is_asked_for_three_times_and_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def unknown(host: str, *_rest: object, **_more: object) -> None:
        asked.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    session = HttpSession(RetryPolicy(attempts=12), pause=lambda _seconds: None)
    with (
        contextlib.closing(session),
        pytest.raises(HttpError, match=r"nobody knows example\.invalid; is this"),
    ):
        session.fetch_json("https://example.invalid/search")
    assert len(asked) == 3
