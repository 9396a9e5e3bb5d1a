"""The review desk: a page to go through what was found, and what became of it.

`read_queue` reads what is to be reviewed, `serve_review` shows it on a page that only this machine
can open, `ReviewStore` keeps every decision in a GeoPackage at once, `measure_agreement` says how
far reviewers agree, and `export_review` gives sites for the next training, or the reviewed sample
that an area is estimated from.
"""

from typing import TYPE_CHECKING, Any

from minewatch._lazy import import_name

if TYPE_CHECKING:
    from minewatch.maps.review._agreement import agree_on as agree_on
    from minewatch.maps.review._agreement import find_conflicts as find_conflicts
    from minewatch.maps.review._agreement import measure_agreement
    from minewatch.maps.review._app import make_app as make_app
    from minewatch.maps.review._export import Exported as Exported
    from minewatch.maps.review._export import export_review, update_sites
    from minewatch.maps.review._pictures import ArchivePictures, DatasetPictures
    from minewatch.maps.review._queue import Item as Item
    from minewatch.maps.review._queue import Queue, read_queue
    from minewatch.maps.review._said import Decision as Decision
    from minewatch.maps.review._said import Point as Point
    from minewatch.maps.review._serve import DeskSettings, serve_review
    from minewatch.maps.review._store import ReviewStore

__all__ = [
    "ArchivePictures",
    "DatasetPictures",
    "DeskSettings",
    "Queue",
    "ReviewStore",
    "export_review",
    "measure_agreement",
    "read_queue",
    "serve_review",
    "update_sites",
]

_MODULES = {
    "ArchivePictures": "_pictures",
    "DatasetPictures": "_pictures",
    "Decision": "_said",
    "DeskSettings": "_serve",
    "Exported": "_export",
    "Item": "_queue",
    "Point": "_said",
    "Queue": "_queue",
    "ReviewStore": "_store",
    "agree_on": "_agreement",
    "export_review": "_export",
    "find_conflicts": "_agreement",
    "make_app": "_app",
    "measure_agreement": "_agreement",
    "read_queue": "_queue",
    "serve_review": "_serve",
    "update_sites": "_export",
}


def __getattr__(name: str) -> Any:
    """Import a name on first use: who exports needs no web server."""
    return import_name(__name__, _MODULES, name)


def __dir__() -> list[str]:
    """List every name that is here."""
    return sorted(_MODULES)
