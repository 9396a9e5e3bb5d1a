"""What folds do with each site, and whether a score under them may be shown."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from minewatch._figures import format_count
from minewatch.model import _blocks_groups as groups_of
from minewatch.model._blocks import BlockKFold, RandomKFold, RegionHoldout, Splitter
from minewatch.model._blocks_groups import Sites

ROLES = ("train", "test", "dead zone")


def fold_table(splitter: Splitter, sites: Sites, labels: pd.Series | None = None) -> pd.DataFrame:
    """Tabulate what each site is in each fold.

    Parameters
    ----------
    splitter
        A splitter.
    sites
        A table of sites, points in EPSG:4326.
    labels
        Index site_id; None: the column `label` of the sites.

    Returns
    -------
    DataFrame
        One row for each site and fold: `site_id`, `fold` (from 0), `block` (text), `role`
        (``train``, ``test``, ``dead zone``), `label` (1, 0, NaN), `longitude`, `latitude` (degrees;
        NaN if unplaced), `nearest_train_m` (metres from a test site to the nearest training site of
        that fold; NaN for other roles and unplaced sites).

    Examples
    --------
    >>> from minewatch.model._blocks import BlockKFold
    >>> from minewatch.toy import Valley
    >>> table = fold_table(BlockKFold(3, 8_000, 2_000), Valley(seed=1).sites(30, 70))
    >>> table["role"].value_counts().to_dict()
    {'train': 183, 'test': 100, 'dead zone': 17}
    """
    places = groups_of.read_places(sites, labels)
    blocks = splitter.blocks(sites)
    parts = []
    for fold, (train, test) in enumerate(splitter.split(sites, labels)):
        role = np.full(len(places), ROLES[2], dtype=object)
        role[train], role[test] = ROLES[0], ROLES[1]
        nearest = np.full(len(places), np.nan)
        nearest[test] = groups_of.distance_to_train(places.lonlat, train, test)
        parts.append(
            pd.DataFrame(
                {
                    "site_id": places.index.astype("str"),
                    "fold": fold,
                    "block": blocks.to_numpy(),
                    "role": pd.Series(role, dtype="str"),
                    "label": places.labels,
                    "longitude": places.lonlat[:, 0],
                    "latitude": places.lonlat[:, 1],
                    "nearest_train_m": nearest,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def describe_folds(splitter: Splitter, sites: Sites) -> str:
    """Say in words how sites are held apart, and what is done with those without a place.

    Examples
    --------
    >>> from minewatch.model._blocks import BlockKFold
    >>> sites = pd.DataFrame(
    ...     {"longitude": [1.0, None], "latitude": [0.0, None], "file": ["a", "b"]}
    ... )
    >>> describe_folds(BlockKFold(2, group_column="file"), sites)
    '2 folds of blocks of 50 km, dead zone 700 m; 1 site without a place held out by column file'
    """
    n_unplaced, _, how = _unplaced(splitter, sites)
    if not n_unplaced:
        return splitter.describe()
    return f"{splitter.describe()}; {count_sites(n_unplaced)} without a place {how}"


def describe_unplaced(splitter: Splitter, sites: Sites) -> str:
    """Say in a sentence what is not known of sites without a place; empty if all have one."""
    n_unplaced, n_sites, how = _unplaced(splitter, sites)
    if not n_unplaced:
        return ""
    n_placed = n_sites - n_unplaced
    has, are = ("has", "is") if n_unplaced == 1 else ("have", "are")
    rest = f"the other {format_count(n_placed)}" if n_placed else "no site"
    return (
        f"{format_count(n_unplaced)} of {count_sites(n_sites)} {has} no place and {are} {how}; how "
        f"far that is from what trained is not known, and distances rest on {rest}"
    )


def why_unplaced(splitter: Splitter, sites: Sites) -> str | None:
    """Say why no figure is to be shown where most tested sites have no place; None if they have."""
    n_unplaced, n_sites, _ = _unplaced(splitter, sites)
    if isinstance(splitter, RegionHoldout) or 2 * n_unplaced <= n_sites:
        return None
    return (
        f"{format_count(n_unplaced)} of {count_sites(n_sites)} have no place, so that nobody knows "
        "how far most of those tested lie from training sites; give them their places"
    )


def count_sites(n_sites: int) -> str:
    """Count sites in words."""
    return f"{format_count(n_sites)} {'site' if n_sites == 1 else 'sites'}"


def block_word(header: Mapping[str, Any]) -> str:
    """Name what the intervals of an evaluation resample under its folds."""
    kind = header.get("splitter_settings", {}).get("class", "")
    if kind in ("RandomKFold", "NearestNeighbourDistanceKFold"):
        return "places (sites within 3 km of each other are one)"
    return "clusters" if kind == "ClusterKFold" else "blocks"


def _unplaced(splitter: Splitter, sites: Sites) -> tuple[int, int, str]:
    """Count the sites without a place, and all, and say how the former are held out."""
    places = groups_of.read_places(sites)
    column = getattr(splitter, "group_column", None)
    if isinstance(splitter, RegionHoldout):
        how = "never tested"
    elif isinstance(splitter, RandomKFold) or column is None:
        how = "held out like all others"
    else:
        how = f"held out by column {column}"
    return int((~places.is_placed).sum()), len(places), how


def is_headline(splitter: Splitter) -> bool:
    """Say whether a score under these folds may stand at the head of a report.

    Only a region held out, or blocks of at least 50 km: on the points of a study of this kind the
    coordinates alone score an AUC of 0.99 under random folds and clusters of 3 km.
    """
    if isinstance(splitter, RegionHoldout):
        return True
    return isinstance(splitter, BlockKFold) and splitter.block_m >= 50_000.0
