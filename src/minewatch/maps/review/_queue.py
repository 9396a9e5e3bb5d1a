"""What is to be reviewed: places in an order, each with what is known and may be shown of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from minewatch import _store
from minewatch.errors import InputError, NotThereError
from minewatch.grid import MAX_LATITUDE, MIN_LATITUDE
from minewatch.maps.review._words import KINDS, Kind
from minewatch.scan._area_run import strata_file
from minewatch.scan._merge_file import attribution_in, read_detections
from minewatch.scan._merge_polygons import area_ha, points_within
from minewatch.scan._merge_windows import HEADER
from minewatch.sites import read_sites
from minewatch.types import StrPath

PATCH_M: Final = 480.0
"""Side of a patch of 48 pixels, metres: what a label stands for."""
_DOUBTS: Final = "tables/labels-doubts.parquet"
"""Where a report of explore keeps doubtful labels."""
_HIDDEN: Final = frozenset({"geometry", "source", "label", "stratum", "longitude", "latitude"})
_SHOWN_BLIND: Final = frozenset({"area_ha", "period", "start", "end"})
"""Columns that a blind review shows: how large, and when. Any other may tell what a model, or a
label, says."""
_DECIMALS: Final = 4
_DEGREE_M: Final = 111_000.0
_SAME_M: Final = 5.0
_SAME: Final = 0.02


@dataclass(frozen=True)
class Item:
    """One place to review."""

    item_id: str
    """A detection_id or site_id, unique in its queue."""
    longitude: float
    """Degrees, EPSG:4326: the middle of the square that is judged."""
    latitude: float
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What is known of it and shown, JSON values by name."""
    outline: BaseGeometry | None = None
    """Polygon of a detection, EPSG:4326; None for a point."""
    dated: str = ""
    """Of which time, or scan, it is: the same ground at another time is another item."""

    def differs(self, other: "Item") -> str:
        """Say how another of that name differs from it; "" if both are one place at one time.

        Files round: places less than 5 m apart, and outlines that differ by less than 2 % of
        their ground, are the same.
        """
        if self.dated != other.dated:
            return "is of another time, or scan"
        narrow = np.cos(np.radians(self.latitude))
        apart = np.array([(self.longitude - other.longitude) * narrow, self.latitude])
        apart_m = float(np.hypot(*(apart - [0.0, other.latitude]))) * _DEGREE_M
        if apart_m > _SAME_M:
            return f"lies {apart_m:,.0f} m away"
        one, another = self.outline, other.outline
        if (one is None) != (another is None):
            return "has an outline in one of them alone"
        if one is None or another is None or one.equals_exact(another, 0.0):
            return ""
        changed = shapely.symmetric_difference(one, another).area / max(one.area, another.area)
        return f"has another outline by {changed:.0%} of its ground" if changed > _SAME else ""


@dataclass(frozen=True)
class Queue:
    """Places to review, in order."""

    kind: Kind
    """What they are."""
    title: str
    """What they are called, on the page."""
    items: tuple[Item, ...]
    """In the order in which they come up."""
    square_m: float = PATCH_M
    """Side of the square around each place that is judged, metres."""
    is_blind: bool = False
    """Whether it was kept from the reviewer what a model, or the map, says of the places."""
    n_unplaced: int = 0
    """Rows that have no place on Earth; they are not in `items`."""
    source: str = ""
    """Name of the file that it was read from."""
    digest: str = ""
    """Digest of that file."""
    attribution: str = ""
    """Whom the file credits."""


