"""What a detector owes to each part of what it is given: train without it, on the same folds."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from pydantic import Field

from minewatch import __version__
from minewatch._progress import Progress, silent
from minewatch.errors import InputError, MinewatchWarning
from minewatch.model._blocks import Splitter
from minewatch.model._blocks_table import describe_folds
from minewatch.model._channels import without_each
from minewatch.model._detector import Detector, centre
from minewatch.model._evaluate_folds import (
    GivenContext,
    Sample,
    Split,
    plan_splits,
    read_sample,
    score_rows,
)
from minewatch.model._evaluate_tables import Resampling
from minewatch.model._evaluation import EvaluationSettings, Share
from minewatch.model._explain_importance import context_layers
from minewatch.model._metrics import RANKING, rank_scores
from minewatch.model._onnx import OnnxDetector
from minewatch.model._training import Sampling
from minewatch.patches import PatchDataset
from minewatch.types import FloatArray, IntArray, Settings

FULL: Final = "full"
"""The variant that all others are compared with."""
_BAND_SETS: Final = (
    ("RGB", ("B02", "B03", "B04")),
    ("RGB, NIR", ("B02", "B03", "B04", "B08", "B8A")),
    ("RGB, NIR, SWIR", ("B02", "B03", "B04", "B08", "B8A", "B11", "B12")),
)
_SIZES_PX: Final = (24, 48, 96, 256)
_MIN_NEGATIVES: Final = 10
_METRICS: Final = ("roc_auc", "average_precision")


class AblationWarning(MinewatchWarning):
    """A variant could not be trained, and is left out of the table."""


class AblationSettings(Settings):
    """Which parts are left out."""

    bands: bool = True
    """Train on RGB, with NIR, with SWIR, and on all bands."""
    layers: bool = True
    """Train without context, without each layer of it, and without the earlier date."""
    sizes_px: tuple[int, ...] = _SIZES_PX
    """Sides of the patches' middle that are trained on, where the patches are larger."""
    negatives_column: str | None = None
    """A column of the sites that says where those without mining come from (``source``) or what
    they show (``cover``): each of its values is trained on as the only ones without mining, and all
    are tested on. None to leave that out."""
    flip_shares: tuple[Share, ...] = (0.05, 0.1, 0.2)
    """Shares of the training labels, of each class, that are turned round."""
    sampling: Sampling = "all"
    """Which training sites are learned from, as in `EvaluationSettings`."""
    n_resamples: int = Field(default=1000, ge=100)
    """How often blocks are drawn with replacement for the intervals."""
    confidence: Share = 0.95
    """Share of intervals that should hold the truth."""


DEFAULT_ABLATIONS: Final = AblationSettings()


@dataclass(frozen=True, eq=False)
class Ablations:
    """What a detector owes to each part.

    Attributes
    ----------
    table
        One row for each variant: `group` (``full``, ``context``, ``channels``, ``bands``, ``size``,
        ``negatives``, ``labels``), `variant`, `roc_auc`, `average_precision` and the differences
        `roc_auc_change`, `average_precision_change` (variant minus full), each with ``_low`` and
        ``_high``; `n_bands`, `size_px`, `n_context` (columns), `n_train` (training sites, mean over
        folds), `n_sites`, `n_blocks`.
    scores
        `group`, `variant`, `site_id`, `fold`, `block`, `label`, `score`.
    header
        JSON values: detector, splitter, dataset and digest, settings, and what was left out.
    """

    table: pd.DataFrame
    scores: pd.DataFrame
    header: Mapping[str, Any]


@dataclass(frozen=True)
class Variant:
    """What a detector is given less of."""

    group: str
    name: str
    bands: tuple[str, ...] | None = None
    """Bands kept; None for all."""
    columns: tuple[str, ...] | None = None
    """Columns of context kept; None for all, empty for no context."""
    size_px: int | None = None
    """Side of the middle kept; None for whole patches."""
    negatives: str | None = None
    """The only kind of sites without mining that is trained on; None for all."""
    flip_share: float = 0.0
    """Share of the training labels that is turned round."""


