"""An Overpass server on loopback: it answers from an extract, in the part of the language we send.

It reads nodes, ways and relations of an ``.osm.pbf``, finds by tags and by boxes, polygons and the
areas around a point, recurses, and writes what Overpass writes. It also understands what osmnx
asks. What goes wrong is drawn from a seed, the query and how often it came before.

Run as a script, it serves until it is stopped: ``python tests/overpass_server.py FILE.osm.pbf``.
"""

import argparse
import gzip
import hashlib
import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import osmium
import shapely

FAULTS = ("429", "504", "remark", "truncated", "html", "reset", "late")
"""All that can go wrong: too many requests (with Retry-After); the gateway's time is up; half of
the elements and a remark, with status 200; fewer bytes than announced; a page of HTML with status
200; the connection breaks; the answer comes late, but whole."""

Element = tuple[str, int]
"""Type (node, way, relation) and number."""


@dataclass(frozen=True)
class OverpassSettings:
    """How a server behaves."""

    state: str = "2024-05-01T00:00:00Z"
    """State of its data."""
    fault_rate: float = 0.0
    faults: tuple[str, ...] = FAULTS
    retry_after: str = "0"
    """What comes with the status 429."""
    in_a_row: int | None = 2
    """A query that went wrong so often in a row goes well; None: no end to it."""
    late_s: float = 0.05
    seed: int = 0
    most_elements: int | None = None
    """A query that finds more runs out of time."""
    hold_at: int | None = None
    """The query of this number is held, unanswered, until the server stops."""
    status: str = "Rate limit: 2\n2 slots available now.\n"
    """What ``/status`` says; nothing: there is none."""


class Extract:
    """An extract in memory, findable by place and by tag."""

    def __init__(self, file: Path) -> None:
        self.places: dict[int, tuple[float, float]] = {}
        self.tags: dict[Element, dict[str, str]] = {}
        self.refs: dict[int, list[int]] = {}
        self.members: dict[int, list[tuple[str, int, str]]] = {}
        names = {"n": "node", "w": "way", "r": "relation"}
        for item in osmium.FileProcessor(str(file)):
            kind = names[item.type_str()]
            if item.tags:
                self.tags[kind, item.id] = dict(item.tags)
            if kind == "node":
                self.places[item.id] = (item.location.lon, item.location.lat)
            elif kind == "way":
                self.refs[item.id] = [node.ref for node in item.nodes]
            else:
                self.members[item.id] = [(names[m.type], m.ref, m.role) for m in item.members]
        self._nodes = np.array(list(self.places), dtype=np.int64)
        self._points = np.array(list(self.places.values())).reshape(-1, 2)
        self._file = file

    @cached_property
    def by_key(self) -> dict[str, set[Element]]:
        """Elements by the keys of their tags."""
        found: dict[str, set[Element]] = {}
        for element, tags in self.tags.items():
            for key in tags:
                found.setdefault(key, set()).add(element)
        return found

    @cached_property
    def lines(self) -> tuple[np.ndarray, shapely.STRtree]:
        """The ways that have a place, by number and by line."""
        places = {
            way: [self.places[ref] for ref in refs if ref in self.places]
            for way, refs in self.refs.items()
        }
        drawn = {way: line for way, line in places.items() if len(line) > 1}
        lines = [shapely.LineString(line) for line in drawn.values()]
        return np.array(list(drawn), dtype=np.int64), shapely.STRtree(lines)

    @cached_property
    def areas(self) -> tuple[list[Element], shapely.STRtree]:
        """What ground can lie in: closed ways, and relations that have a name."""
        ways = {
            way: shapely.Polygon([self.places[ref] for ref in refs])
            for way, refs in self.refs.items()
            if len(refs) > 3 and refs[0] == refs[-1] and all(ref in self.places for ref in refs)
        }
        factory = osmium.geom.WKBFactory()
        rings = shapely.make_valid(np.array(list(ways.values()), dtype=object))
        areas: dict[Element, Any] = {
            ("way", way): ring for way, ring in zip(ways, rings, strict=True)
        }
        for item in osmium.FileProcessor(str(self._file)).with_areas():
            if item.is_area() and not item.from_way() and item.tags.get("name"):
                polygon = shapely.from_wkb(factory.create_multipolygon(item))
                areas["relation", item.orig_id()] = shapely.make_valid(polygon)
        return list(areas), shapely.STRtree(list(areas.values()))

    @lru_cache(maxsize=64)  # noqa: B019  # one extract lives as long as its server
    def touching(self, ground: shapely.Geometry) -> set[Element]:
        """Find nodes in some ground, ways that touch it, and relations that have such members."""
        inside = shapely.intersects_xy(ground, self._points) if len(self._points) else []
        found: set[Element] = {("node", int(node)) for node in self._nodes[inside]}
        ways, tree = self.lines
        if len(ways):
            found |= {("way", int(way)) for way in ways[tree.query(ground, "intersects")]}
        with_members = {
            ("relation", relation)
            for relation, members in self.members.items()
            if any((kind, ref) in found for kind, ref, _ in members)
        }
        return found | with_members

    def around(self, longitude: float, latitude: float) -> set[Element]:
        """Find the areas that a point lies in."""
        elements, tree = self.areas
        found = tree.query(shapely.Point(longitude, latitude), "intersects")
        return {elements[place] for place in found}

    def recurse(self, elements: set[Element]) -> set[Element]:
        """Give members and nodes: of relations, of ways, and of ways of relations."""
        known = {"node": self.places, "way": self.refs, "relation": {}}
        members = {
            (kind, ref)
            for name, number in elements
            if name == "relation"
            for kind, ref, _ in self.members[number]
            if ref in known[kind]
        }
        ways = {number for kind, number in elements | members if kind == "way"}
        nodes = {("node", ref) for way in ways for ref in self.refs[way] if ref in self.places}
        return members | nodes

    def write(self, element: Element) -> dict[str, Any]:
        """Write an element as ``out body`` does."""
        kind, number = element
        written: dict[str, Any] = {"type": kind, "id": number}
        if kind == "node":
            written["lon"], written["lat"] = self.places[number]
        elif kind == "way":
            written["nodes"] = self.refs[number]
        else:
            written["members"] = [
                {"type": name, "ref": ref, "role": role} for name, ref, role in self.members[number]
            ]
        if element in self.tags:
            written["tags"] = self.tags[element]
        return written


