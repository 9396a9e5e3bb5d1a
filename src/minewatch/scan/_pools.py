"""Where tiles are worked on: a local pool of threads, or a Dask cluster. The work is the same."""

import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from minewatch.errors import (
    BandError,
    CredentialsError,
    DetectorError,
    IncompleteError,
    InputError,
    LevelError,
    MissingExtraError,
    NotThereError,
    UnsafeError,
)
from minewatch.scan._windows import Tile, Windows
from minewatch.scan._work import Job, TileRows, do_tile
from minewatch.types import Failure

if TYPE_CHECKING:
    from distributed import Client

STAGE = "scan"
FOR_ALL = (CredentialsError, MissingExtraError, LevelError, BandError, NotThereError)
"""Errors that every other tile would meet too: no account, wrong bands, no imagery at all."""
FOR_GOOD = (InputError, DetectorError, UnsafeError)
"""Errors that the same tile would meet at every further attempt."""

CONNECT_S = 20.0
"""How long a scheduler may take to answer, seconds."""
ASK_S = 1.0
"""How often it is asked after while no tile is done, seconds."""

Outcome: TypeAlias = TileRows | Failure


@dataclass(frozen=True)
class LastingFailure(Failure):
    """A failure that no further attempt would mend."""


class Pool(Protocol):
    """Works on tiles, several at a time."""

    most: int
    """Tiles that it takes at a time."""

    def submit(self, tile: Tile, windows: Windows) -> None:
        """Begin with a tile."""
        ...

    def next_done(self) -> tuple[Tile, Outcome]:
        """Wait for any tile that was begun."""
        ...


class LocalPool:
    """Threads of this process: reading waits for files, and scoring leaves Python to run."""

    def __init__(self, job: Job, workers: int) -> None:
        self._job = job
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix=STAGE)
        self._running: dict[Future[TileRows], Tile] = {}
        self.most = workers

    def submit(self, tile: Tile, windows: Windows) -> None:
        """Begin with a tile."""
        self._running[self._threads.submit(do_tile, self._job, tile.key, windows)] = tile

    def next_done(self) -> tuple[Tile, Outcome]:
        """Wait for any tile that was begun."""
        done = next(iter(wait(self._running, return_when=FIRST_COMPLETED).done))
        return take_result(self._running.pop(done), done)

    def close(self) -> None:
        """End what is under way; what has not begun is left."""
        self._threads.shutdown(wait=True, cancel_futures=True)


class DaskPool:
    """The workers of a Dask cluster; what was under way on one that dies is done by others."""

    def __init__(self, job: Job, client: "Client") -> None:
        import dask
        from distributed import as_completed

        self._client = client
        # As a task, and not scattered: a worker that comes late, or anew, can still get it.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
            self._job = client.submit(_hand_over, job, pure=False)
        self._running: dict[str, Tile] = {}
        self._done = as_completed(loop=client.loop)
        workers = client.nthreads()
        self.most = max(sum(workers.values()) + len(workers), 2)

    def submit(self, tile: Tile, windows: Windows) -> None:
        """Begin with a tile."""
        self._check_alive()
        future = self._client.submit(do_tile, self._job, tile.key, windows, pure=False)
        self._running[future.key] = tile
        self._done.add(future)

    def next_done(self) -> tuple[Tile, Outcome]:
        """Wait for any tile that was begun.

        Raises
        ------
        IncompleteError
            If the scheduler is lost meanwhile.
        """
        with self._done.thread_condition:
            while not self._done.has_ready():
                self._check_alive()
                self._done.thread_condition.wait(ASK_S)
        future = next(self._done)
        self._check_alive()  # what was under way is given back as cancelled
        return take_result(self._running.pop(future.key), future)

    def close(self) -> None:
        """Let go of what is under way."""
        self._done.clear()
        self._running.clear()

    def _check_alive(self) -> None:
        """Raise an error if the scheduler is gone, and with it all that it was given."""
        lost = self._job.status in ("cancelled", "lost")
        if lost or self._client.status not in ("running", "connecting"):
            raise IncompleteError(
                "the Dask scheduler was lost in the middle of the scan; what was scored is kept: "
                "start the cluster anew, and run the same again to go on"
            )


def _hand_over(job: Job) -> Job:
    return job


@contextmanager
def open_pool(job: Job, client: "Client | str | None", workers: int | None) -> Iterator[Pool]:
    """Open the pool that is asked for.

    Raises
    ------
    MissingExtraError
        If a cluster is asked for and Dask is not installed.
    InputError
        If the cluster does not answer, or cannot be sent what the work needs.
    """
    if client is None:
        local = LocalPool(job, workers or (os.cpu_count() or 1) + 1)
        try:
            yield local
        finally:
            local.close()
        return
    _check_sendable(job)
    with _connected(client) as connected:
        remote = DaskPool(job, connected)
        try:
            yield remote
        finally:
            remote.close()


def take_result(tile: Tile, future: "Future[TileRows] | Any") -> tuple[Tile, Outcome]:
    """Give what a tile's work gave; an error becomes a row, unless no tile would escape it."""
    try:
        return tile, future.result()
    except FOR_ALL:
        raise
    except Exception as error:  # noqa: BLE001 - the one place where a tile's error becomes a row
        words = " ".join(str(error).split())
        named = words if words and isinstance(error, OSError | ValueError) else ""
        kind = LastingFailure if isinstance(error, FOR_GOOD) else Failure
        return tile, kind(tile.key, STAGE, named or f"{type(error).__name__}: {words}")


def _check_sendable(job: Job) -> None:
    if not callable(job.source):
        raise InputError(
            "a cluster's workers open the imagery themselves; give a function that opens it: "
            "source=functools.partial(open_source, 'earth-search')"
        )


@contextmanager
def _connected(client: "Client | str") -> Iterator["Client"]:
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError(
            "scanning on a cluster needs Dask, which is not installed; install minewatch[dask]"
        ) from error
    if not isinstance(client, str):
        yield client
        return
    try:
        connected = Client(client, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            f"no Dask scheduler answers at {client} ({error}); expected an address such as "
            "tcp://host:8786"
        ) from error
    with connected:
        yield connected
