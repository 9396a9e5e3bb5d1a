"""Maps from the network that the reader of a page may choose."""

import re
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from minewatch.types import Settings

_HOST: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


class Basemap(Settings):
    """A map of tiles in Web Mercator, which the reader's browser fetches if the reader says so.

    Examples
    --------
    >>> BASEMAPS[0].name, BASEMAPS[0].origin
    ('OpenStreetMap', 'https://tile.openstreetmap.org')
    """

    name: str = Field(min_length=1)
    """What it is called."""
    url: str
    """Address of a tile, https, with ``{z}``, ``{x}`` and ``{y}``."""
    attribution: str = Field(min_length=1)
    """The words that it has to be shown with."""
    tile_px: int = Field(default=256, ge=128, le=1024)
    """Pixels along a side of a tile."""
    max_zoom: int = Field(default=19, ge=0, le=24)
    """Largest zoom that there are tiles of; they are stretched beyond."""

    @field_validator("url")
    @classmethod
    def _is_a_tile(cls, url: str) -> str:
        parts = urlsplit(url)
        # What is allowed goes into the page's security policy: a plain host, and nothing else.
        if parts.scheme != "https" or not _HOST.fullmatch(parts.netloc):
            raise ValueError(f"{url!r} is no address of tiles; expected https:// and a host")
        if not all(name in url for name in ("{z}", "{x}", "{y}")):
            raise ValueError(f"{url!r} does not say where zoom, x and y go: {{z}}, {{x}}, {{y}}")
        return url

    @property
    def origin(self) -> str:
        """The one place that its tiles come from."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


BASEMAPS: Final[tuple[Basemap, ...]] = (
    Basemap(
        name="OpenStreetMap",
        url="https://tile.openstreetmap.org/{z}/{x}/{y}.png",
        attribution="© OpenStreetMap contributors, ODbL 1.0",
    ),
    Basemap(
        name="OpenTopoMap",
        url="https://a.tile.opentopomap.org/{z}/{x}/{y}.png",
        attribution=(
            "Map data © OpenStreetMap contributors, SRTM; map style © OpenTopoMap (CC BY-SA 3.0)"
        ),
        max_zoom=17,
    ),
    Basemap(
        name="Sentinel-2 cloudless 2016",
        url=(
            "https://tiles.maps.eox.at/wmts/1.0.0/s2cloudless_3857/default/GoogleMapsCompatible/"
            "{z}/{y}/{x}.jpg"
        ),
        attribution=(
            "Sentinel-2 cloudless by EOX IT Services GmbH "
            "(contains modified Copernicus Sentinel data 2016 and 2017), CC BY 4.0"
        ),
        max_zoom=14,
    ),
)
"""A street map, a topographic one, and a picture from space; all of them free for light use."""
