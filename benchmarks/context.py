"""Context against the way of the study it began with, and at scale.

Both sides work on the same made features, 121,054 of them over Bolívar, and the same 936 patches.
The study's way: for every patch and layer ``geopandas.clip`` to the patch's footprint, then
``rasterio.features.rasterize`` of what is left, pixels that are touched. Ours: `draw_channels`
without and with distances, and `measure_context`. Files: GeoJSON written and read by geopandas,
against `write_features` and `read_features` to GeoParquet. At scale: `measure_context` of a million
windows.

    python benchmarks/context.py               # both
    python benchmarks/context.py --windows 0   # without the windows
"""

import argparse
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from _measure import Measured, machine, measure, report

if TYPE_CHECKING:
    from collections.abc import Callable

    import geopandas as gpd

    from minewatch.context import Features

N_FEATURES, N_PATCHES, N_WINDOWS = 121_054, 936, 1_000_000
SHARES = {"building": 0.52, "highway": 0.24, "waterway": 0.13, "landuse": 0.09, "aeroway": 0.02}
WEST, SOUTH, EAST, NORTH = -67.5, 3.7, -60.5, 8.4
Floats = npt.NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--windows", type=int, default=N_WINDOWS)
    arguments = parser.parse_args()
    if arguments.part == "windows":
        measure_windows(arguments.folder, arguments.windows)
        return
    if arguments.part:
        PARTS[arguments.part](arguments.folder)
        return
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="minewatch-bench-"))
    folder.mkdir(exist_ok=True)
    try:
        print(f"On {machine()}")
        failed = compare(folder)
        if arguments.windows:
            print(f"\n{arguments.windows:,} windows, {N_FEATURES:,} features")
            take(folder, "windows", "minewatch: measure_context", "--windows", arguments.windows)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(f"Not met: {'; '.join(failed)}" if failed else 0)


def compare(folder: Path) -> list[str]:
    measure(__file__, "prepare", "--folder", str(folder))
    print(f"\n{N_FEATURES:,} features, {N_PATCHES} patches of 48 × 48 pixels, 5 layers")
    clip = take(folder, "clip", "geopandas: clip, patch by patch, layer by layer")
    loop = take(folder, "loop", "geopandas, rasterio: clip and rasterize")
    masks = take(folder, "presence", "minewatch: draw_channels, presence")
    both = take(folder, "channels", "minewatch: draw_channels, presence and distance")
    table = take(folder, "measure", "minewatch: measure_context, 500 m, 2 km, 10 km")
    ratio = loop.seconds / masks.seconds
    print(f"draw_channels faster than the loop       {ratio:8.1f} ×  (≥ 100)")
    print(f"measure_context faster than the clip     {clip.seconds / table.seconds:8.1f} ×")
    rest = both.seconds + table.seconds
    print(f"all of ours faster than the loop         {loop.seconds / rest:8.1f} ×")
    print(compare_masks(folder))
    geojson = take(folder, "geojson", "geopandas: GeoJSON, write and read")
    parquet = take(folder, "parquet", "minewatch: GeoParquet, write and read")
    print(f"files faster                             {geojson.seconds / parquet.seconds:8.1f} ×")
    return [] if ratio >= 100 else ["draw_channels 100 times faster"]


def compare_masks(folder: Path) -> str:
    theirs, ours = np.load(folder / "loop.npy"), np.load(folder / "presence.npy")
    more, less = int((ours > theirs).sum()), int((ours < theirs).sum())
    outer = np.ones(theirs.shape, dtype=np.bool_)
    outer[..., 1:-1, 1:-1] = False
    inner = int(((ours != theirs) & ~outer).sum())
    return (
        f"masks: {theirs.sum():,} pixels marked by the loop, {ours.sum():,} by ours; {more} only "
        f"by ours, {less} only by the loop; {inner} of these not on the rim of a patch"
    )


def take(folder: Path, part: str, name: str, *more: object) -> Measured:
    measured = measure(__file__, part, "--folder", str(folder), *map(str, more), name=name)
    print(measured.line(), flush=True)
    return measured


def prepare(folder: Path) -> None:
    """Make features and places from a seed, as an extract would hold them."""
    from minewatch.context import write_features

    def work() -> None:
        features = make_features(np.random.default_rng(0))
        write_features(features, folder / "features.parquet", overwrite=True)
        make_places(features.table, np.random.default_rng(1)).to_parquet(folder / "sites.parquet")

    report(work)


