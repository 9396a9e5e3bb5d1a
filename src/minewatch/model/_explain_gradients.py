"""Where a detector looks, finely: gradients where it has them, else fine differences of scores."""

from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import xarray as xr

from minewatch.model._detector import Detector
from minewatch.model._explain_folds import score_mining
from minewatch.model._explain_maps import Values, background_fill, occlude
from minewatch.types import FloatArray

GRADIENTS: Final = "integrated gradients"
DIFFERENCES: Final = "differences"
COLUMNS: Final = ("site_id", "top_px", "left_px", "square_px", "score", "drop", "method")


@runtime_checkable
class Attributing(Protocol):
    """A detector that can say by gradients what each pixel adds to a score."""

    def attribute(self, pixels: xr.DataArray, fill: Values) -> FloatArray:
        """Give what each pixel adds to P(mining), beside a patch of `fill` alone: (site, y, x)."""
        ...


def map_gradients(
    choose: Callable[[str], tuple[Detector, Values | None]],
    pixels: xr.DataArray,
    context: pd.DataFrame | None,
    *,
    fine_px: int,
    told: Callable[[], None],
) -> pd.DataFrame:
    """Say what each pixel, or each small square, of some patches adds to their score.

    Where a detector can be differentiated (`CnnDetector`), by integrated gradients [1]_: gradients
    of the score along the straight way from a patch of its fill alone to the patch itself, summed
    over bands and squares. What all of them add is the score less that of the fill. Squares of 4 px
    are the cells of the network's feature map; within one, which pixel is the largest is mostly
    chance, and so is which of them gets the gradient.

    Any other detector is asked again with each square on its way to the fill: a one-sided
    difference in the place of the gradient. Its step goes all the way, for trees have no slope: a
    smaller step mostly crosses none of their thresholds.

    Parameters
    ----------
    choose
        Gives for a site_id the detector that did not learn from it, and the fill (band,); None for
        the patch's own median.
    pixels
        The patches.
    context
        The context table, or None.
    fine_px
        Side of the squares, pixels; they do not overlap. 1 for single pixels.
    told
        Called after each patch.

    Returns
    -------
    DataFrame
        `site_id`, `top_px`, `left_px`, `square_px`, `score` (whole), `drop` (what the square adds
        to the score; above 0 where it speaks for mining), `method` (``integrated gradients``
        or ``differences``).

    References
    ----------
    .. [1] Sundararajan, M., Taly, A., Yan, Q. (2017). Axiomatic attribution for deep networks. ICML
       2017, PMLR 70, 3319–3328.
    """
    tables = [pd.DataFrame(columns=list(COLUMNS))]
    for position, site_id in enumerate(pixels["site"].to_numpy()):
        patch = pixels.isel(site=[position])
        detector, fill = choose(str(site_id))
        hide = background_fill(patch) if fill is None else fill
        row = None if context is None else context.loc[[site_id]]
        if isinstance(detector, Attributing):
            tables.append(_by_gradients(detector, patch, row, hide, fine_px))
        else:
            found = occlude(detector, patch, row, hide, square_px=fine_px, stride_px=fine_px)
            tables.append(found.drop(columns="score_hidden").assign(method=DIFFERENCES))
        told()
    filled = tables[1:] or tables
    return pd.concat(filled, ignore_index=True)[list(COLUMNS)]


def method_words(table: pd.DataFrame) -> str:
    """Say in a caption how a fine map was made.

    Parameters
    ----------
    table
        As from `map_gradients`, at least one row.
    """
    side = int(table["square_px"].iloc[0])
    if table["method"].iloc[0] == GRADIENTS:
        return (
            f"Integrated gradients: what every square of {side} px, all bands together, adds to "
            "the score on the way from the patch's fill to the patch itself (Sundararajan and "
            "others 2017)."
        )
    return (
        f"What every square of {side} px adds to the score: the score less that without it, for a "
        "detector that has no gradients."
    )


def _by_gradients(
    detector: Attributing,
    patch: xr.DataArray,
    context: pd.DataFrame | None,
    fill: Values,
    fine_px: int,
) -> pd.DataFrame:
    """Give a row for each small square of one patch."""
    added = detector.attribute(patch, fill)[0]
    starts = [range(0, side, fine_px) for side in added.shape]
    for axis, edges in enumerate(starts):
        added = np.add.reduceat(added, edges, axis=axis)
    rows, columns = np.meshgrid(*starts, indexing="ij")
    whole = np.nan
    if isinstance(detector, Detector):
        whole = float(score_mining(detector, patch, context)[0])
    return pd.DataFrame(
        {
            "site_id": str(patch["site"].to_numpy()[0]),
            "top_px": rows.ravel(),
            "left_px": columns.ravel(),
            "square_px": fine_px,
            "score": whole,
            "drop": added.ravel(),
            "method": GRADIENTS,
        }
    )
