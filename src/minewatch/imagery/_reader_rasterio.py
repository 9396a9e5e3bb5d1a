"""GeoTIFF and JPEG 2000 files of any layout, by rasterio: slower and less strict than by block."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from minewatch._http import RetryPolicy
from minewatch.errors import one_line
from minewatch.imagery._items import BandAsset
from minewatch.imagery._links import local_path
from minewatch.imagery._reader import Blocks, OpenRaster, ReadError
from minewatch.imagery._sampling import RasterGrid, Window
from minewatch.imagery._signing import Signer, Unsigned
from minewatch.types import AnyArray

Result = TypeVar("Result")

MAX_BLOCK_BYTES: Final = 512 << 20
"""Blocks larger than this, twice a whole tile at 10 m, are not read."""
_LOCAL_OPTIONS: Final = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # ask for the file, not for its neighbours
}
_FINAL_WORDS: Final = ("404", "No such file", "not recognized as being in", "does not exist")
"""In GDAL's messages: asking again is of no use."""


class RasterioReader:
    """Reads blocks of any GeoTIFF and JPEG 2000 file, by GDAL, on a server or on disk.

    GDAL passes over some damage in compressed blocks, and tells nothing of what a server asks for
    in ``Retry-After``. So this is for files that `CogReader` does not know.

    Parameters
    ----------
    policy
        Time-outs and retries.
    signer
        Signs links; None: they are open.
    """

    def __init__(self, policy: RetryPolicy | None = None, *, signer: Signer | None = None) -> None:
        self._policy = policy or RetryPolicy()
        self._signer = signer or Unsigned()
        self._stopped = threading.Event()

    def open(self, asset: BandAsset) -> AbstractContextManager[OpenRaster]:
        """Open a file."""
        return self._open(asset)

    def close(self) -> None:
        """Let no retry follow of what is under way."""
        stopped, self._stopped = self._stopped, threading.Event()
        stopped.set()

    @contextmanager
    def _open(self, asset: BandAsset) -> Iterator[OpenRaster]:
        path = local_path(asset.href)
        options = _LOCAL_OPTIONS if path is not None else self._server_options()
        with rasterio.Env(**options):
            file = _RasterioFile(asset, self._opener(asset, path), self)
            try:
                yield file
            finally:
                file.close()

    def _opener(self, asset: BandAsset, path: Path | None) -> Callable[[], DatasetReader]:
        # Others of GDAL's formats, like VRT, may lead on to any other file.
        name = urlsplit(asset.href).path.lower()
        driver = "JP2OpenJPEG" if name.endswith(".jp2") else "GTiff"
        if path is not None:
            return lambda: rasterio.open(path, driver=driver)
        return lambda: rasterio.open(f"/vsicurl/{self._signer.sign(asset.href)}", driver=driver)

    def again(self, action: Callable[[], Result], *, local: bool) -> Result:
        """Do something until it succeeds, is of no use, or was tried often enough."""
        stopped = self._stopped
        attempts = 1 if local else self._policy.attempts
        for attempt in range(1, attempts + 1):
            try:
                return action()
            except RasterioError as error:
                words = _words(error)
                final = any(one in words for one in _FINAL_WORDS)
                if final or stopped.is_set() or attempt == attempts:
                    raise ReadError(words) from error
                limit_s = self._policy.first_wait_s * 2.0 ** (attempt - 1)
                limit_s = min(limit_s, self._policy.longest_wait_s)
                stopped.wait(random.Random(f"{words} {attempt}").uniform(0.0, limit_s))  # noqa: S311
        raise ReadError("no attempt was allowed")

    def _server_options(self) -> dict[str, object]:
        return {
            **_LOCAL_OPTIONS,
            "GDAL_HTTP_MULTIRANGE": "YES",
            "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
            "GDAL_HTTP_MAX_RETRY": 0,  # retries are ours
            "GDAL_HTTP_CONNECTTIMEOUT": self._policy.connect_timeout_s,
            "GDAL_HTTP_TIMEOUT": self._policy.answer_timeout_s,
            "GDAL_INGESTED_BYTES_AT_OPEN": 16_384,
            "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",  # failures must not be remembered
            "CPL_VSIL_CURL_USE_HEAD": "NO",
            "VSI_CACHE": "FALSE",
        }


