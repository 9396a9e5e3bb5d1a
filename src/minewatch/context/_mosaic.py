"""Draw features on the pixels of many patches in one go.

Patches are laid side by side on one sheet, with margins between them, and what lies in each is
moved to its place in pixels: one call of the rasterizer then does what took one for every patch. A
pixel is decided by what lies in it, wherever it stands on the sheet.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from minewatch.context._runs import simple_parts
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

_MARGIN_PX: Final = 4
_EDGE_PX: Final = 0.05
_NO_PIXEL: Final = -1
_MANY_VERTICES: Final = 512
_MOST_SHEET_PX: Final = 1 << 26


@dataclass(frozen=True)
class Drawing:
    """Pieces of features on patches, in pixels of each patch: columns east, rows south."""

    shape: tuple[int, int]
    """Rows and columns of every patch."""
    patch: IntArray
    feature: IntArray
    geometry: AnyArray
    alone: IntArray
    """The pixel of its patch, row by row, that a piece lies wholly within; `_NO_PIXEL` for others.
    """

    @classmethod
    def of(cls, geoboxes: list[GeoBox], geometry: AnyArray) -> "Drawing":
        """Find what lies on patches of one CRS, cut it out and bring it to pixels.

        Parameters
        ----------
        geoboxes
            Grids of equal shape and CRS.
        geometry
            Features in that CRS.
        """
        shape = (int(geoboxes[0].shape.y), int(geoboxes[0].shape.x))
        frames = _frames(geoboxes, shape)
        patch, feature = shapely.STRtree(geometry).query(frames)
        order = np.lexsort((feature, patch))
        patch, feature = patch[order], feature[order]
        pieces = geometry[feature]
        large = shapely.get_num_coordinates(pieces) > _MANY_VERTICES
        # What is large is cut before it is moved, once for every patch that it meets.
        for row in np.flatnonzero(large):
            pieces[row] = shapely.clip_by_rect(pieces[row], *shapely.bounds(frames[patch[row]]))
        moved = _to_pixels(pieces, patch, geoboxes)
        bounds = shapely.bounds(moved).reshape(-1, 4).T
        height, width = shape
        sheet = (-_MARGIN_PX, -_MARGIN_PX, width + _MARGIN_PX, height + _MARGIN_PX)
        beyond = (bounds[:2].min(axis=0) < -_MARGIN_PX) | (bounds[2] > sheet[2])
        beyond |= bounds[3] > sheet[3]
        moved[beyond] = shapely.clip_by_rect(moved[beyond], *sheet)
        held = ~shapely.is_empty(moved)
        # What ends a pixel before the patch marks nothing of it.
        held &= (bounds[2:].min(axis=0) > -1.0) & (bounds[0] < width + 1.0)
        held &= bounds[1] < height + 1.0
        alone = _pixel_around(bounds[:, held], shape)
        return cls(shape, patch[held], feature[held], moved[held], alone)

    def with_sides(self, patch: IntArray, feature: IntArray, ends: FloatArray) -> "Drawing":
        """Add sides of lines that are in pixels already: first and second end, dims (4, side)."""
        if len(patch) == 0:
            return self
        height, width = self.shape
        sheet = (-_MARGIN_PX, -_MARGIN_PX, width + _MARGIN_PX, height + _MARGIN_PX)
        drawn = np.asarray(shapely.linestrings(ends.T.reshape(-1, 2, 2)))
        return Drawing(
            self.shape,
            np.concatenate([self.patch, patch]),
            np.concatenate([self.feature, feature]),
            np.concatenate([self.geometry, shapely.clip_by_rect(drawn, *sheet)]),
            np.concatenate([self.alone, np.full(len(patch), _NO_PIXEL)]),
        )

    def burn(self, chosen: BoolArray, n_patches: int, *, all_touched: bool) -> AnyArray:
        """Draw some of the pieces.

        Parameters
        ----------
        chosen
            Which pieces are drawn, one per piece.
        n_patches
            How many patches there are.
        all_touched
            Mark every pixel that is touched, not only those whose centre is within.

        Returns
        -------
        uint8, dims (patch, y, x): 1 where something is, else 0.
        """
        height, width = self.shape
        burnt = np.zeros((n_patches, height, width), dtype=np.uint8)
        if all_touched:
            alone = chosen & (self.alone != _NO_PIXEL)
            burnt.reshape(n_patches, -1)[self.patch[alone], self.alone[alone]] = 1
            chosen = chosen & ~alone
        marked = np.unique(self.patch[chosen])
        cell_px = (height + 2 * _MARGIN_PX) * (width + 2 * _MARGIN_PX)
        n_at_once = max(_MOST_SHEET_PX // cell_px, 1)
        for start in range(0, len(marked), n_at_once):
            lot = marked[start : start + n_at_once]
            rows = np.flatnonzero(chosen & (self.patch >= lot[0]) & (self.patch <= lot[-1]))
            position = np.searchsorted(lot, self.patch[rows])
            burnt[lot] |= self._burn_sheet(self.geometry[rows], position, len(lot), all_touched)
        return burnt

    def _burn_sheet(
        self,
        geometry: AnyArray,
        position: IntArray,
        n_patches: int,
        all_touched: bool,  # noqa: FBT001
    ) -> AnyArray:
        height, width = self.shape[0] + 2 * _MARGIN_PX, self.shape[1] + 2 * _MARGIN_PX
        across = int(np.ceil(np.sqrt(n_patches)))
        down = -(-n_patches // across)
        aside = (position % across) * width + _MARGIN_PX
        below = (position // across) * height + _MARGIN_PX
        drawn = _as_mappings(geometry, np.column_stack([aside, below]).astype(np.float64))
        if not drawn:
            return np.zeros((n_patches, *self.shape), dtype=np.uint8)
        sheet = rasterize(
            drawn,
            out_shape=(down * height, across * width),
            transform=Affine.identity(),
            all_touched=all_touched,
            dtype="uint8",
        )
        cells = sheet.reshape(down, height, across, width).swapaxes(1, 2)
        cells = cells.reshape(down * across, height, width)[:n_patches]
        return np.asarray(cells[:, _MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX])


def _frames(geoboxes: list[GeoBox], shape: tuple[int, int]) -> AnyArray:
    """Draw the bounds of patches with their margin, in their CRS."""
    height, width = shape
    column = np.array([-_MARGIN_PX, -_MARGIN_PX, width + _MARGIN_PX, width + _MARGIN_PX])
    row = np.array([-_MARGIN_PX, height + _MARGIN_PX] * 2)
    a, b, c, d, e, f = transforms(geoboxes).T[:, :, None]
    east, north = a * column + b * row + c, d * column + e * row + f
    bounds = (east.min(axis=1), north.min(axis=1), east.max(axis=1), north.max(axis=1))
    return np.asarray(shapely.box(*bounds))


def transforms(geoboxes: list[GeoBox], *, inverse: bool = False) -> FloatArray:
    """Give the six numbers of each grid's transform, or of its inverse, dims (patch, 6)."""
    # By name: to take an Affine as a tuple costs more than all that is done with it.
    each = (geobox.affine for geobox in geoboxes)
    numbers = np.array([(at.a, at.b, at.c, at.d, at.e, at.f) for at in each])
    if not inverse:
        return numbers
    a, b, c, d, e, f = numbers.T
    whole = 1.0 / (a * e - b * d)
    a, b, d, e = e * whole, -b * whole, -d * whole, a * whole
    return np.column_stack([a, b, -c * a - f * b, d, e, -c * d - f * e])


