"""Build a patch dataset from sites and a source of imagery; it can be stopped at any moment."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import pandas as pd
from odc.geo.geobox import GeoBox

from minewatch import _store
from minewatch._progress import Progress, silent
from minewatch.errors import AlreadyThereError, DatasetError, IncompleteError, InputError
from minewatch.grid import PatchGrid
from minewatch.imagery import ImagerySource, SceneQuery
from minewatch.patches._build_assemble import Build, assemble
from minewatch.patches._build_before import Before, look_before, open_finished
from minewatch.patches._build_journal import Journal, open_journal
from minewatch.patches._build_load import STAGE, load_places
from minewatch.patches._build_place import FAILED, FEW, NO_DATA_AT_ALL, NOT_COVERED, OK
from minewatch.patches._build_request import (
    Request,
    describe_source,
    place_sites,
    refuse_other,
)
from minewatch.patches._dataset import PatchDataset
from minewatch.types import Failure, StrPath

_STEP: Final = "load patches"
DEFAULT_WORKERS: Final = 8
MIN_CLEAR_VIEWS: Final = {"median": 3, "least_cloudy": 1}
"""From three views on, a median leaves out the one that is a cloud taken for ground."""


@dataclass(frozen=True)
class Marked:
    """Places that are not ``ok`` for one and the same reason."""

    status: str
    """``few clear views``, ``no data`` or ``failed``."""
    reason: str
    site_ids: tuple[str, ...]
    """In the order of the dataset."""

    def describe(self, most: int = 5) -> str:
        """Write in one line how many they are, why, and the first of them."""
        more = ", …" if len(self.site_ids) > most else ""
        first = ", ".join(self.site_ids[:most])
        return f"{len(self.site_ids)} {self.status}: {self.reason} ({first}{more})"


@dataclass(frozen=True)
class BuildSummary:
    """What became of the places of one build."""

    path: Path
    """The dataset."""
    n_sites: int
    """Places asked for; each is a row of the dataset."""
    n_ok: int
    """Places with enough clear views."""
    n_few_clear_views: int
    """Places that are kept, and marked for their few clear views."""
    n_no_data: int
    """Places of which no pixel has data."""
    n_loaded: int
    """Places that were loaded in this run, not in one before it."""
    failures: tuple[Failure, ...]
    """Places that failed, with the reason; their pixels are all no data."""
    failures_file: Path | None
    """The table of the failures, CSV; None if there are none."""
    marked: tuple[Marked, ...]
    """Places that are not ``ok``, by reason, the commonest first."""
    left_out: tuple[Marked, ...]
    """Places made without scenes that are broken, by what was left out, the commonest first."""
    digest: str
    """Digest of the dataset's pixels."""
    seconds: float
    """Time that this run took."""

    @property
    def n_failed(self) -> int:
        """Places that failed."""
        return len(self.failures)

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {
            "path": str(self.path),
            "patches": self.n_sites,
            "ok": self.n_ok,
            "few_clear_views": self.n_few_clear_views,
            "no_data": self.n_no_data,
            "failed": self.n_failed,
            "loaded_now": self.n_loaded,
            "marked": [vars(one) for one in self.marked],
            "left_out": [vars(one) for one in self.left_out],
            "failures": [vars(failure) for failure in self.failures],
            "failures_file": None if self.failures_file is None else str(self.failures_file),
            "digest": self.digest,
            "seconds": round(self.seconds, 3),
        }

    def describe(self) -> str:
        """Write the counts in one line."""
        few = f", {self.n_few_clear_views} with few clear views" if self.n_few_clear_views else ""
        empty = f", {self.n_no_data} without any pixel" if self.n_no_data else ""
        failed = f", {self.n_failed} failed" if self.failures else ""
        n_kept = self.n_sites - self.n_loaded - self.n_failed
        kept = f", {n_kept} kept from before" if n_kept else ""
        return f"{self.n_sites} patches, {self.n_loaded} loaded now{kept}{few}{empty}{failed}"

    def describe_failures(self) -> str:
        """Write in one line how many places failed, the commonest reasons, where the list is."""
        return (
            f"{self.n_failed} of {self.n_sites} places failed: {_reasons(self.failures)}. They are "
            f"listed in {self.failures_file}"
        )

    def raise_failures(self) -> None:
        """Raise an error if any place failed; the dataset stays as it is.

        Raises
        ------
        IncompleteError
            Which says how many, the commonest reasons and where the list is.
        """
        if self.failures:
            raise IncompleteError(
                f"{self.describe_failures()}; load them again with --retry-failed "
                "(retry_failed=True). Where a file stays gone or damaged, build with "
                "--broken-scenes leave_out and --overwrite: places then do without its scene"
            )


