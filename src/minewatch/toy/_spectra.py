"""What things reflect: surface reflectance of each material in Sentinel-2's twelve L2A bands."""

from typing import Final

import numpy as np

from minewatch.bands import PRESETS
from minewatch.types import FloatArray

SPECTRUM_BANDS: Final = PRESETS["l2a-12"]
"""The order of the numbers below."""

_TABLE: Final[dict[str, tuple[float, ...]]] = {
    #                  B01   B02   B03   B04   B05   B06   B07   B08   B8A   B09   B11   B12
    "forest":        (.014, .017, .036, .021, .062, .205, .255, .285, .300, .305, .138, .056),
    "young forest":  (.018, .023, .052, .032, .092, .255, .315, .345, .365, .370, .182, .082),
    "shade":         (.008, .009, .014, .009, .020, .060, .075, .085, .090, .092, .040, .017),
    "green grass":   (.028, .037, .070, .058, .112, .235, .280, .305, .325, .335, .245, .130),
    "dry grass":     (.040, .055, .088, .112, .152, .205, .230, .255, .280, .290, .340, .225),
    "laterite":      (.036, .045, .078, .150, .185, .205, .225, .245, .262, .268, .340, .285),
    "pale soil":     (.105, .132, .192, .252, .276, .292, .310, .330, .345, .350, .412, .335),
    "dry sand":      (.160, .195, .252, .310, .330, .342, .358, .376, .390, .394, .450, .395),
    "wet sand":      (.082, .100, .138, .172, .188, .194, .200, .204, .206, .196, .185, .128),
    "gravel":        (.085, .098, .124, .148, .160, .168, .178, .188, .196, .200, .235, .205),
    "asphalt":       (.075, .082, .096, .108, .114, .118, .124, .132, .138, .140, .170, .152),
    "metal roof":    (.180, .205, .225, .245, .255, .262, .272, .280, .288, .285, .300, .265),
    "rusty roof":    (.055, .062, .085, .140, .165, .182, .200, .222, .238, .245, .310, .285),
    "thatch":        (.045, .058, .082, .105, .128, .150, .172, .198, .222, .232, .290, .215),
    "black water":   (.018, .018, .022, .020, .018, .014, .013, .012, .011, .010, .006, .004),
    "river water":   (.048, .060, .092, .112, .112, .062, .058, .046, .040, .024, .010, .007),
    "ochre water":   (.068, .085, .140, .195, .200, .150, .148, .125, .112, .062, .018, .011),
    "brown water":   (.045, .056, .088, .128, .136, .088, .085, .068, .060, .034, .012, .008),
    "milky water":   (.120, .145, .188, .190, .180, .118, .112, .092, .080, .045, .015, .010),
    "green water":   (.036, .044, .086, .056, .066, .044, .043, .038, .034, .022, .009, .006),
    "turquoise water": (.088, .105, .142, .098, .082, .046, .043, .034, .029, .019, .008, .006),
}  # fmt: skip

MATERIALS: Final = tuple(_TABLE)
POND_WATERS: Final = (
    "ochre water",
    "brown water",
    "milky water",
    "green water",
    "turquoise water",
)
"""The colours that a pond may have."""


def spectra(bands: tuple[str, ...]) -> FloatArray:
    """Give the reflectance of every material in some bands: shape (material, band)."""
    columns = [SPECTRUM_BANDS.index(name) for name in bands]
    return np.array([_TABLE[name] for name in MATERIALS])[:, columns]
