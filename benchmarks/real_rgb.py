"""Measure detectors on the 11,911 real true-colour chips of ``rgb``, file of origin by file.

Files are dealt to 5 folds (variants of one file with other cloud thresholds together) by
scikit-learn's StratifiedGroupKFold. A chip that lies within 10 km of a test chip, or looks like one
(8 × 8 block means within 4 of 255, correlated by 0.9), is not trained on. The figures are of the
chips on which the published detector 44px_v2.6_rgb is tested: composed with the clear threshold of
0.75, and of none of its training files. Intervals resample files. With the published file itself
(``--published``; needs [convert]) it is scored on the same chips, and differences are paired.

    python benchmarks/real_rgb.py ../shared/data/rgb
    python benchmarks/real_rgb.py ../shared/data/rgb --published 44px_v2.6_rgb_2021-11-11.h5
    python benchmarks/real_rgb.py ../shared/data/rgb --network  # CnnDetector too; needs [cnn]

The network is trained for 8 epochs and has 2 members, not 40 and 4: there are 20 times more chips
than its defaults are made for, and it never saw these folds before.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import BallTree, NearestNeighbors

from _real import (
    NETWORK,
    Folds,
    Rows,
    Scores,
    detectors,
    differences,
    figures,
    name_pixels,
    score_out_of_fold,
    with_ensemble,
)
from minewatch.model._registry import find_published

EARTH_RADIUS_KM = 6371.0
PUBLISHED = "44px_v2.6_rgb"
NETWORK_SETTINGS = {"n_members": 2, "epochs": 8, "patience": 8}
NEAR_KM = 10.0
ALIKE = 4.0
CORRELATION = 0.9


def near_pairs(chips: npt.NDArray[np.uint8], table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """List pairs of chips that look alike or lie near to one another: (pair, 2)."""
    small = chips.reshape(-1, 8, 6, 8, 6, 3).mean((2, 4)).reshape(len(chips), -1)
    small = small.astype(np.float32)
    pattern = small - small.mean(axis=1, keepdims=True)
    pattern /= np.linalg.norm(pattern, axis=1, keepdims=True) + 1e-9
    index = NearestNeighbors(radius=ALIKE * np.sqrt(small.shape[1])).fit(small)
    pairs = []
    for i, others in enumerate(index.radius_neighbors(small, return_distance=False)):
        alike = others[(others > i) & (pattern[others] @ pattern[i] > CORRELATION)]
        pairs.append(np.column_stack([np.full(len(alike), i), alike]))
    placed = np.flatnonzero(table["longitude"].notna())
    places = np.radians(table.loc[placed, ["latitude", "longitude"]].to_numpy())
    reach = BallTree(places, metric="haversine").query_radius(places, NEAR_KM / EARTH_RADIUS_KM)
    for i, others in enumerate(reach):
        later = others[others > i]
        pairs.append(np.column_stack([np.full(len(later), placed[i]), placed[later]]))
    return np.concatenate(pairs).astype(np.int64)


def make_folds(table: pd.DataFrame, pairs: npt.NDArray[np.int64]) -> Folds:
    """Deal files to folds; nothing near to a test chip is trained on; test the chips meant."""
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    folds = []
    for _, test in splitter.split(table, table["label"], table["file"]):
        is_test = np.zeros(len(table), dtype=bool)
        is_test[test] = True
        beside = np.zeros(len(table), dtype=bool)
        for one, other in (pairs.T, pairs.T[::-1]):
            beside[one[is_test[other]]] = True
        train = np.flatnonzero(~is_test & ~beside)
        folds.append((train, test[table["meant"].to_numpy()[test]]))
    return folds


def read_table(folder: Path) -> pd.DataFrame:
    """Give the chips' table, with `file` of origin and whether a chip is `meant` to be tested."""
    table = pd.read_csv(folder / "chips.csv")
    table["file"] = table["source"].str.replace(r"(_S2L1C_clear.*|_rgb_preview)", "", regex=True)
    seen = table["file"].isin(find_published(PUBLISHED).training_files)
    return table.assign(meant=(table["clear_threshold"] == 0.75) & ~seen)


def score_published(file: Path, pixels: xr.DataArray) -> Scores:
    """Score chips by the published detector, on their middle; 0 where it gives no score."""
    from minewatch.model import convert_keras
    from minewatch.model._onnx import RunOptions

    detector = convert_keras(file, options=RunOptions(centre_crop=True))
    return np.nan_to_num(detector.predict_proba(pixels)[:, 1])


def tell(scores: dict[str, Scores], is_mining: Rows, files: Rows, rows: Rows) -> None:
    """Print figures of each detector, and the differences from the published one."""
    labels, blocks = is_mining[rows], files[rows]
    for name, one in scores.items():
        print(f"  {name:<10} {figures(labels, [one[rows]], blocks)}", flush=True)
    for name in [name for name in scores if name != "published" and "published" in scores]:
        pair = [scores[name][rows]], [scores["published"][rows]]
        print(f"  {name} − published {differences(labels, *pair, blocks)}", flush=True)


def main() -> None:
    """Print the figures of each detector."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--published", type=Path, metavar="FILE.h5")
    parser.add_argument(NETWORK, action="store_true")
    options = parser.parse_args()
    table = read_table(options.folder)
    chips = np.load(options.folder / "chips.npz")["chips"]
    reflectance = chips.transpose(0, 3, 1, 2).astype(np.float32) * np.float32(0.3 / 255)
    pixels = name_pixels(reflectance, ("B04", "B03", "B02"), "L1C")
    pixels = pixels.assign_coords(group=("site", table["file"].to_numpy()))
    is_mining = table["label"].to_numpy()
    labels = pd.Series(is_mining, index=pixels["site"].to_numpy())
    folds = make_folds(table, near_pairs(chips, table))
    measured = detectors(seed=0)
    if options.network:
        measured["network"].set_params(**NETWORK_SETTINGS)
    scores = with_ensemble(
        {name: score_out_of_fold(one, pixels, labels, folds) for name, one in measured.items()}
    )
    if options.published:
        scores["published"] = score_published(options.published, pixels)
    meant = table["meant"].to_numpy()
    later = meant & ~table["source"].str.startswith("v2.").to_numpy()
    for what, rows in {"unseen files": meant, "without v2": later}.items():
        print(f"{what}: {rows.sum():,} chips, {is_mining[rows].sum():,} mining")
        tell(scores, is_mining, pd.factorize(table["file"])[0], np.flatnonzero(rows))


if __name__ == "__main__":
    main()
