"""Evaluate detectors on sites that were held out, always beside models that cannot know."""

import platform
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import sklearn

from minewatch import __version__
from minewatch._progress import Progress, silent
from minewatch.errors import InputError, MinewatchWarning
from minewatch.model._blocks import Splitter
from minewatch.model._blocks_table import (
    describe_folds,
    describe_unplaced,
    fold_table,
    is_headline,
    why_unplaced,
)
from minewatch.model._detector import Detector
from minewatch.model._evaluate_folds import (
    GivenContext,
    Sample,
    plan_splits,
    read_sample,
    score_folds,
    why_too_few,
)
from minewatch.model._evaluate_tables import (
    PART_COLUMNS,
    Resampling,
    calibration_tables,
    differences_table,
    distance_table,
    metrics_table,
    part_rows,
)
from minewatch.model._evaluation import DEFAULT_SETTINGS, Evaluation, EvaluationSettings
from minewatch.model._nulls import NULL_KINDS, NullDetector, why_no_coordinates
from minewatch.model._onnx import OnnxDetector
from minewatch.model._own_sites import LeakingEvaluationWarning, describe_own_sites
from minewatch.patches import PatchDataset

NULL_PREFIX = "null: "
"""Names of null models begin with it."""
NEAR_FOLDS = (
    "these folds are no ground for a figure to show; take a region held out, or blocks of at least "
    "50 km"
)
"""Why an evaluation is no headline, where test sites lie near training sites."""
_NO_CONTEXT = "there is no null model of context"


class DeadZoneWarning(MinewatchWarning):
    """The dead zone of a splitter is so narrow that a training patch may overlap a test patch."""