def run_ablations(
    detector: Detector,
    dataset: PatchDataset,
    *,
    splitter: Splitter,
    context: GivenContext = None,
    settings: AblationSettings = DEFAULT_ABLATIONS,
    random_state: int = 0,
    progress: Progress = silent,
) -> Ablations:
    """Train a detector again and again, each time with less, and compare it with the full one.

    Every variant is trained and tested on the same folds as the full detector, and its difference
    to that comes from the same resamples of blocks. What is left out can be stood in for by what is
    left, so the differences do not add up.

    Parameters
    ----------
    detector
        A detector that is not trained yet; each fold of each variant trains a fresh copy.
    dataset
        Patches with labels.
    splitter
        How sites are held out.
    context
        The context table, index site_id; None for none. The full detector is given all of it.
    settings
        Which parts are left out.
    random_state
        Seed of the resamples and of the labels that are turned round.
    progress
        Told of variants done.

    Returns
    -------
    Ablations

    Raises
    ------
    InputError
        If the detector is a saved one, a class is missing, or there is no such column.

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
    ...         f"{folder}/d", sites, valley.pixels(sites), bands="l2a-12", level="L2A"
    ...     )
    ...     found = run_ablations(
    ...         NullDetector("mean colour"), dataset, splitter=BlockKFold(3, block_m=8_000),
    ...         settings=AblationSettings(flip_shares=(0.2,)),
    ...     )
    >>> found.table[["group", "variant", "n_bands", "size_px"]].to_numpy().tolist()[:4]
    [['full', 'full', 12, 48], ['bands', 'RGB', 3, 48], ['bands', 'RGB, NIR', 5, 48], \
['bands', 'RGB, NIR, SWIR', 7, 48]]
    """
    if isinstance(detector, OnnxDetector):
        raise InputError(
            f"detector {detector.card.name} is a saved one and cannot be trained with less; give "
            "one that is not trained yet"
        )
    sample = read_sample(
        dataset,
        context,
        None,
        splitter=splitter,
        sampling=settings.sampling,
        random_state=random_state,
    )
    splits, _ = plan_splits(sample, splitter, 0)
    blocks = splitter.blocks(sample.sites)
    variants = list(_variants(sample, settings))
    parts: list[pd.DataFrame] = []
    facts: list[dict[str, object]] = []
    left_out: list[str] = []
    for done, variant in enumerate(variants):
        progress("ablate", done, len(variants))
        try:
            scores, n_train = _score(detector, sample, splits, variant, settings, random_state)
        except InputError as error:
            if variant.group == FULL:
                raise
            left_out.append(f"{variant.name}: {error}")
            warnings.warn(f"without {variant.name}: {error}", AblationWarning, stacklevel=2)
            continue
        block = blocks.loc[scores["site_id"]].to_numpy()
        parts.append(scores.assign(group=variant.group, variant=variant.name, block=block))
        facts.append(_facts(sample, variant) | {"n_train": n_train})
    progress("ablate", len(variants), len(variants))
    scores = pd.concat(parts, ignore_index=True)
    return Ablations(
        table=_tabulate(scores, facts, settings, random_state),
        scores=scores[["group", "variant", "site_id", "fold", "block", "label", "score"]],
        header=_header(detector, dataset, sample, splitter, settings, random_state)
        | {"left_out": left_out},
    )


def _variants(sample: Sample, settings: AblationSettings) -> Iterator[Variant]:
    yield Variant(FULL, FULL)
    if settings.layers and sample.context is not None:
        columns = tuple(str(name) for name in sample.context.columns)
        yield Variant("context", "no context", columns=())
        layers = context_layers(columns)
        for layer, members in layers.items() if len(layers) > 1 else ():
            kept = tuple(name for name in columns if name not in members)
            yield Variant("context", f"no {layer}", columns=kept)
    names = [str(name) for name in sample.pixels["band"].to_numpy()]
    for name, kept in without_each(names) if settings.layers else ():
        yield Variant("channels", name, bands=kept)
    if settings.bands:
        yield from _band_variants(names)
    whole = int(min(sample.pixels.shape[2:]))
    for size in settings.sizes_px:
        if size < whole:
            yield Variant("size", f"middle {size} px", size_px=size)
    if settings.negatives_column is not None:
        yield from _negative_variants(sample, settings.negatives_column)
    for share in settings.flip_shares:
        yield Variant("labels", f"{100 * share:g} % of labels wrong", flip_share=share)


def _band_variants(names: Sequence[str]) -> Iterator[Variant]:
    seen = {tuple(names)}
    for name, members in _BAND_SETS:
        kept = tuple(band for band in names if band in members)
        if kept and kept not in seen:
            seen.add(kept)
            yield Variant("bands", name, bands=kept)


def _negative_variants(sample: Sample, column: str) -> Iterator[Variant]:
    if column not in sample.sites.columns:
        raise InputError(
            f"the sites have no column {column!r} (they have "
            f"{', '.join(map(str, sample.sites.columns))}); name one that says where sites without "
            "mining come from"
        )
    kinds = sample.sites.loc[sample.labels == 0, column].dropna().astype("str").value_counts()
    if len(kinds) > 1:
        for kind in sorted(kinds.index[kinds >= _MIN_NEGATIVES]):
            yield Variant("negatives", f"only {kind}", negatives=str(kind))


def _score(
    detector: Detector,
    sample: Sample,
    splits: Sequence[Split],
    variant: Variant,
    settings: AblationSettings,
    random_state: int,
) -> tuple[pd.DataFrame, float]:
    """Train and test one variant; give the scores, and how many sites it learned from."""
    seen = _reduce(sample, variant)
    random = np.random.default_rng([random_state, round(1000 * variant.flip_share)])
    learned = replace(seen, labels=_flip(seen.labels, variant.flip_share, random))
    rows = [(_kept_rows(sample, split.train, variant, settings), split.test) for split in splits]
    parts = [
        pd.DataFrame(
            {
                "site_id": sample.labels.index[split.test].astype("str"),
                "fold": split.fold,
                "label": sample.labels.iloc[split.test].to_numpy(),
                "score": score,
            }
        )
        for split, score in zip(splits, score_rows(detector, learned, rows), strict=True)
    ]
    n_train = float(np.mean([len(learned.learned(train)) for train, _ in rows]))
    return pd.concat(parts, ignore_index=True), n_train


