"""The leakage audit: what a model that knows only where a site lies scores, fold by fold."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from minewatch.explore._folds import draw_folds, why_not_folds
from minewatch.explore._held_out import (
    ScoreHeldOut,
    one_thread,
    score_by_neighbours,
    score_by_spectra,
    score_held_out,
)
from minewatch.explore._places import (
    as_codes,
    earth_centred_m,
    in_order,
    independent_places,
    is_placed,
    labels_as_float,
)
from minewatch.explore._roc import measure_auc
from minewatch.explore._settings import DEFAULT_SETTINGS, ExploreSettings
from minewatch.sites import CLASS_NAMES, cluster_sites, spatial_blocks
from minewatch.types import BoolArray, FloatArray, IntArray

MAX_REPEATED_SITES: Final = 10_000
"""Sites up to which folds are drawn several times."""
RANDOM, CLUSTERS, BLOCKS = "random", "clusters", "square blocks"
COORDINATES, SPECTRA = "coordinates only", "spectra"
_COLUMNS = (
    "model", "folds", "distance_m", "auc", "auc_low", "auc_high", "n_sites", "n_mining",
    "n_groups", "largest_group_share", "n_folds", "n_repeats", "median_to_training_m",
    "least_to_training_m", "note",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scheme:
    """One way of holding sites out."""

    folds: str
    """``random``, ``clusters`` or ``square blocks``."""
    distance_m: float
    """Distance between clusters, or side of blocks, metres; NaN for random folds."""
    groups: IntArray
    """``(site,)``: sites of one group are held out together."""
    places: IntArray
    """``(site,)``: what the interval resamples; for random folds the independent places."""


def audit_leakage(
    sites: gpd.GeoDataFrame,
    features: pd.DataFrame | None = None,
    *,
    settings: ExploreSettings = DEFAULT_SETTINGS,
) -> pd.DataFrame:
    """Compare what location alone scores when sites are held out at random and far away.

    A model that sees only coordinates (the share of mining among the five nearest training sites)
    knows nothing about mining. What it scores under some folds is the score that these folds give
    away for free [1]_, [2]_; a spectral model's score under the same folds must be read beside it.

    Clusters hold out together all sites linked by steps shorter than the distance, so that no test
    site has a training site nearer than that. Square blocks do not: sites on two sides of an edge
    are neighbours. They are shown because they are much used.

    Parameters
    ----------
    sites
        Labelled sites, index site_id, EPSG:4326. Those without label or coordinates are left out.
    features
        Index site_id: numbers that a logistic regression may use, NaN where not known; None to
        audit the coordinates alone. Sites of which nothing is known are left out, so that both
        models are scored on the same sites; where too few are left, coordinates are audited alone.

    Returns
    -------
    DataFrame
        One row for each model (``coordinates only``, ``spectra``) and each kind of folds
        (``random``, ``clusters``, ``square blocks``) and ``distance_m``. ``auc`` is of all
        out-of-fold scores together, averaged over ``n_repeats`` drawings of folds, with an interval
        that takes whole groups as the sample (for random folds: places of
        ``settings.place_distance_m``) and is widened because folds share training sites
        (`Auc.cross_validated`). ``median_to_training_m`` and ``least_to_training_m`` tell
        how far test sites lie from the nearest training site. ``auc`` is NaN where there are too
        few groups, and ``note`` says so. No rows if a class is missing.

    References
    ----------
    .. [1] Ploton, P. et al. (2020). Spatial validation reveals poor predictive performance of
       large-scale ecological mapping models. Nature Communications 11, 4540.
    .. [2] Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal,
       spatial, hierarchical, or phylogenetic structure. Ecography 40, 913–929.

    Examples
    --------
    >>> from minewatch.toy import Valley
    >>> audit = audit_leakage(Valley(seed=1).sites(n_mining=60, n_background=140))
    >>> audit.loc[audit["folds"] == "random", ["model", "auc", "n_sites"]].round(2)
                  model   auc  n_sites
    0  coordinates only  0.81      200
    """
    kept = in_order(sites[is_placed(sites) & sites["label"].notna().to_numpy(dtype=np.bool_)])
    if features is not None:
        known = kept[features.loc[kept.index].notna().any(axis=1)]
        enough = _fewest(known) >= settings.n_folds
        kept, features = (known, features) if enough else (kept, None)
    is_mining = labels_as_float(kept["label"]) == 1.0
    if _fewest(kept) < settings.n_folds:
        return pd.DataFrame(columns=list(_COLUMNS))
    coordinates_m = earth_centred_m(kept)
    models: list[tuple[str, FloatArray, ScoreHeldOut]] = [
        (COORDINATES, coordinates_m, score_by_neighbours)
    ]
    if features is not None:
        spectra = features.loc[kept.index].to_numpy(dtype=np.float64)
        score = partial(score_by_spectra, random_state=settings.random_state)
        models.append((SPECTRA, spectra, score))
    rows = []
    with one_thread():
        for scheme in leakage_schemes(kept, settings):
            rows += _audit_scheme(scheme, models, coordinates_m, is_mining, settings)
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    order = [name for name, _, _ in models]
    return table.sort_values("model", key=lambda x: x.map(order.index), kind="stable").reset_index(
        drop=True
    )


def _fewest(sites: gpd.GeoDataFrame) -> int:
    """Count the sites of the rarer class."""
    return int(min((sites["label"] == label).sum() for label in CLASS_NAMES))


def leakage_schemes(sites: gpd.GeoDataFrame, settings: ExploreSettings) -> Iterator[Scheme]:
    """Give every way in which the audit holds sites out: at random, by clusters, by blocks."""
    alone = np.arange(len(sites), dtype=np.int64)
    places = independent_places(sites, distance_m=settings.place_distance_m)
    yield Scheme(RANDOM, float("nan"), alone, places)
    for distance_m in sorted({settings.place_distance_m, *settings.block_sizes_m}):
        clusters = as_codes(cluster_sites(sites, distance_m=distance_m))
        yield Scheme(CLUSTERS, distance_m, clusters, clusters)
    for distance_m in sorted(settings.block_sizes_m):
        blocks = as_codes(spatial_blocks(sites, block_m=distance_m))
        yield Scheme(BLOCKS, distance_m, blocks, blocks)


def _audit_scheme(
    scheme: Scheme,
    models: list[tuple[str, FloatArray, ScoreHeldOut]],
    coordinates_m: FloatArray,
    is_mining: BoolArray,
    settings: ExploreSettings,
) -> list[dict[str, object]]:
    """Score every model under one scheme; rows without scores if it cannot be done."""
    said = describe_scheme(scheme, is_mining, settings)
    why_not = why_not_folds(is_mining, scheme.groups, n_folds=settings.n_folds)
    if why_not is not None:
        return [{"model": name, **said, "note": why_not} for name, _, _ in models]
    drawings = draw_repeats(is_mining, scheme.groups, settings)
    said["n_repeats"] = len(drawings)
    said |= _distances_to_training(coordinates_m, drawings)
    rows: list[dict[str, object]] = []
    for name, features, score in models:
        scores = [score_held_out(score, features, is_mining, folds) for folds in drawings]
        auc = measure_auc(np.stack(scores, axis=1), is_mining, scheme.places)
        auc = auc.cross_validated(settings.n_folds)
        low, high = auc.interval(settings.confidence)
        rows.append(
            {"model": name, **said, "auc": auc.value, "auc_low": low, "auc_high": high, "note": ""}
        )
    return rows


def describe_scheme(
    scheme: Scheme, is_mining: BoolArray, settings: ExploreSettings
) -> dict[str, object]:
    """Say how sites are held out, and how many."""
    return {
        "folds": scheme.folds,
        "distance_m": scheme.distance_m,
        "n_sites": len(is_mining),
        "n_mining": int(is_mining.sum()),
        "n_groups": int(scheme.groups.max()) + 1,
        "largest_group_share": float(np.bincount(scheme.groups).max() / len(is_mining)),
        "n_folds": settings.n_folds,
        "n_repeats": settings.n_repeats,
    }


def draw_repeats(
    is_mining: BoolArray, groups: IntArray, settings: ExploreSettings
) -> list[IntArray]:
    """Draw the folds ``settings.n_repeats`` times, each from a seed of its own.

    Of more than `MAX_REPEATED_SITES` sites they are drawn once, for then they hardly matter.
    """
    n_repeats = settings.n_repeats if len(groups) <= MAX_REPEATED_SITES else 1
    return [
        draw_folds(
            is_mining, groups, n_folds=settings.n_folds, random_state=settings.random_state + i
        )
        for i in range(n_repeats)
    ]


def _distances_to_training(coordinates_m: FloatArray, drawings: list[IntArray]) -> dict[str, float]:
    """Tell how far test sites lie from the nearest training site, in the first drawing."""
    folds = drawings[0]
    distance_m = np.empty(len(folds))
    for fold in np.unique(folds):
        test = folds == fold
        distance_m[test] = cKDTree(coordinates_m[~test]).query(coordinates_m[test])[0]
    return {
        "median_to_training_m": float(np.median(distance_m)),
        "least_to_training_m": float(distance_m.min()),
    }
