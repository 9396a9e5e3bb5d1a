"""Run detectors over folds: train on some sites, score others, choose thresholds in between."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from minewatch.errors import InputError
from minewatch.model._blocks import LeakingSplitWarning, Splitter
from minewatch.model._blocks_groups import distance_to_train
from minewatch.model._detector import Detector, read_pixels
from minewatch.model._evaluation import EvaluationSettings
from minewatch.model._nulls import with_places
from minewatch.model._operating import (
    THRESHOLD_NAMES,
    choose_thresholds,
    describe_calibration,
    fit_calibration,
)
from minewatch.model._runner import make_runner
from minewatch.model._training import Sampling, draw_equal
from minewatch.patches import PatchDataset
from minewatch.sites._distance import lonlat
from minewatch.types import FloatArray, IntArray

Rows = tuple[IntArray, IntArray]
"""Positions of sites to train on, and of sites to score."""
FEWEST_OF_CLASS: Final = 10
"""A figure to show is learned from, and tested on, so many sites of each class at the least."""


@dataclass(frozen=True, eq=False)
class UnseenContext:
    """A context table for the null model of context alone: detectors do not learn from it."""

    table: pd.DataFrame
    """As `measure_context` gives it, index site_id."""


GivenContext: TypeAlias = pd.DataFrame | UnseenContext | None
"""The context table that detectors and null models see, or null models alone."""


@dataclass(frozen=True, eq=False)
class Sample:
    """What is evaluated on: the labelled sites of a dataset, in the order of their site_ids."""

    sites: gpd.GeoDataFrame
    labels: pd.Series
    """1 or 0, int64."""
    pixels: xr.DataArray
    """With `longitude` and `latitude` along `site`."""
    context: pd.DataFrame | None
    sampling: Sampling = "all"
    """Which training sites are learned from."""
    random_state: int = 0
    """Seed of their drawing."""
    unseen: pd.DataFrame | None = None
    """A context table that the null model of context alone looks at; it may lack sites."""

    @property
    def places(self) -> FloatArray:
        """Longitude and latitude (site, 2), degrees; NaN if unplaced."""
        return lonlat(self.sites)

    def learned(self, train: IntArray) -> IntArray:
        """Give those of some training sites that a detector learns from."""
        if self.sampling == "all":
            return train
        return train[draw_equal(self.labels.iloc[train].to_numpy(), self.random_state)]

    def period(self, dataset: PatchDataset) -> dict[str, str | None]:
        """Give first and last day of the imagery: the dataset's, else that of its patches."""
        header = dataset.header
        starts, ends = (self.sites[name].dropna() for name in ("start", "end"))
        return {
            "period_start": header.period_start or (None if starts.empty else str(starts.min())),
            "period_end": header.period_end or (None if ends.empty else str(ends.max())),
        }

    def part(self, rows: IntArray) -> "Sample":
        """Give some of the sites; the context table stays whole."""
        return replace(
            self,
            sites=self.sites.iloc[rows],
            labels=self.labels.iloc[rows],
            pixels=self.pixels.isel(site=rows),
        )


@dataclass(frozen=True, eq=False)
class Split:
    """One fold: what trains, what is scored, and the folds inside what trains."""

    fold: int
    train: IntArray
    test: IntArray
    inner: tuple[Rows, ...]


def read_sample(
    dataset: PatchDataset,
    context: GivenContext,
    bands: tuple[str, ...] | None,
    *,
    splitter: Splitter,
    sampling: Sampling = "all",
    random_state: int = 0,
) -> Sample:
    """Read the labelled patches of a dataset, to learn from all of them or from some.

    Pixels bear the place of their site and, where the splitter never parts the groups of a column,
    its `group`: a detector that makes folds of its own keeps both together too.

    Raises
    ------
    InputError
        If a class is missing, or the context table lacks sites.
    """
    sites = dataset.sites[dataset.sites["label"].notna()].sort_index()
    labels = sites["label"].astype("int64")
    if labels.nunique() < 2:
        raise InputError(
            f"the {len(sites)} labelled patches of {dataset.path.name} are of one class or "
            "none; an evaluation needs both"
        )
    unseen, table = None, None
    if isinstance(context, UnseenContext):
        unseen = context.table
    elif context is not None:
        missing = sites.index.difference(context.index)
        if len(missing):
            raise InputError(
                f"the context table lacks {len(missing)} of {len(sites)} labelled sites, of them "
                f"{missing[0]!r}; measure the context of all sites"
            )
        table = context.loc[sites.index]
    pixels = with_places(read_pixels(dataset, sites.index, bands=bands), dataset.sites)
    column = getattr(splitter, "group_column", None)
    if column is not None and column in sites:
        own = sites[column].astype("object")
        pixels = pixels.assign_coords(group=("site", own.where(own.notna(), None).to_numpy()))
    return Sample(sites, labels, pixels, table, sampling, random_state, unseen)


