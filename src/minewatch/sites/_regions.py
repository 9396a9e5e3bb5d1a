"""Regions: polygons from a table, a geometry or a file, in EPSG:4326."""

import warnings
from pathlib import Path
from typing import TypeAlias

import geopandas as gpd
import pyogrio
import shapely

from minewatch.errors import InputError, NotThereError, ShapeWarning
from minewatch.sites._layers import LAYER_SUFFIXES, PARQUET_SUFFIXES, read_layer
from minewatch.sites._schema import SITES_CRS
from minewatch.sites._space import to_equal_area
from minewatch.types import AnyArray, StrPath

Region: TypeAlias = StrPath | gpd.GeoDataFrame | gpd.GeoSeries | shapely.Geometry

_STRAIGHT_DEGREES = 0.01


def read_region(region: Region) -> shapely.Geometry:
    """Give a region as one valid (multi)polygon in EPSG:4326, the same in whatever row order."""
    polygons = read_polygons(region).geometry.to_numpy()
    ground = shapely.normalize(shapely.union_all(shapely.normalize(polygons)))
    if ground.is_empty or shapely.area(ground) == 0:
        raise InputError("the region has no area; expected polygons")
    return ground


def read_polygons(region: Region) -> gpd.GeoDataFrame:
    """Give a layer of polygons in EPSG:4326; rings that cross themselves are made valid.

    Rows without a shape are left out. `ShapeWarning` says how many there were of either; where no
    row has a shape that is for the caller to say.
    """
    if isinstance(region, gpd.GeoDataFrame):
        layer = region
    elif isinstance(region, gpd.GeoSeries):
        layer = gpd.GeoDataFrame(geometry=region)
    elif isinstance(region, shapely.Geometry):
        layer = gpd.GeoDataFrame(geometry=[region], crs=SITES_CRS)
    else:
        layer = _read_layer(Path(region))
    what, mend = "the region", "use region.set_crs"
    if isinstance(region, str | Path):
        what, mend = str(region), "write the file with one"
    if layer.crs is None:
        raise InputError(f"{what} has no coordinate reference system; {mend}")
    geometry = layer.geometry.to_numpy()
    there = ~(shapely.is_missing(geometry) | shapely.is_empty(geometry))
    _warn(what, len(layer), n_empty=int((~there).sum()), n_crossed=_count_crossed(geometry[there]))
    layer = layer[there]
    kinds = set(layer.geom_type) - {"Polygon", "MultiPolygon"}
    if kinds:
        raise InputError(f"{what} holds {', '.join(sorted(kinds))}; expected polygons only")
    layer = layer.to_crs(SITES_CRS)
    west, south, east, north = layer.total_bounds
    if len(layer) and not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise InputError(
            f"{what} reaches from {west:g} to {east:g}° east, {south:g} to {north:g}° north; "
            "expected degrees within -180 to 180 and -90 to 90"
        )
    valid = shapely.make_valid(shapely.force_2d(layer.geometry.to_numpy()))
    return layer.set_geometry(gpd.GeoSeries(valid, index=layer.index, crs=SITES_CRS))


def _count_crossed(geometry: AnyArray) -> int:
    return int((~shapely.is_valid(geometry)).sum())


def _warn(what: str, n_rows: int, *, n_empty: int, n_crossed: int) -> None:
    said = []
    if 0 < n_empty < n_rows:
        said.append(f"rows without a shape, which are left out: {n_empty:,} of {n_rows:,}")
    if n_crossed:
        said.append(f"shapes that cross themselves, which were mended: {n_crossed:,} of {n_rows:,}")
    if said:
        warnings.warn(f"{what}: {'; '.join(said)}", ShapeWarning, stacklevel=3)


def equal_area_m2(polygon: shapely.Geometry) -> float:
    """Measure a polygon in EPSG:4326 on the ellipsoid, square metres; edges straight in degrees."""
    fine = shapely.segmentize(polygon, _STRAIGHT_DEGREES)
    return float(shapely.area(shapely.transform(fine, to_equal_area)))


def _read_layer(file: Path) -> gpd.GeoDataFrame:
    if not file.exists():
        raise NotThereError(f"there is no file {file}")
    suffix = file.suffix.lower()
    if suffix not in (*LAYER_SUFFIXES, *PARQUET_SUFFIXES):
        known = ", ".join([*LAYER_SUFFIXES, *PARQUET_SUFFIXES])
        raise InputError(f"{file} ends in {file.suffix!r}; expected one of {known}")
    try:
        layer = gpd.read_parquet(file) if suffix in PARQUET_SUFFIXES else read_layer(file)
    except InputError:
        raise
    except (pyogrio.errors.DataSourceError, OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as polygons: {error}") from error
    if not isinstance(layer, gpd.GeoDataFrame):
        raise InputError(f"{file} holds no geometry; expected polygons")
    return layer
