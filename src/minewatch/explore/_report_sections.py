"""Write the figures of the exploration's sections, and say what the page shows of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minewatch._report import _sections
from minewatch._report._page import PageSection
from minewatch._report._sections import Numbered
from minewatch.explore._figures import PLATES

__all__ = ["Numbered", "write_sections"]


def write_sections(
    header: Mapping[str, Any], sections: Numbered, folder: Path
) -> dict[str, PageSection]:
    """Write the figures of some sections below `folder`; give what the page shows, by key."""
    return _sections.write_sections(header, sections, folder, PLATES)
