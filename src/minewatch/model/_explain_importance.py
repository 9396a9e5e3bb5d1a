"""What a detector looks at: how much worse it ranks sites when a part of them is shuffled."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd
import xarray as xr

from minewatch.model._channels import channel_groups
from minewatch.model._evaluate_folds import Sample
from minewatch.model._evaluate_tables import Resampling
from minewatch.model._explain_folds import FittedFold, score_mining
from minewatch.model._metrics import rank_scores
from minewatch.types import AnyArray, FloatArray, IntArray

PartKind = Literal["band", "bands", "layer", "context"]
"""One band, a group of bands, a layer of the context table, all of the context table."""
BAND_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "RGB": ("B02", "B03", "B04"),
    "red edge": ("B05", "B06", "B07"),
    "NIR": ("B08", "B8A"),
    "SWIR": ("B11", "B12"),
    "atmosphere": ("B01", "B09", "B10"),
}
"""Groups of bands that tell of the same thing; those of the atmosphere have pixels of 60 m."""
_NEAREST: Final = "_nearest_m"


@dataclass(frozen=True)
class Part:
    """A part of what a detector sees, that is shuffled as one."""

    kind: PartKind
    name: str
    bands: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def context_layers(columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Sort the columns of a context table by the layer that they measure.

    Layers are told by their column of distances, ``highway_nearest_m``; what belongs to none is
    put under ``other``.

    Examples
    --------
    >>> context_layers(["highway_nearest_m", "highway_500m_count", "edge_m"])
    {'highway': ('highway_nearest_m', 'highway_500m_count'), 'other': ('edge_m',)}
    """
    names = [str(column) for column in columns]
    layers = [name.removesuffix(_NEAREST) for name in names if name.endswith(_NEAREST)]
    longest_first = sorted(layers, key=len, reverse=True)
    found: dict[str, list[str]] = {layer: [] for layer in layers}
    for name in names:
        owner = next((one for one in longest_first if name.startswith(f"{one}_")), "other")
        found.setdefault(owner, []).append(name)
    return {layer: tuple(members) for layer, members in found.items()}


def list_parts(
    bands: Sequence[str], context: pd.DataFrame | None, *, single_bands: bool
) -> list[Part]:
    """List what can be shuffled: groups of bands, single bands, layers of context, all of it."""
    parts = []
    for name, members in BAND_GROUPS.items():
        there = tuple(band for band in bands if band in members)
        if there:
            parts.append(Part("bands", name, bands=there))
    for name, members in channel_groups(bands).items():
        parts.append(Part("bands", name, bands=members))
    if single_bands:
        parts += [Part("band", band, bands=(band,)) for band in bands]
    if context is not None:
        columns = tuple(str(name) for name in context.columns)
        parts += [
            Part("layer", layer, columns=members)
            for layer, members in context_layers(columns).items()
        ]
        parts.append(Part("context", "all of it", columns=columns))
    return parts


def measure_importance(
    folds: Sequence[FittedFold],
    sample: Sample,
    scores: pd.DataFrame,
    parts: Sequence[Part],
    resampling: Resampling,
    *,
    n_repeats: int,
    random_state: int,
    told: Callable[[], None],
) -> pd.DataFrame:
    """Measure by how much the area under the ROC curve falls when a part is shuffled.

    Within the test sites of each fold a part is dealt out anew, whole patches of it, so that its
    values stay what they are but no longer belong to their site [1]_; the detector is not trained
    again. A part that others can stand in for seems to matter less than it does.

    Parameters
    ----------
    scores
        As from `held_out_scores`.
    n_repeats
        How often each part is shuffled; the area is the mean.
    told
        Called after each part.

    Returns
    -------
    DataFrame
        One row for each part: `kind`, `part`, `members`, `roc_auc` (whole), `roc_auc_without`,
        `drop` with `drop_low` and `drop_high`, `n_sites`, `n_blocks`, `n_repeats`.

    References
    ----------
    .. [1] Fisher, A., Rudin, C., Dominici, F. (2019). All models are wrong, but many are useful:
       learning a variable's importance by studying an entire class of prediction models
       simultaneously. Journal of Machine Learning Research 20 (177), 1–81.
    """
    known = scores["score"].notna().to_numpy()
    base = scores[known]
    whole = _areas(base, base["score"].to_numpy(), resampling)
    n_scarce = resampling.scored(base).n_scarce
    rows = []
    for number, part in enumerate(parts):
        random = np.random.default_rng([random_state, number])
        areas = np.zeros_like(whole)
        for _ in range(n_repeats):
            shuffled = np.concatenate(list(_shuffled_scores(folds, sample, part, random)))[known]
            kept = np.where(np.isnan(shuffled), base["score"].to_numpy(), shuffled)
            areas += _areas(base, kept, resampling) / n_repeats
        drop = whole - areas
        low, high = resampling.difference(float(drop[0]), drop[1:], n_scarce)
        rows.append(
            {
                "kind": part.kind,
                "part": part.name,
                "members": ", ".join(part.bands or part.columns),
                "roc_auc": float(whole[0]),
                "roc_auc_without": float(areas[0]),
                "drop": float(drop[0]),
                "drop_low": low,
                "drop_high": high,
                "n_sites": len(base),
                "n_blocks": int(base["block"].nunique()),
                "n_repeats": n_repeats,
            }
        )
        told()
    return pd.DataFrame(rows)


def _areas(rows: pd.DataFrame, score: FloatArray, resampling: Resampling) -> FloatArray:
    """Give the area under the ROC curve and its replicates: (1 + resample,)."""
    scored = resampling.scored(rows.assign(score=score))
    return rank_scores(scored, resampling.weights)[:, 0]


def _shuffled_scores(
    folds: Sequence[FittedFold], sample: Sample, part: Part, random: np.random.Generator
) -> Iterator[FloatArray]:
    for fold in folds:
        order = random.permutation(len(fold.test))
        pixels = sample.pixels.isel(site=fold.test)
        context = sample.context
        if part.bands:
            pixels = _shuffle_bands(pixels, part.bands, order)
        if part.columns and context is not None:
            context = _shuffle_columns(context.loc[sample.labels.index[fold.test]], part, order)
        yield score_mining(fold.detector, pixels, context)


def _shuffle_bands(pixels: xr.DataArray, bands: Sequence[str], order: IntArray) -> xr.DataArray:
    names = [str(name) for name in pixels["band"].to_numpy()]
    positions = [names.index(band) for band in bands]
    values: AnyArray = pixels.to_numpy().copy()
    values[:, positions] = values[order][:, positions]
    return pixels.copy(data=values)


def _shuffle_columns(context: pd.DataFrame, part: Part, order: IntArray) -> pd.DataFrame:
    shuffled = context.copy()
    for column in part.columns:
        shuffled[column] = context[column].iloc[order].set_axis(context.index)
    return shuffled
