"""Write a patch dataset: aside, whole shard by whole shard, so that it can stop and go on."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import geopandas as gpd
import numpy as np
import xarray as xr

from minewatch import __version__, _store
from minewatch._progress import Progress, silent
from minewatch.bands import band_names, check_level
from minewatch.errors import AlreadyThereError, InputError
from minewatch.patches import _pixels
from minewatch.patches._dataset import PatchDataset
from minewatch.patches._header import (
    FORMAT_VERSION,
    PIXELS_NAME,
    SITES_NAME,
    DatasetHeader,
    SourceValues,
    write_header,
)
from minewatch.patches._places import Cut, dataset_sites
from minewatch.types import AnyArray, Level, StrPath

_JOURNAL_NAME: Final = "journal.jsonl"

ReadRows: TypeAlias = Callable[[int, int], AnyArray]


@dataclass(frozen=True)
class Block:
    """The pixels of some rows in stored order, and what was changed to store them."""

    numbers: AnyArray
    """Digital numbers, (site, band, y, x)."""
    clear_count: AnyArray | None = None
    """Clear views, (site, y, x)."""
    notes: Mapping[str, float] = field(default_factory=dict)
    """Counts that add up over blocks; keys that begin with ``max_`` are kept at their largest."""


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
                "versions": _pixels.library_versions(),
                "settings": self.settings(),
                "request": dict(self.request),
                "sites": _store.digest_value(table),
            }
        )


def write_patches(  # noqa: PLR0913 - keyword-only facts about the pixels, none of them derivable
    out: StrPath,
    sites: gpd.GeoDataFrame,
    read_rows: ReadRows | AnyArray | xr.DataArray,
    *,
    bands: str | tuple[str, ...] | list[str],
    level: Level,
    size_px: int | None = None,
    resolution_m: float = 10.0,
    cut: Cut = "grid",
    source: str = "",
    period: tuple[str, str] | None = None,
    saturation_dn: int | None = None,
    inputs: Mapping[str, str] | None = None,
    clear_count: ReadRows | AnyArray | xr.DataArray | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> PatchDataset:
    """Write digital numbers of patches, and where they lie, as a patch dataset.

    The dataset is written aside, in ``<out>.partial``, one shard of 1,024 patches after another,
    and bears its name only when it is whole. If the writing is stopped, the same call goes on
    where it stood and gives the same bytes. Numbers are stored as they are given: nothing is
    scaled. Two processes cannot write the same dataset at once.

    Parameters
    ----------
    out
        Folder of the dataset; must not exist, or be empty, unless `overwrite`.
    sites
        One row per patch, in the order of the pixels: index ``site_id``, points in EPSG:4326
        (None where unplaced); columns as in `PatchDataset.sites` are used, others are kept.
    read_rows
        Digital numbers, 0 = no data, uint16 (or integers that fit), dims (site, band, y, x): an
        array, a DataArray whose `site` coordinate (if it has one) equals the index of `sites`, or
        a function that gives rows ``start`` to ``stop - 1``. Pixels that come from a function are
        told from other pixels by `inputs` alone when a stopped write is taken up again.
    bands
        The band order: a preset (``"l2a-12"``) or names in any spelling.
    level
        L1C or L2A.
    size_px
        Pixels along a patch's side; may be left out where an array says it.
    resolution_m
        Ground size of a pixel, metres.
    cut
        How patches of sites that bring no grid of their own lie around their point: ``"grid"``,
        as `minewatch.grid.PatchGrid` cuts them, or ``"point"``, centred on the point.
    source
        Where the pixels come from, in words.
    period
        First and last day of the imagery, ISO dates, if it is the same for all sites.
    saturation_dn
        The digital number at which the source was clipped; None if it was not.
    inputs
        Digests of what the pixels were made from, by name.
    clear_count
        Number of clear views of every pixel, dims (site, y, x), as array or function; None where
        it is not known.
    overwrite
        Replace a dataset that is there, and give up a stopped write of other data.
    progress
        Told the patches written.

    Raises
    ------
    AlreadyThereError
        If there is a dataset, or a stopped write of other data, and `overwrite` is false.
    InputError
        If pixels do not have the announced shape or do not fit unsigned 16-bit numbers.
    SitesError, BandError, LevelError
        If sites, bands or level cannot be used.
    LockedError
        If another process is writing there.

    Examples
    --------
    >>> import tempfile
    >>> from shapely import Point
    >>> sites = gpd.GeoDataFrame(
    ...     {"label": [1, 0]},
    ...     geometry=[Point(-62.6, 5.4), Point(-62.7, 5.5)],
    ...     index=["mine", "forest"],
    ...     crs="EPSG:4326",
    ... )
    >>> numbers = np.full((2, 3, 8, 8), 1200, dtype="uint16")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dataset = write_patches(folder, sites, numbers, bands="rgb", level="L2A")
    ...     print(dataset.shape, float(dataset.pixels(["forest"])[0, 0, 0, 0]))
    (2, 3, 8, 8) 0.11999999731779099
    """
    arrays = {
        name: rows
        for name, rows in (("pixels", read_rows), ("clear_count", clear_count))
        if isinstance(rows, np.ndarray | xr.DataArray)
    }
    if size_px is None:
        if "pixels" not in arrays:
            raise InputError("size_px is needed when pixels come from a function")
        size_px = int(arrays["pixels"].shape[-1])
    for array in arrays.values():
        _check_order(array, sites)
    start, end = period or (None, None)
    plan = Plan(
        sites=dataset_sites(sites, size_px=size_px, resolution_m=resolution_m, cut=cut),
        bands=band_names(bands),
        level=check_level(level),
        size_px=size_px,
        resolution_m=resolution_m,
        source=source,
        period_start=start,
        period_end=end,
        saturation_dn=saturation_dn,
        has_clear_counts=clear_count is not None,
        inputs={**(inputs or {}), **{name: _digest(array) for name, array in arrays.items()}},
    )
    pixels_of = _as_reader(read_rows)
    counts_of = None if clear_count is None else _as_reader(clear_count)

    def read_block(first: int, stop: int) -> Block:
        counts = None if counts_of is None else counts_of(first, stop)
        return Block(pixels_of(first, stop), counts)

    return write_plan(out, plan, read_block, overwrite=overwrite, progress=progress)


def write_plan(
    out: StrPath,
    plan: Plan,
    read_block: ReadBlock,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> PatchDataset:
    """Do the writing that `write_patches` and the imports announce."""
    final = Path(out)
    partial = final.with_name(final.name + ".partial")
    with _store.locked(final):
        _store.refuse_existing(final, overwrite=overwrite)
        journal = _open_journal(partial, plan, start_over=overwrite)
        _write_shards(partial, plan, read_block, journal, progress)
        _finish(partial, plan, journal)
        _store.put_in_place(partial, final)
    return PatchDataset.open(final)


@dataclass
class _Journal:
    """Which shards are whole, kept so that a stopped write loses nothing but its last shard."""

    path: Path
    done: dict[int, dict[str, object]]

    def add(self, shard: int, entry: Mapping[str, object]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"shard": shard, **entry}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.done[shard] = dict(entry)


def _open_journal(partial: Path, plan: Plan, *, start_over: bool) -> _Journal:
    """Take up the journal of the same request, or begin one."""
    path = partial / _JOURNAL_NAME
    lines, key = list(_journal_lines(path)), plan.key()
    if lines and lines[0].get("request") == key:
        shards = {int(str(line.pop("shard"))): line for line in lines[1:] if "shard" in line}
        done = {shard: entry for shard, entry in shards.items() if _is_there(partial, plan, shard)}
        return _Journal(path, done)
    if lines and not start_over:
        raise AlreadyThereError(
            f"{partial} holds a stopped write of other data or with other settings; finish that "
            "one, delete the folder, or start over (overwrite=True, --overwrite)"
        )
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


def _journal_lines(path: Path) -> Iterator[dict[str, object]]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return  # the line that was being written when the process was killed


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
            entry: dict[str, object] = {"pixels": _digest(numbers), "notes": dict(block.notes)}
            if counts is not None:
                shape = (stop - start, plan.size_px, plan.size_px)
                clear = _checked(block.clear_count, shape, "clear counts")
                counts[start:stop].write(clear).result()
                entry["clear_count"] = _digest(clear)
            journal.add(shard, entry)
        progress("write patches", stop, n_sites)


def _finish(partial: Path, plan: Plan, journal: _Journal) -> None:
    entries = [journal.done[shard] for shard in sorted(journal.done)]
    content = {
        "bands": list(plan.bands),
        "site_ids": list(plan.sites.index),
        "pixels": [entry["pixels"] for entry in entries],
        "clear_count": [entry.get("clear_count") for entry in entries],
    }
    with _store.writing_file(partial / SITES_NAME) as aside:
        # The footprint leads, so that QGIS draws the patches and not their centres.
        plan.sites.set_geometry("footprint").to_parquet(aside)
    header = DatasetHeader.model_validate(
        {
            **plan.settings(),
            "minewatch": __version__,
            "conversion": add_notes(entry["notes"] for entry in entries),
            "versions": _pixels.library_versions(),
            "digest": _store.digest_value(content),
        }
    )
    for leftover in (partial / PIXELS_NAME).rglob("*.__lock"):
        leftover.unlink()  # a shard that tensorstore was writing when the process was killed
    write_header(partial, header)
    journal.path.unlink()


def add_notes(notes: Iterator[object]) -> dict[str, float]:
    """Add up what the blocks say was changed."""
    total: dict[str, float] = {}
    for note in notes:
        for key, value in dict(note).items():  # type: ignore[call-overload]
            if key.startswith("max_"):
                total[key] = max(total.get(key, 0.0), value)
            else:
                total[key] = total.get(key, 0.0) + value
    return total


def _as_reader(rows: ReadRows | AnyArray | xr.DataArray) -> ReadRows:
    if not isinstance(rows, np.ndarray | xr.DataArray):
        return rows
    array = np.asarray(rows)
    return lambda start, stop: array[start:stop]


def _check_order(array: AnyArray | xr.DataArray, sites: gpd.GeoDataFrame) -> None:
    if len(array) != len(sites):
        raise InputError(f"there are {len(array)} patches and {len(sites)} sites; expected equal")
    if isinstance(array, xr.DataArray) and "site" in array.coords:
        ids = [str(value) for value in array["site"].values]
        if ids != [str(value) for value in sites.index]:
            raise InputError(
                "the `site` coordinate of the pixels differs from the index of the sites; bring "
                "both into one order: pixels.sel(site=sites.index)"
            )


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


def _digest(array: AnyArray | xr.DataArray) -> str:
    return _store.digest_bytes(np.ascontiguousarray(np.asarray(array)))
