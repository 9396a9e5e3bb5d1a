"""Explain a detector by sites that were held out: what it looks at, where, and when it errs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import Field

from minewatch import __version__
from minewatch._progress import Progress, silent
from minewatch.model._blocks import Splitter
from minewatch.model._blocks_table import describe_folds
from minewatch.model._detector import Detector
from minewatch.model._evaluate_folds import GivenContext, Sample, plan_splits, read_sample
from minewatch.model._evaluate_tables import Resampling
from minewatch.model._evaluation import EvaluationSettings, Share
from minewatch.model._explain_folds import FittedFold, fit_folds, held_out_scores
from minewatch.model._explain_gradients import map_gradients
from minewatch.model._explain_importance import list_parts, measure_importance
from minewatch.model._explain_maps import Fill, Values, background_fill, map_patches
from minewatch.model._explain_pictures import choose_composite, find_stretch, picture_patches
from minewatch.model._onnx import OnnxDetector
from minewatch.model._own_sites import describe_own_sites
from minewatch.model._training import Sampling
from minewatch.patches import PatchDataset
from minewatch.types import Settings

KINDS: Final = (
    "mining, scored highest",
    "mining, scored lowest",
    "no mining, scored lowest",
    "no mining, scored highest",
)
"""Patches that are shown: right, wrong, right, wrong."""


class ExplainSettings(Settings):
    """How a detector is explained."""

    n_repeats: int = Field(default=3, ge=1)
    """How often each part is shuffled."""
    single_bands: bool = True
    """Whether bands are shuffled one by one too, not in groups alone."""
    n_patches: int = Field(default=4, ge=0)
    """Patches shown of each kind: right and wrong, of each class."""
    square_px: int = Field(default=8, ge=1)
    """Side of the squares that are hidden, pixels."""
    stride_px: int = Field(default=4, ge=1)
    """Step from one square to the next, pixels."""
    fill: Fill = "patch median"
    """What hides a square: the patch's own median by band, or that of training patches without
    mining (of all patches without mining for a saved detector)."""
    fine_px: int = Field(default=4, ge=0)
    """Side of the squares of the fine map, pixels (`map_gradients`); 0 for no fine map."""
    n_resamples: int = Field(default=1000, ge=100)
    """How often blocks are drawn with replacement for the intervals."""
    confidence: Share = 0.95
    """Share of intervals that should hold the truth."""
    bands: tuple[str, ...] | None = None
    """The bands that the detector is given; None for all."""
    sampling: Sampling = "all"
    """Which training sites are learned from, as in `EvaluationSettings`."""


Chooser = Callable[[str], tuple[Detector, Values | None]]
DEFAULT_EXPLAIN: Final = ExplainSettings()


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a detector looks at, where, and when it errs.

    Attributes
    ----------
    scores
        Each site by the detector that did not learn from it: `site_id`, `fold`, `block`, `label`,
        `score`.
    importance
        As from `measure_importance`: by how much the area under the ROC curve falls when a part of
        what the detector sees is shuffled.
    chosen
        Patches shown: `site_id`, `kind`, `label`, `score`, `fold`, `longitude`, `latitude`.
    occlusion
        As from `occlude`, for each patch shown.
    gradients
        As from `map_gradients`, for each patch shown; empty if it was not asked for.
    images
        By kind uint8 ``(site, y, x, rgb)``.
    header
        JSON values: settings, splitter, dataset and its digest, notes.
    """

    scores: pd.DataFrame
    importance: pd.DataFrame
    chosen: pd.DataFrame
    occlusion: pd.DataFrame
    gradients: pd.DataFrame
    images: Mapping[str, xr.DataArray]
    header: Mapping[str, Any]


def explain(
    detector: Detector,
    dataset: PatchDataset,
    *,
    splitter: Splitter,
    context: GivenContext = None,
    settings: ExplainSettings = DEFAULT_EXPLAIN,
    random_state: int = 0,
    progress: Progress = silent,
) -> Explanation:
    """Say what a detector looks at, where it looks, and show where it is most right and wrong.

    Everything is asked of detectors about sites that they did not learn from. It says what scores
    rest on, not what causes what: bands go together, and so does what people map.

    Parameters
    ----------
    detector
        A detector, of which each fold trains a fresh copy; or a saved one, which is asked as it is,
        and should not have learned from these patches.
    dataset
        Patches with labels.
    splitter
        How sites are held out, and in which blocks intervals resample them.
    context
        The context table, index site_id, if the detector takes context.
    settings
        Repeats, squares, patches shown.
    random_state
        Seed of the shuffles and resamples; the detector keeps its own.
    progress
        Told of folds, parts and patches done.

    Returns
    -------
    Explanation

    Raises
    ------
    InputError
        If a class is missing, from the dataset or from the training sites of a fold.

    Examples
    --------
    >>> import tempfile
    >>> from minewatch import patches, toy
    >>> from minewatch.model._blocks import BlockKFold
    >>> from minewatch.model._nulls import NullDetector
    >>> valley = toy.Valley(seed=1)
    >>> sites = valley.sites(20, 40)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dataset = patches.write_patches(
    ...         f"{folder}/d", sites, valley.pixels(sites, bands="rgb"), bands="rgb", level="L2A"
    ...     )
    ...     explained = explain(
    ...         NullDetector("mean colour"), dataset, splitter=BlockKFold(3, block_m=8_000),
    ...         settings=ExplainSettings(n_patches=1),
    ...     )
    >>> list(explained.importance["part"])
    ['RGB', 'B04', 'B03', 'B02']
    >>> explained.occlusion.groupby("site_id")["drop"].size().tolist()
    [121, 121, 121, 121]
    """
    sample = read_sample(
        dataset,
        context,
        settings.bands,
        splitter=splitter,
        sampling=settings.sampling,
        random_state=random_state,
    )
    splits, _ = plan_splits(sample, splitter, 0)
    names = [str(name) for name in sample.pixels["band"].to_numpy()]
    parts = list_parts(names, sample.context, single_bands=settings.single_bands)
    n_maps = (2 if settings.fine_px else 1) * len(KINDS) * settings.n_patches
    told = _counter(progress, len(splits) + len(parts) + n_maps)
    folds = fit_folds(detector, sample, splits, told)
    blocks = splitter.blocks(sample.sites)
    scores = held_out_scores(folds, sample, blocks)
    resampling = Resampling.of(
        scores,
        EvaluationSettings(n_resamples=settings.n_resamples, confidence=settings.confidence),
        random_state,
    )
    importance = measure_importance(
        folds,
        sample,
        scores,
        parts,
        resampling,
        n_repeats=settings.n_repeats,
        random_state=random_state,
        told=told,
    )
    chosen = _choose(scores, sample, settings.n_patches)
    choose = _chooser(folds, sample, chosen, settings)
    return Explanation(
        scores=scores.drop(columns="row"),
        importance=importance,
        chosen=chosen,
        occlusion=_occlusion(choose, sample, chosen, settings, told),
        gradients=_gradients(choose, sample, chosen, settings, told),
        images=_pictures(sample, chosen),
        header=_header(detector, dataset, splitter, settings, sample, random_state),
    )


