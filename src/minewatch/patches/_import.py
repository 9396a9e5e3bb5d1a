"""What every import shares: its settings, its checks, and the way from rows to a dataset."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from minewatch._progress import Progress
from minewatch.bands import band_names
from minewatch.errors import BandError, InputError, RoundedWarning, SitesError, UnplacedWarning
from minewatch.patches._dataset import PatchDataset
from minewatch.patches._header import SourceValues
from minewatch.patches._periods import check_period
from minewatch.patches._places import DEGREES, Cut, dataset_sites
from minewatch.patches._scaling import (
    Scaling,
    check_conversion,
    check_scaling,
    count_nan,
    describe_conversion,
    digital_numbers,
    is_reversible,
    note_true_color,
    warn_of_offset,
)
from minewatch.patches._shards import N_NAN_VALUES, Block, Plan, write_plan
from minewatch.sites import read_sites
from minewatch.types import AnyArray, Level, Settings, StrPath

DEFAULT_RESOLUTION_M: Final = 10.0
_SAMPLE_ROWS: Final = 64


class ImportSettings(Settings):
    """What an import cannot see in the pixels, and therefore has to be told.

    Examples
    --------
    >>> settings = ImportSettings(bands="legacy-12", level="L1C", scaling="reflectance")
    >>> settings.bands[7], settings.scaling.scale
    ('B8A', 1.0)
    """

    bands: tuple[str, ...] | None = None
    """Band order: a preset (``"legacy-12"``) or names in any spelling. None only for GeoTIFFs whose
    bands are described in the files."""
    level: Level
    """Processing level, L1C or L2A. It is never guessed."""
    scaling: Scaling = Scaling()
    """What the numbers stand for: a `Scaling`, or the name of one (`Scaling.named`)."""
    band_axis: Literal["last", "first"] = "last"
    """Where the bands stand in arrays: ``"last"`` (site, y, x, band) or ``"first"`` (site, band, y,
    x)."""
    resolution_m: float | None = Field(default=None, gt=0)
    """Ground size of a pixel, metres. None: 10 m, or what GeoTIFFs say."""
    cut: Cut = "point"
    """How patches lie around their points: ``"point"``, centred; ``"grid"``, as
    `minewatch.grid.PatchGrid` cuts them."""
    source: str = ""
    """Where the pixels come from, in words."""
    period: tuple[str, str] | None = None
    """First and last day of the imagery, ISO dates, if it is the same for all sites."""
    site_id_column: str | None = None
    """Column of ids in the table of sites, as in `minewatch.sites.read_sites`."""
    label_column: str | None = None
    """Column of labels in the table of sites, as in `minewatch.sites.read_sites`."""
    start_column: str = "start"
    """Column of each site's first day of imagery, ISO dates."""
    end_column: str = "end"
    """Column of each site's last day of imagery, ISO dates."""
    row_column: str | None = None
    """Column that names each site's row in an array, counted from 0."""

    @field_validator("bands", mode="before")
    @classmethod
    def _name_bands(cls, value: object) -> object:
        if value is None:
            return None
        if isinstance(value, str | Iterable):
            return band_names(value)
        return value

    @field_validator("scaling", mode="before")
    @classmethod
    def _name_scaling(cls, value: object) -> object:
        return Scaling.named(value) if isinstance(value, str) else value

    @field_validator("period", mode="before")
    @classmethod
    def _days_as_text(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return tuple(day.isoformat() if type(day) is date else day for day in value)
        return value

    @field_validator("period")
    @classmethod
    def _is_a_period(cls, value: tuple[str, str] | None) -> tuple[str, str] | None:
        if value is not None:
            check_period(*value)
        return value


@dataclass(frozen=True)
class Rows:
    """Pixels of a source, read in pieces: dims (site, y, x, band)."""

    name: str
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    read: Callable[[int, int], AnyArray]


def rows_of_array(array: AnyArray, settings: ImportSettings, name: str) -> Rows:
    """Look at an array, in memory or mapped from a file, as rows.

    Raises
    ------
    InputError
        If it does not have four dimensions.
    """
    if array.ndim != 4:
        raise InputError(
            f"{name} has shape {array.shape}; expected four dimensions: sites, rows, columns, bands"
        )
    turned = array if settings.band_axis == "last" else np.moveaxis(array, 1, -1)
    n, height, width, n_bands = turned.shape
    return Rows(name, (n, height, width, n_bands), turned.dtype, lambda i, j: turned[i:j])


def import_rows(
    out: StrPath,
    sites: gpd.GeoDataFrame,
    rows: Rows,
    settings: ImportSettings,
    *,
    inputs: Mapping[str, str],
    request: Mapping[str, object],
    overwrite: bool,
    progress: Progress,
) -> PatchDataset:
    """Check rows and sites against the settings, convert and write them.

    Raises
    ------
    InputError, BandError, SitesError
        If the patches are not square, do not have as many bands as are named, or have values that
        cannot be reflectance under the scaling.
    """
    bands = _check_shape(rows, settings)
    scaling = settings.scaling
    sample = _sample(rows)
    check_scaling(sample, scaling, rows.name)
    warn_of_offset(sample, scaling, rows.name)
    start, end = settings.period or (None, None)
    resolution_m = settings.resolution_m or DEFAULT_RESOLUTION_M
    plan = Plan(
        sites=dataset_sites(
            with_periods(sites, settings).drop(columns=N_NAN_VALUES, errors="ignore"),
            size_px=rows.shape[1],
            resolution_m=resolution_m,
            cut=settings.cut,
        ),
        bands=bands,
        level=settings.level,
        size_px=rows.shape[1],
        resolution_m=resolution_m,
        source=settings.source or rows.name,
        period_start=start,
        period_end=end,
        saturation_dn=scaling.saturation_dn,
        source_values=SourceValues(
            dtype=rows.dtype.newbyteorder("=").name,
            scale=scaling.scale,
            offset=scaling.offset,
            no_data=scaling.no_data,
        ),
        inputs=inputs,
        request={**settings.model_dump(mode="json"), **request},
    )

    def read_block(first: int, stop: int) -> Block:
        values = rows.read(first, stop)
        numbers, notes = digital_numbers(np.moveaxis(values, -1, 1), scaling)
        notes |= note_true_color(values, scaling)
        return Block(numbers, notes=notes, nan_counts=count_nan(values))

    def check(notes: Mapping[str, float]) -> None:
        # Where zeros are values, those that were clipped cannot be told from what is at fault.
        if scaling.no_data == 0:
            check_conversion(notes, int(np.prod(plan.shape)), rows.name)

    dataset = write_plan(out, plan, read_block, check=check, overwrite=overwrite, progress=progress)
    _warn_of_changes(dataset, rows, scaling)
    return dataset


def with_periods(sites: gpd.GeoDataFrame, settings: ImportSettings) -> gpd.GeoDataFrame:
    """Bring each site's period under the names `start` and `end`."""
    renamed = {settings.start_column: "start", settings.end_column: "end"}
    named = [name for name in renamed if name not in ("start", "end")]
    missing = [name for name in named if name not in sites.columns]
    if missing:
        raise SitesError(
            f"the table of sites has no column {' or '.join(map(repr, missing))}; it has "
            f"{', '.join(map(str, sites.columns))}"
        )
    given_up = [renamed[name] for name in named if renamed[name] in sites.columns]
    columns = {name: renamed[name] for name in named}
    return sites.drop(columns=given_up).rename(columns=columns)


def read_table(sites: StrPath | gpd.GeoDataFrame, settings: ImportSettings) -> gpd.GeoDataFrame:
    """Read a table of sites as the settings say, or take the one that is given."""
    if isinstance(sites, gpd.GeoDataFrame):
        return sites
    return read_sites(sites, label=settings.label_column, site_id=settings.site_id_column)


def warn_unplaced(sites: gpd.GeoDataFrame, why: str) -> None:
    """Say how many patches have no coordinates, and why."""
    n_unplaced = int(sites.geometry.isna().sum())
    if n_unplaced:
        warnings.warn(
            f"{n_unplaced} of {len(sites)} patches are unplaced (no coordinates): {why}",
            UnplacedWarning,
            stacklevel=3,
        )


def numbered_sites(stem: str, n_sites: int) -> gpd.GeoDataFrame:
    """Make a table of unplaced, unlabelled sites: ``file-0001`` and so on."""
    width = max(4, len(str(n_sites)))
    index = pd.Index([f"{stem}-{row + 1:0{width}d}" for row in range(n_sites)], name="site_id")
    return gpd.GeoDataFrame(
        {
            "label": pd.array([pd.NA] * n_sites, dtype="Int8"),
            "source": pd.Series([stem] * n_sites, index=index, dtype="str"),
        },
        geometry=gpd.GeoSeries([None] * n_sites, index=index, crs=DEGREES),
        index=index,
        crs=DEGREES,
    )


def some(values: Sequence[object], most: int = 5) -> str:
    """Spell a list for a message, cutting a long one short."""
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(str(value) for value in values[:most]) + more


def _check_shape(rows: Rows, settings: ImportSettings) -> tuple[str, ...]:
    n, height, width, n_bands = rows.shape
    if settings.bands is None:
        raise BandError(
            f"{rows.name}: the order of the {n_bands} bands is not said; name it (bands=, "
            "--bands) by a preset or a list of names"
        )
    if n == 0:
        raise InputError(f"{rows.name} holds no patch")
    if n_bands != len(settings.bands):
        other = {"last": "first", "first": "last"}[settings.band_axis]
        raise BandError(
            f"{rows.name} has patches of {height} × {width} pixels and {n_bands} bands, and "
            f"{len(settings.bands)} bands were named ({', '.join(settings.bands)}); name as many, "
            f"or say that the bands come {other} (band_axis, --bands-{other})"
        )
    if height != width:
        raise InputError(f"{rows.name} has patches of {height} × {width} pixels; expected squares")
    return settings.bands


def _sample(rows: Rows) -> AnyArray:
    picked = np.unique(np.linspace(0, rows.shape[0] - 1, _SAMPLE_ROWS).astype(int))
    return np.concatenate([rows.read(int(row), int(row) + 1) for row in picked])


def _warn_of_changes(dataset: PatchDataset, rows: Rows, scaling: Scaling) -> None:
    notes = dict(dataset.header.conversion)
    if is_reversible(rows.dtype, scaling):
        notes.pop("rounded", None)
    told = describe_conversion(notes, int(np.prod(dataset.shape)))
    if told:
        warnings.warn(f"{rows.name}: {told}", RoundedWarning, stacklevel=4)
