"""Import patches from the pickle pairs of the seed study."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from os import PathLike
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd

from minewatch import _store
from minewatch._progress import Progress, silent
from minewatch.errors import InputError, NotThereError, PlacementError, UnlabelledWarning
from minewatch.patches._dataset import PatchDataset
from minewatch.patches._import import (
    ImportSettings,
    Rows,
    import_rows,
    numbered_sites,
    read_table,
    rows_of_array,
    some,
    warn_unplaced,
)
from minewatch.patches._pickles import Plain, load_pickle
from minewatch.patches._places import DEGREES
from minewatch.types import AnyArray, StrPath

ARRAYS_SUFFIX: Final = "_patch_arrays.pkl"
LABELS_SUFFIX: Final = "_patch_array_labels.pkl"
_SAME_PLACE_DEGREES: Final = 1e-5
_POINTS_SUFFIXES: Final = (".geojson", ".gpkg", ".parquet", ".csv")


@dataclass(frozen=True)
class _Pair:
    """One pickle of arrays, with what belongs to it."""

    arrays: Path
    labels: Path | None
    points: Path | None
    order: Path | None

    @property
    def stem(self) -> str:
        return self.arrays.name.removesuffix(ARRAYS_SUFFIX).removesuffix(".pkl")


def import_legacy(  # noqa: PLR0913 - keyword-only: each says what no pickle says
    path: StrPath | Sequence[StrPath],
    out: StrPath,
    settings: ImportSettings,
    *,
    points: StrPath | Sequence[StrPath] | None = None,
    order: StrPath | Sequence[StrPath] | None = None,
    rows_follow_points: bool = False,
    sites: StrPath | gpd.GeoDataFrame | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> PatchDataset:
    """Import patches from legacy pickles: ``*_patch_arrays.pkl`` and ``*_patch_array_labels.pkl``.

    These pickles carry no ids, and the seed study wrote their rows in the order in which downloads
    ended, which is not the order of the point file. So nothing is placed unless you say how: by
    `order`, or by stating that rows follow points. The pickles are opened by a reader that makes
    arrays, lists, numbers and strings and refuses all else.

    Parameters
    ----------
    path
        A folder of pickles, or the ``*_patch_arrays.pkl`` files. Each holds an array, dims (site,
        y, x, band), or a list of arrays (y, x, band); the labels file beside it a list or array of
        as many labels, 1 = mining, 0 = no mining, None = unlabelled.
    out
        Folder of the new dataset.
    settings
        Band order, level and scaling.
    points
        The point file of each pickle, in the same order. None: a file beside it with the same name
        (``x.geojson`` beside ``x_patch_arrays.pkl``).
    order
        For each pickle a file that says what its rows are: a ``.txt`` of site ids, one a line,
        which the point file must have; or a file of points or tiles (`read_sites` reads it) whose
        features are in the order of the rows. Tiles are placed by their centroids.
    rows_follow_points
        State that row i of each pickle belongs to point i of its point file.
    sites
        A checked table of sites that every placed patch must agree with, by site_id, in label and
        place; a file or a table. None: nothing is compared.
    overwrite
        Replace a dataset that is there.
    progress
        Told the patches written.

    Raises
    ------
    NotThereError
        If there is no such file, or no pickle in the folder.
    UnsafePickleError
        If a pickle asks for anything but arrays, lists, tuples, numbers and strings.
    PlacementError
        If rows and points, or rows and order, differ in number; if an id of the order is not among
        the points; if labels in the point file contradict those of the pickle; if a placed patch
        is not among `sites`, or has another label or place there.
    InputError
        If shapes, labels or values contradict the settings.
    AlreadyThereError
        If the dataset exists.

    Warns
    -----
    UnplacedWarning
        If nothing says which point a row belongs to.
    RoundedWarning
        If values had to be rounded or clipped.

    Examples
    --------
    >>> import pickle, tempfile, warnings
    >>> settings = ImportSettings(bands="legacy-12", level="L1C")
    >>> with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # nothing says where these patches lie
    ...     for name, content in [
    ...         ("mines_patch_arrays.pkl", np.full((2, 48, 48, 12), 900)),
    ...         ("mines_patch_array_labels.pkl", [1, 1]),
    ...     ]:
    ...         _ = Path(folder, name).write_bytes(pickle.dumps(content))
    ...     dataset = import_legacy(folder, Path(folder, "dataset"), settings)
    ...     print(dataset.sites[["label", "origin"]])
                label    origin
    site_id
    mines-0001      1  unplaced
    mines-0002      1  unplaced
    """
    if order is not None and rows_follow_points:
        raise PlacementError("order and rows_follow_points both say what rows are; give one")
    pairs = _find_pairs(path, points, order)
    sources = [_rows(pair, settings) for pair in pairs]
    tables = [
        _sites(pair, rows, settings, rows_follow_points=rows_follow_points)
        for pair, rows in zip(pairs, sources, strict=True)
    ]
    table = _join(pairs, tables)
    if sites is not None:
        _compare(table, read_table(sites, settings))
    files = [(pair.arrays, pair.labels, pair.points, pair.order) for pair in pairs]
    used = [file for group in files for file in group if file is not None]
    dataset = import_rows(
        out,
        table,
        _join_rows(sources),
        settings,
        inputs=_store.digest_files(used),
        request={"files": [[str(f and f.name) for f in group] for group in files]},
        overwrite=overwrite,
        progress=progress,
    )
    warn_unplaced(
        dataset.sites,
        "legacy pickles carry no ids, and their rows are in the order of download; give an order "
        "(order=, --order), or state that rows follow the point file (rows_follow_points=True, "
        "--rows-follow-points)",
    )
    return dataset


def _compare(table: gpd.GeoDataFrame, sites: gpd.GeoDataFrame) -> None:
    """Refuse placed patches that are not the sites they are called."""
    placed = table[table.geometry.notna()]
    strange = placed.index.difference(sites.index)
    if len(strange):
        raise PlacementError(
            f"{len(strange)} of {len(placed)} placed patches are not among the sites: "
            f"{some(list(strange))}. The sites are {some(list(sites.index), 3)}; give both "
            "the same point files, so that they get the same ids"
        )
    same = sites.loc[placed.index]
    labels = placed["label"].astype("Int8").fillna(-1).to_numpy()
    other = np.flatnonzero(labels != same["label"].astype("Int8").fillna(-1).to_numpy())
    if len(other):
        raise PlacementError(
            f"{len(other)} of {len(placed)} placed patches have another label than their site: "
            f"{some(list(placed.index[other]))}; check which files are said to hold mining"
        )
    apart = np.abs(placed.get_coordinates().to_numpy() - same.get_coordinates().to_numpy())
    moved = np.flatnonzero((apart > _SAME_PLACE_DEGREES).any(axis=1))
    if len(moved):
        raise PlacementError(
            f"{len(moved)} of {len(placed)} placed patches lie elsewhere than their site: "
            f"{some(list(placed.index[moved]))}; check that both come from the same point files"
        )


def legacy_companions(path: StrPath | Sequence[StrPath]) -> list[Path]:
    """List the files that belong to legacy pickles by their names.

    These are the labels and the point files that `import_legacy` finds beside the pickles.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a_patch_arrays.pkl", "a_patch_array_labels.pkl", "a.geojson", "b.txt"):
    ...         Path(folder, name).touch()
    ...     [file.name for file in legacy_companions(folder)]
    ['a_patch_array_labels.pkl', 'a.geojson']
    """
    pairs = _find_pairs(path, None, None)
    return [file for pair in pairs for file in (pair.labels, pair.points) if file is not None]


def _find_pairs(
    path: StrPath | Sequence[StrPath],
    points: StrPath | Sequence[StrPath] | None,
    order: StrPath | Sequence[StrPath] | None,
) -> list[_Pair]:
    arrays = _array_files(path)
    given = {"points": _paths(points), "order": _paths(order)}
    for name, files in given.items():
        if files and len(files) != len(arrays):
            raise PlacementError(
                f"there are {len(arrays)} pickles of arrays ({some([f.name for f in arrays])}) and "
                f"{len(files)} files of {name}; give one for each, in the same order"
            )
        for file in files:
            if not file.is_file():
                raise NotThereError(f"there is no file {file}")
    pairs = []
    for pickle, points_file, order_file in zip_longest(arrays, given["points"], given["order"]):
        stem = pickle.name.removesuffix(ARRAYS_SUFFIX)
        labels = pickle.with_name(stem + LABELS_SUFFIX)
        beside = [pickle.with_name(stem + suffix) for suffix in _POINTS_SUFFIXES]
        found = next((file for file in beside if file.is_file()), None)
        has_labels = pickle.name.endswith(ARRAYS_SUFFIX) and labels.is_file()
        pairs.append(
            _Pair(pickle, labels if has_labels else None, points_file or found, order_file)
        )
    return pairs


def _paths(path: StrPath | Sequence[StrPath] | None) -> list[Path]:
    if path is None:
        return []
    return [Path(path)] if isinstance(path, str | PathLike) else [Path(one) for one in path]


def _array_files(path: StrPath | Sequence[StrPath]) -> list[Path]:
    files: list[Path] = []
    for one in _paths(path):
        found = sorted(one.glob("*" + ARRAYS_SUFFIX)) if one.is_dir() else [one]
        if not found or not found[0].is_file():
            raise NotThereError(f"{one} is no file, nor a folder with files *{ARRAYS_SUFFIX}")
        files += found
    return files


def _rows(pair: _Pair, settings: ImportSettings) -> Rows:
    content = load_pickle(pair.arrays)
    return rows_of_array(_stacked(content, pair.arrays.name), settings, pair.arrays.name)


def _stacked(content: Plain, name: str) -> AnyArray:
    """Make one array of an array, or of a list of arrays of one shape."""
    if isinstance(content, np.ndarray) and content.dtype.kind != "O":
        return content
    if not isinstance(content, list | tuple | np.ndarray) or len(content) == 0:
        raise InputError(f"{name} holds a {type(content).__name__}; expected an array or a list")
    if not all(_holds_numbers(patch) for patch in content):
        raise InputError(f"{name} holds patches of something else than numbers")
    patches = [np.asarray(patch) for patch in content]
    shapes = [patch.shape for patch in patches]
    odd = next((row for row, shape in enumerate(shapes) if shape != shapes[0]), None)
    if odd is not None:
        raise InputError(
            f"{name}: patch 0 has shape {shapes[0]} and patch {odd} {shapes[odd]}; expected equal"
        )
    return np.stack(patches)


def _holds_numbers(patch: object) -> bool:
    """Say whether a patch is an array or lists of numbers; text would grow when it is stacked."""
    if isinstance(patch, list | tuple):
        return all(_holds_numbers(part) for part in patch)
    if isinstance(patch, np.ndarray):
        return patch.dtype.kind in "biuf"
    return isinstance(patch, bool | int | float | np.number | np.bool_)


def _sites(
    pair: _Pair, rows: Rows, settings: ImportSettings, *, rows_follow_points: bool
) -> gpd.GeoDataFrame:
    """Give the sites of one pickle in the order of its rows."""
    n_rows = rows.shape[0]
    if pair.order is not None:
        table = _ordered(pair, settings)
        said = pair.order
    elif rows_follow_points:
        table = _read_points(_points_of(pair), pair, settings)
        said = _points_of(pair)
    else:
        table, said = numbered_sites(pair.stem, n_rows), pair.arrays
    if len(table) != n_rows:
        raise PlacementError(
            f"{pair.arrays.name} holds {n_rows} patches and {said.name} {len(table)} sites; which "
            "of them are missing cannot be told. Give the order of the rows (order=, --order)"
        )
    labels = _labels(pair, n_rows)
    if labels is not None:
        _check_labels(table["label"], labels, pair)
        table["label"] = labels.set_axis(table.index)
    table["source"] = pd.Series([pair.stem] * n_rows, index=table.index, dtype="str")
    return table


def _points_of(pair: _Pair) -> Path:
    if pair.points is None:
        raise PlacementError(
            f"{pair.arrays.name} has no point file beside it ({pair.stem}{_POINTS_SUFFIXES[0]}); "
            "name it (points=, --points)"
        )
    return pair.points


def _read_points(file: Path, pair: _Pair, settings: ImportSettings) -> gpd.GeoDataFrame:
    """Read places; that they bear no labels is of no account if the pickle has some."""
    with warnings.catch_warnings():
        if pair.labels is not None:
            warnings.simplefilter("ignore", UnlabelledWarning)
        return read_table(file, settings)


def _ordered(pair: _Pair, settings: ImportSettings) -> gpd.GeoDataFrame:
    if pair.order is None or pair.order.suffix != ".txt":
        table = _read_points(pair.order or _points_of(pair), pair, settings)
        # Tiles are small: the centroid of their degrees is that of their metres.
        return table.set_geometry(gpd.GeoSeries(_centres(table), crs=table.crs))
    lines = pair.order.read_text(encoding="utf-8").splitlines()
    ids = [line.strip() for line in lines if line.strip()]
    points = _read_points(_points_of(pair), pair, settings)
    unknown = [key for key in ids if key not in points.index]
    if unknown:
        raise PlacementError(
            f"{pair.order.name} names {some(unknown)}, which {_points_of(pair).name} does not have"
        )
    twice = sorted({key for key in ids if ids.count(key) > 1}) if len(set(ids)) < len(ids) else []
    if twice:
        raise PlacementError(f"{pair.order.name} names {some(twice)} more than once")
    return points.loc[ids].copy()


def _centres(table: gpd.GeoDataFrame) -> gpd.GeoSeries:
    import shapely

    shapes = table.geometry
    return gpd.GeoSeries(
        [None if shape is None else shapely.centroid(shape) for shape in shapes],
        index=table.index,
        crs=table.crs,
    )


def _labels(pair: _Pair, n_rows: int) -> pd.Series | None:
    if pair.labels is None:
        return None
    content = load_pickle(pair.labels)
    values = list(content) if isinstance(content, list | tuple | np.ndarray) else [content]
    if len(values) != n_rows:
        raise InputError(
            f"{pair.arrays.name} holds {n_rows} patches and {pair.labels.name} {len(values)} "
            "labels; expected equal"
        )
    numbers = [_label(value, pair.labels.name) for value in values]
    return pd.Series(numbers, dtype="Int8")


def _label(value: object, name: str) -> int | None:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, bool | int | float | np.number | np.bool_) and value in (0, 1):
        return int(value)
    is_short = isinstance(value, str | float) or (type(value) is int and abs(value) < 1 << 63)
    said = repr(value)[:80] if is_short else f"a {type(value).__name__}"
    raise InputError(f"{name} holds the label {said}; expected 1 (mining), 0 (not) or None")


def _check_labels(in_file: pd.Series, in_pickle: pd.Series, pair: _Pair) -> None:
    both = in_file.notna().to_numpy() & in_pickle.notna().to_numpy()
    differ = int((in_file.to_numpy()[both] != in_pickle.to_numpy()[both]).sum())
    if differ:
        raise PlacementError(
            f"{pair.arrays.name}: {differ} of {int(both.sum())} labels contradict those of the "
            "sites, so the rows are probably in another order; give their order (order=, --order)"
        )


def _join(pairs: Sequence[_Pair], tables: Sequence[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Put the tables below one another; ids that come in several get their file's name."""
    ids = pd.Index(np.concatenate([table.index.astype(str) for table in tables]))
    if not ids.is_unique:
        tables = [
            table.set_axis([f"{pair.stem}-{key}" for key in table.index], axis=0)
            for pair, table in zip(pairs, tables, strict=True)
        ]
    if len(tables) == 1:
        return tables[0]
    joined = pd.concat(tables)
    return gpd.GeoDataFrame(joined, geometry="geometry", crs=DEGREES)


def _join_rows(sources: Sequence[Rows]) -> Rows:
    """Read several pickles as if their rows were below one another."""
    first = sources[0]
    for rows in sources[1:]:
        if rows.shape[1:] != first.shape[1:]:
            raise InputError(
                f"{first.name} has patches of {first.shape[1:]} and {rows.name} of "
                f"{rows.shape[1:]} (rows, columns, bands); import them into datasets of their own"
            )
    ends = np.cumsum([rows.shape[0] for rows in sources])
    dtype = np.result_type(*[rows.dtype for rows in sources])

    def read(start: int, stop: int) -> AnyArray:
        parts = []
        for rows, end in zip(sources, ends, strict=True):
            begin = end - rows.shape[0]
            low, high = max(start, begin), min(stop, end)
            if low < high:
                parts.append(rows.read(low - begin, high - begin).astype(dtype, copy=False))
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    name = first.name if len(sources) == 1 else f"{len(sources)} pickles"
    return Rows(name, (int(ends[-1]), *first.shape[1:]), dtype, read)
