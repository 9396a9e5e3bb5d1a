"""Cloud-optimized GeoTIFFs by the byte: the directory once, then only the blocks that are needed.

Every byte comes through the session of `minewatch._http` and is checked before it counts: the
directory against what the item says of the grid, each block by the checksum of its compression and
by the length that GDAL writes before it; blocks without a checksum are read twice. (GDAL itself
lets some damaged blocks pass: where a damaged stream runs past the block's size, it keeps what came
and never looks at the checksum.) What is laid out in another way is left to another reader.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

import numpy as np

from minewatch._http import Answer, BadAnswerError, HttpError, HttpSession
from minewatch.imagery._cog_layout import (
    CogLayout,
    GarbledError,
    OtherLayoutError,
    TooShortError,
    decode_block,
    merge_blocks,
    read_layout,
)
from minewatch.imagery._items import BandAsset
from minewatch.imagery._links import local_path
from minewatch.imagery._reader import (
    Damage,
    OpenRaster,
    Reader,
    ReadError,
    UnreadableError,
)
from minewatch.imagery._sampling import RasterGrid, Window
from minewatch.imagery._signing import Signer, Unsigned
from minewatch.types import AnyArray

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

HEADER_BYTES: Final = 16_384
"""What is read of a file to learn its layout; more if its directory is longer."""
MAX_HEADER_BYTES: Final = 4 << 20
"""A directory that ends beyond this is left to another reader."""
MOST_READINGS: Final = 6
"""How often bytes without a checksum are read until two readings agree."""
GONE_STATUS: Final = frozenset({404, 410})
"""HTTP status codes of a file that is not there."""
KEPT_LAYOUTS: Final = 4096
"""Layouts of files that are remembered."""


class CogReader:
    """Reads blocks of cloud-optimized GeoTIFFs, on a server or on disk.

    Parameters
    ----------
    session
        What talks to servers.
    signer
        Signs links; None: they are open.
    fallback
        Reads what is laid out in another way; None: such a file is an error.
    """

    def __init__(
        self,
        session: HttpSession,
        *,
        signer: Signer | None = None,
        fallback: Reader | None = None,
    ) -> None:
        self._session = session
        self._signer = signer or Unsigned()
        self._fallback = fallback
        self._layouts: OrderedDict[str, CogLayout | UnreadableError] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, asset: BandAsset) -> AbstractContextManager[OpenRaster]:
        """Open a file; its layout is read unless it is known from before."""
        source = self._source(asset.href)
        layout, beginning = self._known(asset.href), b""
        if layout is None:
            try:
                layout, beginning = self.learn(source, asset)
            except ReadError as error:
                if error.damage == "part":  # without its directory, nothing of a file can be read
                    error.damage = "file"
                raise
        if not isinstance(layout, UnreadableError):
            return nullcontext(_CogFile(self, source, asset, layout, beginning))
        if self._fallback is None:
            raise layout
        logger.debug("%s; read by %s", layout, type(self._fallback).__name__)
        return self._fallback.open(asset)

    def close(self) -> None:
        """End what is under way and give connections back."""
        self._session.close()
        if self._fallback is not None:
            self._fallback.close()

    def learn(
        self, source: "ByteSource", asset: BandAsset
    ) -> tuple[CogLayout | UnreadableError, bytes]:
        """Read the layout of a file, whatever is remembered, and the bytes that came with it."""
        check = _LayoutCheck(asset)
        layout: CogLayout | UnreadableError | None = None
        beginning = b""
        while layout is None:
            layout, beginning = source.fetch(0, check.wanted_bytes, check)
        with self._lock:
            self._layouts[asset.href] = layout
            if len(self._layouts) > KEPT_LAYOUTS:
                self._layouts.popitem(last=False)
        return layout, beginning

    def _source(self, href: str) -> "ByteSource":
        path = local_path(href)
        return HttpBytes(self._session, self._signer, href) if path is None else LocalBytes(path)

    def _known(self, href: str) -> CogLayout | UnreadableError | None:
        with self._lock:
            if href in self._layouts:
                self._layouts.move_to_end(href)
            return self._layouts.get(href)


class _CogFile:
    """One file that is open."""

    def __init__(
        self,
        reader: CogReader,
        source: "ByteSource",
        asset: BandAsset,
        layout: CogLayout,
        beginning: bytes,
    ) -> None:
        self._reader = reader
        self._source = source
        self._asset = asset
        self._layout = layout
        self._beginning = beginning

    @property
    def grid(self) -> RasterGrid:
        """Where its pixels lie."""
        return self._layout.grid

    def read(self, windows: Sequence[Window]) -> list[AnyArray]:
        """Read rectangles of its pixels; 0 beyond the file."""
        try:
            return self._read(windows)
        except ReadError:
            # A garbled layout may pass its checks; then no block stands where it says.
            layout, _ = self._reader.learn(self._source, self._asset)
            if isinstance(layout, UnreadableError) or layout == self._layout:
                raise
            self._layout, self._beginning = layout, b""
            return self._read(windows)

    def read_sample(self) -> AnyArray:
        """Read blocks of its coarsest overview, or of itself if it has none."""
        layout = self._source.fetch(0, MAX_HEADER_BYTES, _read_smallest)
        file = _CogFile(self._reader, self._source, self._asset, layout, b"")
        return np.concatenate([part.ravel() for part in file.read(layout.blocks.spread())])

    def _read(self, windows: Sequence[Window]) -> list[AnyArray]:
        layout = self._layout
        dtype = layout.dtype.newbyteorder("=")
        numbers = layout.blocks.needed(windows)
        found: dict[int, AnyArray] = {
            number: np.zeros(layout.block_shape(number), dtype=dtype)
            for number in numbers
            if not layout.counts[number]
        }
        present = [number for number in numbers if layout.counts[number]]
        for together in merge_blocks(layout, present):
            found.update(self._fetch(together))
        return layout.blocks.cut(windows, found, dtype)

    def _fetch(self, together: Sequence[int]) -> dict[int, AnyArray]:
        layout = self._layout
        start, stop = layout.span(together[0])[0], layout.span(together[-1])[1]
        if not layout.checked:
            body = self._confirmed(start, stop - start)
            try:
                return self._decode(together, body)
            except BadAnswerError as error:
                raise ReadError(f"{self._asset.href}: {error}", damage="part") from error
        if stop <= len(self._beginning):
            try:
                return self._decode(together, self._beginning[start:stop])
            except BadAnswerError as error:
                logger.debug("%s: %s; read again", self._asset.href, error)
        return self._source.fetch(
            start, stop - start, lambda answer: self._decode(together, answer.body)
        )

    def _decode(self, together: Sequence[int], body: bytes) -> dict[int, AnyArray]:
        """Unpack blocks that stand together in some bytes."""
        layout = self._layout
        begin = layout.span(together[0])[0]
        view = memoryview(body)
        found = {}
        try:
            for number in together:
                start, stop = layout.span(number)
                found[number] = decode_block(layout, number, view[start - begin : stop - begin])
        except GarbledError as error:
            raise BadAnswerError(str(error)) from error
        return found

    def _confirmed(self, start: int, length: int) -> bytes:
        """Fetch bytes that nothing vouches for until they come the same twice running."""
        before = b""
        for _ in range(MOST_READINGS):
            body = self._source.fetch(start, length, lambda answer: answer.body)
            if body == before:
                return body
            before = body
        raise ReadError(f"{self._asset.href}: its bytes differ each time they are read")


class _LayoutCheck:
    """Turns the first bytes of a file into its layout, or says that they are garbled.

    Another layout, and one that contradicts the item, is read a second time. If the same bytes come
    back, they are the file's: then it is left to another reader or, if only the item contradicts
    it, believed, as a file knows best where its pixels lie. Bytes that no raster file begins with
    are asked for to the end.
    """

    def __init__(self, asset: BandAsset) -> None:
        self.wanted_bytes = HEADER_BYTES
        self._asset = asset
        self._before = b""

    def __call__(self, answer: Answer) -> tuple[CogLayout | UnreadableError | None, bytes]:
        """Give the layout and the bytes; None for the layout where more bytes are wanted."""
        again = answer.body == self._before
        self._before = answer.body
        try:
            layout = read_layout(answer.body, answer.total_bytes)
        except GarbledError as error:
            if isinstance(error, TooShortError) and self._may_want(error.wanted_bytes, answer):
                self.wanted_bytes = error.wanted_bytes
                return None, b""
            if again and isinstance(error, OtherLayoutError | TooShortError):
                return UnreadableError(f"{self._asset.href}: {error}"), b""
            raise BadAnswerError(str(error)) from error
        contradiction = _contradiction(layout.grid, self._asset)
        if contradiction and not again:
            raise BadAnswerError(contradiction)
        if contradiction:
            logger.warning("%s: %s; the file is believed", self._asset.href, contradiction)
        return layout, answer.body

    def _may_want(self, wanted_bytes: int, answer: Answer) -> bool:
        size = answer.total_bytes or MAX_HEADER_BYTES
        return self.wanted_bytes < wanted_bytes <= min(size, MAX_HEADER_BYTES)


def _contradiction(grid: RasterGrid, asset: BandAsset) -> str:
    if asset.shape is not None and tuple(asset.shape) != grid.shape:
        return f"the file has {grid.shape} rows and columns, its item says {asset.shape}"
    if asset.transform is not None:
        said = (asset.transform[0], asset.transform[2], asset.transform[5])
        found = (grid.pixel_m, grid.left, grid.top)
        if any(abs(one - other) > 1e-3 for one, other in zip(said, found, strict=True)):
            return f"the file's pixel size, left and top are {found}, its item says {said}"
    return ""


def _read_smallest(answer: Answer) -> CogLayout:
    try:
        return read_layout(answer.body, answer.total_bytes, smallest=True)
    except GarbledError as error:
        raise BadAnswerError(str(error)) from error


class ByteSource(Protocol):
    """Where the bytes of a file come from."""

    def fetch(self, start: int, length: int, check: Callable[[Answer], Result]) -> Result:
        """Give what `check` makes of some bytes; there are fewer at the end of a file.

        Raises
        ------
        ReadError
            If they cannot be had, after every retry.
        """
        ...


@dataclass(frozen=True)
class HttpBytes:
    """The bytes of a file on a server."""

    session: HttpSession
    signer: Signer
    href: str

    def fetch(self, start: int, length: int, check: Callable[[Answer], Result]) -> Result:
        """Give what `check` makes of some bytes."""
        used = self.href

        def address() -> str:
            nonlocal used
            used = self.signer.sign(self.href)
            return used

        try:
            return self.session.fetch(
                address,
                check,
                byte_range=(start, length),
                renew=lambda: self.signer.renew(self.href, used),
            )
        except HttpError as error:
            raise ReadError(str(error), damage=_damage(error)) from error


def _damage(error: HttpError) -> Damage:
    if error.permanent and error.status in GONE_STATUS:
        return "file"
    return "part" if error.damaged else "none"


@dataclass(frozen=True)
class LocalBytes:
    """The bytes of a file on disk."""

    path: Path

    def fetch(self, start: int, length: int, check: Callable[[Answer], Result]) -> Result:
        """Give what `check` makes of some bytes, looking twice before they are called bad."""
        try:
            with self.path.open("rb") as file:
                total = self.path.stat().st_size
                file.seek(start)
                answer = Answer(file.read(length), total, {})
        except OSError as error:
            gone = isinstance(error, FileNotFoundError)
            words = f"{self.path}: {error.strerror or error}"
            raise ReadError(words, damage="file" if gone else "none") from error
        try:
            try:
                return check(answer)
            except BadAnswerError:
                return check(answer)
        except BadAnswerError as error:
            raise ReadError(f"{self.path}: {error}", damage="part") from error
