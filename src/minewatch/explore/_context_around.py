"""What lies around sites of either class, and whether mapping itself follows mining."""

from typing import Final

import numpy as np
import pandas as pd

from minewatch._figures import format_count, format_length, format_percent
from minewatch._report._section import Section
from minewatch.explore._context_bias import ANY, describe_bias
from minewatch.explore._context_rates import odds_ratio, ratio_words, share_interval
from minewatch.explore._context_values import Surroundings
from minewatch.explore._roc import Auc, auc_words, measure_auc
from minewatch.explore._settings import ExploreSettings
from minewatch.explore._words import number_of, verb_of
from minewatch.sites import CLASS_NAMES, nearest_distance_m, spatial_blocks
from minewatch.types import AnyArray, BoolArray, FloatArray

KEY, TITLE = "surroundings", "Surroundings"
MINING, NO_MINING = CLASS_NAMES[1], CLASS_NAMES[0]
_FAR_RATIO: Final = 5.0
"""How many times as far negatives lie from mining as mining sites do, from which they are far."""
_FAR_M: Final = 10_000.0
"""Median distance of negatives from mining from which they may be called far, metres."""
_QUANTILES: Final = {"p5_m": 0.05, "p25_m": 0.25, "median_m": 0.5, "p75_m": 0.75, "p95_m": 0.95}
_N_CURVE: Final = 120


def describe_surroundings(around: Surroundings, settings: ExploreSettings) -> Section:
    """Compare by class what is mapped in and around patches, and how far the classes lie apart.

    Intervals take whole square blocks with sides of ``settings.label_block_m`` as the sample, for
    sites that share surroundings are not independent.

    Returns
    -------
    Section
        ``presence``: for each layer and class the share of sites with anything of it in the patch.
        ``odds``: odds ratio of mining for sites with it. Both also for ``drawn by hand``
        (any layer but waters and boundaries), and for layers that name the target
        (``names_target``), which that leaves out.
        ``distances``: AUC of the distance to the nearest feature, turned so that it is at least
        0.5, with nothing within the search taken as farther than anything; the share of sites with
        nothing; medians of the others, metres; ``auc_widened``, with its interval widened for the
        number of layers, and ``is_telling``, whether that leaves out 0.5.
        ``distance_curves``: share of all sites of a class with a feature within ``distance_m``.
        ``completeness``: features drawn by hand within each radius, by class;
        ``completeness_auc``, widened for the number of radii. ``apart``: quantiles of the geodesic
        distance to the nearest (other) mining site, metres, by class; ``apart_curves``. ``edge``:
        sites by class for which the search reaches beyond the border of what was fetched.
    """
    labelled = around.labelled()
    is_mining = around.is_mining()[labelled]
    if min(is_mining.sum(), (~is_mining).sum()) < 2:
        return Section.left_out(
            KEY,
            TITLE,
            why="Comparing surroundings needs two measured sites of each class; there are "
            f"{is_mining.sum()} with mining and {(~is_mining).sum()} without.",
            advice="Label places of both classes, and measure context for all of them.",
        )
    blocks = _blocks(around, settings)[labelled]
    tables = {
        **_presence(around, labelled, blocks, settings),
        **_distances(around, labelled, blocks, settings),
        **_completeness(around, labelled, blocks, settings),
        **_apart(around, labelled),
        "edge": _edge(around, labelled),
    }
    return Section(
        key=KEY,
        title=TITLE,
        seen=_seen(tables, settings),
        advice=" ".join(_advice(tables)),
        tables=tables,
    )


def _blocks(around: Surroundings, settings: ExploreSettings) -> AnyArray:
    return np.asarray(spatial_blocks(around.sites, block_m=settings.label_block_m), dtype=object)


