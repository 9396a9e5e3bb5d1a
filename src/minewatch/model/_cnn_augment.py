"""Variations of patches that leave their labels true."""

from collections.abc import Sequence
from typing import Final

import torch

_MOST_SHIFT_PX: Final = 4
_GAIN: Final = 0.10
_BAND_GAIN: Final = 0.03
_HAZE: Final = 0.01
_SHADOW_SHARE: Final = 0.2
_MISSING_SHARE: Final = 0.1


def augment(
    pixels: torch.Tensor, generator: torch.Generator, dates: Sequence[Sequence[int]]
) -> torch.Tensor:
    """Vary patches: the eight ways to lay them, shifts, light, cloud shadows, missing pixels.

    Parameters
    ----------
    pixels
        Reflectance (site, band, y, x), NaN where nothing is known; not changed.
    generator
        Where chance comes from.
    dates
        Positions of the bands of each date: every date has its own light, shadows and gaps. What is
        in none is a channel of context, which is laid and moved alone.

    Returns
    -------
    Tensor
        The same shape. Each patch is flipped and turned at random; moved by up to 4 px along each
        axis, what comes in being its own mirror image; made brighter or darker by some 10 %, each
        band by another 3 %, and hazier by up to 0.01; a fifth of them get a soft-edged shadow over
        a part, in which a third to four fifths of the light is left; of a tenth a rectangle goes
        missing. None of it makes a mine or takes one away.
    """
    varied = _shift(_lay(pixels, generator), generator)
    for places in map(list, dates):
        bands = _lighten(varied[:, places], generator)
        bands = bands * _shadows(bands, generator)
        varied[:, places] = bands.masked_fill(_gaps(bands, generator), torch.nan)
    return varied


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator)


def _lay(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    flip_y, flip_x, turn = (torch.rand(3, len(pixels), 1, 1, 1, generator=generator) < 0.5).unbind()
    pixels = torch.where(flip_y, pixels.flip(2), pixels)
    pixels = torch.where(flip_x, pixels.flip(3), pixels)
    return torch.where(turn, pixels.transpose(2, 3), pixels)


def _shift(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Move each patch; beyond its edge lies its mirror image."""
    n, n_bands, size = pixels.shape[:3]
    most = min(_MOST_SHIFT_PX, size - 1)
    moves = torch.randint(-most, most + 1, (2, n, 1), generator=generator)
    y, x = (_mirror(torch.arange(size) + move, size) for move in moves)
    rows = y[:, None, :, None].expand(n, n_bands, size, size)
    columns = x[:, None, None, :].expand(n, n_bands, size, size)
    return pixels.gather(2, rows).gather(3, columns)


def _mirror(position: torch.Tensor, size: int) -> torch.Tensor:
    position = position.abs()
    return torch.where(position >= size, 2 * (size - 1) - position, position)


def _lighten(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    n, n_bands = pixels.shape[:2]
    gain = _GAIN * torch.randn(n, 1, 1, 1, generator=generator)
    by_band = _BAND_GAIN * torch.randn(n, n_bands, 1, 1, generator=generator)
    return pixels * torch.exp(gain + by_band) + _uniform(n, -_HAZE / 2, _HAZE, generator)


def _shadows(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Give the share of light that is left, from 0 to 1, dims (site, 1, y, x)."""
    n, size = len(pixels), pixels.shape[-1]
    grid = torch.linspace(0.0, 1.0, size)
    y = grid[:, None] - _uniform(n, 0.0, 1.0, generator)
    x = grid[None, :] - _uniform(n, 0.0, 1.0, generator)
    radius = _uniform(n, 0.1, 0.35, generator)
    squash = _uniform(n, 0.6, 1.6, generator)
    distance = torch.sqrt((y * squash) ** 2 + (x / squash) ** 2)
    depth = _uniform(n, 0.2, 0.65, generator) * (_uniform(n, 0, 1, generator) < _SHADOW_SHARE)
    return 1.0 - depth * torch.sigmoid((radius - distance) / 0.03)


def _gaps(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Say which pixels go missing, dims (site, 1, y, x)."""
    n, size = len(pixels), pixels.shape[-1]
    grid = torch.linspace(0.0, 1.0, size)
    half = _uniform(n, 0.05, 0.2, generator)
    y = (grid[:, None] - _uniform(n, 0.0, 1.0, generator)).abs() < half
    x = (grid[None, :] - _uniform(n, 0.0, 1.0, generator)).abs() < half
    return y & x & (_uniform(n, 0.0, 1.0, generator) < _MISSING_SHARE)