_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<word>->|[\w.+-]+)|(?P<sign>[^\w\s]))"""
)
_TYPES = {
    "node": ("node",), "way": ("way",), "relation": ("relation",), "rel": ("relation",),
    "nw": ("node", "way"), "nr": ("node", "relation"), "wr": ("way", "relation"),
    "nwr": ("node", "way", "relation"),
}  # fmt: skip


class Query:
    """One query, read and answered. ValueError says what is not understood."""

    def __init__(self, text: str, extract: Extract) -> None:
        self.tokens = [found[0].strip() for found in _TOKEN.finditer(text)]
        self.extract = extract
        self.sets: dict[str, set[Element]] = {"_": set()}
        self.settings: dict[str, str] = {}
        self.out: list[set[Element]] = []

    def run(self) -> "Query":
        while self._next() == "[":
            self._take("[")
            name, _ = self._any(), self._take(":")
            self.settings[name] = _unquote(self._any())
            self._take("]")
        self._take(";")
        while self.tokens:
            self._statement()
        return self

    def _statement(self) -> set[Element]:
        if self._next() == ";":  # osmnx ends its unions twice
            self._take(";")
            return set()
        if self._next() == "out":
            while self._any() != ";":
                pass
            self.out.append(self.sets["_"])
            return set()
        found = self._union() if self._next() == "(" else self._simple()
        name = "_"
        if self._next() == "->":
            self._take("->")
            name = self._any().removeprefix(".")
        if self._next() != ")":
            self._take(";")
        self.sets[name] = found
        return found

    def _union(self) -> set[Element]:
        self._take("(")
        found: set[Element] = set()
        while self._next() != ")":
            found |= self._statement()
        self._take(")")
        return found

    def _simple(self) -> set[Element]:
        word = self._any()
        if word == ">":
            return self.extract.recurse(self.sets["_"])
        if word == "is_in":
            latitude, longitude = self._numbers()
            return self.extract.around(longitude, latitude)
        if word.startswith("."):
            found = self.sets[word[1:]]
            if self._next() == ">":
                self._take(">")
                return self.extract.recurse(found)
            return found
        kind, _, name = word.partition(".")
        found = self.sets[name] if name else None
        while self._next() in "[(":
            keep = self._tag() if self._next() == "[" else self._place()
            found = keep if found is None else found & keep
        return {element for element in found or () if element[0] in _TYPES[kind]}

    def _tag(self) -> set[Element]:
        self._take("[")
        key = _unquote(self._any())
        having = self.extract.by_key.get(key, set())
        if self._next() == "]":
            self._take("]")
            return having
        sign, value = self._any(), _unquote(self._any())
        self._take("]")
        tags = self.extract.tags
        if sign == "=":
            return {element for element in having if tags[element][key] == value}
        return {element for element in having if re.search(value, tags[element][key])}

    def _place(self) -> set[Element]:
        if self.tokens[1].startswith("pivot."):
            name = self.tokens[1].removeprefix("pivot.")
            del self.tokens[:3]
            return self.sets[name]
        if self.tokens[1] == "poly":
            numbers = [float(word) for word in _unquote(self.tokens[3]).split()]
            del self.tokens[:5]
            ring = list(zip(numbers[1::2], numbers[::2], strict=True))
            return self.extract.touching(shapely.Polygon(ring))
        south, west, north, east = self._numbers()
        return self.extract.touching(shapely.box(west, south, east, north))

    def _numbers(self) -> list[float]:
        self._take("(")
        numbers = [float(self._any())]
        while self._next() == ",":
            self._take(",")
            numbers.append(float(self._any()))
        self._take(")")
        return numbers

    def _next(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def _any(self) -> str:
        if not self.tokens:
            raise ValueError("the query ends too early")
        return self.tokens.pop(0)

    def _take(self, token: str) -> str:
        if self._next() != token:
            raise ValueError(f"expected {token!r} before {' '.join(self.tokens[:8])!r}")
        return self.tokens.pop(0)


def _unquote(word: str) -> str:
    if word[:1] in "\"'":
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    return word


@dataclass
class Asked:
    """What a server was asked."""

    queries: list[str] = field(default_factory=list)
    """Queries, in the order they came, those that went wrong too."""
    answered: list[str] = field(default_factory=list)
    """Queries that were answered whole."""
    faults: Counter[str] = field(default_factory=Counter)
    agents: set[str] = field(default_factory=set)
    encodings: set[str] = field(default_factory=set)
    status: int = 0
    """Times that the status was asked for."""


class OverpassServer:
    """Answer queries from an extract, below ``/api``."""

    def __init__(self, extract: Extract, settings: OverpassSettings, port: int = 0) -> None:
        self.extract, self.settings = extract, settings
        self.asked = Asked()
        self.held = threading.Event()
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._row: Counter[str] = Counter()
        self._times: Counter[str] = Counter()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.owner = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api"
        self.thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self.thread.join()

    def note(self, query: str) -> int:
        """Count a query; give its number, from 1."""
        with self._lock:
            self.asked.queries.append(query)
            return len(self.asked.queries)

    def draw_fault(self, query: str) -> str | None:
        """Decide whether this query goes wrong, and how."""
        settings = self.settings
        if settings.fault_rate <= 0.0:
            return None
        with self._lock:
            self._times[query] += 1
            seed = f"{settings.seed} {query} {self._times[query]}".encode()
            bits = hashlib.sha256(seed).digest()
            lucky = int.from_bytes(bits[:8], "big") / 2**64 >= settings.fault_rate
            if lucky or (settings.in_a_row is not None and self._row[query] >= settings.in_a_row):
                self._row[query] = 0
                return None
            self._row[query] += 1
            fault = settings.faults[int.from_bytes(bits[8:12], "big") % len(settings.faults)]
            self.asked.faults[fault] += 1
            return fault

    def answer(self, text: str) -> dict[str, Any]:
        """Answer a query as Overpass does, failures of its own included."""
        query = Query(text, self.extract).run()
        state = min(query.settings.get("date", self.settings.state), self.settings.state)
        head = {
            "version": 0.6,
            "generator": "Overpass API of a test",
            "osm3s": {"timestamp_osm_base": state, "copyright": "© OpenStreetMap, ODbL"},
        }
        found = [element for elements in query.out for element in sorted(elements)]
        most = self.settings.most_elements
        if most is not None and len(found) > most:
            elements = [self.extract.write(element) for element in found[: most // 2]]
            remark = 'runtime error: Query timed out in "query" at line 4 after 181 seconds.'
            return head | {"elements": elements, "remark": remark}
        return head | {"elements": [self.extract.write(element) for element in found]}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: OverpassServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path == "/api/status" and self.server.owner.settings.status:
            self.server.owner.asked.status += 1
            self._send(200, self.server.owner.settings.status.encode(), "text/plain")
        else:
            self._send(404, b"<html><body>not here</body></html>", "text/html")

    def do_POST(self) -> None:
        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        query = parse_qs(body)["data"][0] if body.startswith("data=") else body
        owner.asked.agents.add(self.headers.get("User-Agent", ""))
        owner.asked.encodings.add(self.headers.get("Accept-Encoding", ""))
        if owner.note(query) == owner.settings.hold_at:
            owner.held.set()
            owner.stopping.wait()
            return
        fault = owner.draw_fault(query)
        if fault is not None and fault.isdigit():
            more = {"Retry-After": owner.settings.retry_after} if fault == "429" else {}
            self._send(int(fault), _PAGE, "text/html", more)
        elif fault == "html":
            self._send(200, _PAGE, "text/html")
        elif fault == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        else:
            self._answer(query, fault)

    def _answer(self, query: str, fault: str | None) -> None:
        owner = self.server.owner
        try:
            value = owner.answer(query)
        except (ValueError, KeyError) as error:
            page = f"<html><body><p>Error: line 1: parse error: {error}</p></body></html>"
            self._send(400, page.encode(), "text/html")
            return
        if fault == "late":
            owner.stopping.wait(owner.settings.late_s)
        if fault == "remark":
            value["elements"] = value["elements"][: len(value["elements"]) // 2]
            value["remark"] = (
                "runtime error: open64: 0 Success /osm_base Dispatcher_Client::timeout"
            )
        body = json.dumps(value).encode()
        more = {}
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body, more = gzip.compress(body, 1), {"Content-Encoding": "gzip"}
        if fault in (None, "late"):
            owner.asked.answered.append(query)
        cut = len(body) // 2 if fault == "truncated" else len(body)
        self._send(200, body, "application/json", more, cut)

    def _send(
        self,
        status: int,
        body: bytes,
        kind: str,
        more: Mapping[str, str] | None = None,
        cut: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **(more or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None and cut < len(body):
            self.close_connection = True


_PAGE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<html><head><title>OSM3S Response</title></head>\n'
    b"<body>\n<p><strong>Error</strong>: runtime error: open64: 0 Success /osm3s_osm_base "
    b"Dispatcher_Client::request_read_and_idx::timeout. The server is probably too busy to handle "
    b"your request.</p>\n</body></html>\n"
)


@contextmanager
def serve_overpass(extract: Extract, **settings: Any) -> Iterator[OverpassServer]:
    """Serve an extract from a thread of this process until the block ends."""
    server = OverpassServer(extract, OverpassSettings(**settings))
    server.thread.start()
    try:
        yield server
    finally:
        server.stop()


def main() -> None:
    """Serve an extract until stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("extract", type=Path)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--fault-rate", type=float, default=0.0)
    given = parser.parse_args()
    settings = OverpassSettings(fault_rate=given.fault_rate)
    server = OverpassServer(Extract(given.extract), settings, given.port)
    server.thread.start()
    print(server.url, flush=True)  # noqa: T201
    try:
        server.thread.join()
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    main()
