"""The command that scans a region."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minewatch.cli import _common, _query, _scan_options

if TYPE_CHECKING:
    from minewatch.scan._summary import ScanSummary


def run(
    region: Annotated[
        Path | None,
        typer.Argument(
            metavar="[REGION]", help="A file of polygons; else --bbox, else the study's region."
        ),
    ] = None,
    *,
    bbox: Annotated[
        str | None,
        typer.Option(
            "--bbox",
            metavar="WEST,SOUTH,EAST,NORTH",
            help="A rectangle in degrees, instead; west is greater than east across 180°.",
        ),
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option("--detector", metavar="DIR", help="A saved detector; else the study's."),
    ] = None,
    source: _scan_options.Source = None,
    collection: _query.Collection = None,
    level: _query.LevelOption = None,
    project: _query.Project = None,
    year: _query.Year = None,
    start: _query.Start = None,
    end: _query.End = None,
    clear_threshold: _query.ClearThreshold = None,
    max_cloud_percent: _query.MaxCloudPercent = None,
    method: _query.Method = None,
    resampling: _query.Resampling = None,
    clear_dilation_px: _query.ClearDilationPx = None,
    broken_scenes: _query.BrokenScenes = None,
    features: Annotated[
        Path | None,
        typer.Option(
            "--features", metavar="FILE", help="What is mapped, for detectors that take context."
        ),
    ] = None,
    stride_px: Annotated[
        int | None,
        typer.Option("--stride-px", help="Pixels from a window to the next; half a patch."),
    ] = None,
    tile_px: Annotated[
        int | None, typer.Option("--tile-px", help="Side of the tiles that are read; 600.")
    ] = None,
    min_clear_views: Annotated[
        int | None,
        typer.Option("--min-clear-views", help="Windows with fewer clear views are not seen; 1."),
    ] = None,
    max_missing_share: Annotated[
        float | None,
        typer.Option(
            "--max-missing-share", help="Windows with more unknown pixels are not seen; 0.1."
        ),
    ] = None,
    attempts: Annotated[
        int | None, typer.Option("--attempts", help="How often a tile is tried; 3.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Tiles under way at a time, here.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", metavar="ADDRESS", help="Scan on a Dask cluster instead."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Its folder; else scans/PERIOD."),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Scan the tiles that failed again, no others.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take; one tile is measured.")
    ] = False,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Score every window of a region; go on where a scan was stopped.

    What shows too little is listed as not seen, which is not the same as no mining.
    """
    from minewatch.study._scan import plan_study_scan

    wanted = plan_study_scan(
        study,
        region=region,
        bbox=bbox,
        detector=detector,
        features=features,
        imagery=_scan_options.given(
            source=_scan_options.from_here(source),
            collection=collection,
            level=level,
            project=project,
            year=year,
            start=start,
            end=end,
            clear_threshold=clear_threshold,
            max_cloud_percent=max_cloud_percent,
            method=method,
            resampling=resampling,
            clear_dilation_px=clear_dilation_px,
            broken_scenes=broken_scenes,
        ),
        settings=_scan_options.given(
            stride_px=stride_px,
            tile_px=tile_px,
            min_clear_views=min_clear_views,
            max_missing_share=max_missing_share,
            attempts=attempts,
            workers=workers,
        ),
    )
    if dry_run:
        estimate = wanted.estimate(out)
        _common.print_result(estimate.to_dict(), as_json=json_, describe=estimate.describe)
        return
    with _common.progress_bars() as progress:
        summary = wanted.scan(
            out,
            client=cluster,
            retry_failed=retry_failed,
            overwrite=overwrite,
            progress=progress,
        )
    _common.print_result(
        summary.to_dict(), as_json=json_, describe=lambda: _describe(summary, retry_failed)
    )
    summary.raise_failures()


def _describe(summary: "ScanSummary", retry_failed: bool) -> str:
    none_failed = retry_failed and not summary.n_done and not summary.failures
    return "\n".join(
        [
            *(["No tile had failed, so none was scanned again"] if none_failed else []),
            f"{summary.describe()} ({summary.seconds:.1f} s)",
            f"Saved: {summary.scores}",
            f"Saved: {summary.not_seen}",
        ]
    )
