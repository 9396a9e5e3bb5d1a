"""Whether a scene's numbers still hold the offset of its processing baseline: by rule, checked.

From baseline 04.00 on, ESA's products hold 1000 more than reflectance × 10,000. Some catalogues
took that out of their files, some did not, and some say one thing and did another.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from minewatch.bands import BASELINE_OFFSET_DN, NO_DATA, SCALE_FACTOR, baseline_offset_dn
from minewatch.errors import SceneError

if TYPE_CHECKING:
    from minewatch.imagery._items import Scene

logger = logging.getLogger(__name__)

OLD_EARTH_SEARCH: Final = ("sentinel-2-l2a", "sentinel-s2-l2a-cogs")
"""Earth Search's collections (v1, v0) whose word on the offset is at times wrong."""
APPLIED_FLAGS: Final = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
"""Properties by which Earth Search says that it took the offset out of its files (v1, v0)."""
DARK_BAND: Final = "B04"
"""The band that the check looks at: plants and water are dark in it, and it is in every request
that has colours."""
DARK_PERCENTILE: Final = 1.0
"""The percentile of the valid numbers that stands for the darkest pixels."""
DARK_DN: Final = 800
"""If the darkest pixels lie below this, the offset is out: it would mean a reflectance of -0.02."""
MIN_CHECKED_PX: Final = 1000
"""Fewer valid pixels than this prove nothing."""


@dataclass(frozen=True)
class Offset:
    """What has to be added to a scene's numbers, by its metadata."""

    dn: int
    """0 or -1000."""
    doubtful: bool
    """True where the metadata is known to be wrong at times, so that dark pixels may decide."""
    words: str
    """The rule that decided, in one line."""


@dataclass(frozen=True)
class Claims:
    """What an item says about its numbers."""

    baseline: str
    """Processing baseline, "05.10"."""
    properties: Mapping[str, Any]
    """The item's properties."""
    listed: tuple[float, ...] = ()
    """The offsets that ``raster:bands`` lists for its reflectance bands, in reflectance: -0.1."""
    collection: str = ""
    """The collection it belongs to."""

    @property
    def applied(self) -> bool | None:
        """Whether the catalogue says that it took the offset out; None if it says nothing."""
        flag = next(
            (self.properties[name] for name in APPLIED_FLAGS if name in self.properties), None
        )
        return flag if isinstance(flag, bool) else None

    @property
    def doubtful(self) -> bool:
        """Whether it comes from a collection whose word on the offset is at times wrong."""
        own = any(name.startswith(("earthsearch:", "sentinel:")) for name in self.properties)
        return own and self.collection in OLD_EARTH_SEARCH


def decide_offset(claims: Claims, *, scene_id: str) -> Offset:
    """Decide what has to be added to a scene's numbers, by what its item says.

    The rules, the first that fits:

    1. Baseline before 04.00: nothing, whatever ``raster:bands`` lists; there never was an offset.
    2. The item says that the offset was applied (Earth Search): nothing, even if ``raster:bands``
       still lists it.
    3. The item says that it was not applied: -1000.
    4. ``raster:bands`` lists an offset: that one.
    5. Nothing is said: -1000, as ESA delivers it.

    What rules 3 to 5 give is doubtful for Earth Search's ``sentinel-2-l2a``, whose word is at times
    wrong. The date never matters: old acquisitions are processed again with new baselines.

    Parameters
    ----------
    claims
        What the item says.
    scene_id
        For messages.

    Raises
    ------
    SceneError
        If the bands list different offsets, or one that Sentinel-2 never had.

    Examples
    --------
    >>> applied = {"earthsearch:boa_offset_applied": True}
    >>> decide_offset(Claims("05.11", applied, (-0.1,)), scene_id="S2B_24MUV").dn
    0
    >>> decide_offset(Claims("05.11", {}), scene_id="S2B_24MUV").words
    'offset -1000: baseline 05.11, and the item says nothing else'
    """
    listed = sorted({round(offset / SCALE_FACTOR) for offset in claims.listed})
    aside = f"; the listed offset {_join(listed)} is not believed" if any(listed) else ""
    if baseline_offset_dn(claims.baseline) == 0:
        words = f"offset 0: baseline {claims.baseline} is before 04.00{aside}"
        return Offset(0, doubtful=False, words=words)
    if claims.applied:
        words = f"offset 0: the item says that it was applied{aside}"
        return Offset(0, doubtful=False, words=words)
    if claims.applied is False:
        words = f"offset {BASELINE_OFFSET_DN}: the item says that it was not applied"
        return Offset(BASELINE_OFFSET_DN, doubtful=claims.doubtful, words=words)
    if len(listed) > 1 or not set(listed) <= {0, BASELINE_OFFSET_DN}:
        raise SceneError(
            f"{scene_id}: raster:bands lists offsets {_join(listed)} (digital numbers); expected "
            f"0 or {BASELINE_OFFSET_DN}, the same for every band"
        )
    if listed:
        words = f"offset {listed[0]}: listed in raster:bands"
        return Offset(listed[0], doubtful=claims.doubtful, words=words)
    words = (
        f"offset {BASELINE_OFFSET_DN}: baseline {claims.baseline}, and the item says nothing else"
    )
    return Offset(BASELINE_OFFSET_DN, doubtful=claims.doubtful, words=words)


