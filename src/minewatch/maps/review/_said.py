"""What reviewers say: a decision or a mine that was drawn, and what is refused of it."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from minewatch.errors import InputError
from minewatch.maps.review._words import MOST_NAME, MOST_NOTE, REASONS, VERDICTS, Reason, Verdict

_MOST_SHOWN: Final = 20_000
"""Characters of what is said of what was shown."""


@dataclass(frozen=True)
class Decision:
    """What a reviewer says of one place."""

    uid: str
    """Made by whoever decides, once for each decision: sent twice, it is one."""
    item_id: str
    verdict: Verdict
    reviewer: str
    """Who says so; nobody checks it."""
    reason: Reason | None = None
    """What it is instead, of ``not_mine``; None: not said."""
    note: str = ""
    shown: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What was on the screen, JSON values: pictures with their digests, scale, …"""


@dataclass(frozen=True)
class Point:
    """A mine that a reviewer drew."""

    uid: str
    item_id: str
    """The place that was on the screen."""
    longitude: float
    """Degrees, EPSG:4326."""
    latitude: float
    reviewer: str
    note: str = ""
    shown: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Saved:
    """A decision or point that is on disk."""

    number: int
    """Counted through decisions and points together: a later one has a higher number."""
    item_id: str
    decided_at: str
    """UTC, ISO 8601."""
    is_new: bool = True
    """False if its uid was there already."""


def check_name(name: str) -> str:
    """Give a reviewer's name without spaces around it.

    Raises
    ------
    InputError
        If it is empty, too long, or holds what cannot be printed.
    """
    plain = " ".join(name.split())
    if not plain or len(plain) > MOST_NAME or not plain.isprintable():
        raise InputError(
            f"the reviewer is {name[:100]!r}; expected a name of 1 to {MOST_NAME} letters"
        )
    return plain


def fold_name(name: str) -> str:
    """Give a name as it is compared: "Ana", "ana" and " ANA" are one person.

    Examples
    --------
    >>> fold_name(" ANA  María ") == fold_name("Ana maría")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def check_decision(decision: Decision) -> None:
    """Refuse words that are not known, and reasons for anything but a reject."""
    if decision.verdict not in VERDICTS:
        raise InputError(
            f"the verdict is {decision.verdict!r}; expected one of {', '.join(VERDICTS)}"
        )
    if decision.reason is None:
        return
    if decision.reason not in REASONS or decision.verdict != "not_mine":
        raise InputError(
            f"the reason is {decision.reason!r} of {decision.verdict}; expected none, or of "
            f"not_mine one of {', '.join(REASONS)}"
        )


def check_said(said: Decision | Point) -> dict[str, str]:
    """Give ``note``, ``reviewer`` and ``shown`` as they are kept; refuse what is too long."""
    if not said.uid or len(said.uid) > MOST_NAME or not said.uid.isascii():
        raise InputError(f"the uid is {said.uid[:100]!r}; expected 1 to {MOST_NAME} plain letters")
    odd = [one for one in said.note if unicodedata.category(one) in ("Cc", "Cs") and one != "\n"]
    if len(said.note) > MOST_NOTE or odd:
        raise InputError(
            f"the note has {len(said.note)} characters, {len(odd)} of which cannot be printed; "
            f"expected at most {MOST_NOTE} that can"
        )
    try:
        shown = json.dumps(dict(said.shown), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"shown cannot be written as JSON: {error}") from error
    if len(shown) > _MOST_SHOWN:
        raise InputError(f"shown takes {len(shown)} characters; expected at most {_MOST_SHOWN}")
    return {"note": said.note, "reviewer": check_name(said.reviewer), "shown": shown}
