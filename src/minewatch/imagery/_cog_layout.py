"""The layout of cloud-optimized GeoTIFFs, and their blocks, from bytes; nothing is read here."""

import io
import logging
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import tifffile
from isal import igzip_lib, isal_zlib

from minewatch.imagery._reader import Blocks
from minewatch.imagery._sampling import RasterGrid
from minewatch.types import AnyArray

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # garbled bytes are our own matter

MERGED_GAP_BYTES: Final = 65_536
"""Blocks nearer to each other than this are asked for together."""
MAX_RANGE_BYTES: Final = 8 << 20
"""What is asked for at once, unless one block is larger."""
MAX_BLOCK_BYTES: Final = 64 << 20
"""Files with larger blocks, packed or not, are left to another reader: a file's word must not
decide on how much memory is taken."""
_UNCOMPRESSED, _DEFLATE, _OLD_DEFLATE, _ZSTD = 1, 8, 32946, 50000
_KNOWN_COMPRESSION: Final = (_UNCOMPRESSED, _DEFLATE, _OLD_DEFLATE, _ZSTD)
_PIXEL_SCALE, _TIE_POINT, _GEO_KEYS = 33550, 33922, 34735
"""GeoTIFF's tags. (tifffile's own reading of them takes longer than all the rest.)"""
_RASTER_TYPE_KEY, _PROJECTED_CRS_KEY = 1025, 3072
_PIXEL_IS_POINT: Final = 2
_SIGNATURES: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\0\0\0\x0cjP  ")
"""How TIFF, BigTIFF and JPEG 2000 files begin."""
_FRAME: Final = (b"BLOCK_LEADER=SIZE_AS_UINT4", b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED")
_FRAME_BYTES: Final = 4
_GARBLED: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    TypeError,
    ValueError,
    struct.error,
    tifffile.TiffFileError,
)
"""What tifffile raises on bytes that are not a whole TIFF directory."""
_UNPACKING_FAILED: Final[tuple[type[Exception], ...]] = (
    igzip_lib.IsalError,  # type: ignore[assignment]  # its stub takes the class for an instance
    RuntimeError,
)


class GarbledError(ValueError):
    """Bytes that are not what they should be: damaged on the way, or of another kind."""


class TooShortError(GarbledError):
    """The beginning of a file ends before its directory does."""

    def __init__(self, wanted_bytes: int) -> None:
        super().__init__(f"its directory reaches to byte {wanted_bytes}")
        self.wanted_bytes = wanted_bytes


class OtherLayoutError(GarbledError):
    """The beginning of a raster file, but not of one that is read by block here."""


@dataclass(frozen=True)
class CogLayout:
    """Where the pixels of one file lie, on the ground and among its bytes."""

    grid: RasterGrid
    blocks: Blocks
    dtype: np.dtype[Any]
    """uint8 or uint16, in the file's byte order."""
    compression: int
    """TIFF's number: 1 none, 8 and 32946 DEFLATE, 50000 ZSTD."""
    predictor: int
    """1: numbers, 2: differences along rows."""
    offsets: tuple[int, ...]
    """First byte of each block, row by row."""
    counts: tuple[int, ...]
    """Bytes of each block; 0: a block without data."""
    framed: bool
    """Whether each block stands between its length and a repetition of its last four bytes."""

    @property
    def block_bytes(self) -> int:
        """Bytes of a whole block, unpacked."""
        return self.blocks.block[0] * self.blocks.block[1] * self.dtype.itemsize

    @property
    def checked(self) -> bool:
        """Whether damage in a block shows when it is unpacked: DEFLATE holds a checksum."""
        return self.compression in (_DEFLATE, _OLD_DEFLATE)

    def span(self, number: int) -> tuple[int, int]:
        """Give the first byte of a block, with its frame, and the byte behind it."""
        frame = _FRAME_BYTES if self.framed else 0
        start = self.offsets[number]
        return start - frame, start + self.counts[number] + frame

    def block_shape(self, number: int) -> tuple[int, int]:
        """Give the rows and columns of a block that lie in the file."""
        row, column = divmod(number, self.blocks.across)
        (rows, columns), (height, width) = self.blocks.shape, self.blocks.block
        return min(height, rows - row * height), min(width, columns - column * width)


