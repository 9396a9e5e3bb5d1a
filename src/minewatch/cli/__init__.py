"""The command line: one short file per word; each command calls one public function."""

import sys


def main() -> None:
    """Run the command line; leave with the exit code that `EXIT_CODES` gives to an error."""
    from minewatch.cli._app import run

    sys.exit(run(sys.argv[1:]))
