"""Within the windows: bare ground and ponds, so that hectares mean ground and not squares."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage

from minewatch._progress import Progress, silent
from minewatch._store import refuse_existing
from minewatch.bands import spectral_indices
from minewatch.errors import IncompleteError
from minewatch.grid import SOUTHERN_FALSE_NORTHING_M, utm_epsg
from minewatch.imagery import BatchSource, SceneQuery, attribution, makers_of
from minewatch.scan._compare_ground import check_detections
from minewatch.scan._merge_file import (
    attribution_in,
    describe_making,
    read_detections,
    refuse_inputs,
    write_detections,
    writes_geojson,
)
from minewatch.scan._merge_polygons import M2_PER_HA, area_ha, points_within
from minewatch.scan._merge_windows import HEADER, to_degrees, to_plane
from minewatch.scan._outline_rule import OutlineRule
from minewatch.types import BoolArray, Failure, StrPath

BANDS: Final = ("B03", "B04", "B08", "B11")
"""What the rule needs: green, red, near and short-wave infrared."""
RESOLUTION_M: Final = 10.0
_SNAP_M: Final = 60.0
_BLOCK_M: Final = 5_040.0
"""Side of what is read at a time, without its margin; a multiple of `_SNAP_M`."""
_PRECISION_M: Final = 0.001
"""Edges of detections come back from degrees a nanometre off those of pixels; slivers between them
would be no valid ground in degrees."""
_EIGHT: Final = np.ones((3, 3), dtype=np.bool_)
_STEP: Final = "outline detections"


@dataclass(frozen=True)
class Mask:
    """What each pixel is; dims (y, x)."""

    bare: BoolArray
    """Bare ground."""
    pond: BoolArray
    """Ponds beside it."""
    unknown: BoolArray
    """Without data."""


def mask_ground(reflectance: xr.DataArray, rule: OutlineRule = OutlineRule()) -> Mask:  # noqa: B008
    """Say which pixels are bare ground and ponds.

    Parameters
    ----------
    reflectance
        Dims (band, y, x) with at least B03, B04, B08 and B11, of 10 m pixels; NaN = no data.
    rule
        What counts.

    Returns
    -------
    Mask
        Of the same pixels; a pixel without data is neither.

    Examples
    --------
    >>> forest, sand = [0.05, 0.03, 0.40, 0.15], [0.2, 0.25, 0.30, 0.4]
    >>> pool = [0.1, 0.1, 0.05, 0.02]
    >>> pixels = np.array([[forest, sand, sand, pool, sand, sand]]).transpose(2, 0, 1)
    >>> seen = xr.DataArray(pixels, dims=("band", "y", "x"), coords={"band": list(BANDS)})
    >>> mask = mask_ground(seen)
    >>> mask.bare.astype(int).tolist(), mask.pond.astype(int).tolist()
    ([[0, 1, 1, 0, 1, 1]], [[0, 0, 0, 1, 0, 0]])
    """
    values = reflectance.sel(band=list(BANDS)).to_numpy()
    index = spectral_indices(values, BANDS, band_axis=0)
    unknown = ~np.isfinite(values).all(axis=0)
    water = np.nan_to_num(index["MNDWI"], nan=-1.0) > rule.min_mndwi
    bare = (np.nan_to_num(index["NDVI"], nan=1.0) < rule.max_ndvi) & ~water & ~unknown
    pixel_ha = RESOLUTION_M**2 / M2_PER_HA
    away = ndimage.distance_transform_edt(~bare) if bare.any() else np.full(bare.shape, np.inf)
    beside = water & (np.asarray(away) * RESOLUTION_M <= rule.reach_m)
    bodies, _ = ndimage.label(water, structure=_EIGHT)
    is_pond = np.bincount(bodies.ravel()) * pixel_ha <= rule.max_pond_ha + 1e-9
    is_pond &= np.bincount(bodies.ravel(), weights=beside.ravel()) > 0
    is_pond[0] = False
    pond = is_pond[bodies]
    specks, _ = ndimage.label(bare | pond, structure=_EIGHT)
    keep = np.bincount(specks.ravel()) * pixel_ha >= rule.least_ha - 1e-9
    keep[0] = False
    kept = keep[specks]
    return Mask(bare & kept, pond & kept, unknown)


def outline_detections(
    detections: gpd.GeoDataFrame,
    source: BatchSource,
    query: SceneQuery,
    *,
    rule: OutlineRule = OutlineRule(),  # noqa: B008 - frozen
    progress: Progress = silent,
) -> gpd.GeoDataFrame:
    """Outline bare ground and ponds inside detections, from the composite of the same period.

    Parameters
    ----------
    detections
        Polygons, EPSG:4326, index ``detection_id``.
    source, query
        Where the composite comes from, and of which period; its bands do not matter.
    rule
        What counts; see there for what it cannot tell.
    progress
        Told the blocks of ground that were read.

    Returns
    -------
    GeoDataFrame
        Index of `detections`: ``area_ha``, of the windows; ``ground_ha``, of bare ground and ponds
        inside of them; ``bare_ha``, ``pond_ha``, its parts; ``not_seen_ha``, without data
        (float64, hectares on the ellipsoid); ``reason`` (str), why there are none: the imagery
        could not be read; else missing. Geometry: the ground, MultiPolygon in EPSG:4326 along the
        edges of pixels, empty where there is none. ``.attrs["attribution"]``: of the imagery.

    Raises
    ------
    InputError
        If the table is not one of detections.
    """
    shapes = check_detections(detections).geometry.to_numpy()
    zones = [utm_epsg(float(x), float(y)) for x, y in points_within(shapes)]
    blocks = {
        f"{row}_{number}": geobox
        for row, shape in enumerate(shapes)
        for number, geobox in enumerate(_blocks(shape, zones[row], rule))
    }
    asked = query.model_copy(update={"bands": BANDS})
    found: dict[int, list[_Block]] = {row: [] for row in range(len(shapes))}
    reasons: dict[int, str] = {}
    scenes: list[dict[str, str]] = []
    progress(_STEP, 0, len(blocks))
    for done, (key, outcome) in enumerate(source.load_many(blocks, asked), start=1):
        row = int(key.split("_")[0])
        if isinstance(outcome, Failure):
            reasons[row] = outcome.reason
        else:
            scenes += outcome.attrs["scenes"]
            seen = mask_ground(outcome["reflectance"], rule)
            found[row].append(_cut(shapes[row], blocks[key], zones[row], seen, rule))
        progress(_STEP, done, len(blocks))
    outlined = _gather(detections, found, reasons)
    years = {int(str(scene["date"])[:4]) for scene in scenes}
    outlined.attrs = {
        HEADER: {"rule": rule.model_dump()},
        "attribution": attribution(years, makers_of(scenes)) if scenes else "",
    }
    return outlined


@dataclass(frozen=True)
class _Block:
    """What was found in one block of a detection: polygons in EPSG:4326."""

    bare: shapely.Geometry
    pond: shapely.Geometry
    unknown: shapely.Geometry


def _blocks(shape: shapely.Geometry, epsg: int, rule: OutlineRule) -> Iterator[GeoBox]:
    """Cover a detection with blocks of the 60 m grid of its zone, each with its margin."""
    plane = to_plane(np.array([shape], dtype=object), epsg % 100)[0]
    west, south, east, north = shapely.bounds(plane)
    left = math.floor(west / _SNAP_M) * _SNAP_M
    top = math.ceil(north / _SNAP_M) * _SNAP_M
    anchor = SOUTHERN_FALSE_NORTHING_M if epsg >= 32700 else 0
    margin = _margin_m(rule)
    for down in range(math.ceil((top - south) / _BLOCK_M)):
        for along in range(math.ceil((east - left) / _BLOCK_M)):
            x, y = left + along * _BLOCK_M, top - down * _BLOCK_M
            width, height = min(_BLOCK_M, _up(east - x)), min(_BLOCK_M, _up(y - south))
            if not shapely.box(x, y - height, x + width, y).intersects(plane):
                continue
            transform = Affine(
                RESOLUTION_M, 0.0, x - margin, 0.0, -RESOLUTION_M, y + margin + anchor
            )
            rows, columns = (round((side + 2 * margin) / RESOLUTION_M) for side in (height, width))
            yield GeoBox((rows, columns), transform, f"EPSG:{epsg}")


def _up(length_m: float) -> float:
    return math.ceil(length_m / _SNAP_M) * _SNAP_M


def _margin_m(rule: OutlineRule) -> float:
    return _up(rule.margin_m)


def _cut(
    shape: shapely.Geometry, geobox: GeoBox, epsg: int, seen: Mask, rule: OutlineRule
) -> _Block:
    """Cut what a block shows to its own ground, without the margin, and to the detection."""
    west, south, east, north = geobox.boundingbox.bbox
    margin = _margin_m(rule)
    own = shapely.box(west + margin, south + margin, east - margin, north - margin)
    if epsg >= 32700:
        own = shapely.transform(own, lambda at: at - np.array([0.0, SOUTHERN_FALSE_NORTHING_M]))
    inside = shapely.intersection(to_plane(np.array([shape], dtype=object), epsg % 100)[0], own)
    cut = [
        shapely.intersection(_polygons(mask, geobox, epsg), inside, grid_size=_PRECISION_M)
        for mask in (seen.bare, seen.pond, seen.unknown)
    ]
    return _Block(*to_degrees(np.array(cut, dtype=object), epsg % 100))


def _polygons(mask: BoolArray, geobox: GeoBox, epsg: int) -> shapely.Geometry:
    """Draw pixels as polygons in the plane of the zone: runs of each row, united."""
    edges = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    row, start = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)
    anchor = SOUTHERN_FALSE_NORTHING_M if epsg >= 32700 else 0
    left, top = geobox.transform.c, geobox.transform.f - anchor
    runs = shapely.box(
        left + start * RESOLUTION_M,
        top - (row + 1) * RESOLUTION_M,
        left + end * RESOLUTION_M,
        top - row * RESOLUTION_M,
    )
    united: shapely.Geometry = shapely.union_all(runs)
    return united


def _gather(
    detections: gpd.GeoDataFrame,
    found: dict[int, list[_Block]],
    reasons: dict[int, str],
) -> gpd.GeoDataFrame:
    """Put the blocks of every detection together; none is given where one of them failed."""
    columns: dict[str, list[float]] = {name: [] for name in ("bare_ha", "pond_ha", "not_seen_ha")}
    ground = []
    for row, blocks in found.items():
        bare, pond, unknown = (
            shapely.union_all([getattr(block, name) for block in blocks])
            for name in ("bare", "pond", "unknown")
        )
        known = row not in reasons
        for name, shape in zip(columns, (bare, pond, unknown), strict=True):
            columns[name].append(float(area_ha(np.array([shape]))[0]) if known else np.nan)
        ground.append(_multipolygon(shapely.union(bare, pond)) if known else shapely.MultiPolygon())
    table = pd.DataFrame(columns, index=detections.index)
    table.insert(0, "ground_ha", table["bare_ha"] + table["pond_ha"])
    table.insert(0, "area_ha", area_ha(detections.geometry.to_numpy()))
    texts = [reasons.get(row) for row in range(len(detections))]
    table["reason"] = pd.array(texts, dtype="str")
    return gpd.GeoDataFrame(table, geometry=ground, crs="EPSG:4326")


def _multipolygon(ground: shapely.Geometry) -> shapely.Geometry:
    """Give ground as one kind of geometry; lines where pixels touch the border alone are none."""
    parts = [part for part in shapely.get_parts(ground) if part.geom_type == "Polygon"]
    return shapely.MultiPolygon(parts)


def outline_files(
    detections: StrPath,
    out: StrPath,
    source: BatchSource,
    query: SceneQuery,
    *,
    rule: OutlineRule = OutlineRule(),  # noqa: B008 - frozen
    geojson: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
) -> tuple[gpd.GeoDataFrame, list[Path]]:
    """Outline the detections of a file, and write the outlines.

    Parameters are those of `outline_detections` and `write_detections`.

    Returns
    -------
    outlines
        As `outline_detections` gives them.
    files
        What was written.

    Raises
    ------
    InputError, NotThereError, AlreadyThereError
        If an input cannot be used, or `out` is there.
    """
    geojson = writes_geojson(out, geojson=geojson, overwrite=overwrite)
    written = [out, Path(out).with_suffix(".geojson")] if geojson else [out]
    refuse_inputs(written, [detections])
    refuse_existing(Path(out), overwrite=overwrite)
    table = read_detections(detections)
    outlines = outline_detections(table, source, query, rule=rule, progress=progress)
    settings = {**outlines.attrs[HEADER], "query": query.model_dump(mode="json")}
    words = [attribution_in(table.attrs.get(HEADER)), outlines.attrs["attribution"]]
    made = describe_making("outline", [detections], settings, words)
    return outlines, write_detections(
        outlines, out, made=made, geojson=geojson, overwrite=overwrite
    )


def raise_failures(outlines: gpd.GeoDataFrame) -> None:
    """Raise an error if any detection could not be outlined; the table holds the reasons.

    Raises
    ------
    IncompleteError
        Which says how many, and why.
    """
    failed = outlines["reason"].dropna()
    if len(failed):
        raise IncompleteError(
            f"{len(failed)} of {len(outlines)} detections have no outline, such as "
            f"{failed.index[0]}: {failed.iloc[0]}; run it again (overwrite=True, --overwrite) when "
            "the imagery answers: all are outlined anew"
        )
