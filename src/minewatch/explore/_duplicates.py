"""Patches that are copies of one another, to the last bit or nearly so."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from minewatch.explore._settings import ExploreSettings
from minewatch.explore._statistics import PatchStatistics
from minewatch.types import FloatArray, IntArray

_N_DIRECTIONS: Final = 8
"""Principal directions in which neighbours are looked for."""
_N_NEIGHBOURS: Final = 16
"""Nearest patches, in those directions, that each patch is compared with in full."""
_PAIRS_AT_ONCE: Final = 4096

_Vectors = npt.NDArray[np.float32]


def exact_duplicates(statistics: PatchStatistics) -> pd.DataFrame:
    """List the patches whose pixels equal another's, to the last bit, in all bands.

    Returns
    -------
    DataFrame
        Index site_id; ``class``, ``group`` (numbered from 1, by each group's first site_id),
        ``n_in_group``, ``across_classes`` (whether the group holds mining and no mining),
        ``no_data`` (whether the copies are empty).
    """
    digest = statistics.quality["digest"].sort_index()
    repeated = digest[digest.duplicated(keep=False)]
    groups = pd.Series(pd.factorize(repeated)[0] + 1, index=repeated.index)
    table = _group_table(statistics, groups)
    quality = statistics.quality.loc[table.index]
    return table.assign(no_data=quality["n_no_data_px"] == quality["n_px"])


def near_duplicates(statistics: PatchStatistics, settings: ExploreSettings) -> pd.DataFrame:
    """List the patches that resemble another so much that they must show the same place and date.

    Of patches that are equal only the first site_id is compared; empty patches are left out.

    Returns
    -------
    DataFrame
        Index site_id; ``class``, ``group``, ``n_in_group``, ``across_classes`` as in
        `exact_duplicates`, ``nearest`` (the site_id that it resembles most), ``difference`` (root
        mean square, reflectance) and ``correlation`` to that one.

    Notes
    -----
    Two patches are near-duplicates if their 8 × 8 block means differ by at most
    ``settings.near_duplicate_tolerance`` and correlate by at least
    ``settings.near_duplicate_correlation``. Each patch is compared with its 16 nearest in the first
    8 principal directions of its 2 × 2 block means; directions are orthonormal, so that two patches
    are never farther apart there than in full.
    """
    compared = _compared(statistics)
    vectors = np.nan_to_num(statistics.small[compared])
    pairs = _candidates(vectors, settings.near_duplicate_tolerance)
    difference, correlation = _compare(vectors, pairs)
    alike = (difference <= settings.near_duplicate_tolerance) & (
        correlation >= settings.near_duplicate_correlation
    )
    pairs, difference, correlation = pairs[alike], difference[alike], correlation[alike]
    ids = statistics.sites.index[compared]
    groups = _connect(pairs, len(ids))
    table = _group_table(statistics, pd.Series(groups, index=ids)[groups > 0])
    return table.join(_nearest(pairs, difference, correlation, ids))


def _compared(statistics: PatchStatistics) -> IntArray:
    """Give the rows of patches with data, the first of equal ones, in order of site_id."""
    quality = statistics.quality
    order = np.argsort(quality.index.to_numpy(), kind="stable")
    ordered = quality.iloc[order]
    kept = (ordered["n_no_data_px"] < ordered["n_px"]) & ~ordered["digest"].duplicated()
    return np.asarray(order[kept.to_numpy()], dtype=np.int64)


def _candidates(vectors: _Vectors, tolerance: float) -> IntArray:
    """Give pairs of rows ``(pair, 2)``, the lower first, that may be nearer than the tolerance."""
    n, n_bands = vectors.shape[:2]
    if n < 2:
        return np.empty((0, 2), dtype=np.int64)
    points = _project(vectors)
    reach = tolerance * np.sqrt(n_bands * vectors.shape[2] * vectors.shape[3])
    _, found = KDTree(points).query(
        points, k=min(_N_NEIGHBOURS + 1, n), distance_upper_bound=reach * (1.0 + 1e-6), workers=-1
    )
    rows = np.repeat(np.arange(n), found.shape[1])
    others = found.ravel()
    there = (others < n) & (others != rows)
    pairs = np.sort(np.column_stack([rows[there], others[there]]), axis=1)
    return np.asarray(np.unique(pairs, axis=0), dtype=np.int64).reshape(-1, 2)


def _project(vectors: _Vectors) -> FloatArray:
    """Give coordinates in the leading directions of 2 × 2 block means; distances only shrink."""
    n, n_bands, side = vectors.shape[:3]
    half = side // 2
    quarters = vectors.reshape(n, n_bands, 2, half, 2, half).sum(axis=(3, 5)) / half
    flat = quarters.reshape(n, -1).astype(np.float64)
    centred = flat - flat.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    return np.asarray(centred @ directions[:, -_N_DIRECTIONS:])


def _compare(vectors: _Vectors, pairs: IntArray) -> tuple[FloatArray, FloatArray]:
    """Give each pair's root mean square difference, and the correlation of their patterns."""
    pattern = vectors - vectors.mean(axis=(2, 3), keepdims=True)
    n_values = vectors[:1].size or 1
    flat = vectors.reshape(-1, n_values)
    pattern = pattern.reshape(-1, n_values)
    norm = np.sqrt(np.square(pattern, dtype=np.float64).sum(axis=1))
    difference = np.empty(len(pairs))
    product = np.empty(len(pairs))
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        some, others = pairs[part].T
        squares = np.square(flat[some] - flat[others], dtype=np.float64)
        difference[part] = np.sqrt(squares.mean(axis=1))
        product[part] = (pattern[some].astype(np.float64) * pattern[others]).sum(axis=1)
    scale = norm[pairs[:, 0]] * norm[pairs[:, 1]]
    # Two patches without any pattern are told apart by nothing: they count as alike.
    return difference, np.divide(product, scale, out=np.ones(len(pairs)), where=scale > 0)


def _connect(pairs: IntArray, n: int) -> IntArray:
    """Give each row the number, from 1, of the group that pairs connect it to; 0 if to none."""
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, components = connected_components(graph, directed=False)
    groups = np.zeros(n, dtype=np.int64)
    touched = np.unique(pairs)
    groups[touched] = pd.factorize(components[touched])[0] + 1
    return groups


def _nearest(
    pairs: IntArray, difference: FloatArray, correlation: FloatArray, ids: pd.Index
) -> pd.DataFrame:
    both = pd.DataFrame(
        {
            "site_id": ids[np.concatenate([pairs[:, 0], pairs[:, 1]])],
            "nearest": ids[np.concatenate([pairs[:, 1], pairs[:, 0]])],
            "difference": np.tile(difference, 2),
            "correlation": np.tile(correlation, 2),
        }
    )
    ordered = both.sort_values(["site_id", "difference", "nearest"], kind="stable")
    return ordered.drop_duplicates("site_id").set_index("site_id")


def _group_table(statistics: PatchStatistics, groups: "pd.Series[int]") -> pd.DataFrame:
    """Tabulate the members of groups, group by group."""
    table = pd.DataFrame({"class": statistics.classes.loc[groups.index], "group": groups})
    by_group = table.groupby("group")["class"]
    table["n_in_group"] = by_group.transform("size").astype("int64")
    mining = (table["class"] == "mining").groupby(table["group"]).transform("any")
    other = (table["class"] == "no mining").groupby(table["group"]).transform("any")
    table["across_classes"] = mining & other
    table.index.name = "site_id"
    return table.reset_index().sort_values(["group", "site_id"]).set_index("site_id")
