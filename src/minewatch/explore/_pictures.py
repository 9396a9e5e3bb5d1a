"""Thumbnails of the few patches that a section points at."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minewatch.explore._settings import ExploreSettings
from minewatch.explore._statistics import PatchStatistics
from minewatch.explore._thumbnails import common_stretch, composites, thumbnails

if TYPE_CHECKING:
    import xarray as xr

    from minewatch.patches import PatchDataset


def picture_sites(
    dataset: "PatchDataset | None",
    site_ids: Sequence[str],
    statistics: PatchStatistics,
    settings: ExploreSettings,
) -> "xr.DataArray | None":
    """Draw patches in the first of `composites` that their bands allow: true colour, if they do.

    Returns
    -------
    DataArray or None
        uint8 ``(site, y, x, rgb)`` in the order asked; None without a dataset or without sites.
    """
    if dataset is None or len(site_ids) == 0:
        return None
    bands = next(iter(composites(statistics.bands).values()))
    return thumbnails(dataset, list(site_ids), bands, common_stretch(statistics, settings))
