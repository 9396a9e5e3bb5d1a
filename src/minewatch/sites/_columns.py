"""Find out which columns of a file hold the coordinates, the ids and the labels."""

import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from minewatch.errors import RenamedWarning, SitesError
from minewatch.sites._schema import SITE_ID, as_text, list_some, parse_label
from minewatch.types import FloatArray

DEGREE_COLUMNS: Final = (
    ("longitude", "lon", "long", "lng"),
    ("latitude", "lat"),
)
"""Names, whatever their case, of columns that hold degrees."""
PLANE_COLUMNS: Final = (("easting", "x"), ("northing", "y"))
"""Names of columns that hold coordinates in a CRS that has to be named."""
ID_COLUMNS: Final = (SITE_ID, "sample_id", "id")
"""Columns that are looked at for ids, the first that will do is taken."""


def find_coordinates(
    columns: Sequence[str],
    where: str,
    *,
    longitude: str | None,
    latitude: str | None,
    plane: bool,
) -> tuple[str, str]:
    """Name the columns of longitude and latitude (or easting and northing, if `plane`)."""
    if (longitude is None) != (latitude is None):
        raise SitesError(
            f"only one of longitude={longitude!r} and latitude={latitude!r} was named; name both"
        )
    if longitude is not None and latitude is not None:
        missing = [name for name in (longitude, latitude) if name not in columns]
        if missing:
            raise SitesError(
                f"{where} has no column {list_some(missing)}; it has {list_some(columns, 20)}"
            )
        return longitude, latitude
    found = _named(columns, DEGREE_COLUMNS)
    if plane and not any(found):
        found = _named(columns, PLANE_COLUMNS)
    if any(len(names) > 1 for names in found):
        raise SitesError(
            f"{where} has several columns of coordinates: {list_some([*found[0], *found[1]])}; "
            "name two of them (longitude=, latitude=; --longitude, --latitude)"
        )
    if not all(found):
        raise SitesError(_no_coordinates(columns, where))
    return found[0][0], found[1][0]


def _named(
    columns: Sequence[str], names: tuple[tuple[str, ...], tuple[str, ...]]
) -> tuple[list[str], list[str]]:
    def fits(known: tuple[str, ...]) -> list[str]:
        return [column for column in columns if column.strip().lower() in known]

    return fits(names[0]), fits(names[1])


def _no_coordinates(columns: Sequence[str], where: str) -> str:
    message = (
        f"{where} has no columns of longitude and latitude; it has {list_some(columns, 20)}. "
        "Name them (longitude=, latitude=; --longitude, --latitude)"
    )
    if any(_named(columns, PLANE_COLUMNS)):
        message += ", or name the CRS of its eastings and northings (crs=; --crs)"
    return message


def read_numbers(values: "pd.Series[str]", where: str) -> FloatArray:
    """Read a column of numbers; empty is NaN, anything else that is no number is a fault."""
    numbers = pd.to_numeric(values, errors="coerce")
    bad = np.flatnonzero(numbers.isna() & values.notna())
    if len(bad):
        rows = list_some([f"{row + 1} ({values.iloc[row]!r})" for row in bad])
        fault = f"{where}: column {values.name!r} is not a number in row {rows}"
        raise SitesError(f"{fault}; write degrees as in -62.63", [fault])
    return numbers.to_numpy(np.float64, na_value=np.nan)


def read_labels(
    values: "pd.Series[Any]", where: str, words: Mapping[str, int]
) -> tuple["pd.Series[int]", list[str]]:
    """Map a column of labels to Int8, and list the values that are not known with their rows."""
    known: dict[object, int | None] = {}
    faults = []
    text = values.where(values.notna(), None).astype(object)
    for value in text.dropna().unique():
        known[value] = parse_label(value, words)
        if known[value] is None and as_text(value).strip():
            rows = list_some([row + 1 for row in np.flatnonzero(text == value)])
            faults.append(f"{where}: label {as_text(value)!r} is not known, in row {rows}")
    labels = [known.get(value) if value is not None else None for value in text]
    return pd.Series(pd.array(labels, dtype="Int8"), index=values.index), faults


