"""Folds over places: blocks, clusters, regions; and random ones, with a warning.

Each is a scikit-learn splitter: ``split(sites, labels)`` gives positions of training and test rows.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from minewatch.errors import InputError, MinewatchWarning
from minewatch.model import _blocks_groups as groups_of
from minewatch.model._blocks_groups import DEFAULT_BUFFER_M, Names, Places, Sites
from minewatch.sites import cluster_sites, spatial_blocks
from minewatch.sites._regions import Region, read_region
from minewatch.types import IntArray

PLACE_M = 3_000.0
"""Sites nearer than this, directly or through others, are one place, where nothing else says."""


class LeakingSplitWarning(MinewatchWarning):
    """Folds put test sites beside training sites, so that scores say little about other places."""


@runtime_checkable
class Splitter(Protocol):
    """Whatever deals sites into training and test sites, as scikit-learn's splitters do."""

    def split(
        self, sites: Sites, y: npt.ArrayLike | None = None, groups: npt.ArrayLike | None = None
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """Give, for each fold, the rows to train on and the rows to test on."""
        ...

    def get_n_splits(
        self,
        sites: Sites | None = None,
        y: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
    ) -> int:
        """Give the number of folds."""
        ...

    def blocks(self, sites: Sites, groups: npt.ArrayLike | None = None) -> "pd.Series[str]":
        """Name the group that each site is held out with; what intervals resample."""
        ...

    def inner(self, n_splits: int) -> "Splitter":
        """Give the splitter for choices inside training folds."""
        ...

    def describe(self) -> str:
        """Say in words how sites are held apart."""
        ...


class CountedFolds:
    """Splitters that are told how many folds to make."""

    n_splits: int

    def get_n_splits(
        self,
        sites: Sites | None = None,  # noqa: ARG002 - scikit-learn's signature
        y: npt.ArrayLike | None = None,  # noqa: ARG002
        groups: npt.ArrayLike | None = None,  # noqa: ARG002
    ) -> int:
        """Give the number of folds."""
        return self.n_splits


class _GroupFolds(CountedFolds, ABC):
    """What splitters share that deal whole groups of sites to folds."""

    buffer_m: float
    group_column: str | None
    random_state: int

    @abstractmethod
    def _names(self, places: Places) -> Names:
        """Name the group of each site."""

    def split(
        self, sites: Sites, y: npt.ArrayLike | None = None, groups: npt.ArrayLike | None = None
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """Give, for each fold, the rows to train on and the rows to test on."""
        groups_of.check_folds(self.n_splits, self.buffer_m)
        places = groups_of.read_places(sites, y, groups, group_column=self.group_column)
        folds = groups_of.deal(
            self._names(places),
            places.labels,
            n_splits=self.n_splits,
            random_state=self.random_state,
        )
        yield from _hold_out(places, folds, self.buffer_m)

    def blocks(self, sites: Sites, groups: npt.ArrayLike | None = None) -> "pd.Series[str]":
        """Name the group that each site is held out with, whatever the order of the rows."""
        places = groups_of.read_places(sites, None, groups, group_column=self.group_column)
        return _as_blocks(self._names(places), places)


@dataclass(frozen=True)
class BlockKFold(_GroupFolds):
    """Hold out whole blocks of ground, with a dead zone around them.

    Blocks have the same area wherever they lie (`spatial_blocks`). They are dealt to folds so that
    the folds are alike in size and in classes, as far as whole blocks allow; the order of the rows
    plays no part. Neighbouring blocks may fall into different folds: no training site lies within
    `buffer_m` of a test site, but beyond that nothing keeps them apart, so small blocks still let
    a model profit from nearness [1]_. Take blocks of at least 50 km for a figure to show.

    Parameters
    ----------
    n_splits
        Number of folds.
    block_m
        Side of a block, metres.
    buffer_m
        Training sites this near to a test site are left out of training, metres on the ellipsoid.
        Not less than the diagonal of a patch: 679 m for 48 px of 10 m.
    group_column
        Column of the sites; those that share a value in it are never parted, wherever they lie.
        Sites without a place need it.
    random_state
        Seed of the order in which blocks of one size are dealt.

    References
    ----------
    .. [1] Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal,
       spatial, hierarchical, or phylogenetic structure. Ecography 40, 913–929.

    Examples
    --------
    >>> from minewatch.toy import Valley
    >>> sites = Valley(seed=1).sites(30, 70)
    >>> splitter = BlockKFold(n_splits=3, block_m=8_000)
    >>> [(len(train), len(test)) for train, test in splitter.split(sites)]
    [(67, 33), (66, 34), (67, 33)]
    """

    n_splits: int = 5
    block_m: float = 50_000.0
    buffer_m: float = DEFAULT_BUFFER_M
    group_column: str | None = None
    random_state: int = 0

    def inner(self, n_splits: int) -> "BlockKFold":
        """Give the same blocks in `n_splits` folds, for choices inside training folds."""
        return BlockKFold(
            n_splits, self.block_m, self.buffer_m, self.group_column, self.random_state
        )

    def describe(self) -> str:
        """Say in words how sites are held apart."""
        return (
            f"{self.n_splits} folds of blocks of {self.block_m / 1000:g} km, dead zone "
            f"{self.buffer_m:g} m"
        )

    def _names(self, places: Places) -> Names:
        blocks = spatial_blocks(places.points(), block_m=self.block_m)
        return groups_of.join_groups(groups_of.as_names(blocks), places.groups, places.index)


@dataclass(frozen=True)
class ClusterKFold(_GroupFolds):
    """Hold out whole clusters of sites that hang together by short steps.

    Sites of different clusters lie further apart than `distance_m`, so for that distance there is
    no need of a dead zone. A few kilometres are little: on well-known points a model of coordinates
    alone scores almost as well under clusters of 3 km as under random folds.

    Parameters
    ----------
    n_splits
        Number of folds.
    distance_m
        Longest step within a cluster, metres on the ellipsoid.
    buffer_m, group_column, random_state
        As in `BlockKFold`.

    Examples
    --------
    >>> from minewatch.toy import Valley
    >>> sites = Valley(seed=1).sites(30, 70)
    >>> [len(test) for _, test in ClusterKFold(n_splits=3, distance_m=1_500).split(sites)]
    [34, 33, 33]
    """

    n_splits: int = 5
    distance_m: float = PLACE_M
    buffer_m: float = DEFAULT_BUFFER_M
    group_column: str | None = None
    random_state: int = 0

    def inner(self, n_splits: int) -> "ClusterKFold":
        """Give the same clusters in `n_splits` folds, for choices inside training folds."""
        return ClusterKFold(
            n_splits, self.distance_m, self.buffer_m, self.group_column, self.random_state
        )

    def describe(self) -> str:
        """Say in words how sites are held apart."""
        return (
            f"{self.n_splits} folds of clusters {self.distance_m / 1000:g} km apart, dead zone "
            f"{self.buffer_m:g} m"
        )

    def _names(self, places: Places) -> Names:
        clusters = cluster_names(places, self.distance_m)
        return groups_of.join_groups(clusters, places.groups, places.index)


@dataclass(frozen=True)
class RegionHoldout:
    """Train outside a region and test inside it: the plainest question to a detector.

    Parameters
    ----------
    region
        Polygons: a file, a GeoDataFrame, a GeoSeries or a geometry in EPSG:4326. A site on the
        border is inside.
    buffer_m, group_column, random_state
        As in `BlockKFold`. Of a group that lies on both sides, what is outside is not trained on.
    block_m
        Side of the blocks that intervals resample, and that choices inside the training sites are
        made on, metres.

    Examples
    --------
    >>> import shapely
    >>> from minewatch.toy import Valley
    >>> sites = Valley(seed=1).sites(30, 70)
    >>> west, south, east, north = sites.total_bounds
    >>> half = shapely.box(west, south, (west + east) / 2, north)
    >>> [(len(train), len(test)) for train, test in RegionHoldout(half).split(sites)]
    [(47, 53)]
    """

    region: Region
    buffer_m: float = DEFAULT_BUFFER_M
    block_m: float = 10_000.0
    group_column: str | None = None
    random_state: int = 0

    def split(
        self, sites: Sites, y: npt.ArrayLike | None = None, groups: npt.ArrayLike | None = None
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """Give the rows outside the region and the rows inside."""
        groups_of.check_length("block_m", self.block_m, self.buffer_m)
        places = groups_of.read_places(sites, y, groups, group_column=self.group_column)
        ground = read_region(self.region)
        shapely.prepare(ground)
        inside = np.asarray(shapely.intersects_xy(ground, *places.lonlat.T), dtype=np.bool_)
        if inside.all() or not inside.any():
            raise InputError(
                f"{inside.sum()} of {len(places)} sites lie inside the region; expected some "
                "inside to test on and some outside to train on"
            )
        torn = np.isin(places.groups.astype(str), places.groups[inside].astype(str))
        torn &= places.groups != None  # noqa: E711 - element by element
        near = groups_of.dead_zone(places.lonlat, inside, self.buffer_m)
        train = np.flatnonzero(~inside & ~near & ~torn)
        if not len(train):
            raise InputError("no site is left to train on outside the region and its dead zone")
        yield train, np.flatnonzero(inside)

    def get_n_splits(
        self,
        sites: Sites | None = None,  # noqa: ARG002 - scikit-learn's signature
        y: npt.ArrayLike | None = None,  # noqa: ARG002
        groups: npt.ArrayLike | None = None,  # noqa: ARG002
    ) -> int:
        """Give the number of folds: one."""
        return 1

    def blocks(self, sites: Sites, groups: npt.ArrayLike | None = None) -> "pd.Series[str]":
        """Name the block that each site lies in."""
        return self.inner(2).blocks(sites, groups)

    def inner(self, n_splits: int) -> BlockKFold:
        """Give blocks in `n_splits` folds, for choices among the training sites."""
        return BlockKFold(
            n_splits, self.block_m, self.buffer_m, self.group_column, self.random_state
        )

    def describe(self) -> str:
        """Say in words how sites are held apart."""
        return f"trained outside a region, tested inside, dead zone {self.buffer_m:g} m"


@dataclass(frozen=True)
class RandomKFold(CountedFolds):
    """Hold out sites at random, with a warning: neighbours stand on both sides.

    It is here to be shown beside honest folds. Its intervals still resample places.

    Parameters
    ----------
    n_splits
        Number of folds.
    random_state
        Seed.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", LeakingSplitWarning)
    ...     folds = list(RandomKFold(2).split([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]))
    >>> [len(test) for _, test in folds]
    [2, 2]
    """

    n_splits: int = 5
    random_state: int = 0
    group_column: str | None = None

    def split(
        self,
        sites: Sites,
        y: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,  # noqa: ARG002 - scikit-learn's signature
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """Give, for each fold, the rows to train on and the rows to test on."""
        groups_of.check_folds(self.n_splits, 0.0)
        places = groups_of.read_places(sites, y)
        warnings.warn(
            "random folds put test sites beside training sites: scores under them say little about "
            "places that lie elsewhere; use BlockKFold or RegionHoldout for any figure to show",
            LeakingSplitWarning,
            stacklevel=2,
        )
        alone = np.array([f"{rank:09d}" for rank in places.rank], dtype=np.object_)
        folds = groups_of.deal(
            alone, places.labels, n_splits=self.n_splits, random_state=self.random_state
        )
        for fold in range(self.n_splits):
            yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)

    def blocks(self, sites: Sites, groups: npt.ArrayLike | None = None) -> "pd.Series[str]":
        """Name the place of each site: those within 3 km, directly or through others, are one."""
        places = groups_of.read_places(sites, None, groups, group_column=self.group_column)
        names = place_names(places)
        return _as_blocks(groups_of.join_groups(names, places.groups, places.index), places)

    def inner(self, n_splits: int) -> "RandomKFold":
        """Give random folds again, for choices inside training folds."""
        return RandomKFold(n_splits, self.random_state, self.group_column)

    def describe(self) -> str:
        """Say in words how sites are held apart."""
        return f"{self.n_splits} random folds, which leak"


def cluster_names(places: Places, distance_m: float) -> Names:
    """Name clusters by the place of their westernmost, then southernmost site."""
    clusters = cluster_sites(places.points(), distance_m=distance_m).to_numpy()
    names = np.full(len(places), None, dtype=np.object_)
    order = np.lexsort(places.lonlat.T[::-1])
    first = order[np.unique(clusters[order], return_index=True)[1]]
    for cluster, row in zip(clusters[first], first, strict=True):
        if cluster >= 0:
            longitude, latitude = places.lonlat[row]
            names[clusters == cluster] = f"{longitude:.6f} {latitude:.6f}"
    return names


def place_names(places: Places) -> Names:
    """Name independent places; a site without a place or group is one of its own."""
    names = cluster_names(places, PLACE_M)
    lost = np.array([a is None and b is None for a, b in zip(names, places.groups, strict=True)])
    names[lost] = [f"site {key}" for key in places.index[lost]]
    return names


def _hold_out(
    places: Places, folds: IntArray, buffer_m: float
) -> Iterator[tuple[IntArray, IntArray]]:
    for fold in range(int(folds.max()) + 1):
        is_test = folds == fold
        near = groups_of.dead_zone(places.lonlat, is_test, buffer_m)
        train = np.flatnonzero(~is_test & ~near)
        if not len(train):
            raise InputError(
                f"fold {fold}: every site that is not tested lies within {buffer_m:g} m of one "
                "that is; take a narrower dead zone (buffer_m) or larger blocks"
            )
        yield train, np.flatnonzero(is_test)


def _as_blocks(names: Names, places: Places) -> "pd.Series[str]":
    return pd.Series(names, index=places.index, dtype="str", name="block")
