"""The commands of sites."""

import typer

app = typer.Typer(no_args_is_help=True, help="TODO sites")


@app.callback()
def _group() -> None:
    pass
