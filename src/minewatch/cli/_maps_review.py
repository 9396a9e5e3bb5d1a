"""The command ``maps review``: the desk where detections are confirmed or rejected."""

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minewatch.cli import _common, _query

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from minewatch.maps.review import DeskSettings
    from minewatch.maps.review._export import Exported
    from minewatch.study._review import PlannedReview


class KindName(StrEnum):
    """What can be reviewed."""

    detections = "detections"
    doubts = "doubts"
    sample = "sample"
    sites = "sites"


def review(
    queue: Annotated[
        Path | None,
        typer.Argument(
            metavar="[QUEUE]",
            help="Detections, a report of explore (its doubtful labels), a sample of scan area, or "
            "any table of sites; else the study's detections.",
        ),
    ] = None,
    *,
    kind: Annotated[
        KindName | None, typer.Option("--kind", help="What the queue is, if it does not tell.")
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option("--store", metavar="FILE", help="Where decisions go; review/KIND.gpkg."),
    ] = None,
    imagery: Annotated[
        str | None,
        typer.Option(
            "--imagery",
            metavar="NAME|URL|FOLDER",
            help="Where pictures come from; else the study's imagery.",
        ),
    ] = None,
    collection: _query.Collection = None,
    level: _query.LevelOption = None,
    project: _query.Project = None,
    period: Annotated[
        list[str] | None,
        typer.Option("--period", metavar="2024", help="Shown; once for each, the oldest first."),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option("--dataset", metavar="PERIOD=DIR", help="Patches to show, by site_id."),
    ] = None,
    side_m: Annotated[
        float, typer.Option("--side-m", help="Side of the ground shown around a place, metres.")
    ] = 1_920.0,
    square_m: Annotated[
        float | None,
        typer.Option("--square-m", help="Side of the square judged, metres; 480, a sample's unit."),
    ] = None,
    features: Annotated[
        Path | None, typer.Option("--features", metavar="FILE", help="Map features, to draw.")
    ] = None,
    blind: Annotated[
        bool | None,
        typer.Option("--blind/--not-blind", help="Hide scores; a sample is blind by itself."),
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="What is shown above.")] = None,
    reviewer: Annotated[
        str, typer.Option("--reviewer", metavar="NAME", help="Name that the page suggests.")
    ] = "",
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Address to listen at. Others than this machine's need a token."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 takes any that is free.")] = 8642,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="Name by which others call this host."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar="MINEWATCH_REVIEW_TOKEN",
            show_envvar=True,
            help="What requests must bear, 16 letters or more; else made anew. Others can see "
            "command lines: use the variable.",
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="Write what was decided, and serve nothing."),
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option("--also", metavar="FILE", help="Another reviewer's store, to export with."),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="FILE", help="Sites that the export joins and corrects."),
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option("--trust", metavar="NAME", help="Whose vote decides where others differ."),
    ] = None,
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
        host=host,
        port=port,
        token=token,
        allowed_hosts=tuple(allow_host or ()),
        reviewer=reviewer,
    )
    planned = plan_review(
        study,
        Wanted(
            queue=queue,
            kind=None if kind is None else kind.value,
            blind=blind,
            square_m=square_m,
            title=title,
        ),
        store=store,
        images=Images(
            source=imagery,
            collection=collection,
            level=None if level is None else level.value,
            project=project,
            periods=tuple(period or ()),
            datasets=_pairs(dataset or []),
            side_m=side_m,
        ),
        features=features,
        shows=export is None,
    )
    if export is None:
        _serve(planned, settings, as_json=json_)
        return
    from minewatch.maps.review import export_review

    exported = export_review(
        [planned.store, *(also or [])],
        export,
        sample=planned.path if planned.queue.kind == "sample" else None,
        into=into,
        trust=trust or (),
        overwrite=overwrite,
    )
    result = {**exported.counts(), "files": [str(file) for file in exported.files]}
    _common.print_result(result, as_json=json_, describe=lambda: _describe(exported))


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
        unplaced = f" ({queue.n_unplaced} more have no place)" if queue.n_unplaced else ""
        _common.print_result(
            result,
            as_json=as_json,
            describe=lambda: (
                f"{len(queue.items):,} {queue.kind} to review{unplaced}; decisions go to "
                f"{planned.store}\nOpen {address}\nCtrl+C ends it; nothing is lost"
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
    first = (
        f"{counts['reviewed']:,} places reviewed; {counts['mining']:,} sites with mining "
        f"({counts['drawn']:,} of them drawn), {counts['no_mining']:,} without, "
        f"{counts['without_label']:,} without a label"
    )
    lines = [first, *(_agreed(one) for one in exported.agreement.to_dict("records"))]
    if counts["conflicts"]:
        lines.append(
            f"{counts['conflicts']} places without a label, for reviewers do not agree; --trust "
            "NAME lets one decide"
        )
    lines += [f"Left out: {name}: {text}" for name, text in exported.left_out["detail"].items()]
    return "\n".join([*lines, *(f"Saved: {file}" for file in exported.files)])


def _agreed(pair: "Mapping[Hashable, Any]") -> str:
    kappa = "not to be told" if math.isnan(pair["kappa"]) else f"{pair['kappa']:.2f}"
    return (
        f"{pair['reviewer']} and {pair['other']}: {pair['n_same']} of {pair['n_both']} alike, "
        f"Cohen's kappa {kappa}, {pair['n_conflicts']} conflicts"
    )


def _pairs(given: list[str]) -> dict[str, Path]:
    pairs = dict(text.partition("=")[::2] for text in given)
    if len(pairs) < len(given) or not all(name and value for name, value in pairs.items()):
        raise typer.BadParameter(f"{', '.join(given)}: expected --dataset PERIOD=DIR, each once")
    return {name: Path(value) for name, value in pairs.items()}