def read_queue(
    path: StrPath,
    *,
    kind: Kind | None = None,
    blind: bool | None = None,
    square_m: float | None = None,
    title: str | None = None,
) -> Queue:
    r"""Read what is to be reviewed.

    Parameters
    ----------
    path
        Detections (polygons), a report of explore or its table of doubts, a sample that ``scan
        area`` drew, or any table of sites.
    kind
        What it is. None: a folder is a report; points with ``stratum``, or with strata beside
        them, are a sample; polygons are detections, other points sites. A sample is nothing else,
        whatever is said: what is drawn to measure an area is not to be trained on.
    blind
        Keep from the reviewer what a model, or the map, says. None: of a sample, yes, for who knows
        the stratum of a window does not judge it freely; of others, no.
    square_m
        Side of the square that is judged, metres. None: the unit of a sample, else 480.
    title
        What is shown above. None: the name of the file.

    Returns
    -------
    Queue
        Detections by falling score, doubts by rank (those that are flagged, if any is), samples and
        sites as they come. Blind: in an order by lot, the same each time, and of the facts area and
        dates alone.

    Raises
    ------
    NotThereError, InputError
        If it is not there, is of another kind, or holds no place; or a sample's strata are not
        beside it.

    Examples
    --------
    >>> import tempfile
    >>> text = "site_id,longitude,latitude,label\nnorth,-62.6,5.45,1\nsouth,-62.6,5.41,0\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "places.csv")
    ...     size = file.write_text(text)
    ...     queue = read_queue(file)
    >>> queue.kind, [item.item_id for item in queue.items], queue.square_m
    ('sites', ['north', 'south'], 480.0)
    """
    file = _find(Path(path))
    chosen = kind or _recognise(file)
    if chosen not in KINDS:
        raise InputError(f"kind is {chosen!r}; expected one of {', '.join(KINDS)}")
    if square_m is not None and not 10.0 <= square_m <= 10_000.0:
        raise InputError(f"square_m is {square_m}; expected metres from 10 to 10,000")
    hide = blind if blind is not None else chosen == "sample"
    table, credit = _READERS[chosen](file)
    if "stratum" in table.columns or strata_file(file).is_file():
        _check_sample(file, chosen)
    items = _items(
        _without_hints(table) if hide else table, _scan_of(file) if chosen == "sample" else ""
    )
    if not items:
        raise InputError(f"{file} holds no place to review; expected at least one with coordinates")
    return Queue(
        kind=chosen,
        title=title or file.stem,
        items=items,
        square_m=square_m or (_unit_m(file) if chosen == "sample" else PATCH_M),
        is_blind=hide,
        n_unplaced=len(table) - len(items),
        source=file.name,
        digest=_store.digest_file(file),
        attribution=credit,
    )


def _find(path: Path) -> Path:
    file = path / _DOUBTS if path.is_dir() and (path / _DOUBTS).is_file() else path
    if not file.is_file():
        raise NotThereError(
            f"there is nothing to review at {path}; expected a file of detections, of sites or of "
            "a sample, or the folder of a report of explore"
        )
    return file


def _recognise(file: Path) -> Kind:
    if file.name.startswith("labels-doubts."):
        return "doubts"
    if strata_file(file).is_file():
        return "sample"
    if file.suffix.lower() not in {".csv", ".tsv", ".txt"}:
        try:
            if len(read_detections(file)):
                return "detections"
        except NotThereError:
            raise
        except InputError:
            pass  # no polygons: points
    return "sample" if "stratum" in read_sites(file).columns else "sites"


def _check_sample(file: Path, kind: Kind) -> None:
    """Refuse a sample as anything else, and without what says how it was drawn."""
    if kind != "sample":
        raise InputError(
            f"{file} is a sample of scan area (it has strata), not {kind}: what measures an area "
            "is not to be trained on; review it as a sample, or, if these are strata of your own, "
            "name the column otherwise"
        )
    if not strata_file(file).is_file():
        raise InputError(
            f"{file} is a sample, but {strata_file(file).name} is not beside it; put there what "
            "scan area wrote with it, or, if these are strata of your own, name the column "
            "otherwise"
        )


def _read_doubts(file: Path) -> tuple[gpd.GeoDataFrame, str]:
    try:
        table = pd.read_csv(file) if file.suffix == ".csv" else pd.read_parquet(file)
    except (ValueError, OSError) as error:
        raise InputError(f"{file} cannot be read as a table of doubts: {error}") from error
    missing = {"site_id", "doubt_rank", "is_flagged", "longitude", "latitude"} - set(table.columns)
    if missing:
        raise InputError(f"{file} lacks {', '.join(sorted(missing))}; expected a table of explore")
    table = table.sort_values("doubt_rank", kind="stable")
    flagged = table[table["is_flagged"].astype(bool)]
    own = (flagged if len(flagged) else table).rename(columns={"label": "given_label"})
    index = pd.Index(own.pop("site_id").astype("str"), name="site_id")
    points = gpd.points_from_xy(own["longitude"], own["latitude"])
    return gpd.GeoDataFrame(own.set_axis(index), geometry=points, crs="EPSG:4326"), ""


