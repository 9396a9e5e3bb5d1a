"""The commands above the words: new, run and demo."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minewatch.cli import _common

if TYPE_CHECKING:
    from minewatch.study import StageResult


def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    *,
    name: Annotated[str, typer.Option(help="What the study is called.")] = "",
    as_json: _common.JsonOption = False,
) -> None:
    """Make a study folder with a commented study.toml to fill in."""
    from minewatch.study import new_study

    path = new_study(folder, name=name)
    _common.print_result(
        {"study": path.parent, "settings": path},
        as_json=as_json,
        describe=lambda: (
            f"{path} is written.\n"
            "Say in it where your points lie and which imagery you want, then: "
            f"minewatch run --study {folder}"
        ),
    )


def run(
    *,
    study: _common.StudyOption = Path(),
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="STAGE", help="Look at this stage alone.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run what is up to date, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: _common.JsonOption = False,
) -> None:
    """Do every stage of a study that is missing or out of date."""
    from minewatch.study import run_study

    with _common.progress_bars() as progress:
        results = run_study(
            study,
            only=only or (),
            force=force,
            dry_run=dry_run,
            tell=(lambda _told: None) if as_json else _tell,
            progress=progress,
        )
    if not as_json:
        for result in results:
            if result.action == "left out of date":
                _common.say(f"note: {result.stage} is out of date ({result.reason})")
    _print_results(study, results, as_json=as_json)


def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    *,
    seed: Annotated[int, typer.Option(help="Which of the made-up valleys.")] = 1,
    as_json: _common.JsonOption = False,
    overwrite: _common.OverwriteOption = False,
) -> None:
    """Run every stage, offline, on a made-up valley, and say where the results are."""
    from minewatch.study import make_demo, run_study

    with _common.progress_bars() as progress:
        tell = (lambda _told: None) if as_json else _tell
        make_demo(folder, seed=seed, overwrite=overwrite, tell=tell, progress=progress)
        results = run_study(folder, tell=tell, progress=progress)
    _print_results(folder, results, as_json=as_json)


def _tell(told: "StageResult | str") -> None:
    if isinstance(told, str):
        _common.say(told)
    elif told.action == "ran":
        _common.say(f"{told.stage}: {told.summary} ({told.seconds:.1f} s)")
    else:
        _common.say(f"{told.stage}: {told.action} ({told.reason})")


def _print_results(study: Path, results: "list[StageResult]", *, as_json: bool) -> None:
    from minewatch.study import map_path, model_report_path, report_path

    pages = {
        "report": report_path(study),
        "model report": model_report_path(study),
        "map": map_path(study),
    }
    made = {name: page for name, page in pages.items() if page.is_file()}
    values = {
        "study": study,
        "stages": [vars(result) for result in results],
        "report": made.get("report"),
        "model_report": made.get("model report"),
        "map": made.get("map"),
    }
    lines = [f"{name}: {page}" for name, page in made.items()]
    _common.print_result(
        values,
        as_json=as_json,
        describe=lambda: "\n".join(lines) or "no report was made yet",
    )
