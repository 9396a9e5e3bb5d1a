"""Which scenes a place is made from, in which order, and why others are not."""

from collections.abc import Iterable
from dataclasses import dataclass

from odc.geo.geobox import GeoBox

from minewatch.imagery._items import Scene
from minewatch.imagery._query import SceneQuery


@dataclass(frozen=True)
class Dropped:
    """A scene that is not used for a place, and why."""

    scene: Scene
    reason: str
    """One line."""


@dataclass(frozen=True)
class Choice:
    """The scenes of a place, chosen and not."""

    views: tuple[tuple[Scene, ...], ...]
    """Views in order of time; in each the scenes to read, each filled by the next."""
    dropped: tuple[Dropped, ...]
    """Scenes that are not used."""


def judge_scenes(scenes: Iterable[Scene], geobox: GeoBox, query: SceneQuery) -> Choice:
    """Choose the scenes that a place is made from, and say why others are not.

    One view is what one pass of a satellite saw of the place, whatever the number of tiles.
    """
    raise NotImplementedError


def choose_scenes(scenes: Iterable[Scene], geobox: GeoBox, query: SceneQuery) -> list[list[Scene]]:
    """Choose the scenes that a place is made from: views in order of time, each of scenes."""
    return [list(view) for view in judge_scenes(scenes, geobox, query).views]
