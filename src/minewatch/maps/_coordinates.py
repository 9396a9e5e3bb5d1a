"""Coordinates as people write them down: degrees, minutes and seconds."""

import math
from collections.abc import Iterable
from typing import Literal

from minewatch.errors import InputError


def format_dms(degrees: float, axis: Literal["longitude", "latitude"]) -> str:
    """Write a coordinate in degrees, minutes and seconds, to a tenth of a second (3 m).

    Parameters
    ----------
    degrees
        EPSG:4326.
    axis
        Which of the two it is.

    Raises
    ------
    InputError
        If it is not finite, or out of range.

    Examples
    --------
    >>> print(format_dms(5.45162, "latitude"), format_dms(-62.99999, "longitude"))
    5°27'05.8"N 63°00'00.0"W
    """
    most = 180.0 if axis == "longitude" else 90.0
    if not (math.isfinite(degrees) and abs(degrees) <= most):
        raise InputError(f"{axis} is {degrees}; expected degrees from {-most:g} to {most:g}")
    tenths = round(abs(degrees) * 36_000.0)
    seconds, tenth = divmod(tenths, 10)
    minutes, second = divmod(seconds, 60)
    degree, minute = divmod(minutes, 60)
    letters = "EW" if axis == "longitude" else "NS"
    letter = letters[degrees < 0 and tenths > 0]
    return f"{degree}°{minute:02d}'{second:02d}.{tenth}\"{letter}"


def all_dms(values: Iterable[float], axis: Literal["longitude", "latitude"]) -> list[str]:
    """Write many coordinates as `format_dms` does."""
    return [format_dms(float(value), axis) for value in values]
