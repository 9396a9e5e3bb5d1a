"""The tree of commands, and what becomes of an error."""

import sys
from typing import Annotated

import typer

from minewatch import __version__, errors
from minewatch.cli import (
    _common,
    context,
    explore,
    imagery,
    maps,
    model,
    patches,
    scan,
    sites,
    study,
)

app = typer.Typer(
    name="minewatch",
    help="Find artisanal and small-scale gold mining in Sentinel-2 imagery.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("new")(study.new)
app.command("run")(study.run)
app.command("demo")(study.demo)
app.add_typer(sites.app, name="sites")
app.add_typer(imagery.app, name="imagery")
app.add_typer(patches.app, name="patches")
app.add_typer(context.app, name="context")
app.add_typer(explore.app, name="explore")
app.add_typer(model.app, name="model")
app.add_typer(scan.app, name="scan")
app.add_typer(maps.app, name="maps")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"minewatch {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print results asked for with --json, and errors.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print every step, and where an error arose.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    _common.set_up_output(quiet=quiet, verbose=verbose)


def run(arguments: list[str]) -> int:
    """Run one command line and give its exit code; errors are printed on standard error."""
    try:
        app(arguments)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
        if code == _common.exit_code(KeyboardInterrupt()):
            typer.echo(
                "stopped: what was finished is kept; run the same command to go on", err=True
            )
        return code
    except errors.MinewatchError as error:
        if _common.Verbosity.verbose:
            sys.excepthook(type(error), error, error.__traceback__)
        else:
            typer.echo(f"error: {error}", err=True)
        return _common.exit_code(error)
    except OSError as error:
        if error.filename is None or _common.Verbosity.verbose:
            raise
        typer.echo(f"error: {error.filename}: {(error.strerror or str(error)).lower()}", err=True)
        return _common.exit_code(error)
    return 0
