"""The work on one tile: read its pixels, score its windows, say of each what was seen."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr

from minewatch.imagery import ImagerySource, SceneQuery
from minewatch.model._applicability import Applicability
from minewatch.model._onnx import OnnxDetector
from minewatch.scan._context import WindowContext
from minewatch.scan._judge import judge_windows
from minewatch.scan._likeness import measure_likeness
from minewatch.scan._pixels import Piece, read_pieces
from minewatch.scan._score import NO_NUMBER as GAVE_NONE
from minewatch.scan._score import score_tile
from minewatch.scan._status import FAILED, FEW, NO_NUMBER, SCORED
from minewatch.scan._tile import PixelWindows
from minewatch.scan._windows import Windows
from minewatch.types import BoolArray, IntArray

_BYTES_PER_NUMBER: Final = 2

Opener: TypeAlias = Callable[[], ImagerySource]
"""Opens a source of imagery, wherever it is called."""


@dataclass(frozen=True, eq=False)
class Job:
    """What the work on every tile needs; it can be sent to another process."""

    source: ImagerySource | Opener
    detector: OnnxDetector
    query: SceneQuery
    min_clear_views: int
    max_missing_share: float
    applicability: Applicability | None = None
    context: WindowContext | None = None

    @cached_property
    def opened(self) -> ImagerySource:
        """The source, opened once in each process."""
        return self.source() if callable(self.source) else self.source

    def __getstate__(self) -> dict[str, Any]:
        return {name: own for name, own in self.__dict__.items() if name != "opened"}


@dataclass(frozen=True, eq=False)
class TileRows:
    """What is known of the windows of one tile."""

    table: pd.DataFrame
    """One row per window, as `minewatch.scan._scores` stores them."""
    makers: tuple[str, ...]
    """Who made the scenes."""
    numbers_bytes: int
    """Bytes of all numbers of all scenes behind it, uncompressed."""
    seconds: float
    """Time that it took."""


def do_tile(job: Job, tile: str, windows: Windows) -> TileRows:
    """Read the pixels of a tile and score its windows."""
    began = time.monotonic()
    context = None if job.context is None else job.context.measure(windows)
    parts, n_bytes = [], 0
    makers: set[str] = set()
    for piece in read_pieces(job.opened, job.query, windows):
        parts.append(_judge_piece(job, piece, windows, context))
        makers.update(piece.makers if piece.n_scenes else ())
        n_bytes += piece.n_scenes * piece.reflectance.size * _BYTES_PER_NUMBER
    seen = pd.concat(parts).sort_index()
    table = pd.concat([place_rows(tile, windows), seen], axis=1)
    return TileRows(table, tuple(sorted(makers)), n_bytes, time.monotonic() - began)


def failed_rows(tile: str, windows: Windows, reason: str) -> pd.DataFrame:
    """Say of all windows of a tile that they could not be read."""
    n = len(windows)
    seen = {
        "score": np.full(n, np.nan, np.float32),
        "status": [FAILED] * n,
        "reason": [reason] * n,
        "clear_views": np.full(n, np.nan, np.float32),
        "missing_share": np.full(n, np.nan, np.float32),
        "start": [""] * n,
        "end": [""] * n,
        "dissimilarity": np.full(n, np.nan, np.float32),
        "is_applicable": pd.array([pd.NA] * n, dtype="boolean"),
    }
    return pd.concat([place_rows(tile, windows), pd.DataFrame(seen)], axis=1)


def place_rows(tile: str, windows: Windows) -> pd.DataFrame:
    """Say where windows lie."""
    longitude, latitude = windows.centres()
    n = len(windows)
    return pd.DataFrame(
        {
            "window_id": windows.ids,
            "tile": [tile] * n,
            "epsg": np.full(n, windows.epsg, np.int32),
            "left_m": windows.left_m.astype(np.int32),
            "top_m": windows.top_m.astype(np.int32),
            "size_m": np.full(n, windows.size_m, np.int32),
            "longitude": longitude,
            "latitude": latitude,
        }
    )


def _judge_piece(
    job: Job, piece: Piece, windows: Windows, context: pd.DataFrame | None
) -> pd.DataFrame:
    """Score the windows of a piece; those that do not show enough have no score."""
    judged = judge_windows(
        piece,
        windows,
        _in_order(piece.reflectance, job.detector.card.bands),
        min_clear_views=job.min_clear_views,
        max_missing_share=job.max_missing_share,
    )
    shown = np.flatnonzero([status == SCORED for status in judged.status])
    scores = np.full(len(piece.positions), np.nan, np.float32)
    if len(shown):
        found = _score(job, piece, shown, context)
        scores[shown] = found["score"].to_numpy(np.float32)
        for place, reason in zip(shown, found["reason"], strict=True):
            if reason:
                judged.status[place] = NO_NUMBER if reason == GAVE_NONE else FEW
                judged.reason[place] = str(reason)
    table = pd.DataFrame(
        {
            "score": scores,
            "status": judged.status,
            "reason": judged.reason,
            "clear_views": judged.clear_views.astype(np.float32),
            "missing_share": judged.missing_share.astype(np.float32),
            "start": piece.start,
            "end": piece.end,
        }
    )
    told = _applicability(job, piece, np.isfinite(scores))
    return pd.concat([table, told], axis=1).set_index(piece.positions)


def _score(job: Job, piece: Piece, shown: IntArray, context: pd.DataFrame | None) -> pd.DataFrame:
    return score_tile(
        job.detector,
        piece.reflectance,
        piece.rows_px[shown],
        piece.columns_px[shown],
        context=None if context is None else context.iloc[piece.positions[shown]],
        level=job.detector.card.level,
        resolution_m=job.detector.card.resolution_m,
    )


def _applicability(job: Job, piece: Piece, wanted: BoolArray) -> pd.DataFrame:
    """Say how unlike what the detector learned from each scored window is."""
    n = len(piece.positions)
    unlike = np.full(n, np.nan, np.float32)
    inside = pd.array([pd.NA] * n, dtype="boolean")
    if job.applicability is not None and wanted.any():
        bands, size = job.detector.card.bands, job.detector.card.size_px
        shown = PixelWindows(piece.rows_px[wanted], piece.columns_px[wanted], size)
        pixels = _in_order(piece.reflectance, bands)
        unlike[wanted], inside[wanted] = measure_likeness(job.applicability, pixels, bands, shown)
    return pd.DataFrame({"dissimilarity": unlike, "is_applicable": inside})


def _in_order(reflectance: xr.DataArray, bands: tuple[str, ...]) -> np.ndarray[Any, Any]:
    names = [str(name) for name in reflectance["band"].to_numpy()]
    return reflectance.to_numpy()[[names.index(name) for name in bands]]


def single_threaded(detector: OnnxDetector) -> OnnxDetector:
    """Give a detector that takes one core: tiles are scored side by side.

    So its numbers do not hang on how many cores there are.
    """
    return OnnxDetector(detector.card, detector.network, replace(detector.options, threads=1))
