"""Where things lie in a picture: outlines, squares and what is mapped, in pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from minewatch.context._layers import TARGET
from minewatch.grid import PatchGrid
from minewatch.imagery._footprints import place_polygon
from minewatch.maps.review._queue import Item
from minewatch.types import AnyArray, FloatArray

if TYPE_CHECKING:
    from minewatch.context import Features

_M_PER_PX: Final = 10.0
_MOST_FEATURES: Final = 400
_DECIMALS: Final = 1
"""Of pixels: a metre."""


@dataclass(frozen=True)
class Layout:
    """Where things lie in a picture; columns and rows count from its upper left corner."""

    size_px: tuple[int, int]
    """Columns and rows."""
    resolution_m: float
    corners: tuple[tuple[float, float], ...]
    """Longitude and latitude of the upper left, upper right, lower right and lower left corner."""
    point: tuple[float, float]
    """The place."""
    square: tuple[float, float, float, float]
    """Left, top, right and bottom of the square that is judged: a patch around the place, cut on
    the grid of all patches, so that the place is within 30 m of its middle."""
    rings: tuple[tuple[tuple[float, float], ...], ...]
    """Of the outline."""


def lay_out(geobox: GeoBox, item: Item, square_m: float) -> Layout:
    """Say where a place lies in the picture of a grid."""
    rows, columns = geobox.shape.yx
    resolution_m = float(geobox.resolution.x)
    corners = [(0, 0), (columns, 0), (columns, rows), (0, rows)]
    to_degrees = _transformer(str(geobox.crs), "EPSG:4326")
    own = geobox.transform
    places = [
        to_degrees.transform(own.a * x + own.b * y + own.c, own.d * x + own.e * y + own.f)
        for x, y in corners
    ]
    to_pixels = pixels_of(geobox)
    (column, row) = to_pixels(np.array([[item.longitude, item.latitude]]))[0]
    return Layout(
        (columns, rows),
        resolution_m,
        tuple((float(x), float(y)) for x, y in places),
        (_round(column), _round(row)),
        _square(item, square_m, to_pixels),
        () if item.outline is None else _rings(shapely.transform(item.outline, to_pixels)),
    )


def _square(
    item: Item, square_m: float, to_pixels: Callable[[FloatArray], FloatArray]
) -> tuple[float, float, float, float]:
    """Lay the patch of a place, cut on the grid of all patches, into a picture."""
    patch = PatchGrid(size_px=max(round(square_m / _M_PER_PX), 1))
    box = patch.geobox(item.longitude, item.latitude)
    west, south, east, north = box.boundingbox
    to_degrees = _transformer(str(box.crs), "EPSG:4326")
    corners = [to_degrees.transform(*one) for one in ((west, north), (east, south))]
    (left, top), (right, bottom) = to_pixels(np.array(corners))
    return _round(left), _round(top), _round(right), _round(bottom)


def pixels_of(geobox: GeoBox) -> Callable[[FloatArray], FloatArray]:
    """Give what turns longitude and latitude (n, 2) into columns and rows of a grid."""
    to_plane = _transformer("EPSG:4326", str(geobox.crs))
    inverse = ~geobox.transform

    def convert(places: FloatArray) -> FloatArray:
        east, north = to_plane.transform(places[:, 0], places[:, 1])
        columns = inverse.a * east + inverse.b * north + inverse.c
        rows = inverse.d * east + inverse.e * north + inverse.f
        return np.column_stack([columns, rows])

    return convert


@lru_cache(maxsize=64)
def _transformer(one: str, other: str) -> Transformer:
    return Transformer.from_crs(one, other, always_xy=True)


def _round(value: float) -> float:
    return round(float(value), _DECIMALS)


def _rings(shape: BaseGeometry) -> tuple[tuple[tuple[float, float], ...], ...]:
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
    return tuple(tuple((_round(x), _round(y)) for x, y in ring.coords) for ring in rings)


class Surroundings:
    """What is mapped, found by place.

    Parameters
    ----------
    features
        As `minewatch.context.read_features` gives them.
    targets
        Whether what names the target, such as a mapped quarry, is among it, as a layer ``target``:
        who is to judge freely is not told.
    """

    def __init__(self, features: "Features", *, targets: bool = True) -> None:
        names = features.table[TARGET].notna().to_numpy()
        self._table = features.table if targets else features.table[~names]
        self._names = features.layer_names
        self._shapes: AnyArray = self._table.geometry.to_numpy()
        self._tree = shapely.STRtree(self._shapes)
        self.attribution = str(features.info.get("attribution", ""))

    def within(self, geobox: GeoBox) -> list[dict[str, Any]]:
        """List what lies in a picture: its layer, its word, and its lines in pixels."""
        rows = np.sort(self._tree.query(place_polygon(geobox)))
        to_pixels, (height, width) = pixels_of(geobox), geobox.shape.yx
        found = []
        for row in rows:
            shape = shapely.transform(self._shapes[row], to_pixels)
            shown = shapely.clip_by_rect(shape, -2, -2, width + 2, height + 2)
            if shown.is_empty:
                continue
            found += [
                {"layer": name, "word": word, "lines": _lines(shown)}
                for name, word in self._words(row)
            ]
            if len(found) >= _MOST_FEATURES:
                break
        return found

    def _words(self, row: int) -> list[tuple[str, str]]:
        own = self._table.iloc[row]
        if isinstance(own[TARGET], str):
            return [(TARGET, own[TARGET])]
        return [(name, str(own[name])) for name in self._names if isinstance(own[name], str)][:1]


def _lines(shape: BaseGeometry) -> list[list[tuple[float, float]]]:
    """Give the lines to draw: of areas their borders; a point is a line of one place."""
    lines = []
    for part in shapely.get_parts(shape):
        edges = [part.exterior, *part.interiors] if part.geom_type == "Polygon" else [part]
        parts = [one for edge in edges for one in shapely.get_parts(edge)]
        lines += [[(_round(x), _round(y)) for x, y in one.coords] for one in parts]
    return lines
