"""Which windows to review, and how many: a frame of windows that do not overlap, plan and draw."""

from collections.abc import Mapping
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from minewatch.errors import InputError
from minewatch.grid import SOUTHERN_FALSE_NORTHING_M
from minewatch.scan._area import MINING, NO_MINING
from minewatch.scan._merge_polygons import area_ha
from minewatch.scan._merge_windows import HEADER, SCORED, lay_windows, to_degrees
from minewatch.types import AnyArray, FloatArray, IntArray

DETECTED: Final = "detected"
DOUBTFUL: Final = "doubtful"
CLEAR: Final = "clear"
_SALT: Final = 0x5C4E
"""Keeps draws apart from whatever else is drawn with the same small seed."""
STRATA: Final[Mapping[str, str]] = {DETECTED: MINING, DOUBTFUL: NO_MINING, CLEAR: NO_MINING}
"""Strata of a frame, and what the map calls their ground."""


def frame_windows(
    scores: pd.DataFrame, detections: gpd.GeoDataFrame, *, doubtful_score: float
) -> pd.DataFrame:
    """Choose windows of a scan whose middles tile the ground, and sort them in strata.

    Windows of a scan overlap, so that their areas add up to more than there is. A unit of the
    sample is the middle of a window: a square whose side is the greatest multiple of the stride
    that fits into the window, the whole window where the stride divides it. Every so many windows
    such squares lie edge to edge, and cover all that was scanned but a margin less than a window
    wide. (Where two UTM zones meet, a strip of ground is in units of both.)

    Parameters
    ----------
    scores
        A scan's table, as `read_windows` gives it, of all windows and not only detected ones.
    detections
        Those that were merged from it.
    doubtful_score
        A window outside of all detections is doubtful from this score on, or if it shares ground
        with a detection. Mines that were missed are mostly there: reviewed as a stratum of their
        own, they do not blow up the error of the rest.

    Returns
    -------
    DataFrame
        Index ``window_id``: ``stratum`` (detected: the window's centre lies in a detection;
        doubtful; clear), ``area_ha``, ``longitude``, ``latitude``, ``score``. What was not seen is
        not in it: ``.attrs["not_seen_windows"]`` says how many units, ``.attrs["not_seen_ha"]``
        their ground, which is whole units, also where they reach beyond the region or where other
        windows see some of it; an estimate says nothing of them.
        ``.attrs["unit_m"]`` is the side of a unit, around the window's centre, metres;
        ``.attrs["region_ha"]`` the area of the scan's region, NaN where its header does not say.

    Raises
    ------
    InputError
        If the table is not a scan's, or has no window at such corners.
    """
    if isinstance(scores, gpd.GeoDataFrame) or "left_m" not in scores.columns:
        raise InputError(
            "a sample needs all windows that were scanned; detected polygons alone do not say what "
            "was looked at: give a scan's scores.parquet"
        )
    unit_m = _unit_m(scores)
    anchor = np.where(scores["epsg"] >= 32700, SOUTHERN_FALSE_NORTHING_M, 0)
    on_grid = (scores["left_m"] % unit_m == 0) & ((scores["top_m"] - anchor) % unit_m == 0)
    own = scores[on_grid.to_numpy()]
    if own.empty:
        raise InputError(
            f"no window lies on multiples of {unit_m} m; give all windows of a scan, not some"
        )
    laid = lay_windows(own)
    margin_m = (own["size_m"].to_numpy(np.int64) - unit_m) / 2.0
    bounds = shapely.bounds(laid.square) + np.column_stack([margin_m] * 2 + [-margin_m] * 2)
    middles = np.asarray(shapely.box(*bounds.T), dtype=object)
    squares = np.empty(len(own), dtype=object)
    for zone in np.unique(laid.zone):
        rows = laid.zone == zone
        squares[rows] = to_degrees(middles[rows], int(zone))
    seen = (own["status"] == SCORED).to_numpy()
    frame = own.loc[seen, ["longitude", "latitude", "score"]].copy()
    frame.insert(0, "area_ha", area_ha(squares[seen]))
    stratum = _stratum(frame, squares[seen], detections, doubtful_score)
    frame.insert(0, "stratum", pd.Series(stratum, index=frame.index, dtype="str"))
    frame.attrs = {
        "not_seen_windows": int((~seen).sum()),
        "not_seen_ha": float(area_ha(squares[~seen]).sum()),
        "unit_m": unit_m,
        "region_ha": float(
            (scores.attrs.get(HEADER) or {}).get("region", {}).get("area_ha", "nan")
        ),
    }
    return frame


