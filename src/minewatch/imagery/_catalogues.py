"""The catalogues that minewatch knows by name, as data."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from minewatch.types import Level

LICENCE: Final = "Copernicus Sentinel data, free and open (Legal notice on their use)"
LICENCE_URL: Final = (
    "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"
)


@dataclass(frozen=True)
class Catalogue:
    """An open STAC API that holds Sentinel-2."""

    name: str
    """What people call it on the command line."""
    url: str
    """Root of its STAC API."""
    collections: tuple[tuple[str, Level], ...]
    """Collections with their level; the first is the default."""
    sign: Literal["planetary-computer"] | None
    """How links have to be signed before they can be read; None: they are open."""
    host: str
    """Who runs it, for thanks."""
    licence: str = LICENCE
    licence_url: str = LICENCE_URL


CATALOGUES: Final = {
    catalogue.name: catalogue
    for catalogue in (
        Catalogue(
            name="earth-search",
            url="https://earth-search.aws.element84.com/v1",
            collections=(
                ("sentinel-2-c1-l2a", "L2A"),
                ("sentinel-2-l2a", "L2A"),
                ("sentinel-2-pre-c1-l2a", "L2A"),
            ),
            sign=None,
            host="Element 84, on AWS Open Data",
        ),
        Catalogue(
            name="planetary-computer",
            url="https://planetarycomputer.microsoft.com/api/stac/v1",
            collections=(("sentinel-2-l2a", "L2A"),),
            sign="planetary-computer",
            host="Microsoft Planetary Computer",
        ),
    )
}
"""Known catalogues by name. Neither needs an account. (Earth Search's ``sentinel-2-l1c`` is left
out: its files are JPEG 2000 in a bucket where the requester pays.)"""


def attribution(years: Iterable[int]) -> str:
    """Give the words that maps and figures made from Sentinel-2 have to bear.

    Examples
    --------
    >>> attribution([2023]), attribution([2022, 2021, 2023])
    ('Contains modified Copernicus Sentinel data 2023',
     'Contains modified Copernicus Sentinel data 2021–2023')
    >>> attribution([])
    'Contains modified Copernicus Sentinel data'
    """
    found = sorted(set(years))
    span = "" if not found else f" {found[0]}" if len(found) == 1 else f" {found[0]}–{found[-1]}"
    return f"Contains modified Copernicus Sentinel data{span}"
