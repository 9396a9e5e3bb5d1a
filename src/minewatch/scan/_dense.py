"""Networks that pad nothing, run over a whole tile: overlapping windows share their features."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np

from minewatch.errors import DetectorError
from minewatch.model._cnn_onnx import DENSE_KEY
from minewatch.model._onnx import PIXELS_INPUT, OnnxDetector
from minewatch.model._probability import clip_scores
from minewatch.scan._tile import PixelWindows, Values

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
    name: str
    """Name of the detector."""

    way: ClassVar[str] = "dense"
    """How `way_of_scoring` calls it."""

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
            numbers = int(said["window_px"]), int(said["stride_px"])
            made = cls(session, *numbers, str(said["scores"]), detector.card.name)
        except (ValueError, KeyError, TypeError) as error:
            raise DetectorError(
                f"detector {detector.card.name} says how its windows lie in a tile in a way that "
                f"this minewatch does not understand ({facts[:200]})"
            ) from error
        named = {output.name for output in session.get_outputs()}
        is_one = detector.card.output.kind == "probability"
        fits = made.window_px == detector.card.size_px and made.stride_px >= 1
        return made if is_one and fits and made.scores in named else None

    def score(self, prepared: Values, windows: PixelWindows, context: object = None) -> Values:  # noqa: ARG002
        """Score windows of a prepared tile (band, y, x): (window,), NaN where that costs more."""
        scores = np.full(len(windows), np.nan, dtype=np.float32)
        for chosen in windows.by_block(self.stride_px, _BLOCK_PX):
            if _pays(windows[chosen]):
                scores[chosen] = self._together(prepared, windows[chosen])
        return clip_scores(scores, self.name)

    def _together(self, prepared: Values, windows: PixelWindows) -> Values:
        rows, columns = windows.extent
        pixels = np.ascontiguousarray(prepared[None, :, rows, columns])
        scores: Values = self.session.run([self.scores], {PIXELS_INPUT: pixels})[0][0]
        row, column = windows.rows - rows.start, windows.columns - columns.start
        there: Values = scores[row // self.stride_px, column // self.stride_px]
        return there


def _pays(windows: PixelWindows) -> bool:
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
    # Each graph would keep as much as it ever needed, and there are ten of them.
    options.enable_cpu_mem_arena = False
    # Threads that wait in a loop would take the processor from readers of imagery.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        network, sess_options=options, providers=["CPUExecutionProvider"]
    )
