"""The section [maps] of study.toml."""

from pathlib import Path

from pydantic import Field

from minewatch.maps._formats import Format, Language
from minewatch.types import Settings


class MapsSection(Settings):
    """How what the scan found is shown, and in which files; paths as in `SitesSection`."""

    title: str = ""
    """What is shown. Empty: the study's name."""
    attribution: tuple[str, ...] = ()
    """Whom to name besides those that the files name."""
    formats: tuple[Format, ...] | None = None
    """What is written. None: all that fits."""
    language: Language | None = None
    """That the page opens in, and of the sheets: en, es, pt. None: the reader's own, sheets in
    English."""
    overlays: dict[Path, str] = Field(default_factory=dict)
    """Files of polygons to show besides those of [scan.merge], each with its column of names."""
    earlier: dict[str, Path] = Field(default_factory=dict)
    """Detections of earlier periods, by period: changes since the latest of them are
    shown. Empty: those after which the section [scan.merge] names its own."""
    reviewed: Path | None = None
    """A sample of the scan's detections that ``scan area`` drew and people reviewed: the map then
    says how many hectares of mining there are, and how sure that is."""
    imagery: bool = True
    """Whether the imagery of the region is shown."""
