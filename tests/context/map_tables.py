"""Small tables of features and sites, drawn from a seed, for tests of what is measured."""

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely

from minewatch.context import Features

LAYERS = ("highway", "building", "natural")
TAGS = pd.ArrowDtype(pa.map_(pa.string(), pa.string()))


def feature_table(
    shapes: Sequence[shapely.Geometry],
    layers: Sequence[str],
    *,
    target: Sequence[str | None] | None = None,
    names: Sequence[str] = LAYERS,
) -> gpd.GeoDataFrame:
    """Give a table of features, each in one layer."""
    index = pd.Index([f"way/{number + 1}" for number in range(len(shapes))], name="feature_id")
    columns = {
        name: pd.array([f"a {name}" if own == name else None for own in layers], dtype="str")
        for name in names
    }
    kinds = ["area" if s.area else "line" if s.length else "point" for s in shapes]
    return gpd.GeoDataFrame(
        columns
        | {
            "target": pd.array(target or [None] * len(shapes), dtype="str"),
            "kind": pd.array(kinds, dtype="str"),
            "tags": pd.array([[]] * len(shapes), dtype=TAGS),
        },
        geometry=list(shapes),
        index=index.astype("str"),
        crs="EPSG:4326",
    )


def as_features(table: gpd.GeoDataFrame, **info: object) -> Features:
    """Give features as a file holds them."""
    nothing = pd.DataFrame({"feature_id": [], "reason": [], "repaired": []})
    known = {"attribution": "made", "osm_timestamp": "2024-05-01T00:00:00Z", "area": None}
    return Features(table, nothing, {**known, **info})


def site_table(places: Sequence[tuple[float, float]], prefix: str = "s") -> gpd.GeoDataFrame:
    """Give a table of sites at places."""
    index = pd.Index([f"{prefix}{number}" for number in range(len(places))], name="site_id")
    longitude, latitude = np.array(places, dtype=float).reshape(-1, 2).T
    points = gpd.points_from_xy(longitude, latitude)
    return gpd.GeoDataFrame(geometry=points, index=index, crs="EPSG:4326")


def scatter(
    random: np.random.Generator, n_features: int, middle: tuple[float, float], spread: float = 0.1
) -> gpd.GeoDataFrame:
    """Scatter points, wandering lines and blobs around a place."""
    shapes: list[shapely.Geometry] = []
    starts = np.array(middle) + random.uniform(-spread, spread, (n_features, 2))
    for start, kind in zip(starts, random.integers(0, 3, n_features), strict=True):
        if kind == 0:
            shapes.append(shapely.Point(start))
        elif kind == 1:
            shapes.append(shapely.LineString(start + random.normal(0, 0.003, (20, 2)).cumsum(0)))
        else:
            shapes.append(shapely.Point(start).buffer(random.uniform(1e-4, 0.02)))
    return feature_table(shapes, random.choice(LAYERS, n_features).tolist())
