"""Files of detections, changes and areas: GeoParquet that says how it was made, and GeoJSON."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from minewatch import __version__
from minewatch._store import digest_file, digest_files, refuse_existing, writing_file
from minewatch.errors import InputError, NotThereError
from minewatch.scan._merge_ids import DETECTION_ID, place_ids
from minewatch.scan._merge_windows import HEADER
from minewatch.sites._regions import read_polygons
from minewatch.types import StrPath

_FORMAT: Final = "detections 1"
_DECIMALS: Final = 7
"""Of degrees in GeoJSON: about a centimetre. GeoParquet has all."""
_HEAD: Final = f'{{"type": "FeatureCollection", "{HEADER}": '
"""How a GeoJSON of ours begins."""


def describe_making(
    step: str, inputs: Iterable[StrPath], settings: Mapping[str, Any], credit: Iterable[str]
) -> dict[str, Any]:
    """Say how a table was made: the step, its settings, the digests of its inputs, whom to credit.

    Parameters
    ----------
    step
        What was done: ``merge``, ``compare``, …
    inputs
        The files it was made from.
    settings
        JSON values.
    credit
        Attributions of the inputs; those that are empty, or come twice, are left out.
    """
    return {
        "format": _FORMAT,
        "step": step,
        "minewatch": __version__,
        "settings": dict(settings),
        "inputs": digest_files(inputs),
        "attribution": "; ".join(dict.fromkeys(words for words in credit if words)),
    }


def refuse_inputs(outputs: Iterable[StrPath], inputs: Iterable[StrPath]) -> None:
    """Refuse to write over what is read, whatever may be overwritten.

    Raises
    ------
    InputError
        If a file, or the folder that it lies in, is both.
    """
    read = {Path(one).resolve() for one in inputs}
    for out in outputs:
        final = Path(out).resolve()
        if lost := [one for one in read if final == one or final in one.parents]:
            raise InputError(
                f"{out} would write over {lost[0].name}, which it is made from; give another name"
            )


def writes_geojson(out: StrPath, *, geojson: bool, overwrite: bool) -> bool:
    """Say whether a GeoJSON is written besides: where one is asked for, or an old one would stay.

    Of two files of one name that say different things, somebody would take the wrong one. Only a
    GeoJSON that `write_detections` wrote is replaced without being asked for.
    """
    beside = Path(out).with_suffix(".geojson")
    if geojson or not (overwrite and beside.is_file()):
        return geojson
    with beside.open("rb") as file:
        return file.read(len(_HEAD)) == _HEAD.encode()


def stale_outlines(detections: StrPath) -> list[Path]:
    """List the outlines beside a file of detections that were made of other detections.

    Parameters
    ----------
    detections
        The file, as it now is.
    """
    final = Path(detections)
    outlines = final.with_name("outlines.parquet")
    header = (_header(outlines) if outlines.is_file() else None) or {}
    made_of = header.get("inputs", {}).get(final.name)
    if header.get("step") != "outline" or made_of in (None, digest_file(final)):
        return []
    return [one for one in (outlines, outlines.with_suffix(".geojson")) if one.is_file()]


def attribution_in(header: Mapping[str, Any] | None) -> str:
    """Give the attribution that the header of a table holds, whoever wrote it; "" if none."""
    if not header:
        return ""
    found = header.get("attribution")
    return str(found) if found else attribution_in(header.get("scores"))


def write_detections(
    table: gpd.GeoDataFrame,
    path: StrPath,
    *,
    made: Mapping[str, Any],
    geojson: bool = False,
    overwrite: bool = False,
) -> list[Path]:
    """Write a table of polygons as GeoParquet, with how it was made in its metadata.

    Parameters
    ----------
    table
        Detections, changes, or grounds: an index with a name, EPSG:4326.
    path
        A name that ends in ``.parquet``.
    made
        As `describe_making` gives it; the key ``minewatch`` of the file's metadata, and a member of
        the GeoJSON.
    geojson
        Write a GeoJSON of the same name besides.
    overwrite
        Replace files of these names.

    Returns
    -------
    list of pathlib.Path
        What was written.

    Raises
    ------
    InputError
        If the suffix is another.
    AlreadyThereError
        If a file is there already.
    """
    final = Path(path)
    if final.suffix != ".parquet":
        raise InputError(f"{final} ends in {final.suffix!r}; expected .parquet")
    files = [final, *([final.with_suffix(".geojson")] if geojson else [])]
    for file in files:
        refuse_existing(file, overwrite=overwrite)
    header = json.dumps(made, sort_keys=True, allow_nan=False, ensure_ascii=False)
    with writing_file(final) as aside:
        plain = table.copy(deep=False)
        plain.attrs = {}
        plain.to_parquet(aside, index=True)
        written = pq.read_table(aside)
        metadata = {**(written.schema.metadata or {}), HEADER.encode(): header.encode()}
        pq.write_table(written.replace_schema_metadata(metadata), aside, compression="zstd")
    if geojson:
        with writing_file(files[1]) as aside:
            aside.write_text(_as_geojson(table, made), encoding="utf-8")
    return files


def read_detections(path: StrPath) -> gpd.GeoDataFrame:
    """Read detections: those of `write_detections`, or any file of polygons.

    Parameters
    ----------
    path
        GeoParquet, GeoJSON, GeoPackage, Shapefile, …

    Returns
    -------
    GeoDataFrame
        EPSG:4326, index ``detection_id``: the column of that name, or, where there is none, names
        after the places. Rings that cross themselves are made valid. Of our own files
        ``.attrs["minewatch"]`` says how they were made.

    Raises
    ------
    NotThereError, InputError
        If it is not there, cannot be read as polygons, or names two detections alike.
    """
    file = Path(path)
    if not file.exists():
        raise NotThereError(f"there is no file {file}")
    header = _header(file)
    table = read_polygons(file)
    if table.index.name == DETECTION_ID:
        table = table.reset_index()
    if DETECTION_ID in table.columns:
        names = table.pop(DETECTION_ID).astype("str").to_numpy()
    else:
        names = place_ids(table.geometry.to_numpy())
    table.index = pd.Index(names, name=DETECTION_ID, dtype="str")
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][0]
        raise InputError(f"{file}: detection_id {twice} stands for two detections; name each once")
    table.attrs[HEADER] = header
    return table


def _header(file: Path) -> dict[str, Any] | None:
    try:
        if file.suffix.lower() == ".parquet":
            text = (pq.read_schema(file).metadata or {}).get(HEADER.encode())
            found = None if text is None else json.loads(text)
        else:
            found = None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as polygons: {error}") from error
    return found if isinstance(found, dict) else None


def _as_geojson(table: gpd.GeoDataFrame, made: Mapping[str, Any]) -> str:
    shapes = shapely.transform(table.geometry.to_numpy(), lambda at: np.round(at, _DECIMALS))
    rows = table.drop(columns=table.geometry.name).reset_index().to_dict(orient="records")
    features = [
        f'{{"type": "Feature", "properties": {_text(row)}, "geometry": {shape}}}'
        for row, shape in zip(rows, shapely.to_geojson(shapes).tolist(), strict=True)
    ]
    head = f'{_HEAD}{_text(made)}, "features": [\n'
    return head + ",\n".join(features) + "\n]}\n"


def _text(values: Mapping[Any, Any]) -> str:
    plain = {str(key): _plain(value) for key, value in values.items()}
    return json.dumps(plain, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict | list):
        return value
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
