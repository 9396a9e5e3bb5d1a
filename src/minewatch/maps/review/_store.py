"""Where decisions are kept: a GeoPackage to which every decision goes at once."""

import json
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import geopandas as gpd
import pandas as pd
import shapely

from minewatch._store import writing_file
from minewatch.errors import AlreadyThereError, DatasetError, InputError, NotThereError
from minewatch.maps.review._geopackage import (
    Layer,
    create_package,
    decode_geometry,
    encode_geometry,
    is_package,
)
from minewatch.maps.review._queue import Item, Queue
from minewatch.maps.review._said import (
    Decision,
    Point,
    Saved,
    check_decision,
    check_name,
    check_said,
)
from minewatch.maps.review._words import Reason, Verdict
from minewatch.types import StrPath

_WAIT_MS: Final = 5_000
_Said = Literal["decisions", "points"]
_BOTH: Final[tuple[_Said, ...]] = ("decisions", "points")


class ReviewStore:
    """Decisions in a GeoPackage, each on disk before `decide` returns.

    The file is SQLite with a write-ahead log and ``synchronous = FULL``: what was answered is
    there after a crash of the program, of the machine, or a loss of power. No row is ever deleted;
    what is undone says when. QGIS and pyogrio read the layers ``items``, ``decisions``, ``points``.

    Parameters
    ----------
    path
        The file, ``.gpkg``. It is made if it is not there.
    create
        False: it has to be there.

    Raises
    ------
    NotThereError, InputError, DatasetError
        If it is not there, has another suffix, or holds something else.

    Examples
    --------
    >>> import tempfile
    >>> queue = Queue("sites", "demo", (Item("a", -62.6, 5.45), Item("b", -62.6, 5.41)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with ReviewStore(folder + "/review.gpkg") as store:
    ...         store.take_up(queue)
    ...         saved = store.decide(Decision("u1", "a", "not_mine", "Ana", reason="river"))
    ...     gpd.read_file(folder + "/review.gpkg", layer="decisions")["verdict"].tolist()
    2
    ['not_mine']
    """

    def __init__(self, path: StrPath, *, create: bool = True) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".gpkg":
            raise InputError(f"{path} ends in {self.path.suffix!r}; expected .gpkg")
        is_new = not self.path.exists() or self.path.stat().st_size == 0
        if is_new and not create:
            raise NotThereError(f"there is no review at {path}")
        if is_new:
            create_store(self.path)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=_WAIT_MS / 1000
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
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.DatabaseError as error:
            raise DatasetError(f"{self.path} cannot be used as a review: {error}") from error

    def _has_format(self) -> bool:
        query = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'review'"
        if not self._connection.execute(query).fetchone()[0]:
            return False
        said = self._recall("format")
        if said is not None and said != FORMAT:
            raise DatasetError(f"{self.path} is of format {said!r}; this version reads {FORMAT!r}")
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Put the log into the file, and close it."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()

    # what is reviewed

    def take_up(self, queue: Queue) -> int:
        """Make a queue the one that is reviewed; items that are there already are kept.

        Returns
        -------
        int
            How many items are new.

        Raises
        ------
        AlreadyThereError
            If an item of that name lies elsewhere, or is of another time or scan: decisions would
            speak of something else. Or if
            things of another kind are in the file: windows of a sample would become sites.
        """
        now = _now()
        known = dict(self._connection.execute("SELECT item_id, digest FROM items").fetchall())
        kinds = self.kinds() - {queue.kind}
        if kinds:
            raise AlreadyThereError(
                f"{self.path} is a review of {', '.join(sorted(kinds))}, not of {queue.kind}; keep "
                "this review in another file"
            )
        digests = {one.item_id: one.digest for one in queue.items}
        moved = [name for name, own in digests.items() if known.get(name, own) != own]
        if moved:
            raise AlreadyThereError(
                f"{self.path} holds decisions on other ground, or of another time: {len(moved)} "
                f"places bear a name that stands for another there, such as {moved[0]}; keep this "
                "review in another file (--store)"
            )
        rows = [as_row(queue, at, one, now) for at, one in enumerate(queue.items)]
        with self._writing() as connection:
            connection.execute("UPDATE items SET position = NULL")
            connection.executemany(
                "INSERT INTO items (geom, item_id, kind, position, longitude, latitude, square_m, "
                "facts, digest, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (item_id) DO UPDATE SET position = excluded.position, "
                "square_m = excluded.square_m, facts = excluded.facts",
                rows,
            )
            if self._recall("id") is None:
                self._remember("id", uuid.uuid4().hex)
            for key in ("kind", "title", "source", "digest", "attribution"):
                self._remember(key, str(getattr(queue, key)))
        return len(digests.keys() - known.keys())

    def items(self, *, every: bool = False) -> list[StoredItem]:
        """List the queue, in order; or every item that ever was in it, in the order it came."""
        chosen = "ORDER BY number" if every else "WHERE position IS NOT NULL ORDER BY position"
        with self._lock:
            rows = self._connection.execute(
                "SELECT number, geom, item_id, longitude, latitude, square_m, facts, digest "  # noqa: S608
                f"FROM items {chosen}"
            ).fetchall()
        return [as_item(row) for row in rows]

    def kinds(self) -> set[str]:
        """Say of which kinds the items are that ever were in it: one, or none yet."""
        with self._lock:
            return {row[0] for row in self._connection.execute("SELECT DISTINCT kind FROM items")}

    # what is said of it

    def decide(self, decision: Decision) -> Saved:
        """Keep a decision; it is on disk when this returns.

        Raises
        ------
        InputError
            If a word is not known, there is no such item, or its uid stands for something else.
        """
        check_decision(decision)
        own = {"verdict": decision.verdict, "reason": decision.reason}
        return self._keep("decisions", decision, None, own)

    def draw(self, point: Point) -> Saved:
        """Keep a mine that was drawn; it is on disk when this returns.

        Raises
        ------
        InputError
            As of `decide`; or if it is no place on Earth.
        """
        if not (abs(point.longitude) <= 180.0 and abs(point.latitude) <= 90.0):
            raise InputError(
                f"the point lies at {point.longitude}, {point.latitude}; expected degrees"
            )
        return self._keep("points", point, shapely.Point(point.longitude, point.latitude), {})

    def undo(self, reviewer: str, number: int) -> Saved:
        """Undo a decision or a point of a reviewer; to undo it again changes nothing.

        Raises
        ------
        InputError
            If the reviewer has none of that number.
        """
        name = check_name(reviewer)
        with self._writing() as connection:
            for table in _BOTH:
                row = connection.execute(
                    f"SELECT item_id, decided_at, undone_at FROM {table} "  # noqa: S608 - our words
                    "WHERE number = ? AND reviewer = ?",
                    (number, name),
                ).fetchone()
                if row is None:
                    continue
                if row[2] is None:
                    connection.execute(
                        f"UPDATE {table} SET undone_at = ? WHERE number = ?",  # noqa: S608
                        (_now(), number),
                    )
                return Saved(number, row[0], row[1], is_new=row[2] is None)
        raise InputError(f"{name} has nothing of number {number} that could be undone")

    def last(self, reviewer: str) -> Saved | None:
        """Give what a reviewer did last and did not undo; None if there is nothing."""
        with self._lock:
            row = self._connection.execute(
                "SELECT number, item_id, decided_at FROM ("
                "SELECT number, item_id, decided_at, reviewer, undone_at FROM decisions UNION ALL "
                "SELECT number, item_id, decided_at, reviewer, undone_at FROM points) "
                "WHERE reviewer = ? AND undone_at IS NULL ORDER BY number DESC LIMIT 1",
                (check_name(reviewer),),
            ).fetchone()
        return None if row is None else Saved(*row)

    def current(self) -> list[tuple[str, str, Verdict, Reason | None]]:
        """List what holds: item_id, reviewer, verdict and reason of each one's last decision."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT item_id, reviewer, verdict, reason, MAX(number) FROM decisions "
                "WHERE undone_at IS NULL GROUP BY item_id, reviewer"  # of the row of the maximum
            ).fetchall()
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def decisions(self, *, item_id: str | None = None) -> gpd.GeoDataFrame:
        """Read every decision, in the order in which they were made.

        Returns
        -------
        GeoDataFrame
            Index ``number``; ``uid``, ``item_id``, ``verdict``, ``reason`` (str, missing where not
            said), ``note``, ``reviewer`` (str), ``decided_at`` (UTC, ISO 8601), ``shown`` (JSON
            text), ``undone_at`` (missing where it holds); points at the places that were judged,
            EPSG:4326.
        """
        return self._read("decisions", ("verdict", "reason"), item_id)

    def points(self, *, item_id: str | None = None) -> gpd.GeoDataFrame:
        """Read every mine that was drawn, as `decisions`, without ``verdict`` and ``reason``."""
        return self._read("points", (), item_id)

    def recall(self) -> dict[str, str]:
        """Say what was reviewed: ``kind``, ``title``, ``source``, ``digest``, ``attribution``.

        ``id`` is a random name of this review, by which a browser knows what it has not sent yet.
        """
        with self._lock:
            return dict(self._connection.execute("SELECT key, value FROM review").fetchall())

    def _keep(
        self,
        table: _Said,
        said: Decision | Point,
        place: shapely.Point | None,
        own: Mapping[str, str | None],
    ) -> Saved:
        values = {"item_id": said.item_id, **own, **check_said(said)}
        with self._writing() as connection:
            before = self._by_uid(said.uid)
            if before is not None:
                return _same(before, table, values, place)
            row = connection.execute(
                "SELECT longitude, latitude FROM items WHERE item_id = ?", (said.item_id,)
            ).fetchone()
            if row is None:
                raise InputError(f"there is no item {said.item_id!r} in this review")
            number = connection.execute(
                "SELECT 1 + MAX((SELECT COALESCE(MAX(number), 0) FROM decisions), "
                "(SELECT COALESCE(MAX(number), 0) FROM points))"
            ).fetchone()[0]
            now = self._time(connection)
            filled = {
                "number": number,
                "geom": encode_geometry(place or shapely.Point(*row)),
                "uid": said.uid,
                "decided_at": now,
                **values,
            }
            connection.execute(
                f"INSERT INTO {table} ({', '.join(filled)}) "  # noqa: S608 - names are our own
                f"VALUES ({', '.join('?' * len(filled))})",
                tuple(filled.values()),
            )
        return Saved(number, said.item_id, now)

    @staticmethod
    def _time(connection: sqlite3.Connection) -> str:
        """Say what time it is; never before what was decided last, if the clock was set back."""
        last = connection.execute(
            "SELECT MAX(decided_at) FROM "
            "(SELECT decided_at FROM decisions UNION ALL SELECT decided_at FROM points)"
        ).fetchone()[0]
        return max(_now(), last or "")

    def _by_uid(self, uid: str) -> tuple[_Said, dict[str, Any]] | None:
        for table in _BOTH:
            cursor = self._connection.execute(f"SELECT * FROM {table} WHERE uid = ?", (uid,))  # noqa: S608
            row = cursor.fetchone()
            if row is not None:
                return table, dict(zip([one[0] for one in cursor.description], row, strict=True))
        return None

    def _read(self, table: _Said, own: tuple[str, ...], item_id: str | None) -> gpd.GeoDataFrame:
        names = ("uid", "item_id", *own, "note", "reviewer", "decided_at", "shown", "undone_at")
        columns = ", ".join(("number", "geom", *names))
        where, values = ("", ()) if item_id is None else ("WHERE item_id = ?", (item_id,))
        with self._lock:
            rows = self._connection.execute(
                f"SELECT {columns} FROM {table} {where} ORDER BY number",  # noqa: S608
                values,
            ).fetchall()
        filled = {name: [row[at + 2] for row in rows] for at, name in enumerate(names)}
        return gpd.GeoDataFrame(
            pd.DataFrame(filled, dtype="str"),
            geometry=[decode_geometry(row[1]) for row in rows],
            crs="EPSG:4326",
        ).set_index(pd.Index([row[0] for row in rows], name="number", dtype="int64"))

    def _remember(self, key: str, value: str) -> None:
        self._connection.execute(
            "INSERT INTO review (key, value) VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )

    def _recall(self, key: str) -> str | None:
        row = self._connection.execute("SELECT value FROM review WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the file for one transaction, whoever else writes; all of it is kept, or nothing."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise


def _same(
    before: tuple[_Said, dict[str, Any]],
    table: _Said,
    values: Mapping[str, str | None],
    place: shapely.Point | None,
) -> Saved:
    there, row = before
    moved = place is not None and decode_geometry(row["geom"]) != place
    if there != table or moved or any(row[key] != one for key, one in values.items()):
        raise InputError(
            f"the uid {row['uid']} stands for another decision already; make a new one"
        )
    return Saved(row["number"], row["item_id"], row["decided_at"], is_new=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