def _counter(progress: Progress, total: int) -> Callable[[], None]:
    done = 0

    def told() -> None:
        nonlocal done
        done += 1
        progress("explain", min(done, total), total)

    progress("explain", 0, total)
    return told


def _choose(scores: pd.DataFrame, sample: Sample, n_patches: int) -> pd.DataFrame:
    """Take the most confidently right and wrong patches of each class; none twice."""
    known = scores[scores["score"].notna()].sort_values(
        ["score", "site_id"], kind="stable", ascending=[False, True]
    )
    parts: list[pd.DataFrame] = []
    taken: set[str] = set()
    for kind in KINDS:
        label = 1 if kind.startswith("mining") else 0
        rows = known[(known["label"] == label) & ~known["site_id"].isin(taken)]
        rows = rows.head(n_patches) if kind.endswith("highest") else rows.tail(n_patches)[::-1]
        taken |= set(rows["site_id"])
        parts.append(rows.assign(kind=kind))
    chosen = pd.concat(parts, ignore_index=True)
    chosen["longitude"] = sample.places[chosen["row"], 0]
    chosen["latitude"] = sample.places[chosen["row"], 1]
    return chosen[["site_id", "kind", "label", "score", "fold", "longitude", "latitude"]]


def _chooser(
    folds: list[FittedFold], sample: Sample, chosen: pd.DataFrame, settings: ExplainSettings
) -> Chooser:
    """Give what chooses for a site the detector that did not learn from it, and what hides."""
    by_fold = {fold.fold: fold for fold in folds}
    fold_of = dict(zip(chosen["site_id"], chosen["fold"], strict=True))

    def choose(site_id: str) -> tuple[Detector, Values | None]:
        fold = by_fold[fold_of[site_id]]
        if settings.fill == "patch median":
            return fold.detector, None
        rows = fold.train[sample.labels.to_numpy()[fold.train] == 0]
        return fold.detector, background_fill(sample.pixels.isel(site=rows))

    return choose


def _occlusion(
    choose: Chooser,
    sample: Sample,
    chosen: pd.DataFrame,
    settings: ExplainSettings,
    told: Callable[[], None],
) -> pd.DataFrame:
    if chosen.empty:
        return pd.DataFrame(columns=["site_id", "top_px", "left_px", "square_px", "drop"])
    return map_patches(
        choose,
        sample.pixels.sel(site=list(chosen["site_id"])),
        sample.context,
        square_px=settings.square_px,
        stride_px=settings.stride_px,
        told=told,
    )


def _gradients(
    choose: Chooser,
    sample: Sample,
    chosen: pd.DataFrame,
    settings: ExplainSettings,
    told: Callable[[], None],
) -> pd.DataFrame:
    shown = list(chosen["site_id"]) if settings.fine_px else []
    return map_gradients(
        choose,
        sample.pixels.sel(site=shown),
        sample.context,
        fine_px=settings.fine_px,
        told=told,
    )


def _pictures(sample: Sample, chosen: pd.DataFrame) -> dict[str, xr.DataArray]:
    names = [str(name) for name in sample.pixels["band"].to_numpy()]
    _, bands = choose_composite(names)
    stretch = find_stretch(sample.pixels, bands)
    return {
        str(kind): picture_patches(sample.pixels.sel(site=list(rows["site_id"])), bands, stretch)
        for kind, rows in chosen.groupby("kind", sort=False)
    }


def _header(
    detector: Detector,
    dataset: PatchDataset,
    splitter: Splitter,
    settings: ExplainSettings,
    sample: Sample,
    random_state: int,
) -> dict[str, Any]:
    card = detector.card if isinstance(detector, OnnxDetector) else None
    remembered = describe_own_sites(detector, dataset) if isinstance(detector, OnnxDetector) else ""
    notes = [remembered] if remembered else []
    counts = np.unique(sample.labels, return_counts=True)[1]
    return {
        "minewatch": __version__,
        "detector": card.name if card else type(detector).__name__,
        "is_saved": card is not None,
        "dataset": dataset.path.name,
        "dataset_digest": dataset.header.digest,
        "level": dataset.header.level,
        "size_px": dataset.header.size_px,
        "n_sites": int(counts.sum()),
        "splitter": describe_folds(splitter, sample.sites),
        "settings": settings.model_dump(mode="json"),
        "random_state": random_state,
        "notes": notes,
    }
