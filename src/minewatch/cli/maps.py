"""The commands of maps: what was found, in files and pages, and the desk to check it at."""

import typer

from minewatch.cli import _maps_review, _maps_write

app = typer.Typer(no_args_is_help=True, help="What was found, for people: files, a page, a desk.")
app.command()(_maps_write.write)
app.command()(_maps_review.review)
