"""The section of a model report that says where its figures hold: a map, and numbers."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

from minewatch._figures import (
    ACCENT,
    FAINT,
    INK,
    SEQUENTIAL,
    format_count,
    format_number,
    format_percent,
    house_style,
    new_figure,
    quiet_axes,
)
from minewatch._report._plates import Plate
from minewatch._report._section import Section
from minewatch.model._applicability import Applicability
from minewatch.model._blocks_draw import frame_map
from minewatch.model._evaluation import Evaluation

KEY: Final = "applicability"
_TITLE: Final = "Where the figures hold"
_N_BINS: Final = 4
_HIGHEST_QUANTILE: Final = 0.98


def applicability_section(area: Applicability | None, evaluation: Evaluation) -> Section:
    """Say where the evaluation holds, and whether scores err more where places are unlike.

    Parameters
    ----------
    area
        The detector's area of applicability; None if it has none.
    evaluation
        The evaluation whose folds it was made of.
    """
    if area is None:
        return Section.left_out(
            KEY,
            _TITLE,
            why="No area of applicability was made.",
            advice="Train the detector with model train, which keeps one beside it.",
        )
    sites = site_table(area, evaluation)
    outside = sites[~sites["is_applicable"]]
    return Section(
        KEY,
        _TITLE,
        seen=(
            f"Of {format_count(len(sites))} patches, each held against those that trained its "
            "fold, "
            f"{format_count(len(outside))} "
            f"({format_percent(len(outside) / max(len(sites), 1))}) are more than "
            f"{format_number(area.threshold, decimals=2)} unlike the nearest (1 is the mean "
            "distance between two). What lies beyond that was hardly ever tested."
        ),
        advice=(
            "Mark such places on every map: there the figures above say nothing. model predict "
            "gives the number of every patch (dissimilarity, is_applicable)."
        ),
        tables={
            "sites": sites,
            "by_dissimilarity": by_dissimilarity(sites, area.threshold),
            "applicability": pd.DataFrame(_facts(area), columns=["fact", "value"]),
            "weights": _weights(area),
        },
    )


def site_table(area: Applicability, evaluation: Evaluation) -> pd.DataFrame:
    """Give each tested patch its dissimilarity to what trained its fold, beside its score.

    Returns
    -------
    DataFrame
        `site_id`, `longitude`, `latitude` (degrees, NaN if unplaced), `label`, `score`,
        `dissimilarity`, `is_applicable`; the most unlike first. Patches that were never tested
        are left out.
    """
    held_out = pd.DataFrame(
        {
            "site_id": pd.array(list(area.site_ids), dtype="str"),
            "dissimilarity": area.held_out,
            "is_applicable": area.held_out <= area.threshold,
        }
    )[np.isfinite(area.held_out)]
    predictions = evaluation.predictions
    own = predictions[predictions["model"] == evaluation.models[0]].drop_duplicates("site_id")
    own = own[["site_id", "longitude", "latitude", "label", "score"]]
    table = own.assign(site_id=own["site_id"].astype("str")).merge(
        held_out, on="site_id", how="right", validate="one_to_one"
    )
    return table.sort_values(["dissimilarity", "site_id"], ascending=[False, True], kind="stable")[
        [*own.columns, "dissimilarity", "is_applicable"]
    ].reset_index(drop=True)


def by_dissimilarity(sites: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Say how good scores are where patches are alike and where they are not.

    Returns
    -------
    DataFrame
        One row for each quarter of the patches within the threshold, the most alike first, and one
        for those beyond: `from_dissimilarity`, `to_dissimilarity`, `n_sites`, `n_mining`,
        `roc_auc` (NaN if a class is missing), `mean_error` (mean distance of score and label).
    """
    scored = sites[sites["score"].notna()].sort_values("dissimilarity", kind="stable")
    inside = scored[scored["is_applicable"]]
    parts = [inside.iloc[rows] for rows in np.array_split(np.arange(len(inside)), _N_BINS)]
    names = [f"quarter {number}" for number in range(1, _N_BINS + 1)]
    rows = [_bin(name, part) for name, part in zip(names, parts, strict=True) if len(part)]
    beyond = scored[~scored["is_applicable"]]
    if len(beyond):
        rows.append(_bin(f"beyond {threshold:.2f}", beyond))
    return pd.DataFrame(rows)


