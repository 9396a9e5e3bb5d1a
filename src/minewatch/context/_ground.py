"""Features made ready to be measured: near the places, in metres of the places' own UTM zone.

A feature is straight between its vertices in longitude and latitude, as RFC 7946 has it. Before it
is projected, long sides therefore get vertices of their own, and what crosses 180° is joined. In
the plane of a zone a metre is not quite a metre (0.9996 to 1.0010 of one within the zone); every
place is measured with the scale of its own point, which leaves less than 1 part in 10,000 at 10 km.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from pyproj import Proj, Transformer

from minewatch.context._cells import Cells
from minewatch.context._pieces import sound
from minewatch.context._runs import Runs
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

_LONGEST_SIDE_DEGREES: Final = 0.05
"""Longer sides get vertices; what is left bends less than a metre in the plane of a zone."""
_METRES_PER_DEGREE: Final = 110_000.0
"""Less than a degree of latitude has anywhere, so that no feature is missed."""
_FEW_PLACES: Final = 2_000
"""So many are worth asking one by one for what the grid of cells let through."""
_WIDE_DEGREES: Final = 2.0
_TURN: Final = 360.0


@dataclass(frozen=True)
class Ground:
    """Geometry of features in degrees, ready to be chosen from and projected.

    Attributes
    ----------
    geometry
        Shapely geometry, one per feature, EPSG:4326. What crosses 180° goes on beyond it.
    bounds
        West, south, east and north of each, dims (side, feature); NaN where there is nothing.
    """

    geometry: AnyArray
    bounds: FloatArray

    @classmethod
    def of(cls, geometry: AnyArray) -> "Ground":
        """Join what crosses 180°; missing and empty geometry stays so.

        A side longer than half a turn is taken to go the short way, across 180°; what is wide
        without such a side stays as it is.
        """
        joined = np.array(geometry, dtype=object)
        bounds = _bounds(joined)
        crossing = np.flatnonzero(bounds[2] - bounds[0] > _TURN / 2.0)
        crossing = crossing[_goes_over_180(joined[crossing])]
        if len(crossing):
            joined[crossing] = _join_at_180(joined[crossing])
            bounds[:, crossing] = _bounds(joined[crossing])
        return cls(joined, bounds)

    def near(self, longitude: FloatArray, latitude: FloatArray, margin_m: float) -> IntArray:
        """Give the features whose bounds may lie within a margin of any of the places, sorted.

        Some that lie a little farther may be among them, none that is nearer is missed.
        """
        up = margin_m / _METRES_PER_DEGREE
        furthest = np.minimum(abs(latitude) + up, 89.0)
        aside = np.asarray(up / np.cos(np.radians(furthest)), dtype=np.float64)
        west, east = longitude - aside, longitude + aside
        south, north = latitude - up, latitude + up
        cells = Cells.of(west, south, east, north)
        found = np.zeros(len(self.geometry), dtype=np.bool_)
        turns = self._turns(float(west.min()), float(east.max()))
        for turn in turns:
            found |= cells.met_by(*self.bounds, moved=turn)
        chosen = np.flatnonzero(found)
        if (
            len(chosen) == 0
            or len(longitude) > _FEW_PLACES
            or cells.finer_than(aside.min() / 4.0, up / 4.0)
        ):
            return chosen
        asked = [shapely.box(west - turn, south, east - turn, north) for turn in turns]
        tree = shapely.STRtree(np.concatenate(asked))
        return np.asarray(chosen[np.unique(tree.query(self.geometry[chosen])[0])])

    def _turns(self, west: float, east: float) -> list[float]:
        """Give the whole turns, degrees, that bring any feature between two meridians."""
        if len(self.geometry) == 0 or np.isnan(self.bounds[0]).all():
            return []
        first, last = float(np.nanmin(self.bounds[0])), float(np.nanmax(self.bounds[2]))
        turns = (-_TURN, 0.0, _TURN)
        return [turn for turn in turns if last + turn >= west - 1.0 and first + turn <= east + 1.0]

    def nearby(
        self, chosen: IntArray, longitude: FloatArray, latitude: FloatArray, margin_m: float
    ) -> AnyArray:
        """Give chosen features in degrees about the places, ready to be projected.

        Long sides get vertices. Wide features are cut to the surroundings of the places, three
        margins away from them, so that nothing is projected where their CRS is not defined.
        """
        geometry = self.geometry[chosen]
        middle = _middle(longitude)
        west, south, east, north = self.bounds[:, chosen]
        turns = -_TURN * np.round(((west + east) / 2.0 - middle) / _TURN)
        moved = np.isfinite(turns) & (turns != 0.0)
        for row in np.flatnonzero(moved):
            geometry[row] = _shift(geometry[row], turns[row])
        span = np.maximum(east - west, north - south)
        wide, long = span > _WIDE_DEGREES, span > _LONGEST_SIDE_DEGREES
        geometry[long] = shapely.segmentize(_mended(geometry[long]), _LONGEST_SIDE_DEGREES)
        if not wide.any():
            return geometry
        box = around(longitude, latitude, 3.0 * margin_m)
        # What is as wide as this comes near from both sides.
        about = np.flatnonzero(wide & (east - west > _TURN / 2.0))
        turned = [[_shift(geometry[row], turn) for turn in (-_TURN, _TURN)] for row in about]
        geometry[wide] = _cut(geometry[wide], box)
        for row, sides in zip(about, turned, strict=True):
            whole = [geometry[row], *_cut(np.array(sides, dtype=object), box)]
            geometry[row] = shapely.union_all([part for part in whole if not part.is_empty])
        return geometry


def around(longitude: FloatArray, latitude: FloatArray, margin_m: float) -> shapely.Geometry:
    """Draw the box around places with a margin, degrees about the middle of the places."""
    middle = _middle(longitude)
    away = (longitude - middle + 180.0) % _TURN - 180.0
    up = margin_m / _METRES_PER_DEGREE
    aside = up / np.cos(np.radians(min(float(abs(latitude).max()) + up, 89.0)))
    box: shapely.Geometry = shapely.box(
        middle + away.min() - aside, latitude.min() - up, middle + away.max() + aside,
        latitude.max() + up,
    )  # fmt: skip
    return box


def to_crs(geometry: AnyArray, crs: str) -> AnyArray:
    """Project geometry from longitude and latitude to a CRS."""

    def project(places: FloatArray) -> FloatArray:
        return np.column_stack(to_metres(crs, places[:, 0], places[:, 1]))

    return np.asarray(shapely.transform(geometry, project))


def to_metres(
    crs: str, longitude: FloatArray, latitude: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Project places from longitude and latitude to a CRS; longitudes may go beyond 180°."""
    if len(longitude) and (longitude.min() < -180.0 or longitude.max() > 180.0):
        inside = (longitude + 180.0) % _TURN - 180.0
        longitude = np.where(abs(longitude) > 180.0, inside, longitude)
    east, north = _transformer(crs).transform(longitude, latitude)
    return np.asarray(east), np.asarray(north)


