"""The answers of all parts joined by id, each element once, and written as one sorted extract.

Neighbouring parts hold the same elements where a way or an area reaches across both. An element is
known by its type and number; of two that differ, the one of the newer version stays, or of the
newer state of the data where no version is told.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from minewatch.context._overpass_answer import OsmAnswer
from minewatch.types import AnyArray

_Rank: TypeAlias = tuple[int, str]
"""Version of an element, and state of the answer it came with: the greater is the newer."""
_Content: TypeAlias = tuple[Any, Mapping[str, str]]
"""Nodes of a way or members of a relation, and tags."""
_MEMBER_LETTERS: Final = {"node": "n", "way": "w", "relation": "r"}
_NODE: Final = np.dtype(
    [("id", "i8"), ("version", "i4"), ("state", "U20"), ("lon", "f8"), ("lat", "f8")]
)


_MAY_LACK: Final = (
    "relations without a name that lie around a whole part that was asked for, with no side or "
    "member in it"
)
_OF_TODAY: Final = (
    "areas that lay around a whole part on the day that was asked for, and do so no more: the "
    "server knows today's alone"
)
_TRAFFIC: Final = ("n_parts", "requests", "received_bytes", "duplicates")
"""What depends on how the server felt, and not on what it holds."""


@dataclass(frozen=True)
class Counts:
    """What was joined."""

    nodes: int
    ways: int
    relations: int
    duplicates: int
    """Elements that came again with another part."""
    conflicts: int
    """Elements that came again and were not the same."""
    missing_nodes: int
    """Nodes that a way names and no answer holds."""


@dataclass(frozen=True)
class Fetched:
    """What came of asking a server."""

    date: str | None
    """State that was asked for; None if each part is of its own."""
    states: tuple[str, ...]
    """States of the data that the answers name, oldest first."""
    n_parts: int
    requests: int
    """Requests of this run; 0 if all answers were there."""
    received_bytes: int
    counts: Counts
    is_of_past: bool
    """Whether a state was asked for that may not be the server's newest."""

    @property
    def may_lack(self) -> list[str]:
        """What a file of the same day would hold, and no server can be asked for."""
        return [_MAY_LACK, *([_OF_TODAY] if self.is_of_past else [])]

    def record(self) -> dict[str, Any]:
        """Give what the data are, as a JSON value: the same whatever happened on the way."""
        counts = {key: n for key, n in asdict(self.counts).items() if key not in _TRAFFIC}
        return {
            "date": self.date,
            "states": list(self.states),
            "counts": counts,
            "may_lack": self.may_lack,
        }

    def traffic(self) -> dict[str, int]:
        """Give what this run asked and joined, as a JSON value."""
        both = asdict(self) | asdict(self.counts)
        return {key: both[key] for key in _TRAFFIC}


