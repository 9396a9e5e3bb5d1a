"""Figures of thumbnails: rows of patches as they look."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minewatch._figures import class_style, house_style, new_figure

_N_COLUMNS: Final = 12
_CELL_IN: Final = 0.62
_GAP: Final = 0.09
"""Space between pictures, as a share of a picture's side."""
_MARGIN_IN: Final = 0.03
_TITLE_IN: Final = 0.24
_NAME_IN: Final = 0.14


@house_style()
def draw_pictures(rows: Mapping[str, xr.DataArray], classes: Mapping[str, str]) -> Figure:
    """Draw thumbnails in titled rows, each with its site_id beneath and a frame for its class.

    Parameters
    ----------
    rows
        By title uint8 ``(site, y, x, rgb)``, coordinate site = site_id, stretched already. A row
        longer than twelve goes on in the next line.
    classes
        Class by site_id; a site that is not there gets the frame of the unlabelled.
    """
    lines = [(title, start) for title, images in rows.items()
             for start in range(0, images.sizes["site"], _N_COLUMNS)]  # fmt: skip
    height_in = len(lines) * (_CELL_IN * (1 + _GAP) + _NAME_IN + _TITLE_IN) + 0.1
    longest = max(images.sizes["site"] for images in rows.values())
    width_in = max(2.6, min(longest, _N_COLUMNS) * _CELL_IN * (1 + _GAP) + _MARGIN_IN)
    figure = new_figure(width_in, height_in)
    figure.set_layout_engine(None)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    top = 0.0
    for title, start in lines:
        more = "" if start == 0 else " (continued)"
        axes.text(_MARGIN_IN, top + 0.17, title + more, fontsize=8, fontweight="bold")
        part = rows[title].isel(site=slice(start, start + _N_COLUMNS))
        _draw_line(axes, part, top + _TITLE_IN, classes)
        top += _CELL_IN * (1 + _GAP) + _NAME_IN + _TITLE_IN
    axes.set_xlim(0.0, width_in)
    axes.set_ylim(height_in, 0.0)
    return figure


def _draw_line(axes: Axes, images: xr.DataArray, top: float, classes: Mapping[str, str]) -> None:
    pixels = images.transpose("site", "y", "x", "rgb").to_numpy()
    n_sites, height, width, _ = pixels.shape
    gap = max(round(_GAP * width), 1)
    strip = np.full((height, n_sites * (width + gap), 3), 255, dtype=np.uint8)
    step_in = _CELL_IN * (1 + gap / width)
    for place, site_id in enumerate(images["site"].to_numpy()):
        strip[:, place * (width + gap) :][:, :width] = pixels[place]
        style = class_style(classes.get(str(site_id), "unlabelled"))
        left = _MARGIN_IN + place * step_in
        axes.add_patch(
            Rectangle(
                (left, top), _CELL_IN, _CELL_IN, fill=False, edgecolor=style.colour,
                linewidth=1.2, linestyle=style.line,
            )
        )  # fmt: skip
        axes.text(left, top + _CELL_IN + 0.1, _shorten(str(site_id)), fontsize=5, va="center")
    right = _MARGIN_IN + n_sites * step_in
    axes.imshow(
        strip,
        extent=(_MARGIN_IN, right, top + _CELL_IN, top),
        aspect="auto",
        interpolation="none",
        zorder=0,
    )


def _shorten(name: str, n_most: int = 16) -> str:
    """Keep both ends of a long name."""
    if len(name) <= n_most:
        return name
    half = (n_most - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
