"""Sentinel-2's bands by name: spellings, wavelengths, the scale of their numbers, indices.

A band's name is ESA's: ``B01`` … ``B12`` and ``B8A``. Every public function also takes Earth
Engine's spelling (``B4``) and the common names of STAC catalogues (``red``), and gives ESA's back.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from minewatch.errors import BandError, LevelError
from minewatch.types import Level

SCALE_FACTOR: Final = 1e-4
"""Reflectance of one digital number (DN), in minewatch's datasets and in ESA's products."""
DN_PER_REFLECTANCE: Final = np.float32(10_000)
"""Digital numbers of a reflectance of 1."""
NO_DATA: Final = 0
"""The digital number that means that nothing is known about a pixel."""
MAX_DN: Final = 65_535
OFFSET_BASELINE: Final = (4, 0)
"""First processing baseline whose products hold `BASELINE_OFFSET_DN` (from January 2022)."""
BASELINE_OFFSET_DN: Final = -1000
"""What must be added to the numbers of products from that baseline on (ESA's BOA and radiometric
ADD_OFFSET), so that dark pixels are not cut at zero."""


@dataclass(frozen=True)
class Band:
    """One spectral band of Sentinel-2's MSI.

    Wavelengths and widths are Sentinel-2A's. Source: ESA, SentiWiki, *S2 Mission*, spectral bands.
    """

    name: str
    """ESA's name: B04."""
    earth_engine: str
    """Earth Engine's name: B4."""
    common: str
    """The asset name of open STAC catalogues: red."""
    spyndex: str | None
    """The symbol in the formulas of Awesome Spectral Indices: R; None for B10, which has none."""
    wavelength_nm: float
    """Central wavelength, nanometres."""
    width_nm: float
    """Full width at half maximum, nanometres."""
    resolution_m: int
    """Native ground sampling distance, metres."""
    description: str
    """What the band is for, in two or three words."""


BANDS: Final[tuple[Band, ...]] = (
    Band("B01", "B1", "coastal", "A", 442.7, 20, 60, "coastal aerosol"),
    Band("B02", "B2", "blue", "B", 492.7, 65, 10, "blue"),
    Band("B03", "B3", "green", "G", 559.8, 35, 10, "green"),
    Band("B04", "B4", "red", "R", 664.6, 30, 10, "red"),
    Band("B05", "B5", "rededge1", "RE1", 704.1, 14, 20, "red edge 1"),
    Band("B06", "B6", "rededge2", "RE2", 740.5, 14, 20, "red edge 2"),
    Band("B07", "B7", "rededge3", "RE3", 782.8, 19, 20, "red edge 3"),
    Band("B08", "B8", "nir", "N", 832.8, 105, 10, "near infrared"),
    Band("B8A", "B8A", "nir08", "N2", 864.7, 21, 20, "narrow near infrared"),
    Band("B09", "B9", "nir09", "WV", 945.1, 19, 60, "water vapour"),
    Band("B10", "B10", "cirrus", None, 1373.5, 29, 60, "cirrus"),
    Band("B11", "B11", "swir16", "S1", 1613.7, 90, 20, "short-wave infrared 1"),
    Band("B12", "B12", "swir22", "S2", 2202.4, 174, 20, "short-wave infrared 2"),
)

_BY_NAME: Final = {band.name: band for band in BANDS}
_EXTRA_SPELLINGS: Final = {
    "rededge071": "B05",  # the STAC electro-optical extension, version 2
    "rededge075": "B06",
    "rededge078": "B07",
    "swir1": "B11",
    "swir2": "B12",
}
_SPELLINGS: Final = {
    spelling.lower(): band.name
    for band in BANDS
    for spelling in (band.name, band.earth_engine, band.common)
} | _EXTRA_SPELLINGS
_AMBIGUOUS: Final = {"rededge": ("B05", "B06", "B07")}

PRESETS: Final[dict[str, tuple[str, ...]]] = {
    # The seed study's order, and that of the published detectors: B8A stands before B08.
    "legacy-12": (
        "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B08", "B09", "B11", "B12",
    ),
    "legacy-13": (
        "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B08", "B09", "B10", "B11", "B12",
    ),
    "l2a-12": tuple(band.name for band in BANDS if band.name != "B10"),
    "l1c-13": tuple(band.name for band in BANDS),
    "rgb": ("B04", "B03", "B02"),
    "rgbn-swir": ("B02", "B03", "B04", "B08", "B11", "B12"),
}  # fmt: skip
"""Band orders that have a name, each a tuple of ESA's band names in the order of the arrays."""