def build_patches(  # noqa: PLR0913 - keyword-only, and all but two are for the few who must turn them
    sites: gpd.GeoDataFrame,
    source: ImagerySource,
    query: SceneQuery,
    out: StrPath,
    *,
    grid: PatchGrid | None = None,
    workers: int = DEFAULT_WORKERS,
    min_clear_views: int | None = None,
    inputs: Mapping[str, str] | None = None,
    retry_failed: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
) -> BuildSummary:
    """Build a dataset: load the composite of every site and write them all.

    Every site becomes a row, in the order of `sites`. A place that fails after the source's own
    retries is a row too: status ``failed``, the reason, and no data in every pixel. So is one that
    no scene covers, or where nothing is clear: status ``no data``.

    Whatever is loaded is kept at once, in ``<out>.building``. If the build is stopped, or killed,
    the same call goes on with the places that are missing; if it was finished, nothing is done.
    Failures are listed in ``<out>.failures.csv``. The dataset bears its name only when
    it is whole, and its bytes are the same whatever the number of workers, the order in which
    places came, and the stops and failures on the way.

    A dataset has one period. For two periods of the same sites, build two datasets.

    Parameters
    ----------
    sites
        One row per site: index ``site_id``, points in EPSG:4326, and `label` and `source` if they
        are known; further columns are kept. The sites of another dataset will do.
    source
        Where the imagery comes from. If it has a `load_many`, all places are loaded together.
    query
        Period, bands, and what counts as a clear view.
    out
        Folder of the dataset.
    grid
        How patches are cut. None: 48 × 48 pixels of 10 m, on the grid of Sentinel-2's tiles.
    workers
        Places loaded at a time, from sources without a `load_many`; the others have a number of
        their own.
    min_clear_views
        A patch of which a tenth of the pixels has fewer clear views is marked ``few clear views``,
        and kept. None: 3 for a median, 1 for the least cloudy view.
    inputs
        Digests of what the source reads, by name, where it is known: a build with others is
        another build.
    retry_failed
        If there is a dataset of the same request, keep its good rows and load the others: those
        that failed, and sites that are new. The bytes are those of a build without failures.
    overwrite
        Replace a dataset that is there, and give up a stopped build with other settings.
    progress
        Told how many places are loaded, with the number that failed.

    Returns
    -------
    BuildSummary
        The counts, and the failures as rows.

    Raises
    ------
    SitesError
        If sites have no usable point or id.
    AlreadyThereError
        If there is a dataset, or a stopped build, of other sites or with other settings, and
        `overwrite` is false.
    LevelError
        If what is there, or what the source gives, is of another level than the source's.
    IncompleteError
        If not one place could be loaded; then no dataset is written.
    InputError
        If there is no pixel of any place, as if the period or the source were not those that were
        meant; then no dataset is written.
    CredentialsError, MissingExtraError
        If the source cannot be used at all; what was loaded before is kept.
    LockedError
        If another process is building there.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, xarray as xr
    >>> from minewatch import toy
    >>> class Plain:  # a source whose every pixel has a reflectance of 0.12
    ...     level, name = "L2A", "plain"
    ...     def load(self, geobox, query):
    ...         shape = geobox.shape.yx
    ...         values = np.full((len(query.bands), *shape), 1200 * np.float32(1e-4))
    ...         return xr.Dataset(
    ...             {
    ...                 "reflectance": (("band", "y", "x"), values.astype("float32")),
    ...                 "clear_count": (("y", "x"), np.full(shape, 9, "uint16")),
    ...             },
    ...             coords={"band": list(query.bands)},
    ...             attrs={"level": "L2A", "source": "plain", "scenes": [], "mask": "none",
    ...                    "method": query.method, "versions": {}},
    ...         )
    >>> sites = toy.Valley(seed=1).sites(n_mining=2, n_background=3)
    >>> query = SceneQuery(start="2023-01-01", end="2023-12-31", bands="rgb")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     built = build_patches(sites, Plain(), query, Path(folder, "patches"))
    >>> built.n_sites, built.n_ok, built.n_failed
    (5, 5, 0)
    """
    began = time.monotonic()
    if workers < 1:
        raise InputError(f"workers is {workers}; expected at least 1")
    final, grid = Path(out), grid or PatchGrid()
    table, geoboxes = place_sites(sites, grid)
    request = Request(describe_source(source), source.level, query, grid, dict(inputs or {}))
    least = _min_clear_views(query, min_clear_views)
    folder = final.with_name(final.name + ".building")
    with _store.locked(folder):
        if not (retry_failed or overwrite):
            finished = open_finished(final, request, table, min_clear_views=least)
            if finished is not None:
                summary = _summarize(finished, 0, time.monotonic() - began)
                if not summary.failures:  # else it may be a stopped try to load those
                    _drop(folder, lambda there: there == request.to_dict())
                return summary
        before = Before()
        if retry_failed:
            before = look_before(final, request, table, overwrite=overwrite)
        with _taken_up(final, folder, request, overwrite=overwrite) as journal:
            build = Build(request, table, least, before, journal)
            missing = {key: geoboxes[key] for key in build.missing()}
            _load(build, source, missing, workers=workers, progress=progress)
            _save_failures(build, final)
            dataset, nothing = None, _nothing_seen(build, source)
            if len(build.failures) < len(table) and nothing is None:
                dataset = assemble(build, final, overwrite=overwrite, progress=progress)
    if nothing is not None:
        raise InputError(nothing)
    if dataset is None:
        raise IncompleteError(
            f"not one of {len(table)} places could be loaded, so no dataset is written: "
            f"{_reasons(build.failures.values())}. They are listed in {_failures_file(final)}"
        )
    n_loaded = len(missing) - len(build.failures)
    return _summarize(dataset, n_loaded, time.monotonic() - began)


