"""Where the sites lie, which of them share ground, and what their location gives away."""

from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd

from minewatch._figures import (
    format_count,
    format_length,
    format_number,
    format_percent,
)
from minewatch._report._section import Section
from minewatch.explore._autocorrelation import fit_range, measure_moran, measure_variogram
from minewatch.explore._correlation import find_components
from minewatch.explore._held_out import has_data, spectral_features
from minewatch.explore._leakage import BLOCKS, CLUSTERS, COORDINATES, RANDOM, SPECTRA, audit_leakage
from minewatch.explore._places import (
    class_words,
    earth_centred_m,
    in_order,
    independent_places,
    is_placed,
    labels_as_float,
)
from minewatch.explore._roc import auc_words
from minewatch.explore._settings import DEFAULT_SETTINGS, ExploreSettings
from minewatch.explore._squares import patch_squares
from minewatch.explore._statistics import PatchStatistics
from minewatch.explore._words import number_of, verb_of
from minewatch.grid import PatchGrid
from minewatch.sites import nearest_distance_m
from minewatch.types import BoolArray, FloatArray, IntArray

KEY, TITLE = "space", "Space"
_TELLING_AUC: Final = 0.6
_LESS_AUC: Final = 0.02
"""Difference of two AUC from which one is called less than the other."""
_QUANTILES: Final = {"p5_m": 0.05, "p25_m": 0.25, "median_m": 0.5, "p75_m": 0.75, "p95_m": 0.95}


def describe_space(
    statistics: PatchStatistics, settings: ExploreSettings = DEFAULT_SETTINGS
) -> Section:
    """Describe how sites lie, how alike near ones are, and what location alone would score.

    Parameters
    ----------
    statistics
        Sites without coordinates are left out and counted; patches without data are part of no
        spectral model, and counted.

    Returns
    -------
    Section
        ``sites``: longitude and latitude (degrees, EPSG:4326), class, and ``place``, the number of
        the independent place. ``overlaps``: sites that share ground with another (`_overlaps`).
        ``nearest``: quantiles of the geodesic distance to the nearest other site, metres, by class
        and by the class of that other. ``autocorrelation``: Moran's I of the first principal
        component of band means and of the label. ``variogram`` of that component, and
        ``variogram_model`` with its range. ``leakage``: the audit (`audit_leakage`).
    """
    placed = is_placed(statistics.sites)
    if placed.sum() < 2:
        return Section.left_out(
            KEY,
            TITLE,
            why=f"{placed.sum()} of {number_of(len(placed), 'patch')} "
            f"{verb_of(placed.sum(), 'have')} coordinates; this section needs two.",
            advice="Import the patches again with the points or tiles that they were cut at.",
        )
    sites = in_order(statistics.sites[placed])
    places = independent_places(sites, distance_m=settings.place_distance_m)
    overlaps = _overlaps(sites, statistics.grid)
    leakage = audit_leakage(sites, spectral_features(statistics), settings=settings)
    alike, variogram, model = _autocorrelation(statistics, sites, settings)
    n_empty = int((~has_data(statistics).loc[sites.index] & sites["label"].notna()).sum())
    tables = {
        "sites": _sites_table(sites, places),
        "overlaps": overlaps,
        "nearest": _nearest(sites),
        "autocorrelation": alike,
        "variogram": variogram,
        "variogram_model": model,
        "leakage": leakage,
    }
    where = _where(sites, places, overlaps, int((~placed).sum()))
    return Section(
        key=KEY,
        title=TITLE,
        seen=f"{where}; {_leak_seen(leakage, sites)}{_empty_seen(leakage, n_empty)}.",
        advice=_check_joins(leakage) + _advice(leakage),
        tables=tables,
    )


def _sites_table(sites: gpd.GeoDataFrame, places: IntArray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "site_id": sites.index,
            "class": class_words(labels_as_float(sites["label"])),
            "longitude": sites.geometry.x.to_numpy(),
            "latitude": sites.geometry.y.to_numpy(),
            "place": places + 1,
        }
    )


def _overlaps(sites: gpd.GeoDataFrame, grid: PatchGrid) -> pd.DataFrame:
    """Count sites that share ground with another; patches that only touch do not.

    Returns
    -------
    DataFrame
        ``what``, ``distance_m``, ``n_sites``, ``share`` (of all placed sites).
    """
    nearest_m = nearest_distance_m(sites).to_numpy()
    squares = patch_squares(sites, grid)
    pairs = squares.near_pairs()
    pairs = pairs[squares.overlap(pairs)]
    labels = labels_as_float(sites["label"])
    mixed = pairs[np.abs(labels[pairs[:, 0]] - labels[pairs[:, 1]]) == 1.0]
    counts = [
        ("another site within a patch side", grid.side_m, nearest_m <= grid.side_m),
        ("another site within a patch diagonal", grid.diagonal_m, nearest_m <= grid.diagonal_m),
        ("patch overlaps another", grid.side_m, _are_in(pairs, len(sites))),
        ("patch overlaps one of the other class", grid.side_m, _are_in(mixed, len(sites))),
    ]
    return pd.DataFrame(
        {"what": what, "distance_m": limit_m, "n_sites": int(near.sum()), "share": near.mean()}
        for what, limit_m, near in counts
    )


