"""The words of a review: what can be said of a place, and why it was not a mine."""

from typing import Final, Literal, TypeAlias, get_args

Verdict: TypeAlias = Literal["mine", "not_mine", "unsure", "skip"]
"""``skip`` says that nobody looked properly; ``unsure``, that looking did not tell."""
Reason: TypeAlias = Literal[
    "river",
    "sandbar",
    "aquaculture",
    "pasture",
    "road",
    "village",
    "cloud",
    "landslide",
    "industrial",
    "other",
]
"""What a place that is no mine is instead."""
Kind: TypeAlias = Literal["detections", "doubts", "sample", "sites"]
"""What is reviewed: detections of a scan, labels that `explore` doubts, windows that were drawn to
estimate an area, or any table of sites."""

VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
LABELS: Final[dict[str, int]] = {"mine": 1, "not_mine": 0}
"""Verdicts that are votes, and the label that each is for."""
MOST_NOTE: Final = 2_000
"""Characters of a note."""
MOST_NAME: Final = 80
"""Characters of a reviewer's name."""
