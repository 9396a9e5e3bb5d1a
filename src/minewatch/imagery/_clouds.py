"""Which pixels are clear, by Sentinel-2's scene classification (SCL)."""

import numpy as np
import numpy.typing as npt

from minewatch.types import BoolArray


def clear_scores(classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Give the clear score of each class, 0 to 1; NaN for no data (class 0)."""
    raise NotImplementedError


def clear_pixels(
    classes: npt.NDArray[np.uint8], *, clear_threshold: float, dilation_px: int = 0
) -> BoolArray:
    """Tell which pixels are clear: (…, y, x) SCL classes in, bool of the same shape out."""
    raise NotImplementedError
