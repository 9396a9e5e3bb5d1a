"""The report of a model: one page, and every table and figure as files beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from minewatch import __version__
from minewatch._progress import Progress, silent
from minewatch._report._files import write_findings, write_manifest, write_tables
from minewatch._report._page import PageSection, build_page
from minewatch._report._section import Findings
from minewatch._report._sections import write_sections
from minewatch._store import Ours, write_text, writing_folder
from minewatch.model._ablations import Ablations
from minewatch.model._applicability import Applicability, read_beside
from minewatch.model._card import Card, read_card
from minewatch.model._evaluation import Evaluation
from minewatch.model._explain import Explanation
from minewatch.model._report_applicability import applicability_section
from minewatch.model._report_others import (
    ablations_section,
    card_section,
    explanation_sections,
)
from minewatch.model._report_parts import on_what, sections_of
from minewatch.model._report_plates import VIEWS, plates_of
from minewatch.types import StrPath

STEP: Final = "writing the report"
OURS: Final = Ours("manifest.json")
"""What tells a report from any other folder: a list of its files."""


def write_model_report(
    evaluation: Evaluation,
    out: StrPath,
    *,
    explanation: Explanation | None = None,
    ablations: Ablations | None = None,
    more: Mapping[str, pd.DataFrame] | None = None,
    detector: StrPath | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Write what is known of a detector as a folder that can be read, checked and passed on.

    It computes nothing but curves from the predictions: every figure is drawn from a table that is
    saved beside it. The folder appears whole or not at all.

    Parameters
    ----------
    evaluation
        How good it is; the first detector in it is the one that the report is of.
    out
        The folder: ``report.html`` (complete in itself, needs no network), ``findings.json``,
        ``tables/`` (CSV and Parquet), ``figures/`` (PNG and SVG) and ``manifest.json`` (the digest
        of every file).
    explanation, ablations
        What it looks at, and what it would lose; None where that was not asked: the report says so.
    more
        Tables made beside the evaluation: ``splitters`` (`compare_splitters`), ``learning_curve``,
        ``by_confuser`` (`score_by_confuser`).
    detector
        The folder of the saved detector, for its card and area of applicability.
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
        If `out` exists and `overwrite` is false; or if it holds files that no report wrote.
    """
    card, area = (None, None) if detector is None else _read_detector(Path(detector))
    sections = (
        *sections_of(evaluation, more or {}),
        ablations_section(ablations),
        *explanation_sections(explanation),
        applicability_section(area, evaluation),
        card_section(card),
    )
    findings = Findings(sections, _header(evaluation, explanation, ablations))
    return write_sections_report(
        findings, out, on=on_what(evaluation), overwrite=overwrite, progress=progress
    )


def write_explanation(
    explanation: Explanation,
    out: StrPath,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Write an explanation as a report of its own; see `write_model_report`."""
    header = explanation.header
    findings = Findings(
        tuple(explanation_sections(explanation)),
        {**header, "title": f"What {header['detector']} looks at"},
    )
    on = f"{header['n_sites']} patches of {header['dataset']}; {header['splitter']}"
    return write_sections_report(findings, out, on=on, overwrite=overwrite, progress=progress)


def write_sections_report(
    findings: Findings, out: StrPath, *, on: str, overwrite: bool, progress: Progress
) -> Path:
    """Write sections as a page with its tables and figures; give the page."""
    final, total = Path(out), len(findings.sections) + 1
    plates = plates_of(on)
    with writing_folder(final, overwrite=overwrite, ours=OURS) as folder:
        (folder / "figures").mkdir()
        shown: dict[str, PageSection] = {}
        for number, section in enumerate(findings.sections, start=1):
            progress(STEP, number - 1, total)
            shown |= write_sections(findings.header, [(number, section)], folder, plates)
        write_tables(findings, folder)
        stems = {
            key: [figure.stem for figure in page.figures] + [one.stem for one in page.pictures]
            for key, page in shown.items()
        }
        write_findings(findings, stems, folder)
        page = build_page(findings, shown, VIEWS, word="model")
        write_text(folder / "report.html", page)
        write_manifest(findings, folder)
        progress(STEP, total, total)
    return final / "report.html"


def _read_detector(folder: Path) -> tuple[Card, Applicability | None]:
    card = read_card(folder)
    return card, read_beside(folder, card.area_digest)


def _header(
    evaluation: Evaluation, explanation: Explanation | None, ablations: Ablations | None
) -> dict[str, Any]:
    header = evaluation.header
    tested = evaluation.predictions.drop_duplicates("site_id")
    counts = {
        "mining": int((tested["label"] == 1).sum()),
        "no mining": int((tested["label"] == 0).sum()),
    }
    period = " to ".join(str(header[key]) for key in ("period_start", "period_end") if header[key])
    return {
        "title": f"How good the detector {evaluation.models[0]} is",
        "minewatch": __version__,
        **{key: header[key] for key in ("dataset", "dataset_digest", "sites_digest", "level")},
        "n_sites": len(tested),
        "classes": counts,
        "bands": header["bands"],
        "size_px": header["size_px"],
        "resolution_m": header["resolution_m"],
        "period": period or None,
        "splitter": header["splitter"],
        "models": list(evaluation.models),
        "detectors": header["detectors"],
        "context_columns": header["context_columns"],
        "settings": header["settings"],
        "random_state": header["random_state"],
        "versions": header["versions"],
        "explanation": {} if explanation is None else explanation.header["settings"],
        "ablations": {} if ablations is None else ablations.header["settings"],
    }
