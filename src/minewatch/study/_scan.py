"""The stage `scan`: a detector on every window of a study's region."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import geopandas as gpd
import shapely

from minewatch import scan, sites
from minewatch._progress import Progress, silent
from minewatch.errors import InputError, SettingsError
from minewatch.imagery import BatchSource, SceneQuery
from minewatch.imagery._footprints import cut_at_date_line
from minewatch.scan._estimate import ScanEstimate, estimate_scan
from minewatch.scan._folder import NOT_SEEN, SCORES
from minewatch.scan._merge_run import describe_detections, merge_files
from minewatch.scan._outline import outline_files, raise_failures
from minewatch.scan._region import read_bbox
from minewatch.scan._settings import ScanSettings
from minewatch.scan._summary import ScanSummary
from minewatch.sites._regions import Region
from minewatch.sites._space import from_equal_area, to_equal_area
from minewatch.study._build import source_items
from minewatch.study._model import FOLDER as MODELS
from minewatch.study._model_section import ModelSection
from minewatch.study._read import FILE_NAME, read_study
from minewatch.study._scan_detections import check_merge, merge_arguments
from minewatch.study._scan_files import (
    DETECTIONS,
    FOLDER,
    OUTLINES,
    period_name,
    scan_folder,
    take_up_earlier,
)
from minewatch.study._scan_imagery import open_imagery, study_imagery
from minewatch.study._scan_section import ScanSection
from minewatch.study._settings import ImagerySection, StudySettings
from minewatch.study._stage import SITES, Stage, required
from minewatch.types import StrPath

if TYPE_CHECKING:
    from minewatch.context import Features
    from minewatch.model._applicability import Applicability
    from minewatch.model._onnx import OnnxDetector


@dataclass(frozen=True)
class StudyScan:
    """A scan as a study, or the command line, asks for it."""

    region: Region
    detector: "OnnxDetector"
    applicability: "Applicability | None"
    features: "Features | None"
    source: Callable[[], BatchSource]
    query: SceneQuery
    settings: ScanSettings
    study: Path
    folder: Path
    """Where it goes to if nothing else is said."""

    def scan(
        self,
        out: StrPath | None = None,
        *,
        client: str | None = None,
        retry_failed: bool = False,
        overwrite: bool = False,
        progress: Progress = silent,
    ) -> ScanSummary:
        """Scan it, as `minewatch.scan.scan_region` does, into `folder` or elsewhere."""
        if out is None:
            take_up_earlier(self.study, self.folder, self.query)
        return scan.scan_region(
            self.region,
            self.detector,
            self.source,
            self.query,
            self.folder if out is None else out,
            settings=self.settings,
            context=self.features,
            applicability=self.applicability,
            client=client,
            retry_failed=retry_failed,
            overwrite=overwrite,
            progress=progress,
        )

    def estimate(self, out: StrPath | None = None) -> ScanEstimate:
        """Say what it would take, as `minewatch.scan.estimate_scan` does."""
        return estimate_scan(
            self.region,
            self.detector,
            self.source,
            self.query,
            settings=self.settings,
            context=self.features,
            applicability=self.applicability,
            out=self.folder if out is None else out,
        )


def plan_study_scan(
    folder: StrPath,
    *,
    region: Path | None = None,
    bbox: str | None = None,
    detector: Path | None = None,
    features: Path | None = None,
    imagery: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> StudyScan:
    """Put together what is scanned: what was said, and for the rest what the study says.

    Parameters
    ----------
    folder
        The study's folder; without a `study.toml` in it all that is needed has to be said.
    region, bbox
        A file of polygons, or a rectangle in degrees; one of the two.
    detector, features
        A saved detector, and what is mapped.
    imagery, settings
        Values that go before those of the sections [imagery] and [scan].

    Raises
    ------
    InputError
        If region and bbox are both given, or something is neither said nor in the study.
    MinewatchError
        If a file cannot be read.
    """
    study = Path(folder)
    section, told, saved = ScanSection(), None, detector_folder(None)
    if (study / FILE_NAME).is_file():
        whole = read_study(study)
        section, told = whole.scan or section, whole.imagery
        saved = detector_folder(whole)
    if region is not None and bbox is not None:
        raise InputError("a region and --bbox were given; expected one of them")
    where = region if bbox is None else read_bbox(bbox)
    images = study_imagery(told, imagery or {})
    name = section.name if not imagery else None
    chosen = ScanSettings(**{**section.settings.model_dump(), **(settings or {})})
    return _put_together(
        study,
        where if where is not None else _region(study, section),
        detector or study / saved,
        features or study / section.features,
        images,
        chosen,
        name or period_name(images.start, images.end),
    )


def _put_together(
    study: Path,
    region: Region,
    detector: Path,
    features: Path,
    images: ImagerySection,
    settings: ScanSettings,
    name: str,
) -> StudyScan:
    from minewatch.context import read_features
    from minewatch.model._applicability import FILE_NAME as APPLICABILITY
    from minewatch.model._applicability import load_applicability
    from minewatch.model._onnx import load_detector

    loaded = load_detector(detector)
    area = detector / APPLICABILITY
    takes_context = bool(loaded.card.context_columns)
    return StudyScan(
        region=region,
        detector=loaded,
        applicability=load_applicability(area) if area.is_file() else None,
        features=read_features(features) if takes_context else None,
        source=partial(open_imagery, study, images),
        query=images.query,
        settings=settings,
        study=study,
        folder=study / FOLDER / name,
    )


def _region(study: Path, section: ScanSection) -> Region:
    """Give the region that a study names, or else the ground around its sites."""
    if section.region is not None:
        return required(study, (section.region,), "scan.region")[0]
    if not (study / SITES).is_file():
        raise InputError(
            "nothing says which region; give a file of polygons or --bbox, or scan in a study "
            "(--study) whose sites are read"
        )
    return around_sites(sites.read_sites(study / SITES), section.around_m)


def around_sites(table: gpd.GeoDataFrame, around_m: float) -> shapely.Geometry:
    """Give the ground around sites: squares in an equal-area plane, put together; EPSG:4326."""
    points = table.geometry[~(table.geometry.isna() | table.geometry.is_empty)]
    centres = shapely.transform(points.to_numpy(), to_equal_area)
    squares = shapely.buffer(centres, around_m, cap_style="square")
    placed = shapely.transform(squares, from_equal_area)
    ground: shapely.Geometry = shapely.union_all([cut_at_date_line(one) for one in placed])
    return ground


def _section(settings: StudySettings) -> ScanSection:
    if settings.scan is None:
        raise SettingsError("study.toml has no section [scan]")
    return settings.scan


def _settings(settings: StudySettings) -> Mapping[str, Any]:
    section = _section(settings)
    values = section.model_dump(mode="json", exclude={"workers", "attempts", "allow_failed"})
    for part in ("merge", "outline"):
        values |= {f"{part}.{key}": one for key, one in values.pop(part).items()}
    if settings.imagery is not None:
        images = settings.imagery.model_dump(mode="json")
        values |= {f"imagery.{key}": one for key, one in images.items()}
    return values


def detector_folder(settings: StudySettings | None) -> Path:
    """Say where a study's detector lies: where [scan] says, else where the stage model saves it."""
    if settings is not None and settings.scan is not None and settings.scan.detector is not None:
        return settings.scan.detector
    section = None if settings is None else settings.model
    return Path(MODELS) / (section or ModelSection()).detector


