"""Features in the plane of one UTM zone, taken apart and ready to be looked at from places."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely

from minewatch.context._circle import Segments
from minewatch.context._near import Near
from minewatch.context._pieces import Borders, Parts, Pieces
from minewatch.context._runs import RING, Runs
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Places:
    """Places in the plane of one UTM zone."""

    x: FloatArray
    y: FloatArray
    scale: FloatArray
    """Metres of the plane per metre on the ground."""
    patches: AnyArray
    """Outline of each place's patch, polygons in the plane."""

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: IntArray | slice) -> "Places":
        """Give some of the places."""
        return Places(self.x[rows], self.y[rows], self.scale[rows], self.patches[rows])

    @cached_property
    def corner_m(self) -> FloatArray:
        """How far a corner of its patch is from each place at most, metres on the ground."""
        west, south, east, north = shapely.bounds(self.patches).reshape(-1, 4).T
        aside = np.maximum(abs(west - self.x), abs(east - self.x))
        up = np.maximum(abs(south - self.y), abs(north - self.y))
        return np.asarray(np.hypot(aside, up) / self.scale)


@dataclass(frozen=True)
class Membership:
    """The layers that features belong to.

    Attributes
    ----------
    member
        Dims (feature, layer).
    by_hand
        Whether a feature is one that people draw by hand.
    """

    member: BoolArray
    by_hand: BoolArray

    @property
    def n_layers(self) -> int:
        """How many layers there are."""
        return int(self.member.shape[1])

    def take(self, rows: IntArray) -> "Membership":
        """Give some of the features."""
        return Membership(self.member[rows], self.by_hand[rows])

    def expand(self, feature: IntArray) -> tuple[IntArray, IntArray, BoolArray]:
        """List, for things of features, the layers of each.

        Returns
        -------
        owner
            Which thing each entry is of.
        layer
            A layer of its feature.
        by_hand
            Whether the entry is the first of a feature that people draw by hand.
        """
        per_feature = np.count_nonzero(self.member, axis=1)
        layers = np.nonzero(self.member)[1]
        starts = np.cumsum(per_feature) - per_feature
        counts = per_feature[feature]
        owner = np.repeat(np.arange(len(feature)), counts)
        rank = np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
        of_entry = feature[owner]
        return owner, layers[starts[of_entry] + rank], self.by_hand[of_entry] & (rank == 0)


@dataclass(frozen=True)
class Entries:
    """Bodies, or parts of areas, once for every layer that their feature belongs to.

    Attributes
    ----------
    bodies
        What they are made of.
    layer
        A layer of each.
    by_hand
        Whether it tells of what people draw by hand; of the entries of a body one.
    near
        Their circles.
    """

    bodies: Pieces
    layer: IntArray
    by_hand: BoolArray
    near: Near

    @classmethod
    def of(cls, bodies: Pieces, layers: Membership, reach_m: float) -> tuple["Entries", IntArray]:
        """Put bodies in layers; tell which body each entry is."""
        owner, layer, by_hand = layers.expand(bodies.feature)
        own = bodies.take(owner)
        near = Near.of(own.center_x, own.center_y, own.radius, reach_m)
        return cls(own, layer, by_hand, near), owner


@dataclass(frozen=True)
class Large:
    """Areas of several bodies: lot after lot asks for them, so they are projected once and kept.

    Attributes
    ----------
    feature
        Their positions, ascending.
    shapes
        Their geometry in the plane, prepared.
    bounds
        West, south, east and north, dims (side, area).
    """

    feature: IntArray
    shapes: AnyArray
    bounds: FloatArray

    @classmethod
    def of(cls, runs: Runs, feature: IntArray, shapes: AnyArray) -> "Large":
        """Prepare areas."""
        shapely.prepare(shapes)
        return cls(feature, shapes, _bounds(runs, feature))

    def find(self, feature: IntArray) -> tuple[BoolArray, IntArray]:
        """Say which features are among them, and where those are."""
        if len(self.feature) == 0:
            return np.zeros(len(feature), dtype=np.bool_), np.empty(0, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.feature, feature), len(self.feature) - 1)
        there = self.feature[at] == feature
        return there, at[there]

    def containing(self, places: Places) -> tuple[IntArray, IntArray]:
        """Pair places with the areas that they lie in or on the border of."""
        x, y = places.x, places.y
        west, south, east, north = self.bounds
        met = (west <= x.max()) & (east >= x.min()) & (south <= y.max()) & (north >= y.min())
        tree = shapely.STRtree(np.asarray(shapely.points(x, y)))
        area, place = tree.query(self.shapes[met], predicate="intersects")
        return place, self.feature[met][area]


