"""Small pictures of patches, all stretched alike."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from minewatch.bands import NO_DATA, SCALE_FACTOR
from minewatch.explore._histograms import count_quantiles, known_counts
from minewatch.explore._rows import by_wavelength
from minewatch.explore._settings import ExploreSettings
from minewatch.explore._statistics import PatchStatistics

if TYPE_CHECKING:
    from minewatch.patches import PatchDataset

_COMPOSITES: Final = {
    "true_colour": (("B04",), ("B03",), ("B02",)),
    "false_colour": (("B11", "B12"), ("B08", "B8A"), ("B04",)),
}
"""For red, green and blue the bands that may be shown, the first that is there."""


def composites(bands: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Choose the bands of the pictures that can be drawn.

    Returns
    -------
    dict of str to tuple
        ``true_colour`` (B04, B03, B02) and ``false_colour`` (short-wave infrared, near infrared,
        red) as far as their bands are there; if neither is, ``grey``: one band.

    Examples
    --------
    >>> composites(["B02", "B03", "B04", "B08", "B12"])
    {'true_colour': ('B04', 'B03', 'B02'), 'false_colour': ('B12', 'B08', 'B04')}
    >>> composites(["B08", "B05"])
    {'grey': ('B05',)}
    """
    found = {}
    for name, channels in _COMPOSITES.items():
        chosen = [next((b for b in options if b in bands), None) for options in channels]
        if all(chosen):
            found[name] = tuple(band for band in chosen if band is not None)
    return found or {"grey": (by_wavelength(bands)[0],)}


def common_stretch(statistics: PatchStatistics, settings: ExploreSettings) -> pd.DataFrame:
    """Choose for each band the DN shown as black and as full colour, from all known pixels.

    Returns
    -------
    DataFrame
        Index band (ESA's names), columns ``low`` and ``high``, in DN; NaN if nothing is known.
    """
    counts = known_counts(statistics.counts).sum(axis=0)
    share = settings.stretch_percent / 100.0
    ends = count_quantiles(counts, [share, 1.0 - share])
    index = pd.Index(statistics.bands, name="band")
    return pd.DataFrame(ends, index=index, columns=["low", "high"])


def thumbnails(
    dataset: "PatchDataset", site_ids: Sequence[str], bands: Sequence[str], stretch: pd.DataFrame
) -> xr.DataArray:
    """Draw patches in red, green and blue (three bands) or in grey (one band).

    Parameters
    ----------
    dataset
        The patches; only those asked for are read.
    site_ids
        The patches to draw.
    bands
        Three bands for red, green and blue, or one for grey.
    stretch
        As `common_stretch` gives it.

    Returns
    -------
    DataArray of uint8
        ``(site, y, x, rgb)``, coordinate ``site`` = site_id in the order asked; pixels without data
        in a band shown are black. ``attrs`` state the bands and the stretch.
    """
    ids = list(site_ids)
    size = dataset.header.size_px
    picture = np.zeros((len(ids), size, size, 3), dtype=np.uint8)
    if ids:
        numbers = dataset.digital_numbers(ids, bands=list(bands)).to_numpy()
        picture[...] = np.moveaxis(_stretch(numbers, stretch.loc[list(bands)]), 1, -1)
    return xr.DataArray(
        picture,
        dims=("site", "y", "x", "rgb"),
        coords={"site": ids},
        attrs={"bands": ", ".join(bands), "stretch": describe_stretch(bands, stretch)},
    )


def describe_stretch(bands: Sequence[str], stretch: pd.DataFrame) -> str:
    """Say which reflectance is black and which is full colour, band by band."""
    ends = stretch.loc[list(bands)] * SCALE_FACTOR
    return ", ".join(f"{band} {row.low:.3f} to {row.high:.3f}" for band, row in ends.iterrows())


def _stretch(numbers: npt.NDArray[np.uint16], stretch: pd.DataFrame) -> npt.NDArray[np.uint8]:
    low = stretch["low"].to_numpy()[:, None, None]
    width = np.maximum(stretch["high"].to_numpy()[:, None, None] - low, 1.0)
    scaled = np.nan_to_num(np.clip((numbers - low) / width, 0.0, 1.0)) * 255.0
    scaled[np.broadcast_to((numbers == NO_DATA).any(axis=1, keepdims=True), scaled.shape)] = 0.0
    return np.asarray(np.rint(scaled), dtype=np.uint8)
