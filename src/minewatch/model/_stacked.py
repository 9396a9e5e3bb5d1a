"""Patches with more than bands: those of an earlier date, and channels of context."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import xarray as xr

from minewatch import _store
from minewatch.context import Context, open_context, stack_channels
from minewatch.errors import BandError, InputError, LevelError, NotThereError
from minewatch.model._channels import (
    BEFORE,
    CONTEXT_PREFIX,
    DISTANCE_SUFFIX,
    bands_of,
    channel_names,
    missing_words,
    parse_channel,
)
from minewatch.patches import PatchDataset
from minewatch.types import AnyArray, StrPath

Measure = Literal["presence", "distance"]
"""Where something is mapped (0 or 1), or how far away it is."""
FAR_M: Final = 10_000.0
"""Distances are told up to here, metres: as far as `draw_channels` looks."""
_NEAR_M: Final = 100.0
_TARGET: Final = "target"
_DRAWN: Final[dict[Measure, str]] = {"presence": "presence", "distance": "distance_m"}


@dataclass(frozen=True, eq=False)
class StackedPatches(PatchDataset):
    """A patch dataset with more planes of numbers than bands; made by `stack_patches`.

    It is read like the dataset below it. `pixels` gives all channels by name; what is stored
    (`bands`, `digital_numbers`, `blocks`) is that of the dataset itself.
    """

    before: PatchDataset | None = field(default=None, repr=False)
    """The same places at an earlier date; None for none."""
    drawn: xr.Dataset | None = field(default=None, repr=False)
    """What `draw_channels` gives; None for none."""
    of_context: tuple[str, ...] = ()
    """The names of the channels of context."""

    def __reduce__(self) -> tuple[Any, ...]:
        base = PatchDataset.open(self.path)
        return (_restack, (base, self.before, self.drawn, self.of_context, self.header.digest))

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of all channels: bands, bands of the earlier date, channels of context."""
        earlier = () if self.before is None else self.before.bands
        return (*self.bands, *(f"{band}@{BEFORE}" for band in earlier), *self.of_context)

    def pixels(
        self, site_ids: Iterable[str] | None = None, *, bands: str | Sequence[str] | None = None
    ) -> xr.DataArray:
        """Read channels by name, as `PatchDataset.pixels` reads bands.

        Reflectance where they are bands, NaN where nothing is known. Presence is 0 or 1. A channel
        of distance is 0 on what is mapped and 1 where nothing is within 10 km, or it is not known;
        in between it grows with the logarithm of the distance: ln(1 + d / 100 m) / ln(101).

        Raises
        ------
        InputError
            If a site is not there.
        BandError
            If a channel is unknown or not there.
        """
        wanted = self.channels if bands is None else channel_names(bands)
        missing = [name for name in wanted if name not in self.channels]
        if missing:
            raise BandError(
                f"{', '.join(missing)} not among the channels of {self.path} "
                f"({', '.join(self.channels)}); {missing_words(missing)}"
            )
        keys = list(self.sites.index if site_ids is None else site_ids)
        stacked = super().pixels(keys, bands=bands_of(wanted))
        attributes = stacked.attrs
        earlier = bands_of(wanted, "before")
        if self.before is not None and earlier:
            old = self.before.pixels(keys, bands=earlier)
            named = old.assign_coords(band=[f"{band}@{BEFORE}" for band in earlier])
            stacked = xr.concat([stacked, named], dim="band", combine_attrs="drop")
        for measure in ("presence", "distance"):
            stacked = self._stack_context(stacked, wanted, measure)
        found = stacked.sel(band=list(wanted))
        found.attrs = attributes
        return found

    def _stack_context(
        self, pixels: xr.DataArray, wanted: Sequence[str], measure: Measure
    ) -> xr.DataArray:
        chosen = [one for one in map(parse_channel, wanted) if one.kind == measure]
        if self.drawn is None or not chosen:
            return pixels
        layers = self.drawn[_DRAWN[measure]].sel(layer=[one.part for one in chosen])
        layers = layers.sel(site=[str(site) for site in pixels["site"].to_numpy()]).load()
        if measure == "distance":
            layers = layers.copy(data=nearness(layers.to_numpy()))
        return stack_channels(pixels, layers.assign_coords(layer=[one.name for one in chosen]))


