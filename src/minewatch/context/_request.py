"""What is asked of a folder of context, and what tells one such request from another."""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
from odc.geo.geobox import GeoBox

from minewatch import __version__, _store
from minewatch.context._features import Features
from minewatch.context._layers import TARGET, Layer
from minewatch.grid import PatchGrid
from minewatch.sites._distance import lonlat

FORMAT: Final = "context 2"
FEATURES_NAME: Final = "features.parquet"
_LIBRARIES: Final = ("numpy", "pandas", "pyarrow", "shapely", "pyproj", "rasterio", "zarr")


@dataclass(frozen=True)
class Request:
    """Everything that decides what is written."""

    sites: gpd.GeoDataFrame
    features: Features
    layers: tuple[Layer, ...]
    draws_target: bool
    """Draw what names the target, too; it is measured in any case."""
    radii_m: tuple[float, ...]
    grid: PatchGrid
    geoboxes: Mapping[str, GeoBox]
    """Grids of the patches, drawn on or not: what lies in a patch is measured in any case."""
    own_geoboxes: Mapping[str, GeoBox] | None
    """Those that were given, and not cut by `grid`."""
    with_channels: bool
    all_touched: bool
    max_distance_m: float | None
    digest: str
    """Digest of the file of features."""

    @property
    def draws(self) -> bool:
        """Whether there are channels to draw."""
        return self.with_channels and bool(self.geoboxes)

    @property
    def drawn(self) -> tuple[Layer | str, ...]:
        """The layers to draw."""
        return (*self.layers, TARGET) if self.draws_target else self.layers

    def settings(self) -> dict[str, Any]:
        """Give the settings as JSON values."""
        return {
            "layers": [layer.model_dump(mode="json", exclude={"why"}) for layer in self.layers],
            "draws_target": self.draws_target,
            "radii_m": list(self.radii_m),
            "grid": self.grid.model_dump(mode="json"),
            "all_touched": self.all_touched,
            "max_distance_m": self.max_distance_m,
            "channels": self.draws,
        }

    def key(self) -> str:
        """Give the digest that tells one request from another."""
        places = [[str(key), *map(repr, place)] for key, place in self._places()]
        grids = [
            [key, str(box.crs), list(box.shape), [repr(float(x)) for x in tuple(box.affine)[:6]]]
            for key, box in self.geoboxes.items()
        ]
        return _store.digest_value(
            {
                "format": FORMAT,
                "versions": versions(),
                "settings": self.settings(),
                "features": self.digest,
                "sites": places,
                "geoboxes": grids,
            }
        )

    def _places(self) -> list[tuple[object, list[float]]]:
        return list(zip(self.sites.index, lonlat(self.sites).tolist(), strict=True))


def grids_of(
    sites: gpd.GeoDataFrame, grid: PatchGrid, geoboxes: Mapping[str, GeoBox] | None
) -> dict[str, GeoBox]:
    """Give the grid of every site that has coordinates, or the grids that were given."""
    if geoboxes is not None:
        return {str(key): geoboxes[key] for key in sites.index if key in geoboxes}
    places = zip(sites.index, lonlat(sites), strict=True)
    return {str(key): grid.geobox(*place) for key, place in places if np.isfinite(place).all()}


def versions() -> dict[str, str]:
    """Give the versions of what decides about the numbers and the bytes."""
    libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"minewatch": __version__, **libraries}


def difference(header: Mapping[str, Any], request: Request) -> str:
    """Say in what a context that is there differs from the one that is asked for."""
    settings, made_with = header.get("settings", {}), header.get("versions", {})
    differing = [
        f"other {name}" for name, now in request.settings().items() if settings.get(name) != now
    ]
    if header.get("digests", {}).get(FEATURES_NAME) != request.digest:
        differing.append("other features")
    differing += [
        f"{name} {made_with.get(name)} (now {now})"
        for name, now in versions().items()
        if made_with.get(name) != now
    ]
    return ", ".join(differing) or "other sites or patches"
