"""The arrays of a patch dataset on disk: Zarr v3, written in whole shards, read at random.

Metadata are made by zarr, so that any Zarr v3 reader understands them; pixels go through
tensorstore, which reads single patches out of shards many times faster.
"""

import importlib.metadata
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorstore as ts
import zarr
import zarr.errors
from zarr.codecs import BloscCodec, Crc32cCodec

from minewatch.bands import NO_DATA, SCALE_FACTOR
from minewatch.errors import DatasetError
from minewatch.types import AnyArray, Level

SHARD_SITES: Final = 1024
"""Patches in one shard, the unit of writing."""
REFLECTANCE: Final = "reflectance"
CLEAR_COUNT: Final = "clear_count"
_CACHE_BYTES: Final = 4 << 20
_LIBRARIES: Final = ("numpy", "zarr", "tensorstore")


def create(
    path: Path,
    site_ids: Sequence[str],
    *,
    bands: Sequence[str],
    size_px: int,
    level: Level,
    with_clear_counts: bool,
) -> None:
    """Write the metadata and coordinates of a dataset's arrays; no pixel yet."""
    n_sites = len(site_ids)
    group = zarr.open_group(
        path, mode="w", zarr_format=3, attributes={"Conventions": "CF-1.11", "level": level}
    )
    _create_strings(group, "site", site_ids, {"long_name": "site_id"})
    _create_strings(group, "band", bands, {"long_name": "Sentinel-2 band"})
    _create_array(
        group,
        REFLECTANCE,
        (n_sites, len(bands), size_px, size_px),
        ("site", "band", "y", "x"),
        {
            "long_name": "reflectance",
            "units": "1",
            "scale_factor": SCALE_FACTOR,
            "_FillValue": NO_DATA,
        },
    )
    if with_clear_counts:
        _create_array(
            group,
            CLEAR_COUNT,
            (n_sites, size_px, size_px),
            ("site", "y", "x"),
            {"long_name": "number of clear views", "units": "1"},
        )
    with warnings.catch_warnings():
        # Consolidated metadata are an addition to the Zarr v3 specification. xarray looks for them
        # and warns where there are none; readers that do not know them pass them by.
        warnings.filterwarnings("ignore", category=zarr.errors.ZarrUserWarning)
        zarr.consolidate_metadata(path, zarr_format=3)


def open_array(path: Path, name: str) -> Any:
    """Open one array with tensorstore; no pixel is read.

    Raises
    ------
    DatasetError
        If the array is not there or its metadata cannot be read.
    """
    folder = path / name
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(folder.resolve())},
        "context": {"cache_pool": {"total_bytes_limit": _CACHE_BYTES}},
        # Otherwise a shard of nothing but no data would leave no file, like one never written.
        "store_data_equal_to_fill_value": True,
    }
    try:
        return ts.open(spec, open=True).result()
    except ValueError as error:
        raise DatasetError(f"{folder} cannot be read as a Zarr v3 array: {error}") from error


def read_strings(path: Path, name: str) -> list[str]:
    """Read a coordinate.

    Raises
    ------
    DatasetError
        If it is not there or cannot be read.
    """
    try:
        array = zarr.open_array(path / name, mode="r", zarr_format=3)
        return [str(value) for value in np.asarray(array[:])]
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise DatasetError(f"{path / name} cannot be read: {error}") from error


def read(array: Any, selection: Any, dataset: Path) -> AnyArray:
    """Read a part of an open array of a dataset, waiting for it.

    Raises
    ------
    DatasetError
        If the bytes on disk are damaged.
    """
    try:
        return np.asarray(array[selection].read().result())
    except ValueError as error:
        raise DatasetError(
            f"{dataset} is damaged: pixels on disk are not what was written; import it again"
        ) from error


def shard_path(path: Path, name: str, shard: int, n_dims: int) -> Path:
    """Give the file that holds one shard."""
    return path / name / "c" / "/".join([str(shard), *["0"] * (n_dims - 1)])


def shard_ranges(n_sites: int) -> list[tuple[int, int]]:
    """Give the first row and the row after the last of every shard."""
    return [(start, min(start + SHARD_SITES, n_sites)) for start in range(0, n_sites, SHARD_SITES)]


def library_versions() -> dict[str, str]:
    """Give the versions of the libraries that decide about the bytes on disk."""
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}


def _create_strings(
    group: zarr.Group, name: str, values: Sequence[str], attributes: Mapping[str, Any]
) -> None:
    array = group.create_array(
        name,
        shape=(len(values),),
        chunks=(len(values),),
        dtype="string",
        dimension_names=[name],
        attributes=dict(attributes),
    )
    array[:] = np.array(list(values), dtype=object)


def _create_array(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dims: Sequence[str],
    attributes: Mapping[str, Any],
) -> None:
    group.create_array(
        name,
        shape=shape,
        dtype="uint16",
        chunks=(1, *shape[1:]),
        shards=(SHARD_SITES, *shape[1:]),
        compressors=[
            BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle", typesize=2),
            Crc32cCodec(),  # of every patch, so that no damaged pixel is ever read as a good one
        ],
        fill_value=NO_DATA,
        dimension_names=list(dims),
        attributes=dict(attributes),
    )
