"""Extract features from a made map of five million nodes: ours, GDAL, pyosmium, QuackOSM, pyrosm.

The map is drawn from a seed: 420,000 buildings, 60,000 roads, 5,000 roundabouts, 10,000 rivers,
20,000 fields, 5,000 forests (multipolygons with a hole; of every tenth an outer way is a track, of
every other tenth the outer ring is a meadow by its own tags), 100,000 places, and 10,000 fences
that nobody asks for. What every reader should find is known, so that what it loses, adds or draws
as something else can be counted. Each reads all of it, with the tags, into a GeoDataFrame, in a
process of its own.

    python benchmarks/extract.py               # five million nodes, some minutes, 500 MB of disk
    python benchmarks/extract.py --share 0.1   # a small run

QuackOSM and pyrosm are measured where they are installed (``pip install quackosm pyrosm``).
"""

import argparse
import importlib
import importlib.util
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _measure import machine, measure, report

Kinds = dict[str, str]
Places = npt.NDArray[np.float64]

KEYS = ("highway", "waterway", "building", "landuse", "place")
ROUND = {"building": 4, "landuse": 30, "roundabout": 12}
COUNTS = {
    "building": 420_000,
    "road": 60_000,
    "roundabout": 5_000,
    "river": 10_000,
    "landuse": 20_000,
    "forest": 5_000,
    "place": 100_000,
    "fence": 10_000,
}
LENGTHS = {"road": 25, "river": 65, "fence": 20}
TAGS = {
    "building": "building=yes,name=House",
    "road": "highway=residential,surface=mud",
    "roundabout": "highway=primary,junction=roundabout",
    "river": "waterway=stream",
    "landuse": "landuse=farmland",
    "fence": "barrier=fence",
}
KIND_OF = {
    "Point": "point",
    "LineString": "line",
    "LinearRing": "line",
    "Polygon": "area",
    "MultiPolygon": "area",
}


class Map:
    """Draws objects, counting up, as lines of OPL; and says what each should become."""

    def __init__(self, share: float) -> None:
        self.chance = np.random.default_rng(5)
        self.counts = {name: int(count * share) for name, count in COUNTS.items()}
        self.nodes: list[str] = []
        self.ways: list[str] = []
        self.relations: list[str] = []
        self.truth: Kinds = {}

    def node(self, longitude: float, latitude: float, *, tags: str = "") -> int:
        """Draw a node."""
        self.nodes.append(f"n{len(self.nodes) + 1} v1 T{tags} x{longitude:.7f} y{latitude:.7f}")
        return len(self.nodes)

    def way(self, places: Places, tags: str, kind: str | None, *, closed: bool) -> int:
        """Draw a way through new nodes."""
        refs = [self.node(*place) for place in places.tolist()]
        return self.way_of([*refs, refs[0]] if closed else refs, tags, kind)

    def way_of(self, refs: list[int], tags: str, kind: str | None) -> int:
        """Draw a way through nodes that are there."""
        number = len(self.ways) + 1
        self.ways.append(f"w{number} v1 T{tags} N{','.join(f'n{ref}' for ref in refs)}")
        if kind is not None:
            self.truth[f"way/{number}"] = kind
        return number

    def somewhere(self) -> Places:
        """Choose a place."""
        return self.chance.uniform((-64.0, 4.0), (-60.0, 8.0))

    def circle(self, corners: int, radius: float) -> Places:
        """Place corners around a place."""
        angles = np.linspace(0.0, 2.0 * np.pi, corners, endpoint=False)
        return self.somewhere() + radius * np.column_stack([np.cos(angles), np.sin(angles)])

    def walk(self, steps: int) -> Places:
        """Wander from a place."""
        turns = np.cumsum(self.chance.normal(0.0, 0.3, steps))
        return self.somewhere() + 3e-4 * np.cumsum(
            np.column_stack([np.cos(turns), np.sin(turns)]), axis=0
        )

    def draw(self) -> None:
        """Draw everything."""
        for name, corners in ROUND.items():
            kind = "line" if name == "roundabout" else "area"
            for _ in range(self.counts[name]):
                self.way(self.circle(corners, 2e-4), TAGS[name], kind, closed=True)
        for name, steps in LENGTHS.items():
            for _ in range(self.counts[name]):
                self.way(
                    self.walk(steps), TAGS[name], "line" * (name != "fence") or None, closed=False
                )
        for turn in range(self.counts["forest"]):
            self.forest(turn)
        for _ in range(self.counts["place"]):
            number = self.node(*map(float, self.somewhere()), tags="place=farm,name=Sitio")
            self.truth[f"node/{number}"] = "point"

    def forest(self, turn: int) -> None:
        """Draw a multipolygon of two outer ways and a hole; some with rings that are features."""
        ring = self.circle(40, 2e-3)
        refs = [self.node(*place) for place in ring.tolist()]
        if turn % 10 == 5:
            outer = [self.way_of([*refs, refs[0]], "landuse=meadow", "area")]
        else:
            tags, kind = ("highway=track", "line") if turn % 10 == 0 else ("", None)
            second = self.way_of([*refs[20:], refs[0]], "", None)
            outer = [self.way_of(refs[:21], tags, kind), second]
        inside = ring.mean(axis=0) + 0.5 * (ring[::4] - ring.mean(axis=0))
        hole = self.way(inside, "", None, closed=True)
        number = len(self.relations) + 1
        listed = ",".join([*(f"w{way}@outer" for way in outer), f"w{hole}@inner"])
        self.relations.append(f"r{number} v1 Ttype=multipolygon,landuse=forest M{listed}")
        self.truth[f"relation/{number}"] = "area"


