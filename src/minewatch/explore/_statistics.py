"""One pass over the pixels, and what it leaves behind for all sections."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from minewatch._progress import Progress, silent
from minewatch.bands import MAX_DN, SCALE_FACTOR, available_indices
from minewatch.explore._rows import LimitsDN, RowSummary, by_wavelength, summarise_rows
from minewatch.explore._settings import DEFAULT_SETTINGS, ExploreSettings
from minewatch.grid import PatchGrid

if TYPE_CHECKING:
    from minewatch.patches import DatasetHeader, PatchDataset

CLASSES: Final = ("mining", "no mining", "unlabelled")
"""Names of the classes, in the order of the histograms."""

SATURATED_DN: Final = MAX_DN - 1_000
"""Taken for saturated where the dataset does not say at which DN its source clips: ESA's products
mark saturation by 65,535, which the offset of 1,000 of baseline 04.00 may have been taken from."""

_CHUNK_SITES = 64
"""Patches that one thread summarises at a time: few enough to be small, many enough to
keep the cost of each call low."""


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
    """Columns are bands: smallest reflectance that 10 % of the known pixels do not exceed."""
    p90: pd.DataFrame
    """Columns are bands: smallest reflectance that 90 % of the known pixels do not exceed."""
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
    """``(site, band, 8, 8)`` mean reflectance of 8 × 8 blocks of a patch; NaN where unknown."""

    @property
    def labels(self) -> "pd.Series[int]":
        """Labels by site_id, Int8: 1 mining, 0 no mining, <NA> unlabelled."""
        labels: pd.Series[int] = self.sites["label"]
        return labels

    @property
    def classes(self) -> "pd.Series[str]":
        """Names of the sites' classes (`CLASSES`) by site_id."""
        names = np.asarray(CLASSES, dtype=object)[_class_numbers(self.sites)]
        return pd.Series(names, index=self.sites.index, name="class", dtype="str")

    @property
    def grid(self) -> PatchGrid:
        """Size of a patch on the ground."""
        pixel_m = self.header.resolution_m
        return PatchGrid(size_px=self.header.size_px, resolution_m=pixel_m, snap_m=pixel_m)

    def in_order(self) -> "PatchStatistics":
        """Sort patches by site_id and bands by wavelength, so that no result depends on either."""
        bands = tuple(by_wavelength(self.bands))
        columns = [self.bands.index(name) for name in bands]
        rows = np.argsort(self.sites.index.to_numpy(), kind="stable")
        return replace(
            self,
            sites=self.sites.iloc[rows],
            bands=bands,
            mean=self.mean.iloc[rows, columns],
            std=self.std.iloc[rows, columns],
            p10=self.p10.iloc[rows, columns],
            p90=self.p90.iloc[rows, columns],
            indices=self.indices.iloc[rows],
            counts=self.counts.isel(band=columns),
            quality=self.quality.iloc[rows],
            small=self.small[rows][:, columns],
        )


def summarise_patches(
    dataset: "PatchDataset",
    *,
    settings: ExploreSettings = DEFAULT_SETTINGS,
    progress: Progress = silent,
) -> PatchStatistics:
    """Read every patch once and keep what the sections need.

    Memory is bounded: two blocks of patches, and about 4 kB for each 12-band patch kept. The
    result depends neither on the number of threads nor on the order of the dataset's sites or
    bands, but for the order of rows and columns.

    Parameters
    ----------
    dataset
        The patches.
    settings
        Limits of plausible reflectance, number of threads.
    progress
        Told the number of patches read.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from minewatch import patches, toy
    >>> valley = toy.Valley(seed=1)
    >>> sites = valley.sites(n_mining=3, n_background=5)
    >>> dataset = patches.write_patches(
    ...     mkdtemp() + "/toy", sites, valley.pixels(sites), bands="l2a-12", level="L2A"
    ... )
    >>> statistics = summarise_patches(dataset)
    >>> int(statistics.counts.sum()) == 8 * 12 * 48 * 48
    True
    """
    labels = _class_numbers(dataset.sites)
    counts = np.zeros((len(CLASSES), len(dataset.bands), MAX_DN + 1), dtype=np.int64)
    limits = limits_dn(dataset.header.saturation_dn, settings)
    kept = _Kept(dataset)
    done = 0
    progress("reading patches", done, len(dataset))
    with ThreadPoolExecutor(settings.n_workers) as pool:
        for block in _read_ahead(dataset.blocks(), pool):
            rows = dataset.sites.index.get_indexer(block["site"].to_index())
            numbers = block.to_numpy()
            jobs = [
                pool.submit(_count, numbers[:, i], labels[rows], counts[:, i])
                for i in range(len(dataset.bands))
            ]
            jobs += [
                pool.submit(kept.keep, rows[part], numbers[part], limits)
                for part in _parts(len(rows), _CHUNK_SITES)
            ]
            for job in jobs:
                job.result()
            done += len(rows)
            progress("reading patches", done, len(dataset))
    return kept.statistics(counts)


