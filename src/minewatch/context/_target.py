"""What names the target: tags of mines and of what they leave behind, and words in names."""

import re
from collections.abc import Iterable, Mapping
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

TARGET_WORDS: Final[tuple[str, ...]] = ("mina", "mine", "garimpo", "oro", "gold")
"""Words that name the target where they stand alone in a name, whatever their case."""

_NAME_KEYS: Final = re.compile(
    r"(?:(?:alt|old|official|loc|int|short|reg|nat)_)?name(?:[:_].+)?", re.ASCII
)
_WORDS: Final = re.compile(rf"(?<!\w)({'|'.join(TARGET_WORDS)})(?!\w)", re.IGNORECASE)


def target_tags(tags: Mapping[str, str]) -> str | None:
    """Say which tag of a feature names the target; None if none does.

    Tags are looked at first: each also with ``disused:``, ``was:`` or another prefix of what is no
    more or not yet, and as one of several values (``quarry;industrial``). Then names: `name`,
    `alt_name`, `old_name`, `official_name`, `loc_name`, `int_name`, `short_name`, `reg_name`,
    `nat_name`, each in any language (``name:es``). A word counts if it stands alone: between blanks,
    punctuation, hyphens or the ends of the name, in small letters or capitals. It says nothing of what the feature is: a road
    called ``Vía El Oro`` leads to gold, or to a village of that name.

    Parameters
    ----------
    tags
        All tags of one feature.

    Returns
    -------
    str or None
        ``"key=value"``, or ``"name~word"`` with the word in small letters.

    Examples
    --------
    >>> target_tags({"landuse": "quarry"}), target_tags({"name": "Garimpo do Juca"})
    ('landuse=quarry', 'name~garimpo')
    >>> [target_tags({"name": name}) for name in ("Oropesa", "Minas Gerais", "Goldener Weg")]
    [None, None, None]
    """
    for key in () if _RULES.keys().isdisjoint(tags) else _RULES:
        value = tags.get(key)
        if value is not None and _is_mining(value, _RULES[key]):
            return f"{key}={value}"
    for key, value in tags.items():
        if "name" in key and _NAME_KEYS.fullmatch(key) and (found := _WORDS.search(value)):
            return f"{key}~{found[1].lower()}"
    return None


def _is_mining(value: str, values: frozenset[str] | None) -> bool:
    return values is None or not values.isdisjoint(items_of(value.lower()))


def wanted_layers(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Give everything to be taken from a source: the layers, and the tags that name the target."""
    return (*layers, *TARGET_LAYERS)
