"""Whether detections of earlier periods can say what is new."""

import warnings
from collections.abc import Mapping
from typing import Final

import geopandas as gpd
import numpy as np
import shapely

from minewatch.errors import EarlierWarning
from minewatch.maps._contents import MapContents

_LEAST_MET: Final = 0.05
"""Share of detections that meet one of an earlier period, below which something is amiss: mines
stay for years."""
_FEWEST: Final = 20
"""Detections of both times, below which such a share says nothing."""


def count_met(detections: gpd.GeoDataFrame, earlier: Mapping[str, gpd.GeoDataFrame]) -> int:
    """Count the detections that share ground, or an edge, with one of any earlier period."""
    before = [one.geometry.to_numpy() for one in earlier.values()]
    if not before:
        return 0
    tree = shapely.STRtree(np.concatenate(before))
    rows, _ = tree.query(detections.geometry.to_numpy(), predicate="intersects")
    return len(np.unique(rows))


def hardly_meets(contents: MapContents) -> bool:
    """Say whether next to no detection meets one of an earlier period.

    Published files of some makers hold what a year added alone, cut out of what was found before:
    among them everything would be called new.
    """
    table = contents.detections
    n_before = sum(len(one) for one in contents.earlier.values())
    if min(len(table), n_before) < _FEWEST:
        return False
    return count_met(table, contents.earlier) < _LEAST_MET * len(table)


def tell_if_apart(contents: MapContents) -> MapContents:
    """Give the contents back; warn where next to nothing meets earlier periods."""
    if hardly_meets(contents):
        met, n = count_met(contents.detections, contents.earlier), len(contents.detections)
        names = ", ".join(contents.earlier)
        warnings.warn(
            f"{met:,} of {n:,} detections meet one of an earlier period ({names}): do the files "
            "hold only what each period added? Then what is detected for the first time says how "
            "they were cut, not what is new; leave the earlier ones out, or give files of all that "
            "was found in a period",
            EarlierWarning,
            stacklevel=3,
        )
    return contents
