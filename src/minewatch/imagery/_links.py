"""Links of catalogues: where they lead, and whether that is a server or this machine."""

from pathlib import Path
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

from minewatch.errors import SceneError

if TYPE_CHECKING:
    from minewatch.imagery._items import Scene

SERVED: Final = frozenset({"http", "https"})
"""Schemes of links to servers."""


def resolve(href: str, base: str | None) -> str:
    """Give the address that a link in a document means.

    Parameters
    ----------
    href
        The link: an address, or relative to the document.
    base
        URL or path of the document; None if not known, then the link stays as it is.

    Raises
    ------
    ValueError
        If the link is not an address.

    Examples
    --------
    >>> resolve("/data/B04.tif", "https://example.org/cat/item.json")
    'https://example.org/data/B04.tif'
    >>> resolve("../B04.tif", "/archive/items/item.json")
    '/archive/B04.tif'
    """
    if base is None or urlsplit(href).scheme:
        return href
    scheme, mark, rest = base.partition("://")
    if mark:  # urljoin knows the rules of http, which are those of s3 and gs too
        return scheme + urljoin(f"http://{rest}", href).removeprefix("http")
    return normpath(join(dirname(base), href))


def local_path(href: str) -> Path | None:
    """Give the path of a file on this machine; None if it is elsewhere."""
    scheme, mark, _ = href.partition("://")
    if not mark:
        return Path(href)
    return Path(url2pathname(urlsplit(href).path)) if scheme.lower() == "file" else None


def check_served(scene: "Scene", *, signed: bool) -> None:
    """Refuse a scene that a server describes, but whose files do not lie on one.

    Parameters
    ----------
    scene
        The scene.
    signed
        Whether links are signed: then other schemes than http are left to what signs.

    Raises
    ------
    SceneError
        If a catalogue would have us read files of this machine, or of what cannot be asked.
    """
    files = {**scene.bands, **({} if scene.mask is None else {"SCL": scene.mask})}
    for name, asset in files.items():
        scheme = urlsplit(asset.href).scheme
        if scheme in SERVED or (signed and local_path(asset.href) is None):
            continue
        raise SceneError(
            f"{scene.id}: the link to its {name} is {asset.href!r}; expected http:// or https://, "
            "as it comes from a server"
        )