def make_map(folder: Path, share: float) -> None:
    import osmium

    drawn = Map(share)
    drawn.draw()
    opl = folder / "map.opl"
    with opl.open("w") as file:
        for lines in (drawn.nodes, drawn.ways, drawn.relations):
            file.writelines(f"{line}\n" for line in lines)
    with osmium.SimpleWriter(str(folder / "map.osm.pbf")) as writer:
        osmium.apply(str(opl), writer)
    opl.unlink()
    (folder / "truth.json").write_text(json.dumps(drawn.truth))
    counts = {"nodes": len(drawn.nodes), "ways": len(drawn.ways), "features": len(drawn.truth)}
    (folder / "counts.json").write_text(json.dumps(counts))


def read_ours(file: Path) -> Iterator[tuple[str, str]]:
    from minewatch.context import DEFAULT_LAYERS, extract_features

    layers = tuple(layer for layer in DEFAULT_LAYERS if layer.key in KEYS)
    table = extract_features(file, layers=layers).table
    yield from zip(table.index, table["kind"], strict=True)


def read_gdal(file: Path) -> Iterator[tuple[str, str]]:
    import pyogrio

    wanted = re.compile("|".join(f'"{key}"=>' for key in KEYS))
    words = {"points": "node", "lines": "way"}
    for layer in ("points", "lines", "multipolygons"):
        read = pyogrio.read_dataframe(file, layer=layer, use_arrow=True)
        columns = [key for key in KEYS if key in read]
        other = read["other_tags"].str.contains(wanted, na=False)
        read = read[read[columns].notna().any(axis=1) | other]
        ids = words.get(layer, "relation") + "/" + read["osm_id"].astype("str")
        if layer == "multipolygons":
            ids = ids.where(read["osm_id"].notna(), "way/" + read["osm_way_id"].astype("str"))
        yield from zip(ids, read.geom_type.map(KIND_OF), strict=True)


def read_pyosmium(file: Path) -> Iterator[tuple[str, str]]:
    """Read as the manual does: areas of everything, geometry by the interface for Python."""
    import geopandas as gpd
    import osmium

    wanted = osmium.filter.KeyFilter(*KEYS)
    shapes = osmium.filter.GeoInterfaceFilter()
    objects = (
        osmium.FileProcessor(str(file)).with_areas(wanted).with_filter(wanted).with_filter(shapes)
    )
    listed, features = [], []
    one: Any
    for one in objects:
        word = {"n": "node", "w": "way"}.get(one.type_str())
        if one.is_area():
            word = "way" if one.from_way() else "relation"
        number = one.orig_id() if one.is_area() else one.id
        listed.append(f"{word}/{number}")
        features.append({**one.__geo_interface__, "type": "Feature"})
    table = gpd.GeoDataFrame.from_features(features)
    yield from zip(listed, table.geom_type.map(KIND_OF), strict=True)


