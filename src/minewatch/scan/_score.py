"""Score every window of a tile, sharing what overlapping windows share."""

from functools import lru_cache
from typing import ClassVar, Final, Protocol

import numpy as np
import pandas as pd
import xarray as xr

from minewatch.errors import InputError
from minewatch.model._detector import check_fit, check_pixels
from minewatch.model._onnx import OnnxDetector
from minewatch.model._prepare import prepare, why_not
from minewatch.scan._dense import DenseNetwork
from minewatch.scan._dense_padded import PaddedNetwork
from minewatch.scan._dense_sums import SumsNetwork
from minewatch.scan._tile import PixelTile, PixelWindows, Values
from minewatch.scan._tree_statistics_score import TreeNetwork
from minewatch.types import FloatArray, IntArray, Level

TILE_DIMS: Final = ("band", "y", "x")
NO_NUMBER: Final = "the network gave no number for it"
_WINDOWS_CUT: Final = 64
"""Windows cut out of a tile at once, where each is scored by itself: few need little memory."""


def score_tile(
    detector: OnnxDetector,
    pixels: xr.DataArray,
    rows_px: IntArray,
    columns_px: IntArray,
    *,
    context: pd.DataFrame | None = None,
    level: Level,
    resolution_m: float,
) -> pd.DataFrame:
    """Score windows of a tile as the detector scores the patches cut out of it.

    What overlapping windows have in common is computed once, where the detector allows it; see
    `way_of_scoring`.

    Parameters
    ----------
    detector
        A saved detector.
    pixels
        Reflectance of the tile (band, y, x), float32, NaN where nothing is known; coordinate `band`
        (ESA's names). Bands that the detector does not take are left aside.
    rows_px, columns_px
        The upper left pixel of each window within the tile: two arrays of one length.
    context
        The context table, one row for each window in the same order, if the detector takes it.
    level
        Processing level of the pixels.
    resolution_m
        Ground size of a pixel, metres.

    Returns
    -------
    DataFrame
        One row for each window, in the order given; its index is that of the context, else counts
        from 0 (name ``window``). `score` (float32, NaN where there is none), `reason` (why there is
        none, else empty), `missing_share` (float64): as `OnnxDetector.score` gives them for the cut
        windows; scores differ by less than 1e-5.

    Raises
    ------
    InputError
        If a window leaves the tile, or dims or lengths are not as said.
    LevelError, BandError, InputError
        If the detector does not take these pixels.

    Examples
    --------
    >>> import onnx.parser
    >>> from minewatch import _store
    >>> from minewatch.model import Card
    >>> network = onnx.parser.parse_model('''<ir_version: 8, opset_import: ["" : 17]>
    ... brightness (float[n,1,4,4] pixels) => (float[n,1] score) {
    ...   score = ReduceMean<axes=[2,3], keepdims=0>(pixels)
    ... }''').SerializeToString()
    >>> card = Card(
    ...     name="bright", kind="linear", bands=("B04",), level="L2A", size_px=4, licence="MIT",
    ...     digest=_store.digest_bytes(network),
    ... )
    >>> tile = xr.DataArray(
    ...     np.linspace(0, 1, 64, dtype="float32").reshape(1, 8, 8),
    ...     dims=("band", "y", "x"), coords={"band": ["B04"]},
    ... )
    >>> table = score_tile(
    ...     OnnxDetector(card, network), tile, np.array([0, 4]), np.array([0, 2]),
    ...     level="L2A", resolution_m=10.0,
    ... )
    >>> [round(float(score), 3) for score in table["score"]]
    [0.214, 0.754]
    """
    tile = _check_tile(detector, pixels, level, resolution_m)
    windows = _check_windows(detector, tile, rows_px, columns_px)
    index = _index(detector, windows, context)
    if not len(windows):
        return _table(index, np.empty(0, np.float32), np.empty(0, dtype=object), np.empty(0))
    shared = _shared(detector)
    if shared is None:
        return _window_by_window(detector, tile, windows, context, index)
    shares = tile.missing_shares(windows)
    reasons = why_not(shares, detector.card.preparation.missing)
    able = np.flatnonzero(reasons == "")
    scores = np.full(len(windows), np.nan, dtype=np.float32)
    if len(able):
        prepared = prepare(tile.reflectance, detector.card.preparation)
        scores[able] = shared.score(prepared, windows[able], _rows(context, able))
        unsure = able[np.isnan(scores[able])]
        if len(unsure):
            own = _window_by_window(
                detector, tile, windows[unsure], _rows(context, unsure), index[unsure]
            )
            scores[unsure] = own["score"]
    reasons[np.isnan(scores) & (reasons == "")] = NO_NUMBER
    return _table(index, scores, reasons, shares)