def to_plane(
    crs: str, longitude: FloatArray, latitude: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give easting, northing and scale (metres of the plane per metre on the ground) of places."""
    east, north = _transformer(crs).transform(longitude, latitude)
    factors = _projection(crs).get_factors(longitude, latitude)
    scale = np.sqrt(np.asarray(factors.areal_scale, dtype=np.float64))
    return np.asarray(east), np.asarray(north), scale


def to_degrees(crs: str, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give longitude and latitude of places in a CRS."""
    longitude, latitude = _transformer(crs).transform(x, y, direction="INVERSE")
    return np.asarray(longitude), np.asarray(latitude)


def zone_of(longitude: FloatArray, latitude: FloatArray) -> IntArray:
    """Name the UTM zones of places by their EPSG codes, as `minewatch.grid.utm_epsg` does."""
    zone = np.floor((longitude + 180.0) % _TURN / 6.0).astype(np.int64) + 1
    return zone + np.where(latitude >= 0, 32600, 32700)


def join_area(area: shapely.Geometry) -> shapely.Geometry:
    """Join an area that was cut in two at 180°, so that the cut is no border of it.

    What is joined goes on beyond 180° east. An area with a part that is wider than half a turn is
    given back as it is.
    """
    parts = shapely.get_parts(area)
    west, _, east, _ = _bounds(parts)
    if east.max() - west.min() <= _TURN / 2.0 or (east - west).max() > _TURN / 2.0:
        return area
    joined: shapely.Geometry = shapely.union_all(_join_at_180(parts))
    return joined


def usable(geometry: pd.Series) -> BoolArray:
    """Say which geometry is there and holds something."""
    values = geometry.to_numpy()
    return np.asarray(~(shapely.is_missing(values) | shapely.is_empty(values)))


@lru_cache(maxsize=128)
def _transformer(crs: str) -> Transformer:
    return Transformer.from_crs("EPSG:4326", crs, always_xy=True)


@lru_cache(maxsize=128)
def _projection(crs: str) -> Proj:
    return Proj(crs)


def _bounds(geometry: AnyArray) -> npt.NDArray[np.float64]:
    return np.asarray(shapely.bounds(geometry)).reshape(-1, 4).T


def _middle(longitude: FloatArray) -> float:
    """Give a longitude amid places that lie within half a turn of each other."""
    first = float(longitude[0])
    away = (longitude - first + 180.0) % _TURN - 180.0
    return first + float(away.min() + away.max()) / 2.0


def _join_at_180(geometry: AnyArray) -> AnyArray:
    def join(places: FloatArray) -> FloatArray:
        east = np.where(places[:, 0] < 0, places[:, 0] + _TURN, places[:, 0])
        return np.column_stack([east, places[:, 1]])

    return np.asarray(shapely.transform(geometry, join))


def _goes_over_180(geometry: AnyArray) -> BoolArray:
    """Say which of what is wider than half a turn gets there by going over 180°.

    It is drawn in parts, none so wide, or a part has a side of more than half a turn, which goes
    the short way. A side of a whole turn goes nowhere: such a part is as wide as it says.
    """
    runs = Runs.of(geometry)
    steps = abs(np.diff(runs.x, append=runs.x[-1:]))
    steps[runs.first[1:] - 1] = 0.0
    ends = runs.first[:-1]
    most = np.maximum.reduceat(runs.x, ends) if len(runs) else ends
    least = np.minimum.reduceat(runs.x, ends) if len(runs) else ends
    over = np.flatnonzero((steps > _TURN / 2.0) & (steps < _TURN))
    goes = np.isin(np.arange(len(runs)), ends.searchsorted(over, side="right") - 1)
    stays = (most - least > _TURN / 2.0) & ~goes
    return np.asarray(np.bincount(runs.feature[stays], minlength=len(geometry)) == 0)


def _shift(geometry: shapely.Geometry, degrees: float) -> shapely.Geometry:
    return shapely.transform(geometry, lambda places: places + np.array([degrees, 0.0]))


def _mended(geometry: AnyArray) -> AnyArray:
    """Mend areas that are not valid: `shapely.segmentize` would keep one half of such as cross.

    What has no ground at all is left as it is.
    """
    areas = np.flatnonzero(shapely.get_dimensions(geometry) == 2)
    mended = sound(geometry[areas])
    kept = ~shapely.is_empty(mended)
    geometry[areas[kept]] = mended[kept]
    return geometry


def _cut(geometry: AnyArray, box: shapely.Geometry) -> AnyArray:
    areas = shapely.get_dimensions(geometry) == 2
    sound = geometry.copy()
    broken = areas & ~shapely.is_valid(geometry)
    sound[broken] = shapely.make_valid(geometry[broken])
    return np.asarray(shapely.intersection(sound, box))
