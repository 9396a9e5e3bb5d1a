"""Compare the published yearly polygons of the Amazon with each other, all pairs, beside geopandas.

Each file holds only what is new in its year, so years are united first, on both sides with the same
result, which is not counted: 2021, until 2022, until 2023, until 2024. Then for each of the six
pairs what is common, gained and lost. The plain way is ``geopandas.overlay(how="union")``, then
areas in an equal-area projection; it says nothing of places, of names, of slivers, nor of what is
new or has grown. Ours is `compare_ground`, which says that too. Their hectares must be the same.

    python benchmarks/scan_compare.py ../shared/data/amw/outputs
"""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from _measure import machine, measure, report

YEARS = ("2021", "2022", "2023", "2024")
KINDS = ("common", "gained", "lost")
EQUAL_AREA = 6933


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where mining_202100_simplified.geojson … lie")
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--work", type=Path)
    arguments = parser.parse_args()
    if arguments.part:
        PARTS[arguments.part](arguments.folder, arguments.work)
        return
    with tempfile.TemporaryDirectory(prefix="minewatch-bench-") as work:
        run(arguments.folder, Path(work))


def run(folder: Path, work: Path) -> None:
    print(f"On {machine()}")
    taken = {}
    for part, name in {
        "prepare": "minewatch: read 4 files, unite the years",
        "plain": "geopandas: overlay of 6 pairs, areas",
        "ours": "minewatch: compare_ground of 6 pairs",
        "cumulative": "minewatch: accumulate_detections, 4 years",
    }.items():
        taken[part] = measure(__file__, part, str(folder), "--work", str(work), name=name)
        print(taken[part].line())
    ratio = taken["plain"].seconds / taken["ours"].seconds
    cpu = taken["plain"].work_cpu_s / taken["ours"].work_cpu_s
    print(f"{'compare_ground faster':<46} {ratio:9.1f} ×   (by processor time {cpu:.1f} ×)")
    theirs, own = (pd.read_parquet(work / f"{part}.parquet") for part in ("plain", "ours"))
    print(own.round(1).to_string())
    apart = float(np.abs(theirs.to_numpy() - own.to_numpy()).max())
    print(f"hectares differ by {apart:.4f} at most, of {theirs.to_numpy().sum():,.0f}")
    if apart > 1.0:
        sys.exit("Not met: the same hectares to 1 ha")


def prepare(folder: Path, work: Path) -> None:
    from minewatch.scan._compare_periods import unite_periods
    from minewatch.scan._merge_file import read_detections

    def unite() -> None:
        files = {year: folder / f"mining_{year}00_simplified.geojson" for year in YEARS}
        united = unite_periods({year: read_detections(file) for year, file in files.items()})
        for year, table in united.items():
            table.to_parquet(work / f"{year}.parquet")

    report(unite)


def by_pair(work: Path, part: str, areas: Callable[..., list[float]]) -> None:
    periods = {year: gpd.read_parquet(work / f"{year}.parquet") for year in YEARS}
    found: dict[str, list[float]] = {}

    def compare() -> None:
        for before, after in itertools.combinations(YEARS, 2):
            found[f"{before}–{after}"] = areas(periods[before], periods[after])

    report(compare)
    table = pd.DataFrame.from_dict(found, orient="index", columns=list(KINDS))
    table.to_parquet(work / f"{part}.parquet")


def plain(_: Path, work: Path) -> None:
    def areas(before: gpd.GeoDataFrame, after: gpd.GeoDataFrame) -> list[float]:
        own = before[["geometry"]].assign(was=True)
        later = after[["geometry"]].assign(is_now=True)
        union = gpd.overlay(own, later, how="union").to_crs(EQUAL_AREA)
        was, is_now = union["was"].notna(), union["is_now"].notna()
        hectares = union.area / 1e4
        return [
            float(hectares[rows].sum()) for rows in (was & is_now, ~was & is_now, was & ~is_now)
        ]

    by_pair(work, "plain", areas)


def ours(_: Path, work: Path) -> None:
    from minewatch.scan._compare import compare_ground

    def areas(before: gpd.GeoDataFrame, after: gpd.GeoDataFrame) -> list[float]:
        _, ground = compare_ground(before, after, min_area_ha=0.0)
        sums = ground.groupby("ground")["area_ha"].sum()
        return [float(np.nan_to_num(sums.get(kind, 0.0))) for kind in KINDS]

    by_pair(work, "ours", areas)


def cumulative(_: Path, work: Path) -> None:
    from minewatch.scan._compare_periods import accumulate_detections

    periods = {year: gpd.read_parquet(work / f"{year}.parquet") for year in YEARS}
    report(lambda: accumulate_detections(periods))


PARTS: dict[str, Callable[[Path, Path], None]] = {
    "prepare": prepare,
    "plain": plain,
    "ours": ours,
    "cumulative": cumulative,
}

if __name__ == "__main__":
    main()
