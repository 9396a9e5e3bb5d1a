"""PMTiles: one file of vector tiles, for maps of very many detections in a browser."""

import gzip
import json
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import geopandas as gpd
import pyogrio

from minewatch._store import writing_file
from minewatch.errors import InputError
from minewatch.maps._vector import rounded

MAX_ZOOM: Final = 13
"""Corners are then to a metre; browsers enlarge further themselves."""
_HEADER: Final = 127
_LENGTHS: Final = struct.Struct("<8Q")
"""Offset and length of the root directory, the metadata, the leaf directories, the tiles."""
_GZIP: Final = 2


def write_pmtiles(
    table: gpd.GeoDataFrame, path: Path, about: Mapping[str, str], *, layer: str
) -> None:
    """Write a layer as PMTiles, version 3, of vector tiles.

    One kind of geometry at a time: of polygons and points in one layer GDAL 3.12 loses pieces.

    Parameters
    ----------
    table
        As `plain_table` gives it.
    path
        The file.
    about
        What the map says of itself; goes to the metadata, with ``attribution``, which web maps
        show.
    layer
        Name of the layer in the tiles.

    References
    ----------
    Protomaps (2023), PMTiles Version 3 Specification,
    https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md.
    """
    with writing_file(path) as aside, tempfile.TemporaryDirectory(dir=path.parent) as folder:
        raw = Path(folder, "tiles.pmtiles")
        pyogrio.write_dataframe(
            rounded(table),
            raw,
            driver="PMTiles",
            layer=layer,
            geometry_type="Unknown",
            dataset_options={
                "NAME": about["title"],
                "DESCRIPTION": about["title"],
                "MINZOOM": 0,
                "MAXZOOM": MAX_ZOOM,
            },
        )
        said = {
            "attribution": about.get("attribution", ""),
            "description": about["title"],
            "minewatch": dict(about),
        }
        aside.write_bytes(add_metadata(raw.read_bytes(), said))


def add_metadata(archive: bytes, said: Mapping[str, object]) -> bytes:
    """Add entries to the metadata of a PMTiles archive: GDAL writes no attribution.

    The metadata lie between the root directory and the rest, all of whose offsets are relative; so
    only the header's have to be moved.

    Raises
    ------
    InputError
        If it is no PMTiles archive of version 3 that is laid out so.
    """
    if archive[:8] != b"PMTiles\x03" or archive[97] != _GZIP:
        raise InputError("the archive is no PMTiles of version 3 with gzipped metadata")
    root, root_length, at, length, leaves, leaves_length, tiles, tiles_length = _LENGTHS.unpack(
        archive[8 : 8 + _LENGTHS.size]
    )
    if at + length > min(leaves, tiles):
        raise InputError("the metadata of the archive do not lie before its tiles")
    before = json.loads(gzip.decompress(archive[at : at + length]))
    text = json.dumps({**before, **said}, ensure_ascii=False, allow_nan=False)
    packed = gzip.compress(text.encode(), mtime=0)
    moved = len(packed) - length
    header = _LENGTHS.pack(
        *(root, root_length, at, len(packed)),
        *(leaves + moved, leaves_length, tiles + moved, tiles_length),
    )
    rest = archive[8 + _LENGTHS.size : at]
    return archive[:8] + header + rest + packed + archive[at + length :]
