"""Values of JSON documents that others wrote, taken for what they should be or left out."""

import math
from collections.abc import Mapping
from typing import Any


def mapping(value: object) -> Mapping[str, Any]:
    """Give an object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> list[Mapping[str, Any]]:
    """Give the objects in a list; none if it is no list."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    """Give the texts in a list; none if it is no list."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def number(value: object, name: str, faults: list[str]) -> float | None:
    """Give a number, or a number in words; None if it is null, or no number: then a fault is noted.

    Examples
    --------
    >>> faults: list[str] = []
    >>> number("12.5", "gsd", faults), number(None, "gsd", faults), number("n/a", "gsd", faults)
    (12.5, None, None)
    >>> faults
    ["gsd is 'n/a', expected a number"]
    """
    if value is None:
        return None
    found = _float(value)
    if found is None or not math.isfinite(found):
        faults.append(f"{name} is {_short(value)}, expected a number")
        return None
    return found


def numbers(value: object, count: int, name: str, faults: list[str]) -> tuple[float, ...] | None:
    """Give the first numbers of a list; None if it is null, or no such list: a fault is noted."""
    if value is None:
        return None
    listed = [_float(one) for one in value[:count]] if isinstance(value, list | tuple) else []
    found = tuple(one for one in listed if one is not None and math.isfinite(one))
    if len(found) < count:
        faults.append(f"{name} is {_short(value)}, expected {count} numbers")
        return None
    return found


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _short(value: object) -> str:
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:59]}…"
