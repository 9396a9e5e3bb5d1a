"""A small, honest Earth Engine on loopback.

It speaks the REST interface that Google's client speaks: the discovery document and the table of
algorithms are the ones that the client's package ships for its own tests. What it is asked to
compute it computes, function by function, on a made-up archive; a function that it does not know
is an error. `plain` computes the same composites once more, from the archive alone.
"""

import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from minewatch.bands import BANDS, band
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery

LONGITUDE, LATITUDE = -62.6281, 5.4516
PLACE = PatchGrid(size_px=24).geobox(LONGITUDE, LATITUDE)
EDGE = PLACE.transform.c + 120  # easting of a tile's edge, through the middle of the place
UTM_ZONES = ("EPSG:32619", "EPSG:32620")
RESOLUTION = {item.earth_engine: item.resolution_m for item in BANDS}


# ------------------------------------------------------------------------------- the archive


@dataclass(frozen=True)
class Grid:
    left: float
    top: float
    size: float
    width: int
    height: int

    @classmethod
    def of(cls, geobox: GeoBox) -> "Grid":
        assert f"EPSG:{geobox.crs.epsg}" in UTM_ZONES
        height, width = geobox.shape.yx
        return cls(geobox.transform.c, geobox.transform.f, geobox.transform.a, width, height)

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        x = self.left + self.size * (np.arange(self.width) + 0.5)
        y = self.top - self.size * (np.arange(self.height) + 0.5)
        return np.meshgrid(x, y)

    def moved(self, east: float, north: float) -> "Grid":
        return replace(self, left=self.left + east, top=self.top + north)


def noise(grid: Grid, size: float, *keys: int) -> np.ndarray:
    """Whole numbers 0 to 4095, the same for the same ground, whatever the grid."""
    x, y = grid.centres()
    value = np.full(x.shape, 1469598103, dtype=np.uint64)
    for part in (np.floor(x / size), np.floor(y / size), *keys):
        value = (value ^ np.asarray(part).astype(np.uint64)) * np.uint64(1099511628211)
        value ^= value >> np.uint64(29)
    return (value % np.uint64(4096)).astype(np.float64)


