"""How well each band mean and each spectral index tells mining from no mining by itself."""

from typing import Final

import numpy as np
import pandas as pd

from minewatch._figures import format_count, format_length, format_percent
from minewatch._report._section import Section
from minewatch.explore._held_out import has_data
from minewatch.explore._places import in_order, independent_places, is_placed, labels_as_float
from minewatch.explore._roc import Auc, measure_auc
from minewatch.explore._rows import by_wavelength
from minewatch.explore._settings import DEFAULT_SETTINGS, ExploreSettings
from minewatch.explore._statistics import PatchStatistics
from minewatch.explore._words import and_empty, number_of
from minewatch.types import BoolArray, FloatArray, IntArray

KEY, TITLE = "separability", "Separability"
_STRONG_AUC: Final = 0.9
_MAX_BINS: Final = 20
_COLUMNS = (
    "feature", "kind", "auc", "auc_low", "auc_high", "direction", "ks", "jeffries_matusita",
    "mutual_information_bits", "mining_median", "no_mining_median", "n_mining", "n_no_mining",
    "n_places",
)  # fmt: skip


def rank_separability(
    statistics: PatchStatistics, settings: ExploreSettings = DEFAULT_SETTINGS
) -> Section:
    """Rank bands and spectral indices by how well one number per patch tells the classes apart.

    It looks at one feature at a time, so it misses what only several tell together, and it knows
    nothing of fields of pixels, only of patches.

    Parameters
    ----------
    statistics
        Band means (reflectance) and patch medians of spectral indices; sites without a label are
        left out, as are patches without data, and for each feature those where it is not known.

    Returns
    -------
    Section
        ``ranking``, the best first: ``auc``, turned so that it is at least 0.5, with its interval
        (`measure_auc`: the sample are places at least ``settings.place_distance_m`` apart) and
        ``direction``, the side on which mining lies; ``ks``, the largest distance between the two
        cumulative distributions, 0 to 1; ``jeffries_matusita``, 0 to 2, of two normal
        distributions [1]_; ``mutual_information_bits``, what the feature, cut at its quantiles,
        tells about the class, with Miller and Madow's correction for small samples [2]_, at most 1.
        ``sample``: patches, pixels and independent places by class.

    References
    ----------
    .. [1] Bruzzone, L., Roli, F., Serpico, S. B. (1995). An extension of the Jeffreys–Matusita
       distance to multiclass cases for feature selection. IEEE Transactions on Geoscience and
       Remote Sensing 33, 1318–1321.
    .. [2] Paninski, L. (2003). Estimation of entropy and mutual information. Neural Computation
       15, 1191–1253.
    """
    sites = in_order(statistics.sites)
    labels = labels_as_float(sites["label"])
    known = has_data(statistics).loc[sites.index].to_numpy()
    n_empty = int((~np.isnan(labels) & ~known).sum())
    labelled = ~np.isnan(labels) & known
    sites, is_mining = sites[labelled], labels[labelled] == 1.0
    if min(is_mining.sum(), (~is_mining).sum()) < 2:
        return Section.left_out(
            KEY,
            TITLE,
            why=f"Separability needs two patches of each class; there are {is_mining.sum()} with "
            f"mining and {(~is_mining).sum()} without"
            f"{and_empty(n_empty)}.",
            advice="Look in the section on integrity at why patches have no data."
            if n_empty
            else "Label more places of the class that is missing.",
        )
    places = independent_places(sites, distance_m=settings.place_distance_m)
    table, best = _rank(_features(statistics).loc[sites.index], is_mining, places, settings)
    if best is None:
        return Section.left_out(
            KEY,
            TITLE,
            why="No band or index is known for two patches of each class.",
            advice="Look at the section on integrity for patches without data.",
        )
    return Section(
        key=KEY,
        title=TITLE,
        seen=_seen(table, best, n_unplaced=int((~is_placed(sites)).sum()), settings=settings)
        + (f" {number_of(n_empty, 'patch')} without data left out." if n_empty else ""),
        advice=_advice(table, best, settings),
        tables={"ranking": table, "sample": _sample(statistics, is_mining, places)},
    )


def _features(statistics: PatchStatistics) -> pd.DataFrame:
    """Put band means, in order of wavelength, beside index medians, in order of name."""
    bands = statistics.mean[by_wavelength(statistics.bands)]
    return pd.concat([bands, statistics.indices[sorted(statistics.indices.columns)]], axis=1)


def _rank(
    features: pd.DataFrame, is_mining: BoolArray, places: IntArray, settings: ExploreSettings
) -> tuple[pd.DataFrame, Auc | None]:
    rows, areas = [], []
    for feature in features.columns:
        values = features[feature].to_numpy(dtype=np.float64)
        known = np.isfinite(values)
        if min((known & is_mining).sum(), (known & ~is_mining).sum()) < 2:
            continue
        auc = measure_auc(values[known], is_mining[known], places[known])
        higher = auc.value >= 0.5
        auc = auc if higher else auc.flipped()
        row = _row(feature, values[known], is_mining[known], auc, settings)
        rows.append({**row, "direction": f"{'higher' if higher else 'lower'} in mining"})
        areas.append(auc)
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    if not rows:
        return table, None
    table = table.sort_values("auc", ascending=False, kind="stable")
    return table.reset_index(drop=True), areas[int(table.index[0])]


