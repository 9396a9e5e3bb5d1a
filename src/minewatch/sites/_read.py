"""Read files of places into one table of sites."""

import csv
import shlex
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pyogrio
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError

from minewatch.errors import InputError, NotThereError, SitesError, UnlabelledWarning
from minewatch.sites._columns import (
    ID_COLUMNS,
    find_coordinates,
    find_label_like,
    is_blank,
    pick_ids,
    plain_name,
    read_labels,
    read_numbers,
)
from minewatch.sites._distance import single_points
from minewatch.sites._layers import LAYER_SUFFIXES, PARQUET_SUFFIXES, read_layer
from minewatch.sites._schema import (
    LABEL_WORDS,
    SITE_ID,
    SITES_CRS,
    label_words,
    list_some,
    parse_label,
)
from minewatch.types import StrPath

TABLE_SUFFIXES: Final = (".csv", ".tsv")


@dataclass(frozen=True)
class ReadOptions:
    """How the files of one call are read."""

    crs: str | int | None = None
    longitude: str | None = None
    latitude: str | None = None
    layer: str | None = None


def read_sites(
    path: StrPath | Sequence[StrPath] | Mapping[str | int, StrPath | Sequence[StrPath]],
    *,
    label: str | int | None = None,
    labels: Mapping[str, int] | None = None,
    crs: str | int | None = None,
    longitude: str | None = None,
    latitude: str | None = None,
    site_id: str | None = None,
    layer: str | None = None,
) -> gpd.GeoDataFrame:
    r"""Read labelled places from one file or several.

    It does not judge the places: `validate_sites` does.

    Files may be GeoJSON, GeoPackage, Shapefile, FlatGeobuf, KML, GML, CSV, TSV, Parquet or
    GeoParquet, known by their suffix. Coordinates come from the geometry, or else from the columns
    longitude (lon, long, lng) and latitude (lat), or easting (x) and northing (y) if `crs` is
    given, whatever their case. Columns called longitude and latitude count as degrees in EPSG:4326
    unless `crs` says otherwise; any other file without a CRS is refused.

    Parameters
    ----------
    path
        A file; several files; or files by class, ``{"mining": a, "no mining": [b, c]}``.
    label
        The column that holds the label; or 1 or 0, the label of every site. None: the class named
        in `path`; or else the column ``label``, if there is one; or else no labels. Known spellings
        are 1, 1.0, true, yes, y, mining, mine, positive; 0, 0.0, false, no, n, no mining, not
        mining, non-mining, negative, background, whatever their case. Empty is unlabelled; anything
        else is an error.
    labels
        What further words in the column stand for: ``{"mina": 1, "bosque": 0}``. They go before
        the known spellings; case, ``_`` and ``-`` do not count.
    crs
        The CRS of files that carry none. A file that carries another is refused.
    longitude, latitude
        The columns of the coordinates, if their names do not say so.
    site_id
        The column of ids. None: the column ``site_id``, as it is; or else ``sample_id`` or ``id``,
        if no id is missing or given twice in all the files; or else ids are made from the file's
        name and the order of its rows: ``positives-0001``.
    layer
        The layer to read of files that have several.

    Returns
    -------
    geopandas.GeoDataFrame
        Index site_id; `label` Int8 (1 mining, 0 no mining, <NA> unlabelled); `source`, the file's
        name without its suffix (a column `source` in the file is kept); `geometry`, EPSG:4326,
        longitude first, heights dropped, None where a row has no coordinates; then all further
        columns. A column that gave its place to the caller's `label` is kept as `label_in_file`.

    Raises
    ------
    NotThereError
        If a file does not exist.
    SitesError
        If a file has no CRS, no columns of coordinates, or ambiguous ones; if labels are not known.
    InputError
        If a file cannot be read, or the call contradicts itself.
    UnsafeError
        If a vector file holds another format than its suffix says.

    Warns
    -----
    RenamedWarning
        If a column ``sample_id`` or ``id`` tells most rows apart but not all, so that ids are made.
    UnlabelledWarning
        If no column of labels is named or found, and one holds nothing but labels of both classes.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "valley.csv")
    ...     size = file.write_text("Lon,Lat,found\n-62.6,5.4,yes\n-62.5,5.5,no\n")
    ...     sites = read_sites(file, label="found")
    >>> print(sites.drop(columns="source"))
                 label           geometry
    site_id
    valley-0001      1  POINT (-62.6 5.4)
    valley-0002      0  POINT (-62.5 5.5)
    """
    files = _list_files(path, label)
    options = ReadOptions(crs=crs, longitude=longitude, latitude=latitude, layer=layer)
    column = label if isinstance(label, str) else None
    words = label_words(labels)
    faults: list[str] = []
    tables = {}
    for source, (file, given) in files.items():
        table = _read_one(file, source, options)
        tables[source], more = _with_labels(table, column, given, file.name, words)
        faults += more
    if faults:
        raise SitesError(
            "\n  ".join(["some labels cannot be used:", *faults])
            + f"\nKnown labels: {', '.join(words)}. Say what others mean: labels={{'word': 1}}; "
            "--mining-label WORD, --no-mining-label WORD",
            faults,
        )
    ids = pick_ids(tables, site_id)
    return _join(tables, ids)


