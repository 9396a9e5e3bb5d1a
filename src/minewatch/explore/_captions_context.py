"""Captions and alternative texts of the figures on context."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from minewatch._figures import (
    format_count,
    format_interval,
    format_length,
    format_number,
    format_percent,
)
from minewatch.explore._words import number_of

_WORDS: Final[Mapping[str, str]] = {
    "highway": "roads and tracks",
    "waterway": "rivers and streams",
    "landuse": "what ground is used for",
    "aeroway": "airstrips",
    "place": "towns and villages",
    "natural": "water, wetland and sand",
    "boundary": "protected areas and indigenous lands",
    "power": "power lines and plants",
}
"""What the layers that are not plain words hold."""


def _in_words(layers: pd.DataFrame) -> str:
    """Say what layers hold whose names are OpenStreetMap’s."""
    words = [f"{name} ({_WORDS[name]})" for name in layers["layer"] if name in _WORDS]
    return f" Layers are OpenStreetMap’s keys: {', '.join(words)}." if words else ""


def layer_maps(
    frame: pd.DataFrame,
    cells: pd.DataFrame,
    sites: pd.DataFrame,
    layers: pd.DataFrame,
    targets: pd.DataFrame | None,
) -> str:
    """Caption the maps of layers."""
    side = frame.iloc[0]
    n_named = 0 if targets is None else int(targets["n_features"].sum())
    named = (
        f" What names mining ({number_of(n_named, 'feature')}) has a map of its own and is in no "
        "other."
        if n_named
        else ""
    )
    empty = layers.loc[layers["n_features"] == 0, "layer"]
    without = f" Without features: {', '.join(empty)}." if len(empty) else ""
    return (
        f"{number_of(len(sites), 'site')} over the features of each layer (their number beside its "
        f"name), counted in {side['n_columns']} × {side['n_rows']} cells: the darker, the more, up "
        f"to {format_count(cells['n_features'].max())} in a cell; where few cells are filled, each "
        "is drawn black, three to five wide, over paler sites. The maps end near the outermost "
        f"sites; features may lie beyond.{_in_words(layers)}{named}{without} Longitude and "
        f"latitude (WGS 84); the bar holds at the middle latitude. {side['credit']}."
    )


def layer_maps_alt(
    _frame: pd.DataFrame,
    _cells: pd.DataFrame,
    sites: pd.DataFrame,
    layers: pd.DataFrame,
    _targets: pd.DataFrame | None,
) -> str:
    """Describe the maps of layers by their numbers."""
    parts = [
        f"{name} {format_count(n)}"
        for name, n in zip(layers["layer"], layers["n_features"], strict=True)
        if n
    ]
    return f"Maps of {number_of(len(sites), 'site')} over features: {'; '.join(parts)}."


def presence(table: pd.DataFrame, odds: pd.DataFrame) -> str:
    """Caption the shares of patches with each layer."""
    n_blocks = int(odds["n_blocks"].max())
    return (
        "Share of patches of each class with anything of a layer in them, and the odds of mining "
        "with it over those without it. Whiskers: Wilson’s interval over "
        f"{number_of(n_blocks, 'square block')}, not over patches; odds ratios likewise, "
        "not widened for the number of layers. “Drawn by hand” is any layer but waters and "
        "boundaries: where it differs between the classes, mapping itself may follow mining, or "
        "what mining needs."
        + (" Shaded: layers that name mining." if table["names_target"].any() else "")
    )


def presence_alt(table: pd.DataFrame, odds: pd.DataFrame) -> str:
    """Describe the shares in numbers."""
    shares = table.set_index(["class", "layer"])["share"]
    parts = [
        f"{layer} {format_percent(shares['mining', layer], decimals=0)} against "
        f"{format_percent(shares['no mining', layer], decimals=0)}"
        for layer in odds["layer"]
    ]
    return f"Dots of shares of patches, mining against no mining: {'; '.join(parts)}."


def distances(_curves: pd.DataFrame, table: pd.DataFrame) -> str:
    """Caption the curves of distance."""
    first = table.iloc[0]
    return (
        f"Share of {number_of(first['n_mining'], 'mining site')} and "
        f"{format_count(first['n_no_mining'])} without that have a feature of the layer within a "
        "distance; bars in the shaded strip: those with none within the search, so that curve and "
        "bar make up the whole class. A curve begins with those within a feature or nearer than "
        "the axis shows. AUC of the distance alone, turned to at least 0.5, with "
        "“none” taken as farther than anything; its interval takes "
        f"{number_of(first['n_blocks'], 'square block')} as the sample. {_sides(table)} Nothing "
        "was held out."
    )


def _sides(table: pd.DataFrame) -> str:
    """Say of which layers a title says on which side mining lies."""
    plain = table[~table["names_target"].astype(bool)]
    where = "" if plain["is_telling"].any() else " (of no layer here)"
    return (
        "Titles say on which side mining lies where the interval leaves out 0.5 even when it is "
        f"widened for {number_of(len(plain), 'layer')}{where}."
    )


def distances_alt(_curves: pd.DataFrame, table: pd.DataFrame) -> str:
    """Describe the curves of distance by their areas."""
    parts = [
        f"{row['layer']} AUC {format_interval(row['auc'], row['auc_low'], row['auc_high'])}, "
        f"{row['in_mining']} in mining"
        for row in table.to_dict("records")
    ]
    return f"Curves of the share of sites by distance, one panel per layer: {'; '.join(parts)}."


def completeness(_table: pd.DataFrame, areas: pd.DataFrame) -> str:
    """Caption how much is mapped around sites."""
    parts = [
        f"{format_length(row['radius_m'])} "
        f"{format_interval(row['auc'], row['auc_low'], row['auc_high'])} ({row['in_mining']} "
        "around mining)"
        for row in areas.to_dict("records")
    ]
    return (
        "Features drawn by hand around sites (no waters, no boundaries), as a measure of how "
        "much is mapped at all: median (marker), 25th to 75th percentile (bar), "
        "5th to 95th (line). AUC of that count alone, "
        f"over {number_of(areas['n_blocks'].max(), 'square block')}: {'; '.join(parts)}."
    )


def completeness_alt(table: pd.DataFrame, _areas: pd.DataFrame) -> str:
    """Describe how much is mapped by medians."""
    parts = [
        f"{row['class']} within {format_length(row['radius_m'])} {format_count(row['n_median'])}"
        for row in table.to_dict("records")
    ]
    return f"Median numbers of features around sites: {'; '.join(parts)}."


def apart(_curves: pd.DataFrame, table: pd.DataFrame) -> str:
    """Caption how far the classes lie apart."""
    median_m = table.set_index("class")["median_m"]
    return (
        "Geodesic distance from each site to the nearest mining site (for mining: to another): "
        f"half of the sites without mining are within {format_length(median_m['no mining'])}, half "
        f"of the mining sites within {format_length(median_m['mining'])} of another. Where the "
        "curves lie far apart, place alone tells the classes apart."
    )


def apart_alt(_curves: pd.DataFrame, table: pd.DataFrame) -> str:
    """Describe how far the classes lie apart by medians."""
    parts = [
        f"{row['class']} {format_length(row['p5_m'])} to {format_length(row['p95_m'])}, median "
        f"{format_length(row['median_m'])}"
        for row in table.to_dict("records")
    ]
    return f"Two rising curves of distance to the nearest mining site: {'; '.join(parts)}."


def null_models(models: pd.DataFrame, _added: pd.DataFrame) -> str:
    """Caption the null models."""
    first = models.iloc[0]
    missing = models[models["auc"].isna()].drop_duplicates(["folds", "distance_m"])
    left_out = (
        f" {number_of(len(missing), 'kind')} of folds could not be made, for want of groups."
        if len(missing)
        else ""
    )
    return (
        f"AUC of out-of-fold scores for {number_of(first['n_sites'], 'site')} "
        f"({format_count(first['n_mining'])} mining) in {first['n_folds']} folds, the same for all "
        "models; none has seen a pixel. Coordinates only: the share of mining among the five "
        "nearest training sites. Context only: a penalised logistic regression on distances, "
        "presence, amounts and completeness of layers that do not name the target. Context and "
        "coordinates: the same with what coordinates say, held out in the same way. Below: the "
        "paired difference to coordinates only. Whiskers take whole groups as the sample, and are "
        f"widened because the folds’ models share training sites (Nadeau and Bengio 2003)."
        f"{left_out}"
    )


def null_models_alt(models: pd.DataFrame, added: pd.DataFrame) -> str:
    """Describe the null models in numbers."""
    parts = [
        f"{row['model']}, {_folds(row)}: "
        f"{format_interval(row['auc'], row['auc_low'], row['auc_high'])}"
        for row in models[models["auc"].notna()].to_dict("records")
    ]
    more = [
        f"{row['difference']}, {_folds(row)}: {format_number(row['auc_difference'], decimals=2)}"
        for row in added.to_dict("records")
    ]
    return f"Dots of AUC by kind of folds: {'; '.join(parts)}. Differences: {'; '.join(more)}."


def _folds(row: Mapping[Any, Any]) -> str:
    distance_m = float(row["distance_m"])
    return str(row["folds"]) + (f" {format_length(distance_m)}" if np.isfinite(distance_m) else "")
