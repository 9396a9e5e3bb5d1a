"""Figures of places: the leakage audit, the map, distances, and how far patches resemble."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from minewatch._figures import (
    FAINT,
    INK,
    ClassStyle,
    class_style,
    enlarge_markers,
    format_count,
    format_length,
    format_number,
    house_style,
    new_figure,
    quiet_axes,
)
from minewatch.types import FloatArray

COORDINATES: Final = "coordinates only"
MODEL_STYLES: Final = {
    COORDINATES: ClassStyle("#000000", "-", "o", "///"),
    "spectra": ClassStyle("#00785a", "--", "D", ""),
}
_SPREAD: Final = {"coordinates only": -0.07, "spectra": 0.07}
_SCHEME_TITLES: Final = {
    "clusters": "Whole clusters, this far apart",
    "square blocks": "Square blocks, with sides this long",
}
_MAX_VECTOR_POINTS: Final = 3000
"""With more points than this a scatter is drawn as an image inside the SVG."""
_MANY_TICKS: Final = 500.0
"""Ratio of the longest to the shortest length from which only powers of ten are ticks."""
_STRIP: Final = 0.06
"""Share of the map's height kept free for the scale bar."""
_CHANCE: Final = "#7a1f5c"
_ROW_HEIGHTS: Final = {"coordinates only": -0.135, "spectra": -0.21}


@house_style()
def draw_leakage(leakage: pd.DataFrame) -> Figure:
    """Draw what a model of coordinates alone scores, beside a spectral one, by kind of folds.

    Parameters
    ----------
    leakage
        ``model``, ``folds``, ``distance_m`` (NaN for random folds), ``auc``, ``auc_low`` and
        ``auc_high`` (NaN where it could not be measured).
    """
    schemes = [name for name in _SCHEME_TITLES if (leakage["folds"] == name).any()]
    figure = new_figure(7.6, 4.4)
    measured = leakage[leakage["auc"].notna()]
    widths = [2 + measured.loc[measured["folds"] == s, "distance_m"].nunique() for s in schemes]
    panels = figure.subplots(1, len(schemes), sharey=True, squeeze=False, width_ratios=widths)[0]
    for axes, scheme in zip(panels, schemes, strict=True):
        part = leakage[leakage["folds"].isin(["random", scheme])]
        _draw_scheme(axes, part, _SCHEME_TITLES[scheme])
    _name_rows(panels[0], leakage)
    panels[0].set_ylabel("area under the ROC curve (AUC)")
    lowest = np.nanmin([leakage["auc_low"].min(), leakage["auc"].min(), 0.5])
    panels[0].set_ylim(max(0.0, min(0.4, lowest - 0.03)), 1.02)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=4, columnspacing=1.2)
    return figure


def _draw_scheme(axes: Axes, part: pd.DataFrame, title: str) -> None:
    distances = sorted(part.loc[part["auc"].notna(), "distance_m"].dropna().unique())
    ticks = [float("nan"), *distances]
    names = ["random", *(format_length(distance) for distance in distances)]
    axes.axvspan(-0.5, 0.5, color="#f0efe9", zorder=0, linewidth=0)
    for model, style in MODEL_STYLES.items():
        rows = part[part["model"] == model]
        if not rows.empty:
            _draw_model(axes, _by_distance(rows, ticks), model, style)
    axes.axhline(0.5, color=_CHANCE, linewidth=1.8, zorder=1.5, label="0.5: no better than chance")
    axes.set_xticks(range(len(ticks)), names)
    axes.set_xlim(-0.5, len(ticks) - 0.5)
    axes.set_title(title)
    quiet_axes(axes)


def _by_distance(rows: pd.DataFrame, ticks: list[float]) -> pd.DataFrame:
    """Put rows in the order of the ticks, the random folds (NaN) first."""
    keys = rows["distance_m"].fillna(-1.0)
    places = [-1.0 if np.isnan(tick) else tick for tick in ticks]
    return rows.set_index(keys)[["auc", "auc_low", "auc_high"]].reindex(places)


