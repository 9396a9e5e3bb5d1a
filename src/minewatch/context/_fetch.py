"""Fetch map features of an area from a file, a region's extract or an Overpass server."""

import dataclasses
import json
import shutil
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from shapely.geometry.base import BaseGeometry

from minewatch._progress import Progress, silent
from minewatch._store import digest_file, locked, refuse_existing, write_json, writing_file
from minewatch.context._area import Area, read_area
from minewatch.context._extract import extract
from minewatch.context._features import Features, write_features
from minewatch.context._geofabrik import RegionSource, fetch_region
from minewatch.context._layers import DEFAULT_LAYERS, Layer, check_layers
from minewatch.context._overpass import PLAN_FILE, OverpassSource, fetch_overpass
from minewatch.errors import CoverageWarning, InputError
from minewatch.types import StrPath

Source: TypeAlias = StrPath | OverpassSource | RegionSource
"""A file of OpenStreetMap, ``"overpass"``, the name of a region, or settings of one of these."""
Format: TypeAlias = Literal["geojson", "gpkg"]

FEATURES_FILE: Final = "features.parquet"
RECORD_FILE: Final = "features.json"
CONTEXT_FILE: Final = "context.json"
OVERPASS_FILE: Final = "overpass.osm.pbf"
_WORK_FOLDER: Final = ".overpass"
_OSM_SUFFIXES: Final = (".pbf", ".osm", ".gz", ".bz2", ".o5m")


