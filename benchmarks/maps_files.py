"""Write published polygons in every format, open each with another program, and compare hectares.

    python benchmarks/maps_files.py …/amw/outputs/mining_202400_simplified.geojson

Every format is written in a process of its own, beside GeoPandas writing the same polygons as
GeoJSON: the ratio of the two is what does not hang on the machine. GDAL reads what it can, gpxpy
and pandas the rest.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

import _measure
from minewatch.maps import MapContents, gather_contents, write_files
from minewatch.scan._merge_polygons import area_ha

FORMATS = ("parquet", "geojson", "gpkg", "kml", "gpx", "csv", "pmtiles", "html")
MOST_DIFFERENCE = 1e-3


def gather(source: str) -> MapContents:
    return gather_contents(
        source,
        period="2024",
        title="Mining in the Amazon, 2024",
        attribution=["Amazon Mining Watch, CC BY 4.0"],
        found_by="Amazon Mining Watch",
    )


def polygons(path: Path, layer: str | None = None) -> pd.Series:
    """Measure what GDAL reads; tiles hold polygons in pieces."""
    table = pyogrio.read_dataframe(path, layer=layer).to_crs("EPSG:4326")
    table = table[table.geom_type != "Point"]
    hectares = area_ha(shapely.make_valid(table.geometry.to_numpy()))
    return pd.Series(hectares, index=table["detection_id"]).groupby(level=0).sum()


def listed(path: Path) -> pd.Series:
    """Read the hectares that a table lists."""
    return pd.read_csv(path, index_col="detection_id")["area_ha"]


def waypoints(path: Path) -> pd.Series:
    """Read the hectares that waypoints list."""
    import gpxpy

    found = gpxpy.parse(path.read_text(encoding="utf-8")).waypoints
    return pd.Series({one.name: float(one.extensions[0].text) for one in found})


READERS: dict[str, Callable[[Path], pd.Series]] = {
    "parquet": lambda path: pd.Series(
        area_ha(gpd.read_parquet(path).geometry.to_numpy()), index=gpd.read_parquet(path).index
    ),
    "geojson": polygons,
    "gpkg": lambda path: polygons(path, "detections"),
    "kml": lambda path: polygons(path, "Detections"),
    "pmtiles": polygons,
    "gpx": waypoints,
    "csv": listed,
}


def run_part(part: str, source: str, folder: str) -> None:
    if part == "geopandas":
        table = gpd.read_file(source)
        path = Path(folder, "geopandas.geojson")
        _measure.report(lambda: table.to_file(path, driver="GeoJSON", RFC7946="YES"))
        return
    contents = gather(source)
    out = Path(folder, part)
    _measure.report(lambda: write_files(contents, out, formats=[part]))


def compare(contents: MapContents, folder: Path) -> None:
    """Print by how much the hectares of each format differ from those of the polygons."""
    truth = contents.detections["area_ha"]
    print(f"\n{len(truth):,} polygons of {truth.sum():,.1f} ha, as read anew:")
    for name, read in READERS.items():
        found = read(folder / name / f"detections.{name}").reindex(truth.index)
        assert found.notna().all(), f"{name} lacks {found.isna().sum()} polygons"
        one = float(np.abs(found / truth - 1.0).max())
        whole = float(found.sum() / truth.sum() - 1.0)
        print(f"{name:<10} {found.sum():12,.1f} ha   in all {whole:+.5%}   one at most {one:.3%}")
        assert abs(whole) < MOST_DIFFERENCE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--part")
    given = parser.parse_args()
    if given.part:
        run_part(given.part, given.source, given.folder)
        return
    print(_measure.machine())
    with tempfile.TemporaryDirectory() as folder:
        peer = _measure.measure(__file__, "geopandas", given.source, folder, name="geopandas")
        print(peer.line())
        for name in FORMATS:
            took = _measure.measure(__file__, name, given.source, folder, name=name)
            ratio = took.work_cpu_s / peer.work_cpu_s
            size = sum(file.stat().st_size for file in Path(folder, name).iterdir()) / 1e6
            print(f"{took.line()}   {size:5.1f} MB   {ratio:5.1f} times geopandas' processor time")
        compare(gather(given.source), Path(folder))


if __name__ == "__main__":
    main()
