"""Figures of what bands repeat: correlation, principal components and patches among them."""

from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from minewatch._figures import (
    DIVERGING,
    FAINT,
    INK,
    SERIES_STYLES,
    ClassStyle,
    class_style,
    enlarge_markers,
    format_percent,
    house_style,
    new_figure,
    quiet_axes,
)

_MAX_VECTOR_POINTS: Final = 3000
"""With more points than this a scatter is drawn as an image inside the SVG."""
_N_COMPONENTS: Final = 4
_FEW_BANDS: Final = 6
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_STRIPS: Final = {
    ("PC1", "low"): ((1, 0), (2, 0), (3, 0)),
    ("PC1", "high"): ((1, 4), (2, 4), (3, 4)),
    ("PC2", "high"): ((0, 1), (0, 2), (0, 3)),
    ("PC2", "low"): ((4, 1), (4, 2), (4, 3)),
}
"""Where in the frame of five by five cells the pictures of each end stand."""


@house_style()
def draw_correlation(correlation: pd.DataFrame) -> Figure:
    """Draw a matrix of correlations between bands.

    Parameters
    ----------
    correlation
        ``band``, then one column for each band: correlation, −1 to 1; NaN where not known.
    """
    figure, (axes,) = _place_matrices(1, len(correlation), cell_in=0.38, top_in=0.1)
    _draw_matrix(axes, correlation, whole=True)
    return figure


@house_style()
def draw_inner_correlation(
    partial: pd.DataFrame, within_class: pd.DataFrame | None = None
) -> Figure:
    """Draw what is left of correlations within classes, and between two bands given all others.

    Parameters
    ----------
    partial, within_class
        As for `draw_correlation`; the lower triangle is drawn. None if there are no two classes.
    """
    tables = {"Within classes": within_class, "Partial: given all other bands": partial}
    there = {
        title: table
        for title, table in tables.items()
        if table is not None and table.drop(columns="band").notna().to_numpy().any()
    }
    cell_in = max(0.235, 1.9 / len(partial))
    figure, panels = _place_matrices(len(there), len(partial), cell_in=cell_in, top_in=0.3)
    for axes, (title, table) in zip(panels, there.items(), strict=True):
        _draw_matrix(axes, table, whole=False)
        axes.set_title(title)
    return figure


def _place_matrices(
    n_panels: int, n_bands: int, *, cell_in: float, top_in: float
) -> tuple[Figure, list[Axes]]:
    """Make square panels side by side and a colour bar, all sizes known in inches.

    Matplotlib's own layout does not converge for panels of fixed shape beside a colour bar.
    """
    left_in, bottom_in, bar_in, bar_room_in = 0.5, 0.5, 0.13, 0.95
    side_in = cell_in * n_bands
    width_in = n_panels * (left_in + side_in) + bar_room_in
    height_in = bottom_in + side_in + top_in
    figure = new_figure(width_in, height_in)
    figure.set_layout_engine(None)
    size = np.array([width_in, height_in, width_in, height_in])

    def add(left: float, bottom: float, width: float, height: float) -> Axes:
        share = np.array([left, bottom, width, height]) / size
        return figure.add_axes((share[0], share[1], share[2], share[3]))

    panels = [
        add(left_in + i * (left_in + side_in), bottom_in, side_in, side_in) for i in range(n_panels)
    ]
    bar_in_height = min(side_in, 2.6)
    bar = add(
        n_panels * (left_in + side_in) + 0.14,
        bottom_in + (side_in - bar_in_height) / 2.0,
        bar_in,
        bar_in_height,
    )
    colours = ScalarMappable(Normalize(-1.0, 1.0), DIVERGING)
    figure.colorbar(colours, cax=bar, ticks=[-1.0, -0.5, 0.0, 0.5, 1.0])
    bar.set_ylabel("Pearson’s r")
    bar.tick_params(length=0)
    for spine in bar.spines.values():
        spine.set_visible(False)
    return figure, panels


def _draw_matrix(axes: Axes, correlation: pd.DataFrame, *, whole: bool) -> None:
    bands = list(correlation["band"])
    values = correlation[bands].to_numpy(dtype=np.float64)
    if not whole:
        values = np.where(np.tri(len(bands), k=-1, dtype=np.bool_), values, np.nan)
    axes.imshow(values, cmap=DIVERGING, vmin=-1, vmax=1)
    axes.set_xticks(range(len(bands)), bands, rotation=90 if len(bands) > _FEW_BANDS else 0)
    axes.set_yticks(range(len(bands)), bands)
    axes.tick_params(length=0, labelsize=8 if whole else 7)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = f"{value:z.2f}".replace("-", "−").replace("0.", ".")
            axes.text(
                j, i, text, ha="center", va="center", fontsize=7 if whole else 5.5,
                color="white" if abs(value) > 0.65 else INK,
            )  # fmt: skip


