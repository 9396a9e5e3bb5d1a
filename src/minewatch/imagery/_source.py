"""The protocol of sources of imagery, and the schema of what they give."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch._progress import Progress, silent
from minewatch.bands import MAX_DN, SCALE_FACTOR
from minewatch.errors import InputError
from minewatch.imagery._items import Scene
from minewatch.imagery._query import SceneQuery
from minewatch.types import Failure, Level

COMPOSITE_ATTRS: Final = ("level", "source", "scenes", "mask", "method", "versions")
"""What the attributes of every composite say."""
SCENE_KEYS: Final = ("id", "date", "baseline", "offset_dn")
"""What every scene in a composite's attribute ``scenes`` says."""


class ImagerySource(Protocol):
    """Whatever gives a cloud-free composite of a place.

    The result of `load` is an `xarray.Dataset` that `check_composite` accepts:

    - ``reflectance`` (band, y, x): float32, NaN = no data. Every value is a whole digital number
      × 1e-4, at least 1e-4, so that storing it as uint16 loses nothing. Bands as in the query.
    - ``clear_count`` (y, x): uint16, clear views behind each pixel; 0 where nothing is known.
    - ``attrs``: ``level``; ``source``; ``scenes``, a list of dictionaries with at least ``id``,
      ``date``, ``baseline`` and ``offset_dn``, and ``maker`` where others than Copernicus made
      them; ``mask``; ``method``; ``versions``.

    A place that no scene covers is not an error: its reflectance is NaN, its counts are 0.
    """

    @property
    def level(self) -> Level:
        """Processing level of everything that the source gives."""
        ...

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        """Load the composite of a place.

        Raises
        ------
        ImageryError
            If the source does not answer after bounded retries.
        """
        ...


class BatchSource(ImagerySource, Protocol):
    """A source that loads many places together, opening every file once for all of them."""

    def load_many(
        self,
        geoboxes: Mapping[str, GeoBox],
        query: SceneQuery,
        *,
        progress: Progress = silent,
    ) -> Iterator[tuple[str, xr.Dataset | Failure]]:
        """Load the composites of many places, in any order, each equal to that of `load`.

        A place that fails comes as a `Failure`, never as an exception.
        """
        ...


@dataclass(frozen=True)
class SearchResult:
    """The scenes that a catalogue lists for a place, before any of them is chosen."""

    scenes: tuple[Scene, ...]
    """Scenes that were understood."""
    unusable: tuple[Failure, ...] = ()
    """Items that were not: key = the item's id, reason = what it lacks."""


@runtime_checkable
class SceneCatalogue(ImagerySource, Protocol):
    """A source that can also list its scenes."""

    def search(self, geobox: GeoBox, query: SceneQuery) -> SearchResult:
        """List the scenes of the period whose footprint may touch a place; nothing is chosen."""
        ...


def check_composite(dataset: xr.Dataset, *, bands: Sequence[str] | None = None) -> xr.Dataset:
    """Give a composite back if it keeps the schema of `ImagerySource`.

    Parameters
    ----------
    dataset
        What a source gave.
    bands
        The bands that were asked for, ESA's names in order; None to accept any.

    Raises
    ------
    InputError
        If it does not; the message names every fault.
    """
    faults = [*_variable_faults(dataset), *_attribute_faults(dataset)]
    if not faults:
        faults = [*_value_faults(dataset), *_band_faults(dataset, bands)]
    if faults:
        raise InputError("not a composite as sources give them: " + "; ".join(faults))
    return dataset


def _variable_faults(dataset: xr.Dataset) -> Iterator[str]:
    expected = {
        "reflectance": (("band", "y", "x"), np.dtype(np.float32)),
        "clear_count": (("y", "x"), np.dtype(np.uint16)),
    }
    for name, (dims, dtype) in expected.items():
        if name not in dataset:
            yield f"no variable {name}"
        elif dataset[name].dims != dims or dataset[name].dtype != dtype:
            found = dataset[name]
            yield f"{name} is {found.dtype} {found.dims}, expected {dtype} {dims}"
    if "reflectance" in dataset and "band" not in dataset["reflectance"].coords:
        yield "reflectance has no coordinate band"


def _attribute_faults(dataset: xr.Dataset) -> Iterator[str]:
    missing = [name for name in COMPOSITE_ATTRS if name not in dataset.attrs]
    if missing:
        yield f"attributes {', '.join(missing)} missing"
    if dataset.attrs.get("level", "L1C") not in ("L1C", "L2A"):
        yield f"level is {dataset.attrs['level']!r}, expected L1C or L2A"
    scenes = dataset.attrs.get("scenes", ())
    if not all(isinstance(scene, Mapping) and set(SCENE_KEYS) <= set(scene) for scene in scenes):
        yield f"attribute scenes must list dictionaries with {', '.join(SCENE_KEYS)}"


def _value_faults(dataset: xr.Dataset) -> Iterator[str]:
    values = dataset["reflectance"].to_numpy()
    known = values[np.isfinite(values)].astype(np.float64)
    if np.isinf(values).any():
        yield "reflectance holds infinite values"
    if known.size == 0:
        return
    numbers = known / SCALE_FACTOR
    if numbers.min() < 0.5 or numbers.max() > MAX_DN + 0.5:
        yield f"reflectance from {known.min():g} to {known.max():g} does not fit digital numbers"
    elif np.abs(numbers - np.round(numbers)).max() > 0.01:
        yield "reflectance is not made of whole digital numbers × 1e-4"
    empty = dataset["clear_count"].to_numpy() == 0
    if np.isfinite(values[:, empty]).any():
        yield "reflectance is known where clear_count is 0"


def _band_faults(dataset: xr.Dataset, bands: Sequence[str] | None) -> Iterator[str]:
    found = tuple(str(name) for name in dataset["band"].to_numpy())
    if bands is not None and found != tuple(bands):
        yield f"bands are {', '.join(found)}, expected {', '.join(bands)}"
