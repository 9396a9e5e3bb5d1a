"""What a study says of its scan's detections: which windows, near what, outlined or not."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import geopandas as gpd

from minewatch._progress import Progress, silent
from minewatch.errors import SettingsError
from minewatch.scan._merge import check_rule
from minewatch.scan._merge_run import DEFAULT_THRESHOLD, Merged, choose_rule, merge_files
from minewatch.scan._outline import outline_files
from minewatch.scan._outline_rule import OutlineRule
from minewatch.study._read import FILE_NAME, read_study
from minewatch.study._scan_files import DETECTIONS, OUTLINES, find_scan
from minewatch.study._scan_imagery import open_imagery, study_imagery
from minewatch.study._scan_section import MergeSection, ScanSection
from minewatch.types import StrPath

if TYPE_CHECKING:
    from minewatch.model._card import Card

_SOURCE: Final = "earth-search"


def check_merge(section: MergeSection, card: "Card") -> None:
    """Refuse a rule that no window could be held to, before any window is scored.

    Raises
    ------
    SettingsError
        If neither the study nor the detector's card says a threshold.
    InputError
        If the thresholds cannot be.
    """
    thresholds = {name: one.model_dump(mode="json") for name, one in card.thresholds.items()}
    is_said = section.threshold is not None or section.preset is not None
    if not is_said and DEFAULT_THRESHOLD not in thresholds:
        raise SettingsError(
            f"nothing says which windows are detections: the card of {card.name} has no threshold "
            f"{DEFAULT_THRESHOLD}, and study.toml none either; say one under [scan]: "
            "merge = { threshold = 0.5 }"
        )
    rule, _ = choose_rule({"thresholds": thresholds}, preset=section.preset, **section.rule)
    check_rule(rule, section.gap_m)


def merge_study_scan(
    study: StrPath,
    *,
    scores: Path | None = None,
    out: Path | None = None,
    rule: Mapping[str, float | None] | None = None,
    said: Mapping[str, Any] | None = None,
) -> Merged:
    """Merge a scan's windows into detections: as said, and for the rest as the study says.

    Parameters
    ----------
    study
        The study's folder. What its section [scan] says counts only for its own scan.
    scores
        The folder of a scan, its ``scores.parquet``, or polygons with a score. None: the study's
        scan, see `find_scan`.
    out
        The file to write. None: ``detections.parquet`` beside the scores.
    rule
        Fields of `MergeRule`; None leaves one to the study.
    said
        Other arguments of `minewatch.scan._merge_run.merge_files`; None leaves one to the study,
        or to its default.

    Raises
    ------
    MinewatchError
        As `merge_files`, and if there is no scan.
    """
    base = Path(study)
    source = find_scan(base) if scores is None else scores
    is_own = scores is None and (base / FILE_NAME).is_file()
    section = read_study(base).scan if is_own else None
    given = {name: value for name, value in (said or {}).items() if value is not None}
    wanted = {} if section is None else merge_arguments(base, section)
    own_rule = {} if "preset" in given else wanted.pop("rule", {})
    own_rule |= {name: value for name, value in (rule or {}).items() if value is not None}
    folder = source if source.is_dir() else source.parent
    return merge_files(source, out or folder / DETECTIONS, **{**wanted, **given, "rule": own_rule})


def merge_arguments(study: Path, section: ScanSection) -> dict[str, Any]:
    """Give what a study says of its detections as arguments of `merge_files`."""
    merge, features = section.merge, study / section.features
    return {
        "preset": merge.preset,
        "rule": merge.rule,
        "gap_m": merge.gap_m,
        "earlier": [study / one for one in merge.earlier],
        "overlays": {study / one: column for one, column in merge.overlays.items()},
        "features": features if features.is_file() else None,
    }


def outline_study_scan(
    study: StrPath,
    *,
    detections: Path | None = None,
    out: Path | None = None,
    imagery: Mapping[str, Any] | None = None,
    rule: Mapping[str, Any] | None = None,
    geojson: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
) -> tuple[gpd.GeoDataFrame, list[Path]]:
    """Outline the ground in detections: as said, and for the rest as the study says.

    Parameters
    ----------
    study
        The study's folder; without a `study.toml` in it, imagery comes from earth-search.
    detections
        Their file. None: that of the study's scan, see `find_scan`.
    out
        The file to write. None: ``outlines.parquet`` beside the detections.
    imagery, rule
        Values that go before those of the section [imagery], and of ``outline`` in [scan].
    geojson, overwrite, progress
        See `minewatch.scan._outline.outline_files`.

    Returns
    -------
    outlines, files
        As `outline_files`.

    Raises
    ------
    MinewatchError
        As `outline_files`, and if there is no scan, or nothing says of which days.
    """
    base = Path(study)
    whole = read_study(base) if (base / FILE_NAME).is_file() else None
    told = None if whole is None else whole.imagery
    section = (None if whole is None else whole.scan) or ScanSection()
    default = {} if told is not None else {"source": _SOURCE}
    images = study_imagery(told, {**default, **(imagery or {})})
    file = find_scan(base) / DETECTIONS if detections is None else detections
    return outline_files(
        file,
        out or file.parent / OUTLINES,
        open_imagery(base, images),
        images.query,
        rule=OutlineRule(**{**section.outline.model_dump(), **(rule or {})}),
        geojson=geojson,
        overwrite=overwrite,
        progress=progress,
    )
