"""Numbers for people: hectares are written the same on the page, on paper and in every file."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

AREA_DECIMALS: Final = 4
"""Of hectares, where they are numbers and not words: a square metre."""


def written(value: float, decimals: int) -> str:
    """Write a number with some decimals, commas between thousands; halves go away from 0.

    What is rounded is the number as people read it, as browsers round: 1.005 to two decimals is
    1.01, although the nearest number that a computer has is a little less.

    Examples
    --------
    >>> written(1234.5, 0), written(1.005, 2), f"{1234.5:,.0f}", f"{1.005:.2f}"
    ('1,235', '1.01', '1,234', '1.00')
    """
    return f"{round_half_up(value, decimals):,.{decimals}f}"


def round_half_up(value: float, decimals: int) -> Decimal:
    """Round a number as people read it, halves away from 0.

    Examples
    --------
    >>> round_half_up(15.25, 1)
    Decimal('15.3')
    """
    return Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def area_decimals(hectares: float) -> int:
    """Say how many decimals hectares are written with: fewer where there are many.

    Examples
    --------
    >>> area_decimals(2.345), area_decimals(23.45), area_decimals(234.5)
    (2, 1, 0)
    """
    return 0 if hectares >= 100.0 else 1 if hectares >= 10.0 else 2


def write_hectares(hectares: float) -> str:
    """Write hectares as the page and the sheets do, in English.

    What is written is the number that tables hold, with `AREA_DECIMALS`: who rounds that one
    comes to the same words.

    Examples
    --------
    >>> write_hectares(15.346), write_hectares(1234.5), write_hectares(0.0512)
    ('15.3 ha', '1,235 ha', '0.05 ha')
    """
    held = float(round_half_up(hectares, AREA_DECIMALS))
    return f"{written(held, area_decimals(held))} ha"
