"""The section [maps] of study.toml."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from minewatch.maps._formats import Format
from minewatch.types import Settings


class MapsSection(Settings):
    """Which windows count as detected, and what is written of them; paths as in `SitesSection`."""

    title: str = ""
    """What is shown. Empty: the study's name."""
    attribution: tuple[str, ...] = ()
    """Whom to name besides those that the files name."""
    formats: tuple[Format, ...] | None = None
    """What is written. None: all that fits."""
    preset: Literal["single", "cumulative"] | None = None
    """Rule of `minewatch scan merge`. None: the threshold on the detector's card."""
    threshold: float | None = Field(default=None, ge=0, le=1)
    """Least score of a window. None: the preset's, or the card's."""
    isolated_threshold: float | None = Field(default=None, ge=0, le=1)
    """Least score of a window that stands alone. None: the preset's, or no other."""
    overlays: dict[str, str] = Field(default_factory=dict)
    """Files of polygons, each with its column of names: what detections touch is named."""
    earlier: dict[str, Path] = Field(default_factory=dict)
    """Detections of earlier periods, by period, the oldest first: mines keep their names, and
    changes since the last of them are shown."""
    outlines: bool = True
    """Whether bare ground and ponds inside of detections are outlined, from imagery of level L2A;
    else hectares are of whole windows alone."""
    imagery: bool = True
    """Whether the imagery of the region is shown."""
