"""Score a dataset of patches with a detector, and write the scores down."""

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from minewatch import __version__, _store
from minewatch._progress import Progress, silent
from minewatch.errors import InputError
from minewatch.model._applicability_patches import describe_patches
from minewatch.model._detector import Detector, centre, read_pixels
from minewatch.model._onnx import OnnxDetector
from minewatch.model._own_sites import own_sites
from minewatch.model._stacked import channels_of
from minewatch.patches import PatchDataset
from minewatch.types import StrPath

_BLOCK_SITES: Final = 1024
_OF_SITES: Final = ("label", "longitude", "latitude", "start", "end")
_NO_SCORE: Final = "the detector gave no score"
FORMATS: Final = (".parquet", ".csv")


def predict(
    dataset: PatchDataset,
    detector: Detector,
    *,
    context: pd.DataFrame | None = None,
    site_ids: Iterable[str] | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Score patches; labels are not needed and not looked at.

    Parameters
    ----------
    dataset
        The patches.
    detector
        Any detector; of a saved one the reasons are kept too.
    context
        The context table, index site_id, if the detector takes it.
    site_ids
        The sites wanted, in the order wanted; None for all.
    progress
        Told of the sites that were scored.

    Returns
    -------
    DataFrame
        Index ``site_id``. `score`: P(mining), float32, NaN where none can be given; `reason`: why
        not, else empty; `missing_share` (saved detectors alone): the share of pixels about which
        nothing is known; `dissimilarity`, `is_applicable` (saved detectors that hold an area of
        applicability): how unlike the training patches it is, NaN where no pixel is known, and
        whether the detector's figures hold there (<NA> where there is no score); `label`
        (Int8, <NA> if not known); `longitude`, `latitude` (degrees EPSG:4326, NaN if unplaced);
        `start`, `end` (ISO dates of the imagery).

    Raises
    ------
    LevelError, BandError, InputError
        If the detector does not take these patches.

    Examples
    --------
    >>> import tempfile
    >>> from minewatch import patches, toy
    >>> class Bright:
    ...     def fit(self, pixels, labels, context=None):
    ...         return self
    ...     def predict_proba(self, pixels, context=None):
    ...         mining = pixels.sel(band="B04").mean(("y", "x")).to_numpy().astype(float)
    ...         return np.stack([1 - mining, mining], axis=1)
    >>> valley = toy.Valley(seed=1, width_m=12_000, height_m=9_000)
    >>> sites = valley.sites(2, 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dataset = patches.write_patches(
    ...         f"{folder}/d", sites, valley.pixels(sites), bands="l2a-12", level="L2A"
    ...     )
    ...     table = predict(dataset, Bright())
    >>> list(table.columns)
    ['score', 'reason', 'label', 'longitude', 'latitude', 'start', 'end']
    >>> table.index.equals(dataset.sites.index), bool(table["score"].between(0, 1).all())
    (True, True)
    """
    wanted = list(dataset.sites.index if site_ids is None else site_ids)
    parts = []
    progress("score patches", 0, len(wanted))
    for start in range(0, len(wanted), _BLOCK_SITES):
        keys = wanted[start : start + _BLOCK_SITES]
        bands = detector.card.bands if isinstance(detector, OnnxDetector) else None
        if bands is not None and not set(bands) <= set(channels_of(dataset)):
            bands = None  # the detector says better what is missing
        pixels = read_pixels(dataset, keys, bands=bands)
        parts.append(_measure_area(detector, pixels, _score(detector, pixels, context)))
        progress("score patches", start + len(keys), len(wanted))
    if not parts:
        raise InputError("no site was named; name at least one")
    scores = pd.concat(parts)
    about = pd.DataFrame(dataset.sites.loc[scores.index, list(_OF_SITES)])
    return scores.join(about) if scores.index.is_unique else _beside(scores, about)


def _beside(scores: pd.DataFrame, about: pd.DataFrame) -> pd.DataFrame:
    """Join rows of the same order, where a site comes twice."""
    return pd.concat([scores, about], axis=1)


def _score(detector: Detector, pixels: Any, context: pd.DataFrame | None) -> pd.DataFrame:
    if isinstance(detector, OnnxDetector):
        return detector.score(pixels, context)
    mining = np.asarray(detector.predict_proba(pixels, context))[:, 1].astype(np.float32)
    sites = pd.Index(pixels["site"].to_numpy(), name="site_id")
    reasons = np.where(np.isnan(mining), _NO_SCORE, "")
    return pd.DataFrame({"score": mining, "reason": pd.Series(reasons, sites, "str")}, sites)


def _measure_area(detector: Detector, pixels: Any, scores: pd.DataFrame) -> pd.DataFrame:
    """Add how unlike the training patches each is, if the detector knows them."""
    if not isinstance(detector, OnnxDetector) or detector.area is None:
        return scores
    card, area = detector.card, detector.area
    values = centre(pixels.sel(band=list(card.bands)).to_numpy(), card.size_px)
    unlike = area.dissimilarity(describe_patches(values, card.bands)).to_numpy()
    fits = pd.Series(unlike <= area.threshold, scores.index, dtype="boolean")
    return scores.assign(
        dissimilarity=unlike.astype(np.float32),
        is_applicable=fits.where(scores["score"].notna(), pd.NA),
    )


def describe_run(
    dataset: PatchDataset, detector: OnnxDetector, table: pd.DataFrame
) -> dict[str, Any]:
    """Say what made a table of scores, and what is in it, in JSON values."""
    card, scores = detector.card, table["score"]
    reasons = table.loc[table["reason"] != "", "reason"].value_counts()
    return {
        "minewatch": __version__,
        "detector": card.name,
        "detector_digest": card.digest,
        "dataset": dataset.path.name,
        "dataset_digest": dataset.header.digest,
        "level": card.level,
        "bands": list(card.bands),
        "size_px": card.size_px,
        "centre_crop": dataset.header.size_px > card.size_px,
        "patch_px": dataset.header.size_px,
        "saturation_dn": dataset.header.saturation_dn,
        "learned_from_these": len(own_sites(detector, dataset)),
        "patches": len(table),
        "scored": int(scores.notna().sum()),
        "not_scored": {str(reason): int(n) for reason, n in reasons.items()},
        "applicable": int(table["is_applicable"].sum()) if "is_applicable" in table else None,
        "dissimilarity_threshold": None if detector.area is None else detector.area.threshold,
        "thresholds": {name: one.value for name, one in card.thresholds.items()},
        "at_or_above": {
            name: int((scores >= one.value).sum()) for name, one in card.thresholds.items()
        },
    }


def write_scores(
    table: pd.DataFrame, out: StrPath, made: dict[str, Any], *, overwrite: bool = False
) -> Path:
    """Write scores as Parquet or CSV, with what made them.

    Parameters
    ----------
    table
        As `predict` gives it.
    out
        The file; its suffix says the format. What made it lies in the Parquet file under the key
        ``minewatch``, and beside a CSV in ``<out>.json``.
    made
        JSON values, as `describe_run` gives them.
    overwrite
        Replace a file of that name.

    Raises
    ------
    InputError
        If the suffix is neither ``.parquet`` nor ``.csv``.
    AlreadyThereError
        If the file exists.
    """
    file = Path(out)
    check_out(file, overwrite=overwrite)
    flat = table.reset_index()
    with _store.writing_file(file) as aside:
        if file.suffix == ".csv":
            text = io.StringIO()
            flat.to_csv(text, index=False, lineterminator="\n")
            aside.write_text(text.getvalue(), encoding="utf-8", newline="")
        else:
            arrow = pa.Table.from_pandas(flat, preserve_index=False)
            metadata = dict(arrow.schema.metadata or {})
            metadata[b"minewatch"] = json.dumps(made, sort_keys=True, allow_nan=False).encode()
            pq.write_table(arrow.replace_schema_metadata(metadata), aside, compression="zstd")
    if file.suffix == ".csv":
        _store.write_json(file.with_name(f"{file.name}.json"), made)
    return file


def check_out(file: Path, *, overwrite: bool) -> None:
    """Check, before any work, that scores can be written to a file."""
    if file.suffix not in FORMATS:
        raise InputError(f"{file} ends in {file.suffix!r}; expected {' or '.join(FORMATS)}")
    _store.refuse_existing(file, overwrite=overwrite)
