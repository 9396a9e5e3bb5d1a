"""What things reflect: surface reflectance of each material in Sentinel-2's twelve L2A bands.

The numbers are round values of our own, chosen to lie where the literature puts such surfaces and
to rise and fall with wavelength as it says; they are no measurement of any one place.

* Leaves, soils, roofs and roads: the kinds of spectra collected in the ECOSTRESS library [1]_ and,
  for building materials, in KLUM [2]_.
* Red tropical soil: iron oxides keep blue and green low and the curve rises into the short-wave
  infrared, as in an Oxisol of Colombia [3]_; pale sandy soil is brighter throughout, as in tropical
  sandy soils of Brazil [4]_.
* Wet sand is darker than dry sand at all wavelengths and most so in the short-wave infrared [5]_.
* Water: reflectance in the red grows with suspended sediment, which gold mining multiplies [6]_
  [7]_; in very turbid water the visible saturates and the near infrared goes on rising [8]_; the
  short-wave infrared stays near zero. The colours of ponds follow from how much sediment, algae
  and dissolved matter they hold.
* Alluvial mines in Sentinel-2: bare sediment beside ponds of different turbidity [9]_.

References
----------
.. [1] Meerdink, S. K., Hook, S. J., Roberts, D. A., & Abbott, E. A. (2019). The ECOSTRESS spectral
   library version 1.0. Remote Sensing of Environment, 230, 111196.
.. [2] KLUM: An urban VNIR and SWIR spectral library consisting of building materials (2019). Remote
   Sensing, 11(18), 2149. https://doi.org/10.3390/rs11182149
.. [3] Martín-López, J. M., & Quintero-Arias, G. (2017). Effect of soil use and coverage on the
   spectral response of an Oxisol in the VIS-NIR-MIR region. Journal of Imaging, 3(1), 10.
   https://doi.org/10.3390/jimaging3010010
.. [4] Di Raimo, L. A. D. L., et al. (2022). Characterizing and modeling tropical sandy soils
   through VisNIR-SWIR, MIR spectroscopy, and X-ray fluorescence. Remote Sensing, 14(19), 4823.
   https://doi.org/10.3390/rs14194823
.. [5] Nolet, C., Poortinga, A., Roosjen, P., Bartholomeus, H., & Ruessink, G. (2014). Measuring and
   modeling the effect of surface moisture on the spectral reflectance of coastal beach sand. PLoS
   ONE. https://doi.org/10.1371/journal.pone.0112151
.. [6] Lobo, F. L., Costa, M. P. F., & Novo, E. M. L. M. (2015). Time-series analysis of
   Landsat-MSS/TM/OLI images over Amazonian waters impacted by gold mining activities. Remote
   Sensing of Environment, 157, 170–184.
.. [7] Lobo, F. de L., Costa, M., Novo, E. M. L. de M., & Telmer, K. (2017). Effects of small-scale
   gold mining tailings on the underwater light field in the Tapajós River basin, Brazilian Amazon.
   Remote Sensing, 9(8), 861. https://doi.org/10.3390/rs9080861
.. [8] Novoa, S., et al. (2017). Atmospheric corrections and multi-conditional algorithm for
   multi-sensor remote sensing of suspended particulate matter in low-to-high turbidity levels
   coastal waters. Remote Sensing, 9(1), 61. https://doi.org/10.3390/rs9010061
.. [9] Lobo, F. de L., Souza-Filho, P. W. M., Novo, E. M. L. de M., Carlos, F. M., & Barbosa,
   C. C. F. (2018). Mapping mining areas in the Brazilian Amazon using MSI/Sentinel-2 imagery
   (2017). Remote Sensing, 10(8), 1178. https://doi.org/10.3390/rs10081178
"""

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


_WET: Final[dict[str, tuple[str, float, float]]] = {
    "forest": ("young forest", 0.12, 1.0),
    "young forest": ("green grass", 0.0, 1.04),
    "green grass": ("young forest", 0.25, 1.02),
    "dry grass": ("green grass", 0.65, 1.0),
    "laterite": ("wet sand", 0.0, 0.86),
    "pale soil": ("wet sand", 0.12, 0.90),
    "dry sand": ("wet sand", 0.25, 0.95),
    "gravel": ("wet sand", 0.0, 0.90),
    "black water": ("brown water", 0.12, 1.0),
    "river water": ("brown water", 0.5, 1.05),
}
"""What the wet season makes of materials: towards which other, by how much, and times what."""


def spectra(bands: tuple[str, ...], *, wet: bool = False) -> FloatArray:
    """Give the reflectance of every material in some bands: shape (material, band)."""
    columns = [SPECTRUM_BANDS.index(name) for name in bands]
    return np.array([_spectrum(name, wet=wet) for name in MATERIALS])[:, columns]


def _spectrum(name: str, *, wet: bool) -> tuple[float, ...]:
    if not wet or name not in _WET:
        return _TABLE[name]
    other, share, times = _WET[name]
    pairs = zip(_TABLE[name], _TABLE[other], strict=True)
    return tuple((here + (there - here) * share) * times for here, there in pairs)
