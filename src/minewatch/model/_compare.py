"""The same detector under ever more honest folds, and with ever more places to learn from."""

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd

from minewatch._progress import Progress, silent
from minewatch.errors import InputError
from minewatch.model._blocks import (
    BlockKFold,
    ClusterKFold,
    LeakingSplitWarning,
    RandomKFold,
    RegionHoldout,
    Splitter,
)
from minewatch.model._blocks_groups import DEFAULT_BUFFER_M
from minewatch.model._blocks_table import is_headline
from minewatch.model._detector import Detector
from minewatch.model._evaluate import cross_validate
from minewatch.model._evaluate_folds import (
    GivenContext,
    Sample,
    plan_splits,
    read_sample,
    score_rows,
)
from minewatch.model._evaluate_tables import Resampling, measure
from minewatch.model._evaluation import DEFAULT_SETTINGS, EvaluationSettings
from minewatch.patches import PatchDataset
from minewatch.sites._regions import Region
from minewatch.types import IntArray

SHARES = (0.125, 0.25, 0.5, 1.0)
"""Shares of the training blocks that a learning curve is drawn for."""
_COLUMNS = (
    "folds", "splitter", "headline", "model", "roc_auc", "roc_auc_low", "roc_auc_high",
    "average_precision", "average_precision_low", "average_precision_high", "n_sites", "n_mining",
    "n_blocks", "median_to_train_m", "least_to_train_m", "note",
)  # fmt: skip


def usual_splitters(
    *,
    n_splits: int = 5,
    region: Region | None = None,
    buffer_m: float = DEFAULT_BUFFER_M,
    group_column: str | None = None,
    random_state: int = 0,
) -> dict[str, Splitter]:
    """Give the row of splitters that a report shows, from the one that leaks most.

    Parameters
    ----------
    n_splits
        Folds of each.
    region
        A region to hold out, if there is one.
    buffer_m
        Dead zone around test sites, metres; random folds have none.
    group_column, random_state
        As in `BlockKFold`.

    Examples
    --------
    >>> list(usual_splitters())
    ['random', 'clusters 3 km', 'blocks 50 km', 'blocks 100 km']
    """
    told = (buffer_m, group_column, random_state)
    splitters: dict[str, Splitter] = {
        "random": RandomKFold(n_splits, random_state, group_column),
        "clusters 3 km": ClusterKFold(n_splits, 3_000.0, *told),
        "blocks 50 km": BlockKFold(n_splits, 50_000.0, *told),
        "blocks 100 km": BlockKFold(n_splits, 100_000.0, *told),
    }
    if region is not None:
        splitters["region held out"] = RegionHoldout(
            region, buffer_m, group_column=group_column, random_state=random_state
        )
    return splitters


