"""How much: the area that is mapped, and what a reviewed sample says it really is.

References
----------
Olofsson, P., Foody, G. M., Herold, M., Stehman, S. V., Woodcock, C. E., Wulder, M. A. (2014), Good
practices for estimating area and assessing accuracy of land change, Remote Sensing of Environment
148, 42–57, https://doi.org/10.1016/j.rse.2014.02.015.

Cochran, W. G. (1977), Sampling techniques, 3rd edition, Wiley.

Stehman, S. V. (2014), Estimating area and map accuracy for stratified random sampling when the
strata are different from the map classes, International Journal of Remote Sensing 35, 4923–4939,
https://doi.org/10.1080/01431161.2014.930207.
"""

from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy.stats import norm

from minewatch.errors import InputError
from minewatch.scan._compare_ground import check_detections
from minewatch.scan._merge_polygons import area_ha
from minewatch.sites import CLASS_NAMES
from minewatch.types import FloatArray, IntArray

MINING: Final = CLASS_NAMES[1]
NO_MINING: Final = CLASS_NAMES[0]
_FEWEST: Final = 2


@dataclass(frozen=True)
class AreaEstimate:
    """What a stratified sample says of areas and of the map."""

    areas: pd.DataFrame
    """One row per class and, if there are periods, period (index ``class``, or ``period`` and
    ``class``): ``mapped_ha``; ``area_ha``, the estimate; ``se_ha``; ``low_ha``, ``high_ha``, the
    confidence interval, cut at 0 and at the whole area; ``mapped_minus_estimate_ha``."""
    accuracy: pd.DataFrame
    """One row per measure (index ``measure`` and ``class``, after ``period`` if there are any):
    ``users`` (of what is mapped as a class, the share that is), ``producers`` (of what is a class,
    the share that is mapped) and ``overall`` (class ``all``); ``value``, ``se``, ``low``, ``high``.
    NaN where nothing was mapped, or found."""
    strata: pd.DataFrame
    """One row per stratum: ``class`` on the map, ``area_ha``, ``reviewed``, ``mining_share`` among
    them (NaN where no class is called mining), and ``may_hide_ha``: where no mining was found, the
    most that the stratum may hold of it at the confidence level, which the standard error does not
    know of; else NaN."""
    confidence: float
    """Of the intervals, such as 0.95."""


def mapped_area_ha(detections: gpd.GeoDataFrame) -> float:
    """Measure the ground that detections cover, hectares; where two overlap it counts once.

    It is the area of polygons made of whole windows. Mined ground is less of it, and mines that
    were not found are not in it: see `estimate_area`.

    Parameters
    ----------
    detections
        Polygons, EPSG:4326.

    Examples
    --------
    >>> twice = gpd.GeoDataFrame(
    ...     geometry=[shapely.box(-62.6, 5.4, -62.59, 5.41)] * 2, crs="EPSG:4326"
    ... )
    >>> round(mapped_area_ha(twice), 1)
    122.6
    """
    ground = shapely.union_all(check_detections(detections).geometry.to_numpy())
    return float(area_ha(np.array([ground], dtype=object))[0])


