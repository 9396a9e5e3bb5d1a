"""The pixels of windows: cut from a few large composites that equal those of each window alone.

A composite is made from the scenes that are chosen for its place, and in an order that hangs on how
much of the place each covers. So the composite of a tile and that of a window in it may differ
where footprints end or scenes of one pass overlap. Here the choice is made for every window first;
windows are read together only where the choice for all of them is that for the ground around them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from minewatch.errors import ImageryError
from minewatch.imagery import ImagerySource, SceneQuery, check_composite, makers_of
from minewatch.imagery._choose import COVER_MARGIN_M, choose_scenes
from minewatch.imagery._footprints import place_polygon
from minewatch.imagery._items import Scene
from minewatch.imagery._scene_source import SceneSource
from minewatch.scan._windows import Windows
from minewatch.types import AnyArray, Failure, IntArray

_CLOSE_M: Final = 1.0
"""Outlines have straight edges between projected points; they may differ by less than this."""

Choice: TypeAlias = tuple[tuple[tuple[str, str], ...], ...]
"""Views in order, each of scenes in order, by collection and id."""


@runtime_checkable
class SeamlessSource(Protocol):
    """A source that can say that its composites do not hang on how the ground is cut."""

    def is_seamless(self, query: SceneQuery) -> bool:
        """Tell whether a window cut from a larger place has the pixels of the window alone."""
        ...


@dataclass(frozen=True, eq=False)
class Piece:
    """The composite around some windows of a tile."""

    positions: IntArray
    """Which of the tile's windows."""
    reflectance: xr.DataArray
    """(band, y, x), float32, NaN = no data."""
    clear_count: AnyArray
    """(y, x), uint16."""
    rows_px: IntArray
    """Upper left pixel of each window: its row."""
    columns_px: IntArray
    """Its column."""
    start: str
    """Day of the first scene, ISO date; empty if there is none."""
    end: str
    """Day of the last scene."""
    makers: tuple[str, ...]
    """Who made the scenes."""
    n_scenes: int
    """Scenes that it was made from."""
    n_views: int
    """Views that were looked at, whether anything is clear in them or not."""
    footprints: tuple[BaseGeometry, ...] | None
    """Ground that the scenes of the period show, degrees; None where the source does not say."""


def read_pieces(source: ImagerySource, query: SceneQuery, windows: Windows) -> Iterator[Piece]:
    """Load the composites that windows are cut from; each window has the pixels of its own.

    Raises
    ------
    ImageryError
        If one of them could not be loaded.
    """
    if isinstance(source, SceneSource) and len(windows):
        source = source.within(windows.box_around(np.arange(len(windows))), query)
    footprints = _footprints(source, query, windows)
    waiting = list(plan_pieces(source, query, windows))
    while waiting:
        boxes = {str(place): windows.box_around(own) for place, own in enumerate(waiting)}
        again: list[IntArray] = []
        for key, composite in _load(source, query, boxes):
            positions = waiting[int(key)]
            if composite.attrs.get("left_out") and len(positions) > 1:
                # What was left out for the ground around it may be whole where a window lies.
                again += [np.array([position]) for position in positions]
            else:
                yield _piece(composite, windows, positions, footprints)
        waiting = again


def _footprints(
    source: ImagerySource, query: SceneQuery, windows: Windows
) -> tuple[BaseGeometry, ...] | None:
    """List what the scenes of the period show, however cloudy; None if the source does not say."""
    if not isinstance(source, SceneSource) or not len(windows):
        return None
    scenes = source.search(windows.box_around(np.arange(len(windows))), query).scenes
    return tuple(one.footprint for one in scenes if query.start <= one.date <= query.end)


def plan_pieces(source: ImagerySource, query: SceneQuery, windows: Windows) -> Iterator[IntArray]:
    """Say which windows may be cut from one composite; every window is in one lot."""
    every = np.arange(len(windows), dtype=np.int64)
    if query.method == "median" and isinstance(source, SceneSource):
        scenes = source.search(windows.box_around(every), query).scenes
        yield from _agreeing(_Chooser(scenes, query, windows), every)
    elif isinstance(source, SeamlessSource) and source.is_seamless(query):
        yield every
    else:  # the clearest view of a place hangs on the place
        yield from (every[[position]] for position in every)