def read_layout(body: bytes, total_bytes: int | None, *, smallest: bool = False) -> CogLayout:
    """Understand the beginning of a file.

    Parameters
    ----------
    body
        Its first bytes.
    total_bytes
        Its size; None if not known.
    smallest
        Give the layout of its coarsest overview instead, if it has any.

    Raises
    ------
    TooShortError
        If more bytes are needed; it says how many.
    OtherLayoutError
        If it is a raster file, but not a GeoTIFF of one band of whole numbers, in blocks.
    GarbledError
        If they are not the beginning of a raster file.
    """
    if not body.startswith(_SIGNATURES):
        raise GarbledError("its first bytes are those of no raster file")
    file = _Beginning(body)
    try:
        with tifffile.TiffFile(file) as tiff:
            page = _smallest_page(tiff) if smallest else tiff.pages.first
            grid = _read_grid(tiff.pages.first)
            layout = _read_page(page, tiff.byteorder, body, grid)
    except _GARBLED as error:
        if file.wanted_bytes > len(body):
            raise TooShortError(file.wanted_bytes) from error
        words = f"not a GeoTIFF of one band of whole numbers, in blocks ({error})"
        raise OtherLayoutError(words) from error
    ends = [layout.span(i)[1] for i, count in enumerate(layout.counts) if count]
    if total_bytes is not None and max(ends, default=0) > total_bytes:
        raise GarbledError(f"its blocks reach to byte {max(ends)}, but it has {total_bytes}")
    return layout


