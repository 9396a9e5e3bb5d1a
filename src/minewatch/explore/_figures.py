"""Which figures each section has, from which tables, and with which words."""

from typing import Final

from minewatch.explore import _captions as say
from minewatch.explore._figures_bands import draw_densities, draw_ranking, draw_signatures
from minewatch.explore._figures_correlation import (
    draw_components,
    draw_correlation,
    draw_inner_correlation,
    draw_scores,
)
from minewatch.explore._figures_labels import draw_doubts
from minewatch.explore._figures_overview import draw_checks, draw_class_balance
from minewatch.explore._figures_space import draw_leakage, draw_map, draw_nearest, draw_variogram
from minewatch.explore._plates import Plate

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
}
"""The figures of each section, in the order in which the report shows them."""

ROWS_SHOWN: Final[dict[tuple[str, str], int]] = {
    ("distributions", "densities"): 0,
    ("distributions", "axes"): 0,
    ("distributions", "quantiles"): 26,
    ("distributions", "signatures"): 0,
    ("correlation", "correlation"): 0,
    ("correlation", "within_class"): 0,
    ("correlation", "partial"): 0,
    ("correlation", "loadings"): 0,
    ("correlation", "scores"): 0,
    ("correlation", "redundancy"): 13,
    ("correlation", "explained"): 0,
    ("correlation", "extremes"): 12,
    ("gallery", "chosen"): 0,
    ("integrity", "checks"): 13,
    ("integrity", "values"): 13,
    ("overview", "dataset"): 0,
    ("distributions", "gaps"): 13,
    ("space", "sites"): 0,
    ("space", "variogram"): 0,
    ("space", "leakage"): 22,
    ("overview", "bands"): 13,
}
"""How many rows of a table the page shows, where that is not the usual number; 0 is none."""
