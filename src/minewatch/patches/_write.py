"""Write digital numbers, and where they lie, as a patch dataset."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import geopandas as gpd
import numpy as np
import xarray as xr

from minewatch._progress import Progress, silent
from minewatch.bands import band_names, check_level
from minewatch.errors import InputError
from minewatch.patches._dataset import PatchDataset
from minewatch.patches._periods import check_period
from minewatch.patches._places import Cut, dataset_sites
from minewatch.patches._shards import Block, Plan, digest_array, write_plan
from minewatch.types import AnyArray, Level, StrPath

ReadRows: TypeAlias = Callable[[int, int], AnyArray]


def write_patches(  # noqa: PLR0913 - keyword-only facts about the pixels, none of them derivable
    out: StrPath,
    sites: gpd.GeoDataFrame,
    read_rows: ReadRows | AnyArray | xr.DataArray,
    *,
    bands: str | tuple[str, ...] | list[str],
    level: Level,
    size_px: int | None = None,
    resolution_m: float = 10.0,
    cut: Cut = "grid",
    source: str = "",
    period: tuple[str, str] | None = None,
    saturation_dn: int | None = None,
    inputs: Mapping[str, str] | None = None,
    clear_count: ReadRows | AnyArray | xr.DataArray | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> PatchDataset:
    """Write digital numbers of patches, and where they lie, as a patch dataset.

    The dataset is written aside, in ``<out>.partial``, one shard of 1,024 patches after another,
    and bears its name only when it is whole. If the writing is stopped, the same call goes on
    where it stood and gives the same bytes. Numbers are stored as they are given: nothing is
    scaled. Two processes cannot write the same dataset at once.

    Parameters
    ----------
    out
        Folder of the dataset; must not exist, or be empty, unless `overwrite`. Only a patch dataset
        is ever replaced, and only if nothing else was put into its folder.
    sites
        One row per patch, in the order of the pixels: index ``site_id``, points in EPSG:4326
        (None where unplaced); columns as in `PatchDataset.sites` are used, others are kept.
    read_rows
        Digital numbers, 0 = no data, uint16 (or integers that fit), dims (site, band, y, x): an
        array, a DataArray whose `site` coordinate (if it has one) equals the index of `sites`, or
        a function that gives rows ``start`` to ``stop - 1``. Pixels that come from a function are
        told from other pixels by `inputs` alone when a stopped write is taken up again.
    bands
        The band order: a preset (``"l2a-12"``) or names in any spelling.
    level
        L1C or L2A.
    size_px
        Pixels along a patch's side; may be left out where an array says it.
    resolution_m
        Ground size of a pixel, metres.
    cut
        How patches of sites that bring no grid of their own lie around their point: ``"grid"``,
        as `minewatch.grid.PatchGrid` cuts them, or ``"point"``, centred on the point.
    source
        Where the pixels come from, in words.
    period
        First and last day of the imagery, ISO dates, if it is the same for all sites.
    saturation_dn
        The digital number at which the source was clipped; None if it was not.
    inputs
        Digests of what the pixels were made from, by name.
    clear_count
        Number of clear views of every pixel, dims (site, y, x), as array or function; None where
        it is not known.
    overwrite
        Replace a dataset that is there, and give up a stopped write of other data.
    progress
        Told the patches written.

    Raises
    ------
    AlreadyThereError
        If there is a dataset, or a stopped write of other data, and `overwrite` is false.
    InputError
        If pixels do not have the announced shape or do not fit unsigned 16-bit numbers.
    SitesError, SettingsError, BandError, LevelError
        If sites, period, bands or level cannot be used.
    LockedError
        If another process is writing there.

    Examples
    --------
    >>> import tempfile
    >>> from shapely import Point
    >>> sites = gpd.GeoDataFrame(
    ...     {"label": [1, 0]},
    ...     geometry=[Point(-62.6, 5.4), Point(-62.7, 5.5)],
    ...     index=["mine", "forest"],
    ...     crs="EPSG:4326",
    ... )
    >>> numbers = np.full((2, 3, 8, 8), 1200, dtype="uint16")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dataset = write_patches(folder, sites, numbers, bands="rgb", level="L2A")
    ...     print(dataset.shape, float(dataset.pixels(["forest"])[0, 0, 0, 0]))
    (2, 3, 8, 8) 0.11999999731779099
    """
    arrays = {
        name: rows
        for name, rows in (("pixels", read_rows), ("clear_count", clear_count))
        if isinstance(rows, np.ndarray | xr.DataArray)
    }
    if size_px is None:
        if "pixels" not in arrays:
            raise InputError("size_px is needed when pixels come from a function")
        size_px = int(arrays["pixels"].shape[-1])
    for array in arrays.values():
        _check_order(array, sites)
    start, end = check_period(*(period or (None, None)))
    plan = Plan(
        sites=dataset_sites(sites, size_px=size_px, resolution_m=resolution_m, cut=cut),
        bands=band_names(bands),
        level=check_level(level),
        size_px=size_px,
        resolution_m=resolution_m,
        source=source,
        period_start=start,
        period_end=end,
        saturation_dn=saturation_dn,
        has_clear_counts=clear_count is not None,
        inputs={**(inputs or {}), **{name: digest_array(array) for name, array in arrays.items()}},
    )
    pixels_of = _as_reader(read_rows)
    counts_of = None if clear_count is None else _as_reader(clear_count)

    def read_block(first: int, stop: int) -> Block:
        counts = None if counts_of is None else counts_of(first, stop)
        return Block(pixels_of(first, stop), counts)

    return write_plan(out, plan, read_block, overwrite=overwrite, progress=progress)


def _as_reader(rows: ReadRows | AnyArray | xr.DataArray) -> ReadRows:
    if not isinstance(rows, np.ndarray | xr.DataArray):
        return rows
    array = np.asarray(rows)
    return lambda start, stop: array[start:stop]


def _check_order(array: AnyArray | xr.DataArray, sites: gpd.GeoDataFrame) -> None:
    if len(array) != len(sites):
        raise InputError(f"there are {len(array)} patches and {len(sites)} sites; expected equal")
    if isinstance(array, xr.DataArray) and "site" in array.coords:
        ids = [str(value) for value in array["site"].values]
        if ids != [str(value) for value in sites.index]:
            raise InputError(
                "the `site` coordinate of the pixels differs from the index of the sites; bring "
                "both into one order: pixels.sel(site=sites.index)"
            )
