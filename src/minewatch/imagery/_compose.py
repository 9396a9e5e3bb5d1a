"""The median of clear views, exact on digital numbers, and the composite that sources give."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch.bands import NO_DATA, reflectance_from_dn

_CHUNK_PX: Final = 8192
"""Pixels whose numbers are sorted together: they stay in the processor's cache."""


def median_of_views(
    views: npt.NDArray[np.uint16],
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """Take the median of each pixel's numbers, leaving out those without data.

    Parameters
    ----------
    views
        uint16 (view, …): digital numbers; 0 = no data or not clear.

    Returns
    -------
    median
        uint16 (…): of an even count the mean of the two middle numbers, rounded half up; 0 where
        there is none.
    count
        uint16 (…): how many numbers stand behind it.

    Notes
    -----
    A sorting network [1]_ compares whole planes of the stack with each other. Only the comparisons
    on which the lower half depends are made. On 20 views of uint16 it takes a sixth of the time of
    bottleneck's ``nanmedian`` on float32, and nothing is rounded on the way.

    References
    ----------
    .. [1] Batcher, K. E. (1968). Sorting networks and their applications. Proceedings of the AFIPS
       Spring Joint Computer Conference 32, 307-314.

    Examples
    --------
    >>> views = np.array([[10, 10, 0], [30, 13, 0], [0, 5, 0], [20, 11, 7]], dtype="uint16")
    >>> median, count = median_of_views(views)
    >>> median, count
    (array([20, 11,  7], dtype=uint16), array([3, 4, 1], dtype=uint16))
    """
    shape = views.shape[1:]
    flat = views.reshape(len(views), math.prod(shape))
    median = np.zeros(flat.shape[1], dtype=np.uint16)
    count = np.count_nonzero(flat, axis=0).astype(np.uint16)
    if len(views):
        for start in range(0, flat.shape[1], _CHUNK_PX):
            part = slice(start, start + _CHUNK_PX)
            median[part] = _median(flat[:, part], count[part])
    return median.reshape(shape), count.reshape(shape)


def _median(views: npt.NDArray[np.uint16], count: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    # Less one, 0 wraps around to the largest number: no data sorts last, and every number has room.
    lower = _sort_lower_half(views - np.uint16(1))
    known = count.astype(np.intp)
    pixel = np.arange(views.shape[1])
    below = lower[np.maximum(known - 1, 0) // 2, pixel].astype(np.uint32)
    above = lower[np.minimum(known // 2, len(lower) - 1), pixel]
    median: npt.NDArray[np.uint16] = ((below + above + 1) // 2).astype(np.uint16) + np.uint16(1)
    median[count == 0] = NO_DATA
    return median


def _sort_lower_half(planes: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Sort along the first axis, as far as the median needs it."""
    rows = list(planes)
    spare = np.empty_like(rows[0])
    for low, high, keep_low, keep_high in _network(len(rows)):
        if keep_low and keep_high:
            np.minimum(rows[low], rows[high], out=spare)
            np.maximum(rows[low], rows[high], out=rows[high])
            rows[low], spare = spare, rows[low]
        elif keep_low:
            np.minimum(rows[low], rows[high], out=rows[low])
        else:
            np.maximum(rows[low], rows[high], out=rows[high])
    return np.stack(rows[: len(rows) // 2 + 1])


@lru_cache(maxsize=256)
def _network(size: int) -> tuple[tuple[int, int, bool, bool], ...]:
    """List the comparisons that put the lower half in order, and which of both results count."""
    needed = set(range(size // 2 + 1))
    kept = []
    for low, high in reversed(_batcher(size)):
        keep_low, keep_high = low in needed, high in needed
        if keep_low or keep_high:
            kept.append((low, high, keep_low, keep_high))
            needed |= {low, high}
    return tuple(reversed(kept))


def _batcher(size: int) -> list[tuple[int, int]]:
    """List the comparisons of Batcher's merge exchange for any number of planes."""
    pairs = []
    run = 1
    while run < size:
        step = run
        while step >= 1:
            for start in range(step % run, size - step, 2 * step):
                lows = range(start, start + min(step, size - start - step))
                same_run = (low for low in lows if low // (2 * run) == (low + step) // (2 * run))
                pairs += [(low, low + step) for low in same_run]
            step //= 2
        run *= 2
    return pairs


def composite_dataset(
    geobox: GeoBox,
    bands: Sequence[str],
    numbers: npt.NDArray[np.uint16],
    clear_count: npt.NDArray[np.uint16],
    attrs: Mapping[str, object],
) -> xr.Dataset:
    """Give a composite as sources of imagery do.

    Parameters
    ----------
    geobox
        The place.
    bands
        Names of the bands, in order.
    numbers
        uint16 (band, y, x): digital numbers, 0 = no data.
    clear_count
        uint16 (y, x): clear views.
    attrs
        What the attributes say; the CRS and the transform are added.
    """
    y, x = (geobox.coordinates[name].values for name in geobox.dimensions)
    epsg = None if geobox.crs is None else geobox.crs.epsg
    return xr.Dataset(
        {
            "reflectance": (("band", "y", "x"), reflectance_from_dn(numbers)),
            "clear_count": (("y", "x"), clear_count),
        },
        coords={"band": list(bands), "y": y, "x": x},
        attrs={
            **attrs,
            "crs": str(geobox.crs) if epsg is None else f"EPSG:{epsg}",
            "transform": list(geobox.transform)[:6],
        },
    )
