"""The command that measures what is mapped around places, and draws it on their patches."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minewatch.cli import _common

if TYPE_CHECKING:
    from collections.abc import Mapping

    import geopandas as gpd
    from odc.geo.geobox import GeoBox

    from minewatch.context import Context


_Places = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DATASET|SITES]",
        help="A patch dataset or a file of sites; else the study's patches, or its sites.",
    ),
]
_Radii = Annotated[
    list[float] | None,
    typer.Option("--radius-m", metavar="M", help="A radius; may be given again. 500, 2000, 10000."),
]
_AllTouched = Annotated[
    bool,
    typer.Option(
        "--all-touched/--centers", help="Mark pixels that are touched, or centres within."
    ),
]


def measure(
    *,
    places: _Places = None,
    features: Annotated[
        Path | None,
        typer.Option("--features", metavar="FILE", help="What is mapped; else as fetched."),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option("--layers", help="Layers: highway,waterway,…; target is drawn if named."),
    ] = None,
    radii_m: _Radii = None,
    channels: Annotated[
        bool, typer.Option("--channels/--no-channels", help="Draw channels on the patches' pixels.")
    ] = True,
    all_touched: _AllTouched = True,
    max_distance_m: Annotated[
        float, typer.Option("--max-distance-m", help="How far channels of distance look, metres.")
    ] = 10_000.0,
    size_px: Annotated[
        int, typer.Option("--size-px", min=1, max=4096, help="Side of a site's patch, pixels.")
    ] = 48,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The folder; else the study's folder context."),
    ] = None,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Measure what is mapped around every place, and draw it on the patches' own pixels.

    A run that was stopped goes on when it is run again. What names the target
    is measured apart.
    """
    from minewatch.context import write_context
    from minewatch.context._measure import DEFAULT_RADII_M
    from minewatch.grid import PatchGrid

    sites, geoboxes = _places(places, study)
    with _common.progress_bars() as progress:
        context = write_context(
            study / "context" if out is None else out,
            sites,
            features,
            geoboxes=geoboxes,
            layers=_names(layers),
            radii_m=radii_m or DEFAULT_RADII_M,
            grid=PatchGrid(size_px=size_px),
            all_touched=all_touched,
            max_distance_m=max_distance_m,
            with_channels=channels,
            overwrite=overwrite,
            progress=progress,
        )
    summary = context.summary()
    _common.print_result(
        summary,
        as_json=json_,
        describe=lambda: _describe(
            summary, context, is_cut=geoboxes is None, is_named=features is not None
        ),
    )


def _names(layers: str | None) -> list[str] | None:
    if layers is None:
        return None
    return [name.strip() for name in layers.split(",") if name.strip()]


def _places(
    places: Path | None, study: Path
) -> "tuple[gpd.GeoDataFrame, Mapping[str, GeoBox] | None]":
    """Read the sites, and the grids of their patches if a dataset has them."""
    from minewatch.patches import PatchDataset
    from minewatch.sites import read_sites

    if places is None:
        dataset = study / "patches"
        places = dataset if (dataset / "dataset.json").is_file() else study / "sites.parquet"
    if not places.is_dir():
        return read_sites(places), None
    patches = PatchDataset.open(places)
    placed = patches.sites.index[patches.sites["crs"].notna()]
    return patches.sites, {str(key): patches.geobox(str(key)) for key in placed}


def _describe(
    summary: "Mapping[str, Any]", context: "Context", *, is_cut: bool, is_named: bool
) -> str:
    """Write the summary for a person: a table of shares, then what to be careful about."""
    radii = list(summary["nothing_mapped"])
    head = ["", "in patch", *(f"≤ {_metres(radius)}" for radius in radii), "nearest"]
    rows = [head] + [
        [
            {"osm": "by hand", "target": "(the target)"}.get(name, name),
            _percent(layer["in_patch_percent"]),
            *(_percent(layer["within_percent"].get(radius)) for radius in radii),
            _metres(layer["median_nearest_m"]),
        ]
        for name, layer in summary["layers"].items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", *_notes(summary, context, is_cut=is_cut, is_named=is_named)])


def _notes(
    summary: "Mapping[str, Any]", context: "Context", *, is_cut: bool, is_named: bool
) -> list[str]:
    placed = summary["sites"] - summary["unplaced"]
    nothing = ", ".join(
        f"{n:,} within {_metres(radius)}" for radius, n in summary["nothing_mapped"].items()
    )
    limited = summary["edge_limited"]
    n_unplaced = summary["unplaced"]
    has = "has" if n_unplaced == 1 else "have"
    unplaced = f"; {n_unplaced:,} {has} no coordinates" if n_unplaced else ""
    farthest = _metres(max(summary["nothing_mapped"], key=float))
    edge = (
        "Where the extract ends is not known"
        if limited is None
        else f"Nearer than the largest radius to where the extract ends: {limited:,} sites"
    )
    date, attribution = context.info["osm_timestamp"], context.info["attribution"]
    credit = f"{date or 'unknown date'}, {attribution or 'of unknown source'}"
    return [
        f"Shares of {placed:,} sites{unplaced}",
        f"Nearest: the median over sites that have one within {farthest}",
        "By hand: what people draw, so neither waters nor boundaries",
        f"Nothing is drawn by hand around: {nothing}",
        edge,
        *_outside(summary["outside"]),
        *_dropped(context, is_named=is_named),
        *_drawn(context, placed=placed, is_cut=is_cut),
        f"Map data of {credit}",
        f"Saved: {context.path}",
    ]


def _outside(n_outside: int | None) -> list[str]:
    """Say of how many sites nothing is known, for the map does not reach them."""
    if not n_outside:
        return []
    sites = "1 site lies" if n_outside == 1 else f"{n_outside:,} sites lie"
    of_them = "it" if n_outside == 1 else "them"
    return [
        f"{sites} outside of the map: nothing is known of {of_them}",
        f"The shares count {of_them} as having nothing around",
    ]


def _dropped(context: "Context", *, is_named: bool) -> list[str]:
    """Say what of a named file could not be taken as it is; of what is fetched, the fetch says."""
    rows = context.features.dropped
    if not is_named or rows.empty:
        return []
    repaired = int(rows["repaired"].sum())
    reasons = rows["reason"].value_counts().head(3)
    such = "; ".join(f"{reason} ({n:,})" for reason, n in reasons.items())
    return [f"Features dropped: {len(rows) - repaired:,}; repaired: {repaired:,}: {such}"]


def _drawn(context: "Context", *, placed: int, is_cut: bool) -> list[str]:
    """Say what was drawn, and on what: without a dataset patches are cut around the sites."""
    if context.channels is None:
        return [] if placed else ["No channels are drawn, for no site has coordinates"]
    sizes = context.channels.sizes
    pixels = f"{sizes['y']} × {sizes['x']} pixels"
    cut = ", cut around the sites: no patches were given" if is_cut else ""
    return [f"Channels: {sizes['site']:,} patches × {sizes['layer']} layers of {pixels}{cut}"]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} %"


def _metres(value: str | float | None) -> str:
    if value is None:
        return "–"
    metres = float(value)
    if metres < 1_000:
        return f"{metres:.0f} m"
    return f"{metres / 1_000:g} km" if metres % 1_000 == 0 else f"{metres / 1_000:.1f} km"
