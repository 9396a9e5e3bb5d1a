"""Folds whose distances from test to training sites are those from a region to the sites."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import shapely
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial import KDTree
from scipy.stats import wasserstein_distance

from minewatch.errors import InputError
from minewatch.model import _blocks_groups as groups_of
from minewatch.model._blocks import BlockKFold, CountedFolds, _as_blocks, _hold_out, place_names
from minewatch.model._blocks_groups import DEFAULT_BUFFER_M, Places, Sites
from minewatch.sites import sample_background
from minewatch.sites._distance import earth_centred
from minewatch.sites._regions import Region
from minewatch.types import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

MAX_HIERARCHICAL: Final = 4_000
"""Places up to which clusters are found by hierarchy, whose memory grows with their square."""
_N_CANDIDATES: Final = 30
_FINEST_M: Final = 1.0


@dataclass(frozen=True)
class NearestNeighbourDistanceKFold(CountedFolds):
    """Match the distances from test to training sites to those from the region to all sites.

    A map is asked for places at all distances from where a detector learned: some near, some far.
    Random folds ask near ones only, wide blocks far ones only. This splitter (kNNDM [1]_) clusters
    the sites into few or many clusters, deals those to folds, and keeps the folds for which the
    distribution of distances to the nearest training site differs least (by Wasserstein's W) from
    that of distances from places drawn uniformly in `region` to the nearest of all sites. What it
    measures is the mean over that region, if the detector were trained on these sites.

    Parameters
    ----------
    n_splits
        Number of folds.
    region
        Where the detector will be used: polygons, as in `RegionHoldout`. None: the convex hull of
        the sites.
    buffer_m
        Training sites this near to a test site are left out, metres on the ellipsoid; the
        distances that are matched are those that remain.
    n_samples
        Places drawn in the region.
    max_share
        The largest share of sites that one fold may hold.
    random_state
        Seed of the drawing.

    References
    ----------
    .. [1] Linnenbrink, J., Milà, C., Ludwig, M., Meyer, H. (2024). kNNDM CV: k-fold
       nearest-neighbour distance matching cross-validation for map accuracy estimation.
       Geoscientific Model Development 17, 5897–5912.

    Examples
    --------
    >>> from minewatch.toy import Valley
    >>> sites = Valley(seed=1).sites(30, 70)
    >>> splitter = NearestNeighbourDistanceKFold(n_splits=3)
    >>> sum(len(test) for _, test in splitter.split(sites))
    100
    """

    n_splits: int = 5
    region: Region | None = None
    buffer_m: float = DEFAULT_BUFFER_M
    n_samples: int = 1000
    max_share: float = 0.5
    random_state: int = 0

    def split(
        self,
        sites: Sites,
        y: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """Give, for each fold, the rows to train on and the rows to test on."""
        places = self._read(sites, y, groups)
        unique, place_of = np.unique(places.lonlat, axis=0, return_inverse=True)
        folds = self._match(unique, np.bincount(place_of.ravel()).astype(np.int64))
        yield from _hold_out(places, folds[place_of.ravel()], self.buffer_m)

    def blocks(self, sites: Sites, groups: npt.ArrayLike | None = None) -> "pd.Series[str]":
        """Name the place of each site: those within 3 km, directly or through others, are one."""
        places = self._read(sites, None, groups)
        return _as_blocks(place_names(places), places)

    def inner(self, n_splits: int) -> BlockKFold:
        """Give blocks of 10 km in `n_splits` folds, for choices inside training folds."""
        return BlockKFold(n_splits, 10_000.0, self.buffer_m, None, self.random_state)

    def describe(self) -> str:
        """Say in words how sites are held apart."""
        where = "the hull of the sites" if self.region is None else "a region"
        return (
            f"{self.n_splits} folds with distances matched to {where} (kNNDM), dead zone "
            f"{self.buffer_m:g} m"
        )

    def _read(self, sites: Sites, y: npt.ArrayLike | None, groups: npt.ArrayLike | None) -> Places:
        groups_of.check_folds(self.n_splits, self.buffer_m)
        if not 1.0 / self.n_splits <= self.max_share <= 1.0:
            raise InputError(
                f"max_share is {self.max_share}; expected from {1.0 / self.n_splits:.2f} (equal "
                "folds) to 1"
            )
        places = groups_of.read_places(sites, y, groups)
        if not places.is_placed.all():
            lost = places.index[~places.is_placed]
            raise InputError(
                f"{len(lost)} sites have no place, of them {lost[0]!r}; distances can be matched "
                "between places only: leave them out, or use BlockKFold with group_column"
            )
        return places

    def _match(self, unique: FloatArray, counts: IntArray) -> IntArray:
        """Find the folds of places whose distances match best; the first of equal ones."""
        if len(unique) < self.n_splits:
            raise InputError(
                f"the sites lie at {len(unique)} places, and {self.n_splits} folds are wanted"
            )
        earth = earth_centred(unique)
        wanted = np.asarray(KDTree(earth).query(earth_centred(self._drawn(unique)))[0])
        best, least = None, np.inf
        for folds in self._candidates(earth):
            shares = np.bincount(folds, counts, minlength=self.n_splits) / counts.sum()
            if shares.max() > self.max_share or shares.min() == 0:
                continue
            had = _test_to_train(earth, folds, self.buffer_m)
            if np.isnan(had).any():
                continue
            distance = wasserstein_distance(had, wanted, counts)
            if distance < least * (1.0 - 1e-9):
                best, least = folds, distance
        if best is None:
            raise InputError(
                f"no {self.n_splits} folds of these sites hold at most {self.max_share:.0%} each "
                "and leave sites to train on; take fewer folds, a larger max_share or a narrower "
                "dead zone"
            )
        return best

    def _drawn(self, unique: FloatArray) -> FloatArray:
        region = self.region
        if region is None:
            region = shapely.convex_hull(shapely.multipoints(unique))
            if shapely.area(region) == 0:
                region = shapely.buffer(region, 1e-4)
        drawn = sample_background(
            region, self.n_samples, away_from=None, min_distance_m=0.0,
            random_state=self.random_state,
        )  # fmt: skip
        return np.column_stack([drawn.geometry.x, drawn.geometry.y])

    def _candidates(self, earth: FloatArray) -> Iterator[IntArray]:
        """Give folds made of ever fewer clusters, from every place alone to one for each fold."""
        random = np.random.default_rng(self.random_state)
        yield random.permutation(np.arange(len(earth)) % self.n_splits)
        ends = (len(earth) - 1, self.n_splits)
        numbers = np.unique(np.geomspace(*ends, _N_CANDIDATES).round().astype(np.int64))[::-1]
        numbers = numbers[(numbers >= self.n_splits) & (numbers < len(earth))]
        for clusters in _clusterings(earth, numbers, self.random_state):
            yield _deal_along(earth, clusters, self.n_splits)


def _clusterings(earth: FloatArray, numbers: IntArray, seed: int) -> Iterator[IntArray]:
    if len(earth) <= MAX_HIERARCHICAL:
        tree = linkage(earth, method="ward")
        yield from cut_tree(tree, n_clusters=numbers).T.astype(np.int64)
        return
    from sklearn.cluster import MiniBatchKMeans

    for number in numbers[numbers <= len(earth) // 10]:
        model = MiniBatchKMeans(int(number), random_state=seed, n_init=1)
        yield model.fit_predict(earth).astype(np.int64)


def _deal_along(earth: FloatArray, clusters: IntArray, n_splits: int) -> IntArray:
    """Deal clusters to folds in turn, in their order along the line on which they spread most."""
    code = np.unique(clusters, return_inverse=True)[1].ravel()
    sizes = np.bincount(code)
    centres = np.column_stack([np.bincount(code, axis) / sizes for axis in earth.T])
    spread = centres - centres.mean(axis=0)
    line = np.linalg.svd(spread, full_matrices=False)[2][0]
    line = line * np.sign(line[np.argmax(np.abs(line))])
    order = np.argsort(spread @ line, kind="stable")
    fold_of = np.empty(len(order), dtype=np.int64)
    fold_of[order] = np.arange(len(order)) % n_splits
    return fold_of[code]


def _test_to_train(earth: FloatArray, folds: IntArray, buffer_m: float) -> FloatArray:
    """Measure straight from each place to the nearest one that trains its fold; NaN if none."""
    distance = np.full(len(earth), np.nan)
    for fold in np.unique(folds):
        test = folds == fold
        tree = KDTree(earth[test])
        rest = earth[~test]
        kept = rest[tree.query(rest)[0] > max(buffer_m, _FINEST_M)]
        if len(kept):
            distance[test] = KDTree(kept).query(earth[test])[0]
    return distance
