"""The commands ``model train``, ``model explain`` and ``model report``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minewatch.cli import _common
from minewatch.cli._model_evaluate import (
    SplitterName,
    _compare,
    _context,
    _curves,
    _dead_zone,
    _detector,
    _groups,
    _splitter,
)

if TYPE_CHECKING:
    import pandas as pd

    from minewatch.model import Card, Detector
    from minewatch.model._blocks import Splitter
    from minewatch.model._explain import Explanation
    from minewatch.model._train import Trained
    from minewatch.patches import PatchDataset

DatasetArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DATASET]", help="A patch dataset with labels; else patches of the study."
    ),
]
DetectorOption = Annotated[
    str,
    typer.Option("--detector", metavar="NAME|DIR", help="trees, cnn, fusion, or a saved one."),
]
KindOption = Annotated[SplitterName, typer.Option("--splitter", help="How sites are held out.")]
FoldsOption = Annotated[int, typer.Option("--folds", help="Number of folds.")]
BlockOption = Annotated[
    float, typer.Option("--block-m", help="Side of blocks, metres; 50 km or more to show.")
]
ClusterOption = Annotated[
    float, typer.Option("--cluster-m", help="Longest step within a cluster, metres.")
]
BufferOption = Annotated[
    float | None,
    typer.Option("--buffer-m", help="Dead zone, metres; else the diagonal of a patch."),
]
RegionOption = Annotated[
    Path | None, typer.Option("--region", metavar="FILE", help="Polygons to hold out, or to match.")
]
GroupOption = Annotated[
    str | None,
    typer.Option("--group", metavar="COLUMN", help="Sites that share its value stay together."),
]
ContextOption = Annotated[
    Path | None,
    typer.Option("--context", metavar="PATH", help="Context table, or the folder of context."),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of folds, draws and detectors.")]
NameOption = Annotated[str | None, typer.Option("--name", help="The detector's name.")]
LicenceOption = Annotated[
    str | None, typer.Option("--licence", help="SPDX identifier or words, for the card.")
]
ColumnOption = Annotated[
    str | None,
    typer.Option("--confusers", metavar="COLUMN", help="Mining against each of its kinds."),
]


def train(
    *,
    dataset: DatasetArgument = None,
    detector: DetectorOption = "trees",
    splitter: KindOption = SplitterName.blocks,
    folds: FoldsOption = 5,
    block_m: BlockOption = 50_000.0,
    cluster_m: ClusterOption = 3_000.0,
    buffer_m: BufferOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
    context: ContextOption = None,
    name: NameOption = None,
    licence: LicenceOption = None,
    seed: SeedOption = 0,
    study: _common.StudyOption = Path(),
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The detector's folder; else models/NAME."),
    ] = None,
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Train a detector on all labelled patches, and write down how good it is on held-out ones."""
    from minewatch._store import file_name
    from minewatch.model._train import TrainSettings, train_detector

    patches, folds_of = _open(
        dataset, study, (splitter, folds, block_m, cluster_m), buffer_m, region, group, seed
    )
    folder = study / "models" / file_name(name or detector) if out is None else out
    settings = TrainSettings(name=name or detector, licence=licence, random_state=seed)
    with _common.progress_bars() as progress:
        trained = train_detector(
            _detector(detector, seed),
            patches,
            folder,
            splitter=folds_of,
            context=_context(context),
            settings=settings,
            overwrite=overwrite,
            progress=progress,
        )
    _print_card(trained.card, folder, as_json=json_)


