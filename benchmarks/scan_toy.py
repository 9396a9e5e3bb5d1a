"""Scan whole toy archives and hold what comes out to the true mines, in three valleys.

For each seed it makes the study of the demo (24 stretches of 1.6 km, 300 places, 20 passes) and
scans all of its stretches twice:

- *learned from*: through the demo's own detector, trees that learned from places of every stretch;
- *never seen*: the western half of the stretches through trees that learned in the eastern half
  alone, and the eastern through trees of the western. Thresholds are chosen among the training
  places too, on folds of blocks of 10 km.

Only the second says what to expect of ground where nobody has looked. Then windows are drawn for
review, labelled by the truth, and the area is estimated from them.

    python benchmarks/scan_toy.py                      # about 15 minutes of one core
    python benchmarks/scan_toy.py --seeds 2 --keep DIR   # keeps the studies in DIR, or takes them
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from _measure import machine
from minewatch import patches, toy
from minewatch.imagery import SceneQuery, open_source
from minewatch.model import load_detector
from minewatch.model._blocks import BlockKFold
from minewatch.model._kinds import make_detector
from minewatch.model._train import TrainSettings, train_detector
from minewatch.patches import PatchDataset
from minewatch.scan import (
    draw_sample,
    estimate_area,
    frame_windows,
    mapped_area_ha,
    merge_detections,
    outline_detections,
    plan_sample,
    read_windows,
    scan_region,
    sum_strata,
)
from minewatch.scan._area import AreaEstimate
from minewatch.scan._merge_polygons import area_ha
from minewatch.study import run_study
from minewatch.study._demo import REGION, YEAR, make_demo

QUERY = SceneQuery(start=f"{YEAR}-01-01", end=f"{YEAR}-12-31")
MIDDLE = f"{YEAR}-07-01"
"""Mines that opened later are in less than half of the year's views, and are not asked for."""
PLANE = "EPSG:32620"
IS_MINING = 0.01
"""Share of a window that is mine from which on it counts as mining, as for the demo's places."""
LARGE_HA = 0.5
EXPECTED = {"detected": 0.7, "doubtful": 0.1, "clear": 0.02}
STANDARD_ERROR_HA, AT_LEAST = 60.0, 6
DRAWS = 200
WAYS = ("learned from", "never seen")


@dataclass(frozen=True, eq=False)
class Part:
    """Stretches that one detector looked at."""

    threshold: float
    windows: pd.DataFrame
    detections: gpd.GeoDataFrame
    outlines: gpd.GeoDataFrame
    not_seen: gpd.GeoDataFrame
    region: gpd.GeoDataFrame


