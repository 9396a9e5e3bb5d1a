"""Who is let in: hosts, origins, tokens, sizes, and requests that are none."""

import contextlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minewatch.errors import SettingsError
from minewatch.maps.review import DeskSettings

ALL = "0.0.0.0"  # noqa: S104 - nothing is bound
PATHS = ["/api/review", "/api/items?reviewer=Ana", "/api/items/1/scenes/0", "/api/openapi.json"]


@pytest.fixture(scope="module")
def desk(maker, tmp_path_factory):
    """Give a desk that all tests here share, for none of them gets anything into it."""
    made = maker.make_desk(tmp_path_factory.mktemp("desk") / "review.gpkg")
    yield made
    assert made.store.decisions().empty
    made.store.close()


@pytest.fixture(scope="module")
def served(maker, desk):
    """Serve it."""
    with maker.serving(desk) as asking:
        yield asking


@pytest.fixture
def client(maker, served):
    """Give what asks it, each time with the right token."""
    served.headers.update(maker.HEADERS)
    return served


def raw(client, text: bytes) -> bytes:
    """Send bytes as they are, and give the answer's first line; b"" if it was cut off."""
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as wire:
        answer = b""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # cut off
            wire.sendall(text)
            with contextlib.suppress(OSError):  # cut off before
                wire.shutdown(socket.SHUT_WR)
            while part := wire.recv(65_536):
                answer += part
    return answer.split(b"\r\n")[0]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", [None, "", "wrong", "a-token-that-is-long-enougH"])
def test_nothing_is_told_without_the_token(client, path, token):
    client.headers.pop("X-Minewatch-Token")
    answer = client.get(path, headers={} if token is None else {"X-Minewatch-Token": token})
    assert answer.status_code == 401
    assert set(answer.json()) == {"detail"}


def test_the_page_itself_holds_no_data_and_no_token(maker, client):
    client.headers.pop("X-Minewatch-Token")
    page = client.get("/")
    assert page.status_code == 200
    assert maker.TOKEN not in page.text
    assert "place-0" not in page.text


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.7", "",
     "127.0.0.1@evil.example", "user:password@127.0.0.1"],
)  # fmt: skip
def test_a_name_that_was_rebound_to_this_machine_is_refused(client, host):
    for path in ("/", *PATHS):
        assert client.get(path, headers={"Host": host}).status_code in (400, 421)


@pytest.mark.parametrize("host", ["localhost", "localhost:9", "127.0.0.1:80", "[::1]:8642"])
def test_names_of_this_machine_are_let_in_whatever_port_a_tunnel_gives(client, host):
    assert client.get("/api/review", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_page_of_another_site_cannot_decide_even_with_the_token(maker, client, desk, headers):
    answer = client.post("/api/decisions", json=maker.decision(1), headers=headers)
    assert answer.status_code == 403
    assert desk.store.decisions().empty


def test_a_link_of_another_site_leads_to_the_page_but_to_no_data(client):
    linked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=linked).status_code == 200
    assert client.get("/api/review", headers=linked).status_code == 403


def test_a_form_of_another_site_cannot_decide(maker, client, desk):
    plain = {"Content-Type": "text/plain"}
    client.headers.pop("X-Minewatch-Token")
    assert client.post("/api/decisions", content=b"{}", headers=plain).status_code == 401
    assert desk.store.decisions().empty


def test_no_other_site_is_ever_allowed_to_read(client):
    for path in ("/", "/api/review"):
        answer = client.get(path, headers={"Origin": str(client.base_url).rstrip("/")})
        assert answer.status_code == 200
        assert not any(name.startswith("access-control") for name in answer.headers)
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert client.options("/api/decisions", headers=asked).status_code == 403


def test_every_answer_bears_the_strict_headers(client):
    for path in ("/", "/api/review", "/api/nothing", "/assets/desk.js"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../_app.py",
        "/assets/..%2f_app.py",
        "/assets/%2e%2e/%2e%2e/_store.py",
        "//etc/passwd",
        "/assets//etc/passwd",
        "/api/items/..%2f..%2fetc%2fpasswd",
        "/api/items/1/scenes/0/..%2f..%2fdesk.js",
        "/assets/desk.js%00.css",
        "/assets/strings.json/..",
    ],
)
def test_no_path_of_a_request_reaches_the_disk(client, path):
    line = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Minewatch-Token: "
    line += client.headers["X-Minewatch-Token"] + "\r\nConnection: close\r\n\r\n"
    status = raw(client, line.encode())
    assert status.split()[1] in (b"404", b"422", b"400", b"401"), status


def test_a_body_that_is_too_large_is_refused_before_it_is_read(maker, client, desk):
    body = maker.decision(1, note="x" * 70_000)
    assert client.post("/api/decisions", json=body).status_code == 413

    def chunks():  # without saying how much it will be
        for _ in range(70):
            yield b"x" * 1_000

    assert client.post("/api/decisions", content=chunks()).status_code == 413
    assert desk.store.decisions().empty


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"uid": NaN}',
        b"[" * 30_000,
        b'{"a":' * 9_000,
        b'{"uid": "aaaaaaaa", "number": 1, "verdict": "mine", "reviewer": "\\ud800"}',
        b'{"uid": "aaaaaaaa", "number": 1, "verdict": "mine", "reviewer": "A", "extra": 1}',
        b'{"uid": "aaaaaaaa", "number": 1e400, "verdict": "mine", "reviewer": "A"}',
        b'{"uid": "aaaaaaaa", "number": 99999999999999999999, "verdict": "mine", "reviewer": "A"}',
    ],
)
def test_a_body_that_is_no_decision_is_refused_and_keeps_nothing(client, desk, body):
    answer = client.post(
        "/api/decisions", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    assert "detail" in answer.json()
    assert desk.store.decisions().empty


@pytest.mark.parametrize(
    "text",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"POST /api/decisions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/decisions HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: odd\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_and_the_desk_goes_on(client, text):
    status = raw(client, text)
    assert not status or status.split()[1].startswith(b"4")
    assert client.get("/api/review").status_code == 200


@pytest.mark.parametrize("host", [ALL, "192.168.1.5", "::", "desk.example.org"])
def test_other_machines_are_served_only_with_a_token_of_ones_own(host):
    with pytest.raises(SettingsError, match="MINEWATCH_REVIEW_TOKEN"):
        DeskSettings(host=host)
    with pytest.raises(SettingsError, match="at least 16"):
        DeskSettings(host=host, token="x" * 15)
    assert DeskSettings(host=host, token="x" * 16).token == "x" * 16


def test_a_desk_for_all_addresses_takes_numbers_and_named_hosts_but_no_other_name():
    settings = DeskSettings(host=ALL, token="x" * 16, allowed_hosts=("desk.example.org",))
    assert settings.is_called("192.168.1.5:8642")
    assert settings.is_called("[fe80::1]:8642")
    assert settings.is_called("Desk.Example.org")
    assert not settings.is_called("evil.example")


@given(st.text())
def test_no_odd_host_is_let_in(host):
    if DeskSettings().is_called(host):
        assert host.lower().rstrip(".").rsplit(":", 1)[0].rstrip(".") in {
            "localhost", "127.0.0.1", "[::1]",
        }  # fmt: skip
