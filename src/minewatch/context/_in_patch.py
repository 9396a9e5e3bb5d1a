"""Whether anything meets the patches of places."""

from dataclasses import dataclass

import numpy as np
import shapely

from minewatch.context._pairs import Pairs
from minewatch.context._pieces import Pieces
from minewatch.context._plane import Places, Plane
from minewatch.context._runs import spans
from minewatch.types import BoolArray, FloatArray, IntArray


def present(
    pairs: Pairs, held_place: IntArray, held_feature: IntArray, places: Places, plane: Plane
) -> BoolArray:
    """Say by key whether a feature of the layer meets the place's patch.

    Parameters
    ----------
    pairs
        Places and bodies near them.
    held_place, held_feature
        Places and the areas that they lie in.
    places, plane
        Places and features.
    """
    n_layers, n_features = plane.layers.n_layers, len(plane.layers.by_hand)
    found = np.zeros(len(places) * n_layers, dtype=np.bool_)
    rows = np.flatnonzero(pairs.least <= places.corner_m[pairs.place])
    boxes = _Boxes.of(places)
    inside, beside = boxes.judge(pairs.place[rows], plane.borders.bodies, pairs.entry[rows])
    found[pairs.key[rows[inside]]] = True
    rows = rows[~beside & ~found[pairs.key[rows]]]
    rows = rows[_may_meet(pairs, rows, boxes, plane, found)]
    rows = rows[~found[pairs.key[rows]]]
    thing, layer, _ = plane.layers.expand(held_feature)
    rows = np.concatenate([rows, _about_aside(pairs, boxes, places, plane, found)])
    key = np.concatenate([pairs.key[rows], held_place[thing] * n_layers + layer])
    feature = plane.borders.bodies.feature[pairs.entry[rows]]
    feature = np.concatenate([feature, held_feature[thing]])
    key, feature = np.divmod(np.unique(key * n_features + feature), n_features)
    own, position = np.unique(feature, return_inverse=True)
    meets = shapely.intersects(plane.shapes(own)[position], places.patches[key // n_layers])
    found[key[meets]] = True
    return found


@dataclass(frozen=True)
class _Boxes:
    """Bounds of patches, and which patches are nothing but their bounds."""

    west: FloatArray
    south: FloatArray
    east: FloatArray
    north: FloatArray
    filled: BoolArray

    @classmethod
    def of(cls, places: Places) -> "_Boxes":
        """Take the bounds of the places' patches."""
        west, south, east, north = shapely.bounds(places.patches).reshape(-1, 4).T
        whole = (east - west) * (north - south)
        filled = np.isclose(shapely.area(places.patches), whole, rtol=1e-9)
        return cls(west, south, east, north, filled)

    def judge(self, place: IntArray, bodies: Pieces, body: IntArray) -> tuple[BoolArray, BoolArray]:
        """Say which bodies lie wholly on a patch, and which wholly beside it, by their circles."""
        x, y, radius = bodies.center_x[body], bodies.center_y[body], bodies.radius[body]
        west, south, east, north = x - radius, y - radius, x + radius, y + radius
        inside = self.filled[place] & (west > self.west[place]) & (east < self.east[place])
        inside &= (south > self.south[place]) & (north < self.north[place])
        return inside, self.beside(place, (west, south, east, north))

    def beside(
        self, place: IntArray, bounds: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
    ) -> BoolArray:
        """Say which bounds lie wholly beside a patch's."""
        west, south, east, north = bounds
        beside = (west > self.east[place]) | (east < self.west[place])
        return beside | (south > self.north[place]) | (north < self.south[place])


def _about_aside(
    pairs: Pairs, boxes: _Boxes, places: Places, plane: Plane, found: BoolArray
) -> IntArray:
    """Choose areas that may hold a whole patch and not its place, for it lies beside its patch.

    The border of such an area runs between the place and the patch: it is among the pairs.
    """
    aside = ~(boxes.filled & ~boxes.beside(np.arange(len(places)), (places.x, places.y) * 2))
    unsure = np.flatnonzero(aside)
    x, y = places.x[unsure], places.y[unsure]
    aside[unsure] = ~shapely.intersects_xy(places.patches[unsure], x, y)
    if not aside.any():
        return np.empty(0, dtype=np.int64)
    rows = np.flatnonzero(aside[pairs.place] & ~found[pairs.key])
    return rows[plane.is_area[plane.borders.bodies.feature[pairs.entry[rows]]]]


def _may_meet(
    pairs: Pairs, rows: IntArray, boxes: _Boxes, plane: Plane, found: BoolArray
) -> BoolArray:
    """Say which bodies have a side that may meet the patch; write what surely does to `found`."""
    bodies, pieces = plane.borders.bodies, plane.pieces
    first = bodies.first[pairs.entry[rows]]
    last = first + bodies.count[pairs.entry[rows]] - 1
    begin = pieces.first[first]
    owner, segment = spans(begin, pieces.first[last] + pieces.count[last] - begin)
    place = pairs.place[rows][owner]
    x1, y1, x2, y2 = (ends[segment] for ends in plane.segments)
    on = boxes.filled[place] & (x1 > boxes.west[place]) & (x1 < boxes.east[place])
    on &= (y1 > boxes.south[place]) & (y1 < boxes.north[place])
    found[pairs.key[rows[owner[on]]]] = True
    bounds = np.minimum(x1, x2), np.minimum(y1, y2), np.maximum(x1, x2), np.maximum(y1, y2)
    may = np.zeros(len(rows), dtype=np.bool_)
    may[owner[~boxes.beside(place, bounds)]] = True
    return may
