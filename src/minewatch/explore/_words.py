"""Counts of things, in words."""

from minewatch._figures import format_count


def number_of(count: float, noun: str) -> str:
    """Write how many there are of a thing, in the singular for one.

    Examples
    --------
    >>> number_of(1, "patch"), number_of(2, "empty patch"), number_of(0, "site")
    ('1 patch', '2 empty patches', '0 sites')
    """
    plural = "es" if noun.endswith(("ch", "s", "x")) else "s"
    return f"{format_count(count)} {noun}{'' if count == 1 else plural}"


def and_empty(n_empty: int) -> str:
    """Write how many patches without data there are besides, if any."""
    return f", and {number_of(n_empty, 'patch')} without data" if n_empty else ""


def verb_of(count: float, verb: str) -> str:
    """Give a verb in the form that a count asks for.

    Examples
    --------
    >>> verb_of(1, "have"), verb_of(2, "have"), verb_of(1, "lack")
    ('has', 'have', 'lacks')
    """
    if count != 1:
        return verb
    return {"have": "has", "are": "is"}.get(verb, f"{verb}s")
