"""Layers as data: what is taken from OpenStreetMap, why, and what would give the answer away."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

from pydantic import field_validator

from minewatch.errors import SettingsError
from minewatch.types import Settings

Kind: TypeAlias = Literal["point", "line", "area"]
"""What a feature is drawn as: a node; a way; a closed way or a relation that encloses ground."""

KINDS: Final[tuple[Kind, ...]] = ("point", "line", "area")
TARGET: Final = "target"
"""The column of what names the target: a tag, or a word in a name."""
OWN_COLUMNS: Final = frozenset({"feature_id", TARGET, "kind", "tags", "geometry"})
"""Columns of a table of features that no layer may be called."""
GIVEN_KEYS: Final = frozenset({"boundary", "natural", "waterway"})
"""Keys of what is often imported whole, or is there whether people come or not: waters, wetlands
and protected areas. How much of it is mapped says little of how much people have drawn."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


def items_of(value: str) -> frozenset[str]:
    """Take a list of values apart, as OpenStreetMap writes it.

    Examples
    --------
    >>> sorted(items_of("quarry; industrial"))
    ['industrial', 'quarry']
    """
    return frozenset(item.strip() for item in value.split(";"))


class Layer(Settings):
    """One kind of thing that people map, and why it may matter for mining.

    A feature lies in a layer if it has one of the layer's tags and is drawn as one of its kinds.

    Examples
    --------
    >>> roads = Layer(name="track", key="highway", values=("track",), kinds=("line",))
    >>> roads.value_in({"highway": "track", "surface": "mud"}, "line")
    'track'
    >>> roads.value_in({"highway": "primary"}, "line") is None
    True
    """

    name: str
    """Name of the layer, and of its column: a lower-case word."""
    key: str
    """The key of the OSM tag."""
    values: tuple[str, ...] | None = None
    """The values that count. None: any value."""
    kinds: tuple[Kind, ...] = KINDS
    """How its features may be drawn."""
    why: str = ""
    """Why it may matter for mining, with the source."""
    names_the_target: bool = False
    """Its features name what is looked for, so that to learn from them is to be told the answer."""

    @field_validator("name")
    @classmethod
    def _is_a_word(cls, name: str) -> str:
        if not _NAME.fullmatch(name) or name in OWN_COLUMNS:
            raise ValueError(
                f"{name!r} cannot name a layer; expected a lower-case word of letters, digits and "
                f"_ that is none of {', '.join(sorted(OWN_COLUMNS))}"
            )
        return name

    @field_validator("key")
    @classmethod
    def _is_a_key(cls, key: str) -> str:
        if not key.strip():
            raise ValueError("the key of a tag is empty; expected a word such as highway")
        return key

    @field_validator("values", "kinds")
    @classmethod
    def _is_not_empty(cls, given: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if given is not None and not given:
            raise ValueError("an empty list lets nothing through; leave it out to take all")
        return given

    def value_in(self, tags: Mapping[str, str], kind: Kind) -> str | None:
        """Give the value by which a feature lies in this layer; None if it does not."""
        value = tags.get(self.key)
        if value is None or kind not in self.kinds:
            return None
        return value if self.lets_through(value) else None

    def lets_through(self, value: str) -> bool:
        """Say whether a value of the key counts.

        Of layers that name the target a list of values counts if any of them does:
        ``quarry;industrial``.
        """
        if self.values is None or value in self.values:
            return True
        return self.names_the_target and not items_of(value).isdisjoint(self.values)


DEFAULT_LAYERS: Final[tuple[Layer, ...]] = (
    Layer(
        name="highway",
        key="highway",
        kinds=("line", "area"),
        why="Roads and tracks open forest to miners and carry fuel and diggers to them; 95 % of "
        "the Amazon's clearing lies within 5.5 km of a road or 1 km of a navigable river (Barber "
        "et al. 2014, Biological Conservation 177, doi:10.1016/j.biocon.2014.07.004).",
    ),
    Layer(
        name="waterway",
        key="waterway",
        why="Alluvial gold is dug and washed along rivers and streams (Dethier et al. 2023, "
        "Nature 620, doi:10.1038/s41586-023-06309-9).",
    ),
    Layer(
        name="building",
        key="building",
        kinds=("area", "point"),
        why="Camps and settlements stand near what they live from; where no building is mapped it "
        "may only be that nobody mapped (Herfort et al. 2023, Nature Communications 14, "
        "doi:10.1038/s41467-023-39698-6).",
    ),
    Layer(
        name="landuse",
        key="landuse",
        kinds=("area",),
        why="Mining clears forest and spreads beside farms and towns (Alvarez-Berríos and Aide "
        "2015, Environmental Research Letters 10, doi:10.1088/1748-9326/10/1/014006). Quarries are "
        "split off: they name the target.",
    ),
    Layer(
        name="aeroway",
        key="aeroway",
        why="Remote pits are supplied by air, from airstrips nobody registered (The New York "
        "Times, 2 August 2022, 'The Illegal Airstrips Bringing Toxic Mining to Brazil’s Indigenous "
        "Land').",
    ),
    Layer(
        name="place",
        key="place",
        kinds=("point", "area"),
        why="Towns buy the gold and sell what mining needs; no study that measures it is known to "
        "us, so it is a guess to be tested (https://wiki.openstreetmap.org/wiki/Key:place).",
    ),
    Layer(
        name="natural",
        key="natural",
        values=("water", "wetland", "sand"),
        kinds=("area",),
        why="Pits fill up and stay as ponds, beside bars of sand (Gerson et al. 2020, Science "
        "Advances 6, doi:10.1126/sciadv.abd4953); lakes and wetlands look like them from above.",
    ),
    Layer(
        name="boundary",
        key="boundary",
        values=("protected_area", "aboriginal_lands"),
        kinds=("area",),
        why="Mining within protected areas and indigenous lands is growing, and it is the kind "
        "that is not licensed (Mataveli et al. 2022, Remote Sensing 14, doi:10.3390/rs14164092).",
    ),
    Layer(
        name="power",
        key="power",
        why="Power lines tell settled country, and licensed plants, from remote camps with "
        "generators; a guess to be tested (https://wiki.openstreetmap.org/wiki/Key:power).",
    ),
)
"""The layers that are taken unless others are named."""


def check_layers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Give the layers as a tuple.

    Raises
    ------
    SettingsError
        If there is none, or two have one name.
    """
    names = [layer.name for layer in layers]
    if not names:
        raise SettingsError("no layer was named; expected at least one, such as highway")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(
            f"several layers are called {', '.join(twice)}; give each a name of its own"
        )
    return tuple(layers)
