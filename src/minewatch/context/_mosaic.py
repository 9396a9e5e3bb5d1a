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

from minewatch.context._pieces import simple_parts
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

_MARGIN_PX: Final = 4
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
        height, width = shape
        cut = shapely.clip_by_rect(
            moved, -_MARGIN_PX, -_MARGIN_PX, width + _MARGIN_PX, height + _MARGIN_PX
        )
        held = ~shapely.is_empty(cut)
        return cls(shape, patch[held], feature[held], cut[held])

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
        marked = np.unique(self.patch[chosen])
        cell_px = (height + 2 * _MARGIN_PX) * (width + 2 * _MARGIN_PX)
        n_at_once = max(_MOST_SHEET_PX // cell_px, 1)
        for start in range(0, len(marked), n_at_once):
            lot = marked[start : start + n_at_once]
            rows = np.flatnonzero(chosen & (self.patch >= lot[0]) & (self.patch <= lot[-1]))
            position = np.searchsorted(lot, self.patch[rows])
            burnt[lot] = self._burn_sheet(self.geometry[rows], position, len(lot), all_touched)
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
        counts = shapely.get_num_coordinates(geometry)
        shift = np.repeat(np.column_stack([aside, below]), counts, axis=0)
        placed = shapely.transform(geometry, lambda corners: corners + shift)
        drawn = _as_mappings(placed)
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


def transforms(geoboxes: list[GeoBox]) -> FloatArray:
    """Give the six numbers of each grid's transform, dims (patch, 6)."""
    return np.array([tuple(geobox.affine)[:6] for geobox in geoboxes])


def _as_mappings(geometry: AnyArray) -> list[dict[str, object]]:
    """Write geometry as GeoJSON has it: all points in one, all lines in one, polygons each alone.

    Polygons that overlap may not become one, or the overlap would count as outside.
    """
    parts, _ = simple_parts(geometry)
    kinds = shapely.get_type_id(parts)
    mappings: list[dict[str, object]] = []
    points = parts[kinds == shapely.GeometryType.POINT]
    if len(points):
        places = shapely.get_coordinates(points).tolist()
        mappings.append({"type": "MultiPoint", "coordinates": places})
    lines = parts[kinds == shapely.GeometryType.LINESTRING]
    if len(lines):
        mappings.append({"type": "MultiLineString", "coordinates": _corner_lists(lines)})
    polygons = parts[kinds == shapely.GeometryType.POLYGON]
    rings, of_polygon = shapely.get_rings(polygons, return_index=True)
    corners = _corner_lists(rings)
    first = np.flatnonzero(np.diff(of_polygon, prepend=-1))
    for start, stop in pairwise([*first.tolist(), len(rings)]):
        mappings.append({"type": "Polygon", "coordinates": corners[start:stop]})
    return mappings


def _corner_lists(lines: AnyArray) -> list[list[list[float]]]:
    corners, owner = shapely.get_coordinates(lines, return_index=True)
    ends = np.searchsorted(owner, np.arange(len(lines)), side="right").tolist()
    every = corners.tolist()
    return [every[start:stop] for start, stop in pairwise([0, *ends])]


def _to_pixels(geometry: AnyArray, patch: IntArray, geoboxes: list[GeoBox]) -> AnyArray:
    inverse = np.array([tuple(~geobox.affine)[:6] for geobox in geoboxes])
    of_corner = np.repeat(patch, shapely.get_num_coordinates(geometry))
    a, b, c, d, e, f = inverse[of_corner].T

    def move(corners: AnyArray) -> AnyArray:
        east, north = corners.T
        return np.column_stack([a * east + b * north + c, d * east + e * north + f])

    return np.asarray(shapely.transform(geometry, move))
