"""From files to files: a sample of windows to review, and the area that it comes to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
from pydantic import Field

from minewatch import _store
from minewatch.errors import InputError, NotThereError
from minewatch.scan._area import AreaEstimate, estimate_area, mapped_area_ha
from minewatch.scan._area_plan import draw_sample, frame_windows, plan_sample, sum_strata
from minewatch.scan._compare_unseen import not_seen_in_region_ha
from minewatch.scan._merge_file import (
    attribution_in,
    describe_making,
    read_detections,
    refuse_inputs,
)
from minewatch.scan._merge_windows import HEADER, read_windows
from minewatch.sites import CLASS_NAMES, read_sites, write_sites
from minewatch.types import Settings, StrPath

_STRATA: Final = ".strata.json"


class SampleSettings(Settings):
    """How a sample is planned and drawn."""

    standard_error_ha: float = Field(gt=0)
    """Wanted standard error of the area of mining, hectares."""
    expected_share: dict[str, float]
    """A guess, by stratum, of the share that is mining: see `plan_sample`."""
    doubtful_score: float = Field(default=0.2, ge=0, le=1)
    """From which score on a window outside of detections is doubtful: see `frame_windows`."""
    at_least: int = Field(default=50, ge=2)
    """Windows reviewed in every stratum."""
    random_state: int = Field(default=0, ge=0)
    """Seed of the draw."""


@dataclass(frozen=True)
class Drawn:
    """A sample that was drawn, and its plan."""

    sample: gpd.GeoDataFrame
    """As `draw_sample` gives it."""
    plan: pd.DataFrame
    """As `plan_sample` gives it."""
    files: tuple[Path, ...]
    """The sites to review, and beside them the strata."""
    not_seen_ha: float
    """Ground of units that were not seen: the estimate will say nothing of it. Units are whole,
    also where they reach beyond the region, or where a window beside shows some of them."""
    unit_m: int
    """Side of the square around each site that is to be reviewed, metres."""
    framed_ha: float
    """Ground that the estimate will be of, hectares."""
    region_ha: float
    """The scan's region, hectares; NaN if the scan does not say."""
    not_seen_windows: int
    """Units that were not seen."""
    region_not_seen_ha: float
    """How much of the region no window with a score shows, hectares, as ``scan run`` says; NaN if
    no map of it lies beside the scores."""
    mapped_ha: float
    """Ground of the detections themselves, hectares, as `mapped_area_ha` measures it."""


def draw_files(
    scores: StrPath,
    detections: StrPath,
    out: StrPath,
    settings: SampleSettings,
    *,
    period: str | None = None,
    overwrite: bool = False,
) -> Drawn:
    """Plan a sample, draw it, and write the windows as sites to review.

    Parameters
    ----------
    scores, detections
        A scan's scores, and the detections that were merged from them.
    out
        A name of a table of sites (``.geojson``, ``.gpkg``, ``.parquet``, ``.csv``). Beside it
        ``<name>.strata.json`` is written, which the estimate needs.
    settings
        How many, of what.
    period
        A name, where samples of several periods are to be estimated together.
    overwrite
        Replace the files.

    Returns
    -------
    Drawn
        The sample, its plan, and the files.

    Raises
    ------
    InputError, NotThereError, AlreadyThereError
        If an input cannot be used, or a file is there.
    """
    beside = strata_file(out)
    refuse_inputs((out, beside), (scores, detections))
    for file in (Path(out), beside):
        _store.refuse_existing(file, overwrite=overwrite)
    windows = read_windows(scores)
    found = read_detections(detections)
    frame = frame_windows(windows, found, doubtful_score=settings.doubtful_score)
    strata = sum_strata(frame)
    plan = plan_sample(
        strata,
        settings.expected_share,
        standard_error_ha=settings.standard_error_ha,
        at_least=settings.at_least,
    )
    counts = dict(zip(plan["stratum"], plan["reviews"].tolist(), strict=True))
    sample = draw_sample(frame, counts, random_state=settings.random_state)
    if period is not None:
        sample.insert(3, "period", pd.array([period] * len(sample), dtype="str"))
        strata.insert(0, "period", pd.Series(period, index=strata.index, dtype="str"))
    path = Path(scores)
    path = path / "scores.parquet" if path.is_dir() else path
    header = windows.attrs.get(HEADER)
    said = {
        **settings.model_dump(mode="json"),
        "expected_standard_error_ha": plan.attrs["expected_standard_error_ha"],
        **{name: frame.attrs[name] for name in ("not_seen_windows", "not_seen_ha", "unit_m")},
        "framed_ha": float(frame["area_ha"].sum()),
        "region_ha": None if np.isnan(frame.attrs["region_ha"]) else frame.attrs["region_ha"],
    }
    made = describe_making("sample", [path, detections], said, [attribution_in(header)])
    write_sites(sample, out, overwrite=overwrite)
    rows = json.loads(strata.to_json(orient="records"))
    _store.write_json(beside, {**made, "strata": rows})
    return Drawn(
        sample,
        plan,
        (Path(out), beside),
        float(frame.attrs["not_seen_ha"]),
        unit_m=int(frame.attrs["unit_m"]),
        framed_ha=said["framed_ha"],
        region_ha=float(frame.attrs["region_ha"]),
        not_seen_windows=int(frame.attrs["not_seen_windows"]),
        region_not_seen_ha=not_seen_in_region_ha(path, header),
        mapped_ha=mapped_area_ha(found),
    )


