"""The commands ``scan merge``, ``scan compare``, ``scan area`` and ``scan outline``."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minewatch.cli import _common, _query, _scan_options, _scan_words
from minewatch.cli.sites import MiningLabel, NoMiningLabel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class PresetName(StrEnum):
    """Rules that have a name."""

    single = "single"
    cumulative = "cumulative"


GeojsonOption = Annotated[bool, typer.Option("--geojson", help="Write GeoJSON besides.")]
CreditOption = Annotated[
    list[str] | None,
    typer.Option("--credit", metavar="WORDS", help="Attribution of an input that names none."),
]


def merge(
    scores: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SCORES]",
            help="A scan's folder or scores.parquet, or polygons with a score; else the study's "
            "scan, merged as its settings say.",
        ),
    ] = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="A .parquet file; else beside the scores."),
    ] = None,
    score_field: Annotated[
        str | None, typer.Option("--score-field", help="Column of polygons that holds the score.")
    ] = None,
    preset: Annotated[
        PresetName | None,
        typer.Option("--preset", help="single: 0.43 / 0.75; cumulative: 0.55 / 0.8."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="Least score; else the detector's for F1.")
    ] = None,
    isolated_threshold: Annotated[
        float | None,
        typer.Option("--isolated-threshold", help="Least score of a window that stands alone."),
    ] = None,
    neighbours: Annotated[
        int | None, typer.Option("--neighbours", help="Alone: the k-th detected one is far; 5.")
    ] = None,
    isolation_m: Annotated[
        float | None, typer.Option("--isolation-m", help="How far is far, metres; 3000.")
    ] = None,
    gap_m: Annotated[
        float | None, typer.Option("--gap-m", help="Fill slits narrower than this, metres; 30.")
    ] = None,
    earlier: Annotated[
        list[Path] | None,
        typer.Option("--earlier", metavar="FILE", help="Earlier detections, whose names are kept."),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option("--features", metavar="FILE", help="Map features, to measure distances to."),
    ] = None,
    overlay: Annotated[
        list[Path] | None,
        typer.Option("--overlay", metavar="FILE", help="Polygons, to name what is touched."),
    ] = None,
    name_column: Annotated[
        list[str] | None,
        typer.Option("--name-column", metavar="COLUMN", help="Names of each overlay, in order."),
    ] = None,
    credit: CreditOption = None,
    geojson: GeojsonOption = False,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Merge scored windows into detections: polygons with a name that a mine keeps."""
    from minewatch.scan._merge_run import describe_detections
    from minewatch.study._scan_detections import merge_study_scan

    layers, names = overlay or [], name_column or []
    if len(layers) != len(names):
        raise typer.BadParameter("say --name-column once for each --overlay, in the same order")
    merged = merge_study_scan(
        study,
        scores=scores,
        out=out,
        rule={
            "threshold": threshold,
            "isolated_threshold": isolated_threshold,
            "neighbours": neighbours,
            "isolation_m": isolation_m,
        },
        said={
            "preset": None if preset is None else preset.value,
            "score_field": score_field,
            "gap_m": gap_m,
            "earlier": earlier,
            "features": features,
            "overlays": dict(zip(layers, names, strict=True)) or None,
            "credit": credit,
            "geojson": geojson,
            "overwrite": overwrite,
        },
    )
    result = {
        **describe_detections(merged.detections),
        "rule": merged.made["settings"]["rule"],
        "threshold_from": merged.made["settings"]["threshold_from"],
        "windows_read": merged.made["settings"]["windows"],
        "attribution": merged.made["attribution"],
        "files": [str(file) for file in merged.files],
        "stale": [str(file) for file in merged.stale],
    }
    _common.print_result(
        result, as_json=json_, describe=lambda: _scan_words.describe_merged(result, merged)
    )


