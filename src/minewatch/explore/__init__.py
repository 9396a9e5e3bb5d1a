"""Explore: what a patch dataset holds, what is wrong with it, and what it can and cannot show.

`explore` computes tables, `write_report` draws them and writes them down.
"""

from typing import TYPE_CHECKING, Any

from minewatch._lazy import import_name

if TYPE_CHECKING:
    from minewatch._report._section import Findings, Section
    from minewatch.explore._explore import explore
    from minewatch.explore._report import write_report
    from minewatch.explore._settings import ExploreSettings

__all__ = ["ExploreSettings", "Findings", "Section", "explore", "write_report"]

_MODULES = {
    "ExploreSettings": "_settings",
    "Findings": "._report._section",
    "Section": "._report._section",
    "explore": "_explore",
    "write_report": "_report",
}


def __getattr__(name: str) -> Any:
    """Import a name on first use: a process that only draws needs no more than that."""
    return import_name(__name__, _MODULES, name)


def __dir__() -> list[str]:
    """List what can be imported, so that completion finds it."""
    return sorted(_MODULES)
