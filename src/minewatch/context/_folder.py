"""The context of a study in one folder: features, measures, channels, and how they were made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch import __version__, _store
from minewatch._progress import Progress, silent
from minewatch.context._channels import MAX_DISTANCE_M, draw_channels
from minewatch.context._columns import check_features, check_radii, choose_layers, target_columns
from minewatch.context._features import Features, read_features, write_features
from minewatch.context._layers import TARGET, Layer
from minewatch.context._measure import DEFAULT_RADII_M, check_places, measure_context
from minewatch.context._request import (
    FEATURES_NAME,
    FORMAT,
    Request,
    difference,
    grids_of,
    versions,
)
from minewatch.context._summary import summarise_measures
from minewatch.context._zarr import open_channels, request_key, write_lots
from minewatch.errors import AlreadyThereError, DatasetError, NotThereError
from minewatch.grid import PatchGrid
from minewatch.sites._distance import lonlat
from minewatch.types import StrPath

MEASURES_NAME: Final = "measures.parquet"
CHANNELS_NAME: Final = "channels.zarr"
HEADER_NAME: Final = "context.json"
_KEY: Final = b"minewatch_request"
_PLACE: Final = ("longitude", "latitude")
"""Columns of the measures' file that no number of context is: where each site lay."""
_STEP: Final = "write channels"


@dataclass(frozen=True, eq=False)
class Context:
    """What OpenStreetMap knows around the places of a study.

    Open one with `open_context`, make one with `write_context`.
    """

    path: Path
    """The folder."""
    features: Features = field(repr=False)
    """What is mapped."""
    table: pd.DataFrame = field(repr=False)
    """What was measured around every site, as `measure_context` gives it; index ``site_id``."""
    channels: xr.Dataset | None = field(repr=False)
    """What `draw_channels` gives, read when it is asked for; None if no channels were drawn."""
    info: Mapping[str, Any] = field(repr=False)
    """How it was made: ``settings``, ``versions``, ``digests``; the date and attribution of the
    map: ``osm_timestamp``, ``attribution``."""
    places: pd.DataFrame | None = field(default=None, repr=False)
    """Where the sites lay that were measured: ``longitude`` and ``latitude``, degrees, NaN where a
    site has none; index ``site_id``. None if that was not kept."""

    @property
    def target_columns(self) -> list[str]:
        """The columns of `table` that name the target: not for a model."""
        return target_columns(self.table.columns)

    @property
    def ordinary_columns(self) -> list[str]:
        """The columns of `table` that do not name the target."""
        naming = set(self.target_columns)
        return [name for name in self.table.columns if name not in naming]

    def summary(self) -> dict[str, Any]:
        """Say in a few JSON values what lies around the sites; no channel is read."""
        return {
            "path": str(self.path),
            **summarise_measures(self.table),
            "patches": self.info["patches"],
            "osm_timestamp": self.info["osm_timestamp"],
            "attribution": self.info["attribution"],
            "minewatch": self.info["minewatch"],
        }


