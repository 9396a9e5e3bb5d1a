"""What detectors owe to bands, size of the patches, kind of places without mining, and labels.

200 places (60 with mines) of one made-up valley, 12 bands. The ensemble of trees and textures is
trained again and again under the same five folds of blocks of 8 km: on fewer bands, on the middle
of the patches, on one cover of the places without mining, with wrong labels. Trees alone, which
are fast enough for that, are trained on the middle of patches of 256 px too. Layers of context are
left out by ``toy_fusion.py``.

    python benchmarks/toy_ablations.py    # some minutes of processor time
"""

import tempfile
from pathlib import Path

from minewatch import patches, toy
from minewatch.grid import PatchGrid
from minewatch.model._ablations import FULL, AblationSettings, run_ablations
from minewatch.model._blocks import BlockKFold
from minewatch.model._detector import Detector
from minewatch.model._ensemble import EnsembleDetector
from minewatch.model._textures import TextureDetector
from minewatch.model._trees import TreeDetector
from toy_fusion import HONEST, in_words, show

N_MINING, N_BACKGROUND = 60, 140
LARGE_PX = 256
LARGE = BlockKFold(5, block_m=8_000, buffer_m=3_700.0)
"""A dead zone of a little more than the diagonal of a patch of 256 px."""
PARTS = AblationSettings(sizes_px=(24,), negatives_column="cover", n_resamples=500)
SIZES = AblationSettings(bands=False, sizes_px=(24, 48, 96), flip_shares=(), n_resamples=500)


def main() -> None:
    """Print a table for each detector."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = make(Path(folder) / "patches", PatchGrid())
        ablate(EnsembleDetector([TreeDetector(), TextureDetector()]), dataset, HONEST, PARTS)
        large = make(Path(folder) / "large", PatchGrid(size_px=LARGE_PX))
        ablate(TreeDetector(), large, LARGE, SIZES)


def make(folder: Path, grid: PatchGrid) -> patches.PatchDataset:
    """Make patches of the valley."""
    valley = toy.Valley(seed=1)
    sites = valley.sites(N_MINING, N_BACKGROUND)
    pixels = valley.pixels(sites, grid=grid)
    return patches.write_patches(
        folder, sites, pixels, bands="l2a-12", level="L2A", size_px=grid.size_px
    )


def ablate(
    detector: Detector,
    dataset: patches.PatchDataset,
    splitter: BlockKFold,
    settings: AblationSettings,
) -> None:
    """Print what a detector loses with less of each part."""
    found = run_ablations(detector, dataset, splitter=splitter, settings=settings)
    size = dataset.header.size_px
    print(f"\n{found.header['detector']}, patches of {size} px; {splitter.describe()}")
    rows: list[dict[str, object]] = []
    for row in found.table.to_dict(orient="records"):
        change = (row[f"roc_auc_change{end}"] for end in ("", "_low", "_high"))
        rows.append(
            {
                "trained on": "everything" if row["group"] == FULL else row["variant"],
                "patches": round(row["n_train"]),
                "AUC": f"{row['roc_auc']:.3f}",
                "change": "" if row["group"] == FULL else in_words(*change),
            }
        )
    show(rows)


if __name__ == "__main__":
    main()
