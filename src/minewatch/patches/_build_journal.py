"""The places that a build has loaded so far, on disk, so that a killed build loses none of them.

It is an SQLite file: each place is one transaction, so that it is there wholly or not at all.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from minewatch.errors import DatasetError
from minewatch.patches._build_place import Place, PlaceFacts, Provenance

FILE_NAME: Final = "places.sqlite"

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS request (
    id INTEGER PRIMARY KEY CHECK (id = 1), content TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS provenance (id INTEGER PRIMARY KEY, content TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS place (
    site_id TEXT PRIMARY KEY, grid TEXT NOT NULL, facts TEXT NOT NULL,
    provenance INTEGER NOT NULL REFERENCES provenance, shape TEXT NOT NULL,
    numbers BLOB NOT NULL, clear_count BLOB NOT NULL
);
"""


class Journal:
    """An open journal; only one process and one thread may hold it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    @property
    def request(self) -> dict[str, Any] | None:
        """What the places were loaded for; None in a new journal."""
        row = self._one("SELECT content FROM request")
        return None if row is None else json.loads(row[0])

    def begin(self, request: Mapping[str, Any]) -> None:
        """Say what places are loaded for."""
        content = json.dumps(request)
        self._connection.execute("INSERT OR REPLACE INTO request VALUES (1, ?)", (content,))

    def is_empty(self) -> bool:
        """Tell whether no place is kept."""
        return self._one("SELECT 1 FROM place LIMIT 1") is None

    def add(self, site_id: str, grid: str, place: Place) -> None:
        """Keep a place; when this returns, no kill takes it away."""
        provenance = json.dumps(asdict(place.provenance))
        execute = self._connection.execute
        execute("INSERT OR IGNORE INTO provenance (content) VALUES (?)", (provenance,))
        execute(
            "INSERT OR REPLACE INTO place VALUES "
            "(?, ?, ?, (SELECT id FROM provenance WHERE content = ?), ?, ?, ?)",
            (
                site_id,
                grid,
                json.dumps(asdict(place.facts)),
                provenance,
                json.dumps(place.numbers.shape),
                place.numbers.astype("<u2", copy=False).tobytes(),
                place.clear_count.astype("<u2", copy=False).tobytes(),
            ),
        )

    def grids(self) -> dict[str, str]:
        """Give the grid of every place that is kept, by site_id."""
        return dict(self._rows("SELECT site_id, grid FROM place"))

    def facts(self) -> dict[str, tuple[PlaceFacts, Provenance]]:
        """Give what is told of every place that is kept, by site_id."""
        texts = dict(self._rows("SELECT id, content FROM provenance"))
        known = {key: _read_provenance(text) for key, text in texts.items()}
        return {
            site_id: (PlaceFacts(**json.loads(facts)), known[provenance])
            for site_id, facts, provenance in self._rows(
                "SELECT site_id, facts, provenance FROM place"
            )
        }

    def place(self, site_id: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Give a place's digital numbers and clear views."""
        row = self._one(
            "SELECT shape, numbers, clear_count FROM place WHERE site_id = ?", (site_id,)
        )
        if row is None:
            raise DatasetError(f"{self._path} has lost {site_id!r}; delete it and build again")
        shape = json.loads(row[0])
        numbers = np.frombuffer(row[1], dtype="<u2").reshape(shape)
        return numbers, np.frombuffer(row[2], dtype="<u2").reshape(shape[1:])

    def _one(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        return next(iter(self._rows(query, values)), None)

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """Open the journal in a folder, or make an empty one.

    Raises
    ------
    DatasetError
        If its file is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        # One process alone may use it, so SQLite needs no shared memory and works on any disk.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_TABLES)
        yield Journal(connection, path)
    except sqlite3.DatabaseError as error:
        raise DatasetError(
            f"{path} cannot be used ({error}); if it is damaged, delete {folder} and build again"
        ) from error
    finally:
        connection.close()


def _read_provenance(text: str) -> Provenance:
    values = json.loads(text)
    texts = {name: tuple(values.get(name, ())) for name in ("versions", "makers")}
    return Provenance(**{**values, **texts})
