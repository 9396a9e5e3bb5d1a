"""How much of lines and areas lies within radii of places."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from minewatch.context._circle import Segments, area_within
from minewatch.context._near import Candidates
from minewatch.context._pairs import Pairs, RankArray, rank_of, seen_from
from minewatch.context._plane import Places, View
from minewatch.context._runs import spans
from minewatch.types import FloatArray, IntArray

_LEAST_AREA_M2: Final = 1e-3
"""What sums of sectors of 10 km may leave of nothing, and more."""


@dataclass
class Sums:
    """Sums by place, layer and radius; written as they come.

    Attributes
    ----------
    shape
        Numbers of places, layers and radii.
    whole
        Of what lies wholly within a radius and in none smaller.
    part
        Of the parts, within a radius, of what lies across it.
    """

    shape: tuple[int, int, int]
    whole: FloatArray
    part: FloatArray

    @classmethod
    def empty(cls, n_places: int, n_layers: int, n_radii: int) -> "Sums":
        """Begin at nothing."""
        size = n_places * n_layers * n_radii
        return cls((n_places, n_layers, n_radii), np.zeros(size), np.zeros(size))

    @property
    def n_keys(self) -> int:
        """How many pairs of a place and a layer there are."""
        return self.shape[0] * self.shape[1]

    def add(self, key: IntArray, rank: RankArray, amount: FloatArray) -> None:
        """Add what lies wholly within the radius of a rank."""
        _add(self.whole, key, rank, amount, self.shape[2])

    def add_part(self, key: IntArray, rank: int, amount: FloatArray) -> None:
        """Add parts within one radius."""
        _add(self.part, key, np.full(len(key), rank, dtype=np.int8), amount, self.shape[2])

    def total(self) -> FloatArray:
        """Give the sums, dims (place, layer, radius)."""
        whole = np.cumsum(self.whole.reshape(self.shape), axis=2)
        return np.asarray(whole + self.part.reshape(self.shape))


def _add(
    sums: FloatArray, key: IntArray, rank: RankArray, amount: FloatArray, n_radii: int
) -> None:
    rows = np.flatnonzero((rank < n_radii) & (amount > 0.0))
    sums += np.bincount(key[rows] * n_radii + rank[rows], amount[rows], minlength=len(sums))


def add_areas(
    sums: Sums,
    pairs: Pairs,
    low: RankArray,
    high: RankArray,
    view: View,
) -> None:
    """Add the ground of areas within radii, square metres.

    Parameters
    ----------
    sums
        Is added to.
    pairs
        Places and bodies of borders.
    low, high
        Between which radii, by rank, each body lies.
    view
        What the pairs are of.
    """
    places, plane, radii_m = view.places, view.plane, view.radii_m
    ground = plane.ground[pairs.entry]
    rows = np.flatnonzero((ground != 0.0) & (low < len(radii_m)))
    entry, pieces = pairs.entry[rows], plane.pieces
    bodies = plane.borders.bodies
    first, last = bodies.first[entry], bodies.first[entry] + bodies.count[entry] - 1
    begin = pieces.first[first]
    edges = _Edges(plane.segments, begin, pieces.first[last] + pieces.count[last] - begin)
    own = _Areas(pairs.place[rows], pairs.key[rows], low[rows], high[rows], ground[rows])
    _add_edges(sums, own, edges, places, radii_m)
    reach = radii_m[-1] * places.scale
    parts = plane.parts
    for found in parts.near.search(places.x, places.y, reach):
        found = Candidates(slice(0), found.place + found.places.start, found.circle)
        near = Pairs.of(places, found, parts, sums.shape[1], reach / places.scale)
        edges = _Edges(
            plane.part_segments, parts.bodies.first[near.entry], parts.bodies.count[near.entry]
        )
        between = rank_of(near.least, radii_m), rank_of(near.most, radii_m)
        own = _Areas(near.place, near.key, *between, parts.bodies.amount[near.entry])
        _add_edges(sums, own, edges, places, radii_m)


@dataclass(frozen=True)
class _Areas:
    """Areas near places."""

    place: IntArray
    key: IntArray
    low: RankArray
    high: RankArray
    ground: FloatArray
    """Square metres of the plane; negative where the border runs clockwise."""


@dataclass(frozen=True)
class _Edges:
    """Which segments the border of each area has."""

    segments: Segments
    first: IntArray
    count: IntArray


def _add_edges(
    sums: Sums, areas: _Areas, edges: _Edges, places: Places, radii_m: FloatArray
) -> None:
    whole = abs(areas.ground) / places.scale[areas.place] ** 2
    sums.add(areas.key, areas.high, whole)
    for rank, radius in enumerate(radii_m):
        rows = np.flatnonzero((areas.low <= rank) & (rank < areas.high))
        if len(rows) == 0:
            continue
        counts = edges.count[rows]
        owner, segment = spans(edges.first[rows], counts)
        seen = seen_from(places, areas.place[rows][owner], edges.segments, segment)
        part = np.add.reduceat(area_within(seen, float(radius)), np.cumsum(counts) - counts)
        part = np.where(areas.ground[rows] < 0.0, -part, part)
        part[part < _LEAST_AREA_M2] = 0.0
        sums.add_part(areas.key[rows], rank, np.minimum(part, whole[rows]))
