"""House style for every figure and table: colours, figure files, and numbers as people read them.

Figures are made without pyplot, so that drawing needs no display and leaves no global state behind.
The same input gives the same bytes: dates are left out and identifiers in SVG are seeded.
"""

import io
import json
import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from minewatch.types import AnyArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

THIN_SPACE: Final = "\u202f"
"""A narrow space that does not break: between thousands, and between a number and its unit."""
MISSING: Final = "–"
"""What stands for a number that is not known."""
PNG_DPI: Final = 300

INK: Final = "#222222"
FAINT: Final = "#767676"
GRID: Final = "#e4e4e4"
ACCENT: Final = "#009E73"
WARM: Final = "#E69F00"
DIVERGING: Final = "RdBu_r"
SEQUENTIAL: Final = "viridis"


@dataclass(frozen=True)
class ClassStyle:
    """How one class is told from the others, with colour and without."""

    colour: str
    """Fill and line colour, from Okabe and Ito's palette, which colour-blind people can tell."""
    line: str
    """Matplotlib's line style."""
    marker: str
    """Matplotlib's marker."""
    hatch: str
    """Matplotlib's hatching of filled areas."""


CLASS_STYLES: Final[dict[str, ClassStyle]] = {
    "mining": ClassStyle("#D55E00", "-", "^", "///"),
    "no mining": ClassStyle("#0072B2", "--", "o", "..."),
    "unlabelled": ClassStyle("#777777", ":", "s", ""),
}
SERIES_STYLES: Final[tuple[ClassStyle, ...]] = (
    ClassStyle("#222222", "-", "o", ""),
    ClassStyle("#009E73", "--", "s", "///"),
    ClassStyle("#CC79A7", "-.", "D", "..."),
    ClassStyle("#E69F00", ":", "v", "xxx"),
    ClassStyle("#56B4E9", (0, (5, 1, 1, 1)), "P", "\\\\\\"),  # type: ignore[arg-type]  # a dash pattern
)
"""Styles for things that are not classes, in the order in which they come."""

_WHOLE: Final = frozenset({"count", "rank", "year"})

_STYLE: Final = mpl.RcParams(
    {
        "font.family": "DejaVu Sans",
        "font.size": 9.0,
        "text.color": INK,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "axes.titlesize": 9.0,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.labelsize": 9.0,
        "axes.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.labelsize": 8.0,
        "ytick.labelsize": 8.0,
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "hatch.linewidth": 0.5,
        "legend.frameon": False,
        "legend.fontsize": 8.0,
        "lines.linewidth": 1.6,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "svg.hashsalt": "minewatch",
        "svg.fonttype": "path",
        "text.parse_math": False,
        "image.interpolation": "nearest",
    }
)


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the house style until the block ends; also a decorator for functions that draw.

    Matplotlib's settings belong to the process, so two threads must not draw at the same time.

    Examples
    --------
    >>> with house_style():
    ...     figure = new_figure(5.0, 3.0)
    >>> figure.get_size_inches().tolist()
    [5.0, 3.0]
    """
    with mpl.rc_context(_STYLE):
        yield


def new_figure(width_in: float, height_in: float) -> Figure:
    """Make an empty figure that lays out its own parts without overlap.

    Parameters
    ----------
    width_in, height_in
        Size on paper, inches.
    """
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def class_style(name: str) -> ClassStyle:
    """Give the style of a class by its name; a name that is not known is drawn as unlabelled."""
    return CLASS_STYLES.get(name, CLASS_STYLES["unlabelled"])


def quiet_axes(axes: "Axes", *, grid: str = "y") -> None:
    """Leave only the grid lines that the eye follows: ``x``, ``y``, ``both`` or ``none``."""
    if grid != "none":
        axes.grid(visible=True, axis=grid)  # type: ignore[arg-type]  # matplotlib wants a Literal
    axes.tick_params(which="both", length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GRID)


def enlarge_markers(legend: "Legend") -> None:
    """Draw a scatter's markers in its legend at a size that can be told, however small they are."""
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([30.0])
            handle.set_alpha(1.0)


@house_style()
def render_figure(
    figure: Figure, *, title: str, description: str, provenance: Mapping[str, Any]
) -> tuple[bytes, bytes]:
    """Render a figure as PNG (300 dpi) and as SVG, each with what made it written inside.

    Parameters
    ----------
    figure
        The figure; its layout is settled here and stays fixed.
    title, description
        What it shows; kept as ``Title`` and ``Description`` (PNG text chunks, SVG metadata).
    provenance
        A JSON value: settings, versions and digests; kept as ``Source``.

    Returns
    -------
    png, svg
        The bytes of both files; the same for the same figure and words.
    """
    words = {
        "Title": title,
        "Description": description,
        "Source": json.dumps(provenance, sort_keys=True, allow_nan=False),
    }
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(PNG_DPI)
    _settle_layout(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib leaves it untyped
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]  # as above
    svg = io.BytesIO()
    with ThreadPoolExecutor(max_workers=1) as pool:
        png = pool.submit(_encode_png, pixels, words, compress_level=3, dpi=PNG_DPI)
        figure.savefig(
            svg, format="svg", dpi=200, metadata=words | {"Creator": "minewatch", "Date": None}
        )
    return png.result(), svg.getvalue()


def render_image(pixels: AnyArray) -> bytes:
    """Render an image as PNG, one image pixel for one array pixel.

    Parameters
    ----------
    pixels
        uint8 (y, x, rgb), 0 to 255.
    """
    return _encode_png(np.ascontiguousarray(pixels), {}, compress_level=6, dpi=None)


