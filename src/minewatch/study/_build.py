"""Build a study's patches, or those of a file that says what to build."""

from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd

from minewatch import imagery, patches, sites
from minewatch._progress import Progress, silent
from minewatch.errors import InputError
from minewatch.patches import BuildSummary
from minewatch.study._settings import (
    BuildSection,
    BuildSettings,
    ImagerySection,
    SitesSection,
    StudySettings,
)
from minewatch.types import StrPath


def read_section_sites(folder: Path, section: SitesSection) -> gpd.GeoDataFrame:
    """Read the points that a section [sites] names, relative to a folder."""
    by_class = {1: section.mining, 0: section.no_mining}
    return sites.read_sites(
        [folder / path for path in section.files]
        or {label: [folder / path for path in paths] for label, paths in by_class.items() if paths},
        label=section.label_column,
        labels=section.labels or None,
        site_id=section.site_id_column,
        crs=section.crs,
    )


def build_dataset(
    settings: BuildSettings,
    out: StrPath,
    *,
    table: gpd.GeoDataFrame | None = None,
    folder: StrPath = "",
    workers: int | None = None,
    retry_failed: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
) -> BuildSummary:
    """Build patches as settings say: open the source, then `minewatch.patches.build_patches`.

    Parameters
    ----------
    settings
        From `read_build`.
    out
        Folder of the dataset.
    table
        The sites. None: those that the settings name.
    folder
        What paths in the settings are relative to.
    workers
        Places or files loaded at a time. None: what suits the source.
    retry_failed, overwrite, progress
        As `minewatch.patches.build_patches`.

    Returns
    -------
    BuildSummary
        The counts, and the failures as rows.

    Raises
    ------
    InputError
        If there are neither a table nor settings of sites.
    MinewatchError
        As `minewatch.imagery.open_source` and `minewatch.patches.build_patches`.
    """
    base = Path(folder)
    if table is None:
        if settings.sites is None:
            raise InputError("no sites are named; give a file of sites, or a section [sites]")
        table = read_section_sites(base, settings.sites)
    section, how = settings.imagery, settings.patches
    return patches.build_patches(
        table,
        imagery.open_source(
            place_of_source(base, section),
            collection=section.collection,
            level=section.level,
            project=section.project,
            workers=workers,
        ),
        section.query,
        out,
        grid=how.grid,
        min_clear_views=how.min_clear_views,
        retry_failed=retry_failed,
        overwrite=overwrite,
        progress=progress,
    )


def build_settings(settings: StudySettings) -> BuildSettings:
    """Take the part of a study that says how its patches are built."""
    if settings.imagery is None or not isinstance(settings.patches, BuildSection):
        raise InputError("the study's patches are imported, not built")
    return BuildSettings(sites=settings.sites, imagery=settings.imagery, patches=settings.patches)


def source_items(folder: Path, section: ImagerySection) -> list[Path]:
    """List the STAC items of a source that is a folder; nothing of one that is not."""
    place = folder / section.source
    return sorted(_documents(place)) if "://" not in section.source and place.is_dir() else []


def place_of_source(folder: Path, section: ImagerySection) -> str:
    """Give a source's name or address as it is, and a folder as it lies from here."""
    place = folder / section.source
    return str(place) if "://" not in section.source and place.is_dir() else section.source


def _documents(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*.json") if path.is_file())