def compare_splitters(
    detector: Detector | Mapping[str, Detector],
    dataset: PatchDataset,
    *,
    splitters: Mapping[str, Splitter] | None = None,
    context: GivenContext = None,
    settings: EvaluationSettings = DEFAULT_SETTINGS,
    random_state: int = 0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Evaluate a detector and the null models under several kinds of folds, side by side.

    What a detector gains from random folds over wide blocks is what nearness gives away [1]_. Only
    a region held out, or blocks of at least 50 km, may stand at the head of a report (`headline`),
    and only with enough sites of both classes. No thresholds are chosen.

    Parameters
    ----------
    detector, dataset, context, settings, random_state, progress
        As in `cross_validate`.
    splitters
        By name, in the order of the rows; None: `usual_splitters`.

    Returns
    -------
    DataFrame
        One row for each splitter and model: ``roc_auc`` and ``average_precision`` with intervals,
        the median and least distance from test sites to training sites (metres), and `note`: why
        there is no figure, where these folds cannot be made.

    References
    ----------
    .. [1] Ploton, P. et al. (2020). Spatial validation reveals poor predictive performance of
       large-scale ecological mapping models. Nature Communications 11, 4540.
    """
    plain = settings.model_copy(update={"n_inner": 0})
    rows: list[dict[str, object]] = []
    for name, splitter in (splitters or usual_splitters()).items():
        about = {
            "folds": name,
            "splitter": splitter.describe(),
            "headline": is_headline(splitter),
        }
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LeakingSplitWarning)  # the table is the warning
                found = cross_validate(
                    detector,
                    dataset,
                    splitter=splitter,
                    context=context,
                    settings=plain,
                    random_state=random_state,
                    progress=progress,
                )
        except InputError as error:
            rows.append({**about, "note": str(error)})
            continue
        about |= {key: found.header[key] for key in ("splitter", "headline")}
        nearest = found.folds.loc[found.folds["role"] == "test", "nearest_train_m"]
        for model in found.models:
            row = {**about, "model": model, "note": ""}
            for metric in ("roc_auc", "average_precision"):
                row |= _ends(metric, *found.value(model, metric))
            counts = found.metrics[found.metrics["model"] == model].iloc[0]
            row |= {key: int(counts[key]) for key in ("n_sites", "n_mining", "n_blocks")}
            row |= {"median_to_train_m": nearest.median(), "least_to_train_m": nearest.min()}
            rows.append(row)
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _ends(metric: str, value: float, low: float, high: float) -> dict[str, object]:
    return {metric: value, f"{metric}_low": low, f"{metric}_high": high}


def learning_curve(
    detector: Detector,
    dataset: PatchDataset,
    *,
    splitter: Splitter,
    context: GivenContext = None,
    shares: tuple[float, ...] = SHARES,
    settings: EvaluationSettings = DEFAULT_SETTINGS,
    random_state: int = 0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Measure what a detector scores if it learns from fewer blocks.

    In every fold whole blocks are left out of training, in an order drawn from the seed; smaller
    shares are parts of larger ones. If the curve still rises at its end, more places would help.

    Parameters
    ----------
    detector, dataset, splitter, context, settings, random_state, progress
        As in `cross_validate`.
    shares
        Shares of the training blocks, above 0, at most 1.

    Returns
    -------
    DataFrame
        By share: `n_train_blocks` and `n_train_sites` (means over folds), ``roc_auc`` and
        ``average_precision`` with intervals. Folds whose part lacks a class are left out of both,
        and `n_folds` counts the others; no row if none is left.
    """
    if not all(0 < share <= 1 for share in shares):
        raise InputError(f"shares are {shares}; expected numbers above 0 and at most 1")
    sample = read_sample(
        dataset,
        context,
        settings.bands,
        splitter=splitter,
        sampling=settings.sampling,
        random_state=random_state,
    )
    splits, _ = plan_splits(sample, splitter, 0)
    blocks = splitter.blocks(sample.sites)
    orders = [_order_of_blocks(blocks.iloc[split.train], random_state) for split in splits]
    rows = []
    progress("learning curve", 0, len(shares))
    for number, share in enumerate(sorted(shares), start=1):
        parts = [
            (split.fold, _first_blocks(blocks, split.train, order, share), split.test)
            for split, order in zip(splits, orders, strict=True)
        ]
        row = _curve_row(detector, sample, blocks, parts, settings, random_state)
        if row is not None:
            rows.append({"share": share, **row})
        progress("learning curve", number, len(shares))
    return pd.DataFrame(rows)


def _order_of_blocks(blocks: "pd.Series[str]", random_state: int) -> list[str]:
    names = sorted(blocks.unique())
    return [names[i] for i in np.random.default_rng(random_state).permutation(len(names))]


def _first_blocks(
    blocks: "pd.Series[str]", train: IntArray, order: list[str], share: float
) -> IntArray:
    kept = order[: max(1, round(share * len(order)))]
    return train[blocks.iloc[train].isin(kept).to_numpy(dtype=np.bool_)]


def _curve_row(
    detector: Detector,
    sample: Sample,
    blocks: "pd.Series[str]",
    parts: list[tuple[int, IntArray, IntArray]],
    settings: EvaluationSettings,
    random_state: int,
) -> dict[str, object] | None:
    usable = [part for part in parts if sample.labels.iloc[part[1]].nunique() == 2]
    if not usable:
        return None
    scores = score_rows(detector, sample, [(train, test) for _, train, test in usable])
    tables = [
        pd.DataFrame(
            {
                "fold": fold,
                "block": blocks.iloc[test].to_numpy(),
                "label": sample.labels.iloc[test].to_numpy(),
                "score": score,
                "probability": score,
            }
        )
        for (fold, _, test), score in zip(usable, scores, strict=True)
    ]
    predictions = pd.concat(tables, ignore_index=True)
    resampling = Resampling.of(predictions, settings, random_state)
    figures = measure(predictions, resampling)
    row: dict[str, object] = {
        "n_folds": len(usable),
        "n_train_blocks": float(np.mean([blocks.iloc[t].nunique() for _, t, _ in usable])),
        "n_train_sites": float(np.mean([len(train) for _, train, _ in usable])),
    }
    for metric in ("roc_auc", "average_precision"):
        values = figures.by_key[metric, "", None]
        ends = resampling.interval(float(values[0]), values[1:], figures.scored.n_scarce)
        row |= _ends(metric, float(values[0]), *ends)
    return row
