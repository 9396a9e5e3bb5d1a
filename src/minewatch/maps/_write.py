"""Write a map in all formats that fit it: one folder, which appears whole."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from minewatch import __version__, _store
from minewatch.errors import InputError
from minewatch.maps._attribution import as_text, describe_contents, header_of
from minewatch.maps._contents import MapContents
from minewatch.maps._formats import FORMATS, Format, Language
from minewatch.maps._raster import write_composite, write_scores
from minewatch.maps._vector import POINTS, lay_layers
from minewatch.maps._vector_csv import write_csv
from minewatch.maps._vector_geojson import write_geojson
from minewatch.maps._vector_gpkg import write_gpkg
from minewatch.maps._vector_parquet import write_parquet
from minewatch.maps._vector_pmtiles import write_pmtiles
from minewatch.maps._vector_xml import write_gpx, write_kml
from minewatch.scan._not_seen import REGION
from minewatch.types import StrPath

PMTILES_FROM: Final = 2_000
"""So many detections are large: PMTiles are written without being asked for."""
MARKER: Final = "maps.json"
README: Final = "README.txt"
PAGE: Final = "map.html"
SHEETS: Final = "sheets"
_BESIDE: Final = (".aux.xml", "-wal", "-shm", "-journal")
"""What is added to the names of files that GDAL, QGIS and SQLite leave beside those they open."""
_Writer = Callable[[MapContents, Path], None]
_FOR: Final[Mapping[str, str]] = {
    "detections.parquet": "all digits, for geopandas, DuckDB, QGIS; holds how it was made",
    "detections.geojson": "for web maps and most programs",
    "detections.gpkg": "all layers with their colours, for QGIS and ArcGIS",
    "detections.kml": "for Google Earth, Organic Maps, OsmAnd: polygons, points, not seen",
    "detections.gpx": "waypoints, for GPS receivers and phones",
    "detections.csv": "a table with coordinates as numbers and in degrees, minutes and seconds",
    "detections.pmtiles": "vector tiles, for web maps of very many detections",
    "points.pmtiles": "vector tiles of a point in each, for zooms where polygons are specks",
    "map.html": "the page: opens in any browser, without a network",
    "sheets": "evidence sheets, a page for each detection, to print",
    "not_seen": "ground that was not seen: no detection there says nothing",
    "region": "the ground that was looked at",
    "changes": "what changed since the period before",
    "outlines": "bare ground and ponds inside of the detections",
    "scores": "the scores on a grid (COG): mean and greatest of the windows over a cell",
    "composite": "the imagery (COG): reflectance x 10,000, 0 = no data",
}


def write_files(
    contents: MapContents,
    out: StrPath,
    *,
    formats: Sequence[str] | None = None,
    language: Language | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a map as files for maps, phones and spreadsheets, and as a page.

    Every file says of which period it is, with which threshold and detector, what its hectares are,
    what was not seen, and whom to name. What was not seen is a layer where a format has layers, and
    a file beside it (``not_seen.…``) where it has none.

    Parameters
    ----------
    contents
        As `gather_contents` gives it.
    out
        The folder.
    formats
        Names in `FORMATS`. None: all of them but ``cog`` where there are neither scores nor
        composites, and ``pmtiles`` where there are fewer than 2,000 detections.
    language
        That the page opens in, and of the sheets. None: the page in the reader's own, sheets in
        English. The other files are in English.
    overwrite
        Replace a folder that an earlier call wrote.

    Returns
    -------
    list of pathlib.Path
        What was written, sorted; ``README.txt`` says what each is for, ``maps.json`` how they were
        made.

    Raises
    ------
    InputError
        If a format is unknown, or needs what is not there.
    AlreadyThereError
        If the folder is there, or holds files that no map has.

    Examples
    --------
    >>> import tempfile
    >>> import geopandas as gpd, pandas as pd, shapely
    >>> from minewatch.maps import gather_contents
    >>> mines = gpd.GeoDataFrame(
    ...     index=pd.Index(["a"], name="detection_id"), crs="EPSG:4326",
    ...     geometry=[shapely.box(-62.60, 5.40, -62.59, 5.41)],
    ... )
    >>> contents = gather_contents(mines, period="2024", attribution=["drawn by hand"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = write_files(contents, f"{folder}/maps", formats=["geojson", "gpx"])
    ...     [file.name for file in files]
    ['README.txt', 'detections.geojson', 'detections.gpx', 'maps.json']
    """
    final = Path(out)
    chosen, ours = choose_formats(contents, formats), own_files(final)
    _store.refuse_existing(final, overwrite=overwrite, ours=ours)
    with _store.writing_folder(final, overwrite=overwrite, ours=ours) as aside:
        for name in chosen:
            _writer(name, language)(contents, aside)
        files = (item for item in aside.rglob("*") if item.is_file())
        written = sorted(item.relative_to(aside).as_posix() for item in files)
        _store.write_text(aside / README, _readme(contents, written))
        names = sorted([*written, README])
        made = {
            **header_of(contents),
            "files": {name: _store.digest_file(aside / name) for name in names},
            "minewatch": __version__,
        }
        _store.write_json(aside / MARKER, made)
        every = sorted([*names, MARKER])
    return [final / name for name in every]


