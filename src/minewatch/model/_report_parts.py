"""The sections of a model report: what was found, in tables and two sentences each."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pandas as pd

from minewatch._figures import (
    format_count,
    format_interval,
    format_length,
    format_number,
    format_percent,
)
from minewatch._report._section import Section
from minewatch.model._blocks_table import block_word
from minewatch.model._evaluate import NEAR_FOLDS, NULL_PREFIX
from minewatch.model._evaluate_folds import FEWEST_OF_CLASS
from minewatch.model._evaluate_tables import Resampling
from minewatch.model._evaluation import Evaluation
from minewatch.model._operating import threshold_words
from minewatch.model._report_curves import curve_tables

_ENDS: Final = ("value", "low", "high")
_FIGURES: Final = (
    ("roc_auc", "roc_auc", ""),
    ("roc_auc_within_folds", "roc_auc_within_folds", ""),
    ("average_precision", "average_precision", ""),
    ("sensitivity_at_specificity", "sensitivity_at_specificity", ""),
    ("f1", "f1", "f1"),
    ("f05", "f0.5", "f0.5"),
    ("sensitivity", "sensitivity", "f1"),
    ("specificity", "specificity", "f1"),
    ("brier", "brier", ""),
)
_LEAST_GAIN: Final = 0.02
"""Gain from the last doubling of blocks that counts as rising."""


def sections_of(evaluation: Evaluation, more: Mapping[str, pd.DataFrame]) -> Iterator[Section]:
    """Give the sections that rest on an evaluation and on the tables made beside it."""
    yield headline_section(evaluation)
    yield splitters_section(evaluation, more.get("splitters"))
    yield curves_section(evaluation)
    yield operating_section(evaluation)
    yield distance_section(evaluation)
    yield confusers_section(evaluation, more.get("by_confuser"))
    yield learning_section(more.get("learning_curve"))


def first_detector(evaluation: Evaluation) -> str:
    """Name the detector that the report is of: the first."""
    return evaluation.models[0]


def on_what(evaluation: Evaluation) -> str:
    """Say what the figures rest on."""
    tested = evaluation.predictions.drop_duplicates("site_id")
    header = evaluation.header
    return (
        f"{format_count(len(tested))} held-out patches "
        f"({format_count(int((tested['label'] == 1).sum()))} mining) in "
        f"{format_count(tested['block'].nunique())} {block_word(header)} of {header['dataset']}, "
        f"{header['level']}, {len(header['bands'])} bands; {header['splitter']}"
    )


def headline_section(evaluation: Evaluation) -> Section:
    """Say how good the detector is on what was held out, beside the null models."""
    rows = []
    for model in evaluation.models:
        predictions = evaluation.predictions[evaluation.predictions["model"] == model]
        row: dict[str, object] = {
            "model": model,
            "mining_share": float((predictions["label"] == 1).mean()),
        }
        for name, metric, threshold in _FIGURES:
            row |= _ends(name, *_value(evaluation, model, metric, threshold))
        row["n_unscored"] = int(predictions["score"].isna().sum())
        rows.append(row)
    model = first_detector(evaluation)
    auc, found = (
        format_interval(*_value(evaluation, model, metric, ""))
        for metric in ("roc_auc", "sensitivity_at_specificity")
    )
    table = evaluation.differences
    gains = table[
        (table["model"] == model)
        & (table["metric"] == "roc_auc")
        & table["other"].str.startswith(NULL_PREFIX)
    ]
    advice = _headline_advice(evaluation, gains)
    minds = [f" Mind: {note}." for note in evaluation.header["notes"] if note not in advice]
    return Section(
        key="headline",
        title="How good it is",
        seen=(
            f"{model} scores an area under the ROC curve of {auc} on {on_what(evaluation)}. At a "
            f"specificity of {evaluation.settings.specificity:g}, read off the ROC curve of these "
            f"held-out patches, it finds {found} of the mining. In brackets intervals of "
            f"{100 * evaluation.settings.confidence:g} %.{''.join(minds)}"
        ),
        advice=advice,
        tables={
            "headline": pd.DataFrame(rows),
            "differences": _of_metric(gains[["model", "other", *_ENDS, "n_sites"]], "roc_auc"),
        },
    )


def _headline_advice(evaluation: Evaluation, gains: pd.DataFrame) -> str:
    if not evaluation.header["headline"]:
        header = evaluation.header
        why = header.get("why_no_headline") or "; ".join(header["notes"])
        if why == NEAR_FOLDS:
            why = (
                "these folds leave test places near training places. Hold out a region, or blocks "
                "of at least 50 km"
            )
        return f"Do not show this figure as the detector's: {why}."
    beaten = gains[gains["low"] > 0]
    if len(gains) and len(beaten) == len(gains):
        return (
            "It is better than every null model under the same folds. Give this figure with its "
            "interval and its folds."
        )
    weak = gains.loc[~(gains["low"] > 0), "other"].str.removeprefix(NULL_PREFIX)
    return (
        f"It is not shown to be better than the null model of {', '.join(weak)}: what it scores "
        "may be known without looking at the patch. Add places far apart, or doubt it."
    )


def splitters_section(evaluation: Evaluation, splitters: pd.DataFrame | None) -> Section:
    """Show what folds give away: the same models under leaking and honest folds."""
    key, title = "folds", "What the folds give away"
    placed = evaluation.folds[evaluation.folds["longitude"].notna()]
    tables = {} if placed.empty else {"folds": evaluation.folds}
    if splitters is None:
        return Section(
            key,
            title,
            seen=f"Sites were held out in one way: {evaluation.header['splitter']}.",
            advice="Evaluate under random folds too (--compare), to see what nearness gives away.",
            tables=tables,
        )
    splitters = _with_own(splitters, evaluation)
    own = splitters[splitters["model"] == first_detector(evaluation)]
    leaking = own[own["folds"] == "random"]["roc_auc"]
    others = own[(own["folds"] != "random") & own["roc_auc"].notna()]
    if leaking.empty or others.empty:
        seen = "Only one kind of folds could be made."
    else:
        seen = (
            f"The same detector scores {format_number(leaking.iloc[0], decimals=2)} under random "
            f"folds and {format_number(others['roc_auc'].iloc[-1], decimals=2)} under "
            f"{others['splitter'].iloc[-1]}."
        )
    failed = splitters[splitters["note"].fillna("") != ""]["folds"].unique()
    lacking = f" Could not be made: {', '.join(failed)}." if len(failed) else ""
    made = splitters[splitters["roc_auc"].notna()].drop(columns=["note"])
    not_made = splitters.loc[splitters["roc_auc"].isna(), ["folds", "splitter", "note"]]
    return Section(
        key,
        title,
        seen=seen + lacking,
        advice="Show the figure of the honest folds; the difference is what nearness gives away.",
        tables={"splitters": made, "not_made": not_made, **tables},
    )


def _with_own(splitters: pd.DataFrame, evaluation: Evaluation) -> pd.DataFrame:
    """Put the folds of the report itself last, unless they stand there already."""
    header = evaluation.header
    if (splitters["splitter"] == header["splitter"]).any():
        return splitters
    nearest = evaluation.folds.loc[evaluation.folds["role"] == "test", "nearest_train_m"]
    rows = []
    for model in evaluation.models:
        counts = evaluation.metrics[evaluation.metrics["model"] == model].iloc[0]
        row: dict[str, object] = {
            "folds": "this report",
            "splitter": header["splitter"],
            "headline": header["headline"],
            "model": model,
            "note": "",
            "median_to_train_m": nearest.median(),
            "least_to_train_m": nearest.min(),
        }
        for metric in ("roc_auc", "average_precision"):
            row |= _ends(metric, *_value(evaluation, model, metric, ""))
        row |= {key: int(counts[key]) for key in ("n_sites", "n_mining", "n_blocks")}
        rows.append(row)
    return pd.concat([splitters, pd.DataFrame(rows)], ignore_index=True)


def curves_section(evaluation: Evaluation) -> Section:
    """Show ROC, precision and recall, and how far probabilities can be believed."""
    resampling = Resampling.of(
        evaluation.predictions, evaluation.settings, evaluation.header["random_state"]
    )
    roc, precision = curve_tables(evaluation.predictions, resampling)
    detectors = [name for name in evaluation.models if not name.startswith(NULL_PREFIX)]
    calibration = evaluation.calibration[evaluation.calibration["model"].isin(detectors)]
    renamed = calibration.rename(columns={"low": "mining_share_low", "high": "mining_share_high"})
    model = first_detector(evaluation)
    brier = _value(evaluation, model, "brier", "")
    share = float((evaluation.predictions["label"] == 1).mean())
    return Section(
        key="curves",
        title="Curves and calibration",
        seen=(
            f"The Brier score of {model} is {format_interval(*brier, decimals=3)}; always to say "
            f"the sample's own share of mining, {format_percent(share)}, would score "
            f"{format_number(share * (1 - share))}."
        ),
        advice=(
            "Read probabilities at the sample's share of mining: where mining is rarer, they are "
            "too high until they are calibrated anew."
        ),
        tables={"roc": roc, "precision_recall": precision, "calibration": renamed},
    )


def operating_section(evaluation: Evaluation) -> Section:
    """Show precision at stated shares of mining, for thresholds chosen inside training folds."""
    key, title = "operating", "Operating points"
    table = evaluation.metrics
    model = first_detector(evaluation)
    rows = table[
        (table["model"] == model) & (table["metric"] == "precision") & table["prevalence"].notna()
    ]
    if rows.empty:
        return Section.left_out(
            key,
            title,
            why="No threshold was chosen inside the training folds.",
            advice="Evaluate with inner folds (--inner-folds 3).",
        )
    operating = _of_metric(rows[["threshold", "prevalence", *_ENDS]], "precision")
    operating = operating.rename(columns={"prevalence": "prevalence_share"})
    points = _points_table(evaluation, model)
    rare = operating[operating["prevalence_share"] == operating["prevalence_share"].min()]
    best = rare.sort_values("precision", ascending=False).iloc[0]
    columns = ("prevalence_share", "precision", "precision_low", "precision_high")
    share, value, low, high = (format_percent(float(best[name])) for name in columns)
    return Section(
        key,
        title,
        seen=(
            f"Where {share} of all places are mines, {value} ({low} to {high}) of what {model} "
            f"takes for mining is mining, at the threshold for "
            f"{threshold_words(best['threshold'])}."
        ),
        advice=(
            "Choose the threshold by the share of mining in the region to be scanned, not by the "
            "share in this sample. Decide by scores (the column score): they are what the card "
            "holds, and what model predict and scans give; probabilities stand for the evaluation."
        ),
        tables={
            "points": points,
            "operating": operating,
            "ranking": _ranking_table(table[table["model"] == model]),
        },
    )


def _ranking_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """Give the average precision at each share of mining, the sample's own among them."""
    rows = metrics[metrics["metric"] == "average_precision"].sort_values("prevalence")
    share = rows["n_mining"] / rows["n_sites"]
    ranking = rows.assign(prevalence_share=rows["prevalence"].fillna(share))
    return _of_metric(ranking[["prevalence_share", *_ENDS]], "average_precision")


