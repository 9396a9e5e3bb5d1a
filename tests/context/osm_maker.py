"""Writes small files of OpenStreetMap from plain dicts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import osmium
from osmium.osm.mutable import Node, Relation, Way

STATE = "2024-05-01T00:00:00Z"


def write_osm(
    path: Path,
    nodes: Mapping[int, tuple[float, float]],
    ways: Mapping[int, tuple[Sequence[int], Mapping[str, str]]] | None = None,
    relations: Mapping[int, tuple[Sequence[tuple[str, int, str]], Mapping[str, str]]] | None = None,
    *,
    tags: Mapping[int, Mapping[str, str]] | None = None,
    state: str | None = STATE,
    box: tuple[float, float, float, float] | None = None,
    **metadata: Any,
) -> Path:
    """Write nodes {id: (longitude, latitude)}, ways and relations; `tags` are those of nodes.

    `box` is the header's: west, south, east, north.
    """
    header = osmium.io.Header()
    if state is not None:
        header.set("osmosis_replication_timestamp", state)
    if box is not None:
        header.add_box(osmium.osm.Box(*box))
    with osmium.SimpleWriter(str(path), header=header) as writer:
        for number, place in nodes.items():
            own = dict((tags or {}).get(number, {}))
            writer.add_node(Node(id=number, location=place, tags=own, **metadata))
        for number, (refs, own) in (ways or {}).items():
            writer.add_way(Way(id=number, nodes=list(refs), tags=dict(own), **metadata))
        for number, (members, own) in (relations or {}).items():
            writer.add_relation(
                Relation(id=number, members=list(members), tags=dict(own), **metadata)
            )
    return path


def square(first: int, west: float, south: float, side: float) -> dict[int, tuple[float, float]]:
    """Give four nodes around a square, numbered from `first`, anticlockwise from south-west."""
    east, north = west + side, south + side
    corners = [(west, south), (east, south), (east, north), (west, north)]
    return {first + place: corner for place, corner in enumerate(corners)}


def ring(first: int) -> list[int]:
    """Give the nodes of a `square` as a closed ring."""
    return [first, first + 1, first + 2, first + 3, first]