def _are_in(pairs: IntArray, n_sites: int) -> BoolArray:
    """Say of each site whether it is in any pair."""
    return np.bincount(pairs.ravel(), minlength=n_sites) > 0


def _nearest(sites: gpd.GeoDataFrame) -> pd.DataFrame:
    """Tabulate the distance to the nearest other site, by class and by the class of that other."""
    labels = labels_as_float(sites["label"])
    classes = np.array(class_words(labels))
    rows = []
    for name in [x for x in ("mining", "no mining", "unlabelled") if (classes == x).any()]:
        own = sites[classes == name]
        to_any = nearest_distance_m(sites).to_numpy()[classes == name]
        distances = {"any": to_any, "same class": nearest_distance_m(own).to_numpy()}
        opposite = {"mining": "no mining", "no mining": "mining"}.get(name)
        if opposite is not None and (classes == opposite).any():
            others = sites[classes == opposite]
            distances["other class"] = nearest_distance_m(own, others=others).to_numpy()
        rows += [_quantile_row(name, to, metres) for to, metres in distances.items()]
    return pd.DataFrame(rows)


def _quantile_row(name: str, to: str, distance_m: FloatArray) -> dict[str, object]:
    known = distance_m[np.isfinite(distance_m)]
    quantiles = {
        key: float(np.quantile(known, q)) if len(known) else float("nan")
        for key, q in _QUANTILES.items()
    }
    return {"class": name, "nearest": to, "n_sites": len(known), **quantiles}