@dataclass(frozen=True)
class Plane:
    """Features in the plane of one UTM zone, and the layers that each belongs to.

    Attributes
    ----------
    layers
        Of the features.
    segments, pieces
        Of all lines and borders.
    borders
        Bodies of pieces, by layer.
    several
        Whether an entry's feature has other bodies.
    ground
        Signed area (m²) of entries that are the whole border of an area; 0 of others.
    part_segments, parts
        Of areas that have no such entry.
    is_area
        Whether a feature is an area.
    large
        The areas that have several bodies.
    project
        Gives the geometry of features in the plane, by their positions; makes it each time.
    """

    layers: Membership
    segments: Segments
    pieces: Pieces
    borders: Entries
    several: BoolArray
    ground: FloatArray
    part_segments: Segments
    parts: Entries
    is_area: BoolArray
    large: Large
    project: Callable[[IntArray], AnyArray]

    @classmethod
    def of(
        cls,
        runs: Runs,
        layers: Membership,
        project: Callable[[IntArray], AnyArray],
        reach_m: float,
    ) -> "Plane":
        """Take features apart.

        Parameters
        ----------
        runs
            The features' corners in the plane.
        layers
            What they belong to.
        project
            Gives the geometry of features in the plane, by their positions.
        reach_m
            How far it will be looked at most, metres.
        """
        whole = Borders.of(runs)
        entries, body = Entries.of(whole.bodies, layers, reach_m)
        n_bodies = np.bincount(whole.bodies.feature, minlength=len(layers.by_hand))
        is_area, done = np.zeros((2, len(layers.by_hand)), dtype=np.bool_)
        is_area[runs.feature[runs.kind == RING]] = True
        done[whole.bodies.feature[whole.simple]] = True
        left = np.flatnonzero(is_area & ~done)
        shapes, several = project(left), n_bodies[left] > 1
        parts = Parts.of(shapes, left)
        return cls(
            layers=layers,
            segments=whole.segments,
            pieces=whole.pieces,
            borders=entries,
            several=(n_bodies > 1)[entries.bodies.feature],
            ground=whole.ground[body],
            part_segments=parts.segments,
            parts=Entries.of(parts.pieces, layers, reach_m)[0],
            is_area=is_area,
            large=Large.of(runs, left[several], shapes[several]),
            project=project,
        )

    def shapes(self, rows: IntArray) -> AnyArray:
        """Give the geometry of features in the plane, by their positions."""
        there, at = self.large.find(rows)
        given = np.empty(len(rows), dtype=object)
        given[there] = self.large.shapes[at]
        given[~there] = self.project(rows[~there])
        return given


@dataclass(frozen=True)
class View:
    """What is looked at, from where, and how far.

    Attributes
    ----------
    places, plane
        Places and features in one plane.
    radii_m
        Radii in metres on the ground, ascending.
    """

    places: Places
    plane: Plane
    radii_m: FloatArray


def _bounds(runs: Runs, areas: IntArray) -> FloatArray:
    """Give the bounds of features that are areas, dims (side, area)."""
    if len(areas) == 0:
        return np.empty((4, 0))
    first = np.searchsorted(runs.feature, areas, side="left")
    last = np.searchsorted(runs.feature, areas, side="right")
    x, y = np.append(runs.x, runs.x[-1]), np.append(runs.y, runs.y[-1])
    ends = np.column_stack([runs.first[first], runs.first[last]]).ravel()
    return np.stack(
        [
            operation.reduceat(values, ends)[::2]
            for operation, values in (
                (np.minimum, x), (np.minimum, y), (np.maximum, x), (np.maximum, y),
            )
        ]
    )  # fmt: skip
