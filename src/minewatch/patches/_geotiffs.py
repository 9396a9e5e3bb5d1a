"""Import patches from a folder of GeoTIFFs."""

import math
import urllib.parse
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import rasterio.errors
import shapely
from affine import Affine
from pyproj import CRS, Geod

from minewatch import _store
from minewatch._progress import Progress, silent
from minewatch.bands import band_names
from minewatch.errors import BandError, InputError, NotThereError, PlacementError
from minewatch.patches._dataset import PatchDataset
from minewatch.patches._import import (
    ImportSettings,
    Rows,
    import_rows,
    read_table,
    some,
    warn_unplaced,
)
from minewatch.patches._places import DEGREES, format_transform, outlines
from minewatch.patches._scaling import Scaling
from minewatch.types import AnyArray, StrPath

_SUFFIXES: Final = (".tif", ".tiff")


@dataclass(frozen=True)
class _Image:
    """What one file says about itself, without its pixels."""

    path: Path
    folder: str
    shape: tuple[int, int, int]
    dtype: str
    descriptions: tuple[str | None, ...]
    no_data: float | None
    scale: float
    offset: float
    crs: str | None
    transform: Affine

    @property
    def site_id(self) -> str:
        return urllib.parse.unquote(self.path.stem)

    @property
    def outline(self) -> shapely.Polygon | None:
        """The corners in degrees; None if the file does not say where it lies."""
        if self.crs is None:
            return None
        height, width, _ = self.shape
        return outlines(self.crs, [self.transform], height=height, width=width)[0]


def import_geotiffs(
    folder: StrPath,
    out: StrPath,
    settings: ImportSettings,
    *,
    sites: StrPath | gpd.GeoDataFrame | None = None,
    classes: Mapping[str, int] | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> PatchDataset:
    """Import patches from GeoTIFFs, one file a patch, all of one size.

    A patch's id is its file's name without the suffix, and its place is the file's own transform.
    The files are used as they are: nothing is cut, resampled or reprojected.

    Parameters
    ----------
    folder
        Folder of ``.tif`` files, in it or in folders below it.
    out
        Folder of the new dataset.
    settings
        Level; bands, unless the files describe theirs. Where the files carry a scale and offset of
        their own, they go before the default scaling, and another scaling is refused. The files'
        no-data value goes before that of the scaling.
    sites
        Labels and further columns, joined by ``site_id``: a file that
        `minewatch.sites.read_sites` reads, or its result. Sites without a file are passed over.
    classes
        Labels by the name of the folder that a file lies in: ``{"mines": 1, "forest": 0}``.
    overwrite
        Replace a dataset that is there.
    progress
        Told the files looked at, then the patches written.

    Raises
    ------
    NotThereError
        If there is no such folder, or no GeoTIFF in it.
    BandError
        If the bands are neither named nor described, or the files disagree about them.
    PlacementError
        If the table lacks a file's site, or says that it lies outside its file.
    InputError
        If files differ in size, type or scale, cannot be read, or two have one id.
    AlreadyThereError
        If the dataset exists.

    Warns
    -----
    UnplacedWarning
        If files do not say where they lie, and the table does not either.
    RoundedWarning
        If values had to be rounded or clipped.

    Examples
    --------
    >>> import tempfile
    >>> from minewatch.patches import export_patches, import_arrays
    >>> sites = gpd.GeoDataFrame(geometry=gpd.points_from_xy([-62.6], [5.4], crs="EPSG:4326"))
    >>> array = np.full((1, 48, 48, 3), 900, dtype="uint16")
    >>> settings = ImportSettings(bands="rgb", level="L2A")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     home = Path(folder)
    ...     made = import_arrays(array, home / "a", settings, sites=sites, rows_follow_sites=True)
    ...     files = export_patches(made, home / "files", format="geotiff")
    ...     again = import_geotiffs(files, home / "b", ImportSettings(level="L2A"))
    ...     print(again.bands, again.geobox("0") == made.geobox("0"))
    ('B04', 'B03', 'B02') True
    """
    images = _look_at(Path(folder), progress)
    settings = _with_what_files_say(images, settings)
    table = _table(images, settings, sites, classes)
    files = [image.path for image in images]
    if isinstance(sites, str | Path):
        files.append(Path(sites))
    height, width, n_bands = images[0].shape
    rows = Rows(
        Path(folder).name,
        (len(images), height, width, n_bands),
        np.dtype(images[0].dtype),
        lambda start, stop: np.stack([_read(image) for image in images[start:stop]]),
    )
    dataset = import_rows(
        out,
        table,
        rows,
        settings,
        inputs=_store.digest_files(files),
        request={"classes": dict(classes or {})},
        overwrite=overwrite,
        progress=progress,
    )
    warn_unplaced(dataset.sites, "their files carry no CRS or transform")
    return dataset


def _look_at(folder: Path, progress: Progress) -> list[_Image]:
    if not folder.is_dir():
        raise NotThereError(f"there is no folder {folder}")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES)
    if not files:
        raise NotThereError(f"{folder} holds no file that ends in {' or '.join(_SUFFIXES)}")
    images = []
    progress("look at files", 0, len(files))
    for done, file in enumerate(files, start=1):
        images.append(_describe(file))
        progress("look at files", done, len(files))
    ids = pd.Series([image.site_id for image in images])
    if ids.duplicated().any():
        raise InputError(
            f"{folder} holds several files for {some(sorted(ids[ids.duplicated()].unique()))}; "
            "file names are the ids of the patches, so each may come once"
        )
    return images


