"""The section [scan] of study.toml."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from minewatch.scan._outline_rule import OutlineRule
from minewatch.scan._settings import ScanSettings
from minewatch.types import Settings


class MergeSection(Settings):
    """Which windows are detections, and what is said of them; paths as in `ScanSection`."""

    preset: Literal["single", "cumulative"] | None = None
    """Thresholds that have a name: 0.43 / 0.75, or 0.55 / 0.8, of published detectors."""
    threshold: float | None = Field(default=None, ge=0, le=1)
    """Least score of a window. None: the preset's, else the detector's for the best F1."""
    isolated_threshold: float | None = Field(default=None, ge=0, le=1)
    """Least score of a window that stands alone. None: the preset's, else no other."""
    neighbours: int | None = Field(default=None, ge=1)
    """A window stands alone if so many detected neighbours do not come near. None: 5."""
    isolation_m: float | None = Field(default=None, ge=0)
    """How near, metres. None: 3,000."""
    gap_m: float = Field(default=30.0, ge=0, le=1_000)
    """Slits narrower than this are filled where squares stand askew, metres."""
    earlier: tuple[Path, ...] = ()
    """Detections of earlier periods, the oldest first: a mine keeps its name."""
    overlays: dict[Path, str] = Field(default_factory=dict)
    """Files of polygons, each with its column of names, of which the touched ones are named."""

    @property
    def rule(self) -> dict[str, float | None]:
        """What is said of the rule, as `minewatch.scan._merge_run.merge_files` takes it."""
        names = ("threshold", "isolated_threshold", "neighbours", "isolation_m")
        return {name: getattr(self, name) for name in names}


class ScanSection(ScanSettings):
    """Which ground is scanned with which detector; paths are relative to the study's folder."""

    name: str | None = Field(default=None, pattern=r"^\w[\w.-]*$")
    """Name of its folder in ``scans/``. None: the period, such as ``2024``."""
    region: Path | None = None
    """A file of polygons. None: the ground around the sites."""
    around_m: float = Field(default=1_000.0, gt=0, le=50_000)
    """Without a region: how far from each site, metres."""
    detector: Path | None = None
    """The folder of a saved detector. None: what the stage model saves."""
    features: Path = Path("context/features.parquet")
    """What is mapped: for detectors that take context, and to say what detections lie near."""
    merge: MergeSection = MergeSection()
    """Which windows are detections."""
    outlines: bool | None = None
    """Whether bare ground and ponds in detections are outlined. None: where imagery is L2A."""
    outline: OutlineRule = OutlineRule()
    """What counts as such ground."""
    allow_failed: bool = False
    """Whether a study goes on although tiles, or outlines, failed."""

    @property
    def settings(self) -> ScanSettings:
        """The part that every scan takes."""
        return ScanSettings(**{name: getattr(self, name) for name in ScanSettings.model_fields})
