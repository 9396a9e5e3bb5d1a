"""What a detector's figures say of a map: in words, and at which threshold they were measured."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from minewatch.maps._contents import MapContents

if TYPE_CHECKING:
    from minewatch.maps._sheet_words import Words
    from minewatch.model._card import Card, Metric

FIGURES: Final = ("sensitivity", "specificity", "precision")
"""What readers of maps are told, in this order."""
_RULE: Final = re.compile(r", threshold (\S+) chosen inside training folds")
_AT: Final = re.compile(r", at (\d+(?:\.\d+)?)(?=$|;)")
_SAME: Final = 1e-6
"""Thresholds that differ by less are one, written with fewer digits."""


def measured_elsewhere(contents: MapContents) -> dict[str, float]:
    """Say which of the card's figures were measured at another threshold than the map's.

    Figures under a rule that folds chose a threshold by, each its own, are those of the threshold
    that the card has for that rule.

    Returns
    -------
    dict
        The threshold by the figure's name; empty if all are of the map's, or nobody knows.
    """
    card, own = contents.card, contents.threshold
    if card is None or own is None:
        return {}
    known = {metric.name: _threshold_of(metric, card) for metric in told_of(card)}
    return {name: at for name, at in known.items() if at is not None and abs(at - own) > _SAME}


def told_of(card: "Card") -> list["Metric"]:
    """List the figures of a card that readers are told, the first of each name."""
    metrics = {metric.name: metric for metric in reversed(card.metrics)}
    return [metrics[name] for name in FIGURES if name in metrics]


def describe_figures(contents: MapContents, words: "Words") -> list[str]:
    """Say what was measured of a detector, on what, and at which threshold: a sentence each.

    Parameters
    ----------
    contents
        With a card; without one nothing is said.
    words
        The reader's.
    """
    card = contents.card
    if card is None:
        return []
    told = told_of(card)
    said = [_figure(metric, words) for metric in told]
    said += _measured_on(told, words)
    return [*said, *_of_other_thresholds(contents, words)]


def _of_other_thresholds(contents: MapContents, words: "Words") -> Iterable[str]:
    own = contents.threshold
    by_threshold: dict[float, list[str]] = {}
    for name, at in measured_elsewhere(contents).items():
        by_threshold.setdefault(at, []).append(words[f"metric.{name}"])
    for at, names in by_threshold.items():
        if own is not None:
            key = "measured_lower" if at < own else "measured_higher"
            told = {"measured": words.number(at, 3), "own": words.number(own, 3)}
            yield words.say(key, figures=", ".join(names), **told)


def _threshold_of(metric: "Metric", card: "Card") -> float | None:
    if rule := _RULE.search(metric.on):
        chosen = card.thresholds.get(rule[1])
        return None if chosen is None else chosen.value
    at = _AT.search(metric.on)
    return None if at is None else float(at[1])


def _figure(metric: "Metric", words: "Words") -> str:
    interval = words["no_interval"]
    if metric.low is not None and metric.high is not None:
        interval = words.say(
            "interval",
            low=words.percent(metric.low),
            high=words.percent(metric.high),
            share="" if metric.confidence is None else words.percent(metric.confidence),
        )
    name, why = words[f"metric.{metric.name}"], words[f"metric.{metric.name}.why"]
    return f"{name}: {words.percent(metric.value)} ({interval}) {why}."


def _measured_on(metrics: Sequence["Metric"], words: "Words") -> Iterable[str]:
    """Say on what the figures were measured; where that differs, which of them on what."""
    samples: dict[str, list[str]] = {}
    for metric in metrics:
        sample = f"{words['measured_on']} {words.own(metric.on)}; {words.own(metric.splitter)}."
        samples.setdefault(sample, []).append(words[f"metric.{metric.name}"])
    if len(samples) < 2:
        return list(samples)
    return [f"{', '.join(names)}: {sample}" for sample, names in samples.items()]
