"""Channels on disk: Zarr v3, written lot by lot, opened by xarray."""

import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
import zarr
import zarr.errors
from zarr.codecs import BloscCodec, Crc32cCodec

from minewatch import _store
from minewatch.context._channels import DISTANCE, PRESENCE
from minewatch.errors import DatasetError

LOT_SITES: Final = 1_024
"""Patches that are drawn and written at a time: one shard of each layer."""
_DONE: Final = "done.json"
_KEY: Final = "minewatch_request"


def write_lots(
    path: Path,
    site_ids: list[str],
    draw: Callable[[list[str]], xr.Dataset],
    *,
    key: str,
) -> Iterator[int]:
    """Write channels that are drawn lot by lot; go on where an earlier writing of them stopped.

    Parameters
    ----------
    path
        The Zarr group, which must not be there. Until it is whole it is ``<path>.partial``.
    site_ids
        All patches, in their order.
    draw
        Gives the channels of some patches.
    key
        What tells these channels from others.

    Yields
    ------
    The number of patches that are written.
    """
    aside = path.with_name(f"{path.name}.partial")
    done = _read_done(aside, key)
    if not done:
        shutil.rmtree(aside, ignore_errors=True)
    starts = range(0, len(site_ids), LOT_SITES)
    for position, start in enumerate(starts):
        stop = min(start + LOT_SITES, len(site_ids))
        if position >= len(done):
            channels = draw(site_ids[start:stop])
            if position == 0:
                _create(aside, site_ids, channels, key)
            _write(aside, channels, start, stop)
            done.append(position)
            _store.write_json(aside / _DONE, {"key": key, "done": done})
        yield stop
    (aside / _DONE).unlink(missing_ok=True)
    _store.put_in_place(aside, path)


def request_key(path: Path) -> str | None:
    """Give the key of channels that are whole; None if there are none, or others."""
    try:
        group = zarr.open_group(path, mode="r", zarr_format=3)
    except (FileNotFoundError, ValueError, KeyError):
        return None
    key = group.attrs.get(_KEY)
    return key if isinstance(key, str) else None


def open_channels(path: Path) -> xr.Dataset:
    """Open channels; no pixel is read.

    Raises
    ------
    DatasetError
        If they are damaged.
    """
    try:
        channels: xr.Dataset = xr.open_zarr(path, chunks=None, mask_and_scale=False)
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise DatasetError(f"{path} cannot be read: {error}; measure the context again") from error
    names = {name: [str(value) for value in channels[name].values] for name in ("site", "layer")}
    return channels.assign_coords(names)


def _read_done(aside: Path, key: str) -> list[int]:
    try:
        told = json.loads((aside / _DONE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    if not isinstance(told, dict) or told.get("key") != key:
        return []
    return [int(lot) for lot in told.get("done", [])]


def _create(path: Path, site_ids: list[str], first: xr.Dataset, key: str) -> None:
    attributes: dict[str, Any] = {"Conventions": "CF-1.11", _KEY: key}
    group = zarr.open_group(path, mode="w", zarr_format=3, attributes=attributes)
    _create_strings(group, "site", site_ids, "site_id")
    _create_strings(group, "layer", [str(name) for name in first["layer"].values], "layer")
    for name in (PRESENCE, DISTANCE):
        if name in first:
            _create_array(group, first[name], len(site_ids))
    with warnings.catch_warnings():
        # Consolidated metadata are an addition to the Zarr v3 specification. xarray looks for them
        # and warns where there are none; readers that do not know them pass them by.
        warnings.filterwarnings("ignore", category=zarr.errors.ZarrUserWarning)
        zarr.consolidate_metadata(path, zarr_format=3)


def _create_strings(group: zarr.Group, name: str, values: list[str], long_name: str) -> None:
    array = group.create_array(
        name,
        shape=(len(values),),
        chunks=(len(values),),
        dtype="string",
        dimension_names=[name],
        attributes={"long_name": long_name},
    )
    array[:] = np.array(values, dtype=object)


def _create_array(group: zarr.Group, first: xr.DataArray, n_sites: int) -> None:
    n_layers, height, width = first.shape[1:]
    size = first.dtype.itemsize
    fill: Any = np.nan if first.dtype.kind == "f" else 0
    group.create_array(
        str(first.name),
        shape=(n_sites, n_layers, height, width),
        dtype=first.dtype,
        chunks=(1, n_layers, height, width),
        shards=(LOT_SITES, n_layers, height, width),
        compressors=[
            BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle", typesize=size),
            Crc32cCodec(),
        ],
        fill_value=fill,
        dimension_names=["site", "layer", "y", "x"],
        attributes=dict(first.attrs),
    )


def _write(path: Path, channels: xr.Dataset, start: int, stop: int) -> None:
    group = zarr.open_group(path, mode="r+", zarr_format=3, use_consolidated=False)
    for name in (PRESENCE, DISTANCE):
        if name in channels:
            array: Any = group[name]
            array[start:stop] = channels[name].values
