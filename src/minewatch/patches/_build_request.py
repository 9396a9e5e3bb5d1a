"""What is asked when patches are built, and whether what lies there was made for the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import geopandas as gpd
import pandas as pd
from odc.geo.geobox import GeoBox

from minewatch.errors import AlreadyThereError, LevelError
from minewatch.grid import PatchGrid
from minewatch.imagery import ImagerySource, SceneQuery
from minewatch.patches._build_place import FACT_COLUMNS
from minewatch.patches._header import DatasetHeader
from minewatch.patches._places import COLUMNS, format_transform
from minewatch.sites import validate_sites
from minewatch.types import Level

_GIVEN: Final = ("label", "source", "geometry")
_ALLOWED: Final = ("duplicate point", "conflicting labels", "swapped")
"""Faults of sites that do not keep a patch from being cut; `minewatch.sites` looks at them."""


@dataclass(frozen=True)
class Request:
    """What is asked of a source, but not for which places."""

    source: str
    level: Level
    query: SceneQuery
    grid: PatchGrid
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Digests of what the source reads, by name, where it is known."""

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {
            "source": self.source,
            "level": self.level,
            "query": self.query.model_dump(mode="json"),
            "grid": self.grid.model_dump(mode="json"),
            "inputs": dict(sorted(self.inputs.items())),
        }


def describe_source(source: ImagerySource) -> str:
    """Name a source: what it calls itself, or else its class."""
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else type(source).__qualname__


def request_of(header: DatasetHeader) -> dict[str, Any]:
    """Give what a dataset was built for; nothing if it was not built."""
    facts = header.imagery
    if facts is None:
        return {}
    return {
        "source": facts.asked,
        "level": header.level,
        "query": facts.query.model_dump(mode="json"),
        "grid": {
            "size_px": header.size_px,
            "resolution_m": header.resolution_m,
            "snap_m": facts.snap_m,
        },
        "inputs": header.inputs,
    }


def refuse_other(what: str, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raise an error that names the differences, if what is there was made for something else.

    Raises
    ------
    LevelError
        If it is of another level.
    AlreadyThereError
        If anything else differs.
    """
    differences = list(_differences(there, asked))
    if not differences:
        return
    error = LevelError if there["level"] != asked["level"] else AlreadyThereError
    raise error(
        f"{what} was made with other settings: {'; '.join(differences)}. Ask for the same, choose "
        "another name, or start over (overwrite=True, --overwrite)"
    )


def place_sites(
    sites: gpd.GeoDataFrame, grid: PatchGrid
) -> tuple[gpd.GeoDataFrame, dict[str, GeoBox]]:
    """Check sites, and give each the grid of its patch.

    Returns
    -------
    GeoDataFrame
        The sites with `crs`, `transform` and `origin`; what another dataset's table said of other
        pixels is left out.
    dict of GeoBox
        The grids by `site_id`.

    Raises
    ------
    SitesError
        If sites have no usable point or no id of their own.
    """
    geometry = sites.geometry
    others = [
        name
        for name in sites.columns
        if name in {*COLUMNS, *FACT_COLUMNS} - {*_GIVEN} or name == geometry.name
    ]
    table = sites.drop(columns=others).assign(geometry=geometry).set_geometry("geometry")
    table = table.assign(
        label=table.get("label", pd.Series(pd.NA, index=table.index, dtype="Int8")),
        source=table.get("source", pd.Series("", index=table.index, dtype="str")),
    )
    table.index = pd.Index(table.index.astype(str), name="site_id")
    table = validate_sites(table, grid=grid, allow=_ALLOWED)
    geoboxes = {
        str(site_id): grid.geobox(point.x, point.y)
        for site_id, point in zip(table.index, table.geometry, strict=True)
    }
    grids = {
        "crs": [str(geobox.crs) for geobox in geoboxes.values()],
        "transform": [format_transform(geobox.affine) for geobox in geoboxes.values()],
    }
    return table.assign(**grids, origin="grid"), geoboxes


def grid_key(crs: str, transform: str) -> str:
    """Name the grid of a place; its size is part of the request."""
    return f"{crs} {transform}"


def _differences(there: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*there, *asked}):
        old, new = there.get(name), asked.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new)
        elif old != new:
            yield f"{name} {old}, asked {new}"