@dataclass(frozen=True, eq=False)
class Look:
    """All stretches of a valley, each looked at by a detector; in metres of the valley's zone."""

    parts: Sequence[Part]
    mines: gpd.GeoSeries

    def _all(self, name: str) -> shapely.Geometry:
        tables = [getattr(part, name).geometry.to_crs(PLANE) for part in self.parts]
        return shapely.union_all(np.concatenate([table.to_numpy() for table in tables]))

    @cached_property
    def seen(self) -> shapely.Geometry:
        """The ground of the stretches that windows with a score show."""
        return shapely.difference(self._all("region"), self._all("not_seen"))

    @cached_property
    def detected(self) -> shapely.Geometry:
        """The ground of detected windows."""
        return self._all("detections")

    @cached_property
    def outlined(self) -> shapely.Geometry:
        """Bare ground and ponds in them."""
        return self._all("outlines")

    @cached_property
    def mined(self) -> shapely.Geometry:
        """All ground of mines."""
        return shapely.union_all(self.mines.to_numpy())

    @cached_property
    def mined_seen(self) -> shapely.Geometry:
        """All ground of mines that was seen."""
        return shapely.intersection(self.mined, self.seen)

    @cached_property
    def mines_seen(self) -> gpd.GeoSeries:
        """Mines of which at least half was seen: what was seen of them."""
        seen = self.mines.intersection(self.seen)
        return seen[seen.area >= 0.5 * self.mines.area]

    @cached_property
    def scored(self) -> pd.DataFrame:
        """Windows with a score: ``found``, whether detected; ``share`` that is mine, 0 to 1."""
        tables = []
        for part in self.parts:
            own = part.windows[part.windows["status"] == "scored"]
            found = (own["score"] >= part.threshold).to_numpy()
            tables.append(own.assign(found=found, share=shares(squares(own), self.mined)))
        return pd.concat(tables)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The windows to draw from, in strata, with the ``share`` that is mine."""
        frames = [
            frame_windows(part.windows, part.detections, doubtful_score=0.2) for part in self.parts
        ]
        frame = pd.concat(frames)
        return frame.assign(share=self.scored["share"].reindex(frame.index))


def squares(windows: pd.DataFrame) -> np.ndarray:
    """Draw windows in the plane of their zone."""
    left, top, side = (windows[name].to_numpy() for name in ("left_m", "top_m", "size_m"))
    return shapely.box(left, top - side, left + side, top)


def shares(shapes: np.ndarray, ground: shapely.Geometry) -> np.ndarray:
    """Say how much of each shape is ground of a kind, 0 to 1."""
    return shapely.area(shapely.intersection(shapes, ground)) / shapely.area(shapes)


def make_study(folder: Path, seed: int) -> Path:
    """Make the study of the demo as far as its patches, unless it is there."""
    if not (folder / "study.toml").is_file():
        make_demo(folder, seed=seed)
    run_study(folder, only=("sites", "patches"))
    return folder


def train(study: Path, held_out: gpd.GeoDataFrame | None, name: str) -> Path:
    """Train trees as the demo does, without the places in stretches that are held out."""
    out = study / "models" / name
    if (out / "card.json").is_file():
        return out
    dataset = PatchDataset.open(study / "patches")
    if held_out is not None:
        dataset = leave_out(dataset, held_out, study / f"patches-{name}")
    train_detector(
        make_detector("trees", n_trees=200),
        dataset,
        out,
        splitter=BlockKFold(3, block_m=10_000),
        settings=TrainSettings(name=name),
    )
    return out


def leave_out(dataset: PatchDataset, held_out: gpd.GeoDataFrame, out: Path) -> PatchDataset:
    """Copy a dataset without the places in some stretches."""
    inside = shapely.intersects(dataset.sites.geometry.to_numpy(), held_out.geometry.union_all())
    sites = dataset.sites[~inside]
    numbers = dataset.digital_numbers(list(sites.index))
    return patches.write_patches(
        out, sites, numbers, bands=dataset.bands, level=dataset.level, overwrite=True
    )


def look(study: Path, seed: int, way: str) -> Look:
    """Scan all stretches, through a detector that learned from them or through two that did not."""
    stretches = gpd.read_file(study / REGION)
    centre = stretches.geometry.to_crs(PLANE).centroid.x
    western = (centre.rank(method="first") <= len(stretches) / 2).to_numpy()
    if way == WAYS[0]:
        parts = [scan(study, stretches, train(study, None, "trees"), "all")]
    else:
        halves = {"west": stretches[western], "east": stretches[~western]}
        parts = [
            scan(study, half, train(study, half, f"trees-not-{name}"), name)
            for name, half in halves.items()
        ]
    mines = toy.Valley(seed=seed).mines
    return Look(parts, mines.geometry[mines["opened"] <= MIDDLE].to_crs(PLANE))


def scan(study: Path, region: gpd.GeoDataFrame, detector: Path, name: str) -> Part:
    """Scan stretches, merge what is detected, and outline it."""
    source = open_source(study / "archive")
    made = scan_region(
        region, load_detector(detector), source, QUERY, study / f"scan-{name}", overwrite=True
    )
    windows = read_windows(made.path)
    threshold = load_detector(detector).card.thresholds["f1"].value
    detections = merge_detections(windows, threshold=threshold)
    outlines = outline_detections(detections, source, QUERY)
    return Part(threshold, windows, detections, outlines, gpd.read_parquet(made.not_seen), region)


def describe_finds(looked: Look) -> dict[str, object]:
    """Say which mines were found, and what else."""
    mines, scored = looked.mines_seen, looked.scored
    touched = mines.intersects(looked.detected)
    large = mines.area >= LARGE_HA * 1e4
    mine_m2 = shapely.area(looked.mined_seen)
    hit_m2 = shapely.area(shapely.intersection(looked.mined_seen, looked.detected))
    of_mine = scored["share"] >= IS_MINING
    polygons = pd.concat([part.detections.geometry.to_crs(PLANE) for part in looked.parts])
    true = polygons.intersects(looked.mined)
    return {
        "threshold": " / ".join(f"{part.threshold:.2f}" for part in looked.parts),
        "mines found": of(touched.sum(), len(mines)),
        f"of {LARGE_HA:g} ha or more": of(touched[large].sum(), large.sum()),
        "ha of mines found": of(hit_m2 / 1e4, mine_m2 / 1e4),
        "mining windows detected": of((of_mine & scored["found"]).sum(), of_mine.sum()),
        "detected windows with mining": of(
            (of_mine & scored["found"]).sum(), scored["found"].sum()
        ),
        "detections that touch a mine": of(true.sum(), len(polygons)),
    }


def describe_sight(looked: Look) -> dict[str, object]:
    """Say what was not seen, of the ground and of the mines."""
    status = pd.concat([part.windows["status"] for part in looked.parts])
    region = looked._all("region")  # noqa: SLF001 - of one file
    lost = shapely.area(shapely.intersection(looked.mined, region))
    seen = shapely.area(looked.mined_seen)
    return {
        "windows": len(status),
        "not seen": int((status != "scored").sum()),
        "ground not seen": f"{1 - shapely.area(looked.seen) / shapely.area(region):.1%}",
        "ground of mines not seen": of((lost - seen) / 1e4, lost / 1e4),
    }


def describe_areas(looked: Look) -> dict[str, object]:
    """Compare mapped hectares with the truth on the ground that was seen."""
    truth = looked.mined_seen
    true_ha = shapely.area(truth) / 1e4
    windows_ha = sum(mapped_area_ha(part.detections) for part in looked.parts)
    outlines_ha = float(
        sum(area_ha(part.outlines.geometry.to_numpy()).sum() for part in looked.parts)
    )
    hit = shapely.area(shapely.intersection(looked.outlined, truth)) / 1e4
    return {
        "mines, ha": f"{true_ha:.1f}",
        "windows, ha": f"{windows_ha:.0f} ({windows_ha / true_ha:.1f} ×)",
        "outlines, ha": f"{outlines_ha:.1f} ({outlines_ha / true_ha:.2f} ×)",
        "of outlines, mine": f"{hit / outlines_ha:.0%}",
        "of mines, outlined": f"{hit / true_ha:.0%}",
    }


def review(looked: Look, seed: int) -> tuple[AreaEstimate, AreaEstimate, int]:
    """Draw windows, label them by the truth; estimate windows with mining, and ground of mines."""
    frame, strata = looked.frame, sum_strata(looked.frame)
    plan = plan_sample(strata, EXPECTED, standard_error_ha=STANDARD_ERROR_HA, at_least=AT_LEAST)
    counts = dict(zip(plan["stratum"], plan["reviews"].tolist(), strict=True))
    drawn = draw_sample(frame, counts, random_state=seed)
    share = frame["share"].reindex(drawn.index)
    names = share.ge(IS_MINING).map({True: "mining", False: "no mining"})
    by_label = pd.DataFrame({"stratum": drawn["stratum"], "reference": names.astype("str")})
    by_share = pd.DataFrame({"stratum": drawn["stratum"], "mining_share": share})
    return estimate_area(by_label, strata), estimate_area(by_share, strata), len(drawn)


def describe_estimates(looked: Look) -> Iterator[dict[str, object]]:
    """Compare hectares before and after adjustment with the truth of the frame."""
    frame = looked.frame
    is_mining = frame["share"] >= IS_MINING
    truths = (
        float(frame.loc[is_mining, "area_ha"].sum()),
        float((frame["area_ha"] * frame["share"]).sum()),
    )
    reviews = [review(looked, seed) for seed in range(DRAWS)]
    estimates = ([one[0] for one in reviews], [one[1] for one in reviews])
    for kind, truth, own in zip(("windows", "ground"), truths, estimates, strict=True):
        found = pd.DataFrame([one.areas.loc["mining"] for one in own])
        first = found.iloc[0]
        holds = (found["low_ha"] <= truth) & (truth <= found["high_ha"])
        yield {
            "hectares of": kind,
            "reviewed": of(reviews[0][2], len(frame)),
            "truth": f"{truth:.1f}",
            "mapped": f"{first['mapped_ha']:.1f} ({error(first['mapped_ha'], truth)})",
            "estimate": f"{first['area_ha']:.1f} ({error(first['area_ha'], truth)})",
            "interval": f"{first['low_ha']:.1f} to {first['high_ha']:.1f}",
            "holds": "yes" if holds.iloc[0] else "no",
            f"of {DRAWS} draws hold": f"{holds.mean():.0%}",
            "mean of draws": f"{found['area_ha'].mean():.1f}",
        }


def of(some: float, whole: float) -> str:
    """Write a part of a whole, and its share."""
    digits = 0 if float(some).is_integer() and float(whole).is_integer() else 1
    share = f"{some / whole:.0%}" if whole else "–"
    return f"{some:,.{digits}f} of {whole:,.{digits}f} ({share})"


def error(value: float, truth: float) -> str:
    """Write how far a value is from the truth."""
    return f"{value / truth - 1:+.0%}"


def show(title: str, rows: Sequence[dict[str, object]]) -> None:
    """Print a table as Markdown."""
    print(f"\n{title}\n\n| " + " | ".join(rows[0]) + " |")
    print("|---" * len(rows[0]) + "|")
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    sys.stdout.flush()


def run(seeds: Iterable[int], folder: Path) -> None:
    """Scan the valleys of some seeds, and print the tables."""
    finds, sights, areas, estimates = (list[dict[str, object]]() for _ in range(4))
    for seed in seeds:
        study = make_study(folder / f"seed-{seed}", seed)
        for way in WAYS:
            looked, who = look(study, seed, way), {"seed": seed, "stretches": way}
            finds.append(who | describe_finds(looked))
            sights.append(who | describe_sight(looked))
            areas.append(who | describe_areas(looked))
            estimates += [who | row for row in describe_estimates(looked)]
            print(f"seed {seed}, {way}: done", file=sys.stderr, flush=True)
    show("What was found", finds)
    show("What was not seen", sights)
    show("Hectares that are mapped, on ground that was seen", areas)
    show("Hectares before and after adjustment, in windows that tile the ground", estimates)


def main() -> None:
    """Read the command line, and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--keep", type=Path, help="a folder for the studies")
    asked = parser.parse_args()
    print(machine())
    if asked.keep is not None:
        run(asked.seeds, asked.keep)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(asked.seeds, Path(folder))


if __name__ == "__main__":
    main()
