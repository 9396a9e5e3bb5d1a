"""Figures of what there is: the classes, and what is wrong with patches."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from minewatch._figures import (
    CLASS_STYLES,
    FAINT,
    INK,
    class_style,
    format_count,
    format_percent,
    house_style,
    new_figure,
)


@house_style()
def draw_class_balance(classes: pd.DataFrame) -> Figure:
    """Draw how many patches each class has.

    Parameters
    ----------
    classes
        ``class``, ``n_patches`` and ``share`` (0 to 1); classes without patches are left out.
    """
    there = classes[classes["n_patches"] > 0]
    figure = new_figure(4.8, 0.4 + 0.36 * len(there))
    axes = figure.subplots()
    for place, (name, n_patches, share) in enumerate(
        zip(there["class"], there["n_patches"], there["share"], strict=True)
    ):
        style = class_style(name)
        axes.barh(
            place, n_patches, height=0.66, color=style.colour, hatch=style.hatch,
            edgecolor="white", linewidth=0,
        )  # fmt: skip
        axes.annotate(
            f"{format_count(n_patches)}  ({format_percent(share)})", (n_patches, place), (5, 0),
            textcoords="offset points", va="center",
        )  # fmt: skip
    axes.set_yticks(range(len(there)), there["class"])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.28 * there["n_patches"].max())
    axes.set_xticks([])
    axes.tick_params(length=0)
    for side in ("bottom", "left"):
        axes.spines[side].set_visible(False)
    return figure


@house_style()
def draw_checks(checks: pd.DataFrame) -> Figure:
    """Draw how many patches fail each check, by class.

    Parameters
    ----------
    checks
        ``check``, ``n_patches`` and, by class, ``n_mining``, ``n_no_mining``, ``n_unlabelled``.
    """
    figure = new_figure(6.6, 0.6 + 0.25 * len(checks))
    axes = figure.subplots()
    places = np.arange(len(checks))
    left = np.zeros(len(checks))
    for name in CLASS_STYLES:
        style, counts = class_style(name), checks[f"n_{name.replace(' ', '_')}"].to_numpy()
        if counts.any():
            axes.barh(
                places, counts, left=left, height=0.68, color=style.colour, hatch=style.hatch,
                edgecolor="white", linewidth=0, label=name,
            )  # fmt: skip
        left = left + counts
    for place, n_patches in enumerate(checks["n_patches"]):
        axes.annotate(
            format_count(n_patches), (n_patches, place), (4, 0), textcoords="offset points",
            va="center", fontsize=8, color=INK if n_patches else FAINT,
        )  # fmt: skip
    axes.set_yticks(places, [name.replace("_", " ") for name in checks["check"]])
    axes.set_ylim(len(checks) - 0.5, -0.5)
    axes.set_xlim(0.0, 1.12 * max(float(left.max()), 1.0))
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)
    if left.any():
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return figure
