"""Write the figures and thumbnails of a report's sections, and say what the page shows of them."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

from minewatch._figures import render_figure
from minewatch._report._files import provenance, table_stem
from minewatch._report._page import (
    PageFigure,
    PagePictures,
    PageSection,
    natural_size_px,
    picture,
)
from minewatch._report._pictures import draw_pictures
from minewatch._report._plates import Drawn, Plate, draw_plates
from minewatch._report._section import Findings, Section
from minewatch._report._tables import COMPOSITES, classes_by_site, picture_title

Numbered: TypeAlias = list[tuple[int, Section]]
"""Sections, each with its number in the report."""


def write_sections(
    header: Mapping[str, Any],
    sections: Numbered,
    folder: Path,
    plates: Mapping[str, tuple[Plate, ...]],
) -> dict[str, PageSection]:
    """Write the figures of some sections below `folder`; give what the page shows, by key.

    Parameters
    ----------
    plates
        The figures of each section, by its key.
    """
    findings = Findings((), header)
    return {
        section.key: _write_section(findings, section, number, folder, plates.get(section.key, ()))
        for number, section in sections
    }


def _write_section(
    findings: Findings, section: Section, number: int, folder: Path, plates: tuple[Plate, ...]
) -> PageSection:
    confidence = findings.header.get("settings", {}).get("confidence")
    drawn = draw_plates(section, plates, confidence=confidence)
    figures = tuple(
        _write_figure(one, f"{number}.{place}", section, findings, folder)
        for place, one in enumerate(drawn, start=1)
    )
    framed = {name for plate in plates for name in plate.images}
    names = [name for name in section.images if name not in framed]
    return PageSection(figures, tuple(_write_pictures(names, section, findings, folder)))


def _write_figure(
    drawn: Drawn, number: str, section: Section, findings: Findings, folder: Path
) -> PageFigure:
    plate = drawn.plate
    stem = f"figures/{section.key}-{plate.name}"
    width_in, height_in = drawn.figure.get_size_inches()
    width_px, height_px = natural_size_px(width_in, height_in)
    made = provenance(findings, section, plate.name) | {"tables": list(plate.tables)}
    png, svg = render_figure(
        drawn.figure, title=plate.title, description=drawn.caption, provenance=made
    )
    _write_both(folder / stem, png, svg)
    return PageFigure(
        number=number,
        title=plate.title,
        caption=drawn.caption,
        alt=drawn.alt,
        source=picture(png, svg),
        stem=stem,
        tables=tuple(table_stem(section, name) for name in plate.tables),
        natural_px=width_px,
        height_px=height_px,
        key=plate.is_key,
    )


def _write_pictures(
    names: list[str], section: Section, findings: Findings, folder: Path
) -> Iterator[PagePictures]:
    """Draw a section's thumbnails, those of one composite in one figure."""
    classes = classes_by_site(section)
    for kind, group in groupby((name for name in names if section.images[name].size), _composite):
        chosen = tuple(group)
        rows = {picture_title(name): section.images[name] for name in chosen}
        stem = f"figures/{section.key}-{kind}"
        png, svg = render_figure(
            draw_pictures(rows, classes),
            title=f"{section.title}: {kind.replace('-', ' ')}",
            description="; ".join(rows),
            provenance=provenance(findings, section, kind),
        )
        _write_both(folder / stem, png, svg)
        yield PagePictures(names=chosen, stem=stem)


def _composite(name: str) -> str:
    """Name the figure that a set of thumbnails goes into."""
    found = next((one for one in COMPOSITES if name.startswith(one)), "pictures")
    return found.replace("_", "-")


def _write_both(stem: Path, png: bytes, svg: bytes) -> None:
    stem.with_name(f"{stem.name}.png").write_bytes(png)
    stem.with_name(f"{stem.name}.svg").write_bytes(svg)
