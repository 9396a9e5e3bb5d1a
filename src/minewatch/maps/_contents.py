"""What a map is made from: detections with all that says what they are worth."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import geopandas as gpd
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch.errors import InputError

if TYPE_CHECKING:
    from minewatch.context import Features
    from minewatch.maps._area import MiningArea
    from minewatch.model import Card

_DAYS: Final = re.compile(r"\d+(-\d{1,2}){0,2}")
_FIRST_YEAR: Final = 1900
"""Before any image from above that detections could be of: it is a slip."""


@dataclass(frozen=True)
class Period:
    """A stretch of days that imagery is of.

    Examples
    --------
    >>> Period.parse("2024"), Period.parse("2024-02")
    (Period(name='2024', start='2024-01-01', end='2024-12-31'),
     Period(name='2024-02', start='2024-02-01', end='2024-02-29'))
    """

    name: str
    """What it is called, once in a map: ``2024``."""
    start: str
    """First day, ISO date."""
    end: str
    """Last day, ISO date; it belongs to the period."""

    @classmethod
    def parse(cls, text: str) -> "Period":
        """Read a year, a month, a day, or two of them with a slash between.

        Parameters
        ----------
        text
            ``2024``, ``2024-02``, ``2023-10-01/2024-03-31``.

        Raises
        ------
        InputError
            If it is none of these, or ends before it begins.
        """
        first, _, last = text.strip().partition("/")
        try:
            start, end = _first_day(first), _last_day(last or first)
        except ValueError as error:
            is_day = all(_DAYS.fullmatch(part) for part in (first, last or first))
            why = f" ({error})" if is_day else ""
            raise InputError(
                f"the period {text!r} cannot be read{why}; expected 2024, 2024-02, or "
                "2023-10-01/2024-03-31"
            ) from error
        if end < start:
            raise InputError(f"the period {text!r} ends before it begins")
        return cls(text.strip(), start.isoformat(), end.isoformat())

    @classmethod
    def of_days(cls, start: str, end: str) -> "Period":
        """Name a period after its days: a whole year by the year alone.

        Examples
        --------
        >>> Period.of_days("2024-01-01", "2024-12-31").name
        '2024'
        >>> Period.of_days("2024-01-05", "2024-11-30").name
        '2024-01-05/2024-11-30'
        """
        year = start[:4]
        whole = (start, end) == (f"{year}-01-01", f"{year}-12-31")
        return cls.parse(year if whole else f"{start}/{end}")


def _first_day(text: str) -> date:
    year, *rest = (int(part) for part in text.split("-"))
    if year < _FIRST_YEAR:
        raise ValueError(f"the year {year}")
    month, day = (*rest, 1, 1)[:2] if len(rest) < 2 else rest
    return date(year, month, day)


def _last_day(text: str) -> date:
    year, *rest = (int(part) for part in text.split("-"))
    if year < _FIRST_YEAR:
        raise ValueError(f"the year {year}")
    if len(rest) >= 2:
        return _first_day(text)
    month = rest[0] if rest else 12
    following = date(year + month // 12, month % 12 + 1, 1)
    return date.fromordinal(following.toordinal() - 1)


@dataclass(frozen=True, eq=False)
class Composite:
    """The imagery of a period, over the ground of a map or the part of it that was loaded."""

    period: str
    """Name of its `Period`."""
    reflectance: xr.DataArray
    """Dims (band, y, x), float32, coordinate ``band`` with ESA's names (B02, B03, B04, B08, B11);
    a fraction, mostly from 0 to 1; NaN = no data."""
    geobox: GeoBox
    """Its pixels: in UTM, north up. They are coarser than 10 m where the ground is large."""
    level: str
    """L1C or L2A."""
    attribution: str
    """The words that it has to be shown with."""


@dataclass(frozen=True, eq=False)
class MapContents:
    """What a map is made from. `gather_contents` makes one; every field but two has a default."""

    detections: gpd.GeoDataFrame
    """Of the newest period. Index ``detection_id`` (str, unique), polygons or multipolygons,
    EPSG:4326. There are always ``area_ha`` (hectares of the polygon on the ellipsoid),
    ``longitude``, ``latitude`` (a point inside of it, degrees), ``start``, ``end`` (str, ISO dates
    of its imagery, missing where not known).

    Where they are known, and only then: ``windows`` (int64), ``score_mean``, ``score_max``,
    ``score_q90`` (0 to 1), ``isolated`` (boolean), ``joined``, ``split_from`` (str), as
    `minewatch.scan.merge_detections` gives them; ``river_m``, ``road_m``, ``airstrip_m``,
    ``settlement_m``, ``map_edge_m`` (metres, NaN = none within the radius); ``settlement`` (str,
    the name of the settlement that ``settlement_m`` was measured to; missing where the map has no
    name for it; only where `features` are given); ``ground_ha``,
    ``bare_ha``, ``pond_ha`` (of an outline within the windows, NaN where it failed);
    ``area_ha_given`` (a file's own ``area_ha``, if it is not the polygon's); ``change`` and
    ``before_ha`` (str, hectares: of the place that it belongs to, where changes are given); and any
    other column that the file had, such as names of what is touched: see `overlay_columns`."""
    title: str
    """What is shown."""
    attribution: tuple[str, ...] = ()
    """Whom to name, a line each: the Copernicus words with the years, OpenStreetMap, others."""
    periods: tuple[Period, ...] = ()
    """The oldest first; the last is that of `detections`. Empty if nobody said."""
    threshold: float | None = None
    """Score from which on a window counts as detected; None if not known."""
    threshold_from: str = ""
    """Where it comes from, in words."""
    detector: str = ""
    """Name of the detector, or who found the places; empty if not known."""
    card: "Card | None" = None
    """The detector's card: how sure this is, and what it does not see."""
    area_means: str = ""
    """What ``area_ha`` is, and is not, in a sentence: whole windows are not ground."""
    area: "MiningArea | None" = None
    """Hectares of mining with an interval, from a sample that people reviewed; None if none was."""
    not_seen: gpd.GeoDataFrame | None = None
    """Ground that was not seen: ``reason`` (str), ``area_ha``, polygons in EPSG:4326. Empty if all
    was seen; None if nobody said."""
    seen_means: str = ""
    """What is known of what was not seen, in a sentence."""
    region: gpd.GeoDataFrame | None = None
    """One row: the ground that was looked at, EPSG:4326; None if not known."""
    earlier: Mapping[str, gpd.GeoDataFrame] = field(default_factory=lambda: MappingProxyType({}))
    """Detections of earlier periods by the name of the `Period`, columns as of `detections`. A mine
    has the same ``detection_id`` in all of them where the scan kept it."""
    changes: gpd.GeoDataFrame | None = None
    """As `minewatch.scan.compare_detections` gives them; None if nothing was compared."""
    scores: pd.DataFrame | None = None
    """Windows, as `minewatch.scan.read_scores` gives them, index ``window_id``; None: none."""
    outlines: gpd.GeoDataFrame | None = None
    """Bare ground within detections, as `minewatch.scan.outline_detections` gives it."""
    sites: gpd.GeoDataFrame | None = None
    """Labelled places, as `minewatch.sites.read_sites` gives them: index ``site_id``, ``label``."""
    features: "Features | None" = None
    """What is mapped around, as `minewatch.context.read_features` gives it."""
    overlays: Mapping[str, gpd.GeoDataFrame] = field(default_factory=lambda: MappingProxyType({}))
    """Other layers of polygons by name, EPSG:4326, each with a column ``name`` (str)."""
    overlay_columns: tuple[str, ...] = ()
    """Columns of `detections` that name what is touched."""
    composites: tuple[Composite, ...] = ()
    """The oldest first, none twice for a period."""
    made: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """How it was made: settings, versions and digests of the inputs, JSON values."""

    def __post_init__(self) -> None:
        """Refuse earlier detections of the period that `detections` are of: one would be lost."""
        own = self.periods[-1].name if self.periods else ""
        if own in self.earlier:
            raise InputError(
                f"detections of {own!r} are given twice: as the newest, and as earlier ones; name "
                "the earlier period by its own days"
            )