def compare(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[BEFORE AFTER…]",
            help="Detections, the oldest first; else those of all scans of the study.",
        ),
    ] = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="The folder that results go to; else comparison."
        ),
    ] = None,
    period: Annotated[
        list[str] | None,
        typer.Option("--period", metavar="NAME", help="Name of each period; else of its file."),
    ] = None,
    not_seen: Annotated[
        list[str] | None,
        typer.Option("--not-seen", metavar="PERIOD=FILE", help="Polygons not seen in a period."),
    ] = None,
    min_area_ha: Annotated[
        float, typer.Option("--min-area-ha", help="Smaller changes are slivers, hectares.")
    ] = 1.0,
    gap_m: Annotated[
        float, typer.Option("--gap-m", help="Detections so near are of one place, metres.")
    ] = 30.0,
    increments: Annotated[
        bool, typer.Option("--increments", help="Each file holds only what is new in its period.")
    ] = False,
    credit: CreditOption = None,
    geojson: GeojsonOption = False,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Compare detections of periods: new, grown, unchanged, shrunk, gone, and not seen."""
    from minewatch.scan._compare_run import compare_files
    from minewatch.study._scan_files import find_detections

    compared = compare_files(
        _by_period(files, period) if files else find_detections(study),
        out or study / "comparison",
        not_seen=_pairs(not_seen or [], "--not-seen PERIOD=FILE"),
        min_area_ha=min_area_ha,
        gap_m=gap_m,
        increments=increments,
        credit=credit or [],
        geojson=geojson,
        overwrite=overwrite,
    )
    result = {
        "changes": {
            f"{before} to {after}": _scan_words.records(table)
            for (before, after), table in compared.changes.items()
        },
        "periods": _scan_words.records(compared.periods),
        "notes": list(compared.notes),
        "folder": str(compared.folder),
    }
    _common.print_result(
        result, as_json=json_, describe=lambda: _scan_words.describe_compared(compared)
    )


def area(
    detections: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DETECTIONS]", help="Detections, to measure; else those of the study's scan."
        ),
    ] = None,
    *,
    reviewed: Annotated[
        list[Path] | None,
        typer.Option("--reviewed", metavar="FILE", help="A reviewed sample, to estimate from."),
    ] = None,
    mining_label: MiningLabel = None,
    no_mining_label: NoMiningLabel = None,
    confidence: Annotated[
        float, typer.Option("--confidence", help="Of intervals, a share.")
    ] = 0.95,
    scores: Annotated[
        Path | None,
        typer.Option(
            "--scores", metavar="PATH", help="Scan to draw a sample from; else beside DETECTIONS."
        ),
    ] = None,
    sample: Annotated[
        Path | None, typer.Option("--sample", metavar="FILE", help="Where to write the sample.")
    ] = None,
    standard_error_ha: Annotated[
        float | None, typer.Option("--standard-error-ha", help="Wanted standard error, hectares.")
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            "--expect",
            metavar="STRATUM=SHARE",
            help="Guess of the share that is mining; detected=0.7, doubtful=0.1, clear=0.01.",
        ),
    ] = None,
    doubtful_score: Annotated[
        float, typer.Option("--doubtful-score", help="Doubtful from this score on.")
    ] = 0.2,
    at_least: Annotated[
        int, typer.Option("--at-least", help="Windows reviewed in every stratum.")
    ] = 50,
    period: Annotated[
        str | None, typer.Option("--period", metavar="NAME", help="Name of the sample's period.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draw.")] = 0,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Measure mapped area; draw windows to review; estimate the area from what they showed."""
    from minewatch.scan._area import mapped_area_ha
    from minewatch.scan._area_run import SampleSettings, draw_files, estimate_files
    from minewatch.scan._merge_file import read_detections
    from minewatch.study._scan_files import DETECTIONS, find_scan

    if reviewed:
        estimate = estimate_files(
            reviewed,
            confidence=confidence,
            labels=_scan_options.label_words(mining_label or [], no_mining_label or []),
        )
        _common.print_result(
            _scan_words.estimate_json(estimate),
            as_json=json_,
            describe=lambda: _scan_words.describe_estimate(estimate),
        )
        return
    measured = detections or find_scan(study) / DETECTIONS
    if sample is None:
        mapped = mapped_area_ha(read_detections(measured))
        _common.print_result(
            {"mapped_ha": mapped, "file": str(measured)},
            as_json=json_,
            describe=lambda: f"Mapped: {mapped:,.1f} ha of whole windows or polygons, mined or not",
        )
        return
    if standard_error_ha is None:
        raise typer.BadParameter("a sample needs --standard-error-ha, how sure you want to be")
    settings = SampleSettings(
        standard_error_ha=standard_error_ha,
        expected_share=_shares(_GUESSES | _pairs(expect or [], "--expect STRATUM=SHARE")),
        doubtful_score=doubtful_score,
        at_least=at_least,
        random_state=seed,
    )
    drawn = draw_files(
        scores or measured.parent, measured, sample, settings, period=period, overwrite=overwrite
    )
    _common.print_result(
        _scan_words.drawn_json(drawn),
        as_json=json_,
        describe=lambda: _scan_words.describe_drawn(drawn),
    )


