"""The command ``maps write``: detections as files for maps, phones and spreadsheets, and a page."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minewatch.cli import _common

if TYPE_CHECKING:
    from collections.abc import Sequence


class FormatName(StrEnum):
    """What can be written."""

    parquet = "parquet"
    geojson = "geojson"
    gpkg = "gpkg"
    kml = "kml"
    gpx = "gpx"
    csv = "csv"
    cog = "cog"
    pmtiles = "pmtiles"
    html = "html"


FileOption = Annotated[Path | None, typer.Option(metavar="FILE")]


def write(
    detections: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DETECTIONS]",
            help="Detections, or any file of polygons; else what the study's scan found.",
        ),
    ] = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The folder; else maps in the study."),
    ] = None,
    formats: Annotated[
        list[FormatName] | None,
        typer.Option("--format", help="Only these, once each; else all that fit what is given."),
    ] = None,
    title: Annotated[str, typer.Option("--title", help="What is shown.")] = "",
    attribution: Annotated[
        list[str] | None,
        typer.Option("--attribution", metavar="WORDS", help="Whom to name; once for each."),
    ] = None,
    period: Annotated[
        str | None,
        typer.Option("--period", metavar="2024", help="Of the imagery, if no file says it."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="Score from which windows counted.")
    ] = None,
    detector: Annotated[
        Path | None, typer.Option("--detector", metavar="DIR", help="The detector, for its card.")
    ] = None,
    found_by: Annotated[
        str, typer.Option("--found-by", metavar="WORDS", help="Who found them, if no detector.")
    ] = "",
    scores: Annotated[
        Path | None, typer.Option("--scores", metavar="PATH", help="The scan they come from.")
    ] = None,
    not_seen: Annotated[
        Path | None,
        typer.Option("--not-seen", metavar="FILE", help="Polygons of what was not seen."),
    ] = None,
    changes: Annotated[
        Path | None,
        typer.Option("--changes", metavar="FILE", help="…_places.parquet of scan compare."),
    ] = None,
    outlines: Annotated[
        Path | None, typer.Option("--outlines", metavar="FILE", help="Of scan outline.")
    ] = None,
    sites: Annotated[
        Path | None, typer.Option("--sites", metavar="FILE", help="Labelled points, to show.")
    ] = None,
    features: Annotated[
        Path | None, typer.Option("--features", metavar="FILE", help="Map features, to show.")
    ] = None,
    overlay: Annotated[
        list[Path] | None,
        typer.Option("--overlay", metavar="FILE", help="Other polygons, to name what is touched."),
    ] = None,
    name_column: Annotated[
        list[str] | None,
        typer.Option("--name-column", metavar="COLUMN", help="Names of each overlay, in order."),
    ] = None,
    earlier: Annotated[
        list[str] | None,
        typer.Option("--earlier", metavar="PERIOD=FILE", help="Detections of earlier periods."),
    ] = None,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Write detections as files for maps, phones and spreadsheets, and as a page."""
    from minewatch.maps import Layers, gather_contents, write_files

    layers, names = overlay or [], name_column or []
    if len(layers) != len(names):
        raise typer.BadParameter("say --name-column once for each --overlay, in the same order")
    if detections is None:
        raise typer.BadParameter("give DETECTIONS")
    contents = gather_contents(
        detections,
        Layers(
            scores=scores,
            not_seen=not_seen,
            changes=changes,
            outlines=outlines,
            sites=sites,
            features=features,
            overlays=dict(zip(layers, names, strict=True)),
            earlier=_pairs(earlier or []),
        ),
        title=title,
        attribution=attribution or [],
        period=period,
        threshold=threshold,
        detector=detector,
        found_by=found_by,
    )
    files = write_files(
        contents,
        out or study / "maps",
        formats=[one.value for one in formats] if formats else None,
        overwrite=overwrite,
    )
    result = {"files": [str(file) for file in files]}
    _common.print_result(result, as_json=json_, describe=lambda: "\n".join(result["files"]))


def _pairs(given: "Sequence[str]") -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in given)
    if len(pairs) < len(given) or not all(name and file for name, file in pairs.items()):
        raise typer.BadParameter(f"{', '.join(given)}: expected --earlier PERIOD=FILE, each once")
    return pairs
