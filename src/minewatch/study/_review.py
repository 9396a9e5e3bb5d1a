"""The review desk of a study: its detections, its imagery and what is mapped of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from minewatch.errors import InputError, NotThereError
from minewatch.imagery import SceneQuery, open_source
from minewatch.maps import Period
from minewatch.maps.review import ArchivePictures, DatasetPictures, Queue, read_queue
from minewatch.maps.review._words import Kind
from minewatch.patches import PatchDataset
from minewatch.study._build import place_of_source
from minewatch.study._read import FILE_NAME, read_study
from minewatch.study._scan_files import DETECTIONS, find_scan
from minewatch.study._settings import ImagerySection, StudySettings
from minewatch.types import StrPath

if TYPE_CHECKING:
    from minewatch.maps.review._pictures import PictureSource

FOLDER: Final = "review"
_FEATURES: Final = Path("context/features.parquet")
_PATCHES: Final = "patches"
_M_PER_PX: Final = 10.0


@dataclass(frozen=True)
class Wanted:
    """What is reviewed, as it was said; see `minewatch.maps.review.read_queue`."""

    queue: Path | None = None
    """None: the study's detections."""
    kind: Kind | None = None
    blind: bool | None = None
    square_m: float | None = None
    title: str | None = None


@dataclass(frozen=True)
class Images:
    """Where pictures come from, as it was said."""

    source: str | None = None
    """Name, address or folder of a source of imagery. None: the study's."""
    collection: str | None = None
    level: str | None = None
    project: str | None = None
    periods: Sequence[str] = ()
    """Years, months or stretches of days, as `Period.parse` reads them. None: the study's."""
    datasets: Mapping[str, Path] | None = None
    """Datasets of patches by period."""
    side_m: float = 1_920.0
    """Side of the ground that is shown around each place, metres."""


@dataclass(frozen=True)
class PlannedReview:
    """A review as a study, or the command line, asks for it."""

    queue: Queue
    path: Path
    """Where the queue was read from."""
    store: Path
    """Where decisions go."""
    pictures: tuple["PictureSource", ...]
    features: Path | None
    """What is mapped; None: nothing."""


def plan_review(
    study: StrPath,
    wanted: Wanted = Wanted(),
    *,
    store: Path | None = None,
    images: Images = Images(),
    features: Path | None = None,
    shows: bool = True,
) -> PlannedReview:
    """Put together what is reviewed: what was said, and for the rest what the study has.

    Parameters
    ----------
    study
        The study's folder; without a `study.toml` in it the queue has to be said.
    wanted
        What is reviewed.
    store
        Where decisions go. None: ``review/KIND.gpkg`` in the study.
    images
        Where pictures come from.
    features
        What is mapped. None: the study's, if it has any.
    shows
        False: nothing will be shown, so no imagery is opened.

    Raises
    ------
    NotThereError, InputError
        If something is neither said nor in the study, or cannot be used.
    """
    folder = Path(study)
    told = read_study(folder) if (folder / FILE_NAME).is_file() else None
    path = wanted.queue or _find_queue(folder)
    read = read_queue(
        path,
        kind=wanted.kind,
        blind=wanted.blind,
        square_m=wanted.square_m,
        title=wanted.title or (None if told is None else told.study.name),
    )
    own = folder / _FEATURES
    return PlannedReview(
        read,
        path,
        store or folder / FOLDER / f"{read.kind}.gpkg",
        _pictures(folder, told, images) if shows else (),
        features or (own if own.is_file() else None),
    )


def _find_queue(folder: Path) -> Path:
    try:
        file = find_scan(folder) / DETECTIONS
    except NotThereError as error:
        raise NotThereError(
            f"nothing says what to review: {error}; or give a file of detections, of sites or of a "
            "sample"
        ) from error
    if not file.is_file():
        raise NotThereError(
            f"nothing says what to review, and there is no {file}; give a file of detections, of "
            "sites or of a sample, or merge the scan first (minewatch scan merge)"
        )
    return file


def _pictures(
    folder: Path, told: StudySettings | None, images: Images
) -> tuple["PictureSource", ...]:
    found: list[PictureSource] = []
    section = None if told is None else told.imagery
    if images.source is not None or (section is not None and not images.datasets):
        found.append(_archive(folder, section, images))
    datasets = dict(images.datasets or {})
    if not datasets and not found and told is not None and (folder / _PATCHES).is_dir():
        datasets = {_PATCHES: folder / _PATCHES}
    if datasets:
        opened = {name: PatchDataset.open(path) for name, path in datasets.items()}
        found.append(DatasetPictures(opened))
    return tuple(found)


def _archive(folder: Path, section: ImagerySection | None, images: Images) -> ArchivePictures:
    periods = [Period.parse(text) for text in images.periods]
    queries = {one.name: SceneQuery(start=one.start, end=one.end) for one in periods}
    if section is not None:
        own = section.query
        days = Period.of_days(own.start.isoformat(), own.end.isoformat())
        chosen = periods or [days]
        queries = {
            one.name: SceneQuery(**{**own.model_dump(), "start": one.start, "end": one.end})
            for one in chosen
        }
    if not queries:
        raise InputError("nothing says of which days imagery is shown; give --period 2024")
    if images.source is not None:
        opened = open_source(
            images.source,
            collection=images.collection,
            level=images.level,
            project=images.project,
        )
    elif section is not None:
        opened = open_source(
            place_of_source(folder, section),
            collection=section.collection,
            level=section.level,
            project=section.project,
        )
    else:
        raise InputError("nothing says where imagery comes from; give --imagery")
    return ArchivePictures(opened, queries, side_px=round(images.side_m / _M_PER_PX))
