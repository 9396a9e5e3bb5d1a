"""What a reviewer looks at: the ground around a place, in several dates and band combinations."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from odc.geo.geobox import GeoBox

from minewatch._figures import render_image
from minewatch._store import digest_bytes
from minewatch.errors import InputError, MinewatchError
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery, attribution, credit_of
from minewatch.imagery._preview import FULL_COLOUR as FULL
from minewatch.imagery._preview import PICTURES, shade
from minewatch.maps.review._queue import Item

if TYPE_CHECKING:
    from minewatch.imagery import ImagerySource
    from minewatch.patches import PatchDataset

Combination: TypeAlias = Literal["true_colour", "swir", "infrared"]
COMBINATIONS: Final[tuple[Combination, ...]] = get_args(Combination)
_CHANNELS: Final[Mapping[Combination, tuple[tuple[str, ...], ...]]] = {
    "true_colour": PICTURES["true colour"],
    "swir": PICTURES["false colour"],
    "infrared": (("B08", "B8A"), ("B04",), ("B03",)),
}
"""For red, green and blue the bands that may be shown, the first that is there."""
FULL_COLOUR: Final[Mapping[Combination, float]] = {
    "true_colour": FULL["true colour"],
    "swir": FULL["false colour"],
    "infrared": FULL["false colour"],
}
"""Reflectance that is shown as full colour, the same in every picture: dates can be compared."""
BANDS: Final = ("B02", "B03", "B04", "B08", "B11")
"""What is asked of a source of imagery: all that the combinations need."""
SIDE_PX: Final = 192
"""Side of what is loaded around a place, pixels of 10 m: 1,920 m, four patches."""
_KEPT: Final = 200
"""Scenes that are kept drawn, some 300 kB each."""
_AT_A_TIME: Final = 2


@dataclass(frozen=True, eq=False)
class Scene:
    """The ground around a place in one period."""

    reflectance: npt.NDArray[np.float32]
    """Dims (band, y, x); NaN = no data."""
    bands: tuple[str, ...]
    """ESA's names, in the order of `reflectance`."""
    geobox: GeoBox
    """Its pixels: UTM, north up."""
    days: str
    """Of what days the imagery is, for people."""
    n_scenes: int | None
    """Scenes that it was composed from; None if not known."""
    level: str
    credit: str
    """The words that it has to be shown with."""


class PictureSource(Protocol):
    """Whatever shows the ground around places."""

    @property
    def periods(self) -> tuple[str, ...]:
        """Names of the periods that it shows, the oldest first."""
        ...

    def load(self, item: Item, period: str) -> Scene | None:
        """Load the ground around a place; None if it has none of it.

        Raises
        ------
        MinewatchError
            If it should have, and cannot be read.
        """
        ...


class ArchivePictures:
    """Pictures composed from a source of imagery when they are asked for.

    Parameters
    ----------
    source
        Where imagery comes from, as `minewatch.imagery.open_source` gives it.
    queries
        By name of the period, the oldest first: of which days. Their bands are replaced.
    side_px
        Side of what is shown around each place, pixels of 10 m.

    Examples
    --------
    >>> import xarray as xr
    >>> class Plain:  # a source whose every pixel has a reflectance of 0.12
    ...     level = "L2A"
    ...     def load(self, geobox, query):
    ...         shape = (len(query.bands), *geobox.shape.yx)
    ...         values = np.full(shape, 0.12, dtype=np.float32)
    ...         return xr.Dataset(
    ...             {"reflectance": (("band", "y", "x"), values)}, {"band": list(query.bands)},
    ...             {"level": "L2A", "scenes": [{"date": "2023-07-02T14:37:44Z"}]},
    ...         )
    >>> query = SceneQuery(start="2023-01-01", end="2023-12-31")
    >>> scene = ArchivePictures(Plain(), {"2023": query}).load(Item("a", -62.6, 5.4), "2023")
    >>> scene.reflectance.shape, scene.days, scene.credit
    ((5, 192, 192), '2023-07-02', 'Contains modified Copernicus Sentinel data 2023')
    """

    def __init__(
        self,
        source: "ImagerySource",
        queries: Mapping[str, SceneQuery],
        *,
        side_px: int = SIDE_PX,
    ) -> None:
        if not queries:
            raise InputError("no period is named; expected at least one to show")
        if not 16 <= side_px <= 1_024:
            raise InputError(f"side_px is {side_px}; expected pixels from 16 to 1,024")
        self._source = source
        self._queries = {
            name: query.model_copy(update={"bands": BANDS}) for name, query in queries.items()
        }
        self._grid = PatchGrid(size_px=side_px)

    @property
    def periods(self) -> tuple[str, ...]:
        """Names of the periods, as given."""
        return tuple(self._queries)

    def load(self, item: Item, period: str) -> Scene | None:
        """Compose the ground around a place; None if no scene covers it."""
        geobox = self._grid.geobox(item.longitude, item.latitude)
        composite = self._source.load(geobox, self._queries[period])
        reflectance = composite["reflectance"]
        values = reflectance.to_numpy()
        if not np.isfinite(values).any():
            return None
        scenes: Sequence[Mapping[str, Any]] = composite.attrs["scenes"]
        return Scene(
            values,
            tuple(str(name) for name in reflectance["band"].to_numpy()),
            geobox,
            _span([str(scene["date"])[:10] for scene in scenes]),
            len(scenes),
            str(composite.attrs["level"]),
            credit_of(composite),
        )


