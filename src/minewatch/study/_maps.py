"""The stage `maps`: what a study's scan found, in files and on a page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from minewatch import _store, maps, scan
from minewatch._progress import Progress, silent
from minewatch.errors import InputError, NotThereError
from minewatch.maps import Layers, MapContents, Period
from minewatch.maps._known import read_known
from minewatch.maps._numbers import write_hectares
from minewatch.maps._raster_load import ground_of, load_imagery, plan_mosaic
from minewatch.maps._write import MARKER, PAGE, own_files
from minewatch.scan._area_run import strata_file
from minewatch.scan._compare_unseen import find_not_seen, with_outside
from minewatch.scan._folder import NOT_SEEN, SCORES
from minewatch.scan._merge_file import describe_making
from minewatch.scan._merge_windows import HEADER
from minewatch.sites._regions import read_polygons
from minewatch.study._build import source_items
from minewatch.study._maps_section import MapsSection
from minewatch.study._records import FOLDER as RECORDS
from minewatch.study._scan import detector_folder
from minewatch.study._scan_files import DETECTIONS, OUTLINES, find_scan, scan_folder
from minewatch.study._scan_imagery import open_imagery
from minewatch.study._settings import ImagerySection, StudySettings
from minewatch.study._stage import SITES, Stage, required
from minewatch.types import StrPath

FOLDER: Final = "maps"
_WORK: Final = f"{RECORDS}/{FOLDER}"
_FEATURES: Final = "context/features.parquet"


def map_path(study: Path) -> Path:
    """Say where a study's map is, or will be."""
    return study / FOLDER / PAGE


