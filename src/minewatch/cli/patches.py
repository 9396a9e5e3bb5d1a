"""The commands of patches."""

import typer

app = typer.Typer(no_args_is_help=True, help="TODO patches")


@app.callback()
def _group() -> None:
    pass
