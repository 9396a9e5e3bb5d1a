"""A map while it is drawn: nodes, ways and relations in metres, and the file they end up in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import osmium
from osmium.osm import mutable
from pyproj import Transformer

from minewatch.toy._noise import Chance
from minewatch.toy._shapes import Point
from minewatch.types import IntArray

Tags = Mapping[str, str]
Thing = TypeVar("Thing", mutable.Node, mutable.Way, mutable.Relation)
Member = tuple[str, int, str]
"""``"w"`` or ``"n"``, id, role."""

GENERATOR: Final = "minewatch toy: a made-up valley, no real place"
FIRST_EDIT: Final = date(2012, 1, 1)
MAP_DATE: Final = date(2024, 6, 1)
"""The day of the extract: nothing in it is newer."""
DEGREE: Final = 10_000_000
"""OpenStreetMap keeps coordinates as whole numbers of this part of a degree."""
MERGE: Final = 100.0
"""Points that are the same to a hundredth of a metre are one node."""


@dataclass(frozen=True)
class Edit:
    """Which version of a thing it is, and when that was saved."""

    version: int
    saved: datetime


@dataclass(frozen=True)
class Way:
    """A line through nodes."""

    nodes: tuple[int, ...]
    tags: Tags
    edit: Edit


@dataclass(frozen=True)
class Relation:
    """Ways or nodes that are one thing together."""

    members: tuple[Member, ...]
    tags: Tags
    edit: Edit


@dataclass
class Sheet:
    """Everything that is mapped; ids count from 1 within each type."""

    seed: int
    points: list[Point] = field(default_factory=list)
    """Of each node, metres of the valley's UTM zone."""
    node_tags: dict[int, Tags] = field(default_factory=dict)
    node_edits: list[Edit] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    _places: dict[tuple[int, int], int] = field(default_factory=dict)

    def draw_node(self, point: Point, tags: Tags, *, since: date = FIRST_EDIT) -> int:
        """Draw a point of its own, or give tags to the node that is there."""
        number = self._node(point, self._edit("node", len(self.points), since))
        self.node_tags[number] = {**self.node_tags.get(number, {}), **tags}
        return number

    def draw_way(self, line: Iterable[Point], tags: Tags, *, since: date = FIRST_EDIT) -> int:
        """Draw a line through points; those that are there already are shared."""
        edit = self._edit("way", len(self.ways), since)
        nodes = [self._node(point, edit) for point in line]
        self.ways.append(Way(tuple(nodes), tags, edit))
        return len(self.ways)

    def draw_ring(self, ring: Sequence[Point], tags: Tags, *, since: date = FIRST_EDIT) -> int:
        """Draw a way that ends where it began."""
        return self.draw_way([*ring, ring[0]], tags, since=since)

    def draw_relation(self, members: Sequence[Member], tags: Tags) -> int:
        """Draw a relation of ways or nodes drawn before."""
        edit = self._edit("relation", len(self.relations), FIRST_EDIT)
        self.relations.append(Relation(tuple(members), tags, edit))
        return len(self.relations)

    def _node(self, point: Point, edit: Edit) -> int:
        place = (int(point[0] * MERGE + 0.5), int(point[1] * MERGE + 0.5))
        number = self._places.get(place)
        if number is None:
            self.points.append((float(point[0]), float(point[1])))
            self.node_edits.append(edit)
            number = self._places[place] = len(self.points)
        return number

    def _edit(self, kind: str, number: int, since: date) -> Edit:
        chance = Chance(self.seed, "osm edit", kind, number)
        n_days = max(1, (MAP_DATE - since).days)
        day = since + timedelta(days=chance.integer(n_days))
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        return Edit(1 + chance.integer(4), noon)


def write_sheet(sheet: Sheet, path: Path, crs: str) -> None:
    """Write a sheet as a sorted file; its name decides the format.

    Parameters
    ----------
    sheet
        What is mapped.
    path
        The file, ``.osm.pbf`` or another that osmium writes; it must not exist.
    crs
        The CRS of the sheet's points.
    """
    places = _degrees(sheet.points, crs)
    with osmium.SimpleWriter(str(path), header=_header(places)) as writer:
        for number, (place, edit) in enumerate(zip(places, sheet.node_edits, strict=True), start=1):
            where = int(place[0]) / DEGREE, int(place[1]) / DEGREE
            tags = sheet.node_tags.get(number, {})
            writer.add_node(_dated(mutable.Node(id=number, location=where, tags=tags), edit))
        for number, way in enumerate(sheet.ways, start=1):
            drawn = mutable.Way(id=number, nodes=way.nodes, tags=way.tags)
            writer.add_way(_dated(drawn, way.edit))
        for number, one in enumerate(sheet.relations, start=1):
            bound = mutable.Relation(id=number, members=one.members, tags=one.tags)
            writer.add_relation(_dated(bound, one.edit))


def _dated(thing: Thing, edit: Edit) -> Thing:
    thing.version, thing.timestamp = edit.version, edit.saved
    return thing


def _degrees(points: Sequence[Point], crs: str) -> IntArray:
    """Give longitude and latitude in OpenStreetMap's whole numbers."""
    metres = np.array(points, dtype=np.float64).reshape(-1, 2)
    to_degrees = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    degrees = np.stack(to_degrees.transform(metres[:, 0], metres[:, 1]), axis=1)
    whole: IntArray = np.floor(degrees * DEGREE + 0.5).astype(np.int64)
    return whole


def _header(places: IntArray) -> osmium.io.Header:
    header = osmium.io.Header()
    header.set("generator", GENERATOR)
    header.set("osmosis_replication_timestamp", f"{MAP_DATE.isoformat()}T12:00:00Z")
    low, high = places.min(axis=0), places.max(axis=0)
    corners = [osmium.osm.Location(int(x) / DEGREE, int(y) / DEGREE) for x, y in (low, high)]
    header.add_box(osmium.osm.Box(*corners))
    return header
