"""The options that the commands of model share, and what is made of them."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from minewatch.cli import _common

if TYPE_CHECKING:
    import pandas as pd

    from minewatch.model import Detector
    from minewatch.model._evaluate_folds import GivenContext
    from minewatch.model._evaluation import EvaluationSettings
    from minewatch.model._folds import FoldSettings
    from minewatch.patches import PatchDataset


class SplitterName(StrEnum):
    """Kinds of folds."""

    blocks = "blocks"
    region = "region"
    clusters = "clusters"
    nearest = "nearest"
    random = "random"


class CalibrationChoice(StrEnum):
    """How scores become probabilities."""

    platt = "platt"
    isotonic = "isotonic"
    none = "none"


class ClassWeightName(StrEnum):
    """What classes weigh in training."""

    balanced = "balanced"
    none = "none"


class SamplingName(StrEnum):
    """Which training patches are learned from."""

    all = "all"
    equal = "equal"


class MeasureName(StrEnum):
    """What is drawn of a layer."""

    presence = "presence"
    distance = "distance"
    both = "both"


DEFAULT_DETECTOR = "ensemble"
"""What is trained and evaluated if nothing is said: best or equal to the best on real patches."""
_NAMES = "ensemble (trees and textures), trees, textures, cnn, fusion, embeddings"
_HELD_OUT = "How sites are held out"
_LEARNED = "How it learns"

Dataset: TypeAlias = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DATASET]", help="A patch dataset with labels; else patches of the study."
    ),
]
Detectors: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--detector",
        metavar="NAME|DIR",
        help=f"{_NAMES}, or the folder of a saved detector; may be given several times. The null "
        f"models always stand beside. Default: {DEFAULT_DETECTOR}.",
    ),
]
DetectorName: TypeAlias = Annotated[
    str, typer.Option("--detector", metavar="NAME", help=f"What to train: {_NAMES}.")
]
DetectorOrSaved: TypeAlias = Annotated[
    str,
    typer.Option(
        "--detector", metavar="NAME|DIR", help=f"{_NAMES}, or the folder of a saved detector."
    ),
]
Kind: TypeAlias = Annotated[
    SplitterName,
    typer.Option("--splitter", help="How sites are held out.", rich_help_panel=_HELD_OUT),
]
Folds: TypeAlias = Annotated[
    int, typer.Option("--folds", min=2, help="Number of folds.", rich_help_panel=_HELD_OUT)
]
BlockM: TypeAlias = Annotated[
    float,
    typer.Option(
        "--block-m",
        help="Side of blocks, metres; 50 km or more to show.",
        rich_help_panel=_HELD_OUT,
    ),
]
ClusterM: TypeAlias = Annotated[
    float,
    typer.Option(
        "--cluster-m", help="Longest step within a cluster, metres.", rich_help_panel=_HELD_OUT
    ),
]
BufferM: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--buffer-m",
        help="Dead zone, metres; else the diagonal of a patch, 700 m at least.",
        rich_help_panel=_HELD_OUT,
    ),
]
RegionFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--region",
        metavar="FILE",
        help="Polygons to hold out, or to match.",
        rich_help_panel=_HELD_OUT,
    ),
]
Group: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--group",
        metavar="COLUMN",
        help="Sites that share its value stay together.",
        rich_help_panel=_HELD_OUT,
    ),
]
ContextPath: TypeAlias = Annotated[
    Path | None,
    typer.Option("--context", metavar="PATH", help="Context table, or the folder of context."),
]
Before: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--before", metavar="DATASET", help="Patches of an earlier date, to be seen beside these."
    ),
]
Channels: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--channels",
        metavar="DIR",
        help="Folder of context, whose layers are to be seen as channels drawn beside the bands.",
    ),
]
Drawn: TypeAlias = Annotated[
    MeasureName,
    typer.Option("--drawn", help="What is drawn of each layer: where it is, how far, or both."),
]
Vectors: TypeAlias = Annotated[
    Path | None,
    typer.Option("--vectors", metavar="FILE", help="Vectors by site_id, for embeddings."),
]
CentreCrop: TypeAlias = Annotated[
    bool,
    typer.Option("--centre-crop", help="Saved detectors: cut larger patches down to their middle."),
]
ClassWeight: TypeAlias = Annotated[
    ClassWeightName,
    typer.Option(
        "--class-weight",
        help="Both classes weigh the same (balanced), or every patch does (none).",
        rich_help_panel=_LEARNED,
    ),
]
Trees: TypeAlias = Annotated[
    int,
    typer.Option("--trees", min=1, help="Number of trees.", rich_help_panel=_LEARNED),
]
Epochs: TypeAlias = Annotated[
    int,
    typer.Option(
        "--epochs",
        min=1,
        help="Most passes of cnn over the training patches.",
        rich_help_panel=_LEARNED,
    ),
]
Sampling: TypeAlias = Annotated[
    SamplingName,
    typer.Option(
        "--sampling",
        help="Learn from all training patches, or from equally many of both classes.",
        rich_help_panel=_LEARNED,
    ),
]
Prevalences: TypeAlias = Annotated[
    list[float] | None,
    typer.Option(
        "--prevalence",
        metavar="SHARE",
        help="Share of mining among all places, to give precision at; may be given several "
        "times. Default: 0.001, 0.01, 0.1.",
    ),
]
Confusers: TypeAlias = Annotated[
    str | None,
    typer.Option("--confusers", metavar="COLUMN", help="Mining against each of its kinds."),
]
By: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--by", metavar="COLUMN", help="Figures by this column of the sites too."),
]
Bands: TypeAlias = Annotated[str | None, typer.Option("--bands", help="Bands to use; else all.")]
Compare: TypeAlias = Annotated[
    bool, typer.Option("--compare", help="Also under random folds, clusters and blocks.")
]
LearningCurve: TypeAlias = Annotated[
    bool, typer.Option("--learning-curve", help="Also with fewer blocks to learn from.")
]
InnerFolds: TypeAlias = Annotated[
    int, typer.Option("--inner-folds", help="Folds that thresholds are chosen on; 0: none.")
]
Calibration: TypeAlias = Annotated[
    CalibrationChoice, typer.Option("--calibration", help="How scores become probabilities.")
]
Resamples: TypeAlias = Annotated[
    int, typer.Option("--resamples", help="Draws of the intervals; 100 or more.")
]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", help="Seed of folds, draws and detectors.")]
Name: TypeAlias = Annotated[str | None, typer.Option("--name", help="The detector's name.")]
Licence: TypeAlias = Annotated[
    str | None,
    typer.Option("--licence", help="SPDX identifier or words, for the card; else not stated."),
]
Repeats: TypeAlias = Annotated[int, typer.Option("--repeats", min=1, help="Shuffles of each part.")]
Shown: TypeAlias = Annotated[
    int, typer.Option("--patches", min=0, help="Patches shown of each kind.")
]
SquarePx: TypeAlias = Annotated[
    int,
    typer.Option("--square-px", min=1, help="Side of the squares that are hidden, pixels."),
]
EvaluationOut: TypeAlias = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="The folder; else models/evaluation of a study."),
]
ReportOut: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="The folder, for a detector, its evaluation and a report; else models of the study.",
    ),
]


def open_patches(
    dataset: Path | None,
    study: Path,
    before: Path | None = None,
    channels: Path | None = None,
    drawn: MeasureName = MeasureName.presence,
) -> "PatchDataset":
    """Open the patches that are named, or those of the study, and what is to be seen beside."""
    from minewatch.model._stacked import open_stacked

    own = study / "patches" if dataset is None else dataset
    return open_stacked(own, before=before, channels=channels, drawn=drawn.value)


def read_context(path: Path | None) -> "pd.DataFrame | None":
    """Read a context table; columns that name the target are left out, and it says so."""
    from minewatch.model._context_table import read_context_table, without_target

    if path is None:
        return None
    table, telling = without_target(read_context_table(path))
    if telling:
        shown = ", ".join(telling[:3]) + (", …" if len(telling) > 3 else "")
        _common.note(f"left out, for they name the target itself: {len(telling)} ({shown})")
    return table


def known_context(
    table: "pd.DataFrame | None", channels: Path | None, study: Path, dataset: Path | None
) -> "GivenContext":
    """Give the table that detectors learn from; else what is known, for a null model alone.

    That is the table of the folder of channels, or the study's own where its patches are taken.
    """
    from minewatch.model._context_table import read_context_table, without_target
    from minewatch.model._evaluate_folds import UnseenContext

    if table is not None:
        return table
    own = study / "context" if dataset is None else None
    for folder in (channels, own):
        if folder is not None and (folder / "measures.parquet").is_file():
            return UnseenContext(without_target(read_context_table(folder))[0])
    return None


def fold_settings(
    kind: SplitterName,
    n_splits: int,
    block_m: float,
    cluster_m: float,
    buffer_m: float | None,
    region: Path | None,
    group: str | None,
    seed: int,
) -> "FoldSettings":
    """Gather what the options say of folds."""
    from minewatch.model._folds import FoldSettings

    return FoldSettings(
        kind=kind.value,
        n_splits=n_splits,
        block_m=block_m,
        cluster_m=cluster_m,
        buffer_m=buffer_m,
        region=region,
        group_column=group,
        random_state=seed,
    )


def make_detector(
    name: str,
    weight: ClassWeightName,
    trees: int,
    epochs: int,
    vectors: Path | None,
    seed: int,
    *,
    context: "pd.DataFrame | None",
    centre_crop: bool = False,
) -> "Detector":
    """Make the detector that the options name."""
    from minewatch.model._kinds import make_detector as make

    return make(
        name,
        class_weight=weight.value,
        n_trees=trees,
        epochs=epochs,
        vectors=vectors,
        has_context=context is not None,
        centre_crop=centre_crop,
        random_state=seed,
    )


def detector_name(detector: str) -> str:
    """Give the name of a detector of which the kind, or a folder, is said."""
    from minewatch.model._kinds import DETECTOR_KINDS

    return detector if detector in DETECTOR_KINDS else Path(detector).resolve().name


def evaluation_settings(
    prevalence: list[float] | None,
    bands: str | None,
    sampling: SamplingName,
    *,
    resamples: int = 1000,
    inner: int = 3,
    calibration: CalibrationChoice = CalibrationChoice.platt,
) -> "EvaluationSettings":
    """Gather what the options say of an evaluation."""
    from minewatch.model._channels import channel_names
    from minewatch.model._evaluation import DEFAULT_SETTINGS, EvaluationSettings

    return EvaluationSettings(
        n_resamples=resamples,
        n_inner=inner,
        calibration=calibration.value,
        prevalences=tuple(prevalence or DEFAULT_SETTINGS.prevalences),
        bands=None if bands is None else channel_names(bands),
        sampling=sampling.value,
    )
