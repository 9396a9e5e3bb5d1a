"""Describe a table of sites: counts, extent, distances, overlaps, conflicts, clusters, faults."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd

from minewatch import __version__
from minewatch._store import Ours, digest_files, write_json, writing_folder
from minewatch.errors import SitesError
from minewatch.grid import PatchGrid
from minewatch.sites._distance import geodesic_m, lonlat, nearest_of, nearest_other
from minewatch.sites._schema import CLASS_NAMES, UNLABELLED, class_of
from minewatch.sites._space import cluster_sites
from minewatch.sites._squares import Squares, conflicting_pairs
from minewatch.sites._summary import summarize_check
from minewatch.sites._validate import (
    find_faults,
    has_geometry,
    in_range,
    label_values,
    raise_faults,
)
from minewatch.types import FloatArray, StrPath

CLUSTER_DISTANCES_M: Final = (1_000.0, 3_000.0, 10_000.0, 20_000.0)
QUANTILES: Final[Mapping[str, float]] = {
    "min_m": 0.0,
    "q05_m": 0.05,
    "q25_m": 0.25,
    "median_m": 0.5,
    "q75_m": 0.75,
    "q95_m": 0.95,
    "max_m": 1.0,
}


@dataclass(frozen=True)
class SitesCheck:
    """What a table of sites holds and where it is at fault, as tables.

    Sites without a usable place (missing, no point, out of range) are counted in `counts` and
    `faults` and left out of everything that is measured.
    """

    grid: PatchGrid
    """The patches that overlaps and conflicts are judged on."""
    counts: pd.DataFrame
    """Index `class` (mining, no mining, unlabelled, all): n_sites, share (0–1), n_placed."""
    sources: pd.DataFrame
    """Index `source`: number of sites of each class, and `all`."""
    extent: pd.DataFrame
    """Index `class`: west, south, east, north, degrees; NaN if there are none."""
    distances: pd.DataFrame
    """One row per `of` and `to` (classes, or all): n_sites that have such a neighbour, quantiles
    of the geodesic from each of them to the nearest, metres; NaN if there is none."""
    overlaps: pd.DataFrame
    """Index `class`: n_sites; n_within_side, those with a neighbour within a patch's side;
    n_overlapping, those whose patch shares ground with another; n_overlapping_other_class."""
    conflicts: pd.DataFrame
    """Pairs of sites with different labels of which one lies in the other's patch: `mining` and
    `no_mining` (site_ids), distance_m; the nearest first."""
    clusters: pd.DataFrame
    """Index `distance_m`: n_clusters, n_single (of one site), largest (sites), n_mixed (clusters
    that hold both classes)."""
    faults: pd.DataFrame
    """row (from 1), site_id, fault, detail, source and source_row (the row among the sites of one
    source, if there are several): what validate_sites would raise."""
    per_site: pd.DataFrame
    """Index site_id: class, nearest_m, nearest_other_class_m, n_overlapping, and the cluster at
    each distance (-1: no place)."""

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by its name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, pd.DataFrame)}

    def raise_faults(self, *, allow: Collection[str] = ()) -> None:
        """Raise one SitesError that names every fault that is not allowed, if there is any."""
        raise_faults(self.faults, len(self.per_site), allow=allow)

    def __str__(self) -> str:
        """Say in a page of plain text what was found."""
        return summarize_check(self)

    def to_dict(self) -> dict[str, Any]:
        """Give everything but the table per site as plain values, for JSON; NaN becomes None."""
        result: dict[str, Any] = {"minewatch": __version__, "grid": self.grid.model_dump()}
        for name, table in self.tables.items():
            if name != "per_site":
                named = table if table.index.name is None else table.reset_index()
                plain = named.astype(object).where(named.notna(), None)
                result[name] = plain.to_dict(orient="records")
        return result

    def save(
        self, folder: StrPath, *, inputs: Sequence[StrPath] = (), overwrite: bool = False
    ) -> Path:
        """Write every table as CSV, and all but the table per site as ``check.json``.

        Parameters
        ----------
        folder
            Where to; it appears whole.
        inputs
            The files that the sites were read from; their digests are written too.
        overwrite
            Replace an earlier check there. Anything else in the folder is never replaced.

        Returns
        -------
        pathlib.Path
            The folder.

        Raises
        ------
        AlreadyThereError
            If the folder holds an earlier check and `overwrite` is false, or holds other files.
        """
        final = Path(folder)
        ours = Ours("check.json", frozenset(f"{name}.csv" for name in self.tables))
        with writing_folder(final, overwrite=overwrite, ours=ours) as aside:
            for name, table in self.tables.items():
                table.to_csv(aside / f"{name}.csv", index=table.index.name is not None)
            digests = digest_files(inputs)
            write_json(aside / "check.json", {**self.to_dict(), "inputs": digests})
        return final


def check_sites(sites: gpd.GeoDataFrame, *, grid: PatchGrid | None = None) -> SitesCheck:
    """Describe a table of sites: how many, where, how far apart, how they overlap, what is wrong.

    Faults do not stop it: they are listed in `faults`, and what can be measured is. To stop at
    them, call `validate_sites` or `SitesCheck.raise_faults`.

    Parameters
    ----------
    sites
        A table of sites; points in EPSG:4326.
    grid
        The patches that will be cut. None: 48 × 48 pixels of 10 m.

    Returns
    -------
    SitesCheck
        The tables.

    Raises
    ------
    SitesError
        If there is nothing to describe: no rows, no geometry, or another CRS.

    Examples
    --------
    >>> sites = gpd.GeoDataFrame(
    ...     {"label": [1, 0, 0], "source": "demo"},
    ...     index=pd.Index(["a", "b", "c"], name="site_id"),
    ...     geometry=gpd.points_from_xy([-62.600, -62.597, -62.5], [5.4, 5.4, 5.4]),
    ...     crs="EPSG:4326",
    ... )
    >>> check = check_sites(sites)
    >>> check.overlaps[["n_sites", "n_within_side", "n_overlapping"]].loc["all"].to_dict()
    {'n_sites': 3, 'n_within_side': 2, 'n_overlapping': 2}
    >>> check.conflicts
    Empty DataFrame
    Columns: [mining, no_mining, distance_m]
    Index: []
    >>> check.clusters["n_clusters"].to_dict()
    {1000.0: 2, 3000.0: 2, 10000.0: 2, 20000.0: 1}
    """
    grid = grid or PatchGrid()
    faults = find_faults(sites, grid=grid)
    _refuse_undescribable(sites, faults)
    labels = label_values(sites)
    classes = class_of(pd.Series(labels, index=sites.index).astype("Int8"))
    places = lonlat(sites)
    places[~in_range(places)] = np.nan
    placed = _Placed(sites, classes, labels, places, grid)
    nearest = _measure_nearest(placed)
    per_site = _describe_each(placed, nearest)
    return SitesCheck(
        grid=grid,
        counts=_count(placed),
        sources=_count_sources(sites, classes),
        extent=_measure_extent(placed),
        distances=_summarize_distances(nearest),
        overlaps=_count_overlaps(placed, per_site),
        conflicts=_list_conflicts(placed),
        clusters=_count_clusters(placed, per_site),
        faults=faults,
        per_site=per_site,
    )


class _Placed:
    """The sites that have a place, their patches, and the pairs of them that come near."""

    def __init__(
        self,
        sites: gpd.GeoDataFrame,
        classes: "pd.Series[str]",
        labels: FloatArray,
        places: FloatArray,
        grid: PatchGrid,
    ) -> None:
        self.every_class = classes
        self.rows = np.flatnonzero(np.isfinite(places).all(axis=1))
        self.places = places[self.rows]
        self.labels = labels[self.rows]
        self.classes = classes.iloc[self.rows]
        self.ids = sites.index[self.rows]
        self.squares = Squares(self.places, grid)
        self.pairs = self.squares.near_pairs()
        self.overlapping = self.pairs[self.squares.overlap(self.pairs)]
        self.points = gpd.GeoDataFrame(
            index=self.ids, geometry=gpd.points_from_xy(*self.places.T), crs=sites.crs
        )

    def names(self) -> list[str]:
        """Name the classes that occur, mining first."""
        order = [*CLASS_NAMES.values(), UNLABELLED]
        return [name for name in order if (self.every_class == name).any()]


def _refuse_undescribable(sites: gpd.GeoDataFrame, faults: pd.DataFrame) -> None:
    if len(sites) == 0:
        raise SitesError("there are no sites to check: the table has no rows")
    if not has_geometry(sites) or (faults["fault"] == "wrong CRS").any():
        raise_faults(faults, len(sites))


def _by_class(placed: _Placed, row: "dict[str, Any]") -> pd.DataFrame:
    return pd.DataFrame(row, index=pd.Index([*placed.names(), "all"], name="class"))


def _count(placed: _Placed) -> pd.DataFrame:
    def rows(classes: "pd.Series[str]") -> list[int]:
        return [*((classes == name).sum() for name in placed.names()), len(classes)]

    n_sites = rows(placed.every_class)
    share = np.array(n_sites) / n_sites[-1]
    return _by_class(placed, {"n_sites": n_sites, "share": share, "n_placed": rows(placed.classes)})


def _count_sources(sites: gpd.GeoDataFrame, classes: "pd.Series[str]") -> pd.DataFrame:
    source = sites["source"] if "source" in sites else pd.Series("", index=sites.index)
    source = source.astype("str").fillna("")
    table = pd.crosstab(source.to_numpy(), classes.to_numpy())
    table["all"] = table.sum(axis=1)
    return table.rename_axis("source").rename_axis(None, axis=1)


def _measure_extent(placed: _Placed) -> pd.DataFrame:
    bounds = []
    for name in [*placed.names(), "all"]:
        own = placed.places[(placed.classes == name).to_numpy() | (name == "all")]
        bounds.append([*own.min(axis=0), *own.max(axis=0)] if len(own) else [np.nan] * 4)
    west, south, east, north = np.array(bounds).T
    return _by_class(placed, {"west": west, "south": south, "east": east, "north": north})


def _measure_nearest(placed: _Placed) -> dict[tuple[str, str], FloatArray]:
    own = {name: (placed.classes == name).to_numpy() for name in placed.names()}
    everywhere = nearest_other(placed.places)
    nearest = {("all", "all"): everywhere}
    for name, rows in own.items():
        nearest[name, "all"] = everywhere[rows]
        for other, other_rows in own.items():
            nearest[name, other] = (
                nearest_other(placed.places[rows])
                if other == name
                else nearest_of(placed.places[rows], placed.places[other_rows])
            )
    return nearest


def _summarize_distances(nearest: Mapping[tuple[str, str], FloatArray]) -> pd.DataFrame:
    rows = []
    for (of, to), distance in nearest.items():
        levels = list(QUANTILES.values())
        known = distance[np.isfinite(distance)]
        values = np.quantile(known, levels) if len(known) else np.full(len(levels), np.nan)
        rows.append(
            {"of": of, "to": to, "n_sites": len(known), **dict(zip(QUANTILES, values, strict=True))}
        )
    return pd.DataFrame(rows)


def _describe_each(placed: _Placed, nearest: Mapping[tuple[str, str], FloatArray]) -> pd.DataFrame:
    count = len(placed.every_class)
    any_site, other_class = np.full(count, np.nan), np.full(count, np.nan)
    n_overlapping = np.zeros(count, dtype=np.int64)
    any_site[placed.rows] = nearest["all", "all"]
    for label, name in CLASS_NAMES.items():
        to_others = nearest.get((name, CLASS_NAMES[1 - label]))
        if to_others is not None:
            other_class[placed.rows[placed.labels == label]] = to_others
    n_overlapping[placed.rows] = np.bincount(placed.overlapping.ravel(), minlength=len(placed.rows))
    table = pd.DataFrame(
        {
            "class": placed.every_class,
            "nearest_m": any_site,
            "nearest_other_class_m": other_class,
            "n_overlapping": n_overlapping,
        }
    )
    for distance_m in CLUSTER_DISTANCES_M:
        cluster = np.full(count, -1, dtype=np.int64)
        cluster[placed.rows] = cluster_sites(placed.points, distance_m=distance_m)
        table[f"cluster_{distance_m / 1000:g}km"] = cluster
    return table


def _count_overlaps(placed: _Placed, per_site: pd.DataFrame) -> pd.DataFrame:
    one, two = placed.overlapping.T
    contrary = np.abs(placed.labels[one] - placed.labels[two]) == 1
    mixed = np.zeros(len(per_site), dtype=np.bool_)
    mixed[placed.rows[placed.overlapping[contrary].ravel()]] = True
    has_place = np.zeros(len(per_site), dtype=np.bool_)
    has_place[placed.rows] = True
    each = pd.DataFrame(
        {
            "n_sites": has_place,
            "n_within_side": (per_site["nearest_m"] <= placed.squares.grid.side_m).to_numpy(),
            "n_overlapping": (per_site["n_overlapping"] > 0).to_numpy(),
            "n_overlapping_other_class": mixed,
        }
    )
    sums = each.groupby(per_site["class"].to_numpy()).sum().reindex(placed.names())
    sums.loc["all"] = each.sum()
    return sums.astype("int64").rename_axis("class")


def _list_conflicts(placed: _Placed) -> pd.DataFrame:
    pairs = conflicting_pairs(placed.squares, placed.labels, placed.pairs)
    mining_first = np.where(placed.labels[pairs[:, :1]] == 1, pairs, pairs[:, ::-1])
    mining, other = mining_first.T
    table = pd.DataFrame(
        {
            "mining": placed.ids[mining],
            "no_mining": placed.ids[other],
            "distance_m": geodesic_m(placed.places[mining], placed.places[other]),
        }
    )
    return table.sort_values(["distance_m", "mining", "no_mining"], ignore_index=True)


def _count_clusters(placed: _Placed, per_site: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for distance_m in CLUSTER_DISTANCES_M:
        cluster = per_site[f"cluster_{distance_m / 1000:g}km"].to_numpy()[placed.rows]
        sizes = np.bincount(cluster) if len(cluster) else np.zeros(0, dtype=np.int64)
        both = [set(cluster[placed.labels == label]) for label in CLASS_NAMES]
        rows.append(
            {
                "distance_m": distance_m,
                "n_clusters": len(sizes),
                "n_single": int((sizes == 1).sum()),
                "largest": int(sizes.max(initial=0)),
                "n_mixed": len(set.intersection(*both)),
            }
        )
    return pd.DataFrame(rows).set_index("distance_m")
