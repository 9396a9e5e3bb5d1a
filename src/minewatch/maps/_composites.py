"""Composites as pictures that a page can hold: in Web Mercator, shaded alike, averaged down."""

import base64
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.warp import Resampling, reproject, transform_bounds

from minewatch.imagery._preview import FULL_COLOUR, PICTURES, shade
from minewatch.maps._contents import Composite

Kind: TypeAlias = Literal["true", "swir"]
KINDS: Final[Mapping[Kind, str]] = {"true": "true colour", "swir": "false colour"}
"""Kinds of picture, and what `minewatch.imagery` calls them."""
Bounds: TypeAlias = tuple[float, float, float, float]
"""West, south, east, north; metres of Web Mercator, or degrees where said."""

_MERCATOR: Final = "EPSG:3857"
_RADIUS_M: Final = 6_378_137.0
_QUALITY: Final = 82
"""Of WebP, 0 to 100."""
_COARSER: Final = 1.5
"""Pixels that are larger than the composite's by more than this factor are means of them."""
_SPARE_PX: Final = 4
"""Read around a part, so that its edges are interpolated from what lies beyond."""


@dataclass(frozen=True)
class Picture:
    """A composite, or a part of it, as a picture."""

    period: str
    """Name of its period."""
    kind: Kind
    """``true`` (red, green, blue) or ``swir`` (short-wave infrared, near infrared, red)."""
    bands: tuple[str, str, str]
    """Shown as red, green and blue."""
    bounds: Bounds
    """Degrees; its pixels are squares of Web Mercator."""
    source: str
    """WebP, as a data URI; clear where there is no data."""
    ground_m: float
    """Ground that a pixel shows, metres, at the middle of the picture."""


def draw_composite(composite: Composite, *, most_px: int) -> tuple[Picture, ...]:
    """Draw a composite in true colour and in short-wave infrared, as far as its bands are there.

    A colour means the same reflectance in every picture (black: 0, full colour: 0.3 in true colour
    and 0.5 in the other, gamma 1.5), so that two periods can be compared. A picture that would be
    larger than `most_px` is averaged down; it never has more pixels than the composite.

    Parameters
    ----------
    composite
        The imagery of a period.
    most_px
        Most pixels along a side.

    Returns
    -------
    tuple of Picture
        One for each kind that can be drawn.
    """
    box = composite.geobox
    west, south, east, north = transform_bounds(str(box.crs), _MERCATOR, *box.extent.boundingbox)
    middle = math.radians(to_degrees((west, south, east, north))[1])
    pixel = _pixel_m(composite) / math.cos(middle)
    pixel = max(pixel, (east - west) / most_px, (north - south) / most_px)
    width, height = (math.ceil(side / pixel) for side in (east - west, north - south))
    bounds = (west, north - height * pixel, west + width * pixel, north)
    return draw_part(composite, bounds, (height, width))


def draw_part(composite: Composite, bounds: Bounds, shape: tuple[int, int]) -> tuple[Picture, ...]:
    """Draw the part of a composite that lies in bounds of Web Mercator.

    Parameters
    ----------
    composite
        The imagery of a period.
    bounds
        Metres of Web Mercator.
    shape
        Rows and columns of the picture.

    Returns
    -------
    tuple of Picture
        None where the composite has no data in these bounds.
    """
    there = [str(name) for name in composite.reflectance["band"].to_numpy()]
    wanted = {kind: _bands(kind, there) for kind in KINDS}
    names = sorted({name for bands in wanted.values() for name in bands or ()})
    if not names:
        return ()
    values = dict(zip(names, _warp(composite, names, bounds, shape), strict=True))
    if not any(np.isfinite(one).any() for one in values.values()):
        return ()
    degrees = to_degrees(bounds)
    middle = math.radians((degrees[1] + degrees[3]) / 2.0)
    ground_m = (bounds[2] - bounds[0]) / shape[1] * math.cos(middle)
    return tuple(
        Picture(
            period=composite.period,
            kind=kind,
            bands=bands,
            bounds=degrees,
            source=_webp(
                shade(np.stack([values[name] for name in bands]), FULL_COLOUR[KINDS[kind]])
            ),
            ground_m=ground_m,
        )
        for kind, bands in wanted.items()
        if bands is not None
    )


