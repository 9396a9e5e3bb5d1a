"""A small made-up map around 62.5° west, 5.4° north, as an ``.osm.pbf``: drawn from a seed.

Roads and rivers wander across many boxes, relations have holes and islands, two areas enclose
everything, and one river's relation has a member on another continent.
"""

from pathlib import Path

import numpy as np
import osmium
from osmium.osm.mutable import Node, Relation, Way

WEST, SOUTH, EAST, NORTH = -62.8, 5.1, -62.2, 5.7
STATE = "2024-05-01T00:00:00Z"


class Drawing:
    """What is on the map, with ids that count up."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[Node] = []
        self.ways: list[Way] = []
        self.relations: list[Relation] = []

    def node(self, longitude: float, latitude: float, **tags: str) -> int:
        place = (round(float(longitude), 7), round(float(latitude), 7))
        self.nodes.append(Node(id=len(self.nodes) + 1, location=place, tags=tags))
        return len(self.nodes)

    def way(self, places: np.ndarray, **tags: str) -> int:
        refs = [self.node(*place) for place in places]
        self.ways.append(Way(id=len(self.ways) + 1, nodes=refs, tags=tags))
        return len(self.ways)

    def box(self, west: float, south: float, east: float, north: float, **tags: str) -> int:
        corners = [(west, south), (east, south), (east, north), (west, north)]
        refs = [self.node(*corner) for corner in corners]
        self.ways.append(Way(id=len(self.ways) + 1, nodes=[*refs, refs[0]], tags=tags))
        return len(self.ways)

    def relation(self, members: list[tuple[str, int, str]], **tags: str) -> int:
        number = len(self.relations) + 1
        self.relations.append(Relation(id=number, members=members, tags=tags))
        return number

    def walk(self, steps: int) -> np.ndarray:
        start = self.random.uniform((WEST, SOUTH), (EAST, NORTH))
        turns = np.cumsum(self.random.normal(0.0, 0.4, steps)) + self.random.uniform(0, 6.3)
        return start + 0.012 * np.cumsum(np.column_stack([np.cos(turns), np.sin(turns)]), axis=0)

    def write(self, path: Path) -> Path:
        header = osmium.io.Header()
        header.set("osmosis_replication_timestamp", STATE)
        header.add_box(osmium.osm.Box(-70.0, 0.0, 30.0, 60.0))
        with osmium.SimpleWriter(str(path), header=header) as writer:
            for one in self.nodes:
                writer.add_node(one)
            for one in self.ways:
                writer.add_way(one)
            for one in self.relations:
                writer.add_relation(one)
        return path


def write_map(path: Path, seed: int = 4) -> Path:
    """Write the map."""
    drawing = Drawing(seed)
    random = drawing.random
    for number in range(40):
        kind = ("track", "residential", "primary")[number % 3]
        drawing.way(drawing.walk(int(random.integers(5, 40))), highway=kind, surface="mud")
    for _ in range(6):
        drawing.way(drawing.walk(60), waterway="river", name="Río Hondo")
    for west, south in random.uniform((WEST, SOUTH), (EAST, NORTH), (150, 2)):
        drawing.box(west, south, west + 2e-4, south + 2e-4, building="yes")
    for longitude, latitude in random.uniform((WEST, SOUTH), (EAST, NORTH), (20, 2)):
        drawing.node(longitude, latitude, place="hamlet", name="San Juan")
        drawing.node(longitude, latitude + 0.01, barrier="gate")
    _draw_areas(drawing)
    _draw_mines(drawing)
    return drawing.write(path)


def _draw_areas(drawing: Drawing) -> None:
    outer = drawing.box(-62.7, 5.2, -62.4, 5.5)
    hole = drawing.box(-62.65, 5.25, -62.45, 5.45)
    island = drawing.box(-62.6, 5.3, -62.5, 5.4, natural="sand")
    members = [("w", outer, "outer"), ("w", hole, "inner"), ("w", island, "outer")]
    drawing.relation(members, type="multipolygon", landuse="forest")
    far = drawing.box(-66.0, 2.0, -59.0, 9.0)
    drawing.relation(
        [("w", far, "outer")], type="boundary", boundary="protected_area", name="Canaima"
    )
    drawing.box(-65.0, 3.0, -60.0, 8.0, landuse="meadow")
    drawing.box(10.0, 50.0, 10.1, 50.1, landuse="meadow")  # far away


def _draw_mines(drawing: Drawing) -> None:
    drawing.box(-62.55, 5.6, -62.54, 5.61, landuse="quarry", resource="gold")
    drawing.node(-62.56, 5.62, man_made="adit")
    drawing.node(-62.31, 5.33, man_made="tower")
    drawing.way(np.array([(-62.6, 5.55), (-62.5, 5.56)]), highway="track", name="Vía El Oro")
    abroad = drawing.way(np.array([(20.0, 40.0), (20.1, 40.1)]), waterway="river")
    here = drawing.way(np.array([(-62.6, 5.15), (-62.5, 5.16)]), waterway="river")
    members = [("w", abroad, "main_stream"), ("w", here, "main_stream")]
    drawing.relation(members, type="waterway", waterway="river")
    drawing.node(-62.32, 5.34, industrial="oil; mine")
    drawing.node(-62.33, 5.35, man_made="pier;adit")
