"""What an evaluation found: tables, and what made them; written to and read from a folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from minewatch import _store
from minewatch._figures import render_figure
from minewatch.errors import InputError, NotThereError
from minewatch.model._operating import CalibrationName, choose_thresholds
from minewatch.model._training import Sampling
from minewatch.types import Settings, StrPath

HEADER_NAME: Final = "evaluation.json"
FORMAT_VERSION: Final = 1
_PARQUET: Final = frozenset({"predictions", "folds"})
_WORDS: Final = ("model", "other", "metric", "threshold", "calibration")
"""Columns of text, in which nothing stands for the empty text."""
OURS: Final = _store.Ours(HEADER_NAME)

Share = Annotated[float, Field(gt=0, lt=1)]


class EvaluationSettings(Settings):
    """How an evaluation is done, apart from detector, data and folds."""

    n_resamples: int = Field(default=1000, ge=100)
    """How often blocks are drawn with replacement for the intervals."""
    confidence: Share = 0.95
    """Share of intervals that should hold the truth."""
    n_inner: int = Field(default=3, ge=0)
    """Folds inside the training sites, on which thresholds and calibration are chosen; 0 for none:
    then probabilities are the scores, and nothing is decided."""
    calibration: CalibrationName = "platt"
    """How scores become probabilities."""
    sensitivity: Share = 0.9
    """What the threshold ``sensitivity`` should find, of mining sites."""
    specificity: Share = 0.98
    """What the threshold ``specificity`` should let pass, of other sites."""
    prevalences: tuple[Share, ...] = (0.001, 0.01, 0.1)
    """Shares of mining among all places at which precision and average precision are given."""
    distance_edges_m: tuple[float, ...] = (0.0, 1e3, 3e3, 1e4, 3e4, 1e5)
    """Edges of the bins by distance to the nearest training site, metres; the last is open."""
    bands: tuple[str, ...] | None = None
    """The bands that detectors are given; None for all."""
    sampling: Sampling = "all"
    """What is learned from: ``all`` training sites, or an ``equal`` number of both classes, drawn
    anew for each fold. Sites that are scored are never left out, nor those that thresholds and
    calibration are chosen on."""

    @model_validator(mode="after")
    def _edges_rise(self) -> "EvaluationSettings":
        edges = self.distance_edges_m
        if list(edges) != sorted(set(edges)) or not edges or edges[0] != 0:
            raise ValueError(f"distance_edges_m is {edges}; expected rising lengths from 0 on")
        return self


DEFAULT_SETTINGS: Final = EvaluationSettings()


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good detectors are on sites that were held out, with null models beside them.

    Made by `cross_validate`; written by `write_evaluation`, read by `read_evaluation`.

    Attributes
    ----------
    predictions
        One row for each model and test site: `model`, `site_id`, `fold`, `block` (what it was held
        out with), `label` (1, 0), `score` (P(mining) as the model gives it; NaN if none),
        `probability` (after calibration), `nearest_train_m` (metres to the nearest training site;
        NaN if unplaced), `longitude`, `latitude`, and ``at_<threshold>``: whether it is taken for
        mining (<NA> if there was no score or no threshold).
    metrics
        One row for each model and figure: `model`, `metric`, `threshold` (name; empty if none is
        needed), `prevalence` (that precision is given at; NaN: that of the sample), `value`, `low`,
        `high` (NaN if there is no interval), `n_sites`, `n_mining`, `n_blocks` (what the figure
        rests on: at a threshold, the sites that were decided), `n_unscored`.
    differences
        The same for `model` minus `other`, on the sites that both scored (at a threshold: decided),
        by the same resamples. Where these cannot see how many false alarms there may be at a
        `prevalence`, the interval comes from the ends of both.
    thresholds
        Chosen inside the training sites of each fold: `model`, `fold`, `threshold`, `value`, and
        the calibration that made the probability.
    calibration
        By model and tenth of probability: mean probability and share of mining, with interval.
    by_distance
        Figures by distance to the nearest training site: `model`, `from_m`, `to_m`, …
    folds
        `fold_table`: what each site was in each fold.
    header
        JSON values: settings, splitter, dataset and its digests, versions, notes.
    """

    predictions: pd.DataFrame
    metrics: pd.DataFrame
    differences: pd.DataFrame
    thresholds: pd.DataFrame
    calibration: pd.DataFrame
    by_distance: pd.DataFrame
    folds: pd.DataFrame
    header: Mapping[str, Any]

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, detectors before null models."""
        return tuple(self.header["models"])

    @property
    def settings(self) -> EvaluationSettings:
        """The settings."""
        return EvaluationSettings(**self.header["settings"])

    def value(self, model: str, metric: str, threshold: str = "") -> tuple[float, float, float]:
        """Give a figure with the ends of its interval.

        Raises
        ------
        InputError
            If there is no such figure.
        """
        table = self.metrics
        rows = table[
            (table["model"] == model)
            & (table["metric"] == metric)
            & (table["threshold"] == threshold)
            & table["prevalence"].isna()
        ]
        if rows.empty:
            known = ", ".join(sorted(set(table["metric"])))
            raise InputError(
                f"there is no {metric!r} of {model!r} at threshold {threshold!r}; models: "
                f"{', '.join(self.models)}; figures: {known}"
            )
        row = rows.iloc[0]
        return float(row["value"]), float(row["low"]), float(row["high"])

    def score_thresholds(self, model: str) -> dict[str, float]:
        """Choose the scores to decide by, as a card holds them, on all held-out scores of a model.

        Those of the table `thresholds` are calibrated probabilities instead, one for each fold.
        """
        rows = self.predictions[self.predictions["model"] == model]
        found = choose_thresholds(
            rows["score"].to_numpy(dtype=np.float64),
            (rows["label"] == 1).to_numpy(dtype=np.bool_),
            sensitivity=self.settings.sensitivity,
            specificity=self.settings.specificity,
        )
        return {name: min(value, 1.0) for name, value in found.items()}


TABLES: Final = tuple(field.name for field in fields(Evaluation) if field.name != "header")


def write_evaluation(
    evaluation: Evaluation,
    out: StrPath,
    *,
    more: Mapping[str, pd.DataFrame] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write an evaluation: ``evaluation.json``, and its tables.

    Every table is a CSV; predictions and folds, which grow with the sites, are Parquet too. Where
    sites have places, ``folds.png`` and ``folds.svg`` draw the folds.

    Parameters
    ----------
    evaluation
        What was found.
    out
        The folder; must not exist, or be empty, unless `overwrite`.
    more
        Further tables by name, written as CSV: those of `score_by`, `compare_splitters`, …
    overwrite
        Replace an evaluation that lies there.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    AlreadyThereError
        If something is there that may not be replaced.
    """
    folder = Path(out)
    tables = {name: getattr(evaluation, name) for name in TABLES}
    taken = [name for name in more or {} if name in tables]
    if taken:
        raise InputError(f"{', '.join(taken)} is a table of every evaluation; take another name")
    with _store.writing_folder(folder, overwrite=overwrite, ours=OURS) as aside:
        written = []
        for name, table in {**tables, **(more or {})}.items():
            file = _store.file_name(name, ".csv")
            table.to_csv(aside / file, index=False, lineterminator="\n")
            written.append(file)
            if name in _PARQUET:
                table.to_parquet(aside / f"{name}.parquet", index=False)
                written.append(f"{name}.parquet")
        written += _write_figures(evaluation, aside)
        digests = {name: _store.digest_file(aside / name) for name in written}
        header = {"format_version": FORMAT_VERSION, **evaluation.header, "files": digests}
        _store.write_json(aside / HEADER_NAME, header)
    return folder