def _draw_model(axes: Axes, rows: pd.DataFrame, model: str, style: ClassStyle) -> None:
    auc = rows["auc"].to_numpy(dtype=np.float64)
    ends = rows[["auc_low", "auc_high"]].to_numpy(dtype=np.float64).T
    places = np.arange(len(auc)) + _SPREAD[model]
    if model == COORDINATES:
        axes.fill_between(
            places, 0.5, auc, where=(auc >= 0.5).tolist(), color="#bdbdbd", alpha=0.45,
            linewidth=0, label="what location alone gives away",
        )  # fmt: skip
    reach = np.nan_to_num(np.abs(ends - auc), nan=0.0)
    axes.errorbar(
        places, auc, yerr=reach, fmt=style.marker, color=style.colour, linestyle=style.line,
        markersize=5, capsize=2.5, linewidth=1.2, label=f"model of {model}",
    )  # fmt: skip
    for place, value in enumerate(auc):
        axes.text(
            place, _ROW_HEIGHTS[model], format_number(value, decimals=2),
            transform=axes.get_xaxis_transform(), ha="center", fontsize=8, color=style.colour,
            fontweight="bold",
        )  # fmt: skip


def _name_rows(axes: Axes, leakage: pd.DataFrame) -> None:
    """Name the rows of numbers beneath the first panel."""
    for model, height in _ROW_HEIGHTS.items():
        if (leakage["model"] == model).any():
            axes.text(
                -0.03, height, model.removesuffix(" only"), transform=axes.transAxes, ha="right",
                fontsize=8, color=MODEL_STYLES[model].colour,
            )  # fmt: skip


@house_style()
def draw_map(sites: pd.DataFrame) -> Figure:
    """Draw where the sites lie, as far east as north on the paper, with a scale in kilometres.

    Parameters
    ----------
    sites
        ``longitude``, ``latitude`` (degrees, EPSG:4326), ``class``.
    """
    west, east, south, north = _frame(sites)
    middle = float(np.cos(np.radians((south + north) / 2.0)))
    ratio = (north - south) / ((east - west) * middle)
    width_in = float(np.clip(5.4 / ratio, 3.4, 7.2))
    figure = new_figure(width_in, float(np.clip((width_in - 0.7) * ratio, 1.8, 6.2)) + 0.75)
    axes = figure.subplots()
    rasterized = len(sites) > _MAX_VECTOR_POINTS
    size = float(np.clip(9000.0 / len(sites), 4.0, 22.0))
    for name in ("unlabelled", "no mining", "mining"):
        part = sites[sites["class"] == name]
        if not part.empty:
            style = class_style(name)
            axes.scatter(
                part["longitude"], part["latitude"], s=size, marker=style.marker,
                color=style.colour, alpha=0.65, linewidths=0, rasterized=rasterized,
                label=f"{name} ({format_count(len(part))})",
            )  # fmt: skip
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect(1.0 / middle)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(lambda value, _: degrees(value, "E", "W"))
    axes.yaxis.set_major_formatter(lambda value, _: degrees(value, "N", "S"))
    handles, names = axes.get_legend_handles_labels()
    legend = figure.legend(
        handles[::-1], names[::-1], loc="outside upper left", ncols=3, handletextpad=0.1
    )
    enlarge_markers(legend)
    quiet_axes(axes, grid="both")
    add_scale_bar(axes, middle)
    return figure


def _frame(sites: pd.DataFrame) -> tuple[float, float, float, float]:
    """Give west, east, south and north with a margin, and room for the scale bar in the south."""
    ends = []
    for column in ("longitude", "latitude"):
        low, high = float(sites[column].min()), float(sites[column].max())
        half = max(0.56 * (high - low), 0.01)
        ends += [(low + high) / 2.0 - half, (low + high) / 2.0 + half]
    west, east, south, north = ends
    south -= _STRIP * (north - south)
    return west, east, max(south, -89.0), min(north, 89.0)


def degrees(value: float, positive: str, negative: str) -> str:
    """Write a longitude or latitude on an axis."""
    side = positive if value > 0 else negative if value < 0 else ""
    return f"{abs(value):.10g}°{side}"


def add_scale_bar(axes: Axes, cosine: float) -> None:
    """Draw a bar of a round length, at most a third of the map's width, at its middle latitude."""
    west, east = axes.get_xlim()
    south, north = axes.get_ylim()
    degree_km = 111.32 * cosine
    longest = (east - west) / 3.0 * degree_km
    power = 10.0 ** np.floor(np.log10(longest))
    length_km = max(step * power for step in (1.0, 2.0, 5.0) if step * power <= longest)
    left = west + 0.03 * (east - west)
    height = south + 0.03 * (north - south)
    axes.plot(
        [left, left + length_km / degree_km], [height, height], color=INK, linewidth=2.5,
        solid_capstyle="butt", zorder=5,
    )  # fmt: skip
    axes.annotate(
        format_length(1000.0 * length_km), (left, height), (0, 4), textcoords="offset points",
        fontsize=8, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
        zorder=5,
    )  # fmt: skip


