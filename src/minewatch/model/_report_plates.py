"""Which figures stand in which section of a model report, with their words; and its tables."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from minewatch._figures import format_number
from minewatch._report._plates import Plate
from minewatch._report._tables import TableView
from minewatch.model import _report_figures as draw
from minewatch.model._blocks_draw import draw_folds
from minewatch.model._explain import KINDS
from minewatch.model._explain_gradients import method_words
from minewatch.model._report_applicability import applicability_plates

_PALE: Final = 0.2
"""Share of the scale that a map stays below whose colours can hardly be seen."""


@dataclass(frozen=True)
class _Figure:
    """A figure whose words depend on nothing but what the report rests on."""

    section: str
    name: str
    title: str
    tables: tuple[str, ...]
    paint: Callable[..., Figure]
    says: str
    has_intervals: bool = True

    def plate(self, on: str) -> Plate:
        """Give it as a section takes it."""
        return Plate(
            name=self.name,
            title=self.title,
            tables=self.tables,
            draw=self.paint,
            caption=lambda *_: f"{self.says} On {on}.",
            alt=lambda *_: f"{self.title}. {self.says}",
            has_intervals=self.has_intervals,
            is_key=self.name == "models",
        )


def _draw_ablations(table: pd.DataFrame) -> Figure:
    return draw.draw_forest(
        table[table["group"] != "full"],
        "variant",
        "roc_auc_change",
        "Change of the area under the ROC curve",
    )


def _draw_confusers(table: pd.DataFrame) -> Figure:
    named = table["group"] + " (" + table["n_of_kind"].astype("str") + ")"
    return draw.draw_forest(
        table.assign(named=named), "named", "roc_auc", "Area under the ROC curve"
    )


_FIGURES: Final = (
    _Figure(
        "headline", "models", "The detector beside models that cannot know", ("headline",),
        draw.draw_models,
        "Grey crosses are null models, which never look at what a detector should look at. Bars "
        "are intervals over whole blocks; lines stand for chance.",
    ),
    _Figure(
        "folds", "splitters", "The same models under other folds", ("splitters",),
        draw.draw_splitters,
        "Random folds leave test patches beside training patches (leaks). Clusters of 3 km and "
        "blocks below 50 km leave them near, and folds with few sites of a class say little (not "
        "to show).",
    ),
    _Figure(
        "folds", "folds", "Where each fold is tested", ("folds",), draw_folds,
        "Right, how far test sites lie from the nearest training site.", has_intervals=False,
    ),
    _Figure(
        "curves", "curves", "ROC curve, and precision against sensitivity",
        ("roc", "precision_recall"), draw.draw_curves,
        "Bands are of single points, from whole blocks drawn again.",
    ),
    _Figure(
        "curves", "calibration", "Calibration", ("calibration",), draw.draw_calibration,
        "Share of mining among patches of like probability; calibrated inside training folds.",
    ),
    _Figure(
        "operating", "prevalence", "Precision where mining is rare", ("operating",),
        draw.draw_prevalence,
        "Thresholds are chosen inside training folds; precision follows from sensitivity and "
        "specificity at each share of mining.",
    ),
    _Figure(
        "distance", "distance", "Scores by distance to training", ("by_distance",),
        draw.draw_distance, "Bins without both classes are left out.",
    ),
    _Figure(
        "confusers", "confusers", "Mining against each kind of other ground", ("by_confuser",),
        _draw_confusers,
        "Hardest first, then kinds of too few sites to show; in brackets the sites of each kind.",
    ),
    _Figure(
        "learning", "learning", "Learning curve", ("learning_curve",), draw.draw_learning,
        "Whole blocks are left out of training.",
    ),
    _Figure(
        "ablations", "ablations", "Change against the full detector", ("ablations",),
        _draw_ablations,
        "Each variant is trained and tested on the same folds as the full detector.",
    ),
    _Figure(
        "what", "importance", "What is lost when a part is shuffled", ("importance",),
        partial(
            draw.draw_forest, name="part", value="drop", title="Loss of area under the ROC curve"
        ),
        "Parts are shuffled among the test sites of each fold; nothing is trained again.",
    ),
)  # fmt: skip


def plates_of(on: str) -> dict[str, tuple[Plate, ...]]:
    """List the figures of each section; captions say on what they rest.

    Parameters
    ----------
    on
        What the report rests on, in words.
    """
    plates: dict[str, tuple[Plate, ...]] = {}
    for figure in _FIGURES:
        plates[figure.section] = (*plates.get(figure.section, ()), figure.plate(on))
    return {**plates, "applicability": applicability_plates(on), "where": tuple(_maps(on))}


def _maps(on: str) -> Iterator[Plate]:
    """Give the maps over patches, which show pictures too."""
    yield Plate(
        name="occlusion",
        title="What each square of a patch is worth",
        tables=("occlusion", "chosen"),
        images=KINDS,
        draw=draw.draw_occlusion,
        caption=lambda table, *_: (
            "Left of each pair the patch, with its score beneath; right what the score loses "
            "where a square is hidden, the mean of the squares over each pixel. "
            f"{_scale_words(table)} On {on}."
        ),
        alt=lambda *_: "Pairs of a patch and a map of what its score loses when hidden.",
    )
    yield Plate(
        name="gradients",
        title="What each small square adds",
        tables=("gradients", "chosen"),
        images=KINDS,
        draw=draw.draw_gradients,
        caption=lambda table, *_: f"{method_words(table)} {_scale_words(table)} On {on}.",
        alt=lambda *_: "Pairs of a patch and a map of what each part adds to its score.",
    )


def _scale_words(table: pd.DataFrame) -> str:
    """Say where the colours of maps end, and how many maps show next to none."""
    end = draw.map_end(table)
    strongest = table["drop"].abs().groupby(table["site_id"]).max()
    words = (
        f"One scale for all, to {format_number(end)} either way; the strongest 2 % of squares lie "
        f"beyond it, up to {format_number(float(strongest.max()))}."
    )
    n_pale = int((strongest < _PALE * end).sum())
    if not n_pale:
        return words
    return (
        f"{words} {n_pale} of {len(strongest)} maps are pale: no square alone moves the score of "
        "that patch, as where a detector is sure for many reasons."
    )


_ONLY_NAMED: Final = TableView(n_rows=0)
VIEWS: Final[dict[tuple[str, str], TableView]] = {
    ("headline", "headline"): TableView(
        note="F1 and F0.5 at their own thresholds, sensitivity and specificity at that for F1, all "
        "chosen inside training folds; sensitivity at a given specificity is read off the ROC "
        "curve of the held-out patches."
    ),
    ("headline", "differences"): TableView(note="The detector minus the other, on the same draws."),
    ("folds", "folds"): _ONLY_NAMED,
    ("folds", "splitters"): TableView(30),
    ("curves", "roc"): _ONLY_NAMED,
    ("curves", "precision_recall"): _ONLY_NAMED,
    ("curves", "calibration"): _ONLY_NAMED,
    ("operating", "operating"): TableView(12),
    ("operating", "points"): TableView(
        note="Score: what to decide by, as on the card, chosen on all held-out scores. "
        "Probability: the same threshold inside the folds, after calibration: their median, from "
        "the least to the largest; the figures beside are at these."
    ),
    ("operating", "ranking"): TableView(
        note="How well it ranks places, where so many are mines; the last row is the sample."
    ),
    ("distance", "by_distance"): TableView(24),
    ("ablations", "ablations"): TableView(40),
    ("what", "importance"): TableView(40),
    ("where", "occlusion"): _ONLY_NAMED,
    ("where", "gradients"): _ONLY_NAMED,
    ("where", "chosen"): _ONLY_NAMED,
    ("applicability", "sites"): TableView(8, note="The most unlike first."),
    ("applicability", "weights"): TableView(
        8, note="What counts most in the distance: share of the spread of all features."
    ),
    **{("gallery", kind.replace(", ", "_").replace(" ", "_")): _ONLY_NAMED for kind in KINDS},
    ("card", "card"): TableView(60),
}
