"""What sources of scenes have in common, wherever their scenes are found and files are read."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch._progress import Progress, silent
from minewatch.imagery._batch import BatchLoader
from minewatch.imagery._query import SceneQuery
from minewatch.imagery._source import SearchResult
from minewatch.types import Failure, Level


class SceneSource:
    """A source that finds scenes and composes places from their files, by one `BatchLoader`."""

    _loader: BatchLoader

    @property
    def level(self) -> Level:
        """Processing level of everything that the source gives."""
        return self._loader.level

    @property
    def name(self) -> str:
        """What the source reads, in words: sources of one name give the same pixels."""
        return self._loader.source

    @property
    def holdings(self) -> str | None:
        """What the source holds, in one line; None where that is not known without asking."""
        return None

    def search(self, geobox: GeoBox, query: SceneQuery) -> SearchResult:
        """List the scenes of the period whose footprint may touch a place; nothing is chosen.

        Raises
        ------
        ImageryError
            If a catalogue does not answer, after every retry.
        LevelError
            If there are scenes, and every one is of another level than the source.
        NotThereError
            If a folder holds no STAC items.
        """
        return self._loader.find(geobox, query)

    def within(self, geobox: GeoBox, query: SceneQuery) -> "SceneSource":
        """Give a source for places inside a larger one, whose scenes are searched for once, now.

        Each place has the composite that it has from this source: scenes are chosen for it.

        Raises
        ------
        ImageryError, LevelError, NotThereError
            As `search`.
        """
        found = self._loader.find(geobox, query)
        return _FoundSource(replace(self._loader, search=lambda _bounds, _query: found))

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        """Load the composite of a place.

        Parameters
        ----------
        geobox
            The place.
        query
            Period, bands, and what counts as clear.

        Returns
        -------
        Dataset
            As `minewatch.imagery.ImagerySource` says. In the attributes also ``views`` (how many
            stand behind it), ``views_chosen`` (how many were looked at), ``resampling``,
            ``decisions`` (on offsets), ``warped_from`` where scenes of another UTM zone were taken,
            and ``left_out`` where broken ones were not.

        Raises
        ------
        BandError
            If no scene has a band.
        LevelError
            If there are scenes, and every one is of another level than the source.
        ImageryError
            If a catalogue or a file could not be read, after every retry.
        NotThereError
            If a folder holds no STAC items.
        """
        return self._loader.load(geobox, query)

    def load_many(
        self, geoboxes: Mapping[str, GeoBox], query: SceneQuery, *, progress: Progress = silent
    ) -> Iterator[tuple[str, xr.Dataset | Failure]]:
        """Load many places, those near each other together, each equal to what `load` gives.

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
        """
        return self._loader.load_many(geoboxes, query, progress=progress)


class _FoundSource(SceneSource):
    """A source whose scenes were searched for before."""

    def __init__(self, loader: BatchLoader) -> None:
        self._loader = loader
