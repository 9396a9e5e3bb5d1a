"""Folds for out-of-fold scores: drawn at random, or made of whole groups of sites."""

import numpy as np

from minewatch._figures import format_count
from minewatch.explore._words import number_of, verb_of
from minewatch.types import BoolArray, IntArray


def draw_folds(
    is_mining: BoolArray, groups: IntArray, *, n_folds: int, random_state: int
) -> IntArray:
    """Deal groups of sites to folds, whole, so that the folds are alike in size and in classes.

    Groups are dealt from the largest to the smallest, those of one size in an order drawn at
    random, each to the fold in which its classes are rarest so far. With every site its own group
    this is a stratified random split. It does what scikit-learn's ``StratifiedGroupKFold`` does,
    in time that grows with the number of groups only, so that 50,000 of them take half a second.

    Parameters
    ----------
    is_mining
        ``(site,)``.
    groups
        ``(site,)``, numbers from zero without gaps.

    Returns
    -------
    ndarray of int64
        ``(site,)``: the fold, from 0, in which the site is held out.
    """
    counts = np.zeros((groups.max() + 1, 2))
    np.add.at(counts, (groups, is_mining.astype(np.intp)), 1.0)
    shares = counts / np.maximum(counts.sum(axis=0), 1.0)
    order = np.random.default_rng(random_state).permutation(len(counts))
    order = order[np.argsort(-counts.sum(axis=1)[order], kind="stable")]
    folds = np.zeros(len(counts), dtype=np.int64)
    filled = [[0.0, 0.0] for _ in range(n_folds)]
    for group, (negative, positive) in zip(order.tolist(), shares[order].tolist(), strict=True):
        load = [fold[0] * negative + fold[1] * positive for fold in filled]
        total = [fold[0] + fold[1] for fold in filled]
        best = min(range(n_folds), key=lambda i: (load[i], total[i]))
        filled[best][0] += negative
        filled[best][1] += positive
        folds[group] = best
    return folds[groups]


def why_not_folds(is_mining: BoolArray, groups: IntArray, *, n_folds: int) -> str | None:
    """Say why no `n_folds` folds can be made of these groups; None if they can.

    Each fold must be able to hold both classes, and no single group may hold most of the sites,
    for a model would then learn from the remainder.
    """
    n_mining = len(np.unique(groups[is_mining]))
    n_other = len(np.unique(groups[~is_mining]))
    if min(n_mining, n_other) < n_folds:
        return (
            f"{number_of(n_mining, 'group')} {verb_of(n_mining, 'hold')} mining and "
            f"{format_count(n_other)} {verb_of(n_other, 'hold')} sites without; {n_folds} folds "
            f"need {n_folds} of each"
        )
    largest = np.bincount(groups).max() / len(groups)
    if largest > 0.5:
        return f"one group holds {largest:.0%} of the sites"
    return None