@house_style()
def draw_nearest(nearest: pd.DataFrame, overlaps: pd.DataFrame) -> Figure:
    """Draw how far the nearest other site lies, by class and by the class of that other.

    Parameters
    ----------
    nearest
        ``class``, ``nearest`` (any, same class, other class), ``p5_m``, ``p25_m``, ``median_m``,
        ``p75_m``, ``p95_m``: metres; NaN rows are left out.
    overlaps
        ``distance_m`` of the first row: the side of a patch, metres.
    """
    rows = nearest[nearest["median_m"].notna()]
    figure = new_figure(6.6, 0.95 + 0.3 * len(rows))
    axes = figure.subplots()
    columns = ["p5_m", "p25_m", "median_m", "p75_m", "p95_m"]
    metres = rows[columns].to_numpy(dtype=np.float64).clip(min=1.0)
    for place, (name, values) in enumerate(zip(rows["class"], metres, strict=True)):
        style = class_style(name)
        axes.plot(values[[0, 4]], [place, place], color=style.colour, linewidth=1.2)
        axes.plot(
            values[[1, 3]], [place, place], color=style.colour, linewidth=6, alpha=0.45,
            solid_capstyle="butt",
        )  # fmt: skip
        axes.plot(values[2], place, marker=style.marker, color=style.colour, markersize=6)
    side_m = float(overlaps["distance_m"].iloc[0])
    axes.axvline(side_m, color=INK, linewidth=1.1, linestyle="--")
    axes.annotate(
        f"side of a patch, {format_length(side_m)}", (side_m, 1.0), (4, 2), fontsize=8,
        xycoords=("data", "axes fraction"), textcoords="offset points",
    )  # fmt: skip
    scale_by_length(axes, [side_m, *metres.ravel()])
    axes.set_yticks(
        range(len(rows)),
        [f"{a} → {b}" for a, b in zip(rows["class"], rows["nearest"], strict=True)],
    )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("distance to the nearest other site")
    quiet_axes(axes, grid="x")
    return figure


def scale_by_length(axes: Axes, metres: Sequence[float] | FloatArray) -> None:
    """Make the horizontal axis logarithmic, with round lengths as ticks."""
    low, high = float(np.min(metres)), float(np.max(metres))
    steps = (1.0, 2.0, 5.0) if high < _MANY_TICKS * low else (1.0,)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(10.0, subs=steps))
    axes.xaxis.set_major_formatter(lambda value, _: format_length(value))
    axes.xaxis.set_minor_formatter(NullFormatter())


@house_style()
def draw_variogram(variogram: pd.DataFrame, model: pd.DataFrame) -> Figure:
    """Draw how much patches differ with the distance between them, and the fitted range.

    Parameters
    ----------
    variogram
        ``distance_m``, ``semivariance`` (1 is what two unrelated sites show), ``n_pairs``.
    model
        One row: ``range_m``, ``nugget``, ``sill``; NaN where nothing could be fitted.
    """
    figure = new_figure(6.0, 3.3)
    axes = figure.subplots()
    distance_m = variogram["distance_m"].to_numpy(dtype=np.float64)
    axes.plot(distance_m, variogram["semivariance"], "o", color=INK, markersize=5, label="measured")
    axes.axhline(1.0, color=FAINT, linewidth=1.0, linestyle=":", label="unrelated sites")
    range_m, nugget, sill = (float(model[name].iloc[0]) for name in ("range_m", "nugget", "sill"))
    if np.isfinite(nugget):
        fine = np.geomspace(distance_m.min(), distance_m.max(), 200)
        scale_m = range_m if np.isfinite(range_m) else np.inf
        if np.isfinite(scale_m):
            curve = nugget + sill * (1.0 - np.exp(-3.0 * fine / scale_m))
            axes.plot(fine, curve, color="#0072B2", label="exponential model")
            axes.axvline(range_m, color="#0072B2", linewidth=1.0, linestyle="--")
            axes.annotate(
                f"range {format_length(range_m)}", (range_m, 0.02), (4, 0), fontsize=8,
                xycoords=("data", "axes fraction"), textcoords="offset points", color="#005a8f",
            )  # fmt: skip
    scale_by_length(axes, distance_m)
    axes.set_ylim(0.0, max(1.15, 1.1 * float(variogram["semivariance"].max())))
    axes.set_xlabel("distance between two sites")
    axes.set_ylabel("semivariance of PC1")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    quiet_axes(axes)
    return figure
