"""What lies around places of one UTM zone: distances, lengths, counts and areas within radii.

Every pair of a place and a body of pieces near it is first judged by the body's circle. Only bodies
that may be the nearest, or that lie across a radius, are looked at piece by piece, and of these
pieces only such are looked at segment by segment. Sums are taken in an order that the features and
the place alone decide, so that neither the order of the places nor a feature far away changes a bit
of a result.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely

from minewatch.context._amounts import Sums, add_areas
from minewatch.context._circle import Segments, distance, length_within
from minewatch.context._in_patch import present
from minewatch.context._near import Candidates
from minewatch.context._pairs import (
    ROOM_M,
    Pairs,
    RankArray,
    circle_distances,
    least_by,
    rank_of,
    seen_from,
)
from minewatch.context._plane import Places, Plane, View
from minewatch.context._runs import spans
from minewatch.types import BoolArray, FloatArray, IntArray

NO_FEATURE: Final = -1


@dataclass(frozen=True)
class Around:
    """What lies around some places, dims (place, layer) and (place, layer, radius).

    `drawn` and `drawn_count` tell of what people draw by hand, dims (place) and (place, radius).
    """

    nearest_m: FloatArray
    """Metres on the ground; NaN where nothing lies within the largest radius."""
    feature: IntArray
    """Position of the nearest feature, or `NO_FEATURE`."""
    in_patch: BoolArray
    count: IntArray
    drawn_count: IntArray
    length_m: FloatArray
    area_m2: FloatArray


@dataclass(frozen=True)
class _Held:
    """Areas that hold places: which place, and which feature."""

    place: IntArray
    feature: IntArray


def look_around(
    places: Places, plane: Plane, radii_m: FloatArray
) -> Iterator[tuple[IntArray, Around]]:
    """Measure what lies around places.

    Parameters
    ----------
    places, plane
        Places and features in one plane.
    radii_m
        Radii in metres on the ground, ascending.

    Yields
    ------
    Positions of places, and what lies around them; neighbours together.
    """
    if len(places) == 0:
        return
    cell = float(radii_m[-1])
    order = np.lexsort((places.x, np.floor(places.y / cell), np.floor(places.x / cell)))
    ordered = places.take(order)
    reach_m = np.maximum(radii_m[-1], ordered.corner_m)
    for found in plane.borders.near.search(ordered.x, ordered.y, reach_m * ordered.scale):
        own = ordered.take(found.places)
        yield order[found.places], _look(View(own, plane, radii_m), found)


def _look(view: View, found: Candidates) -> Around:
    places, plane, radii_m = view.places, view.plane, view.radii_m
    reach_m = np.maximum(radii_m[-1], places.corner_m)
    pairs = Pairs.of(places, found, plane.borders, plane.layers.n_layers, reach_m)
    held = _held(pairs, places, plane)
    sums = Sums.empty(len(places), plane.layers.n_layers, len(radii_m))
    low, high = rank_of(pairs.least, radii_m), rank_of(pairs.most, radii_m)
    bound = pairs.nearest(sums.n_keys)
    near = pairs.least <= bound[pairs.key] + ROOM_M
    rows = np.flatnonzero((low != high) | near)
    whole = np.flatnonzero(low == high)
    whole = whole[~near[whole]]
    reach = _reach(pairs, rows, near[rows], view, sums)
    rank = high.copy()
    rank[rows] = rank_of(reach, radii_m)
    length = plane.borders.bodies.amount[pairs.entry[whole]] / places.scale[pairs.place[whole]]
    sums.add(pairs.key[whole], high[whole], length)
    areas = Sums.empty(len(places), plane.layers.n_layers, len(radii_m))
    add_areas(areas, pairs, low, high, view)
    close = np.flatnonzero(near[rows] & (reach <= radii_m[-1]))
    nearest, feature = _nearest(pairs, rows[close], reach[close], held, plane, sums.n_keys)
    count, drawn = _counts(pairs, rank, held, plane, sums)
    shape = (len(places), plane.layers.n_layers)
    return Around(
        nearest_m=nearest.reshape(shape),
        feature=feature.reshape(shape),
        in_patch=present(pairs, held.place, held.feature, places, plane).reshape(shape),
        count=count,
        drawn_count=drawn,
        length_m=sums.total(),
        area_m2=areas.total(),
    )


def _held(pairs: Pairs, places: Places, plane: Plane) -> _Held:
    """Find the areas that places lie in or on the border of."""
    feature = plane.borders.bodies.feature[pairs.entry]
    # What holds a place and has one body alone has it in its circle.
    rows = np.flatnonzero((pairs.least <= 0.0) & plane.is_area[feature])
    rows = rows[~plane.several[pairs.entry[rows]]]
    n_features = len(plane.is_area)
    asked = np.unique(pairs.place[rows] * n_features + feature[rows])
    place, feature = np.divmod(asked, n_features)
    own, position = np.unique(feature, return_inverse=True)
    points = shapely.points(places.x[place], places.y[place])
    holds = shapely.intersects(plane.shapes(own)[position], points)
    large_place, large = plane.large.containing(places)
    return _Held(
        np.concatenate([place[holds], large_place]), np.concatenate([feature[holds], large])
    )


def _reach(
    pairs: Pairs,
    rows: IntArray,
    near: BoolArray,
    view: View,
    sums: Sums,
) -> FloatArray:
    """Look at bodies piece by piece: how far they are, and how much of them lies within radii.

    Returns
    -------
    Metres to each: exact where it may be the nearest or lies on a radius, else no less than that
    and not across a radius.
    """
    places, plane, radii_m = view.places, view.plane, view.radii_m
    bodies, pieces = plane.borders.bodies, plane.pieces
    entry = pairs.entry[rows]
    counts = bodies.count[entry]
    owner, piece = spans(bodies.first[entry], counts)
    place, key = pairs.place[rows][owner], pairs.key[rows][owner]
    least, most = circle_distances(places, place, pieces, piece)
    low, high = rank_of(least, radii_m), rank_of(most, radii_m)
    length = pieces.amount[piece] / places.scale[place]
    sums.add(key, high, length)
    bound = least_by(key, most, sums.n_keys)
    starts = np.cumsum(counts) - counts
    # What is within a radius by another of its pieces is within, wherever this one ends.
    sure = np.minimum.reduceat(high, starts)[owner] if len(rows) else high
    asked = (low < sure) | (near[owner] & (least <= bound[key] + ROOM_M))
    parted = (low != high) & (length > 0.0)
    close = np.flatnonzero(asked | parted)
    sides = pieces.count[piece[close]]
    of_close, segment = spans(pieces.first[piece[close]], sides)
    seen = seen_from(places, place[close][of_close], plane.segments, segment)
    for rank, radius in enumerate(radii_m):
        across = parted[close] & (low[close] <= rank) & (rank < high[close])
        chosen = np.flatnonzero(across[of_close])
        part = length_within(Segments(*(ends[chosen] for ends in seen)), float(radius))
        sums.add_part(key[close][of_close[chosen]], rank, part)
    _measure(most, close, asked[close], seen, sides)
    return np.minimum.reduceat(most, starts) if len(rows) else np.empty(0)


def _measure(
    most: FloatArray, close: IntArray, asked: BoolArray, seen: Segments, sides: IntArray
) -> None:
    """Write the exact distances of the pieces that are asked for."""
    chosen = np.flatnonzero(np.repeat(asked, sides))
    own = sides[asked]
    if len(own):
        exact = distance(Segments(*(ends[chosen] for ends in seen)))
        most[close[asked]] = np.minimum.reduceat(exact, np.cumsum(own) - own)


def _nearest(
    pairs: Pairs,
    rows: IntArray,
    reach: FloatArray,
    held: _Held,
    plane: Plane,
    n_keys: int,
) -> tuple[FloatArray, IntArray]:
    """Give the distance to the nearest and the first feature that is so near, by key."""
    thing, layer, _ = plane.layers.expand(held.feature)
    key = np.concatenate([held.place[thing] * plane.layers.n_layers + layer, pairs.key[rows]])
    feature = plane.borders.bodies.feature[pairs.entry[rows]]
    feature = np.concatenate([held.feature[thing], feature])
    reach = np.concatenate([np.zeros(len(thing)), reach])
    nearest = least_by(key, reach, n_keys)
    best = np.flatnonzero(reach == nearest[key])
    first = np.full(n_keys, np.iinfo(np.int64).max)
    np.minimum.at(first, key[best], feature[best])
    nothing = np.isinf(nearest)
    return np.where(nothing, np.nan, nearest), np.where(nothing, NO_FEATURE, first)


def _counts(
    pairs: Pairs, rank: RankArray, held: _Held, plane: Plane, sums: Sums
) -> tuple[IntArray, IntArray]:
    """Count features once each, dims (place, layer, radius), and those drawn by hand."""
    n_places, n_layers, n_radii = sums.shape
    counted = np.flatnonzero(rank < n_radii)
    counted = counted[~_is_held(pairs, counted, held, plane)]
    several = plane.several[pairs.entry[counted]]
    once = _once(pairs, counted[several], rank, plane)
    rows = np.concatenate([counted[~several], once])
    thing, layer, by_hand = plane.layers.expand(held.feature)
    key = np.concatenate([held.place[thing] * n_layers + layer, pairs.key[rows]])
    ranks = np.concatenate([np.zeros(len(thing), dtype=np.int64), rank[rows]])
    by_hand = np.concatenate([by_hand, plane.borders.by_hand[pairs.entry[rows]]])
    number = np.bincount(key * n_radii + ranks, minlength=sums.n_keys * n_radii)
    place = key[by_hand] // n_layers
    drawn = np.bincount(place * n_radii + ranks[by_hand], minlength=n_places * n_radii)
    return (
        number.reshape(sums.shape).cumsum(axis=2),
        drawn.reshape(n_places, n_radii).cumsum(axis=1),
    )


def _is_held(pairs: Pairs, rows: IntArray, held: _Held, plane: Plane) -> BoolArray:
    """Say which pairs are of a place and an area that holds it."""
    found = np.zeros(len(rows), dtype=np.bool_)
    if len(held.place) == 0:
        return found
    entry = pairs.entry[rows]
    asked = np.flatnonzero((pairs.least[rows] <= 0.0) | plane.several[entry])
    n_features = len(plane.layers.by_hand)
    key = pairs.place[rows[asked]] * n_features + plane.borders.bodies.feature[entry[asked]]
    found[asked] = np.isin(key, held.place * n_features + held.feature)
    return found


def _once(pairs: Pairs, rows: IntArray, rank: RankArray, plane: Plane) -> IntArray:
    """Choose one pair, that of the least rank, of each place, layer and feature."""
    feature = plane.borders.bodies.feature[pairs.entry[rows]]
    key = pairs.key[rows] * len(plane.layers.by_hand) + feature
    order = np.argsort(key * 128 + rank[rows], kind="stable")
    return np.asarray(rows[order[np.diff(key[order], prepend=-1) != 0]])
