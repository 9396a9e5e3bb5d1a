"""The sites that come of a review: places that reviewers agree on, and mines that they drew."""

from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from minewatch.maps.review._queue import PATCH_M, Item
from minewatch.maps.review._stores import Reviewed
from minewatch.maps.review._tables import StoredItem
from minewatch.sites import nearest_distance_m

SOURCE: Final = "review"
"""What is said of where new sites come from."""
KEPT: Final = ["reason", "note", "reviewers", "reviewed_at"]
"""Columns that say how a label came about."""
_DEGREE_M: Final = 110_000.0


def new_sites(reviewed: Reviewed, agreed: pd.DataFrame) -> gpd.GeoDataFrame:
    """Give the places that reviewers agree on, and the mines that they drew, as sites.

    Parameters
    ----------
    reviewed
        What was reviewed.
    agreed
        What every place is taken for, as `agree_on` gives it.

    Returns
    -------
    GeoDataFrame
        A table of sites, EPSG:4326: ``label`` (Int8), ``source``, `KEPT`, and ``item_id`` (str),
        the place that was on the screen.
    """
    told = agreed[agreed["label"].notna()]
    drawn = _thin(reviewed.points[reviewed.points["undone_at"].isna()])
    replaced = _drawn_within(reviewed.items, told[told["label"] == 1], drawn)
    own = told[~told.index.isin(replaced)]
    items = [reviewed.items[name].item for name in own.index]
    places = [shapely.Point(one.longitude, one.latitude) for one in items]
    table = gpd.GeoDataFrame(
        {
            "label": own["label"].to_numpy(),
            "source": pd.array([SOURCE] * len(own), dtype="str"),
            **{name: own[name].array for name in KEPT},
            "item_id": own.index.astype("str").array,
        },
        index=pd.Index(own.index, name="site_id", dtype="str"),
        geometry=places,
        crs="EPSG:4326",
    )
    more = _drawn_sites(drawn)
    joined = pd.concat([one for one in (table, more) if len(one)]) if len(more) else table
    joined["label"] = joined["label"].astype("Int8")
    joined.index.name = "site_id"
    return gpd.GeoDataFrame(joined, geometry="geometry", crs="EPSG:4326")


def _drawn_sites(drawn: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {
            "label": pd.array([1] * len(drawn), dtype="Int8"),
            "source": pd.array([SOURCE] * len(drawn), dtype="str"),
            "reason": pd.array([None] * len(drawn), dtype="str"),
            "note": drawn["note"].array,
            "reviewers": drawn["reviewer"].array,
            "reviewed_at": drawn["decided_at"].array,
            "item_id": drawn["item_id"].array,
        },
        index=pd.Index([f"drawn-{uid}" for uid in drawn["uid"]], name="site_id", dtype="str"),
        geometry=drawn.geometry.to_numpy(),
        crs="EPSG:4326",
    )


def _thin(points: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Keep of points closer together than half a patch the first."""
    kept: list[int] = []
    for row in range(len(points)):
        near = points.iloc[[row]]
        if not kept or nearest_distance_m(near, others=points.iloc[kept]).iloc[0] >= PATCH_M / 2.0:
            kept.append(row)
    return points.iloc[kept]


def _drawn_within(
    items: dict[str, StoredItem], mines: pd.DataFrame, drawn: gpd.GeoDataFrame
) -> set[str]:
    """Name the mines inside whose outline, or square, a point was drawn."""
    places = drawn.geometry.to_numpy()
    grounds = {str(name): _ground(items[str(name)]) for name in mines.index}
    return {
        name
        for name, ground in grounds.items()
        if len(places) and bool(shapely.intersects(ground, places).any())
    }


def _ground(stored: StoredItem) -> shapely.Geometry:
    item: Item = stored.item
    tall = stored.square_m / 2.0 / _DEGREE_M
    wide = tall / max(float(np.cos(np.radians(item.latitude))), 0.01)
    square = shapely.box(
        *(item.longitude - wide, item.latitude - tall),
        *(item.longitude + wide, item.latitude + tall),
    )
    return square if item.outline is None else item.outline
