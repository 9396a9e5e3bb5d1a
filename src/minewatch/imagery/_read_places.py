"""A group of places, read together: each file is opened once for all of them.

First the masks: what is clear in which view of which place. Then, band by band, the numbers of the
views that show something. What is read first never changes what comes out: every number has its
own slot, by place, band and view.
"""

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from minewatch.bands import MAX_DN, add_offset
from minewatch.errors import SceneError, one_line
from minewatch.imagery._clouds import clear_pixels, clear_scores
from minewatch.imagery._compose import median_of_views
from minewatch.imagery._items import Scene
from minewatch.imagery._offsets import DARK_BAND, settle_offset
from minewatch.imagery._place import Place, SceneKey, Step, View
from minewatch.imagery._query import SceneQuery
from minewatch.imagery._reader import Reader, ReadError
from minewatch.types import AnyArray, BoolArray

logger = logging.getLogger(__name__)

FILES_AHEAD: Final = 64
"""So many files, in whole bands and at least one, are read while a band is composed."""
AHEAD_SHARE: Final = 8
"""Bands that are read ahead, if more than one, take at most this part of the memory allowed."""


@dataclass(frozen=True)
class MaskUse:
    """A scene's mask is needed for a view of a place."""

    place: Place
    view: View


@dataclass(frozen=True)
class BandUse:
    """A scene's numbers are needed for a view of a place."""

    place: Place
    position: int
    """Number of the place."""
    slot: int
    """Number of the view."""
    mask: BoolArray | None
    """(y, x): where the numbers are taken, if the view has other scenes too; None for everywhere:
    what is not clear is then taken away from all views together."""


Use = TypeVar("Use", MaskUse, BandUse)
Stacks: TypeAlias = list[npt.NDArray[np.uint16]]
"""For each place its numbers in one band, (view, y, x), 0 = no data or not clear."""


@dataclass(frozen=True)
class PlaceComposite:
    """What was made of one place."""

    place: Place
    numbers: npt.NDArray[np.uint16]
    """(band, y, x): digital numbers, 0 = no data."""
    clear_count: npt.NDArray[np.uint16]
    """(y, x): clear views with data, of the bands' counts the largest."""


