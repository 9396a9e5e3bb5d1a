"""The command ``maps write``: detections as files for maps, phones and spreadsheets, and a page."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from minewatch.cli import _common, _query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from minewatch.maps import Layers, MapContents


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
    sheets = "sheets"


class LanguageName(StrEnum):
    """What people read a map in."""

    en = "en"
    es = "es"
    pt = "pt"


Detections = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DETECTIONS]",
        help="Detections, or any file of polygons; else what the study's scan found.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="The folder; else maps in the study."),
]
Formats = Annotated[
    list[FormatName] | None,
    typer.Option("--format", help="Only these, once each; else all that fit what is given."),
]
LanguageOption = Annotated[
    LanguageName | None,
    typer.Option(
        "--language", help="That the page opens in, and of the sheets; else the reader's, and en."
    ),
]
Title = Annotated[str, typer.Option("--title", help="What is shown.")]
Attributions = Annotated[
    list[str] | None,
    typer.Option("--attribution", metavar="WORDS", help="Whom to name; once for each."),
]
PeriodName = Annotated[
    str | None,
    typer.Option("--period", metavar="2024", help="Of the imagery, if no file says it."),
]
Threshold = Annotated[
    float | None, typer.Option("--threshold", help="Score from which windows counted.")
]
DetectorFolder = Annotated[
    Path | None, typer.Option("--detector", metavar="DIR", help="The detector, for its card.")
]
FoundBy = Annotated[
    str, typer.Option("--found-by", metavar="WORDS", help="Who found them, if no detector.")
]
Scores = Annotated[
    Path | None, typer.Option("--scores", metavar="PATH", help="The scan they come from.")
]
NotSeen = Annotated[
    Path | None,
    typer.Option("--not-seen", metavar="FILE", help="Polygons of what was not seen."),
]
Changes = Annotated[
    Path | None,
    typer.Option("--changes", metavar="FILE", help="…_places.parquet of scan compare."),
]
Outlines = Annotated[
    Path | None, typer.Option("--outlines", metavar="FILE", help="Of scan outline.")
]
Reviewed = Annotated[
    Path | None,
    typer.Option(
        "--reviewed", metavar="FILE", help="A reviewed sample of them, for hectares of mining."
    ),
]
Sites = Annotated[
    Path | None, typer.Option("--sites", metavar="FILE", help="Labelled points, to show.")
]
FeaturesFile = Annotated[
    Path | None, typer.Option("--features", metavar="FILE", help="Map features, to show.")
]
Overlays = Annotated[
    list[Path] | None,
    typer.Option("--overlay", metavar="FILE", help="Other polygons, to name what is touched."),
]
NameColumns = Annotated[
    list[str] | None,
    typer.Option("--name-column", metavar="COLUMN", help="Names of each overlay, in order."),
]
Earlier = Annotated[
    list[str] | None,
    typer.Option("--earlier", metavar="PERIOD=FILE", help="Detections of earlier periods."),
]
ImageryPlace = Annotated[
    str | None,
    typer.Option(
        "--imagery", metavar="NAME|URL|FOLDER", help="Where imagery comes from; else none."
    ),
]


def write(
    detections: Detections = None,
    *,
    out: Out = None,
    formats: Formats = None,
    language: LanguageOption = None,
    title: Title = "",
    attribution: Attributions = None,
    period: PeriodName = None,
    threshold: Threshold = None,
    detector: DetectorFolder = None,
    found_by: FoundBy = "",
    scores: Scores = None,
    not_seen: NotSeen = None,
    changes: Changes = None,
    outlines: Outlines = None,
    reviewed: Reviewed = None,
    sites: Sites = None,
    features: FeaturesFile = None,
    overlay: Overlays = None,
    name_column: NameColumns = None,
    earlier: Earlier = None,
    imagery: ImageryPlace = None,
    collection: _query.Collection = None,
    level: _query.LevelOption = None,
    project: _query.Project = None,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Write detections as files for maps, phones and spreadsheets, and as a page.

    Without DETECTIONS, what the scan of the study found, shown as its settings say.
    """
    from minewatch.maps import Layers

    layers, names = overlay or [], name_column or []
    if len(layers) != len(names):
        raise typer.BadParameter("say --name-column once for each --overlay, in the same order")
    chosen = [one.value for one in formats] if formats else None
    if detections is None:
        beside = (detector, scores, not_seen, changes, outlines, reviewed, sites, features, imagery)
        said_none = all(one is None for one in (*beside, period, threshold))
        if not said_none or layers or earlier or found_by:
            raise typer.BadParameter(
                "give DETECTIONS; of a study's own say such things in its sections [scan], [maps]"
            )
        said = {
            "title": title or None,
            "attribution": tuple(attribution) if attribution else None,
            "formats": tuple(chosen) if chosen else None,
            "language": None if language is None else language.value,
        }
        _write_study(study, out, said, overwrite=overwrite, json_=json_)
        return
    contents = _gather(
        detections,
        Layers(
            scores=scores,
            not_seen=not_seen,
            changes=changes,
            outlines=outlines,
            reviewed=reviewed,
            sites=sites,
            features=features,
            overlays=dict(zip(layers, names, strict=True)),
            earlier=_pairs(earlier or []),
        ),
        {
            "title": title,
            "attribution": attribution or [],
            "period": period,
            "threshold": threshold,
            "detector": detector,
            "found_by": found_by,
        },
        None if imagery is None else _Imagery(imagery, collection, level, project),
    )
    from minewatch.maps import write_files

    files = write_files(
        contents,
        out or study / "maps",
        formats=chosen,
        language=None if language is None else language.value,
        overwrite=overwrite,
    )
    _print(contents, files, json_=json_)


