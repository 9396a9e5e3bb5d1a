"""Scenes of a STAC catalogue on a server: an API that searches, or documents with links."""

from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from typing import Literal

from minewatch._http import HttpError, HttpSession, RetryPolicy, Traffic
from minewatch.bands import check_level
from minewatch.errors import ImageryError, InputError
from minewatch.imagery._batch import DEFAULT_MEMORY_MB, DEFAULT_WORKERS, BatchLoader, Bounds
from minewatch.imagery._documents import SceneShelf, linked_items, understand
from minewatch.imagery._items import Scene
from minewatch.imagery._links import check_served
from minewatch.imagery._query import SceneQuery
from minewatch.imagery._reader import Reader
from minewatch.imagery._reader_cog import CogReader
from minewatch.imagery._reader_rasterio import RasterioReader
from minewatch.imagery._scene_source import SceneSource
from minewatch.imagery._signing import CallableSigner, PlanetaryComputerSigner, Signer
from minewatch.imagery._source import SearchResult
from minewatch.imagery._stac_client import SearchClient, search_links
from minewatch.types import Failure, Level


class StacSource(SceneSource):
    """Composites from the scenes of a STAC catalogue: an API, or a static catalogue.

    Nothing is asked before the first search or load. Files are read by block, over one session
    that repeats failed requests with an end, and never from the disk: a scene whose files a
    catalogue says to lie anywhere but on a server is left out and said so.

    Parameters
    ----------
    url
        Root of a STAC API, or the first document of a static catalogue.
    collection
        The collection to read.
    level
        Its level; scenes of another are left out and said so.
    sign
        How links are signed: ``planetary-computer``, a function from link to link, or None where
        they are open.
    workers
        Files that are read at a time.
    memory_mb
        Memory that the numbers of places that are read together may take, megabytes.
    policy
        Time-outs and retries.
    reader
        What reads the files; None for the reader by block, with rasterio for files that are not
        cloud-optimized GeoTIFFs.

    Raises
    ------
    LevelError
        If the level is neither L1C nor L2A.

    Examples
    --------
    >>> source = StacSource(
    ...     "https://earth-search.aws.element84.com/v1", "sentinel-2-c1-l2a", level="L2A"
    ... )
    >>> source.level
    'L2A'
    """

    def __init__(
        self,
        url: str,
        collection: str,
        *,
        level: Level = "L2A",
        sign: Literal["planetary-computer"] | Callable[[str], str] | Signer | None = None,
        workers: int = DEFAULT_WORKERS,
        memory_mb: int = DEFAULT_MEMORY_MB,
        policy: RetryPolicy | None = None,
        reader: Reader | None = None,
    ) -> None:
        self._url = url
        self._collection = collection
        self._session = HttpSession(policy, connections=workers)
        signer = _signer(sign, self._session)
        self._check = partial(check_served, signed=signer is not None)
        self._loader = BatchLoader(
            search=self._search,
            reader=reader
            or CogReader(
                self._session, signer=signer, fallback=RasterioReader(policy, signer=signer)
            ),
            level=check_level(level),
            source=f"{collection} of {url}",
            workers=workers,
            memory_mb=memory_mb,
        )
        self._catalogue: SearchClient | SceneShelf | None = None
        self._lock = Lock()

    @property
    def traffic(self) -> Traffic:
        """Requests and bytes so far."""
        return self._session.traffic

    @property
    def holdings(self) -> str | None:
        """What a static catalogue that was read holds; None of an API, and before it was read."""
        with self._lock:
            shelf = self._catalogue
        return shelf.holdings if isinstance(shelf, SceneShelf) else None

    def close(self) -> None:
        """End what is under way and give connections back; the source may be used again."""
        self._loader.reader.close()
        self._session.close()

    def _search(self, bounds: Bounds, query: SceneQuery) -> SearchResult:
        try:
            with self._lock:
                if self._catalogue is None:
                    self._catalogue = self._open()
            if isinstance(self._catalogue, SceneShelf):
                return self._catalogue.search(bounds, query)
            items = self._catalogue.search(self._collection, bounds, query.interval)
        except HttpError as error:
            raise ImageryError(f"{self._url} cannot be searched: {error}") from error
        understood = [
            understand(item, collection=self._collection, check=self._check) for item in items
        ]
        return SearchResult(
            tuple(one for one in understood if isinstance(one, Scene)),
            tuple(one for one in understood if isinstance(one, Failure)),
        )

    def _open(self) -> SearchClient | SceneShelf:
        """Find out whether the catalogue can search; if not, read all of it."""
        root = self._session.fetch_json(self._url)
        if not isinstance(root, Mapping):
            raise InputError(f"{self._url} is not a STAC catalogue")
        if search_links(root):
            return SearchClient(self._url, root, self._session)
        items = linked_items(self._url, self._session.fetch_json)
        shelf = SceneShelf(items, collection=self._collection, check=self._check)
        if not shelf.scenes and not shelf.unusable:
            raise InputError(f"{self._url} is neither a STAC API nor a catalogue with items")
        return shelf


def _signer(
    sign: Literal["planetary-computer"] | Callable[[str], str] | Signer | None,
    session: HttpSession,
) -> Signer | None:
    if sign is None:
        return None
    if isinstance(sign, str):
        if sign != "planetary-computer":
            raise InputError(f"sign is {sign!r}; expected planetary-computer, a function or None")
        return PlanetaryComputerSigner(session)
    return CallableSigner(sign) if callable(sign) else sign