def _list_files(
    path: StrPath | Sequence[StrPath] | Mapping[str | int, StrPath | Sequence[StrPath]],
    label: str | int | None,
) -> dict[str, tuple[Path, int | None]]:
    if isinstance(path, Mapping):
        if label is not None:
            raise InputError(f"the files are given by class; label={label!r} says it again")
        given: list[tuple[Path, int | None]] = [
            (file, _as_class(name)) for name, files in path.items() for file in _as_paths(files)
        ]
    else:
        every = _as_class(label) if isinstance(label, int) else None
        given = [(file, every) for file in _as_paths(path)]
    if not given:
        raise InputError("no file of sites was given")
    return {
        source: (file, label)
        for source, (file, label) in zip(_name_sources([f for f, _ in given]), given, strict=True)
    }


def _as_paths(path: StrPath | Sequence[StrPath]) -> list[Path]:
    if isinstance(path, Sequence) and not isinstance(path, str):
        return [Path(one) for one in path]
    return [Path(path)]


def _as_class(name: str | int) -> int:
    label = parse_label(name)
    if label is None:
        raise InputError(f"{name!r} is no class; expected one of {', '.join(LABEL_WORDS)}")
    return label


def _name_sources(files: Sequence[Path]) -> list[str]:
    stems = [plain_name(file.stem) for file in files]
    counts = Counter(stems)
    names = [
        stem if counts[stem] == 1 else plain_name(f"{file.resolve().parent.name}_{stem}")
        for file, stem in zip(files, stems, strict=True)
    ]
    twice = [str(file) for file, name in zip(files, names, strict=True) if names.count(name) > 1]
    if twice:
        raise InputError(
            f"these files cannot be told apart by their names: {list_some(twice)}; rename one, "
            "or give each file once"
        )
    return names


def _read_one(file: Path, source: str, options: ReadOptions) -> gpd.GeoDataFrame:
    if not file.exists():
        raise NotThereError(f"there is no file {file}")
    raw = _load(file, options)
    if isinstance(raw, gpd.GeoDataFrame):
        table = _to_degrees(raw, file.name, options)
    else:
        table = _points_from_columns(raw, file.name, options)
    blank = [name for name in table if str(name).lower() in ID_COLUMNS and is_blank(table[name])]
    table = table.drop(columns=[name for name in blank if name != SITE_ID])
    if "source" in table and table["source"].notna().all():
        table["source"] = table["source"].astype("str")
    else:
        table["source"] = pd.Series(source, index=table.index, dtype="str")
    return table


def _load(file: Path, options: ReadOptions) -> gpd.GeoDataFrame | pd.DataFrame:
    suffix = file.suffix.lower()
    try:
        if suffix in TABLE_SUFFIXES:
            return _read_text(file)
        if suffix in PARQUET_SUFFIXES:
            return _read_parquet(file)
        if suffix in LAYER_SUFFIXES:
            return read_layer(file, options.layer)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{file} is not a table in UTF-8: {error}") from error
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    known = ", ".join([*LAYER_SUFFIXES, *TABLE_SUFFIXES, *PARQUET_SUFFIXES])
    raise InputError(f"{file} ends in {suffix!r}; expected one of {known}")


def _read_text(file: Path) -> pd.DataFrame:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        header = lines.readline()
    separator = max(",;\t", key=header.count)
    columns = next(csv.reader([header], delimiter=separator), [])
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise SitesError(f"{file.name} has several columns called {list_some(twice)}")
    text = {name: "str" for name in columns if name.strip().lower() in ID_COLUMNS}
    return pd.read_csv(file, sep=separator, dtype=text, encoding="utf-8-sig")


def _read_parquet(file: Path) -> gpd.GeoDataFrame | pd.DataFrame:
    schema = pa.parquet.read_schema(file)
    is_geographic = b"geo" in (schema.metadata or {})
    table = gpd.read_parquet(file) if is_geographic else pd.read_parquet(file)
    named = [name for name in table.index.names if name is not None]
    return table.reset_index(named) if named else table.reset_index(drop=True)


