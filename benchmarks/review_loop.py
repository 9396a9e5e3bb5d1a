"""Close the loop on a toy valley: scores before and after one round at the review desk.

The 24 stretches of the demo's valley are split from west to east, in three parts of eight:

1. *first*: where somebody labelled a few places; the first detector learns from them;
2. *reviewed*: the first detector scans them, and every detection goes to the desk, where a reviewer
   who knows the truth answers over HTTP as the page does: mine or not, and a point for every mine
   in the picture that lies in no detection;
3. *held out*: nobody looks there; both detectors scan them, and are held to the true mines.

What the desk exports is joined to the first labels, patches are built of all, and the same detector
is trained anew. Beside it stands one that learned as many new places, drawn at random in the
reviewed stretches instead: what reviewing is worth more, or less, than labelling. Average precision
and ROC AUC say how windows are ranked; how many mining windows are found, and how many found ones
are none, depends on the threshold too, which every training chooses anew: a round can rank better
and find fewer.

    python benchmarks/review_loop.py                        # about 5 minutes of one core
    python benchmarks/review_loop.py --keep DIR --seeds 1 2   # keeps the archives in DIR
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from sklearn.metrics import average_precision_score, roc_auc_score

from _measure import machine
from minewatch import toy
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery, open_source
from minewatch.maps.review import export_review
from minewatch.model import BlockKFold, load_detector, make_detector, train_detector
from minewatch.patches import PatchDataset, build_patches
from minewatch.scan import merge_detections, read_windows, scan_region, write_detections
from minewatch.sites import read_sites, write_sites
from minewatch.study._demo import REGION, YEAR, make_demo

QUERY = SceneQuery(start=f"{YEAR}-01-01", end=f"{YEAR}-12-31")
PLANE = "EPSG:32620"
MIDDLE = f"{YEAR}-07-01"
"""Mines that opened later are in less than half of the year's views, and are not asked for."""
IS_MINING = 0.01
"""Share of a window that is mine from which on it counts as mining, as for the demo's places."""
N_MINING, N_BACKGROUND = 10, 20
TOKEN = "the-benchmark-is-its-only-user"  # noqa: S105 - for one run on loopback
SEEN_M = 960.0
"""Half the side of the picture that the reviewer sees around a detection."""
PARTS = ("first", "reviewed", "held out")


