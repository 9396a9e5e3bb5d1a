"""Train a detector on all labelled sites, and write down how good it is far from them."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.base import clone

from minewatch import _store
from minewatch._figures import format_length
from minewatch._progress import Progress, silent
from minewatch.errors import InputError
from minewatch.model._applicability_patches import fit_area
from minewatch.model._blocks import PLACE_M, Splitter, place_names
from minewatch.model._blocks_groups import read_places
from minewatch.model._blocks_table import count_sites
from minewatch.model._card import Card, Metric, Threshold, Training, read_card
from minewatch.model._detector import Detector, Exportable
from minewatch.model._evaluate import NEAR_FOLDS, NULL_PREFIX, cross_validate
from minewatch.model._evaluate_folds import GivenContext, Sample, read_sample
from minewatch.model._evaluation import DEFAULT_SETTINGS, Evaluation, EvaluationSettings
from minewatch.model._kinds import DETECTOR_KINDS
from minewatch.model._onnx import OURS, OnnxDetector, save_detector
from minewatch.patches import PatchDataset
from minewatch.types import BoolArray, Settings, StrPath

_METRICS: Final = (
    "roc_auc",
    "roc_auc_within_folds",
    "average_precision",
    "sensitivity_at_specificity",
    "f1",
    "f0.5",
    "sensitivity",
    "specificity",
    "precision",
    "brier",
)
_AT: Final = {"f0.5": "f0.5"}
"""The threshold that a decision's figure is given at, where it is not ``f1``."""
_IN_MEMORY: Final = frozenset({"pixels", "array"})
"""What a dataset calls inputs that came from memory, and from no file."""
_NULL_METRICS: Final = ("roc_auc", "average_precision")


class TrainSettings(Settings):
    """How a detector is evaluated and trained, and what its card says that nothing else knows."""

    evaluation: EvaluationSettings = DEFAULT_SETTINGS
    """How it is evaluated, and on which bands it is trained."""
    random_state: int = 0
    """Seed of the resamples and null models; the detector keeps its own."""

    name: str | None = None
    """The detector's name. None: the class's."""
    version: str = ""
    """Its version or date."""
    description: str | None = None
    """What it does, in a sentence. None: what the class says."""
    licence: str | None = None
    """SPDX identifier or words. None: it is not stated."""
    attribution: str = ""
    """Whom to name: makers of the labels, of the imagery, of the map."""
    limits: tuple[str, ...] = ()
    """What it cannot do, besides what is known here."""


DEFAULT_TRAINING: Final = TrainSettings()


@dataclass(frozen=True, eq=False)
class Trained:
    """A detector that was trained, evaluated and saved."""

    path: Path
    """Its folder."""
    card: Card
    """Its card."""
    evaluation: Evaluation
    """How good it is on sites that were held out."""


