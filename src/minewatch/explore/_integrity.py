"""Integrity: patches with pixels that are missing, stuck, implausible or seen before."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import xarray as xr

from minewatch._figures import format_count
from minewatch._report._section import Section
from minewatch.bands import MAX_DN, NO_DATA, SCALE_FACTOR
from minewatch.explore._duplicates import exact_duplicates, near_duplicates
from minewatch.explore._fault_classes import class_p_values, tell_fault_classes
from minewatch.explore._histograms import count_quantiles, known_counts
from minewatch.explore._settings import ExploreSettings
from minewatch.explore._statistics import CLASSES, PatchStatistics, limits_dn
from minewatch.explore._thumbnails import common_stretch, composites, thumbnails
from minewatch.explore._words import number_of, verb_of

if TYPE_CHECKING:
    from minewatch.patches import PatchDataset

_MEANING: Final = {
    "no_data": "a pixel, or more, that is zero in all bands",
    "empty": "every pixel zero in all bands",
    "missing_in_some_bands": "a pixel that is zero in some bands and not in others",
    "not_numbers": "a value, or more, that was not a number in the source",
    "zero_bands": "a band that is zero throughout, in a patch that has data",
    "constant_bands": "a band that has one value throughout, not zero",
    "saturated": "a pixel at or above the digital number at which the source clips",
    "too_dark": "a pixel at or below the least plausible reflectance",
    "too_bright": "a pixel above the greatest plausible reflectance",
    "exact_duplicates": "all pixels equal to those of another patch",
    "exact_duplicates_across_classes": "equal to a patch of the other class",
    "near_duplicates": "nearly equal to another patch",
    "near_duplicates_across_classes": "nearly equal to a patch of the other class",
    "seldom_seen": "a pixel with few clear views",
}
"""What each check looks for, in the order in which they are told."""


def check_integrity(
    statistics: PatchStatistics,
    settings: ExploreSettings,
    dataset: "PatchDataset | None" = None,
) -> Section:
    """Find patches that cannot be right, or are there more than once.

    Values that were not a number in the source are no data here, as the dataset stores both as 0;
    they are told apart if the sites have a column ``n_nan_values``.

    Parameters
    ----------
    dataset
        Where to read thumbnails of the patches found; None for no thumbnails.

    Returns
    -------
    Section
        ``checks``: for each check how many patches fail it, in all and by class, and their share;
        ``p_value`` of the hypothesis that they divide between mining and no mining as the other
        patches do (`class_p_values`).
        ``values``: by band, over all pixels, the shares without data, saturated, too dark and too
        bright, and the extremes. For each check a table of the patches that fail it, the worst
        first: ``no_data``, ``zero_bands``, ``constant_bands``, ``saturated``, ``implausible``,
        `exact_duplicates`, `near_duplicates` and, where they were counted, ``not_numbers`` and
        ``seldom_seen``.
        Images by the same names, of up to ``settings.n_thumbnails`` patches, each shown once, where
        it is listed first.
    """
    failed = _find(statistics, settings)
    checks = _check_table(statistics, failed)
    offenders = {name: table for name, table in failed.items() if name in _LISTED}
    tables = {
        "checks": checks,
        "values": _value_table(statistics, settings),
        **{name: _describe(table, statistics) for name, table in offenders.items()},
    }
    counts = dict(zip(checks["check"], checks["n_patches"], strict=True))
    goes_with = tell_fault_classes(checks, _class_sizes(statistics))
    return Section(
        key="integrity",
        title="Integrity",
        seen=_seen(counts, len(statistics.sites), failed) + (f" {goes_with}." if goes_with else ""),
        advice=_advice(counts, goes_with_class=bool(goes_with)),
        tables=tables,
        images={} if dataset is None else _pictures(dataset, statistics, offenders, settings),
    )


_LISTED: Final = (
    "no_data", "not_numbers", "zero_bands", "constant_bands", "saturated", "implausible",
    "exact_duplicates", "near_duplicates", "seldom_seen",
)  # fmt: skip
"""Checks whose patches are listed in a table of that name."""


def _find(statistics: PatchStatistics, settings: ExploreSettings) -> dict[str, pd.DataFrame]:
    """Give for each check the patches that fail it, the worst first."""
    quality = statistics.quality
    empty = quality["n_no_data_px"] == quality["n_px"]
    share = (quality["n_no_data_px"] / quality["n_px"]).rename("no_data_share")
    exact = exact_duplicates(statistics)
    near = near_duplicates(statistics, settings)
    implausible = quality[["too_dark_share", "too_bright_share"]]
    found = {
        "no_data": _worst(pd.concat([quality["n_no_data_px"], share], axis=1)),
        "empty": _worst(quality.loc[empty, ["n_no_data_px"]]),
        "missing_in_some_bands": _worst(
            (quality["n_any_zero_px"] - quality["n_no_data_px"]).to_frame("n_px")
        ),
        "zero_bands": _named(quality.loc[~empty], "zero_bands"),
        "constant_bands": _named(quality, "constant_bands"),
        "saturated": _worst(quality[["saturated_share"]]),
        "too_dark": _worst(quality[["too_dark_share"]]),
        "too_bright": _worst(quality[["too_bright_share"]]),
        "implausible": _worst(implausible),
        "exact_duplicates": exact,
        "exact_duplicates_across_classes": exact[exact["across_classes"]],
        "near_duplicates": near,
        "near_duplicates_across_classes": near[near["across_classes"]],
    }
    if "n_nan_values" in statistics.sites:
        values = pd.to_numeric(statistics.sites["n_nan_values"], errors="coerce")
        found["not_numbers"] = _worst(values.astype("float64").fillna(0.0).to_frame())
    if quality["min_clear_views"].notna().any():
        views = quality[["min_clear_views", "mean_clear_views"]]
        seldom = views[views["min_clear_views"] < settings.min_clear_views]
        found["seldom_seen"] = _sorted(seldom, seldom.sum(axis=1))
    return found


def _worst(values: pd.DataFrame) -> pd.DataFrame:
    """Keep the patches with any value above zero, those with the largest sum first."""
    total = values.sum(axis=1)
    kept = total > 0
    return _sorted(values[kept], -total[kept])


def _named(quality: pd.DataFrame, column: str) -> pd.DataFrame:
    """Keep the patches in which bands are named, those with the most bands first."""
    chosen = quality.loc[quality[column] != "", [column]].rename(columns={column: "bands"})
    return _sorted(chosen, -chosen["bands"].str.count(",").astype("float64"))


def _sorted(table: pd.DataFrame, badness: "pd.Series[float]") -> pd.DataFrame:
    order = np.lexsort((table.index.to_numpy().astype("U"), badness.to_numpy()))
    return table.iloc[order]


def _check_table(statistics: PatchStatistics, failed: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    n = len(statistics.sites)
    rows = []
    for check in (name for name in _MEANING if name in failed):
        classes = statistics.classes.loc[failed[check].index]
        row: dict[str, object] = {
            "check": check,
            "meaning": _MEANING[check],
            "n_patches": len(classes),
            "share": len(classes) / n,
        }
        for name in CLASSES:
            row[f"n_{name.replace(' ', '_')}"] = int((classes == name).sum())
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.assign(p_value=class_p_values(table, _class_sizes(statistics)))


def _class_sizes(statistics: PatchStatistics) -> dict[str, int]:
    return {name: int((statistics.classes == name).sum()) for name in CLASSES}


def _value_table(statistics: PatchStatistics, settings: ExploreSettings) -> pd.DataFrame:
    """Give by band the shares of all pixels that are missing or implausible, and the extremes."""
    limits = limits_dn(statistics.header.saturation_dn, settings)
    known = known_counts(statistics.counts).sum(axis=0)
    n_px = np.maximum(statistics.counts.sum(dim=("label", "dn")).to_numpy(), 1)
    n_known = known.sum(axis=1)
    ends = count_quantiles(known, [0.0, 1.0]) * SCALE_FACTOR
    dn = np.arange(NO_DATA, MAX_DN + 1)
    return pd.DataFrame(
        {
            "band": list(statistics.bands),
            "n_px": n_px,
            "no_data_share": 1.0 - n_known / n_px,
            "saturated_share": known[:, dn >= limits.saturated].sum(axis=1) / n_px,
            "too_dark_share": known[:, dn <= limits.darkest].sum(axis=1) / n_px,
            "too_bright_share": known[:, dn > limits.brightest].sum(axis=1) / n_px,
            "min": ends[:, 0],
            "max": ends[:, 1],
        }
    )


def _describe(table: pd.DataFrame, statistics: PatchStatistics) -> pd.DataFrame:
    """Add class and coordinates (degrees, EPSG:4326; NaN if unplaced) to a table of patches."""
    described = table.copy()
    if "class" not in described:
        described.insert(0, "class", statistics.classes.loc[table.index])
    for column in ("longitude", "latitude"):
        described[column] = statistics.sites.loc[table.index, column].astype("float64")
    described.index.name = "site_id"
    return described


def _pictures(
    dataset: "PatchDataset",
    statistics: PatchStatistics,
    offenders: Mapping[str, pd.DataFrame],
    settings: ExploreSettings,
) -> dict[str, xr.DataArray]:
    bands = next(iter(composites(statistics.bands).values()))
    stretch = common_stretch(statistics, settings)
    shown: set[str] = set()
    chosen = {}
    for name, table in offenders.items():
        fresh = [site_id for site_id in table.index if site_id not in shown]
        if fresh:
            chosen[name] = fresh[: settings.n_thumbnails]
            shown.update(chosen[name])
    return {name: thumbnails(dataset, ids, bands, stretch) for name, ids in chosen.items()}


def _seen(counts: Mapping[str, int], n: int, failed: Mapping[str, pd.DataFrame]) -> str:
    told = [
        f"{format_count(count)} {verb_of(count, verb)} {what}{more}"
        for count, verb, what, more in _told(counts, failed)
        if count
    ]
    if not told:
        return (
            f"None of {number_of(n, 'patch')} has missing, constant, saturated or implausible "
            "values, and no two are equal or nearly so."
        )
    return f"Of {number_of(n, 'patch')}, {_join(told)}."


def _told(
    counts: Mapping[str, int], failed: Mapping[str, pd.DataFrame]
) -> list[tuple[int, str, str, str]]:
    """Give what is said of each check: number of patches, verb, what they do, more about it."""
    exact = failed["exact_duplicates"]
    n_empty = int(exact["no_data"].sum())
    groups = number_of(exact["group"].nunique(), "group")
    copies = (
        f"{groups}; {n_empty} of these patches {verb_of(n_empty, 'hold')} no data"
        if n_empty
        else groups
    )
    return [
        (counts["no_data"], "lack", "data in some pixel", f" ({counts['empty']} in every pixel)"),
        (counts.get("not_numbers", 0), "have", "values that were not numbers in the source", ""),
        (counts["zero_bands"], "have", "a band that is zero throughout", ""),
        (counts["constant_bands"], "have", "a constant band", ""),
        (counts["saturated"], "have", "saturated pixels", ""),
        (counts["too_bright"], "have", "pixels too bright to be ground", ""),
        (counts["too_dark"], "have", "pixels too dark to be true", ""),
        (counts["exact_duplicates"], "are", "equal to another in every pixel", f" ({copies})"),
        (counts["near_duplicates"], "are", "nearly equal to another", ""),
        (counts.get("seldom_seen", 0), "have", "pixels with few clear views", ""),
    ]


def _advice(counts: Mapping[str, int], *, goes_with_class: bool) -> str:
    steps = [step for count, step in _steps(counts) if count > 0]
    if goes_with_class:
        steps.insert(0, "leave out the faults that go with a class, or make both classes alike")
    if not steps:
        return "Nothing needs repair; go on to the distributions."
    text = _join(steps)
    return f"{text[0].upper()}{text[1:]}."


def _steps(counts: Mapping[str, int]) -> list[tuple[int, str]]:
    """Give what to do, each with the number of patches that call for it."""
    across = counts["exact_duplicates_across_classes"] + counts["near_duplicates_across_classes"]
    empty = counts["empty"]
    in_both = f"{number_of(across, 'patch')} that {verb_of(across, 'stand')} in both classes"
    return [
        (across, f"decide the label of the {in_both}"),
        (empty, f"leave out or import anew the {number_of(empty, 'empty patch')}"),
        (
            counts["exact_duplicates"] + counts["near_duplicates"],
            "keep one patch of each group of copies, or keep a group within one fold",
        ),
        (
            counts["zero_bands"] + counts["constant_bands"],
            "find out why whole bands hold a single value before a model learns from that",
        ),
        (counts["no_data"] - empty, "treat zero as unknown, never as dark"),
        (
            counts.get("not_numbers", 0),
            "find out why the source holds values that are not numbers",
        ),
        (counts["saturated"], "expect no detail where pixels are saturated"),
        (
            counts["too_bright"] + counts["too_dark"],
            "look at the implausible patches for cloud, glint and shadow",
        ),
        (counts.get("seldom_seen", 0), "distrust patches that were seldom seen without cloud"),
    ]


def _join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{'; '.join(parts[:-1])}; and {parts[-1]}"
