"""Load many places from any source of imagery; a place that fails is a value, not an error."""

import logging
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from itertools import islice
from typing import Final, TypeAlias

import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch.errors import (
    CredentialsError,
    ImageryError,
    InputError,
    LevelError,
    MissingExtraError,
    one_line,
)
from minewatch.imagery import ImagerySource, SceneQuery
from minewatch.patches._build_place import Place, take_place
from minewatch.types import Failure

logger = logging.getLogger(__name__)

GIVE_UP_AFTER: Final = 1000
"""Places that may fail one after another before the rest is not tried any more."""
STAGE: Final = "patches"
_FOR_ALL: Final = (CredentialsError, MissingExtraError, LevelError)
"""Errors that every other place would meet too."""

Composite: TypeAlias = xr.Dataset | Failure
Outcome: TypeAlias = Place | Failure


def load_places(
    source: ImagerySource, geoboxes: Mapping[str, GeoBox], query: SceneQuery, *, workers: int
) -> Iterator[tuple[str, Outcome]]:
    """Load places, together where the source can, else each by itself, in any order.

    Every place comes exactly once. Those that fail come as a `Failure`.

    Raises
    ------
    CredentialsError, MissingExtraError, LevelError
        Which no place could escape; places that came before are good.
    InputError
        If the source gives places that were not asked for, or cannot use the query at all.
    """
    waiting = set(geoboxes)
    failed_in_a_row, reason = 0, "the source gave nothing for it"
    with closing(_composites(source, geoboxes, query, workers)) as composites:
        try:
            for key, composite in composites:
                if key not in waiting:
                    raise InputError(f"the source gave {key!r}, which was not asked for, or twice")
                waiting.remove(key)
                outcome = _take(key, composite, geoboxes[key], query, source)
                failed_in_a_row = failed_in_a_row + 1 if isinstance(outcome, Failure) else 0
                yield key, outcome
                if failed_in_a_row >= GIVE_UP_AFTER:
                    reason = f"not tried: {failed_in_a_row} places before it failed in a row"
                    break
        except ImageryError as error:
            reason = one_line(error)
    for key in geoboxes:
        if key in waiting:
            yield key, Failure(key, STAGE, reason)


def _composites(
    source: ImagerySource, geoboxes: Mapping[str, GeoBox], query: SceneQuery, workers: int
) -> Generator[tuple[str, Composite]]:
    load_many = getattr(source, "load_many", None)
    if load_many is None:
        yield from _side_by_side(source, geoboxes, query, workers)
    else:
        yield from load_many(geoboxes, query)


def _side_by_side(
    source: ImagerySource, geoboxes: Mapping[str, GeoBox], query: SceneQuery, workers: int
) -> Generator[tuple[str, Composite]]:
    """Load each place by itself, as many at a time as there are workers."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="patches")
    places = iter(geoboxes.items())
    running: dict[Future[xr.Dataset], str] = {}
    try:
        while True:
            for key, geobox in islice(places, workers - len(running)):
                running[pool.submit(source.load, geobox, query)] = key
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                key = running.pop(future)
                yield key, _result(key, future)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _result(key: str, future: Future[xr.Dataset]) -> Composite:
    try:
        return future.result()
    except _FOR_ALL:
        raise
    except Exception as error:  # noqa: BLE001 - the one place where a site's error becomes a row
        return _failure(key, error)


def _take(
    key: str, composite: Composite, geobox: GeoBox, query: SceneQuery, source: ImagerySource
) -> Outcome:
    if isinstance(composite, Failure):
        logger.info("%s failed: %s", key, composite.reason)
        return composite
    try:
        return take_place(composite, geobox, query, source.level)
    except LevelError:
        raise
    except InputError as error:
        return _failure(key, error)


def _failure(key: str, error: Exception) -> Failure:
    logger.info("%s failed", key, exc_info=error)
    return Failure(key, STAGE, one_line(error))
