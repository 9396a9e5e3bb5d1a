"""Where patches lie: the dataset's table of sites, the grid of each patch and its footprint."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer

from minewatch.errors import PlacementError, SitesError
from minewatch.grid import PatchGrid, utm_epsg
from minewatch.patches._periods import check_periods, iso_days
from minewatch.sites import validate_sites

COLUMNS: Final = (
    "label", "source", "geometry", "longitude", "latitude", "footprint", "crs", "transform",
    "origin", "status", "reason", "scene_count", "start", "end",
)  # fmt: skip
"""The columns that every dataset's table of sites has, in this order."""

DEGREES: Final = CRS.from_epsg(4326)
"""Longitude and latitude, made once because making a CRS takes its time."""

Cut = Literal["grid", "point"]

_ALLOWED_FAULTS: Final = ("no geometry", "duplicate point", "conflicting labels")
"""Faults of a table of sites that a dataset may have: patches can be unplaced, and it is for the
check of sites and for the exploration to speak of what overlaps."""


def dataset_sites(
    sites: gpd.GeoDataFrame, *, size_px: int, resolution_m: float, cut: Cut
) -> gpd.GeoDataFrame:
    """Complete a table of sites to the schema of a patch dataset.

    Sites that bring their grid (columns `crs` and `transform`) keep it. The others get the grid
    around their point: of `minewatch.grid.PatchGrid` (`cut` ``"grid"``) or a square centred on
    the point in its UTM zone (``"point"``). Sites without a point are unplaced.

    Raises
    ------
    SitesError
        If ids are missing or come twice, a label is neither 1, 0 nor missing, the geometry is not
        points in EPSG:4326 where patches can be, longitude and latitude look exchanged, or a day is
        no ISO date.
    """
    sites = _checked_sites(sites)
    points = sites.geometry
    frame = pd.DataFrame(sites)
    frame["longitude"], frame["latitude"] = points.x, points.y
    frame = _with_grids(frame, size_px=size_px, resolution_m=resolution_m, cut=cut)
    frame["footprint"] = _footprints(frame, size_px)
    frame = _with_defaults(frame)
    check_periods(frame["start"], frame["end"])
    extra = [name for name in frame.columns if name not in COLUMNS]
    table = gpd.GeoDataFrame(frame[[*COLUMNS, *extra]], geometry="geometry", crs=DEGREES)
    table["footprint"] = gpd.GeoSeries(table["footprint"], crs=DEGREES)
    return table


def site_geobox(site: pd.Series, size_px: int) -> GeoBox:
    """Give the grid of pixels of one site of a dataset.

    Raises
    ------
    PlacementError
        If the site is unplaced.
    """
    if pd.isna(site["crs"]) or pd.isna(site["transform"]):
        raise PlacementError(f"site {site.name!r} is unplaced, so it has no grid on the ground")
    return GeoBox((size_px, size_px), parse_transform(site["transform"]), site["crs"])


def format_transform(transform: Affine) -> str:
    """Write a transform as its six numbers a, b, c, d, e, f, exact to the last bit."""
    return ", ".join(repr(float(value)) for value in tuple(transform)[:6])


def parse_transform(text: str) -> Affine:
    """Read what `format_transform` wrote."""
    return Affine(*(float(part) for part in text.split(",")))


def outlines(
    crs: str, transforms: Sequence[Affine], *, height: int, width: int
) -> list[shapely.Polygon]:
    """Draw the corners of rasters of one CRS and size in degrees, EPSG:4326."""
    column = np.array([0, width, width, 0], dtype=np.float64)
    row = np.array([0, 0, height, height], dtype=np.float64)
    a, b, c, d, e, f = np.array([tuple(t)[:6] for t in transforms]).T[:, :, None]
    x, y = a * column + b * row + c, d * column + e * row + f
    longitude, latitude = _transformer(crs, "EPSG:4326").transform(x, y)
    return list(np.asarray(shapely.polygons(np.stack([longitude, latitude], axis=-1))))


