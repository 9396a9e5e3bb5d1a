"""Columns of detections as a page holds them: rounded, with each word written once."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

NUMBERS: Final[Mapping[str, int]] = {
    "longitude": 6,
    "latitude": 6,
    "area_ha": 4,
    "ground_ha": 4,
    "bare_ha": 4,
    "pond_ha": 4,
    "unknown_ha": 4,
    "before_ha": 4,
    "score_mean": 4,
    "score_max": 4,
    "score_q90": 4,
    "windows": 0,
    "river_m": 0,
    "road_m": 0,
    "airstrip_m": 0,
    "settlement_m": 0,
    "map_edge_m": 0,
}
"""Columns that the page knows, and the decimals that they are shown with at most."""
WORDS: Final = ("start", "end", "change", "joined", "split_from", "settlement")
"""Columns of text that the page knows."""
FLAGS: Final = ("isolated",)
_MOST_OTHERS: Final = 12
"""Columns that the page does not know, and shows as they are."""


def encode_columns(table: pd.DataFrame, overlays: tuple[str, ...]) -> dict[str, Any]:
    """Write the columns of detections as JSON values.

    Parameters
    ----------
    table
        Detections of all periods, without geometry.
    overlays
        Columns that name what is touched.

    Returns
    -------
    dict
        ``numbers``: by column, lists with None for what is not known; ``words``: by column
        ``{"values": …, "codes": …}``, code -1 for what is missing; ``flags``: 1, 0, None;
        ``overlays`` and ``others``: names of columns in ``words`` or ``numbers``.
    """
    known = [name for name in NUMBERS if name in table]
    text = [name for name in (*WORDS, *overlays) if name in table]
    left = [
        str(name)
        for name in table
        if name not in {*NUMBERS, *WORDS, *FLAGS, *overlays, "period", "first", "geometry"}
    ][:_MOST_OTHERS]
    numeric = [name for name in left if _is_numeric(table[name])]
    return {
        "numbers": {
            **{name: _numbers(table[name], NUMBERS[name]) for name in known},
            **{name: _numbers(table[name], 4) for name in numeric},
        },
        "words": {
            name: _words(table[name]) for name in (*text, *(n for n in left if n not in numeric))
        },
        "flags": {name: _flags(table[name]) for name in FLAGS if name in table},
        "overlays": [name for name in overlays if name in table],
        "others": left,
    }


def _is_numeric(column: "pd.Series[Any]") -> bool:
    kinds = pd.api.types
    return bool(kinds.is_numeric_dtype(column)) and not kinds.is_bool_dtype(column)


def _numbers(column: "pd.Series[Any]", decimals: int) -> list[float | None]:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(values)
    rounded = np.round(np.where(known, values, 0.0), decimals)
    if not (rounded % 1.0).any():
        rounded = rounded.astype(np.int64)
    if known.all():
        return list(rounded.tolist())
    pairs = zip(rounded.tolist(), known.tolist(), strict=True)
    return [value if there else None for value, there in pairs]


def _words(column: "pd.Series[Any]") -> dict[str, Any]:
    text = column.astype("str")
    missing = (column.isna() | (text == "")).to_numpy()
    codes, values = pd.factorize(text.where(~missing))
    return {"values": [str(value) for value in values], "codes": codes.tolist()}


def _flags(column: "pd.Series[Any]") -> list[int | None]:
    values = column.astype("boolean")
    pairs = zip(values.fillna(value=False), values.notna(), strict=True)
    return [int(value) if there else None for value, there in pairs]
