"""Which windows are detected: two thresholds, the higher one for those that stand alone.

Distances are geodesics on the WGS 84 ellipsoid, so no zone, no meridian and no projection is a
border. Neighbours are searched by straight lines through the Earth; several more than are needed
are measured along the surface, so that the k-th by one measure is the k-th by the other.
"""

from typing import Final

import numpy as np
from scipy.spatial import KDTree

from minewatch.errors import InputError
from minewatch.sites._distance import earth_centred, geodesic_m
from minewatch.types import BoolArray, FloatArray

_SPARE: Final = 4
"""Neighbours measured beyond the k-th. Within 100 km two of them change places between chord and
geodesic only if they are as far to about a part in 10,000."""


def neighbour_distance_m(places: FloatArray, neighbours: int) -> FloatArray:
    """Measure from every place to its k-th nearest other one, metres along the ellipsoid.

    Parameters
    ----------
    places
        Longitude and latitude, degrees, dims (place, 2); none is missing.
    neighbours
        k, at least 1. Two rows at one point are each other's neighbours, at distance 0.

    Returns
    -------
    ndarray of float64
        Metres; infinite where there are fewer than k others.
    """
    if neighbours < 1:
        raise InputError(f"neighbours is {neighbours}; expected 1 or more")
    if len(places) <= neighbours:
        return np.full(len(places), np.inf)
    earth = earth_centred(places)
    asked = min(neighbours + 1 + _SPARE, len(places))
    _, found = KDTree(earth).query(earth, k=range(1, asked + 1))
    start = np.repeat(places, asked, axis=0)
    lengths = geodesic_m(start, places[np.asarray(found).ravel()]).reshape(-1, asked)
    lengths.sort(axis=1)  # the first is the place itself, or one at the same point
    return np.asarray(lengths[:, neighbours], dtype=np.float64)


def is_detected(
    scores: FloatArray,
    places: FloatArray,
    *,
    threshold: float,
    isolated_threshold: float | None,
    neighbours: int,
    isolation_m: float,
) -> tuple[BoolArray, FloatArray]:
    """Say which windows are detected, and how far the k-th detected neighbour of each is.

    A window's neighbours are those that reach `threshold`; one whose k-th nearest neighbour is
    farther than `isolation_m` must reach `isolated_threshold` itself. It is asked once: a window
    that falls out was still a neighbour of the others.

    Parameters
    ----------
    scores
        P(mining), dims (window); NaN, not seen, is never detected.
    places
        Longitude and latitude of the centres, degrees, dims (window, 2).
    threshold, isolated_threshold
        From 0 to 1; None: no window needs more than `threshold`.
    neighbours, isolation_m
        k, and the distance, metres.

    Returns
    -------
    is_detected
        Dims (window).
    distance_m
        Metres to the k-th nearest neighbour; infinite where there are fewer; NaN for windows below
        `threshold`, and for all of them where there is no `isolated_threshold`.
    """
    reached = np.nan_to_num(scores, nan=-np.inf) >= threshold
    distance = np.full(len(scores), np.nan)
    if isolated_threshold is None:
        return reached, distance
    rows = np.flatnonzero(reached)
    distance[rows] = neighbour_distance_m(places[rows], neighbours)
    alone = np.nan_to_num(distance, nan=-np.inf) > isolation_m
    return np.asarray(reached & (~alone | (scores >= isolated_threshold))), distance
