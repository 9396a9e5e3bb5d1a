"""The report: one page, and every table and figure as files beside it."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from minewatch._progress import Progress, silent
from minewatch._report._files import write_findings, write_manifest, write_tables
from minewatch._report._page import PageSection, build_page
from minewatch._report._section import Findings
from minewatch._store import Ours, write_text, writing_folder
from minewatch.explore._figures import TABLE_VIEWS
from minewatch.explore._report_sections import write_sections
from minewatch.explore._report_worker import write_sections_aside
from minewatch.types import StrPath

STEP = "writing the report"
OURS = Ours("manifest.json")
"""What tells a report from any other folder: a list of its files."""
ASIDE = ("space", "labels", "gallery", "surroundings")
"""Sections that a second process draws: a little less than half of the work, for it starts late."""


def write_report(
    findings: Findings,
    out: StrPath,
    *,
    n_processes: int = 1,
    overwrite: bool = False,
    progress: Progress = silent,
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
    n_processes
        1, or 2 to draw on two cores; what is written does not depend on it.
    overwrite
        Replace a report of that name, to which nothing was added.
    progress
        Told how many sections are done.

    Returns
    -------
    Path
        The page, ``out/report.html``.

    Raises
    ------
    AlreadyThereError
        If `out` exists, is not an empty folder, and `overwrite` is false; or if it holds files
        that no report wrote.

    Examples
    --------
    >>> import tempfile
    >>> from minewatch.explore import Section
    >>> section = Section("overview", "Overview", seen="Two patches.", advice="Add some.")
    >>> findings = Findings(sections=(section,), header={"n_sites": 2})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_report(findings, folder + "/report")
    ...     sorted(path.name for path in page.parent.iterdir())
    ['figures', 'findings.json', 'manifest.json', 'report.html', 'tables']
    """
    final = Path(out)
    total = len(findings.sections) + 1
    with writing_folder(final, overwrite=overwrite, ours=OURS) as folder:
        (folder / "figures").mkdir()
        shown = _write_figures(findings, folder, n_processes=n_processes, progress=progress)
        progress(STEP, total - 1, total)
        write_tables(findings, folder)
        write_findings(findings, {key: _stems(page) for key, page in shown.items()}, folder)
        write_text(folder / "report.html", build_page(findings, shown, TABLE_VIEWS))
        write_manifest(findings, folder)
        progress(STEP, total, total)
    return final / "report.html"


def _write_figures(
    findings: Findings, folder: Path, *, n_processes: int, progress: Progress
) -> dict[str, PageSection]:
    """Write all figures; give what the page shows of each section, in the order of the report."""
    total = len(findings.sections) + 1
    numbered = list(enumerate(findings.sections, start=1))
    aside = [one for one in numbered if n_processes > 1 and one[1].key in ASIDE]
    shown: dict[str, PageSection] = {}
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting: Future[dict[str, PageSection]] | None = None
        if aside:
            waiting = pool.submit(write_sections_aside, findings.header, aside, folder)
        for one in numbered:
            if one not in aside:
                progress(STEP, len(shown), total)
                shown |= write_sections(findings.header, [one], folder)
        if waiting is not None:
            progress(STEP, len(shown), total)
            shown |= waiting.result()
    return {section.key: shown[section.key] for section in findings.sections}


def _stems(page: PageSection) -> list[str]:
    return [figure.stem for figure in page.figures] + [one.stem for one in page.pictures]