def _settle_layout(figure: Figure) -> None:
    """Lay a figure out once, so that it is not done again for each file."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def _encode_png(
    pixels: AnyArray, words: Mapping[str, str], *, compress_level: int, dpi: int | None
) -> bytes:
    """Write uint8 (y, x, rgb or rgba) as PNG, with words in its text chunks."""
    from matplotlib.image import imsave

    png = io.BytesIO()
    imsave(
        png,
        pixels,
        format="png",
        origin="upper",
        dpi=dpi if dpi is not None else 100,
        metadata={**words, "Software": "minewatch"},
        pil_kwargs={"compress_level": compress_level},
    )
    return png.getvalue()


def format_count(number: float) -> str:
    """Write a whole number with thin spaces between thousands.

    Examples
    --------
    >>> format_count(11911).replace(THIN_SPACE, "_"), format_count(502)
    ('11_911', '502')
    """
    if not _known(number):
        return MISSING
    return f"{round(number):,}".replace(",", THIN_SPACE).replace("-", "−")


def format_number(number: float, *, decimals: int = 3) -> str:
    """Write a number with a fixed count of decimals, and a true minus sign.

    What is too small for these decimals, and not zero, is written with two significant digits; from
    1,000 on only whole numbers are written.

    Examples
    --------
    >>> format_number(0.12345), format_number(-0.5, decimals=2), format_number(0.000021)
    ('0.123', '−0.50', '2.1e−5')
    """
    if not _known(number):
        return MISSING
    if not math.isfinite(number):
        return "∞" if number > 0 else "−∞"
    if abs(number) >= 1000:
        return format_count(number)
    if 0 < abs(number) < 0.5 * 10.0**-decimals:
        mantissa, exponent = f"{number:.1e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    return f"{number:.{decimals}f}".replace("-", "−")


def format_reflectance(number: float) -> str:
    """Write a reflectance, which has no unit, with three decimals."""
    return format_number(number, decimals=3)


def format_percent(share: float, *, decimals: int = 1) -> str:
    """Write a share (0 to 1) in percent.

    Examples
    --------
    >>> format_percent(0.1234).replace(THIN_SPACE, "_"), format_percent(1).replace(THIN_SPACE, "_")
    ('12.3_%', '100_%')
    """
    if not _known(share):
        return MISSING
    percent = 100.0 * share
    if 0 < percent < 0.5 * 10.0**-decimals:
        return f"<{THIN_SPACE}{10.0**-decimals:g}{THIN_SPACE}%"
    text = f"{percent:.{decimals}f}"
    if "." in text and float(text) == round(percent):
        text = text.split(".")[0]
    return f"{text}{THIN_SPACE}%".replace("-", "−")


def format_length(metres: float) -> str:
    """Write a length in metres below one kilometre, in kilometres from there on.

    Examples
    --------
    >>> [format_length(value).replace(THIN_SPACE, "_") for value in (479.6, 2912.0, 48123.0)]
    ['480_m', '2.9_km', '48_km']
    """
    if not _known(metres):
        return MISSING
    if abs(metres) < 999.5:
        text = f"{metres:.0f}" if abs(metres) >= 10 else f"{metres:.3g}"
        return f"{text}{THIN_SPACE}m".replace("-", "−")
    kilometres = metres / 1000.0
    one_decimal = abs(kilometres) < 9.95 and kilometres != round(kilometres)
    text = f"{kilometres:.1f}" if one_decimal else format_count(kilometres)
    return f"{text}{THIN_SPACE}km".replace("-", "−")


def format_interval(value: float, low: float, high: float, *, decimals: int = 2) -> str:
    """Write a number with its interval; an end that is nothing beside the number is zero.

    Examples
    --------
    >>> format_interval(0.654, 0.581, 0.712), format_interval(0.98, 0.00003, 1.0)
    ('0.65 (0.58–0.71)', '0.98 (0.00–1.00)')
    """
    if not _known(value):
        return MISSING
    middle = format_number(value, decimals=decimals)
    if not (_known(low) and _known(high)):
        return middle
    least = 0.5 * 10.0**-decimals
    near = [0.0 if abs(end) < least <= abs(value) else end for end in (low, high)]
    ends = (format_number(end, decimals=decimals) for end in near)
    return f"{middle} ({'–'.join(ends)})"


def format_cell(value: object, column: str) -> str:
    """Write one cell of a table; the column's name says the unit.

    ``…_m`` is a length, ``…share`` a share of one, ``n_…`` and whole numbers are counts,
    ``longitude`` and ``latitude`` degrees; other numbers get three decimals.

    Examples
    --------
    >>> format_cell(481, "n_sites"), format_cell(0.5, "auc"), format_cell(None, "reason")
    ('481', '0.500', '–')
    >>> format_cell(-62.62811, "longitude")
    '−62.6281°'
    """
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return _format_whole(int(value), column)
    if isinstance(value, float | np.floating):
        return _format_float(float(value), column)
    if value is None or value is pd.NA or value is pd.NaT:
        return MISSING
    return str(value)


def _format_whole(value: int, column: str) -> str:
    if column.endswith("_m"):
        return format_length(value)
    if column in {"year", "epsg", "dn", "seed"}:
        return str(value)
    return format_count(value)


def _format_float(value: float, column: str) -> str:
    if column.endswith("_m"):
        return format_length(value)
    if column.endswith("share") or column.startswith("share"):
        return format_percent(value)
    if column in {"longitude", "latitude"}:
        return MISSING if math.isnan(value) else f"{value:.4f}°".replace("-", "−")
    if column.startswith("n_") or (column in _WHOLE and value == round(value)):
        return format_count(value)
    if column.endswith("_nm"):
        return format_number(value, decimals=0)
    return format_number(value)


def _known(number: float) -> bool:
    return not pd.isna(number)
