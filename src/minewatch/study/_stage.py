"""One stage of a study: what it takes and gives, and how both are known again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from minewatch import _store
from minewatch._progress import Progress
from minewatch.errors import NotThereError
from minewatch.study._records import Record
from minewatch.study._settings import StudySettings

SITES: Final = "sites.parquet"
DATASET: Final = "patches"

Run: TypeAlias = Callable[[Path, StudySettings, Progress], str]
"""Makes a stage's results in the study's folder and says in one line what they are."""


@dataclass(frozen=True)
class Stage:
    """One word of a study."""

    name: str
    """The word."""
    after: tuple[str, ...]
    """Stages whose results it takes."""
    outputs: tuple[str, ...]
    """What it gives, as paths in the study's folder whose content stands for the whole."""
    settings: Callable[[StudySettings], Mapping[str, Any]]
    """The settings that decide what it gives, as JSON values."""
    inputs: Callable[[Path, StudySettings], list[Path]]
    """The files that it takes."""
    run: Run
    """What makes it."""
    wanted: Callable[[StudySettings], bool] = lambda _settings: True
    """Whether a study has it."""
    named: Callable[[StudySettings], tuple[str, ...]] = lambda _settings: ()
    """Results that the settings name, as paths in the study's folder."""
    downloads: Callable[[StudySettings], tuple[str, ...]] = lambda _settings: ()
    """What it keeps of the network as it came, as paths in the study's folder: results too."""

    def fingerprint(self, study: Path, settings: StudySettings, *, version: str) -> Record:
        """Describe what the stage would be made from now, and what lies there."""
        return Record(
            settings=self.settings(settings),
            inputs={
                name_in(study, path): digest_path(path) for path in self.inputs(study, settings)
            },
            outputs=self.results(study, settings),
            version=version,
        )

    def results(self, study: Path, settings: StudySettings) -> dict[str, str]:
        """Give the digest of each result as it lies there."""
        names = (*self.outputs, *self.named(settings), *self.downloads(settings))
        return {name: self.digest(study, name) for name in names}

    def digest(self, study: Path, output: str) -> str:
        """Give the digest of one result as it lies there; ``""`` if it does not.

        A folder is known by the names and sizes of its files: to read all pixels would take longer
        than to make the report.
        """
        path = study / output
        return _listing(path) if path.is_dir() else digest_path(path)


def digest_path(path: Path) -> str:
    """Give one digest of a file with its companions, or of all files of a folder; ``""`` if none.

    A Shapefile is several files: labels lie in the ``.dbf`` beside the ``.shp``.
    """
    if path.is_dir():
        files = sorted(item for item in path.rglob("*") if item.is_file())
        return _store.digest_value(
            {str(item.relative_to(path)): _store.digest_file(item) for item in files}
        )
    if not path.is_file():
        return ""
    digests = _store.digest_files([path])
    return digests[path.name] if len(digests) == 1 else _store.digest_value(digests)


def _listing(folder: Path) -> str:
    files = sorted(item for item in folder.rglob("*") if item.is_file())
    return _store.digest_value(
        {str(item.relative_to(folder)): item.stat().st_size for item in files}
    )


def name_in(study: Path, path: Path) -> str:
    return str(path.relative_to(study)) if path.is_relative_to(study) else str(path)


def required(study: Path, paths: tuple[Path, ...], setting: str) -> list[Path]:
    found = [study / path for path in paths]
    missing = [str(path) for path in found if not path.exists()]
    if missing:
        raise NotThereError(
            f"{', '.join(missing)} does not exist; {setting} in study.toml names it, relative to "
            f"{study}"
        )
    return found