def cross_validate(
    detector: Detector | Mapping[str, Detector],
    dataset: PatchDataset,
    *,
    splitter: Splitter,
    context: GivenContext = None,
    nulls: bool = True,
    settings: EvaluationSettings = DEFAULT_SETTINGS,
    random_state: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Train on some sites, score those held out, and say how good the scores are and how sure.

    Thresholds and calibration are chosen inside the training sites of each fold, on folds of the
    same kind: nothing is chosen on test sites. Intervals resample whole blocks, the same draws for
    all models, and are widened because models of different folds share training sites. Unlabelled
    sites are left out.

    ``roc_auc`` ranks the scores of all folds together, as other studies do. Models of different
    folds need not score alike: where a block is rich in mining, the others are poorer, so that the
    majority model scores below 0.5. ``roc_auc_within_folds`` compares only what one model scored.

    Parameters
    ----------
    detector
        A detector, or several by name, which are then compared with each other. Each fold trains a
        fresh copy; a saved detector is asked as it is, and its scores mean something only on sites
        that it did not learn from: else a `LeakingEvaluationWarning` and a note say so, and the
        evaluation is no headline.
    dataset
        Patches with labels.
    splitter
        How sites are held out.
    context
        The context table, index site_id; it must hold all labelled sites. As `UnseenContext`, the
        null model of context alone sees it.
    nulls
        Evaluate the null models too: majority, coordinates, mean colour, and context if there is
        any. Leave them out only where they stand beside already.
    settings
        Resamples, inner folds, calibration, operating points, bands.
    random_state
        Seed of the resamples and of the null models; detectors keep their own.
    progress
        Told of the folds that were trained and scored.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If a class is missing, from the dataset or from the training sites of a fold.

    Examples
    --------
    >>> import tempfile
    >>> from minewatch import patches, toy
    >>> from minewatch.model._blocks import BlockKFold
    >>> valley = toy.Valley(seed=1)
    >>> sites = valley.sites(20, 40)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dataset = patches.write_patches(
    ...         f"{folder}/d", sites, valley.pixels(sites), bands="l2a-12", level="L2A"
    ...     )
    ...     found = cross_validate(
    ...         NullDetector("mean colour"), dataset, splitter=BlockKFold(3, block_m=8_000)
    ...     )
    >>> found.models
    ('NullDetector', 'null: majority', 'null: coordinates', 'null: mean colour')
    >>> auc, low, high = found.value("NullDetector", "roc_auc")
    >>> 0 <= low <= auc <= high <= 1
    True
    """
    detectors = _named(detector)
    sample = read_sample(
        dataset,
        context,
        settings.bands,
        splitter=splitter,
        sampling=settings.sampling,
        random_state=random_state,
    )
    _warn_of_overlap(splitter, dataset)
    splits, notes = plan_splits(sample, splitter, settings.n_inner)
    notes += filter(None, [describe_unplaced(splitter, sample.sites)])
    beside = _with_unseen(sample, notes) if nulls else sample
    models = {**detectors, **(_nulls(beside, random_state, notes) if nulls else {})}
    total, done = len(models) * len(splits), 0
    parts = []

    def told() -> None:
        nonlocal done
        done += 1
        progress("evaluate", done, total)

    progress("evaluate", 0, total)
    for name, model in models.items():
        own = sample if name in detectors else beside
        parts.append(score_folds(name, model, own, splits, settings, told))
    predictions = pd.concat([part for part, _ in parts], ignore_index=True)
    blocks = splitter.blocks(sample.sites)
    predictions.insert(3, "block", blocks.loc[predictions["site_id"]].to_numpy())
    thresholds = pd.concat([part for _, part in parts], ignore_index=True)
    remembered = _remembered(detectors, dataset)
    for sentence in remembered:
        warnings.warn(sentence, LeakingEvaluationWarning, stacklevel=2)
    notes += remembered
    why_not: str | None = NEAR_FOLDS
    if is_headline(splitter):
        why_not = why_too_few(sample, splits) or why_unplaced(splitter, sample.sites)
    header = _header(sample, dataset, splitter, settings, random_state) | {
        "models": list(models),
        "detectors": {name: _describe(model) for name, model in detectors.items()},
        "notes": notes,
        "headline": why_not is None and not remembered,
        "why_no_headline": why_not or "",
    }
    folds = _quiet_fold_table(splitter, sample)
    return _tabulate(predictions, thresholds, folds, header, len(detectors))


def _tabulate(
    predictions: pd.DataFrame,
    thresholds: pd.DataFrame,
    folds: pd.DataFrame,
    header: Mapping[str, Any],
    n_detectors: int,
) -> Evaluation:
    settings = EvaluationSettings(**header["settings"])
    resampling = Resampling.of(predictions, settings, header["random_state"])
    metrics, measured = metrics_table(predictions, resampling)
    return Evaluation(
        predictions=predictions,
        metrics=metrics,
        differences=differences_table(predictions, measured, resampling, n_detectors),
        thresholds=thresholds,
        calibration=calibration_tables(predictions, resampling),
        by_distance=distance_table(predictions, resampling),
        folds=folds,
        header=header,
    )


def score_on(evaluation: Evaluation, site_ids: pd.Index) -> Evaluation:
    """Give an evaluation of some of its sites alone: of one period, one region, one source.

    Scores stay those of the models that learned from all training sites of their fold.

    Parameters
    ----------
    evaluation
        What was found.
    site_ids
        The sites wanted; those that were not tested are left out.

    Raises
    ------
    InputError
        If they lack a class.
    """
    predictions = evaluation.predictions
    kept = predictions[predictions["site_id"].isin(site_ids)].reset_index(drop=True)
    if kept["label"].nunique() < 2:
        raise InputError(
            f"{kept['site_id'].nunique()} of the sites were tested, and they lack a class; "
            "expected both"
        )
    n_sites = int(kept["site_id"].nunique())
    header = {**evaluation.header, "n_sites_of_all": n_sites}
    folds = evaluation.folds[evaluation.folds["site_id"].isin(site_ids)].reset_index(drop=True)
    n_detectors = len(evaluation.header["detectors"])
    return _tabulate(kept, evaluation.thresholds, folds, header, n_detectors)


def score_by(evaluation: Evaluation, groups: pd.Series) -> pd.DataFrame:
    """Tabulate figures by group of sites: by region, period, source.

    Parameters
    ----------
    evaluation
        What was found.
    groups
        Index site_id: the group of each site; those without are left out.

    Returns
    -------
    DataFrame
        `model`, `group`, `n_sites`, `n_mining`, `n_blocks`, and `roc_auc`, `sensitivity` and
        `specificity` (at the threshold ``f1``), each with ``_low`` and ``_high``; NaN where a class
        is missing.
    """
    return _by_group(evaluation, groups, keep_mining=False)


def score_by_confuser(evaluation: Evaluation, kinds: pd.Series) -> pd.DataFrame:
    """Tabulate how well mining is told from each kind of ground that is not mining.

    Parameters
    ----------
    evaluation
        What was found.
    kinds
        Index site_id: what a site without mining shows (town, river bank, airstrip). Sites without
        a kind are left out; those with mining are compared with each kind in turn.

    Returns
    -------
    DataFrame
        As from `score_by`, one row for each model and kind; `specificity` is the share of that kind
        that is not taken for mining, and `n_of_kind` the number of its sites.
    """
    table = _by_group(evaluation, kinds, keep_mining=True)
    table.insert(3, "n_of_kind", table["n_sites"] - table["n_mining"])
    return table


def _by_group(evaluation: Evaluation, groups: pd.Series, *, keep_mining: bool) -> pd.DataFrame:
    predictions = evaluation.predictions
    resampling = Resampling.of(predictions, evaluation.settings, evaluation.header["random_state"])
    own = groups.reindex(predictions["site_id"]).astype("str")
    is_mining = (predictions["label"] == 1).to_numpy(dtype=np.bool_)
    own = own.mask(is_mining & keep_mining)
    rows = []
    for group in sorted(own.dropna().unique()):
        inside = (own == group).to_numpy(dtype=np.bool_, na_value=False)
        inside = inside | (is_mining & keep_mining)
        part = part_rows(predictions, inside, resampling)
        rows += [{"group": group, **row} for row in part]
    return pd.DataFrame(rows, columns=["model", "group", *PART_COLUMNS])


def _named(detector: Detector | Mapping[str, Detector]) -> dict[str, Detector]:
    if not isinstance(detector, Mapping):
        return {_name_of(detector): detector}
    taken = [name for name in detector if name.startswith(NULL_PREFIX)]
    if taken or not detector:
        raise InputError(
            f"detectors are named {', '.join(map(repr, detector)) or 'nothing'}; expected at least "
            f"one, and no name that begins with {NULL_PREFIX!r}"
        )
    return dict(detector)


def _remembered(detectors: Mapping[str, Detector], dataset: PatchDataset) -> list[str]:
    """Say of each saved detector that it learned from these sites, if it did."""
    saved = [one for one in detectors.values() if isinstance(one, OnnxDetector)]
    return [sentence for one in saved if (sentence := describe_own_sites(one, dataset))]


def _name_of(detector: Detector) -> str:
    return detector.card.name if isinstance(detector, OnnxDetector) else type(detector).__name__


def _with_unseen(sample: Sample, notes: list[str]) -> Sample:
    """Give what null models see: context that detectors do not see too."""
    if sample.unseen is None:
        return sample
    missing = sample.labels.index.difference(sample.unseen.index)
    if not len(missing):
        return replace(sample, context=sample.unseen.loc[sample.labels.index])
    notes.append(
        f"{_NO_CONTEXT}, for the context table lacks {len(missing)} of "
        f"{len(sample.labels)} sites, {missing[0]!r} among them"
    )
    return sample


def _nulls(sample: Sample, random_state: int, notes: list[str]) -> dict[str, Detector]:
    kinds = list(NULL_KINDS)
    if sample.context is None:
        kinds.remove("context")
        if not any(note.startswith(_NO_CONTEXT) for note in notes):
            notes.append(f"{_NO_CONTEXT}, for no context table was given")
    why_not = why_no_coordinates(sample.labels, sample.places)
    if why_not:
        kinds.remove("coordinates")
        notes.append(f"there is no null model of coordinates, for {why_not}")
    return {f"{NULL_PREFIX}{kind}": NullDetector(kind, random_state=random_state) for kind in kinds}


def _warn_of_overlap(splitter: Splitter, dataset: PatchDataset) -> None:
    buffer_m = getattr(splitter, "buffer_m", None)
    header = dataset.header
    diagonal_m = header.size_px * header.resolution_m * float(np.sqrt(2.0))
    if buffer_m is not None and buffer_m < diagonal_m:
        warnings.warn(
            f"the dead zone is {buffer_m:g} m and the diagonal of a patch {diagonal_m:.0f} m: "
            f"training patches may overlap test patches; give buffer_m={np.ceil(diagonal_m):g} or "
            "more",
            DeadZoneWarning,
            stacklevel=3,
        )


def _quiet_fold_table(splitter: Splitter, sample: Sample) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MinewatchWarning)  # said already, when splitting
        return fold_table(splitter, sample.sites)


def _header(
    sample: Sample,
    dataset: PatchDataset,
    splitter: Splitter,
    settings: EvaluationSettings,
    random_state: int,
) -> dict[str, Any]:
    header = dataset.header
    return {
        "minewatch": __version__,
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "dataset": dataset.path.name,
        "dataset_digest": header.digest,
        "sites_digest": header.sites_digest,
        "level": header.level,
        "bands": [str(name) for name in sample.pixels["band"].to_numpy()],
        "size_px": header.size_px,
        "resolution_m": header.resolution_m,
        **sample.period(dataset),
        "n_sites": len(sample.labels),
        "n_mining": int(sample.labels.sum()),
        "context_columns": [] if sample.context is None else [str(c) for c in sample.context],
        "splitter": describe_folds(splitter, sample.sites),
        "splitter_settings": {"class": type(splitter).__name__, "text": repr(splitter)[:2000]},
        "settings": settings.model_dump(mode="json"),
        "random_state": random_state,
    }


def _describe(detector: Detector) -> dict[str, Any]:
    """Say what a detector is, as JSON values."""
    if isinstance(detector, OnnxDetector):
        return {"class": "OnnxDetector", "name": detector.card.name, "digest": detector.card.digest}
    get_params = getattr(detector, "get_params", None)
    settings = get_params(deep=False) if callable(get_params) else {}
    plain = (str, int, float, bool, type(None))
    return {
        "class": type(detector).__name__,
        "settings": {
            key: value if isinstance(value, plain) else repr(value)
            for key, value in settings.items()
        },
    }
