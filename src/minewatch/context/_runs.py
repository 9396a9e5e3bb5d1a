"""Geometry as flat arrays: every line, every border of an area and every point is a run of corners.

What is done to very many features at once (to project them, to measure their sides) is done to two
arrays, without a look at a single geometry.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely

from minewatch.types import AnyArray, FloatArray, IntArray

POINT: Final = 0
LINE: Final = 1
RING: Final = 2
_MOST_NESTED: Final = 4


@dataclass(frozen=True)
class Runs:
    """Runs of corners, sorted by feature.

    Attributes
    ----------
    x, y
        Corners of all runs, one after the other; a point has its corner twice.
    first
        Where each run begins, and where the last ends.
    feature
        Position of the feature of each run.
    kind
        `POINT`, `LINE`, or `RING` for what borders an area.
    """

    x: FloatArray
    y: FloatArray
    first: IntArray
    feature: IntArray
    kind: npt.NDArray[np.int8]

    @classmethod
    def of(cls, geometry: AnyArray) -> "Runs":
        """Take features apart; those without geometry have no run."""
        parts, owner = simple_parts(geometry)
        kinds = shapely.get_type_id(parts)
        holed = shapely.get_num_interior_rings(parts) > 0
        if holed.any():
            rings, of_area = shapely.get_rings(parts[holed], return_index=True)
            owners = np.concatenate([owner[~holed], owner[holed][of_area]])
            order = np.argsort(owners, kind="stable")
            parts, owner = np.concatenate([parts[~holed], rings])[order], owners[order]
            ringed = np.full(len(rings), shapely.GeometryType.POLYGON, dtype=kinds.dtype)
            kinds = np.concatenate([kinds[~holed], ringed])[order]
        counts = shapely.get_num_coordinates(parts)
        corners = shapely.get_coordinates(parts)
        kind = np.full(len(parts), LINE, dtype=np.int8)
        kind[kinds == shapely.GeometryType.POLYGON] = RING
        kind[kinds == shapely.GeometryType.POINT] = POINT
        if len(points := np.flatnonzero(kind == POINT)):
            corners = np.repeat(corners, np.repeat(np.where(kind == POINT, 2, 1), counts), axis=0)
            counts[points] = 2
        first = np.concatenate([[0], np.cumsum(counts)])
        x, y = np.ascontiguousarray(corners.T)
        return cls(x, y, first, owner, kind)

    def moved(
        self, move: Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
    ) -> "Runs":
        """Give the same runs with their corners moved."""
        x, y = move(self.x, self.y) if len(self.x) else (self.x, self.y)
        return Runs(x, y, self.first, self.feature, self.kind)

    def __len__(self) -> int:
        return len(self.feature)


def simple_parts(geometry: AnyArray) -> tuple[AnyArray, IntArray]:
    """Take collections apart, and collections within them; what is empty is left out."""
    parts, owner = geometry, np.arange(len(geometry))
    for _ in range(_MOST_NESTED):
        several = shapely.get_type_id(parts) >= shapely.GeometryType.MULTIPOINT
        if not several.any():
            break
        inner, of_part = shapely.get_parts(parts[several], return_index=True)
        owners = np.concatenate([owner[~several], owner[several][of_part]])
        order = np.argsort(owners, kind="stable")
        parts, owner = np.concatenate([parts[~several], inner])[order], owners[order]
    held = ~(shapely.is_missing(parts) | shapely.is_empty(parts))
    if held.all():
        return parts, owner
    return parts[held], owner[held]


def spans(first: IntArray, count: IntArray) -> tuple[IntArray, IntArray]:
    """List the members of runs of consecutive numbers.

    Returns
    -------
    owner
        Which run each member belongs to.
    member
        Its number.

    Examples
    --------
    >>> owner, member = spans(np.array([5, 8]), np.array([2, 1]))
    >>> owner.tolist(), member.tolist()
    ([0, 0, 1], [5, 6, 8])
    """
    owner = np.repeat(np.arange(len(first)), count)
    shift = first - (np.cumsum(count) - count)
    return owner, np.arange(len(owner)) + shift[owner]
