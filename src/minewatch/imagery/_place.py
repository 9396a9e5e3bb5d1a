"""One place while it is read: its views, what is clear in them, and what went wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from odc.geo.geobox import GeoBox

from minewatch.imagery._items import Scene
from minewatch.imagery._sampling import RasterGrid, Sampling, plan_sampling
from minewatch.types import BoolArray

BYTES_PER_VIEW_PX: Final = 2 * 2 + 3
"""Least memory that one pixel of one view takes: its numbers in two bands, and its masks."""

SceneKey: TypeAlias = tuple[str, str]
"""Collection and id."""
Step: TypeAlias = tuple[int, int, SceneKey]
"""One file that is read for places: stage (0 masks, 1 offsets, 2 bands), number of the round or the
band, scene. Files are read in any order; what is reported is ordered by this."""
BEGINNING: Final[Step] = (-1, 0, ("", ""))
"""Before anything is read."""


@dataclass
class Place:
    """One place, and what is known of it so far."""

    key: str
    geobox: GeoBox
    views: "Sequence[View]"
    """In order of time; after the masks were read, those that are composed."""
    error: Exception | None = None
    """Why it failed; None as long as it did not."""
    error_step: Step = BEGINNING
    """Where it failed."""
    broken: dict[SceneKey, tuple[Step, str]] = field(default_factory=dict)
    """Scenes that turned out to be broken while it was read, where, and the reason; then it has to
    be composed again without them."""
    left_out: dict[SceneKey, str] = field(default_factory=dict)
    """Scenes that were found broken before, and that its views are chosen without."""
    n_views: int = 0
    """Views that were chosen, whether they show anything or not."""
    samplings: dict[tuple[RasterGrid, bool], Sampling] = field(default_factory=dict)

    @property
    def is_composed(self) -> bool:
        """Whether nothing was in the way."""
        return self.error is None and not self.broken

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.geobox.shape.yx
        return height, width

    @property
    def memory_bytes(self) -> int:
        """Most memory that it takes while it is read."""
        return len(self.views) * self.shape[0] * self.shape[1] * BYTES_PER_VIEW_PX

    def failed_before(self, step: Step) -> bool:
        """Tell whether it failed at an earlier step, so that this one is of no use to it."""
        return self.error is not None and self.error_step < step

    def fail(self, step: Step, error: Exception) -> None:
        """Note why it failed; of several reasons the one of the earliest step stays."""
        if self.error is None or step < self.error_step:
            self.error, self.error_step = error, step

    def meet_broken(self, step: Step, scene: SceneKey, words: str) -> None:
        """Note a broken scene; of several reasons the one of the earliest step stays."""
        self.broken[scene] = min((step, words), self.broken.get(scene, (step, words)))

    def sampling(self, grid: RasterGrid, *, bilinear: bool = False) -> Sampling:
        """Say how its pixels are taken from a file."""
        key = grid, bilinear
        if key not in self.samplings:
            self.samplings[key] = plan_sampling(self.geobox, grid, bilinear=bilinear)
        return self.samplings[key]


@dataclass
class View:
    """What one pass of a satellite saw of one place."""

    scenes: Sequence[Scene]
    """Each is filled by the next."""
    known: BoolArray | None = None
    """(y, x): where a scene that was read has data; None: none was read yet, or all were."""
    parts: list[tuple[Scene, BoolArray]] = field(default_factory=list)
    """Scenes with what is taken of them, (y, x): what is clear and not known from one before."""

    @property
    def clear_px(self) -> int:
        """How many pixels are clear."""
        return sum(int(np.count_nonzero(mask)) for _, mask in self.parts)

    def next_scene(self, depth: int) -> Scene | None:
        """Give the scene to read next, if there is one and something is still unknown."""
        if depth >= len(self.scenes) or (self.known is not None and self.known.all()):
            return None
        return self.scenes[depth]

    @property
    def mask(self) -> BoolArray:
        """What is taken of its scenes together."""
        masks = [mask for _, mask in self.parts]
        taken: BoolArray = masks[0] if len(masks) == 1 else np.logical_or.reduce(masks)
        return taken

    def add(self, scene: Scene, clear: BoolArray, known: BoolArray) -> None:
        """Fill what is not known yet from a scene."""
        if self.known is None:
            mask, self.known = clear, known
        else:
            mask, self.known = clear & ~self.known, self.known | known
        if mask.any():
            self.parts.append((scene, mask))
