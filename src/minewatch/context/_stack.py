"""Channels of context upon the bands of imagery."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from minewatch.context._channels import PRESENCE
from minewatch.context._layers import TARGET
from minewatch.errors import InputError


def stack_channels(
    pixels: xr.DataArray,
    channels: xr.DataArray | xr.Dataset,
    *,
    layers: Sequence[str] | None = None,
) -> xr.DataArray:
    """Stack channels of context upon the bands of imagery: 12 bands and 5 layers make 17.

    Parameters
    ----------
    pixels
        Reflectance as `PatchDataset.pixels` gives it, dims (site, band, y, x).
    channels
        ``presence`` or ``distance_m`` of `draw_channels`, dims (site, layer, y, x); of a dataset,
        its presence.
    layers
        Names of the layers to stack. None: all of an array, and of a dataset all but ``target``,
        which names what a model is to find and is not its to see.

    Returns
    -------
    DataArray of float32
        Dims (site, band, y, x), sites in the order of `pixels`; the layers follow the bands under
        their own names.

    Raises
    ------
    InputError
        If a site has no channels, the shapes of patches differ, or a layer is not there.

    Examples
    --------
    >>> pixels = xr.DataArray(
    ...     np.zeros((2, 3, 4, 4), "f4"), dims=("site", "band", "y", "x"),
    ...     coords={"site": ["a", "b"], "band": ["B04", "B03", "B02"]},
    ... )
    >>> roads = xr.DataArray(
    ...     np.stack([np.ones((1, 4, 4), "u1"), np.zeros((1, 4, 4), "u1")]),
    ...     dims=("site", "layer", "y", "x"), coords={"site": ["b", "a"], "layer": ["highway"]},
    ... )
    >>> both = stack_channels(pixels, roads)
    >>> both["band"].values.tolist(), both.sel(site="b", band="highway").mean().item()
    (['B04', 'B03', 'B02', 'highway'], 1.0)
    """
    drawn = _chosen(channels, layers)
    missing = sorted(set(map(str, pixels["site"].values)) - set(map(str, drawn["site"].values)))
    if missing:
        raise InputError(
            f"{', '.join(missing[:5])} have no channels; draw them for every site that is stacked"
        )
    if pixels.shape[2:] != drawn.shape[2:]:
        raise InputError(
            f"patches have {pixels.shape[2:]} pixels and their channels {drawn.shape[2:]}; draw "
            "them on the patches' own geoboxes"
        )
    own = drawn.sel(site=pixels["site"].values).astype(np.float32).rename({"layer": "band"})
    parts = [part.drop_vars(set(part.coords) - {"site", "band"}) for part in (pixels, own)]
    stacked: xr.DataArray = xr.concat(parts, dim="band", join="exact", combine_attrs="drop")
    return stacked.astype(np.float32)


def _chosen(channels: xr.DataArray | xr.Dataset, layers: Sequence[str] | None) -> xr.DataArray:
    """Give the layers that are stacked; ``target`` of a dataset only where it is named."""
    is_dataset = isinstance(channels, xr.Dataset)
    drawn = channels[PRESENCE] if isinstance(channels, xr.Dataset) else channels
    there = list(map(str, drawn["layer"].values))
    if layers is None:
        layers = [name for name in there if not (is_dataset and name == TARGET)]
    missing = [name for name in layers if name not in there]
    if missing or not layers:
        raise InputError(
            f"{', '.join(missing) or 'no layer'} to be stacked, of channels that have "
            f"{', '.join(there) or 'none'}; name in `layers` what they have"
        )
    return drawn if list(layers) == there else drawn.sel(layer=list(layers))
