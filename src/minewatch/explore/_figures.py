"""Which figures each section has, from which tables, and with which words."""

from typing import Final

import pandas as pd

from minewatch._report._plates import Plate
from minewatch._report._tables import TableView
from minewatch.explore import _captions as say
from minewatch.explore._figures_bands import draw_densities, draw_ranking, draw_signatures
from minewatch.explore._figures_correlation import (
    draw_components,
    draw_correlation,
    draw_inner_correlation,
    draw_scores,
)
from minewatch.explore._figures_labels import draw_doubts
from minewatch.explore._figures_of_context import CONTEXT_PLATES, CONTEXT_VIEWS
from minewatch.explore._figures_overview import draw_checks, draw_class_balance
from minewatch.explore._figures_space import draw_leakage, draw_map, draw_nearest, draw_variogram


def _is_known(matrix: pd.DataFrame) -> bool:
    """Say whether anything but NaN stands in a matrix of bands."""
    return bool(matrix.drop(columns="band").notna().to_numpy().any())


_OVERVIEW: Final = (
    Plate(
        name="class-balance",
        title="Class balance",
        tables=("classes",),
        draw=draw_class_balance,
        caption=say.class_balance,
        alt=say.class_balance_alt,
    ),
)
_INTEGRITY: Final = (
    Plate(
        name="checks",
        title="Patches that fail a check",
        tables=("checks",),
        draw=draw_checks,
        caption=say.checks,
        alt=say.checks_alt,
        is_worth=lambda checks: bool(checks["n_patches"].any()),
    ),
)
_DISTRIBUTIONS: Final = (
    Plate(
        name="densities",
        title="Pixel values by band and class",
        tables=("densities", "axes"),
        draw=lambda densities, _axes: draw_densities(densities),
        caption=say.densities,
        alt=say.densities_alt,
    ),
    Plate(
        name="signatures",
        title="Spectral signatures by class",
        tables=("signatures",),
        draw=draw_signatures,
        caption=say.signatures,
        alt=say.signatures_alt,
    ),
)
_SEPARABILITY: Final = (
    Plate(
        name="ranking",
        title="How well one number per patch tells the classes apart",
        tables=("ranking",),
        draw=draw_ranking,
        caption=say.ranking,
        alt=say.ranking_alt,
        has_intervals=True,
    ),
)
_CORRELATION: Final = (
    Plate(
        name="band-means",
        title="Correlation of band means",
        tables=("correlation", "scores"),
        draw=lambda correlation, _scores: draw_correlation(correlation),
        caption=say.correlation,
        alt=say.correlation_alt,
    ),
    Plate(
        name="inner",
        title="Correlation within classes, and partial correlation",
        tables=("partial",),
        optional=("within_class",),
        draw=draw_inner_correlation,
        caption=say.inner_correlation,
        alt=say.inner_correlation_alt,
        is_worth=lambda partial, within: within is not None or _is_known(partial),
    ),
    Plate(
        name="components",
        title="Principal components of band means",
        tables=("explained", "loadings"),
        draw=draw_components,
        caption=say.components,
        alt=say.components_alt,
    ),
    Plate(
        name="scores",
        title="Patches in the plane of the first two components",
        tables=("scores", "explained", "extremes"),
        images=("extremes",),
        draw=draw_scores,
        caption=say.scores,
        alt=say.scores_alt,
    ),
)
_LABELS: Final = (
    Plate(
        name="doubts",
        title="What the model makes of the labels",
        tables=("doubts", "noise", "model"),
        draw=lambda doubts, noise, _model: draw_doubts(doubts, noise),
        caption=say.doubts,
        alt=say.doubts_alt,
        has_intervals=True,
    ),
)
_SPACE: Final = (
    Plate(
        name="leakage-audit",
        title="What location alone scores",
        tables=("leakage",),
        draw=draw_leakage,
        caption=say.leakage,
        alt=say.leakage_alt,
        is_worth=lambda leakage: bool(leakage["auc"].notna().any()),
        has_intervals=True,
        is_key=True,
    ),
    Plate(
        name="map",
        title="Where the sites lie",
        tables=("sites",),
        draw=draw_map,
        caption=say.site_map,
        alt=say.site_map_alt,
    ),
    Plate(
        name="nearest",
        title="Distance to the nearest other site",
        tables=("nearest", "overlaps"),
        draw=draw_nearest,
        caption=say.nearest,
        alt=say.nearest_alt,
        is_worth=lambda nearest, _: bool(nearest["median_m"].notna().any()),
    ),
    Plate(
        name="variogram",
        title="How far patches resemble one another",
        tables=("variogram", "variogram_model"),
        draw=draw_variogram,
        caption=say.variogram,
        alt=say.variogram_alt,
    ),
)
PLATES: Final[dict[str, tuple[Plate, ...]]] = {
    "overview": _OVERVIEW,
    "integrity": _INTEGRITY,
    "distributions": _DISTRIBUTIONS,
    "separability": _SEPARABILITY,
    "correlation": _CORRELATION,
    "space": _SPACE,
    "labels": _LABELS,
    **CONTEXT_PLATES,
}
"""The figures of each section, in the order in which the report shows them."""