class _Beginning(io.BytesIO):
    """The first bytes of a file, noting how many would have been read."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.wanted_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size >= 0:
            self.wanted_bytes = max(self.wanted_bytes, self.tell() + size)
        return super().read(size)


def _smallest_page(tiff: tifffile.TiffFile) -> tifffile.TiffPage:
    pages = [page for page in tiff.pages if isinstance(page, tifffile.TiffPage)]
    reduced = [page for page in pages if page.is_reduced]
    return min(reduced or pages, key=lambda page: page.imagelength)


def _read_page(
    page: tifffile.TiffPage, byte_order: str, body: bytes, grid: RasterGrid
) -> CogLayout:
    shape = int(page.imagelength), int(page.imagewidth)
    block = int(page.tilelength), int(page.tilewidth)
    if not page.is_tiled:
        block = min(int(page.rowsperstrip), shape[0]), shape[1]
    layout = CogLayout(
        grid=grid._replace(shape=shape, pixel_m=grid.pixel_m * grid.shape[0] / shape[0]),
        blocks=Blocks(shape, block),
        dtype=np.dtype(page.dtype).newbyteorder("<" if byte_order == "<" else ">"),
        compression=int(page.compression),
        predictor=int(page.predictor),
        offsets=tuple(int(offset) for offset in page.dataoffsets),
        counts=tuple(int(count) for count in page.databytecounts),
        framed=all(mark in body[:256] for mark in _FRAME),
    )
    faults = list(_faults(page, layout))
    if faults:
        raise GarbledError("; ".join(faults))
    return layout


def _faults(page: tifffile.TiffPage, layout: CogLayout) -> Iterator[str]:
    rows = -(-layout.blocks.shape[0] // max(layout.blocks.block[0], 1))
    if min(*layout.blocks.shape, *layout.blocks.block) < 1:
        yield "no pixels"
    elif not len(layout.offsets) == len(layout.counts) == rows * layout.blocks.across:
        yield f"{len(layout.offsets)} blocks, expected {rows * layout.blocks.across}"
    if layout.dtype.newbyteorder("=") not in (np.uint8, np.uint16) or page.samplesperpixel != 1:
        yield f"{page.samplesperpixel} bands of {layout.dtype}, expected one of uint8 or uint16"
    if layout.compression not in _KNOWN_COMPRESSION:
        yield f"compression {layout.compression} is not read by block"
    if max((layout.block_bytes, *layout.counts)) > MAX_BLOCK_BYTES:
        yield f"blocks of {layout.blocks.block} pixels, or of more than {MAX_BLOCK_BYTES} bytes"
    if layout.predictor not in (1, 2):
        yield f"predictor {layout.predictor}"


def _read_grid(page: tifffile.TiffPage) -> RasterGrid:
    pixel_m, pixel_y_m, *_ = page.tags[_PIXEL_SCALE].value
    tie = page.tags[_TIE_POINT].value
    keys = page.tags[_GEO_KEYS].value
    geo = {key: value for key, place, _, value in zip(*[iter(keys)] * 4, strict=True) if not place}
    if abs(pixel_m - pixel_y_m) > 1e-6 or len(tie) != 6:
        raise GarbledError(f"pixels of {pixel_m} by {pixel_y_m} m, expected squares")
    # A grid whose tie points are centres of pixels begins half a pixel earlier.
    half = 0.5 if geo.get(_RASTER_TYPE_KEY) == _PIXEL_IS_POINT else 0.0
    return RasterGrid(
        epsg=int(geo[_PROJECTED_CRS_KEY]),
        left=tie[3] - (tie[0] + half) * pixel_m,
        top=tie[4] + (tie[1] + half) * pixel_m,
        pixel_m=float(pixel_m),
        shape=(page.imagelength, page.imagewidth),
    )


def merge_blocks(layout: CogLayout, numbers: Sequence[int]) -> list[list[int]]:
    """Put blocks together that are asked for at once: near each other in the file, not too many."""
    merged: list[list[int]] = []
    for number in sorted(numbers, key=lambda one: layout.offsets[one]):
        start, stop = layout.span(number)
        if merged:
            first, last = layout.span(merged[-1][0])[0], layout.span(merged[-1][-1])[1]
            if start - last <= MERGED_GAP_BYTES and stop - first <= MAX_RANGE_BYTES:
                merged[-1].append(number)
                continue
        merged.append([number])
    return merged


def decode_block(layout: CogLayout, number: int, body: bytes | memoryview) -> AnyArray:
    """Give the pixels of a block, those that lie in the file.

    Parameters
    ----------
    layout
        The file's.
    number
        Of the block, row by row.
    body
        The bytes of its `span`.

    Raises
    ------
    GarbledError
        If they are not what the layout says, or fail their checksum.
    """
    start, stop = layout.span(number)
    if len(body) != stop - start:
        raise GarbledError(f"block {number} has {len(body)} bytes, expected {stop - start}")
    packed = _unframe(layout, number, body) if layout.framed else body
    height, width = layout.block_shape(number)
    plain = _unpack(layout, number, packed)
    if len(plain) not in _stored_sizes(layout, number):
        raise GarbledError(f"block {number} holds {len(plain)} bytes")
    numbers = np.frombuffer(plain, dtype=layout.dtype).reshape(-1, layout.blocks.block[1])
    native = numbers.astype(layout.dtype.newbyteorder("="), copy=False)
    if layout.predictor == 2:
        native = np.add.accumulate(native, axis=1, dtype=native.dtype)
    return native[:height, :width]


def _unframe(layout: CogLayout, number: int, body: bytes | memoryview) -> bytes | memoryview:
    said = int.from_bytes(body[:_FRAME_BYTES], "little")
    packed = body[_FRAME_BYTES:-_FRAME_BYTES]
    if said != layout.counts[number] or packed[-_FRAME_BYTES:] != body[-_FRAME_BYTES:]:
        raise GarbledError(f"block {number} does not stand where the directory says")
    return packed


def _stored_sizes(layout: CogLayout, number: int) -> tuple[int, ...]:
    """Give the bytes that a block may have: tiles are whole, the last strip may be less high."""
    if layout.blocks.block[1] != layout.blocks.shape[1]:
        return (layout.block_bytes,)
    height, width = layout.block_shape(number)
    return layout.block_bytes, height * width * layout.dtype.itemsize


def _unpack(layout: CogLayout, number: int, packed: bytes | memoryview) -> bytes:
    """Unpack a block, never more than it may hold: a few bytes can stand for very many."""
    try:
        if layout.compression in (_DEFLATE, _OLD_DEFLATE):
            return _inflate(packed, layout.block_bytes)
        if layout.compression == _ZSTD:
            return _unpack_zstd(packed, _stored_sizes(layout, number))
    except _UNPACKING_FAILED as error:
        raise GarbledError(f"block {number} cannot be unpacked ({error})") from error
    return bytes(packed)


def _inflate(packed: bytes | memoryview, most_bytes: int) -> bytes:
    unpacking = isal_zlib.decompressobj()
    plain = unpacking.decompress(packed, most_bytes + 1)
    if not unpacking.eof:
        raise RuntimeError(f"{len(plain)} bytes, and no end; expected at most {most_bytes}")
    return plain


def _unpack_zstd(packed: bytes | memoryview, sizes: Sequence[int]) -> bytes:
    from numcodecs.zstd import Zstd

    for size in dict.fromkeys(sizes):
        plain = bytearray(size)
        try:
            Zstd().decode(packed, out=plain)
        except (RuntimeError, ValueError) as error:
            failed = error
        else:
            return bytes(plain)
    raise RuntimeError(str(failed))
