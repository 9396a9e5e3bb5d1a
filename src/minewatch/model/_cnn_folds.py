"""Inner folds that a network stops early by: blocks of ground, or groups, or single patches."""

from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from minewatch.errors import InputError
from minewatch.model._blocks import BlockKFold
from minewatch.types import IntArray

_GROUP: Final = "group"
_SMALLER: Final = (1.0, 0.2, 0.04, 0.008)


def inner_folds(
    pixels: xr.DataArray, labels: pd.Series, *, n_splits: int, block_m: float
) -> list[tuple[IntArray, IntArray]]:
    """Deal training patches to inner folds.

    Parameters
    ----------
    pixels
        Patches (site, band, y, x), perhaps with coordinates `longitude` and `latitude` (degrees)
        and `group` along `site`. Patches without a place are held apart by `group` alone; those
        with neither stand each for itself.
    labels
        Their labels, index site_id, in the same order.
    n_splits
        Number of folds.
    block_m
        Side of the blocks, metres; a fifth, a 25th or a 125th of it where the sites lie in fewer
        blocks than folds are wanted.

    Returns
    -------
    list
        For each fold the rows to learn from and the rows to stop by; both hold both classes.

    Raises
    ------
    InputError
        If no fold has both classes on both sides.
    """
    sites = _table(pixels, labels.index)
    values = labels.to_numpy()
    for smaller in _SMALLER:
        splitter = BlockKFold(n_splits, block_m * smaller, group_column=_GROUP)
        try:
            folds = list(splitter.split(sites, values))
        except InputError:
            continue
        folds = [fold for fold in folds if all(len(np.unique(values[rows])) == 2 for rows in fold)]
        if folds:
            return folds
    raise InputError(
        f"{len(labels)} training patches cannot be parted into {n_splits} inner folds with both "
        f"classes on both sides, even by blocks of {block_m * _SMALLER[-1]:g} m; bring patches "
        "from more places, or smaller inner_block_m, fewer inner_splits or smaller groups"
    )


def _table(pixels: xr.DataArray, sites: pd.Index) -> pd.DataFrame:
    columns = {
        name: pixels[name].to_numpy().astype(np.float64)
        if name in pixels.coords
        else np.full(len(sites), np.nan)
        for name in ("longitude", "latitude")
    }
    table = pd.DataFrame(columns, index=sites)
    placed = table.notna().all(axis=1)
    own = pd.Series(pixels[_GROUP].to_numpy() if _GROUP in pixels.coords else None, sites, object)
    alone = pd.Series([f"site {site}" for site in sites], sites, object)
    table[_GROUP] = own.where(own.notna() | placed, alone)
    return table
