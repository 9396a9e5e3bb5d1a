"""Draw folds: where each site is tested, and how far from what trained."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from minewatch._figures import (
    FAINT,
    INK,
    SERIES_STYLES,
    class_style,
    enlarge_markers,
    format_count,
    format_length,
    house_style,
    new_figure,
    quiet_axes,
)
from minewatch.errors import InputError

_MARKERS: Final = ("o", "s", "D", "v", "^", "P", "X", "<", ">", "*")
_COLOURS: Final = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222", "#8c6d31",
    "#7b4173", "#777777",
)  # fmt: skip
_MAX_VECTOR_POINTS: Final = 3_000
_NEAREST_M: Final = 10.0
"""Shorter distances are drawn as this one, for the axis is logarithmic."""
_MANY_TICKS: Final = 500.0
"""Ratio of the longest to the shortest length from which only powers of ten are ticks."""
_KM_PER_DEGREE: Final = 111.32


@house_style()
def draw_folds(folds: pd.DataFrame, *, patch_m: float | None = None) -> Figure:
    """Draw where each fold is tested, and how far its test sites lie from training sites.

    Parameters
    ----------
    folds
        As `fold_table` gives it: `site_id`, `fold`, `role`, `label`, `longitude`, `latitude`,
        `nearest_train_m`.
    patch_m
        Side of a patch, metres, drawn beside the distances; None leaves it out.

    Raises
    ------
    InputError
        If no site has a place.
    """
    placed = folds[folds["longitude"].notna()]
    if placed.empty:
        raise InputError("no site has a place, so the folds cannot be drawn on a map")
    figure = new_figure(7.6, 3.9)
    place, distances = figure.subplots(1, 2, width_ratios=[1.25, 1.0])
    _draw_map(place, placed)
    _draw_distances(distances, placed[placed["role"] == "test"], patch_m)
    handles, names = place.get_legend_handles_labels()
    legend = figure.legend(
        handles, names, loc="outside upper left", ncols=6, handletextpad=0.1, columnspacing=1.0
    )
    enlarge_markers(legend)
    return figure


def _draw_map(axes: Axes, placed: pd.DataFrame) -> None:
    test = placed[placed["role"] == "test"]
    dead = placed.loc[placed["role"] == "dead zone", "site_id"]
    never = placed[~placed["site_id"].isin(test["site_id"])].drop_duplicates("site_id")
    size = float(np.clip(6000.0 / max(test["site_id"].nunique(), 1), 4.0, 22.0))
    rasterized = len(test) > _MAX_VECTOR_POINTS
    if not never.empty:
        axes.scatter(
            never["longitude"], never["latitude"], s=size, color=FAINT, marker=".", linewidths=0,
            rasterized=rasterized, label=f"never tested ({format_count(len(never))})",
        )  # fmt: skip
    for fold, rows in test.groupby("fold"):
        style = int(str(fold)) % len(_COLOURS)
        axes.scatter(
            rows["longitude"], rows["latitude"], s=size, color=_COLOURS[style],
            marker=_MARKERS[style], alpha=0.75, linewidths=0, rasterized=rasterized,
            label=f"fold {int(str(fold)) + 1} ({format_count(len(rows))})",
        )  # fmt: skip
    ringed = placed[placed["site_id"].isin(dead)].drop_duplicates("site_id")
    if not ringed.empty:
        axes.scatter(
            ringed["longitude"], ringed["latitude"], s=2.6 * size, facecolors="none",
            edgecolors=INK, linewidths=0.6, rasterized=rasterized,
            label=f"in a dead zone ({format_count(len(ringed))})",
        )  # fmt: skip
    frame_map(axes, placed)
    axes.set_title("Where each fold is tested")


def frame_map(axes: Axes, placed: pd.DataFrame) -> None:
    """Show as far east as north, with a margin, and a scale bar.

    Parameters
    ----------
    placed
        Columns `longitude` and `latitude`, degrees, none of them NaN.
    """
    ends = {}
    for column in ("longitude", "latitude"):
        low, high = float(placed[column].min()), float(placed[column].max())
        margin = max(0.06 * (high - low), 0.005)
        ends[column] = (low - margin, high + margin)
    cosine = max(float(np.cos(np.radians(np.mean(ends["latitude"])))), 0.01)
    axes.set_xlim(*ends["longitude"])
    axes.set_ylim(*ends["latitude"])
    axes.set_aspect(1.0 / cosine, adjustable="box", anchor="N")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(lambda value, _: _degrees(value, "E", "W"))
    axes.yaxis.set_major_formatter(lambda value, _: _degrees(value, "N", "S"))
    quiet_axes(axes, grid="both")
    width_km = (ends["longitude"][1] - ends["longitude"][0]) * _KM_PER_DEGREE * cosine
    power = 10.0 ** np.floor(np.log10(width_km / 3.0))
    length_km = max(step * power for step in (1.0, 2.0, 5.0) if step * power <= width_km / 3.0)
    _draw_scale(axes, length_km, length_km / width_km)


def _draw_scale(axes: Axes, length_km: float, share: float) -> None:
    """Draw a scale bar beneath the axes' names, where no site can lie."""
    foot = -0.17
    axes.plot(
        [0.0, share], [foot, foot], color=INK, linewidth=2.5, solid_capstyle="butt",
        transform=axes.transAxes, clip_on=False,
    )  # fmt: skip
    axes.annotate(
        format_length(1000.0 * length_km), (share, foot), (5, 0), xycoords="axes fraction",
        textcoords="offset points", fontsize=8, va="center", annotation_clip=False,
    )  # fmt: skip


def _degrees(value: float, positive: str, negative: str) -> str:
    side = positive if value > 0 else negative if value < 0 else ""
    return f"{abs(value):.6g}°{side}"


def _draw_distances(axes: Axes, test: pd.DataFrame, patch_m: float | None) -> None:
    """Draw the cumulative share of test sites by distance to training, by class."""
    shown = test["nearest_train_m"].dropna().clip(lower=_NEAREST_M)
    narrow = shown.empty or shown.max() < _MANY_TICKS * min(shown.min(), patch_m or np.inf)
    for label, name in ((1.0, "mining"), (0.0, "no mining")):
        metres = np.sort(test.loc[test["label"] == label, "nearest_train_m"].dropna())
        if len(metres):
            style = class_style(name)
            axes.step(
                np.append(metres[:1], metres).clip(min=_NEAREST_M),
                np.arange(len(metres) + 1) / len(metres),
                where="post", color=style.colour, linestyle=style.line, label=name,
            )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(10.0, subs=(1.0, 2.0, 5.0) if narrow else (1.0,)))
    axes.xaxis.set_major_formatter(lambda value, _: format_length(value))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if patch_m is not None:
        axes.axvline(patch_m, color=SERIES_STYLES[0].colour, linewidth=1.0, linestyle=":")
        axes.annotate(
            "side of a patch", (patch_m, 1.0), (3, -9), xycoords=("data", "axes fraction"),
            textcoords="offset points", fontsize=8,
        )  # fmt: skip
    axes.set_ylim(0.0, 1.02)
    axes.set_ylabel("share of test sites at most this far")
    axes.set_xlabel("distance to the nearest training site")
    axes.set_title("How far from what trained")
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, 0.92))
    quiet_axes(axes)
