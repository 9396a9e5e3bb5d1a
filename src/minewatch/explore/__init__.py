"""Explore: what a patch dataset holds, what is wrong with it, and what it can and cannot show.

`explore` computes tables, `write_report` draws them and writes them down.
"""

from minewatch.explore._explore import explore
from minewatch.explore._report import write_report
from minewatch.explore._section import Findings, Section
from minewatch.explore._settings import ExploreSettings

__all__ = ["ExploreSettings", "Findings", "Section", "explore", "write_report"]
