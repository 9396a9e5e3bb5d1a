"""Colours of layers, and the styles that QGIS opens them with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

import geopandas as gpd

from minewatch.scan._compare import CHANGES

SCORE: Final = "score_max"
"""The column that detections are coloured by."""
FOUND: Final = "#D55E00"
"""Colour of detections without a score."""
UNSEEN: Final = "#767676"
EDGES: Final = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SCORE_COLOURS: Final = ("#FFF2AE", "#FED976", "#FEB24C", "#FC7B32", "#DE2D26", "#8E0152")
"""From pale to dark, so that the order is seen without telling colours apart."""
_CHANGE_COLOURS: Final[Mapping[str, str]] = dict(
    zip(
        CHANGES,
        ("#D55E00", "#E69F00", "#999999", "#56B4E9", "#0072B2", "#CC79A7", "#F0E442"),
        strict=True,
    )
)
_HEAD: Final = (
    "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    '<qgis version="3.22.0" styleCategories="Symbology|Fields">'
)
_NAMED_BY: Final = {
    "detections": "detection_id",
    "points": "detection_id",
    "outlines": "detection_id",
    "changes": "change",
    "sites": "site_id",
    "not_seen": "reason",
}
"""Columns that rows of a layer are called by, where they are listed or pointed at."""


@dataclass(frozen=True)
class ScoreClass:
    """A range of scores that has one colour."""

    low: float
    """Least score, 0 to 1; it belongs to the class."""
    high: float
    """Greatest score; it belongs to the next class, but for 1."""
    colour: str
    """``#rrggbb``."""

    @property
    def label(self) -> str:
        """What a legend says of it."""
        return f"{self.low:g} to {self.high:g}"


def score_classes(table: gpd.GeoDataFrame) -> tuple[ScoreClass, ...]:
    """Give the classes of score that are drawn, those from the least score on; none without one.

    Examples
    --------
    >>> table = gpd.GeoDataFrame({"score_max": [0.72, 0.99]})
    >>> [one.label for one in score_classes(table)]
    ['0.7 to 0.8', '0.8 to 0.9', '0.9 to 1']
    """
    if SCORE not in table or not table[SCORE].notna().any():
        return ()
    least = float(table[SCORE].min())
    every = [
        ScoreClass(low, high, colour)
        for low, high, colour in zip(EDGES, EDGES[1:], SCORE_COLOURS, strict=False)
    ]
    return tuple(one for one in every if one.high > least or one.high == EDGES[-1])


def class_of(score: float | None, classes: Sequence[ScoreClass]) -> int | None:
    """Give the place of a score's class; None if it has no score, or there are no classes."""
    if score is None or not classes:
        return None
    return max((place for place, one in enumerate(classes) if score >= one.low), default=0)


def qgis_style(layer: str, table: gpd.GeoDataFrame) -> str | None:
    """Give the style of a layer, QGIS 3's QML; None if it has none of its own.

    Parameters
    ----------
    layer
        Its name, as `lay_layers` gives it.
    table
        Its rows.
    """
    style = _renderer(layer, table)
    named = _NAMED_BY.get(layer)
    if style is None or named not in table.columns:
        return style
    preview = f"<previewExpression>&quot;{named}&quot;</previewExpression>"
    return style.replace("</qgis>", f"{preview}</qgis>")


def _renderer(layer: str, table: gpd.GeoDataFrame) -> str | None:
    if layer in ("detections", "points"):
        return _of_detections(table, is_points=layer == "points")
    if layer == "changes":
        symbols = {one: _fill(colour) for one, colour in _CHANGE_COLOURS.items()}
        return _categorised("change", symbols)
    if layer == "sites":
        labels = {"1": _marker("#D55E00", "triangle"), "0": _marker("#0072B2", "circle")}
        return _categorised("label", labels)
    single = {
        "not_seen": _fill(UNSEEN, brush="f_diagonal", line="no"),
        "region": _fill("#000000", brush="no", line="dash"),
        "outlines": _fill("#56B4E9", brush="no"),
    }
    return _single(single[layer]) if layer in single else None