class _Chooser:
    """Chooses the scenes of windows, and of the ground around several."""

    def __init__(self, scenes: tuple[Scene, ...], query: SceneQuery, windows: Windows) -> None:
        self.windows = windows
        self._scenes = [one for one in scenes if one.level == scenes[0].level]
        self._query = query
        self.own = self._choose_all()

    def around(self, positions: IntArray) -> Choice:
        """Choose for the ground around windows."""
        return self._choose(self.windows.box_around(positions))

    def _choose(self, geobox: GeoBox) -> Choice:
        views = choose_scenes(self._scenes, geobox, self._query)
        return tuple(tuple((one.collection, one.id) for one in view) for view in views)

    def _choose_all(self) -> list[Choice]:
        """Choose for every window; once for those that all scenes lie to in the same way."""
        known: dict[bytes, Choice] = {}
        choices = []
        for position, sign in enumerate(self._signs()):
            if sign not in known:
                known[sign] = self._choose(self.windows.geobox(position))
            choices.append(known[sign])
        return choices

    def _signs(self) -> list[bytes]:
        """Say of every window how the scenes lie to it; of one on an edge, that it is like none."""
        partial = self._partial()
        if not partial:
            return [b""] * len(self.windows)
        boxes = [self.windows.geobox(position) for position in range(len(self.windows))]
        plain = np.array([place_polygon(box) for box in boxes])
        wide = np.array([place_polygon(box, margin_m=COVER_MARGIN_M) for box in boxes])
        touched = np.column_stack([shapely.intersects(one.footprint, plain) for one in partial])
        covered = np.column_stack([shapely.covers(one.footprint, wide) for one in partial])
        clear = np.asarray((covered | ~touched).all(axis=1))
        return [
            covered[position].tobytes() if clear[position] else str(position).encode()
            for position in range(len(self.windows))
        ]

    def _partial(self) -> list[Scene]:
        """List the scenes that may touch some windows and not cover all of them."""
        ground = self.windows.box_around(np.arange(len(self.windows)))
        near = place_polygon(ground, margin_m=_CLOSE_M)
        wide = place_polygon(ground, margin_m=COVER_MARGIN_M + _CLOSE_M)
        return [
            scene
            for scene in self._scenes
            if scene.footprint.intersects(near) and not scene.footprint.covers(wide)
        ]


def _agreeing(chooser: _Chooser, positions: IntArray) -> Iterator[IntArray]:
    """Part windows until the choice for each is the choice for the ground around its part."""
    lots: dict[Choice, list[int]] = {}
    for position in positions.tolist():
        lots.setdefault(chooser.own[position], []).append(position)
    for choice, members in lots.items():
        lot = np.array(members, dtype=np.int64)
        if len(lot) == 1 or chooser.around(lot) == choice:
            yield lot
        else:
            for half in _halves(chooser.windows, lot):
                yield from _agreeing(chooser, half)


def _halves(windows: Windows, lot: IntArray) -> tuple[IntArray, IntArray]:
    left, top = windows.left_m[lot], windows.top_m[lot]
    along = left if np.ptp(left) >= np.ptp(top) else top
    order = np.argsort(along, kind="stable")
    middle = len(lot) // 2
    return np.sort(lot[order[:middle]]), np.sort(lot[order[middle:]])


def _load(
    source: ImagerySource, query: SceneQuery, boxes: Mapping[str, GeoBox]
) -> Iterator[tuple[str, xr.Dataset]]:
    load_many = getattr(source, "load_many", None)
    if load_many is None or len(boxes) == 1:  # alone, an error keeps its class
        outcomes = ((key, source.load(geobox, query)) for key, geobox in boxes.items())
    else:
        outcomes = load_many(boxes, query)
    for key, composite in outcomes:
        if isinstance(composite, Failure):
            raise ImageryError(composite.reason)
        yield key, check_composite(composite, bands=query.bands)


def _piece(
    composite: xr.Dataset,
    windows: Windows,
    positions: IntArray,
    footprints: tuple[BaseGeometry, ...] | None,
) -> Piece:
    box = windows.box_around(positions)
    step = windows.grid.resolution_m
    rows = (round(box.transform.f) - windows.top_m[positions]) / step
    columns = (windows.left_m[positions] - round(box.transform.c)) / step
    scenes = composite.attrs["scenes"]
    days = sorted(str(scene["date"])[:10] for scene in scenes)
    reflectance = composite["reflectance"]
    reflectance.attrs |= {"level": composite.attrs["level"], "resolution_m": step}
    return Piece(
        positions=positions,
        reflectance=reflectance,
        clear_count=composite["clear_count"].to_numpy(),
        rows_px=np.rint(rows).astype(np.int64),
        columns_px=np.rint(columns).astype(np.int64),
        start=days[0] if days else "",
        end=days[-1] if days else "",
        makers=makers_of(scenes),
        n_scenes=len(scenes),
        n_views=int(composite.attrs.get("views_chosen", len(scenes))),
        footprints=footprints,
    )
