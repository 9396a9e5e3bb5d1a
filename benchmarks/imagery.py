"""Read composites over a server with latency: minewatch beside odc-stac, and the limit of both.

The toy archive is written (20 passes over some 10 km square, two tiles, 12 bands and the mask) and
served from a process of its own, each answer 30 ms late. Then, each in a process of its own:

- 100 patches of 48 pixels, 12 bands, a year: minewatch, and odc-stac point by point, as one does it
  today (reading in 16 threads, the mask's clear classes, the median by xarray; it reads one patch
  before it is measured);
- one composite of 10 × 10 km: minewatch, and odc-stac with Dask.

Bytes and requests are those that the server counted. The limit is what nobody can save: unpacking
the blocks that hold the patches, and the medians, on all cores, with all bytes at hand. Of the time
on the clock, nobody can save the waiting either: `waiting alone` is what the requests that were
made cost in latency, spread evenly over the connections. The server shares the cores.

    python benchmarks/imagery.py               # some minutes
    python benchmarks/imagery.py --points 10   # odc-stac on 10 patches, scaled up
"""

import argparse
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from _measure import Measured, machine, measure, report

COLLECTION = "sentinel-2-l2a"
LATENCY_S = 0.03
SIDE_M = 10_200
N_PATCHES = 100
LARGE_PX = 1_000
START, END = "2023-01-01", "2023-12-31"
CLEAR_CLASSES = (4, 5, 6, 11)
ODC_THREADS = 16
EPSG = "EPSG:32620"


