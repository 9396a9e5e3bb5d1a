"""The stage `model`: a detector trained on a study's patches, and what is known of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from minewatch._figures import format_interval
from minewatch._progress import Progress
from minewatch.errors import SettingsError
from minewatch.patches import PatchDataset
from minewatch.study._model_section import ModelSection
from minewatch.study._settings import StudySettings
from minewatch.study._stage import DATASET, Stage, required

if TYPE_CHECKING:
    from minewatch.model._blocks import Splitter
    from minewatch.model._train import Trained

FOLDER: Final = "models"
MEASURES: Final = "context/measures.parquet"
TREES: Final = "trees"
WITH_CONTEXT: Final = "trees-context"
REPORT: Final = f"{FOLDER}/report"


def _section(settings: StudySettings) -> ModelSection:
    if settings.model is None:
        raise SettingsError("study.toml has no section [model]")
    return settings.model


def _inputs(study: Path, settings: StudySettings) -> list[Path]:
    region = _section(settings).region
    files = [study / DATASET / "dataset.json", study / DATASET / "sites.parquet"]
    files += [study / MEASURES] if (study / MEASURES).is_file() else []
    return files + ([] if region is None else required(study, (region,), "model.region"))


def _make(study: Path, settings: StudySettings, progress: Progress) -> str:
    section = _section(settings)
    dataset, context = PatchDataset.open(study / DATASET), _read_context(study)
    splitter = _splitter(study, section, dataset)
    trained = _train(study, section, dataset, splitter, None, progress)
    words = [_words(TREES, trained)]
    if context is not None:
        trained = _train(study, section, dataset, splitter, context, progress)
        words.append(_words(WITH_CONTEXT, trained))
    _report(study, section, dataset, splitter, context, trained, progress)
    return f"AUC {', '.join(words)}; {splitter.describe()}"


def _words(name: str, trained: "Trained") -> str:
    return f"{name} {format_interval(*trained.evaluation.value(name, 'roc_auc'))}"


def _train(
    study: Path,
    section: ModelSection,
    dataset: PatchDataset,
    splitter: "Splitter",
    context: pd.DataFrame | None,
    progress: Progress,
) -> "Trained":
    from minewatch.model._train import TrainSettings, train_detector
    from minewatch.model._trees import TreeDetector

    name = TREES if context is None else WITH_CONTEXT
    return train_detector(
        TreeDetector(n_trees=section.n_trees, random_state=section.random_state),
        dataset,
        study / FOLDER / name,
        splitter=splitter,
        context=context,
        settings=TrainSettings(name=name, random_state=section.random_state),
        overwrite=True,
        progress=progress,
    )


def _splitter(study: Path, section: ModelSection, dataset: PatchDataset) -> "Splitter":
    from minewatch.model._blocks import BlockKFold, RegionHoldout
    from minewatch.model._blocks_groups import DEFAULT_BUFFER_M

    header = dataset.header
    side_m = (header.size_px + 1) * header.resolution_m
    buffer_m = max(DEFAULT_BUFFER_M, side_m * 2.0**0.5)
    shared: dict[str, Any] = {
        "buffer_m": buffer_m,
        "group_column": section.group_column,
        "random_state": section.random_state,
    }
    if section.region is not None:
        return RegionHoldout(study / section.region, **shared)
    return BlockKFold(section.n_splits, section.block_m, **shared)


def _read_context(study: Path) -> pd.DataFrame | None:
    """Read what was measured of context; columns that name the target are left out."""
    from minewatch.model._context_table import TARGET_PREFIX, read_context_table

    if not (study / MEASURES).is_file():
        return None
    table = read_context_table((study / MEASURES).parent)
    return table[[name for name in table if not str(name).startswith(TARGET_PREFIX)]]


def _report(
    study: Path,
    section: ModelSection,
    dataset: PatchDataset,
    splitter: "Splitter",
    context: pd.DataFrame | None,
    trained: "Trained",
    progress: Progress,
) -> None:
    from minewatch.model._ablations import run_ablations
    from minewatch.model._blocks import RandomKFold
    from minewatch.model._compare import compare_splitters, learning_curve, usual_splitters
    from minewatch.model._evaluate import score_by_confuser
    from minewatch.model._evaluation import write_evaluation
    from minewatch.model._explain import ExplainSettings, explain
    from minewatch.model._report import write_model_report
    from minewatch.model._trees import TreeDetector

    name = trained.card.name
    detector = TreeDetector(n_trees=section.n_trees, random_state=section.random_state)
    shared: dict[str, Any] = {
        "context": context, "random_state": section.random_state, "progress": progress,
    }  # fmt: skip
    splitters: dict[str, Splitter] = {"random": RandomKFold(section.n_splits)}
    if section.thorough:
        splitters = usual_splitters(n_splits=section.n_splits, group_column=section.group_column)
    more = {
        "splitters": compare_splitters({name: detector}, dataset, splitters=splitters, **shared)
    }
    if section.confusers is not None:
        kinds = dataset.sites[section.confusers]
        more["by_confuser"] = score_by_confuser(trained.evaluation, kinds)
    if section.thorough:
        more["learning_curve"] = learning_curve(detector, dataset, splitter=splitter, **shared)
    write_evaluation(trained.evaluation, study / FOLDER / "evaluation", more=more, overwrite=True)
    brief = ExplainSettings(n_repeats=1, single_bands=False, n_patches=2, stride_px=8)
    write_model_report(
        trained.evaluation,
        study / REPORT,
        explanation=explain(
            detector,
            dataset,
            splitter=splitter,
            settings=ExplainSettings() if section.thorough else brief,
            **shared,
        ),
        ablations=(
            run_ablations(detector, dataset, splitter=splitter, **shared)
            if section.thorough
            else None
        ),
        more=more,
        detector=trained.path,
        overwrite=True,
        progress=progress,
    )


def _settings(settings: StudySettings) -> Mapping[str, Any]:
    values: dict[str, Any] = _section(settings).model_dump(mode="json")
    return values


MODEL_STAGE: Final = Stage(
    name="model",
    after=("sites", "patches", "context"),
    outputs=(f"{FOLDER}/{TREES}", f"{FOLDER}/evaluation", REPORT),
    settings=_settings,
    inputs=_inputs,
    run=_make,
    wanted=lambda settings: settings.model is not None,
)
"""After the report on the patches."""