def _to_degrees(raw: gpd.GeoDataFrame, where: str, options: ReadOptions) -> gpd.GeoDataFrame:
    table = raw if raw.active_geometry_name == "geometry" else raw.rename_geometry("geometry")
    said = None if options.crs is None else _parse_crs(options.crs)
    if table.crs is None and said is None:
        raise SitesError(
            f"{where} does not say its coordinate reference system; if you know it, name it "
            "(crs='EPSG:4326'; --crs EPSG:4326)"
        )
    if table.crs is None:
        table = table.set_crs(said)
    elif said is not None and not table.crs.equals(said, ignore_axis_order=True):
        raise SitesError(
            f"{where} says its CRS is {table.crs.to_string()}, you say {said.to_string()}; leave "
            "out crs, or correct the file"
        )
    table["geometry"] = shapely.force_2d(single_points(table.geometry.to_numpy()))
    return table.to_crs(SITES_CRS)


def _points_from_columns(raw: pd.DataFrame, where: str, options: ReadOptions) -> gpd.GeoDataFrame:
    names = find_coordinates(
        [str(column) for column in raw.columns],
        where,
        longitude=options.longitude,
        latitude=options.latitude,
        plane=options.crs is not None,
    )
    crs = _parse_crs(SITES_CRS if options.crs is None else options.crs)
    first, second = (read_numbers(raw[name], where) for name in names)
    points = np.array(shapely.points(first, second), dtype=np.object_)
    points[np.isnan(first) | np.isnan(second)] = None
    table = gpd.GeoDataFrame(raw.drop(columns=list(names)), geometry=points, crs=crs)
    return table.to_crs(SITES_CRS)


def _parse_crs(crs: str | int) -> CRS:
    try:
        return CRS.from_user_input(crs)
    except CRSError as error:
        raise InputError(f"crs is {crs!r}; expected a name such as 'EPSG:32620'") from error


def _with_labels(
    table: gpd.GeoDataFrame,
    column: str | None,
    given: int | None,
    where: str,
    words: Mapping[str, int],
) -> tuple[gpd.GeoDataFrame, list[str]]:
    in_file = next((name for name in table.columns if name.strip().lower() == "label"), None)
    faults: list[str] = []
    if column is not None and column not in table:
        names = list_some(list(table.columns), 20)
        raise SitesError(f"{where} has no column {column!r} of labels; it has {names}")
    if given is not None:
        labels = pd.Series(given, index=table.index, dtype="Int8")
        faults = _contradictions(table[in_file], labels, where, words) if in_file else []
    elif column or in_file:
        labels, faults = read_labels(table.pop(column or in_file), where, words)
    else:
        labels = pd.Series(pd.NA, index=table.index, dtype="Int8")
        _warn_unlabelled(find_label_like(table, words), where)
    if in_file in table:
        table = table.rename(columns={in_file: "label_in_file"})
    return table.assign(label=labels), faults


def _warn_unlabelled(column: str | None, where: str) -> None:
    if column is not None:
        warnings.warn(
            f"{where}: no site is labelled, for no column of labels was named; column {column!r} "
            f"looks like one: name it (label={column!r}; --label {shlex.quote(column)})",
            UnlabelledWarning,
            stacklevel=4,
        )


def _contradictions(
    in_file: "pd.Series[Any]", labels: "pd.Series[int]", where: str, words: Mapping[str, int]
) -> list[str]:
    written, _ = read_labels(in_file, where, words)
    rows = np.flatnonzero((written != labels).fillna(value=False))
    if len(rows) == 0:
        return []
    given = int(labels.iloc[0])
    said = f"{where}: you say {given}, its column {in_file.name!r} says {1 - given}"
    return [f"{said}, in row {list_some([row + 1 for row in rows])}"]


def _join(
    tables: Mapping[str, gpd.GeoDataFrame], ids: Sequence["pd.Series[str]"]
) -> gpd.GeoDataFrame:
    filled = [table for table in tables.values() if len(table)] or list(tables.values())[:1]
    joined = pd.concat(filled, ignore_index=True) if len(filled) > 1 else filled[0]
    index = pd.Index(pd.concat(list(ids), ignore_index=True), dtype="str", name=SITE_ID)
    first = ["label", "source", "geometry"]
    joined = joined[[*first, *(name for name in joined.columns if name not in first)]]
    return gpd.GeoDataFrame(joined.set_axis(index, axis=0), geometry="geometry", crs=SITES_CRS)