def write_context(  # noqa: PLR0913 - keyword-only facts, none of them derivable
    folder: StrPath,
    sites: gpd.GeoDataFrame,
    features: Features | StrPath | None = None,
    *,
    geoboxes: Mapping[str, GeoBox] | None = None,
    layers: Sequence[Layer | str] | None = None,
    radii_m: Sequence[float] = DEFAULT_RADII_M,
    grid: PatchGrid = PatchGrid(),  # noqa: B008 - frozen
    all_touched: bool = True,
    max_distance_m: float | None = MAX_DISTANCE_M,
    with_channels: bool = True,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Context:
    """Measure what is mapped around sites, draw it on their patches, and keep it in a folder.

    The folder may hold what `fetch_features` wrote. A writing that was stopped goes on when the
    same is asked again, and what is whole already is not made again; the same inputs give the same
    bytes.

    Parameters
    ----------
    folder
        The folder: ``features.parquet``, ``measures.parquet``, ``channels.zarr``,
        ``context.json``.
    sites
        Table of sites: index ``site_id``, points in EPSG:4326.
    features
        What is mapped, or its file. None: ``features.parquet`` in the folder.
    geoboxes
        Grids of the patches by site_id, of a patch dataset. None: as `grid` cuts them.
    layers, radii_m, grid
        As `measure_context` takes them. With ``"target"`` among the layers, what names the target
        is drawn, too: for people to look at, not for a model.
    all_touched, max_distance_m
        As `draw_channels` takes them.
    with_channels
        Draw channels.
    overwrite
        Replace what was made of other inputs.
    progress
        Told the sites measured, then the patches drawn.

    Raises
    ------
    AlreadyThereError
        If the folder holds the context of other inputs, and `overwrite` is false.
    NotThereError
        If there is no file of features.
    InputError
        If sites, features or settings cannot be used.
    LockedError
        If another process is writing there.

    Examples
    --------
    >>> import tempfile
    >>> from shapely import Point
    >>> sites = gpd.GeoDataFrame(
    ...     geometry=[Point(-62.6, 5.4)], index=pd.Index(["a"], name="site_id"), crs="EPSG:4326"
    ... )
    >>> words = pd.ArrowDtype(pa.map_(pa.string(), pa.string()))
    >>> tags = pd.array([[("name", "San Juan")]], dtype=words)
    >>> table = gpd.GeoDataFrame(
    ...     {"place": ["village"], "target": pd.array([None], dtype="str"), "kind": ["point"],
    ...      "tags": tags},
    ...     geometry=[Point(-62.6, 5.41)], index=pd.Index(["node/1"], name="feature_id"),
    ...     crs="EPSG:4326",
    ... )
    >>> features = Features(table, pd.DataFrame(columns=["feature_id", "reason", "repaired"]), {})
    >>> with tempfile.TemporaryDirectory() as study:
    ...     context = write_context(f"{study}/context", sites, features)
    ...     print(context.table.loc["a", "place_nearest_m"].round(1))
    ...     print(sorted(path.name for path in context.path.iterdir()))
    1105.8
    ['channels.zarr', 'context.json', 'features.parquet', 'measures.parquet']
    """
    final = Path(folder)
    radii = check_radii(radii_m)
    check_places(sites)
    with _store.locked(final):
        taken = _read_given(final, features)
        table, info = check_features(taken)
        chosen = choose_layers(layers, table, info)
        # Only now, when all that is asked for can be done, is anything replaced.
        _put_features(final, taken, is_own=_is_own(final, features), overwrite=overwrite)
        request = Request(
            sites=sites,
            features=taken,
            layers=chosen,
            draws_target=layers is not None and TARGET in layers,
            radii_m=radii,
            grid=grid,
            geoboxes=grids_of(sites, grid, geoboxes),
            own_geoboxes=geoboxes,
            with_channels=with_channels,
            all_touched=all_touched,
            max_distance_m=max_distance_m,
            digest=_store.digest_file(final / FEATURES_NAME),
        )
        key = request.key()
        _refuse_other(final, request, key, overwrite=overwrite)
        _write_measures(final / MEASURES_NAME, request, key, progress)
        _write_channels(final / CHANNELS_NAME, request, key, progress)
        _write_header(final, request, key)
    return open_context(final)


def open_context(folder: StrPath) -> Context:
    """Open the context of a study; no channel is read.

    Parameters
    ----------
    folder
        A folder that `write_context` made.

    Raises
    ------
    NotThereError
        If there is no such folder, or nothing was measured in it.
    DatasetError
        If files are missing, or are not those that were written.
    """
    path = Path(folder)
    header = _read_header(path)
    for name, digest in header["digests"].items():
        if not (path / name).is_file() or _store.digest_file(path / name) != digest:
            raise DatasetError(
                f"{path / name} is missing or not what the context was made of; measure the "
                "context again"
            )
    table, places = _read_measures(path / MEASURES_NAME)
    drawn = header["settings"]["channels"]
    if drawn and request_key(path / CHANNELS_NAME) != header["key"]:
        raise DatasetError(f"{path / CHANNELS_NAME} is missing; measure the context again")
    return Context(
        path=path,
        features=read_features(path / FEATURES_NAME),
        table=table,
        places=places,
        channels=open_channels(path / CHANNELS_NAME) if drawn else None,
        info=header,
    )


def _is_own(folder: Path, features: Features | StrPath | None) -> bool:
    """Say whether the features are those that lie in the folder."""
    if isinstance(features, Features):
        return False
    return features is None or Path(features) == folder / FEATURES_NAME


def _read_given(folder: Path, features: Features | StrPath | None) -> Features:
    """Read the features; None: those that lie in the folder."""
    if isinstance(features, Features):
        return features
    own = folder / FEATURES_NAME
    if features is None or Path(features) == own:
        if not own.is_file():
            raise NotThereError(
                f"{own} does not exist; fetch features first (minewatch context fetch), or name "
                "their file"
            )
        return read_features(own)
    return read_features(features)


def _put_features(folder: Path, given: Features, *, is_own: bool, overwrite: bool) -> None:
    """Put the features into the folder if they come from elsewhere."""
    own = folder / FEATURES_NAME
    if is_own:
        return
    if not own.exists():
        write_features(given, own)
        return
    aside = folder / f".new-{FEATURES_NAME}"
    try:
        write_features(given, aside, overwrite=True)
        if _store.digest_file(aside) != _store.digest_file(own):
            _store.refuse_existing(own, overwrite=overwrite)
            aside.replace(own)
    finally:
        aside.unlink(missing_ok=True)


def _refuse_other(folder: Path, request: Request, key: str, *, overwrite: bool) -> None:
    """Refuse to replace the context of other inputs; take it away if it may be replaced."""
    try:
        header = _read_header(folder)
    except (NotThereError, DatasetError):
        return
    if header["key"] == key:
        return
    if not overwrite:
        raise AlreadyThereError(
            f"{folder} holds the context of {difference(header, request)}; choose another folder, "
            "or allow it to be replaced (overwrite=True, --overwrite)"
        )
    (folder / HEADER_NAME).unlink()


def _write_measures(path: Path, request: Request, key: str, progress: Progress) -> None:
    if path.is_file() and _measures_key(path) == key:
        return
    table = measure_context(
        request.sites,
        request.features,
        layers=request.layers,
        radii_m=request.radii_m,
        grid=request.grid,
        geoboxes=request.own_geoboxes,
        progress=progress,
    )
    placed = pd.DataFrame(lonlat(request.sites), request.sites.index, list(_PLACE))
    written = pa.Table.from_pandas(table.join(placed))
    metadata = {**(written.schema.metadata or {}), _KEY: key.encode()}
    with _store.writing_file(path) as aside:
        pa.parquet.write_table(written.replace_schema_metadata(metadata), aside, compression="zstd")


def _measures_key(path: Path) -> str | None:
    try:
        metadata = pa.parquet.read_schema(path).metadata or {}
    except (pa.ArrowInvalid, OSError):
        return None
    return metadata[_KEY].decode() if _KEY in metadata else None


def _read_measures(path: Path) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Give what was measured, and where."""
    table: pd.DataFrame = pd.read_parquet(path)
    if not set(_PLACE) <= set(table.columns):
        return table, None
    return table.drop(columns=list(_PLACE)), table[list(_PLACE)]


def _write_channels(path: Path, request: Request, key: str, progress: Progress) -> None:
    if not request.draws or request_key(path) == key:
        return
    site_ids = list(request.geoboxes)

    def draw(wanted: list[str]) -> xr.Dataset:
        return draw_channels(
            {site_id: request.geoboxes[site_id] for site_id in wanted},
            request.features,
            layers=request.drawn,
            all_touched=request.all_touched,
            max_distance_m=request.max_distance_m,
        )

    progress(_STEP, 0, len(site_ids))
    for done in write_lots(path, site_ids, draw, key=key):
        progress(_STEP, done, len(site_ids))


def _write_header(folder: Path, request: Request, key: str) -> None:
    info = request.features.info
    names = (FEATURES_NAME, MEASURES_NAME)
    _store.write_json(
        folder / HEADER_NAME,
        {
            "minewatch": __version__,
            "format": FORMAT,
            "key": key,
            "settings": request.settings(),
            "sites": len(request.sites),
            "patches": len(request.geoboxes) if request.draws else 0,
            "versions": versions(),
            "digests": {name: _store.digest_file(folder / name) for name in names},
            "osm_timestamp": info.get("osm_timestamp"),
            "attribution": info.get("attribution"),
        },
    )


def _read_header(folder: Path) -> dict[str, Any]:
    path = folder / HEADER_NAME
    if not path.is_file():
        raise NotThereError(
            f"{path} does not exist; expected a folder that minewatch context measure wrote"
        )
    try:
        header: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DatasetError(f"{path} is damaged: {error}; measure the context again") from error
    if header.get("format") != FORMAT:
        raise DatasetError(
            f"{path} is of the format {header.get('format')!r}; expected {FORMAT!r}; measure the "
            "context again"
        )
    return header
