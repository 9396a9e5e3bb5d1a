"""The command that builds patches from a source of imagery."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from minewatch.cli import _common, _query

if TYPE_CHECKING:
    import geopandas as gpd

    from minewatch.patches import BuildSummary
    from minewatch.patches._build import Marked

MOST_SHOWN = 10

Sites: TypeAlias = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[SITES]...", help="Files of sites; else those of --like, or the study's."
    ),
]
Like: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--like", metavar="FILE", help="A TOML file that says what to build; options go before."
    ),
]
Source: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--source",
        "--catalog",
        metavar="NAME|URL|FOLDER",
        help="earth-search (the default), planetary-computer, earth-engine, a STAC API, or a "
        "folder of items.",
    ),
]
SizePx: TypeAlias = Annotated[
    int | None, typer.Option("--size-px", help="Side of a patch, pixels of 10 m; 48.")
]
MinClearViews: TypeAlias = Annotated[
    int | None,
    typer.Option("--min-clear-views", help="Patches with fewer clear views are marked; 3."),
]
Workers: TypeAlias = Annotated[
    int | None, typer.Option("--workers", min=1, help="Files or places read at a time.")
]
RetryFailed: TypeAlias = Annotated[
    bool,
    typer.Option("--retry-failed", help="Load the places again that failed, and new sites."),
]
Out: TypeAlias = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="The new dataset; else the study's folder patches."),
]


def build(
    sites: Sites = None,
    *,
    like: Like = None,
    source: Source = None,
    collection: _query.Collection = None,
    level: _query.LevelOption = None,
    project: _query.Project = None,
    year: _query.Year = None,
    start: _query.Start = None,
    end: _query.End = None,
    bands: _query.Bands = None,
    clear_threshold: _query.ClearThreshold = None,
    max_cloud_percent: _query.MaxCloudPercent = None,
    method: _query.Method = None,
    resampling: _query.Resampling = None,
    clear_dilation_px: _query.ClearDilationPx = None,
    broken_scenes: _query.BrokenScenes = None,
    size_px: SizePx = None,
    min_clear_views: MinClearViews = None,
    workers: Workers = None,
    retry_failed: RetryFailed = False,
    out: Out = None,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Build patches: load a cloud-free composite of every site.

    A build that was stopped goes on when it is run again. Places that fail
    are listed, and the exit code is then 9.
    """
    from minewatch.study import build_dataset, read_build

    said: dict[str, dict[str, Any]] = {
        "imagery": {
            "source": _from_here(source), "collection": collection, "level": level,
            "project": project, "year": year, "start": start, "end": end, "bands": bands,
            "clear_threshold": clear_threshold, "max_cloud_percent": max_cloud_percent,
            "method": method, "resampling": resampling, "clear_dilation_px": clear_dilation_px,
            "broken_scenes": broken_scenes,
        },
        "patches": {"size_px": size_px, "min_clear_views": min_clear_views},
    }  # fmt: skip
    settings = read_build(like, {name: _given(section) for name, section in said.items()})
    with _common.progress_bars() as progress:
        summary = build_dataset(
            settings,
            out or study / "patches",
            table=_table(sites, study, named=settings.sites is not None),
            folder=Path() if like is None else like.parent,
            workers=workers,
            retry_failed=retry_failed,
            overwrite=overwrite,
            progress=progress,
        )
    _common.print_result(summary.to_dict(), as_json=json_, describe=lambda: _describe(summary))
    summary.raise_failures()


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        key: getattr(value, "value", value) for key, value in settings.items() if value is not None
    }


def _table(files: list[Path] | None, study: Path, *, named: bool) -> "gpd.GeoDataFrame | None":
    """Read the sites that are named on the command line, or the study's if none are named."""
    from minewatch.sites import read_sites

    if files:
        return read_sites(files)
    return None if named else read_sites(study / "sites.parquet")


def _from_here(source: str | None) -> str | None:
    """Give a folder as it lies from here: a file's paths are relative to the file."""
    is_folder = source is not None and "://" not in source and Path(source).is_dir()
    return str(Path(source).resolve()) if source is not None and is_folder else source


def _describe(summary: "BuildSummary") -> str:
    shown = [f"  {one.describe()}" for one in _notes(summary)[:MOST_SHOWN]]
    more = len(_notes(summary)) - len(shown)
    return "\n".join(
        [
            f"{summary.describe()} ({summary.seconds:.1f} s)",
            *shown,
            *([f"  … and {more} other reasons, in sites.parquet"] if more else []),
            f"Saved: {summary.path}",
        ]
    )


def _notes(summary: "BuildSummary") -> "tuple[Marked, ...]":
    return *summary.left_out, *summary.marked
