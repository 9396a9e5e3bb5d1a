"""What splitters share: places of sites, groups that are never parted, dealing, dead zones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from minewatch.errors import InputError
from minewatch.sites._distance import lonlat, nearest_of
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

DEFAULT_BUFFER_M: Final = 700.0
"""A little more than the diagonal (679 m) of a patch of 48 × 48 px of 10 m, for corners snap."""

Sites: TypeAlias = gpd.GeoDataFrame | pd.DataFrame | npt.ArrayLike
"""A table of sites, or longitudes and latitudes (n, 2) in degrees."""
Names: TypeAlias = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Places:
    """What a splitter sees of sites."""

    lonlat: FloatArray
    """``(site, 2)`` longitude and latitude, degrees; NaN where there is no place."""
    labels: FloatArray
    """``(site,)``: 1, 0, or NaN where unlabelled."""
    groups: Names
    """``(site,)``: what the caller groups by, as text; None where not said."""
    index: pd.Index
    """Their site_ids; numbers from 0 if they came without."""
    rank: IntArray
    """``(site,)``: their order, whatever the order of the rows: by site_id, else by place."""

    def __len__(self) -> int:
        return len(self.lonlat)

    @property
    def is_placed(self) -> BoolArray:
        """Which sites have a place."""
        return np.asarray(np.isfinite(self.lonlat).all(axis=1), dtype=np.bool_)

    def points(self) -> gpd.GeoDataFrame:
        """Give them as a table of sites, index as `index`."""
        points = gpd.points_from_xy(*self.lonlat.T)
        return gpd.GeoDataFrame(
            geometry=gpd.GeoSeries(points, crs="EPSG:4326").where(self.is_placed).to_numpy(),
            index=self.index,
            crs="EPSG:4326",
        )


def read_places(
    sites: Sites,
    labels: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    *,
    group_column: str | None = None,
) -> Places:
    """Understand sites as scikit-learn hands them to a splitter.

    Raises
    ------
    InputError
        If there are no places to be found, or labels or groups are of other sites.
    """
    table = sites if isinstance(sites, pd.DataFrame) else None
    places = _lonlat(sites)
    index = pd.RangeIndex(len(places)) if table is None else table.index
    if table is not None and not index.is_unique:
        twice = index[index.duplicated()][0]
        raise InputError(f"site {twice!r} stands in the table twice; folds need unique site_ids")
    if labels is None and table is not None and "label" in table.columns:
        labels = table["label"]
    if groups is None and group_column is not None:
        if table is None or group_column not in table.columns:
            raise InputError(f"sites have no column {group_column!r} to group by")
        groups = table[group_column]
    keys = np.lexsort(places.T[::-1]) if table is None else np.argsort(index.astype("str"))
    return Places(
        lonlat=places,
        labels=_aligned(labels, index, "labels").astype(np.float64),
        groups=_texts(_aligned(groups, index, "groups")),
        index=index,
        rank=np.argsort(keys, kind="stable").astype(np.int64),
    )


def _lonlat(sites: Sites) -> FloatArray:
    if isinstance(sites, gpd.GeoDataFrame):
        return lonlat(sites)
    if isinstance(sites, pd.DataFrame):
        missing = {"longitude", "latitude"} - set(sites.columns)
        if missing:
            raise InputError(
                f"sites have no geometry and no column {' and no '.join(sorted(missing))}; "
                "expected a GeoDataFrame, or columns longitude and latitude"
            )
        return sites[["longitude", "latitude"]].to_numpy(dtype=np.float64, na_value=np.nan)
    places = np.asarray(sites, dtype=np.float64)
    if places.ndim != 2 or places.shape[1] != 2:
        raise InputError(
            f"sites are an array of shape {places.shape}; expected a table of sites, or longitudes "
            "and latitudes (n, 2). For other features: cross_val_score(…, cv=list(splitter.split("
            "sites, labels)))"
        )
    return places


def _aligned(values: npt.ArrayLike | None, index: pd.Index, what: str) -> AnyArray:
    """Give values in the order of the sites: by site_id if they have one, else by row."""
    if values is None:
        return np.full(len(index), np.nan, dtype=np.object_)
    if isinstance(values, pd.Series) and not isinstance(index, pd.RangeIndex):
        missing = index.difference(values.index)
        if len(missing):
            raise InputError(f"{what} lack {len(missing)} sites, of them {missing[0]!r}")
        values = values.reindex(index)
    array = pd.Series(np.asarray(values, dtype=np.object_))
    if len(array) != len(index):
        raise InputError(f"there are {len(array)} {what} for {len(index)} sites")
    return array.where(array.notna(), np.nan).to_numpy(dtype=np.object_)


def _texts(values: AnyArray) -> Names:
    texts = np.full(len(values), None, dtype=np.object_)
    known = ~pd.isna(values)
    texts[known] = [str(value) for value in values[known]]
    return texts


def join_groups(blocks: Names, groups: Names, index: pd.Index) -> Names:
    """Join sites that share a block or a group, directly or through others.

    Parameters
    ----------
    blocks, groups
        ``(site,)`` text; None where there is none.
    index
        The site_ids, for the message.

    Returns
    -------
    ndarray of object
        ``(site,)``: a name for each joint group that depends on its members alone: that of its
        first block, else of its first group.

    Raises
    ------
    InputError
        If a site has neither.
    """
    codes = [pd.factorize(pd.Series(names, dtype=object))[0] for names in (blocks, groups)]
    lost = np.flatnonzero((codes[0] < 0) & (codes[1] < 0))
    if len(lost):
        raise InputError(
            f"{len(lost)} sites have no place and no group, of them {index[lost[0]]!r}; name a "
            "column that groups them (group_column=, --group), such as their file of origin"
        )
    n_sites, n_blocks = len(blocks), int(codes[0].max(initial=-1)) + 1
    nodes = [(codes[0], n_sites), (codes[1], n_sites + n_blocks)]
    rows = np.concatenate([np.flatnonzero(code >= 0) for code, _ in nodes])
    ends = np.concatenate([code[code >= 0] + first for code, first in nodes])
    size = n_sites + n_blocks + int(codes[1].max(initial=-1)) + 1
    graph = coo_array((np.ones(len(rows), np.bool_), (rows, ends)), (size, size))
    component = connected_components(graph, directed=False)[1][:n_sites]
    labels = np.array(
        [b if b is not None else f"group {g}" for b, g in zip(blocks, groups, strict=True)],
        dtype=np.object_,
    )
    # A block's name comes before a group's, so that what is placed is named by a place.
    order = pd.DataFrame({"c": component, "later": codes[0] < 0, "name": labels})
    first = order.sort_values(["later", "name"], kind="stable").groupby("c")["name"].first()
    return np.asarray(first.reindex(component).to_numpy(), dtype=np.object_)


def deal(names: Names, labels: FloatArray, *, n_splits: int, random_state: int) -> IntArray:
    """Deal whole groups to folds, so that the folds are alike in size and in classes.

    From the largest to the smallest, those of one size in an order drawn from the seed, each group
    goes to the fold in which its classes are rarest so far.

    Returns
    -------
    ndarray of int64
        ``(site,)``: folds from 0.
    """
    unique, code = np.unique(names.astype(str), return_inverse=True)
    if len(unique) < n_splits:
        lie = "all lie in 1 group" if len(unique) == 1 else f"lie in {len(unique)} groups"
        raise InputError(
            f"the sites {lie}, and {n_splits} folds are wanted; expected at least one group for "
            "each fold: take smaller blocks or fewer folds"
        )
    kind = np.where(np.isnan(labels), 2, labels == 1.0).astype(np.int64)
    counts = np.zeros((len(unique), 3))
    np.add.at(counts, (code.ravel(), kind), 1.0)
    shares = counts / np.maximum(counts.sum(axis=0), 1.0)
    order = np.random.default_rng(random_state).permutation(len(unique))
    order = order[np.argsort(-counts.sum(axis=1)[order], kind="stable")]
    filled = np.zeros((n_splits, 3))
    fold_of = np.zeros(len(unique), dtype=np.int64)
    for group in order:
        load = filled @ shares[group]
        best = int(np.lexsort((filled.sum(axis=1), load))[0])
        filled[best] += shares[group]
        fold_of[group] = best
    return fold_of[code.ravel()]


def dead_zone_m(size_px: int, resolution_m: float) -> float:
    """Give the width of a dead zone in which no training patch can touch a test patch.

    Returns
    -------
    float
        The diagonal of a patch whose corner is moved by up to a pixel, or 700 m if that is more.

    Examples
    --------
    >>> dead_zone_m(48, 10.0), round(dead_zone_m(96, 10.0))
    (700.0, 1372)
    """
    return max(DEFAULT_BUFFER_M, float(np.sqrt(2.0)) * (size_px + 1) * resolution_m)


def dead_zone(places: FloatArray, is_test: BoolArray, buffer_m: float) -> BoolArray:
    """Say which sites outside the test fold lie within `buffer_m` of one inside it.

    Distances are geodesics on the WGS 84 ellipsoid; a site without a place is near to none.
    """
    near = np.zeros(len(places), dtype=np.bool_)
    near[~is_test] = _nearest(places[~is_test], places[is_test]) <= buffer_m
    return near


def distance_to_train(places: FloatArray, train: IntArray, test: IntArray) -> FloatArray:
    """Measure from each test site to the nearest training site, metres; NaN if unplaced."""
    return _nearest(places[test], places[train])


def _nearest(places: FloatArray, others: FloatArray) -> FloatArray:
    distance = np.full(len(places), np.nan)
    placed = np.isfinite(places).all(axis=1)
    distance[placed] = nearest_of(places[placed], others)
    return distance


def check_folds(n_splits: int, buffer_m: float) -> None:
    """Check what all splitters are told."""
    if n_splits < 2:
        raise InputError(f"n_splits is {n_splits}; expected at least 2")
    if not buffer_m >= 0:
        raise InputError(f"buffer_m is {buffer_m}; expected a length from 0 on, in metres")


def check_length(name: str, length_m: float, buffer_m: float) -> None:
    """Check the length that keeps groups apart."""
    if not length_m > 0:
        raise InputError(f"{name} is {length_m}; expected a length above 0, in metres")
    if not buffer_m >= 0:
        raise InputError(f"buffer_m is {buffer_m}; expected a length from 0 on, in metres")


def as_names(values: Sequence[object] | pd.Series) -> Names:
    """Give names as text, None where missing."""
    return _texts(np.asarray(values, dtype=np.object_))
