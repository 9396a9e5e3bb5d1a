"""A store as a file of SQLite: opened, checked, and written in transactions."""

import os
import sqlite3
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from minewatch.errors import DatasetError, InputError, NotThereError, SharedDriveWarning
from minewatch.maps.review._geopackage import is_package
from minewatch.maps.review._tables import FORMAT, create_store
from minewatch.types import StrPath

_WAIT_MS: Final = 5_000


class Database:
    """The file of a store, open: one connection, that threads take in turn.

    Every commit goes into the log, is flushed (``synchronous = FULL``), and then into the file
    itself, as far as nobody reads it at that moment: what was answered is there after a crash of
    the program, of the machine, or a loss of power, and a copy of the file alone has it too.

    Parameters
    ----------
    path
        The file, ``.gpkg``. It is made if it is not there.
    create
        False: it has to be there.
    read_only
        Read what is there, and write nothing.

    Raises
    ------
    NotThereError, InputError, DatasetError
        If it is not there, has another suffix, or holds something else.
    """

    def __init__(self, path: StrPath, *, create: bool, read_only: bool = False) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".gpkg":
            raise InputError(f"{path} ends in {self.path.suffix!r}; expected .gpkg")
        is_new = not self.path.exists() or self.path.stat().st_size == 0
        if is_new and not create:
            raise NotThereError(f"there is no review at {path}")
        if is_new:
            create_store(self.path)
        self._lock = threading.RLock()
        self._is_read_only = read_only
        self._connection = sqlite3.connect(
            _address(self.path, read_only=read_only),
            isolation_level=None,
            check_same_thread=False,
            timeout=_WAIT_MS / 1000,
            uri=True,
        )
        try:
            self._set_up()
        except BaseException:
            self._connection.close()
            raise

    def _set_up(self) -> None:
        try:
            if not (is_package(self._connection) and self._has_format()):
                raise InputError(f"{self.path} is no review of minewatch; give another name")
            if self._is_read_only:
                return
            keep_log(self._connection, self.path)
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.DatabaseError as error:
            raise DatasetError(f"{self.path} cannot be used as a review: {error}") from error

    def _has_format(self) -> bool:
        query = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'review'"
        if not self._connection.execute(query).fetchone()[0]:
            return False
        said = self.recall("format")
        if said is not None and said != FORMAT:
            raise DatasetError(f"{self.path} is of format {said!r}; this version reads {FORMAT!r}")
        return True

    def close(self) -> None:
        """Put the log into the file, and close it."""
        with self._lock:
            if not self._is_read_only:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()

    def read(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """Give the rows that a query finds."""
        with self.reading() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Take the connection, to read."""
        with self._lock:
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the file for one transaction, whoever else writes; all of it is kept, or nothing."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def remember(self, key: str, value: str) -> None:
        """Keep what is said of the review as a whole, in the transaction that is open."""
        self._connection.execute(
            "INSERT INTO review (key, value) VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )

    def recall(self, key: str) -> str | None:
        """Give what `remember` kept; None if there is nothing."""
        rows = self.read("SELECT value FROM review WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None


def _address(path: Path, *, read_only: bool) -> str:
    """Name a file to SQLite.

    What has no log beside it nobody has open: it is read without a lock, so that it can lie where
    nothing can be written. A journal is of a transaction that is under way, or was cut short:
    SQLite takes that back when it opens the file, for which it has to write.
    """
    name = quote(str(path.absolute()))
    log, journal = (path.with_name(f"{path.name}{end}").exists() for end in ("-wal", "-journal"))
    if not read_only or (journal and os.access(path, os.W_OK)):
        return f"file:{name}?mode=rw"
    return f"file:{name}?{'mode=ro' if log or journal else 'immutable=1'}"


def keep_log(connection: sqlite3.Connection, path: Path) -> None:
    """Let a database write ahead, and bring what was committed into its file at once.

    Where the file system cannot share memory between programs, as on many network drives, SQLite
    keeps its old journal instead, and says so by its answer alone: then `SharedDriveWarning`.

    References
    ----------
    SQLite, Write-Ahead Logging, https://www.sqlite.org/wal.html.
    """
    mode = str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
    if mode != "wal":
        warnings.warn(
            f"{path} is on a file system that gives no write-ahead log (journal {mode!r}), such as "
            "a network drive: decisions are kept at once all the same, but whoever has the file "
            "open meanwhile, as QGIS does, can make them wait, and locks of such drives may not "
            "hold between machines; keep the review on a disk of this machine (--store)",
            SharedDriveWarning,
            stacklevel=2,
        )
    connection.execute("PRAGMA wal_autocheckpoint = 1")
