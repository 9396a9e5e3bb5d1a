"""Scenes in a folder: STAC items beside the files that they describe."""

from pathlib import Path
from threading import Lock

from minewatch._http import HttpSession, RetryPolicy
from minewatch.bands import check_level
from minewatch.errors import NotThereError
from minewatch.imagery._batch import DEFAULT_MEMORY_MB, BatchLoader, Bounds
from minewatch.imagery._documents import SceneShelf, folder_items
from minewatch.imagery._query import SceneQuery
from minewatch.imagery._reader import Reader
from minewatch.imagery._reader_cog import CogReader
from minewatch.imagery._reader_rasterio import RasterioReader
from minewatch.imagery._scene_source import SceneSource
from minewatch.imagery._source import SearchResult
from minewatch.types import Level, StrPath

FOLDER_WORKERS = 8


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
        )
        self._shelf: SceneShelf | None = None
        self._lock = Lock()

    def _search(self, bounds: Bounds, query: SceneQuery) -> SearchResult:
        with self._lock:
            if self._shelf is None:
                self._shelf = SceneShelf(folder_items(self._folder), collection=self._collection)
        return self._shelf.search(bounds, query)
