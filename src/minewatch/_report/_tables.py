"""Tables and thumbnails as the page shows them: rounded, with units, in words."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import xarray as xr
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from minewatch._figures import MISSING, format_cell, format_count, format_number, render_image
from minewatch._report._files import flat_table, table_stem
from minewatch._report._section import Section
from minewatch.grid import format_latitude, format_longitude

LONG_TEXT: Final = 28
"""From so many characters on a cell may break its line."""
_TITLES: Final = {
    "auc": "AUC",
    "f1": "F1",
    "f05": "F0.5",
    "roc_auc": "AUC",
    "roc_auc_within_folds": "AUC within folds",
    "roc_auc_change": "change of AUC",
    "roc_auc_without": "AUC when shuffled",
    "average_precision_change": "change of average precision",
    "sensitivity_at_specificity": "sensitivity at a given specificity",
    "ks": "KS",
    "jeffries_matusita": "JM",
    "mutual_information_bits": "MI, bits",
    "p_value": "p",
    "morans_i": "Moran’s I",
    "n_px": "pixels",
    "n_no_data_px": "pixels without data",
    "site_id": "site",
    "p01": "1 %", "p05": "5 %", "p10": "10 %", "p25": "25 %", "p75": "75 %", "p90": "90 %",
    "p95": "95 %", "p99": "99 %",
    "p5_m": "5 %", "p25_m": "25 %", "p75_m": "75 %", "p95_m": "95 %",
}  # fmt: skip
_LEAST_ROWS_ALIKE: Final = 3
_NAMES_IN: Final = frozenset({"check", "composite"})
"""Columns whose cells are names with underscores."""
_DEGREES: Final = {"longitude": format_longitude, "latitude": format_latitude}
COMPOSITES: Final = ("true_colour", "false_colour", "grey")
"""Beginnings of the names of thumbnails that differ in the bands they show."""


@dataclass(frozen=True)
class TableView:
    """How the page shows a table."""

    n_rows: int = 10
    """How many rows; with 0 the table is only named."""
    note: str = ""
    """What its columns mean, where their names do not say it."""


def page_table(section: Section, name: str, view: TableView) -> dict[str, Any]:
    """Prepare the first rows of a table for the page."""
    table = section.tables[name]
    whole, alike = set_aside_constants(flat_table(table))
    flat = join_intervals(whole.head(view.n_rows))
    return {
        "id": f"table-{section.key}-{name}",
        "title": column_title(name).capitalize(),
        "stem": table_stem(section, name),
        "columns": [
            {"title": column_title(column), "numeric": _is_number(flat[column])}
            for column in flat.columns
        ],
        "rows": [
            [_cell(value, column) for value, column in zip(row, flat.columns, strict=True)]
            for row in flat.astype(object).itertuples(index=False, name=None)
        ],
        "notes": [view.note, _alike_note(alike)],
        "n_shown": len(flat),
        "n_rows": len(table),
        "n_rows_text": format_count(len(table)),
    }


def _alike_note(alike: Mapping[str, Any]) -> str:
    words = ", ".join(f"{column_title(name)} {format_cell(alike[name], name)}" for name in alike)
    return f"In every row: {words}." if alike else ""


def set_aside_constants(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Take out counts that are the same in every row of three or more, so that the rest has room.

    Examples
    --------
    >>> rest, alike = set_aside_constants(pd.DataFrame({"fold": [1, 2, 3], "n_sites": [9, 9, 9]}))
    >>> list(rest.columns), list(alike)
    (['fold'], ['n_sites'])
    """
    if len(table) < _LEAST_ROWS_ALIKE:
        return table, {}
    alike = {
        column: table[column].iloc[0]
        for column in table.columns
        if column.startswith("n_") and (table[column] == table[column].iloc[0]).all()
    }
    return table.drop(columns=list(alike)), alike


def join_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """Put an estimate and the two ends of its interval into one column of text.

    Examples
    --------
    >>> join_intervals(pd.DataFrame({"auc": [0.65], "auc_low": [0.58], "auc_high": [0.71]}))
                    auc
    0  0.65 (0.58–0.71)
    """
    joined = table.copy()
    for low in [column for column in table.columns if column.endswith("_low")]:
        name = low.removesuffix("_low")
        high = f"{name}_high"
        if name in joined.columns and high in joined.columns:
            ends = zip(joined[name], joined[low], joined[high], strict=True)
            texts = [_interval(*values, column=name) for values in ends]
            joined[name] = pd.Series(texts, index=joined.index, dtype="str")
            joined = joined.drop(columns=[low, high])
    return joined


