"""What is said to an Overpass server, in its own language."""

from collections.abc import Sequence
from typing import Final

import shapely

from minewatch.context._layers import Kind, Layer
from minewatch.context._overpass_parts import Part
from minewatch.context._target import wanted_layers

STATE_QUERY: Final = "[out:json][timeout:25];out;"
"""Asks for nothing but the date of the server's data."""
_AREA_RELATIONS: Final = '["type"~"^(multipolygon|boundary)$"]'
"""Relations that enclose ground. Others (routes, whole rivers) reach across continents, have no
geometry of their own, and would bring all their members with them."""


def write_query(
    part: Part, layers: Sequence[Layer], *, date: str | None, timeout_s: int, memory_mib: int
) -> str:
    """Write the query of one part: all that touches its box, and all that its box lies in.

    A box finds what has a vertex in it or a side across it. An area that the whole box lies in has
    neither, so it is asked for by a point inside.

    Parameters
    ----------
    part
        The box.
    layers
        What is wanted; tags that name the target are added.
    date
        State of the data, ISO 8601 in UTC; None for the newest that the server has.
    timeout_s
        After how many seconds the server gives up.
    memory_mib
        After how much memory it does.
    """
    found = _filters(wanted_layers(layers))
    west, south, east, north = (f"{edge:.6f}" for edge in part.bounds)
    inside = shapely.point_on_surface(part.ground)
    state = "" if date is None else f'[date:"{date}"]'
    return "\n".join(
        [
            f"[out:json][timeout:{timeout_s}][maxsize:{memory_mib << 20}]{state};",
            "(",
            *(f"  {kind}{tag}({south},{west},{north},{east});" for kind, tag in found),
            ")->.touching;",
            f"is_in({shapely.get_y(inside):.7f},{shapely.get_x(inside):.7f})->.areas;",
            "wr(pivot.areas)->.around;",
            "(",
            *(f"  wr.around{tag};" for kind, tag in found if "r" in kind),
            ")->.holding;",
            "(",
            "  node.touching; way.touching; way.holding;",
            f"  relation.touching{_AREA_RELATIONS};",
            f"  relation.holding{_AREA_RELATIONS};",
            ");",
            "(._;>;);",
            "out body qt;",
        ]
    )


def _filters(layers: Sequence[Layer]) -> list[tuple[str, str]]:
    """Give the kinds of elements and the filter of each tag: ``("wr", '["highway"]')``."""
    wanted: dict[str, list[Layer]] = {}
    for layer in layers:
        wanted.setdefault(layer.key, []).append(layer)
    return [
        (_elements({kind for layer in own for kind in layer.kinds}), _tag_filter(key, own))
        for key, own in sorted(wanted.items())
    ]


def _elements(kinds: set[Kind]) -> str:
    """Name the elements that may be drawn as these kinds: n, w and r in one word."""
    nodes = "n" if "point" in kinds else ""
    ways = "w" if kinds & {"line", "area"} else ""
    relations = "r" if "area" in kinds else ""
    word = nodes + ways + relations
    return {"n": "node", "w": "way"}.get(word, word)


def _tag_filter(key: str, layers: Sequence[Layer]) -> str:
    """Write the filter of a key; what names the target may be one of a list of values."""
    values: set[str] = set()
    for layer in layers:
        if layer.values is None:
            return f"[{_quote(key)}]"
        values.update(layer.values)
    either = "|".join(_escape(value) for value in sorted(values))
    if any(layer.names_the_target for layer in layers):
        return f"[{_quote(key)}~{_quote(f'(^|;) *({either}) *(;|$)')}]"
    if len(values) == 1:
        return f"[{_quote(key)}={_quote(next(iter(values)))}]"
    return f"[{_quote(key)}~{_quote(f'^({either})$')}]"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _escape(text: str) -> str:
    """Escape what means something in POSIX extended regular expressions."""
    return "".join(f"\\{letter}" if letter in r".^$*+?()[]{}|\\" else letter for letter in text)
