"""The linear rule on how often textures occur."""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from minewatch.errors import InputError
from minewatch.model._training import class_weights
from minewatch.types import FloatArray, IntArray

_SMALLEST_SCALE: Final = 1e-6

Values = npt.NDArray[np.float32]


def fit_rule(
    texts: Values, is_mining: IntArray, *, strength: float, balanced: bool
) -> tuple[FloatArray, float]:
    """Learn a linear rule on described patches: weights, and what is added.

    Patches with a number missing are left out.

    Raises
    ------
    InputError
        If of one class no patch is left.
    """
    numbers = texts.astype(np.float64)
    known = np.isfinite(numbers).all(axis=1)
    numbers, is_mining = numbers[known], is_mining[known]
    if len(np.unique(is_mining)) < 2:
        raise InputError("too many pixels are missing: of one class no patch is left")
    mean = numbers.mean(axis=0)
    deviation = np.maximum(numbers.std(axis=0), _SMALLEST_SCALE)
    model = LogisticRegression(C=strength, max_iter=2_000)
    weights = class_weights(is_mining, balanced=balanced)
    model.fit((numbers - mean) / deviation, is_mining, sample_weight=weights)
    slopes = np.asarray(model.coef_[0] / deviation, dtype=np.float64)
    return slopes, float(model.intercept_[0] - mean @ slopes)


def apply_rule(texts: Values, weights: FloatArray, bias: float) -> FloatArray:
    """Give P(mining) of described patches; NaN where a number is missing."""
    return np.asarray(expit(texts.astype(np.float64) @ weights + bias), dtype=np.float64)
