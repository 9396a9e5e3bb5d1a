"""Many places at once: sorted over the ground, searched for, grouped by memory, composed."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Final, TypeAlias

import numpy as np
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from minewatch import __version__
from minewatch._progress import Progress, silent
from minewatch.errors import ImageryError, LevelError, MinewatchError, one_line
from minewatch.imagery._choose import choose_scenes
from minewatch.imagery._compose import composite_dataset
from minewatch.imagery._footprints import place_polygon
from minewatch.imagery._items import Scene
from minewatch.imagery._place import Place, View
from minewatch.imagery._query import SceneQuery
from minewatch.imagery._read_places import GroupComposer, PlaceComposite
from minewatch.imagery._reader import Reader, ReadError
from minewatch.imagery._sampling import is_own_zone
from minewatch.imagery._source import SearchResult
from minewatch.types import Failure, FloatArray, Level

logger = logging.getLogger(__name__)

STAGE: Final = "imagery"
CELL_DEGREES: Final = 1.0
"""Places in one cell of this size are searched for, and read, together: it is the size of a tile,
and does not cross the border of a UTM zone."""
DEFAULT_WORKERS: Final = 32
"""Files that are read at a time; most of it is waiting for servers."""
DEFAULT_MEMORY_MB: Final = 512
"""Memory that the numbers of one group of places may take, megabytes; one place alone may take
more."""

Bounds: TypeAlias = tuple[float, float, float, float]
"""West, south, east, north, degrees; never across the date line."""
Search: TypeAlias = Callable[[Bounds, SceneQuery], SearchResult]
"""Lists the scenes whose footprint may touch a rectangle."""
Outcome: TypeAlias = xr.Dataset | Exception


@dataclass(frozen=True)
class BatchLoader:
    """Loads places from scenes that somebody finds and files that somebody reads.

    Every source of scenes loads through this, one place or many: there is no other path.
    """

    search: Search
    reader: Reader
    level: Level
    source: str
    """What the composites say that they come from."""
    workers: int = DEFAULT_WORKERS
    memory_mb: int = DEFAULT_MEMORY_MB
    root: str = ""
    """Where its files lie, as far as that is nobody's concern: left out of what composites say."""

    def find(self, geobox: GeoBox, query: SceneQuery) -> SearchResult:
        """List the scenes that may touch a place.

        Raises
        ------
        LevelError
            If there are scenes, and every one is of another level.
        """
        return self._search_all(_bounds([place_polygon(geobox)]), query)

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        """Load one place, just as `load_many` would.

        Raises
        ------
        ImageryError
            If something could not be read, after every retry.
        """
        for _, outcome in self._load_all({"the place": geobox}, query):
            if isinstance(outcome, MinewatchError):
                raise outcome
            if isinstance(outcome, Exception):
                raise ImageryError(_reason(outcome)) from outcome
            return outcome
        raise ImageryError("nothing was loaded")

    def load_many(
        self, geoboxes: Mapping[str, GeoBox], query: SceneQuery, *, progress: Progress = silent
    ) -> Iterator[tuple[str, xr.Dataset | Failure]]:
        """Load many places, cell by cell; those that fail come as failures."""
        progress(STAGE, 0, len(geoboxes))
        for done, (key, outcome) in enumerate(self._load_all(geoboxes, query), start=1):
            if isinstance(outcome, Exception):
                logger.info("%s failed", key, exc_info=outcome)
            progress(STAGE, done, len(geoboxes))
            yield (
                key,
                (
                    Failure(key, STAGE, _reason(outcome))
                    if isinstance(outcome, Exception)
                    else outcome
                ),
            )

    def _load_all(
        self, geoboxes: Mapping[str, GeoBox], query: SceneQuery
    ) -> Iterator[tuple[str, Outcome]]:
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix=STAGE)
        memory_bytes = self.memory_mb * 1_000_000
        composer = GroupComposer(query, self.reader, pool, memory_bytes=memory_bytes)
        try:
            for cell, bounds in _cells(geoboxes):
                yield from self._load_cell(cell, bounds, query, composer)
        except (KeyboardInterrupt, GeneratorExit):
            self.reader.close()  # nobody waits any more, for retries neither
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _load_cell(
        self,
        cell: Sequence[tuple[str, GeoBox]],
        bounds: Sequence[Bounds],
        query: SceneQuery,
        composer: GroupComposer,
    ) -> Iterator[tuple[str, Outcome]]:
        try:
            found = self._search_all(bounds, query)
        except MinewatchError as error:
            yield from ((key, error) for key, _ in cell)
            return
        # Chosen when their group is read, and let go after it: memory must not grow with places.
        places = (_place(key, geobox, found.scenes, query) for key, geobox in cell)
        for group in _groups(places, self.memory_mb * 1_000_000):
            yield from self._load_group(group, found.scenes, query, composer)

    def _load_group(
        self,
        group: Sequence[Place],
        scenes: Sequence[Scene],
        query: SceneQuery,
        composer: GroupComposer,
    ) -> Iterator[tuple[str, Outcome]]:
        """Compose places that are read together; again those that met broken scenes."""
        while group:
            for made in composer.compose(group):
                yield made.place.key, self._dataset(made, query)
            again = []
            for place in group:
                if place.error is None and place.broken:
                    again.append(_without_broken(place, scenes, query))
                elif place.error is not None:
                    yield place.key, place.error
            for place in group:
                place.views = ()  # the masks in them are let go before the next group is read
            yield from ((one.key, one.error) for one in again if one.error is not None)
            group = [one for one in again if one.error is None]

    def _search_all(self, bounds: Iterable[Bounds], query: SceneQuery) -> SearchResult:
        scenes: dict[tuple[str, str], Scene] = {}
        unusable: dict[str, Failure] = {}
        others: set[str] = set()
        for rectangle in bounds:
            found = self.search(rectangle, query)
            unusable.update((failure.key, failure) for failure in found.unusable)
            for scene in found.scenes:
                if scene.level == self.level:
                    scenes[scene.collection, scene.id] = scene
                else:
                    why = f"it is {scene.level}, the source gives {self.level}"
                    unusable[scene.id] = Failure(scene.id, STAGE, why)
                    others.add(scene.id)
        if others and not scenes:
            other = "L1C" if self.level == "L2A" else "L2A"
            raise LevelError(
                f"all {len(others)} scenes found of {self.source} are {other}, and {self.level} is "
                f"asked for; ask for level {other}, or another source"
            )
        return SearchResult(
            tuple(scenes[key] for key in sorted(scenes)),
            tuple(unusable[key] for key in sorted(unusable)),
        )

    def _dataset(self, made: PlaceComposite, query: SceneQuery) -> xr.Dataset:
        geobox = made.place.geobox
        parts = [part for view in made.place.views for part in view.parts]
        zones = sorted({scene.epsg for scene, _ in parts if not is_own_zone(geobox, scene.epsg)})
        attrs: dict[str, object] = {
            "level": self.level,
            "source": self.source,
            "scenes": [_describe(scene, float(mask.mean())) for scene, mask in parts],
            "views": len(made.place.views),
            "views_chosen": made.place.n_views,
            "mask": _mask_words(query),
            "method": query.method,
            "resampling": query.resampling,
            "decisions": sorted({words for scene, _ in parts for words in scene.decisions}),
            "versions": dict(_versions()),
        }
        if made.place.left_out:
            attrs["left_out"] = [
                {"id": scene_id, "reason": why.replace(self.root, "") if self.root else why}
                for (_, scene_id), why in sorted(made.place.left_out.items())
            ]
        if zones:
            attrs["warped_from"] = [f"EPSG:{epsg}" for epsg in zones]
        return composite_dataset(geobox, query.bands, made.numbers, made.clear_count, attrs)


