"""An area split into boxes small enough to be asked for one at a time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import shapely
from shapely.geometry.base import BaseGeometry

from minewatch.errors import InputError
from minewatch.sites._distance import EARTH_RADIUS_M

_LEAST_SHARE: Final = 0.25
"""A box is split further where less of it than this lies in the area, …"""
_SMALLEST_SHARE: Final = 1 / 16
"""… unless it is this small a share of the largest box already."""
_DECIMALS: Final = 6


@dataclass(frozen=True)
class Part:
    """One box that is asked for."""

    ground: BaseGeometry
    """What of the area lies in it: polygon or multipolygon, EPSG:4326."""
    bounds: tuple[float, float, float, float]
    """West, south, east, north, degrees: the box around the ground, rounded outwards."""

    @classmethod
    def of(cls, ground: BaseGeometry) -> "Part":
        """Make the part of some ground."""
        step = 10.0**_DECIMALS
        west, south, east, north = (float(edge) * step for edge in shapely.bounds(ground))
        low = (math.floor(west) / step, math.floor(south) / step)
        high = (math.ceil(east) / step, math.ceil(north) / step)
        return cls(ground, (*low, *high))

    @property
    def area_km2(self) -> float:
        """Area of the box, square kilometres, on a sphere."""
        west, south, east, north = (math.radians(edge) for edge in self.bounds)
        return (EARTH_RADIUS_M / 1e3) ** 2 * (east - west) * (math.sin(north) - math.sin(south))

    def halves(self) -> list["Part"]:
        """Cut it in two across its longer side, each half no larger than its ground needs."""
        west, south, east, north = self.bounds
        middle = ((west + east) / 2.0, (south + north) / 2.0)
        width = (east - west) * math.cos(math.radians(middle[1]))
        if width >= north - south:
            boxes = ((west, south, middle[0], north), (middle[0], south, east, north))
        else:
            boxes = ((west, south, east, middle[1]), (west, middle[1], east, north))
        cuts = [shapely.intersection(self.ground, shapely.box(*box)) for box in boxes]
        grounds = [_polygons(cut) for cut in cuts]
        return [Part.of(ground) for ground in grounds if ground is not None]

    def quarters(self) -> list["Part"]:
        """Cut it in four, or fewer where there is no ground."""
        return [quarter for half in self.halves() for quarter in half.halves()]


def plan_parts(area: BaseGeometry, *, max_area_km2: float, max_parts: int) -> list[Part]:
    """Split an area into boxes over its own ground, not over its hull.

    Boxes are halved until each is small enough and lies mostly in the area; what has no ground is
    left out. The boxes are the same whenever the area is.

    Parameters
    ----------
    area
        Polygon or multipolygon, EPSG:4326.
    max_area_km2
        Largest box, square kilometres.
    max_parts
        More boxes than this are refused.

    Raises
    ------
    InputError
        If it takes more boxes.

    Examples
    --------
    >>> two = shapely.union_all([shapely.box(0, 0, 0.2, 0.2), shapely.box(9, 9, 9.2, 9.2)])
    >>> [part.bounds for part in plan_parts(two, max_area_km2=2_500, max_parts=100)]
    [(0.0, 0.0, 0.2, 0.2), (9.0, 9.0, 9.2, 9.2)]
    """
    parts = []
    for part in _split(Part.of(area), max_area_km2):
        parts.append(part)
        if len(parts) > max_parts:
            raise InputError(
                f"the area takes more than {max_parts} requests of {max_area_km2:g} km² each, too "
                "many to ask of a public server; take a region's extract instead (--region)"
            )
    return parts


def _split(part: Part, max_area_km2: float) -> Iterator[Part]:
    box_km2 = part.area_km2
    share = shapely.area(part.ground) / shapely.area(shapely.box(*part.bounds))
    is_full = share >= _LEAST_SHARE or box_km2 <= max_area_km2 * _SMALLEST_SHARE
    if box_km2 <= max_area_km2 and is_full:
        yield part
        return
    for half in part.halves():
        yield from _split(half, max_area_km2)


def _polygons(cut: BaseGeometry) -> BaseGeometry | None:
    """Keep what has an area of a cut; None if nothing has."""
    parts = shapely.get_parts(cut)
    parts = parts[(shapely.get_dimensions(parts) == 2) & (shapely.area(parts) > 0)]
    return shapely.multipolygons(parts) if len(parts) else None
