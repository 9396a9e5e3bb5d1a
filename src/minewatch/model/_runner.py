"""What trains fresh copies of a detector on some sites of a sample, and scores others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import clone

from minewatch.model._detector import Detector
from minewatch.model._ensemble import EnsembleDetector
from minewatch.model._onnx import OnnxDetector
from minewatch.types import FloatArray, IntArray

if TYPE_CHECKING:
    from minewatch.model._evaluate_folds import Sample


@runtime_checkable
class Summarising(Protocol):
    """A detector that sees patches by a summary of each alone, which need be made only once.

    A patch's summary depends on nothing but that patch, so that making it before the folds leaks
    nothing.
    """

    def summarise(self, pixels: xr.DataArray) -> pd.DataFrame:
        """Summarise patches: index site_id."""
        ...

    def fit_summary(
        self, summary: pd.DataFrame, labels: pd.Series, context: pd.DataFrame | None = None
    ) -> Self:
        """Learn as `fit` does, from summaries."""
        ...

    def predict_summary(
        self, summary: pd.DataFrame, context: pd.DataFrame | None = None
    ) -> FloatArray:
        """Score as `predict_proba` does, from summaries."""
        ...


class View(Protocol):
    """Patches as something shows them that was learned without labels."""

    def summarise(self, pixels: xr.DataArray) -> pd.DataFrame:
        """Summarise patches: index site_id."""
        ...

    def score(self, summary: pd.DataFrame, labels: pd.Series, asked: pd.DataFrame) -> FloatArray:
        """Learn from labelled summaries, and give P(mining) of others."""
        ...


@runtime_checkable
class Viewing(Protocol):
    """A detector that learns, before it looks at any label, how to see patches.

    What it learned so from the training sites of a fold serves the folds inside them as well, which
    choose thresholds alone: no test site and no label has part in it.
    """

    def learn_view(self, pixels: xr.DataArray) -> View:
        """Learn how to see patches."""
        ...


@runtime_checkable
class Lightened(Protocol):
    """A detector that knows a cheaper one that scores on the same scale, to choose thresholds."""

    def for_choices(self) -> Self:
        """Give the cheaper one, not trained."""
        ...


@dataclass(frozen=True, eq=False)
class FoldRun:
    """A detector in one fold."""

    score: Callable[[IntArray], FloatArray]
    """Scores sites by a copy that learned from all of the fold's training sites: P(mining)."""
    score_inside: Callable[[IntArray, IntArray], FloatArray]
    """Trains a copy on some of the training sites and scores others of them, for choices alone."""


Runner: TypeAlias = Callable[[IntArray], FoldRun]
"""Gives a fold of the sites that it may train on."""


def make_runner(detector: Detector, sample: "Sample") -> Runner:
    """Give what trains fresh copies of a detector, fold by fold.

    What is the same for all folds is done once; a finished detector is only asked.
    """
    if isinstance(detector, OnnxDetector):
        scores = _mining(detector.predict_proba(sample.pixels, sample.context))
        return lambda _: FoldRun(lambda test: scores[test], lambda _, test: scores[test])
    if isinstance(detector, EnsembleDetector):
        return _run_members([make_runner(one, sample) for one in detector.members])
    if isinstance(detector, Summarising):
        return _run_summaries(detector, sample)
    if isinstance(detector, Viewing):
        return lambda train: _run_view(detector, sample, train)
    return _run_pixels(detector, sample)


def _run_members(members: Sequence[Runner]) -> Runner:
    def fold(train: IntArray) -> FoldRun:
        runs = [member(train) for member in members]
        return FoldRun(
            lambda test: _mean([run.score(test) for run in runs]),
            lambda some, others: _mean([run.score_inside(some, others) for run in runs]),
        )

    return fold


def _run_summaries(detector: Summarising, sample: "Sample") -> Runner:
    context, labels = sample.context, sample.labels
    summary = detector.summarise(sample.pixels).loc[labels.index]

    def run(one: Summarising, train: IntArray, test: IntArray) -> FloatArray:
        rows = sample.learned(train)
        fitted = clone(one).fit_summary(summary.iloc[rows], labels.iloc[rows], context)
        return _mining(fitted.predict_summary(summary.iloc[test], context))

    lighter = _lighten(detector)
    return lambda train: FoldRun(
        lambda test: run(detector, train, test),
        lambda some, others: run(lighter, some, others),
    )


def _run_view(detector: Viewing, sample: "Sample", train: IntArray) -> FoldRun:
    names, labels, pixels = sample.labels.index, sample.labels, sample.pixels
    view: View = clone(detector).learn_view(pixels.isel(site=sample.learned(train)))
    known = view.summarise(pixels.isel(site=train))

    def run(some: IntArray, asked: pd.DataFrame) -> FloatArray:
        rows = sample.learned(some)
        return view.score(known.loc[names[rows]], labels.iloc[rows], asked)

    return FoldRun(
        lambda test: run(train, view.summarise(pixels.isel(site=test))),
        lambda some, others: run(some, known.loc[names[others]]),
    )


def _run_pixels(detector: Detector, sample: "Sample") -> Runner:
    context, labels, pixels = sample.context, sample.labels, sample.pixels

    def run(one: Detector, train: IntArray, test: IntArray) -> FloatArray:
        rows = sample.learned(train)
        fitted = clone(one).fit(pixels.isel(site=rows), labels.iloc[rows], context)
        return _mining(fitted.predict_proba(pixels.isel(site=test), context))

    lighter = _lighten(detector)
    return lambda train: FoldRun(
        lambda test: run(detector, train, test),
        lambda some, others: run(lighter, some, others),
    )


def _lighten(detector: Any) -> Any:
    return detector.for_choices() if isinstance(detector, Lightened) else detector


def _mining(probabilities: FloatArray) -> FloatArray:
    return np.asarray(probabilities, dtype=np.float64)[:, 1]


def _mean(scores: Sequence[FloatArray]) -> FloatArray:
    return np.asarray(np.mean(scores, axis=0), dtype=np.float64)
