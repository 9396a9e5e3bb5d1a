"""The commands of imagery."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minewatch.cli import _common, _query

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

app = typer.Typer(no_args_is_help=True, help="List a place's scenes, and draw its composite.")

_DOUBTFUL = (
    "? The catalogue's word on this offset is doubtful: where pixels are read, dark ones decide"
)

Longitude = Annotated[
    float, typer.Option("--longitude", min=-180, max=180, help="Degrees, of the place's centre.")
]
Latitude = Annotated[
    float, typer.Option("--latitude", min=-80, max=84, help="Degrees, of the place's centre.")
]


@app.callback()
def _group() -> None:
    pass


@app.command()
def search(
    *,
    longitude: Longitude,
    latitude: Latitude,
    year: _query.Year = None,
    start: _query.Start = None,
    end: _query.End = None,
    catalog: _query.Catalog = "earth-search",
    collection: _query.Collection = None,
    level: _query.LevelOption = None,
    bands: _query.Bands = None,
    max_cloud_percent: _query.MaxCloudPercent = None,
    size_px: Annotated[
        int, typer.Option("--size-px", min=1, max=4096, help="Side of the place, pixels of 10 m.")
    ] = 48,
    json_: _common.JsonOption = False,
) -> None:
    """List the scenes of a place: date, cloud, tile, baseline, offset, and why one is not used.

    Nothing is read but the catalogue's items.
    """
    from minewatch.grid import PatchGrid
    from minewatch.imagery import list_scenes, open_source

    query = _query.make_query(
        year=year, start=start, end=end, bands=bands, max_cloud_percent=max_cloud_percent
    )
    source = open_source(catalog, collection=collection, level=level)
    table = list_scenes(source, PatchGrid(size_px=size_px).geobox(longitude, latitude), query)
    _common.print_result(
        _scenes(table, catalog),
        as_json=json_,
        describe=lambda: "\n".join(
            [
                _describe_scenes(table),
                f"The place: {_side(size_px)}, {query.start} to {query.end}",
                *_other_holdings(table, source),
            ]
        ),
    )


@app.command()
def preview(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where to draw it: a .png file.")],
    *,
    longitude: Longitude,
    latitude: Latitude,
    year: _query.Year = None,
    start: _query.Start = None,
    end: _query.End = None,
    catalog: _query.Catalog = "earth-search",
    collection: _query.Collection = None,
    level: _query.LevelOption = None,
    project: _query.Project = None,
    clear_threshold: _query.ClearThreshold = None,
    max_cloud_percent: _query.MaxCloudPercent = None,
    method: _query.Method = None,
    resampling: _query.Resampling = None,
    clear_dilation_px: _query.ClearDilationPx = None,
    broken_scenes: _query.BrokenScenes = None,
    size_px: Annotated[
        int, typer.Option("--size-px", min=1, max=4096, help="Side of the place, pixels of 10 m.")
    ] = 256,
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Draw a place's composite in true and in false colour, with its count of clear views."""
    from minewatch.grid import PatchGrid
    from minewatch.imagery import open_source, write_preview

    query = _query.make_query(
        year=year,
        start=start,
        end=end,
        clear_threshold=clear_threshold,
        max_cloud_percent=max_cloud_percent,
        method=method,
        resampling=resampling,
        clear_dilation_px=clear_dilation_px,
        broken_scenes=broken_scenes,
    )
    source = open_source(catalog, collection=collection, level=level, project=project)
    place = f"{longitude:.4f}°, {latitude:.4f}°".replace("-", "−")
    composite = write_preview(
        source,
        PatchGrid(size_px=size_px).geobox(longitude, latitude),
        query,
        out,
        title=f"{place}, {query.start} to {query.end}",
        overwrite=overwrite,
    )
    result = _summary(composite, out)
    _common.print_result(result, as_json=json_, describe=lambda: _describe(result))


