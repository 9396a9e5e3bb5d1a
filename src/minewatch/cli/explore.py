"""The commands of explore."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from minewatch.cli import _common

if TYPE_CHECKING:
    from minewatch.explore import ExploreSettings, Findings

app = typer.Typer(
    no_args_is_help=True,
    help="See what labelled patches hold, what is wrong with them and what may deceive.",
)


Dataset: TypeAlias = Annotated[
    Path | None,
    typer.Argument(help="The patch dataset; if not given, the study's folder patches."),
]
ContextFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--context",
        metavar="DIR",
        help="What is mapped around the sites; if neither it nor a dataset is given, the "
        "study's folder context, where there is one.",
    ),
]
Out: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="The report's folder; if not given, the study's explore."
    ),
]
Seed: TypeAlias = Annotated[
    int | None, typer.Option("--seed", help="Seed of folds and of the random gallery.")
]
Thumbnails: TypeAlias = Annotated[
    int | None, typer.Option("--thumbnails", help="Most thumbnails shown of one kind.")
]
BlocksKm: TypeAlias = Annotated[
    list[float] | None,
    typer.Option(
        "--block-km",
        metavar="KM",
        help="A distance between folds in the leakage audit; may be given several times.",
    ),
]
Folds: TypeAlias = Annotated[
    int | None, typer.Option("--folds", help="Folds of every cross-validation.")
]
Workers: TypeAlias = Annotated[
    int | None, typer.Option("--workers", help="Threads that read pixels.")
]


@app.callback()
def _group() -> None:
    pass


@app.command()
def report(
    *,
    dataset: Dataset = None,
    study: _common.StudyOption = Path(),
    context: ContextFolder = None,
    out: Out = None,
    seed: Seed = None,
    thumbnails: Thumbnails = None,
    blocks_km: BlocksKm = None,
    folds: Folds = None,
    workers: Workers = None,
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Explore a patch dataset and write the report: a page, tables, figures and findings.json."""
    from minewatch._store import refuse_existing
    from minewatch.context import open_context
    from minewatch.explore import explore, write_report
    from minewatch.explore._report import OURS
    from minewatch.patches import PatchDataset

    settings = _settings(
        {
            "random_state": seed,
            "n_thumbnails": thumbnails,
            "block_sizes_m": None if blocks_km is None else [1000.0 * km for km in blocks_km],
            "n_folds": folds,
            "n_workers": workers,
        }
    )
    folder = study / "explore" if out is None else out
    refuse_existing(folder, overwrite=overwrite, ours=OURS)
    patches = PatchDataset.open(study / "patches" if dataset is None else dataset)
    if context is None and dataset is None and (study / "context" / "context.json").is_file():
        context = study / "context"
    around = None if context is None else open_context(context)
    with _common.progress_bars() as progress:
        findings = explore(patches, around, settings=settings, progress=progress)
        page = write_report(findings, folder, n_processes=2, overwrite=overwrite, progress=progress)
    _common.print_result(
        _summary(findings, page), as_json=json_, describe=lambda: _describe(findings, page)
    )


def _settings(chosen: dict[str, Any]) -> "ExploreSettings":
    from minewatch.explore import ExploreSettings

    return ExploreSettings(**{key: value for key, value in chosen.items() if value is not None})


def _summary(findings: "Findings", page: Path) -> dict[str, Any]:
    return {
        "report": str(page),
        "findings": str(page.with_name("findings.json")),
        "header": dict(findings.header),
        "sections": [
            {
                "key": section.key,
                "title": section.title,
                "seen": section.seen,
                "advice": section.advice,
                "missing": section.missing,
            }
            for section in findings.sections
        ],
    }


def _describe(findings: "Findings", page: Path) -> str:
    lines = [f"{section.title}: {section.seen}" for section in findings.sections]
    return "\n".join([*lines, "", f"Report:  {page}", f"Numbers: {page.parent}"])
