"""Null models: what a map alone scores, what place alone scores, and what a map adds to place."""

from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pandas as pd

from minewatch._figures import format_interval, format_length
from minewatch._report._section import Section
from minewatch.explore._context_values import Surroundings
from minewatch.explore._folds import draw_folds, why_not_folds
from minewatch.explore._held_out import (
    MAX_TRAINING_SITES,
    ScoreHeldOut,
    one_thread,
    score_by_neighbours,
    score_held_out,
)
from minewatch.explore._leakage import (
    CLUSTERS,
    COORDINATES,
    RANDOM,
    Scheme,
    describe_scheme,
    draw_repeats,
    leakage_schemes,
)
from minewatch.explore._places import as_codes, earth_centred_m
from minewatch.explore._roc import auc_words, measure_auc, measure_difference
from minewatch.explore._settings import ExploreSettings
from minewatch.explore._words import number_of
from minewatch.types import BoolArray, FloatArray, IntArray

KEY, TITLE = "null_models", "Null models"
CONTEXT, BOTH = "context only", "context and coordinates"
MODELS: Final = (COORDINATES, CONTEXT, BOTH)
_BEYOND_SEARCH: Final = 2.0
"""Times the largest radius at which a feature is taken to lie if none was found."""
_CLIP: Final = 5.0


@dataclass(frozen=True, eq=False)
class _Inputs:
    """Labelled sites as the models see them, ``(site, …)``."""

    context: FloatArray
    coordinates_m: FloatArray
    is_mining: BoolArray


def measure_null_models(around: Surroundings, settings: ExploreSettings) -> Section:
    """Score models that see no pixel: of coordinates, of context, and of both.

    All are scored out of fold under the same folds as the leakage audit. *Coordinates only* is the
    audit's model of five neighbours. *Context only* is a logistic regression on `context_numbers`.
    *Context and coordinates* is the same regression with one more number: what the model of
    coordinates says of each site, itself held out in the same way, so that the regression
    learns how far place may be trusted under these folds and not how well it recalls near sites.

    Returns
    -------
    Section
        ``models``: as `audit_leakage` gives, without distances to training sites. ``added``: the
        paired difference of two models' AUC on the same sites, with interval: ``difference``
        (of what), ``folds``, ``distance_m``, ``auc_difference``. ``numbers``: what the model of
        context sees.
    """
    labelled = around.labelled()
    is_mining = around.is_mining()[labelled]
    context = context_numbers(around)
    if min(is_mining.sum(), (~is_mining).sum()) < settings.n_folds or context.shape[1] == 0:
        return Section.left_out(
            KEY,
            TITLE,
            why=f"Null models need {settings.n_folds} measured sites of each class and a layer "
            f"that does not name the target; there are {is_mining.sum()} sites with mining, "
            f"{(~is_mining).sum()} without, and {number_of(len(around.measured_layers), 'layer')}.",
            advice="Label more places of the class that is rare, and measure context for them.",
        )
    sites = around.sites[labelled]
    inputs = _Inputs(
        context[labelled].to_numpy(dtype=np.float64), earth_centred_m(sites), is_mining
    )
    models, added = [], []
    with one_thread():
        for scheme in leakage_schemes(sites, settings):
            scored, differences = _score_scheme(scheme, inputs, settings)
            models += scored
            added += differences
    order = {name: place for place, name in enumerate(MODELS)}
    table = pd.DataFrame(models).sort_values("model", key=lambda x: x.map(order), kind="stable")
    tables = {
        "models": table.reset_index(drop=True),
        "added": pd.DataFrame(added, columns=list(_ADDED)),
        "numbers": pd.DataFrame({"number": context.columns}),
    }
    return Section(
        key=KEY,
        title=TITLE,
        seen=_seen(tables["models"], tables["added"], context.shape[1]),
        advice=_advice(tables["models"], tables["added"]),
        tables=tables,
    )


_ADDED: Final = (
    "difference", "folds", "distance_m", "auc_difference", "auc_difference_low",
    "auc_difference_high", "n_sites", "n_mining", "n_groups", "n_folds", "n_repeats",
)  # fmt: skip


