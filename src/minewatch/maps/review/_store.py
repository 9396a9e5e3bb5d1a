"""Where decisions are kept: a GeoPackage to which every decision goes at once."""

import sqlite3
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, Self

import geopandas as gpd
import pandas as pd
import shapely

from minewatch.errors import AlreadyThereError, InputError
from minewatch.maps.review._database import Database
from minewatch.maps.review._geopackage import decode_geometry, encode_geometry
from minewatch.maps.review._queue import Queue
from minewatch.maps.review._said import (
    Decision,
    Point,
    Saved,
    check_decision,
    check_name,
    check_said,
    fold_name,
)
from minewatch.maps.review._tables import StoredItem, as_item, as_row
from minewatch.maps.review._words import Reason, Verdict
from minewatch.types import StrPath

_Said = Literal["decisions", "points"]
_BOTH: Final[tuple[_Said, ...]] = ("decisions", "points")
_LAST: Final = (
    "MAX((SELECT COALESCE(MAX(number), 0) FROM decisions), "
    "(SELECT COALESCE(MAX(number), 0) FROM points))"
)
"""The number of what was decided, or drawn, last."""
_NOT_TOLD: Final = """
SELECT MAX(number) FROM decisions AS own
WHERE reviewer = :name AND undone_at IS NULL AND verdict != 'skip'
AND (:item IS NULL OR item_id = :item)
AND NOT EXISTS (
  SELECT 1 FROM decisions WHERE item_id = own.item_id AND reviewer = :name
  AND (told_after IS NOT NULL OR (undone_at IS NULL AND number > own.number)))
AND EXISTS (
  SELECT 1 FROM decisions WHERE item_id = own.item_id AND reviewer != :name
  AND undone_at IS NULL AND verdict != 'skip')
GROUP BY item_id
"""
"""The verdicts of a reviewer that stand beside another's, who was not told of it yet."""


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
    read_only
        Read what is there, and write nothing, not even beside it.

    Raises
    ------
    NotThereError, InputError, DatasetError
        If it is not there, has another suffix, or holds something else.

    Examples
    --------
    >>> import tempfile
    >>> from minewatch.maps.review import Item
    >>> queue = Queue("sites", "demo", (Item("a", -62.6, 5.45), Item("b", -62.6, 5.41)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with ReviewStore(folder + "/review.gpkg") as store:
    ...         store.take_up(queue)
    ...         saved = store.decide(Decision("u1", "a", "not_mine", "Ana", reason="river"))
    ...     gpd.read_file(folder + "/review.gpkg", layer="decisions")["verdict"].tolist()
    2
    ['not_mine']
    """

    def __init__(self, path: StrPath, *, create: bool = True, read_only: bool = False) -> None:
        self._database = Database(path, create=create and not read_only, read_only=read_only)
        self.path = self._database.path

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
        self._database.close()

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
        known = {one.item.item_id: one.item for one in self.items(every=True)}
        kinds = self.kinds() - {queue.kind}
        if kinds:
            raise AlreadyThereError(
                f"{self.path} is a review of {', '.join(sorted(kinds))}, not of {queue.kind}; keep "
                "this review in another file"
            )
        names = {one.item_id: known.get(one.item_id, one).differs(one) for one in queue.items}
        moved = [name for name, how in names.items() if how]
        if moved:
            raise AlreadyThereError(
                f"{self.path} is a review of other ground, or of another time: {len(moved)} places "
                f"bear a name that stands for another there, such as {moved[0]}, which "
                f"{names[moved[0]]}; keep this review in another file (--store)"
            )
        rows = [as_row(queue, at, one, now) for at, one in enumerate(queue.items)]
        with self._database.writing() as connection:
            connection.execute("UPDATE items SET position = NULL")
            connection.executemany(
                "INSERT INTO items (geom, item_id, kind, position, longitude, latitude, square_m, "
                "facts, dated, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (item_id) DO UPDATE SET position = excluded.position, "
                "square_m = excluded.square_m, facts = excluded.facts",
                rows,
            )
            if self._database.recall("id") is None:
                self._database.remember("id", uuid.uuid4().hex)
            for key in ("kind", "title", "source", "digest", "attribution"):
                self._database.remember(key, str(getattr(queue, key)))
        return len(names.keys() - known.keys())

    def items(self, *, every: bool = False) -> list[StoredItem]:
        """List the queue, in order; or every item that ever was in it, in the order it came."""
        chosen = "ORDER BY number" if every else "WHERE position IS NOT NULL ORDER BY position"
        rows = self._database.read(
            "SELECT number, geom, item_id, longitude, latitude, square_m, facts, dated "  # noqa: S608
            f"FROM items {chosen}"
        )
        return [as_item(row) for row in rows]

    def kinds(self) -> set[str]:
        """Say of which kinds the items are that ever were in it: one, or none yet."""
        return {row[0] for row in self._database.read("SELECT DISTINCT kind FROM items")}

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
        with self._database.writing() as connection:
            name = _spell(connection, reviewer)
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
        rows = self._database.read(
            "SELECT number, item_id, decided_at FROM ("
            "SELECT number, item_id, decided_at, reviewer, undone_at FROM decisions UNION ALL "
            "SELECT number, item_id, decided_at, reviewer, undone_at FROM points) "
            "WHERE reviewer = ? AND undone_at IS NULL ORDER BY number DESC LIMIT 1",
            (self.spell(reviewer),),
        )
        return Saved(*rows[0]) if rows else None

    def spell(self, reviewer: str) -> str:
        """Give a reviewer's name as it was first written here, in whatever capitals it comes.

        Raises
        ------
        InputError
            If it is no name.
        """
        with self._database.reading() as connection:
            return _spell(connection, reviewer)

    def mark_told(self, reviewer: str, *, item_id: str | None = None) -> None:
        """Note that a reviewer is told now what others say of places that she has judged.

        What she says of them from now on is not independent any more: `measure_agreement` counts
        the verdict that stands at this moment, whatever becomes of it. Nothing changes for places
        that she has not judged, that nobody else has, or of which she was told before.

        Parameters
        ----------
        reviewer
            Who is told.
        item_id
            Of this place alone; None: of all.
        """
        values = {"name": self.spell(reviewer), "item": item_id}
        numbers = [row[0] for row in self._database.read(_NOT_TOLD, values)]
        if numbers:
            with self._database.writing() as connection:
                connection.executemany(
                    f"UPDATE decisions SET told_after = {_LAST} WHERE number = ?",  # noqa: S608
                    [(number,) for number in numbers],
                )

    def current(self) -> list[tuple[str, str, Verdict, Reason | None]]:
        """List what holds: item_id, reviewer, verdict and reason of each one's last decision."""
        rows = self._database.read(
            "SELECT item_id, reviewer, verdict, reason, MAX(number) FROM decisions "
            "WHERE undone_at IS NULL GROUP BY item_id, reviewer"  # of the row of the maximum
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def decisions(self, *, item_id: str | None = None) -> gpd.GeoDataFrame:
        """Read every decision, in the order in which they were made.

        Returns
        -------
        GeoDataFrame
            Index ``number``; ``uid``, ``item_id``, ``verdict``, ``reason`` (str, missing where not
            said), ``note``, ``reviewer`` (str), ``decided_at`` (UTC, ISO 8601), ``shown`` (JSON
            text), ``undone_at`` (missing where it holds), ``told_after`` (Int64; the last number
            there was when the reviewer was told, for the first time and while this verdict stood,
            what others say of the place; missing: not told); points at the places that were
            judged, EPSG:4326.
        """
        table = self._read("decisions", ("verdict", "reason", "told_after"), item_id)
        return table.assign(told_after=table["told_after"].astype("Int64"))

    def points(self, *, item_id: str | None = None) -> gpd.GeoDataFrame:
        """Read every mine that was drawn, as `decisions`, without ``verdict`` and ``reason``."""
        return self._read("points", (), item_id)

    def recall(self) -> dict[str, str]:
        """Say what was reviewed: ``kind``, ``title``, ``source``, ``digest``, ``attribution``.

        ``id`` is a random name of this review, by which a browser knows what it has not sent yet.
        """
        return dict(self._database.read("SELECT key, value FROM review"))

    def _keep(
        self,
        table: _Said,
        said: Decision | Point,
        place: shapely.Point | None,
        own: Mapping[str, str | None],
    ) -> Saved:
        values = {"item_id": said.item_id, **own, **check_said(said)}
        with self._database.writing() as connection:
            values["reviewer"] = _spell(connection, said.reviewer)
            before = _by_uid(connection, said.uid)
            if before is not None:
                return _same(before, table, values, place)
            row = connection.execute(
                "SELECT longitude, latitude FROM items WHERE item_id = ?", (said.item_id,)
            ).fetchone()
            if row is None:
                raise InputError(f"there is no item {said.item_id!r} in this review")
            number = connection.execute(f"SELECT 1 + {_LAST}").fetchone()[0]
            now = _time(connection)
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

    def _read(self, table: _Said, own: tuple[str, ...], item_id: str | None) -> gpd.GeoDataFrame:
        names = ("uid", "item_id", *own, "note", "reviewer", "decided_at", "shown", "undone_at")
        columns = ", ".join(("number", "geom", *names))
        where, values = ("", ()) if item_id is None else ("WHERE item_id = ?", (item_id,))
        query = f"SELECT {columns} FROM {table} {where} ORDER BY number"  # noqa: S608
        rows = self._database.read(query, values)
        filled = {name: [row[at + 2] for row in rows] for at, name in enumerate(names)}
        return gpd.GeoDataFrame(
            pd.DataFrame(filled, dtype="str"),
            geometry=[decode_geometry(row[1]) for row in rows],
            crs="EPSG:4326",
        ).set_index(pd.Index([row[0] for row in rows], name="number", dtype="int64"))


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


def _by_uid(connection: sqlite3.Connection, uid: str) -> tuple[_Said, dict[str, Any]] | None:
    for table in _BOTH:
        cursor = connection.execute(f"SELECT * FROM {table} WHERE uid = ?", (uid,))  # noqa: S608
        row = cursor.fetchone()
        if row is not None:
            return table, dict(zip([one[0] for one in cursor.description], row, strict=True))
    return None


def _spell(connection: sqlite3.Connection, name: str) -> str:
    """Give a name as it was first written here: "ana" is who wrote "Ana" before."""
    rows = connection.execute(
        "SELECT reviewer FROM (SELECT number, reviewer FROM decisions UNION ALL "
        "SELECT number, reviewer FROM points) GROUP BY reviewer ORDER BY MIN(number)"
    ).fetchall()
    plain = check_name(name)
    same = (row[0] for row in rows if fold_name(row[0]) == fold_name(plain))
    return str(next(same, plain))


def _time(connection: sqlite3.Connection) -> str:
    """Say what time it is; never before what was decided last, if the clock was set back."""
    last = connection.execute(
        "SELECT MAX(decided_at) FROM "
        "(SELECT decided_at FROM decisions UNION ALL SELECT decided_at FROM points)"
    ).fetchone()[0]
    return max(_now(), last or "")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
