"""Maps of what is mapped, one for each layer."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.ndimage import maximum_filter

from minewatch._figures import (
    FAINT,
    INK,
    class_style,
    enlarge_markers,
    format_count,
    house_style,
    new_figure,
    quiet_axes,
)
from minewatch.context._layers import TARGET
from minewatch.explore._figures_context import CLASSES_DRAWN, NAMES_TARGET
from minewatch.explore._figures_space import add_scale_bar, degrees
from minewatch.types import FloatArray

_DENSITY: Final = LinearSegmentedColormap.from_list("mapped", ["#8a8a85", "#4c4c48", "#000000"])
"""Grey that is seen on white from the first feature on, and leaves colour to the classes."""
_ALONE: Final = ListedColormap(["#000000"])
"""For what names mining, and for layers of which there is little: every cell must be seen."""
_WIDTH_IN: Final = 7.3
_FEW_CELLS: Final = 0.02
"""Share of a map's cells below which each is drawn wider, and the sites paler."""
_VERY_FEW_CELLS: Final = 0.002
"""Share below which it is drawn wider still."""
_PALE: Final = 0.35
_THIN: Final = 0.08
"""Share of a map's cells below which features are drawn over the sites, and not beneath them."""


@house_style()
def draw_layer_maps(
    frame: pd.DataFrame,
    cells: pd.DataFrame,
    sites: pd.DataFrame,
    layers: pd.DataFrame,
    targets: pd.DataFrame | None,
) -> Figure:
    """Draw one map for each layer that has features, with the sites over it.

    Parameters
    ----------
    frame
        One row: ``west``, ``south``, ``east``, ``north`` (degrees), ``n_columns``, ``n_rows``,
        ``credit``.
    cells
        ``layer``, ``row`` (from the north), ``column``, ``n_features``.
    sites
        ``longitude``, ``latitude`` (degrees), ``class``.
    layers, targets
        ``n_features`` of each ``layer``, and of what names the target, anywhere.
    """
    counts = dict(zip(layers["layer"], layers["n_features"], strict=True))
    counts[TARGET] = 0 if targets is None else int(targets["n_features"].sum())
    shown = [name for name, n in counts.items() if n]
    extent = frame.iloc[0]
    cosine = float(np.cos(np.radians((extent["south"] + extent["north"]) / 2.0)))
    ratio = (extent["north"] - extent["south"]) / ((extent["east"] - extent["west"]) * cosine)
    n_columns = min(_columns(ratio), len(shown))
    n_rows = -(-len(shown) // n_columns)
    panel_in = _WIDTH_IN / _columns(ratio)
    side_in = float(np.clip((panel_in - 0.4) * ratio, 0.9, 4.5))
    figure = new_figure(max(panel_in * n_columns + 0.3, 4.2), n_rows * (side_in + 0.3) + 0.75)
    panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    most = float(max(cells["n_features"].max(), 2))
    for axes, name in zip(panels.ravel(), shown, strict=False):
        part = cells[cells["layer"] == name]
        names_target = name == TARGET
        n_cells = len(part) / float(extent["n_rows"] * extent["n_columns"])
        is_alone = names_target or n_cells < _FEW_CELLS
        _draw_layer(axes, part, extent, _ALONE if is_alone else _DENSITY, most)
        _draw_sites(axes, sites, alpha=_PALE if is_alone else 0.9)
        axes.set_title(
            f"{NAMES_TARGET if names_target else name}  {format_count(counts[name])}",
            color=class_style("mining").colour if names_target else INK,
            fontsize=9.0 if n_columns <= 3 else 8.0,
        )
        axes.set_aspect(1.0 / cosine)
    _label_maps(figure, list(panels.ravel()[: len(shown)]), n_columns, cosine)
    for axes in panels.ravel()[len(shown) :]:
        axes.set_axis_off()
    figure.supxlabel(str(extent["credit"]), fontsize=7.5, color=FAINT, x=0.01, ha="left")
    return figure


def _columns(ratio: float) -> int:
    """Say how many maps of a given height over width stand side by side."""
    return 5 if ratio > 1.4 else 2 if ratio < 0.4 else 3


def _draw_layer(
    axes: Axes, cells: pd.DataFrame, extent: pd.Series, colours: Colormap, most: float
) -> None:
    counts = np.full((int(extent["n_rows"]), int(extent["n_columns"])), np.nan)
    counts[cells["row"], cells["column"]] = cells["n_features"]
    is_thin = len(cells) < _THIN * counts.size
    if len(cells) < _FEW_CELLS * counts.size:
        counts = _widen(counts, 5 if len(cells) < _VERY_FEW_CELLS * counts.size else 3)
    box = (extent["west"], extent["east"], extent["south"], extent["north"])
    axes.imshow(
        counts, extent=box, origin="upper", cmap=colours, norm=LogNorm(1.0, most),
        zorder=4 if is_thin else 1,
    )  # fmt: skip


def _widen(counts: FloatArray, n_wide: int) -> FloatArray:
    """Let every cell reach over its neighbours, so that few and small features are seen."""
    known = np.nan_to_num(counts, nan=0.0)
    wide: FloatArray = maximum_filter(known, size=n_wide)
    return np.where(wide > 0.0, wide, np.nan)


def _draw_sites(axes: Axes, sites: pd.DataFrame, *, alpha: float) -> None:
    size = float(np.clip(1800.0 / max(len(sites), 1), 2.5, 14.0))
    for name in ("unlabelled", *CLASSES_DRAWN):
        part = sites[sites["class"] == name]
        if not part.empty:
            style = class_style(name)
            axes.scatter(
                part["longitude"], part["latitude"], s=size, marker=style.marker,
                facecolor=style.colour, edgecolor="white", linewidths=0.2, alpha=alpha,
                label=f"{name} ({format_count(len(part))})", rasterized=len(sites) > 300, zorder=3,
            )  # fmt: skip


def _round_the_world(longitude: float) -> float:
    """Bring a longitude that runs on past 180° back."""
    return (longitude + 180.0) % 360.0 - 180.0 if abs(longitude) > 180.0 else longitude


def _label_maps(figure: Figure, panels: list[Axes], n_columns: int, cosine: float) -> None:
    for place, axes in enumerate(panels):
        axes.xaxis.set_major_locator(MaxNLocator(2 if n_columns > 3 else 3))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(lambda value, _: degrees(_round_the_world(value), "E", "W"))
        axes.yaxis.set_major_formatter(lambda value, _: degrees(value, "N", "S"))
        axes.tick_params(labelbottom=place + n_columns >= len(panels))
        quiet_axes(axes, grid="none")
        for spine in axes.spines.values():
            spine.set_visible(True)
            spine.set_color("#cfcfca")
    add_scale_bar(panels[0], cosine)
    handles, names = panels[0].get_legend_handles_labels()
    legend = figure.legend(
        handles[::-1], names[::-1], loc="outside upper left", ncols=3, handletextpad=0.1
    )
    enlarge_markers(legend)
