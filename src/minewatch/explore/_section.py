"""What a section of the exploration is: that of any report."""

from minewatch._report._section import Findings, Section

__all__ = ["Findings", "Section"]
