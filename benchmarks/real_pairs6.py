"""Measure detectors on the 481 real places of ``pairs6``: mining that appeared against the rest.

Six bands of the later date alone. Folds: places nearer than 10 km, directly or through others, are
never parted (226 groups), dealt to 5 folds by scikit-learn's StratifiedGroupKFold; and blocks of 2
degrees. How groups are dealt matters more than most choices of a detector, so that five deals are
made, and their mean and range given. The later window is confounded with the label (every place
without mining has that of 2021), so the headline are the places whose window ends in 2021.

    python benchmarks/real_pairs6.py ../shared/data/pairs6
    python benchmarks/real_pairs6.py ../shared/data/pairs6 --network  # CnnDetector too; needs [cnn]
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.cluster import DBSCAN
from sklearn.model_selection import StratifiedGroupKFold

from _real import Scores, detectors, figures, name_pixels, score_out_of_fold

EARTH_RADIUS_KM = 6371.0
N_DEALS = 5
BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")


def main(folder: Path) -> None:
    """Print the figures of each detector under each kind of folds."""
    sites = pd.read_csv(folder / "sites.csv")
    chips = np.load(folder / "chips.npz")["t1"].transpose(0, 3, 1, 2).astype(np.float32) / 10_000
    pixels = name_pixels(chips, BANDS, "L2A")
    pixels = pixels.assign_coords(
        {name: ("site", sites[name].to_numpy()) for name in ("longitude", "latitude")}
    )
    is_mining = (sites["category"] == "mining_emergence").to_numpy().astype(np.int64)
    labels = pd.Series(is_mining, index=pixels["site"].to_numpy())
    of_2021 = sites["t1_end"].str.startswith("2021").to_numpy()
    places = np.radians(sites[["latitude", "longitude"]].to_numpy())
    clusters = DBSCAN(10 / EARTH_RADIUS_KM, min_samples=1, metric="haversine").fit_predict(places)
    degrees = sites[["longitude", "latitude"]].floordiv(2).groupby(["longitude", "latitude"])
    for kind, groups in {"10 km": clusters, "2 degrees": degrees.ngroup().to_numpy()}.items():
        print(f"folds by {kind}: {len(np.unique(groups))} groups, {N_DEALS} deals")
        deals: dict[str, list[Scores]] = {}
        for seed in range(N_DEALS):
            splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
            folds = list(splitter.split(chips, is_mining, groups))
            scores = {
                name: score_out_of_fold(one, pixels, labels, folds)
                for name, one in detectors(seed).items()
            }
            scores["mean of both"] = np.mean(list(scores.values()), axis=0)
            for name, values in scores.items():
                deals.setdefault(name, []).append(values)
        for name, made in deals.items():
            print(f"  {name:<13} all  {figures(is_mining, made, groups)}")
            cut = [values[of_2021] for values in made]
            text = figures(is_mining[of_2021], cut, groups[of_2021])
            print(f"  {name:<13} 2021 {text}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