def _bin(name: str, part: pd.DataFrame) -> dict[str, object]:
    label = part["label"].to_numpy(dtype=np.int64)
    score = part["score"].to_numpy(dtype=np.float64)
    return {
        "patches": name,
        "from_dissimilarity": float(part["dissimilarity"].min()),
        "to_dissimilarity": float(part["dissimilarity"].max()),
        "n_sites": len(part),
        "n_mining": int(label.sum()),
        "roc_auc": float(roc_auc_score(label, score)) if len(np.unique(label)) == 2 else np.nan,
        "mean_error": float(np.abs(score - label).mean()),
    }


def _facts(area: Applicability) -> Iterator[tuple[str, float]]:
    yield "threshold of dissimilarity", area.threshold
    yield "median dissimilarity of tested patches", float(np.nanmedian(area.held_out))
    yield "training patches", float(len(area.training))
    yield "features", float(len(area.names))
    yield "mean distance of two training patches", area.mean_distance


def _weights(area: Applicability) -> pd.DataFrame:
    """Say what counts most: the spread of each feature over the training patches, as weighted."""
    spread = area.training.astype(np.float64).std(axis=0)
    table = pd.DataFrame({"feature": list(area.names), "share": spread / max(spread.sum(), 1e-12)})
    return table.sort_values("share", ascending=False, kind="stable").reset_index(drop=True)


@house_style()
def draw_applicability(sites: pd.DataFrame, facts: pd.DataFrame) -> Figure:
    """Draw where patches are unlike what trained their fold, and how unlike they are.

    Parameters
    ----------
    sites
        As from `site_table`.
    facts
        `fact`, `value`; the first is the threshold.
    """
    threshold = float(facts["value"].iloc[0])
    figure = new_figure(7.6, 3.7)
    place, counts = figure.subplots(1, 2, width_ratios=[1.35, 1.0])
    _draw_places(place, sites[sites["longitude"].notna()])
    _draw_counts(counts, sites["dissimilarity"].dropna().to_numpy(dtype=np.float64), threshold)
    return figure


def _draw_places(axes: Axes, placed: pd.DataFrame) -> None:
    axes.set_title("Where patches are unlike what trained their fold")
    if placed.empty:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no patch has a place", ha="center", va="center", color=FAINT)
        return
    size = float(np.clip(6000.0 / len(placed), 6.0, 24.0))
    ordered = placed.sort_values("dissimilarity", kind="stable")
    points = axes.scatter(
        ordered["longitude"], ordered["latitude"], c=ordered["dissimilarity"], s=size,
        cmap=SEQUENTIAL, vmin=0.0, vmax=float(ordered["dissimilarity"].quantile(_HIGHEST_QUANTILE)),
        linewidths=0,
    )  # fmt: skip
    outside = ordered[~ordered["is_applicable"]]
    axes.scatter(
        outside["longitude"], outside["latitude"], s=3.2 * size, facecolors="none", edgecolors=INK,
        linewidths=0.8, label=f"beyond the threshold ({format_count(len(outside))})",
    )  # fmt: skip
    frame_map(axes, placed)
    if len(outside):
        axes.legend(loc="lower right", fontsize=7, bbox_to_anchor=(1.0, -0.3))
    bar = axes.figure.colorbar(points, ax=axes, shrink=0.8, extend="max")
    bar.set_label("Dissimilarity", fontsize=8)
    bar.outline.set_visible(False)


def _draw_counts(axes: Axes, unlike: "np.ndarray[tuple[int], np.dtype[np.float64]]",
                 threshold: float) -> None:  # fmt: skip
    axes.hist(unlike, bins=24, color=ACCENT, edgecolor="white", linewidth=0.4)
    axes.axvline(threshold, color=INK, linewidth=1.0, linestyle="--")
    axes.annotate(
        f"threshold {format_number(threshold, decimals=2)}", (threshold, 1.0), (4, -10),
        xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=8,
    )  # fmt: skip
    axes.set(xlabel="Dissimilarity to what trained the fold", ylabel="Patches")
    axes.set_title("How unlike they are")
    quiet_axes(axes)


def applicability_plates(on: str) -> tuple[Plate, ...]:
    """Give the figure of the section.

    Parameters
    ----------
    on
        What the figures rest on, in words.
    """
    says = (
        "Distance to the nearest patch that trained the fold, over the mean distance between two, "
        "in features weighted by what they tell of mining (Meyer and Pebesma 2021); the threshold "
        "is the largest that is no outlier."
    )
    return (
        Plate(
            name=KEY,
            title="How unlike patches are",
            tables=("sites", "applicability"),
            draw=draw_applicability,
            caption=lambda *_: f"{says} On {on}.",
            alt=lambda *_: f"A map and a histogram of dissimilarity. {says}",
        ),
    )
