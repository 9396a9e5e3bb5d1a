"""What Earth Engine is asked, in its own expressions: nothing is computed or sent here.

An expression is a value of Google's client library, which publishes no types of use to a checker.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias

from odc.geo.geobox import GeoBox

from minewatch.bands import band
from minewatch.errors import InputError
from minewatch.imagery._query import SceneQuery
from minewatch.types import Level

Expression: TypeAlias = Any
"""An image, a collection or a value that Earth Engine would compute."""

COLLECTIONS: Final[dict[Level, str]] = {
    "L1C": "COPERNICUS/S2_HARMONIZED",
    "L2A": "COPERNICUS/S2_SR_HARMONIZED",
}
"""The collections whose digital numbers mean the same before and after baseline 04.00."""
CLOUD_SCORES: Final = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
SCORE_BAND: Final = "cs_cdf"
CLOUD_PERCENT: Final = "CLOUDY_PIXEL_PERCENTAGE"
CLEAR_COUNT: Final = "clear_count"
IMAGE_ID: Final = "system:index"
KNOWN_PX: Final = "known_px"
CLEAR_PX: Final = "clear_px"
SCENE_PROPERTIES: Final = (
    IMAGE_ID, "system:time_start", "PROCESSING_BASELINE", "MGRS_TILE", "SPACECRAFT_NAME",
    "DATATAKE_IDENTIFIER", "DATASTRIP_ID", CLOUD_PERCENT,
)  # fmt: skip
"""What is asked about every image, in this order; only the first is sure to be there."""
MASK_PIXEL_M: Final = 20
"""Ground size of the pixels in which a query's dilation is counted, metres."""
MAX_MEASURED_PX: Final = 10**9


def crs_code(geobox: GeoBox) -> str:
    """Name a grid's CRS as Earth Engine does.

    Raises
    ------
    InputError
        If the CRS has no EPSG code.
    """
    code = geobox.crs.to_epsg() if geobox.crs is not None else None
    if code is None:
        raise InputError("the grid's CRS has no EPSG code; Earth Engine needs one to know it by")
    return f"EPSG:{code}"


def pixel_grid(geobox: GeoBox) -> dict[str, object]:
    """Give a GeoBox as Earth Engine's `PixelGrid`: the very pixels, none added, none resampled."""
    transform = geobox.transform
    rows, columns = geobox.shape.yx
    return {
        "crsCode": crs_code(geobox),
        "dimensions": {"width": int(columns), "height": int(rows)},
        "affineTransform": {
            "scaleX": transform.a,
            "shearX": transform.b,
            "translateX": transform.c,
            "shearY": transform.d,
            "scaleY": transform.e,
            "translateY": transform.f,
        },
    }


def find_images(level: Level, geobox: GeoBox, query: SceneQuery) -> Expression:
    """Find the images of the period that touch a place, each with its band of clear scores."""
    import ee

    first_day_after = query.end + timedelta(days=1)  # Earth Engine leaves the end out
    images = (
        ee.ImageCollection(COLLECTIONS[level])
        .filterBounds(_rectangle(geobox))
        .filterDate(query.start.isoformat(), first_day_after.isoformat())
    )
    if query.max_cloud_percent < 100.0:
        little = ee.Filter.lte(CLOUD_PERCENT, query.max_cloud_percent)
        unknown = ee.Filter.notNull([CLOUD_PERCENT]).Not()
        images = images.filter(ee.Filter.Or(little, unknown))
    return images.linkCollection(ee.ImageCollection(CLOUD_SCORES), [SCORE_BAND])


def keep_images(images: Expression, image_ids: Sequence[str]) -> Expression:
    """Keep the named images of a collection."""
    import ee

    return images.filter(ee.Filter.inList(IMAGE_ID, list(image_ids)))


def describe_images(images: Expression, *, more: Sequence[str] = ()) -> Expression:
    """Ask for the properties of every image, as one list of rows."""
    import ee

    names = [*SCENE_PROPERTIES, *more]
    every = ee.Reducer.toList(len(names), len(names) - 1)
    return images.reduceColumns(every, names).get("list")


def measure_images(images: Expression, geobox: GeoBox, query: SceneQuery) -> Expression:
    """Add to every image how many pixels of the place it knows, and how many of them are clear.

    Counted in the first of the query's bands, so that one band is read and not all of them.
    """

    def measure(image: Expression) -> Expression:
        known = image.select([_earth_engine_name(query.bands[0])])
        clear = known.updateMask(_clear(image, query))
        return image.set(
            {KNOWN_PX: _count_pixels(known, geobox), CLEAR_PX: _count_pixels(clear, geobox)}
        )

    return images.map(measure)


def compose(images: Expression, bands: Sequence[str], query: SceneQuery) -> Expression:
    """Make the composite of a collection: digital numbers, 0 = no data, and the clear views.

    The numbers are the medians of the clear views, rounded half up, at least 1. Of the bands'
    counts of clear values the largest is given, so that nothing is known where it is 0.
    """
    import ee

    def keep_clear(image: Expression) -> Expression:
        return _select(image, bands, query).updateMask(_clear(image, query))

    clear = images.map(keep_clear)
    counts = clear.count().unmask(value=0, sameFootprint=False).reduce(ee.Reducer.max())
    numbers = clear.median().add(0.5).floor().max(1).unmask(value=0, sameFootprint=False)
    return numbers.toUint16().addBands(counts.rename([CLEAR_COUNT]).toUint16())


def output_names(bands: Sequence[str]) -> list[str]:
    """Name the bands of a composite as Earth Engine gives them."""
    return [*(_earth_engine_name(name) for name in bands), CLEAR_COUNT]


def _clear(image: Expression, query: SceneQuery) -> Expression:
    clear = image.select([SCORE_BAND]).gte(query.clear_threshold)
    if query.clear_dilation_px == 0:
        return clear
    # what has no score is not clear either: a focal minimum would fill it from its neighbours
    return clear.unmask(value=0, sameFootprint=False).focalMin(
        query.clear_dilation_px * MASK_PIXEL_M, "square", "meters"
    )


def _select(image: Expression, bands: Sequence[str], query: SceneQuery) -> Expression:
    names = [_earth_engine_name(name) for name in bands]
    coarse = [_earth_engine_name(name) for name in bands if band(name).resolution_m > 10]
    if query.resampling == "bilinear" and coarse:
        image = image.addBands(image.select(coarse).resample("bilinear"), overwrite=True)
    return image.select(names)


def _count_pixels(image: Expression, geobox: GeoBox) -> Expression:
    import ee

    counts = image.rename(["px"]).reduceRegion(
        reducer=ee.Reducer.count(),
        geometry=_rectangle(geobox),
        crs=crs_code(geobox),
        crsTransform=list(geobox.transform)[:6],
        maxPixels=MAX_MEASURED_PX,
    )
    return counts.get("px")


def _rectangle(geobox: GeoBox) -> Expression:
    import ee

    bounds = geobox.boundingbox
    corners = [bounds.left, bounds.bottom, bounds.right, bounds.top]
    return ee.Geometry.Rectangle(corners, proj=crs_code(geobox), geodesic=False)


def _earth_engine_name(name: str) -> str:
    return band(name).earth_engine
