"""Figures of labels: which ones a model does not believe."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from minewatch._figures import INK, class_style, format_count, house_style, new_figure, quiet_axes

_EDGES: Final = np.linspace(0.0, 1.0, 26)


@house_style()
def draw_doubts(doubts: pd.DataFrame, noise: pd.DataFrame) -> Figure:
    """Draw how probable mining is by given label, and how many labels are doubted.

    Parameters
    ----------
    doubts
        ``label`` (mining, no mining), ``probability`` of mining (0 to 1), ``is_flagged``.
    noise
        ``label``, ``threshold``: the mean probability of a label among sites that bear it.
    """
    figure = new_figure(6.2, 3.7)
    panels = figure.subplots(2, 1, sharex=True)
    thresholds = noise.set_index("label")["threshold"]
    for axes, name in zip(panels, ("mining", "no mining"), strict=True):
        part, style = doubts[doubts["label"] == name], class_style(name)
        believed = part.loc[~part["is_flagged"], "probability"]
        flagged = part.loc[part["is_flagged"], "probability"]
        axes.hist(
            [believed, flagged], bins=_EDGES.tolist(), stacked=True, rwidth=0.92,
            color=[style.colour, "white"], edgecolor=style.colour, linewidth=0.6,
            hatch=["", "/////"],
        )  # fmt: skip
        counts = f"{format_count(len(part))} sites, {format_count(len(flagged))} doubted"
        axes.set_title(f"Labelled {name}: {counts}")
        axes.set_ylabel("sites")
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        quiet_axes(axes)
    # The other label is reached left of 1 − its threshold in the first panel, right in the second.
    for axes, place in zip(
        panels, (1.0 - thresholds["no mining"], thresholds["mining"]), strict=True
    ):
        axes.axvline(place, color=INK, linewidth=1.1, linestyle="--")
    panels[1].set_xlim(0.0, 1.0)
    panels[1].set_xlabel("out-of-fold probability of mining")
    return figure
