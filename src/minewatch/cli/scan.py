"""The commands of scan: score a region, and say what its scores come to."""

import typer

from minewatch.cli import _scan_detections, _scan_run

app = typer.Typer(
    no_args_is_help=True, help="A detector on a whole region: scores, detections, changes, areas."
)
app.command()(_scan_run.run)
app.command()(_scan_detections.merge)
app.command()(_scan_detections.compare)
app.command()(_scan_detections.area)
app.command()(_scan_detections.outline)
