"""The sections of study.toml, as strict settings."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from minewatch.context import DEFAULT_LAYERS, Layer
from minewatch.context._layers import check_layers
from minewatch.errors import SettingsError
from minewatch.explore import ExploreSettings
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery
from minewatch.patches import ImportSettings
from minewatch.study._maps_section import MapsSection
from minewatch.study._model_section import ModelSection
from minewatch.study._scan_section import ScanSection
from minewatch.types import Level, Settings


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
    labels: dict[str, int] = Field(default_factory=dict)
    """Words of that column that are not known by themselves, each with 1 (mining) or 0."""
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


class ImagerySection(SceneQuery):
    """Where imagery comes from, of which days, and what counts as a clear view.

    ``year = 2023`` stands for the first and the last day of that year.
    """

    source: str = "earth-search"
    """``earth-search``, ``planetary-computer``, ``earth-engine``, the URL of a STAC API, or a
    folder of STAC items and their files, relative to the study's folder."""
    collection: str | None = None
    """The collection to read. None: a known catalogue's first."""
    level: Level | None = None
    """L1C or L2A. None: the collection's; of Earth Engine L1C."""
    project: str | None = None
    """Google Cloud project, for Earth Engine. None: the one stored with the credentials."""

    @model_validator(mode="before")
    @classmethod
    def _year(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "year" not in values:
            return values
        year, others = values["year"], {key: values[key] for key in values if key != "year"}
        if {"start", "end"} & set(others):
            raise ValueError("a year stands beside a start or an end; give one or the other")
        if not isinstance(year, int) or not 2015 <= year <= 9999:
            raise ValueError(f"year is {year!r}; expected a year from 2015 on")
        return {"start": f"{year}-01-01", "end": f"{year}-12-31", **others}

    @property
    def query(self) -> SceneQuery:
        """The part that every source takes."""
        return SceneQuery(**{name: getattr(self, name) for name in SceneQuery.model_fields})


class BuildSection(Settings):
    """Patches that are built from the sites and the imagery."""

    kind: Literal["build"] = "build"
    """They are built."""
    size_px: int = Field(default=48, ge=1, le=4096)
    """Pixels along each side."""
    resolution_m: float = Field(default=10.0, gt=0)
    """Ground size of a pixel, metres."""
    snap_m: float = Field(default=60.0, gt=0)
    """Spacing of the grid that corners lie on, metres; tiles of Sentinel-2 share one of 60 m."""
    min_clear_views: int | None = Field(default=None, ge=0)
    """Patches with fewer clear views are marked. None: 3 for a median, else 1."""
    allow_failed: bool = False
    """Whether a study goes on although places failed."""

    @property
    def grid(self) -> PatchGrid:
        """How the patches are cut."""
        return PatchGrid(size_px=self.size_px, resolution_m=self.resolution_m, snap_m=self.snap_m)


class ImportSection(ImportSettings):
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


PatchesSection: TypeAlias = Annotated[ImportSection | BuildSection, Field(discriminator="kind")]
"""Patches that others cut, or patches that are built."""


def _layer_form(value: object) -> str:
    return "str" if isinstance(value, str) else "Layer"


_AnyLayer: TypeAlias = Annotated[
    Annotated[str, Tag("str")] | Annotated[Layer, Tag("Layer")], Discriminator(_layer_form)
]
"""A layer by its name, or as it is defined: what is wrong with one is said of that form alone."""


class ContextSection(Settings):
    """What is taken from OpenStreetMap around the sites."""

    source: str
    """A ``.osm.pbf`` file, relative to the study's folder; ``overpass``; the URL of a server like
    it; or a region whose extract is downloaded: ``venezuela``, ``south-america/brazil/norte``."""
    layers: tuple[_AnyLayer, ...] = tuple(layer.name for layer in DEFAULT_LAYERS)
    """Names of the layers that are known, or layers of your own."""
    radii_m: tuple[Annotated[int, Field(ge=1, le=100_000)], ...] = Field(
        default=(500, 2_000, 10_000), min_length=1
    )
    """Radii that is measured within, metres; the largest is how far the nearest is looked for."""
    channels: bool = True
    """Whether every layer is drawn on the pixels of the patches, too."""
    date: str | None = None
    """State of the data asked of a server: ``2023-12-31T00:00:00Z``. None: the newest."""

    @model_validator(mode="after")
    def _layers_are_known(self) -> Self:
        known = [layer.name for layer in DEFAULT_LAYERS]
        unknown = [name for name in self.layers if isinstance(name, str) and name not in known]
        if unknown or not self.layers:
            raise ValueError(
                f"context.layers names {', '.join(unknown) or 'none'}; there are {', '.join(known)}"
            )
        return self

    @model_validator(mode="after")
    def _nothing_comes_twice(self) -> Self:
        if len(set(self.radii_m)) < len(self.radii_m):
            raise ValueError(f"context.radii_m is {list(self.radii_m)}; expected each radius once")
        try:
            check_layers(self.wanted)
        except SettingsError as error:
            raise ValueError(f"context.layers: {error}") from error
        return self

    @model_validator(mode="after")
    def _date_is_asked_for(self) -> Self:
        if self.date is not None and not self.asks_a_server:
            raise ValueError(
                f"context.date is {self.date!r}, and {self.source} has one date; only a server can "
                "be asked for another"
            )
        return self

    @property
    def wanted(self) -> tuple[Layer, ...]:
        """The layers as they are defined."""
        known = {layer.name: layer for layer in DEFAULT_LAYERS}
        return tuple(known[one] if isinstance(one, str) else one for one in self.layers)

    @property
    def names_a_file(self) -> bool:
        """Whether the source is a file."""
        return self.source.endswith((".pbf", ".osm", ".osm.gz", ".osm.bz2", ".o5m"))

    @property
    def asks_a_server(self) -> bool:
        """Whether the features are asked of an Overpass server."""
        return self.source == "overpass" or "://" in self.source


class BuildSettings(Settings):
    """What `patches build` can be told in a file: the sections of a study.toml, none of them whole.

    So a study.toml that builds its patches is one, too.
    """

    study: StudySection = StudySection()
    """What the study is."""
    sites: SitesSection | None = None
    """Where the points lie, relative to the file. None: they are named on the command line."""
    imagery: ImagerySection
    """Where imagery comes from, and of which days."""
    patches: BuildSection = BuildSection()
    """How patches are cut and judged."""
    context: ContextSection | None = None
    """Not looked at here."""
    explore: ExploreSettings = ExploreSettings()
    """Not looked at here."""
    model: ModelSection | None = None
    """Not looked at here."""
    scan: ScanSection | None = None
    """Not looked at here."""
    maps: MapsSection | None = None
    """Not looked at here."""


class StudySettings(Settings):
    """A whole study.toml."""

    study: StudySection = StudySection()
    """What the study is."""
    sites: SitesSection
    """Where the labelled points lie."""
    imagery: ImagerySection | None = None
    """Where imagery comes from, and of which days. None: patches are imported."""
    patches: PatchesSection
    """Where the pixels lie, or how they are built."""
    context: ContextSection | None = None
    """What is taken from OpenStreetMap. None: nothing."""
    explore: ExploreSettings = ExploreSettings()
    """How they are explored."""
    model: ModelSection | None = None
    """How a detector is trained and evaluated. None: none is."""
    scan: ScanSection | None = None
    """Which ground is scanned with which detector. None: none is."""
    maps: MapsSection | None = None
    """What is written of what the scan found. None: nothing."""

    @model_validator(mode="after")
    def _imagery_to_build_from(self) -> Self:
        if isinstance(self.patches, BuildSection) and self.imagery is None:
            raise ValueError("patches.kind is 'build', and there is no [imagery] to build from")
        if self.scan is not None and self.imagery is None:
            raise ValueError("there is a [scan], and no [imagery] to scan")
        if self.maps is not None and self.scan is None:
            raise ValueError("there is a section [maps], and no [scan] whose detections it shows")
        return self