class GroupComposer:
    """Reads and composes a group of places.

    Parameters
    ----------
    query
        What is asked.
    reader
        Opens files.
    pool
        Where files are read.
    memory_bytes
        What the numbers of bands that are read ahead may take together.
    """

    def __init__(
        self, query: SceneQuery, reader: Reader, pool: Executor, *, memory_bytes: int
    ) -> None:
        self._query = query
        self._reader = reader
        self._pool = pool
        self._memory_bytes = memory_bytes
        self._settled: dict[SceneKey, Scene] = {}
        self._lock = Lock()

    def compose(self, places: Sequence[Place]) -> Iterator[PlaceComposite]:
        """Make the composites of places.

        Those that fail get their `error` set, those that met broken scenes have them listed in
        `broken`; both are not given.
        """
        self._read_masks(places)
        places = [place for place in places if place.is_composed]
        for place in places:
            place.views = _choose_views(place.views, self._query)
            for view in place.views:
                view.known = None  # it takes memory, and has served
        self._settle_offsets(places)
        yield from self._compose_bands(places)

    def _read_masks(self, places: Sequence[Place]) -> None:
        depth = 0
        while True:
            uses: dict[SceneKey, tuple[Scene, list[MaskUse]]] = {}
            for place in places:
                for view in place.views if place.error is None else ():
                    scene = view.next_scene(depth)
                    if scene is not None:
                        uses.setdefault(_key(scene), (scene, []))[1].append(MaskUse(place, view))
            if not uses:
                return
            wait([self._submit(self._read_mask, (0, depth), *one) for one in uses.values()])
            depth += 1

    def _read_mask(self, scene: Scene, uses: Sequence[MaskUse]) -> None:
        if scene.mask is None:
            raise SceneError(
                f"{scene.id}: it has no scene classification (SCL) to find clouds by; take L2A, or "
                "L1C from Earth Engine, which has Cloud Score+"
            )
        margin = self._query.clear_dilation_px
        with self._reader.open(scene.mask) as file:
            samplings = [use.place.sampling(file.grid) for use in uses]
            found = file.read([sampling.window.grown(margin) for sampling in samplings])
        for use, sampling, classes in zip(uses, samplings, found, strict=True):
            clear, known = _judge(classes, self._query)
            inner = (slice(margin, -margin or None),) * 2
            use.view.add(scene, sampling.take(clear[inner]), sampling.take(known[inner]))

    def _settle_offsets(self, places: Sequence[Place]) -> None:
        """Let dark pixels decide on the offsets of scenes whose metadata are wrong at times."""
        uses: dict[SceneKey, tuple[Scene, list[BandUse]]] = _list_uses(places)
        doubtful = {
            key: pair
            for key, pair in uses.items()
            if pair[0].doubtful_offset and pair[0].offset_dn and key not in self._settled
        }
        wait([self._submit(self._settle_offset, (1, 0), *one) for one in doubtful.values()])
        for place in places:
            for view in place.views:
                view.parts = [
                    (self._settled.get(_key(scene), scene), mask) for scene, mask in view.parts
                ]

    def _settle_offset(self, scene: Scene, uses: Sequence[BandUse]) -> None:  # noqa: ARG002  # as others
        numbers, asset = None, scene.bands.get(DARK_BAND)
        if asset is not None:
            with self._reader.open(asset) as file:
                numbers = file.read_sample()
        self._settled[_key(scene)] = settle_offset(scene, numbers)

    def _compose_bands(self, places: Sequence[Place]) -> Iterator[PlaceComposite]:
        n_bands = len(self._query.bands)
        numbers = [np.zeros((n_bands, *place.shape), dtype=np.uint16) for place in places]
        counts = [np.zeros(place.shape, dtype=np.uint16) for place in places]
        clear = [np.array([view.mask for view in place.views]) for place in places]
        for band, stacks in enumerate(self._read_bands(places)):
            for i, place in enumerate(places):
                if place.is_composed and place.views:
                    np.multiply(stacks[i], clear[i], out=stacks[i])
                    numbers[i][band], count = median_of_views(stacks[i])
                    np.maximum(counts[i], count, out=counts[i])
            stacks.clear()  # let go before the next band is begun
        for i, place in enumerate(places):
            if place.is_composed:
                yield PlaceComposite(place, numbers[i], counts[i])

    def _read_bands(self, places: Sequence[Place]) -> Iterator[Stacks]:
        """Give the bands in the order of the query, some read ahead."""
        uses = _list_uses(places)
        most_ahead = self._bands_ahead(places, len(uses))
        ahead: deque[tuple[Stacks, list[Future[None]]]] = deque()
        for band in self._query.bands:
            stacks = [np.zeros((len(place.views), *place.shape), np.uint16) for place in places]
            ahead.append((stacks, self._submit_band(band, uses, stacks)))
            if len(ahead) > most_ahead:
                yield _finished(*ahead.popleft())
        while ahead:
            yield _finished(*ahead.popleft())

    def _bands_ahead(self, places: Sequence[Place], n_files: int) -> int:
        band_bytes = 2 * sum(len(place.views) * math.prod(place.shape) for place in places)
        wanted = FILES_AHEAD // max(n_files, 1)
        affordable = self._memory_bytes // AHEAD_SHARE // max(band_bytes, 1)
        return max(min(wanted, affordable), 1)

    def _submit_band(
        self,
        band: str,
        uses: dict[SceneKey, tuple[Scene, list[BandUse]]],
        stacks: Stacks,
    ) -> list[Future[None]]:
        def read(scene: Scene, own: Sequence[BandUse]) -> None:
            self._read_band(scene, own, band, stacks)

        number = self._query.bands.index(band)
        return [self._submit(read, (2, number), *one) for one in uses.values()]

    def _read_band(self, scene: Scene, uses: Sequence[BandUse], band: str, stacks: Stacks) -> None:
        asset = scene.bands[band]
        bilinear = self._query.resampling == "bilinear"
        with self._reader.open(asset) as file:
            samplings = [use.place.sampling(file.grid, bilinear=bilinear) for use in uses]
            found = file.read([sampling.window for sampling in samplings])
        for use, sampling, raw in zip(uses, samplings, found, strict=True):
            numbers = _to_reflectance_dn(raw, asset.offset_dn)
            sampling.put(numbers, stacks[use.position][use.slot], use.mask)

    def _submit(
        self,
        work: Callable[[Scene, Sequence[Use]], None],
        stage: tuple[int, int],
        scene: Scene,
        uses: Sequence[Use],
    ) -> Future[None]:
        return self._pool.submit(self._guarded, work, (*stage, _key(scene)), scene, uses)

    def _guarded(
        self,
        work: Callable[[Scene, Sequence[Use]], None],
        step: Step,
        scene: Scene,
        uses: Sequence[Use],
    ) -> None:
        """Do some work for some places; let them fail if it does."""
        # What failed at a later step goes on: which comes first must not decide on the reason.
        going_on = [use for use in uses if not use.place.failed_before(step)]
        if not going_on:
            return
        try:
            work(scene, going_on)
        except Exception as error:  # the one place where an error becomes a row
            logger.debug("%s", scene.id, exc_info=error)
            damage = error.damage if isinstance(error, ReadError) else "none"
            if damage == "part" and len(going_on) > 1:  # only some of them may need that part
                for use in going_on:
                    self._guarded(work, step, scene, [use])
                return
            leave_out = damage != "none" and self._query.broken_scenes == "leave_out"
            with self._lock:
                for use in going_on:
                    if leave_out:
                        use.place.meet_broken(step, _key(scene), one_line(error))
                    else:
                        use.place.fail(step, error)