def train_detector(
    detector: Detector,
    dataset: PatchDataset,
    out: StrPath,
    *,
    splitter: Splitter,
    context: GivenContext = None,
    settings: TrainSettings = DEFAULT_TRAINING,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Trained:
    """Evaluate a detector on sites held out, train it on all of them, and save it with its card.

    Thresholds are chosen on held-out scores: what is saved has never scored its own training sites
    for that. The figures on the card are those of detectors that learned from fewer sites, one
    for each fold; the saved one, which learned from all, cannot be evaluated on any of them.

    Parameters
    ----------
    detector
        A detector that is not trained yet, and can be saved.
    dataset
        Patches with labels; those without are left out.
    out
        The detector's folder: ``card.json``, ``model.onnx`` and ``applicability.npz`` (the area of
        applicability).
    splitter
        How sites are held out.
    context
        The context table, index site_id, if the detector shall learn from it; else, as
        `UnseenContext`, for a null model.
    settings
        How it is evaluated, and what the card shall say besides.
    overwrite
        Replace a saved detector of that name.
    progress
        Told of the folds that were trained.

    Raises
    ------
    AlreadyThereError
        If the folder exists.
    InputError
        If the detector cannot be trained or saved, or a class is missing.

    Examples
    --------
    >>> import tempfile
    >>> from minewatch import patches, toy
    >>> from minewatch.model import load_detector
    >>> from minewatch.model._blocks import BlockKFold
    >>> from minewatch.model._trees import TreeDetector
    >>> valley = toy.Valley(seed=1)
    >>> sites = valley.sites(20, 40)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dataset = patches.write_patches(
    ...         f"{folder}/d", sites, valley.pixels(sites, bands="rgb"), bands="rgb", level="L2A"
    ...     )
    ...     trained = train_detector(
    ...         TreeDetector(n_trees=20), dataset, f"{folder}/trees",
    ...         splitter=BlockKFold(3, block_m=8_000),
    ...     )
    ...     card = load_detector(trained.path).card
    >>> card.training.classes, sorted(card.thresholds)
    ({'mining': 20, 'no mining': 40}, ['f0.5', 'f1', 'sensitivity', 'specificity'])
    """
    folder = Path(out)
    _store.refuse_existing(folder, overwrite=overwrite, ours=OURS)
    _check_trainable(detector)
    name = settings.name or type(detector).__name__
    evaluation = cross_validate(
        {name: detector},
        dataset,
        splitter=splitter,
        context=context,
        settings=settings.evaluation,
        random_state=settings.random_state,
        progress=progress,
    )
    sample = read_sample(
        dataset,
        context,
        settings.evaluation.bands,
        splitter=splitter,
        sampling=settings.evaluation.sampling,
        random_state=settings.random_state,
    )
    progress("train", 0, 1)
    n_labelled = len(sample.labels)
    sample = sample.part(sample.learned(np.arange(n_labelled)))
    fitted = clone(detector).fit(sample.pixels, sample.labels, sample.context)
    progress("train", 1, 1)
    saved = _WithCard(fitted, _Facts(evaluation, name, dataset, sample, n_labelled, settings))
    area = fit_area(evaluation, sample)
    save_detector(saved, folder, area=area, overwrite=overwrite)
    return Trained(folder, read_card(folder), evaluation)


def _check_trainable(detector: Detector) -> None:
    if isinstance(detector, OnnxDetector):
        raise InputError(
            f"{detector.card.name} is a saved detector, which learns no more; name what to train: "
            f"{', '.join(DETECTOR_KINDS)}"
        )
    if not isinstance(detector, Exportable):
        raise InputError(
            f"{type(detector).__name__} cannot be trained and saved; expected a detector such as "
            "TreeDetector or CnnDetector"
        )


@dataclass(frozen=True, eq=False)
class _Facts:
    """What a card is filled with."""

    evaluation: Evaluation
    model: str
    dataset: PatchDataset
    sample: Sample
    """What it learned from."""
    n_labelled: int
    """How many patches there were to learn from."""
    said: TrainSettings

    def fill(self, card: Card) -> Card:
        """Write into a detector's own card what it learned from and how good it is."""
        said, header = self.said, self.evaluation.header
        nulls = [name for name in self.evaluation.models if name.startswith(NULL_PREFIX)]
        update: dict[str, Any] = {
            "name": said.name or card.name,
            "version": said.version or card.version,
            "description": said.description or card.description,
            "licence": said.licence or card.licence,
            "attribution": said.attribution or card.attribution,
            "thresholds": dict(self._thresholds()),
            "metrics": tuple(self._metrics(self.model, _METRICS)),
            "null_models": {
                name.removeprefix(NULL_PREFIX): tuple(self._metrics(name, _NULL_METRICS))
                for name in nulls
            },
            "training": self._training(card.training),
            "settings": {
                "detector": card.settings,
                "evaluation": header["settings"],
                "splitter": header["splitter_settings"],
                "random_state": header["random_state"],
            },
            "limits": (*card.limits, *self._limits(), *said.limits),
            "versions": {**header["versions"], **card.versions},
        }
        return Card.model_validate({**card.model_dump(), **update})

    def _rows(self, model: str) -> pd.DataFrame:
        predictions = self.evaluation.predictions
        return predictions[predictions["model"] == model]

    def _on(self, model: str) -> str:
        rows, header = self._rows(model), self.evaluation.header
        return (
            f"{len(rows)} held-out patches ({int((rows['label'] == 1).sum())} mining) of "
            f"{header['dataset']}, {header['level']}, {len(header['bands'])} bands"
        )

    def _thresholds(self) -> Iterator[tuple[str, Threshold]]:
        settings = self.evaluation.settings
        aims = {
            "f1": "the best F1",
            "f0.5": "the best F0.5",
            "sensitivity": f"a sensitivity of {settings.sensitivity:g}",
            "specificity": f"a specificity of {settings.specificity:g}",
        }
        where = f"on scores of {self._on(self.model)}; {self.evaluation.header['splitter']}"
        for name, value in self.evaluation.score_thresholds(self.model).items():
            yield name, Threshold(value=value, chosen=f"for {aims[name]} {where}")

    def _metrics(self, model: str, wanted: tuple[str, ...]) -> Iterator[Metric]:
        table = self.evaluation.metrics
        own = table[(table["model"] == model) & table["prevalence"].isna()]
        for metric in wanted:
            rows = own[own["metric"] == metric]
            threshold = _AT.get(metric, "f1") if (rows["threshold"] != "").any() else ""
            rows = rows[rows["threshold"] == threshold]
            for row in rows[rows["value"].notna()].to_dict(orient="records"):
                low = _known(row["low"])
                yield Metric(
                    name=metric,
                    value=float(row["value"]),
                    low=low,
                    high=_known(row["high"]),
                    confidence=None if low is None else self.evaluation.settings.confidence,
                    on=f"{self._on(model)}{self._at(model, row)}",
                    splitter=str(self.evaluation.header["splitter"]),
                    n_sites=int(row["n_sites"]),
                )

    def _at(self, model: str, row: Mapping[Hashable, Any]) -> str:
        """Say at which threshold a figure was measured, and on how many if not on all."""
        if row["metric"] == "sensitivity_at_specificity":
            level = self.evaluation.settings.specificity
            return f", read off their ROC curve at a specificity of {level:g}"
        if not row["threshold"]:
            return ""
        n_left = len(self._rows(model)) - int(row["n_sites"])
        others = f"; {n_left} patches were not decided" if n_left else ""
        return f", threshold {row['threshold']} chosen inside training folds{others}"

    def _training(self, training: Training) -> Training:
        header, labels = self.dataset.header, self.sample.labels
        places = read_places(self.sample.sites, None)
        update = {
            "dataset_digest": header.digest,
            "sites_digest": header.sites_digest,
            "n_sites": len(labels),
            "n_places": len(set(place_names(places)[places.is_placed])) or None,
            "classes": {"mining": int(labels.sum()), "no mining": int((labels == 0).sum())},
            **self.sample.period(self.dataset),
            "files": tuple(name for name in header.inputs if name not in _IN_MEMORY),
            "notes": "; ".join(filter(None, [training.notes, *self._notes()])),
        }
        return training.model_copy(update=update)

    def _notes(self) -> Iterator[str]:
        yield f"imagery: {self.dataset.header.source}"
        n_unplaced = int(self._is_unplaced().sum())
        lost = f"; {count_sites(n_unplaced)} without a place not counted" if n_unplaced else ""
        yield f"places are sites within {format_length(PLACE_M)} of each other{lost}"
        left_out = self.n_labelled - len(self.sample.labels)
        if left_out:
            yield f"{left_out} patches of the more frequent class were left out, drawn at random"

    def _is_unplaced(self) -> BoolArray:
        return np.asarray(~np.isfinite(self.sample.places).all(axis=1), dtype=np.bool_)

    def _limits(self) -> Iterator[str]:
        header, sites = self.evaluation.header, self.sample.sites
        if header["why_no_headline"] == NEAR_FOLDS:
            yield (
                f"Its figures come from folds that may flatter it ({header['splitter']}): expect "
                "less far from the training sites."
            )
        elif header["why_no_headline"]:
            yield f"Its figures are not to be shown as its own: {header['why_no_headline']}."
        placed = sites[~self._is_unplaced()]
        if len(placed):
            west, south, east, north = placed.total_bounds
            told = f", by the {len(placed)} of {count_sites(len(sites))} that have a place,"
            yield (
                f"Trained and evaluated{told if len(placed) < len(sites) else ''} between "
                f"{south:.2f} and {north:.2f}° of latitude and {west:.2f} and {east:.2f}° "
                "of longitude; elsewhere it is untested."
            )
        share = float(self.sample.labels.mean())
        yield (
            f"{100 * share:.3g} % of the training patches are mining; where mining is rarer, more "
            "of what it finds is wrong. See precision at stated prevalences in the evaluation."
        )
        for note in header["notes"]:
            yield f"Evaluation: {note}."


@dataclass(frozen=True, eq=False)
class _WithCard:
    """A trained detector whose card has been filled."""

    detector: Exportable
    facts: _Facts

    def to_onnx(self) -> tuple[Card, bytes]:
        """Give the filled card and the detector's own network."""
        card, network = self.detector.to_onnx()
        return self.facts.fill(card), network


def _known(value: object) -> float | None:
    number = float(str(value))
    return number if np.isfinite(number) else None
