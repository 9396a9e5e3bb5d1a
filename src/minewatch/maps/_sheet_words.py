"""Words and numbers of evidence sheets, in the reader's language."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

import pandas as pd

from minewatch.maps._area import MiningArea
from minewatch.maps._contents import MapContents, Period
from minewatch.maps._numbers import AREA_DECIMALS, area_decimals, round_half_up, written
from minewatch.maps._phrases import translate
from minewatch.maps._sureness import describe_figures

_MARKS: Final = {"en": (",", "."), "es": ("\u202f", ","), "pt": (".", ",")}
"""What stands between thousands and before decimals."""
_MONTHS: Final = {
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "es": "ene feb mar abr may jun jul ago sep oct nov dic",
    "pt": "jan. fev. mar. abr. mai. jun. jul. ago. set. out. nov. dez.",
}
_NEAR: Final = ("river", "road", "airstrip", "settlement")
_KM_M: Final = 1_000.0
_FAR_M: Final = 100_000.0
_SMALL: Final = 0.01
"""Shares nearer than this to all, or to nothing, are written with a decimal."""


@dataclass(frozen=True)
class Words:
    """The words of a language, and how it writes numbers.

    Examples
    --------
    >>> words = Words({}, "pt")
    >>> words.number(1234.56, 1), words.day("2024-03-09"), words.period(None, "2024")
    ('1.234,6', '9 mar. 2024', '2024')
    """

    by_key: Mapping[str, str]
    """The words."""
    language: Literal["en", "es", "pt"]
    """The language."""

    def __getitem__(self, key: str) -> str:
        return self.by_key[key]

    def say(self, key: str, **values: str) -> str:
        """Say something, with values in its gaps."""
        return self.by_key[key].format(**values)

    def word(self, group: str, word: str) -> str:
        """Say something that a file may call by a word of its own; then its word."""
        return self.by_key.get(f"{group}.{word}", word)

    def own(self, text: str) -> str:
        """Say a sentence of this package's own that a card or a file has; another as it is.

        Examples
        --------
        >>> Words({}, "es").own("Mining in 2024"), Words({}, "es").own("my own words")
        ('Minería en 2024', 'my own words')
        """
        if self.language == "en":
            return text
        return translate(text, self.language, self._plain) or text

    def _plain(self, number: str) -> str:
        return self.number(float(number), len(number.partition(".")[2]))

    def number(self, value: float, decimals: int = 0) -> str:
        """Write a number."""
        thousands, point = _MARKS[self.language]
        plain = written(value, decimals)
        return plain.replace(",", "\0").replace(".", point).replace("\0", thousands)

    def hectares(self, value: float) -> str:
        """Write hectares: fewer decimals where there are many."""
        held = float(round_half_up(value, AREA_DECIMALS))
        return f"{self.number(held, area_decimals(held))}\u202fha"

    def percent(self, share: float) -> str:
        """Write a share: whole, but what is not all, or nothing, is never rounded to it."""
        if 0.0 < share < _SMALL or 1.0 - _SMALL < share < 1.0:
            tenths = min(max(math.floor(1_000.0 * share + 0.5), 1), 999)
            return f"{self.number(tenths / 10.0, 1)}\u202f%"
        return f"{self.number(math.floor(100.0 * share + 0.5))}\u202f%"

    def distance(self, metres: float) -> str:
        """Write a distance: metres to ten, kilometres to a tenth, and whole from a hundred on."""
        if metres < _KM_M:
            return f"{self.number(10.0 * float(round_half_up(metres / 10.0, 0)))}\u202fm"
        is_whole = metres % _KM_M == 0 or metres >= _FAR_M
        return f"{self.number(metres / _KM_M, 0 if is_whole else 1)}\u202fkm"

    def day(self, text: str) -> str:
        """Write an ISO date; anything else as it is."""
        try:
            day = date.fromisoformat(text)
        except ValueError:
            return text
        return f"{day.day} {_MONTHS[self.language].split()[day.month - 1]} {day.year}"

    def days(self, start: str, end: str) -> str:
        """Write a stretch of days."""
        return self.day(start) if start == end else f"{self.day(start)} – {self.day(end)}"

    def period(self, period: Period | None, name: str) -> str:
        """Name a period: as it is called, unless it is called after its days."""
        if period is None or "/" not in period.name:
            return name
        return self.days(period.start, period.end)


def facts(contents: MapContents, name: str, words: Words) -> list[tuple[str, str]]:
    """Say what is known of a detection; what nobody knows is left out.

    Returns
    -------
    list of (str, str)
        What it is called, and what it is.
    """
    row = {str(key): value for key, value in contents.detections.loc[name].items()}
    rows = [
        ("fact.area", _area(row, words)),
        ("fact.ground", _ground(contents, name, row, words)),
        ("fact.score", _score(row, words)),
        ("fact.dates", _dates(row, words)),
        ("fact.change", _change(row, words)),
        ("fact.near", _near(row, words)),
    ]
    touched = [
        (
            column.replace("_", " "),
            str(row[column]) if _known(row, column) else words["touches_none"],
        )
        for column in contents.overlay_columns
    ]
    period = contents.periods[-1] if contents.periods else None
    about = [
        ("fact.period", words["not_said"] if period is None else words.period(period, period.name)),
        ("fact.detector", contents.detector or words["not_said"]),
        ("fact.threshold", _threshold(contents, words)),
    ]
    told = [(words[key], text) for key, text in rows if text]
    return [*told, *touched, *((words[key], text) for key, text in about)]


def sureness(contents: MapContents, words: Words) -> list[str]:
    """Say how sure this is, a sentence each."""
    said = [words["candidates"]]
    card = contents.card
    if card is None:
        said.append(words["no_card"])
    else:
        said += describe_figures(contents, words)
        said.append(words.say("smallest", side=words.number(card.size_px * card.resolution_m)))
    estimate = () if contents.area is None else _estimate(contents.area, words)
    return [*said, _not_seen(contents, words), *estimate, words["harm"]]


def _estimate(area: MiningArea, words: Words) -> tuple[str, ...]:
    """Say how much mining there is on all ground, as people who reviewed a sample found."""
    interval = words.say(
        "interval",
        share=words.percent(area.confidence),
        low=words.hectares(area.low_ha),
        high=words.hectares(area.high_ha),
    )
    kind = words["estimate.ground" if area.is_ground else "estimate.squares"]
    values = {"n": words.number(area.n_reviewed), "framed": words.hectares(area.framed_ha)}
    if math.isnan(area.unit_m):
        design = words.say("estimate.design", **values)
    else:
        design = words.say("estimate.design_side", **values, side=words.number(area.unit_m))
    amount = words.say(
        "estimate.sheet", area=words.hectares(area.area_ha), kind=kind, interval=interval
    )
    return (f"{amount} {design}",)


def _known(row: Mapping[str, Any], name: str) -> bool:
    return name in row and not pd.isna(row[name]) and row[name] != ""


def _area(row: Mapping[str, Any], words: Words) -> str:
    kind = "of_squares" if "windows" in row else "of_polygon"
    return f"{words.hectares(float(row['area_ha']))} ({words[kind]})"


def _ground(contents: MapContents, name: str, row: Mapping[str, Any], words: Words) -> str:
    if not _known(row, "ground_ha"):
        return ""
    ground = float(row["ground_ha"])
    unknown = 0.0
    outlines = contents.outlines
    if outlines is not None and "not_seen_ha" in outlines and name in outlines.index:
        unknown = float(outlines["not_seen_ha"][name])
    text = words.hectares(ground)
    if unknown > 0 and not math.isnan(unknown):
        high = words.hectares(ground + unknown)
        text += " " + words.say("ground_interval", low=words.hectares(ground), high=high)
    return text


def _score(row: Mapping[str, Any], words: Words) -> str:
    if not _known(row, "score_mean") or not _known(row, "score_max"):
        return ""
    mean, most = (words.number(float(row[name]), 2) for name in ("score_mean", "score_max"))
    return words.say("score_mean_max", mean=mean, most=most)


def _dates(row: Mapping[str, Any], words: Words) -> str:
    if not (_known(row, "start") and _known(row, "end")):
        return words["no_dates"]
    return words.days(str(row["start"]), str(row["end"]))


def _change(row: Mapping[str, Any], words: Words) -> str:
    return words.word("change", str(row["change"])) if _known(row, "change") else ""


def _near(row: Mapping[str, Any], words: Words) -> str:
    parts = []
    for kind in _NEAR:
        if f"{kind}_m" not in row:
            continue
        far = words["none_mapped"]
        if _known(row, f"{kind}_m"):
            metres = float(row[f"{kind}_m"])
            far = words["meets"] if metres == 0 else words.distance(metres)
        if kind == "settlement" and _known(row, kind):
            far = f"{row[kind]}, {far}"
        parts.append(f"{words[f'feature.{kind}']}: {far}")
    return "; ".join(parts)


def _threshold(contents: MapContents, words: Words) -> str:
    if contents.threshold is None:
        return words["not_said"]
    chosen = f" ({words.own(contents.threshold_from)})" if contents.threshold_from else ""
    return words.number(contents.threshold, 3) + chosen


def _not_seen(contents: MapContents, words: Words) -> str:
    if contents.not_seen is None:
        return words["sheet.none_seen"]
    area = float(contents.not_seen["area_ha"].sum()) if "area_ha" in contents.not_seen else 0.0
    return words.say("sheet.not_seen", area=words.hectares(area))