@dataclass(frozen=True)
class Made:
    """One image of the archive."""

    day: date
    tile: str = "20NNL"
    baseline: str = "05.09"
    cloud: float | None = 20.0
    west: float = 0.0
    east: float = 1e7
    scored: bool = True
    datastrip: str = "DS1"

    @property
    def id(self) -> str:
        stamp = f"{self.day:%Y%m%d}T144731"
        return f"{stamp}_{stamp}_T{self.tile}" + ("" if self.datastrip == "DS1" else "_B")

    @property
    def properties(self) -> dict[str, Any]:
        moment = datetime(self.day.year, self.day.month, self.day.day, 14, 47, 31, tzinfo=UTC)
        known = {
            "system:index": self.id,
            "system:time_start": int(moment.timestamp() * 1000),
            "PROCESSING_BASELINE": self.baseline,
            "MGRS_TILE": self.tile,
            "SPACECRAFT_NAME": "Sentinel-2A",
            "DATATAKE_IDENTIFIER": f"GS2A_{self.day:%Y%m%d}T144731_039400_N{self.baseline}",
            "DATASTRIP_ID": f"{self.datastrip}_{self.day}_{self.baseline}",
        }
        return known if self.cloud is None else {**known, "CLOUDY_PIXEL_PERCENTAGE": self.cloud}

    @lru_cache(maxsize=64)  # noqa: B019 - images are values, and few
    def values(self, name: str, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
        x, _ = grid.centres()
        inside = (x >= self.west) & (x < self.east)
        keys = (self.day.toordinal(), *name.encode())
        if name == "cs_cdf":
            return noise(grid, 10, *keys) / 4095, inside & self.scored
        value = noise(grid, RESOLUTION[name], *keys)
        return np.where(value < 40, 0, value), inside


ARCHIVE = tuple(Made(date(2023, 1, 1) + timedelta(days=29 * step)) for step in range(13))


def plain(
    archive: tuple[Made, ...], geobox: GeoBox, query: SceneQuery
) -> tuple[np.ndarray, np.ndarray]:
    """Digital numbers and counts, straight from the archive with NumPy."""
    grid = Grid.of(geobox)
    images = [image for image in archive if query.start <= image.day <= query.end]
    stacks = []
    for name in (band(item).earth_engine for item in query.bands):
        layers = []
        for image in images:
            value, known = image.values(name, grid)
            score, scored = image.values("cs_cdf", grid)
            clear = known & scored & (score >= query.clear_threshold)
            layers.append(np.where(clear, value, np.nan))
        stacks.append(layers)
    stack = np.ma.masked_invalid(np.array(stacks))
    numbers = np.maximum(np.floor(np.ma.median(stack, axis=1) + 0.5), 1)
    return numbers.filled(0).astype(np.uint16), stack.count(axis=1).max(axis=0)


# ----------------------------------------------------------------------- the functions it knows

Layer = Callable[[Grid], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Image:
    layers: dict[str, Layer]
    properties: dict[str, Any] = field(default_factory=dict)

    def each(self, change: Callable[[np.ndarray, np.ndarray], Any]) -> "Image":
        def later(layer: Layer) -> Layer:
            return lambda grid: change(*layer(grid))

        return replace(self, layers={name: later(layer) for name, layer in self.layers.items()})

    def with_one(self, other: "Image", change: Callable[..., Any]) -> "Image":
        (second,) = other.layers.values()

        def later(layer: Layer) -> Layer:
            return lambda grid: change(*layer(grid), *second(grid))

        return replace(self, layers={name: later(layer) for name, layer in self.layers.items()})


def collected(images: list[Image], change: Callable[[np.ndarray], Any]) -> Image:
    def later(name: str) -> Layer:
        def layer(grid: Grid) -> Any:
            pairs = [image.layers[name](grid) for image in images]
            return change(np.array([np.where(known, value, np.nan) for value, known in pairs]))

        return layer

    return Image({name: later(name) for name in images[0].layers})


def median(stack: np.ndarray) -> Any:
    known = np.isfinite(stack).any(axis=0)
    return np.nanmedian(np.where(known, stack, 0), axis=0), known


def count(stack: np.ndarray) -> Any:
    number = np.isfinite(stack).sum(axis=0)
    return number, number > 0


def focal_min(image: Image, radius: float, kernel: str, units: str) -> Image:
    assert (kernel, units) == ("square", "meters")
    steps = np.arange(-radius, radius + 1, 10)

    def later(layer: Layer) -> Layer:
        def lowest(grid: Grid) -> Any:
            around = [layer(grid.moved(east, north)) for east in steps for north in steps]
            return np.min([np.where(k, v, np.inf) for v, k in around], axis=0), around[0][1]

        return lowest

    return replace(image, layers={name: later(layer) for name, layer in image.layers.items()})


def count_region(image: Image, transform: list[float], corners: list[float]) -> dict[str, int]:
    size, _, left, _, _, top = transform
    width, height = (corners[2] - corners[0]) / size, (corners[3] - corners[1]) / size
    grid = Grid(left, top, size, int(width), int(height))
    return {name: int(layer(grid)[1].sum()) for name, layer in image.layers.items()}


class Evaluator:
    """Computes an expression of Earth Engine's on an archive."""

    def __init__(self, archive: tuple[Made, ...], expression: dict[str, Any]) -> None:
        self.archive = archive
        self.graph = expression["values"]
        self.result = self.node({"valueReference": expression["result"]}, {})

    def node(self, node: dict[str, Any], names: dict[str, Any]) -> Any:
        ((kind, content),) = node.items()
        if kind == "constantValue":
            return content
        if kind == "valueReference":
            return self.node(self.graph[content], names)
        if kind == "argumentReference":
            return names[content]
        if kind == "arrayValue":
            return [self.node(item, names) for item in content["values"]]
        if kind == "functionDefinitionValue":
            (argument,) = content["argumentNames"]
            body = {"valueReference": content["body"]}
            return lambda value: self.node(body, {**names, argument: value})
        assert kind == "functionInvocationValue", kind
        arguments = {key: self.node(item, names) for key, item in content["arguments"].items()}
        return self.call(content["functionName"], **arguments)

    def call(self, function: str, **given: Any) -> Any:
        if function.startswith(("Filter.", "Date")):
            return self.filter(function, **given)
        if function.startswith(("ImageCollection.", "Collection.", "reduce.")):
            return self.collection(function, **given)
        if function in ("Feature", "GeometryConstructors.Rectangle"):
            return given.get("geometry", given.get("coordinates"))
        if function in ("Projection", "Reducer.max", "Reducer.count", "Reducer.toList"):
            return given.get("crs", function)
        if function == "Element.set":
            changed = {**given["object"].properties, given["key"]: given["value"]}
            return replace(given["object"], properties=changed)
        if function == "Dictionary.get":
            return given["dictionary"][given["key"]]
        return self.image(function, **given)

    def collection(self, function: str, **given: Any) -> Any:
        if function == "ImageCollection.load":
            return self.load(given["id"])
        images = given["collection"]
        if function == "Collection.filter":
            return [image for image in images if given["filter"](image.properties)]
        if function == "Collection.map":
            return [given["baseAlgorithm"](image) for image in images]
        if function == "Collection.reduceColumns":
            names = given["selectors"]
            return {"list": [[image.properties.get(name) for name in names] for image in images]}
        return collected(images, {"reduce.median": median, "reduce.count": count}[function])

    def load(self, collection: str) -> list[Image]:
        names = tuple(RESOLUTION) if collection.startswith("COPERNICUS/S2") else ("cs_cdf",)
        assert names != ("cs_cdf",) or collection == "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"

        def layer(image: Made, name: str) -> Layer:
            return lambda grid: image.values(name, grid)

        return [
            Image({name: layer(image, name) for name in names}, image.properties)
            for image in self.archive
        ]

    def filter(self, function: str, **given: Any) -> Any:
        if function == "DateRange":
            moments = (datetime.fromisoformat(given[end]).replace(tzinfo=UTC) for end in given)
            return tuple(moment.timestamp() * 1000 for moment in sorted(moments))
        if function == "Filter.dateRangeContains":
            first, last = given["leftValue"]
            return lambda properties: first <= properties[given["rightField"]] < last
        if function == "Filter.intersects":
            return lambda properties: True
        if function == "Filter.or":
            return lambda properties: any(one(properties) for one in given["filters"])
        if function == "Filter.not":
            return lambda properties: not given["filter"](properties)
        if function == "Filter.notNull":
            return lambda properties: all(name in properties for name in given["properties"])
        if function == "Filter.greaterThan":
            return lambda found: found.get(given["leftField"], -1) > given["rightValue"]
        assert function == "Filter.listContains", function
        return lambda properties: properties[given["rightField"]] in given["leftValue"]

    def image(self, function: str, **given: Any) -> Any:
        first = given.get("image", given.get("image1", given.get("input", given.get("value"))))
        simple: dict[str, Callable[[], Any]] = {
            "Image.constant": lambda: Image({"constant": lambda grid: (np.full(
                (grid.height, grid.width), float(first)), np.ones((grid.height, grid.width), bool)
            )}),
            "Image.select": lambda: replace(
                first, layers={name: first.layers[name] for name in given["bandSelectors"]}
            ),
            "Image.rename": lambda: replace(
                first, layers=dict(zip(given["names"], first.layers.values(), strict=True))
            ),
            "Image.addBands": lambda: replace(
                given["dstImg"], layers={**given["dstImg"].layers, **given["srcImg"].layers}
            ),
            "Image.linkCollection": lambda: replace(first, layers={**first.layers, **{
                name: other.layers[name] for other in given["imageCollection"]
                for name in given["linkedBands"]
                if other.properties["system:index"] == first.properties["system:index"]
            }}),
            "Image.gte": lambda: first.with_one(
                given["image2"], lambda v, k, other, _: ((v >= other).astype(float), k)
            ),
            "Image.add": lambda: first.with_one(given["image2"], lambda v, k, o, _: (v + o, k)),
            "Image.max": lambda: first.with_one(
                given["image2"], lambda v, k, other, _: (np.maximum(v, other), k)
            ),
            "Image.updateMask": lambda: first.with_one(
                given["mask"], lambda v, k, mask, known: (v, k & known & (mask > 0))
            ),
            "Image.unmask": lambda: first.with_one(
                given["value"], lambda v, k, other, _: (np.where(k, v, other), np.ones_like(k))
            ),
            "Image.floor": lambda: first.each(lambda v, k: (np.floor(v), k)),
            "Image.toUint16": lambda: first.each(lambda v, k: (v.astype(np.uint16), k)),
            "Image.focalMin": lambda: focal_min(
                first, given["radius"], given["kernelType"], given["units"]
            ),
            "Image.reduce": lambda: Image({"max": lambda grid: (
                np.max([layer(grid)[0] for layer in first.layers.values()], axis=0),
                np.ones((grid.height, grid.width), bool),
            )}),
            "Image.reduceRegion": lambda: count_region(
                first, given["crsTransform"], given["geometry"]
            ),
        }  # fmt: skip
        return simple[function]()


# --------------------------------------------------------------------------------- the server


@dataclass
class Reply:
    """An answer that is no result."""

    status: int
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


def npy(image: Image, grid: dict[str, Any]) -> bytes:
    place, size = grid["affineTransform"], grid["dimensions"]
    pixels = Grid(
        place["translateX"], place["translateY"], place["scaleX"], size["width"], size["height"]
    )
    layers = {name: layer(pixels)[0] for name, layer in image.layers.items()}
    array = np.zeros((size["height"], size["width"]), [(name, "<u2") for name in layers])
    for name, values in layers.items():
        array[name] = values
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


class EarthEngine(ThreadingHTTPServer):
    """Answers as Earth Engine does; `fault` may answer first."""

    daemon_threads = True
    place = PLACE
    edge = EDGE
    made = Made
    reply = Reply

    def __init__(self) -> None:
        import ee

        super().__init__(("127.0.0.1", 0), Handler)
        folder = Path(ee.__file__).parent / "tests"
        discovery = (folder / "cloud_api_discovery_document.json").read_text(encoding="utf-8")
        self.documents = {
            "discovery": discovery.replace("v1alpha", "v1").encode(),
            "algorithms": (folder / "algorithms.json").read_bytes(),
        }
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.archive: tuple[Made, ...] = ARCHIVE
        self.lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        self.archive = ARCHIVE
        self.asked: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.tokens: list[dict[str, str]] = []
        self.fault: Callable[[str, dict[str, Any]], Reply | None] = lambda _method, _body: None

    def plain(
        self,
        query: SceneQuery,
        archive: tuple[Made, ...] | None = None,
        geobox: GeoBox | None = None,
    ) -> Any:
        """The digital numbers and counts of a place, computed by other means."""
        images = self.archive if archive is None else archive
        return plain(images, geobox or self.place, query)

    def bodies(self, method: str) -> list[dict[str, Any]]:
        return [body for name, body, _ in self.asked if name == method]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: two would wait for each other
    server: EarthEngine

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        name = "discovery" if "$discovery" in self.path else "algorithms"
        reply = self.server.fault(name, {})
        self.send(reply or Reply(200, body=self.server.documents[name]))

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/token":
            token = {"access_token": "a-fresh-token", "expires_in": 3600}
            self.server.tokens.append(dict(parse_qsl(content.decode())))
            self.send(Reply(200, body=json.dumps(token).encode()))
            return
        body = json.loads(content)
        method = self.path.split("?")[0].rsplit(":", 1)[1]
        with self.server.lock:
            self.server.asked.append((method, body, {**self.headers, "path": self.path}))
        self.send(self.server.fault(method, body) or self.compute(method, body))

    def compute(self, method: str, body: dict[str, Any]) -> Reply:
        result = Evaluator(self.server.archive, body["expression"]).result
        if method == "computePixels":
            assert body["fileFormat"] == "NPY"
            assert body["grid"]["crsCode"] in UTM_ZONES
            return Reply(200, body=npy(result, body["grid"]))
        return Reply(200, body=json.dumps({"result": result}).encode())

    def send(self, reply: Reply) -> None:
        error = {"error": {"code": reply.status, "message": reply.message}}
        body = json.dumps(error).encode() if reply.body is None else reply.body
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="session")
def _earth_engine() -> Iterator[EarthEngine]:
    pytest.importorskip("ee", reason="needs earthengine-api: pip install 'minewatch[ee]'")
    server = EarthEngine()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def earth_engine(_earth_engine: EarthEngine, monkeypatch: pytest.MonkeyPatch) -> EarthEngine:
    """The server, with nothing asked yet and no faults."""
    import ee

    from minewatch.imagery._earthengine_client import EarthEngineClient

    # the client looks a list of deprecated data up at another address; its own tests do this too
    monkeypatch.setattr(ee.deprecation, "_FetchDataCatalogStac", dict)
    monkeypatch.setattr(EarthEngineClient, "_open_access", None)
    _earth_engine.forget()
    return _earth_engine


@pytest.fixture
def open_source(earth_engine: EarthEngine) -> Callable[..., Any]:
    """Make sources that ask the server, and write down how long they would have waited."""
    from google.oauth2.credentials import Credentials

    from minewatch.imagery._earthengine import EarthEngineSource
    from minewatch.imagery._earthengine_client import Patience

    def make(*, retries: int = 4, **given: Any) -> EarthEngineSource:
        settings = {"credentials": Credentials("a-token"), "url": earth_engine.url, **given}
        patience = Patience(retries=retries, first_wait_s=1, longest_wait_s=60)
        source = EarthEngineSource("a-project", patience=patience, **settings)
        source.waits = []
        source._client._sleep = source.waits.append
        return source

    return make


@pytest.fixture
def bare_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home where nobody ever ran `earthengine authenticate` or gcloud."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # google-auth looks for a cloud machine otherwise
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    return tmp_path


@pytest.fixture
def key_file(earth_engine: EarthEngine, bare_home: Path) -> Path:
    """A service account's key whose tokens come from the server."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    secret = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = bare_home / "key.json"
    content = {
        "type": "service_account",
        "client_email": "robot@a-project.iam.gserviceaccount.com",
        "private_key": secret.decode(),
        "token_uri": f"{earth_engine.url}/token",
        "project_id": "a-project",
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
