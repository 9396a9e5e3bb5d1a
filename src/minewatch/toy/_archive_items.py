"""Describe the archive's products as STAC, word for word as Earth Search v1 describes its own."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import shapely
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from minewatch.bands import BANDS as ALL_BANDS
from minewatch.bands import NO_DATA, SCALE_FACTOR
from minewatch.bands import band as band_named
from minewatch.toy._archive_ground import factor_of
from minewatch.toy._archive_plan import Product, Tile
from minewatch.toy._archive_scene import BANDS, MASK, TRACK_SLOPE, Swath
from minewatch.toy._camera import EPSG
from minewatch.toy._shapes import CELL_M, Cells
from minewatch.toy._weather import SUN
from minewatch.types import IntArray

COLLECTION: Final = "sentinel-2-l2a"
COG_TYPE: Final = "image/tiff; application=geotiff; profile=cloud-optimized"
MAKER: Final = {
    "name": "made up, the toy valley of minewatch, no real place",
    "description": "A valley that does not exist, as Sentinel-2 would see it.",
    "roles": ["producer", "licensor"],
}
"""STAC's provider: who made the data, so that nobody takes them for Copernicus'."""
LICENCE: Final = "CC0-1.0"
_EXTENSIONS: Final = "https://stac-extensions.github.io/"
_CLASS_NAMES: Final = {
    1: "saturated_defective_pixel",
    2: "dark_features",
    3: "cloud_shadow",
    4: "vegetation",
    5: "not_vegetated",
    6: "water",
    7: "unclassified",
    8: "medium_proba_clouds",
    9: "high_proba_clouds",
    10: "thin_cirrus",
    11: "snow_ice",
}
_WHOLE_WORLD: Final = 1e7


def describe_product(
    product: Product, tile: Tile, swath: Swath, counts: IntArray
) -> dict[str, Any]:
    """Give a product's STAC item; its files lie beside it.

    Parameters
    ----------
    product
        The product.
    tile
        Its tile.
    swath
        Where it has data.
    counts
        How many pixels of the tile's scene classification, 20 m, are of each class from 0 to 11.
    """
    cells, footprint = tile.cells, footprint_of(tile, swath)
    properties = _properties(product, footprint, counts)
    newest = product.baseline > "05.00"
    properties |= {"proj:code": f"EPSG:{EPSG}"} if newest else {"proj:epsg": EPSG}
    extensions = (
        "grid/v1.1.0", "mgrs/v1.0.0", "processing/v1.1.0",
        "projection/v2.0.0" if newest else "projection/v1.1.0", "sentinel-2/v1.0.0",
        "raster/v1.1.0", "view/v1.0.0", "eo/v1.1.0",
    )  # fmt: skip
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [f"{_EXTENSIONS}{name}/schema.json" for name in extensions],
        "id": product.id,
        "geometry": shapely.geometry.mapping(footprint),
        "bbox": [round(value, 6) for value in footprint.bounds],
        "properties": properties,
        "links": _links(product),
        "assets": {
            **{band_named(name).common: _band_asset(product, name, cells) for name in BANDS},
            "scl": _asset(MASK, "Scene classification map (SCL)", 2, cells)
            | {
                "raster:bands": [
                    {"nodata": NO_DATA, "data_type": "uint8", "spatial_resolution": 20}
                ],
                "roles": ["data"],
            },
        },
        "collection": COLLECTION,
    }


def folder_of(product: Product) -> str:
    """Give the folder of a product below the collection's, as the open bucket has it."""
    tile, day = product.tile, product.acquisition.day
    return f"{int(tile[:2])}/{tile[2]}/{tile[3:]}/{day.year}/{day.month}/{product.id}"


