"""Words of how much mining there is, for files."""

import math

from minewatch.maps._area import MiningArea, Share
from minewatch.maps._numbers import write_hectares
from minewatch.maps._sheet_words import Words


def words_of_estimate(area: MiningArea) -> str:
    """Say how much mining there is, and how sure that is.

    Examples
    --------
    >>> import numpy as np
    >>> from minewatch.maps._area import Share
    >>> nowhere = Share(np.nan, np.nan, np.nan)
    >>> print(words_of_estimate(MiningArea(
    ...     area_ha=190.2, low_ha=150.04, high_ha=230.4, se_ha=20.5, mapped_ha=207.4,
    ...     framed_ha=9_004.3, confidence=0.95, n_reviewed=77, unit_m=480.0, is_ground=False,
    ...     may_hide_ha=np.nan, right=Share(0.8, 0.7, 0.9), found=nowhere)))
    190 ha of squares of 480 m with mining in them (95 % interval 150 ha to 230 ha), estimated from
    77 squares that people reviewed, for the 9,004 ha of squares that were seen; of what the map
    calls mining 80 % (70 % to 90 %) is
    """
    side = "" if math.isnan(area.unit_m) else f" of {area.unit_m:g} m"
    what = "mined ground" if area.is_ground else f"squares{side} with mining in them"
    low, high = write_hectares(area.low_ha), write_hectares(area.high_ha)
    words = (
        f"{write_hectares(area.area_ha)} of {what} ({100 * area.confidence:g} % interval "
        f"{low} to {high}), estimated from {area.n_reviewed:,} squares "
        f"that people reviewed, for the {write_hectares(area.framed_ha)} of squares that were seen"
    )
    if not math.isnan(area.right.value):
        words += f"; of what the map calls mining {_percents(area.right)} is"
    if area.found.low == 1.0:
        words += "; no mining was found in the sample that the map does not show"
    elif not math.isnan(area.found.value):
        words += f"; of what is mining the map shows {_percents(area.found)}"
    if not math.isnan(area.may_hide_ha):
        words += (
            f"; where no mining was found there may be up to {write_hectares(area.may_hide_ha)} "
            "all the same, which the interval does not know of"
        )
    return words


def _percents(share: Share) -> str:
    words = Words({}, "en")
    value, low, high = (words.percent(one) for one in (share.value, share.low, share.high))
    return f"{value} ({low} to {high})".replace("\u202f", " ")
