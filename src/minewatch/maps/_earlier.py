"""Whether detections of earlier periods can say what is new."""

import warnings
from typing import Final

import numpy as np
import shapely

from minewatch.errors import EarlierWarning
from minewatch.maps._contents import MapContents

_LEAST_MET: Final = 0.05
"""Share of detections that meet one of an earlier period, below which something is amiss: mines
stay for years."""
_FEWEST: Final = 20
"""Detections of both times, below which such a share says nothing."""


def count_if_few(contents: MapContents) -> int | None:
    """Count the detections that meet one of an earlier period, if those are next to none.

    Published files of some makers hold what a year added alone, cut out of what was found before:
    among them everything would be called new.

    Returns
    -------
    int or None
        How many share ground, or an edge, with one of any earlier period; None if they are enough,
        or too few to say.
    """
    own = contents.detections.geometry.to_numpy()
    before = [one.geometry.to_numpy() for one in contents.earlier.values()]
    if min(len(own), sum(map(len, before))) < _FEWEST:
        return None
    rows, _ = shapely.STRtree(np.concatenate(before)).query(own, predicate="intersects")
    met = len(np.unique(rows))
    return met if met < _LEAST_MET * len(own) else None


def tell_if_few(contents: MapContents) -> MapContents:
    """Give the contents back; warn where next to nothing meets earlier periods."""
    met = count_if_few(contents)
    if met is not None:
        names = ", ".join(contents.earlier)
        warnings.warn(
            f"{met:,} of {len(contents.detections):,} detections meet one of an earlier period "
            f"({names}): do the files hold only what each period added? Then what is detected for "
            "the first time says how they were cut, not what is new; leave the earlier ones out, "
            "or give files of all that was found in a period",
            EarlierWarning,
            stacklevel=3,
        )
    return contents
