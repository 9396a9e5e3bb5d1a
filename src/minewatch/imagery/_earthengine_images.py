"""What Earth Engine says of its images, and which of them make a place; nothing is asked here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from odc.geo.geobox import GeoBox

from minewatch.errors import ImageryError
from minewatch.imagery._earthengine_graph import SCENE_PROPERTIES

_BASELINE_SUFFIX = len("_N05.09")  # of a datatake's name: GS2A_20230104T144731_039400_N05.09


@dataclass(frozen=True)
class EarthEngineImage:
    """One image of a Sentinel-2 collection: one pass over one tile."""

    id: str
    """Its `system:index`: 20230104T144731_20230104T144733_T20NMJ."""
    date: str
    """Time of acquisition, ISO 8601, UTC."""
    baseline: str
    """Processing baseline: 05.09; empty if unknown."""
    tile: str
    """MGRS tile: 20NMJ; empty if unknown."""
    platform: str
    datatake: str
    """The pass that it belongs to, whatever its processing."""
    datastrip: str
    cloud_percent: float | None
    """Share of clouds in the whole tile by its metadata, percent; None if unknown."""
    known_px: int | None = None
    """Pixels of the place that it knows; None if not counted."""
    clear_px: int | None = None
    """Pixels of the place that are clear; None if not counted."""

    def as_scene(self) -> dict[str, object]:
        """Give what a composite's attributes say of it; the collections' numbers need no offset."""
        return {
            "id": self.id,
            "date": self.date,
            "baseline": self.baseline,
            "offset_dn": 0,
            "tile": self.tile,
            "platform": self.platform,
            "cloud_percent": self.cloud_percent,
        }


def read_images(rows: object) -> list[EarthEngineImage]:
    """Understand the rows that Earth Engine gives for the properties of images.

    Raises
    ------
    ImageryError
        If they are not rows of `SCENE_PROPERTIES`, perhaps followed by two counts.
    """
    if not isinstance(rows, list):
        raise ImageryError(f"Earth Engine described its images by {rows!r}, expected a list")
    return [_read_image(row) for row in rows]


def one_per_pass(images: Iterable[EarthEngineImage], geobox: GeoBox) -> list[EarthEngineImage]:
    """Keep of each pass the tile that knows most of a place.

    Of equals, a tile of the place's own zone is kept, then the first by name. Of a tile that was
    processed more than once, the newest baseline is kept; the halves of an acquisition that was
    cut in two are both kept.

    Parameters
    ----------
    images
        With their pixels counted.
    geobox
        The place.
    """
    kept: list[EarthEngineImage] = []
    for of_pass in _groups(images, "datatake"):
        tiles = [_newest(of_tile) for of_tile in _groups(of_pass, "tile")]
        worths = [_worth(tile, geobox) for tile in tiles]
        kept += tiles[worths.index(max(worths))]
    return kept


def clearest(images: Iterable[EarthEngineImage]) -> list[EarthEngineImage]:
    """Keep the one image with most clear pixels of a place; of equals, the first by time."""
    ordered = sorted(images, key=lambda image: (-(image.clear_px or 0), image.date, image.id))
    return ordered[:1]


def _read_image(row: object) -> EarthEngineImage:
    if not isinstance(row, list) or len(row) < len(SCENE_PROPERTIES):
        raise ImageryError(
            f"Earth Engine described an image by {row!r}, expected {', '.join(SCENE_PROPERTIES)}"
        )
    image_id, time_ms, *words = row[: len(SCENE_PROPERTIES)]
    baseline, tile, platform, datatake, datastrip = (str(word or "") for word in words[:5])
    counts = [None if count is None else int(count) for count in row[len(SCENE_PROPERTIES) :]]
    return EarthEngineImage(
        id=str(image_id),
        date=_iso(time_ms),
        baseline=baseline,
        tile=tile,
        platform=platform,
        datatake=datatake[:-_BASELINE_SUFFIX] or str(image_id).split("_")[0],
        datastrip=datastrip or str(image_id),
        cloud_percent=None if words[5] is None else float(words[5]),
        known_px=counts[0] if counts else None,
        clear_px=counts[1] if len(counts) > 1 else None,
    )


def _iso(time_ms: object) -> str:
    if not isinstance(time_ms, int | float):
        return ""
    moment = datetime.fromtimestamp(time_ms / 1000.0, tz=UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _groups(images: Iterable[EarthEngineImage], field: str) -> list[list[EarthEngineImage]]:
    def key(image: EarthEngineImage) -> tuple[str, str]:
        return str(getattr(image, field)), image.id

    ordered = sorted(images, key=key)
    return [list(group) for _, group in groupby(ordered, key=lambda image: key(image)[0])]


def _newest(of_tile: Sequence[EarthEngineImage]) -> list[EarthEngineImage]:
    newest = max(image.baseline for image in of_tile)
    strips = {image.datastrip: image for image in of_tile if image.baseline == newest}
    return list(strips.values())


def _worth(tile: Sequence[EarthEngineImage], geobox: GeoBox) -> tuple[int, bool, tuple[int, ...]]:
    known = sum(image.known_px or 0 for image in tile)
    epsg = geobox.crs.to_epsg() if geobox.crs is not None else None
    own_zone = epsg is not None and tile[0].tile[:2] == f"{epsg % 100:02d}"
    return known, own_zone, tuple(-ord(letter) for letter in tile[0].tile)
