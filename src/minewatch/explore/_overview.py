"""Overview: what there is, and what a model that looks at nothing would score on it."""

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from minewatch._figures import format_count, format_length, format_number, format_percent
from minewatch._report._section import Section
from minewatch.bands import NO_DATA, band
from minewatch.explore._periods import describe_period, measure_periods
from minewatch.explore._settings import DEFAULT_SETTINGS, ExploreSettings
from minewatch.explore._statistics import CLASSES, PatchStatistics
from minewatch.explore._words import number_of

if TYPE_CHECKING:
    from minewatch.patches import DatasetHeader

_BALANCED_SHARE: Final = 0.6
"""Up to this share of the larger class the classes are called balanced."""
_PERIOD_ADVICE: Final = (
    " A detector may learn the period instead of mining: take both classes from the same periods, "
    "or compare them within one."
)


def describe_overview(
    statistics: PatchStatistics, settings: ExploreSettings = DEFAULT_SETTINGS
) -> Section:
    """Count patches, bands and classes, and score the models that look at nothing.

    Returns
    -------
    Section
        Tables ``dataset`` (property, value), ``bands``, ``classes`` (class, n_patches, share,
        n_known_px) and, where there are labels, ``baseline``: accuracy, balanced accuracy, F1 of
        mining and average precision of always giving the same answer, on the labelled patches.
        Where sites have periods of their own, ``periods`` and, if they and the classes differ,
        ``period_association`` (`measure_periods`).
    """
    header, sites = statistics.header, statistics.sites
    classes = _class_table(statistics)
    tables = {
        "dataset": _dataset_table(header, describe_period(header, sites)),
        "classes": classes,
        "bands": _band_table(statistics),
    }
    n_mining, n_no_mining = (int(classes["n_patches"].iloc[i]) for i in (0, 1))
    if n_mining + n_no_mining:
        tables["baseline"] = baseline_scores(n_mining, n_no_mining)
    periods = measure_periods(sites, settings)
    if len(periods.table):
        tables["periods"] = periods.table
    if len(periods.association):
        tables["period_association"] = periods.association
    return Section(
        key="overview",
        title="Overview",
        seen=_seen(header, classes, periods.warning),
        advice=_advice(n_mining, n_no_mining) + (_PERIOD_ADVICE if periods.warning else ""),
        tables=tables,
    )


def baseline_scores(n_mining: int, n_no_mining: int) -> pd.DataFrame:
    """Score the models that give every patch the same answer.

    Parameters
    ----------
    n_mining, n_no_mining
        Labelled patches of both classes; not both zero.

    Returns
    -------
    DataFrame
        A row for the majority class and one for the other answer, columns ``always_says``,
        ``n_patches``, ``accuracy``, ``balanced_accuracy`` (NaN if a class is missing), ``f1`` (of
        mining; 0 if mining is never said) and ``average_precision`` (the share of mining; NaN if
        there is none).

    Examples
    --------
    >>> baseline_scores(170, 332).round(3).to_dict("list")["f1"]
    [0.0, 0.506]
    """
    n = n_mining + n_no_mining
    share = n_mining / n
    both = n_mining > 0 and n_no_mining > 0
    rows = [
        {
            "always_says": answer,
            "n_patches": n,
            "accuracy": share if answer == "mining" else 1.0 - share,
            "balanced_accuracy": 0.5 if both else np.nan,
            "f1": 2.0 * share / (1.0 + share) if answer == "mining" else 0.0,
            "average_precision": share if n_mining else np.nan,
        }
        for answer in ("mining", "no mining")
    ]
    rows.sort(key=lambda row: -float(str(row["accuracy"])))
    return pd.DataFrame(rows)


def _class_table(statistics: PatchStatistics) -> pd.DataFrame:
    names = statistics.classes
    n_patches = [int((names == name).sum()) for name in CLASSES]
    known = statistics.counts.sum(dim="dn") - statistics.counts.isel(dn=NO_DATA)
    return pd.DataFrame(
        {
            "class": list(CLASSES),
            "n_patches": n_patches,
            "share": np.array(n_patches) / max(len(names), 1),
            "n_known_px": known.max(dim="band").to_numpy(),
        }
    )


def _dataset_table(header: "DatasetHeader", period: str) -> pd.DataFrame:
    facts = {
        "patches": format_count(header.n_sites),
        "size": f"{header.size_px} × {header.size_px} px of {header.resolution_m:g} m",
        "bands": f"{len(header.bands)}: {', '.join(header.bands)}",
        "level": header.level,
        "period": period,
        "source": header.source,
        **({"attribution": words} if (words := header.attribution) else {}),
        "saturated from DN": str(header.saturation_dn or "not stated"),
        "digest": header.digest,
    }
    return pd.DataFrame({"property": list(facts), "value": list(facts.values())})


def _band_table(statistics: PatchStatistics) -> pd.DataFrame:
    known = [band(name) for name in statistics.bands]
    return pd.DataFrame(
        {
            "band": [one.name for one in known],
            "description": [one.description for one in known],
            "wavelength_nm": [one.wavelength_nm for one in known],
            "width_nm": [float(one.width_nm) for one in known],
            "native_resolution_m": [one.resolution_m for one in known],
        }
    )


def _seen(header: "DatasetHeader", classes: pd.DataFrame, warning: str | None) -> str:
    there = classes[classes["n_patches"] > 0]
    parts = [
        f"{format_count(n)} {name} ({format_percent(share)})"
        for name, n, share in zip(there["class"], there["n_patches"], there["share"], strict=True)
    ]
    side = format_length(header.size_px * header.resolution_m)
    n_bands = number_of(len(header.bands), "band")
    return (
        f"{number_of(header.n_sites, 'patch')} of {header.size_px} × {header.size_px} px "
        f"({side} wide) in {n_bands}, level {header.level}: {', '.join(parts)}"
        f"{f'; {warning}' if warning else ''}."
    )


def _advice(n_mining: int, n_no_mining: int) -> str:
    n = n_mining + n_no_mining
    if n == 0:
        return (
            "No patch has a label, so nothing here compares classes: label some patches, or read "
            "only what concerns all of them."
        )
    if not (n_mining and n_no_mining):
        only = "mining" if n_mining else "no mining"
        return (
            f"Every labelled patch is {only}, so no detector can be trained or judged on this "
            "dataset alone: add places of the other class."
        )
    share = n_mining / n
    largest = max(share, 1.0 - share)
    answer = "mining" if share > 0.5 else "no mining"
    scores = (
        f"always answering “{answer}” is right for {format_percent(largest)} of "
        f"{number_of(n, 'patch')}, yet its balanced accuracy is 0.5, its F1 "
        f"{format_number(_f1(share, answer), decimals=2)} and its average precision "
        f"{format_number(share, decimals=2)}"
    )
    if largest <= _BALANCED_SHARE:
        return (
            "The classes are nearly balanced; hold scores against the baseline all the same: "
            f"{scores}."
        )
    return f"Do not judge a detector by accuracy: {scores}."


def _f1(share: float, answer: str) -> float:
    return 2.0 * share / (1.0 + share) if answer == "mining" else 0.0
