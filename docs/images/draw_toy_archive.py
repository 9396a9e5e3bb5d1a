"""Draw docs/images/toy-archive.png: where the toy archive's images lie, and five days of some.

Run from the repository's root: ``python docs/images/draw_toy_archive.py``.
"""

import io
import tempfile
from datetime import date
from pathlib import Path

import matplotlib as mpl
import numpy as np
import rasterio
import shapely
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from odc.geo.geobox import GeoBox
from PIL import Image

from minewatch import toy
from minewatch.bands import add_offset
from minewatch.types import AnyArray

PICTURE = Path(__file__).with_name("toy-archive.png")
DAYS = {
    "S2A_20NMN_20230315_0_L2A": ("15 March", 0),
    "S2A_20NMN_20230417_0_L2A": ("17 April, the swath's end", -1000),
    "S2B_20NMN_20230529_0_L2A": ("29 May, cirrus", -1000),
    "S2B_20NMN_20230807_1_L2A": ("7 August, southern half", 0),
    "S2A_20NMN_20231021_0_L2A": ("21 October", 0),
}
SCL_COLOURS = (
    "#000000", "#ff0000", "#2f2f2f", "#643200", "#00a000", "#ffe65a", "#0000ff", "#808080",
    "#c0c0c0", "#ffffff", "#64c8ff", "#ff96ff",
)  # fmt: skip
"""ESA's colours of the scene classification."""


def read(path: Path, area: GeoBox) -> AnyArray:
    """Read a stretch at 20 m: every second pixel of a finer file."""
    with rasterio.open(path) as file:
        step = 1 if file.res[0] == 20.0 else 2
        window = file.window(*area.boundingbox).round()
        numbers: AnyArray = file.read(1, window=window)[::step, ::step]
    return numbers


def split_stretch(archive: Path, areas: list[GeoBox]) -> GeoBox:
    """Find the stretch that the swath's end and the cut of the split acquisition run through."""
    shares = []
    for area in areas:
        half = [
            float((read(next(archive.rglob(f"{name}.json")).parent / "SCL.tif", area) > 0).mean())
            for name in ("S2A_20NMN_20230417_0_L2A", "S2B_20NMN_20230807_1_L2A")
        ]
        shares.append(min(min(share, 1.0 - share) for share in half))
    return areas[int(np.argmax(shares))]


def draw_map(axes: Axes, valley: toy.Valley, areas: list[GeoBox], shown: GeoBox) -> None:
    """Draw the valley's mines and where the stretches lie."""
    box = valley.geobox.boundingbox
    for area in areas:
        west, south, east, north = area.boundingbox
        colour = "#0072b2" if area is shown else "#4d4d4d"
        axes.plot([west, east, east, west, west], [south, south, north, north, south], color=colour,
                  linewidth=2.0 if area is shown else 1.0)  # fmt: skip
    middles = shapely.get_coordinates(valley.mines.to_crs(32620).geometry.centroid.to_numpy())
    axes.plot(middles[:, 0], middles[:, 1], ".", color="#d55e00", markersize=2.5)
    axes.set(xlim=(box.left, box.right), ylim=(box.bottom, box.top), xticks=[], yticks=[])
    axes.set_aspect("equal")
    axes.plot([box.left + 1_500, box.left + 11_500], [box.bottom + 1_200] * 2, "k", linewidth=2)
    axes.text(box.left + 1_500, box.bottom + 1_700, "10 km", fontsize=7)
    axes.set_title("Stretches with images, mines (dots),\nand the stretch shown (blue)", fontsize=8,
                   loc="left")  # fmt: skip


def draw_days(axes: AnyArray, archive: Path, area: GeoBox) -> None:
    """Draw five days of a stretch in true colour, above their classification."""
    for column, (name, (title, offset_dn)) in enumerate(DAYS.items()):
        place = next(archive.rglob(f"{name}.json")).parent
        colours = [
            add_offset(read(place / f"{band}.tif", area), offset_dn)
            for band in ("B04", "B03", "B02")
        ]
        shown = np.clip(np.stack(colours, axis=-1) / 2_600.0, 0.0, 1.0) ** 0.7
        axes[0, column].imshow(shown)
        axes[0, column].set_title(title, fontsize=8, loc="left")
        axes[1, column].imshow(
            read(place / "SCL.tif", area), cmap=ListedColormap(SCL_COLOURS), vmin=-0.5, vmax=11.5
        )
    for one in axes.flat:
        one.set_axis_off()


def main() -> None:
    """Write the archive aside, draw where it lies and five of its days, and write the picture."""
    mpl.rcdefaults()
    valley = toy.Valley(seed=1)
    areas = toy.archive_areas(valley, on=date(2023, 1, 1))
    figure = plt.figure(figsize=(12.0, 3.6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.0, 2.2))
    with tempfile.TemporaryDirectory() as folder:
        archive = toy.write_archive(valley, Path(folder) / "archive")
        shown = split_stretch(archive, areas)
        draw_map(left.subplots(), valley, areas, shown)
        draw_days(right.subplots(2, len(DAYS)), archive, shown)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    plt.close(figure)
    picture = Image.open(buffer).convert("RGB").quantize(128)
    picture.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