def _presence(
    around: Surroundings, labelled: BoolArray, blocks: AnyArray, settings: ExploreSettings
) -> dict[str, pd.DataFrame]:
    is_mining = around.is_mining()[labelled]
    there = {name: around.is_in_patch(name)[labelled] for name in around.measured_layers}
    anything = {ANY: around.is_anything_in_patch()[labelled]} if there else {}
    named = {name: around.is_in_patch(name)[labelled] for name in around.measured_targets}
    shares, odds = [], []
    for layer, is_with in {**anything, **there, **named}.items():
        said = {"layer": layer, "names_target": layer in named}
        for name, own in ((MINING, is_mining), (NO_MINING, ~is_mining)):
            share, low, high = share_interval(
                is_with[own], blocks[own], confidence=settings.confidence
            )
            counts = {"n_sites": int(own.sum()), "n_with": int(is_with[own].sum())}
            ends = {"share": share, "share_low": low, "share_high": high}
            shares.append({**said, "class": name, **counts, **ends, **_n_blocks(blocks[own])})
        odds.append({**said, **_odds_row(is_with, is_mining, blocks, settings)})
    return {"presence": pd.DataFrame(shares), "odds": pd.DataFrame(odds)}


def _odds_row(
    is_with: BoolArray, is_mining: BoolArray, blocks: AnyArray, settings: ExploreSettings
) -> dict[str, float]:
    ends = odds_ratio(is_with, is_mining, blocks, confidence=settings.confidence)
    named = dict(zip(("odds_ratio", "odds_ratio_low", "odds_ratio_high"), ends, strict=True))
    return {**named, "n_sites": len(is_with), "n_with": int(is_with.sum()), **_n_blocks(blocks)}


def _n_blocks(blocks: AnyArray) -> dict[str, int]:
    return {"n_blocks": len(np.unique(blocks.astype(str)))}


def _distances(
    around: Surroundings, labelled: BoolArray, blocks: AnyArray, settings: ExploreSettings
) -> dict[str, pd.DataFrame]:
    is_mining, sides = around.is_mining()[labelled], ("nearer", "farther")
    rows, curves = [], []
    layers = around.measured_layers
    found = [np.nanmax(around.nearest_m(x), initial=100.0) for x in layers]
    grid_m = np.geomspace(10.0, max([*around.radii_m, *found]), _N_CURVE)
    for layer in [*layers, *around.measured_targets]:
        nearest_m = around.nearest_m(layer)[labelled]
        score = np.where(np.isnan(nearest_m), np.inf, nearest_m)
        names_target = layer not in layers
        rows.append(
            {
                "layer": layer,
                "names_target": names_target,
                **_auc_row(-score, is_mining, blocks, settings, sides, n_looked_at=len(layers)),
                **_beyond(nearest_m, is_mining),
            }
        )
        for name, own in ((MINING, is_mining), (NO_MINING, ~is_mining)):
            share = np.searchsorted(np.sort(score[own]), grid_m, side="right") / own.sum()
            curve = {"layer": layer, "names_target": names_target, "class": name}
            beyond = float(np.isinf(score[own]).mean())
            curves.append(
                pd.DataFrame(
                    {**curve, "distance_m": grid_m, "share": share, "nothing_share": beyond}
                )
            )
    empty = pd.DataFrame(columns=["layer", "class", "distance_m", "share", "nothing_share"])
    return {
        "distances": pd.DataFrame(rows),
        "distance_curves": pd.concat(curves, ignore_index=True) if curves else empty,
    }


def _auc_row(
    score: FloatArray,
    is_mining: BoolArray,
    blocks: AnyArray,
    settings: ExploreSettings,
    sides: tuple[str, str],
    *,
    n_looked_at: int,
) -> dict[str, object]:
    """Give the AUC, turned to at least 0.5, and which side mining lies on.

    With it comes the interval widened for the best of so many, by which it is telling or not.
    """
    auc = measure_auc(score, is_mining, blocks.astype(str))
    side = sides[0] if auc.value >= 0.5 else sides[1]
    turned: Auc = auc if auc.value >= 0.5 else auc.flipped()
    row: dict[str, object] = {"in_mining": side}
    for name, share in (("auc", 1), ("auc_widened", max(n_looked_at, 1))):
        low, high = turned.interval(1.0 - (1.0 - settings.confidence) / share)
        row |= {name: turned.value, f"{name}_low": low, f"{name}_high": high}
    counts = {"n_mining": auc.n_mining, "n_no_mining": auc.n_no_mining, "n_blocks": auc.n_places}
    return {**row, "is_telling": low > 0.5, **counts}


def _beyond(nearest_m: FloatArray, is_mining: BoolArray) -> dict[str, float]:
    """Give by class the share with nothing within the search, and the median of the others."""
    row: dict[str, float] = {}
    for name, own in (("mining", is_mining), ("no_mining", ~is_mining)):
        known = nearest_m[own][~np.isnan(nearest_m[own])]
        row[f"{name}_nothing_share"] = 1.0 - len(known) / int(own.sum())
        row[f"{name}_median_m"] = float(np.median(known)) if len(known) else float("nan")
    return row


