"""The stage `context`: what OpenStreetMap knows around the sites of a study."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any, Final

from minewatch import __version__, context, sites
from minewatch._progress import Progress
from minewatch.context import (
    Context,
    Features,
    OverpassSource,
    RegionSource,
    open_context,
    write_context,
)
from minewatch.context._border import border_name, find_border
from minewatch.context._channels import MAX_DISTANCE_M
from minewatch.context._outline import diagonal_m
from minewatch.errors import SettingsError
from minewatch.patches import PatchDataset
from minewatch.study._records import Record, decide, read_record, write_record
from minewatch.study._settings import ContextSection, StudySettings
from minewatch.study._stage import DATASET, SITES, Stage, digest_path, name_in, required

FOLDER: Final = "context"
FEATURES: Final = f"{FOLDER}/features.parquet"
FETCH: Final = "context-features"
"""The record of what was fetched: measuring anew, with other radii, fetches nothing."""


def context_results(study: Path, settings: StudySettings) -> list[Path]:
    """Give the file that stands for what is mapped around a study's sites, if it has that."""
    return [] if settings.context is None else [study / FOLDER / "context.json"]


def open_results(study: Path, settings: StudySettings) -> Context | None:
    """Open what is mapped around a study's sites; None if it has no section [context]."""
    return None if settings.context is None else open_context(study / FOLDER)


def _section(settings: StudySettings) -> ContextSection:
    if settings.context is None:
        raise SettingsError("study.toml has no section [context]")
    return settings.context


def _settings(settings: StudySettings) -> Mapping[str, Any]:
    section = _section(settings)
    layers = [layer.model_dump(mode="json") for layer in section.wanted]
    return section.model_dump(mode="json") | {"layers": layers}


def _file(study: Path, section: ContextSection) -> list[Path]:
    """Give the extract that a section names, and its border; none if the network has it."""
    if not section.names_a_file:
        return []
    files = required(study, (Path(section.source),), "context.source")
    return [*files, *(border for file in files if (border := find_border(file)) is not None)]


def _downloads(settings: StudySettings) -> tuple[str, ...]:
    """Give the extract of a region, and its border: with others, features are not of it."""
    section = _section(settings)
    if section.names_a_file or section.asks_a_server:
        return ()
    extract = RegionSource(region=section.source).file_name
    return f"{FOLDER}/{extract}", f"{FOLDER}/{border_name(extract)}"


def _inputs(study: Path, settings: StudySettings) -> list[Path]:
    dataset = study / DATASET
    places = [study / SITES, dataset / "dataset.json", dataset / "sites.parquet"]
    return [*places, *_file(study, _section(settings))]


def _make(study: Path, settings: StudySettings, progress: Progress) -> str:
    section = _section(settings)
    dataset = PatchDataset.open(study / DATASET)
    placed = dataset.sites[dataset.sites["crs"].notna()]
    geoboxes = {str(name): dataset.geobox(str(name)) for name in placed.index}
    reach_m = max([diagonal_m(geobox) / 2.0 for geobox in geoboxes.values()], default=0.0)
    kept, radius_m = _downloads(settings), max(section.radii_m) + ceil(reach_m)
    features = _fetch(study, section, kept, radius_m, progress)
    made = write_context(
        study / FOLDER,
        sites.read_sites(study / SITES),
        geoboxes=geoboxes,
        radii_m=section.radii_m,
        max_distance_m=min(MAX_DISTANCE_M, max(section.radii_m)),
        with_channels=section.channels,
        overwrite=True,
        progress=progress,
    )
    return _describe(features, made)


def _fetch(
    study: Path,
    section: ContextSection,
    kept: Sequence[str],
    radius_m: int,
    progress: Progress,
) -> Features:
    """Fetch the features, unless those that are there are of the same request.

    `radius_m` is from the sites: what is near the edge of a patch is farther than what is near its
    site.
    """
    files = [study / SITES, *_file(study, section)]
    values = {
        "source": section.source,
        "date": section.date,
        "radius_m": radius_m,
        "layers": [layer.model_dump(mode="json") for layer in section.wanted],
    }
    inputs = {name_in(study, path): digest_path(path) for path in files}
    now = Record(values, inputs, _fetched(study, kept), __version__)
    if decide(now, read_record(study, FETCH)) is not None:
        around = context.site_neighbourhoods(sites.read_sites(study / SITES), radius_m=radius_m)
        context.fetch_features(
            around,
            section.wanted,
            _source(study, section),
            study / FOLDER,
            overwrite=True,
            progress=progress,
        )
        write_record(study, FETCH, Record(values, inputs, _fetched(study, kept), __version__))
    return context.read_features(study / FEATURES)


def _fetched(study: Path, kept: Sequence[str]) -> dict[str, str]:
    return {name: digest_path(study / name) for name in (FEATURES, *kept)}


def _source(study: Path, section: ContextSection) -> OverpassSource | Path | str:
    if section.names_a_file:
        return study / section.source
    if section.source == "overpass":
        return OverpassSource(date=section.date)
    if section.asks_a_server:
        return OverpassSource(url=section.source, date=section.date)
    return section.source


def _describe(features: Features, made: Context) -> str:
    table, target = features.table, int(features.table["target"].notna().sum())
    date = features.info.get("osm_timestamp")
    drawn = "" if made.channels is None else f", {made.channels.sizes['layer']} channels drawn"
    return (
        f"{len(table)} features in {len(features.layer_names)} layers, {target} of them name the "
        f"target, as of {str(date)[:10] if date else 'a day that nothing says'}{drawn}"
    )


CONTEXT_STAGE: Final = Stage(
    name="context",
    after=("sites", "patches"),
    outputs=(
        FEATURES,
        f"{FOLDER}/measures.parquet",
        f"{FOLDER}/context.json",
        f"{FOLDER}/channels.zarr",
    ),
    settings=_settings,
    inputs=_inputs,
    run=_make,
    wanted=lambda settings: settings.context is not None,
    downloads=_downloads,
)
"""Between the patches and the report."""
