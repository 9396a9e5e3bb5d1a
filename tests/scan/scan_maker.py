"""What the tests of scanning share: imagery that is a formula, and a detector that is a mean."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnx.parser
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from minewatch import _store
from minewatch.errors import ImageryError
from minewatch.imagery import SceneQuery
from minewatch.imagery._footprints import place_polygon
from minewatch.model import Card, OnnxDetector
from minewatch.scan import ScanSettings, read_bbox, scan_region

QUERY = SceneQuery(start="2023-01-01", end="2023-12-31", bands=("B04", "B08"))
REGION = read_bbox("-60.01,2.00,-59.99,2.01")
"""Across the border of zones 20 and 21: 2.2 × 1.1 km, some 20 tiles."""
SETTINGS = ScanSettings(stride_px=6, tile_px=60, workers=2)


def make_detector(size_px: int = 12, **card) -> OnnxDetector:
    """Make a detector whose score is the mean of B04 and half the mean of B08."""
    return make_detector_of((1.0, 0.5), size_px, **card)


def make_detector_of(weights: tuple[float, float], size_px: int = 12, **card) -> OnnxDetector:
    """Make a detector whose score is the weighted sum of the means of B04 and B08."""
    text = f"""<ir_version: 8, opset_import: ["" : 17]>
    weigh (float[site,2,{size_px},{size_px}] pixels) => (float[site,1] score)
    {{
      weights = Constant<value = float[2,1] {{{weights[0]}, {weights[1]}}}>()
      means = ReduceMean<axes=[2,3], keepdims=0>(pixels)
      score = MatMul(means, weights)
    }}"""
    network = onnx.parser.parse_model(text).SerializeToString()
    facts = {"name": "mean", "kind": "linear", "bands": ("B04", "B08"), "level": "L2A"}
    facts |= {"size_px": size_px, "licence": "MIT", "digest": _store.digest_bytes(network)}
    return OnnxDetector(Card(**(facts | card)), network)


def without_bound(detector):
    """Give the detector with 2 added to all that its network gives, as if its sigmoid were lost."""
    model = onnx.load_from_string(detector.network)
    two = onnx.numpy_helper.from_array(np.array(2.0, dtype=np.float32), "two")
    model.graph.initializer.append(two)
    for output in model.graph.output:
        for node in model.graph.node:
            for names in (node.input, node.output):
                names[:] = [f"{n} bounded" if n == output.name else n for n in names]
        given = [f"{output.name} bounded", "two"]
        model.graph.node.append(onnx.helper.make_node("Add", given, [output.name]))
    network = model.SerializeToString()
    card = detector.card.model_copy(update={"digest": _store.digest_bytes(network)})
    return OnnxDetector(card, network)


class FormulaSource:
    """Imagery whose numbers follow from where a pixel lies, on the grid of its UTM zone."""

    level = "L2A"
    name = "a formula"

    def __init__(
        self,
        *,
        clouded: shapely.Geometry | None = None,
        broken: shapely.Geometry | None = None,
        failures: int = 0,
        on_load: Callable[[GeoBox], None] | None = None,
    ) -> None:
        self.clouded = clouded
        """Ground without a clear view, degrees."""
        self.broken = broken
        """Places that meet this ground cannot be read, degrees."""
        self.failures = failures
        """So often a load fails before the source answers."""
        self.on_load = on_load
        self.asked: list[GeoBox] = []
        self.lock = threading.Lock()

    def is_seamless(self, query: SceneQuery) -> bool:
        return True

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        with self.lock:
            self.asked.append(geobox)
            self.failures -= 1
            down = self.failures >= 0
        if self.on_load is not None:
            self.on_load(geobox)
        outline = place_polygon(geobox)
        if down or (self.broken is not None and self.broken.intersects(outline)):
            raise ImageryError("the source did not answer (503)")
        values, counts = self.pixels(geobox, len(query.bands))
        return xr.Dataset(
            {"reflectance": (("band", "y", "x"), values), "clear_count": (("y", "x"), counts)},
            coords={"band": list(query.bands)},
            attrs={
                "level": "L2A",
                "source": self.name,
                "scenes": [
                    {"id": f"s{day}", "date": f"2023-0{day}-03", "baseline": "05.10"}
                    | {"offset_dn": -1000, "maker": "a formula (CC0-1.0)"}
                    for day in (2, 5, 8)
                ],
                "mask": "none",
                "method": query.method,
                "versions": {},
            },
        )

    def pixels(self, geobox: GeoBox, n_bands: int) -> tuple[np.ndarray, np.ndarray]:
        height, width = geobox.shape.yx
        x = np.round(geobox.transform.c / 10).astype(np.int64) + np.arange(width)
        y = np.round(geobox.transform.f / 10).astype(np.int64) - np.arange(height)
        waves = 3000 + 1500 * np.sin(x / 37.0)[None, :] + 1400 * np.cos(y / 23.0)[:, None]
        numbers = np.stack([np.rint(waves + 50 * band) for band in range(n_bands)])
        values = (numbers * 1e-4).astype(np.float32)
        counts = np.full((height, width), 3, np.uint16)
        if self.clouded is not None:
            columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
            east = geobox.transform.c + 10 * columns
            north = geobox.transform.f - 10 * rows
            to_degrees = Transformer.from_crs(str(geobox.crs), "EPSG:4326", always_xy=True)
            hidden = shapely.intersects_xy(self.clouded, *to_degrees.transform(east, north))
            values[:, hidden], counts[hidden] = np.nan, 0
        return values, counts


def scan(out: Path, source: FormulaSource | None = None, **changes):
    """Scan the region of the tests."""
    given = {"region": REGION, "detector": make_detector(), "query": QUERY} | changes
    place, detector, query = (given.pop(name) for name in ("region", "detector", "query"))
    return scan_region(
        place,
        detector,
        source or FormulaSource(),
        query,
        out,
        **({"settings": SETTINGS} | given),
    )
