"""Read a file of OpenStreetMap: relations first, then tagged nodes and ways with their places."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import osmium
import osmium.filter
import shapely
from osmium.osm import NODE, RELATION, WAY
from shapely.geometry import Polygon

from minewatch.context._layers import Kind, Layer
from minewatch.errors import InputError, NotThereError

OSM_SUFFIXES: Final = (".pbf", ".osm", ".osm.gz", ".osm.bz2", ".o5m")
RELATION_TYPES: Final = ("multipolygon", "boundary")
_BATCH: Final = 50_000
_LARGE_BYTES: Final = 1 << 30
"""Of a larger file the places of nodes are kept in a temporary file instead of in memory."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself."""

    timestamp: str | None
    """The state of OpenStreetMap that it shows, ISO 8601, UTC. None: it does not say."""
    generator: str | None
    box: Polygon | None
    """What the file says that it holds, EPSG:4326. None: it does not say."""


@dataclass(frozen=True)
class Relation:
    """A relation that may be an area."""

    number: int
    tags: Mapping[str, str]
    ways: Mapping[int, str]
    """The roles of the ways that are its members, by their numbers."""


@dataclass
class Batch:
    """Some tagged nodes or ways, column by column."""

    numbers: list[int] = field(default_factory=list)
    tags: list[Mapping[str, str]] = field(default_factory=list)
    shapes: list[str] = field(default_factory=list)
    """Hexadecimal WKB, Point or LineString, longitude first."""
    closed: list[bool] = field(default_factory=list)
    """Whether a way ends at the node where it begins."""


class Broken(NamedTuple):
    """A tagged node or way that cannot be drawn."""

    feature_id: str
    reason: str
    tags: Mapping[str, str]
    known: list[tuple[float, float]]
    """The places of its nodes that are known: longitude, latitude."""


@dataclass
class Scan:
    """What was seen on the way through a file, beside the batches."""

    member_shapes: dict[int, str] = field(default_factory=dict)
    """Lines of the ways that relations are made of: number to hexadecimal WKB."""
    broken: list[Broken] = field(default_factory=list)
    """Tagged nodes and ways that have no shape."""
    broken_members: dict[int, str] = field(default_factory=dict)
    """Why a way that a relation is made of has no line, by its number."""
    newest: datetime | None = None
    """Time of the newest object that was looked at, UTC. Year 1970: nothing says it."""
    named: Any = field(default_factory=osmium.IdTracker)
    """What relations of any kind are made of."""
    n_ways: int = 0
    """How many ways there are."""
    n_untagged: int = 0
    """How many of them have no tags."""
    n_loose: int = 0
    """How many of those no relation is made of."""


