"""What a scan can be told."""

from typing import Final, Self

from pydantic import Field, model_validator

from minewatch.errors import SettingsError
from minewatch.grid import PatchGrid
from minewatch.types import Settings

USUAL_TILE_PX: Final = 600
"""About how long a tile's side is, pixels: its year of views then takes some 300 MB to compose."""
LARGEST_TILE_PX: Final = 2_400


class ScanSettings(Settings):
    """How a region is covered by windows, and what counts as seen.

    Examples
    --------
    >>> ScanSettings(stride_px=12).min_clear_views
    1
    """

    stride_px: int | None = Field(default=None, ge=1)
    """Pixels from a window to the next, along both axes; 60 m or a multiple. None: half the
    detector's patch, rounded down to such a multiple."""
    tile_px: int | None = Field(default=None, ge=1, le=LARGEST_TILE_PX)
    """Side of the tiles that are read and kept one by one, pixels; a multiple of the stride. None:
    the largest up to 600. It changes no window and no pixel."""
    min_clear_views: int = Field(default=1, ge=1)
    """A window whose pixels have fewer clear views (their median) is not seen."""
    max_missing_share: float = Field(default=0.1, ge=0, lt=1)
    """A window with a larger share of pixels about which something is not known is not seen."""
    applicability: bool = True
    """Whether the area of applicability is looked at, where the detector has one."""
    radii_m: tuple[int, ...] | None = None
    """Radii that context is measured within, for detectors that take it, metres. None: those that
    its columns name."""
    attempts: int = Field(default=3, ge=1, le=20)
    """How often a tile is tried before it is listed as failed."""
    workers: int | None = Field(default=None, ge=1)
    """Tiles under way at a time, each in about half a gigabyte. None: one more than there are
    cores, so that some are read while others are scored."""

    @model_validator(mode="after")
    def _tile_holds_whole_strides(self) -> Self:
        if self.tile_px and self.stride_px and self.tile_px % self.stride_px:
            raise ValueError(
                f"tile_px is {self.tile_px}, no multiple of stride_px, {self.stride_px}: windows "
                "would not lie on one grid"
            )
        return self


def choose_steps(settings: ScanSettings, grid: PatchGrid) -> tuple[int, int]:
    """Give the stride and the side of a tile, pixels, for windows of a grid.

    Raises
    ------
    SettingsError
        If the stride leaves the snapped grid, or skips ground, or does not divide the tile.

    Examples
    --------
    >>> [choose_steps(ScanSettings(), PatchGrid(size_px=size)) for size in (48, 44)]
    [(24, 600), (18, 594)]
    """
    snap_px = round(grid.snap_m / grid.resolution_m)
    stride = settings.stride_px or max(grid.size_px // 2 // snap_px, 1) * snap_px
    if stride % snap_px:
        near = max(round(stride / snap_px), 1) * snap_px
        raise SettingsError(
            f"stride_px is {stride}; expected a multiple of {snap_px}, for windows lie on the grid "
            f"of {grid.snap_m:g} m on which patches are cut; take {near}"
        )
    if stride > grid.size_px:
        raise SettingsError(
            f"stride_px is {stride} and windows are {grid.size_px} px wide: ground between them "
            f"would never be looked at; take {grid.size_px // snap_px * snap_px} or less"
        )
    tile = settings.tile_px or max(USUAL_TILE_PX // stride, 1) * stride
    if tile % stride:
        raise SettingsError(
            f"tile_px is {tile}; expected a multiple of the stride of {stride} px: "
            f"{max(tile // stride, 1) * stride}"
        )
    return stride, tile