def make_features(random: np.random.Generator) -> "Features":
    import geopandas as gpd
    import pandas as pd
    import pyarrow as pa

    from minewatch.context import Features

    counts = {name: int(N_FEATURES * share) for name, share in SHARES.items()}
    counts["building"] += N_FEATURES - sum(counts.values())
    towns = random.uniform((WEST, SOUTH), (EAST, NORTH), (400, 2))
    weights = random.pareto(1.1, len(towns)) + 0.05
    shapes: list[object] = []
    columns = {name: np.full(N_FEATURES, None, dtype=object) for name in SHARES}
    kinds: list[str] = []
    values = {"building": "yes", "highway": "track", "waterway": "stream", "landuse": "farmland"}
    for name, count in counts.items():
        columns[name][len(shapes) : len(shapes) + count] = values.get(name, "runway")
        chosen = random.choice(len(towns), count, p=weights / weights.sum())
        near = towns[chosen] + random.normal(0.0, 0.03, (count, 2))
        apart = random.uniform((WEST, SOUTH), (EAST, NORTH), (count, 2))
        spread = {"building": 0.1, "highway": 0.5, "landuse": 0.4}.get(name, 0.9)
        drawn, kind = draw(name, np.where(random.random((count, 1)) < spread, apart, near), random)
        shapes += drawn
        kinds += [kind] * count
    index = pd.Index([f"way/{number + 1}" for number in range(N_FEATURES)], name="feature_id")
    table: dict[str, Any] = {
        name: pd.array(column, dtype="str") for name, column in columns.items()
    }
    table["target"] = pd.array([None] * N_FEATURES, dtype="str")
    table["kind"] = pd.array(kinds, dtype="str")
    words = pa.array([[("source", "survey")]] * N_FEATURES, pa.map_(pa.string(), pa.string()))
    table["tags"] = pd.arrays.ArrowExtensionArray(words)
    frame = gpd.GeoDataFrame(table, geometry=shapes, index=index.astype("str"), crs="EPSG:4326")
    info: dict[str, Any] = {
        "area": None,
        "layers": [],
        "osm_timestamp": None,
        "attribution": "made",
        "counts": {},
    }
    none: dict[str, list[str]] = {"feature_id": [], "reason": [], "repaired": []}
    return Features(frame, pd.DataFrame(none), info)


