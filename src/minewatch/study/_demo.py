"""The study of the demo: a made-up valley, written as anyone's files would be."""

from datetime import date
from pathlib import Path
from typing import Final

from minewatch import _store, sites, toy
from minewatch._progress import Progress, silent
from minewatch.errors import AlreadyThereError
from minewatch.study._read import FILE_NAME
from minewatch.types import StrPath

N_MINING: Final = 170
N_BACKGROUND: Final = 332
"""As many as in the study that minewatch began with."""
YEAR: Final = 2023
SINCE: Final = date(YEAR, 1, 1)
"""Mines that people looked at were there on this day, so that a year's median shows them."""
_OWN: Final = {
    *(FILE_NAME, "places.geojson", "archive", "sites.parquet", "sites", "patches", "explore"),
    *(".minewatch", ".patches.lock", "patches.failures.csv"),
}
"""What a demo's folder holds; with anything else in it, it is not replaced."""


def make_demo(
    folder: StrPath, *, seed: int = 1, overwrite: bool = False, progress: Progress = silent
) -> Path:
    """Write a study of the toy valley: points, a year of imagery, the `study.toml` that ties them.

    Parameters
    ----------
    folder
        The study's folder.
    seed
        Which of the made-up valleys.
    overwrite
        Replace a folder that an earlier demo made.
    progress
        Told how much of the imagery is written.

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
    valley = toy.Valley(seed=seed)
    area = toy.archive_area(valley)
    table = valley.sites(n_mining=N_MINING, n_background=N_BACKGROUND, within=area, on=SINCE)
    with _store.writing_folder(final, overwrite=overwrite) as aside:
        sites.write_sites(table, aside / "places.geojson")
        toy.write_archive(valley, aside / "archive", year=YEAR, area=area, progress=progress)
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
