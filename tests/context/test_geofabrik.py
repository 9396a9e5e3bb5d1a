"""Regions' extracts arrive whole, verified, and only once."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import urllib3
from urllib3.util.retry import RequestHistory

from minewatch._http import RetryPolicy, _check_status
from minewatch.context import RegionSource
from minewatch.context._border import find_border, read_border
from minewatch.context._geofabrik import REGIONS, fetch_region
from minewatch.errors import ContextError, InputError, SettingsError

MIB = 1 << 20
PUBLISHED = "venezuela-latest.osm.pbf"
NAME = f"south-america-{PUBLISHED}"
QUICK = RetryPolicy(attempts=6, first_wait_s=0.0, longest_wait_s=0.0)


def publish(folder: Path, seed: int, size: int = 20 * MIB, path: str = "south-america") -> bytes:
    """Put a file and its checksum on a server."""
    content = np.random.default_rng(seed).bytes(size)
    file = folder / path / PUBLISHED
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    file.with_name(f"{PUBLISHED}.md5").write_text(f"{digest}  {PUBLISHED}\n")
    return content


def source(url: str, region: str = "venezuela") -> RegionSource:
    return RegionSource(region=region, url=f"{url}/data", retry=QUICK)


class StopError(Exception):
    pass


def stop_after(done_bytes: int):
    """Give a progress that ends the run once so much is done."""

    def progress(_step: str, done: int, _total: int) -> None:
        if done >= done_bytes:
            raise StopError

    return progress


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def left(folder: Path) -> list[str]:
    """List what lies in a folder, but for locks."""
    return sorted(file.name for file in folder.iterdir() if not file.name.endswith(".lock"))


def test_an_extract_is_downloaded_once_and_says_where_it_is_from(servers, site, tmp_path):
    content = publish(site, 1)
    with servers.serve(site) as server:
        file = fetch_region(source(server.url), tmp_path / "c")
        asked = server.counts.requests
        assert fetch_region(source(server.url), tmp_path / "c") == file
        assert server.counts.requests == asked
    assert file.read_bytes() == content
    note = json.loads(file.with_name(f"{NAME}.json").read_text())
    assert note["url"].endswith("/south-america/venezuela-latest.osm.pbf")
    assert note["md5"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert left(tmp_path / "c") == [NAME, f"{NAME}.json"]


def test_a_stopped_download_goes_on_where_it_was(servers, site, tmp_path):
    content = publish(site, 1)
    with servers.serve(site) as server:
        with pytest.raises(StopError):
            fetch_region(source(server.url), tmp_path, progress=stop_after(16 * MIB))
        assert not (tmp_path / NAME).exists()
        server.reset_counts()
        file = fetch_region(source(server.url), tmp_path)
        assert server.counts.bytes_sent < 5 * MIB
    assert file.read_bytes() == content


@pytest.mark.parametrize("size", [20 * MIB, 19 * MIB], ids=["same size", "other size"])
def test_a_newer_edition_is_not_joined_to_half_of_the_older(servers, site, tmp_path, size):
    publish(site, 1)
    with servers.serve(site) as server:
        with pytest.raises(StopError):
            fetch_region(source(server.url), tmp_path, progress=stop_after(8 * MIB))
        newer = publish(site, 2, size)
        assert fetch_region(source(server.url), tmp_path).read_bytes() == newer


def test_an_edition_that_changes_on_the_way_is_begun_again(servers, site, tmp_path):
    publish(site, 1)
    newer: list[bytes] = []

    def replace_once(_step: str, done: int, _total: int) -> None:
        if done == 8 * MIB and not newer:
            newer.append(publish(site, 2, 19 * MIB))

    with servers.serve(site) as server:
        file = fetch_region(source(server.url), tmp_path, progress=replace_once)
    assert file.read_bytes() == newer[0]


@pytest.mark.parametrize("fault", ["reset", "429", "503", "truncated"])
def test_faults_that_pass_change_nothing(servers, site, tmp_path, fault):
    content = publish(site, 1)
    settings = servers.ServerSettings(fault_rate=0.6, faults=(fault,), in_a_row=2)
    with servers.serve(site, settings) as server:
        file = fetch_region(source(server.url), tmp_path)
        assert server.counts.faults[fault] > 0
    assert file.read_bytes() == content


def test_a_server_that_asks_for_a_long_wait_is_not_asked_before(servers, site, tmp_path):
    publish(site, 1, MIB)
    settings = servers.ServerSettings(
        fault_rate=1.0, faults=("429",), in_a_row=None, retry_after="3600"
    )
    with servers.serve(site, settings) as server:
        with pytest.raises(ContextError, match=r"asks to wait 3600 s.*download http"):
            fetch_region(source(server.url), tmp_path)
        assert server.counts.requests == 1


def test_what_does_not_fit_its_checksum_never_bears_the_name(servers, site, tmp_path):
    publish(site, 1, 1 * MIB)
    (site / "south-america" / f"{PUBLISHED}.md5").write_text(f"{'0' * 32}  {NAME}\n")
    with servers.serve(site) as server, pytest.raises(ContextError, match="checksum"):
        fetch_region(source(server.url), tmp_path / "c")
    assert left(tmp_path / "c") == []


BORDER = "venezuela\n1\n -73 0\n -60 0\n -60 12\n -73 12\nEND\nEND\n"


def test_the_border_of_an_extract_comes_with_it(servers, site, tmp_path):
    publish(site, 1, MIB)
    (site / "south-america" / "venezuela.poly").write_text(BORDER)
    with servers.serve(site) as server:
        file = fetch_region(source(server.url), tmp_path / "c")
    assert find_border(file) == tmp_path / "c" / "south-america-venezuela.poly"
    assert read_border(find_border(file)).bounds == (-73, 0, -60, 12)


@pytest.mark.parametrize("text", [None, "<html>not found</html>"])
def test_a_server_without_borders_gives_the_extract_all_the_same(servers, site, tmp_path, text):
    content = publish(site, 1, MIB)
    if text:
        (site / "south-america" / "venezuela.poly").write_text(text)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "south-america-venezuela.poly").write_text("of an older edition")
    with servers.serve(site) as server:
        file = fetch_region(source(server.url), tmp_path / "c")
    assert file.read_bytes() == content
    assert find_border(file) is None


def test_without_a_network_the_message_says_what_to_download(tmp_path):
    there_is_none = RegionSource(
        region="Venezuela", url="http://127.0.0.1:9", retry=RetryPolicy(attempts=1)
    )
    with pytest.raises(ContextError) as caught:
        fetch_region(there_is_none, tmp_path)
    words = str(caught.value)
    assert "http://127.0.0.1:9/south-america/venezuela-latest.osm.pbf" in words
    assert "--extract venezuela-latest.osm.pbf" in words
    assert 'in study.toml source = "venezuela-latest.osm.pbf"' in words
    assert "http://127.0.0.1:9/south-america/venezuela.poly, put beside it" in words
    assert "\n" not in words


def test_a_region_that_is_not_known_is_looked_up_in_the_index(servers, site, tmp_path):
    content = publish(site, 1, MIB, path="south-america/brazil")
    with servers.serve(site) as server:
        url = f"{server.url}/data/south-america/brazil/{PUBLISHED}"
        listed = {"features": [{"properties": {"id": "norte", "urls": {"pbf": url}}}]}
        (site / "index-v1-nogeom.json").write_text(json.dumps(listed))
        assert fetch_region(source(server.url, "norte"), tmp_path).read_bytes() == content
        with pytest.raises(InputError, match="norte"):
            fetch_region(source(server.url, "nort"), tmp_path)


@pytest.mark.parametrize("has_index", [True, False])
def test_a_misspelt_region_is_told_the_right_one(servers, site, tmp_path, has_index):
    if has_index:
        listed = {"features": [{"properties": {"id": "venezuela", "urls": {"pbf": "x"}}}]}
        (site / "index-v1-nogeom.json").write_text(json.dumps(listed))
    with (
        servers.serve(site) as server,
        pytest.raises(InputError, match=r"\(did you mean venezuela\?\)"),
    ):
        fetch_region(source(server.url, "venezula"), tmp_path)


@pytest.mark.parametrize("elsewhere", ["https://127.0.0.1", "http://example.org"])
def test_an_index_leads_to_no_other_server(servers, site, tmp_path, elsewhere):
    with servers.serve(site) as server:
        url = elsewhere.replace("https://127.0.0.1", server.url.replace("http:", "https:"))
        file = f"{url}/data/south-america/brazil/{PUBLISHED}"
        listed = {"features": [{"properties": {"id": "norte", "urls": {"pbf": file}}}]}
        (site / "index-v1-nogeom.json").write_text(json.dumps(listed))
        with pytest.raises(InputError, match="not on that server"):
            fetch_region(source(server.url, "norte"), tmp_path)


def test_a_server_that_leads_on_to_an_unguarded_one_is_not_followed():
    led = [RequestHistory("GET", "https://a.test/x", None, 302, "http://a.test/x")]
    retries = urllib3.Retry(history=tuple(led))
    answer = urllib3.HTTPResponse(status=200, request_url="/x", retries=retries)
    _check_status(answer, "http://a.test/x", None)
    with pytest.raises(Exception, match="which anyone may alter"):
        _check_status(answer, "https://a.test/x", None)


def test_names_are_read_as_people_write_them():
    assert RegionSource(region="Burkina Faso").path == "africa/burkina-faso"
    assert RegionSource(region="south-america/brazil/norte").path == "south-america/brazil/norte"
    assert all(path.count("/") >= 1 for path in REGIONS.values())
    with pytest.raises(SettingsError, match="names no region"):
        RegionSource(region="../etc")


def test_regions_of_one_name_have_files_of_their_own():
    names = {
        RegionSource(region=path).file_name
        for path in ("europe/georgia", "north-america/us/georgia")
    }
    assert len(names) == 2
