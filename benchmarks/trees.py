"""Train and evaluate trees, textures and both on made-up patches of 12 bands: time and memory.

Patches are random levels with grain, labels random: what is learned means nothing, and trees on
labels without meaning grow as large as they can. Each runs in a process of its own, and does what
`minewatch model train` does with a detector: five folds, each scored by one trained on the other
four; three folds inside each, to choose thresholds; and one trained on all. Beside them the
statistics that trees learn from alone.

    python benchmarks/trees.py                # 500 patches
    python benchmarks/trees.py --n 20000 --only trees
"""

import argparse
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import clone

from _measure import machine, measure, report
from _real import Folds, Rows, detectors
from minewatch.model._ensemble import EnsembleDetector
from minewatch.model._evaluate_folds import Sample
from minewatch.model._runner import make_runner
from minewatch.model._trees import TreeDetector

STATISTICS = "statistics"
ENSEMBLE = "ensemble"
PARTS = (STATISTICS, "trees", "textures", ENSEMBLE)
N_PATCHES = 500
N_FOLDS, N_INNER = 5, 3
SIZE_PX = 48


def make_patches(n_patches: int) -> xr.DataArray:
    """Make reflectance: a level for each patch and band, and grain."""
    from minewatch.bands import PRESETS

    rng = np.random.default_rng(11)
    bands = PRESETS["l2a-12"]
    levels = rng.uniform(0.02, 0.4, (n_patches, len(bands), 1, 1)).astype(np.float32)
    grain = rng.normal(1, 0.1, (n_patches, 1, SIZE_PX, SIZE_PX)).astype(np.float32)
    return xr.DataArray(
        levels * grain,
        dims=("site", "band", "y", "x"),
        coords={"site": [f"{i:06d}" for i in range(n_patches)], "band": list(bands)},
        attrs={"level": "L2A", "resolution_m": 10.0},
    )


def run(name: str, n_patches: int) -> None:
    """Evaluate one detector."""
    pixels = make_patches(n_patches)
    if name == STATISTICS:
        report(lambda: TreeDetector().summarise(pixels))
        return
    labels = pd.Series(np.arange(n_patches) % 2, index=pixels["site"].to_numpy())
    known = detectors(seed=0)
    members = [known["trees"], known["textures"]]
    detector = EnsembleDetector(members) if name == ENSEMBLE else known[name]
    sample = Sample(gpd.GeoDataFrame(index=labels.index), labels, pixels, None)
    report(lambda: train_and_evaluate(detector, sample))


def train_and_evaluate(detector: Any, sample: Sample) -> None:
    """Score five folds and those inside them, then train on all."""
    runner = make_runner(detector, sample)
    rows = np.random.default_rng(0).permutation(len(sample.labels))
    for train, test in deal(rows, N_FOLDS):
        fold = runner(train)
        fold.score(test)
        for some, others in deal(train, N_INNER):
            fold.score_inside(some, others)
    clone(detector).fit(sample.pixels, sample.labels)


def deal(rows: Rows, n_folds: int) -> Folds:
    """Deal rows to folds: what trains, and what is scored."""
    return [
        (np.delete(rows, range(k, len(rows), n_folds)), rows[k::n_folds]) for k in range(n_folds)
    ]


def main() -> None:
    """Measure each detector in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=N_PATCHES)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--only", choices=PARTS)
    arguments = parser.parse_args()
    if arguments.part:
        run(arguments.part, arguments.n)
        return
    print(
        f"{machine()}; {arguments.n:,} patches of 12 bands, {N_FOLDS} folds, {N_INNER} inside each"
    )
    for name in [arguments.only] if arguments.only else PARTS:
        measured = measure(__file__, name, "--n", str(arguments.n))
        each_ms = 1000 * measured.work_cpu_s / arguments.n
        print(f"{measured.line()}   {each_ms:.1f} ms of processor a patch", flush=True)


if __name__ == "__main__":
    main()