def _row(
    feature: str, values: FloatArray, is_mining: BoolArray, auc: Auc, settings: ExploreSettings
) -> dict[str, object]:
    mining, other = values[is_mining], values[~is_mining]
    low, high = auc.interval(settings.confidence)
    return {
        "feature": feature,
        "kind": "band" if feature.startswith("B") and feature[1:2].isdigit() else "index",
        "auc": auc.value,
        "auc_low": low,
        "auc_high": high,
        "ks": kolmogorov_smirnov(mining, other),
        "jeffries_matusita": jeffries_matusita(mining, other),
        "mutual_information_bits": mutual_information_bits(values, is_mining),
        "mining_median": float(np.median(mining)),
        "no_mining_median": float(np.median(other)),
        "n_mining": auc.n_mining,
        "n_no_mining": auc.n_no_mining,
        "n_places": auc.n_places,
    }


def kolmogorov_smirnov(some: FloatArray, others: FloatArray) -> float:
    """Give the largest distance between two samples' cumulative distributions, 0 to 1."""
    values = np.concatenate([some, others])
    below = [np.searchsorted(np.sort(x), values, side="right") / len(x) for x in (some, others)]
    return float(np.abs(below[0] - below[1]).max())


def jeffries_matusita(some: FloatArray, others: FloatArray) -> float:
    """Give the Jeffries–Matusita distance of two samples taken as normal, 0 to 2.

    It is NaN if one sample has no spread, for its normal distribution is then undefined.
    """
    variances = np.array([some.var(ddof=1), others.var(ddof=1)])
    if not (variances > 0).all():
        return float("nan")
    pooled = variances.mean()
    distance = (some.mean() - others.mean()) ** 2 / (8.0 * pooled)
    bhattacharyya = distance + 0.5 * np.log(pooled / np.sqrt(variances.prod()))
    return float(2.0 * (1.0 - np.exp(-bhattacharyya)))


def mutual_information_bits(values: FloatArray, is_mining: BoolArray) -> float:
    """Estimate what a feature tells about the class, in bits, 0 to 1.

    The feature is cut at quantiles into about ``sqrt(n / 5)`` bins, 2 to 20; the plug-in estimate
    loses Miller and Madow's bias, and is 0 where that exceeds it.
    """
    n_bins = int(np.clip(np.sqrt(len(values) / 5.0), 2, _MAX_BINS))
    edges = np.unique(np.quantile(values, np.arange(1, n_bins) / n_bins))
    codes = np.searchsorted(edges, values, side="left")
    counts = np.zeros((n_bins, 2))
    np.add.at(counts, (codes, is_mining.astype(np.intp)), 1.0)
    shares = counts / counts.sum()
    by_bin, by_class = shares.sum(axis=1), shares.sum(axis=0)
    filled = shares > 0
    expected = np.outer(by_bin, by_class)
    plug_in = float((shares[filled] * np.log(shares[filled] / expected[filled])).sum())
    n_free = filled.sum() - (by_bin > 0).sum() - (by_class > 0).sum() + 1
    return float(max(0.0, (plug_in - n_free / (2.0 * len(values))) / np.log(2.0)))


def _sample(statistics: PatchStatistics, is_mining: BoolArray, places: IntArray) -> pd.DataFrame:
    n_px = statistics.header.size_px**2
    chosen = {"mining": is_mining, "no mining": ~is_mining, "both": np.ones_like(is_mining)}
    return pd.DataFrame(
        {
            "class": name,
            "n_patches": int(members.sum()),
            "n_pixels": int(members.sum()) * n_px,
            "n_places": len(np.unique(places[members])),
        }
        for name, members in chosen.items()
    )


def _seen(table: pd.DataFrame, best: Auc, *, n_unplaced: int, settings: ExploreSettings) -> str:
    first = table.iloc[0]
    apart = f"more than {format_length(settings.place_distance_m)} apart"
    alone = f"{number_of(n_unplaced, 'patch')} without coordinates, each taken as a place"
    n_places = number_of(best.n_places, "place")
    if n_unplaced == 0:
        where = f"{n_places} {apart}"
    elif n_unplaced < best.n_mining + best.n_no_mining:
        where = f"{n_places}, those known {apart} and {alone}"
    else:
        where = alone
    share = format_percent(settings.confidence)
    rests = f"; the {share} interval rests on {where}, not on pixels"
    return (
        f"Of {len(table)} bands and indices, {first['feature']} ({first['direction']}) tells the "
        f"classes apart best by itself: AUC {best.in_words(settings.confidence)}, "
        f"n = {format_count(best.n_mining)} mining and "
        f"{number_of(best.n_no_mining, 'no-mining patch')}"
        f"{rests if best.n_places_scarce > 1 else ''}."
    )


def _advice(table: pd.DataFrame, best: Auc, settings: ExploreSettings) -> str:
    """Say what to do; the best of many must beat chance after a correction for their number."""
    first = table.iloc[0]["feature"]
    if best.n_places_scarce < 2:
        return (
            f"A class lies in one place, so nothing tells whether {first} beats chance: "
            "gather sites in more independent places before training a model."
        )
    corrected = 1.0 - (1.0 - settings.confidence) / len(table)
    if not best.differs_from_chance(corrected):
        return (
            f"After allowing for {len(table)} features looked at, not even the best differs from "
            "chance: if the spectral model in the section on space tells nothing either, check "
            "first that rows and sites were joined rightly, and that band order and level are what "
            "was said; then check labels and dates, or gather more independent places, before "
            "training a model."
        )
    if best.value >= 0.99:
        return (
            f"A threshold on {first} almost decides the class: before believing it, check that "
            "the classes do not differ in date, level, sensor or processing, and show this "
            "threshold beside every model."
        )
    if best.value >= _STRONG_AUC:
        return (
            f"Show a threshold on {first} as the baseline that every model must beat, under folds "
            "that hold out whole places."
        )
    return (
        "No single threshold will do: combine bands and texture, and report the gain over "
        f"{first} alone, under folds that hold out whole places."
    )
