"""Measure detectors on the 481 real places of ``pairs6``: mining that appeared against the rest.

Six bands of the later date alone, or (``--both-dates``) with those of the earlier date beside them,
as `stack_patches` puts them; the ensemble on the later date alone then stands beside, paired.

Folds: places nearer than 10 km, directly or through others, are never parted (226 groups), dealt to
5 folds by scikit-learn's StratifiedGroupKFold; and blocks of 2 degrees. With ``--folds random``
places are dealt singly, which leaks. How groups are dealt matters more than most choices of a
detector, so that five deals are made, and their mean and range given. The later window is
confounded with the label (every place without mining has that of 2021), so the headline are the
places whose window ends in 2021.

Beside them stands what others train (`_peers`), under the same folds: boosted trees, and with
``--peer-network`` their small network, half a minute of processor for each fold. Differences are
paired.

    python benchmarks/real_pairs6.py ../shared/data/pairs6
    python benchmarks/real_pairs6.py ../shared/data/pairs6 --both-dates
    python benchmarks/real_pairs6.py ../shared/data/pairs6 --peer-network --deals 2 --folds "10 km"
    python benchmarks/real_pairs6.py ../shared/data/pairs6 --folds random
    python benchmarks/real_pairs6.py ../shared/data/pairs6 --network  # CnnDetector too; needs [cnn]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from sklearn.cluster import DBSCAN
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from _peers import PeerNetwork, PeerTrees
from _real import (
    NETWORK,
    Rows,
    Scores,
    detectors,
    differences,
    ensemble,
    figures,
    name_pixels,
    score_out_of_fold,
    with_ensemble,
)
from minewatch.model._channels import BEFORE

EARTH_RADIUS_KM = 6371.0
BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
PEER_TREES = "their trees"
PEER_NETWORK = "their network"
LATER = "later date"
LEAKING = "random"


def read_chips(folder: Path, sites: pd.DataFrame, *, both_dates: bool) -> xr.DataArray:
    """Give the chips of the later date, or of both, with names and places."""
    dates = {"": "t1", f"@{BEFORE}": "t0"} if both_dates else {"": "t1"}
    with np.load(folder / "chips.npz") as stored:
        parts = [stored[date].transpose(0, 3, 1, 2) for date in dates.values()]
    chips = np.concatenate(parts, axis=1).astype(np.float32) / np.float32(10_000)
    pixels = name_pixels(chips, [f"{band}{date}" for date in dates for band in BANDS], "L2A")
    return pixels.assign_coords(
        {name: ("site", sites[name].to_numpy()) for name in ("longitude", "latitude")}
    )


def group_places(sites: pd.DataFrame) -> dict[str, npt.NDArray[np.int64]]:
    """Give the groups of places that are never parted, by kind of folds."""
    places = np.radians(sites[["latitude", "longitude"]].to_numpy())
    clusters = DBSCAN(10 / EARTH_RADIUS_KM, min_samples=1, metric="haversine").fit_predict(places)
    degrees = sites[["longitude", "latitude"]].floordiv(2).groupby(["longitude", "latitude"])
    kinds = {"10 km": clusters, "2 degrees": degrees.ngroup().to_numpy()}
    return kinds | {LEAKING: np.arange(len(sites))}


def score_deals(
    pixels: xr.DataArray, labels: pd.Series, groups: Rows, options: argparse.Namespace
) -> dict[str, list[Scores]]:
    """Score every place by each detector, once for each way to deal groups to folds."""
    deals: dict[str, list[Scores]] = {}
    for seed in range(options.deals):
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        folds = list(splitter.split(groups, labels.to_numpy(), groups))
        measured = detectors(seed) | {PEER_TREES: PeerTrees(seed)}
        if options.peer_network:
            measured[PEER_NETWORK] = PeerNetwork(seed)
        scores = {
            name: score_out_of_fold(one, pixels, labels, folds) for name, one in measured.items()
        }
        scores = with_ensemble(scores)
        if options.both_dates:
            later = pixels.sel(band=list(BANDS))
            members = [score_out_of_fold(one, later, labels, folds) for one in ensemble(seed)]
            scores[LATER] = np.mean(members, axis=0)
        for name, values in scores.items():
            deals.setdefault(name, []).append(values)
    return deals


def tell(
    deals: dict[str, list[Scores]], labels: Rows, groups: Rows, subsets: dict[str, Rows]
) -> None:
    """Print figures of each detector, and how much better the ensemble is than the others."""

    def cut(made: Sequence[Scores], rows: Rows) -> list[Scores]:
        return [values[rows] for values in made]

    for name, made in deals.items():
        for which, rows in subsets.items():
            text = figures(labels[rows], cut(made, rows), groups[rows])
            print(f"  {name:<13} {which:<4} {text}", flush=True)
    for other in [name for name in deals if name != "ensemble"]:
        for which, rows in subsets.items():
            ours, theirs = cut(deals["ensemble"], rows), cut(deals[other], rows)
            text = differences(labels[rows], ours, theirs, groups[rows])
            print(f"  ensemble − {other:<13} {which:<4} {text}", flush=True)


def main() -> None:
    """Print the figures of each detector under each kind of folds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--both-dates", action="store_true")
    parser.add_argument("--peer-network", action="store_true")
    parser.add_argument(NETWORK, action="store_true")
    parser.add_argument("--deals", type=int, default=5)
    parser.add_argument(
        "--folds",
        choices=("10 km", "2 degrees", LEAKING),
        help="default: both that hold places apart",
    )
    options = parser.parse_args()
    sites = pd.read_csv(options.folder / "sites.csv")
    pixels = read_chips(options.folder, sites, both_dates=options.both_dates)
    is_mining = (sites["category"] == "mining_emergence").to_numpy().astype(np.int64)
    labels = pd.Series(is_mining, index=pixels["site"].to_numpy())
    of_2021 = np.flatnonzero(sites["t1_end"].str.startswith("2021").to_numpy())
    subsets = {"all": np.arange(len(sites)), "2021": of_2021}
    for kind, groups in group_places(sites).items():
        if options.folds == kind or (options.folds is None and kind != LEAKING):
            print(f"folds by {kind}: {len(np.unique(groups))} groups, {options.deals} deals")
            with threadpool_limits(limits=1):
                deals = score_deals(pixels, labels, groups, options)
            tell(deals, is_mining, groups, subsets)


if __name__ == "__main__":
    main()