@contextmanager
def _taken_up(final: Path, folder: Path, request: Request, *, overwrite: bool) -> Iterator[Journal]:
    """Open the journal of the same request, or begin one; it goes when its work is done."""
    asked, partial = request.to_dict(), final.with_name(final.name + ".partial")
    if overwrite:
        _drop(folder, lambda there: there not in (None, asked))
    elif partial.exists() and not folder.exists():
        raise AlreadyThereError(
            f"{partial} holds a stopped write of other data; finish that one, delete the folder, "
            "or start over (overwrite=True, --overwrite)"
        )
    keep = True
    try:
        with open_journal(folder) as journal:
            if journal.request is not None and not journal.is_empty():
                refuse_other(f"the stopped build in {folder}", journal.request, asked)
            journal.begin(asked)
            try:
                yield journal
                keep = False
            except BaseException:
                keep = not journal.is_empty()
                raise
    finally:
        if not keep:
            shutil.rmtree(folder)


def _drop(folder: Path, unwanted: Callable[[Mapping[str, Any] | None], bool]) -> None:
    """Remove a journal whose request is not wanted any more, or that cannot be read."""
    if not folder.exists():
        return
    try:
        with open_journal(folder) as journal:
            drop = unwanted(journal.request)
    except DatasetError:
        drop = True
    if drop:
        shutil.rmtree(folder)


def _min_clear_views(query: SceneQuery, chosen: int | None) -> int:
    if chosen is None:
        return MIN_CLEAR_VIEWS[query.method]
    if chosen < 0:
        raise InputError(f"min_clear_views is {chosen}; expected 0 or more")
    return chosen


