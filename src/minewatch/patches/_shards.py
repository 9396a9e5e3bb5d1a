"""Write a dataset aside, whole shard by whole shard, so that it can stop and go on."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import geopandas as gpd
import numpy as np
import pandas as pd

from minewatch import __version__, _store
from minewatch._progress import Progress, silent
from minewatch.errors import AlreadyThereError, DatasetError, InputError
from minewatch.patches import _pixels
from minewatch.patches._dataset import PatchDataset
from minewatch.patches._header import (
    FORMAT_VERSION,
    HEADER_NAME,
    OURS,
    PIXELS_NAME,
    SITES_NAME,
    DatasetHeader,
    SourceValues,
    write_header,
)
from minewatch.patches._scaling import add_notes
from minewatch.types import AnyArray, Level, StrPath

N_NAN_VALUES: Final = "n_nan_values"
"""Column of sites: how many of a site's numbers were NaN or infinite in the source."""
_JOURNAL_NAME: Final = "journal.jsonl"


@dataclass(frozen=True)
class Block:
    """The pixels of some rows in stored order, and what was changed to store them."""

    numbers: AnyArray
    """Digital numbers, (site, band, y, x)."""
    clear_count: AnyArray | None = None
    """Clear views, (site, y, x)."""
    notes: Mapping[str, float] = field(default_factory=dict)
    """Counts that add up over blocks; keys that begin with ``max_`` are kept at their largest."""
    nan_counts: AnyArray | None = None
    """How many numbers of each site were NaN or infinite; None if there can be none."""


ReadBlock: TypeAlias = Callable[[int, int], Block]


@dataclass(frozen=True)
class Plan:
    """Everything that decides which bytes a dataset has, but not the pixels themselves."""

    sites: gpd.GeoDataFrame
    bands: tuple[str, ...]
    level: Level
    size_px: int
    resolution_m: float
    source: str
    period_start: str | None = None
    period_end: str | None = None
    saturation_dn: int | None = None
    has_clear_counts: bool = False
    source_values: SourceValues | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    request: Mapping[str, object] = field(default_factory=dict)
    """What else tells this writing from another of the same inputs, as JSON values."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Sites, bands, rows, columns."""
        return (len(self.sites), len(self.bands), self.size_px, self.size_px)

    def settings(self) -> dict[str, object]:
        """Give the fields that go into the header, as JSON values."""
        return {
            "bands": list(self.bands),
            "level": self.level,
            "n_sites": len(self.sites),
            "size_px": self.size_px,
            "resolution_m": self.resolution_m,
            "period_start": self.period_start,
            "period_end": self.period_end,
            "source": self.source,
            "saturation_dn": self.saturation_dn,
            "has_clear_counts": self.has_clear_counts,
            "source_values": self.source_values and self.source_values.model_dump(mode="json"),
            "inputs": dict(sorted(self.inputs.items())),
        }

    def key(self) -> str:
        """Give the digest that tells one request from another."""
        table = self.sites.to_csv(lineterminator="\n")
        return _store.digest_value(
            {
                "format": FORMAT_VERSION,
                "minewatch": __version__,
                "versions": _pixels.library_versions(),
                "settings": self.settings(),
                "request": dict(self.request),
                "sites": _store.digest_value(table),
            }
        )