def square_around(bounds: Bounds, *, least_m: float, margin: float = 0.35) -> Bounds:
    """Give a square around a place, with some of what lies around it.

    Parameters
    ----------
    bounds
        Of the place, degrees.
    least_m
        Least side, metres on the ground.
    margin
        What is added on each side, as a share of the place's longer side.

    Returns
    -------
    tuple of float
        Metres of Web Mercator.
    """
    west, south, east, north = to_mercator(bounds)
    stretch = 1.0 / math.cos(math.radians((bounds[1] + bounds[3]) / 2.0))
    side = max(max(east - west, north - south) * (1.0 + 2.0 * margin), least_m * stretch)
    x, y = (west + east) / 2.0, (south + north) / 2.0
    return x - side / 2.0, y - side / 2.0, x + side / 2.0, y + side / 2.0


def to_mercator(degrees: Bounds) -> Bounds:
    """Project bounds from degrees to Web Mercator.

    Examples
    --------
    >>> [round(one) for one in to_degrees(to_mercator((-62.0, 5.0, -61.0, 6.0)))]
    [-62, 5, -61, 6]
    """
    west, south, east, north = degrees
    return _x(west), _y(south), _x(east), _y(north)


def to_degrees(metres: Bounds) -> Bounds:
    """Bring bounds from Web Mercator to degrees."""
    west, south, east, north = metres

    def latitude(y: float) -> float:
        return math.degrees(2.0 * math.atan(math.exp(y / _RADIUS_M)) - math.pi / 2.0)

    return (
        math.degrees(west / _RADIUS_M),
        latitude(south),
        math.degrees(east / _RADIUS_M),
        latitude(north),
    )


def _x(longitude: float) -> float:
    return math.radians(longitude) * _RADIUS_M


def _y(latitude: float) -> float:
    return math.log(math.tan(math.pi / 4.0 + math.radians(latitude) / 2.0)) * _RADIUS_M


def _bands(kind: Kind, there: list[str]) -> tuple[str, str, str] | None:
    """Choose the bands for red, green and blue; None if one of them is not there."""
    chosen = [
        next((name for name in options if name in there), None) for options in PICTURES[KINDS[kind]]
    ]
    red, green, blue = chosen
    return None if red is None or green is None or blue is None else (red, green, blue)


def _warp(
    composite: Composite, names: list[str], bounds: Bounds, shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Bring bands into Web Mercator: (band, y, x), NaN = no data."""
    west, south, east, north = bounds
    height, width = shape
    warped = np.full((len(names), *shape), np.nan, dtype=np.float32)
    window = _window(composite, bounds)
    if window is None:
        return warped
    rows, columns = window
    of = composite.geobox.transform
    corner = Affine(of.a, 0.0, of.c + of.a * columns.start, 0.0, of.e, of.f + of.e * rows.start)
    target = Affine((east - west) / width, 0.0, west, 0.0, (south - north) / height, north)
    part = composite.reflectance.isel(y=rows, x=columns).sel(band=names)
    coarser = target.a * math.cos(math.radians(to_degrees(bounds)[1])) / _pixel_m(composite)
    reproject(
        part.to_numpy().astype(np.float32, copy=False),
        warped,
        src_transform=corner,
        src_crs=str(composite.geobox.crs),
        src_nodata=np.nan,
        dst_transform=target,
        dst_crs=_MERCATOR,
        dst_nodata=np.nan,
        resampling=Resampling.average if coarser > _COARSER else Resampling.bilinear,
    )
    return warped


def _window(composite: Composite, bounds: Bounds) -> tuple[slice, slice] | None:
    """Say which rows and columns of a composite lie in bounds of Web Mercator, and a few around."""
    box = composite.geobox
    west, south, east, north = transform_bounds(_MERCATOR, str(box.crs), *bounds)
    of = box.transform
    left, right = (west - of.c) / of.a, (east - of.c) / of.a
    top, bottom = (north - of.f) / of.e, (south - of.f) / of.e
    height, width = box.shape
    rows = slice(max(0, math.floor(top) - _SPARE_PX), min(height, math.ceil(bottom) + _SPARE_PX))
    columns = slice(max(0, math.floor(left) - _SPARE_PX), min(width, math.ceil(right) + _SPARE_PX))
    return None if rows.start >= rows.stop or columns.start >= columns.stop else (rows, columns)


def _pixel_m(composite: Composite) -> float:
    return abs(float(composite.geobox.resolution.x))


def _webp(pixels: npt.NDArray[np.uint8]) -> str:
    from PIL import Image

    opaque = bool((pixels[..., 3] == 255).all())
    image = Image.fromarray(np.ascontiguousarray(pixels[..., :3] if opaque else pixels))
    content = io.BytesIO()
    image.save(content, format="WEBP", quality=_QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode('ascii')}"
