"""Load the imagery of a map's ground: block by block, averaged down where the ground is large."""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from minewatch._progress import Progress, silent
from minewatch.errors import CoverageWarning, ImageryError, InputError
from minewatch.grid import SOUTHERN_FALSE_NORTHING_M, utm_epsg
from minewatch.imagery import BatchSource, SceneQuery, attribution, makers_of
from minewatch.maps._contents import Composite, MapContents, Period
from minewatch.maps._gather import add_composites
from minewatch.scan._merge_windows import to_plane
from minewatch.types import Failure

BANDS: Final = ("B04", "B03", "B02", "B08", "B11")
"""What true colour and false colour need."""
MOST_PX: Final = 25_000_000
"""Of a composite: 50 × 50 km at 10 m. Larger ground has coarser pixels."""
MOST_KM2: Final = 20_000.0
"""Of imagery that is read for a map."""
MARGIN_M: Final = 1_000.0
"""Shown around detections, where no region says what was looked at."""
_RESOLUTION_M: Final = 10.0
_SNAP_M: Final = 60.0
_BLOCK_PX: Final = 504
_STEP: Final = "load imagery"


@dataclass(frozen=True)
class Mosaic:
    """Which pixels a composite has, and how they are read."""

    geobox: GeoBox
    """Of the composite."""
    factor: int
    """Pixels of 10 m along a side of one of its pixels."""
    block_px: int
    """Side of what is read at a time, pixels of the composite."""
    blocks: tuple[tuple[int, int], ...]
    """Row and column of the upper left pixel of each block that ground lies in."""

    def block(self, row: int, column: int) -> GeoBox:
        """Give the pixels of 10 m of a block."""
        side = self.block_px * self.factor
        whole = self.geobox.transform
        west, north = whole.c + column * whole.a, whole.f + row * whole.e
        transform = Affine(_RESOLUTION_M, 0.0, west, 0.0, -_RESOLUTION_M, north)
        return GeoBox((side, side), transform, self.geobox.crs)


def ground_of(contents: MapContents, *, margin_m: float = MARGIN_M) -> BaseGeometry:
    """Say which ground imagery is shown of: the region that was looked at, else around detections.

    Returns
    -------
    shapely.Geometry
        EPSG:4326.

    Raises
    ------
    InputError
        If there are neither.
    """
    if contents.region is not None:
        region: BaseGeometry = shapely.union_all(contents.region.geometry.to_numpy())
        return region
    bounds = shapely.bounds(contents.detections.geometry.to_numpy()).reshape(-1, 4)
    if not len(bounds):
        raise InputError("there are no detections to show imagery of, and no region")
    wide = margin_m / 111_000.0
    along = wide / np.cos(np.radians(np.clip(bounds[:, [1, 3]].mean(axis=1), -80, 80)))
    west, south, east, north = bounds.T
    squares = shapely.box(west - along, south - wide, east + along, north + wide)
    ground: BaseGeometry = shapely.union_all(squares)
    return ground