@dataclass
class Join:
    """Elements gathered from answers, each once."""

    duplicates: int = 0
    conflicts: int = 0
    _nodes: list[AnyArray] = field(default_factory=list)
    _node_tags: dict[int, tuple[_Rank, Mapping[str, str]]] = field(default_factory=dict)
    _ways: dict[int, tuple[_Rank, _Content]] = field(default_factory=dict)
    _relations: dict[int, tuple[_Rank, _Content]] = field(default_factory=dict)

    def add(self, answer: OsmAnswer) -> None:
        """Take the elements of one answer in."""
        state = answer.timestamp or ""
        nodes = []
        for element in answer.elements:
            number, version = element["id"], int(element.get("version", 0))
            tags = element.get("tags", {})
            if element["type"] == "node":
                nodes.append((number, version, state, element["lon"], element["lat"]))
                if tags:
                    self._node_tags[number] = max(
                        ((version, state), tags),
                        self._node_tags.get(number, ((-1, ""), {})),
                        key=lambda ranked: ranked[0],
                    )
            elif element["type"] == "way":
                refs = array("q", element["nodes"])
                self._keep(self._ways, number, (version, state), (refs, tags))
            else:
                members = tuple(
                    (one["type"], int(one["ref"]), one.get("role", ""))
                    for one in element["members"]
                )
                self._keep(self._relations, number, (version, state), (members, tags))
        self._nodes.append(_once(np.array(nodes, dtype=_NODE))[0])

    def write(self, path: Path, *, timestamp: str | None) -> Counts:
        """Write all elements by type and number as an ``.osm.pbf`` file, and count them."""
        import osmium

        nodes, again, differ = _once(np.concatenate([*self._nodes, np.empty(0, dtype=_NODE)]))
        header = osmium.io.Header()
        header.set("generator", "minewatch")
        if timestamp is not None:
            header.set("timestamp", timestamp)
            header.set("osmosis_replication_timestamp", timestamp)
        path.unlink(missing_ok=True)
        with osmium.SimpleWriter(osmium.io.File(str(path), "pbf"), header=header) as writer:
            self._write_nodes(writer, nodes)
            for number, (rank, (refs, tags)) in sorted(self._ways.items()):
                writer.add_way(
                    osmium.osm.mutable.Way(id=number, version=rank[0], nodes=list(refs), tags=tags)
                )
            for number, (rank, (members, tags)) in sorted(self._relations.items()):
                named = [(_MEMBER_LETTERS[kind], ref, role) for kind, ref, role in members]
                writer.add_relation(
                    osmium.osm.mutable.Relation(
                        id=number, version=rank[0], members=named, tags=tags
                    )
                )
        return Counts(
            nodes=len(nodes),
            ways=len(self._ways),
            relations=len(self._relations),
            duplicates=self.duplicates + again,
            conflicts=self.conflicts + differ,
            missing_nodes=self._count_missing(nodes["id"]),
        )

    def _keep(
        self,
        kept: dict[int, tuple[_Rank, _Content]],
        number: int,
        rank: _Rank,
        content: _Content,
    ) -> None:
        before = kept.get(number)
        if before is None:
            kept[number] = rank, content
            return
        self.duplicates += 1
        if before[1] != content:
            self.conflicts += 1
            if rank > before[0]:
                kept[number] = rank, content

    def _write_nodes(self, writer: Any, nodes: AnyArray) -> None:
        import osmium

        for number, version, _, longitude, latitude in nodes.tolist():
            _, tags = self._node_tags.get(number, (None, {}))
            writer.add_node(
                osmium.osm.mutable.Node(
                    id=number, version=version, location=(longitude, latitude), tags=tags
                )
            )

    def _count_missing(self, nodes: AnyArray) -> int:
        refs = [np.frombuffer(way[0], dtype=np.int64) for _, way in self._ways.values() if way[0]]
        if not refs:
            return 0
        named = np.unique(np.concatenate(refs))
        return int((~np.isin(named, nodes, assume_unique=True)).sum())


def join_answers(answers: Iterable[OsmAnswer], path: Path) -> tuple[Counts, list[str]]:
    """Join answers into one extract; give the counts and the states of the data, oldest first.

    The extract bears the oldest state: nothing in it is older, something may be newer.
    """
    join = Join()
    states = set()
    for answer in answers:
        join.add(answer)
        states.add(answer.timestamp)
    known = sorted(state for state in states if state is not None)
    return join.write(path, timestamp=known[0] if known else None), known


def _once(nodes: AnyArray) -> tuple[AnyArray, int, int]:
    """Keep the newest of each node; give the nodes, how many came again, and how many differed."""
    ordered = nodes[np.lexsort((nodes["state"], nodes["version"], nodes["id"]))]
    again = ordered["id"][1:] == ordered["id"][:-1]
    moved = (ordered["lon"][1:] != ordered["lon"][:-1]) | (
        ordered["lat"][1:] != ordered["lat"][:-1]
    )
    last = np.append(~again, True) if len(ordered) else np.empty(0, dtype=bool)
    return ordered[last], int(again.sum()), int((again & moved).sum())
