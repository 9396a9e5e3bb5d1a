"""Scenes in a folder: STAC items beside the files that they describe."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

from minewatch._http import HttpSession, RetryPolicy
from minewatch.bands import check_level
from minewatch.errors import NotThereError
from minewatch.imagery._batch import DEFAULT_MEMORY_MB, BatchLoader, Bounds
from minewatch.imagery._documents import Found, SceneShelf, folder_items
from minewatch.imagery._query import SceneQuery
from minewatch.imagery._reader import Reader
from minewatch.imagery._reader_cog import CogReader
from minewatch.imagery._reader_rasterio import RasterioReader
from minewatch.imagery._scene_source import SceneSource
from minewatch.imagery._source import SearchResult
from minewatch.types import Failure, Level, StrPath

FOLDER_WORKERS = 8
_DIGEST_DIGITS = 12


class FolderSource(SceneSource):
    """Composites from a folder of STAC items and the files that they describe.

    Every JSON document of type Feature under the folder is an item, whatever links to it. Links
    may be relative; files may be GeoTIFFs of any layout, and may also lie on a server.

    Parameters
    ----------
    folder
        The folder.
    collection
        Only items of this collection, where they say which they belong to; None for all.
    level
        Level of the scenes; those of another are left out and said so.
    workers
        Files that are read at a time.
    memory_mb
        Memory that the numbers of places that are read together may take, megabytes.
    policy
        Time-outs and retries, for files on servers.
    reader
        What reads the files; None for the reader by block, with rasterio for files that are not
        cloud-optimized GeoTIFFs.

    Raises
    ------
    NotThereError
        If there is no such folder.
    LevelError
        If the level is neither L1C nor L2A.
    """

    def __init__(
        self,
        folder: StrPath,
        *,
        collection: str | None = None,
        level: Level = "L2A",
        workers: int = FOLDER_WORKERS,
        memory_mb: int = DEFAULT_MEMORY_MB,
        policy: RetryPolicy | None = None,
        reader: Reader | None = None,
    ) -> None:
        self._folder = Path(folder).resolve()
        if not self._folder.is_dir():
            raise NotThereError(f"{folder} is not a folder")
        self._collection = collection
        session = HttpSession(policy, connections=workers)
        self._loader = BatchLoader(
            search=self._search,
            reader=reader or CogReader(session, fallback=RasterioReader(policy)),
            level=check_level(level),
            source=f"folder {self._folder.name}",
            workers=workers,
            memory_mb=memory_mb,
            root=f"{self._folder}/",
        )
        self._opened: tuple[SceneShelf, str] | None = None
        self._lock = Lock()

    @property
    def name(self) -> str:
        """What the source reads, in words, with a digest of the items: not where the folder lies.

        Raises
        ------
        NotThereError
            If the folder holds no STAC items.
        """
        _, digest = self._open()
        collection = "" if self._collection is None else f", collection {self._collection}"
        return f"{self._loader.source}{collection}, items {digest}"

    @property
    def holdings(self) -> str | None:
        """How many scenes the folder holds, of which days, and where.

        Raises
        ------
        NotThereError
            If the folder holds no STAC items.
        """
        return self._open()[0].holdings

    def _search(self, bounds: Bounds, query: SceneQuery) -> SearchResult:
        shelf, _ = self._open()
        return shelf.search(bounds, query)

    def _open(self) -> tuple[SceneShelf, str]:
        """Read the items, once, and give them with their digest."""
        with self._lock:
            if self._opened is None:
                found = list(folder_items(self._folder))
                shelf = SceneShelf(found, collection=self._collection)
                self._opened = shelf, _digest(found, self._folder)
            return self._opened


def _digest(found: Iterable[Found | Failure], folder: Path) -> str:
    """Give a digest of items and of where in the folder they lie."""
    items = [
        (Path(one[0]).relative_to(folder).as_posix(), one[1])
        for one in found
        if not isinstance(one, Failure)
    ]
    words = json.dumps(items, sort_keys=True).encode()
    return hashlib.sha256(words).hexdigest()[:_DIGEST_DIGITS]
