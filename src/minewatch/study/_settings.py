"""The sections of study.toml, as strict settings."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from minewatch.explore import ExploreSettings
from minewatch.patches import ImportSettings
from minewatch.types import Settings


class StudySection(Settings):
    """What the study is."""

    name: str = "a study"
    """What the study is called, in reports."""


class SitesSection(Settings):
    """Where the labelled points lie; paths are relative to the study's folder."""

    mining: tuple[Path, ...] = ()
    """Files whose points are all mining."""
    no_mining: tuple[Path, ...] = ()
    """Files whose points are all without mining."""
    files: tuple[Path, ...] = ()
    """Files with a column that says which points are mining."""
    label_column: str | None = None
    """That column. None: the column ``label``, if there is one."""
    site_id_column: str | None = None
    """The column of ids. None: ``site_id``, ``sample_id`` or ``id``, or made of file and order."""
    crs: str | None = None
    """The CRS of files that carry none: ``"EPSG:32620"``."""
    allow: tuple[str, ...] = ()
    """Faults to accept as they are: ``"duplicate point"``, ``"conflicting labels"``."""
    size_px: int = Field(default=48, ge=1)
    """Side of the patches that overlaps are judged on, pixels."""
    resolution_m: float = Field(default=10.0, gt=0)
    """Ground size of a pixel, metres."""

    @model_validator(mode="after")
    def _something_is_named(self) -> Self:
        if not (self.mining or self.no_mining or self.files):
            raise ValueError(
                "sites names no file; list your point files under mining and no_mining, or under "
                "files if a column holds the label"
            )
        if self.files and (self.mining or self.no_mining):
            raise ValueError(
                "sites names files both by class (mining, no_mining) and with a label column "
                "(files); use one of the two"
            )
        return self


class PatchesSection(ImportSettings):
    """Where the pixels lie, and what cannot be seen in them; paths as in `SitesSection`."""

    kind: Literal["arrays", "legacy", "geotiff"]
    """What they are: a NumPy file, pickles of the mining-detector, or a folder of GeoTIFFs."""
    files: tuple[Path, ...] = Field(min_length=1)
    """The files; one ``.npy`` or ``.npz``, one folder of GeoTIFFs, or any number of pickles."""
    key: str | None = None
    """The array in an ``.npz`` that holds several."""
    points: tuple[Path, ...] = ()
    """For pickles: the point file of each, in their order. None: the file beside it."""
    order: tuple[Path, ...] = ()
    """For pickles: for each the file that says what its rows are, in their order."""
    rows_follow_sites: bool = False
    """Your statement that rows and points are in the same order, if nothing else ties them."""

    @model_validator(mode="after")
    def _files_fit_the_kind(self) -> Self:
        if self.kind != "legacy" and len(self.files) != 1:
            raise ValueError(
                f"patches.files names {len(self.files)} files; kind {self.kind!r} takes one"
            )
        if self.kind != "legacy" and (self.points or self.order):
            raise ValueError(
                f"patches.points and patches.order are for kind 'legacy', not {self.kind!r}"
            )
        return self

    @property
    def settings(self) -> ImportSettings:
        """The part that every import takes."""
        names = ImportSettings.model_fields
        return ImportSettings(**{name: getattr(self, name) for name in names})


class StudySettings(Settings):
    """A whole study.toml."""

    study: StudySection = StudySection()
    """What the study is."""
    sites: SitesSection
    """Where the labelled points lie."""
    patches: PatchesSection
    """Where the pixels lie."""
    explore: ExploreSettings = ExploreSettings()
    """How they are explored."""