def _scenes(table: "pd.DataFrame", catalog: str) -> dict[str, Any]:
    import pandas as pd

    rows = table.reset_index().to_dict(orient="records")
    scenes = [
        {str(key): None if pd.isna(value) else value for key, value in row.items()} for row in rows
    ]
    for scene in scenes:
        scene["time"] = scene["time"] and scene["time"].isoformat()
    return {"catalog": catalog, "n_views": int(table["view"].nunique()), "scenes": scenes}


def _describe_scenes(table: "pd.DataFrame") -> str:
    """Write the table of scenes for a person: a line per scene, then the counts."""
    used = table.loc[table["used"].fillna(value=False)]
    views, others = used["view"].nunique(), len(table) - len(used)
    return "\n".join(
        [
            _line("date", "tile", "sat", "baseline", "offset", "cloud", "view", "scene"),
            *_lines(table),
            "",
            f"{views} views from {len(used)} scenes; {others} not used",
            *([_DOUBTFUL] if table["offset_doubtful"].any() else []),
        ]
    )


def _side(size_px: int) -> str:
    """Write how large a place is: pixels, and kilometres."""
    return f"{size_px} × {size_px} pixels of 10 m, {size_px / 100:g} × {size_px / 100:g} km"


def _other_holdings(table: "pd.DataFrame", source: object) -> list[str]:
    """Say what a source holds that has no scene of the place, where that is known."""
    holdings = None if table["time"].notna().any() else getattr(source, "holdings", None)
    return [f"No scene of the period covers the place; the source holds {holdings}"] * bool(
        holdings
    )


def _lines(table: "pd.DataFrame") -> Iterator[str]:
    import pandas as pd

    for scene, row in table.iterrows():
        why = f"{scene}: {row['reason']}" if row["reason"] else str(scene)
        if pd.isna(row["time"]):
            yield _line("–", "", "", "", "", "", "–", why)
            continue
        cloud = "–" if pd.isna(row["cloud_percent"]) else f"{row['cloud_percent']:.0f} %"
        view = "–" if pd.isna(row["view"]) else str(row["view"])
        day = f"{row['time']:%Y-%m-%d}"
        offset = f"{row['offset_dn']}{'?' if row['offset_doubtful'] else ''}"
        yield _line(day, row["tile"], row["platform"], row["baseline"], offset, cloud, view, why)


def _line(*cells: str) -> str:
    day, tile, platform, baseline, offset, cloud, view, scene = cells
    return (
        f"{day:<10}  {tile:<5}  {platform:<3}  {baseline:<8}  {offset:>6}  {cloud:>5}  {view:>4}  "
        f"{scene}"
    )


def _summary(composite: "xr.Dataset", file: Path) -> dict[str, Any]:
    from minewatch.imagery import credit_of

    counts = composite["clear_count"].to_numpy()
    return {
        "file": str(file),
        "source": str(composite.attrs["source"]),
        "attribution": credit_of(composite),
        "level": composite.attrs["level"],
        "method": composite.attrs["method"],
        "mask": composite.attrs["mask"],
        "n_scenes": len(composite.attrs["scenes"]),
        "n_views": composite.attrs.get("views"),
        "n_views_chosen": composite.attrs.get("views_chosen"),
        "size_px": int(counts.shape[1]),
        "clear_views": {"least": int(counts.min()), "most": int(counts.max())},
        "without_data_share": float((counts == 0).mean()),
    }


def _describe(result: dict[str, Any]) -> str:
    views, found, seen = result["clear_views"], result["n_views_chosen"], result["n_views"]
    clear = "" if found is None else f"{seen} of {found} views show something clear; "
    return (
        f"{result['source']}: {result['level']} {result['method']} of {result['n_scenes']} scenes, "
        f"{_side(result['size_px'])}\n"
        f"{clear}{views['least']} to {views['most']} clear views a pixel, "
        f"{result['without_data_share']:.1%} without data\n"
        f"{result['attribution']}\nSaved: {result['file']}"
    )