def draw(name: str, places: Floats, random: np.random.Generator) -> tuple[list[object], str]:
    """Draw wandering lines, boxes of houses, or rounded fields, at places in degrees."""
    import shapely

    if name in ("highway", "waterway", "aeroway"):
        step = {"highway": 0.0008, "waterway": 0.0015, "aeroway": 0.004}[name]
        counts = {"highway": (4, 30), "waterway": (10, 60), "aeroway": (2, 4)}[name]
        lines: list[object] = []
        for place, count in zip(places, random.integers(*counts, len(places)), strict=True):
            turn = np.cumsum(random.normal(0.0, 0.4, count)) + random.uniform(0.0, 6.3)
            path = place + step * np.cumsum(np.column_stack([np.cos(turn), np.sin(turn)]), axis=0)
            lines.append(shapely.LineString(path.round(7)))
        return lines, "line"
    size = 0.00006 if name == "building" else 0.004
    corners = 4 if name == "building" else 14
    angle = np.linspace(0.0, 2.0 * np.pi, corners, endpoint=False)
    radius = size * random.lognormal(0.0, 0.5, (len(places), 1)) * np.ones(corners)
    if name != "building":
        radius = radius * random.uniform(0.6, 1.4, radius.shape)
    ring = places[:, None, :] + radius[..., None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return list(shapely.polygons(ring.round(7))), "area"


def make_places(features: "gpd.GeoDataFrame", random: np.random.Generator) -> "gpd.GeoDataFrame":
    """Choose places for patches: half of them near something that is mapped."""
    import geopandas as gpd
    import pandas as pd
    import shapely

    chosen = features.geometry.to_numpy()[random.choice(len(features), N_PATCHES // 2)]
    near = shapely.get_coordinates(shapely.point_on_surface(chosen))
    near += random.normal(0.0, 0.002, near.shape)
    apart = random.uniform((WEST, SOUTH), (EAST, NORTH), (N_PATCHES - len(near), 2))
    index = pd.Index([f"site-{number:03d}" for number in range(N_PATCHES)], name="site_id")
    points = gpd.points_from_xy(*np.concatenate([near, apart]).T)
    return gpd.GeoDataFrame(geometry=points, index=index, crs="EPSG:4326")


def read_both(folder: Path) -> "tuple[Features, gpd.GeoDataFrame]":
    import geopandas as gpd

    from minewatch.context import read_features

    features = read_features(folder / "features.parquet")
    return features, gpd.read_parquet(folder / "sites.parquet")


def clip_and_draw(folder: Path, *, draws: bool) -> None:
    import geopandas as gpd
    from rasterio.features import rasterize

    from minewatch.grid import PatchGrid

    features, sites = read_both(folder)
    masks = np.zeros((N_PATCHES, len(SHARES), 48, 48), dtype=np.uint8)

    def work() -> None:
        layers = {name: features.table[features.table[name].notna()] for name in SHARES}
        for row, point in enumerate(sites.geometry):
            geobox = PatchGrid().geobox(point.x, point.y)
            footprint = geobox.extent.to_crs("EPSG:4326").geom
            for layer, table in enumerate(layers.values()):
                clipped = gpd.clip(table, footprint)
                if len(clipped) == 0 or not draws:
                    continue
                masks[row, layer] = rasterize(
                    clipped.to_crs(str(geobox.crs)).geometry,
                    out_shape=(48, 48),
                    transform=geobox.affine,
                    all_touched=True,
                    dtype="uint8",
                )

    report(work)
    if draws:
        np.save(folder / "loop.npy", masks)


def draw_ours(folder: Path, *, with_distance: bool) -> None:
    from minewatch.context import draw_channels
    from minewatch.grid import PatchGrid

    features, sites = read_both(folder)
    reach = 10_000.0 if with_distance else None
    drawn = []

    def work() -> None:
        places = sites.geometry.items()
        geoboxes = {str(key): PatchGrid().geobox(point.x, point.y) for key, point in places}
        drawn.append(draw_channels(geoboxes, features, layers=[*SHARES], max_distance_m=reach))

    report(work)
    np.save(folder / "presence.npy", drawn[0]["presence"].values)


def measure_patches(folder: Path) -> None:
    from minewatch.context import measure_context

    features, sites = read_both(folder)
    report(lambda: measure_context(sites, features))


def measure_windows(folder: Path, n_windows: int) -> None:
    """Measure windows that tile the region, as a scan does."""
    import geopandas as gpd
    import pandas as pd

    from minewatch.context import measure_context

    features, _ = read_both(folder)
    across = int(np.sqrt(n_windows * (EAST - WEST) / (NORTH - SOUTH)))
    column, row = np.arange(n_windows) % across, np.arange(n_windows) // across
    longitude = WEST + (column + 0.5) * (EAST - WEST) / across
    latitude = SOUTH + (row + 0.5) * (NORTH - SOUTH) / (n_windows / across)
    index = pd.Index(np.arange(n_windows).astype("U7"), name="site_id")
    points = gpd.points_from_xy(longitude, latitude)
    windows = gpd.GeoDataFrame(geometry=points, index=index, crs="EPSG:4326")
    report(lambda: measure_context(windows, features))


def pass_geojson(folder: Path) -> None:
    import geopandas as gpd

    features, _ = read_both(folder)
    table = features.table.assign(tags="{}").reset_index()

    def work() -> None:
        table.to_file(folder / "features.geojson", driver="GeoJSON")
        assert len(gpd.read_file(folder / "features.geojson")) == N_FEATURES

    report(work)


def pass_parquet(folder: Path) -> None:
    from minewatch.context import read_features, write_features

    features, _ = read_both(folder)

    def work() -> None:
        write_features(features, folder / "again.parquet", overwrite=True)
        assert len(read_features(folder / "again.parquet").table) == N_FEATURES

    report(work)


PARTS: "dict[str, Callable[[Path], None]]" = {
    "prepare": prepare,
    "clip": partial(clip_and_draw, draws=False),
    "loop": partial(clip_and_draw, draws=True),
    "presence": partial(draw_ours, with_distance=False),
    "channels": partial(draw_ours, with_distance=True),
    "measure": measure_patches,
    "windows": partial(measure_windows, n_windows=N_WINDOWS),
    "geojson": pass_geojson,
    "parquet": pass_parquet,
}

if __name__ == "__main__":
    main()
