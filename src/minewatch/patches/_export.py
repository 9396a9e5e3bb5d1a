"""Export patches to the formats that others read: legacy pickles, npz, GeoTIFFs."""

import pickle
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import rasterio.errors

from minewatch import __version__, _store
from minewatch._progress import Progress, silent
from minewatch.bands import NO_DATA, SCALE_FACTOR
from minewatch.errors import InputError, UnplacedWarning
from minewatch.patches._dataset import PatchDataset
from minewatch.patches._legacy import ARRAYS_SUFFIX, LABELS_SUFFIX
from minewatch.patches._pixels import SHARD_SITES
from minewatch.patches._places import site_geobox
from minewatch.patches._scaling import Values, exported_values
from minewatch.types import AnyArray, StrPath

Format = Literal["legacy", "npz", "geotiff"]

_ABOUT_NAME: Final = "export.json"
_OURS: Final = _store.Ours(_ABOUT_NAME)
_STEP: Final = "export patches"
_GROUPS: Final[tuple[tuple[str, int | None], ...]] = (
    ("positives", 1),
    ("negatives", 0),
    ("unlabelled", None),
)
_PICKLE_PROTOCOL: Final = 4


@dataclass(frozen=True)
class _Job:
    """What is exported, and how its numbers are written."""

    dataset: PatchDataset
    wanted: Values
    progress: Progress

    def read(self, site_ids: list[str]) -> AnyArray:
        """Read pixels as they are to be written, dims (site, band, y, x)."""
        numbers = self.dataset.digital_numbers(site_ids).to_numpy()
        return exported_values(numbers, self.dataset.header, self.wanted)

    def blocks(self, sites: gpd.GeoDataFrame, done: int = 0) -> Iterator[tuple[int, AnyArray]]:
        """Read pixels some sites at a time, with the first row of each block."""
        total = len(self.dataset)
        ids = list(sites.index)
        self.progress(_STEP, done, total)
        for start in range(0, len(ids), SHARD_SITES):
            part = ids[start : start + SHARD_SITES]
            yield start, self.read(part)
            self.progress(_STEP, done + start + len(part), total)


