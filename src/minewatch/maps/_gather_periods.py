"""Of which periods detections are, and by which rule: checked against what they say themselves."""

from collections.abc import Mapping, Sequence
from math import isclose
from typing import Final

from minewatch.errors import InputError
from minewatch.maps._contents import Period
from minewatch.maps._known import Known
from minewatch.types import StrPath

_SAME: Final = 1e-4
"""Thresholds that differ by less are one, written with fewer digits."""


def parse_earlier(files: Mapping[str, StrPath]) -> dict[Period, StrPath]:
    """Read of which periods earlier detections are; refuse two of the same days."""
    parsed: dict[tuple[str, str], tuple[Period, StrPath]] = {}
    for name, path in files.items():
        period = Period.parse(name)
        other, of_other = parsed.setdefault((period.start, period.end), (period, path))
        if (other, of_other) != (period, path):
            raise InputError(
                f"the earlier periods {other.name!r} ({of_other}) and {period.name!r} ({path}) are "
                "of the same days; give one file for each period"
            )
    return dict(parsed.values())


def check_order(earlier: Mapping[Period, StrPath], own: Period) -> None:
    """Refuse a map that would say 'first detected' of a period that is not the first."""
    for one, path in earlier.items():
        if one.start >= own.start or one.end >= own.end:
            raise InputError(
                f"the earlier period {one.name!r} ({path}) is of {one.start} to {one.end}, and the "
                f"map itself of {own.start} to {own.end}; expected one that begins and ends before "
                "that: leave it out, or show the newest detections and give these as earlier"
            )


def check_imagery(shown: Sequence[Period], own: Period) -> None:
    """Refuse imagery of later days than the detections: a map ends with what it was found in."""
    for one in shown:
        if one.start > own.start and one.end > own.end:
            raise InputError(
                f"the imagery {one.name!r} is of {one.start} to {one.end}, and the detections of "
                f"{own.start} to {own.end}; expected none of later days: find mines in it first, "
                "or leave it out"
            )


def check_rule(known: Known, threshold: float | None, found_by: str) -> None:
    """Refuse a threshold, or a finder, other than the detections say they have."""
    if threshold is not None and not 0.0 <= threshold <= 1.0:
        raise InputError(f"the threshold is {threshold:g}; expected a score from 0 to 1")
    own = known.threshold
    if threshold is not None and own is not None and not isclose(threshold, own, abs_tol=_SAME):
        raise InputError(
            f"the detections say that they were found with a threshold of {own:g}, not "
            f"{threshold:g}; leave it out, or merge the scan anew with that threshold"
        )
    if found_by and known.detector and found_by != known.detector:
        raise InputError(
            f"the detections say that {known.detector!r} found them, not {found_by!r}; leave it out"
        )


def own_period(known: Known, said: str | None) -> Period | None:
    """Give the period; refuse one that leaves out days that the detections say they are of."""
    if said is None:
        return known.period
    period = Period.parse(said)
    check_days("the detections", known, period)
    return period


def check_days(what: str, known: Known, said: Period) -> None:
    """Refuse a period that leaves out days of the imagery that a scan says it looked at."""
    own = known.period if known.scanned else None
    if own is not None and (own.start < said.start or own.end > said.end):
        raise InputError(
            f"{what} say that they were found in imagery of {own.start} to {own.end}, and the "
            f"period {said.name!r} is {said.start} to {said.end}; name one that holds these days"
        )


def list_periods(said: Sequence[Period]) -> tuple[Period, ...]:
    """List periods, the oldest first; the last that was said, of the detections, comes last."""
    *before, own = said
    others = {one.name: one for one in before if one.name != own.name}
    return (*sorted(others.values(), key=lambda one: (one.start, one.end)), own)
