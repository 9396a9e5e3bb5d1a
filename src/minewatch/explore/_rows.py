"""What is kept of a few patches: moments, quantiles, index medians, what is wrong with them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from minewatch.bands import BANDS, NO_DATA, SCALE_FACTOR, reflectance_from_dn, spectral_indices

SMALL_PX: Final = 8
"""Blocks along each side of the reduced patches in which near-duplicates are looked for."""

_Floats = npt.NDArray[np.float64]
_Numbers = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class LimitsDN:
    """Digital numbers that bound what is plausible."""

    darkest: int
    """Known pixels at or below it are too dark."""
    brightest: int
    """Pixels above it are too bright."""
    saturated: int
    """Pixels at or above it are saturated."""


@dataclass(frozen=True, eq=False)
class RowSummary:
    """Summaries of some patches; every array's first axis is the patch."""

    mean: _Floats
    std: _Floats
    p10: _Floats
    p90: _Floats
    """Reflectance ``(site, band)``; NaN if nothing is known."""
    indices: _Floats
    """``(site, index)``; NaN if nothing is known."""
    small: npt.NDArray[np.float32]
    """Reflectance ``(site, band, 8, 8)``; NaN if nothing is known."""
    zero: npt.NDArray[np.bool_]
    constant: npt.NDArray[np.bool_]
    """``(site, band)``: zero throughout; one value throughout that is not zero."""
    pixels: npt.NDArray[np.int64]
    """``(site, 6)``: pixels in all, and those counted by `PIXEL_COUNTS`."""
    digest: npt.NDArray[np.object_]
    """``(site,)``: hexadecimal BLAKE2b of the DN, bands in order of wavelength."""

    @classmethod
    def empty(cls, n_sites: int, n_bands: int, n_indices: int) -> "RowSummary":
        """Make room for `n_sites` patches."""
        by_band = (n_sites, n_bands)
        return cls(
            mean=np.full(by_band, np.nan),
            std=np.full(by_band, np.nan),
            p10=np.full(by_band, np.nan),
            p90=np.full(by_band, np.nan),
            indices=np.full((n_sites, n_indices), np.nan),
            small=np.full((*by_band, SMALL_PX, SMALL_PX), np.nan, dtype=np.float32),
            zero=np.zeros(by_band, dtype=np.bool_),
            constant=np.zeros(by_band, dtype=np.bool_),
            pixels=np.zeros((n_sites, len(PIXEL_COUNTS)), dtype=np.int64),
            digest=np.full(n_sites, "", dtype=object),
        )

    def put(self, rows: npt.NDArray[np.intp], part: "RowSummary") -> None:
        """Copy the summaries of some patches into their rows."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(part, field.name)

    def quality(self, bands: Sequence[str], index: pd.Index) -> pd.DataFrame:
        """Tabulate what is wrong with each patch."""
        counts = dict(zip(PIXEL_COUNTS, self.pixels.T, strict=True))
        n_px = np.maximum(counts["n_px"], 1)
        return pd.DataFrame(
            {
                "n_px": counts["n_px"],
                "n_no_data_px": counts["no_data"],
                "n_any_zero_px": counts["any_zero"],
                "zero_bands": _names_where(self.zero, bands),
                "constant_bands": _names_where(self.constant, bands),
                "saturated_share": counts["saturated"] / n_px,
                "too_dark_share": counts["too_dark"] / n_px,
                "too_bright_share": counts["too_bright"] / n_px,
                "digest": pd.Series(self.digest, index=index, dtype="str"),
            },
            index=index,
        )


PIXEL_COUNTS: Final = ("n_px", "no_data", "any_zero", "saturated", "too_dark", "too_bright")
"""What is counted of each patch's pixels, over all bands."""


def summarise_rows(numbers: _Numbers, bands: Sequence[str], limits: LimitsDN) -> RowSummary:
    """Summarise some patches of digital numbers ``(site, band, y, x)``."""
    flat = numbers.reshape(*numbers.shape[:2], -1)
    ordered = np.sort(flat, axis=2)
    zeros = np.count_nonzero(flat == NO_DATA, axis=2)
    known = flat.shape[2] - zeros
    darkest, brightest = ordered[..., 0], ordered[..., -1]
    constant = (darkest == brightest) & (brightest != NO_DATA)
    mean, std = _moments(flat, known)
    std[constant] = 0.0
    return RowSummary(
        mean=mean,
        std=std,
        p10=_quantile(ordered, zeros, 0.1),
        p90=_quantile(ordered, zeros, 0.9),
        indices=_index_medians(numbers, bands),
        small=_reduce(numbers),
        zero=known == 0,
        constant=constant,
        pixels=_pixel_counts(flat, limits),
        digest=_digests(numbers, bands),
    )


