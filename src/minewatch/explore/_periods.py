"""When patches are from, and whether that gives their class away."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency

from minewatch._figures import format_number, format_percent
from minewatch.explore._places import labels_as_float
from minewatch.explore._roc import measure_auc
from minewatch.explore._settings import ExploreSettings
from minewatch.explore._words import number_of
from minewatch.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from minewatch.patches import DatasetHeader

TELLING_CRAMER: Final = 0.3
"""Cramér's V of period and class from which the period is said to give the class away."""
TELLING_AUC: Final = 0.7
"""AUC of a day or a length from which it is said to give the class away."""


@dataclass(frozen=True)
class Periods:
    """The periods of a dataset's sites, and how they go with the classes."""

    table: pd.DataFrame
    """``start``, ``end`` (ISO dates), ``n_patches``, ``n_mining``, ``n_no_mining``,
    ``n_unlabelled``, ``mining_share`` (of labelled); a row for each period, in order of time. No
    rows if no site has one of its own."""
    association: pd.DataFrame
    """``measure``, ``value``, ``threshold``, ``n_sites``, ``p_value`` and ``is_telling``; of
    labelled sites with a period. No rows if they have only one period or one class."""

    @property
    def warning(self) -> str | None:
        """Say how the period gives the class away; None if it does not."""
        telling = self.association[self.association["is_telling"]]
        return None if telling.empty else _warn(self.table, telling.iloc[0])


def describe_period(header: "DatasetHeader", sites: pd.DataFrame) -> str:
    """Say in words when the imagery is from: over all sites, if theirs differ."""
    if header.period_start and header.period_end:
        return f"{header.period_start} to {header.period_end}"
    known = known_periods(sites)
    if known.empty:
        return "not known"
    words = f"{known['start'].min()} to {known['end'].max()}"
    n_periods, n_unknown = len(known.drop_duplicates()), len(sites) - len(known)
    if n_periods > 1:
        words += f", {n_periods} different periods"
    if n_unknown:
        words += f", not known for {number_of(n_unknown, 'site')}"
    return words


def measure_periods(sites: pd.DataFrame, settings: ExploreSettings) -> Periods:
    """Count periods by class, and measure how well the period alone tells the class.

    Cramér's V, corrected for small samples [1]_, takes periods as names; it says little where most
    sites have a period of their own. There the areas under the ROC curve of the first day, the last
    day and the length speak. A measure tells if it reaches its threshold (0.3; 0.7) and differs
    from chance at ``settings.confidence``.

    Parameters
    ----------
    sites
        Columns ``label``, ``start``, ``end`` (ISO dates or missing).

    References
    ----------
    .. [1] Bergsma, W. (2013). A bias-correction for Cramér's V and Tschuprow's T. Journal of the
       Korean Statistical Society 42, 323–328.
    """
    known = known_periods(sites)
    labels = labels_as_float(sites["label"].loc[known.index])
    labelled = ~np.isnan(labels)
    return Periods(
        _count(known, labels),
        _associate(known[labelled], labels[labelled] == 1.0, settings),
    )


def known_periods(sites: pd.DataFrame) -> pd.DataFrame:
    """Give ``start`` and ``end`` (ISO dates) of the sites that have both."""
    if "start" not in sites or "end" not in sites:
        return pd.DataFrame({"start": [], "end": []}, dtype="str")
    return pd.DataFrame(sites[["start", "end"]]).dropna()


def _count(known: pd.DataFrame, labels: FloatArray) -> pd.DataFrame:
    each = known.assign(
        n_patches=1,
        n_mining=labels == 1.0,
        n_no_mining=labels == 0.0,
        n_unlabelled=np.isnan(labels),
    )
    table = each.groupby(["start", "end"]).sum().astype("int64").reset_index()
    n_labelled = table["n_mining"] + table["n_no_mining"]
    return table.assign(mining_share=table["n_mining"] / n_labelled.where(n_labelled > 0))


def _associate(
    known: pd.DataFrame, is_mining: BoolArray, settings: ExploreSettings
) -> pd.DataFrame:
    columns = ["measure", "value", "threshold", "n_sites", "p_value", "is_telling"]
    codes = np.asarray(known.groupby(["start", "end"]).ngroup(), dtype=np.int64)
    if len(np.unique(codes)) < 2 or is_mining.all() or not is_mining.any():
        return pd.DataFrame(columns=columns)
    value, p_value = corrected_cramer(codes, is_mining)
    is_telling = value >= TELLING_CRAMER and p_value < 1.0 - settings.confidence
    rows: list[tuple[object, ...]] = [
        ("Cramér’s V", value, TELLING_CRAMER, len(codes), p_value, is_telling)
    ]
    start, end = (known[x].to_numpy(dtype="datetime64[D]").astype(np.float64) for x in known)
    days = {"first day": start, "last day": end, "length": end - start}
    for name, values in days.items():
        auc = measure_auc(values, is_mining, np.arange(len(codes)))
        auc = auc if auc.value >= 0.5 else auc.flipped()
        is_telling = auc.value >= TELLING_AUC and auc.differs_from_chance(settings.confidence)
        rows.append((f"AUC of {name}", auc.value, TELLING_AUC, len(codes), np.nan, is_telling))
    return pd.DataFrame(rows, columns=columns).astype({"is_telling": "bool"})


def corrected_cramer(codes: IntArray, is_mining: BoolArray) -> tuple[float, float]:
    """Give Cramér's V of groups and class, corrected for small samples, and chi-squared's p.

    Parameters
    ----------
    codes
        ``(site,)`` at least two groups.
    is_mining
        ``(site,)``, both classes.

    Examples
    --------
    >>> corrected_cramer(np.array([0, 0, 1, 1] * 5), np.array([True, True, False, False] * 5))[0]
    1.0
    """
    counts = pd.crosstab(codes, is_mining).to_numpy()
    n, n_groups = counts.sum(), len(counts)
    chi2, p_value = chi2_contingency(counts, correction=False)[:2]
    excess = max(0.0, chi2 / n - (n_groups - 1.0) / (n - 1.0))
    most_groups = n_groups - (n_groups - 1.0) ** 2 / (n - 1.0)
    most_classes = 2.0 - 1.0 / (n - 1.0)
    room = min(most_groups, most_classes) - 1.0
    return (float(min(1.0, np.sqrt(excess / room))) if room > 0 else 0.0), float(p_value)


def _warn(table: pd.DataFrame, telling: pd.Series) -> str:
    measured = f"{telling['measure']} {format_number(telling['value'], decimals=2)}"
    if telling["measure"] != "Cramér’s V":
        what = telling["measure"].removeprefix("AUC of ")
        return f"the period’s {what} alone tells the classes apart ({measured})"
    shares = {name: table[name] / table[name].sum() for name in ("n_mining", "n_no_mining")}
    widest = int((shares["n_mining"] - shares["n_no_mining"]).abs().argmax())
    row = table.iloc[widest]
    mining, other = (format_percent(shares[name].iloc[widest], decimals=0) for name in shares)
    return (
        f"the period goes with the class ({measured}): {mining} of the mining patches and {other} "
        f"of the others are from {row['start']} to {row['end']}"
    )
