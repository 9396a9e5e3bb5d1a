"""Made-up items and scenes, the smallest that the rules need."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import shapely
from pyproj import Transformer

from minewatch.bands import BANDS
from minewatch.imagery._items import Scene, read_scene

TILE_M = 109_800
CORNERS = {"20NMJ": (32620, 399_960, 600_000), "20NNJ": (32620, 499_980, 600_000)}
"""CRS, left and top of some tiles."""


def tile_outline(
    tile: str, *, west: float = 0.0, east: float = 1.0, south: float = 0.0, north: float = 1.0
) -> shapely.Polygon:
    """Give the outline in degrees of a part of a tile, in shares of its sides."""
    epsg, left, top = CORNERS[tile]
    bottom = top - TILE_M
    part = shapely.box(
        left + west * TILE_M, bottom + south * TILE_M, left + east * TILE_M, bottom + north * TILE_M
    )
    to_degrees = Transformer.from_crs(f"EPSG:{epsg}", "EPSG:4326", always_xy=True)
    return shapely.transform(
        shapely.segmentize(part, 10_000), to_degrees.transform, interleaved=False
    )


def earth_search_item(tile: str = "20NMJ", day: str = "2023-03-04") -> dict[str, Any]:
    """Make an item as Earth Search's sentinel-2-l2a gives it."""
    epsg, left, top = CORNERS[tile]
    compact = day.replace("-", "")
    assets: dict[str, Any] = {"visual": {"href": "https://images.test/TCI.tif", "gsd": 10}}
    for one in BANDS:
        if one.name == "B10":
            continue
        size_m = one.resolution_m
        assets[one.common] = {
            "href": f"https://images.test/{tile}/{day}/{one.name}.tif",
            "gsd": size_m,
            "proj:shape": [TILE_M // size_m] * 2,
            "proj:transform": [size_m, 0, left, 0, -size_m, top],
            "raster:bands": [{"nodata": 0, "scale": 0.0001, "offset": -0.1}],
            "roles": ["data", "reflectance"],
        }
        assets[f"{one.common}-jp2"] = {"href": f"s3://raw.test/{one.name}.jp2", "roles": ["data"]}
    assets["scl"] = {
        "href": f"https://images.test/{tile}/{day}/SCL.tif",
        "proj:shape": [5490, 5490],
        "proj:transform": [20, 0, left, 0, -20, top],
    }
    return {
        "type": "Feature",
        "id": f"S2A_{tile}_{compact}_0_L2A",
        "collection": "sentinel-2-l2a",
        "geometry": shapely.geometry.mapping(tile_outline(tile)),
        "properties": {
            "datetime": f"{day}T14:40:00.000Z",
            "platform": "sentinel-2a",
            "proj:epsg": epsg,
            "mgrs:utm_zone": int(tile[:2]),
            "mgrs:latitude_band": tile[2],
            "mgrs:grid_square": tile[3:],
            "eo:cloud_cover": 20.0,
            "s2:processing_baseline": "05.09",
            "s2:generation_time": f"{day}T20:00:00.000Z",
            "s2:datatake_id": f"GS2A_{compact}T143751_040216_N05.09",
            "s2:datastrip_id": f"S2A_OPER_MSI_L2A_DS_2APS_x_S{compact}T143753_N05.09",
            "earthsearch:boa_offset_applied": True,
        },
        "assets": assets,
    }


@pytest.fixture
def make_item() -> Callable[..., dict[str, Any]]:
    """Make items: tile, day, then properties to set (None takes one away)."""

    def make(tile: str = "20NMJ", day: str = "2023-03-04", **changes: Any) -> dict[str, Any]:
        item = copy.deepcopy(earth_search_item(tile, day))
        for name, value in changes.items():
            holder = item if name in item else item["properties"]
            key = name if name in item else name.replace("__", ":")
            if value is None:
                holder.pop(key)
            else:
                holder[key] = value
        return item

    return make


@pytest.fixture
def make_scene(make_item: Callable[..., dict[str, Any]]) -> Callable[..., Scene]:
    """Make scenes: as `make_item`, and `part` for the share of the tile that has pixels."""

    def make(
        tile: str = "20NMJ",
        day: str = "2023-03-04",
        *,
        part: dict[str, float] | None = None,
        **changes: Any,
    ) -> Scene:
        item = make_item(tile, day, **changes)
        if part is not None:
            item["geometry"] = shapely.geometry.mapping(tile_outline(tile, **part))
        return read_scene(item)

    return make
