"""Small pictures of patches, all stretched alike."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from minewatch.types import FloatArray

_COMPOSITES: Final = (
    ("true_colour", (("B04",), ("B03",), ("B02",))),
    ("false_colour", (("B11", "B12"), ("B08", "B8A"), ("B04",))),
)
"""For red, green and blue the bands that may be shown, the first that is there."""
_PERCENTS: Final = (2.0, 98.0)


def choose_composite(bands: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Choose the bands to show: true colour, else false colour, else one band in grey.

    Examples
    --------
    >>> choose_composite(["B02", "B03", "B04", "B08"])
    ('true_colour', ('B04', 'B03', 'B02'))
    >>> choose_composite(["B08", "B05"])
    ('grey', ('B08',))
    """
    for name, channels in _COMPOSITES:
        chosen = [next((b for b in options if b in bands), None) for options in channels]
        if all(chosen):
            return name, tuple(band for band in chosen if band is not None)
    return "grey", (bands[0],)


def find_stretch(pixels: xr.DataArray, bands: Sequence[str]) -> FloatArray:
    """Give the reflectance of black and of full colour of each band: (band, 2).

    They are the 2 and the 98 percentile of all known pixels.
    """
    values = pixels.sel(band=list(bands)).transpose("band", "site", "y", "x").to_numpy()
    flat = values.reshape(len(bands), -1)
    ends = [
        np.percentile(band[np.isfinite(band)], _PERCENTS) if np.isfinite(band).any() else (0.0, 1.0)
        for band in flat
    ]
    return np.asarray(ends, dtype=np.float64)


def picture_patches(
    pixels: xr.DataArray, bands: Sequence[str], stretch: FloatArray
) -> xr.DataArray:
    """Draw patches in red, green and blue (three bands) or in grey (one band).

    Returns
    -------
    DataArray of uint8
        ``(site, y, x, rgb)``; pixels without data in a band shown are black. ``attrs`` state the
        bands and the stretch.
    """
    values = pixels.sel(band=list(bands)).transpose("site", "y", "x", "band").to_numpy()
    low, high = stretch[:, 0], stretch[:, 1]
    scaled = np.clip((values - low) / np.maximum(high - low, 1e-6), 0.0, 1.0) * 255.0
    scaled[np.isnan(scaled).any(axis=-1)] = 0.0
    picture = np.rint(np.broadcast_to(scaled, (*scaled.shape[:3], 3))).astype(np.uint8)
    words = [
        f"{band} {ends[0]:.3f} to {ends[1]:.3f}" for band, ends in zip(bands, stretch, strict=True)
    ]
    return xr.DataArray(
        picture,
        dims=("site", "y", "x", "rgb"),
        coords={"site": pixels["site"].to_numpy()},
        attrs={"bands": ", ".join(bands), "stretch": ", ".join(words)},
    )
