"""Import patches from NumPy arrays and a table of sites."""

import zipfile
from os import PathLike
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from minewatch import _store
from minewatch._progress import Progress, silent
from minewatch.errors import InputError, NotThereError, PlacementError
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
from minewatch.types import AnyArray, StrPath


def import_arrays(
    array: StrPath | AnyArray,
    out: StrPath,
    settings: ImportSettings,
    *,
    sites: StrPath | gpd.GeoDataFrame | None = None,
    key: str | None = None,
    rows_follow_sites: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
) -> PatchDataset:
    """Import patches from an array and a table of sites.

    Rows of the array and rows of the table are never joined silently: either a column of the table
    names the row of each site (`ImportSettings.row_column`), or you state that both are in the same
    order (`rows_follow_sites`). Without a table the patches are unplaced and unlabelled.

    Parameters
    ----------
    array
        ``.npy``, ``.npz`` or an array: integers or floats, dims (site, y, x, band), or (site, band,
        y, x) with ``band_axis="first"``.
    out
        Folder of the new dataset.
    settings
        Band order, level, scaling and the columns of the table.
    sites
        Table of sites: a file that `minewatch.sites.read_sites` reads, or its result. Sites without
        coordinates become unplaced patches.
    key
        Name of the array in an ``.npz`` that holds several.
    rows_follow_sites
        State that row i of the array belongs to row i of the table.
    overwrite
        Replace a dataset that is there.
    progress
        Told the patches written.

    Raises
    ------
    NotThereError
        If a file or key does not exist.
    PlacementError
        If nothing says how rows and sites belong together, or their numbers differ.
    InputError
        If shape or values contradict the settings.
    AlreadyThereError
        If the dataset exists.

    Warns
    -----
    UnplacedWarning
        If some patches have no coordinates.
    RoundedWarning
        If values had to be rounded or clipped.

    Examples
    --------
    >>> import tempfile
    >>> from shapely import Point
    >>> sites = gpd.GeoDataFrame(
    ...     {"label": [1, 0]},
    ...     geometry=[Point(-62.6, 5.4), Point(-62.7, 5.5)],
    ...     index=["mine", "forest"],
    ...     crs="EPSG:4326",
    ... )
    >>> array = np.full((2, 48, 48, 3), 900, dtype="int16")
    >>> settings = ImportSettings(bands="rgb", level="L2A")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dataset = import_arrays(array, folder, settings, sites=sites, rows_follow_sites=True)
    ...     print(dataset.shape, dataset.sites["crs"].to_list())
    (2, 3, 48, 48) ['EPSG:32620', 'EPSG:32620']
    """
    pixels, name = (array, "array") if isinstance(array, np.ndarray) else _read(Path(array), key)
    rows = rows_of_array(pixels, settings, name)
    if sites is None:
        table = numbered_sites(Path(name).stem, rows.shape[0])
    else:
        table = _in_order(
            read_table(sites, settings), rows, settings, rows_follow_sites=rows_follow_sites
        )
    inputs = _store.digest_files(
        path for path in (array, sites) if isinstance(path, str | PathLike)
    )
    if isinstance(array, np.ndarray):
        inputs["array"] = _store.digest_bytes(np.ascontiguousarray(array))
    dataset = import_rows(
        out,
        table,
        rows,
        settings,
        inputs=inputs,
        request={"array": key},
        overwrite=overwrite,
        progress=progress,
    )
    warn_unplaced(
        dataset.sites,
        "no table of sites was given" if sites is None else "the table has no coordinates for them",
    )
    return dataset


def _read(path: Path, key: str | None) -> tuple[AnyArray, str]:
    """Open an array file; pickled objects in it are refused, ``.npy`` files are mapped."""
    if not path.is_file():
        raise NotThereError(f"there is no file {path}")
    try:
        if path.suffix == ".npy":
            mapped: AnyArray = np.load(path, mmap_mode="r", allow_pickle=False)
            return mapped, path.name
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return archive[_pick_key(archive.files, key, path)], path.name
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read as .npy or .npz: {error}") from error


def _pick_key(keys: list[str], wanted: str | None, path: Path) -> str:
    if wanted is None and len(keys) == 1:
        return keys[0]
    if wanted in keys:
        return str(wanted)
    asked = "which one is meant is not said" if wanted is None else f"{wanted!r} is not one of them"
    raise InputError(f"{path} holds the arrays {some(keys)}; {asked}: name it (key=, --key)")


def _in_order(
    table: gpd.GeoDataFrame, rows: Rows, settings: ImportSettings, *, rows_follow_sites: bool
) -> gpd.GeoDataFrame:
    """Bring the table into the order of the array's rows, by what was said about them."""
    n_rows = rows.shape[0]
    if (settings.row_column is not None) == rows_follow_sites:
        wrong = (
            "row_column and rows_follow_sites both say which row of the array belongs to which site"
            if rows_follow_sites
            else "nothing says which row of the array belongs to which site"
        )
        raise PlacementError(
            f"{wrong}; either name the column of the table that holds each site's row, counted "
            "from 0 (row_column, --row-column), or state that both are in the same order "
            "(rows_follow_sites=True, --rows-follow-sites)"
        )
    if len(table) != n_rows:
        raise PlacementError(
            f"{rows.name} holds {n_rows} patches and the table {len(table)} sites; expected equal"
        )
    if settings.row_column is None:
        return table
    if settings.row_column not in table.columns:
        raise PlacementError(
            f"the table has no column {settings.row_column!r}; it has {some(table.columns, 20)}"
        )
    positions = pd.to_numeric(table[settings.row_column], errors="coerce").to_numpy(np.float64)
    if not np.array_equal(np.sort(positions), np.arange(n_rows)):
        raise PlacementError(
            f"column {settings.row_column!r} does not name each row from 0 to {n_rows - 1} once"
        )
    return table.iloc[np.argsort(positions, kind="stable")]
