"""Detectors that ask for statistics of windows: trees, and what is joined with them.

A tree asks whether a statistic is at most a threshold. Statistics from sums over the tile differ
from those that the detector would compute of the cut window in their last digits, and a window
that is asked about a statistic so close to its threshold could go the other way. Such windows, a
few in a hundred, get no score here and are scored as patches; for all others every question has the
same answer, and so they have the very same score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
import pandas as pd

from minewatch.bands import BANDS
from minewatch.model._context_table import ContextColumns
from minewatch.model._features import MIN_SIZE_PX
from minewatch.model._onnx import CONTEXT_INPUT, PIXELS_INPUT, STATISTICS_INPUT, OnnxDetector
from minewatch.model._probability import read_scores
from minewatch.scan._dense import open_session
from minewatch.scan._dense_sums import FieldSums
from minewatch.scan._tile import PixelWindows, Values, cut_windows
from minewatch.scan._tree_statistics import ROUNDING, make_layers, measure_windows
from minewatch.scan._tree_statistics_forest import Forest, find_forests
from minewatch.types import BoolArray, IntArray

_WINDOWS_AT_ONCE: Final = 64
_BLOCK_PX: Final = 700
_GRID_PX: Final = 1


@dataclass(frozen=True, eq=False)
class TreeNetwork:
    """A detector whose statistics are taken from sums over a tile."""

    detector: OnnxDetector
    """The detector."""
    session: Any
    """Runs its graph."""
    forests: Sequence[Forest]
    """Its trees."""
    sums: FieldSums | None
    """What it takes of pixels, if windows can share that."""
    asked: Mapping[str, int]
    """The statistics that trees ask about, and their columns."""

    way: ClassVar[str] = "shared statistics"
    """How `way_of_scoring` calls it."""

    @classmethod
    def of(cls, detector: OnnxDetector) -> Self | None:
        """Find out what a detector's trees ask; None if its statistics are used otherwise."""
        card = detector.card
        known = {band.name for band in BANDS}
        if not card.preparation.statistics or not set(card.bands) <= known:
            return None
        forests = find_forests(detector.network)
        if forests is None or card.size_px < MIN_SIZE_PX:
            return None
        wanted = card.preparation.statistics
        columns = np.unique(np.concatenate([forest.column for forest in forests]))
        asked = {wanted[column]: int(column) for column in columns if column < len(wanted)}
        session = open_session(detector.network, detector.options.threads)
        sums = FieldSums.of(detector) if card.preparation.takes_pixels else None
        return cls(detector, session, forests, sums, asked)

    def score(
        self, prepared: Values, windows: PixelWindows, context: pd.DataFrame | None
    ) -> Values:
        """Score windows of a prepared tile (band, y, x): (window,), NaN where it is not certain."""
        scores = np.full(len(windows), np.nan, dtype=np.float32)
        layers, names = make_layers(prepared, self.detector.card.bands)
        whole = np.flatnonzero(windows.count(~known_everywhere(layers)) == 0)
        for chosen in windows[whole].by_block(_GRID_PX, _BLOCK_PX):
            places = whole[chosen]
            part = self._context(context, places)
            statistics, errors = self._measure(layers, names, windows[places])
            columns = statistics if part is None else np.hstack([statistics, part])
            padded = errors if part is None else np.hstack([errors, np.zeros_like(part)])
            sure = np.ones(len(places), dtype=np.bool_)
            for forest in self.forests:
                sure &= forest.is_settled(columns, padded)
            inputs = {STATISTICS_INPUT: statistics[sure]}
            if part is not None:
                inputs[CONTEXT_INPUT] = part[sure]
            scores[places[sure]] = self._run(prepared, windows[places[sure]], inputs)
        return scores

    def _context(self, context: pd.DataFrame | None, places: IntArray) -> Values | None:
        card = self.detector.card
        if context is None or not card.context_columns:
            return None
        columns = ContextColumns(card.context_columns, card.context_classes)
        rows = context.iloc[places]
        return columns.read(rows, rows.index, f"detector {card.name}")

    def _measure(
        self, layers: Values, names: tuple[str, ...], windows: PixelWindows
    ) -> tuple[Values, Values]:
        """Give statistics (window, statistic), and by how much they may be wrong.

        What no tree asks about is nought; what is not known here is wrong by any amount.
        """
        wanted, n_bands = self.detector.card.preparation.statistics, len(self.detector.card.bands)
        rows, columns = windows.extent
        moved = PixelWindows(
            windows.rows - rows.start, windows.columns - columns.start, windows.size_px
        )
        asked = frozenset(self.asked)
        found = measure_windows(layers[:, rows, columns], names, n_bands, moved, asked)
        statistics = np.zeros((len(windows), len(wanted)), dtype=np.float32)
        errors = np.zeros_like(statistics)
        errors[:, [self.asked[name] for name in asked - found.keys()]] = np.inf
        for name, measured in found.items():
            statistics[:, self.asked[name]] = measured.numbers
            errors[:, self.asked[name]] = measured.error
        # Half a step of float32 more, for statistics are rounded here.
        errors += np.abs(statistics) * np.float32(2 * ROUNDING)
        return statistics, errors

    def _run(self, prepared: Values, windows: PixelWindows, inputs: Mapping[str, Values]) -> Values:
        scores = np.empty(len(windows), dtype=np.float32)
        if self.sums is not None:
            for chosen in windows.by_block(self.sums.stride_px, _BLOCK_PX):
                batch = {name: values[chosen] for name, values in inputs.items()}
                batch |= self.sums.add_up(prepared, windows[chosen])
                numbers = self.sums.rest.run(None, batch)[0]
                scores[chosen] = read_scores(numbers, self.detector.card, len(chosen))
            return scores
        for start in range(0, len(windows), _WINDOWS_AT_ONCE):
            rows = slice(start, start + _WINDOWS_AT_ONCE)
            batch = {name: values[rows] for name, values in inputs.items()}
            if self.detector.card.preparation.takes_pixels:
                batch[PIXELS_INPUT] = cut_windows(prepared, windows[rows])
            numbers = self.session.run(None, batch)[0]
            scores[rows] = read_scores(numbers, self.detector.card, len(windows[rows]))
        return scores


def known_everywhere(layers: Values) -> BoolArray:
    """Tell of each pixel whether every layer (layer, y, x) is finite there."""
    known: BoolArray = np.isfinite(layers[0])
    for layer in layers[1:]:
        known &= np.isfinite(layer)
    return known
