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
    from minewatch.model import Detector
    from minewatch.model._folds import FoldSettings
    from minewatch.model._report_make import ReportSettings
    from minewatch.model._train import Trained

FOLDER: Final = "models"
MEASURES: Final = "context/measures.parquet"
WITH_CONTEXT: Final = "{}-context"
WITH_CHANNELS: Final = "{}-channels"
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
    from minewatch.model._evaluate_folds import UnseenContext
    from minewatch.model._folds import make_splitter
    from minewatch.model._report_make import report_detector
    from minewatch.model._train import train_detector

    section = _section(settings)
    name = section.detector
    dataset, context = PatchDataset.open(study / DATASET), _read_context(study)
    folds, out = _folds(study, section), study / FOLDER
    splitter = make_splitter(folds, dataset)
    found = []
    if context is not None:
        alone = _asked(section, name).training
        found.append(
            train_detector(
                _detector(section), dataset, out / name, splitter=splitter,
                context=UnseenContext(context), settings=alone, overwrite=True, progress=progress,
            )
        )  # fmt: skip
        if section.channels:
            found.append(_train_channels(study, section, context, folds, progress))
    made = report_detector(
        _detector(section),
        dataset,
        out,
        folds=folds,
        context=context,
        settings=_asked(section, name if context is None else WITH_CONTEXT.format(name)),
        overwrite=True,
        progress=progress,
    )
    words = [_words(one) for one in (*found, made.trained)]
    return f"AUC {', '.join(words)}; {splitter.describe()}"


def _train_channels(
    study: Path,
    section: ModelSection,
    context: pd.DataFrame,
    folds: "FoldSettings",
    progress: Progress,
) -> "Trained":
    """Train on context that is drawn beside the bands; the table is for a null model alone."""
    from minewatch.model._evaluate_folds import UnseenContext
    from minewatch.model._folds import make_splitter
    from minewatch.model._stacked import open_stacked
    from minewatch.model._train import train_detector

    name = WITH_CHANNELS.format(section.detector)
    stacked = open_stacked(study / DATASET, channels=(study / MEASURES).parent, drawn="all")
    return train_detector(
        _detector(section),
        stacked,
        study / FOLDER / name,
        splitter=make_splitter(folds, stacked),
        context=UnseenContext(context),
        settings=_asked(section, name).training,
        overwrite=True,
        progress=progress,
    )


def _words(trained: "Trained") -> str:
    name = trained.card.name
    return f"{name} {format_interval(*trained.evaluation.value(name, 'roc_auc'))}"


def _detector(section: ModelSection) -> "Detector":
    from minewatch.model._kinds import make_detector

    return make_detector(
        section.detector,
        class_weight=section.class_weight,
        n_trees=section.n_trees,
        random_state=section.random_state,
    )


def _folds(study: Path, section: ModelSection) -> "FoldSettings":
    from minewatch.model._folds import FoldSettings

    return FoldSettings(
        kind="blocks" if section.region is None else "region",
        n_splits=section.n_splits,
        block_m=section.block_m,
        region=None if section.region is None else study / section.region,
        group_column=section.group_column,
        random_state=section.random_state,
    )


def _asked(section: ModelSection, name: str) -> "ReportSettings":
    """Say what is asked of a detector; the brief report takes a minute, the thorough one more."""
    from minewatch.model._ablations import DEFAULT_ABLATIONS
    from minewatch.model._beside import BesideSettings
    from minewatch.model._evaluation import EvaluationSettings
    from minewatch.model._explain import DEFAULT_EXPLAIN, ExplainSettings
    from minewatch.model._report_make import ReportSettings
    from minewatch.model._train import TrainSettings

    brief = ExplainSettings(n_repeats=1, single_bands=False, n_patches=2, stride_px=8)
    evaluation = EvaluationSettings(sampling=section.sampling, prevalences=section.prevalences)
    return ReportSettings(
        training=TrainSettings(
            name=name,
            evaluation=evaluation,
            licence=section.licence,
            random_state=section.random_state,
        ),
        beside=BesideSettings(
            confusers=section.confusers,
            splitters="usual" if section.thorough else "random",
            learning_curve=section.thorough,
        ),
        explanation=DEFAULT_EXPLAIN if section.thorough else brief,
        ablations=DEFAULT_ABLATIONS if section.thorough else None,
    )


def _read_context(study: Path) -> pd.DataFrame | None:
    """Read what was measured of context; columns that name the target are left out."""
    from minewatch.model._context_table import read_context_table, without_target

    if not (study / MEASURES).is_file():
        return None
    return without_target(read_context_table((study / MEASURES).parent))[0]


def _settings(settings: StudySettings) -> Mapping[str, Any]:
    values: dict[str, Any] = _section(settings).model_dump(mode="json")
    return values


MODEL_STAGE: Final = Stage(
    name="model",
    after=("sites", "patches", "context"),
    outputs=(f"{FOLDER}/evaluation", REPORT),
    settings=_settings,
    inputs=_inputs,
    run=_make,
    wanted=lambda settings: settings.model is not None,
    named=lambda settings: (f"{FOLDER}/{_section(settings).detector}",),
)
"""After the report on the patches."""
