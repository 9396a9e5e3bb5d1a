"""The commands of explore."""

import typer

app = typer.Typer(no_args_is_help=True, help="TODO explore")


@app.callback()
def _group() -> None:
    pass