def plan_mosaic(ground: BaseGeometry, *, most_px: int = MOST_PX) -> Mosaic:
    """Lay the pixels of a composite over ground, in the UTM zone of its middle.

    Parameters
    ----------
    ground
        EPSG:4326.
    most_px
        Most pixels of the composite.

    Raises
    ------
    InputError
        If more than `MOST_KM2` of imagery would have to be read.

    Examples
    --------
    >>> mosaic = plan_mosaic(shapely.box(-62.7, 5.4, -62.6, 5.5))
    >>> mosaic.geobox.crs.epsg, mosaic.factor, len(mosaic.blocks)
    (32620, 1, 9)
    """
    west, south, east, north = ground.bounds
    epsg = utm_epsg((west + east) / 2.0, (south + north) / 2.0)
    plane = to_plane(np.array([shapely.segmentize(ground, 0.01)], dtype=object), epsg % 100)[0]
    left, bottom, right, top = plane.bounds
    left, top = math.floor(left / _SNAP_M) * _SNAP_M, math.ceil(top / _SNAP_M) * _SNAP_M
    whole_px = (right - left) * (top - bottom) / _RESOLUTION_M**2
    factor = max(1, math.ceil(math.sqrt(whole_px / most_px)))
    block_px = max(1, _BLOCK_PX // factor)
    pixel_m = factor * _RESOLUTION_M
    block_m = block_px * pixel_m
    rows, columns = (max(1, math.ceil(side / block_m)) for side in (top - bottom, right - left))
    blocks = tuple(_blocks(plane, (left, top), (rows, columns), block_m, block_px))
    if len(blocks) * (block_m / 1000.0) ** 2 > MOST_KM2:
        raise InputError(
            f"imagery of {len(blocks) * (block_m / 1000.0) ** 2:,.0f} km² would have to be read; "
            f"expected {MOST_KM2:,.0f} at most: leave the imagery out, or write maps of parts"
        )
    anchor = SOUTHERN_FALSE_NORTHING_M if epsg >= 32700 else 0
    transform = Affine(pixel_m, 0.0, left, 0.0, -pixel_m, top + anchor)
    box = GeoBox((rows * block_px, columns * block_px), transform, f"EPSG:{epsg}")
    return Mosaic(box, factor, block_px, blocks)


def _blocks(
    plane: BaseGeometry,
    corner: tuple[float, float],
    shape: tuple[int, int],
    block_m: float,
    block_px: int,
) -> Iterator[tuple[int, int]]:
    """Name the blocks that ground lies in."""
    shapely.prepare(plane)
    left, top = corner
    for row in range(shape[0]):
        lefts = left + np.arange(shape[1]) * block_m
        ups = np.full(len(lefts), top - row * block_m)
        boxes = shapely.box(lefts, ups - block_m, lefts + block_m, ups)
        for column in np.flatnonzero(shapely.intersects(plane, boxes)).tolist():
            yield row * block_px, column * block_px


def load_composite(
    source: BatchSource,
    query: SceneQuery,
    ground: BaseGeometry,
    *,
    most_px: int = MOST_PX,
    progress: Progress = silent,
) -> Composite:
    """Load the composite of a period over ground; what lies in no block of it is left empty.

    Parameters
    ----------
    source
        Where the imagery comes from.
    query
        The period, and what counts as a clear view; its bands are replaced by those that pictures
        need.
    ground
        EPSG:4326.
    most_px
        Most pixels; larger ground has pixels of 20 m, 30 m, …, each the mean of those of 10 m.
    progress
        Told the blocks read.

    Returns
    -------
    Composite
        At the resolution that `most_px` leaves.

    Raises
    ------
    InputError
        If the ground is too large.
    ImageryError
        If no block could be read.

    Warns
    -----
    CoverageWarning
        If some of them could not.
    """
    mosaic = plan_mosaic(ground, most_px=most_px)
    asked = query.model_copy(update={"bands": BANDS})
    boxes = {f"{row}_{column}": mosaic.block(row, column) for row, column in mosaic.blocks}
    values = np.full((len(BANDS), *mosaic.geobox.shape), np.nan, dtype=np.float32)
    failed: list[Failure] = []
    years: set[int] = set()
    makers: set[str] = set()
    progress(_STEP, 0, len(boxes))
    for done, (key, outcome) in enumerate(source.load_many(boxes, asked), start=1):
        if isinstance(outcome, Failure):
            failed.append(outcome)
        else:
            row, column = (int(part) for part in key.split("_"))
            there = slice(row, row + mosaic.block_px), slice(column, column + mosaic.block_px)
            read = outcome["reflectance"].to_numpy()
            values[:, *there] = average(read, mosaic.factor)
            scenes = outcome.attrs["scenes"]
            years |= {int(str(scene["date"])[:4]) for scene in scenes}
            makers |= set(makers_of(scenes)) if scenes else set()
        progress(_STEP, done, len(boxes))
    _tell_failed(failed, len(boxes))
    period = Period.of_days(query.start.isoformat(), query.end.isoformat())
    reflectance = xr.DataArray(values, dims=("band", "y", "x"), coords={"band": list(BANDS)})
    credit = attribution(years, makers) if years else ""
    return Composite(period.name, reflectance, mosaic.geobox, source.level, credit)


def load_imagery(
    contents: MapContents,
    source: BatchSource,
    query: SceneQuery | None = None,
    *,
    progress: Progress = silent,
) -> MapContents:
    """Load the imagery of every period of a map over its ground, and add it.

    Parameters
    ----------
    contents
        As `minewatch.maps.gather_contents` gives it.
    source
        Where the imagery comes from.
    query
        What counts as a clear view; its period and bands are replaced. None: the defaults.
    progress
        Told the blocks read.

    Raises
    ------
    InputError, ImageryError
        As `load_composite`.

    Warns
    -----
    CoverageWarning
        If there is no imagery of a period: it is left out.
    """
    ground = ground_of(contents)
    loaded = [
        load_composite(source, query_of(one, query), ground, progress=progress)
        for one in contents.periods
    ]
    there = [one for one in loaded if bool(np.isfinite(one.reflectance.to_numpy()).any())]
    for lost in (one.period for one in loaded if one not in there):
        warnings.warn(
            f"the source has no imagery of {lost} on this ground: none of it is shown, and no file "
            "of it is written; name a source that holds every period",
            CoverageWarning,
            stacklevel=2,
        )
    return add_composites(contents, there)


def query_of(period: Period, query: SceneQuery | None = None) -> SceneQuery:
    """Ask for imagery of a period; all else as in `query`, or as by default."""
    days = {"start": date.fromisoformat(period.start), "end": date.fromisoformat(period.end)}
    return SceneQuery(**days) if query is None else query.model_copy(update=days)


def _tell_failed(failed: list[Failure], total: int) -> None:
    if not failed:
        return
    if len(failed) == total:
        raise ImageryError(f"none of {total} blocks of imagery could be read: {failed[0].reason}")
    warnings.warn(
        f"{len(failed)} of {total} blocks of imagery could not be read, and are empty: "
        f"{failed[0].reason}",
        CoverageWarning,
        stacklevel=3,
    )


def average(values: npt.NDArray[np.float32], factor: int) -> npt.NDArray[np.float32]:
    """Average pixels, dims (band, y, x), by squares of `factor`; NaN where none is known.

    Examples
    --------
    >>> average(np.array([[[1.0, 3.0], [np.nan, np.nan]]], dtype=np.float32), 2).tolist()
    [[[2.0]]]
    """
    if factor == 1:
        return values
    bands, height, width = values.shape
    squares = values.reshape(bands, height // factor, factor, width // factor, factor)
    known = np.isfinite(squares)
    total = np.where(known, squares, 0.0).sum(axis=(2, 4), dtype=np.float64)
    count = known.sum(axis=(2, 4))
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return np.asarray(mean, dtype=np.float32)
