"""The table of scores on disk: its schema, its parts while a scan runs, and the whole."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from minewatch import _store
from minewatch.errors import InputError, NotThereError
from minewatch.types import StrPath

FORMAT: Final = "scores 1"
KEY: Final = b"minewatch"
ROWS_TOGETHER: Final = 1 << 16
"""Rows that are written together: enough to pack well, few enough for any memory."""
SCHEMA: Final = pa.schema(
    [
        ("window_id", pa.string()),
        ("tile", pa.string()),
        ("epsg", pa.int32()),
        ("left_m", pa.int32()),
        ("top_m", pa.int32()),
        ("size_m", pa.int32()),
        ("longitude", pa.float64()),
        ("latitude", pa.float64()),
        ("score", pa.float32()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("clear_views", pa.float32()),
        ("missing_share", pa.float32()),
        ("start", pa.string()),
        ("end", pa.string()),
        ("dissimilarity", pa.float32()),
        ("is_applicable", pa.bool_()),
    ]
)
_ORDER: Final = [("epsg", "ascending"), ("top_m", "descending"), ("left_m", "ascending")]


def read_scores(path: StrPath) -> pd.DataFrame:
    """Read the scores of a scan.

    Parameters
    ----------
    path
        ``scores.parquet``, or the folder of a scan that is finished.

    Returns
    -------
    DataFrame
        One row per window, by zone, from north to south, then from west to east:

        - ``window_id`` (str): ``{epsg}_{left_m}_{top_m}_{size_m}``, the same in every scan;
          ``tile`` (str): the tile that it was read with;
        - ``epsg``, ``left_m``, ``top_m``, ``size_m`` (int32): its UTM zone, upper left corner and
          side, metres; ``longitude``, ``latitude`` (float64): its centre, degrees, EPSG:4326;
        - ``score`` (float32): P(mining), NaN where there is none;
        - ``status`` (str): ``scored``, ``few clear views``, ``no data``, ``no
          number`` or ``failed``: all but ``scored`` are *not seen*, which is not *no mining*;
          ``reason`` (str): why, else empty;
        - ``clear_views`` (float32): median over its pixels, NaN if it failed; ``missing_share``
          (float32): share of its pixels about which something is not known;
        - ``start``, ``end`` (str): days of the first and the last scene that the ground around it
          was composed from, ISO dates, UTC; empty if there is none;
        - ``dissimilarity`` (float32; NaN where not measured) and ``is_applicable`` (boolean, <NA>):
          how unlike the training patches it is, and whether that is within what was evaluated.

        ``attrs["minewatch"]`` holds what the scan was made from, JSON values.

    Raises
    ------
    NotThereError
        If there is no such file.
    InputError
        If it is no table of scores.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "scores.parquet"
    if not file.is_file():
        raise NotThereError(
            f"there is no file {file}; a scan writes it at its end: run it again to go on"
        )
    try:
        table = pq.read_table(file)
        header = json.loads((table.schema.metadata or {})[KEY])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise InputError(f"{file} is no table of scores: {error}") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(f"{file} is no table of scores of a scan; expected format {FORMAT!r}")
    frame = _to_frame(table)
    frame.attrs["minewatch"] = header
    return frame


def write_part(path: Path, table: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    """Keep the rows of a tile; when this returns, no kill takes them away."""
    write_table(path, [_from_frame(table)], facts)


def read_part(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Read the rows of a tile, and what is told of them."""
    table = pq.read_table(path)
    return table, json.loads(table.schema.metadata[KEY])


def part_facts(path: Path) -> dict[str, Any] | None:
    """Read what is told of the rows of a tile; None if the file is damaged."""
    try:
        facts = json.loads(pq.read_schema(path).metadata[KEY])
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def sort_rows(tables: Iterable[pa.Table]) -> pa.Table:
    """Put rows of tiles together in the order of scores."""
    return pa.concat_tables([one.replace_schema_metadata(None) for one in tables]).sort_by(_ORDER)


def failed_table(rows: pd.DataFrame) -> pa.Table:
    """Give rows that were never kept as those that were are read."""
    return _from_frame(rows)


def write_table(path: Path, tables: Iterable[pa.Table], header: Mapping[str, Any]) -> None:
    """Write tables, in order, as one file that appears whole; equal rows give equal bytes."""
    text = json.dumps(header, sort_keys=True, allow_nan=False, ensure_ascii=False)
    schema = SCHEMA.with_metadata({KEY: text.encode()})
    with (
        _store.writing_file(path) as aside,
        pq.ParquetWriter(aside, schema, compression="zstd") as writer,
    ):
        for table in _gathered(tables):
            writer.write_table(table.replace_schema_metadata(schema.metadata))


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Put small tables together: a file of many short groups is read slowly."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(len(one) for one in waiting) >= ROWS_TOGETHER:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _from_frame(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(
        frame[SCHEMA.names], schema=SCHEMA, preserve_index=False
    ).replace_schema_metadata(None)


def _to_frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.replace_schema_metadata(None).to_pandas()
    types = {"is_applicable": "boolean", "score": "float32", "dissimilarity": "float32"}
    texts = dict.fromkeys(("window_id", "tile", "status", "reason", "start", "end"), "str")
    return frame.astype(types | texts)
