"""Whether anything meets the patches of places."""

import numpy as np
import shapely

from minewatch.context._pairs import Pairs
from minewatch.context._plane import Places, Plane
from minewatch.types import BoolArray, IntArray


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
    n_layers = plane.layers.n_layers
    found = np.zeros(len(places) * n_layers, dtype=np.bool_)
    rows = np.flatnonzero(pairs.least <= places.corner_m[pairs.place])
    place, entry = pairs.place[rows], pairs.entry[rows]
    bodies = plane.borders.bodies
    x, y, radius = bodies.center_x[entry], bodies.center_y[entry], bodies.radius[entry]
    west, south, east, north = shapely.bounds(places.patches).reshape(-1, 4).T
    is_box = np.isclose(shapely.area(places.patches), (east - west) * (north - south), rtol=1e-9)
    inside = (x - radius > west[place]) & (x + radius < east[place]) & is_box[place]
    inside &= (y - radius > south[place]) & (y + radius < north[place])
    found[pairs.key[rows[inside]]] = True
    beside = (x - radius > east[place]) | (x + radius < west[place])
    beside |= (y - radius > north[place]) | (y + radius < south[place])
    unsure = np.flatnonzero(~beside & ~found[pairs.key[rows]])
    thing, layer, _ = plane.layers.expand(held_feature)
    key = np.concatenate([pairs.key[rows[unsure]], held_place[thing] * n_layers + layer])
    feature = np.concatenate([bodies.feature[entry[unsure]], held_feature[thing]])
    asked = np.unique(key * len(plane.layers.by_hand) + feature)
    key, feature = np.divmod(asked, len(plane.layers.by_hand))
    own, position = np.unique(feature, return_inverse=True)
    meets = shapely.intersects(plane.shapes(own)[position], places.patches[key // n_layers])
    found[key[meets]] = True
    return found
