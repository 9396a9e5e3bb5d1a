"""The schema of a table of sites, and the words that stand for its labels."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import geopandas as gpd
import numpy as np
import pandas as pd

from minewatch.errors import InputError
from minewatch.types import StrPath

CLASS_NAMES: Final[Mapping[int, str]] = {1: "mining", 0: "no mining"}
"""What a label is called when a person reads it."""

UNLABELLED: Final = "unlabelled"
SITES_CRS: Final = "EPSG:4326"
SITE_ID: Final = "site_id"

LABEL_WORDS: Final[Mapping[str, int]] = {
    "1": 1,
    "1.0": 1,
    "true": 1,
    "yes": 1,
    "y": 1,
    "mining": 1,
    "mine": 1,
    "positive": 1,
    "0": 0,
    "0.0": 0,
    "false": 0,
    "no": 0,
    "n": 0,
    "no mining": 0,
    "not mining": 0,
    "non mining": 0,
    "nonmining": 0,
    "negative": 0,
    "background": 0,
}
"""Every spelling that is taken for a label, in lower case, with spaces for ``_`` and ``-``."""

PathOrTable: TypeAlias = StrPath | gpd.GeoDataFrame


def parse_label(value: object, words: Mapping[str, int] = LABEL_WORDS) -> int | None:
    """Give the label that a value from a file stands for, or None if it is not a known one.

    `words` are known spellings, as `plain_word` gives them.

    Examples
    --------
    >>> parse_label("No_Mining"), parse_label(True), parse_label(1.0), parse_label("maybe")
    (0, 1, 1, None)
    """
    return words.get(plain_word(value))


def label_words(own: Mapping[str, int] | None) -> dict[str, int]:
    """Give all known spellings: the caller's own, which go first, and minewatch's.

    Raises
    ------
    InputError
        If a word of the caller's is empty, or stands for anything but 1 and 0, or for both.
    """
    words: dict[str, int] = {}
    for word, label in (own or {}).items():
        key = plain_word(word)
        if not key or label not in CLASS_NAMES or words.get(key, label) != label:
            raise InputError(
                f"label {word!r} is to mean {label!r}; expected a word that means 1 or 0, not both"
            )
        words[key] = int(label)
    return {**LABEL_WORDS, **words}


def plain_word(value: object) -> str:
    """Spell a value in lower case, with one space for ``_``, ``-`` and any run of spaces."""
    return " ".join(as_text(value).lower().replace("_", " ").replace("-", " ").split())


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