_GUESSES = {"detected": "0.7", "doubtful": "0.1", "clear": "0.01"}
"""Shares that are mining, where nobody says what to expect."""


def outline(
    detections: Annotated[
        Path | None,
        typer.Argument(metavar="[DETECTIONS]", help="Detections; else those of the study's scan."),
    ] = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="A .parquet file; else outlines.parquet."),
    ] = None,
    year: _query.Year = None,
    start: _query.Start = None,
    end: _query.End = None,
    source: _scan_options.Source = None,
    collection: _query.Collection = None,
    level: _query.LevelOption = None,
    project: _query.Project = None,
    max_ndvi: Annotated[
        float | None, typer.Option("--max-ndvi", help="Bare below this NDVI; 0.4.")
    ] = None,
    max_pond_ha: Annotated[
        float | None, typer.Option("--max-pond-ha", help="Larger water is no pond, hectares; 5.")
    ] = None,
    geojson: GeojsonOption = False,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Outline bare ground and ponds within detections, from the composite of their period."""
    from minewatch.scan._outline import raise_failures
    from minewatch.study._scan_detections import outline_study_scan

    with _common.progress_bars() as progress:
        outlines, files = outline_study_scan(
            study,
            detections=detections,
            out=out,
            imagery=_scan_options.given(
                source=_scan_options.from_here(source),
                collection=collection,
                level=level,
                project=project,
                year=year,
                start=start,
                end=end,
            ),
            rule=_scan_options.given(max_ndvi=max_ndvi, max_pond_ha=max_pond_ha),
            geojson=geojson,
            overwrite=overwrite,
            progress=progress,
        )
    failed = outlines["reason"].dropna()
    outlined = outlines[outlines["reason"].isna()]
    sums = {name: float(outlined[name].sum()) for name in _AREAS}
    result = {
        "detections": len(outlines),
        **sums,
        "failed": failed.to_dict(),
        "files": [str(file) for file in files],
    }
    _common.print_result(
        result, as_json=json_, describe=lambda: _scan_words.describe_outlines(result)
    )
    raise_failures(outlines)


_AREAS = ("area_ha", "ground_ha", "bare_ha", "pond_ha", "not_seen_ha")


def _by_period(files: "Sequence[Path]", period: "Sequence[str] | None") -> dict[str, Path]:
    """Name each file after its period: as said, else after itself, else after its folder."""
    names = period or [file.stem for file in files]
    if period is None and len(set(names)) < len(names):
        names = [file.resolve().parent.name for file in files]
    if len(names) != len(files) or len(set(names)) < len(names):
        raise typer.BadParameter("say --period once for each file, all different")
    return dict(zip(names, files, strict=True))


def _pairs(given: "Sequence[str]", wanted: str) -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in given)
    if len(pairs) < len(given) or not all(name and value for name, value in pairs.items()):
        raise typer.BadParameter(f"{', '.join(given)}: expected {wanted}, each once")
    return pairs


def _shares(given: "Mapping[str, str]") -> dict[str, float]:
    try:
        return {name: float(value) for name, value in given.items()}
    except ValueError as error:
        raise typer.BadParameter(f"--expect: {error}; expected a share such as 0.7") from error