def stack_patches(
    dataset: PatchDataset,
    *,
    before: PatchDataset | None = None,
    context: Context | xr.Dataset | None = None,
    layers: Sequence[str] | None = None,
    measures: Sequence[Measure] = ("presence",),
) -> StackedPatches:
    """Put an earlier date and channels of context beside the bands of patches, joined by site_id.

    What comes is read by every function that takes a patch dataset, so that detectors are trained,
    evaluated and explained on it as on bands alone; a detector's card names what it took.

    Parameters
    ----------
    dataset
        The patches; their sites, labels and period are those of the result.
    before
        The same places on the same pixels at an earlier date; its bands become ``B04@before``.
    context
        The context of the patches with its channels, or what `draw_channels` gives; its layers
        become ``osm:highway`` and ``osm:highway_distance``. What names the target is left out.
    layers
        Layers to take, in order; None for all.
    measures
        What to take of each layer: ``presence``, ``distance`` or both.

    Raises
    ------
    InputError
        If sites are missing from the earlier date or the channels, lie on other pixels, or the
        earlier date is not the earlier one; if there is no such layer.
    LevelError
        If the two dates are of different levels.
    NotThereError
        If the context has no channels.

    Examples
    --------
    >>> import tempfile
    >>> from minewatch import context, patches, toy
    >>> valley = toy.Valley(seed=1, width_m=12_000, height_m=9_000)
    >>> sites = valley.sites(2, 3)
    >>> drawn = xr.Dataset(
    ...     {"presence": (("site", "layer", "y", "x"), np.zeros((5, 1, 48, 48), "u1"))},
    ...     coords={"site": list(sites.index), "layer": ["highway"]},
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dataset = patches.write_patches(
    ...         f"{folder}/d", sites, valley.pixels(sites, bands="rgb"), bands="rgb", level="L2A"
    ...     )
    ...     stacked = stack_patches(dataset, context=drawn)
    ...     pixels = stacked.pixels()
    >>> stacked.channels, pixels.shape
    (('B04', 'B03', 'B02', 'osm:highway'), (5, 4, 48, 48))
    """
    if before is not None:
        _check_before(dataset, before)
    drawn = _drawn(context, measures)
    names: tuple[str, ...] = ()
    if drawn is not None:
        chosen = _choose_layers(drawn, layers)
        names = tuple(_names(drawn, chosen, measures))
        _check_drawn(dataset, drawn)
    digest = _store.digest_value(
        {
            "dataset": dataset.header.digest,
            "before": None if before is None else before.header.digest,
            "channels": list(names),
            "context": None if drawn is None else _digest(context, drawn, dataset),
        }
    )
    return _restack(dataset, before, drawn, names, digest)


def open_stacked(
    dataset: StrPath,
    *,
    before: StrPath | None = None,
    channels: StrPath | None = None,
    drawn: Literal["presence", "distance", "both", "all"] = "presence",
) -> PatchDataset:
    """Open patches, and put beside their bands what lies in other folders.

    Parameters
    ----------
    dataset
        The patches' folder.
    before
        The folder of the same places at an earlier date; None for none.
    channels
        A folder of context with channels; None for none.
    drawn
        What is taken of each layer; ``all`` is whatever was drawn and can be taken, for a detector
        knows what it wants.

    Raises
    ------
    NotThereError, InputError, LevelError
        As `stack_patches`, and if a folder is not there.
    """
    patches = PatchDataset.open(dataset)
    if before is None and channels is None:
        return patches
    context = None if channels is None else open_context(channels)
    measures: tuple[Measure, ...] = ("presence", "distance") if drawn == "both" else ()
    if drawn in ("presence", "distance"):
        measures = (drawn,)
    if drawn == "all" and context is not None and context.channels is not None:
        far = _looks_far(context) and _DRAWN["distance"] in context.channels
        measures = ("presence", "distance") if far else ("presence",)
    earlier = None if before is None else PatchDataset.open(before)
    return stack_patches(patches, before=earlier, context=context, measures=measures)


def _restack(
    dataset: PatchDataset,
    before: PatchDataset | None,
    drawn: xr.Dataset | None,
    names: tuple[str, ...],
    digest: str,
) -> StackedPatches:
    own: dict[str, Any] = {one.name: getattr(dataset, one.name) for one in fields(PatchDataset)}
    own["header"] = dataset.header.model_copy(update={"digest": digest})
    return StackedPatches(**own, before=before, drawn=drawn, of_context=names)


def channels_of(dataset: PatchDataset) -> tuple[str, ...]:
    """Name all channels of patches: bands, and what is stacked upon them."""
    return dataset.channels if isinstance(dataset, StackedPatches) else dataset.bands


def nearness(distance_m: AnyArray) -> AnyArray:
    """Bring distances to a scale from 0 (here) to 1 (10 km or more, or not known), float32.

    Examples
    --------
    >>> nearness(np.array([0.0, 100.0, 10_000.0, np.nan])).round(2).tolist()
    [0.0, 0.15000000596046448, 1.0, 1.0]
    """
    far = np.where(np.isfinite(distance_m), np.minimum(distance_m, FAR_M), FAR_M)
    scaled: AnyArray = (np.log1p(far / _NEAR_M) / np.log1p(FAR_M / _NEAR_M)).astype(np.float32)
    return scaled