def write_study_maps(
    study: Path,
    settings: StudySettings,
    out: StrPath,
    *,
    said: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> tuple[MapContents, list[Path]]:
    """Put what a study's scan found beside what the study knows, and write it.

    Parameters
    ----------
    study
        The study's folder.
    settings
        Its settings; without a section [maps] the defaults of one.
    out
        The folder that is written to.
    said
        Values that go before those of the section [maps].
    overwrite
        Replace it.
    progress
        Told what is read.

    Returns
    -------
    contents
        What was written.
    files
        The files.

    Raises
    ------
    MinewatchError
        If the study has no finished scan, or a file cannot be used.
    """
    section = MapsSection(**{**(settings.maps or MapsSection()).model_dump(), **(said or {})})
    asked = settings.model_copy(update={"maps": section})
    _store.refuse_existing(Path(out), overwrite=overwrite, ours=own_files(out))
    contents = gather_study(study, asked, progress=progress)
    files = maps.write_files(
        contents, out, formats=section.formats, language=section.language, overwrite=overwrite
    )
    return contents, files


def gather_study(
    study: Path, settings: StudySettings, *, progress: Progress = silent
) -> MapContents:
    """Put together what a study's map is made from: what its scan gave, and what lies beside."""
    section, images = settings.maps or MapsSection(), settings.imagery
    folder = find_scan(study)
    found = folder / DETECTIONS
    if not found.is_file():
        raise NotThereError(
            f"{folder} holds no {DETECTIONS}; `minewatch scan merge` with this --study makes it, "
            "or give a file of detections"
        )
    earlier = _earlier(study, settings)
    contents = maps.gather_contents(
        found,
        Layers(
            scores=folder,
            changes=_compare(study, earlier, found),
            outlines=_if_there(folder / OUTLINES),
            reviewed=None if section.reviewed is None else study / section.reviewed,
            sites=_if_there(study / SITES),
            features=_if_there(study / _FEATURES),
            overlays=_overlays(study, settings),
            earlier=earlier,
        ),
        title=section.title or settings.study.name,
        attribution=section.attribution,
        detector=study / detector_folder(settings),
    )
    if not section.imagery or images is None:
        return contents
    return _with_imagery(study, contents, images, progress)


def _earlier(study: Path, settings: StudySettings) -> dict[str, Path]:
    """Name the detections of earlier periods: as said, or those after which the scan named its."""
    section, asked = _section(settings), settings.scan
    if section.earlier or asked is None:
        return {name: study / path for name, path in section.earlier.items()}
    named: dict[str, Path] = {}
    for file in (study / path for path in asked.merge.earlier):
        other = named.setdefault(_period(file).name, file)
        if other != file:
            raise InputError(
                f"{other} and {file}, of [scan] merge earlier, are of the same days; say under "
                '[maps] which to show: earlier = { "2023" = "…" }'
            )
    return named


def _named_earlier(settings: StudySettings) -> tuple[Path, ...]:
    """Name the files of `_earlier`, as the settings have them."""
    merged = () if settings.scan is None else settings.scan.merge.earlier
    return tuple(_section(settings).earlier.values()) or merged


def _period(file: Path) -> Period:
    table = scan.read_detections(file)
    period = read_known(table.attrs.get(HEADER), table).period
    if period is None:
        raise InputError(
            f'nothing says of which period {file} is; name it under [maps]: earlier = {{ "2023" = '
            '"…" }'
        )
    return period


def _last_days(name: str) -> tuple[str, str]:
    period = Period.parse(name)
    return period.end, period.start


def _overlays(study: Path, settings: StudySettings) -> dict[StrPath, str]:
    """Give the layers that the scan names, and those that are only shown."""
    named = {} if settings.scan is None else settings.scan.merge.overlays
    return {study / path: column for path, column in (named | _section(settings).overlays).items()}


def _compare(study: Path, earlier: Mapping[str, Path], found: Path) -> Path | None:
    """Compare with the latest of the earlier periods; None if there is none.

    What either scan did not see, and all outside of its region, is neither new nor gone.
    """
    if not earlier:
        return None
    files = {"before": earlier[max(earlier, key=_last_days)], "after": found}
    tables = {name: scan.read_detections(path) for name, path in files.items()}
    unseen = {**find_not_seen(files, tables), "after": found.with_name(NOT_SEEN)}
    hidden = {name: with_outside(read_polygons(path), path) for name, path in unseen.items()}
    changes = scan.compare_detections(
        tables["before"],
        tables["after"],
        before_not_seen=hidden.get("before"),
        after_not_seen=hidden["after"],
    )
    made = describe_making("compare", [*files.values(), *unseen.values()], {}, [])
    path = study / _WORK / "changes.parquet"
    return scan.write_detections(changes, path, made=made, overwrite=True)[0]


def _with_imagery(
    study: Path, contents: MapContents, images: ImagerySection, progress: Progress
) -> MapContents:
    """Add the imagery of every period of detections; none where the ground is too large for it."""
    try:
        plan_mosaic(ground_of(contents))
    except InputError:
        return contents
    return load_imagery(contents, open_imagery(study, images), images.query, progress=progress)


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _section(settings: StudySettings) -> MapsSection:
    return settings.maps or MapsSection()


def _settings(settings: StudySettings) -> Mapping[str, Any]:
    section = _section(settings)
    values: dict[str, Any] = section.model_dump(mode="json")
    values["study.name"] = settings.study.name
    if settings.imagery is not None and section.imagery:
        images = settings.imagery.model_dump(mode="json")
        values |= {f"imagery.{key}": one for key, one in images.items()}
    return values


def _inputs(study: Path, settings: StudySettings) -> list[Path]:
    section, images, folder = _section(settings), settings.imagery, study / scan_folder(settings)
    unseen = [(study / path).with_name(NOT_SEEN) for path in _named_earlier(settings)]
    beside = (folder / OUTLINES, study / _FEATURES, *unseen)
    overlays = [Path(path).relative_to(study) for path in _overlays(study, settings)]
    return [
        *(folder / name for name in (DETECTIONS, SCORES, NOT_SEEN)),
        study / detector_folder(settings) / "card.json",
        study / SITES,
        *(path for path in beside if path.is_file()),
        *required(study, tuple(overlays), "overlays"),
        *required(study, tuple(section.earlier.values()), "maps.earlier"),
        *required(study, _reviewed(section), "maps.reviewed"),
        *(source_items(study, images) if section.imagery and images is not None else []),
    ]


def _reviewed(section: MapsSection) -> tuple[Path, ...]:
    if section.reviewed is None:
        return ()
    return section.reviewed, strata_file(section.reviewed)


def _make(study: Path, settings: StudySettings, progress: Progress) -> str:
    contents, files = write_study_maps(
        study, settings, study / FOLDER, overwrite=True, progress=progress
    )
    return describe_maps(contents, files)


def describe_maps(contents: MapContents, files: list[Path]) -> str:
    """Say in one line what was written."""
    table = contents.detections
    ground = ""
    if "ground_ha" in table:
        ground = (
            f", {write_hectares(table['ground_ha'].sum())} of it bare ground or ponds by colour"
        )
    unseen = "what was not seen is not known"
    if contents.not_seen is not None:
        unseen = f"{write_hectares(contents.not_seen['area_ha'].sum())} not seen"
    return (
        f"{len(table):,} detections of {write_hectares(table['area_ha'].sum())}{ground}; {unseen}; "
        f"{len(files)} files"
    )


MAPS_STAGE: Final = Stage(
    name="maps",
    after=("sites", "context", "model", "scan"),
    outputs=(f"{FOLDER}/{MARKER}",),
    settings=_settings,
    inputs=_inputs,
    run=_make,
    wanted=lambda settings: settings.maps is not None,
    named=lambda settings: (
        () if "html" not in (_section(settings).formats or ("html",)) else (f"{FOLDER}/{PAGE}",)
    ),
)
"""After the scan: the last of the eight words."""