def limits_dn(saturation_dn: int | None, settings: ExploreSettings) -> LimitsDN:
    """Turn the limits of plausible reflectance into digital numbers."""
    return LimitsDN(
        darkest=round(settings.plausible_min / SCALE_FACTOR),
        brightest=round(settings.plausible_max / SCALE_FACTOR),
        saturated=SATURATED_DN if saturation_dn is None else saturation_dn,
    )


class _Kept:
    """Room for the summaries of every patch, filled by several threads in any order."""

    def __init__(self, dataset: "PatchDataset") -> None:
        self.dataset = dataset
        self.index_names = available_indices(dataset.bands)
        n_sites, n_bands = len(dataset), len(dataset.bands)
        self.summary = RowSummary.empty(n_sites, n_bands, len(self.index_names))
        self.min_clear = np.full(n_sites, np.nan)
        self.mean_clear = np.full(n_sites, np.nan)

    def keep(
        self,
        rows: npt.NDArray[np.intp],
        numbers: npt.NDArray[np.uint16],
        limits: LimitsDN,
    ) -> None:
        """Summarise some patches and put the result in their rows; safe in parallel."""
        self.summary.put(rows, summarise_rows(numbers, self.dataset.bands, limits))
        clear = self.dataset.clear_counts(self.dataset.sites.index[rows])
        if clear is not None:
            views = clear.to_numpy().reshape(len(rows), -1)
            self.min_clear[rows] = views.min(axis=1)
            self.mean_clear[rows] = views.mean(axis=1)

    def statistics(self, counts: npt.NDArray[np.int64]) -> PatchStatistics:
        """Give names to what was kept."""
        index, bands = self.dataset.sites.index, self.dataset.bands
        summary = self.summary

        def table(values: npt.NDArray[np.float64], columns: tuple[str, ...]) -> pd.DataFrame:
            return pd.DataFrame(values, index=index, columns=list(columns))

        quality = summary.quality(bands, index)
        quality["min_clear_views"] = self.min_clear
        quality["mean_clear_views"] = self.mean_clear
        return PatchStatistics(
            sites=self.dataset.sites,
            header=self.dataset.header,
            bands=bands,
            mean=table(summary.mean, bands),
            std=table(summary.std, bands),
            p10=table(summary.p10, bands),
            p90=table(summary.p90, bands),
            indices=table(summary.indices, self.index_names),
            counts=xr.DataArray(
                counts,
                dims=("label", "band", "dn"),
                coords={"label": list(CLASSES), "band": list(bands)},
            ),
            quality=quality,
            small=summary.small,
        )


def _read_ahead(blocks: Iterator[xr.DataArray], pool: ThreadPoolExecutor) -> Iterator[xr.DataArray]:
    """Give the blocks in order, reading the next one while the last is worked on."""
    coming = pool.submit(next, blocks, None)
    while (block := coming.result()) is not None:
        coming = pool.submit(next, blocks, None)
        yield block


def _parts(total: int, step: int) -> list[slice]:
    return [slice(start, start + step) for start in range(0, total, step)]


def _class_numbers(sites: gpd.GeoDataFrame) -> npt.NDArray[np.int64]:
    """Give each site's position in `CLASSES`."""
    names = sites["label"].map({1: 0, 0: 1})
    filled = names.fillna(CLASSES.index("unlabelled"))
    return np.asarray(filled, dtype=np.int64)


def _count(
    numbers: npt.NDArray[np.uint16],
    labels: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> None:
    """Add one band's pixels ``(site, y, x)`` to its histograms ``(label, dn)``, in place."""
    for label in np.unique(labels):
        chosen = numbers[labels == label].ravel()
        counts[label] += np.bincount(chosen, minlength=MAX_DN + 1)
