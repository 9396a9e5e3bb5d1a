"""Which figures the sections on context have, and how the page shows their tables."""

from typing import Final

from minewatch._report._plates import Plate
from minewatch._report._tables import TableView
from minewatch.explore import _captions_context as say
from minewatch.explore._figures_context import (
    draw_apart,
    draw_completeness,
    draw_distances,
    draw_presence,
)
from minewatch.explore._figures_context_maps import draw_layer_maps
from minewatch.explore._figures_null_models import draw_null_models

_CONTEXT: Final = (
    Plate(
        name="maps",
        title="What is mapped, layer by layer",
        tables=("frame", "cells", "map_sites", "layers"),
        optional=("targets",),
        draw=draw_layer_maps,
        caption=say.layer_maps,
        alt=say.layer_maps_alt,
    ),
)
_SURROUNDINGS: Final = (
    Plate(
        name="presence",
        title="Patches with each layer in them",
        tables=("presence", "odds"),
        draw=draw_presence,
        caption=say.presence,
        alt=say.presence_alt,
        has_intervals=True,
        is_key=True,
    ),
    Plate(
        name="distances",
        title="How far the nearest feature is",
        tables=("distance_curves", "distances"),
        draw=draw_distances,
        caption=say.distances,
        alt=say.distances_alt,
        has_intervals=True,
    ),
    Plate(
        name="completeness",
        title="How much is mapped around sites",
        tables=("completeness", "completeness_auc"),
        draw=lambda completeness, _areas: draw_completeness(completeness),
        caption=say.completeness,
        alt=say.completeness_alt,
        has_intervals=True,
    ),
    Plate(
        name="apart",
        title="How far the classes lie apart",
        tables=("apart_curves", "apart"),
        draw=draw_apart,
        caption=say.apart,
        alt=say.apart_alt,
    ),
)
_NULL_MODELS: Final = (
    Plate(
        name="models",
        title="What is to be had without a pixel",
        tables=("models", "added"),
        draw=draw_null_models,
        caption=say.null_models,
        alt=say.null_models_alt,
        is_worth=lambda models, _added: bool(models["auc"].notna().any()),
        has_intervals=True,
        is_key=True,
    ),
)
CONTEXT_PLATES: Final[dict[str, tuple[Plate, ...]]] = {
    "context": _CONTEXT,
    "surroundings": _SURROUNDINGS,
    "null_models": _NULL_MODELS,
}
"""The figures of each section on context, in order."""

_ONLY_NAMED: Final = TableView(n_rows=0)
_BLOCKS: Final = "Intervals take whole square blocks as the sample."
CONTEXT_VIEWS: Final[dict[tuple[str, str], TableView]] = {
    ("context", "layers"): TableView(
        30,
        note="Features that do not name the target; values: different values of the layer’s tag; "
        "top: features with the most frequent one. Naming target: more of the layer, counted "
        "apart.",
    ),
    ("context", "targets"): TableView(
        note="Features whose tags or names say what is to be found; in no layer and no model."
    ),
    ("context", "dropped"): TableView(
        note="What could not be taken as it is; what was repaired is there all the same."
    ),
    ("context", "frame"): _ONLY_NAMED,
    ("context", "cells"): _ONLY_NAMED,
    ("context", "map_sites"): _ONLY_NAMED,
    ("surroundings", "presence"): TableView(30, note=_BLOCKS),
    ("surroundings", "odds"): TableView(
        20, note=f"Odds of mining with anything of the layer over odds without it. {_BLOCKS}"
    ),
    ("surroundings", "distances"): TableView(
        20,
        note="AUC of the distance alone, at least 0.5, with the interval of that layer alone; "
        "widened: the same with the interval widened for the number of layers; telling: whether "
        "that leaves out 0.5; nothing: share of sites with none within the search; medians: the "
        f"others. {_BLOCKS}",
    ),
    ("surroundings", "distance_curves"): _ONLY_NAMED,
    ("surroundings", "completeness"): TableView(
        note="Features drawn by hand within the radius: quantiles over sites; nothing: share of "
        "sites with none."
    ),
    ("surroundings", "completeness_auc"): TableView(
        note=f"AUC of the number of features; widened: for the number of radii. {_BLOCKS}"
    ),
    ("surroundings", "apart_curves"): _ONLY_NAMED,
    ("null_models", "models"): TableView(
        40,
        note="Intervals take whole groups as the sample, and are widened because the folds’ models "
        "share training sites (Nadeau and Bengio 2003).",
    ),
    ("null_models", "added"): TableView(
        30, note="Paired by site: the interval is of the difference, not of either model."
    ),
    ("null_models", "numbers"): _ONLY_NAMED,
}
"""How the page shows the tables of context, where that is not the usual way."""
