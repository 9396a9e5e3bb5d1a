"""The stages of a study: what each takes, what it gives, and the one call that makes it."""

import json
from pathlib import Path
from typing import Any, Final

import minewatch.explore
from minewatch import patches, sites
from minewatch._progress import Progress
from minewatch.errors import IncompleteError, SitesError
from minewatch.grid import PatchGrid
from minewatch.patches._legacy import legacy_companions
from minewatch.study._build import (
    build_dataset,
    build_settings,
    read_section_sites,
    source_items,
)
from minewatch.study._context import CONTEXT_STAGE, context_results, open_results
from minewatch.study._maps import MAPS_STAGE
from minewatch.study._model import MODEL_STAGE
from minewatch.study._model import REPORT as MODEL_REPORT
from minewatch.study._scan import SCAN_STAGE
from minewatch.study._settings import BuildSection, ImportSection, StudySettings
from minewatch.study._stage import DATASET, SITES, Stage, required
from minewatch.types import Settings

ACCEPTABLE_FAULTS: Final = {"duplicate point", "conflicting labels"}
"""Faults that a study may go on with: every site still has one place and one label."""
DATASET_PARTS: Final = ("dataset.json", "sites.parquet", "patches.zarr")
REPORT: Final = "explore"


def report_path(study: Path) -> Path:
    """Say where a study's report is, or will be."""
    return study / REPORT / "report.html"


def model_report_path(study: Path) -> Path:
    """Say where the report on a study's detector is, or will be."""
    return study / MODEL_REPORT / "report.html"


def _section(settings: Settings) -> dict[str, Any]:
    values: dict[str, Any] = settings.model_dump(mode="json")
    return values


# sites ------------------------------------------------------------------------------------------


def _sites_inputs(study: Path, settings: StudySettings) -> list[Path]:
    section = settings.sites
    return [
        *required(study, section.mining, "sites.mining"),
        *required(study, section.no_mining, "sites.no_mining"),
        *required(study, section.files, "sites.files"),
    ]


def _sites_settings(settings: StudySettings) -> dict[str, Any]:
    return _section(settings.sites) | {"snap_m": _grid(settings).snap_m}


def _grid(settings: StudySettings) -> PatchGrid:
    """Give the grid that patches will lie on, for overlaps to be judged on the same squares."""
    section = settings.sites
    if isinstance(settings.patches, BuildSection):
        return settings.patches.grid
    on_grid = settings.patches.cut == "grid"
    return PatchGrid(
        size_px=section.size_px,
        resolution_m=section.resolution_m,
        snap_m=PatchGrid().snap_m if on_grid else section.resolution_m,
    )


def _make_sites(study: Path, settings: StudySettings, _progress: Progress) -> str:
    section = settings.sites
    table = read_section_sites(study, section)
    check = sites.check_sites(table, grid=_grid(settings))
    check.save(study / "sites", inputs=_sites_inputs(study, settings), overwrite=True)
    _raise_faults(check, section.allow)
    sites.write_sites(table, study / SITES, overwrite=True)
    n_mining = int((table["label"] == 1).sum())
    n_other = int((table["label"] == 0).sum())
    return f"{len(table)} sites, {n_mining} with mining and {n_other} without"


def _raise_faults(check: sites.SitesCheck, allow: tuple[str, ...]) -> None:
    """Raise the faults that are not allowed, and say how a study goes on with them."""
    try:
        check.raise_faults(allow=allow)
    except SitesError as error:
        left = sorted({str(name) for name in check.faults["fault"]} - set(allow))
        if not set(left) <= ACCEPTABLE_FAULTS:
            raise
        raise SitesError(
            f"{error}\nMend the files; or, to go on with them as they are, say under [sites] in "
            f"study.toml: allow = {json.dumps([*allow, *left])}",
            error.faults,
        ) from error


# patches ----------------------------------------------------------------------------------------


def _patches_settings(settings: StudySettings) -> dict[str, Any]:
    values = _section(settings.patches)
    if isinstance(settings.patches, BuildSection) and settings.imagery is not None:
        values |= {f"imagery.{key}": one for key, one in _section(settings.imagery).items()}
    return values


def _patches_inputs(study: Path, settings: StudySettings) -> list[Path]:
    section = settings.patches
    if isinstance(section, BuildSection):
        items = [] if settings.imagery is None else source_items(study, settings.imagery)
        return [study / SITES, *items]
    pixels = required(study, section.files, "patches.files")
    if section.kind != "legacy":
        return [study / SITES, *pixels]
    points = required(study, section.points, "patches.points")
    order = required(study, section.order, "patches.order")
    beside = legacy_companions(pixels)
    return [study / SITES, *pixels, *points, *order, *beside]


