"""Scan 2,500 km² here, on a Dask cluster of two workers, and killed three times; compare the bytes.

The ground is one composite of 6 km of the toy archive, laid side by side; trees of twelve bands,
which learned from another valley, score its windows. Reading files and composing are left out: a
scan of real imagery has them on top (benchmarks/imagery.py). Each scan runs in a process of its
own, and its peak memory counts the workers of the cluster with it. The one that is killed runs on
a cluster too; `kill -9` comes after a number of tiles, and at a moment of the next one, drawn by
chance.

    python benchmarks/scan_cluster.py             # 2,500 km²
    python benchmarks/scan_cluster.py --side 0.1  # degrees: smaller, to try it
"""

import argparse
import functools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from _measure import Measured, machine, measure, report
from minewatch import _store
from minewatch.imagery import SceneQuery, open_source
from minewatch.types import Level

if TYPE_CHECKING:
    from distributed import Client

YEAR = 2023
QUERY = SceneQuery(start=f"{YEAR}-01-01", end=f"{YEAR}-12-31")
SCENE_M = 6_000.0
PIXEL_M = 10.0
WORKERS = 2
KILLS = 3
FILES = ("scores.parquet", "not_seen.parquet")


class RepeatedScene:
    """One composite, laid side by side over the ground."""

    level: Level = "L2A"
    name = "one toy composite, repeated"

    def __init__(self, file: Path) -> None:
        with np.load(file) as kept:
            self._reflectance = kept["reflectance"]
            self._clear_count = kept["clear_count"]
            self._bands = [str(name) for name in kept["bands"]]
            self._attrs = json.loads(str(kept["attrs"]))

    def is_seamless(self, query: SceneQuery) -> bool:  # noqa: ARG002 - the protocol's
        """Say that windows may be cut from it anyhow."""
        return True

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        """Cut a place out of the scenes."""
        height, width = geobox.shape.yx
        n_rows, n_columns = self._clear_count.shape
        rows = (np.arange(height) - round(geobox.transform.f / PIXEL_M)) % n_rows
        columns = (np.arange(width) + round(geobox.transform.c / PIXEL_M)) % n_columns
        bands = [self._bands.index(name) for name in query.bands]
        ground = np.ix_(rows, columns)
        return xr.Dataset(
            {
                "reflectance": (
                    ("band", "y", "x"),
                    self._reflectance[np.ix_(bands, rows, columns)],
                ),
                "clear_count": (("y", "x"), self._clear_count[ground]),
            },
            coords={"band": list(query.bands)},
            attrs=self._attrs,
        )


def make(folder: Path) -> None:
    """Write the scene, and a detector that learned from another valley."""
    from minewatch import toy
    from minewatch.model import TreeDetector, save_detector

    valley = toy.Valley(seed=2)
    area = toy.archive_area(valley, side_m=SCENE_M)
    toy.write_archive(valley, folder / "archive", year=YEAR, area=area)
    query = QUERY.model_copy(update={"bands": tuple(toy_bands())})
    composite = open_source(folder / "archive").load(area, query)
    np.savez(
        folder / "scene.npz",
        reflectance=composite["reflectance"].to_numpy(),
        clear_count=composite["clear_count"].to_numpy(),
        bands=[str(name) for name in composite["band"].to_numpy()],
        attrs=json.dumps(composite.attrs, default=str),
    )
    other = toy.Valley(seed=1)
    sites = other.sites(100, 200)
    numbers = other.pixels(sites)
    pixels = (numbers / np.float32(10_000)).astype(np.float32).where(numbers > 0)
    pixels.attrs = {"level": "L2A", "resolution_m": PIXEL_M}
    trees = TreeDetector(n_trees=200).fit(pixels, sites["label"].astype(int))
    save_detector(trees, folder / "trees")


def toy_bands() -> tuple[str, ...]:
    """Give the bands of the toy."""
    from minewatch.bands import PRESETS

    return PRESETS["l2a-12"]


