"""What every command shares: options, output, progress bars, and the table of exit codes."""

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import typer

from minewatch import errors
from minewatch._progress import Progress, silent

EXIT_CODES: Final[tuple[tuple[type[BaseException], int], ...]] = (
    (errors.UnsafeError, 5),
    (errors.NotThereError, 4),
    (errors.AlreadyThereError, 6),
    (errors.LockedError, 7),
    (errors.MissingExtraError, 8),
    (errors.IncompleteError, 9),
    (errors.DatasetError, 10),
    (errors.ImageryError, 11),
    (errors.CredentialsError, 12),
    (errors.ContextError, 15),
    (errors.DetectorError, 16),
    (errors.FetchError, 17),
    (errors.InputError, 3),
    (errors.MinewatchError, 1),
    (PermissionError, 13),
    (OSError, 14),
    (KeyboardInterrupt, 130),
)
"""The first class that fits decides. 0 is success, 2 a wrong use of the command line."""

StudyOption = Annotated[
    Path,
    typer.Option("--study", metavar="DIR", help="The study folder that results go to."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the results as one JSON object, nothing else.")
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a result that exists already.")
]


class Verbosity:
    """How much a run prints, set once by the options before the command."""

    quiet = False
    verbose = False


def exit_code(error: BaseException) -> int:
    """Look up the exit code for an error."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)


def set_up_output(*, quiet: bool, verbose: bool) -> None:
    """Decide what the rest of the run prints, and where warnings and logs go."""
    Verbosity.quiet, Verbosity.verbose = quiet, verbose
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.WARNING
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("minewatch").setLevel(level)
    warnings.showwarning = _show_warning


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - Python calls it with these
    line: str | None = None,  # noqa: ARG001
) -> None:
    """Print a warning of ours as one line; any other with the place that it comes from."""
    if issubclass(category, errors.MinewatchWarning):
        if not Verbosity.quiet:
            typer.echo(f"warning: {message}", err=True)
    elif Verbosity.verbose:
        typer.echo(f"{filename}:{lineno}: {category.__name__}: {message}", err=True)


def say(text: str) -> None:
    """Print a line for a person, on standard output, unless --quiet was given."""
    if not Verbosity.quiet:
        typer.echo(text)


def note(text: str) -> None:
    """Print a line for a person beside the result, on standard error, unless --quiet was given."""
    if not Verbosity.quiet:
        typer.echo(text, err=True)


def print_result(result: Mapping[str, Any], *, as_json: bool, describe: Callable[[], str]) -> None:
    """Print a result: one JSON object for programs, or the description for a person."""
    if as_json:
        typer.echo(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False, default=str))
    else:
        say(describe())


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Give a progress callable: bars on a terminal, a line every half minute in a log.

    A bar appears only for a step that takes more than a second.
    """
    if Verbosity.quiet:
        yield silent
        return
    if not sys.stderr.isatty():
        from minewatch.cli._lines import lines

        yield lines(lambda line: typer.echo(line, err=True))
        return
    from minewatch.cli._bars import bars

    with bars() as progress:
        yield progress
