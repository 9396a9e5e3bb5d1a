"""The command ``model evaluate``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minewatch.cli import _common
from minewatch.cli import _model_options as options

if TYPE_CHECKING:
    import pandas as pd

    from minewatch.model import Detector
    from minewatch.model._beside import BesideSettings
    from minewatch.model._evaluate_folds import GivenContext
    from minewatch.model._evaluation import Evaluation, EvaluationSettings
    from minewatch.model._folds import FoldSettings
    from minewatch.patches import PatchDataset


def evaluate(
    *,
    dataset: options.Dataset = None,
    detector: options.Detectors = None,
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
    bands: options.Bands = None,
    by: options.By = None,
    confusers: options.Confusers = None,
    compare: options.Compare = False,
    curve: options.LearningCurve = False,
    inner: options.InnerFolds = 3,
    calibration: options.Calibration = options.CalibrationChoice.platt,
    prevalence: options.Prevalences = None,
    resamples: options.Resamples = 1000,
    seed: options.Seed = 0,
    study: _common.StudyOption = Path(),
    out: options.EvaluationOut = None,
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Say how good detectors are on places held out, beside models that cannot know."""
    from minewatch._store import refuse_existing
    from minewatch.model._beside import BesideSettings, check_columns
    from minewatch.model._evaluation import OURS

    folder = study / "models" / "evaluation" if out is None else out
    refuse_existing(folder, overwrite=overwrite, ours=OURS)
    patches = options.open_patches(dataset, study, before, channels, drawn)
    table = options.read_context(context)
    held_out = options.fold_settings(
        splitter, folds, block_m, cluster_m, buffer_m, region, group, seed
    )
    settings = options.evaluation_settings(
        prevalence, bands, sampling, resamples=resamples, inner=inner, calibration=calibration,
    )  # fmt: skip
    asked = BesideSettings(
        by=tuple(by or ()), confusers=confusers, learning_curve=curve,
        splitters="usual" if compare else "none",
    )  # fmt: skip
    check_columns(patches, asked)
    learners = (class_weight, trees, epochs, vectors, seed)
    detectors = {
        options.detector_name(one): options.make_detector(
            one, *learners, context=table, centre_crop=centre_crop
        )
        for one in detector or [options.DEFAULT_DETECTOR]
    }
    known = options.known_context(table, channels, study, dataset)
    run = _Run(patches, detectors, held_out, known)
    found, more = run.evaluate(settings, asked, seed, folder, overwrite=overwrite)
    _common.print_result(
        _summary(found, folder), as_json=json_, describe=lambda: _describe(found, more, folder)
    )


@dataclass(frozen=True)
class _Run:
    """What is evaluated."""

    patches: "PatchDataset"
    detectors: "dict[str, Detector]"
    held_out: "FoldSettings"
    context: "GivenContext"

    def evaluate(
        self,
        settings: "EvaluationSettings",
        asked: "BesideSettings",
        seed: int,
        folder: Path,
        *,
        overwrite: bool,
    ) -> "tuple[Evaluation, dict[str, pd.DataFrame]]":
        """Evaluate, make the tables beside, and write both."""
        from minewatch.model._beside import tables_beside
        from minewatch.model._evaluate import cross_validate
        from minewatch.model._evaluation import write_evaluation
        from minewatch.model._folds import make_splitter

        with _common.progress_bars() as progress:
            found = cross_validate(
                self.detectors,
                self.patches,
                splitter=make_splitter(self.held_out, self.patches),
                context=self.context,
                settings=settings,
                random_state=seed,
                progress=progress,
            )
            more = tables_beside(
                found,
                self.detectors,
                self.patches,
                folds=self.held_out,
                asked=asked,
                context=self.context,
                progress=progress,
            )
            write_evaluation(found, folder, more=more, overwrite=overwrite)
        return found, more


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