def _place(key: str, geobox: GeoBox, scenes: Sequence[Scene], query: SceneQuery) -> Place:
    """Choose the views of a place; one for which that fails bears the error."""
    try:
        views = choose_scenes(scenes, geobox, query)
    except MinewatchError as error:
        return Place(key, geobox, [], error=error)
    return Place(key, geobox, [View(chosen) for chosen in views], n_views=len(views))


def _without_broken(place: Place, scenes: Sequence[Scene], query: SceneQuery) -> Place:
    """Choose a place's views anew, as if the scenes that were found broken were not listed."""
    left_out = {**place.left_out, **{key: why for key, (_, why) in place.broken.items()}}
    intact = [scene for scene in scenes if (scene.collection, scene.id) not in left_out]
    again = _place(place.key, place.geobox, intact, query)
    again.left_out = left_out
    if not again.views and again.error is None:  # no data would mean that nothing was seen there
        why = left_out[min(left_out)]
        again.error = ImageryError(f"all {len(left_out)} scenes that show it are broken: {why}")
    return again


def _describe(scene: Scene, clear_share: float) -> dict[str, object]:
    return {
        "id": scene.id,
        "date": scene.datetime.isoformat(),
        "baseline": scene.baseline,
        "offset_dn": scene.offset_dn,
        "tile": scene.tile,
        "platform": scene.platform,
        "cloud_percent": scene.cloud_percent,
        "clear_share": round(clear_share, 4),
        **({"maker": scene.maker} if scene.maker else {}),
    }


