"""Write a table of sites, whole or not at all."""

import filecmp
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd

from minewatch._store import refuse_existing, writing_file
from minewatch.errors import InputError
from minewatch.sites._distance import lonlat
from minewatch.sites._schema import SITE_ID
from minewatch.types import StrPath


def write_sites(sites: gpd.GeoDataFrame, path: StrPath, *, overwrite: bool = False) -> Path:
    """Write a table of sites to a file that `read_sites` gives back as it was.

    Parameters
    ----------
    sites
        A table of sites, points in EPSG:4326.
    path
        The suffix names the format: ``.parquet`` (GeoParquet), ``.geojson``, ``.gpkg``, or ``.csv``
        (columns longitude and latitude, degrees, instead of geometry).
    overwrite
        Replace a file that exists and holds something else.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        If the suffix is none of these.
    AlreadyThereError
        If the file exists, holds anything else, and `overwrite` is false.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from minewatch.sites import read_sites
    >>> sites = gpd.GeoDataFrame(
    ...     {"label": pd.array([1, None], dtype="Int8"), "source": "demo"},
    ...     index=pd.Index(["a", "b"], name="site_id"),
    ...     geometry=gpd.points_from_xy([-62.6, -62.5], [5.4, 5.5]),
    ...     crs="EPSG:4326",
    ... )
    >>> with TemporaryDirectory() as folder:
    ...     again = read_sites(write_sites(sites, Path(folder, "sites.gpkg")))
    >>> again["label"].to_dict(), bool((again.geometry == sites.geometry).all())
    ({'a': 1, 'b': None}, True)
    """
    file = Path(path)
    writer = _WRITERS.get(file.suffix.lower())
    if writer is None:
        raise InputError(f"{file} ends in {file.suffix!r}; expected one of {', '.join(_WRITERS)}")
    with writing_file(file) as aside:
        writer(sites, aside, file.stem)
        if not (file.is_file() and filecmp.cmp(aside, file, shallow=False)):
            refuse_existing(file, overwrite=overwrite)
    return file


def _write_parquet(sites: gpd.GeoDataFrame, aside: Path, _: str) -> None:
    sites.to_parquet(aside, index=True)


def _write_geojson(sites: gpd.GeoDataFrame, aside: Path, layer: str) -> None:
    # Without the option GDAL would round to 7 decimals, about 1 cm.
    table = _as_layer(sites)
    options = {"layer": layer, "COORDINATE_PRECISION": 15}
    table.to_file(aside, driver="GeoJSON", engine="pyogrio", **options)


def _write_geopackage(sites: gpd.GeoDataFrame, aside: Path, layer: str) -> None:
    _as_layer(sites).to_file(aside, driver="GPKG", engine="pyogrio", layer=layer)


def _write_csv(sites: gpd.GeoDataFrame, aside: Path, _: str) -> None:
    places = lonlat(sites)
    table = pd.DataFrame(sites.drop(columns=sites.geometry.name))
    at = 2 if list(table.columns[:2]) == ["label", "source"] else 0
    table.insert(at, "longitude", places[:, 0])
    table.insert(at + 1, "latitude", places[:, 1])
    table.to_csv(aside, index=True, index_label=SITE_ID)


def _as_layer(sites: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    # The layer formats know no column of small integers with gaps; float64 with NaN becomes null.
    table = sites.reset_index()
    for name in table.columns:
        if isinstance(table[name].dtype, pd.api.extensions.ExtensionDtype):
            if pd.api.types.is_integer_dtype(table[name].dtype) and table[name].isna().any():
                table[name] = table[name].to_numpy(np.float64, na_value=np.nan)
            elif pd.api.types.is_integer_dtype(table[name].dtype):
                table[name] = table[name].astype(table[name].dtype.numpy_dtype)
    return table


_WRITERS: Final[Mapping[str, Callable[[gpd.GeoDataFrame, Path, str], None]]] = {
    ".parquet": _write_parquet,
    ".geojson": _write_geojson,
    ".gpkg": _write_geopackage,
    ".csv": _write_csv,
}
