"""Sources of imagery for the tests of building: they read windows of one array, and can fail."""

import random
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import count

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch.errors import ImageryError
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery
from minewatch.types import Failure

SIDE_PX = 900
GRID = PatchGrid(size_px=6)
QUERY = SceneQuery(start="2023-01-01", end="2023-12-31", bands=("B04", "B08"))
REGION = PatchGrid(size_px=SIDE_PX).geobox(-62.6, 5.4)


def make_sites(n_sites: int = 40, *, seed: int = 1) -> gpd.GeoDataFrame:
    """Scatter sites over the array, every third one mining."""
    generator = np.random.default_rng(seed)
    box = REGION.boundingbox
    easting = generator.uniform(box.left + 200, box.right - 200, n_sites)
    northing = generator.uniform(box.bottom + 200, box.top - 200, n_sites)
    points = gpd.GeoSeries(gpd.points_from_xy(easting, northing), crs=REGION.crs).to_crs(4326)
    return gpd.GeoDataFrame(
        {"label": [int(row % 3 == 0) for row in range(n_sites)], "source": "made up"},
        geometry=points.to_numpy(),
        index=pd.Index([f"s{row}" for row in range(n_sites)], name="site_id"),
        crs="EPSG:4326",
    )


@cache
def _draw_region() -> tuple[np.ndarray, np.ndarray]:
    """Draw the array's reflectance and counts, which all sources read."""
    generator = np.random.default_rng(7)
    numbers = generator.integers(1, 9000, (2, SIDE_PX, SIDE_PX)).astype(np.float32)
    numbers[:, ::7, ::5] = np.nan
    counts = generator.integers(5, 9, (SIDE_PX, SIDE_PX)).astype(np.uint16)
    counts[::7, ::5] = 0
    reflectance = numbers / np.float32(10_000)
    reflectance.setflags(write=False)
    return reflectance, counts


class ArraySource:
    """Loads one place at a time; each request fails with a chance, or for good."""

    level = "L2A"
    name = "an array"

    def __init__(
        self,
        *,
        failing: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.reflectance, counts = _draw_region()
        self.counts = counts.copy()
        self.failing = failing
        self.chance = random.Random(seed)  # noqa: S311 - nothing is kept secret
        self.asked: list[GeoBox] = []

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        self.asked.append(geobox)
        if self.chance.random() < self.failing:
            raise ImageryError("the source did not answer (503)")
        row = round((REGION.affine.f - geobox.affine.f) / 10)
        column = round((geobox.affine.c - REGION.affine.c) / 10)
        height, width = geobox.shape.yx
        window = (slice(row, row + height), slice(column, column + width))
        counts = self.counts[window]
        return xr.Dataset(
            {
                "reflectance": (("band", "y", "x"), self.reflectance[:, *window]),
                "clear_count": (("y", "x"), counts),
            },
            coords={"band": list(query.bands)},
            attrs={
                "level": self.level,
                "source": self.name,
                "scenes": [
                    {"id": f"scene-{day}", "date": f"2023-0{day}-03", "baseline": "05.10"}
                    | {"offset_dn": -1000}
                    for day in range(1, 1 + int(counts.max()))
                ],
                "mask": "made up",
                "method": query.method,
                "versions": {"numpy": np.__version__},
            },
        )


class ManySource(ArraySource):
    """Loads places together, in an order of its own."""

    def load_many(
        self, geoboxes: Mapping[str, GeoBox], query: SceneQuery, **_more: object
    ) -> Iterator[tuple[str, xr.Dataset | Failure]]:
        keys = sorted(geoboxes)
        random.Random(len(keys)).shuffle(keys)  # noqa: S311
        for key in keys:
            try:
                yield key, self.load(geoboxes[key], query)
            except ImageryError as error:
                yield key, Failure(key, "imagery", str(error))


class DownSource(ArraySource):
    """A source that stays down after a number of places."""

    def __init__(self, *, after: int) -> None:
        super().__init__()
        self.left = count(after, -1)

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        if next(self.left) <= 0:
            raise ImageryError("connection refused")
        return super().load(geobox, query)


class EmptySource(ArraySource):
    """A source that has pixels of a number of places, and of the others none."""

    def __init__(
        self, *, after: int = 0, views_chosen: int = 0, holdings: str | None = None
    ) -> None:
        super().__init__()
        self.after, self.views_chosen, self.holdings = after, views_chosen, holdings

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        composite = super().load(geobox, query)
        if len(self.asked) <= self.after:
            return composite
        return composite.assign(
            reflectance=xr.full_like(composite["reflectance"], np.nan),
            clear_count=xr.zeros_like(composite["clear_count"]),
        ).assign_attrs(scenes=[], views_chosen=self.views_chosen)
