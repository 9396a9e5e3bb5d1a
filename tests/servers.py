"""Servers on loopback for tests and benchmarks: files by range, and a STAC API over a toy archive.

`serve` starts a thread of this process. `serve_apart` starts a process of its own, so that neither
its time nor its locks are counted with what is measured; it is this file, run as a script.

What goes wrong is drawn from a seed, the request and how often it came before, so that it does not
depend on the order in which threads ask.
"""

import argparse
import hashlib
import json
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:  # this file is loaded by its path
    sys.path.append(HERE)

from stac_api import StacApi, hosted_item  # noqa: E402

FAULTS = ("reset", "429", "500", "503", "truncated", "stalled", "garbage", "expired")
"""All that can go wrong: the connection breaks; too many requests (Retry-After: 0); errors of the
server; fewer bytes than announced; half the bytes, then silence, then the end; as many bytes as
announced, but others; a signature that expired (403; only where links are signed)."""


@dataclass(frozen=True)
class ServerSettings:
    """How a server behaves."""

    latency_s: float = 0.0
    """How long each answer waits, as a far server's would."""
    fault_rate: float = 0.0
    """Share of the requests for files that go wrong."""
    faults: tuple[str, ...] = FAULTS[:-1]
    """What may go wrong, each as often as the others."""
    in_a_row: int | None = 3
    """A request that went wrong so often in a row goes well; None: no end to it."""
    stall_s: float = 0.5
    """How long a stalled answer is silent."""
    seed: int = 0
    api_faults: bool = False
    """Whether requests to the API go wrong too: 429, 500 and 503, at the same rate."""
    retry_after: str = "0"
    """What comes with the status 429."""
    signed: bool = False
    """Whether files are given only to who asks with a token of ``/token``."""
    token_uses: int | None = None
    """How many files a token opens before it expires; None: any number."""


@dataclass
class Counts:
    """What a server was asked."""

    requests: int = 0
    """For files; requests to the API are in `api_requests`."""
    api_requests: int = 0
    tokens: int = 0
    bytes_sent: int = 0
    """Of files' contents."""
    peak: int = 0
    """Most requests under way at once."""
    connections: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)
    """Requests by file."""