def _completeness(
    around: Surroundings, labelled: BoolArray, blocks: AnyArray, settings: ExploreSettings
) -> dict[str, pd.DataFrame]:
    is_mining = around.is_mining()[labelled]
    rows, areas = [], []
    columns = around.completeness()
    for radius_m, column in sorted(columns.items()):
        counts = np.asarray(around.measures[column], dtype=np.float64)[labelled]
        sides = ("more mapped", "less mapped")
        area = _auc_row(counts, is_mining, blocks, settings, sides, n_looked_at=len(columns))
        areas.append({"radius_m": radius_m, **area})
        for name, own in ((MINING, is_mining), (NO_MINING, ~is_mining)):
            quantiles = np.quantile(counts[own], [0.05, 0.25, 0.5, 0.75, 0.95])
            names = ("n_p05", "n_p25", "n_median", "n_p75", "n_p95")
            rows.append(
                {
                    "radius_m": radius_m,
                    "class": name,
                    "n_sites": int(own.sum()),
                    "nothing_share": float((counts[own] == 0).mean()),
                    **dict(zip(names, quantiles, strict=True)),
                }
            )
    return {"completeness": pd.DataFrame(rows), "completeness_auc": pd.DataFrame(areas)}


def _apart(around: Surroundings, labelled: BoolArray) -> dict[str, pd.DataFrame]:
    """Tell how far sites of either class lie from the nearest (other) mining site."""
    sites = around.sites[labelled]
    is_mining = around.is_mining()[labelled]
    mining = sites[is_mining]
    distances = {
        MINING: nearest_distance_m(mining).to_numpy(),
        NO_MINING: nearest_distance_m(sites[~is_mining], others=mining).to_numpy(),
    }
    rows, curves = [], []
    for name, metres in distances.items():
        quantiles = {key: float(np.quantile(metres, q)) for key, q in _QUANTILES.items()}
        rows.append({"class": name, "n_sites": len(metres), **quantiles})
        share = np.arange(1, len(metres) + 1) / len(metres)
        curves.append(pd.DataFrame({"class": name, "distance_m": np.sort(metres), "share": share}))
    return {"apart": pd.DataFrame(rows), "apart_curves": pd.concat(curves, ignore_index=True)}


def _edge(around: Surroundings, labelled: BoolArray) -> pd.DataFrame:
    """Count by class the sites around which the map was cut off within the search."""
    limited, is_mining = around.edge_limited()[labelled], around.is_mining()[labelled]
    rows = []
    for name, own in ((MINING, is_mining), (NO_MINING, ~is_mining)):
        known = limited[own & np.isfinite(limited)]
        counts = {
            "n_sites": int(own.sum()),
            "n_edge_unknown": int(own.sum()) - len(known),
            "n_edge_limited": int(known.sum()),
        }
        share = float(known.mean()) if len(known) else float("nan")
        rows.append({"class": name, **counts, "share": share})
    return pd.DataFrame(rows)


def _seen(tables: dict[str, pd.DataFrame], settings: ExploreSettings) -> str:
    parts = [_presence_seen(tables), _distance_seen(tables, settings), _apart_seen(tables)]
    return "; ".join(part for part in parts if part) + "."


def _presence_seen(tables: dict[str, pd.DataFrame]) -> str:
    presence, odds = tables["presence"], tables["odds"]
    chosen = presence[presence["layer"] == ANY].set_index("class") if len(presence) else presence
    if chosen.empty:
        return ""
    shares = [format_percent(x, decimals=0) for x in chosen["share"].loc[[MINING, NO_MINING]]]
    row = odds[odds["layer"] == ANY].iloc[0]
    ratio = (
        f" (odds ratio {_ratio_words(row)}, {number_of(row['n_blocks'], 'block')})"
        if np.isfinite(row["odds_ratio"])
        else ""
    )
    return (
        f"{shares[0]} of the mining patches and {shares[1]} of the others hold anything drawn "
        f"by hand, which waters and boundaries are not{ratio}"
    )


