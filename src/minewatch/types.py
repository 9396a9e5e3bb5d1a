"""The settings base, failures as data, and the few aliases that all rooms share."""

from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Level: TypeAlias = Literal["L1C", "L2A"]
"""Sentinel-2 processing level: top-of-atmosphere (L1C) or surface reflectance (L2A)."""

StrPath: TypeAlias = str | PathLike[str]
FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]
AnyArray: TypeAlias = npt.NDArray[Any]


class Settings(BaseModel):
    """Frozen, strict settings: a key that is not known is an error, never silently dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True)
class Failure:
    """One thing that could not be done, as a row that a person can read and a program can retry."""

    key: str
    """What failed: a site_id, a file, a tile."""
    stage: str
    """The word of the stage that it failed in."""
    reason: str
    """Why, in one line."""
