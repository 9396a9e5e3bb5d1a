"""The command ``maps review``: the desk where detections are confirmed or rejected."""

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from minewatch.cli import _common, _query

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from minewatch.maps.review import DeskSettings
    from minewatch.maps.review._export import Exported
    from minewatch.study._review import PlannedReview


class KindName(StrEnum):
    """What can be reviewed."""

    detections = "detections"
    doubts = "doubts"
    sample = "sample"
    sites = "sites"


_NOUNS: Final = {
    "detections": "detections",
    "doubts": "doubtful labels",
    "sample": "places of a sample",
    "sites": "places",
}
_UNSEEN: Final = "No imagery is shown: name the study (--study), or --imagery and --period\n"
QueueFile: TypeAlias = Annotated[
    Path | None,
    typer.Argument(
        metavar="[QUEUE]",
        help="Detections, a report of explore (its doubtful labels), a sample of scan area, or "
        "any table of sites; else the study's detections.",
    ),
]
Kind: TypeAlias = Annotated[
    KindName | None, typer.Option("--kind", help="What the queue is, if it does not tell.")
]
Store: TypeAlias = Annotated[
    Path | None,
    typer.Option("--store", metavar="FILE", help="Where decisions go; review/KIND.gpkg."),
]
Imagery: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--imagery",
        metavar="NAME|URL|FOLDER",
        help="Where pictures come from; else the study's imagery.",
    ),
]
Periods: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--period", metavar="2024", help="Shown; once for each, the oldest first."),
]
Datasets: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--dataset", metavar="PERIOD=DIR", help="Patches to show, by site_id."),
]
SideM: TypeAlias = Annotated[
    float, typer.Option("--side-m", help="Side of the ground shown around a place, metres.")
]
SquareM: TypeAlias = Annotated[
    float | None,
    typer.Option("--square-m", help="Side of the square judged, metres; 480, a sample's unit."),
]
Features: TypeAlias = Annotated[
    Path | None, typer.Option("--features", metavar="FILE", help="Map features, to draw.")
]
Blind: TypeAlias = Annotated[
    bool | None,
    typer.Option("--blind/--not-blind", help="Hide scores; a sample is blind by itself."),
]
Title: TypeAlias = Annotated[str | None, typer.Option("--title", help="What is shown above.")]
Reviewer: TypeAlias = Annotated[
    str, typer.Option("--reviewer", metavar="NAME", help="Name that the page suggests.")
]
Host: TypeAlias = Annotated[
    str,
    typer.Option("--host", help="Address to listen at. Others than this machine's need a token."),
]
Port: TypeAlias = Annotated[int, typer.Option("--port", help="0 takes any that is free.")]
AllowHost: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--allow-host", metavar="NAME", help="Name by which others call this host."),
]
Token: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="MINEWATCH_REVIEW_TOKEN",
        show_envvar=True,
        help="What requests must bear, 16 letters or more; else made anew. Others can see "
        "command lines: use the variable.",
    ),
]
Export: TypeAlias = Annotated[
    Path | None,
    typer.Option("--export", metavar="FILE", help="Write what was decided, and serve nothing."),
]
Also: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--also", metavar="FILE", help="Another reviewer's store, to export with."),
]
Into: TypeAlias = Annotated[
    Path | None,
    typer.Option("--into", metavar="FILE", help="Sites that the export joins and corrects."),
]
Trust: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--trust", metavar="NAME", help="Whose vote decides where others differ."),
]


def review(
    queue: QueueFile = None,
    *,
    kind: Kind = None,
    store: Store = None,
    imagery: Imagery = None,
    collection: _query.Collection = None,
    level: _query.LevelOption = None,
    project: _query.Project = None,
    period: Periods = None,
    dataset: Datasets = None,
    side_m: SideM = 1_920.0,
    square_m: SquareM = None,
    features: Features = None,
    blind: Blind = None,
    title: Title = None,
    reviewer: Reviewer = "",
    host: Host = "127.0.0.1",
    port: Port = 8642,
    allow_host: AllowHost = None,
    token: Token = None,
    export: Export = None,
    also: Also = None,
    into: Into = None,
    trust: Trust = None,
    study: _common.StudyOption = Path(),
    overwrite: _common.OverwriteOption = False,
    json_: _common.JsonOption = False,
) -> None:
    """Confirm or reject detections, doubtful labels or a sample, on a page of this machine.

    Every decision is on disk before the next place is shown. With --export what was decided is
    written: sites for the next training round, or the sample for scan area --reviewed.
    """
    from minewatch.maps.review import DeskSettings
    from minewatch.study._review import Images, Wanted, plan_review

    settings = DeskSettings(
        host=host, port=port, token=token, allowed_hosts=tuple(allow_host or ()), reviewer=reviewer
    )
    wanted = Wanted(
        queue=queue,
        kind=None if kind is None else kind.value,
        blind=blind,
        square_m=square_m,
        title=title,
    )
    images = Images(
        source=imagery,
        collection=collection,
        level=None if level is None else level.value,
        project=project,
        periods=tuple(period or ()),
        datasets=_pairs(dataset or []),
        side_m=side_m,
    )
    planned = plan_review(
        study, wanted, store=store, images=images, features=features, shows=export is None
    )
    if export is None:
        _serve(planned, settings, as_json=json_)
    else:
        stores, more = [planned.store, *(also or [])], (into, trust or ())
        _export(planned, stores, export, *more, overwrite=overwrite, as_json=json_)