def _write_figures(evaluation: Evaluation, folder: Path) -> list[str]:
    if evaluation.folds["longitude"].isna().all():
        return []
    from minewatch.model._blocks_draw import draw_folds

    header = evaluation.header
    png, svg = render_figure(
        draw_folds(evaluation.folds, patch_m=header["size_px"] * header["resolution_m"]),
        title="Folds",
        description=f"Where sites are tested, and how far from what trained: {header['splitter']}",
        provenance={key: header[key] for key in ("minewatch", "dataset_digest", "splitter")},
    )
    (folder / "folds.png").write_bytes(png)
    (folder / "folds.svg").write_bytes(svg)
    return ["folds.png", "folds.svg"]


def read_evaluation(path: StrPath) -> Evaluation:
    """Read an evaluation that was written.

    Raises
    ------
    NotThereError
        If the folder holds none.
    InputError
        If it is of another version, or a table is not what was written.
    """
    folder = Path(path)
    if not (folder / HEADER_NAME).is_file():
        raise NotThereError(f"{folder} holds no {HEADER_NAME}; expected a folder of model evaluate")
    try:
        header = json.loads((folder / HEADER_NAME).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{folder / HEADER_NAME} is not readable JSON ({error})") from error
    if not isinstance(header, dict) or header.get("format_version") != FORMAT_VERSION:
        raise InputError(f"{folder / HEADER_NAME} is of another version; evaluate again")
    digests = header.pop("files", {})
    header.pop("format_version")
    return Evaluation(
        **{name: _read_table(folder, name, digests) for name in TABLES}, header=header
    )


def _read_table(folder: Path, name: str, digests: Mapping[str, str]) -> pd.DataFrame:
    file = folder / f"{name}.{'parquet' if name in _PARQUET else 'csv'}"
    if not file.is_file() or _store.digest_file(file) != digests.get(file.name):
        raise InputError(f"{file} is missing or was changed since it was written; evaluate again")
    if name in _PARQUET:
        return pd.read_parquet(file)
    table = pd.read_csv(file, dtype=dict.fromkeys(_WORDS, "str"))
    words = [column for column in _WORDS if column in table.columns]
    return table.assign(**{column: table[column].fillna("") for column in words})
