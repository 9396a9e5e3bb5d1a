"""The commands of context."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minewatch.cli import _common, _context_measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minewatch.context import Layer
    from minewatch.context._area import Area
    from minewatch.context._fetch import Source

app = typer.Typer(no_args_is_help=True, help="Fetch what OpenStreetMap knows around places.")


class FormatName(StrEnum):
    """Formats that features are written in besides."""

    geojson = "geojson"
    gpkg = "gpkg"


_Extract = Annotated[
    Path | None, typer.Option("--extract", metavar="FILE", help="Source: a file of OpenStreetMap.")
]
_Region = Annotated[
    str | None,
    typer.Option("--region", metavar="NAME", help="Source: a country's extract, from Geofabrik."),
]
_Date = Annotated[
    str | None,
    typer.Option(
        "--date", metavar="2023-12-31T00:00:00Z", help="State of the data, from Overpass."
    ),
]

_MEASURES_OUTDATED = (
    "What was measured in this folder was of other features, and counts no more; measure it again "
    "(minewatch context measure)"
)

app.command()(_context_measure.measure)


@app.callback()
def _group() -> None:
    pass


@app.command()
def fetch(
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder that results go to.")
    ] = Path("context"),
    area: Annotated[
        Path | None, typer.Option("--area", metavar="FILE", help="Area: a file of polygons.")
    ] = None,
    bbox: Annotated[
        str | None, typer.Option("--bbox", metavar="W,S,E,N", help="Area: a box, degrees.")
    ] = None,
    sites: Annotated[
        Path | None, typer.Option("--sites", metavar="FILE", help="Area: all that is near sites.")
    ] = None,
    radius_m: Annotated[
        float, typer.Option("--radius-m", help="How near to a site, metres.")
    ] = 10_000.0,
    extract: _Extract = None,
    region: _Region = None,
    overpass: Annotated[
        bool, typer.Option("--overpass", help="Source: an Overpass server. Small areas only.")
    ] = False,
    url: Annotated[
        str | None, typer.Option("--url", help="Another server of extracts, or of Overpass.")
    ] = None,
    date: _Date = None,
    layers: Annotated[
        str | None, typer.Option("--layers", help="Layers, by name: highway,waterway,…")
    ] = None,
    also: Annotated[
        list[FormatName] | None, typer.Option("--format", help="Write this format besides.")
    ] = None,
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Fetch the features of an area: roads, rivers, buildings, and what names a mine, apart.

    Without an area, all of the file or region is taken.
    """
    import json

    from minewatch.context import fetch_features

    source = _source(extract=extract, region=region, overpass=overpass, url=url, date=date)
    was_measured = (out / "context.json").is_file()
    with _common.progress_bars() as progress:
        file = fetch_features(
            _area(area=area, bbox=bbox, sites=sites, radius_m=radius_m),
            _layers(layers),
            source,
            out,
            also=[name.value for name in also or ()],
            overwrite=overwrite,
            progress=progress,
        )
    record = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    removed = was_measured and not (out / "context.json").is_file()
    result = {"file": str(file), **record, **({"measures_outdated": True} if removed else {})}
    _common.print_result(result, as_json=json_, describe=lambda: _describe(result))


def _source(
    *, extract: Path | None, region: str | None, overpass: bool, url: str | None, date: str | None
) -> "Source":
    """Make the source of the options; exactly one must be named."""
    from minewatch.context import OverpassSource, RegionSource

    if (extract is not None) + (region is not None) + overpass != 1:
        raise typer.BadParameter("name one source: --extract FILE, --region NAME or --overpass")
    if extract is not None and url is not None:
        raise typer.BadParameter("--url is for --overpass and --region; a file has none")
    if date is not None and not overpass:
        raise typer.BadParameter("--date is for --overpass; a file has the date that it has")
    address = {} if url is None else {"url": url}
    if extract is not None:
        return extract
    if region is not None:
        return RegionSource(region=region, **address)
    return OverpassSource(date=date, **address)


def _area(
    *, area: Path | None, bbox: str | None, sites: Path | None, radius_m: float
) -> "Area | None":
    """Make the area of the options; at most one may be named."""
    from minewatch.context import site_neighbourhoods
    from minewatch.context._area import parse_bounds
    from minewatch.sites import read_sites

    if (area is not None) + (bbox is not None) + (sites is not None) > 1:
        raise typer.BadParameter("name one area: --area FILE, --bbox W,S,E,N or --sites FILE")
    if bbox is not None:
        return parse_bounds(bbox)
    if sites is not None:
        return site_neighbourhoods(read_sites(sites), radius_m=radius_m)
    return area


def _layers(names: str | None) -> "Sequence[Layer]":
    from minewatch.context import DEFAULT_LAYERS

    if names is None:
        return DEFAULT_LAYERS
    known = {layer.name: layer for layer in DEFAULT_LAYERS}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise typer.BadParameter(
            f"there is no layer {', '.join(unknown)}; expected some of {', '.join(known)}"
        )
    return tuple(known[name] for name in wanted)


def _describe(result: dict[str, Any]) -> str:
    """Write what was fetched for a person."""
    info, counts = result["info"], result["features"]
    width = max(len(name) for name in counts)
    lines = [
        *(f"{name:<{width}}  {count:>9,}" for name, count in counts.items()),
        "",
        f"{info['counts']['features']:,} features from {_from(info['source'], result['traffic'])}",
        *_notes(result),
        *([_MEASURES_OUTDATED] if "measures_outdated" in result else []),
        f"Map data of {info['osm_timestamp'] or 'unknown date'}, {info['attribution']}",
        f"Saved: {result['file']}",
    ]
    return "\n".join(lines)


def _from(source: dict[str, Any], traffic: dict[str, Any]) -> str:
    if source["kind"] != "overpass":
        return str(source["name"])
    return (
        f"{source['settings']['url']} in {traffic['requests']:,} requests "
        f"({traffic['received_bytes'] / 1e6:.1f} MB)"
    )


def _notes(result: dict[str, Any]) -> list[str]:
    """Say what was kept apart, repaired or dropped, if anything was."""
    import shapely

    from minewatch.context._area import crosses_180
    from minewatch.context._covered import write_share

    target = result["names_the_target"]
    notes = []
    asked = result["info"]["asked"]
    if asked is not None and crosses_180(shapely.from_wkt(asked)):
        notes.append("The area crosses 180°")
    share = result["info"]["covered_share"]
    if share is None:
        notes.append(
            "Where the file ends is not known: its header has no bounding box, and no .poly file "
            "lies beside it"
        )
    elif share < 1.0:
        held = write_share(share, 1)
        notes.append(f"The file holds {held} of the area; beyond it nothing is known")
    source = result["info"]["source"]
    if border := source.get("border"):
        notes.append(f"Where the file ends is told by {border['name']}")
    elif source["kind"] == "region" and share is not None:
        notes.append(
            "Where the file ends is told by its box alone: near its border nothing is sure"
        )
    if source["kind"] == "overpass":
        lack = source["fetched"]["may_lack"]
        notes.append(f"A file may hold more than a server gives: {'; '.join(lack)}")
    if target:
        tags = ", ".join(f"{tag} {count}" for tag, count in list(target.items())[:5])
        more = f", and {len(target) - 5} more" if len(target) > 5 else ""
        notes.append(f"Kept apart, for they name the target: {tags}{more}")
    repaired = sum(row["repaired"] for row in result["dropped"])
    dropped = len(result["dropped"]) - repaired
    if dropped or repaired:
        notes.append(f"Dropped: {dropped:,}; repaired: {repaired:,}; listed in features.json")
    return notes
