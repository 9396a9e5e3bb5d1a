"""Where a study's scans lie: in ``scans/``, each in a folder named after its period."""

from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Final

from minewatch import _store
from minewatch.errors import DatasetError, InputError, NotThereError
from minewatch.imagery import SceneQuery
from minewatch.scan._folder import SCORES, ScanFolder
from minewatch.study._read import FILE_NAME, read_study
from minewatch.study._settings import StudySettings
from minewatch.types import StrPath

FOLDER: Final = "scans"
BEFORE: Final = "scan"
"""Where earlier versions put a study's only scan."""
DETECTIONS: Final = "detections.parquet"
OUTLINES: Final = "outlines.parquet"


def period_name(start: date, end: date) -> str:
    """Name a scan after the days that its imagery is of.

    Examples
    --------
    >>> period_name(date(2024, 1, 1), date(2024, 12, 31))
    '2024'
    >>> period_name(date(2024, 7, 1), date(2024, 12, 31))
    '2024-07-01_2024-12-31'
    """
    is_year = (start.month, start.day) == (1, 1) and end == date(start.year, 12, 31)
    return f"{start.year}" if is_year else f"{start}_{end}"


def scan_folder(settings: StudySettings) -> Path:
    """Say where a study's scan lies, or will: a path in the study's folder.

    Raises
    ------
    InputError
        If the study has no sections [scan] and [imagery].
    """
    if settings.scan is None or settings.imagery is None:
        raise InputError("study.toml has no section [scan], or no [imagery] to scan")
    images = settings.imagery
    return Path(FOLDER, settings.scan.name or period_name(images.start, images.end))


def find_scans(study: StrPath) -> dict[str, Path]:
    """List the finished scans of a study by name, in the order of their names."""
    base = Path(study)
    folders = [*sorted((base / FOLDER).glob("*")), base / BEFORE]
    return {folder.name: folder for folder in folders if (folder / SCORES).is_file()}


def find_scan(study: StrPath) -> Path:
    """Find the scan that a study asks for; in a folder without a `study.toml`, the only one.

    Raises
    ------
    NotThereError
        If it is not there.
    InputError
        If there are several, and nothing says which.
    """
    base = Path(study)
    found = find_scans(base)
    settings = read_study(base) if (base / FILE_NAME).is_file() else None
    if settings is not None and settings.scan is not None:
        own = base / scan_folder(settings)
        if own not in found.values() and BEFORE not in found:
            raise NotThereError(
                f"{own} holds no scan that is finished; `minewatch run` or `minewatch scan run` "
                "with this --study makes it"
            )
        return own if own in found.values() else found[BEFORE]
    if len(found) > 1:
        raise InputError(
            f"{base} holds {len(found)} scans: {', '.join(found)}; name the folder of one"
        )
    if not found:
        raise NotThereError(
            f"{base} holds no scan that is finished; `minewatch scan run` makes one, or name the "
            "folder of one"
        )
    return next(iter(found.values()))


def find_detections(study: StrPath) -> dict[str, Path]:
    """List the detections of all scans of a study by the scan's name, the oldest period first.

    Raises
    ------
    InputError
        If there are less than two, or two are of the same days.
    """
    found = {
        name: folder / DETECTIONS
        for name, folder in find_scans(study).items()
        if (folder / DETECTIONS).is_file()
    }
    if len(found) < 2:
        raise InputError(
            f"{study} holds detections of {len(found)} scans; a comparison takes two or more: scan "
            "another period and merge it, or name files"
        )
    days = {name: _days(file.parent) for name, file in found.items()}
    ordered = sorted(found, key=lambda name: (days[name], name))
    for one, two in pairwise(ordered):
        if days[one] == days[two]:
            raise InputError(
                f"the scans {one} and {two} are of the same days, so nothing can have changed; "
                "name the files to compare"
            )
    return {name: found[name] for name in ordered}


def _days(folder: Path) -> tuple[str, str]:
    """Give the first and the last day of a scan, ISO dates; empty if it does not say."""
    state = ScanFolder(folder).read_state()
    asked = {} if state is None else state["request"]["query"]
    return str(asked.get("start", "")), str(asked.get("end", ""))


def take_up_earlier(study: Path, folder: Path, query: SceneQuery) -> None:
    """Move a study's scan of the same days from where earlier versions put it, if there is one."""
    old = study / BEFORE
    if folder.exists():
        return
    try:
        days = _days(old)
    except DatasetError:
        return
    if days == (str(query.start), str(query.end)):
        with _store.locked(old):
            folder.parent.mkdir(parents=True, exist_ok=True)
            old.rename(folder)