def split(study: Path) -> dict[str, gpd.GeoDataFrame]:
    """Split the stretches from west to east."""
    stretches = gpd.read_file(study / REGION)
    order = stretches.geometry.to_crs(PLANE).centroid.x.rank(method="first")
    third = ((order - 1) * 3 // len(stretches)).astype(int)
    return {name: stretches[third == at] for at, name in enumerate(PARTS)}


def mines_of(seed: int) -> shapely.Geometry:
    """Give the ground of all mines, in the plane."""
    mines = toy.Valley(seed=seed).mines
    known = mines.geometry[mines["opened"] <= MIDDLE].to_crs(PLANE)
    ground: shapely.Geometry = shapely.union_all(np.asarray(known.to_numpy()))
    return ground


def shares(squares: np.ndarray, ground: shapely.Geometry) -> np.ndarray:
    """Say how much of each square is mine, 0 to 1."""
    return np.asarray(shapely.area(shapely.intersection(squares, ground)) / shapely.area(squares))


def patch_of(longitude: float, latitude: float) -> shapely.Geometry:
    """Draw the patch of a place, in the plane."""
    box = PatchGrid().geobox(longitude, latitude).boundingbox
    patch: shapely.Geometry = shapely.box(box.left, box.bottom, box.right, box.top)
    return patch


def first_sites(seed: int, study: Path, stretches: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Take a few of the demo's own places in the first stretches."""
    sites = read_sites(study / "places.geojson")
    own = sites[shapely.intersects(sites.geometry.to_numpy(), stretches.geometry.union_all())]
    drawn = [
        own[own["label"] == label].sample(
            min(count, int((own["label"] == label).sum())), random_state=seed
        )
        for label, count in ((1, N_MINING), (0, N_BACKGROUND))
    ]
    return own.loc[pd.concat(drawn).index]


def train(study: Path, sites: gpd.GeoDataFrame, name: str) -> Path:
    """Build patches of places, and train trees on them."""
    folder = study / "review-loop" / name
    source = open_source(study / "archive")
    build_patches(sites, source, QUERY, folder / "patches", overwrite=True)
    train_detector(
        make_detector("trees", n_trees=200),
        PatchDataset.open(folder / "patches"),
        folder / "detector",
        splitter=BlockKFold(3, block_m=5_000),
        overwrite=True,
    )
    return folder / "detector"


def scan(study: Path, region: gpd.GeoDataFrame, detector: Path, name: str) -> pd.DataFrame:
    """Scan stretches; give windows with a score."""
    made = scan_region(
        region,
        load_detector(detector),
        open_source(study / "archive"),
        QUERY,
        study / "review-loop" / name,
        overwrite=True,
    )
    windows = read_windows(made.path)
    return windows[windows["status"] == "scored"]


@contextmanager
def desk(study: Path, found: Path, store: Path) -> Iterator[str]:
    """Open the desk as the command line does; give its address."""
    command = [sys.executable, "-c", "from minewatch.cli import main; main()", "maps", "review"]
    options = ["--store", str(store), "--imagery", str(study / "archive"), "--period", str(YEAR)]
    process = subprocess.Popen(
        [*command, str(found), *options, "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "MINEWATCH_REVIEW_TOKEN": TOKEN},
    )
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if line.startswith("}"):
            break
    try:
        yield str(json.loads(told)["address"]).partition("/#")[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def ask(url: str, body: Mapping[str, Any] | None = None) -> Any:
    """Ask the desk, or tell it something."""
    headers = {"X-Minewatch-Token": TOKEN, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.load(answer)


def review(url: str, ground: shapely.Geometry, detected: shapely.Geometry) -> None:
    """Answer as somebody who knows the truth would, and draw what was missed in the pictures."""
    missed = [
        mine
        for mine in shapely.get_parts(ground)
        if not shapely.intersects(mine, detected) and shapely.area(mine) >= 1_000.0
    ]
    inside = gpd.GeoSeries(shapely.point_on_surface(np.array(missed, dtype=object)), crs=PLANE)
    places = inside.to_crs("EPSG:4326")
    for item in ask(f"{url}/api/items?reviewer=truth"):
        number, at = item["number"], patch_of(item["longitude"], item["latitude"])
        is_mine = shares(np.array([at]), ground)[0] >= IS_MINING
        said = {"reviewer": "truth", "number": number, "uid": f"decision-{number:06d}"}
        verdict = {"verdict": "mine"} if is_mine else {"verdict": "not_mine", "reason": "other"}
        ask(f"{url}/api/decisions", {**said, **verdict})
        west, south, east, north = shapely.bounds(at)
        x, y = (west + east) / 2, (south + north) / 2
        picture = shapely.box(x - SEEN_M, y - SEEN_M, x + SEEN_M, y + SEEN_M)
        for row in np.flatnonzero(shapely.intersects(picture, inside.to_numpy())):
            point = {"longitude": places.iloc[row].x, "latitude": places.iloc[row].y}
            uid = f"point-{number:06d}-{row:06d}"
            ask(f"{url}/api/points", {**said, **point, "uid": uid})


def describe(windows: pd.DataFrame, detector: Path, ground: shapely.Geometry) -> dict[str, str]:
    """Hold scores to the truth."""
    left, top, side = (windows[name].to_numpy() for name in ("left_m", "top_m", "size_m"))
    squares = shapely.box(left, top - side, left + side, top)
    truth = shares(squares, ground) >= IS_MINING
    score = windows["score"].to_numpy(np.float64)
    threshold = load_detector(detector).card.thresholds["f1"].value
    found = score >= threshold
    hit = int((found & truth).sum())
    return {
        "average precision": f"{average_precision_score(truth, score):.3f}",
        "ROC AUC": f"{roc_auc_score(truth, score):.3f}",
        "threshold": f"{threshold:.2f}",
        "mining windows found": f"{hit} of {truth.sum()} ({hit / truth.sum():.0%})",
        "detected windows with mining": f"{hit} of {found.sum()} ({hit / max(found.sum(), 1):.0%})",
    }


def random_sites(
    study: Path, known: gpd.GeoDataFrame, stretches: gpd.GeoDataFrame, n: int, seed: int
) -> gpd.GeoDataFrame:
    """Join as many places of the reviewed stretches, drawn from those that the demo labels."""
    sites = read_sites(study / "places.geojson")
    own = sites[shapely.intersects(sites.geometry.to_numpy(), stretches.geometry.union_all())]
    drawn = own.sample(min(n, len(own)), random_state=seed)
    return gpd.GeoDataFrame(pd.concat([known, drawn]), crs=sites.crs)


def close_loop(study: Path, seed: int) -> list[dict[str, str]]:
    """Go once around; give a row for each detector."""
    ground, parts = mines_of(seed), split(study)
    work = study / "review-loop"
    known = first_sites(seed, study, parts["first"])
    files = {"first": write_sites(known, work / "first.geojson", overwrite=True)}
    detector = train(study, known, "before")
    windows = scan(study, parts["reviewed"], detector, "scan-reviewed")
    threshold = load_detector(detector).card.thresholds["f1"].value
    found = merge_detections(windows, threshold=threshold)
    write_detections(found, work / "found.parquet", made={"step": "merge"}, overwrite=True)
    store = work / "review.gpkg"
    for old in work.glob("review.gpkg*"):
        old.unlink()
    with desk(study, work / "found.parquet", store) as url:
        review(url, ground, found.geometry.to_crs(PLANE).union_all())
    exported = export_review([store], work / "second.geojson", into=files["first"], overwrite=True)
    joined = read_sites(work / "second.geojson")
    n_new = len(joined) - len(known)
    at_random = random_sites(study, known, parts["reviewed"], n_new, seed)
    counts = exported.agreed["label"].value_counts()
    print(
        f"seed {seed}: {len(found)} detections reviewed, {counts.get(1, 0)} mines and "
        f"{counts.get(0, 0)} not; {exported.counts()['drawn']} missed mines drawn; "
        f"{exported.counts()['left_out']} left out",
        flush=True,
    )
    rows = []
    for name, sites in (("before", known), ("after", joined), ("at random", at_random)):
        own = detector if name == "before" else train(study, sites, name.replace(" ", "-"))
        scored = scan(study, parts["held out"], own, f"scan-{name.replace(' ', '-')}")
        told = f"{int((sites['label'] == 1).sum())} + {int((sites['label'] == 0).sum())}"
        row = {"seed": str(seed), "labels": name, "mining + none": told}
        rows.append(row | describe(scored, own, ground))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1])
    parser.add_argument("--keep", type=Path, help="where demo studies lie, or are kept: DIR/SEED")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for seed in arguments.seeds:
            study = (arguments.keep or Path(folder)) / str(seed)
            if not (study / "archive").is_dir():
                make_demo(study, seed=seed)
            rows += close_loop(study, seed)
    print(f"\nOn {machine()}; windows of eight held-out stretches\n")
    print("| " + " | ".join(rows[0]) + " |\n" + "|---" * len(rows[0]) + "|")
    for row in rows:
        print("| " + " | ".join(row.values()) + " |")


if __name__ == "__main__":
    main()
