"""What lies around places of one UTM zone: distances, lengths, counts and areas within radii.

Every pair of a place and a piece of geometry near it is first judged by the piece's circle. Only
pieces that may be the nearest, or that lie across a radius, are looked at segment by segment. Sums
are taken in the order of the features, so that neither the order of the places nor a feature far
away changes a bit of a result.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely

from minewatch.context._circle import Segments, area_within, distance, length_within
from minewatch.context._ground import diagonals
from minewatch.context._pieces import Pieces, area_pieces, border_pieces, chosen_areas
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

_MOST_PAIRS: Final = 2_000_000
"""Pairs of a place and a piece that are held at a time, about."""
NO_FEATURE: Final = -1
_LEAST_AREA_M2: Final = 1e-3
"""What sums of sectors of 10 km may leave of nothing, and more."""


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

    def take(self, rows: IntArray) -> "Places":
        """Give some of the places."""
        return Places(self.x[rows], self.y[rows], self.scale[rows], self.patches[rows])

    def corner_m(self) -> float:
        """Give how far a corner of a patch is from its place at most, metres of the plane."""
        west, south, east, north = shapely.bounds(self.patches).reshape(-1, 4).T
        aside = np.maximum(abs(west - self.x), abs(east - self.x))
        up = np.maximum(abs(south - self.y), abs(north - self.y))
        return float(np.hypot(aside, up).max(initial=0.0))


@dataclass(frozen=True)
class Plane:
    """Features in the plane of one UTM zone, and the layers that each belongs to."""

    geometry: AnyArray
    """Prepared geometry of every feature."""
    member: BoolArray
    """Whether a feature belongs to a layer, dims (feature, layer)."""
    borders: Pieces
    areas: Pieces
    area_rows: IntArray
    """Positions of the features that are areas."""

    @classmethod
    def of(cls, geometry: AnyArray, member: BoolArray) -> "Plane":
        """Take features apart and prepare them."""
        shapely.prepare(geometry)
        return cls(
            geometry=geometry,
            member=member,
            borders=border_pieces(geometry),
            areas=area_pieces(geometry),
            area_rows=np.flatnonzero(chosen_areas(geometry)),
        )


@dataclass(frozen=True)
class Around:
    """What lies around some places, dims (place, layer) and (place, layer, radius)."""

    nearest_m: FloatArray
    """Metres on the ground; NaN where nothing lies within the largest radius."""
    feature: IntArray
    """Position of the nearest feature, or `NO_FEATURE`."""
    in_patch: BoolArray
    count: IntArray
    length_m: FloatArray
    area_m2: FloatArray


@dataclass(frozen=True)
class _Pairs:
    """Places and features near them, sorted by place, then by feature; each pair comes once."""

    place: IntArray
    feature: IntArray
    reach: FloatArray
    """Metres to the feature; exact where it may be the nearest of a layer or lies on a radius,
    else no less than it and not across a radius."""
    least: FloatArray
    """Metres that the feature is away at least."""


def in_chunks(places: Places, plane: Plane, radii_m: FloatArray) -> Iterator[IntArray]:
    """Divide places into neighbours, so that each lot has a bounded number of pairs.

    Yields
    ------
    Positions of places.
    """
    if len(places) == 0:
        return
    cell = float(radii_m[-1] * places.scale.max())
    column, row = np.floor(places.x / cell), np.floor(places.y / cell)
    order = np.lexsort((places.x, row, column))
    expected = _expected(column[order], row[order], plane, cell)
    lot = np.cumsum(expected) // _MOST_PAIRS
    yield from np.split(order, np.flatnonzero(np.diff(lot)) + 1)


def look_around(places: Places, plane: Plane, radii_m: FloatArray) -> Around:
    """Measure what lies around places.

    Parameters
    ----------
    places, plane
        Places and features in one plane.
    radii_m
        Radii in metres on the ground, ascending.
    """
    shape = (len(places), plane.member.shape[1])
    pairs, length_m = _border_pairs(places, plane, radii_m)
    pairs = _with_containing(pairs, _containing(places, plane))
    nearest, feature = _nearest(pairs, plane, shape, radii_m[-1])
    return Around(
        nearest_m=nearest,
        feature=feature,
        in_patch=_in_patch(pairs, places, plane),
        count=_counts(pairs, plane, shape, radii_m),
        length_m=length_m,
        area_m2=_areas(places, plane, radii_m),
    )


def _expected(column: FloatArray, row: FloatArray, plane: Plane, cell: float) -> FloatArray:
    """Guess the pairs of each place: the pieces in its cell of one radius and those beside it."""
    width = 1 << 24
    total = np.ones(len(column))
    for pieces in (plane.borders, plane.areas):
        keys, counts = np.unique(
            np.floor(pieces.center_x / cell) * width + np.floor(pieces.center_y / cell),
            return_counts=True,
        )
        if len(keys) == 0:
            continue
        for aside in (-1, 0, 1):
            for up in (-1, 0, 1):
                wanted = (column + aside) * width + row + up
                found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
                total += np.where(keys[found] == wanted, counts[found], 0)
    return total


def near_pieces(
    places: Places, pieces: Pieces, reach_m: float
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Pair places with pieces whose circle may come within reach.

    Returns
    -------
    place, piece
        Sorted by place, then by piece.
    least, most
        Metres between which the distance lies.
    """
    away = reach_m * places.scale
    boxes = diagonals(places.x - away, places.y - away, places.x + away, places.y + away)
    place, piece = pieces.tree.query(boxes)
    order = np.argsort(place * np.int64(len(pieces)) + piece, kind="stable")
    place, piece = place[order], piece[order]
    scale = places.scale[place]
    aside, up = pieces.center_x[piece] - places.x[place], pieces.center_y[piece] - places.y[place]
    middle, radius = np.hypot(aside, up) / scale, pieces.radius[piece] / scale
    least, most = np.maximum(middle - radius, 0.0), middle + radius
    kept = least <= reach_m
    return place[kept], piece[kept], least[kept], most[kept]


