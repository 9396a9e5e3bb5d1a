"""The command ``model evaluate``."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minewatch.cli import _common

if TYPE_CHECKING:
    import pandas as pd

    from minewatch.model import Detector
    from minewatch.model._blocks import Splitter
    from minewatch.model._evaluation import Evaluation
    from minewatch.patches import PatchDataset

_DETECTORS = {
    "trees": ("_trees", "TreeDetector"),
    "cnn": ("_cnn", "CnnDetector"),
    "fusion": ("_fusion", "FusionDetector"),
}


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


def evaluate(
    *,
    dataset: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATASET]", help="A patch dataset with labels; else patches of the study."
        ),
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            "--detector",
            metavar="NAME|DIR",
            help="trees, cnn, fusion, or the folder of a saved detector; may be given several "
            "times. The null models always stand beside. Default: trees.",
        ),
    ] = None,
    splitter: Annotated[
        SplitterName, typer.Option("--splitter", help="How sites are held out.")
    ] = SplitterName.blocks,
    folds: Annotated[int, typer.Option("--folds", help="Number of folds.")] = 5,
    block_m: Annotated[
        float, typer.Option("--block-m", help="Side of blocks, metres; 50 km or more to show.")
    ] = 50_000.0,
    cluster_m: Annotated[
        float, typer.Option("--cluster-m", help="Longest step within a cluster, metres.")
    ] = 3_000.0,
    buffer_m: Annotated[
        float | None,
        typer.Option("--buffer-m", help="Dead zone, metres; else the diagonal of a patch."),
    ] = None,
    region: Annotated[
        Path | None,
        typer.Option("--region", metavar="FILE", help="Polygons to hold out, or to match."),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="COLUMN", help="Sites that share its value stay together."),
    ] = None,
    context: Annotated[
        Path | None,
        typer.Option("--context", metavar="PATH", help="Context table, or the folder of context."),
    ] = None,
    bands: Annotated[str | None, typer.Option("--bands", help="Bands to use; else all.")] = None,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="COLUMN", help="Figures by this column of the sites too."),
    ] = None,
    confusers: Annotated[
        str | None,
        typer.Option("--confusers", metavar="COLUMN", help="Mining against each of its kinds."),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also under random folds, clusters and blocks.")
    ] = False,
    curve: Annotated[
        bool, typer.Option("--learning-curve", help="Also with fewer blocks to learn from.")
    ] = False,
    inner: Annotated[
        int, typer.Option("--inner-folds", help="Folds that thresholds are chosen on; 0: none.")
    ] = 3,
    calibration: Annotated[
        CalibrationChoice, typer.Option("--calibration", help="How scores become probabilities.")
    ] = CalibrationChoice.platt,
    resamples: Annotated[int, typer.Option("--resamples", help="Draws of the intervals.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of folds, draws and detectors.")] = 0,
    study: _common.StudyOption = Path(),
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The folder; else models/evaluation of a study."),
    ] = None,
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Say how good detectors are on places held out, beside models that cannot know."""
    from minewatch._store import refuse_existing
    from minewatch.bands import band_names
    from minewatch.model._evaluate import cross_validate
    from minewatch.model._evaluation import OURS, EvaluationSettings, write_evaluation
    from minewatch.patches import PatchDataset

    folder = study / "models" / "evaluation" if out is None else out
    refuse_existing(folder, overwrite=overwrite, ours=OURS)
    patches = PatchDataset.open(study / "patches" if dataset is None else dataset)
    width_m = _dead_zone(patches, buffer_m)
    folds_of = _splitter(splitter, folds, block_m, cluster_m, width_m, region, group, seed)
    table = _context(context)
    settings = EvaluationSettings(
        n_resamples=resamples,
        n_inner=inner,
        calibration=calibration.value,
        bands=None if bands is None else band_names(bands),
    )
    detectors = {_name(name): _detector(name, seed) for name in detector or ["trees"]}
    with _common.progress_bars() as progress:
        shared: dict[str, Any] = {
            "context": table, "settings": settings, "random_state": seed, "progress": progress,
        }  # fmt: skip
        found = cross_validate(detectors, patches, splitter=folds_of, **shared)
        more = _groups(found, patches, by or [], confusers)
        if compare:
            more["splitters"] = _compare(detectors, patches, folds, region, group, seed, shared)
        if curve:
            more |= _curves(detectors, patches, folds_of, shared)
        write_evaluation(found, folder, more=more, overwrite=overwrite)
    _common.print_result(
        _summary(found, folder), as_json=json_, describe=lambda: _describe(found, more, folder)
    )


