"""An evaluation in words, for a person who will act on it."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pandas as pd

from minewatch._figures import MISSING, format_count, format_interval, format_length, format_percent
from minewatch.model._blocks_table import block_word
from minewatch.model._evaluation import Evaluation

_SHOWN: Final = (
    ("AUC", "roc_auc", ""),
    ("within folds", "roc_auc_within_folds", ""),
    ("average precision", "average_precision", ""),
    ("F1", "f1", "f1"),
    ("sensitivity", "sensitivity", "f1"),
    ("specificity", "specificity", "f1"),
    ("Brier", "brier", ""),
)


def describe_evaluation(
    evaluation: Evaluation, more: Mapping[str, pd.DataFrame] | None = None
) -> str:
    """Write what an evaluation found, plainly, the null models beside the detectors.

    Parameters
    ----------
    evaluation
        What was found.
    more
        Further tables; of them ``splitters`` is told.
    """
    parts = [_about(evaluation), _figures(evaluation), _rarer(evaluation), _verdicts(evaluation)]
    blocks = [list(part) for part in parts]
    lines = "\n\n".join("\n".join(block) for block in blocks if block).split("\n")
    if more and "splitters" in more:
        lines += ["", *_splitters(more["splitters"])]
    return "\n".join(lines)


def _about(evaluation: Evaluation) -> Iterator[str]:
    header = evaluation.header
    tested = evaluation.predictions.drop_duplicates("site_id")
    n_mining = int((tested["label"] == 1).sum())
    yield (
        f"{format_count(len(tested))} patches tested ({format_count(n_mining)} mining) in "
        f"{format_count(tested['block'].nunique())} {block_word(header)}; {header['level']}, "
        f"{len(header['bands'])} bands; {header['splitter']}"
    )
    nearest = tested["nearest_train_m"].dropna()
    if len(nearest):
        who = "test sites lie"
        if len(nearest) < len(tested):
            who = f"the {format_count(len(nearest))} with a place lie"
        yield (
            f"{who} {format_length(float(nearest.median()))} from the nearest training site in the "
            f"median, {format_length(float(nearest.min()))} at the least"
        )
    if header.get("why_no_headline"):
        yield f"mind: {header['why_no_headline']}"
    yield from (f"mind: {note}" for note in header["notes"])


def _figures(evaluation: Evaluation) -> Iterator[str]:
    table = evaluation.metrics[evaluation.metrics["prevalence"].isna()]
    by_key = {
        (row["model"], row["metric"], row["threshold"]): (row["value"], row["low"], row["high"])
        for row in table.to_dict(orient="records")
    }
    rows = [["", *(title for title, _, _ in _SHOWN)]]
    for model in evaluation.models:
        cells = [model]
        for _, metric, threshold in _SHOWN:
            key = (model, metric, threshold)
            cells.append(format_interval(*by_key[key]) if key in by_key else MISSING)
        rows.append(cells)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()
    share = evaluation.settings.confidence
    yield (
        f"In brackets intervals of {100 * share:g} %, from whole "
        f"{block_word(evaluation.header).split()[0]} drawn again. F1, "
        "sensitivity and specificity are at the threshold that was best for F1 inside the training "
        "sites."
    )


def _rarer(evaluation: Evaluation) -> Iterator[str]:
    """Say how much of what is found is mining, where mining is as rare as elsewhere."""
    table = evaluation.metrics
    rows = table[
        table["model"].isin(evaluation.header["detectors"])
        & (table["metric"] == "precision")
        & (table["threshold"] == "f1")
        & table["prevalence"].notna()
    ]
    if rows.empty:
        return
    share = float((evaluation.predictions["label"] == 1).mean())
    yield (
        f"{format_percent(share)} of these patches are mining. Where it is rarer, so much of what "
        "is taken for mining at that threshold is mining:"
    )
    width = max(len(str(model)) for model in rows["model"])
    for model, own in rows.groupby("model", sort=False):
        cells = [
            f"{format_percent(row['prevalence'])}: "
            f"{format_interval(row['value'], row['low'], row['high'], decimals=3)}"
            for row in own.sort_values("prevalence").to_dict(orient="records")
        ]
        yield f"  {str(model).ljust(width)}  where {'; '.join(cells)}"


def _verdicts(evaluation: Evaluation) -> Iterator[str]:
    table = evaluation.differences
    auc = table[table["metric"] == "roc_auc"]
    for row in auc.to_dict(orient="records"):
        ends = format_interval(row["value"], row["low"], row["high"])
        yield f"{row['model']} − {row['other']}: AUC {ends}{_judge(row['low'], row['high'])}"


def _judge(low: float, high: float) -> str:
    if np.isnan(low):
        return ""
    if low > 0:
        return ", better"
    return ", worse" if high < 0 else ", not shown to differ"


def _splitters(table: pd.DataFrame) -> Iterator[str]:
    yield "AUC by kind of folds (only what is marked * may be shown as the detector's)"
    width = max(len(str(name)) for name in table["folds"])
    for name, rows in table.groupby("folds", sort=False):
        mark = "*" if bool(rows["headline"].iloc[0]) else " "
        notes = [note for note in rows["note"] if note]
        figures = "; ".join(
            f"{row['model']} "
            + format_interval(row["roc_auc"], row["roc_auc_low"], row["roc_auc_high"])
            for row in rows.to_dict(orient="records")
            if isinstance(row["model"], str)
        )
        yield f"{mark} {str(name).ljust(width)}  {figures or 'not done: ' + notes[0]}"