def context_numbers(around: Surroundings) -> pd.DataFrame:
    """Give what the model of context sees of each site.

    Returns
    -------
    DataFrame
        Index site_id. Logarithms of distance in metres (twice the largest radius where nothing was
        found), whether anything lies in the patch, and logarithms of amounts, of every layer that
        does not name the target; and of the count of all features. No NaN.
    """
    reach_m = _BEYOND_SEARCH * max([1_000, *around.radii_m])
    columns: dict[str, FloatArray] = {}
    layers = around.measured_layers
    for layer in layers:
        nearest_m = np.nan_to_num(around.nearest_m(layer), nan=reach_m)
        columns[f"{layer}_nearest_m"] = np.log10(nearest_m + 10.0)
        columns[f"{layer}_in_patch"] = around.is_in_patch(layer).astype(np.float64)
    for layer, radius_m, what in around.amounts():
        if layer in layers:
            name = f"{layer}_{radius_m}m_{what}"
            columns[name] = _log_amount(around.measures[name])
    for column in around.completeness().values():
        columns[column] = _log_amount(around.measures[column])
    return pd.DataFrame(columns, index=around.sites.index)


def _log_amount(amounts: "pd.Series[float]") -> FloatArray:
    values = np.nan_to_num(np.asarray(amounts, dtype=np.float64), nan=0.0)
    logarithms: FloatArray = np.log10(1.0 + values)
    return logarithms


def score_by_context(
    train: FloatArray, is_mining: BoolArray, test: FloatArray, *, random_state: int
) -> FloatArray:
    """Score sites by a logistic regression on numbers, each standardised by the training sites.

    It is penalised as scikit-learn does by default (L2, C = 1), for nothing is tuned here. From
    more than 10,000 training sites, that many are drawn.

    Parameters
    ----------
    train, test
        ``(site, number)``, no NaN.
    """
    from sklearn.linear_model import LogisticRegression

    if len(train) > MAX_TRAINING_SITES:
        random = np.random.default_rng(random_state)
        kept = random.choice(len(train), MAX_TRAINING_SITES, replace=False)
        train, is_mining = train[kept], is_mining[kept]
    centre, scale = train.mean(axis=0), train.std(axis=0)
    scale[scale < 1e-9] = np.inf
    standard = [np.clip((values - centre) / scale, -_CLIP, _CLIP) for values in (train, test)]
    model = LogisticRegression(max_iter=1000).fit(standard[0], is_mining)
    probability: FloatArray = model.predict_proba(standard[1])[:, 1]
    return probability


def score_by_both(
    train: FloatArray, is_mining: BoolArray, test: FloatArray, *, settings: ExploreSettings
) -> FloatArray:
    """Score sites by context and by what coordinates say, held out within the training sites too.

    Parameters
    ----------
    train, test
        ``(site, 4 + number)``: earth-centred coordinates in metres, the number of the group that is
        held out together, and the numbers of context.
    """
    places_m, groups = train[:, :3], as_codes(train[:, 3])
    n_folds = settings.n_folds
    while n_folds > 2 and why_not_folds(is_mining, groups, n_folds=n_folds) is not None:
        n_folds -= 1
    folds = draw_folds(is_mining, groups, n_folds=n_folds, random_state=settings.random_state)
    inner = score_held_out(score_by_neighbours, places_m, is_mining, folds)
    outer = score_by_neighbours(places_m, is_mining, test[:, :3])
    return score_by_context(
        np.column_stack([inner, train[:, 4:]]),
        is_mining,
        np.column_stack([outer, test[:, 4:]]),
        random_state=settings.random_state,
    )