def _of_detections(table: gpd.GeoDataFrame, *, is_points: bool) -> str:
    classes = score_classes(table)
    if not classes:
        return _single(_marker(FOUND, "circle") if is_points else _detection(FOUND))
    symbols = [
        _marker(one.colour, "circle") if is_points else _detection(one.colour) for one in classes
    ]
    ranges = "".join(
        f'<range symbol="{place}" lower="{one.low}" upper="{one.high}" '
        f'label={quoteattr(f"score {one.label}")} render="true"/>'
        for place, one in enumerate(classes)
    )
    return (
        f'{_HEAD}<renderer-v2 type="graduatedSymbol" attr="{SCORE}" symbollevels="0" '
        f'graduatedMethod="GraduatedColor"><ranges>{ranges}</ranges>'
        f"{_symbols(dict(enumerate(symbols)))}</renderer-v2></qgis>"
    )


def _single(symbol: str) -> str:
    return (
        f'{_HEAD}<renderer-v2 type="singleSymbol" symbollevels="0">{_symbols({0: symbol})}'
        "</renderer-v2></qgis>"
    )


def _categorised(column: str, symbols: Mapping[str, str]) -> str:
    categories = "".join(
        f'<category symbol="{place}" value={quoteattr(value)} label={quoteattr(value)} '
        'type="string" render="true"/>'
        for place, value in enumerate(symbols)
    )
    return (
        f'{_HEAD}<renderer-v2 type="categorizedSymbol" attr="{column}" symbollevels="0">'
        f"<categories>{categories}</categories>{_symbols(dict(enumerate(symbols.values())))}"
        "</renderer-v2></qgis>"
    )


def _symbols(symbols: Mapping[int, str]) -> str:
    named = "".join(symbol.replace("NAME", str(place)) for place, symbol in symbols.items())
    return f"<symbols>{named}</symbols>"


def _detection(colour: str) -> str:
    """Give a filled outline with a point in it, which is seen where the polygon is a speck."""
    point = _marker(colour, "circle", size_mm=1.6, name="@NAME@1")
    inner = (
        '<layer class="CentroidFill" enabled="1" locked="0" pass="0">'
        f"{_options({'point_on_surface': '1', 'point_on_all_parts': '0'})}{point}</layer>"
    )
    return _symbol("fill", _fill_layer(colour) + inner)


def _fill(colour: str, *, brush: str = "solid", line: str = "solid") -> str:
    return _symbol("fill", _fill_layer(colour, brush=brush, line=line))


def _fill_layer(colour: str, *, brush: str = "solid", line: str = "solid") -> str:
    options = {
        "color": _rgba(colour, 110 if brush == "solid" else 255),
        "style": brush,
        "outline_color": _rgba(colour),
        "outline_style": line,
        "outline_width": "0.5",
        "outline_width_unit": "MM",
    }
    return f'<layer class="SimpleFill" enabled="1" locked="0" pass="0">{_options(options)}</layer>'


def _marker(colour: str, shape: str, *, size_mm: float = 2.2, name: str = "NAME") -> str:
    options = {
        "color": _rgba(colour),
        "name": shape,
        "outline_color": _rgba("#222222"),
        "outline_style": "solid",
        "outline_width": "0.2",
        "size": f"{size_mm:g}",
        "size_unit": "MM",
    }
    layer = (
        f'<layer class="SimpleMarker" enabled="1" locked="0" pass="0">{_options(options)}</layer>'
    )
    return _symbol("marker", layer, name=name)


def _symbol(kind: str, layers: str, *, name: str = "NAME") -> str:
    return f'<symbol type="{kind}" name="{name}" alpha="1" clip_to_extent="1">{layers}</symbol>'


def _options(options: Mapping[str, str]) -> str:
    inner = "".join(
        f'<Option type="QString" name="{name}" value="{value}"/>' for name, value in options.items()
    )
    return f'<Option type="Map">{inner}</Option>'


def _rgba(colour: str, alpha: int = 255) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"{red},{green},{blue},{alpha}"
