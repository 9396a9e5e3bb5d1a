"""What a patch dataset says about itself: ``dataset.json``."""

import json
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from minewatch import _store
from minewatch.bands import NO_DATA, SCALE_FACTOR
from minewatch.errors import DatasetError
from minewatch.imagery import SceneQuery, attribution
from minewatch.patches._periods import check_period
from minewatch.types import Level, Settings, describe_fault

FORMAT_VERSION: Final = 1
HEADER_NAME: Final = "dataset.json"
PIXELS_NAME: Final = "patches.zarr"
SITES_NAME: Final = "sites.parquet"
OURS: Final = _store.Ours(HEADER_NAME, frozenset({PIXELS_NAME, SITES_NAME}))
"""What tells a patch dataset from any other folder."""

Origin = Literal["grid", "point", "transform", "unplaced"]


class SourceValues(Settings):
    """How the numbers of the source became digital numbers, so that they can be had back."""

    dtype: str
    """NumPy's name of the source's number type: ``int16``."""
    scale: float
    """Reflectance of one unit of the source."""
    offset: float = 0.0
    """Reflectance added after scaling."""
    no_data: float | None = 0.0
    """The source's value for "nothing is known"; None if it has none."""


class ImageryFacts(Settings):
    """What was asked of the source of imagery, and what it said of what it gave."""

    query: SceneQuery
    """Period, bands, and what counts as a clear view."""
    asked: str
    """The source that was asked, as it names itself."""
    snap_m: float
    """Spacing of the grid that the patches' corners lie on, metres."""
    min_clear_views: int
    """A patch with fewer clear views is marked ``few clear views``."""
    masks: tuple[str, ...]
    """How clear views were told, in the source's words."""
    versions: tuple[str, ...]
    """Libraries that made the pixels: ``rasterio 1.4.3``."""
    makers: tuple[str, ...] = ()
    """Who made the scenes: Copernicus, or whoever the items name. None in datasets from before it
    was kept."""

    @property
    def attribution(self) -> str:
        """The words that everything made from the pixels has to bear; "" where nobody knows."""
        years = range(self.query.start.year, self.query.end.year + 1)
        return attribution(years, self.makers)

    def summary(self) -> dict[str, Any]:
        """Say how the pixels were asked for, apart from bands and period."""
        query = self.query.model_dump(mode="json", exclude={"bands", "start", "end"})
        return {**query, "min_clear_views": self.min_clear_views}


class DatasetHeader(Settings):
    """Everything about a patch dataset that is not a pixel and not about one site."""

    format_version: Literal[1] = FORMAT_VERSION
    """Version of the layout on disk."""
    minewatch: str
    """The minewatch that wrote it."""
    bands: tuple[str, ...]
    """ESA's band names, in the order of the arrays."""
    level: Level
    """Processing level of every pixel."""
    n_sites: int = Field(ge=1)
    """Patches in the dataset."""
    size_px: int = Field(ge=1)
    """Pixels along each side of a patch."""
    resolution_m: float = Field(gt=0)
    """Ground size of a pixel, metres."""
    period_start: str | None = None
    """First day of the imagery, ISO date; None if not known or different from site to site."""
    period_end: str | None = None
    """Last day of the imagery, ISO date; None if not known or different from site to site."""
    source: str
    """Where the pixels come from, in words."""
    scale_factor: float = SCALE_FACTOR
    """Reflectance of one digital number."""
    no_data: int = NO_DATA
    """The digital number of pixels about which nothing is known."""
    saturation_dn: int | None = None
    """The digital number at which the source was clipped; None if it was not."""
    has_clear_counts: bool = False
    """Whether the number of clear views of every pixel is stored too."""
    source_values: SourceValues | None = None
    """How an import read its numbers; None if they were digital numbers already."""
    imagery: ImageryFacts | None = None
    """How the pixels were asked for; None if they were not built from a source of imagery."""
    conversion: dict[str, float] = Field(default_factory=dict)
    """What the import changed: how many values were clipped, rounded, missing or not a number."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Digest of every input, by file name."""
    request: str | None = None
    """Digest of all that was asked for: settings, inputs, sites and versions."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of the libraries that wrote the bytes."""
    digest: str
    """Digest of the pixels, clear counts, site ids and bands."""
    sites_digest: str | None = None
    """Digest of the table of sites, whatever the order of its rows: of labels, places, footprints,
    periods and all else that it says. None in datasets from before it was kept."""

    @property
    def attribution(self) -> str:
        """The words that everything made from the pixels has to bear; "" where nobody knows."""
        return "" if self.imagery is None else self.imagery.attribution

    @model_validator(mode="after")
    def _period_is_one(self) -> Self:
        check_period(self.period_start, self.period_end)
        return self


def read_header(folder: Path) -> DatasetHeader:
    """Read and check ``dataset.json``.

    Raises
    ------
    DatasetError
        If it is missing, not JSON, of another version or breaks its schema.
    """
    path = folder / HEADER_NAME
    if not path.is_file():
        raise DatasetError(
            f"{folder} has no {HEADER_NAME}, so it is not a whole patch dataset; write or import "
            "it again"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} is not readable JSON ({error}); import it again") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        raise DatasetError(
            f"{path} has format version {version!r}; this minewatch reads version "
            f"{FORMAT_VERSION}. Read it with the minewatch that wrote it, or import it again"
        )
    try:
        return DatasetHeader.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(describe_fault(fault) for fault in error.errors())
        raise DatasetError(f"{path} breaks its schema: {faults}") from error


def write_header(folder: Path, header: DatasetHeader) -> None:
    """Write ``dataset.json``: the last file of a dataset, so that its presence means complete."""
    _store.write_json(folder / HEADER_NAME, header.model_dump(mode="json"))
