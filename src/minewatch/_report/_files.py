"""The files of a report: tables as CSV and Parquet, findings as JSON, and a list of them all."""

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from minewatch import __version__
from minewatch._report._section import Findings, Section
from minewatch._store import digest_file, write_json

MAX_INLINE_ROWS: Final = 60
"""Tables up to this long stand in findings.json; longer ones are named there by their file."""


def table_stem(section: Section, table: str) -> str:
    """Name a table's files, without suffix, inside the report's folder."""
    return f"tables/{section.key}-{table}"


def provenance(findings: Findings, section: Section, name: str) -> dict[str, Any]:
    """Say what made one table or figure: versions, settings and digests, ready for JSON."""
    made = {"minewatch": __version__, "section": section.key, "name": name}
    return made | {"header": plain(findings.header)}


def write_tables(findings: Findings, folder: Path) -> None:
    """Write every table of every section as CSV and as Parquet.

    Parquet keeps what made the table as file metadata under the key ``minewatch``; for CSV that
    stands in the folder's ``manifest.json``.
    """
    (folder / "tables").mkdir()
    for section in findings.sections:
        for name, table in section.tables.items():
            stem = folder / table_stem(section, name)
            flat = flat_table(table)
            _write_csv(flat, stem.with_suffix(".csv"))
            _write_parquet(flat, stem.with_suffix(".parquet"), provenance(findings, section, name))


def flat_table(table: pd.DataFrame) -> pd.DataFrame:
    """Turn a named index into columns and geometries into text, so that every format can hold it.

    Geometries are written as well-known text in EPSG:4326, longitude first.
    """
    flat = pd.DataFrame(table)
    if any(name is not None for name in flat.index.names):
        flat = flat.reset_index()
    flat.columns = [str(column) for column in flat.columns]
    for column in flat.columns:
        if flat[column].dtype.name == "geometry":
            texts = [None if shape is None else shape.wkt for shape in flat[column]]
            flat[column] = pd.Series(texts, index=flat.index, dtype="str")
        elif isinstance(flat[column].dtype, pd.CategoricalDtype):
            flat[column] = flat[column].astype("str")
    return flat


def write_findings(findings: Findings, figures: Mapping[str, list[str]], folder: Path) -> None:
    """Write findings.json: the header, and each section's sentences, tables and figures.

    Parameters
    ----------
    figures
        For each section's key the names of its figures' files, without suffix.
    """
    sections = [
        {
            "key": section.key,
            "title": section.title,
            "seen": section.seen,
            "advice": section.advice,
            "missing": section.missing,
            "tables": {
                name: _table_json(table, table_stem(section, name))
                for name, table in section.tables.items()
            },
            "figures": figures.get(section.key, []),
        }
        for section in findings.sections
    ]
    header = plain(findings.header)
    write_json(
        folder / "findings.json",
        {"minewatch": __version__, "header": header, "sections": sections},
    )


def write_manifest(findings: Findings, folder: Path) -> None:
    """List every file of the folder with its digest, and what made them all."""
    files = {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "digest": digest_file(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    write_json(
        folder / "manifest.json",
        {"minewatch": __version__, "header": plain(findings.header), "files": files},
    )


def plain(value: Any) -> Any:
    """Turn a value into what JSON can say: NaN and the infinite become null.

    Examples
    --------
    >>> plain({"auc": float("nan"), "bands": ("B02", "B03"), "n": np.int64(3)})
    {'auc': None, 'bands': ['B02', 'B03'], 'n': 3}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    return str(value)


def _table_json(table: pd.DataFrame, stem: str) -> dict[str, Any]:
    flat = flat_table(table)
    described: dict[str, Any] = {
        "n_rows": len(flat),
        "columns": list(flat.columns),
        "csv": f"{stem}.csv",
        "parquet": f"{stem}.parquet",
    }
    if len(flat) <= MAX_INLINE_ROWS:
        described["rows"] = plain(flat.to_dict(orient="records"))
    return described


def _write_csv(flat: pd.DataFrame, path: Path) -> None:
    text = io.StringIO()
    flat.to_csv(text, index=False, lineterminator="\n")
    path.write_text(text.getvalue(), encoding="utf-8", newline="")


def _write_parquet(flat: pd.DataFrame, path: Path, made: Mapping[str, Any]) -> None:
    arrow = pa.Table.from_pandas(flat, preserve_index=False)
    metadata = dict(arrow.schema.metadata or {})
    metadata[b"minewatch"] = json.dumps(made, sort_keys=True, allow_nan=False).encode()
    pq.write_table(arrow.replace_schema_metadata(metadata), path, compression="zstd")
