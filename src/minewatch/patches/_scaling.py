"""From the numbers of a source to the digital numbers of a dataset, and back."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from minewatch.bands import MAX_DN, NO_DATA, SCALE_FACTOR
from minewatch.errors import InputError, OffsetWarning, SettingsError
from minewatch.patches._header import DatasetHeader, SourceValues
from minewatch.types import AnyArray, Settings

Values = Literal["source", "dn", "reflectance"]

_MAX_MEDIAN: Final = 1.5
_MIN_MAXIMUM: Final = 0.01
_MIN_VALID: Final = 1
_MAX_CLIPPED: Final = 0.02
_TRUE_COLOR: Final = "true-color-8"
_MAX_TRUE_COLOR: Final = 255.0
_ABOVE_TRUE_COLOR: Final = "max_above_true_color"
_ENOUGH_VALUES: Final = 10_000
_OFFSET_REFLECTANCE: Final = 0.1
_BLOCK_VALUES: Final = 1 << 22


class Scaling(Settings):
    """How the numbers of a source stand for reflectance: ``number × scale + offset``."""

    scale: float = Field(default=SCALE_FACTOR, gt=0)
    """Reflectance of one unit of the source."""
    offset: float = 0.0
    """Reflectance added after scaling; −0.1 undoes the +1000 of L2A baseline 04.00 and later."""
    no_data: float | None = 0.0
    """The source's number for "nothing is known"; None if every number is a value. NaN always is
    no data."""
    saturation_dn: int | None = Field(default=None, ge=1, le=MAX_DN)
    """The digital number at which the source was clipped; None if it was not."""

    @classmethod
    def named(cls, name: str) -> "Scaling":
        """Give a scaling by its name.

        ``dn``: digital numbers, reflectance × 10,000, as in ESA's products before baseline 04.00.
        ``dn-offset-1000``: digital numbers with the 1,000 that are added since. ``reflectance``:
        from 0 to 1. ``true-color-8``: 8 bits, where 255 is a digital number of 3,000 or more.

        Raises
        ------
        SettingsError
            If there is no scaling of that name.

        Examples
        --------
        >>> Scaling.named("dn-offset-1000").offset
        -0.1
        """
        if name not in SCALINGS:
            raise SettingsError(f"{name!r} is not a scaling; expected {', '.join(SCALINGS)}")
        return SCALINGS[name]

    @property
    def dn_per_unit(self) -> float:
        """Digital numbers per unit of the source, freed of the rounding of 1e-4 in binary."""
        return _whole_if_near(self.scale / SCALE_FACTOR)

    @property
    def dn_offset(self) -> float:
        """Digital numbers added after scaling."""
        return _whole_if_near(self.offset / SCALE_FACTOR)


SCALINGS: Final[Mapping[str, Scaling]] = {
    "dn": Scaling(),
    "dn-offset-1000": Scaling(offset=-0.1),
    "reflectance": Scaling(scale=1.0),
    "true-color-8": Scaling(scale=0.3 / 255.0, saturation_dn=3000),
}
"""Scalings that have a name; `Scaling.named` says what they are."""


def digital_numbers(
    values: AnyArray, scaling: Scaling
) -> tuple[npt.NDArray[np.uint16], dict[str, float]]:
    """Turn a source's numbers into digital numbers, and count what could not be kept.

    Parameters
    ----------
    values
        Numbers of the source, any shape, integers or floats.
    scaling
        What they stand for.

    Returns
    -------
    ndarray of uint16
        Digital numbers, same shape; 0 where the source is its no-data number, NaN or infinite.
        Every other value is at least 1, for 0 would make it unknown, and at most 65,535.
    dict of str to float
        Numbers of values: `no_data` (the source's no-data number), `not_a_number` (NaN or
        infinite), `below_one` (valid, but below a digital number of 1, stored as 1), `above_range`
        (stored as 65,535), `rounded` (changed by rounding); `max_rounding_dn`, the largest change
        by rounding. Zero counts are left out.
    """
    numbers = np.empty(values.shape, dtype=np.uint16)
    flat, out = values.reshape(-1), numbers.reshape(-1)
    notes = []
    for start in range(0, flat.size, _BLOCK_VALUES):
        part = slice(start, start + _BLOCK_VALUES)
        notes.append(_convert(flat[part], scaling, out[part]))
    return numbers, {key: value for key, value in add_notes(notes).items() if value}


def count_nan(values: AnyArray) -> npt.NDArray[np.int64] | None:
    """Count the numbers of each site (axis 0) that are NaN or infinite; None if none can be."""
    if values.dtype.kind != "f":
        return None
    axes = tuple(range(1, values.ndim))
    counts: npt.NDArray[np.int64] = np.sum(~np.isfinite(values), axis=axes, dtype=np.int64)
    return counts


def add_notes(notes: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Add up what conversions changed; of ``max_…`` the largest is kept."""
    total: dict[str, float] = {}
    for note in notes:
        for key, value in note.items():
            before = total.get(key, 0.0)
            total[key] = max(before, value) if key.startswith("max_") else before + value
    return total