def _load(
    build: Build,
    source: ImagerySource,
    geoboxes: Mapping[str, GeoBox],
    *,
    workers: int,
    progress: Progress,
) -> None:
    """Load the places that are missing, and keep each at once."""
    total = len(build.sites)
    before = total - len(geoboxes)
    step = f"{_STEP}, going on: {before} of {total} are kept" if before else _STEP
    progress(step, before, total)
    outcomes = load_places(source, geoboxes, build.request.query, workers=workers)
    for done, (key, outcome) in enumerate(outcomes, start=before + 1):
        if isinstance(outcome, Failure):
            build.failures[key] = outcome
        else:
            build.journal.add(key, build.grids[key], outcome)
        failed = f" ({len(build.failures)} failed)" if build.failures else ""
        progress(step + failed, done, total)


def _nothing_seen(build: Build, source: ImagerySource) -> str | None:
    """Say why no place has a pixel; None if one has, or if all of them failed."""
    loaded = [facts for facts, _ in build.loaded().values()]
    facts = [*build.before.facts.values(), *loaded]
    if not facts or not all(one.no_data for one in facts):
        return None
    period = f"of {build.request.query.start} to {build.request.query.end}"
    n_places = len(build.sites)
    if all(one.no_data == NOT_COVERED for one in facts):
        words = f"no scene {period} covers any of {n_places} places"
    else:
        words = f"the scenes {period} show nothing clear at any of {n_places} places"
    if build.failures:
        words += f", {len(build.failures)} of which failed: {_reasons(build.failures.values())}"
    holdings = getattr(source, "holdings", None)
    holds = f"; the source holds {holdings}" if holdings else ""
    return f"{words}, so no dataset is written{holds}"


def _failures_file(final: Path) -> Path:
    return final.with_name(final.name + ".failures.csv")


def _save_failures(build: Build, final: Path) -> None:
    """Write the failures as a table beside the dataset, or remove one that no longer holds."""
    path = _failures_file(final)
    if not build.failures:
        path.unlink(missing_ok=True)
        return
    failed = build.sites[build.sites.index.isin(list(build.failures))]
    table = pd.DataFrame(
        {
            "longitude": failed.geometry.x,
            "latitude": failed.geometry.y,
            "reason": [build.failures[key].reason for key in failed.index],
        },
        index=failed.index,
    )
    with _store.writing_file(path) as aside:
        table.to_csv(aside, lineterminator="\n")


def _reasons(failures: Iterable[Failure], most: int = 3) -> str:
    """Count the reasons, the commonest first."""
    counts = Counter(failure.reason for failure in failures)
    shown = [f"{reason} ({n} ×)" for reason, n in counts.most_common(most)]
    more = f"; {len(counts) - most} other reasons" if len(counts) > most else ""
    return "; ".join(shown) + more


def _summarize(dataset: PatchDataset, n_loaded: int, seconds: float) -> BuildSummary:
    status, reason = dataset.sites["status"], dataset.sites["reason"]
    failures = tuple(
        Failure(str(key), STAGE, text) for key, text in reason[status == FAILED].items()
    )
    return BuildSummary(
        path=dataset.path,
        n_sites=len(dataset),
        n_ok=int((status == OK).sum()),
        n_few_clear_views=int((status == FEW).sum()),
        n_no_data=int((status == NO_DATA_AT_ALL).sum()),
        n_loaded=n_loaded,
        failures=failures,
        failures_file=_failures_file(dataset.path) if failures else None,
        marked=_marked(dataset.sites[status != OK], "reason"),
        left_out=_left_out(dataset.sites),
        digest=dataset.header.digest,
        seconds=seconds,
    )


def _left_out(sites: gpd.GeoDataFrame) -> tuple[Marked, ...]:
    if "left_out" not in sites:  # in datasets from before it was kept
        return ()
    without = sites[sites["left_out"] != ""]
    return _marked(without.assign(status="made without"), "left_out")


def _marked(sites: gpd.GeoDataFrame, reason: str) -> tuple[Marked, ...]:
    """Group places by status and reason, the commonest first."""
    marked = [
        Marked(str(status), str(why), tuple(map(str, rows.index)))
        for (status, why), rows in sites.groupby(["status", reason], sort=True)
    ]
    return tuple(sorted(marked, key=lambda one: -len(one.site_ids)))
