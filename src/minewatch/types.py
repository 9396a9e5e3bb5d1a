"""The settings base, failures as data, and the few aliases that all rooms share."""

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from minewatch.errors import SettingsError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Level: TypeAlias = Literal["L1C", "L2A"]
"""Sentinel-2 processing level: top-of-atmosphere (L1C) or surface reflectance (L2A)."""

StrPath: TypeAlias = str | PathLike[str]
FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]
AnyArray: TypeAlias = npt.NDArray[Any]


class Settings(BaseModel):
    """Frozen, strict settings: a key that is not known is an error, never silently dropped.

    Making one from values that cannot be raises `SettingsError`, which names every fault.
    `model_validate` raises pydantic's own error, for readers of files that say where a fault lies.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    if not TYPE_CHECKING:  # where types are checked, each class has the arguments of its fields

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                faults = "; ".join(describe_fault(fault) for fault in error.errors())
                known = ", ".join(type(self).model_fields)
                more = f" (there are {known})" if _names_unknown_key(error) else ""
                raise SettingsError(f"{type(self).__name__}: {faults}{more}") from error

        # Settings inside settings are then made by pydantic itself, so that a fault in them keeps
        # its full path: patches.scaling.offset.
        __init__.__pydantic_base_init__ = True


def describe_fault(fault: "ErrorDetails") -> str:
    """Say what is wrong with one setting: its name, its value and what is expected.

    Examples
    --------
    >>> try:
    ...     Settings.model_validate({"sise_px": 48})
    ... except ValidationError as error:
    ...     [describe_fault(fault) for fault in error.errors()]
    ['sise_px is not a setting']
    """
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{where} is not a setting"
    if fault["type"] == "missing":
        return f"{where} is missing"
    if fault["type"] == "value_error":
        reason = str(fault["ctx"]["error"])
        return f"{where}: {reason}" if where else reason
    expected = fault["msg"].removeprefix("Input should be ")
    return f"{where} is {_shorten(repr(fault['input']))}; expected {expected}"


def _names_unknown_key(error: ValidationError) -> bool:
    return any(f["type"] == "extra_forbidden" and len(f["loc"]) == 1 for f in error.errors())


def _shorten(text: str, most: int = 80) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


@dataclass(frozen=True)
class Failure:
    """One thing that could not be done, as a row that a person can read and a program can retry."""

    key: str
    """What failed: a site_id, a file, a tile."""
    stage: str
    """The word of the stage that it failed in."""
    reason: str
    """Why, in one line."""
