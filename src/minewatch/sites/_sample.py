"""Draw background places in a region, evenly over the ground and away from what is known."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy.spatial import KDTree

from minewatch.errors import InputError
from minewatch.sites._distance import chord_m, earth_centred, geodesic_m, lonlat, nearest_of
from minewatch.sites._regions import Region, equal_area_m2, read_polygons, read_region
from minewatch.sites._schema import SITE_ID, SITES_CRS
from minewatch.sites._space import from_equal_area, to_equal_area
from minewatch.types import BoolArray, FloatArray, IntArray

Allocation: TypeAlias = Literal["area", "equal"]

SOURCE: Final = "background"
_BATCH: Final = 2_048
_FULL_AFTER: Final = 20_000
"""A region counts as full when so many places in a row, drawn inside it, found no room."""
_MOST_DRAWS: Final = 20_000_000


@dataclass(frozen=True)
class _Rules:
    known: FloatArray
    min_distance_m: float
    apart_m: float


def sample_background(
    region: Region,
    n_sites: int,
    *,
    min_distance_m: float,
    away_from: gpd.GeoDataFrame | None = None,
    apart_m: float | None = None,
    stratify: tuple[Region, str] | None = None,
    allocation: Allocation = "area",
    random_state: int | np.random.Generator | None = None,
) -> gpd.GeoDataFrame:
    """Draw background sites in a region, away from known sites and from each other.

    Places are drawn one after another, each uniformly over the area (on the ellipsoid) that the
    earlier ones left. They are presumed to hold no mining and labelled 0; nobody has looked.

    Parameters
    ----------
    region
        Polygons: a GeoDataFrame, a GeoSeries, a shapely geometry in EPSG:4326, or a file. Edges are
        straight in degrees. No site is ever outside it.
    n_sites
        How many.
    min_distance_m
        Least distance to any site of `away_from`, metres on the ellipsoid.
    away_from
        A table of points to keep away from; the order of its rows does not matter, rows without a
        point are passed over. None: nothing.
    apart_m
        Least distance between two sites drawn, metres on the ellipsoid. None: `min_distance_m`.
    stratify
        A layer of polygons and the name of its column: sites are drawn for each value of the column
        apart, within the region; ground that no polygon covers gets none. None: no strata.
    allocation
        How many sites a stratum gets: in proportion to its area within the region (``area``), or
        the same number each (``equal``). Remainders go to the largest fractions.
    random_state
        Seed, or generator. The same seed and region give the same sites.

    Returns
    -------
    geopandas.GeoDataFrame
        A table of sites: ids ``background-0001`` and on, label 0, source ``background``; with
        `stratify`, its column.

    Raises
    ------
    InputError
        If the region has no area, the strata overlap, or the number does not fit; the message says
        how many do.

    Notes
    -----
    Filling up is random, so a region may hold somewhat more sites than the number said to fit.
    Places are drawn in a cylindrical equal-area projection of the WGS 84 ellipsoid.

    Examples
    --------
    >>> region = shapely.box(-62.7, 5.3, -62.5, 5.5)
    >>> sites = sample_background(region, 20, min_distance_m=1000, random_state=1)
    >>> len(sites), bool(sites.within(region).all()), int(sites["label"].max())
    (20, True, 0)
    """
    apart = min_distance_m if apart_m is None else apart_m
    if n_sites < 1 or not (0 <= min_distance_m < np.inf) or not (0 <= apart < np.inf):
        raise InputError(
            f"n_sites is {n_sites}, min_distance_m {min_distance_m}, apart_m {apart}; expected at "
            "least one site, and distances of 0 metres or more"
        )
    known = np.empty((0, 2)) if away_from is None else _known_places(away_from)
    rules = _Rules(known, min_distance_m, apart)
    random = np.random.default_rng(random_state)
    ground = read_region(region)
    if stratify is None:
        return _as_sites(_draw(ground, n_sites, rules, np.empty((0, 2)), random, "the region"))
    parts = _split(ground, *stratify)
    places, names = np.empty((0, 2)), []
    for (name, part), count in zip(parts.items(), _allot(parts, n_sites, allocation), strict=True):
        where = f"{stratify[1]} = {name!r}"
        places = np.vstack([places, _draw(part, count, rules, places, random, where)])
        names += [name] * count
    sites = _as_sites(places)
    sites[stratify[1]] = names
    return sites


def _known_places(away_from: gpd.GeoDataFrame) -> FloatArray:
    places = lonlat(away_from.to_crs(SITES_CRS))
    known = np.isfinite(places).all(axis=1)
    geometry = away_from.geometry.to_numpy()
    other = away_from[~known & ~shapely.is_missing(geometry) & ~shapely.is_empty(geometry)]
    if len(other):
        kinds = ", ".join(sorted(set(other.geom_type)))
        raise InputError(
            f"{len(other):,} of the sites to keep away from are no finite points ({kinds}), such "
            f"as {other.index[0]}; expected points"
        )
    return places[known]


def _as_sites(places: FloatArray) -> gpd.GeoDataFrame:
    ids = [f"{SOURCE}-{number:04d}" for number in range(1, len(places) + 1)]
    return gpd.GeoDataFrame(
        {
            "label": pd.array([0] * len(places), dtype="Int8"),
            "source": pd.array([SOURCE] * len(places), dtype="str"),
        },
        index=pd.Index(ids, dtype="str", name=SITE_ID),
        geometry=gpd.points_from_xy(places[:, 0], places[:, 1]),
        crs=SITES_CRS,
    )[["label", "source", "geometry"]]


def _draw(
    ground: shapely.Geometry,
    count: int,
    rules: _Rules,
    taken: FloatArray,
    random: np.random.Generator,
    where: str,
) -> FloatArray:
    drawn = np.empty((0, 2))
    since_last = 0
    if count == 0:
        return drawn
    for inside in _uniform(ground, random):
        places = inside[_is_free(inside, rules)]
        room = _with_room(places, np.vstack([taken, drawn]), rules.apart_m)
        drawn = np.vstack([drawn, places[room]])
        since_last = 0 if room.any() else since_last + len(inside)
        if len(drawn) >= count:
            return drawn[:count]
        if since_last >= _FULL_AFTER:
            break
    raise InputError(
        f"{count:,} sites do not fit into {where}: only {len(drawn):,} do, {rules.apart_m:g} m "
        f"from each other and {rules.min_distance_m:g} m from the {len(rules.known):,} known ones; "
        "ask for fewer, lower a distance, or widen the region"
    )


def _uniform(ground: shapely.Geometry, random: np.random.Generator) -> Iterator[FloatArray]:
    """Yield batches of places that are uniform over the ground, by rejection from boxes."""
    parts = shapely.get_parts(ground)
    shapely.prepare(parts)
    west, south, east, north = shapely.bounds(parts).T
    low = to_equal_area(np.column_stack([west, south]))
    high = to_equal_area(np.column_stack([east, north]))
    area = (high - low).prod(axis=1)
    for _ in range(_MOST_DRAWS // _BATCH):
        part = random.choice(len(parts), size=_BATCH, p=area / area.sum())
        places = from_equal_area(random.uniform(low[part], high[part]))
        yield places[shapely.contains_xy(parts[part], places[:, 0], places[:, 1])]


def _is_free(places: FloatArray, rules: _Rules) -> BoolArray:
    if len(rules.known) == 0 or len(places) == 0:
        return np.ones(len(places), dtype=np.bool_)
    return np.asarray(nearest_of(places, rules.known) >= rules.min_distance_m, dtype=np.bool_)


def _with_room(places: FloatArray, taken: FloatArray, apart_m: float) -> BoolArray:
    room = np.ones(len(places), dtype=np.bool_)
    if len(places) == 0:
        return room
    if len(taken):
        room = np.asarray(nearest_of(places, taken) >= apart_m, dtype=np.bool_)
    earlier, later = _close_pairs(places, np.flatnonzero(room), apart_m).T
    for first, second in zip(earlier, later, strict=True):
        if room[first]:
            room[second] = False
    return room


def _close_pairs(places: FloatArray, rows: IntArray, apart_m: float) -> IntArray:
    # In the order of the earlier place, so that it is decided before the later ones ask.
    reach = chord_m(apart_m) * 1.01
    pairs = KDTree(earth_centred(places[rows])).query_pairs(reach, output_type="ndarray")
    pairs = np.sort(rows[pairs].reshape(-1, 2), axis=1)
    near = geodesic_m(places[pairs[:, 0]], places[pairs[:, 1]]) < apart_m
    pairs = pairs[near]
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _split(
    ground: shapely.Geometry, layer: Region, column: str
) -> dict[Hashable, shapely.Geometry]:
    polygons = read_polygons(layer)
    if column not in polygons:
        names = ", ".join(str(name) for name in polygons.columns)
        raise InputError(f"the layer of strata has no column {column!r}; it has {names}")
    parts: dict[Hashable, shapely.Geometry] = {}
    for name, own in polygons.groupby(column, sort=True):
        part = shapely.intersection(shapely.union_all(own.geometry.to_numpy()), ground)
        part = shapely.normalize(shapely.union_all(_polygons_of(part)))
        if not part.is_empty:
            parts[name] = part
    if not parts:
        raise InputError(f"no polygon of the strata ({column}) lies in the region")
    shared = sum(equal_area_m2(part) for part in parts.values()) - equal_area_m2(
        shapely.union_all(list(parts.values()))
    )
    if shared > 1e-6 * sum(equal_area_m2(part) for part in parts.values()):
        raise InputError(
            f"the strata of {column!r} overlap by {shared / 1e6:,.1f} km² in the region; a place "
            "must lie in one stratum only"
        )
    return parts


def _polygons_of(geometry: shapely.Geometry) -> "list[shapely.Geometry]":
    parts = shapely.get_parts(geometry)
    return [part for part in parts if part.geom_type == "Polygon"]


def _allot(
    parts: "dict[Hashable, shapely.Geometry]", n_sites: int, allocation: Allocation
) -> list[int]:
    if allocation not in ("area", "equal"):
        raise InputError(f"allocation is {allocation!r}; expected 'area' or 'equal'")
    areas = np.array([equal_area_m2(part) for part in parts.values()])
    weights = areas if allocation == "area" else np.ones(len(areas))
    exact = n_sites * weights / weights.sum()
    counts = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: n_sites - counts.sum()]] += 1
    return [int(count) for count in counts]
