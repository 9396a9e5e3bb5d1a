"""Days and periods: ISO dates, checked wherever they come in."""

import re
from datetime import date
from typing import Final

import pandas as pd

from minewatch.errors import SettingsError, SitesError

_DAY: Final = r"\d{4}-\d{2}-\d{2}"
_MOST_SHOWN: Final = 5


def check_day(text: str) -> str:
    """Give back an ISO date.

    Raises
    ------
    SettingsError
        If it is none.

    Examples
    --------
    >>> check_day("2023-12-31")
    '2023-12-31'
    """
    try:
        if re.fullmatch(_DAY, text):
            return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise SettingsError(f"{text!r} is not a day that there is: {error}") from error
    raise SettingsError(f"{text!r} is not a day; expected an ISO date such as 2023-12-31")


def check_period(start: str | None, end: str | None) -> tuple[str | None, str | None]:
    """Give back the first and the last day of a period; None is not known.

    Raises
    ------
    SettingsError
        If one is no ISO date, or the last day comes before the first.
    """
    days = [None if day is None else check_day(day) for day in (start, end)]
    if days[0] is not None and days[1] is not None and days[0] > days[1]:
        raise SettingsError(
            f"the period begins on {days[0]} and ends on {days[1]}, before it; expected the first "
            "day, then the last"
        )
    return days[0], days[1]


def iso_days(values: pd.Series) -> pd.Series:
    """Turn a column of ISO dates, with or without a time of day, or of timestamps into ISO dates.

    Raises
    ------
    SitesError
        If some are neither; the message names their sites.
    """
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return pd.Series(values.dt.strftime("%Y-%m-%d"), dtype="str")
    text = values.where(values.notna(), None).map(_as_text, na_action="ignore").astype("str")
    days = text.str.extract(rf"^({_DAY})(?:$|[T ])", expand=False)
    known = pd.to_datetime(days, format="%Y-%m-%d", errors="coerce").notna()
    wrong = text[text.notna() & ~known]
    if len(wrong):
        raise SitesError(
            f"column {values.name!r} holds what is no ISO date (2021-12-31): "
            + _list_some([f"{text!r} ({key})" for key, text in wrong.items()])
        )
    return pd.Series(days, dtype="str")


def check_periods(start: pd.Series, end: pd.Series) -> None:
    """Raise SitesError if some site's last day comes before its first."""
    wrong = start.index[(start > end).fillna(value=False).astype(bool)]
    if len(wrong):
        raise SitesError(
            "the imagery of some sites ends before it begins: "
            + _list_some([f"{key} ({start[key]} to {end[key]})" for key in wrong])
        )


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _list_some(texts: list[str]) -> str:
    more = f" and {len(texts) - _MOST_SHOWN} more" if len(texts) > _MOST_SHOWN else ""
    return ", ".join(texts[:_MOST_SHOWN]) + more