def estimate_area(
    sample: pd.DataFrame, strata: pd.DataFrame, *, confidence: float = 0.95
) -> AreaEstimate:
    """Estimate areas, and the map's accuracy, from a stratified random sample that was reviewed.

    The estimators are those of Olofsson et al. (2014), and of Stehman (2014) where strata are finer
    than the map's classes; they are the same where both apply. Where the strata say how many units
    they have, errors allow for it (Cochran 1977, eq. 5.7), as the paper's do not: what is reviewed
    whole has none. Intervals are normal: with few reviewed units of a
    class, or shares near 0, they are too short on one side; `AreaEstimate.strata` says what a
    stratum without any find may hide.

    Parameters
    ----------
    sample
        One row per reviewed unit: ``stratum``, and either ``reference`` (str), the class that the
        reviewer saw, or ``mining_share`` (float64), the share of the unit's ground that is mined,
        0 to 1; then hectares are of ground, and not of units in which there is mining. ``period``,
        if there are several.
    strata
        One row per stratum: ``stratum``, ``class`` (what the map calls it), ``area_ha``;
        ``windows``, how many units it has, if known; ``period``, if the sample has it.
    confidence
        Of the intervals, 0 to 1.

    Returns
    -------
    AreaEstimate
        Tables of areas, accuracy and strata.

    Raises
    ------
    InputError
        If a column is missing, a stratum of the sample is not listed, one that is listed was
        reviewed less than twice, or a value is out of range.

    Examples
    --------
    >>> strata = pd.DataFrame(
    ...     {"stratum": ["detected", "clear"], "class": ["mining", "no mining"],
    ...      "area_ha": [1_000.0, 9_000.0]}
    ... )
    >>> sample = pd.DataFrame(
    ...     {"stratum": ["detected"] * 50 + ["clear"] * 50,
    ...      "reference": ["mining"] * 40 + ["no mining"] * 10 + ["mining"] + ["no mining"] * 49}
    ... )
    >>> estimate_area(sample, strata).areas.loc["mining"].round().to_dict()
    {'mapped_ha': 1000.0, 'area_ha': 980.0, 'se_ha': 189.0, 'low_ha': 610.0, 'high_ha': 1350.0,
     'mapped_minus_estimate_ha': 20.0}
    """
    if not 0.0 < confidence < 1.0:
        raise InputError(f"confidence is {confidence}; expected a share between 0 and 1")
    _check(sample, strata)
    if "period" not in strata.columns:
        return _Stratified.of(sample, strata).estimate(confidence)
    names = list(dict.fromkeys(strata["period"].astype(str)))
    found = {
        name: _Stratified.of(
            sample[sample["period"].astype(str) == name],
            strata[strata["period"].astype(str) == name],
        ).estimate(confidence)
        for name in names
    }
    return AreaEstimate(
        areas=_by_period({name: one.areas for name, one in found.items()}),
        accuracy=_by_period({name: one.accuracy for name, one in found.items()}),
        strata=_by_period({name: one.strata for name, one in found.items()}),
        confidence=confidence,
    )


def _by_period(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, names=["period"])


@dataclass(frozen=True)
class _Stratified:
    """A sample as numbers: what class every reviewed unit is, by how much."""

    classes: tuple[str, ...]
    strata: pd.DataFrame
    """Index ``stratum``: ``class``, ``area_ha``, ``windows`` (infinite where not known)."""
    row: IntArray
    """Position of each unit's stratum, dims (unit)."""
    member: FloatArray
    """How much of each unit is of each class, 0 to 1, dims (unit, class)."""

    @classmethod
    def of(cls, sample: pd.DataFrame, strata: pd.DataFrame) -> "_Stratified":
        """Turn tables into numbers."""
        own = strata.assign(windows=strata.get("windows", np.inf))
        table = own.set_index(own["stratum"].astype("str"))[["class", "area_ha", "windows"]]
        row = table.index.get_indexer(pd.Index(sample["stratum"].astype("str")))
        _check_reviewed(table, row)
        if "mining_share" in sample.columns:
            share = sample["mining_share"].to_numpy(np.float64)
            classes = (MINING, NO_MINING)
            member = np.column_stack([share, 1.0 - share])
        else:
            seen = sample["reference"].astype("str")
            classes = tuple(dict.fromkeys([*table["class"].astype(str), *sorted(set(seen))]))
            member = np.column_stack([(seen == name).to_numpy(np.float64) for name in classes])
        return cls(classes, table, row, member)

    @property
    def total_ha(self) -> float:
        """The whole area."""
        return float(self.strata["area_ha"].sum())

    def mean(self, values: FloatArray) -> tuple[float, float]:
        """Give the mean over the whole area of a value of every unit, and its standard error."""
        weight = self.strata["area_ha"].to_numpy(np.float64) / self.total_ha
        groups = pd.Series(values).groupby(self.row)
        reviewed = groups.size().to_numpy()
        left = 1.0 - reviewed / self.strata["windows"].to_numpy(np.float64)
        spread = groups.var(ddof=1).fillna(0.0).to_numpy() / reviewed * np.maximum(left, 0.0)
        mean = float((weight * groups.mean().to_numpy()).sum())
        return mean, float(np.sqrt((weight**2 * spread).sum()))

    def ratio(self, over: FloatArray, under: FloatArray) -> tuple[float, float]:
        """Give the ratio of two means, and its standard error (Stehman 2014, eq. 27)."""
        below = self.mean(under)[0]
        if below == 0.0:
            return np.nan, np.nan
        value = self.mean(over)[0] / below
        return value, self.mean(over - value * under)[1] / below

    def estimate(self, confidence: float) -> AreaEstimate:
        """Estimate all that there is to estimate."""
        z = float(norm.ppf(0.5 + confidence / 2.0))
        return AreaEstimate(
            areas=self._areas(z),
            accuracy=self._accuracy(z),
            strata=self._strata(confidence),
            confidence=confidence,
        )

    def _areas(self, z: float) -> pd.DataFrame:
        mapped = self.strata.groupby("class")["area_ha"].sum()
        rows = []
        for at, name in enumerate(self.classes):
            share, error = self.mean(self.member[:, at])
            area, se = share * self.total_ha, error * self.total_ha
            own = float(mapped.get(name, 0.0))
            low, high = max(area - z * se, 0.0), min(area + z * se, self.total_ha)
            rows.append((name, own, area, se, low, high, own - area))
        columns = ["class", "mapped_ha", "area_ha", "se_ha", "low_ha", "high_ha"]
        table = pd.DataFrame(rows, columns=[*columns, "mapped_minus_estimate_ha"])
        return table.set_index("class")

    def _accuracy(self, z: float) -> pd.DataFrame:
        called = self.strata["class"].astype("str").to_numpy()[self.row]
        on_map = np.column_stack([called == name for name in self.classes]).astype(np.float64)
        right = on_map * self.member
        found: dict[tuple[str, str], tuple[float, float]] = {}
        for at, name in enumerate(self.classes):
            found["users", name] = self.ratio(right[:, at], on_map[:, at])
            found["producers", name] = self.ratio(right[:, at], self.member[:, at])
        found["overall", "all"] = self.mean(right.sum(axis=1))
        index = pd.MultiIndex.from_tuples(list(found), names=["measure", "class"])
        table = pd.DataFrame(list(found.values()), columns=["value", "se"], index=index)
        table["low"] = (table["value"] - z * table["se"]).clip(lower=0.0)
        table["high"] = (table["value"] + z * table["se"]).clip(upper=1.0)
        return table.sort_index(level="measure", sort_remaining=False, ascending=False)

    def _strata(self, confidence: float) -> pd.DataFrame:
        table = self.strata[["class", "area_ha"]].copy()
        table["reviewed"] = np.bincount(self.row, minlength=len(table))
        found = np.array(self.classes) == MINING
        mining = self.member @ found if found.any() else np.full(len(self.row), np.nan)
        share = pd.Series(mining).groupby(self.row).mean().to_numpy()
        table["mining_share"] = share
        most = 1.0 - (1.0 - confidence) ** (1.0 / table["reviewed"])
        is_open = (share == 0.0) & (table["reviewed"] < self.strata["windows"])
        table["may_hide_ha"] = (most * table["area_ha"]).where(is_open)
        return table


