"""Small pictures of patches, all stretched alike."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

if TYPE_CHECKING:
    from minewatch.explore._settings import ExploreSettings
    from minewatch.explore._statistics import PatchStatistics
    from minewatch.patches import PatchDataset


def common_stretch(statistics: "PatchStatistics", settings: "ExploreSettings") -> pd.DataFrame:
    """Choose for each band the DN shown as black and as full colour, from all known pixels.

    Returns
    -------
    DataFrame
        Index band (ESA's names), columns ``low`` and ``high``, in DN.
    """
    raise NotImplementedError


def thumbnails(
    dataset: "PatchDataset", site_ids: Sequence[str], bands: Sequence[str], stretch: pd.DataFrame
) -> xr.DataArray:
    """Draw patches in red, green and blue (three bands) or in grey (one band).

    Returns
    -------
    DataArray of uint8
        ``(site, y, x, rgb)``, coordinate ``site`` = site_id in the order asked; no data is black.
        ``attrs`` state the bands and the stretch.
    """
    raise NotImplementedError