def column_title(column: str) -> str:
    """Name a column or table for people: no underscores, and no unit where the cells carry it.

    Examples
    --------
    >>> column_title("n_patches"), column_title("range_m"), column_title("wavelength_nm")
    ('patches', 'range', 'wavelength, nm')
    """
    if column in _TITLES:
        return _TITLES[column]
    name = column.removeprefix("n_").removesuffix("_m")
    name = name.removesuffix("_share") if name != "share" else name
    if name.endswith("_nm"):
        name = name.removesuffix("_nm") + ", nm"
    return name.replace("_px", " pixels").replace("_", " ") or column


def page_images(name: str, images: xr.DataArray, section: Section) -> dict[str, Any]:
    """Prepare thumbnails for the page, each with what the table of the same name says of it."""
    rows = _rows_by_site(section.tables.get(name))
    classes = classes_by_site(section)
    pixels = images.transpose("site", "y", "x", "rgb").to_numpy()
    return {
        "title": picture_title(name),
        "note": _stretch_note(images),
        "thumbs": [
            _thumb(pixels[i], str(site_id), classes.get(str(site_id)), rows.get(str(site_id), {}))
            for i, site_id in enumerate(images["site"].to_numpy())
        ],
    }


def picture_title(name: str) -> str:
    """Name a set of thumbnails for people.

    Examples
    --------
    >>> picture_title("true_colour_no_mining_typical"), picture_title("zero_bands")
    ('True colour, no mining: typical', 'Zero bands')
    """
    for composite in COMPOSITES:
        rest = name.removeprefix(f"{composite}_")
        if rest != name and "_" in rest:
            class_name, kind = rest.rsplit("_", 1)
            title = f"{composite}, {class_name}: {kind}"
            return title.replace("_", " ").capitalize()
    return name.replace("_", " ").capitalize()


def classes_by_site(section: Section) -> dict[str, str]:
    """Collect from a section's tables the class of every site that they name."""
    classes: dict[str, str] = {}
    for table in section.tables.values():
        flat = table.reset_index() if table.index.name == "site_id" else table
        column = "class" if "class" in flat else "label"
        if "site_id" in flat and column in flat:
            classes.update(zip(flat["site_id"].astype(str), flat[column].astype(str), strict=True))
    return classes


def data_uri(content: bytes, kind: str) -> str:
    """Write bytes so that a page can hold them: ``data:image/png;base64,…``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _rows_by_site(table: pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    if table is None:
        return {}
    flat = table.reset_index() if table.index.name == "site_id" else table
    if "site_id" not in flat:
        return {}
    rows = flat.drop_duplicates("site_id").to_dict("records")
    return {str(row["site_id"]): {str(key): row[key] for key in row} for row in rows}


def _thumb(
    pixels: Any, site_id: str, class_name: str | None, row: Mapping[str, Any]
) -> dict[str, Any]:
    named = class_name if row and "probability" not in row else None
    lines = [named, _finding(row), _place(row)]
    return {
        "site_id": site_id,
        "source": data_uri(render_image(pixels), "image/png"),
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "style": (class_name or "").replace(" ", "-"),
        "alt": f"Thumbnail of {site_id}" + (f", {class_name}" if class_name else ""),
        "lines": [line for line in lines if line],
    }


def _place(row: Mapping[str, Any]) -> str | None:
    if "longitude" not in row or pd.isna(row["longitude"]):
        return None
    return f"{format_longitude(row['longitude'])}, {format_latitude(row['latitude'])}"


def _finding(row: Mapping[str, Any]) -> str | None:
    """Say what a table found about a patch, as far as there is a short way to say it."""
    if "probability" in row:
        probability = format_number(float(row["probability"]), decimals=2)
        return f"label {row['label']}, model {probability}" if "label" in row else probability
    if "group" in row:
        return f"group {row['group']}"
    if "bands" in row:
        return str(row["bands"])
    shares = [key for key in row if key.endswith("_share") and row[key] > 0]
    if shares:
        return ", ".join(f"{column_title(key)} {format_cell(row[key], key)}" for key in shares)
    return None


def _stretch_note(images: xr.DataArray) -> str:
    stretch = images.attrs.get("stretch")
    return f"Reflectance shown as black to full colour: {stretch}." if stretch else ""


def _cell(value: object, column: str) -> dict[str, str]:
    write = _DEGREES.get(column)
    text = write(value) if write and isinstance(value, float) else format_cell(value, column)
    if column in _NAMES_IN:
        text = text.replace("_", " ")
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    style = "n" if numeric else "w" if len(text) > LONG_TEXT else ""
    return {"text": text, "style": style}


def _is_number(values: "pd.Series[Any]") -> bool:
    return is_numeric_dtype(values.dtype) and not is_bool_dtype(values.dtype)


def _interval(value: float, low: float, high: float, *, column: str) -> str:
    if column.endswith(("_m", "share")):
        words = [format_cell(number, column) for number in (value, low, high)]
    else:
        words = [format_number(number, decimals=2) for number in (value, low, high)]
    return words[0] if MISSING in words else f"{words[0]} ({words[1]}–{words[2]})"
