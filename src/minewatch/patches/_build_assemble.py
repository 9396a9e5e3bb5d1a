"""From the places that were loaded to the dataset: its table of sites, its header, its pixels."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from minewatch import _store
from minewatch._progress import Progress
from minewatch.patches._build_before import Before
from minewatch.patches._build_journal import Journal
from minewatch.patches._build_place import FAILED, PlaceFacts, Provenance, merge_texts
from minewatch.patches._build_request import Request, grid_key
from minewatch.patches._dataset import PatchDataset
from minewatch.patches._header import ImageryFacts
from minewatch.patches._places import dataset_sites
from minewatch.patches._shards import Block, Plan, write_plan
from minewatch.types import AnyArray, Failure


@dataclass
class Build:
    """One build under way."""

    request: Request
    sites: gpd.GeoDataFrame
    """The sites with their grids, in the order of the dataset."""
    min_clear_views: int
    before: Before
    """What a dataset that stands there lends."""
    journal: Journal
    """What was loaded, in this run or one before it."""
    failures: dict[str, Failure] = field(default_factory=dict)

    @cached_property
    def grids(self) -> dict[str, str]:
        """The grid of every site, as the journal names it."""
        keys = zip(self.sites["crs"], self.sites["transform"], strict=True)
        return dict(zip(self.sites.index, (grid_key(*key) for key in keys), strict=True))

    def missing(self) -> list[str]:
        """List the sites that still have to be loaded."""
        kept = self._kept()
        return [key for key in self.grids if key not in kept and key not in self.before.facts]

    def loaded(self) -> dict[str, tuple[PlaceFacts, Provenance]]:
        """Give what the journal tells of the sites that were loaded where they lie now."""
        kept = self._kept()
        return {key: told for key, told in self.journal.facts().items() if key in kept}

    def _kept(self) -> set[str]:
        """Name the sites in the journal; one that was moved since then is not among them."""
        grids = self.journal.grids()
        return {key for key, grid in self.grids.items() if grids.get(key) == grid}


@dataclass(frozen=True)
class _BuildPlan(Plan):
    """A plan whose header says how the pixels were asked for."""

    imagery: ImageryFacts | None = None

    def settings(self) -> dict[str, object]:
        imagery = self.imagery and self.imagery.model_dump(mode="json")
        return {**super().settings(), "imagery": imagery}


def assemble(build: Build, out: Path, *, overwrite: bool, progress: Progress) -> PatchDataset:
    """Write the dataset of what was loaded."""
    loaded = build.loaded()
    facts = {key: own for key, (own, _) in loaded.items()}
    origins = [where for _, where in loaded.values()]
    plan = _plan(build, {**build.before.facts, **facts}, [*build.before.provenance, *origins])
    dataset = build.before.dataset
    if dataset is not None and not facts and _says_the_same(dataset, plan):
        return dataset
    if dataset is None:
        _store.refuse_existing(out, overwrite=overwrite)
    # A stopped write of a part of these places may lie there; the journal holds all that it held.
    return write_plan(out, plan, _reader(build, set(facts)), overwrite=True, progress=progress)


def _plan(build: Build, facts: dict[str, PlaceFacts], provenance: list[Provenance]) -> _BuildPlan:
    request = build.request
    query, grid = request.query, request.grid
    return _BuildPlan(
        sites=dataset_sites(
            _tell(build, facts), size_px=grid.size_px, resolution_m=grid.resolution_m, cut="grid"
        ),
        bands=query.bands,
        level=request.level,
        size_px=grid.size_px,
        resolution_m=grid.resolution_m,
        source=", ".join(merge_texts(one.source for one in provenance)),
        period_start=query.start.isoformat(),
        period_end=query.end.isoformat(),
        has_clear_counts=True,
        inputs=request.inputs,
        imagery=ImageryFacts(
            query=query,
            asked=request.source,
            snap_m=grid.snap_m,
            min_clear_views=build.min_clear_views,
            masks=merge_texts(one.mask for one in provenance),
            versions=merge_texts(text for one in provenance for text in one.versions),
            makers=merge_texts(text for one in provenance for text in one.makers),
        ),
    )


def _tell(build: Build, facts: dict[str, PlaceFacts]) -> gpd.GeoDataFrame:
    """Add to the table of sites what became of each place."""
    ids, query = build.sites.index, build.request.query
    known = [facts.get(key) for key in ids]
    judged = [
        (FAILED, build.failures[key].reason) if own is None else own.status(build.min_clear_views)
        for key, own in zip(ids, known, strict=True)
    ]

    def column(name: str, dtype: str) -> pd.Series:
        values = [None if own is None else getattr(own, name) for own in known]
        return pd.Series(values, index=ids, dtype=dtype)

    return build.sites.assign(
        status=pd.Series([status for status, _ in judged], index=ids, dtype="str"),
        reason=pd.Series([reason for _, reason in judged], index=ids, dtype="str"),
        start=query.start.isoformat(),
        end=query.end.isoformat(),
        scene_count=column("scene_count", "Int32"),
        clear_views=column("clear_views", "Int32"),
        first_scene=column("first_scene", "str"),
        last_scene=column("last_scene", "str"),
        left_out=column("left_out", "str").fillna(""),
    )


def _reader(build: Build, journalled: set[str]) -> Callable[[int, int], Block]:
    """Make the function that gives rows of the dataset, from the journal or the dataset before."""
    size, bands = build.request.grid.size_px, build.request.query.bands
    ids = list(build.sites.index)

    def read_block(start: int, stop: int) -> Block:
        numbers = np.zeros((stop - start, len(bands), size, size), dtype="<u2")
        counts = np.zeros((stop - start, size, size), dtype="<u2")
        lent = []
        for row, key in enumerate(ids[start:stop]):
            if key in journalled:
                numbers[row], counts[row] = build.journal.place(key)
            elif key in build.before.facts:
                lent.append((row, key))
        if lent:
            rows = [row for row, _ in lent]
            numbers[rows], counts[rows] = _borrow(build.before, [key for _, key in lent])
        return Block(numbers, counts)

    return read_block


def _borrow(before: Before, ids: list[str]) -> tuple[Any, Any]:
    dataset = before.dataset
    if dataset is None:  # then nothing is lent
        return None, None
    numbers: AnyArray = dataset.digital_numbers(ids).to_numpy()
    counts = dataset.clear_counts(ids)
    return numbers, 0 if counts is None else counts.to_numpy()


def _says_the_same(dataset: PatchDataset, plan: _BuildPlan) -> bool:
    """Tell whether a dataset would come out as it stands, if nothing of it was loaded again."""
    return dataset.header.imagery == plan.imagery and dataset.sites.to_csv() == plan.sites.to_csv()