def _points_table(evaluation: Evaluation, model: str) -> pd.DataFrame:
    rows, scores = [], evaluation.score_thresholds(model)
    for threshold in evaluation.metrics["threshold"].unique():
        if threshold == "":
            continue
        row: dict[str, object] = {"threshold": threshold, "score": scores.get(threshold)}
        chosen = evaluation.thresholds
        values = chosen[(chosen["model"] == model) & (chosen["threshold"] == threshold)]["value"]
        row |= _ends("probability", values.median(), values.min(), values.max())
        for metric in ("sensitivity", "specificity", "precision", "f1", "f0.5"):
            row |= _ends(metric.replace(".", ""), *_value(evaluation, model, metric, threshold))
        rows.append(row)
    return pd.DataFrame(rows)


def distance_section(evaluation: Evaluation) -> Section:
    """Show figures by distance to the nearest training site."""
    key, title = "distance", "Far from training"
    own = evaluation.by_distance[evaluation.by_distance["model"] == first_detector(evaluation)]
    known = own[own["roc_auc"].notna()]
    if known.empty:
        return Section.left_out(
            key,
            title,
            why="No distance was measured: sites have no places, or no bin holds both classes.",
            advice="Give sites their places.",
        )
    nearest = evaluation.folds.loc[evaluation.folds["role"] == "test", "nearest_train_m"]
    last, n_placed = known.iloc[-1], int(nearest.notna().sum())
    who = "Test sites lie"
    if n_placed < len(nearest):
        who = f"The {format_count(n_placed)} of {format_count(len(nearest))} with a place lie"
    auc = format_interval(last["roc_auc"], last["roc_auc_low"], last["roc_auc_high"])
    return Section(
        key,
        title,
        seen=(
            f"{who} {format_length(float(nearest.median()))} from the nearest training "
            f"site in the median; at {format_length(last['from_m'])} and more the area is {auc} on "
            f"{format_count(last['n_sites'])} patches."
        ),
        advice=(
            "Expect in a new region what is scored at the distance that region lies from the "
            "training sites; beyond the last bin nothing was tested."
        ),
        tables={"by_distance": evaluation.by_distance},
    )