def _ratio_words(row: pd.Series) -> str:
    return ratio_words(row["odds_ratio"], row["odds_ratio_low"], row["odds_ratio_high"])


def _distance_seen(tables: dict[str, pd.DataFrame], settings: ExploreSettings) -> str:
    distances = tables["distances"]
    plain = distances[~distances["names_target"].astype(bool)] if len(distances) else distances
    if plain.empty:
        return ""
    telling = plain[plain["is_telling"].astype(bool)]
    chosen = plain if telling.empty else telling
    by = "auc" if telling.empty else "auc_low"
    best = chosen.sort_values(by, ascending=False, kind="stable").iloc[0]
    area = auc_words(best["auc"], best["auc_low"], best["auc_high"])
    if telling.empty:
        return (
            f"of {number_of(len(plain), 'layer')} found, none tells the classes apart by its "
            f"distance beyond chance: of the best of them, {best['layer']}, the AUC is {area} by "
            f"itself, and {_widened_words(best)} with its interval widened for so many (blocks of "
            f"{format_length(settings.label_block_m)})"
        )
    return (
        f"of {number_of(len(plain), 'layer')} found, {best['layer']} tells the classes apart most "
        f"surely by the distance to its nearest feature: AUC {area}, {best['in_mining']} in mining "
        f"(blocks of {format_length(settings.label_block_m)})"
    )


def _widened_words(row: pd.Series) -> str:
    return auc_words(row["auc_widened"], row["auc_widened_low"], row["auc_widened_high"])


def _apart_seen(tables: dict[str, pd.DataFrame]) -> str:
    median_m = tables["apart"].set_index("class")["median_m"]
    return (
        f"half of the sites without mining lie more than {format_length(median_m[NO_MINING])} from "
        f"the nearest mining site, against {format_length(median_m[MINING])} among mining sites"
    )


def _advice(tables: dict[str, pd.DataFrame]) -> list[str]:
    told = [
        describe_bias(tables["odds"], tables["completeness_auc"]),
        _named(tables["presence"]),
        _far(tables["apart"]),
        _cut_off(tables["edge"]),
    ]
    nothing = (
        "Neither mapping nor distance was seen to follow the classes; still hold out whole places, "
        "for near sites share their surroundings."
    )
    return [text for text in told if text] or [nothing]


def _named(presence: pd.DataFrame) -> str:
    """Warn where patches hold features that name the target."""
    named = presence[presence["names_target"].astype(bool)] if len(presence) else presence
    if named.empty or not named["n_with"].any():
        return ""
    counts = named.groupby("class")["n_with"].sum()
    mining, other = int(counts[MINING]), int(counts[NO_MINING])
    without = format_count(other) if other else "none"
    return (
        f"{number_of(mining, 'mining patch')} and {without} without "
        f"{verb_of(mining + other, 'hold')} features that name mining: they give the answer away "
        "and are in no model here"
        + ("; look at those without mining first, for a label may be wrong." if other else ".")
    )


def _far(apart: pd.DataFrame) -> str:
    """Advise to match negatives that lie far from mining, or to hold out places."""
    median_m = apart.set_index("class")["median_m"]
    own, other = float(median_m[MINING]), float(median_m[NO_MINING])
    if other < _FAR_RATIO * own:
        return ""
    if other < _FAR_M:
        return (
            f"Mining sites lie close together (median {format_length(own)}) and the others "
            f"{format_length(other)} from them, though not in other country: where a site lies "
            "may say much of its class, so hold out whole places."
        )
    return (
        f"Negatives lie far from mining (median {format_length(other)}, against "
        f"{format_length(own)} among mining sites): roads, rivers, forest and haze differ with "
        "place alone, so draw negatives of the same districts, or match each mining site with some "
        "near it, before believing any score."
    )


def _cut_off(edge: pd.DataFrame) -> str:
    """Warn where the map ends within the search."""
    n_limited, n_unknown = (int(edge[f"n_edge_{what}"].sum()) for what in ("limited", "unknown"))
    if n_unknown:
        return (
            f"Around {number_of(n_unknown, 'site')} it is not known where the extract ends: "
            "nothing mapped may be nothing fetched; take a file whose header has a bounding box."
        )
    if not n_limited:
        return ""
    return (
        f"Around {number_of(n_limited, 'site')} the extract ends within the search: distances and "
        "amounts there are bounds; fetch a wider area."
    )
