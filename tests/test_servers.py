"""The test servers: real clients get from them what a far archive would give, faults included."""

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import xarray as xr
from pystac_client import Client
from pystac_client.stac_api_io import StacApiIO
from urllib3.util import Retry

from minewatch.grid import PatchGrid
from minewatch.imagery import FolderSource, SceneQuery, StacSource

COLLECTION = "sentinel-2-l2a"
VSICURL = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_HTTP_MAX_RETRY": "0"}


def ask(
    url: str, *, span: str = "", method: str = "GET", token: str = ""
) -> tuple[int, bytes, dict[str, str]]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=10)
    headers = {"Range": span} if span else {}
    try:
        connection.request(
            method, f"{address.path}?{token}" if token else address.path, b"", headers
        )
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def some_file(toy_archive: Path) -> str:
    return min(path.relative_to(toy_archive).as_posix() for path in toy_archive.rglob("B04.tif"))


def test_ranges_are_the_bytes_of_the_file(
    archive_server: Any, toy_archive: Path, some_file: str
) -> None:
    content = (toy_archive / some_file).read_bytes()
    url = f"{archive_server.url}/data/{some_file}"
    assert ask(url)[:2] == (200, content)
    assert ask(url, span="bytes=100-299")[:2] == (206, content[100:300])
    assert ask(url, span="bytes=-50")[:2] == (206, content[-50:])
    status, body, headers = ask(url, span=f"bytes={len(content) - 10}-99999999")
    assert (status, body) == (206, content[-10:])
    assert (
        headers["Content-Range"] == f"bytes {len(content) - 10}-{len(content) - 1}/{len(content)}"
    )
    assert ask(url, span="bytes=99999999-")[0] == 416
    status, body, headers = ask(url, method="HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(len(content)))


def test_no_file_beyond_the_folder_is_given(archive_server: Any) -> None:
    assert ask(f"{archive_server.url}/data/nothing.tif")[0] == 404
    assert ask(f"{archive_server.url}/data/../../../../etc/hostname")[0] == 404
    assert ask(f"{archive_server.url}/data/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/hostname")[0] == 404


def test_gdal_reads_a_window_over_http_as_from_disk(
    serve_archive: Callable[..., Any], toy_archive: Path, some_file: str
) -> None:
    server = serve_archive()
    window = ((0, 100), (20, 90))
    with rasterio.open(toy_archive / some_file) as file:
        expected = file.read(1, window=window)
    with (
        rasterio.Env(**VSICURL),
        rasterio.open(f"/vsicurl/{server.url}/data/{some_file}") as file,
    ):
        found = file.read(1, window=window)
    np.testing.assert_array_equal(found, expected)
    assert server.counts.requests >= 1
    assert server.counts.paths[some_file] == server.counts.requests
    assert server.counts.bytes_sent > 0


def test_one_connection_carries_many_requests(
    serve_archive: Callable[..., Any], some_file: str
) -> None:
    server = serve_archive()
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    for _ in range(5):
        connection.request("GET", f"/data/{some_file}", headers={"Range": "bytes=0-9"})
        assert len(connection.getresponse().read()) == 10
    connection.close()
    assert (server.counts.requests, server.counts.connections) == (5, 1)
    assert server.counts.peak == 1


@pytest.mark.parametrize(("fault", "status"), [("429", 429), ("500", 500), ("503", 503)])
def test_servers_refuse_as_told(
    serve_archive: Callable[..., Any], some_file: str, fault: str, status: int
) -> None:
    server = serve_archive(fault_rate=1.0, faults=(fault,), in_a_row=2)
    url = f"{server.url}/data/{some_file}"
    answers = [ask(url, span="bytes=0-9") for _ in range(3)]
    assert [answer[0] for answer in answers] == [status, status, 206]
    assert server.counts.faults == {fault: 2}
    assert answers[0][2].get("Retry-After") == ("0" if fault == "429" else None)


def test_connections_break(serve_archive: Callable[..., Any], some_file: str) -> None:
    server = serve_archive(fault_rate=1.0, faults=("reset",))
    with pytest.raises(ConnectionError):
        ask(f"{server.url}/data/{some_file}")


@pytest.mark.parametrize("fault", ["truncated", "stalled"])
def test_answers_end_too_early(
    serve_archive: Callable[..., Any], some_file: str, fault: str
) -> None:
    server = serve_archive(fault_rate=1.0, faults=(fault,), stall_s=0.01)
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(f"{server.url}/data/{some_file}", span="bytes=0-99")
    assert (len(caught.value.partial), caught.value.expected) == (50, 50)


def test_garbage_has_the_right_length_and_the_wrong_bytes(
    serve_archive: Callable[..., Any], toy_archive: Path, some_file: str
) -> None:
    server = serve_archive(fault_rate=1.0, faults=("garbage",))
    status, body, _ = ask(f"{server.url}/data/{some_file}", span="bytes=0-99")
    assert (status, len(body)) == (206, 100)
    assert body != (toy_archive / some_file).read_bytes()[:100]


def test_what_goes_wrong_depends_on_the_request_and_not_on_the_order(
    serve_archive: Callable[..., Any], some_file: str
) -> None:
    spans = [f"bytes={10 * i}-{10 * i + 9}" for i in range(60)]

    def statuses(order: list[str]) -> dict[str, int]:
        server = serve_archive(fault_rate=0.3, faults=("500",), seed=4)
        url = f"{server.url}/data/{some_file}"
        return {span: ask(url, span=span)[0] for span in order}

    forth = statuses(spans)
    assert forth == statuses(spans[::-1])
    assert 8 <= sum(status == 500 for status in forth.values()) <= 28


def test_no_request_fails_for_ever_unless_told_so(
    serve_archive: Callable[..., Any], some_file: str
) -> None:
    server = serve_archive(fault_rate=1.0, faults=("503",), in_a_row=None)
    statuses = {ask(f"{server.url}/data/{some_file}")[0] for _ in range(8)}
    assert statuses == {503}


def test_signed_files_want_a_token_that_holds(
    serve_archive: Callable[..., Any], some_file: str
) -> None:
    server = serve_archive(signed=True, token_uses=2)
    url = f"{server.url}/data/{some_file}"
    said = json.loads(ask(f"{server.url}/token/any/container")[1])
    assert said["msft:expiry"].endswith("Z")
    statuses = [ask(url)[0], *(ask(url, token=said["token"])[0] for _ in range(3))]
    assert statuses == [403, 200, 200, 403]
    again = json.loads(ask(f"{server.url}/token")[1])["token"]
    assert ask(url, token=f"se=1&{again}")[0] == 200
    assert server.counts.tokens == 2


def found_ids(url: str, **search: Any) -> list[str]:
    return [item.id for item in Client.open(url).search(collections=[COLLECTION], **search).items()]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pystac_client_pages_through_every_item(archive_server: Any, method: str) -> None:
    ids = found_ids(archive_server.stac_url, limit=3, method=method)
    assert ids == [item["id"] for item in archive_server.api.items.values()]
    assert len(set(ids)) == len(ids) > 8


def test_searches_keep_to_the_place_and_the_period(archive_server: Any) -> None:
    items = archive_server.api.items.values()
    days = sorted(item["properties"]["datetime"][:10] for item in items)
    inside = found_ids(archive_server.stac_url, datetime=f"{days[2]}/{days[-3]}", limit=4)
    expected = {
        item["id"] for item in items if days[2] <= item["properties"]["datetime"][:10] <= days[-3]
    }
    assert set(inside) == expected
    assert 0 < len(expected) < len(items)
    assert found_ids(archive_server.stac_url, bbox=[10.0, 50.0, 11.0, 51.0]) == []
    point = {"type": "Point", "coordinates": list(items.__iter__().__next__()["bbox"][:2])}
    around = found_ids(archive_server.stac_url, intersects=point)
    assert len(around) < len(items)


def test_items_are_found_by_id_and_point_to_the_file_server(
    archive_server: Any, toy_archive: Path
) -> None:
    name = next(iter(archive_server.api.items))
    client = Client.open(archive_server.stac_url)
    item = next(client.search(ids=[name]).items())
    again = client.get_collection(COLLECTION).get_item(name)
    assert again is not None
    assert again.assets["red"].href == item.assets["red"].href
    path = toy_archive / item.assets["red"].href.removeprefix(f"{archive_server.url}/data/")
    assert path.is_file()


def test_the_api_fails_as_told_and_a_patient_client_gets_through(
    serve_archive: Callable[..., Any],
) -> None:
    server = serve_archive(fault_rate=0.5, api_faults=True, in_a_row=2, seed=2)
    retry = Retry(total=4, status_forcelist=(429, 500, 503), allowed_methods=None)
    client = Client.open(server.stac_url, stac_io=StacApiIO(max_retries=retry))
    found = list(client.search(collections=[COLLECTION], limit=2).items())
    assert len(found) == len(server.api.items)
    assert sum(server.counts.faults.values()) > 0


def test_a_server_of_another_make_finds_the_same(
    servers: ModuleType, archive_server: Any, toy_archive: Path, tmp_path: Path
) -> None:
    items = list(archive_server.api.items.values())
    middle = sorted(item["properties"]["datetime"] for item in items)[len(items) // 2]
    searches: list[dict[str, Any]] = [
        {"limit": 4},
        {"datetime": f"2023-01-01T00:00:00Z/{middle}"},
        {"bbox": items[0]["bbox"]},
        {"intersects": {"type": "Point", "coordinates": items[0]["bbox"][:2]}},
    ]
    with servers.serve_rustac(toy_archive, f"{archive_server.url}/data", tmp_path) as url:
        for search in searches:
            theirs, ours = found_ids(url, **search), found_ids(archive_server.stac_url, **search)
            assert sorted(theirs) == sorted(ours), search


def test_places_loaded_from_a_server_of_another_make_are_those_of_the_folder(
    servers: ModuleType,
    archive_server: Any,
    toy_archive: Path,
    toy_sites: gpd.GeoDataFrame,
    tmp_path: Path,
) -> None:
    query = SceneQuery(start="2023-01-01", end="2023-12-31")
    places = {
        str(key): PatchGrid().geobox(point.x, point.y)
        for key, point in toy_sites.geometry.iloc[::5].items()
    }
    expected = dict(FolderSource(toy_archive).load_many(places, query))
    with servers.serve_rustac(toy_archive, f"{archive_server.url}/data", tmp_path) as url:
        source = StacSource(url, COLLECTION)
        found = {key: source.load(geobox, query) for key, geobox in places.items()}
        source.close()
    for key, composite in found.items():
        xr.testing.assert_equal(composite, expected[key])
        assert composite.attrs["scenes"] == expected[key].attrs["scenes"]
        assert composite["clear_count"].to_numpy().any()


def test_a_server_apart_tells_what_it_was_asked(
    servers: ModuleType, toy_archive: Path, some_file: str
) -> None:
    settings = servers.ServerSettings(latency_s=0.001, fault_rate=1.0, faults=("500",), in_a_row=1)
    with servers.serve_apart(toy_archive, settings) as server:
        url = f"{server.url}/data/{some_file}"
        assert [ask(url, span="bytes=0-9")[0] for _ in range(2)] == [500, 206]
        counts = server.counts
        assert (counts.requests, counts.bytes_sent, counts.faults["500"]) == (2, 10, 1)
        server.reset_counts()
        assert server.counts.requests == 0
        assert len(found_ids(server.stac_url)) > 8