def write_plan(
    out: StrPath,
    plan: Plan,
    read_block: ReadBlock,
    *,
    check: Callable[[Mapping[str, float]], None] | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> PatchDataset:
    """Do the writing that `write_patches` and the imports announce.

    `check` gets the notes of all blocks, and raises InputError if there must be no such dataset.
    """
    final = Path(out)
    partial = final.with_name(final.name + ".partial")
    with _store.locked(final):
        _store.tidy_up(final)
        _store.refuse_existing(final, overwrite=overwrite, ours=OURS)
        key = plan.key()
        if not _is_whole(partial, key):
            journal = _open_journal(partial, plan, key, start_over=overwrite)
            _write_shards(partial, plan, read_block, journal, progress)
            _check_notes(partial, journal, check)
            _finish(partial, plan, journal, key)
        _store.drop_parts(partial)
        _store.put_in_place(partial, final)
    return PatchDataset.open(final)


def _is_whole(partial: Path, key: str) -> bool:
    """Say whether a write of this request was stopped when all that was left was its last name."""
    if not (partial / HEADER_NAME).is_file() or (partial / _JOURNAL_NAME).exists():
        return False
    try:
        return PatchDataset.open(partial).header.request == key
    except DatasetError:
        return False


@dataclass(frozen=True)
class _Entry:
    """What the journal says about a shard that is whole."""

    shard: int
    pixels: str
    clear_count: str | None
    notes: dict[str, float]
    nan_counts: dict[str, int] = field(default_factory=dict)
    """Numbers that were NaN or infinite, by row of the shard; rows without any are left out."""


@dataclass
class _Journal:
    """Which shards are whole, kept so that a stopped write loses nothing but its last shard."""

    path: Path
    done: dict[int, _Entry]

    def add(self, entry: _Entry) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(entry)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.done[entry.shard] = entry


def _open_journal(partial: Path, plan: Plan, key: str, *, start_over: bool) -> _Journal:
    """Take up the journal of the same request, or begin one."""
    path = partial / _JOURNAL_NAME
    stopped, entries = _read_journal(path)
    if stopped == key:
        there = [entry for entry in entries if _is_there(partial, plan, entry.shard)]
        return _Journal(path, {entry.shard: entry for entry in there})
    if stopped is not None and not start_over:
        raise AlreadyThereError(
            f"{partial} holds a stopped write of other data or with other settings; finish that "
            "one, delete the folder, or start over (overwrite=True, --overwrite)"
        )
    _refuse_foreign(partial)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _pixels.create(
        partial / PIXELS_NAME,
        list(plan.sites.index),
        bands=plan.bands,
        size_px=plan.size_px,
        level=plan.level,
        with_clear_counts=plan.has_clear_counts,
    )
    _store.write_text(path, json.dumps({"request": key}) + "\n")
    return _Journal(path, {})


def _refuse_foreign(partial: Path) -> None:
    """Raise AlreadyThereError if what should be a stopped write holds anything else."""
    names = [item.name for item in partial.iterdir()] if partial.is_dir() else []
    ours = {HEADER_NAME, _JOURNAL_NAME, *OURS.names}
    foreign = [name for name in names if not (name in ours or ".part." in name)]
    if foreign or (partial.exists() and not partial.is_dir()):
        raise AlreadyThereError(
            f"{partial} is needed to write aside, and it holds what no stopped write does: "
            f"{', '.join(sorted(foreign)[:5]) or 'it is a file'}; move it away"
        )


def _read_journal(path: Path) -> tuple[str | None, list[_Entry]]:
    """Read which request a stopped write served, if there is one, and the shards it finished."""
    if not path.is_file():
        # Without a journal, but with a header, it is whole: `_is_whole` did not find it ours.
        return ("another", []) if path.with_name(HEADER_NAME).is_file() else (None, [])
    first, *others = path.read_text(encoding="utf-8").splitlines()
    entries = []
    for line in others:
        try:
            entries.append(_Entry(**json.loads(line)))
        except json.JSONDecodeError:
            break  # the line that was being written when the process was killed
    return str(json.loads(first)["request"]), entries


def _is_there(partial: Path, plan: Plan, shard: int) -> bool:
    path = partial / PIXELS_NAME
    return _pixels.shard_path(path, _pixels.REFLECTANCE, shard, 4).is_file() and (
        not plan.has_clear_counts
        or _pixels.shard_path(path, _pixels.CLEAR_COUNT, shard, 3).is_file()
    )


def _write_shards(
    partial: Path, plan: Plan, read_block: ReadBlock, journal: _Journal, progress: Progress
) -> None:
    n_sites = len(plan.sites)
    path = partial / PIXELS_NAME
    reflectance = _pixels.open_array(path, _pixels.REFLECTANCE)
    counts = _pixels.open_array(path, _pixels.CLEAR_COUNT) if plan.has_clear_counts else None
    progress("write patches", 0, n_sites)
    for shard, (start, stop) in enumerate(_pixels.shard_ranges(n_sites)):
        if shard not in journal.done:
            block = read_block(start, stop)
            numbers = _checked(block.numbers, (stop - start, *plan.shape[1:]), "pixels")
            reflectance[start:stop].write(numbers).result()
            clear_digest = None
            if counts is not None:
                shape = (stop - start, plan.size_px, plan.size_px)
                clear = _checked(block.clear_count, shape, "clear counts")
                counts[start:stop].write(clear).result()
                clear_digest = digest_array(clear)
            digest, nan_counts = digest_array(numbers), _sparse(block.nan_counts)
            journal.add(_Entry(shard, digest, clear_digest, dict(block.notes), nan_counts))
        progress("write patches", stop, n_sites)


def _check_notes(
    partial: Path, journal: _Journal, check: Callable[[Mapping[str, float]], None] | None
) -> None:
    """Let a check see what the conversion changed; what it refuses is not kept aside."""
    if check is None:
        return
    try:
        check(add_notes(entry.notes for entry in journal.done.values()))
    except InputError:
        shutil.rmtree(partial)
        raise


def _sparse(counts: AnyArray | None) -> dict[str, int]:
    if counts is None:
        return {}
    return {str(row): int(counts[row]) for row in np.flatnonzero(counts)}


def _finish(partial: Path, plan: Plan, journal: _Journal, key: str) -> None:
    entries = [journal.done[shard] for shard in sorted(journal.done)]
    content = {
        "bands": list(plan.bands),
        "site_ids": list(plan.sites.index),
        "pixels": [entry.pixels for entry in entries],
        "clear_count": [entry.clear_count for entry in entries],
    }
    sites = _with_nan_counts(plan.sites, entries)
    with _store.writing_file(partial / SITES_NAME) as aside:
        # The footprint leads, so that QGIS draws the patches and not their centres.
        sites.set_geometry("footprint").to_parquet(aside)
    header = DatasetHeader.model_validate(
        {
            **plan.settings(),
            "minewatch": __version__,
            "conversion": add_notes(entry.notes for entry in entries),
            "versions": _pixels.library_versions(),
            "request": key,
            "digest": _store.digest_value(content),
            "sites_digest": _digest_sites(sites),
        }
    )
    for leftover in (partial / PIXELS_NAME).rglob("*.__lock"):
        leftover.unlink()  # a shard that tensorstore was writing when the process was killed
    write_header(partial, header)
    journal.path.unlink()


def _with_nan_counts(sites: gpd.GeoDataFrame, entries: list[_Entry]) -> gpd.GeoDataFrame:
    """Add the column `n_nan_values` if any number was NaN or infinite."""
    if not any(entry.nan_counts for entry in entries):
        return sites
    counts = np.zeros(len(sites), dtype=np.int64)
    for entry in entries:
        first = entry.shard * _pixels.SHARD_SITES
        for row, count in entry.nan_counts.items():
            counts[first + int(row)] = count
    return sites.assign(**{N_NAN_VALUES: pd.array(counts, dtype="Int64")})


def _digest_sites(sites: gpd.GeoDataFrame) -> str:
    """Give the digest of all that a table of sites says, whatever the order of its rows."""
    table = pd.DataFrame(sites)[sorted(sites.columns)].sort_index()
    return _store.digest_bytes(table.to_csv(lineterminator="\n", na_rep="<NA>").encode())


def _checked(array: AnyArray | None, shape: tuple[int, ...], what: str) -> AnyArray:
    """Give contiguous uint16 of the announced shape, or say what was given instead."""
    if array is None:
        raise InputError(f"{what} were announced and are missing")
    values = np.asarray(array)
    if values.shape != shape:
        raise InputError(f"{what} have shape {values.shape}; expected {shape}")
    if values.dtype.kind not in "iu":
        raise InputError(
            f"{what} are {values.dtype}; expected unsigned 16-bit numbers. To scale other numbers, "
            "import them"
        )
    if values.dtype != np.uint16:
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > np.iinfo(np.uint16).max:
            raise InputError(f"{what} run from {low} to {high}; expected 0 to 65535")
    return np.ascontiguousarray(values, dtype="<u2")


def digest_array(array: Any) -> str:
    """Give the digest of the bytes of an array."""
    return _store.digest_bytes(np.ascontiguousarray(np.asarray(array)))
