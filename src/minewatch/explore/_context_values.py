"""What the sections on context work on: sites, what was measured around them, and features."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd

from minewatch.context._layers import TARGET
from minewatch.errors import InputError
from minewatch.explore._periods import known_periods
from minewatch.explore._places import class_words, in_order, is_placed, labels_as_float
from minewatch.explore._statistics import PatchStatistics
from minewatch.sites._distance import lonlat
from minewatch.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from minewatch.context import Context

_ANYTHING: Final = "osm"
"""Pseudo-layer of every feature that does not name the target."""
_MOVED_M: Final = 1.0
"""How far a site may lie from where it was measured, metres."""
_DEGREE_M: Final = 111_320.0
_TOLD: Final = ("osm_timestamp", "source", "digests")
_AMOUNT: Final = re.compile(r"^(?P<layer>.+)_(?P<radius>\d+)m_(?P<what>length_m|count|area_ha)$")
_COMPLETENESS: Final = re.compile(r"^osm_features_(?P<radius>\d+)m$")


@dataclass(frozen=True, eq=False)
class Surroundings:
    """A dataset's sites and what is mapped around them; tables in order of site_id."""

    sites: gpd.GeoDataFrame
    """Sites with coordinates that context was measured for, index site_id."""
    measures: pd.DataFrame
    """Their rows of the table that `minewatch.context.measure_context` gives."""
    features: gpd.GeoDataFrame
    """What is mapped: index feature_id, one column per layer, ``target``, ``kind``, geometry."""
    dropped: pd.DataFrame
    """Features that could not be taken, each with its ``reason``."""
    info: Mapping[str, Any]
    """Where the map is from: ``osm_timestamp``, ``attribution`` and settings."""
    n_unmeasured: int
    """Sites of the dataset that are left out: they lack coordinates or measures, or lie outside of
    the extract, where nothing is known."""
    first_day: str | None
    """ISO date of the first image that any patch may be made of; None if not known."""
    last_day: str | None
    """ISO date of the last one; None if not known."""

    @property
    def classes(self) -> list[str]:
        """Names of the sites' classes."""
        return class_words(labels_as_float(self.sites["label"]))

    @property
    def naming_layers(self) -> frozenset[str]:
        """Layers that name the target; `TARGET` is always among them."""
        from minewatch.context._columns import naming_layers

        return naming_layers(None, self.info) | {TARGET}

    @property
    def target_tags(self) -> "pd.Series[str]":
        """What about each feature names the target; missing where nothing does. By feature_id."""
        from minewatch.context._columns import target_values

        return target_values(self.features, self.naming_layers - {TARGET})

    @property
    def mapped_layers(self) -> list[str]:
        """Layers of the features that do not name the target, in their order."""
        from minewatch.context._table import layer_columns

        return [name for name in layer_columns(self.features) if name not in self.naming_layers]

    @property
    def measured_layers(self) -> list[str]:
        """Layers found around any site that do not name the target, in their order."""
        apart = self.naming_layers | {_ANYTHING}
        return [name for name in self._found() if name not in apart]

    @property
    def measured_targets(self) -> list[str]:
        """Layers found around any site that name the target."""
        return [name for name in self._found() if name in self.naming_layers]

    def _found(self) -> list[str]:
        """List what was measured and found within the search of any site."""
        nearest = self.measures.filter(regex=r".+_nearest_m$").notna().any()
        return [str(name).removesuffix("_nearest_m") for name in nearest.index[nearest]]

    @property
    def radii_m(self) -> list[int]:
        """Radii within which amounts were measured, metres, in order."""
        return sorted({radius for _, radius, _ in self.amounts()} | set(self.completeness()))

    @property
    def attribution(self) -> str:
        """Whom to name beside every map."""
        from minewatch.context._features import ATTRIBUTION

        return str(self.info.get("attribution") or ATTRIBUTION)

    @property
    def osm_date(self) -> str | None:
        """Day of the map's data, ISO; None if it is not known."""
        stamp = self.info.get("osm_timestamp")
        known = pd.to_datetime(str(stamp), utc=True, errors="coerce") if stamp else pd.NaT
        return None if pd.isna(known) else known.strftime("%Y-%m-%d")

    @property
    def credit(self) -> str:
        """The attribution with the day of the data."""
        date = f"data of {self.osm_date}" if self.osm_date else "data of an unknown day"
        return f"{self.attribution}; {date}"

    @property
    def origin(self) -> dict[str, Any]:
        """What a report says of the context that it rests on."""
        return {
            "attribution": self.attribution,
            "osm_date": self.osm_date,
            **{str(key): self.info[key] for key in _TOLD if key in self.info},
            "layers": self.mapped_layers,
            "radii_m": self.radii_m,
            "n_features": len(self.features),
            "n_sites_measured": len(self.sites),
            "n_sites_left_out": self.n_unmeasured,
        }

    def amounts(self) -> list[tuple[str, int, str]]:
        """List layer, radius in metres and kind of each measured amount, columns in their order."""
        found = (_AMOUNT.match(str(name)) for name in self.measures.columns)
        return [(x["layer"], int(x["radius"]), x["what"]) for x in found if x is not None]

    def completeness(self) -> dict[int, str]:
        """Give the column that counts all features, by radius in metres."""
        found = (_COMPLETENESS.match(str(name)) for name in self.measures.columns)
        return {int(x["radius"]): x.string for x in found if x is not None}

    def nearest_m(self, layer: str) -> FloatArray:
        """``(site,)`` metres to the nearest feature of a layer; NaN for none within the search."""
        return np.asarray(self.measures[f"{layer}_nearest_m"], dtype=np.float64)

    def is_in_patch(self, layer: str) -> BoolArray:
        """``(site,)`` whether anything of a layer lies in the site's patch."""
        column = self.measures[f"{layer}_in_patch"]
        return np.asarray(column.fillna(value=False), dtype=np.bool_)

    def is_anything_in_patch(self) -> BoolArray:
        """``(site,)`` whether anything mapped lies in the patch that does not name the target."""
        layers = [_ANYTHING] if f"{_ANYTHING}_in_patch" in self.measures else self.measured_layers
        there = [self.is_in_patch(layer) for layer in layers]
        nothing = np.zeros(len(self.sites), dtype=np.bool_)
        return np.asarray(np.any([nothing, *there], axis=0), dtype=np.bool_)

    def edge_limited(self) -> FloatArray:
        """``(site,)`` 1 where the extract's border is nearer than the search reaches, else 0.

        NaN where it is not known where the extract ends.
        """
        if "is_edge_limited" not in self.measures:
            return np.full(len(self.sites), np.nan)
        limited = self.measures["is_edge_limited"].astype("Float64")
        return np.asarray(limited.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)

    def labelled(self) -> BoolArray:
        """``(site,)`` whether a site has a label."""
        return np.asarray(self.sites["label"].notna(), dtype=np.bool_)

    def is_mining(self) -> BoolArray:
        """``(site,)`` whether a site is labelled mining."""
        is_mining: BoolArray = labels_as_float(self.sites["label"]) == 1.0
        return is_mining


