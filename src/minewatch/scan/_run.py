"""Scan a region: every window once, whatever stops it on the way."""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from minewatch import _store
from minewatch._progress import Progress, silent
from minewatch.errors import IncompleteError
from minewatch.imagery import ImagerySource, SceneQuery
from minewatch.scan._finish import assemble, describe_scan
from minewatch.scan._folder import ScanFolder
from minewatch.scan._plan import Plan
from minewatch.scan._pools import STAGE, LastingFailure, Pool, open_pool
from minewatch.scan._prepare import PreparedScan, prepare_scan
from minewatch.scan._settings import ScanSettings
from minewatch.scan._summary import ScanSummary, summarize
from minewatch.scan._windows import Tile
from minewatch.scan._work import Opener, TileRows
from minewatch.types import Failure, StrPath

if TYPE_CHECKING:
    from distributed import Client

    from minewatch.context import Features
    from minewatch.model._applicability import Applicability
    from minewatch.model._onnx import OnnxDetector
    from minewatch.sites._regions import Region

GIVE_UP_AFTER: Final = 50
"""Tiles that may fail, at any attempt and with none done between, before no more is tried."""


@dataclass
class Tally:
    """How far a scan is."""

    total: int
    """Tiles in all."""
    done: int
    """Tiles that are finished, kept ones with them."""
    window_km2: float
    """Ground that a window stands for: its stride squared."""
    began: float = field(default_factory=time.monotonic)
    windows: int = 0
    """Windows that were scored in this run."""
    tiles: int = 0
    """Tiles that were scored in this run."""
    failed: int = 0

    def words(self) -> str:
        """Say it in a line, for `Progress`."""
        pace = self.windows / max(time.monotonic() - self.began, 1e-9)
        failed = f", {self.failed} failed" if self.failed else ""
        if not self.tiles and not self.failed:
            return "scan tiles"
        ground = self.windows * self.window_km2
        return f"scan tiles ({ground:,.0f} km² of windows, {pace:,.0f} windows/s{failed})"


def scan_region(  # noqa: PLR0913 - keyword-only, and all but a few are for those who must turn them
    region: "Region",
    detector: "OnnxDetector",
    source: ImagerySource | Opener,
    query: SceneQuery,
    out: StrPath,
    *,
    settings: ScanSettings = ScanSettings(),  # noqa: B008 - frozen
    context: "Features | None" = None,
    applicability: "Applicability | None" = None,
    client: "Client | str | None" = None,
    retry_failed: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
) -> ScanSummary:
    """Score every window of a region with a detector, each once.

    A window is an unlabelled site: it lies on the grid of its UTM zone, has the pixels of a patch
    that is built at its centre, the same preparation and the same context. Windows that show too
    little have no score: they are *not seen*, which is not *no mining*.

    Whatever is scored is kept at once, tile by tile. If the scan is stopped, or killed, the same
    call goes on with the tiles that are missing; if it was finished, nothing is done. The files
    bear their names only when the scan is finished, and their bytes are the same whatever the
    number of workers, the pool, and the stops and failures on the way.

    Parameters
    ----------
    region
        Polygons in any CRS: a file, a table or a geometry (EPSG:4326).
    detector
        A saved detector.
    source
        Where the imagery comes from; or, as a cluster needs it, a function that opens it.
    query
        Period, and what counts as a clear view. Its bands are not looked at: those that the
        detector takes are read.
    out
        Folder of the scan: ``scores.parquet`` (`read_scores`), ``not_seen.parquet``, ``scan.json``
        and, where tiles failed, ``failures.csv``.
    settings
        Stride, tiles, and what counts as seen.
    context
        What is mapped, for detectors that take context.
    applicability
        The detector's area of applicability (``applicability.npz`` in its folder).
    client
        A Dask cluster: a `distributed.Client`, or the address of its scheduler. None: this process.
    retry_failed
        If the scan is finished, do the tiles that failed again, and nothing else.
    overwrite
        Give up a scan with other settings that is there. Its table and its map stay until those
        of this one take their place.
    progress
        Told the tiles done.

    Returns
    -------
    ScanSummary
        The counts, and the failures as rows.

    Raises
    ------
    InputError
        If the region or the settings make no sense, or the detector needs context.
    LevelError
        If the source's imagery is of another level than the detector's.
    AlreadyThereError
        If `out` holds a scan with other settings; the message says which.
    IncompleteError
        If not one tile could be read; then nothing but the list of failures is written. Or if
        the cluster's scheduler is lost; what was scored is kept.
    MissingExtraError
        If a cluster is asked for and Dask is not installed.
    LockedError
        If another process is scanning there.

    Examples
    --------
    >>> import tempfile
    >>> import geopandas as gpd, onnx.parser, shapely
    >>> from minewatch import toy
    >>> from minewatch.imagery import FolderSource
    >>> from minewatch.model import Card, OnnxDetector
    >>> network = onnx.parser.parse_model('''<ir_version: 8, opset_import: ["" : 17]>
    ... brightness (float[n,1,48,48] pixels) => (float[n,1] score) {
    ...   score = ReduceMean<axes=[2,3], keepdims=0>(pixels)
    ... }''').SerializeToString()
    >>> card = Card(
    ...     name="bright", kind="linear", bands=("B04",), level="L2A", size_px=48, licence="MIT",
    ...     digest=_store.digest_bytes(network),
    ... )
    >>> valley = toy.Valley(seed=1, width_m=12_000, height_m=9_000)
    >>> area = toy.archive_area(valley, side_m=1_200)
    >>> region = gpd.GeoSeries([shapely.box(*area.boundingbox)], crs="EPSG:32620")
    >>> query = SceneQuery(start="2023-01-01", end="2023-12-31", bands=("B04",))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     archive = toy.write_archive(valley, f"{folder}/archive", area=area, n_acquisitions=6)
    ...     scanned = scan_region(
    ...         region, OnnxDetector(card, network), FolderSource(archive), query,
    ...         f"{folder}/scan",
    ...     )
    >>> scanned.n_tiles, scanned.windows["scored"] > 0
    (2, True)
    """
    began = time.monotonic()
    scan = prepare_scan(
        region, detector, source, query, settings, context=context, applicability=applicability
    )
    folder = ScanFolder(Path(out))
    with _store.locked(folder.path):
        folder.begin(scan.request, overwrite=overwrite)
        finished = folder.read_finished()
        if finished is not None and not (retry_failed and finished["failures"]):
            if not finished["failures"]:
                folder.drop_parts()  # a kill may have come between
            return summarize(folder, scan.plan, finished, 0, time.monotonic() - began)
        folder.write_state(scan.request, None)
        kept = folder.kept(tile for tile, _ in scan.plan.tiles)
        missing = [one for one in scan.plan.tiles if one[0] not in kept]
        failures = _score_all(scan, folder, missing, settings, client=client, progress=progress)
        folder.write_failures(failures.values())
        if len(failures) == len(scan.plan.tiles):
            _raise_nothing(folder, failures)
        kept = folder.kept(tile for tile, _ in scan.plan.tiles)
        header = describe_scan(scan.request, scan.plan, detector.card)
        finished = assemble(folder, scan.plan, header, kept, failures)
        folder.write_state(scan.request, finished)
        if not failures:
            folder.drop_parts()
    n_done = len(missing) - len(failures)
    return summarize(folder, scan.plan, finished, n_done, time.monotonic() - began)


