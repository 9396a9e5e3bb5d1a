"""The report: one page, and every table and figure as files beside it."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from minewatch._figures import render_figure
from minewatch._progress import Progress, silent
from minewatch._store import write_text, writing_folder
from minewatch.explore._figures import PLATES, TABLE_VIEWS
from minewatch.explore._figures_pictures import draw_pictures
from minewatch.explore._plates import Drawn, draw_plates
from minewatch.explore._report_files import (
    provenance,
    table_stem,
    write_findings,
    write_manifest,
    write_tables,
)
from minewatch.explore._report_page import (
    PageFigure,
    PagePictures,
    PageSection,
    build_page,
    natural_size_px,
    picture,
)
from minewatch.explore._report_tables import COMPOSITES, classes_by_site, picture_title
from minewatch.explore._section import Findings, Section
from minewatch.types import StrPath

STEP = "writing the report"


def write_report(
    findings: Findings, out: StrPath, *, overwrite: bool = False, progress: Progress = silent
) -> Path:
    """Write an exploration as a folder that can be read, checked and passed on.

    It computes nothing: every figure is drawn from a table that is saved beside it. The folder
    appears whole or not at all, and the same findings give the same bytes.

    Parameters
    ----------
    findings
        What `explore` gives.
    out
        The folder to make: ``report.html`` (complete in itself, needs no network),
        ``findings.json``, ``tables/`` (CSV and Parquet), ``figures/`` (PNG at 300 dpi and SVG) and
        ``manifest.json`` (the digest of every file). Settings, versions and the dataset's digest
        are in the JSON files and inside every figure and Parquet table.
    overwrite
        Replace a folder of that name.
    progress
        Told how many sections are done.

    Returns
    -------
    Path
        The page, ``out/report.html``.

    Raises
    ------
    AlreadyThereError
        If `out` exists, is not an empty folder, and `overwrite` is false.

    Examples
    --------
    >>> import tempfile
    >>> section = Section("overview", "Overview", seen="Two patches.", advice="Add some.")
    >>> findings = Findings(sections=(section,), header={"n_sites": 2})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_report(findings, folder + "/report")
    ...     sorted(path.name for path in page.parent.iterdir())
    ['figures', 'findings.json', 'manifest.json', 'report.html', 'tables']
    """
    final = Path(out)
    total = len(findings.sections) + 1
    with writing_folder(final, overwrite=overwrite) as folder:
        (folder / "figures").mkdir()
        shown: dict[str, PageSection] = {}
        for number, section in enumerate(findings.sections, start=1):
            progress(STEP, number - 1, total)
            shown[section.key] = _write_section(findings, section, number, folder)
        progress(STEP, total - 1, total)
        write_tables(findings, folder)
        write_findings(findings, {key: _stems(page) for key, page in shown.items()}, folder)
        write_text(folder / "report.html", build_page(findings, shown, TABLE_VIEWS))
        write_manifest(findings, folder)
        progress(STEP, total, total)
    return final / "report.html"


def _stems(page: PageSection) -> list[str]:
    return [figure.stem for figure in page.figures] + [one.stem for one in page.pictures]


def _write_section(findings: Findings, section: Section, number: int, folder: Path) -> PageSection:
    plates = PLATES.get(section.key, ())
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
