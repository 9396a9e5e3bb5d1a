"""Geometry as a page holds it: whole numbers, each told from the one before, and counts."""

from typing import Any, Final

import numpy as np
import shapely

from minewatch.types import AnyArray

DECIMALS: Final = 5
"""Of degrees: 1.1 m on the equator."""


def encode_areas(shapes: AnyArray) -> dict[str, Any]:
    """Write polygons as lists of whole numbers, which are short when they are compressed.

    Parameters
    ----------
    shapes
        Polygons and multipolygons, EPSG:4326; an empty one stays an empty one.

    Returns
    -------
    dict
        ``x``, ``y``: 1e-5 degrees, each less the one before, over all rings of all shapes;
        ``rings``: points of every ring; ``polygons``: rings of every polygon; ``shapes``: polygons
        of every shape.

    Examples
    --------
    >>> encode_areas(np.array([shapely.box(0, 0, 0.00002, 0.00001)]))
    {'x': [2, 0, -2, 0, 2], 'y': [0, 1, 0, -1, 0], 'rings': [5], 'polygons': [1], 'shapes': [1]}
    """
    parts, owner = shapely.get_parts(shapes, return_index=True)
    is_area = (shapely.get_type_id(parts) == 3) & ~shapely.is_empty(parts)
    parts, owner = parts[is_area], owner[is_area]
    rings, polygon = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    return {
        **_deltas(points),
        "rings": _counts(ring, len(rings)),
        "polygons": _counts(polygon, len(parts)),
        "shapes": _counts(owner, len(shapes)),
    }


def encode_lines(shapes: AnyArray) -> dict[str, Any]:
    """Write lines as `encode_areas` writes polygons: ``x``, ``y``, ``lines``, ``shapes``.

    Examples
    --------
    >>> encode_lines(np.array([shapely.LineString([(0, 0), (0.001, 0)])]))
    {'x': [0, 100], 'y': [0, 0], 'lines': [2], 'shapes': [1]}
    """
    parts, owner = shapely.get_parts(shapes, return_index=True)
    points, line = shapely.get_coordinates(parts, return_index=True)
    return {
        **_deltas(points),
        "lines": _counts(line, len(parts)),
        "shapes": _counts(owner, len(shapes)),
    }


def simplify(shapes: AnyArray, tolerance_m: float) -> AnyArray:
    """Leave out corners that change an outline by less than this; what is smaller stays whole."""
    return np.asarray(shapely.simplify(shapes, tolerance_m / 111_320.0, preserve_topology=True))


def _deltas(points: AnyArray) -> dict[str, list[int]]:
    whole = np.rint(points * 10**DECIMALS).astype(np.int64)
    steps = np.diff(whole, axis=0, prepend=np.zeros((1, 2), dtype=np.int64))
    return {"x": steps[:, 0].tolist(), "y": steps[:, 1].tolist()}


def _counts(owner: AnyArray, n: int) -> list[int]:
    counts: list[int] = np.bincount(owner, minlength=n).tolist()
    return counts
