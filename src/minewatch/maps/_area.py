"""How much mining there is, from a sample that people reviewed: beside what the detector drew."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from minewatch._store import digest_file
from minewatch.errors import InputError
from minewatch.scan._area import MINING
from minewatch.scan._area_run import estimate_files, strata_file
from minewatch.sites import read_sites
from minewatch.types import StrPath

if TYPE_CHECKING:
    from minewatch.maps._contents import Period
    from minewatch.scan import AreaEstimate

_SHARE: Final = "mining_share"
_NUMBERS: Final = ("area_ha", "low_ha", "high_ha", "se_ha", "mapped_ha")


@dataclass(frozen=True)
class Share:
    """A share with its interval, 0 to 1; all NaN where it cannot be told."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class MiningArea:
    """Hectares of mining on all ground that was seen, as `minewatch.scan.estimate_area` gives them.

    It is of the whole map: of no single detection, and of no selection of them.
    """

    area_ha: float
    """The estimate."""
    low_ha: float
    """Lower end of its interval."""
    high_ha: float
    """Upper end of its interval."""
    se_ha: float
    """Its standard error."""
    mapped_ha: float
    """Squares whose centre lies in a detection, whole."""
    framed_ha: float
    """Ground that the estimate is of: all squares that were seen."""
    confidence: float
    """Of intervals, such as 0.95."""
    n_reviewed: int
    """Squares that were reviewed and could be told."""
    unit_m: float
    """Side of a square; NaN if its strata do not say."""
    is_ground: bool
    """Whether it is mined ground; else whole squares in which there is mining."""
    may_hide_ha: float
    """What strata without a find may hide together, each the most at the confidence level, and the
    interval does not know of; NaN if mining was found in all."""
    right: Share
    """Of what the map shows as mining, the share that is (user's accuracy)."""
    found: Share
    """Of what is mining, the share that the map shows (producer's accuracy)."""

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON values: what cannot be told is None."""
        values = asdict(self)
        shares = {name: _told(values.pop(name)) for name in ("right", "found")}
        return _told(values) | shares


def _told(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if pd.isna(one) else one for name, one in values.items()}


def read_area(reviewed: StrPath, detections: StrPath | None, period: "Period | None") -> MiningArea:
    """Estimate the area of mining from a reviewed sample of a map.

    Parameters
    ----------
    reviewed
        A sample that ``scan area`` drew and somebody reviewed, with its strata beside it.
    detections
        The file of detections that the map shows. None: a table, of which it cannot be checked that
        the sample was drawn from it.
    period
        Of the map; looked up where the sample is of several.

    Raises
    ------
    InputError
        If the sample was drawn from other detections, or holds nothing of the period.
    NotThereError
        If the sample, or its strata, are not there.
    """
    estimate = estimate_files([reviewed])
    strata = json.loads(strata_file(reviewed).read_text(encoding="utf-8"))
    if detections is not None:
        _check_drawn_from(reviewed, strata, Path(detections))
    areas, accuracy, own = _of_period(reviewed, estimate, period)
    if MINING not in areas.index:
        raise InputError(
            f"{reviewed}: nothing in it is called {MINING!r}; expected label 1 or 0, or {_SHARE}"
        )
    row: Any = areas.loc[MINING]
    hidden = own["may_hide_ha"].dropna()
    return MiningArea(
        **{name: float(row[name]) for name in _NUMBERS},
        framed_ha=float(own["area_ha"].sum()),
        confidence=estimate.confidence,
        n_reviewed=int(own["reviewed"].sum()),
        unit_m=float((strata.get("settings") or {}).get("unit_m", np.nan)),
        is_ground=_SHARE in read_sites(reviewed).columns,
        may_hide_ha=float(hidden.sum()) if len(hidden) else np.nan,
        right=_share(accuracy, "users"),
        found=_share(accuracy, "producers"),
    )


def _check_drawn_from(reviewed: StrPath, strata: dict[str, Any], detections: Path) -> None:
    drawn_from = set((strata.get("inputs") or {}).values())
    if digest_file(detections) not in drawn_from:
        raise InputError(
            f"{reviewed} was not drawn from {detections}, or not from what it holds now: what it "
            "says of areas is of another map. Give the detections that `scan area --sample` read, "
            "or draw and review a sample of these"
        )


def _of_period(
    reviewed: StrPath, estimate: "AreaEstimate", period: "Period | None"
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    tables = (estimate.areas, estimate.accuracy, estimate.strata)
    if "period" not in estimate.areas.index.names:
        return tables
    known = list(dict.fromkeys(estimate.areas.index.get_level_values("period")))
    name = "" if period is None else period.name
    if name not in known:
        raise InputError(
            f"{reviewed} is a sample of {', '.join(map(str, known))}, and the map is of "
            f"{name or 'no period that is known'}"
        )
    areas, accuracy, strata = (table.xs(name, level="period") for table in tables)
    return areas, accuracy, strata


def _share(accuracy: pd.DataFrame, measure: str) -> Share:
    row: Any = accuracy.loc[[(measure, MINING)]].iloc[0]
    return Share(float(row["value"]), float(row["low"]), float(row["high"]))
