"""Build very many patches from a folder: how fast, and how much memory, by the number of places.

The toy archive (20 passes over 10 km square) is read from the disk, and places lie in it at random,
so that patches overlap: what is measured is the way from files to a finished dataset, not the
network. Memory must not grow with the number of places.

    python benchmarks/build.py                     # 500 and 5,000 places, a minute or two
    python benchmarks/build.py --places 50000      # these, too
    python benchmarks/build.py --archive FOLDER    # keep the archive there, or take the one there
"""

import argparse
import tempfile
from pathlib import Path

from _measure import machine, measure, report

SIDE_M = 10_200
BANDS = ("B04", "B8A", "B11")
START, END = "2023-01-01", "2023-12-31"
PLACES = (500, 5_000)


def write(archive: Path) -> None:
    from minewatch import toy

    valley = toy.Valley(seed=1)
    area = toy.archive_area(valley, side_m=SIDE_M)
    report(lambda: toy.write_archive(valley, archive, area=area))


def build(archive: Path, n_places: int) -> None:
    import geopandas as gpd
    import numpy as np
    import pandas as pd

    from minewatch import toy
    from minewatch.imagery import FolderSource, SceneQuery
    from minewatch.patches import build_patches

    area = toy.archive_area(toy.Valley(seed=1), side_m=SIDE_M)
    box = area.boundingbox
    rng = np.random.default_rng(1)
    eastings = rng.uniform(box.left + 300, box.right - 300, n_places)
    northings = rng.uniform(box.bottom + 300, box.top - 300, n_places)
    points = gpd.GeoSeries(gpd.points_from_xy(eastings, northings), crs=area.crs).to_crs(4326)
    sites = gpd.GeoDataFrame(
        geometry=points.to_numpy(),
        index=pd.Index([f"site-{i:06d}" for i in range(n_places)], name="site_id"),
        crs="EPSG:4326",
    )
    query = SceneQuery(start=START, end=END, bands=BANDS)
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        report(lambda: build_patches(sites, FolderSource(archive), query, Path(folder, "patches")))


def main() -> None:
    parser = argparse.ArgumentParser(description="Build very many patches from a folder.")
    parser.add_argument("--places", type=int, help="so many, too")
    parser.add_argument("--archive", type=Path, help="keep the archive here")
    parser.add_argument("--part", choices=("write", "build"), help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part == "write":
        write(chosen.archive)
    elif chosen.part == "build":
        build(chosen.archive, chosen.number)
    else:
        with tempfile.TemporaryDirectory() as folder:
            compare(chosen.archive or Path(folder) / "archive", chosen.places)


def compare(archive: Path, more: int | None) -> None:
    print(machine())
    if not archive.exists():
        measure(__file__, "write", "--archive", str(archive))
    for number in (*PLACES, *(() if more is None else (more,))):
        told = ("--archive", str(archive), "--number", str(number))
        measured = measure(__file__, "build", *told, name=f"{number:,} places")
        rate = number / measured.seconds
        print(f"{measured.line()}   {rate:6.0f} places/s", flush=True)


if __name__ == "__main__":
    main()
