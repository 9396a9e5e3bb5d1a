"""What names the target: tags of mines and of what they leave behind, and words in names."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from minewatch.context._layers import Layer, items_of

_LIFECYCLE: Final = (
    "disused",
    "abandoned",
    "was",
    "historic",
    "ruins",
    "razed",
    "removed",
    "demolished",
    "destroyed",
    "proposed",
    "planned",
    "construction",
)
"""What a key begins with of something that is no more, or not yet
(https://wiki.openstreetmap.org/wiki/Lifecycle_prefix)."""
_WITH_PAST: Final = frozenset({"landuse", "man_made", "industrial"})
"""Keys whose past and future are features of their own, whatever the layers."""
_TAILINGS: Final = ("tailings", "tailing", "tailings_pond", "tailing_pond", "tailings_dam")
_ORES: Final = ("gold", "ore", "gold_ore", "iron_ore", "copper_ore", "tin_ore", "tailings")
_TAGS: Final[Mapping[str, tuple[str, ...] | None]] = {
    "landuse": ("quarry", "mine", "mining"),
    "man_made": ("mine", "mineshaft", "mine_shaft", "adit", "headframe", "spoil_heap", *_TAILINGS),
    "industrial": ("mine", "mining", "quarry"),
    "historic": ("mine", "mining", "mine_shaft", "mine_adit", "quarry"),
    "building": ("mine", "mineshaft", "headframe"),
    "reservoir_type": _TAILINGS,
    "basin": _TAILINGS,
    "water": _TAILINGS,
    "product": _ORES,
    "produce": _ORES,
    "substance": _ORES,
    "resource": None,
    "mineral": None,
    "mine": None,
    "mining": None,
}
"""Keys and values that say that there is, was or shall be a mine. None: any value."""


def _layer(key: str, values: tuple[str, ...] | None) -> Layer:
    return Layer(
        name="target_" + re.sub(r"\W", "_", key),
        key=key,
        values=values,
        why="It says that there is, was or shall be a mine.",
        names_the_target=True,
    )


TARGET_LAYERS: Final[tuple[Layer, ...]] = tuple(
    _layer(one, values)
    for key, values in _TAGS.items()
    for one in (key, *(f"{prefix}:{key}" for prefix in _LIFECYCLE if key in _WITH_PAST))
)
"""Tags that are taken whatever the layers, for they name the target."""

_RULES: Final = {
    one: None if values is None else frozenset(values)
    for key, values in _TAGS.items()
    for one in (key, *(f"{prefix}:{key}" for prefix in _LIFECYCLE))
}

TARGET_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "es": ("mina", "minas", "miner[oa]s?", "minerias?", "oro", "aurifer[oa]s?", "placer(?:es)?"),
    "pt": ("minerac(?:ao|oes)", "minerador(?:a|as|es)?", "garimp*", "ouro", "lavras?"),
    "en": ("mines?", "mining", "miners?", "gold", "gold ?(?:mines?|mining|fields?)", "tailings"),
    "fr": ("mini(?:er|ere)s?", "orpaill*", "d or", "auriferes?"),
    "nl": ("mijn", "mijnen", "mijnbouw*", "goud", "goud(?:mijn|veld|zoeker)*"),
}
"""Words that name the target where they stand in a name, by language; patterns of small letters
without accents, a blank for whatever stands between words, a star for more letters. Rather too
many than too few: a name that is taken by mistake is kept apart and shown, one that is missed gives
the answer away."""

INNOCENT_NAMES: Final[Mapping[str, str]] = {
    "minas gerais": "a state of Brazil, and streets everywhere that bear its name",
    "ouro preto": "a town of Minas Gerais, and streets and a town of Rondônia called after it",
    "ouro branco": "towns of Brazil, and streets called after them",
    "ouro fino": "a town of Minas Gerais, and streets called after it",
    "ouro verde": "coffee, 'green gold': towns and farms of Brazil",
    "oro verde": "coffee or forest, 'green gold', in Spanish",
    "lavras da mangabeira": "a town of Ceará",
    "minas? d agua": "a spring, or a gallery that taps water, in Portuguese",
    "minas? de agua": "a spring, or a gallery that taps water, in Spanish and Portuguese",
}
"""Names that hold such a word and do not tell of a mine nearby, and what they are; written as
`TARGET_WORDS` are."""

_NAMED: Final = re.compile(
    r"(?:[a-z]+:)?(?:(?:alt|old|official|loc|int|short|reg|nat)_)?name(?:[:_].+)?"
    r"|(?:operator|owner|brand|description|note|destination|ref)(?::.+)?",
    re.ASCII,
)
_LETTER: Final = r"[^\W\d_]"
_APART: Final = r"[\W\d_]+"


def _words(patterns: Iterable[str]) -> re.Pattern[str]:
    """Make the pattern of words that no letter touches."""
    either = "|".join(patterns).replace("*", f"{_LETTER}*").replace(" ", f"(?:{_APART})")
    return re.compile(rf"(?<!{_LETTER})(?:{either})(?!{_LETTER})")


_WORDS: Final = _words(word for words in TARGET_WORDS.values() for word in words)
_INNOCENT: Final = _words(INNOCENT_NAMES)


@lru_cache(maxsize=4_096)
def _is_named(key: str) -> bool:
    return _NAMED.fullmatch(key) is not None


def _plain(text: str) -> str:
    """Write a name in small letters without accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).lower()


def _word_in(name: str) -> str | None:
    """Give the word of a name that names the target."""
    plain = _plain(name)
    if _WORDS.search(plain) is None:
        return None
    found = _WORDS.search(_INNOCENT.sub(" | ", plain))
    return None if found is None else re.sub(_APART, " ", found[0])


def target_tags(tags: Mapping[str, str]) -> str | None:
    """Say which tag of a feature names the target; None if none does.

    Tags are looked at first: each also with ``disused:``, ``was:`` or another prefix of what is no
    more or not yet, and as one of several values (``quarry;industrial``). Then names, also former
    ones and those in other languages, and what else is written in words: operator, owner, brand,
    description, note, destination, ref.

    A word of `TARGET_WORDS` counts where no letter touches it, in small letters or capitals, with
    accents or without; `INNOCENT_NAMES` do not count. It says nothing of what the feature is: a
    road called ``Vía El Oro`` leads to gold, or to a village of that name.

    Parameters
    ----------
    tags
        All tags of one feature.

    Returns
    -------
    str or None
        ``"key=value"``, or ``"name~word"`` with the word in small letters, without accents.

    Examples
    --------
    >>> target_tags({"landuse": "quarry"}), target_tags({"name": "Vila dos Garimpeiros"})
    ('landuse=quarry', 'name~garimpeiros')
    >>> [target_tags({"name": name}) for name in ("Oropesa", "Minas Gerais", "Goldener Weg")]
    [None, None, None]
    """
    for key in () if _RULES.keys().isdisjoint(tags) else _RULES:
        value = tags.get(key)
        if value is not None and _is_mining(value, _RULES[key]):
            return f"{key}={value}"
    for key, value in tags.items():
        if _is_named(key) and (word := _word_in(value)):
            return f"{key}~{word}"
    return None


def _is_mining(value: str, values: frozenset[str] | None) -> bool:
    return values is None or not values.isdisjoint(items_of(value.lower()))


def wanted_layers(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Give everything to be taken from a source: the layers, and the tags that name the target."""
    return (*layers, *TARGET_LAYERS)
