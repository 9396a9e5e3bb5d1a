"""What every file says of itself: of when it is, how sure it is, and whom to name."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import geopandas as gpd

from minewatch import __version__
from minewatch.maps._area_words import words_of_estimate
from minewatch.maps._contents import MapContents
from minewatch.maps._numbers import write_hectares
from minewatch.maps._page_html import strings
from minewatch.maps._sheet_words import Words
from minewatch.maps._sureness import describe_figures

UNKNOWN: Final = "not known"
_PLACED: Final = re.compile(r"[NS]\d{2}\.\d{4}[EW]\d{3}\.\d{4}(-\d+)?$")
"""Names that `minewatch.scan` gives: see `place_ids`."""
_HEADINGS: Final = {
    "title": "Title",
    "found": "Found",
    "names": "Names",
    "hectares": "Hectares",
    "area": "Area of mining",
    "period": "Period of the imagery",
    "threshold": "Threshold",
    "detector": "Detector",
    "measured": "How sure",
    "limits": "What it does not see",
    "not_seen": "Not seen",
    "attribution": "Attribution",
    "made_by": "Made by",
}


def describe_contents(contents: MapContents) -> dict[str, str]:
    """Say of when a map is, what its numbers mean, how sure it is, and whom to name.

    Parameters
    ----------
    contents
        What the map is made from.

    Returns
    -------
    dict of str
        ``title``, ``found``, ``hectares``, ``period``, ``threshold``, ``detector``, ``not_seen``,
        ``attribution``, ``made_by``; ``names`` where detections are called after places, ``area``
        where a sample was reviewed, ``measured`` and ``limits`` where the detector's card says
        them. What nobody said is ``not known``.
    """
    table, own = contents.detections, contents.periods[-1] if contents.periods else None
    words = {
        "title": contents.title,
        "found": _found(table),
        "names": _names(contents),
        "hectares": contents.area_means,
        "area": "" if contents.area is None else words_of_estimate(contents.area),
        "period": UNKNOWN if own is None else f"{own.start} to {own.end}",
        "threshold": _threshold(contents),
        "detector": contents.detector or UNKNOWN,
        **_of_card(contents),
        "not_seen": _not_seen(contents),
        "attribution": "; ".join(contents.attribution),
        "made_by": f"minewatch {__version__}",
    }
    return {key: text for key, text in words.items() if text}


def as_text(words: Mapping[str, str], *, without: tuple[str, ...] = ()) -> str:
    """Write a description as lines, for fields that hold text alone.

    Examples
    --------
    >>> print(as_text({"title": "Mining in 2024", "period": "2024-01-01 to 2024-12-31"}))
    Title: Mining in 2024
    Period of the imagery: 2024-01-01 to 2024-12-31
    """
    return "\n".join(
        f"{_HEADINGS[key]}: {text}" for key, text in words.items() if key not in without
    )


def header_of(contents: MapContents, *, layer: str = "detections") -> dict[str, Any]:
    """Give the header of files that can hold JSON: the description, the card, how it was made.

    `minewatch.scan.read_detections` understands it, so that what was written can be written again.
    """
    before = dict(contents.made.get("detections", {}))
    settings = before.get("settings", before)
    card = None if contents.card is None else contents.card.model_dump(mode="json")
    return {
        "format": "detections 1",
        "step": "maps",
        "layer": layer,
        "minewatch": __version__,
        "about": describe_contents(contents),
        "attribution": "; ".join(contents.attribution),
        "area": None if contents.area is None else contents.area.as_json(),
        "settings": settings,
        "inputs": contents.made.get("inputs", {}),
        "card": card,
    }


def header_text(contents: MapContents, *, layer: str = "detections") -> str:
    """Give `header_of` as JSON on one line."""
    return json.dumps(
        header_of(contents, layer=layer), sort_keys=True, allow_nan=False, ensure_ascii=False
    )


def _names(contents: MapContents) -> str:
    """Say what a name like a coordinate is, if a detection has one."""
    placed = [name for name in contents.detections.index if _PLACED.match(str(name))]
    if not placed:
        return ""
    return (
        f"an id such as {placed[0]} is a name, kept from period to period: the middle of one cell "
        "of 100 m that the detection covers, or covered when it was named. To go there, take "
        "longitude and latitude, a point inside of the detection"
    )


def _found(table: gpd.GeoDataFrame) -> str:
    count = "1 detection" if len(table) == 1 else f"{len(table):,} detections"
    return f"{count} of {write_hectares(table['area_ha'].sum())} in all"


def _threshold(contents: MapContents) -> str:
    if contents.threshold is None:
        return UNKNOWN
    source = f" ({contents.threshold_from})" if contents.threshold_from else ""
    return f"{contents.threshold:g}{source}"


def _not_seen(contents: MapContents) -> str:
    if contents.not_seen is None:
        return contents.seen_means
    hectares = float(contents.not_seen["area_ha"].sum())
    return f"{write_hectares(hectares)} of the region; {contents.seen_means}"


def _of_card(contents: MapContents) -> dict[str, str]:
    if contents.card is None:
        return {}
    figures = " ".join(describe_figures(contents, Words(strings()["en"], "en")))
    return {
        "measured": figures.replace("\u202f", " "),
        "limits": " ".join(contents.card.limits),
    }
