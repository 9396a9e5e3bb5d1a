"""Names of what a detector takes: bands, bands of an earlier date, channels of context."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from minewatch.bands import band_names
from minewatch.errors import BandError

BEFORE: Final = "before"
"""The word for the earlier date of two: ``B04@before``."""
CONTEXT_PREFIX: Final = "osm:"
"""What the names of channels of context begin with: ``osm:highway``."""
DISTANCE_SUFFIX: Final = "_distance"
"""What the names of channels of distance end with: ``osm:highway_distance``."""
_TARGET: Final = "target"
_LAYER: Final = re.compile(r"[a-z][a-z0-9_]*")

_IMAGERY: Final = ("band", "before")

ChannelKind = Literal["band", "before", "presence", "distance"]
"""A band; a band of the earlier date; where something is mapped; how far away it is."""


@dataclass(frozen=True)
class Channel:
    """One plane of numbers that a detector takes."""

    name: str
    """``B04``, ``B04@before``, ``osm:highway``, ``osm:highway_distance``."""
    kind: ChannelKind
    """What its numbers are."""
    part: str
    """The band or the layer: ``B04``, ``highway``."""

    @property
    def is_imagery(self) -> bool:
        """Whether its numbers are reflectance."""
        return self.kind in _IMAGERY


def parse_channel(name: str) -> Channel:
    """Read the name of a channel.

    Raises
    ------
    BandError
        If it is none, or names the target itself.

    Examples
    --------
    >>> parse_channel("B4@before"), parse_channel("osm:highway_distance").kind
    (Channel(name='B04@before', kind='before', part='B04'), 'distance')
    """
    if name.startswith(CONTEXT_PREFIX):
        return _parse_context(name)
    band, mark, date = name.partition("@")
    if mark and date != BEFORE:
        raise BandError(
            f"{name!r} names the date {date!r}; the only other date that is known is {BEFORE!r}: "
            f"{band}@{BEFORE}"
        )
    known = band_names([band])[0]
    if mark:
        return Channel(f"{known}@{BEFORE}", "before", known)
    return Channel(known, "band", known)


def _parse_context(name: str) -> Channel:
    layer = name.removeprefix(CONTEXT_PREFIX)
    kind: ChannelKind = "distance" if layer.endswith(DISTANCE_SUFFIX) else "presence"
    layer = layer.removesuffix(DISTANCE_SUFFIX)
    if not _LAYER.fullmatch(layer):
        raise BandError(
            f"{name!r} is no channel of context; expected {CONTEXT_PREFIX}LAYER or "
            f"{CONTEXT_PREFIX}LAYER{DISTANCE_SUFFIX}, with a layer such as highway"
        )
    if layer == _TARGET:
        raise BandError(
            f"{name!r} is drawn from what names the target itself: who learns from it looks the "
            "answer up. Leave it out"
        )
    return Channel(name, kind, layer)


def channel_names(names: str | Iterable[str]) -> tuple[str, ...]:
    """Give the names of channels as cards write them.

    Parameters
    ----------
    names
        As `minewatch.bands.band_names` takes bands, and besides ``BAND@before``, ``osm:LAYER`` and
        ``osm:LAYER_distance``; or a preset of bands (``"l2a-12"``).

    Raises
    ------
    BandError
        If a name is none, one comes twice, or no band of the detector's own date is among them.

    Examples
    --------
    >>> channel_names("red,B4@before,osm:highway")
    ('B04', 'B04@before', 'osm:highway')
    """
    if isinstance(names, str):
        parts = [part.strip() for part in names.split(",") if part.strip()]
        names = band_names(names) if len(parts) < 2 else parts
    found = tuple(parse_channel(name).name for name in names)
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise BandError(f"{', '.join(twice)} named more than once; each may come once")
    if not bands_of(found):
        raise BandError(
            f"no band is among {', '.join(found) or 'no names'}; expected at least one of the "
            "detector's own date, such as B04"
        )
    return found


def bands_of(names: Sequence[str], kind: Literal["band", "before"] = "band") -> tuple[str, ...]:
    """Give the bands among channels: those of the own date, or of the earlier one.

    Examples
    --------
    >>> bands_of(["B04", "B08@before", "osm:highway"], "before")
    ('B08',)
    """
    return tuple(one.part for one in map(parse_channel, names) if one.kind == kind)


def positions_of(names: Sequence[str], *kinds: ChannelKind) -> list[int]:
    """Say where channels of some kinds stand.

    Examples
    --------
    >>> positions_of(["B04", "osm:highway", "B03"], "band")
    [0, 2]
    """
    return [place for place, name in enumerate(names) if parse_channel(name).kind in kinds]


def dates_of(names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Say where the bands of each date stand; channels of context are of none.

    Examples
    --------
    >>> dates_of(["B04", "B04@before", "B03", "osm:highway"])
    ((0, 2), (1,))
    """
    found = (tuple(positions_of(names, kind)) for kind in _IMAGERY)
    return tuple(places for places in found if places)


def is_plain(names: Sequence[str]) -> bool:
    """Say whether all channels are bands of one date."""
    return all(parse_channel(name).kind == "band" for name in names)


def without_each(names: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give what can be left out of channels besides bands, and what is then kept.

    Examples
    --------
    >>> dict(without_each(["B04", "osm:highway", "osm:building"]))
    {'no channels': ('B04',), 'no channel highway': ('B04', 'osm:building'), \
'no channel building': ('B04', 'osm:highway')}
    """
    channels = [parse_channel(name) for name in names]
    if any(one.kind == "before" for one in channels):
        yield "no earlier date", tuple(one.name for one in channels if one.kind != "before")
    layers = list(dict.fromkeys(one.part for one in channels if not one.is_imagery))
    if layers:
        yield "no channels", tuple(one.name for one in channels if one.is_imagery)
    for layer in layers if len(layers) > 1 else ():
        kept = tuple(one.name for one in channels if one.is_imagery or one.part != layer)
        yield f"no channel {layer}", kept


def channel_groups(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Put together what is not a band of the own date: the earlier date, and each layer drawn.

    Examples
    --------
    >>> channel_groups(["B04", "B04@before", "osm:highway", "osm:highway_distance"])
    {'earlier date': ('B04@before',), 'highway drawn': ('osm:highway', 'osm:highway_distance')}
    """
    groups: dict[str, tuple[str, ...]] = {}
    for one in map(parse_channel, names):
        if one.kind != "band":
            group = "earlier date" if one.kind == "before" else f"{one.part} drawn"
            groups[group] = (*groups.get(group, ()), one.name)
    return groups


def missing_words(missing: Sequence[str]) -> str:
    """Say what to do about channels that patches lack."""
    kinds = {parse_channel(name).kind for name in missing}
    advice = []
    if "band" in kinds:
        advice.append("build or import them with those bands")
    if "before" in kinds:
        advice.append("give the patches of the earlier date (before=, --before)")
    if kinds & {"presence", "distance"}:
        advice.append("give the folder of context with its channels (channels=, --channels)")
    return "; ".join(advice)
