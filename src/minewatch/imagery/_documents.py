"""Items of catalogues that are documents: a folder of items, or files that link to each other."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import numpy as np
import shapely

from minewatch._http import HttpError
from minewatch.errors import ImageryError, NotThereError, SceneError
from minewatch.imagery._items import Scene, read_scene
from minewatch.imagery._links import resolve
from minewatch.imagery._query import SceneQuery
from minewatch.imagery._source import SearchResult
from minewatch.imagery._values import mapping, mappings
from minewatch.types import Failure

STAGE: Final = "imagery"
FOLLOWED: Final = ("child", "item", "items")
"""Links of a static catalogue that lead on to items; pages of items also lead to the ``next``."""
MOST_DOCUMENTS: Final = 100_000
"""A static catalogue of more documents than this is taken to have no end."""

MALFORMED: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading a document of another shape than expected raises."""

Document: TypeAlias = Mapping[str, Any]
Found: TypeAlias = tuple[str, Document]
"""Where an item was read from, and the item."""
Check: TypeAlias = Callable[[Scene], None]
"""Raises `SceneError` for a scene that is not to be used."""


class SceneShelf:
    """Scenes that are all known, to be searched in memory.

    Parameters
    ----------
    found
        Items with where they were read from, or why a document could not be read.
    collection
        Only items of this collection, if they say which they belong to; None for all.
    check
        Raises `SceneError` for a scene that is not to be used; None: all are.
    """

    def __init__(
        self,
        found: Iterable[Found | Failure],
        *,
        collection: str | None = None,
        check: Check | None = None,
    ) -> None:
        scenes: list[Scene] = []
        unusable: list[Failure] = []
        for one in found:
            if isinstance(one, Failure):
                unusable.append(one)
            elif collection is None or one[1].get("collection") in (None, collection):
                understood = understand(
                    one[1], base_href=one[0], collection=collection, check=check
                )
                (scenes if isinstance(understood, Scene) else unusable).append(understood)  # type: ignore[arg-type]  # each to its own
        self.scenes = tuple(scenes)
        self.unusable = tuple(unusable)
        self._tree = shapely.STRtree([scene.footprint for scene in scenes])

    @property
    def holdings(self) -> str:
        """Say in one line how many scenes there are, of which days, and where."""
        if not self.scenes:
            return "no scene that was understood"
        days = sorted(scene.date.isoformat() for scene in self.scenes)
        west, south, east, north = shapely.total_bounds(
            [scene.footprint for scene in self.scenes]
        ).tolist()
        where = f"longitude {west:.2f} to {east:.2f}, latitude {south:.2f} to {north:.2f}"
        return f"{len(days)} scenes, {days[0]} to {days[-1]}, {where.replace('-', '−')}"

    def search(self, bounds: tuple[float, float, float, float], query: SceneQuery) -> SearchResult:
        """List the scenes of the period whose footprint may touch a rectangle, in degrees."""
        hits = np.sort(self._tree.query(shapely.box(*bounds), predicate="intersects"))
        scenes = (self.scenes[hit] for hit in hits)
        return SearchResult(
            tuple(scene for scene in scenes if query.start <= scene.date <= query.end),
            self.unusable,
        )


def understand(
    item: Document,
    *,
    base_href: str | None = None,
    collection: str | None = None,
    check: Check | None = None,
) -> Scene | Failure:
    """Give an item as a scene, or why it cannot be one."""
    try:
        scene = read_scene(item, collection=collection, base_href=base_href)
        if check is not None:
            check(scene)
    except SceneError as error:
        return Failure(_name(item, base_href), STAGE, str(error))
    except MALFORMED as error:  # one item must never end the reading of the others
        words = f"the item is malformed ({type(error).__name__}: {error})"
        return Failure(_name(item, base_href), STAGE, words)
    return scene


def _name(item: Document, base_href: str | None) -> str:
    return str(item.get("id") or base_href or "an item without id")


def folder_items(folder: Path) -> Iterator[Found | Failure]:
    """Read every STAC item under a folder, whatever links to it.

    Raises
    ------
    NotThereError
        If there is no such folder, or no item in it.
    """
    if not folder.is_dir():
        raise NotThereError(f"{folder} is not a folder")
    n_items = 0
    for path in sorted(folder.rglob("*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            yield Failure(str(path), STAGE, f"not a JSON document ({error})")
            continue
        for item in _items_in(document):
            n_items += 1
            yield str(path), item
    if not n_items:
        raise NotThereError(f"{folder} holds no STAC items (JSON documents of type Feature)")


def linked_items(root: str, read: Callable[[str], Any]) -> Iterator[Found | Failure]:
    """Read every STAC item that a static catalogue leads to, page by page where it has pages.

    Links to other servers are not followed. A document that is gone or garbled for good is a
    failure, and the others are read.

    Parameters
    ----------
    root
        URL of its first document.
    read
        Reads a document; raises `HttpError` where it cannot.

    Raises
    ------
    ImageryError
        If it leads to more than 100,000 documents.
    HttpError
        If its first document cannot be read, or another one for now.
    """
    waiting, seen = deque([root]), {root}
    while waiting:
        href = waiting.popleft()
        try:
            document = read(href)
        except HttpError as error:
            if href == root or not (error.permanent or error.damaged):
                raise  # asked later it may be there: scenes must not depend on when one asks
            yield Failure(href, STAGE, str(error))
            continue
        for item in _items_in(document):
            yield href, item
        targets = [one for one in _followed(document, href, root) if one not in seen]
        seen.update(targets)
        waiting.extend(dict.fromkeys(targets))
        if len(seen) > MOST_DOCUMENTS:
            raise ImageryError(
                f"{root} leads to more than {MOST_DOCUMENTS} documents; give an API that can be "
                "searched, or a smaller catalogue"
            )


def _followed(document: Any, href: str, root: str) -> Iterator[str]:
    """Give the links of a document that lead on to items, on the same server."""
    pages = isinstance(document, Mapping) and document.get("type") == "FeatureCollection"
    for link in mappings(mapping(document).get("links")):
        follow = link.get("rel") in FOLLOWED or (pages and link.get("rel") == "next")
        if follow and isinstance(link.get("href"), str):
            try:
                target = resolve(link["href"], href)
            except ValueError:  # no address at all
                continue
            if urlsplit(target)[:2] == urlsplit(root)[:2]:
                yield target


def _items_in(document: Any) -> list[Document]:
    kind = document.get("type") if isinstance(document, Mapping) else None
    if kind == "FeatureCollection":
        return mappings(document.get("features"))
    return [document] if kind == "Feature" and "assets" in document else []