def check_context(context: object) -> None:
    """Refuse what is no context.

    Raises
    ------
    InputError
        If it is not what `minewatch.context.open_context` gives.
    """
    from minewatch.context import Context

    if not isinstance(context, Context):
        raise InputError(
            f"context is a {type(context).__name__}; expected what minewatch.context.open_context "
            "gives for a context folder, or None"
        )


def gather_surroundings(statistics: PatchStatistics, context: "Context") -> Surroundings:
    """Bring a dataset and its context together by site_id; sites that one of them lacks go.

    So do sites outside of the extract, for that nothing is mapped there is not known, and sites
    that have moved since they were measured.
    """
    sites = statistics.sites
    there = is_placed(sites) & np.asarray(sites.index.isin(context.table.index), dtype=np.bool_)
    if "edge_m" in context.table:
        outside = context.table.index[context.table["edge_m"] == 0.0]
        there &= ~np.asarray(sites.index.isin(outside), dtype=np.bool_)
    if context.places is not None:
        there &= ~_have_moved(sites, context.places)
    kept = in_order(sites[there])
    header, periods = statistics.header, known_periods(sites)
    own = (None, None) if periods.empty else (periods["start"].min(), periods["end"].max())
    return Surroundings(
        sites=kept,
        measures=context.table.loc[kept.index],
        features=context.features.table,
        dropped=context.features.dropped,
        info={**context.features.info, **context.info},
        n_unmeasured=int(np.count_nonzero(~there)),
        first_day=header.period_start or own[0],
        last_day=header.period_end or own[1],
    )


def _have_moved(sites: gpd.GeoDataFrame, places: pd.DataFrame) -> BoolArray:
    """``(site,)`` whether a site lies elsewhere than it was measured."""
    before = places.reindex(sites.index).to_numpy(dtype=np.float64)
    east = (lonlat(sites)[:, 0] - before[:, 0] + 180.0) % 360.0 - 180.0
    north = lonlat(sites)[:, 1] - before[:, 1]
    away_m = np.hypot(east * np.cos(np.radians(before[:, 1])), north) * _DEGREE_M
    return np.asarray(away_m > _MOVED_M, dtype=np.bool_)
