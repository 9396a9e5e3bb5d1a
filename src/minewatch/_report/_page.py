"""The report's page: what its template shows, as plain text and picture data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import jinja2

from minewatch import __version__
from minewatch._figures import MISSING, format_count, format_length
from minewatch._report._files import plain
from minewatch._report._section import Findings, Section
from minewatch._report._tables import (
    TableView,
    data_uri,
    page_images,
    page_table,
)

MAX_SVG_TO_PNG: Final = 1.5
"""An SVG that is larger than its PNG by more than this factor gives way to it in the page."""
_CSS_PX_PER_INCH: Final = 110
_LEAST_SCALE: Final = 0.62
_FEW_BANDS: Final = 6


@dataclass(frozen=True)
class PageFigure:
    """A figure as the page shows it."""

    number: str
    """Number of the section and of the figure in it: ``6.1``."""
    title: str
    caption: str
    alt: str
    source: str
    """The picture as a data URI."""
    stem: str
    """Its files, without suffix, in the report's folder."""
    tables: tuple[str, ...]
    """The files of the tables drawn, without suffix."""
    natural_px: int
    """Width at which it is shown if there is room, CSS pixels."""
    height_px: int
    """Height at that width, CSS pixels."""
    key: bool
    """Whether it is set apart."""

    @property
    def least_px(self) -> int:
        """Width below which its words would be too small: then it scrolls in its frame."""
        return min(self.natural_px, max(300, round(_LEAST_SCALE * self.natural_px)))

    @property
    def numbers(self) -> list[tuple[str, str]]:
        """Give words and file of each link to the numbers drawn."""
        if len(self.tables) == 1:
            return [("numbers", self.tables[0])]
        names = [stem.rpartition("-")[2].replace("_", " ") for stem in self.tables]
        return list(zip(names, self.tables, strict=True))


@dataclass(frozen=True)
class PagePictures:
    """Sets of thumbnails that the page shows, and the file that holds them all."""

    names: tuple[str, ...]
    """Names of the sets, as in the section's images."""
    stem: str
    """The figure of them all, without suffix, in the report's folder."""


@dataclass(frozen=True)
class PageSection:
    """What the page shows of one section besides its words and tables."""

    figures: tuple[PageFigure, ...] = ()
    pictures: tuple[PagePictures, ...] = ()


def build_page(
    findings: Findings,
    shown: Mapping[str, PageSection],
    views: Mapping[tuple[str, str], TableView],
    *,
    word: str = "explore",
) -> str:
    """Put the page together.

    Parameters
    ----------
    shown
        For each section's key its figures and thumbnails, in order.
    views
        For (section, table) how the page shows it, where that is not the usual way.
    word
        The word of the project that the report is of.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    header = plain(findings.header)
    sections = [
        _page_section(section, number, shown.get(section.key, PageSection()), views)
        for number, section in enumerate(findings.sections, start=1)
    ]
    return environment.get_template("report.html.j2").render(
        title=page_title(header),
        word=word,
        version=__version__,
        css=_read_template("report.css"),
        facts=page_facts(header),
        sections=sections,
        provenance=_lines(header),
        attribution=(header.get("context") or {}).get("attribution"),
    )


def picture(png: bytes, svg: bytes) -> str:
    """Give a figure as a data URI: SVG, or PNG where that is much smaller."""
    if len(svg) > MAX_SVG_TO_PNG * len(png):
        return data_uri(png, "image/png")
    return data_uri(svg, "image/svg+xml")


def natural_size_px(width_in: float, height_in: float) -> tuple[int, int]:
    """Give the size at which the page shows a figure if there is room, CSS pixels."""
    return round(width_in * _CSS_PX_PER_INCH), round(height_in * _CSS_PX_PER_INCH)


def page_title(header: Mapping[str, Any]) -> str:
    """Give the heading that the settings ask for, or name the report after its dataset."""
    if header.get("title"):
        return str(header["title"])
    settings = header.get("settings")
    title = settings.get("title") if isinstance(settings, Mapping) else None
    if isinstance(title, str) and title.strip():
        return title.strip()
    name = header.get("dataset")
    return f"Exploration of {name}" if isinstance(name, str) else "Exploration of patches"


def page_facts(header: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pick what a reader should know before reading on; what the header lacks is left out."""
    facts = {
        "Patches": _if_there(header.get("n_sites"), format_count),
        "Classes": _if_there(header.get("classes"), _class_counts),
        "Bands": _if_there(header.get("bands"), _band_fact),
        "Level": header.get("level"),
        "Patch": _size_fact(header),
        "Period": header.get("period"),
        "Map": _if_there(header.get("context"), _map_fact),
        "Attribution": header.get("attribution"),
    }
    return [(name, str(value)) for name, value in facts.items() if value]


def _if_there(value: Any, write: Any) -> str | None:
    return write(value) if value else None


def _class_counts(classes: Mapping[str, int]) -> str:
    return ", ".join(f"{format_count(n)} {name}" for name, n in classes.items())


def _band_fact(bands: Sequence[str]) -> str:
    if len(bands) <= _FEW_BANDS:
        return " ".join(bands)
    return f"{len(bands)}, {bands[0]} to {bands[-1]}"


def _map_fact(context: Mapping[str, Any]) -> str:
    """Say what map the context is from, and of when."""
    is_osm = "OpenStreetMap" in str(context.get("attribution") or "OpenStreetMap")
    name = "OpenStreetMap" if is_osm else "not OpenStreetMap: made up"
    return f"{name}, {context.get('osm_date') or 'day not known'}"


def _size_fact(header: Mapping[str, Any]) -> str | None:
    side_px, pixel_m = header.get("size_px"), header.get("resolution_m")
    if not side_px or not pixel_m:
        return None
    return f"{side_px} × {side_px} px of {format_length(pixel_m)}"


def _page_section(
    section: Section,
    number: int,
    shown: PageSection,
    views: Mapping[tuple[str, str], TableView],
) -> dict[str, Any]:
    tables = [
        page_table(section, name, views.get((section.key, name), TableView()))
        for name in section.tables
    ]
    return {
        "key": section.key,
        "number": number,
        "title": section.title,
        "seen": section.seen,
        "advice": section.advice,
        "missing": section.missing,
        "figures": shown.figures,
        "pictures": [
            {
                "stem": pictures.stem,
                "sets": [
                    page_images(name, section.images[name], section) for name in pictures.names
                ],
            }
            for pictures in shown.pictures
        ],
        "tables": [table for table in tables if table["n_shown"]],
        "files": [table for table in tables if table["n_rows"] and not table["n_shown"]],
        "empty": [table for table in tables if not table["n_rows"]],
    }


def _lines(header: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Flatten the header into lines of a name and a value."""
    lines: list[tuple[str, str]] = []
    for key, value in header.items():
        name = prefix + key.replace("_", " ")
        if isinstance(value, Mapping):
            lines.extend(_lines(value, f"{name}: "))
        elif isinstance(value, list):
            lines.append((name, ", ".join(map(str, value)) or MISSING))
        else:
            lines.append((name, MISSING if value is None else str(value)))
    return lines


def _read_template(name: str) -> str:
    return files("minewatch._report").joinpath("templates", name).read_text(encoding="utf-8")