def footprint_of(tile: Tile, swath: Swath) -> BaseGeometry:
    """Give the outline of a product's valid pixels in EPSG:4326, rounded to a millionth degree."""
    outline: BaseGeometry = shapely.union_all([shapely.box(*part.bounds) for part in tile.parts])
    if swath.edge is not None:
        outline &= _half_plane(swath.edge, (1.0, -TRACK_SLOPE), 0.0)
    if swath.cut is not None:
        sign = 1.0 if swath.part == "north" else -1.0
        outline &= _half_plane(swath.cut, (sign * TRACK_SLOPE, sign), -60.0)
    to_degrees = Transformer.from_crs(EPSG, 4326, always_xy=True)
    outline = shapely.segmentize(shapely.normalize(outline), 4_000.0)
    return shapely.transform(
        outline,
        lambda points: np.round(
            np.column_stack(to_degrees.transform(points[:, 0], points[:, 1])), 6
        ),
    )


def _half_plane(
    point: tuple[float, float], towards: tuple[float, float], least: float
) -> shapely.Polygon:
    """Make a huge polygon of the places that lie more than `least` past a point, in a direction."""
    east, north = towards
    start = (point[0] + east * least, point[1] + north * least)
    far = _WHOLE_WORLD
    left = (start[0] - north * far, start[1] + east * far)
    right = (start[0] + north * far, start[1] - east * far)
    ahead = [(x + east * far, y + north * far) for x, y in (right, left)]
    return shapely.Polygon([left, right, *ahead])


def _properties(product: Product, footprint: BaseGeometry, counts: IntArray) -> dict[str, Any]:
    taken, tile = product.acquisition, product.tile
    azimuth, elevation = SUN[taken.day.month - 1][:2]
    valid = max(1, int(counts[1:].sum()))
    shares = {
        f"s2:{name}_percentage": round(100.0 * int(counts[number]) / valid, 6)
        for number, name in _CLASS_NAMES.items()
    }
    clouds = round(100.0 * int(counts[8] + counts[9] + counts[10]) / valid, 6)
    centre = footprint.centroid
    return {
        "created": _instant(product.generated + timedelta(hours=3)),
        "platform": f"sentinel-2{taken.platform[-1].lower()}",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": clouds,
        "proj:centroid": {"lat": round(centre.y, 5), "lon": round(centre.x, 5)},
        "mgrs:utm_zone": int(tile[:2]),
        "mgrs:latitude_band": tile[2],
        "mgrs:grid_square": tile[3:],
        "grid:code": f"MGRS-{tile}",
        "view:azimuth": 283.4 if taken.orbit == 96 else 104.8,
        "view:incidence_angle": 4.7 if taken.orbit == 96 else 9.6,
        "view:sun_azimuth": azimuth,
        "view:sun_elevation": elevation,
        **_names(product),
        "s2:degraded_msi_data_percentage": 0,
        "s2:nodata_pixel_percentage": round(100.0 * int(counts[0]) / int(counts.sum()), 6),
        **shares,
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": product.baseline,
        "s2:generation_time": _instant(product.generated),
        "s2:datatake_type": "INS-NOBS",
        "s2:reflectance_conversion_factor": 1.0,
        "datetime": _instant(product.sensed),
        "s2:sequence": str(product.sequence),
        "earthsearch:boa_offset_applied": product.offset == "taken out",
        "updated": _instant(product.generated + timedelta(hours=3)),
        "description": MAKER["description"],
        "license": LICENCE,
        "providers": [MAKER],
    }


def _names(product: Product) -> dict[str, str]:
    """Make up the names that ESA would give."""
    taken = product.acquisition
    orbit = 39_000 + 71 * taken.number
    made, strip, start = (
        f"{moment:%Y%m%dT%H%M%S}" for moment in (product.generated, product.datastrip, taken.start)
    )
    version, tile = f"N{product.baseline}", f"T{product.tile}"
    ground = f"{taken.platform}_OPER_MSI_L2A"
    name = "_".join(
        (taken.platform, "MSIL2A", start, version.replace(".", ""), f"R{taken.orbit:03d}", tile)
    )
    return {
        "s2:tile_id": f"{ground}_TL_2BPS_{made}_A{orbit:06d}_{tile}_{version}",
        "s2:product_uri": f"{name}_{made}.SAFE",
        "s2:datatake_id": f"G{taken.platform}_{start}_{orbit:06d}_{version}",
        "s2:datastrip_id": f"{ground}_DS_2BPS_{made}_S{strip}_{version}",
    }