class _RasterioFile:
    """One file that is open."""

    def __init__(
        self, asset: BandAsset, opener: Callable[[], DatasetReader], reader: RasterioReader
    ) -> None:
        self._href = asset.href
        self._opener = opener
        self._reader = reader
        self._dataset: DatasetReader | None = None
        self._grid = self._attempt(lambda dataset: _read_grid(dataset, asset.href))
        self._dtype, block = self._attempt(lambda dataset: _read_type(dataset, asset.href))
        self._blocks = Blocks(self._grid.shape, block)

    def close(self) -> None:
        """Close it."""
        if self._dataset is not None:
            self._dataset.close()
            self._dataset = None

    def _attempt(self, action: Callable[[DatasetReader], Result]) -> Result:
        """Do something with the file, opened anew after each failure."""

        def attempt() -> Result:
            try:
                if self._dataset is None:
                    self._dataset = self._opener()
                return action(self._dataset)
            except RasterioError:
                self.close()
                raise

        return self._reader.again(attempt, local=local_path(self._href) is not None)

    @property
    def grid(self) -> RasterGrid:
        """Where its pixels lie."""
        return self._grid

    def read(self, windows: Sequence[Window]) -> list[AnyArray]:
        """Read rectangles of its pixels; 0 beyond the file."""
        numbers = self._blocks.needed(windows)
        found = {number: self._read_block(number) for number in numbers}
        return self._blocks.cut(windows, found, self._dtype)

    def read_sample(self) -> AnyArray:
        """Read its coarsest overview, or blocks of itself if it has none."""
        rows, columns = self._grid.shape
        factor = self._attempt(lambda dataset: max(dataset.overviews(1), default=1))
        if factor == 1:
            return np.concatenate([part.ravel() for part in self.read(self._blocks.spread())])

        def read(dataset: DatasetReader) -> AnyArray:
            found: AnyArray = dataset.read(1, out_shape=(-(-rows // factor), -(-columns // factor)))
            return found

        return self._attempt(read).ravel()

    def _read_block(self, number: int) -> AnyArray:
        height, width = self._blocks.block
        row, column = divmod(number, self._blocks.across)
        window = RasterioWindow(
            column * width,
            row * height,
            min(width, self._grid.shape[1] - column * width),
            min(height, self._grid.shape[0] - row * height),
        )

        def read(dataset: DatasetReader) -> AnyArray:
            found: AnyArray = dataset.read(1, window=window)
            return found

        return self._attempt(read)


def _read_grid(dataset: DatasetReader, href: str) -> RasterGrid:
    transform, crs = dataset.transform, dataset.crs
    epsg = None if crs is None else crs.to_epsg()
    square = abs(transform.a + transform.e) < 1e-6 and transform.b == transform.d == 0
    if epsg is None or not square:
        raise ReadError(f"{href}: its grid is not north up, in squares, in a known CRS")
    return RasterGrid(
        epsg=int(epsg),
        left=float(transform.c),
        top=float(transform.f),
        pixel_m=float(transform.a),
        shape=(int(dataset.height), int(dataset.width)),
    )


def _read_type(dataset: DatasetReader, href: str) -> tuple[np.dtype[Any], tuple[int, int]]:
    dtype = np.dtype(dataset.dtypes[0])
    if dataset.count != 1 or dtype not in (np.uint8, np.uint16):
        raise ReadError(
            f"{href}: {dataset.count} bands of {dtype}, expected one of uint8 or uint16"
        )
    height, width = dataset.block_shapes[0]
    if height * width * dtype.itemsize > MAX_BLOCK_BYTES:
        raise ReadError(
            f"{href}: its blocks are {height} × {width} pixels, more than {MAX_BLOCK_BYTES} bytes "
            "each; write it as a cloud-optimized GeoTIFF"
        )
    return dtype, (height, width)


def _words(error: Exception) -> str:
    """Give GDAL's message in one line, without the signature of a link."""
    cause = error.__cause__ or error
    return one_line(cause).partition("?")[0]
