"""CSV: a row per detection, with coordinates as numbers and as people write them."""

from pathlib import Path
from typing import Any, Final

import pandas as pd

from minewatch._store import writing_file
from minewatch.maps._attribution import describe_contents
from minewatch.maps._contents import MapContents
from minewatch.maps._coordinates import all_dms
from minewatch.maps._vector import plain_table, rounded

_SAID: Final = ("period", "threshold", "detector", "hectares", "not_seen", "attribution")
"""What every row says of the whole: rows get copied without their file."""
_SAID_IF_KNOWN: Final = ("area", "measured")
_STARTS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write_csv(contents: MapContents, path: Path) -> None:
    """Write the detections without their shapes, as UTF-8 that spreadsheets recognise.

    Text that a spreadsheet would run as a formula gets an apostrophe before it, in rows and in
    names of columns.
    """
    table = plain_table(contents.detections)
    plain = rounded(pd.DataFrame(table.drop(columns="geometry")))
    place = plain.columns.get_loc("latitude")
    places = {axis: all_dms(table[axis], axis) for axis in ("longitude", "latitude")}
    for axis, words in places.items():
        plain.insert(int(place) + 1, f"{axis}_dms", words)  # type: ignore[arg-type]  # once there
    said = describe_contents(contents)
    for name in (*_SAID, *(one for one in _SAID_IF_KNOWN if one in said)):
        plain[f"map_{name}"] = said.get(name, "")
    plain.columns = pd.Index([_harmless(name) for name in plain.columns])
    with writing_file(path) as aside:
        plain.map(_harmless).to_csv(aside, index=False, encoding="utf-8-sig", lineterminator="\r\n")


def _harmless(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_STARTS_FORMULA):
        return f"'{value}"
    return value