def _band_asset(product: Product, name: str, cells: Cells) -> dict[str, Any]:
    known, factor = band_named(name), factor_of(name)
    listed = 0 if product.offset == "none yet" else -0.1
    return _asset(
        name, f"{known.description.capitalize()} - {known.resolution_m}m", factor, cells
    ) | {
        "eo:bands": [
            {
                "name": name,
                "common_name": "rededge" if known.common.startswith("rededge") else known.common,
                "center_wavelength": round(known.wavelength_nm / 1000.0, 3),
                "full_width_half_max": round(known.width_nm / 1000.0, 3),
            }
        ],
        "raster:bands": [
            {
                "nodata": NO_DATA,
                "data_type": "uint16",
                "bits_per_sample": 15,
                "spatial_resolution": known.resolution_m,
                "scale": SCALE_FACTOR,
                "offset": listed,
            }
        ],
        "roles": ["data", "reflectance"],
    }


def _asset(name: str, title: str, factor: int, cells: Cells) -> dict[str, Any]:
    west, _, _, north = cells.bounds
    size_m = int(CELL_M) * factor
    return {
        "href": f"./{name}.tif",
        "type": COG_TYPE,
        "title": title,
        "gsd": size_m,
        "proj:shape": [cells.n_rows // factor, cells.n_columns // factor],
        "proj:transform": [size_m, 0, int(west), 0, -size_m, int(north)],
    }


def _links(product: Product) -> list[dict[str, str]]:
    up = "../" * len(folder_of(product).split("/"))
    return [
        {"rel": "parent", "type": "application/json", "href": f"{up}collection.json"},
        {"rel": "collection", "type": "application/json", "href": f"{up}collection.json"},
        {"rel": "root", "type": "application/json", "href": f"{up}../catalog.json"},
    ]


def describe_collection(items: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Give the collection of some items, by their paths below it."""
    boxes = np.array([item["bbox"] for item in items.values()])
    times = sorted(item["properties"]["datetime"] for item in items.values())
    box = [*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()]
    return {
        "type": "Collection",
        "id": COLLECTION,
        "stac_version": "1.0.0",
        "title": "Made up: Sentinel-2 Level-2A of a toy valley",
        "description": "A made-up valley as Sentinel-2 would see it; nothing in it exists.",
        "license": LICENCE,
        "providers": [MAKER],
        "extent": {
            "spatial": {"bbox": [box]},
            "temporal": {"interval": [[times[0], times[-1]]]},
        },
        "summaries": {
            "platform": ["sentinel-2a", "sentinel-2b"],
            "gsd": sorted({band.resolution_m for band in ALL_BANDS}),
        },
        "links": [
            {"rel": "root", "type": "application/json", "href": "../catalog.json"},
            {"rel": "parent", "type": "application/json", "href": "../catalog.json"},
            *(
                {"rel": "item", "type": "application/geo+json", "href": f"./{path}"}
                for path in items
            ),
        ],
    }


def describe_catalog(title: str) -> dict[str, Any]:
    """Give the catalogue that the collection belongs to."""
    return {
        "type": "Catalog",
        "id": "minewatch-toy",
        "stac_version": "1.0.0",
        "title": title,
        "description": "A static catalogue of a made-up archive; nothing in it exists.",
        "links": [
            {"rel": "root", "type": "application/json", "href": "./catalog.json"},
            {"rel": "child", "type": "application/json", "href": f"./{COLLECTION}/collection.json"},
        ],
    }


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
