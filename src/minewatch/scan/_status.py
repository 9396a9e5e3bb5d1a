"""What a window can be: scored, or not seen, for a reason."""

from typing import Final, Literal, TypeAlias

Status: TypeAlias = Literal["scored", "few clear views", "no data", "no number", "failed"]

SCORED: Final[Status] = "scored"
FEW: Final[Status] = "few clear views"
"""Clouds left too few views, or too many of its pixels unknown."""
NO_DATA: Final[Status] = "no data"
"""No scene covers it, or enough of it; or nothing is clear in any."""
NO_NUMBER: Final[Status] = "no number"
"""The window shows enough, and the detector's network gave no number for it."""
FAILED: Final[Status] = "failed"
"""Its tile could not be read."""
