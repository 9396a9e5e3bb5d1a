"""Run the stages of a study that are missing or out of date, and say why each runs or not."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from minewatch import __version__, _store
from minewatch._progress import Progress, silent
from minewatch.errors import NotThereError, SettingsError
from minewatch.study._read import read_study
from minewatch.study._records import FOLDER, decide, read_record, write_record
from minewatch.study._settings import StudySettings
from minewatch.study._stage import Stage
from minewatch.study._stages import STAGES
from minewatch.types import StrPath

Action = Literal["ran", "skipped", "would run", "may run", "left out of date"]


@dataclass(frozen=True)
class StageResult:
    """What became of one stage in one run of a study."""

    stage: str
    """The stage's word: sites, patches, explore."""
    action: Action
    """``ran`` or ``skipped``; in a dry run ``would run``, or ``may run`` if that hangs on what an
    earlier stage gives; ``left out of date`` for a stage that was not asked for and should run."""
    reason: str
    """Why it ran, or why it was skipped."""
    summary: str = ""
    """What it gave, in one line; empty unless it ran."""
    seconds: float = 0.0
    """Time it took."""


Tell = Callable[[StageResult | str], None]
"""Told of each stage as a string when it begins to run, and of its result when it is done."""


def run_study(
    folder: StrPath,
    *,
    only: Iterable[str] = (),
    force: bool = False,
    dry_run: bool = False,
    tell: Tell = lambda _result: None,
    progress: Progress = silent,
) -> list[StageResult]:
    """Run every stage of a study that is missing or out of date.

    A stage is out of date if a setting of its section, the content of a file that it takes, a
    result that it gave or the version of minewatch has changed since it ran. Each stage's results
    appear whole, so a run that was stopped goes on where it was when it is run again.

    Parameters
    ----------
    folder
        The study's folder, with its `study.toml`.
    only
        Names of the stages to look at; all if empty.
    force
        Run them even if they are up to date.
    dry_run
        Only say what would be done.
    tell
        Called with one line when a stage begins, and with its result when it is done.
    progress
        Told how far each step is.

    Returns
    -------
    list of StageResult
        One for each stage looked at, in order, and for each that is out of date and was left so.

    Raises
    ------
    SettingsError
        If `study.toml` cannot be used, or `only` names no stage.
    MinewatchError
        What a stage raises; the stages before it are done and stay so.
    """
    study = Path(folder)
    settings = read_study(study)
    stages = [stage for stage in STAGES if stage.wanted(settings)]
    chosen = _chosen(stages, only)
    results: list[StageResult] = []
    with _store.locked(study / FOLDER / "run"):
        for stage in stages:
            if stage not in chosen:
                results += _left_stale(stage, study, settings, chosen)
                continue
            reason = "it was asked for" if force else _why(stage, study, settings)
            if dry_run:
                results.append(_foresee(stage, reason, results))
            elif reason is None:
                results.append(StageResult(stage.name, "skipped", "it is up to date"))
            else:
                tell(f"{stage.name}: runs because {reason}")
                results.append(_run_stage(stage, study, settings, reason, progress=progress))
            tell(results[-1])
    return results


def _why(stage: Stage, study: Path, settings: StudySettings) -> str | None:
    """Say why a stage must run; None if it need not."""
    now = stage.fingerprint(study, settings, version=__version__)
    return decide(now, read_record(study, stage.name))


def _left_stale(
    stage: Stage, study: Path, settings: StudySettings, chosen: list[Stage]
) -> list[StageResult]:
    """Name a stage that was not asked for, if one that was builds on it and it is out of date."""
    if not any(stage.name in other.after for other in chosen):
        return []
    try:
        reason = _why(stage, study, settings)
    except NotThereError as error:
        reason = str(error)
    return [] if reason is None else [StageResult(stage.name, "left out of date", reason)]


def _chosen(stages: list[Stage], only: Iterable[str]) -> list[Stage]:
    names, known = list(only), [stage.name for stage in stages]
    left = [stage.name for stage in STAGES if stage.name in names and stage not in stages]
    if left:
        raise SettingsError(f"this study has no {left[0]}; add a section [{left[0]}] to study.toml")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SettingsError(f"{', '.join(unknown)} is no stage; there are {', '.join(known)}")
    return [stage for stage in stages if not names or stage.name in names]


def _foresee(stage: Stage, reason: str | None, before: list[StageResult]) -> StageResult:
    if reason is not None:
        return StageResult(stage.name, "would run", reason)
    stale = [done.stage for done in before if done.action in ("would run", "may run")]
    waits = [name for name in stage.after if name in stale]
    if waits:
        return StageResult(stage.name, "may run", f"that hangs on what {waits[0]} gives")
    return StageResult(stage.name, "skipped", "it is up to date")


def _run_stage(
    stage: Stage, study: Path, settings: StudySettings, reason: str, *, progress: Progress
) -> StageResult:
    before = stage.fingerprint(study, settings, version=__version__)
    began = time.monotonic()
    summary = stage.run(study, settings, progress)
    seconds = time.monotonic() - began
    write_record(study, stage.name, replace(before, outputs=stage.results(study, settings)))
    return StageResult(stage.name, "ran", reason, summary, seconds)
