"""The tables that stand beside an evaluation: by group, under other folds, with fewer places."""

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd

from minewatch._progress import Progress, silent
from minewatch.errors import InputError
from minewatch.model._compare import compare_splitters, learning_curve
from minewatch.model._detector import Detector
from minewatch.model._evaluate import score_by, score_by_confuser
from minewatch.model._evaluate_folds import GivenContext
from minewatch.model._evaluation import Evaluation
from minewatch.model._folds import FoldSettings, compared_splitters, make_splitter
from minewatch.model._onnx import OnnxDetector
from minewatch.patches import PatchDataset
from minewatch.types import Settings


class BesideSettings(Settings):
    """Which tables are made beside an evaluation."""

    by: tuple[str, ...] = ()
    """Columns of the sites by whose values figures are given: ``by_<column>``."""
    confusers: str | None = None
    """Column of the sites that says what those without mining show: ``by_confuser``."""
    splitters: Literal["none", "random", "usual"] = "none"
    """Other folds to evaluate under: ``splitters``. ``random`` ones alone, or the ``usual`` row."""
    learning_curve: bool = False
    """Whether detectors are trained on fewer blocks too: ``learning_curve``."""


def tables_beside(
    evaluation: Evaluation,
    detectors: Mapping[str, Detector],
    dataset: PatchDataset,
    *,
    folds: FoldSettings,
    asked: BesideSettings,
    context: GivenContext = None,
    progress: Progress = silent,
) -> dict[str, pd.DataFrame]:
    """Make the tables that are asked for beside an evaluation, by its own settings and seed.

    Parameters
    ----------
    evaluation, detectors, dataset, folds, context
        What was evaluated, of which detectors, on what.
    asked
        Which tables.
    progress
        Told how far it is.

    Returns
    -------
    dict
        Tables by name, as `write_evaluation` and `write_model_report` take them. A learning curve
        bears its detector's name behind its own where there are several; a saved detector, which
        cannot learn again, has none.

    Raises
    ------
    InputError
        If the sites have no such column.
    """
    tables = _by_column(evaluation, dataset, asked)
    how: dict[str, Any] = {
        "context": context,
        "settings": evaluation.settings,
        "random_state": evaluation.header["random_state"],
        "progress": progress,
    }
    if asked.splitters != "none":
        splitters = compared_splitters(folds, dataset)
        if asked.splitters == "random":
            splitters = {"random": splitters["random"]}
        tables["splitters"] = compare_splitters(detectors, dataset, splitters=splitters, **how)
    if asked.learning_curve:
        splitter = make_splitter(folds, dataset)
        for name, detector in detectors.items():
            if not isinstance(detector, OnnxDetector):
                key = "learning_curve" if len(detectors) == 1 else f"learning_curve_{name}"
                tables[key] = learning_curve(detector, dataset, splitter=splitter, **how)
    return tables


def check_columns(dataset: PatchDataset, asked: BesideSettings) -> None:
    """Check, before any work, that the sites have the columns that tables are asked by.

    Raises
    ------
    InputError
        If one is missing.
    """
    names = [*asked.by, *([asked.confusers] if asked.confusers is not None else [])]
    missing = [name for name in names if name not in dataset.sites]
    if missing:
        raise InputError(
            f"the sites of {dataset.path} have no column {', '.join(missing)}; they have "
            f"{', '.join(map(str, dataset.sites.columns))}"
        )


def _by_column(
    evaluation: Evaluation, dataset: PatchDataset, asked: BesideSettings
) -> dict[str, pd.DataFrame]:
    check_columns(dataset, asked)
    tables = {f"by_{name}": score_by(evaluation, dataset.sites[name]) for name in asked.by}
    if asked.confusers is not None:
        tables["by_confuser"] = score_by_confuser(evaluation, dataset.sites[asked.confusers])
    return tables
