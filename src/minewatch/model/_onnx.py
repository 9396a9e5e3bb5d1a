"""Saved detectors: a folder of ``card.json`` and ``model.onnx``, run by onnxruntime alone."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
import pandas as pd
import xarray as xr

from minewatch import _store
from minewatch.errors import DetectorError, InputError, NotThereError, UnsafeError
from minewatch.model._applicability import FILE_NAME as AREA_NAME
from minewatch.model._applicability import Applicability, read_beside, save_applicability
from minewatch.model._card import CARD_NAME, NETWORK_NAME, Card, read_card
from minewatch.model._channel_statistics import (
    channel_statistic_names,
    channel_statistics_by_name,
)
from minewatch.model._context_table import ContextColumns
from minewatch.model._detector import Exportable, centre, check_fit, check_pixels
from minewatch.model._prepare import Values, missing_share, prepare, why_not
from minewatch.model._probability import read_scores
from minewatch.types import FloatArray, IntArray, StrPath

OURS: Final = _store.Ours(CARD_NAME, frozenset({NETWORK_NAME, AREA_NAME}))
"""What tells a saved detector from any other folder."""
PIXELS_INPUT: Final = "pixels"
STATISTICS_INPUT: Final = "statistics"
CONTEXT_INPUT: Final = "context"
MAX_NETWORK_BYTES: Final = 1 << 30
_QUIET: Final = 4
_NO_SPINNING: Final = ("session.intra_op.allow_spinning", "0")
"""Threads that wait for work sleep, and do not take the processor from others."""
_NO_NUMBER: Final = "the network gave no number for it"
# A tensor that lies in another file has an entry with the key "location" (onnx.proto). Lengths and
# field numbers may be written longer than they need be.
_EXTERNAL: Final = re.compile(rb"(?:\x0a|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)location")


@dataclass(frozen=True)
class RunOptions:
    """How a saved detector is run; scores do not depend on it beyond rounding (about 1e-7)."""

    threads: int | None = None
    """Threads of onnxruntime; None for one for each core."""
    batch_size: int = 256
    """Patches given to the network at once."""
    centre_crop: bool = False
    """Whether larger patches than the detector takes are cut down to their middle."""


class OnnxDetector:
    """A saved detector: it gives scores, and cannot be trained any further.

    Parameters
    ----------
    card
        What is known about it.
    network
        The bytes of ``model.onnx``; the card holds their digest.
    options
        How it is run.
    area
        Where its figures hold; None if that is not known.

    Raises
    ------
    DetectorError
        If the network is not the card's, or cannot be run.
    UnsafeError
        If the network would read other files.

    Examples
    --------
    >>> import onnx.parser
    >>> text = '''<ir_version: 8, opset_import: ["" : 17]>
    ... brightness (float[n,1,4,4] pixels) => (float[n,1] score) {
    ...   score = ReduceMean<axes=[2,3], keepdims=0>(pixels)
    ... }'''
    >>> network = onnx.parser.parse_model(text).SerializeToString()
    >>> card = Card(
    ...     name="bright", kind="linear", bands=("B04",), level="L2A", size_px=4,
    ...     licence="MIT", digest=_store.digest_bytes(network),
    ... )
    >>> pixels = xr.DataArray(
    ...     np.full((2, 1, 4, 4), 0.25, dtype="float32"), dims=("site", "band", "y", "x"),
    ...     coords={"site": ["a", "b"], "band": ["B04"]},
    ...     attrs={"level": "L2A", "resolution_m": 10.0},
    ... )
    >>> OnnxDetector(card, network).predict_proba(pixels).tolist()
    [[0.75, 0.25], [0.75, 0.25]]
    """

    def __init__(
        self,
        card: Card,
        network: bytes,
        options: RunOptions | None = None,
        area: Applicability | None = None,
    ) -> None:
        self.card = card
        self.area = area
        self.network = network
        self.options = options or RunOptions()
        if self.options.batch_size < 1:
            raise InputError(f"batch_size is {self.options.batch_size}; expected at least 1")
        _check_network(card, network)
        self._session = _open_session(card, network, self.options.threads)

    def __reduce__(self) -> tuple[Any, ...]:
        return (OnnxDetector, (self.card, self.network, self.options, self.area))

    @property
    def classes_(self) -> IntArray:
        """The classes, in the order of `predict_proba`: 0 no mining, 1 mining."""
        return np.array([0, 1])

    def fit(
        self,
        pixels: xr.DataArray,  # noqa: ARG002 - the protocol's
        labels: pd.Series,  # noqa: ARG002
        context: pd.DataFrame | None = None,  # noqa: ARG002
    ) -> NoReturn:
        """Refuse: what is saved is finished.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            f"detector {self.card.name} is a saved one and cannot be trained; train a new detector "
            "and save it"
        )

    def predict_proba(
        self, pixels: xr.DataArray, context: pd.DataFrame | None = None
    ) -> FloatArray:
        """Give P(no mining) and P(mining) for each site; see `score` for why there is none.

        Returns
        -------
        ndarray of float64
            Dims (site, 2), in the order of the pixels; NaN where no score can be given.
        """
        mining = self.score(pixels, context)["score"].to_numpy(dtype=np.float64)
        return np.stack([1.0 - mining, mining], axis=1)

    def score(self, pixels: xr.DataArray, context: pd.DataFrame | None = None) -> pd.DataFrame:
        """Score patches, and say why some have no score.

        Parameters
        ----------
        pixels
            Reflectance (site, band, y, x), float32, NaN where nothing is known; coordinates `site`
            and `band`, attributes `level` and `resolution_m`. Bands that the detector does not take
            are left aside.
        context
            The context table, index site_id, if the card names columns of it.

        Returns
        -------
        DataFrame
            Index ``site_id``, in the order of the pixels. `score`: P(mining), float32, NaN where
            none can be given; `reason`: why not, empty where there is one; `missing_share`: the
            share of pixels about which something is not known in the bands and the part of the
            patch that the detector looks at, float64.

        Raises
        ------
        LevelError, BandError, InputError
            If the patches are not of the detector's level, bands, resolution or size; if context is
            needed and not given.
        """
        check_pixels(pixels)
        check_fit(pixels, self.card, centre_crop=self.options.centre_crop)
        names = [str(name) for name in pixels["band"].to_numpy()]
        positions = [names.index(name) for name in self.card.bands]
        sites = pd.Index(pixels["site"].to_numpy(), name="site_id")
        table = self._context_values(sites, context)
        numbers = pixels.to_numpy()
        scores = np.full(len(sites), np.nan, dtype=np.float32)
        reasons = np.full(len(sites), "", dtype=object)
        shares = np.zeros(len(sites), dtype=np.float64)
        for start in range(0, len(sites), self.options.batch_size):
            rows = slice(start, start + self.options.batch_size)
            values = np.asarray(numbers[rows][:, positions], dtype=np.float32)
            middle = centre(values, self.card.size_px)
            shares[rows] = missing_share(middle)
            reasons[rows] = why_not(shares[rows], self.card.preparation.missing)
            able = start + np.flatnonzero(reasons[rows] == "")
            extra = None if table is None else table[able]
            scores[able] = self._score_batch(middle[able - start], extra)
        reasons[np.isnan(scores) & (reasons == "")] = _NO_NUMBER
        columns = {
            "score": scores,
            "reason": pd.Series(reasons, sites, "str"),
            "missing_share": shares,
        }
        return pd.DataFrame(columns, sites)

    def to_onnx(self) -> tuple[Card, bytes]:
        """Give the card and the network, as they are saved."""
        return self.card, self.network

    def _score_batch(self, values: Values, context: Values | None) -> Values:
        if not len(values):
            return np.empty(0, dtype=np.float32)
        prepared, wanted = prepare(values, self.card.preparation), self.card.preparation.statistics
        inputs = {}
        if self.card.preparation.takes_pixels:
            inputs[PIXELS_INPUT] = prepared
        if wanted:
            inputs[STATISTICS_INPUT] = channel_statistics_by_name(prepared, self.card.bands, wanted)
        if context is not None:
            inputs[CONTEXT_INPUT] = context
        return self._run(inputs, len(values))

    def _run(self, inputs: dict[str, Values], n_sites: int) -> Values:
        return read_scores(self._session.run(None, inputs)[0], self.card, n_sites)

    def _context_values(self, sites: pd.Index, context: pd.DataFrame | None) -> Values | None:
        columns = ContextColumns(self.card.context_columns, self.card.context_classes)
        if not columns.names:
            return None
        if context is None:
            raise InputError(
                f"detector {self.card.name} takes context ({', '.join(columns.names)}) and none "
                "was given"
            )
        return columns.read(context, sites, f"detector {self.card.name}")


