"""Explore against the way of the study it began with, and at scale.

Both sides work on the same arrays, (502, 48, 48, 12) from the toy valley, each part in a process of
its own. The study's way: for 12 bands a seaborn ``kdeplot`` with ``fill`` of all pixels of either
class, a heatmap of the correlation of band means, and checks for zeros. Ours: the whole of
`explore` and `write_report`, from the dataset on disk; and the tables behind the density figure
alone. At scale: 50,000 patches of 12 bands explored, then the whole report.

    python benchmarks/explore.py            # both
    python benchmarks/explore.py --quick    # without the 50,000
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from _measure import Measured, machine, measure, report

if TYPE_CHECKING:
    from collections.abc import Callable

N_MINING, N_BACKGROUND = 170, 332
N_AT_SCALE = 50_000
BANDS = "l2a-12"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=[*PARTS, "multiply"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--n-at-scale", type=int, default=N_AT_SCALE)
    arguments = parser.parse_args()
    if arguments.part:
        if arguments.part == "multiply":
            report(lambda: multiply(arguments.folder, arguments.n_at_scale))
        else:
            PARTS[arguments.part](arguments.folder)
        return
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="minewatch-bench-"))
    try:
        print(f"On {machine()}")
        failed = compare(folder)
        if not arguments.quick:
            failed += at_scale(folder, arguments.n_at_scale)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(f"Not met: {'; '.join(failed)}" if failed else 0)


def compare(folder: Path) -> list[str]:
    measure(__file__, "prepare", "--folder", str(folder))
    print("\n(502, 48, 48, 12), both sides on the same arrays")
    figure = take(folder, "seaborn-densities", "seaborn: densities, 12 bands × 2 classes, fill")
    others = take(folder, "seaborn-others", "seaborn: heatmap; checks for zeros")
    whole = take(folder, "report", "minewatch: explore + write_report, whole")
    tables = take(folder, "findings", "minewatch: explore alone (all tables)")
    densities = take(folder, "densities", "minewatch: density tables, from all pixels")
    print(f"report faster than that figure          {figure.seconds / whole.seconds:8.1f} ×  (≥ 5)")
    both = figure.seconds + others.seconds
    print(f"report faster than the study's way      {both / whole.seconds:8.1f} ×")
    print(f"explore faster than that figure         {figure.seconds / tables.seconds:8.1f} ×")
    ratio = figure.seconds / densities.seconds
    print(f"density tables faster than that figure  {ratio:8.1f} ×  (≥ 100)")
    return [
        *([] if figure.seconds >= 5 * whole.seconds else ["report 5 times faster"]),
        *([] if ratio >= 100 else ["density tables 100 times faster"]),
        *([] if whole.peak_mb < 1000 else ["report under 1 GB"]),
    ]


def at_scale(folder: Path, n_sites: int) -> list[str]:
    measure(__file__, "multiply", "--folder", str(folder), "--n-at-scale", str(n_sites))
    size = sum(path.stat().st_size for path in (folder / "many").rglob("*") if path.is_file())
    raw = n_sites * 12 * 48 * 48 * 2
    print(f"\n{n_sites:,} patches × 12 bands ({raw / 1e9:.1f} GB; {size / 1e9:.1f} GB on disk)")
    once = take(folder, "many-pass", "minewatch: the pass over all pixels")
    tables = take(folder, "many-findings", "minewatch: explore alone (all tables)")
    whole = take(folder, "many-report", "minewatch: explore + write_report, whole")
    print(f"pixels read and summarised at {raw / 1e6 / once.seconds:.0f} MB/s")
    peak = max(part.peak_mb for part in (once, tables, whole))
    return [] if peak < 4000 else ["50,000 patches under 4 GB"]


def take(folder: Path, part: str, name: str) -> Measured:
    measured = measure(__file__, part, "--folder", str(folder), name=name)
    print(measured.line(), flush=True)
    return measured


def prepare(folder: Path) -> None:
    """Write the same patches for both sides: an array with its labels, and a dataset."""
    from minewatch.patches import write_patches
    from minewatch.toy import Valley

    valley = Valley(seed=1)
    sites = valley.sites(n_mining=N_MINING, n_background=N_BACKGROUND)
    numbers = valley.pixels(sites).to_numpy()
    np.save(folder / "arrays.npy", np.moveaxis(numbers, 1, -1))
    np.save(folder / "labels.npy", sites["label"].to_numpy(dtype=np.int64))
    write_patches(folder / "few", sites, numbers, bands=BANDS, level="L2A", overwrite=True)


def multiply(folder: Path, n_sites: int) -> None:
    """Write many patches: those of the valley again and again, each with noise of its own."""
    import geopandas as gpd
    import pandas as pd

    from minewatch.patches import write_patches

    numbers = np.moveaxis(np.load(folder / "arrays.npy"), -1, 1)
    labels = np.load(folder / "labels.npy")
    place = np.random.default_rng(0)
    chosen = place.integers(0, len(numbers), n_sites)
    points = gpd.points_from_xy(place.uniform(-68, -50, n_sites), place.uniform(-10, 6, n_sites))
    index = pd.Index([f"site-{i:06d}" for i in range(n_sites)], name="site_id")
    sites = gpd.GeoDataFrame(
        {"label": pd.array(labels[chosen], dtype="Int8"), "source": "tiled"},
        geometry=points,
        index=index,
        crs="EPSG:4326",
    )

    def read_rows(start: int, stop: int) -> npt.NDArray[np.uint16]:
        random = np.random.default_rng(start)
        rows = numbers[chosen[start:stop]].astype(np.int16)
        rows += random.integers(-60, 60, rows.shape, dtype=np.int16)
        turned = rows[:, :, ::-1] if (start // 1024) % 2 else rows
        return np.asarray(np.maximum(turned, 1), dtype=np.uint16)

    write_patches(
        folder / "many", sites, read_rows, bands=BANDS, level="L2A", size_px=48, overwrite=True
    )  # fmt: skip


def draw_seaborn_densities(folder: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    arrays, labels = np.load(folder / "arrays.npy"), np.load(folder / "labels.npy")

    def work() -> None:
        figure, panels = plt.subplots(3, 4, figsize=(16, 12))
        for position, axes in enumerate(panels.ravel()):
            for label, name in ((1, "mining"), (0, "no mining")):
                values = arrays[labels == label, ..., position].ravel()
                sns.kdeplot(values, fill=True, label=name, ax=axes)
            axes.legend()
        figure.savefig(folder / "densities.png")

    report(work)


def draw_seaborn_others(folder: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    arrays = np.load(folder / "arrays.npy")

    def work() -> None:
        figure, axes = plt.subplots(figsize=(10, 8))
        sns.heatmap(np.corrcoef(arrays.mean(axis=(1, 2)).T), annot=True, ax=axes)
        figure.savefig(folder / "heatmap.png")
        [i for i, patch in enumerate(arrays) if (patch == 0).all(axis=-1).any()]
        [i for i, patch in enumerate(arrays) if np.isnan(patch.astype(float)).any()]

    report(work)


def explore_and_write(folder: Path, name: str) -> None:
    from minewatch.explore import explore, write_report
    from minewatch.patches import PatchDataset

    def work() -> None:
        findings = explore(PatchDataset.open(folder / name))
        write_report(findings, folder / f"{name}-report", n_processes=2, overwrite=True)

    report(work)


def explore_only(folder: Path, name: str) -> None:
    from minewatch.explore import explore
    from minewatch.patches import PatchDataset

    report(lambda: explore(PatchDataset.open(folder / name)))


def pass_only(folder: Path, name: str) -> None:
    from minewatch.explore._statistics import summarise_patches
    from minewatch.patches import PatchDataset

    report(lambda: summarise_patches(PatchDataset.open(folder / name)))


def density_tables(folder: Path) -> None:
    from minewatch.bands import MAX_DN, band_names
    from minewatch.explore._distributions import class_curves, density_table
    from minewatch.explore._settings import DEFAULT_SETTINGS

    arrays = np.moveaxis(np.load(folder / "arrays.npy"), -1, 1).copy()
    labels = np.load(folder / "labels.npy")

    def work() -> None:
        counts = np.zeros((3, arrays.shape[1], MAX_DN + 1), dtype=np.int64)
        for place, label in enumerate((1, 0)):
            for position in range(arrays.shape[1]):
                pixels = arrays[labels == label, position].ravel()
                counts[place, position] = np.bincount(pixels, minlength=MAX_DN + 1)
        curves = class_curves(counts, band_names(BANDS), DEFAULT_SETTINGS)
        assert len(density_table(curves, DEFAULT_SETTINGS)) == 24 * DEFAULT_SETTINGS.density_points

    report(work)


PARTS: "dict[str, Callable[[Path], None]]" = {
    "prepare": lambda folder: report(lambda: prepare(folder)),
    "seaborn-densities": draw_seaborn_densities,
    "seaborn-others": draw_seaborn_others,
    "report": lambda folder: explore_and_write(folder, "few"),
    "findings": lambda folder: explore_only(folder, "few"),
    "densities": density_tables,
    "many-pass": lambda folder: pass_only(folder, "many"),
    "many-findings": lambda folder: explore_only(folder, "many"),
    "many-report": lambda folder: explore_and_write(folder, "many"),
}

if __name__ == "__main__":
    main()
