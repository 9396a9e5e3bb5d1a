"""The tree of commands, and what becomes of an error."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from minewatch import __version__, errors
from minewatch.cli import _common, explore, patches, sites

app = typer.Typer(
    name="minewatch",
    help="Find artisanal and small-scale gold mining in Sentinel-2 imagery.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(sites.app, name="sites")
app.add_typer(patches.app, name="patches")
app.add_typer(explore.app, name="explore")


@app.callback()
def _options(
    *,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print every step.")] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda wanted: _print_version(wanted),
            is_eager=True,
            help="Print the version and stop.",
        ),
    ] = False,
) -> None:
    _common.set_up_output(quiet=quiet, verbose=verbose)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"minewatch {__version__}")
        raise typer.Exit


def run(arguments: list[str]) -> int:
    """Run one command line and give its exit code; errors are printed on standard error."""
    try:
        app(arguments, standalone_mode=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except errors.MinewatchError as error:
        if _common.Verbosity.verbose:
            Console(stderr=True).print_exception()
        Console(stderr=True, soft_wrap=True).print(
            f"[red]error:[/red] {escape(str(error))}", highlight=False
        )
        return _common.exit_code(error)
    return 0