class ArchiveServer:
    """Serve a folder's files below ``/data/``, and its STAC items as an API at ``/stac``."""

    def __init__(self, folder: Path, settings: ServerSettings, port: int = 0) -> None:
        self.folder, self.settings = folder.resolve(), settings
        self.counts = Counts()
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()
        self._row: Counter[str] = Counter()
        self._under_way = 0
        self._tokens: dict[str, int] = {}
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.owner = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.api = StacApi(self.folder, f"{self.url}/stac", f"{self.url}/data")
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def stac_url(self) -> str:
        """Root of the API."""
        return f"{self.url}/stac"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reset_counts(self) -> None:
        """Begin to count anew; what goes wrong begins anew too."""
        with self._lock:
            self.counts = Counts()
            self._asked.clear()
            self._row.clear()

    def count(self, **more: int | str) -> None:
        with self._lock:
            for name, value in more.items():
                if isinstance(value, int):
                    setattr(self.counts, name, getattr(self.counts, name) + value)
                else:
                    getattr(self.counts, name)[value] += 1

    @contextmanager
    def under_way(self) -> Iterator[None]:
        with self._lock:
            self._under_way += 1
            self.counts.peak = max(self.counts.peak, self._under_way)
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def draw_fault(self, request: str, among: tuple[str, ...]) -> str | None:
        """Decide whether this request goes wrong, and how."""
        rate, most = self.settings.fault_rate, self.settings.in_a_row
        if rate <= 0.0 or not among:
            return None
        with self._lock:
            self._asked[request] += 1
            key = f"{self.settings.seed} {request} {self._asked[request]}"
            bits = hashlib.sha256(key.encode()).digest()
            luck = int.from_bytes(bits[:8], "big") / 2**64
            if luck >= rate or (most is not None and self._row[request] >= most):
                self._row[request] = 0
                return None
            self._row[request] += 1
            fault = among[int.from_bytes(bits[8:12], "big") % len(among)]
            self.counts.faults[fault] += 1
            return fault

    def new_token(self) -> dict[str, str]:
        """Give a token, in the words of the Planetary Computer."""
        with self._lock:
            token = f"sig={secrets.token_hex(8)}"
            self._tokens[token] = 0
            self.counts.tokens += 1
        expiry = datetime.now(UTC) + timedelta(hours=1)
        return {"msft:expiry": f"{expiry:%Y-%m-%dT%H:%M:%SZ}", "token": token}

    def admits(self, query: str) -> bool:
        """Say whether a link is signed with a token that still holds, and count its use."""
        if not self.settings.signed:
            return True
        uses = self.settings.token_uses
        with self._lock:
            for part in query.split("&"):
                if part in self._tokens and (uses is None or self._tokens[part] < uses):
                    self._tokens[part] += 1
                    return True
        return False


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    owner: ArchiveServer

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.owner.count(connections=1)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer(None)

    def do_HEAD(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(content)

    def _answer(self, content: bytes | None) -> None:
        owner = self.server.owner
        address = urlsplit(self.path)
        with owner.under_way():
            if owner.settings.latency_s > 0.0:
                time.sleep(owner.settings.latency_s)
            if address.path.startswith("/data/"):
                self._give_file(unquote(address.path[6:]), address.query)
            elif address.path == "/stac" or address.path.startswith("/stac/"):
                self._give_stac(address.path[5:], address.query, content)
            elif address.path.startswith("/token"):
                self._give_json(200, owner.new_token())
            elif address.path == "/counts":
                self._give_json(200, vars(owner.counts))
            elif address.path == "/reset":
                owner.reset_counts()
                self._give_json(200, {})
            else:
                self._give_error(404)

    def _give_stac(self, path: str, query: str, content: bytes | None) -> None:
        owner = self.server.owner
        owner.count(api_requests=1)
        among = ("429", "500", "503") if owner.settings.api_faults else ()
        fault = owner.draw_fault(f"{path}?{query} {content!r}", among)
        if fault is not None:
            self._give_error(int(fault))
            return
        status, answer = owner.api.answer(path, query, content)
        self._give_json(status, answer)

    def _give_file(self, name: str, query: str) -> None:
        owner = self.server.owner
        owner.count(requests=1, paths=name)
        span = self.headers.get("Range", "")
        settings = owner.settings
        among = tuple(kind for kind in settings.faults if kind != "expired" or settings.signed)
        fault = owner.draw_fault(f"{self.command} {name} {span}", among)
        path = (owner.folder / name).resolve()
        if fault is not None and fault.isdigit():
            self._give_error(int(fault))
        elif fault == "expired" or not owner.admits(query):
            self._give_error(403)
        elif fault == "reset":
            self._break_off()
        elif not path.is_relative_to(owner.folder) or not path.is_file():
            self._give_error(404)
        else:
            self._send_file(path, span, fault)

    def _send_file(self, path: Path, span: str, fault: str | None) -> None:
        size = path.stat().st_size
        found = _read_range(span, size)
        if found is None:
            self._give_error(416, {"Content-Range": f"bytes */{size}"})
            return
        first, last = found
        status = 206 if span else 200
        headers = {"Accept-Ranges": "bytes", "ETag": f'"{size:x}"', "Content-Type": "image/tiff"}
        if span:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        length = last - first + 1
        self._begin(status, length, headers)
        if self.command == "HEAD":
            return
        with path.open("rb") as file:
            file.seek(first)
            body = file.read(length)
        if fault == "garbage":
            body = hashlib.shake_128(f"{path.name} {first}".encode()).digest(length)
        elif fault in ("truncated", "stalled"):
            body = body[: length // 2]
        # Counted first: who has read the last byte may ask for the counts at once.
        self.server.owner.count(bytes_sent=len(body))
        self.wfile.write(body)
        self.wfile.flush()
        if fault == "stalled":
            self.server.owner.stopping.wait(self.server.owner.settings.stall_s)
        if fault in ("truncated", "stalled"):
            self.close_connection = True

    def _begin(self, status: int, length: int, headers: Mapping[str, str]) -> None:
        self.server.owner.count(statuses=str(status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _give_json(self, status: int, value: Mapping[str, Any]) -> None:
        body = json.dumps(value).encode()
        self._begin(status, len(body), {"Content-Type": "application/geo+json"})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _give_error(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        more = dict(headers or {})
        if status == 429:
            more["Retry-After"] = self.server.owner.settings.retry_after
        body = json.dumps({"code": str(status), "description": "as asked for"}).encode()
        self._begin(status, len(body), more | {"Content-Type": "application/json"})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _break_off(self) -> None:
        """Reset the connection: with no time to linger, closing sends RST."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True


def _read_range(span: str, size: int) -> tuple[int, int] | None:
    """Read one byte range; None if it cannot be satisfied."""
    if not span:
        return 0, size - 1
    if not span.startswith("bytes=") or "," in span:
        return None
    start, _, end = span[6:].partition("-")
    if not start:
        return (max(0, size - int(end)), size - 1) if int(end) > 0 else None
    first, last = int(start), min(int(end) if end else size - 1, size - 1)
    return (first, last) if first <= last else None


@contextmanager
def serve(folder: Path, settings: ServerSettings | None = None) -> Iterator[ArchiveServer]:
    """Serve a folder from a thread of this process until the block ends."""
    server = ArchiveServer(folder, settings or ServerSettings())
    server.start()
    try:
        yield server
    finally:
        server.stop()


@dataclass(frozen=True)
class ServerApart:
    """A server that is a process of its own."""

    url: str

    @property
    def stac_url(self) -> str:
        """Root of the API."""
        return f"{self.url}/stac"

    @property
    def counts(self) -> Counts:
        """What it was asked so far."""
        with urlopen(f"{self.url}/counts") as answer:  # noqa: S310  # our own
            read = json.load(answer)
        for name in ("statuses", "faults", "paths"):
            read[name] = Counter(read[name])
        return Counts(**read)

    def reset_counts(self) -> None:
        """Begin to count anew; what goes wrong begins anew too."""
        with urlopen(f"{self.url}/reset") as answer:  # noqa: S310  # our own
            answer.read()


@contextmanager
def serve_apart(folder: Path, settings: ServerSettings | None = None) -> Iterator[ServerApart]:
    """Serve a folder from a process of its own until the block ends."""
    words = json.dumps(asdict(settings or ServerSettings()))
    command = [sys.executable, str(Path(__file__).resolve()), str(folder), "--settings", words]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield ServerApart(process.stdout.readline().strip())
        finally:
            process.stdin.close()  # the server ends when its input does, even if we are killed
            process.wait(timeout=20)


@contextmanager
def serve_rustac(folder: Path, files_url: str, scratch: Path) -> Iterator[str]:
    """Serve an archive's items from rustac's STAC API, which is not ours, until the block ends.

    Parameters
    ----------
    folder
        The archive.
    files_url
        Where its files are served: ``ArchiveServer.url + "/data"``.
    scratch
        An empty folder.

    Yields
    ------
    str
        Root of the API. FileNotFoundError is raised if rustac is not installed.
    """
    beside = Path(sys.executable).with_name("rustac")
    program = str(beside) if beside.exists() else shutil.which("rustac")
    if program is None:
        raise FileNotFoundError("rustac is not installed")
    items = [hosted_item(path, folder, files_url) for path in sorted(folder.rglob("*.json"))]
    read = [item | {"links": []} for item in items if item is not None]
    content = json.loads(next(folder.rglob("collection.json")).read_text()) | {"links": []}
    (scratch / "collection.json").write_text(json.dumps(content))
    (scratch / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": read}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [program, "serve", "collection.json", "items.json", "--addr", address]
    with subprocess.Popen(
        command, cwd=scratch, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            for line in process.stderr:  # it says so when it listens
                if line.startswith("Serving"):
                    break
            _wait_until_open(address)
            yield f"http://{address}"
        finally:
            process.terminate()


def _wait_until_open(address: str) -> None:
    host, _, port = address.partition(":")
    for _ in range(200):
        with suppress(ConnectionRefusedError), socket.create_connection((host, int(port))):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens at {address}")


def _main() -> None:
    parser = argparse.ArgumentParser(description="Serve a toy archive on loopback.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    words = dict(arguments.settings)
    if "faults" in words:
        words["faults"] = tuple(words["faults"])
    server = ArchiveServer(arguments.folder, ServerSettings(**words), arguments.port)
    server.start()
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    sys.stdin.read()  # until it is closed
    server.stop()


if __name__ == "__main__":
    _main()
