"""Scenes in a folder: STAC items beside the files that they describe."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock

import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch._http import HttpSession, RetryPolicy
from minewatch._progress import Progress, silent
from minewatch.bands import check_level
from minewatch.errors import NotThereError
from minewatch.imagery._batch import DEFAULT_MEMORY_MB, BatchLoader, Bounds
from minewatch.imagery._documents import SceneShelf, folder_items
from minewatch.imagery._query import SceneQuery
from minewatch.imagery._reader import Reader
from minewatch.imagery._reader_cog import CogReader
from minewatch.imagery._reader_rasterio import RasterioReader
from minewatch.imagery._source import SearchResult
from minewatch.types import Failure, Level, StrPath

FOLDER_WORKERS = 8


class FolderSource:
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

    @property
    def level(self) -> Level:
        """Processing level of everything that the source gives."""
        return self._loader.level

    @property
    def name(self) -> str:
        """What the source reads, in words: sources of one name give the same pixels."""
        return self._loader.source

    def search(self, geobox: GeoBox, query: SceneQuery) -> SearchResult:
        """List the scenes of the period whose footprint may touch a place; nothing is chosen.

        Raises
        ------
        NotThereError
            If the folder holds no STAC items.
        """
        return self._loader.find(geobox, query)

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        """Load the composite of a place, as `StacSource.load` does.

        Raises
        ------
        BandError
            If no scene has a band.
        ImageryError
            If a file cannot be read.
        NotThereError
            If the folder holds no STAC items.
        """
        return self._loader.load(geobox, query)

    def load_many(
        self, geoboxes: Mapping[str, GeoBox], query: SceneQuery, *, progress: Progress = silent
    ) -> Iterator[tuple[str, xr.Dataset | Failure]]:
        """Load many places, as `StacSource.load_many` does."""
        return self._loader.load_many(geoboxes, query, progress=progress)

    def _search(self, bounds: Bounds, query: SceneQuery) -> SearchResult:
        with self._lock:
            if self._shelf is None:
                self._shelf = SceneShelf(folder_items(self._folder), collection=self._collection)
        return self._shelf.search(bounds, query)
