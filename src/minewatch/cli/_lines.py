"""Progress for a log: now and then a plain line, where nobody looks at a terminal."""

import time
from collections.abc import Callable

from minewatch._progress import Progress

EVERY_S = 30.0
"""So often, at most, a step says how far it is; a shorter step says nothing."""


def lines(say: Callable[[str], None], *, every_s: float = EVERY_S) -> Progress:
    """Give a progress callable that says how far a long step is, and how long it may still take."""
    began: dict[str, float] = {}
    last: dict[str, float] = {}

    def tell(step: str, done: int, total: int, /) -> None:
        name, now = step.partition(" (")[0], time.monotonic()
        began.setdefault(name, now)
        if now - last.setdefault(name, now) < every_s:
            return
        last[name] = now
        say(f"{step}: {done:,} of {total:,}{_left(now - began[name], done, total)}")

    return tell


def _left(taken_s: float, done: int, total: int) -> str:
    """Say how long the rest may take at the pace so far."""
    if not 0 < done < total:
        return ""
    minutes = taken_s * (total - done) / done / 60.0
    return f", about {minutes:.0f} min left" if minutes >= 1.0 else ", less than a minute left"