def export_patches(
    dataset: PatchDataset,
    out: StrPath,
    *,
    format: Literal["legacy", "npz", "geotiff"],  # noqa: A002 - the word for it
    values: Values = "source",
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Export a dataset to a folder of files that other programs read.

    Patches that were imported from integers come back with the same bytes, unless the import had
    to clip some: see `values`. Clear counts are not exported.

    Parameters
    ----------
    dataset
        The patches.
    out
        Folder to write; a file ``export.json`` in it says bands, level, and what numbers mean.
    format
        ``"legacy"``: for each class a pickle of pixels, dims (site, y, x, band), one of labels, the
        points as GeoJSON and the ids as text, all in the same order. ``"npz"``: ``patches.npz``
        with `pixels` (site, y, x, band), `site_id`, `label` (−1 = unlabelled) and `bands`, beside
        ``sites.csv``. ``"geotiff"``: a file for each site on its own grid, with band descriptions,
        no-data value, scale and offset, beside ``sites.csv``.
    values
        ``"source"``: the numbers that were imported, in their type and scale; ``"dn"``: digital
        numbers, uint16, 0 = no data; ``"reflectance"``: float32, NaN = no data.
    overwrite
        Replace a folder that an export wrote, and to which nothing was added.
    progress
        Told the patches written.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    AlreadyThereError
        If the folder exists and `overwrite` is false, or it holds files that no export wrote.

    Warns
    -----
    UnplacedWarning
        If some patches have no coordinates: their GeoTIFFs get no georeference, and a legacy class
        that holds such gets no point file.

    Examples
    --------
    >>> import tempfile
    >>> from minewatch.patches import write_patches
    >>> sites = gpd.GeoDataFrame(
    ...     {"label": [1]}, geometry=gpd.points_from_xy([-62.6], [5.4], crs="EPSG:4326")
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     numbers = np.full((1, 3, 48, 48), 900, dtype="uint16")
    ...     made = write_patches(Path(folder, "a"), sites, numbers, bands="rgb", level="L2A")
    ...     files = export_patches(made, Path(folder, "b"), format="legacy")
    ...     sorted(file.name for file in files.iterdir())  # doctest: +NORMALIZE_WHITESPACE
    ['export.json', 'positives.geojson', 'positives_ids.txt', 'positives_patch_array_labels.pkl',
     'positives_patch_arrays.pkl']
    """
    writers = {"legacy": _write_legacy, "npz": _write_npz, "geotiff": _write_geotiffs}
    if format not in writers:
        raise InputError(f"format is {format!r}; expected {', '.join(writers)}")
    job = _Job(dataset, values, progress)
    with _store.writing_folder(out, overwrite=overwrite, ours=_OURS) as folder:
        writers[format](job, folder)
        files = sorted(file.name for file in folder.iterdir())
        _store.write_json(folder / _ABOUT_NAME, {**_about(job), "files": files})
    return Path(out)


def _about(job: _Job) -> dict[str, object]:
    header = job.dataset.header
    scale, offset, no_data = _meaning(job)
    return {
        "minewatch": __version__,
        "bands": list(header.bands),
        "level": header.level,
        "scale": scale,
        "offset": offset,
        "no_data": no_data,
        "saturation_dn": header.saturation_dn,
        "resolution_m": header.resolution_m,
        "source": header.source,
        "digest": header.digest,
        "sites_digest": header.sites_digest,
    }


def _meaning(job: _Job) -> tuple[float, float, float | None]:
    """Give scale, offset and no-data value of the exported numbers; None where it is NaN."""
    source = job.dataset.header.source_values
    if job.wanted == "reflectance":
        return 1.0, 0.0, None
    if job.wanted == "dn" or source is None:
        return SCALE_FACTOR, 0.0, float(NO_DATA)
    is_float = np.dtype(source.dtype).kind == "f"
    return source.scale, source.offset, None if is_float else source.no_data


def _write_legacy(job: _Job, folder: Path) -> None:
    sites = job.dataset.sites
    done = 0
    for name, label in _GROUPS:
        group = sites[sites["label"].isna() if label is None else (sites["label"] == label)]
        if group.empty:
            continue
        blocks = [np.moveaxis(block, 1, -1) for _, block in job.blocks(group, done)]
        done += len(group)
        _dump(folder / f"{name}{ARRAYS_SUFFIX}", np.ascontiguousarray(np.concatenate(blocks)))
        _dump(folder / f"{name}{LABELS_SUFFIX}", [label] * len(group))
        _store.write_text(folder / f"{name}_ids.txt", "\n".join(group.index) + "\n")
        if group.geometry.notna().all():
            _write_points(group, folder / f"{name}.geojson")
        else:
            _warn_unplaced(group, f"no {name}.geojson is written")


def _dump(path: Path, content: object) -> None:
    with path.open("wb") as file:
        pickle.dump(content, file, protocol=_PICKLE_PROTOCOL)


def _write_points(group: gpd.GeoDataFrame, path: Path) -> None:
    columns = ["label", "source", "start", "end", "geometry"]
    table = group[columns].reset_index()
    table.to_file(path, driver="GeoJSON", engine="pyogrio", COORDINATE_PRECISION=15)


def _write_npz(job: _Job, folder: Path) -> None:
    dataset = job.dataset
    n_sites, n_bands, size_px, _ = dataset.shape
    dtype = job.read(list(dataset.sites.index[:1])).dtype
    small = {
        "site_id": dataset.sites.index.to_numpy(dtype=str),
        "label": dataset.sites["label"].to_numpy(dtype=np.int8, na_value=-1),
        "bands": np.array(dataset.bands),
    }
    # Written by hand, because np.savez would need all pixels in memory at once.
    with zipfile.ZipFile(folder / "patches.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(_member("pixels"), "w", force_zip64=True) as file:
            shape = (n_sites, size_px, size_px, n_bands)
            described = {
                "descr": np.lib.format.dtype_to_descr(dtype),
                "fortran_order": False,
                "shape": shape,
            }
            np.lib.format.write_array_header_2_0(file, described)
            for _, block in job.blocks(dataset.sites):
                file.write(np.ascontiguousarray(np.moveaxis(block, 1, -1)).tobytes())
        for name, array in small.items():
            with archive.open(_member(name), "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    _write_table(dataset.sites, folder / "sites.csv")


def _member(name: str) -> zipfile.ZipInfo:
    """Name a member of the archive, with a fixed date, so that the same pixels give one file."""
    member = zipfile.ZipInfo(f"{name}.npy")
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


def _write_table(sites: gpd.GeoDataFrame, path: Path) -> None:
    table = pd.DataFrame(sites.drop(columns=["geometry", "footprint"]))
    table.to_csv(path, lineterminator="\n")


def _write_geotiffs(job: _Job, folder: Path) -> None:
    sites = job.dataset.sites
    unplaced = sites[sites["crs"].isna()]
    if len(unplaced):
        _warn_unplaced(unplaced, "their files get no georeference")
    for start, block in job.blocks(sites):
        for row, pixels in enumerate(block, start=start):
            _write_geotiff(job, folder, sites.iloc[row], pixels)
    _write_table(sites, folder / "sites.csv")


def _write_geotiff(job: _Job, folder: Path, site: pd.Series, pixels: AnyArray) -> None:
    dataset = job.dataset
    scale, offset, no_data = _meaning(job)
    n_bands, size_px, _ = pixels.shape
    profile = {
        "driver": "GTiff",
        "dtype": pixels.dtype.name,
        "count": n_bands,
        "height": size_px,
        "width": size_px,
        "compress": "deflate",
        "nodata": float("nan") if pixels.dtype.kind == "f" else no_data,
    }
    if not pd.isna(site["crs"]):
        geobox = site_geobox(site, size_px)
        profile |= {"crs": site["crs"], "transform": geobox.affine}
    path = folder / _store.file_name(str(site.name), ".tif")
    with warnings.catch_warnings():
        # Unplaced patches have been warned of once, above.
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as file:
            file.write(pixels)
            file.descriptions = dataset.bands
            file.scales, file.offsets = (scale,) * n_bands, (offset,) * n_bands
            file.update_tags(site_id=site.name, level=dataset.level)


def _warn_unplaced(sites: gpd.GeoDataFrame, what: str) -> None:
    warnings.warn(
        f"{len(sites)} patches are unplaced (no coordinates) or share a file with such: {what}"
        if sites.geometry.notna().any()
        else f"{len(sites)} patches are unplaced (no coordinates): {what}",
        UnplacedWarning,
        stacklevel=5,
    )
