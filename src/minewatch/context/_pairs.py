"""Pairs of a place and a thing near it, judged by the thing's circle."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from minewatch.context._circle import Segments
from minewatch.context._near import Candidates
from minewatch.context._pieces import Pieces
from minewatch.context._plane import Entries, Places
from minewatch.types import FloatArray, IntArray

ROOM_M: Final = 1e-6
"""So that nothing is lost in rounding, metres: of what is equally near all is looked at."""
RankArray: TypeAlias = npt.NDArray[np.int8]
"""Positions among radii."""


@dataclass(frozen=True)
class Pairs:
    """Places and entries near them, sorted by place.

    Attributes
    ----------
    place, entry
        Positions.
    key
        Place and layer in one: place times the number of layers, and the layer.
    least, most
        Metres on the ground between which the distance lies.
    """

    place: IntArray
    entry: IntArray
    key: IntArray
    least: FloatArray
    most: FloatArray

    @classmethod
    def of(
        cls,
        places: Places,
        found: Candidates,
        entries: Entries,
        n_layers: int,
        reach_m: FloatArray,
    ) -> "Pairs":
        """Judge candidates; those farther than `reach_m` (one per place) are left out."""
        least, most = circle_distances(places, found.place, entries.bodies, found.circle)
        kept = np.flatnonzero(least <= reach_m[found.place])
        place, entry = found.place[kept], found.circle[kept]
        key = place * n_layers + entries.layer[entry]
        return cls(place, entry, key, least[kept], most[kept])

    def nearest(self, n_keys: int) -> FloatArray:
        """Give within which distance there is something for sure, by key; infinity if nowhere."""
        return least_by(self.key, self.most, n_keys)


def circle_distances(
    places: Places, place: IntArray, bodies: Pieces, body: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Give the metres on the ground between which the distances to bodies lie."""
    scale = places.scale[place]
    aside, up = bodies.center_x[body] - places.x[place], bodies.center_y[body] - places.y[place]
    middle, radius = np.hypot(aside, up, out=aside), bodies.radius[body]
    least, most = middle - radius, middle + radius
    least /= scale
    most /= scale
    np.maximum(least, 0.0, out=least)
    return least, most


def rank_of(values: FloatArray, radii_m: FloatArray) -> RankArray:
    """Give the first of ascending radii that each value is within; their number if none."""
    rank = np.zeros(len(values), dtype=np.int8)
    for radius in radii_m:
        rank += values > radius
    return rank


def least_by(key: IntArray, values: FloatArray, n_keys: int) -> FloatArray:
    """Give the smallest value by key; infinity where there is none."""
    least = np.full(n_keys, np.inf)
    np.minimum.at(least, key, values)
    return least


def seen_from(places: Places, place: IntArray, segments: Segments, segment: IntArray) -> Segments:
    """Give segments as seen from places, one to one, in metres on the ground."""
    x, y, scale = places.x[place], places.y[place], places.scale[place]
    return Segments(
        *(
            (ends[segment] - origin) / scale
            for ends, origin in zip(segments, (x, y, x, y), strict=True)
        )
    )
