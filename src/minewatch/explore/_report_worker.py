"""Draw some sections of a report in a second process, so that two cores draw at once.

Matplotlib holds Python's global lock while it draws, so threads do not help. The second process is
a module of its own, started by its name: it imports nothing of the caller's script, which the
processes of Python's own pools would run again.
"""

import logging
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minewatch._report._page import PageSection
from minewatch.explore._report_sections import Numbered, write_sections

logger = logging.getLogger(__name__)


def write_sections_aside(
    header: Mapping[str, Any], sections: Numbered, folder: Path
) -> dict[str, PageSection]:
    """Write the figures of some sections in a process of their own; wait until it is done.

    What is written and given is what `write_sections` writes and gives: where no process can be
    started, or it fails, this one does the work.
    """
    work = pickle.dumps((dict(header), sections, folder))
    command = [sys.executable, "-c", f"from {__name__} import main; main()"]
    try:
        done = subprocess.run(command, input=work, stdout=subprocess.PIPE, check=True)  # noqa: S603
        pages: dict[str, PageSection] = pickle.loads(done.stdout)  # noqa: S301 - our own process
    except (OSError, subprocess.CalledProcessError, pickle.UnpicklingError, EOFError) as error:
        logger.info("figures are drawn in one process: %s", error)
        return write_sections(header, sections, folder)
    return pages


def main() -> None:
    """Do the work that comes on standard input; called in the process of its own."""
    header, sections, folder = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own process
    pickle.dump(write_sections(header, sections, folder), sys.stdout.buffer)