def _border_pairs(places: Places, plane: Plane, radii_m: FloatArray) -> tuple[_Pairs, FloatArray]:
    """Measure distances to features, and lengths of lines, dims (place, layer, radius)."""
    pieces = plane.borders
    reach_m = max(float(radii_m[-1]), places.corner_m() / float(places.scale.min()))
    place, piece, least, most = near_pieces(places, pieces, reach_m)
    feature = pieces.feature[piece]
    member = plane.member[feature]
    exact = _may_be_nearest(place, least, most, member, len(places))
    for radius in radii_m:
        exact |= (least <= radius) & (radius < most)
    scale = places.scale[place]
    whole = pieces.amount[piece] / scale
    lengths = np.where(most[:, None] <= radii_m, whole[:, None], 0.0)
    rows = np.flatnonzero(exact)
    seen, _, starts = _seen(places, pieces, place[rows], piece[rows])
    most[rows] = _reduced(np.minimum, distance(seen), starts)
    is_line = whole[rows] > 0.0
    for position, radius in enumerate(radii_m):
        across = is_line & (least[rows] <= radius)
        lengths[rows[across], position] = _clipped_lengths(
            places, pieces, place[rows[across]], piece[rows[across]], float(radius)
        )
    sums = _sums(place, member, lengths, len(places))
    first = np.flatnonzero((np.diff(place, prepend=-1) != 0) | (np.diff(feature, prepend=-1) != 0))
    return _Pairs(
        place[first],
        feature[first],
        _reduced(np.minimum, most, first),
        _reduced(np.minimum, least, first),
    ), sums


def _clipped_lengths(
    places: Places, pieces: Pieces, place: IntArray, piece: IntArray, radius_m: float
) -> FloatArray:
    seen, _, starts = _seen(places, pieces, place, piece)
    return _reduced(np.add, length_within(seen, radius_m), starts)


def _seen(
    places: Places, pieces: Pieces, place: IntArray, piece: IntArray
) -> tuple[Segments, IntArray, IntArray]:
    """Give the segments of pieces as seen from places, with their pair and where pairs begin."""
    owner, segment, starts = pieces.expand(piece)
    of_place = place[owner]
    seen = pieces.relative(segment, places.x[of_place], places.y[of_place], places.scale[of_place])
    return seen, owner, starts


def _reduced(operation: np.ufunc, values: FloatArray, starts: IntArray) -> FloatArray:
    if len(starts) == 0:
        return np.empty(0)
    return np.asarray(operation.reduceat(values, starts))


def _may_be_nearest(
    place: IntArray, least: FloatArray, most: FloatArray, member: BoolArray, n_places: int
) -> BoolArray:
    candidate = np.zeros(len(place), dtype=np.bool_)
    for layer in range(member.shape[1]):
        rows = np.flatnonzero(member[:, layer])
        bound = _least_by_place(place[rows], most[rows], n_places)
        candidate[rows] |= least[rows] <= bound[place[rows]]
    return candidate


def _least_by_place(place: IntArray, values: FloatArray, n_places: int) -> FloatArray:
    """Give the smallest value of each place; infinity where it has none. `place` is sorted."""
    least = np.full(n_places, np.inf)
    first = np.flatnonzero(np.diff(place, prepend=-1))
    least[place[first]] = _reduced(np.minimum, values, first)
    return least


