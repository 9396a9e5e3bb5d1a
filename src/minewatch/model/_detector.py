"""What every detector promises, and how pixels are handed to one."""

from collections.abc import Iterable, Sequence
from typing import Protocol, Self, runtime_checkable

import numpy as np
import pandas as pd
import xarray as xr

from minewatch.bands import check_level
from minewatch.context import Context
from minewatch.errors import BandError, InputError, LevelError
from minewatch.model._card import Card
from minewatch.model._channels import missing_words
from minewatch.model._stacked import stack_patches
from minewatch.patches import PatchDataset
from minewatch.types import AnyArray, FloatArray

PIXEL_DIMS = ("site", "band", "y", "x")


@runtime_checkable
class Detector(Protocol):
    """Whatever turns patches into probabilities of mining, with scikit-learn's promises.

    Pixels are a DataArray ``(site, band, y, x)`` of float32 reflectance, NaN where nothing is
    known, with coordinates `site` (site_id) and `band` (ESA's names) and attributes `level` and
    `resolution_m`, as `read_pixels` gives them. Labels and context are joined by site_id.
    """

    def fit(
        self, pixels: xr.DataArray, labels: pd.Series, context: pd.DataFrame | None = None
    ) -> Self:
        """Learn from labelled patches: 1 mining, 0 no mining, index site_id."""
        ...

    def predict_proba(
        self, pixels: xr.DataArray, context: pd.DataFrame | None = None
    ) -> FloatArray:
        """Give P(no mining) and P(mining) for each site, in the order of the pixels.

        Dims (site, 2); both are NaN where no score can be given.
        """
        ...


@runtime_checkable
class Exportable(Protocol):
    """A detector that can be saved: it gives its card and itself as an ONNX model."""

    def to_onnx(self) -> tuple[Card, bytes]:
        """Give the card, and the bytes of ``model.onnx`` whose digest stands in it."""
        ...


def read_pixels(
    dataset: PatchDataset,
    site_ids: Iterable[str] | None = None,
    *,
    bands: str | Sequence[str] | None = None,
    before: PatchDataset | None = None,
    channels: Context | xr.Dataset | None = None,
) -> xr.DataArray:
    """Read patches as detectors take them.

    Parameters
    ----------
    dataset
        The patches.
    site_ids
        The sites wanted, in the order wanted; None for all.
    bands
        The bands wanted, in the order wanted; None for all. With an earlier date or channels, their
        names too: ``B04@before``, ``osm:highway``.
    before
        The same places at an earlier date, joined by site_id; see `stack_patches`.
    channels
        Context with its channels, or what `draw_channels` gives: where something is mapped. To take
        distances too, or some layers alone, read what `stack_patches` gives.

    Returns
    -------
    DataArray of float32
        Reflectance, dims (site, band, y, x), NaN where nothing is known; attributes `level` and
        `resolution_m`.

    Raises
    ------
    BandError, InputError, LevelError
        If a band, a site or a channel is not there, or the dates do not fit each other.

    Examples
    --------
    >>> import tempfile
    >>> from minewatch import patches, toy
    >>> valley = toy.Valley(seed=1, width_m=12_000, height_m=9_000)
    >>> sites = valley.sites(2, 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dataset = patches.write_patches(
    ...         f"{folder}/d", sites, valley.pixels(sites), bands="l2a-12", level="L2A"
    ...     )
    ...     pixels = read_pixels(dataset, bands="rgb")
    >>> pixels.shape, pixels.attrs["level"], pixels.attrs["resolution_m"]
    ((5, 3, 48, 48), 'L2A', 10.0)
    """
    if before is not None or channels is not None:
        dataset = stack_patches(dataset, before=before, context=channels)
    pixels = dataset.pixels(site_ids, bands=bands)
    pixels.attrs["resolution_m"] = dataset.header.resolution_m
    return pixels


def check_pixels(pixels: xr.DataArray) -> None:
    """Check that pixels are what a detector may be given.

    Raises
    ------
    InputError
        If dims, coordinates or numbers are not those of patches, or the resolution is not said.
    LevelError
        If the level is not said.
    """
    if tuple(pixels.dims) != PIXEL_DIMS:
        raise InputError(
            f"pixels have the dims {tuple(pixels.dims)}; expected {PIXEL_DIMS}, as read_pixels "
            "gives them"
        )
    missing = [name for name in ("site", "band") if name not in pixels.coords]
    if missing:
        raise InputError(
            f"pixels have no coordinate {' and no '.join(missing)}; rows are told apart by site_id "
            "and bands by name"
        )
    if pixels.dtype.kind != "f":
        raise InputError(
            f"pixels are {pixels.dtype}; expected reflectance as float32, NaN where nothing is "
            "known (PatchDataset.pixels, not digital_numbers)"
        )
    check_level(pixels.attrs.get("level"))
    if "resolution_m" not in pixels.attrs:
        raise InputError(
            "pixels do not say their resolution; set pixels.attrs['resolution_m'], or read them "
            "with read_pixels"
        )


def check_fit(pixels: xr.DataArray, card: Card, *, centre_crop: bool) -> None:
    """Check that a detector may be used on these pixels.

    Raises
    ------
    LevelError, BandError, InputError
        If the level is another, a band is missing, or resolution or size are others.
    """
    level = check_level(pixels.attrs.get("level"))
    if level != card.level:
        raise LevelError(
            f"detector {card.name} takes {card.level} and the patches are {level}: its scores "
            f"would mean nothing; give it patches of level {card.level}"
        )
    names = [str(name) for name in pixels["band"].to_numpy()]
    missing = [name for name in card.bands if name not in names]
    if missing:
        raise BandError(
            f"detector {card.name} takes {', '.join(card.bands)}, and the patches lack "
            f"{', '.join(missing)} (they have {', '.join(names)}); {missing_words(missing)}"
        )
    resolution_m = float(pixels.attrs["resolution_m"])
    if not np.isclose(resolution_m, card.resolution_m, rtol=1e-6):
        raise InputError(
            f"detector {card.name} takes pixels of {card.resolution_m:g} m and the patches have "
            f"{resolution_m:g} m; build patches of {card.resolution_m:g} m"
        )
    _check_size(pixels.shape[2], pixels.shape[3], card, centre_crop=centre_crop)


def _check_size(height_px: int, width_px: int, card: Card, *, centre_crop: bool) -> None:
    size = card.size_px
    if (height_px, width_px) == (size, size):
        return
    words = (
        f"detector {card.name} takes patches of {size} × {size} px and these have "
        f"{height_px} × {width_px}"
    )
    if min(height_px, width_px) < size:
        raise InputError(f"{words}: they are too small; build patches of {size} px or more")
    if not centre_crop:
        raise InputError(
            f"{words}; say that it shall look at their middle alone (centre_crop=True, "
            f"--centre-crop), or build patches of {size} px"
        )


def centre(values: AnyArray, size_px: int) -> AnyArray:
    """Give the middle of patches; where it cannot be exact, half a pixel to the upper left.

    Examples
    --------
    >>> centre(np.arange(16).reshape(1, 1, 4, 4), 2)[0, 0].tolist()
    [[5, 6], [9, 10]]
    """
    top, left = ((side - size_px) // 2 for side in values.shape[-2:])
    return values[..., top : top + size_px, left : left + size_px]
