"""One place of a dataset that is built: its digital numbers, and what is told of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch.bands import NO_DATA, SCALE_FACTOR
from minewatch.errors import InputError, LevelError
from minewatch.imagery import SceneQuery, check_composite, makers_of
from minewatch.types import AnyArray, Level

Status: TypeAlias = Literal["ok", "few clear views", "no data", "failed"]

OK: Final[Status] = "ok"
FEW: Final[Status] = "few clear views"
NO_DATA_AT_ALL: Final[Status] = "no data"
FAILED: Final[Status] = "failed"

WORST_SHARE: Final = 0.1
"""The share of a patch's pixels that may have fewer clear views than are said of it."""
NOT_COVERED: Final = "no scene of the period covers the place"
FACT_COLUMNS: Final = ("scene_count", "clear_views", "first_scene", "last_scene", "left_out")
"""What the table of sites says of the imagery of each place."""


@dataclass(frozen=True)
class PlaceFacts:
    """What is told of one place's imagery."""

    scene_count: int
    """Scenes that the composite was made from; where that is not counted, those considered."""
    clear_views: int
    """Clear views that nine tenths of the pixels have, or more."""
    first_scene: str | None
    """Day of the earliest scene, ISO date, UTC; None if there is none."""
    last_scene: str | None
    """Day of the latest scene."""
    left_out: str = ""
    """Scenes that were left out since a file of theirs is broken, each with the reason."""

    no_data: str = ""
    """Why not one pixel has data; empty if some have."""

    def status(self, min_clear_views: int) -> tuple[Status, str]:
        """Judge the place: its status and the reason, empty where there is nothing to say."""
        if self.no_data:
            return NO_DATA_AT_ALL, self.no_data
        if self.clear_views >= min_clear_views:
            return OK, ""
        some = (
            "1 clear view or none"
            if self.clear_views == 1
            else f"{self.clear_views} clear views or fewer"
        )
        found = some if self.clear_views else "no clear view"
        return FEW, f"{found} in over a tenth of its pixels; at least {min_clear_views} are wanted"


@dataclass(frozen=True)
class Provenance:
    """Where a composite comes from, as texts that can be gathered over many places."""

    source: str
    mask: str
    versions: tuple[str, ...]
    """Libraries that made the pixels: ``rasterio 1.4.3``, sorted."""
    makers: tuple[str, ...] = ()
    """Who made the scenes, sorted; none if there is no scene, or if it was not kept."""


@dataclass(frozen=True)
class Place:
    """A place that was loaded."""

    numbers: AnyArray
    """Digital numbers, (band, y, x), uint16, 0 = no data."""
    clear_count: AnyArray
    """Clear views, (y, x), uint16."""
    facts: PlaceFacts
    provenance: Provenance


def take_place(composite: xr.Dataset, geobox: GeoBox, query: SceneQuery, level: Level) -> Place:
    """Turn what a source gave into what is stored; storing it loses nothing.

    Raises
    ------
    LevelError
        If the composite is of another level than its source said.
    InputError
        If it breaks the schema of composites or does not have the shape that was asked for.
    """
    check_composite(composite, bands=query.bands)
    attrs = composite.attrs
    if attrs["level"] != level:
        raise LevelError(
            f"the source said {level} and gave a composite of {attrs['level']}; the levels are "
            "never mixed"
        )
    if composite["clear_count"].shape != geobox.shape.yx:
        raise InputError(
            f"the source gave {composite['clear_count'].shape} pixels; expected {geobox.shape.yx}"
        )
    reflectance = composite["reflectance"].to_numpy()
    clear_count = composite["clear_count"].to_numpy()
    return Place(
        numbers=_digital_numbers(reflectance),
        clear_count=np.ascontiguousarray(clear_count, dtype="<u2"),
        facts=_facts(attrs, clear_count),
        provenance=Provenance(
            source=str(attrs["source"]),
            mask=str(attrs["mask"]),
            versions=tuple(sorted(f"{name} {text}" for name, text in attrs["versions"].items())),
            makers=makers_of(attrs["scenes"]),
        ),
    )


def merge_texts(found: Iterable[str]) -> tuple[str, ...]:
    """Give every text once, in an order that does not hang on the order of the places."""
    return tuple(sorted(set(found)))


def table_facts(row: pd.Series) -> PlaceFacts:
    """Read what a dataset's table of sites says of the imagery of one place."""
    first, last = row["first_scene"], row["last_scene"]
    return PlaceFacts(
        scene_count=int(row["scene_count"]),
        clear_views=int(row["clear_views"]),
        first_scene=None if pd.isna(first) else str(first),
        last_scene=None if pd.isna(last) else str(last),
        left_out=str(row.get("left_out", "")),
        no_data=str(row["reason"]) if row["status"] == NO_DATA_AT_ALL else "",
    )


def _digital_numbers(reflectance: AnyArray) -> AnyArray:
    known = np.isfinite(reflectance)
    whole = np.rint(np.where(known, reflectance, 0.0).astype(np.float64) / SCALE_FACTOR)
    numbers = np.where(known, whole, NO_DATA).astype("<u2")
    return np.ascontiguousarray(numbers)


def _facts(attrs: Mapping[str, Any], clear_count: AnyArray) -> PlaceFacts:
    scenes = attrs["scenes"]
    left_out = [f"{scene['id']} ({scene['reason']})" for scene in attrs.get("left_out", ())]
    days = sorted(str(scene["date"])[:10] for scene in scenes)
    views = np.sort(clear_count, axis=None)
    return PlaceFacts(
        scene_count=len(scenes),
        clear_views=int(views[int(WORST_SHARE * views.size)]),
        first_scene=days[0] if days else None,
        last_scene=days[-1] if days else None,
        left_out="; ".join(left_out),
        no_data="" if clear_count.any() else _why_no_data(attrs),
    )


def _why_no_data(attrs: Mapping[str, Any]) -> str:
    """Tell a place that nothing covers from one that is never clear."""
    if not attrs.get("views_chosen", len(attrs["scenes"])):
        return NOT_COVERED
    return "nothing is clear in any scene of the period"
