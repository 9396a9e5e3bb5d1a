"""Which pixels are clear, by the scene classification (SCL) of Sentinel-2's L2A products."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from minewatch.types import BoolArray

SCL_NO_DATA: Final = 0


@dataclass(frozen=True)
class SclClass:
    """One class of the scene classification."""

    value: int
    name: str
    clear: float
    """Clear score, 0 to 1: how far such a pixel shows the ground as it is; NaN: unknown."""


SCL_CLASSES: Final = (
    SclClass(0, "no data", float("nan")),
    SclClass(1, "saturated or defective", 0.0),
    SclClass(2, "dark area or terrain shadow", 0.5),
    SclClass(3, "cloud shadow", 0.0),
    SclClass(4, "vegetation", 1.0),
    SclClass(5, "not vegetated", 1.0),
    SclClass(6, "water", 1.0),
    SclClass(7, "unclassified", 0.5),
    SclClass(8, "cloud, medium probability", 0.1),
    SclClass(9, "cloud, high probability", 0.0),
    SclClass(10, "thin cirrus", 0.25),
    SclClass(11, "snow or ice", 0.75),
)
"""The classes in order of their value. The scores are minewatch's own choice, not ESA's: they rank
the classes, so that one threshold means about the same as a threshold on Cloud Score+."""

_SCORES: Final = np.full(256, np.nan, dtype=np.float32)
_SCORES[: len(SCL_CLASSES)] = [scl_class.clear for scl_class in SCL_CLASSES]


def clear_scores(classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Give the clear score of each pixel's class.

    Parameters
    ----------
    classes
        uint8, any shape: SCL, 0 to 11.

    Returns
    -------
    ndarray of float32
        The same shape, 0 to 1; NaN for no data and for numbers that are no class.

    Examples
    --------
    >>> clear_scores(np.array([0, 4, 7, 8], dtype="uint8"))
    array([nan, 1. , 0.5, 0.1], dtype=float32)
    """
    return _SCORES[classes]


def clear_pixels(
    classes: npt.NDArray[np.uint8], *, clear_threshold: float, dilation_px: int = 0
) -> BoolArray:
    """Tell which pixels are clear.

    Parameters
    ----------
    classes
        uint8 (…, y, x): SCL, 0 to 11, on its own 20 m grid. With a dilation, read `dilation_px`
        more on every side than is needed: what lies outside cannot grow in.
    clear_threshold
        A pixel is clear where its score is at least this. 0 takes every pixel with data.
    dilation_px
        Radius, in pixels, by which what is not clear grows. No data does not grow: the edge of a
        swath says nothing about clouds.

    Returns
    -------
    ndarray of bool
        The same shape.

    Examples
    --------
    >>> row = np.array([[4, 4, 9, 4, 4, 0]], dtype="uint8")
    >>> clear_pixels(row, clear_threshold=0.75).astype(int)
    array([[1, 1, 0, 1, 1, 0]])
    >>> clear_pixels(row, clear_threshold=0.75, dilation_px=1).astype(int)
    array([[1, 0, 0, 0, 1, 0]])
    """
    scores = clear_scores(classes)
    clear = scores >= np.float32(clear_threshold)
    if dilation_px == 0:
        return clear
    unclear = ~clear & np.isfinite(scores)
    disc = _disc(dilation_px).reshape((1,) * (classes.ndim - 2) + (2 * dilation_px + 1,) * 2)
    return clear & ~ndimage.binary_dilation(unclear, structure=disc)


def _disc(radius_px: int) -> BoolArray:
    steps = np.arange(-radius_px, radius_px + 1)
    return steps[:, None] ** 2 + steps[None, :] ** 2 <= radius_px**2
