"""Which labels to look at again: those that a model trained elsewhere does not believe."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import geopandas as gpd
import numpy as np
import pandas as pd

from minewatch._figures import format_count, format_length, format_percent
from minewatch._report._section import Section
from minewatch.explore._folds import why_not_folds
from minewatch.explore._held_out import (
    has_data,
    one_thread,
    score_by_spectra,
    score_held_out,
    spectral_features,
)
from minewatch.explore._leakage import draw_repeats
from minewatch.explore._pictures import picture_sites
from minewatch.explore._places import (
    class_words,
    in_order,
    independent_places,
    is_placed,
    labels_as_float,
)
from minewatch.explore._roc import Auc, measure_auc
from minewatch.explore._settings import DEFAULT_SETTINGS, ExploreSettings
from minewatch.explore._statistics import PatchStatistics
from minewatch.explore._words import and_empty, number_of
from minewatch.sites import CLASS_NAMES
from minewatch.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from minewatch.patches import PatchDataset

KEY, TITLE = "labels", "Labels"
_WEAK_AUC: Final = 0.75
_STRONG_AUC: Final = 0.9


@dataclass(frozen=True, eq=False)
class Doubts:
    """What confident learning says of labels."""

    margin: FloatArray
    """``(site,)``: probability of the given label minus that of the other; −1 to 1."""
    is_flagged: BoolArray
    """``(site,)``: the other label is the confident and the more probable one."""
    noise: pd.DataFrame
    """By given label: ``n_sites``, ``threshold``, ``n_flagged``, ``expected_wrong``."""


def find_doubts(is_mining: BoolArray, probability: FloatArray) -> Doubts:
    """Find labels to doubt by confident learning.

    A label is confidently j where the probability of j reaches the mean that sites labelled j get
    (of two such, the more probable). The counts of given against confident labels, scaled by row to
    the counts of given labels, estimate how many labels of each class are wrong [1]_. A label is
    flagged if the other is the confident one, and the more probable.

    It is written out here, for with two classes it takes a few lines, and cleanlab would bring
    dependencies of its own; the flags and their order are those of cleanlab 2.9
    (``filter_by="confident_learning"``, ``"normalized_margin"``).

    Parameters
    ----------
    is_mining
        ``(site,)`` given labels, of both classes.
    probability
        ``(site,)`` out-of-fold probability of mining, 0 to 1.

    References
    ----------
    .. [1] Northcutt, C., Jiang, L., Chuang, I. (2021). Confident learning: estimating uncertainty
       in dataset labels. Journal of Artificial Intelligence Research 70, 1373–1411.

    Examples
    --------
    >>> doubts = find_doubts(np.array([True, True, True, False, False, False]),
    ...                      np.array([0.9, 0.8, 0.1, 0.2, 0.1, 0.1]))
    >>> doubts.is_flagged.tolist()
    [False, False, True, False, False, False]
    """
    given = is_mining.astype(np.intp)
    both = np.column_stack([1.0 - probability, probability])
    thresholds = np.array([both[given == j, j].mean() for j in (0, 1)])
    reached = both >= thresholds - 1e-6
    confident = np.where(reached, both, -1.0).argmax(axis=1)
    is_confident = reached.any(axis=1)
    counts = np.zeros((2, 2))
    np.add.at(counts, (given[is_confident], confident[is_confident]), 1.0)
    off_share = np.array([counts[0, 1], counts[1, 0]]) / np.maximum(counts.sum(axis=1), 1.0)
    rows = np.arange(len(given))
    margin = both[rows, given] - both[rows, 1 - given]
    is_flagged = is_confident & (confident != given) & (margin < 0)
    n_sites = np.bincount(given, minlength=2)
    noise = pd.DataFrame(
        {
            "label": [CLASS_NAMES[1], CLASS_NAMES[0]],
            "n_sites": n_sites[::-1],
            "threshold": thresholds[::-1],
            "n_flagged": np.bincount(given[is_flagged], minlength=2)[::-1],
            "expected_wrong": (off_share * n_sites)[::-1],
            "expected_share": off_share[::-1],
        }
    )
    return Doubts(margin, is_flagged, noise)


def doubt_labels(
    statistics: PatchStatistics,
    settings: ExploreSettings = DEFAULT_SETTINGS,
    dataset: "PatchDataset | None" = None,
) -> Section:
    """List labels that spectra contradict, by a model that has seen no site near.

    It says where to look, not what is wrong: a site may be doubted because its label is wrong or
    because it is unlike the rest of its class.

    Parameters
    ----------
    statistics
        Sites without a label are left out, and patches without data; so are sites
        without coordinates, if enough others have some.
    dataset
        Where to read thumbnails of the most doubtful sites; None for no thumbnails.

    Returns
    -------
    Section
        ``doubts``, the most doubtful first (flagged before others, then by margin): ``site_id``,
        ``label``, ``probability`` of mining out of fold (mean over drawings of folds), ``margin``,
        ``is_flagged``, ``doubt_rank`` (from 1), ``longitude``, ``latitude`` (NaN if not known).
        ``noise``: labels flagged, and expected to be wrong, by class (`find_doubts`). ``model``:
        what the probabilities are worth: AUC with interval, folds, distance, sites, groups. Image
        ``doubts``: the first ``settings.n_thumbnails`` flagged sites.
    """
    known = has_data(statistics)
    sites = _usable(statistics.sites[known], settings.n_folds)
    n_empty = int(statistics.labels[~known].notna().sum())
    is_mining = labels_as_float(sites["label"]) == 1.0
    fewest = min(is_mining.sum(), (~is_mining).sum())
    if fewest < 2 * settings.n_folds:
        return Section.left_out(
            KEY,
            TITLE,
            why=f"Doubting labels needs {2 * settings.n_folds} sites of each class; there are "
            f"{is_mining.sum()} with mining and {(~is_mining).sum()} without"
            f"{and_empty(n_empty)}.",
            advice="Look in the section on integrity at why patches have no data."
            if n_empty
            else "Label more places of the class that is rare.",
        )
    groups, distance_m = _groups(sites, is_mining, settings)
    features = spectral_features(statistics).loc[sites.index].to_numpy(dtype=np.float64)
    drawings = draw_repeats(is_mining, groups, settings)
    score = partial(score_by_spectra, random_state=settings.random_state)
    with one_thread():
        scores = [score_held_out(score, features, is_mining, folds) for folds in drawings]
    probability = np.mean(scores, axis=0)
    auc = measure_auc(probability, is_mining, groups).cross_validated(settings.n_folds)
    n_alone = int((~is_placed(sites)).sum())
    doubts = find_doubts(is_mining, probability)
    table = _doubts_table(sites, probability, doubts)
    flagged = table.loc[table["is_flagged"], "site_id"].head(settings.n_thumbnails)
    images = picture_sites(dataset, flagged.tolist(), statistics, settings)
    n_unplaced = int(statistics.labels.notna().sum()) - n_empty - len(sites)
    left_out = {"without data": n_empty, "without coordinates": n_unplaced}
    return Section(
        key=KEY,
        title=TITLE,
        seen=_seen(doubts, auc, _how(distance_m, n_alone), left_out, settings),
        advice=_advice(doubts, auc, settings),
        tables={
            "doubts": table,
            "noise": doubts.noise,
            "model": _model_table(auc, distance_m, len(drawings), settings),
        },
        images={} if images is None else {"doubts": images},
    )


def _usable(sites: gpd.GeoDataFrame, n_folds: int) -> gpd.GeoDataFrame:
    """Keep labelled sites; only those with coordinates, if they are enough by themselves."""
    labelled = sites["label"].notna().to_numpy(dtype=np.bool_)
    placed = labelled & is_placed(sites)
    counts = sites.loc[placed, "label"].value_counts()
    enough = len(counts) == 2 and counts.min() >= 2 * n_folds
    return in_order(sites[placed if enough else labelled])


def _groups(
    sites: gpd.GeoDataFrame, is_mining: BoolArray, settings: ExploreSettings
) -> tuple[IntArray, float | None]:
    """Group sites at the asked distance, or the widest below it that leaves enough groups.

    A site without coordinates is a group of its own. Where no site has any, or all lie too close
    together, every site is a group, and None is given for the distance.
    """
    if is_placed(sites).any():
        asked = settings.label_block_m
        distances = {asked, settings.place_distance_m, *settings.block_sizes_m}
        for distance_m in sorted((x for x in distances if x <= asked), reverse=True):
            groups = independent_places(sites, distance_m=distance_m)
            if why_not_folds(is_mining, groups, n_folds=settings.n_folds) is None:
                return groups, distance_m
    return np.arange(len(sites), dtype=np.int64), None


def _doubts_table(sites: gpd.GeoDataFrame, probability: FloatArray, doubts: Doubts) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "site_id": sites.index,
            "label": class_words(labels_as_float(sites["label"])),
            "probability": probability,
            "margin": doubts.margin,
            "is_flagged": doubts.is_flagged,
            "longitude": sites.geometry.x.to_numpy(),
            "latitude": sites.geometry.y.to_numpy(),
        }
    )
    order = np.lexsort((np.round(doubts.margin, 12), ~doubts.is_flagged))
    table = table.iloc[order].reset_index(drop=True)
    table.insert(5, "doubt_rank", np.arange(1, len(table) + 1))
    return table


def _model_table(
    auc: Auc, distance_m: float | None, n_repeats: int, settings: ExploreSettings
) -> pd.DataFrame:
    low, high = auc.interval(settings.confidence)
    return pd.DataFrame(
        [
            {
                "model": "spectra",
                "folds": "random" if distance_m is None else "clusters",
                "distance_m": float("nan") if distance_m is None else distance_m,
                "auc": auc.value,
                "auc_low": low,
                "auc_high": high,
                "n_sites": auc.n_mining + auc.n_no_mining,
                "n_mining": auc.n_mining,
                "n_groups": auc.n_places,
                "n_folds": settings.n_folds,
                "n_repeats": n_repeats,
            }
        ]
    )


def _how(distance_m: float | None, n_alone: int) -> str:
    """Write how sites were held out."""
    if distance_m is None:
        return "under random folds, which near sites may flatter"
    how = f"under folds of clusters {format_length(distance_m)} or more apart"
    if n_alone:
        return f"{how}, {number_of(n_alone, 'site')} without coordinates each by itself"
    return how


def _seen(
    doubts: Doubts, auc: Auc, how: str, left_out: Mapping[str, int], settings: ExploreSettings
) -> str:
    n_sites, n_flagged = auc.n_mining + auc.n_no_mining, int(doubts.is_flagged.sum())
    counts = " and ".join(f"{format_count(n)} {why}" for why, n in left_out.items() if n)
    shown = f" ({counts} left out)" if counts else ""
    expected = doubts.noise.set_index("label")["expected_wrong"]
    return (
        f"Scored out of fold, a simple spectral model (AUC {auc.in_words(settings.confidence)} "
        f"{how}) contradicts {format_count(n_flagged)} of {number_of(n_sites, 'label')}"
        f"{shown}, {format_percent(n_flagged / n_sites)}; confident learning reads that as "
        f"about {number_of(round(expected['mining']), 'wrong label')} of mining and "
        f"{format_count(expected['no mining'])} of no mining, the model’s own errors among them."
    )


def _advice(doubts: Doubts, auc: Auc, settings: ExploreSettings) -> str:
    n_flagged = int(doubts.is_flagged.sum())
    low, _ = auc.interval(settings.confidence)
    if n_flagged == 0:
        return "No label is doubted by this model; that does not prove them right."
    if not low > 0.5 or auc.value < _WEAK_AUC:
        return (
            "The model is too weak away from what it has seen to judge labels: take the list as an "
            "order in which to look, not as a count of errors."
        )
    first = format_count(min(n_flagged, settings.n_thumbnails))
    if auc.value < _STRONG_AUC:
        return (
            f"Look at the first {first} in imagery of their dates and correct what is wrong; many "
            "will be right but hard, for the model errs often itself."
        )
    return (
        f"Look at the first {first} in imagery of their dates before training, correct what is "
        "wrong, and keep what is right but hard."
    )
