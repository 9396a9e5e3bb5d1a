"""Sources of imagery by name, by address or by folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from minewatch.bands import check_level
from minewatch.errors import InputError, LevelError, NotThereError
from minewatch.imagery._catalogues import CATALOGUES
from minewatch.types import Level, StrPath

if TYPE_CHECKING:
    from minewatch.imagery._source import BatchSource

EARTH_ENGINE: Final = "earth-engine"


def open_source(
    where: StrPath,
    *,
    collection: str | None = None,
    level: str | None = None,
    project: str | None = None,
    workers: int | None = None,
) -> "BatchSource":
    """Open a source of imagery by its name, its address or its folder.

    Nothing is asked of any server before the first search or load.

    Parameters
    ----------
    where
        ``"earth-search"`` or ``"planetary-computer"``, which need no account; ``"earth-engine"``,
        which needs one; the URL of another STAC API or of a static catalogue; or a folder with STAC
        items and their files.
    collection
        The collection to read; None for a known catalogue's first. Other STAC APIs need it.
    level
        L1C or L2A; None where the collection says it. Earth Engine then gives L1C.
    project
        Google Cloud project, for Earth Engine.
    workers
        Files that are read, or requests that are under way, at a time; None for what suits the
        source.

    Returns
    -------
    BatchSource
        All but Earth Engine can also `search`.

    Raises
    ------
    NotThereError
        If it is no known name, no URL and no folder.
    LevelError
        If the level is not said and cannot be seen, or is not that of the collection.
    InputError
        If the collection of another STAC API is not named.

    Examples
    --------
    >>> open_source("earth-search").level
    'L2A'
    """
    name = str(where)
    if name == EARTH_ENGINE:
        from minewatch.imagery._earthengine import DEFAULT_CONCURRENCY, EarthEngineSource

        return EarthEngineSource(
            project,
            level=check_level(level or "L1C"),
            max_concurrency=workers or DEFAULT_CONCURRENCY,
        )
    if name in CATALOGUES:
        return _open_known(name, collection, level, workers)
    if name.startswith(("http://", "https://")):
        return _open_stac(name, collection, level, workers)
    if Path(name).exists():
        from minewatch.imagery._folder import FOLDER_WORKERS, FolderSource

        return FolderSource(
            name,
            collection=collection,
            level=check_level(level or "L2A"),
            workers=workers or FOLDER_WORKERS,
        )
    raise NotThereError(
        f"{name} is neither a folder nor a known catalogue; expected a folder, a URL or one of "
        f"{', '.join([*CATALOGUES, EARTH_ENGINE])}"
    )


def _open_known(
    name: str, collection: str | None, level: str | None, workers: int | None
) -> "BatchSource":
    from minewatch.imagery._batch import DEFAULT_WORKERS
    from minewatch.imagery._stac import StacSource

    catalogue = CATALOGUES[name]
    levels = dict(catalogue.collections)
    chosen = collection or catalogue.collections[0][0]
    known = levels.get(chosen)
    if known is not None and level not in (None, known):
        raise LevelError(f"{chosen} of {name} is {known}, not {level}; the levels are never mixed")
    return StacSource(
        catalogue.url,
        chosen,
        level=known or _level_of(chosen, level),
        sign=catalogue.sign,
        workers=workers or DEFAULT_WORKERS,
    )


def _open_stac(
    url: str, collection: str | None, level: str | None, workers: int | None
) -> "BatchSource":
    from minewatch.imagery._batch import DEFAULT_WORKERS
    from minewatch.imagery._stac import StacSource

    if collection is None:
        raise InputError(f"name the collection of {url} that holds Sentinel-2 (collection=)")
    return StacSource(
        url,
        collection,
        level=_level_of(collection, level),
        workers=workers or DEFAULT_WORKERS,
    )


def _level_of(collection: str, level: str | None) -> Level:
    """Give the level that was said, or else the one that the collection's name holds."""
    if level is None:
        held = [known for known in ("L1C", "L2A") if known in collection.upper()]
        level = held[0] if len(held) == 1 else None
    return check_level(level)