def _read_points(file: Path) -> tuple[gpd.GeoDataFrame, str]:
    sites = read_sites(file)
    # A sample's labels are what is asked for; of other sites they are what is checked.
    said = sites["label"].map({1: "mining", 0: "no mining"})
    return (sites if "stratum" in sites.columns else sites.assign(given_label=said)), ""


def _read_detected(file: Path) -> tuple[gpd.GeoDataFrame, str]:
    table = read_detections(file)
    if not {"longitude", "latitude"} <= set(table.columns):
        places = points_within(table.geometry.to_numpy())
        table = table.assign(longitude=places[:, 0], latitude=places[:, 1])
    if "area_ha" not in table.columns:
        table = table.assign(area_ha=area_ha(table.geometry.to_numpy()))
    by = next((name for name in ("score_max", "score_mean", "score") if name in table), None)
    ordered = table if by is None else table.sort_values(by, ascending=False, kind="stable")
    return ordered, attribution_in(table.attrs.get(HEADER))


_READERS: Final = {
    "detections": _read_detected,
    "doubts": _read_doubts,
    "sample": _read_points,
    "sites": _read_points,
}


def _without_hints(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Keep places, area and dates; order rows by lot: by the digest of their name and place."""
    places = {"geometry", table.geometry.name, "longitude", "latitude"}
    kept = table[[name for name in table.columns if name in _SHOWN_BLIND | places]]
    shapes = shapely.to_wkb(table.geometry.to_numpy(), hex=True)
    names = zip(table.index.astype("str"), shapes, strict=True)
    lots = [_store.digest_value(list(one)) for one in names]
    return kept.iloc[np.argsort(lots, kind="stable")]


def _scan_of(sample: Path) -> str:
    """Name the scan that a sample was drawn from: windows of every year bear the same names."""
    try:
        said = json.loads(strata_file(sample).read_text(encoding="utf-8"))
        return _store.digest_value(said["inputs"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _items(table: gpd.GeoDataFrame, scan: str = "") -> tuple[Item, ...]:
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][0]
        raise InputError(f"{twice!r} names two places; name each once")
    shapes = table.geometry.to_numpy()
    is_point = shapely.get_type_id(shapes) == 0
    places = np.full((len(table), 2), np.nan)
    if {"longitude", "latitude"} <= set(table.columns):
        places = table[["longitude", "latitude"]].to_numpy(np.float64, copy=True)
    points = np.column_stack([shapely.get_x(shapes), shapely.get_y(shapes)])
    places[is_point] = points[is_point]
    known = np.isfinite(places).all(axis=1) & (np.abs(places[:, 0]) <= 180.0)
    known &= (places[:, 1] >= MIN_LATITUDE) & (places[:, 1] <= MAX_LATITUDE)
    names = [name for name in table.columns if name not in _HIDDEN]
    columns = {str(name): table[name].tolist() for name in names}
    dates = [columns[name] for name in ("period", "start", "end") if name in columns]
    return tuple(
        Item(
            str(table.index[row]),
            float(places[row, 0]),
            float(places[row, 1]),
            {name: said for name, own in columns.items() if (said := _plain(own[row])) is not None},
            None if is_point[row] else shapes[row],
            " ".join([*(str(_plain(own[row]) or "") for own in dates), scan]).strip(),
        )
        for row in np.flatnonzero(known)
    )


def _plain(value: Any) -> Any:
    """Give a fact as JSON; None where there is none, or it is not one value."""
    if isinstance(value, str):
        return value[:200] or None
    if isinstance(value, date):
        return None if str(value) == "NaT" else value.isoformat()[:10]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return round(float(value), _DECIMALS) if np.isfinite(value) else None
    return None


def _unit_m(sample: Path) -> float:
    """Read how large the windows of a sample are: it is said beside their strata."""
    try:
        said = json.loads(strata_file(sample).read_text(encoding="utf-8"))
        return float(said["settings"]["unit_m"])
    except (OSError, ValueError, KeyError, TypeError):
        return PATCH_M
