"""What the networks are made of, as values: their arithmetic needs no framework."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from minewatch.errors import InputError

NetworkName: TypeAlias = Literal["dense", "reference"]
Values = npt.NDArray[np.float32]
_CONV: Final = 3
_MOST_PIXELS: Final = 2_000_000
_CUT: Final = (0.001, 0.995)
_SMALLEST_SPREAD: Final = 0.1
"""Of channels of context, which go from 0 to 1: what is hardly ever mapped shall not drown all."""


@dataclass(frozen=True)
class Conv:
    """A 3 × 3 convolution, batch normalisation where the network has it, and a ReLU."""

    width: int
    """Channels it gives."""
    padding: Literal["valid", "same"]
    """``valid``: it gives two pixels less along each side, and no number is made up; ``same``:
    zeros stand around the patch."""


@dataclass(frozen=True)
class Pool:
    """The largest of each square of pixels; what is left over at the right and below is dropped."""

    size: int
    """Pixels along a side of the square, and from one square to the next."""


@dataclass(frozen=True)
class Network:
    """A network for patches of one size."""

    name: NetworkName
    """``dense`` or ``reference``."""
    layers: tuple[Conv | Pool, ...]
    """From the prepared pixels to the feature map."""
    hidden: tuple[int, ...]
    """Widths of the dense layers between the feature map and the one score."""
    size_px: int
    """Pixels along a side of the patches."""

    @property
    def is_dense(self) -> bool:
        """Whether windows of a larger tile can share the feature map, exactly."""
        return self.name == "dense"

    @property
    def stride_px(self) -> int:
        """Pixels from one cell of the feature map to the next."""
        stride = 1
        for layer in self.layers:
            stride *= layer.size if isinstance(layer, Pool) else 1
        return stride

    @property
    def field_px(self) -> int:
        """Pixels along a side of the ground that one cell sees.

        Each 3 × 3 convolution adds two steps of the grid it works on, each pooling of side k adds
        k − 1 and makes the grid k times coarser.
        """
        field, step = 1, 1
        for layer in self.layers:
            side = layer.size if isinstance(layer, Pool) else _CONV
            field += (side - 1) * step
            step *= layer.size if isinstance(layer, Pool) else 1
        return field

    @property
    def cells(self) -> int:
        """Cells along a side of a patch's feature map."""
        side = self.size_px
        for layer in self.layers:
            if isinstance(layer, Pool):
                side //= layer.size
            elif layer.padding == "valid":
                side -= _CONV - 1
        return side

    @property
    def margin_cells(self) -> int:
        """Cells left out on each side to come to the middle of a patch's feature map."""
        return self.cells // 4


def dense_network(size_px: int, width: int) -> Network:
    """Lay out our own network: nothing is padded, so that windows can share what they see.

    Raises
    ------
    InputError
        If the patches are too small for it.

    Examples
    --------
    >>> network = dense_network(48, 16)
    >>> network.field_px, network.stride_px, network.cells, network.margin_cells
    (32, 4, 5, 1)
    """
    depth = (2, 2, 2) if size_px >= 36 else (2, 1, 1)
    layers: list[Conv | Pool] = []
    for block, n_convs in enumerate(depth):
        layers += [Pool(2)] if block else []
        layers += [Conv(width << block, "valid")] * n_convs
    network = Network("dense", tuple(layers), (), size_px)
    if size_px < network.field_px:
        raise InputError(
            f"patches have {size_px} px along a side; a network needs at least {network.field_px}"
        )
    return network


def reference_network(size_px: int, width: int) -> Network:
    """Lay out the published 48 px network: three blocks of three padded convolutions.

    Raises
    ------
    InputError
        If the patches are too small for it.

    Examples
    --------
    >>> reference_network(48, 32).cells
    4
    """
    block = (Conv(width, "same"),) * 3
    layers = (*block, Pool(2), *block, Pool(2), *block, Pool(3))
    network = Network("reference", layers, (64, 64, 32), size_px)
    if network.cells < 1:
        raise InputError(f"patches have {size_px} px along a side; a network needs at least 12")
    return network


@dataclass(frozen=True, eq=False)
class Normalisation:
    """What happens to reflectance before the first convolution."""

    low: Values
    """(band,) smaller values become this."""
    high: Values
    """(band,) larger values become this: clouds and roofs shall not rule a mean."""
    mean: Values
    """(band,) taken away afterwards; it also stands for missing pixels."""
    deviation: Values
    """(band,) what is left is divided by it."""


def learn_normalisation(pixels: Values, of_context: Collection[int] = ()) -> Normalisation:
    """Learn from training patches alone how reflectance is brought to one scale.

    Parameters
    ----------
    pixels
        Reflectance (site, band, y, x), NaN where nothing is known. Of many patches every k-th pixel
        is looked at, two millions of each band.
    of_context
        Positions of channels of context: they go from 0 to 1 and are not cut, however rare.
    """
    n_bands = pixels.shape[1]
    step = max(1, pixels.size // n_bands // _MOST_PIXELS)
    columns = []
    for band in range(n_bands):
        values = pixels[:, band].ravel()[::step].astype(np.float64)
        values = values[np.isfinite(values)]
        if not len(values):
            raise InputError("a band of the training patches has no known pixel at all")
        drawn = band in of_context
        low, high = (0.0, 1.0) if drawn else np.quantile(values, _CUT)
        cut = np.clip(values, low, high)
        spread = max(cut.std(), _SMALLEST_SPREAD if drawn else 1e-6)
        columns.append((low, high, cut.mean(), spread))
    low_, high_, mean_, deviation_ = np.array(columns, dtype=np.float32).T.copy()
    return Normalisation(low_, high_, mean_, deviation_)
