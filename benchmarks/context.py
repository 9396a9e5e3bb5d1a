"""Context against the way of the study it began with, and at scale.

Both sides work on the same made features, 121,054 of them over Bolívar, and the same 936 patches.
As where there is mining, patches stand eight to a district, and three features of four lie within a
few kilometres of a district's middle, many in some and few in most; one of four lies anywhere.

The study's way of drawing: for every patch and layer ``geopandas.clip`` to the patch's footprint,
then ``rasterio.features.rasterize`` of what is left, pixels that are touched. Ours:
`draw_channels`. What geopandas takes to measure the same as `measure_context`: for each site, layer
and radius the index, `clip` to the buffer, lengths and areas; ``sjoin_nearest`` for distances. And
to measure distances from every pixel: ``sjoin_nearest`` of their centres. These two are done for
every 9th site and every 39th patch, and count 9 and 39 times; to project features to each UTM zone
and to index them is not counted. Files: GeoJSON written and read by geopandas, against
`write_features` and `read_features` to GeoParquet. At scale: `measure_context` of a million
windows. Ratios are given of time and of processor time, which a busy machine does not blur.

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
FEW, SOME = 9, 39
"""One site of so many is measured, and one patch of so many, where the other side is slow."""
SITES_OF_A_DISTRICT, DISTRICT_DEGREES, APART = 8, 0.02, 0.25
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
    take(folder, "clip", "geopandas: clip, patch by patch, layer by layer")
    loop = take(folder, "loop", "geopandas, rasterio: clip and rasterize")
    masks = take(folder, "presence", "minewatch: draw_channels, presence")
    drawing = show_ratio("draw_channels faster than the loop", loop, masks)
    print(compare_masks(folder))
    field = take(folder, "nearest_of_pixels", f"geopandas: sjoin_nearest of pixels, 1 of {SOME}")
    both = take(folder, "channels", "minewatch: draw_channels, presence and distance")
    show_ratio("distances faster", field, both, SOME)
    print(compare_distances(folder))
    theirs = take(folder, "around", f"geopandas: clip to buffers, sjoin_nearest, 1 of {FEW}")
    table = take(folder, "measure", "minewatch: measure_context, 500 m, 2 km, 10 km")
    measuring = show_ratio("measure_context faster", theirs, table, FEW)
    print(compare_measures(folder))
    geojson = take(folder, "geojson", "geopandas: GeoJSON, write and read")
    parquet = take(folder, "parquet", "minewatch: GeoParquet, write and read")
    show_ratio("files faster", geojson, parquet)
    wanted = {"draw_channels": drawing, "measure_context": measuring}
    return [f"{name} 100 times faster" for name, ratio in wanted.items() if ratio < 100]


def show_ratio(name: str, theirs: Measured, ours: Measured, times: int = 1) -> float:
    ratio = times * theirs.seconds / ours.seconds
    cpu = times * theirs.work_cpu_s / ours.work_cpu_s
    print(f"{name:<46} {ratio:9.1f} ×   (by processor time of the work {cpu:.1f} ×)")
    return min(ratio, cpu)


def compare_distances(folder: Path) -> str:
    theirs, ours = np.load(folder / "nearest.npy"), np.load(folder / "distance.npy")[::SOME]
    same = bool((np.isfinite(theirs) == np.isfinite(ours)).all())
    known = np.isfinite(theirs) & np.isfinite(ours)
    apart = float(np.abs(theirs - ours)[known].max())
    return f"distances of pixels: known of the same {same}; {apart:.3f} m apart at most"


def compare_measures(folder: Path) -> str:
    import pandas as pd

    theirs = pd.read_parquet(folder / "around.parquet")
    ours = pd.read_parquet(folder / "measures.parquet").loc[theirs.index, theirs.columns]
    told = []
    for end in ("nearest_m", "count", "length_m", "area_ha"):
        columns = [name for name in map(str, theirs) if name.endswith(end)]
        a, b = (part[columns].to_numpy(dtype=float, na_value=np.nan) for part in (theirs, ours))
        sums = np.nansum(a, axis=0), np.nansum(b, axis=0)
        apart = float((np.abs(sums[0] - sums[1]) / np.maximum(sums[0], 1e-9)).max())
        told.append(f"{end} {apart:.4%}")
    return f"sums over sites apart at most by column: {', '.join(told)}"


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
        sites = make_places(np.random.default_rng(1))
        sites.to_parquet(folder / "sites.parquet")
        features = make_features(np.random.default_rng(0), sites)
        write_features(features, folder / "features.parquet", overwrite=True)

    report(work)


def make_features(random: np.random.Generator, sites: "gpd.GeoDataFrame") -> "Features":
    """Draw features about the districts that the sites lie in, a share of them anywhere."""
    import geopandas as gpd
    import pandas as pd
    import pyarrow as pa
    import shapely

    from minewatch.context import Features

    counts = {name: int(N_FEATURES * share) for name, share in SHARES.items()}
    counts["building"] += N_FEATURES - sum(counts.values())
    towns = shapely.get_coordinates(sites.geometry.to_numpy())[::SITES_OF_A_DISTRICT]
    weights = random.pareto(1.5, len(towns)) + 0.2
    shapes: list[object] = []
    columns = {name: np.full(N_FEATURES, None, dtype=object) for name in SHARES}
    kinds: list[str] = []
    values = {"building": "yes", "highway": "track", "waterway": "stream", "landuse": "farmland"}
    for name, count in counts.items():
        columns[name][len(shapes) : len(shapes) + count] = values.get(name, "runway")
        chosen = random.choice(len(towns), count, p=weights / weights.sum())
        near = towns[chosen] + random.normal(0.0, DISTRICT_DEGREES, (count, 2))
        apart = random.uniform((WEST, SOUTH), (EAST, NORTH), (count, 2))
        drawn, kind = draw(name, np.where(random.random((count, 1)) < APART, apart, near), random)
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


def make_places(random: np.random.Generator) -> "gpd.GeoDataFrame":
    """Choose places of patches, a few in each of the districts where there is mining."""
    import geopandas as gpd
    import pandas as pd

    n_districts = N_PATCHES // SITES_OF_A_DISTRICT
    districts = random.uniform((WEST, SOUTH), (EAST, NORTH), (n_districts, 2))
    places = np.repeat(districts, SITES_OF_A_DISTRICT, axis=0)
    moved = places + random.normal(0.0, DISTRICT_DEGREES, places.shape)
    moved[::SITES_OF_A_DISTRICT] = districts
    index = pd.Index([f"site-{number:03d}" for number in range(N_PATCHES)], name="site_id")
    points = gpd.points_from_xy(*moved.T)
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
    geoboxes = [PatchGrid().geobox(point.x, point.y) for point in sites.geometry]

    def work() -> None:
        layers = {name: features.table[features.table[name].notna()] for name in SHARES}
        for row, geobox in enumerate(geoboxes):
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
    places = sites.geometry.items()
    geoboxes = {str(key): PatchGrid().geobox(point.x, point.y) for key, point in places}
    drawn = []

    def work() -> None:
        drawn.append(draw_channels(geoboxes, features, layers=[*SHARES], max_distance_m=reach))

    warm_up()
    report(work)
    np.save(folder / "presence.npy", drawn[0]["presence"].values)
    if with_distance:
        np.save(folder / "distance.npy", drawn[0]["distance_m"].values)


def warm_up() -> None:
    """Let xarray import what it imports with the first array, which is not our work."""
    import xarray as xr

    xr.Dataset({"a": ("x", np.zeros(1))})


def measure_nearest_of_pixels(folder: Path) -> None:
    """Measure from the pixels of some patches as one would with geopandas."""
    import geopandas as gpd

    from minewatch.grid import PatchGrid, utm_epsg

    features, sites = read_both(folder)
    some = sites.iloc[::SOME]
    zones = project_layers(features, {utm_epsg(point.x, point.y) for point in some.geometry})
    field = np.full((len(some), len(SHARES), 48, 48), np.nan, dtype=np.float32)

    def work() -> None:
        for row, point in enumerate(some.geometry):
            geobox = PatchGrid().geobox(point.x, point.y)
            crs = utm_epsg(point.x, point.y)
            east, north = np.meshgrid(geobox.coords["x"].values, geobox.coords["y"].values)
            scale = scale_at(f"EPSG:{crs}", point.x, point.y)
            pixels = gpd.GeoDataFrame(geometry=gpd.points_from_xy(east.ravel(), north.ravel()))
            pixels = pixels.set_crs(crs)
            for layer, table in enumerate(zones[crs].values()):
                near = pixels.sjoin_nearest(table, max_distance=10_000 * scale, distance_col="m")
                near = near[~near.index.duplicated()]["m"].reindex(pixels.index)
                field[row, layer] = (near.to_numpy() / scale).reshape(48, 48)

    report(work)
    np.save(folder / "nearest.npy", field)


def project_layers(features: "Features", zones: set[int]) -> "dict[int, dict[str, Any]]":
    """Project every layer to every zone, and build its index; this is not counted."""
    planes: dict[int, dict[str, Any]] = {}
    for zone in sorted(zones):
        table = features.table.to_crs(zone)
        planes[zone] = {name: table.loc[table[name].notna(), ["geometry"]] for name in SHARES}
        for layer in planes[zone].values():
            layer.sindex.query(layer.geometry.iloc[0])
    return planes


def scale_at(crs: str, longitude: float, latitude: float) -> float:
    """Give the metres of a plane per metre on the ground."""
    import pyproj

    return float(np.sqrt(pyproj.Proj(crs).get_factors(longitude, latitude).areal_scale))


def measure_around(folder: Path) -> None:
    """Measure around some sites as one would with geopandas."""
    import geopandas as gpd
    import pandas as pd

    from minewatch.grid import utm_epsg

    features, sites = read_both(folder)
    some = sites.iloc[::FEW]
    zones = project_layers(features, {utm_epsg(point.x, point.y) for point in some.geometry})
    rows: list[dict[str, float]] = []

    def work() -> None:
        for point in some.geometry:
            crs = utm_epsg(point.x, point.y)
            scale = scale_at(f"EPSG:{crs}", point.x, point.y)
            site = gpd.GeoDataFrame(geometry=[point], crs="EPSG:4326").to_crs(crs)
            row: dict[str, float] = {}
            for name, table in zones[crs].items():
                near = site.sjoin_nearest(table, max_distance=10_000 * scale, distance_col="m")
                row[f"{name}_nearest_m"] = near["m"].min() / scale if len(near) else np.nan
                for radius in (500, 2_000, 10_000):
                    circle = site.geometry.iloc[0].buffer(radius * scale, quad_segs=64)
                    held = table.iloc[table.sindex.query(circle, predicate="intersects")]
                    within = held.geometry.clip(circle)
                    row[f"{name}_{radius}m_count"] = len(held)
                    if name in ("highway", "waterway"):
                        row[f"{name}_{radius}m_length_m"] = within.length.sum() / scale
                    if name in ("building", "landuse"):
                        hectares = within.area.sum() / scale**2 / 10_000
                        row[f"{name}_{radius}m_area_ha"] = hectares
            rows.append(row)

    report(work)
    pd.DataFrame(rows, index=some.index).to_parquet(folder / "around.parquet")


def measure_patches(folder: Path) -> None:
    from minewatch.context import measure_context

    features, sites = read_both(folder)
    measured = []
    report(lambda: measured.append(measure_context(sites, features)))
    measured[0].to_parquet(folder / "measures.parquet")


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
    "nearest_of_pixels": measure_nearest_of_pixels,
    "around": measure_around,
    "measure": measure_patches,
    "windows": partial(measure_windows, n_windows=N_WINDOWS),
    "geojson": pass_geojson,
    "parquet": pass_parquet,
}

if __name__ == "__main__":
    main()
