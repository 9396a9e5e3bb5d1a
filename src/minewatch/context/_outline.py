"""Where the pixels of a patch lie: its outline in another CRS, and how large it is."""

from typing import TYPE_CHECKING, Final

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from minewatch.context._ground import to_crs

if TYPE_CHECKING:
    from minewatch.types import AnyArray

_METRES_PER_DEGREE: Final = 112_000.0
"""More than any degree has."""


def diagonal_m(geobox: GeoBox) -> float:
    """Give the diagonal of a grid of pixels with room to spare, metres."""
    unit_m = _METRES_PER_DEGREE if geobox.crs is not None and geobox.crs.geographic else 1.0
    box = geobox.boundingbox
    return 1.5 * unit_m * float(np.hypot(box.span_x, box.span_y))


def outline(geobox: GeoBox, crs: str) -> shapely.Geometry:
    """Draw the outline of a grid of pixels in another CRS."""
    corners: AnyArray = np.array([geobox.extent.geom])
    if str(geobox.crs) != crs:
        degrees = geobox.extent.to_crs("EPSG:4326", resolution=np.inf)
        corners = to_crs(np.array([degrees.geom]), crs)
    outlined: shapely.Geometry = corners[0]
    return outlined
