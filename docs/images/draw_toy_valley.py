"""Draw docs/images/toy-valley.png: the valley of seed 1 from above, and patches of each cover.

Run from the repository's root: ``python docs/images/draw_toy_valley.py``.
"""

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr
from affine import Affine
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from odc.geo.geobox import GeoBox
from PIL import Image

from minewatch import toy
from minewatch.types import FloatArray

PICTURE = Path(__file__).with_name("toy-valley.png")
BANDS = ["B04", "B03", "B02", "B11", "B08"]
KINDS = ("mine", "forest", "pasture", "village", "pond", "road", "stream", "river", "sandbar")
N_EACH = 2


def true_colour(seen: FloatArray) -> FloatArray:
    """Show red, green and blue: reflectance 0 to 0.22, brightened."""
    return np.clip(np.moveaxis(seen[:3], 0, -1) / 0.22, 0.0, 1.0) ** 0.6


def false_colour(seen: FloatArray) -> FloatArray:
    """Show short-wave infrared, near infrared and red: 0 to 0.45, 0.45 and 0.3."""
    layers = np.stack([seen[3] / 0.45, seen[4] / 0.45, seen[0] / 0.3], axis=-1)
    return np.clip(layers, 0.0, 1.0)


def draw_whole(axes: Axes, valley: toy.Valley) -> None:
    """Draw the whole valley at 60 m in true colour, its mines outlined."""
    corner = valley.geobox.transform
    shape = (int(valley.height_m // 60), int(valley.width_m // 60))
    geobox = GeoBox(shape, Affine(60.0, 0, corner.c, 0, -60.0, corner.f), valley.geobox.crs)
    seen = valley.reflectance(geobox, bands=BANDS).to_numpy()
    axes.imshow(true_colour(seen), extent=(0.0, valley.width_m / 1e3, 0.0, valley.height_m / 1e3))
    centres = valley.mines.to_crs(geobox.crs).centroid
    south = corner.f - valley.height_m
    axes.plot(
        (centres.x - corner.c) / 1e3,
        (centres.y - south) / 1e3,
        linestyle="none",
        marker="o",
        markersize=5.5,
        markerfacecolor="none",
        markeredgecolor="#D55E00",
        markeredgewidth=0.6,
    )
    axes.set_title("Seed 1, true colour at 60 m; circles: mines", fontsize=8, loc="left")
    axes.set_xlabel("kilometres", fontsize=7)
    axes.tick_params(labelsize=6)


def draw_patches(axes: Axes, pixels: xr.DataArray, *, swir: bool) -> None:
    """Draw two patches of each cover in a strip, white lines between them."""
    show = false_colour if swir else true_colour
    tiles = [np.pad(show(patch * 1e-4), ((1, 1), (1, 1), (0, 0)), constant_values=1.0)
             for patch in pixels.to_numpy()]  # fmt: skip
    rows = [np.concatenate(tiles[i::N_EACH], axis=1) for i in range(N_EACH)]
    axes.imshow(np.concatenate(rows, axis=0), interpolation="nearest")
    axes.set_xticks([25 + 50 * i for i in range(len(KINDS))], KINDS, fontsize=7)
    axes.set_yticks([])
    axes.tick_params(length=0)
    title = "short-wave infrared, near infrared, red" if swir else "true colour"
    axes.set_title(f"480 m patches by cover, {title}", fontsize=8, loc="left")


def main() -> None:
    """Draw the picture and write it in every sixth shade, which keeps it small."""
    mpl.use("agg")
    valley = toy.Valley(seed=1)
    sites = valley.sites(60, 200)
    sites = sites[(sites["cover"] == "mine") == (sites["label"] == 1)]
    chosen = [name for kind in KINDS for name in sites.index[sites["cover"] == kind][:N_EACH]]
    pixels = valley.pixels(sites.loc[chosen], bands=BANDS)
    figure, (whole, above, below) = plt.subplots(
        3, 1, figsize=(7.0, 8.6), height_ratios=(4.6, 1.5, 1.5), layout="constrained"
    )
    draw_whole(whole, valley)
    draw_patches(above, pixels, swir=False)
    draw_patches(below, pixels, swir=True)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=100)
    shades = np.asarray(Image.open(drawn).convert("RGB"), dtype=np.uint16)
    fewer = np.minimum((shades + 3) // 6 * 6, 255).astype(np.uint8)
    Image.fromarray(fewer).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