def _check_before(dataset: PatchDataset, before: PatchDataset) -> None:
    if before.level != dataset.level:
        raise LevelError(
            f"{before.path} is {before.level} and {dataset.path} is {dataset.level}; expected one "
            "level for both dates"
        )
    for name, unit in (("size_px", "px"), ("resolution_m", "m")):
        sizes = getattr(before.header, name), getattr(dataset.header, name)
        if sizes[0] != sizes[1]:
            raise InputError(
                f"{name} is {sizes[0]:g} {unit} in {before.path} and {sizes[1]:g} {unit} in "
                f"{dataset.path}; expected the same pixels at both dates"
            )
    _refuse_sites(
        dataset.sites.index.difference(before.sites.index),
        f"are not in {before.path}; build the earlier date of every site",
    )
    old, new = before.sites.loc[dataset.sites.index], dataset.sites
    elsewhere = [
        site
        for site in new.index[(old["transform"] != new["transform"]) | (old["crs"] != new["crs"])]
        if _is_placed(old, site) and _is_placed(new, site)
        if before.geobox(site) != dataset.geobox(site)
    ]
    _refuse_sites(
        elsewhere,
        f"lie on other pixels in {before.path} than in {dataset.path}; build both on one grid",
    )
    late = (old["start"] >= new["start"]) | (old["end"] >= new["end"])
    _refuse_sites(
        new.index[late.to_numpy(dtype=np.bool_, na_value=False)],
        f"are not earlier in {before.path} than in {dataset.path}; exchange the two dates",
    )


def _is_placed(sites: pd.DataFrame, site: str) -> bool:
    return bool(sites.loc[site, "origin"] != "unplaced")


def _refuse_sites(sites: Sequence[str] | pd.Index, fault: str) -> None:
    if len(sites):
        named = ", ".join(map(str, sites[:5]))
        raise InputError(f"{len(sites)} sites {fault} ({named}{' …' if len(sites) > 5 else ''})")


def _drawn(context: Context | xr.Dataset | None, measures: Sequence[Measure]) -> xr.Dataset | None:
    if not isinstance(context, Context):
        return context
    if context.channels is None:
        raise NotThereError(
            f"{context.path} has no channels; measure the context with them (with_channels=True)"
        )
    if "distance" in measures and not _looks_far(context):
        reach = context.info["settings"]["max_distance_m"]
        raise InputError(
            f"the channels of {context.path} look {reach:g} m far, and detectors take distances up "
            f"to {FAR_M:g} m; measure the context again (max_distance_m={FAR_M:g}), or take the "
            "presence alone"
        )
    return context.channels


def _looks_far(context: Context) -> bool:
    return context.info["settings"]["max_distance_m"] in (None, FAR_M)


def _choose_layers(drawn: xr.Dataset, layers: Sequence[str] | None) -> list[str]:
    there = [str(name) for name in drawn["layer"].to_numpy()]
    if layers is None:
        return [name for name in there if name != _TARGET]
    missing = [name for name in layers if name not in there]
    if missing:
        raise InputError(f"no layer {', '.join(missing)} is drawn; there are {', '.join(there)}")
    return list(layers)


def _names(drawn: xr.Dataset, layers: Sequence[str], measures: Sequence[Measure]) -> list[str]:
    names = []
    for measure in measures:
        if _DRAWN.get(measure) not in drawn:
            raise InputError(
                f"{measure!r} is not drawn; expected some of "
                f"{', '.join(key for key, name in _DRAWN.items() if name in drawn)}"
            )
        ending = DISTANCE_SUFFIX if measure == "distance" else ""
        for layer in layers:
            if layer.endswith(DISTANCE_SUFFIX):
                raise InputError(
                    f"layer {layer!r} ends in {DISTANCE_SUFFIX}, which names a channel of "
                    "distances; call it otherwise"
                )
            names.append(parse_channel(f"{CONTEXT_PREFIX}{layer}{ending}").name)
    return names


def _check_drawn(dataset: PatchDataset, drawn: xr.Dataset) -> None:
    there = pd.Index([str(site) for site in drawn["site"].to_numpy()])
    _refuse_sites(
        dataset.sites.index.difference(there), "have no channels; draw them for every patch"
    )
    size = dataset.header.size_px
    if (drawn.sizes["y"], drawn.sizes["x"]) != (size, size):
        raise InputError(
            f"channels have {drawn.sizes['y']} × {drawn.sizes['x']} px and patches {size} × "
            f"{size}; draw them on the patches' own grids (geoboxes=)"
        )


def _digest(context: Context | xr.Dataset | None, drawn: xr.Dataset, dataset: PatchDataset) -> str:
    if isinstance(context, Context):
        return str(context.info["key"])
    sites = [str(site) for site in dataset.sites.index]
    content = b"".join(
        np.ascontiguousarray(drawn[name].sel(site=sites)).tobytes()
        for name in _DRAWN.values()
        if name in drawn
    )
    return _store.digest_bytes(content)
