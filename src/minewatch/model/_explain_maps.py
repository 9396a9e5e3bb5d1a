"""Where a detector looks: how its score changes when squares of a patch are hidden."""

from collections.abc import Callable, Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from minewatch.model._detector import Detector
from minewatch.model._explain_folds import score_mining
from minewatch.types import FloatArray

Fill = Literal["patch median", "background"]
"""What hides a square: the patch's own median, or the median of patches without mining."""
_PATCHES_AT_ONCE: Final = 256
Values = npt.NDArray[np.float32]


def occlude(
    detector: Detector,
    patch: xr.DataArray,
    context: pd.DataFrame | None,
    fill: Values,
    *,
    square_px: int,
    stride_px: int,
) -> pd.DataFrame:
    """Score one patch again and again, each time with another square of it hidden.

    What falls when a square is hidden rested on it [1]_. That asks nothing of a detector but
    scores, so it serves trees and saved networks alike.

    Parameters
    ----------
    patch
        Reflectance (site, band, y, x) of one site.
    context
        Its row of the context table, or None.
    fill
        (band,): reflectance that stands in a hidden square.
    square_px, stride_px
        Side of a square, and the step to the next one; the last ones end at the patch's edge.

    Returns
    -------
    DataFrame
        `site_id`, `top_px`, `left_px`, `square_px`, `score` (whole), `score_hidden`, `drop`: the
        first less the second; above 0 where the square spoke for mining.

    References
    ----------
    .. [1] Zeiler, M. D., Fergus, R. (2014). Visualizing and understanding convolutional networks.
       ECCV 2014, LNCS 8689, 818–833.
    """
    site_id = str(patch["site"].to_numpy()[0])
    height, width = patch.shape[2:]
    corners = [
        (top, left)
        for top in _starts(height, square_px, stride_px)
        for left in _starts(width, square_px, stride_px)
    ]
    whole = float(score_mining(detector, patch, context)[0])
    hidden = np.concatenate(
        [
            _score_hidden(
                detector, patch, context, fill, corners[first:][:_PATCHES_AT_ONCE], square_px
            )
            for first in range(0, len(corners), _PATCHES_AT_ONCE)
        ]
    )
    table = pd.DataFrame(corners, columns=["top_px", "left_px"])
    table.insert(0, "site_id", site_id)
    return table.assign(square_px=square_px, score=whole, score_hidden=hidden, drop=whole - hidden)


def background_fill(pixels: xr.DataArray) -> Values:
    """Give the median of each band over the known pixels of some patches: (band,)."""
    values = np.moveaxis(pixels.to_numpy(), 1, 0).reshape(pixels.sizes["band"], -1)
    return np.array([_median(band) for band in values], dtype=np.float32)


def draw_drops(table: pd.DataFrame, height_px: int, width_px: int) -> FloatArray:
    """Give each pixel the mean drop of the squares over it: (y, x), NaN where there was none.

    Parameters
    ----------
    table
        The rows of one site, as from `occlude`.

    Examples
    --------
    >>> rows = pd.DataFrame({"top_px": [0, 1], "left_px": [0, 0], "square_px": 2, "drop": [1., 3.]})
    >>> draw_drops(rows, 3, 2).tolist()
    [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    """
    total = np.zeros((height_px, width_px))
    count = np.zeros((height_px, width_px))
    squares = table[["top_px", "left_px", "square_px"]].to_numpy(dtype=np.int64)
    for (top, left, side), drop in zip(squares, table["drop"], strict=True):
        total[top : top + side, left : left + side] += drop
        count[top : top + side, left : left + side] += 1.0
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def map_patches(
    choose: Callable[[str], tuple[Detector, Values | None]],
    pixels: xr.DataArray,
    context: pd.DataFrame | None,
    *,
    square_px: int,
    stride_px: int,
    told: Callable[[], None],
) -> pd.DataFrame:
    """Occlude several patches, each before the detector that did not learn from it.

    Parameters
    ----------
    choose
        Gives for a site_id the detector, and what hides squares; None for the patch's own median.
    """
    tables = []
    for position, site_id in enumerate(pixels["site"].to_numpy()):
        patch = pixels.isel(site=[position])
        detector, fill = choose(str(site_id))
        row = None if context is None else context.loc[[site_id]]
        hide = background_fill(patch) if fill is None else fill
        tables.append(occlude(detector, patch, row, hide, square_px=square_px, stride_px=stride_px))
        told()
    return pd.concat(tables, ignore_index=True)


def _starts(size_px: int, square_px: int, stride_px: int) -> list[int]:
    last = max(size_px - square_px, 0)
    return sorted({*range(0, last + 1, stride_px), last})


def _score_hidden(
    detector: Detector,
    patch: xr.DataArray,
    context: pd.DataFrame | None,
    fill: Values,
    corners: Sequence[tuple[int, int]],
    square_px: int,
) -> FloatArray:
    values = np.repeat(patch.to_numpy(), len(corners), axis=0)
    for number, (top, left) in enumerate(corners):
        values[number, :, top : top + square_px, left : left + square_px] = fill[:, None, None]
    names = [f"hidden {number:05d}" for number in range(len(corners))]
    variants = xr.DataArray(
        values,
        dims=patch.dims,
        coords={"site": names, "band": patch["band"].to_numpy()},
        attrs=patch.attrs,
    )
    rows = None
    if context is not None:
        rows = context.iloc[np.zeros(len(names), dtype=np.int64)].set_axis(
            pd.Index(names, name="site_id")
        )
    return score_mining(detector, variants, rows)


def _median(values: Values) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else 0.0
