"""All that is known of a detector, in one go: train, evaluate, compare, explain, write."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from minewatch._progress import Progress, silent
from minewatch._store import file_name, refuse_existing
from minewatch.model import _evaluation, _onnx, _report
from minewatch.model._ablations import (
    DEFAULT_ABLATIONS,
    Ablations,
    AblationSettings,
    run_ablations,
)
from minewatch.model._beside import BesideSettings, check_columns, tables_beside
from minewatch.model._blocks import Splitter
from minewatch.model._detector import Detector
from minewatch.model._evaluate_folds import GivenContext
from minewatch.model._evaluation import write_evaluation
from minewatch.model._explain import DEFAULT_EXPLAIN, ExplainSettings, Explanation, explain
from minewatch.model._folds import FoldSettings, make_splitter
from minewatch.model._report import write_model_report
from minewatch.model._train import DEFAULT_TRAINING, Trained, TrainSettings, train_detector
from minewatch.patches import PatchDataset
from minewatch.types import Settings, StrPath

EVALUATION = "evaluation"
REPORT = "report"


class ReportSettings(Settings):
    """What a report on a detector holds, besides how it is trained."""

    training: TrainSettings = DEFAULT_TRAINING
    """How the detector is evaluated and trained, and its seed."""
    beside: BesideSettings = BesideSettings(splitters="usual", learning_curve=True)
    """Tables beside the evaluation."""
    explanation: ExplainSettings = DEFAULT_EXPLAIN
    """What it is asked about what it looks at."""
    ablations: AblationSettings | None = DEFAULT_ABLATIONS
    """What it is trained without; None to leave that out."""


DEFAULT_REPORT = ReportSettings()


@dataclass(frozen=True, eq=False)
class Reported:
    """A detector that was trained, and all that was written about it."""

    trained: Trained
    """The detector, its card and its evaluation."""
    tables: Mapping[str, pd.DataFrame]
    """What stands beside the evaluation."""
    page: Path
    """The report."""


def report_detector(
    detector: Detector,
    dataset: PatchDataset,
    out: StrPath,
    *,
    folds: FoldSettings,
    context: GivenContext = None,
    settings: ReportSettings = DEFAULT_REPORT,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Reported:
    """Train a detector, and write down all that is known of it.

    It is evaluated on sites held out, trained on all of them and saved; compared under other folds
    and with fewer places to learn from; explained; and trained again with less of what it sees.

    Parameters
    ----------
    detector
        A detector that is not trained yet, and can be saved.
    dataset
        Patches with labels.
    out
        A folder; in it stand afterwards the detector (by its name), ``evaluation`` and ``report``.
    folds
        How sites are held out.
    context
        The context table, index site_id, if the detector shall learn from it; else, as
        `UnseenContext`, for a null model.
    settings
        What is asked.
    overwrite
        Replace what stands there by these names.
    progress
        Told how far each step is.

    Raises
    ------
    AlreadyThereError
        If one of the three folders exists; before any work.
    InputError
        If the detector cannot be trained or saved, a class is missing, or a column.

    Examples
    --------
    >>> import tempfile
    >>> from minewatch import patches, toy
    >>> from minewatch.model._folds import FoldSettings
    >>> from minewatch.model._trees import TreeDetector
    >>> valley = toy.Valley(seed=1)
    >>> sites = valley.sites(20, 40)
    >>> brief = ReportSettings(
    ...     training=TrainSettings(name="trees"), beside=BesideSettings(), ablations=None,
    ...     explanation=ExplainSettings(n_patches=0, n_repeats=1),
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dataset = patches.write_patches(
    ...         f"{folder}/d", sites, valley.pixels(sites, bands="rgb"), bands="rgb", level="L2A"
    ...     )
    ...     made = report_detector(
    ...         TreeDetector(n_trees=20), dataset, f"{folder}/models",
    ...         folds=FoldSettings(n_splits=3, block_m=8_000), settings=brief,
    ...     )
    ...     sorted(path.name for path in (made.trained.path.parent).iterdir())
    ['evaluation', 'report', 'trees']
    """
    folder, name = Path(out), settings.training.name or type(detector).__name__
    check_places(folder, name, overwrite=overwrite)
    check_columns(dataset, settings.beside)
    splitter = make_splitter(folds, dataset)
    trained = train_detector(
        detector,
        dataset,
        folder / file_name(name),
        splitter=splitter,
        context=context,
        settings=settings.training,
        overwrite=overwrite,
        progress=progress,
    )
    tables = tables_beside(
        trained.evaluation,
        {name: detector},
        dataset,
        folds=folds,
        asked=settings.beside,
        context=context,
        progress=progress,
    )
    write_evaluation(trained.evaluation, folder / EVALUATION, more=tables, overwrite=overwrite)
    page = write_model_report(
        trained.evaluation,
        folder / REPORT,
        explanation=_explain(detector, dataset, splitter, context, settings, progress),
        ablations=_ablate(detector, dataset, splitter, context, settings, progress),
        more=tables,
        detector=trained.path,
        overwrite=overwrite,
        progress=progress,
    )
    return Reported(trained, tables, page)


def check_places(folder: Path, name: str, *, overwrite: bool) -> None:
    """Check, before any work, that a detector and what is known of it may be written.

    Raises
    ------
    AlreadyThereError
        If something is there that may not be replaced.
    """
    places = {
        file_name(name): _onnx.OURS, EVALUATION: _evaluation.OURS, REPORT: _report.OURS,
    }  # fmt: skip
    for part, ours in places.items():
        refuse_existing(folder / part, overwrite=overwrite, ours=ours)


def _explain(
    detector: Detector,
    dataset: PatchDataset,
    splitter: Splitter,
    context: GivenContext,
    settings: ReportSettings,
    progress: Progress,
) -> Explanation:
    evaluation = settings.training.evaluation
    same = {"bands": evaluation.bands, "sampling": evaluation.sampling}
    return explain(
        detector,
        dataset,
        splitter=splitter,
        context=context,
        settings=settings.explanation.model_copy(update=same),
        random_state=settings.training.random_state,
        progress=progress,
    )


def _ablate(
    detector: Detector,
    dataset: PatchDataset,
    splitter: Splitter,
    context: GivenContext,
    settings: ReportSettings,
    progress: Progress,
) -> Ablations | None:
    if settings.ablations is None:
        return None
    sampling = settings.training.evaluation.sampling
    return run_ablations(
        detector,
        dataset,
        splitter=splitter,
        context=context,
        settings=settings.ablations.model_copy(update={"sampling": sampling}),
        random_state=settings.training.random_state,
        progress=progress,
    )