@house_style()
def draw_components(explained: pd.DataFrame, loadings: pd.DataFrame) -> Figure:
    """Draw what the principal components explain, and what they are made of.

    Parameters
    ----------
    explained
        ``component``, ``variance_share`` and ``cumulative_share`` (0 to 1).
    loadings
        ``band``, then one column for each component: −1 to 1.
    """
    figure = new_figure(7.4, 2.9)
    left, right = figure.subplots(1, 2, width_ratios=(2, 3))
    places = np.arange(len(explained))
    left.bar(places, explained["variance_share"], color="#9aa7b0", width=0.7, label="each")
    left.plot(
        places, explained["cumulative_share"], color=INK, marker="o", markersize=3.5, label="so far"
    )
    names = [name if len(places) < 8 or i % 2 == 0 else "" for i, name in
             enumerate(explained["component"])]  # fmt: skip
    left.set_xticks(places, names, fontsize=7)
    left.set_yticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "25 %", "50 %", "75 %", "100 %"])
    left.set_ylim(0, 1.04)
    left.set_title("Share of the variance")
    left.legend(loc="center right")
    quiet_axes(left)
    _draw_loadings(right, loadings)
    return figure


def _draw_loadings(axes: Axes, loadings: pd.DataFrame) -> None:
    places = np.arange(len(loadings))
    components = [name for name in loadings.columns if name != "band"][:_N_COMPONENTS]
    for name, style in zip(components, SERIES_STYLES, strict=False):
        axes.plot(
            places, loadings[name], color=style.colour, linestyle=style.line, marker=style.marker,
            markersize=4, linewidth=1.3, label=name,
        )  # fmt: skip
    axes.axhline(0.0, color=FAINT, linewidth=0.8)
    axes.set_xticks(places, loadings["band"])
    axes.set_title("Loadings, bands in order of wavelength")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    quiet_axes(axes)


@house_style()
def draw_scores(
    scores: pd.DataFrame,
    explained: pd.DataFrame,
    extremes: pd.DataFrame,
    pictures: xr.DataArray | None = None,
) -> Figure:
    """Draw patches in the plane of the first two components, framed by the outermost.

    Parameters
    ----------
    scores
        ``site_id``, ``class``, ``PC1``, ``PC2``.
    explained
        ``component``, ``variance_share`` (0 to 1).
    extremes
        ``component`` (PC1, PC2), ``end`` (low, high), ``site_id``; the outermost first.
    pictures
        uint8 (site, y, x, rgb), coordinate site = site_id; None to draw the points alone.
    """
    figure = new_figure(7.0, 6.2 if pictures is not None else 4.6)
    if pictures is None:
        _draw_plane(figure.subplots(), scores, explained)
        return figure
    grid = figure.add_gridspec(
        5, 5, width_ratios=(1, 1.6, 1.6, 1.6, 1), height_ratios=(1, 1.1, 1.1, 1.1, 1)
    )
    axes = figure.add_subplot(grid[1:4, 1:4])
    _draw_plane(axes, scores, explained)
    by_site = scores.drop_duplicates("site_id").set_index("site_id")
    letters = letter_extremes(extremes)
    for (component, end), places in _STRIPS.items():
        chosen = extremes[(extremes["component"] == component) & (extremes["end"] == end)]
        for site_id, place in zip(chosen["site_id"], places, strict=False):
            style = class_style(str(by_site["class"][site_id]))
            cell = figure.add_subplot(grid[place])
            _draw_picture(cell, pictures.sel(site=site_id), letters[site_id], style)
    for site_id, letter in letters.items():
        point = (float(by_site["PC1"][site_id]), float(by_site["PC2"][site_id]))
        axes.annotate(
            letter, point, (3, 3), textcoords="offset points", fontsize=8, fontweight="bold"
        )
    return figure


def letter_extremes(extremes: pd.DataFrame) -> dict[str, str]:
    """Give each extreme patch a letter, by site_id, in the order of the table."""
    return dict(zip(dict.fromkeys(extremes["site_id"]), _LETTERS, strict=False))


def _draw_plane(axes: Axes, scores: pd.DataFrame, explained: pd.DataFrame) -> None:
    rasterized = len(scores) > _MAX_VECTOR_POINTS
    size = float(np.clip(9000.0 / max(len(scores), 1), 3.0, 22.0))
    for name in ("unlabelled", "no mining", "mining"):
        part = scores[scores["class"] == name]
        if not part.empty:
            style = class_style(name)
            axes.scatter(
                part["PC1"], part["PC2"], s=size, marker=style.marker, color=style.colour,
                alpha=0.55, linewidths=0, rasterized=rasterized, label=name,
            )  # fmt: skip
    shares = explained.set_index("component")["variance_share"]
    axes.set_xlabel(f"PC1, {format_percent(shares['PC1'], decimals=0)} of the variance")
    axes.set_ylabel(f"PC2, {format_percent(shares['PC2'], decimals=0)} of the variance")
    handles, names = axes.get_legend_handles_labels()
    legend = axes.legend(handles[::-1], names[::-1], handletextpad=0.2, borderpad=0.2)
    enlarge_markers(legend)
    quiet_axes(axes, grid="both")


def _draw_picture(axes: Axes, picture: xr.DataArray, letter: str, style: ClassStyle) -> None:
    axes.imshow(picture.transpose("y", "x", "rgb").to_numpy())
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=style.colour, linewidth=2.0, linestyle=style.line)
    axes.text(
        0.04, 0.96, letter, transform=axes.transAxes, va="top", fontsize=8, fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2},
    )  # fmt: skip
