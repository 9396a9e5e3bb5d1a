"""The study of the demo: a made-up valley, written as anyone's files would be."""

from datetime import date
from pathlib import Path

from minewatch import _store, sites, toy
from minewatch._progress import Progress, silent
from minewatch.errors import AlreadyThereError
from minewatch.study._read import FILE_NAME
from minewatch.types import StrPath

N_MINING, N_BACKGROUND = 100, 200
YEAR = 2023
ARCHIVE = "archive"
_OWN = {
    *(FILE_NAME, ARCHIVE, "places.geojson", "sites.parquet", "sites", "patches", "explore"),
    *(".minewatch", ".patches.lock"),
}
"""What a demo's folder holds; with anything else in it, it is not replaced."""


def make_demo(
    folder: StrPath, *, seed: int = 1, overwrite: bool = False, progress: Progress = silent
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
    valley, year_begins = toy.Valley(seed=seed), date(YEAR, 1, 1)
    areas = toy.archive_areas(valley, on=year_begins)
    table = valley.sites(N_MINING, N_BACKGROUND, within=areas, on=year_begins)
    with _store.writing_folder(final, overwrite=overwrite) as aside:
        toy.write_archive(valley, aside / ARCHIVE, year=YEAR, area=areas, progress=progress)
        sites.write_sites(table, aside / "places.geojson")
        (aside / FILE_NAME).write_text(template, encoding="utf-8")
    return final / FILE_NAME


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