def _sums(place: IntArray, member: BoolArray, amounts: FloatArray, n_places: int) -> FloatArray:
    """Add amounts (pair, radius) up to dims (place, layer, radius)."""
    sums = np.zeros((n_places, member.shape[1], amounts.shape[1]))
    for layer in range(member.shape[1]):
        rows = np.flatnonzero(member[:, layer])
        for radius in range(amounts.shape[1]):
            weights = amounts[rows, radius]
            sums[:, layer, radius] = np.bincount(place[rows], weights, minlength=n_places)
    return sums


def _containing(places: Places, plane: Plane) -> tuple[IntArray, IntArray]:
    """Pair places with the areas that they lie in or on the border of."""
    areas = plane.geometry[plane.area_rows]
    west, south, east, north = shapely.bounds(areas).reshape(-1, 4).T
    beside = (west > places.x.max()) | (east < places.x.min())
    beside |= (south > places.y.max()) | (north < places.y.min())
    near = np.flatnonzero(~beside)
    tree = shapely.STRtree(np.asarray(shapely.points(places.x, places.y)))
    area, place = tree.query(areas[near], predicate="intersects")
    return place, plane.area_rows[near[area]]


def _with_containing(pairs: _Pairs, containing: tuple[IntArray, IntArray]) -> _Pairs:
    """Set the distance to areas that hold a place to 0, and add those whose border is far."""
    place = np.concatenate([containing[0], pairs.place])
    feature = np.concatenate([containing[1], pairs.feature])
    nothing = np.zeros(len(containing[0]))
    order = np.lexsort((feature, place))
    place, feature = place[order], feature[order]
    again = (np.diff(place, prepend=-1) == 0) & (np.diff(feature, prepend=-1) == 0)
    first = ~again  # lexsort is stable, so that of equal pairs the one at distance 0 comes first
    return _Pairs(
        place[first],
        feature[first],
        np.concatenate([nothing, pairs.reach])[order][first],
        np.concatenate([nothing, pairs.least])[order][first],
    )


def _nearest(
    pairs: _Pairs, plane: Plane, shape: tuple[int, int], largest_m: float
) -> tuple[FloatArray, IntArray]:
    nearest = np.full(shape, np.nan)
    feature = np.full(shape, NO_FEATURE, dtype=np.int64)
    member = plane.member[pairs.feature]
    for layer in range(shape[1]):
        rows = np.flatnonzero(member[:, layer] & (pairs.reach <= largest_m))
        place, reach = pairs.place[rows], pairs.reach[rows]
        least = _least_by_place(place, reach, shape[0])
        found = np.isfinite(least)
        nearest[found, layer] = least[found]
        best = rows[reach == least[place]][::-1]  # the first feature in order is written last
        feature[pairs.place[best], layer] = pairs.feature[best]
    return nearest, feature


def _counts(pairs: _Pairs, plane: Plane, shape: tuple[int, int], radii_m: FloatArray) -> IntArray:
    within = (pairs.reach[:, None] <= radii_m).astype(np.float64)
    member = plane.member[pairs.feature]
    return _sums(pairs.place, member, within, shape[0]).astype(np.int64)


def _in_patch(pairs: _Pairs, places: Places, plane: Plane) -> BoolArray:
    corner_m = places.corner_m() / float(places.scale.min())
    rows = np.flatnonzero(pairs.least <= corner_m)
    place, feature = pairs.place[rows], pairs.feature[rows]
    meets = shapely.intersects(plane.geometry[feature], places.patches[place])
    present = np.zeros((len(places), plane.member.shape[1]), dtype=np.bool_)
    np.logical_or.at(present, place[meets], plane.member[feature[meets]])
    return present


def _areas(places: Places, plane: Plane, radii_m: FloatArray) -> npt.NDArray[np.float64]:
    """Measure the ground of areas within radii, square metres, dims (place, layer, radius)."""
    pieces = plane.areas
    place, piece, least, most = near_pieces(places, pieces, float(radii_m[-1]))
    whole = pieces.amount[piece] / places.scale[place] ** 2
    shared = np.where(most[:, None] <= radii_m, whole[:, None], 0.0)
    for position, radius in enumerate(radii_m):
        rows = np.flatnonzero((least <= radius) & (radius < most))
        seen, _, starts = _seen(places, pieces, place[rows], piece[rows])
        part = _reduced(np.add, area_within(seen, float(radius)), starts)
        part[part < _LEAST_AREA_M2] = 0.0
        shared[rows, position] = np.minimum(part, whole[rows])
    return _sums(place, plane.member[pieces.feature[piece]], shared, len(places))
