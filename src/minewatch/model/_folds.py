"""How sites are held out, as settings: what a command line or a study says of folds."""

from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field

from minewatch.errors import SettingsError
from minewatch.model._blocks import BlockKFold, ClusterKFold, RandomKFold, RegionHoldout, Splitter
from minewatch.model._blocks_groups import dead_zone_m
from minewatch.model._blocks_nndm import NearestNeighbourDistanceKFold
from minewatch.model._compare import usual_splitters
from minewatch.patches import PatchDataset
from minewatch.types import Settings

FoldKind: TypeAlias = Literal["blocks", "region", "clusters", "nearest", "random"]


class FoldSettings(Settings):
    """How sites are held out."""

    kind: FoldKind = "blocks"
    """``blocks`` of ground, a ``region``, ``clusters``, ``nearest`` (distances matched to those of
    a region, kNNDM), or ``random``, which leaks."""
    n_splits: int = Field(default=5, ge=2)
    """Folds."""
    block_m: float = Field(default=50_000.0, gt=0)
    """Side of the blocks, metres; below 50 km figures flatter."""
    cluster_m: float = Field(default=3_000.0, gt=0)
    """Longest step within a cluster, metres."""
    buffer_m: float | None = Field(default=None, ge=0)
    """Dead zone around test sites, metres. None: the diagonal of a patch, or 700 m if that is
    more."""
    region: Path | None = None
    """A file of polygons: to hold out, or to match the distances of."""
    group_column: str | None = None
    """Column of the sites; those that share a value in it are never parted, but by random folds,
    and folds of kind nearest cannot keep them together."""
    random_state: int = 0
    """Seed of the dealing."""


def make_splitter(folds: FoldSettings, dataset: PatchDataset) -> Splitter:
    """Make the splitter that settings name, with a dead zone that suits a dataset's patches.

    Parameters
    ----------
    folds
        How sites are held out.
    dataset
        The patches; their size decides the dead zone where none is said.

    Raises
    ------
    SettingsError
        If a region is to be held out and none is named, or groups are named for folds that would
        part them.

    Examples
    --------
    >>> import tempfile
    >>> from minewatch import patches, toy
    >>> valley = toy.Valley(seed=1, width_m=12_000, height_m=9_000)
    >>> sites = valley.sites(2, 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dataset = patches.write_patches(
    ...         f"{folder}/d", sites, valley.pixels(sites, bands="rgb"), bands="rgb", level="L2A"
    ...     )
    ...     make_splitter(FoldSettings(n_splits=3, block_m=8_000), dataset).describe()
    '3 folds of blocks of 8 km, dead zone 700 m'
    """
    buffer_m, group, seed = _buffer_m(folds, dataset), folds.group_column, folds.random_state
    if folds.kind == "region":
        if folds.region is None:
            raise SettingsError(
                "a region is to be held out and none is named; give --region FILE: its polygons"
            )
        return RegionHoldout(folds.region, buffer_m, group_column=group, random_state=seed)
    if folds.kind == "clusters":
        return ClusterKFold(folds.n_splits, folds.cluster_m, buffer_m, group, seed)
    if folds.kind == "nearest":
        if group is not None:
            raise SettingsError(
                f"folds of kind nearest part the groups of {group}, for they are made of single "
                "places; take blocks, clusters or a region, or give no group column"
            )
        return NearestNeighbourDistanceKFold(
            folds.n_splits, folds.region, buffer_m, random_state=seed
        )
    if folds.kind == "random":
        return RandomKFold(folds.n_splits, seed, group)
    return BlockKFold(folds.n_splits, folds.block_m, buffer_m, group, seed)


def compared_splitters(folds: FoldSettings, dataset: PatchDataset) -> dict[str, Splitter]:
    """Give the row of splitters that a report shows, with the folds, seed and region of settings.

    See Also
    --------
    usual_splitters
    """
    return usual_splitters(
        n_splits=folds.n_splits,
        region=folds.region,
        buffer_m=_buffer_m(folds, dataset),
        group_column=folds.group_column,
        random_state=folds.random_state,
    )


def _buffer_m(folds: FoldSettings, dataset: PatchDataset) -> float:
    if folds.buffer_m is not None:
        return folds.buffer_m
    return dead_zone_m(dataset.header.size_px, dataset.header.resolution_m)