def _finished(stacks: Stacks, futures: Sequence[Future[None]]) -> Stacks:
    wait(futures)
    return stacks


def _list_uses(places: Sequence[Place]) -> dict[SceneKey, tuple[Scene, list[BandUse]]]:
    """List for each scene the views of places that need its numbers."""
    uses: dict[SceneKey, tuple[Scene, list[BandUse]]] = {}
    for position, place in enumerate(places):
        for slot, view in enumerate(place.views):
            for scene, mask in view.parts:
                own = uses.setdefault(_key(scene), (scene, []))[1]
                own.append(BandUse(place, position, slot, mask if len(view.parts) > 1 else None))
    return uses


def _choose_views(views: Sequence[View], query: SceneQuery) -> list[View]:
    """Keep the views that show something; for `least_cloudy` the clearest, the first of equals."""
    useful = [view for view in views if view.parts]
    if query.method == "least_cloudy" and useful:
        return [max(useful, key=lambda view: view.clear_px)]
    return useful


def _judge(classes: npt.NDArray[np.uint8], query: SceneQuery) -> tuple[BoolArray, BoolArray]:
    """Tell where a mask is clear and where it is known at all."""
    clear_of, known_of = _class_tables(query.clear_threshold)
    clear = (
        clear_pixels(
            classes,
            clear_threshold=query.clear_threshold,
            dilation_px=query.clear_dilation_px,
        )
        if query.clear_dilation_px
        else clear_of[classes]
    )
    return clear, known_of[classes]


@lru_cache(maxsize=16)
def _class_tables(clear_threshold: float) -> tuple[BoolArray, BoolArray]:
    classes = np.arange(256, dtype=np.uint8)
    clear = clear_pixels(classes[None], clear_threshold=clear_threshold)[0]
    return clear, np.isfinite(clear_scores(classes))


def _to_reflectance_dn(raw: AnyArray, offset_dn: int) -> npt.NDArray[np.uint16]:
    if offset_dn == 0:
        return raw.astype(np.uint16, copy=False)
    numbers: npt.NDArray[np.uint16] = _offset_table(offset_dn)[raw]
    return numbers


@lru_cache(maxsize=4)
def _offset_table(offset_dn: int) -> npt.NDArray[np.uint16]:
    """Give the result of `add_offset` for every number there is: looking up is faster."""
    return add_offset(np.arange(MAX_DN + 1, dtype=np.uint16), offset_dn)


def _key(scene: Scene) -> SceneKey:
    return scene.collection, scene.id
