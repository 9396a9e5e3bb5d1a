"""Find every fault of a table of sites at once."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pandas.api.typing import NAType

from minewatch.errors import InputError, SitesError
from minewatch.grid import MAX_LATITUDE, MIN_LATITUDE, PatchGrid
from minewatch.sites._distance import geodesic_m, lonlat, single_points
from minewatch.sites._schema import CLASS_NAMES, SITE_ID, SITES_CRS, as_text, list_some
from minewatch.sites._squares import Squares, conflicting_pairs
from minewatch.types import BoolArray, FloatArray

Fault: TypeAlias = Literal[
    "missing column",
    "wrong CRS",
    "missing id",
    "duplicate id",
    "unknown label",
    "no geometry",
    "invalid geometry",
    "not a point",
    "out of range",
    "swapped",
    "duplicate point",
    "conflicting labels",
]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)

_SOUTHERNMOST_LAND: Final = -56.0
_FAR_DEGREES: Final = 20.0
_MOST_SHOWN: Final = 20


@dataclass(frozen=True)
class _Found:
    fault: Fault
    detail: str
    position: int | None = None


def validate_sites(
    sites: gpd.GeoDataFrame,
    *,
    grid: PatchGrid | None = None,
    allow: Collection[str] = (),
) -> gpd.GeoDataFrame:
    """Check a table of sites, and name every fault at once.

    Nothing is repaired or dropped. The faults are:

    - ``missing column``: no index `site_id`, no `label`, `source` or `geometry`;
    - ``wrong CRS``: the geometry is not in EPSG:4326 (its coordinates are then not looked at);
    - ``missing id``, ``duplicate id``; a `site_id` is text;
    - ``unknown label``: neither 1, 0 nor missing;
    - ``no geometry`` (none or empty), ``invalid geometry`` (a coordinate that is not finite),
      ``not a point``;
    - ``out of range``: no place on Earth, or beyond 80° S to 84° N, where no patch can be cut;
    - ``swapped``: longitude and latitude look exchanged. Either the latitude is beyond 90° and the
      exchange is in range; or the site lies south of 56° S (sea or Antarctica) and the exchange
      does not; or it lies over 20° from the middle of the sites and the exchange is ten times
      nearer to it;
    - ``duplicate point``: the very coordinates of an earlier row;
    - ``conflicting labels``: the patch of one of two sites with different labels holds the other.

    Parameters
    ----------
    sites
        What should be a table of sites.
    grid
        The patches that conflicts are judged on. None: 48 × 48 pixels of 10 m.
    allow
        Faults that are accepted as they are.

    Returns
    -------
    geopandas.GeoDataFrame
        The same sites, rows in the same order, `label` as Int8, a multipoint of one point as that
        point.

    Raises
    ------
    SitesError
        If there is any fault that is not allowed; its `faults` lists all of them with their rows,
        counted from 1 (in each source, if there are several).
    InputError
        If `allow` names a fault that does not exist.

    Examples
    --------
    >>> sites = gpd.GeoDataFrame(
    ...     {"label": [1, 0], "source": "demo"},
    ...     index=pd.Index(["a", "b"], name="site_id"),
    ...     geometry=gpd.points_from_xy([-62.6, 5.4], [5.4, -62.6]),
    ...     crs="EPSG:4326",
    ... )
    >>> validate_sites(sites)
    Traceback (most recent call last):
    minewatch.errors.SitesError: 1 fault in 2 sites:
      row 2 (b): swapped: longitude 5.4, latitude -62.6 look exchanged
    >>> len(validate_sites(sites.head(1)))
    1
    """
    raise_faults(find_faults(sites, grid=grid, skip=allow), len(sites), allow=allow)
    checked = sites.copy()
    checked["label"] = sites["label"].astype("Int8")
    return checked.set_geometry(
        gpd.GeoSeries(
            single_points(sites.geometry.to_numpy()),
            index=sites.index,
            name=sites.geometry.name,
            crs=sites.crs,
        )
    )


def raise_faults(faults: pd.DataFrame, n_sites: int, *, allow: Collection[str] = ()) -> None:
    """Raise one SitesError that names every fault in a table of faults, if there is any."""
    unknown = sorted(set(allow) - set(FAULTS))
    if unknown:
        raise InputError(f"no such fault: {list_some(unknown)}; there are {', '.join(FAULTS)}")
    lines = [describe_fault(*row) for row in faults.itertuples(index=False) if row[2] not in allow]
    if not lines:
        return
    shown = "\n  ".join(lines[:_MOST_SHOWN])
    more = len(lines) - _MOST_SHOWN
    rest = f"\n  … and {more} more" if more > 0 else ""
    count = "1 fault" if len(lines) == 1 else f"{len(lines):,} faults"
    raise SitesError(f"{count} in {n_sites:,} sites:\n  {shown}{rest}", lines)


def describe_fault(
    row: int | NAType, site_id: str, fault: str, detail: str, source: str, source_row: int | NAType
) -> str:
    """Spell one row of a table of faults; a source is named where there are several."""
    if isinstance(row, NAType):
        return f"{fault}: {detail}"
    place = f"row {source_row} of {source}" if source else f"row {row}"
    return f"{place} ({site_id}): {fault}: {detail}"


class _RowNames:
    """Where a row stands: in its source, if the table was put together from several."""

    def __init__(self, sites: gpd.GeoDataFrame) -> None:
        sources = sites["source"] if "source" in sites else pd.Series("", index=sites.index)
        self.sources = sources.astype("str").fillna("").to_numpy(dtype=object)
        if len(set(self.sources)) == 1:
            self.sources[:] = ""
        self.rows = pd.Series(self.sources).groupby(self.sources).cumcount().to_numpy() + 1

    def name(self, position: int) -> str:
        """Spell the row of a site."""
        source = self.sources[position]
        return f"row {self.rows[position]}{f' of {source}' if source else ''}"


def find_faults(
    sites: gpd.GeoDataFrame, *, grid: PatchGrid | None = None, skip: Collection[str] = ()
) -> pd.DataFrame:
    """List the faults of a table of sites, as `validate_sites` defines them.

    Parameters
    ----------
    sites
        What should be a table of sites.
    grid
        The patches that conflicts are judged on. None: 48 × 48 pixels of 10 m.
    skip
        Faults that need not be looked for, if that takes long; they may be listed nevertheless.

    Returns
    -------
    pandas.DataFrame
        One row per fault, in the order of the sites: `row` (Int64, counted from 1; missing if the
        fault is of the whole table), `site_id`, `fault`, `detail`, and, if the sites are from
        several sources, `source` and `source_row`, the row among the sites of that source (counted
        from 1); otherwise `source` is empty, and `source_row` is `row`.
    """
    found = list(_of_table(sites))
    found += _of_ids(sites)
    if "label" in sites:
        found += _of_labels(sites)
    if has_geometry(sites):
        found += _of_geometry(sites)
        if _has_crs(sites):
            found += _of_coordinates(sites)
            if "duplicate point" not in skip:
                found += _of_duplicates(sites)
            if "conflicting labels" not in skip:
                found += _of_conflicts(sites, grid or PatchGrid())
    return _as_table(found, sites)


def has_geometry(sites: gpd.GeoDataFrame) -> bool:
    """Say whether a table has an active column of geometry."""
    return isinstance(sites, gpd.GeoDataFrame) and sites.active_geometry_name is not None


def in_range(places: FloatArray) -> BoolArray:
    """Say for each place (n, 2) whether a patch can be cut there; NaN is no place."""
    longitude, latitude = places.T
    in_zones = (latitude >= MIN_LATITUDE) & (latitude <= MAX_LATITUDE)
    return np.asarray((np.abs(longitude) <= 180) & in_zones, dtype=np.bool_)


def label_values(sites: gpd.GeoDataFrame) -> FloatArray:
    """Give the labels as 1, 0 or NaN; what is no label is NaN."""
    if "label" not in sites:
        return np.full(len(sites), np.nan)
    values = pd.to_numeric(sites["label"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isin(values, list(CLASS_NAMES)), values, np.nan)


def _as_table(found: list[_Found], sites: gpd.GeoDataFrame) -> pd.DataFrame:
    found = sorted(found, key=lambda one: -1 if one.position is None else one.position)
    ids = ["" if one.position is None else as_text(sites.index[one.position]) for one in found]
    rows = [None if one.position is None else one.position + 1 for one in found]
    names = _RowNames(sites)
    sources = ["" if one.position is None else names.sources[one.position] for one in found]
    own = [None if one.position is None else names.rows[one.position] for one in found]
    return pd.DataFrame(
        {
            "row": pd.array(rows, dtype="Int64"),
            SITE_ID: pd.array(ids, dtype="str"),
            "fault": pd.array([one.fault for one in found], dtype="str"),
            "detail": pd.array([one.detail for one in found], dtype="str"),
            "source": pd.array(sources, dtype="str"),
            "source_row": pd.array(own, dtype="Int64"),
        }
    )


def _has_crs(sites: gpd.GeoDataFrame) -> bool:
    return sites.crs is not None and sites.crs.equals(SITES_CRS, ignore_axis_order=True)


def _of_table(sites: gpd.GeoDataFrame) -> Iterator[_Found]:
    if sites.index.name != SITE_ID:
        yield _Found("missing column", f"the index is {sites.index.name!r}; expected 'site_id'")
    for name in ("label", "source"):
        if name not in sites:
            has = list_some([str(column) for column in sites.columns])
            yield _Found("missing column", f"there is no column {name!r}; there are {has}")
    if not has_geometry(sites):
        yield _Found("missing column", "there is no column of geometry; read it with read_sites")
    elif not _has_crs(sites):
        name = "none" if sites.crs is None else sites.crs.to_string()
        yield _Found("wrong CRS", f"it is {name}; expected {SITES_CRS}: use sites.to_crs")


def _of_ids(sites: gpd.GeoDataFrame) -> Iterator[_Found]:
    if sites.index.name != SITE_ID:
        return
    ids = sites.index.to_series().reset_index(drop=True)
    first: dict[str, int] = {}
    names = _RowNames(sites)
    for position, site_id in enumerate(ids):
        if not isinstance(site_id, str) or not site_id.strip():
            yield _Found("missing id", f"it is {site_id!r}; expected text", position)
        elif site_id in first:
            yield _Found("duplicate id", f"{names.name(first[site_id])} bears it too", position)
        else:
            first[site_id] = position


def _of_labels(sites: gpd.GeoDataFrame) -> Iterator[_Found]:
    unknown = np.isnan(label_values(sites)) & sites["label"].notna().to_numpy()
    for position in np.flatnonzero(unknown):
        value = sites["label"].iloc[position]
        yield _Found("unknown label", f"it is {value!r}; expected 1, 0 or missing", int(position))


def _of_geometry(sites: gpd.GeoDataFrame) -> Iterator[_Found]:
    points = single_points(sites.geometry.to_numpy())
    absent = shapely.is_missing(points) | shapely.is_empty(points)
    other = ~absent & (shapely.get_type_id(points) != shapely.GeometryType.POINT)
    invalid = ~absent & ~other & ~np.isfinite(lonlat(sites)).all(axis=1)
    for position in np.flatnonzero(absent):
        word = "none" if points[position] is None else "empty"
        yield _Found("no geometry", f"it is {word}; expected a point", int(position))
    for position in np.flatnonzero(other):
        detail = f"it is a {points[position].geom_type}; expected a point"
        if not shapely.is_valid(points[position]):
            detail += f" (and it is invalid: {shapely.is_valid_reason(points[position])})"
        yield _Found("not a point", detail, int(position))
    for position in np.flatnonzero(invalid):
        yield _Found("invalid geometry", "a coordinate is not a finite number", int(position))


def _of_coordinates(sites: gpd.GeoDataFrame) -> Iterator[_Found]:
    places = lonlat(sites)
    swapped = _look_swapped(places)
    outside = np.isfinite(places).all(axis=1) & ~in_range(places) & ~swapped
    for position in np.flatnonzero(swapped | outside):
        longitude, latitude = places[position]
        detail = f"longitude {longitude:g}, latitude {latitude:g}"
        if swapped[position]:
            yield _Found("swapped", f"{detail} look exchanged", int(position))
            continue
        on_earth = abs(longitude) <= 180 and abs(latitude) <= 90
        detail += "; patches are cut from 80° S to 84° N" if on_earth else ""
        yield _Found("out of range", detail, int(position))


def _look_swapped(places: FloatArray) -> BoolArray:
    longitude, latitude = places.T
    exchange_fits = in_range(places[:, ::-1]) & (longitude > _SOUTHERNMOST_LAND)
    impossible = (np.abs(latitude) > 90) | (latitude < _SOUTHERNMOST_LAND)
    swapped = exchange_fits & impossible
    sound = in_range(places) & ~swapped
    if sound.any():
        middle = np.median(places[sound], axis=0)
        off = np.hypot(*(places - middle).T)
        off_exchanged = np.hypot(*(places[:, ::-1] - middle).T)
        swapped |= sound & (off > _FAR_DEGREES) & (off_exchanged * 10 < off)
    return np.asarray(swapped, dtype=np.bool_)


def _of_duplicates(sites: gpd.GeoDataFrame) -> Iterator[_Found]:
    places = lonlat(sites)
    rows = np.flatnonzero(np.isfinite(places).all(axis=1))
    _, first, group = np.unique(places[rows], axis=0, return_index=True, return_inverse=True)
    earlier = rows[first[group.ravel()]]
    names = _RowNames(sites)
    for position, before in zip(rows[earlier != rows], earlier[earlier != rows], strict=True):
        detail = f"the place of {names.name(before)} ({sites.index[before]})"
        yield _Found("duplicate point", detail, int(position))


def _of_conflicts(sites: gpd.GeoDataFrame, grid: PatchGrid) -> Iterator[_Found]:
    places = lonlat(sites)
    rows = np.flatnonzero(in_range(places))
    labels = label_values(sites)
    squares = Squares(places[rows], grid)
    pairs = rows[conflicting_pairs(squares, labels[rows], squares.near_pairs())]
    if len(pairs) == 0:
        return
    names = _RowNames(sites)
    apart = geodesic_m(places[pairs[:, 0]], places[pairs[:, 1]])
    both = np.vstack([pairs, pairs[:, ::-1]])
    order = np.lexsort((both[:, 1], np.tile(apart, 2), both[:, 0]))
    positions, first, counts = np.unique(both[order, 0], return_index=True, return_counts=True)
    for position, at, count in zip(positions, first, counts, strict=True):
        other = both[order[at], 1]
        more = f" (and {count - 1} more)" if count > 1 else ""
        detail = (
            f"it is {CLASS_NAMES[int(labels[position])]}, but in one patch with it, "
            f"{np.tile(apart, 2)[order[at]]:.0f} m away, {sites.index[other]} "
            f"({names.name(other)}) is {CLASS_NAMES[int(labels[other])]}{more}"
        )
        yield _Found("conflicting labels", detail, int(position))