class _Imagery(NamedTuple):
    """Where imagery comes from."""

    place: str
    collection: str | None
    level: _query.LevelName | None
    project: str | None


def _gather(
    detections: Path, layers: "Layers", said: "Mapping[str, Any]", imagery: _Imagery | None
) -> "MapContents":
    from minewatch.maps import gather_contents, load_imagery

    contents = gather_contents(detections, layers, **said)
    if imagery is None:
        return contents
    from minewatch.imagery import open_source

    source = open_source(
        imagery.place,
        collection=imagery.collection,
        level=None if imagery.level is None else imagery.level.value,
        project=imagery.project,
    )
    with _common.progress_bars() as progress:
        return load_imagery(contents, source, progress=progress)


def _write_study(
    study: Path,
    out: Path | None,
    said: "Mapping[str, Any]",
    *,
    overwrite: bool,
    json_: bool,
) -> None:
    from minewatch.study import read_study, write_study_maps

    with _common.progress_bars() as progress:
        contents, files = write_study_maps(
            study,
            read_study(study),
            out or study / "maps",
            said={name: value for name, value in said.items() if value is not None},
            overwrite=overwrite,
            progress=progress,
        )
    _print(contents, files, json_=json_)


def _print(contents: "MapContents", files: "Sequence[Path]", *, json_: bool) -> None:
    from minewatch.maps import describe_contents

    result = {"about": describe_contents(contents), "files": [str(file) for file in files]}
    _common.print_result(result, as_json=json_, describe=lambda: _describe(contents, files))


def _describe(contents: "MapContents", files: "Sequence[Path]") -> str:
    from minewatch.maps import describe_contents

    about = describe_contents(contents)
    lines = [about["found"], f"  {about['hectares']}", f"Not seen: {about['not_seen']}"]
    lines += [f"Area: {about['area']}"] if "area" in about else []
    lines += [f"Period {about['period']}, threshold {about['threshold']}"]
    lines += [f"Detector: {about['detector']}", f"Attribution: {about['attribution']}"]
    lines += [f"{file} ({_size(file)})" for file in files]
    return "\n".join(lines)


def _size(file: Path) -> str:
    size = file.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _pairs(given: "Sequence[str]") -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in given)
    if len(pairs) < len(given) or not all(name and file for name, file in pairs.items()):
        raise typer.BadParameter(f"{', '.join(given)}: expected --earlier PERIOD=FILE, each once")
    return pairs
