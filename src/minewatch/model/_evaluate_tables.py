"""Turn the predictions of an evaluation into its tables of figures, each with an interval."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise

import numpy as np
import pandas as pd

from minewatch.model import _metrics
from minewatch.model._evaluation import EvaluationSettings
from minewatch.model._metrics import Scored
from minewatch.model._metrics_rare import rank_least
from minewatch.model._operating import THRESHOLD_NAMES
from minewatch.types import BoolArray, FloatArray

Key = tuple[str, str, float | None]
"""Figure, threshold (empty if none), prevalence (None: the sample's)."""


@dataclass(frozen=True, eq=False)
class Resampling:
    """How figures of one evaluation are doubted: the same draws of blocks for all of them."""

    blocks: pd.Index
    """Names of the blocks that test sites lie in, sorted."""
    weights: FloatArray
    """``(1 + resample, block)``: first ones for the estimate, then the draws."""
    n_folds: int
    settings: EvaluationSettings

    @classmethod
    def of(
        cls, predictions: pd.DataFrame, settings: EvaluationSettings, random_state: int
    ) -> "Resampling":
        """Draw the blocks of some predictions."""
        blocks = pd.Index(sorted(predictions["block"].unique()))
        drawn = _metrics.draw_resamples(len(blocks), settings.n_resamples, random_state)
        weights = np.concatenate([np.ones((1, len(blocks))), drawn])
        return cls(blocks, weights, int(predictions["fold"].nunique()), settings)

    def interval(self, value: float, replicates: FloatArray, n_scarce: int) -> tuple[float, float]:
        """Give the interval of a figure between 0 and 1."""
        return _metrics.share_interval(
            value,
            replicates,
            n_scarce=n_scarce,
            widen=_metrics.widening(self.n_folds),
            confidence=self.settings.confidence,
        )

    def difference(
        self, value: float, replicates: FloatArray, n_scarce: int
    ) -> tuple[float, float]:
        """Give the interval of a difference of two figures."""
        return _metrics.difference_interval(
            value,
            replicates,
            n_scarce=n_scarce,
            widen=_metrics.widening(self.n_folds),
            confidence=self.settings.confidence,
        )

    def scored(self, rows: pd.DataFrame) -> Scored:
        """Give rows of predictions, all of them scored, as arrays."""
        return Scored(
            is_mining=(rows["label"] == 1).to_numpy(dtype=np.bool_),
            score=rows["score"].to_numpy(dtype=np.float64),
            fold=rows["fold"].to_numpy(dtype=np.int64),
            block=self.blocks.get_indexer(pd.Index(rows["block"])).astype(np.int64),
        )


@dataclass(frozen=True, eq=False)
class Figures:
    """All figures of one model on some sites: estimates and replicates."""

    scored: Scored
    by_key: dict[Key, FloatArray] = field(default_factory=dict)
    """``(1 + resample,)``, the estimate first."""
    least: dict[Key, FloatArray] = field(default_factory=dict)
    """The same with as many false alarms as there may well be, for what rests on few of them."""
    decided: dict[str, Scored] = field(default_factory=dict)
    """By threshold: the sites that were decided, on which its figures rest."""
    n_unscored: int = 0

    def sites(self, threshold: str) -> Scored:
        """Give the sites that figures at a threshold rest on; empty: those that need none."""
        return self.decided[threshold] if threshold else self.scored


def measure(rows: pd.DataFrame, resampling: Resampling) -> Figures:
    """Measure everything about one model's predictions."""
    known = rows[rows["score"].notna()]
    scored = resampling.scored(known)
    settings, weights = resampling.settings, resampling.weights
    figures: dict[Key, FloatArray] = {}
    decided: dict[str, Scored] = {}
    if len(known):
        ranked = _metrics.rank_scores(
            scored, weights, specificity=settings.specificity, prevalences=settings.prevalences
        )
        keys: list[Key] = [(name, "", None) for name in _metrics.RANKING]
        keys += [("average_precision", "", share) for share in settings.prevalences]
        figures |= dict(zip(keys, ranked.T, strict=True))
        error = (known["probability"].to_numpy() - scored.is_mining) ** 2
        brier = _metrics.mean_by_block(error, scored, weights)
        # Of one class alone it praises whoever knows that there is but one.
        both = 0 < scored.is_mining.sum() < len(known)
        figures["brier", "", None] = brier if both else np.full_like(brier, np.nan)
        for threshold in THRESHOLD_NAMES:
            column = known.get(f"at_{threshold}")
            there = None if column is None else column.notna().to_numpy(dtype=np.bool_)
            if column is None or there is None or not there.any():
                continue
            decided[threshold] = scored.part(there)
            values = column[there].to_numpy(dtype=np.bool_)
            figures |= _decisions(decided[threshold], values, threshold, resampling)
    return Figures(scored, figures, decided=decided, n_unscored=len(rows) - len(known))


def with_least(figures: Figures, resampling: Resampling) -> Figures:
    """Measure, besides, average precision where mining is rare if false alarms are many."""
    settings = resampling.settings
    keys: list[Key] = [("average_precision", "", share) for share in settings.prevalences]
    if not keys or not figures.by_key:
        return figures
    least = rank_least(
        figures.scored, resampling.weights, settings.prevalences, settings.confidence
    )
    return replace(figures, least=dict(zip(keys, least.T, strict=True)))


def _decisions(
    scored: Scored, values: BoolArray, threshold: str, resampling: Resampling
) -> dict[Key, FloatArray]:
    counts = _metrics.count_decisions(scored, values, len(resampling.blocks))
    prevalences = resampling.settings.prevalences
    found = _metrics.measure_decisions(resampling.weights @ counts, prevalences)
    figures: dict[Key, FloatArray] = {}
    for name, value in found.items():
        metric, _, prevalence = name.partition("@")
        figures[metric, threshold, float(prevalence) if prevalence else None] = value
    return figures


def metrics_table(
    predictions: pd.DataFrame, resampling: Resampling
) -> tuple[pd.DataFrame, dict[str, Figures]]:
    """Tabulate the figures of all models, and keep them for the differences."""
    measured = {
        str(name): with_least(measure(rows, resampling), resampling)
        for name, rows in predictions.groupby("model", sort=False)
    }
    rows = [row for name, figures in measured.items() for row in _rows(name, figures, resampling)]
    return pd.DataFrame(rows), measured


def _rows(name: str, figures: Figures, resampling: Resampling) -> Iterator[dict[str, object]]:
    for key, values in figures.by_key.items():
        metric, threshold, prevalence = key
        scored = figures.sites(threshold)
        low, high, _ = _interval(figures, key, resampling)
        yield {
            "model": name,
            "metric": metric,
            "threshold": threshold,
            "prevalence": np.nan if prevalence is None else prevalence,
            "value": float(values[0]),
            "low": low,
            "high": high,
            "n_sites": len(scored.score),
            "n_mining": int(scored.is_mining.sum()),
            "n_blocks": int(np.unique(scored.block).size),
            "n_unscored": figures.n_unscored,
        }


def _interval(figures: Figures, key: Key, resampling: Resampling) -> tuple[float, float, bool]:
    """Give a figure's interval, and whether resampling alone would have put its low end higher."""
    metric, threshold, prevalence = key
    values, scored = figures.by_key[key], figures.sites(threshold)
    n_blocks = _blocks_of(scored, metric)
    low, high = resampling.interval(float(values[0]), values[1:], n_blocks)
    least = low
    if key in figures.least:
        floor = figures.least[key]
        least, _ = resampling.interval(float(floor[0]), floor[1:], n_blocks)
    elif metric == "precision" and prevalence is not None and values[0] == 1.0:
        least = _least_precision(figures, threshold, prevalence, resampling)
    return (least, high, True) if least < low else (low, high, False)


def _least_precision(
    figures: Figures, threshold: str, prevalence: float, resampling: Resampling
) -> float:
    """Give the low end of precision where no site without mining was taken for mining.

    A few sites without a false alarm do not show that there is none among the many where mining is
    rare: precision follows from the low end of specificity.
    """
    specificity = figures.by_key["specificity", threshold, None]
    n_blocks = _blocks_of(figures.sites(threshold), "specificity")
    least, _ = resampling.interval(float(specificity[0]), specificity[1:], n_blocks)
    hits = float(figures.by_key["sensitivity", threshold, None][0]) * prevalence
    return hits / (hits + (1.0 - least) * (1.0 - prevalence))


def differences_table(
    predictions: pd.DataFrame,
    measured: Mapping[str, Figures],
    resampling: Resampling,
    n_detectors: int,
) -> pd.DataFrame:
    """Tabulate differences: every two detectors, and every detector and null model."""
    names = list(measured)
    by_model = {str(name): rows for name, rows in predictions.groupby("model", sort=False)}
    rows = []
    for one, other in combinations(range(len(names)), 2):
        if one < n_detectors:
            pair = names[one], names[other]
            rows += _differences(pair, by_model, measured, resampling)
    columns = ["model", "other", "metric", "threshold", "prevalence", "value", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "n_sites"])