def plan_splits(sample: Sample, splitter: Splitter, n_inner: int) -> tuple[list[Split], list[str]]:
    """Make all folds and those inside them, once for all detectors.

    Returns
    -------
    splits, notes
        What could not be done as asked, a sentence each.
    """
    notes: list[str] = []
    splits = []
    for fold, (train, test) in enumerate(splitter.split(sample.sites, sample.labels)):
        classes = sample.labels.iloc[train].nunique()
        if classes < 2:
            raise InputError(
                f"fold {fold} of {splitter.describe()} leaves one class to train on; take another "
                "region, smaller blocks, fewer folds or a narrower dead zone"
            )
        inner: tuple[Rows, ...] = ()
        if n_inner >= 2:
            try:
                inner = _inner_splits(sample, splitter, train, n_inner)
            except InputError as error:
                notes.append(f"fold {fold}: thresholds and calibration were not chosen ({error})")
        splits.append(Split(fold, train, test, inner))
    return splits, notes


def why_too_few(sample: Sample, splits: Sequence[Split]) -> str | None:
    """Say why no figure under these folds is to be shown, for want of sites; None if there is none.

    Each class needs `FEWEST_OF_CLASS` sites among those tested in all folds together, and among
    those that the detector of each fold learns from.
    """
    tested = _fewest(sample, np.concatenate([split.test for split in splits]))
    trained = [_fewest(sample, sample.learned(split.train)) for split in splits]
    for verb, (count, name) in (("tested on", tested), ("trained on", min(trained))):
        if count < FEWEST_OF_CLASS:
            return (
                f"{verb} {count or 'no'} {'site' if count == 1 else 'sites'} with {name}: a figure "
                f"to show needs {FEWEST_OF_CLASS} or more of each class; hold out another region, "
                "or fewer and larger parts"
            )
    return None


def _fewest(sample: Sample, rows: IntArray) -> tuple[int, str]:
    n_mining = int(sample.labels.iloc[rows].sum())
    return min((n_mining, "mining"), (len(rows) - n_mining, "no mining"))


def _inner_splits(
    sample: Sample, splitter: Splitter, train: IntArray, n_inner: int
) -> tuple[Rows, ...]:
    sites, labels = sample.sites.iloc[train], sample.labels.iloc[train]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeakingSplitWarning)  # it was said of the outer folds
        found = list(splitter.inner(n_inner).split(sites, labels))
    return tuple(
        (train[some], train[others]) for some, others in found if labels.iloc[some].nunique() == 2
    )


def score_folds(
    name: str,
    detector: Detector,
    sample: Sample,
    splits: list[Split],
    settings: EvaluationSettings,
    told: Callable[[], None],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score the test sites of every fold by a detector that learned from the others.

    Parameters
    ----------
    told
        Called after each fold.

    Returns
    -------
    predictions
        `model`, `site_id`, `fold`, `label`, `score`, `probability`, `nearest_train_m`, and
        ``at_<threshold>``: whether the probability is that threshold or more.
    thresholds
        `model`, `fold`, `threshold` (name), `value` (probability), `calibration` (JSON values).
    """
    runner = make_runner(detector, sample)
    predictions, thresholds = [], []
    for split in splits:
        fold = runner(split.train)
        score = fold.score(split.test)
        inner = np.full(len(sample.labels), np.nan)
        for train, test in split.inner:
            inner[test] = fold.score_inside(train, test)
        is_mining = sample.labels.to_numpy() == 1
        calibration = fit_calibration(
            inner[split.train], is_mining[split.train], settings.calibration
        )
        chosen = choose_thresholds(
            calibration.apply(inner[split.train]),
            is_mining[split.train],
            sensitivity=settings.sensitivity,
            specificity=settings.specificity,
        )
        table = _predictions(name, sample, split, score)
        table["probability"] = calibration.apply(score)
        for threshold in THRESHOLD_NAMES:
            table[f"at_{threshold}"] = _decide(
                table["probability"].to_numpy(), chosen.get(threshold)
            )
        predictions.append(table)
        described = describe_calibration(calibration)
        thresholds += [
            {
                "model": name,
                "fold": split.fold,
                "threshold": key,
                "value": value,
                "calibration": described["method"],
                "slope": described["slope"],
                "intercept": described["intercept"],
            }
            for key, value in chosen.items()
        ]
        told()
    columns = ["model", "fold", "threshold", "value", "calibration", "slope", "intercept"]
    return pd.concat(predictions, ignore_index=True), pd.DataFrame(thresholds, columns=columns)


def score_rows(detector: Detector, sample: Sample, rows: Sequence[Rows]) -> list[FloatArray]:
    """Train a fresh copy on the first rows of each pair and score the second: P(mining)."""
    runner = make_runner(detector, sample)
    return [runner(train).score(test) for train, test in rows]


def _decide(probability: FloatArray, threshold: float | None) -> pd.Series:
    known = np.isfinite(probability) & (threshold is not None)
    decided = pd.Series(
        probability >= (np.inf if threshold is None else threshold), dtype="boolean"
    )
    return decided.where(known, pd.NA)


def _predictions(name: str, sample: Sample, split: Split, score: FloatArray) -> pd.DataFrame:
    sites = sample.sites.iloc[split.test]
    places = sample.places
    return pd.DataFrame(
        {
            "model": name,
            "site_id": sites.index.astype("str"),
            "fold": split.fold,
            "label": sample.labels.iloc[split.test].to_numpy(),
            "score": score,
            "nearest_train_m": distance_to_train(places, sample.learned(split.train), split.test),
            "longitude": places[split.test, 0],
            "latitude": places[split.test, 1],
        }
    )