def check_file(path: Path) -> None:
    """Raise if there is no such file, or its name is none of a file of OpenStreetMap."""
    if not path.is_file():
        raise NotThereError(f"there is no file {path}")
    if not path.name.lower().endswith(OSM_SUFFIXES):
        raise InputError(
            f"{path} is not known for a file of OpenStreetMap by its name; expected one that ends "
            f"in {', '.join(OSM_SUFFIXES)}"
        )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what osmium says of a file that it cannot read into an error that names the file."""
    try:
        yield
    except RuntimeError as error:
        raise InputError(
            f"{path} cannot be read as OpenStreetMap data: {error}. It may be cut short, or of "
            "another format; fetch it again, and compare its checksum"
        ) from error


def read_header(path: Path) -> Header:
    """Read what a file says of itself; refuse one that keeps old versions of its objects."""
    with reading(path), osmium.io.Reader(str(path), osmium.osm.NOTHING) as reader:
        header = reader.header()
        if header.has_multiple_object_versions:
            raise InputError(
                f"{path} holds the history of OpenStreetMap, each object many times; expected its "
                "state at one time (osmium time-filter makes one)"
            )
        timestamp = header.get("osmosis_replication_timestamp") or header.get("timestamp")
        return Header(timestamp or None, header.get("generator") or None, _box(header.box()))


def _box(box: Any) -> Polygon | None:
    """Draw the bounding box of a header, if it has one."""
    if not box.valid() or box.size() == 0.0:
        return None
    low, high = box.bottom_left, box.top_right
    drawn: Polygon = shapely.box(low.lon, low.lat, high.lon, high.lat)
    return drawn


class _Naming:
    """Notes what relations are made of."""

    def __init__(self, scan: Scan) -> None:
        self.relation = scan.named.add_references
        """Called with every relation that no layer asks for."""


def read_relations(path: Path, layers: Sequence[Layer], scan: Scan) -> list[Relation]:
    """Read the multipolygons and boundaries that have a tag of one of the layers.

    What relations of any kind are made of is noted in `scan`.
    """
    wanted = osmium.filter.KeyFilter(*_keys(layers, "area"))
    naming = _Naming(scan)
    found = []
    with reading(path), osmium.io.Reader(str(path), RELATION) as reader:
        objects = osmium.OsmFileIterator(reader, wanted)
        objects.set_filtered_handler(naming)
        relation: Any
        for relation in objects:
            naming.relation(relation)
            tags = dict(relation.tags)
            if tags.get("type") in RELATION_TYPES:
                ways: dict[int, str] = {}
                for member in relation.members:
                    if member.type == "w":
                        ways.setdefault(member.ref, member.role)
                found.append(Relation(relation.id, tags, ways))
    return found


class _Others:
    """Takes the ways that no layer asks for: lines that relations are made of, and counts."""

    def __init__(self, scan: Scan, numbers: frozenset[int], shapes: "_Shapes") -> None:
        self._scan, self._numbers, self._shapes = scan, numbers, shapes
        self._named = scan.named.way_ids()

    def way(self, way: Any) -> None:
        """Count a way, and keep its line if it is a member."""
        self._scan.n_ways += 1
        if not way.tags:
            self._scan.n_untagged += 1
            self._scan.n_loose += way.id not in self._named
        if way.id in self._numbers:
            keep_member(self._scan, way.id, self._shapes.line(way))


@dataclass(frozen=True)
class _NoShape:
    reason: str
    known: list[tuple[float, float]]


class _Shapes:
    """Draws ways."""

    def __init__(self) -> None:
        self._factory = osmium.geom.WKBFactory()

    def point(self, node: Any) -> str:
        """Draw a node as hexadecimal WKB."""
        return str(self._factory.create_point(node))

    def line(self, way: Any) -> str | _NoShape:
        """Draw a way as hexadecimal WKB, or say why it cannot be drawn."""
        try:
            return str(self._factory.create_linestring(way, osmium.geom.use_nodes.ALL))
        except osmium.InvalidLocationError:
            known = [(node.lon, node.lat) for node in way.nodes if node.location.valid()]
            missing = len(way.nodes) - len(known)
            return _NoShape(f"{missing} of its {len(way.nodes)} nodes are not in the file", known)
        except RuntimeError:
            known = [(node.lon, node.lat) for node in way.nodes if node.location.valid()]
            return _NoShape("it has fewer than two nodes", known)


def keep_member(scan: Scan, number: int, line: str | _NoShape) -> None:
    """Keep the line of a way that a relation is made of, or why there is none."""
    if isinstance(line, str):
        scan.member_shapes[number] = line
    else:
        scan.broken_members[number] = line.reason


def read_objects(
    path: Path,
    layers: Sequence[Layer],
    members: frozenset[int],
    scan: Scan,
    *,
    dated: bool = False,
) -> Iterator[tuple[str, Batch]]:
    """Read tagged nodes and ways, and the lines of members, in one pass.

    Parameters
    ----------
    path
        The file: nodes, then ways.
    layers
        Whose keys let an object through; values and kinds are for the caller to look at.
    members
        Numbers of the ways whose lines are kept in `scan`, whatever their tags.
    scan
        Is filled on the way.
    dated
        Look for the newest object too.

    Yields
    ------
    tuple
        ``"node"`` or ``"way"``, and a batch of at most 50,000.
    """
    shapes = _Shapes()
    kind_of_index = "flex_mem" if path.stat().st_size < _LARGE_BYTES else "sparse_file_array"
    locations = osmium.NodeLocationsForWays(osmium.index.create_map(kind_of_index))
    locations.ignore_errors()
    # What is handed to osmium is held by these names: it does not hold it itself.
    nodes = osmium.filter.KeyFilter(*_keys(layers, "point"))
    ways = osmium.filter.KeyFilter(*_keys(layers, "line", "area"))
    nodes.enable_for(NODE)
    ways.enable_for(WAY)
    others = _Others(scan, members, shapes)
    batches = {"node": Batch(), "way": Batch()}
    with reading(path), osmium.io.Reader(str(path), NODE | WAY) as reader:
        objects = osmium.OsmFileIterator(reader, locations, nodes, ways)
        objects.set_filtered_handler(others)
        one: Any
        for one in objects:
            if dated:
                moment = one.timestamp
                scan.newest = moment if scan.newest is None else max(scan.newest, moment)
            word = "node" if one.is_node() else "way"
            scan.n_ways += word == "way"
            _take(one, word, batches[word], scan, shapes, members)
            if len(batches[word].numbers) >= _BATCH:
                yield word, batches[word]
                batches[word] = Batch()
    yield from batches.items()


def _take(
    one: Any, word: str, batch: Batch, scan: Scan, shapes: _Shapes, members: frozenset[int]
) -> None:
    """Put one tagged node or way into its batch, or say why it has no shape."""
    if word == "node":
        shape: str | _NoShape = (
            shapes.point(one) if one.location.valid() else _NoShape("it lies nowhere on Earth", [])
        )
    else:
        shape = shapes.line(one)
        if one.id in members:
            keep_member(scan, one.id, shape)
    if isinstance(shape, _NoShape):
        broken = Broken(f"{word}/{one.id}", shape.reason, dict(one.tags), shape.known)
        scan.broken.append(broken)
        return
    batch.numbers.append(one.id)
    batch.tags.append(dict(one.tags))
    batch.shapes.append(shape)
    batch.closed.append(word == "way" and one.is_closed())


def _keys(layers: Sequence[Layer], *kinds: Kind) -> list[str]:
    return sorted({layer.key for layer in layers if any(kind in layer.kinds for kind in kinds)})
