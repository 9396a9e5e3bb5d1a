"""The folder of a scan: what it was asked, what is done so far, and what failed."""

import csv
import io
import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from minewatch import __version__, _store
from minewatch.errors import DatasetError
from minewatch.patches._build_request import refuse_other
from minewatch.scan._scores import part_facts, write_part
from minewatch.scan._windows import Tile
from minewatch.scan._work import TileRows
from minewatch.types import Failure

STATE: Final = "scan.json"
SCORES: Final = "scores.parquet"
NOT_SEEN: Final = "not_seen.parquet"
FAILURES: Final = "failures.csv"
PARTS: Final = "parts"
_FORMAT: Final = 1
OURS: Final = _store.Ours(STATE, frozenset({SCORES, NOT_SEEN, FAILURES, PARTS}))


@dataclass(frozen=True)
class SoFar:
    """How far a scan is."""

    done: frozenset[Tile]
    """Tiles that were scored."""
    failed: frozenset[Tile]
    """Tiles that failed in a scan that went to its end."""
    is_other: bool = False
    """Whether the folder holds a scan with other settings."""


class ScanFolder:
    """A folder that one process at a time writes a scan to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts = path / PARTS
        self._asked = ""

    @property
    def scores(self) -> Path:
        """The whole table of scores."""
        return self.path / SCORES

    @property
    def not_seen(self) -> Path:
        """The map of what was not seen."""
        return self.path / NOT_SEEN

    @property
    def failures_file(self) -> Path:
        """The table of tiles that failed."""
        return self.path / FAILURES

    def begin(self, request: Mapping[str, Any], *, overwrite: bool) -> None:
        """Take the folder up for a scan, or go on with the same one.

        Raises
        ------
        AlreadyThereError
            If it holds a scan with other settings, or what no scan wrote.
        LevelError
            If it holds a scan of another level.
        OSError
            If the rows by tile of the scan that is given up cannot be removed.
        """
        self._asked = _store.digest_value(request)
        state = self.read_state()
        if state is None:
            _store.refuse_existing(self.path, overwrite=overwrite, ours=OURS)
        elif not overwrite:
            refuse_other(f"the scan in {self.path}", state["request"], request)
        elif state["request"] != request:
            self.drop_parts()  # the rest stays until there is something to take its place
            state = None
        self.path.mkdir(parents=True, exist_ok=True)
        _store.drop_parts(self.path)
        if state is None:
            self.write_state(request, None)

    def read_state(self) -> dict[str, Any] | None:
        """Read what the folder says of its scan; None if it says nothing."""
        file = self.path / STATE
        if not file.is_file():
            return None
        try:
            state = json.loads(file.read_text(encoding="utf-8"))
            if state["format"] == _FORMAT and "request" in state and "finished" in state:
                return dict(state)
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{file} is damaged ({error}); scan into another folder") from error
        raise DatasetError(
            f"{file} was written by minewatch {state.get('minewatch')} in another format; scan "
            "into another folder"
        )

    def read_finished(self) -> dict[str, Any] | None:
        """Read what came of the scan; None if it is not finished, or its files are gone."""
        state = self.read_state()
        if state is None or not (self.scores.is_file() and self.not_seen.is_file()):
            return None
        finished: dict[str, Any] | None = state["finished"]
        return finished

    def write_state(self, request: Mapping[str, Any], finished: Mapping[str, Any] | None) -> None:
        """Say what the scan is asked, and, when it is finished, what came of it."""
        values = {
            "minewatch": __version__,
            "format": _FORMAT,
            "request": request,
            "finished": finished,
        }
        _store.write_json(self.path / STATE, values)

    def part(self, tile: Tile) -> Path:
        """Say where the rows of a tile are kept."""
        return self.parts / str(tile.epsg) / f"{tile.key}.parquet"

    def keep(self, tile: Tile, rows: TileRows) -> None:
        """Keep the rows of a tile, and say for which request they were made."""
        facts = {"tile": tile.key, "request": self._asked, "makers": rows.makers}
        write_part(self.part(tile), rows.table, facts)

    def kept(self, tiles: Iterable[Tile]) -> dict[Tile, dict[str, Any]]:
        """Tell which tiles are kept, with what is told of each.

        Damaged ones are not, and none that another request left.
        """
        found = {}
        for tile in tiles:
            file = self.part(tile)
            facts = part_facts(file) if file.is_file() else None
            if facts is None:
                continue
            if (facts.get("tile"), facts.get("request")) == (tile.key, self._asked):
                found[tile] = facts
        return found

    def so_far(self, request: Mapping[str, Any], tiles: Collection[Tile]) -> SoFar:
        """Tell which tiles of a scan are done; nothing is written, and nobody is kept waiting."""
        state = self.read_state()
        if state is None:
            return SoFar(frozenset(), frozenset())
        if state["request"] != request:
            return SoFar(frozenset(), frozenset(), is_other=True)
        finished = self.read_finished()
        if finished is None:
            self._asked = _store.digest_value(request)
            return SoFar(frozenset(self.kept(tiles)), frozenset())
        failed = {one["key"] for one in finished["failures"]}
        own = frozenset(tile for tile in tiles if tile.key in failed)
        return SoFar(frozenset(tiles) - own, own)

    def write_failures(self, failures: Iterable[Failure]) -> Path | None:
        """List the tiles that failed, with their reasons; None if there are none."""
        rows = sorted(failures, key=lambda failure: failure.key)
        if not rows:
            self.failures_file.unlink(missing_ok=True)
            return None
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["tile", "stage", "reason"])
        writer.writerows([one.key, one.stage, one.reason] for one in rows)
        _store.write_text(self.failures_file, text.getvalue())
        return self.failures_file

    def drop_parts(self) -> None:
        """Remove the rows by tile: the whole table holds them.

        Of a link the link alone goes: what it leads to may be someone else's.

        Raises
        ------
        OSError
            If they cannot be removed.
        """
        if self.parts.is_symlink():
            self.parts.unlink()
        elif self.parts.exists():
            shutil.rmtree(self.parts)