def _reduce(sample: Sample, variant: Variant) -> Sample:
    """Give the sample as a variant sees it."""
    pixels, context = sample.pixels, sample.context
    if variant.bands is not None:
        pixels = pixels.sel(band=list(variant.bands))
    if variant.size_px is not None:
        smaller = pixels[:, :, : variant.size_px, : variant.size_px]
        pixels = smaller.copy(data=centre(pixels.to_numpy(), variant.size_px))
    if variant.columns is not None and context is not None:
        context = context[list(variant.columns)] if variant.columns else None
    return replace(sample, pixels=pixels, context=context)


def _kept_rows(
    sample: Sample, train: IntArray, variant: Variant, settings: AblationSettings
) -> IntArray:
    if variant.negatives is None:
        return train
    kinds = sample.sites[settings.negatives_column].astype("str").iloc[train]
    mining = sample.labels.iloc[train].to_numpy() == 1
    kept: IntArray = train[mining | (kinds == variant.negatives).to_numpy()]
    return kept


def _flip(labels: pd.Series, share: float, random: np.random.Generator) -> pd.Series:
    """Turn a share of the labels of each class round."""
    if share == 0:
        return labels
    flipped = labels.copy()
    for kind in (0, 1):
        rows = np.flatnonzero(labels.to_numpy() == kind)
        turned = random.choice(rows, size=round(share * len(rows)), replace=False)
        flipped.iloc[turned] = 1 - kind
    return flipped


def _facts(sample: Sample, variant: Variant) -> dict[str, object]:
    seen = _reduce(sample, variant)
    return {
        "group": variant.group,
        "variant": variant.name,
        "n_bands": seen.pixels.sizes["band"],
        "size_px": seen.pixels.sizes["y"],
        "n_context": 0 if seen.context is None else seen.context.shape[1],
    }


def _tabulate(
    scores: pd.DataFrame,
    facts: Sequence[Mapping[str, object]],
    settings: AblationSettings,
    random_state: int,
) -> pd.DataFrame:
    resampling = Resampling.of(
        scores,
        EvaluationSettings(n_resamples=settings.n_resamples, confidence=settings.confidence),
        random_state,
    )
    by_name = {
        (str(group), str(name)): rows.set_index("site_id")
        for (group, name), rows in scores.groupby(["group", "variant"], sort=False)
    }
    full = by_name[FULL, FULL]
    rows = []
    for fact in facts:
        variant = by_name[str(fact["group"]), str(fact["variant"])]
        both = (variant["score"].notna() & full["score"].notna()).to_numpy()
        rows.append({**fact, **_figures(variant[both], full[both], resampling)})
    return pd.DataFrame(rows)


def _figures(
    variant: pd.DataFrame, full: pd.DataFrame, resampling: Resampling
) -> dict[str, object]:
    """Measure a variant and its change from the full one, on sites that both scored."""
    scored = resampling.scored(variant)
    here = rank_scores(scored, resampling.weights)
    there = rank_scores(resampling.scored(full), resampling.weights)
    is_same = bool((variant["score"].to_numpy() == full["score"].to_numpy()).all())
    figures: dict[str, object] = {}
    for metric in _METRICS:
        column = RANKING.index(metric)
        values: FloatArray = here[:, column]
        change: FloatArray = values - there[:, column]
        ends = resampling.interval(float(values[0]), values[1:], scored.n_scarce)
        figures |= _with_ends(metric, float(values[0]), ends)
        ends = resampling.difference(float(change[0]), change[1:], scored.n_scarce)
        if is_same:
            ends = 0.0, 0.0
        figures |= _with_ends(f"{metric}_change", float(change[0]), ends)
    return figures | {"n_sites": len(variant), "n_blocks": int(variant["block"].nunique())}


def _with_ends(name: str, value: float, ends: tuple[float, float]) -> dict[str, object]:
    return {name: value, f"{name}_low": ends[0], f"{name}_high": ends[1]}


def _header(
    detector: Detector,
    dataset: PatchDataset,
    sample: Sample,
    splitter: Splitter,
    settings: AblationSettings,
    random_state: int,
) -> dict[str, Any]:
    return {
        "minewatch": __version__,
        "detector": type(detector).__name__,
        "dataset": dataset.path.name,
        "dataset_digest": dataset.header.digest,
        "level": dataset.header.level,
        "n_sites": len(sample.labels),
        "splitter": describe_folds(splitter, sample.sites),
        "settings": settings.model_dump(mode="json"),
        "random_state": random_state,
    }
