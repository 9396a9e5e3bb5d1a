"""Peak memory and pace of scans of a small and a large region, with imagery that is a formula.

Reading is left out on purpose: what is measured is the scan itself, its windows, its table and its
map. Each region is scanned in a process of its own.

    python benchmarks/scan_region.py
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx.parser
import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch import _store
from minewatch.imagery import SceneQuery
from minewatch.model import Card, OnnxDetector
from minewatch.scan import ScanSettings, read_bbox, scan_region
from minewatch.types import Level

SIDES_DEGREES = (0.15, 0.45)


class FormulaSource:
    """Imagery whose numbers follow from where a pixel lies."""

    level: Level = "L2A"
    name = "a formula"

    def is_seamless(self, query: SceneQuery) -> bool:  # noqa: ARG002 - the protocol's
        """Say that windows may be cut from it anyhow."""
        return True

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        """Compute a place."""
        height, width = geobox.shape.yx
        x = geobox.transform.c / 10 + np.arange(width)
        y = geobox.transform.f / 10 - np.arange(height)
        waves = 3000 + 1500 * np.sin(x / 37)[None, :] + 1400 * np.cos(y / 23)[:, None]
        numbers = np.stack([np.rint(waves)] * len(query.bands)).astype(np.float32)
        return xr.Dataset(
            {
                "reflectance": (("band", "y", "x"), numbers * np.float32(1e-4)),
                "clear_count": (("y", "x"), np.full((height, width), 9, np.uint16)),
            },
            coords={"band": list(query.bands)},
            attrs={
                "level": "L2A",
                "source": self.name,
                "scenes": [],
                "mask": "none",
                "method": query.method,
                "versions": {},
                "views_chosen": 9,
            },
        )


def make_detector() -> OnnxDetector:
    text = """<ir_version: 8, opset_import: ["" : 17]>
    brightness (float[n,2,48,48] pixels) => (float[n,1] score) {
      means = ReduceMean<axes=[2,3], keepdims=0>(pixels)
      score = ReduceMean<axes=[1], keepdims=1>(means)
    }"""
    network = onnx.parser.parse_model(text).SerializeToString()
    digest = _store.digest_bytes(network)
    card = Card(
        name="bright", kind="linear", bands=("B04", "B08"), level="L2A", size_px=48, licence="MIT",
        digest=digest,
    )  # fmt: skip
    return OnnxDetector(card, network)


def measure(side: float) -> dict[str, float]:
    region = read_bbox((-62.9, 2.0, -62.9 + side, 2.0 + side))
    query = SceneQuery(start="2023-01-01", end="2023-12-31")
    began, processor = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        made = scan_region(
            region,
            make_detector(),
            FormulaSource(),
            query,
            Path(folder, "scan"),
            settings=ScanSettings(workers=3),
        )
    return {
        "km2": round(made.region_ha / 100),
        "tiles": made.n_tiles,
        "windows": made.n_windows,
        "seconds": round(time.monotonic() - began, 1),
        "processor_s": round(time.process_time() - processor, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    for side in SIDES_DEGREES:
        code = "import scan_region as own; import json; "
        code += f"print(json.dumps(own.measure({side})))"
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parent,
        )
        print(json.loads(done.stdout))


if __name__ == "__main__":
    main()
