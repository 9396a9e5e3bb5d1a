"""Networks that pad nothing, run over a whole tile: overlapping windows share their features."""

import json
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from minewatch.errors import DetectorError
from minewatch.model._cnn_onnx import DENSE_KEY
from minewatch.model._onnx import PIXELS_INPUT, OnnxDetector
from minewatch.scan._tile import Values, Windows
from minewatch.types import IntArray

_WINDOWS_APART: Final = 64
"""Windows run at once, where each is run by itself."""
_BLOCK_PX: Final = 288
"""Pixels along a side of a tile's blocks, each run at once: feature maps need little memory."""


@dataclass(frozen=True, eq=False)
class DenseNetwork:
    """A detector whose graph takes tiles: window (i, j) begins at pixel (i, j) × stride."""

    session: Any
    """Runs the graph."""
    window_px: int
    """Pixels along a side of a window."""
    stride_px: int
    """Pixels from one window to the next."""
    scores: str
    """Name of the output (site, row, column)."""

    @classmethod
    def of(cls, detector: OnnxDetector) -> Self | None:
        """Find out whether a detector's graph takes tiles; None if not, or if it takes more."""
        preparation = detector.card.preparation
        if preparation.statistics or detector.card.context_columns or not preparation.takes_pixels:
            return None
        session = open_session(detector.network, detector.options.threads)
        facts = session.get_modelmeta().custom_metadata_map.get(DENSE_KEY)
        if facts is None:
            return None
        try:
            said = json.loads(facts)
            made = cls(session, int(said["window_px"]), int(said["stride_px"]), str(said["scores"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DetectorError(
                f"detector {detector.card.name} says how its windows lie in a tile in a way that "
                f"this minewatch does not understand ({facts[:200]})"
            ) from error
        named = {output.name for output in session.get_outputs()}
        is_one = detector.card.output.kind == "probability"
        fits = made.window_px == detector.card.size_px and made.stride_px >= 1
        return made if is_one and fits and made.scores in named else None

    def score(self, prepared: Values, windows: Windows) -> Values:
        """Score windows of a prepared tile (band, y, x): (window,)."""
        scores = np.empty(len(windows), dtype=np.float32)
        for chosen in windows.by_grid(self.stride_px):
            group = windows[chosen]
            run = self._together if _pays(group) else self._apart
            scores[chosen] = run(prepared, group)
        return np.clip(scores, 0.0, 1.0, out=scores)

    def _together(self, prepared: Values, windows: Windows) -> Values:
        """Run the network over blocks of the tile, each with all windows that begin in it."""
        scores = np.empty(len(windows), dtype=np.float32)
        top, left = int(windows.rows.min()), int(windows.columns.min())
        step = max(self.stride_px, (_BLOCK_PX - self.window_px) // self.stride_px * self.stride_px)
        block_rows, block_columns = (windows.rows - top) // step, (windows.columns - left) // step
        for block in np.unique(block_rows * (1 << 32) + block_columns):
            chosen = np.flatnonzero(block_rows * (1 << 32) + block_columns == block)
            part = windows[chosen]
            rows, columns = part.extent
            pixels = np.ascontiguousarray(prepared[None, :, rows, columns])
            scores_there = self.session.run([self.scores], {PIXELS_INPUT: pixels})[0][0]
            scores[chosen] = scores_there[self._cell(part.rows), self._cell(part.columns)]
        return scores

    def _cell(self, starts: IntArray) -> IntArray:
        return np.asarray((starts - starts.min()) // self.stride_px, dtype=np.int64)

    def _apart(self, prepared: Values, windows: Windows) -> Values:
        size = windows.size_px
        views = np.lib.stride_tricks.sliding_window_view(prepared, (size, size), axis=(1, 2))
        parts = []
        for start in range(0, len(windows), _WINDOWS_APART):
            part = windows[start : start + _WINDOWS_APART]
            cut = np.ascontiguousarray(np.moveaxis(views[:, part.rows, part.columns], 0, 1))
            parts.append(self.session.run([self.scores], {PIXELS_INPUT: cut})[0][:, 0, 0])
        return np.concatenate(parts)


def _pays(windows: Windows) -> bool:
    """Tell whether the ground that windows cover together is less than they have one by one."""
    rows, columns = windows.extent
    covered = (rows.stop - rows.start) * (columns.stop - columns.start)
    return bool(covered < len(windows) * windows.size_px**2)


def open_session(network: bytes, threads: int | None) -> Any:
    """Open a graph in onnxruntime.

    Parameters
    ----------
    network
        The graph; it has been run before, or was made by us.
    threads
        Threads; None for one for each core.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 0 if threads is None else threads
    options.log_severity_level = 4
    # Blocks at the edges of tiles have many shapes, and memory is planned anew for each.
    options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(
        network, sess_options=options, providers=["CPUExecutionProvider"]
    )
