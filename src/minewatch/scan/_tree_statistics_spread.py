"""The spread of all small windows of a layer: how much grain the ground has."""

from typing import Final

import numpy as np

from minewatch.types import FloatArray

_ROWS_AT_ONCE: Final = 32


def local_spread(
    values: FloatArray, size: int, least: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give the standard deviation of all windows of 3 or 9 px, one by it, and where it is little.

    Each is (y, x), beginning with the window at the upper left. Where the deviation is less than
    `least`, it is counted as little (1), and one by it as nought. Rows are worked through a few at
    a time, so that they stay near the processor.
    """
    shape = values.shape[0] - size + 1, values.shape[1] - size + 1
    spread, steepness, flat = (np.empty(shape) for _ in range(3))
    for start in range(0, shape[0], _ROWS_AT_ONCE):
        rows = slice(start, min(start + _ROWS_AT_ONCE, shape[0]))
        total = values[rows.start : rows.stop + size - 1]
        square, step = np.square(total), 1
        while step < size:
            total, square = (_sum_square(part, step) for part in (total, square))
            step *= 3
        _spread(total, square, size * size, out=spread[rows])
        np.less(spread[rows], least, out=flat[rows])
        np.maximum(spread[rows], least, out=steepness[rows])
        np.divide(1 - flat[rows], steepness[rows], out=steepness[rows])
    return spread, steepness, flat


def _sum_square(values: FloatArray, step: int) -> FloatArray:
    """Add 3 × 3 numbers that lie `step` apart."""
    rows = values[: -2 * step] + values[step:-step]
    rows += values[2 * step :]
    summed = rows[:, : -2 * step] + rows[:, step:-step]
    summed += rows[:, 2 * step :]
    return summed


def _spread(total: FloatArray, square: FloatArray, count: int, out: FloatArray) -> None:
    """Give the standard deviation of `count` numbers from their sum and that of their squares."""
    np.square(total, out=out)
    out *= -1 / count
    out += square
    np.maximum(out, 0.0, out=out)
    out *= 1 / count
    np.sqrt(out, out=out)
