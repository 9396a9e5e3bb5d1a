"""What the tests of the page share: contents of a map whose every number is known."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from minewatch.context import Features
from minewatch.maps import Composite, MapContents, Period
from minewatch.maps._area import MiningArea, Share
from minewatch.model import Card
from minewatch.scan._merge_polygons import area_ha

EVIL = "</script><img src=x onerror=alert(1)>\"'`${alert(2)}"
WEST, SOUTH = -62.90, 5.50
SIDE = 0.006
"""Side of a detection, degrees: about 44 ha."""
PERIODS = (Period.parse("2023"), Period.parse("2024"))
CREDIT = "Contains modified Copernicus Sentinel data 2023–2024"


def make_squares(places, *, half=0.0):
    """Make squares whose lower left corners are at places, degrees."""
    return [shapely.box(x, y, x + SIDE, y + SIDE * (1 - half)) for x, y in places]


def make_table(n, *, seed=0, names=None):
    """Make n detections on a grid, with scores that fall from the first on."""
    rng = np.random.default_rng(seed)
    columns = int(np.ceil(np.sqrt(n)))
    places = [(WEST + i % columns * 0.012, SOUTH + i // columns * 0.012) for i in range(n)]
    shapes = np.array(make_squares(places))
    points = shapely.get_coordinates(shapely.centroid(shapes))
    score = np.linspace(0.95, 0.55, n)
    return gpd.GeoDataFrame(
        {
            "windows": np.full(n, 4),
            "score_mean": score,
            "score_max": np.minimum(score + 0.03, 1.0),
            "score_q90": score,
            "area_ha": area_ha(shapes),
            "longitude": points[:, 0],
            "latitude": points[:, 1],
            "start": "2024-01-04",
            "end": "2024-12-14",
            "river_m": rng.uniform(0, 5_000, n).round(),
            "road_m": np.where(np.arange(n) % 3 == 0, np.nan, 120.0),
            "settlement_m": np.where(np.arange(n) % 5 == 0, 1_300.0, np.nan),
            "settlement": pd.array(
                ["El Yagrumo" if i % 5 == 0 else None for i in range(n)], dtype="str"
            ),
        },
        index=pd.Index(
            names or [f"N05.{i:05d}W062.{i:05d}" for i in range(n)], name="detection_id"
        ),
        geometry=shapes,
        crs="EPSG:4326",
    )


def make_composite(period, *, shade=0.1, level="L2A"):
    """Make a composite of 4 × 4 km: dark, with a bright square and a corner without data."""
    box = GeoBox((400, 400), Affine(10.0, 0.0, 510_000.0, 0.0, -10.0, 612_000.0), "EPSG:32620")
    values = np.full((5, 400, 400), shade, dtype=np.float32)
    values[:, 100:140, 200:240] = 0.6
    values[:, :40, :40] = np.nan
    bands = ["B02", "B03", "B04", "B08", "B11"]
    array = xr.DataArray(values, dims=("band", "y", "x"), coords={"band": bands})
    return Composite(period, array, box, level, CREDIT)


def make_features():
    """Map a village with an evil name, a river, and a road that is far away."""
    shapes = [
        shapely.Point(WEST + 0.01, SOUTH + 0.01),
        shapely.LineString([(WEST, SOUTH), (WEST + 0.05, SOUTH + 0.02)]),
        shapely.LineString([(10.0, 10.0), (10.1, 10.0)]),
    ]
    table = gpd.GeoDataFrame(
        {
            "waterway": [None, "river", None],
            "highway": [None, None, "track"],
            "place": ["village", None, None],
            "target": None,
            "kind": ["point", "line", "line"],
            "tags": [{"name": EVIL}, {"name": "Río Claro"}, {}],
        },
        index=pd.Index(["node/1", "way/1", "way/2"], name="feature_id"),
        geometry=shapes,
        crs="EPSG:4326",
    )
    info = {"attribution": "© OpenStreetMap contributors, ODbL 1.0", "osm_timestamp": "2024-05-01"}
    return Features(table, pd.DataFrame(), info)


def make_card():
    """Make a card with a sensitivity, a specificity and a limit."""
    said = {
        "on": "300 held-out patches",
        "splitter": "5 folds of blocks of 50 km",
        "confidence": 0.9,
    }
    return Card(
        name="trees", kind="trees", bands=("B04",), level="L2A", size_px=48, licence="MIT",
        digest="sha256:0", limits=("Was never tested in deserts.",),
        metrics=(
            {"name": "sensitivity", "value": 0.81, "low": 0.7, "high": 0.9, **said},
            {"name": "specificity", "value": 0.97, "low": 0.95, "high": 0.99, **said},
        ),
        null_models={"coordinates": ({"name": "roc_auc", "value": 0.61, **said},)},
    )  # fmt: skip


def make_area(**other):
    """Make an estimate of 190 ha from 77 squares; what of mining is mapped cannot be told."""
    nowhere = Share(np.nan, np.nan, np.nan)
    said = {
        "area_ha": 190.2, "low_ha": 150.04, "high_ha": 230.4, "se_ha": 20.5, "mapped_ha": 207.4,
        "framed_ha": 9_004.3, "confidence": 0.95, "n_reviewed": 77, "unit_m": 480.0,
        "is_ground": True, "may_hide_ha": 35.0, "right": Share(0.8, 0.7, 0.9), "found": nowhere,
    }  # fmt: skip
    return MiningArea(**{**said, **other})


def make_contents(n=12, **other):
    """Make contents of two periods: the first had the first half of them, smaller."""
    table = make_table(n)
    earlier = table.iloc[: n // 2].copy()
    x = earlier.geometry.bounds[["minx", "miny"]].to_numpy()
    earlier["geometry"] = make_squares(x, half=0.5)
    earlier["area_ha"] = area_ha(earlier.geometry.to_numpy())
    change = np.where(np.arange(n) < n // 2, "grown", "new")
    park = [EVIL if i % 4 == 0 else None for i in range(n)]
    table = table.assign(
        change=change, park=pd.array(park, dtype="str"), ground_ha=10.0, bare_ha=8.0, pond_ha=2.0
    )
    west, south, east, north = table.total_bounds
    hidden = shapely.box(east + 0.01, south, east + 0.03, north)
    unseen = gpd.GeoDataFrame(
        {"reason": ["few clear views"], "area_ha": area_ha(np.array([hidden]))},
        geometry=[hidden],
        crs="EPSG:4326",
    )
    region = gpd.GeoDataFrame(
        geometry=[shapely.box(west - 0.01, south - 0.01, east + 0.03, north + 0.02)],
        crs="EPSG:4326",
    )
    overlay = gpd.GeoDataFrame({"name": [EVIL]}, geometry=[region.geometry[0]], crs="EPSG:4326")
    sites = gpd.GeoDataFrame(
        {"label": [1, 0]},
        index=pd.Index(["s1", "s2"], name="site_id"),
        geometry=[shapely.Point(WEST, SOUTH), shapely.Point(WEST + 0.01, SOUTH)],
        crs="EPSG:4326",
    )
    outlines = gpd.GeoDataFrame(
        {"ground_ha": 10.0, "not_seen_ha": 1.5},
        index=table.index,
        geometry=[shape.centroid.buffer(0.001) for shape in table.geometry],
        crs="EPSG:4326",
    )
    said = {
        "detections": table, "title": "Mines of a made-up valley", "attribution": (CREDIT,),
        "periods": PERIODS, "threshold": 0.5, "threshold_from": "chosen by hand",
        "detector": "trees", "card": make_card(), "not_seen": unseen, "region": region,
        "earlier": {"2023": earlier}, "outlines": outlines, "sites": sites,
        "features": make_features(), "overlays": {"park": overlay}, "overlay_columns": ("park",),
        "composites": (make_composite("2023"), make_composite("2024", shade=0.15)),
        "area_means": "hectares of whole windows", "seen_means": "some was not seen",
    }  # fmt: skip
    return MapContents(**{**said, **other})
