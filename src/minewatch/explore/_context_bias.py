"""Whether how much is mapped goes with the class, in words that say what is more and what less."""

from typing import Final

import pandas as pd

from minewatch._figures import format_length
from minewatch.explore._context_rates import ratio_words
from minewatch.explore._roc import auc_words

ANY: Final = "drawn by hand"
"""Row of what has anything in its patch that people draw by hand."""
_MORE: Final = "more mapped"
_SLIGHT: Final = 0.55
"""AUC up to which numbers of features speak neither for nor against what patches hold."""


def describe_bias(odds: pd.DataFrame, areas: pd.DataFrame) -> str:
    """Warn where how much is mapped goes with the class; empty if nothing shows that it does.

    Parameters
    ----------
    odds
        Odds ratios by layer, with the row `ANY`.
    areas
        Areas under the curve of the number of features, by radius.

    Returns
    -------
    str
        One sentence. Where presence in patches and numbers of features around them point to
        different sides, it says so and calls neither a bias of mappers.
    """
    row, area = _telling_odds(odds), _strongest(areas)
    is_more = None if row is None else bool(row["odds_ratio"] > 1.0)
    agree = is_more is None or area is None or is_more == (area["in_mining"] == _MORE)
    said = [] if row is None else [_presence_words(row)]
    if area is not None and (bool(area["is_telling"]) or (said and not agree)):
        said.append(_amount_words(area))
    if not said:
        return ""
    text = (", and " if agree else ", but ").join(said)
    if agree:
        return (
            f"How much people have drawn goes with the class: {text}. A model of context, which "
            "is told how much is mapped, may learn who mapped and not what is there; test it where "
            "mapping is thin."
        )
    return (
        f"What is mapped goes with the class, but not because more is mapped on one side: {text}. "
        f"Look at single layers{_layers_words(odds)}, not at how much is mapped."
    )


def _telling_odds(odds: pd.DataFrame) -> "pd.Series | None":
    """Give the row of `ANY` if its interval leaves 1 out."""
    chosen = odds[odds["layer"] == ANY] if len(odds) else odds
    telling = chosen[_is_apart(chosen)] if len(chosen) else chosen
    return telling.iloc[0] if len(telling) else None


def _is_apart(odds: pd.DataFrame) -> "pd.Series[bool]":
    return (odds["odds_ratio_low"] > 1.0) | (odds["odds_ratio_high"] < 1.0)


def _strongest(areas: pd.DataFrame) -> "pd.Series | None":
    """Give the radius at which numbers of features tell most, those that tell at all first."""
    if areas.empty:
        return None
    ordered = areas.sort_values(["is_telling", "auc"], ascending=False, kind="stable")
    first = ordered.iloc[0]
    return first if first["is_telling"] or first["auc"] > _SLIGHT else None


def _presence_words(row: pd.Series) -> str:
    more = "more" if row["odds_ratio"] > 1.0 else "less"
    ratio = ratio_words(row["odds_ratio"], row["odds_ratio_low"], row["odds_ratio_high"])
    return f"patches of mining {more} often hold anything drawn by hand (odds ratio {ratio})"


def _amount_words(area: pd.Series) -> str:
    words = auc_words(area["auc"], area["auc_low"], area["auc_high"])
    return (
        f"around mining the ground within {format_length(area['radius_m'])} is "
        f"{area['in_mining']} by numbers of features (AUC {words})"
    )


def _layers_words(odds: pd.DataFrame) -> str:
    """List the layers whose own odds ratio leaves 1 out, by side."""
    plain = odds[(odds["layer"] != ANY) & ~odds["names_target"].astype(bool)]
    apart = plain[_is_apart(plain)]
    sides = {
        "more": apart.loc[apart["odds_ratio"] > 1.0, "layer"],
        "less": apart.loc[apart["odds_ratio"] < 1.0, "layer"],
    }
    parts = [f"{side} often {', '.join(names)}" for side, names in sides.items() if len(names)]
    return f" (in patches of mining {'; '.join(parts)})" if parts else ""
