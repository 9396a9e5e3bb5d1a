"""The border that an extract was cut by: a ``.poly`` file beside it, as Geofabrik publishes them.

The bounding box of a country is larger than the country: a site near the border lies in the box,
and what is mapped abroad is not in the file. Its ``.poly`` says where the extract really ends.

References
----------
https://wiki.openstreetmap.org/wiki/Osmosis/Polygon_Filter_File_Format
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from minewatch.context._area import within_the_world
from minewatch.errors import InputError
from minewatch.types import FloatArray

_END: Final = "END"
_EDITION: Final = re.compile(r"-(latest|\d{6})$")


def border_name(extract: str) -> str:
    """Name the ``.poly`` file of an extract: that of its region, whatever its day.

    Examples
    --------
    >>> border_name("venezuela-latest.osm.pbf"), border_name("guri.osm.pbf")
    ('venezuela.poly', 'guri.poly')
    """
    return f"{_EDITION.sub('', extract.partition('.')[0])}.poly"


def find_border(extract: Path) -> Path | None:
    """Find the ``.poly`` file beside an extract; None if there is none."""
    file = extract.with_name(border_name(extract.name))
    return file if file.is_file() else None


def read_border(file: Path) -> BaseGeometry:
    """Read a ``.poly`` file.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        return parse_border(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file} is no border of an extract ({error}); expected a .poly file as "
            "download.geofabrik.de has them; remove it, or fetch it again"
        ) from error


def parse_border(text: str) -> BaseGeometry:
    r"""Read the text of a ``.poly`` file: rings by name, holes with a ``!`` before it.

    Returns
    -------
    BaseGeometry
        Polygon or multipolygon, EPSG:4326, within -180 to 180°; valid.

    Raises
    ------
    ValueError
        If a ring is cut off or has fewer than three corners, a corner is not finite, the closing
        ``END`` is missing, or nothing is enclosed.

    Examples
    --------
    >>> parse_border("valley\n1\n 0 0\n 4 0\n 0 3\nEND\nEND\n").area
    6.0
    """
    ground: BaseGeometry = Polygon()
    for is_hole, corners in _rings(text):
        ring = shapely.make_valid(Polygon(corners))
        ground = ground.difference(ring) if is_hole else ground.union(ring)
    ground = ground_of(within_the_world(ground))
    if ground.is_empty:
        raise ValueError("it encloses no ground")
    return shapely.normalize(ground)


def ground_of(shape: BaseGeometry) -> BaseGeometry:
    """Leave out what has no area."""
    if isinstance(shape, Polygon | MultiPolygon):
        return shape
    return shapely.union_all([part for part in shapely.get_parts(shape) if part.area > 0.0])


def _rings(text: str) -> Iterator[tuple[bool, FloatArray]]:
    """Give the corners of every ring, and whether it is a hole."""
    lines = [line.strip() for line in text.splitlines()[1:] if line.strip()]
    start = 0
    while start < len(lines) and lines[start] != _END:
        try:
            end = lines.index(_END, start)
        except ValueError:
            raise ValueError("a ring is cut off") from None
        corners = np.array([line.split() for line in lines[start + 1 : end]], dtype=np.float64)
        if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
            raise ValueError(f"the ring {lines[start]!r} is none")
        if not np.isfinite(corners).all():
            raise ValueError(f"the ring {lines[start]!r} has a corner that is not finite")
        yield lines[start].startswith("!"), corners
        start = end + 1
    if start == len(lines):
        raise ValueError("the END that closes it is missing: it is cut off")