def load_detector(path: StrPath, *, options: RunOptions | None = None) -> OnnxDetector:
    """Load a saved detector and check that it is whole.

    Parameters
    ----------
    path
        The folder of ``card.json`` and ``model.onnx``.
    options
        How it is run.

    Raises
    ------
    NotThereError
        If there is no such folder.
    DetectorError
        If a file is missing, damaged, of another version or not what the card says.
    UnsafeError
        If the network lies, or would read files, outside the folder.

    Examples
    --------
    >>> load_detector("nowhere")
    Traceback (most recent call last):
    minewatch.errors.NotThereError: nowhere does not exist; expected the folder of a saved detector
    """
    folder = Path(path)
    if not folder.is_dir():
        raise NotThereError(f"{folder} does not exist; expected the folder of a saved detector")
    card = read_card(folder)
    network = folder / NETWORK_NAME
    if not network.is_file():
        raise DetectorError(f"{folder} has no {NETWORK_NAME}; make or fetch the detector again")
    _store.inside(folder, NETWORK_NAME)
    if network.stat().st_size > MAX_NETWORK_BYTES:
        raise DetectorError(f"{network} has {network.stat().st_size:,} bytes; that is no detector")
    return OnnxDetector(card, network.read_bytes(), options, read_beside(folder, card.area_digest))