def _dead_zone(patches: "PatchDataset", buffer_m: float | None) -> float:
    from minewatch.model._blocks_groups import DEFAULT_BUFFER_M

    header = patches.header
    diagonal_m = 1.4143 * (header.size_px * header.resolution_m + header.resolution_m)
    return max(DEFAULT_BUFFER_M, diagonal_m) if buffer_m is None else buffer_m


def _splitter(
    kind: SplitterName,
    n_splits: int,
    block_m: float,
    cluster_m: float,
    buffer_m: float,
    region: Path | None,
    group: str | None,
    seed: int,
) -> "Splitter":
    from minewatch.errors import SettingsError
    from minewatch.model import _blocks
    from minewatch.model._blocks_nndm import NearestNeighbourDistanceKFold

    if kind is SplitterName.region:
        if region is None:
            raise SettingsError("--splitter region needs --region FILE: the polygons to hold out")
        return _blocks.RegionHoldout(region, buffer_m, group_column=group, random_state=seed)
    if kind is SplitterName.clusters:
        return _blocks.ClusterKFold(n_splits, cluster_m, buffer_m, group, seed)
    if kind is SplitterName.nearest:
        return NearestNeighbourDistanceKFold(n_splits, region, buffer_m, random_state=seed)
    if kind is SplitterName.random:
        return _blocks.RandomKFold(n_splits, seed, group)
    return _blocks.BlockKFold(n_splits, block_m, buffer_m, group, seed)


def _name(detector: str) -> str:
    return detector if detector in _DETECTORS else Path(detector).name


def _detector(name: str, seed: int) -> "Detector":
    import importlib

    from minewatch.errors import InputError
    from minewatch.model import load_detector

    if name in _DETECTORS:
        module, kind = _DETECTORS[name]
        made: Detector = getattr(importlib.import_module(f"minewatch.model.{module}"), kind)(
            random_state=seed
        )
        return made
    if not Path(name).is_dir():
        raise InputError(
            f"there is no detector {name!r}; expected {', '.join(_DETECTORS)}, or the folder of a "
            "saved one"
        )
    return load_detector(name)


def _context(path: Path | None) -> "pd.DataFrame | None":
    """Read a context table; columns that name the target are left out."""
    from minewatch.model._context_table import TARGET_PREFIX, read_context_table

    if path is None:
        return None
    table = read_context_table(path)
    telling = [name for name in table.columns if str(name).startswith(TARGET_PREFIX)]
    if telling:
        _common.say(f"left out, for they name the target itself: {', '.join(telling)}")
    return table.drop(columns=telling)


def _groups(
    found: "Evaluation", patches: "PatchDataset", by: list[str], confusers: str | None
) -> dict[str, "pd.DataFrame"]:
    from minewatch.errors import InputError
    from minewatch.model._evaluate import score_by, score_by_confuser

    sites = patches.sites
    missing = [name for name in [*by, confusers] if name is not None and name not in sites]
    if missing:
        raise InputError(f"the sites of {patches.path} have no column {', '.join(missing)}")
    tables = {f"by_{name}": score_by(found, sites[name]) for name in by}
    if confusers is not None:
        tables["by_confuser"] = score_by_confuser(found, sites[confusers])
    return tables


def _compare(
    detectors: "dict[str, Detector]",
    patches: "PatchDataset",
    folds: int,
    region: Path | None,
    group: str | None,
    seed: int,
    shared: dict[str, Any],
) -> "pd.DataFrame":
    from minewatch.model._compare import compare_splitters, usual_splitters

    splitters = usual_splitters(
        n_splits=folds, region=region, group_column=group, random_state=seed
    )
    return compare_splitters(detectors, patches, splitters=splitters, **shared)


def _curves(
    detectors: "dict[str, Detector]",
    patches: "PatchDataset",
    splitter: "Splitter",
    shared: dict[str, Any],
) -> dict[str, "pd.DataFrame"]:
    from minewatch.model import OnnxDetector
    from minewatch.model._compare import learning_curve

    return {
        f"learning_curve_{name}": learning_curve(detector, patches, splitter=splitter, **shared)
        for name, detector in detectors.items()
        if not isinstance(detector, OnnxDetector)
    }


def _summary(found: "Evaluation", folder: Path) -> dict[str, Any]:
    metrics = found.metrics.astype(object).where(found.metrics.notna(), None)
    return {
        "out": str(folder),
        **found.header,
        "metrics": metrics.to_dict(orient="records"),
    }


def _describe(found: "Evaluation", more: "dict[str, pd.DataFrame]", folder: Path) -> str:
    from minewatch.model._evaluation_words import describe_evaluation

    return "\n".join([describe_evaluation(found, more), f"Tables: {folder}"])
