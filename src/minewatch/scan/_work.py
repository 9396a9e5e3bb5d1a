"""The work on one tile: read its pixels, score its windows, say of each what was seen."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr

from minewatch.imagery import ImagerySource, SceneQuery
from minewatch.model._applicability import Applicability
from minewatch.model._onnx import OnnxDetector
from minewatch.scan._context import WindowContext
from minewatch.scan._likeness import measure_likeness
from minewatch.scan._pixels import Piece, read_pieces
from minewatch.scan._score import NO_NUMBER as GAVE_NONE
from minewatch.scan._score import score_tile
from minewatch.scan._tile import Tile as PixelTile
from minewatch.scan._tile import Windows as PixelWindows
from minewatch.scan._windows import Windows
from minewatch.types import BoolArray, FloatArray, IntArray

Status: TypeAlias = Literal["scored", "few clear views", "no data", "no number", "failed"]

SCORED: Final[Status] = "scored"
FEW: Final[Status] = "few clear views"
NO_DATA: Final[Status] = "no data"
NO_NUMBER: Final[Status] = "no number"
"""The window shows enough, and the detector's network gave no number for it."""
FAILED: Final[Status] = "failed"
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
    n = len(piece.positions)
    views, missing = _clear_views(piece, windows.grid.size_px), _missing_shares(job, piece)
    judged = [_judge(job, piece, *one) for one in zip(views, missing, strict=True)]
    shown = np.flatnonzero([status == SCORED for status, _ in judged])
    scores = np.full(n, np.nan, np.float32)
    if len(shown):
        found = _score(job, piece, shown, context)
        scores[shown] = found["score"].to_numpy(np.float32)
        for place, reason in zip(shown, found["reason"], strict=True):
            if reason:
                judged[place] = (NO_NUMBER if reason == GAVE_NONE else FEW), str(reason)
    table = pd.DataFrame(
        {
            "score": scores,
            "status": [status for status, _ in judged],
            "reason": [reason for _, reason in judged],
            "clear_views": views.astype(np.float32),
            "missing_share": missing.astype(np.float32),
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


def _judge(job: Job, piece: Piece, clear: float, missing: float) -> tuple[Status, str]:
    """Say whether a window shows enough, and if not, why."""
    if missing >= 1.0 and clear == 0:
        covered = piece.n_views > 0
        return NO_DATA, "nothing is clear in it" if covered else "no scene of the period covers it"
    if clear < job.min_clear_views:
        return FEW, f"{clear:g} clear views; at least {job.min_clear_views} are wanted"
    if missing > job.max_missing_share:
        most = 100 * job.max_missing_share
        return FEW, f"{100 * missing:.0f} % of its pixels are unknown; at most {most:g} % may be"
    return SCORED, ""


def _missing_shares(job: Job, piece: Piece) -> FloatArray:
    """Give the share of each window's pixels about which something is not known in any band."""
    tile = PixelTile(_in_order(piece.reflectance, job.detector.card.bands), {})
    size = job.detector.card.size_px
    return tile.missing_shares(PixelWindows(piece.rows_px, piece.columns_px, size))


def _clear_views(piece: Piece, size_px: int) -> FloatArray:
    """Take the median of the clear views over each window's pixels."""
    places = zip(piece.rows_px.tolist(), piece.columns_px.tolist(), strict=True)
    counts = piece.clear_count
    return np.array(
        [
            np.median(counts[row : row + size_px, column : column + size_px])
            for row, column in places
        ]
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
