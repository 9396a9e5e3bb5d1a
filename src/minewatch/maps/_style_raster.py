"""The styles that QGIS opens the rasters of a map with."""

from collections.abc import Sequence
from typing import Final

from minewatch.imagery._preview import FULL_COLOUR, GAMMA
from minewatch.maps._style import EDGES, SCORE_COLOURS

_HEAD: Final = (
    "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    '<qgis version="3.22.0" styleCategories="Symbology"><pipe>'
)
_TAIL: Final = "</pipe></qgis>\n"


def style_of_scores() -> str:
    """Give the style of scores: QGIS 3's QML; the lower a score, the clearer it is drawn."""
    opacities = (0, 60, 160, 190, 220, 255)
    items = "".join(
        f'<item value="{high}" label="{low:g} to {high:g}" color="{colour}" alpha="{alpha}"/>'
        for low, high, colour, alpha in zip(
            EDGES, EDGES[1:], SCORE_COLOURS, opacities, strict=False
        )
    )
    return (
        f'{_HEAD}<rasterrenderer type="singlebandpseudocolor" band="1" opacity="0.8" '
        'classificationMin="0" classificationMax="1"><rastershader>'
        '<colorrampshader colorRampType="DISCRETE" classificationMode="1" clip="0">'
        f"{items}</colorrampshader></rastershader></rasterrenderer>{_TAIL}"
    )


def style_of_composite(bands: Sequence[str]) -> str:
    """Give the style of imagery: true colour as everywhere in this package, or its first band.

    QGIS takes a raster's scale into account: what it stretches is reflectance.
    """
    full = FULL_COLOUR["true colour"]
    if len(bands) < 3:
        return (
            f'{_HEAD}<rasterrenderer type="singlebandgray" grayBand="1" opacity="1">'
            f"{_stretch('contrastEnhancement', full)}</rasterrenderer>{_TAIL}"
        )
    stretches = "".join(
        _stretch(f"{colour}ContrastEnhancement", full) for colour in ("red", "green", "blue")
    )
    return (
        f'{_HEAD}<rasterrenderer type="multibandcolor" redBand="1" greenBand="2" blueBand="3" '
        f'opacity="1">{stretches}</rasterrenderer>'
        f'<brightnesscontrast gamma="{GAMMA:g}" brightness="0" contrast="0"/>{_TAIL}'
    )


def _stretch(name: str, full: float) -> str:
    return (
        f"<{name}><minValue>0</minValue><maxValue>{full:g}</maxValue>"
        f"<algorithm>StretchToMinimumMaximum</algorithm></{name}>"
    )