_ONLY_NAMED: Final = TableView(n_rows=0)
TABLE_VIEWS: Final[dict[tuple[str, str], TableView]] = {
    ("overview", "dataset"): _ONLY_NAMED,
    ("overview", "bands"): TableView(13),
    ("overview", "baseline"): TableView(
        note="What a model scores that gives every patch the same answer; F1 is of mining."
    ),
    ("overview", "period_association"): TableView(
        note="How well the period alone tells the classes of labelled patches apart: Cramér’s V, 0 "
        "to 1, of periods as names; AUC of days and length, at least 0.5."
    ),
    ("integrity", "checks"): TableView(
        14,
        note="p: of the hypothesis that the patches that fail divide between mining and no mining "
        "as the others do (Fisher’s exact test, Holm’s correction; from five patches on).",
    ),
    ("integrity", "values"): TableView(
        13, note="Shares of all pixels; least and greatest reflectance."
    ),
    ("distributions", "densities"): _ONLY_NAMED,
    ("distributions", "axes"): _ONLY_NAMED,
    ("distributions", "signatures"): _ONLY_NAMED,
    ("distributions", "quantiles"): TableView(26, note="Reflectance of all known pixels, exact."),
    ("distributions", "gaps"): TableView(
        13,
        note="KS: largest distance between the classes’ cumulative distributions, 0 to 1.",
    ),
    ("separability", "ranking"): TableView(
        note="AUC with its interval over independent places; KS: largest distance between the "
        "cumulative distributions, 0 to 1; JM: Jeffries–Matusita distance, 0 to 2; MI: mutual "
        "information with the class, at most 1 bit."
    ),
    ("correlation", "correlation"): _ONLY_NAMED,
    ("correlation", "within_class"): _ONLY_NAMED,
    ("correlation", "partial"): _ONLY_NAMED,
    ("correlation", "loadings"): _ONLY_NAMED,
    ("correlation", "scores"): _ONLY_NAMED,
    ("correlation", "explained"): _ONLY_NAMED,
    ("correlation", "redundancy"): TableView(
        13, note="Bands of one group have at least this absolute correlation with each other."
    ),
    ("correlation", "extremes"): TableView(12),
    ("space", "sites"): _ONLY_NAMED,
    ("space", "variogram"): _ONLY_NAMED,
    ("space", "leakage"): TableView(
        24,
        note="Intervals take whole groups as the sample, and are widened because the folds’ models "
        "share training sites (Nadeau and Bengio 2003).",
    ),
    ("space", "autocorrelation"): TableView(
        note="Moran’s I over the nearest neighbours of each site: about 0 without "
        "autocorrelation, towards 1 where near sites are alike."
    ),
    ("labels", "doubts"): TableView(
        15, note="Margin: probability of the given label minus that of the other, −1 to 1."
    ),
    ("labels", "model"): TableView(
        note="The interval takes whole groups as the sample, and is widened because the folds’ "
        "models share training sites (Nadeau and Bengio 2003)."
    ),
    ("gallery", "chosen"): _ONLY_NAMED,
    **CONTEXT_VIEWS,
}
"""How the page shows a table, where that is not the usual way."""