def _autocorrelation(
    statistics: PatchStatistics, sites: gpd.GeoDataFrame, settings: ExploreSettings
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    coordinates_m = earth_centred_m(sites)
    values = pd.Series(np.nan, index=sites.index)
    components = find_components(statistics.mean)
    if components is not None:
        values = components.scores["PC1"].reindex(sites.index)
    known = values.notna().to_numpy()
    labels = labels_as_float(sites["label"])
    labelled = ~np.isnan(labels)
    component = np.asarray(values, dtype=np.float64)
    alike = pd.DataFrame(
        [
            {"variable": "PC1 of band means"} | _moran(component, coordinates_m, known),
            {"variable": "label"} | _moran(labels, coordinates_m, labelled),
        ]
    )
    variogram = measure_variogram(
        component[known], coordinates_m[known], random_state=settings.random_state
    )
    model = pd.DataFrame([{"variable": "PC1 of band means", **fit_range(variogram)}])
    return alike, variogram, model


def _moran(values: FloatArray, coordinates_m: FloatArray, known: BoolArray) -> dict[str, float]:
    return measure_moran(values[known], coordinates_m[known])


def _where(
    sites: gpd.GeoDataFrame, places: IntArray, overlaps: pd.DataFrame, n_unplaced: int
) -> str:
    shared = overlaps.iloc[0]
    left_out = f" ({format_count(n_unplaced)} without coordinates left out)" if n_unplaced else ""
    n_places = int(places.max()) + 1
    return (
        f"{number_of(len(sites), 'site')}{left_out} {verb_of(len(sites), 'lie')} in "
        f"{number_of(n_places, 'independent place')}, "
        f"{format_count(shared['n_sites'])} of them "
        f"({format_percent(shared['share'], decimals=0)}) with another within a patch side of "
        f"{format_length(shared['distance_m'])}"
    )


def _leak_seen(leakage: pd.DataFrame, sites: gpd.GeoDataFrame) -> str:
    random, far = _scores(leakage, RANDOM), _farthest(leakage)
    if not random:
        return f"what location gives away could not be measured, for {_classes_seen(sites)}"
    text = (
        f"under random folds a model of coordinates alone scores AUC {random[0]}"
        f"{f' and a simple spectral model {random[1]}' if len(random) > 1 else ''}"
        f"{', less than coordinates alone' if _is_below(leakage, RANDOM) else ''}"
    )
    if far is None:
        return f"{text}, and no distance of the audit leaves enough clusters to hold out"
    held = " and ".join(_scores(leakage, CLUSTERS, far["distance_m"]))
    is_below = _is_below(leakage, CLUSTERS, far["distance_m"])
    below = ", where spectra score less than coordinates" if is_below else ""
    return (
        f"{text}, against {held} where whole clusters {format_length(far['distance_m'])} or more "
        f"from all others are held out{below}"
    )


def _empty_seen(leakage: pd.DataFrame, n_empty: int) -> str:
    """Say what patches without data kept from being scored."""
    if n_empty == 0 or leakage.empty:
        return ""
    without = f"{number_of(n_empty, 'labelled patch')} without data"
    if (leakage["model"] == SPECTRA).any():
        return f"; {without} {verb_of(n_empty, 'are')} in neither model"
    return f"; for {without} no spectral model was scored"


def _classes_seen(sites: gpd.GeoDataFrame) -> str:
    """Say which class is missing or rare among placed patches."""
    classes = pd.Series(class_words(labels_as_float(sites["label"])))
    counts = {name: int((classes == name).sum()) for name in ("mining", "no mining", "unlabelled")}
    held = {name: n for name, n in counts.items() if n}
    if len(held) == 1:
        (name,) = held
        return f"all {number_of(len(sites), 'placed patch')} are {name}"
    told = " and ".join(f"{format_count(n)} {verb_of(n, 'are')} {name}" for name, n in held.items())
    return f"of {number_of(len(sites), 'placed patch')} {told}"


def _is_below(leakage: pd.DataFrame, folds: str, distance_m: float | None = None) -> bool:
    """Say whether the spectral model scores less than coordinates alone."""
    location, spectra = (
        _row(leakage, model, folds, distance_m) for model in (COORDINATES, SPECTRA)
    )
    return (
        location is not None
        and spectra is not None
        and bool(spectra["auc"] <= location["auc"] - _LESS_AUC)
    )


def _spectra_tell_nothing(leakage: pd.DataFrame) -> bool:
    """Say whether the spectral model cannot be told from chance under any folds."""
    rows = leakage[(leakage["model"] == SPECTRA) & leakage["auc"].notna()]
    return len(rows) > 0 and not any(_tells(row) for _, row in rows.iterrows())


def _scores(leakage: pd.DataFrame, folds: str, distance_m: float | None = None) -> list[str]:
    """Write what both models score under some folds, as far as it was measured."""
    rows = [_row(leakage, model, folds, distance_m) for model in (COORDINATES, SPECTRA)]
    return [
        auc_words(row["auc"], row["auc_low"], row["auc_high"]) for row in rows if row is not None
    ]


def _check_joins(leakage: pd.DataFrame) -> str:
    if not _spectra_tell_nothing(leakage):
        return ""
    return (
        "The spectral model cannot be told from chance under any folds: check first that rows and "
        "sites were joined rightly, and that band order and level are what was said. "
    )


def _advice(leakage: pd.DataFrame) -> str:
    random, far = _row(leakage, COORDINATES, RANDOM), _farthest(leakage)
    if random is None:
        return "Label places of both classes, far apart from each other, to audit what folds leak."
    if not _tells(random):
        return (
            "Location alone cannot be told from chance here, so random folds give little away "
            "through it; hold out whole places all the same, for near patches are not independent."
        )
    free = (
        f"An AUC of {format_number(random['auc'], decimals=2)} under random folds is to be had "
        "without looking at one pixel, so do not report random folds"
    )
    if far is None:
        return f"{free}; gather sites from more places, until whole clusters can be held out."
    enough = _enough(_rows(leakage, CLUSTERS))
    if enough is not None:
        return (
            f"{free}: hold out whole clusters {format_length(enough)} apart or more, where "
            "location alone can no longer be told from chance."
        )
    side_m = _enough(_rows(leakage, BLOCKS))
    wide = (
        f"hold out square blocks of {format_length(side_m)}, under which it cannot be told from "
        "chance, with a gap between them"
        if side_m is not None
        else "hold out clusters at least so far apart"
    )
    still = "still tells" if far["auc_low"] > 0.5 else "may still tell"
    return (
        f"{free}; location {still} the class from {format_length(far['distance_m'])} away, so "
        f"{wide}, and show the model of coordinates beside every score."
    )


def _row(
    leakage: pd.DataFrame, model: str, folds: str, distance_m: float | None = None
) -> "pd.Series | None":
    """Find one measured row of the audit."""
    chosen = (leakage["model"] == model) & (leakage["folds"] == folds) & leakage["auc"].notna()
    if distance_m is not None:
        chosen &= leakage["distance_m"] == distance_m
    return leakage[chosen].iloc[0] if chosen.any() else None


def _rows(leakage: pd.DataFrame, folds: str) -> pd.DataFrame:
    """Find what location scored under one kind of folds, the nearest first."""
    chosen = (leakage["model"] == COORDINATES) & (leakage["folds"] == folds)
    return leakage[chosen & leakage["auc"].notna()].sort_values("distance_m")


def _farthest(leakage: pd.DataFrame) -> "pd.Series | None":
    """Find the widest clusters under which location was scored."""
    rows = _rows(leakage, CLUSTERS)
    return None if rows.empty else rows.iloc[-1]


def _enough(rows: pd.DataFrame) -> float | None:
    """Give the least distance from which on location no longer tells the class."""
    tells = [_tells(row) for _, row in rows.iterrows()]
    if not tells or tells[-1]:
        return None
    first = len(tells) - tells[::-1].index(True) if any(tells) else 0
    return float(rows["distance_m"].iloc[first])


def _tells(row: "pd.Series") -> bool:
    """Say whether location tells the class.

    Intervals err on the wide side, and few groups make one so wide that it holds 0.5 whatever the
    score; so a score well above 0.5 is taken to tell even then.
    """
    return bool(row["auc_low"] > 0.5 or row["auc"] >= _TELLING_AUC)