def save_detector(
    detector: Exportable,
    path: StrPath,
    *,
    area: Applicability | None = None,
    overwrite: bool = False,
) -> Path:
    """Save a detector as a folder that appears whole, and is loaded once before it does.

    Parameters
    ----------
    detector
        A detector that gives its card and itself as ONNX (`to_onnx`).
    path
        The new folder.
    area
        Where its figures hold. None: what the detector was loaded with, if anything.
    overwrite
        Replace a saved detector of that name; any other folder is never replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    AlreadyThereError
        If the folder exists.
    DetectorError
        If the network is not what its card says, or onnxruntime cannot run it.
    """
    card, network = detector.to_onnx()
    if area is None and isinstance(detector, OnnxDetector):
        area = detector.area
    with _store.writing_folder(path, overwrite=overwrite, ours=OURS) as aside:
        with _store.writing_file(aside / NETWORK_NAME) as file:
            file.write_bytes(network)
        digest = None if area is None else save_applicability(area, aside / AREA_NAME)
        card = card.model_copy(update={"area_digest": digest})
        _store.write_json(aside / CARD_NAME, card.model_dump(mode="json"))
        load_detector(aside, options=RunOptions(threads=1))
    return Path(path)


def _check_network(card: Card, network: bytes) -> None:
    digest = _store.digest_bytes(network)
    if digest != card.digest:
        raise DetectorError(
            f"{NETWORK_NAME} of detector {card.name} is not the one its card was written for "
            f"({digest} instead of {card.digest}); make or fetch the detector again"
        )
    if _EXTERNAL.search(network):
        raise UnsafeError(
            f"{NETWORK_NAME} of detector {card.name} names other files to read weights from; it "
            "was not opened. A detector holds all of its weights"
        )


def _open_session(card: Card, network: bytes, threads: int | None) -> Any:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as faults

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 0 if threads is None else threads
    options.log_severity_level = _QUIET
    options.add_session_config_entry(*_NO_SPINNING)
    try:
        session = onnxruntime.InferenceSession(
            network, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except (
        faults.Fail,
        faults.InvalidArgument,
        faults.InvalidGraph,
        faults.InvalidProtobuf,
        faults.NotImplemented,
        faults.RuntimeException,
    ) as error:
        first = str(error).splitlines()[0]
        raise DetectorError(
            f"{NETWORK_NAME} of detector {card.name} cannot be run ({first})"
        ) from error
    _check_inputs(card, session)
    return session


def _check_inputs(card: Card, session: Any) -> None:
    expected = {}
    if card.preparation.takes_pixels:
        expected[PIXELS_INPUT] = [len(card.bands), card.size_px, card.size_px]
    wanted = card.preparation.statistics
    if wanted:
        unknown = sorted(set(wanted) - set(channel_statistic_names(card.bands)))
        if unknown:
            raise DetectorError(
                f"detector {card.name} takes statistics that this minewatch does not know "
                f"({', '.join(unknown[:5])}); load it with the minewatch that wrote it "
                f"({card.minewatch})"
            )
        expected[STATISTICS_INPUT] = [len(wanted)]
    if card.context_columns:
        columns = ContextColumns(card.context_columns, card.context_classes)
        expected[CONTEXT_INPUT] = [columns.width]
    found = {entry.name: list(entry.shape) for entry in session.get_inputs()}
    fits = found.keys() == expected.keys() and all(
        len(found[name]) == len(shape) + 1
        and all(a == b for a, b in zip(found[name][1:], shape, strict=True) if isinstance(a, int))
        for name, shape in expected.items()
    )
    if not fits:
        raise DetectorError(
            f"{NETWORK_NAME} of detector {card.name} takes {found}, and its card says {expected} "
            "for each patch"
        )
