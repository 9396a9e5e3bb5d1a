"""A composite that arrives in pieces, each as large as one request may be."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from minewatch.imagery._compose import composite_dataset
from minewatch.imagery._earthengine_graph import CLEAR_COUNT, output_names
from minewatch.imagery._query import SceneQuery

MAX_REQUEST_BYTES: Final = 48 * 1024 * 1024
"""What one request may give, uncompressed."""
MAX_REQUEST_PX: Final = 32_000
"""Pixels along a side that one request may give."""
LEAST_SIDE_PX: Final = 8
"""A piece of one band is not cut below this."""


@dataclass(frozen=True)
class Piece:
    """Some bands of a rectangle of a place's pixels."""

    bands: tuple[str, ...]
    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    @property
    def fits(self) -> bool:
        """Whether one request may give it: uint16 numbers and a count."""
        n_bytes = 2 * (len(self.bands) + 1) * self.shape[0] * self.shape[1]
        return n_bytes <= MAX_REQUEST_BYTES and max(self.shape) <= MAX_REQUEST_PX

    def halves(self) -> tuple["Piece", ...]:
        """Cut it in two: by bands as long as there are several, then across its longer side.

        Returns
        -------
        tuple of Piece
            Empty if it is too small to be cut.

        Examples
        --------
        >>> whole = Piece(("B02", "B03", "B04"), slice(0, 48), slice(0, 48))
        >>> [half.bands for half in whole.halves()]
        [('B02',), ('B03', 'B04')]
        """
        if len(self.bands) > 1:
            middle = len(self.bands) // 2
            return (
                Piece(self.bands[:middle], self.rows, self.columns),
                Piece(self.bands[middle:], self.rows, self.columns),
            )
        height, width = self.shape
        if max(height, width) < 2 * LEAST_SIDE_PX:
            return ()
        if height >= width:
            top, bottom = _cut(self.rows)
            return Piece(self.bands, top, self.columns), Piece(self.bands, bottom, self.columns)
        left, right = _cut(self.columns)
        return Piece(self.bands, self.rows, left), Piece(self.bands, self.rows, right)


@dataclass(frozen=True)
class Composite:
    """The pixels of a place, filled piece by piece."""

    geobox: GeoBox
    query: SceneQuery
    numbers: npt.NDArray[np.uint16]
    """Digital numbers (band, y, x), 0 = no data."""
    counts: npt.NDArray[np.uint16]
    """Clear views (y, x): of the bands' counts the largest."""

    @classmethod
    def empty(cls, geobox: GeoBox, query: SceneQuery) -> Self:
        """Begin with nothing known."""
        height, width = geobox.shape.yx
        return cls(
            geobox,
            query,
            np.zeros((len(query.bands), height, width), dtype=np.uint16),
            np.zeros((height, width), dtype=np.uint16),
        )

    def pieces(self) -> Iterator[Piece]:
        """Cut it into pieces that one request may give each: one, unless the place is large."""
        height, width = self.geobox.shape.yx
        yield from _fitting(Piece(self.query.bands, slice(0, height), slice(0, width)))

    def part(self, piece: Piece) -> GeoBox:
        """Give the grid of a piece."""
        whole, row, column = self.geobox.transform, piece.rows.start, piece.columns.start
        left = whole.c + whole.a * column + whole.b * row
        top = whole.f + whole.d * column + whole.e * row
        transform = Affine(whole.a, whole.b, left, whole.d, whole.e, top)
        return GeoBox(piece.shape, transform, self.geobox.crs)

    def put(self, piece: Piece, answer: Mapping[str, npt.NDArray[np.uint16]]) -> None:
        """Put what came back for a piece in its place.

        Parameters
        ----------
        piece
            What was asked.
        answer
            Its bands by Earth Engine's names, and the count of clear views, each (y, x).
        """
        for name, own in zip(output_names(piece.bands), piece.bands, strict=False):
            position = self.query.bands.index(own)
            self.numbers[position, piece.rows, piece.columns] = answer[name]
        counts = self.counts[piece.rows, piece.columns]
        np.maximum(counts, answer[CLEAR_COUNT], out=counts)

    def dataset(self, attrs: Mapping[str, object]) -> xr.Dataset:
        """Give it as sources of imagery do."""
        return composite_dataset(self.geobox, self.query.bands, self.numbers, self.counts, attrs)


def _fitting(piece: Piece) -> Iterator[Piece]:
    halves: Sequence[Piece] = () if piece.fits else piece.halves()
    if not halves:
        yield piece
    for half in halves:
        yield from _fitting(half)


def _cut(span: slice) -> tuple[slice, slice]:
    middle = (span.start + span.stop) // 2
    return slice(span.start, middle), slice(middle, span.stop)