def _differences(
    pair: tuple[str, str],
    by_model: Mapping[str, pd.DataFrame],
    measured: Mapping[str, Figures],
    resampling: Resampling,
) -> list[dict[str, object]]:
    one, other = (measured[name] for name in pair)
    if not _on_same_sites(one, other):
        first, second = _shared(*(by_model[name] for name in pair))
        one, other = (with_least(measure(rows, resampling), resampling) for rows in (first, second))
    rows = []
    for key in one.by_key.keys() & other.by_key.keys():
        difference = one.by_key[key] - other.by_key[key]
        value = float(difference[0])
        low, high = _difference_interval(one, other, key, resampling)
        rows.append(
            {
                "model": pair[0],
                "other": pair[1],
                "metric": key[0],
                "threshold": key[1],
                "prevalence": np.nan if key[2] is None else key[2],
                "value": value,
                "low": low,
                "high": high,
                "n_sites": len(one.sites(key[1]).score),
            }
        )
    order = {key: i for i, key in enumerate(one.by_key)}
    return sorted(rows, key=lambda row: order[_key(row)])


def _on_same_sites(one: Figures, other: Figures) -> bool:
    sizes = [
        {threshold: len(scored.score) for threshold, scored in figures.decided.items()}
        for figures in (one, other)
    ]
    whole = {len(figures.scored.score) for figures in (one, other)}
    return (
        not one.n_unscored
        and not other.n_unscored
        and whole.union(*(size.values() for size in sizes)) == whole
    )