INDICES: Final[tuple[str, ...]] = (
    "NDVI", "EVI", "ND705", "NDREI", "CIRE", "GLI", "VARI",  # vegetation
    "NDWI", "MNDWI", "NDTI", "NDCI", "SWM",  # water and what floats in it
    "BI", "BITM", "DBSI", "NDMI", "NBR", "NBR2", "STI",  # bare ground, moisture, burns
)  # fmt: skip
"""Short names, in spyndex, of the indices minewatch looks at, of those whose bands are there."""


def band(name: str) -> Band:
    """Look up one band by any of its spellings.

    Raises
    ------
    BandError
        If the name is unknown, or stands for several bands.

    Examples
    --------
    >>> band("red").name, band("B4").wavelength_nm, band("b8a").common
    ('B04', 664.6, 'nir08')
    """
    key = name.strip().lower()
    if key in _AMBIGUOUS:
        raise BandError(
            f"{name!r} names {' or '.join(_AMBIGUOUS[key])}; say which of them is meant"
        )
    if key not in _SPELLINGS:
        raise BandError(
            f"{name!r} is not a Sentinel-2 band{_hint(key)} Expected ESA's names (B04), Earth "
            "Engine's (B4) or common names (red)"
        )
    return _BY_NAME[_SPELLINGS[key]]


def _hint(key: str) -> str:
    preset = get_close_matches(key, PRESETS, n=1)
    if preset:
        return f"; did you mean the preset {preset[0]!r}?"
    near = get_close_matches(key, _SPELLINGS, n=1)
    return f"; did you mean {_SPELLINGS[near[0]]!r}?" if near else "."


