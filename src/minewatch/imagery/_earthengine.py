"""Sentinel-2 from Google Earth Engine, with Cloud Score+, on the very pixels of a place."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, Final, Literal

import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch import __version__
from minewatch._progress import Progress, silent
from minewatch.bands import check_level
from minewatch.errors import BandError, CredentialsError, InputError, MinewatchError
from minewatch.imagery import _earthengine_graph as graph
from minewatch.imagery._earthengine_access import HIGH_VOLUME_URL, Access
from minewatch.imagery._earthengine_client import (
    MAX_CONCURRENCY,
    EarthEngineClient,
    Patience,
    TooBigError,
)
from minewatch.imagery._earthengine_images import (
    EarthEngineImage,
    clearest,
    one_per_pass,
    read_images,
)
from minewatch.imagery._earthengine_pieces import Composite, Piece
from minewatch.imagery._query import SceneQuery
from minewatch.types import Failure, Level, StrPath

logger = logging.getLogger(__name__)

DEFAULT_CONCURRENCY: Final = 20
"""Requests under way at a time, half of what one project may have."""


class EarthEngineSource:
    """Composites made on Google Earth Engine, from L1C or L2A, with Cloud Score+.

    Nothing is asked before the first place is loaded, and nothing is downloaded but the finished
    pixels of each place, on exactly its own grid.

    Parameters
    ----------
    project
        Google Cloud project that is registered for Earth Engine; None for the one stored with the
        credentials.
    level
        ``L1C``: `COPERNICUS/S2_HARMONIZED`, top of atmosphere. ``L2A``:
        `COPERNICUS/S2_SR_HARMONIZED`, surface reflectance.
    credentials
        Credentials of google-auth; None for those of `earthengine authenticate`, or else the
        machine's application default.
    service_account
        Path of a service account's key (JSON), instead of `credentials`.
    views
        ``images``: every image counts, as in the published detectors' own extraction, so that a
        pass counts twice where two tiles overlap. ``passes``: of each pass, the tile that knows
        most of the place.
    max_concurrency
        Requests under way at a time, 1 to 40 (Earth Engine's limit for one project).
    patience
        How requests that meet a quota or a fault are repeated.
    timeout_s
        How long one request may take, seconds.
    url
        Where Earth Engine answers; its high-volume address by default.

    Raises
    ------
    LevelError
        If the level is neither L1C nor L2A.
    InputError
        If `max_concurrency` is out of range, or two kinds of credentials are given.

    Notes
    -----
    ``clear_threshold`` is compared with the band ``cs_cdf`` of Cloud Score+: how clear a pixel is
    among all that were ever seen at its place, from 0 to 1 [1]_. Cloud Score+ is made from L1C and
    serves both levels.

    References
    ----------
    .. [1] Pasquarella, V. J., Brown, C. F., Czerwinski, W., Rucklidge, W. J. (2023). Comprehensive
       quality assessment of optical satellite imagery using weakly supervised video learning.
       CVPR Workshops, 2125–2135.

    Examples
    --------
    >>> source = EarthEngineSource("my-project", level="L1C")
    >>> source.level, source.collection
    ('L1C', 'COPERNICUS/S2_HARMONIZED')
    """

    def __init__(  # noqa: PLR0913  # all but two are for the few who must turn them
        self,
        project: str | None = None,
        *,
        level: Level = "L1C",
        credentials: Any | None = None,
        service_account: StrPath | None = None,
        views: Literal["images", "passes"] = "images",
        max_concurrency: int = DEFAULT_CONCURRENCY,
        patience: Patience | None = None,
        timeout_s: float = 300.0,
        url: str = HIGH_VOLUME_URL,
    ) -> None:
        if not 1 <= max_concurrency <= MAX_CONCURRENCY:
            raise InputError(
                f"max_concurrency is {max_concurrency}; expected 1 to {MAX_CONCURRENCY}, "
                "Earth Engine's limit for one project"
            )
        if credentials is not None and service_account is not None:
            raise InputError("credentials and a service account were given; expected one of them")
        if views not in ("images", "passes"):
            raise InputError(f"views is {views!r}; expected images or passes")
        self._level = check_level(level)
        self._views = views
        self._max_concurrency = max_concurrency
        self._client = EarthEngineClient(
            Access(
                project=project,
                credentials=credentials,
                service_account=None if service_account is None else str(service_account),
                url=url,
            ),
            max_concurrency=max_concurrency,
            patience=patience or Patience(),
            timeout_s=timeout_s,
        )

    @property
    def level(self) -> Level:
        """Processing level of everything that the source gives."""
        return self._level

    @property
    def name(self) -> str:
        """What the source reads, in words: sources of one name give the same pixels."""
        views = "" if self._views == "images" else f", {self._views}"
        return f"Google Earth Engine {self.collection}{views}"

    @property
    def collection(self) -> str:
        """Earth Engine's name of the collection that is read."""
        return graph.COLLECTIONS[self._level]

    def is_seamless(self, query: SceneQuery) -> bool:
        """Tell whether a window cut from a larger place has the pixels of the window alone.

        It has where every image counts, pixel by pixel; what is clearest, or knows most, hangs on
        the place.
        """
        return not self._counts_pixels(query)

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        """Load the composite of a place.

        Parameters
        ----------
        geobox
            The place; its CRS must have an EPSG code.
        query
            Period, bands, and what counts as clear.

        Returns
        -------
        Dataset
            As `minewatch.imagery.ImagerySource` says. In the attributes also ``views_rule``
            (`views`), and ``scenes_rule``: ``considered`` if ``scenes`` are all images of the
            period that touch the place, whether or not they show a clear pixel of it; ``known`` if
            they are those that know pixels of it, which only ``passes`` and ``least_cloudy`` count.

        Raises
        ------
        BandError
            If a band is asked for that the level lacks.
        MissingExtraError
            If earthengine-api is not installed.
        CredentialsError
            If there are no credentials or no project, or they are refused.
        ImageryError
            If Earth Engine refuses, or does not answer after every retry.
        """
        self._check(query)
        self._client.open()
        return self._load(geobox, query, "a place")

    def load_many(
        self,
        geoboxes: Mapping[str, GeoBox],
        query: SceneQuery,
        *,
        progress: Progress = silent,
    ) -> Iterator[tuple[str, xr.Dataset | Failure]]:
        """Load the composites of many places, in the order in which they are done.

        Parameters
        ----------
        geoboxes
            The places by their keys.
        query
            Period, bands, and what counts as clear.
        progress
            Told how many places are done.

        Yields
        ------
        key
            Of the place.
        composite
            What `load` gives, or a `Failure` with the reason.

        Raises
        ------
        BandError, MissingExtraError, ImageryError
            As `load`, if not even a connection can be made; later on, as failures.
        CredentialsError
            If access is refused, at whatever place: every other would be refused too. Those that
            are done by then are given first.
        """
        self._check(query)
        self._client.open()
        progress("imagery", 0, len(geoboxes))
        for done, outcome in enumerate(self._load_side_by_side(geoboxes, query), start=1):
            progress("imagery", done, len(geoboxes))
            yield outcome

    def _load_side_by_side(
        self, geoboxes: Mapping[str, GeoBox], query: SceneQuery
    ) -> Iterator[tuple[str, xr.Dataset | Failure]]:
        pool = ThreadPoolExecutor(self._max_concurrency, thread_name_prefix="earth-engine")
        places = iter(geoboxes.items())
        running: set[Future[tuple[str, xr.Dataset | Failure]]] = set()
        try:
            while True:
                free = self._max_concurrency - len(running)
                running |= {
                    pool.submit(self._load_or_fail, key, geobox, query)
                    for key, geobox in islice(places, free)
                }
                if not running:
                    return
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(finished, key=lambda done: done.exception() is not None):
                    yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _load_or_fail(
        self, key: str, geobox: GeoBox, query: SceneQuery
    ) -> tuple[str, xr.Dataset | Failure]:
        try:
            return key, self._load(geobox, query, key)
        except CredentialsError:
            raise
        except MinewatchError as error:
            return key, Failure(key, "imagery", str(error))

    def _check(self, query: SceneQuery) -> None:
        if self._level == "L2A" and "B10" in query.bands:
            raise BandError("B10 is not in L2A: it sees cirrus, not the ground; ask for L1C")

    def _load(self, geobox: GeoBox, query: SceneQuery, what: str) -> xr.Dataset:
        found = graph.find_images(self._level, geobox, query)
        chosen = self._choose_images(found, geobox, query, what)
        if self._counts_pixels(query):
            found = graph.keep_images(found, [image.id for image in chosen])
        composite = Composite.empty(geobox, query)
        if chosen:
            for piece in composite.pieces():
                self._fill(composite, piece, found, what)
        return self._dataset(composite, chosen)

    def _counts_pixels(self, query: SceneQuery) -> bool:
        return self._views == "passes" or query.method == "least_cloudy"

    def _choose_images(
        self, found: graph.Expression, geobox: GeoBox, query: SceneQuery, what: str
    ) -> list[EarthEngineImage]:
        counts: tuple[str, ...] = ()
        if self._counts_pixels(query):
            found = graph.measure_images(found, geobox, query)
            counts = (graph.KNOWN_PX, graph.CLEAR_PX)
        question = graph.describe_images(found, more=counts)
        images = read_images(self._client.value(question, f"the images of {what}"))
        if counts:
            images = [image for image in images if image.known_px]
        if self._views == "passes":
            images = one_per_pass(images, geobox)
        if query.method == "least_cloudy":
            images = clearest(images)
        return sorted(images, key=lambda image: (image.date, image.id))

    def _fill(
        self, composite: Composite, piece: Piece, images: graph.Expression, what: str
    ) -> None:
        halves = piece.halves()
        try:
            answer = self._client.pixels(
                graph.compose(images, piece.bands, composite.query),
                graph.pixel_grid(composite.part(piece)),
                graph.output_names(piece.bands),
                what,
                splittable=bool(halves),
            )
        except TooBigError as error:
            logger.info("Earth Engine, %s: %s; asked in halves", what, error)
            for half in halves:
                self._fill(composite, half, images, what)
        else:
            composite.put(piece, answer)

    def _dataset(self, composite: Composite, images: Sequence[EarthEngineImage]) -> xr.Dataset:
        from importlib.metadata import version

        query = composite.query
        mask = f"Cloud Score+ V1 {graph.SCORE_BAND} >= {query.clear_threshold:g}"
        if query.clear_dilation_px:
            mask += f", unclear grown by {query.clear_dilation_px * graph.MASK_PIXEL_M} m"
        return composite.dataset(
            {
                "level": self._level,
                "source": f"Google Earth Engine {self.collection}",
                "scenes": [image.as_scene() for image in images],
                "mask": mask,
                "method": query.method,
                "scenes_rule": "known" if self._counts_pixels(query) else "considered",
                "views_rule": self._views,
                "versions": {
                    "minewatch": __version__,
                    "earthengine-api": version("earthengine-api"),
                },
            }
        )
