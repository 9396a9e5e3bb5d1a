"""What detectors that learn from numbers share: labels joined by site_id, and weights."""

from typing import Final, Literal, TypeAlias

import numpy as np
import pandas as pd

from minewatch.errors import InputError
from minewatch.types import FloatArray, IntArray

CLASSES: Final = np.array([0, 1])
NO_LICENCE: Final = "not stated"
"""What a card says where whoever trained a detector did not say under which terms it may be used:
that of the code that trained it says nothing about labels and imagery."""
Sampling: TypeAlias = Literal["all", "equal"]
"""Which training patches are learned from: all, or as many of one class as of the other."""


def join_labels(sites: pd.Index, labels: pd.Series) -> IntArray:
    """Give the label of each site, 0 or 1.

    Raises
    ------
    InputError
        If a site has no label or several, stands there twice, or a class is missing.

    Examples
    --------
    >>> join_labels(pd.Index(["b", "a"]), pd.Series([0, 1], index=["a", "b"])).tolist()
    [1, 0]
    """
    if not sites.is_unique:
        raise InputError(f"site {sites[sites.duplicated()][0]!r} comes twice; each may come once")
    if not labels.index.is_unique:
        twice = labels.index[labels.index.duplicated()][0]
        raise InputError(f"site {twice!r} has several labels; expected one")
    missing = sites.difference(labels.index[labels.notna()])
    if len(missing):
        raise InputError(
            f"{len(missing)} of {len(sites)} sites have no label, of them {missing[0]!r}; leave "
            "out what is not labelled"
        )
    values = labels.loc[sites].to_numpy(dtype=np.float64, na_value=np.nan)
    kinds = sorted(set(np.unique(values).tolist()))
    if kinds != [0.0, 1.0]:
        raise InputError(f"labels are {kinds}; expected both 0 and 1, and nothing else")
    return values.astype(np.int64)


def class_weights(labels: IntArray, *, balanced: bool) -> FloatArray:
    """Give each row a weight: all the same, or such that both classes weigh the same.

    Examples
    --------
    >>> class_weights(np.array([0, 0, 0, 1]), balanced=True).tolist()
    [0.6666666666666666, 0.6666666666666666, 0.6666666666666666, 2.0]
    """
    if not balanced:
        return np.ones(len(labels))
    counts = np.bincount(labels, minlength=2)
    return np.asarray(len(labels) / (2.0 * counts[labels]), dtype=np.float64)


def draw_equal(labels: IntArray, random_state: int) -> IntArray:
    """Draw rows such that both classes are equally many: all of the rarer, some of the other.

    Returns
    -------
    ndarray of int64
        Positions, rising. The same seed and labels give the same rows.

    Examples
    --------
    >>> rows = draw_equal(np.array([0, 0, 1, 0, 0, 1]), random_state=1)
    >>> len(rows), {2, 5} <= set(rows.tolist())
    (4, True)
    """
    rows = [np.flatnonzero(labels == kind) for kind in (0, 1)]
    n_kept = min(map(len, rows))
    random = np.random.default_rng(random_state)
    kept = [
        one if len(one) == n_kept else random.choice(one, n_kept, replace=False) for one in rows
    ]
    return np.sort(np.concatenate(kept)).astype(np.int64)


def both(mining: FloatArray) -> FloatArray:
    """Give P(no mining) and P(mining) from the latter: (site, 2)."""
    return np.column_stack([1.0 - mining, mining])
