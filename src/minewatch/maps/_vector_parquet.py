"""GeoParquet: every digit, and how it was made."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow.parquet as pq

from minewatch._store import writing_file
from minewatch.scan._merge_windows import HEADER


def write_parquet(table: gpd.GeoDataFrame, path: Path, header: Mapping[str, Any]) -> None:
    """Write a layer with its index as GeoParquet; the header goes to the key ``minewatch``."""
    text = json.dumps(header, sort_keys=True, allow_nan=False, ensure_ascii=False)
    plain = table.copy(deep=False)
    plain.attrs = {}
    with writing_file(path) as aside:
        plain.to_parquet(aside, index=bool(table.index.name))
        written = pq.read_table(aside)
        metadata = {**(written.schema.metadata or {}), HEADER.encode(): text.encode()}
        pq.write_table(written.replace_schema_metadata(metadata), aside, compression="zstd")