def band_names(names: str | Iterable[str]) -> tuple[str, ...]:
    """Give ESA's names for a band order: a preset's name, or any spellings in order.

    Parameters
    ----------
    names
        A preset (`PRESETS`: ``"legacy-12"``), a comma-separated string, or an iterable of names.

    Raises
    ------
    BandError
        If a name is unknown or ambiguous, a band comes twice, or there is none.

    Examples
    --------
    >>> band_names("rgb")
    ('B04', 'B03', 'B02')
    >>> band_names(["blue", "B8", "B8A"])
    ('B02', 'B08', 'B8A')
    """
    if isinstance(names, str):
        if names in PRESETS:
            return PRESETS[names]
        if names.startswith(("legacy", "l1c", "l2a")):
            near = get_close_matches(names, PRESETS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise BandError(f"{names!r} is not a band order{hint} Presets are {', '.join(PRESETS)}")
        names = [part for part in names.split(",") if part.strip()]
    found = tuple(band(name).name for name in names)
    if not found:
        raise BandError("no band was named; name at least one")
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise BandError(f"{', '.join(twice)} named more than once; each band may come once")
    return found


def band_positions(wanted: Iterable[str], available: Sequence[str]) -> list[int]:
    """Find where wanted bands stand among those available.

    Raises
    ------
    BandError
        If one of them is not there; the message lists all that are missing.
    """
    names = band_names(wanted)
    missing = [name for name in names if name not in available]
    if missing:
        raise BandError(
            f"{', '.join(missing)} not among the bands at hand ({', '.join(available)})"
        )
    return [list(available).index(name) for name in names]


def reflectance_from_dn(numbers: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Turn digital numbers, as minewatch stores them, into reflectance.

    Parameters
    ----------
    numbers
        Digital numbers, any shape; ``0`` means no data.

    Returns
    -------
    ndarray of float32
        Reflectance, the same shape; NaN where nothing is known.

    Examples
    --------
    >>> reflectance_from_dn(np.array([0, 1234], dtype="uint16"))
    array([   nan, 0.1234], dtype=float32)
    """
    reflectance = numbers.astype(np.float32)
    reflectance[numbers == NO_DATA] = np.nan
    reflectance /= DN_PER_REFLECTANCE  # exact to the last bit, as multiplying by 1e-4 is not
    return reflectance


def baseline_offset_dn(baseline: str) -> int:
    """Tell what must be added to the numbers of a product as ESA delivers it.

    The baseline decides, never the date: old acquisitions are processed again.

    Parameters
    ----------
    baseline
        Processing baseline as products write it: ``"05.10"``, ``"0510"`` or ``"N0510"``.

    Returns
    -------
    int
        -1000 from baseline 04.00 on, else 0.

    Raises
    ------
    BandError
        If it is not a baseline.

    Examples
    --------
    >>> baseline_offset_dn("02.12"), baseline_offset_dn("04.00"), baseline_offset_dn("N0511")
    (0, -1000, -1000)
    """
    digits = re.fullmatch(r"N?(\d{2})\.?(\d{2})", baseline.strip())
    if digits is None:
        raise BandError(f"{baseline!r} is not a processing baseline; expected one like '05.10'")
    return BASELINE_OFFSET_DN if (int(digits[1]), int(digits[2])) >= OFFSET_BASELINE else 0


def add_offset(numbers: npt.NDArray[np.uint16], offset_dn: int) -> npt.NDArray[np.uint16]:
    """Bring a product's digital numbers to reflectance × 10,000, no data staying 0.

    A pixel that was measured stays at least 1, so that darkness is never taken for no data.

    Parameters
    ----------
    numbers
        uint16, any shape, as in the file; ``0`` means no data.
    offset_dn
        What to add: 0 or -1000.

    Returns
    -------
    ndarray of uint16
        The same shape, 1 to 65535; 0 where there is no data. For an offset of 0 the array itself.

    Examples
    --------
    >>> add_offset(np.array([0, 1, 999, 1001, 5000], dtype="uint16"), -1000)
    array([   0,    1,    1,    1, 4000], dtype=uint16)
    """
    if offset_dn == 0:
        return numbers
    wide = numbers.astype(np.int32) + offset_dn
    np.clip(wide, 1, MAX_DN, out=wide)
    wide[numbers == NO_DATA] = NO_DATA
    return wide.astype(np.uint16)


def available_indices(bands: Iterable[str]) -> tuple[str, ...]:
    """List the spectral indices of `INDICES` that these bands allow.

    Examples
    --------
    >>> available_indices("rgb")
    ('GLI', 'VARI', 'NDTI', 'BITM')
    """
    import spyndex

    symbols = {band(name).spyndex for name in band_names(bands)}
    constants = set(spyndex.constants)
    return tuple(
        name for name in INDICES if set(spyndex.indices[name].bands) - constants <= symbols
    )


def spectral_indices(
    reflectance: npt.NDArray[np.floating[Any]], bands: Sequence[str], *, band_axis: int
) -> dict[str, npt.NDArray[np.floating[Any]]]:
    """Compute every index of `INDICES` that the bands allow.

    Formulas and their references are those of Awesome Spectral Indices, by spyndex.

    Parameters
    ----------
    reflectance
        Reflectance (not digital numbers), NaN where nothing is known.
    bands
        The names of the bands along `band_axis`, in order.
    band_axis
        The axis of `reflectance` that runs over bands.

    Returns
    -------
    dict of str to ndarray
        For each index its values, with the shape of `reflectance` without `band_axis`; NaN where a
        band is NaN or the formula divides by zero.
    """
    import spyndex

    names = band_names(bands)
    layers = np.moveaxis(reflectance, band_axis, 0)
    symbols = {symbol: layers[i] for i, name in enumerate(names) if (symbol := band(name).spyndex)}
    wanted = available_indices(names)
    if not wanted:
        return {}
    needed = {
        key: symbols[key] if key in symbols else spyndex.constants[key].default
        for index in wanted
        for key in spyndex.indices[index].bands
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        # All at once: each call reads the catalogue anew. One index comes without a list around it.
        found = spyndex.computeIndex(list(wanted), needed, returnOrigin=False)
    results = found if len(wanted) > 1 else [found]
    return {
        index: np.where(np.isfinite(result), result, np.nan)
        for index, result in zip(wanted, map(np.asarray, results), strict=True)
    }


def check_level(level: str | None) -> Level:
    """Give the level if it is one, so that it is never guessed.

    Raises
    ------
    LevelError
        If it is missing or neither L1C nor L2A.
    """
    if level == "L1C":
        return "L1C"
    if level == "L2A":
        return "L2A"
    raise LevelError(
        f"the processing level is {level!r}; say L1C (top of atmosphere) or L2A (surface "
        "reflectance): a detector trained on one is wrong on the other"
    )
