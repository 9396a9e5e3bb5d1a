"""Whether windows show enough to be scored, and if not, why: clouds, or no imagery there."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely

from minewatch.imagery._footprints import place_polygon
from minewatch.scan._pixels import Piece
from minewatch.scan._status import FEW, NO_DATA, SCORED, Status
from minewatch.scan._tile import PixelWindows, Values
from minewatch.scan._windows import Windows
from minewatch.types import BoolArray, FloatArray

NOT_COVERED: Final = "no scene of the period covers it"
_WHOLLY: Final = 0.999
"""Outlines have straight edges between projected points: all of a window is no less than this."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What windows show, dims (window)."""

    clear_views: FloatArray
    """Median over the pixels of each."""
    missing_share: FloatArray
    """Share of its pixels about which something is not known in any band."""
    status: list[Status]
    """`SCORED` where it shows enough."""
    reason: list[str]
    """Why not; empty where it does."""


def judge_windows(
    piece: Piece,
    windows: Windows,
    pixels: Values,
    *,
    min_clear_views: int,
    max_missing_share: float,
) -> Judged:
    """Say of each window of a piece whether it shows enough, and if not, why.

    A window that would show too little under the clearest sky too has no data: it lies beyond the
    scenes, or their files hold no number there. Any other lacks clear views.

    Parameters
    ----------
    piece
        The composite around some windows.
    windows
        All windows of the tile.
    pixels
        (band, y, x) of the bands that the detector takes, float32, NaN where nothing is known.
    min_clear_views, max_missing_share
        What counts as seen: see `minewatch.scan.ScanSettings`.
    """
    size = windows.grid.size_px
    places = PixelWindows(piece.rows_px, piece.columns_px, size)
    unknown = np.asarray(np.isnan(pixels).any(axis=0))
    views = _clear_views(piece, size)
    missing = places.count(unknown) / np.float64(size**2)
    numberless = places.count(unknown & (piece.clear_count > 0)) / np.float64(size**2)
    beyond = _shares_beyond(piece, windows, missing > max_missing_share)
    most = f"at most {100 * max_missing_share:g} % of its pixels may be unknown"
    told: list[tuple[Status, str]] = []
    for clear, gone, bare, outside in zip(views, missing, numberless, beyond, strict=True):
        if outside >= _WHOLLY or (piece.n_views == 0 and piece.footprints is None):
            told.append((NO_DATA, NOT_COVERED))
        elif piece.n_views == 0:
            told.append((NO_DATA, "all scenes that cover it are too cloudy, or cannot be used"))
        elif gone >= 1.0 and clear == 0:
            told.append((NO_DATA, "nothing is clear in it"))
        elif outside > max_missing_share:
            told.append((NO_DATA, f"{100 * outside:.0f} % of it lies beyond all scenes; {most}"))
        elif bare > max_missing_share:
            words = f"{100 * bare:.0f} % of it is clear and has no number in some band"
            told.append((NO_DATA, f"{words}; {most}"))
        elif clear < min_clear_views:
            told.append((FEW, f"{clear:g} clear views; at least {min_clear_views} are wanted"))
        elif gone > max_missing_share:
            told.append((FEW, f"{100 * gone:.0f} % of it is not clear in any view; {most}"))
        else:
            told.append((SCORED, ""))
    return Judged(views, missing, [one for one, _ in told], [why for _, why in told])


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


def _shares_beyond(piece: Piece, windows: Windows, asked: BoolArray) -> FloatArray:
    """Give the share of each window that lies beyond all scenes; 0 where nobody asks, or knows."""
    shares = np.zeros(len(piece.positions))
    rows = np.flatnonzero(asked)
    if piece.footprints is None or not len(rows):
        return shares
    covered = shapely.union_all(list(piece.footprints))
    outlines = np.array(
        [place_polygon(windows.geobox(int(position))) for position in piece.positions[rows]]
    )
    seen = shapely.area(shapely.intersection(outlines, covered)) / shapely.area(outlines)
    shares[rows] = 1.0 - seen
    return shares
