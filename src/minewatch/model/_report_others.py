"""The sections of a model report that say what a detector looks at, and what it takes."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from minewatch._figures import format_interval, format_number
from minewatch._report._section import Section
from minewatch.model._ablations import Ablations
from minewatch.model._card import Card, Training
from minewatch.model._explain import Explanation


def ablations_section(ablations: Ablations | None) -> Section:
    """Show what the detector owes to each part."""
    key, title = "ablations", "What it would lose"
    if ablations is None:
        return Section.left_out(
            key, title, why="Nothing was left out on trial.", advice="Run the ablations."
        )
    rest = ablations.table[ablations.table["group"] != "full"]
    sure = rest[rest["roc_auc_change_high"] < 0].sort_values("roc_auc_change")
    helps = rest[rest["roc_auc_change_low"] > 0]
    if sure.empty:
        seen = f"None of {len(rest)} variants is shown to be worse than the full detector"
        if len(rest):
            least = rest.sort_values("roc_auc_change_low", kind="stable").iloc[0]
            seen += f", nor to be as good: {least['variant']} changes the area by "
            seen += _words(least, "roc_auc_change")
    else:
        worst = sure.iloc[0]
        seen = (
            f"{len(sure)} of {len(rest)} variants are shown to be worse than the full detector; "
            f"the most is lost with {worst['variant']} ({_words(worst, 'roc_auc_change')})"
        )
    left = ablations.header["left_out"]
    return Section(
        key,
        title,
        seen=f"{seen}, on the same folds ({ablations.header['splitter']}).",
        advice=(
            f"Train with {', '.join(helps['variant'])}: that is shown to be better."
            if len(helps)
            else "Keep what is shown to help; leave out only what has a narrow interval around no "
            "change, for a wide one hides a loss."
        )
        + (f" Could not be tried: {'; '.join(left)}." if left else ""),
        tables={"ablations": ablations.table},
    )


def explanation_sections(explanation: Explanation | None) -> Iterator[Section]:
    """Show what the detector looks at, where, and what it is most sure of."""
    if explanation is None:
        for key, title in (("what", "What it looks at"), ("where", "Where it looks")):
            yield Section.left_out(
                key, title, why="The detector was not explained.", advice="Run model explain."
            )
        return
    notes = " ".join(f"Mind: {note}." for note in explanation.header["notes"])
    importance = explanation.importance.sort_values("drop", ascending=False, kind="stable")
    groups = importance[importance["kind"].isin(["bands", "layer"])]
    first = groups.iloc[0]
    ends = _words(first, "drop")
    yield Section(
        key="what",
        title="What it looks at",
        seen=(
            f"The area under the ROC curve falls most when {first['part']} is shuffled among test "
            f"sites: by {ends}. {notes}"
        ).strip(),
        advice=(
            "Ask whether that is what mining looks like, or what goes with it here; a part that "
            "others can stand in for seems to matter less than it does."
        ),
        tables={"importance": importance.reset_index(drop=True)},
    )
    if explanation.chosen.empty:
        return
    yield _where_section(explanation)
    yield _gallery_section(explanation)


def _where_section(explanation: Explanation) -> Section:
    settings = explanation.header["settings"]
    by_site = explanation.occlusion.groupby("site_id")["drop"].max()
    return Section(
        key="where",
        title="Where it looks",
        seen=(
            f"Hiding one square of {settings['square_px']} px takes up to "
            f"{format_number(float(by_site.max()), decimals=2)} from the score of a patch, "
            f"{format_number(float(by_site.median()), decimals=2)} in the median of the "
            f"{len(by_site)} patches shown."
        ),
        advice=(
            "Red squares spoke for mining, blue ones against it; a detector that looks at a corner "
            "or at cloud edges has learned something else than mines."
        ),
        tables={
            "occlusion": explanation.occlusion,
            "gradients": explanation.gradients,
            "chosen": explanation.chosen,
        },
        images={str(kind): pictures for kind, pictures in explanation.images.items()},
    )


def _gallery_section(explanation: Explanation) -> Section:
    tables, images = {}, {}
    for kind, pictures in explanation.images.items():
        name = str(kind).replace(",", ":").replace(" ", "_").replace(":_", "_")
        rows = explanation.chosen[explanation.chosen["kind"] == kind]
        words = np.where(rows["label"] == 1, "mining", "no mining")
        tables[name] = rows.assign(label=words).rename(columns={"score": "probability"})
        images[name] = pictures
    chosen = explanation.chosen
    wrong = chosen[(chosen["kind"] == "no mining, scored highest")]
    return Section(
        key="gallery",
        title="Most right and most wrong",
        seen=(
            f"{len(chosen)} patches, each scored by a detector that did not learn from it; the "
            "highest score of a patch without mining is "
            f"{format_number(float(wrong['score'].max()), decimals=2)}."
            if len(wrong)
            else f"{len(chosen)} patches, each scored by a detector that did not learn from it."
        ),
        advice="Look at the wrong ones first: some will be wrong labels.",
        tables=tables,
        images=images,
    )


def card_section(card: Card | None) -> Section:
    """Show the card."""
    key, title = "card", "The card"
    if card is None:
        return Section.left_out(
            key, title, why="The detector was not saved.", advice="Train it with model train."
        )
    facts = dict(_card_facts(card))
    return Section(
        key,
        title,
        seen=f"{card.name} takes {len(card.bands)} bands of {card.level}, {card.size_px} px wide.",
        advice="Pass the card on with the detector; it is refused where it does not fit.",
        tables={
            "card": pd.DataFrame({"fact": list(facts), "says": list(facts.values())}),
        },
    )


def _card_facts(card: Card) -> Iterator[tuple[str, str]]:
    training = card.training
    yield "name", f"{card.name} {card.version}".strip()
    yield "description", card.description
    yield "bands", " ".join(card.bands)
    yield "context", ", ".join(card.context_columns) or "none"
    yield (
        "trained on",
        f"{training.n_sites} patches{_places_words(training)}: "
        + ", ".join(f"{count} {name}" for name, count in training.classes.items()),
    )
    yield "period", " to ".join(filter(None, [training.period_start, training.period_end])) or "–"
    yield "digest of the pixels", training.dataset_digest or "–"
    for name, threshold in card.thresholds.items():
        yield f"threshold {name}", f"a score of {threshold.value:.3g}, {threshold.chosen}"
    for number, limit in enumerate(card.limits, start=1):
        yield f"limit {number}", limit
    yield "licence", ", ".join(filter(None, [card.licence, card.attribution]))


def _places_words(training: Training) -> str:
    if training.n_places is None:
        return ""
    return f" of {training.n_places} {'place' if training.n_places == 1 else 'places'}"


def _words(row: "pd.Series[float]", name: str) -> str:
    return format_interval(row[name], row[f"{name}_low"], row[f"{name}_high"])