def _pixel_around(bounds: FloatArray, shape: tuple[int, int]) -> IntArray:
    """Give the pixel of a patch that bounds lie wholly within, or `_NO_PIXEL`.

    What lies so touches that pixel and no other: the rasterizer need not be asked. What comes close
    to the pixel's edge is left to it, which has a tolerance of its own.
    """
    west, north, east, south = bounds
    height, width = shape
    column, row = np.floor(west), np.floor(north)
    within = (west - column > _EDGE_PX) & (east - column < 1.0 - _EDGE_PX)
    within &= (north - row > _EDGE_PX) & (south - row < 1.0 - _EDGE_PX)
    within &= (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.where(within, row * width + column, _NO_PIXEL).astype(np.int64)


def _as_mappings(geometry: AnyArray, shift: FloatArray) -> list[dict[str, object]]:
    """Write geometry, each moved by its shift, as GeoJSON has it.

    All points are in one, all lines in one, polygons each alone: polygons that overlap may not
    become one, or the overlap would count as outside.
    """
    parts, owner = simple_parts(geometry)
    kinds, shift = shapely.get_type_id(parts), shift[owner]
    mappings: list[dict[str, object]] = []
    is_point = kinds == shapely.GeometryType.POINT
    if is_point.any():
        places = shapely.get_coordinates(parts[is_point]) + shift[is_point]
        mappings.append({"type": "MultiPoint", "coordinates": _as_tuples(places)})
    is_line = kinds == shapely.GeometryType.LINESTRING
    if is_line.any():
        lines = _corner_lists(parts[is_line], shift[is_line])
        mappings.append({"type": "MultiLineString", "coordinates": lines})
    is_polygon = kinds == shapely.GeometryType.POLYGON
    rings, of_polygon = shapely.get_rings(parts[is_polygon], return_index=True)
    corners = _corner_lists(rings, shift[is_polygon][of_polygon])
    first = np.flatnonzero(np.diff(of_polygon, prepend=-1))
    for start, stop in pairwise([*first.tolist(), len(rings)]):
        mappings.append({"type": "Polygon", "coordinates": corners[start:stop]})
    return mappings


def _corner_lists(lines: AnyArray, shift: FloatArray) -> list[list[tuple[float, ...]]]:
    counts = shapely.get_num_coordinates(lines)
    every = _as_tuples(shapely.get_coordinates(lines) + np.repeat(shift, counts, axis=0))
    ends = np.cumsum(counts).tolist()
    return [every[start:stop] for start, stop in pairwise([0, *ends])]


def _as_tuples(places: FloatArray) -> list[tuple[float, ...]]:
    return list(zip(*places.T.tolist(), strict=True))


def _to_pixels(geometry: AnyArray, patch: IntArray, geoboxes: list[GeoBox]) -> AnyArray:
    inverse = transforms(geoboxes, inverse=True)
    of_corner = np.repeat(patch, shapely.get_num_coordinates(geometry))
    a, b, c, d, e, f = (np.ascontiguousarray(values)[of_corner] for values in inverse.T)

    def move(corners: AnyArray) -> AnyArray:
        east, north = corners.T
        return np.column_stack([a * east + b * north + c, d * east + e * north + f])

    return np.asarray(shapely.transform(geometry, move))
