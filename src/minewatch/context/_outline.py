"""Where the pixels of a patch lie: its outline in another CRS, and how large it is."""

from typing import Final

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from minewatch.context._ground import to_crs, to_degrees

_METRES_PER_DEGREE: Final = 112_000.0
"""More than any degree has."""


def diagonal_m(geobox: GeoBox) -> float:
    """Give the diagonal of a grid of pixels with room to spare, metres."""
    unit_m = _METRES_PER_DEGREE if geobox.crs is not None and geobox.crs.geographic else 1.0
    box = geobox.boundingbox
    return 1.5 * unit_m * float(np.hypot(box.span_x, box.span_y))


def outline(geobox: GeoBox, crs: str) -> shapely.Geometry:
    """Draw the outline of a grid of pixels in another CRS."""
    height, width = geobox.shape
    column, row = np.array([0, width, width, 0]), np.array([0, 0, height, height])
    a, b, c, d, e, f = tuple(geobox.affine)[:6]
    x, y = a * column + b * row + c, d * column + e * row + f
    if str(geobox.crs) == crs:
        return shapely.Polygon(np.column_stack([x, y]))
    degrees = np.column_stack(to_degrees(str(geobox.crs), x, y))
    outlined: shapely.Geometry = to_crs(np.array([shapely.Polygon(degrees)]), crs)[0]
    return outlined
