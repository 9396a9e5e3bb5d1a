"""Figures of bands: densities, signatures and how well each tells the classes apart."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from minewatch._figures import (
    CLASS_STYLES,
    FAINT,
    INK,
    class_style,
    house_style,
    new_figure,
    quiet_axes,
)
from minewatch.bands import BANDS, band

_N_COLUMNS: Final = 4
_KINDS: Final = {
    "band": ("#0072B2", "o", "mean of a band"),
    "index": ("#000000", "D", "spectral index"),
}


@house_style()
def draw_densities(densities: pd.DataFrame) -> Figure:
    """Draw the density of pixel values by class, one panel for each band.

    Parameters
    ----------
    densities
        ``band``, ``class``, ``reflectance``, ``density`` (per unit of reflectance; NaN where it
        could not be estimated). Both classes of a band lie on the same reflectances.
    """
    bands = in_order_of_wavelength(densities["band"].unique())
    classes = [name for name in CLASS_STYLES if (densities["class"] == name).any()]
    n_columns = min(_N_COLUMNS, len(bands))
    n_rows = -(-len(bands) // n_columns)
    figure = new_figure(0.4 + 1.8 * max(n_columns, 2), 0.75 + 1.4 * n_rows)
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    by_curve = dict(iter(densities.groupby(["band", "class"], sort=False)))
    for axes, name in zip(panels, bands, strict=False):
        for class_name in classes:
            if (name, class_name) in by_curve:
                _draw_density(axes, by_curve[(name, class_name)], class_name)
        axes.set_title(f"{name} {band(name).description}", fontsize=8)
        axes.set_yticks([])
        axes.set_ylim(bottom=0.0)
        axes.margins(x=0.0)
        axes.xaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))
        axes.tick_params(labelsize=7)
        quiet_axes(axes, grid="x")
    for axes in panels[len(bands) :]:
        axes.set_axis_off()
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=3, handlelength=2.6)
    figure.supxlabel("reflectance", fontsize=9)
    figure.supylabel("density of pixels", fontsize=9)
    return figure


def _draw_density(axes: Axes, curve: pd.DataFrame, class_name: str) -> None:
    style = class_style(class_name)
    axes.fill_between(
        curve["reflectance"], curve["density"], color=style.colour, alpha=0.13, linewidth=0
    )
    axes.plot(
        curve["reflectance"], curve["density"], color=style.colour, linestyle=style.line,
        linewidth=1.4, label=class_name,
    )  # fmt: skip


@house_style()
def draw_signatures(signatures: pd.DataFrame) -> Figure:
    """Draw reflectance over wavelength by class: median, middle half, and all but the tails.

    Parameters
    ----------
    signatures
        ``class``, ``band``, ``wavelength_nm`` and the reflectances ``p05``, ``p25``, ``median``,
        ``p75``, ``p95`` of all pixels.
    """
    figure = new_figure(7.0, 3.9)
    axes = figure.subplots()
    for name in reversed(CLASS_STYLES):
        part = signatures[signatures["class"] == name]
        if part.empty:
            continue
        style, wavelength = class_style(name), part["wavelength_nm"]
        for low, high, alpha in (("p05", "p95", 0.12), ("p25", "p75", 0.25)):
            axes.fill_between(
                wavelength, part[low], part[high], color=style.colour, alpha=alpha, linewidth=0
            )
        for edge in ("p05", "p95"):
            axes.plot(wavelength, part[edge], color=style.colour, linewidth=0.6, linestyle=":")
        axes.plot(
            wavelength, part["median"], color=style.colour, linestyle=style.line,
            marker=style.marker, markersize=4.5, label=name,
        )  # fmt: skip
    axes.set_xlabel("wavelength, nm")
    axes.set_ylabel("reflectance")
    axes.set_ylim(bottom=0.0)
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], names[::-1], loc="upper left", handlelength=3.0)
    quiet_axes(axes)
    _name_bands(axes, signatures)
    return figure


def _name_bands(axes: Axes, signatures: pd.DataFrame) -> None:
    known = signatures.drop_duplicates("band")
    above = axes.secondary_xaxis("top")
    above.set_xticks(known["wavelength_nm"], known["band"], rotation=90, fontsize=6.5)
    above.tick_params(length=2, color=FAINT)
    above.spines["top"].set_visible(False)
    above.spines["bottom"].set_visible(False)


def in_order_of_wavelength(names: Iterable[str]) -> list[str]:
    """Sort band names by their wavelength."""
    order = [one.name for one in BANDS]
    return sorted(names, key=order.index)


@house_style()
def draw_ranking(ranking: pd.DataFrame) -> Figure:
    """Draw the area under the ROC curve of every band and index, the best on top.

    Parameters
    ----------
    ranking
        ``feature``, ``kind`` (band, index), ``auc``, ``auc_low``, ``auc_high`` (0.5 to 1; the
        interval may reach below), ``direction``.
    """
    figure = new_figure(6.2, 0.9 + 0.185 * len(ranking))
    axes = figure.subplots()
    places = np.arange(len(ranking))
    ends = ranking[["auc_low", "auc_high"]].to_numpy(dtype=np.float64).T
    auc = ranking["auc"].to_numpy(dtype=np.float64)
    reach = np.nan_to_num(np.abs(ends - auc))
    for kind, (colour, marker, name) in _KINDS.items():
        chosen = (ranking["kind"] == kind).to_numpy()
        if chosen.any():
            axes.errorbar(
                auc[chosen], places[chosen], xerr=reach[:, chosen], fmt=marker, color=colour,
                markersize=4.5, linewidth=1.1, capsize=0, label=name,
            )  # fmt: skip
    axes.axvline(0.5, color=FAINT, linewidth=1.0)
    signs = ["▲" if word.startswith("higher") else "▼" for word in ranking["direction"]]
    axes.set_yticks(places, [f"{n}  {s}" for n, s in zip(ranking["feature"], signs, strict=True)])
    axes.set_ylim(len(ranking) - 0.4, -0.6)
    axes.set_xlim(min(0.45, float(np.nanmin([ends.min(), 0.45]))), 1.005)
    axes.set_xlabel("area under the ROC curve (0.5: no better than chance)", color=INK)
    axes.legend(loc="lower right")
    quiet_axes(axes, grid="x")
    return figure