def _score_scheme(
    scheme: Scheme, inputs: _Inputs, settings: ExploreSettings
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Score the models under one scheme: rows of models, and of their differences."""
    said = describe_scheme(scheme, inputs.is_mining, settings)
    why_not = why_not_folds(inputs.is_mining, scheme.groups, n_folds=settings.n_folds)
    if why_not is not None:
        nothing = dict.fromkeys(("auc", "auc_low", "auc_high"), float("nan"))
        return [{"model": name, **nothing, **said, "note": why_not} for name in MODELS], []
    drawings = draw_repeats(inputs.is_mining, scheme.groups, settings)
    said["n_repeats"] = len(drawings)
    scores = _held_out_scores(scheme.groups, inputs, drawings, settings)
    rows, differences = [], []
    for name in MODELS:
        auc = measure_auc(scores[name], inputs.is_mining, scheme.places)
        auc = auc.cross_validated(settings.n_folds)
        low, high = auc.interval(settings.confidence)
        ends = {"auc": auc.value, "auc_low": low, "auc_high": high}
        rows.append({"model": name, **ends, **said, "note": ""})
    for more, less in ((BOTH, COORDINATES), (CONTEXT, COORDINATES)):
        found = measure_difference(scores[more], scores[less], inputs.is_mining, scheme.places)
        low, high = found.cross_validated(settings.n_folds).interval(settings.confidence)
        differences.append(
            {
                "difference": f"{more} − {less}",
                "auc_difference": found.value,
                "auc_difference_low": low,
                "auc_difference_high": high,
                **said,
            }
        )
    return rows, differences


def _held_out_scores(
    groups: IntArray, inputs: _Inputs, drawings: list[IntArray], settings: ExploreSettings
) -> dict[str, FloatArray]:
    """Give ``(site, drawing)`` out-of-fold scores by model."""
    both = np.column_stack([inputs.coordinates_m, groups, inputs.context])
    by_context = partial(score_by_context, random_state=settings.random_state)
    models: dict[str, tuple[ScoreHeldOut, FloatArray]] = {
        COORDINATES: (score_by_neighbours, inputs.coordinates_m),
        CONTEXT: (by_context, inputs.context),
        BOTH: (partial(score_by_both, settings=settings), both),
    }
    return {
        name: np.stack(
            [score_held_out(score, numbers, inputs.is_mining, folds) for folds in drawings], axis=1
        )
        for name, (score, numbers) in models.items()
    }


def _farthest(table: pd.DataFrame, *, score: str) -> "pd.Series | None":
    """Find the widest folds that could be made: of clusters, or of blocks if there are none."""
    known = table[table[score].notna() & (table["folds"] != RANDOM)]
    clusters = known[known["folds"] == CLUSTERS]
    chosen = clusters if len(clusters) else known
    return None if chosen.empty else chosen.sort_values("distance_m", kind="stable").iloc[-1]


def _same_folds(table: pd.DataFrame, row: pd.Series) -> pd.DataFrame:
    """Give the rows under the folds of one row."""
    distance_m = table["distance_m"]
    same = (distance_m == row["distance_m"]) | (distance_m.isna() & pd.isna(row["distance_m"]))
    return pd.DataFrame(table[same & (table["folds"] == row["folds"])])


def _how(row: pd.Series) -> str:
    if row["folds"] == RANDOM:
        return "under random folds"
    length = format_length(row["distance_m"])
    if row["folds"] == CLUSTERS:
        return f"where whole clusters {length} or more from all others are held out"
    return f"where square blocks of {length} are held out"


def _seen(models: pd.DataFrame, added: pd.DataFrame, n_numbers: int) -> str:
    random = models[(models["folds"] == RANDOM) & models["auc"].notna()]
    far = _farthest(models, score="auc")
    parts = [
        f"{_scores(_same_folds(models, row))} {_how(row)}"
        for row in ([random.iloc[0]] if len(random) else []) + ([far] if far is not None else [])
    ]
    text = (
        "Models that see no pixel score: " + ", against ".join(parts)
        if parts
        else "No folds could be made"
    )
    gain = _gain(added)
    if gain is not None:
        text += (
            f"; there context adds {_signed(gain)} to the AUC of coordinates alone"
            if gain["auc_difference_low"] > 0.0
            else "; there no gain over coordinates alone can be shown (difference in AUC "
            f"{_signed(gain)})"
        )
    return f"{text} ({number_of(n_numbers, 'number')} of context)."


def _scores(rows: pd.DataFrame) -> str:
    return ", ".join(
        f"{row['model']} {auc_words(row['auc'], row['auc_low'], row['auc_high'])}"
        for row in rows.to_dict("records")
    )


def _gain(added: pd.DataFrame) -> "pd.Series | None":
    """Find what context adds to coordinates under the widest folds."""
    chosen = added[added["difference"] == f"{BOTH} − {COORDINATES}"]
    return _farthest(chosen, score="auc_difference")


def _signed(gain: pd.Series) -> str:
    ends = [gain[f"auc_difference{end}"] for end in ("", "_low", "_high")]
    return format_interval(*ends)


def _advice(models: pd.DataFrame, added: pd.DataFrame) -> str:
    gain = _gain(added)
    if gain is None:
        return "Gather sites from more places, until whole places can be held out."
    rows = _same_folds(models, gain).set_index("model")
    best = rows.sort_values("auc", kind="stable").iloc[-1]
    beat = (
        f"A detector must beat {auc_words(best['auc'], best['auc_low'], best['auc_high'])} "
        f"{_how(gain)}, which is to be had without a pixel"
    )
    if gain["auc_difference_low"] > 0.0:
        return (
            f"{beat}. What is mapped tells the class beyond place: show the model of context "
            "beside every score, and ask whether mapping caused it or followed it."
        )
    if rows["auc_low"][CONTEXT] > 0.5:
        return (
            f"{beat}. Context tells the class, but nothing here shows that it tells more than "
            "place does: show both models beside every score."
        )
    return (
        f"{beat}. Under these folds nothing shows that what is mapped tells the class: do not "
        "expect it to help a detector, and do not read gains under random folds as help."
    )