def _unit_m(scores: pd.DataFrame) -> int:
    """Give the side of a unit: as many strides as fit into a window; of one lone window, all."""
    sizes = scores["size_m"].unique()
    if len(sizes) != 1:
        raise InputError(f"the windows are of {len(sizes)} sizes; expected those of one scan")
    size_m = int(sizes[0])
    header = scores.attrs.get(HEADER) or {}
    if "stride_px" in header and "resolution_m" in header:
        stride_m = round(header["stride_px"] * header["resolution_m"])
    else:
        lines = np.concatenate(
            [np.diff(np.unique(own[name])) for _, own in scores.groupby("epsg")
             for name in ("left_m", "top_m")]
        )  # fmt: skip
        stride_m = int(np.gcd.reduce(lines.astype(np.int64))) if len(lines) else size_m
    return size_m // stride_m * stride_m if stride_m <= size_m else size_m


def _stratum(
    frame: pd.DataFrame, squares: AnyArray, detections: gpd.GeoDataFrame, doubtful_score: float
) -> AnyArray:
    tree = shapely.STRtree(detections.geometry.to_numpy())
    centres = shapely.points(frame[["longitude", "latitude"]].to_numpy(np.float64))
    inside, near = np.zeros(len(frame), dtype=np.bool_), np.zeros(len(frame), dtype=np.bool_)
    inside[tree.query(centres, predicate="intersects")[0]] = True
    near[tree.query(squares, predicate="intersects")[0]] = True
    doubtful = near | (frame["score"].to_numpy(np.float64) >= doubtful_score)
    return np.where(inside, DETECTED, np.where(doubtful, DOUBTFUL, CLEAR)).astype(object)


def sum_strata(frame: pd.DataFrame) -> pd.DataFrame:
    """Sum a frame by stratum.

    Returns
    -------
    DataFrame
        One row per stratum that has windows: ``stratum``, ``class`` on the map, ``area_ha``,
        ``windows`` (int64), as `estimate_area` and `plan_sample` take it.
    """
    groups = frame.groupby("stratum")["area_ha"]
    names = [name for name in STRATA if name in groups.groups]
    return pd.DataFrame(
        {
            "stratum": pd.array(names, dtype="str"),
            "class": pd.array([STRATA[name] for name in names], dtype="str"),
            "area_ha": groups.sum().reindex(names).to_numpy(),
            "windows": groups.size().reindex(names).to_numpy(),
        }
    )