def _describe(file: Path) -> _Image:
    with _opened(file) as image:
        placed = image.crs is not None and not image.transform.is_identity
        scales, offsets = set(image.scales), set(image.offsets)
        if len(scales) > 1 or len(offsets) > 1:
            raise InputError(f"{file} has bands of different scale or offset; expected one of each")
        return _Image(
            path=file,
            folder=file.parent.name,
            shape=(image.height, image.width, image.count),
            dtype=image.dtypes[0],
            descriptions=tuple(image.descriptions),
            no_data=image.nodata,
            scale=scales.pop(),
            offset=offsets.pop(),
            crs=_name_crs(image.crs) if placed else None,
            transform=image.transform,
        )


def _opened(file: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # Files without a place are known by their identity transform, and told of at the end.
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            # Without the driver, GDAL would go by the content, and some of its formats name other
            # files to read.
            return rasterio.open(file.absolute(), driver="GTiff")
    except rasterio.errors.RasterioIOError as error:
        raise InputError(f"{file} cannot be read as a GeoTIFF: {error}") from error


def _read(image: _Image) -> AnyArray:
    with _opened(image.path) as file:
        return np.moveaxis(np.asarray(file.read()), 0, -1)


def _name_crs(crs: Any) -> str:
    code = crs.to_epsg()
    return str(crs.to_wkt()) if code is None else f"EPSG:{code}"


def _with_what_files_say(images: Sequence[_Image], settings: ImportSettings) -> ImportSettings:
    """Check that the files agree, and fill in what they know."""
    first = images[0]
    for image in images:
        for word in ("shape", "dtype", "no_data", "scale", "offset"):
            ours, theirs = getattr(first, word), getattr(image, word)
            if ours != theirs and not (ours != ours and theirs != theirs):
                raise InputError(
                    f"{first.path.name} has {word} {ours} and {image.path.name} {theirs}; expected "
                    "all patches alike"
                )
    scaling = settings.scaling
    if (first.scale, first.offset) != (1.0, 0.0):
        scaling = _scaling_of(first, settings)
    if first.no_data is not None:
        known = None if math.isnan(first.no_data) else first.no_data
        scaling = scaling.model_copy(update={"no_data": known})
    return settings.model_copy(
        update={
            "bands": settings.bands or _described_bands(images),
            "scaling": scaling,
            "resolution_m": settings.resolution_m or _resolution_m(images),
        }
    )


def _scaling_of(image: _Image, settings: ImportSettings) -> Scaling:
    told = Scaling(scale=image.scale, offset=image.offset)
    said = (settings.scaling.scale, settings.scaling.offset)
    if settings.scaling != Scaling() and said != (told.scale, told.offset):
        raise InputError(
            f"{image.path.name} says scale {image.scale:g} and offset {image.offset:g}, you say "
            f"{settings.scaling.scale:g} and {settings.scaling.offset:g}; leave the scaling out, "
            "or correct the files"
        )
    return told


def _described_bands(images: Sequence[_Image]) -> tuple[str, ...]:
    first = images[0]
    if None in first.descriptions:
        raise BandError(
            f"{first.path.name} does not describe its {first.shape[2]} bands; name them (bands=, "
            "--bands)"
        )
    odd = next((i for i in images if i.descriptions != first.descriptions), None)
    if odd is not None:
        raise BandError(
            f"{first.path.name} has the bands {first.descriptions}, {odd.path.name} "
            f"{odd.descriptions}; expected all alike"
        )
    return band_names([str(name) for name in first.descriptions])


def _resolution_m(images: Sequence[_Image]) -> float | None:
    """Give a pixel's side on the ground: the median over the files, to the millimetre.

    In a UTM zone it is what the file says, true to 0.1 %. Any other CRS may stretch the ground, as
    Web Mercator does, so there the pixel is measured on the ellipsoid.
    """
    sides = [side for image in images if (side := _pixel_side_m(image)) is not None]
    return round(float(np.median(sides)), 3) if sides else None


def _pixel_side_m(image: _Image) -> float | None:
    if image.crs is None:
        return None
    if CRS.from_user_input(image.crs).utm_zone is not None:
        return math.sqrt(abs(image.transform.determinant))
    area_m2, _ = Geod(ellps="WGS84").geometry_area_perimeter(image.outline)
    return math.sqrt(abs(area_m2) / (image.shape[0] * image.shape[1]))


def _table(
    images: Sequence[_Image],
    settings: ImportSettings,
    sites: StrPath | gpd.GeoDataFrame | None,
    classes: Mapping[str, int] | None,
) -> gpd.GeoDataFrame:
    """Make the table of sites: the files' own places, and what is told about them."""
    index = pd.Index([image.site_id for image in images], name="site_id", dtype="str")
    shapes = [image.outline for image in images]
    centres = [None if shape is None else shape.centroid for shape in shapes]
    table = gpd.GeoDataFrame(
        {
            "label": _labels(images, classes),
            "source": [image.folder for image in images],
            "crs": [image.crs for image in images],
            "transform": [format_transform(i.transform) if i.crs else None for i in images],
        },
        geometry=gpd.GeoSeries(centres, index=index, crs=DEGREES),
        index=index,
        crs=DEGREES,
    )
    if sites is None:
        return table
    return _with_sites(table, dict(zip(index, shapes, strict=True)), read_table(sites, settings))


def _labels(images: Sequence[_Image], classes: Mapping[str, int] | None) -> Any:
    if classes is None:
        return pd.array([pd.NA] * len(images), dtype="Int8")
    unknown = sorted({image.folder for image in images} - set(classes))
    if unknown:
        raise InputError(
            f"there are files in the folders {some(unknown)}, whose class is not said; named are "
            f"{', '.join(classes)} (classes=, --class)"
        )
    return pd.array([classes[image.folder] for image in images], dtype="Int8")


def _with_sites(
    table: gpd.GeoDataFrame,
    shapes: Mapping[str, shapely.Polygon | None],
    sites: gpd.GeoDataFrame,
) -> gpd.GeoDataFrame:
    """Join the table of sites by id; the files' transforms stay, points and labels come from it."""
    missing = [key for key in table.index if key not in sites.index]
    if missing:
        raise PlacementError(
            f"{len(missing)} of {len(table)} files have no site in the table: {some(missing)}; "
            "files are joined by their names to the table's site_id (--site-id names its column)"
        )
    told = sites.loc[table.index]
    points = told.geometry.where(told.geometry.notna(), table.geometry)
    outside = [
        key
        for key, shape in shapes.items()
        if shape is not None and not shape.buffer(1e-9).covers(points[key])
    ]
    if outside:
        raise PlacementError(
            f"{len(outside)} sites lie outside their files: {some(outside)}; the files or the "
            "table bear the wrong names"
        )
    extra = [name for name in told.columns if name not in (*table.columns, "geometry")]
    labels = told["label"].where(told["label"].notna(), table["label"])
    joined = table.assign(label=labels.astype("Int8"), geometry=points)
    return gpd.GeoDataFrame(joined.join(pd.DataFrame(told[extra])), crs=DEGREES)
