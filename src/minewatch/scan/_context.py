"""Context of windows: measured as it is for sites, from the features near a tile."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import geopandas as gpd
import pandas as pd
import shapely

from minewatch._store import digest_bytes
from minewatch.context import Features, measure_context
from minewatch.context._layers import TARGET
from minewatch.context._measure import DEFAULT_RADII_M
from minewatch.errors import InputError
from minewatch.model._card import Card
from minewatch.scan._windows import Windows

_RADIUS: Final = re.compile(r"_(\d+)m(?:_|$)")
_METRES_PER_DEGREE: Final = 110_000.0
_SPARE_M: Final = 2_000.0


@dataclass(frozen=True, eq=False)
class WindowContext:
    """What is mapped, and how it is measured around windows."""

    features: Features
    radii_m: tuple[int, ...]
    columns: tuple[str, ...]
    """Those that the detector takes."""

    def describe(self) -> dict[str, object]:
        """Give what tells it from another, as JSON values: all that is measured decides."""
        table = self.features.table
        shapes = shapely.to_wkb(table.geometry.to_numpy(), byte_order=1, output_dimension=2)
        said = pd.DataFrame(table[[*self.features.layer_names, TARGET, "kind"]])
        rows = said.to_json(orient="split", double_precision=15)
        return {
            "radii_m": list(self.radii_m),
            "features": digest_bytes(rows.encode()),
            "geometry": digest_bytes(b"".join(shapes)),
        }

    def measure(self, windows: Windows) -> pd.DataFrame:
        """Measure around windows: index window_id, the columns that the detector takes."""
        longitude, latitude = windows.centres()
        sites = gpd.GeoDataFrame(
            index=pd.Index(windows.ids, name="site_id"),
            geometry=gpd.points_from_xy(longitude, latitude),
            crs="EPSG:4326",
        )
        near = replace(self.features, table=self._near(sites))
        measured = measure_context(
            sites,
            near,
            layers=self.features.layer_names,
            radii_m=self.radii_m,
            grid=windows.grid,
        )
        return measured[list(self.columns)]

    def _near(self, sites: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        """Leave out what is farther than anything that is measured reaches."""
        margin = (max(self.radii_m) + _SPARE_M) * 2.0 / _METRES_PER_DEGREE
        west, south, east, north = sites.total_bounds
        across = margin / max(0.1, float(_cosine(max(abs(south), abs(north)))))
        if east - west > 180.0 or west - across < -180.0 or east + across > 180.0:
            return self.features.table  # on both sides of the date line
        table = self.features.table
        box = shapely.box(west - across, south - margin, east + across, north + margin)
        return table.iloc[sorted(table.sindex.query(box))]


def plan_context(
    features: Features | None, card: Card, radii_m: Sequence[int] | None
) -> WindowContext | None:
    """Say how the context that a detector takes is measured; None if it takes none.

    Raises
    ------
    InputError
        If it takes context and there are no features, or they lack a layer that it takes.
    """
    columns = card.context_columns
    if not columns:
        return None
    if features is None:
        raise InputError(
            f"detector {card.name} takes context ({', '.join(columns[:3])}, …); give the features "
            "that are mapped (context=, --features FILE), as minewatch context fetch writes them"
        )
    named = sorted({int(found) for name in columns for found in _RADIUS.findall(name)})
    radii = tuple(radii_m or named or (int(one) for one in DEFAULT_RADII_M))
    plan = WindowContext(features, radii, columns)
    missing = [name for name in columns if name not in _columns_of(plan)]
    if missing:
        raise InputError(
            f"detector {card.name} takes {', '.join(missing[:5])}, which the features and radii of "
            f"{', '.join(map(str, radii))} m do not give; fetch the layers that it learned from, "
            "or name its radii (radii_m)"
        )
    return plan


def _columns_of(plan: WindowContext) -> list[str]:
    nowhere = gpd.GeoDataFrame(
        index=pd.Index(["nowhere"], name="site_id"), geometry=[shapely.Point(0, 0)], crs="EPSG:4326"
    )
    empty = replace(plan.features, table=plan.features.table.iloc[:0])
    measured = measure_context(
        nowhere, empty, layers=plan.features.layer_names, radii_m=plan.radii_m
    )
    return [str(name) for name in measured.columns]


def _cosine(latitude: float) -> float:
    from math import cos, radians

    return cos(radians(latitude))
