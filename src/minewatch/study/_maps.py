"""The stage `maps`: what a study's scan found, in files and on a page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from minewatch import _store, maps, scan
from minewatch._progress import Progress, silent
from minewatch.errors import InputError, NotThereError
from minewatch.imagery import BatchSource, SceneQuery, open_source
from minewatch.maps import Layers, MapContents
from minewatch.maps._raster_load import ground_of, load_imagery, plan_mosaic
from minewatch.maps._write import MARKER, PAGE, own_files
from minewatch.scan._merge_file import describe_making
from minewatch.scan._merge_run import merge_files
from minewatch.scan._outline import outline_files
from minewatch.sites._regions import read_polygons
from minewatch.study._build import place_of_source, source_items
from minewatch.study._maps_section import MapsSection
from minewatch.study._records import FOLDER as RECORDS
from minewatch.study._scan import FOLDER as SCAN
from minewatch.study._scan import detector_folder
from minewatch.study._settings import ImagerySection, StudySettings
from minewatch.study._stage import SITES, Stage, required
from minewatch.types import StrPath

FOLDER: Final = "maps"
_WORK: Final = f"{RECORDS}/{FOLDER}"
_FEATURES: Final = "context/features.parquet"
_OUTLINE_LEVEL: Final = "L2A"
"""The rule of outlines was chosen for it."""


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
    """Merge what a study's scan found, put beside it what the study knows, and write it.

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
    return contents, maps.write_files(contents, out, formats=section.formats, overwrite=overwrite)


def gather_study(
    study: Path, settings: StudySettings, *, progress: Progress = silent
) -> MapContents:
    """Put together what a study's map is made from."""
    section, images = settings.maps or MapsSection(), settings.imagery
    found = _merge(study, section)
    sources = _Sources(study, images)
    contents = maps.gather_contents(
        found,
        Layers(
            scores=study / SCAN,
            changes=_compare(study, section, found),
            outlines=_outline(study, section, sources, found, progress),
            sites=_if_there(study / SITES),
            features=_if_there(study / _FEATURES),
            overlays={study / path: column for path, column in section.overlays.items()},
            earlier={name: study / path for name, path in section.earlier.items()},
        ),
        title=section.title or settings.study.name,
        attribution=section.attribution,
        detector=study / detector_folder(settings),
    )
    if not section.imagery or images is None:
        return contents
    return _with_imagery(contents, images.query, sources, progress)


class _Sources:
    """Opens the imagery of a study when it is first needed."""

    def __init__(self, study: Path, images: ImagerySection | None) -> None:
        self._study, self._images = study, images
        self._opened: BatchSource | None = None

    @property
    def query(self) -> SceneQuery | None:
        """What the study asks of it; None if it has no imagery."""
        return None if self._images is None else self._images.query

    def open(self) -> BatchSource:
        """Open it."""
        if self._images is None:
            raise InputError("the study has no section [imagery]")
        if self._opened is None:
            self._opened = open_source(
                place_of_source(self._study, self._images),
                collection=self._images.collection,
                level=self._images.level,
                project=self._images.project,
            )
        return self._opened


def _merge(study: Path, section: MapsSection) -> Path:
    """Merge the windows of the scan; mines keep the names that they had in earlier periods."""
    if not (study / SCAN / "scores.parquet").is_file():
        raise NotThereError(
            f"{study / SCAN} holds no finished scan; run the study's scan first (minewatch run, "
            "with a section [scan]), or give a file of detections"
        )
    merged = merge_files(
        study / SCAN,
        study / _WORK / "detections.parquet",
        preset=section.preset,
        rule={
            "threshold": section.threshold,
            "isolated_threshold": section.isolated_threshold,
        },
        earlier=[study / path for path in section.earlier.values()],
        features=_if_there(study / _FEATURES),
        overwrite=True,
    )
    return merged.files[0]


def _compare(study: Path, section: MapsSection, found: Path) -> Path | None:
    """Compare with the last of the earlier periods; None if there is none."""
    if not section.earlier:
        return None
    before = study / list(section.earlier.values())[-1]
    unseen = study / SCAN / "not_seen.parquet"
    changes = scan.compare_detections(
        scan.read_detections(before),
        scan.read_detections(found),
        after_not_seen=read_polygons(unseen),
    )
    made = describe_making("compare", [before, found, unseen], {}, [])
    path = study / _WORK / "changes.parquet"
    return scan.write_detections(changes, path, made=made, overwrite=True)[0]


def _outline(
    study: Path, section: MapsSection, sources: _Sources, found: Path, progress: Progress
) -> Path | None:
    """Outline bare ground within the detections; None if that is not asked for, or cannot be."""
    if not section.outlines or sources.query is None:
        return None
    source = sources.open()
    if source.level != _OUTLINE_LEVEL:
        return None
    path = study / _WORK / "outlines.parquet"
    _, files = outline_files(found, path, source, sources.query, overwrite=True, progress=progress)
    return files[0]


def _with_imagery(
    contents: MapContents, query: SceneQuery, sources: _Sources, progress: Progress
) -> MapContents:
    """Add the imagery of every period of detections; none where the ground is too large for it."""
    try:
        plan_mosaic(ground_of(contents))
    except InputError:
        return contents
    return load_imagery(contents, sources.open(), query, progress=progress)


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _section(settings: StudySettings) -> MapsSection:
    return settings.maps or MapsSection()


def _settings(settings: StudySettings) -> Mapping[str, Any]:
    section = _section(settings)
    values: dict[str, Any] = section.model_dump(mode="json")
    values["study.name"] = settings.study.name
    if settings.imagery is not None and (section.imagery or section.outlines):
        images = settings.imagery.model_dump(mode="json")
        values |= {f"imagery.{key}": one for key, one in images.items()}
    return values


def _inputs(study: Path, settings: StudySettings) -> list[Path]:
    section, images = _section(settings), settings.imagery
    reads = images is not None and (section.imagery or section.outlines)
    features = _if_there(study / _FEATURES)
    return [
        *(study / SCAN / name for name in ("scores.parquet", "not_seen.parquet")),
        study / detector_folder(settings) / "card.json",
        study / SITES,
        *([] if features is None else [features]),
        *required(study, tuple(Path(path) for path in section.overlays), "maps.overlays"),
        *required(study, tuple(section.earlier.values()), "maps.earlier"),
        *(source_items(study, images) if reads and images is not None else []),
    ]


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
        ground = f", {table['ground_ha'].sum():,.1f} ha of it bare ground or ponds by colour"
    unseen = "what was not seen is not known"
    if contents.not_seen is not None:
        unseen = f"{contents.not_seen['area_ha'].sum():,.1f} ha not seen"
    return (
        f"{len(table):,} detections of {table['area_ha'].sum():,.1f} ha{ground}; {unseen}; "
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