def scan(folder: Path, out: str, side: float, client: "Client | None") -> None:
    """Scan, and say every tile that is done."""
    from minewatch.model import load_detector
    from minewatch.scan import ScanSettings, read_bbox, scan_region

    def tell(step: str, done: int, total: int) -> None:
        print(f"{done} {total} {step}", flush=True)

    made = scan_region(
        read_bbox((-62.9, 2.0, -62.9 + side, 2.0 + side)),
        load_detector(folder / "trees"),
        functools.partial(RepeatedScene, folder / "scene.npz"),
        QUERY,
        folder / out,
        settings=ScanSettings(workers=WORKERS),
        client=client,
        progress=tell,
    )
    _store.write_json(folder / f"{out}.json", {"km2": made.region_ha / 100, "tiles": made.n_tiles,
        "done": made.n_done, "windows": sum(made.windows.values())})  # fmt: skip


def scan_on_cluster(folder: Path, out: str, side: float) -> None:
    """Scan on two workers of one thread each."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        scan(folder, out, side, client)


def kill_some_time(folder: Path, out: str, side: float, chance: random.Random) -> str:
    """Begin or go on with a scan on a cluster, and kill it; say when."""
    command = [sys.executable, __file__, "--part", "cluster", str(folder), out, str(side)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    first, wanted, began, pace = None, 0, 0.0, 0.0
    for line in child.stdout:
        if line.startswith("{"):
            sys.exit(f"the scan of {out} ended before it was killed; take a larger --side")
        done, total = (int(word) for word in line.split()[:2])
        if first is None:
            first, began = done, time.monotonic()
            wanted = done + chance.randint(1, max((total - done) // KILLS, 1))
        if done >= wanted:
            pace = (time.monotonic() - began) / (done - first)
            break
    time.sleep(chance.random() * min(pace, 1.0))
    os.kill(child.pid, signal.SIGKILL)
    child.stdout.close()
    child.wait()
    kept = [part for part in (folder / out).rglob("parts/*/*.parquet") if part.name[0] != "."]
    return f"killed with signal {-child.returncode} after tile {wanted}: {len(kept)} tiles are kept"


def run_part(part: str, folder: Path, out: str, side: float) -> None:
    """Do one part in this process."""
    works = {
        "make": lambda: make(folder),
        "local": lambda: scan(folder, out, side, None),
        "cluster": lambda: scan_on_cluster(folder, out, side),
    }
    report(works[part])


def show(folder: Path, out: str, took: Measured) -> None:
    """Print what a scan took."""
    made = json.loads((folder / f"{out}.json").read_text())
    share = made["done"] / made["tiles"]
    print(
        f"{took.line()}\n    {made['km2']:,.0f} km², {made['tiles']} tiles of which {made['done']} "
        f"now, {made['windows']:,} windows; {made['km2'] * share / took.seconds:.1f} km²/s, "
        f"{made['windows'] * share / took.seconds:,.0f} windows/s",
        flush=True,
    )


def run(folder: Path, side: float) -> None:
    """Run every part, and compare."""
    print(machine())
    place = (str(folder), "-", str(side))
    measure(__file__, "make", *place)
    for part, name in (("local", "two threads"), ("cluster", "two workers of Dask")):
        took = measure(__file__, part, str(folder), part, str(side), name=name)
        show(folder, part, took)
    chance = random.Random(0)  # noqa: S311
    for _ in range(KILLS):
        print(kill_some_time(folder, "killed", side, chance), flush=True)
    took = measure(__file__, "cluster", str(folder), "killed", str(side), name="the rest")
    show(folder, "killed", took)
    for out in ("cluster", "killed"):
        same = [
            (folder / "local" / name).read_bytes() == (folder / out / name).read_bytes()
            for name in FILES
        ]
        words = "the same bytes" if all(same) else "OTHER BYTES"
        print(f"{out}: {', '.join(FILES)}: {words} as with two threads")


def main() -> None:
    """Read the command line, and run."""
    if sys.argv[1:2] == ["--part"]:
        part, folder, out, side = sys.argv[2:]
        run_part(part, Path(folder), out, float(side))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=float, default=0.45, help="of the region, degrees")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), asked.side)


if __name__ == "__main__":
    main()