def _inputs(study: Path, settings: StudySettings) -> list[Path]:
    section = _section(settings)
    files = [study / detector_folder(settings) / name for name in ("card.json", "model.onnx")]
    items = [] if settings.imagery is None else source_items(study, settings.imagery)
    where = section.region
    files += [study / SITES] if where is None else required(study, (where,), "scan.region")
    files += required(study, section.merge.earlier, "scan.merge.earlier")
    files += required(study, tuple(section.merge.overlays), "scan.merge.overlays")
    features = study / section.features
    return [*files, *items, *([features] if features.is_file() else [])]


def _named(settings: StudySettings) -> tuple[str, ...]:
    """Name what a scan gives; outlines too, which are not always there."""
    folder = scan_folder(settings)
    tables = [folder / name for name in (DETECTIONS, OUTLINES)]
    files = [folder / SCORES, folder / NOT_SEEN, *tables]
    return tuple(str(one) for one in (*files, *(one.with_suffix(".geojson") for one in tables)))


def _make(study: Path, settings: StudySettings, progress: Progress) -> str:
    section, asked = _section(settings), plan_study_scan(study)
    check_merge(section.merge, asked.detector.card)
    summary = asked.scan(retry_failed=True, overwrite=True, progress=progress)
    if not section.allow_failed:
        summary.raise_failures()
    merged = merge_files(
        asked.folder,
        asked.folder / DETECTIONS,
        geojson=True,
        overwrite=True,
        **merge_arguments(study, section),
    )
    said = describe_detections(merged.detections)
    detections = "1 detection" if said["detections"] == 1 else f"{said['detections']:,} detections"
    counts = f"{detections}, {said['area_ha']:,.1f} ha of whole windows"
    ground = _outline(asked, section, progress)
    return "; ".join([*summary.describe().splitlines(), counts, *ground])


def _outline(asked: StudyScan, section: ScanSection, progress: Progress) -> list[str]:
    """Outline the ground in detections, where that is wanted, and say how much there is."""
    is_wanted = section.outlines
    if is_wanted is None:
        is_wanted = asked.detector.card.level == "L2A"
    out = asked.folder / OUTLINES
    if not is_wanted:
        for file in (out, out.with_suffix(".geojson")):
            file.unlink(missing_ok=True)
        return []
    outlines, _ = outline_files(
        asked.folder / DETECTIONS,
        out,
        asked.source(),
        asked.query,
        rule=section.outline,
        geojson=True,
        overwrite=True,
        progress=progress,
    )
    if not section.allow_failed:
        raise_failures(outlines)
    return [f"{outlines['ground_ha'].sum():,.1f} ha of bare ground and ponds in them"]


SCAN_STAGE: Final = Stage(
    name="scan",
    after=("sites", "patches", "context", "model"),
    outputs=(),
    settings=_settings,
    inputs=_inputs,
    run=_make,
    wanted=lambda settings: settings.scan is not None,
    named=_named,
)
"""After the detector."""
