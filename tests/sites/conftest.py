"""Small tables of sites, made by hand."""

from collections.abc import Callable, Sequence

import geopandas as gpd
import pandas as pd
import pytest

MakeSites = Callable[..., gpd.GeoDataFrame]


@pytest.fixture(scope="session")
def make_sites() -> MakeSites:
    """Give a maker of tables of sites from longitudes and latitudes."""

    def make(
        places: Sequence[tuple[float, float]],
        labels: Sequence[int | None] | None = None,
        ids: Sequence[str] | None = None,
    ) -> gpd.GeoDataFrame:
        labels = [None] * len(places) if labels is None else labels
        ids = [f"s{number:03d}" for number in range(len(places))] if ids is None else ids
        longitude, latitude = zip(*places, strict=True) if len(places) else ((), ())
        return gpd.GeoDataFrame(
            {"label": pd.array(labels, dtype="Int8"), "source": "made"},
            index=pd.Index(ids, dtype="str", name="site_id"),
            geometry=gpd.points_from_xy(longitude, latitude),
            crs="EPSG:4326",
        )

    return make