def _checked_sites(sites: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Give the sites with text as ids and points as `geometry`, once they are found sound."""
    if len(sites) == 0:
        raise SitesError("there is no site; a dataset needs at least one")
    if sites.index.isna().any():
        raise SitesError("some site ids are empty; give every row an id of its own")
    name = sites.active_geometry_name
    points = pd.Series([None] * len(sites)) if name is None else sites.geometry
    crs = DEGREES if name is None or points.isna().all() else points.crs
    ids = pd.Index(sites.index.astype(str), name="site_id")
    table = pd.DataFrame(sites.drop(columns=name or [])).set_axis(ids, axis=0)
    table = table.assign(
        label=_column(table, "label", pd.NA),
        source=_column(table, "source", ""),
        geometry=gpd.GeoSeries(points.to_numpy(), index=ids, crs=crs),
    )
    return validate_sites(gpd.GeoDataFrame(table, geometry="geometry"), allow=_ALLOWED_FAULTS)


def _with_grids(
    frame: pd.DataFrame, *, size_px: int, resolution_m: float, cut: Cut
) -> pd.DataFrame:
    """Add `crs`, `transform` and `origin`; keep those that a site brings."""
    nothing = [None] * len(frame)
    brought = zip(
        frame.get("crs", nothing),
        frame.get("transform", nothing),
        frame.get("origin", nothing),
        strict=True,
    )
    grids: list[tuple[str | None, str | None, str]] = []
    places = zip(frame["longitude"], frame["latitude"], strict=True)
    for (crs, transform, origin), (longitude, latitude) in zip(brought, places, strict=True):
        if not (pd.isna(crs) or pd.isna(transform)):
            grids.append((crs, transform, "transform" if pd.isna(origin) else origin))
        elif np.isnan(longitude):
            grids.append((None, None, "unplaced"))
        else:
            geobox = _grid_at(
                longitude, latitude, size_px=size_px, resolution_m=resolution_m, cut=cut
            )
            grids.append((str(geobox.crs), format_transform(geobox.affine), cut))
    columns = dict(zip(("crs", "transform", "origin"), zip(*grids, strict=True), strict=True))
    return frame.assign(
        **{
            key: pd.Series(values, index=frame.index, dtype="str")
            for key, values in columns.items()
        }
    )


def _grid_at(
    longitude: float, latitude: float, *, size_px: int, resolution_m: float, cut: Cut
) -> GeoBox:
    if cut == "grid":
        return PatchGrid(size_px=size_px, resolution_m=resolution_m).geobox(longitude, latitude)
    epsg = utm_epsg(longitude, latitude)
    easting, northing = _transformer("EPSG:4326", f"EPSG:{epsg}").transform(longitude, latitude)
    half = size_px * resolution_m / 2.0
    transform = Affine(resolution_m, 0.0, easting - half, 0.0, -resolution_m, northing + half)
    return GeoBox((size_px, size_px), transform, f"EPSG:{epsg}")


@lru_cache(maxsize=128)
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def _footprints(frame: pd.DataFrame, size_px: int) -> gpd.GeoSeries:
    footprints = np.full(len(frame), None, dtype=object)
    for crs, rows in frame.reset_index(drop=True).dropna(subset="crs").groupby("crs"):
        transforms = [parse_transform(text) for text in rows["transform"]]
        footprints[rows.index] = outlines(str(crs), transforms, height=size_px, width=size_px)
    return gpd.GeoSeries(footprints, index=frame.index, crs=DEGREES)


def _with_defaults(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(
        label=_column(frame, "label", pd.NA).astype("Int8"),
        source=_column(frame, "source", "").astype("str"),
        status=_column(frame, "status", "ok").astype("str"),
        reason=_column(frame, "reason", "").astype("str"),
        scene_count=_column(frame, "scene_count", pd.NA).astype("Int32"),
        start=iso_days(_column(frame, "start", None).rename("start")),
        end=iso_days(_column(frame, "end", None).rename("end")),
    )


def _column(frame: pd.DataFrame, name: str, default: object) -> pd.Series:
    if name in frame.columns:
        return frame[name]
    return pd.Series([default] * len(frame), index=frame.index, dtype=object)
