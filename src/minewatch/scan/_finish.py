"""From the rows by tile to the whole table, always in the same order and the same bytes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from minewatch import __version__
from minewatch.imagery import SceneQuery, attribution
from minewatch.model._card import Card
from minewatch.scan._folder import ScanFolder
from minewatch.scan._not_seen import REGION, write_not_seen
from minewatch.scan._plan import Plan
from minewatch.scan._scores import FORMAT, failed_table, read_part, sort_rows, write_table
from minewatch.scan._windows import Tile
from minewatch.scan._work import failed_rows
from minewatch.types import Failure


def assemble(
    folder: ScanFolder,
    plan: Plan,
    header: Mapping[str, Any],
    kept: Mapping[Tile, Mapping[str, Any]],
    failures: Mapping[Tile, Failure],
) -> dict[str, Any]:
    """Write the scores and the map of what was not seen, and give what came of the scan."""
    years = range(int(header["query"]["start"][:4]), int(header["query"]["end"][:4]) + 1)
    makers = sorted({str(one) for facts in kept.values() for one in facts["makers"]})
    whole = {**header, "attribution": attribution(years, makers) if makers else ""}
    counts: Counter[str] = Counter()
    write_table(folder.scores, _rows(folder, plan, failures, counts), whole)
    parts = {tile: folder.part(tile) for tile in kept if tile not in failures}
    of_region = {**whole, REGION: plan.region.wkb_hex}
    not_seen_ha = write_not_seen(plan, parts, folder.not_seen, of_region)
    return {
        "windows": dict(sorted(counts.items())),
        "not_seen_ha": not_seen_ha,
        "failures": [vars(failures[tile]) for tile in sorted(failures)],
    }


def _rows(
    folder: ScanFolder, plan: Plan, failures: Mapping[Tile, Failure], counts: "Counter[str]"
) -> Iterator[pa.Table]:
    """Give the rows of all tiles, a row of tiles at a time, and count them by status."""
    for row in plan.rows_of_tiles():
        tables = [
            failed_table(failed_rows(tile.key, plan.windows(tile), failures[tile].reason))
            if tile in failures
            else read_part(folder.part(tile))[0]
            for tile in row
        ]
        table = sort_rows(tables)
        counts.update(table["status"].to_pylist())
        yield table


def describe_scan(request: Mapping[str, Any], plan: Plan, card: Card) -> dict[str, Any]:
    """Say what a scan is made from, for the heads of its files."""
    return {
        **request,
        "format": FORMAT,
        "minewatch": __version__,
        "tiles": len(plan.tiles),
        "windows": plan.n_windows,
        "thresholds": {name: one.model_dump(mode="json") for name, one in card.thresholds.items()},
    }


def make_request(
    plan: Plan,
    card: Card,
    query: SceneQuery,
    *,
    source: str,
    card_digest: str,
    seen: Mapping[str, Any],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Give all that decides on a scan's bytes, as JSON values."""
    return {
        "detector": card.name,
        "detector_digest": card.digest,
        "card_digest": card_digest,
        "level": card.level,
        "bands": list(card.bands),
        "size_px": card.size_px,
        "resolution_m": card.resolution_m,
        "stride_px": plan.lattice.stride_px,
        "tile_px": plan.lattice.tile_px,
        "query": query.model_dump(mode="json"),
        "source": source,
        "region": dict(plan.region_facts),
        **seen,
        **more,
    }