@dataclass(frozen=True)
class Task:
    """What one part is told."""

    archive: Path
    url: str
    points: int

    def geoboxes(self) -> dict[str, Any]:
        """Place the patches at random in the archive's main tile, on the patch grid."""
        import numpy as np
        from affine import Affine
        from odc.geo.geobox import GeoBox

        left, top = _corner(self.archive)
        rng = np.random.default_rng(1)
        steps = rng.integers(0, (SIDE_M - 480) // 60 + 1, (N_PATCHES, 2)) * 60
        return {
            f"site-{i:03d}": GeoBox(
                (48, 48), Affine(10, 0, left + int(x), 0, -10, top - int(y)), EPSG
            )
            for i, (x, y) in enumerate(steps)
        }

    def large(self) -> Any:
        """Give the large place."""
        from affine import Affine
        from odc.geo.geobox import GeoBox

        left, top = _corner(self.archive)
        return GeoBox((LARGE_PX, LARGE_PX), Affine(10, 0, left + 60, 0, -10, top - 60), EPSG)


def _corner(archive: Path) -> tuple[int, int]:
    import json

    corners = []
    for path in archive.rglob("S2*.json"):
        transform = json.loads(path.read_text())["assets"]["red"]["proj:transform"]
        corners.append((int(transform[5]), int(transform[2])))
    top, left = max(corners)
    return left, top


def write_archive(task: Task) -> None:
    from minewatch import toy

    valley = toy.Valley(seed=1)
    area = toy.archive_area(valley, side_m=SIDE_M)
    report(lambda: toy.write_archive(valley, task.archive, area=area))


def ours(task: Task) -> None:
    import pystac_client  # noqa: F401  # not part of what is measured, as for odc-stac
    import urllib3  # noqa: F401

    query, source = _source(task.url)
    report(lambda: _drain(source.load_many(task.geoboxes(), query)))
    source.close()


def where(task: Task) -> None:
    """Do what `ours` does, and note where the processor's time goes (a little more of it)."""
    import importlib
    import time

    spent: dict[str, float] = {}
    calls: dict[str, int] = {}

    def note(module: str, owner: str, name: str, words: str) -> None:
        loaded = importlib.import_module(f"minewatch.{module}")
        holder = getattr(loaded, owner) if owner else loaded
        plain = getattr(holder, name)

        def noting(*given: Any, **named: Any) -> Any:
            start = time.thread_time()
            try:
                return plain(*given, **named)
            finally:
                spent[words] = spent.get(words, 0.0) + time.thread_time() - start
                calls[words] = calls.get(words, 0) + 1

        setattr(holder, name, noting)

    note("imagery._reader_cog", "", "decode_block", "unpacking blocks (limit)")
    note("imagery._read_places", "", "median_of_views", "medians (limit)")
    note("_http", "HttpSession", "_ask", "requests")
    note("imagery._reader_cog", "", "read_layout", "layouts of files")
    note("imagery._reader", "Blocks", "cut", "cutting windows")
    note("imagery._read_places", "", "_to_reflectance_dn", "offsets")
    note("imagery._sampling", "Sampling", "put", "placing windows")
    note("imagery._read_places", "", "_judge", "masks")
    note("imagery._batch", "BatchLoader", "_search_all", "search")
    note("imagery._batch", "", "choose_scenes", "choosing scenes")
    note("imagery._batch", "BatchLoader", "_dataset", "datasets")
    start = time.process_time()
    ours(task)
    total = time.process_time() - start
    for words, seconds in sorted(spent.items(), key=lambda pair: -pair[1]):
        print(f"    {words:<28} {seconds:6.2f} s {calls[words]:8,} times", file=sys.stderr)
    rest = total - sum(spent.values())
    print(f"    {'all else: threads, loops':<28} {rest:6.2f} s", file=sys.stderr)


def ours_rasterio(task: Task) -> None:
    from minewatch.imagery._reader_rasterio import RasterioReader

    query, source = _source(task.url, reader=RasterioReader())
    report(lambda: _drain(source.load_many(task.geoboxes(), query)))
    source.close()


def ours_large(task: Task) -> None:
    query, source = _source(task.url)
    report(lambda: source.load(task.large(), query))
    source.close()


def _source(url: str, **settings: Any) -> tuple[Any, Any]:
    from minewatch.imagery import SceneQuery
    from minewatch.imagery._stac import StacSource

    return SceneQuery(start=START, end=END), StacSource(url, COLLECTION, **settings)


def _drain(composites: Iterator[tuple[str, Any]]) -> None:
    for key, composite in composites:
        if not hasattr(composite, "attrs"):
            sys.exit(f"{key}: {composite.reason}")


def limit(task: Task) -> None:
    """Note what is unpacked and composed for the patches, then do that alone, again."""
    from minewatch.imagery import SceneQuery, _read_places, _reader_cog
    from minewatch.imagery._cog_layout import decode_block as decode
    from minewatch.imagery._compose import median_of_views as median
    from minewatch.imagery._folder import FolderSource

    blocks: list[tuple[Any, ...]] = []
    stacks: list[Any] = []

    def noting_decode(layout: Any, number: int, body: Any) -> Any:
        blocks.append((layout, number, bytes(body)))
        return decode(layout, number, body)

    def noting_median(views: Any) -> Any:
        stacks.append(views)
        return median(views)

    setattr(_reader_cog, "decode_block", noting_decode)  # noqa: B010  # mypy minds otherwise
    setattr(_read_places, "median_of_views", noting_median)  # noqa: B010
    source = FolderSource(task.archive, workers=1)
    _drain(source.load_many(task.geoboxes(), SceneQuery(start=START, end=END)))

    def work() -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            _exhaust(pool.map(lambda block: decode(*block), blocks))
            _exhaust(pool.map(median, stacks))

    report(work)


def _exhaust(results: Iterator[Any]) -> None:
    for _ in results:
        pass


def odc(task: Task) -> None:
    chosen = list(task.geoboxes().values())[: task.points]
    _odc_import()
    _odc_patch(task.url, chosen[0])  # what it does once in a process is not scaled up
    report(lambda: [_odc_patch(task.url, geobox) for geobox in chosen])


def odc_large(task: Task) -> None:
    _odc_import()

    def work() -> None:
        loaded = _odc_load(task.url, task.large(), chunks={"x": 512, "y": 512})
        _odc_median(loaded).compute()

    report(work)


def _odc_import() -> None:
    import odc.stac
    import pystac_client  # noqa: F401  # not part of what is measured

    odc.stac.configure_rio(cloud_defaults=True)


def _odc_patch(url: str, geobox: Any) -> Any:
    return _odc_median(_odc_load(url, geobox, pool=ODC_THREADS)).load()


def _odc_load(url: str, geobox: Any, **how: Any) -> Any:
    import odc.stac
    from pystac_client import Client

    from minewatch.bands import BANDS, PRESETS

    common = {band.name: band.common for band in BANDS}
    found = Client.open(url).search(
        collections=[COLLECTION],
        bbox=list(geobox.to_crs("EPSG:4326").boundingbox),
        datetime=f"{START}/{END}",
    )
    return odc.stac.load(
        list(found.items()),
        bands=[*(common[name] for name in PRESETS["l2a-12"]), "scl"],
        geobox=geobox,
        groupby="solar_day",
        resampling="nearest",
        **how,
    )


def _odc_median(loaded: Any) -> Any:
    clear = loaded["scl"].isin(CLEAR_CLASSES)
    bands = loaded.drop_vars("scl")
    return bands.where(clear & (bands > 0)).median("time")


PARTS: dict[str, Callable[[Task], None]] = {
    "write": write_archive,
    "ours": ours,
    "where": where,
    "ours-rasterio": ours_rasterio,
    "ours-large": ours_large,
    "limit": limit,
    "odc": odc,
    "odc-large": odc_large,
}


@dataclass(frozen=True)
class Line:
    """One part, and what the server saw of it."""

    measured: Measured
    requests: int
    received_mb: float
    times: float = 1.0
    """What it has to be multiplied with, where only some patches were done."""

    def say(self) -> str:
        """Write it in one line."""
        one, many = self.measured, self.times
        return (
            f"{one.name:<38} {one.seconds * many:8.2f} s {one.work_cpu_s * many:8.2f} s "
            f"{self.requests * many:9,.0f} {self.received_mb * many:9,.0f} MB "
            f"{one.peak_mb:7,.0f} MB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Read composites over a server with latency.")
    parser.add_argument("--points", type=int, default=N_PATCHES, help="patches of odc-stac")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--archive", type=Path, help="keep the archive here")
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        PARTS[arguments.part](Task(arguments.archive, arguments.url, arguments.points))
        return
    with tempfile.TemporaryDirectory() as folder:
        archive = arguments.archive or Path(folder) / "archive"
        if not archive.exists():
            written = measure(__file__, "write", "--archive", str(archive), name="its archive")
            size_mb = sum(path.stat().st_size for path in archive.rglob("*.*")) / 1e6
            print(f"{written.line()}   {size_mb:.0f} MB on disk", flush=True)
        compare(archive, arguments.points)


def compare(archive: Path, points: int) -> None:
    servers = _servers()
    settings = servers.ServerSettings(latency_s=LATENCY_S)
    print(machine())
    print(f"{'':<38} {'wall':>10} {'processor':>10} {'requests':>9} {'received':>12} {'peak':>10}")
    with servers.serve_apart(archive, settings) as server:

        def run(part: str, name: str, times: float = 1.0, *, asked: float = 1.0) -> Line:
            """Run a part; of what it asked the server for, that share was measured."""
            server.reset_counts()
            told = ("--archive", str(archive), "--url", server.stac_url, "--points", str(points))
            measured = measure(__file__, part, *told, name=name)
            counts = server.counts
            requests = round((counts.requests + counts.api_requests) * asked)
            line = Line(measured, requests, counts.bytes_sent / 1e6 * asked, times)
            print(line.say(), flush=True)
            return line

        least = run("limit", "limit: unpacking and medians alone")
        own = run("ours", f"minewatch, {N_PATCHES} patches")
        print(_above(own, least), flush=True)
        run("where", "the same, noting its parts")
        run("ours-rasterio", f"minewatch by rasterio, {N_PATCHES} patches")
        warmed = points / (points + 1)
        other = run("odc", f"odc-stac, {N_PATCHES} patches", N_PATCHES / points, asked=warmed)
        print(_times(own, other))
        own, other = (
            run("ours-large", "minewatch, 10 km"),
            run("odc-large", "odc-stac, Dask, 10 km"),
        )
        print(_times(own, other))


def _above(own: Line, least: Line) -> str:
    from minewatch.imagery._batch import DEFAULT_WORKERS

    wall = own.measured.seconds / least.measured.seconds
    processor = own.measured.work_cpu_s / least.measured.work_cpu_s
    waiting_s = own.requests / DEFAULT_WORKERS * LATENCY_S
    return (
        f"  times the limit: wall {wall:.1f}, processor {processor:.1f}; "
        f"waiting alone {waiting_s:.2f} s"
    )


def _times(own: Line, other: Line) -> str:
    pairs = {
        "wall": (own.measured.seconds, other.measured.seconds * other.times),
        "processor": (own.measured.work_cpu_s, other.measured.work_cpu_s * other.times),
        "requests": (own.requests, other.requests * other.times),
        "bytes": (own.received_mb, other.received_mb * other.times),
        "memory": (own.measured.peak_mb, other.measured.peak_mb),
    }
    return "  times less: " + ", ".join(
        f"{name} {b / a:.1f}" for name, (a, b) in pairs.items() if a > 0
    )


def _servers() -> ModuleType:
    path = Path(__file__).parents[1] / "tests" / "servers.py"
    spec = importlib.util.spec_from_file_location("minewatch_test_servers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