def _shared(*models: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Give what all models scored, with the decisions that all made."""
    indexed = [rows.set_index(["site_id", "fold"]) for rows in models]
    indexed = [rows.reindex(indexed[0].index) for rows in indexed]
    scored = np.logical_and.reduce([rows["score"].notna() for rows in indexed])
    for rows in indexed:
        columns = {}
        for name in rows.columns[rows.columns.str.startswith("at_")]:
            decided = [one[name].notna() for one in indexed if name in one]
            columns[name] = rows[name].where(np.logical_and.reduce(decided))
        yield rows.assign(**columns)[scored].reset_index()


def _difference_interval(
    one: Figures, other: Figures, key: Key, resampling: Resampling
) -> tuple[float, float]:
    """Give the interval of a difference.

    Where resampling cannot see how many false alarms there may be, the draws say nothing of the
    pair either: the interval then reaches from the low end of one to the high end of the other.
    """
    difference = one.by_key[key] - other.by_key[key]
    if key[2] is not None:
        first, second = (_interval(figures, key, resampling) for figures in (one, other))
        if first[2] or second[2]:
            return first[0] - second[1], first[1] - second[0]
    n_scarce = one.sites(key[1]).n_scarce
    return resampling.difference(float(difference[0]), difference[1:], n_scarce)


def _key(row: Mapping[str, object]) -> Key:
    prevalence = float(str(row["prevalence"]))
    return (
        str(row["metric"]),
        str(row["threshold"]),
        None if np.isnan(prevalence) else prevalence,
    )


def calibration_tables(predictions: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    """Tabulate calibration by model and tenth of probability."""
    parts = []
    for name, rows in predictions.groupby("model", sort=False):
        known = rows[rows["score"].notna()]
        table = _metrics.calibration_table(
            known["probability"].to_numpy(dtype=np.float64),
            resampling.scored(known),
            resampling.weights[1:],
            resampling.interval,
        )
        parts.append(table.assign(model=name))
    table = pd.concat(parts, ignore_index=True)
    return table[["model", *table.columns.drop("model")]]


def distance_table(predictions: pd.DataFrame, resampling: Resampling) -> pd.DataFrame:
    """Tabulate figures by distance to the nearest training site."""
    edges = np.append(resampling.settings.distance_edges_m, np.inf)
    distance = predictions["nearest_train_m"].to_numpy(dtype=np.float64)
    rows = []
    for low, high in pairwise(edges):
        inside = (distance >= low) & (distance < high)
        part = part_rows(predictions, inside, resampling)
        rows += [{"from_m": low, "to_m": high, **row} for row in part]
    columns = ["model", "from_m", "to_m", *PART_COLUMNS]
    return pd.DataFrame(rows, columns=columns)


PART_COLUMNS = (
    "n_sites", "n_mining", "n_blocks", "roc_auc", "roc_auc_low", "roc_auc_high", "sensitivity",
    "sensitivity_low", "sensitivity_high", "specificity", "specificity_low", "specificity_high",
)  # fmt: skip
"""What is told of a part of the sites; sensitivity and specificity at the threshold ``f1``."""
_PART_KEYS: tuple[Key, ...] = (
    ("roc_auc", "", None),
    ("sensitivity", "f1", None),
    ("specificity", "f1", None),
)


def part_rows(
    predictions: pd.DataFrame, inside: BoolArray, resampling: Resampling
) -> Iterator[dict[str, object]]:
    """Measure each model on a part of the predictions; none if no site is in it."""
    for name, rows in predictions[inside].groupby("model", sort=False):
        figures = measure(rows, resampling)
        scored = figures.scored
        row: dict[str, object] = {
            "model": name,
            "n_sites": len(scored.score),
            "n_mining": int(scored.is_mining.sum()),
            "n_blocks": int(np.unique(scored.block).size),
        }
        for key in _PART_KEYS:
            values = figures.by_key.get(key, np.full(1, np.nan))
            # Sensitivity and specificity are of one class, so its blocks alone count.
            on = figures.sites(key[1]) if key in figures.by_key else scored
            n_blocks = _blocks_of(on, key[0])
            low, high = resampling.interval(float(values[0]), values[1:], n_blocks)
            row |= {key[0]: float(values[0]), f"{key[0]}_low": low, f"{key[0]}_high": high}
        yield row


def _blocks_of(scored: Scored, metric: str) -> int:
    if metric == "sensitivity":
        return int(np.unique(scored.block[scored.is_mining]).size)
    if metric == "specificity":
        return int(np.unique(scored.block[~scored.is_mining]).size)
    return scored.n_scarce