def fetch_features(
    area: Area | None,
    layers: Sequence[Layer] = DEFAULT_LAYERS,
    source: Source = "overpass",
    out: StrPath = "context",
    *,
    also: Sequence[Format] = (),
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Fetch what OpenStreetMap knows of an area, and write it with a record of where it is from.

    Whatever the source, objects come as an OpenStreetMap file that `extract_features` reads, so
    that the same area of the same date gives the same features from each. A fetch that was stopped
    goes on where it was; the table of features appears last and whole.

    Parameters
    ----------
    area
        A file of polygons, polygons, bounds in degrees, or `site_neighbourhoods`. None: all of a
        file or of a region.
    layers
        What to take.
    source
        A file of OpenStreetMap; ``"overpass"``, the public Overpass server; the name of a region
        (``"venezuela"``), whose extract is downloaded; or the settings of either.
    out
        The folder that results go to: ``features.parquet``, ``features.json``, and the extract
        that was fetched.
    also
        Other formats that the features are written in besides.
    overwrite
        Replace features that are there. What `write_context` measured of others in the folder then
        counts no more: its ``context.json`` goes, and it is to be measured again.
    progress
        Told of requests or bytes, then of the extraction.

    Returns
    -------
    pathlib.Path
        The file ``features.parquet``.

    Warns
    -----
    CoverageWarning
        If a file or region holds only a part of the area; the rest counts as not known. If the
        source holds no feature of the layers there.

    Raises
    ------
    AlreadyThereError
        If there are features in the folder, and `overwrite` is false.
    ContextError
        If the network did not give what was asked; what came is kept.
    InputError
        If the area, the source or the layers cannot be used; if the source holds nothing of it.
    NotThereError
        If there is no such file.
    LockedError
        If another process fetches into the same folder.

    Examples
    --------
    >>> import osmium, tempfile
    >>> from osmium.osm.mutable import Node
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = f"{folder}/valley.osm.pbf"
    ...     with osmium.SimpleWriter(file) as writer:
    ...         writer.add_node(Node(id=1, location=(-62.61, 5.41), tags={"place": "hamlet"}))
    ...     fetch_features((-63, 5, -62, 6), source=file, out=f"{folder}/context").name
    'features.parquet'
    """
    folder = Path(out)
    final = folder / FEATURES_FILE
    taken = check_layers(layers)
    settings = _settings(source)
    ground = None if area is None else read_area(area)
    if ground is None and isinstance(settings, OverpassSource):
        raise InputError("an Overpass server is asked for an area; give one")
    refuse_existing(final, overwrite=overwrite)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    with locked(final), _leaving_no_trace(made):
        refuse_existing(final, overwrite=overwrite)
        file, how, traffic = _obtain(settings, ground, taken, folder, progress)
        is_whole = isinstance(settings, OverpassSource)
        features = extract(file, ground, taken, is_whole=is_whole, progress=progress)
        features = dataclasses.replace(
            features, info={**features.info, "source": {**features.info["source"], **how}}
        )
        _warn_if_empty(features, file)
        _write(features, traffic, folder, also)
        _forget_measures(folder)
        shutil.rmtree(folder / _WORK_FOLDER, ignore_errors=True)
    return final


@contextmanager
def _leaving_no_trace(made: Sequence[Path]) -> Iterator[None]:
    """Remove the folders that were made here if the block fails before anything came.

    They hold no more than locks then. A lock goes while it is held: who opened it meanwhile sees
    that it has lost its name, and makes a new one.
    """
    try:
        yield
    except BaseException:
        if made and all(map(_tells_nothing, made[0].rglob("*"))):
            shutil.rmtree(made[0], ignore_errors=True)
            with suppress(OSError):
                for folder in made[1:]:
                    folder.rmdir()
        raise


def _tells_nothing(left: Path) -> bool:
    return left.is_dir() or left.name.endswith(".lock") or left.name == PLAN_FILE


def _warn_if_empty(features: Features, file: Path) -> None:
    """Say that nothing was found: an empty table looks like empty country."""
    if features.table.empty:
        warnings.warn(
            f"{file} holds no feature of {', '.join(features.layer_names)} in the area that is "
            "asked for; is it the right place, longitude first?",
            CoverageWarning,
            stacklevel=3,
        )


def _settings(source: Source) -> Path | OverpassSource | RegionSource:
    """Tell what a source is: a name with the suffix of a file is a file."""
    if isinstance(source, OverpassSource | RegionSource):
        return source
    if isinstance(source, str) and source == "overpass":
        return OverpassSource()
    path = Path(source)
    if not isinstance(source, str) or path.suffix in _OSM_SUFFIXES:
        return path
    return RegionSource(region=source)


def _obtain(
    source: Path | OverpassSource | RegionSource,
    ground: BaseGeometry | None,
    layers: Sequence[Layer],
    folder: Path,
    progress: Progress,
) -> tuple[Path, Mapping[str, Any], Mapping[str, Any]]:
    """Give a file of OpenStreetMap that holds the area, where it is from, and what asking cost."""
    if isinstance(source, Path):
        return source, {"kind": "file"}, {}
    if isinstance(source, RegionSource):
        file = fetch_region(source, folder, progress=progress)
        how = {"kind": "region", "region": source.path or source.region, "url": source.url}
        return file, how, {}
    if ground is None:
        raise InputError("an Overpass server is asked for an area; give one")
    file = folder / OVERPASS_FILE
    fetched = fetch_overpass(ground, layers, source, folder / _WORK_FOLDER, file, progress=progress)
    settings = source.model_dump(mode="json", exclude={"retry", "pause_s"})
    overpass = {"kind": "overpass", "settings": settings, "fetched": fetched.record()}
    return file, overpass, fetched.traffic()


def _write(
    features: Features, traffic: Mapping[str, Any], folder: Path, also: Sequence[Format]
) -> None:
    """Write features in all formats, and give them their names once all are whole, the table last.

    The record comes first and holds the digests of all: a file that it does not fit is of another
    fetch.
    """
    with ExitStack() as asides:
        paths = [folder / FEATURES_FILE, *(folder / f"features.{suffix}" for suffix in also)]
        written = {path.name: asides.enter_context(writing_file(path)) for path in paths}
        for aside in written.values():
            write_features(features, aside, overwrite=True)
        digests = {name: digest_file(aside) for name, aside in written.items()}
        write_json(folder / RECORD_FILE, _record(features, traffic) | {"digests": digests})


def _forget_measures(folder: Path) -> None:
    """Take away the header of a context that was measured of other features than are there now."""
    header = folder / CONTEXT_FILE
    try:
        digests = json.loads(header.read_text(encoding="utf-8"))["digests"]
        is_current = digests[FEATURES_FILE] == digest_file(folder / FEATURES_FILE)
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError):
        is_current = False
    if not is_current:
        header.unlink()


def _record(features: Features, traffic: Mapping[str, Any]) -> dict[str, Any]:
    """Say what was fetched, from where, and what of it could not be used."""
    table = features.table
    usual = table["target"].isna()
    named = Counter(str(tag) for tag in table["target"].dropna())
    return {
        "minewatch": features.info["versions"]["minewatch"],
        "features": {
            name: int((table[name].notna() & usual).sum()) for name in features.layer_names
        },
        "names_the_target": dict(sorted(named.items(), key=lambda row: (-row[1], row[0]))),
        "info": dict(features.info),
        "dropped": features.dropped.to_dict(orient="records"),
        "traffic": dict(traffic),
    }
