"""Draw docs/images/toy-osm.png: what is in the toy valley, and what its map shows of it.

Run from the repository's root: ``python docs/images/draw_toy_osm.py``.
"""

import io
import tempfile
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pandas as pd
from affine import Affine
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from odc.geo.geobox import GeoBox
from PIL import Image

from minewatch import toy
from minewatch.toy._osm_survey import Survey
from minewatch.types import AnyArray

PICTURE = Path(__file__).with_name("toy-osm.png")
STEP = 5
COLOURS = (
    "#ffffff", "#e3ead9", "#cfd98c", "#c49a6c", "#4f9bd6", "#8c5a3c", "#6aa6dd", "#3d7fc0",
    "#f0e0a0", "#e0621a",
)  # fmt: skip
"""Of the covers, in the order of their numbers."""
STYLES = {
    "water": {"color": "#4f9bd6", "linewidth": 0.7},
    "roads": {"color": "#7d3c1e", "linewidth": 0.7},
    "tracks and paths": {"color": "#c0763f", "linewidth": 0.7, "linestyle": (0, (3, 1.5))},
    "meadow, farmland": {"color": "#b7c65a", "linewidth": 0.6},
    "villages, houses": {"color": "#8a6fb0", "linewidth": 0.6},
    "airstrips": {"color": "#000000", "linewidth": 2.0},
    "boundaries": {"color": "#5d8a4e", "linewidth": 1.0, "linestyle": (0, (6, 2))},
    "power line": {"color": "#999999", "linewidth": 0.6},
    "names the target": {"color": "#d00000", "linewidth": 1.6},
}


def read(path: Path) -> gpd.GeoDataFrame:
    """Read all features of a map as outlines in the valley's UTM zone, with their group."""
    names = ("points", "lines", "multilinestrings", "multipolygons", "other_relations")
    tables = [gpd.read_file(path, layer=name) for name in names]
    whole = pd.concat([table for table in tables if len(table)], ignore_index=True)
    table = gpd.GeoDataFrame(whole, geometry="geometry", crs="EPSG:4326").to_crs("EPSG:32620")
    table["group"] = [group_of(row) for row in table.to_dict("records")]
    return table


def group_of(row: dict[str, object]) -> str | None:
    """Say which style a feature is drawn in."""
    tags = {key: value for key, value in row.items() if isinstance(value, str)}
    other = tags.get("other_tags", "")
    if tags.get("landuse") == "quarry" or "tailings" in tags.get("man_made", other):
        return "names the target"
    if tags.get("name", "").startswith(("Mina ", "Garimpo ")):
        return "names the target"
    if "highway" in tags or '"highway"' in other:
        road = tags.get("highway", other)
        tracks = ("track", "path", "footway")
        return "tracks and paths" if any(word in road for word in tracks) else "roads"
    if "power" in tags or '"power"=>"line"' in other:
        return "power line"
    if "aeroway" in tags or "aeroway" in other:
        return "airstrips"
    for key, group in (("waterway", "water"), ("natural", "water"), ("boundary", "boundaries")):
        if key in tags or f'"{key}"' in other:
            return group
    if tags.get("landuse") in ("meadow", "farmland"):
        return "meadow, farmland"
    return "villages, houses" if {"building", "landuse", "place"} & set(tags) else None


def draw_truth(axes: Axes, valley: toy.Valley) -> None:
    """Draw what covers the ground, every few cells."""
    whole = valley.geobox
    coarse = GeoBox(
        (whole.shape.y // STEP, whole.shape.x // STEP),
        whole.transform * Affine.scale(STEP),
        whole.crs,
    )
    cover = most_seen(valley.land_cover(whole).to_numpy(), coarse.shape.yx)
    west, south, east, north = whole.boundingbox
    axes.imshow(
        cover, cmap=ListedColormap(COLOURS), vmin=-0.5, vmax=9.5, extent=(west, east, south, north),
        interpolation="nearest",
    )  # fmt: skip


def most_seen(cover: AnyArray, shape: tuple[int, int]) -> AnyArray:
    """Shrink covers, so that what is small still shows: the highest number of each block."""
    rows, columns = shape
    cut = cover[: rows * STEP, : columns * STEP].reshape(rows, STEP, columns, STEP)
    shown: AnyArray = cut.max(axis=(1, 3))
    return shown


def draw_map(axes: Axes, features: gpd.GeoDataFrame) -> None:
    """Draw what is mapped, group by group."""
    for group, style in STYLES.items():
        chosen = features[features["group"] == group].geometry
        points = chosen[chosen.geom_type == "Point"]
        shapes = chosen[chosen.geom_type != "Point"]
        areas = shapes.geom_type.str.contains("Polygon")
        shapes.where(~areas, shapes.boundary).plot(ax=axes, **style)
        if len(points) and group != "power line":
            points.plot(ax=axes, color=style["color"], markersize=5, linewidth=0)


def draw_effort(axes: Axes, valley: toy.Valley) -> None:
    """Shade how much effort went into mapping each place."""
    survey, box = Survey(valley._land), valley.geobox.boundingbox  # noqa: SLF001
    eastings, northings = np.arange(box.left, box.right, 500), np.arange(box.bottom, box.top, 500)
    effort = [[survey.effort((x + 250.0, y + 250.0)) for x in eastings] for y in northings]
    extent = (box.left, box.right, box.bottom, box.top)
    axes.imshow(effort, cmap="Greys", vmin=0, vmax=2.6, origin="lower", extent=extent)


def main() -> None:
    """Write the map aside, draw it below the truth and write the picture."""
    mpl.rcdefaults()
    valley = toy.Valley(seed=1)
    figure, axes = plt.subplots(2, 1, figsize=(9.0, 13.0), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.1)
    with tempfile.TemporaryDirectory() as folder:
        features = read(toy.write_osm(valley, Path(folder) / "valley.osm.pbf"))
    draw_truth(axes[0], valley)
    axes[0].set_title("What is there (mines in orange)", fontsize=11, loc="left", pad=8)
    draw_effort(axes[1], valley)
    draw_map(axes[1], features)
    axes[1].set_title("What is mapped (grey: where more effort was made)", fontsize=11, loc="left")
    box = valley.geobox.boundingbox
    for one in axes:
        one.set_axis_off()
        one.set_aspect("equal")
        one.set_xlim(box.left, box.right)
        one.set_ylim(box.bottom, box.top)
    handles = [Line2D([], [], label=group, **style) for group, style in STYLES.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=9, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    plt.close(figure)
    picture = Image.open(buffer).convert("RGB").quantize(256, kmeans=4)
    picture.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