def strata_file(sample: StrPath) -> Path:
    """Name the file of strata that lies beside a sample.

    Examples
    --------
    >>> strata_file("review/2023.geojson").as_posix()
    'review/2023.strata.json'
    """
    return Path(sample).with_suffix(_STRATA)


def estimate_files(
    samples: Sequence[StrPath],
    *,
    confidence: float = 0.95,
    labels: Mapping[str, int] | None = None,
) -> AreaEstimate:
    """Estimate areas from reviewed samples, each with its strata beside it.

    Parameters
    ----------
    samples
        Tables of sites that `draw_files` wrote and somebody filled in: ``label`` 1 for mining, 0
        for none, or a column ``mining_share`` (0 to 1). Several have a period each. Windows that
        could not be told are left without a label: they are left out, as if drawn in vain.
    confidence
        Of the intervals.
    labels
        What other words in the column ``label`` mean: 1 mining, 0 none.

    Returns
    -------
    AreaEstimate
        See `estimate_area`.

    Raises
    ------
    NotThereError, InputError
        If a file is not there, or does not hold a reviewed sample.
    """
    reviewed = pd.concat([_read_sample(path, labels) for path in samples], ignore_index=True)
    strata = pd.concat([_read_strata(path) for path in samples], ignore_index=True)
    return estimate_area(reviewed, strata, confidence=confidence)


def _read_sample(path: StrPath, labels: Mapping[str, int] | None) -> pd.DataFrame:
    sites = read_sites(path, labels=labels)
    missing = {"stratum"} - set(sites.columns)
    if missing:
        raise InputError(f"{path} has no column stratum; expected a sample of minewatch scan area")
    columns = [name for name in ("period", "stratum", "mining_share") if name in sites.columns]
    table = pd.DataFrame(sites[columns])
    if "mining_share" not in columns:
        table["reference"] = sites["label"].map(dict(CLASS_NAMES)).astype("str")
    told = table[table.columns[-1]].notna()
    if not told.any():
        raise InputError(f"{path}: no window was reviewed; fill in label: 1 mining, 0 none")
    return table[told]


def _read_strata(sample: StrPath) -> pd.DataFrame:
    file = strata_file(sample)
    if not file.is_file():
        raise NotThereError(f"there is no {file}; it is written beside the sample, keep them both")
    try:
        rows: Any = json.loads(file.read_text(encoding="utf-8"))["strata"]
        return pd.DataFrame(rows)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} cannot be read as strata of a sample: {error}") from error