def _mask_words(query: SceneQuery) -> str:
    words = f"SCL, clear score >= {query.clear_threshold:g}"
    if query.clear_dilation_px:
        words += f", unclear grown by {query.clear_dilation_px} pixels of 20 m"
    return words


@lru_cache(maxsize=1)
def _versions() -> tuple[tuple[str, str], ...]:
    return ("minewatch", __version__), *(
        (name, version(name)) for name in ("numpy", "rasterio", "tifffile")
    )


def _reason(error: Exception) -> str:
    """Give an error's message in one line; of one that nobody foresaw, its kind too."""
    words, kind = one_line(error), type(error).__name__
    return words if isinstance(error, MinewatchError | ReadError) else f"{kind}: {words}"


def _cells(
    geoboxes: Mapping[str, GeoBox],
) -> Iterator[tuple[list[tuple[str, GeoBox]], list[Bounds]]]:
    """Give the places cell by cell, with the rectangles around them.

    Their order depends on nothing but where they lie.
    """
    cells: dict[tuple[float, float], list[tuple[str, GeoBox]]] = {}
    outlines: dict[tuple[float, float], list[BaseGeometry]] = {}
    for key, geobox in geoboxes.items():
        outline = place_polygon(geobox)
        west, south, _, _ = shapely.get_parts(outline)[0].bounds
        cell = np.floor(south / CELL_DEGREES), np.floor(west / CELL_DEGREES)
        cells.setdefault(cell, []).append((key, geobox))
        outlines.setdefault(cell, []).append(outline)
    for cell in sorted(cells):
        yield sorted(cells[cell], key=_by_rows), _bounds(outlines[cell])


def _by_rows(place: tuple[str, GeoBox]) -> tuple[float, float, str]:
    """Sort within a cell by rows of 10 km, so that a group is compact."""
    key, geobox = place
    return -(geobox.transform.f // 10_000), geobox.transform.c, key


def _groups(places: Iterable[Place], memory_bytes: int) -> Iterator[list[Place]]:
    group: list[Place] = []
    used = 0
    for place in places:
        if group and used + place.memory_bytes > memory_bytes:
            yield group
            group, used = [], 0
        group.append(place)
        used += place.memory_bytes
    if group:
        yield group


def _bounds(polygons: Sequence[BaseGeometry]) -> list[Bounds]:
    """Give the rectangle around places; two if they lie on both sides of the date line."""
    parts = shapely.get_parts(np.array(polygons, dtype=object))
    bounds = shapely.bounds(parts)
    east_side = bounds[:, 0] >= 0
    apart = bounds[:, 2].max() - bounds[:, 0].min() > 180.0
    sides = [bounds[east_side], bounds[~east_side]] if apart else [bounds]
    return [_around(side) for side in sides if len(side)]


def _around(bounds: FloatArray) -> Bounds:
    west, south = bounds[:, :2].min(axis=0).tolist()
    east, north = bounds[:, 2:].max(axis=0).tolist()
    return west, south, east, north
