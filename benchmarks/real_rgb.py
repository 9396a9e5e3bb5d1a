"""Measure detectors on the 11,911 real true-colour chips of ``rgb``, file of origin by file.

Files are dealt to 5 folds (variants of one file with other cloud thresholds together) by
scikit-learn's StratifiedGroupKFold. A chip that lies within 10 km of a test chip, or looks like one
(8 × 8 block means within 4 of 255, correlated by 0.9), is not trained on. The figures are of the
chips on which the published detector 44px_v2.6_rgb is tested: composed with the clear threshold of
0.75, and of none of its training files. Intervals resample files.

    python benchmarks/real_rgb.py ../shared/data/rgb
    python benchmarks/real_rgb.py ../shared/data/rgb --network  # CnnDetector too; needs [cnn]
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import BallTree, NearestNeighbors

from _real import Folds, detectors, figures, name_pixels, score_out_of_fold
from minewatch.model._registry import find_published

EARTH_RADIUS_KM = 6371.0
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


def main(folder: Path) -> None:
    """Print the figures of each detector."""
    table = pd.read_csv(folder / "chips.csv")
    table["file"] = table["source"].str.replace(r"(_S2L1C_clear.*|_rgb_preview)", "", regex=True)
    seen = table["file"].isin(find_published("44px_v2.6_rgb").training_files)
    table["meant"] = (table["clear_threshold"] == 0.75) & ~seen
    later = (table["meant"] & ~table["source"].str.startswith("v2.")).to_numpy()
    chips = np.load(folder / "chips.npz")["chips"]
    reflectance = chips.transpose(0, 3, 1, 2).astype(np.float32) * np.float32(0.3 / 255)
    pixels = name_pixels(reflectance, ("B04", "B03", "B02"), "L1C")
    pixels = pixels.assign_coords(group=("site", table["file"].to_numpy()))
    is_mining = table["label"].to_numpy()
    labels = pd.Series(is_mining, index=pixels["site"].to_numpy())
    folds = make_folds(table, near_pairs(chips, table))
    files = pd.factorize(table["file"])[0]
    scores = {
        name: score_out_of_fold(one, pixels, labels, folds)
        for name, one in detectors(seed=0).items()
    }
    scores["mean"] = np.mean(list(scores.values()), axis=0)
    for what, rows in {"unseen files": table["meant"].to_numpy(), "without v2": later}.items():
        print(f"{what}: {rows.sum():,} chips, {is_mining[rows].sum():,} mining")
        for name, one in scores.items():
            print(f"  {name:<13} {figures(is_mining[rows], [one[rows]], files[rows])}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
