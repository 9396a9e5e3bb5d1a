"""The study of the demo: a made-up valley, written as anyone's files would be."""

import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import shapely
from odc.geo.geobox import GeoBox

from minewatch import _store, sites, toy
from minewatch._progress import Progress, silent
from minewatch.errors import AlreadyThereError
from minewatch.imagery._footprints import place_polygon
from minewatch.study._read import FILE_NAME
from minewatch.types import StrPath

N_MINING, N_BACKGROUND = 100, 200
N_AREAS, N_ACQUISITIONS = 24, 20
SIDE_M = 1_560.0
YEAR = 2024
ARCHIVE = "archive"
REGION = "stretches.geojson"
_OWN = {
    *(FILE_NAME, ARCHIVE, "places.geojson", "sites.parquet", "sites", "patches", "explore"),
    *(REGION, "scans", "scan", ".scan.lock", "maps"),
    *(
        "valley.osm.pbf",
        "context",
        "models",
        ".minewatch",
        ".patches.lock",
        ".patches.building.lock",
    ),
    ".context.lock",
}
"""What a demo's folder holds; with anything else in it, it is not replaced."""


def make_demo(
    folder: StrPath,
    *,
    seed: int = 1,
    overwrite: bool = False,
    tell: Callable[[str], None] | None = None,
    progress: Progress = silent,
) -> Path:
    """Write a study of the toy valley: points, an archive of images, and their `study.toml`.

    The archive lies in the study's folder and is read as any other source is, see
    `minewatch.toy.write_archive`; the points are those of places whose mines, if they have any,
    were open when the year began.

    Parameters
    ----------
    folder
        The study's folder.
    seed
        Which of the made-up valleys.
    overwrite
        Replace a folder that an earlier demo made.
    tell
        Called with one line that says what was made.
    progress
        Told how many satellite images are made.

    Returns
    -------
    Path
        The `study.toml` written.

    Raises
    ------
    AlreadyThereError
        If the folder holds anything and `overwrite` is false, or if it is not a demo's.
    """
    final = Path(folder)
    template = (Path(__file__).parent / "demo.toml").read_text(encoding="utf-8")
    _refuse_other_folders(final, overwrite=overwrite)
    began = time.monotonic()
    valley, year_begins = toy.Valley(seed=seed), date(YEAR, 1, 1)
    areas = toy.archive_areas(valley, N_AREAS, side_m=SIDE_M, on=year_begins)
    table = valley.sites(N_MINING, N_BACKGROUND, within=areas, on=year_begins)
    with _store.writing_folder(final, overwrite=overwrite) as aside:
        toy.write_archive(
            valley,
            aside / ARCHIVE,
            year=YEAR,
            area=areas,
            n_acquisitions=N_ACQUISITIONS,
            progress=progress,
        )
        sites.write_sites(table, aside / "places.geojson")
        _write_region(areas, aside / REGION)
        toy.write_osm(valley, aside / "valley.osm.pbf")
        (aside / FILE_NAME).write_text(template, encoding="utf-8")
    if tell is not None:
        made = _describe(final, len(table), areas)
        tell(f"demo: {made} ({time.monotonic() - began:.1f} s)")
    return final / FILE_NAME


def _write_region(areas: Sequence[GeoBox], file: Path) -> None:
    """Write the stretches that the archive shows as polygons."""
    polygons = [shapely.geometry.mapping(place_polygon(area)) for area in areas]
    features = [
        {"type": "Feature", "properties": {"stretch": number}, "geometry": polygon}
        for number, polygon in enumerate(polygons, start=1)
    ]
    _store.write_json(file, {"type": "FeatureCollection", "features": features})


def _describe(folder: Path, n_places: int, areas: Sequence[GeoBox]) -> str:
    files = [path for path in (folder / ARCHIVE).rglob("*") if path.is_file()]
    n_images = sum(path.name.startswith("S2") and path.suffix == ".json" for path in files)
    size_mb = sum(path.stat().st_size for path in files) / 1e6
    side_km = areas[0].shape.x * areas[0].resolution.x / 1000.0
    return (
        f"made up {n_places} labelled places and {n_images} satellite images of {YEAR} "
        f"({size_mb:.0f} MB), of {len(areas)} stretches of {side_km:.1f} × {side_km:.1f} km of a "
        "valley that does not exist"
    )


def _refuse_other_folders(folder: Path, *, overwrite: bool) -> None:
    """Keep ``--overwrite`` from removing a folder that no demo made."""
    _store.refuse_existing(folder, overwrite=overwrite)
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        own = (folder / FILE_NAME).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        own = ""
    foreign = sorted(item.name for item in folder.iterdir() if item.name not in _OWN)
    if not own.startswith("# The study that `minewatch demo` makes"):
        raise AlreadyThereError(
            f"{folder} was not made by the demo, so it is not replaced; choose another folder"
        )
    if foreign:
        raise AlreadyThereError(
            f"{folder} holds what no demo made ({', '.join(foreign)}), so it is not replaced; move "
            "that elsewhere, or choose another folder"
        )