def _convert(values: AnyArray, scaling: Scaling, out: npt.NDArray[np.uint16]) -> dict[str, float]:
    is_number = np.isfinite(values)
    known = is_number
    if scaling.no_data is not None:
        known = is_number & (values != scaling.no_data)
    with np.errstate(invalid="ignore", over="ignore"):
        exact = values.astype(np.float64) * scaling.dn_per_unit + scaling.dn_offset
        whole = np.rint(exact)
    low, high = known & (whole < _MIN_VALID), known & (whole > MAX_DN)
    kept = known & ~low & ~high
    change = np.abs(exact[kept] - whole[kept])
    changed = change > 1e-6  # smaller is the arithmetic's, not the source's
    whole[low], whole[high], whole[~known] = _MIN_VALID, MAX_DN, NO_DATA
    out[...] = whole
    return {
        "no_data": float(np.count_nonzero(is_number & ~known)),
        "not_a_number": float(np.count_nonzero(~is_number)),
        "below_one": float(np.count_nonzero(low)),
        "above_range": float(np.count_nonzero(high)),
        "rounded": float(np.count_nonzero(changed)),
        "max_rounding_dn": float(change.max()) if changed.any() else 0.0,
    }


def source_numbers(numbers: npt.NDArray[np.uint16], source: SourceValues) -> AnyArray:
    """Turn digital numbers back into the numbers of the source they were imported from.

    Where the source held integers with one digital number or more to the unit, and nothing was
    clipped on import, these are its very bytes. No data become the source's no-data number, or NaN
    where the source holds floats.
    """
    scaling = Scaling(scale=source.scale, offset=source.offset, no_data=source.no_data)
    dtype = np.dtype(source.dtype)
    values = (numbers.astype(np.float64) - scaling.dn_offset) / scaling.dn_per_unit
    if dtype.kind == "f":
        values[numbers == NO_DATA] = np.nan
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    whole = np.clip(np.rint(values), limits.min, limits.max)
    whole[numbers == NO_DATA] = 0 if source.no_data is None else source.no_data
    return whole.astype(dtype)


def exported_values(
    numbers: npt.NDArray[np.uint16], header: DatasetHeader, values: Values
) -> AnyArray:
    """Give pixels as an export wants them."""
    if values == "dn":
        return numbers
    if values == "reflectance":
        return source_numbers(numbers, SourceValues(dtype="float32", scale=1.0))
    return (
        numbers if header.source_values is None else source_numbers(numbers, header.source_values)
    )


def check_scaling(sample: AnyArray, scaling: Scaling, name: str) -> None:
    """Refuse a scaling that makes values no land surface has.

    Raises
    ------
    InputError
        If the values are not numbers; if the median reflectance is above 1.5, or the largest below
        0.01; if more than 2 % of the values, zeros aside, would be clipped; if 8-bit values are
        called digital numbers, or 8-bit true colour has values above 255. The message names
        scalings that would fit.
    """
    if sample.dtype.kind not in "iuf":
        raise InputError(f"{name} holds {sample.dtype}; expected integers or floats")
    fits = [key for key, candidate in SCALINGS.items() if _fault(sample, candidate) is None]
    fault = _fault(sample, scaling)
    if fault:
        advice = (
            f"the values would fit scaling {' or '.join(map(repr, fits))}"
            if fits
            else ("name the scale and offset that turn its values into reflectance")
        )
        raise InputError(
            f"{name}: with scale {scaling.scale:g} and offset {scaling.offset:g}, {fault}; {advice}"
        )


def check_conversion(notes: Mapping[str, float], n_values: int, name: str) -> None:
    """Refuse what a conversion of all values found and the sample did not.

    Raises
    ------
    InputError
        If more than 2 % of the known values were clipped, or 8-bit true colour has values above
        255.
    """
    if notes.get(_ABOVE_TRUE_COLOR):
        raise InputError(f"{name}: {_above_true_color(notes[_ABOVE_TRUE_COLOR])}")
    n_known = n_values - notes.get("no_data", 0.0) - notes.get("not_a_number", 0.0)
    fault = _clipped(notes.get("below_one", 0.0), notes.get("above_range", 0.0), n_known)
    if fault:
        raise InputError(f"{name}: {fault}")


