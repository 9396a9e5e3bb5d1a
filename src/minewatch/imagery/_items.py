"""One item of a STAC catalogue, understood: which bands, which numbers, which ground, when."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from minewatch.bands import SCALE_FACTOR
from minewatch.errors import SceneError
from minewatch.imagery import _assets, _facts
from minewatch.imagery._offsets import Claims, decide_offset
from minewatch.types import Level

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


class SupportsToDict(Protocol):
    """A STAC item as an object: pystac's."""

    def to_dict(self) -> dict[str, Any]:
        """Give the item as JSON."""
        ...


@dataclass(frozen=True)
class BandAsset:
    """One file of a scene: where it is, on which grid it lies, and what its numbers mean."""

    href: str
    """Where the file is: URL or path, as the catalogue says it (not signed)."""
    resolution_m: float
    """Ground size of a pixel, metres."""
    transform: tuple[float, ...] | None
    """Affine (a, b, c, d, e, f): column, row to easting, northing; None if the item is silent."""
    shape: tuple[int, int] | None
    """Rows, columns; None if the item is silent."""
    scale: float
    """Reflectance of one digital number: 1e-4; 1 for a mask."""
    offset_dn: int
    """What to add to the file's numbers to get reflectance × 10,000: 0 or -1000."""
    nodata: int
    """The file's number for no data: 0."""


@dataclass(frozen=True)
class Scene:
    """One tile of one acquisition, as a catalogue's item describes it."""

    id: str
    """The item's id."""
    collection: str
    """The collection that it came from; "" if not said."""
    datetime: dt.datetime
    """When it was sensed, UTC."""
    platform: str
    """Satellite: S2A, S2B, S2C."""
    level: Level
    """Processing level."""
    baseline: str
    """Processing baseline: "05.10"."""
    tile: str
    """MGRS tile: "20NMJ"."""
    orbit: int | None
    """Relative orbit, 1 to 143; None if not said."""
    datatake: str | None
    """Start of the acquisition, "20240422T173911"; the same in all tiles and baselines of one."""
    datastrip: str | None
    """Start of the datastrip, "20240422T174753"; the halves of a split acquisition differ in it."""
    generated: dt.datetime | None
    """When this version was processed, UTC; None if not said."""
    epsg: int
    """CRS of its files: a UTM zone."""
    cloud_percent: float | None
    """Cloud cover by the metadata, percent of the tile's valid pixels; None if not said."""
    footprint: "BaseGeometry"
    """Where there are valid pixels, EPSG:4326; cut at 180° if it crosses the date line."""
    bands: Mapping[str, BandAsset]
    """Files by ESA's band name."""
    mask: BandAsset | None
    """The scene classification (SCL), 20 m; None if there is none (L1C)."""
    doubtful_offset: bool = False
    """True where the metadata on the offset is at times wrong, so that dark pixels may decide."""
    decisions: tuple[str, ...] = ()
    """Every rule that decided something, in words."""
    maker: str = ""
    """Who made the data, with their licence, if the item names somebody else than Copernicus."""

    @property
    def offset_dn(self) -> int:
        """What has to be added to the numbers of every band: 0 or -1000."""
        return next(iter(self.bands.values())).offset_dn

    @property
    def date(self) -> dt.date:
        """Day on which it was sensed, UTC."""
        return self.datetime.date()


def read_scene(
    item: Mapping[str, Any] | SupportsToDict,
    *,
    collection: str | None = None,
    base_href: str | None = None,
) -> Scene:
    """Understand one STAC item of Sentinel-2.

    Items of Earth Search (v1: ``sentinel-2-l2a``, ``sentinel-2-c1-l2a``, ``sentinel-2-l1c``; v0),
    of the Planetary Computer, and of any catalogue that names its assets by band are read. Nothing
    is opened or downloaded.

    Parameters
    ----------
    item
        A STAC item, as JSON or as a pystac object.
    collection
        The collection it belongs to, if the item does not say so.
    base_href
        Where the item was read from, to resolve relative links; else its ``self`` link.

    Raises
    ------
    SceneError
        If something that its pixels need is missing; the message names all of it.
    """
    content = item if isinstance(item, Mapping) else item.to_dict()
    facts = _facts.read_facts(content, collection=collection)
    files = _assets.find_assets(content, base_href=base_href)
    faults = [*facts.faults, *files.faults]
    if faults:
        raise SceneError(f"{facts.id}: {'; '.join(faults)}")
    claims = Claims(facts.baseline, facts.properties, files.offsets, facts.collection)
    offset = decide_offset(claims, scene_id=facts.id)
    bands = {
        name: BandAsset(
            href=found.href,
            resolution_m=found.resolution_m,
            transform=found.transform,
            shape=found.shape,
            scale=SCALE_FACTOR,
            offset_dn=offset.dn,
            nodata=int(found.nodata),
        )
        for name, found in files.bands.items()
    }
    return Scene(
        id=facts.id,
        collection=facts.collection,
        datetime=facts.datetime,
        platform=facts.platform,
        level=facts.level,
        baseline=facts.baseline,
        tile=facts.tile,
        orbit=facts.orbit,
        datatake=facts.datatake,
        datastrip=facts.datastrip,
        generated=facts.generated,
        epsg=facts.epsg,
        cloud_percent=facts.cloud_percent,
        footprint=facts.footprint,
        bands=bands,
        mask=None if files.mask is None else _mask_asset(files.mask),
        doubtful_offset=offset.doubtful,
        decisions=(offset.words,),
        maker=facts.maker,
    )


def _mask_asset(found: "_assets.FoundAsset") -> BandAsset:
    return BandAsset(
        href=found.href,
        resolution_m=found.resolution_m,
        transform=found.transform,
        shape=found.shape,
        scale=1.0,
        offset_dn=0,
        nodata=0,
    )