def confusers_section(evaluation: Evaluation, by_confuser: pd.DataFrame | None) -> Section:
    """Show how well mining is told from each kind of other ground."""
    key, title = "confusers", "What it takes for mining"
    if by_confuser is None or by_confuser.empty:
        return Section.left_out(
            key,
            title,
            why="No column of the sites says what those without mining show.",
            advice="Name one (--confusers COLUMN): town, river bank, airstrip, …",
        )
    own = by_confuser[by_confuser["model"] == first_detector(evaluation)]
    own = own.assign(n_of_kind=own["n_sites"] - own["n_mining"])
    is_rare = own["n_of_kind"] < FEWEST_OF_CLASS
    own = pd.concat([own[~is_rare].sort_values("roc_auc", kind="stable"), own[is_rare]])
    few = f"kinds with fewer than {FEWEST_OF_CLASS} sites show nothing yet"
    if is_rare.all():
        seen = f"No kind is shown to be hard to tell from mining: {few}."
        advice = "Add places without mining of the kinds that may be mistaken for it."
    else:
        worst = own.iloc[0]
        auc = format_interval(worst["roc_auc"], worst["roc_auc_low"], worst["roc_auc_high"])
        kind, count = worst["group"], format_count(worst["n_of_kind"])
        seen = f"Mining is hardest to tell from {kind} ({count} sites of that kind): area {auc}"
        seen += f"; {few}." if is_rare.any() else "."
        advice = f"Add places without mining of the kind “{kind}” to the training sites."
    return Section(key, title, seen, advice, {"by_confuser": own.reset_index(drop=True)})