def note_true_color(values: AnyArray, scaling: Scaling) -> dict[str, float]:
    """Note for `check_conversion` the largest value, if 8-bit true colour cannot hold it."""
    if not _is_true_color(scaling) or values.dtype.itemsize == 1:
        return {}
    largest = float(np.max(values, initial=0, where=np.isfinite(values)))
    return {_ABOVE_TRUE_COLOR: largest} if largest > _MAX_TRUE_COLOR else {}


def _is_true_color(scaling: Scaling) -> bool:
    named = SCALINGS[_TRUE_COLOR]
    return (scaling.scale, scaling.offset) == (named.scale, named.offset)


def _above_true_color(largest: float) -> str:
    return f"there are values up to {largest:,.6g}, but 8-bit true colour has none above 255"


def _clipped(n_low: float, n_high: float, n_known: float) -> str | None:
    """Say that far too much would be clipped, if it would."""
    if n_known <= 0 or n_low + n_high <= _MAX_CLIPPED * n_known:
        return None
    ends = [
        f"{share:.2g} % of the values would be clipped at {end}"
        for share, end in ((100 * n_low / n_known, 0.0001), (100 * n_high / n_known, 6.5535))
        if share
    ]
    return (
        f"{' and '.join(ends)} of reflectance; is the scale right? If it is, make such values no "
        "data first"
    )


def warn_of_offset(sample: AnyArray, scaling: Scaling, name: str) -> None:
    """Warn if nothing is darker than the offset that products carry since baseline 04.00.

    Some pixel of water, shadow or forest is darker than a reflectance of 0.1 in some band of almost
    any imagery of land. Where none is, 1,000 digital numbers were most likely never taken off.
    """
    known = sample[np.isfinite(sample)]
    if scaling.no_data is not None:
        known = known[known != scaling.no_data]
    if known.size < _ENOUGH_VALUES:
        return
    darkest = float(known.min()) * scaling.scale + scaling.offset
    if darkest >= _OFFSET_REFLECTANCE:
        warnings.warn(
            f"{name}: no value is darker than reflectance {darkest:.3f}, as if the offset of +1000 "
            "of processing baseline 04.00 were still in; if it is, import with scaling "
            "'dn-offset-1000', or every reflectance is 0.1 too high",
            OffsetWarning,
            stacklevel=4,
        )


def _fault(sample: AnyArray, scaling: Scaling) -> str | None:
    """Say what is wrong with the reflectance of a sample, if anything is."""
    known = sample[np.isfinite(sample)]
    if scaling.no_data is not None:
        known = known[known != scaling.no_data]
    if known.size == 0:
        return None
    if _is_true_color(scaling) and known.max() > _MAX_TRUE_COLOR:
        return _above_true_color(float(known.max()))
    reflectance = known.astype(np.float64) * scaling.scale + scaling.offset
    median, largest = float(np.median(reflectance)), float(reflectance.max())
    if median > _MAX_MEDIAN:
        return f"the median reflectance would be {median:.4g}"
    if largest < _MIN_MAXIMUM:
        return f"the largest reflectance would be {largest:.4g}"
    if median <= 0.0:
        return f"the median reflectance would be {median:.4g}"
    if sample.dtype.itemsize == 1 and scaling.dn_per_unit <= 1.0:
        return "8-bit values cannot be digital numbers of reflectance × 10,000"
    whole = np.rint(known * scaling.dn_per_unit + scaling.dn_offset)
    n_low = int(np.count_nonzero((whole < _MIN_VALID) & (known != 0)))
    return _clipped(n_low, int(np.count_nonzero(whole > MAX_DN)), known.size)


def describe_conversion(notes: Mapping[str, float], n_values: int) -> str | None:
    """Say in a sentence what an import changed; None if every number is kept as it was."""
    parts = []
    if notes.get("rounded"):
        parts.append(
            f"{notes['rounded']:,.0f} were rounded, by at most {notes['max_rounding_dn']:.2g} "
            f"digital numbers ({notes['max_rounding_dn'] * SCALE_FACTOR:.2g} of reflectance)"
        )
    if notes.get("below_one"):
        parts.append(
            f"{notes['below_one']:,.0f} were negative or too close to zero and are stored as 0.0001"
        )
    if notes.get("above_range"):
        parts.append(f"{notes['above_range']:,.0f} were above 6.5535 and are stored as that")
    return f"of {n_values:,} values, {'; '.join(parts)}" if parts else None


def is_reversible(dtype: np.dtype[Any], scaling: Scaling) -> bool:
    """Say whether rounding loses nothing: whole numbers with a DN or more to the unit."""
    is_shift = scaling.dn_per_unit == 1.0 and scaling.dn_offset.is_integer()
    return dtype.kind in "iu" and (scaling.dn_per_unit > 1.0 or is_shift)


def _whole_if_near(value: float) -> float:
    whole = round(value)
    return float(whole) if abs(value - whole) < 1e-9 * max(1.0, abs(value)) else value
