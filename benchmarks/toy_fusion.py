"""What context adds on the toy valley: none, as a table, as channels, or fused late; and by layer.

200 places (60 with mines) of one made-up valley, 12 bands or true colour, and what its made-up map
knows, incomplete on purpose. Every detector is evaluated under the same five folds of blocks of
8 km beside the null models, and once more under random folds, which leak. Then trees with all of
the context are trained again without it and without each layer, as table and as channels.

    python benchmarks/toy_fusion.py             # trees, about 6 minutes of one core
    python benchmarks/toy_fusion.py --network   # a small network on 12 bands instead; needs [cnn]
"""

import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from minewatch import context, patches, toy
from minewatch.model._ablations import FULL, AblationSettings, run_ablations
from minewatch.model._blocks import BlockKFold, LeakingSplitWarning, RandomKFold
from minewatch.model._cnn import CnnDetector
from minewatch.model._context_table import TARGET_PREFIX
from minewatch.model._detector import Detector
from minewatch.model._evaluate import cross_validate
from minewatch.model._evaluation import Evaluation, EvaluationSettings
from minewatch.model._fusion import FusionDetector
from minewatch.model._stacked import StackedPatches, stack_patches
from minewatch.model._trees import TreeDetector

N_MINING, N_BACKGROUND = 60, 140
HONEST = BlockKFold(5, block_m=8_000)
LEAKING = RandomKFold(5)
QUICK = EvaluationSettings(n_inner=0, n_resamples=500)


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        for bands in ("l2a-12", "rgb"):
            dataset, around = make(Path(folder) / bands, bands)
            table = around.table[
                [name for name in around.table if not str(name).startswith(TARGET_PREFIX)]
            ]
            channels = stack_patches(dataset, context=around, measures=("presence", "distance"))
            drawn = channels.of_context
            print(f"\n{len(dataset.bands)} bands, {table.shape[1]} columns, {len(drawn)} channels")
            if "--network" in sys.argv:
                compare_network(dataset, channels, table)
                break
            compare(dataset, channels, table)
            ablate(dataset, channels, table)


def make(folder: Path, bands: str) -> tuple[patches.PatchDataset, context.Context]:
    """Make patches and context of one valley."""
    valley = toy.Valley(seed=1)
    sites = valley.sites(N_MINING, N_BACKGROUND)
    pixels = valley.pixels(sites, bands=bands)
    dataset = patches.write_patches(folder / "patches", sites, pixels, bands=bands, level="L2A")
    toy.write_osm(valley, folder / "valley.osm.pbf")
    features = context.extract_features(folder / "valley.osm.pbf")
    grids = {str(site): dataset.geobox(str(site)) for site in dataset.sites.index}
    return dataset, context.write_context(
        folder / "context", dataset.sites, features, geoboxes=grids
    )


def compare(dataset: patches.PatchDataset, channels: StackedPatches, table: pd.DataFrame) -> None:
    """Print a row for each way to bring context to trees, beside the null models."""
    trees = TreeDetector(random_state=0)
    late = FusionDetector(trees, n_splits=3, block_m=8_000)
    rows = measure("trees, no context", trees, dataset, None)
    rows += measure("trees, table", trees, dataset, table, nulls=True)
    rows += measure("trees, channels", trees, channels, None)
    rows += measure("trees, late fusion with the table", late, dataset, table)
    show(rows)


def compare_network(
    dataset: patches.PatchDataset, channels: StackedPatches, table: pd.DataFrame
) -> None:
    """Print a row for each way to bring context to a small network, as each is there."""
    network = CnnDetector(width=8, n_members=1, epochs=12, inner_block_m=8_000, random_state=0)
    late = FusionDetector(network, n_splits=2, block_m=8_000)
    show(measure("network, no context", network, dataset, None, leaking=False))
    show(measure("network, channels", network, channels, None, leaking=False))
    show(measure("network, late fusion with the table", late, dataset, table, leaking=False))


def measure(
    name: str,
    detector: Detector,
    dataset: patches.PatchDataset,
    table: pd.DataFrame | None,
    *,
    nulls: bool = False,
    leaking: bool = True,
) -> list[dict[str, object]]:
    """Evaluate under honest folds, and under folds that leak; give null models too if asked for."""
    detectors = {name: detector}
    start = time.process_time()
    honest = cross_validate(detectors, dataset, splitter=HONEST, context=table, settings=QUICK)
    seconds = time.process_time() - start
    names = [one for one in honest.models if one == name or nulls]
    rows: list[dict[str, object]] = [
        {
            "detector": one,
            "AUC": in_words(*honest.value(one, "roc_auc")),
            "average precision": in_words(*honest.value(one, "average_precision")),
        }
        for one in names
    ]
    if leaking:
        found = evaluate_leaking(detectors, dataset, table)
        for row in rows:
            row["AUC, random folds"] = f"{found.value(str(row['detector']), 'roc_auc')[0]:.3f}"
    for row in rows:
        row["CPU s"] = round(seconds) if row["detector"] == name else ""
    return rows


def evaluate_leaking(
    detectors: Mapping[str, Detector], dataset: patches.PatchDataset, table: pd.DataFrame | None
) -> Evaluation:
    """Evaluate under folds that leak, which is what is to be shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeakingSplitWarning)
        return cross_validate(detectors, dataset, splitter=LEAKING, context=table, settings=QUICK)


def ablate(dataset: patches.PatchDataset, channels: StackedPatches, table: pd.DataFrame) -> None:
    """Print what trees lose without context, and without each layer of it."""
    settings = AblationSettings(bands=False, sizes_px=(), flip_shares=(), n_resamples=500)
    trees = TreeDetector(random_state=0)
    for words, patches_of, around in (
        ("table", dataset, table),
        ("channels", channels, None),
    ):
        found = run_ablations(
            trees, patches_of, splitter=HONEST, context=around, settings=settings
        ).table
        changes = found[["roc_auc_change", "roc_auc_change_low", "roc_auc_change_high"]]
        print()
        show(
            [
                {
                    f"trees with the {words}": variant,
                    "AUC": f"{area:.3f}",
                    "change": "" if variant == FULL else in_words(*change),
                }
                for variant, area, change in zip(
                    found["variant"], found["roc_auc"], changes.to_numpy(), strict=True
                )
            ]
        )


def show(rows: Sequence[Mapping[str, object]]) -> None:
    """Print a table as Markdown."""
    print("| " + " | ".join(rows[0]) + " |")
    print("|---" * len(rows[0]) + "|")
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)


def in_words(value: float, low: float, high: float) -> str:
    """Write a figure with its interval."""
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