def _make_patches(study: Path, settings: StudySettings, progress: Progress) -> str:
    if isinstance(settings.patches, BuildSection):
        return _build_patches(study, settings, progress)
    made = _describe(_import_patches(study, settings.patches, progress))
    if settings.imagery is None:
        return made
    return (
        f"{made}; [imagery] is not looked at, for patches of kind {settings.patches.kind!r} have "
        "their pixels: of which days they are is said under [patches], by period, or by "
        "start_column and end_column"
    )


def _describe(dataset: patches.PatchDataset) -> str:
    size = dataset.header.size_px
    return (
        f"{len(dataset)} patches of {size} × {size} pixels, {len(dataset.bands)} bands, "
        f"{dataset.level}"
    )


def _build_patches(study: Path, settings: StudySettings, progress: Progress) -> str:
    """Build what is missing of the dataset that the settings ask for, or all of another."""
    wanted = build_settings(settings)
    summary = build_dataset(
        wanted,
        study / DATASET,
        table=sites.read_sites(study / SITES),
        folder=study,
        retry_failed=True,
        overwrite=True,
        progress=progress,
    )
    if summary.failures and not wanted.patches.allow_failed:
        raise IncompleteError(
            f"{summary.describe_failures()}; run again to load those, or go on without them: "
            "allow_failed = true in [patches]"
        )
    few = summary.n_few_clear_views
    marked = f", {few} with few clear views" if few else ""
    marked += f", {summary.n_no_data} without any pixel" if summary.n_no_data else ""
    failed = f", {summary.n_failed} failed" if summary.failures else ""
    return f"{_describe(patches.PatchDataset.open(summary.path))}{marked}{failed}"


def _import_patches(
    study: Path, section: ImportSection, progress: Progress
) -> patches.PatchDataset:
    out, pixels = study / DATASET, [study / path for path in section.files]
    if section.kind == "legacy":
        return patches.import_legacy(
            pixels,
            out,
            section.settings,
            points=[study / path for path in section.points] or None,
            order=[study / path for path in section.order] or None,
            rows_follow_points=section.rows_follow_sites,
            sites=study / SITES,
            overwrite=True,
            progress=progress,
        )
    if section.kind == "arrays":
        return patches.import_arrays(
            pixels[0],
            out,
            section.settings,
            sites=study / SITES,
            key=section.key,
            rows_follow_sites=section.rows_follow_sites,
            overwrite=True,
            progress=progress,
        )
    return patches.import_geotiffs(
        pixels[0],
        out,
        section.settings,
        sites=study / SITES,
        overwrite=True,
        progress=progress,
    )


# explore ----------------------------------------------------------------------------------------


def _explore_settings(settings: StudySettings) -> minewatch.explore.ExploreSettings:
    """Give the report the study's name, if it has no title of its own."""
    chosen = settings.explore
    return chosen if chosen.title else chosen.model_copy(update={"title": settings.study.name})


def _make_explore(study: Path, settings: StudySettings, progress: Progress) -> str:
    dataset = patches.PatchDataset.open(study / DATASET)
    findings = minewatch.explore.explore(
        dataset,
        context=open_results(study, settings),
        settings=_explore_settings(settings),
        progress=progress,
    )
    minewatch.explore.write_report(
        findings, study / REPORT, n_processes=2, overwrite=True, progress=progress
    )
    shown = [section for section in findings.sections if section.missing is None]
    return f"{len(shown)} of {len(findings.sections)} sections could be shown"


STAGES: Final[tuple[Stage, ...]] = (
    Stage(
        name="sites",
        after=(),
        outputs=(SITES, "sites"),
        settings=_sites_settings,
        inputs=_sites_inputs,
        run=_make_sites,
    ),
    Stage(
        name="patches",
        after=("sites",),
        outputs=tuple(f"{DATASET}/{name}" for name in DATASET_PARTS),
        settings=_patches_settings,
        inputs=_patches_inputs,
        run=_make_patches,
    ),
    CONTEXT_STAGE,
    Stage(
        name="explore",
        after=("sites", "patches", "context"),
        outputs=(f"{REPORT}/report.html", f"{REPORT}/findings.json", REPORT),
        settings=lambda settings: _explore_settings(settings).model_dump(mode="json"),
        inputs=lambda study, settings: [
            study / DATASET / "dataset.json",
            study / DATASET / "sites.parquet",
            *context_results(study, settings),
        ],
        run=_make_explore,
    ),
    MODEL_STAGE,
    SCAN_STAGE,
    MAPS_STAGE,
)
"""Every stage, in the order in which the data moves."""
