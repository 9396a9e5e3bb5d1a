"""The maps of the report against the way of the study it began with.

Both sides draw the same made features, 121,054 of them over Bolívar, and the same 936 places, from
tables in memory, and end with a file. The study's way: two by two panels, in each of them
``GeoDataFrame.plot`` of one layer and of the places, saved as PNG. Ours: every layer counted by
cell, drawn, and saved as PNG (300 dpi) and SVG, as `write_report` does.

    python benchmarks/explore_maps.py
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from _measure import Measured, machine, measure, report
from context import N_FEATURES, prepare, read_both

if TYPE_CHECKING:
    from collections.abc import Callable

LAYERS = ("highway", "waterway", "building", "landuse")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.part:
        PARTS[arguments.part](arguments.folder)
        return
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="minewatch-bench-"))
    folder.mkdir(exist_ok=True)
    try:
        print(f"On {machine()}")
        failed = compare(folder)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(f"Not met: {'; '.join(failed)}" if failed else 0)


def compare(folder: Path) -> list[str]:
    measure(__file__, "prepare", "--folder", str(folder))
    print(f"\n{N_FEATURES:,} features, both sides on the same tables")
    theirs = take(folder, "plot", "geopandas: .plot of 4 layers in 2 × 2, PNG")
    ours = take(folder, "maps", "minewatch: all 5 layers, PNG at 300 dpi and SVG")
    print(f"ours faster                         {theirs.seconds / ours.seconds:8.1f} ×")
    print(f"ours faster, by processor time      {theirs.work_cpu_s / ours.work_cpu_s:8.1f} ×")
    return [] if ours.seconds < 5.0 else ["maps in under 5 s"]


def take(folder: Path, part: str, name: str) -> Measured:
    measured = measure(__file__, part, "--folder", str(folder), name=name)
    print(measured.line(), flush=True)
    return measured


def plot_layers(folder: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    features, sites = read_both(folder)
    table = features.table

    def work() -> None:
        figure, panels = plt.subplots(2, 2, figsize=(16, 12))
        for axes, layer in zip(panels.ravel(), LAYERS, strict=True):
            table[table[layer].notna()].plot(ax=axes, color="grey", linewidth=0.5)
            sites.plot(ax=axes, color="red", markersize=5)
            axes.set_title(layer)
        figure.savefig(folder / "plot.png")

    report(work)


def draw_maps(folder: Path) -> None:
    import pandas as pd

    from minewatch._figures import render_figure
    from minewatch.explore._context_mapped import describe_mapped
    from minewatch.explore._context_values import Surroundings
    from minewatch.explore._figures import PLATES

    features, sites = read_both(folder)
    sites["label"] = pd.array(np.arange(len(sites)) % 2, dtype="Int8")
    around = Surroundings(
        sites=sites,
        measures=pd.DataFrame(index=sites.index),
        features=features.table,
        dropped=features.dropped,
        info=features.info,
        n_unmeasured=0,
        first_day=None,
        last_day=None,
    )

    def work() -> None:
        section = describe_mapped(around)
        plate = PLATES["context"][0]
        arguments = plate.arguments(section)
        assert arguments is not None
        figure = plate.draw(*arguments)
        png, svg = render_figure(figure, title=plate.title, description="", provenance={})
        (folder / "maps.png").write_bytes(png)
        (folder / "maps.svg").write_bytes(svg)

    report(work)


PARTS: "dict[str, Callable[[Path], None]]" = {
    "prepare": prepare,
    "plot": plot_layers,
    "maps": draw_maps,
}

if __name__ == "__main__":
    main()