def by_wavelength(bands: Sequence[str]) -> list[str]:
    """Put band names in the order of their wavelengths, whatever their order was."""
    order = [band.name for band in BANDS]
    return sorted(bands, key=order.index)


def _moments(flat: _Numbers, known: npt.NDArray[np.int64]) -> tuple[_Floats, _Floats]:
    """Give mean and standard deviation of known pixels; sums are of integers, hence exact."""
    wide = flat.astype(np.uint32)
    total = wide.sum(axis=2, dtype=np.uint64).astype(np.float64)
    wide *= wide
    squares = wide.sum(axis=2, dtype=np.uint64).astype(np.float64)
    n = np.where(known > 0, known, np.nan)
    mean = total / n
    variance = np.maximum(squares / n - mean**2, 0.0)
    return mean * SCALE_FACTOR, np.sqrt(variance) * SCALE_FACTOR


def _quantile(ordered: _Numbers, zeros: npt.NDArray[np.int64], share: float) -> _Floats:
    """Give the smallest known value that a share of the known pixels does not exceed."""
    known = ordered.shape[2] - zeros
    place = zeros + np.maximum(np.ceil(share * known).astype(np.int64), 1) - 1
    place = np.minimum(place, ordered.shape[2] - 1)
    found = np.take_along_axis(ordered, place[..., None], axis=2)[..., 0]
    return np.where(known > 0, found * SCALE_FACTOR, np.nan)


def _index_medians(numbers: _Numbers, bands: Sequence[str]) -> _Floats:
    indices = spectral_indices(reflectance_from_dn(numbers), bands, band_axis=1)
    if not indices:
        return np.empty((len(numbers), 0))
    return np.stack([_medians(values) for values in indices.values()], axis=1)


def _medians(values: npt.NDArray[np.floating]) -> _Floats:
    """Give each patch's median of the values that are not NaN; sorting puts NaN last."""
    ordered = np.sort(values.reshape(len(values), -1), axis=1)
    known = ordered.shape[1] - np.count_nonzero(np.isnan(ordered), axis=1)
    rows = np.arange(len(ordered))
    upper = ordered[rows, np.minimum(known // 2, ordered.shape[1] - 1)]
    lower = ordered[rows, np.maximum(known - 1, 0) // 2]
    middle = (lower.astype(np.float64) + upper.astype(np.float64)) / 2.0
    return np.where(known > 0, middle, np.nan)


def _reduce(numbers: _Numbers) -> npt.NDArray[np.float32]:
    """Average known pixels over 8 × 8 blocks of each patch, in reflectance."""
    n_known = _block_sums(numbers != NO_DATA).astype(np.float64)
    total = _block_sums(numbers).astype(np.float64)
    mean = np.full(total.shape, np.nan)
    np.divide(total, n_known, out=mean, where=n_known > 0)
    return (mean * SCALE_FACTOR).astype(np.float32)


def _block_sums(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint64]:
    height, width = values.shape[2:]
    tops = np.arange(SMALL_PX) * height // SMALL_PX
    lefts = np.arange(SMALL_PX) * width // SMALL_PX
    rows = np.add.reduceat(values, tops, axis=2, dtype=np.uint32)
    return np.add.reduceat(rows, lefts, axis=3, dtype=np.uint64)


def _pixel_counts(flat: _Numbers, limits: LimitsDN) -> npt.NDArray[np.int64]:
    lowest, highest = flat.min(axis=1), flat.max(axis=1)
    # Unsigned numbers wrap: 0 (no data) becomes the largest, so that the minimum is of known ones.
    lowest_known = (flat - np.uint16(1)).min(axis=1)
    masks = {
        "n_px": np.ones_like(lowest, dtype=np.bool_),
        "no_data": highest == NO_DATA,
        "any_zero": lowest == NO_DATA,
        "saturated": highest >= limits.saturated,
        "too_dark": (lowest_known < limits.darkest) & (highest != NO_DATA),
        "too_bright": highest > limits.brightest,
    }
    return np.stack([np.count_nonzero(masks[name], axis=1) for name in PIXEL_COUNTS], axis=1)


def _digests(numbers: _Numbers, bands: Sequence[str]) -> npt.NDArray[np.object_]:
    order = [list(bands).index(name) for name in by_wavelength(bands)]
    digests = np.empty(len(numbers), dtype=object)
    for i, patch in enumerate(numbers):
        ordered = np.ascontiguousarray(patch[order])
        digests[i] = hashlib.blake2b(ordered.data, digest_size=16).hexdigest()
    return digests


def _names_where(flags: npt.NDArray[np.bool_], bands: Sequence[str]) -> list[str]:
    order = by_wavelength(bands)
    columns = [list(bands).index(name) for name in order]
    return [
        ",".join(name for name, flag in zip(order, row, strict=True) if flag)
        for row in flags[:, columns]
    ]