def read_quackosm(file: Path) -> Iterator[tuple[str, str]]:
    import geopandas as gpd
    import quackosm  # type: ignore[import-not-found,unused-ignore]  # not always there

    with tempfile.TemporaryDirectory() as folder:
        parquet = quackosm.convert_pbf_to_parquet(
            file,
            tags_filter=dict.fromkeys(KEYS, True),
            keep_all_tags=True,
            explode_tags=False,
            ignore_cache=True,
            working_directory=folder,
            verbosity_mode="silent",
        )
        table = gpd.read_parquet(parquet).reset_index()
    yield from zip(table["feature_id"], table.geom_type.map(KIND_OF), strict=True)


def read_pyrosm(file: Path) -> Iterator[tuple[str, str]]:
    import pyrosm  # type: ignore[import-not-found,unused-ignore]  # not always there

    table = pyrosm.OSM(str(file)).get_data_by_custom_criteria(
        custom_filter=dict.fromkeys(KEYS, True), tags_as_columns=list(KEYS)
    )
    ids = table["osm_type"].astype("str") + "/" + table["id"].astype("str")
    yield from zip(ids, table.geom_type.map(KIND_OF), strict=True)


READERS: dict[str, tuple[str, str | None, Callable[[Path], Iterator[tuple[str, str]]]]] = {
    "ours": ("minewatch: extract_features", None, read_ours),
    "gdal": ("GDAL's OSM driver through pyogrio", None, read_gdal),
    "pyosmium": ("pyosmium, as its manual does it", None, read_pyosmium),
    "quackosm": ("QuackOSM", "quackosm", read_quackosm),
    "pyrosm": ("pyrosm", "pyrosm", read_pyrosm),
}


IMPORTED = {
    "ours": ("minewatch.context",),
    "gdal": ("pyogrio", "geopandas", "pyarrow"),
    "pyosmium": ("osmium", "geopandas"),
    "quackosm": ("quackosm", "geopandas"),
    "pyrosm": ("pyrosm", "geopandas"),
}


def judge(folder: Path, part: str, truth: Kinds) -> str:
    """Say what a reader lost, changed or added."""
    found: list[tuple[str, str]] = json.loads((folder / f"{part}.json").read_text())
    kinds: dict[str, set[str]] = {}
    for feature_id, kind in found:
        kinds.setdefault(feature_id, set()).add(kind)
    lost = len(truth.keys() - kinds.keys())
    added = len(kinds.keys() - truth.keys())
    twice = len(found) - len(kinds)
    changed = sum(truth[one] not in kinds[one] for one in truth.keys() & kinds.keys())
    return f"lost {lost:,}, drawn otherwise {changed:,}, not asked for {added:,}, twice {twice:,}"


def run_part(part: str, folder: Path) -> None:
    found: list[tuple[str, str]] = []
    failed: list[Exception] = []
    for module in IMPORTED[part]:
        importlib.import_module(module)

    def read() -> None:
        try:
            found.extend(READERS[part][2](folder / "map.osm.pbf"))
        except Exception as error:  # noqa: BLE001  # a peer that fails is told of, not the end
            failed.append(error)

    report(read)
    if failed:
        (folder / f"{part}.failed").write_text(f"{type(failed[0]).__name__}: {failed[0]}")
    (folder / f"{part}.json").write_text(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the objects drawn")
    parser.add_argument("--part", choices=[*READERS, "map"])
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.part == "map":
        report(lambda: make_map(options.folder, options.share))
    elif options.part:
        run_part(options.part, options.folder)
    else:
        with tempfile.TemporaryDirectory() as name:
            compare(Path(name), options.share)


def compare(folder: Path, share: float) -> None:
    measure(__file__, "map", "--folder", str(folder), "--share", str(share))
    truth = json.loads((folder / "truth.json").read_text())
    counts = json.loads((folder / "counts.json").read_text())
    size_mb = (folder / "map.osm.pbf").stat().st_size / 1e6
    said = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    print(f"{machine()}\n{said}, {size_mb:.0f} MB")
    ours_s = 0.0
    for part, (title, library, _) in READERS.items():
        if library is not None and importlib.util.find_spec(library) is None:
            print(f"{title:<46} is not installed: left out")
            continue
        measured = measure(__file__, part, "--folder", str(folder), name=title)
        failed = folder / f"{part}.failed"
        if failed.is_file():
            print(f"{title:<46} failed: {failed.read_text()[:200]}")
            continue
        ours_s = ours_s or measured.seconds
        print(f"{measured.line()}   {measured.seconds / ours_s:.1f} × ours")
        print(f"    {judge(folder, part, truth)}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
