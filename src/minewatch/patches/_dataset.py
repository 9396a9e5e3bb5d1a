"""A patch dataset on disk, opened: its sites, and its pixels on request."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch.bands import band_positions, reflectance_from_dn
from minewatch.errors import DatasetError, InputError, NotThereError
from minewatch.patches import _pixels
from minewatch.patches._header import PIXELS_NAME, SITES_NAME, DatasetHeader, read_header
from minewatch.patches._places import COLUMNS, site_geobox
from minewatch.sites import CLASS_NAMES
from minewatch.types import AnyArray, Level, StrPath


@dataclass(frozen=True, eq=False)
class PatchDataset:
    """Patches of imagery around places, on disk, read when they are asked for.

    Open one with `PatchDataset.open`, make one with `write_patches` or an import.

    Attributes
    ----------
    path
        The folder of the dataset.
    header
        What the dataset says about itself.
    sites
        One row per patch in stored order, index ``site_id``. Columns: `label` (Int8: 1 mining,
        0 no mining, <NA> unlabelled), `source`, `geometry` (point, EPSG:4326; None if unplaced),
        `longitude`, `latitude` (degrees; NaN if unplaced), `footprint` (polygon, EPSG:4326),
        `crs`, `transform` (the patch's grid: six numbers a, b, c, d, e, f), `origin` (how it was
        placed: grid, point, transform, unplaced), `status`, `reason`, `scene_count` (Int32),
        `start`, `end` (ISO dates), then whatever else the source's table had. `n_nan_values`
        (Int64), if any number of the source was NaN or infinite, counts them.
    """

    path: Path
    header: DatasetHeader = field(repr=False)
    sites: gpd.GeoDataFrame = field(repr=False)
    _arrays: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, path: StrPath) -> "PatchDataset":
        """Open a dataset and check that it is whole; no pixel is read.

        Parameters
        ----------
        path
            Folder of the dataset.

        Raises
        ------
        NotThereError
            If there is no such folder.
        DatasetError
            If files are missing or disagree, or the format is of another version.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise NotThereError(f"{folder} does not exist; expected the folder of a patch dataset")
        header = read_header(folder)
        arrays = _open_arrays(folder, header)
        sites = _read_sites(folder, header)
        return cls(folder, header, sites, arrays)

    def __reduce__(self) -> tuple[Any, ...]:
        return (PatchDataset.open, (self.path,))

    def __len__(self) -> int:
        return self.header.n_sites

    @property
    def bands(self) -> tuple[str, ...]:
        """ESA's band names, in stored order."""
        return self.header.bands

    @property
    def level(self) -> Level:
        """Processing level of every pixel: L1C or L2A."""
        return self.header.level

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Numbers of sites, bands, rows and columns."""
        header = self.header
        return (header.n_sites, len(header.bands), header.size_px, header.size_px)

    def summary(self) -> dict[str, Any]:
        """Say in a few JSON values what the dataset holds; no pixel is read."""
        header, sites = self.header, self.sites
        labels = sites["label"].map(CLASS_NAMES).fillna("unlabelled")
        starts, ends = sites["start"].dropna(), sites["end"].dropna()
        return {
            "path": str(self.path),
            "patches": len(self),
            "size_px": header.size_px,
            "resolution_m": header.resolution_m,
            "bands": list(header.bands),
            "level": header.level,
            "classes": {str(key): int(n) for key, n in labels.value_counts().items()},
            "placed_by": {str(key): int(n) for key, n in sites["origin"].value_counts().items()},
            "status": {str(key): int(n) for key, n in sites["status"].value_counts().items()},
            "reasons": {
                str(key): int(n)
                for key, n in sites["reason"][sites["reason"] != ""].value_counts().items()
            },
            "made_without": int((sites["left_out"] != "").sum()) if "left_out" in sites else 0,
            "first_day": header.period_start or (None if starts.empty else str(starts.min())),
            "last_day": header.period_end or (None if ends.empty else str(ends.max())),
            "source": header.source,
            "asked_for": None if header.imagery is None else header.imagery.summary(),
            "scaling": header.source_values and header.source_values.model_dump(),
            "saturation_dn": header.saturation_dn,
            "changed_values": {key: round(n, 4) for key, n in header.conversion.items()},
            "clear_counts": header.has_clear_counts,
            "minewatch": header.minewatch,
            "digest": header.digest,
            "sites_digest": header.sites_digest,
        }

    def geobox(self, site_id: str) -> GeoBox:
        """Give the grid of pixels of one site.

        Raises
        ------
        InputError
            If there is no such site.
        PlacementError
            If the site is unplaced.
        """
        row = self._rows([site_id])[0]
        return site_geobox(self.sites.iloc[row], self.header.size_px)

    def pixels(
        self, site_ids: Iterable[str] | None = None, *, bands: str | Sequence[str] | None = None
    ) -> xr.DataArray:
        """Read reflectance.

        Parameters
        ----------
        site_ids
            The sites wanted, in the order wanted; one that is named twice comes twice. None reads
            all, in stored order.
        bands
            The bands wanted, in the order wanted, in any spelling. None reads all.

        Returns
        -------
        DataArray of float32
            Reflectance, dims (site, band, y, x), coordinates `site` (site_id) and `band`; NaN
            where nothing is known. Attributes `level` and `resolution_m`, the ground size of a
            pixel, metres.

        Raises
        ------
        InputError
            If a site is not there; the message names those that are not.
        BandError
            If a band is unknown or not there.
        """
        numbers = self.digital_numbers(site_ids, bands=bands)
        reflectance = numbers.copy(data=reflectance_from_dn(numbers.values))
        reflectance.name = _pixels.REFLECTANCE
        reflectance.attrs = {
            "units": "1",
            "long_name": "reflectance",
            "level": self.level,
            "resolution_m": self.header.resolution_m,
        }
        return reflectance

    def digital_numbers(
        self, site_ids: Iterable[str] | None = None, *, bands: str | Sequence[str] | None = None
    ) -> xr.DataArray:
        """Read the stored digital numbers: `pixels` without scaling.

        Returns
        -------
        DataArray of uint16
            Reflectance × 10,000, dims (site, band, y, x); 0 = no data.
        """
        positions = None if bands is None else band_positions(bands, self.bands)
        rows = slice(None) if site_ids is None else self._rows(site_ids)
        return self._digital_numbers(rows, positions)

    def clear_counts(self, site_ids: Iterable[str] | None = None) -> xr.DataArray | None:
        """Read how many clear views stand behind every pixel.

        Returns
        -------
        DataArray of uint16 or None
            Dims (site, y, x); None if the dataset does not know.
        """
        if not self.header.has_clear_counts:
            return None
        rows = slice(None) if site_ids is None else self._rows(site_ids)
        values = _pixels.read(self._arrays[_pixels.CLEAR_COUNT], rows, self.path)
        return xr.DataArray(
            values,
            dims=("site", "y", "x"),
            coords={"site": self._ids(rows)},
            name=_pixels.CLEAR_COUNT,
        )

    def blocks(self, n_sites: int = _pixels.SHARD_SITES) -> Iterator[xr.DataArray]:
        """Read all patches, some at a time, in stored order and bounded memory.

        Parameters
        ----------
        n_sites
            Patches in a block; multiples of 1,024 read whole shards.

        Yields
        ------
        DataArray of uint16
            Digital numbers as from `digital_numbers`, all bands.
        """
        if n_sites < 1:
            raise InputError(f"n_sites is {n_sites}; expected at least 1")
        for start in range(0, len(self), n_sites):
            rows = slice(start, min(start + n_sites, len(self)))
            yield self._digital_numbers(rows, None)

    def _digital_numbers(self, rows: slice | AnyArray, positions: list[int] | None) -> xr.DataArray:
        array = self._arrays[_pixels.REFLECTANCE]
        selection: Any = rows
        names = self.bands
        if positions is not None:
            array, selection = array.oindex, (rows, positions)
            names = tuple(self.bands[position] for position in positions)
        return xr.DataArray(
            _pixels.read(array, selection, self.path),
            dims=("site", "band", "y", "x"),
            coords={"site": self._ids(rows), "band": list(names)},
            name="digital_number",
            attrs={"level": self.level, "scale_factor": self.header.scale_factor},
        )

    def _ids(self, rows: slice | AnyArray) -> pd.Index:
        index: pd.Index = self.sites.index
        return index[rows].rename("site")

    def _rows(self, site_ids: Iterable[str]) -> AnyArray:
        wanted = [site_ids] if isinstance(site_ids, str) else list(site_ids)
        rows = self.sites.index.get_indexer(pd.Index(wanted, dtype=self.sites.index.dtype))
        missing = [key for key, row in zip(wanted, rows, strict=True) if row < 0]
        if missing:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise InputError(
                f"{', '.join(map(repr, missing[:5]))}{more} not among the {len(self)} sites of "
                f"{self.path}"
            )
        return np.asarray(rows)


def _open_arrays(folder: Path, header: DatasetHeader) -> dict[str, Any]:
    """Open the arrays and check their shapes and that every shard is there."""
    path = folder / PIXELS_NAME
    size = header.size_px
    shapes: dict[str, tuple[int, ...]] = {
        _pixels.REFLECTANCE: (header.n_sites, len(header.bands), size, size)
    }
    if header.has_clear_counts:
        shapes[_pixels.CLEAR_COUNT] = (header.n_sites, size, size)
    arrays = {}
    for name, shape in shapes.items():
        arrays[name] = _pixels.open_array(path, name)
        if tuple(arrays[name].shape) != shape:
            raise DatasetError(
                f"{path / name} has shape {tuple(arrays[name].shape)}, and the header says "
                f"{shape}; the dataset is damaged, import it again"
            )
        missing = [
            str(shard)
            for shard in range(len(_pixels.shard_ranges(header.n_sites)))
            if not _pixels.shard_path(path, name, shard, len(shape)).is_file()
        ]
        if missing:
            raise DatasetError(
                f"{path / name} lacks shards {', '.join(missing[:5])}; import the dataset again"
            )
    return arrays


def _read_sites(folder: Path, header: DatasetHeader) -> gpd.GeoDataFrame:
    path = folder / SITES_NAME
    if not path.is_file():
        raise DatasetError(f"{path} is missing; import the dataset again")
    try:
        sites = gpd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise DatasetError(f"{path} cannot be read as GeoParquet: {error}") from error
    missing = [name for name in COLUMNS if name not in sites.columns]
    if missing:
        raise DatasetError(f"{path} lacks the columns {', '.join(missing)}")
    if list(sites.index) != _pixels.read_strings(folder / PIXELS_NAME, "site"):
        raise DatasetError(
            f"{path} and {folder / PIXELS_NAME} name different sites ({len(sites)} rows, "
            f"{header.n_sites} patches); pixels and places can no longer be joined"
        )
    return sites.set_geometry("geometry")