def find_label_like(table: pd.DataFrame, words: Mapping[str, int]) -> str | None:
    """Name the first column that holds nothing but labels, of both classes; None if none does."""
    for name in table.columns:
        if str(name).lower() in ("geometry", "source", *ID_COLUMNS):
            continue
        values = table[name].dropna()
        if {parse_label(value, words) for value in values.unique()} == {0, 1}:
            return str(name)
    return None


def pick_ids(tables: Mapping[str, pd.DataFrame], chosen: str | None) -> list["pd.Series[str]"]:
    """Give the ids of every file's rows, taken from a column or made from source and order.

    `tables` are the rows by source. A column that the caller chose, or that is called `site_id`, is
    taken as it is, so that a duplicate in it is found later and not papered over. Any other column
    is taken only if all the files have it and no id is missing or given twice.

    Warns
    -----
    RenamedWarning
        If such a column is in all the files, and in one of them tells most rows apart but not all.
    """
    certain = {
        source: _find(table, chosen or SITE_ID, required=chosen is not None, where=source)
        for source, table in tables.items()
    }
    if not any(certain.values()):
        for name in ID_COLUMNS[1:]:
            columns = {source: _find(table, name) for source, table in tables.items()}
            if all(columns.values()) and _is_key(
                [tables[source][column] for source, column in columns.items()]
            ):
                certain = columns
                break
            if all(columns.values()):
                for source, column in columns.items():
                    _warn_renamed(name, tables[source][column], source)
    return [
        _make(source, len(table)) if column is None else _take(table, column)
        for (source, table), column in zip(tables.items(), certain.values(), strict=True)
    ]


def _find(table: pd.DataFrame, name: str, *, required: bool = False, where: str = "") -> str | None:
    if name in table.columns:
        return name
    if required:
        raise SitesError(
            f"{where} has no column {name!r} of ids; it has {list_some(list(table.columns), 20)}"
        )
    return next((column for column in table.columns if column.strip().lower() == name), None)


def _is_key(columns: Sequence["pd.Series[Any]"]) -> bool:
    if any(column.isna().any() for column in columns):
        return False
    ids = [as_text(value) for column in columns for value in column]
    return len(set(ids)) == len(ids) and all(text.strip() for text in ids)


def _warn_renamed(name: str, values: "pd.Series[Any]", source: str) -> None:
    """Say that a column is passed over that tells most rows apart, but not all."""
    ids = [as_text(value).strip() if pd.notna(value) else "" for value in values]
    if not len(ids) // 2 < len({*ids} - {""}) < len(ids):
        return
    twice = [text for text, count in Counter(ids).items() if count > 1 and text]
    missing = ids.count("")
    faults = [f"{list_some(twice)} more than once"] if twice else []
    faults += [f"no id for {missing:,} of the rows"] if missing else []
    warnings.warn(
        f"{source}: the column {name} holds {' and '.join(faults)}, so sites are not called "
        f"by it but {source}-0001 and so on; mend it, or name another column "
        "of ids (site_id=, --site-id)",
        RenamedWarning,
        stacklevel=4,
    )


def _take(table: pd.DataFrame, column: str) -> "pd.Series[str]":
    values = table.pop(column)
    ids = [as_text(value) if pd.notna(value) else None for value in values]
    return pd.Series(ids, dtype="str")


def _make(source: str, count: int) -> "pd.Series[str]":
    return pd.Series([f"{source}-{number:04d}" for number in range(1, count + 1)], dtype="str")


def is_blank(values: "pd.Series[Any]") -> bool:
    """Say whether a column holds nothing at all."""
    return bool(values.isna().all())


def plain_name(text: str) -> str:
    """Make a file's name fit for the start of an id: no spaces, slashes or control characters.

    Examples
    --------
    >>> plain_name("Sitios 2024/río")
    'Sitios_2024_río'
    """
    return re.sub(r"[^\w.+-]+", "_", text).strip("_") or "sites"
