"""The section [scan] of study.toml."""

from pathlib import Path

from pydantic import Field

from minewatch.scan._settings import ScanSettings


class ScanSection(ScanSettings):
    """Which ground is scanned with which detector; paths are relative to the study's folder."""

    region: Path | None = None
    """A file of polygons. None: the ground around the sites."""
    around_m: float = Field(default=1_000.0, gt=0, le=50_000)
    """Without a region: how far from each site, metres."""
    detector: Path | None = None
    """The folder of a saved detector. None: what the stage model saves."""
    features: Path = Path("context/features.parquet")
    """What is mapped, for detectors that take context."""
    allow_failed: bool = False
    """Whether a study goes on although tiles failed."""

    @property
    def settings(self) -> ScanSettings:
        """The part that every scan takes."""
        return ScanSettings(**{name: getattr(self, name) for name in ScanSettings.model_fields})
