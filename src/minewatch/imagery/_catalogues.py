"""The catalogues that minewatch knows by name, as data."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import xarray as xr

from minewatch.types import Level

LICENCE: Final = "Copernicus Sentinel data, free and open (Legal notice on their use)"
LICENCE_URL: Final = (
    "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"
)
COPERNICUS: Final = "Copernicus"
"""Who made the scenes of all items that name nobody else."""
_OWNERS: Final = re.compile(r"\bESA\b|European|Copernicus", re.IGNORECASE)


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


def attribution(years: Iterable[int], makers: Iterable[str] = (COPERNICUS,)) -> str:
    """Give the words that maps and figures made from imagery have to bear.

    Parameters
    ----------
    years
        Years of the imagery.
    makers
        Who made it: `COPERNICUS`, and whoever else `makers_of` finds.

    Examples
    --------
    >>> attribution([2023]), attribution([2022, 2021, 2023])
    ('Contains modified Copernicus Sentinel data 2023',
     'Contains modified Copernicus Sentinel data 2021–2023')
    >>> attribution([2023], ["a painter (CC0-1.0)"])
    'Imagery: a painter (CC0-1.0)'
    """
    found, names = sorted(set(years)), sorted(set(makers))
    span = "" if not found else f" {found[0]}" if len(found) == 1 else f" {found[0]}–{found[-1]}"
    words = [f"Contains modified Copernicus Sentinel data{span}"] if COPERNICUS in names else []
    words += [f"Imagery: {name}" for name in names if name != COPERNICUS]
    return "; ".join(words)


def makers_of(scenes: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Say who made the scenes of a composite: Copernicus, unless their items name somebody else.

    Examples
    --------
    >>> makers_of([{"id": "S2A_…"}, {"id": "made-up", "maker": "a painter (CC0-1.0)"}])
    ('Copernicus', 'a painter (CC0-1.0)')
    """
    return tuple(sorted({str(scene.get("maker") or COPERNICUS) for scene in scenes}))


def credit_of(composite: xr.Dataset) -> str:
    """Give the words that a picture of a composite has to bear: Copernicus', or its makers'.

    Parameters
    ----------
    composite
        As sources of imagery give it; its attribute ``scenes`` is read.

    Examples
    --------
    >>> scenes = [{"id": "S2A_…", "date": "2023-07-02T14:37:44Z"}]
    >>> credit_of(xr.Dataset(attrs={"scenes": scenes}))
    'Contains modified Copernicus Sentinel data 2023'
    """
    scenes = composite.attrs["scenes"]
    years = [int(str(scene["date"])[:4]) for scene in scenes]
    return attribution(years, makers_of(scenes) or (COPERNICUS,))


def read_maker(properties: Mapping[str, Any]) -> str:
    """Read who made the data of a STAC item, from its ``providers``; "" where it does not say.

    Only producers and licensors count, and neither ESA nor the European Union: their data bear the
    words that Copernicus asks for.
    """
    providers = properties.get("providers")
    listed = providers if isinstance(providers, list) else []
    names = [
        " ".join(str(one["name"]).split())
        for one in listed
        if isinstance(one, Mapping) and one.get("name") and _made(one.get("roles"))
    ]
    if not names or _OWNERS.search(", ".join(names)):
        return ""
    licence = f" ({properties['license']})" if properties.get("license") else ""
    return ", ".join(dict.fromkeys(names)) + licence


def _made(roles: object) -> bool:
    return isinstance(roles, list) and not {"producer", "licensor"}.isdisjoint(map(str, roles))
