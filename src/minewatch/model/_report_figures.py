"""Figures of a model report, each a function of tables that are saved beside it."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minewatch._figures import (
    CLASS_STYLES,
    DIVERGING,
    FAINT,
    GRID,
    INK,
    SERIES_STYLES,
    ClassStyle,
    format_count,
    format_length,
    house_style,
    new_figure,
    quiet_axes,
)
from minewatch.model._explain_maps import draw_drops
from minewatch.model._operating import threshold_words
from minewatch.types import FloatArray

NULL: Final = "null: "
_NULL_STYLE: Final = ClassStyle("#8a8a8a", ":", "x", "")
_ROW_IN: Final = 0.27
_MAP_IN: Final = 0.85
_MAP_QUANTILE: Final = 0.98
"""Share of the squares that the colours of the maps tell apart; the strongest few are cut off."""


@house_style()
def draw_models(headline: pd.DataFrame) -> Figure:
    """Draw the area under the ROC curve and the average precision of every model."""
    figure = new_figure(7.6, 1.0 + _ROW_IN * len(headline))
    axes = figure.subplots(1, 2, sharey=True)
    for place, metric, title, chance in (
        (axes[0], "roc_auc", "Area under the ROC curve", 0.5),
        (
            axes[1],
            "average_precision",
            "Average precision",
            float(headline["mining_share"].iloc[0]),
        ),
    ):
        _forest(place, headline["model"], headline, metric, reference=chance)
        place.set_xlim(min(0.3 if metric == "roc_auc" else 0.0, place.get_xlim()[0]), 1.01)
        place.set_title(title)
    return figure


@house_style()
def draw_splitters(splitters: pd.DataFrame) -> Figure:
    """Draw what every model scores under every kind of folds, the leaking ones first."""
    known = splitters[splitters["roc_auc"].notna()]
    figure = new_figure(7.6, 3.4)
    axes = figure.subplots()
    kinds = _areas(axes, known, "folds")
    honest = dict(zip(known["folds"], known["headline"], strict=True))
    names = [kind if honest[kind] else f"{kind}\n{_fault(kind)}" for kind in kinds]
    axes.set_xticks(range(len(kinds)), names)
    axes.axhline(0.5, color=FAINT, linewidth=0.8)
    axes.set_ylabel("Area under the ROC curve")
    quiet_axes(axes)
    _legend_above(figure, axes)
    return figure


@house_style()
def draw_curves(roc: pd.DataFrame, precision_recall: pd.DataFrame) -> Figure:
    """Draw ROC and precision-recall curves, with bands for detectors."""
    figure = new_figure(7.6, 3.9)
    left, right = figure.subplots(1, 2)
    models = list(roc["model"].unique())
    for model in models:
        style = _style(model, models)
        for axes, table, x, y in (
            (left, roc, "false_positive_share", "sensitivity"),
            (right, precision_recall, "sensitivity", "precision"),
        ):
            rows = table[table["model"] == model]
            axes.plot(rows[x], rows[y], color=style.colour, linestyle=style.line, label=model)
            if not model.startswith(NULL):
                ends = rows[f"{y}_low"], rows[f"{y}_high"]
                axes.fill_between(rows[x], *ends, color=style.colour, alpha=0.15, linewidth=0)
    left.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8)
    left.set(xlabel="False alarms, share of sites without mining", ylabel="Sensitivity")
    right.set(xlabel="Sensitivity", ylabel="Precision", ylim=(0, 1.02))
    for axes in (left, right):
        quiet_axes(axes, grid="both")
    _legend_above(figure, left)
    return figure


@house_style()
def draw_calibration(calibration: pd.DataFrame) -> Figure:
    """Draw the share of mining by tenth of probability."""
    models = list(calibration["model"].unique())
    figure = new_figure(4.6, 4.0)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8)
    for model in models:
        rows = calibration[calibration["model"] == model]
        at = rows["mean_probability"].to_numpy(dtype=np.float64)
        _points(axes, at, rows, "mining_share", _style(model, models), model)
        for x, count in zip(at, rows["n_sites"], strict=True):
            axes.annotate(
                format_count(count), (x, -0.1), fontsize=7, color=FAINT, ha="center", va="bottom"
            )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.11, 1.03))
    axes.set(xlabel="Probability given (below, patches)", ylabel="Share of mining found")
    quiet_axes(axes, grid="both")
    _legend_above(figure, axes)
    return figure


@house_style()
def draw_prevalence(operating: pd.DataFrame) -> Figure:
    """Draw precision by the share of mining among all places, for each threshold."""
    names = list(operating["threshold"].unique())
    figure = new_figure(5.2, 3.4)
    axes = figure.subplots()
    for number, name in enumerate(names):
        rows = operating[operating["threshold"] == name]
        style = SERIES_STYLES[number % len(SERIES_STYLES)]
        at = rows["prevalence_share"].to_numpy(dtype=np.float64) * 1.06 ** (number - len(names) / 2)
        label = f"threshold for {threshold_words(name)}"
        _points(axes, at, rows, "precision", style, label, line=True)
    ticks = sorted(operating["prevalence_share"].unique())
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{100 * tick:g} %" for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.set(xlabel="Share of mining among all places", ylabel="Precision", ylim=(0, 1.02))
    quiet_axes(axes, grid="both")
    _legend_above(figure, axes)
    return figure


@house_style()
def draw_distance(by_distance: pd.DataFrame) -> Figure:
    """Draw the area under the ROC curve by distance to the nearest training site."""
    known = by_distance[by_distance["roc_auc"].notna()]
    figure = new_figure(6.4, 3.2)
    axes = figure.subplots()
    bins = _areas(axes, known, "from_m")
    first = known[known["model"] == known["model"].iloc[0]].set_index("from_m")
    names = [
        f"{_range_words(low, first.loc[low, 'to_m'])}\n{format_count(first.loc[low, 'n_sites'])}"
        for low in bins
        if low in first.index
    ]
    axes.set_xticks(range(len(names)), names)
    axes.set(xlabel="Distance to the nearest training site, and sites")
    axes.axhline(0.5, color=FAINT, linewidth=0.8)
    axes.set_ylabel("Area under the ROC curve")
    quiet_axes(axes)
    _legend_above(figure, axes)
    return figure


@house_style()
def draw_learning(learning_curve: pd.DataFrame) -> Figure:
    """Draw the area under the ROC curve by the number of blocks learned from."""
    figure = new_figure(5.2, 3.2)
    axes = figure.subplots()
    at = learning_curve["n_train_blocks"].to_numpy(dtype=np.float64)
    _points(axes, at, learning_curve, "roc_auc", SERIES_STYLES[1], "detector", line=True)
    axes.set(xlabel="Blocks learned from, mean over folds", ylabel="Area under the ROC curve")
    axes.set_xlim(0, None)
    quiet_axes(axes, grid="both")
    return figure


@house_style()
def draw_forest(table: pd.DataFrame, name: str, value: str, title: str) -> Figure:
    """Draw one value with its interval in each row; rows of one kind stand together."""
    figure = new_figure(6.4, 0.8 + _ROW_IN * len(table))
    axes = figure.subplots()
    reference = 0.5 if value == "roc_auc" else 0.0
    _forest(axes, table[name], table, value, reference=reference)
    axes.set_xlabel(title)
    return figure


@house_style()
def draw_occlusion(
    occlusion: pd.DataFrame, chosen: pd.DataFrame, *pictures: xr.DataArray | None
) -> Figure:
    """Draw patches, and beside each what its score loses where it is hidden."""
    return _draw_pairs(occlusion, chosen, pictures, "Score lost when hidden")


@house_style()
def draw_gradients(
    gradients: pd.DataFrame, chosen: pd.DataFrame, *pictures: xr.DataArray | None
) -> Figure:
    """Draw patches, and beside each what each pixel, or small square, adds to its score."""
    return _draw_pairs(gradients, chosen, pictures, "Added to the score")


def map_end(values: pd.DataFrame) -> float:
    """Give the change of score at which the colours of maps over patches end."""
    return max(float(values["drop"].abs().quantile(_MAP_QUANTILE)), 1e-6)


def _draw_pairs(
    values: pd.DataFrame,
    chosen: pd.DataFrame,
    pictures: Sequence[xr.DataArray | None],
    label: str,
) -> Figure:
    by_site = {
        str(site): picture.sel(site=site).to_numpy()
        for picture in pictures
        if picture is not None
        for site in picture["site"].to_numpy()
    }
    kinds = list(chosen["kind"].unique())
    widest = int(chosen["kind"].value_counts().max())
    most = map_end(values)
    figure = new_figure(2 * widest * _MAP_IN + 0.9, len(kinds) * (_MAP_IN + 0.42) + 0.3)
    grid = figure.subplots(len(kinds), 2 * widest, squeeze=False)
    image = None
    for row, kind in zip(grid, kinds, strict=True):
        sites = chosen[chosen["kind"] == kind]
        for axes in row:
            axes.set_axis_off()
        row[0].set_title(kind.capitalize(), fontsize=8)
        for place, site in enumerate(sites.to_dict(orient="records")):
            picture = by_site[str(site["site_id"])]
            drops = draw_drops(values[values["site_id"] == site["site_id"]], *picture.shape[:2])
            row[2 * place].imshow(picture)
            image = row[2 * place + 1].imshow(drops, cmap=DIVERGING, vmin=-most, vmax=most)
            row[2 * place].text(
                0.0, -0.04, f"{site['site_id']}  {site['score']:.2f}", fontsize=6, color=INK,
                transform=row[2 * place].transAxes, va="top",
            )  # fmt: skip
    if image is not None:
        bar = figure.colorbar(image, ax=grid, shrink=0.6, pad=0.02, extend="both")
        bar.set_label(label)
        bar.outline.set_edgecolor(GRID)
    return figure


def _forest(
    axes: Axes,
    names: Sequence[str] | pd.Series,
    table: pd.DataFrame,
    value: str,
    *,
    reference: float,
) -> None:
    at = np.arange(len(table))[::-1]
    for y, row in zip(at, table.to_dict(orient="records"), strict=True):
        is_null = str(row.get("model", "")).startswith(NULL)
        style = _NULL_STYLE if is_null else SERIES_STYLES[1]
        if np.isfinite(row[f"{value}_low"]):
            ends = [row[f"{value}_low"], row[f"{value}_high"]]
            axes.plot(ends, [y, y], color=style.colour, linewidth=1.4, solid_capstyle="butt")
        axes.plot(row[value], y, style.marker, color=style.colour, markersize=5)
    axes.axvline(reference, color=FAINT, linewidth=0.8)
    axes.set_yticks(at, [str(name) for name in names])
    axes.set_ylim(-0.6, len(table) - 0.4)
    quiet_axes(axes, grid="x")


def _points(
    axes: Axes,
    at: FloatArray,
    rows: pd.DataFrame,
    value: str,
    style: ClassStyle,
    name: str,
    *,
    line: bool = False,
) -> None:
    low_name, high_name = (
        (f"{value}_low", f"{value}_high") if f"{value}_low" in rows else ("low", "high")
    )
    values = rows[value].to_numpy(dtype=np.float64)
    low = rows[low_name].to_numpy(dtype=np.float64)
    high = rows[high_name].to_numpy(dtype=np.float64)
    axes.plot(
        at, values, style.marker, color=style.colour, markersize=5, label=name,
        linestyle=style.line if line else "none",
    )  # fmt: skip
    axes.vlines(at, np.where(np.isnan(low), values, low), np.where(np.isnan(high), values, high),
                color=style.colour, linewidth=1.2)  # fmt: skip


def _areas(axes: Axes, known: pd.DataFrame, column: str) -> list[Any]:
    """Draw each model's area under the ROC curve at each value of a column, and give these."""
    places, models = list(known[column].unique()), list(known["model"].unique())
    for number, model in enumerate(models):
        rows = known[known["model"] == model]
        at = np.array([places.index(one) for one in rows[column]], dtype=np.float64)
        at += (number - (len(models) - 1) / 2) * 0.12
        _points(axes, at, rows, "roc_auc", _style(model, models), model)
    return places


def _style(model: str, models: Sequence[str]) -> ClassStyle:
    """Give detectors colours, and null models greys, in their order."""
    if model.startswith(NULL):
        nulls = [name for name in models if name.startswith(NULL)]
        greys = ("#9a9a9a", "#6d6d6d", "#b08d57", "#5a7d9a")
        lines, markers = (":", "--", "-.", (0, (1, 1))), ("x", "+", "s", "v")
        place = nulls.index(model) % len(greys)
        return ClassStyle(greys[place], lines[place], markers[place], "")  # type: ignore[arg-type]  # a dash pattern
    place = [name for name in models if not name.startswith(NULL)].index(model)
    if place == 0:
        return CLASS_STYLES["mining"]
    return SERIES_STYLES[place % len(SERIES_STYLES)]


def _legend_above(figure: Figure, axes: Axes) -> None:
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=3, handletextpad=0.4)


def _fault(folds: str) -> str:
    """Say why a figure under some folds may not stand at the head of a report."""
    return "(leaks)" if folds == "random" else "(not to show)"


def _range_words(low: float, high: float) -> str:
    if np.isinf(high):
        return f"{format_length(low)} on"
    return f"{format_length(low)}–{format_length(high)}"