def plan_sample(
    strata: pd.DataFrame,
    expected_share: Mapping[str, float],
    *,
    standard_error_ha: float,
    at_least: int = 50,
) -> pd.DataFrame:
    """Say how many windows of every stratum to review for a wanted standard error.

    With Neyman's allocation: a stratum gets reviews by its area times the spread that is expected
    in it (Cochran 1977, eq. 5.25; Olofsson et al. 2014, eq. 13, which leaves out how many units
    there are). Olofsson et al. advise at least 50 to 100 in small strata.

    Parameters
    ----------
    strata
        ``stratum`` and ``area_ha``; ``windows``, how many there are; without it, any number.
    expected_share
        A guess, by stratum, of the share that is mining, 0 to 1. Never 0: guess high where mining
        may have been missed, or the plan takes it for certain that there is none.
    standard_error_ha
        Wanted standard error of the area of mining, hectares: about half of what is meant by ±.
    at_least
        Windows reviewed in every stratum, however small its error.

    Returns
    -------
    DataFrame
        `strata` with ``expected_share`` and ``reviews`` (int64).
        ``.attrs["expected_standard_error_ha"]``, if the guesses are right; ``.attrs["reviews"]``,
        how many the formula asks for before minima and limits.

    Raises
    ------
    InputError
        If a guess is missing or out of range, or a number is not positive.

    References
    ----------
    Cochran, W. G. (1977), Sampling techniques, 3rd edition, Wiley.

    Examples
    --------
    >>> strata = pd.DataFrame({"stratum": ["detected", "clear"], "area_ha": [1_000.0, 99_000.0]})
    >>> guess = {"detected": 0.8, "clear": 0.005}
    >>> plan_sample(strata, guess, standard_error_ha=500)["reviews"].tolist()
    [50, 207]
    """
    names = strata["stratum"].astype(str).tolist()
    shares = np.array([expected_share.get(name, np.nan) for name in names])
    if not ((shares > 0) & (shares < 1)).all():
        raise InputError(
            f"expected_share is {dict(expected_share)}; expected a share between 0 and 1 for each "
            f"of {', '.join(names)}"
        )
    if not standard_error_ha > 0 or at_least < 2:
        raise InputError(
            f"standard_error_ha is {standard_error_ha}, at_least {at_least}; expected hectares "
            "above 0, and 2 or more"
        )
    area = strata["area_ha"].to_numpy(np.float64)
    spread = area * np.sqrt(shares * (1.0 - shares))
    units = strata["windows"].to_numpy(np.float64) if "windows" in strata.columns else np.inf
    wanted = spread.sum() ** 2 / (standard_error_ha**2 + (spread**2 / units).sum())
    reviews = np.maximum(np.ceil(wanted * spread / spread.sum() - 1e-9), at_least)
    reviews = np.minimum(reviews, units).astype(np.int64)
    variance = spread**2 * (1.0 / reviews - 1.0 / units)
    table = strata.assign(expected_share=shares, reviews=reviews)
    table.attrs = {
        "reviews": int(np.ceil(wanted - 1e-9)),
        "expected_standard_error_ha": float(np.sqrt(variance.sum())),
    }
    return table


def draw_sample(
    frame: pd.DataFrame, reviews: Mapping[str, int], *, random_state: int = 0
) -> gpd.GeoDataFrame:
    """Draw windows to review, at random and without replacement in every stratum.

    A larger draw of the same seed holds the smaller one: who wants more certainty reviews what is
    added. The order of the frame's rows changes nothing. Sites come in random order, and do not say
    what the map says of them in their name; hide ``stratum`` and ``score`` from who reviews.

    Parameters
    ----------
    frame
        As `frame_windows` gives it.
    reviews
        How many, by stratum.
    random_state
        Seed.

    Returns
    -------
    GeoDataFrame
        A table of sites, one per window: index ``site_id`` = its window_id; ``label`` (Int8), all
        missing, for the reviewer to fill in: 1 mining, 0 none; ``source``; ``stratum``,
        ``area_ha``, ``score``; points at the windows' centres, EPSG:4326.

    Raises
    ------
    InputError
        If a stratum has fewer windows than asked for.

    Examples
    --------
    >>> frame = pd.DataFrame(
    ...     {"stratum": ["detected", "clear", "clear"], "area_ha": 23.0, "score": [0.9, 0.1, 0.2],
    ...      "longitude": [-62.60, -62.59, -62.58], "latitude": 5.4},
    ...     index=pd.Index(["a", "b", "c"], name="window_id"),
    ... )
    >>> draw_sample(frame, {"detected": 1, "clear": 1})["stratum"].tolist()
    ['clear', 'detected']
    """
    ordered = frame.sort_index()
    draw = np.random.default_rng([_SALT, random_state]).random(len(ordered))
    chosen: list[IntArray] = []
    for name, count in reviews.items():
        rows = np.flatnonzero((ordered["stratum"] == name).to_numpy())
        if count > len(rows):
            raise InputError(f"{count} windows of {name} are wanted; there are {len(rows)}")
        chosen.append(rows[np.argsort(draw[rows], kind="stable")][:count])
    rows = np.concatenate([*chosen, np.empty(0, dtype=np.int64)])
    rows = rows[np.argsort(draw[rows], kind="stable")]
    own = ordered.iloc[rows]
    places: FloatArray = own[["longitude", "latitude"]].to_numpy(np.float64)
    columns = {
        "label": pd.array([None] * len(own), dtype="Int8"),
        "source": pd.array(["scan"] * len(own), dtype="str"),
        **{name: own[name].array for name in ("stratum", "area_ha", "score")},
    }
    return gpd.GeoDataFrame(
        columns,
        index=pd.Index(own.index, name="site_id", dtype="str"),
        geometry=shapely.points(places) if len(own) else [],
        crs="EPSG:4326",
    )
