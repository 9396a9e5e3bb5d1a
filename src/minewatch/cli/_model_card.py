"""A detector's card in words."""

import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from minewatch.cli import _common

if TYPE_CHECKING:
    from minewatch.model import Card
    from minewatch.model._card import Metric

_WIDTH: Final = 96
_MOST_FILES: Final = 3
_AT: Final = re.compile(", (?=threshold |read off )")
"""What parts a sample from how a figure was read off it."""
_About: TypeAlias = tuple[str, str, float | None]
"""Sample, folds, and the share of intervals that should hold the truth."""


def print_card(card: "Card", folder: Path, *, as_json: bool) -> None:
    """Print a card: in words, or as JSON."""
    result = {"out": str(folder), "card": card.model_dump(mode="json")}
    _common.print_result(result, as_json=as_json, describe=lambda: describe_card(card, folder))


def describe_card(card: "Card", folder: Path) -> str:
    """Write a card for a person, one fact a line."""
    training = card.training
    period = f"{training.period_start} to {training.period_end}" if training.period_start else ""
    facts = {
        "detector": f"{card.name} {card.version}".rstrip(),
        "": card.description,
        "takes": f"{' '.join(card.bands)}, {card.level}, {card.size_px} × {card.size_px} px of "
        f"{card.resolution_m:g} m",
        "context": ", ".join(card.context_columns),
        "prepares": "; ".join(_describe_preparation(card)),
        "gives": _describe_output(card),
        "learned from": ", ".join(filter(None, [period, _count(training.n_sites)])),
        "training files": _describe_files(training.files),
    }
    lines = [_fact(key, value) for key, value in facts.items() if value]
    lines += _describe_thresholds(card)
    lines += _describe_figures(card)
    lines += [_fact("limit", limit) for limit in card.limits]
    lines += [_fact("licence", ", ".join(filter(None, [card.licence, card.attribution])))]
    lines += [_fact("made from", f"SHA-256 {one.sha256[:12]}… {one.url}") for one in card.sources]
    return "\n".join([*lines, _fact("folder", str(folder))])


def _describe_files(files: tuple[str, ...]) -> str:
    """Name the files, the first few of many; the card itself, and --json, name all."""
    more = len(files) - _MOST_FILES
    return ", ".join(files[:_MOST_FILES]) + (f" and {more} more" if more > 0 else "")


def _fact(key: str, value: str) -> str:
    """Write a key and its value, which goes on below itself where it is long."""
    return _fill(value, f"{key:15} ", 16)


def _fill(text: str, first: str, below: int) -> str:
    return textwrap.fill(
        text,
        width=_WIDTH,
        initial_indent=first,
        subsequent_indent=" " * below,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _list(key: str, title: str, items: Iterable[str]) -> list[str]:
    """Write a key, what its items have in common, and below it the items, each on its own line."""
    return [_fact(key, f"{title}:"), *(_fill(item, " " * 18, 20) for item in items)]


def _describe_thresholds(card: "Card") -> list[str]:
    """Give the thresholds, those chosen on the same scores together."""
    groups: dict[str, list[str]] = {}
    for name, one in card.thresholds.items():
        aim, _, where = one.chosen.partition(" on ")
        groups.setdefault(where, []).append(f"{one.value:.3g} ({name}): {aim}")
    lines: list[str] = []
    for where, items in groups.items():
        if len(items) == 1:
            lines.append(_fact("threshold", f"{items[0]} on {where}" if where else items[0]))
        else:
            lines += _list("thresholds", f"on {where}", items)
    return lines


def _describe_figures(card: "Card") -> list[str]:
    """Give the figures and those of the null models, what they rest on said once."""
    lines: list[str] = []
    told: _About | None = None
    for about, items in _group(card.metrics).items():
        told = told or about
        lines += _list("measured", _about_words(about), items)
    nulls: dict[_About, list[str]] = {}
    for name, metrics in card.null_models.items():
        for about, items in _group(metrics).items():
            nulls.setdefault(about, []).append(f"{name}: {', '.join(items)}")
    for about, items in nulls.items():
        title = "on the same" if about == told else _about_words(about)
        lines += _list("null models", title, items)
    return lines


def _about_words(about: _About) -> str:
    on, splitter, confidence = about
    intervals = "" if confidence is None else f"; in brackets intervals of {100 * confidence:g} %"
    return f"on {on}; folds: {splitter}{intervals}"


def _group(metrics: "Iterable[Metric]") -> dict[_About, list[str]]:
    """Group figures by what they were measured on, by folds and by how sure intervals are."""
    metrics = list(metrics)
    confidences = {metric.confidence for metric in metrics} - {None}
    groups: dict[_About, list[str]] = {}
    for metric in metrics:
        on, *at = _AT.split(metric.on, maxsplit=1)
        interval = "" if metric.low is None else f" ({metric.low:.3g}–{metric.high:.3g})"
        words = f"{metric.name.replace('_', ' ')} {metric.value:.3g}{interval}"
        words += f", {at[0]}" if at else ""
        # A figure without an interval stands with those that have one.
        confidence = metric.confidence if len(confidences) != 1 else next(iter(confidences))
        groups.setdefault((on, metric.splitter, confidence), []).append(words)
    return groups


def _count(n_sites: int | None) -> str:
    return "" if n_sites is None else f"{n_sites:,} patches"


def _describe_preparation(card: "Card") -> list[str]:
    from minewatch.model._card import Clip, Scale

    missing = card.preparation.missing
    words = {
        "refuse": "patches with missing pixels get no score",
        "keep": "missing pixels are kept as they are",
        "fill": f"missing pixels become {missing.fill:g}",
    }[missing.method]
    if missing.method != "refuse":
        words += f", up to {100 * missing.most_share:g} % of a patch"
    lines = [words]
    for step in card.preparation.steps:
        if isinstance(step, Clip):
            lines.append(f"reflectance is cut to {step.low:g}–{step.high:g}")
        elif isinstance(step, Scale):
            lines.append(f"values × {step.factor:g} + {step.offset:g}")
        else:
            lines.append("each band is standardised")
    return lines


def _describe_output(card: "Card") -> str:
    return {
        "probability": "the probability of mining",
        "classes": f"probabilities of classes, of which {card.output.index} (counted from 0) is "
        "mining",
        "members": "the mean of its members' probabilities of mining",
    }[card.output.kind]
