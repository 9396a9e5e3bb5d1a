"""Ask the same Overpass server for the same features with osmnx and with minewatch.

``python benchmarks/overpass.py FILE.osm.pbf W,S,E,N``: a server on loopback answers from the file;
the area is the box without its north-eastern quarter, asked for in parts of `--part-km2`. What is
compared is what was asked and what came; the time is the server's.
"""

import argparse
import importlib.util
import re
import sys
import tempfile
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import osmnx
import shapely
from shapely.geometry.base import BaseGeometry

from minewatch.context import (
    DEFAULT_LAYERS,
    Layer,
    OverpassSource,
    extract_features,
    fetch_features,
    read_features,
)

STATUS = "Connected as: 1\nCurrent time: 0\nAnnounced endpoint: none\nRate limit: 0\n2 slots now\n"
POLYGON = re.compile(r"poly:'([^']*)'")
BOX = re.compile(r"\((-?[\d.]+),(-?[\d.]+),(-?[\d.]+),(-?[\d.]+)\);")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("bounds")
    parser.add_argument("--part-km2", type=float, default=10.0)
    given = parser.parse_args()
    west, south, east, north = (float(edge) for edge in given.bounds.split(","))
    middle = ((west + east) / 2, (south + north) / 2)
    lower = [(west, south), (east, south), (east, middle[1])]
    area = shapely.Polygon([*lower, middle, (middle[0], north), (west, north)])
    layers = tuple(layer for layer in DEFAULT_LAYERS if layer.name != "power")
    truth = set(extract_features(given.file, area, layers).table.index)
    servers = _servers()
    extract = servers.Extract(given.file)
    print(
        f"{'':10} {'requests':>8} {'asked, × area':>13} {'rows':>7} {'repeated':>8} {'missing':>8}"
    )
    with servers.serve_overpass(extract, status=STATUS) as server:
        rows = ask_osmnx(server, area, layers, given.part_km2)
        show("osmnx", server, area, rows, truth)
    with (
        servers.serve_overpass(extract, status=STATUS) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        source = OverpassSource(url=server.url, max_area_km2=given.part_km2, pause_s=0.0)
        table = read_features(fetch_features(area, layers, source, folder)).table
        show("minewatch", server, area, list(table.index), truth)


def ask_osmnx(
    server: Any, area: shapely.Polygon, layers: tuple[Layer, ...], part_km2: float
) -> list[str]:
    """Ask as the seed study does, for the tags of the layers; give the ids of the rows."""
    osmnx.settings.overpass_url = server.url
    osmnx.settings.use_cache = False
    osmnx.settings.max_query_area_size = part_km2 * 1e6
    tags: dict[str, bool | str | list[str]] = {
        layer.key: True if layer.values is None else list(layer.values) for layer in layers
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = osmnx.features_from_polygon(area, tags)
    return [f"{kind}/{number}" for kind, number in table.index]


def show(name: str, server: Any, area: BaseGeometry, rows: list[str], truth: set[str]) -> None:
    """Print one line: what was asked, and what came."""
    asked = shapely.union_all([ground for one in server.asked.queries if (ground := place(one))])
    print(
        f"{name:10} {len(server.asked.queries):8} {asked.area / area.area:13.3f} {len(rows):7} "
        f"{len(rows) - len(set(rows)):8} {len(truth - set(rows)):8}"
    )


def place(query: str) -> BaseGeometry | None:
    """Give the ground that a query asks for."""
    if found := POLYGON.search(query):
        numbers = [float(word) for word in found[1].split()]
        return shapely.Polygon(list(zip(numbers[1::2], numbers[::2], strict=True)))
    if found := BOX.search(query):
        south, west, north, east = (float(edge) for edge in found.groups())
        return shapely.box(west, south, east, north)
    return None


def _servers() -> ModuleType:
    path = Path(__file__).parents[1] / "tests" / "overpass_server.py"
    spec = importlib.util.spec_from_file_location("minewatch_test_overpass_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