def way_of_scoring(detector: OnnxDetector) -> str:
    """Say how a detector's windows share work.

    Returns
    -------
    str
        ``dense``: a network that pads nothing and says how its windows lie in a tile
        (``minewatch.dense`` in its metadata) runs over the tile at once; ``shared first block``: of
        a network that pads patches with zeros, windows share the first block but its edges;
        ``shared fields``: textures are compared with each place of the tile once;
        ``shared statistics``: statistics that trees ask about come from sums over the tile;
        ``window by window``: nothing is shared. Windows that lie too far apart, or not on a common
        grid, share nothing whatever the network.
    """
    shared = _shared(detector)
    return "window by window" if shared is None else shared.way


class _Way(Protocol):
    """Scores windows of a tile together."""

    way: ClassVar[str]
    """What is shared, in a few words."""

    @classmethod
    def of(cls, detector: OnnxDetector) -> "_Way | None":
        """Take a detector apart; None if its windows share nothing in this way."""
        ...

    def score(
        self, prepared: Values, windows: PixelWindows, context: pd.DataFrame | None
    ) -> Values:
        """Score windows of a prepared tile: (window,), NaN where the detector must be asked."""
        ...


@lru_cache(maxsize=4)
def _shared(detector: OnnxDetector) -> _Way | None:
    kinds: tuple[type[_Way], ...] = (DenseNetwork, PaddedNetwork, SumsNetwork, TreeNetwork)
    return next((found for kind in kinds if (found := kind.of(detector)) is not None), None)


def _check_tile(
    detector: OnnxDetector, pixels: xr.DataArray, level: Level, resolution_m: float
) -> PixelTile:
    """Check that a detector may be used on a tile, and put its bands in the detector's order."""
    if tuple(pixels.dims) != TILE_DIMS:
        raise InputError(f"the tile has the dims {tuple(pixels.dims)}; expected {TILE_DIMS}")
    size = detector.card.size_px
    attributes = {"level": level, "resolution_m": resolution_m}
    first = pixels[:, :size, :size].expand_dims(site=["tile"]).assign_attrs(attributes)
    check_pixels(first)
    check_fit(first, detector.card, centre_crop=False)
    names = [str(name) for name in pixels["band"].to_numpy()]
    positions = [names.index(name) for name in detector.card.bands]
    whole = pixels.to_numpy()
    in_order = whole if positions == list(range(len(names))) else whole[positions]
    return PixelTile(np.asarray(in_order, dtype=np.float32), attributes)


def _check_windows(
    detector: OnnxDetector, tile: PixelTile, rows_px: IntArray, columns_px: IntArray
) -> PixelWindows:
    rows, columns = np.asarray(rows_px), np.asarray(columns_px)
    if rows.ndim != 1 or rows.shape != columns.shape:
        raise InputError(
            f"rows_px has the shape {rows.shape} and columns_px {columns.shape}; expected two rows "
            "of numbers of one length, one for each window"
        )
    size = detector.card.size_px
    height, width = tile.reflectance.shape[1:]
    leaves = (np.minimum(rows, columns) < 0) | (rows > height - size) | (columns > width - size)
    if leaves.any():
        at = int(leaves.argmax())
        raise InputError(
            f"{leaves.sum()} windows of {size} px leave the tile of {height} × {width} px, the "
            f"first at row {rows[at]}, column {columns[at]}"
        )
    return PixelWindows(rows.astype(np.int64), columns.astype(np.int64), size)


def _index(detector: OnnxDetector, windows: PixelWindows, context: pd.DataFrame | None) -> pd.Index:
    """Give the windows' index, and check that there is context if the detector takes it."""
    if context is None and detector.card.context_columns:
        raise InputError(
            f"detector {detector.card.name} takes context "
            f"({', '.join(detector.card.context_columns[:5])}, …) and none was given"
        )
    if context is None:
        return pd.RangeIndex(len(windows), name="window")
    if len(context) != len(windows):
        raise InputError(f"there are {len(windows)} windows and context of {len(context)}")
    return context.index


def _rows(context: pd.DataFrame | None, places: IntArray) -> pd.DataFrame | None:
    return None if context is None else context.iloc[places]


def _window_by_window(
    detector: OnnxDetector,
    tile: PixelTile,
    windows: PixelWindows,
    context: pd.DataFrame | None,
    index: pd.Index,
) -> pd.DataFrame:
    """Cut each window out and let the detector score it as a patch."""
    parts = []
    for start in range(0, len(windows), _WINDOWS_CUT):
        rows = slice(start, start + _WINDOWS_CUT)
        patches = xr.DataArray(
            tile.cut(windows[rows]),
            dims=("site", *TILE_DIMS),
            coords={"site": index[rows].to_numpy(), "band": list(detector.card.bands)},
            attrs=tile.attributes,
        )
        part = None if context is None else context.iloc[rows]
        parts.append(detector.score(patches, part))
    table = pd.concat(parts)
    table.index = index
    return table


def _table(
    index: pd.Index, scores: Values, reasons: np.ndarray, shares: FloatArray
) -> pd.DataFrame:
    columns = {
        "score": scores,
        "reason": pd.Series(reasons, index, "str"),
        "missing_share": shares,
    }
    return pd.DataFrame(columns, index)