def own_files(folder: StrPath) -> _store.Ours:
    """Say what of a folder is a map's own: what it lists, and what programs leave beside that."""
    there = Path(folder)
    names = [file.name for file in there.iterdir()] if there.is_dir() else []
    left = {f"{name}{end}" for name in names for end in _BESIDE}
    return _store.Ours(MARKER, frozenset(left))


def choose_formats(contents: MapContents, formats: Sequence[str] | None) -> tuple[Format, ...]:
    """Choose the formats: those that are asked for, else those that fit.

    Raises
    ------
    InputError
        If one is unknown, or there is nothing to write in it.
    """
    has_rasters = contents.scores is not None or bool(contents.composites)
    if formats is None:
        left_out = ["sheets"] if has_rasters else ["sheets", "cog"]
        left_out += ["pmtiles"] if len(contents.detections) < PMTILES_FROM else []
        return tuple(name for name in FORMATS if name not in left_out)
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown or not formats:
        raise InputError(
            f"{', '.join(unknown) or 'no format'} cannot be written; expected some of "
            f"{', '.join(FORMATS)}"
        )
    if "cog" in formats and not has_rasters:
        raise InputError(
            "there is nothing to write as COG: give the scores of a scan (--scores), or imagery "
            "(--imagery)"
        )
    return tuple(name for name in FORMATS if name in formats)


def _write_parquet(contents: MapContents, folder: Path) -> None:
    head = header_of(contents)
    write_parquet(contents.detections, folder / "detections.parquet", head)
    if contents.not_seen is not None:
        scan = head["settings"].get("scores") or {}
        where = {} if contents.region is None else {REGION: _hex(contents)}
        said = {**scan, **header_of(contents, layer="not_seen"), **where}
        write_parquet(contents.not_seen, folder / "not_seen.parquet", said)
    for name, table in (("changes", contents.changes), ("outlines", contents.outlines)):
        if table is not None:
            write_parquet(table, folder / f"{name}.parquet", header_of(contents, layer=name))


def _hex(contents: MapContents) -> str:
    ground = contents.region.geometry.iloc[0]  # type: ignore[union-attr]  # the caller looked
    return str(ground.wkb_hex)


def _write_geojson(contents: MapContents, folder: Path) -> None:
    layers = {"detections": contents.detections, "changes": contents.changes}
    for name, table in layers.items():
        if table is not None:
            head = header_of(contents, layer=name)
            write_geojson(table, folder / f"{name}.geojson", head)


def _write_not_seen(contents: MapContents, folder: Path) -> None:
    """Write what was not seen beside formats that cannot hold it."""
    path = folder / "not_seen.geojson"
    if contents.not_seen is not None and not path.exists():
        write_geojson(contents.not_seen, path, header_of(contents, layer="not_seen"))


def _write_pmtiles(contents: MapContents, folder: Path) -> None:
    about = describe_contents(contents)
    layers = lay_layers(contents)
    for name in ("detections", POINTS, "not_seen"):
        if name in layers and len(layers[name]):
            write_pmtiles(layers[name], folder / f"{name}.pmtiles", about, layer=name)


def _write_cog(contents: MapContents, folder: Path) -> None:
    if contents.scores is not None:
        write_scores(contents, folder)
    for composite in contents.composites:
        write_composite(contents, composite, folder)


def _writer(name: Format, language: Language | None) -> _Writer:
    if name == "html":
        return partial(_write_page, language=language)
    if name == "sheets":
        return partial(_write_sheets, language=language or "en")
    return _WRITERS[name]


def _write_page(contents: MapContents, folder: Path, *, language: Language | None) -> None:
    from minewatch.maps._page import PageSettings, write_map

    write_map(contents, folder / PAGE, settings=PageSettings(language=language))


def _write_sheets(contents: MapContents, folder: Path, *, language: Language) -> None:
    from minewatch.maps._sheet import write_sheets

    every = [str(one) for one in contents.detections.index]
    write_sheets(contents, folder / SHEETS, detection_ids=every, language=language)


def _beside(write: _Writer, name: str) -> _Writer:
    """Make a writer of one file, with what was not seen beside it."""

    def both(contents: MapContents, folder: Path) -> None:
        write(contents, folder / name)
        _write_not_seen(contents, folder)

    return both


def _geojson(contents: MapContents, folder: Path) -> None:
    _write_geojson(contents, folder)
    _write_not_seen(contents, folder)


_WRITERS: Final[Mapping[Format, _Writer]] = {
    "parquet": _write_parquet,
    "geojson": _geojson,
    "gpkg": lambda contents, folder: write_gpkg(contents, folder / "detections.gpkg"),
    "kml": lambda contents, folder: write_kml(contents, folder / "detections.kml"),
    "gpx": _beside(write_gpx, "detections.gpx"),
    "csv": _beside(write_csv, "detections.csv"),
    "cog": _write_cog,
    "pmtiles": _write_pmtiles,
}


def _readme(contents: MapContents, files: Sequence[str]) -> str:
    about = as_text(describe_contents(contents))
    return f"{about}\n\nFiles:\n" + "\n".join(_file_lines(files)) + "\n"


def _file_lines(files: Sequence[str]) -> Iterator[str]:
    for name in files:
        words = next((_FOR[one] for one in _FOR if name.startswith(one)), "")
        if name.endswith(".qml"):
            words = "the colours that QGIS shows the raster of that name in"
        yield f"  {name}: {words}" if words else f"  {name}"
