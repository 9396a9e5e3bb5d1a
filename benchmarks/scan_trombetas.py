"""Scan a real scene without gold mines through the published detector of true colour, and look.

Porto Trombetas (Brazil, 1.47° S, 56.36° W) ships bauxite: there are forest, a wide river, a port, a
town, red mud and bare red ground. Nobody there mines gold on a river, so whatever is detected is a
false alarm.

The detector learned from top-of-atmosphere reflectance (L1C), and the scene is surface reflectance
(L2A), which minewatch refuses to mix. Here it is done against that, by calling the scene L1C, in
three ways, none of which is what the makers did:

- *surface*: the scene's reflectance as it is;
- *roughly top of atmosphere*: with what air adds to a dark ground in each band (`AIR`), by rule of
  thumb, for it is what differs most;
- *offset left in*: the scene's numbers / 10,000 without taking off the 1,000 of baseline 04.00, as
  happens to whoever does not know of it.

    minewatch model convert 44px_v2.6_rgb_2021-11-11.h5 --out rgb
    python benchmarks/scan_trombetas.py sen2_trombetas_12band_l2a.tif rgb --picture look.png
"""

import argparse
import tempfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
import xarray as xr
from matplotlib.figure import Figure
from odc.geo.geobox import GeoBox
from rasterio.warp import Resampling, reproject

from minewatch.imagery import SceneQuery
from minewatch.model import OnnxDetector, load_detector
from minewatch.scan import (
    ScanSettings,
    mapped_area_ha,
    merge_detections,
    read_bbox,
    read_windows,
    scan_region,
)
from minewatch.types import Level

QUERY = SceneQuery(start="2023-01-01", end="2023-12-31")
"""The scene does not say its date; none is needed."""
BANDS = {"B02": 2, "B03": 3, "B04": 4}
"""Where they are in the file."""
OFFSET_DN = 1_000
AIR = {"B02": 0.07, "B03": 0.04, "B04": 0.02}
"""About what clear air alone reflects towards a satellite overhead, reflectance."""
WAYS = ("surface", "roughly top of atmosphere", "offset left in")
STRIDE_PX = 6
PRESET, MAKERS = 0.43, 0.8


class OneScene:
    """A GeoTIFF of L2A numbers, called L1C on purpose."""

    level: Level = "L1C"

    def __init__(self, file: Path, way: str) -> None:
        self.name = f"one scene, {way}"
        self._file, self._way = file, way

    def is_seamless(self, query: SceneQuery) -> bool:  # noqa: ARG002 - the protocol's
        """Say that windows may be cut from it anyhow."""
        return True

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        """Warp a place, nearest pixel."""
        planes = []
        with rasterio.open(self._file) as scene:
            for name in query.bands:
                plane = np.zeros(geobox.shape.yx, dtype=np.uint16)
                reproject(
                    rasterio.band(scene, BANDS[name]),
                    plane,
                    dst_transform=geobox.transform,
                    dst_crs=str(geobox.crs),
                    src_nodata=0,
                    dst_nodata=0,
                    resampling=Resampling.nearest,
                )
                planes.append(self._reflectance(plane, name))
        values = np.stack(planes)
        counts = np.isfinite(values).all(axis=0).astype(np.uint16)
        return xr.Dataset(
            {"reflectance": (("band", "y", "x"), values), "clear_count": (("y", "x"), counts)},
            coords={"band": list(query.bands)},
            attrs={
                "level": self.level,
                "source": self.name,
                "scenes": [],
                "mask": "none",
                "method": query.method,
                "versions": {},
                "views_chosen": 1,
            },
        )

    def _reflectance(self, numbers: np.ndarray, band: str) -> np.ndarray:
        shift = 0 if self._way == WAYS[2] else OFFSET_DN
        air = round(AIR[band] * 10_000) if self._way == WAYS[1] else 0
        shifted = np.maximum(numbers.astype(np.int64) - shift + air, 1)
        return np.where(numbers > 0, shifted * 1e-4, np.nan).astype(np.float32)


def scan(file: Path, detector: OnnxDetector, way: str, folder: Path) -> pd.DataFrame:
    """Scan all of the scene."""
    with rasterio.open(file) as scene:
        region = read_bbox(tuple(scene.bounds))
    settings = ScanSettings(stride_px=STRIDE_PX, workers=1)
    made = scan_region(
        region, detector, OneScene(file, way), QUERY, folder / way, settings=settings
    )
    return read_windows(made.path)


def describe(way: str, windows: pd.DataFrame) -> str:
    """Say what is detected, in a row of a table."""
    scored = windows["score"].dropna()
    cells = [way, f"{len(scored):,}", f"{scored.median():.4f}", f"{scored.max():.3f}"]
    for threshold in (PRESET, MAKERS):
        found = merge_detections(windows, threshold=threshold)
        hectares = mapped_area_ha(found) if len(found) else 0.0
        n_windows = int((scored >= threshold).sum())
        cells.append(f"{n_windows} ({n_windows / len(scored):.1%}), {hectares:.0f} ha")
    return "| " + " | ".join(cells) + " |"


def draw(file: Path, tables: dict[str, pd.DataFrame], picture: Path) -> None:
    """Draw the scene, and over it the middle of every window in the colour of its score."""
    some = next(iter(tables.values()))
    crs = f"EPSG:{int(some['epsg'].iloc[0])}"
    with rasterio.open(file) as scene:
        box = gpd.GeoSeries([shapely.box(*scene.bounds)], crs=scene.crs).to_crs(crs).total_bounds
    west, south, east, north = (round(side / 60) * 60 for side in box)
    ground = GeoBox.from_bbox((west, south, east, north), crs=crs, resolution=10)
    query = QUERY.model_copy(update={"bands": ("B04", "B03", "B02")})
    seen = OneScene(file, WAYS[0]).load(ground, query)["reflectance"].to_numpy()
    colour = np.clip(np.nan_to_num(np.moveaxis(seen, 0, -1), nan=1.0) / 0.2, 0, 1) ** 0.7
    figure = Figure(figsize=(13, 12), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    for at, (plot, name) in enumerate(zip(axes, ["true colour", *tables], strict=True)):
        plot.imshow(colour, extent=(west, east, south, north))
        plot.set(xlim=(west, east), ylim=(south, north), xticks=[], yticks=[], title=name)
        if at:
            windows = tables[name].dropna(subset="score")
            x = windows["left_m"] + windows["size_m"] / 2
            y = windows["top_m"] - windows["size_m"] / 2
            high = windows["score"] >= 0.05
            dots = plot.scatter(
                x[high], y[high], c=windows["score"][high], s=22, cmap="plasma", vmin=0, vmax=1
            )
            plot.scatter(x[~high], y[~high], c="white", s=1, alpha=0.5)
    figure.colorbar(dots, ax=axes, label="score, at the middle of the window", shrink=0.8)
    figure.savefig(picture, dpi=90)


def main() -> None:
    """Scan, print a table, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scene", type=Path)
    parser.add_argument("detector", type=Path)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    detector = load_detector(asked.detector)
    with tempfile.TemporaryDirectory() as folder:
        tables = {way: scan(asked.scene, detector, way, Path(folder)) for way in WAYS}
    print(f"| taken as | windows | median score | highest | from {PRESET} on | from {MAKERS} on |")
    print("|---" * 6 + "|")
    for way, windows in tables.items():
        print(describe(way, windows))
    if asked.picture is not None:
        draw(asked.scene, tables, asked.picture)


if __name__ == "__main__":
    main()