def learning_section(learning_curve: pd.DataFrame | None) -> Section:
    """Show whether more places would help."""
    key, title = "learning", "Would more places help"
    if learning_curve is None or learning_curve.empty:
        return Section.left_out(
            key,
            title,
            why="No learning curve was measured.",
            advice="Measure one (--learning-curve).",
        )
    ordered = learning_curve.sort_values("share", kind="stable")
    last = ordered.iloc[-1]
    first = ordered.iloc[max(len(ordered) - 2, 0)]
    gain = float(last["roc_auc"] - first["roc_auc"])
    rises = gain > _LEAST_GAIN
    return Section(
        key,
        title,
        seen=(
            f"With {format_number(first['n_train_blocks'], decimals=0)} blocks the area is "
            f"{format_number(first['roc_auc'], decimals=2)}, with "
            f"{format_number(last['n_train_blocks'], decimals=0)} blocks "
            f"{format_number(last['roc_auc'], decimals=2)}."
        ),
        advice=(
            "It still rises: more places, far from these, would help."
            if rises
            else "It hardly rises any more: other labels, bands or context may help more than "
            "places."
        ),
        tables={"learning_curve": ordered},
    )


def _value(
    evaluation: Evaluation, model: str, metric: str, threshold: str
) -> tuple[float, float, float]:
    table = evaluation.metrics
    rows = table[
        (table["model"] == model)
        & (table["metric"] == metric)
        & (table["threshold"] == threshold)
        & table["prevalence"].isna()
    ]
    if rows.empty:
        return float("nan"), float("nan"), float("nan")
    row = rows.iloc[0]
    return float(row["value"]), float(row["low"]), float(row["high"])


def _ends(name: str, value: float, low: float, high: float) -> dict[str, Any]:
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _of_metric(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Name values after their metric, and the ends of intervals as pages expect them."""
    return _join(table).rename(columns=lambda name: name.replace("value", metric))


def _join(table: pd.DataFrame) -> pd.DataFrame:
    """Name the ends of intervals as pages expect them."""
    return table.rename(columns={"low": "value_low", "high": "value_high"}).reset_index(drop=True)
