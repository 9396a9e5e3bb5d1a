"""Figures of what lies around sites: shares, distances, completeness, and how far apart."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from minewatch._figures import (
    FAINT,
    INK,
    class_style,
    format_count,
    format_interval,
    format_length,
    format_percent,
    house_style,
    new_figure,
    quiet_axes,
)
from minewatch.explore._context_rates import ratio_words
from minewatch.explore._figures_space import scale_by_length

CLASSES_DRAWN: Final = ("no mining", "mining")
NAMES_TARGET: Final = "names mining"


@house_style()
def draw_presence(presence: pd.DataFrame, odds: pd.DataFrame) -> Figure:
    """Draw the share of patches of each class with something of a layer in them.

    Parameters
    ----------
    presence
        ``layer``, ``names_target``, ``class``, ``share``, ``share_low``, ``share_high``
        (NaN: no interval).
    odds
        ``layer``, ``odds_ratio``, ``odds_ratio_low``, ``odds_ratio_high``.
    """
    layers = list(odds["layer"])
    figure = new_figure(7.0, 1.0 + 0.34 * len(layers))
    axes = figure.subplots()
    for name, aside in (("mining", -0.13), ("no mining", 0.13)):
        rows = presence[presence["class"] == name].set_index("layer").loc[layers]
        style = class_style(name)
        share = 100.0 * rows["share"].to_numpy(dtype=np.float64)
        ends = 100.0 * rows[["share_low", "share_high"]].to_numpy(dtype=np.float64).T
        reach = np.nan_to_num(np.abs(ends - share), nan=0.0)
        axes.errorbar(
            share, np.arange(len(layers)) + aside, xerr=reach, fmt=style.marker, capsize=2.5,
            color=style.colour, linestyle="none", markersize=5, linewidth=1.2,
            label=f"{name} (n = {format_count(rows['n_sites'].iloc[0])})",
        )  # fmt: skip
    _mark_targets(axes, odds)
    axes.text(
        1.02, 1.0, "odds ratio", transform=axes.transAxes, fontsize=8, color=FAINT, va="bottom"
    )
    for place, row in enumerate(odds.to_dict("records")):
        text = ratio_words(row["odds_ratio"], row["odds_ratio_low"], row["odds_ratio_high"])
        axes.annotate(
            text, (1.02, place), xycoords=("axes fraction", "data"), fontsize=8, va="center"
        )
    titles = [
        NAMES_TARGET if named else name
        for name, named in zip(layers, odds["names_target"], strict=True)
    ]
    axes.set_yticks(range(len(layers)), titles)
    axes.set_ylim(len(layers) - 0.5, -0.5)
    axes.set_xlim(-2.0, 102.0)
    axes.xaxis.set_major_formatter(lambda value, _: format_percent(value / 100.0, decimals=0))
    axes.set_xlabel("patches with anything of the layer in them")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    quiet_axes(axes, grid="x")
    return figure


def _mark_targets(axes: Axes, odds: pd.DataFrame) -> None:
    """Set the rows of what names the target apart, and the row of any layer."""
    for place, row in enumerate(odds.to_dict("records")):
        if row["names_target"]:
            axes.axhspan(place - 0.5, place + 0.5, color="#fbe9dc", zorder=0, linewidth=0)
            axes.annotate(
                "in no model", (0.985, place), xycoords=("axes fraction", "data"),
                ha="right", va="center", fontsize=7.5, color=class_style("mining").colour,
            )  # fmt: skip
    axes.axhline(0.5, color=FAINT, linewidth=0.6)


@house_style()
def draw_distances(curves: pd.DataFrame, distances: pd.DataFrame) -> Figure:
    """Draw by layer the share of each class with a feature within a distance.

    The strip on the right holds those with nothing within the search: a curve and its bar make up
    all sites of the class.

    Parameters
    ----------
    curves
        ``layer``, ``class``, ``distance_m``, ``share`` (of all sites), ``nothing_share``.
    distances
        ``layer``, ``names_target``, ``auc``, ``auc_low``, ``auc_high``, ``in_mining``,
        ``is_telling``.
    """
    layers = list(distances["layer"])
    n_columns = min(3, len(layers))
    n_rows = -(-len(layers) // n_columns)
    figure = new_figure(2.5 * n_columns + 0.3, 1.75 * n_rows + 0.8)
    panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    farthest_m = float(curves["distance_m"].max())
    for axes, row in zip(panels.ravel(), distances.to_dict("records"), strict=False):
        _draw_distance(axes, curves[curves["layer"] == row["layer"]], farthest_m)
        colour = class_style("mining").colour if row["names_target"] else INK
        axes.set_title(_distance_title(row), fontsize=8.5, color=colour)
    nearest_m = float(curves["distance_m"].min())
    scale_by_length(panels[0, 0], [nearest_m, farthest_m])
    powers = 10.0 ** np.arange(np.ceil(np.log10(nearest_m)), np.log10(farthest_m) + 1e-9)
    panels[0, 0].xaxis.set_major_locator(FixedLocator(powers.tolist()))
    panels[0, 0].xaxis.set_major_formatter(
        lambda value, _: f"{'≤ ' if value <= nearest_m * 1.001 else ''}{format_length(value)}"
    )
    panels[0, 0].set_xlim(nearest_m, farthest_m * 2.6)
    panels[0, 0].set_ylim(0.0, 1.02)
    panels[0, 0].yaxis.set_major_formatter(lambda value, _: format_percent(value, decimals=0))
    for axes in panels.ravel()[len(layers) :]:
        axes.set_axis_off()
    for place, axes in enumerate(panels.ravel()[: len(layers)]):
        axes.tick_params(labelbottom=place + n_columns >= len(layers))
    figure.supxlabel("distance to the nearest feature; right: none within the search", fontsize=9)
    handles, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles[::-1], names[::-1], loc="outside upper left", ncols=2)
    return figure


def _draw_distance(axes: Axes, curves: pd.DataFrame, farthest_m: float) -> None:
    axes.axvspan(farthest_m * 1.15, farthest_m * 2.6, color="#f0efe9", zorder=0, linewidth=0)
    for name, place in zip(CLASSES_DRAWN, (2.1, 1.45), strict=True):
        part = curves[curves["class"] == name]
        if part.empty:
            continue
        style = class_style(name)
        axes.plot(
            part["distance_m"], part["share"], color=style.colour, linestyle=style.line,
            linewidth=1.4, label=name,
        )  # fmt: skip
        nothing = float(part["nothing_share"].iloc[0])
        axes.plot(
            [farthest_m * place] * 2, [1.0 - nothing, 1.0], color=style.colour, linewidth=4.0,
            solid_capstyle="butt", alpha=0.85,
        )  # fmt: skip
    axes.xaxis.set_minor_formatter(NullFormatter())
    quiet_axes(axes, grid="both")


def _distance_title(row: Mapping[Any, Any]) -> str:
    layer = NAMES_TARGET if row["names_target"] else str(row["layer"])
    ends = (row[name] for name in ("auc", "auc_low", "auc_high"))
    side = f", mining {row['in_mining']}" if row["is_telling"] else ""
    return f"{layer}{side}\nAUC {format_interval(*ends)}"


@house_style()
def draw_completeness(completeness: pd.DataFrame) -> Figure:
    """Draw how many features are mapped around sites of each class.

    Parameters
    ----------
    completeness
        ``radius_m``, ``class``, ``n_p05`` … ``n_p95``: features drawn by hand within the radius.
    """
    figure = new_figure(6.6, 0.9 + 0.3 * len(completeness))
    axes = figure.subplots()
    columns = ["n_p05", "n_p25", "n_median", "n_p75", "n_p95"]
    for place, row in enumerate(completeness.to_dict("records")):
        style = class_style(str(row["class"]))
        values = 1.0 + np.array([row[name] for name in columns], dtype=np.float64)
        axes.plot(values[[0, 4]], [place, place], color=style.colour, linewidth=1.2)
        axes.plot(
            values[[1, 3]], [place, place], color=style.colour, linewidth=6, alpha=0.45,
            solid_capstyle="butt",
        )  # fmt: skip
        axes.plot(values[2], place, marker=style.marker, color=style.colour, markersize=6)
    _count_axis(axes, float(completeness["n_p95"].max()))
    names = [
        f"{name}, {format_length(radius)}"
        for name, radius in zip(completeness["class"], completeness["radius_m"], strict=True)
    ]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("features drawn by hand within the radius")
    quiet_axes(axes, grid="x")
    return figure


def _count_axis(axes: Axes, most: float) -> None:
    """Give a logarithmic axis of counts plus one the counts as ticks, from 0."""
    ticks = [0, *(10**k for k in range(max(1, int(np.ceil(np.log10(most + 1.0)))) + 1))]
    axes.set_xscale("log")
    axes.set_xlim(0.9, 1.4 * (most + 1.0))
    axes.xaxis.set_major_locator(FixedLocator([1.0 + tick for tick in ticks]))
    axes.xaxis.set_major_formatter(lambda value, _: format_count(round(value - 1.0)))
    axes.xaxis.set_minor_locator(FixedLocator([]))


@house_style()
def draw_apart(curves: pd.DataFrame, apart: pd.DataFrame) -> Figure:
    """Draw how far sites of each class lie from the nearest (other) mining site.

    Parameters
    ----------
    curves
        ``class``, ``distance_m``, ``share`` of the class's sites at most so far away.
    apart
        ``class``, ``n_sites``, ``median_m``.
    """
    figure = new_figure(6.2, 2.9)
    axes = figure.subplots()
    medians = apart.set_index("class")["median_m"]
    for name, height in zip(CLASSES_DRAWN, (0.36, 0.5), strict=True):
        part = curves[curves["class"] == name]
        style = class_style(name)
        metres = np.maximum(part["distance_m"].to_numpy(dtype=np.float64), 1.0)
        axes.step(
            metres, part["share"], where="post", color=style.colour, linestyle=style.line,
            label=f"{name} (n = {format_count(len(part))})",
        )  # fmt: skip
        median_m = max(float(medians[name]), 1.0)
        axes.plot(median_m, 0.5, marker=style.marker, color=style.colour, markersize=7)
        axes.annotate(
            f"median {format_length(median_m)}", (median_m, height), (9, -3), fontsize=8,
            textcoords="offset points", color=style.colour,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
        )  # fmt: skip
    scale_by_length(axes, np.maximum(curves["distance_m"].to_numpy(dtype=np.float64), 1.0))
    axes.set_ylim(0.0, 1.02)
    axes.yaxis.set_major_formatter(lambda value, _: format_percent(value, decimals=0))
    axes.set_xlabel("distance to the nearest (other) mining site")
    axes.set_ylabel("sites at most so far away")
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], names[::-1], loc="outside upper left", ncols=2)
    quiet_axes(axes, grid="both")
    return figure