def _score_all(
    scan: PreparedScan,
    folder: ScanFolder,
    missing: Sequence[tuple[Tile, int]],
    settings: ScanSettings,
    *,
    client: "Client | str | None",
    progress: Progress,
) -> dict[Tile, Failure]:
    """Score the tiles that are missing and keep each at once; give those that failed for good."""
    total = len(scan.plan.tiles)
    tally = Tally(total, total - len(missing), (scan.plan.lattice.stride_m / 1000.0) ** 2)
    progress(tally.words(), tally.done, total)
    failures: dict[Tile, Failure] = {}
    if not missing:
        return failures
    with open_pool(scan.job, client, settings.workers) as pool:
        for tile, outcome in _outcomes(scan.plan, pool, missing, settings.attempts):
            if isinstance(outcome, Failure):
                failures[tile] = outcome
                tally.failed += 1
            else:
                folder.keep(tile, outcome)
                tally.tiles += 1
                tally.windows += len(outcome.table)
            tally.done += 1
            progress(tally.words(), tally.done, total)
    return failures


def _outcomes(
    plan: Plan, pool: Pool, missing: Sequence[tuple[Tile, int]], attempts: int
) -> Iterator[tuple[Tile, TileRows | Failure]]:
    """Work on tiles until each is done, has failed as often as it may, or has failed for good.

    At most as many as the pool takes are under way, so memory does not grow with the region. If
    too many tiles fail and none is done between, the source is taken for dead: those that were
    tried keep their own reasons.
    """
    waiting = deque((tile, 1) for tile, _ in missing)
    tried: dict[Tile, int] = {}
    reasons: dict[Tile, Failure] = {}
    in_a_row: set[Tile] = set()
    while waiting or tried:
        while waiting and len(tried) < pool.most:
            tile, attempt = waiting.popleft()
            tried[tile] = attempt
            pool.submit(tile, plan.windows(tile))
        tile, outcome = pool.next_done()
        attempt = tried.pop(tile)
        if isinstance(outcome, TileRows):
            in_a_row.clear()
            yield tile, outcome
            continue
        reasons[tile] = outcome
        in_a_row.add(tile)
        gives_up = len(in_a_row) >= GIVE_UP_AFTER
        lasting = isinstance(outcome, LastingFailure)
        if attempt < attempts and not gives_up and not lasting:
            waiting.append((tile, attempt + 1))
            continue
        yield tile, outcome
        if gives_up:
            untried = f"not tried: {len(in_a_row)} tiles failed in a row, then: {outcome.reason}"
            for one, _ in waiting:
                yield one, reasons.get(one) or Failure(one.key, STAGE, untried)
            waiting.clear()


def _raise_nothing(folder: ScanFolder, failures: Mapping[Tile, Failure]) -> None:
    first = next(iter(failures.values()))
    raise IncompleteError(
        f"not one of {len(failures)} tiles could be scored, so no scores are written: "
        f"{first.reason}. They are listed in {folder.failures_file}; the same command tries them "
        "again"
    )
