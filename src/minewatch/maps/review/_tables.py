"""The tables of a store: what is in them, and rows as values and back."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import shapely

from minewatch._store import writing_file
from minewatch.maps.review._geopackage import (
    Layer,
    create_package,
    decode_geometry,
    encode_geometry,
)
from minewatch.maps.review._queue import Item, Queue

FORMAT: Final = "review 2"
_SAID: Final = (
    "uid TEXT NOT NULL UNIQUE, item_id TEXT NOT NULL REFERENCES items(item_id), {own}"
    "note TEXT NOT NULL DEFAULT '', reviewer TEXT NOT NULL, decided_at DATETIME NOT NULL, "
    "shown TEXT NOT NULL, undone_at DATETIME"
)
LAYERS: Final = (
    Layer(
        "items",
        "number INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom GEOMETRY NOT NULL, "
        "item_id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, position INTEGER, "
        "longitude DOUBLE NOT NULL, latitude DOUBLE NOT NULL, square_m DOUBLE NOT NULL, "
        "facts TEXT NOT NULL, dated TEXT NOT NULL, added_at DATETIME NOT NULL",
        "GEOMETRY",
        "What is reviewed; position is NULL where the last queue did not hold it.",
    ),
    Layer(
        "decisions",
        "number INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom POINT NOT NULL, "
        + _SAID.format(own="verdict TEXT NOT NULL, reason TEXT, told_after INTEGER, "),
        "POINT",
        "Every decision that was ever made; the last that is not undone holds, by reviewer. "
        "told_after: the last number there was when others' verdicts were first told to its "
        "reviewer.",
    ),
    Layer(
        "verdicts",
        "SELECT number AS OGC_FID, geom, number, item_id, verdict, reason, note, reviewer, "
        "decided_at FROM decisions AS own WHERE number = (SELECT MAX(number) FROM decisions "
        "WHERE item_id = own.item_id AND reviewer = own.reviewer AND undone_at IS NULL)",
        "POINT",
        "What holds: of every place the last decision of each reviewer that is not undone.",
        is_view=True,
    ),
    Layer(
        "points",
        "number INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom POINT NOT NULL, "
        + _SAID.format(own=""),
        "POINT",
        "Mines that a reviewer drew.",
    ),
    Layer(
        "review",
        "number INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, key TEXT NOT NULL UNIQUE, "
        "value TEXT NOT NULL",
        None,
        "What this file is, and what was reviewed with it.",
    ),
)


@dataclass(frozen=True)
class StoredItem:
    """An item of the queue, and its number in the store."""

    number: int
    item: Item
    square_m: float


def create_store(path: Path) -> None:
    """Make an empty store, whole or not at all, before it gets its log: GDAL reads its header."""
    with writing_file(path) as aside:
        connection = sqlite3.connect(aside, isolation_level=None)
        try:
            create_package(connection, LAYERS)
            connection.execute("INSERT INTO review (key, value) VALUES ('format', ?)", (FORMAT,))
        finally:
            connection.close()


def as_row(queue: Queue, at: int, item: Item, now: str) -> tuple[Any, ...]:
    """Give an item of a queue as it is kept."""
    place = item.outline or shapely.Point(item.longitude, item.latitude)
    facts = json.dumps(dict(item.facts), ensure_ascii=False, allow_nan=False)
    return (
        *(encode_geometry(place), item.item_id, queue.kind, at, item.longitude, item.latitude),
        *(queue.square_m, facts, item.dated, now),
    )


def as_item(row: tuple[Any, ...]) -> StoredItem:
    """Read what `as_row` gave, with its number before it."""
    number, geom, item_id, longitude, latitude, square_m, facts, dated = row
    shape = decode_geometry(geom)
    outline = None if shape.geom_type == "Point" else shape
    item = Item(item_id, longitude, latitude, json.loads(facts), outline, dated)
    return StoredItem(number, item, square_m)
