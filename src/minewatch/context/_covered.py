"""What of an area a file of OpenStreetMap holds: beyond it nothing is known, not even that."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import shapely
from shapely.geometry.base import BaseGeometry

from minewatch.context._border import ground_of, read_border
from minewatch.errors import CoverageWarning, InputError
from minewatch.sites._distance import GEOD

_WHOLE: Final = 0.9999
"""From this share on an area counts as held: corners are rounded."""
_DECIMALS: Final = 7


def held_ground(path: Path, box: BaseGeometry | None, border: Path | None) -> BaseGeometry | None:
    """Give the ground that a file holds: within its border, and within the box of its header.

    Parameters
    ----------
    path
        The file, for messages.
    box
        The bounding box of its header. None: it has none.
    border
        The ``.poly`` file beside it. None: there is none.

    Returns
    -------
    BaseGeometry or None
        EPSG:4326; None where neither is there.

    Raises
    ------
    InputError
        If the border cannot be read, or lies outside of the box: it is of another file.
    """
    if border is None:
        return box
    ground = read_border(border)
    if box is None:
        return ground
    both = ground_of(shapely.intersection(ground, box))
    if both.is_empty:
        raise InputError(
            f"{border} lies within {_edges(ground.bounds)} and {path} within {_edges(box.bounds)} "
            "(west, south, east, north, degrees): it is the border of another file; remove it"
        )
    return both


def cover(
    path: Path,
    asked: BaseGeometry | None,
    held: BaseGeometry | None,
    *,
    border: Path | None = None,
) -> dict[str, Any]:
    """Say what of the area that was asked for is known to be held.

    Parameters
    ----------
    path
        The file, for messages.
    asked
        What was asked for, EPSG:4326. None: all of the file.
    held
        What the file says that it holds. None: it does not say.
    border
        The ``.poly`` file that says it, for messages. None: the file's header does.

    Returns
    -------
    dict
        ``area``: WKT of what is known to be held, None where nothing says it; ``asked``: WKT, None
        for all of the file; ``covered_share``: 0 to 1 of what was asked for, by its true area, None
        where it is not known.

    Raises
    ------
    InputError
        If the file holds nothing of what was asked for.

    Warns
    -----
    CoverageWarning
        If it holds a part only.
    """
    told = {"asked": _write(asked)}
    if held is None:
        return {"area": None, **told, "covered_share": None}
    if asked is None:
        return {"area": _write(held), **told, "covered_share": 1.0}
    common = ground_of(shapely.intersection(asked, held))
    share = _square_metres(common) / _square_metres(asked)
    if share == 0.0:
        raise InputError(
            f"{path} holds {_limits(held, border)} and the area that is asked for lies outside, "
            f"within {_edges(asked.bounds)} (west, south, east, north, degrees); "
            f"{_advise(asked, held)}"
        )
    if share >= _WHOLE:
        return {"area": _write(asked), **told, "covered_share": 1.0}
    warnings.warn(
        f"{path} holds {write_share(share)} of the area that is asked for, which reaches beyond "
        f"{_limits(held, border)} (west, south, east, north, degrees); what is farther is not "
        "known, and is_edge_limited says of which sites; a larger file would show it",
        CoverageWarning,
        stacklevel=4,
    )
    return {"area": _write(common), **told, "covered_share": round(share, 6)}


def write_share(share: float, decimals: int = 0) -> str:
    """Write a share in percent; what is not whole is never 100 %.

    Examples
    --------
    >>> write_share(0.618), write_share(0.618, 1), write_share(0.9996), write_share(1.0)
    ('62%', '61.8%', '99.9%', '100%')
    """
    if 0.999 < share < 1.0:
        return "99.9%"
    return f"{share:.{decimals if share < 0.995 or share == 1.0 else 1}%}"


def _limits(held: BaseGeometry, border: Path | None) -> str:
    within = _edges(held.bounds)
    return within if border is None else f"what {border.name} encloses, within {within}"


def _advise(asked: BaseGeometry, held: BaseGeometry) -> str:
    """Say what to do about an area that lies outside: it may have its axes swapped."""
    if shapely.intersects(shapely.transform(asked, lambda corners: corners[:, ::-1]), held):
        return "longitude comes first: with latitude and longitude swapped it would lie within"
    return "take the file of another region"


def _write(area: BaseGeometry | None) -> str | None:
    return None if area is None else shapely.to_wkt(area, rounding_precision=_DECIMALS)


def _square_metres(area: BaseGeometry) -> float:
    parts = shapely.get_parts(shapely.orient_polygons(area))
    return sum(GEOD.geometry_area_perimeter(part)[0] for part in parts)


def _edges(bounds: Sequence[float]) -> str:
    return ", ".join(f"{edge:.5g}" for edge in bounds)