class DatasetPictures:
    """Pictures of the patches of datasets, by the name of the place.

    Parameters
    ----------
    datasets
        By name of the period, the oldest first. A place that is in none has no picture.
    """

    def __init__(self, datasets: "Mapping[str, PatchDataset]") -> None:
        if not datasets:
            raise InputError("no dataset of patches is named; expected at least one")
        self._datasets = dict(datasets)

    @property
    def periods(self) -> tuple[str, ...]:
        """Names of the periods, as given."""
        return tuple(self._datasets)

    def load(self, item: Item, period: str) -> Scene | None:
        """Read the patch of a place; None if there is none, or it is empty."""
        dataset = self._datasets[period]
        if item.item_id not in dataset.sites.index:
            return None
        row = dataset.sites.loc[item.item_id]
        bands = tuple(band for band in (*BANDS, "B8A", "B12") if band in dataset.bands)
        if not bands or row["origin"] == "unplaced":
            return None
        values = dataset.pixels([item.item_id], bands=list(bands)).to_numpy()[0]
        if not np.isfinite(values).any():
            return None
        days = [str(row[name])[:10] for name in ("start", "end") if pd.notna(row[name])]
        return Scene(
            values,
            bands,
            dataset.geobox(item.item_id),
            _span(days),
            None if pd.isna(row["scene_count"]) else int(row["scene_count"]),
            dataset.level,
            dataset.header.attribution or attribution([int(day[:4]) for day in days]),
        )


def _span(days: Sequence[str]) -> str:
    known = sorted(day for day in days if day)
    if not known:
        return ""
    return known[0] if known[0] == known[-1] else f"{known[0]} – {known[-1]}"


@dataclass(frozen=True, eq=False)
class Drawn:
    """A scene as pictures."""

    scene: Scene
    pictures: Mapping[Combination, bytes]
    """PNG files by combination, those that its bands allow."""
    digests: Mapping[Combination, str]
    """Of the PNG files: what was shown can be told by them."""


class Album:
    """Pictures by place and period, drawn once and kept for a while.

    Parameters
    ----------
    sources
        Where pictures come from; the first that has one of a place and period shows it.
    """

    def __init__(self, sources: Sequence[PictureSource]) -> None:
        self._sources = tuple(sources)
        self.periods = tuple(dict.fromkeys(name for one in sources for name in one.periods))
        self._kept: OrderedDict[tuple[str, str], Drawn | None] = OrderedDict()
        self._lock = Lock()
        self._loading: dict[tuple[str, str], Lock] = {}
        self._turns = BoundedSemaphore(_AT_A_TIME)

    def get(self, item: Item, period: str) -> Drawn | None:
        """Give the pictures of a place; None if there is none.

        Raises
        ------
        MinewatchError
            If a source cannot be read; it is asked again the next time.
        """
        key = (item.item_id, period)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            own = self._loading.setdefault(key, Lock())
        with own, self._turns:
            with self._lock:
                if key in self._kept:
                    return self._kept[key]
            drawn = self._draw(item, period)
            with self._lock:
                self._kept[key] = drawn
                self._loading.pop(key, None)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return drawn

    def _draw(self, item: Item, period: str) -> Drawn | None:
        for source in self._sources:
            if period not in source.periods:
                continue
            try:
                scene = source.load(item, period)
            except OSError as error:
                if isinstance(error, MinewatchError):
                    raise
                raise InputError(
                    f"the imagery of {item.item_id} cannot be read: {error}"
                ) from error
            if scene is not None:
                return draw_scene(scene)
        return None


def draw_scene(scene: Scene) -> Drawn:
    """Draw a scene in every combination that its bands allow."""
    pictures: dict[Combination, bytes] = {}
    for name in COMBINATIONS:
        chosen = _choose(_CHANNELS[name], scene.bands)
        if chosen is not None:
            pictures[name] = render_image(shade(scene.reflectance[chosen], FULL_COLOUR[name]))
    digests = {name: digest_bytes(png) for name, png in pictures.items()}
    return Drawn(scene, pictures, digests)


def _choose(channels: Sequence[Sequence[str]], bands: Sequence[str]) -> list[int] | None:
    chosen = [next((bands.index(one) for one in own if one in bands), -1) for own in channels]
    return None if -1 in chosen else chosen
