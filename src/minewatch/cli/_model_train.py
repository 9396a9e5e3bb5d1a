"""The commands ``model train``, ``model explain`` and ``model report``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minewatch.cli import _common
from minewatch.cli import _model_options as options
from minewatch.cli._model_card import print_card

if TYPE_CHECKING:
    from minewatch.model._explain import Explanation
    from minewatch.model._report_make import Reported


def train(
    *,
    dataset: options.Dataset = None,
    detector: options.DetectorName = options.DEFAULT_DETECTOR,
    splitter: options.Kind = options.SplitterName.blocks,
    folds: options.Folds = 5,
    block_m: options.BlockM = 50_000.0,
    cluster_m: options.ClusterM = 3_000.0,
    buffer_m: options.BufferM = None,
    region: options.RegionFile = None,
    group: options.Group = None,
    class_weight: options.ClassWeight = options.ClassWeightName.balanced,
    sampling: options.Sampling = options.SamplingName.all,
    trees: options.Trees = 300,
    epochs: options.Epochs = 40,
    context: options.ContextPath = None,
    before: options.Before = None,
    channels: options.Channels = None,
    drawn: options.Drawn = options.MeasureName.presence,
    vectors: options.Vectors = None,
    bands: options.Bands = None,
    prevalence: options.Prevalences = None,
    name: options.Name = None,
    licence: options.Licence = None,
    seed: options.Seed = 0,
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
    from minewatch.model._folds import make_splitter
    from minewatch.model._train import TrainSettings, train_detector

    called = name or options.detector_name(detector)
    folder = study / "models" / file_name(called) if out is None else out
    patches = options.open_patches(dataset, study, before, channels, drawn)
    table = options.read_context(context)
    held_out = options.fold_settings(
        splitter, folds, block_m, cluster_m, buffer_m, region, group, seed
    )
    settings = TrainSettings(
        name=called, licence=licence, random_state=seed,
        evaluation=options.evaluation_settings(prevalence, bands, sampling),
    )  # fmt: skip
    made = options.make_detector(
        detector, class_weight, trees, epochs, vectors, seed, context=table
    )
    with _common.progress_bars() as progress:
        trained = train_detector(
            made,
            patches,
            folder,
            splitter=make_splitter(held_out, patches),
            context=options.known_context(table, channels, study, dataset),
            settings=settings,
            overwrite=overwrite,
            progress=progress,
        )
    print_card(trained.card, folder, as_json=json_)


def explain(
    *,
    dataset: options.Dataset = None,
    detector: options.DetectorOrSaved = options.DEFAULT_DETECTOR,
    splitter: options.Kind = options.SplitterName.blocks,
    folds: options.Folds = 5,
    block_m: options.BlockM = 50_000.0,
    cluster_m: options.ClusterM = 3_000.0,
    buffer_m: options.BufferM = None,
    region: options.RegionFile = None,
    group: options.Group = None,
    class_weight: options.ClassWeight = options.ClassWeightName.balanced,
    sampling: options.Sampling = options.SamplingName.all,
    trees: options.Trees = 300,
    epochs: options.Epochs = 40,
    context: options.ContextPath = None,
    before: options.Before = None,
    channels: options.Channels = None,
    drawn: options.Drawn = options.MeasureName.presence,
    vectors: options.Vectors = None,
    centre_crop: options.CentreCrop = False,
    repeats: options.Repeats = 3,
    shown: options.Shown = 4,
    square_px: options.SquarePx = 8,
    seed: options.Seed = 0,
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
    from minewatch.model._folds import make_splitter
    from minewatch.model._report import OURS, write_explanation

    folder = study / "models" / "explanation" if out is None else out
    refuse_existing(folder, overwrite=overwrite, ours=OURS)
    patches = options.open_patches(dataset, study, before, channels, drawn)
    table = options.read_context(context)
    held_out = options.fold_settings(
        splitter, folds, block_m, cluster_m, buffer_m, region, group, seed
    )
    made = options.make_detector(
        detector, class_weight, trees, epochs, vectors, seed,
        context=table, centre_crop=centre_crop,
    )  # fmt: skip
    with _common.progress_bars() as progress:
        found = explain_detector(
            made,
            patches,
            splitter=make_splitter(held_out, patches),
            context=table,
            settings=ExplainSettings(
                n_repeats=repeats, n_patches=shown, square_px=square_px, sampling=sampling.value
            ),
            random_state=seed,
            progress=progress,
        )
        page = write_explanation(found, folder, overwrite=overwrite, progress=progress)
    _print_explanation(found, page, as_json=json_)


def _print_explanation(found: "Explanation", page: Path, *, as_json: bool) -> None:
    rows = found.importance.astype(object).where(found.importance.notna(), None)
    result = {**found.header, "out": str(page), "importance": rows.to_dict(orient="records")}
    _common.print_result(
        result, as_json=as_json, describe=lambda: "\n".join(_describe_parts(found, page))
    )


def report(
    *,
    dataset: options.Dataset = None,
    detector: options.DetectorName = options.DEFAULT_DETECTOR,
    splitter: options.Kind = options.SplitterName.blocks,
    folds: options.Folds = 5,
    block_m: options.BlockM = 50_000.0,
    cluster_m: options.ClusterM = 3_000.0,
    buffer_m: options.BufferM = None,
    region: options.RegionFile = None,
    group: options.Group = None,
    class_weight: options.ClassWeight = options.ClassWeightName.balanced,
    sampling: options.Sampling = options.SamplingName.all,
    trees: options.Trees = 300,
    epochs: options.Epochs = 40,
    context: options.ContextPath = None,
    before: options.Before = None,
    channels: options.Channels = None,
    drawn: options.Drawn = options.MeasureName.presence,
    vectors: options.Vectors = None,
    bands: options.Bands = None,
    prevalence: options.Prevalences = None,
    by: options.By = None,
    confusers: options.Confusers = None,
    name: options.Name = None,
    licence: options.Licence = None,
    seed: options.Seed = 0,
    study: _common.StudyOption = Path(),
    out: options.ReportOut = None,
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Train, evaluate, compare and explain a detector: one page with all that is known of it."""
    from minewatch.model._beside import BesideSettings
    from minewatch.model._report_make import ReportSettings, report_detector
    from minewatch.model._train import TrainSettings

    patches = options.open_patches(dataset, study, before, channels, drawn)
    table = options.read_context(context)
    training = TrainSettings(
        name=name or options.detector_name(detector), licence=licence, random_state=seed,
        evaluation=options.evaluation_settings(prevalence, bands, sampling),
    )  # fmt: skip
    beside = BesideSettings(
        by=tuple(by or ()), confusers=confusers, splitters="usual", learning_curve=True
    )
    made = options.make_detector(
        detector, class_weight, trees, epochs, vectors, seed, context=table
    )
    with _common.progress_bars() as progress:
        done = report_detector(
            made,
            patches,
            study / "models" if out is None else out,
            folds=options.fold_settings(
                splitter, folds, block_m, cluster_m, buffer_m, region, group, seed
            ),
            context=options.known_context(table, channels, study, dataset),
            settings=ReportSettings(training=training, beside=beside),
            overwrite=overwrite,
            progress=progress,
        )
    _print_report(done, as_json=json_)


def _print_report(made: "Reported", *, as_json: bool) -> None:
    evaluation, path = made.trained.evaluation, made.trained.path
    value, low, high = evaluation.value(evaluation.models[0], "roc_auc")
    result: dict[str, Any] = {
        "out": str(made.page), "detector": str(path),
        "roc_auc": {"value": value, "low": low, "high": high},
        "splitter": evaluation.header["splitter"],
    }  # fmt: skip
    _common.print_result(
        result,
        as_json=as_json,
        describe=lambda: (
            f"AUC {value:.2f} ({low:.2f}–{high:.2f}); {result['splitter']}\n"
            f"Detector: {path}\nReport: {made.page}"
        ),
    )


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
