"""Figure of the null models: what place and context score without a pixel."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minewatch._figures import (
    format_length,
    format_number,
    house_style,
    new_figure,
    quiet_axes,
)

_MODEL_LOOKS: Final = {
    "coordinates only": ("#000000", "o", -0.18),
    "context only": ("#b0580a", "s", 0.0),
    "context and coordinates": ("#00785a", "D", 0.18),
}


@house_style()
def draw_null_models(models: pd.DataFrame, added: pd.DataFrame) -> Figure:
    """Draw what models without a pixel score by kind of folds, and what context adds to place.

    Parameters
    ----------
    models
        ``model``, ``folds``, ``distance_m`` (NaN for random folds), ``auc``, ``auc_low``,
        ``auc_high``; rows without an AUC are left out.
    added
        ``difference``, ``folds``, ``distance_m``, ``auc_difference`` with both ends.
    """
    known = models[models["auc"].notna()]
    schemes = known.drop_duplicates(["folds", "distance_m"])[["folds", "distance_m"]]
    keys = [_scheme_key(row) for row in schemes.to_dict("records")]
    figure = new_figure(max(5.2, 2.2 + 0.75 * len(keys)), 4.9)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.0, 1.1))
    upper.axvspan(-0.5, 0.5, color="#f0efe9", zorder=0, linewidth=0)
    lower.axvspan(-0.5, 0.5, color="#f0efe9", zorder=0, linewidth=0)
    for name, (colour, marker, aside) in _MODEL_LOOKS.items():
        rows = known[known["model"] == name]
        places = [keys.index(_scheme_key(row)) + aside for row in rows.to_dict("records")]
        _whiskers(upper, places, rows, "auc", (colour, marker, name))
    upper.axhline(0.5, color="#7a1f5c", linewidth=1.5, zorder=1, label="no better than chance")
    upper.set_ylabel("AUC")
    for name, (colour, marker, aside) in _MODEL_LOOKS.items():
        rows = added[added["difference"] == f"{name} − coordinates only"]
        places = [keys.index(_scheme_key(row)) + aside for row in rows.to_dict("records")]
        _whiskers(lower, places, rows, "auc_difference", (colour, marker, ""))
    lower.axhline(0.0, color="#7a1f5c", linewidth=1.5, zorder=1)
    lower.set_ylabel("gain over\ncoordinates")
    lower.set_xticks(range(len(keys)), [_scheme_name(row) for row in schemes.to_dict("records")])
    lower.set_xlim(-0.5, len(keys) - 0.5)
    lower.yaxis.set_major_formatter(lambda value, _: format_number(value, decimals=2))
    for axes in (upper, lower):
        quiet_axes(axes)
    handles, names = upper.get_legend_handles_labels()
    figure.legend(
        [*handles[1:], handles[0]], [*names[1:], names[0]], loc="outside upper left", ncols=2
    )
    return figure


def _whiskers(
    axes: Axes, places: list[float], rows: pd.DataFrame, column: str, look: tuple[str, str, str]
) -> None:
    colour, marker, name = look
    values = rows[column].to_numpy(dtype=np.float64)
    ends = rows[[f"{column}_low", f"{column}_high"]].to_numpy(dtype=np.float64).T
    axes.errorbar(
        places, values, yerr=np.nan_to_num(np.abs(ends - values), nan=0.0), fmt=marker,
        color=colour, markersize=5, capsize=2.5, linewidth=1.2, linestyle="none",
        label=name or None,
    )  # fmt: skip


def _scheme_key(row: Mapping[Any, Any]) -> tuple[str, float]:
    distance_m = float(row["distance_m"])
    return str(row["folds"]), -1.0 if np.isnan(distance_m) else distance_m


def _scheme_name(row: Mapping[Any, Any]) -> str:
    folds, distance_m = _scheme_key(row)
    short = {"clusters": "clusters", "square blocks": "blocks"}.get(folds, folds)
    return short if distance_m < 0 else f"{short}\n{format_length(distance_m)}"