def explain(
    *,
    dataset: DatasetArgument = None,
    detector: DetectorOption = "trees",
    splitter: KindOption = SplitterName.blocks,
    folds: FoldsOption = 5,
    block_m: BlockOption = 50_000.0,
    cluster_m: ClusterOption = 3_000.0,
    buffer_m: BufferOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
    context: ContextOption = None,
    repeats: Annotated[int, typer.Option("--repeats", help="Shuffles of each part.")] = 3,
    shown: Annotated[int, typer.Option("--patches", help="Patches shown of each kind.")] = 4,
    square_px: Annotated[
        int, typer.Option("--square-px", help="Side of the squares that are hidden, pixels.")
    ] = 8,
    seed: SeedOption = 0,
    study: _common.StudyOption = Path(),
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The folder; else models/explanation."),
    ] = None,
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Say what a detector looks at, where, and show where it is most right and wrong."""
    from minewatch._store import refuse_existing
    from minewatch.model._explain import ExplainSettings
    from minewatch.model._explain import explain as explain_detector
    from minewatch.model._report import OURS, write_explanation

    folder = study / "models" / "explanation" if out is None else out
    refuse_existing(folder, overwrite=overwrite, ours=OURS)
    patches, folds_of = _open(
        dataset, study, (splitter, folds, block_m, cluster_m), buffer_m, region, group, seed
    )
    settings = ExplainSettings(n_repeats=repeats, n_patches=shown, square_px=square_px)
    with _common.progress_bars() as progress:
        found = explain_detector(
            _detector(detector, seed),
            patches,
            splitter=folds_of,
            context=_context(context),
            settings=settings,
            random_state=seed,
            progress=progress,
        )
        page = write_explanation(found, folder, overwrite=overwrite, progress=progress)
    rows = found.importance.astype(object).where(found.importance.notna(), None)
    result = {**found.header, "out": str(page), "importance": rows.to_dict(orient="records")}
    _common.print_result(
        result, as_json=json_, describe=lambda: "\n".join(_describe_parts(found, page))
    )


def report(
    *,
    dataset: DatasetArgument = None,
    detector: DetectorOption = "trees",
    splitter: KindOption = SplitterName.blocks,
    folds: FoldsOption = 5,
    block_m: BlockOption = 50_000.0,
    cluster_m: ClusterOption = 3_000.0,
    buffer_m: BufferOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
    context: ContextOption = None,
    confusers: ColumnOption = None,
    name: NameOption = None,
    seed: SeedOption = 0,
    study: _common.StudyOption = Path(),
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="The folder, for a detector and a report; else models of the study.",
        ),
    ] = None,
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Train, evaluate, compare and explain a detector: one page with all that is known of it."""
    from minewatch._store import refuse_existing
    from minewatch.model._report import OURS
    from minewatch.model._train import TrainSettings, train_detector

    folder = study / "models" if out is None else out
    refuse_existing(folder / "report", overwrite=overwrite, ours=OURS)
    patches, folds_of = _open(
        dataset, study, (splitter, folds, block_m, cluster_m), buffer_m, region, group, seed
    )
    table, made = _context(context), _detector(detector, seed)
    with _common.progress_bars() as progress:
        trained = train_detector(
            made,
            patches,
            folder / (name or detector),
            splitter=folds_of,
            context=table,
            settings=TrainSettings(name=name or detector, random_state=seed),
            overwrite=overwrite,
            progress=progress,
        )
        shared: dict[str, Any] = {"context": table, "random_state": seed, "progress": progress}
        detectors = {name or detector: made}
        more = _groups(trained.evaluation, patches, [], confusers)
        more["splitters"] = _compare(detectors, patches, folds, region, group, seed, shared)
        curve = _curves(detectors, patches, folds_of, shared)
        more["learning_curve"] = next(iter(curve.values()))
        page = _write_report(trained, made, patches, folds_of, folder / "report", more, shared,
                             overwrite=overwrite)  # fmt: skip
    value, low, high = trained.evaluation.value(name or detector, "roc_auc")
    result = {
        "out": str(page), "detector": str(trained.path),
        "roc_auc": {"value": value, "low": low, "high": high},
        "splitter": trained.evaluation.header["splitter"],
    }  # fmt: skip
    _common.print_result(
        result,
        as_json=json_,
        describe=lambda: (
            f"AUC {value:.2f} ({low:.2f}–{high:.2f}); {result['splitter']}\n"
            f"Detector: {trained.path}\nReport: {page}"
        ),
    )


def _write_report(
    trained: "Trained",
    detector: "Detector",
    patches: "PatchDataset",
    splitter: "Splitter",
    out: Path,
    more: "dict[str, pd.DataFrame]",
    shared: dict[str, Any],
    *,
    overwrite: bool,
) -> Path:
    from minewatch.model._ablations import run_ablations
    from minewatch.model._explain import explain as explain_detector
    from minewatch.model._report import write_model_report

    return write_model_report(
        trained.evaluation,
        out,
        explanation=explain_detector(detector, patches, splitter=splitter, **shared),
        ablations=run_ablations(detector, patches, splitter=splitter, **shared),
        more=more,
        detector=trained.path,
        overwrite=overwrite,
        progress=shared["progress"],
    )


def _open(
    dataset: Path | None,
    study: Path,
    how: tuple[SplitterName, int, float, float],
    buffer_m: float | None,
    region: Path | None,
    group: str | None,
    seed: int,
) -> "tuple[PatchDataset, Splitter]":
    from minewatch.patches import PatchDataset

    patches = PatchDataset.open(study / "patches" if dataset is None else dataset)
    return patches, _splitter(*how, _dead_zone(patches, buffer_m), region, group, seed)


def _print_card(card: "Card", folder: Path, *, as_json: bool) -> None:
    from minewatch.cli.model import describe_card

    result = {"out": str(folder), "card": card.model_dump(mode="json")}
    _common.print_result(result, as_json=as_json, describe=lambda: describe_card(card, folder))


def _describe_parts(found: "Explanation", page: Path) -> list[str]:
    from minewatch._figures import format_interval

    table, header = found.importance, found.header
    lines = [
        f"{header['detector']} on {header['n_sites']} patches; {header['splitter']}",
        "AUC lost when a part is shuffled among held-out patches:",
    ]
    width = max(len(part) for part in table["part"])
    lines += [
        f"  {row['part'].ljust(width)}  "
        f"{format_interval(row['drop'], row['drop_low'], row['drop_high'], decimals=3)}"
        for row in table.sort_values("drop", ascending=False).to_dict(orient="records")
    ]
    lines += [f"mind: {note}" for note in header["notes"]]
    return [*lines, f"Report: {page}"]
