"""The schema of a table of sites, and the words that stand for its labels."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import geopandas as gpd
import numpy as np
import pandas as pd

from minewatch.types import StrPath

CLASS_NAMES: Final[Mapping[int, str]] = {1: "mining", 0: "no mining"}
"""What a label is called when a person reads it."""

UNLABELLED: Final = "unlabelled"
SITES_CRS: Final = "EPSG:4326"
SITE_ID: Final = "site_id"

LABEL_WORDS: Final[Mapping[str, int]] = {
    "1": 1,
    "true": 1,
    "yes": 1,
    "mining": 1,
    "mine": 1,
    "positive": 1,
    "0": 0,
    "false": 0,
    "no": 0,
    "no mining": 0,
    "not mining": 0,
    "non mining": 0,
    "nonmining": 0,
    "negative": 0,
    "background": 0,
}
"""Every spelling that is taken for a label, in lower case, with spaces for ``_`` and ``-``."""

PathOrTable: TypeAlias = StrPath | gpd.GeoDataFrame


def parse_label(value: object) -> int | None:
    """Give the label that a value from a file stands for, or None if it is not a known one.

    Examples
    --------
    >>> parse_label("No_Mining"), parse_label(True), parse_label(1.0), parse_label("maybe")
    (0, 1, 1, None)
    """
    text = as_text(value).lower().replace("_", " ").replace("-", " ")
    return LABEL_WORDS.get(" ".join(text.split()))


def as_text(value: object) -> str:
    """Spell a value from a file; a whole number read as a float loses its ``.0``."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def class_of(labels: "pd.Series[int]") -> "pd.Series[str]":
    """Name the class of every label; missing labels are called unlabelled."""
    values = labels.to_numpy(np.int64, na_value=-1)
    names = [CLASS_NAMES.get(int(label), UNLABELLED) for label in values]
    return pd.Series(names, index=labels.index, dtype="str", name="class")


def list_some(values: Sequence[object], most: int = 8) -> str:
    """Spell a list for a message, cutting a long one short."""
    text = ", ".join(str(value) for value in values[:most])
    more = len(values) - most
    return f"{text} and {more} more" if more > 0 else text
