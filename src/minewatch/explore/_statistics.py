"""One pass over the pixels, and what it leaves behind for all sections."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from minewatch._progress import Progress, silent
from minewatch.explore._settings import ExploreSettings

if TYPE_CHECKING:
    from minewatch.patches import DatasetHeader, PatchDataset

CLASSES = ("mining", "no mining", "unlabelled")
"""Names of the classes, in the order of the histograms."""


@dataclass(frozen=True, eq=False)
class PatchStatistics:
    """Per-patch summaries and exact histograms of all pixels: all that the sections work on.

    Tables are indexed by site_id and in the dataset's order; a pixel is known in a band if its
    digital number (DN) is not 0.
    """

    sites: gpd.GeoDataFrame
    """The dataset's sites, index site_id."""
    header: "DatasetHeader"
    """What the dataset says about itself."""
    bands: tuple[str, ...]
    """ESA's band names, in the dataset's order."""
    mean: pd.DataFrame
    """Columns are bands: mean reflectance of the patch's known pixels; NaN if there is none."""
    std: pd.DataFrame
    """Columns are bands: standard deviation of reflectance (divisor n); NaN if nothing is known."""
    p10: pd.DataFrame
    """Columns are bands: 10th percentile of reflectance; NaN if nothing is known."""
    p90: pd.DataFrame
    """Columns are bands: 90th percentile of reflectance; NaN if nothing is known."""
    indices: pd.DataFrame
    """Columns are spyndex's names: median over the patch of the per-pixel index; NaN if none."""
    counts: xr.DataArray
    """``(label, band, dn)`` int64: pixels by class, band and DN 0 … 65,535; 0 is no data."""
    quality: pd.DataFrame
    """What is wrong with each patch: ``n_px``; ``n_no_data_px`` (zero in all bands);
    ``n_any_zero_px`` (zero in one band or more); ``zero_bands`` and ``constant_bands``
    (comma-separated names, in order of wavelength, empty if none); ``saturated_share``,
    ``too_dark_share`` and ``too_bright_share`` (of all pixels, in any band, 0 to 1); ``digest``
    (of the DN, whatever the order of bands); ``min_clear_views``, ``mean_clear_views`` (NaN if not
    known)."""
    small: npt.NDArray[np.float32]
    """``(site, band, 8, 8)`` mean reflectance of 8 × 8 blocks of the patch; NaN if nothing known."""

    @property
    def labels(self) -> pd.Series:
        """Labels by site_id, Int8: 1 mining, 0 no mining, <NA> unlabelled."""
        return self.sites["label"]

    @property
    def patch_side_m(self) -> float:
        """Length of a patch's side on the ground, metres."""
        return float(self.header.size_px * self.header.resolution_m)


def summarise_patches(
    dataset: "PatchDataset",
    *,
    settings: ExploreSettings = ExploreSettings(),
    progress: Progress = silent,
) -> PatchStatistics:
    """Read every patch once and keep what the sections need."""
    raise NotImplementedError