def _export(
    planned: "PlannedReview",
    stores: "Sequence[Path]",
    out: Path,
    into: Path | None,
    trust: "Sequence[str]",
    *,
    overwrite: bool,
    as_json: bool,
) -> None:
    from minewatch.maps.review import export_review

    exported = export_review(
        stores,
        out,
        sample=planned.path if planned.queue.kind == "sample" else None,
        into=into,
        trust=trust,
        overwrite=overwrite,
    )
    result = {**exported.counts(), "files": [str(file) for file in exported.files]}
    _common.print_result(result, as_json=as_json, describe=lambda: _describe(exported))


def _serve(planned: "PlannedReview", settings: "DeskSettings", *, as_json: bool) -> None:
    from minewatch.context import read_features
    from minewatch.maps.review import serve_review

    queue = planned.queue

    def tell(address: str) -> None:
        result: dict[str, Any] = {
            "address": address,
            "store": str(planned.store),
            "kind": queue.kind,
            "items": len(queue.items),
        }
        unseen = "" if planned.pictures else _UNSEEN
        unplaced = f" ({queue.n_unplaced} more have no place)" if queue.n_unplaced else ""
        _common.print_result(
            result,
            as_json=as_json,
            describe=lambda: (
                f"{len(queue.items):,} {_NOUNS[queue.kind]} to review{unplaced}; decisions go to "
                f"{planned.store}\n{unseen}Open {address}\nCtrl+C ends it; nothing is lost"
            ),
        )

    serve_review(
        queue,
        planned.store,
        planned.pictures,
        settings=settings,
        features=None if planned.features is None else read_features(planned.features),
        tell=tell,
    )


def _describe(exported: "Exported") -> str:
    counts = exported.counts()
    lines = [_brought(row) for row in exported.brought.itertuples() if len(exported.brought) > 1]
    lines.append(
        f"{counts['reviewed']:,} places reviewed: {counts['called_mining']:,} mining, "
        f"{counts['called_none']:,} not, {counts['undecided']:,} without a label"
        + (f"; {counts['skipped']:,} more skipped" if counts["skipped"] else "")
    )
    if counts["unseen"]:
        lines.append(f"{counts['unseen']:,} of them were judged without a picture")
    lines += [_agreed(one) for one in exported.agreement.to_dict("records")]
    if counts["conflicts"]:
        lines.append(
            f"{counts['conflicts']} places without a label, for reviewers do not agree; --trust "
            "NAME lets one decide"
        )
    lines += [
        f"{'Taken out of your sites' if row.was_there else 'Left out'}: {row.Index}: {row.detail}"
        for row in exported.left_out.itertuples()
    ]
    drawn = f" ({counts['drawn']:,} drawn)" if counts["drawn"] else ""
    lines.append(
        f"Written: {counts['sites']:,} places, {counts['mining']:,} with mining{drawn}, "
        f"{counts['no_mining']:,} without, {counts['without_label']:,} without a label; "
        f"{counts['new']:,} are new, {counts['corrected']:,} corrected"
    )
    return "\n".join([*lines, *(f"Saved: {file}" for file in exported.files)])


def _brought(row: Any) -> str:
    return f"{row.Index}: {row.decisions:,} decisions" + (
        f" of {row.reviewers}" if row.reviewers else ""
    )


def _agreed(pair: "Mapping[Hashable, Any]") -> str:
    kappa = "not to be told" if math.isnan(pair["kappa"]) else f"{pair['kappa']:.2f}"
    return (
        f"{pair['reviewer']} and {pair['other']}: each alone {pair['n_same']} of {pair['n_both']} "
        f"alike, Cohen's kappa {kappa}; last verdicts {pair['n_same_last']} of "
        f"{pair['n_both_last']} alike, {pair['n_conflicts']} conflicts"
    )


def _pairs(given: list[str]) -> dict[str, Path]:
    pairs = dict(text.partition("=")[::2] for text in given)
    if len(pairs) < len(given) or not all(name and value for name, value in pairs.items()):
        raise typer.BadParameter(f"{', '.join(given)}: expected --dataset PERIOD=DIR, each once")
    return {name: Path(value) for name, value in pairs.items()}