def _check(sample: pd.DataFrame, strata: pd.DataFrame) -> None:
    wanted = {"stratum", "class", "area_ha"} - set(strata.columns)
    if wanted:
        raise InputError(f"the strata lack {', '.join(sorted(wanted))}; see estimate_area")
    told = {"reference", "mining_share"} & set(sample.columns)
    if "stratum" not in sample.columns or len(told) != 1:
        raise InputError(
            f"the sample has the columns {', '.join(map(str, sample.columns))}; expected stratum, "
            "and either reference or mining_share"
        )
    if ("period" in strata.columns) != ("period" in sample.columns):
        raise InputError("either both the sample and the strata have a column period, or neither")
    values: Any = sample[told.pop()]
    if values.isna().any():
        raise InputError(f"{int(values.isna().sum())} units were not reviewed; review or drop them")
    if values.name == "mining_share" and not values.between(0.0, 1.0).all():
        raise InputError(
            f"mining_share reaches from {values.min()} to {values.max()}; expected 0–1"
        )
    areas = strata["area_ha"].to_numpy(np.float64)
    keys = [name for name in ("period", "stratum") if name in strata.columns]
    if not (areas > 0).all() or strata.duplicated(keys).any():
        raise InputError("every stratum is listed once, with an area above 0 hectares")


def _check_reviewed(table: pd.DataFrame, row: Any) -> None:
    if (row < 0).any():
        raise InputError(
            f"{int((row < 0).sum())} units are of strata that are not listed; expected "
            f"{', '.join(table.index)}"
        )
    counts = np.bincount(row, minlength=len(table))
    is_known = counts == table["windows"].to_numpy()  # nothing is left that could differ
    few = table.index[(counts < _FEWEST) & ~is_known]
    if len(few):
        raise InputError(
            f"fewer than {_FEWEST} units were reviewed of {', '.join(few)}: nothing can be said of "
            "how sure that is; review more of them, or make them one stratum with another"
        )
