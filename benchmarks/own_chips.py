"""Take real chips as a user would bring them: some with labels to learn from, others to score.

``rgb`` leaves out the files of one fold of `real_rgb` with whatever lies near them or looks like
them; ``pairs6`` every second block of 2 degrees, later date only. What is scored comes without
labels and places, and three chips that hold nothing are put behind it: of no data, of one level,
and half of no data. ``auc`` holds the scores of `minewatch model predict` against the truth.

    python benchmarks/own_chips.py rgb ../shared/data/rgb --out own
    python benchmarks/own_chips.py pairs6 ../shared/data/pairs6 --out own
    python benchmarks/own_chips.py auc own/scores.csv own/truth.csv
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from _real import Rows
from real_pairs6 import group_places
from real_rgb import make_folds, near_pairs, read_table

RGB_FOLD = 4
KNOWN = ["label", "longitude", "latitude"]


def write(
    out: Path, chips: npt.NDArray[np.generic], table: pd.DataFrame, known: Rows, unseen: Rows
) -> None:
    """Write arrays and tables: `known` with labels, `unseen` without, `truth` beside."""
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "known.npy", chips[known])
    table.iloc[known].to_csv(out / "known.csv", index=False)
    hollow = chips[unseen[:3]].copy()
    hollow[0] = 0
    hollow[1] = 90
    hollow[2, :, : hollow.shape[2] // 2 + 1] = 0
    np.save(out / "unseen.npy", np.concatenate([chips[unseen], hollow]))
    table.iloc[unseen][["label"]].to_csv(out / "truth.csv", index=False)
    for name, rows in {"known": known, "unseen": unseen}.items():
        print(f"{name}: {len(rows):,} chips, {table['label'].iloc[rows].sum():,} mining")


def take_rgb(folder: Path, out: Path) -> None:
    """Leave out the files of one fold."""
    table = read_table(folder)
    chips = np.load(folder / "chips.npz")["chips"]
    known, unseen = make_folds(table, near_pairs(chips, table))[RGB_FOLD]
    write(out, chips, table[[*KNOWN, "file"]], known, unseen)


def take_pairs6(folder: Path, out: Path) -> None:
    """Leave out every second block of 2 degrees."""
    sites = pd.read_csv(folder / "sites.csv")
    sites["label"] = (sites["category"] == "mining_emergence").astype(np.int64)
    with np.load(folder / "chips.npz") as stored:
        chips = stored["t1"]
    is_unseen = group_places(sites)["2 degrees"] % 2 == 1
    write(out, chips, sites[KNOWN], np.flatnonzero(~is_unseen), np.flatnonzero(is_unseen))


def tell_auc(scores: Path, truth: Path) -> None:
    """Compare scores with the truth, row by row; no score counts as 0."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    labels = pd.read_csv(truth)["label"].to_numpy()
    table = pd.read_csv(scores).sort_values("site_id", key=_row, kind="stable")
    found = table["score"].fillna(0.0).to_numpy()[: len(labels)]
    area, precision = roc_auc_score(labels, found), average_precision_score(labels, found)
    print(f"AUC {area:.3f}  AP {precision:.3f}  of {len(labels):,}, {labels.sum():,} mining")
    print(table.tail(3)[["site_id", "score", "reason"]].to_string(index=False))


def _row(names: "pd.Series[str]") -> "pd.Series[int]":
    return names.str.extract(r"(\d+)$")[0].astype("int64")


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("rgb", "pairs6", "auc"))
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=Path("own"))
    options = parser.parse_args()
    if options.what == "auc":
        tell_auc(options.first, options.second)
    else:
        {"rgb": take_rgb, "pairs6": take_pairs6}[options.what](options.first, options.out)


if __name__ == "__main__":
    main()