@dataclass(frozen=True)
class DarkPixelCheck:
    """What the darkest pixels of a scene say about the offset that its metadata tells of."""

    offset_dn: int
    """The offset to add, decided."""
    agrees: bool
    """False if the pixels contradict the metadata."""
    decision: str
    """In one line, for the attributes of a composite; "" if there is nothing to say."""


def check_dark_pixels(numbers: npt.NDArray[np.uint16], scene: "Scene") -> DarkPixelCheck:
    """Hold the darkest of a scene's raw numbers against the offset that its metadata tells of.

    If the offset were still in, a number below 800 would mean a reflectance below -0.02. So where
    the first percentile of the valid numbers lies below 800, the offset is out. For a scene whose
    metadata is doubtful the pixels then decide; for any other scene the metadata stands and the
    contradiction is logged. The other way round nothing can be proved: a scene under clouds has no
    dark pixels.

    Parameters
    ----------
    numbers
        uint16, any shape, as in the file; 0 = no data. Best of band B04 over the whole scene (its
        smallest overview), so that every place takes the same decision.
    scene
        The scene that they were read from.

    Returns
    -------
    DarkPixelCheck
        Nothing to say, and the metadata's offset, if fewer than 1,000 numbers are valid.
    """
    offset_dn = scene.offset_dn
    valid = numbers[numbers != NO_DATA]
    if offset_dn == 0 or valid.size < MIN_CHECKED_PX:
        return DarkPixelCheck(offset_dn, agrees=True, decision="")
    darkest = float(np.percentile(valid, DARK_PERCENTILE))
    if darkest >= DARK_DN:
        return DarkPixelCheck(offset_dn, agrees=True, decision="")
    found = f"{DARK_PERCENTILE:g} % of its pixels lie below {darkest:.0f}"
    if scene.doubtful_offset:
        decision = f"offset 0: {found}, so it was applied, though the item says it was not"
        logger.info("%s: %s", scene.id, decision)
        return DarkPixelCheck(0, agrees=False, decision=decision)
    decision = f"offset {offset_dn} kept by rule, but {found}: negative reflectance"
    logger.warning("%s: %s", scene.id, decision)
    return DarkPixelCheck(offset_dn, agrees=False, decision=decision)


def settle_offset(scene: "Scene", numbers: npt.NDArray[np.uint16] | None) -> "Scene":
    """Give the scene with the offset that `check_dark_pixels` decided, and the reason noted.

    Without numbers, as it lacks the band, the metadata's offset stays, and that is noted.
    """
    if numbers is None:
        words = f"offset {scene.offset_dn} not checked by dark pixels: there is no {DARK_BAND}"
        return replace(scene, decisions=(*scene.decisions, words))
    check = check_dark_pixels(numbers, scene)
    if not check.decision:
        return scene
    bands = {name: replace(asset, offset_dn=check.offset_dn) for name, asset in scene.bands.items()}
    return replace(scene, bands=bands, decisions=(*scene.decisions, check.decision))


def _join(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)
